/*
 * test.c - runs the registered tests, each in a process of its own, and prints TAP.
 *
 * The runner forks; the child leads a process group and runs the body.  What it has to say comes
 * back in a shared page: the first failed expectation of the child, or of any process under it.
 * When the child ends, or its time does, the whole group is killed and the folder removed.
 *
 * The runner prints its results itself rather than by cmocka, whose assertions end a test by a
 * long jump, which no child and no thread could make, and which prints a skipped test as failed.
 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const struct test_engine test_engines[] = {
    { "shm", TEST_SHM, "shm://space" },
    { "mem", TEST_MEM, "mem://" },
    { "file", TEST_FILE, "file://" },
};
const size_t test_engine_count = COUNTOF(test_engines);

enum { SAID_NOTHING, SAID_FAILED, SAID_SKIP };

/* What a test says, shared with everything that it forks. */
static struct {
    atomic_int said;
    char text[4096];
} * word;

static const struct test_engine *engine;
static struct test_case *first_case, *last_case;

void
test_register(struct test_case *test_case)
{
    if (last_case != NULL)
        last_case->next = test_case;
    else
        first_case = test_case;
    last_case = test_case;
}

/* ---- time ---- */

int64_t
test_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * TEST_S + now.tv_nsec;
}

int64_t
test_real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * TEST_S + now.tv_nsec;
}

/* By how much every ceiling is longer than usual. */
static int64_t
patience(void)
{
    const char *text = getenv("KITH_TEST_PATIENCE");
    int64_t factor = text != NULL ? atoi(text) : 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    factor *= 6;
#endif
    return factor > 0 ? factor : 1;
}

bool
test_is_long(void)
{
    const char *text = getenv("KITH_LONG");

    return text != NULL && strcmp(text, "1") == 0;
}

int64_t
test_ceiling_ns(void)
{
    return 30 * TEST_S * patience();
}

void
test_breathe(void)
{
    const struct timespec while_ns = { 0, 200000 };

    nanosleep(&while_ns, NULL);
}

/* ---- expectations ---- */

_Noreturn static void
say(int what, const char *text)
{
    int nothing = SAID_NOTHING;

    if (atomic_compare_exchange_strong(&word->said, &nothing, what)) {
        (void)snprintf(word->text, sizeof(word->text), "%s", text);
    } else if (what == SAID_FAILED) {
        (void)fprintf(stderr, "# and then: %s\n", text);
        (void)fflush(stderr);
    }
    _exit(what == SAID_SKIP ? 77 : 1);
}

_Noreturn void
test_skip(const char *reason)
{
    say(SAID_SKIP, reason);
}

_Noreturn void
test_failed(const char *file, int line, const char *format, ...)
{
    char text[4096];
    const char *base = strrchr(file, '/');
    va_list args;
    int size;

    size = snprintf(text, sizeof(text), "%s:%d: ", base != NULL ? base + 1 : file, line);
    va_start(args, format);
    (void)vsnprintf(text + size, sizeof(text) - (size_t)size, format, args);
    va_end(args);
    say(SAID_FAILED, text);
}

const char *
test_rc_name(kith_err err)
{
    switch ((int)err) {
    case KITH_OK:
        return "KITH_OK";
    case KITH_OWNER_DIED:
        return "KITH_OWNER_DIED";
    case KITH_EVICTED:
        return "KITH_EVICTED";
#define X(name, number, text)                                                                      \
    case KITH_##name:                                                                              \
        return "KITH_" #name;
        KITH_ERR_MAP(X)
#undef X
    default:
        return "an unknown code";
    }
}

void
test_rc(const char *file, int line, const char *call, kith_err want, kith_err got)
{
    const char *sentence = kith_last_error();

    if (want != got)
        test_failed(file, line, "expected %s, got %s (%d) from %s; last error: \"%s\"",
                    test_rc_name(want), test_rc_name(got), (int)got, call, sentence);
    if (got < 0 && sentence[0] == '\0')
        test_failed(file, line, "%s failed with %s and kith_last_error() is empty", call,
                    test_rc_name(got));
}

void
test_eq(const char *file, int line, const char *what, int64_t want, int64_t got)
{
    if (want != got)
        test_failed(file, line, "expected %" PRId64 ", got %" PRId64 " from %s", want, got, what);
}

void
test_ge(const char *file, int line, const char *what, int64_t least, int64_t got)
{
    if (got < least)
        test_failed(file, line, "expected at least %" PRId64 ", got %" PRId64 " from %s", least,
                    got, what);
}

