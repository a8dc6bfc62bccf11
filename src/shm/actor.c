/*
 * actor.c - the slot of a thread: taken at its first call, given back when it ends, inherited
 * by nobody.
 *
 * The token is a robust pthread mutex that its own thread locks and nobody else ever does.
 * The kernel flags its word (FUTEX_OWNER_DIED) and wakes one sleeper when the thread is gone,
 * by SIGKILL, by exit or by exec; FUTEX_WAITERS is set in it all along, or the kernel would
 * wake nobody.  Because only the owner locks it, equal thread ids in two PID namespaces do no
 * harm.
 *
 * The mutex begins 16 bytes before the end of a shared page: its word is shared, and the list
 * links, which glibc follows and the kernel walks, fall on the next page, which this process
 * covers with private memory.  So no bytes that another process writes are ever taken for a
 * pointer.
 *
 * STEPS of registering
 *   A1 the pages are committed   A2 state CLAIMED(holder)   A3 the slot is emptied
 *   A4 the token is locked       A5 state LIVE
 * DEATH
 *   A2 to A4   CLAIMED by a dead holder: freed, it holds nothing
 *   from A5    LIVE with a flagged token, or a dead holder: reaped
 */
#include "shm/actor.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"
#include "shm/inherit.h"

__thread struct kith__self *kith__self_last;
static __thread struct kith__self *thread_selves;

static pthread_once_t handlers_once = PTHREAD_ONCE_INIT;
static pthread_key_t end_key;

static int64_t
thread_id(void)
{
    return syscall(SYS_gettid);
}

/* ---- Liveness ------------------------------------------------------------------------- */

bool
kith__actor_flagged(struct kith__arena *arena, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(arena, id);
    uint64_t state = kith__load_acquire(&actor->state);

    return KITH__SLOT_KIND(state) == KITH__SLOT_LIVE &&
           (atomic_load(kith__token_of(actor)) & FUTEX_OWNER_DIED) != 0;
}

bool
kith__actor_dead(struct kith__arena *arena, unsigned id)
{
    struct kith__actor *actor = kith__actor_at(arena, id);
    uint64_t state = kith__load_acquire(&actor->state);

    switch (KITH__SLOT_KIND(state)) {
    case KITH__SLOT_CLAIMED:
        return !kith__holder_alive(arena, KITH__SLOT_BY(state));
    case KITH__SLOT_LIVE:
        return kith__actor_flagged(arena, id) || !kith__holder_alive(arena, actor->holder);
    default:
        return false;
    }
}

/* ---- Taking a slot -------------------------------------------------------------------- */

static kith_err
lock_token(struct kith__actor *actor)
{
    pthread_mutex_t *token = (pthread_mutex_t *)(void *)kith__token_of(actor);
    pthread_mutexattr_t attr;
    void *private_page = (uint8_t *)actor + KITH__TOKEN_PRIVATE_AT;
    int rc;

    if (mmap(private_page, KITH__PAGE, PROT_READ | PROT_WRITE,
             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
        return kith__fail(KITH_ENOMEM, "This thread cannot join the arena: %s.", strerror(errno));
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    rc = pthread_mutex_init(token, &attr);
    pthread_mutexattr_destroy(&attr);
    if (rc == 0)
        rc = pthread_mutex_lock(token);
    if (rc == 0 && (atomic_load(kith__token_of(actor)) & FUTEX_TID_MASK) != (uint32_t)thread_id())
        rc = EINVAL; /* a libc whose mutex does not begin with its word */
    if (rc != 0)
        return kith__fail(KITH_ESYSTEM,
                          "This thread cannot join the arena: its token cannot be "
                          "locked: %s.",
                          strerror(rc));
    atomic_fetch_or(kith__token_of(actor), FUTEX_WAITERS);
    return KITH_OK;
}

/* Everything but the state and the generations of the journals, by which readers check. */
static void
empty_slot(struct kith__actor *actor)
{
    struct kith__vec *vecs[] = { &actor->ledger, &actor->staged, &actor->trash, &actor->record };
    struct kith__magazines *magazines = kith__magazines_of(actor);

    for (size_t i = 0; i < sizeof vecs / sizeof vecs[0]; i++) {
        kith__store(&vecs[i]->area, 0);
        kith__store(&vecs[i]->count, 0);
        kith__store(&vecs[i]->room, 0);
    }
    kith__store(&actor->ledger.room, KITH__LEDGER_INLINE);
    kith__store(&actor->staged.room, KITH__STAGED_INLINE);
    kith__store(&actor->trash.room, KITH__TRASH_INLINE);
    kith__store(&actor->main.count, 0);
    kith__store(&actor->main.area, 0);
    kith__store(&actor->mini.count, 0);
    kith__store(&actor->mini.area, 0);
    kith__store(&actor->reading, 0);
    kith__store(&actor->pin, 0);
    kith__store(&actor->waiting_on, 0);
    kith__store(&actor->pending_wake, 0);
    kith__store(&actor->pending_signal, 0);
    kith__store(&actor->retired, 0);
    kith__store(&actor->wanted, 0);
    kith__store(&actor->dropped, 0);
    for (unsigned i = 0; i < KITH__CLASS_COUNT; i++)
        kith__store(&magazines->count[i], 0);
}

static struct kith__actor *
claim_slot(struct kith__arena *arena, unsigned *id_out)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t top = kith__load_acquire(&h->actors_top);

    if (top > arena->actors_max)
        top = arena->actors_max;
    for (unsigned id = 1; id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);
        uint64_t state;

        if (id > top && kith__arena_commit(arena, kith__off(arena, actor), 2 * KITH__PAGE) < 0)
            return NULL; /* A1 */
        state = kith__load(&actor->state);
        if (KITH__SLOT_KIND(state) != KITH__SLOT_FREE ||
            !atomic_compare_exchange_strong(
                &actor->state, &state,
                KITH__SLOT_STATE(KITH__SLOT_CLAIMED, arena->holder,
                                 KITH__SLOT_GENERATION(state)))) /* A2 */
            continue;
        for (uint64_t seen = kith__load(&h->actors_top); seen < id;)
            if (atomic_compare_exchange_weak(&h->actors_top, &seen, id))
                break;
        *id_out = id;
        return actor;
    }
    kith__fail(KITH_EFULL, "%s has %u threads, as many as an arena takes.",
               arena->path ? arena->path : "The mem:// space", arena->actors_max);
    return NULL;
}

