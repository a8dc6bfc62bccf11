/*
 * test_processes.c - processes in other namespaces, stopped, forked out of threads, out of memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* ---- PID namespaces ---- */

struct insider {
    kith_lock *lock;
    sem_t *ready;
    sem_t *go;
    _Atomic pid_t pid; /* of the insider, as it is seen here */
    kith_err want;
    bool waits;
};

static void
be_first_of_a_namespace(void *arg)
{
    struct insider *in = arg;
    pid_t pid;
    int status = 0;

    if (unshare(CLONE_NEWPID) != 0)
        test_skip("a PID namespace is not permitted here");
    pid = fork();
    if (pid == 0) {
        /* All have the same process and thread id. */
        EXPECT_EQ(1, getpid());
        EXPECT_EQ(1, syscall(SYS_gettid));
        EXPECT_RC(in->want, kith_lock_acquire(in->lock, KITH_FOREVER));
        test_gate_open(in->ready);
        GATE_WAIT(in->go);
        EXPECT_OK(kith_lock_release(in->lock));
        _exit(0);
    }
    in->pid = pid;
    EXPECT_EQ(pid, waitpid(pid, &status, 0));
    EXPECT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
}

static struct insider *
insider_new(kith_lock *lock, kith_err want)
{
    struct insider *in = test_shared(sizeof(*in));

    in->lock = lock;
    in->ready = test_gate();
    in->go = test_gate();
    in->want = want;
    return in;
}

TEST(namespaces_with_equal_thread_ids_keep_their_locks_apart)
{
    kith_lock *lock = test_lock(t, "lock");
    struct insider *holder = insider_new(lock, KITH_OK);
    struct insider *doomed = insider_new(lock, KITH_OK);
    struct insider *next = insider_new(lock, KITH_OWNER_DIED);
    struct kith_owner owner;
    pid_t pids[3];

    pids[0] = test_child(be_first_of_a_namespace, holder);
    GATE_WAIT(holder->ready);
    EXPECT_OK(kith_lock_owner(lock, &owner));
    EXPECT_TRUE(owner.held && owner.alive);
    EXPECT_EQ(1, owner.pid);
    pids[1] = test_child(be_first_of_a_namespace, doomed);
    UNTIL(doomed->pid != 0);
    UNTIL_ASLEEP(doomed->pid, 0);
    /* A waiter dies that has the holder's ids: the lock stays the holder's. */
    EXPECT_EQ(0, kill(doomed->pid, SIGKILL));
    CHILD_JOIN(pids[1]);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 300 * TEST_MS));
    pids[2] = test_child(be_first_of_a_namespace, next);
    UNTIL(next->pid != 0);
    UNTIL_ASLEEP(next->pid, 0);
    EXPECT_EQ(0, kill(holder->pid, SIGKILL));
    CHILD_JOIN(pids[0]);
    GATE_WAIT(next->ready);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    test_gate_open(next->go);
    CHILD_JOIN(pids[2]);
    EXPECT_OK(kith_lock_acquire(lock, test_ceiling_ns()));
    EXPECT_OK(kith_lock_release(lock));
}

/* ---- stopped processes ---- */

struct shared {
    struct test *t;
    kith_dict *dict;
    kith_queue *queue;
    kith_event *event;
    kith_lock *lock;
    sem_t *ready;
    _Atomic uint64_t steps;
    atomic_bool stop;
};

static struct shared *
shared_new(struct test *t)
{
    struct shared *s = test_shared(sizeof(*s));

    s->t = t;
    s->dict = test_dict(t, "d");
    s->queue = test_queue(t, "q", NULL);
    s->event = test_event(t, "e");
    s->lock = test_lock(t, "l");
    s->ready = test_gate();
    return s;
}

static void
gets_forever(void *arg)
{
    struct shared *s = arg;

    EXPECT_OK(kith_queue_get(s->queue, KITH_FOREVER, NULL));
}

