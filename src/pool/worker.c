/*
 * worker.c - a worker: takes tasks, runs them, sends their results.
 *
 * What was put into the queue at once is a chunk of tasks, and is leased as one.
 *
 * QUICKLY  The first time, all tasks of a chunk are run, and their results and the acknowledgement
 *   are one transaction.  A death leaves none of it, and no telling which task it was.
 *
 * WITH CARE  A chunk that came back because its worker died is run task by task: the record says
 *   which one, and each result is sent at once, so that the next one who has to begins there.  The
 *   task that stands in the dead worker's record is to blame.  Its deaths are counted from record
 *   to record: one who takes over writes its own record before it removes the dead one's, and
 *   where a death left several, the one that is furthest counts.  A result may so be sent twice,
 *   if the worker died after sending it and before writing that it is at the next: the client
 *   takes the first.
 *
 * With a limit of time the first run is with care as well, for the keeper has to see which task is
 * late.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/interrupt.h"
#include "base/item.h"
#include "object/handle.h"
#include "pool/work.h"

/* How long one who takes over waits for the keeper's word of what the other died of. */
#define OBITUARY_NS KITH__NS_PER_S

/* Between two looks of one that has joined whether the program lives; all else wakes it. */
#define LOOK_NS (250 * KITH__NS_PER_MS)

/* Tasks between two tries to fill the reserve again, by a worker that is never idle. */
#define REFILL_TASKS 256

struct kith_task {
    struct kith__worker *worker;
    struct kith__job *job;
    const char *name;
    bool committed;
};

/* The name of an entry that runs what no other does. */
#define ANY "*"

/* ---- One task ------------------------------------------------------------------------- */

static const struct kith_task_entry *
find_entry(const struct kith__work *work, const char *name)
{
    const struct kith_task_entry *any = NULL;

    for (size_t i = 0; i < work->task_count; i++) {
        if (strcmp(work->tasks[i].name, name) == 0)
            return &work->tasks[i];
        if (strcmp(work->tasks[i].name, ANY) == 0)
            any = &work->tasks[i];
    }
    return any;
}

static bool
read_arguments(struct kith__worker *w, struct kith__job *job)
{
    for (size_t i = 0; i < job->arity; i++)
        if (!kith__unpack_item(&job->reader, &w->arguments[i], w->tags[i]))
            return false;
    return true;
}

/* The result stands as the one member of an array: so deep it will stand in its message. */
#define RESULT_AT 1
#define ARRAY_OF_ONE 0x91

static struct kith_item
result_of(const struct kith__worker *w)
{
    struct kith_item item = kith__packed(&w->result);

    item.data = w->result.data + RESULT_AT;
    item.size -= RESULT_AT;
    return item;
}

/* Runs the task whose items are next, and adds what came of it to the message. */
static void
run_next(struct kith__worker *w, struct kith__job *job, uint32_t index, bool *committed_out)
{
    const struct kith_task_entry *entry = job->entry;
    struct kith_task task = { .worker = w, .job = job, .name = job->name, .committed = false };
    unsigned told;
    kith_err err;

    w->result.size = 0;
    w->result.err = KITH_OK;
    if (!read_arguments(w, job)) {
        kith__message_add(w, index, KITH_EINVAL, KITH_STR("The task's items are no items."));
        return;
    }
    if (entry == NULL) {
        err = kith__fail(KITH_ENOENT, "The worker has no task \"%s\".", job->name);
        kith__message_add(w, index, err, kith_str(kith_last_error()));
        return;
    }
    told = kith__told();
    err = entry->run(&task, w->arguments, job->arity, entry->arg);
    *committed_out = task.committed;
    if (task.committed)
        return;
    if (err < 0 && kith__told() == told)
        (void)kith__fail(err, "its function says that %s.", kith_strerror(err));
    if (err < 0)
        kith__message_add(w, index, err, kith_str(kith_last_error()));
    else if (w->result.size == 0)
        kith__message_add(w, index, KITH_OK, kith_none());
    else
        kith__message_add(w, index, KITH_OK, result_of(w));
}

