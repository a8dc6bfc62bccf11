/*
 * test_dump_sync.c - what kith/dump.h promises of that by which processes wait for each other.
 */
#include <signal.h>
#include <unistd.h>

#include "dump_bytes.h"

static void
close_semaphore(void *semaphore)
{
    kith_semaphore_close(semaphore);
}

static void
close_once(void *once)
{
    kith_once_close(once);
}

static void
close_limiter(void *limiter)
{
    kith_limiter_close(limiter);
}

static void
close_barrier(void *barrier)
{
    kith_barrier_close(barrier);
}

static void
close_condition(void *condition)
{
    kith_condition_close(condition);
}

/* ---- opening ---- */

static kith_semaphore *
semaphore_in(struct test *t, kith_space *space, const char *name,
             const struct kith_semaphore_options *options)
{
    struct kith_semaphore_options there = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_semaphore *semaphore;

    there.create = KITH_MUST_EXIST;
    EXPECT_OK(kith_semaphore_open(space, name, options != NULL ? options : &there, &semaphore));
    test_keep(t, semaphore, close_semaphore);
    return semaphore;
}

static kith_once *
once_in(struct test *t, kith_space *space, const char *name, bool is_new)
{
    struct kith_once_options options = KITH_ONCE_OPTIONS_INIT;
    kith_once *once;

    options.create = is_new ? KITH_MUST_CREATE : KITH_MUST_EXIST;
    EXPECT_OK(kith_once_open(space, name, &options, &once));
    test_keep(t, once, close_once);
    return once;
}

static kith_limiter *
limiter_in(struct test *t, kith_space *space, const char *name, double rate, uint32_t burst)
{
    struct kith_limiter_options options = KITH_LIMITER_OPTIONS_INIT;
    kith_limiter *limiter;

    options.rate = rate;
    options.burst = burst;
    EXPECT_OK(kith_limiter_open(space, name, rate != 0 ? &options : NULL, &limiter));
    test_keep(t, limiter, close_limiter);
    return limiter;
}

static kith_barrier *
barrier_in(struct test *t, kith_space *space, const char *name, uint32_t parties)
{
    struct kith_barrier_options options = KITH_BARRIER_OPTIONS_INIT;
    kith_barrier *barrier;

    options.parties = parties;
    EXPECT_OK(kith_barrier_open(space, name, parties != 0 ? &options : NULL, &barrier));
    test_keep(t, barrier, close_barrier);
    return barrier;
}

static kith_condition *
condition_in(struct test *t, kith_space *space, const char *name, const char *lock, bool is_new)
{
    struct kith_condition_options options = KITH_CONDITION_OPTIONS_INIT;
    kith_condition *condition;

    options.create = is_new ? KITH_MUST_CREATE : KITH_MUST_EXIST;
    options.lock = lock;
    EXPECT_OK(kith_condition_open(space, name, &options, &condition));
    test_keep(t, condition, close_condition);
    return condition;
}

static uint32_t
value_of(kith_semaphore *semaphore)
{
    uint32_t value = 99;

    EXPECT_OK(kith_semaphore_value(semaphore, &value));
    return value;
}

static enum kith_once_state
state_of(kith_once *once)
{
    enum kith_once_state state = KITH_ONCE_CLAIMED;

    EXPECT_OK(kith_once_state(once, &state));
    return state;
}

static bool
is_locked(kith_space *space, const char *name)
{
    kith_lock *lock;
    bool locked = false;

    EXPECT_OK(kith_lock_open(space, name, NULL, &lock));
    EXPECT_OK(kith_lock_locked(lock, &locked));
    kith_lock_close(lock);
    return locked;
}

/* ---- semaphores ---- */

