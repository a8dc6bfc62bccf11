#include "shm/kind.h"

#include "base/alloc.h"

#include "queue_stage.h"

static struct kith__lent lent[2], timed[2];

/* Items in every place that a queue has. */
static void
open_filled(void)
{
    make_queue(0);
    put_ints(0, 4);
    lent[0] = lease_int(0, -1);
    lent[1] = lease_int(1, -1);
    timed[0] = lease_int(2, 100);
    timed[1] = lease_int(3, 200);
    for (int64_t n = 0; n < 10; n++)
        put_aside(n, n % 3, n % 2 == 0 ? 0 : 1000 + n);
    put_ints(100, 200); /* two segments */
    EXPECT_OK(put_item(kith_bytes(stage.arena->base, LARGE)));
    EXPECT_WHOLE(&stage);
}

static void
every_field_of_what_is_lent_is_looked_at(void **unused)
{
    struct kith__node *second, *late;

    (void)unused;
    open_filled();
    second = node_of(lent[1].node);
    late = node_of(timed[1].node);
    EXPECT_FINDS_IN(&stage, second->owner, 0, "a wrong link or no owner");
    EXPECT_FINDS_IN(&stage, second->prev, 0, "a wrong link or no owner");
    EXPECT_FINDS_IN(&stage, second->fence, 0, "is lent without a fence");
    EXPECT_FINDS_IN(&stage, second->next, lent[0].node, "belongs to two owners");
    EXPECT_FINDS_IN(&stage, second->next, stage.arena->size, "outside of the heap");
    EXPECT_FINDS_IN(&stage, second->magic, second->magic ^ 1, "is not of its queue");
    EXPECT_FINDS_IN(&stage, second->due, 5, "is not where its limit belongs");
    EXPECT_FINDS_IN(&stage, late->due, 1, "is not where its limit belongs");
    EXPECT_FINDS_IN(&stage, late->due, 0, "is not where its limit belongs");
    EXPECT_FINDS_IN(&stage, root->lent_last, lent[0].node, "is not the last of its list");
    EXPECT_FINDS_IN(&stage, root->timed_last, 0, "is not the last of its list");
    EXPECT_FINDS_IN(&stage, root->lent_count, 3, "counts 3 lent");
    EXPECT_FINDS_IN(&stage, root->next_due, root->next_due + 1, "when its next item is due");
    close_queue();
}

static void
every_field_of_a_heap_is_looked_at(void **unused)
{
    struct kith__node *top, *below, *delayed;

    (void)unused;
    open_filled();
    top = node_of(kith__load(&root->ready));
    below = node_of(kith__load(&top->next));
    delayed = node_of(kith__load(&root->delayed));
    EXPECT_FINDS_IN(&stage, top->priority, (uint64_t)-1, "is out of order"); /* O1 */
    EXPECT_FINDS_IN(&stage, below->priority, 50, "is out of order");
    EXPECT_FINDS_IN(&stage, top->rank, 7, "has a wrong rank"); /* O2 */
    EXPECT_FINDS_IN(&stage, below->rank, 0, "has a wrong rank");
    EXPECT_FINDS_IN(&stage, top->fence, 3, "has a fence and is not lent"); /* Q3 */
    EXPECT_FINDS_IN(&stage, top->due, 3, "is ready and has a time");
    EXPECT_FINDS_IN(&stage, delayed->due, 0, "is delayed for no time");
    EXPECT_FINDS_IN(&stage, delayed->due, INT64_MAX, "is out of order");
    EXPECT_FINDS_IN(&stage, below->next, kith__off(stage.arena, top), "belongs to two owners");
    EXPECT_FINDS_IN(&stage, root->ready, 8, "outside of the heap");
    EXPECT_FINDS_IN(&stage, root->delayed_count, 4, "counts 4 lent, 4 delayed"); /* Q2 */
    EXPECT_FINDS_IN(&stage, root->nodes, 15, "15 set apart");
    EXPECT_FINDS_IN(&stage, root->next_due, 0, "when its next item is due"); /* O3 */
    close_queue();
}

