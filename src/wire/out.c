/*
 * out.c - bytes on their way out.
 */
#include "out.h"

#include "base/alloc.h"
#include "base/error.h"

#include <string.h>

void
kith__out_free(struct kith__out *out)
{
    kith__free(out->data);
    kith__free(out->pieces);
    *out = (struct kith__out){ .size_max = out->size_max };
}

static bool
no_memory(struct kith__out *out)
{
    out->err = kith__fail(KITH_ENOMEM, "This process has no memory left to write a message.");
    return false;
}

/* Counts `size` bytes more, if that many may be. */
static bool
count_in(struct kith__out *out, size_t size)
{
    size_t size_max = out->size_max == 0 ? SIZE_MAX / 4 : out->size_max;

    if (out->err < 0)
        return false;
    if (size > size_max - out->total) {
        out->err =
            kith__fail(KITH_ETOOBIG,
                       "A message would have more than the %zu bytes that are allowed.", size_max);
        return false;
    }
    out->total += size;
    return true;
}

void
kith__out_put(struct kith__out *out, const void *data, size_t size)
{
    if (size == 0 || !count_in(out, size))
        return;
    if (size > out->room - out->size) {
        size_t room = out->room * 2 > out->size + size ? out->room * 2 : out->size + size;
        uint8_t *grown = kith__realloc(out->data, room < 256 ? 256 : room);

        if (grown == NULL) {
            (void)no_memory(out);
            return;
        }
        out->data = grown;
        out->room = room < 256 ? 256 : room;
    }
    memcpy(out->data + out->size, data, size);
    out->size += size;
}

void
kith__out_borrow(struct kith__out *out, const void *data, size_t size)
{
    if (size < KITH__OUT_BORROW_MIN) {
        kith__out_put(out, data, size);
        return;
    }
    if (!count_in(out, size))
        return;
    if (out->piece_count == out->piece_room) {
        size_t room = out->piece_room == 0 ? 4 : out->piece_room * 2;
        struct kith__out_piece *grown = kith__realloc(out->pieces, room * sizeof(*grown));

        if (grown == NULL) {
            (void)no_memory(out);
            return;
        }
        out->pieces = grown;
        out->piece_room = room;
    }
    out->pieces[out->piece_count++] = (struct kith__out_piece){ out->size, data, size };
}

/* Adds a run from which `*skip` bytes are to be left out first. */
static size_t
add(struct iovec *iovec, size_t used, size_t count, size_t *skip, const void *data, size_t size)
{
    size_t left_out = *skip < size ? *skip : size;

    *skip -= left_out;
    if (size == left_out || used == count)
        return used;
    iovec[used].iov_base = (void *)((uintptr_t)data + left_out);
    iovec[used].iov_len = size - left_out;
    return used + 1;
}

size_t
kith__out_iovec(const struct kith__out *out, size_t from, struct iovec *iovec_out, size_t count)
{
    size_t used = 0, at = 0;

    for (size_t i = 0; i < out->piece_count; i++) {
        const struct kith__out_piece *piece = &out->pieces[i];

        used = add(iovec_out, used, count, &from, out->data + at, piece->at - at);
        used = add(iovec_out, used, count, &from, piece->data, piece->size);
        at = piece->at;
    }
    return out->size == at ? used
                           : add(iovec_out, used, count, &from, out->data + at, out->size - at);
}

void
kith__out_copy(const struct kith__out *out, void *to)
{
    uint8_t *end = to;
    size_t at = 0;

    for (size_t i = 0; i < out->piece_count; i++) {
        const struct kith__out_piece *piece = &out->pieces[i];

        if (piece->at > at)
            memcpy(end, out->data + at, piece->at - at);
        end += piece->at - at;
        memcpy(end, piece->data, piece->size);
        end += piece->size;
        at = piece->at;
    }
    if (out->size > at)
        memcpy(end, out->data + at, out->size - at);
}
