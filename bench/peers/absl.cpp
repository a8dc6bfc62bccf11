/*
 * absl.cpp - absl::flat_hash_map, private to one process and without any lock: what a table costs
 * that shares nothing and survives nothing.
 */
#include "../harness.h"

#include <absl/container/flat_hash_map.h>

namespace
{

struct Key {
    bench_key bytes;

    bool
    operator==(const Key &other) const
    {
        return memcmp(&bytes, &other.bytes, BENCH_KEY_SIZE) == 0;
    }

    template <typename H>
    friend H
    AbslHashValue(H h, const Key &key)
    {
        return H::combine(std::move(h), key.bytes.word[0], key.bytes.word[1]);
    }
};

using Map = absl::flat_hash_map<Key, int64_t>;

Map *map;

void
fill(bench *b)
{
    map = new Map;
    for (uint64_t i = 0; i < b->entries; i++)
        map->insert_or_assign(Key{ bench_key_of(i) }, static_cast<int64_t>(i));
}

void
get(bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        auto at = map->find(Key{ bench_key_of(i) });

        if (at == map->end() || !bench_value_is_of(at->second, i))
            bench_fail("key %llu is wrong", static_cast<unsigned long long>(i));
    }
}

void
set(bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);

        map->insert_or_assign(Key{ bench_key_of(i) }, static_cast<int64_t>(n << 32 | i));
    }
}

/* Growing from empty, the growing included. */
void
grow(bench *b)
{
    int64_t start_ns = bench_now_ns();

    fill(b);
    bench_print(static_cast<double>(bench_now_ns() - start_ns) / static_cast<double>(b->entries));
    if (map->size() != b->entries)
        bench_fail("%zu entries", map->size());
}

const bench_case cases[] = {
    { "get", 0, nullptr, fill, nullptr, get, nullptr, nullptr },
    { "set", 0, nullptr, fill, nullptr, set, nullptr, nullptr },
    { "grow", 0, nullptr, nullptr, nullptr, nullptr, grow, nullptr },
};

} // namespace

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), nullptr);
}
