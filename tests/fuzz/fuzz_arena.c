/*
 * fuzz_arena.c - arenas that are overwritten, and whoever uses them all the same.
 *
 * Each round makes an arena with some of everything, damages it through a mapping of its own, and
 * calls every function.  What they return is open; that they return is not.
 *
 *     offline   the file is damaged while nobody has it open; its last users may have been killed
 *     between   one process has it open, and it is damaged between its calls
 *     online    one or two processes are in the middle of calls; one of them may be killed
 *     refused   the file is cut, lengthened or its identity altered: it is not opened, nor touched
 *
 * All randomness, the arena's hash key too, follows from the round's seed: getrandom() is here.
 * Around each arena's mapping lies address space that nothing else gets (see mmap() below), so that
 * an offset that leads out of the arena is a signal, not somebody's memory.
 */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "others.h"
#include "shm/layout.h"
#include "syncs.h"

#define ARENA_SIZE (UINT64_C(16) << 20)
#define SPACE_TIMEOUT_NS (200 * INT64_C(1000000))
#define WAIT_NS (3 * INT64_C(1000000))
#define BIG_SIZE (300 * 1024)
#define GUARD ((size_t)1 << 38)

/* ---- what the library gets from the system ---- */

ssize_t
getrandom(void *data, size_t size, unsigned flags)
{
    uint8_t *at = data;

    (void)flags;
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)fuzz_next();
    return (ssize_t)size;
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* A shared mapping of a file gets a guard on both sides. */
void *
mmap(void *want, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (want == NULL && fd >= 0 && (flags & MAP_SHARED) != 0 && size >= ARENA_SIZE) {
        long guarded = syscall(SYS_mmap, NULL, size + 2 * GUARD, PROT_NONE,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (guarded != -1) {
            want = (uint8_t *)guarded + GUARD;
            flags |= MAP_FIXED;
        }
    }
    return (void *)syscall(SYS_mmap, want, size, protection, flags, fd, offset);
}
#endif

/* ---- the arena ---- */

static char path[300];
static char address[400];
static uint8_t big[BIG_SIZE];

static kith_space *
open_space(bool readonly)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space = NULL;

    options.size = ARENA_SIZE;
    options.timeout_ns = SPACE_TIMEOUT_NS;
    options.readonly = readonly;
    if (CALL(kith_open(address, &options, &space)) < 0) {
        fuzz_tally(FUZZ_REFUSED);
        return NULL;
    }
    fuzz_tally(FUZZ_OPENED);
    return space;
}

static struct kith_item
typed(kith_type type, const void *data, size_t size, const char *tag)
{
    return (struct kith_item){ .type = type, .data = data, .size = size, .tag = tag };
}

/* One of few keys, of every type; int keys up to `ints`. */
static struct kith_item
some_key(uint64_t ints)
{
    static const char *const words[] = { "a", "b", "key", "a longer key that fills a few words" };
    static const char tuple[] = "\xc7\x05\x01\x93\x01\xa1x\xc0"; /* (1, "x", None) */

    switch (fuzz_below(14)) {
    case 0:
        return kith_none();
    case 1:
        return kith_float((double)fuzz_below(4) + 0.5);
    case 2:
        return kith_str(words[fuzz_below(COUNTOF(words))]);
    case 3:
        return kith_bytes(words[fuzz_below(COUNTOF(words))], 1);
    case 4:
        return typed(KITH_TYPE_BIGINT, "\1\2\3\4\5\6\7\10\11\12", 10, NULL);
    case 5:
        return typed(KITH_TYPE_PACKED, tuple, sizeof(tuple) - 1, NULL);
    case 6:
        return kith_bytes(big, 3000);
    default:
        return kith_int((int64_t)fuzz_below(ints));
    }
}

/* Two dicts, a list and a queue. */
static const char *const unnamed_names[] = { "#00000000000000000000000000000001",
                                             "#00000000000000000000000000000002",
                                             "#00000000000000000000000000000003",
                                             "#00000000000000000000000000000004" };

static struct kith_item
some_item(size_t size_max)
{
    switch (fuzz_below(12)) {
    case 0:
        return kith_none();
    case 1:
        return kith_float(1.5);
    case 2:
        return typed(KITH_TYPE_FOREIGN, big, fuzz_below(300), "fuzz/thing");
    case 3:
        return kith_reference(fuzz_percent(30) ? "small"
                                               : unnamed_names[fuzz_below(COUNTOF(unnamed_names))]);
    case 4:
        return typed(KITH_TYPE_PACKED, "\x93\x01\x02\xa1x", 5, NULL);
    case 5:
    case 6:
        return kith_bytes(big, fuzz_below(size_max));
    case 7:
        return kith_bytes(big, fuzz_below(200));
    case 8:
        return kith_str("some text that is longer than a word");
    default:
        return kith_int((int64_t)fuzz_below(100));
    }
}

/* ---- the handles of one user ---- */

enum { DICTS = 3, QUEUES = 4, LOCKS = 5, LEASES = 4, VIEWS = 3 };

struct user {
    kith_space *space;
    kith_dict *dict[DICTS];
    kith_queue *queue[QUEUES];
    kith_lock *lock[LOCKS];
    kith_rwlock *rwlock;
    kith_event *event;
    kith_lease *lease[LEASES];
    kith_view *view[VIEWS];
    kith_dict *kept; /* an unnamed one */
    struct others others;
    struct syncs syncs;
    struct kith_buf buf[4];
    size_t size_max; /* of items */
};

static bool others_first; /* of this round: those of others.h and syncs.h get most of everything */

static const char *const dict_names[DICTS] = { "small", "large", "big" };
static const char *const queue_names[QUEUES] = { "plain", "work", "dead", "joinable" };
static const char *const lock_names[LOCKS] = { "plain-lock", "fair-lock", "unowned-lock",
                                               "detecting-lock", "rwlock" };

static void
open_queue(struct user *u, unsigned which)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;

    if (which == 1) {
        options.attempts_max = 2;
        options.dead_letter = "dead";
    }
    if (which == 3) {
        options.joinable = true;
        options.lending = true;
        options.capacity = 12;
    }
    CALL(kith_queue_open(u->space, queue_names[which], &options, &u->queue[which]));
}

static void
open_lock(struct user *u, unsigned which)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;

    options.fair = which == 1;
    options.recursive = which == 1;
    options.unowned = which == 2;
    options.detect_deadlock = which == 3;
    options.shareable = which == 4;
    CALL(kith_lock_open(u->space, lock_names[which], &options, &u->lock[which]));
    if (which == 4 && u->rwlock == NULL)
        CALL(kith_rwlock_open(u->space, lock_names[which], NULL, &u->rwlock));
}

