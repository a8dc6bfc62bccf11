/*
 * kith/process.h - processes that this one starts: a function by fork, or a command by exec.
 *
 * A process is waited for with a limit of time, asked whether it lives, and ended.  It is known by
 * a descriptor of the system, never by its number: what is waited for or killed is the process that
 * was started, though its number were another's by now.
 *
 * A forked function goes on with every space and handle that was open.  A command gets the spaces
 * that are handed on to it, those of mem:// by their descriptors, and opens them by
 * kith_process_space().
 *
 * With ends_with_parent the system kills the process when the thread that started it ends, in
 * whatever way: by SIGKILL, with its process, or alone.  So start it from a thread that lives as
 * long as it is to.  The system forgets this if the command is a set-user-ID one or has
 * capabilities of its own.
 *
 * Threads  Any function, from any thread; only kith_process_close() must be the last call on its
 *          handle.
 * Fork     A forked child may wait for its parent's processes, ask whether they live, and end
 *          them, but is not told how they ended.
 * Death    A process whose starter died goes on, unless it was to end with it.
 * Engines  all.
 *
 *     static int
 *     work(void *arg)
 *     {
 *         return kith_dict_add(arg, KITH_STR("runs"), 1, NULL) < 0;
 *     }
 *
 *     kith_process_fork(work, dict, NULL, &process);
 *     kith_process_wait(process, KITH_FOREVER, &status);
 *     kith_process_close(process);
 */
#ifndef KITH_PROCESS_H
#define KITH_PROCESS_H

#include <kith/space.h>

KITH_C_BEGIN

/* A process that this one started. */
typedef struct kith_process kith_process;

/* How a process is started.  A field left zero takes its default. */
struct kith_process_options {
    size_t struct_size;             /* set by the initialiser: fields may be added */
    const char *name;               /* as an object's; default: the command's, or "process" */
    bool ends_with_parent;          /* it is killed when the thread that started it ends */
    kith_space *const *spaces;      /* handed on to a command; borrowed */
    size_t space_count;             /* how many those are */
    const char *const *environment; /* of a command, ending with NULL; default: this process's */
};
#define KITH_PROCESS_OPTIONS_INIT                                                                  \
    {                                                                                              \
        sizeof(struct kith_process_options), NULL, false, NULL, 0, NULL                            \
    }

/* How a process ended. */
struct kith_process_status {
    size_t struct_size; /* set by the initialiser: fields may be added */
    bool known;         /* false: somebody else was told; the rest is zero */
    int exit_status;    /* what it gave to exit(), 0 to 255; 0 if a signal ended it */
    int signal;         /* the signal that ended it; 0: it ended by itself */
    bool core_dumped;   /* and left an image of its memory */
};
#define KITH_PROCESS_STATUS_INIT                                                                   \
    {                                                                                              \
        sizeof(struct kith_process_status), false, 0, 0, false                                     \
    }

/* ---- starting ---- */

/*
 * Starts a process that calls `run` with `arg` and ends as by exit() with what it returns.  It is a
 * copy of this one by fork(), with the calling thread alone, and goes on with the handles that were
 * open.  As after any fork, both have what stands in the buffers of stdio: flush them first.
 *
 * On success the caller owns *process_out and gives it to kith_process_close().
 *
 * KITH_EINVAL   a bad name, or options that only a command has
 * KITH_ESYSTEM  the system refused one more process or descriptor, or the process was killed before
 *               it had begun; `run` was not called
 */
KITH_API kith_err kith_process_fork(int (*run)(void *arg), void *arg,
                                    const struct kith_process_options *options,
                                    kith_process **process_out);

/*
 * Starts the command `argv`, which ends with a NULL and whose first word is looked for as the shell
 * does.  It has this process's descriptors but those that close on exec, and signals as the shell
 * gives them: those that this program handles are as by default, ignored ones stay ignored.
 *
 * On success the caller owns *process_out and gives it to kith_process_close().
 *
 * KITH_EINVAL   no command, or a bad name
 * KITH_ENOENT   there is no such command
 * KITH_EPERM    it cannot be executed
 * KITH_ETOOBIG  its words and environment are more than the system allows
 * KITH_ESYSTEM  the system refused one more process or descriptor
 */
KITH_API kith_err kith_process_exec(const char *const argv[],
                                    const struct kith_process_options *options,
                                    kith_process **process_out);

/*
 * In a command that was started by kith_process_exec(): opens the space that stood at `index` of
 * the option `spaces`.  NULL options mean all defaults, and of others only readonly and timeout_ns
 * count.  On success the caller owns *space_out and gives it to kith_close().
 *
 * KITH_ENOENT  none was handed on under that index, or it was removed meanwhile
 * All else as kith_open() and kith_open_fd()
 */
KITH_API kith_err kith_process_space(size_t index, const struct kith_options *options,
                                     kith_space **space_out);

/*
 * Gives up the handle; the process goes on.  The system's record of its end is given back at a
 * later start or close here.  NULL is accepted.
 */
KITH_API void kith_process_close(kith_process *process);

/* ---- its end ---- */

/*
 * Waits up to `timeout_ns` nanoseconds for its end.  Fills *status_out, whose struct_size the
 * initialiser has set; NULL: the caller does not care how it ended.  May be called again, with the
 * same answer.
 *
 * status.known is false if this is a forked child of who started it, if other code of this program
 * waited for every child, or if SIGCHLD is ignored.
 *
 * KITH_ETIMEDOUT     it did not end in time, or, with `timeout_ns` 0, still lives
 * KITH_EINTERRUPTED  a signal came, and the function given to kith_on_interrupt() said so
 */
KITH_API kith_err kith_process_wait(kith_process *process, int64_t timeout_ns,
                                    struct kith_process_status *status_out);

/* Whether it has not ended; a stopped process lives. */
KITH_API kith_err kith_process_alive(kith_process *process, bool *alive_out);

/*
 * Asks it to end, by SIGTERM, or ends it, by SIGKILL.  Does not wait for that; one that has ended
 * is no error.
 *
 * KITH_EPERM  the system forbids it: it runs as another user
 */
KITH_API kith_err kith_process_terminate(kith_process *process);
KITH_API kith_err kith_process_kill(kith_process *process);

/* ---- what it is ---- */

/* Its number, which may be another's once it was waited for; 0 for NULL. */
KITH_API int64_t kith_process_pid(const kith_process *process);

/* Its name; "" for NULL.  Good until the handle is closed. */
KITH_API const char *kith_process_name(const kith_process *process);

/*
 * A descriptor that is readable when it has ended, for poll and epoll; -1 for NULL.  It belongs to
 * the handle: do not read or close it.
 */
KITH_API int kith_process_fd(const kith_process *process);

KITH_C_END
#endif /* KITH_PROCESS_H */
