#include "queue_stage.h"

/* A process that does not exist. */
#define SOMEBODY (UINT64_C(1) << 16 | 4000)

static kith_err
ack(struct kith__lent lent)
{
    return kith__queue_ack(stage.self, &queue, &lent);
}

static kith_err
nack(struct kith__lent lent)
{
    return kith__queue_nack(stage.self, &queue, &lent);
}

static kith_err
extend(struct kith__lent lent, int64_t seconds)
{
    return kith__queue_extend(stage.self, &queue, &lent, seconds < 0 ? -1 : seconds * NS_PER_S);
}

/* The nodes of a list of what is lent, from the first on. */
static void
expect_lent(const kith__word *first, const kith__word *last, const struct kith__lent *lent,
            size_t count)
{
    uint64_t off = kith__load(first), before = 0;

    for (size_t i = 0; i < count; i++) {
        assert_int_equal(lent[i].node, off);
        assert_int_equal(before, kith__load(&node_of(off)->prev));
        before = off;
        off = kith__load(&node_of(off)->next);
    }
    assert_int_equal(0, off);
    assert_int_equal(before, kith__load(last));
}
#define EXPECT_LENT(...)                                                                           \
    expect_lent(&root->lent_first, &root->lent_last, (const struct kith__lent[]){ __VA_ARGS__ },   \
                COUNTOF(((const struct kith__lent[]){ __VA_ARGS__ })))
#define EXPECT_TIMED(...)                                                                          \
    expect_lent(&root->timed_first, &root->timed_last, (const struct kith__lent[]){ __VA_ARGS__ }, \
                COUNTOF(((const struct kith__lent[]){ __VA_ARGS__ })))

/* ---- Lending ------------------------------------------------------------------------------ */

static void
what_is_lent_names_its_owner_and_has_a_fence_of_its_own(void **unused)
{
    struct kith__lent one, two;
    struct kith__node *node;

    (void)unused;
    make_queue(0);
    put_ints(1, 3);
    one = lease_int(1, -1);
    two = lease_int(2, -1);
    assert_int_equal(one.fence + 1, two.fence);
    assert_int_equal(two.fence, kith__load(&root->fence));
    node = node_of(one.node);
    assert_int_equal(kith__owner_of(stage.arena, stage.arena->holder), kith__load(&node->owner));
    assert_int_equal(one.fence, kith__load(&node->fence)); /* Q3 */
    assert_int_equal(1, kith__load(&node->attempts));
    assert_int_equal(1, kith__load(&node->ticket)); /* its place is what it was */
    assert_int_equal(0, one.attempts);
    assert_int_equal(2, kith__load(&root->lent_count)); /* Q2 */
    assert_int_equal(2, kith__load(&root->nodes));
    assert_int_equal(2, counts().total); /* Q1 */
    EXPECT_LENT(one, two);
    EXPECT_WHOLE(&stage);
    EXPECT_OK(ack(one));
    EXPECT_OK(ack(two));
    assert_int_equal(0, kith__load(&root->nodes) + kith__load(&root->lent_first));
    close_queue();
}

static void
leases_with_a_limit_stand_by_the_end_of_it(void **unused)
{
    struct kith__lent lent[5];
    struct kith__lent whole;

    (void)unused;
    make_queue(0);
    put_ints(0, 6);
    lent[0] = lease_int(0, 50);
    lent[1] = lease_int(1, 10);
    lent[2] = lease_int(2, 30);
    whole = lease_int(3, -1);
    lent[3] = lease_int(4, 30); /* of two alike the later is behind */
    lent[4] = lease_int(5, 60);
    EXPECT_TIMED(lent[1], lent[2], lent[3], lent[0], lent[4]);
    EXPECT_LENT(whole);
    EXPECT_OK(ack(lent[2]));
    EXPECT_TIMED(lent[1], lent[3], lent[0], lent[4]);
    EXPECT_OK(extend(lent[1], 55));
    EXPECT_TIMED(lent[3], lent[0], lent[1], lent[4]);
    EXPECT_OK(extend(lent[3], -1));
    EXPECT_TIMED(lent[0], lent[1], lent[4]);
    EXPECT_LENT(whole, lent[3]);
    EXPECT_OK(extend(whole, 1));
    EXPECT_TIMED(whole, lent[0], lent[1], lent[4]);
    assert_int_equal(kith__load(&node_of(whole.node)->due), kith__load(&root->next_due));
    EXPECT_WHOLE(&stage);
    pass_time(52);
    assert_int_equal(5, counts().lent); /* nobody has looked yet */
    EXPECT_RC(KITH_EGONE, ack(whole));
    EXPECT_TIMED(lent[1], lent[4]);
    assert_int_equal(2, counts().ready);
    close_queue();
}

