/*
 * torture.h - the parts of `kith torture`: many processes, random acts, random deaths, one model.
 *
 * THE MODEL lies in memory that the processes share without Kith.  Before an act that changes
 * something a worker writes its intent there, and after it what is now true.  A worker that is
 * killed in between leaves the intent, and the act is a maybe: the killer looks, and both answers
 * are right, but nothing between them.
 *
 *     own cells     one worker's alone: known exactly, but for a maybe
 *     hot cells     everybody adds: at least what was done, at most that and the maybes
 *     pairs, bank   sums that each transaction keeps: the same at every instant, for every reader
 *     bulk          keys that are always set together: all equal, for every reader
 *     things        items that carry their key, version and a pattern: never torn, never stale
 *     jobs, moved   leased items: none is lost, none comes again after its acknowledgement
 *     plain         items that are got for good: in order; lost only with a killed getter
 *     locks         counters that are not atomic: nobody else is inside, and a death is told
 *     events        one worker's alone to set and clear
 *     list, rwlock, cache, ranked, structure   see torture_kinds.c: they need no intents
 *     permits, signal, onces, limiter          see torture_permits.c
 *     barrier, condition                       see torture_meet.c
 *     nests         unnamed objects: whole while something leads to them, gone when nothing does
 *     values        as hot cells
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "cli.h"

#include <stdatomic.h>

#define SLOTS_MAX 64 /* workers at a time */
#define OWN_CELLS 2
#define HOT_CELLS 4
#define ACCOUNTS 16
#define ACCOUNT_START 1000
#define BULK_KEYS 40
#define THINGS 48 /* keys a worker */
#define THINGS_AT_ONCE 3
#define CELLS 1024 /* items of a worker that are on their way at most */
#define LOCKS 3
#define VALUES 2         /* one changed by atomics, one by records */
#define TORTURE_WORDS 40 /* of the structure */
#define CACHE_MAX 60
#define ONCES 1024 /* of which something is known, at a time */
#define PARTIES 2  /* of the barrier */
#define LEASES_MAX 4
#define VIOLATIONS_KEPT 20

#define MS INT64_C(1000000)

/* What a worker does; also what it was doing when it was killed. */
enum act {
    ACT_NONE,
    ACT_OWN,
    ACT_HOT,
    ACT_PAIR,
    ACT_BANK,
    ACT_BULK,
    ACT_SET,
    ACT_READ,
    ACT_LOOK,
    ACT_PUT,
    ACT_LEASE,
    ACT_ACK,
    ACT_MOVE,
    ACT_MOVED,
    ACT_PLAIN_PUT,
    ACT_PLAIN_GET,
    ACT_LOCK,
    ACT_EVENT,
    ACT_WAIT,
    ACT_SCRATCH,
    ACT_TEMP,
    ACT_LIST,
    ACT_VALUE,
    ACT_STRUCTURE,
    ACT_RWLOCK,
    ACT_CACHE,
    ACT_RANKED,
    ACT_PERMITS,
    ACT_SIGNAL,
    ACT_ONCE,
    ACT_LIMITER,
    ACT_BARRIER,
    ACT_CONDITION,
    ACT_NEST,
    ACT_COUNT
};

extern const char *const torture_act_names[ACT_COUNT];

/* Where a worker is in its use of a lock. */
enum lock_phase { LOCK_AWAY, LOCK_ACQUIRING, LOCK_HOLDING, LOCK_RELEASING };

/* An item on its way: its sequence number, and in the low bits where it is. */
enum cell_state {
    CELL_FREE,
    CELL_PUTTING, /* its putter has not come back yet */
    CELL_PUT,
    CELL_MOVED, /* from jobs to moved */
    CELL_MAYBE, /* whoever did something to it was killed: it may be there or not */
    CELL_DONE
};
#define CELL(seq, state) ((uint64_t)(seq) << 8 | (uint64_t)(state))
#define CELL_SEQ(word) ((word) >> 8)
#define CELL_STATE(word) ((enum cell_state)((word)&0xff))

/* The queues whose items have cells. */
enum lane { LANE_JOBS, LANE_PLAIN, LANE_COUNT };

