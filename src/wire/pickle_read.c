/*
 * pickle_read.c - a pickle read into a graph.
 *
 * It is a machine with a stack, marks in it, and a memo.  Each opcode is bounded by the bytes that
 * it takes from the pickle, so all that is made is bounded by the pickle's size: there is no opcode
 * that makes much out of little, but DUP and GET, which only point at what is there.  Frames say
 * nothing that has to be known.
 */
#include "pickle_read.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/utf8.h"
#include "pickle_names.h"
#include "pickle_opcodes.h"
#include "pickle_plain.h"
#include "pickle_text.h"

#include <inttypes.h>
#include <string.h>

#define PROTOCOL_MAX 5
/* Protocols below have the names of Python 2. */
#define PROTOCOL_OF_3 3

struct reader {
    struct kith__graph *graph;
    const struct kith__pickle_limits *limits;
    const uint8_t *data;
    size_t size, at;
    unsigned protocol;
    struct kith__node **stack;
    size_t count, room;
    size_t *marks; /* how high the stack was */
    size_t mark_count, mark_room;
    struct kith__node **memo;
    size_t memo_count, memo_room; /* set ones; places */
    const struct kith__span *buffers;
    size_t buffer_count;
    kith_err err; /* set once, with its sentence */
};

static const char *
opcode_name(uint8_t code)
{
    switch (code) {
#define X(name, number)                                                                            \
    case number:                                                                                   \
        return #name;
        KITH__PICKLE_OPCODES(X)
#undef X
    default:
        return NULL;
    }
}

/* ---- failing; all give false, so that they end an expression ---- */

static bool
malformed(struct reader *r, const char *why)
{
    if (r->err == KITH_OK)
        r->err =
            kith__fail(KITH_EINVAL, "The pickle is malformed before byte %zu: %s.", r->at, why);
    return false;
}

/* A constructor gave nothing, and has kept a sentence. */
static bool
unmade(struct reader *r)
{
    if (r->err == KITH_OK)
        r->err = kith__telling.code;
    return false;
}

static bool
no_memory(struct reader *r)
{
    r->err = kith__fail(KITH_ENOMEM, "This process has no memory left to read a pickle.");
    return false;
}

static bool
refused(struct reader *r, const char *opcode, const char *why)
{
    r->err = kith__fail(KITH_EUNSUPPORTED, "The pickle has the opcode %s at byte %zu: %s.", opcode,
                        r->at - 1, why);
    return false;
}

/* ---- bytes ---- */

static const uint8_t *
take(struct reader *r, uint64_t size)
{
    const uint8_t *at = r->data + r->at;

    if (size > r->size - r->at) {
        (void)malformed(r, "it is cut off");
        return NULL;
    }
    r->at += (size_t)size;
    return at;
}

static bool
take_number(struct reader *r, size_t width, uint64_t *number_out)
{
    const uint8_t *at = take(r, width);
    uint64_t number = 0;

    if (at == NULL)
        return false;
    for (size_t i = width; i-- > 0;)
        number = number << 8 | at[i];
    *number_out = number;
    return true;
}

static bool
take_line(struct reader *r, struct kith__span *line_out)
{
    const uint8_t *begin = r->data + r->at;
    const uint8_t *end = r->at == r->size ? NULL : memchr(begin, '\n', r->size - r->at);

    if (end == NULL)
        return malformed(r, "it is cut off");
    *line_out = (struct kith__span){ begin, (size_t)(end - begin) };
    r->at += line_out->size + 1;
    return true;
}

/* As many bytes as a number of `width` says, which stands before them. */
static bool
take_counted(struct reader *r, size_t width, struct kith__span *span_out)
{
    uint64_t size;

    if (!take_number(r, width, &size))
        return false;
    span_out->data = take(r, size);
    span_out->size = (size_t)size;
    return span_out->data != NULL;
}

/* ---- the stack ---- */

/* Where what stands behind the last mark begins. */
static size_t
floor_of(const struct reader *r)
{
    return r->mark_count == 0 ? 0 : r->marks[r->mark_count - 1];
}

static bool
grow(struct reader *r, void **memory, size_t *room, size_t wanted, size_t width)
{
    size_t larger = *room == 0 ? 32 : *room * 2;
    void *grown;

    larger = larger > wanted ? larger : wanted;
    grown = kith__realloc(*memory, larger * width);
    if (grown == NULL)
        return no_memory(r);
    *memory = grown;
    *room = larger;
    return true;
}

