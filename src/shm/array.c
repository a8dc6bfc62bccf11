/*
 * array.c - a fixed run of typed items, that is changed item by item, looked at in place, or
 * replaced as a whole.
 *
 * LAYOUT   array root: see layout.h.  Its items stand one after the other, in native order, in one
 *          extent: the current version, `data`.
 *
 * INVARIANTS
 *   A1  items of up to 8 bytes, that is all but structures, are in no record: each changes by one
 *       atomic operation of its own size
 *   A2  structures change under the root's lock, by one record each, which covers `head`
 *   A3  an extent that was replaced is not given back while an actor has it in its `pin`, or a
 *       holder in one of its pins: who has pinned `data`, and then found it to be `data` still, may
 *       change what is there
 *   A4  the lock of users is a sync root of its own, made and ended with the array
 *   A5  every version's extent has room for all items: a count or a size that was overwritten is
 *       found when the array is opened, and leads into nobody's memory
 *
 * STEPS    of an item
 *   I1 the actor's pin names the extent   I2 it is `data` still, and the id is ours
 *   I3 the item changes   I4 the pin is clear
 *          of publishing
 *   P1 an extent in limbo is filled, pinned by the publisher   P2 lock   P3 it is staged
 *   P4 the record: `data` names it, the old one is trash   P5 unlock
 *   P6 a barrier in every process, and a look at every pin: A3   P7 the old extent is freed, or in
 *   limbo while somebody views it
 *
 * DEATH
 *   up to P3   the extent goes with the publisher's pin, or with its staged blocks
 *   from P4    the new version is there; the reaper empties the trash, from P6 on
 *   of a viewer   its pins go with its process
 *
 * ORDER    An operation on an item that meets a publish found the old version, and so began before
 *          it: it counts as done before, and what was published replaces it.  P6 waits for such
 *          operations, so that one that returns after the publish has changed the new version,
 *          unless its process was stopped in the middle for longer than P6 waits.
 *
 * LIMITS   A version takes whole granules of the arena's address space, and memory by the page.
 */
#include "shm/array.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/extent.h"
#include "shm/grace.h"
#include "shm/kind.h"
#include "shm/sync.h"

#define TRIES_MAX (UINT64_C(1) << 17)

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "An array breaks an invariant; run kith check.");
}

static uint64_t
bytes_of(const struct kith__array *array)
{
    return array->count * array->type.size;
}

/* ---- Making and ending ------------------------------------------------------------------ */

kith_err
kith__array_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const struct kith__array_making *making = arg;
    struct kith__arena *arena = op->self->arena;
    struct kith__array_root *root = kith__ptr(arena, off);
    struct kith__sync_root *sync;
    uint64_t sync_off;

    if (kith__op_take_typed(op, KITH__CLASS_SYNC, &sync_off) < 0 ||
        kith__extent_adopt(op, making->data) < 0)
        return op->err;
    kith__lock_init(arena, &root->root.lock);
    root->root.created_ns = kith__real_ns();
    kith__store(&root->root.references, 0);
    kith__store(&root->data, making->data);
    kith__store(&root->version, 0);
    kith__store(&root->head, 0);
    root->count = making->count;
    root->size = making->type.size;
    kith__store(&root->sync, sync_off);
    root->code = (uint8_t)making->type.code;
    root->flags = 0;
    sync = kith__ptr(arena, sync_off);
    sync->created_ns = root->root.created_ns;
    kith__sync_init(op, sync_off, id, NULL);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

/*
 * A5.  An extent that is being replaced may be anything when it is looked at: then it is not `data`
 * any more.
 */
static bool
has_room(struct kith__arena *arena, const struct kith__array_root *root, uint64_t size)
{
    for (uint64_t tries = 0; tries < TRIES_MAX; tries++) {
        uint64_t version = kith__load_acquire(&root->version), room;
        uint64_t data = kith__load_acquire(&root->data);

        if (kith__block_at(arena, data, &room) && room >= size)
            return true;
        atomic_thread_fence(memory_order_acquire);
        if (kith__load(&root->data) == data && kith__load(&root->version) == version)
            break;
    }
    return false;
}