static void
open_handles(struct user *u)
{
    for (unsigned i = 0; i < DICTS; i++) {
        if (u->dict[i] == NULL && !fuzz_enough())
            CALL(kith_dict_open(u->space, dict_names[i], NULL, &u->dict[i]));
    }
    for (unsigned i = 0; i < QUEUES; i++) {
        if (u->queue[i] == NULL && !fuzz_enough())
            open_queue(u, i);
    }
    for (unsigned i = 0; i < LOCKS; i++) {
        if (u->lock[i] == NULL && !fuzz_enough())
            open_lock(u, i);
    }
    if (u->event == NULL && !fuzz_enough())
        CALL(kith_event_open(u->space, "event", NULL, &u->event));
    others_open(&u->others, u->space);
    syncs_open(&u->syncs, u->space);
}

static void
close_handles(struct user *u)
{
    for (unsigned i = 0; i < VIEWS; i++) {
        fuzz_doing("kith_view_release");
        kith_view_release(u->view[i]);
        u->view[i] = NULL;
    }
    for (unsigned i = 0; i < LEASES; i++) {
        if (u->lease[i] != NULL && !fuzz_enough())
            CALL(fuzz_percent(50) ? kith_lease_ack(u->lease[i]) : kith_lease_nack(u->lease[i]));
        u->lease[i] = NULL;
    }
    fuzz_doing("closing of handles");
    for (unsigned i = 0; i < DICTS; i++) {
        kith_dict_close(u->dict[i]);
        u->dict[i] = NULL;
    }
    for (unsigned i = 0; i < QUEUES; i++) {
        kith_queue_close(u->queue[i]);
        u->queue[i] = NULL;
    }
    for (unsigned i = 0; i < LOCKS; i++) {
        kith_lock_close(u->lock[i]);
        u->lock[i] = NULL;
    }
    kith_dict_close(u->kept);
    u->kept = NULL;
    kith_rwlock_close(u->rwlock);
    u->rwlock = NULL;
    kith_event_close(u->event);
    u->event = NULL;
    others_close(&u->others);
    syncs_close(&u->syncs);
}

static void
close_user(struct user *u)
{
    close_handles(u);
    for (unsigned i = 0; i < COUNTOF(u->buf); i++)
        kith_buf_free(&u->buf[i]);
    fuzz_doing("kith_close");
    kith_close(u->space);
    fuzz_did(KITH_OK);
    u->space = NULL;
}

/* Reads all of an item that came out. */
static void
touch(struct kith_item item)
{
    const volatile uint8_t *data = item.data;
    volatile uint8_t sum = 0;

    if (data == NULL)
        return;
    for (size_t i = 0; i < item.size; i++)
        sum = (uint8_t)(sum + data[i]);
    if (item.type == KITH_TYPE_FOREIGN && item.tag != NULL && strlen(item.tag) > KITH_TAG_SIZE_MAX)
        fuzz_failed("a tag of %zu bytes came out", strlen(item.tag));
}

/* ---- every function ---- */

static int left_to_see;

static int
see(struct kith_item key, struct kith_item item, void *arg)
{
    (void)arg;
    touch(key);
    touch(item);
    return left_to_see-- == 0;
}

static int
see_key(struct kith_item key, void *arg)
{
    (void)arg;
    touch(key);
    return left_to_see-- == 0;
}

static int
see_info(const struct kith_info *info, void *arg)
{
    (void)arg;
    return strlen(info->name) > 200;
}

static int
see_sentence(const char *sentence, void *arg)
{
    (void)arg;
    if (strlen(sentence) == 0)
        fuzz_failed("an empty sentence from kith_check_each");
    return left_to_see-- == 0;
}

static int
see_space(const struct kith_space_info *info, void *arg)
{
    (void)arg;
    return strlen(info->path) == 0;
}

static void
use_dict(struct user *u)
{
    unsigned which = (unsigned)fuzz_below(DICTS);
    kith_dict *d = u->dict[which];
    struct kith_item key = some_key(which == 1 ? 1000 : 20);
    struct kith_item keys[4] = { key, some_key(1000), some_key(20), some_key(20) };
    struct kith_item item = some_item(which == 2 ? BIG_SIZE : u->size_max);
    struct kith_item items[4] = { item, some_item(100), some_item(100), some_item(100) };
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    struct kith_add_options add = KITH_ADD_OPTIONS_INIT;
    const int64_t ns[4] = { 1, 2, 3, 4 };
    unsigned slot = (unsigned)fuzz_below(VIEWS);
    uint64_t version = 0, count;
    int64_t now;
    double real;
    char into[64];
    size_t size;

    if (d == NULL)
        return;
    left_to_see = (int)fuzz_below(2000);
    switch (fuzz_below(38)) {
    case 0:
    case 1:
        if (CALL(kith_dict_get(d, key, &u->buf[0])) == KITH_OK)
            touch(u->buf[0].item);
        break;
    case 2:
        CALL(kith_dict_get_into(d, key, into, sizeof(into), &size));
        break;
    case 3:
        if (CALL(kith_dict_get_version(d, key, &u->buf[0], &version)) == KITH_OK)
            CALL(kith_dict_cas_version(d, key, version, item));
        break;
    case 4:
        if (CALL(kith_dict_get_many(d, keys, 4, u->buf)) == KITH_OK)
            touch(u->buf[3].item);
        break;
    case 5:
    case 6:
        if (u->view[slot] != NULL) {
            fuzz_doing("kith_view_release");
            touch(kith_view_item(u->view[slot]));
            kith_view_release(u->view[slot]);
            u->view[slot] = NULL;
        }
        if (CALL(kith_dict_view(d, key, &u->view[slot])) == KITH_OK) {
            fuzz_doing("reading a view");
            touch(kith_view_item(u->view[slot]));
            if (kith_view_size(u->view[slot]) > 0 && kith_view_data(u->view[slot]) == NULL)
                fuzz_failed("a view with a size and no data");
            (void)kith_view_readonly(u->view[slot]);
        }
        break;
    case 7:
        CALL(kith_dict_has(d, key));
        break;
    case 8:
        CALL(kith_dict_len(d, &count));
        break;
    case 9:
        CALL(kith_dict_each(d, see, NULL));
        break;
    case 10:
        CALL(kith_dict_keys(d, see_key, NULL));
        break;
    case 11:
        CALL(kith_dict_info(d, &info));
        break;
    case 12:
    case 13:
    case 14:
    case 15:
        CALL(kith_dict_set(d, key, item));
        break;
    case 16:
        CALL(kith_dict_insert(d, key, item));
        break;
    case 17:
        CALL(kith_dict_replace(d, key, item));
        break;
    case 18:
        CALL(kith_dict_setdefault(d, key, item, &u->buf[0]));
        break;
    case 19:
        CALL(kith_dict_swap(d, key, item, &u->buf[0]));
        break;
    case 20:
        CALL(kith_dict_cas(d, key, some_item(100), item));
        break;
    case 21:
        CALL(kith_dict_set_many(d, keys, items, 4));
        break;
    case 22:
    case 23:
        CALL(kith_dict_delete(d, key));
        break;
    case 24:
        CALL(kith_dict_delete_if(d, key, item));
        break;
    case 25:
        CALL(kith_dict_delete_many(d, keys, 4, &count));
        break;
    case 26:
        CALL(kith_dict_pop(d, key, &u->buf[0]));
        break;
    case 27:
        if (CALL(kith_dict_popitem(d, &u->buf[0], &u->buf[1])) == KITH_OK)
            touch(u->buf[0].item);
        break;
    case 28:
        if (fuzz_percent(20))
            CALL(kith_dict_clear(d));
        break;
    case 29:
        CALL(kith_dict_add(d, key, 1, &now));
        break;
    case 30:
        CALL(kith_dict_add_float(d, key, 0.5, &real));
        break;
    case 31:
        add.init = 7;
        CALL(kith_dict_add_with(d, key, 1, &add, &now));
        break;
    case 32:
        CALL(kith_dict_add_limit(d, key, 1, 1000, &now));
        CALL(kith_dict_sub(d, key, 1, &now));
        break;
    case 33:
        CALL(kith_dict_min(d, key, 5, &now));
        CALL(kith_dict_max(d, key, 5, &now));
        break;
    case 34:
        CALL(kith_dict_and(d, key, 5, &now));
        CALL(kith_dict_or(d, key, 5, &now));
        CALL(kith_dict_xor(d, key, 5, &now));
        break;
    case 35:
        CALL(kith_dict_add_many(d, keys, ns, 4));
        break;
    default:
        for (unsigned i = 0; i < 20 && !fuzz_enough(); i++)
            CALL(kith_dict_set(d, kith_int((int64_t)(1000 * i + fuzz_below(1000))), items[1]));
        break;
    }
}

