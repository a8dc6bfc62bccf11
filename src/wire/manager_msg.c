/*
 * manager_msg.c - requests and replies of multiprocessing's managers.
 */
#include "manager_msg.h"

#include "base/error.h"
#include "pickle_write.h"

#include <string.h>

#define MANAGERS "multiprocessing.managers"

static kith_err
write(struct kith__graph *graph, const struct kith__node *root, struct kith__out *out)
{
    /* A constructor gave nothing, and has kept a sentence. */
    return root == NULL ? kith__telling.code : kith__pickle_write(graph, root, out);
}

/* ---- requests ---- */

static kith_err
no_request(const char *why)
{
    return kith__fail(KITH_EINVAL, "A request is %s.", why);
}

kith_err
kith__request_read(const struct kith__node *node, struct kith__request *request_out)
{
    const struct kith__node *const *part;

    if (node->kind != KITH__NODE_TUPLE || node->run.count != 4)
        return no_request("a tuple of ident, method, arguments and keywords; this one is none");
    part = node->run.items;
    if (part[0]->kind != KITH__NODE_NONE && part[0]->kind != KITH__NODE_STR)
        return no_request("to an ident, which is a str, or to None; this one to neither");
    if (part[1]->kind != KITH__NODE_STR)
        return no_request("for a method, whose name is a str; this one's is none");
    if (part[2]->kind != KITH__NODE_TUPLE && part[2]->kind != KITH__NODE_LIST)
        return no_request("with a tuple of arguments; this one's is none");
    if (part[3]->kind != KITH__NODE_DICT)
        return no_request("with a dict of keywords; this one's is none");
    for (uint32_t i = 0; i < part[3]->run.count; i += 2)
        if (part[3]->run.items[i]->kind != KITH__NODE_STR)
            return no_request("with keywords that are str; one of this is none");
    *request_out = (struct kith__request){ .has_ident = part[0]->kind == KITH__NODE_STR,
                                           .method = part[1]->bytes,
                                           .arguments = part[2],
                                           .keywords = part[3] };
    if (request_out->has_ident)
        request_out->ident = part[0]->bytes;
    return KITH_OK;
}

kith_err
kith__request_write(struct kith__graph *graph, const struct kith__request *request,
                    struct kith__out *out)
{
    const struct kith__node *ident =
        request->has_ident ? kith__node_str(graph, request->ident.data, request->ident.size)
                           : kith__node_none(graph);
    const struct kith__node *keywords = request->keywords != NULL
                                            ? request->keywords
                                            : kith__node_run(graph, KITH__NODE_DICT, NULL, 0);

    return write(graph,
                 kith__node_tuple(graph, 4, ident,
                                  kith__node_str(graph, request->method.data, request->method.size),
                                  request->arguments, keywords),
                 out);
}

const struct kith__node *
kith__request_argument(const struct kith__request *request, size_t place, const char *name)
{
    const struct kith__node *keywords = request->keywords;

    if (place < request->arguments->run.count)
        return request->arguments->run.items[place];
    for (uint32_t i = 0; name != NULL && i < keywords->run.count; i += 2)
        if (kith__node_says(keywords->run.items[i], name))
            return keywords->run.items[i + 1];
    return NULL;
}

/* ---- replies ---- */

static const char *const kinds[] = { "#RETURN", "#PROXY", "#ERROR", "#TRACEBACK",
                                     "#UNSERIALIZABLE" };

static kith_err
no_reply(const char *why)
{
    return kith__fail(KITH_EINVAL, "A reply is %s.", why);
}

