/*
 * test_space.c - what kith/space.h and kith/inspect.h promise: addresses, files, lists, numbers.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "test.h"

static const struct kith_options must_exist = { .struct_size = sizeof(struct kith_options),
                                                .create = KITH_MUST_EXIST };
static const struct kith_options must_create = { .struct_size = sizeof(struct kith_options),
                                                 .create = KITH_MUST_CREATE };

/* The file behind the test's space, which is made and closed again. */
static const char *
file_of(struct test *t)
{
    static struct kith_stat stat = KITH_STAT_INIT;
    kith_space *space = NULL;

    EXPECT_OK(kith_open(t->address, NULL, &space));
    EXPECT_OK(kith_stat(space, &stat));
    kith_close(space);
    EXPECT_TRUE(stat.path[0] == '/');
    return stat.path;
}

/* ---- addresses ---- */

TEST_ON(TEST_SHM, space_address_that_is_bad_is_EINVAL_with_the_address_in_the_sentence)
{
    char longest[256];
    static const char *const bad[] = {
        "",
        "shm://",
        "a/b",
        "/a",
        "shm://a/b",
        "bad\xffutf8",
        "mem://name",
        "file://",
        "file://relative/path",
        "http://host/x",
        "nonsense://x",
        "://x",
        "name?nonsense=1",
        "name?size",
        "name?size=",
        "name?size=abc",
        "name?size=12Q",
        "name?size=-1",
        "name?size=99999999999999999999999",
        "name?mode=9",
        "name?mode=rw",
        "name?timeout=abc",
        "name?readonly=perhaps",
        "name?create=perhaps",
    };
    kith_space *none = (kith_space *)t;

    for (size_t i = 0; i < COUNTOF(bad); i++) {
        kith_err err = kith_open(bad[i], NULL, &none);

        if (err != KITH_EINVAL)
            FAIL("\"%s\": expected KITH_EINVAL, got %s", bad[i], test_rc_name(err));
        test_says(__FILE__, __LINE__, i == 5 ? "bad" : bad[i]);
    }
    memset(longest, 'n', sizeof(longest));
    longest[201] = '\0';
    EXPECT_RC(KITH_EINVAL, kith_open(longest, NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_open(NULL, NULL, &none));
    EXPECT_RC(KITH_EINVAL, kith_open("name", NULL, NULL));
    EXPECT_TRUE(none == (kith_space *)t);
    longest[200] = '\0';
    EXPECT_OK(kith_open(longest, NULL, &none));
    kith_close(none);
    EXPECT_OK(kith_remove(longest));
}

TEST_ON(TEST_SHM, space_address_of_an_engine_that_is_not_there_is_EUNSUPPORTED)
{
    static const char *const others[] = { "unix:///tmp/no-such-server", "tcp://localhost:1",
                                          "tls://localhost:1",          "redis://localhost:1",
                                          "rediss://localhost:1",       "redis+unix:///tmp/none" };
    kith_space *none = (kith_space *)t;

    for (size_t i = 0; i < COUNTOF(others); i++)
        EXPECT_FAILS(KITH_EUNSUPPORTED, others[i], kith_open(others[i], NULL, &none));
    EXPECT_TRUE(none == (kith_space *)t);
}

TEST_ON(TEST_SHM, space_has_the_same_address_with_and_without_its_scheme)
{
    kith_space *first = test_open(t, "with spaces, \xc3\xa9 and ?size=1G", NULL);
    kith_space *second = test_open(t, "shm://with spaces, \xc3\xa9 and ", &must_exist);
    kith_space *dots = test_open(t, "..", NULL);
    kith_dict *d = NULL;
    kith_dict *e = NULL;

    EXPECT_OK(kith_dict_open(first, "d", NULL, &d));
    EXPECT_OK(kith_dict_open(second, "d", NULL, &e));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(2)));
    EXPECT_HOLDS(e, KITH_INT(1), KITH_INT(2));
    EXPECT_WHOLE(dots);
    kith_dict_close(d);
    kith_dict_close(e);
}

TEST_ON(TEST_SHM, space_query_and_options_mean_the_same_and_the_query_wins)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_stat stat = KITH_STAT_INIT;
    struct stat st;
    kith_space *space;

    options.size = UINT64_C(1) << 30;
    options.mode = 0640;
    space = test_open(t, "by-options", &options);
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_EQ(INT64_C(1) << 30, stat.size_limit);
    EXPECT_EQ(0, stat.path[0] != '/');
    EXPECT_EQ(0, lstat(stat.path, &st));
    EXPECT_EQ(0640, st.st_mode & 07777);
    EXPECT_TRUE(strncmp(stat.path, t->folder, strlen(t->folder)) == 0);

    space = test_open(t, "by-query?size=256M&mode=0660", &options);
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_EQ(256 << 20, stat.size_limit);
    EXPECT_EQ(0, lstat(stat.path, &st));
    EXPECT_EQ(0660, st.st_mode & 07777);

    space = test_open(t, "by-default", NULL);
    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_EQ(INT64_C(64) << 30, stat.size_limit);
    EXPECT_EQ(0, lstat(stat.path, &st));
    EXPECT_EQ(0600, st.st_mode & 07777);
}

