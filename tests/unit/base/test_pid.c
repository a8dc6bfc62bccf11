#include "base/pid.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

static void
it_is_this_process(void **state)
{
    (void)state;
    assert_int_equal(getpid(), kith__pid());
    assert_int_equal(getpid(), kith__pid());
}

/* What a child found, as the status that it ended with. */
static bool
child_was_right(pid_t child)
{
    int status = -1;

    assert_int_equal(child, waitpid(child, &status, 0));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void
a_forked_child_is_another(void **state)
{
    pid_t child;

    (void)state;
    assert_int_equal(getpid(), kith__pid());
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* And its own child, after it has asked. */
        bool right = kith__pid() == getpid();
        pid_t grandchild = fork();

        if (grandchild == 0)
            _exit(kith__pid() == getpid() ? 0 : 1);
        _exit(right && child_was_right(grandchild) ? 0 : 1);
    }
    assert_true(child_was_right(child));
    assert_int_equal(getpid(), kith__pid());
}

static void
a_child_whose_fork_nobody_heard_of_is_another(void **state)
{
    pid_t child;

    (void)state;
    assert_int_equal(getpid(), kith__pid());
    child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    assert_true(child >= 0);
    if (child == 0)
        _exit(kith__pid() == getpid() ? 0 : 1);
    assert_true(child_was_right(child));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_this_process),
        cmocka_unit_test(a_forked_child_is_another),
        cmocka_unit_test(a_child_whose_fork_nobody_heard_of_is_another),
    };

    return cmocka_run_group_tests_name("pid", tests, NULL, NULL);
}
