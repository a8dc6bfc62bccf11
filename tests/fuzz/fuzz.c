/*
 * fuzz.c - starts rounds, watches them, and says what became of them.
 *
 * The runner shares one page with the round and all its processes.  Each of them has a slot there,
 * with the call it is in, so that a round that hangs or dies can be named precisely.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 8
#define ROUND_LIMIT_S 60
#define ENOUGH_S 4 /* of a round; it then only ends what it began */
#define CALL_LIMIT_S 45
#define FAILURES_SHOWN 8
#define SECOND_NS INT64_C(1000000000)

struct slot {
    _Atomic pid_t pid; /* 0: nobody's, or over */
    const char *_Atomic call;
    _Atomic int64_t since_ns;
};

static struct {
    atomic_int failed; /* first to set it writes `why` */
    char why[512];
    struct slot slot[SLOTS];
    _Atomic int64_t longest_ns;
    const char *_Atomic longest_call;
    _Atomic uint64_t count[FUZZ_COUNTS];
} * page;

static const char *const count_names[FUZZ_COUNTS] = { "opened", "refused", "calls",
                                                      "called corrupt", "damages" };
static char folder[256];
static char output_path[300];
static uint64_t state;
static int my_slot;
static int64_t round_began_ns;
static pid_t killed_pid;

/* ---- random numbers ---- */

/* SplitMix64: a counter, well stirred. */
static uint64_t
stir(uint64_t *counter)
{
    uint64_t x = *counter += UINT64_C(0x9e3779b97f4a7c15);

    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t
fuzz_next(void)
{
    return stir(&state);
}

uint64_t
fuzz_below(uint64_t bound)
{
    return bound > 0 ? fuzz_next() % bound : 0;
}

bool
fuzz_percent(unsigned chance)
{
    return fuzz_below(100) < chance;
}

void
fuzz_branch(uint64_t salt)
{
    state ^= stir(&salt);
}

/* ---- the rest of what a round calls ---- */

const char *
fuzz_folder(void)
{
    return folder;
}

int64_t
fuzz_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * SECOND_NS + now.tv_nsec;
}

int64_t
fuzz_patience(void)
{
    const char *text = getenv("KITH_TEST_PATIENCE");
    int64_t factor = text != NULL ? atoi(text) : 1;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    factor *= 6;
#endif
    return factor > 0 ? factor : 1;
}

static void
fail_with(const char *format, va_list arguments)
{
    int none = 0;

    if (atomic_compare_exchange_strong(&page->failed, &none, 1))
        (void)vsnprintf(page->why, sizeof(page->why), format, arguments);
}

void
fuzz_failed(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    fail_with(format, arguments);
    va_end(arguments);
    _exit(1);
}

void
fuzz_doing(const char *call)
{
    struct slot *slot = &page->slot[my_slot];

    atomic_store(&slot->call, call);
    atomic_store(&slot->since_ns, fuzz_now_ns());
    fuzz_tally(FUZZ_CALLS);
}

int
fuzz_did(int result)
{
    struct slot *slot = &page->slot[my_slot];
    int64_t took_ns = fuzz_now_ns() - atomic_load(&slot->since_ns);

    if (took_ns > atomic_load(&page->longest_ns)) {
        atomic_store(&page->longest_ns, took_ns);
        atomic_store(&page->longest_call, atomic_load(&slot->call));
    }
    if (took_ns > CALL_LIMIT_S * SECOND_NS * fuzz_patience())
        fuzz_failed("%s took %.1f s", atomic_load(&slot->call), (double)took_ns / 1e9);
    if (result == KITH_ECORRUPT)
        fuzz_tally(FUZZ_CORRUPT);
    if (result < 0 && kith_last_error()[0] == '\0')
        fuzz_failed("%s gave %d and no sentence", atomic_load(&slot->call), result);
    return result;
}

bool
fuzz_enough(void)
{
    return fuzz_now_ns() - round_began_ns > ENOUGH_S * SECOND_NS * fuzz_patience();
}

void
fuzz_tally(enum fuzz_count count)
{
    atomic_fetch_add(&page->count[count], 1);
}

/* ---- processes of a round ---- */

/* Says where it stood, and lets the signal do what it does. */
static void
on_death(int number)
{
    void *frames[64];
    char line[300];
    int count = backtrace(frames, COUNTOF(frames));
    int length = snprintf(line, sizeof(line), "# signal %d in pid %d, in %s\n", number,
                          (int)getpid(), atomic_load(&page->slot[my_slot].call));

    (void)!write(STDERR_FILENO, line, (size_t)length);
    backtrace_symbols_fd(frames, count, STDERR_FILENO);
    signal(number, SIG_DFL);
    if (number == SIGUSR2)
        _exit(1);
    raise(number);
}