TEST_ON(TEST_SHM, space_options_that_are_bad_are_EINVAL)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *none = (kith_space *)t;

    options.size = 4096;
    EXPECT_RC(KITH_EINVAL, kith_open("x", &options, &none));
    options.size = UINT64_MAX;
    EXPECT_RC(KITH_EINVAL, kith_open("x", &options, &none));
    options.size = 0;
    options.mode = 010600;
    EXPECT_RC(KITH_EINVAL, kith_open("x", &options, &none));
    options.mode = 0200;
    EXPECT_RC(KITH_EINVAL, kith_open("x", &options, &none));
    options.mode = 0;
    options.timeout_ns = -5;
    EXPECT_RC(KITH_EINVAL, kith_open("x", &options, &none));
    options.timeout_ns = 0;
    options.create = (enum kith_create)9;
    EXPECT_RC(KITH_EINVAL, kith_open("x", &options, &none));
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_RC(KITH_ENOENT, kith_open("x", &must_exist, &none));
}

/* ---- being there, and going ---- */

TEST_ON(TEST_NAMED, space_is_created_opened_and_refused_as_told)
{
    kith_space *none = (kith_space *)t;
    kith_space *space = NULL;
    kith_dict *d = NULL;

    EXPECT_FAILS(KITH_ENOENT, "space", kith_open(t->address, &must_exist, &none));
    EXPECT_OK(kith_open(t->address, &must_create, &space));
    EXPECT_FAILS(KITH_EEXIST, "space", kith_open(t->address, &must_create, &none));
    EXPECT_TRUE(none == (kith_space *)t);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_OK(kith_dict_set(d, KITH_STR("k"), KITH_STR("kept")));
    kith_dict_close(d);
    kith_close(space);
    kith_close(NULL);
    /* It is there though nobody has it open. */
    EXPECT_RC(KITH_EEXIST, kith_open(t->address, &must_create, &none));
    space = test_open(t, t->address, &must_exist);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_HOLDS(d, KITH_STR("k"), KITH_STR("kept"));
    kith_dict_close(d);
    EXPECT_WHOLE(space);
}

TEST_ON(TEST_NAMED, space_outlives_all_its_processes_and_is_whole)
{
    kith_space *space;
    kith_dict *d = NULL;

    for (int i = 0; i < 20; i++) {
        pid_t pid;

        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
            EXPECT_OK(kith_open(t->address, NULL, &space));
            EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
            EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_STR("something that takes a block")));
            EXPECT_OK(kith_dict_add(d, KITH_STR("sum"), 1, NULL));
            if (i % 3 == 0)
                kill(getpid(), SIGKILL);
            if (i % 3 == 1)
                _exit(0);
            exit(0);
        }
        (void)CHILD_END(pid);
    }
    space = test_open(t, t->address, &must_exist);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_HOLDS(d, KITH_STR("sum"), KITH_INT(20));
    EXPECT_LEN(d, 21);
    EXPECT_WHOLE(space);
    kith_dict_close(d);
}

TEST_ON(TEST_MEM, space_without_a_name_is_another_one_each_time)
{
    kith_space *first = test_open(t, "mem://", NULL);
    kith_space *second = test_open(t, "mem://", NULL);
    struct kith_stat stat = KITH_STAT_INIT;
    kith_dict *d = NULL;
    kith_dict *e = NULL;

    EXPECT_OK(kith_dict_open(first, "d", NULL, &d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(1)));
    EXPECT_OK(kith_dict_open(second, "d", NULL, &e));
    EXPECT_LEN(e, 0);
    EXPECT_OK(kith_stat(first, &stat));
    EXPECT_STR("", stat.path);
    EXPECT_RC(KITH_EINVAL, kith_remove("mem://"));
    kith_dict_close(d);
    kith_dict_close(e);
}

TEST_ON(TEST_NAMED, space_opened_twice_gives_two_on_the_same_objects)
{
    kith_space *second = NULL;
    kith_dict *d = test_dict(t, "d");
    kith_dict *e = NULL;

    EXPECT_OK(kith_open(t->address, NULL, &second));
    EXPECT_OK(kith_dict_open(second, "d", NULL, &e));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(1)));
    EXPECT_HOLDS(e, KITH_INT(1), KITH_INT(1));
    kith_dict_close(e);
    kith_close(second);
    EXPECT_HOLDS(d, KITH_INT(1), KITH_INT(1));
}

TEST_ON(TEST_NAMED, space_that_is_removed_stays_with_those_who_have_it_open)
{
    kith_space *old = test_open(t, t->address, NULL);
    kith_space *fresh;
    kith_dict *d = NULL;
    kith_dict *e = NULL;

    EXPECT_OK(kith_dict_open(old, "d", NULL, &d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(1)));
    EXPECT_OK(kith_remove(t->address));
    EXPECT_FAILS(KITH_ENOENT, "space", kith_remove(t->address));
    EXPECT_OK(kith_dict_set(d, KITH_INT(2), KITH_INT(2)));
    EXPECT_HOLDS(d, KITH_INT(1), KITH_INT(1));
    fresh = test_open(t, t->address, &must_create);
    EXPECT_OK(kith_dict_open(fresh, "d", NULL, &e));
    EXPECT_LEN(e, 0);
    EXPECT_LEN(d, 2);
    EXPECT_WHOLE(old);
    EXPECT_WHOLE(fresh);
    kith_dict_close(d);
    kith_dict_close(e);
    EXPECT_RC(KITH_EINVAL, kith_remove(NULL));
    EXPECT_RC(KITH_EINVAL, kith_remove(""));
}

