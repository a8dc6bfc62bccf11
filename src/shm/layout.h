/*
 * layout.h - what stands in an arena: every struct of the format, and where it is.
 *
 * An arena is one sparse file, mapped once by every process, at whatever address the
 * kernel gave it.  References inside it are offsets from its first byte; 0 is "none".
 *
 * LAYOUT, in the arena, native byte order
 *     0               header      identity, counters, allocator roots, the catalog
 *     HOLDERS_OFF     holders     one 1 KiB slot a process
 *     actors_off      actors      one slot a thread: two shared pages and a private one
 *     granules_off    granules    32 bytes for each 64 KiB of heap: what it is used for
 *     heap_off        heap        granules: spans of small blocks, and extents
 *
 * A page is committed (its memory reserved and zeroed) before anything is stored in it,
 * so that a full file system is an error code, never SIGBUS.
 *
 * Every word that two processes may look at together is 8 bytes (locks and futexes: 4),
 * naturally aligned, and _Atomic: 16-byte atomics would go through libatomic's private
 * locks, which are one set for each process.
 */
#ifndef KITH__SHM_LAYOUT_H
#define KITH__SHM_LAYOUT_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define KITH__MAGIC UINT64_C(0x0a616e657261746b) /* "ktarena\n" */
#define KITH__FORMAT 2u

#define KITH__PAGE UINT64_C(4096)
#define KITH__GRANULE UINT64_C(65536)
#define KITH__HOLDERS_OFF UINT64_C(65536)
#define KITH__HOLDER_SIZE UINT64_C(1024)
#define KITH__HOLDERS_MAX 4096u
#define KITH__ACTOR_SIZE (3 * KITH__PAGE)
#define KITH__ACTORS_MAX 8190u /* ids 1 to 8190: an id and 0 for "nobody" fit 16 bits */
#define KITH__ITEM_MAX (UINT64_C(1) << 46)

typedef _Atomic uint64_t kith__word;

/* ---- Locks -------------------------------------------------------------------------- */

/*
 * A lock's word names its owner, so that one store claims it and says by whom.  The low bits of the
 * tag are a function of the lock's place: whoever cleans up after a death believes a ledger entry
 * only if they say that a lock still stands there.
 */
struct kith__lock {
    _Atomic uint32_t word; /* actor in the low 16 bits, flags above */
    _Atomic uint32_t tag;
};
#define KITH__TAG_PLACE 0x000fffffu
#define KITH__TAG_JOIN 0x00100000u /* each who lies down for the lock adds this */
#define KITH__TAG_JOINS 0x7ff00000u
#define KITH__TAG_WAITERS                                                                          \
    0x80000000u /* the library's own locks: somebody may be asleep on the word */
#define KITH__LOCK_ACTOR 0x0000ffffu
#define KITH__LOCK_HOLDER 0x00008000u  /* unowned locks: below it a holder, or 0: one that left */
#define KITH__LOCK_CLAIM 0x10000000u   /* rwlocks: the owner still waits for readers to go */
#define KITH__LOCK_DIED 0x20000000u    /* user locks: the last owner died holding it */
#define KITH__LOCK_POLLERS 0x40000000u /* user locks, held: somebody polls for its release */
#define KITH__LOCK_WAITERS 0x80000000u /* somebody may be asleep in the lock's row */
#define KITH__LOCK_MAGIC 0x6b4c6f63u

static inline uint32_t
kith__lock_tag(uint64_t off)
{
    uint32_t place = KITH__LOCK_MAGIC ^ (uint32_t)(off >> 3) ^ (uint32_t)(off >> 35);

    return (place ^ place >> 20) & KITH__TAG_PLACE;
}

/* Whether a lock stands there. */
static inline int
kith__lock_is(const struct kith__lock *lock, uint64_t off)
{
    return (atomic_load_explicit(&lock->tag, memory_order_relaxed) & KITH__TAG_PLACE) ==
           kith__lock_tag(off);
}

/* ---- Signals: words to sleep on that no lock guards ---------------------------------- */

#define KITH__SIGNAL_WAITERS 0x80000000u
#define KITH__SIGNAL_POLLERS 0x40000000u /* somebody watches through a descriptor */
#define KITH__SIGNAL_ON 0x00000001u      /* events: the flag itself */
#define KITH__SIGNAL_STEP 0x00000002u
#define KITH__SIGNAL_FLAGS (KITH__SIGNAL_WAITERS | KITH__SIGNAL_POLLERS | KITH__SIGNAL_ON)

/* ---- Small allocation --------------------------------------------------------------- */

