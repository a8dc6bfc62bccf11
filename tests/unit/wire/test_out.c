/*
 * test_out.c - bytes on their way out: in order, whatever is copied or borrowed.
 */
#include "unit.h"

#include "wire/out.h"

static void
out_is_what_was_put_in_that_order(void **state)
{
    static uint8_t large[3][2 * KITH__OUT_BORROW_MIN];
    struct kith__out out = { .size_max = 0 };
    uint8_t *flat, *pieced;
    struct iovec iovec[16];

    for (size_t i = 0; i < COUNTOF(large); i++)
        memset(large[i], 'A' + (int)i, sizeof(large[i]));
    kith__out_put(&out, "begin", 5);
    kith__out_borrow(&out, large[0], sizeof(large[0]));
    kith__out_borrow(&out, large[1], sizeof(large[1]));
    kith__out_borrow(&out, "small", 5);
    kith__out_put(&out, large[2], sizeof(large[2]));
    kith__out_borrow(&out, large[2], sizeof(large[2]));
    EXPECT_OK(out.err);
    assert_int_equal(10 + 4 * sizeof(large[0]), out.total);
    assert_int_equal(3, out.piece_count);
    flat = malloc(out.total);
    pieced = malloc(out.total);
    assert_true(flat != NULL && pieced != NULL);
    kith__out_copy(&out, flat);
    assert_memory_equal("beginAA", flat, 7);
    assert_memory_equal("BBsmallCC", flat + 3 + 2 * sizeof(large[0]), 9);
    /* From any byte on, the pieces are what is left of it. */
    for (size_t from = 0; from <= out.total; from += from % 1000 == 5 ? 995 : 1) {
        size_t at = from, count = kith__out_iovec(&out, from, iovec, COUNTOF(iovec));

        for (size_t i = 0; i < count; i++) {
            assert_true(iovec[i].iov_len > 0);
            assert_memory_equal(flat + at, iovec[i].iov_base, iovec[i].iov_len);
            at += iovec[i].iov_len;
        }
        assert_int_equal(out.total, at);
        if (from > 2000)
            from += 777;
    }
    assert_int_equal(1, kith__out_iovec(&out, 0, iovec, 1));
    free(flat);
    free(pieced);
    kith__out_free(&out);
    assert_int_equal(0, out.total);
    (void)state;
}

static void
out_keeps_to_its_limit_and_keeps_its_first_failure(void **state)
{
    struct kith__out out = { .size_max = 10 };

    kith__out_put(&out, "0123456789", 10);
    EXPECT_OK(out.err);
    kith__out_put(&out, NULL, 0);
    EXPECT_OK(out.err);
    kith__out_put(&out, "x", 1);
    EXPECT_RC(KITH_ETOOBIG, out.err);
    kith__out_put(&out, "", 0);
    EXPECT_RC(KITH_ETOOBIG, out.err);
    assert_int_equal(10, out.total);
    kith__out_free(&out);
    assert_int_equal(10, out.size_max);
    EXPECT_OK(out.err);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_is_what_was_put_in_that_order),
        cmocka_unit_test(out_keeps_to_its_limit_and_keeps_its_first_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
