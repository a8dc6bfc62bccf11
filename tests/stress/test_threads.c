/*
 * test_threads.c - the same within one process: threads on shared handles.
 *
 * It is here for ThreadSanitizer, which sees one process only; what it checks by itself is that
 * nothing is lost between threads.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "stress.h"

enum { THREADS = 4, ROUNDS = 3000, KEYS = 600 };

static struct {
    kith_space *space;
    kith_dict *dict;
    kith_queue *queue;
    kith_lock *lock, *fair;
    kith_rwlock *rwlock;
    kith_event *event;
    _Atomic int failures;
    int64_t guarded; /* by the lock, and by nothing else */
    int64_t in_turn; /* by the fair lock */
    int64_t shared;  /* by the rwlock: read by those who share it */
} all;

static void
count(kith_err err)
{
    if (err < 0)
        atomic_fetch_add(&all.failures, 1);
}

static void
work_on_the_dict(int64_t i, struct kith_buf *buf)
{
    static const char text[] = "a text that takes a block of its own";
    struct kith_item pair[2] = { KITH_STR("left"), KITH_STR("right") };
    struct kith_buf seen[2] = { KITH_BUF_INIT, KITH_BUF_INIT };
    kith_txn *txn;
    uint64_t n;

    count(kith_dict_set(all.dict, KITH_INT(i % KEYS), i % 3 == 0 ? kith_str(text) : KITH_INT(i)));
    (void)kith_dict_get(all.dict, KITH_INT((i * 7) % KEYS), buf);
    if (i % 5 == 0)
        (void)kith_dict_delete(all.dict, KITH_INT((i * 3) % KEYS));
    count(kith_dict_add(all.dict, KITH_STR("sum"), 1, NULL));
    count(kith_txn_begin(all.space, &txn));
    count(kith_txn_dict_add(txn, all.dict, pair[0], 1));
    count(kith_txn_dict_add(txn, all.dict, pair[1], -1));
    count(kith_txn_commit(txn));
    count(kith_dict_get_many(all.dict, pair, 2, seen));
    if (seen[0].item.integer + seen[1].item.integer != 0)
        atomic_fetch_add(&all.failures, 1);
    count(kith_dict_len(all.dict, &n));
    kith_buf_free(&seen[0]);
    kith_buf_free(&seen[1]);
}

static void
work_on_the_rwlock(int64_t i)
{
    if (i % 8 == 0) {
        count(kith_rwlock_acquire(all.rwlock, KITH_FOREVER));
        all.shared++;
        count(kith_rwlock_release(all.rwlock));
    } else {
        int64_t seen;

        count(kith_rwlock_acquire_shared(all.rwlock, KITH_FOREVER));
        seen = all.shared;
        if (i % 16 == 1)
            (void)kith_dict_has(all.dict, KITH_INT(i)); /* time for a writer to come */
        if (seen != all.shared)
            atomic_fetch_add(&all.failures, 1);
        count(kith_rwlock_release(all.rwlock));
    }
}

static void *
thread(void *arg)
{
    struct kith_buf buf = KITH_BUF_INIT;
    int64_t from = (int64_t)(intptr_t)arg * ROUNDS;
    kith_lease *lease;

    for (int64_t i = from; i < from + ROUNDS; i++) {
        work_on_the_dict(i, &buf);
        count(kith_queue_put(all.queue, KITH_INT(i), KITH_FOREVER));
        if (i % 2 == 0) {
            count(kith_queue_get(all.queue, KITH_FOREVER, &buf));
        } else {
            count(kith_queue_lease(all.queue, KITH_FOREVER, &buf, &lease));
            count(kith_lease_ack(lease));
        }
        count(kith_lock_acquire(all.lock, KITH_FOREVER));
        all.guarded++;
        count(kith_lock_release(all.lock));
        count(kith_lock_acquire(all.fair, KITH_FOREVER));
        all.in_turn++;
        count(kith_lock_release(all.fair));
        work_on_the_rwlock(i);
        count(i % 2 == 0 ? kith_event_set(all.event) : kith_event_clear(all.event));
    }
    kith_buf_free(&buf);
    return NULL;
}

TEST_ON(TEST_SHM, threads_share_every_object_and_lose_nothing)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct kith_buf sum = KITH_BUF_INIT;
    pthread_t threads[THREADS];

    all.dict = test_dict(t, "d");
    all.space = t->space;
    all.queue = test_queue(t, "q", NULL);
    all.lock = test_lock(t, "l");
    options.fair = true;
    EXPECT_OK(kith_lock_open(t->space, "f", &options, &all.fair));
    EXPECT_OK(kith_rwlock_open(t->space, "rw", NULL, &all.rwlock));
    EXPECT_OK(kith_event_open(t->space, "e", NULL, &all.event));
    for (intptr_t i = 0; i < THREADS; i++)
        EXPECT_EQ(0, pthread_create(&threads[i], NULL, thread, (void *)i));
    for (int i = 0; i < THREADS; i++)
        EXPECT_EQ(0, pthread_join(threads[i], NULL));
    EXPECT_EQ(0, atomic_load(&all.failures));
    EXPECT_EQ((int64_t)THREADS * ROUNDS, all.guarded);
    EXPECT_EQ((int64_t)THREADS * ROUNDS, all.in_turn);
    EXPECT_EQ((int64_t)THREADS * ROUNDS / 8, all.shared);
    EXPECT_OK(kith_dict_get(all.dict, KITH_STR("sum"), &sum));
    EXPECT_EQ((int64_t)THREADS * ROUNDS, sum.item.integer);
    EXPECT_QUEUE_LEN(all.queue, 0);
    EXPECT_WHOLE(t->space);
    kith_buf_free(&sum);
    kith_event_close(all.event);
    kith_rwlock_close(all.rwlock);
    kith_lock_close(all.fair);
}