kith_err
kith__array_of(struct kith__arena *arena, uint64_t off, uint64_t id, struct kith__array *array_out)
{
    struct kith__array_root *root = kith__ptr(arena, off);
    const struct kith__scalar *scalar = root->code == 0 ? NULL : kith__scalar_of((char)root->code);
    uint64_t size = root->size, count = root->count;
    struct kith__array array = { arena, off,
                                 id,    { 0, KITH__SCALAR_PLAIN, (uint32_t)size },
                                 count, kith__load(&root->sync) };
    bool whole = root->code == 0 ? size > 0 && size <= KITH__SMALL_MAX : scalar != NULL;

    if (scalar != NULL)
        array.type = *scalar;
    if (!whole || array.type.size != size || count > KITH__ITEM_MAX / size ||
        !has_room(arena, root, count * size) ||
        kith__at(arena, array.sync, sizeof(struct kith__sync_root)) == NULL)
        return kith__load_acquire(&root->root.id) != id ? KITH_EGONE : broken();
    *array_out = array;
    return KITH_OK;
}

static kith_err
lock_root(struct kith__self *self, const struct kith__object *object,
          struct kith__object_locks *locks)
{
    struct kith__array_root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    return kith__lock_acquire(self, &root->root.lock);
}

static void
unlock_root(struct kith__self *self, const struct kith__object *object,
            struct kith__object_locks *locks)
{
    struct kith__array_root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    kith__lock_release(self, &root->root.lock);
}

static struct kith__sync_root *
sync_of(struct kith__arena *arena, struct kith__array_root *root)
{
    return kith__at(arena, kith__load(&root->sync), sizeof(struct kith__sync_root));
}

static void
end_array(struct kith__op *op, const struct kith__object *object)
{
    struct kith__array_root *root = kith__ptr(op->self->arena, object->off);
    struct kith__sync_root *sync = sync_of(op->self->arena, root);

    kith__op_set(op, &root->root.id, 0);
    if (sync != NULL)
        kith__op_set(op, &sync->id, 0);
    kith__op_trash(op, object->off, KITH_KIND_ARRAY);
}

static void
wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__array_root *root = kith__ptr(self->arena, off);

    if (sync_of(self->arena, root) != NULL)
        kith__sync_kind.wake_all(self, kith__load(&root->sync));
}

static bool
is_extent(const struct kith__arena *arena, uint64_t off)
{
    uint64_t index = kith__granule_of(arena, off);

    return index < arena->granules_max &&
           KITH__GRANULE_KIND(kith__load(&kith__granule_at(arena, index)->word)) ==
               KITH__GRANULE_EXTENT;
}

/* One version's items. */
static kith_err
free_version(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    kith_err err = KITH_OK;

    if (is_extent(self->arena, off))
        err = kith__pin_quiesce(self, off);                                   /* P6 */
    return err < 0 ? err : kith__block_free(self, off, source, source_value); /* P7 */
}

/* An old version, or a whole array, unless the entry or the root was overwritten. */
static kith_err
dismantle(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    struct kith__arena *arena = self->arena;
    struct kith__array_root *root = kith__at(arena, off, sizeof *root);
    kith_err err = KITH_OK;

    if (is_extent(arena, off))
        return free_version(self, off, source, source_value);
    if (root == NULL || kith__load(&root->root.id) != 0) {
        kith__store(source, source_value);
        return broken();
    }
    if (kith__load(&root->data) != 0)
        err = free_version(self, kith__load(&root->data), &root->data, 0);
    if (err == KITH_OK && kith__load(&root->sync) != 0) {
        err = kith__lock_quiesce(self,
                                 kith__load(&root->sync) + offsetof(struct kith__sync_root, lock));
        if (err == KITH_OK)
            err = kith__block_free(self, kith__load(&root->sync), &root->sync, 0);
    }
    return err < 0 ? err : kith__block_free(self, off, source, source_value);
}

