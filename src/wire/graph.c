/*
 * graph.c - nodes in memory that is given back all at once.
 *
 * Memory is taken in chunks and handed out from their ends.  What is larger than a quarter of a
 * chunk has one of its own.  None, True, False and () stand in the graph itself: they are half of
 * what small messages have.
 */
#include "graph.h"

#include "base/alloc.h"
#include "base/assert.h"
#include "base/error.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#define CHUNK_SIZE 8192u
#define FIRST_SIZE 2048u
#define ALIGNMENT 8u

enum { NONE, FALSE, TRUE, NOTHING, OWN_NODES };

struct chunk {
    struct chunk *next;
    uint8_t data[];
};

/* Memory that the caller gave. */
struct adopted {
    struct adopted *next;
    void *memory;
};

struct kith__graph {
    atomic_uint holders;
    uint32_t count;
    struct chunk *chunks;
    struct adopted *adopted;
    uint8_t *at; /* what is left of the newest chunk */
    size_t left;
    size_t memory;
    struct kith__node own[OWN_NODES];
    _Alignas(ALIGNMENT) uint8_t first[FIRST_SIZE];
};

struct kith__graph *
kith__graph_new(void)
{
    struct kith__graph *graph = kith__malloc(sizeof(*graph));

    if (graph == NULL) {
        (void)kith__fail(KITH_ENOMEM, "This process has no memory left to take a message apart.");
        return NULL;
    }
    atomic_init(&graph->holders, 1);
    graph->count = OWN_NODES;
    graph->chunks = NULL;
    graph->adopted = NULL;
    graph->at = graph->first;
    graph->left = sizeof(graph->first);
    graph->memory = sizeof(*graph);
    memset(graph->own, 0, sizeof(graph->own));
    for (uint32_t i = 0; i < OWN_NODES; i++)
        graph->own[i].number = i;
    graph->own[FALSE].kind = graph->own[TRUE].kind = KITH__NODE_BOOL;
    graph->own[TRUE].boolean = true;
    graph->own[NOTHING].kind = KITH__NODE_TUPLE;
    return graph;
}

void
kith__graph_hold(struct kith__graph *graph)
{
    atomic_fetch_add_explicit(&graph->holders, 1, memory_order_relaxed);
}

void
kith__graph_release(struct kith__graph *graph)
{
    struct chunk *chunk;

    /* The last one has to see what the others read as read. */
    if (graph == NULL || atomic_fetch_sub_explicit(&graph->holders, 1, memory_order_acq_rel) > 1)
        return;
    for (struct adopted *one = graph->adopted; one != NULL; one = one->next)
        kith__free(one->memory);
    while ((chunk = graph->chunks) != NULL) {
        graph->chunks = chunk->next;
        kith__free(chunk);
    }
    kith__free(graph);
}

uint32_t
kith__graph_count(const struct kith__graph *graph)
{
    return graph->count;
}

size_t
kith__graph_memory(const struct kith__graph *graph)
{
    return graph->memory;
}

static uint8_t *
add_chunk(struct kith__graph *graph, size_t size)
{
    struct chunk *chunk =
        size > SIZE_MAX - sizeof(*chunk) ? NULL : kith__malloc(sizeof(*chunk) + size);

    if (chunk == NULL) {
        (void)kith__fail(KITH_ENOMEM, "This process has no memory left to take a message apart.");
        return NULL;
    }
    chunk->next = graph->chunks;
    graph->chunks = chunk;
    graph->memory += sizeof(*chunk) + size;
    return chunk->data;
}

void *
kith__graph_alloc(struct kith__graph *graph, size_t size)
{
    void *memory;

    if (size > CHUNK_SIZE / 4)
        return add_chunk(graph, size);
    size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
    if (size > graph->left) {
        graph->at = add_chunk(graph, CHUNK_SIZE);
        graph->left = graph->at == NULL ? 0 : CHUNK_SIZE;
        if (graph->at == NULL)
            return NULL;
    }
    memory = graph->at;
    graph->at += size;
    graph->left -= size;
    return memory;
}

bool
kith__graph_adopt(struct kith__graph *graph, void *memory)
{
    struct adopted *one = kith__graph_alloc(graph, sizeof(*one));

    if (one == NULL) {
        kith__free(memory);
        return false;
    }
    one->memory = memory;
    one->next = graph->adopted;
    graph->adopted = one;
    return true;
}

/* ---- making nodes ---- */

static struct kith__node *
add_node(struct kith__graph *graph, enum kith__node_kind kind)
{
    struct kith__node *node;

    if (graph->count == UINT32_MAX) {
        (void)kith__fail(KITH_ETOOBIG, "A message has more values than can be counted.");
        return NULL;
    }
    node = kith__graph_alloc(graph, sizeof(*node));
    if (node == NULL)
        return NULL;
    memset(node, 0, sizeof(*node));
    node->kind = (uint8_t)kind;
    node->number = graph->count++;
    return node;
}