static void
a_lease_that_was_lost_is_nobodys(void **unused)
{
    struct kith__lent lent, wrong, again;

    (void)unused;
    make_queue(0);
    put_ints(1, 2);
    lent = lease_int(1, -1);
    wrong = lent;
    wrong.fence++;
    EXPECT_RC(KITH_EGONE, ack(wrong));
    EXPECT_RC(KITH_EGONE, nack(wrong));
    EXPECT_RC(KITH_EGONE, extend(wrong, 1));
    wrong = lent;
    wrong.node += 16; /* no node, or another one's middle */
    EXPECT_RC(KITH_EGONE, ack(wrong));
    EXPECT_OK(nack(lent));
    EXPECT_RC(KITH_EGONE, nack(lent));
    again = lease_int(1, -1);
    assert_int_equal(lent.node, again.node);
    assert_int_equal(1, again.attempts);
    EXPECT_RC(KITH_EGONE, ack(lent)); /* of the same node, with the fence of before */
    EXPECT_OK(ack(again));
    EXPECT_RC(KITH_EGONE, ack(again));
    queue.id++;
    EXPECT_RC(KITH_EGONE, ack(again));
    queue.id--;
    assert_int_equal(0, stage.self->depth);
    close_queue();
}

static void
what_comes_back_has_the_place_it_had(void **unused)
{
    struct kith__lent lent[3];

    (void)unused;
    make_queue(0);
    put_ints(0, 5);
    put_aside(10, 5, 0);
    lent[0] = lease_int(10, -1);
    lent[1] = lease_int(0, -1);
    lent[2] = lease_int(1, 10);
    EXPECT_OK(nack(lent[2]));
    EXPECT_OK(nack(lent[1]));
    EXPECT_OK(nack(lent[0]));
    assert_int_equal(0, kith__load(&root->next_due));
    assert_int_equal(10, get_int());
    get_ints(0, 5);
    close_queue();
}

/* ---- Often enough ------------------------------------------------------------------------- */

static void
what_was_lent_as_often_as_it_may_is_given_up(void **unused)
{
    (void)unused;
    make_with(&(struct kith__queue_making){ .attempts_max = 2 });
    put_ints(1, 3);
    EXPECT_OK(nack(lease_int(1, -1)));
    EXPECT_OK(nack(lease_int(1, -1)));
    assert_int_equal(1, kith__load(&root->dead_count));
    assert_int_equal(1, counts().total);
    assert_int_equal(0, kith__load(&root->nodes));
    get_ints(2, 3);
    expect_empty();
    close_queue();
}

static void
dead_letters_come_to_the_other_queue_at_the_end_of_it(void **unused)
{
    struct kith__queue letters;
    struct kith__queue_root *others;
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith_item item = KITH_INT(100);

    (void)unused;
    letters = make_with_letters(1);
    others = kith__queue_root(&letters);
    EXPECT_OK(kith__queue_put(stage.self, &letters, &item, 1, 0));
    put_aside(1, 7, 0);
    put_ints(2, 3);
    EXPECT_OK(nack(lease_int(1, -1)));
    EXPECT_OK(nack(lease_int(2, -1)));
    assert_int_equal(2, kith__load(&root->dead_count));
    assert_int_equal(0, counts().total);
    assert_int_equal(0, kith__load(&others->nodes)); /* the stream names them */
    EXPECT_WHOLE(&stage);
    EXPECT_OK(get_from(&letters, &buf));
    assert_int_equal(100, buf.item.integer);
    EXPECT_OK(get_from(&letters, &buf)); /* a high priority was one of the other queue */
    assert_int_equal(1, buf.item.integer);
    EXPECT_OK(get_from(&letters, &buf));
    assert_int_equal(2, buf.item.integer);
    assert_int_equal(0, atomic_load(&others->tail_lock.word));
    EXPECT_OK(kith__catalog_destroy(stage.self, "letters"));
    put_ints(3, 4);
    EXPECT_OK(nack(lease_int(3, -1))); /* nobody takes it any more */
    get_ints(3, 4);
    kith_buf_free(&buf);
    close_queue();
}