void
test_str(const char *file, int line, const char *what, const char *want, const char *got)
{
    if (got == NULL || strcmp(want, got) != 0)
        test_failed(file, line, "expected \"%s\", got \"%s\" from %s", want, got ? got : "(NULL)",
                    what);
}

void
test_says(const char *file, int line, const char *fragment)
{
    const char *sentence = kith_last_error();
    size_t size = strlen(sentence);

    if (size == 0 || sentence[size - 1] != '.')
        test_failed(file, line, "not a sentence: \"%s\"", sentence);
    if (strstr(sentence, fragment) == NULL)
        test_failed(file, line, "expected \"%s\" in the sentence \"%s\"", fragment, sentence);
}

/* ---- items ---- */

bool
test_items_equal(struct kith_item a, struct kith_item b)
{
    if (a.type != b.type)
        return false;
    switch (a.type) {
    case KITH_TYPE_NONE:
        return true;
    case KITH_TYPE_BOOL:
        return a.boolean == b.boolean;
    case KITH_TYPE_INT:
        return a.integer == b.integer;
    case KITH_TYPE_FLOAT:
        return memcmp(&a.real, &b.real, sizeof(a.real)) == 0;
    default:
        if (a.size != b.size || (a.size > 0 && memcmp(a.data, b.data, a.size) != 0))
            return false;
        return a.type != KITH_TYPE_FOREIGN || strcmp(a.tag, b.tag) == 0;
    }
}

static void
item_text(struct kith_item item, char *text, size_t room)
{
    static const char *const names[] = { "none",  "bool",   "int",    "float",   "str",
                                         "bytes", "bigint", "packed", "foreign", "reference" };
    const unsigned char *data = item.data;
    int at;

    at = snprintf(text, room, "%s",
                  (size_t)item.type < COUNTOF(names) ? names[item.type] : "no type");
    if (item.type == KITH_TYPE_BOOL)
        (void)snprintf(text + at, room - (size_t)at, " %s", item.boolean ? "true" : "false");
    else if (item.type == KITH_TYPE_INT)
        (void)snprintf(text + at, room - (size_t)at, " %" PRId64, item.integer);
    else if (item.type == KITH_TYPE_FLOAT)
        (void)snprintf(text + at, room - (size_t)at, " %.17g", item.real);
    else if (item.type != KITH_TYPE_NONE) {
        at += snprintf(text + at, room - (size_t)at, " of %zu bytes:", item.size);
        for (size_t i = 0; i < item.size && i < 32; i++)
            at += snprintf(text + at, room - (size_t)at,
                           data[i] > ' ' && data[i] < 127 ? " %c" : " %02x", data[i]);
        if (item.type == KITH_TYPE_FOREIGN)
            (void)snprintf(text + at, room - (size_t)at, " tagged \"%s\"",
                           item.tag ? item.tag : "(NULL)");
    }
}

void
test_item(const char *file, int line, const char *what, struct kith_item want, struct kith_item got)
{
    char want_text[512];
    char got_text[512];

    if (test_items_equal(want, got))
        return;
    item_text(want, want_text, sizeof(want_text));
    item_text(got, got_text, sizeof(got_text));
    test_failed(file, line, "expected %s, got %s%s from %s", want_text, got_text,
                got.tag == kith_absent ? " (absent)" : "", what);
}

void
test_dict_holds(const char *file, int line, kith_dict *dict, struct kith_item key,
                struct kith_item want)
{
    struct kith_buf item = KITH_BUF_INIT;

    test_rc(file, line, "kith_dict_get", KITH_OK, kith_dict_get(dict, key, &item));
    test_item(file, line, "kith_dict_get", want, item.item);
    kith_buf_free(&item);
}

void
test_dict_len(const char *file, int line, kith_dict *dict, uint64_t want)
{
    uint64_t count;

    test_rc(file, line, "kith_dict_len", KITH_OK, kith_dict_len(dict, &count));
    test_eq(file, line, "kith_dict_len", (int64_t)want, (int64_t)count);
}

void
test_queue_gives(const char *file, int line, kith_queue *queue, struct kith_item want)
{
    struct kith_buf item = KITH_BUF_INIT;

    test_rc(file, line, "kith_queue_get", KITH_OK, kith_queue_get(queue, 0, &item));
    test_item(file, line, "kith_queue_get", want, item.item);
    kith_buf_free(&item);
}

