/*
 * test_manager_msg.c - requests as CPython sends them, replies as it reads them, byte by byte.
 */
#include "unit.h"

#include "wire/manager_msg.h"
#include "wire/pickle_read.h"

static uint8_t bytes[512];

static size_t
from_hex(const char *text)
{
    size_t size = 0;

    for (; *text != '\0'; text++) {
        unsigned byte;

        if (*text == ' ')
            continue;
        assert_int_equal(1, sscanf(text, "%2x", &byte));
        bytes[size++] = (uint8_t)byte;
        text++;
    }
    return size;
}

static const struct kith__node *
read_hex(struct kith__graph *graph, const char *text)
{
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    const struct kith__node *root = NULL;

    EXPECT_OK(kith__pickle_read(graph, bytes, from_hex(text), &limits, NULL, 0, &root));
    return root;
}

static bool
says(struct kith__span span, const char *text)
{
    return span.size == strlen(text) && memcmp(span.data, text, span.size) == 0;
}

static void
expect_reply(struct kith__graph *graph, const char *hex, enum kith__reply_kind kind,
             const struct kith__node *value)
{
    struct kith__out out = { .size_max = 0 };
    size_t size = from_hex(hex);

    EXPECT_OK(kith__reply_write(graph, kind, value, &out));
    assert_int_equal(size, out.total);
    assert_memory_equal(bytes, out.data, size);
    kith__out_free(&out);
}

static void
request_of_each_version_is_read(void **state)
{
    static const char *const hex[] = {
        "80 04 95 1900000000000000 28 4e 8c 06 637265617465 94 8c 04 64696374 94 85 94 7d 94 74 94 "
        "2e",
        "80 03 28 4e 58 06000000 637265617465 71 00 58 04000000 64696374 71 01 85 71 02 7d 71 03 "
        "74 71 04 2e",
    };
    struct kith__request request;

    for (size_t i = 0; i < COUNTOF(hex); i++) {
        struct kith__graph *graph = kith__graph_new();

        EXPECT_OK(kith__request_read(read_hex(graph, hex[i]), &request));
        assert_false(request.has_ident);
        assert_true(says(request.method, "create"));
        assert_int_equal(1, request.arguments->run.count);
        assert_true(kith__node_says(kith__request_argument(&request, 0, NULL), "dict"));
        assert_null(kith__request_argument(&request, 1, "x"));
        assert_int_equal(0, request.keywords->run.count);
        kith__graph_release(graph);
    }
    (void)state;
}

static void
request_may_have_its_own_name_as_an_argument(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    struct kith__request request;

    EXPECT_OK(kith__request_read(read_hex(graph, "80 04 95 1700000000000000 28 8c 04 31303030 94 "
                                                 "8c 03 676574 94 68 01 85 94 7d 94 74 94 2e"),
                                 &request));
    assert_true(request.has_ident && says(request.ident, "1000"));
    assert_true(says(request.method, "get"));
    assert_true(kith__node_says(request.arguments->run.items[0], "get"));
    kith__graph_release(graph);
    (void)state;
}

static void
request_is_read_as_it_was_written(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    const struct kith__node *pair[2] = { kith__node_text(graph, "timeout"),
                                         kith__node_float(graph, 0.5) };
    struct kith__request request = { .has_ident = true,
                                     .ident = { (const uint8_t *)"7", 1 },
                                     .method = { (const uint8_t *)"get", 3 },
                                     .arguments =
                                         kith__node_tuple(graph, 1, kith__node_bool(graph, true)),
                                     .keywords = kith__node_run(graph, KITH__NODE_DICT, pair, 2) };
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    struct kith__out out = { .size_max = 0 };
    const struct kith__node *root, *timeout;
    struct kith__request again;

    EXPECT_OK(kith__request_write(graph, &request, &out));
    EXPECT_OK(kith__pickle_read(graph, out.data, out.total, &limits, NULL, 0, &root));
    EXPECT_OK(kith__request_read(root, &again));
    assert_true(says(again.ident, "7") && says(again.method, "get"));
    timeout = kith__request_argument(&again, 1, "timeout");
    assert_non_null(timeout);
    assert_true(timeout->kind == KITH__NODE_FLOAT && timeout->real > 0.4);
    assert_true(kith__request_argument(&again, 0, "block")->boolean);
    kith__out_free(&out);
    kith__graph_release(graph);
    (void)state;
}

