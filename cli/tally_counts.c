/*
 * tally_counts.c - finds the hosts and words of a text, and counts them in private memory.
 */
#include "tally.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS_MIN 1024
#define WORD_MIN 3
#define WORD_MAX 40 /* longer runs are encoded data, not words */
#define HOST_MAX 253

/* A file is text if it has no NUL in so many bytes. */
#define LOOK_SIZE 4096

#define HASH_START UINT64_C(0xcbf29ce484222325)
#define HASH_FACTOR UINT64_C(0x100000001b3)

void *
tally_realloc(void *memory, size_t size)
{
    void *larger = realloc(memory, size);

    if (larger == NULL) {
        cli_say("There is no memory for %zu bytes.", size);
        exit(CLI_FAILED);
    }
    return larger;
}

/* ---- the table ---- */

static uint64_t
hash_of(const char *name, size_t size)
{
    uint64_t hash = HASH_START;

    for (size_t i = 0; i < size; i++)
        hash = (hash ^ (unsigned char)name[i]) * HASH_FACTOR;
    return hash;
}

/* The slot of a name, or the empty one where it belongs; there always is an empty one. */
static struct tally_count *
slot_of(const struct tally_counts *counts, uint64_t hash, const char *name, size_t size)
{
    size_t mask = counts->slot_count - 1;
    size_t at = (size_t)(hash ^ hash >> 29) & mask;

    for (;; at = (at + 1) & mask) {
        struct tally_count *slot = &counts->slots[at];

        if (slot->n == 0 || (slot->hash == hash && slot->size == size &&
                             memcmp(counts->names + slot->at, name, size) == 0))
            return slot;
    }
}

static void
grow(struct tally_counts *counts)
{
    struct tally_count *old = counts->slots;
    size_t old_count = counts->slot_count;

    counts->slot_count = old_count == 0 ? SLOTS_MIN : 2 * old_count;
    counts->slots = tally_realloc(NULL, counts->slot_count * sizeof *counts->slots);
    memset(counts->slots, 0, counts->slot_count * sizeof *counts->slots);
    for (size_t i = 0; i < old_count; i++)
        if (old[i].n != 0)
            *slot_of(counts, old[i].hash, counts->names + old[i].at, old[i].size) = old[i];
    free(old);
}

static uint32_t
keep_name(struct tally_counts *counts, const char *name, size_t size)
{
    size_t at = counts->names_size;

    if (size > counts->names_capacity - at) {
        counts->names_capacity = 2 * counts->names_capacity + size + 4096;
        counts->names = tally_realloc(counts->names, counts->names_capacity);
    }
    memcpy(counts->names + at, name, size);
    counts->names_size += size;
    return (uint32_t)at; /* a corpus is bounded far below 4 GB */
}

static void
add_hashed(struct tally_counts *counts, uint64_t hash, const char *name, size_t size, int64_t n)
{
    struct tally_count *slot;

    if (4 * counts->used >= 3 * counts->slot_count)
        grow(counts);
    slot = slot_of(counts, hash, name, size);
    if (slot->n == 0) {
        slot->hash = hash;
        slot->size = (uint32_t)size;
        slot->at = keep_name(counts, name, size);
        counts->used++;
    }
    slot->n += n;
    counts->total += n;
}

void
tally_count_add(struct tally_counts *counts, const char *name, size_t size, int64_t n)
{
    add_hashed(counts, hash_of(name, size), name, size, n);
}

struct tally_count *
tally_count_find(struct tally_counts *counts, const char *name, size_t size)
{
    struct tally_count *slot;

    if (counts->slot_count == 0)
        return NULL;
    slot = slot_of(counts, hash_of(name, size), name, size);
    return slot->n == 0 ? NULL : slot;
}

/* ---- the text ---- */

/* 'a' to 'z' for a letter, 0 for all else. */
static char
letter_of(char c)
{
    if (c >= 'a' && c <= 'z')
        return c;
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return 0;
}

/* What a host's name is made of, in lower case; 0 for all else. */
static char
host_character(char c)
{
    if ((c >= '0' && c <= '9') || c == '.' || c == '-')
        return c;
    return letter_of(c);
}

/* Counts the host that begins at `text`, if one does. */
static void
count_host(struct tally_counts *hosts, const char *text, size_t size)
{
    char host[HOST_MAX];
    size_t length = 0;

    while (length < size && length < HOST_MAX && host_character(text[length]) != 0) {
        host[length] = host_character(text[length]);
        length++;
    }
    while (length > 0 && (host[length - 1] == '.' || host[length - 1] == '-'))
        length--; /* the end of a sentence, or of a line */
    if (length > 0 && host[0] != '.' && host[0] != '-')
        tally_count_add(hosts, host, length, 1);
}

/* True if the word that ended just before `rest` begins a web address. */
static bool
is_scheme(const char *word, size_t word_size, const char *rest, size_t rest_size)
{
    if (rest_size < 4 || rest[0] != ':' || rest[1] != '/' || rest[2] != '/')
        return false;
    return (word_size == 4 && memcmp(word, "http", 4) == 0) ||
           (word_size == 5 && memcmp(word, "https", 5) == 0);
}

void
tally_text(struct tally *tally, const char *text, size_t size)
{
    size_t at = 0;

    tally->files++;
    if (memchr(text, '\0', size < LOOK_SIZE ? size : LOOK_SIZE) != NULL)
        return;
    tally->bytes += (int64_t)size;
    while (at < size) {
        char word[WORD_MAX];
        uint64_t hash = HASH_START;
        size_t length = 0;
        char letter;

        while (at < size && (letter = letter_of(text[at])) != 0) {
            if (length < WORD_MAX) {
                word[length] = letter;
                hash = (hash ^ (unsigned char)letter) * HASH_FACTOR;
            }
            length++;
            at++;
        }
        if (length >= WORD_MIN && length <= WORD_MAX)
            add_hashed(&tally->words, hash, word, length, 1);
        if (is_scheme(word, length, text + at, size - at))
            count_host(&tally->hosts, text + at + 3, size - at - 3);
        at++;
    }
}

/* ---- whole tallies ---- */

static void
merge_counts(struct tally_counts *counts, const struct tally_counts *from)
{
    for (size_t i = 0; i < from->slot_count; i++) {
        const struct tally_count *slot = &from->slots[i];

        if (slot->n != 0)
            add_hashed(counts, slot->hash, from->names + slot->at, slot->size, slot->n);
    }
}

void
tally_merge(struct tally *tally, const struct tally *from)
{
    merge_counts(&tally->hosts, &from->hosts);
    merge_counts(&tally->words, &from->words);
    tally->files += from->files;
    tally->bytes += from->bytes;
}

static void
clear_counts(struct tally_counts *counts)
{
    if (counts->used > 0)
        memset(counts->slots, 0, counts->slot_count * sizeof *counts->slots);
    counts->used = 0;
    counts->names_size = 0;
    counts->total = 0;
}

void
tally_clear(struct tally *tally)
{
    clear_counts(&tally->hosts);
    clear_counts(&tally->words);
    tally->files = 0;
    tally->bytes = 0;
}

void
tally_free(struct tally *tally)
{
    free(tally->hosts.slots);
    free(tally->hosts.names);
    free(tally->words.slots);
    free(tally->words.names);
    memset(tally, 0, sizeof *tally);
}
