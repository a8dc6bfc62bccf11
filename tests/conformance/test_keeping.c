/*
 * test_keeping.c - renaming objects, sharing a space without a name, and making a broken one anew:
 * what kith/space.h and kith/inspect.h promise of these.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

/* ---- renaming ---- */

static kith_err
must_exist(kith_space *space, const char *name, kith_dict **dict_out)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;

    options.create = KITH_MUST_EXIST;
    return kith_dict_open(space, name, &options, dict_out);
}

TEST(rename_gives_the_object_another_name)
{
    kith_space *space = test_space(t);
    kith_dict *old = test_dict(t, "old");
    kith_dict *new;

    EXPECT_OK(kith_dict_set(old, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_rename(space, "old", "new"));
    EXPECT_RC(KITH_ENOENT, must_exist(space, "old", &new));
    EXPECT_OK(must_exist(space, "new", &new));
    EXPECT_HOLDS(new, KITH_STR("k"), KITH_INT(1));
    EXPECT_OK(kith_dict_set(old, KITH_STR("k"), KITH_INT(2))); /* the same object */
    EXPECT_HOLDS(new, KITH_STR("k"), KITH_INT(2));
    kith_dict_close(new);
    EXPECT_OK(kith_rename(space, "new", "old"));
    EXPECT_OK(kith_destroy(space, "old"));
    EXPECT_RC(KITH_EGONE, kith_dict_set(old, KITH_STR("k"), KITH_INT(3)));
}

TEST(rename_is_refused_when_a_name_is_taken_or_missing_or_none)
{
    kith_space *space = test_space(t);
    kith_dict *a = test_dict(t, "a");

    test_event(t, "b");
    EXPECT_FAILS(KITH_EEXIST, "\"b\"", kith_rename(space, "a", "b"));
    EXPECT_FAILS(KITH_EEXIST, "\"a\"", kith_rename(space, "a", "a"));
    EXPECT_FAILS(KITH_ENOENT, "\"c\"", kith_rename(space, "c", "d"));
    EXPECT_RC(KITH_EINVAL, kith_rename(space, "a", ""));
    EXPECT_RC(KITH_EINVAL, kith_rename(space, "a", "x/y"));
    EXPECT_RC(KITH_EINVAL, kith_rename(space, "", "x"));
    EXPECT_RC(KITH_EINVAL, kith_rename(space, NULL, "x"));
    EXPECT_RC(KITH_EINVAL, kith_rename(space, "a", NULL));
    EXPECT_RC(KITH_EINVAL, kith_rename(NULL, "a", "x"));
    EXPECT_OK(kith_dict_set(a, KITH_STR("k"), KITH_INT(1)));
}

TEST(rename_reaches_every_name_among_many)
{
    kith_space *space = test_space(t);
    char from[32], to[32];

    for (int i = 0; i < 600; i++) { /* more than one part of a catalog holds */
        kith_event *event;

        snprintf(from, sizeof(from), "event-%d", i);
        EXPECT_OK(kith_event_open(space, from, NULL, &event));
        kith_event_close(event);
    }
    for (int i = 0; i < 600; i++) {
        snprintf(from, sizeof(from), "event-%d", i);
        snprintf(to, sizeof(to), "renamed-%d", i * 7);
        EXPECT_OK(kith_rename(space, from, to));
    }
    for (int i = 0; i < 600; i++) {
        snprintf(to, sizeof(to), "renamed-%d", i * 7);
        EXPECT_OK(kith_destroy(space, to));
    }
    EXPECT_WHOLE(space);
}

struct renaming {
    kith_space *space;
    sem_t *ready;
    atomic_bool *stop;
    kith_event *event;
};

static void
wait_for_event(void *arg)
{
    struct renaming *r = arg;

    EXPECT_OK(kith_event_wait(r->event, KITH_FOREVER));
}

TEST(rename_is_not_noticed_by_who_waits)
{
    struct renaming *r = test_shared(sizeof(*r));
    kith_event *event;
    pid_t pid;

    r->event = test_event(t, "old");
    pid = test_child(wait_for_event, r);
    UNTIL_ASLEEP(pid, 0);
    EXPECT_OK(kith_rename(test_space(t), "old", "new"));
    EXPECT_OK(kith_event_open(test_space(t), "new", NULL, &event));
    EXPECT_OK(kith_event_set(event));
    CHILD_JOIN(pid);
    kith_event_close(event);
}

static void
rename_to_and_fro(void *arg)
{
    struct renaming *r = arg;

    for (int i = 0; !atomic_load(r->stop); i++) {
        EXPECT_OK(kith_rename(r->space, "here", "there"));
        EXPECT_OK(kith_rename(r->space, "there", "here"));
        if (i == 0)
            test_gate_open(r->ready);
    }
}

static int
count_either(const struct kith_info *info, void *arg)
{
    *(int *)arg += strcmp(info->name, "here") == 0 || strcmp(info->name, "there") == 0;
    return 0;
}

TEST(rename_leaves_one_name_at_every_instant)
{
    struct renaming *r = test_shared(sizeof(*r));
    pid_t pid;

    r->space = test_space(t);
    r->ready = test_gate();
    r->stop = test_shared(sizeof(*r->stop));
    test_dict(t, "here");
    pid = test_child(rename_to_and_fro, r);
    GATE_WAIT(r->ready);
    for (int i = 0; i < 2000; i++) {
        int names = 0;

        EXPECT_OK(kith_list(r->space, count_either, &names));
        EXPECT_EQ(1, names);
    }
    test_child_kill(pid);
    EXPECT_WHOLE(r->space);
}

/* ---- sharing ---- */

static void
send_fd(int to, int fd)
{
    char byte = 'f';
    struct iovec iov = { &byte, 1 };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .space = "" };
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(fd));
    EXPECT_EQ(1, sendmsg(to, &message, 0));
}