static void
check_array(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__array_root *root = kith__ptr(w->arena, off);
    uint64_t index = kith__granule_of(w->arena, off);
    struct kith__array array;

    if (!whole && KITH__GRANULE_KIND(kith__load(&kith__granule_at(w->arena, index)->word)) ==
                      KITH__GRANULE_EXTENT)
        return; /* an old version, which is marked */
    if (kith__load(&root->data) != 0)
        kith__walk_mark(w, kith__load(&root->data), "The items of an array");
    if (kith__load(&root->sync) != 0)
        kith__walk_mark(w, kith__load(&root->sync), "The lock of an array");
    if (!whole)
        return;
    if (!kith__lock_is(&root->root.lock, kith__off(w->arena, &root->root.lock)))
        kith__walk_violation(w, "The lock of the array at %#llx is no lock.",
                             (unsigned long long)off);
    if (kith__array_of(w->arena, off, kith__load(&root->root.id), &array) < 0)
        kith__walk_violation(w, "The array at %#llx has no shape.", (unsigned long long)off);
    else if (kith__load(&sync_of(w->arena, root)->id) != array.id)
        kith__walk_violation(w, "The array at %#llx has the lock of another.",
                             (unsigned long long)off);
    if ((kith__load(&root->head) & KITH__HEAD_ACTOR) != 0)
        kith__walk_violation(w, "The array at %#llx is covered by actor %u, which has no record.",
                             (unsigned long long)off,
                             (unsigned)(kith__load(&root->head) & KITH__HEAD_ACTOR));
}

static void
want_array(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__array_root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_OBJECT)
        kith__walk_want(w, &root->root.lock);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__array_root *root = kith__ptr(arena, object->off);

    (void)self;
    info->items = root->count;
    info->bytes = sizeof *root + sizeof(struct kith__sync_root) + root->count * root->size;
    info->created_ns = root->root.created_ns;
    return KITH_OK;
}

const struct kith__kind kith__array_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = lock_root,
    .unlock = unlock_root,
    .end = end_array,
    .wake_all = wake_all,
    .dismantle = dismantle,
    .want = want_array,
    .check = check_array,
    .describe = describe,
};

/* ---- Bits of an item, of 1, 2, 4 or 8 bytes ------------------------------------------------ */

static inline uint64_t
load_bits(const uint8_t *at, uint32_t size)
{
    switch (size) {
    case 1:
        return __atomic_load_n(at, __ATOMIC_ACQUIRE);
    case 2:
        return __atomic_load_n((const uint16_t *)(const void *)at, __ATOMIC_ACQUIRE);
    case 4:
        return __atomic_load_n((const uint32_t *)(const void *)at, __ATOMIC_ACQUIRE);
    default:
        return __atomic_load_n((const uint64_t *)(const void *)at, __ATOMIC_ACQUIRE);
    }
}

static inline void
store_bits(uint8_t *at, uint32_t size, uint64_t bits)
{
    switch (size) {
    case 1:
        __atomic_store_n(at, (uint8_t)bits, __ATOMIC_RELEASE);
        break;
    case 2:
        __atomic_store_n((uint16_t *)(void *)at, (uint16_t)bits, __ATOMIC_RELEASE);
        break;
    case 4:
        __atomic_store_n((uint32_t *)(void *)at, (uint32_t)bits, __ATOMIC_RELEASE);
        break;
    default:
        __atomic_store_n((uint64_t *)(void *)at, bits, __ATOMIC_RELEASE);
    }
}

#define CAS_AT(type, at, expected, bits)                                                           \
    {                                                                                              \
        type seen = (type) * (expected);                                                           \
        bool done = __atomic_compare_exchange_n((type *)(void *)(at), &seen, (type)(bits), false,  \
                                                __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);               \
        *(expected) = seen;                                                                        \
        return done;                                                                               \
    }

static inline bool
cas_bits(uint8_t *at, uint32_t size, uint64_t *expected, uint64_t bits)
{
    switch (size) {
    case 1:
        CAS_AT(uint8_t, at, expected, bits)
    case 2:
        CAS_AT(uint16_t, at, expected, bits)
    case 4:
        CAS_AT(uint32_t, at, expected, bits)
    default:
        CAS_AT(uint64_t, at, expected, bits)
    }
}

/* ---- The current version, held for an operation --------------------------------------------- */