TEST(dump_of_a_semaphore_has_its_value_and_what_is_taken_comes_out_free)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_space *other = other_space(t, "other");
    kith_semaphore *bounded, *copy;
    struct bytes bytes;

    options.value = 3;
    options.bounded = true;
    bounded = semaphore_in(t, test_space(t), "bounded", &options);
    EXPECT_OK(kith_semaphore_acquire(bounded, 0));
    EXPECT_OK(kith_semaphore_acquire(bounded, 0));
    options.bounded = false;
    options.value = 0;
    semaphore_in(t, test_space(t), "signal", &options);
    bytes = dump(test_space(t), NULL);
    EXPECT_EQ(1, value_of(bounded)); /* and a dump changes nothing */
    EXPECT_OK(load(other, &bytes, NULL));
    copy = semaphore_in(t, other, "bounded", NULL);
    EXPECT_EQ(3, value_of(copy));
    EXPECT_RC(KITH_ERANGE, kith_semaphore_release(copy));
    EXPECT_OK(kith_semaphore_acquire(copy, 0));
    EXPECT_OK(kith_semaphore_release(copy));
    copy = semaphore_in(t, other, "signal", NULL);
    EXPECT_EQ(0, value_of(copy));
    EXPECT_OK(kith_semaphore_release_many(copy, 2));
    EXPECT_EQ(2, value_of(copy));
    free(bytes.data);
}

TEST(dump_of_a_semaphore_has_the_permits_that_were_added)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith_load_options load_options = KITH_LOAD_OPTIONS_INIT;
    kith_semaphore *semaphore, *copy;
    struct bytes bytes;

    options.value = 2;
    semaphore = semaphore_in(t, test_space(t), "s", &options);
    EXPECT_OK(kith_semaphore_release_many(semaphore, 5));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    bytes = dump(test_space(t), "s");
    load_options.as = "copy";
    EXPECT_OK(load(test_space(t), &bytes, &load_options));
    copy = semaphore_in(t, test_space(t), "copy", NULL);
    EXPECT_EQ(6, value_of(copy)); /* the one that is taken was a signal: above the value of 2 */
    free(bytes.data);
}

static void
take_one_and_leave(void *semaphore)
{
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
}

TEST(dump_of_an_unowned_semaphore_has_taken_what_a_process_left_taken)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_space *other = other_space(t, "other");
    kith_semaphore *semaphore, *copy;
    struct bytes bytes;

    options.value = 3;
    options.unowned = true;
    options.bounded = true;
    semaphore = semaphore_in(t, test_space(t), "s", &options);
    CHILD_JOIN(test_child(take_one_and_leave, semaphore));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0)); /* this one lives, and is to come out free */
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    copy = semaphore_in(t, other, "s", NULL);
    EXPECT_EQ(2, value_of(copy));
    EXPECT_OK(kith_semaphore_release(copy)); /* anyone may give it back */
    EXPECT_EQ(3, value_of(copy));
    EXPECT_RC(KITH_ERANGE, kith_semaphore_release(copy));
    EXPECT_WHOLE(other);
    free(bytes.data);
}

struct waiting {
    kith_semaphore *semaphore;
    atomic_int next, order[2];
};

static struct waiting *waiting;

static void
wait_as(int number)
{
    EXPECT_OK(kith_semaphore_acquire(waiting->semaphore, KITH_FOREVER));
    atomic_store(&waiting->order[atomic_fetch_add(&waiting->next, 1)], number);
    EXPECT_OK(kith_semaphore_release(waiting->semaphore));
}

static void
wait_first(void *unused)
{
    (void)unused;
    wait_as(1);
}

static void
wait_second(void *unused)
{
    (void)unused;
    wait_as(2);
}

TEST(dump_of_a_fair_semaphore_loads_as_a_fair_one)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_space *other = other_space(t, "other");
    struct bytes bytes;
    pid_t first, second;

    options.fair = true;
    semaphore_in(t, test_space(t), "s", &options);
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    waiting = test_shared(sizeof(*waiting));
    waiting->semaphore = semaphore_in(t, other, "s", NULL);
    EXPECT_OK(kith_semaphore_acquire(waiting->semaphore, 0));
    first = test_child(wait_first, NULL);
    UNTIL_ASLEEP(first, 0);
    second = test_child(wait_second, NULL);
    UNTIL_ASLEEP(second, 0);
    EXPECT_OK(kith_semaphore_release(waiting->semaphore));
    CHILD_JOIN(first);
    CHILD_JOIN(second);
    EXPECT_EQ(1, waiting->order[0]);
    EXPECT_EQ(2, waiting->order[1]);
    free(bytes.data);
}