static int
receive_fd(int from)
{
    char byte;
    struct iovec iov = { &byte, 1 };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    int fd = -1;

    EXPECT_EQ(1, recvmsg(from, &message, MSG_CMSG_CLOEXEC));
    EXPECT_TRUE(CMSG_FIRSTHDR(&message) != NULL);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(fd));
    return fd;
}

struct sharing {
    int sockets[2];
    sem_t *ready, *done;
};

static void
use_shared(void *arg)
{
    struct sharing *s = arg;
    kith_space *space;
    kith_lock *lock;
    kith_dict *dict;
    int fd = receive_fd(s->sockets[1]);

    EXPECT_OK(kith_open_fd(fd, NULL, &space));
    EXPECT_EQ(0, close(fd));
    EXPECT_OK(must_exist(space, "d", &dict));
    EXPECT_OK(kith_dict_add(dict, KITH_STR("n"), 1, NULL));
    EXPECT_OK(kith_lock_open(space, "lock", NULL, &lock));
    EXPECT_OK(kith_lock_acquire(lock, KITH_FOREVER));
    test_gate_open(s->ready);
    GATE_WAIT(s->done);
    EXPECT_OK(kith_lock_release(lock));
    kith_lock_close(lock);
    kith_dict_close(dict);
    kith_close(space);
}

static struct sharing *
sharing_new(void)
{
    struct sharing *s = test_shared(sizeof(*s));

    EXPECT_EQ(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->sockets));
    s->ready = test_gate();
    s->done = test_gate();
    return s;
}

