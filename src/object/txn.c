/*
 * txn.c - several operations on several objects, built here and committed by the engine.
 *
 * A step is kept with copies of its key and its item; nothing shared is touched before the commit.
 */
#include <kith/txn.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/key.h"
#include "base/pid.h"
#include "object/handle.h"

struct built {
    const struct kith__handle *handle;
    struct kith_buf key, item;
    kith_lease *lease;
};

struct kith_txn {
    kith_space *space; /* held */
    pid_t process;
    size_t count, room;
    struct built *built;      /* what keeps ... */
    struct kith__step *steps; /* ... each of these alive */
};

kith_err
kith_txn_begin(kith_space *space, kith_txn **txn_out)
{
    kith_txn *txn;

    if (space == NULL || txn_out == NULL)
        return kith__fail_null("kith_txn_begin");
    txn = kith__handle_new(sizeof(*txn));
    if (txn == NULL)
        return KITH_ENOMEM;
    txn->space = space;
    txn->process = kith__pid();
    kith__space_hold(space);
    *txn_out = txn;
    return KITH_OK;
}

static kith_err
inherited(void)
{
    return kith__fail(KITH_EPERM, "The transaction is the parent's: this process, its child, can "
                                  "only discard its copy.");
}

/* ---- Building ------------------------------------------------------------------------- */

static kith_err
no_memory(size_t count)
{
    return kith__fail(KITH_ENOMEM, "This process has no memory for a transaction of %zu steps.",
                      count);
}

static kith_err
make_room(kith_txn *txn)
{
    size_t room = txn->room > 0 ? 2 * txn->room : 8;
    struct kith__step *steps;
    struct built *built;

    if (txn->count < txn->room)
        return KITH_OK;
    built = kith__realloc(txn->built, room * sizeof(*built));
    if (built == NULL)
        return no_memory(room);
    txn->built = built;
    steps = kith__realloc(txn->steps, room * sizeof(*steps));
    if (steps == NULL)
        return no_memory(room);
    txn->steps = steps;
    txn->room = room;
    return KITH_OK;
}

/* Whether the item can be a key: its hash is of no account. */
static kith_err
check_key(const struct kith_item *item)
{
    static const uint64_t seed[2];
    struct kith__key key;
    kith_err err = kith__key_make(seed, *item, &key);

    if (err == KITH_OK)
        kith__key_free(&key);
    return err;
}

static kith_err
check_object(const kith_txn *txn, const struct kith__handle *handle)
{
    if (txn->process != kith__pid())
        return inherited();
    if (handle->space != txn->space)
        return kith__fail_object(KITH_EINVAL, kith__the_kind(handle->kind), handle->name,
                                 "\" is of another space than the transaction.");
    return KITH_OK;
}

/* Adds a step with copies of `key` and `item`, each of which may be NULL. */
static kith_err
add(kith_txn *txn, const struct kith__handle *handle, struct kith__step step,
    const struct kith_item *key, const struct kith_item *item, kith_lease *lease)
{
    struct built built = { .handle = handle, .lease = lease };
    kith_err err = check_object(txn, handle);

    if (err == KITH_OK && key != NULL)
        err = check_key(key);
    if (err == KITH_OK && item != NULL)
        err = kith__item_check_fast(item);
    if (err == KITH_OK)
        err = make_room(txn);
    if (err == KITH_OK && key != NULL)
        err = kith__buf_set(&built.key, *key);
    if (err == KITH_OK && item != NULL)
        err = kith__buf_set(&built.item, *item);
    if (err < 0) {
        kith_buf_free(&built.key);
        kith_buf_free(&built.item);
        return err;
    }
    step.object = handle->state;
    step.key = built.key.item;
    step.item = built.item.item;
    txn->built[txn->count] = built;
    txn->steps[txn->count] = step;
    txn->count++;
    return KITH_OK;
}

