/*
 * manager_msg.h - requests and replies of multiprocessing's managers, for client and server alike.
 *
 *     request   (ident or None, method, arguments, keywords)
 *     reply     ("#RETURN", value)                 ("#PROXY", (exposed, token))
 *               ("#ERROR", exception)              ("#TRACEBACK", text)
 *               ("#UNSERIALIZABLE", text)
 *
 * A request without an ident is to the server itself.  All that is read points into the graph.
 */
#ifndef KITH__MANAGER_MSG_H
#define KITH__MANAGER_MSG_H

#include "wire/graph.h"
#include "wire/out.h"

/* ---- tokens and proxies ---- */

/* Which object of which server it is. */
struct kith__token {
    struct kith__span typeid;
    const struct kith__node *address; /* a str, or a tuple of host and port; None: nowhere */
    struct kith__span id;
};

/* False: the node is no token. */
bool kith__token_read(const struct kith__node *node, struct kith__token *token_out);
const struct kith__node *kith__token_node(struct kith__graph *graph,
                                          const struct kith__token *token);

/* A proxy, as it stands in arguments and values. */
struct kith__proxy {
    const struct kith__node *type; /* its class, or the function AutoProxy */
    struct kith__token token;
    const struct kith__node *serializer; /* a str */
    const struct kith__node *keywords;   /* a dict: "exposed", and while a child starts "authkey" */
};

bool kith__proxy_read(const struct kith__node *node, struct kith__proxy *proxy_out);
/*
 * A proxy of that token: of a class of multiprocessing.managers, as "DictProxy", or if that is NULL
 * an AutoProxy that has the methods of `exposed`, a tuple of str.
 */
const struct kith__node *kith__proxy_node(struct kith__graph *graph, const char *type,
                                          const struct kith__token *token,
                                          const struct kith__node *exposed);

/* A tuple of str, as `exposed` is one.  The texts are borrowed. */
const struct kith__node *kith__names_node(struct kith__graph *graph, const char *const *names,
                                          size_t count);

/* ---- exceptions ---- */

/* Those that a manager's server raises; others are told by module and name. */
#define KITH__EXCEPTIONS(X)                                                                        \
    X(KEY_ERROR, "builtins", "KeyError")                                                           \
    X(INDEX_ERROR, "builtins", "IndexError")                                                       \
    X(VALUE_ERROR, "builtins", "ValueError")                                                       \
    X(TYPE_ERROR, "builtins", "TypeError")                                                         \
    X(ATTRIBUTE_ERROR, "builtins", "AttributeError")                                               \
    X(RUNTIME_ERROR, "builtins", "RuntimeError")                                                   \
    X(STOP_ITERATION, "builtins", "StopIteration")                                                 \
    X(OVERFLOW_ERROR, "builtins", "OverflowError")                                                 \
    X(MEMORY_ERROR, "builtins", "MemoryError")                                                     \
    X(OS_ERROR, "builtins", "OSError")                                                             \
    X(NOT_IMPLEMENTED_ERROR, "builtins", "NotImplementedError")                                    \
    X(EMPTY, "queue", "Empty")                                                                     \
    X(FULL, "queue", "Full")                                                                       \
    X(SHUT_DOWN, "queue", "ShutDown")                                                              \
    X(BROKEN_BARRIER, "threading", "BrokenBarrierError")                                           \
    X(TIMEOUT, "multiprocessing.context", "TimeoutError")

enum kith__exception_kind {
#define X(name, module, class) KITH__EXCEPTION_##name,
    KITH__EXCEPTIONS(X)
#undef X
        KITH__EXCEPTION_OTHER
};

/* An exception of these arguments, a tuple; of one that is a text, or of none if it is NULL. */
const struct kith__node *kith__exception_node(struct kith__graph *graph,
                                              enum kith__exception_kind kind,
                                              const struct kith__node *arguments);
const struct kith__node *kith__exception_says(struct kith__graph *graph,
                                              enum kith__exception_kind kind, const char *text);

struct kith__exception {
    enum kith__exception_kind kind;
    struct kith__span module, name;
    const struct kith__node *arguments; /* a tuple */
};
/* False: the node is no call of a class.  _queue.Empty, as CPython has it, is EMPTY too. */
bool kith__exception_read(const struct kith__node *node, struct kith__exception *exception_out);

/* ---- requests ---- */

struct kith__request {
    bool has_ident;
    struct kith__span ident;
    struct kith__span method;
    const struct kith__node *arguments; /* a tuple, or a list */
    const struct kith__node *keywords;  /* a dict, all whose keys are str */
};

/*
 * KITH_EINVAL  the node is no request; the sentence says in what it is none
 */
kith_err kith__request_read(const struct kith__node *node, struct kith__request *request_out);
/* NULL keywords are none.  Puts the pickle at the end; the errors of kith__pickle_write(). */
kith_err kith__request_write(struct kith__graph *graph, const struct kith__request *request,
                             struct kith__out *out);

/* The argument of that place or of that name; NULL: it was not given.  A NULL name is none. */
const struct kith__node *kith__request_argument(const struct kith__request *request, size_t place,
                                                const char *name);

/* ---- replies ---- */

enum kith__reply_kind {
    KITH__REPLY_RETURN,
    KITH__REPLY_PROXY,
    KITH__REPLY_ERROR,
    KITH__REPLY_TRACEBACK,
    KITH__REPLY_UNSERIALIZABLE
};

struct kith__reply {
    enum kith__reply_kind kind;
    const struct kith__node *value; /* what stands behind the kind */
    struct kith__token token;       /* KITH__REPLY_PROXY */
    const struct kith__node *exposed;
    struct kith__exception exception; /* KITH__REPLY_ERROR */
    struct kith__span text;           /* KITH__REPLY_TRACEBACK and KITH__REPLY_UNSERIALIZABLE */
};

/*
 * KITH_EINVAL  the node is no reply; the sentence says in what it is none
 */
kith_err kith__reply_read(const struct kith__node *node, struct kith__reply *reply_out);
/*
 * Puts the pickle of a reply at the end: `value` is what stands behind the kind, and NULL if its
 * making failed for lack of memory.  The errors of kith__pickle_write().
 */
kith_err kith__reply_write(struct kith__graph *graph, enum kith__reply_kind kind,
                           const struct kith__node *value, struct kith__out *out);
/* What stands behind "#PROXY", and in what `create` returns. */
const struct kith__node *kith__reply_proxy(struct kith__graph *graph,
                                           const struct kith__node *exposed,
                                           const struct kith__token *token);

/* ---- arguments that stand for something ---- */

/* builtins.range(…) and builtins.slice(…), whose absent parts are None. */
struct kith__range {
    const struct kith__node *start, *stop, *step;
};
/* False: it is none.  Parts of a range are ints or bools; what was left out is NULL. */
bool kith__range_read(const struct kith__node *node, struct kith__range *range_out);
/* Of a slice what is None is NULL; the others may be anything. */
bool kith__slice_read(const struct kith__node *node, struct kith__range *slice_out);

#endif /* KITH__MANAGER_MSG_H */
