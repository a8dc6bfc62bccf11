/*
 * cli.h - what the files of the command line share.
 *
 * One verb, one file: cmd_<verb>.c holds a struct cli_verb, and main.c the table of them.  Data
 * goes to standard output, whole sentences to standard error, and the exit status is one of enum
 * cli_exit.
 */
#ifndef CLI_H
#define CLI_H

#include <kith.h>

#include <limits.h>
#include <stdio.h>

enum cli_exit {
    CLI_GO_ON = -1, /* from cli_options(): nothing ends the program yet */
    CLI_DONE = 0,
    CLI_NO = 1,      /* the answer is no: no such key, nothing came */
    CLI_USAGE = 2,   /* the command line makes no sense */
    CLI_FAILED = 3,  /* unreachable, or refused */
    CLI_CORRUPT = 4, /* shared memory breaks an invariant */
    CLI_INTERRUPTED = 130
};

/* One run of the program. */
struct cli {
    const struct cli_verb *verb;
    const char *address; /* -s or KITH_URL; NULL: none was given */
    bool address_given;  /* by -s */
    bool json;
    const char *completing; /* what the options that are wanted begin with; NULL: run the verb */
};

struct cli_verb {
    const char *name;
    const char *arguments; /* "DICT KEY", for the usage line */
    const char *summary;   /* a few words, for the list of verbs */
    const char *help;      /* what it does, its options, and an example */
    int (*run)(struct cli *cli, int argc, char **argv);
};

extern const struct cli_verb cli_add, cli_barrier, cli_check, cli_del, cli_demo, cli_doctor,
    cli_dump, cli_event, cli_gc, cli_get, cli_keys, cli_limit, cli_load, cli_lock, cli_locks,
    cli_ls, cli_memo, cli_mv, cli_once, cli_pop, cli_push, cli_repair, cli_rm, cli_sem, cli_set,
    cli_stat, cli_torture, cli_wait;

/* ---- main.c ---- */

/* NULL: there is no such verb. */
const struct cli_verb *cli_find_verb(const char *name);
/* Calls `each` with `arg`, the name and the summary of every verb. */
void cli_each_verb(void (*each)(const char *arg, const char *name, const char *summary),
                   const char *arg);

/* ---- options.c ---- */

enum cli_option_kind {
    CLI_FLAG,    /* bool: set to true */
    CLI_TEXT,    /* const char * */
    CLI_COUNT,   /* uint64_t: a number of at least 1 */
    CLI_NUMBER,  /* uint64_t: a number of at least 0 */
    CLI_INTEGER, /* int64_t: a number, maybe below 0 */
    CLI_SECONDS, /* int64_t: nanoseconds, or KITH_FOREVER */
};

/* One option that a verb takes.  A list of them ends with one whose name is NULL. */
struct cli_option {
    char letter; /* 0: it has none */
    const char *name;
    enum cli_option_kind kind;
    void *value;
};

/* As many operands as there are. */
#define CLI_ANY_NUMBER INT_MAX

/*
 * Takes the options out of argv, the verb's own and those of every verb, wherever they stand, and
 * moves the operands to its start; *argc becomes how many there are.  A negative number, and "-"
 * alone, are operands; "--" ends the options.
 *
 * CLI_GO_ON, or what to exit with: CLI_DONE after --help, CLI_USAGE when there is a mistake, or
 * fewer operands than `operands_min` or more than `operands_max`.
 */
int cli_options(struct cli *cli, const struct cli_option *options, int *argc, char **argv,
                int operands_min, int operands_max);

