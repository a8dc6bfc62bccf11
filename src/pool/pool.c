/*
 * pool.c - a pool is started, opened, ended; who keeps it.
 */
#include <errno.h>
#include <fcntl.h>
#include <kith/inspect.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/descriptor.h"
#include "base/interrupt.h"
#include "base/pid.h"
#include "object/handle.h"
#include "pool/client.h"
#include "pool/process.h"

/* Keepers that are started in the place of killed ones, for as long as one handle lives. */
#define KEEPERS_MAX 1000
/* Between two looks whether the keeper lives; its word is waited for, this is for its death. */
#define LOOK_NS (100 * KITH__NS_PER_MS)
/* What a keeper has to end its workers and itself, before it is killed. */
#define ENDING_NS (2 * KITH__NS_PER_S)
/* How long the permit of a program that has ended may take to come back. */
#define PERMIT_NS (500 * KITH__NS_PER_MS)
/* Tries to open what another is removing at the time. */
#define TRIES 16

/* ---- Handles -------------------------------------------------------------------------- */

void
kith__pool_hold(kith_pool *pool)
{
    atomic_fetch_add_explicit(&pool->refs, 1, memory_order_relaxed);
}

void
kith__pool_release(kith_pool *pool)
{
    if (atomic_fetch_sub_explicit(&pool->refs, 1, memory_order_acq_rel) != 1)
        return;
    kith__client_fini(pool);
    kith_process_close(pool->keeper);
    kith_semaphore_close(pool->alive);
    if (pool->keep.parent_fd >= 0)
        close(pool->keep.parent_fd);
    kith__pool_objects_close(&pool->objects);
    kith__space_release(pool->objects.space);
    kith__free(pool->copied);
    kith__free(pool);
}

static kith_pool *
new_pool(kith_space *space)
{
    kith_pool *pool = kith__handle_new(sizeof(*pool));

    if (pool == NULL)
        return NULL;
    atomic_init(&pool->refs, 1);
    pool->process = kith__pid();
    pool->keep.parent_fd = -1;
    pool->objects.space = space;
    kith__space_hold(space);
    kith__client_init(pool);
    return pool;
}

/* Opens the semaphore whose permit the program holds; made, or only found. */
static kith_err
open_alive(kith_space *space, const char *name, enum kith_create create, kith_semaphore **alive_out)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith__pool_part part;

    options.create = create;
    options.value = 1;
    options.bounded = true;
    kith__pool_part_name(name, "alive", part);
    return kith_semaphore_open(space, part, &options, alive_out);
}

kith_err
kith_pool_open(kith_space *space, const char *name, kith_pool **pool_out)
{
    kith_pool *pool;
    kith_err err;

    if (space == NULL || name == NULL || pool_out == NULL)
        return kith__fail_null("kith_pool_open");
    err = kith__pool_name_check("kith_pool_open", name);
    if (err < 0)
        return err;
    pool = new_pool(space);
    if (pool == NULL)
        return KITH_ENOMEM;
    err = open_alive(space, name, KITH_MUST_EXIST, &pool->alive);
    if (err == KITH_OK)
        err = kith__pool_objects_open(space, name, KITH_MUST_EXIST, &pool->objects);
    if (err < 0) {
        kith__pool_release(pool);
        return err == KITH_ENOENT ? kith__fail(err, "There is no pool \"%s\".", name) : err;
    }
    *pool_out = pool;
    return KITH_OK;
}

/* ---- Starting ------------------------------------------------------------------------- */

static kith_err
check_options(const struct kith_pool_options *options)
{
    if ((options->task_count == 0 || options->tasks == NULL) && options->command == NULL)
        return kith__fail(KITH_EINVAL, "kith_pool_start() was given neither tasks nor a command.");
    if (options->command != NULL && (options->command[0] == NULL || options->task_count > 0))
        return kith__fail(KITH_EINVAL, "kith_pool_start() was given an empty command, or a command "
                                       "and tasks; workers are one of the two.");
    if (options->workers > KITH__POOL_WORKERS_MAX)
        return kith__fail(KITH_EINVAL, "kith_pool_start() was given %u workers; it takes %d.",
                          (unsigned)options->workers, KITH__POOL_WORKERS_MAX);
    for (size_t i = 0; i < options->task_count; i++) {
        kith_err err = kith__pool_entry_check("kith_pool_start", &options->tasks[i], i);

        if (err < 0)
            return err;
    }
    if (options->limit_ns < 0)
        return kith__fail_timeout("kith_pool_start", options->limit_ns);
    if (kith__pool_depth() >= KITH__POOL_DEPTH_MAX)
        return kith__fail(KITH_EINVAL,
                          "This is a task of a pool that a task of a pool has started, and so on "
                          "%d deep: it may start no further one.",
                          KITH__POOL_DEPTH_MAX);
    return KITH_OK;
}

