/*
 * keeper.c - the process that starts a pool's workers, and others in the place of those that die.
 *
 * The library starts no threads, and the program may be at anything: so this is done by a process
 * of its own, with one thread, which sleeps until a worker ends, the program ends, or the pool is
 * to be ended.  It is the parent of all workers, and these are tied to its thread: a keeper that is
 * killed takes them along, and whoever of the program waits for a result starts another.
 *
 * It says what a worker died of, in the worker's own record, for who takes over its tasks.
 *
 * It is there before the pool's objects are, and until they are removed, for if the program ends
 * meanwhile it is the one to remove them.
 */
#include <kith/poll.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "object/handle.h"
#include "pool/pool.h"

/* How often tasks are looked at whether they are late, for each time that they may take. */
#define LOOKS_PER_LIMIT 8
#define LOOK_MIN_NS (2 * KITH__NS_PER_MS)
#define LOOK_MAX_NS (200 * KITH__NS_PER_MS)
/* So many workers in a row, and one for each place, that die before they can take a task. */
#define STILLBORN_MAX 3
/* Between two tries to start a worker where the system refuses. */
#define REFUSED_MS 50
/* How long the permit of a program that has ended takes to come back, at the very most. */
#define PERMIT_NS (5 * KITH__NS_PER_S)

struct child {
    kith_process *process; /* NULL: none, and none is to be */
    int64_t number;
    bool late; /* it was killed for what `judged` says */
    struct kith__record judged;
};

struct keeper {
    struct kith__keep *keep;
    struct kith__pool_objects objects, *o; /* the one is the other */
    struct child *children;
    struct pollfd *polled; /* the program, the event, and the children */
    uint32_t count;
    uint32_t stillborn;
    bool refused; /* a worker could not be started: try again */
};

/* ---- Workers -------------------------------------------------------------------------- */

/* What the program does about a signal; keeper and workers do as settle_in() says. */
static struct given {
    bool known;
    struct sigaction action;
} given[NSIG];

static void
nothing(int number)
{
    (void)number;
}

static bool
is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
           number == SIGTRAP || number == SIGSYS || number == SIGABRT;
}

/* Those that workers do not have from the program. */
static bool
is_keepers(int number)
{
    return number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGCHLD;
}

/*
 * What the program's handlers would do is the program's.  The keeper does nothing where there is
 * one, and about SIGPIPE, by a handler rather than by ignoring it: a command gets the default then,
 * as an exec from the program itself would give it.
 */
static void
settle_in(const struct kith__keep *keep)
{
    struct sigaction ignored = { .sa_handler = SIG_IGN }, plain = { .sa_handler = SIG_DFL };
    struct sigaction idle = { .sa_handler = nothing, .sa_flags = SA_RESTART };

    for (int number = 1; number < NSIG; number++) {
        struct sigaction *action = &given[number].action;

        given[number].known = sigaction(number, NULL, action) == 0;
        if (!given[number].known || action->sa_handler == SIG_IGN ||
            (action->sa_handler == SIG_DFL && number != SIGPIPE))
            continue;
        sigaction(number, is_fault(number) ? &plain : &idle, NULL);
    }
    /* Ctrl-C is for the program to answer. */
    sigaction(SIGINT, &ignored, NULL);
    sigaction(SIGQUIT, &ignored, NULL);
    sigaction(SIGTERM, &plain, NULL);
    sigaction(SIGCHLD, &plain, NULL);
    /* Whichever thread of the program has forked. */
    sigprocmask(SIG_SETMASK, &keep->mask, NULL);
    /* What stands in the buffer is the program's to write. */
    __fpurge(stdout);
    kith_on_interrupt(NULL, NULL);
}

/* In a forked worker: does about signals what the program does. */
static void
give_back_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        if (given[number].known && !is_keepers(number))
            sigaction(number, &given[number].action, NULL);
}

