/*
 * set.c - members without items: a dict's keys, as a kind of its own.
 */
#include <kith/set.h>

#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "object/handle.h"

kith_err
kith_set_open(kith_space *space, const char *name, const struct kith_set_options *options,
              kith_set **set_out)
{
    struct kith_set_options whole = KITH_SET_OPTIONS_INIT;
    struct kith_dict_options plain = KITH_DICT_OPTIONS_INIT;
    kith_set *set;
    void *state;
    kith_err err =
        kith__open_check("kith_set_open", space, name, set_out, options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    set = kith__handle_new(sizeof(*set));
    if (set == NULL)
        return KITH_ENOMEM;
    set->ops = space->engine->dict;
    plain.create = whole.create;
    err = set->ops->open_as(space->state, name, KITH_KIND_SET, &plain, &state);
    if (err < 0) {
        kith__free(set);
        return err;
    }
    kith__handle_init(&set->handle, space, KITH_KIND_SET, name, state);
    *set_out = set;
    return KITH_OK;
}

void
kith_set_close(kith_set *set)
{
    if (set == NULL || !kith__handle_drop(&set->handle))
        return;
    set->ops->close(set->handle.state);
    kith__space_release(set->handle.space);
    kith__free(set);
}

static inline kith_err
outcome(const kith_set *set, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&set->handle, err, told, NULL);
}

/* ---- One member ----------------------------------------------------------------------- */

kith_err
kith_set_add(kith_set *set, struct kith_item member)
{
    const struct kith_item none = { .type = KITH_TYPE_NONE };
    unsigned told = kith__told();

    if (set == NULL)
        return kith__fail_null("kith_set_add");
    /* Only if absent: the member that is there keeps its writing, as 1 does when 1.0 comes. */
    return outcome(
        set,
        set->ops->edit(set->handle.state, &member,
                       &(struct kith__edit){ .what = KITH__EDIT_SETDEFAULT, .item = &none }),
        told);
}

kith_err
kith_set_remove(kith_set *set, struct kith_item member)
{
    unsigned told = kith__told();

    if (set == NULL)
        return kith__fail_null("kith_set_remove");
    return outcome(set,
                   set->ops->edit(set->handle.state, &member,
                                  &(struct kith__edit){ .what = KITH__EDIT_DELETE }),
                   told);
}

kith_err
kith_set_discard(kith_set *set, struct kith_item member)
{
    unsigned told = kith__told();
    kith_err err;

    if (set == NULL)
        return kith__fail_null("kith_set_discard");
    err = set->ops->edit(set->handle.state, &member,
                         &(struct kith__edit){ .what = KITH__EDIT_DELETE });
    return err == KITH_ENOENT ? KITH_OK : outcome(set, err, told);
}

kith_err
kith_set_has(kith_set *set, struct kith_item member)
{
    unsigned told = kith__told();

    if (set == NULL)
        return kith__fail_null("kith_set_has");
    return outcome(set, set->ops->has(set->handle.state, &member), told);
}

kith_err
kith_set_pop(kith_set *set, struct kith_buf *member_out)
{
    unsigned told = kith__told();

    if (set == NULL)
        return kith__fail_null("kith_set_pop");
    return outcome(set, set->ops->popitem(set->handle.state, member_out, NULL), told);
}

/* ---- The whole ------------------------------------------------------------------------ */

kith_err
kith_set_len(kith_set *set, uint64_t *count_out)
{
    unsigned told = kith__told();
    uint64_t count;
    kith_err err;

    if (set == NULL || count_out == NULL)
        return kith__fail_null("kith_set_len");
    err = set->ops->len(set->handle.state, &count);
    if (err == KITH_OK)
        *count_out = count;
    return outcome(set, err, told);
}

kith_err
kith_set_clear(kith_set *set)
{
    unsigned told = kith__told();

    if (set == NULL)
        return kith__fail_null("kith_set_clear");
    return outcome(set, set->ops->clear(set->handle.state), told);
}

static kith_err
no_memory(void)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for so many members at once.");
}

kith_err
kith_set_update(kith_set *set, const struct kith_item *members, size_t count)
{
    unsigned told = kith__told();
    struct kith_item *nones;
    kith_err err;

    if (set == NULL || (members == NULL && count > 0))
        return kith__fail_null("kith_set_update");
    if (count == 0)
        return KITH_OK;
    nones = kith__calloc(count, sizeof(*nones)); /* zeros are none */
    if (nones == NULL)
        return no_memory();
    err = set->ops->many(set->handle.state, KITH__MANY_SET, members, nones, NULL, count, NULL);
    kith__free(nones);
    return outcome(set, err, told);
}

struct members_only {
    int (*each)(struct kith_item member, void *arg);
    void *arg;
};

static int
tell_member(struct kith_item key, struct kith_item item, void *arg)
{
    const struct members_only *only = arg;

    (void)item;
    return only->each(key, only->arg);
}