static void
request_that_is_none_is_refused(void **state)
{
    static const char *const hex[] = {
        "4e 2e",                                  /* None */
        "4e 8c 01 61 29 87 2e",                   /* (None, 'a', ()) */
        "28 4b 01 8c 01 61 29 7d 74 2e",          /* an ident of 1 */
        "28 4e 4e 29 7d 74 2e",                   /* no name */
        "28 4e 8c 01 61 4e 7d 74 2e",             /* no arguments */
        "28 4e 8c 01 61 29 4e 74 2e",             /* no keywords */
        "28 4e 8c 01 61 29 7d 4b 01 4e 73 74 2e", /* a keyword of 1 */
    };
    struct kith__request request;

    for (size_t i = 0; i < COUNTOF(hex); i++) {
        struct kith__graph *graph = kith__graph_new();

        EXPECT_RC(KITH_EINVAL, kith__request_read(read_hex(graph, hex[i]), &request));
        kith__graph_release(graph);
    }
    (void)state;
}

static void
reply_is_written_as_every_version_reads_it(void **state)
{
    static const char *const lock[] = { "acquire", "release" };
    static const char *const iterator[] = { "__next__", "send", "throw", "close" };
    struct kith__graph *graph = kith__graph_new();
    struct kith__token token = { .typeid = { (const uint8_t *)"Iterator", 8 },
                                 .address =
                                     kith__node_tuple(graph, 2, kith__node_text(graph, "127.0.0.1"),
                                                      kith__node_int(graph, 0x8a41)),
                                 .id = { (const uint8_t *)"101", 3 } };

    expect_reply(graph, "80 04 8c 07 2352455455524e 4e 86 2e", KITH__REPLY_RETURN,
                 kith__node_none(graph));
    expect_reply(graph, "80 04 8c 07 2352455455524e 88 86 2e", KITH__REPLY_RETURN,
                 kith__node_bool(graph, true));
    expect_reply(graph,
                 "80 04 8c 07 2352455455524e 8c 04 31303030 8c 07 61637175697265 "
                 "8c 07 72656c65617365 86 86 86 2e",
                 KITH__REPLY_RETURN,
                 kith__node_tuple(graph, 2, kith__node_text(graph, "1000"),
                                  kith__names_node(graph, lock, 2)));
    expect_reply(graph,
                 "80 04 8c 06 234552524f52 8c 08 6275696c74696e73 8c 08 4b65794572726f72 93 "
                 "8c 04 6e6f7065 85 52 86 2e",
                 KITH__REPLY_ERROR, kith__exception_says(graph, KITH__EXCEPTION_KEY_ERROR, "nope"));
    expect_reply(graph, "80 04 8c 06 234552524f52 8c 05 7175657565 8c 05 456d707479 93 29 52 86 2e",
                 KITH__REPLY_ERROR, kith__exception_says(graph, KITH__EXCEPTION_EMPTY, NULL));
    expect_reply(graph,
                 "80 04 8c 06 2350524f5859 28 8c 08 5f5f6e6578745f5f 8c 04 73656e64 "
                 "8c 05 7468726f77 8c 05 636c6f7365 74 "
                 "8c 18 6d756c746970726f63657373696e672e6d616e6167657273 8c 05 546f6b656e 93 29 81 "
                 "8c 08 4974657261746f72 8c 09 3132372e302e302e31 4d 418a 86 8c 03 313031 87 62 "
                 "86 86 2e",
                 KITH__REPLY_PROXY,
                 kith__reply_proxy(graph, kith__names_node(graph, iterator, 4), &token));
    kith__graph_release(graph);
    (void)state;
}

