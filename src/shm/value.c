/*
 * value.c - one typed value: a word that all processes change by atomics, or bytes under a lock.
 *
 * LAYOUT   value root: see layout.h.  A scalar that is not guarded is the word `cell`, its bytes
 *          zero-extended.  A guarded one (a structure, or a scalar that may be in a transaction) is
 *          a row of words, in the root while they are few, else in a block that the root has for
 *          its whole life; the last word is padded with zeros.
 *
 * INVARIANTS
 *   V1  `cell` is in no record, and nobody changes it but by one atomic operation
 *   V2  guarded words are changed under the lock: one of 8 bytes or less by one store, others by
 *       one record, which covers `head`
 *   V3  a root is not given back while an actor's pending_signal names its signal: whoever has
 *       named it and then seen its id may change the cell
 *   V4  a block has room for all the words: a size that was overwritten leads into nobody's memory
 *
 * STEPS    of a change without a lock
 *   C1 pending_signal names the signal   C2 the id is looked at   C3 the cell changes
 *   C4 sleepers are woken, if there are   C5 pending_signal is clear
 *          of a guarded one
 *   G1 lock   G2 pending_signal   G3 the store, or the record's commit   G4 unlock   G5 as C4, C5
 *          of the end
 *   E1 the catalog's record: id 0, the root is trash   E2 block freed   E3 a barrier in every
 *   process, and a look at every pending_signal: V3   E4 root freed
 *
 * DEATH
 *   up to C2, G2   nothing happened
 *   C3, G3 to C5   it did; the reaper repeats the wake by pending_signal
 *   of a destroyer the trash is emptied by its reaper, from E2 on
 *
 * ORDER    Naming the signal is a plain store: it costs a change nothing.  What would else be a
 *          fence in each change is one barrier in the end of a value, by membarrier.  A reader
 *          without a lock takes guarded words from the record that covers them, as readers of dicts
 *          do; see journal.c.
 *
 * LIMITS   A wait compares: a value that changed and changed back has not changed.
 */
#include "shm/value.h"

#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/error.h"
#include "shm/grace.h"
#include "shm/kind.h"
#include "shm/root.h"

#define TRIES_MAX (UINT64_C(1) << 17)

static kith_err
broken(void)
{
    return kith__fail(KITH_ECORRUPT, "A value breaks an invariant; run kith check.");
}

static uint64_t
word_count(uint64_t size)
{
    return (size + 7) / 8;
}

/* The guarded words; NULL if the root was overwritten. */
static kith__word *
words_of(struct kith__arena *arena, struct kith__value_root *root, uint64_t size)
{
    if (size <= sizeof root->words)
        return root->words;
    return kith__at(arena, kith__load(&root->block), word_count(size) * 8);
}

/* Whether there is room for all its guarded words: who may read `size` bytes may read no more. */
static bool
has_room(struct kith__arena *arena, const struct kith__value_root *root)
{
    uint64_t room;

    return root->size <= sizeof root->words ||
           (kith__block_at(arena, kith__load(&root->block), &room) &&
            room >= word_count(root->size) * 8);
}

/* ---- Making and ending ------------------------------------------------------------------ */

kith_err
kith__value_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    const struct kith__value_making *making = arg;
    struct kith__arena *arena = op->self->arena;
    struct kith__value_root *root = kith__ptr(arena, off);
    uint64_t size = making->type.size, block = 0, bits = 0;

    if (making->guarded && size > sizeof root->words &&
        kith__op_take(op, word_count(size) * 8, &block) < 0)
        return op->err;
    kith__lock_init(arena, &root->root.lock);
    root->root.created_ns = kith__real_ns();
    kith__store(&root->root.references, 0);
    kith__store(&root->head, 0);
    kith__store(&root->block, block);
    root->size = size;
    root->code = (uint8_t)making->type.code;
    root->flags = making->guarded ? KITH__VALUE_GUARDED : 0;
    if (making->guarded) {
        uint8_t *bytes = (uint8_t *)words_of(arena, root, size);

        memset(bytes, 0, word_count(size) * 8);
        if (making->initial != NULL)
            memcpy(bytes, making->initial, size);
    } else if (making->initial != NULL) {
        bits = kith__scalar_bits(&making->type, making->initial);
    }
    kith__store(&root->cell, bits);
    kith__op_set(op, &root->root.id, id);
    return op->err;
}

