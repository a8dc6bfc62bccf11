/*
 * grace.c - barriers in all processes, and who is still amid something.
 *
 * Readers, and those who change a cell without a lock, mark what they do by plain stores to their
 * own slot, so that it costs them nothing.  Whoever takes something away first makes that known by
 * its id, a record or an unlinking, then runs a barrier in every process that maps the arena, and
 * then looks at the marks: a mark it does not see was made after the barrier, and its maker will
 * see that the thing is gone.  In the same way whoever is about to sleep for a lock makes that
 * known, runs the barrier, and looks at the lock once more: its owner gives it back without a
 * fence.
 *
 * Processes register for that barrier when they open an arena; one that cannot sets no_trim.
 */
#include "shm/grace.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "shm/off.h"

#define YIELDS 200u
#define SLEEPS 20u /* of a millisecond, for one that was preempted */

void
kith__grace_join(struct kith__arena *arena)
{
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0) != 0)
        kith__store(&KITH__HEADER(arena)->no_trim, 1);
}

static bool
global_barrier(void)
{
    return syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0, 0) == 0;
}

/* All of it: signals that come meanwhile do not cut it short. */
static void
pause_1ms(void)
{
    struct timespec left = { 0, 1000000 };

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

bool
kith__readers_have_moved_on(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t top;

    if (kith__load(&h->no_trim) != 0 || kith__holder_readers(arena) || !global_barrier())
        return false;
    top = kith__load_acquire(&h->actors_top);
    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);
        uint64_t reading = kith__load_acquire(&actor->reading);

        if (id == self->id || (reading & 1) == 0 ||
            KITH__SLOT_KIND(kith__load(&actor->state)) != KITH__SLOT_LIVE)
            continue;
        for (unsigned i = 0; kith__load_acquire(&actor->reading) == reading; i++)
            if (i == 10000)
                return false; /* stopped, or at a long copy: some other time */
    }
    return true;
}

/* The mark that is looked at, of one actor. */
typedef const kith__word *mark_of(const struct kith__actor *actor);

static const kith__word *
signal_mark(const struct kith__actor *actor)
{
    return &actor->pending_signal;
}

static const kith__word *
wake_mark(const struct kith__actor *actor)
{
    return &actor->pending_wake;
}

static const kith__word *
pin_mark(const struct kith__actor *actor)
{
    return &actor->pin;
}

static bool
is_marked(struct kith__self *self, mark_of *mark, uint64_t value)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);

        if (id != self->id && kith__load_acquire(mark(actor)) == value &&
            KITH__SLOT_KIND(kith__load(&actor->state)) == KITH__SLOT_LIVE &&
            !kith__actor_flagged(arena, id))
            return true;
    }
    return false;
}

void
kith__barrier_everywhere(struct kith__self *self)
{
    /*
     * Without the barrier (before Linux 4.16, or where a filter forbids it) a store may sit in
     * its processor's store buffer; it is out of there long before a millisecond is over.
     */
    if (kith__load(&KITH__HEADER(self->arena)->no_trim) != 0 || !global_barrier())
        pause_1ms();
}

static kith_err
quiesce(struct kith__self *self, mark_of *mark, uint64_t value)
{
    kith__barrier_everywhere(self);
    for (unsigned i = 0; is_marked(self, mark, value); i++) {
        /* What was put off is tried again after each operation, which it must not hold up. */
        if (self->stuck || i >= YIELDS + SLEEPS) {
            self->stuck = true;
            return kith__fail(KITH_EUNAVAILABLE, "A stopped thread is amid a change of what was "
                                                 "destroyed; its memory is freed when it goes on.");
        }
        if (i < YIELDS)
            sched_yield();
        else
            pause_1ms();
    }
    self->stuck = false;
    return KITH_OK;
}

kith_err
kith__signal_quiesce(struct kith__self *self, uint64_t off)
{
    return quiesce(self, signal_mark, off | 1);
}

kith_err
kith__lock_quiesce(struct kith__self *self, uint64_t off)
{
    return quiesce(self, wake_mark, off);
}

kith_err
kith__pin_quiesce(struct kith__self *self, uint64_t off)
{
    return quiesce(self, pin_mark, off);
}