/* At a place of its own, at once or very soon, or never. */
static struct kith_put_options
some_place_in_a_queue(void)
{
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;

    options.priority = (int64_t)fuzz_below(7) - 3;
    if (fuzz_percent(40))
        options.delay_ns = fuzz_percent(70) ? 1 + (int64_t)fuzz_below(WAIT_NS) : INT64_MAX;
    return options;
}

static void
use_queue(struct user *u)
{
    kith_queue *q = u->queue[fuzz_below(QUEUES)];
    struct kith_item items[3] = { some_item(u->size_max), some_item(100), some_item(100) };
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    struct kith_lease_options lease_options = KITH_LEASE_OPTIONS_INIT;
    struct kith_put_options put_options = some_place_in_a_queue();
    int64_t timeout_ns = fuzz_percent(80) ? 0 : WAIT_NS;
    kith_view *view = NULL;
    unsigned slot = (unsigned)fuzz_below(LEASES);
    uint64_t count;
    size_t done;

    if (q == NULL)
        return;
    lease_options.limit_ns = fuzz_percent(60) ? 0 : 1 + (int64_t)fuzz_below(2 * WAIT_NS);
    switch (fuzz_below(20)) {
    case 0:
    case 1:
        CALL(kith_queue_put_with(q, items[0], &put_options, timeout_ns));
        break;
    case 2:
    case 3:
        CALL(kith_queue_put(q, items[0], timeout_ns));
        break;
    case 4:
        CALL(kith_queue_put_many(q, items, 3, timeout_ns, &done));
        break;
    case 5:
    case 6:
        if (CALL(kith_queue_get(q, timeout_ns, &u->buf[0])) == KITH_OK)
            touch(u->buf[0].item);
        break;
    case 7:
        CALL(kith_queue_get_many(q, 4, timeout_ns, u->buf, &done));
        break;
    case 8:
        if (CALL(kith_queue_get_view(q, timeout_ns, &view)) == KITH_OK) {
            fuzz_doing("reading a view");
            touch(kith_view_item(view));
            fuzz_doing("kith_view_release");
            kith_view_release(view);
        }
        break;
    case 9:
        CALL(kith_queue_peek(q, &u->buf[0]));
        break;
    case 10:
    case 11:
    case 12:
        if (u->lease[slot] != NULL) {
            (void)kith_lease_attempts(u->lease[slot]);
            CALL(fuzz_percent(50) ? kith_lease_ack(u->lease[slot])
                                  : kith_lease_nack(u->lease[slot]));
            u->lease[slot] = NULL;
        }
        CALL(kith_queue_lease_with(q, &lease_options, timeout_ns, &u->buf[0], &u->lease[slot]));
        if (u->lease[slot] != NULL && fuzz_percent(30))
            CALL(kith_lease_extend(u->lease[slot], 1 + (int64_t)fuzz_below(2 * WAIT_NS)));
        break;
    case 13:
        CALL(kith_queue_len(q, &count));
        break;
    case 14:
        CALL(kith_queue_capacity(q, &count));
        break;
    case 15:
        CALL(kith_queue_info(q, &info));
        break;
    case 16:
    case 17:
        CALL(kith_queue_task_done(q));
        break;
    case 18:
        CALL(kith_queue_join(q, timeout_ns));
        break;
    default:
        if (fuzz_percent(10))
            CALL(kith_queue_shutdown(q));
    }
}

static int
look_at_party(const struct kith_party *party, void *arg)
{
    (void)arg;
    return strnlen(party->host, sizeof party->host) == sizeof party->host;
}