static void
be_watched(void)
{
    static const int numbers[] = { SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGUSR2 };
    static char stack[65536];
    stack_t alternative = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction action = { .sa_handler = on_death, .sa_flags = SA_ONSTACK | SA_NODEFER };
    const struct rlimit none = { 0, 0 };

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setrlimit(RLIMIT_CORE, &none);
    sigaltstack(&alternative, NULL);
    for (size_t i = 0; i < COUNTOF(numbers); i++) {
#if defined(__SANITIZE_ADDRESS__)
        if (numbers[i] != SIGUSR2)
            continue; /* the sanitizer has more to say */
#endif
        sigaction(numbers[i], &action, NULL);
    }
    atomic_store(&page->slot[my_slot].call, "nothing yet");
    atomic_store(&page->slot[my_slot].pid, getpid());
}

pid_t
fuzz_child(void (*run)(void *arg), void *arg)
{
    int slot = 1;
    pid_t pid;

    while (slot < SLOTS && atomic_load(&page->slot[slot].pid) != 0)
        slot++;
    if (slot == SLOTS)
        fuzz_failed("a round with more than %d processes", SLOTS);
    pid = fork();
    if (pid < 0)
        fuzz_failed("fork: %s", strerror(errno));
    if (pid == 0) {
        my_slot = slot;
        be_watched();
        run(arg);
        _exit(0);
    }
    atomic_store(&page->slot[slot].pid, pid);
    return pid;
}

static void
give_slot_back(pid_t pid)
{
    for (int i = 0; i < SLOTS; i++) {
        if (atomic_load(&page->slot[i].pid) == pid)
            atomic_store(&page->slot[i].pid, 0);
    }
}

