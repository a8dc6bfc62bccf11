/*
 * wait.c - sleeping so that no wake is lost and every death is heard.
 *
 * A sleeper waits on its own word and on the tokens of all living actors at once.  When a
 * thread dies the kernel wakes one of those who watch its token; that one cleans up, which
 * frees the dead's locks and hands back its leases, and so wakes whoever waited for them.  If
 * the chosen sleeper dies before it has done so, its own token wakes another, who finds both.
 * No sleeper is special, so there is no role to hand over and no moment without a watch; the
 * price is about 0.1 us for each living actor on top of a sleep of 5 us and more.
 *
 * futex_waitv takes 128 words.  With more than 127 actors each sleeper watches one group of
 * them, chosen by its own number, and the watchman's re-check stands for groups without any.
 *
 * The watchman is one sleeper, elected by a compare-and-swap on the header, who wakes every
 * 80 ms and looks at all tokens and all process bytes.  It is needed where events fail: an OOM
 * kill that loses the robust list, a sleeper that was stopped after it had been chosen, and the
 * missing futex_waitv.  The others look once a second, and take over when it is gone.
 *
 * After a thread's death its process may take a moment to go: its byte is unlocked when its memory
 * is gone, and no event tells of that.  Whoever reaps the thread may have got what it waited for
 * and leave, so it first tells all sleepers, by suspect_until in the header and a wake; they look
 * again in rising steps for two seconds, and the first to sleep after that looks once more.
 */
#include <limits.h>
#include <linux/futex.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/interrupt.h"
#include "shm/futex.h"
#include "shm/grace.h"
#include "shm/lock.h"
#include "shm/poll.h"

#define GROUP (KITH__WAITV_MAX - 1)
#define SLOW_RECHECK_NS INT64_C(1000000000)
#define BLIND_RECHECK_NS INT64_C(20000000) /* without futex_waitv */
#define SUSPECT_FIRST_NS INT64_C(100000)
#define SUSPECT_LAST_NS INT64_C(2000000000)
#define SPIN_MORE 16u
#define SPIN_MAX 4096u       /* 1,024 was too short for two hot cores: 93 us a round trip, not 4 */
#define SPIN_GAP 16u         /* pauses between two looks at most */
#define SPIN_PROBE 64u       /* spins from one long one to the next, */
#define SPIN_PROBE_MAX 4096u /* and at most */

int64_t kith__recheck_ns = INT64_C(80000000);

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Whether we are the one who re-checks: the post is free, ours, or left by who no longer sleeps. */
static bool
is_watchman(struct kith__self *self)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    uint64_t who = kith__load(&h->watchman);

    if (who == self->id)
        return true;
    if (who != 0 && who <= self->arena->actors_max) {
        struct kith__actor *other = kith__actor_at(self->arena, (unsigned)who);

        if (KITH__SLOT_KIND(kith__load(&other->state)) == KITH__SLOT_LIVE &&
            kith__load(&other->waiting_on) != 0)
            return false;
    }
    return atomic_compare_exchange_strong(&h->watchman, &who, self->id);
}

/* Looks at everybody; whether somebody was found dead. */
static bool
look_at_all(struct kith__self *self, bool bytes_too)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    uint64_t top = kith__load_acquire(&h->actors_top);
    bool found = false;

    if (top > self->arena->actors_max)
        top = self->arena->actors_max;
    for (unsigned id = 1; id <= top; id++)
        if (id != self->id && (bytes_too ? kith__actor_dead(self->arena, id)
                                         : kith__actor_flagged(self->arena, id))) {
            self->arena->on_death(self, id);
            found = true;
        }
    if (bytes_too || self->suspect_ns != 0)
        found |= self->arena->on_idle_holders(self);
    return found;
}

/*
 * Fills `words` with the tokens to watch, and `ids` with whose they are; the id of a dead actor if
 * one is seen on the way.
 */
static unsigned
watch_tokens(struct kith__self *self, struct kith__futex *words, uint16_t *ids, unsigned *count)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);
    unsigned from = 1;

    if (top > arena->actors_max)
        top = arena->actors_max;
    if (top > GROUP) {
        unsigned groups = ((unsigned)top + GROUP - 1) / GROUP;
        from = 1 + (self->id % groups) * GROUP;
        if (top > from + GROUP - 1)
            top = from + GROUP - 1;
    }
    for (unsigned id = from; id <= top; id++) {
        struct kith__actor *actor = kith__actor_at(arena, id);
        uint32_t token;

        if (id == self->id || KITH__SLOT_KIND(kith__load_acquire(&actor->state)) != KITH__SLOT_LIVE)
            continue;
        token = atomic_load(kith__token_of(actor));
        if ((token & FUTEX_OWNER_DIED) != 0)
            return id;
        if (token != 0 && *count < KITH__WAITV_MAX) {
            ids[*count] = (uint16_t)id;
            words[(*count)++] = (struct kith__futex){ kith__token_of(actor), token };
        }
    }
    return 0;
}

