/*
 * tally_run.c - the job on Kith: a filler, workers, and with chaos a killer.
 *
 * A worker borrows files until it has a batch, counts them in private memory, and commits one
 * transaction: the counts are added to the shared dicts and the files acknowledged, or neither.
 * Killed before the commit, it leaves its files to the next worker; killed after it, nothing.
 *
 * The filler sees each worker's phase on a desk in memory that they share.  Whether a killed worker
 * was busy is read there after its death, when it can no longer change.
 */
#include "tally.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define TICK_NS (20 * MS)
#define KILL_EVERY_NS (200 * MS)

/* A batch ends with so many files or bytes, so that a kill loses little work. */
#define BATCH_FILES_MAX 64
#define BATCH_BYTES_MAX (1 << 20)

/* File names put in one call. */
#define PUT_MAX 512

/* A repeated corpus that leads to no kills is given up after so long. */
#define CHAOS_NS_MAX (120 * 1000 * MS)

/* What a worker is doing.  It is busy while it holds files. */
enum phase { PHASE_WAITING, PHASE_COUNTING, PHASE_COMMITTING };

struct desk {
    _Alignas(64) _Atomic uint32_t phase;
};

/* One run. */
struct run {
    const struct tally_job *job;
    struct tally_space *shared;
    struct tally_result *result;
    struct tally_progress progress;
    struct desk *desks; /* one a worker, in memory shared with it */
    pid_t *pids;        /* 0: it has ended */
    pid_t filler;
    int64_t started_ns;
    int64_t next_kill_ns;
    uint64_t random;
    bool closed; /* the queue is shut down: no more files will come */
};

/* ---- the space ---- */

void
tally_space_close(struct tally_space *shared)
{
    kith_queue_close(shared->files);
    kith_dict_close(shared->totals);
    kith_dict_close(shared->words);
    kith_dict_close(shared->hosts);
    memset(shared, 0, sizeof *shared);
}

int
tally_space_open(struct tally_space *shared, kith_space *space)
{
    kith_err err;

    memset(shared, 0, sizeof *shared);
    if ((err = kith_dict_open(space, "hosts", NULL, &shared->hosts)) < 0 ||
        (err = kith_dict_open(space, "words", NULL, &shared->words)) < 0 ||
        (err = kith_dict_open(space, "totals", NULL, &shared->totals)) < 0 ||
        (err = kith_queue_open(space, "files", NULL, &shared->files)) < 0) {
        int status = cli_failed(err);

        tally_space_close(shared);
        return status;
    }
    return CLI_GO_ON;
}

/* ---- a worker ---- */

struct worker {
    const struct tally_job *job;
    struct tally_space *shared;
    struct desk *desk;
    struct tally tally;
    struct tally_reader reader;
    struct kith_buf name;
    kith_lease *leases[BATCH_FILES_MAX];
    size_t lease_count;
    int64_t batch_bytes;
};

static void
count_leased(struct worker *worker)
{
    char path[4096];
    size_t size = worker->name.item.size;

    if (size >= sizeof path) /* no path is so long; the filler put it, so this is no file of it */
        return;
    memcpy(path, worker->name.item.data, size);
    path[size] = '\0';
    tally_file(&worker->tally, &worker->reader, path);
}

/* Borrows and counts files until there is a batch.  KITH_ECLOSED: there are no more. */
static kith_err
gather(struct worker *worker)
{
    int64_t timeout_ns = KITH_FOREVER;

    worker->lease_count = 0;
    tally_clear(&worker->tally);
    while (worker->lease_count < BATCH_FILES_MAX && worker->tally.bytes < worker->batch_bytes) {
        kith_err err = kith_queue_lease(worker->shared->files, timeout_ns, &worker->name,
                                        &worker->leases[worker->lease_count]);

        if (err < 0 && worker->lease_count > 0 && (err == KITH_EEMPTY || err == KITH_ECLOSED))
            break; /* a small batch is one too */
        if (err < 0)
            return err;
        worker->lease_count++;
        atomic_store(&worker->desk->phase, PHASE_COUNTING);
        count_leased(worker);
        timeout_ns = 0;
    }
    return KITH_OK;
}

static kith_err
add_counts(kith_txn *txn, kith_dict *dict, const struct tally_counts *counts)
{
    kith_err err = KITH_OK;

    for (size_t i = 0; i < counts->slot_count && err == KITH_OK; i++) {
        const struct tally_count *slot = &counts->slots[i];
        struct kith_item name = { .type = KITH_TYPE_STR,
                                  .data = counts->names + slot->at,
                                  .size = slot->size };

        if (slot->n != 0)
            err = kith_txn_dict_add(txn, dict, name, slot->n);
    }
    return err;
}