TEST_ON(TEST_MEM, share_hands_a_space_to_a_process_that_did_not_inherit_it)
{
    struct sharing *s = sharing_new();
    pid_t pid = test_child(use_shared, s); /* before there is anything to inherit */
    kith_dict *dict = test_dict(t, "d");
    kith_lock *lock = test_lock(t, "lock");
    struct kith_stat stat = KITH_STAT_INIT;
    int fd = -1;

    EXPECT_OK(kith_share(test_space(t), &fd));
    EXPECT_TRUE((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    send_fd(s->sockets[0], fd);
    EXPECT_EQ(0, close(fd));
    GATE_WAIT(s->ready);
    EXPECT_HOLDS(dict, KITH_STR("n"), KITH_INT(1));
    EXPECT_OK(kith_stat(test_space(t), &stat));
    EXPECT_EQ(2, stat.processes);
    EXPECT_RC(KITH_ETIMEDOUT, kith_lock_acquire(lock, 0));
    test_gate_open(s->done);
    CHILD_JOIN(pid);
    EXPECT_OK(kith_lock_acquire(lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(lock));
}

/* Each has an open description of its own, or the death of one would not be seen by the other. */
TEST_ON(TEST_MEM, share_lets_a_death_on_either_side_be_seen)
{
    struct sharing *s = sharing_new();
    pid_t pid = test_child(use_shared, s);
    kith_lock *lock = test_lock(t, "lock");
    int fd = -1;

    test_dict(t, "d");
    EXPECT_OK(kith_share(test_space(t), &fd));
    send_fd(s->sockets[0], fd);
    GATE_WAIT(s->ready);
    test_child_kill(pid);
    EXPECT_RC(KITH_OWNER_DIED, kith_lock_acquire(lock, KITH_FOREVER));
    EXPECT_OK(kith_lock_release(lock));
    close(fd);
}

TEST_ON(TEST_MEM, share_opened_in_the_same_process_is_the_same_space)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_dict *dict = test_dict(t, "d"), *again;
    kith_space *space;
    int fd = -1;

    EXPECT_OK(kith_share(test_space(t), &fd));
    EXPECT_OK(kith_open_fd(fd, NULL, &space));
    EXPECT_OK(must_exist(space, "d", &again));
    EXPECT_OK(kith_dict_set(again, KITH_STR("k"), KITH_INT(1)));
    EXPECT_HOLDS(dict, KITH_STR("k"), KITH_INT(1));
    kith_dict_close(again);
    kith_close(space);
    options.readonly = true;
    EXPECT_OK(kith_open_fd(fd, &options, &space));
    EXPECT_OK(must_exist(space, "d", &again));
    EXPECT_HOLDS(again, KITH_STR("k"), KITH_INT(1));
    EXPECT_RC(KITH_EPERM, kith_dict_set(again, KITH_STR("k"), KITH_INT(2)));
    kith_dict_close(again);
    kith_close(space);
    close(fd);
}

TEST_ON(TEST_MEM, share_outlives_the_process_that_made_it)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *first, *second;
    kith_dict *dict;
    int fd = -1;

    EXPECT_OK(kith_open("mem://", &options, &first));
    EXPECT_OK(kith_dict_open(first, "d", NULL, &dict));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("k"), KITH_INT(1)));
    EXPECT_OK(kith_share(first, &fd));
    kith_dict_close(dict);
    kith_close(first);
    EXPECT_OK(kith_open_fd(fd, NULL, &second)); /* the descriptor alone kept it */
    EXPECT_OK(must_exist(second, "d", &dict));
    EXPECT_HOLDS(dict, KITH_STR("k"), KITH_INT(1));
    kith_dict_close(dict);
    EXPECT_WHOLE(second);
    kith_close(second);
    close(fd);
}

TEST(share_refuses_what_cannot_be_shared)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space = test_space(t), *other;
    char path[300];
    int fd = -1;

    if (t->engine->bit != TEST_MEM)
        EXPECT_FAILS(KITH_EUNSUPPORTED, "address", kith_share(space, &fd));
    EXPECT_RC(KITH_EINVAL, kith_share(space, NULL));
    EXPECT_RC(KITH_EINVAL, kith_share(NULL, &fd));
    EXPECT_RC(KITH_EINVAL, kith_open_fd(-1, NULL, &other));
    EXPECT_RC(KITH_EINVAL, kith_open_fd(0, NULL, NULL));
    snprintf(path, sizeof(path), "%s/file", t->folder);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    EXPECT_FAILS(KITH_EINVAL, "kith_share", kith_open_fd(fd, NULL, &other));
    close(fd);
    fd = memfd_create("not sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    EXPECT_EQ(0, ftruncate(fd, 1 << 20));
    EXPECT_FAILS(KITH_EINVAL, "kith_share", kith_open_fd(fd, NULL, &other));
    EXPECT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    EXPECT_FAILS(KITH_ECORRUPT, "arena", kith_open_fd(fd, NULL, &other));
    options.create = KITH_MUST_CREATE;
    EXPECT_RC(KITH_EEXIST, kith_open_fd(fd, &options, &other));
    close(fd);
}

/* ---- repairing ---- */

/* The file of a space, written to behind the library's back. */
struct damage {
    uint8_t *bytes;
    size_t size;
};

