/*
 * cmd_demo.c - `kith demo tally`: the main job, its proof, and its comparison.
 *
 * The proof counts everything again in this process alone, and compares every key and every total
 * of the shared dicts with it, both ways.
 */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Unpacked bytes counted in one pass at most. */
#define CORPUS_BYTES_MAX UINT64_C(400000000)

/* Workers killed while they hold files, before the chaos has lasted long enough. */
#define BUSY_KILLS_MIN 10

#define WORKERS_MAX 256

/* Differences told at most. */
#define DIFFERENCES_MAX 10

/* Memory wanted for the shared dicts; a machine has so much, a small container may not. */
#define SPACE_BYTES UINT64_C(256000000)

/* ---- the space ---- */

static uint64_t
bytes_free_at(const char *path)
{
    struct statvfs system;
    char folder[4096];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || slash == path)
        return UINT64_MAX;
    snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
    if (statvfs(folder, &system) < 0)
        return UINT64_MAX;
    return (uint64_t)system.f_bavail * system.f_frsize;
}

/* The room that the space at hand has; one that cannot be known is enough. */
static uint64_t
room_of(kith_space *space)
{
    struct kith_stat stat = KITH_STAT_INIT;

    if (kith_stat(space, &stat) < 0 || stat.path[0] == '\0')
        return UINT64_MAX;
    return bytes_free_at(stat.path);
}

int
tally_open_space(const struct cli *cli, uint64_t bytes_needed, kith_space **space_out,
                 char *address, size_t address_size)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    static unsigned opened;
    const char *folder = getenv("TMPDIR");
    kith_err err;

    options.create = KITH_MUST_CREATE;
    options.temporary = true;
    opened++;
    if (cli->address_given)
        snprintf(address, address_size, "%s", cli->address);
    else
        snprintf(address, address_size, "tally-%d-%u", (int)getpid(), opened);
    err = kith_open(address, &options, space_out);
    if (err == KITH_OK && !cli->address_given && room_of(*space_out) < bytes_needed) {
        /* Shared memory is small here, as in a container; a file serves as well. */
        kith_close(*space_out);
        snprintf(address, address_size, "file://%s/kith-tally-%d-%u",
                 folder != NULL && folder[0] == '/' ? folder : "/tmp", (int)getpid(), opened);
        err = kith_open(address, &options, space_out);
    }
    if (err == KITH_EEXIST) {
        cli_say("The demo needs a space of its own, and %s exists already.", address);
        return CLI_FAILED;
    }
    return err < 0 ? cli_failed(err) : CLI_GO_ON;
}

/* ---- the proof ---- */

/* A shared dict held against what one process counted. */
struct comparison {
    struct tally_counts *expected;
    const char *what; /* "host", "word" */
    int64_t passes;
    int64_t total; /* the sum in the shared dict */
    uint64_t keys;
    uint64_t differences;
    struct tally_top top;
};

/* The first few differences are told, as they show what went wrong; all are counted. */
static void
differ(struct comparison *comparison, const char *name, size_t size, int64_t shared,
       int64_t expected)
{
    if (comparison->differences++ < DIFFERENCES_MAX)
        printf("difference: the %s \"%.*s\" was counted %lld times, and %lld times by one "
               "process\n",
               comparison->what, (int)size, name, (long long)shared, (long long)expected);
}

static int
compare_key(struct kith_item key, struct kith_item item, void *arg)
{
    struct comparison *comparison = arg;
    struct tally_count *count;
    int64_t expected = 0;

    comparison->keys++;
    if (key.type != KITH_TYPE_STR || item.type != KITH_TYPE_INT) {
        differ(comparison, "?", 1, 0, 0);
        return 0;
    }
    count = tally_count_find(comparison->expected, key.data, key.size);
    if (count != NULL) {
        count->matched = true;
        expected = count->n * comparison->passes;
    }
    if (expected != item.integer)
        differ(comparison, key.data, key.size, item.integer, expected);
    comparison->total += item.integer;
    tally_top_add(&comparison->top, key.data, key.size, item.integer);
    return 0;
}

