/*
 * test_grace.c - the pause that stands for a barrier where there is none.
 */
#include "shm/grace.h"

#include <signal.h>
#include <sys/time.h>

#include "base/clock.h"
#include "stage.h"

static volatile sig_atomic_t signals;

static void
count_signal(int number)
{
    (void)number;
    signals++;
}

static void
signals_do_not_cut_the_pause_short(void **unused)
{
    const struct itimerval often = { { 0, 100 }, { 0, 100 } }, never = { { 0, 0 }, { 0, 0 } };
    struct sigaction counting = { .sa_handler = count_signal };
    struct stage stage = stage_open();
    int64_t before, after, shortest = INT64_MAX;

    (void)unused;
    kith__store(&KITH__HEADER(stage.arena)->no_trim, 1);
    assert_true(sigaction(SIGALRM, &counting, NULL) == 0);
    assert_true(setitimer(ITIMER_REAL, &often, NULL) == 0);
    for (unsigned i = 0; i < 50; i++) {
        before = kith__now_ns();
        kith__barrier_everywhere(stage.self);
        after = kith__now_ns();
        if (after - before < shortest)
            shortest = after - before;
    }
    assert_true(setitimer(ITIMER_REAL, &never, NULL) == 0);
    assert_true(signals > 0);
    assert_true(shortest >= KITH__NS_PER_MS); /* never less, however busy the machine is */
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_do_not_cut_the_pause_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