static void
use_sync(struct user *u)
{
    kith_lock *lock = u->lock[fuzz_below(LOCKS)];
    struct kith_owner owner;
    bool flag;

    switch (fuzz_below(12)) {
    case 0:
    case 1:
        if (lock != NULL)
            CALL(kith_lock_acquire(lock, fuzz_percent(50) ? 0 : WAIT_NS));
        break;
    case 2:
        if (lock != NULL)
            CALL(kith_lock_release(lock));
        break;
    case 3:
        if (lock != NULL)
            CALL(kith_lock_locked(lock, &flag));
        break;
    case 4:
        if (lock != NULL)
            CALL(kith_lock_owner(lock, &owner));
        break;
    case 9:
        if (lock != NULL)
            CALL(kith_lock_parties(lock, look_at_party, NULL));
        break;
    case 10:
        if (u->rwlock != NULL)
            CALL(kith_rwlock_acquire_shared(u->rwlock, fuzz_percent(50) ? 0 : WAIT_NS));
        break;
    case 11:
        if (u->rwlock != NULL)
            CALL(kith_rwlock_release(u->rwlock));
        break;
    case 5:
        if (u->event != NULL)
            CALL(kith_event_set(u->event));
        break;
    case 6:
        if (u->event != NULL)
            CALL(kith_event_clear(u->event));
        break;
    case 7:
        if (u->event != NULL)
            CALL(kith_event_is_set(u->event, &flag));
        break;
    default:
        if (u->event != NULL)
            CALL(kith_event_wait(u->event, fuzz_percent(50) ? 0 : WAIT_NS));
    }
}

static void
use_txn(struct user *u)
{
    kith_dict *d = u->dict[fuzz_below(DICTS)], *other = u->dict[fuzz_below(DICTS)];
    kith_queue *q = u->queue[fuzz_below(QUEUES)];
    struct kith_put_options put_options = some_place_in_a_queue();
    unsigned slot = (unsigned)fuzz_below(LEASES);
    bool acked = false;
    kith_txn *txn = NULL;

    if (d == NULL || other == NULL || q == NULL || CALL(kith_txn_begin(u->space, &txn)) < 0)
        return;
    if (fuzz_percent(10))
        CALL(kith_txn_if_absent(txn, d, some_key(20)));
    if (fuzz_percent(10))
        CALL(kith_txn_if_present(txn, d, some_key(20)));
    if (fuzz_percent(10))
        CALL(kith_txn_if_equal(txn, d, some_key(20), kith_int(1)));
    if (fuzz_percent(5))
        CALL(kith_txn_if_version(txn, d, some_key(20), fuzz_below(100)));
    for (uint64_t n = fuzz_below(fuzz_percent(90) ? 6 : 80); n > 0; n--) {
        switch (fuzz_below(5)) {
        case 0:
            CALL(kith_txn_dict_add(txn, d, some_key(20), 1));
            break;
        case 1:
            CALL(kith_txn_dict_delete(txn, other, some_key(1000)));
            break;
        case 2:
            CALL(kith_txn_queue_put_with(txn, q, some_item(u->size_max), &put_options));
            break;
        default:
            CALL(kith_txn_dict_set(txn, fuzz_percent(50) ? d : other, some_key(1000),
                                   some_item(u->size_max)));
        }
    }
    if (u->lease[slot] != NULL)
        acked = CALL(kith_txn_lease_ack(txn, u->lease[slot])) == KITH_OK;
    if (fuzz_percent(10))
        kith_txn_discard(txn);
    else if (CALL(kith_txn_commit(txn)) == KITH_OK && acked)
        u->lease[slot] = NULL;
}

static int
see_dump(const void *data, size_t size, void *arg)
{
    (void)data;
    (void)size;
    (void)arg;
    return fuzz_percent(1); /* it cannot go on */
}

static void
use_space(struct user *u)
{
    struct kith_report report;
    struct kith_stat stat = KITH_STAT_INIT;

    left_to_see = (int)fuzz_below(50);
    switch (fuzz_below(12)) {
    case 10:
        CALL(kith_dump(u->space, fuzz_percent(50) ? NULL : dict_names[fuzz_below(DICTS)], see_dump,
                       NULL, NULL));
        break;
    case 11:
        if (fuzz_percent(30))
            CALL(kith_rename(u->space, queue_names[fuzz_below(QUEUES)], "another name"));
        break;
    case 0:
        CALL(kith_list(u->space, see_info, NULL));
        break;
    case 1:
        CALL(kith_check_each(u->space, see_sentence, NULL, &report));
        break;
    case 2:
        CALL(kith_gc(u->space, &report));
        break;
    case 3:
        CALL(kith_stat(u->space, &stat));
        break;
    case 4:
        CALL(kith_spaces(see_space, NULL));
        break;
    case 5:
        if (fuzz_percent(30))
            CALL(kith_destroy(u->space, dict_names[fuzz_below(DICTS)]));
        break;
    case 6:
        if (fuzz_percent(30))
            CALL(kith_destroy(u->space, queue_names[fuzz_below(QUEUES)]));
        break;
    case 7:
        if (fuzz_percent(30))
            CALL(kith_destroy(u->space, fuzz_percent(50) ? "event" : lock_names[0]));
        else if (fuzz_percent(30))
            CALL(kith_destroy(u->space, others_names[fuzz_below(OTHERS_COUNT)]));
        else if (fuzz_percent(30))
            CALL(kith_destroy(u->space, syncs_names[fuzz_below(SYNCS_COUNT)]));
        break;
    default:
        close_handles(u);
        open_handles(u);
    }
}

/* Opens an unnamed object, changes what it leads to, and closes it, or the one that was kept. */
static void
use_unnamed(struct user *u)
{
    unsigned which = (unsigned)fuzz_below(COUNTOF(unnamed_names));
    const char *name = unnamed_names[which];
    struct kith_item item = fuzz_percent(60) ? some_item(100) : kith_reference(name);
    struct kith_list *list = NULL;
    kith_queue *queue = NULL;
    kith_dict *dict = NULL;

    if (which == 2) {
        if (CALL(kith_list_open(u->space, name, NULL, &list)) < 0)
            return;
        if (fuzz_percent(60))
            CALL(kith_list_append(list, item));
        else
            CALL(kith_list_pop(list, 0, NULL));
    } else if (which == 3) {
        if (CALL(kith_queue_open(u->space, name, NULL, &queue)) < 0)
            return;
        if (fuzz_percent(60))
            CALL(kith_queue_put(queue, item, 0));
        else
            CALL(kith_queue_get(queue, 0, NULL));
    } else {
        if (CALL(kith_dict_open(u->space, name, NULL, &dict)) < 0)
            return;
        if (fuzz_percent(60))
            CALL(kith_dict_set(dict, kith_int((int64_t)fuzz_below(3)), item));
        else
            CALL(kith_dict_clear(dict));
    }
    if (fuzz_percent(50))
        CALL(kith_dict_set(u->dict[0], some_key(20), kith_reference(name)));
    fuzz_doing("closing of an unnamed object");
    kith_list_close(list);
    kith_queue_close(queue);
    if (fuzz_percent(70)) {
        kith_dict_close(dict);
    } else {
        kith_dict_close(u->kept);
        u->kept = dict;
    }
}