TEST_ON(TEST_NAMED, space_that_is_temporary_goes_with_the_last_to_leave)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *none = (kith_space *)t;
    kith_space *first = NULL;
    kith_space *second = NULL;

    options.temporary = true;
    EXPECT_OK(kith_open(t->address, &options, &first));
    EXPECT_OK(kith_open(t->address, &must_exist, &second));
    kith_close(first);
    first = NULL;
    EXPECT_OK(kith_open(t->address, &must_exist, &first));
    kith_close(first);
    kith_close(second);
    EXPECT_RC(KITH_ENOENT, kith_open(t->address, &must_exist, &none));
}

static void
child_opens_temporary_and_dies(void *arg)
{
    struct test *t = arg;
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space = NULL;
    kith_dict *d = NULL;

    options.temporary = true;
    EXPECT_OK(kith_open(t->address, &options, &space));
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), KITH_INT(1)));
    kill(getpid(), SIGKILL);
}

TEST_ON(TEST_SHM, space_that_is_temporary_is_removed_by_gc_after_kills)
{
    struct kith_report report;
    kith_space *none = (kith_space *)t;
    kith_space *other = test_open(t, "other", NULL);
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *alive;

    options.temporary = true;
    alive = test_open(t, "alive", &options);
    (void)CHILD_END(test_child(child_opens_temporary_and_dies, t));
    EXPECT_OK(kith_gc(other, &report));
    EXPECT_EQ(1, report.removed);
    EXPECT_RC(KITH_ENOENT, kith_open(t->address, &must_exist, &none));
    EXPECT_OK(kith_gc(other, &report));
    EXPECT_EQ(0, report.removed);
    EXPECT_WHOLE(alive);
    EXPECT_OK(kith_open("alive", &must_exist, &none));
    kith_close(none);
}

TEST_ON(TEST_NAMED, space_that_is_temporary_and_left_over_is_new_to_its_next_opener)
{
    kith_space *space;
    kith_dict *d = NULL;

    (void)CHILD_END(test_child(child_opens_temporary_and_dies, t));
    space = test_open(t, t->address, NULL);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_LEN(d, 0);
    kith_dict_close(d);
}

/* ---- files that are not to be opened ---- */

/* Opens and removes nothing: the file is as it was, byte by byte and second by second. */
static void
expect_refused(const char *file, int line, struct test *t, const char *path, kith_err want)
{
    kith_space *none = (kith_space *)t;
    struct stat before, after;

    if (stat(path, &before) != 0)
        test_failed(file, line, "no file %s", path);
    test_rc(file, line, "kith_open", want, kith_open(t->address, NULL, &none));
    test_says(file, line, "space");
    test_rc(file, line, "kith_open", want, kith_open(t->address, &must_exist, &none));
    if (none != (kith_space *)t)
        test_failed(file, line, "the result was touched");
    if (stat(path, &after) != 0 || after.st_size != before.st_size ||
        after.st_ino != before.st_ino || after.st_mtim.tv_sec != before.st_mtim.tv_sec ||
        after.st_mtim.tv_nsec != before.st_mtim.tv_nsec)
        test_failed(file, line, "the file was touched");
}
#define EXPECT_REFUSED(path, want) expect_refused(__FILE__, __LINE__, t, path, want)

static void
patch(const char *path, off_t at, const void *data, size_t size)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    EXPECT_TRUE(fd >= 0);
    EXPECT_EQ(size, pwrite(fd, data, size, at));
    close(fd);
}

TEST_ON(TEST_NAMED, space_of_another_format_version_is_EVERSION)
{
    const char *path = file_of(t);

    /* The format's number stands behind the eight bytes that say what file this is. */
    patch(path, 8, "\x63\0\0\0", 4);
    EXPECT_REFUSED(path, KITH_EVERSION);
    patch(path, 8, "\0\0\0\0", 4);
    EXPECT_REFUSED(path, KITH_EVERSION);
    EXPECT_OK(kith_remove(t->address));
    test_space(t);
}

TEST_ON(TEST_NAMED, space_file_that_was_cut_or_lengthened_is_ECORRUPT)
{
    const char *path = file_of(t);
    struct stat st;

    EXPECT_EQ(0, stat(path, &st));
    EXPECT_EQ(0, truncate(path, st.st_size + 4096));
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    EXPECT_EQ(0, truncate(path, st.st_size / 2));
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    EXPECT_EQ(0, truncate(path, 100));
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    EXPECT_EQ(0, truncate(path, 3));
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    EXPECT_EQ(0, truncate(path, 0));
    EXPECT_REFUSED(path, KITH_ECORRUPT);
}

TEST_ON(TEST_NAMED, space_file_whose_header_was_altered_is_ECORRUPT)
{
    const char *path = file_of(t);
    char *junk = test_bytes(4096, 1);

    /* Any byte of what never changes: the size the header claims, its key, its offsets. */
    for (off_t at = 24; at < 120; at += 8) {
        uint64_t was;
        int fd = open(path, O_RDWR | O_CLOEXEC);

        EXPECT_TRUE(fd >= 0);
        EXPECT_EQ(8, pread(fd, &was, 8, at));
        was ^= UINT64_C(0x0101010101010101);
        EXPECT_EQ(8, pwrite(fd, &was, 8, at));
        EXPECT_REFUSED(path, KITH_ECORRUPT);
        was ^= UINT64_C(0x0101010101010101);
        EXPECT_EQ(8, pwrite(fd, &was, 8, at));
        close(fd);
    }
    EXPECT_WHOLE(test_space(t));
    kith_close(t->space);
    t->handle_count = 0;
    t->space = NULL;
    patch(path, 0, junk, 4096);
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    memset(junk, 0, 4096);
    patch(path, 0, junk, 4096);
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    free(junk);
}

