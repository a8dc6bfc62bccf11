/*
 * cmd_push.c - puts items into a queue.
 *
 * Lines of standard input are put as they come: whatever one read() brings, so that a slow writer's
 * line does not wait for the next one, and a fast one's go in many at a time.
 */
#include "cli.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Items put in one call at most. */
#define BATCH_MAX 256

/* Bytes read at once; a line may be longer. */
#define READ_SIZE 65536

struct pushing {
    const struct cli *cli;
    kith_queue *queue;
    struct kith_list *list; /* NULL: the queue */
    enum cli_reading reading;
    int64_t deadline_ns; /* of CLOCK_MONOTONIC; KITH_FOREVER: none */
    struct kith_put_options put;
};

/* Items that are put together. */
struct batch {
    struct kith_item items[BATCH_MAX];
    void *memory[BATCH_MAX];
    size_t count;
};

static int64_t
time_left(const struct pushing *pushing)
{
    int64_t left;

    if (pushing->deadline_ns == KITH_FOREVER)
        return KITH_FOREVER;
    left = pushing->deadline_ns - cli_now_ns();
    return left < 0 ? 0 : left;
}

/* Puts what is gathered: at once, or each at its place. */
static kith_err
put_batch(const struct pushing *pushing, const struct batch *batch)
{
    kith_err err = KITH_OK;

    if (pushing->list != NULL)
        return kith_list_extend(pushing->list, batch->items, batch->count);
    if (pushing->put.priority == 0 && pushing->put.delay_ns == 0)
        return kith_queue_put_many(pushing->queue, batch->items, batch->count, time_left(pushing),
                                   NULL);
    for (size_t i = 0; i < batch->count && err == KITH_OK; i++)
        err =
            kith_queue_put_with(pushing->queue, batch->items[i], &pushing->put, time_left(pushing));
    return err;
}

/* Puts what is gathered.  No room in time is an answer, which needs no sentence. */
static int
flush(const struct pushing *pushing, struct batch *batch)
{
    kith_err err = batch->count > 0 ? put_batch(pushing, batch) : KITH_OK;

    for (size_t i = 0; i < batch->count; i++)
        free(batch->memory[i]);
    batch->count = 0;
    if (err == KITH_EFULL || err == KITH_ETIMEDOUT)
        return CLI_NO;
    return err < 0 ? cli_failed(err) : CLI_GO_ON;
}

/* Adds an item that borrows `text`, which has to stay until the batch is flushed. */
static int
gather(const struct pushing *pushing, struct batch *batch, const char *text, size_t size)
{
    int status = cli_read_item(pushing->cli, pushing->reading, false, text, size,
                               &batch->items[batch->count], &batch->memory[batch->count]);

    if (status != CLI_GO_ON)
        return status;
    batch->count++;
    return batch->count == BATCH_MAX ? flush(pushing, batch) : CLI_GO_ON;
}

static int
push_words(const struct pushing *pushing, int count, char **words)
{
    struct batch batch = { .count = 0 };
    int status = CLI_GO_ON;
    int rest;

    for (int i = 0; i < count && status == CLI_GO_ON; i++)
        status = gather(pushing, &batch, words[i], strlen(words[i]));
    rest = flush(pushing, &batch); /* what stands before a bad word goes in */
    return status == CLI_GO_ON ? rest : status;
}

/* Puts the lines that are whole, or all at the end; *used becomes how many bytes they took. */
static int
push_text(const struct pushing *pushing, const char *text, size_t size, bool at_end, size_t *used)
{
    struct batch batch = { .count = 0 };
    int status = CLI_GO_ON;
    int rest;

    *used = 0;
    while (*used < size && status == CLI_GO_ON) {
        const char *line = text + *used;
        const char *newline = memchr(line, '\n', size - *used);
        size_t length = newline == NULL ? size - *used : (size_t)(newline - line);

        if (newline == NULL && !at_end)
            break;
        status = gather(pushing, &batch, line, length);
        *used += length + (newline == NULL ? 0 : 1);
    }
    rest = flush(pushing, &batch);
    return status == CLI_GO_ON ? rest : status;
}

