/*
 * pid.h - which process this is, without asking the system each time.
 */
#ifndef KITH__PID_H
#define KITH__PID_H

#include <sys/types.h>

/*
 * As getpid(), which is a system call: some 70 ns where the system guards its calls.  Right in a
 * child that was forked by whatever means, for what is remembered does not get into it.
 */
pid_t kith__pid(void);

#endif /* KITH__PID_H */