#define KITH__CLASS_PLAIN 38u /* plain sizes; then the typed ones, whose memory keeps its type */
enum {
    KITH__CLASS_DICT = KITH__CLASS_PLAIN, /* struct kith__dict_root */
    KITH__CLASS_SHARDS,                   /* struct kith__shard[KITH__SHARDS] */
    KITH__CLASS_QUEUE,                    /* struct kith__queue_root */
    KITH__CLASS_SYNC,                     /* struct kith__sync_root */
    KITH__CLASS_ROOT,                     /* blocks that begin with a struct kith__root */
    KITH__CLASS_CELL,                     /* cells that are changed without a lock */
    KITH__CLASS_REFERENCE,                /* struct kith__reference */
    KITH__CLASS_REFERENCE_NODE,           /* a struct kith__node that has one for its item */
    KITH__CLASS_COUNT
};
#define KITH__SMALL_MAX                                                                            \
    UINT64_C(24576) /* bigger blocks are extents: they would fill a span badly */
#define KITH__MAGAZINE_SLOTS 464u

struct kith__magazines {
    kith__word count[KITH__CLASS_COUNT];
    kith__word slot[KITH__MAGAZINE_SLOTS];
};

struct kith__class {
    struct kith__lock lock;
    kith__word partial; /* spans with free blocks, a doubly linked list */
    kith__word spans;   /* how many granules the class holds */
    uint64_t spare[5];
};

#define KITH__SPAN_WORDS 64u /* bitmap: a span holds at most 4,096 blocks */
#define KITH__SPAN_MAGIC UINT64_C(0x6b7468007370616e)
struct kith__span {
    uint64_t magic; /* KITH__SPAN_MAGIC ^ offset */
    uint32_t class_index;
    uint32_t block_count;
    kith__word free_count;
    kith__word next, prev;
    uint64_t first; /* offset of block 0 from the span's start */
    uint64_t spare[2];
    kith__word free[]; /* a set bit is a block that belongs to nobody */
};

/* ---- Granules ----------------------------------------------------------------------- */

enum {
    KITH__GRANULE_NONE = 0,
    KITH__GRANULE_FREE,      /* first granule of a free run */
    KITH__GRANULE_FREE_TAIL, /* last granule of a free run of two or more */
    KITH__GRANULE_SPAN,
    KITH__GRANULE_EXTENT,      /* first granule of an extent */
    KITH__GRANULE_EXTENT_TAIL, /* last granule of an extent of two or more */
    KITH__GRANULE_LIMBO        /* an extent nobody owns, pinned by a reader when it was freed */
};
#define KITH__GRANULE_DIRTY UINT64_C(0x100) /* free runs: may hold memory */
#define KITH__GRANULE_WHOLE UINT64_C(0x200) /* extents, free and limbo runs: all of it is memory   \
                                             */
struct kith__granule {
    kith__word word; /* kind in the low 8 bits, flags in the next 24, run length in the high 32 */
    kith__word next; /* free and limbo runs: granule index + 1; 0 ends the list */
    kith__word prev;
    kith__word size; /* extents: bytes asked for */
};
#define KITH__BINS 32u

/* ---- Actors and holders ------------------------------------------------------------- */

enum {
    KITH__SLOT_FREE = 0,
    KITH__SLOT_CLAIMED, /* being set up by holder `by`; holds nothing yet */
    KITH__SLOT_LIVE,
    KITH__SLOT_REAPING, /* dead; actor `by` is cleaning up */
    KITH__SLOT_HUSK,    /* dead; locks and journal are clean, its memory is still to be returned */
    KITH__SLOT_SWEEPING /* a husk whose memory actor `by` is returning */
};
/* state word: kind in the low 8 bits, `by` in the next 16, generation above */
#define KITH__SLOT_KIND(state) ((unsigned)((state)&0xff))
#define KITH__SLOT_BY(state) ((unsigned)(((state) >> 8) & 0xffff))
#define KITH__SLOT_GENERATION(state) ((state) >> 24)
#define KITH__SLOT_STATE(kind, by, generation)                                                     \
    ((uint64_t)(kind) | ((uint64_t)(by) << 8) | ((uint64_t)(generation) << 24))

#define KITH__PINS 104u
struct kith__holder {
    kith__word state;
    int64_t pid; /* for people to read; nothing is decided by it */
    char host[48];
    char command[16];
    kith__word kept;      /* references that its handles are: a list, see reference.c */
    kith__word pin_count; /* a hint: how many of the pins may be set */
    kith__word pin[KITH__PINS];
};

struct kith__redo {
    uint64_t off; /* a multiple of 8; bit 0 marks a cover */
    uint64_t value;
};
#define KITH__REDO_COVER UINT64_C(1)

