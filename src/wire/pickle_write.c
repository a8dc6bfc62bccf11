/*
 * pickle_write.c - a part of a graph, written as a pickle.
 *
 * First a walk finds what stands in several places: only that gets a place in the memo.  If there
 * is a circle, all that can contain something gets one.
 *
 * A circle always leads through something that can be changed after it was made, a list or an
 * object say; that is in the memo before its contents are written.  A tuple is not, so one that is
 * in a circle is met again while it is being written.  It is then written once more, in the inside;
 * when the outer one is complete, it is found in the memo, and what was written of it is thrown
 * away: so Python does it, too.  Who makes such circles to have us write much is stopped by
 * out->size_max.
 */
#include "pickle_write.h"

#include "base/alloc.h"
#include "base/error.h"
#include "pickle_opcodes.h"

#include <string.h>

#define PROTOCOL 4
/* Bytes of a str from which on a second copy is longer than what leads to the first. */
#define SHARED_SIZE_MIN 4

/* A node that is being written, and which of its children is next. */
struct stop {
    const struct kith__node *node;
    size_t next;
};

struct writer {
    struct kith__out *out;
    struct kith__survey survey;
    uint32_t *memo; /* by number: its place in the memo and 1, or 0 */
    uint32_t memo_count;
    uint8_t *open; /* by number: how often it is being written */
    struct stop *way;
    size_t count, room;
};

static void
put_code(struct writer *w, enum kith__opcode code)
{
    uint8_t byte = (uint8_t)code;

    kith__out_put(w->out, &byte, 1);
}

static void
put_number(struct writer *w, enum kith__opcode code, uint64_t number, size_t width)
{
    uint8_t bytes[9] = { (uint8_t)code };

    for (size_t i = 0; i < width; i++)
        bytes[1 + i] = (uint8_t)(number >> 8 * i);
    kith__out_put(w->out, bytes, 1 + width);
}

/* Bytes behind their length; `shorter` takes one byte of it, `usual` four, `longest` eight. */
static void
put_span(struct writer *w, enum kith__opcode shorter, enum kith__opcode usual,
         enum kith__opcode longest, struct kith__span span)
{
    if (span.size <= UINT8_MAX)
        put_number(w, shorter, span.size, 1);
    else if (span.size <= UINT32_MAX)
        put_number(w, usual, span.size, 4);
    else
        put_number(w, longest, span.size, 8);
    kith__out_borrow(w->out, span.data, span.size);
}

static void
put_text(struct writer *w, struct kith__span text)
{
    put_span(w, KITH__OP_SHORT_BINUNICODE, KITH__OP_BINUNICODE, KITH__OP_BINUNICODE8, text);
}

static void
put_int(struct writer *w, int64_t integer)
{
    uint8_t bytes[8];
    size_t size = sizeof(bytes);

    if (integer >= 0 && integer <= UINT8_MAX) {
        put_number(w, KITH__OP_BININT1, (uint64_t)integer, 1);
    } else if (integer >= 0 && integer <= UINT16_MAX) {
        put_number(w, KITH__OP_BININT2, (uint64_t)integer, 2);
    } else if (integer >= INT32_MIN && integer <= INT32_MAX) {
        put_number(w, KITH__OP_BININT, (uint64_t)integer, 4);
    } else {
        for (size_t i = 0; i < sizeof(bytes); i++)
            bytes[i] = (uint8_t)((uint64_t)integer >> 8 * i);
        while (size > 1 && bytes[size - 1] == (bytes[size - 2] & 0x80 ? 0xff : 0x00))
            size--;
        put_number(w, KITH__OP_LONG1, size, 1);
        kith__out_put(w->out, bytes, size);
    }
}

static void
put_float(struct writer *w, double real)
{
    uint8_t bytes[9] = { KITH__OP_BINFLOAT };
    uint64_t bits;

    memcpy(&bits, &real, sizeof(bits));
    for (size_t i = 0; i < 8; i++)
        bytes[1 + i] = (uint8_t)(bits >> 8 * (7 - i));
    kith__out_put(w->out, bytes, sizeof(bytes));
}

/* ---- the memo ---- */

static bool
can_contain(const struct kith__node *node)
{
    return kith__node_is_run(node) || kith__node_is_object(node);
}

static void
memoize(struct writer *w, const struct kith__node *node)
{
    bool shared = w->survey.places[node->number] > 1;

    if (!shared && !(w->survey.circular && can_contain(node)))
        return;
    if ((node->kind == KITH__NODE_STR || node->kind == KITH__NODE_BYTES) &&
        node->bytes.size < SHARED_SIZE_MIN)
        return;
    put_code(w, KITH__OP_MEMOIZE);
    w->memo[node->number] = ++w->memo_count;
}

static void
put_get(struct writer *w, const struct kith__node *node)
{
    uint32_t index = w->memo[node->number] - 1;

    if (index <= UINT8_MAX)
        put_number(w, KITH__OP_BINGET, index, 1);
    else
        put_number(w, KITH__OP_LONG_BINGET, index, 4);
}

/* ---- nodes that contain others ---- */

