/*
 * pickle_driver.c - reads pickles and writes them anew, for pickles.py.
 *
 * Each order is a letter, a length of 4 bytes, little-endian, and so many bytes; each answer is '+'
 * or '-', a length, and bytes: what came of it, or the sentence of the failure.
 *
 *     p   the pickle, read and written
 */
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/pickle_read.h"
#include "wire/pickle_write.h"

static void
answer(char sign, const void *data, size_t size)
{
    uint8_t head[5] = { (uint8_t)sign, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16),
                        (uint8_t)(size >> 24) };

    if (fwrite(head, 1, sizeof(head), stdout) != sizeof(head) ||
        fwrite(data, 1, size, stdout) != size || fflush(stdout) != 0)
        exit(1);
}

static kith_err
rewrite(const uint8_t *data, size_t size, struct kith__out *out)
{
    struct kith__graph *graph = kith__graph_new();
    const struct kith__node *root;
    struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    kith_err err =
        graph == NULL ? KITH_ENOMEM : kith__pickle_read(graph, data, size, &limits, NULL, 0, &root);

    if (err == KITH_OK)
        err = kith__pickle_write(graph, root, out);
    /* What is borrowed stands in the order's own bytes, or in the graph. */
    if (err == KITH_OK) {
        uint8_t *copy = malloc(out->total);

        if (copy == NULL)
            exit(1);
        kith__out_copy(out, copy);
        answer('+', copy, out->total);
        free(copy);
    } else {
        answer('-', kith_last_error(), strlen(kith_last_error()));
    }
    kith__graph_release(graph);
    return err;
}

int
main(void)
{
    uint8_t head[5];

    while (fread(head, 1, sizeof(head), stdin) == sizeof(head)) {
        size_t size =
            head[1] | (size_t)head[2] << 8 | (size_t)head[3] << 16 | (size_t)head[4] << 24;
        uint8_t *data = malloc(size);
        struct kith__out out = { .size_max = (size_t)1 << 30 };

        if ((data == NULL && size > 0) || fread(data, 1, size, stdin) != size)
            return 1;
        switch (head[0]) {
        case 'p':
            (void)rewrite(data, size, &out);
            break;
        default:
            return 1;
        }
        kith__out_free(&out);
        free(data);
    }
    return 0;
}