/* In a forked worker. */
static int
be_worker(void *arg)
{
    struct keeper *k = arg;
    const struct kith_pool_options *options = &k->keep->options;
    struct kith__work work = { .objects = k->o,
                               .tasks = options->tasks,
                               .task_count = options->task_count,
                               .number = k->children[k->count].number,
                               .kept = true,
                               .tasks_max = options->tasks_per_worker,
                               .memory_max = options->memory_per_worker };
    int status = 0;

    give_back_signals();
    if (options->fork_child != NULL)
        options->fork_child(options->fork_arg);
    kith__pool_depth_set(kith__pool_depth() + 1);
    if (options->init != NULL && options->init(options->init_arg) < 0)
        status = 1;
    else if (kith__work(&work) < 0)
        status = 1;
    if (options->finish != NULL)
        options->finish(options->finish_arg);
    (void)fflush(stdout);
    (void)fflush(stderr);
    /* In good order, as far as this space goes; what the program gave to atexit() is its own. */
    kith_close(k->o->space);
    _exit(status);
}

/* What a command finds in its environment.  This process has one thread, and it is ours. */
static bool
tell_command(const struct keeper *k, int64_t number)
{
    char text[32], depth[2] = { (char)('0' + kith__pool_depth() + 1), '\0' };

    (void)snprintf(text, sizeof(text), "%lld", (long long)number);
    return setenv("KITH_WORKER", text, 1) == 0 && setenv("KITH_POOL", k->o->name, 1) == 0 &&
           setenv("KITH_POOL_DEPTH", depth, 1) == 0;
}

/* Starts the worker of one place. */
static kith_err
start_worker(struct keeper *k, uint32_t place)
{
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    struct child *child = &k->children[place];
    kith_err err = kith_dict_add(k->o->state, KITH_STR("numbers"), 1, &child->number);

    if (err < 0)
        return err;
    child->late = false;
    options.ends_with_parent = true;
    options.name = "kith worker";
    if (k->keep->options.command == NULL) {
        k->children[k->count].number = child->number;
        return kith_process_fork(be_worker, k, &options, &child->process);
    }
    options.spaces = &k->o->space;
    options.space_count = 1;
    if (!tell_command(k, child->number))
        return kith__fail(KITH_ENOMEM, "The keeper has no memory left to start a worker.");
    return kith_process_exec(k->keep->options.command, &options, &child->process);
}

/* Whether nothing is left to be done, and nothing will come. */
static bool
is_done(struct keeper *k)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    kith_err err = kith_queue_info(k->o->tasks, &info);

    return err == KITH_EGONE ||
           (err == KITH_OK && info.closed && info.ready + info.leased + info.delayed == 0);
}

/* The pool can't go on: those who wait are told, and no more tasks come. */
static void
give_up(struct keeper *k, const char *why)
{
    kith__pool_say(k->o, KITH__STANDING_BROKEN, why);
    (void)kith_queue_shutdown(k->o->tasks);
}

/* Starts those workers that are missing; false: it is no use. */
static bool
start_missing(struct keeper *k)
{
    k->refused = false;
    for (uint32_t place = 0; place < k->count; place++) {
        kith_err err;

        if (k->children[place].process != NULL)
            continue;
        if (is_done(k))
            return true;
        if (k->stillborn > STILLBORN_MAX + k->count) {
            give_up(k, "its workers end before they can take a task.");
            return false;
        }
        err = start_worker(k, place);
        if (err == KITH_EGONE)
            return true; /* the pool was removed, and is_done() from here on */
        if (err == KITH_ENOENT || err == KITH_EPERM || err == KITH_ETOOBIG) {
            give_up(k, kith_last_error()); /* the command cannot be run, now or later */
            return false;
        }
        if (err < 0)
            k->refused = true;
    }
    return true;
}

/* What the worker's record says; false: it wrote none. */
static bool
record_of(struct keeper *k, int64_t number, struct kith__record *record_out)
{
    struct kith_buf buf = KITH_BUF_INIT;
    bool there = kith_dict_get(k->o->workers, KITH_INT(number), &buf) == KITH_OK &&
                 kith__record_read(buf.item, record_out);

    kith_buf_free(&buf);
    return there;
}

