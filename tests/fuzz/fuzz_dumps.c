/*
 * fuzz_dumps.c - dumps that nobody wrote, loaded.
 *
 * A dump's checksums keep damage from ever reaching the decoder, so most rounds here set them right
 * again after the damage: what is then left to refuse it is what the decoder checks.  Whatever is
 * loaded, every call returns; what is refused leaves nothing; what is taken leaves a whole space.
 */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "base/xxh64.h"

#define ROOM ((size_t)64 << 10)
#define CASES 60

struct bytes {
    uint8_t data[ROOM];
    size_t size, at;
};

static int
keep(const void *data, size_t size, void *arg)
{
    struct bytes *b = arg;

    if (size > sizeof(b->data) - b->size)
        return 1;
    memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

static int
give(void *data, size_t size, size_t *got_out, void *arg)
{
    struct bytes *b = arg;
    size_t got = b->size - b->at < size ? b->size - b->at : size;

    memcpy(data, b->data + b->at, got);
    b->at += got;
    *got_out = got;
    return 0;
}

static kith_space *
open_space(void)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space;

    options.size = 4 << 20;
    if (kith_open("mem://", &options, &space) < 0)
        fuzz_failed("kith_open: %s", kith_last_error());
    return space;
}

/* ---- a dump to begin with ---- */

static struct kith_item
some_item(void)
{
    static const struct kith_item foreign = {
        .type = KITH_TYPE_FOREIGN, .data = "data", .size = 4, .tag = "a/tag"
    };
    static const struct kith_item packed = { .type = KITH_TYPE_PACKED,
                                             .data = "\x93\x01\xa1x\xc0",
                                             .size = 5 };

    switch (fuzz_below(7)) {
    case 0:
        return kith_none();
    case 1:
        return kith_bool(true);
    case 2:
        return KITH_INT((int64_t)fuzz_next());
    case 3:
        return kith_float(0.5);
    case 4:
        return KITH_STR("some text");
    case 5:
        return foreign;
    default:
        return packed;
    }
}

/* One of each kind that is not made in make_dump() itself. */
static kith_err
make_others(kith_space *space)
{
    struct kith_array_options array_options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_segment_options segment_options = KITH_SEGMENT_OPTIONS_INIT;
    kith_namespace *names = NULL;
    struct kith_list *list = NULL;
    kith_segment *segment = NULL;
    kith_rwlock *rwlock = NULL;
    kith_array *array = NULL;
    kith_set *set = NULL;
    kith_err err;

    array_options.type = fuzz_percent(50) ? 'i' : 0;
    array_options.size = array_options.type == 0 ? 12 : 0;
    array_options.count = fuzz_below(6);
    segment_options.size = 1 + fuzz_below(200);
    err = kith_array_open(space, "a", &array_options, &array);
    if (err >= 0)
        err = kith_segment_open(space, "segment", &segment_options, &segment);
    if (err >= 0)
        err = kith_rwlock_open(space, "rw", NULL, &rwlock);
    if (err >= 0)
        err = kith_list_open(space, "list", NULL, &list);
    for (uint64_t n = fuzz_below(5); err >= 0 && n > 0; n--)
        err = kith_list_append(list, some_item());
    if (err >= 0)
        err = kith_set_open(space, "set", NULL, &set);
    if (err >= 0)
        err = kith_set_add(set, KITH_INT(3));
    if (err >= 0)
        err = kith_namespace_open(space, "names", NULL, &names);
    if (err >= 0)
        err = kith_namespace_set(names, "one", some_item());
    kith_namespace_close(names);
    kith_set_close(set);
    kith_list_close(list);
    kith_rwlock_close(rwlock);
    kith_segment_close(segment);
    kith_array_close(array);
    return err;
}