/* ---- conditions ---- */

TEST(dump_of_a_condition_has_the_lock_that_it_was_made_with)
{
    kith_space *other = other_space(t, "other");
    kith_condition *condition;
    struct bytes bytes;

    test_lock(t, "zz the lock"); /* behind it in the order of names */
    condition_in(t, test_space(t), "named", "zz the lock", true);
    condition_in(t, test_space(t), "own", NULL, true);
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(3, count_objects(other));
    condition = condition_in(t, other, "named", NULL, false);
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_TRUE(is_locked(other, "zz the lock"));
    EXPECT_RC(KITH_ETIMEDOUT, kith_condition_wait(condition, 0));
    EXPECT_OK(kith_condition_release(condition));
    EXPECT_TRUE(!is_locked(other, "zz the lock"));
    condition = condition_in(t, other, "own", NULL, false);
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_TRUE(!is_locked(other, "zz the lock"));
    EXPECT_OK(kith_condition_notify_all(condition));
    EXPECT_OK(kith_condition_release(condition));
    EXPECT_WHOLE(other);
    free(bytes.data);
}

TEST(dump_of_a_condition_alone_takes_the_lock_that_is_there_or_makes_one)
{
    struct kith_load_options options = KITH_LOAD_OPTIONS_INIT;
    kith_space *other = other_space(t, "other");
    kith_condition *condition;
    kith_lock *lock;
    kith_dict *dict;
    struct bytes bytes;

    test_lock(t, "lock");
    condition_in(t, test_space(t), "c", "lock", true);
    bytes = dump(test_space(t), "c");
    options.as = "second";
    EXPECT_OK(load(test_space(t), &bytes, &options)); /* where the lock is */
    condition = condition_in(t, test_space(t), "second", NULL, false);
    EXPECT_OK(kith_condition_acquire(condition, 0));
    EXPECT_TRUE(is_locked(test_space(t), "lock"));
    EXPECT_OK(kith_condition_release(condition));
    options.as = "lock";
    EXPECT_FAILS(KITH_EINVAL, "\"lock\"", load(other, &bytes, &options));
    EXPECT_EQ(0, count_objects(other));
    EXPECT_OK(kith_dict_open(other, "lock", NULL, &dict));
    kith_dict_close(dict);
    EXPECT_FAILS(KITH_EEXIST, "needs a lock \"lock\"", load(other, &bytes, NULL));
    EXPECT_EQ(1, count_objects(other));
    EXPECT_OK(kith_destroy(other, "lock"));
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(2, count_objects(other));
    EXPECT_OK(kith_lock_open(other, "lock", NULL, &lock));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    condition = condition_in(t, other, "c", NULL, false);
    EXPECT_OK(kith_condition_release(condition));
    kith_lock_close(lock);
    free(bytes.data);
}

TEST(dump_of_a_condition_without_its_lock_is_none)
{
    struct bytes bytes = { .size = 0 };
    kith_space *other = other_space(t, "other");

    test_lock(t, "lock");
    test_event(t, "e");
    condition_in(t, test_space(t), "c", "lock", true);
    EXPECT_OK(kith_destroy(test_space(t), "lock"));
    EXPECT_FAILS(KITH_EGONE, "lock", kith_dump(test_space(t), "c", keep, &bytes, NULL));
    free(bytes.data);
    bytes = dump(test_space(t), NULL); /* nobody could do anything with it: it is left out */
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(1, count_objects(other));
    free(bytes.data);
}

/* ---- barriers ---- */

static void
arrive(void *barrier)
{
    EXPECT_OK(kith_barrier_wait(barrier, KITH_FOREVER, NULL));
}

