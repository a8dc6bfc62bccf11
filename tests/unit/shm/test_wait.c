/*
 * test_wait.c - sleeping.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/lock.h"
#include "stage.h"

/* A process that was in the arena and is killed. */
static void
have_one_die(struct stage *stage)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (kith__self_of(stage->arena) != NULL)
            raise(SIGKILL);
        _exit(1);
    }
    assert_true(waitpid(pid, &status, 0) == pid);
    assert_true(WIFSIGNALED(status));
}

/*
 * Cleaning up takes locks, and may have slept for them: the slot then no longer names what the
 * caller is about to sleep on, so a wake that dies with it would be repeated by nobody.
 */
static void
who_cleans_up_before_it_sleeps_looks_again(void **unused)
{
    struct stage stage = stage_open();
    kith__word *until = &KITH__HEADER(stage.arena)->suspect_until;
    _Atomic uint32_t *word = (_Atomic uint32_t *)kith__ptr(
        stage.arena, kith__off(stage.arena, &stage.self->actor->call));
    uint32_t now = atomic_load(word);

    (void)unused;
    have_one_die(&stage);
    /* First the thread is found dead; then time passes until its process must be gone. */
    assert_int_equal(
        kith__sleep(stage.self, word, now, kith__deadline_after(30 * KITH__NS_PER_S), true),
        KITH__SLEPT_AGAIN);
    kith__awake(stage.self);
    assert_true(kith__load(until) != 0);
    kith__store(until, 1);
    assert_int_equal(
        kith__sleep(stage.self, word, now, kith__deadline_after(30 * KITH__NS_PER_S), true),
        KITH__SLEPT_AGAIN);
    kith__awake(stage.self);
    assert_true(kith__load(until) == 0);
    /* Nobody else is there, so the next one sleeps. */
    assert_int_equal(
        kith__sleep(stage.self, word, now, kith__deadline_after(KITH__NS_PER_MS), true),
        KITH__SLEPT_TIMEOUT);
    kith__awake(stage.self);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_cleans_up_before_it_sleeps_looks_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