static void
use(struct user *u)
{
    uint64_t what = others_first && fuzz_percent(70) ? 34 : fuzz_below(100);

    if (what < 34)
        use_dict(u);
    else if (what < 54 && fuzz_percent(65))
        others_use(&u->others);
    else if (what < 54)
        syncs_use(&u->syncs);
    else if (what < 76)
        use_queue(u);
    else if (what < 84)
        use_sync(u);
    else if (what < 89)
        use_txn(u);
    else if (what < 94)
        use_unnamed(u);
    else
        use_space(u);
}

static void
use_for(struct user *u, uint64_t calls, int64_t until_ns)
{
    while (calls-- > 0 && fuzz_now_ns() < until_ns && !fuzz_enough())
        use(u);
}

/* ---- making one ---- */

static void
fill(struct user *u)
{
    struct kith_put_options put_options;

    for (int i = 0; i < 10; i++)
        use_unnamed(u);
    for (int i = 0; i < 40; i++)
        CALL(kith_dict_set(u->dict[0], some_key(20), some_item(2000)));
    if (fuzz_percent(50)) {
        for (int i = 0; i < 1000; i++)
            CALL(kith_dict_set(u->dict[1], kith_int(i), some_item(100)));
    }
    for (int i = 0; i < 6; i++)
        CALL(kith_dict_set(u->dict[2], kith_int(i), kith_bytes(big, fuzz_below(BIG_SIZE))));
    for (int i = 0; i < 20; i++) {
        CALL(kith_queue_put(u->queue[fuzz_below(2)], some_item(500), 0));
        CALL(kith_queue_put(u->queue[3], some_item(100), 0));
        put_options = some_place_in_a_queue();
        CALL(kith_queue_put_with(u->queue[fuzz_below(QUEUES)], some_item(500), &put_options, 0));
    }
    for (int i = 0; i < 2; i++) {
        CALL(kith_queue_lease(u->queue[1], 0, &u->buf[0], &u->lease[i]));
        CALL(kith_queue_lease(u->queue[i], 0, &u->buf[0], &u->lease[i + 2]));
    }
    CALL(kith_queue_get(u->queue[3], 0, &u->buf[0]));
    for (unsigned i = 0; i < LOCKS; i++)
        CALL(kith_lock_acquire(u->lock[i], 0));
    if (fuzz_percent(50)) {
        CALL(kith_rwlock_release(u->rwlock));
        CALL(kith_rwlock_acquire_shared(u->rwlock, 0));
    }
    CALL(kith_event_set(u->event));
    others_fill(&u->others);
    syncs_fill(&u->syncs);
}

static void
make(void *arg)
{
    struct user u = { .space = open_space(false), .size_max = 3000 };

    (void)arg;
    if (u.space == NULL)
        fuzz_failed("the arena could not be made: %s", kith_last_error());
    open_handles(&u);
    fill(&u);
    use_for(&u, fuzz_below(60), INT64_MAX);
    if (fuzz_percent(50))
        close_user(&u);
    else
        _exit(0); /* with all that it holds */
}

static void
make_arena(void)
{
    others_first = fuzz_percent(40);
    (void)snprintf(path, sizeof(path), "%s/arena", fuzz_folder());
    (void)snprintf(address, sizeof(address), "file://%s", path);
    for (size_t i = 0; i < sizeof(big); i += 8) {
        uint64_t value = fuzz_next();
        memcpy(big + i, &value, 8);
    }
    fuzz_join(fuzz_child(make, NULL));
    (void)fuzz_next(); /* or this process would go on with what its child did */
}

/* ---- damage ---- */

static uint8_t *arena; /* a mapping of the whole file; others may be in it */
static uint64_t arena_size;

static void
map_arena(void)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        fuzz_failed("%s: %s", path, strerror(errno));
    arena_size = (uint64_t)st.st_size;
    arena = mmap(NULL, arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (arena == MAP_FAILED)
        fuzz_failed("mmap: %s", strerror(errno));
    close(fd);
}

static uint64_t
word_at(uint64_t off)
{
    return off % 8 == 0 && off <= arena_size - 8
               ? atomic_load_explicit((kith__word *)(arena + off), memory_order_relaxed)
               : 0;
}

#define HEADER_WORD(field) word_at(offsetof(struct kith__header, field))
/* What was never damaged, except in rounds of another kind: the identity. */
#define IDENTITY (((struct kith__header *)arena)->identity)

static uint64_t
granules_used(void)
{
    uint64_t top = HEADER_WORD(granules_top);

    return top > 0 && top <= IDENTITY.granules_max ? top : IDENTITY.granules_max;
}

static uint64_t
granule_off(uint64_t index)
{
    return IDENTITY.heap_off + index * KITH__GRANULE;
}

/* A granule of that kind, or any. */
static uint64_t
some_granule(uint64_t kind)
{
    uint64_t used = granules_used(), start = fuzz_below(used);

    for (uint64_t i = 0; i < used; i++) {
        uint64_t index = (start + i) % used;
        uint64_t word = word_at(IDENTITY.granules_off + index * sizeof(struct kith__granule));
        if ((word & 0xff) == kind)
            return index;
    }
    return start;
}

/* A block of a class, or of any: where it begins. */
static uint64_t
some_block(int class_index)
{
    uint64_t used = granules_used(), start = fuzz_below(used);
    struct kith__span span;

    for (uint64_t i = 0; i < used; i++) {
        uint64_t off = granule_off((start + i) % used);
        uint64_t size;
        memcpy(&span, arena + off, sizeof(span));
        if ((span.magic ^ off) != KITH__SPAN_MAGIC || span.block_count == 0 ||
            span.first >= KITH__GRANULE ||
            (class_index >= 0 && span.class_index != (uint32_t)class_index))
            continue;
        size = ((KITH__GRANULE - span.first) / span.block_count) & ~UINT64_C(15);
        return off + span.first + fuzz_below(fuzz_percent(70) ? 6 : span.block_count) * size;
    }
    return granule_off(start);
}

