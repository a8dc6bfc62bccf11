/*
 * kith/dump.h - a whole space, or one object, as a run of bytes that can be kept and sent.
 *
 * A dump is the same whatever machine made it and whatever arena it came from: little-endian, with
 * a checksum for each record and one for the whole.  docs/internals/dump-format.md has it byte by
 * byte.  It holds what objects are and what is in them, not who uses them: an item on lease is in
 * it as ready, with its attempts; a lock, a permit and a claim come out free; nobody waits.
 *
 * Every object is dumped as it was at one instant, and each at an instant of its own.  While a
 * space is used, a dump of it may thus have a change of one object and not a later one of another.
 * Arrays and segments, which others may write as memory, are read piece by piece, item by item.
 *
 * Threads  Any function, from any thread.
 * Fork     As the space.
 * Death    Dumping changes nothing.  A process killed while it loads leaves objects that it had
 *          made, the last of them with a part of its items; nothing else is touched.
 * Engines  all.
 *
 * See kith/base.h for the errors that any function may give.
 */
#ifndef KITH_DUMP_H
#define KITH_DUMP_H

#include <kith/space.h>

KITH_C_BEGIN

/* What kith_load() may be told.  A field left zero takes its default. */
struct kith_load_options {
    size_t struct_size; /* set by the initialiser: fields may be added */
    const char *only;   /* the one object of the dump to load; default: all of them */
    const char *as;     /* the name it gets, if it is the only one; default: the one it had */
};
#define KITH_LOAD_OPTIONS_INIT                                                                     \
    {                                                                                              \
        sizeof(struct kith_load_options), NULL, NULL                                               \
    }

/* What was dumped or loaded.  Output only: all of it is set. */
struct kith_dump_report {
    uint64_t objects;
    uint64_t items; /* keys of dicts, items of queues, in all of them; pieces of bytes */
    uint64_t bytes; /* of the dump */
};

/* Takes `size` bytes of a dump; non-zero if it cannot, which ends the dump. */
typedef int kith_dump_writer(const void *data, size_t size, void *arg);
/*
 * Gives up to `size` bytes of a dump, and sets *got_out to how many, 0 at the end; non-zero if it
 * cannot, which ends the loading.
 */
typedef int kith_dump_reader(void *data, size_t size, size_t *got_out, void *arg);

/*
 * Writes the object `name`, or with NULL all objects of the space, by calls of `write`.  What it
 * wrote when it fails is no dump, and is refused by kith_load().
 *
 * KITH_ENOENT       no object has that name
 * KITH_EGONE        that one was destroyed meanwhile; or it is a condition, and its lock was
 * KITH_EUNSUPPORTED an object is of a kind that this version cannot dump
 * KITH_EPERM        the space was opened read-only, and a queue has to be locked for a moment
 * KITH_ESYSTEM      `write` said that it cannot
 */
KITH_API kith_err kith_dump(kith_space *space, const char *name, kith_dump_writer *write, void *arg,
                            struct kith_dump_report *report_out);

/* As kith_dump(), to a descriptor: a file, a pipe or a socket. */
KITH_API kith_err kith_dump_fd(kith_space *space, const char *name, int fd,
                               struct kith_dump_report *report_out);

/*
 * Reads a dump to its end by calls of `read`, checks all of it, and only then makes its objects;
 * NULL options mean all defaults.  It takes as much private memory as the dump has bytes.  A
 * dump of a whole space is loaded into one that has no object; one of a single object, or a
 * single one of it, beside those that are there.
 *
 * KITH_EEXIST    an object of that name is there, or any object at all for a whole space
 * KITH_ECORRUPT  the dump was cut short, altered in some byte, or is none
 * KITH_EVERSION  a newer version wrote the dump, in a format that this one does not know
 * KITH_ENOENT    options->only names no object of the dump
 * KITH_ESYSTEM   `read` said that it cannot
 * KITH_ENOMEM    this process, or the space, has no room for it
 *
 * After any error the space is as before: what was made of the dump was destroyed again.
 */
KITH_API kith_err kith_load(kith_space *space, const struct kith_load_options *options,
                            kith_dump_reader *read, void *arg, struct kith_dump_report *report_out);

/* As kith_load(), from a descriptor. */
KITH_API kith_err kith_load_fd(kith_space *space, const struct kith_load_options *options, int fd,
                               struct kith_dump_report *report_out);

KITH_C_END
#endif /* KITH_DUMP_H */