static kith_err
add_totals(kith_txn *txn, kith_dict *totals, const struct tally *tally)
{
    kith_err err;

    if ((err = kith_txn_dict_add(txn, totals, KITH_STR("files"), tally->files)) < 0 ||
        (err = kith_txn_dict_add(txn, totals, KITH_STR("bytes"), tally->bytes)) < 0 ||
        (err = kith_txn_dict_add(txn, totals, KITH_STR("hosts"), tally->hosts.total)) < 0)
        return err;
    return kith_txn_dict_add(txn, totals, KITH_STR("words"), tally->words.total);
}

/* One transaction for the batch: its counts, and the acknowledgement of its files. */
static kith_err
commit(struct worker *worker)
{
    kith_txn *txn;
    kith_err err = kith_txn_begin(worker->job->space, &txn);

    if (err < 0)
        return err;
    if ((err = add_counts(txn, worker->shared->hosts, &worker->tally.hosts)) < 0 ||
        (err = add_counts(txn, worker->shared->words, &worker->tally.words)) < 0 ||
        (err = add_totals(txn, worker->shared->totals, &worker->tally)) < 0)
        goto discard;
    for (size_t i = 0; i < worker->lease_count; i++)
        if ((err = kith_txn_lease_ack(txn, worker->leases[i])) < 0)
            goto discard;
    atomic_store(&worker->desk->phase, PHASE_COMMITTING);
    err = kith_txn_commit(txn);
    atomic_store(&worker->desk->phase, PHASE_WAITING);
    return err;
discard:
    kith_txn_discard(txn);
    return err;
}

/* The life of a worker.  Returns its exit status. */
static int
work(const struct run *run, unsigned index)
{
    struct worker worker = { .job = run->job, .shared = run->shared, .desk = &run->desks[index] };
    int64_t share = (int64_t)(run->job->corpus->bytes / (8 * run->job->workers));
    kith_err err = KITH_OK;

    worker.batch_bytes = share > BATCH_BYTES_MAX ? BATCH_BYTES_MAX : share;
    if (worker.batch_bytes == 0)
        worker.batch_bytes = 1;
    while (err >= 0) {
        err = gather(&worker);
        if (err >= 0)
            err = commit(&worker);
    }
    if (err != KITH_ECLOSED)
        return cli_failed(err);
    tally_space_close(run->shared);
    kith_close(run->job->space); /* an orderly end: nobody has to clean up after it */
    return CLI_DONE;
}

/* Starts a worker, which ends with its filler. */
static int
start_worker(struct run *run, unsigned index)
{
    pid_t pid;

    atomic_store(&run->desks[index].phase, PHASE_WAITING);
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        cli_say("A worker cannot be started: %s.", strerror(errno));
        return CLI_FAILED;
    }
    if (pid == 0) {
        signal(SIGINT, SIG_IGN); /* the filler ends its workers itself */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != run->filler)
            _exit(CLI_FAILED);
        _exit(work(run, index));
    }
    run->pids[index] = pid;
    return CLI_GO_ON;
}

/* ---- the filler ---- */

/* Puts all file names in, as strs where they are UTF-8. */
static int
fill(struct run *run)
{
    const struct tally_corpus *corpus = run->job->corpus;
    struct kith_item names[PUT_MAX];

    for (size_t at = 0; at < corpus->count;) {
        size_t count = corpus->count - at < PUT_MAX ? corpus->count - at : PUT_MAX;
        kith_err err;

        for (size_t i = 0; i < count; i++) {
            const char *path = corpus->paths[at + i];
            size_t size = strlen(path);

            names[i] = cli_is_utf8(path, size) ? kith_str(path) : kith_bytes(path, size);
        }
        err = kith_queue_put_many(run->shared->files, names, count, KITH_FOREVER, NULL);
        if (err < 0)
            return cli_failed(err);
        at += count;
    }
    run->result->passes++;
    return CLI_GO_ON;
}

static int64_t
elapsed_ns(const struct run *run)
{
    return cli_now_ns() - run->started_ns;
}

static bool
wants_more_kills(const struct run *run)
{
    return run->job->chaos && run->result->busy_kills < run->job->busy_kills_min &&
           elapsed_ns(run) < CHAOS_NS_MAX;
}

/* Keeps files in the queue as long as kills are wanted, then shuts it down. */
static int
refill(struct run *run)
{
    uint64_t ready;
    kith_err err;

    if (run->closed)
        return CLI_GO_ON;
    if (wants_more_kills(run)) {
        err = kith_queue_len(run->shared->files, &ready);
        if (err < 0)
            return cli_failed(err);
        return 2 * ready < run->job->corpus->count ? fill(run) : CLI_GO_ON;
    }
    err = kith_queue_shutdown(run->shared->files);
    if (err < 0)
        return cli_failed(err);
    run->closed = true;
    return CLI_GO_ON;
}