TEST(stopped_waiters_hold_nobody_up)
{
    struct shared *s = shared_new(t);
    pid_t stopped = test_child(gets_forever, s);
    pid_t other;

    UNTIL_ASLEEP(stopped, 0);
    test_child_stop(stopped);
    for (int i = 0; i < 1000; i++) {
        EXPECT_OK(kith_queue_put(s->queue, KITH_INT(i), 0));
        EXPECT_OK(kith_queue_get(s->queue, test_ceiling_ns(), NULL));
        EXPECT_OK(kith_dict_add(s->dict, KITH_STR("n"), 1, NULL));
    }
    other = test_child(gets_forever, s);
    UNTIL_ASLEEP(other, 0);
    EXPECT_OK(kith_queue_put(s->queue, KITH_INT(1), 0));
    /* One wake may go to the stopped one; what it was for is not lost on the other. */
    EXPECT_OK(kith_queue_put(s->queue, KITH_INT(2), 0));
    CHILD_JOIN(other);
    test_child_go_on(stopped);
    CHILD_JOIN(stopped);
    EXPECT_QUEUE_LEN(s->queue, 0);
}

static int
look(struct kith_item key, struct kith_item item, void *arg)
{
    (void)key;
    (void)item;
    (void)arg;
    return 0;
}

static void
reads_all_the_time(void *arg)
{
    struct shared *s = arg;
    struct kith_buf out = KITH_BUF_INIT;
    struct kith_buf outs[2] = { KITH_BUF_INIT, KITH_BUF_INIT };
    struct kith_item keys[2] = { KITH_INT(1), KITH_INT(2) };
    uint64_t count;

    while (!s->stop) {
        kith_view *view = NULL;
        kith_err err = kith_dict_get(s->dict, KITH_STR("big"), &out);

        EXPECT_TRUE(err == KITH_OK || err == KITH_ENOENT);
        if (err == KITH_OK)
            EXPECT_EQ(((const char *)out.item.data)[0],
                      ((const char *)out.item.data)[out.item.size - 1]);
        if (kith_dict_view(s->dict, KITH_STR("big"), &view) == KITH_OK)
            EXPECT_EQ(((const char *)kith_view_data(view))[0],
                      ((const char *)kith_view_data(view))[kith_view_size(view) - 1]);
        kith_view_release(view);
        err = kith_dict_get_many(s->dict, keys, 2, outs);
        EXPECT_TRUE(err == KITH_OK || err == KITH_ENOENT);
        EXPECT_OK(kith_dict_each(s->dict, look, NULL));
        EXPECT_OK(kith_dict_len(s->dict, &count));
        s->steps++;
    }
    kith_buf_free(&out);
    kith_buf_free(&outs[0]);
    kith_buf_free(&outs[1]);
}

/* Writers go on, whatever the reader was at; items that it may still read are not taken away. */
TEST(stopped_reader_in_the_middle_of_reading_holds_no_writer_up)
{
    struct shared *s = shared_new(t);
    struct test_random random = test_random_new();
    size_t size = 500000;
    char *data = malloc(size);
    pid_t reader;

    EXPECT_TRUE(data != NULL);
    memset(data, 'x', size);
    for (int i = 0; i < 200; i++)
        EXPECT_OK(kith_dict_set(s->dict, KITH_INT(i), KITH_INT(i)));
    EXPECT_OK(kith_dict_set(s->dict, KITH_STR("big"), kith_bytes(data, size)));
    reader = test_child(reads_all_the_time, s);
    for (int round = 0; round < 60; round++) {
        uint64_t steps = s->steps;

        UNTIL(s->steps > steps);
        for (uint64_t spins = test_random_below(&random, 40000); spins > 0; spins--)
            atomic_signal_fence(memory_order_seq_cst);
        test_child_stop(reader);
        for (int i = 0; i < 8; i++) {
            memset(data, 'a' + (round + i) % 26, size);
            EXPECT_OK(kith_dict_set(s->dict, KITH_STR("big"), kith_bytes(data, size)));
            EXPECT_OK(kith_dict_set(s->dict, KITH_INT(i), kith_bytes(data, 1000)));
            EXPECT_OK(kith_dict_delete(s->dict, KITH_INT(i)));
        }
        if (round % 10 == 0) {
            EXPECT_OK(kith_dict_clear(s->dict));
            for (int i = 0; i < 1000; i++)
                EXPECT_OK(kith_dict_set(s->dict, KITH_INT(i), KITH_INT(i)));
        }
        EXPECT_WHOLE(t->space);
        test_child_go_on(reader);
    }
    s->stop = true;
    CHILD_JOIN(reader);
    free(data);
}

