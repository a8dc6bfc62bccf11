/*
 * frame.h - messages on a stream, as multiprocessing.connection has them: a length, then the bytes.
 *
 *     payload                 head
 *     up to 2^31-1 bytes      4 bytes: the length, big-endian
 *     more                    ff ff ff ff, then 8 bytes: the length, big-endian
 *
 * The long form where the short one fits is read, and never written: CPython up to 3.7 does not
 * know it.
 */
#ifndef KITH__FRAME_H
#define KITH__FRAME_H

#include <kith/base.h>

/* Bytes of a payload at most before the other side has proved that it knows the key. */
#define KITH__FRAME_UNPROVEN_MAX 256

/* Bytes of a head at most. */
#define KITH__FRAME_HEAD_MAX 12

/* What stands at the beginning of the bytes that came so far. */
struct kith__frame {
    bool whole;             /* a payload is there, and may be looked at */
    const uint8_t *payload; /* in the bytes that were given */
    size_t size;            /* of the payload; of one that is not whole 0 */
    size_t taken;           /* head and payload: where the next frame begins */
    size_t needed;          /* if not whole: bytes from the beginning that are needed, at least */
};

/*
 * Looks at the `size` bytes that came and were not taken yet.  A frame that is cut anywhere is not
 * whole, and no error: come again with `needed` bytes or more.  Nothing is copied or allocated.
 *
 * KITH_EINVAL   the length is negative, and so this is no such stream
 * KITH_ETOOBIG  the payload is said to have more than `payload_size_max` bytes; told as soon as the
 *               head is there, before there is anything to make room for
 */
kith_err kith__frame_read(const void *data, size_t size, uint64_t payload_size_max,
                          struct kith__frame *frame_out);

/* Writes the head of a payload of `size` bytes; how many bytes it has. */
size_t kith__frame_head(uint64_t size, uint8_t head_out[KITH__FRAME_HEAD_MAX]);

#endif /* KITH__FRAME_H */
