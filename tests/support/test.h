/*
 * test.h - what the tests over the public interface stand on.
 *
 * TEST(a_sentence_about_what_holds) { … } defines and registers a test.  Each runs in a process of
 * its own, with a folder, a space name and a time limit of its own, so that one that hangs or dies
 * takes nothing else along.  When its body returns, every handle that it had from test_space() and
 * its like is closed, after kith_check() has found the space whole.
 *
 * A test is written once and run on every engine: the executable takes the engine's name as its
 * first argument (see test_engines; the first of them without one), and parts of tests' names as
 * further ones to run only those.  KITH_TEST_PATIENCE=N in the environment multiplies every
 * ceiling, for valgrind and the like; sanitizers do so by themselves.
 *
 * A failed expectation prints both values and ends the process, in a test's child and in a thread
 * as well.
 *
 * Tests wait for events.  A wait that could last for ever ends at a ceiling of 30 s and is then a
 * failure, so that no ceiling is ever reached by a test that passes, not even beside others that
 * take the machine for seconds.
 */
#ifndef KITH_TEST_H
#define KITH_TEST_H

#include <inttypes.h>
#include <kith.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#define COUNTOF(array) (sizeof(array) / sizeof((array)[0]))

#define TEST_US INT64_C(1000)
#define TEST_MS INT64_C(1000000)
#define TEST_S INT64_C(1000000000)

/* ---- engines ---- */

enum { TEST_SHM = 1, TEST_MEM = 2, TEST_FILE = 4 };
#define TEST_ANY (~0u)
/* Engines whose address leads another opener to the same space. */
#define TEST_NAMED (TEST_SHM | TEST_FILE)

struct test_engine {
    const char *name; /* the executable's first argument */
    unsigned bit;
    const char *address; /* of its space; for file what comes before the path */
};
extern const struct test_engine test_engines[];
extern const size_t test_engine_count;

/* ---- tests ---- */

#define TEST_HANDLES_MAX 64

struct test {
    const struct test_engine *engine;
    char folder[256];  /* made for this test, and removed after it; KITH_DIR is in it */
    char address[512]; /* of this test's own space; nothing is there yet */
    kith_space *space; /* test_space() */
    bool damaged;      /* set by a test that breaks its space on purpose: it is not checked */
    size_t handle_count;
    struct {
        void *handle;
        void (*close)(void *handle);
    } handles[TEST_HANDLES_MAX];
};

struct test_case {
    const char *name;
    unsigned engines;
    int ceiling_s;
    void (*body)(struct test *t);
    struct test_case *next;
};
void test_register(struct test_case *test_case);