static void
writes_all_the_time(void *arg)
{
    struct shared *s = arg;

    for (int64_t i = 0; !s->stop; i++) {
        EXPECT_OK(kith_dict_set(s->dict, KITH_INT(i % 8), KITH_STR("an item in its own block")));
        EXPECT_OK(kith_dict_delete(s->dict, KITH_INT(i % 8)));
        s->steps++;
    }
}

/* Stopped anywhere, perhaps with what others need: they are told by whom, and nothing is stolen. */
TEST(stopped_writer_is_waited_for_as_long_as_the_space_allows_and_named)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct shared *s;
    struct test_random random = test_random_new();
    char pid_text[32];
    pid_t writer;
    int told = 0;

    options.timeout_ns = 20 * TEST_MS;
    t->space = test_open(t, t->address, &options);
    s = shared_new(t);
    writer = test_child(writes_all_the_time, s);
    (void)snprintf(pid_text, sizeof(pid_text), "%d", (int)writer);
    for (int round = 0; round < 100; round++) {
        uint64_t steps = s->steps;
        kith_err err;

        UNTIL(s->steps > steps);
        for (uint64_t spins = test_random_below(&random, 4000); spins > 0; spins--)
            atomic_signal_fence(memory_order_seq_cst);
        test_child_stop(writer);
        err = kith_dict_set(s->dict, KITH_STR("other"), KITH_INT(round));
        if (err == KITH_EUNAVAILABLE) {
            test_says(__FILE__, __LINE__, pid_text);
            told++;
        } else {
            EXPECT_OK(err);
        }
        /* Readers never wait. */
        err = kith_dict_get(s->dict, KITH_STR("other"), NULL);
        EXPECT_TRUE(err == KITH_OK || err == KITH_ENOENT);
        test_child_go_on(writer);
    }
    (void)printf("# of 100 stops %d were met while something was held\n", told);
    s->stop = true;
    CHILD_JOIN(writer);
    EXPECT_OK(kith_dict_set(s->dict, KITH_STR("other"), KITH_INT(-1)));
    EXPECT_LEN(s->dict, 1);
}

/* ---- fork out of threads ---- */

static void *
busy_thread(void *arg)
{
    struct shared *s = arg;
    struct kith_buf out = KITH_BUF_INIT;

    for (int64_t i = 0; !s->stop; i++) {
        EXPECT_OK(kith_dict_set(s->dict, KITH_INT(i % 50), KITH_STR("an item in its own block")));
        (void)kith_dict_get(s->dict, KITH_INT((i + 7) % 50), &out);
        EXPECT_OK(kith_queue_put(s->queue, KITH_INT(i), 0));
        EXPECT_OK(kith_queue_get(s->queue, test_ceiling_ns(), &out));
        EXPECT_OK(kith_lock_acquire(s->lock, KITH_FOREVER));
        EXPECT_OK(kith_lock_release(s->lock));
        s->steps++;
    }
    kith_buf_free(&out);
    return NULL;
}