void
test_queue_len(const char *file, int line, kith_queue *queue, uint64_t want)
{
    uint64_t count;

    test_rc(file, line, "kith_queue_len", KITH_OK, kith_queue_len(queue, &count));
    test_eq(file, line, "kith_queue_len", (int64_t)want, (int64_t)count);
}

/* Never looked into: only compared. */
static const char untouched_data[] = "untouched";

struct kith_buf
test_untouched_buf(void)
{
    struct kith_buf buf = KITH_BUF_INIT;

    buf.item.type = KITH_TYPE_BYTES;
    buf.item.integer = 7734;
    buf.item.data = untouched_data;
    buf.item.size = 77;
    buf.item.tag = untouched_data;
    return buf;
}

void
test_untouched(const char *file, int line, const struct kith_buf *buf)
{
    if (buf->item.type != KITH_TYPE_BYTES || buf->item.integer != 7734 ||
        buf->item.data != untouched_data || buf->item.size != 77 ||
        buf->item.tag != untouched_data || buf->memory != NULL || buf->capacity != 0)
        test_failed(file, line, "a result was touched on an error");
}

static struct kith_item
with_data(kith_type type, const void *data, size_t size)
{
    struct kith_item item = kith_none();

    item.type = type;
    item.data = data;
    item.size = size;
    return item;
}

struct kith_item
test_packed(const void *data, size_t size)
{
    return with_data(KITH_TYPE_PACKED, data, size);
}

struct kith_item
test_bigint(const void *data, size_t size)
{
    return with_data(KITH_TYPE_BIGINT, data, size);
}

struct kith_item
test_foreign(const void *data, size_t size, const char *tag)
{
    struct kith_item item = with_data(KITH_TYPE_FOREIGN, data, size);

    item.tag = tag;
    return item;
}

struct kith_item
test_reference(const char *name)
{
    return with_data(KITH_TYPE_REFERENCE, name, strlen(name));
}

void *
test_bytes(size_t size, uint64_t seed)
{
    struct test_random random = { seed };
    unsigned char *data = malloc(size > 0 ? size : 1);
    uint64_t value;

    if (data == NULL)
        FAIL("no memory for %zu bytes", size);
    for (size_t i = 0; i < size; i += sizeof(value)) {
        value = test_random_next(&random);
        memcpy(data + i, &value, size - i < sizeof(value) ? size - i : sizeof(value));
    }
    return data;
}

/* ---- randomness ---- */

struct test_random
test_random_new(void)
{
    const char *text = getenv("KITH_TEST_SEED");
    struct test_random random = { 0 };

    if (text != NULL)
        random.state = strtoull(text, NULL, 0);
    else if (getrandom(&random.state, sizeof(random.state), 0) != sizeof(random.state))
        random.state = (uint64_t)test_real_ns();
    (void)printf("# KITH_TEST_SEED=0x%" PRIx64 "\n", random.state);
    (void)fflush(stdout);
    return random;
}

