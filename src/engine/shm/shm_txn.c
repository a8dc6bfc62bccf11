/*
 * shm_txn.c - transactions on shared memory.
 */
#include "shm/txn.h"

#include "base/alloc.h"
#include "engine/shm/shm_engine.h"

static const enum kith__txn_what whats[] = {
    [KITH__STEP_SET] = KITH__TXN_SET,
    [KITH__STEP_ADD] = KITH__TXN_ADD,
    [KITH__STEP_DELETE] = KITH__TXN_DELETE,
    [KITH__STEP_PUT] = KITH__TXN_PUT,
    [KITH__STEP_ACK] = KITH__TXN_ACK,
    [KITH__STEP_VALUE_SET] = KITH__TXN_VALUE_SET,
    [KITH__STEP_VALUE_ADD] = KITH__TXN_VALUE_ADD,
    [KITH__STEP_IF_ABSENT] = KITH__TXN_IF_ABSENT,
    [KITH__STEP_IF_PRESENT] = KITH__TXN_IF_PRESENT,
    [KITH__STEP_IF_EQUAL] = KITH__TXN_IF_EQUAL,
    [KITH__STEP_IF_VERSION] = KITH__TXN_IF_VERSION,
    [KITH__STEP_IF_VALUE] = KITH__TXN_IF_VALUE,
};

/* `key` is made if the step has one. */
static kith_err
convert(const struct kith__arena *arena, const struct kith__step *from, struct kith__key *key,
        struct kith__txn_step *to)
{
    *to = (struct kith__txn_step){
        .what = whats[from->what], .item = from->item, .n = from->n, .version = from->version
    };
    key->scratch = NULL;
    if (from->what == KITH__STEP_PUT || from->what == KITH__STEP_ACK) {
        to->queue = *kith__shm_queue_of(from->object);
        to->how = (struct kith__put_how){ .priority = from->put.priority,
                                          .delay_ns = from->put.delay_ns };
        if (from->lease != NULL)
            to->lent =
                (struct kith__lent){ from->lease->node, from->lease->fence, from->lease->attempts };
        return KITH_OK;
    }
    if (from->what == KITH__STEP_VALUE_SET || from->what == KITH__STEP_VALUE_ADD ||
        from->what == KITH__STEP_IF_VALUE) {
        to->value = *kith__shm_value_of(from->object);
        return KITH_OK;
    }
    to->dict = *kith__shm_dict_of(from->object);
    to->key = key;
    return kith__key_make(arena->hash_key, from->key, key);
}

static kith_err
txn_commit(void *state, const struct kith__step *steps, size_t count, size_t *failed_out)
{
    struct kith__shm_space *space = state;
    struct kith__self *self = kith__shm_self(space->arena);
    struct kith__txn_step *converted;
    struct kith__key *keys;
    size_t made = 0;
    kith_err err = KITH_OK;

    *failed_out = count;
    if (self == NULL)
        return kith__shm_refusal();
    converted = count > SIZE_MAX / (sizeof(*converted) + sizeof(*keys))
                    ? NULL
                    : kith__malloc(count * (sizeof(*converted) + sizeof(*keys)));
    if (converted == NULL)
        return kith__fail(KITH_ENOMEM, "This process has no memory for a transaction of %zu steps.",
                          count);
    keys = (struct kith__key *)(void *)(converted + count);
    while (made < count && err == KITH_OK) {
        err = convert(space->arena, &steps[made], &keys[made], &converted[made]);
        made += err == KITH_OK;
    }
    if (err == KITH_OK)
        err = kith__txn_run(self, converted, count, failed_out);
    else
        *failed_out = made;
    while (made > 0)
        kith__key_free(&keys[--made]);
    kith__free(converted);
    return err;
}

const struct kith__txn_ops kith__shm_txn_ops = { .commit = txn_commit };