/* One redo log.  `state` is the generation, shifted by one, and the committed bit. */
struct kith__journal {
    kith__word state;
    kith__word count;
    kith__word area;  /* 0: the inline entries; else an extent: entries, then an index */
    kith__word shape; /* log2 of the entries the extent has room for | log2 of the index << 8 */
};
#define KITH__COMMITTED UINT64_C(1)
#define KITH__MAIN_INLINE 44u
#define KITH__MINI_INLINE 80u

/* A growing array of words, in the actor's slot while it is short, in an extent after that. */
struct kith__vec {
    kith__word area; /* 0: inline */
    kith__word count;
    kith__word room;
};
#define KITH__LEDGER_INLINE 184u /* enough to check a space that is full, if it is not large */
#define KITH__STAGED_INLINE 16u
#define KITH__TRASH_INLINE 16u

struct kith__actor {
    kith__word state;
    uint32_t holder;
    uint32_t id;
    int64_t thread;
    kith__word reading;        /* odd: inside a read without locks */
    kith__word pin;            /* an extent being copied out */
    kith__word waiting_on;     /* the futex word it sleeps on */
    kith__word pending_wake;   /* the lock it owes a wake */
    kith__word pending_signal; /* a queue's root, or a signal | 1, whose sleepers it owes a wake */
    kith__word retired;        /* an extent to be freed: an outgrown vector or record */
    kith__word wanted;         /* the user's lock it waits for: offset | 1 to share it */
    kith__word ticket;         /* its place among those who want that lock */
    kith__word dropped;        /* references that are still to be counted off: a list */
    _Atomic uint32_t call;     /* what it sleeps on in a row: others add to it */
    _Atomic uint32_t flights;  /* how many computations it is at, see flight.c */

    struct kith__journal main;
    struct kith__journal mini;
    struct kith__vec ledger; /* locks held, or about to be: see lock.h */
    struct kith__vec staged; /* blocks taken, not yet linked */
    struct kith__vec trash;  /* blocks unlinked, not yet freed: offset | kind */
    struct kith__vec record; /* the area of a long main record; count unused */
    kith__word ledger_inline[KITH__LEDGER_INLINE];
    kith__word staged_inline[KITH__STAGED_INLINE];
    kith__word trash_inline[KITH__TRASH_INLINE];
    struct kith__redo main_inline[KITH__MAIN_INLINE];
    struct kith__redo mini_inline[KITH__MINI_INLINE];
};
static_assert(sizeof(struct kith__actor) <= KITH__PAGE, "an actor fits its first page");
static_assert(sizeof(struct kith__holder) <= KITH__HOLDER_SIZE, "a holder fits its slot");
#define KITH__MAGAZINES_AT KITH__PAGE
/* The token: a robust mutex whose word is shared and whose list links are private memory. */
#define KITH__TOKEN_AT (2 * KITH__PAGE - 16)
#define KITH__TOKEN_PRIVATE_AT (2 * KITH__PAGE)
static_assert(sizeof(struct kith__magazines) <= KITH__PAGE - 16, "magazines leave the token room");

/*
 * An entry of the trash: an offset, and in its low 4 bits (blocks are 16-byte aligned) the kind of
 * object that is to be taken apart there, or this.
 */
#define KITH__TRASH_BLOCK 0u
#define KITH__TRASH_KIND UINT64_C(15)

/* ---- Dict --------------------------------------------------------------------------- */

#define KITH__SHARDS_LOG 6u
#define KITH__SHARDS (1u << KITH__SHARDS_LOG)
#define KITH__SLOTS 7u

struct kith__bucket {
    kith__word head;              /* actor: 16 bits, overflow count: 8, version: 40 */
    kith__word slot[KITH__SLOTS]; /* tag in the high 16 bits, offset / 16 below */
};
#define KITH__HEAD_ACTOR UINT64_C(0xffff)
#define KITH__HEAD_OVERFLOW UINT64_C(0xff0000)
#define KITH__HEAD_OVERFLOW_ONE UINT64_C(0x10000)
#define KITH__HEAD_VERSION_ONE UINT64_C(0x1000000)

struct kith__shard {
    /* read by everybody, written when the table grows or is emptied */
    kith__word table;  /* offset of the buckets | log2 of their number (in the low 6 bits) */
    kith__word intent; /* a cover of the whole shard */
    kith__word root;   /* of the dict, for whoever finds the lock in a ledger */
    uint64_t spare_read[5];
    /* written by every writer */
    struct kith__lock lock;
    kith__word seq; /* bumped after each locking, before anything visible is stored */
    kith__word count;
    kith__word first; /* entries in the order of their tickets */
    kith__word last;
    kith__word hand;  /* bounds: the next entry that eviction looks at; 0: the oldest */
    kith__word sweep; /* the next entry that is looked at for having expired; 0: the oldest */
    kith__word bytes; /* 0: not counted; else those of all keys and items, and 1 */
};
static_assert(sizeof(struct kith__shard) == 128, "LAYOUT is a format");