static void
replace_by_file(const char *path, const char *text)
{
    int fd;

    EXPECT_EQ(0, unlink(path));
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    EXPECT_TRUE(fd >= 0);
    EXPECT_EQ(strlen(text), write(fd, text, strlen(text)));
    close(fd);
}

TEST_ON(TEST_NAMED, space_that_is_somebodys_file_is_ECORRUPT_and_left_alone)
{
    const char *path = file_of(t);

    replace_by_file(path, "A letter to somebody, which is no arena at all.\n");
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    EXPECT_RC(KITH_ECORRUPT, kith_remove(t->address));
    EXPECT_EQ(0, access(path, F_OK));
    replace_by_file(path, "x");
    EXPECT_REFUSED(path, KITH_ECORRUPT);
    EXPECT_EQ(0, unlink(path));
    EXPECT_EQ(0, mkdir(path, 0700));
    EXPECT_RC(KITH_ECORRUPT, kith_open(t->address, NULL, &(kith_space *){ NULL }));
    EXPECT_EQ(0, rmdir(path));
    EXPECT_EQ(0, mkfifo(path, 0600));
    EXPECT_RC(KITH_ECORRUPT, kith_open(t->address, NULL, &(kith_space *){ NULL }));
}

TEST_ON(TEST_NAMED, space_behind_a_symbolic_link_is_refused)
{
    const char *path = file_of(t);
    char target[4200];
    kith_space *none = (kith_space *)t;

    (void)snprintf(target, sizeof(target), "%s.moved", path);
    EXPECT_EQ(0, rename(path, target));
    EXPECT_EQ(0, symlink(target, path));
    EXPECT_FAILS(KITH_ECORRUPT, "link", kith_open(t->address, NULL, &none));
    EXPECT_RC(KITH_ECORRUPT, kith_open(t->address, &must_exist, &none));
    EXPECT_EQ(0, unlink(target));
    EXPECT_RC(KITH_ECORRUPT, kith_open(t->address, NULL, &none)); /* and made nothing behind it */
    EXPECT_TRUE(access(target, F_OK) != 0);
    EXPECT_TRUE(none == (kith_space *)t);
}

TEST_ON(TEST_SHM, space_of_this_name_that_is_another_users_is_EPERM)
{
    const char *path = file_of(t);

    if (geteuid() != 0)
        test_skip("giving a file to another user takes root");
    EXPECT_EQ(0, chown(path, 65534, 65534));
    EXPECT_REFUSED(path, KITH_EPERM);
}

TEST_ON(TEST_NAMED, space_that_the_permissions_forbid_is_EPERM)
{
    const char *path;
    pid_t pid;

    if (geteuid() != 0)
        test_skip("becoming another user takes root");
    path = file_of(t);
    EXPECT_EQ(0, chmod(t->folder, 0755));
    EXPECT_EQ(0, chmod(getenv("KITH_DIR"), 0755));
    pid = fork();
    if (pid == 0) {
        kith_space *none = (kith_space *)t;
        char address[512];

        EXPECT_EQ(0, setgid(65534));
        EXPECT_EQ(0, setuid(65534));
        (void)snprintf(address, sizeof(address), "file://%s", path);
        EXPECT_RC(KITH_EPERM, kith_open(address, NULL, &none));
        (void)snprintf(address, sizeof(address), "file://%s/new", t->folder);
        EXPECT_RC(KITH_EPERM, kith_open(address, NULL, &none));
        EXPECT_RC(KITH_EPERM, kith_open("of-nobody", NULL, &none));
        EXPECT_TRUE(none == (kith_space *)t);
        _exit(0);
    }
    CHILD_JOIN(pid);
}

/* Whatever it meets, it comes back: no crash, no endless loop. */
static void
child_uses_what_is_left(void *arg)
{
    struct test *t = arg;
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space = NULL;
    kith_dict *d = NULL;
    kith_queue *q = NULL;
    struct kith_buf item = KITH_BUF_INIT;
    struct kith_report report;

    options.timeout_ns = 2 * TEST_MS; /* for each call that meets a lock of nobody */
    if (kith_open(t->address, &options, &space) < 0)
        return;
    if (kith_dict_open(space, "d", NULL, &d) >= 0) {
        for (int i = 0; i < 100; i++) {
            (void)kith_dict_get(d, KITH_INT(i), &item);
            (void)kith_dict_set(d, KITH_INT(i + 250), KITH_STR("something new in a block"));
            (void)kith_dict_delete(d, KITH_INT(i / 2));
        }
        (void)kith_dict_popitem(d, &item, &item);
        (void)kith_dict_clear(d);
    }
    if (kith_queue_open(space, "q", NULL, &q) >= 0) {
        for (int i = 0; i < 100; i++) {
            (void)kith_queue_get(q, 0, &item);
            (void)kith_queue_put(q, KITH_INT(i), 0);
        }
    }
    (void)kith_check(space, &report);
    (void)kith_destroy(space, "d");
    kith_buf_free(&item);
    kith_dict_close(d);
    kith_queue_close(q);
    kith_close(space);
}

