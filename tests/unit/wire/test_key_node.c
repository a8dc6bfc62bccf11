/*
 * test_key_node.c - values of any kind as keys: what is equal in Python is one key.
 */
#include "unit.h"

#include "base/key.h"
#include "wire/item_node.h"
#include "wire/key_node.h"
#include "wire/pickle_read.h"
#include "wire/pickle_write.h"

static const uint64_t seed[2] = { 1, 2 };

static kith_err
key_of(struct kith__graph *graph, const struct kith__span pickle, struct kith__made_item *made_out)
{
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    const struct kith__node *root;

    EXPECT_OK(kith__pickle_read(graph, pickle.data, pickle.size, &limits, NULL, 0, &root));
    return kith__key_from_node(graph, root, made_out);
}

/* Whether two pickles, of literals, are one key; and each is the same in a tuple. */
static bool
same(struct kith__span a, struct kith__span b)
{
    struct kith__graph *graph = kith__graph_new();
    struct kith__made_item left, right;
    struct kith__key probe;
    bool is_same;
    uint8_t word[8];

    EXPECT_OK(key_of(graph, a, &left));
    EXPECT_OK(key_of(graph, b, &right));
    EXPECT_OK(kith__key_make(seed, left.item, &probe));
    memcpy(word, &right.item.integer, sizeof(word));
    is_same = kith__key_same(&probe, (uint8_t)right.item.type,
                             right.item.type <= KITH_TYPE_FLOAT ? word : right.item.data,
                             right.item.type <= KITH_TYPE_FLOAT ? 8 : right.item.size);
    kith__key_free(&probe);
    kith__made_item_free(&left);
    kith__made_item_free(&right);
    kith__graph_release(graph);
    return is_same;
}

#define P(text) ((struct kith__span){ (const uint8_t *)(text), sizeof(text) - 1 })
#define DECIMAL(text) P("cdecimal\nDecimal\n(V" text "\ntR.")

static void
key_of_a_number_is_that_of_any_that_equals_it(void **state)
{
    assert_true(same(DECIMAL("1"), P("K\x01.")));
    assert_true(same(DECIMAL("1.00"), DECIMAL("1")));
    assert_true(same(DECIMAL("-120E+1"), P("I-1200\n.")));
    assert_true(same(DECIMAL("0.00"), DECIMAL("-0E+5")));
    assert_true(same(DECIMAL("0.10"), DECIMAL("1E-1")));
    assert_true(same(DECIMAL("1E+30"), P("L1000000000000000000000000000000L\n.")));
    assert_false(same(DECIMAL("0.1"), DECIMAL("0.2")));
    assert_false(same(DECIMAL("1E+9000"), DECIMAL("1E+9001")));
    assert_true(same(DECIMAL("NaN"), DECIMAL("NaN")));
    assert_true(
        same(P("cfractions\nFraction\n(V1/2\ntR."), P("cfractions\nFraction\n(K\x01K\x02tR.")));
    assert_true(same(P("cfractions\nFraction\n(V3\ntR."), P("K\x03.")));
    assert_true(same(P("cfractions\nFraction\n(K\x03K\x01tR."), P("K\x03.")));
    assert_true(same(P("(cdecimal\nDecimal\n(V2.0\ntRK\x01t."), P("(K\x02K\x01t.")));
    (void)state;
}

static void
key_of_an_object_goes_by_its_parts(void **state)
{
    /* C() with attributes a=1, b=2, in both orders; and with others. */
    assert_true(
        same(P("cm\nC\n)\x81}(Va\nK\x01Vb\nK\x02ub."), P("cm\nC\n)\x81}(Vb\nK\x02Va\nK\x01ub.")));
    assert_false(
        same(P("cm\nC\n)\x81}(Va\nK\x01Vb\nK\x02ub."), P("cm\nC\n)\x81}(Va\nK\x01Vb\nK\x03ub.")));
    assert_false(same(P("cm\nC\n)\x81."), P("cm\nD\n)\x81.")));
    /* One that has the same str twice, as one or as two. */
    assert_true(same(P("cm\nC\n(Vlonger\nVlonger\ntR."), P("cm\nC\n(Vlonger\n2tR.")));
    /* frozenset({1, 2}), members in both orders, and by its name, as protocol 3 has it. */
    assert_true(same(P("(K\x01K\x02\x91."), P("(K\x02K\x01\x91.")));
    assert_true(same(P("(K\x01K\x02\x91."), P("cbuiltins\nfrozenset\n]K\x02"
                                              "aK\x01"
                                              "a\x85R.")));
    assert_false(same(P("(K\x01K\x02\x91."), P("(K\x01K\x03\x91.")));
    assert_true(same(P("cbuiltins\nEllipsis\n."), P("\x8c\x08"
                                                    "builtins\x8c\x08"
                                                    "Ellipsis\x93.")));
    (void)state;
}

static void
key_that_python_cannot_hash_is_refused_in_its_words(void **state)
{
    const struct {
        struct kith__span pickle;
        const char *sentence;
    } cases[] = { { P("]."), "unhashable type: 'list'" },
                  { P("}."), "unhashable type: 'dict'" },
                  { P("\x8f."), "unhashable type: 'set'" },
                  { P("(K\x01]t."), "unhashable type: 'list'" },
                  { P("\x96\0\0\0\0\0\0\0\0."), "unhashable type: 'bytearray'" } };

    for (size_t i = 0; i < COUNTOF(cases); i++) {
        struct kith__graph *graph = kith__graph_new();
        struct kith__made_item made;

        EXPECT_RC(KITH_ETYPE, key_of(graph, cases[i].pickle, &made));
        assert_string_equal(cases[i].sentence, kith_last_error());
        kith__graph_release(graph);
    }
    (void)state;
}

static void
key_that_contains_itself_is_refused(void **state)
{
    struct kith__graph *graph = kith__graph_new();
    struct kith__made_item made;

    EXPECT_RC(KITH_ETOOBIG, key_of(graph, P("cm\nC\n)\x81q\x01}Va\nh\x01sb."), &made));
    kith__graph_release(graph);
    (void)state;
}

static void
key_comes_back_as_the_object_it_was(void **state)
{
    static const uint8_t pickle[] = "\x80\x04\x8c\x01m\x8c\x01"
                                    "C\x93)\x81}\x8c\x01"
                                    "aK\x01sb.";
    const struct kith__pickle_limits limits = KITH__PICKLE_LIMITS;
    struct kith__graph *graph = kith__graph_new();
    struct kith__out out = { .size_max = 0 };
    struct kith__made_item made;
    const struct kith__node *node;

    EXPECT_OK(key_of(graph, (struct kith__span){ pickle, sizeof(pickle) - 1 }, &made));
    assert_int_equal(KITH_TYPE_PACKED, made.item.type);
    EXPECT_OK(kith__node_from_item(graph, &made.item, &limits, NULL, &node));
    EXPECT_OK(kith__pickle_write(graph, node, &out));
    assert_int_equal(sizeof(pickle) - 1, out.total);
    assert_memory_equal(pickle, out.data, out.total);
    kith__out_free(&out);
    kith__made_item_free(&made);
    kith__graph_release(graph);
    (void)state;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(key_of_a_number_is_that_of_any_that_equals_it),
        cmocka_unit_test(key_of_an_object_goes_by_its_parts),
        cmocka_unit_test(key_that_python_cannot_hash_is_refused_in_its_words),
        cmocka_unit_test(key_that_contains_itself_is_refused),
        cmocka_unit_test(key_comes_back_as_the_object_it_was),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