static bool
same_task(const struct kith__record *a, const struct kith__record *b)
{
    return a->client == b->client && a->id == b->id && a->index == b->index;
}

/* A worker has ended: says of what in its record, if it was at a task. */
static void
bury(struct keeper *k, struct child *child)
{
    struct kith_process_status status = KITH_PROCESS_STATUS_INIT;
    struct kith__record record;
    bool there = record_of(k, child->number, &record);

    (void)kith_process_wait(child->process, 0, &status);
    if (!there) {
        k->stillborn++;
    } else {
        k->stillborn = 0;
        if (record.state == KITH__RECORD_AT) {
            record.state = child->late && same_task(&record, &child->judged)
                               ? KITH__RECORD_DEAD_LATE
                               : KITH__RECORD_DEAD;
            record.signal = status.signal;
            (void)kith__record_set(k->o, child->number, &record);
        } else {
            (void)kith_dict_delete(k->o->workers, KITH_INT(child->number));
        }
    }
    kith_process_close(child->process);
    child->process = NULL;
}

static int
bury_orphan(struct kith_item key, struct kith_item item, void *arg)
{
    struct keeper *k = arg;
    struct kith__record record;

    if (key.type != KITH_TYPE_INT || !kith__record_read(item, &record) || record.kept == 0)
        return 0;
    if (record.state == KITH__RECORD_AT) {
        record.state = KITH__RECORD_DEAD;
        record.signal = SIGKILL;
        (void)kith__record_set(k->o, key.integer, &record);
    } else if (record.state == KITH__RECORD_IDLE) {
        (void)kith_dict_delete(k->o->workers, key);
    }
    return 0;
}

/* The workers of a keeper that was killed were killed with it. */
static void
bury_orphans(struct keeper *k)
{
    (void)kith_dict_each(k->o->workers, bury_orphan, k);
}

static void
bury_all(struct keeper *k)
{
    for (uint32_t place = 0; place < k->count; place++) {
        bool alive = true;

        if (k->children[place].process != NULL &&
            kith_process_alive(k->children[place].process, &alive) == KITH_OK && !alive)
            bury(k, &k->children[place]);
    }
}

/* Kills those whose task is late. */
static void
kill_late(struct keeper *k)
{
    int64_t now_ns = kith__now_ns();

    for (uint32_t place = 0; place < k->count; place++) {
        struct child *child = &k->children[place];

        if (child->process == NULL || child->late || !record_of(k, child->number, &child->judged) ||
            child->judged.state != KITH__RECORD_AT ||
            now_ns - child->judged.since_ns <= k->keep->options.limit_ns)
            continue;
        child->late = true;
        (void)kith_process_kill(child->process);
    }
}

/* ---- The keeper ----------------------------------------------------------------------- */

static bool
has_workers(const struct keeper *k)
{
    for (uint32_t place = 0; place < k->count; place++)
        if (k->children[place].process != NULL)
            return true;
    return false;
}

static void
kill_all(struct keeper *k)
{
    for (uint32_t place = 0; place < k->count; place++)
        if (k->children[place].process != NULL)
            (void)kith_process_kill(k->children[place].process);
    for (uint32_t place = 0; place < k->count; place++) {
        if (k->children[place].process != NULL)
            (void)kith_process_wait(k->children[place].process, KITH_FOREVER, NULL);
        kith_process_close(k->children[place].process);
        k->children[place].process = NULL;
    }
}

static int
patience_ms(const struct keeper *k)
{
    const struct kith_pool_options *options = &k->keep->options;
    int64_t look_ns = options->limit_ns / LOOKS_PER_LIMIT;

    if (k->refused)
        return REFUSED_MS;
    if (!options->kill_late || options->limit_ns == 0)
        return -1;
    look_ns = look_ns < LOOK_MIN_NS ? LOOK_MIN_NS : look_ns > LOOK_MAX_NS ? LOOK_MAX_NS : look_ns;
    return (int)(look_ns / KITH__NS_PER_MS);
}