/* Prints "kith VERB: …" as a sentence and where to find help; CLI_USAGE. */
int cli_misused(const struct cli *cli, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Prints a sentence to standard error. */
void cli_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints the library's sentence about its last failure; the exit status that stands for `err`. */
int cli_failed(kith_err err);

/* The exit status that stands for `err`; says nothing. */
int cli_status(kith_err err);

/*
 * Opens the space that the command line names, which must exist unless `create` says otherwise.
 * CLI_GO_ON, or what to exit with after a sentence.
 */
int cli_open(const struct cli *cli, enum kith_create create, kith_space **space_out);
/* Of which kind the object is; KITH_KIND_NONE if there is none. */
enum kith_kind cli_kind(kith_space *space, const char *name);

/* ---- cells.c ---- */

/* Whether it is a value or an array, for which the following are. */
bool cli_is_cell(enum kith_kind kind);

/* Makes a value, or with a count an array, of ints or floats as `like` is. */
kith_err cli_cell_make(kith_space *space, const char *name, uint64_t count, struct kith_item like);

/*
 * A value, whose key is ignored, or the item of an array at an index, which is the key.
 * KITH_ENOENT: there is no such item.  What is no number comes out, and goes in, as its bytes, in
 * *memory_out, which the caller frees.
 */
kith_err cli_cell_get(kith_space *space, enum kith_kind kind, const char *name,
                      struct kith_item key, struct kith_item *item_out, void **memory_out);
kith_err cli_cell_set(kith_space *space, enum kith_kind kind, const char *name,
                      struct kith_item key, struct kith_item item);
kith_err cli_cell_add(kith_space *space, enum kith_kind kind, const char *name,
                      struct kith_item key, struct kith_item number, struct kith_item *sum_out);

/* ---- options.c again ---- */

/*
 * Has SIGINT end this program's waits with KITH_EINTERRUPTED.  For the verbs that wait and have
 * something to put in order; in all others SIGINT just ends the program.
 */
void cli_catch_interrupts(void);

/* True once SIGINT came, after cli_catch_interrupts(). */
bool cli_interrupted(void);

/* ---- complete.c ---- */

/* Prints what the last of the words may become, one a line. */
int cli_complete(struct cli *cli, int argc, char **argv);

/* Prints those options of the lists, which end with a NULL, that begin with cli->completing. */
void cli_complete_options(const struct cli *cli, const struct cli_option *const *lists);

/* ---- value.c ---- */

/* How a key or a value is read. */
enum cli_reading {
    CLI_READ_PLAIN, /* int, float, true, false, none, else str */
    CLI_READ_STR,
    CLI_READ_BYTES,
    CLI_READ_JSON
};

/*
 * The option --as: its word becomes a reading, and NULL leaves it alone.  CLI_GO_ON or CLI_USAGE
 * after a sentence.
 */
int cli_reading(const struct cli *cli, const char *word, enum cli_reading *reading);

/*
 * Reads `size` bytes at `text` as an item, and a JSON array as a tuple if it is a key.  The item
 * borrows the text, or owns *memory_out, which the caller frees once the item is no longer used.
 * CLI_GO_ON, or CLI_USAGE after a sentence.
 */
int cli_read_item(const struct cli *cli, enum cli_reading reading, bool key, const char *text,
                  size_t size, struct kith_item *item_out, void **memory_out);

/* As cli_read_item(), for a text that ends with a NUL. */
int cli_read_text(const struct cli *cli, enum cli_reading reading, bool key, const char *text,
                  struct kith_item *item_out, void **memory_out);

/* Reads all of standard input; the caller frees *data_out.  CLI_GO_ON or CLI_FAILED. */
int cli_read_input(char **data_out, size_t *size_out);

/* True if the `size` bytes at `text` are UTF-8, strictly. */
bool cli_is_utf8(const char *text, size_t size);

/* ---- visible.c ---- */

/* How many bytes the character at `text` has, which is not at its end; 1 for what is no UTF-8. */
size_t cli_character(const char *text);

/*
 * Prints a text that may be anybody's: what is no UTF-8, and what a terminal would obey, as \n or
 * \x1b.  How many characters it printed.
 */
size_t cli_print_visible(FILE *out, const char *text);

/* So, to standard output, filled up with spaces to a width and one more. */
void cli_print_column(const char *text, size_t width);

/* ---- json.c ---- */

/*
 * Reads one JSON value.  The item borrows from the text, or points into *memory_out, which the
 * caller frees.  NULL, or what is wrong with the text as the end of a sentence.
 */
const char *cli_json_read(const char *text, size_t size, bool key, struct kith_item *item_out,
                          void **memory_out);

/*
 * A decimal integer, digits only after an optional sign, as an item: an int, or a big one in
 * *memory_out.  False if there is no memory.
 */
bool cli_decimal(const char *text, size_t size, struct kith_item *item_out, void **memory_out);

/* ---- print.c ---- */

/* An item as a person reads it: a str or bytes as they are, all else as a literal. */
void cli_print_item(FILE *out, struct kith_item item);

/*
 * An item as JSON.  Bytes, foreign items and references become objects: {"base64": …},
 * {"foreign": tag, "base64": …}, {"reference": name}.  A tuple and a set become arrays, a dict with
 * a key that is no str becomes {"dict": [[key, item], …]}, and a float that JSON has no word for
 * becomes null.
 */
void cli_print_json(FILE *out, struct kith_item item);

/* A text as a JSON string, with U+FFFD for what is no UTF-8. */
void cli_print_json_text(FILE *out, const char *text, size_t size);
void cli_print_json_string(FILE *out, const char *text);

/* A CLOCK_REALTIME as "2026-01-31T12:00:00Z". */
void cli_print_time(FILE *out, int64_t time_ns);

/* A number of bytes as "12.3 MB", and any number with its thousands apart, as "12,345". */
struct cli_text {
    char text[32];
};
struct cli_text cli_bytes_text(uint64_t bytes);
struct cli_text cli_count_text(uint64_t count);

/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t cli_now_ns(void);

#endif /* CLI_H */
