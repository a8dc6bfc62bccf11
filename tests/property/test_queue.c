/*
 * test_queue.c - a queue against a model: thousands of random puts, gets, leases, acks and nacks.
 *
 * The model holds every item with its ticket, its priority and its state; what comes out next is
 * the ready item with the highest priority, and of those the one with the lowest ticket.  Some
 * leases have a limit, which is so long that none comes to it.  Two processes draw the same steps
 * and keep a model each; the step's draw says who does it.  A lease is ended by the process that
 * took it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define ITEMS_MAX 512
#define LEASES_MAX 24
#define BATCH_MAX 20

struct kept {
    uint64_t ticket;
    int64_t priority;
    uint32_t attempts;
    int lease; /* index of the lease it is out on; -1: ready */
};

struct run {
    struct test *t;
    kith_queue *queue;
    kith_queue *dead;
    struct test_random random;
    uint64_t step;
    uint64_t capacity;
    uint32_t attempts_max;
    bool mine;
    int side;
    int sides;
    sem_t *turn;
    sem_t *other_turn;

    uint64_t next_ticket;
    struct kept items[ITEMS_MAX]; /* by ticket */
    size_t count;
    uint64_t dead_count;
    struct {
        bool taken;
        int side;
        uint64_t ticket;
        kith_lease *lease; /* NULL in the process that did not take it */
    } leases[LEASES_MAX];
};

#define CHECK(r, condition)                                                                        \
    ((condition) ? (void)0                                                                         \
                 : FAIL("step %" PRIu64 ": not true: %s; last error: %s", (r)->step, #condition,   \
                        kith_last_error()))

static uint64_t
draw(struct run *r, uint64_t bound)
{
    return test_random_below(&r->random, bound);
}

/* The item of a ticket: it says the ticket, at a length that the ticket decides. */
static struct kith_item
item_of(uint64_t ticket, void **data_out)
{
    struct test_random random = { ticket };
    uint64_t draw = test_random_next(&random);
    size_t size = draw % 20 == 0 ? 33000 + draw % 5000 : 8 + draw % 60;
    uint64_t *data = test_bytes(size, ticket);

    memcpy(data, &ticket, sizeof(ticket));
    *data_out = data;
    return kith_bytes(data, size);
}

static void
expect(struct run *r, const char *what, kith_err want, kith_err got)
{
    if (want != got)
        FAIL("step %" PRIu64 ", %s: expected %s, got %s: %s", r->step, what, test_rc_name(want),
             test_rc_name(got), kith_last_error());
}

static void
expect_item(struct run *r, uint64_t ticket, struct kith_item got)
{
    void *data;
    struct kith_item want = item_of(ticket, &data);
    uint64_t came = UINT64_MAX;

    if (!test_items_equal(want, got)) {
        if (got.type == KITH_TYPE_BYTES && got.size >= sizeof(came))
            memcpy(&came, got.data, sizeof(came));
        FAIL("step %" PRIu64 ": expected ticket %" PRIu64 ", got %" PRIu64, r->step, ticket, came);
    }
    free(data);
}

/* Where the next ready item is; SIZE_MAX if none is ready. */
static size_t
next_ready(const struct run *r)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i].lease < 0 &&
            (best == SIZE_MAX || r->items[i].priority > r->items[best].priority))
            best = i;
    }
    return best;
}

static void
forget(struct run *r, size_t at)
{
    memmove(&r->items[at], &r->items[at + 1], (r->count - at - 1) * sizeof(r->items[0]));
    r->count--;
}

static bool
full(const struct run *r)
{
    return r->capacity != 0 && r->count >= r->capacity;
}

static kith_err
put_by_txn(struct run *r, struct kith_item item, const struct kith_put_options *options)
{
    kith_txn *txn = NULL;

    CHECK(r, kith_txn_begin(r->t->space, &txn) == KITH_OK);
    CHECK(r, kith_txn_queue_put_with(txn, r->queue, item, options) == KITH_OK);
    return kith_txn_commit(txn);
}

static void
do_put(struct run *r)
{
    struct kith_put_options options = KITH_PUT_OPTIONS_INIT;
    void *data;
    struct kith_item item = item_of(r->next_ticket, &data);
    bool no_room = full(r);
    bool by_txn = draw(r, 4) == 0;

    if (draw(r, 3) == 0)
        options.priority = (int64_t)draw(r, 7) - 3;
    if (!no_room && r->count == ITEMS_MAX) {
        free(data);
        return;
    }
    if (r->mine)
        expect(r, "put", no_room ? KITH_EFULL : KITH_OK,
               by_txn ? put_by_txn(r, item, &options)
                      : kith_queue_put_with(r->queue, item, &options, 0));
    if (!no_room)
        r->items[r->count++] = (struct kept){ r->next_ticket++, options.priority, 0, -1 };
    free(data);
}

