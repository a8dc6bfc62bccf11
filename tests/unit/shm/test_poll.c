#include "shm/poll.h"

#include <poll.h>

#include "stage.h"

static struct stage stage;

static bool
readable(int fd)
{
    struct pollfd polled = { .fd = fd, .events = POLLIN };

    return poll(&polled, 1, 0) == 1;
}

static void
a_poke_is_read_by_all_who_are_armed(void **unused)
{
    kith__poller_slot slots[2] = { NULL, NULL };
    struct kith__poller *pollers[2];

    (void)unused;
    kith__poll_recheck_ns = INT64_MAX;
    stage = stage_open();
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 2; i++) {
            EXPECT_OK(kith__poller_arm(stage.self, &slots[i], &pollers[i]));
            assert_false(readable(kith__poller_fd(pollers[i]))); /* what was told is read */
        }
        kith__poke(stage.arena);
        for (int i = 0; i < 2; i++)
            assert_true(readable(kith__poller_fd(pollers[i])));
    }
    for (int i = 0; i < 2; i++)
        kith__poller_close(&slots[i]);
    stage_close(&stage);
}

static void
one_that_is_ready_is_told_alone(void **unused)
{
    kith__poller_slot slots[2] = { NULL, NULL };
    struct kith__poller *pollers[2], *again;

    (void)unused;
    kith__poll_recheck_ns = INT64_MAX;
    stage = stage_open();
    for (int i = 0; i < 2; i++)
        EXPECT_OK(kith__poller_arm(stage.self, &slots[i], &pollers[i]));
    kith__poller_ready(pollers[0]);
    assert_true(readable(kith__poller_fd(pollers[0])));
    assert_false(readable(kith__poller_fd(pollers[1])));
    EXPECT_OK(kith__poller_arm(stage.self, &slots[0], &again));
    assert_ptr_equal(pollers[0], again); /* one descriptor for one slot */
    assert_false(readable(kith__poller_fd(again)));
    for (int i = 0; i < 2; i++)
        kith__poller_close(&slots[i]);
    kith__poller_close(&slots[0]); /* and again: there is none */
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_poke_is_read_by_all_who_are_armed),
        cmocka_unit_test(one_that_is_ready_is_told_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