static int
push_lines(const struct pushing *pushing)
{
    int status = CLI_GO_ON;
    size_t capacity = 0;
    size_t size = 0;
    char *text = NULL;
    ssize_t got = 1;
    size_t used;

    while (status == CLI_GO_ON && got != 0) {
        if (capacity - size < READ_SIZE) {
            char *larger = realloc(text, 2 * capacity + READ_SIZE);

            if (larger == NULL) {
                cli_say("There is no memory for a line of more than %zu bytes.", size);
                status = CLI_FAILED;
                break;
            }
            text = larger;
            capacity = 2 * capacity + READ_SIZE;
        }
        got = read(STDIN_FILENO, text + size, READ_SIZE);
        if (cli_interrupted()) {
            status = CLI_INTERRUPTED;
        } else if (got >= 0) {
            size += (size_t)got;
            status = push_text(pushing, text, size, got == 0, &used);
            size -= used;
            memmove(text, text + used, size);
        } else if (errno != EINTR) {
            cli_say("Standard input cannot be read: %s.", strerror(errno));
            status = CLI_FAILED;
        }
    }
    free(text);
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct kith_queue_options queue_options = KITH_QUEUE_OPTIONS_INIT;
    struct pushing pushing = { .cli = cli,
                               .reading = CLI_READ_PLAIN,
                               .put = KITH_PUT_OPTIONS_INIT };
    int64_t wait_ns = KITH_FOREVER;
    const char *as = NULL;
    bool str = false;
    bool bytes = false;
    bool json = false;
    bool list = false;
    const struct cli_option options[] = {
        { 'w', "wait", CLI_SECONDS, &wait_ns },
        { 0, "capacity", CLI_COUNT, &queue_options.capacity },
        { 0, "priority", CLI_INTEGER, &pushing.put.priority },
        { 0, "delay", CLI_SECONDS, &pushing.put.delay_ns },
        { 0, "list", CLI_FLAG, &list },
        { 0, "str", CLI_FLAG, &str },
        { 0, "as", CLI_TEXT, &as },
        { 0, "bytes", CLI_FLAG, &bytes },
        { 0, "json", CLI_FLAG, &json },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 2, CLI_ANY_NUMBER);
    bool from_input;
    kith_space *space;
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    if (pushing.put.delay_ns == KITH_FOREVER)
        return cli_misused(cli, "An item that is delayed forever would never be had.");
    from_input = argc == 2 && strcmp(argv[1], "-") == 0;
    if (as == NULL)
        as = bytes ? "bytes" : json ? "json" : str || from_input ? "str" : NULL;
    status = cli_reading(cli, as, &pushing.reading);
    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_CREATE_OR_OPEN, &space);
    if (status != CLI_GO_ON)
        return status;
    if (list || cli_kind(space, argv[0]) == KITH_KIND_LIST)
        err = kith_list_open(space, argv[0], NULL, &pushing.list);
    else
        err = kith_queue_open(space, argv[0], &queue_options, &pushing.queue);
    if (err < 0) {
        status = cli_failed(err);
    } else {
        cli_catch_interrupts();
        pushing.deadline_ns = wait_ns == KITH_FOREVER ? KITH_FOREVER : cli_now_ns() + wait_ns;
        status = from_input ? push_lines(&pushing) : push_words(&pushing, argc - 1, argv + 1);
        status = status == CLI_GO_ON ? CLI_DONE : status;
        kith_queue_close(pushing.queue);
        kith_list_close(pushing.list);
    }
    kith_close(space);
    return status;
}

const struct cli_verb cli_push = {
    .name = "push",
    .arguments = "QUEUE ITEM…",
    .summary = "put items into a queue",
    .help =
        "Puts the items into QUEUE in their order; the space and the queue are created if there\n"
        "are none.  Each is read as an int, a float, true, false or none, and else as a str.\n"
        "QUEUE - puts each line of standard input, as a str unless --as says otherwise.  A full\n"
        "queue is waited for.  QUEUE may be a list that is there: items go to its end.\n"
        "\n"
        "options\n"
        "  -w, --wait SECONDS      wait no longer for room; exit with 1 if there was none\n"
        "  --capacity N            a queue that this creates holds at most N items\n"
        "  --priority N            items of a higher priority come first; others have 0\n"
        "  --delay SECONDS         nobody gets the items before that\n"
        "  --list                  a list that this creates, if there is none\n"
        "  --str                   each ITEM is a str, as it stands\n"
        "  --as json|bytes|str     each is read so; also --json, --bytes\n"
        "\n"
        "example\n"
        "  kith -s hits push jobs a.txt b.txt\n"
        "  find . -name '*.txt' | kith -s hits push jobs -\n",
    .run = run,
};
