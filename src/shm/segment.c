/*
 * segment.c - a named piece of raw memory.
 *
 * LAYOUT   segment root: an extent, and how many of its bytes are the segment's.
 *
 * INVARIANTS
 *   S1  `data` and `size` change under the root's lock: `size` alone by one store, both by a record
 *   S2  `size` is at most what the extent's granules hold; memory up to it is committed
 *   S3  bytes that come to a segment are zero before `size` counts them
 *
 * STEPS    of resizing in place
 *   R1 lock   R2 memory is committed, and zeroed   R3 the size is stored   R4 unlock
 *          by moving
 *   M1 an extent in limbo, pinned, zeroed   M2 lock   M3 the bytes are copied, the extent staged
 *   M4 the record: data, size, the old extent is trash   M5 unlock
 * DEATH
 *   up to R2, M3   nothing happened; the extent goes with the pin, or the staged blocks
 *   from R3, M4    it did
 *
 * LIMITS   A segment that shrinks keeps its memory until it moves or ends.
 */
#include "shm/segment.h"

#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "shm/extent.h"
#include "shm/kind.h"

#define TRIES_MAX (UINT64_C(1) << 12)

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "A segment breaks an invariant; run kith check.");
}

/* What the granules of the extent at `data` hold; 0 if it is none. */
static uint64_t
room_of(const struct kith__arena *arena, uint64_t data)
{
    uint64_t index = kith__granule_of(arena, data), word;

    if (index >= arena->granules_max || data != kith__granule_off(arena, index))
        return 0;
    word = kith__load(&kith__granule_at(arena, index)->word);
    if (KITH__GRANULE_KIND(word) != KITH__GRANULE_EXTENT ||
        kith__at(arena, data, KITH__GRANULE_RUN(word) * KITH__GRANULE) == NULL)
        return 0;
    return KITH__GRANULE_RUN(word) * KITH__GRANULE;
}

/* ---- Making and ending ------------------------------------------------------------------ */

kith_err
kith__segment_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const struct kith__segment_making *making = arg;
    struct kith__segment_root *root = kith__ptr(op->self->arena, off);

    if (kith__extent_adopt(op, making->data) < 0)
        return op->err;
    kith__lock_init(op->self->arena, &root->root.lock);
    root->root.created_ns = kith__real_ns();
    kith__store(&root->root.references, 0);
    kith__store(&root->data, making->data);
    kith__store(&root->size, making->size);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

static kith_err
lock_root(struct kith__self *self, const struct kith__object *object,
          struct kith__object_locks *locks)
{
    struct kith__segment_root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    return kith__lock_acquire(self, &root->root.lock);
}

static void
unlock_root(struct kith__self *self, const struct kith__object *object,
            struct kith__object_locks *locks)
{
    struct kith__segment_root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    kith__lock_release(self, &root->root.lock);
}

static void
end_segment(struct kith__op *op, const struct kith__object *object)
{
    struct kith__segment_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0);
    kith__op_trash(op, kith__load(&root->data), KITH__TRASH_BLOCK);
    kith__op_give(op, object->off);
}

static void
check_segment(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__segment_root *root = kith__ptr(w->arena, off);

    (void)whole;
    kith__walk_mark(w, kith__load(&root->data), "The memory of a segment");
    if (!kith__lock_is(&root->root.lock, kith__off(w->arena, &root->root.lock)))
        kith__walk_violation(w, "The lock of the segment at %#llx is no lock.",
                             (unsigned long long)off);
    if (kith__load(&root->size) > room_of(w->arena, kith__load(&root->data)))
        kith__walk_violation(w, "The segment at %#llx is larger than its memory.",
                             (unsigned long long)off);
}

static void
want_segment(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__segment_root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_OBJECT)
        kith__walk_want(w, &root->root.lock);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__segment_root *root = kith__ptr(arena, object->off);

    (void)self;
    info->bytes = sizeof *root + kith__load(&root->size);
    info->created_ns = root->root.created_ns;
    return KITH_OK;
}

const struct kith__kind kith__segment_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = lock_root,
    .unlock = unlock_root,
    .end = end_segment,
    .want = want_segment,
    .check = check_segment,
    .describe = describe,
};

/* ---- Operations ------------------------------------------------------------------------- */

kith_err
kith__segment_size(const struct kith__segment *segment, uint64_t *size_out)
{
    struct kith__segment_root *root = kith__segment_root(segment);
    uint64_t size = kith__load_acquire(&root->size);

    if (kith__load(&root->root.id) != segment->id)
        return KITH_EGONE;
    *size_out = size;
    return KITH_OK;
}