static bool
enter(struct writer *w, const struct kith__node *node)
{
    if (w->count == w->room) {
        size_t room = w->room == 0 ? 32 : w->room * 2;
        struct stop *way = kith__realloc(w->way, room * sizeof(*way));

        if (way == NULL) {
            w->out->err =
                kith__fail(KITH_ENOMEM, "This process has no memory left to write a pickle.");
            return false;
        }
        w->way = way;
        w->room = room;
    }
    w->way[w->count++] = (struct stop){ .node = node };
    w->open[node->number]++;
    return true;
}

/* What comes before the children. */
static void
begin(struct writer *w, const struct kith__node *node)
{
    bool marked = true;

    switch (node->kind) {
    case KITH__NODE_TUPLE:
        marked = node->run.count > 3;
        break;
    case KITH__NODE_LIST:
        put_code(w, KITH__OP_EMPTY_LIST);
        memoize(w, node);
        marked = node->run.count > 1;
        break;
    case KITH__NODE_DICT:
        put_code(w, KITH__OP_EMPTY_DICT);
        memoize(w, node);
        marked = node->run.count > 2;
        break;
    case KITH__NODE_SET:
        put_code(w, KITH__OP_EMPTY_SET);
        memoize(w, node);
        marked = node->run.count > 0;
        break;
    case KITH__NODE_FROZENSET:
        break;
    default:
        marked = false;
        break;
    }
    if (marked)
        put_code(w, KITH__OP_MARK);
    (void)enter(w, node);
}

/* A tuple or a frozenset, all of whose items are written. */
static void
end_unchanging(struct writer *w, const struct kith__node *node)
{
    static const enum kith__opcode short_tuple[] = { KITH__OP_EMPTY_TUPLE, KITH__OP_TUPLE1,
                                                     KITH__OP_TUPLE2, KITH__OP_TUPLE3 };
    bool marked = node->kind == KITH__NODE_FROZENSET || node->run.count > 3;

    if (w->memo[node->number] != 0) {
        for (size_t i = marked ? 0 : node->run.count; i > 0; i--)
            put_code(w, KITH__OP_POP);
        if (marked)
            put_code(w, KITH__OP_POP_MARK);
        put_get(w, node);
        return;
    }
    if (node->kind == KITH__NODE_FROZENSET)
        put_code(w, KITH__OP_FROZENSET);
    else
        put_code(w, marked ? KITH__OP_TUPLE : short_tuple[node->run.count]);
    memoize(w, node);
}

static void
end_run(struct writer *w, const struct kith__node *node)
{
    switch (node->kind) {
    case KITH__NODE_LIST:
        if (node->run.count > 0)
            put_code(w, node->run.count > 1 ? KITH__OP_APPENDS : KITH__OP_APPEND);
        break;
    case KITH__NODE_DICT:
        if (node->run.count > 0)
            put_code(w, node->run.count > 2 ? KITH__OP_SETITEMS : KITH__OP_SETITEM);
        break;
    case KITH__NODE_SET:
        if (node->run.count > 0)
            put_code(w, KITH__OP_ADDITEMS);
        break;
    default:
        end_unchanging(w, node);
        break;
    }
}

/* Whether the act is of the same run as the one before it, which share a mark. */
static bool
continues(const struct kith__acts *acts, size_t index)
{
    return index > 0 && index < acts->count && acts->list[index].kind != KITH__ACT_BUILD &&
           acts->list[index].kind == acts->list[index - 1].kind;
}

static void
begin_act(struct writer *w, const struct kith__acts *acts, size_t index)
{
    if (!continues(acts, index) &&
        (acts->list[index].kind == KITH__ACT_ADD || continues(acts, index + 1)))
        put_code(w, KITH__OP_MARK);
}

static void
end_act(struct writer *w, const struct kith__acts *acts, size_t index)
{
    bool run = continues(acts, index);

    if (continues(acts, index + 1))
        return;
    switch (acts->list[index].kind) {
    case KITH__ACT_APPEND:
        put_code(w, run ? KITH__OP_APPENDS : KITH__OP_APPEND);
        break;
    case KITH__ACT_SETITEM:
        put_code(w, run ? KITH__OP_SETITEMS : KITH__OP_SETITEM);
        break;
    case KITH__ACT_ADD:
        put_code(w, KITH__OP_ADDITEMS);
        break;
    case KITH__ACT_BUILD:
        put_code(w, KITH__OP_BUILD);
        break;
    }
}

/* An object, whose callable and arguments are written.  False: it was made in the inside already.
 */
static bool
make_object(struct writer *w, const struct kith__node *node)
{
    static const enum kith__opcode codes[] = { KITH__OP_REDUCE, KITH__OP_NEWOBJ,
                                               KITH__OP_NEWOBJ_EX };

    if (w->memo[node->number] != 0) {
        for (size_t i = node->made.keywords == NULL ? 2 : 3; i > 0; i--)
            put_code(w, KITH__OP_POP);
        put_get(w, node);
        return false;
    }
    put_code(w, codes[node->kind - KITH__NODE_REDUCE]);
    memoize(w, node);
    return true;
}

/* The next child of an object that is to be written, after what comes before it; NULL: it is done.
 */