struct kith__self *
kith__self_register(struct kith__arena *arena)
{
    struct kith__self *self;
    struct kith__actor *actor;
    unsigned id;

    for (self = thread_selves; self != NULL; self = self->next_in_thread)
        if (self->arena == arena && self->serial == arena->serial) {
            kith__self_last = self;
            return self;
        }
    if (arena->dead) {
        kith__fail(KITH_EUNAVAILABLE, "This forked process could not join the arena; open the "
                                      "space anew.");
        return NULL;
    }
    if (arena->readonly) {
        kith__fail(KITH_EPERM, "%s was opened to be read only.", arena->path);
        return NULL;
    }
    self = kith__calloc(1, sizeof *self);
    if (self == NULL) {
        kith__fail(KITH_ENOMEM, "This process has no memory left for one more thread.");
        return NULL;
    }
    actor = claim_slot(arena, &id);
    if (actor == NULL) {
        kith__free(self);
        return NULL;
    }
    empty_slot(actor); /* A3 */
    actor->id = id;
    actor->holder = arena->holder;
    actor->thread = thread_id();
    if (lock_token(actor) < 0) { /* A4 */
        kith__store_release(&actor->state,
                            KITH__SLOT_STATE(KITH__SLOT_FREE, 0,
                                             KITH__SLOT_GENERATION(kith__load(&actor->state)) + 1));
        kith__free(self);
        return NULL;
    }
    kith__store_release(
        &actor->state, KITH__SLOT_STATE(KITH__SLOT_LIVE, arena->holder,
                                        KITH__SLOT_GENERATION(kith__load(&actor->state)))); /* A5 */
    self->arena = arena;
    self->actor = actor;
    self->magazines = kith__magazines_of(actor);
    self->id = id;
    self->serial = arena->serial;
    self->spin = 64;
    self->probe = self->probe_at = 64;
    pthread_mutex_lock(&arena->mutex);
    self->next_in_arena = arena->selves;
    arena->selves = self;
    pthread_mutex_unlock(&arena->mutex);
    self->next_in_thread = thread_selves;
    thread_selves = self;
    kith__self_last = self;
    pthread_setspecific(end_key, self); /* any non-NULL value: the destructor walks the list */
    return self;
}

#define SCRATCH_KEPT ((size_t)16 << 20)

void *
kith__self_scratch(struct kith__self *self, size_t size)
{
    size += size == 0; /* NULL is for a failure */
    if (size > self->scratch_size || self->scratch_size > SCRATCH_KEPT) {
        kith__free(self->scratch);
        self->scratch = kith__malloc(size);
        self->scratch_size = self->scratch != NULL ? size : 0;
    }
    return self->scratch;
}

/* ---- Giving it back ------------------------------------------------------------------- */

static void
unlock_token(struct kith__actor *actor)
{
    pthread_mutex_t *token = (pthread_mutex_t *)(void *)kith__token_of(actor);

    /*
     * If the word was overwritten this refuses, and the node stays in our robust list: its page
     * is private and stays mapped as long as the arena does.
     */
    pthread_mutex_unlock(token);
}