/* From the shard of some dict to its table, an entry, or what an entry leads to. */
static uint64_t
some_dict_part(void)
{
    static const size_t links[] = { offsetof(struct kith__entry, prev),
                                    offsetof(struct kith__entry, next),
                                    offsetof(struct kith__entry, value) };
    uint64_t shard = offsetof(struct kith__header, catalog.own);
    uint64_t table, off;

    if (fuzz_percent(70))
        shard = some_block(KITH__CLASS_DICT) + offsetof(struct kith__dict_root, own);
    else if (fuzz_percent(70))
        shard = some_block(KITH__CLASS_SHARDS) + fuzz_below(KITH__SHARDS) * 128;
    if (fuzz_percent(25))
        return shard + fuzz_below(16) * 8;
    if (fuzz_percent(50)) {
        table = word_at(shard + offsetof(struct kith__shard, table));
        off = (table & ~UINT64_C(63)) + fuzz_below(UINT64_C(8) << (table & 15)) * 8;
        if (fuzz_percent(40))
            return off;
        off = (word_at(off) & UINT64_C(0xffffffffffff)) * 16;
    } else {
        off = word_at(shard + (fuzz_percent(50) ? offsetof(struct kith__shard, first)
                                                : offsetof(struct kith__shard, last)));
    }
    while (fuzz_percent(40) && off != 0)
        off = word_at(off + links[fuzz_below(COUNTOF(links))]);
    return off + fuzz_below(10) * 8;
}

static uint64_t
some_queue_part(void)
{
    static const size_t firsts[] = { offsetof(struct kith__queue_root, head_segment),
                                     offsetof(struct kith__queue_root, first),
                                     offsetof(struct kith__queue_root, tail_segment),
                                     offsetof(struct kith__queue_root, spare),
                                     offsetof(struct kith__queue_root, ready),
                                     offsetof(struct kith__queue_root, delayed),
                                     offsetof(struct kith__queue_root, lent_first),
                                     offsetof(struct kith__queue_root, timed_last) };
    uint64_t root = some_block(KITH__CLASS_QUEUE), off;

    if (fuzz_percent(40))
        return root + fuzz_below(sizeof(struct kith__queue_root) / 8) * 8;
    off = word_at(root + firsts[fuzz_below(COUNTOF(firsts))]);
    while (fuzz_percent(40) && off != 0)
        off = word_at(off);
    return off + fuzz_below(24) * 8;
}

/* A root of another object, what it leads to, or what that does: chunks, trees, extents, covers. */
static uint64_t
some_root_part(void)
{
    uint64_t off = some_block(KITH__CLASS_ROOT);

    if (fuzz_percent(15))
        return some_block(KITH__CLASS_CELL) + fuzz_below(16) * 8;
    if (fuzz_percent(50))
        return off + fuzz_below(KITH__ROOT_SIZE / 8) * 8;
    off = word_at(off + sizeof(struct kith__root) + fuzz_below(24) * 8);
    while (fuzz_percent(50) && off != 0) {
        off = word_at((off & ~UINT64_C(7)) + fuzz_below(32) * 8);
        if (fuzz_percent(50))
            off = (off & UINT64_C(0xffffffffffff)) * 16; /* as trees have it */
    }
    return off + fuzz_below(64) * 8;
}

/* A reference, or what it leads to. */
static uint64_t
some_reference_part(void)
{
    uint64_t off = fuzz_percent(70)
                       ? some_block(KITH__CLASS_REFERENCE)
                       : some_block(KITH__CLASS_REFERENCE_NODE) + sizeof(struct kith__node);

    if (fuzz_percent(50))
        return off + fuzz_below(sizeof(struct kith__reference) / 8) * 8;
    return word_at(off + offsetof(struct kith__reference, root)) + fuzz_below(32) * 8;
}

/* Where damage is worth most: an offset, a multiple of 8, in the file. */
static uint64_t
some_place(void)
{
    uint64_t off;

    switch (others_first && fuzz_percent(60) ? 16 : fuzz_below(20)) {
    case 16:
    case 17:
    case 18:
        off = some_root_part();
        break;
    case 0:
    case 1:
        off = sizeof(struct kith__identity) +
              fuzz_below((sizeof(struct kith__header) - sizeof(struct kith__identity)) / 8) * 8;
        break;
    case 2:
        off = KITH__HOLDERS_OFF + fuzz_below(4) * KITH__HOLDER_SIZE + fuzz_below(128) * 8;
        break;
    case 3: /* an actor's first words, and the vectors */
        off = IDENTITY.actors_off + fuzz_below(5) * KITH__ACTOR_SIZE + fuzz_below(36) * 8;
        break;
    case 4:
        off = IDENTITY.actors_off + fuzz_below(5) * KITH__ACTOR_SIZE +
              fuzz_below(sizeof(struct kith__actor) / 8) * 8;
        break;
    case 5: /* magazines and the token */
        off = IDENTITY.actors_off + fuzz_below(5) * KITH__ACTOR_SIZE + KITH__PAGE +
              (fuzz_percent(15) ? KITH__PAGE - 16 : fuzz_below(110) * 8);
        break;
    case 6:
        off = IDENTITY.granules_off +
              fuzz_below((granules_used() + 2) * sizeof(struct kith__granule) / 8) * 8;
        break;
    case 7:
        off = granule_off(some_granule(KITH__GRANULE_SPAN)) + fuzz_below(24) * 8;
        break;
    case 8:
        off = some_block(
                  (int)(KITH__CLASS_PLAIN + fuzz_below(KITH__CLASS_COUNT - KITH__CLASS_PLAIN))) +
              fuzz_below(32) * 8;
        break;
    case 9:
        off = some_block(-1) + fuzz_below(10) * 8;
        break;
    case 10:
        off = granule_off(some_granule(KITH__GRANULE_EXTENT)) + fuzz_below(KITH__GRANULE / 8) * 8;
        break;
    case 11:
    case 12:
        off = some_dict_part();
        break;
    case 13:
        off = some_queue_part();
        break;
    case 15:
        off = some_reference_part();
        break;
    case 14:
        off = offsetof(struct kith__header, catalog) +
              fuzz_below(sizeof(struct kith__dict_root) / 8) * 8;
        break;
    default:
        off = fuzz_below(arena_size);
    }
    off &= ~UINT64_C(7);
    if (off > arena_size - 8 || off < sizeof(struct kith__identity))
        off = sizeof(struct kith__identity) + fuzz_below((arena_size - 512) / 8) * 8;
    return off;
}