struct kith__dict_root {
    kith__word id;     /* 0: destroyed; the memory stays a dict root for ever */
    kith__word shards; /* 0: only `own`; else offset of KITH__SHARDS shards */
    int64_t created_ns;
    uint64_t max_items, max_bytes; /* bounds; 0: none.  Such a dict keeps its one shard */
    uint32_t policy;               /* enum kith_dict_policy */
    _Atomic uint32_t expiring;     /* not 0: some entry was ever given a time to live */
    _Atomic uint32_t signal;       /* where those sleep who wait for a key */
    uint32_t spare;
    kith__word flights; /* computations under way, see flight.c; own.lock guards the list */
    kith__word ticket;  /* the next insertion's place; a line of its own */
    kith__word references;
    uint64_t spare_ticket[6];
    struct kith__shard own;
};
static_assert(sizeof(struct kith__dict_root) == 256, "LAYOUT is a format");

struct kith__entry {
    uint64_t hash;
    uint64_t ticket;
    kith__word prev, next;
    uint64_t key_meta;  /* type: 7 bits, whether a kith__more follows the key: 1, size: 56 */
    kith__word version; /* odd: a store in place is under way */
    kith__word meta;    /* type: 8 bits, tag length: 8, size: 48 */
    kith__word value;   /* up to 8 bytes of it, or the offset of a block */
    uint8_t key[];
};
static_assert(sizeof(struct kith__entry) == 64, "LAYOUT is a format");
#define KITH__META(type, tag_size, size)                                                           \
    ((uint64_t)(type) | ((uint64_t)(tag_size) << 8) | ((uint64_t)(size) << 16))
#define KITH__META_TYPE(meta) ((unsigned)((meta)&0xff))
#define KITH__META_TAG(meta) ((size_t)(((meta) >> 8) & 0xff))
#define KITH__META_SIZE(meta) ((size_t)((meta) >> 16))
#define KITH__KEY_MORE UINT64_C(0x80)
#define KITH__KEY_TYPE(key_meta) ((uint8_t)((key_meta)&0x7f))
#define KITH__KEY_SIZE(key_meta) ((uint64_t)(key_meta) >> 8)

/* Behind the key, at the next multiple of 8: of entries that expire, or that may be evicted. */
struct kith__more {
    kith__word expires; /* a time of the arena's clock; 0: never */
    kith__word life;    /* what it was last given to live, in nanoseconds; 0: for ever */
    kith__word visited; /* SIEVE: it was used since the hand last passed */
};

/* A computation under way: KITH__FLIGHT_SIZE bytes and the key. */
struct kith__flight {
    kith__word next;
    kith__word actor; /* who computes: its number, and the generation of its slot << 16 */
    uint64_t hash;
    uint64_t key_meta;
    uint8_t key[];
};
/* In the catalog alone: the value is the offset of an object's root; kind and id in the meta. */
#define KITH__TYPE_OBJECT 0x40u

/* ---- References --------------------------------------------------------------------- */

/*
 * A reference to an unnamed object, wherever it is: as the block of an item, behind the head of a
 * node, or as a handle.  Each is counted in the root that it leads to.
 */
struct kith__reference {
    uint8_t name[33]; /* a made name: the bytes of the item */
    uint8_t spare[3];
    uint32_t kind;
    kith__word root; /* 0: not counted, see reference.c */
    kith__word id;
    kith__word weight;     /* what it is in the root's count: one of the two below; free: 0 */
    kith__word next, prev; /* among those of a holder; of those that were dropped `next` alone */
};
static_assert(sizeof(struct kith__reference) == 80, "LAYOUT is a format");
#define KITH__REFERENCE_ITEM UINT64_C(1)
#define KITH__REFERENCE_HANDLE (UINT64_C(1) << 40)
#define KITH__REFERENCE_ITEMS(count) ((count) & (KITH__REFERENCE_HANDLE - 1))
#define KITH__REFERENCE_HANDLES(count) ((count) >> 40)
#define KITH__STRIPES 16u /* locks, each for the counts of some roots */
struct kith__stripe {
    _Alignas(64) struct kith__lock lock;
};

/* ---- Queue -------------------------------------------------------------------------- */

/*
 * Small items stand one behind the other in segments, the stream.  A place in it is one word, so
 * that one store moves a queue's head or tail: how many items are before it, and where in its
 * segment it is, in units of 16 bytes.
 */