TEST_ON(TEST_NAMED, space_overwritten_at_random_crashes_nobody)
{
    struct test_random random = test_random_new();
    kith_space *space;
    kith_dict *d;
    kith_queue *q;
    const char *path = file_of(t);
    char *clean;
    size_t size = 2 << 20;
    int fd;

    space = test_space(t);
    d = test_dict(t, "d");
    q = test_queue(t, "q", NULL);
    for (int i = 0; i < 300; i++) {
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_STR("something to find in a block")));
        EXPECT_OK(kith_queue_put(q, KITH_STR("something to get from a block"), 0));
    }
    kith_dict_close(d);
    kith_queue_close(q);
    kith_close(space);
    t->space = NULL;
    t->handle_count = 0;
    fd = open(path, O_RDWR | O_CLOEXEC);
    clean = malloc(size);
    EXPECT_TRUE(fd >= 0 && clean != NULL);
    size = (size_t)pread(fd, clean, size, 0);
    for (int round = 0; round < 30; round++) {
        EXPECT_EQ(size, pwrite(fd, clean, size, 0));
        for (int i = 0; i < 1 + round * 4; i++) {
            uint64_t junk = test_random_next(&random);
            off_t at = (off_t)(256 + test_random_below(&random, size - 512)) & ~7;

            if (i % 2 == 0)
                junk &= 0xffff;
            EXPECT_EQ(8, pwrite(fd, &junk, 8, at));
        }
        CHILD_JOIN_LONG(test_child(child_uses_what_is_left, t), 20);
    }
    close(fd);
    free(clean);
}

/* ---- read only ---- */

TEST_ON(TEST_NAMED, space_read_only_reads_and_changes_nothing)
{
    kith_dict *writer = test_dict(t, "d");
    kith_queue *jobs = test_queue(t, "q", NULL);
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith_dict_options exists = KITH_DICT_OPTIONS_INIT;
    kith_space *space;
    kith_dict *d = NULL;
    kith_queue *q = NULL;
    kith_lock *lock = NULL;
    kith_event *event = NULL;
    struct kith_item k = KITH_STR("k");
    struct kith_buf out = KITH_BUF_INIT;
    struct kith_buf outs[2] = { KITH_BUF_INIT, KITH_BUF_INIT };
    struct kith_item keys[2] = { KITH_STR("k"), KITH_STR("big") };
    size_t size = 1 << 20;
    void *data = test_bytes(size, 1);
    kith_lease *lease = NULL;
    int64_t n = 1;

    test_lock(t, "lock");
    test_event(t, "event");
    EXPECT_OK(kith_dict_set(writer, k, KITH_INT(1)));
    EXPECT_OK(kith_dict_set(writer, KITH_STR("big"), kith_bytes(data, size)));
    EXPECT_OK(kith_queue_put(jobs, KITH_INT(1), 0));
    options.readonly = true;
    space = test_open(t, t->address, &options);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_OK(kith_queue_open(space, "q", NULL, &q));
    EXPECT_OK(kith_lock_open(space, "lock", NULL, &lock));
    EXPECT_OK(kith_event_open(space, "event", NULL, &event));
    exists.create = KITH_MUST_EXIST;
    EXPECT_RC(KITH_ENOENT, kith_dict_open(space, "none", &exists, &d));

    EXPECT_HOLDS(d, k, KITH_INT(1));
    EXPECT_HOLDS(d, KITH_STR("big"), kith_bytes(data, size));
    EXPECT_LEN(d, 2);
    EXPECT_OK(kith_dict_has(d, k));
    EXPECT_OK(kith_dict_get_many(d, keys, 2, outs));
    EXPECT_ITEM(kith_bytes(data, size), outs[1].item);
    EXPECT_OK(kith_dict_set(writer, k, KITH_INT(2)));
    EXPECT_HOLDS(d, k, KITH_INT(2));
    EXPECT_QUEUE_LEN(q, 1);

    EXPECT_FAILS(KITH_EPERM, "d", kith_dict_set(d, k, k));
    EXPECT_RC(KITH_EPERM, kith_dict_insert(d, k, k));
    EXPECT_RC(KITH_EPERM, kith_dict_replace(d, k, k));
    EXPECT_RC(KITH_EPERM, kith_dict_setdefault(d, k, k, &out));
    EXPECT_RC(KITH_EPERM, kith_dict_swap(d, k, k, &out));
    EXPECT_RC(KITH_EPERM, kith_dict_cas(d, k, KITH_INT(2), k));
    EXPECT_RC(KITH_EPERM, kith_dict_cas_version(d, k, 1, k));
    EXPECT_RC(KITH_EPERM, kith_dict_set_many(d, &k, &k, 1));
    EXPECT_RC(KITH_EPERM, kith_dict_delete(d, k));
    EXPECT_RC(KITH_EPERM, kith_dict_delete_if(d, k, KITH_INT(2)));
    EXPECT_RC(KITH_EPERM, kith_dict_delete_many(d, &k, 1, NULL));
    EXPECT_RC(KITH_EPERM, kith_dict_pop(d, k, &out));
    EXPECT_RC(KITH_EPERM, kith_dict_popitem(d, &out, &out));
    EXPECT_RC(KITH_EPERM, kith_dict_clear(d));
    EXPECT_RC(KITH_EPERM, kith_dict_add(d, k, 1, &n));
    EXPECT_RC(KITH_EPERM, kith_dict_add_many(d, &k, &n, 1));
    EXPECT_RC(KITH_EPERM, kith_dict_add_float(d, k, 1, NULL));
    EXPECT_RC(KITH_EPERM, kith_queue_put(q, k, 0));
    EXPECT_RC(KITH_EPERM, kith_queue_get(q, 0, &out));
    EXPECT_RC(KITH_EPERM, kith_queue_lease(q, 0, &out, &lease));
    EXPECT_RC(KITH_EPERM, kith_queue_shutdown(q));
    EXPECT_RC(KITH_EPERM, kith_lock_acquire(lock, 0));
    EXPECT_RC(KITH_EPERM, kith_event_set(event));
    EXPECT_RC(KITH_EPERM, kith_event_clear(event));
    EXPECT_RC(KITH_EPERM, kith_destroy(space, "d"));
    EXPECT_LEN(writer, 2);
    EXPECT_QUEUE_LEN(jobs, 1);
    kith_dict_close(d);
    kith_queue_close(q);
    kith_lock_close(lock);
    kith_event_close(event);
    kith_buf_free(&out);
    kith_buf_free(&outs[0]);
    kith_buf_free(&outs[1]);
    free(data);
}