kith_err
kith__value_of(struct kith__arena *arena, uint64_t off, uint64_t id, struct kith__value *value_out)
{
    struct kith__value_root *root = kith__ptr(arena, off);
    const struct kith__scalar *scalar = root->code == 0 ? NULL : kith__scalar_of((char)root->code);
    struct kith__value value = { arena,
                                 off,
                                 id,
                                 { 0, KITH__SCALAR_PLAIN, (uint32_t)root->size },
                                 (root->flags & KITH__VALUE_GUARDED) != 0,
                                 root };
    bool whole = root->code == 0 ? value.guarded && root->size > 0 : scalar != NULL;

    if (scalar != NULL)
        value.type = *scalar;
    if (root->size > KITH__VALUE_SIZE_MAX || !whole || value.type.size != root->size ||
        (value.guarded && !has_room(arena, root)))
        return kith__load_acquire(&root->root.id) != id ? KITH_EGONE : broken();
    *value_out = value;
    return KITH_OK;
}

static kith_err
lock_root(struct kith__self *self, const struct kith__object *object,
          struct kith__object_locks *locks)
{
    struct kith__value_root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    return kith__lock_acquire(self, &root->root.lock);
}

static void
unlock_root(struct kith__self *self, const struct kith__object *object,
            struct kith__object_locks *locks)
{
    struct kith__value_root *root = kith__ptr(self->arena, object->off);

    (void)locks;
    kith__lock_release(self, &root->root.lock);
}

static void
end_value(struct kith__op *op, const struct kith__object *object)
{
    struct kith__value_root *root = kith__ptr(op->self->arena, object->off);

    kith__op_set(op, &root->root.id, 0); /* E1 */
    kith__op_trash(op, object->off, KITH_KIND_VALUE);
}

static void
wake_all(struct kith__self *self, uint64_t off)
{
    struct kith__value_root *root = kith__ptr(self->arena, off);

    kith__signal_wake(self, &root->root.signal[0], INT32_MAX);
}

static kith_err
dismantle(struct kith__self *self, uint64_t off, kith__word *source, uint64_t source_value)
{
    struct kith__value_root *root = kith__at(self->arena, off, sizeof *root);
    uint64_t block;
    kith_err err = KITH_OK;

    if (root == NULL || kith__load(&root->root.id) != 0) { /* the trash was overwritten */
        kith__store(source, source_value);
        return broken();
    }
    block = kith__load(&root->block);
    if (block != 0)
        err = kith__block_free(self, block, &root->block, 0); /* E2 */
#ifndef KITH_MISTAKE_VALUE_NO_QUIESCE
    if (err == KITH_OK)
        err = kith__signal_quiesce(self, off + KITH__VALUE_SIGNAL_OFF); /* E3 */
#endif
    return err < 0 ? err : kith__block_free(self, off, source, source_value); /* E4 */
}

static void
check_value(struct kith__walk *w, uint64_t off, bool whole)
{
    struct kith__value_root *root = kith__ptr(w->arena, off);
    struct kith__value value;

    if (kith__load(&root->block) != 0)
        kith__walk_mark(w, kith__load(&root->block), "The bytes of a value");
    if (!whole)
        return;
    if (!kith__lock_is(&root->root.lock, kith__off(w->arena, &root->root.lock)))
        kith__walk_violation(w, "The lock of the value at %#llx is no lock.",
                             (unsigned long long)off);
    if ((root->flags & KITH__VALUE_GUARDED) != 0 && root->size <= KITH__VALUE_SIZE_MAX &&
        !has_room(w->arena, root))
        kith__walk_violation(w, "The value at %#llx has less memory than bytes.",
                             (unsigned long long)off);
    else if (kith__value_of(w->arena, off, kith__load(&root->root.id), &value) < 0)
        kith__walk_violation(w, "The value at %#llx has no type.", (unsigned long long)off);
    else if ((kith__load(&root->head) & KITH__HEAD_ACTOR) != 0)
        kith__walk_violation(w, "The value at %#llx is covered by actor %u, which has no record.",
                             (unsigned long long)off,
                             (unsigned)(kith__load(&root->head) & KITH__HEAD_ACTOR));
    else if (!value.guarded && value.type.size < 8 &&
             kith__load(&root->cell) >> (8 * value.type.size) != 0)
        kith__walk_violation(w, "The value at %#llx has bits that its type has not.",
                             (unsigned long long)off);
}

