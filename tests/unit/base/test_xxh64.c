#include "base/xxh64.h"
#include "unit.h"

#define PRIME32 UINT64_C(2654435761)

/* The buffer that the published vectors of XXH64 are of. */
static void
fill(uint8_t *buffer, size_t size)
{
    uint64_t byte = PRIME32;

    for (size_t i = 0; i < size; i++) {
        buffer[i] = (uint8_t)(byte >> 56);
        byte *= UINT64_C(11400714785074694797);
    }
}

static void
xxh64_gives_the_published_vectors(void **state)
{
    static const struct {
        size_t size;
        uint64_t seed, want;
    } vectors[] = {
        { 0, 0, UINT64_C(0xef46db3751d8e999) },
        { 0, PRIME32, UINT64_C(0xac75fda2929b17ef) },
        { 1, 0, UINT64_C(0xe934a84adb052768) },
        { 1, PRIME32, UINT64_C(0x5014607643a9b4c3) },
        { 4, 0, UINT64_C(0x9136a0dca57457ee) },
        { 14, 0, UINT64_C(0x8282dcc4994e35c8) },
        { 14, PRIME32, UINT64_C(0xc3bd6bf63deb6df0) },
        { 222, 0, UINT64_C(0xb641ae8cb691c174) },
        { 222, PRIME32, UINT64_C(0x20cb8ab7ae10c14a) },
    };
    uint8_t buffer[222];

    (void)state;
    fill(buffer, sizeof(buffer));
    for (size_t i = 0; i < COUNTOF(vectors); i++)
        assert_int_equal(vectors[i].want, kith__xxh64(buffer, vectors[i].size, vectors[i].seed));
    assert_int_equal(UINT64_C(0xe66ae7354fcfee98), kith__xxh64("ABC", 3, 0));
    assert_int_equal(UINT64_C(0x32dd38952c4bc720), kith__xxh64("xxhash", 6, 0));
}

static void
bytes_added_in_parts_give_the_same(void **state)
{
    uint8_t buffer[222];
    uint64_t whole;

    (void)state;
    fill(buffer, sizeof(buffer));
    whole = kith__xxh64(buffer, sizeof(buffer), 7);
    for (size_t first = 0; first <= 70; first++)
        for (size_t second = first; second <= 140; second++) {
            struct kith__xxh64 parts;

            kith__xxh64_begin(&parts, 7);
            kith__xxh64_add(&parts, buffer, first);
            kith__xxh64_add(&parts, buffer + first, second - first);
            kith__xxh64_add(&parts, buffer + second, sizeof(buffer) - second);
            assert_int_equal(whole, kith__xxh64_end(&parts));
            assert_int_equal(whole, kith__xxh64_end(&parts));
        }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xxh64_gives_the_published_vectors),
        cmocka_unit_test(bytes_added_in_parts_give_the_same),
    };

    return cmocka_run_group_tests_name("xxh64", tests, NULL, NULL);
}
