/*
 * pickle_driver.c - reads pickles and writes them anew, for pickles.py.
 *
 * Each order is a letter, a length of 4 bytes, little-endian, and so many bytes; each answer is '+'
 * or '-', a length, and bytes: what came of it, or the sentence of the failure.
 *
 *     p   the pickle, read and written
 *     v   the same, and in between an item
 *     t   the type of that item, as a number
 */
#include <kith.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/item_node.h"
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

/* Of what is a pickle only since now, a graph of its own. */
static kith_err
through_item(struct kith__graph **graph, const struct kith__node **root,
             const struct kith__pickle_limits *limits, struct kith__made_item *made)
{
    kith_err err = kith__item_from_node(*graph, *root, (size_t)1 << 30, NULL, made);
    struct kith__graph *fresh = kith__graph_new();

    if (err == KITH_OK)
        err = fresh == NULL ? KITH_ENOMEM
                            : kith__node_from_item(fresh, &made->item, limits, NULL, root);
    /* A plain item points into the old graph. */
    if (fresh != NULL && kith__graph_adopt(fresh, made->memory))
        made->memory = NULL;
    if (err == KITH_OK && made->item.type != KITH_TYPE_FOREIGN &&
        made->item.type != KITH_TYPE_PACKED) {
        kith__graph_release(fresh);
        err = kith__node_from_item(*graph, &made->item, limits, NULL, root);
    } else {
        kith__graph_release(*graph);
        *graph = fresh;
    }
    return err;
}

static kith_err
rewrite(const uint8_t *data, size_t size, char letter, struct kith__out *out)
{
    struct kith__made_item made = { .memory = NULL };
    struct kith__graph *graph = kith__graph_new();
    const struct kith__node *root;
    struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    kith_err err =
        graph == NULL ? KITH_ENOMEM : kith__pickle_read(graph, data, size, &limits, NULL, 0, &root);

    if (err == KITH_OK && letter != 'p')
        err = through_item(&graph, &root, &limits, &made);
    if (err == KITH_OK && letter == 't') {
        uint8_t type = (uint8_t)made.item.type;

        answer('+', &type, 1);
        kith__graph_release(graph);
        return KITH_OK;
    }
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
        case 'v':
        case 't':
            (void)rewrite(data, size, (char)head[0], &out);
            break;
        default:
            return 1;
        }
        kith__out_free(&out);
        free(data);
    }
    return 0;
}