kith_err
kith_txn_dict_set(kith_txn *txn, kith_dict *dict, struct kith_item key, struct kith_item item)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_dict_set");
    return add(txn, &dict->handle, (struct kith__step){ .what = KITH__STEP_SET }, &key, &item,
               NULL);
}

kith_err
kith_txn_dict_add(kith_txn *txn, kith_dict *dict, struct kith_item key, int64_t n)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_dict_add");
    return add(txn, &dict->handle, (struct kith__step){ .what = KITH__STEP_ADD, .n = n }, &key,
               NULL, NULL);
}

kith_err
kith_txn_dict_delete(kith_txn *txn, kith_dict *dict, struct kith_item key)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_dict_delete");
    return add(txn, &dict->handle, (struct kith__step){ .what = KITH__STEP_DELETE }, &key, NULL,
               NULL);
}

kith_err
kith_txn_queue_put(kith_txn *txn, kith_queue *queue, struct kith_item item)
{
    if (txn == NULL || queue == NULL)
        return kith__fail_null("kith_txn_queue_put");
    return add(txn, &queue->handle, (struct kith__step){ .what = KITH__STEP_PUT }, NULL, &item,
               NULL);
}

kith_err
kith_txn_queue_put_with(kith_txn *txn, kith_queue *queue, struct kith_item item,
                        const struct kith_put_options *options)
{
    struct kith__step step = { .what = KITH__STEP_PUT };
    kith_err err;

    if (txn == NULL || queue == NULL)
        return kith__fail_null("kith_txn_queue_put_with");
    err = kith__put_options("kith_txn_queue_put_with", options, &step.put);
    return err < 0 ? err : add(txn, &queue->handle, step, NULL, &item, NULL);
}

kith_err
kith_txn_lease_ack(kith_txn *txn, kith_lease *lease)
{
    unsigned told = kith__told();
    kith_queue *queue;
    kith_err err;

    if (txn == NULL || lease == NULL)
        return kith__fail_null("kith_txn_lease_ack");
    queue = lease->queue;
    err = queue->ops->ours(queue->handle.state, &lease->lease);
    if (err < 0)
        return kith__fail_outcome(&queue->handle, err, told, kith__lease_outcome(err));
    return add(txn, &queue->handle,
               (struct kith__step){ .what = KITH__STEP_ACK, .lease = &lease->lease }, NULL, NULL,
               lease);
}

kith_err
kith_txn_if_absent(kith_txn *txn, kith_dict *dict, struct kith_item key)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_if_absent");
    return add(txn, &dict->handle, (struct kith__step){ .what = KITH__STEP_IF_ABSENT }, &key, NULL,
               NULL);
}

kith_err
kith_txn_if_present(kith_txn *txn, kith_dict *dict, struct kith_item key)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_if_present");
    return add(txn, &dict->handle, (struct kith__step){ .what = KITH__STEP_IF_PRESENT }, &key, NULL,
               NULL);
}

kith_err
kith_txn_if_equal(kith_txn *txn, kith_dict *dict, struct kith_item key, struct kith_item expected)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_if_equal");
    return add(txn, &dict->handle, (struct kith__step){ .what = KITH__STEP_IF_EQUAL }, &key,
               &expected, NULL);
}

kith_err
kith_txn_if_version(kith_txn *txn, kith_dict *dict, struct kith_item key, uint64_t version)
{
    if (txn == NULL || dict == NULL)
        return kith__fail_null("kith_txn_if_version");
    return add(txn, &dict->handle,
               (struct kith__step){ .what = KITH__STEP_IF_VERSION, .version = version }, &key, NULL,
               NULL);
}

/* ---- Values --------------------------------------------------------------------------- */

static kith_err
check_value(const kith_value *value)
{
    if (!value->shape.transactional)
        return kith__fail(KITH_EUNSUPPORTED,
                          "The value \"%s\" changes without a lock, so it cannot be in a "
                          "transaction: create it with the option transactional, or open the space "
                          "with it.",
                          value->handle.name);
    return KITH_OK;
}