TEST_LONG(800, fork_out_of_16_busy_threads_a_thousand_times)
{
    struct shared *s = shared_new(t);
    pthread_t threads[16];

    for (int i = 0; i < 16; i++)
        threads[i] = test_thread(busy_thread, s);
    UNTIL(s->steps > 16);
    for (int i = 0; i < 1000; i++) {
        pid_t pid = fork();

        EXPECT_TRUE(pid >= 0);
        if (pid == 0) {
            EXPECT_OK(kith_dict_add(s->dict, KITH_STR("children"), 1, NULL));
            EXPECT_OK(kith_dict_set(s->dict, KITH_INT(1000 + i % 10), KITH_STR("of a child")));
            EXPECT_OK(kith_dict_get(s->dict, KITH_STR("children"), NULL));
            _exit(0);
        }
        CHILD_JOIN(pid);
    }
    s->stop = true;
    for (int i = 0; i < 16; i++)
        test_thread_join(threads[i]);
    EXPECT_HOLDS(s->dict, KITH_STR("children"), KITH_INT(1000));
    EXPECT_QUEUE_LEN(s->queue, 0);
}

/* ---- out of memory ---- */

static bool
write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool good;

    if (fd < 0)
        return false;
    good = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return good;
}

/* A group of processes that may have 40 MiB together; false if none can be made. */
static bool
make_group(char *folder, size_t room)
{
    static const struct {
        const char *folder;
        const char *limit;
    } ways[] = { { "/sys/fs/cgroup/memory", "memory.limit_in_bytes" },
                 { "/sys/fs/cgroup", "memory.max" } };
    char path[512];

    for (size_t i = 0; i < COUNTOF(ways); i++) {
        (void)snprintf(folder, room, "%s/kith-test-%d", ways[i].folder, (int)getpid());
        if (mkdir(folder, 0700) != 0)
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", folder, ways[i].limit);
        if (write_file(path, "41943040"))
            return true;
        (void)rmdir(folder);
    }
    return false;
}

struct glutton {
    struct shared *s;
    char procs[512];
    bool grouped;
};

static void
eats_holding_the_lock(void *arg)
{
    struct glutton *g = arg;
    char text[32];

    (void)snprintf(text, sizeof(text), "%d", (int)getpid());
    if (g->grouped && !write_file(g->procs, text)) {
        (void)printf("# this memory cgroup takes no process: the holder is killed by SIGKILL\n");
        g->grouped = false;
    }
    EXPECT_OK(kith_lock_acquire(g->s->lock, KITH_FOREVER));
    EXPECT_OK(kith_queue_lease(g->s->queue, 0, NULL, &(kith_lease *){ NULL }));
    test_gate_open(g->s->ready);
    for (int i = 0; g->grouped && i < 256; i++) {
        volatile char *memory = malloc(1 << 20);

        for (size_t at = 0; memory != NULL && at < 1 << 20; at += 4096)
            memory[at] = 1;
    }
    kill(getpid(), SIGKILL);
}

static void
waits_for_the_lock(void *arg)
{
    struct shared *s = arg;

    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(s->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(s->lock));
}

/* In the library, not in its headers: see tests/support/test.c. */
extern int64_t kith__recheck_ns;

TEST(holder_that_is_killed_for_want_of_memory_is_dead_like_any_other)
{
    struct shared *s = shared_new(t);
    struct glutton g = { .s = s };
    char folder[256];
    pid_t holder, waiter;
    int status;

    g.grouped = make_group(folder, sizeof(folder));
    (void)snprintf(g.procs, sizeof(g.procs), "%s/cgroup.procs", folder);
    /*
     * The OOM reaper may take the memory that the kernel's signal of a death goes by, so here it is
     * the re-check that finds the death.
     */
    kith__recheck_ns = INT64_C(80000000);
    if (!g.grouped)
        (void)printf("# no memory cgroup can be made here: the holder is killed by SIGKILL\n");
    EXPECT_OK(kith_queue_put(s->queue, KITH_STR("job"), 0));
    holder = test_child(eats_holding_the_lock, &g);
    GATE_WAIT(s->ready);
    waiter = test_child(waits_for_the_lock, s);
    status = CHILD_END(holder);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    CHILD_JOIN(waiter);
    EXPECT_OK(kith_queue_get(s->queue, test_ceiling_ns(), NULL));
    if (g.grouped)
        UNTIL(rmdir(folder) == 0 || errno != EBUSY);
}

