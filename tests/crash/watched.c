/*
 * watched.c - what watch.c says of real code is so: a word counts as stored if all of it was, and
 * as unread only if nobody read it.
 *
 * If it were not, the stepper would leave out runs of reapers that differ.  So blocks are moved,
 * filled, compared and counted in a watched page, in all places and sizes, by the compiler's code
 * and by the C library's; what they really did is known.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "watch.h"

#define PAGE 4096u
#define PAGES 4u
#define ROUNDS 1500u

static struct watch watch;
static uint8_t *arena, *unused, other[2 * PAGE];
static volatile uint64_t sink;

static enum touch
touched(void *address, void *context)
{
    return watch_touched(&watch, address, context);
}

static void
settled(void)
{
    watch_settle(&watch);
}

static void
stored(struct trap *trap, void *context)
{
    (void)trap;
    (void)context;
}

/* What is done to `size` bytes at `at`: `reads` or stores all of them. */
struct deed {
    const char *name;
    bool reads, stores;
    void (*act)(uint8_t *at, uint64_t size);
};

static void
copy_in(uint8_t *at, uint64_t size)
{
    memcpy(at, other, size);
}

static void
move_in_backwards(uint8_t *at, uint64_t size)
{
    while (size-- > 0)
        *(volatile uint8_t *)(at + size) = other[size];
}

static void
fill(uint8_t *at, uint64_t size)
{
    memset(at, 0x55, size);
}

static void
store_words(uint8_t *at, uint64_t size)
{
    for (uint64_t i = 0; i + 8 <= size; i += 8)
        *(volatile uint64_t *)(uintptr_t)(at + i) = UINT64_C(0x5555555555555555);
    for (uint64_t i = size & ~UINT64_C(7); i < size; i++)
        *(volatile uint8_t *)(at + i) = 0x55;
}

static void
store_halves(uint8_t *at, uint64_t size)
{
    for (uint64_t i = 0; i + 4 <= size; i += 4)
        *(volatile uint32_t *)(uintptr_t)(at + i) = 0x55555555;
    for (uint64_t i = size & ~UINT64_C(3); i < size; i++)
        *(volatile uint8_t *)(at + i) = 0x55;
}

static void
copy_string(uint8_t *at, uint64_t size)
{
    const uint8_t *from = other;

    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
}

static void
copy_out(uint8_t *at, uint64_t size)
{
    memcpy(other + PAGE, at, size);
}

static void
compare(uint8_t *at, uint64_t size)
{
    memset(other + PAGE, 0xaa, size);
    sink += (uint64_t)memcmp(at, other + PAGE, size);
}

static void
sum(uint8_t *at, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++)
        sink += at[i];
}

static void
find_byte(uint8_t *at, uint64_t size)
{
    sink += (uint64_t)(uintptr_t)memchr(at, 0x33, size);
}

static void
add(uint8_t *at, uint64_t size)
{
    for (uint64_t i = 0; i + 8 <= size; i += 8)
        __atomic_fetch_add((uint64_t *)(uintptr_t)(at + i), 7, __ATOMIC_SEQ_CST);
    for (uint64_t i = size & ~UINT64_C(7); i < size; i++)
        *(volatile uint8_t *)(at + i) += 1;
}

