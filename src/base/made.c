/*
 * made.c - made names, and references by any name.
 */
#include "base/made.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"

static bool
read_half(const uint8_t *digits, uint64_t *half_out)
{
    uint64_t half = 0;

    for (unsigned i = 0; i < 16; i++) {
        uint8_t c = digits[i];

        if (c >= '0' && c <= '9')
            half = half << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            half = half << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *half_out = half;
    return true;
}

bool
kith__made_read(const void *name, size_t size, struct kith__made *made_out)
{
    const uint8_t *bytes = name;

    return size == KITH_MADE_NAME_SIZE - 1 && bytes[0] == '#' &&
           read_half(bytes + 1, &made_out->high) && read_half(bytes + 17, &made_out->low);
}

void
kith__made_write(struct kith__made made, char name[KITH_MADE_NAME_SIZE])
{
    snprintf(name, KITH_MADE_NAME_SIZE, "#%016llx%016llx", (unsigned long long)made.high,
             (unsigned long long)made.low);
}

kith_err
kith_name_make(char name_out[KITH_MADE_NAME_SIZE])
{
    struct kith__made made;

    if (name_out == NULL)
        return kith__fail(KITH_EINVAL,
                          "kith_name_make() was given NULL for something that it needs.");
    if (getrandom(&made, sizeof made, 0) != (ssize_t)sizeof made)
        return kith__fail(KITH_ESYSTEM, "The system has no randomness for a name: %s.",
                          strerror(errno));
    kith__made_write(made, name_out);
    return KITH_OK;
}

struct kith_item
kith_reference(const char *name)
{
    struct kith_item item = { .type = KITH_TYPE_REFERENCE };

    item.data = name;
    item.size = name != NULL ? strlen(name) : 0;
    return item;
}
