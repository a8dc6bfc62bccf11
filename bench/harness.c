/*
 * harness.c - one round of one case, in processes of its own.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "harness.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define NUMBERS_MAX 100000
#define CHUNK_NS 500000      /* between two looks at the clock */
#define WARM_NS_MAX 60000000 /* long enough to touch every page of a table of a million entries */
#define ROUND_S_MAX 300      /* a round that takes longer hangs */

/* What all processes of the round see. */
struct round {
    atomic_uint ready;
    double rate[WORKERS_MAX]; /* operations a nanosecond */
    uint32_t number_count;
    double numbers[NUMBERS_MAX];
};

static struct round *round_;
static struct bench self;
static uint64_t ops_wanted; /* --ops; 0: measure for window_ns */
static void (*remove_made)(struct bench *b);
static pid_t first_pid;
static pid_t pids[WORKERS_MAX];
static unsigned pid_count;

void
bench_fail(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "%s: ", self.of == NULL ? "bench" : self.of->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    if (getpid() == first_pid)
        exit(1);
    _exit(1);
}

void
bench_print(double number)
{
    if (round_->number_count == NUMBERS_MAX)
        bench_fail("more than %d numbers", NUMBERS_MAX);
    round_->numbers[round_->number_count++] = number;
}

int64_t
bench_now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void
bench_sleep_ns(int64_t ns)
{
    struct timespec left = { ns / 1000000000, ns % 1000000000 };

    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

/* ---- processors ---- */

static cpu_set_t allowed; /* as the program was started */

unsigned
bench_processors(void)
{
    return (unsigned)CPU_COUNT(&allowed);
}

void
bench_pin(unsigned index)
{
    cpu_set_t one;
    unsigned left = index % bench_processors();
    unsigned cpu;

    for (cpu = 0; !CPU_ISSET(cpu, &allowed) || left-- > 0; cpu++)
        continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof(one), &one) != 0)
        bench_fail("cannot pin to processor %u: %s", cpu, strerror(errno));
}

static void
place(const struct bench *b)
{
    if (b->same_core)
        bench_pin(0);
    else if (b->workers + b->of->companions <= bench_processors())
        bench_pin(b->worker);
}

/* ---- processes ---- */

pid_t
bench_fork(void (*fn)(void *arg), void *arg)
{
    pid_t parent = getpid();
    pid_t pid;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        bench_fail("cannot fork: %s", strerror(errno));
    if (pid > 0)
        return pid;
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
        _exit(1);
    fn(arg);
    exit(0);
}

void
bench_join(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            bench_fail("cannot wait for process %d: %s", (int)pid, strerror(errno));
    }
    if (WIFSIGNALED(status))
        bench_fail("process %d ended by signal %d", (int)pid, WTERMSIG(status));
    if (WEXITSTATUS(status) != 0)
        bench_fail("process %d failed", (int)pid);
}

int64_t
bench_run_program_ns(char *const argv[])
{
    int64_t start_ns = bench_now_ns();
    pid_t pid;
    int err = posix_spawn(&pid, argv[0], NULL, NULL, argv, environ);

    if (err != 0)
        bench_fail("cannot run %s: %s", argv[0], strerror(err));
    bench_join(pid);
    return bench_now_ns() - start_ns;
}

void
bench_wait_asleep(pid_t pid)
{
    char path[64];
    char line[512];
    int64_t give_up_ns = bench_now_ns() + INT64_C(10000000000);

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    for (;;) {
        FILE *file = fopen(path, "r");
        const char *after = NULL;

        /* "pid (name) state", where the name may hold anything but ends at the last ')'. */
        if (file != NULL && fgets(line, sizeof(line), file) != NULL)
            after = strrchr(line, ')');
        if (file != NULL)
            fclose(file);
        if (after != NULL && after[1] == ' ' && after[2] == 'S')
            return;
        if (bench_now_ns() > give_up_ns)
            bench_fail("process %d does not go to sleep", (int)pid);
        bench_sleep_ns(200000);
    }
}

/* ---- the phases ---- */

static void
run_make(void *arg)
{
    (void)arg;
    self.of->make(&self);
}

static void
run_beside(void *arg)
{
    (void)arg;
    place(&self);
    self.of->beside(&self);
    bench_fail("a companion returned");
}

/* Runs uncounted until everything is warm; returns how many operations take CHUNK_NS. */
static uint64_t
warm_up(void)
{
    int64_t enough_ns = self.window_ns < WARM_NS_MAX ? self.window_ns : WARM_NS_MAX;
    int64_t start_ns = bench_now_ns();
    uint64_t chunk = 1;

    for (;;) {
        int64_t before_ns = bench_now_ns();
        int64_t after_ns;

        self.of->work(&self, chunk);
        after_ns = bench_now_ns();
        if (after_ns - before_ns < CHUNK_NS / 2 && chunk < UINT64_C(1) << 40)
            chunk *= 2;
        else if (after_ns - start_ns >= enough_ns)
            return chunk;
    }
}

