/*
 * test_limits.c - when the system has too little: memory, files, descriptors, /dev/shm, calls.
 *
 * Each test runs in a process of its own, so it may take things away from itself for good.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test.h"

#if defined(__x86_64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define AUDIT_ARCH_HERE AUDIT_ARCH_AARCH64
#endif

static void
own_mounts(void)
{
    if (unshare(CLONE_NEWNS) != 0)
        test_skip("a mount namespace is not permitted here");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        test_skip("mounts cannot be made private here");
}

static size_t
files_in(const char *path)
{
    DIR *dir = opendir(path);
    size_t count = 0;

    EXPECT_TRUE(dir != NULL);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* ---- a full arena ---- */

/* From one of these to the next, no size of blocks is left out. */
static size_t
next_size(size_t size)
{
    return size * 7 / 8;
}

#define FILLED 20000

/* Items of each size, as many as there is room for, of keys that take no memory any more. */
static void
fill(kith_dict *d, const char *data)
{
    int key = 1000;

    for (int i = 0; i < FILLED; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(1000 + i), KITH_INT(0)));
    for (size_t size = 60000; size > 16; size = next_size(size))
        EXPECT_OK(kith_dict_set(d, KITH_INT(key++), kith_bytes(data, size)));
    for (size_t size = 60000; size > 16; size = next_size(size))
        while (key < 1000 + FILLED &&
               kith_dict_set(d, KITH_INT(key), kith_bytes(data, size)) == KITH_OK)
            key++;
    EXPECT_TRUE(key < 1000 + FILLED);
}

/*
 * A letter needs a segment and a reserve.  Whichever of them cannot be had, the other is lost to
 * nobody, and the item neither.
 */
TEST(dead_letter_in_a_full_arena_loses_neither_memory_nor_the_item)
{
    struct kith_queue_options making = KITH_QUEUE_OPTIONS_INIT;
    struct kith_options options = KITH_OPTIONS_INIT;
    char *data = test_bytes(60000, 1);

    options.size = 8 << 20;
    making.attempts_max = 1;
    making.dead_letter = "letters";
    for (size_t freed = 20000; freed > 32; freed = next_size(freed)) {
        kith_space *space = NULL;
        kith_queue *q = NULL, *letters = NULL;
        kith_dict *d = NULL;
        struct kith_buf buf = KITH_BUF_INIT;
        kith_lease *lease = NULL, *letter = NULL;
        kith_err err;
        uint64_t here = 0, there = 0, before = 1;

        EXPECT_OK(kith_open(t->address, &options, &space));
        EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
        EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_bytes(data, freed)));
        EXPECT_OK(kith_queue_open(space, "q", &making, &q));
        EXPECT_OK(kith_queue_open(space, "letters", NULL, &letters));
        EXPECT_OK(kith_queue_put(q, KITH_STR("an item"), 0));
        EXPECT_OK(kith_queue_lease(q, 0, &buf, &lease));
        EXPECT_OK(kith_queue_put(letters, KITH_INT(0), 0));
        fill(d, data);
        while (kith_queue_put(letters, KITH_INT(1), 0) == KITH_OK)
            before++;
        EXPECT_OK(kith_queue_lease(letters, 0, &buf, &letter)); /* that is the reserve */
        EXPECT_OK(kith_dict_delete(d, KITH_INT(1)));
        err = kith_lease_nack(lease);
        EXPECT_TRUE(err == KITH_OK || err == KITH_ENOMEM);
        EXPECT_WHOLE(space);
        if (err == KITH_OK) {
            EXPECT_OK(kith_queue_len(q, &here));
            EXPECT_OK(kith_queue_len(letters, &there));
            EXPECT_EQ(before, here + there); /* one more, and one is lent */
            EXPECT_OK(kith_lease_ack(letter));
            EXPECT_WHOLE(space);
        }
        kith_buf_free(&buf);
        kith_queue_close(q);
        kith_queue_close(letters);
        kith_dict_close(d);
        kith_close(space);
        if (t->engine->bit != TEST_MEM)
            EXPECT_OK(kith_remove(t->address));
    }
    free(data);
}