#define KITH__UNIT UINT64_C(16)
#define KITH__PLACE_AT(place) ((place)&UINT64_C(0xfff))
#define KITH__PLACE_COUNT(place) ((place) >> 12)
#define KITH__PLACE(count, at) ((uint64_t)(count) << 12 | (uint64_t)(at))

struct kith__queue_segment {
    uint64_t magic;  /* KITH__SEGMENT_MAGIC ^ queue id ^ its offset */
    kith__word next; /* the next segment of the stream; undefined in the last */
    uint64_t units;  /* its size, with this header */
    uint64_t spare;
};
static_assert(sizeof(struct kith__queue_segment) == 32, "LAYOUT is a format");
#define KITH__SEGMENT_MAGIC UINT64_C(0x6b7468007365676d)
#define KITH__SEGMENT_FIRST 2u /* unit of the first record */

struct kith__record {
    kith__word meta; /* as of an item, or one of these types */
    uint8_t data[];
};
#define KITH__RECORD_NODE 0x41u /* the offset of a node follows */
#define KITH__RECORD_END 0x42u  /* the stream goes on in the next segment */
#define KITH__INLINE_MAX 1024u  /* bytes of an item and its tag; larger ones are nodes */

/* An item with a block of its own: large, lent, returned, or of a place of its own. */
struct kith__node {
    kith__word next, prev; /* in a list; in a heap: the heaps below it */
    kith__word ticket;     /* how many items the stream had had, itself included */
    kith__word order;      /* among those with one ticket */
    kith__word fence;      /* of the lease it is out on, with KITH__FENCE_TAKEN; 0: ready */
    kith__word owner;      /* holder id | its generation << 16 */
    kith__word attempts;   /* how often it was leased */
    kith__word due;        /* when its delay, or its lease, ends, of the arena's clock; 0: never */
    kith__word rank;       /* in a heap: the length of its shortest way down */
    kith__word priority;   /* an int64_t: higher ones come first */
    uint64_t meta;
    kith__word magic; /* KITH__NODE_MAGIC ^ queue id */
    uint8_t data[];
};
static_assert(sizeof(struct kith__node) == 96, "LAYOUT is a format");
#define KITH__NODE_MAGIC UINT64_C(0x6b7468006e6f6465)
#define KITH__FENCE_TAKEN (UINT64_C(1) << 63) /* lent by a get, not by a lease */

struct kith__queue_root {
    kith__word id;
    kith__word chain; /* the next queue that ever lent an item */
    uint64_t capacity;
    uint64_t dead_letter; /* root of another queue */
    uint64_t dead_letter_id;
    uint32_t attempts_max;
    uint16_t joinable;
    uint16_t lending; /* gets lend up to 2^this many items at once; 0: they take for good */
    int64_t created_ns;
    kith__word closed;
    /* the getters' side: what each get looks at */
    struct kith__lock head_lock;
    kith__word head;         /* the place of the oldest item of the stream */
    kith__word head_segment; /* 0: `first` */
    kith__word seen;         /* tail's count as a getter saw it last */
    kith__word ready;        /* heap of nodes to be had, the next on top */
    kith__word nodes;        /* items outside of the stream: ready, delayed, lent */
    kith__word next_due;     /* the earliest end of a delay or a lease; 0: none */
    kith__word lent_count;
    /* the rest of that side */
    kith__word delayed; /* heap of nodes not to be had yet, the earliest on top */
    kith__word delayed_count;
    kith__word lent_first, lent_last;   /* leased for as long as their holder lives */
    kith__word timed_first, timed_last; /* leased with a limit, by it */
    kith__word fence;                   /* of the last lease */
    kith__word aside;                   /* items ever put beside the stream */
    kith__word dead_count;              /* items given up after attempts_max */
    kith__word done;                    /* joinable: task_done calls and acknowledgements */
    kith__word chained;
    kith__word was;     /* of a queue being taken apart: its id; */
    kith__word orphans; /* and heaps cut off, linked by their fences */
    kith__word references;
    kith__word keeps; /* the reference that keeps a dead letter queue without a name; 0: none */
    kith__word taken; /* of what is lent: by gets, until task_done */
    /* the putters' side */
    struct kith__lock tail_lock;
    kith__word tail; /* the place of the next item */
    kith__word tail_segment;
    kith__word first;      /* where the stream began; 0: it never did */
    kith__word spare;      /* a segment to go on in */
    kith__word room_until; /* the tail's count up to which there is room: a hint, never too high */
    kith__word reserve;    /* a block for an item that is lent when there is no memory */
    uint64_t spare_tail[1];
    /* where they sleep */
    _Atomic uint32_t items; /* getters: something may have become ready */
    uint32_t spare_items[15];
    _Atomic uint32_t room;    /* putters */
    _Atomic uint32_t drained; /* joiners */
    uint32_t spare_signal[14];
};
static_assert(sizeof(struct kith__queue_root) == 448, "LAYOUT is a format");
static_assert(offsetof(struct kith__queue_root, head_lock) % 64 == 0, "a line of the getters'");
static_assert(offsetof(struct kith__queue_root, tail_lock) % 64 == 0, "a line of the putters'");
static_assert(offsetof(struct kith__queue_root, items) % 64 == 0, "a line of their own");