static kith_err
add_bytes(const char *function, kith_txn *txn, kith_value *value, enum kith__step_what what,
          const void *data, size_t size)
{
    const struct kith__scalar *type;
    struct kith_item item;
    uint64_t bits;
    kith_err err;

    if (txn == NULL || value == NULL || data == NULL)
        return kith__fail_null(function);
    err = check_value(value);
    if (err < 0)
        return err;
    type = &value->shape.type;
    if (size != type->size)
        return kith__fail(KITH_EINVAL, "The value \"%s\" has %u bytes, and %s() was given %zu.",
                          value->handle.name, type->size, function, size);
    if (type->code != 0) {
        bits = kith__scalar_bits(type, data);
        data = &bits;
    }
    item = kith_bytes(data, size);
    return add(txn, &value->handle, (struct kith__step){ .what = what }, NULL, &item, NULL);
}

kith_err
kith_txn_value_set(kith_txn *txn, kith_value *value, const void *data, size_t size)
{
    return add_bytes("kith_txn_value_set", txn, value, KITH__STEP_VALUE_SET, data, size);
}

kith_err
kith_txn_if_value(kith_txn *txn, kith_value *value, const void *expected, size_t size)
{
    return add_bytes("kith_txn_if_value", txn, value, KITH__STEP_IF_VALUE, expected, size);
}

static kith_err
add_number(const char *function, kith_txn *txn, kith_value *value, bool real, uint64_t n)
{
    kith_err err;

    if (txn == NULL || value == NULL)
        return kith__fail_null(function);
    err = check_value(value);
    if (err < 0)
        return err;
    if (!kith__scalar_takes(&value->shape.type, KITH__MATH_ADD, real))
        return kith__fail(KITH_ETYPE, "The value \"%s\" is of a type that %s() does not take.",
                          value->handle.name, function);
    return add(txn, &value->handle,
               (struct kith__step){ .what = KITH__STEP_VALUE_ADD, .n = (int64_t)n }, NULL, NULL,
               NULL);
}

kith_err
kith_txn_value_add(kith_txn *txn, kith_value *value, int64_t n)
{
    return add_number("kith_txn_value_add", txn, value, false, (uint64_t)n);
}

kith_err
kith_txn_value_add_float(kith_txn *txn, kith_value *value, double n)
{
    return add_number("kith_txn_value_add_float", txn, value, true, kith__real_bits(n));
}

/* ---- Ending --------------------------------------------------------------------------- */

void
kith_txn_discard(kith_txn *txn)
{
    if (txn == NULL)
        return;
    for (size_t i = 0; i < txn->count; i++) {
        kith_buf_free(&txn->built[i].key);
        kith_buf_free(&txn->built[i].item);
    }
    kith__free(txn->built);
    kith__free(txn->steps);
    kith__space_release(txn->space);
    kith__free(txn);
}

static kith_err
tell_failure(const kith_txn *txn, kith_err err, size_t failed, unsigned told)
{
    if (failed < txn->count) {
        const struct built *built = &txn->built[failed];

        return kith__fail_outcome(built->handle, err, told,
                                  built->lease != NULL ? kith__lease_outcome(err) : NULL);
    }
    if (kith__told() == told)
        kith__fail(err, "A transaction of %zu steps failed: %s.", txn->count, kith_strerror(err));
    return err;
}

kith_err
kith_txn_commit(kith_txn *txn)
{
    unsigned told = kith__told();
    size_t failed = 0;
    kith_err err = KITH_OK;

    if (txn == NULL)
        return kith__fail_null("kith_txn_commit");
    if (txn->process != kith__pid())
        return inherited();
    if (txn->count > 0)
        err = txn->space->engine->txn->commit(txn->space->state, txn->steps, txn->count, &failed);
    if (err < 0)
        tell_failure(txn, err, failed, told);
    else
        for (size_t i = 0; i < txn->count; i++)
            if (txn->built[i].lease != NULL)
                kith__lease_free(txn->built[i].lease);
    kith_txn_discard(txn);
    return err;
}