/*
 * Copies what keepers read that are started later, in the place of killed ones: the table of tasks,
 * or the words of the command.
 */
static kith_err
keep_options(kith_pool *pool, const struct kith_pool_options *options)
{
    size_t words = 0, bytes = 0;
    struct kith_task_entry *tasks;
    char **command, *text;

    while (options->command != NULL && options->command[words] != NULL)
        bytes += strlen(options->command[words++]) + 1;
    for (size_t i = 0; i < options->task_count; i++)
        bytes += strlen(options->tasks[i].name) + 1;
    /* Either is a struct of pointers, and so the text can stand behind both. */
    pool->copied = kith__calloc(1, options->task_count * sizeof(*tasks) +
                                       (words + 1) * sizeof(*command) + bytes);
    if (pool->copied == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a pool.");
    tasks = pool->copied;
    command = (char **)(void *)(tasks + options->task_count);
    text = (char *)(command + words + 1);
    for (size_t i = 0; i < options->task_count; i++) {
        tasks[i] = options->tasks[i];
        tasks[i].name = text;
        text = stpcpy(text, options->tasks[i].name) + 1;
    }
    for (size_t i = 0; i < words; i++) {
        command[i] = text;
        text = stpcpy(text, options->command[i]) + 1;
    }
    pool->keep.options = *options;
    pool->keep.options.tasks = tasks;
    pool->keep.options.command = options->command != NULL ? (const char *const *)command : NULL;
    return KITH_OK;
}

/* Takes the name: removes what a killed program has left under it. */
static kith_err
take_name(kith_pool *pool, kith_space *space, const char *name)
{
    kith_err err;

    for (int i = 0;; i++) {
        err = open_alive(space, name, KITH_CREATE_OR_OPEN, &pool->alive);
        if (err == KITH_OK)
            err = kith_semaphore_acquire(pool->alive, PERMIT_NS);
        if (err >= 0)
            break;
        kith_semaphore_close(pool->alive);
        pool->alive = NULL;
        if (err == KITH_ETIMEDOUT)
            return kith__fail(KITH_EEXIST, "There is a pool \"%s\" at work.", name);
        if (err != KITH_EGONE || i == TRIES)
            return err;
    }
    kith__pool_objects_destroy(space, name);
    return KITH_OK;
}

static kith_err
write_state(struct kith__pool_objects *o, const struct kith_pool_options *options)
{
    const struct kith_item keys[] = { KITH_STR("attempts"),  KITH_STR("limit"),
                                      KITH_STR("workers"),   KITH_STR("clients"),
                                      KITH_STR("tasks_max"), KITH_STR("memory_max"),
                                      KITH_STR("life") };
    const struct kith_item items[] = { KITH_INT(options->attempts_max),
                                       KITH_INT(options->limit_ns),
                                       KITH_INT(options->workers),
                                       KITH_INT(0),
                                       KITH_INT((int64_t)options->tasks_per_worker),
                                       KITH_INT((int64_t)options->memory_per_worker),
                                       KITH_INT(kith__real_ns()) };

    return kith_dict_set_many(o->state, keys, items, sizeof(keys) / sizeof(keys[0]));
}

/* Lays in what a worker gives up where tasks have filled the arena; as far as there is room. */
static kith_err
lay_in_reserve(struct kith__pool_objects *o)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith__pool_part part;
    kith_queue *reserve;
    kith_err err;

    options.create = KITH_MUST_CREATE;
    kith__pool_part_name(o->name, "reserve", part);
    err = kith_queue_open(o->space, part, &options, &reserve);
    if (err < 0)
        return err;
    kith__pool_reserve_fill(reserve);
    kith_queue_close(reserve);
    return KITH_OK;
}

/* Starts a keeper, which waits until it is told that all is there. */
static kith_err
start_keeper(kith_pool *pool, kith_process **keeper_out)
{
    struct kith_process_options options = KITH_PROCESS_OPTIONS_INIT;
    const struct kith_pool_options *hooks = &pool->keep.options;
    kith_err err;

    options.name = "kith keeper";
    if (pipe2(pool->keep.go, O_CLOEXEC) < 0)
        return kith__fail(KITH_ESYSTEM, "The pool \"%s\" cannot be started: %s.", pool->keep.name,
                          strerror(errno));
    if (hooks->fork_before != NULL)
        hooks->fork_before(hooks->fork_arg);
    err = kith__process_fork_apart(kith__keep, &pool->keep, &options, keeper_out);
    if (hooks->fork_parent != NULL)
        hooks->fork_parent(hooks->fork_arg);
    close(pool->keep.go[0]);
    if (err < 0)
        close(pool->keep.go[1]);
    else
        pool->keepers++;
    return err;
}