/* ---- Lock, rwlock and event ---------------------------------------------------------- */

struct kith__sync_root {
    kith__word id;
    int64_t created_ns;
    struct kith__lock lock;
    _Atomic uint32_t signal; /* events */
    uint32_t options;        /* locks: KITH__SYNC_*, as they were made */
    kith__word since;        /* locks: when the owner was first seen to hold it; 0: not looked at */
    kith__word sets;         /* events: how often it was set */
    kith__word depth;        /* recursive locks: how often more than once the owner has it */
    kith__word ticket;       /* the last place given to one who waits in the row */
    kith__word chain;        /* the next root in the header's chain of unowned locks, for good */
    kith__word chained;
    kith__word references;
    uint64_t spare[5];
};
static_assert(sizeof(struct kith__sync_root) == 128, "LAYOUT is a format");

#define KITH__SYNC_RECURSIVE 1u
#define KITH__SYNC_FAIR 2u
#define KITH__SYNC_UNOWNED 4u
#define KITH__SYNC_DETECT 8u
#define KITH__SYNC_SHARED 16u /* a rwlock, or a lock that may be opened as one */
#define KITH__SYNC_ALL 31u
/* Who waits for one of these sleeps on a word of its own, and is called by its number. */
#define KITH__SYNC_ROW                                                                             \
    (KITH__SYNC_FAIR | KITH__SYNC_UNOWNED | KITH__SYNC_DETECT | KITH__SYNC_SHARED)

/* ---- Roots of all other objects ------------------------------------------------------ */

/*
 * The first 64 of the 256 bytes of a root; the rest is the object's.  All these kinds share one
 * class of memory, so what a handle that outlived its object may still touch stands at one place
 * for all of them: it may try the lock, join a signal, and look at the id.  It may touch nothing
 * else before it holds the lock and has seen its id.
 */
struct kith__root {
    kith__word id; /* 0: destroyed */
    int64_t created_ns;
    struct kith__lock lock;
    _Atomic uint32_t signal[4]; /* where they sleep */
    kith__word references;      /* how many lead to it: see reference.c */
    kith__word chain;           /* the next root in the header's chain, for good */
    kith__word chained;         /* 0: not in it; else the object that is: its id | kind << 56 */
};
static_assert(sizeof(struct kith__root) == 64, "LAYOUT is a format");
#define KITH__ROOT_SIZE UINT64_C(256)

/* ---- Value ---------------------------------------------------------------------------- */

#define KITH__VALUE_INLINE 16u /* words */
#define KITH__VALUE_GUARDED 1u /* changed under its lock, by records */
struct kith__value_root {
    struct kith__root root;
    kith__word cell;  /* not guarded: the bits; a line of its own */
    kith__word head;  /* guarded: a cover; actor: 16 bits, version: 48 */
    kith__word block; /* guarded, of more than the words here: where the bytes are */
    uint64_t size;    /* constant from here on */
    uint32_t code;    /* its type's; 0: a structure */
    uint32_t flags;
    uint64_t spare[3];
    kith__word words[KITH__VALUE_INLINE]; /* guarded: the bytes, in native order */
};
static_assert(sizeof(struct kith__value_root) == KITH__ROOT_SIZE, "LAYOUT is a format");
#define KITH__COVER_VERSION_ONE UINT64_C(0x10000)

/* ---- Array and segment ---------------------------------------------------------------- */

struct kith__array_root {
    struct kith__root root;
    kith__word data;    /* the extent of the current version */
    kith__word version; /* counts what was published */
    uint64_t count;     /* items; constant, as all from here to flags */
    uint64_t size;      /* bytes of an item */
    kith__word sync;    /* a sync root: the lock of users */
    uint32_t code;      /* the items' type; 0: structures */
    uint32_t flags;
    uint64_t spare[2];
    kith__word head; /* structures: a cover; a line of its own */
    uint64_t spare_head[15];
};
static_assert(sizeof(struct kith__array_root) == KITH__ROOT_SIZE, "LAYOUT is a format");