TEST_ON(TEST_NAMED, space_read_only_is_not_created)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *none = (kith_space *)t;

    options.readonly = true;
    EXPECT_RC(KITH_ENOENT, kith_open(t->address, &options, &none));
    EXPECT_RC(KITH_ENOENT, kith_open(t->address, &must_exist, &none));
    EXPECT_TRUE(none == (kith_space *)t);
}

/* ---- names, lists, numbers ---- */

TEST(space_names_of_objects_are_1_to_200_bytes_of_utf8_without_slash)
{
    kith_space *space = test_space(t);
    char longest[202];
    static const char *const bad[] = { "", "a/b", "/", "\xff", "\xed\xa0\x80", "ab\xc3" };
    static const char *const good[] = { ".", "..", " ", "a b", "\xe2\x82\xac", "?", "a\nb", "%2F" };
    kith_dict *none = (kith_dict *)t;
    kith_dict *d = NULL;

    for (size_t i = 0; i < COUNTOF(bad); i++) {
        EXPECT_RC(KITH_EINVAL, kith_dict_open(space, bad[i], NULL, &none));
        EXPECT_RC(KITH_EINVAL, kith_destroy(space, bad[i]));
    }
    memset(longest, 'n', sizeof(longest));
    longest[201] = '\0';
    EXPECT_RC(KITH_EINVAL, kith_dict_open(space, longest, NULL, &none));
    EXPECT_TRUE(none == (kith_dict *)t);
    longest[200] = '\0';
    EXPECT_OK(kith_dict_open(space, longest, NULL, &d));
    kith_dict_close(d);
    for (size_t i = 0; i < COUNTOF(good); i++) {
        EXPECT_OK(kith_dict_open(space, good[i], NULL, &d));
        EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_str(good[i])));
        kith_dict_close(d);
    }
    for (size_t i = 0; i < COUNTOF(good); i++) {
        EXPECT_OK(kith_dict_open(space, good[i], NULL, &d));
        EXPECT_HOLDS(d, KITH_INT(1), kith_str(good[i]));
        kith_dict_close(d);
        EXPECT_OK(kith_destroy(space, good[i]));
        EXPECT_FAILS(KITH_ENOENT, good[i], kith_destroy(space, good[i]));
    }
    EXPECT_RC(KITH_EINVAL, kith_destroy(space, NULL));
    EXPECT_RC(KITH_EINVAL, kith_destroy(NULL, "d"));
}

struct listing {
    kith_space *space;
    char text[1024];
    int calls;
    int stop_at;
};

static int
note_object(const struct kith_info *info, void *arg)
{
    struct listing *l = arg;
    size_t at = strlen(l->text);

    (void)snprintf(l->text + at, sizeof(l->text) - at, "%s:%s:%d ", info->name,
                   kith_kind_name(info->kind), (int)info->items);
    EXPECT_GE(info->bytes, 1);
    EXPECT_GE(info->created_ns, test_real_ns() - 600 * TEST_S);
    EXPECT_GE(test_real_ns() + TEST_S, info->created_ns);
    l->calls++;
    return l->calls == l->stop_at;
}

static int
destroy_object(const struct kith_info *info, void *arg)
{
    struct listing *l = arg;

    EXPECT_OK(kith_destroy(l->space, info->name));
    l->calls++;
    return 0;
}

/* ---- descriptors ---- */

struct standard {
    const char *address;
    kith_err opened, set;
    int taken; /* how many of the standard descriptors have a file now */
};

/* A daemon, whose standard descriptors are closed.  It cannot say what it finds. */
static void
child_without_descriptors(void *arg)
{
    struct standard *standard = arg;
    kith_space *space = NULL;
    kith_dict *dict = NULL;

    for (int fd = 0; fd <= 2; fd++)
        close(fd);
    standard->opened = kith_open(standard->address, NULL, &space);
    standard->set = kith_dict_open(space, "d", NULL, &dict);
    if (standard->set == KITH_OK)
        standard->set = kith_dict_set(dict, KITH_STR("k"), KITH_STR("v"));
    for (int fd = 0; fd <= 2; fd++)
        standard->taken += fcntl(fd, F_GETFD) >= 0;
    kith_dict_close(dict);
    kith_close(space);
}

TEST_ON(TEST_SHM, space_takes_the_place_of_no_closed_standard_descriptor)
{
    /* Made, opened, and with no name. */
    const char *const addresses[] = { t->address, t->address, "mem://" };

    for (size_t i = 0; i < COUNTOF(addresses); i++) {
        struct standard *standard = test_shared(sizeof(*standard));

        standard->address = addresses[i];
        CHILD_JOIN(test_child(child_without_descriptors, standard));
        EXPECT_RC(KITH_OK, standard->opened);
        EXPECT_RC(KITH_OK, standard->set);
        EXPECT_EQ(0, standard->taken);
    }
}

