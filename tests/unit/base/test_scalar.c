#include "base/scalar.h"

#include <math.h>

#include "unit.h"

static const char codes[] = "bBhHiIlLqQfd?cu";

static void
every_code_has_the_size_of_its_c_type(void **state)
{
    static const uint32_t sizes[] = { 1, 1, 2, 2, 4, 4, 8, 8, 8, 8, 4, 8, 1, 1, 4 };

    (void)state;
    for (size_t i = 0; codes[i] != 0; i++) {
        assert_non_null(kith__scalar_of(codes[i]));
        assert_int_equal(codes[i], kith__scalar_of(codes[i])->code);
        assert_int_equal(sizes[i], kith__scalar_of(codes[i])->size);
    }
    assert_null(kith__scalar_of(0));
    assert_null(kith__scalar_of('x'));
    assert_null(kith__scalar_of((char)0xff));
}

static void
numbers_come_back_from_bits(void **state)
{
    static const struct {
        char code;
        int64_t n;
    } some[] = { { 'b', -128 }, { 'h', -1 },         { 'i', INT32_MIN },  { 'q', INT64_MIN },
                 { 'B', 255 },  { 'H', UINT16_MAX }, { 'I', UINT32_MAX }, { 'Q', -1 },
                 { '?', 1 },    { 'c', 255 },        { 'u', 0x10ffff } };

    (void)state;
    for (size_t i = 0; i < COUNTOF(some); i++) {
        const struct kith__scalar *type = kith__scalar_of(some[i].code);
        uint64_t bits = 0;

        assert_int_equal(KITH_OK,
                         kith__scalar_apply(type, KITH__MATH_SET, 0, (uint64_t)some[i].n, &bits));
        assert_true(type->size == 8 || bits >> (8 * type->size) == 0);
        assert_true((int64_t)kith__scalar_number(type, bits) == some[i].n);
    }
}

/* Every sum, difference and bit operation of two bytes, against plain C. */
static void
bytes_are_reckoned_as_c_reckons_them(void **state)
{
    const struct kith__scalar *type = kith__scalar_of('b');

    (void)state;
    for (int old = -128; old < 128; old++) {
        for (int n = -300; n <= 300; n++) {
            const int want[] = { n,       old + n, old - n,           old & n,
                                 old | n, old ^ n, n < old ? n : old, n > old ? n : old };

            for (int what = KITH__MATH_SET; what <= KITH__MATH_MAX; what++) {
                uint64_t now = 77;
                kith_err err = kith__scalar_apply(type, (enum kith__math)what, (uint8_t)old,
                                                  (uint64_t)n, &now);

                if (want[what] < -128 || want[what] > 127) {
                    assert_int_equal(KITH_ERANGE, err);
                    assert_true(now == 77);
                } else {
                    assert_int_equal(KITH_OK, err);
                    assert_true((int64_t)kith__scalar_number(type, now) == want[what]);
                }
            }
        }
    }
}

static void
unsigned_64_bits_overflow_at_their_ends(void **state)
{
    const struct kith__scalar *type = kith__scalar_of('Q');
    uint64_t now;

    (void)state;
    assert_int_equal(KITH_OK, kith__scalar_apply(type, KITH__MATH_ADD, UINT64_MAX - 1, 1, &now));
    assert_true(now == UINT64_MAX);
    assert_int_equal(KITH_ERANGE, kith__scalar_apply(type, KITH__MATH_ADD, UINT64_MAX, 1, &now));
    assert_int_equal(KITH_ERANGE, kith__scalar_apply(type, KITH__MATH_ADD, 0, (uint64_t)-1, &now));
    assert_int_equal(KITH_OK, kith__scalar_apply(type, KITH__MATH_ADD, 1, (uint64_t)-1, &now));
    assert_true(now == 0);
    assert_int_equal(KITH_ERANGE, kith__scalar_apply(type, KITH__MATH_SUB, 0, 1, &now));
    assert_int_equal(KITH_OK, kith__scalar_apply(type, KITH__MATH_MAX, 1, UINT64_MAX, &now));
    assert_true(now == UINT64_MAX);
    assert_int_equal(KITH_OK, kith__scalar_apply(type, KITH__MATH_MIN, 1, UINT64_MAX, &now));
    assert_true(now == 1);
}

static void
floats_are_rounded_to_their_type(void **state)
{
    const struct kith__scalar *type = kith__scalar_of('f');
    uint64_t now;

    (void)state;
    assert_int_equal(KITH_OK,
                     kith__scalar_apply(type, KITH__MATH_ADD, 0, kith__real_bits(0.1), &now));
    assert_true(kith__bits_real(kith__scalar_number(type, now)) == (double)0.1f);
    assert_int_equal(KITH_OK, kith__scalar_apply(type, KITH__MATH_ADD, now,
                                                 kith__real_bits((double)INFINITY), &now));
    assert_true(isinf(kith__bits_real(kith__scalar_number(type, now))));
}

static void
operations_suit_their_types(void **state)
{
    (void)state;
    for (int what = KITH__MATH_SET; what <= KITH__MATH_MAX; what++) {
        bool bitwise = what == KITH__MATH_AND || what == KITH__MATH_OR || what == KITH__MATH_XOR;

        for (size_t i = 0; i < 10; i++) {
            const struct kith__scalar *type = kith__scalar_of(codes[i]);

            assert_true(kith__scalar_takes(type, (enum kith__math)what, false));
            assert_false(kith__scalar_takes(type, (enum kith__math)what, true));
        }
        assert_int_equal(!bitwise,
                         kith__scalar_takes(kith__scalar_of('d'), (enum kith__math)what, true));
        assert_false(kith__scalar_takes(kith__scalar_of('d'), (enum kith__math)what, false));
        assert_int_equal(bitwise || what == KITH__MATH_SET,
                         kith__scalar_takes(kith__scalar_of('?'), (enum kith__math)what, false));
        assert_int_equal(what == KITH__MATH_SET,
                         kith__scalar_takes(kith__scalar_of('u'), (enum kith__math)what, false));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_the_size_of_its_c_type),
        cmocka_unit_test(numbers_come_back_from_bits),
        cmocka_unit_test(bytes_are_reckoned_as_c_reckons_them),
        cmocka_unit_test(unsigned_64_bits_overflow_at_their_ends),
        cmocka_unit_test(floats_are_rounded_to_their_type),
        cmocka_unit_test(operations_suit_their_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