/* A worker that holds files, chosen at random; -1: there is none now. */
static int
pick_busy(struct run *run)
{
    unsigned busy = 0;
    unsigned chosen;

    for (unsigned i = 0; i < run->job->workers; i++)
        if (run->pids[i] != 0 && atomic_load(&run->desks[i].phase) != PHASE_WAITING)
            busy++;
    if (busy == 0)
        return -1;
    run->random = run->random * 6364136223846793005u + 1442695040888963407u;
    chosen = (unsigned)(run->random >> 33) % busy;
    for (unsigned i = 0; i < run->job->workers; i++)
        if (run->pids[i] != 0 && atomic_load(&run->desks[i].phase) != PHASE_WAITING &&
            chosen-- == 0)
            return (int)i;
    return -1; /* they finished while we looked */
}

/* Kills a busy worker, counts what it was doing when it died, and starts another. */
static int
kill_one(struct run *run)
{
    int index = pick_busy(run);
    uint32_t phase;
    int how;

    if (index < 0)
        return CLI_GO_ON;
    run->next_kill_ns = cli_now_ns() + KILL_EVERY_NS;
    kill(run->pids[index], SIGKILL);
    while (waitpid(run->pids[index], &how, 0) < 0 && errno == EINTR)
        continue;
    run->pids[index] = 0;
    if (WIFSIGNALED(how)) {
        phase = atomic_load(&run->desks[index].phase);
        run->result->kills++;
        run->result->busy_kills += phase != PHASE_WAITING;
        run->result->commit_kills += phase == PHASE_COMMITTING;
    }
    return start_worker(run, (unsigned)index);
}

/* Looks for workers that ended.  Sets *left to how many have not. */
static int
look_after_workers(struct run *run, unsigned *left)
{
    *left = 0;
    for (unsigned i = 0; i < run->job->workers; i++) {
        int how;

        if (run->pids[i] == 0)
            continue;
        if (waitpid(run->pids[i], &how, WNOHANG) != run->pids[i]) {
            ++*left;
            continue;
        }
        run->pids[i] = 0;
        if (WIFEXITED(how) && WEXITSTATUS(how) == CLI_DONE)
            continue;
        if (WIFSIGNALED(how))
            cli_say("A worker died by signal %d, which was not sent from here.", WTERMSIG(how));
        return CLI_FAILED;
    }
    return CLI_GO_ON;
}

static void
stop_workers(struct run *run)
{
    for (unsigned i = 0; i < run->job->workers; i++) {
        if (run->pids[i] == 0)
            continue;
        kill(run->pids[i], SIGKILL);
        while (waitpid(run->pids[i], NULL, 0) < 0 && errno == EINTR)
            continue;
        run->pids[i] = 0;
    }
}

/* The filler's work until the last worker has ended. */
static int
supervise(struct run *run)
{
    const struct timespec tick = { 0, TICK_NS };
    unsigned left = run->job->workers;
    int status = CLI_GO_ON;

    while (status == CLI_GO_ON) {
        status = look_after_workers(run, &left);
        if (left == 0 || status != CLI_GO_ON)
            break;
        if (cli_interrupted())
            return CLI_INTERRUPTED;
        status = refill(run);
        if (status == CLI_GO_ON && run->job->chaos && cli_now_ns() >= run->next_kill_ns)
            status = kill_one(run);
        if (run->job->show)
            tally_show_progress(&run->progress, run->shared, run->result);
        nanosleep(&tick, NULL);
    }
    return status;
}

int
tally_run(const struct tally_job *job, struct tally_space *shared, struct tally_result *result)
{
    size_t desk_bytes = job->workers * sizeof(struct desk);
    struct run run = { .job = job, .shared = shared, .result = result, .filler = getpid() };
    int status;

    memset(result, 0, sizeof *result);
    run.desks = mmap(NULL, desk_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (run.desks == MAP_FAILED) {
        cli_say("There is no memory for %u workers.", job->workers);
        return CLI_FAILED;
    }
    run.pids = tally_realloc(NULL, job->workers * sizeof *run.pids);
    memset(run.pids, 0, job->workers * sizeof *run.pids);
    run.started_ns = cli_now_ns();
    run.next_kill_ns = run.started_ns + KILL_EVERY_NS;
    run.random = (uint64_t)run.started_ns;
    run.progress = (struct tally_progress){ .corpus = job->corpus,
                                            .started_ns = run.started_ns,
                                            .terminal = isatty(STDERR_FILENO) };
    status = fill(&run);
    for (unsigned i = 0; i < job->workers && status == CLI_GO_ON; i++)
        status = start_worker(&run, i);
    if (status == CLI_GO_ON)
        status = supervise(&run);
    result->seconds = (double)elapsed_ns(&run) / 1e9;
    stop_workers(&run);
    if (job->show)
        tally_end_progress(&run.progress);
    free(run.pids);
    munmap(run.desks, desk_bytes);
    return status;
}