/* SplitMix64: a counter, well stirred. */
uint64_t
test_random_next(struct test_random *random)
{
    uint64_t x = random->state += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t
test_random_below(struct test_random *random, uint64_t bound)
{
    return test_random_next(random) % bound;
}

/* ---- handles ---- */

void
test_keep(struct test *t, void *handle, void (*close)(void *handle))
{
    if (t->handle_count == TEST_HANDLES_MAX)
        FAIL("a test opened more than %d handles", TEST_HANDLES_MAX);
    t->handles[t->handle_count].handle = handle;
    t->handles[t->handle_count].close = close;
    t->handle_count++;
}

static void
close_space(void *handle)
{
    kith_close(handle);
}

static void
close_dict(void *handle)
{
    kith_dict_close(handle);
}

static void
close_queue(void *handle)
{
    kith_queue_close(handle);
}

static void
close_lock(void *handle)
{
    kith_lock_close(handle);
}

static void
close_event(void *handle)
{
    kith_event_close(handle);
}

static void
close_value(void *handle)
{
    kith_value_close(handle);
}

static void
close_array(void *handle)
{
    kith_array_close(handle);
}

kith_space *
test_open(struct test *t, const char *address, const struct kith_options *options)
{
    kith_space *space = NULL;

    EXPECT_OK(kith_open(address, options, &space));
    test_keep(t, space, close_space);
    return space;
}

kith_space *
test_space(struct test *t)
{
    if (t->space == NULL)
        t->space = test_open(t, t->address, NULL);
    return t->space;
}

kith_dict *
test_dict(struct test *t, const char *name)
{
    kith_dict *dict = NULL;

    EXPECT_OK(kith_dict_open(test_space(t), name, NULL, &dict));
    test_keep(t, dict, close_dict);
    return dict;
}

kith_queue *
test_queue(struct test *t, const char *name, const struct kith_queue_options *options)
{
    kith_queue *queue = NULL;

    EXPECT_OK(kith_queue_open(test_space(t), name, options, &queue));
    test_keep(t, queue, close_queue);
    return queue;
}

kith_lock *
test_lock(struct test *t, const char *name)
{
    kith_lock *lock = NULL;

    EXPECT_OK(kith_lock_open(test_space(t), name, NULL, &lock));
    test_keep(t, lock, close_lock);
    return lock;
}

kith_event *
test_event(struct test *t, const char *name)
{
    kith_event *event = NULL;

    EXPECT_OK(kith_event_open(test_space(t), name, NULL, &event));
    test_keep(t, event, close_event);
    return event;
}

kith_value *
test_value(struct test *t, const char *name, const struct kith_value_options *options)
{
    kith_value *value = NULL;

    EXPECT_OK(kith_value_open(test_space(t), name, options, &value));
    test_keep(t, value, close_value);
    return value;
}

kith_array *
test_array(struct test *t, const char *name, const struct kith_array_options *options)
{
    kith_array *array = NULL;

    EXPECT_OK(kith_array_open(test_space(t), name, options, &array));
    test_keep(t, array, close_array);
    return array;
}

void
test_whole(const char *file, int line, kith_space *space)
{
    struct kith_report report;
    kith_err err = kith_check(space, &report);

    if (err != KITH_OK && err != KITH_ECORRUPT)
        test_rc(file, line, "kith_check", KITH_OK, err);
    if (err != KITH_OK || report.violations != 0)
        test_failed(file, line, "kith_check found %" PRIu64 " violations, first: %s",
                    report.violations, report.first);
}

/* ---- threads ---- */

pthread_t
test_thread(void *(*run)(void *arg), void *arg)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, run, arg);

    if (error != 0)
        FAIL("no thread: %s", strerror(error));
    return thread;
}

static struct timespec
real_ceiling(void)
{
    int64_t at_ns = test_real_ns() + test_ceiling_ns();

    return (struct timespec){ at_ns / TEST_S, at_ns % TEST_S };
}

void *
test_thread_join(pthread_t thread)
{
    struct timespec ceiling = real_ceiling();
    void *result = NULL;

    if (pthread_timedjoin_np(thread, &result, &ceiling) != 0)
        FAIL("a thread did not end");
    return result;
}

/* ---- shared memory and gates ---- */

void *
test_shared(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        FAIL("no shared memory: %s", strerror(errno));
    return memory;
}

sem_t *
test_gate(void)
{
    sem_t *gate = test_shared(sizeof(*gate));

    if (sem_init(gate, 1, 0) != 0)
        FAIL("no semaphore: %s", strerror(errno));
    return gate;
}

void
test_gate_open(sem_t *gate)
{
    if (sem_post(gate) != 0)
        FAIL("sem_post: %s", strerror(errno));
}

void
test_gate_wait(const char *file, int line, sem_t *gate)
{
    struct timespec ceiling = real_ceiling();

    while (sem_timedwait(gate, &ceiling) != 0) {
        if (errno != EINTR)
            test_failed(file, line, "a gate was never opened");
    }
}

/* ---- children ---- */

pid_t
test_child(void (*run)(void *arg), void *arg)
{
    pid_t pid;

    (void)fflush(NULL);
    pid = fork();
    if (pid < 0)
        FAIL("fork: %s", strerror(errno));
    if (pid == 0) {
        run(arg);
        exit(0);
    }
    return pid;
}

static bool
ended_by_looking(pid_t pid, int64_t deadline_ns)
{
    siginfo_t info = { .si_pid = 0 };

    while (info.si_pid != pid) {
        if (test_now_ns() >= deadline_ns)
            return false;
        if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
            FAIL("waitid: %s", strerror(errno));
        test_breathe();
    }
    return true;
}