/* I1, I2: its bytes, or NULL with *err_out. */
static inline uint8_t *
enter(struct kith__self *self, const struct kith__array *array, kith_err *err_out)
{
    struct kith__array_root *root = kith__array_root(array);
    uint64_t data = kith__load_acquire(&root->data), again;
    uint8_t *at;

    for (;;) {
        kith__store(&self->actor->pin, data);
        kith__step();
        again = kith__load_acquire(&root->data);
        if (__builtin_expect(again == data, 1))
            break;
        data = again;
    }
    at = kith__at(array->arena, data, bytes_of(array));
    if (__builtin_expect(kith__load(&root->root.id) == array->id && at != NULL, 1))
        return at;
    kith__store_release(&self->actor->pin, 0);
    *err_out = kith__load(&root->root.id) != array->id ? KITH_EGONE : broken();
    return NULL;
}

/* I4. */
static inline void
leave(struct kith__self *self)
{
    kith__step();
    kith__store_release(&self->actor->pin, 0);
}

static inline uint64_t
item_of(const struct kith__slice *slice, uint64_t i)
{
    return slice->start + (uint64_t)slice->step * i;
}

static void
copy_out(const struct kith__array *array, const uint8_t *at, const struct kith__slice *slice,
         uint8_t *data)
{
    uint32_t size = array->type.size;

    for (uint64_t i = 0; i < slice->count; i++) {
        uint64_t bits = load_bits(at + item_of(slice, i) * size, size);

        memcpy(data + i * size, &bits, size);
    }
}

static void
copy_in(const struct kith__array *array, uint8_t *at, const struct kith__slice *slice,
        const uint8_t *data)
{
    uint32_t size = array->type.size;

    for (uint64_t i = 0; i < slice->count; i++)
        store_bits(at + item_of(slice, i) * size, size,
                   kith__scalar_bits(&array->type, data + i * size));
}

/* ---- Structures ------------------------------------------------------------------------------ */

/* The words that an item touches. */
static kith__word *
words_at(uint8_t *at, uint64_t item, uint32_t size, uint64_t *count_out, unsigned *first_out)
{
    uint64_t begin = item * size;

    *first_out = (unsigned)(begin % 8);
    *count_out = (begin % 8 + size + 7) / 8;
    return (kith__word *)(void *)(at + begin / 8 * 8);
}

/* One pass over an item: false if a writer came between, so that it counts for nothing. */
static bool
read_plain(const struct kith__array *array, uint8_t *at, uint64_t item, uint8_t *data)
{
    struct kith__array_root *root = kith__array_root(array);
    uint64_t head = kith__load_acquire(&root->head), count;
    struct kith__overlay overlay = { .journal = NULL };
    uint32_t size = array->type.size;
    kith__word *words;
    unsigned first;

    words = words_at(at, item, size, &count, &first);
    if ((head & KITH__HEAD_ACTOR) != 0)
        kith__overlay_begin(&overlay, array->arena, (unsigned)(head & KITH__HEAD_ACTOR));
    for (uint64_t i = 0, done = 0; i < count; i++) {
        uint64_t word = kith__overlay_load(&overlay, &words[i]), n;
        unsigned from = i == 0 ? first : 0;

        n = size - done < 8 - from ? size - done : 8 - from;
        memcpy(data + done, (const uint8_t *)&word + from, n);
        done += n;
    }
    atomic_thread_fence(memory_order_acquire);
    return kith__load(&root->head) == head && kith__overlay_holds(&overlay);
}

static kith_err
copy_plain_out(const struct kith__array *array, uint8_t *at, const struct kith__slice *slice,
               uint8_t *data)
{
    for (uint64_t i = 0, tries = 0; i < slice->count; tries++) {
        if (read_plain(array, at, item_of(slice, i), data + i * array->type.size)) {
            i++;
            tries = 0;
        } else if (tries > TRIES_MAX) {
            return broken();
        }
    }
    return KITH_OK;
}