static void
want_value(struct kith__walk *w, uint64_t off, enum kith__rank rank)
{
    struct kith__value_root *root = kith__ptr(w->arena, off);

    if (rank == KITH__RANK_OBJECT)
        kith__walk_want(w, &root->root.lock);
}

static kith_err
describe(struct kith__self *self, struct kith__arena *arena, const struct kith__object *object,
         struct kith_info *info)
{
    const struct kith__value_root *root = kith__ptr(arena, object->off);

    (void)self;
    info->bytes = sizeof *root + (kith__load(&root->block) != 0 ? root->size : 0);
    info->created_ns = root->root.created_ns;
    return KITH_OK;
}

const struct kith__kind kith__value_kind = {
    .class_index = KITH__CLASS_ROOT,
    .references_at = offsetof(struct kith__root, references),
    .lock = lock_root,
    .unlock = unlock_root,
    .end = end_value,
    .wake_all = wake_all,
    .dismantle = dismantle,
    .want = want_value,
    .check = check_value,
    .describe = describe,
};

/* ---- Without a lock ----------------------------------------------------------------------- */

/* C1, C2. */
static inline bool
enter(struct kith__self *self, const struct kith__value *value)
{
    kith__store(&self->actor->pending_signal, (value->off + KITH__VALUE_SIGNAL_OFF) | 1);
    kith__step();
    if (kith__load_acquire(&kith__value_root(value)->root.id) == value->id)
        return true;
    kith__store(&self->actor->pending_signal, 0);
    return false;
}

/* C4, C5.  The change was sequentially consistent. */
static inline void
leave(struct kith__self *self, struct kith__value_root *root)
{
    kith__signal_raise(self, &root->root.signal[0], INT32_MAX);
    kith__step();
    kith__store_release(&self->actor->pending_signal, 0);
}

kith_err
kith__value_changed(struct kith__self *self, const struct kith__value *value)
{
    leave(self, kith__value_root(value));
    return KITH_OK;
}

static inline kith_err
update_native(struct kith__self *self, const struct kith__value *value, enum kith__math what,
              uint64_t n, uint64_t *old_out, uint64_t *now_out)
{
    struct kith__value_root *root = kith__value_root(value);
    uint64_t old = kith__load(&root->cell), now;
    kith_err err;

    if (!enter(self, value))
        return KITH_EGONE;
    do {
        err = kith__scalar_apply(&value->type, what, old, n, &now);
        if (err < 0)
            break;
#ifdef KITH_MISTAKE_VALUE_LOAD_AND_STORE
        atomic_store(&root->cell, now);
        break;
#endif
    } while (!atomic_compare_exchange_weak(&root->cell, &old, now)); /* C3 */
    if (err < 0) {
        kith__store_release(&self->actor->pending_signal, 0);
        return err;
    }
    leave(self, root);
    if (old_out != NULL)
        *old_out = old;
    if (now_out != NULL)
        *now_out = now;
    return KITH_OK;
}

static kith_err
cas_native(struct kith__self *self, const struct kith__value *value, uint64_t expected,
           uint64_t bits, uint64_t *seen_out)
{
    struct kith__value_root *root = kith__value_root(value);
    bool done;

    if (!enter(self, value))
        return KITH_EGONE;
    *seen_out = expected;
    done = atomic_compare_exchange_strong(&root->cell, seen_out, bits); /* C3 */
    leave(self, root);
    return done ? KITH_OK : KITH_ECONFLICT;
}

/* ---- Guarded -------------------------------------------------------------------------------- */