static struct damage
file_of(kith_space *space)
{
    struct kith_stat stat = KITH_STAT_INIT;
    struct damage damage;
    struct stat st;
    int fd;

    EXPECT_OK(kith_stat(space, &stat));
    fd = open(stat.path, O_RDWR | O_CLOEXEC);
    EXPECT_TRUE(fd >= 0 && fstat(fd, &st) == 0);
    damage.size = (size_t)st.st_size;
    damage.bytes = mmap(NULL, damage.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    EXPECT_TRUE(damage.bytes != MAP_FAILED);
    close(fd);
    return damage;
}

/* Where the text stands in the first 64 MiB of memory that the file has. */
static uint8_t *
find_text(const struct damage *damage, const char *text)
{
    size_t from = 104898560, size = strlen(text); /* no object stands before the granules */

    for (size_t at = from; at < damage->size && at < from + ((size_t)64 << 20); at += 8)
        if (memcmp(damage->bytes + at, text, size) == 0)
            return damage->bytes + at;
    FAIL("\"%s\" is nowhere in the arena", text);
}

/* A space of its own, small, that this process has not open when this returns. */
static void
make_space(struct test *t, char *address, size_t size)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_queue_options queue_options = KITH_QUEUE_OPTIONS_INIT;
    kith_space *space;
    kith_queue *queue;
    kith_event *event;
    kith_dict *dict;

    snprintf(address, size, "%s-broken", t->address);
    options.size = 4 << 20;
    EXPECT_OK(kith_open(address, &options, &space));
    EXPECT_OK(kith_dict_open(space, "d", NULL, &dict));
    for (int i = 0; i < 1000; i++) {
        char key[40];

        snprintf(key, sizeof(key), "key number %d of them", i);
        EXPECT_OK(kith_dict_set(dict, kith_str(key), KITH_INT(i)));
    }
    kith_dict_close(dict);
    queue_options.dead_letter = "letters";
    EXPECT_OK(kith_queue_open(space, "q", &queue_options, &queue));
    for (int i = 0; i < 20; i++) {
        char item[40];

        snprintf(item, sizeof(item), "item number %d of them", i);
        EXPECT_OK(kith_queue_put(queue, kith_str(item), 0));
    }
    kith_queue_close(queue);
    EXPECT_OK(kith_event_open(space, "e", NULL, &event));
    EXPECT_OK(kith_event_set(event));
    kith_event_close(event);
    kith_close(space);
}

enum harm { HARM_LINK, HARM_KEY, HARM_ITEM };

static void
harm(const char *address, enum harm what)
{
    struct damage damage;
    kith_space *space;

    EXPECT_OK(kith_open(address, NULL, &space));
    damage = file_of(space);
    switch (what) {
    case HARM_LINK: /* the link from an entry to the next one: the key stands 64 bytes behind */
        memset(find_text(&damage, "key number 500 of") - 64 + 24, 0xff, 8);
        break;
    case HARM_KEY:
        memcpy(find_text(&damage, "key number 500 of"), "KEY", 3);
        break;
    case HARM_ITEM: /* how long an item is: its word stands before it */
        memset(find_text(&damage, "item number 11 of") - 6, 0xff, 6);
        break;
    }
    munmap(damage.bytes, damage.size);
    EXPECT_RC(KITH_ECORRUPT, kith_check(space, NULL));
    kith_close(space);
}

struct sentences {
    int count;
    char last[600];
};

static int
keep_sentence(const char *sentence, void *arg)
{
    struct sentences *s = arg;

    s->count++;
    snprintf(s->last, sizeof(s->last), "%s", sentence);
    return 0;
}

static void
repair(const char *address, struct kith_report *report, struct sentences *sentences)
{
    kith_space *space;

    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(kith_repair_each(space, keep_sentence, sentences, report));
    kith_close(space);
}

static int
expect_in_order(struct kith_item key, struct kith_item item, void *arg)
{
    int64_t *before = arg;

    (void)key;
    EXPECT_GE(item.integer, *before + 1);
    *before = item.integer;
    return 0;
}