/* Adds to `op` that the item becomes `data`. */
static void
write_plain(struct kith__op *op, const struct kith__array *array, uint8_t *at, uint64_t item,
            const uint8_t *data)
{
    struct kith__array_root *root = kith__array_root(array);
    uint32_t size = array->type.size;
    uint64_t count, head = kith__load(&root->head);
    unsigned first;
    kith__word *words = words_at(at, item, size, &count, &first);

    for (uint64_t i = 0, done = 0; i < count; i++) {
        uint64_t word = kith__load(&words[i]), n;
        unsigned from = i == 0 ? first : 0;

        n = size - done < 8 - from ? size - done : 8 - from;
        memcpy((uint8_t *)&word + from, data + done, n);
        kith__op_set(op, &words[i], word);
        done += n;
    }
#ifndef KITH_MISTAKE_ARRAY_STRUCTURE_UNCOVERED
    kith__op_cover(op, &root->head, (head & ~KITH__HEAD_ACTOR) + KITH__COVER_VERSION_ONE);
#else
    kith__op_set(op, &root->head, (head & ~KITH__HEAD_ACTOR) + KITH__COVER_VERSION_ONE);
#endif
}

static kith_err
lock(struct kith__self *self, const struct kith__array *array, uint8_t **at_out)
{
    struct kith__array_root *root = kith__array_root(array);
    kith_err err = kith__lock_acquire(self, &root->root.lock);

    if (err < 0)
        return err;
    *at_out = kith__at(array->arena, kith__load(&root->data), bytes_of(array));
    if (kith__load(&root->root.id) == array->id && *at_out != NULL)
        return KITH_OK;
    err = kith__load(&root->root.id) != array->id ? KITH_EGONE : broken();
    kith__lock_release(self, &root->root.lock);
    return err;
}

/* `expected` may be NULL.  An item at a time, each with the lock taken anew, so that nobody waits
 * for a whole slice. */
static kith_err
set_plain(struct kith__self *self, const struct kith__array *array, const struct kith__slice *slice,
          const uint8_t *expected, const uint8_t *data)
{
    uint32_t size = array->type.size;
    kith_err err = KITH_OK;

    for (uint64_t i = 0; i < slice->count && err == KITH_OK; i++) {
        uint64_t item = item_of(slice, i);
        struct kith__op op;
        uint8_t *at;

        err = lock(self, array, &at);
        if (err < 0)
            break;
        if (expected != NULL && memcmp(at + item * size, expected, size) != 0) {
            err = KITH_ECONFLICT;
        } else {
            kith__op_begin(&op, self);
            write_plain(&op, array, at, item, data + i * size);
            err = kith__op_commit(&op);
            if (err < 0)
                kith__op_abort(&op);
        }
        kith__lock_release(self, &kith__array_root(array)->root.lock);
    }
    kith__op_end(self);
    return err;
}

/* ---- Items ------------------------------------------------------------------------------------
 */

/* Without a slot: what was read counts if the version and the id are what they were. */
static kith_err
get_readonly(const struct kith__array *array, const struct kith__slice *slice, uint8_t *data)
{
    struct kith__array_root *root = kith__array_root(array);

    for (uint64_t tries = 0; tries < TRIES_MAX; tries++) {
        uint64_t off = kith__load_acquire(&root->data);
        uint8_t *at = kith__at(array->arena, off, bytes_of(array));
        kith_err err = at == NULL ? broken() : KITH_OK;

        if (err == KITH_OK && array->type.code == 0)
            err = copy_plain_out(array, at, slice, data);
        else if (err == KITH_OK)
            copy_out(array, at, slice, data);
        atomic_thread_fence(memory_order_acquire);
        if (kith__load(&root->root.id) != array->id)
            return KITH_EGONE;
        if (kith__load(&root->data) == off)
            return err;
    }
    return broken();
}

kith_err
kith__array_get(struct kith__self *self, const struct kith__array *array,
                const struct kith__slice *slice, void *data)
{
    kith_err err = KITH_OK;
    uint8_t *at;

    if (self == NULL)
        return get_readonly(array, slice, data);
    at = enter(self, array, &err);
    if (at == NULL)
        return err;
    if (array->type.code == 0)
        err = copy_plain_out(array, at, slice, data);
    else
        copy_out(array, at, slice, data);
    leave(self);
    return err;
}

