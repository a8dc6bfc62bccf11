/*
 * dump.h - writing and reading dumps: what dump.c, its codec and the table of kinds share.
 *
 * docs/internals/dump-format.md describes the bytes.
 */
#ifndef KITH__DUMP_H
#define KITH__DUMP_H

#include <kith/dump.h>

#include "base/xxh64.h"
#include "object/handle.h"

#define KITH__DUMP_VERSION 1u
#define KITH__DUMP_HEADER_SIZE 32u
#define KITH__DUMP_HEAD_SIZE 16u /* of a record; behind its body stand 8 bytes more */
#define KITH__DUMP_WHOLE 1u      /* in the header's flags: all objects of a space */

enum kith__dump_record {
    KITH__DUMP_OBJECT = 1,
    KITH__DUMP_ITEMS = 2,
    KITH__DUMP_OBJECT_END = 3,
    KITH__DUMP_END = 4
};

/* Numbers of an object's settings; each kind has its own meaning for them. */
enum kith__dump_setting {
    KITH__DUMP_DICT_MAX_ITEMS = 1,
    KITH__DUMP_DICT_MAX_BYTES = 2,
    KITH__DUMP_DICT_POLICY = 3,
    KITH__DUMP_VALUE_TYPE = 1, /* the code; 0: a structure */
    KITH__DUMP_VALUE_BYTES = 2,
    KITH__DUMP_VALUE_TRANSACTIONAL = 3,
    KITH__DUMP_ARRAY_TYPE = 1, /* the code; 0: structures */
    KITH__DUMP_ARRAY_SIZE = 2, /* of an item */
    KITH__DUMP_ARRAY_COUNT = 3,
    KITH__DUMP_SEGMENT_SIZE = 1,
    KITH__DUMP_QUEUE_CAPACITY = 1,
    KITH__DUMP_QUEUE_ATTEMPTS_MAX = 2,
    KITH__DUMP_QUEUE_JOINABLE = 3,
    KITH__DUMP_QUEUE_CLOSED = 4,
    KITH__DUMP_QUEUE_DEAD_LETTER = 5,
    KITH__DUMP_QUEUE_LENDING = 6,
    KITH__DUMP_LOCK_RECURSIVE = 1, /* of locks; the next two of rwlocks too */
    KITH__DUMP_LOCK_FAIR = 2,
    KITH__DUMP_LOCK_DETECT_DEADLOCK = 3,
    KITH__DUMP_LOCK_UNOWNED = 4,
    KITH__DUMP_LOCK_SHAREABLE = 5,
    KITH__DUMP_EVENT_SET = 1,
    KITH__DUMP_SEMAPHORE_VALUE = 1,
    KITH__DUMP_SEMAPHORE_BOUNDED = 2,
    KITH__DUMP_SEMAPHORE_FAIR = 3,
    KITH__DUMP_SEMAPHORE_UNOWNED = 4,
    KITH__DUMP_SEMAPHORE_MORE = 5,
    KITH__DUMP_SEMAPHORE_GONE = 6,
    KITH__DUMP_CONDITION_LOCK = 1,
    KITH__DUMP_BARRIER_PARTIES = 1,
    KITH__DUMP_BARRIER_BROKEN = 2,
    KITH__DUMP_ONCE_DONE = 1,
    KITH__DUMP_LIMITER_RATE = 1, /* a float, as the next but one */
    KITH__DUMP_LIMITER_BURST = 2,
    KITH__DUMP_LIMITER_MISSING = 3
};

/* An object by its name, and what it is. */
struct kith__name {
    enum kith_kind kind;
    char name[KITH__NAME_SIZE_MAX + 1];
};

/* ---- Writing (dump_write.c) ------------------------------------------------------------- */

/* The first error stays in `err`, and everything after it does nothing. */
struct kith__dump {
    kith_dump_writer *write;
    void *arg;
    bool rescue; /* the space is broken, and what can be had is asked for */
    kith_err err;
    struct kith__xxh64 sum; /* of all that was written */
    uint64_t records;
    struct kith_dump_report report;
    uint64_t object_items;
    uint64_t lost; /* of a rescue: items that could not be had */
    uint8_t *body; /* of the record being made */
    size_t size, room;
    uint32_t type;  /* of that record; 0: none */
    uint32_t count; /* entries in it */
};

void kith__dump_begin(struct kith__dump *dump, bool whole);
void kith__dump_end(struct kith__dump *dump);
void kith__dump_free(struct kith__dump *dump);

/* An object: its settings, then its entries, then the end; or cancelled before the first entry. */
void kith__dump_object(struct kith__dump *dump, enum kith_kind kind, const char *name);
void kith__dump_number(struct kith__dump *dump, enum kith__dump_setting setting, uint64_t value);
void kith__dump_float(struct kith__dump *dump, enum kith__dump_setting setting, double value);
void kith__dump_flag(struct kith__dump *dump, enum kith__dump_setting setting, bool flag);
void kith__dump_text(struct kith__dump *dump, enum kith__dump_setting setting, const char *text);
void kith__dump_bytes(struct kith__dump *dump, enum kith__dump_setting setting, const void *data,
                      size_t size);
void kith__dump_object_end(struct kith__dump *dump);
void kith__dump_cancel(struct kith__dump *dump);