kith_err
kith__reply_read(const struct kith__node *node, struct kith__reply *reply_out)
{
    struct kith__reply reply = { .kind = KITH__REPLY_RETURN };
    size_t kind = 0;

    if (node->kind != KITH__NODE_TUPLE || node->run.count != 2)
        return no_reply("a tuple of a kind and a value; this one is none");
    while (kind < sizeof(kinds) / sizeof(kinds[0]) &&
           !kith__node_says(node->run.items[0], kinds[kind]))
        kind++;
    if (kind == sizeof(kinds) / sizeof(kinds[0]))
        return no_reply("of one of five kinds; this one's is another");
    reply.kind = (enum kith__reply_kind)kind;
    reply.value = node->run.items[1];
    switch (reply.kind) {
    case KITH__REPLY_RETURN:
        break;
    case KITH__REPLY_PROXY:
        if (reply.value->kind != KITH__NODE_TUPLE || reply.value->run.count != 2 ||
            reply.value->run.items[0]->kind != KITH__NODE_TUPLE ||
            !kith__token_read(reply.value->run.items[1], &reply.token))
            return no_reply("with the methods and the token of a proxy; this one has none");
        reply.exposed = reply.value->run.items[0];
        break;
    case KITH__REPLY_ERROR:
        if (!kith__exception_read(reply.value, &reply.exception))
            return no_reply("with an exception; this one's is none");
        break;
    case KITH__REPLY_TRACEBACK:
    case KITH__REPLY_UNSERIALIZABLE:
        if (reply.value->kind != KITH__NODE_STR)
            return no_reply("with a text; this one's is none");
        reply.text = reply.value->bytes;
        break;
    }
    *reply_out = reply;
    return KITH_OK;
}

kith_err
kith__reply_write(struct kith__graph *graph, enum kith__reply_kind kind,
                  const struct kith__node *value, struct kith__out *out)
{
    return write(graph, kith__node_tuple(graph, 2, kith__node_text(graph, kinds[kind]), value),
                 out);
}

const struct kith__node *
kith__reply_proxy(struct kith__graph *graph, const struct kith__node *exposed,
                  const struct kith__token *token)
{
    return kith__node_tuple(graph, 2, exposed, kith__token_node(graph, token));
}

/* ---- tokens and proxies ---- */

bool
kith__token_read(const struct kith__node *node, struct kith__token *token_out)
{
    const struct kith__node *state;

    if (!kith__node_is_object(node) || node->made.acts == NULL || node->made.acts->count != 1 ||
        node->made.acts->list[0].kind != KITH__ACT_BUILD)
        return false;
    /* Below protocol 2 an object without arguments is copyreg's to make. */
    if (!kith__node_is_global(node->made.callable, MANAGERS, "Token") &&
        !(kith__node_is_call(node, "copyreg", "_reconstructor", 1) &&
          kith__node_is_global(node->made.arguments->run.items[0], MANAGERS, "Token")))
        return false;
    state = node->made.acts->list[0].first;
    if (state->kind != KITH__NODE_TUPLE || state->run.count != 3 ||
        state->run.items[0]->kind != KITH__NODE_STR || state->run.items[2]->kind != KITH__NODE_STR)
        return false;
    *token_out = (struct kith__token){ .typeid = state->run.items[0]->bytes,
                                       .address = state->run.items[1],
                                       .id = state->run.items[2]->bytes };
    return true;
}

const struct kith__node *
kith__token_node(struct kith__graph *graph, const struct kith__token *token)
{
    struct kith__node *node =
        kith__node_object(graph, KITH__NODE_NEWOBJ, kith__node_global(graph, MANAGERS, "Token"),
                          kith__node_tuple(graph, 0), NULL);
    const struct kith__node *state =
        kith__node_tuple(graph, 3, kith__node_str(graph, token->typeid.data, token->typeid.size),
                         token->address, kith__node_str(graph, token->id.data, token->id.size));

    return kith__node_act(graph, node, KITH__ACT_BUILD, state, NULL) ? node : NULL;
}

bool
kith__proxy_read(const struct kith__node *node, struct kith__proxy *proxy_out)
{
    const struct kith__node *const *part;
    struct kith__proxy proxy;

    if (!kith__node_is_call(node, MANAGERS, "RebuildProxy", 4))
        return false;
    part = node->made.arguments->run.items;
    if (part[0]->kind != KITH__NODE_GLOBAL || part[2]->kind != KITH__NODE_STR ||
        part[3]->kind != KITH__NODE_DICT || !kith__token_read(part[1], &proxy.token))
        return false;
    proxy.type = part[0];
    proxy.serializer = part[2];
    proxy.keywords = part[3];
    *proxy_out = proxy;
    return true;
}

