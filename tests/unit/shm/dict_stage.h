/*
 * dict_stage.h - a dict in an arena of its own, for the tests of the files that a dict is made of.
 *
 * The hash of a key may be chosen: what a table does with keys that collide is then no chance.
 */
#ifndef KITH_TEST_UNIT_DICT_STAGE_H
#define KITH_TEST_UNIT_DICT_STAGE_H

#include "base/buf.h"
#include "checked.h"

#define NS_PER_S INT64_C(1000000000)

static struct stage stage;
static struct kith__dict dict;
static struct kith__dict_root *root;

static inline kith_err
init_dict(struct kith__op *op, uint64_t off, uint64_t id, void *bounds)
{
    kith__dict_init(op, off, id, bounds);
    return op->err;
}

static inline void
make_bounded(uint64_t max_items, uint64_t max_bytes, enum kith_dict_policy policy)
{
    struct kith__bounds bounds = { max_items, max_bytes, policy };
    struct kith__root_ref ref;

    stage = stage_open();
    ref = stage_make(&stage, KITH_KIND_DICT, init_dict, &bounds);
    dict = (struct kith__dict){ stage.arena, ref.off, ref.id };
    root = kith__dict_root(&dict);
}

static inline void
make_dict(void)
{
    make_bounded(0, 0, KITH_DICT_REFUSE);
}

/* What was left over is put away, and the arena is as it should be. */
static inline void
close_dict(void)
{
    put_away(&stage);
    EXPECT_WHOLE(&stage);
    stage_close(&stage);
}

static inline void
pass_time(int64_t seconds)
{
    stage.arena->clock_shift_ns += seconds * NS_PER_S;
}

static inline struct kith_item
item_of_type(kith_type type, const void *data, size_t size)
{
    return (struct kith_item){ .type = type, .data = data, .size = size };
}

/* ---- Keys and what stands under them ------------------------------------------------------ */

static inline void
key_make(struct kith__key *key, struct kith_item item)
{
    EXPECT_OK(kith__key_make(stage.arena->hash_key, item, key));
}

/* The key n, as if it had this hash. */
static inline void
key_hashed(struct kith__key *key, int64_t n, uint64_t hash)
{
    key_make(key, KITH_INT(n));
    key->hash = hash;
}

static inline kith_err
change(struct kith_item name, const struct kith__change *how)
{
    struct kith__key key;
    kith_err err;

    key_make(&key, name);
    err = kith__dict_change(stage.self, &dict, &key, how);
    kith__key_free(&key);
    return err;
}

static inline kith_err
set_item(struct kith_item name, struct kith_item item)
{
    return change(name, &(struct kith__change){ .what = KITH__CHANGE_SET, .item = item });
}

static inline kith_err
set_for(struct kith_item name, struct kith_item item, int64_t seconds)
{
    return change(name, &(struct kith__change){
                            .what = KITH__CHANGE_SET, .item = item, .ttl_ns = seconds * NS_PER_S });
}

static inline kith_err
delete_key(struct kith_item name)
{
    return change(name, &(struct kith__change){ .what = KITH__CHANGE_DELETE });
}

static inline kith_err
get_item(struct kith_item name, struct kith_buf *out)
{
    struct kith__key key;
    kith_err err;

    key_make(&key, name);
    err = kith__dict_get(stage.self, &dict, &key, out, NULL, NULL);
    kith__key_free(&key);
    return err;
}

/* The int under a key; the test fails if there is none. */
static inline int64_t
int_under(struct kith_item name)
{
    struct kith_buf buf = KITH_BUF_INIT;
    int64_t n;

    EXPECT_OK(get_item(name, &buf));
    assert_int_equal(KITH_TYPE_INT, buf.item.type);
    n = buf.item.integer;
    kith_buf_free(&buf);
    return n;
}

static inline bool
has_key(struct kith_item name)
{
    kith_err err = get_item(name, NULL);

    assert_true(err == KITH_OK || err == KITH_ENOENT);
    return err == KITH_OK;
}

static inline uint64_t
length(void)
{
    uint64_t count = UINT64_MAX;

    EXPECT_OK(kith__dict_len(stage.self, &dict, &count));
    return count;
}

/* ---- What is in the arena ----------------------------------------------------------------- */

/* The shard of a key. */
static inline struct kith__shard *
shard_of(uint64_t hash)
{
    unsigned count;
    struct kith__shard *shards = kith__dict_shards(&dict, kith__load(&root->shards), &count);

    assert_non_null(shards);
    return count == 1 ? shards : &shards[kith__shard_of(hash)];
}

static inline struct kith__place
place_of_key(struct kith_item name)
{
    struct kith__place place;
    struct kith__key key;
    struct kith__op op;

    key_make(&key, name);
    kith__op_begin(&op, stage.self);
    EXPECT_OK(kith__table_find(&op, shard_of(key.hash), &key, &place));
    kith__key_free(&key);
    return place;
}

/* The entry of a key; NULL: it has none. */
static inline struct kith__entry *
entry_of(struct kith_item name)
{
    return place_of_key(name).entry;
}

static inline struct kith__bucket *
bucket_at(const struct kith__shard *shard, uint64_t index)
{
    uint64_t table = kith__load(&shard->table);

    assert_true(table != 0 && index <= kith__table_mask(table));
    return (struct kith__bucket *)kith__ptr(stage.arena, kith__table_off(table)) + index;
}

static inline unsigned
overflow_of(const struct kith__bucket *bucket)
{
    return (unsigned)((kith__load(&bucket->head) & KITH__HEAD_OVERFLOW) / KITH__HEAD_OVERFLOW_ONE);
}

/* ---- A record of another thread ----------------------------------------------------------- */

/* `who` of the crowd has a record that sets one word, committed or not. */
static inline void
record_of(struct kith__actor *who, const kith__word *word, uint64_t value, bool committed)
{
    who->main_inline[0] = (struct kith__redo){ kith__off(stage.arena, word), value };
    kith__store(&who->main.count, 1);
    kith__store(&who->main.area, 0);
    kith__store(&who->main.state, kith__load(&who->main.state) | committed);
}

static inline void
record_ends(struct kith__actor *who)
{
    kith__journal_clear(&who->main);
}

#endif /* KITH_TEST_UNIT_DICT_STAGE_H */