static bool
push(struct reader *r, const struct kith__node *node)
{
    void *stack = r->stack;

    if (node == NULL)
        return unmade(r);
    if (r->count == r->room) {
        if (!grow(r, &stack, &r->room, r->count + 1, sizeof(struct kith__node *)))
            return false;
        r->stack = stack;
    }
    /* The graph is still being made, and this is its maker. */
    r->stack[r->count++] = (struct kith__node *)(uintptr_t)node;
    return true;
}

static bool
push_mark(struct reader *r)
{
    void *marks = r->marks;

    if (r->mark_count == r->mark_room) {
        if (!grow(r, &marks, &r->mark_room, r->mark_count + 1, sizeof(size_t)))
            return false;
        r->marks = marks;
    }
    r->marks[r->mark_count++] = r->count;
    return true;
}

static struct kith__node *
pop(struct reader *r)
{
    if (r->count == floor_of(r)) {
        (void)malformed(r, "it takes from an empty stack");
        return NULL;
    }
    return r->stack[--r->count];
}

static struct kith__node *
top(struct reader *r)
{
    if (r->count == floor_of(r)) {
        (void)malformed(r, "it takes from an empty stack");
        return NULL;
    }
    return r->stack[r->count - 1];
}

/* All behind the last mark, which goes; they stay readable until the next push. */
static bool
pop_mark(struct reader *r, const struct kith__node *const **items_out, size_t *count_out)
{
    size_t mark = floor_of(r);

    if (r->mark_count == 0)
        return malformed(r, "it goes back to a mark that was not set");
    r->mark_count--;
    *items_out = (const struct kith__node *const *)r->stack + mark;
    *count_out = r->count - mark;
    r->count = mark;
    return true;
}

/* ---- the memo ---- */

static bool
memo_put(struct reader *r, uint64_t index)
{
    struct kith__node *node = top(r);
    void *memo = r->memo;

    if (node == NULL)
        return false;
    /* Whoever counts them has put one a byte at most. */
    if (index > r->size)
        return malformed(r, "it puts a value at a place of the memo that is far beyond its end");
    if (index >= r->memo_room) {
        size_t before = r->memo_room;

        if (!grow(r, &memo, &r->memo_room, (size_t)index + 1, sizeof(struct kith__node *)))
            return false;
        r->memo = memo;
        memset(r->memo + before, 0, (r->memo_room - before) * sizeof(struct kith__node *));
    }
    r->memo_count += r->memo[index] == NULL;
    r->memo[index] = node;
    return true;
}

static bool
memo_get(struct reader *r, uint64_t index)
{
    if (index >= r->memo_room || r->memo[index] == NULL)
        return malformed(r, "it gets a value from a place of the memo where none is");
    return push(r, r->memo[index]);
}

/* ---- containers ---- */

static bool
push_run(struct reader *r, enum kith__node_kind kind)
{
    const struct kith__node *const *items;
    size_t count;

    if (!pop_mark(r, &items, &count))
        return false;
    if (kind == KITH__NODE_DICT && count % 2 != 0)
        return malformed(r, "a dict has a key without a value");
    return push(r, kith__node_run(r->graph, kind, items, count));
}

static bool
push_tuple(struct reader *r, size_t count)
{
    if (r->count - floor_of(r) < count)
        return malformed(r, "it takes from an empty stack");
    r->count -= count;
    return push(r, kith__node_run(r->graph, KITH__NODE_TUPLE,
                                  (const struct kith__node *const *)r->stack + r->count, count));
}

/*
 * Adds `count` nodes, of which each act takes `step`, to what is on top: a container of that kind,
 * or an object that does as one.
 */
static bool
add_items(struct reader *r, enum kith__node_kind kind, enum kith__act_kind act, size_t step,
          const struct kith__node *const *items, size_t count)
{
    struct kith__node *target = top(r);

    if (target == NULL)
        return false;
    if (count % step != 0)
        return malformed(r, "a dict has a key without a value");
    if (target->kind == kind)
        return kith__node_extend(r->graph, target, items, count) || unmade(r);
    if (!kith__node_is_object(target))
        return malformed(r, "it adds items to what is no container");
    for (size_t i = 0; i < count; i += step)
        if (!kith__node_act(r->graph, target, act, items[i], step == 2 ? items[i + 1] : NULL))
            return unmade(r);
    return true;
}