/* A word that might stand at `off`. */
static uint64_t
some_word(uint64_t off)
{
    uint64_t was = word_at(off);

    switch (fuzz_below(19)) {
    case 17:
        return some_root_part() & ~UINT64_C(15);
    case 18:
        return some_reference_part() & ~UINT64_C(15);
    case 0:
        return fuzz_next();
    case 1:
        return 0;
    case 2:
        return ~UINT64_C(0) >> fuzz_below(64);
    case 3:
        return was + 1 + fuzz_below(3);
    case 4:
        return was - 1 - fuzz_below(3);
    case 5:
        return was ^ (UINT64_C(1) << fuzz_below(64));
    case 6:
        return off & ~UINT64_C(15); /* leads to itself */
    case 7:                         /* an owner of a lock */
        return (was & ~UINT64_C(0xffff)) | fuzz_below(6) |
               (fuzz_percent(30) ? UINT64_C(0x80000000) : 0);
    case 8: /* another of its kind */
        return word_at(off ^ (UINT64_C(8) << fuzz_below(10)));
    case 9:
        return word_at(some_place());
    case 10:
        return some_block(-1);
    case 11:
        return some_block(
            (int)(KITH__CLASS_PLAIN + fuzz_below(KITH__CLASS_COUNT - KITH__CLASS_PLAIN)));
    case 12:
        return some_dict_part() & ~UINT64_C(15);
    case 13:
        return some_queue_part() & ~UINT64_C(15);
    case 14:
        return granule_off(fuzz_below(granules_used()));
    case 15:
        return (IDENTITY.heap_off + fuzz_below(arena_size - IDENTITY.heap_off)) & ~UINT64_C(15);
    case 16:
        return (arena_size - fuzz_below(256)) & ~UINT64_C(7);
    default:
        return fuzz_below(300);
    }
}

static void
store(uint64_t off, uint64_t value)
{
    if (off % 8 == 0 && off >= sizeof(struct kith__identity) && off <= arena_size - 8)
        atomic_store((kith__word *)(arena + off), value);
}

/* A log that was committed and not applied, as its owner's death leaves it. */
static void
damage_journal(void)
{
    uint64_t actor = IDENTITY.actors_off + fuzz_below(4) * KITH__ACTOR_SIZE;
    bool mini = fuzz_percent(50);
    uint64_t journal =
        actor + (mini ? offsetof(struct kith__actor, mini) : offsetof(struct kith__actor, main));
    uint64_t entry = actor + (mini ? offsetof(struct kith__actor, mini_inline)
                                   : offsetof(struct kith__actor, main_inline));
    uint64_t count = fuzz_below(fuzz_percent(80) ? 12 : 200);

    for (uint64_t i = 0; i < count && i < KITH__MAIN_INLINE; i++) {
        uint64_t off = fuzz_percent(90) ? some_place() : fuzz_next();
        store(entry + 16 * i, off | (fuzz_percent(20) ? KITH__REDO_COVER : 0));
        store(entry + 16 * i + 8, some_word(off & ~UINT64_C(7)));
    }
    store(journal + offsetof(struct kith__journal, count), count);
    if (fuzz_percent(20))
        store(journal + offsetof(struct kith__journal, area), some_word(journal));
    store(journal, word_at(journal) | KITH__COMMITTED);
}

static void
damage(void)
{
    uint64_t off = some_place();
    uint64_t size;

    fuzz_tally(FUZZ_DAMAGE);
    switch (fuzz_below(20)) {
    case 0:
    case 1:
    case 2:
        store(off, word_at(off) ^ (UINT64_C(1) << fuzz_below(64)));
        break;
    case 3: /* a run */
        size = fuzz_below(256);
        for (uint64_t i = 0; i < size && off + i < arena_size; i++)
            arena[off + i] = (uint8_t)fuzz_next();
        break;
    case 4: /* a page */
        off &= ~(KITH__PAGE - 1);
        for (uint64_t i = 0; i < KITH__PAGE / 8; i++)
            store(off + 8 * i, fuzz_percent(50) ? fuzz_next() : some_word(off + 8 * i));
        break;
    case 5: /* zeros */
        size = fuzz_percent(50) ? KITH__PAGE : 8 * fuzz_below(64);
        for (uint64_t i = 0; i < size / 8; i++)
            store(off + 8 * i, 0);
        break;
    case 6: { /* two words change places */
        uint64_t other = some_place(), word = word_at(off);
        store(off, word_at(other));
        store(other, word);
        break;
    }
    case 7:
        damage_journal();
        break;
    case 8: { /* half a word */
        uint64_t word = word_at(off);
        unsigned shift = fuzz_percent(50) ? 0 : 32;
        store(off,
              (word & ~(UINT64_C(0xffffffff) << shift)) | ((some_word(off) & 0xffffffff) << shift));
        break;
    }
    default:
        store(off, some_word(off));
    }
}

static uint64_t
some_damages(void)
{
    return fuzz_percent(60) ? 1 + fuzz_below(4) : 1 + fuzz_below(60);
}

/* ---- the kinds ---- */

static void
look_all_over(struct user *u)
{
    struct kith_report report;

    if (fuzz_enough())
        return;
    CALL(kith_check(u->space, &report));
    if (fuzz_percent(50))
        CALL(kith_gc(u->space, &report));
}

static void
after(void)
{
    struct user u = { .space = open_space(fuzz_percent(10)), .size_max = 3000 };

    if (u.space == NULL)
        return;
    if (fuzz_percent(50))
        look_all_over(&u);
    open_handles(&u);
    use_for(&u, 80, fuzz_now_ns() + 700 * INT64_C(1000000));
    if (fuzz_percent(50))
        look_all_over(&u);
    close_user(&u);
}

static void
offline_round(void)
{
    make_arena();
    map_arena();
    for (uint64_t n = some_damages(); n > 0; n--)
        damage();
    if (fuzz_percent(50))
        munmap(arena, arena_size);
    after();
    if (fuzz_percent(20)) {
        after();
        CALL(kith_remove(address));
    }
}

/* What a repair says that it mended is whole, whatever was broken. */
static void
repaired_round(void)
{
    struct kith_report report;
    kith_space *space;
    kith_err err;

    make_arena();
    map_arena();
    for (uint64_t n = some_damages(); n > 0; n--)
        damage();
    munmap(arena, arena_size);
    space = open_space(false);
    if (space == NULL)
        return;
    err = CALL(kith_repair_each(space, see_sentence, NULL, &report));
    kith_close(space);
    if (err < 0)
        return;
    if (report.violations > 0)
        fuzz_tally(FUZZ_CORRUPT);
    space = open_space(false);
    if (space == NULL)
        fuzz_failed("a repaired space is refused: %s", kith_last_error());
    if (CALL(kith_check(space, &report)) < 0)
        fuzz_failed("a repaired space is not whole: %s", report.first);
    kith_close(space);
}

