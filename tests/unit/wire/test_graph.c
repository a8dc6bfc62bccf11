/*
 * test_graph.c - nodes, and the walks over them.
 */
#include "unit.h"

#include "base/alloc.h"
#include "wire/graph.h"

static void
graph_has_numbers_of_any_size(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        bool big;
        int64_t integer;
    } cases[] = {
        { "", 0, false, 0 },
        { "\xff", 1, false, -1 },
        { "\xff\0", 2, false, 255 },
        { "\x01\0\0\0\0\0\0\0\0\0\0\0", 12, false, 1 },
        { "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10, false, -1 },
        { "\0\0\0\0\0\0\0\x80", 8, false, INT64_MIN },
        { "\0\0\0\0\0\0\0\x80\0\0", 10, true, 9 },
        { "\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff", 10, true, 9 },
    };
    struct kith__graph *graph = kith__graph_new();

    for (size_t i = 0; i < COUNTOF(cases); i++) {
        const struct kith__node *node =
            kith__node_bigint(graph, (const uint8_t *)cases[i].bytes, cases[i].size);

        assert_int_equal(cases[i].big ? KITH__NODE_BIGINT : KITH__NODE_INT, node->kind);
        assert_int_equal(cases[i].integer,
                         cases[i].big ? (int64_t)node->bytes.size : node->integer);
    }
    kith__graph_release(graph);
    (void)state;
}

static void
graph_takes_text_with_surrogates_and_nothing_worse(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    static const char *const loose[] = { "\xed\xa0\x80",
                                         "a\xed\xbf\xbf"
                                         "b",
                                         "\xed\xa0\x80\xed\xb0\x80" };
    static const char *const wrong[] = {
        "\x80", "\xed\xa0", "\xc3\xed\xa0\x80", "\xed\xa0\x80\xff", "\xf5\x80\x80\x80", "\xc0\x80"
    };

    assert_true(kith__node_text(graph, "\xe2\x82\xac")->strict);
    for (size_t i = 0; i < COUNTOF(loose); i++)
        assert_false(kith__node_text(graph, loose[i])->strict);
    for (size_t i = 0; i < COUNTOF(wrong); i++)
        assert_null(kith__node_text(graph, wrong[i]));
    kith__graph_release(graph);
    (void)state;
}

static void
graph_grows_what_it_is_given(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    struct kith__node *list = kith__node_run(graph, KITH__NODE_LIST, NULL, 0);
    struct kith__node *object =
        kith__node_object(graph, KITH__NODE_NEWOBJ, kith__node_global(graph, "m", "C"),
                          kith__node_tuple(graph, 0), NULL);

    for (int64_t i = 0; i < 10000; i++) {
        const struct kith__node *item = kith__node_int(graph, i);

        assert_true(kith__node_extend(graph, list, &item, 1));
        assert_true(kith__node_act(graph, object, KITH__ACT_APPEND, item, NULL));
    }
    for (int64_t i = 0; i < 10000; i++) {
        assert_int_equal(i, list->run.items[i]->integer);
        assert_int_equal(i, object->made.acts->list[i].first->integer);
    }
    assert_true(kith__graph_adopt(graph, kith__malloc(100)));
    kith__graph_hold(graph);
    kith__graph_release(graph);
    assert_int_equal(9999, list->run.items[9999]->integer);
    kith__graph_release(graph);
    (void)state;
}

static void
graph_passes_a_failure_on_to_what_was_to_contain_it(void **state)
{
    struct kith__graph *graph = kith__graph_new();

    assert_null(kith__node_tuple(graph, 2, kith__node_none(graph), kith__node_text(graph, "\xff")));
    assert_null(kith__node_object(graph, KITH__NODE_REDUCE, kith__node_global(graph, "m", "f"),
                                  kith__node_tuple(graph, 1, NULL), NULL));
    kith__graph_release(graph);
    (void)state;
}

static void
graph_recognises_calls_by_name(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    const struct kith__node *call =
        kith__node_object(graph, KITH__NODE_REDUCE, kith__node_global(graph, "builtins", "range"),
                          kith__node_tuple(graph, 1, kith__node_int(graph, 3)), NULL);

    assert_true(kith__node_is_call(call, "builtins", "range", 1));
    assert_false(kith__node_is_call(call, "builtins", "range", 2));
    assert_false(kith__node_is_call(call, "builtin", "range", 0));
    assert_false(kith__node_is_call(call, "builtins", "ranges", 0));
    kith__graph_release(graph);
    (void)state;
}

static void
survey_finds_depth_places_and_circles(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    const struct kith__node *one = kith__node_int(graph, 1);
    const struct kith__node *pair = kith__node_tuple(graph, 2, one, one);
    struct kith__node *list = kith__node_run(graph, KITH__NODE_LIST, &pair, 1);
    const struct kith__node *root = kith__node_tuple(graph, 2, list, pair);
    struct kith__survey survey;

    EXPECT_OK(kith__graph_survey(graph, root, &survey));
    assert_int_equal(4, survey.depth);
    assert_int_equal(4, survey.nodes);
    assert_false(survey.circular);
    assert_int_equal(2, survey.places[pair->number]);
    assert_int_equal(1, survey.places[list->number]);
    kith__survey_free(&survey);

    assert_true(kith__node_extend(graph, list, &root, 1));
    EXPECT_OK(kith__graph_survey(graph, root, &survey));
    assert_true(survey.circular);
    assert_int_equal(2, survey.places[root->number]);
    kith__survey_free(&survey);
    kith__graph_release(graph);
    (void)state;
}

static bool
count_and_stop_at_lists(void *arg, const struct kith__node *node)
{
    (*(size_t *)arg)++;
    return node->kind != KITH__NODE_LIST;
}

static void
walk_comes_to_each_node_once_and_not_behind_a_no(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    const struct kith__node *hidden = kith__node_int(graph, 1), *none = kith__node_none(graph);
    struct kith__node *list = kith__node_run(graph, KITH__NODE_LIST, &hidden, 1);
    struct kith__node *object =
        kith__node_object(graph, KITH__NODE_NEWOBJ, kith__node_global(graph, "m", "C"),
                          kith__node_tuple(graph, 1, list), NULL);
    size_t count = 0;

    assert_true(kith__node_act(graph, object, KITH__ACT_SETITEM, none, list));
    assert_true(kith__node_act(graph, object, KITH__ACT_BUILD, object, NULL));
    EXPECT_OK(kith__graph_each(graph, object, count_and_stop_at_lists, &count));
    assert_int_equal(5, count);
    kith__graph_release(graph);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_has_numbers_of_any_size),
        cmocka_unit_test(graph_takes_text_with_surrogates_and_nothing_worse),
        cmocka_unit_test(graph_grows_what_it_is_given),
        cmocka_unit_test(graph_passes_a_failure_on_to_what_was_to_contain_it),
        cmocka_unit_test(graph_recognises_calls_by_name),
        cmocka_unit_test(survey_finds_depth_places_and_circles),
        cmocka_unit_test(walk_comes_to_each_node_once_and_not_behind_a_no),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