/* Opens the repaired space, and expects so many keys and items in it. */
static void
expect_repaired(const char *address, uint64_t keys, uint64_t items)
{
    kith_space *space;
    kith_queue *queue;
    kith_event *event;
    kith_dict *dict;
    int64_t before = -1;
    bool set = false;

    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_WHOLE(space);
    EXPECT_OK(must_exist(space, "d", &dict));
    EXPECT_LEN(dict, keys);
    EXPECT_OK(kith_dict_each(dict, expect_in_order, &before));
    EXPECT_EQ(999, before);
    kith_dict_close(dict);
    EXPECT_OK(kith_queue_open(space, "q", NULL, &queue));
    EXPECT_QUEUE_LEN(queue, items);
    EXPECT_GIVES(queue, KITH_STR("item number 0 of them"));
    kith_queue_close(queue);
    EXPECT_OK(kith_event_open(space, "e", NULL, &event));
    EXPECT_OK(kith_event_is_set(event, &set));
    EXPECT_TRUE(set);
    kith_event_close(event);
    kith_close(space);
}

TEST_ON(TEST_NAMED, repair_of_a_whole_space_does_nothing)
{
    struct sentences sentences = { 0 };
    struct kith_report report;
    struct stat before, after;
    struct kith_stat stat_of = KITH_STAT_INIT;
    kith_space *space = test_space(t);

    test_dict(t, "d");
    EXPECT_OK(kith_stat(space, &stat_of));
    EXPECT_EQ(0, stat(stat_of.path, &before));
    repair(t->address, &report, &sentences);
    EXPECT_EQ(0, report.violations);
    EXPECT_EQ(0, sentences.count);
    EXPECT_EQ(0, stat(stat_of.path, &after));
    EXPECT_EQ(before.st_ino, after.st_ino);
}

TEST_ON(TEST_NAMED, repair_finds_every_key_whatever_became_of_the_links)
{
    struct sentences sentences = { 0 };
    struct kith_report report;
    char address[600];

    make_space(t, address, sizeof(address));
    harm(address, HARM_LINK);
    repair(address, &report, &sentences);
    EXPECT_GE(report.violations, 1);
    EXPECT_TRUE(report.first[0] != '\0');
    EXPECT_EQ(4, report.objects);
    EXPECT_EQ(0, report.removed);
    EXPECT_EQ(0, sentences.count);
    expect_repaired(address, 1000, 20);
}

TEST_ON(TEST_NAMED, repair_keeps_the_time_that_entries_have_left)
{
    struct kith_dict_set_options set = KITH_DICT_SET_OPTIONS_INIT;
    struct sentences sentences = { 0 };
    struct kith_report report;
    char address[600];
    kith_space *space;
    kith_dict *dict;
    int64_t left = 0;

    make_space(t, address, sizeof(address));
    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(kith_dict_open(space, "timed", NULL, &dict));
    set.ttl_ns = 3600 * TEST_S;
    EXPECT_OK(kith_dict_set_with(dict, KITH_STR("goes"), KITH_INT(1), &set));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("stays"), KITH_INT(2)));
    kith_dict_close(dict);
    kith_close(space);
    harm(address, HARM_LINK);
    repair(address, &report, &sentences);
    EXPECT_EQ(0, sentences.count);
    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(must_exist(space, "timed", &dict));
    EXPECT_LEN(dict, 2);
    EXPECT_OK(kith_dict_ttl(dict, KITH_STR("goes"), &left));
    EXPECT_GE(left, 1);
    EXPECT_OK(kith_dict_ttl(dict, KITH_STR("stays"), &left));
    EXPECT_EQ(KITH_FOREVER, left);
    kith_dict_close(dict);
    kith_close(space);
}

TEST_ON(TEST_NAMED, repair_says_what_was_lost)
{
    struct sentences sentences = { 0 };
    struct kith_report report;
    char address[600];

    make_space(t, address, sizeof(address));
    harm(address, HARM_LINK);
    harm(address, HARM_KEY);
    repair(address, &report, &sentences);
    EXPECT_EQ(1, sentences.count);
    EXPECT_STR("The dict \"d\" has lost 1 of its items.", sentences.last);
    expect_repaired(address, 999, 20);
}