/* What is to be evicted makes the room that an insertion needs. */
TEST(cache_in_a_full_arena_takes_what_its_bounds_allow)
{
    struct kith_dict_options bounds = KITH_DICT_OPTIONS_INIT;
    struct kith_options options = KITH_OPTIONS_INIT;
    char *data = test_bytes(60000, 1);
    kith_dict *cache = NULL, *d = NULL;
    kith_space *space;

    options.size = 8 << 20;
    space = test_open(t, t->address, &options);
    bounds.max_items = 20;
    bounds.policy = KITH_DICT_FIFO;
    EXPECT_OK(kith_dict_open(space, "cache", &bounds, &cache));
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    for (int i = 0; i < 20; i++)
        EXPECT_OK(kith_dict_set(cache, KITH_INT(i), kith_bytes(data, 500)));
    fill(d, data);
    for (int i = 20; i < 60; i++)
        EXPECT_RC(KITH_EVICTED, kith_dict_set(cache, KITH_INT(i), kith_bytes(data, 500)));
    EXPECT_LEN(cache, 20);
    EXPECT_HOLDS(cache, KITH_INT(59), kith_bytes(data, 500));
    EXPECT_RC(KITH_EVICTED, kith_dict_add(cache, KITH_STR("a number"), 1, NULL));
    EXPECT_RC(KITH_ENOMEM, kith_dict_set(cache, KITH_INT(60), kith_bytes(data, 60000)));
    EXPECT_WHOLE(space);
    EXPECT_WHOLE(space);
    free(data);
    kith_dict_close(cache);
    kith_dict_close(d);
}

/* ---- a full file system ---- */

TEST_ON(TEST_SHM, tmpfs_of_4_MiB_that_is_full_is_ENOMEM_and_works_again_after_deletes)
{
    kith_space *none = (kith_space *)t;
    struct kith_stat stat = KITH_STAT_INIT;
    char *data = test_bytes(50000, 1);
    char filler_path[512];
    kith_dict *d;
    kith_queue *q;
    kith_txn *txn = NULL;
    kith_err err = KITH_OK;
    int held = 0;
    int put = 0;
    int fd;

    own_mounts();
    if (mount("tmpfs", getenv("KITH_DIR"), "tmpfs", 0, "size=4m,mode=0700") != 0)
        test_skip("a tmpfs cannot be mounted here");
    d = test_dict(t, "d");
    q = test_queue(t, "q", NULL);
    EXPECT_OK(kith_stat(t->space, &stat));
    EXPECT_OK(kith_dict_set(d, KITH_STR("n"), KITH_INT(1)));
    while (err == KITH_OK && held < 100) {
        err = kith_dict_set(d, KITH_INT(held), kith_bytes(data, 50000));
        held += err == KITH_OK;
    }
    EXPECT_EQ(KITH_ENOMEM, err);
    EXPECT_GE(held, 8);
    test_says(__FILE__, __LINE__, stat.path);
    test_says(__FILE__, __LINE__, "bytes");
    EXPECT_WHOLE(t->space);
    EXPECT_LEN(d, (uint64_t)held + 1);

    /* Not one page is left: another file takes what the arena would not. */
    (void)snprintf(filler_path, sizeof(filler_path), "%s/filler", getenv("KITH_DIR"));
    fd = open(filler_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_TRUE(fd >= 0);
    while (write(fd, data, 4096) > 0)
        ;
    for (int i = 0; i < 4; i++)
        EXPECT_OK(kith_dict_delete(d, KITH_INT(i)));
    for (err = KITH_OK; err == KITH_OK; put += err == KITH_OK)
        err = kith_queue_put(q, kith_bytes(data, 3000), 0);
    EXPECT_EQ(KITH_ENOMEM, err);
    test_says(__FILE__, __LINE__, stat.path);
    for (err = KITH_OK; err == KITH_OK; held++)
        err = kith_dict_set(d, KITH_INT(1000000 + held), KITH_STR("something in a block"));
    EXPECT_EQ(KITH_ENOMEM, err);
    /* What needs no memory goes on. */
    EXPECT_OK(kith_dict_add(d, KITH_STR("n"), 1, NULL));
    EXPECT_HOLDS(d, KITH_STR("n"), KITH_INT(2));
    EXPECT_HOLDS(d, KITH_INT(5), kith_bytes(data, 50000));
    EXPECT_GE(put, 1);
    for (; put > 0; put--)
        EXPECT_GIVES(q, kith_bytes(data, 3000));
    EXPECT_WHOLE(t->space);
    /* A transaction that finds no room does nothing. */
    EXPECT_OK(kith_txn_begin(t->space, &txn));
    EXPECT_OK(kith_txn_dict_add(txn, d, KITH_STR("n"), 1));
    for (int i = 0; i < 60; i++)
        EXPECT_OK(kith_txn_dict_set(txn, d, KITH_INT(-1 - i), kith_bytes(data, 50000)));
    EXPECT_RC(KITH_ENOMEM, kith_txn_commit(txn));
    EXPECT_HOLDS(d, KITH_STR("n"), KITH_INT(2));
    EXPECT_RC(KITH_ENOENT, kith_dict_has(d, KITH_INT(-1)));
    EXPECT_WHOLE(t->space);
    /* Nor has a new space: the attempt leaves nothing behind. */
    EXPECT_RC(KITH_ENOMEM, kith_open("another", NULL, &none));
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_EQ(2, files_in(getenv("KITH_DIR")));

    for (int i = 4; i < 8; i++)
        EXPECT_OK(kith_dict_delete(d, KITH_INT(i)));
    for (int i = 4; i < 7; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), kith_bytes(data, 50000)));
    EXPECT_WHOLE(t->space);
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_OK(kith_queue_put(q, kith_bytes(data, 50000), 0));
    EXPECT_WHOLE(t->space);
    close(fd);
    free(data);
}