/*
 * After a sleep, whatever ended it: the kernel wakes one of those who watch a token, and if that
 * was us, nobody else knows.  Going on with an item that came at the same moment, and leaving the
 * dead to others, would leave them asleep.
 */
static void
look_at_watched(struct kith__self *self, const struct kith__futex *words, const uint16_t *ids,
                unsigned count)
{
    for (unsigned i = 1; i < count; i++)
        if ((atomic_load_explicit(words[i].word, memory_order_relaxed) & FUTEX_OWNER_DIED) != 0)
            self->arena->on_death(self, ids[i]);
}

/*
 * A process may be dying, as whoever reaped a thread of it has left word.  Whether one was found
 * dead and cleaned up after: that may have slept for locks, and then the slot no longer names what
 * the caller is about to sleep on.
 */
static bool
heed_suspicion(struct kith__self *self, int64_t now)
{
    struct kith__header *h = KITH__HEADER(self->arena);
    uint64_t until = kith__load_acquire(&h->suspect_until);
    bool found = false;

    if (until == 0 || self->depth != 0)
        return false;
    if ((int64_t)until > now && (int64_t)until - now <= KITH__SUSPECT_NS) {
        if (self->suspect_ns == 0)
            self->suspect_ns = SUSPECT_FIRST_NS;
    } else {
        found = self->arena->on_idle_holders(self);
        atomic_compare_exchange_strong(&h->suspect_until, &until, 0);
    }
    return found;
}

enum kith__slept
kith__sleep(struct kith__self *self, _Atomic uint32_t *word, uint32_t expected, int64_t deadline_ns,
            bool interruptible)
{
    struct kith__futex words[KITH__WAITV_MAX] = { { word, expected } };
    uint16_t ids[KITH__WAITV_MAX];
    unsigned count = 1, dead;
    int64_t until = deadline_ns, now;
    bool look_again = false, watchman;
    enum kith__woken woken;

    kith__store(&self->actor->waiting_on, kith__off(self->arena, word));
    atomic_signal_fence(memory_order_seq_cst);
    dead = watch_tokens(self, words, ids, &count);
    if (dead != 0) {
        self->arena->on_death(self, dead);
        return KITH__SLEPT_AGAIN;
    }
    now = kith__now_ns();
    if (deadline_ns != INT64_MAX && now >= deadline_ns)
        return KITH__SLEPT_TIMEOUT;
    watchman = is_watchman(self);
    if (kith__recheck_ns != INT64_MAX) {
        until = earlier(until, now + (watchman ? kith__recheck_ns : SLOW_RECHECK_NS));
        look_again = true;
    }
    if (!kith__futex_many())
        until = earlier(until, now + BLIND_RECHECK_NS);
    if (heed_suspicion(self, now))
        return KITH__SLEPT_AGAIN;
    if (self->suspect_ns != 0) {
        if (look_at_all(self, false)) {
            self->suspect_ns = SUSPECT_FIRST_NS;
            return KITH__SLEPT_AGAIN;
        }
        until = earlier(until, now + self->suspect_ns);
        self->suspect_ns = self->suspect_ns * 2 > SUSPECT_LAST_NS ? 0 : self->suspect_ns * 2;
    }
    woken = kith__futex_wait(words, count, until);
    look_at_watched(self, words, ids, count);
    switch (woken) {
    case KITH__WOKEN_TIME:
        if (until == deadline_ns)
            return KITH__SLEPT_TIMEOUT;
        if (look_again || !kith__futex_many())
            look_at_all(self, watchman || !kith__futex_many());
        /* A signal that came between two sleeps interrupted neither. */
        if (interruptible && kith__interrupted())
            return KITH__SLEPT_INTERRUPTED;
        return KITH__SLEPT_AGAIN;
    case KITH__WOKEN_SIGNAL:
        if (interruptible && kith__interrupted())
            return KITH__SLEPT_INTERRUPTED;
        return KITH__SLEPT_AGAIN;
    default:
        return KITH__SLEPT_AGAIN;
    }
}

/* ---- Spinning ------------------------------------------------------------------------- */

