/*
 * graph.h - what a pickle says, as a graph of nodes; nothing of it is ever run.
 *
 * Plain data are nodes of their own kinds.  An object of any class is what it would be made of: a
 * callable, its arguments, and what is done to it afterwards, in order.  A node may stand in
 * several places, and lists, dicts, sets and objects may contain themselves.
 *
 * All nodes of a graph live as long as it.  They are not copied when they are put elsewhere in the
 * same graph, and never refer to those of another one.  What a node of str or bytes says may stand
 * in memory of the caller's, as in the message that was read.
 *
 * A constructor gives NULL once there is no memory, or one of the nodes it is given is NULL; so a
 * whole expression of them needs one look at its result.  The sentence is then kept already.
 *
 * Threads  A graph is made by one thread.  What is made may be read by any, and held and released.
 */
#ifndef KITH__GRAPH_H
#define KITH__GRAPH_H

#include <kith/base.h>

enum kith__node_kind {
    KITH__NODE_NONE,
    KITH__NODE_BOOL,
    KITH__NODE_INT,
    KITH__NODE_BIGINT, /* bytes: little-endian two's complement, as short as can be, 9 or more */
    KITH__NODE_FLOAT,
    KITH__NODE_STR, /* bytes: UTF-8; as Python's surrogatepass has it unless `strict` */
    KITH__NODE_BYTES,
    KITH__NODE_BYTEARRAY,
    KITH__NODE_TUPLE,
    KITH__NODE_LIST,
    KITH__NODE_DICT, /* run: key, value, key, value, … */
    KITH__NODE_SET,
    KITH__NODE_FROZENSET,
    KITH__NODE_GLOBAL,   /* a class, a function, Ellipsis: whatever has a name in a module */
    KITH__NODE_REDUCE,   /* callable(*arguments) */
    KITH__NODE_NEWOBJ,   /* callable.__new__(callable, *arguments) */
    KITH__NODE_NEWOBJ_EX /* the same with **keywords */
};

struct kith__node;

/* Bytes that stand elsewhere. */
struct kith__span {
    const uint8_t *data;
    size_t size;
};

/* What is done to an object once it is made. */
enum kith__act_kind {
    KITH__ACT_APPEND,  /* .append(first) */
    KITH__ACT_SETITEM, /* [first] = second */
    KITH__ACT_ADD,     /* .add(first) */
    KITH__ACT_BUILD    /* .__setstate__(first), or the attributes of first */
};
struct kith__act {
    enum kith__act_kind kind;
    const struct kith__node *first, *second;
};
struct kith__acts {
    uint32_t count, room;
    struct kith__act list[];
};

struct kith__node {
    uint8_t kind;    /* enum kith__node_kind */
    bool strict;     /* KITH__NODE_STR: is UTF-8 without surrogates */
    uint32_t number; /* its own in its graph, below its count */
    union {
        bool boolean;
        int64_t integer;
        double real;
        struct kith__span bytes;
        struct {
            const struct kith__node **items;
            uint32_t count, room;
        } run;
        struct {
            struct kith__span module, name;
        } global;
        struct {
            const struct kith__node *callable, *arguments, *keywords;
            struct kith__acts *acts; /* NULL: none */
        } made;
    };
};

struct kith__graph;

/* An empty graph, held once; NULL without memory.  Release accepts NULL. */
struct kith__graph *kith__graph_new(void);
void kith__graph_hold(struct kith__graph *graph);
void kith__graph_release(struct kith__graph *graph);

/* Nodes so far, and bytes of memory that it has for them. */
uint32_t kith__graph_count(const struct kith__graph *graph);
size_t kith__graph_memory(const struct kith__graph *graph);

/* Memory of the graph's own, which is not zeroed and ends with it; NULL without memory. */
void *kith__graph_alloc(struct kith__graph *graph, size_t size);
/* Has kith__free() called on it when the graph ends; at once if it cannot be noted, and then false.
 */
bool kith__graph_adopt(struct kith__graph *graph, void *memory);

/* ---- making nodes ---- */

const struct kith__node *kith__node_none(struct kith__graph *graph);
const struct kith__node *kith__node_bool(struct kith__graph *graph, bool boolean);
const struct kith__node *kith__node_int(struct kith__graph *graph, int64_t integer);
/* Of little-endian two's complement, which is copied; no bytes are 0. */
const struct kith__node *kith__node_bigint(struct kith__graph *graph, const uint8_t *data,
                                           size_t size);