static void
do_put_many(struct run *r)
{
    struct kith_item items[BATCH_MAX];
    void *datas[BATCH_MAX];
    size_t count = draw(r, BATCH_MAX) + 1;
    size_t want = 0;
    size_t put = SIZE_MAX;

    if (r->count + count > ITEMS_MAX)
        return;
    for (size_t i = 0; i < count; i++)
        items[i] = item_of(r->next_ticket + i, &datas[i]);
    for (want = 0; want < count && !full(r); want++)
        r->items[r->count++] = (struct kept){ r->next_ticket++, 0, 0, -1 };
    if (r->mine) {
        expect(r, "put_many", want < count ? KITH_EFULL : KITH_OK,
               kith_queue_put_many(r->queue, items, count, 0, &put));
        CHECK(r, put == want);
    }
    for (size_t i = 0; i < count; i++)
        free(datas[i]);
}

static void
do_get(struct run *r, bool peek)
{
    size_t at = next_ready(r);
    struct kith_buf item = KITH_BUF_INIT;

    if (r->mine) {
        expect(r, peek ? "peek" : "get", at == SIZE_MAX ? KITH_EEMPTY : KITH_OK,
               peek ? kith_queue_peek(r->queue, &item) : kith_queue_get(r->queue, 0, &item));
        if (at != SIZE_MAX)
            expect_item(r, r->items[at].ticket, item.item);
    }
    if (at != SIZE_MAX && !peek)
        forget(r, at);
    kith_buf_free(&item);
}

static void
do_get_view(struct run *r)
{
    size_t at = next_ready(r);
    kith_view *view = NULL;

    if (r->mine) {
        expect(r, "get_view", at == SIZE_MAX ? KITH_EEMPTY : KITH_OK,
               kith_queue_get_view(r->queue, 0, &view));
        if (at != SIZE_MAX)
            expect_item(r, r->items[at].ticket, kith_view_item(view));
        kith_view_release(view);
    }
    if (at != SIZE_MAX)
        forget(r, at);
}

static void
do_get_many(struct run *r)
{
    struct kith_buf items[BATCH_MAX];
    size_t count_max = draw(r, BATCH_MAX) + 1;
    size_t got = SIZE_MAX;
    size_t at = next_ready(r);

    memset(items, 0, sizeof(items));
    if (r->mine)
        expect(r, "get_many", at == SIZE_MAX ? KITH_EEMPTY : KITH_OK,
               kith_queue_get_many(r->queue, count_max, 0, items, &got));
    for (size_t i = 0; i < count_max && at != SIZE_MAX; i++) {
        if (r->mine) {
            CHECK(r, i < got);
            expect_item(r, r->items[at].ticket, items[i].item);
        }
        forget(r, at);
        at = next_ready(r);
        if (r->mine && at == SIZE_MAX)
            CHECK(r, got == i + 1);
    }
    for (size_t i = 0; i < BATCH_MAX; i++)
        kith_buf_free(&items[i]);
}

static void
do_lease(struct run *r)
{
    size_t at = next_ready(r);
    size_t slot = 0;
    int side = r->sides == 1 ? r->side : r->mine ? r->side : 1 - r->side;
    struct kith_lease_options options = KITH_LEASE_OPTIONS_INIT;
    struct kith_buf item = KITH_BUF_INIT;
    kith_lease *lease = NULL;

    if (draw(r, 3) == 0)
        options.limit_ns = (int64_t)(1000 + draw(r, 1000)) * TEST_S;
    while (slot < LEASES_MAX && r->leases[slot].taken)
        slot++;
    if (slot == LEASES_MAX)
        return;
    if (r->mine) {
        expect(r, "lease", at == SIZE_MAX ? KITH_EEMPTY : KITH_OK,
               kith_queue_lease_with(r->queue, &options, 0, &item, &lease));
        if (at != SIZE_MAX) {
            expect_item(r, r->items[at].ticket, item.item);
            CHECK(r, kith_lease_attempts(lease) == r->items[at].attempts);
        }
    }
    if (at != SIZE_MAX) {
        r->items[at].lease = (int)slot;
        r->leases[slot].taken = true;
        r->leases[slot].side = side;
        r->leases[slot].ticket = r->items[at].ticket;
        r->leases[slot].lease = lease;
    }
    kith_buf_free(&item);
}

static size_t
where_is(const struct run *r, uint64_t ticket)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->items[i].ticket == ticket)
            return i;
    }
    FAIL("the model lost ticket %" PRIu64, ticket);
    return SIZE_MAX;
}