/* Takes all that the file system of the arenas has left. */
static void
fill_up(int fd, const char *data)
{
    while (write(fd, data, 4096) > 0)
        ;
}

TEST_ON(TEST_SHM, memory_that_was_given_back_is_asked_for_again_before_it_is_used)
{
    struct kith_report report;
    char *data = test_bytes(1 << 20, 1);
    char filler_path[512];
    kith_queue *q;
    int fd;

    own_mounts();
    if (mount("tmpfs", getenv("KITH_DIR"), "tmpfs", 0, "size=8m,mode=0700") != 0)
        test_skip("a tmpfs cannot be mounted here");
    q = test_queue(t, "q", NULL);
    (void)snprintf(filler_path, sizeof(filler_path), "%s/filler", getenv("KITH_DIR"));
    fd = open(filler_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_TRUE(fd >= 0);
    for (int round = 0; round < 2; round++) {
        /* What it has it may use, though there is nothing else. */
        EXPECT_OK(kith_queue_put(q, kith_bytes(data, 1 << 20), 0));
        EXPECT_GIVES(q, kith_bytes(data, 1 << 20));
        fill_up(fd, data);
        EXPECT_OK(kith_queue_put(q, kith_bytes(data, 1 << 20), 0));
        EXPECT_GIVES(q, kith_bytes(data, 1 << 20));
        /* Given back and taken by another, it is not there: an error, and no SIGBUS. */
        EXPECT_OK(kith_gc(t->space, &report));
        EXPECT_GE(report.bytes_freed, 1 << 20);
        fill_up(fd, data);
        EXPECT_RC(KITH_ENOMEM, kith_queue_put(q, kith_bytes(data, 1 << 20), 0));
        EXPECT_WHOLE(t->space);
        EXPECT_EQ(0, ftruncate(fd, 0));
        EXPECT_EQ(0, lseek(fd, 0, SEEK_SET));
    }
    close(fd);
    free(data);
}

/* ---- no /dev/shm ---- */

TEST_ON(TEST_SHM, dev_shm_that_cannot_be_written_is_done_without)
{
    struct kith_stat stat = KITH_STAT_INIT;
    kith_space *none = (kith_space *)t;
    kith_space *space = NULL;
    char want[128];

    own_mounts();
    if (mount("tmpfs", "/tmp", "tmpfs", 0, "size=16m,mode=1777") != 0 ||
        mount("tmpfs", "/dev/shm", "tmpfs", MS_RDONLY, "size=4k") != 0)
        test_skip("a tmpfs cannot be mounted here");
    unsetenv("KITH_DIR");
    unsetenv("XDG_RUNTIME_DIR");
    /* A folder of this user alone. */
    EXPECT_OK(kith_open("x", NULL, &space));
    EXPECT_OK(kith_stat(space, &stat));
    (void)snprintf(want, sizeof(want), "/tmp/kith-%u/", (unsigned)geteuid());
    EXPECT_TRUE(strncmp(stat.path, want, strlen(want)) == 0);
    EXPECT_WHOLE(space);
    kith_close(space);
    /* The user's own for such things. */
    EXPECT_EQ(0, mkdir("/tmp/run", 0700));
    EXPECT_EQ(0, setenv("XDG_RUNTIME_DIR", "/tmp/run", 1));
    EXPECT_OK(kith_open("x", NULL, &space));
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_TRUE(strncmp(stat.path, "/tmp/run/", 9) == 0);
    kith_close(space);
    /* A folder that others may write in is not trusted, and the sentence has the cure. */
    unsetenv("XDG_RUNTIME_DIR");
    want[strlen(want) - 1] = '\0';
    EXPECT_EQ(0, chmod(want, 0777));
    EXPECT_FAILS(KITH_EPERM, "KITH_DIR", kith_open("x", NULL, &none));
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_EQ(0, mkdir("/tmp/mine", 0700));
    EXPECT_EQ(0, setenv("KITH_DIR", "/tmp/mine", 1));
    EXPECT_OK(kith_open("x", NULL, &space));
    EXPECT_WHOLE(space);
    kith_close(space);
    /* What KITH_DIR names is taken at its word. */
    EXPECT_EQ(0, setenv("KITH_DIR", "/dev/shm", 1));
    EXPECT_FAILS(KITH_EPERM, "/dev/shm", kith_open("x", NULL, &none));
    EXPECT_EQ(0, setenv("KITH_DIR", "/tmp/absent", 1));
    EXPECT_TRUE(kith_open("x", NULL, &none) < 0);
    test_says(__FILE__, __LINE__, "/tmp/absent");
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_OK(kith_open("mem://", NULL, &space));
    EXPECT_WHOLE(space);
    kith_close(space);
}

/* ---- limits of the process ---- */

static void
limit(int what, rlim_t most)
{
    struct rlimit limit = { most, most };

    EXPECT_EQ(0, setrlimit((__rlimit_resource_t)what, &limit));
}

static void
use_it(kith_space *space)
{
    kith_dict *d = NULL;
    char *data = test_bytes(300000, 1);

    EXPECT_OK(kith_dict_open(space, "used", NULL, &d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_bytes(data, 300000)));
    EXPECT_HOLDS(d, KITH_INT(1), kith_bytes(data, 300000));
    EXPECT_WHOLE(space);
    kith_dict_close(d);
    free(data);
}

TEST_ON(TEST_SHM, address_space_limit_makes_a_new_space_smaller_and_an_old_one_ENOMEM)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *none = (kith_space *)t;
    kith_space *space = NULL;
    struct kith_stat stat = KITH_STAT_INIT;

    EXPECT_OK(kith_open("old", NULL, &space));
    kith_close(space);
    limit(RLIMIT_AS, 1 << 30);
    EXPECT_FAILS(KITH_ENOMEM, "address space", kith_open("old", NULL, &none));
    options.size = UINT64_C(4) << 30;
    EXPECT_FAILS(KITH_ENOMEM, "address space", kith_open("exact", &options, &none));
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_OK(kith_open("new", NULL, &space));
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_GE(1 << 30, stat.size_limit);
    use_it(space);
    kith_close(space);
}

