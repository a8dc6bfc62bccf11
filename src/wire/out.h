/*
 * out.h - bytes on their way out: made here, and large ones that stand elsewhere borrowed.
 */
#ifndef KITH__OUT_H
#define KITH__OUT_H

#include <kith/base.h>
#include <sys/uio.h>

/* Bytes from which on they are not copied. */
#define KITH__OUT_BORROW_MIN 16384

/* `data` that stands elsewhere, before the byte `at` of those that were made. */
struct kith__out_piece {
    size_t at;
    const void *data;
    size_t size;
};

/* Zeroed but for size_max it is empty and good; kith__out_free() makes it so again. */
struct kith__out {
    size_t size_max; /* bytes at most, the borrowed ones too; 0: as many as there is memory for */
    size_t total;    /* bytes so far, the borrowed ones too */
    uint8_t *data;   /* those that were made */
    size_t size, room;
    struct kith__out_piece *pieces;
    size_t piece_count, piece_room;
    kith_err err; /* the first failure; all that is put afterwards is lost, too */
};

void kith__out_free(struct kith__out *out);

/*
 * Puts a copy at the end.  A failure is kept in `err`, with its sentence, so that a run of calls
 * needs one look.
 *
 * KITH_ETOOBIG  that would be more than size_max
 * KITH_ENOMEM   this process has no memory for it
 */
void kith__out_put(struct kith__out *out, const void *data, size_t size);
/* The same; what is large is not copied, and has to live until it was sent. */
void kith__out_borrow(struct kith__out *out, const void *data, size_t size);

/* How many pieces there are for writev(), and they, from the byte `from` on: `count` at most. */
size_t kith__out_iovec(const struct kith__out *out, size_t from, struct iovec *iovec_out,
                       size_t count);

/* Copies everything to `to`, which has room for `total` bytes. */
void kith__out_copy(const struct kith__out *out, void *to);

#endif /* KITH__OUT_H */
