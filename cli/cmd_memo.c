/*
 * cmd_memo.c - runs a command once, and gives its output to all who ask again.
 *
 * Outputs are in a dict: the key is the folder and the words of the command, the item a list of its
 * exit status, the time of its end in nanoseconds, and its output.  While it runs, who asks for the
 * same waits for a lock that only they share; when it is there the lock is destroyed, and if its
 * runner was killed the next one runs the command.
 */
#include "child.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define OUTPUT_MAX UINT32_MAX

/* A stored output: a list of two ints, 9 bytes each, and bytes. */
#define HEAD_SIZE 24

struct memo {
    const struct cli *cli;
    kith_space *space;
    kith_dict *dict;
    char **command;
    char *key;
    size_t key_size;
    char lock_name[32];
    int64_t ttl_ns; /* how old an output may be; KITH_FOREVER: any */
    bool fresh;     /* it is run in any case */
};

static int64_t
real_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* ---- the key ---- */

/* The folder and all words, each with its NUL; and a name for the lock, from all of these. */
static int
make_key(struct memo *memo)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    char *folder = getcwd(NULL, 0);
    char *at;

    if (folder == NULL) {
        cli_say("The current folder has no name: %s.", strerror(errno));
        return CLI_FAILED;
    }
    memo->key_size = strlen(folder) + 1;
    for (char **word = memo->command; *word != NULL; word++)
        memo->key_size += strlen(*word) + 1;
    memo->key = malloc(memo->key_size);
    if (memo->key == NULL) {
        free(folder);
        cli_say("There is no memory for the words of the command.");
        return CLI_FAILED;
    }
    at = stpcpy(memo->key, folder) + 1;
    for (char **word = memo->command; *word != NULL; word++)
        at = stpcpy(at, *word) + 1;
    free(folder);
    for (size_t i = 0; i < memo->key_size; i++)
        hash = (hash ^ (unsigned char)memo->key[i]) * UINT64_C(0x100000001b3);
    (void)snprintf(memo->lock_name, sizeof memo->lock_name, "memo-%016llx",
                   (unsigned long long)hash);
    return CLI_GO_ON;
}

/* ---- stored outputs ---- */

static void
put_int(unsigned char *at, unsigned mark, uint64_t value, unsigned size)
{
    at[0] = (unsigned char)mark;
    for (unsigned i = 0; i < size; i++)
        at[1 + i] = (unsigned char)(value >> (8 * (size - 1 - i)));
}

static uint64_t
get_int(const unsigned char *at, unsigned size)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++)
        value = value << 8 | at[1 + i];
    return value;
}

static void
put_head(unsigned char head[HEAD_SIZE], int status, int64_t made_ns, uint64_t size)
{
    head[0] = 0x93; /* an array of three */
    put_int(head + 1, 0xcf, (uint64_t)status, 8);
    put_int(head + 10, 0xcf, (uint64_t)made_ns, 8);
    put_int(head + 19, 0xc6, size, 4);
}

static bool
is_output(struct kith_item item)
{
    const unsigned char *at = item.data;

    return item.type == KITH_TYPE_PACKED && item.size >= HEAD_SIZE && at[0] == 0x93 &&
           at[1] == 0xcf && at[10] == 0xcf && at[19] == 0xc6 &&
           get_int(at + 19, 4) == item.size - HEAD_SIZE;
}

static struct kith_item
key_of(const struct memo *memo)
{
    return kith_bytes(memo->key, memo->key_size);
}

/* Prints the output if there is one that will do.  CLI_GO_ON: there is none. */
static int
print_stored(const struct memo *memo)
{
    struct kith_buf buf = KITH_BUF_INIT;
    kith_err err = kith_dict_get(memo->dict, key_of(memo), &buf);
    const unsigned char *at = buf.item.data;
    int status = CLI_GO_ON;

    if (err < 0)
        return err == KITH_ENOENT ? CLI_GO_ON : cli_failed(err);
    if (is_output(buf.item) &&
        (memo->ttl_ns == KITH_FOREVER || real_ns() - (int64_t)get_int(at + 10, 8) < memo->ttl_ns)) {
        fwrite(at + HEAD_SIZE, 1, buf.item.size - HEAD_SIZE, stdout);
        status = (int)get_int(at + 1, 8);
    }
    kith_buf_free(&buf);
    return status;
}

/* ---- running ---- */

/* Runs the command with nothing to read, and its output going to `fd`. */
static int
run_into(const struct memo *memo, int fd)
{
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int input = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
    int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    int status;

    fflush(stdout);
    if (nothing < 0 || output < 0 || dup2(nothing, STDIN_FILENO) < 0 ||
        dup2(fd, STDOUT_FILENO) < 0) {
        cli_say("The command cannot be given its input and output: %s.", strerror(errno));
        status = CLI_FAILED;
    } else {
        status = cli_run_command(memo->command);
    }
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        close(output);
    }
    if (input >= 0) {
        dup2(input, STDIN_FILENO);
        close(input);
    }
    if (nothing >= 0)
        close(nothing);
    return status;
}