TEST_ON(TEST_SHM, file_size_limit_is_an_error_or_a_smaller_space_and_no_signal)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *none = (kith_space *)t;
    kith_space *space = NULL;
    struct kith_stat stat = KITH_STAT_INIT;

    limit(RLIMIT_FSIZE, 256 << 20);
    options.size = UINT64_C(1) << 30;
    EXPECT_RC(KITH_ENOMEM, kith_open("exact", &options, &none));
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_EQ(0, files_in(getenv("KITH_DIR")));
    EXPECT_OK(kith_open("new", NULL, &space));
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_GE(256 << 20, stat.size_limit);
    use_it(space);
    kith_close(space);
    limit(RLIMIT_FSIZE, 4096);
    EXPECT_TRUE(kith_open("tiny", NULL, &none) < 0);
    EXPECT_TRUE(none == (kith_space *)t);
    /* One that is there already is larger than this process may make a file, and opens. */
    EXPECT_OK(kith_open("new", NULL, &space));
    use_it(space);
    kith_close(space);
}

struct closer {
    struct test *t;
    kith_dict *dict;
    kith_queue *queue;
    kith_event *event;
    kith_lock *lock;
    sem_t *ready;
    sem_t *go;     /* the holder's; NULL: at once */
    sem_t *second; /* the waiter's */
    bool waits_for_lease;
};

