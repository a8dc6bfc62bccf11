/*
 * test_poll.c - what kith/poll.h promises: a descriptor that tells when to try again.
 */
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "shm/poll.h"
#include "test.h"

/* Only events are to tell, but in the tests of deaths. */
static void
without_timer(void)
{
    kith__poll_recheck_ns = INT64_MAX;
}

static int
arm(void *handle)
{
    int fd = -1;

    EXPECT_OK(kith_poll_fd(handle, &fd));
    EXPECT_GE(fd, 0);
    return fd;
}

static bool
readable(int fd, int timeout_ms)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };

    return poll(&polled, 1, timeout_ms) == 1;
}

#define EXPECT_READABLE(fd) EXPECT_TRUE(readable(fd, (int)(test_ceiling_ns() / TEST_MS)))
#define EXPECT_SILENT(fd) EXPECT_TRUE(!readable(fd, 0))

TEST(poll_tells_of_an_item_and_of_nothing_else)
{
    kith_queue *queue = test_queue(t, "jobs", NULL);
    int fd;

    without_timer();
    fd = arm(queue);
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    EXPECT_READABLE(fd);
    EXPECT_EQ(fd, arm(queue)); /* there is one still */
    EXPECT_READABLE(fd);
    EXPECT_GIVES(queue, KITH_INT(1));
    arm(queue);
    EXPECT_SILENT(fd);
    EXPECT_SILENT(fd);
}

TEST(poll_tells_of_the_end_of_a_queue)
{
    kith_queue *queue = test_queue(t, "jobs", NULL);
    int fd;

    without_timer();
    fd = arm(queue);
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_queue_shutdown(queue));
    EXPECT_READABLE(fd);
    arm(queue);
    EXPECT_READABLE(fd);
}

TEST(poll_tells_of_an_event)
{
    kith_event *event = test_event(t, "started");
    int fd;

    without_timer();
    for (int i = 0; i < 3; i++) {
        fd = arm(event);
        EXPECT_SILENT(fd);
        EXPECT_OK(kith_event_set(event));
        EXPECT_READABLE(fd);
        arm(event);
        EXPECT_READABLE(fd);
        EXPECT_OK(kith_event_clear(event));
    }
    arm(event);
    EXPECT_SILENT(fd);
}

TEST(poll_tells_of_the_destruction_of_what_is_polled)
{
    kith_event *event = test_event(t, "started");
    int fd;

    without_timer();
    fd = arm(event);
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_destroy(test_space(t), "started"));
    EXPECT_READABLE(fd);
    EXPECT_FAILS(KITH_EGONE, "started", kith_poll_fd(event, &fd));
}

TEST(poll_refuses_what_cannot_be_polled)
{
    kith_queue *queue = test_queue(t, "jobs", NULL);
    int fd = 77;

    EXPECT_FAILS(KITH_EINVAL, "counts", kith_poll_fd(test_dict(t, "counts"), &fd));
    EXPECT_FAILS(KITH_EINVAL, "kith_poll_fd", kith_poll_fd(NULL, &fd));
    EXPECT_FAILS(KITH_EINVAL, "kith_poll_fd", kith_poll_fd(queue, NULL));
    EXPECT_EQ(77, fd);
}

TEST(poll_closes_its_descriptors_with_the_handle)
{
    kith_event *event;
    int fd, again;

    without_timer();
    EXPECT_OK(kith_event_open(test_space(t), "e", NULL, &event));
    fd = arm(event);
    kith_event_close(event);
    EXPECT_EQ(-1, fcntl(fd, F_GETFD));
    EXPECT_OK(kith_event_open(test_space(t), "e", NULL, &event));
    again = arm(event);
    EXPECT_EQ(fd, again);
    kith_event_close(event);
}

/* ---- Other processes ---------------------------------------------------------------------- */

struct party {
    kith_queue *queue;
    kith_event *event;
    kith_lock *lock;
    _Atomic int state;
};

static struct party *
party_new(struct test *t)
{
    struct party *party = test_shared(sizeof *party);

    party->queue = test_queue(t, "jobs", NULL);
    party->event = test_event(t, "started");
    party->lock = test_lock(t, "report");
    return party;
}