/* Waits until the process is a zombie; false at the ceiling. */
static bool
ended_by(pid_t pid, int64_t deadline_ns)
{
    struct pollfd ended = { .events = POLLIN };
    int64_t left_ns;
    int result = 0;

    ended.fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (ended.fd < 0 && errno == ENOSYS) /* valgrind knows no such call */
        return ended_by_looking(pid, deadline_ns);
    if (ended.fd < 0)
        FAIL("pidfd_open: %s", strerror(errno));
    while (result <= 0 && (left_ns = deadline_ns - test_now_ns()) > 0)
        result = poll(&ended, 1, (int)(left_ns / TEST_MS) + 1);
    close(ended.fd);
    return result > 0;
}

static int
reap(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            FAIL("waitpid: %s", strerror(errno));
    }
    return status;
}

void
test_child_join(const char *file, int line, pid_t pid, int64_t ceiling_ns)
{
    int status;

    if (!ended_by(pid, test_now_ns() + ceiling_ns))
        test_failed(file, line, "child %d did not end", (int)pid);
    status = reap(pid);
    if (WIFSIGNALED(status))
        test_failed(file, line, "child %d was ended by signal %d", (int)pid, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        test_failed(file, line, "child %d ended with status %d", (int)pid, WEXITSTATUS(status));
}

int
test_child_end(const char *file, int line, pid_t pid)
{
    if (!ended_by(pid, test_now_ns() + test_ceiling_ns()))
        test_failed(file, line, "child %d did not end", (int)pid);
    return reap(pid);
}

void
test_child_kill(pid_t pid)
{
    int status;

    if (kill(pid, SIGKILL) != 0)
        FAIL("kill: %s", strerror(errno));
    status = reap(pid);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
        FAIL("a child had ended with status 0x%x before it was killed", (unsigned)status);
}

void
test_child_stop(pid_t pid)
{
    int status = 0;

    if (kill(pid, SIGSTOP) != 0)
        FAIL("kill: %s", strerror(errno));
    while (waitpid(pid, &status, WUNTRACED) < 0 && errno == EINTR)
        ;
    if (!WIFSTOPPED(status))
        FAIL("a child ended with status 0x%x instead of stopping", (unsigned)status);
}

void
test_child_go_on(pid_t pid)
{
    if (kill(pid, SIGCONT) != 0)
        FAIL("kill: %s", strerror(errno));
}

/* Reads a file of /proc into `text`; false if there is none. */
static bool
read_proc(pid_t pid, pid_t tid, const char *name, char *text, size_t room)
{
    char path[96];
    ssize_t got;
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", (int)pid, (int)tid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    got = read(fd, text, room - 1);
    close(fd);
    if (got <= 0)
        return false;
    text[got] = '\0';
    return true;
}

/* Sleeps, and in a futex call as far as we may see it. */
static bool
asleep(const char *file, int line, pid_t pid, pid_t tid)
{
    char text[1024];
    const char *state;
    long call;

    if (!read_proc(pid, tid, "stat", text, sizeof(text)))
        test_failed(file, line, "thread %d ended instead of waiting", (int)tid);
    state = strrchr(text, ')');
    if (state == NULL || state[2] != 'S') {
        if (state != NULL && (state[2] == 'Z' || state[2] == 'X'))
            test_failed(file, line, "thread %d ended instead of waiting", (int)tid);
        return false;
    }
    if (!read_proc(pid, tid, "syscall", text, sizeof(text)))
        return true;
    call = atol(text);
    return call == SYS_futex || call == SYS_futex_waitv;
}

void
test_until_asleep(const char *file, int line, pid_t pid, pid_t tid)
{
    int64_t deadline_ns = test_now_ns() + test_ceiling_ns();

    if (tid == 0)
        tid = pid;
    while (!asleep(file, line, pid, tid)) {
        if (test_now_ns() > deadline_ns)
            test_failed(file, line, "thread %d never went to sleep", (int)tid);
        test_breathe();
    }
}

/* ---- the runner ---- */

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st;
    (void)kind;
    (void)ftw;
    (void)remove(path);
    return 0;
}

/* What went wrong outside a test's own process. */
static char trouble[512];