TEST_ON(TEST_NAMED, repair_keeps_the_items_of_a_queue_up_to_a_broken_one)
{
    struct sentences sentences = { 0 };
    struct kith_report report;
    char address[600];

    make_space(t, address, sizeof(address));
    harm(address, HARM_ITEM);
    repair(address, &report, &sentences);
    EXPECT_EQ(1, sentences.count);
    EXPECT_STR("The queue \"q\" has lost 9 of its items.", sentences.last);
    expect_repaired(address, 1000, 11);
}

TEST_ON(TEST_NAMED, repair_keeps_priorities_delays_and_attempts)
{
    struct kith_put_options put = KITH_PUT_OPTIONS_INIT;
    struct sentences sentences = { 0 };
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith_report report;
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    kith_lease *lease;
    kith_space *space;
    kith_queue *queue;
    char address[600];

    make_space(t, address, sizeof(address));
    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(kith_queue_open(space, "order", NULL, &queue));
    EXPECT_OK(kith_queue_put(queue, KITH_INT(2), 0));
    EXPECT_OK(kith_queue_put(queue, KITH_INT(3), 0));
    EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
    put.priority = 5;
    EXPECT_OK(kith_queue_put_with(queue, KITH_INT(1), &put, 0));
    put.priority = 0;
    put.delay_ns = 3600 * TEST_S;
    EXPECT_OK(kith_queue_put_with(queue, KITH_INT(4), &put, 0));
    EXPECT_OK(kith_lease_nack(lease));
    kith_queue_close(queue);
    kith_close(space);
    harm(address, HARM_LINK);
    repair(address, &report, &sentences);
    EXPECT_EQ(0, sentences.count);
    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(kith_queue_open(space, "order", NULL, &queue));
    EXPECT_OK(kith_queue_info(queue, &info));
    EXPECT_EQ(3, info.ready);
    EXPECT_EQ(1, info.delayed);
    for (int64_t i = 1; i <= 3; i++) {
        EXPECT_OK(kith_queue_lease(queue, 0, &buf, &lease));
        EXPECT_ITEM(KITH_INT(i), buf.item);
        EXPECT_EQ(i == 2 ? 1 : 0, kith_lease_attempts(lease));
        EXPECT_OK(kith_lease_ack(lease));
    }
    kith_buf_free(&buf);
    kith_queue_close(queue);
    kith_close(space);
}

static void
hold_open(void *arg)
{
    struct renaming *r = arg;

    test_gate_open(r->ready);
    for (;;)
        pause();
}

TEST_ON(TEST_NAMED, repair_is_refused_while_others_are_there)
{
    struct renaming *r = test_shared(sizeof(*r));
    struct sentences sentences = { 0 };
    struct kith_report report;
    kith_space *space;
    char address[600];
    pid_t pid;

    make_space(t, address, sizeof(address));
    harm(address, HARM_LINK);
    EXPECT_OK(kith_open(address, NULL, &space));
    r->ready = test_gate();
    pid = test_child(hold_open, r);
    GATE_WAIT(r->ready);
    EXPECT_FAILS(KITH_EUNAVAILABLE, "other processes", kith_repair(space, NULL));
    test_child_kill(pid);
    EXPECT_RC(KITH_ECORRUPT, kith_check(space, NULL)); /* as it was */
    kith_close(space);
    repair(address, &report, &sentences);
    expect_repaired(address, 1000, 20);
}

TEST_ON(TEST_NAMED, repair_keeps_the_mode_and_the_limit)
{
    struct kith_stat before = KITH_STAT_INIT, after = KITH_STAT_INIT;
    struct sentences sentences = { 0 };
    struct kith_report report;
    kith_space *space;
    char address[600];
    struct stat st;

    make_space(t, address, sizeof(address));
    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(kith_stat(space, &before));
    kith_close(space);
    EXPECT_EQ(0, chmod(before.path, 0640));
    harm(address, HARM_LINK);
    repair(address, &report, &sentences);
    EXPECT_OK(kith_open(address, NULL, &space));
    EXPECT_OK(kith_stat(space, &after));
    EXPECT_EQ(before.size_limit, after.size_limit);
    EXPECT_STR(before.path, after.path);
    EXPECT_EQ(0, stat(after.path, &st));
    EXPECT_EQ(0640, st.st_mode & 0777);
    kith_close(space);
}

