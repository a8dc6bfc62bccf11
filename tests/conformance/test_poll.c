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

static int
arm_room(kith_queue *queue)
{
    int fd = -1;

    EXPECT_OK(kith_queue_poll_room(queue, &fd));
    EXPECT_GE(fd, 0);
    return fd;
}

TEST(poll_tells_of_room_in_a_queue)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_buf buf = KITH_BUF_INIT;
    kith_queue *queue;
    int fd;

    without_timer();
    options.capacity = 2;
    queue = test_queue(t, "jobs", &options);
    fd = arm_room(queue);
    EXPECT_READABLE(fd);
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    EXPECT_OK(kith_queue_put(queue, KITH_INT(2), 0));
    for (int i = 0; i < 3; i++) {
        EXPECT_EQ(fd, arm_room(queue));
        EXPECT_SILENT(fd);
        EXPECT_RC(KITH_EFULL, kith_queue_put(queue, KITH_INT(3), 0));
        EXPECT_OK(kith_queue_get(queue, 0, &buf));
        EXPECT_READABLE(fd);
        EXPECT_OK(kith_queue_put(queue, KITH_INT(3), 0));
    }
    arm_room(queue);
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_queue_shutdown(queue));
    EXPECT_READABLE(fd);
    kith_buf_free(&buf);
}

TEST(poll_has_a_descriptor_for_items_and_one_for_room)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_queue *queue;
    int items, room;

    without_timer();
    options.capacity = 1;
    queue = test_queue(t, "jobs", &options);
    items = arm(queue);
    room = arm_room(queue);
    EXPECT_SILENT(items);
    EXPECT_READABLE(room);
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    arm(queue);
    arm_room(queue);
    EXPECT_READABLE(items);
    EXPECT_SILENT(room);
}

TEST(poll_has_room_without_end_in_a_queue_without_bound)
{
    kith_queue *queue = test_queue(t, "jobs", NULL);

    without_timer();
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    EXPECT_READABLE(arm_room(queue));
}

TEST(poll_tells_of_a_permit)
{
    without_timer();
    for (int fair = 0; fair < 2; fair++) {
        struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
        kith_semaphore *semaphore;
        int fd;

        options.fair = fair != 0;
        EXPECT_OK(
            kith_semaphore_open(test_space(t), fair ? "in order" : "slots", &options, &semaphore));
        fd = arm(semaphore);
        EXPECT_READABLE(fd);
        EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
        for (int i = 0; i < 3; i++) {
            EXPECT_EQ(fd, arm(semaphore));
            EXPECT_SILENT(fd);
            EXPECT_OK(kith_semaphore_release(semaphore));
            EXPECT_READABLE(fd);
            EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
        }
        kith_semaphore_close(semaphore);
    }
}

TEST(poll_tells_of_a_change_of_a_value)
{
    static const bool guarded[] = { false, true };

    without_timer();
    for (size_t i = 0; i < 2; i++) {
        struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
        kith_value *value;
        int64_t now = 0;
        int fd;

        options.type = 'q';
        options.transactional = guarded[i];
        value = test_value(t, guarded[i] ? "guarded" : "total", &options);
        fd = arm(value);
        EXPECT_SILENT(fd);
        EXPECT_OK(kith_value_add(value, 1, &now));
        EXPECT_READABLE(fd);
        EXPECT_EQ(fd, arm(value));
        EXPECT_SILENT(fd); /* it is told of what comes, not of what was */
        EXPECT_OK(kith_value_set_int(value, 7));
        EXPECT_READABLE(fd);
    }
}

TEST(poll_tells_of_a_change_of_a_dict)
{
    kith_dict *dict = test_dict(t, "counts");
    int fd;

    without_timer();
    EXPECT_OK(kith_dict_set(dict, kith_str("a"), KITH_INT(1)));
    fd = arm(dict);
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_dict_has(dict, kith_str("a")));
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_dict_set(dict, kith_str("b"), KITH_INT(1)));
    EXPECT_READABLE(fd);
    arm(dict);
    EXPECT_SILENT(fd);
    EXPECT_OK(kith_dict_add(dict, kith_str("b"), 1, NULL));
    EXPECT_READABLE(fd);
    arm(dict);
    EXPECT_OK(kith_dict_delete(dict, kith_str("b")));
    EXPECT_READABLE(fd);
}