#define TEST_FULL(engines, ceiling_s, name)                                                        \
    static void name(struct test *t);                                                              \
    static struct test_case name##_case = { #name, (engines), (ceiling_s), name, NULL };           \
    __attribute__((constructor)) static void name##_register(void)                                 \
    {                                                                                              \
        test_register(&name##_case);                                                               \
    }                                                                                              \
    static void name(__attribute__((unused)) struct test *t)
/* A test on every engine; on those named; one that takes longer. */
#define TEST(name) TEST_FULL(TEST_ANY, 180, name)
#define TEST_ON(engines, name) TEST_FULL(engines, 180, name)
#define TEST_LONG(ceiling_s, name) TEST_FULL(TEST_ANY, ceiling_s, name)

/* Ends the test: it could not be tried here, for this reason. */
_Noreturn void test_skip(const char *reason);

/* Whether this is a run of ./check --long: random tests then do ten times as much. */
bool test_is_long(void);

/* The ceiling of one wait, in nanoseconds. */
int64_t test_ceiling_ns(void);
int64_t test_now_ns(void);
int64_t test_real_ns(void);

/* ---- expectations ---- */

_Noreturn void test_failed(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void test_rc(const char *file, int line, const char *call, kith_err want, kith_err got);
void test_eq(const char *file, int line, const char *what, int64_t want, int64_t got);
void test_ge(const char *file, int line, const char *what, int64_t least, int64_t got);
void test_str(const char *file, int line, const char *what, const char *want, const char *got);
void test_says(const char *file, int line, const char *fragment);
void test_item(const char *file, int line, const char *what, struct kith_item want,
               struct kith_item got);

#define EXPECT_RC(want, call) test_rc(__FILE__, __LINE__, #call, (want), (call))
#define EXPECT_OK(call) EXPECT_RC(KITH_OK, call)
/* The call fails as given, and kith_last_error() is a sentence with `fragment` in it. */
#define EXPECT_FAILS(want, fragment, call)                                                         \
    (EXPECT_RC(want, call), test_says(__FILE__, __LINE__, fragment))
#define EXPECT_EQ(want, got) test_eq(__FILE__, __LINE__, #got, (int64_t)(want), (int64_t)(got))
#define EXPECT_GE(got, least) test_ge(__FILE__, __LINE__, #got, (int64_t)(least), (int64_t)(got))
#define EXPECT_STR(want, got) test_str(__FILE__, __LINE__, #got, want, got)
#define EXPECT_ITEM(want, got) test_item(__FILE__, __LINE__, #got, want, got)
#define EXPECT_TRUE(condition)                                                                     \
    ((condition) ? (void)0 : test_failed(__FILE__, __LINE__, "not true: %s", #condition))
#define FAIL(...) test_failed(__FILE__, __LINE__, __VA_ARGS__)

/* "KITH_ENOENT" */
const char *test_rc_name(kith_err err);

/* ---- spaces and handles, closed when the test ends ---- */

/* The test's own space, opened at the first call; more openings of it, and of other addresses. */
kith_space *test_space(struct test *t);
kith_space *test_open(struct test *t, const char *address, const struct kith_options *options);
kith_dict *test_dict(struct test *t, const char *name);
kith_queue *test_queue(struct test *t, const char *name, const struct kith_queue_options *options);
kith_lock *test_lock(struct test *t, const char *name);
kith_event *test_event(struct test *t, const char *name);
kith_array *test_array(struct test *t, const char *name, const struct kith_array_options *options);
kith_value *test_value(struct test *t, const char *name, const struct kith_value_options *options);
/* Has `close` called with the handle when the test ends. */
void test_keep(struct test *t, void *handle, void (*close)(void *handle));

/* Checks a space: KITH_OK and not one violation. */
void test_whole(const char *file, int line, kith_space *space);
#define EXPECT_WHOLE(space) test_whole(__FILE__, __LINE__, space)

/* ---- items ---- */

/* What each wants to see; the key or the item is compared with type, bytes and tag. */
void test_dict_holds(const char *file, int line, kith_dict *dict, struct kith_item key,
                     struct kith_item want);
#define EXPECT_HOLDS(dict, key, want) test_dict_holds(__FILE__, __LINE__, dict, key, want)
void test_dict_len(const char *file, int line, kith_dict *dict, uint64_t want);
#define EXPECT_LEN(dict, want) test_dict_len(__FILE__, __LINE__, dict, want)
void test_queue_gives(const char *file, int line, kith_queue *queue, struct kith_item want);
#define EXPECT_GIVES(queue, want) test_queue_gives(__FILE__, __LINE__, queue, want)
void test_queue_len(const char *file, int line, kith_queue *queue, uint64_t want);
#define EXPECT_QUEUE_LEN(queue, want) test_queue_len(__FILE__, __LINE__, queue, want)

bool test_items_equal(struct kith_item a, struct kith_item b);

/* A buffer that no function may touch, and whether none did. */
struct kith_buf test_untouched_buf(void);
void test_untouched(const char *file, int line, const struct kith_buf *buf);
#define EXPECT_UNTOUCHED(buf) test_untouched(__FILE__, __LINE__, buf)

struct kith_item test_packed(const void *data, size_t size);
struct kith_item test_bigint(const void *data, size_t size);
struct kith_item test_foreign(const void *data, size_t size, const char *tag);
struct kith_item test_reference(const char *name);
#define PACKED(bytes) test_packed(bytes, sizeof(bytes) - 1)
#define BIGINT(bytes) test_bigint(bytes, sizeof(bytes) - 1)

/* `size` bytes that differ by `seed`, from malloc. */
void *test_bytes(size_t size, uint64_t seed);

/* ---- randomness ---- */

struct test_random {
    uint64_t state;
};
/* From KITH_TEST_SEED in the environment, else a new one; prints it, so that a run can be had
 * again. */
struct test_random test_random_new(void);
uint64_t test_random_next(struct test_random *random);
uint64_t test_random_below(struct test_random *random, uint64_t bound);

/* ---- threads ---- */

pthread_t test_thread(void *(*run)(void *arg), void *arg);
void *test_thread_join(pthread_t thread);

/* ---- memory and gates that a test shares with its children ---- */

/* Zeroed memory, seen by this process and all that it forks from now on. */
void *test_shared(size_t size);
sem_t *test_gate(void);
void test_gate_open(sem_t *gate); /* lets one through */
void test_gate_wait(const char *file, int line, sem_t *gate);
#define GATE_WAIT(gate) test_gate_wait(__FILE__, __LINE__, gate)

/* ---- children ---- */

/* Forks a child that runs `run` and then ends in an orderly way, by exit(0). */
pid_t test_child(void (*run)(void *arg), void *arg);
/* Waits for its end, which must have been exit(0). */
void test_child_join(const char *file, int line, pid_t pid, int64_t ceiling_ns);
#define CHILD_JOIN(pid) test_child_join(__FILE__, __LINE__, pid, test_ceiling_ns())
#define CHILD_JOIN_LONG(pid, ceiling_s)                                                            \
    test_child_join(__FILE__, __LINE__, pid, (ceiling_s)*test_ceiling_ns() / 10)
/* Waits for its end, however it came, and returns the status of waitpid. */
int test_child_end(const char *file, int line, pid_t pid);
#define CHILD_END(pid) test_child_end(__FILE__, __LINE__, pid)
/* SIGKILL, and waits until it is gone. */
void test_child_kill(pid_t pid);
/* SIGSTOP, and waits until it stands; SIGCONT. */
void test_child_stop(pid_t pid);
void test_child_go_on(pid_t pid);
/* Returns when thread `tid` of process `pid` (0: its first) sleeps in a futex call. */
void test_until_asleep(const char *file, int line, pid_t pid, pid_t tid);
#define UNTIL_ASLEEP(pid, tid) test_until_asleep(__FILE__, __LINE__, pid, tid)
/* Sleeps for a little while between two looks at something that has no event of its own. */
void test_breathe(void);
/* Looks until `condition` holds. */
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t until_ns = test_now_ns() + test_ceiling_ns();                                      \
        while (!(condition)) {                                                                     \
            if (test_now_ns() > until_ns)                                                          \
                FAIL("never became true: %s", #condition);                                         \
            test_breathe();                                                                        \
        }                                                                                          \
    } while (0)

#endif /* KITH_TEST_H */
