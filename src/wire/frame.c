/*
 * frame.c - messages on a stream: a length, then the bytes.
 */
#include "frame.h"

#include "base/error.h"

#include <inttypes.h>

#define SHORT_SIZE 4
#define LONG_MARK UINT32_MAX

static uint64_t
big_endian(const uint8_t *data, size_t size)
{
    uint64_t number = 0;

    for (size_t i = 0; i < size; i++)
        number = number << 8 | data[i];
    return number;
}

static kith_err
wait_for(size_t needed, struct kith__frame *frame)
{
    *frame = (struct kith__frame){ .needed = needed };
    return KITH_OK;
}

kith_err
kith__frame_read(const void *data, size_t size, uint64_t payload_size_max,
                 struct kith__frame *frame_out)
{
    const uint8_t *bytes = data;
    size_t head = SHORT_SIZE;
    uint64_t length;

    if (size < head)
        return wait_for(head, frame_out);
    length = big_endian(bytes, SHORT_SIZE);
    if (length == LONG_MARK) {
        head = KITH__FRAME_HEAD_MAX;
        if (size < head)
            return wait_for(head, frame_out);
        length = big_endian(bytes + SHORT_SIZE, head - SHORT_SIZE);
    } else if (length > INT32_MAX) {
        return kith__fail(KITH_EINVAL,
                          "A message begins with the length %" PRId64 ": whoever sent it does not "
                          "speak the protocol of multiprocessing's connections.",
                          (int64_t)length - ((int64_t)1 << 32));
    }
    if (length > payload_size_max || length > SIZE_MAX - head)
        return kith__fail(KITH_ETOOBIG,
                          "A message of %" PRIu64 " bytes was announced, and %" PRIu64
                          " are allowed.",
                          length, payload_size_max);
    if (size - head < length)
        return wait_for(head + (size_t)length, frame_out);
    *frame_out = (struct kith__frame){ .whole = true,
                                       .payload = bytes + head,
                                       .size = (size_t)length,
                                       .taken = head + (size_t)length };
    return KITH_OK;
}

size_t
kith__frame_head(uint64_t size, uint8_t head_out[KITH__FRAME_HEAD_MAX])
{
    size_t head = SHORT_SIZE;

    if (size <= INT32_MAX) {
        for (size_t i = 0; i < SHORT_SIZE; i++)
            head_out[i] = (uint8_t)(size >> 8 * (SHORT_SIZE - 1 - i));
        return head;
    }
    head = KITH__FRAME_HEAD_MAX;
    for (size_t i = 0; i < SHORT_SIZE; i++)
        head_out[i] = 0xff;
    for (size_t i = SHORT_SIZE; i < head; i++)
        head_out[i] = (uint8_t)(size >> 8 * (head - 1 - i));
    return head;
}
