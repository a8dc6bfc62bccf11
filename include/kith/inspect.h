/*
 * kith/inspect.h - what exists in a space, what it takes, and whether it is whole.
 *
 * Threads  Any function, from any thread.
 * Fork     As the space that is looked at.
 * Death    Looking changes nothing that a death could leave half done; kith_gc() frees each thing
 *          wholly or not at all.
 * Engines  shm.
 *
 * See kith/base.h for the errors that any function may give.
 */
#ifndef KITH_INSPECT_H
#define KITH_INSPECT_H

#include <kith/space.h>

KITH_C_BEGIN

/* One object, as kith_list() tells it; of an unnamed one the name is its made one. */
struct kith_info {
    const char *name;
    enum kith_kind kind;
    uint64_t items;      /* keys of a dict, ready and leased items of a queue; else 0 */
    uint64_t bytes;      /* memory it takes, with all that is in it */
    int64_t created_ns;  /* CLOCK_REALTIME */
    uint64_t references; /* items that lead to it by a made name, see reference.h */
    uint64_t handles;    /* that are open on it and keep it, if it is unnamed */
    bool unnamed;        /* its name is a made one */
};

/* What kith_check() found, or kith_gc() did.  Output only: all of it is set. */
struct kith_report {
    uint64_t blocks;      /* blocks of memory looked at */
    uint64_t objects;     /* objects looked at, unnamed ones too */
    uint64_t bytes_used;  /* in all of them */
    uint64_t bytes_freed; /* given back by kith_gc(); 0 of a check */
    uint64_t reaped;      /* dead threads cleaned up after, on the way */
    uint64_t removed;     /* objects and left-over temporary spaces that kith_gc() removed */
    uint64_t unreached;   /* unnamed objects that nothing keeps, see reference.h; by kith_check() */
    uint64_t violations;  /* broken invariants; 0: the space is whole */
    char first[512];      /* the first of them as a sentence, NUL-terminated; "" if there is none */
};

/* A whole space in numbers. */
struct kith_stat {
    size_t struct_size;       /* set by the initialiser: fields may be added */
    char path[4096];          /* of the file behind it, NUL-terminated; "" if it has no name */
    uint64_t size_limit;      /* bytes it may grow to */
    uint64_t bytes_committed; /* memory it has from the system */
    uint64_t bytes_used;      /* of these, in objects and items */
    uint64_t bytes_free;      /* of these, free for new ones */
    uint64_t objects;         /* objects in it, unnamed ones too */
    uint64_t processes;       /* that have it open and live */
    uint64_t threads;         /* of these, that have used it */
    uint64_t reaped;          /* deaths recovered since it was created */
};
#define KITH_STAT_INIT                                                                             \
    {                                                                                              \
        sizeof(struct kith_stat), "", 0, 0, 0, 0, 0, 0, 0, 0                                       \
    }

/*
 * Verifies every invariant of the space, while others go on using it.  Writes nothing, but cleans
 * up after dead threads that it meets.
 *
 * KITH_ECORRUPT  one invariant or more is broken; *report_out is set, and says how many and which
 */
KITH_API kith_err kith_check(kith_space *space, struct kith_report *report_out);

/*
 * As kith_check(), and calls `each` for every violation with a whole sentence, which is good until
 * `each` returns.  A non-zero return ends the calls, not the check, and is no error.  NULL for
 * `each` is kith_check().
 */
KITH_API kith_err kith_check_each(kith_space *space, int (*each)(const char *sentence, void *arg),
                                  void *arg, struct kith_report *report_out);

/*
 * Cleans up after dead threads, ends the unnamed objects that nothing keeps (kith/reference.h),
 * gives free memory back to the system, and removes this user's
 * temporary spaces that nobody has open, and what killed repairs left.  Nothing else goes.
 */
KITH_API kith_err kith_gc(kith_space *space, struct kith_report *report_out);

/*
 * Repairs a space that breaks invariants; a whole one is left as it is.  All that can still be read
 * is copied into a new arena, which then takes the place of the old one in one step.  A process
 * killed in the middle leaves the old one, and a file beside it that kith_gc() removes.
 *
 * Nobody else may have the space open, and nobody in this process may be using it meanwhile.
 * Afterwards `space` and its handles stand on the old memory, which has no name any more: close
 * them, and open the address again.
 *
 * On success *report_out has in `violations` and `first` what was found before, in `objects` how
 * many objects are in the new one, and in `removed` how many were lost; 0 violations: nothing was
 * done.
 *
 * KITH_EUNAVAILABLE  other processes have the space open
 * KITH_EUNSUPPORTED  the space is a mem:// or a temporary one
 * KITH_EPERM         the space was opened read-only
 * KITH_ENOMEM        no room for the copy, in memory or beside the old arena
 *
 * After any error the space is as before.
 */
KITH_API kith_err kith_repair(kith_space *space, struct kith_report *report_out);

/*
 * As kith_repair(), and calls `each` for everything that was lost with a whole sentence, which is
 * good until `each` returns.  A non-zero return ends the calls, not the repair, and is no error.
 */
KITH_API kith_err kith_repair_each(kith_space *space, int (*each)(const char *sentence, void *arg),
                                   void *arg, struct kith_report *report_out);

/* Fills *stat_out, whose struct_size the initialiser KITH_STAT_INIT has set. */
KITH_API kith_err kith_stat(kith_space *space, struct kith_stat *stat_out);

KITH_C_END
#endif /* KITH_INSPECT_H */