static void
holds_and_waits(void *arg)
{
    struct closer *c = arg;

    if (c->go != NULL)
        GATE_WAIT(c->go);
    EXPECT_OK(kith_lock_acquire(c->lock, KITH_FOREVER));
    EXPECT_OK(kith_queue_lease(c->queue, 0, NULL, &(kith_lease *){ NULL }));
    test_gate_open(c->ready);
    for (;;)
        pause();
}

static void
waits_for_all(void *arg)
{
    struct closer *c = arg;

    EXPECT_EQ(0, syscall(SYS_close_range, 3u, ~0u, 0u));
    if (c->second != NULL)
        GATE_WAIT(c->second);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(c->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(c->lock));
    EXPECT_OK(kith_event_wait(c->event, KITH_FOREVER));
    if (c->waits_for_lease)
        EXPECT_OK(kith_queue_get(c->queue, KITH_FOREVER, NULL));
}

static void
grow(kith_dict *dict)
{
    char *data = test_bytes(8 << 20, 1);

    EXPECT_OK(kith_dict_set(dict, KITH_INT(1), kith_bytes(data, 8 << 20)));
    EXPECT_HOLDS(dict, KITH_INT(1), kith_bytes(data, 8 << 20));
    for (int i = 0; i < 2000; i++)
        EXPECT_OK(kith_dict_set(dict, KITH_INT(i), kith_bytes(data, 2000)));
    EXPECT_OK(kith_dict_clear(dict));
    free(data);
}

static struct closer
closer_new(struct test *t)
{
    struct closer c = { .t = t };

    c.dict = test_dict(t, "d");
    c.queue = test_queue(t, "q", NULL);
    c.event = test_event(t, "e");
    c.lock = test_lock(t, "l");
    c.ready = test_gate();
    EXPECT_OK(kith_queue_put(c.queue, KITH_INT(1), 0));
    return c;
}

static void
close_all_and_go_on(struct test *t, bool waits_for_lease)
{
    struct closer c = closer_new(t);
    pid_t holder, waiter;

    c.waits_for_lease = waits_for_lease;
    c.go = test_gate();
    c.second = test_gate();
    holder = test_child(holds_and_waits, &c);
    waiter = test_child(waits_for_all, &c);
    EXPECT_EQ(0, syscall(SYS_close_range, 3u, ~0u, 0u));
    grow(c.dict);
    test_gate_open(c.go);
    GATE_WAIT(c.ready);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(c.lock, 0));
    test_gate_open(c.second);
    UNTIL_ASLEEP(waiter, 0);
    test_child_kill(holder);
    EXPECT_OK(kith_event_set(c.event));
    CHILD_JOIN(waiter);
}

/* As daemons do it.  The space grows, waits and sees deaths all the same. */
TEST_ON(TEST_SHM | TEST_MEM, close_range_takes_nothing_that_matters)
{
    close_all_and_go_on(t, false);
}