void
kith__actor_leave(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    struct kith__actor *actor = self->actor;
    uint64_t generation;

    if (arena->on_leave != NULL)
        arena->on_leave(self, false);
    pthread_mutex_lock(&arena->mutex);
    for (struct kith__self **link = &arena->selves; *link != NULL; link = &(*link)->next_in_arena)
        if (*link == self) {
            *link = self->next_in_arena;
            break;
        }
    pthread_mutex_unlock(&arena->mutex);
    for (struct kith__self **link = &thread_selves; *link != NULL; link = &(*link)->next_in_thread)
        if (*link == self) {
            *link = self->next_in_thread;
            break;
        }
    unlock_token(actor);
    generation = KITH__SLOT_GENERATION(kith__load(&actor->state));
    if ((kith__load(&actor->staged.count) | kith__load(&actor->trash.count) |
         kith__load(&actor->dropped)) != 0) {
        /* A stopped process is in the way: what is left is for whoever cleans up next. */
        kith__store_release(&actor->state, KITH__SLOT_STATE(KITH__SLOT_HUSK, 0, generation));
        kith__store(&KITH__HEADER(arena)->husks, 1);
    } else {
        kith__store_release(&actor->state, KITH__SLOT_STATE(KITH__SLOT_FREE, 0, generation + 1));
    }
    if (kith__self_last == self)
        kith__self_last = NULL;
    kith__free(self->scratch);
    kith__free(self);
}

void
kith__actors_leave(struct kith__arena *arena)
{
    struct kith__self *self, *next;

    if (arena->readonly || arena->dead)
        return;
    self = kith__self_of(arena);
    if (self == NULL)
        return;
    /* Other threads are in no call: closing is the last use of a handle.  Empty their slots. */
    for (struct kith__self *other = arena->selves; other != NULL; other = next) {
        next = other->next_in_arena;
        if (other != self && arena->on_leave != NULL)
            arena->on_leave(other, false);
    }
    if (arena->on_leave != NULL)
        arena->on_leave(self, true);
    kith__holder_renew(arena);
    kith__actor_leave(self);
}

static void
thread_ends(void *unused)
{
    (void)unused;
    while (thread_selves != NULL)
        kith__arena_thread_ends(thread_selves);
}

/* exit() and the end of main; a thread that still runs is cut off as by a kill. */
__attribute__((destructor)) static void
process_ends(void)
{
    struct kith__arena **all = kith__arenas_lock();

    for (struct kith__arena *arena = *all, *next; arena != NULL; arena = next) {
        next = arena->next;
        if (arena->readonly || arena->dead || arena->holder == 0)
            continue;
        /* What a child's copies of handles keep it lets go, though it did nothing else. */
        if (kith__load(&kith__holder_at(arena, arena->holder)->kept) != 0 &&
            kith__self_of(arena) == NULL)
            continue;
        for (struct kith__self *self = thread_selves, *after; self != NULL; self = after) {
            after = self->next_in_thread;
            if (self->arena == arena) {
                if (arena->on_leave != NULL)
                    arena->on_leave(self, true);
                kith__actor_leave(self);
            }
        }
        if (arena->temporary && !arena->memory)
            kith__holder_unlink_if_alone(arena);
        else if (arena->selves == NULL)
            kith__holder_leave(arena);
    }
    kith__arenas_unlock();
}

/* ---- Fork ----------------------------------------------------------------------------- */

static void
before_fork(void)
{
    for (struct kith__arena *arena = *kith__arenas_lock(); arena != NULL; arena = arena->next) {
        if (!arena->dead) {
            kith__holder_prepare_child(arena);
            kith__inherit_prepare(arena);
        }
        pthread_mutex_lock(&arena->mutex);
    }
}

static void
after_fork_in_parent(void)
{
    for (struct kith__arena *arena = kith__arenas_held(); arena != NULL; arena = arena->next) {
        if (!arena->dead)
            kith__holder_parent_forked(arena);
        kith__inherit_parent_forked(arena);
        pthread_mutex_unlock(&arena->mutex);
    }
    kith__arenas_unlock();
}

/*
 * The child has one thread, and none of its parent's tokens: it takes a slot of its own at its
 * next call.  What the parent's threads were doing is theirs to finish.
 */
static void
after_fork_in_child(void)
{
    for (struct kith__arena *arena = kith__arenas_held(); arena != NULL; arena = arena->next) {
        pthread_mutex_unlock(&arena->mutex); /* the child's one thread is the one that locked it */
        for (struct kith__self *self = arena->selves, *next; self != NULL; self = next) {
            next = self->next_in_arena;
            kith__free(self->scratch);
            kith__free(self);
        }
        arena->selves = NULL;
        if (!arena->dead)
            kith__holder_child_forked(arena);
        kith__inherit_child_forked(arena);
    }
    thread_selves = NULL;
    kith__self_last = NULL;
    pthread_setspecific(end_key, NULL);
    kith__arenas_unlock();
}

static void
install_handlers(void)
{
    pthread_key_create(&end_key, thread_ends);
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

void
kith__fork_handlers(void)
{
    pthread_once(&handlers_once, install_handlers);
}