kith_err
kith__array_set(struct kith__self *self, const struct kith__array *array,
                const struct kith__slice *slice, const void *data)
{
    kith_err err = KITH_OK;
    uint8_t *at;

    if (array->type.code == 0)
        return set_plain(self, array, slice, NULL, data);
    at = enter(self, array, &err);
    if (at == NULL)
        return err;
    copy_in(array, at, slice, data); /* I3 */
    leave(self);
    return KITH_OK;
}

kith_err
kith__array_update(struct kith__self *self, const struct kith__array *array, uint64_t index,
                   enum kith__math what, uint64_t n, uint64_t *now_out)
{
    uint32_t size = array->type.size;
    kith_err err = KITH_OK;
    uint8_t *at = enter(self, array, &err);
    uint64_t old, now;

    if (at == NULL)
        return err;
    at += index * size;
    old = load_bits(at, size);
    do
        err = kith__scalar_apply(&array->type, what, old, n, &now);
    while (err == KITH_OK && !cas_bits(at, size, &old, now)); /* I3 */
    leave(self);
    if (err == KITH_OK && now_out != NULL)
        *now_out = now;
    return err;
}

kith_err
kith__array_cas(struct kith__self *self, const struct kith__array *array, uint64_t index,
                const void *expected, const void *data)
{
    const struct kith__slice one = { index, 1, 1 };
    uint32_t size = array->type.size;
    kith_err err = KITH_OK;
    uint64_t seen;
    uint8_t *at;

    if (array->type.code == 0)
        return set_plain(self, array, &one, expected, data);
    at = enter(self, array, &err);
    if (at == NULL)
        return err;
    seen = kith__scalar_bits(&array->type, expected);
    if (!cas_bits(at + index * size, size, &seen, kith__scalar_bits(&array->type, data))) /* I3 */
        err = KITH_ECONFLICT;
    leave(self);
    return err;
}

/* ---- The whole
 * ----------------------------------------------------------------------------------- */

kith_err
kith__array_pin(struct kith__self *self, const struct kith__array *array, uint64_t *off_out,
                uint64_t *pin_out)
{
    struct kith__array_root *root = kith__array_root(array);

    for (;;) {
        uint64_t data = kith__load_acquire(&root->data), pin;
        kith_err err = kith__pin(self->arena, data, &pin);

        if (err < 0)
            return err;
        /* The pin was sequentially consistent: it is seen, or the removal is. */
        if (kith__load_acquire(&root->data) == data &&
            kith__load_acquire(&root->root.id) == array->id &&
            kith__at(array->arena, data, bytes_of(array)) != NULL) {
            *off_out = data;
            *pin_out = pin;
            return KITH_OK;
        }
        kith__extent_drop(self, data, pin);
        if (kith__load(&root->root.id) != array->id)
            return KITH_EGONE;
        if (kith__at(array->arena, kith__load(&root->data), bytes_of(array)) == NULL)
            return broken();
    }
}

kith_err
kith__array_publish(struct kith__self *self, const struct kith__array *array, uint64_t data)
{
    struct kith__array_root *root = kith__array_root(array);
    struct kith__op op;
    uint8_t *at;
    kith_err err = lock(self, array, &at); /* P2 */

    if (err < 0)
        return err;
    kith__op_begin(&op, self);
    err = kith__extent_adopt(&op, data); /* P3 */
    if (err == KITH_OK) {
        uint64_t old = kith__load(&root->data);

        kith__op_set(&op, &root->data, data);
        kith__op_set(&op, &root->version, kith__load(&root->version) + 1);
#ifdef KITH_MISTAKE_ARRAY_LEAVES_OLD_VERSION
        err = kith__op_commit(&op);
        kith__op_begin(&op, self);
#endif
        kith__op_trash(&op, old, KITH_KIND_ARRAY);
        err = kith__op_commit(&op); /* P4 */
    }
    if (err < 0)
        kith__op_abort(&op);
    kith__lock_release(self, &root->root.lock); /* P5 */
    kith__op_end(self);                         /* P6, P7 */
    return err;
}
