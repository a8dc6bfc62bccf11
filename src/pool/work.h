/*
 * work.h - what a worker has in hand, and how it sends what came of it.
 */
#ifndef KITH__WORK_H
#define KITH__WORK_H

#include "pool/pool.h"

struct kith__worker {
    const struct kith__work *work;
    struct kith__pool_objects *o;
    int64_t attempts_max;
    int64_t limit_ns;
    uint64_t tasks_done;
    struct kith__record record;
    /* Where the results of the last client go. */
    int64_t client;
    kith_queue *results;
    kith_queue *reserve; /* opened when it is needed first */
    bool was_full;       /* and so it may have to be filled again */
    uint64_t space_size; /* bytes that the space may grow to; 0: not known */
    /* A message being written, and the result of the task at work. */
    struct kith__packer out, result;
    size_t ns_at;
    uint32_t result_count;
    int64_t began_ns;
    /* The items of the task at work. */
    struct kith_item *arguments;
    kith__tag *tags;
    size_t arguments_max;
};

/* A chunk of tasks as it was leased; its items are in the buffer that it was leased into. */
struct kith__job {
    int64_t client, id;
    char name[KITH__NAME_SIZE_MAX + 1];
    const struct kith_task_entry *entry; /* of that name; NULL: there is none */
    size_t arity;
    uint32_t count;
    struct kith__pack_reader reader; /* before the items of the next task */
    kith_lease *lease;               /* NULL once it is acknowledged */
    uint32_t attempts;
};

/* ---- send.c ---- */

/*
 * A message of results is begun, gets the results of tasks by their index in the job, and is ended;
 * an error in between is told at its end.
 */
void kith__message_begin(struct kith__worker *w, const struct kith__job *job);
void kith__message_add(struct kith__worker *w, uint32_t index, kith_err code,
                       struct kith_item payload);
/* The task's workers died, this one the last. */
void kith__message_add_death(struct kith__worker *w, uint32_t index,
                             const struct kith__record *dead, int64_t attempts);
kith_err kith__message_end(struct kith__worker *w);

/* Finds where the client's results go; KITH_ENOENT: the client is gone. */
kith_err kith__message_find(struct kith__worker *w, int64_t client);

/*
 * Ends the message and sends it; with `last` the job is done in the same step.  What does not fit
 * the space fails.  KITH_OK too if the client is gone: then w->results is NULL.
 */
kith_err kith__message_send(struct kith__worker *w, struct kith__job *job, bool last);

/*
 * Sends the message as the last of its job if the key is in the dict, and deletes it, all in one
 * step.  KITH_ECONFLICT: it is not there, and nothing happened.
 */
kith_err kith__message_send_if_present(struct kith__worker *w, struct kith__job *job,
                                       kith_dict *dict, struct kith_item key);

/* Fills the reserve again, if this worker was in need of it. */
void kith__refill_reserve(struct kith__worker *w);

/* Acknowledges the job without a result, if that was not done. */
kith_err kith__job_done(struct kith__job *job);

#endif /* KITH__WORK_H */