/* That by which processes wait for each other, each in some state. */
static kith_err
make_syncs(kith_space *space)
{
    struct kith_semaphore_options semaphore_options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith_condition_options condition_options = KITH_CONDITION_OPTIONS_INIT;
    struct kith_barrier_options barrier_options = KITH_BARRIER_OPTIONS_INIT;
    struct kith_limiter_options limiter_options = KITH_LIMITER_OPTIONS_INIT;
    kith_semaphore *semaphore = NULL;
    kith_condition *condition = NULL;
    kith_barrier *barrier = NULL;
    kith_limiter *limiter = NULL;
    kith_once *once = NULL;
    kith_err err;
    bool mine;

    semaphore_options.value = (uint32_t)fuzz_below(4);
    semaphore_options.fair = fuzz_percent(50);
    semaphore_options.unowned = fuzz_percent(50);
    condition_options.lock = fuzz_percent(70) ? "l" : NULL;
    barrier_options.parties = 1 + (uint32_t)fuzz_below(9);
    limiter_options.rate = 0.5 + (double)fuzz_below(1000);
    limiter_options.burst = 1 + (uint32_t)fuzz_below(100);
    err = kith_semaphore_open(space, "semaphore", &semaphore_options, &semaphore);
    if (err >= 0)
        err = kith_semaphore_release_many(semaphore, (uint32_t)fuzz_below(3));
    if (err >= 0)
        err = kith_condition_open(space, "condition", &condition_options, &condition);
    if (err >= 0)
        err = kith_barrier_open(space, "barrier", &barrier_options, &barrier);
    if (err >= 0 && fuzz_percent(50))
        err = kith_barrier_abort(barrier);
    if (err >= 0)
        err = kith_limiter_open(space, "limiter", &limiter_options, &limiter);
    if (err >= 0)
        err = kith_limiter_take(limiter, (uint32_t)fuzz_below(limiter_options.burst));
    if (err >= 0)
        err = kith_once_open(space, "once", NULL, &once);
    if (err >= 0 && fuzz_percent(70))
        err = kith_once_claim(once, 0, &mine);
    if (err >= 0 && fuzz_percent(50))
        (void)kith_once_done(once);
    kith_once_close(once);
    kith_limiter_close(limiter);
    kith_barrier_close(barrier);
    kith_condition_close(condition);
    kith_semaphore_close(semaphore);
    return err;
}

static void
make_dump(struct bytes *b)
{
    struct kith_queue_options queue_options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_dict_options dict_options = KITH_DICT_OPTIONS_INIT;
    struct kith_dict_set_options set_options = KITH_DICT_SET_OPTIONS_INIT;
    kith_space *space = open_space();
    kith_value *value = NULL;
    kith_queue *queue = NULL;
    kith_event *event = NULL;
    kith_lock *lock = NULL;
    kith_dict *dict = NULL;
    kith_err err;

    dict_options.max_items = fuzz_percent(50) ? 0 : 10;
    dict_options.policy = fuzz_percent(50) ? KITH_DICT_FIFO : KITH_DICT_SIEVE;
    set_options.ttl_ns = fuzz_percent(50) ? 0 : INT64_C(3600000000000);
    err = kith_dict_open(space, "d", &dict_options, &dict);
    queue_options.dead_letter = fuzz_percent(50) ? "letters" : NULL;
    queue_options.capacity = fuzz_below(30);
    for (uint64_t n = fuzz_below(20); err >= 0 && n > 0; n--)
        err = kith_dict_set_with(dict, fuzz_percent(50) ? KITH_INT((int64_t)n) : KITH_STR("key"),
                                 some_item(), &set_options);
    if (err >= 0)
        err = kith_queue_open(space, "q", &queue_options, &queue);
    for (uint64_t n = fuzz_below(20); err >= 0 && n > 0; n--)
        (void)kith_queue_put(queue, some_item(), 0);
    if (err >= 0)
        err = kith_event_open(space, "e", NULL, &event);
    if (err >= 0)
        err = kith_value_open(space, "v", NULL, &value);
    if (err >= 0)
        err = kith_lock_open(space, "l", NULL, &lock);
    if (err >= 0 && fuzz_percent(50))
        err = kith_event_set(event);
    if (err >= 0 && fuzz_percent(50))
        err = make_others(space);
    if (err >= 0 && fuzz_percent(60))
        err = make_syncs(space);
    b->size = 0;
    if (err >= 0)
        err = kith_dump(space, fuzz_percent(70) ? NULL : "q", keep, b, NULL);
    if (err < 0)
        fuzz_failed("no dump to begin with: %s", kith_last_error());
    kith_value_close(value);
    kith_lock_close(lock);
    kith_event_close(event);
    kith_queue_close(queue);
    kith_dict_close(dict);
    kith_close(space);
}