/* Ends one of the leases by an ack, a nack, or a transaction's ack, which may conflict. */
static void
do_end_lease(struct run *r)
{
    size_t slot = draw(r, LEASES_MAX);
    uint64_t way = draw(r, 5);
    size_t at;

    if (!r->leases[slot].taken || r->leases[slot].side != (r->mine ? r->side : 1 - r->side))
        return;
    at = where_is(r, r->leases[slot].ticket);
    if (way == 4) {
        int64_t limit_ns =
            draw(r, 2) == 0 ? KITH_FOREVER : (int64_t)(1000 + draw(r, 1000)) * TEST_S;

        if (r->mine)
            expect(r, "extend", KITH_OK, kith_lease_extend(r->leases[slot].lease, limit_ns));
        return;
    }
    if (way == 3) {
        if (r->mine) {
            kith_txn *txn = NULL;

            CHECK(r, kith_txn_begin(r->t->space, &txn) == KITH_OK);
            CHECK(r, kith_txn_lease_ack(txn, r->leases[slot].lease) == KITH_OK);
            expect(r, "commit", KITH_OK, kith_txn_commit(txn));
        }
        forget(r, at);
    } else if (way == 2) {
        if (r->mine)
            expect(r, "ack", KITH_OK, kith_lease_ack(r->leases[slot].lease));
        forget(r, at);
    } else {
        if (r->mine)
            expect(r, "nack", KITH_OK, kith_lease_nack(r->leases[slot].lease));
        r->items[at].lease = -1;
        r->items[at].attempts++;
        if (r->attempts_max != 0 && r->items[at].attempts >= r->attempts_max) {
            r->dead_count++;
            if (r->mine) {
                struct kith_buf item = KITH_BUF_INIT;

                expect(r, "the dead letter", KITH_OK, kith_queue_get(r->dead, 0, &item));
                expect_item(r, r->leases[slot].ticket, item.item);
                kith_buf_free(&item);
            }
            forget(r, at);
        }
    }
    r->leases[slot].taken = false;
}

static void
compare_counts(struct run *r)
{
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    uint64_t len = UINT64_MAX;
    uint64_t leased = 0;

    for (size_t i = 0; i < r->count; i++)
        leased += r->items[i].lease >= 0;
    CHECK(r, kith_queue_len(r->queue, &len) == KITH_OK);
    CHECK(r, len == r->count - leased);
    CHECK(r, kith_queue_info(r->queue, &info) == KITH_OK);
    CHECK(r, info.ready == len);
    CHECK(r, info.leased == leased);
    CHECK(r, info.capacity == r->capacity);
    CHECK(r, info.dead_lettered == r->dead_count);
    CHECK(r, kith_queue_join(r->queue, 0) == (r->count == 0 ? KITH_OK : KITH_ETIMEDOUT));
}

static void
do_step(struct run *r)
{
    uint64_t op = draw(r, 32);

    r->mine = (int)draw(r, (uint64_t)r->sides) == r->side;
    if (op < 9)
        do_put(r);
    else if (op < 11)
        do_put_many(r);
    else if (op < 13)
        do_get(r, false);
    else if (op < 14)
        do_get_many(r);
    else if (op < 15)
        do_get_view(r);
    else if (op < 16)
        do_get(r, true);
    else if (op < 23)
        do_lease(r);
    else if (op < 31)
        do_end_lease(r);
    else if (r->mine)
        compare_counts(r);
    if (r->sides == 2) {
        if (r->mine)
            test_gate_open(r->other_turn);
        else
            GATE_WAIT(r->turn);
    }
    r->step++;
}

static void
do_steps(struct run *r)
{
    uint64_t steps = r->sides == 2 ? 20000 : 200000;

    if (test_is_long())
        steps *= 10;
    while (r->step < steps)
        do_step(r);
    compare_counts(r);
}

/* Ends what this process has leased. */
static void
end_leases(struct run *r)
{
    for (size_t i = 0; i < LEASES_MAX; i++) {
        if (r->leases[i].taken && r->leases[i].side == r->side)
            expect(r, "the last ack", KITH_OK, kith_lease_ack(r->leases[i].lease));
    }
}

static struct run
run_new(struct test *t, uint64_t capacity, uint32_t attempts_max)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct run r = { .t = t, .capacity = capacity, .attempts_max = attempts_max, .sides = 1 };

    options.capacity = capacity;
    options.attempts_max = attempts_max;
    options.dead_letter = attempts_max != 0 ? "dead" : NULL;
    r.queue = test_queue(t, "q", &options);
    r.dead = test_queue(t, "dead", NULL);
    r.random = test_random_new();
    return r;
}

TEST_LONG(300, queue_without_bounds_does_as_its_model)
{
    struct run r = run_new(t, 0, 0);

    do_steps(&r);
    end_leases(&r);
}

TEST_LONG(300, queue_of_twenty_places_does_as_its_model)
{
    struct run r = run_new(t, 20, 0);

    do_steps(&r);
    end_leases(&r);
}

TEST_LONG(300, queue_with_dead_letters_does_as_its_model)
{
    struct run r = run_new(t, 50, 3);

    do_steps(&r);
    end_leases(&r);
}

static void
other_side(void *arg)
{
    struct run *r = arg;

    do_steps(r);
    /* Neither ends its leases before both have counted. */
    test_gate_open(r->other_turn);
    GATE_WAIT(r->turn);
    end_leases(r);
}

TEST_LONG(300, queue_of_two_processes_by_turns_does_as_its_model)
{
    struct run first = run_new(t, 30, 4);
    struct run second;
    pid_t pid;

    first.sides = 2;
    first.turn = test_gate();
    first.other_turn = test_gate();
    second = first;
    second.side = 1;
    second.turn = first.other_turn;
    second.other_turn = first.turn;
    pid = test_child(other_side, &second);
    other_side(&first);
    CHILD_JOIN_LONG(pid, test_is_long() ? 600 : 60);
}