TEST(space_lists_its_objects_by_name)
{
    kith_space *space = test_space(t);
    kith_dict *d = test_dict(t, "m-dict");
    kith_queue *q = test_queue(t, "a-queue", NULL);
    kith_lease *lease = NULL;
    struct listing l = { .space = space };

    test_lock(t, "z-lock");
    test_event(t, "Z-event");
    for (int i = 0; i < 5; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_INT(i)));
    for (int i = 0; i < 3; i++)
        EXPECT_OK(kith_queue_put(q, KITH_INT(i), 0));
    EXPECT_OK(kith_queue_lease(q, 0, NULL, &lease));
    EXPECT_OK(kith_list(space, note_object, &l));
    EXPECT_STR("Z-event:event:0 a-queue:queue:3 m-dict:dict:5 z-lock:lock:0 ", l.text);
    l = (struct listing){ .space = space, .stop_at = 2 };
    EXPECT_OK(kith_list(space, note_object, &l));
    EXPECT_EQ(2, l.calls);
    EXPECT_OK(kith_lease_ack(lease));
    EXPECT_RC(KITH_EINVAL, kith_list(space, NULL, NULL));
    EXPECT_RC(KITH_EINVAL, kith_list(NULL, note_object, &l));
    l = (struct listing){ .space = space };
    EXPECT_OK(kith_list(space, destroy_object, &l));
    EXPECT_EQ(4, l.calls);
    l.calls = 0;
    EXPECT_OK(kith_list(space, note_object, &l));
    EXPECT_EQ(0, l.calls);
}

static int
note_space(const struct kith_space_info *info, void *arg)
{
    struct listing *l = arg;
    size_t at = strlen(l->text);

    (void)snprintf(l->text + at, sizeof(l->text) - at, "%s:%u ", info->name, info->attached);
    EXPECT_EQ(0, access(info->path, F_OK));
    EXPECT_GE(info->bytes, 4096);
    l->calls++;
    return l->calls == l->stop_at;
}

TEST_ON(TEST_SHM, spaces_of_this_user_are_listed_by_name)
{
    struct listing l = { .calls = 0 };
    kith_space *space = NULL;

    EXPECT_OK(kith_spaces(note_space, &l));
    EXPECT_STR("", l.text);
    test_open(t, "b", NULL);
    test_open(t, "a?size=64M", NULL);
    EXPECT_OK(kith_open("c", NULL, &space));
    kith_close(space);
    EXPECT_OK(kith_spaces(note_space, &l));
    EXPECT_STR("a:1 b:1 c:0 ", l.text);
    l = (struct listing){ .stop_at = 1 };
    EXPECT_OK(kith_spaces(note_space, &l));
    EXPECT_EQ(1, l.calls);
    EXPECT_OK(kith_remove("c"));
    EXPECT_OK(kith_remove("shm://b"));
    l = (struct listing){ .calls = 0 };
    EXPECT_OK(kith_spaces(note_space, &l));
    EXPECT_STR("a:1 ", l.text);
    EXPECT_RC(KITH_EINVAL, kith_spaces(NULL, NULL));
}

static void
child_touches(void *arg)
{
    struct test *t = arg;
    struct kith_stat stat = KITH_STAT_INIT;

    test_dict(t, "d");
    EXPECT_OK(kith_stat(t->space, &stat));
    EXPECT_EQ(2, stat.processes);
}

TEST(space_stat_counts_processes_memory_and_objects)
{
    kith_space *space = test_space(t);
    struct kith_stat stat = KITH_STAT_INIT;
    struct kith_stat later = KITH_STAT_INIT;
    size_t size = 3 << 20;
    void *data = test_bytes(size, 1);
    kith_dict *d;

    EXPECT_OK(kith_stat(space, &stat));
    EXPECT_EQ(0, stat.objects);
    EXPECT_EQ(1, stat.processes);
    EXPECT_EQ(0, stat.reaped);
    d = test_dict(t, "d");
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_bytes(data, size)));
    EXPECT_OK(kith_stat(space, &later));
    EXPECT_EQ(1, later.objects);
    EXPECT_EQ(1, later.threads);
    EXPECT_GE(later.bytes_used, stat.bytes_used + size);
    EXPECT_GE(later.bytes_committed, later.bytes_used);
    EXPECT_EQ(stat.size_limit, later.size_limit);
    CHILD_JOIN(test_child(child_touches, t));
    EXPECT_RC(KITH_EINVAL, kith_stat(NULL, &stat));
    EXPECT_RC(KITH_EINVAL, kith_stat(space, NULL));
    free(data);
}

static int
never_told(const char *sentence, void *arg)
{
    (void)arg;
    FAIL("a violation of a whole space: %s", sentence);
    return 0;
}

TEST(space_check_and_gc_find_nothing_wrong_and_take_nothing)
{
    kith_space *space = test_space(t);
    kith_dict *d = test_dict(t, "d");
    struct kith_report report;

    for (int i = 0; i < 1000; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), KITH_STR("an item that takes a block")));
    memset(&report, 0xff, sizeof(report));
    EXPECT_OK(kith_check(space, &report));
    EXPECT_EQ(0, report.violations);
    EXPECT_STR("", report.first);
    EXPECT_GE(report.blocks, 1000);
    EXPECT_GE(report.objects, 1);
    EXPECT_GE(report.bytes_used, 26000);
    EXPECT_EQ(0, report.bytes_freed);
    memset(&report, 0xff, sizeof(report));
    EXPECT_OK(kith_check_each(space, never_told, NULL, &report));
    EXPECT_EQ(0, report.violations);
    EXPECT_OK(kith_check_each(space, NULL, NULL, &report));
    EXPECT_OK(kith_check(space, NULL));
    EXPECT_OK(kith_gc(space, &report));
    EXPECT_EQ(0, report.removed);
    EXPECT_EQ(0, report.violations);
    EXPECT_LEN(d, 1000);
    EXPECT_RC(KITH_EINVAL, kith_check(NULL, &report));
    EXPECT_RC(KITH_EINVAL, kith_gc(NULL, &report));
}