static inline void
pause_once(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

/*
 * Waking a process on an idle core costs nine times a switch on one core, so a bounded spin
 * pays where two cores work hand in hand, and only there.  Each thread learns which it is: a
 * spin that saw the change lengthens the next, one that did not halves it, down to nothing.  Now
 * and then a long one is tried, since a short spin can't find out that a long one would pay again;
 * ever more seldom while that is in vain, as it always is on one core.
 *
 * The word is looked at in rising steps: each look takes its line from whoever is about to change
 * it again, and a queue's getter that looks too often meets every single item.
 */
bool
kith__spin(struct kith__self *self, const _Atomic uint32_t *word, uint32_t value)
{
    unsigned rounds = self->spin, done = 0;
    bool probing = ++self->spins >= self->probe_at;

    if (probing)
        rounds = SPIN_MAX;
    for (unsigned gap = 1; done < rounds; gap = gap < SPIN_GAP ? 2 * gap : SPIN_GAP) {
        for (unsigned i = 0; i < gap; i++)
            pause_once();
        done += gap;
        if (atomic_load_explicit(word, memory_order_relaxed) != value) {
            /* Twice what it took, so that a little variation is still caught. */
            unsigned next = self->spin / 2 + done + SPIN_MORE;
            if (next > self->spin)
                self->spin = next > SPIN_MAX ? SPIN_MAX : next;
            self->probe = SPIN_PROBE;
            self->probe_at = self->spins + self->probe;
            return true;
        }
    }
    self->spin /= 2;
    if (probing) {
        self->probe = self->probe < SPIN_PROBE_MAX / 2 ? 2 * self->probe : SPIN_PROBE_MAX;
        self->probe_at = self->spins + self->probe;
    }
    return false;
}

/* ---- Signals -------------------------------------------------------------------------- */

/*
 * Joining changes the word, always.  A waker that found nobody asleep clears WAITERS by
 * compare-and-swap; had the joiner left the word as it was, that would succeed between its
 * second look and its sleep, and it would sleep beside an item with nobody to wake it.
 */
uint32_t
kith__signal_enter(_Atomic uint32_t *signal)
{
    uint32_t word = atomic_load_explicit(signal, memory_order_relaxed), joined;

    do {
        joined = ((word + KITH__SIGNAL_STEP) & ~KITH__SIGNAL_POLLERS & ~KITH__SIGNAL_ON) |
                 (word & (KITH__SIGNAL_POLLERS | KITH__SIGNAL_ON)) | KITH__SIGNAL_WAITERS;
    } while (!atomic_compare_exchange_weak(signal, &word, joined));
    return joined;
}

uint32_t
kith__signal_join(struct kith__self *self, _Atomic uint32_t *signal)
{
    uint32_t joined = kith__signal_enter(signal);

#ifndef KITH_MISTAKE_SIGNAL_NO_BARRIER
    kith__barrier_everywhere(self);
#endif
    return joined;
}

/*
 * Wakes `count` sleepers.  The caller's pending_signal named the signal before its change became
 * visible, so a reaper repeats this if we die on the way.
 *
 * The word is changed before the wake: one who joined and looked before the change, and is not yet
 * asleep, then does not fall asleep.  Had it stayed as it was, he might do so between our wake,
 * which found nobody, and our taking WAITERS out, and sleep on with nobody to wake him.
 */
void
kith__signal_wake(struct kith__self *self, _Atomic uint32_t *signal, int count)
{
    uint32_t word = atomic_load(signal), changed;
    int woken;

#ifdef KITH_MISTAKE_SIGNAL_NO_WAKE
    return;
#endif
    if ((word & KITH__SIGNAL_POLLERS) != 0) {
        word = atomic_fetch_and(signal, ~KITH__SIGNAL_POLLERS) & ~KITH__SIGNAL_POLLERS;
        kith__poke(self->arena);
    }
    do {
        if ((word & KITH__SIGNAL_WAITERS) == 0)
            return;
        changed = ((word + KITH__SIGNAL_STEP) & ~KITH__SIGNAL_FLAGS) | (word & KITH__SIGNAL_FLAGS);
#ifdef KITH_MISTAKE_SIGNAL_UNCHANGED_BY_WAKE
        changed = word;
#endif
    } while (!atomic_compare_exchange_weak(signal, &word, changed));
    woken = kith__futex_wake(signal, count);
#ifdef KITH_MISTAKE_SIGNAL_UNCHANGED_BY_WAKE
    return;
#endif
    if (woken < count)
        atomic_compare_exchange_strong(signal, &changed, changed & ~KITH__SIGNAL_WAITERS);
}
