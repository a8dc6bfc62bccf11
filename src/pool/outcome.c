/*
 * outcome.c - what came of a task that is done.
 */
#include <string.h>

#include "base/alloc.h"
#include "base/utf8.h"
#include "object/handle.h"
#include "pool/client.h"

/* What is told of a task whose workers died; false if it is not that. */
static bool
read_death(struct kith_item payload, struct kith_death *death)
{
    struct kith__pack_reader reader = kith__pack_reader(payload.data, payload.size);
    int64_t pid, signal, attempts;
    uint32_t count;

    if (payload.type != KITH_TYPE_PACKED || !kith__unpack_array(&reader, &count) || count != 3 ||
        !kith__unpack_int(&reader, &pid) || !kith__unpack_int(&reader, &signal) ||
        !kith__unpack_int(&reader, &attempts))
        return false;
    *death = (struct kith_death){ .struct_size = sizeof(*death),
                                  .pid = pid,
                                  .signal = (int)signal,
                                  .attempts = (uint32_t)attempts };
    return true;
}

/* What stands at the slot; false: for want of memory it cannot be told. */
static bool
read_slot(struct kith__slot *slot, struct kith_item *item_out)
{
    struct kith__pack_reader reader = kith__pack_reader(slot->at, slot->size);
    kith__tag tag;

    if (slot->message == NULL) {
        *item_out =
            (struct kith_item){ .type = KITH_TYPE_STR, .data = slot->at, .size = slot->size };
        return true;
    }
    (void)kith__unpack_item(&reader, item_out, tag); /* as when it came */
    if (item_out->type != KITH_TYPE_FOREIGN)
        return true;
    if (slot->tag == NULL) {
        slot->tag = kith__malloc(strlen(tag) + 1);
        if (slot->tag == NULL)
            return false;
        memcpy(slot->tag, tag, strlen(tag) + 1);
    }
    item_out->tag = slot->tag;
    return true;
}

kith_err
kith__slot_outcome(const struct kith_results *batch, struct kith__slot *slot,
                   struct kith_item *item_out)
{
    size_t index = (size_t)(slot - batch->slots);
    struct kith_item item = { .type = KITH_TYPE_NONE };
    struct kith_death death;

    if (slot->code == KITH_OK && item_out == NULL)
        return KITH_OK;
    if (!read_slot(slot, &item))
        return kith__fail(KITH_ENOMEM, "This process has no memory left for a result.");
    if (slot->code == KITH_OK) {
        *item_out = item;
        return KITH_OK;
    }
    if (slot->code == KITH_EUNAVAILABLE && read_death(item, &death))
        return kith__fail(slot->code,
                          "The task %zu, \"%s\", was begun %u times, and each time its worker "
                          "died; the last was process %lld, by signal %d.",
                          index, batch->task, (unsigned)death.attempts, (long long)death.pid,
                          death.signal);
    if (item.type != KITH_TYPE_STR || !kith__utf8_ok(item.data, item.size))
        return kith__fail(slot->code, "The task %zu, \"%s\", failed: %s.", index, batch->task,
                          kith_strerror(slot->code));
    return kith__fail(slot->code, "The task %zu, \"%s\", failed: %.*s", index, batch->task,
                      item.size < KITH__SENTENCE_SIZE_MAX ? (int)item.size
                                                          : KITH__SENTENCE_SIZE_MAX,
                      (const char *)item.data);
}

kith_err
kith__slot_death(struct kith__slot *slot, struct kith_death *death_out)
{
    struct kith_death death;
    struct kith_item item;

    if (!kith__slot_done(slot) || slot->code != KITH_EUNAVAILABLE || !read_slot(slot, &item) ||
        !read_death(item, &death))
        return kith__fail(KITH_ENOENT, "The task did not fail by deaths of its workers.");
    kith__info_copy(&death, death_out, sizeof(death));
    return KITH_OK;
}