const struct kith__node *
kith__node_none(struct kith__graph *graph)
{
    return &graph->own[NONE];
}

const struct kith__node *
kith__node_bool(struct kith__graph *graph, bool boolean)
{
    return &graph->own[boolean ? TRUE : FALSE];
}

const struct kith__node *
kith__node_int(struct kith__graph *graph, int64_t integer)
{
    struct kith__node *node = add_node(graph, KITH__NODE_INT);

    if (node != NULL)
        node->integer = integer;
    return node;
}

const struct kith__node *
kith__node_float(struct kith__graph *graph, double real)
{
    struct kith__node *node = add_node(graph, KITH__NODE_FLOAT);

    if (node != NULL)
        node->real = real;
    return node;
}

const struct kith__node *
kith__node_bigint(struct kith__graph *graph, const uint8_t *data, size_t size)
{
    uint8_t sign = size > 0 && data[size - 1] & 0x80 ? 0xff : 0x00;
    uint64_t word = sign != 0 ? UINT64_MAX : 0;
    struct kith__node *node;
    uint8_t *copy;

    while (size > 1 && data[size - 1] == sign && (data[size - 2] & 0x80) == (sign & 0x80))
        size--;
    if (size <= sizeof(word)) {
        for (size_t i = size; i-- > 0;)
            word = word << 8 | data[i];
        return kith__node_int(graph, (int64_t)word);
    }
    node = add_node(graph, KITH__NODE_BIGINT);
    copy = node == NULL ? NULL : kith__graph_alloc(graph, size);
    if (copy == NULL)
        return NULL;
    memcpy(copy, data, size);
    node->bytes = (struct kith__span){ copy, size };
    return node;
}

static struct kith__node *
add_bytes(struct kith__graph *graph, enum kith__node_kind kind, const void *data, size_t size)
{
    struct kith__node *node = add_node(graph, kind);

    if (node != NULL)
        node->bytes = (struct kith__span){ data, size };
    return node;
}

/* Whether the bytes are UTF-8 in which surrogates stand as if they were characters. */
static bool
is_loose_text(const uint8_t *data, size_t size)
{
    size_t begin = 0;

    for (size_t at = 0; at + 3 <= size; at++) {
        if (data[at] != 0xed || data[at + 1] < 0xa0 || data[at + 1] > 0xbf ||
            (data[at + 2] & 0xc0) != 0x80)
            continue;
        /* What stands before it has to be text by itself, so this began no character's middle. */
        if (!kith__utf8_ok(data + begin, at - begin))
            return false;
        begin = at + 3;
        at += 2;
    }
    return kith__utf8_ok(data + begin, size - begin);
}

const struct kith__node *
kith__node_str(struct kith__graph *graph, const void *data, size_t size)
{
    bool strict = kith__utf8_ok(data, size);
    struct kith__node *node;

    if (!strict && !is_loose_text(data, size)) {
        (void)kith__fail(KITH_EINVAL, "A str of %zu bytes is not UTF-8.", size);
        return NULL;
    }
    node = add_bytes(graph, KITH__NODE_STR, data, size);
    if (node != NULL)
        node->strict = strict;
    return node;
}

const struct kith__node *
kith__node_text(struct kith__graph *graph, const char *text)
{
    return kith__node_str(graph, text, strlen(text));
}

const struct kith__node *
kith__node_text_copy(struct kith__graph *graph, const void *data, size_t size)
{
    char *copy = kith__graph_alloc(graph, size + 1);

    if (copy == NULL)
        return NULL;
    if (size > 0)
        memcpy(copy, data, size);
    return kith__node_str(graph, copy, size);
}

const struct kith__node *
kith__node_bytes(struct kith__graph *graph, const void *data, size_t size)
{
    return add_bytes(graph, KITH__NODE_BYTES, data, size);
}

const struct kith__node *
kith__node_bytearray(struct kith__graph *graph, const void *data, size_t size)
{
    return add_bytes(graph, KITH__NODE_BYTEARRAY, data, size);
}

bool
kith__node_extend(struct kith__graph *graph, struct kith__node *run,
                  const struct kith__node *const *items, size_t count)
{
    size_t wanted = run->run.count + count;
    size_t room = (size_t)run->run.room * 2;
    const struct kith__node **grown;

    for (size_t i = 0; i < count; i++)
        if (items[i] == NULL)
            return false;
    if (count == 0)
        return true;
    if (wanted > UINT32_MAX / 2) {
        (void)kith__fail(KITH_ETOOBIG, "A container of %zu items is too large.", wanted);
        return false;
    }
    if (wanted > run->run.room) {
        room = room > wanted ? room : wanted;
        grown = kith__graph_alloc(graph, room * sizeof(*grown));
        if (grown == NULL)
            return false;
        if (run->run.count > 0)
            memcpy(grown, run->run.items, run->run.count * sizeof(*grown));
        run->run.items = grown;
        run->run.room = (uint32_t)room;
    }
    memcpy(run->run.items + run->run.count, items, count * sizeof(*items));
    run->run.count = (uint32_t)wanted;
    return true;
}

