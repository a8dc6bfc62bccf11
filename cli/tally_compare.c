/*
 * tally_compare.c - the same job by other means, for the times.
 *
 * All count the same part of the corpus, which is small because one of them is slow.  None is
 * killed: of these only Kith survives that.  The clock starts when the means are ready and the
 * first file name is put, and stops when all counts are in one place.
 */
#include "tally.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PART_BYTES UINT64_C(4000000)

/* What a shell, and this program, say of a command that is not there. */
enum { PYTHON_MISSING = 127 };

/* What one way of doing it took, and found. */
struct trial {
    const char *way;
    bool done; /* false: it could not be run here */
    double seconds;
    int64_t words;
    int64_t different_words;
    int64_t hosts;
    int64_t different_hosts;
};

static void
take_counts(struct trial *trial, const struct tally *tally)
{
    trial->words = tally->words.total;
    trial->different_words = (int64_t)tally->words.used;
    trial->hosts = tally->hosts.total;
    trial->different_hosts = (int64_t)tally->hosts.used;
}

static bool
same_counts(const struct trial *a, const struct trial *b)
{
    return a->words == b->words && a->different_words == b->different_words &&
           a->hosts == b->hosts && a->different_hosts == b->different_hosts;
}

/* ---- Kith ---- */

static int
add_total(struct kith_item key, struct kith_item item, void *arg)
{
    (void)key;
    *(int64_t *)arg += item.integer;
    return 0;
}

static kith_err
read_dict(kith_dict *dict, int64_t *total, int64_t *different)
{
    uint64_t count;
    kith_err err = kith_dict_len(dict, &count);

    if (err < 0)
        return err;
    *different = (int64_t)count;
    *total = 0;
    return kith_dict_each(dict, add_total, total);
}

static int
try_kith(const struct cli *cli, const struct tally_corpus *part, unsigned workers,
         struct trial *trial)
{
    struct tally_job job = { .corpus = part, .workers = workers };
    struct cli fresh = *cli;
    struct tally_result result;
    struct tally_space shared;
    char address[4200];
    int status;
    kith_err err;

    fresh.address_given = false; /* that space has the counts of the whole corpus in it */
    status = tally_open_space(&fresh, PART_BYTES, &job.space, address, sizeof address);
    if (status != CLI_GO_ON)
        return status;
    status = tally_space_open(&shared, job.space);
    if (status == CLI_GO_ON) {
        status = tally_run(&job, &shared, &result);
        trial->seconds = result.seconds;
        trial->done = true;
        if (status == CLI_GO_ON &&
            ((err = read_dict(shared.words, &trial->words, &trial->different_words)) < 0 ||
             (err = read_dict(shared.hosts, &trial->hosts, &trial->different_hosts)) < 0))
            status = cli_failed(err);
        tally_space_close(&shared);
    }
    kith_close(job.space);
    return status;
}

/* ---- a dict a process ---- */

/* A count on its way through a pipe; the name follows. */
struct record {
    int64_t n;
    uint32_t size;
    uint32_t is_host;
};

static void
send_counts(FILE *pipe, const struct tally_counts *counts, uint32_t is_host)
{
    for (size_t i = 0; i < counts->slot_count; i++) {
        const struct tally_count *slot = &counts->slots[i];
        struct record record = { slot->n, slot->size, is_host };

        if (slot->n == 0)
            continue;
        fwrite(&record, sizeof record, 1, pipe);
        fwrite(counts->names + slot->at, 1, slot->size, pipe);
    }
}

/* Counts files until there are none left, then sends all counts. */
static void
count_privately(const struct tally_corpus *part, _Atomic size_t *next, int fd)
{
    struct tally_reader reader = { .capacity = 0 };
    struct tally tally = { .files = 0 };
    FILE *pipe = fdopen(fd, "w");
    size_t at;

    while ((at = atomic_fetch_add(next, 1)) < part->count)
        tally_file(&tally, &reader, part->paths[at]);
    if (pipe == NULL)
        _exit(CLI_FAILED);
    send_counts(pipe, &tally.hosts, 1);
    send_counts(pipe, &tally.words, 0);
    _exit(fclose(pipe) == 0 ? CLI_DONE : CLI_FAILED);
}

static void
receive_counts(struct tally *tally, int fd)
{
    FILE *pipe = fdopen(fd, "r");
    struct record record;
    char name[256]; /* longer ones are not counted */

    while (pipe != NULL && fread(&record, sizeof record, 1, pipe) == 1 &&
           record.size <= sizeof name && fread(name, 1, record.size, pipe) == record.size)
        tally_count_add(record.is_host ? &tally->hosts : &tally->words, name, record.size,
                        record.n);
    if (pipe != NULL)
        fclose(pipe);
}