TEST(space_of_a_small_size_is_full_at_it_and_works_again_after_deletes)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space;
    kith_dict *d = NULL;
    char *data = test_bytes(100000, 1);
    struct kith_report report;
    kith_err err = KITH_OK;
    int held = 0;

    options.size = 8 << 20;
    space = test_open(t, t->address, &options);
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_FAILS(KITH_ETOOBIG, "", kith_dict_set(d, KITH_INT(0), kith_bytes(data, 1 << 30)));
    while (err == KITH_OK && held < 1000) {
        err = kith_dict_set(d, KITH_INT(held), kith_bytes(data, 100000));
        held += err == KITH_OK;
    }
    EXPECT_EQ(KITH_ENOMEM, err);
    EXPECT_GE(held, 10);
    EXPECT_LEN(d, (uint64_t)held);
    for (int i = 0; i < held; i++)
        EXPECT_HOLDS(d, KITH_INT(i), kith_bytes(data, 100000));
    EXPECT_OK(kith_check(space, &report));
    for (int i = 0; i < held / 2; i++)
        EXPECT_OK(kith_dict_delete(d, KITH_INT(i)));
    for (int i = 0; i < held / 2 - 1; i++)
        EXPECT_OK(kith_dict_set(d, KITH_INT(i), kith_bytes(data, 100000)));
    EXPECT_OK(kith_dict_clear(d));
    /* Small items, to the last byte. */
    for (held = 0, err = KITH_OK; err == KITH_OK && held < 10000000; held++)
        err = kith_dict_set(d, KITH_INT(held), KITH_STR("something that takes a block"));
    EXPECT_EQ(KITH_ENOMEM, err);
    EXPECT_OK(kith_check(space, &report));
    EXPECT_EQ(0, report.violations);
    EXPECT_OK(kith_dict_clear(d));
    EXPECT_OK(kith_dict_set(d, KITH_INT(1), kith_bytes(data, 100000)));
    EXPECT_OK(kith_check(space, &report));
    kith_dict_close(d);
    free(data);
}

/* ---- processes and threads ---- */

static void *
thread_opens_and_closes(void *arg)
{
    struct test *t = arg;

    for (int i = 0; i < 50; i++) {
        kith_space *space = NULL;
        kith_dict *d = NULL;

        EXPECT_OK(kith_open(t->address, NULL, &space));
        EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
        EXPECT_OK(kith_dict_add(d, KITH_STR("sum"), 1, NULL));
        kith_dict_close(d);
        kith_close(space);
    }
    return NULL;
}

static void
child_opens_and_closes(void *arg)
{
    pthread_t threads[3];

    for (size_t i = 0; i < COUNTOF(threads); i++)
        threads[i] = test_thread(thread_opens_and_closes, arg);
    for (size_t i = 0; i < COUNTOF(threads); i++)
        test_thread_join(threads[i]);
}

TEST_ON(TEST_NAMED, space_is_opened_and_closed_by_many_at_once)
{
    pid_t pids[4];
    kith_dict *d;

    for (int i = 0; i < 4; i++)
        pids[i] = test_child(child_opens_and_closes, t);
    for (int i = 0; i < 4; i++)
        CHILD_JOIN(pids[i]);
    d = test_dict(t, "d");
    EXPECT_HOLDS(d, KITH_STR("sum"), KITH_INT(600));
}

static void
grandchild_writes(void *arg)
{
    struct test *t = arg;

    EXPECT_OK(kith_dict_add(test_dict(t, "d"), KITH_STR("sum"), 1, NULL));
}

static void
child_forks_again(void *arg)
{
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = test_child(grandchild_writes, arg);
    grandchild_writes(arg);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
}

TEST(space_goes_on_in_children_and_their_children)
{
    kith_dict *d = test_dict(t, "d");
    pid_t pids[3];

    for (int i = 0; i < 3; i++)
        pids[i] = test_child(child_forks_again, t);
    for (int i = 0; i < 3; i++)
        CHILD_JOIN(pids[i]);
    EXPECT_HOLDS(d, KITH_STR("sum"), KITH_INT(12));
}

TEST(space_may_be_closed_before_its_handles)
{
    kith_space *space = NULL;
    kith_dict *d = NULL;
    kith_queue *q = NULL;
    kith_lock *lock = NULL;
    kith_event *event = NULL;

    EXPECT_OK(kith_open(t->address, NULL, &space));
    EXPECT_OK(kith_dict_open(space, "d", NULL, &d));
    EXPECT_OK(kith_queue_open(space, "q", NULL, &q));
    EXPECT_OK(kith_lock_open(space, "l", NULL, &lock));
    EXPECT_OK(kith_event_open(space, "e", NULL, &event));
    EXPECT_OK(kith_lock_acquire(lock, 0));
    kith_close(space);
    kith_dict_close(d);
    kith_queue_close(q);
    kith_lock_close(lock);
    kith_event_close(event);
}