struct kith__node *
kith__node_run(struct kith__graph *graph, enum kith__node_kind kind,
               const struct kith__node *const *items, size_t count)
{
    struct kith__node *run;

    if (kind == KITH__NODE_TUPLE && count == 0)
        return &graph->own[NOTHING];
    run = add_node(graph, kind);
    if (run == NULL || !kith__node_extend(graph, run, items, count))
        return NULL;
    return run;
}

const struct kith__node *
kith__node_tuple(struct kith__graph *graph, unsigned count, ...)
{
    const struct kith__node *items[8];
    va_list arguments;

    KITH__ASSERT(count <= sizeof(items) / sizeof(items[0]));
    va_start(arguments, count);
    for (unsigned i = 0; i < count; i++)
        items[i] = va_arg(arguments, const struct kith__node *);
    va_end(arguments);
    return kith__node_run(graph, KITH__NODE_TUPLE, items, count);
}

const struct kith__node *
kith__node_global_span(struct kith__graph *graph, struct kith__span module, struct kith__span name)
{
    struct kith__node *node = add_node(graph, KITH__NODE_GLOBAL);

    if (node != NULL) {
        node->global.module = module;
        node->global.name = name;
    }
    return node;
}

const struct kith__node *
kith__node_global(struct kith__graph *graph, const char *module, const char *name)
{
    return kith__node_global_span(graph,
                                  (struct kith__span){ (const uint8_t *)module, strlen(module) },
                                  (struct kith__span){ (const uint8_t *)name, strlen(name) });
}

struct kith__node *
kith__node_object(struct kith__graph *graph, enum kith__node_kind kind,
                  const struct kith__node *callable, const struct kith__node *arguments,
                  const struct kith__node *keywords)
{
    struct kith__node *node;

    if (callable == NULL || arguments == NULL ||
        (keywords == NULL) != (kind != KITH__NODE_NEWOBJ_EX))
        return NULL;
    node = add_node(graph, kind);
    if (node != NULL) {
        node->made.callable = callable;
        node->made.arguments = arguments;
        node->made.keywords = keywords;
    }
    return node;
}

bool
kith__node_act(struct kith__graph *graph, struct kith__node *object, enum kith__act_kind kind,
               const struct kith__node *first, const struct kith__node *second)
{
    struct kith__acts *acts;

    if (object == NULL || first == NULL || (second == NULL) != (kind != KITH__ACT_SETITEM))
        return false;
    acts = object->made.acts;
    if (acts == NULL || acts->count == acts->room) {
        uint32_t count = acts == NULL ? 0 : acts->count;
        size_t room = count == 0 ? 1 : (size_t)count * 2;
        struct kith__acts *grown;

        if (room > UINT32_MAX / 4) {
            (void)kith__fail(KITH_ETOOBIG, "An object of %" PRIu32 " items is too large.", count);
            return false;
        }
        grown = kith__graph_alloc(graph, sizeof(*grown) + room * sizeof(grown->list[0]));
        if (grown == NULL)
            return false;
        if (count > 0)
            memcpy(grown->list, acts->list, count * sizeof(grown->list[0]));
        grown->count = count;
        grown->room = (uint32_t)room;
        object->made.acts = acts = grown;
    }
    acts->list[acts->count++] = (struct kith__act){ kind, first, second };
    return true;
}

/* ---- looking at nodes ---- */

static bool
span_says(struct kith__span span, const char *text)
{
    size_t size = strlen(text);

    return span.size == size && memcmp(span.data, text, size) == 0;
}

bool
kith__node_says(const struct kith__node *node, const char *text)
{
    return node->kind == KITH__NODE_STR && span_says(node->bytes, text);
}

bool
kith__node_is_global(const struct kith__node *node, const char *module, const char *name)
{
    return node->kind == KITH__NODE_GLOBAL && span_says(node->global.name, name) &&
           span_says(node->global.module, module);
}

bool
kith__node_is_call(const struct kith__node *node, const char *module, const char *name,
                   size_t arguments_min)
{
    return node->kind == KITH__NODE_REDUCE &&
           kith__node_is_global(node->made.callable, module, name) &&
           node->made.arguments->kind == KITH__NODE_TUPLE &&
           node->made.arguments->run.count >= arguments_min;
}