static const struct kith__node *
next_of_object(struct writer *w, struct stop *here)
{
    const struct kith__node *node = here->node;
    const struct kith__acts *acts = node->made.acts;
    size_t parts = node->made.keywords == NULL ? 2 : 3;
    size_t index;

    if (here->next < parts)
        return kith__node_child(node, here->next++);
    if (here->next == parts && !make_object(w, node))
        return NULL;
    while (acts != NULL && here->next < parts + 2 * (size_t)acts->count) {
        const struct kith__node *child = kith__node_child(node, here->next);

        index = (here->next - parts) / 2;
        if ((here->next - parts) % 2 == 0) {
            if (index > 0)
                end_act(w, acts, index - 1);
            begin_act(w, acts, index);
        }
        here->next++;
        if (child != NULL)
            return child;
    }
    if (acts != NULL)
        end_act(w, acts, acts->count - 1);
    return NULL;
}

static const struct kith__node *
next_child(struct writer *w, struct stop *here)
{
    if (kith__node_is_object(here->node))
        return next_of_object(w, here);
    if (here->next < here->node->run.count)
        return here->node->run.items[here->next++];
    end_run(w, here->node);
    return NULL;
}

/* Whether the node, to which the way leads, belongs to an object as a part of what it is made of.
 */
static bool
is_part(const struct writer *w, const struct kith__node *node)
{
    const struct kith__node *above = w->count > 0 ? w->way[w->count - 1].node : NULL;
    const struct kith__node *object = w->count > 1 ? w->way[w->count - 2].node : NULL;

    if (above == NULL || w->survey.places[node->number] > 1 ||
        (node->kind != KITH__NODE_LIST && node->kind != KITH__NODE_DICT &&
         node->kind != KITH__NODE_SET))
        return false;
    if (kith__node_is_object(above))
        return node == above->made.keywords;
    return object != NULL && kith__node_is_object(object) && above == object->made.arguments;
}

static void
save(struct writer *w, const struct kith__node *node)
{
    if (w->memo[node->number] != 0) {
        if (w->open[node->number] != 1 || !is_part(w, node)) {
            put_get(w, node);
            return;
        }
        w->memo[node->number] = 0;
    }
    switch (node->kind) {
    case KITH__NODE_NONE:
        put_code(w, KITH__OP_NONE);
        return;
    case KITH__NODE_BOOL:
        put_code(w, node->boolean ? KITH__OP_NEWTRUE : KITH__OP_NEWFALSE);
        return;
    case KITH__NODE_INT:
        put_int(w, node->integer);
        return;
    case KITH__NODE_FLOAT:
        put_float(w, node->real);
        return;
    case KITH__NODE_BIGINT:
        put_span(w, KITH__OP_LONG1, KITH__OP_LONG4, KITH__OP_LONG4, node->bytes);
        return;
    case KITH__NODE_STR:
        put_text(w, node->bytes);
        memoize(w, node);
        return;
    case KITH__NODE_BYTES:
        put_span(w, KITH__OP_SHORT_BINBYTES, KITH__OP_BINBYTES, KITH__OP_BINBYTES8, node->bytes);
        memoize(w, node);
        return;
    case KITH__NODE_BYTEARRAY:
        put_number(w, KITH__OP_BYTEARRAY8, node->bytes.size, 8);
        kith__out_borrow(w->out, node->bytes.data, node->bytes.size);
        memoize(w, node);
        return;
    case KITH__NODE_GLOBAL:
        put_text(w, node->global.module);
        put_text(w, node->global.name);
        put_code(w, KITH__OP_STACK_GLOBAL);
        memoize(w, node);
        return;
    default:
        break;
    }
    if (node->kind == KITH__NODE_TUPLE && node->run.count == 0)
        put_code(w, KITH__OP_EMPTY_TUPLE);
    else
        begin(w, node);
}

kith_err
kith__pickle_write(const struct kith__graph *graph, const struct kith__node *root,
                   struct kith__out *out)
{
    struct writer w = { .out = out };
    uint8_t protocol = PROTOCOL;
    kith_err err = kith__graph_survey(graph, root, &w.survey);

    if (err < 0)
        return err;
    w.memo = kith__calloc(kith__graph_count(graph), sizeof(*w.memo));
    w.open = kith__calloc(kith__graph_count(graph), sizeof(*w.open));
    if (w.memo == NULL || w.open == NULL)
        out->err = kith__fail(KITH_ENOMEM, "This process has no memory left to write a pickle.");
    put_code(&w, KITH__OP_PROTO);
    kith__out_put(out, &protocol, 1);
    if (out->err == KITH_OK)
        save(&w, root);
    while (out->err == KITH_OK && w.count > 0) {
        const struct kith__node *child = next_child(&w, &w.way[w.count - 1]);

        if (child == NULL)
            w.open[w.way[--w.count].node->number]--;
        else
            save(&w, child);
    }
    put_code(&w, KITH__OP_STOP);
    kith__free(w.memo);
    kith__free(w.open);
    kith__free(w.way);
    kith__survey_free(&w.survey);
    return out->err;
}
