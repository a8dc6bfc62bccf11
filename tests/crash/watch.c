/*
 * watch.c - see watch.h.
 */
#include "watch.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "access.h"

#define PAGE UINT64_C(4096)
#define WIDEST 64u

/* Each costs some 10 us: what a run may cost beside itself. */
#define TOUCHES_AHEAD 1500u
#define TOUCHES_MAX 4000u

static void
protect(struct watch *watch, unsigned image, uint64_t off, int protection)
{
    if (mprotect(watch->base[image] + off, PAGE, protection) != 0)
        abort();
}

/* As it is when it is not watched: a reaper's stores are heard of. */
static int
plain(unsigned image)
{
    return image == WATCH_REAPER ? PROT_READ : PROT_READ | PROT_WRITE;
}

/* Shut or open, as it should be. */
static void
arrange(struct watch *watch, struct watched *page, unsigned image)
{
    uint64_t left = 0;

    for (unsigned i = 0; i < WATCHED_LIMBS; i++)
        left |= page->unread.bits[i] & ~page->written[image].bits[i];
    if ((left != 0) != page->shut[image])
        protect(watch, image, page->off, left != 0 ? PROT_NONE : plain(image));
    page->shut[image] = left != 0;
}

void
watch_open(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++)
        for (unsigned image = 0; image < 2; image++)
            if (watch->page[i].shut[image])
                protect(watch, image, watch->page[i].off, plain(image));
    watch->count = 0;
    watch->on = false;
}

void
watch_begin(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++) {
        memset(&watch->page[i].unread, 0xff, sizeof watch->page[i].unread);
        for (unsigned image = 0; image < 2; image++)
            arrange(watch, &watch->page[i], image);
    }
    watch->touches = 0;
    watch->on = true;
}

void
watch_die(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++) {
        watch->page[i].written[WATCH_AFTER] = watch->page[i].written[WATCH_REAPER];
        arrange(watch, &watch->page[i], WATCH_AFTER);
    }
}

/* Bits `first` to `end` (not included). */
static void
set_words(struct words *words, uint64_t first, uint64_t end)
{
    for (uint64_t i = first; i < end && i < WATCHED_WORDS; i++)
        words->bits[i / 64] |= UINT64_C(1) << (i % 64);
}

/* False if a word was read that must not be, for the rest to be worth while. */
static bool
note(struct watched *page, unsigned image, uint64_t at, struct access access)
{
    uint64_t first = at, end = at + access.size;
    bool spoilt = false;

    if (access.writes) {
        /*
         * Words that are stored whole.  Of a store that goes on in the next line or came from the
         * page before, the processor need not tell its first byte: it counts for nothing.
         */
        if (at == 0 || at % WIDEST + access.size > WIDEST)
            return true;
        set_words(&page->written[image], (first + 7) / 8, end / 8);
        return true;
    }
    if (access.size > 16)
        first = at < WIDEST ? 0 : at - WIDEST + 1;
    for (uint64_t i = first / 8; i < (end + 7) / 8 && i < WATCHED_WORDS; i++) {
        uint64_t bit = UINT64_C(1) << (i % 64);

        if ((page->written[image].bits[i / 64] & bit) == 0) {
            page->unread.bits[i / 64] &= ~bit;
            spoilt = spoilt || (page->fresh.bits[i / 64] & bit) != 0;
        }
    }
    return !spoilt;
}

/* No more is found out about words that have not changed yet. */
static void
stop_looking_ahead(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++)
        for (unsigned k = 0; k < WATCHED_LIMBS; k++)
            watch->page[i].unread.bits[k] &= watch->page[i].fresh.bits[k];
}

/* The page that an address is of, and in which image; NULL: it is not watched. */
static struct watched *
find(struct watch *watch, const void *address, unsigned *image_out)
{
    for (unsigned image = 0; image < 2; image++) {
        uint64_t at = (uint64_t)(uintptr_t)address - (uint64_t)(uintptr_t)watch->base[image];

        for (unsigned i = 0; at < watch->size && i < watch->count; i++)
            if (watch->page[i].off == (at & ~(PAGE - 1))) {
                *image_out = image;
                return &watch->page[i];
            }
    }
    return NULL;
}

/*
 * A copy byte by byte by one instruction, as memcpy() makes them of large items, faults at each
 * byte, and none of them is a whole word.  One of those who come after the reaper is made here, as
 * far as its page goes, and counts as what it is.
 */