/* ---- damage ---- */

static void
damage(struct bytes *b)
{
    for (uint64_t n = 1 + fuzz_below(4); n > 0; n--) {
        size_t at = b->size == 0 ? 0 : fuzz_below(b->size);

        switch (fuzz_below(5)) {
        case 0:
            b->data[at] ^= (uint8_t)(1u << fuzz_below(8));
            break;
        case 1:
            b->data[at] = (uint8_t)fuzz_next();
            break;
        case 2: /* a number that matters */
            b->data[at] = (uint8_t[]){ 0, 1, 2, 8, 0x7f, 0x80, 0xff }[fuzz_below(7)];
            break;
        case 3:
            b->size = fuzz_percent(30) ? at : b->size;
            break;
        default:
            if (at + 8 <= b->size)
                memset(b->data + at, fuzz_percent(50) ? 0xff : 0, 8);
            break;
        }
        fuzz_tally(FUZZ_DAMAGE);
    }
}

static void
put_word(uint8_t *at, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

/* Sets all checksums right, as far as the bytes can be taken for records. */
static void
seal(struct bytes *b)
{
    size_t at = 32;

    if (b->size < at)
        return;
    put_word(b->data + 24, kith__xxh64(b->data, 24, 0), 8);
    for (uint64_t number = 1; b->size - at >= 24; number++) {
        uint64_t size;

        memcpy(&size, b->data + at + 8, 8);
        if (size > b->size - at - 24)
            return;
        if (b->data[at] == 4 && size >= 24)
            put_word(b->data + at + 32, kith__xxh64(b->data, at, 0), 8);
        memset(b->data + at + 4, 0, 4);
        put_word(b->data + at + 4, kith__xxh64(b->data + at, 16, number), 4);
        put_word(b->data + at + 16 + size, kith__xxh64(b->data + at + 16, size, number), 8);
        at += 24 + size;
    }
}

/* ---- loading ---- */

static int
count_one(const struct kith_info *info, void *arg)
{
    (void)info;
    ++*(int *)arg;
    return 0;
}

static void
load(struct bytes *b)
{
    struct kith_report report;
    kith_space *space = open_space();
    int objects = 0;
    kith_err err;

    b->at = 0;
    fuzz_doing("kith_load");
    err = kith_load(space, NULL, give, b, NULL);
    fuzz_tally(FUZZ_CALLS);
    fuzz_tally(err == KITH_OK ? FUZZ_OPENED : FUZZ_REFUSED);
    if (err < 0 && err != KITH_ECORRUPT && err != KITH_EVERSION && err != KITH_ENOMEM)
        fuzz_failed("kith_load gave %d: %s", (int)err, kith_last_error());
    if (kith_list(space, count_one, &objects) < 0 || (err < 0 && objects != 0))
        fuzz_failed("a load that was refused left %d objects", objects);
    fuzz_doing("kith_check");
    if (kith_check(space, &report) < 0)
        fuzz_failed("kith_check: %s", report.first);
    kith_close(space);
}

static void
altered_round(void)
{
    static struct bytes whole, bytes;

    make_dump(&whole);
    for (int i = 0; i < CASES && !fuzz_enough(); i++) {
        bytes = whole;
        damage(&bytes);
        load(&bytes);
    }
}

static void
sealed_round(void)
{
    static struct bytes whole, bytes;

    make_dump(&whole);
    load(&whole);
    for (int i = 0; i < CASES && !fuzz_enough(); i++) {
        bytes = whole;
        damage(&bytes);
        seal(&bytes);
        load(&bytes);
    }
}

int
main(int argc, char **argv)
{
    static const struct fuzz_kind kinds[] = {
        { "altered dumps", 1500, altered_round },
        { "dumps that nobody wrote", 4000, sealed_round },
    };

    return fuzz_main(argc, argv, kinds, COUNTOF(kinds));
}
