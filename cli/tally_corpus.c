/*
 * tally_corpus.c - finds the documents, and unpacks them.
 */
#include "tally.h"

#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* Every Debian system has documents here, a slim image only a few of them. */
static char *const default_dirs[] = { "/usr/share/doc", "/usr/share/man" };

/* What else has text in it, on nearly every system. */
static char *const other_dirs[] = {
    "/usr/share/common-licenses", "/usr/share/licenses", "/usr/include",    "/usr/lib/python3",
    "/usr/lib/python3.11",        "/usr/share/perl",     "/usr/share/perl5"
};

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The default folders hold too little if they have less than this. */
#define FILES_MIN 200
#define BYTES_MIN UINT64_C(8000000)

/* Of a larger file only the beginning is read. */
#define FILE_SIZE_MAX (32u << 20)

#define READ_SIZE (256u << 10)

/* ---- finding ---- */

/* The size that a gzip file has unpacked stands, modulo 2^32, in its last four bytes. */
static uint64_t
unpacked_size(const char *path, uint64_t packed_size)
{
    unsigned char tail[4];
    size_t length = strlen(path);
    ssize_t got;
    int fd;

    if (length < 3 || strcmp(path + length - 3, ".gz") != 0 || packed_size < 18)
        return packed_size;
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return packed_size;
    got = pread(fd, tail, sizeof tail, (off_t)packed_size - 4);
    close(fd);
    if (got != (ssize_t)sizeof tail)
        return packed_size;
    return (uint64_t)tail[0] | (uint64_t)tail[1] << 8 | (uint64_t)tail[2] << 16 |
           (uint64_t)tail[3] << 24;
}

static void
take_file(struct tally_corpus *corpus, const char *path, uint64_t size)
{
    size_t count = corpus->count;

    if ((count & (count - 1)) == 0) {
        size_t room = count == 0 ? 1 : 2 * count;

        corpus->paths = tally_realloc(corpus->paths, room * sizeof *corpus->paths);
        corpus->sizes = tally_realloc(corpus->sizes, room * sizeof *corpus->sizes);
    }
    corpus->paths[count] = strcpy(tally_realloc(NULL, strlen(path) + 1), path);
    size = unpacked_size(path, size);
    corpus->sizes[count] = size > FILE_SIZE_MAX ? FILE_SIZE_MAX : size;
    corpus->bytes += corpus->sizes[count];
    corpus->count++;
}

/* Names sorted, so that the same files come in the same order each time. */
static int
by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static void
find_below(struct tally_corpus *corpus, char *const *dirs, size_t dir_count)
{
    for (size_t i = 0; i < dir_count; i++) {
        char *roots[] = { dirs[i], NULL };
        size_t before = corpus->count;
        size_t written = strlen(corpus->where);
        FTSENT *entry;
        FTS *tree;

        if (access(dirs[i], R_OK) != 0)
            continue;
        tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR | FTS_COMFOLLOW, by_name);
        while (tree != NULL && (entry = fts_read(tree)) != NULL)
            if (entry->fts_info == FTS_F && entry->fts_statp->st_size > 0 &&
                S_ISREG(entry->fts_statp->st_mode))
                take_file(corpus, entry->fts_path, (uint64_t)entry->fts_statp->st_size);
        if (tree != NULL)
            fts_close(tree);
        if (corpus->count > before)
            snprintf(corpus->where + written, sizeof corpus->where - written, "%s%s",
                     written == 0 ? "" : " ", dirs[i]);
    }
}

/* A generator that gives the same numbers each time; its quality hardly matters here. */
static uint64_t
next_number(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Mixes the files, so that any first part of them is a fair sample. */
static void
mix(struct tally_corpus *corpus)
{
    uint64_t state = 88172645463325252u;

    for (size_t i = corpus->count; i > 1; i--) {
        size_t j = (size_t)(next_number(&state) % i);
        char *path = corpus->paths[i - 1];
        uint64_t size = corpus->sizes[i - 1];

        corpus->paths[i - 1] = corpus->paths[j];
        corpus->sizes[i - 1] = corpus->sizes[j];
        corpus->paths[j] = path;
        corpus->sizes[j] = size;
    }
}

struct tally_corpus
tally_corpus_part(const struct tally_corpus *corpus, uint64_t bytes_max)
{
    struct tally_corpus part = *corpus;

    part.bytes = 0;
    for (part.count = 0; part.count < corpus->count; part.count++) {
        if (part.bytes + corpus->sizes[part.count] > bytes_max && part.count > 0)
            break;
        part.bytes += corpus->sizes[part.count];
    }
    return part;
}

void
tally_corpus_find(struct tally_corpus *corpus, char **dirs, int dir_count, uint64_t bytes_max)
{
    struct tally_corpus part;

    memset(corpus, 0, sizeof *corpus);
    if (dir_count > 0) {
        find_below(corpus, dirs, (size_t)dir_count);
    } else {
        find_below(corpus, default_dirs, COUNT_OF(default_dirs));
        corpus->fell_back = corpus->count < FILES_MIN || corpus->bytes < BYTES_MIN;
        if (corpus->fell_back)
            find_below(corpus, other_dirs, COUNT_OF(other_dirs));
    }
    mix(corpus);
    part = tally_corpus_part(corpus, bytes_max);
    for (size_t i = part.count; i < corpus->count; i++)
        free(corpus->paths[i]);
    part.cut = part.count < corpus->count;
    *corpus = part;
}

void
tally_corpus_free(struct tally_corpus *corpus)
{
    for (size_t i = 0; i < corpus->count; i++)
        free(corpus->paths[i]);
    free(corpus->paths);
    free(corpus->sizes);
    memset(corpus, 0, sizeof *corpus);
}

/* ---- unpacking ---- */

/* Reads what can be read; zlib hands plain files through as they are. */
static size_t
read_file(struct tally_reader *reader, const char *path)
{
    gzFile file = gzopen(path, "rbe");
    size_t size = 0;
    int got = 1;

    if (file == NULL)
        return 0;
    gzbuffer(file, READ_SIZE / 2);
    while (got > 0 && size < FILE_SIZE_MAX) {
        if (reader->capacity - size < READ_SIZE) {
            reader->capacity = 2 * reader->capacity + READ_SIZE;
            reader->text = tally_realloc(reader->text, reader->capacity);
        }
        got = gzread(file, reader->text + size, READ_SIZE);
        if (got > 0)
            size += (size_t)got;
    }
    gzclose(file);
    return size;
}

void
tally_file(struct tally *tally, struct tally_reader *reader, const char *path)
{
    size_t size = read_file(reader, path);

    tally_text(tally, reader->text == NULL ? "" : reader->text, size);
}