static void
reply_is_read_as_it_was_written(void **state)
{
    static const char *const names[] = { "get" };
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    struct kith__graph *graph = kith__graph_new();
    struct kith__token token = { .typeid = { (const uint8_t *)"dict", 4 },
                                 .address = kith__node_text(graph, "/run/x"),
                                 .id = { (const uint8_t *)"9", 1 } };
    const struct kith__node *values[] = {
        kith__proxy_node(graph, "DictProxy", &token, NULL),
        kith__reply_proxy(graph, kith__names_node(graph, names, 1), &token),
        kith__exception_says(graph, KITH__EXCEPTION_FULL, NULL),
        kith__node_text(graph, "Traceback\n"),
        kith__node_text(graph, "no\n"),
    };

    for (size_t kind = 0; kind < COUNTOF(values); kind++) {
        struct kith__out out = { .size_max = 0 };
        struct kith__proxy proxy;
        struct kith__reply reply;
        const struct kith__node *root;

        EXPECT_OK(kith__reply_write(graph, (enum kith__reply_kind)kind, values[kind], &out));
        EXPECT_OK(kith__pickle_read(graph, out.data, out.total, &limits, NULL, 0, &root));
        EXPECT_OK(kith__reply_read(root, &reply));
        assert_int_equal(kind, reply.kind);
        if (reply.kind == KITH__REPLY_RETURN) {
            assert_true(kith__proxy_read(reply.value, &proxy));
            assert_true(says(proxy.token.id, "9") && says(proxy.token.typeid, "dict"));
            assert_true(kith__node_says(proxy.token.address, "/run/x"));
        } else if (reply.kind == KITH__REPLY_PROXY) {
            assert_true(says(reply.token.id, "9"));
            assert_int_equal(1, reply.exposed->run.count);
        } else if (reply.kind == KITH__REPLY_ERROR) {
            assert_int_equal(KITH__EXCEPTION_FULL, reply.exception.kind);
        }
        kith__out_free(&out);
    }
    kith__graph_release(graph);
    (void)state;
}

static void
reply_that_is_none_is_refused(void **state)
{
    static const char *const hex[] = {
        "4e 2e",
        "8c 07 2352455455524e 85 2e",    /* ('#RETURN',) */
        "8c 07 2352455455524f 4e 86 2e", /* ('#RETURO', None) */
        "8c 06 2350524f5859 29 86 2e",   /* ('#PROXY', ()) */
        "8c 06 234552524f52 4e 86 2e",   /* ('#ERROR', None) */
        "8c 0a 23545241434542414349 4e 86 2e",
    };
    struct kith__reply reply;

    for (size_t i = 0; i < COUNTOF(hex); i++) {
        struct kith__graph *graph = kith__graph_new();

        EXPECT_RC(KITH_EINVAL, kith__reply_read(read_hex(graph, hex[i]), &reply));
        kith__graph_release(graph);
    }
    (void)state;
}

static void
range_and_slice_are_taken_apart(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    struct kith__range range;

    /* range(0, 10, 1); slice(1, None, None) */
    assert_true(kith__range_read(read_hex(graph, "8c 08 6275696c74696e73 8c 05 72616e6765 93 4b 00 "
                                                 "4b 0a 4b 01 87 52 2e"),
                                 &range));
    assert_int_equal(10, range.stop->integer);
    assert_false(kith__slice_read(kith__node_none(graph), &range));
    assert_true(kith__slice_read(read_hex(graph, "8c 08 6275696c74696e73 8c 05 736c696365 93 4b 01 "
                                                 "4e 4e 87 52 2e"),
                                 &range));
    assert_int_equal(1, range.start->integer);
    assert_null(range.stop);
    assert_null(range.step);
    kith__graph_release(graph);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_of_each_version_is_read),
        cmocka_unit_test(request_may_have_its_own_name_as_an_argument),
        cmocka_unit_test(request_is_read_as_it_was_written),
        cmocka_unit_test(request_that_is_none_is_refused),
        cmocka_unit_test(reply_is_written_as_every_version_reads_it),
        cmocka_unit_test(reply_is_read_as_it_was_written),
        cmocka_unit_test(reply_that_is_none_is_refused),
        cmocka_unit_test(range_and_slice_are_taken_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