static void
every_field_of_the_stream_is_looked_at(void **unused)
{
    struct kith__queue_segment *first;
    struct kith__record *record;
    uint64_t at;

    (void)unused;
    open_filled();
    at = kith__load(&root->head_segment) != 0 ? kith__load(&root->head_segment)
                                              : kith__load(&root->first);
    first = segment_of(at);
    record = (void *)((uint8_t *)first + KITH__PLACE_AT(kith__load(&root->head)) * KITH__UNIT);
    EXPECT_FINDS_IN(&stage, record->meta, KITH__META(0x7f, 0, 0), "is of no type");
    EXPECT_FINDS_IN(&stage, record->meta, KITH__META(KITH_TYPE_STR, 0, 60000),
                    "longer than its segment");
    EXPECT_FINDS_IN(&stage, record->meta, KITH__META(KITH_TYPE_STR, 0, 30),
                    "does not end where its tail is");
    EXPECT_FINDS_IN(&stage, record->meta, KITH__RECORD_NODE, "outside of the heap");
    EXPECT_FINDS_IN(&stage, first->magic, first->magic ^ 1, "is not of its queue");
    EXPECT_FINDS_IN(&stage, first->next, first->next + 16, "A segment of a queue");
    EXPECT_FINDS_IN(&stage, root->tail, root->tail + KITH__PLACE(1, 0),
                    "does not end where its tail is"); /* S1 */
    EXPECT_FINDS_IN(&stage, root->tail, root->tail - KITH__PLACE(1, 1), "leaked");
    EXPECT_FINDS_IN(&stage, root->seen, 100000, "have seen items that were never put");
    EXPECT_FINDS_IN(&stage, root->spare, at, "belongs to two owners"); /* S3 */
    EXPECT_FINDS_IN(&stage, root->spare, 64, "A queue's spare segment");
    EXPECT_FINDS_IN(&stage, root->reserve, 64, "A queue's reserve"); /* S4 */
    EXPECT_FINDS_IN(&stage, root->reserve, 0, "leaked");
    close_queue();
}

static void
a_queue_believes_in_no_more_room_than_it_has(void **unused)
{
    (void)unused;
    make_queue(10);
    put_ints(0, 3);
    get_ints(0, 2);
    lease_int(2, -1);
    EXPECT_WHOLE(&stage);
    /* Three have left the stream, one of them is still there: it may go on up to twelve. */
    EXPECT_FINDS_IN(&stage, root->room_until, 13, "more room than it has"); /* Q5 */
    kith__store(&root->room_until, 12);
    put_aside(5, 1, 0);
    assert_int_equal(0, kith__load(&root->room_until));
    EXPECT_FINDS_IN(&stage, root->room_until, 12, "more room than it has");
    for (int64_t n = 0; n < 8; n++)
        EXPECT_OK(put_item(KITH_INT(n)));
    EXPECT_RC(KITH_EFULL, put_item(KITH_INT(8)));
    assert_int_equal(10, counts().total);
    close_queue();
    make_queue(UINT64_MAX); /* no bound at all */
    put_ints(0, 3);
    get_ints(0, 3);
    close_queue();
}

static void
a_listing_is_told_how_large_it_is_and_when_it_was_made(void **unused)
{
    struct kith__object object;
    struct kith_info info = { 0 };

    (void)unused;
    open_filled();
    root->created_ns = 1234;
    object = (struct kith__object){ KITH_KIND_QUEUE, queue.off, queue.id, { 0 } };
    EXPECT_OK(kith__queue_kind.describe(NULL, stage.arena, &object, &info));
    assert_int_equal(115, info.items);
    assert_true(info.bytes > 115 * 8);
    assert_int_equal(1234, info.created_ns);
    object.id++;
    EXPECT_RC(KITH_EGONE, kith__queue_kind.describe(NULL, stage.arena, &object, &info));
    close_queue();
}

#ifdef KITH_FAULTS
static void
memory_that_the_checker_has_not_breaks_no_invariant(void **unused)
{
    kith_err err = KITH_ENOMEM;

    (void)unused;
    open_filled();
    for (uint64_t nth = 1; err == KITH_ENOMEM; nth++) {
        struct kith_report report;

        kith__alloc_fail(nth);
        err = kith__verify(stage.self, NULL, NULL, &report);
        assert_true(err == KITH_OK || err == KITH_ENOMEM);
        if (err == KITH_ENOMEM)
            assert_non_null(strstr(kith_last_error(), "This process has no memory"));
    }
    kith__alloc_fail(0);
    close_queue();
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_of_what_is_lent_is_looked_at),
        cmocka_unit_test(every_field_of_a_heap_is_looked_at),
        cmocka_unit_test(every_field_of_the_stream_is_looked_at),
        cmocka_unit_test(a_queue_believes_in_no_more_room_than_it_has),
        cmocka_unit_test(a_listing_is_told_how_large_it_is_and_when_it_was_made),
#ifdef KITH_FAULTS
        cmocka_unit_test(memory_that_the_checker_has_not_breaks_no_invariant),
#endif
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