kith_err
kith_set_each(kith_set *set, int (*each)(struct kith_item member, void *arg), void *arg)
{
    struct members_only only = { each, arg };
    unsigned told = kith__told();

    if (set == NULL || each == NULL)
        return kith__fail_null("kith_set_each");
    return outcome(set, set->ops->each(set->handle.state, false, tell_member, &only), told);
}

/* ---- Two sets --------------------------------------------------------------------------- */

/* The members of a set, as of one instant, and where to find one. */
struct members {
    struct kith_buf *at;
    size_t count, room;
    struct kith__key *keys; /* one for each; hashed under a seed of no space */
    size_t *index, mask;    /* number + 1 by hash */
    kith_err err;
};
static const uint64_t seed[2] = { UINT64_C(0x6b6974682d736574), UINT64_C(0x2d616c6765627261) };

static int
keep_member(struct kith_item key, struct kith_item item, void *arg)
{
    struct members *members = arg;

    (void)item;
    if (members->count == members->room) {
        size_t room = members->room != 0 ? 2 * members->room : 64;
        struct kith_buf *at = kith__realloc(members->at, room * sizeof(*at));

        if (at == NULL) {
            members->err = no_memory();
            return 1;
        }
        members->at = at;
        members->room = room;
    }
    members->at[members->count] = (struct kith_buf)KITH_BUF_INIT;
    members->err = kith__buf_set(&members->at[members->count], key);
    members->count += members->err == KITH_OK;
    return members->err < 0;
}

static kith_err
index_members(struct members *members)
{
    size_t size = 16;

    while (size < 2 * members->count)
        size *= 2;
    members->keys = kith__calloc(members->count + 1, sizeof(*members->keys));
    members->index = kith__calloc(size, sizeof(*members->index));
    if (members->keys == NULL || members->index == NULL)
        return no_memory();
    members->mask = size - 1;
    for (size_t i = 0; i < members->count; i++) {
        kith_err err = kith__key_make(seed, members->at[i].item, &members->keys[i]);
        size_t at;

        if (err < 0)
            return err;
        at = (size_t)members->keys[i].hash & members->mask;
        while (members->index[at] != 0)
            at = (at + 1) & members->mask;
        members->index[at] = i + 1;
    }
    return KITH_OK;
}

static kith_err
members_of(kith_set *set, struct members *members)
{
    unsigned told = kith__told();
    kith_err err;

    *members = (struct members){ .err = KITH_OK };
    err = set->ops->each(set->handle.state, false, keep_member, members);
    if (err < 0)
        return outcome(set, err, told);
    return members->err < 0 ? members->err : index_members(members);
}

static void
members_free(struct members *members)
{
    for (size_t i = 0; i < members->count; i++) {
        if (members->keys != NULL)
            kith__key_free(&members->keys[i]);
        kith_buf_free(&members->at[i]);
    }
    kith__free(members->keys);
    kith__free(members->index);
    kith__free(members->at);
}

static bool
has_member(const struct members *members, const struct kith__key *key)
{
    for (size_t at = (size_t)key->hash & members->mask; members->index[at] != 0;
         at = (at + 1) & members->mask) {
        const struct kith__key *other = &members->keys[members->index[at] - 1];

        if (other->hash == key->hash && kith__key_same(key, other->type, other->data, other->size))
            return true;
    }
    return false;
}

/* Tells the members of `a` that are in `b`, or are not. */
static bool
tell_those(const struct members *a, const struct members *b, bool in_b, bool all,
           const struct members_only *only)
{
    for (size_t i = 0; i < a->count; i++)
        if ((all || has_member(b, &a->keys[i]) == in_b) &&
            only->each(a->at[i].item, only->arg) != 0)
            return false;
    return true;
}

enum algebra { UNION, INTERSECTION, DIFFERENCE };

static kith_err
combine(const char *function, kith_set *set, kith_set *other, enum algebra how,
        int (*each)(struct kith_item member, void *arg), void *arg)
{
    struct members_only only = { each, arg };
    struct members a = { .err = KITH_OK }, b = { .err = KITH_OK };
    kith_err err;

    if (set == NULL || other == NULL || each == NULL)
        return kith__fail_null(function);
    err = members_of(set, &a);
    if (err == KITH_OK)
        err = members_of(other, &b);
    if (err == KITH_OK && tell_those(&a, &b, how == INTERSECTION, how == UNION, &only) &&
        how == UNION)
        tell_those(&b, &a, false, false, &only);
    members_free(&a);
    members_free(&b);
    return err;
}

kith_err
kith_set_union(kith_set *set, kith_set *other, int (*each)(struct kith_item member, void *arg),
               void *arg)
{
    return combine("kith_set_union", set, other, UNION, each, arg);
}

kith_err
kith_set_intersection(kith_set *set, kith_set *other,
                      int (*each)(struct kith_item member, void *arg), void *arg)
{
    return combine("kith_set_intersection", set, other, INTERSECTION, each, arg);
}

kith_err
kith_set_difference(kith_set *set, kith_set *other, int (*each)(struct kith_item member, void *arg),
                    void *arg)
{
    return combine("kith_set_difference", set, other, DIFFERENCE, each, arg);
}