static kith_err
lock(struct kith__self *self, const struct kith__value *value)
{
    struct kith__value_root *root = kith__value_root(value);
    kith_err err = kith__lock_acquire(self, &root->root.lock); /* G1 */

    if (err == KITH_OK && kith__load(&root->root.id) != value->id) {
        kith__lock_release(self, &root->root.lock);
        err = KITH_EGONE;
    }
    return err;
}

/* G4, G5. */
static void
unlock(struct kith__self *self, const struct kith__value *value)
{
    struct kith__value_root *root = kith__value_root(value);

    kith__lock_release(self, &root->root.lock);
    if (kith__load(&self->actor->pending_signal) == 0)
        return; /* nothing was changed */
    atomic_thread_fence(memory_order_seq_cst);
    leave(self, root);
}

/* G2. */
static void
announce(struct kith__self *self, const struct kith__value *value)
{
    kith__store(&self->actor->pending_signal, (value->off + KITH__VALUE_SIGNAL_OFF) | 1);
    kith__step();
}

/* One pass over the words: false if a writer came between, so that it counts for nothing. */
static bool
read_words(const struct kith__value *value, kith__word *words, void *data)
{
    struct kith__value_root *root = kith__value_root(value);
    uint64_t head = kith__load_acquire(&root->head), size = value->type.size;
    struct kith__overlay overlay = { .journal = NULL };

#ifndef KITH_MISTAKE_VALUE_IGNORES_COVER
    if ((head & KITH__HEAD_ACTOR) != 0)
        kith__overlay_begin(&overlay, value->arena, (unsigned)(head & KITH__HEAD_ACTOR));
#endif
    for (uint64_t i = 0; i < word_count(size); i++) {
        uint64_t word = kith__overlay_load(&overlay, &words[i]), left = size - 8 * i;

        memcpy((uint8_t *)data + 8 * i, &word, left < 8 ? left : 8);
    }
    atomic_thread_fence(memory_order_acquire);
    return kith__load(&root->head) == head && kith__overlay_holds(&overlay);
}

static kith_err
read_guarded(const struct kith__value *value, void *data)
{
    struct kith__value_root *root = kith__value_root(value);

    /* Each retry means that a writer advanced; a broken arena may make us think so for ever. */
    for (uint64_t tries = 0; tries < TRIES_MAX; tries++) {
        kith__word *words = words_of(value->arena, root, value->type.size);
        bool whole = words != NULL && read_words(value, words, data);

        if (kith__load(&root->root.id) != value->id)
            return KITH_EGONE;
        if (whole)
            return KITH_OK;
    }
    return broken();
}

kith_err
kith__value_read(struct kith__self *self, const struct kith__value *value, void *data)
{
    kith_err err;

    if (self == NULL)
        return read_guarded(value, data);
    kith__reading_begin(self->actor);
    err = read_guarded(value, data);
    kith__reading_end(self->actor);
    return err;
}

kith_err
kith__value_load_guarded(struct kith__self *self, const struct kith__value *value,
                         uint64_t *bits_out)
{
    uint64_t bits = 0;
    kith_err err = kith__value_read(self, value, &bits);

    if (err == KITH_OK)
        *bits_out = bits;
    return err;
}

/* A guarded scalar, its lock held: one store, which readers see before or after any record. */
static void
store_locked(struct kith__self *self, const struct kith__value *value, uint64_t bits)
{
    announce(self, value);
    kith__store_release(&kith__value_root(value)->words[0], bits); /* G3 */
}

static __attribute__((noinline)) kith_err
update_guarded(struct kith__self *self, const struct kith__value *value, enum kith__math what,
               uint64_t n, uint64_t *old_out, uint64_t *now_out)
{
    uint64_t old, now;
    kith_err err = lock(self, value);

    if (err < 0)
        return err;
    old = kith__load(&kith__value_root(value)->words[0]);
    err = kith__scalar_apply(&value->type, what, old, n, &now);
    if (err == KITH_OK)
        store_locked(self, value, now);
    unlock(self, value);
    if (err == KITH_OK && old_out != NULL)
        *old_out = old;
    if (err == KITH_OK && now_out != NULL)
        *now_out = now;
    return err;
}