static void
until(struct party *party, int state)
{
    while (atomic_load(&party->state) < state)
        test_breathe();
}

static void
child_polls_for_item(void *arg)
{
    struct party *party = arg;
    struct kith_buf buf = KITH_BUF_INIT;
    int fd = arm(party->queue);

    EXPECT_SILENT(fd);
    atomic_fetch_add(&party->state, 1);
    do {
        EXPECT_READABLE(fd);
        arm(party->queue);
    } while (kith_queue_get(party->queue, 0, &buf) != KITH_OK);
    kith_buf_free(&buf);
}

TEST(poll_wakes_all_processes_that_poll_one_queue)
{
    struct party *party = party_new(t);
    pid_t pids[3];

    without_timer();
    arm(party->queue); /* the children have this handle, and need a descriptor of their own */
    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_polls_for_item, party);
    until(party, 3);
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_queue_put(party->queue, KITH_INT(i), 0));
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_QUEUE_LEN(party->queue, 0);
}

static void
child_puts_and_sets(void *arg)
{
    struct party *party = arg;

    EXPECT_OK(kith_queue_put(party->queue, KITH_INT(1), 0));
    EXPECT_OK(kith_event_set(party->event));
}

TEST(poll_tells_the_parent_what_its_child_did)
{
    struct party *party = party_new(t);
    int queue_fd, event_fd;

    without_timer();
    queue_fd = arm(party->queue);
    event_fd = arm(party->event);
    CHILD_JOIN(test_child(child_puts_and_sets, party));
    EXPECT_READABLE(queue_fd);
    EXPECT_READABLE(event_fd);
}

static void
child_holds_until_told(void *arg)
{
    struct party *party = arg;

    EXPECT_OK(kith_lock_acquire(party->lock, 0));
    atomic_store(&party->state, 1);
    until(party, 2);
    EXPECT_OK(kith_lock_release(party->lock));
    until(party, 3); /* stays, so that its end tells nothing */
}

TEST(poll_tells_of_the_release_of_a_lock)
{
    struct party *party = party_new(t);
    pid_t pid;
    int fd;

    without_timer();
    pid = test_child(child_holds_until_told, party);
    until(party, 1);
    fd = arm(party->lock);
    EXPECT_SILENT(fd);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(party->lock, 0));
    atomic_store(&party->state, 2);
    EXPECT_READABLE(fd);
    EXPECT_OK(kith_lock_acquire(party->lock, 0));
    atomic_store(&party->state, 3);
    CHILD_JOIN(pid);
    EXPECT_OK(kith_lock_release(party->lock));
    fd = arm(party->lock);
    EXPECT_READABLE(fd); /* free */
}

static void
child_takes_and_stays(void *arg)
{
    struct party *party = arg;
    struct kith_buf buf = KITH_BUF_INIT;
    kith_lease *lease;

    EXPECT_OK(kith_lock_acquire(party->lock, 0));
    EXPECT_OK(kith_queue_lease(party->queue, 0, &buf, &lease));
    atomic_store(&party->state, 1);
    for (;;)
        pause();
}

TEST(poll_tells_of_the_death_of_an_owner)
{
    struct party *party = party_new(t);
    struct kith_buf buf = KITH_BUF_INIT;
    pid_t pid;
    kith_err err;

    EXPECT_OK(kith_queue_put(party->queue, KITH_INT(1), 0));
    pid = test_child(child_takes_and_stays, party);
    until(party, 1);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(party->lock, 0));
    arm(party->lock);
    arm(party->queue);
    test_child_kill(pid);
    do
        EXPECT_READABLE(arm(party->lock));
    while ((err = kith_lock_acquire(party->lock, 0)) == KITH_ETIMEDOUT);
    EXPECT_RC(KITH_OWNER_DIED, err);
    do
        EXPECT_READABLE(arm(party->queue));
    while ((err = kith_queue_get(party->queue, 0, &buf)) == KITH_EEMPTY);
    EXPECT_RC(KITH_OK, err);
    kith_buf_free(&buf);
    EXPECT_OK(kith_lock_release(party->lock));
}