static void
between_round(void)
{
    struct user u = { .size_max = 3000 };
    int64_t until_ns;

    make_arena();
    u.space = open_space(false);
    if (u.space == NULL)
        fuzz_failed("an undamaged arena is refused: %s", kith_last_error());
    map_arena();
    open_handles(&u);
    use_for(&u, fuzz_below(20), INT64_MAX);
    until_ns = fuzz_now_ns() + 1000 * INT64_C(1000000);
    for (uint64_t n = some_damages(); n > 0; n--) {
        damage();
        use_for(&u, fuzz_below(10), until_ns);
    }
    use_for(&u, 30, until_ns);
    look_all_over(&u);
    close_user(&u);
}

static void
be_user(void *arg)
{
    struct user u = { .space = open_space(false), .size_max = 3000 };

    fuzz_branch((uint64_t)(uintptr_t)arg);
    if (u.space == NULL)
        return;
    open_handles(&u);
    use_for(&u, UINT64_MAX, fuzz_now_ns() + 150 * INT64_C(1000000));
    look_all_over(&u);
    close_user(&u);
}

static void
online_round(void)
{
    pid_t users[2] = { 0, 0 };
    uint64_t count = 1 + fuzz_below(2), damages = some_damages();
    bool kills = fuzz_percent(40);

    make_arena();
    map_arena();
    for (uint64_t i = 0; i < count; i++)
        users[i] = fuzz_child(be_user, (void *)(uintptr_t)(i + 1));
    (void)poll(NULL, 0, (int)fuzz_below(30));
    for (uint64_t i = 0; i < damages; i++) {
        damage();
        if (fuzz_percent(50))
            (void)poll(NULL, 0, (int)fuzz_below(8));
    }
    if (kills)
        fuzz_kill(users[0]);
    for (uint64_t i = 0; i < count; i++)
        fuzz_join(users[i]);
    if (fuzz_percent(30))
        after();
}

/* What the file holds, whatever it is. */
static uint64_t
sum_of_file(void)
{
    uint64_t sum = UINT64_C(0xcbf29ce484222325);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t at = 0, end;
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        fuzz_failed("%s: %s", path, strerror(errno));
    sum = (sum ^ (uint64_t)st.st_size) * UINT64_C(0x100000001b3);
    sum = (sum ^ (uint64_t)st.st_mtim.tv_nsec) * UINT64_C(0x100000001b3);
    sum = (sum ^ (uint64_t)st.st_mode) * UINT64_C(0x100000001b3);
    while ((at = lseek(fd, at, SEEK_DATA)) >= 0) {
        end = lseek(fd, at, SEEK_HOLE);
        while (at < end) {
            uint64_t words[8192] = { 0 };
            size_t left = (size_t)(end - at);
            ssize_t got = pread(fd, words, left < sizeof(words) ? left : sizeof(words), at);
            if (got <= 0)
                fuzz_failed("%s: %s", path, got < 0 ? strerror(errno) : "it ended");
            for (size_t i = 0; i < ((size_t)got + 7) / 8; i++)
                sum = (sum ^ words[i]) * UINT64_C(0x100000001b3);
            at += got;
        }
    }
    close(fd);
    return sum;
}

static void
refused_round(void)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    kith_space *space = NULL;
    struct stat st;
    uint64_t sum;
    kith_err err;
    int fd;

    make_arena();
    if (stat(path, &st) != 0)
        fuzz_failed("%s: %s", path, strerror(errno));
    fd = open(path, O_RDWR | O_CLOEXEC);
    switch (fuzz_below(5)) {
    case 0: /* shorter */
        if (ftruncate(fd, (off_t)fuzz_below((uint64_t)st.st_size)) != 0)
            fuzz_failed("ftruncate: %s", strerror(errno));
        break;
    case 1: /* much shorter */
        if (ftruncate(fd, (off_t)fuzz_below(fuzz_percent(50) ? 300 : 200000)) != 0)
            fuzz_failed("ftruncate: %s", strerror(errno));
        break;
    case 2: /* longer */
        if (ftruncate(fd, st.st_size + 1 + (off_t)fuzz_below(fuzz_percent(50) ? 9 : 1u << 30)) != 0)
            fuzz_failed("ftruncate: %s", strerror(errno));
        break;
    case 3: { /* another identity */
        uint8_t identity[offsetof(struct kith__identity, check) + 8];
        if (pread(fd, identity, sizeof(identity), 0) != sizeof(identity))
            fuzz_failed("pread: %s", strerror(errno));
        identity[fuzz_below(sizeof(identity))] ^= (uint8_t)(1 + fuzz_below(255));
        for (uint64_t n = fuzz_below(3); n > 0; n--)
            identity[fuzz_below(sizeof(identity) - 8)] = (uint8_t)fuzz_next();
        identity[8] ^= (uint8_t)(fuzz_percent(20) ? 3 : 0);
        if (pwrite(fd, identity, sizeof(identity), 0) != sizeof(identity))
            fuzz_failed("pwrite: %s", strerror(errno));
        break;
    }
    default: { /* no arena at all */
        uint8_t noise[5000];
        size_t size = fuzz_below(sizeof(noise));
        for (size_t i = 0; i < size; i++)
            noise[i] = (uint8_t)fuzz_next();
        if (ftruncate(fd, 0) != 0 || pwrite(fd, noise, size, 0) != (ssize_t)size)
            fuzz_failed("pwrite: %s", strerror(errno));
    }
    }
    close(fd);
    sum = sum_of_file();
    options.timeout_ns = SPACE_TIMEOUT_NS;
    options.readonly = fuzz_percent(20);
    options.create = fuzz_percent(30) ? KITH_MUST_EXIST : KITH_CREATE_OR_OPEN;
    err = CALL(kith_open(address, &options, &space));
    if (err != KITH_ECORRUPT && err != KITH_EVERSION)
        fuzz_failed("opening what is no whole arena gave %d: %s", (int)err, kith_last_error());
    fuzz_tally(FUZZ_REFUSED);
    if (sum_of_file() != sum)
        fuzz_failed("a file that was refused was altered: %s", kith_last_error());
    CALL(kith_spaces(see_space, NULL));
}

int
main(int argc, char **argv)
{
    static const struct fuzz_kind kinds[] = {
        { "offline", 12000, offline_round }, { "between", 10000, between_round },
        { "online", 10000, online_round },   { "repaired", 5000, repaired_round },
        { "refused", 3000, refused_round },
    };

    return fuzz_main(argc, argv, kinds, COUNTOF(kinds));
}