static kith_err
cas_guarded(struct kith__self *self, const struct kith__value *value, uint64_t expected,
            uint64_t bits, uint64_t *seen_out)
{
    kith_err err = lock(self, value);

    if (err < 0)
        return err;
    *seen_out = kith__load(&kith__value_root(value)->words[0]);
    if (*seen_out == expected)
        store_locked(self, value, bits);
    else
        err = KITH_ECONFLICT;
    unlock(self, value);
    return err;
}

kith_err
kith__value_update(struct kith__self *self, const struct kith__value *value, enum kith__math what,
                   uint64_t n, uint64_t *old_out, uint64_t *now_out)
{
    return value->guarded ? update_guarded(self, value, what, n, old_out, now_out)
                          : update_native(self, value, what, n, old_out, now_out);
}

kith_err
kith__value_add_slow(struct kith__self *self, const struct kith__value *value, int64_t n,
                     int64_t *now_out)
{
    uint64_t now;
    kith_err err = kith__value_update(self, value, KITH__MATH_ADD, (uint64_t)n, NULL, &now);

    if (err == KITH_OK && now_out != NULL)
        *now_out = (int64_t)now;
    return err;
}

kith_err
kith__value_cas(struct kith__self *self, const struct kith__value *value, uint64_t expected,
                uint64_t bits, uint64_t *seen_out)
{
    return value->guarded ? cas_guarded(self, value, expected, bits, seen_out)
                          : cas_native(self, value, expected, bits, seen_out);
}

kith_err
kith__value_write(struct kith__self *self, const struct kith__value *value, const void *expected,
                  const void *data, void *old)
{
    struct kith__value_root *root = kith__value_root(value);
    size_t size = value->type.size;
    const uint8_t *bytes;
    struct kith__op op;
    kith_err err = lock(self, value);

    if (err < 0)
        return err;
    bytes = (const uint8_t *)words_of(value->arena, root, size);
    if (bytes == NULL)
        err = broken();
    else if (expected != NULL && memcmp(bytes, expected, size) != 0)
        err = KITH_ECONFLICT;
    if (err == KITH_OK) {
        kith__op_begin(&op, self);
        err = kith__value_op_set(&op, value, data);
        if (err == KITH_OK) {
            /* Not before `data` was read, which may be the same memory. */
            if (old != NULL)
                memcpy(old, bytes, size);
            announce(self, value);
            err = kith__op_commit(&op); /* G3 */
        }
        if (err < 0)
            kith__op_abort(&op);
    }
    unlock(self, value);
    kith__op_end(self);
    return err;
}

/* ---- In a record ---------------------------------------------------------------------------- */

kith_err
kith__value_op_set(struct kith__op *op, const struct kith__value *value, const void *data)
{
    struct kith__value_root *root = kith__value_root(value);
    kith__word *words = words_of(value->arena, root, value->type.size);
    uint64_t size = value->type.size, head;
    bool covered;

    if (words == NULL)
        return broken();
    for (uint64_t i = 0; i < word_count(size); i++) {
        uint64_t word = 0, left = size - 8 * i;

        memcpy(&word, (const uint8_t *)data + 8 * i, left < 8 ? left : 8);
        kith__op_set(op, &words[i], word);
    }
    head = kith__op_cover_get(op, &root->head, &covered);
    if (!covered)
        kith__op_cover(op, &root->head, (head & ~KITH__HEAD_ACTOR) + KITH__COVER_VERSION_ONE);
    return op->err;
}

kith_err
kith__value_op_get(const struct kith__op *op, const struct kith__value *value, void *data)
{
    kith__word *words = words_of(value->arena, kith__value_root(value), value->type.size);
    uint64_t size = value->type.size;

    if (words == NULL)
        return broken();
    for (uint64_t i = 0; i < word_count(size); i++) {
        uint64_t word = kith__op_get(op, &words[i]), left = size - 8 * i;

        memcpy((uint8_t *)data + 8 * i, &word, left < 8 ? left : 8);
    }
    return KITH_OK;
}

