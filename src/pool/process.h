/*
 * process.h - what the files of kith/process.h share.
 */
#ifndef KITH__PROCESS_H
#define KITH__PROCESS_H

#include <kith/process.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "base/utf8.h"

struct kith_process {
    int fd;        /* a pidfd: it means this process for as long as it is open */
    pid_t pid;     /* for people */
    pid_t starter; /* the process that is told how it ended */
    bool ended;    /* the rest holds; under `mutex` in the starter */
    bool known;
    bool core_dumped;
    int exit_status;
    int signal;
    pthread_mutex_t mutex; /* only the starter locks it, so that a fork may come at any time */
    struct kith_process *next;
    char name[KITH__NAME_SIZE_MAX + 1];
};

/* A handle without a process yet; NULL with a sentence. */
struct kith_process *kith__process_new(const char *name);
/* Frees a handle, and closes its descriptor. */
void kith__process_free(struct kith_process *process);
/* Gives back what the system keeps of closed processes that have ended since. */
void kith__process_sweep(void);

/*
 * As kith_process_fork(), but the process is no child of this one, whose wait() does not see it:
 * how it ended is not known.  `run` finds SIGCHLD as by default.
 */
kith_err kith__process_fork_apart(int (*run)(void *arg), void *arg,
                                  const struct kith_process_options *options,
                                  kith_process **process_out);

/* ---- handing spaces on: hand.c ---- */

/* What a command is given: its environment, and descriptors that it inherits. */
struct kith__hand {
    char **environment; /* ends with NULL; its words are borrowed, but for `word` */
    char *word;
    int *fds;
    size_t fd_count;
};

/* On success the caller gives *hand_out to kith__hand_free(). */
kith_err kith__hand_make(const struct kith_process_options *options, struct kith__hand *hand_out);
void kith__hand_free(struct kith__hand *hand);

#endif /* KITH__PROCESS_H */
