/*
 * tally.h - the parts of `kith demo tally`: counting hosts and words over real documents.
 *
 * A filler puts file names into a leased queue.  Workers borrow a few, unpack and count them, and
 * in one transaction merge the counts into shared dicts and acknowledge the files.  So every file
 * is counted exactly once, whoever is killed, and whenever.
 */
#ifndef TALLY_H
#define TALLY_H

#include "cli.h"

/* ---- tally_counts.c ---- */

/* How often one name was seen. */
struct tally_count {
    uint64_t hash;
    int64_t n;     /* 0: the slot is empty */
    uint32_t at;   /* where its name begins in names */
    uint32_t size; /* bytes in it */
    bool matched;  /* for who compares two tallies */
};

/* Names and how often each was seen, in private memory. */
struct tally_counts {
    struct tally_count *slots; /* a power of two of them */
    size_t slot_count;
    size_t used;
    char *names;
    size_t names_size;
    size_t names_capacity;
    int64_t total; /* the sum of all n */
};

/* What was counted in some files. */
struct tally {
    struct tally_counts hosts;
    struct tally_counts words;
    int64_t files;
    int64_t bytes; /* unpacked, of files that are text */
};

/* Adds n to the count of a name.  Ends the program if there is no memory. */
void tally_count_add(struct tally_counts *counts, const char *name, size_t size, int64_t n);

/* The count of a name, or NULL. */
struct tally_count *tally_count_find(struct tally_counts *counts, const char *name, size_t size);

/*
 * Counts one file: words are runs of 3 to 40 letters a to z in lower case, hosts what stands behind
 * http:// and https://.  A file with a NUL near its start is no text, and only counts as a file.
 */
void tally_text(struct tally *tally, const char *text, size_t size);

/* Adds all of `from`. */
void tally_merge(struct tally *tally, const struct tally *from);

/* Makes it empty, and keeps its memory for the next use. */
void tally_clear(struct tally *tally);
void tally_free(struct tally *tally);

/* As realloc(), but ends the program with a sentence if there is no memory. */
void *tally_realloc(void *memory, size_t size);

/* ---- tally_corpus.c ---- */

/* The files that are counted. */
struct tally_corpus {
    char **paths;
    uint64_t *sizes; /* unpacked, as far as can be known without unpacking */
    size_t count;
    uint64_t bytes;  /* of all, by these sizes */
    char where[256]; /* the folders, for people */
    bool fell_back;  /* the default folders hold too little, so others were added */
    bool cut;        /* there were more files than the limit on bytes lets in */
};

/*
 * Finds the regular files below `dirs`, or below the default folders if there are none, and takes
 * of them, in an order mixed the same way each time, as many as make up `bytes_max`.
 */
void tally_corpus_find(struct tally_corpus *corpus, char **dirs, int dir_count, uint64_t bytes_max);

/* The first files of `corpus` that make up `bytes_max`; the paths stay those of `corpus`. */
struct tally_corpus tally_corpus_part(const struct tally_corpus *corpus, uint64_t bytes_max);

void tally_corpus_free(struct tally_corpus *corpus);

/* Memory into which files are unpacked, one after another. */
struct tally_reader {
    char *text;
    size_t capacity;
};

/* Counts the file at `path`, unpacked if it is compressed; what cannot be read counts as empty. */
void tally_file(struct tally *tally, struct tally_reader *reader, const char *path);

/* ---- tally_run.c ---- */

/* What the job is given. */
struct tally_job {
    const struct tally_corpus *corpus;
    kith_space *space; /* an empty one */
    unsigned workers;
    bool chaos;              /* kill a busy worker every 200 ms */
    unsigned busy_kills_min; /* with chaos: repeat the corpus until so many were killed */
    bool show;               /* progress, on standard error */
};

/* What came out of it, besides the dicts "hosts", "words" and "totals". */
struct tally_result {
    unsigned passes;       /* how often every file was counted */
    unsigned kills;        /* workers killed */
    unsigned busy_kills;   /* of these, while they held files */
    unsigned commit_kills; /* of these, in the middle of a commit */
    double seconds;
};

/* The shared dicts, and the queue of file names. */
struct tally_space {
    kith_dict *hosts;
    kith_dict *words;
    kith_dict *totals; /* "files", "bytes", "hosts", "words" */
    kith_queue *files;
};

/* Opens them, creating what is missing.  CLI_GO_ON, or what to exit with after a sentence. */
int tally_space_open(struct tally_space *shared, kith_space *space);
void tally_space_close(struct tally_space *shared);

/* CLI_GO_ON, or what to exit with after a sentence. */
int tally_run(const struct tally_job *job, struct tally_space *shared, struct tally_result *result);

/* ---- tally_show.c ---- */

/* How far the job is, as a line that is written over on a terminal and added now and then else. */
struct tally_progress {
    const struct tally_corpus *corpus;
    int64_t started_ns;
    int64_t shown_ns; /* 0: not yet */
    bool terminal;
};

void tally_show_progress(struct tally_progress *progress, struct tally_space *shared,
                         const struct tally_result *result);
void tally_end_progress(struct tally_progress *progress);

#define TALLY_TOP 10

/* The names that are most often seen, most first. */
struct tally_top {
    char *names[TALLY_TOP];
    size_t sizes[TALLY_TOP];
    int64_t ns[TALLY_TOP];
    size_t count;
};

void tally_top_add(struct tally_top *top, const char *name, size_t size, int64_t n);
void tally_top_free(struct tally_top *top);
void tally_show_bars(const char *title, const struct tally_top *top);
void tally_print_top_json(const char *title, const struct tally_top *top);

/* ---- tally_compare.c ---- */

/*
 * Runs the same job on a part of the corpus by other means, and prints the times side by side.
 * CLI_GO_ON, or what to exit with after a sentence.
 */
int tally_compare(const struct cli *cli, const struct tally_corpus *corpus, unsigned workers);

/* ---- cmd_demo.c ---- */

/* Opens a new temporary space, and tells its address.  CLI_GO_ON, or what to exit with. */
int tally_open_space(const struct cli *cli, uint64_t bytes_needed, kith_space **space_out,
                     char *address, size_t address_size);

#endif /* TALLY_H */