/* ---- The dead ----------------------------------------------------------------------------- */

static void
all_that_the_dead_had_comes_back_and_what_others_have_does_not(void **unused)
{
    struct kith__lent mine, lent[3];

    (void)unused;
    make_queue(0);
    put_ints(0, 4);
    lent[0] = lease_int(0, -1);
    mine = lease_int(1, -1);
    lent[1] = lease_int(2, 1000);
    lent[2] = lease_int(3, -1);
    for (unsigned i = 0; i < 3; i++)
        kith__store(&node_of(lent[i].node)->owner, SOMEBODY);
    EXPECT_OK(kith__queues_hand_back(stage.self, SOMEBODY + (UINT64_C(1) << 16), true));
    assert_int_equal(4, counts().lent); /* another that had the same slot */
    EXPECT_OK(kith__queues_hand_back(stage.self, SOMEBODY, true));
    assert_int_equal(1, counts().lent);
    assert_int_equal(0, kith__load(&root->next_due));
    EXPECT_LENT(mine);
    assert_int_equal(0, get_int());
    get_ints(2, 4);
    EXPECT_OK(ack(mine));
    close_queue();
}

static void
the_letters_of_the_dead_keep_their_order(void **unused)
{
    struct kith__queue letters;
    struct kith_buf buf = KITH_BUF_INIT;

    (void)unused;
    letters = make_with_letters(1);
    put_ints(0, 20);
    for (int64_t n = 0; n < 20; n++)
        kith__store(&node_of(lease_int(n, -1).node)->owner, SOMEBODY);
    EXPECT_OK(kith__queues_hand_back(stage.self, SOMEBODY, true));
    assert_int_equal(0, stage.self->depth);
    for (int64_t n = 0; n < 20; n++) {
        EXPECT_OK(get_from(&letters, &buf));
        assert_int_equal(n, buf.item.integer);
    }
    kith_buf_free(&buf);
    close_queue();
}

static void
a_queue_that_ever_lent_is_in_the_chain_once(void **unused)
{
    kith__word *chain;

    (void)unused;
    make_queue(0);
    chain = &KITH__HEADER(stage.arena)->chain;
    assert_int_equal(0, kith__load(chain));
    EXPECT_OK(kith__queue_chain(stage.self, &queue));
    EXPECT_OK(kith__queue_chain(stage.self, &queue));
    assert_int_equal(queue.off, kith__load(chain));
    assert_int_equal(0, kith__load(&root->chain));
    EXPECT_OK(kith__catalog_destroy(stage.self, kith_kind_name(KITH_KIND_QUEUE)));
    put_away(&stage);
    assert_int_equal(queue.off, kith__load(chain)); /* for good: the memory stays a root */
    EXPECT_OK(kith__queues_hand_back(stage.self, SOMEBODY, true));
    kith__store(chain, 8);
    EXPECT_RC(KITH_ECORRUPT, kith__queues_hand_back(stage.self, SOMEBODY, true));
    kith__store(chain, queue.off);
    close_queue();
}

/* ---- A full arena ------------------------------------------------------------------------- */

/* Puts nodes of every size behind all else, until there is memory for none. */
static uint64_t
put_nodes_until_full(void)
{
    const struct kith__put_how how = { .priority = -1 };
    static uint8_t bytes[KITH__INLINE_MAX];
    uint64_t count = 0;

    for (size_t size = KITH__INLINE_MAX; size >= 8; size -= 8) {
        struct kith_item item = kith_bytes(bytes, size);
        kith_err err;

        while ((err = kith__queue_put_with(stage.self, &queue, &item, &how, 0)) == KITH_OK)
            count++;
        EXPECT_RC(KITH_ENOMEM, err);
    }
    return count;
}

