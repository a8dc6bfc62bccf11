/*
 * pickle_plain.c - calls in pickles that are only another way to write plain data.
 *
 *     set([…]) frozenset([…])            below protocol 4, which has no opcode for them
 *     _codecs.encode("…", "latin1")      bytes, below protocol 3
 *     bytes()                            empty ones, there
 *     bytearray(b"…")                    below protocol 5
 *     bytearray("…", "latin-1")          below protocol 3
 *     list([…]) tuple([…])               views of dicts in multiprocessing's own pickles
 *
 *     copyreg._reconstructor(C, list, […])     an object of a subclass of list or dict, below
 *                                              protocol 2; it becomes an empty one, to which the
 *                                              items are added, as later protocols have it
 *
 *     partial(C.__new__, C, …, k=…)()          an object made with keywords, below protocol 4
 *
 * The result is a copy, as that of the call would be: what is appended to the argument afterwards
 * does not appear in it.
 */
#include "pickle_plain.h"

#include "pickle_text.h"

#include <string.h>

static const struct {
    const char *name;
    enum kith__node_kind kind;
} types[] = { { "set", KITH__NODE_SET },     { "frozenset", KITH__NODE_FROZENSET },
              { "list", KITH__NODE_LIST },   { "tuple", KITH__NODE_TUPLE },
              { "bytes", KITH__NODE_BYTES }, { "bytearray", KITH__NODE_BYTEARRAY } };

static struct kith__node *
writable(const struct kith__node *node)
{
    /* The graph is still being made, and this is its maker. */
    return (struct kith__node *)(uintptr_t)node;
}

static struct kith__node *
bytes_of(struct kith__graph *graph, enum kith__node_kind kind, struct kith__span span)
{
    return writable(kind == KITH__NODE_BYTES ? kith__node_bytes(graph, span.data, span.size)
                                             : kith__node_bytearray(graph, span.data, span.size));
}

static struct kith__node *
encoded(struct kith__graph *graph, enum kith__node_kind kind, const struct kith__node *text,
        bool *call_out)
{
    uint8_t *bytes = kith__graph_alloc(graph, text->bytes.size + 1);
    size_t size;

    *call_out = false;
    if (bytes == NULL)
        return NULL;
    *call_out = !kith__pickle_latin1(text, bytes, &size);
    return *call_out ? NULL : bytes_of(graph, kind, (struct kith__span){ bytes, size });
}

static bool
is_latin1(const struct kith__node *node)
{
    return kith__node_says(node, "latin1") || kith__node_says(node, "latin-1");
}

static struct kith__node *
run_of(struct kith__graph *graph, enum kith__node_kind kind, const struct kith__node *arguments,
       bool *call_out)
{
    const struct kith__node *items = arguments->run.count == 1 ? arguments->run.items[0] : NULL;

    *call_out = arguments->run.count > 1 || (items != NULL && items->kind != KITH__NODE_LIST &&
                                             items->kind != KITH__NODE_TUPLE);
    if (*call_out)
        return NULL;
    return kith__node_run(graph, kind, items == NULL ? NULL : items->run.items,
                          items == NULL ? 0 : items->run.count);
}

static struct kith__node *
octets(struct kith__graph *graph, enum kith__node_kind kind, const struct kith__node *arguments,
       bool *call_out)
{
    const struct kith__node *const *items = arguments->run.items;
    uint32_t count = arguments->run.count;

    *call_out = false;
    if (count == 0)
        return bytes_of(graph, kind, (struct kith__span){ (const uint8_t *)"", 0 });
    if (count == 1 && items[0]->kind == KITH__NODE_BYTES)
        return bytes_of(graph, kind, items[0]->bytes);
    if (count == 2 && items[0]->kind == KITH__NODE_STR && is_latin1(items[1]))
        return encoded(graph, kind, items[0], call_out);
    *call_out = true;
    return NULL;
}

static struct kith__node *
rebuilt(struct kith__graph *graph, const struct kith__node *callable,
        const struct kith__node *arguments)
{
    const struct kith__node *items = arguments->run.items[2];
    const struct kith__node *empty = kith__node_run(graph, items->kind, NULL, 0);
    struct kith__node *object = kith__node_object(
        graph, KITH__NODE_REDUCE, callable,
        kith__node_tuple(graph, 3, arguments->run.items[0], arguments->run.items[1], empty), NULL);
    bool dict = items->kind == KITH__NODE_DICT;

    for (uint32_t i = 0; object != NULL && i < items->run.count; i += dict ? 2 : 1)
        if (!kith__node_act(graph, object, dict ? KITH__ACT_SETITEM : KITH__ACT_APPEND,
                            items->run.items[i], dict ? items->run.items[i + 1] : NULL))
            return NULL;
    return object;
}