const struct kith__node *
kith__proxy_node(struct kith__graph *graph, const char *type, const struct kith__token *token,
                 const struct kith__node *exposed)
{
    const struct kith__node *pair[2] = { kith__node_text(graph, "exposed"), exposed };
    const struct kith__node *keywords =
        kith__node_run(graph, KITH__NODE_DICT, pair, type == NULL ? 2 : 0);

    return kith__node_object(
        graph, KITH__NODE_REDUCE, kith__node_global(graph, MANAGERS, "RebuildProxy"),
        kith__node_tuple(
            graph, 4, kith__node_global(graph, MANAGERS, type == NULL ? "AutoProxy" : type),
            kith__token_node(graph, token), kith__node_text(graph, "pickle"), keywords),
        NULL);
}

const struct kith__node *
kith__names_node(struct kith__graph *graph, const char *const *names, size_t count)
{
    const struct kith__node **items = kith__graph_alloc(graph, count * sizeof(*items) + 1);

    for (size_t i = 0; items != NULL && i < count; i++)
        items[i] = kith__node_text(graph, names[i]);
    return items == NULL ? NULL : kith__node_run(graph, KITH__NODE_TUPLE, items, count);
}

/* ---- exceptions ---- */

static const struct {
    const char *module, *name;
} exceptions[] = {
#define X(name, module, class) { module, class },
    KITH__EXCEPTIONS(X)
#undef X
};

const struct kith__node *
kith__exception_node(struct kith__graph *graph, enum kith__exception_kind kind,
                     const struct kith__node *arguments)
{
    return kith__node_object(
        graph, KITH__NODE_REDUCE,
        kith__node_global(graph, exceptions[kind].module, exceptions[kind].name), arguments, NULL);
}

const struct kith__node *
kith__exception_says(struct kith__graph *graph, enum kith__exception_kind kind, const char *text)
{
    return kith__exception_node(
        graph, kind,
        text == NULL ? kith__node_tuple(graph, 0)
                     : kith__node_tuple(graph, 1, kith__node_text_copy(graph, text, strlen(text))));
}

bool
kith__exception_read(const struct kith__node *node, struct kith__exception *exception_out)
{
    const struct kith__node *type;
    size_t kind = 0;

    if (!kith__node_is_object(node) || node->made.callable->kind != KITH__NODE_GLOBAL ||
        node->made.arguments->kind != KITH__NODE_TUPLE)
        return false;
    type = node->made.callable;
    while (kind < KITH__EXCEPTION_OTHER &&
           !kith__node_is_global(type, exceptions[kind].module, exceptions[kind].name))
        kind++;
    if (kind == KITH__EXCEPTION_OTHER && kith__node_is_global(type, "_queue", "Empty"))
        kind = KITH__EXCEPTION_EMPTY;
    *exception_out = (struct kith__exception){ .kind = (enum kith__exception_kind)kind,
                                               .module = type->global.module,
                                               .name = type->global.name,
                                               .arguments = node->made.arguments };
    return true;
}

/* ---- arguments that stand for something ---- */

static bool
parts_of(const struct kith__node *node, const char *name, struct kith__range *range)
{
    const struct kith__node *const *part;
    uint32_t count;

    if (!kith__node_is_call(node, "builtins", name, 1))
        return false;
    part = node->made.arguments->run.items;
    count = node->made.arguments->run.count;
    if (count > 3)
        return false;
    *range = (struct kith__range){ .start = count == 1 ? NULL : part[0],
                                   .stop = count == 1 ? part[0] : part[1],
                                   .step = count == 3 ? part[2] : NULL };
    return true;
}

static bool
is_int(const struct kith__node *node)
{
    return node == NULL || node->kind == KITH__NODE_INT || node->kind == KITH__NODE_BIGINT ||
           node->kind == KITH__NODE_BOOL;
}

bool
kith__range_read(const struct kith__node *node, struct kith__range *range_out)
{
    struct kith__range range;

    if (!parts_of(node, "range", &range) || !is_int(range.start) || !is_int(range.stop) ||
        !is_int(range.step))
        return false;
    *range_out = range;
    return true;
}

static const struct kith__node *
unless_none(const struct kith__node *node)
{
    return node == NULL || node->kind == KITH__NODE_NONE ? NULL : node;
}

bool
kith__slice_read(const struct kith__node *node, struct kith__range *slice_out)
{
    struct kith__range slice;

    if (!parts_of(node, "slice", &slice))
        return false;
    *slice_out = (struct kith__range){ unless_none(slice.start), unless_none(slice.stop),
                                       unless_none(slice.step) };
    return true;
}