static bool
add_marked(struct reader *r, enum kith__node_kind kind, enum kith__act_kind act, size_t step)
{
    const struct kith__node *const *items;
    size_t count;

    return pop_mark(r, &items, &count) && add_items(r, kind, act, step, items, count);
}

static bool
add_one(struct reader *r, enum kith__node_kind kind, enum kith__act_kind act, size_t step)
{
    if (r->count - floor_of(r) < step)
        return malformed(r, "it takes from an empty stack");
    r->count -= step;
    return add_items(r, kind, act, step, (const struct kith__node *const *)r->stack + r->count,
                     step);
}

/* ---- objects ---- */

static bool
push_global(struct reader *r, struct kith__span module, struct kith__span name)
{
    if (!kith__utf8_ok(module.data, module.size) || !kith__utf8_ok(name.data, name.size))
        return malformed(r, "the name of a class is not UTF-8");
    if (module.size == 0 || name.size == 0)
        return malformed(r, "the name of a class is empty");
    if (r->protocol < PROTOCOL_OF_3)
        kith__pickle_rename(&module, &name);
    return push(r, kith__node_global_span(r->graph, module, name));
}

static bool
global_from_lines(struct reader *r)
{
    struct kith__span module, name;

    return take_line(r, &module) && take_line(r, &name) && push_global(r, module, name);
}

static bool
global_from_stack(struct reader *r)
{
    const struct kith__node *name = pop(r);
    const struct kith__node *module = name == NULL ? NULL : pop(r);

    if (module == NULL)
        return false;
    if (module->kind != KITH__NODE_STR || name->kind != KITH__NODE_STR)
        return malformed(r, "the name of a class is no str");
    return push_global(r, module->bytes, name->bytes);
}

static bool
push_object(struct reader *r, enum kith__node_kind kind, const struct kith__node *callable,
            const struct kith__node *arguments, const struct kith__node *keywords)
{
    struct kith__node *plain;
    bool call = true;

    if (arguments->kind != KITH__NODE_TUPLE)
        return malformed(r, "the arguments of a call are no tuple");
    if (keywords != NULL && keywords->kind != KITH__NODE_DICT)
        return malformed(r, "the keywords of a call are no dict");
    if (kind == KITH__NODE_REDUCE) {
        plain = kith__pickle_plain(r->graph, callable, arguments, &call);
        if (!call)
            return push(r, plain);
    }
    return push(r, kith__node_object(r->graph, kind, callable, arguments, keywords));
}

static bool
object_from_stack(struct reader *r, enum kith__node_kind kind)
{
    const struct kith__node *keywords = kind == KITH__NODE_NEWOBJ_EX ? pop(r) : NULL;
    const struct kith__node *arguments, *callable;

    if (kind == KITH__NODE_NEWOBJ_EX && keywords == NULL)
        return false;
    arguments = pop(r);
    callable = arguments == NULL ? NULL : pop(r);
    return callable != NULL && push_object(r, kind, callable, arguments, keywords);
}

/* INST and OBJ: what stands behind the mark, the class first unless it was in lines. */
static bool
old_object(struct reader *r, bool lines)
{
    const struct kith__node *const *items;
    const struct kith__node *callable, *arguments;
    size_t count;

    if (lines && (!global_from_lines(r) || (callable = pop(r)) == NULL))
        return false;
    if (!pop_mark(r, &items, &count))
        return false;
    if (!lines) {
        if (count == 0)
            return malformed(r, "an object has no class");
        callable = *items++;
        count--;
    }
    arguments = kith__node_run(r->graph, KITH__NODE_TUPLE, items, count);
    if (arguments == NULL)
        return unmade(r);
    return push_object(r, count == 0 ? KITH__NODE_NEWOBJ : KITH__NODE_REDUCE, callable, arguments,
                       NULL);
}

static bool
build(struct reader *r)
{
    const struct kith__node *state = pop(r);
    struct kith__node *object = state == NULL ? NULL : top(r);

    if (object == NULL)
        return false;
    if (!kith__node_is_object(object))
        return malformed(r, "it sets the state of what has none");
    return kith__node_act(r->graph, object, KITH__ACT_BUILD, state, NULL) || unmade(r);
}

/* ---- single values ---- */

static bool
push_int(struct reader *r, size_t width, bool has_sign)
{
    uint64_t number;

    if (!take_number(r, width, &number))
        return false;
    return push(r,
                kith__node_int(r->graph, has_sign ? (int32_t)(uint32_t)number : (int64_t)number));
}