static bool
is_container(const struct kith__node *base, const struct kith__node *items)
{
    return (items->kind == KITH__NODE_LIST && kith__node_is_global(base, "builtins", "list")) ||
           (items->kind == KITH__NODE_DICT && kith__node_is_global(base, "builtins", "dict"));
}

/* The class whose __new__ that is, or NULL. */
static const struct kith__node *
class_of_new(const struct kith__node *function)
{
    if (!kith__node_is_call(function, "builtins", "getattr", 2) ||
        !kith__node_says(function->made.arguments->run.items[1], "__new__"))
        return NULL;
    return function->made.arguments->run.items[0];
}

static bool
same_global(const struct kith__node *a, const struct kith__node *b)
{
    return a == b ||
           (a->kind == KITH__NODE_GLOBAL && b->kind == KITH__NODE_GLOBAL &&
            a->global.module.size == b->global.module.size &&
            a->global.name.size == b->global.name.size &&
            memcmp(a->global.module.data, b->global.module.data, a->global.module.size) == 0 &&
            memcmp(a->global.name.data, b->global.name.data, a->global.name.size) == 0);
}

/* What functools.partial is pickled with: its function, arguments, keywords, and a dict or None. */
static const struct kith__node *
partial_state(const struct kith__node *callable)
{
    const struct kith__acts *acts = callable->made.acts;
    const struct kith__node *state;

    if (!kith__node_is_call(callable, "functools", "partial", 1) || acts == NULL ||
        acts->count != 1 || acts->list[0].kind != KITH__ACT_BUILD)
        return NULL;
    state = acts->list[0].first;
    return state->kind == KITH__NODE_TUPLE && state->run.count == 4 &&
                   state->run.items[1]->kind == KITH__NODE_TUPLE &&
                   state->run.items[2]->kind == KITH__NODE_DICT
               ? state
               : NULL;
}

static struct kith__node *
keyworded(struct kith__graph *graph, const struct kith__node *state, bool *call_out)
{
    const struct kith__node *type = class_of_new(state->run.items[0]);
    const struct kith__node *given = state->run.items[1];

    *call_out = type == NULL || given->run.count == 0 || !same_global(type, given->run.items[0]);
    if (*call_out)
        return NULL;
    return kith__node_object(
        graph, KITH__NODE_NEWOBJ_EX, type,
        kith__node_run(graph, KITH__NODE_TUPLE, given->run.items + 1, given->run.count - 1),
        state->run.items[2]);
}

struct kith__node *
kith__pickle_plain(struct kith__graph *graph, const struct kith__node *callable,
                   const struct kith__node *arguments, bool *call_out)
{
    const struct kith__node *state =
        callable->kind == KITH__NODE_REDUCE ? partial_state(callable) : NULL;

    *call_out = true;
    if (state != NULL && arguments->run.count == 0)
        return keyworded(graph, state, call_out);
    if (callable->kind != KITH__NODE_GLOBAL || arguments->kind != KITH__NODE_TUPLE)
        return NULL;
    if (arguments->run.count == 2 && kith__node_is_global(callable, "_codecs", "encode") &&
        arguments->run.items[0]->kind == KITH__NODE_STR && is_latin1(arguments->run.items[1]))
        return encoded(graph, KITH__NODE_BYTES, arguments->run.items[0], call_out);
    if (arguments->run.count == 3 && kith__node_is_global(callable, "copyreg", "_reconstructor") &&
        is_container(arguments->run.items[1], arguments->run.items[2])) {
        *call_out = false;
        return rebuilt(graph, callable, arguments);
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!kith__node_is_global(callable, "builtins", types[i].name))
            continue;
        return types[i].kind == KITH__NODE_BYTES || types[i].kind == KITH__NODE_BYTEARRAY
                   ? octets(graph, types[i].kind, arguments, call_out)
                   : run_of(graph, types[i].kind, arguments, call_out);
    }
    return NULL;
}