static int
try_private(const struct tally_corpus *part, unsigned workers, struct trial *trial)
{
    _Atomic size_t *next =
        mmap(NULL, sizeof *next, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct tally tally = { .files = 0 };
    int64_t started_ns = cli_now_ns();
    int *fds = tally_realloc(NULL, workers * sizeof *fds);
    pid_t *pids = tally_realloc(NULL, workers * sizeof *pids);
    int status = CLI_GO_ON;
    unsigned started = 0;

    if (next == MAP_FAILED)
        status = CLI_FAILED;
    fflush(NULL);
    for (; started < workers && status == CLI_GO_ON; started++) {
        int ends[2];

        if (pipe2(ends, O_CLOEXEC) < 0 || (pids[started] = fork()) < 0) {
            cli_say("A process cannot be started: %s.", strerror(errno));
            status = CLI_FAILED;
            break;
        }
        if (pids[started] == 0)
            count_privately(part, next, ends[1]);
        close(ends[1]);
        fds[started] = ends[0];
    }
    for (unsigned i = 0; i < started; i++)
        receive_counts(&tally, fds[i]);
    for (unsigned i = 0; i < started; i++)
        while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    trial->seconds = (double)(cli_now_ns() - started_ns) / 1e9;
    trial->done = status == CLI_GO_ON;
    take_counts(trial, &tally);
    tally_free(&tally);
    free(fds);
    free(pids);
    if (next != MAP_FAILED)
        munmap(next, sizeof *next);
    return status;
}

/* ---- CPython's Manager ---- */

/*
 * Counts as tally_counts.c does.  The arguments are the way and the number of workers; standard
 * input has the paths, each with a NUL behind it.  One line comes out: seconds, words, different
 * words, hosts, different hosts.
 */
static const char python_script[] =
    "import collections, multiprocessing, multiprocessing.managers, re, sys, time, zlib\n"
    "Counter = collections.Counter\n"
    "WORD = re.compile(rb'[A-Za-z]+')\n"
    "HOST = re.compile(rb'(?i)(?<![a-z])https?://(?=([a-z0-9.-]{1,253}))')\n"
    "def read(path):\n"
    "    try:\n"
    "        with open(path, 'rb') as file:\n"
    "            data = file.read()\n"
    "    except OSError:\n"
    "        return b''\n"
    "    if data[:2] != b'\\x1f\\x8b':\n"
    "        return data\n"
    "    text = b''\n"
    "    while data[:2] == b'\\x1f\\x8b':\n"
    "        unpacker = zlib.decompressobj(31)\n"
    "        try:\n"
    "            text += unpacker.decompress(data)\n"
    "        except zlib.error:\n"
    "            break\n"
    "        data = unpacker.unused_data\n"
    "    return text\n"
    "def count(path):\n"
    "    text = read(path)[:32 << 20]\n"
    "    if b'\\0' in text[:4096]:\n"
    "        return Counter(), Counter()\n"
    "    words = Counter(w.lower() for w in WORD.findall(text) if 3 <= len(w) <= 40)\n"
    "    hosts = (h.lower().rstrip(b'.-') for h in HOST.findall(text))\n"
    "    return words, Counter(h for h in hosts if h and h[:1] not in b'.-')\n"
    "class Tally:\n"
    "    def __init__(self):\n"
    "        self.counts = Counter(), Counter()\n"
    "    def merge(self, *counts):\n"
    "        for mine, more in zip(self.counts, counts):\n"
    "            mine.update(more)\n"
    "    def sums(self):\n"
    "        return [n for c in self.counts for n in (sum(c.values()), len(c))]\n"
    "class Manager(multiprocessing.managers.SyncManager):\n"
    "    pass\n"
    "Manager.register('Tally', Tally)\n"
    "def work(way, queue, lock, tally, dicts):\n"
    "    while (path := queue.get()) is not None:\n"
    "        counts = count(path)\n"
    "        if way == 'merge':\n"
    "            tally.merge(*counts)\n"
    "            continue\n"
    "        with lock:\n"
    "            for shared, more in zip(dicts, counts):\n"
    "                for name, n in more.items():\n"
    "                    shared[name] = shared.get(name, 0) + n\n"
    "way, workers = sys.argv[1], int(sys.argv[2])\n"
    "paths = sys.stdin.buffer.read().split(b'\\0')[:-1]\n"
    "context = multiprocessing.get_context('fork')\n"
    "manager = Manager(ctx=context)\n"
    "manager.start()\n"
    "queue, lock, tally = manager.Queue(), manager.Lock(), manager.Tally()\n"
    "dicts = manager.dict(), manager.dict()\n"
    "start = time.monotonic()\n"
    "for path in paths + [None] * workers:\n"
    "    queue.put(path)\n"
    "crew = [context.Process(target=work, args=(way, queue, lock, tally, dicts))\n"
    "        for _ in range(workers)]\n"
    "for process in crew:\n"
    "    process.start()\n"
    "for process in crew:\n"
    "    process.join()\n"
    "seconds = time.monotonic() - start\n"
    "if way == 'merge':\n"
    "    sums = tally.sums()\n"
    "else:\n"
    "    copies = [shared.copy() for shared in dicts]\n"
    "    sums = [n for c in copies for n in (sum(c.values()), len(c))]\n"
    "print(seconds, *sums)\n";

/* A file that is nowhere, with the paths in it. */
static int
write_paths(const struct tally_corpus *part)
{
    int fd = memfd_create("paths", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(dup(fd), "w");

    for (size_t i = 0; file != NULL && i < part->count; i++)
        fwrite(part->paths[i], 1, strlen(part->paths[i]) + 1, file);
    if (file == NULL || fclose(file) != 0 || lseek(fd, 0, SEEK_SET) < 0) {
        cli_say("The list of files cannot be written: %s.", strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static void
exec_python(const char *way, unsigned workers, int input, int output)
{
    char count[16];

    snprintf(count, sizeof count, "%u", workers);
    signal(SIGINT, SIG_DFL);
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0)
        execlp("python3", "python3", "-c", python_script, way, count, (char *)NULL);
    _exit(PYTHON_MISSING);
}

static bool
read_trial(int fd, struct trial *trial)
{
    FILE *pipe = fdopen(fd, "r");
    long long words;
    long long different_words;
    long long hosts;
    long long different_hosts;
    bool whole;

    if (pipe == NULL)
        return false;
    whole = fscanf(pipe, "%lf %lld %lld %lld %lld", &trial->seconds, &words, &different_words,
                   &hosts, &different_hosts) == 5;
    fclose(pipe);
    if (!whole)
        return false;
    trial->words = words;
    trial->different_words = different_words;
    trial->hosts = hosts;
    trial->different_hosts = different_hosts;
    return true;
}

static int
try_python(const struct tally_corpus *part, unsigned workers, const char *way, struct trial *trial)
{
    int input = write_paths(part);
    int ends[2];
    int how = 0;
    pid_t pid;

    if (input < 0)
        return CLI_FAILED;
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        cli_say("Python cannot be started: %s.", strerror(errno));
        close(input);
        return CLI_FAILED;
    }
    if (pid == 0)
        exec_python(way, workers, input, ends[1]);
    close(input);
    close(ends[1]);
    trial->done = read_trial(ends[0], trial);
    while (waitpid(pid, &how, 0) < 0 && errno == EINTR)
        continue;
    if (cli_interrupted())
        return CLI_INTERRUPTED;
    if (WIFEXITED(how) && WEXITSTATUS(how) == PYTHON_MISSING)
        cli_say("There is no python3 here, so its Manager is left out.");
    else if (!trial->done)
        cli_say("Python's Manager gave no result, so it is left out.");
    return CLI_GO_ON;
}

/* ---- side by side ---- */

static void
print_trials(const struct tally_corpus *part, unsigned workers, const struct trial *trials,
             size_t count)
{
    printf("\nthe same %s files, %s, %u workers\n", cli_count_text(part->count).text,
           cli_bytes_text(part->bytes).text, workers);
    printf("%-48s %9s %9s %8s  %s\n", "", "seconds", "MB/s", "times", "same counts");
    for (size_t i = 0; i < count; i++) {
        const struct trial *trial = &trials[i];

        if (!trial->done)
            continue;
        printf("%-48s %9.3f %9.1f %8.1f  %s\n", trial->way, trial->seconds,
               (double)part->bytes / 1e6 / trial->seconds, trial->seconds / trials[0].seconds,
               same_counts(trial, &trials[0]) ? "yes" : "no");
    }
}

static void
print_trials_json(const struct tally_corpus *part, unsigned workers, const struct trial *trials,
                  size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct trial *trial = &trials[i];

        if (!trial->done)
            continue;
        fputs("{\"way\": ", stdout);
        cli_print_json_string(stdout, trial->way);
        printf(", \"files\": %zu, \"bytes\": %llu, \"workers\": %u, \"seconds\": %.4f, "
               "\"identical\": %s}\n",
               part->count, (unsigned long long)part->bytes, workers, trial->seconds,
               same_counts(trial, &trials[0]) ? "true" : "false");
    }
}

int
tally_compare(const struct cli *cli, const struct tally_corpus *corpus, unsigned workers)
{
    struct trial trials[] = {
        { .way = "Kith: shared dicts, a transaction a batch" },
        { .way = "a dict a process, merged at the end" },
        { .way = "CPython Manager, a merge method of one's own" },
        { .way = "CPython Manager, its dicts under its lock" },
    };
    const size_t count = sizeof trials / sizeof trials[0];
    struct tally_corpus part = tally_corpus_part(corpus, PART_BYTES);
    int status;

    cli_say("Comparing on %s of these files.", cli_bytes_text(part.bytes).text);
    status = try_kith(cli, &part, workers, &trials[0]);
    if (status == CLI_GO_ON)
        status = try_private(&part, workers, &trials[1]);
    if (status == CLI_GO_ON)
        status = try_python(&part, workers, "merge", &trials[2]);
    if (status == CLI_GO_ON && trials[2].done)
        status = try_python(&part, workers, "dict", &trials[3]);
    if (status != CLI_GO_ON)
        return status;
    if (cli->json)
        print_trials_json(&part, workers, trials, count);
    else
        print_trials(&part, workers, trials, count);
    for (size_t i = 1; i < count; i++)
        if (trials[i].done && !same_counts(&trials[i], &trials[0]))
            return CLI_NO;
    return CLI_GO_ON;
}