/* What one worker is about to change.  Only the fields that its act has a use for are set. */
struct intent {
    int64_t own[OWN_CELLS]; /* what is added to each */
    unsigned hot;           /* which cell, and how much */
    int64_t hot_n;
    unsigned thing; /* the first of `thing_count`, and the version they will have; 0: none */
    unsigned thing_count;
    uint64_t version;
    unsigned item_slot; /* whose item is acknowledged or moved */
    uint64_t item_seq;
    uint64_t put_first; /* the sequence numbers being put */
    unsigned put_count;
    enum lane put_lane;
    unsigned get_count; /* items that may be lost with their getter */
    bool event_set;
    unsigned lock;
    unsigned value; /* which, and how much */
    int64_t value_n;
    int64_t signals;  /* how many are given; -1: one is taken */
    int64_t notified; /* of the condition */
};

/* All that is known about one worker.  Its own process writes it; after its death the killer. */
struct slot {
    _Alignas(64) _Atomic uint64_t turns; /* acts begun, for the killer to see that it lives */
    _Atomic uint32_t act;                /* what the intent is about; ACT_NONE: nothing is open */
    _Atomic uint32_t lock_phase;
    struct intent intent;
    uint32_t lives;           /* how often it was started */
    _Atomic uint32_t buried;  /* the last life that is known to be over; the killer's */
    _Atomic uint64_t holding; /* not 0: has a permit */
    _Atomic uint64_t waits;   /* for the condition: its place; 0: it does not */
    _Atomic uint32_t notified;
    _Atomic uint32_t meets; /* is at the barrier, or about to */

    int64_t own[OWN_CELLS];
    int64_t hot_done[HOT_CELLS];
    uint64_t versions[THINGS]; /* 0: absent */
    uint64_t next_version;
    bool event_set;
    uint64_t next_seq[LANE_COUNT];
    _Atomic uint64_t cells[LANE_COUNT][CELLS];
    _Atomic uint32_t leases[CELLS]; /* how often an item of jobs is known to have been lent */
    int64_t value_done[VALUES];
    int64_t lock_done[LOCKS];
    int64_t lock_told[LOCKS]; /* KITH_OWNER_DIED */
    uint64_t holds;           /* of permits, ever */
    int64_t signals;          /* given, less taken */
    _Atomic int64_t tokens;   /* taken from the limiter */
    int64_t met[PARTIES];     /* at the barrier, by the number that it had */
    int64_t unasked, unheard; /* returned unmarked from the condition; was marked, did not */

    uint64_t done[ACT_COUNT];
    uint64_t maybe[ACT_COUNT]; /* killed in the middle; the killer's */
};

/* What a lock protects.  Nothing here is atomic but `inside`, on purpose. */
struct guarded {
    _Alignas(64) volatile int64_t first;
    volatile int64_t second;
    _Atomic uint32_t inside; /* slot + 1 */
};

/* The model. */
struct world {
    uint64_t seed;
    unsigned slot_count;
    bool reopen; /* the address can be opened by others */
    char address[4200];
    _Atomic bool stop;
    _Atomic uint32_t violation_count;
    char violations[VIOLATIONS_KEPT][240];
    struct guarded guarded[LOCKS];
    struct guarded shared; /* what the rwlock protects */
    struct guarded met;    /* what the condition's lock protects */
    _Atomic uint64_t once_number;
    _Atomic uint64_t onces[ONCES];
    _Atomic uint64_t passes; /* of the barrier */
    _Atomic uint64_t wait_number;
    int64_t limiter_began_ns;
    struct slot slots[SLOTS_MAX];
};

/* This process's handles on the objects. */
struct torture_space {
    kith_space *space;
    kith_dict *counters; /* own, hot and pair cells */
    kith_dict *bank;
    kith_dict *bulk;
    kith_dict *things;
    kith_dict *scratch;
    kith_queue *jobs;
    kith_queue *moved;
    kith_queue *plain;
    kith_lock *locks[LOCKS];
    kith_event *events[SLOTS_MAX];
    struct kith_list *list;
    kith_value *values[VALUES];
    kith_value *structure;
    kith_rwlock *rwlock;
    kith_dict *cache;
    kith_queue *ranked;
    kith_semaphore *permits;
    kith_semaphore *signal;
    kith_limiter *limiter;
    kith_barrier *barrier;
    kith_condition *condition;
    kith_dict *nests;
    kith_queue *nest_queue;
};

/* ---- torture_model.c ---- */

/* A generator: the same numbers for the same seed. */
uint64_t torture_random(uint64_t *state);
unsigned torture_pick(uint64_t *state, unsigned count);

