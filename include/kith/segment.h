/*
 * kith/segment.h - a named piece of raw memory shared by processes.
 *
 * A segment is bytes, zeroed at first, which its users write and read by a view, as memory: what
 * they do there is theirs to order.
 *
 * Threads  Any function, from any thread, on one handle or on many; only kith_segment_close() must
 *          be the last call on its handle.
 * Fork     A forked child may go on with the handle and with its views, which are then its own.
 * Death    A process killed inside a call has made, resized or unlinked the segment wholly or not
 *          at all.  What it viewed is unpinned.
 * Engines  shm.
 *
 * Besides what each function lists, see kith/base.h for the errors that any may give.
 */
#ifndef KITH_SEGMENT_H
#define KITH_SEGMENT_H

#include <kith/space.h>
#include <kith/view.h>

KITH_C_BEGIN

/* A handle on one segment, private to the process that opened it. */
typedef struct kith_segment kith_segment;

/* What a segment is created with. */
struct kith_segment_options {
    size_t struct_size;      /* set by the initialiser: fields may be added */
    enum kith_create create; /* whether it may, or must, be there; default: either */
    uint64_t size;           /* bytes; at least 1 for a segment that is made */
};
#define KITH_SEGMENT_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct kith_segment_options), KITH_CREATE_OR_OPEN, 0                                \
    }

/*
 * Opens the segment `name`, creating it first if there is none.  Options of a segment that exists
 * already are ignored.  All its memory is taken at its creation.
 *
 * On success the caller owns *segment_out and gives it to kith_segment_close().
 *
 * KITH_EINVAL   a bad name: see kith/space.h; or a segment is to be made, with a size of 0
 * KITH_ETOOBIG  the space's limit is smaller
 * KITH_ENOENT   no such segment, and options->create is KITH_MUST_EXIST
 * KITH_EEXIST   there is one, and options->create is KITH_MUST_CREATE
 * KITH_ETYPE    `name` is an object of another kind
 * KITH_ENOMEM   the arena, or the machine, has no room for it
 */
KITH_API kith_err kith_segment_open(kith_space *space, const char *name,
                                    const struct kith_segment_options *options,
                                    kith_segment **segment_out);

/* Gives up the handle; the segment stays.  NULL is accepted. */
KITH_API void kith_segment_close(kith_segment *segment);

/* Its bytes; may be old when read, if others resize it. */
KITH_API kith_err kith_segment_size(kith_segment *segment, uint64_t *size_out);

/*
 * Gives the memory, writable, pinned against unlinking and resizing until the view is released, at
 * an address that is a multiple of 64.  In a space opened read-only it is a copy.
 *
 * On success the caller owns *view_out and gives it to kith_view_release().
 *
 * KITH_EFULL  this process has as many views open on the arena as it may (104)
 */
KITH_API kith_err kith_segment_view(kith_segment *segment, kith_view **view_out);

/*
 * Makes the segment `size` bytes long, at least 1; bytes that come to it are zero.  Where the
 * memory behind it has room it stays where it is, and views of it stay views of the segment; else
 * its bytes are copied to another place, and views keep the old one, which is the segment's no
 * longer.  So resize while nobody writes, and take new views after it.
 *
 * KITH_EINVAL   a size of 0
 * KITH_ETOOBIG  the space's limit is smaller
 * KITH_ENOMEM   the arena, or the machine, has no room for it; nothing changed
 */
KITH_API kith_err kith_segment_resize(kith_segment *segment, uint64_t size);

/*
 * Destroys the segment for everybody; the handle is still to be closed.  Views of it go on, and its
 * memory is given back with the last of them.
 *
 * KITH_EGONE  it was destroyed already, even if its name is that of another now
 */
KITH_API kith_err kith_segment_unlink(kith_segment *segment);

KITH_C_END
#endif /* KITH_SEGMENT_H */