static void
exchange(uint8_t *at, uint64_t size)
{
    for (uint64_t i = 0; i + 8 <= size; i += 8) {
        uint64_t expected = UINT64_C(0xaaaaaaaaaaaaaaaa);

        __atomic_compare_exchange_n((uint64_t *)(uintptr_t)(at + i), &expected, 5, false,
                                    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
    for (uint64_t i = size & ~UINT64_C(7); i < size; i++)
        sink += __atomic_exchange_n(at + i, 1, __ATOMIC_SEQ_CST);
}

/* The system is asked for the pages, and looks into none of them. */
static void
populate(uint8_t *at, uint64_t size)
{
    (void)at;
    (void)size;
    watch_let(&watch, arena, PAGES * PAGE);
    if (madvise(arena, PAGES * PAGE, MADV_POPULATE_WRITE) != 0)
        sink = 1;
    watch_settle(&watch);
}

static void
read_and_store(uint8_t *at, uint64_t size)
{
    sum(at, size);
    fill(at, size);
}

static const struct deed deeds[] = {
    { "memcpy into it", false, true, copy_in },
    { "bytes from the last to the first", false, true, move_in_backwards },
    { "memset", false, true, fill },
    { "words of 8 bytes", false, true, store_words },
    { "words of 4 bytes", false, true, store_halves },
    { "a string instruction", false, true, copy_string },
    { "memcpy out of it", true, false, copy_out },
    { "memcmp", true, false, compare },
    { "a sum of its bytes", true, false, sum },
    { "memchr", true, false, find_byte },
    { "atomic additions", true, false, add },
    { "atomic exchanges", true, false, exchange },
    { "a sum, and then memset", true, true, read_and_store },
    { "asking for the pages", false, false, populate },
};

static bool
bit_of(const struct words *words, uint64_t i)
{
    return (words->bits[i / 64] >> (i % 64) & 1) != 0;
}

/* Whether all that is said of `size` bytes from the second page's `first` on is so. */
static bool
holds(const struct deed *deed, uint64_t first, uint64_t size, unsigned image)
{
    struct trap trap = { .base = image == WATCH_REAPER ? arena : unused,
                         .size = PAGES * PAGE,
                         .stored = stored,
                         .touched = touched,
                         .settled = settled };
    const struct watched *page = &watch.page[0];
    uint8_t *at = arena + PAGE;
    bool fine = true;

    memset(arena, 0xaa, PAGES * PAGE);
    watch.base[image] = arena;
    watch.base[1 - image] = unused;
    watch.count = 1;
    watch.page[0] = (struct watched){ .off = PAGE };
    trap_begin(&trap);
    watch_begin(&watch);
    deed->act(at + first, size);
    fine = watch.on; /* it did not touch too often */
    trap_end(&trap);
    watch_end(&watch);
    for (uint64_t i = 0; i < WATCHED_WORDS && fine; i++) {
        uint64_t begin = 8 * i > first ? 8 * i : first;
        uint64_t end = 8 * i + 8 < first + size ? 8 * i + 8 : first + size;
        bool within = begin < end, whole = within && end - begin == 8;

        if (bit_of(&page->written[image], i) && !(deed->stores && whole))
            fine = false;
        if (within && deed->reads && bit_of(&page->unread, i))
            fine = false;
        if (within && !deed->reads && !deed->stores && !bit_of(&page->unread, i))
            fine = false;
        if (within && deed->act == copy_string &&
            memcmp(arena + PAGE + begin, other + begin - first, end - begin) != 0)
            fine = false;
        if (!within && deed->stores &&
            memcmp(at + 8 * i, "\xaa\xaa\xaa\xaa\xaa\xaa\xaa\xaa", 8) != 0)
            fine = false;
    }
    return fine;
}

/* What would make all of it useless: that nothing is ever seen to be stored, or unread. */
static bool
tells(void)
{
    const struct watched *page = &watch.page[0];

    if (!holds(&deeds[3], 512, 1024, WATCH_REAPER) || !bit_of(&page->written[WATCH_REAPER], 64) ||
        !bit_of(&page->written[WATCH_REAPER], 191) || bit_of(&page->written[WATCH_REAPER], 192) ||
        !bit_of(&page->unread, 64) || !bit_of(&page->unread, 300))
        return false;
    if (!holds(&deeds[8], 512, 1024, WATCH_REAPER) || bit_of(&page->unread, 64) ||
        !bit_of(&page->unread, 300))
        return false;
    /* Of a string instruction after the reaper all is known, and at once. */
    return holds(&deeds[5], 512, 1024, WATCH_AFTER) && watch.touches == 0 &&
           bit_of(&page->written[WATCH_AFTER], 64) && bit_of(&page->written[WATCH_AFTER], 191) &&
           !bit_of(&page->written[WATCH_AFTER], 192) && bit_of(&page->unread, 64);
}

int
main(void)
{
    const unsigned count = sizeof deeds / sizeof deeds[0];
    bool all = true;

    if (!trap_supported()) {
        printf("1..0 # skip The trap flag is there on x86-64 alone\n");
        return 0;
    }
    arena = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unused = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED || unused == MAP_FAILED)
        return 2;
    watch.size = PAGES * PAGE;
    for (uint64_t i = 0; i < sizeof other; i++)
        other[i] = (uint8_t)(0x40 + i % 31);
    srand(1);
    for (unsigned d = 0; d < count; d++) {
        bool fine = true;

        for (unsigned round = 0; round < ROUNDS / count && fine; round++) {
            uint64_t size = 1 + (uint64_t)rand() % (round % 4 == 0 ? 1000 : 80);
            uint64_t first = (uint64_t)rand() % (PAGE - size);

            /* Also out of the page before, and into the next. */
            if (round % 16 == 3)
                first = PAGE - 1 - (uint64_t)rand() % size;
            fine = holds(&deeds[d], first, size, round % 2 == 0 ? WATCH_REAPER : WATCH_AFTER);
            if (!fine)
                printf("# %llu bytes at %llu\n", (unsigned long long)size,
                       (unsigned long long)first);
        }
        printf("%s %u - what a watch says of %s is so\n", fine ? "ok" : "not ok", d + 1,
               deeds[d].name);
        all = all && fine;
    }
    printf("%s %u - words that were stored, and words that nobody read, are told\n",
           tells() ? "ok" : "not ok", count + 1);
    all = all && tells();
    printf("1..%u\n", count + 1);
    return all ? 0 : 1;
}