static void
let_keeper_go(kith_pool *pool)
{
    char byte = 0;

    /* An empty pipe takes it at once; if the keeper was killed, that is seen otherwise. */
    (void)!write(pool->keep.go[1], &byte, 1);
    close(pool->keep.go[1]);
}

/* The keeper first: if this program ends now, it removes what there is. */
static kith_err
set_up(kith_pool *pool, kith_space *space, const char *name)
{
    kith_err err;

    pool->keep.space = space;
    pthread_sigmask(SIG_SETMASK, NULL, &pool->keep.mask);
    memcpy(pool->keep.name, name, strlen(name) + 1);
    pool->keep.parent_fd = kith__descriptor_high((int)syscall(SYS_pidfd_open, kith__pid(), 0));
    if (pool->keep.parent_fd < 0)
        return kith__fail(KITH_ESYSTEM, "The pool \"%s\" cannot be started: %s.", name,
                          strerror(errno));
    err = start_keeper(pool, &pool->keeper);
    if (err < 0)
        return err;
    err = take_name(pool, space, name);
    if (err == KITH_OK)
        err = kith__pool_objects_open(space, name, KITH_MUST_CREATE, &pool->objects);
    if (err == KITH_OK)
        err = write_state(&pool->objects, &pool->keep.options);
    if (err == KITH_OK)
        err = lay_in_reserve(&pool->objects);
    if (err < 0) {
        close(pool->keep.go[1]);
        return err;
    }
    pool->is_starter = true;
    let_keeper_go(pool);
    return KITH_OK;
}

/*
 * Has the keeper for itself: none is started in its place, nor is its handle closed, until
 * release_keeper().  Another thread that starts one is waited for, which takes a fork.
 */
static kith_process *
take_keeper(kith_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->replacing)
        pthread_cond_wait(&pool->replaced, &pool->mutex);
    pool->replacing = true;
    pthread_mutex_unlock(&pool->mutex);
    return pool->keeper;
}

/* As replace_killed() does; `keeper` is the one from now on. */
static void
release_keeper(kith_pool *pool, kith_process *keeper)
{
    pthread_mutex_lock(&pool->mutex);
    pool->keeper = keeper;
    pool->replacing = false;
    pthread_cond_broadcast(&pool->replaced);
    pthread_mutex_unlock(&pool->mutex);
}

/* Whether the space is in memory: a file system that holds a file of it may be unmounted next. */
static bool
is_in_memory(kith_space *space)
{
    struct kith_stat stat = KITH_STAT_INIT;

    return kith_stat(space, &stat) == KITH_OK &&
           (stat.path[0] == '\0' || strncmp(stat.path, "/dev/shm/", 9) == 0);
}

/*
 * Kills the keeper, and so its workers, if there is one.  Its end is waited for where it may be at
 * anything, and where it has a file open that somebody may want closed.  Otherwise one that has
 * said that the pool has ended sleeps, and has nothing more to do: the system takes some 10 ms to
 * take its inotify away, in which it is none of ours any more.
 */
static void
kill_keeper(kith_pool *pool, bool wait)
{
    kith_process *keeper = take_keeper(pool);

    if (keeper != NULL) {
        (void)kith_process_kill(keeper);
        if (wait)
            (void)kith_process_wait(keeper, ENDING_NS, NULL);
    }
    release_keeper(pool, keeper);
}

/* Removes what the pool consists of, if this process has its name, and then its keeper. */
static void
tear_down(kith_pool *pool, bool at_once)
{
    kith__pool_part part;

    if (pool->alive != NULL) {
        kith__pool_objects_destroy(pool->keep.space, pool->keep.name);
        kith__pool_part_name(pool->keep.name, "alive", part);
        (void)kith_destroy(pool->keep.space, part);
    }
    kill_keeper(pool, !at_once);
}