/* Every shared key is compared, and then every expected one that was not met. */
static kith_err
compare_dict(struct comparison *comparison, kith_dict *dict)
{
    const struct tally_counts *expected = comparison->expected;
    kith_err err = kith_dict_each(dict, compare_key, comparison);

    if (err < 0)
        return err;
    for (size_t i = 0; i < expected->slot_count; i++) {
        const struct tally_count *count = &expected->slots[i];

        if (count->n != 0 && !count->matched)
            differ(comparison, expected->names + count->at, count->size, 0,
                   count->n * comparison->passes);
    }
    return KITH_OK;
}

/* The totals, each a key of one dict. */
static kith_err
compare_totals(struct tally_space *shared, const struct tally *expected, int64_t passes,
               uint64_t *differences)
{
    const struct {
        struct kith_item key;
        int64_t n;
    } totals[] = {
        { KITH_STR("files"), expected->files },
        { KITH_STR("bytes"), expected->bytes },
        { KITH_STR("hosts"), expected->hosts.total },
        { KITH_STR("words"), expected->words.total },
    };
    struct kith_buf item = KITH_BUF_INIT;
    kith_err err = KITH_OK;

    for (size_t i = 0; i < sizeof totals / sizeof totals[0] && err == KITH_OK; i++) {
        int64_t now = 0;

        err = kith_dict_get(shared->totals, totals[i].key, &item);
        if (err == KITH_OK)
            now = item.item.integer;
        else if (err == KITH_ENOENT)
            err = KITH_OK;
        if (err == KITH_OK && now != totals[i].n * passes) {
            ++*differences;
            printf("difference: %.*s in all are %lld, and %lld by one process\n",
                   (int)totals[i].key.size, (const char *)totals[i].key.data, (long long)now,
                   (long long)(totals[i].n * passes));
        }
    }
    kith_buf_free(&item);
    return err;
}

/* All that is told at the end. */
struct outcome {
    const struct tally_corpus *corpus;
    const char *address;
    struct tally_result result;
    struct tally expected; /* of one pass */
    struct comparison hosts;
    struct comparison words;
    uint64_t total_differences;
    double single_seconds;
    struct kith_report report;
    bool chaos;
};

static uint64_t
all_differences(const struct outcome *outcome)
{
    return outcome->hosts.differences + outcome->words.differences + outcome->total_differences;
}

/* Counts everything again, in this process alone. */
static int
count_alone(const struct tally_corpus *corpus, struct tally *tally)
{
    struct tally_reader reader = { .capacity = 0 };

    for (size_t i = 0; i < corpus->count && !cli_interrupted(); i++)
        tally_file(tally, &reader, corpus->paths[i]);
    free(reader.text);
    return cli_interrupted() ? CLI_INTERRUPTED : CLI_GO_ON;
}

static int
prove(struct outcome *outcome, kith_space *space, struct tally_space *shared)
{
    int64_t started_ns = cli_now_ns();
    int64_t passes = outcome->result.passes;
    int status = count_alone(outcome->corpus, &outcome->expected);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    outcome->single_seconds = (double)(cli_now_ns() - started_ns) / 1e9;
    outcome->hosts = (struct comparison){ .expected = &outcome->expected.hosts,
                                          .what = "host",
                                          .passes = passes };
    outcome->words = (struct comparison){ .expected = &outcome->expected.words,
                                          .what = "word",
                                          .passes = passes };
    if ((err = compare_dict(&outcome->hosts, shared->hosts)) < 0 ||
        (err = compare_dict(&outcome->words, shared->words)) < 0 ||
        (err = compare_totals(shared, &outcome->expected, passes, &outcome->total_differences)) <
            0 ||
        (err = kith_check(space, &outcome->report)) < 0)
        return cli_failed(err);
    return CLI_GO_ON;
}

/* ---- telling ---- */

