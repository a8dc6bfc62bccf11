/*
 * fault.c - named points at which a test stops, kills or fails a process.
 */
#include "fault.h"

#ifdef KITH_FAULTS
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static struct armed {
    const char *name;
    enum kith__fault_action action;
    _Atomic uint64_t left; /* passings until it acts; 0: it has */
} armed[KITH__FAULT_COUNT_MAX];

bool
kith__fault_arm(const char *name, enum kith__fault_action action, uint64_t nth)
{
    for (size_t i = 0; i < KITH__FAULT_COUNT_MAX; i++) {
        if (armed[i].name != NULL)
            continue;
        armed[i].name = name;
        armed[i].action = action;
        atomic_store(&armed[i].left, nth);
        return true;
    }
    return false;
}

void
kith__fault_disarm_all(void)
{
    for (size_t i = 0; i < KITH__FAULT_COUNT_MAX; i++)
        armed[i].name = NULL;
}

/* True for the one passing, among all threads, at which the point acts. */
static bool
is_the_one(struct armed *a)
{
    uint64_t left = atomic_load(&a->left);

    while (left > 0) {
        if (atomic_compare_exchange_weak(&a->left, &left, left - 1))
            return left == 1;
    }
    return false;
}

bool
kith__fault_pass(const char *name)
{
    for (size_t i = 0; i < KITH__FAULT_COUNT_MAX; i++) {
        if (armed[i].name == NULL || strcmp(armed[i].name, name) != 0 || !is_the_one(&armed[i]))
            continue;
        switch (armed[i].action) {
        case KITH__FAULT_STOP:
            (void)kill(getpid(), SIGSTOP);
            return false;
        case KITH__FAULT_KILL:
            (void)kill(getpid(), SIGKILL);
            return false;
        case KITH__FAULT_FAIL:
            return true;
        }
    }
    return false;
}
#else
/* Nothing to compile; ISO C wants a declaration all the same. */
typedef int kith__fault_none;
#endif
