/*
 * listed.h - lists on a stage: made, filled with numbers, and compared with what they should be.
 */
#ifndef KITH_TEST_UNIT_LISTED_H
#define KITH_TEST_UNIT_LISTED_H

#include "checked.h"
#include "shm/list_parts.h"

static inline kith_err
list_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    (void)arg;
    kith__list_init(op, off, id);
    return op->err;
}

static inline struct kith__list
list_on(struct stage *stage)
{
    struct kith__root_ref ref = stage_make(stage, KITH_KIND_LIST, list_init, NULL);

    return (struct kith__list){ stage->arena, ref.off, ref.id };
}

/* Appends the numbers [from, to). */
static inline void
list_append_numbers(struct stage *stage, const struct kith__list *list, int64_t from, int64_t to)
{
    for (int64_t i = from; i < to; i++)
        EXPECT_OK(kith__list_append(stage->self, list, kith_int(i)));
}

/* Puts them in front, so that they stand in their order. */
static inline void
list_prepend_numbers(struct stage *stage, const struct kith__list *list, int64_t from, int64_t to)
{
    for (int64_t i = to; i-- > from;) {
        struct kith_item item = kith_int(i);

        EXPECT_OK(kith__list_splice(stage->self, list, 0, 0, &item, 1));
    }
}

static inline uint64_t
list_length(struct stage *stage, const struct kith__list *list)
{
    uint64_t count = UINT64_MAX;

    EXPECT_OK(kith__list_len(stage->self, list, &count));
    return count;
}

/* It has these numbers and nothing else; each is read by itself, too. */
static inline void
expect_numbers(struct stage *stage, const struct kith__list *list, const int64_t *want,
               uint64_t count)
{
    struct kith__list_copy copy;

    assert_int_equal(count, list_length(stage, list));
    EXPECT_OK(kith__list_copy(stage->self, list, 0, INT64_MAX, 1, &copy));
    assert_int_equal(count, copy.count);
    for (uint64_t i = 0; i < count; i++) {
        struct kith_buf buf = KITH_BUF_INIT;

        assert_true((int64_t)copy.items[i].value == want[i]);
        EXPECT_OK(kith__list_get(stage->self, list, (int64_t)i, &buf));
        assert_true(buf.item.type == KITH_TYPE_INT && buf.item.integer == want[i]);
        kith_buf_free(&buf);
    }
    kith__list_copy_free(&copy);
}

/* The numbers from `first` on, `count` of them. */
static inline void
expect_range(struct stage *stage, const struct kith__list *list, int64_t first, uint64_t count)
{
    int64_t *want = malloc((count + 1) * sizeof *want);

    assert_non_null(want);
    for (uint64_t i = 0; i < count; i++)
        want[i] = first + (int64_t)i;
    expect_numbers(stage, list, want, count);
    free(want);
}

/* What an operation on a list leaves of the thread's own. */
static inline void
expect_list_at_rest(struct stage *stage)
{
    assert_int_equal(0, kith__load(&stage->self->actor->staged.count));
    assert_int_equal(0, kith__load(&stage->self->actor->trash.count));
    assert_true(kith__load(&stage->self->actor->pin) == 0);
    assert_int_equal(0, stage->self->depth);
    EXPECT_WHOLE(stage);
}

/* A text longer than fits beside the meta, that `seed` tells from others; `size` with its end. */
static inline struct kith_item
list_text(char *room, size_t size, unsigned seed)
{
    memset(room, 'a' + (char)(seed % 26), size - 1);
    room[size - 1] = '\0';
    return kith_str(room);
}

#endif /* KITH_TEST_UNIT_LISTED_H */