kith_err
kith_task_return(kith_task *task, struct kith_item item)
{
    struct kith__worker *w;
    uint8_t *head;
    kith_err err;

    if (task == NULL)
        return kith__fail_null("kith_task_return");
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    w = task->worker;
    w->result.size = 0;
    w->result.err = KITH_OK;
    head = kith__pack_room(&w->result, RESULT_AT);
    if (head != NULL)
        *head = ARRAY_OF_ONE;
    kith__pack_item(&w->result, item);
    if (w->result.err == KITH_OK && item.type == KITH_TYPE_PACKED &&
        kith__pack_check(w->result.data, w->result.size) < 0)
        w->result.err = kith__fail(KITH_EINVAL, "The result of a task is nested %d deep at most.",
                                   KITH_PACKED_DEPTH_MAX - 1);
    err = w->result.err;
    if (err < 0)
        w->result.size = 0;
    w->result.err = KITH_OK;
    return err;
}

/* What stands against a commit of the task's result, before anything is built. */
static kith_err
check_commit(const kith_task *task, const struct kith_item *item)
{
    const struct kith__job *job = task->job;

    if (job->count != 1)
        return kith__fail(KITH_EUNSUPPORTED,
                          "A task that came in a chunk of %u cannot commit its result by itself: "
                          "map it with a chunk of 1.",
                          (unsigned)job->count);
    if (task->committed || job->lease == NULL)
        return kith__fail(KITH_EINVAL, "The task has committed its result already.");
    return kith__item_check_fast(item);
}

/* Adds the result, and that the task is done, to the transaction. */
static kith_err
add_result(struct kith__worker *w, const struct kith__job *job, kith_txn *txn,
           struct kith_item item)
{
    kith_err err;

    kith__message_begin(w, job);
    kith__message_add(w, 0, KITH_OK, item);
    err = kith__message_end(w);
    if (err == KITH_OK)
        err = kith_txn_queue_put(txn, w->results, kith__packed(&w->out));
    return err == KITH_OK ? kith_txn_lease_ack(txn, job->lease) : err;
}

kith_err
kith_task_commit(kith_task *task, kith_txn *txn, struct kith_item item)
{
    kith_err err;

    if (task == NULL || txn == NULL) {
        kith_txn_discard(txn);
        return kith__fail_null("kith_task_commit");
    }
    err = check_commit(task, &item);
    if (err < 0) {
        kith_txn_discard(txn);
        return err;
    }
    err = add_result(task->worker, task->job, txn, item);
    if (err == KITH_OK)
        err = kith_txn_commit(txn);
    else
        kith_txn_discard(txn);
    if (err == KITH_OK) {
        task->job->lease = NULL;
        task->committed = true;
        return KITH_OK;
    }
    /* What the function does about it is its result. */
    kith__message_begin(task->worker, task->job);
    return err;
}

const char *
kith_task_name(const kith_task *task)
{
    return task == NULL ? "" : task->name;
}

uint32_t
kith_task_attempts(const kith_task *task)
{
    return task == NULL ? 0 : task->job->attempts;
}

/* ---- Records -------------------------------------------------------------------------- */

static kith_err
say_at(struct kith__worker *w, const struct kith__job *job, int64_t index, int64_t deaths)
{
    w->record.state = KITH__RECORD_AT;
    w->record.client = job->client;
    w->record.id = job->id;
    w->record.index = index;
    w->record.deaths = deaths;
    w->record.since_ns = kith__now_ns();
    return kith__record_set(w->o, w->work->number, &w->record);
}

static kith_err
say_idle(struct kith__worker *w)
{
    w->record = (struct kith__record){ .pid = w->record.pid, .kept = w->record.kept };
    return kith__record_set(w->o, w->work->number, &w->record);
}

/* The record of who had a chunk before: the one that is furthest, of several. */
struct search {
    const struct kith__worker *worker;
    const struct kith__job *job;
    bool remove; /* rather than look: all of them */
    bool found;
    int64_t number;
    struct kith__record record;
};

