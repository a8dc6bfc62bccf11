/*
 * txn.h - several changes in one record.
 */
#ifndef KITH__SHM_TXN_H
#define KITH__SHM_TXN_H

#include "shm/dict.h"
#include "shm/queue.h"
#include "shm/value.h"

enum kith__txn_what {
    KITH__TXN_SET,
    KITH__TXN_ADD,
    KITH__TXN_DELETE, /* absent: no matter */
    KITH__TXN_PUT,
    KITH__TXN_ACK,
    KITH__TXN_VALUE_SET,
    KITH__TXN_VALUE_ADD,
    KITH__TXN_IF_ABSENT, /* the conditions, from here on */
    KITH__TXN_IF_PRESENT,
    KITH__TXN_IF_EQUAL,
    KITH__TXN_IF_VERSION,
    KITH__TXN_IF_VALUE
};

struct kith__txn_step {
    enum kith__txn_what what;
    struct kith__dict dict;
    struct kith__queue queue;
    struct kith__value value; /* guarded */
    const struct kith__key *key;
    struct kith_item item; /* SET, PUT; IF_EQUAL: what is expected; of a value: bytes */
    int64_t n;             /* of a value of floats: the bits of a double */
    uint64_t version;
    struct kith__lent lent;
    struct kith__put_how how;  /* PUT */
    int64_t now;               /* of the dict's clock; the run fills it in */
    struct kith__shard *shard; /* of the key; the run fills it in */
    bool done;                 /* DELETE, once committed: the key was there */
};

/*
 * Carries out all steps, in their order, or none; KITH_EVICTED is a success.  Conditions are
 * decided before any step, as of one instant.  On an error *failed_out is the step at fault, or
 * `count`.
 */
kith_err kith__txn_run(struct kith__self *self, struct kith__txn_step *steps, size_t count,
                       size_t *failed_out);

#endif /* KITH__SHM_TXN_H */
