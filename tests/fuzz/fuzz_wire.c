/*
 * fuzz_wire.c - what comes from other hosts, taken apart: frames, handshakes, pickles, messages.
 *
 * The bytes stand right before a page that may not be touched.  Pickles are random opcodes, most of
 * them with what they need, so that many are whole.  What is accepted is written, read again, made
 * an item and a key, and has to come back.
 */
#include "fuzz.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "wire/challenge.h"
#include "wire/frame.h"
#include "wire/item_node.h"
#include "wire/manager_msg.h"
#include "wire/pickle_opcodes.h"
#include "wire/pickle_read.h"
#include "wire/pickle_write.h"

#define ROOM 4096u
#define CASES 1000
#define WRITTEN_MAX ((size_t)1 << 20)

static uint8_t *edge; /* one past the last byte that may be read */

struct bytes {
    uint8_t data[ROOM];
    size_t size;
};

static void
make_edge(void)
{
    uint8_t *base =
        mmap(NULL, 2 * (size_t)ROOM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (base == MAP_FAILED || mprotect(base + ROOM, ROOM, PROT_NONE) != 0)
        fuzz_failed("mmap: %s", strerror(errno));
    edge = base + ROOM;
}

static const uint8_t *
at_edge(const struct bytes *b)
{
    memcpy(edge - b->size, b->data, b->size);
    return edge - b->size;
}

static void
put(struct bytes *b, unsigned value)
{
    if (b->size < sizeof(b->data))
        b->data[b->size++] = (uint8_t)value;
}

static void
put_number(struct bytes *b, uint64_t number, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        put(b, (unsigned)(number >> 8 * i) & 0xff);
}

static void
put_text(struct bytes *b, const char *text)
{
    while (*text != '\0')
        put(b, (unsigned char)*text++);
}

/* ---- pickles ---- */

#define X(name, code) code,
static const uint8_t codes[] = { KITH__PICKLE_OPCODES(X) };
#undef X

static const char *const globals[] = {
    "builtins\nset\n",
    "builtins\nfrozenset\n",
    "builtins\nrange\n",
    "builtins\nbytearray\n",
    "_codecs\nencode\n",
    "copyreg\n_reconstructor\n",
    "decimal\nDecimal\n",
    "fractions\nFraction\n",
    "kith\nForeign\n",
    "builtins\ngetattr\n",
    "functools\npartial\n",
    "m\nC\n",
    "exceptions\nKeyError\n",
    "__builtin__\nxrange\n",
    "builtins\nlist\n",
    "multiprocessing.managers\nToken\n",
    "multiprocessing.managers\nRebuildProxy\n",
};
static const char *const texts[] = { "latin1",       "1.50",     "1/2",    "__new__",
                                     "get",          "#RETURN",  "#PROXY", "#ERROR",
                                     "\xed\xa0\x80", "\xc3\xa9", "" };

static void
put_line(struct bytes *b)
{
    static const char *const lines[] = { "0",   "01",          "-12345678901234567890L", "1.5e3",
                                         "nan", "'a\\x41\\n'", "\\u00e9\\\\u",           "3",
                                         "abc" };

    put_text(b, lines[fuzz_below(COUNTOF(lines))]);
    put(b, '\n');
}

static void
put_counted(struct bytes *b, unsigned width)
{
    const char *text = texts[fuzz_below(COUNTOF(texts))];

    put_number(b, fuzz_percent(3) ? fuzz_next() : strlen(text), width);
    put_text(b, text);
}

static void
put_operand(struct bytes *b, uint8_t code)
{
    switch (code) {
    case KITH__OP_GLOBAL:
    case KITH__OP_INST:
        put_text(b, globals[fuzz_below(COUNTOF(globals))]);
        break;
    case KITH__OP_INT:
    case KITH__OP_LONG:
    case KITH__OP_FLOAT:
    case KITH__OP_STRING:
    case KITH__OP_UNICODE:
    case KITH__OP_GET:
    case KITH__OP_PUT:
        put_line(b);
        break;
    case KITH__OP_BININT1:
    case KITH__OP_BINGET:
    case KITH__OP_BINPUT:
    case KITH__OP_PROTO:
        put(b, (unsigned)fuzz_below(code == KITH__OP_BININT1 ? 256 : 6));
        break;
    case KITH__OP_BININT2:
        put_number(b, fuzz_next(), 2);
        break;
    case KITH__OP_BININT:
        put_number(b, fuzz_next(), 4);
        break;
    case KITH__OP_LONG_BINGET:
    case KITH__OP_LONG_BINPUT:
        put_number(b, fuzz_percent(90) ? fuzz_below(8) : fuzz_next(), 4);
        break;
    case KITH__OP_BINFLOAT:
    case KITH__OP_FRAME:
        put_number(b, fuzz_next(), 8);
        break;
    case KITH__OP_LONG1:
    case KITH__OP_SHORT_BINBYTES:
    case KITH__OP_SHORT_BINUNICODE:
    case KITH__OP_SHORT_BINSTRING:
        put_counted(b, 1);
        break;
    case KITH__OP_LONG4:
    case KITH__OP_BINBYTES:
    case KITH__OP_BINUNICODE:
    case KITH__OP_BINSTRING:
        put_counted(b, 4);
        break;
    case KITH__OP_BINUNICODE8:
    case KITH__OP_BINBYTES8:
    case KITH__OP_BYTEARRAY8:
        put_counted(b, 8);
        break;
    default:
        break;
    }
}

static void
put_opcodes(struct bytes *b, uint64_t count)
{
    static const uint8_t refused[] = { KITH__OP_PERSID,     KITH__OP_BINPERSID, KITH__OP_EXT1,
                                       KITH__OP_EXT2,       KITH__OP_EXT4,      KITH__OP_STOP,
                                       KITH__OP_NEXT_BUFFER };

    while (count-- > 0) {
        uint8_t code = codes[fuzz_below(COUNTOF(codes))];

        if (memchr(refused, code, sizeof(refused)) != NULL && fuzz_percent(98))
            continue;
        put(b, code);
        put_operand(b, code);
    }
}

/* A value, whole, whatever stands on the stack. */
static void
put_value(struct bytes *b, unsigned depth)
{
    static const char containers[] = { KITH__OP_TUPLE, KITH__OP_LIST, KITH__OP_DICT };
    uint64_t count = fuzz_below(4);

    switch (fuzz_below(depth > 5 ? 3 : 8)) {
    case 0:
        put(b, KITH__OP_NONE);
        break;
    case 1:
        put(b, KITH__OP_BININT1);
        put(b, (unsigned)fuzz_below(256));
        break;
    case 2:
        put(b, KITH__OP_SHORT_BINUNICODE);
        put_counted(b, 1);
        break;
    case 3:
        put(b, KITH__OP_GLOBAL);
        put_operand(b, KITH__OP_GLOBAL);
        put(b, KITH__OP_MARK);
        while (count-- > 0)
            put_value(b, depth + 1);
        put(b, KITH__OP_TUPLE);
        put(b, fuzz_percent(70) ? KITH__OP_REDUCE : KITH__OP_NEWOBJ);
        put(b, KITH__OP_MEMOIZE);
        if (fuzz_percent(50)) {
            put_value(b, depth + 1);
            put(b, KITH__OP_BUILD);
        }
        break;
    case 4:
        put(b, KITH__OP_BINGET);
        put(b, (unsigned)fuzz_below(4));
        break;
    case 5:
        put(b, KITH__OP_EMPTY_LIST);
        put(b, KITH__OP_MEMOIZE);
        put_value(b, depth + 1);
        put(b, KITH__OP_APPEND);
        break;
    default:
        put(b, KITH__OP_MARK);
        for (count *= 2; count > 0; count--)
            put_value(b, depth + 1);
        put(b, (unsigned char)containers[fuzz_below(3)]);
        put(b, KITH__OP_MEMOIZE);
        break;
    }
}

static void
make_pickle(struct bytes *b)
{
    b->size = 0;
    if (fuzz_percent(80)) {
        put(b, KITH__OP_PROTO);
        put(b, 4);
    }
    if (fuzz_percent(70))
        put_value(b, 0);
    if (fuzz_percent(50))
        put_opcodes(b, fuzz_below(40));
    if (fuzz_percent(95))
        put(b, KITH__OP_STOP);
    for (uint64_t n = fuzz_percent(60) ? 0 : fuzz_below(4); n > 0 && b->size > 0; n--)
        b->data[fuzz_below(b->size)] = (uint8_t)fuzz_next();
}

static void
told(kith_err err, const char *call)
{
    if (err < 0 && kith_last_error()[0] == '\0')
        fuzz_failed("%s gave %d and no sentence", call, err);
}

/* Written, read and written again it is the same; unless circles are written out more than once. */
static void
rewrite(const struct kith__graph *graph, const struct kith__node *root)
{
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    struct kith__graph *again = kith__graph_new();
    struct kith__out first = { .size_max = WRITTEN_MAX }, second = { .size_max = WRITTEN_MAX };
    struct kith__survey survey;
    const struct kith__node *node;
    uint8_t *flat;

    if (kith__graph_survey(graph, root, &survey) < 0)
        fuzz_failed("no memory");
    if (kith__pickle_write(graph, root, &first) == KITH_OK) {
        flat = malloc(first.total);
        if (flat == NULL)
            fuzz_failed("no memory");
        kith__out_copy(&first, flat);
        if (kith__pickle_read(again, flat, first.total, &limits, NULL, 0, &node) < 0)
            fuzz_failed("what was written is not read: %s", kith_last_error());
        if (kith__pickle_write(again, node, &second) < 0 && second.err != KITH_ETOOBIG)
            fuzz_failed("what was written and read is not written: %s", kith_last_error());
        if (!survey.circular &&
            (first.total != second.total || memcmp(first.data, second.data, first.total) != 0))
            fuzz_failed("what was written, read and written is another");
        free(flat);
    }
    kith__survey_free(&survey);
    kith__out_free(&first);
    kith__out_free(&second);
    kith__graph_release(again);
}

static void
through_item(struct kith__graph *graph, const struct kith__node *root)
{
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    struct kith__made_item made;
    const struct kith__node *node;
    kith_err err = kith__item_from_node(graph, root, WRITTEN_MAX, NULL, &made);

    told(err, "kith__item_from_node()");
    if (err == KITH_OK) {
        if (kith__node_from_item(graph, &made.item, &limits, NULL, &node) < 0)
            fuzz_failed("an item is no value: %s", kith_last_error());
        kith__made_item_free(&made);
    }
    err = kith__key_from_node(graph, root, &made);
    told(err, "kith__key_from_node()");
    if (err == KITH_OK) {
        if (kith__node_from_item(graph, &made.item, &limits, NULL, &node) < 0)
            fuzz_failed("a key is no value: %s", kith_last_error());
        kith__made_item_free(&made);
    }
}

static void
pickle_round(void)
{
    const struct kith__pickle_limits limits = {
        .size = ROOM, .nodes = 3000, .depth = 500, .memory = (size_t)1 << 22
    };
    struct bytes b;

    make_edge();
    for (int i = 0; i < CASES; i++) {
        struct kith__graph *graph = kith__graph_new();
        const struct kith__span buffer = { (const uint8_t *)"buffer", 6 };
        const struct kith__node *root;
        struct kith__request request;
        struct kith__reply reply;
        kith_err err;

        make_pickle(&b);
        fuzz_doing("kith__pickle_read");
        err = kith__pickle_read(graph, at_edge(&b), b.size, &limits, &buffer, 1, &root);
        told(err, "kith__pickle_read()");
        fuzz_tally(err == KITH_OK ? FUZZ_OPENED : FUZZ_REFUSED);
        if (err == KITH_OK) {
            fuzz_doing("kith__pickle_write");
            rewrite(graph, root);
            told(kith__request_read(root, &request), "kith__request_read()");
            told(kith__reply_read(root, &reply), "kith__reply_read()");
            fuzz_doing("kith__item_from_node");
            through_item(graph, root);
        }
        kith__graph_release(graph);
    }
}

/* ---- what comes first ---- */

static void
make_noise(struct bytes *b, uint64_t size_max)
{
    static const char *const starts[] = { "",           "#CHALLENGE#", "#CHALLENGE#{sha256}",
                                          "#WELCOME#",  "#FAILURE#",   "{sha256}",
                                          "{sha3_384}", "{md5}" };

    b->size = 0;
    put_text(b, starts[fuzz_below(COUNTOF(starts))]);
    for (uint64_t n = fuzz_below(size_max); n > 0; n--)
        put(b, (unsigned)fuzz_next() & 0xff);
}

static void
handshake_round(void)
{
    struct bytes b;

    make_edge();
    for (int i = 0; i < CASES; i++) {
        struct kith__handshake handshake;
        bool server = fuzz_percent(50);

        if (kith__handshake_begin(&handshake, server, "key", 3) < 0)
            fuzz_failed("%s", kith_last_error());
        for (int j = 0; j < 5 && handshake.step != KITH__HANDSHAKE_FAILED; j++) {
            make_noise(&b, 300);
            fuzz_doing("kith__handshake_take");
            told(kith__handshake_take(&handshake, at_edge(&b), b.size), "kith__handshake_take()");
            if (handshake.proved || handshake.step == KITH__HANDSHAKE_DONE)
                fuzz_failed("noise was taken for the proof of a key");
        }
    }
}

static void
frame_round(void)
{
    struct kith__frame frame;
    struct bytes b;

    make_edge();
    for (int i = 0; i < CASES; i++) {
        const uint8_t *data;
        kith_err err;

        make_noise(&b, 40);
        if (fuzz_percent(50) && b.size >= 12)
            memset(b.data, fuzz_percent(30) ? 0xff : 0, 3 + fuzz_below(6));
        data = at_edge(&b);
        fuzz_doing("kith__frame_read");
        err = kith__frame_read(data, b.size, fuzz_percent(50) ? 256 : UINT64_MAX, &frame);
        told(err, "kith__frame_read()");
        fuzz_tally(err == KITH_OK ? FUZZ_OPENED : FUZZ_REFUSED);
        if (err == KITH_OK && frame.whole &&
            (frame.taken > b.size || frame.payload + frame.size != data + frame.taken))
            fuzz_failed("a frame lies outside of what came");
        if (err == KITH_OK && !frame.whole && frame.needed <= b.size)
            fuzz_failed("a frame needs no more than came, and is not whole");
    }
}

int
main(int argc, char **argv)
{
    static const struct fuzz_kind kinds[] = {
        { "pickles", 3000, pickle_round },
        { "handshakes", 1000, handshake_round },
        { "frames", 500, frame_round },
    };

    return fuzz_main(argc, argv, kinds, COUNTOF(kinds));
}