kith_err
kith_pool_start(kith_space *space, const char *name, const struct kith_pool_options *options,
                kith_pool **pool_out)
{
    struct kith_pool_options whole = KITH_POOL_OPTIONS_INIT;
    kith_pool *pool;
    kith_err err;

    if (space == NULL || name == NULL || pool_out == NULL)
        return kith__fail_null("kith_pool_start");
    err = kith__options_copy("kith_pool_start", options, &whole, sizeof(whole));
    if (err == KITH_OK)
        err = check_options(&whole);
    if (err == KITH_OK)
        err = kith__pool_name_check("kith_pool_start", name);
    if (err < 0)
        return err;
    if (whole.workers == 0) {
        long processors = sysconf(_SC_NPROCESSORS_ONLN);

        whole.workers = processors < 1                        ? 1
                        : processors > KITH__POOL_WORKERS_MAX ? KITH__POOL_WORKERS_MAX
                                                              : (uint32_t)processors;
    }
    if (whole.attempts_max == 0)
        whole.attempts_max = KITH__POOL_ATTEMPTS;
    pool = new_pool(space);
    if (pool == NULL)
        return KITH_ENOMEM;
    err = keep_options(pool, &whole);
    if (err == KITH_OK)
        err = set_up(pool, space, name);
    if (err < 0) {
        tear_down(pool, false);
        kith__pool_release(pool);
        return err;
    }
    *pool_out = pool;
    return KITH_OK;
}

/* ---- Keeping -------------------------------------------------------------------------- */

/* Whether the program that started the pool lives; another than it asks. */
static bool
has_starter(kith_pool *pool)
{
    uint32_t permits = 0;
    kith_err err = kith_semaphore_value(pool->alive, &permits);

    return err == KITH_OK && permits == 0;
}

/* There is no keeper, and there will be none, to say the last of this pool. */
static void
give_up(kith_pool *pool)
{
    kith__pool_say(&pool->objects, KITH__STANDING_BROKEN, "its keeper was killed too often.");
    (void)kith_queue_shutdown(pool->objects.tasks);
    kith__pool_say(&pool->objects, KITH__STANDING_ENDED, NULL);
}

/*
 * Starts a keeper in the place of one that was killed.  The program's hooks are called without the
 * mutex: they take locks of the program's, whose holders may want the mutex.
 */
static kith_err
replace_killed(kith_pool *pool)
{
    kith_process *killed, *keeper = NULL;
    bool alive = true;
    kith_err err;

    pthread_mutex_lock(&pool->mutex);
    killed = pool->keeper;
    if (pool->replacing || kith_process_alive(killed, &alive) < 0 || alive) {
        pthread_mutex_unlock(&pool->mutex);
        return KITH_OK;
    }
    pool->replacing = true;
    pthread_mutex_unlock(&pool->mutex);
    /* It may have ended in good order since. */
    err = kith__pool_going(&pool->objects);
    if (err == KITH_OK && pool->keepers >= KEEPERS_MAX)
        err = kith__fail(KITH_EUNAVAILABLE,
                         "The pool \"%s\" cannot go on: its keeper was killed too often.",
                         pool->objects.name);
    if (err == KITH_OK)
        err = start_keeper(pool, &keeper);
    if (err == KITH_OK)
        let_keeper_go(pool);
    else if (err == KITH_EUNAVAILABLE)
        give_up(pool);
    release_keeper(pool, keeper != NULL ? keeper : killed);
    if (keeper != NULL)
        kith_process_close(killed);
    return err;
}

kith_err
kith__pool_look_after(kith_pool *pool)
{
    kith_err err = kith__pool_going(&pool->objects);

    if (err < 0)
        return err;
    if (!pool->is_starter || pool->process != kith__pid())
        return has_starter(pool) ? KITH_OK
                                 : kith__fail(KITH_ECLOSED,
                                              "The pool \"%s\" has lost the program that started "
                                              "it.",
                                              pool->objects.name);
    return replace_killed(pool);
}

/* ---- Ending --------------------------------------------------------------------------- */

kith_err
kith_pool_close(kith_pool *pool)
{
    kith_err err;

    if (pool == NULL)
        return kith__fail_null("kith_pool_close");
    err = kith_queue_shutdown(pool->objects.tasks);
    if (err == KITH_OK)
        pool->closed = true;
    return err;
}

kith_err
kith_pool_terminate(kith_pool *pool)
{
    kith_err err;

    if (pool == NULL)
        return kith__fail_null("kith_pool_terminate");
    err = kith_queue_shutdown(pool->objects.tasks);
    if (err == KITH_OK)
        err = kith_event_set(pool->objects.stop);
    if (err < 0)
        return err;
    pool->closed = true;
    if (!pool->is_starter || pool->process != kith__pid())
        return KITH_OK;
    err = kith__pool_await_end(&pool->objects, ENDING_NS);
    if (err == KITH_OK)
        return KITH_OK;
    /* The keeper was stopped, or killed with its word unsaid: its workers go with it. */
    kill_keeper(pool, true);
    kith__pool_say(&pool->objects, KITH__STANDING_ENDED, NULL);
    return KITH_OK;
}