/* Prints what the command put out, and stores it unless it did not run to its end. */
static int
store(const struct memo *memo, int status, unsigned char *bytes, size_t size)
{
    struct kith_item item = { .type = KITH_TYPE_PACKED, .data = bytes, .size = HEAD_SIZE + size };
    kith_err err = KITH_OK;

    fwrite(bytes + HEAD_SIZE, 1, size, stdout);
    if (status >= CLI_NOT_EXECUTABLE)
        return status;
    put_head(bytes, status, real_ns(), size);
    err = kith_dict_set(memo->dict, key_of(memo), item);
    if (err < 0)
        (void)cli_failed(err); /* it was run all the same */
    return status;
}

static int
run_and_store(const struct memo *memo)
{
    int fd = memfd_create("output", MFD_CLOEXEC);
    unsigned char *bytes;
    struct stat st;
    int status;

    if (fd < 0 || ftruncate(fd, HEAD_SIZE) != 0 || lseek(fd, HEAD_SIZE, SEEK_SET) < 0) {
        cli_say("There is no memory for the command's output: %s.", strerror(errno));
        return CLI_FAILED;
    }
    status = run_into(memo, fd);
    if (fstat(fd, &st) != 0 || st.st_size < HEAD_SIZE || (uint64_t)st.st_size > OUTPUT_MAX) {
        cli_say("The command's output is too long to be stored.");
        close(fd);
        return CLI_FAILED;
    }
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    close(fd);
    if (bytes == MAP_FAILED) {
        cli_say("There is no memory for the command's output: %s.", strerror(errno));
        return CLI_FAILED;
    }
    status = store(memo, status, bytes, (size_t)st.st_size - HEAD_SIZE);
    munmap(bytes, (size_t)st.st_size);
    return status;
}

/*
 * One try: waits for whoever runs the same, looks, runs.  CLI_GO_ON: the lock was destroyed by one
 * who had it, so that there may be an output now.
 */
static int
try_once(const struct memo *memo)
{
    kith_lock *lock;
    kith_err err = kith_lock_open(memo->space, memo->lock_name, NULL, &lock);
    int status = CLI_GO_ON;

    if (err == KITH_OK) {
        err = kith_lock_acquire(lock, KITH_FOREVER);
        if (err >= 0) {
            if (!memo->fresh)
                status = print_stored(memo);
            if (status == CLI_GO_ON)
                status = run_and_store(memo);
            (void)kith_destroy(memo->space, memo->lock_name);
        }
        kith_lock_close(lock);
    }
    return err == KITH_EGONE || err >= 0 ? status : cli_failed(err);
}

static int
memoise(const struct memo *memo)
{
    int status = memo->fresh ? CLI_GO_ON : print_stored(memo);

    while (status == CLI_GO_ON) {
        status = try_once(memo);
        if (status == CLI_GO_ON && !memo->fresh)
            status = print_stored(memo);
    }
    return status;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    struct memo memo = { .cli = cli, .ttl_ns = KITH_FOREVER };
    const char *name = "memo";
    const struct cli_option options[] = {
        { 0, "ttl", CLI_SECONDS, &memo.ttl_ns },
        { 0, "fresh", CLI_FLAG, &memo.fresh },
        { 0, "dict", CLI_TEXT, &name },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status;
    kith_err err;

    memo.command = cli_command(&argc, argv);
    status = cli_options(cli, options, &argc, argv, 0, 0);
    if (status != CLI_GO_ON)
        return status;
    if (memo.command == NULL)
        return cli_misused(cli, "It needs a command, after \"--\".");
    status = make_key(&memo);
    if (status == CLI_GO_ON)
        status = cli_open(cli, KITH_CREATE_OR_OPEN, &memo.space);
    if (status == CLI_GO_ON) {
        err = kith_dict_open(memo.space, name, NULL, &memo.dict);
        status = err < 0 ? cli_failed(err) : memoise(&memo);
        if (err == KITH_OK)
            kith_dict_close(memo.dict);
        kith_close(memo.space);
    }
    free(memo.key);
    return status;
}

const struct cli_verb cli_memo = {
    .name = "memo",
    .arguments = "[--ttl SECONDS] -- CMD…",
    .summary = "run a command once, and print its output again after that",
    .help =
        "Runs CMD with nothing on standard input, stores what it puts out and its exit status,\n"
        "and prints the one and exits with the other; for the same words in the same folder\n"
        "after that, without running it.  Of many who ask at once one runs it and the others\n"
        "wait; if that one is killed, the next runs it.  A command that could not be run, or\n"
        "that a signal ended, is not stored.\n"
        "\n"
        "options\n"
        "  --ttl SECONDS         run it again if the output is older than that\n"
        "  --fresh               run it in any case, and store its output\n"
        "  --dict NAME           the dict that has the outputs; else it is \"memo\"\n"
        "\n"
        "example\n"
        "  kith -s cache memo --ttl 60 -- curl -s https://www.debian.org/\n",
    .run = run,
};