static void
print_outcome(const struct outcome *outcome)
{
    const struct tally_result *result = &outcome->result;
    const struct tally *one = &outcome->expected;
    uint64_t passes = result->passes;

    tally_show_bars("\nhosts", &outcome->hosts.top);
    tally_show_bars("\nwords", &outcome->words.top);
    printf("\nfiles: %s", cli_count_text((uint64_t)one->files * passes).text);
    if (passes > 1)
        printf(" (%s in each of %u passes)", cli_count_text((uint64_t)one->files).text,
               result->passes);
    printf("\nbytes: %s unpacked, %s\n", cli_count_text((uint64_t)one->bytes * passes).text,
           cli_bytes_text((uint64_t)one->bytes * passes).text);
    printf("words: %s, of which %s are different\n",
           cli_count_text((uint64_t)outcome->words.total).text,
           cli_count_text(outcome->words.keys).text);
    printf("hosts: %s, of which %s are different\n",
           cli_count_text((uint64_t)outcome->hosts.total).text,
           cli_count_text(outcome->hosts.keys).text);
    printf("kills survived: %u", result->kills);
    if (outcome->chaos)
        printf(" (%u of workers that held files, %u of these in the middle of a commit)",
               result->busy_kills, result->commit_kills);
    printf("\nseconds: %.2f (one process alone: %.2f for a pass)\n", result->seconds,
           outcome->single_seconds);
    printf("space: %s objects in %s blocks, violations: %llu\n",
           cli_count_text(outcome->report.objects).text,
           cli_count_text(outcome->report.blocks).text,
           (unsigned long long)outcome->report.violations);
    printf("identical to a single-process count: %s\n",
           all_differences(outcome) == 0 ? "yes" : "no");
}

static void
print_outcome_json(const struct outcome *outcome)
{
    const struct tally_result *result = &outcome->result;
    int64_t passes = result->passes;

    printf("{\"files\": %lld, \"passes\": %u, \"bytes\": %lld, ",
           (long long)(outcome->expected.files * passes), result->passes,
           (long long)(outcome->expected.bytes * passes));
    printf("\"words\": %lld, \"different_words\": %llu, ", (long long)outcome->words.total,
           (unsigned long long)outcome->words.keys);
    printf("\"hosts\": %lld, \"different_hosts\": %llu, ", (long long)outcome->hosts.total,
           (unsigned long long)outcome->hosts.keys);
    printf("\"kills\": %u, \"busy_kills\": %u, \"commit_kills\": %u, ", result->kills,
           result->busy_kills, result->commit_kills);
    printf("\"seconds\": %.3f, \"single_process_seconds\": %.3f, ", result->seconds,
           outcome->single_seconds);
    tally_print_top_json("top_hosts", &outcome->hosts.top);
    fputs(", ", stdout);
    tally_print_top_json("top_words", &outcome->words.top);
    printf(", \"violations\": %llu, \"identical\": %s}\n",
           (unsigned long long)outcome->report.violations,
           all_differences(outcome) == 0 ? "true" : "false");
}

static void
announce(const struct outcome *outcome, unsigned workers)
{
    const struct tally_corpus *corpus = outcome->corpus;

    if (corpus->fell_back)
        cli_say("/usr/share/doc and /usr/share/man hold few documents here, so licences and "
                "sources are counted too.");
    if (corpus->cut)
        cli_say("There are more files than one pass takes; a mixed part of them is counted.");
    cli_say("%u workers count %s files, about %s, below %s.", workers,
            cli_count_text(corpus->count).text, cli_bytes_text(corpus->bytes).text, corpus->where);
    cli_say("Watch with: kith -s %s stat", outcome->address);
}

/* ---- the verb ---- */