/* Writes down that the library broke a promise, in a sentence. */
void torture_violation(struct world *world, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* As torture_violation(), for an error that no one should get; names what was called. */
void torture_unexpected(struct world *world, const char *call, kith_err err);

/* A key that is a text with numbers in it, in memory of its own. */
struct torture_key {
    char text[40];
    struct kith_item item;
};
void torture_key_set(struct torture_key *key, const char *name, unsigned a, unsigned b);

/* The key of a thing; every other one is an int. */
void torture_thing_key(struct torture_key *key, unsigned slot, unsigned thing);

/*
 * An item that says whose it is, which, and of what version, and is filled with a pattern that
 * follows from these.  `memory` has room for TORTURE_ITEM_MAX bytes.
 */
#define TORTURE_ITEM_MAX 200000
struct kith_item torture_item(void *memory, uint64_t size, uint32_t slot, uint32_t which,
                              uint64_t version);
uint64_t torture_item_size(uint64_t *random);

/* The item of a thing at a version, the same bytes each time it is made. */
struct kith_item torture_thing(void *memory, unsigned slot, unsigned thing, uint64_t version);

/* Reads such an item; false if a byte of it is wrong. */
bool torture_item_read(struct kith_item item, uint32_t *slot, uint32_t *which, uint64_t *version);

/* Opens all objects, creating what is missing.  CLI_GO_ON, or what to exit with. */
int torture_open(struct torture_space *space, unsigned slot_count);
void torture_close(struct torture_space *space, unsigned slot_count);

/*
 * Reads at most SLOTS_MAX + 1 ints of one instant; absent ones count as 0.  False: it failed, or an
 * item is of another type, which is a violation.
 */
bool torture_read_ints(struct world *world, kith_dict *dict, const struct torture_key *keys,
                       size_t count, int64_t *numbers);

/* What holds at every instant: pairs, bank, bulk. */
void torture_look_pairs(struct world *world, struct torture_space *space);
void torture_look_bank(struct world *world, struct torture_space *space, bool whole);
void torture_look_bulk(struct world *world, struct torture_space *space, unsigned slot);

/* What an item that came out of a queue may be; a violation otherwise.  False: do not go on. */
bool torture_item_came(struct world *world, const char *queue, enum lane lane,
                       struct kith_item item, unsigned *slot_out, uint64_t *seq_out);

/* Advances an item's cell, unless it is further already or belongs to a later item. */
void torture_cell_advance(struct world *world, enum lane lane, unsigned slot, uint64_t seq,
                          enum cell_state state);

/* ---- torture_verdict.c ---- */

/* After a worker's death: finds out what became of its intent. */
struct torture_deaths {
    uint64_t kills;
    int64_t hot_maybe[HOT_CELLS];
    int64_t value_maybe[VALUES];
    uint64_t plain_maybe_lost;
    int64_t signals_given, signals_taken, notified;
    int64_t killed[ACT_COUNT];                      /* in that act */
    int64_t lock_killed[LOCKS][LOCK_RELEASING + 1]; /* by phase */
};
void torture_resolve(struct world *world, struct torture_space *space, unsigned slot,
                     struct torture_deaths *deaths);

/* After all workers have ended: everything that only holds when nobody acts. */
void torture_final(struct world *world, struct torture_space *space,
                   const struct torture_deaths *deaths);

/* ---- torture_kinds.c ---- */

kith_err torture_open_kinds(struct torture_space *space);
void torture_close_kinds(struct torture_space *space);
/* What holds of the list at every instant. */
void torture_look_list(struct world *world, struct torture_space *space);
void torture_final_kinds(struct world *world, struct torture_space *space,
                         const struct torture_deaths *deaths);

/* ---- torture_permits.c ---- */

/* Before anything is opened. */
void torture_begin_permits(struct world *world);
kith_err torture_open_permits(struct torture_space *space);
void torture_close_permits(struct torture_space *space);
void torture_final_permits(struct world *world, struct torture_space *space,
                           const struct torture_deaths *deaths);

/* ---- torture_meet.c ---- */

kith_err torture_open_meet(struct torture_space *space);
void torture_close_meet(struct torture_space *space);
void torture_final_meet(struct world *world, const struct torture_deaths *deaths);

/* ---- torture_nests.c ---- */

kith_err torture_open_nests(struct torture_space *space);
void torture_close_nests(struct torture_space *space);
void torture_final_nests(struct world *world, struct torture_space *space);

/* ---- torture_act.c ---- */

/* The life of a worker in a process of its own.  Does not return. */
_Noreturn void torture_worker(struct world *world, struct torture_space *space, unsigned slot);

#endif /* TORTURE_H */
