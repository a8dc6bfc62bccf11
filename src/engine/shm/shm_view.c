/*
 * shm_view.c - items of an arena, held readable.
 *
 * A pin is a word in the slot of this process's holder.  A forked child's holder has the same
 * words at the same places, so a view remembers the number of its pin and not its address: each
 * process then releases its own.
 */
#include "engine/shm/shm_view.h"

#include <string.h>

#include "shm/extent.h"

kith_err
kith__shm_view_pinned(struct kith__arena *arena, kith__word *pin, uint64_t meta, uint64_t bytes_off,
                      struct kith__view *view_out)
{
    struct kith__holder *holder = kith__holder_at(arena, arena->holder);
    size_t tag_size = KITH__META_TAG(meta);
    size_t size = KITH__META_SIZE(meta);
    uint64_t index = (uint64_t)(pin - holder->pin);
    const uint8_t *bytes = kith__at(arena, bytes_off, tag_size + size);

    if (bytes == NULL || tag_size > KITH_TAG_SIZE_MAX) {
        kith__unpin(arena, index, kith__load(pin));
        return kith__fail(KITH_ECORRUPT, "An item breaks an invariant; run kith check.");
    }
    view_out->item = (struct kith_item){ .type = (kith_type)KITH__META_TYPE(meta),
                                         .data = bytes + tag_size,
                                         .size = size };
    if (tag_size > 0) {
        memcpy(view_out->tag, bytes, tag_size);
        view_out->tag[tag_size] = '\0';
        view_out->item.tag = view_out->tag;
    }
    view_out->pinned = true;
    view_out->pin = index;
    view_out->at = kith__load(pin);
    return KITH_OK;
}

void
kith__shm_view_writable(struct kith__arena *arena, uint64_t off, uint64_t pin, size_t size,
                        struct kith__view *view_out)
{
    view_out->item = kith_bytes(kith__ptr(arena, off), size);
    view_out->pinned = true;
    view_out->writable = true;
    view_out->pin = pin;
    view_out->at = off;
}

static void
view_release(void *state, struct kith__view *view)
{
    struct kith__shm_space *space = state;
    struct kith__arena *arena = space->arena;
    struct kith__self *self;

    if (space->left || arena->dead || arena->holder == 0)
        return; /* leaving took the pins back */
    kith__unpin(arena, view->pin, view->at);
    if (kith__load(&KITH__HEADER(arena)->limbo) == 0)
        return;
    self = kith__shm_self(arena);
    if (self != NULL) /* else whoever next needs memory sweeps */
        kith__limbo_sweep(self);
}

const struct kith__view_ops kith__shm_view_ops = { .release = view_release };