/* Sleeps until there is something to do; true: the program, or the pool, is to have ended. */
static bool
sleep_until_needed(struct keeper *k)
{
    bool stopped = false;
    int fd = -1;

    /* Removed by someone: there is nothing left to keep. */
    if (kith_poll_fd(k->o->stop, &fd) < 0 || kith_event_is_set(k->o->stop, &stopped) < 0 || stopped)
        return true;
    k->polled[0] = (struct pollfd){ .fd = k->keep->parent_fd, .events = POLLIN };
    k->polled[1] = (struct pollfd){ .fd = fd, .events = POLLIN };
    for (uint32_t place = 0; place < k->count; place++)
        k->polled[2 + place] =
            (struct pollfd){ .fd = k->children[place].process == NULL
                                       ? -1
                                       : kith_process_fd(k->children[place].process),
                             .events = POLLIN };
    if (poll(k->polled, 2 + (nfds_t)k->count, patience_ms(k)) <= 0)
        return false;
    return k->polled[0].revents != 0;
}

/* The program has ended: what is left of the pool goes, unless another has its name already. */
static void
clean_up(const struct kith__keep *keep)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith__pool_part name;
    kith_semaphore *alive;

    options.create = KITH_MUST_EXIST;
    kith__pool_part_name(keep->name, "alive", name);
    if (kith_semaphore_open(keep->space, name, &options, &alive) < 0)
        return;
    if (kith_semaphore_acquire(alive, PERMIT_NS) >= 0) {
        kith__pool_objects_destroy(keep->space, keep->name);
        (void)kith_destroy(keep->space, name);
    }
    kith_semaphore_close(alive);
}

/* Sleeps until the program has ended, or says that it goes on; true: it says so. */
static bool
await_program(const struct kith__keep *keep, int go)
{
    struct pollfd polled[] = { { .fd = keep->parent_fd, .events = POLLIN },
                               { .fd = go, .events = POLLIN } };
    char byte;

    for (;;)
        if (poll(polled, 2, -1) > 0) {
            if (polled[1].revents != 0 && read(go, &byte, 1) == 1)
                return true;
            if (polled[0].revents != 0)
                return false;
            polled[1].fd = -1; /* the other end was closed: its pidfd will tell */
        }
}

static void
keep_workers(struct keeper *k)
{
    const struct kith_pool_options *options = &k->keep->options;
    bool over = false;

    /* One more: the place of a worker that is being forked. */
    k->children = kith__calloc((size_t)k->count + 1, sizeof(*k->children));
    k->polled = kith__calloc((size_t)k->count + 2, sizeof(*k->polled));
    if (k->children == NULL || k->polled == NULL) {
        give_up(k, "its keeper has no memory.");
        return;
    }
    while (!over) {
        over = !start_missing(k) || (!has_workers(k) && !k->refused);
        if (over)
            break;
        over = sleep_until_needed(k);
        bury_all(k);
        if (options->kill_late && options->limit_ns > 0)
            kill_late(k);
    }
    kill_all(k);
}

int
kith__keep(void *arg)
{
    struct kith__keep *keep = arg;
    struct keeper k = { .keep = keep, .o = &k.objects, .count = keep->options.workers };

    settle_in(keep);
    close(keep->go[1]);
    if (await_program(keep, keep->go[0])) {
        if (kith__pool_objects_open(keep->space, keep->name, KITH_MUST_EXIST, &k.objects) ==
            KITH_OK) {
            bury_orphans(&k);
            keep_workers(&k);
            kith__pool_say(k.o, KITH__STANDING_ENDED, NULL);
        }
        /* The program takes what results there are, removes the pool, and kills this process. */
        (void)await_program(keep, -1);
    }
    clean_up(keep);
    kith_close(keep->space);
    _exit(0);
}