/* An entry, made of these parts. */
void kith__dump_entry(struct kith__dump *dump);
void kith__dump_u32(struct kith__dump *dump, uint32_t value);
void kith__dump_u64(struct kith__dump *dump, uint64_t value);
void kith__dump_item(struct kith__dump *dump, const struct kith_item *item);
/* u32 size, and that many bytes. */
void kith__dump_piece(struct kith__dump *dump, const void *data, uint32_t size);

/* ---- Reading (dump_read.c) -------------------------------------------------------------- */

/* Bytes still to be read.  Whatever is read from too few makes it `bad`, and gives zeros. */
struct kith__cursor {
    const uint8_t *at;
    size_t left;
    bool bad;
};

uint32_t kith__read_u32(struct kith__cursor *cursor);
uint64_t kith__read_u64(struct kith__cursor *cursor);
const uint8_t *kith__read_bytes(struct kith__cursor *cursor, uint64_t size);
/* An item that points into the bytes.  Not checked to be one: see kith__item_check(). */
struct kith_item kith__read_item(struct kith__cursor *cursor);

/* One object of a dump that was found whole. */
struct kith__dumped {
    const struct kith__dump_kind *kind;
    char name[KITH__NAME_SIZE_MAX + 1];
    struct kith__cursor settings;
    struct kith__cursor records; /* those with its entries */
    uint64_t items;
    char as[KITH__NAME_SIZE_MAX + 1];   /* the name it gets */
    char also[KITH__NAME_SIZE_MAX + 1]; /* an object that was made for its sake; "": none */
    void *handle;                       /* once it is made */
    uint64_t filled;                    /* bytes put in, of what comes in pieces */
    bool made;
};

/* The number, or the text, of a setting: 0 and "" if the object does not have it. */
uint64_t kith__dumped_number(const struct kith__dumped *object, enum kith__dump_setting setting);
double kith__dumped_float(const struct kith__dumped *object, enum kith__dump_setting setting);
bool kith__dumped_flag(const struct kith__dumped *object, enum kith__dump_setting setting);
void kith__dumped_text(const struct kith__dumped *object, enum kith__dump_setting setting,
                       char *text, size_t size);
/* The bytes of a setting; a bad cursor if the object does not have it. */
struct kith__cursor kith__dumped_bytes(const struct kith__dumped *object,
                                       enum kith__dump_setting setting);
/* The next record with entries, as a cursor behind its head, and how many; false at the end. */
bool kith__dumped_entries(struct kith__cursor *records, struct kith__cursor *entries_out,
                          uint32_t *count_out);

/* Checks a whole dump.  The caller frees *objects_out. */
kith_err kith__dump_verify(const uint8_t *data, size_t size, bool *whole_out,
                           struct kith__dumped **objects_out, size_t *count_out,
                           struct kith_dump_report *report_out);

/* ---- Kinds (dump_kinds.c and those with the rows)
 * --------------------------------------------------------------- */

struct kith__dump_kind {
    enum kith_kind kind;
    /* Writes the object.  KITH_ENOENT, KITH_EGONE, KITH_ETYPE: it is there no longer. */
    kith_err (*dump)(struct kith__dump *dump, kith_space *space, const char *name);
    /* Whether the settings make sense, and reads one entry; false, or a bad cursor: they do not. */
    bool (*settings)(const struct kith__dumped *object);
    bool (*entry)(struct kith__cursor *entries);
    /* Whether all entries, each of which makes sense, are those of such an object.  May be NULL. */
    bool (*whole)(const struct kith__dumped *object);
    /*
     * The object that has to be made before this one, if it is in the dump, and its kind; "": none.
     * May be NULL.
     */
    void (*needs)(const struct kith__dumped *object, char name[KITH__NAME_SIZE_MAX + 1]);
    enum kith_kind needs_kind;
    /* Makes it, empty, with its settings.  `alone`: without what it needs, for that needs it. */
    kith_err (*make)(kith_space *space, struct kith__dumped *object, bool alone);
    /* Puts `count` entries in. */
    kith_err (*fill)(struct kith__dumped *object, struct kith__cursor *entries, uint32_t count);
    /* What has to come last; may be NULL. */
    kith_err (*finish)(struct kith__dumped *object);
    void (*close)(void *handle);
};

extern const struct kith__dump_kind kith__dump_dict, kith__dump_list, kith__dump_set,
    kith__dump_namespace, kith__dump_queue; /* dump_containers.c */
extern const struct kith__dump_kind kith__dump_value, kith__dump_array,
    kith__dump_segment; /* dump_cells.c */
extern const struct kith__dump_kind kith__dump_lock, kith__dump_rwlock, kith__dump_event,
    kith__dump_semaphore, kith__dump_condition, kith__dump_barrier, kith__dump_once,
    kith__dump_limiter; /* dump_sync.c */

/* For the row of a kind any settings of which make sense. */
bool kith__dumped_any(const struct kith__dumped *object);

/* NULL: a kind that cannot be dumped. */
const struct kith__dump_kind *kith__dump_kind_of(uint64_t kind);

/* ---- The whole (dump.c) ------------------------------------------------------------------ */

/* Writes one object.  KITH_ENOENT, KITH_EGONE, KITH_ETYPE: it is there no longer. */
kith_err kith__dump_one(struct kith__dump *dump, kith_space *space, const struct kith__name *name);
/* Loads a dump that lies in memory. */
kith_err kith__load_bytes(kith_space *space, const struct kith_load_options *options,
                          const uint8_t *data, size_t size, struct kith_dump_report *report_out);

#endif /* KITH__DUMP_H */