static bool
push_float(struct reader *r)
{
    const uint8_t *at = take(r, 8);
    uint64_t bits = 0;
    double real;

    if (at == NULL)
        return false;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | at[i];
    memcpy(&real, &bits, sizeof(real));
    return push(r, kith__node_float(r->graph, real));
}

static bool
push_bytes(struct reader *r, enum kith__node_kind kind, size_t width)
{
    struct kith__span span;

    if (!take_counted(r, width, &span))
        return false;
    switch (kind) {
    case KITH__NODE_STR:
        return push(r, kith__node_str(r->graph, span.data, span.size));
    case KITH__NODE_BIGINT:
        return push(r, kith__node_bigint(r->graph, span.data, span.size));
    case KITH__NODE_BYTES:
        return push(r, kith__node_bytes(r->graph, span.data, span.size));
    default:
        return push(r, kith__node_bytearray(r->graph, span.data, span.size));
    }
}

/* A str of Python 2, which Python 3 reads as ASCII. */
static bool
push_ascii(struct reader *r, size_t width)
{
    struct kith__span span;

    if (!take_counted(r, width, &span))
        return false;
    for (size_t i = 0; i < span.size; i++)
        if (span.data[i] > 0x7f)
            return malformed(r, "a string of Python 2 is not ASCII");
    return push(r, kith__node_str(r->graph, span.data, span.size));
}

static bool
push_line(struct reader *r,
          const struct kith__node *(*read)(struct kith__graph *, struct kith__span, const char **))
{
    const struct kith__node *node;
    struct kith__span line;
    const char *why;

    if (!take_line(r, &line))
        return false;
    node = read(r->graph, line, &why);
    return node == NULL && why != NULL ? malformed(r, why) : push(r, node);
}

/* INT: before there was an opcode for them, 00 and 01 were False and True. */
static bool
push_int_line(struct reader *r)
{
    const uint8_t *at = r->data + r->at;

    if (r->size - r->at >= 3 && at[0] == '0' && (at[1] == '0' || at[1] == '1') && at[2] == '\n') {
        r->at += 3;
        return push(r, kith__node_bool(r->graph, at[1] == '1'));
    }
    return push_line(r, kith__pickle_int_line);
}

static bool
next_buffer(struct reader *r)
{
    struct kith__span span;

    if (r->buffer_count == 0)
        return refused(r, "NEXT_BUFFER", "its buffer is not in it, and did not come beside it");
    span = *r->buffers++;
    r->buffer_count--;
    return push(r, kith__node_bytearray(r->graph, span.data, span.size));
}

static bool
readonly_buffer(struct reader *r)
{
    const struct kith__node *buffer = top(r);

    if (buffer == NULL)
        return false;
    if (buffer->kind != KITH__NODE_BYTEARRAY)
        return malformed(r, "what is no buffer is said to be a read-only one");
    r->count--;
    return push(r, kith__node_bytes(r->graph, buffer->bytes.data, buffer->bytes.size));
}

/* ---- opcodes ---- */

static bool
do_pop(struct reader *r)
{
    if (r->count > floor_of(r)) {
        r->count--;
        return true;
    }
    if (r->mark_count == 0)
        return malformed(r, "it takes from an empty stack");
    r->mark_count--;
    return true;
}

static bool
do_memo(struct reader *r, bool put, size_t width)
{
    uint64_t index;
    struct kith__span line;

    if (width == 0) {
        if (!take_line(r, &line))
            return false;
        if (!kith__pickle_index_line(line, &index))
            return malformed(r, "a place of the memo is no number");
    } else if (!take_number(r, width, &index)) {
        return false;
    }
    return put ? memo_put(r, index) : memo_get(r, index);
}

static bool
do_long4(struct reader *r)
{
    if (r->size - r->at >= 4 && r->data[r->at + 3] & 0x80)
        return malformed(r, "the size of a number is negative");
    return push_bytes(r, KITH__NODE_BIGINT, 4);
}

static bool
do_proto(struct reader *r)
{
    uint64_t protocol;

    if (!take_number(r, 1, &protocol))
        return false;
    r->protocol = (unsigned)protocol;
    if (protocol <= PROTOCOL_MAX)
        return true;
    r->err = kith__fail(KITH_EUNSUPPORTED, "The pickle is of protocol %" PRIu64 "; Kith knows %d.",
                        protocol, PROTOCOL_MAX);
    return false;
}