const struct kith__node *kith__node_float(struct kith__graph *graph, double real);
/* Borrow what they are given.  A str whose bytes are none, even with surrogates, is NULL. */
const struct kith__node *kith__node_str(struct kith__graph *graph, const void *data, size_t size);
const struct kith__node *kith__node_text(struct kith__graph *graph, const char *text);
const struct kith__node *kith__node_bytes(struct kith__graph *graph, const void *data, size_t size);
const struct kith__node *kith__node_bytearray(struct kith__graph *graph, const void *data,
                                              size_t size);
/* Copies the text. */
const struct kith__node *kith__node_text_copy(struct kith__graph *graph, const void *data,
                                              size_t size);

/*
 * A tuple, list, dict, set or frozenset of `count` nodes, which are copied; those of a dict are
 * keys and values in turn.  kith__node_tuple(graph, 2, a, b) is a tuple.
 */
struct kith__node *kith__node_run(struct kith__graph *graph, enum kith__node_kind kind,
                                  const struct kith__node *const *items, size_t count);
const struct kith__node *kith__node_tuple(struct kith__graph *graph, unsigned count, ...);
/* More at the end of a list, dict or set that is being made. */
bool kith__node_extend(struct kith__graph *graph, struct kith__node *run,
                       const struct kith__node *const *items, size_t count);

/* Both texts are borrowed. */
const struct kith__node *kith__node_global(struct kith__graph *graph, const char *module,
                                           const char *name);
const struct kith__node *kith__node_global_span(struct kith__graph *graph, struct kith__span module,
                                                struct kith__span name);
/* An object; keywords are NULL but for KITH__NODE_NEWOBJ_EX. */
struct kith__node *kith__node_object(struct kith__graph *graph, enum kith__node_kind kind,
                                     const struct kith__node *callable,
                                     const struct kith__node *arguments,
                                     const struct kith__node *keywords);
bool kith__node_act(struct kith__graph *graph, struct kith__node *object, enum kith__act_kind kind,
                    const struct kith__node *first, const struct kith__node *second);

/* ---- looking at nodes ---- */

static inline bool
kith__node_is_run(const struct kith__node *node)
{
    return node->kind >= KITH__NODE_TUPLE && node->kind <= KITH__NODE_FROZENSET;
}

static inline bool
kith__node_is_object(const struct kith__node *node)
{
    return node->kind >= KITH__NODE_REDUCE;
}

/* Whether it is the str `text`; whether it is what has that name in that module. */
bool kith__node_says(const struct kith__node *node, const char *text);
bool kith__node_is_global(const struct kith__node *node, const char *module, const char *name);
/* Whether it is an object of that callable, made by REDUCE, with at least so many arguments. */
bool kith__node_is_call(const struct kith__node *node, const char *module, const char *name,
                        size_t arguments_min);

/* What stands right in it: of how many places, and in which one; NULL in one that is empty. */
size_t kith__node_children(const struct kith__node *node);
const struct kith__node *kith__node_child(const struct kith__node *node, size_t index);

/* What a walk over all that a node leads to has found. */
struct kith__survey {
    uint8_t *places; /* by number: in how many places it stands, 2 for two or more */
    size_t nodes;    /* different ones */
    size_t edges;    /* places in which one stands in another */
    size_t depth; /* of the deepest, the first being 1; the way into a circle ends where it began */
    bool circular; /* something contains itself */
};

/*
 * Walks over all that `root` leads to, each node once, without recursion.  kith__survey_free() ends
 * what it found.
 *
 * KITH_ENOMEM  this process has no memory for it
 */
kith_err kith__graph_survey(const struct kith__graph *graph, const struct kith__node *root,
                            struct kith__survey *survey_out);
void kith__survey_free(struct kith__survey *survey);

/*
 * Calls `visit` with each node that `root` leads to, itself included, once each; not with what a
 * node leads to for which it gave false.
 *
 * KITH_ENOMEM  this process has no memory for it
 */
kith_err kith__graph_each(const struct kith__graph *graph, const struct kith__node *root,
                          bool (*visit)(void *arg, const struct kith__node *node), void *arg);

#endif /* KITH__GRAPH_H */