struct kith__segment_root {
    struct kith__root root;
    kith__word data; /* an extent */
    kith__word size; /* bytes of it that are the segment's */
    uint64_t spare[22];
};
static_assert(sizeof(struct kith__segment_root) == KITH__ROOT_SIZE, "LAYOUT is a format");

/* ---- List --------------------------------------------------------------------------- */

#define KITH__FAN 64u
#define KITH__TREE_LEVELS 8u /* above the leaves */
#define KITH__DROPS 16u

struct kith__slot {
    kith__word meta;
    kith__word value; /* up to 8 bytes of the item, or the offset of a block */
};
struct kith__leaf { /* and the chunks at both ends */
    struct kith__slot slot[KITH__FAN];
};
struct kith__inner {
    struct {
        kith__word child; /* offset / 16: 48 bits, entries in it: 8, its level: 8 */
        kith__word upto;  /* items in this child and in those before it */
    } branch[KITH__FAN];  /* side by side, so that finding a child is one cache line */
};
static_assert(sizeof(struct kith__leaf) == 1024, "LAYOUT is a format");
static_assert(sizeof(struct kith__inner) == 1024, "LAYOUT is a format");

struct kith__list_root {
    struct kith__root root;
    kith__word cover; /* actor: 16 bits, version: 48 */
    kith__word state; /* items in the head chunk: 8 bits, in the tail chunk: 8, version: 48 */
    kith__word tree;  /* the tree's root, as a branch has it; 0: empty */
    kith__word tree_count;
    kith__word head; /* offset of a chunk, filled from its end; 0: none */
    kith__word tail; /* offset of a chunk, filled from its start; 0: none */
    uint64_t spare;
    kith__word keep;              /* of a carcass: the items live on elsewhere */
    kith__word drop[KITH__DROPS]; /* of a carcass: more trees */
};
static_assert(sizeof(struct kith__list_root) == KITH__ROOT_SIZE, "LAYOUT is a format");

/* ---- Semaphore ------------------------------------------------------------------------ */

#define KITH__CHARGES_INLINE 5u
/* What a process has of a semaphore.  With a count of 0 it is room for anybody's. */
struct kith__charge {
    kith__word owner; /* slot of the process | its generation << 16 */
    kith__word count;
    kith__word ticket; /* its place: smaller ones are older */
};

#define KITH__SEMAPHORE_BOUNDED 1u
#define KITH__SEMAPHORE_FAIR 2u
#define KITH__SEMAPHORE_UNOWNED 4u
#define KITH__SEMAPHORE_ALL 7u
struct kith__semaphore_root {
    struct kith__root root;
    kith__word stock; /* all permits: those to be had, and those charged */
    uint64_t initial;
    uint64_t options;  /* KITH__SEMAPHORE_* */
    kith__word ticket; /* the last place given to a charge */
    kith__word queued; /* fair: the last place given to one who waits */
    kith__word block;  /* charges that are more than fit here; 0: they fit */
    kith__word room;   /* how many charges the block has room for */
    kith__word quick;  /* what one process takes and gives without the lock: semaphore_quick.h */
    struct kith__charge charges[KITH__CHARGES_INLINE];
    uint64_t spare_end;
};
static_assert(sizeof(struct kith__semaphore_root) == KITH__ROOT_SIZE, "LAYOUT is a format");

/* ---- Barrier -------------------------------------------------------------------------- */

#define KITH__PARTIES_INLINE 5u
#define KITH__BARRIER_LOG 8u
/* One who has arrived. */
struct kith__arrived {
    kith__word name; /* actor | generation of its slot << 16 */
    kith__word pid;  /* for people to read */
};
struct kith__barrier_root {
    struct kith__root root;
    kith__word state; /* how many have arrived: 16 bits, broken: 1, how often it let all go: 47 */
    uint64_t parties;
    kith__word breaks; /* how often it was broken, or reset under those who waited */
    kith__word pid;    /* whose death broke it last */
    uint64_t block;    /* of more parties than fit here */
    uint64_t spare;
    kith__word log[KITH__BARRIER_LOG]; /* break n at n % 8: passes before it: 48 bits, why: above */
    struct kith__arrived arrived[KITH__PARTIES_INLINE];
};
static_assert(sizeof(struct kith__barrier_root) == KITH__ROOT_SIZE, "LAYOUT is a format");
#define KITH__BARRIER_ARRIVED UINT64_C(0xffff)
#define KITH__BARRIER_BROKEN UINT64_C(0x10000)
#define KITH__BARRIER_PASS UINT64_C(0x20000)

/* ---- Condition ------------------------------------------------------------------------ */