/* ---- a storm of signals ---- */

static void
on_alarm(int number)
{
    (void)number;
}

static void
start_storm(void)
{
    struct sigaction action = { .sa_handler = on_alarm }; /* without SA_RESTART */
    struct itimerval every = { { 0, 100 }, { 0, 100 } };

    EXPECT_EQ(0, sigaction(SIGALRM, &action, NULL));
    EXPECT_EQ(0, setitimer(ITIMER_REAL, &every, NULL));
}

static void
answers_in_the_storm(void *arg)
{
    struct shared *s = arg;

    start_storm();
    for (int i = 0; i < 500; i++) {
        EXPECT_OK(kith_queue_get(s->queue, KITH_FOREVER, NULL));
        EXPECT_OK(kith_event_set(s->event));
        EXPECT_OK(kith_lock_acquire(s->lock, KITH_FOREVER));
        EXPECT_OK(kith_lock_release(s->lock));
    }
}

TEST_LONG(300, signals_every_100_us_change_no_result)
{
    struct shared *s = shared_new(t);
    char *data = test_bytes(6 << 20, 1);
    kith_queue *own = test_queue(t, "own", NULL);
    kith_event *never = test_event(t, "never set");
    kith_space *space = NULL;
    pid_t pid = test_child(answers_in_the_storm, s);

    start_storm();
    for (int i = 0; i < 500; i++) {
        kith_txn *txn = NULL;
        kith_lease *lease = NULL;

        EXPECT_OK(kith_lock_acquire(s->lock, KITH_FOREVER));
        EXPECT_OK(kith_queue_put(s->queue, KITH_INT(i), KITH_FOREVER));
        EXPECT_OK(kith_lock_release(s->lock));
        EXPECT_OK(kith_event_wait(s->event, KITH_FOREVER));
        EXPECT_OK(kith_event_clear(s->event));
        EXPECT_OK(kith_dict_set(s->dict, KITH_INT(i), kith_bytes(data, 2000)));
        EXPECT_HOLDS(s->dict, KITH_INT(i), kith_bytes(data, 2000));
        EXPECT_OK(kith_dict_add(s->dict, KITH_STR("n"), 1, NULL));
        EXPECT_OK(kith_txn_begin(t->space, &txn));
        EXPECT_OK(kith_txn_dict_add(txn, s->dict, KITH_STR("n"), 1));
        EXPECT_OK(kith_txn_commit(txn));
        EXPECT_OK(kith_queue_put(own, KITH_INT(i), 0));
        EXPECT_OK(kith_queue_lease(own, KITH_FOREVER, NULL, &lease));
        EXPECT_OK(kith_lease_ack(lease));
        EXPECT_OK(kith_queue_join(own, KITH_FOREVER));
        if (i % 50 == 0) {
            int64_t start_ns = test_now_ns();

            /* It grows by much, waits out its time to the end, and opens anew. */
            EXPECT_OK(kith_dict_set(s->dict, KITH_STR("big"), kith_bytes(data, 6 << 20)));
            EXPECT_HOLDS(s->dict, KITH_STR("big"), kith_bytes(data, 6 << 20));
            EXPECT_OK(kith_dict_delete(s->dict, KITH_STR("big")));
            EXPECT_RC(KITH_ETIMEDOUT, kith_event_wait(never, 5 * TEST_MS));
            EXPECT_GE(test_now_ns() - start_ns, 5 * TEST_MS);
            EXPECT_OK(kith_open("mem://", NULL, &space));
            EXPECT_WHOLE(space);
            kith_close(space);
        }
    }
    CHILD_JOIN(pid);
    EXPECT_HOLDS(s->dict, KITH_STR("n"), KITH_INT(1000));
    EXPECT_WHOLE(t->space);
    free(data);
}