static int
look_at_record(struct kith_item key, struct kith_item item, void *arg)
{
    struct search *search = arg;
    struct kith__record record;

    if (key.type != KITH_TYPE_INT || key.integer == search->worker->work->number ||
        !kith__record_read(item, &record) || record.state == KITH__RECORD_IDLE ||
        record.client != search->job->client || record.id != search->job->id)
        return 0;
    if (search->remove) {
        (void)kith_dict_delete(search->worker->o->workers, key);
        return 0;
    }
    if (!search->found || record.index > search->record.index ||
        (record.index == search->record.index && record.deaths > search->record.deaths)) {
        search->found = true;
        search->number = key.integer;
        search->record = record;
    }
    return 0;
}

/* Who had the chunk before, waiting a moment for the keeper's word of its end. */
static struct search
find_predecessor(const struct kith__worker *w, const struct kith__job *job)
{
    struct search search = { .worker = w, .job = job };
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__record record;
    uint64_t version;

    (void)kith_dict_each(w->o->workers, look_at_record, &search);
    if (!search.found || !search.record.kept || search.record.state != KITH__RECORD_AT)
        return search;
    if (kith_dict_get_version(w->o->workers, KITH_INT(search.number), &buf, &version) == KITH_OK) {
        if (kith__record_read(buf.item, &record) && record.state == KITH__RECORD_AT)
            (void)kith_dict_wait(w->o->workers, KITH_INT(search.number), version, OBITUARY_NS, &buf,
                                 NULL);
        if (kith__record_read(buf.item, &record) && record.client == job->client &&
            record.id == job->id)
            search.record = record;
    }
    kith_buf_free(&buf);
    return search;
}

static void
remove_predecessors(const struct kith__worker *w, const struct kith__job *job)
{
    struct search search = { .worker = w, .job = job, .remove = true };

    (void)kith_dict_each(w->o->workers, look_at_record, &search);
}

/* ---- A chunk -------------------------------------------------------------------------- */

/* Takes a leased item apart; false if it is nothing that a client puts. */
static bool
read_job(const struct kith__work *work, struct kith_item item, struct kith__job *job)
{
    struct kith__pack_reader reader = kith__pack_reader(item.data, item.size);
    int64_t arity;
    uint32_t count;
    kith__tag tag;
    struct kith_item name;

    if (item.type != KITH_TYPE_PACKED || !kith__unpack_array(&reader, &count) || count < 4 ||
        !kith__unpack_int(&reader, &job->client) || !kith__unpack_int(&reader, &job->id) ||
        !kith__unpack_item(&reader, &name, tag) || name.type != KITH_TYPE_STR ||
        name.size > KITH__NAME_SIZE_MAX || !kith__unpack_int(&reader, &arity))
        return false;
    memcpy(job->name, name.data, name.size);
    job->name[name.size] = '\0';
    count -= 4;
    if (arity < 0 || arity > count || (arity > 0 && count % (uint32_t)arity != 0) ||
        (arity == 0 && count > 0))
        return false;
    job->arity = (size_t)arity;
    job->count = arity == 0 ? 1 : count / (uint32_t)arity;
    job->reader = reader;
    job->entry = find_entry(work, job->name);
    return job->count > 0;
}