#define KITH__WAITERS_INLINE 5u
/* One who waits, or room for one. */
struct kith__waiter {
    kith__word name;   /* actor | generation of its slot << 16; 0: room */
    kith__word ticket; /* its place: smaller ones came before */
    kith__word mark;   /* 0, or it was notified: the last ticket that there was then */
};
struct kith__condition_root {
    struct kith__root root;
    uint64_t lock_off; /* of a sync root; constant, as all up to here */
    uint64_t lock_id;
    uint64_t own;      /* not 0: the lock is the condition's own, and has no name */
    kith__word ticket; /* the last one given to a waiter */
    kith__word block;  /* waiters that are more than fit here; 0: they fit */
    kith__word room;   /* how many waiters the block has room for */
    kith__word keeps;  /* the reference that keeps a lock without a name of its own; 0: none */
    struct kith__waiter waiters[KITH__WAITERS_INLINE];
    uint64_t spare_end[2];
};
static_assert(sizeof(struct kith__condition_root) == KITH__ROOT_SIZE, "LAYOUT is a format");

/* ---- Once ----------------------------------------------------------------------------- */

struct kith__once_root {
    struct kith__root root;
    kith__word state; /* 0: open; KITH__ONCE_DONE; else the process that has it: as of charges */
    kith__word actor; /* the thread that claimed it: actor | generation of its slot << 16 */
    uint64_t spare[22];
};
static_assert(sizeof(struct kith__once_root) == KITH__ROOT_SIZE, "LAYOUT is a format");
#define KITH__ONCE_DONE (UINT64_C(1) << 63)

/* ---- Limiter -------------------------------------------------------------------------- */

struct kith__limiter_root {
    struct kith__root root;
    kith__word position; /* units taken, or passed by unused; changed by compare-and-swap alone */
    int64_t begun_ns;    /* of the arena's clock: constant, as all from here on */
    uint64_t speed;      /* units a second, times 2^20 */
    uint64_t burst;      /* tokens */
    double rate;         /* tokens a second */
    uint32_t shift;      /* a token is 2^shift units */
    uint32_t spare32;
    uint64_t spare[18];
};
static_assert(sizeof(struct kith__limiter_root) == KITH__ROOT_SIZE, "LAYOUT is a format");

/* ---- Header ------------------------------------------------------------------------- */

#define KITH__FLAG_TEMPORARY 1u

struct kith__identity { /* written before the file gets its name, constant after */
    uint64_t magic;
    uint32_t format;
    uint32_t flags;
    uint64_t layout_hash;
    uint64_t size; /* of the file: everything is below it */
    uint64_t hash_key[2];
    uint8_t uuid[16];
    int64_t created_ns;
    uint64_t actors_off, granules_off, heap_off;
    uint32_t actors_max, holders_max;
    uint32_t granules_max;
    uint32_t uid;
    uint64_t check; /* SipHash of the fields above */
};

struct kith__header {
    struct kith__identity identity;
    /* Written through the file alone, for those who watch it; in the first page, so that no limit
       on the size of files hinders that. */
    _Alignas(64) kith__word poked;
    _Alignas(64) kith__word next_id;     /* of objects and leases */
    kith__word reaped;                   /* deaths recovered from */
    _Alignas(64) kith__word holders_top; /* slots below this have been used */
    kith__word actors_top;
    kith__word watchman;      /* the sleeper that re-checks */
    kith__word no_trim;       /* somebody can't take part in a grace period */
    kith__word husks;         /* a hint: dead actors may wait for their sweep */
    kith__word suspect_until; /* a thread died: till then its process may be dying; 0: nobody's */
    kith__word clock_shift;   /* what its clock adds to CLOCK_BOOTTIME, and on which boot: boot.c */
    uint64_t spare;           /* 0 */
    _Alignas(64) struct kith__lock extent_lock;
    kith__word granules_top; /* granules from here on were never used */
    kith__word dirty;        /* granules in free runs that may hold memory */
    kith__word used;         /* granules in spans and extents */
    kith__word limbo;        /* first limbo run, granule index + 1 */
    kith__word bin[KITH__BINS];
    _Alignas(64) struct kith__class classes[KITH__CLASS_COUNT];
    _Alignas(64) struct kith__lock chain_lock;
    kith__word chain;   /* queues that ever lent an item */
    kith__word unowned; /* unowned locks that were ever taken */
    kith__word roots;   /* roots that ever held something for a process */
    struct kith__stripe stripes[KITH__STRIPES];
    _Alignas(64) struct kith__dict_root catalog;
};
static_assert(sizeof(struct kith__header) <= KITH__HOLDERS_OFF, "the header fits its granule");

#endif /* KITH__SHM_LAYOUT_H */