TEST(dump_of_a_barrier_has_its_parties_and_whether_it_is_broken)
{
    kith_space *other = other_space(t, "other");
    kith_barrier *barrier = barrier_in(t, test_space(t), "meeting", 2), *copy;
    uint32_t waiting_now = 9, parties = 0;
    struct bytes bytes;
    bool broken = false;
    pid_t pid = test_child(arrive, barrier);

    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_barrier_abort(barrier_in(t, test_space(t), "broken", 7)));
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    copy = barrier_in(t, other, "broken", 0);
    EXPECT_OK(kith_barrier_parties(copy, &parties));
    EXPECT_EQ(7, parties);
    EXPECT_OK(kith_barrier_broken(copy, &broken));
    EXPECT_TRUE(broken);
    copy = barrier_in(t, other, "meeting", 0);
    EXPECT_OK(kith_barrier_waiting(copy, &waiting_now));
    EXPECT_EQ(0, waiting_now); /* who has arrived is not in a dump */
    EXPECT_OK(kith_barrier_broken(copy, &broken));
    EXPECT_TRUE(!broken);
    EXPECT_OK(kith_barrier_wait(barrier, KITH_FOREVER, NULL));
    CHILD_JOIN(pid);
    pid = test_child(arrive, copy);
    EXPECT_OK(kith_barrier_wait(copy, KITH_FOREVER, NULL));
    CHILD_JOIN(pid);
    free(bytes.data);
}

/* ---- onces ---- */

TEST(dump_of_a_once_has_whether_it_is_done_and_a_claim_is_not)
{
    kith_space *other = other_space(t, "other");
    kith_once *done = once_in(t, test_space(t), "done", true);
    kith_once *claimed = once_in(t, test_space(t), "claimed", true);
    struct bytes bytes;
    bool mine = false;

    once_in(t, test_space(t), "open", true);
    EXPECT_OK(kith_once_claim(done, 0, &mine));
    EXPECT_OK(kith_once_done(done));
    EXPECT_OK(kith_once_claim(claimed, 0, &mine));
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(KITH_ONCE_DONE, state_of(once_in(t, other, "done", false)));
    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once_in(t, other, "open", false)));
    EXPECT_EQ(KITH_ONCE_OPEN, state_of(once_in(t, other, "claimed", false)));
    EXPECT_OK(kith_once_claim(once_in(t, other, "claimed", false), 0, &mine));
    EXPECT_TRUE(mine);
    EXPECT_OK(kith_once_claim(once_in(t, other, "done", false), 0, &mine));
    EXPECT_TRUE(!mine);
    EXPECT_OK(kith_once_done(claimed));
    free(bytes.data);
}

/* ---- limiters ---- */

TEST(dump_of_a_limiter_has_its_rate_its_burst_and_its_tokens)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT, before = state;
    kith_space *other = other_space(t, "other");
    kith_limiter *limiter = limiter_in(t, test_space(t), "slow", 1e-6, 10);
    struct bytes bytes;

    limiter_in(t, test_space(t), "full", 123.456, KITH_LIMITER_BURST_MAX);
    EXPECT_OK(kith_limiter_take(limiter, 4));
    EXPECT_OK(kith_limiter_state(limiter, &before));
    EXPECT_EQ(6, before.available);
    bytes = dump(test_space(t), NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    limiter = limiter_in(t, other, "full", 0, 0);
    EXPECT_OK(kith_limiter_state(limiter, &state));
    EXPECT_TRUE(state.rate == 123.456);
    EXPECT_EQ(KITH_LIMITER_BURST_MAX, state.burst);
    EXPECT_EQ(KITH_LIMITER_BURST_MAX, state.available);
    limiter = limiter_in(t, other, "slow", 0, 0);
    EXPECT_OK(kith_limiter_state(limiter, &state));
    EXPECT_TRUE(state.rate == 1e-6);
    EXPECT_EQ(10, state.burst);
    EXPECT_EQ(6, state.available);
    /* The next is due no sooner than it was, but for what has passed; a token is 10^15 ns. */
    EXPECT_TRUE(state.next_ns <= before.next_ns + 1000000);
    EXPECT_TRUE(state.next_ns > before.next_ns - 300 * TEST_S);
    EXPECT_OK(kith_limiter_take(limiter, 6));
    EXPECT_RC(KITH_EEMPTY, kith_limiter_take(limiter, 1));
    EXPECT_RC(KITH_ERANGE, kith_limiter_take(limiter, 11));
    EXPECT_WHOLE(other);
    free(bytes.data);
}