TEST(poll_tells_of_the_destruction_of_each_kind)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    kith_semaphore *semaphore;
    int fd, fds[4];
    kith_queue *queue =
        test_queue(t, "jobs",
                   &(struct kith_queue_options){ .struct_size = sizeof(struct kith_queue_options),
                                                 .capacity = 1 });
    kith_dict *dict = test_dict(t, "counts");
    kith_value *value;

    without_timer();
    options.type = 'q';
    value = test_value(t, "total", &options);
    EXPECT_OK(kith_semaphore_open(test_space(t), "slots", NULL, &semaphore));
    EXPECT_OK(kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_queue_put(queue, KITH_INT(1), 0));
    fds[0] = arm(semaphore);
    EXPECT_SILENT(fds[0]);
    EXPECT_OK(kith_destroy(test_space(t), "slots"));
    EXPECT_READABLE(fds[0]);
    fds[1] = arm(value);
    EXPECT_OK(kith_destroy(test_space(t), "total"));
    EXPECT_READABLE(fds[1]);
    fds[2] = arm(dict);
    EXPECT_OK(kith_destroy(test_space(t), "counts"));
    EXPECT_READABLE(fds[2]);
    fds[3] = arm_room(queue);
    EXPECT_SILENT(fds[3]);
    EXPECT_OK(kith_destroy(test_space(t), "jobs"));
    EXPECT_READABLE(fds[3]);
    EXPECT_FAILS(KITH_EGONE, "slots", kith_poll_fd(semaphore, &fd));
    EXPECT_FAILS(KITH_EGONE, "total", kith_poll_fd(value, &fd));
    EXPECT_FAILS(KITH_EGONE, "counts", kith_poll_fd(dict, &fd));
    EXPECT_FAILS(KITH_EGONE, "jobs", kith_queue_poll_room(queue, &fd));
    kith_semaphore_close(semaphore);
}

TEST(poll_refuses_what_cannot_be_polled)
{
    kith_queue *queue = test_queue(t, "jobs", NULL);
    int fd = 77;

    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    kith_array *array;
    kith_rwlock *rwlock;

    options.type = 'q';
    options.count = 1;
    EXPECT_OK(kith_array_open(test_space(t), "samples", &options, &array));
    EXPECT_OK(kith_rwlock_open(test_space(t), "names", NULL, &rwlock));
    EXPECT_FAILS(KITH_EINVAL, "samples", kith_poll_fd(array, &fd));
    EXPECT_FAILS(KITH_EINVAL, "names", kith_poll_fd(rwlock, &fd));
    kith_array_close(array);
    kith_rwlock_close(rwlock);
    EXPECT_FAILS(KITH_EINVAL, "kith_queue_poll_room", kith_queue_poll_room(NULL, &fd));
    EXPECT_FAILS(KITH_EINVAL, "kith_queue_poll_room", kith_queue_poll_room(queue, NULL));
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
    kith_semaphore *semaphore;
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

static void
child_takes_a_permit_and_stays(void *arg)
{
    struct party *party = arg;

    EXPECT_OK(kith_semaphore_acquire(party->semaphore, 0));
    atomic_store(&party->state, 1);
    for (;;)
        pause();
}

TEST(poll_tells_of_the_permit_of_a_dead_process)
{
    struct party *party = party_new(t);
    pid_t pid;

    EXPECT_OK(kith_semaphore_open(test_space(t), "slots", NULL, &party->semaphore));
    pid = test_child(child_takes_a_permit_and_stays, party);
    until(party, 1);
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(party->semaphore, 0));
    arm(party->semaphore);
    test_child_kill(pid);
    do
        EXPECT_READABLE(arm(party->semaphore));
    while (kith_semaphore_acquire(party->semaphore, 0) == KITH_ETIMEDOUT);
    kith_semaphore_close(party->semaphore);
}

static void
child_waits_in_the_row(void *arg)
{
    struct party *party = arg;

    EXPECT_OK(kith_semaphore_acquire(party->semaphore, KITH_FOREVER));
    atomic_store(&party->state, 1);
    until(party, 2); /* stays, so that its end tells nothing */
}

/* A permit beside those in the row of a fair semaphore is told of when they are through. */
TEST(poll_of_a_fair_semaphore_comes_after_its_row)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct party *party = party_new(t);
    kith_err err;
    pid_t pid;

    without_timer();
    options.fair = true;
    EXPECT_OK(kith_semaphore_open(test_space(t), "in order", &options, &party->semaphore));
    EXPECT_OK(kith_semaphore_acquire(party->semaphore, 0));
    pid = test_child(child_waits_in_the_row, party);
    UNTIL_ASLEEP(pid, 0);
    arm(party->semaphore);
    EXPECT_OK(kith_semaphore_release_many(party->semaphore, 2));
    while ((err = kith_semaphore_acquire(party->semaphore, 0)) == KITH_ETIMEDOUT)
        EXPECT_READABLE(arm(party->semaphore));
    EXPECT_OK(err);
    until(party, 1);
    atomic_store(&party->state, 2);
    CHILD_JOIN(pid);
    kith_semaphore_close(party->semaphore);
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
