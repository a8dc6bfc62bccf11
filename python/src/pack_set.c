/*
 * pack_set.c - the order in which the members of a set are packed.
 *
 * In which order Python goes through a set depends on the process, and on how the set came about.
 * Were it packed so, who reads a set and stores it again would not store the same bytes, and what
 * compares bytes, as Dict.cas() does, would find that it is another.
 */
#include "module.h"

struct packed {
    const uint8_t *at;
    size_t size;
};

static int
compare(const void *left, const void *right)
{
    const struct packed *a = left, *b = right;
    int order = memcmp(a->at, b->at, a->size < b->size ? a->size : b->size);

    return order != 0 ? order : (a->size > b->size) - (a->size < b->size);
}

bool
members_sort(const struct member *members, Py_ssize_t count, uint8_t *data)
{
    size_t size = count == 0 ? 0 : members[count - 1].at + members[count - 1].size;
    struct packed *sorted = PyMem_New(struct packed, (size_t)count + 1);
    uint8_t *copy = PyMem_Malloc(size + 1);
    bool had = sorted != NULL && copy != NULL;

    if (had) {
        memcpy(copy, data, size);
        for (Py_ssize_t i = 0; i < count; i++)
            sorted[i] = (struct packed){ copy + members[i].at, members[i].size };
        qsort(sorted, (size_t)count, sizeof(*sorted), compare);
        for (Py_ssize_t i = 0; i < count; i++) {
            memcpy(data, sorted[i].at, sorted[i].size);
            data += sorted[i].size;
        }
    }
    PyMem_Free(sorted);
    PyMem_Free(copy);
    return had;
}