static bool
copy_at_once(struct watch *watch, struct watched *page, void *context)
{
    uint8_t *to, *base = watch->base[WATCH_AFTER] + page->off;
    const uint8_t *from;
    uint64_t count, at;

    if (!trap_copies(context, &to, &from, &count) || to < base || to >= base + PAGE)
        return false;
    at = (uint64_t)(to - base);
    if (count > PAGE - at)
        count = PAGE - at;
    if (count < WIDEST || (from < to + count && to < from + count))
        return false;
    for (uint64_t i = 0; i < watch->count; i++) /* what it reads may be watched, too */
        for (unsigned image = 0; image < 2; image++) {
            const uint8_t *other = watch->base[image] + watch->page[i].off;

            if (from < other + PAGE && other < from + count)
                return false;
        }
    protect(watch, WATCH_AFTER, page->off, plain(WATCH_AFTER));
    page->shut[WATCH_AFTER] = false;
    memcpy(to, from, count);
    trap_copied(context, count);
    set_words(&page->written[WATCH_AFTER], (at + 7) / 8, (at + count) / 8);
    arrange(watch, page, WATCH_AFTER);
    return true;
}

enum touch
watch_touched(struct watch *watch, void *address, void *context)
{
    unsigned image;
    struct watched *page = find(watch, address, &image);
    bool stores = trap_is_store(context);
    struct access access = access_of(trap_code(context), stores);

    if (page == NULL || !page->shut[image])
        return TOUCH_OTHER;
    if (image == WATCH_AFTER && stores && copy_at_once(watch, page, context))
        return TOUCH_AGAIN;
    if (++watch->touches == TOUCHES_AHEAD)
        stop_looking_ahead(watch);
    if (watch->touches == TOUCHES_MAX ||
        !note(page, image, (uint64_t)(uintptr_t)address & (PAGE - 1), access)) {
        watch_open(watch);
        return TOUCH_AGAIN; /* a store of the reaper's faults once more, and is heard of */
    }
    page->stepped[image] = true;
    if (image == WATCH_REAPER && stores)
        return TOUCH_OTHER; /* as any store of it: its page is opened by the trap */
    protect(watch, image, page->off, plain(image));
    page->shut[image] = false;
    return image == WATCH_REAPER ? TOUCH_STEP : TOUCH_STEP_INSIDE;
}

void
watch_settle(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++)
        for (unsigned image = 0; image < 2; image++)
            if (watch->page[i].stepped[image]) {
                watch->page[i].stepped[image] = false;
                watch->page[i].shut[image] = false;
                arrange(watch, &watch->page[i], image);
            }
}

void
watch_lend(struct watch *watch, const void *address, uint64_t size)
{
    unsigned image;

    for (uint64_t at = 0; at < size + PAGE; at += PAGE)
        if (find(watch, (const uint8_t *)address + (at < size ? at : size - 1), &image) != NULL) {
            watch_open(watch);
            return;
        }
}

void
watch_let(struct watch *watch, const void *address, uint64_t size)
{
    for (unsigned image = 0; image < 2; image++) {
        uint64_t from = (uint64_t)(uintptr_t)address - (uint64_t)(uintptr_t)watch->base[image];

        for (unsigned i = 0; i < watch->count; i++) {
            struct watched *page = &watch->page[i];

            if (!page->shut[image] || page->off + PAGE <= from || page->off >= from + size)
                continue;
            protect(watch, image, page->off, plain(image));
            page->stepped[image] = true;
        }
    }
}

void
watch_end(struct watch *watch)
{
    for (unsigned i = 0; i < watch->count; i++)
        for (unsigned image = 0; image < 2; image++)
            if (watch->page[i].shut[image])
                protect(watch, image, watch->page[i].off, PROT_READ | PROT_WRITE);
}

bool
watch_is_unread(const struct watch *watch, uint64_t off, const struct words *words)
{
    struct words read = *words;

    for (unsigned i = 0; i < watch->count; i++)
        if (watch->page[i].off == off)
            for (unsigned k = 0; k < WATCHED_LIMBS; k++)
                read.bits[k] &= ~watch->page[i].unread.bits[k];
    return !words_any(&read);
}

struct words
words_differing(const void *page, const void *other)
{
    struct words words = { .bits = { 0 } };
    const uint8_t *a = page, *b = other;

    for (uint64_t i = 0; i < WATCHED_WORDS; i++)
        if (memcmp(a + 8 * i, b + 8 * i, 8) != 0)
            set_words(&words, i, i + 1);
    return words;
}

bool
words_any(const struct words *words)
{
    uint64_t any = 0;

    for (unsigned i = 0; i < WATCHED_LIMBS; i++)
        any |= words->bits[i];
    return any != 0;
}
