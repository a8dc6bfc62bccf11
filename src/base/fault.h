/*
 * fault.h - named points at which a test stops, kills or fails a process.
 *
 * KITH__FAULT("ring.push.P1") marks a step; KITH__FAULT_FAILS("arena.grow") is a condition that a
 * test can make true.  Without KITH_FAULTS, as in every release build, neither leaves a trace.
 */
#ifndef KITH__FAULT_H
#define KITH__FAULT_H

#include <stdbool.h>
#include <stdint.h>

#ifdef KITH_FAULTS

enum kith__fault_action {
    KITH__FAULT_STOP, /* SIGSTOP to the process */
    KITH__FAULT_KILL, /* SIGKILL to the process */
    KITH__FAULT_FAIL  /* KITH__FAULT_FAILS is true, this once; KITH__FAULT passes */
};

/* Points armed at one time at most. */
#define KITH__FAULT_COUNT_MAX 16

/*
 * Arms the point `name`, a string that stays, for its `nth` passing from now, 1 being the next.
 * Children inherit what is armed.  Not while other threads pass points.  False: too many are armed.
 */
bool kith__fault_arm(const char *name, enum kith__fault_action action, uint64_t nth);
void kith__fault_disarm_all(void);

/* Passes the point; true if it is to fail. */
bool kith__fault_pass(const char *name);

#define KITH__FAULT(name) ((void)kith__fault_pass(name))
#define KITH__FAULT_FAILS(name) (kith__fault_pass(name))

#else
#define KITH__FAULT(name) ((void)0)
#define KITH__FAULT_FAILS(name) (false)
#endif

#endif /* KITH__FAULT_H */
