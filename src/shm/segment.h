/*
 * segment.h - a piece of raw memory in an arena.  KITH_EGONE comes without a sentence.
 */
#ifndef KITH__SHM_SEGMENT_H
#define KITH__SHM_SEGMENT_H

#include "shm/alloc.h"

struct kith__segment {
    struct kith__arena *arena;
    uint64_t off;
    uint64_t id;
};

struct kith__segment_making {
    uint64_t size;
    uint64_t data; /* a staged extent: kith__extent_stage() */
};

static inline struct kith__segment_root *
kith__segment_root(const struct kith__segment *segment)
{
    return (struct kith__segment_root *)kith__ptr(segment->arena, segment->off);
}

/* Fills in a root; `arg` is a struct kith__segment_making, whose extent becomes the segment's. */
kith_err kith__segment_init(struct kith__op *op, uint64_t off, uint64_t id, void *arg);

kith_err kith__segment_size(const struct kith__segment *segment, uint64_t *size_out);
/* Pins its memory: where it is, how much, and by which pin. */
kith_err kith__segment_pin(struct kith__self *self, const struct kith__segment *segment,
                           uint64_t *off_out, uint64_t *size_out, uint64_t *pin_out);
kith_err kith__segment_resize(struct kith__self *self, const struct kith__segment *segment,
                              uint64_t size);
/* Without a slot: copies up to `room` bytes out; *size_out is how many there are. */
kith_err kith__segment_copy(const struct kith__segment *segment, void *data, uint64_t room,
                            uint64_t *size_out);

#endif /* KITH__SHM_SEGMENT_H */
