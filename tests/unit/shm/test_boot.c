/*
 * test_boot.c - the clock of an arena, for those whom the kernel does not tell which boot it is.
 */
#include "shm/boot.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stage.h"

#define HOUR_MS UINT64_C(3600000)
#define MARK_BITS 22u /* as in boot.c */

/* From now on this process opens no file. */
static bool
forbid_opening(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = { COUNTOF(code), code };

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0;
}

enum { RIGHT, WRONG, FORBIDDEN };

/* Enters in a child that is not told the boot; whether its clock is the one of `shift_ns`. */
static int
enter_untold(struct stage *stage, int64_t shift_ns, bool exactly)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        int64_t apart;

        if (!forbid_opening())
            _exit(FORBIDDEN);
        kith__boot_enter(stage->arena);
        apart = stage->arena->clock_shift_ns - shift_ns;
        if (exactly)
            _exit(apart == 0 ? RIGHT : WRONG);
        _exit(apart > -(int64_t)HOUR_MS * 1000000 && apart < (int64_t)HOUR_MS * 1000000 ? RIGHT
                                                                                        : WRONG);
    }
    assert_true(waitpid(pid, &status, 0) == pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void
who_is_not_told_the_boot_takes_the_clock_that_is_there(void **unused)
{
    struct stage stage = stage_open();
    kith__word *at = &KITH__HEADER(stage.arena)->clock_shift;
    uint64_t word;
    int result;

    (void)unused;
    kith__boot_enter(stage.arena);
    /* The system's clock was set by an hour since the arena was first opened. */
    word = kith__load(at) - (HOUR_MS << MARK_BITS);
    kith__store(at, word);
    kith__boot_enter(stage.arena);
    result = enter_untold(&stage, stage.arena->clock_shift_ns, true);
    if (result == FORBIDDEN)
        skip();
    assert_int_equal(result, RIGHT);
    assert_true(kith__load(at) == word);
    stage_close(&stage);
}

static void
who_is_not_told_the_boot_and_is_the_first_begins_at_real_time(void **unused)
{
    struct stage stage = stage_open();
    kith__word *at = &KITH__HEADER(stage.arena)->clock_shift;
    int result;

    (void)unused;
    kith__boot_enter(stage.arena);
    kith__store(at, 0);
    result = enter_untold(&stage, stage.arena->clock_shift_ns, false);
    if (result == FORBIDDEN)
        skip();
    assert_int_equal(result, RIGHT);
    assert_true(kith__load(at) != 0);
    stage_close(&stage);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_not_told_the_boot_takes_the_clock_that_is_there),
        cmocka_unit_test(who_is_not_told_the_boot_and_is_the_first_begins_at_real_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
