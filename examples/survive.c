/*
 * survive.c - a process is killed with a lease and a lock, and both come back.
 *
 * The child borrows a job, takes the lock, and is killed with SIGKILL, which no handler sees.  The
 * parent then gets the lock with the news, and the job with one attempt more.
 */
#include <kith.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

static void
borrow_and_hang(kith_queue *jobs, kith_lock *lock, kith_event *ready)
{
    kith_lease *lease;

    if (kith_queue_lease(jobs, 0, NULL, &lease) == KITH_OK &&
        kith_lock_acquire(lock, 0) == KITH_OK && kith_event_set(ready) == KITH_OK)
        for (;;)
            pause();
    _exit(fail());
}

int
main(void)
{
    struct kith_buf job = KITH_BUF_INIT;
    kith_space *space;
    kith_queue *jobs;
    kith_lock *lock;
    kith_event *ready;
    kith_lease *lease;
    kith_err err;
    pid_t child;

    if (kith_open("mem://", NULL, &space) < 0 ||
        kith_queue_open(space, "jobs", NULL, &jobs) < 0 ||
        kith_lock_open(space, "lock", NULL, &lock) < 0 ||
        kith_event_open(space, "ready", NULL, &ready) < 0 ||
        kith_queue_put(jobs, KITH_STR("read the mail"), 0) < 0)
        return fail();

    child = fork();
    if (child < 0) {
        perror("fork");
        return 1;
    }
    if (child == 0)
        borrow_and_hang(jobs, lock, ready);
    if (kith_event_wait(ready, KITH_FOREVER) < 0)
        return fail();
    kill(child, SIGKILL);

    err = kith_lock_acquire(lock, KITH_FOREVER);
    if (err < 0)
        return fail();
    printf("the lock: %s\n", err == KITH_OWNER_DIED ? "its last owner died" : "it was free");
    if (kith_queue_lease(jobs, KITH_FOREVER, &job, &lease) < 0)
        return fail();
    printf("the job: %.*s, lent %u times before\n", (int)job.item.size,
           (const char *)job.item.data, kith_lease_attempts(lease));

    if (kith_lease_ack(lease) < 0 || kith_lock_release(lock) < 0)
        return fail();
    waitpid(child, NULL, 0);
    kith_buf_free(&job);
    kith_event_close(ready);
    kith_lock_close(lock);
    kith_queue_close(jobs);
    kith_close(space);
    return 0;
}