struct repairing {
    char address[600];
    sem_t *ready;
};

static void
repair_it(void *arg)
{
    struct repairing *r = arg;
    kith_space *space;

    EXPECT_OK(kith_open(r->address, NULL, &space));
    test_gate_open(r->ready);
    EXPECT_OK(kith_repair(space, NULL));
    kith_close(space);
}

/* Whenever the repairing process is killed, the old space is there, or the new one. */
TEST_FULL(TEST_NAMED, 300, repair_killed_at_any_instant_leaves_the_old_space_or_the_new_one)
{
    struct repairing *r = test_shared(sizeof(*r));
    int old = 0, new = 0;
    kith_space *space;

    make_space(t, r->address, sizeof(r->address));
    harm(r->address, HARM_LINK);
    r->ready = test_gate();
    for (int i = 0; i < 60; i++) {
        pid_t pid = test_child(repair_it, r);
        kith_err err;

        GATE_WAIT(r->ready);
        for (int64_t until_ns = test_now_ns() + i * 150 * TEST_US; test_now_ns() < until_ns;)
            ;
        kill(pid, SIGKILL);
        (void)CHILD_END(pid);
        EXPECT_OK(kith_open(r->address, NULL, &space));
        err = kith_check(space, NULL);
        kith_close(space);
        EXPECT_TRUE(err == KITH_OK || err == KITH_ECORRUPT);
        if (err == KITH_OK) {
            new ++;
            expect_repaired(r->address, 1000, 20);
            EXPECT_OK(kith_open(r->address, NULL, &space));
            EXPECT_OK(kith_destroy(space, "q"));
            EXPECT_OK(kith_destroy(space, "letters"));
            EXPECT_OK(kith_destroy(space, "d"));
            kith_close(space);
            EXPECT_OK(kith_remove(r->address));
            make_space(t, r->address, sizeof(r->address));
            harm(r->address, HARM_LINK);
        } else {
            old++;
        }
    }
    EXPECT_GE(old, 1);
    (void)new;
    EXPECT_OK(kith_open(r->address, NULL, &space));
    EXPECT_OK(kith_repair(space, NULL));
    kith_close(space);
    expect_repaired(r->address, 1000, 20);
}

static int
count_space(const struct kith_space_info *info, void *arg)
{
    (void)info;
    ++*(int *)arg;
    return 0;
}

TEST_ON(TEST_SHM, repair_that_was_killed_leaves_a_file_that_gc_removes)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_report report;
    kith_space *space;
    char address[600];
    int count = 0;

    /* What a repair makes beside the space, and nobody who works on it. */
    snprintf(address, sizeof(address), "%s.repair-0123456789abcdef", t->address);
    EXPECT_OK(kith_open(address, &options, &space));
    EXPECT_OK(kith_gc(test_space(t), &report));
    EXPECT_EQ(0, report.removed); /* somebody does */
    kith_close(space);
    EXPECT_OK(kith_gc(test_space(t), &report));
    EXPECT_EQ(1, report.removed);
    EXPECT_OK(kith_spaces(count_space, &count));
    EXPECT_EQ(1, count);
}

TEST(repair_refuses_spaces_that_end_with_their_processes)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    char address[600];
    kith_space *space;
    uint8_t *key;
    struct damage damage;
    kith_dict *dict;

    EXPECT_RC(KITH_EINVAL, kith_repair(NULL, NULL));
    EXPECT_OK(kith_repair(test_space(t), NULL)); /* nothing to do: no refusal */
    if (t->engine->bit == TEST_MEM)
        return;
    snprintf(address, sizeof(address), "%s-temporary", t->address);
    options.temporary = true;
    EXPECT_OK(kith_open(address, &options, &space));
    EXPECT_OK(kith_dict_open(space, "d", NULL, &dict));
    EXPECT_OK(kith_dict_set(dict, KITH_STR("a key to be found"), KITH_INT(1)));
    kith_dict_close(dict);
    damage = file_of(space);
    key = find_text(&damage, "a key to be found");
    memset(key - 64 + 24, 0xff, 8);
    munmap(damage.bytes, damage.size);
    EXPECT_FAILS(KITH_EUNSUPPORTED, "temporary", kith_repair(space, NULL));
    kith_close(space);
}