/* Those that take values from the stack and put others there. */
static bool
do_structure(struct reader *r, uint8_t code)
{
    const struct kith__node *const *items;
    size_t count;

    switch (code) {
    case KITH__OP_MARK:
        return push_mark(r);
    case KITH__OP_POP:
        return do_pop(r);
    case KITH__OP_POP_MARK:
        return pop_mark(r, &items, &count);
    case KITH__OP_DUP:
        return top(r) != NULL && push(r, top(r));
    case KITH__OP_EMPTY_TUPLE:
        return push(r, kith__node_run(r->graph, KITH__NODE_TUPLE, NULL, 0));
    case KITH__OP_TUPLE1:
    case KITH__OP_TUPLE2:
    case KITH__OP_TUPLE3:
        return push_tuple(r, code - KITH__OP_TUPLE1 + 1u);
    case KITH__OP_TUPLE:
        return push_run(r, KITH__NODE_TUPLE);
    case KITH__OP_EMPTY_LIST:
        return push(r, kith__node_run(r->graph, KITH__NODE_LIST, NULL, 0));
    case KITH__OP_LIST:
        return push_run(r, KITH__NODE_LIST);
    case KITH__OP_APPEND:
        return add_one(r, KITH__NODE_LIST, KITH__ACT_APPEND, 1);
    case KITH__OP_APPENDS:
        return add_marked(r, KITH__NODE_LIST, KITH__ACT_APPEND, 1);
    case KITH__OP_EMPTY_DICT:
        return push(r, kith__node_run(r->graph, KITH__NODE_DICT, NULL, 0));
    case KITH__OP_DICT:
        return push_run(r, KITH__NODE_DICT);
    case KITH__OP_SETITEM:
        return add_one(r, KITH__NODE_DICT, KITH__ACT_SETITEM, 2);
    case KITH__OP_SETITEMS:
        return add_marked(r, KITH__NODE_DICT, KITH__ACT_SETITEM, 2);
    case KITH__OP_EMPTY_SET:
        return push(r, kith__node_run(r->graph, KITH__NODE_SET, NULL, 0));
    case KITH__OP_ADDITEMS:
        return add_marked(r, KITH__NODE_SET, KITH__ACT_ADD, 1);
    case KITH__OP_FROZENSET:
        return push_run(r, KITH__NODE_FROZENSET);
    default:
        break;
    }
    return malformed(r, "it has an opcode that is none");
}

/* Those about objects, the memo, and what is refused. */
static bool
do_object(struct reader *r, uint8_t code)
{
    uint64_t ignored;

    switch (code) {
    case KITH__OP_GLOBAL:
        return global_from_lines(r);
    case KITH__OP_STACK_GLOBAL:
        return global_from_stack(r);
    case KITH__OP_REDUCE:
        return object_from_stack(r, KITH__NODE_REDUCE);
    case KITH__OP_NEWOBJ:
        return object_from_stack(r, KITH__NODE_NEWOBJ);
    case KITH__OP_NEWOBJ_EX:
        return object_from_stack(r, KITH__NODE_NEWOBJ_EX);
    case KITH__OP_INST:
        return old_object(r, true);
    case KITH__OP_OBJ:
        return old_object(r, false);
    case KITH__OP_BUILD:
        return build(r);
    case KITH__OP_MEMOIZE:
        return memo_put(r, r->memo_count);
    case KITH__OP_PUT:
    case KITH__OP_GET:
        return do_memo(r, code == KITH__OP_PUT, 0);
    case KITH__OP_BINPUT:
    case KITH__OP_BINGET:
        return do_memo(r, code == KITH__OP_BINPUT, 1);
    case KITH__OP_LONG_BINPUT:
    case KITH__OP_LONG_BINGET:
        return do_memo(r, code == KITH__OP_LONG_BINPUT, 4);
    case KITH__OP_PROTO:
        return do_proto(r);
    case KITH__OP_FRAME:
        return take_number(r, 8, &ignored);
    case KITH__OP_PERSID:
    case KITH__OP_BINPERSID:
        return refused(r, opcode_name(code),
                       "what a persistent id means is known only to the program that wrote it");
    case KITH__OP_EXT1:
    case KITH__OP_EXT2:
    case KITH__OP_EXT4:
        return refused(r, opcode_name(code),
                       "what an extension code of copyreg means is known only to programs that "
                       "registered it");
    case KITH__OP_NEXT_BUFFER:
        return next_buffer(r);
    case KITH__OP_READONLY_BUFFER:
        return readonly_buffer(r);
    default:
        return do_structure(r, code);
    }
}