/*
 * Whether somebody is there who will say that the pool has ended, which cannot go on.  Of another
 * program's it is known whether that lives, which looks after the keeper itself.
 */
static bool
has_keeper(kith_pool *pool)
{
    kith_process *keeper;
    bool alive = false;

    if (!pool->is_starter || pool->process != kith__pid())
        return has_starter(pool);
    keeper = take_keeper(pool);
    if (kith_process_alive(keeper, &alive) < 0)
        alive = false;
    release_keeper(pool, keeper);
    return alive;
}

kith_err
kith_pool_join(kith_pool *pool, int64_t timeout_ns)
{
    int64_t deadline_ns, left_ns;
    kith_err err = KITH_ETIMEDOUT;

    if (pool == NULL)
        return kith__fail_null("kith_pool_join");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_pool_join", timeout_ns);
    if (!pool->closed)
        return kith__fail(KITH_EINVAL,
                          "The pool \"%s\" is joined after it was closed or "
                          "terminated, not before.",
                          pool->objects.name);
    deadline_ns = kith__deadline_ns(timeout_ns);
    for (;;) {
        left_ns = kith__deadline_left(deadline_ns);
        err = kith__pool_await_end(&pool->objects, left_ns < LOOK_NS ? left_ns : LOOK_NS);
        if (err == KITH_OK || err == KITH_EGONE)
            break;
        if (err != KITH_ETIMEDOUT)
            return err;
        if (left_ns <= LOOK_NS)
            return kith__fail(KITH_ETIMEDOUT, "The pool \"%s\" did not end in the time given.",
                              pool->objects.name);
        /* Workers may wait for room that results take which nobody has asked for yet. */
        kith__client_drain(pool);
        err = kith__pool_look_after(pool);
        if (err == KITH_ECLOSED || (err == KITH_EUNAVAILABLE && !has_keeper(pool)))
            break;
        if (err < 0 && err != KITH_EUNAVAILABLE)
            return err;
    }
    return KITH_OK;
}

void
kith_pool_free(kith_pool *pool)
{
    if (pool == NULL)
        return;
    if (pool->is_starter && pool->process == kith__pid()) {
        bool has_ended = kith_pool_terminate(pool) == KITH_OK;

        tear_down(pool, has_ended && is_in_memory(pool->keep.space));
    }
    kith__pool_release(pool);
}

/* ---- Looking -------------------------------------------------------------------------- */

struct looking {
    int (*each)(const struct kith_worker *worker, void *arg);
    void *arg;
    int64_t limit_ns;
    bool ended;
};

/* Whether the process is stopped, as far as this one can see. */
static bool
is_stopped(int64_t pid)
{
    char path[64], text[512], *after;
    FILE *file;
    size_t size;

    (void)snprintf(path, sizeof(path), "/proc/%lld/stat", (long long)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    size = fread(text, 1, sizeof(text) - 1, file);
    (void)fclose(file);
    text[size] = '\0';
    after = strrchr(text, ')');
    return after != NULL && (after[1] == ' ') && (after[2] == 'T' || after[2] == 't');
}

static int
look(struct kith_item key, struct kith_item item, void *arg)
{
    struct looking *looking = arg;
    struct kith__record record;
    struct kith_worker worker;

    (void)key;
    if (!kith__record_read(item, &record) || record.state > KITH__RECORD_AT)
        return 0;
    worker = (struct kith_worker){ .pid = record.pid,
                                   .state = KITH_WORKER_IDLE,
                                   .joined = record.kept == 0 };
    if (record.state == KITH__RECORD_AT) {
        worker.state = KITH_WORKER_BUSY;
        worker.since_ns = record.since_ns;
        if (looking->limit_ns > 0 && kith__now_ns() - record.since_ns > looking->limit_ns)
            worker.state = KITH_WORKER_LATE;
    }
    if (is_stopped(record.pid))
        worker.state = KITH_WORKER_STOPPED;
    looking->ended = looking->each(&worker, looking->arg) != 0;
    return looking->ended;
}

kith_err
kith_pool_workers(kith_pool *pool, int (*each)(const struct kith_worker *worker, void *arg),
                  void *arg)
{
    struct looking looking = { .each = each, .arg = arg };

    if (pool == NULL || each == NULL)
        return kith__fail_null("kith_pool_workers");
    looking.limit_ns = kith__pool_number(&pool->objects, "limit", 0);
    return kith_dict_each(pool->objects.workers, look, &looking);
}
