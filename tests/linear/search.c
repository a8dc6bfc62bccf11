/*
 * search.c - the search of Wing and Gong, with the memory of Lowe.
 *
 * At each step one of the operations that were called before any that is left had returned is tried
 * next; when none fits, the last choice is taken back.  A set of operations done, with the state
 * that they led to, that was met before led nowhere, and is not looked into again.
 */
#include "search.h"

#include <stdlib.h>
#include <string.h>

struct met {
    uint64_t done;
    struct state state;
    struct met *next;
};

#define BUCKETS 4096

struct search {
    const struct model *model;
    const struct operation *operations;
    size_t count;
    uint64_t all; /* those that returned: all of them must be done */
    struct met *met[BUCKETS];
};

static bool
same_state(const struct state *a, const struct state *b)
{
    return a->n == b->n && a->there == b->there && a->count == b->count &&
           memcmp(a->items, b->items, a->count) == 0;
}

/* True the first time. */
static bool
remember(struct search *s, uint64_t done, const struct state *state)
{
    uint64_t hash = done * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)state->n;
    struct met **bucket = &s->met[(hash ^ hash >> 32 ^ state->count) % BUCKETS], *fresh;

    for (const struct met *m = *bucket; m != NULL; m = m->next)
        if (m->done == done && same_state(&m->state, state))
            return false;
    fresh = malloc(sizeof(*fresh));
    if (fresh == NULL)
        abort();
    *fresh = (struct met){ done, *state, *bucket };
    *bucket = fresh;
    return true;
}

static bool
try_next(struct search *s, uint64_t done, const struct state *state)
{
    uint64_t first_return = UINT64_MAX;

    if ((done & s->all) == s->all)
        return true;
    if (!remember(s, done, state))
        return false;
    for (size_t i = 0; i < s->count; i++)
        if ((done >> i & 1) == 0 && s->operations[i].ret != 0 &&
            s->operations[i].ret < first_return)
            first_return = s->operations[i].ret;
    for (size_t i = 0; i < s->count; i++) {
        struct state after = *state;

        if ((done >> i & 1) == 0 && s->operations[i].call < first_return &&
            s->model->apply(&after, &s->operations[i]) &&
            try_next(s, done | UINT64_C(1) << i, &after))
            return true;
    }
    return false;
}

bool
linear(const struct model *model, const struct operation *operations, size_t count)
{
    struct search *s = calloc(1, sizeof(*s));
    bool found;

    if (s == NULL || count > HISTORY_MAX)
        abort();
    s->model = model;
    s->operations = operations;
    s->count = count;
    for (size_t i = 0; i < count; i++)
        s->all |= (uint64_t)(operations[i].ret != 0) << i;
    found = try_next(s, 0, &model->start);
    for (size_t b = 0; b < BUCKETS; b++)
        while (s->met[b] != NULL) {
            struct met *next = s->met[b]->next;

            free(s->met[b]);
            s->met[b] = next;
        }
    free(s);
    return found;
}