/* Whether the kernel opens what is mapped: to who has CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE. */
static bool
mapped_file_opens(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    int fd = memfd_create("mapped", MFD_CLOEXEC), again;
    uint8_t *at;
    char link[96];

    EXPECT_TRUE(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    at = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
    EXPECT_TRUE(at != MAP_FAILED);
    (void)snprintf(link, sizeof(link), "/proc/self/map_files/%lx-%lx", (unsigned long)at,
                   (unsigned long)(at + size));
    again = open(link, O_RDONLY | O_CLOEXEC);
    munmap(at, size);
    close(fd);
    if (again >= 0)
        close(again);
    return again >= 0;
}

/* That a whole process is gone its byte in the file says, which without a name is hard to find. */
TEST_ON(TEST_SHM | TEST_MEM, close_range_does_not_keep_the_leases_of_the_dead)
{
    if (t->engine->bit == TEST_MEM && !mapped_file_opens())
        test_skip("the kernel does not open what is mapped to this process");
    close_all_and_go_on(t, true);
}

/* With a name to find the file by, also the children of a process that closed everything join. */
TEST_ON(TEST_SHM, close_range_and_then_fork)
{
    struct closer c = closer_new(t);
    pid_t holder, waiter;

    c.waits_for_lease = true;
    EXPECT_EQ(0, syscall(SYS_close_range, 3u, ~0u, 0u));
    grow(c.dict);
    holder = test_child(holds_and_waits, &c);
    GATE_WAIT(c.ready);
    waiter = test_child(waits_for_all, &c);
    UNTIL_ASLEEP(waiter, 0);
    test_child_kill(holder);
    EXPECT_OK(kith_event_set(c.event));
    CHILD_JOIN(waiter);
}

/* ---- calls that a sandbox forbids ---- */

/* From now on, in this process and its children, two calls fail. */
static void
forbid(int error)
{
#ifdef AUDIT_ARCH_HERE
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_HERE, 0, 4),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex_waitv, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_membarrier, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { COUNTOF(code), code };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) != 0)
        test_skip("a filter of calls is not permitted here");
    errno = 0;
    EXPECT_EQ(-1, syscall(SYS_membarrier, 0, 0, 0));
    EXPECT_EQ(error, errno);
    errno = 0;
    EXPECT_EQ(-1, syscall(SYS_futex_waitv, NULL, 0, 0, NULL, 0));
    EXPECT_EQ(error, errno);
#else
    (void)error;
    test_skip("there is no filter of calls for this machine");
#endif
}

static void
gets_one(void *arg)
{
    struct closer *c = arg;

    EXPECT_OK(kith_queue_get(c->queue, KITH_FOREVER, NULL));
}

static void
waits_for_the_lock(void *arg)
{
    struct closer *c = arg;

    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(c->lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(c->lock));
}

static void
all_works(struct test *t)
{
    struct closer c = { .t = t };
    char *data = test_bytes(4 << 20, 1);
    kith_view *view = NULL;
    pid_t pids[3];
    pid_t holder;

    c.dict = test_dict(t, "d");
    c.queue = test_queue(t, "q", NULL);
    c.lock = test_lock(t, "l");
    c.ready = test_gate();
    EXPECT_OK(kith_queue_put(c.queue, KITH_INT(1), 0));
    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_set(c.dict, KITH_INT(i), kith_bytes(data, 3000)));
    /* Big ones come and go under a view, so that memory would be given back. */
    for (int i = 0; i < 20; i++) {
        EXPECT_OK(kith_dict_set(c.dict, KITH_INT(1), kith_bytes(data, 4 << 20)));
        EXPECT_OK(kith_dict_view(c.dict, KITH_INT(1), &view));
        EXPECT_OK(kith_dict_delete(c.dict, KITH_INT(1)));
        EXPECT_ITEM(kith_bytes(data, 4 << 20), kith_view_item(view));
        kith_view_release(view);
    }
    EXPECT_OK(kith_gc(t->space, NULL));
    holder = test_child(holds_and_waits, &c);
    GATE_WAIT(c.ready);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(c.lock, 50 * TEST_MS));
    EXPECT_RC(KITH_ETIMEDOUT, kith_queue_get(c.queue, 50 * TEST_MS, NULL));
    pids[0] = test_child(waits_for_the_lock, &c);
    pids[1] = test_child(gets_one, &c); /* the item that the holder has leased */
    pids[2] = test_child(gets_one, &c);
    for (int i = 0; i < 3; i++)
        UNTIL_ASLEEP(pids[i], 0);
    EXPECT_OK(kith_queue_put(c.queue, KITH_INT(2), 0));
    test_child_kill(holder);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_QUEUE_LEN(c.queue, 0);
    free(data);
}

TEST(without_a_filter_all_works)
{
    all_works(t);
}

TEST(futex_waitv_and_membarrier_refused_with_EPERM_are_done_without)
{
    forbid(EPERM);
    all_works(t);
}

TEST(futex_waitv_and_membarrier_refused_with_ENOSYS_are_done_without)
{
    forbid(ENOSYS);
    all_works(t);
}