static kith_err
lock(struct kith__self *self, const struct kith__segment *segment)
{
    struct kith__segment_root *root = kith__segment_root(segment);
    kith_err err = kith__lock_acquire(self, &root->root.lock);

    if (err < 0)
        return err;
    if (kith__load(&root->root.id) != segment->id)
        err = KITH_EGONE;
    else if (kith__load(&root->size) > room_of(self->arena, kith__load(&root->data)))
        err = broken();
    if (err < 0)
        kith__lock_release(self, &root->root.lock);
    return err;
}

kith_err
kith__segment_pin(struct kith__self *self, const struct kith__segment *segment, uint64_t *off_out,
                  uint64_t *size_out, uint64_t *pin_out)
{
    struct kith__segment_root *root = kith__segment_root(segment);
    kith_err err = lock(self, segment);

    if (err < 0)
        return err;
    err = kith__pin(self->arena, kith__load(&root->data), pin_out);
    if (err == KITH_OK) {
        *off_out = kith__load(&root->data);
        *size_out = kith__load(&root->size);
    }
    kith__lock_release(self, &root->root.lock);
    return err;
}

/* R1 to R4; *moves_out: there is no room for it. */
static kith_err
resize_in_place(struct kith__self *self, const struct kith__segment *segment, uint64_t size,
                bool *moves_out)
{
    struct kith__segment_root *root = kith__segment_root(segment);
    kith_err err = lock(self, segment);
    uint64_t data, old;

    if (err < 0)
        return err;
    data = kith__load(&root->data);
    old = kith__load(&root->size);
    *moves_out = size > room_of(self->arena, data);
    if (!*moves_out) {
        if (size > old) {
            err = kith__arena_commit(self->arena, data + old, size - old);
#ifdef KITH_MISTAKE_SEGMENT_SIZE_BEFORE_ZEROS
            kith__store_release(&root->size, size);
            kith__step();
#endif
            if (err == KITH_OK)
                memset((uint8_t *)kith__ptr(self->arena, data) + old, 0, size - old); /* R2 */
        }
        if (err == KITH_OK)
            kith__store_release(&root->size, size); /* R3 */
    }
    kith__lock_release(self, &root->root.lock);
    return err;
}

/* M2 to M5, if it has not shrunk or moved meanwhile so that it may stay. */
static kith_err
move(struct kith__self *self, const struct kith__segment *segment, uint64_t data, uint64_t size)
{
    struct kith__segment_root *root = kith__segment_root(segment);
    struct kith__op op;
    uint64_t old;
    kith_err err = lock(self, segment);

    if (err < 0)
        return err;
    old = kith__load(&root->data);
    memcpy(kith__ptr(self->arena, data), kith__ptr(self->arena, old),
           size < kith__load(&root->size) ? size : kith__load(&root->size));
    kith__op_begin(&op, self);
    err = kith__extent_adopt(&op, data); /* M3 */
    if (err == KITH_OK) {
#ifdef KITH_MISTAKE_SEGMENT_SIZE_BEFORE_RECORD
        kith__store_release(&root->size, size);
        kith__step();
#endif
        kith__op_trash(&op, old, KITH__TRASH_BLOCK);
        kith__op_set(&op, &root->data, data);
        kith__op_set(&op, &root->size, size);
        err = kith__op_commit(&op); /* M4 */
    }
    if (err < 0)
        kith__op_abort(&op);
    kith__lock_release(self, &root->root.lock);
    kith__op_end(self);
    return err;
}

kith_err
kith__segment_resize(struct kith__self *self, const struct kith__segment *segment, uint64_t size)
{
    uint64_t data, pin;
    bool moves;
    kith_err err = resize_in_place(self, segment, size, &moves);

    if (err < 0 || !moves)
        return err;
    err = kith__extent_stage(self, size, true, &data, &pin); /* M1 */
    if (err < 0)
        return err;
    err = move(self, segment, data, size);
    kith__extent_drop(self, data, pin);
    return err;
}

kith_err
kith__segment_copy(const struct kith__segment *segment, void *data, uint64_t room,
                   uint64_t *size_out)
{
    struct kith__segment_root *root = kith__segment_root(segment);

    for (uint64_t tries = 0; tries < TRIES_MAX; tries++) {
        uint64_t at = kith__load_acquire(&root->data), size = kith__load_acquire(&root->size);
        bool whole = size <= room_of(segment->arena, at);

        if (whole && data != NULL)
            memcpy(data, kith__ptr(segment->arena, at), size < room ? size : room);
        atomic_thread_fence(memory_order_acquire);
        if (kith__load(&root->root.id) != segment->id)
            return KITH_EGONE;
        if (whole && kith__load(&root->data) == at && kith__load(&root->size) == size) {
            *size_out = size;
            return KITH_OK;
        }
    }
    return broken();
}
