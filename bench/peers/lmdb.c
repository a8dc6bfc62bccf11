/*
 * lmdb.c - LMDB on tmpfs, with all that makes it durable turned off: the usual table that processes
 * share and that their deaths do not harm.
 *
 * Every get is a read transaction, renewed rather than begun anew, which is the cheapest form that
 * sees each change; every put is a write transaction.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "../harness.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static MDB_env *env;
static MDB_txn *reader;
static MDB_dbi dbis[3];
static const char *const dbi_names[3] = { "a", "b", "queue" };

static void
must(int rc, const char *what)
{
    if (rc != MDB_SUCCESS)
        bench_fail("%s: %s", what, mdb_strerror(rc));
}

static void
folder(struct bench *b, char *path, size_t size)
{
    snprintf(path, size, "/dev/shm/%s", b->name);
}

static void
open_env(struct bench *b)
{
    MDB_txn *txn;
    char path[128];

    folder(b, path, sizeof(path));
    must(mdb_env_create(&env), "mdb_env_create");
    must(mdb_env_set_mapsize(env, ((size_t)256 << 20) + b->entries * 256), "mdb_env_set_mapsize");
    must(mdb_env_set_maxdbs(env, 3), "mdb_env_set_maxdbs");
    must(mdb_env_open(env, path, MDB_WRITEMAP | MDB_NOSYNC | MDB_NOMETASYNC | MDB_MAPASYNC, 0600),
         "mdb_env_open");
    must(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
    for (int i = 0; i < 3; i++)
        must(mdb_dbi_open(txn, dbi_names[i], MDB_CREATE, &dbis[i]), "mdb_dbi_open");
    must(mdb_txn_commit(txn), "mdb_txn_commit");
    must(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader), "mdb_txn_begin");
    mdb_txn_reset(reader);
}

static int
compare_keys(const void *left, const void *right)
{
    return memcmp(left, right, BENCH_KEY_SIZE);
}

/* Fills in key order, so that the tree's pages are full: the best it can be for a reader. */
static void
make_table(struct bench *b)
{
    struct sortable {
        struct bench_key key;
        int64_t value;
    } *all = calloc(b->entries, sizeof(*all));
    MDB_txn *txn;
    char path[128];

    folder(b, path, sizeof(path));
    if (all == NULL || mkdir(path, 0700) != 0)
        bench_fail("cannot make %s", path);
    open_env(b);
    for (uint64_t i = 0; i < b->entries; i++) {
        all[i].key = bench_key_of(i);
        all[i].value = (int64_t)i;
    }
    qsort(all, b->entries, sizeof(*all), compare_keys);
    must(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
    for (uint64_t i = 0; i < b->entries; i++) {
        MDB_val key = { BENCH_KEY_SIZE, &all[i].key };
        MDB_val value = { sizeof(int64_t), &all[i].value };

        must(mdb_put(txn, dbis[0], &key, &value, MDB_APPEND), "mdb_put");
    }
    must(mdb_txn_commit(txn), "mdb_txn_commit");
    free(all);
    mdb_txn_abort(reader);
    mdb_env_close(env);
}

static void
get(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        struct bench_key bytes = bench_key_of(i);
        MDB_val key = { BENCH_KEY_SIZE, &bytes };
        MDB_val found;
        int64_t value;

        must(mdb_txn_renew(reader), "mdb_txn_renew");
        must(mdb_get(reader, dbis[0], &key, &found), "mdb_get");
        memcpy(&value, found.mv_data, sizeof(value));
        mdb_txn_reset(reader);
        if (!bench_value_is_of(value, i))
            bench_fail("key %llu is wrong", (unsigned long long)i);
    }
}

static void
put(MDB_txn *txn, MDB_dbi dbi, uint64_t index, int64_t value)
{
    struct bench_key bytes = bench_key_of(index);
    MDB_val key = { BENCH_KEY_SIZE, &bytes };
    MDB_val item = { sizeof(value), &value };

    must(mdb_put(txn, dbi, &key, &item, 0), "mdb_put");
}

static void
set(struct bench *b, uint64_t ops)
{
    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries / b->workers) * b->workers + b->worker;
        MDB_txn *txn;

        must(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
        put(txn, dbis[0], i, (int64_t)(n << 32 | i));
        must(mdb_txn_commit(txn), "mdb_txn_commit");
    }
}

/*
 * An item goes into a queue; then one transaction takes the oldest out, counts it in one table and
 * notes it in another.
 */
static void
work_item(struct bench *b, uint64_t ops)
{
    static uint64_t tickets;

    for (uint64_t n = 0; n < ops; n++) {
        uint64_t i = bench_random(&b->random, b->entries);
        uint64_t ticket[2] = { __builtin_bswap64(tickets++), b->worker };
        int64_t item = (int64_t)i, count = 0;
        MDB_val key = { sizeof(ticket), ticket };
        MDB_val value = { sizeof(item), &item };
        MDB_cursor *cursor;
        MDB_txn *txn;

        must(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
        must(mdb_put(txn, dbis[2], &key, &value, 0), "mdb_put");
        must(mdb_txn_commit(txn), "mdb_txn_commit");

        must(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
        must(mdb_cursor_open(txn, dbis[2], &cursor), "mdb_cursor_open");
        must(mdb_cursor_get(cursor, &key, &value, MDB_FIRST), "mdb_cursor_get");
        memcpy(&item, value.mv_data, sizeof(item));
        must(mdb_cursor_del(cursor, 0), "mdb_cursor_del");
        mdb_cursor_close(cursor);
        {
            struct bench_key bytes = bench_key_of((uint64_t)item);
            MDB_val at = { BENCH_KEY_SIZE, &bytes };
            MDB_val found;

            must(mdb_get(txn, dbis[0], &at, &found), "mdb_get");
            memcpy(&count, found.mv_data, sizeof(count));
        }
        put(txn, dbis[0], (uint64_t)item, count + 1);
        put(txn, dbis[1], (uint64_t)item, item);
        must(mdb_txn_commit(txn), "mdb_txn_commit");
    }
}

static void
remove_env(struct bench *b)
{
    static const char *const files[] = { "data.mdb", "lock.mdb" };
    char path[128], file[160];

    folder(b, path, sizeof(path));
    for (int i = 0; i < 2; i++) {
        snprintf(file, sizeof(file), "%s/%s", path, files[i]);
        unlink(file);
    }
    rmdir(path);
}

static const struct bench_case cases[] = {
    { .name = "get", .make = make_table, .begin = open_env, .work = get },
    { .name = "set", .make = make_table, .begin = open_env, .work = set },
    { .name = "work-item", .make = make_table, .begin = open_env, .work = work_item },
};

int
main(int argc, char **argv)
{
    return bench_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]), remove_env);
}
