/*
 * kith/txn.h - several operations on several objects, all or nothing.
 *
 * A transaction is built, then committed.  Building touches nothing shared: keys and items are
 * copied into the transaction, and every outcome comes from kith_txn_commit().  The conditions are
 * decided once, all at one instant, and at that instant all operations happen, in the order they
 * were built, or none does.  It has no limit of size but memory.
 *
 * Threads  A transaction is built and committed by one thread at a time; different transactions by
 *          as many as you like.
 * Fork     A transaction stays the parent's: in the child every function gives KITH_EPERM, and only
 *          kith_txn_discard() frees the child's copy.
 * Death    A process killed in the middle of a commit did all of it or nothing; one killed before
 *          leaves nothing.
 * Engines  shm.
 *
 * Every function that builds may give KITH_EINVAL for what can never be done (an object of another
 * space, a key that cannot be one) and KITH_ENOMEM; the transaction is then as before, and may be
 * built further.
 * Handles given to a transaction stay open until it is committed or discarded.
 */
#ifndef KITH_TXN_H
#define KITH_TXN_H

#include <kith/dict.h>
#include <kith/queue.h>
#include <kith/value.h>

KITH_C_BEGIN

/* One transaction being built, private to the process that began it. */
typedef struct kith_txn kith_txn;

/*
 * Begins an empty transaction on the objects of `space`.  On success the caller owns *txn_out and
 * gives it to kith_txn_commit() or kith_txn_discard().
 */
KITH_API kith_err kith_txn_begin(kith_space *space, kith_txn **txn_out);

/* ---- operations ---- */

/* Sets the item of `key`, whether it was there or not. */
KITH_API kith_err kith_txn_dict_set(kith_txn *txn, kith_dict *dict, struct kith_item key,
                                    struct kith_item item);

/*
 * Adds n to the int at `key`; an absent key counts as 0.  At commit, what is no int is KITH_ETYPE,
 * and a sum that does not fit an int64_t is KITH_ERANGE.
 */
KITH_API kith_err kith_txn_dict_add(kith_txn *txn, kith_dict *dict, struct kith_item key,
                                    int64_t n);

/*
 * Deletes `key`.  One that is absent at commit is no error; if it must be there, say so with
 * kith_txn_if_present().
 */
KITH_API kith_err kith_txn_dict_delete(kith_txn *txn, kith_dict *dict, struct kith_item key);

/* Puts `item` in at the end.  At commit a full queue is KITH_EFULL, a closed one KITH_ECLOSED. */
KITH_API kith_err kith_txn_queue_put(kith_txn *txn, kith_queue *queue, struct kith_item item);

/*
 * As kith_txn_queue_put(), with a priority or a delay, which runs from the commit; NULL options
 * mean all defaults.
 *
 * KITH_EINVAL  options->delay_ns is negative
 */
KITH_API kith_err kith_txn_queue_put_with(kith_txn *txn, kith_queue *queue, struct kith_item item,
                                          const struct kith_put_options *options);

/*
 * Acknowledges `lease`.  A lost one is KITH_EGONE at commit.  A commit that succeeds frees the
 * lease; until then, and if it fails or is discarded, the lease stays the caller's, who must not
 * end it otherwise while the transaction is being built.
 *
 * KITH_EPERM  the lease is the parent's, which this process inherited by fork
 */
KITH_API kith_err kith_txn_lease_ack(kith_txn *txn, kith_lease *lease);

/*
 * Sets the value to the bytes at `data`; adds n to it, which at commit is KITH_ERANGE if the result
 * is none of its type.
 *
 * KITH_EUNSUPPORTED  the value was not created transactional
 * KITH_ETYPE         it is of a type that the function does not take
 * KITH_EINVAL        `size` is not that of the value
 */
KITH_API kith_err kith_txn_value_set(kith_txn *txn, kith_value *value, const void *data,
                                     size_t size);
KITH_API kith_err kith_txn_value_add(kith_txn *txn, kith_value *value, int64_t n);
KITH_API kith_err kith_txn_value_add_float(kith_txn *txn, kith_value *value, double n);

/*
 * ---- conditions ----
 *
 * Looked at before any operation of the same transaction.  One that does not hold is
 * KITH_ECONFLICT at commit.
 */

/* `key` is absent. */
KITH_API kith_err kith_txn_if_absent(kith_txn *txn, kith_dict *dict, struct kith_item key);

/* `key` is there, with whatever item. */
KITH_API kith_err kith_txn_if_present(kith_txn *txn, kith_dict *dict, struct kith_item key);

/* `key` is there and its item equals `expected` in type, bytes and tag. */
KITH_API kith_err kith_txn_if_equal(kith_txn *txn, kith_dict *dict, struct kith_item key,
                                    struct kith_item expected);

/* `key` is there and has the version that kith_dict_get_version() gave. */
KITH_API kith_err kith_txn_if_version(kith_txn *txn, kith_dict *dict, struct kith_item key,
                                      uint64_t version);

/* The bytes of the value are those at `expected`.  Errors as those of kith_txn_value_set(). */
KITH_API kith_err kith_txn_if_value(kith_txn *txn, kith_value *value, const void *expected,
                                    size_t size);

/* ---- ending ---- */

/*
 * Does all of it, or nothing, and frees the transaction in either case, except in a forked child.
 * It does not wait for room or for items.
 *
 * KITH_ECONFLICT  a condition did not hold
 * KITH_EFULL      a queue has no room for what is put
 * KITH_ECLOSED    a queue that is put into was shut down
 * KITH_EGONE      a lease was lost, or an object was destroyed
 * KITH_ETYPE      a number is added to what is no int
 * KITH_ERANGE     a sum does not fit an int64_t
 * KITH_ENOMEM     the arena has no room for it
 *
 * After any error nothing happened, and leases are the caller's as before.
 */
KITH_API kith_err kith_txn_commit(kith_txn *txn);

/* Frees the transaction; nothing happened.  NULL is accepted. */
KITH_API void kith_txn_discard(kith_txn *txn);

KITH_C_END
#endif /* KITH_TXN_H */