/* Memory for shm, a file system that is stored for file. */
static bool
make_folder(struct test *t)
{
    const char *parent = getenv("TMPDIR");
    char dir[300];

    if (t->engine->bit != TEST_FILE && access("/dev/shm", W_OK) == 0)
        parent = "/dev/shm";
    else if (parent == NULL || parent[0] == '\0')
        parent = "/tmp";
    (void)snprintf(t->folder, sizeof(t->folder), "%s/kith-test.XXXXXX", parent);
    if (mkdtemp(t->folder) == NULL) {
        (void)snprintf(trouble, sizeof(trouble), "no folder %s: %s", t->folder, strerror(errno));
        return false;
    }
    (void)snprintf(dir, sizeof(dir), "%s/dir", t->folder);
    if (mkdir(dir, 0700) != 0 || setenv("KITH_DIR", dir, 1) != 0) {
        (void)snprintf(trouble, sizeof(trouble), "no folder %s: %s", dir, strerror(errno));
        return false;
    }
    if (t->engine->bit == TEST_FILE)
        (void)snprintf(t->address, sizeof(t->address), "file://%s/space", t->folder);
    else
        (void)snprintf(t->address, sizeof(t->address), "%s", t->engine->address);
    return true;
}

_Noreturn static void
run_body(const struct test_case *test_case, struct test *t)
{
    test_case->body(t);
    if (t->space != NULL && !t->damaged)
        EXPECT_WHOLE(t->space);
    while (t->handle_count > 0) {
        t->handle_count--;
        t->handles[t->handle_count].close(t->handles[t->handle_count].handle);
    }
    exit(0);
}

/* Runs one test in a process group of its own.  NULL: it passed; else what went wrong. */
static const char *
run_case(const struct test_case *test_case)
{
    struct test t = { .engine = engine };
    int64_t ceiling_ns = test_case->ceiling_s * TEST_S * patience() * (test_is_long() ? 10 : 1);
    bool in_time;
    int status = 0;
    pid_t pid;

    memset(word, 0, sizeof(*word));
    if (!make_folder(&t))
        return trouble;
    (void)fflush(NULL);
    pid = fork();
    if (pid < 0)
        return "there is no process for it";
    if (pid == 0) {
        setpgid(0, 0);
        run_body(test_case, &t);
    }
    setpgid(pid, pid);
    in_time = ended_by(pid, test_now_ns() + ceiling_ns);
    /* The group lasts as long as its leader is not reaped: nobody else can have its number. */
    (void)kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)nftw(t.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    if (atomic_load(&word->said) == SAID_SKIP)
        return NULL;
    if (atomic_load(&word->said) == SAID_FAILED)
        return word->text;
    if (!in_time)
        (void)snprintf(trouble, sizeof(trouble), "not done after %d s", (int)(ceiling_ns / TEST_S));
    else if (WIFSIGNALED(status))
        (void)snprintf(trouble, sizeof(trouble), "ended by signal %d", WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        (void)snprintf(trouble, sizeof(trouble), "ended with status %d", WEXITSTATUS(status));
    else
        return NULL;
    return trouble;
}

static bool
is_wanted(const struct test_case *test_case, int argc, char **argv)
{
    if ((test_case->engines & engine->bit) == 0)
        return false;
    for (int i = 2; i < argc; i++) {
        if (strstr(test_case->name, argv[i]) != NULL)
            return true;
    }
    return argc <= 2;
}

/* In the library, not in its headers: how often a sleeper looks for the dead unasked. */
extern int64_t kith__recheck_ns;

int
main(int argc, char **argv)
{
    int count = 0;
    int number = 0;
    int failed = 0;

    /* A wait that passes here was ended by an event: no slow re-check stands behind it. */
    kith__recheck_ns = INT64_MAX;
    for (size_t i = 0; i < test_engine_count; i++) {
        if (argc > 1 ? strcmp(argv[1], test_engines[i].name) == 0 : i == 0)
            engine = &test_engines[i];
    }
    if (engine == NULL) {
        (void)fprintf(stderr, "%s: there is no engine \"%s\"\n", argv[0], argv[1]);
        return 2;
    }
    for (struct test_case *c = first_case; c != NULL; c = c->next)
        count += is_wanted(c, argc, argv);
    (void)printf("1..%d\n", count);
    word = test_shared(sizeof(*word));
    for (struct test_case *c = first_case; c != NULL; c = c->next) {
        const char *why;

        if (!is_wanted(c, argc, argv))
            continue;
        why = run_case(c);
        number++;
        if (why != NULL)
            (void)printf("not ok %d - %s\n# %s\n", number, c->name, why);
        else if (atomic_load(&word->said) == SAID_SKIP)
            (void)printf("ok %d - %s # SKIP %s\n", number, c->name, word->text);
        else
            (void)printf("ok %d - %s\n", number, c->name);
        (void)fflush(stdout);
        failed += why != NULL;
    }
    return failed == 0 ? 0 : 1;
}
