/*
 * shm_view.h - items of an arena, held readable.
 */
#ifndef KITH__SHM_VIEW_H
#define KITH__SHM_VIEW_H

#include "engine/shm/shm_engine.h"

/* The pin, taken by the core, and the `size` bytes at `bytes` that it holds: a tag, then data. */
kith_err kith__shm_view_pinned(struct kith__arena *arena, kith__word *pin, uint64_t meta,
                               uint64_t bytes_off, struct kith__view *view_out);

/* The memory of an array or a segment: `size` bytes of the extent at `off`, by our pin. */
void kith__shm_view_writable(struct kith__arena *arena, uint64_t off, uint64_t pin, size_t size,
                             struct kith__view *view_out);

#endif /* KITH__SHM_VIEW_H */