/* ---- damage ---- */

/* One of every kind here, in states of every kind. */
static struct bytes
sample(struct test *t)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith_once *once = once_in(t, test_space(t), "o", true);
    kith_semaphore *semaphore;
    kith_rwlock *rwlock;
    bool mine;

    options.value = 2;
    options.fair = true;
    options.unowned = true;
    semaphore = semaphore_in(t, test_space(t), "s", &options);
    CHILD_JOIN(test_child(take_one_and_leave, semaphore));
    options.value = 1;
    options.bounded = true;
    semaphore_in(t, test_space(t), "s1", &options);
    test_lock(t, "l");
    condition_in(t, test_space(t), "c", "l", true);
    EXPECT_OK(kith_barrier_abort(barrier_in(t, test_space(t), "b", 2)));
    EXPECT_OK(kith_once_claim(once, 0, &mine));
    EXPECT_OK(kith_once_done(once));
    EXPECT_OK(kith_limiter_take(limiter_in(t, test_space(t), "li", 0.001, 5), 2));
    EXPECT_OK(kith_rwlock_open(test_space(t), "rw", NULL, &rwlock));
    kith_rwlock_close(rwlock);
    EXPECT_OK(kith_event_set(test_event(t, "e")));
    return dump(test_space(t), NULL);
}

TEST(dump_of_these_with_any_byte_altered_is_refused_and_changes_nothing)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes = sample(t);

    for (size_t i = 0; i < bytes.size; i++)
        for (unsigned bit = 0; bit < 8; bit += 1 + (unsigned)i % 3) {
            bytes.data[i] ^= (uint8_t)(1u << bit);
            EXPECT_RC(KITH_ECORRUPT, load(other, &bytes, NULL));
            bytes.data[i] ^= (uint8_t)(1u << bit);
        }
    EXPECT_EQ(0, count_objects(other));
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(9, count_objects(other));
    free(bytes.data);
}

TEST(dump_of_these_cut_at_any_length_is_refused)
{
    kith_space *other = other_space(t, "other");
    struct bytes bytes = sample(t);
    size_t size = bytes.size;

    for (bytes.size = 0; bytes.size < size; bytes.size++)
        EXPECT_RC(KITH_ECORRUPT, load(other, &bytes, NULL));
    EXPECT_EQ(0, count_objects(other));
    EXPECT_OK(load(other, &bytes, NULL));
    free(bytes.data);
}

TEST(dump_of_these_loaded_and_dumped_again_has_the_same_objects)
{
    kith_space *other = other_space(t, "other");
    struct bytes first = sample(t), second;

    EXPECT_OK(load(other, &first, NULL));
    second = dump(other, NULL);
    EXPECT_EQ(first.size, second.size);
    EXPECT_WHOLE(other);
    free(first.data);
    free(second.data);
}

TEST_ON(TEST_NAMED, dump_of_these_can_be_made_by_who_only_reads)
{
    struct kith_options readonly = KITH_OPTIONS_INIT;
    kith_space *other = other_space(t, "other");
    struct bytes bytes = sample(t);
    kith_space *reader;

    free(bytes.data);
    readonly.readonly = true;
    reader = test_open(t, t->address, &readonly);
    bytes = dump(reader, NULL);
    EXPECT_OK(load(other, &bytes, NULL));
    EXPECT_EQ(9, count_objects(other));
    EXPECT_EQ(1, value_of(semaphore_in(t, other, "s", NULL)));
    free(bytes.data);
}