static void
in_a_full_arena_an_item_is_lent_by_way_of_the_reserve(void **unused)
{
    struct kith__lent one, two = { 0 };
    uint64_t count, reserve;

    (void)unused;
    make_queue(0);
    put_ints(0, 3);
    count = put_until_full() + put_nodes_until_full();
    reserve = kith__load(&root->reserve);
    assert_int_not_equal(0, reserve);
    one = lease_int(0, -1);
    assert_int_equal(reserve, one.node);
    assert_int_equal(0, kith__load(&root->reserve));
    EXPECT_WHOLE(&stage);
    EXPECT_RC(KITH_ENOMEM, kith__queue_lease(stage.self, &queue, -1, 0, NULL, &two));
    assert_int_equal(count + 3, counts().total);
    assert_int_equal(1, counts().lent);
    assert_int_equal(0, stage.self->depth);
    EXPECT_OK(ack(one));
    two = lease_int(1, -1); /* with the block that was the reserve before */
    EXPECT_OK(ack(two));
    for (count++; count > 0; count--) { /* and so the whole queue can be worked off */
        EXPECT_OK(kith__queue_lease(stage.self, &queue, -1, 0, NULL, &one));
        EXPECT_OK(ack(one));
    }
    expect_empty();
    for (int64_t n = 0; kith__load(&root->reserve) == 0; n++) {
        assert_true(n < 5000);
        put_ints(n, n + 1); /* the next segment brings another: S4 */
        get_ints(n, n + 1);
    }
    close_queue();
}

/* ---- What others wrote over --------------------------------------------------------------- */

static void
lists_that_were_overwritten_are_found_out(void **unused)
{
    struct kith__lent one, two;
    struct kith__node *node;
    uint64_t word;

    (void)unused;
    make_queue(0);
    put_ints(0, 3);
    one = lease_int(0, 10);
    two = lease_int(1, 20);
    node = node_of(two.node);
    word = kith__load(&node->prev);
    kith__store(&node->prev, stage.arena->size);
    EXPECT_RC(KITH_ECORRUPT, ack(two));
    EXPECT_RC(KITH_ECORRUPT, nack(two));
    EXPECT_RC(KITH_ECORRUPT, extend(two, 5));
    kith__store(&node->prev, word);
    word = kith__load(&root->timed_last);
    kith__store(&root->timed_last, 8);
    EXPECT_RC(KITH_ECORRUPT, kith__queue_lease(stage.self, &queue, 5 * NS_PER_S, 0, NULL,
                                               &(struct kith__lent){ 0 }));
    kith__store(&root->timed_last, word);
    kith__store(&node_of(one.node)->prev, two.node); /* round and round */
    EXPECT_RC(KITH_ECORRUPT, kith__queue_lease(stage.self, &queue, 5 * NS_PER_S, 0, NULL,
                                               &(struct kith__lent){ 0 }));
    kith__store(&node_of(one.node)->prev, 0);
    assert_int_equal(0, stage.self->depth);
    EXPECT_TIMED(one, two);
    EXPECT_OK(ack(two));
    EXPECT_OK(ack(one));
    get_ints(2, 3);
    close_queue();
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_lent_names_its_owner_and_has_a_fence_of_its_own),
        cmocka_unit_test(leases_with_a_limit_stand_by_the_end_of_it),
        cmocka_unit_test(a_lease_that_was_lost_is_nobodys),
        cmocka_unit_test(what_comes_back_has_the_place_it_had),
        cmocka_unit_test(what_was_lent_as_often_as_it_may_is_given_up),
        cmocka_unit_test(dead_letters_come_to_the_other_queue_at_the_end_of_it),
        cmocka_unit_test(all_that_the_dead_had_comes_back_and_what_others_have_does_not),
        cmocka_unit_test(the_letters_of_the_dead_keep_their_order),
        cmocka_unit_test(a_queue_that_ever_lent_is_in_the_chain_once),
        cmocka_unit_test(in_a_full_arena_an_item_is_lent_by_way_of_the_reserve),
        cmocka_unit_test(lists_that_were_overwritten_are_found_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