static void
run_timed(void)
{
    uint64_t chunk = warm_up();
    uint64_t ops = 0;
    int64_t start_ns, now_ns;

    atomic_fetch_add(&round_->ready, 1);
    while (atomic_load(&round_->ready) < self.workers)
        sched_yield();
    start_ns = bench_now_ns();
    do {
        self.of->work(&self, chunk);
        ops += chunk;
        now_ns = bench_now_ns();
    } while (now_ns - start_ns < self.window_ns);
    round_->rate[self.worker] = (double)ops / (double)(now_ns - start_ns);
}

static void
run_worker(void *arg)
{
    (void)arg;
    place(&self);
    if (self.of->begin != NULL)
        self.of->begin(&self);
    if (self.of->measure != NULL)
        self.of->measure(&self);
    else if (ops_wanted > 0)
        self.of->work(&self, ops_wanted);
    else
        run_timed();
    if (self.of->end != NULL)
        self.of->end(&self);
}

static void
run_round(void)
{
    unsigned count = self.workers + self.of->companions;
    double rate = 0;

    if (self.of->make != NULL)
        bench_join(bench_fork(run_make, NULL));
    for (unsigned i = 0; i < count; i++) {
        self.worker = i;
        self.random = bench_mix((uint64_t)getpid() * WORKERS_MAX + i + 1) | 1;
        pids[i] = bench_fork(i < self.workers ? run_worker : run_beside, NULL);
        pid_count = i + 1;
    }
    for (unsigned i = 0; i < self.workers; i++) {
        pid_t pid = pids[i];

        bench_join(pid);
        pids[i] = 0;
        rate += round_->rate[i];
    }
    if (self.of->measure == NULL && ops_wanted == 0)
        bench_print(1 / rate);
    for (uint32_t i = 0; i < round_->number_count; i++)
        printf("%.6g\n", round_->numbers[i]);
}

/* ---- the program ---- */

static void
clean_up(void)
{
    if (getpid() != first_pid)
        return; /* a forked process that ends */
    for (unsigned i = 0; i < pid_count; i++) {
        if (pids[i] > 0) {
            kill(pids[i], SIGKILL);
            waitpid(pids[i], NULL, 0);
        }
    }
    if (remove_made != NULL)
        remove_made(&self);
    remove_made = NULL;
}

static void
on_signal(int number)
{
    (void)number;
    clean_up();
    _exit(1);
}

static uint64_t
number_of(const char *option, const char *text)
{
    char *end = NULL;
    uint64_t number = text == NULL ? 0 : strtoull(text, &end, 10);

    if (text == NULL || end == text || *end != '\0' || number == 0)
        bench_fail("%s takes a positive number", option);
    return number;
}

static void
read_arguments(int argc, char **argv, const struct bench_case *cases, size_t case_count)
{
    self.workers = 1;
    self.entries = 1000;
    self.window_ns = 100 * INT64_C(1000000);
    for (size_t i = 0; argc > 1 && i < case_count; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0)
            self.of = &cases[i];
    }
    if (self.of == NULL) {
        fprintf(stderr,
                "usage: %s CASE [--processes N] [--entries N] [--ms N] [--same-core] "
                "[--ops N]\ncases:",
                argv[0]);
        for (size_t i = 0; i < case_count; i++)
            fprintf(stderr, " %s", cases[i].name);
        fputc('\n', stderr);
        exit(2);
    }
    for (int i = 2; i < argc; i++) {
        const char *option = argv[i];

        if (strcmp(option, "--same-core") == 0) {
            self.same_core = true;
            continue;
        }
        i++; /* argv ends with NULL, so argv[i] is there even after the last option */
        if (strcmp(option, "--processes") == 0)
            self.workers = (unsigned)number_of(option, argv[i]);
        else if (strcmp(option, "--entries") == 0)
            self.entries = number_of(option, argv[i]);
        else if (strcmp(option, "--ms") == 0)
            self.window_ns = (int64_t)number_of(option, argv[i]) * 1000000;
        else if (strcmp(option, "--ops") == 0)
            ops_wanted = number_of(option, argv[i]);
        else
            bench_fail("no such option: %s", option);
    }
    self.counting = ops_wanted > 0;
    if (self.workers + self.of->companions > WORKERS_MAX)
        bench_fail("more than %d processes", WORKERS_MAX);
}

int
bench_main(int argc, char **argv, const struct bench_case *cases, size_t case_count,
           void (*remove)(struct bench *b))
{
    void *memory;

    first_pid = getpid();
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        bench_fail("cannot tell which processors are there: %s", strerror(errno));
    read_arguments(argc, argv, cases, case_count);
    snprintf(self.name, sizeof(self.name), "kith-bench-%d", (int)first_pid);
    memory = mmap(NULL, sizeof(struct round) + 4096, PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        bench_fail("no memory");
    self.shared = memory; /* first, so that it begins a page */
    round_ = (struct round *)(void *)((char *)memory + 4096);
    remove_made = remove;
    atexit(clean_up);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    signal(SIGALRM, on_signal);
    alarm(ROUND_S_MAX);
    run_round();
    return 0;
}