kith_err
kith__value_op_add(struct kith__op *op, const struct kith__value *value, uint64_t n)
{
    uint64_t old = 0, now;
    kith_err err = kith__value_op_get(op, value, &old);

    if (err == KITH_OK)
        err = kith__scalar_apply(&value->type, KITH__MATH_ADD, old, n, &now);
    return err < 0 ? err : kith__value_op_set(op, value, &now);
}

void
kith__value_raise(struct kith__self *self, const struct kith__value *value)
{
    atomic_thread_fence(memory_order_seq_cst);
    kith__signal_raise(self, &kith__value_root(value)->root.signal[0], INT32_MAX);
}

/* ---- Waiting ------------------------------------------------------------------------------- */

/* Whether its bytes differ from `old`; `room` is for one more copy of them. */
static kith_err
differs(struct kith__self *self, const struct kith__value *value, const void *old, void *room,
        bool *differs_out)
{
    uint64_t bits = 0;
    kith_err err;

    if (value->guarded) {
        err = kith__value_read(self, value, room);
        *differs_out = err == KITH_OK && memcmp(room, old, value->type.size) != 0;
        return err;
    }
    err = kith__value_load(self, value, &bits);
    *differs_out = bits != kith__scalar_bits(&value->type, old);
    return err;
}

/* The half of a word that changes first, to spin on. */
static const _Atomic uint32_t *
changing(const struct kith__value *value)
{
    struct kith__value_root *root = kith__value_root(value);
    kith__word *word = !value->guarded         ? &root->cell
                       : value->type.code != 0 ? &root->words[0]
                                               : &root->head;

    return (const _Atomic uint32_t *)(const void *)word;
}

static kith_err
wait_until_changed(struct kith__self *self, const struct kith__value *value, const void *old,
                   int64_t deadline_ns, void *room)
{
    struct kith__value_root *root = kith__value_root(value);
    _Atomic uint32_t *signal = &root->root.signal[0];

    for (;;) {
        uint32_t seen = atomic_load_explicit(changing(value), memory_order_relaxed), word;
        enum kith__slept slept;
        bool changed;
        kith_err err = differs(self, value, old, room, &changed);

        if (err < 0 || changed)
            return err;
        if (deadline_ns == 0)
            return KITH_ETIMEDOUT;
        if (kith__spin(self, changing(value), seen))
            continue;
        kith__store(&self->actor->waiting_on, kith__off(self->arena, signal));
        kith__step();
        word = kith__signal_join(self, signal);
        atomic_thread_fence(memory_order_seq_cst);
        err = differs(self, value, old, room, &changed);
        slept = err < 0 || changed ? KITH__SLEPT_AGAIN
                                   : kith__sleep(self, signal, word, deadline_ns, true);
        kith__awake(self);
        if (self->husks_seen)
            kith__op_end(self);
        if (slept == KITH__SLEPT_INTERRUPTED) {
            kith__signal_wake(self, signal, 1); /* pass on a wake that we may have swallowed */
            return KITH_EINTERRUPTED;
        }
        if (slept == KITH__SLEPT_TIMEOUT) {
            err = differs(self, value, old, room, &changed);
            return err < 0 || changed ? err : KITH_ETIMEDOUT;
        }
    }
}

kith_err
kith__value_wait(struct kith__self *self, const struct kith__value *value, const void *old,
                 int64_t deadline_ns)
{
    uint64_t few[16];
    void *room = value->type.size <= sizeof few ? few : kith__malloc(value->type.size);
    kith_err err;

    if (room == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a copy of a value.");
    err = wait_until_changed(self, value, old, deadline_ns, room);
    if (room != few)
        kith__free(room);
    return err;
}

/* ---- Polling ---------------------------------------------------------------------------- */

kith_err
kith__value_arm(struct kith__self *self, const struct kith__value *value, kith__poller_slot *slot,
                int *fd_out)
{
    struct kith__root_ref ref = { value->arena, value->off, value->id };

    static_assert(offsetof(struct kith__value_root, root) == 0, "a root, first of all");
    return kith__root_arm(self, &ref, slot, NULL, fd_out);
}