static bool
do_one(struct reader *r, uint8_t code)
{
    switch (code) {
    case KITH__OP_NONE:
        return push(r, kith__node_none(r->graph));
    case KITH__OP_NEWTRUE:
    case KITH__OP_NEWFALSE:
        return push(r, kith__node_bool(r->graph, code == KITH__OP_NEWTRUE));
    case KITH__OP_BININT:
        return push_int(r, 4, true);
    case KITH__OP_BININT1:
        return push_int(r, 1, false);
    case KITH__OP_BININT2:
        return push_int(r, 2, false);
    case KITH__OP_LONG1:
        return push_bytes(r, KITH__NODE_BIGINT, 1);
    case KITH__OP_LONG4:
        return do_long4(r);
    case KITH__OP_INT:
        return push_int_line(r);
    case KITH__OP_LONG:
        return push_line(r, kith__pickle_int_line);
    case KITH__OP_FLOAT:
        return push_line(r, kith__pickle_float_line);
    case KITH__OP_BINFLOAT:
        return push_float(r);
    case KITH__OP_SHORT_BINUNICODE:
        return push_bytes(r, KITH__NODE_STR, 1);
    case KITH__OP_BINUNICODE:
        return push_bytes(r, KITH__NODE_STR, 4);
    case KITH__OP_BINUNICODE8:
        return push_bytes(r, KITH__NODE_STR, 8);
    case KITH__OP_UNICODE:
        return push_line(r, kith__pickle_unicode_line);
    case KITH__OP_STRING:
        return push_line(r, kith__pickle_string_line);
    case KITH__OP_SHORT_BINSTRING:
        return push_ascii(r, 1);
    case KITH__OP_BINSTRING:
        return push_ascii(r, 4);
    case KITH__OP_SHORT_BINBYTES:
        return push_bytes(r, KITH__NODE_BYTES, 1);
    case KITH__OP_BINBYTES:
        return push_bytes(r, KITH__NODE_BYTES, 4);
    case KITH__OP_BINBYTES8:
        return push_bytes(r, KITH__NODE_BYTES, 8);
    case KITH__OP_BYTEARRAY8:
        return push_bytes(r, KITH__NODE_BYTEARRAY, 8);
    default:
        return do_object(r, code);
    }
}

static kith_err
too_big(const char *what, size_t limit)
{
    return kith__fail(KITH_ETOOBIG, "The pickle has more %s than the %zu that are allowed.", what,
                      limit);
}

static kith_err
check_depth(struct reader *r, const struct kith__node *root)
{
    struct kith__survey survey;
    kith_err err;

    /* As deep as there are nodes at most. */
    if (kith__graph_count(r->graph) <= r->limits->depth)
        return KITH_OK;
    err = kith__graph_survey(r->graph, root, &survey);
    if (err < 0)
        return err;
    kith__survey_free(&survey);
    return survey.depth <= r->limits->depth ? KITH_OK
                                            : too_big("values within values", r->limits->depth);
}

static kith_err
read_all(struct reader *r, const struct kith__node **root_out)
{
    uint32_t before = kith__graph_count(r->graph);
    const struct kith__node *root;
    kith_err err;

    while (r->at < r->size) {
        uint8_t code = r->data[r->at++];

        if (code == KITH__OP_STOP) {
            root = pop(r);
            if (root == NULL)
                return r->err;
            err = check_depth(r, root);
            if (err == KITH_OK)
                *root_out = root;
            return err;
        }
        if (!do_one(r, code))
            return r->err;
        if (kith__graph_count(r->graph) - before > r->limits->nodes)
            return too_big("values", r->limits->nodes);
        if (kith__graph_memory(r->graph) > r->limits->memory)
            return too_big("bytes of memory", r->limits->memory);
    }
    (void)malformed(r, "it is cut off");
    return r->err;
}

kith_err
kith__pickle_read(struct kith__graph *graph, const void *data, size_t size,
                  const struct kith__pickle_limits *limits, const struct kith__span *buffers,
                  size_t buffer_count, const struct kith__node **root_out)
{
    struct reader r = { .graph = graph,
                        .limits = limits,
                        .data = data,
                        .size = size,
                        .buffers = buffers,
                        .buffer_count = buffer_count };
    kith_err err = size > limits->size ? too_big("bytes", limits->size) : read_all(&r, root_out);

    kith__free(r.stack);
    kith__free(r.marks);
    kith__free(r.memo);
    return err;
}
