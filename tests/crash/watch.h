/*
 * watch.h - which words of some pages are read, before they are overwritten, by a reaper in its
 * image and by those who come after its death in theirs.
 *
 * The pages are shut in both images.  Each access to one faults, is noted, and is let through
 * alone, until nothing is left to be found out.  Words that nobody read may stand there as they
 * like: all would have gone the same way.
 */
#ifndef KITH__WATCH_H
#define KITH__WATCH_H

#include "trap.h"

#define WATCHED_MAX 8u
#define WATCHED_WORDS 512u /* a page's */
#define WATCHED_LIMBS (WATCHED_WORDS / 64)

/* A bit for each word of a page. */
struct words {
    uint64_t bits[WATCHED_LIMBS];
};

struct watched {
    uint64_t off;
    struct words fresh;      /* what is to be found out about: watching ends if one is read */
    struct words unread;     /* by anybody, before it was stored into; of others not all is known */
    struct words written[2]; /* since the run, or the death, began: by image */
    bool shut[2];            /* in that image: while a word is neither read nor written */
    bool stepped[2];         /* open for one instruction */
};

enum { WATCH_REAPER, WATCH_AFTER };

struct watch {
    uint8_t *base[2]; /* the images' */
    uint64_t size;
    struct watched page[WATCHED_MAX];
    unsigned count;
    uint64_t touches;
    bool on; /* and nothing that was to be found out about was read so far */
};

/* Shuts the pages of which `off` and `fresh` were entered into `page`. */
void watch_begin(struct watch *watch);
/* The reaper dies: in the image after it is written what was written in its own. */
void watch_die(struct watch *watch);
/* The trap's: an access to `address` faulted. */
enum touch watch_touched(struct watch *watch, void *address, void *context);
/* The trap's: the instruction is over. */
void watch_settle(struct watch *watch);
/* The kernel will look into these bytes, which tells nobody: they count as read. */
void watch_lend(struct watch *watch, const void *address, uint64_t size);
/* The kernel will use these pages whatever stands in them: they are open until watch_settle(). */
void watch_let(struct watch *watch, const void *address, uint64_t size);
/* Opens all pages: no more is found out. */
void watch_open(struct watch *watch);
void watch_end(struct watch *watch);
/* Whether nobody read any of `words` of the page at `off`, which was watched to the end. */
bool watch_is_unread(const struct watch *watch, uint64_t off, const struct words *words);

/* The words of two pages that differ. */
struct words words_differing(const void *page, const void *other);
bool words_any(const struct words *words);

#endif /* KITH__WATCH_H */