void
fuzz_join(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (killed_pid == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        status = 0;
    if (WIFSIGNALED(status)) {
        const char *call = "?";
        for (int i = 0; i < SLOTS; i++) {
            if (atomic_load(&page->slot[i].pid) == pid)
                call = atomic_load(&page->slot[i].call);
        }
        fuzz_failed("a process died by signal %d in %s", WTERMSIG(status), call);
    }
    if (status != 0)
        fuzz_failed("a process ended with status %d", WEXITSTATUS(status));
    give_slot_back(pid);
}

void
fuzz_kill(pid_t pid)
{
    killed_pid = pid;
    kill(pid, SIGKILL);
}

/* ---- the runner ---- */

static void
empty_folder(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;

    if (dir == NULL)
        return;
    while ((entry = readdir(dir)) != NULL) {
        char inner[600];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        (void)snprintf(inner, sizeof(inner), "%s/%s", path, entry->d_name);
        if (unlink(inner) != 0) {
            empty_folder(inner);
            rmdir(inner);
        }
    }
    closedir(dir);
}

static void
make_folder(void)
{
    const char *parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");

    (void)snprintf(folder, sizeof(folder), "%s/kith-fuzz-XXXXXX", parent != NULL ? parent : "/tmp");
    if (mkdtemp(folder) == NULL) {
        perror(folder);
        exit(2);
    }
    (void)snprintf(output_path, sizeof(output_path), "%s.out", folder);
    setenv("KITH_DIR", folder, 1);
}

/* What the round printed, as a TAP comment.  True if there was anything. */
static bool
show_output(bool show)
{
    char line[400];
    FILE *file = fopen(output_path, "r");
    bool any = false;

    if (file == NULL)
        return false;
    for (int lines = 0; fgets(line, sizeof(line), file) != NULL && lines < 60; lines++) {
        any = true;
        line[strcspn(line, "\n")] = '\0';
        if (show)
            (void)printf("#   | %s\n", line);
    }
    (void)fclose(file);
    return any;
}

_Noreturn static void
run_round(const struct fuzz_kind *kind)
{
    int fd = open(output_path, O_CREAT | O_TRUNC | O_RDWR | O_APPEND, 0600);

    dup2(fd, 1);
    dup2(fd, 2);
    close(fd);
    my_slot = 0;
    round_began_ns = fuzz_now_ns();
    be_watched();
    kind->round();
    _exit(0);
}

/* Has every process of the round say where it is, and end. */
static void
end_hung(void)
{
    char call[200] = "";

    for (int i = 0; i < SLOTS; i++) {
        struct slot *slot = &page->slot[i];
        if (atomic_load(&slot->pid) == 0)
            continue;
        (void)snprintf(call + strlen(call), sizeof(call) - strlen(call), "%s%s for %.1f s",
                       call[0] ? ", " : "", atomic_load(&slot->call),
                       (double)(fuzz_now_ns() - atomic_load(&slot->since_ns)) / 1e9);
    }
    if (atomic_exchange(&page->failed, 1) == 0)
        (void)snprintf(page->why, sizeof(page->why), "not over in time: %s", call);
    for (int i = SLOTS - 1; i >= 0; i--) {
        pid_t pid = atomic_load(&page->slot[i].pid);
        if (pid != 0)
            kill(pid, SIGUSR2);
    }
    poll(NULL, 0, 300);
    for (int i = SLOTS - 1; i >= 0;
         i--) { /* the round itself last: the others may be its waiting */
        pid_t pid = atomic_load(&page->slot[i].pid);
        if (pid != 0 && i > 0)
            kill(pid, SIGKILL);
    }
}

/* True if the round passed. */
static bool
watch_round(pid_t pid)
{
    int64_t limit_ns = fuzz_now_ns() + ROUND_LIMIT_S * SECOND_NS * fuzz_patience();
    bool hung = false;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = { .fd = fd, .events = POLLIN };
    int64_t left_ns;
    int status;

    while ((left_ns = limit_ns - fuzz_now_ns()) > 0) {
        if (fd >= 0 ? poll(&end, 1, (int)(left_ns / 1000000) + 1) > 0
                    : (poll(NULL, 0, 1), waitpid(pid, &status, WNOHANG | WNOWAIT) == pid))
            break;
    }
    if (left_ns <= 0) {
        hung = true;
        end_hung();
        kill(pid, SIGKILL);
    }
    if (fd >= 0)
        close(fd);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (hung || atomic_load(&page->failed))
        return false;
    if (WIFSIGNALED(status))
        (void)snprintf(page->why, sizeof(page->why), "it died by signal %d in %s", WTERMSIG(status),
                       atomic_load(&page->slot[0].call));
    else if (status != 0)
        (void)snprintf(page->why, sizeof(page->why), "it ended with status %d in %s",
                       WEXITSTATUS(status), atomic_load(&page->slot[0].call));
    else if (show_output(false))
        (void)snprintf(page->why, sizeof(page->why), "something was printed");
    else
        return true;
    return false;
}

static unsigned
run_kind(const struct fuzz_kind *kind, const char *program, uint64_t seed, uint64_t rounds_max,
         int64_t until_ns)
{
    uint64_t totals[FUZZ_COUNTS] = { 0 };
    uint64_t rounds = 0, longest_seed = 0;
    int64_t longest_ns = 0;
    const char *longest_call = "none";
    unsigned failures = 0;

    for (; rounds_max > 0 ? rounds < rounds_max : fuzz_now_ns() < until_ns; rounds++) {
        pid_t pid;

        memset(page, 0, sizeof(*page));
        (void)fflush(NULL);
        pid = fork();
        if (pid == 0) {
            state = seed;
            run_round(kind);
        }
        if (pid < 0 || !watch_round(pid)) {
            if (failures++ < FAILURES_SHOWN) {
                (void)printf("# %s: %s\n#   KITH_TEST_SEED=0x%" PRIx64 " %s %s 1\n", kind->name,
                             page->why, seed, program, kind->name);
                show_output(true);
            }
        }
        for (int i = 0; i < FUZZ_COUNTS; i++)
            totals[i] += atomic_load(&page->count[i]);
        if (atomic_load(&page->longest_ns) > longest_ns) {
            longest_ns = atomic_load(&page->longest_ns);
            longest_call = atomic_load(&page->longest_call);
            longest_seed = seed;
        }
        empty_folder(folder);
        (void)stir(&seed);
    }
    (void)printf("# %s: %" PRIu64 " rounds, %u failed", kind->name, rounds, failures);
    for (int i = 0; i < FUZZ_COUNTS; i++)
        (void)printf(", %" PRIu64 " %s", totals[i], count_names[i]);
    (void)printf("\n#   longest call: %.3f s, %s, in the round of 0x%" PRIx64 "\n",
                 (double)longest_ns / 1e9, longest_call, longest_seed);
    return rounds > 0 ? failures : 1;
}

int
fuzz_main(int argc, char **argv, const struct fuzz_kind *kinds, size_t count)
{
    const char *text = getenv("KITH_TEST_SEED");
    const char *only = argc > 1 ? argv[1] : NULL;
    uint64_t rounds = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    const char *longer = getenv("KITH_LONG");
    int64_t factor = longer != NULL && strcmp(longer, "1") == 0 ? 10 : 1;
    void *frames[2];
    uint64_t seed;
    size_t chosen = 0;
    bool passed = true;

    if (text != NULL)
        seed = strtoull(text, NULL, 0);
    else if (getenv("KITH_LONG") == NULL || strcmp(getenv("KITH_LONG"), "1") != 0)
        seed =
            UINT64_C(0x6b697468); /* the short run is the same each time; the long one explores */
    else if (syscall(SYS_getrandom, &seed, sizeof(seed), 0) != (long)sizeof(seed))
        seed = (uint64_t)fuzz_now_ns();
    (void)backtrace(frames, 2); /* loads what it needs, which a handler may not */
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 2;
    make_folder();
    for (size_t i = 0; i < count; i++)
        chosen += only == NULL || strcmp(only, kinds[i].name) == 0;
    (void)printf("1..%zu\n# KITH_TEST_SEED=0x%" PRIx64 "\n", chosen, seed);
    chosen = 0;
    for (size_t i = 0; i < count; i++) {
        bool ok;
        if (only != NULL && strcmp(only, kinds[i].name) != 0)
            continue;
        ok = run_kind(&kinds[i], argv[0], seed, rounds,
                      fuzz_now_ns() + kinds[i].share_ms * factor * (SECOND_NS / 1000)) == 0;
        passed = passed && ok;
        (void)printf("%sok %zu - %s\n", ok ? "" : "not ", ++chosen, kinds[i].name);
        (void)fflush(stdout);
    }
    rmdir(folder);
    unlink(output_path);
    return passed && chosen > 0 ? 0 : 1;
}