static kith_err
make_room(struct kith__worker *w, size_t arity)
{
    struct kith_item *arguments;
    kith__tag *tags;

    if (arity <= w->arguments_max)
        return KITH_OK;
    arguments = kith__realloc(w->arguments, arity * sizeof(*arguments));
    if (arguments != NULL)
        w->arguments = arguments;
    tags = kith__realloc(w->tags, arity * sizeof(*tags));
    if (tags != NULL)
        w->tags = tags;
    if (arguments == NULL || tags == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a task.");
    w->arguments_max = arity;
    return KITH_OK;
}

/*
 * Ends a task that nobody wants, in one step with the word that it is so: who said it may take it
 * back until then.  *dropped_out: the task was ended, and is not run.
 */
static kith_err
drop_cancelled(struct kith__worker *w, struct kith__job *job, bool *dropped_out)
{
    struct kith__task_key key = { job->client, job->id };
    struct kith_item item = kith_bytes(&key, sizeof(key));
    kith_err err;

    *dropped_out = false;
    if (job->count != 1 || kith_dict_has(w->o->cancels, item) != KITH_OK)
        return KITH_OK;
    kith__message_begin(w, job);
    kith__message_add(w, 0, KITH_EGONE, KITH_STR("The task was cancelled."));
    err = kith__message_send_if_present(w, job, w->o->cancels, item);
    *dropped_out = err == KITH_OK;
    return err == KITH_ECONFLICT ? KITH_OK : err;
}

static kith_err
run_quickly(struct kith__worker *w, struct kith__job *job)
{
    bool committed = false, dropped = false;
    kith_err err = say_at(w, job, job->count == 1 ? 0 : -1, 0);

    /* After the record: who cancels looks at the records after it has said so. */
    if (err == KITH_OK)
        err = drop_cancelled(w, job, &dropped);
    if (err < 0 || dropped)
        return err;
    kith__message_begin(w, job);
    for (uint32_t i = 0; i < job->count; i++)
        run_next(w, job, i, &committed);
    return committed ? KITH_OK : kith__message_send(w, job, true);
}

static bool
skip_tasks(struct kith__job *job, int64_t count)
{
    struct kith_item item;
    kith__tag tag;

    for (uint64_t i = (uint64_t)count * job->arity; i > 0; i--)
        if (!kith__unpack_item(&job->reader, &item, tag))
            return false;
    return true;
}

/*
 * What the dead have left for the task at `start`: nothing, or its failure, which it adds.  How
 * many died at it besides the first of all comes out.
 */
static bool
judge(struct kith__worker *w, struct kith__job *job, const struct search *dead, int64_t start,
      int64_t *deaths_out)
{
    int64_t attempts;

    *deaths_out = dead->found && dead->record.index == start ? dead->record.deaths : 0;
    /* The first death of a chunk may have been any of its tasks': it counts for each. */
    if (dead->found && dead->record.index == start && job->attempts > 1)
        ++*deaths_out;
    attempts = job->count == 1 ? job->attempts : 1 + *deaths_out;
    /* Records may be lost, if workers die before they write one: then this bounds it. */
    if (job->attempts > w->attempts_max + job->count)
        attempts = w->attempts_max;
    if (dead->found && dead->record.state == KITH__RECORD_DEAD_LATE && dead->record.index == start)
        kith__message_add(w, (uint32_t)start, KITH_ETIMEDOUT,
                          KITH_STR("The task took longer than the pool allows, and its worker was "
                                   "killed."));
    else if (attempts >= w->attempts_max)
        kith__message_add_death(w, (uint32_t)start, &dead->record, attempts);
    else
        return false;
    return true;
}

static kith_err
run_with_care(struct kith__worker *w, struct kith__job *job)
{
    struct search dead = { .found = false };
    int64_t start = 0, deaths;
    bool committed = false, dropped = false;
    kith_err err;

    if (job->attempts > 0)
        dead = find_predecessor(w, job);
    if (dead.found && dead.record.index > 0 && dead.record.index < job->count)
        start = dead.record.index;
    if (!skip_tasks(job, start))
        return kith__job_done(job);
    for (int64_t i = start; i < job->count; i++) {
        bool failed = false;

        w->began_ns = kith__now_ns();
        kith__message_begin(w, job);
        deaths = 0;
        if (i == start && job->attempts > 0)
            failed = judge(w, job, &dead, i, &deaths);
        err = say_at(w, job, i, deaths);
        if (err < 0)
            return err;
        if (i == start && dead.found)
            remove_predecessors(w, job);
        err = drop_cancelled(w, job, &dropped);
        if (err < 0 || dropped)
            return err;
        kith__message_begin(w, job);
        if (failed) {
            (void)judge(w, job, &dead, i, &deaths);
            if (!skip_tasks(job, 1))
                return kith__job_done(job);
        } else {
            run_next(w, job, (uint32_t)i, &committed);
        }
        if (committed)
            return KITH_OK;
        err = kith__message_send(w, job, i + 1 == job->count);
        if (err < 0)
            return err;
        if (w->results == NULL)
            return kith__job_done(job); /* nobody wants the rest */
    }
    return KITH_OK;
}

static kith_err
run_job(struct kith__worker *w, struct kith__job *job)
{
    kith_err err;

    w->began_ns = kith__now_ns();
    err = kith__message_find(w, job->client);
    if (err == KITH_ENOENT)
        return kith__job_done(job);
    if (err == KITH_OK)
        err = make_room(w, job->arity);
    if (err < 0)
        return err;
    w->tasks_done += job->count;
    /* Run quickly, several tasks are begun before it is known which one kills. */
    if (job->attempts == 0 && w->limit_ns == 0 && (job->count == 1 || w->attempts_max > 1))
        return run_quickly(w, job);
    return run_with_care(w, job);
}

/* ---- The worker ----------------------------------------------------------------------- */

static int depth;

int
kith__pool_depth(void)
{
    const char *text = getenv("KITH_POOL_DEPTH");

    if (depth == 0 && text != NULL && text[0] >= '0' && text[0] <= '9' && text[1] == '\0')
        depth = text[0] - '0';
    return depth;
}

void
kith__pool_depth_set(int to)
{
    depth = to;
}

/* Bytes of memory that this process has. */
static uint64_t
memory_now(void)
{
    char text[128];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;
    char *resident;

    if (fd >= 0)
        close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    resident = strchr(text, ' ');
    return resident == NULL ? 0 : strtoull(resident, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static bool
is_to_be_replaced(const struct kith__worker *w)
{
    const struct kith__work *work = w->work;

    return (work->tasks_max > 0 && w->tasks_done >= work->tasks_max) ||
           (work->memory_max > 0 && w->tasks_done > 0 && memory_now() > work->memory_max);
}

/*
 * KITH_ECLOSED: the pool was terminated, or has lost its program.  The workers of a keeper are
 * killed then; others have to ask.
 */
static kith_err
is_going(const struct kith__worker *w)
{
    bool stopped = false;
    uint32_t permits = 0;
    kith_err err;

    if (w->work->alive == NULL)
        return KITH_OK;
    err = kith_event_is_set(w->o->stop, &stopped);
    if (err == KITH_OK && !stopped)
        err = kith_semaphore_value(w->work->alive, &permits);
    return err < 0 ? err : stopped || permits > 0 ? KITH_ECLOSED : KITH_OK;
}

/* The next chunk; says that it is idle only if it has to wait. */
static kith_err
lease_next(struct kith__worker *w, struct kith_buf *buf, kith_lease **lease_out)
{
    int64_t patience_ns = w->work->alive == NULL ? KITH_FOREVER : LOOK_NS;
    kith_err err = is_going(w);

    if (err < 0)
        return err;
    err = kith_queue_lease(w->o->tasks, 0, buf, lease_out);
    if (err != KITH_EEMPTY)
        return err;
    kith__refill_reserve(w);
    if (w->record.state != KITH__RECORD_IDLE) {
        err = say_idle(w);
        if (err < 0)
            return err;
    }
    do {
        err = is_going(w);
        if (err == KITH_OK)
            err = kith_queue_lease(w->o->tasks, patience_ns, buf, lease_out);
    } while (err == KITH_ETIMEDOUT || err == KITH_EEMPTY);
    return err;
}

static kith_err
work_on(struct kith__worker *w)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith_err err = KITH_OK;

    while (err == KITH_OK && !is_to_be_replaced(w)) {
        struct kith__job job = { .lease = NULL };

        if (w->tasks_done % REFILL_TASKS == 0)
            kith__refill_reserve(w);

        err = lease_next(w, &buf, &job.lease);
        if (err < 0)
            break;
        job.attempts = kith_lease_attempts(job.lease);
        if (read_job(w->work, buf.item, &job))
            err = run_job(w, &job);
        else
            err = kith__job_done(&job);
        /* After an error the tasks are another's, as if this worker had died. */
        if (job.lease != NULL)
            (void)kith_lease_nack(job.lease);
    }
    kith_buf_free(&buf);
    return err == KITH_ECLOSED || err == KITH_EGONE ? KITH_OK : err;
}

kith_err
kith__work(const struct kith__work *work)
{
    struct kith__worker w = { .work = work, .o = work->objects };
    kith_err err;

    w.attempts_max = kith__pool_number(w.o, "attempts", KITH__POOL_ATTEMPTS);
    w.limit_ns = kith__pool_number(w.o, "limit", 0);
    w.record.pid = getpid();
    w.record.kept = work->kept;
    err = say_idle(&w);
    if (err == KITH_OK)
        err = work_on(&w);
    /* The keeper sees by the record that this one could work, and removes it. */
    if (!work->kept)
        (void)kith_dict_delete(w.o->workers, KITH_INT(work->number));
    else if (err == KITH_OK)
        (void)say_idle(&w);
    kith__refill_reserve(&w);
    kith_queue_close(w.reserve);
    kith_queue_close(w.results);
    kith__free(w.out.data);
    kith__free(w.result.data);
    kith__free(w.arguments);
    kith__free(w.tags);
    return err == KITH_EGONE ? KITH_OK : err;
}

/* The semaphore whose permit the program has while it lives. */
static kith_err
open_alive(kith_space *space, const char *name, kith_semaphore **alive_out)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    kith__pool_part part;

    options.create = KITH_MUST_EXIST;
    kith__pool_part_name(name, "alive", part);
    return kith_semaphore_open(space, part, &options, alive_out);
}

/* Joins a pool: a number that nobody has, and then as any other. */
static kith_err
join_pool(kith_space *space, const char *name, const struct kith_task_entry *tasks,
          size_t task_count, const char *number)
{
    struct kith__pool_objects objects;
    struct kith__work work = { .objects = &objects, .tasks = tasks, .task_count = task_count };
    kith_err err = kith__pool_objects_open(space, name, KITH_MUST_EXIST, &objects);

    if (err < 0)
        return err;
    if (number != NULL) {
        work.kept = true;
        work.number = strtoll(number, NULL, 10);
        work.tasks_max = (uint64_t)kith__pool_number(&objects, "tasks_max", 0);
        work.memory_max = (uint64_t)kith__pool_number(&objects, "memory_max", 0);
    } else {
        err = open_alive(space, name, &work.alive);
        if (err == KITH_OK)
            err = kith_dict_add(objects.state, KITH_STR("numbers"), 1, &work.number);
    }
    if (err == KITH_OK)
        err = kith__work(&work);
    kith_semaphore_close(work.alive);
    kith__pool_objects_close(&objects);
    return err;
}

kith_err
kith_worker_run(kith_space *space, const char *pool, const struct kith_task_entry *tasks,
                size_t task_count)
{
    const char *number = space == NULL && pool == NULL ? getenv("KITH_WORKER") : NULL;
    kith_space *own = NULL;
    kith_err err;

    if (tasks == NULL && task_count > 0)
        return kith__fail_null("kith_worker_run");
    for (size_t i = 0; i < task_count; i++) {
        err = kith__pool_entry_check("kith_worker_run", &tasks[i], i);
        if (err < 0)
            return err;
    }
    if (space == NULL || pool == NULL) {
        pool = getenv("KITH_POOL");
        if (space != NULL || number == NULL || pool == NULL)
            return kith__fail(KITH_EINVAL, "kith_worker_run() was given no space or no pool, and "
                                           "no pool has started this program.");
        err = kith_process_space(0, NULL, &own);
        if (err < 0)
            return err;
        space = own;
    }
    err = kith__pool_name_check("kith_worker_run", pool);
    if (err == KITH_OK)
        err = join_pool(space, pool, tasks, task_count, number);
    kith_close(own);
    return err;
}
