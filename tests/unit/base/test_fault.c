#include "base/alloc.h"
#include "base/fault.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#ifdef KITH_FAULTS
static void
an_armed_point_fails_once_at_its_passing(void **state)
{
    (void)state;
    assert_true(kith__fault_arm("test.fails", KITH__FAULT_FAIL, 3));
    assert_false(KITH__FAULT_FAILS("test.fails"));
    assert_false(KITH__FAULT_FAILS("test.other"));
    assert_false(KITH__FAULT_FAILS("test.fails"));
    assert_true(KITH__FAULT_FAILS("test.fails"));
    assert_false(KITH__FAULT_FAILS("test.fails"));
    kith__fault_disarm_all();
}

static void
a_kill_point_kills_the_process(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        (void)kith__fault_arm("test.kill", KITH__FAULT_KILL, 2);
        KITH__FAULT("test.kill");
        KITH__FAULT("test.kill");
        _exit(0);
    }
    assert_int_equal(pid, waitpid(pid, &status, 0));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(SIGKILL, WTERMSIG(status));
}

static void
a_stop_point_stops_the_process(void **state)
{
    pid_t pid = fork();
    int status;

    (void)state;
    if (pid == 0) {
        (void)kith__fault_arm("test.stop", KITH__FAULT_STOP, 1);
        KITH__FAULT("test.stop");
        _exit(7);
    }
    assert_int_equal(pid, waitpid(pid, &status, WUNTRACED));
    assert_true(WIFSTOPPED(status));
    assert_int_equal(0, kill(pid, SIGCONT));
    assert_int_equal(pid, waitpid(pid, &status, 0));
    assert_int_equal(7, WEXITSTATUS(status));
}

static void
only_so_many_points_are_armed(void **state)
{
    (void)state;
    for (int i = 0; i < KITH__FAULT_COUNT_MAX; i++)
        assert_true(kith__fault_arm("test.many", KITH__FAULT_FAIL, 1));
    assert_false(kith__fault_arm("test.many", KITH__FAULT_FAIL, 1));
    kith__fault_disarm_all();
    assert_false(KITH__FAULT_FAILS("test.many"));
}

static void
the_nth_allocation_fails(void **state)
{
    void *memory;

    (void)state;
    kith__alloc_fail(2);
    memory = kith__malloc(8);
    assert_non_null(memory);
    assert_null(kith__realloc(memory, 16));
    memory = kith__realloc(memory, 16);
    assert_non_null(memory);
    kith__free(memory);
}
#else
static void
a_build_without_faults_passes_every_point(void **state)
{
    (void)state;
    KITH__FAULT("test.kill");
    assert_false(KITH__FAULT_FAILS("test.fails"));
}
#endif

int
main(void)
{
    const struct CMUnitTest tests[] = {
#ifdef KITH_FAULTS
        cmocka_unit_test(an_armed_point_fails_once_at_its_passing),
        cmocka_unit_test(a_kill_point_kills_the_process),
        cmocka_unit_test(a_stop_point_stops_the_process),
        cmocka_unit_test(only_so_many_points_are_armed),
        cmocka_unit_test(the_nth_allocation_fails),
#else
        cmocka_unit_test(a_build_without_faults_passes_every_point),
#endif
    };

    return cmocka_run_group_tests_name("fault", tests, NULL, NULL);
}