static int
count_and_prove(const struct cli *cli, const struct tally_corpus *corpus, unsigned workers,
                bool chaos)
{
    struct tally_job job = { .corpus = corpus,
                             .workers = workers,
                             .chaos = chaos,
                             .busy_kills_min = BUSY_KILLS_MIN,
                             .show = true };
    struct outcome outcome = { .corpus = corpus, .chaos = chaos };
    struct tally_space shared;
    char address[4200];
    int status = tally_open_space(cli, SPACE_BYTES, &job.space, address, sizeof address);

    if (status != CLI_GO_ON)
        return status;
    outcome.address = address;
    status = tally_space_open(&shared, job.space);
    if (status == CLI_GO_ON) {
        announce(&outcome, workers);
        status = tally_run(&job, &shared, &outcome.result);
        if (status == CLI_GO_ON) {
            cli_say("Counting everything again in this process alone, to compare.");
            status = prove(&outcome, job.space, &shared);
        }
        if (status == CLI_GO_ON && cli->json)
            print_outcome_json(&outcome);
        else if (status == CLI_GO_ON)
            print_outcome(&outcome);
        if (status == CLI_GO_ON && all_differences(&outcome) > 0)
            status = CLI_NO;
        if (status == CLI_GO_ON && chaos && outcome.result.busy_kills < job.busy_kills_min) {
            cli_say("Only %u busy workers could be killed in the time there is.",
                    outcome.result.busy_kills);
            status = CLI_NO;
        }
        tally_space_close(&shared);
    }
    tally_top_free(&outcome.hosts.top);
    tally_top_free(&outcome.words.top);
    tally_free(&outcome.expected);
    kith_close(job.space);
    return status;
}

static unsigned
default_workers(void)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);

    return cpus < 2 ? 2 : cpus > 8 ? 8 : (unsigned)cpus;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    uint64_t workers = default_workers();
    bool chaos = false;
    bool compare = false;
    const struct cli_option options[] = {
        { 'j', "workers", CLI_COUNT, &workers },
        { 0, "chaos", CLI_FLAG, &chaos },
        { 0, "compare", CLI_FLAG, &compare },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 1, CLI_ANY_NUMBER);
    struct tally_corpus corpus;

    if (status != CLI_GO_ON)
        return status;
    if (strcmp(argv[0], "tally") != 0)
        return cli_misused(cli, "There is no demo \"%s\".", argv[0]);
    if (workers > WORKERS_MAX)
        return cli_misused(cli, "There are %d workers at most.", WORKERS_MAX);
    for (int i = 1; i < argc; i++)
        if (access(argv[i], R_OK) != 0)
            return cli_misused(cli, "%s cannot be read: %s.", argv[i], strerror(errno));
    tally_corpus_find(&corpus, argv + 1, argc - 1, CORPUS_BYTES_MAX);
    if (corpus.count == 0) {
        cli_say("There is no file to count.");
        tally_corpus_free(&corpus);
        return CLI_FAILED;
    }
    cli_catch_interrupts();
    status = count_and_prove(cli, &corpus, (unsigned)workers, chaos);
    if (status == CLI_GO_ON && compare)
        status = tally_compare(cli, &corpus, (unsigned)workers);
    tally_corpus_free(&corpus);
    return status == CLI_GO_ON ? CLI_DONE : status;
}

const struct cli_verb cli_demo = {
    .name = "demo",
    .arguments = "tally [DIR…]",
    .summary = "count hosts and words over real documents, with workers that are killed",
    .help =
        "Counts the hosts and words of all documents below DIR…, by default /usr/share/doc and\n"
        "/usr/share/man, compressed ones too.  Workers take file names from a queue, and merge\n"
        "their counts into shared dicts in one transaction with the acknowledgement of the files.\n"
        "At the end everything is counted again by one process and compared; exits with 1 if\n"
        "anything differs.  The space is a temporary one of its own, or a new one given with -s.\n"
        "\n"
        "options\n"
        "  -j, --workers N   so many workers; else one a processor, 2 at least and 8 at most\n"
        "  --chaos           kill a busy worker every 200 ms and start another; repeat the\n"
        "                    documents until 10 were killed at least\n"
        "  --compare         then do a part of the same job with Python's Manager, and with a "
        "dict\n"
        "                    a process that are merged at the end, and show the times\n"
        "\n"
        "example\n"
        "  kith demo tally --chaos\n",
    .run = run,
};
