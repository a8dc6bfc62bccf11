/*
 * test_linear.c - what four processes do to one object at once, killed ones among them, can be put
 * into one order.
 *
 * A history stands in memory of its own, which the killed leave as it was: the clock is one
 * counter, taken before an operation and after it.  Each object is looked at by itself, and of a
 * dict each key, since objects that are linearizable one by one are so together.
 *
 * To add an object: a model, a function that acts, and a line in `subjects`.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "search.h"
#include "test.h"

#define PROCESSES 4
#define EACH 12 /* operations of a process */
#define PARTS 3 /* keys of a dict: histories that are searched one by one */
#define ROUNDS 120

struct entry {
    unsigned part;
    struct operation operation;
};

struct history {
    _Atomic uint64_t clock;
    _Atomic int ready;
    _Atomic bool go;
    _Atomic unsigned count[PROCESSES];
    struct entry entries[PROCESSES][EACH];
    _Atomic uint64_t ended[PROCESSES]; /* a tick before its end began */
    uint64_t settled;                  /* one after all that followed from the ends */
};

struct subject {
    const char *name;
    unsigned parts;
    struct model model;
    void (*open)(kith_space *space, const char *name);
    void (*close)(void);
    /* Does what the operation says, and fills in its result; `part` is which key. */
    void (*act)(struct operation *operation, unsigned part);
    /* What may be done, and what it is given. */
    void (*choose)(struct operation *operation, struct test_random *random, unsigned number);
    /*
     * Of an object that a process may hold: waits until what the dead held is back, and fills in
     * what happened when process `number` died.  May be NULL.
     */
    void (*settle)(void);
    void (*die)(struct operation *operation, unsigned number);
};

static bool
gave(const struct operation *operation, kith_err err, int64_t result)
{
    return operation->ret == 0 ||
           (operation->err == (int)err && (err < 0 || operation->result == result));
}

/* ---- value ---- */

enum { ADD, GET, CAS, EXCHANGE, SET, DELETE, INSERT, PUT, ACQUIRE, RELEASE, DIE };

static kith_value *value;

static void
open_value(kith_space *space, const char *name)
{
    EXPECT_OK(kith_value_open(space, name, NULL, &value));
}

static void
close_value(void)
{
    kith_value_close(value);
}

static void
act_on_value(struct operation *operation, unsigned part)
{
    (void)part;
    switch (operation->what) {
    case ADD:
        operation->err = kith_value_add(value, operation->a, &operation->result);
        break;
    case GET:
        operation->err = kith_value_get_int(value, &operation->result);
        break;
    case CAS:
        operation->err = kith_value_cas_int(value, operation->a, operation->b);
        break;
    default:
        operation->err = kith_value_exchange_int(value, operation->a, &operation->result);
    }
}

static bool
apply_to_value(struct state *state, const struct operation *operation)
{
    int64_t old = state->n;

    switch (operation->what) {
    case ADD:
        state->n += operation->a;
        return gave(operation, KITH_OK, state->n);
    case GET:
        return gave(operation, KITH_OK, old);
    case CAS:
        if (old != operation->a)
            return gave(operation, KITH_ECONFLICT, 0);
        state->n = operation->b;
        return gave(operation, KITH_OK, 0);
    default:
        state->n = operation->a;
        return gave(operation, KITH_OK, old);
    }
}

static void
choose_for_value(struct operation *operation, struct test_random *random, unsigned number)
{
    static const int whats[] = { ADD, ADD, ADD, GET, CAS, EXCHANGE };

    (void)number;
    operation->what = whats[test_random_below(random, COUNTOF(whats))];
    operation->a = (int64_t)test_random_below(random, 4);
    operation->b = (int64_t)test_random_below(random, 4);
}

/* ---- dict ---- */

static kith_dict *dict;

static void
open_dict(kith_space *space, const char *name)
{
    EXPECT_OK(kith_dict_open(space, name, NULL, &dict));
}

static void
close_dict(void)
{
    kith_dict_close(dict);
}

static void
act_on_dict(struct operation *operation, unsigned part)
{
    struct kith_item key = KITH_INT(part), item = KITH_INT(operation->a);
    struct kith_buf buf = KITH_BUF_INIT;

    switch (operation->what) {
    case ADD:
        operation->err = kith_dict_add(dict, key, operation->a, &operation->result);
        break;
    case GET:
        operation->err = kith_dict_get(dict, key, &buf);
        operation->result = buf.item.integer;
        break;
    case CAS:
        operation->err = kith_dict_cas(dict, key, item, KITH_INT(operation->b));
        break;
    case SET:
        operation->err = kith_dict_set(dict, key, item);
        break;
    case DELETE:
        operation->err = kith_dict_delete(dict, key);
        break;
    default:
        operation->err = kith_dict_insert(dict, key, item);
    }
    kith_buf_free(&buf);
}

static bool
apply_to_key(struct state *state, const struct operation *operation)
{
    bool was = state->there;

    switch (operation->what) {
    case ADD:
        state->n = (was ? state->n : 0) + operation->a;
        state->there = true;
        return gave(operation, KITH_OK, state->n);
    case GET:
        return gave(operation, was ? KITH_OK : KITH_ENOENT, state->n);
    case CAS:
        if (!was || state->n != operation->a)
            return gave(operation, KITH_ECONFLICT, 0);
        state->n = operation->b;
        return gave(operation, KITH_OK, 0);
    case DELETE:
        state->there = false;
        state->n = 0;
        return gave(operation, was ? KITH_OK : KITH_ENOENT, 0);
    case INSERT:
        if (was)
            return gave(operation, KITH_EEXIST, 0);
        break;
    default:
        break;
    }
    state->n = operation->a;
    state->there = true;
    return gave(operation, KITH_OK, 0);
}

static void
choose_for_dict(struct operation *operation, struct test_random *random, unsigned number)
{
    static const int whats[] = { ADD, ADD, GET, GET, CAS, SET, DELETE, INSERT };

    (void)number;
    operation->what = whats[test_random_below(random, COUNTOF(whats))];
    operation->a = (int64_t)test_random_below(random, 4);
    operation->b = (int64_t)test_random_below(random, 4);
}

/* ---- queue ---- */

static kith_queue *queue;

static void
open_queue(kith_space *space, const char *name)
{
    EXPECT_OK(kith_queue_open(space, name, NULL, &queue));
}

static void
close_queue(void)
{
    kith_queue_close(queue);
}

static void
act_on_queue(struct operation *operation, unsigned part)
{
    struct kith_buf buf = KITH_BUF_INIT;

    (void)part;
    if (operation->what == PUT) {
        operation->err = kith_queue_put(queue, KITH_INT(operation->a), 0);
    } else {
        operation->err = kith_queue_get(queue, 0, &buf);
        operation->result = buf.item.integer;
    }
    kith_buf_free(&buf);
}

static bool
apply_to_queue(struct state *state, const struct operation *operation)
{
    int64_t first = state->items[0];

    if (operation->what == PUT) {
        state->items[state->count++] = (uint8_t)operation->a;
        return gave(operation, KITH_OK, 0);
    }
    if (state->count == 0)
        return gave(operation, KITH_EEMPTY, 0);
    memmove(state->items, state->items + 1, --state->count);
    return gave(operation, KITH_OK, first);
}

static void
choose_for_queue(struct operation *operation, struct test_random *random, unsigned number)
{
    operation->what = test_random_below(random, 2) != 0 ? PUT : GET;
    operation->a = (int64_t)number; /* no two are alike */
}

/* ---- semaphore ---- */

/*
 * A process gives back what it has alone, so what each has is known; when it dies, all of it comes
 * back at one instant, and what it was about to do has happened by then or never does.
 */
#define PERMITS 3

static kith_semaphore *semaphore;
static unsigned held; /* by this process */

static void
open_semaphore(kith_space *space, const char *name)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;

    options.value = PERMITS;
    options.bounded = true;
    EXPECT_OK(kith_semaphore_open(space, name, &options, &semaphore));
}

static void
close_semaphore(void)
{
    kith_semaphore_close(semaphore);
}

static void
act_on_semaphore(struct operation *operation, unsigned part)
{
    uint32_t free_now = 0;

    (void)part;
    switch (operation->what) {
    case ACQUIRE:
        operation->err = kith_semaphore_acquire(semaphore, 0);
        held += operation->err == KITH_OK;
        break;
    case RELEASE:
        operation->err = kith_semaphore_release(semaphore);
        held -= operation->err == KITH_OK;
        break;
    default:
        operation->err = kith_semaphore_value(semaphore, &free_now);
        operation->result = free_now;
    }
}

/* n: what is free; items: what each process has, and whether it is dead. */
static bool
apply_to_semaphore(struct state *state, const struct operation *operation)
{
    uint8_t *has = &state->items[operation->b], *dead = &state->items[PROCESSES + operation->b];

    if (*dead != 0)
        return false;
    switch (operation->what) {
    case ACQUIRE:
        if (state->n == 0)
            return gave(operation, KITH_ETIMEDOUT, 0);
        state->n--;
        ++*has;
        return gave(operation, KITH_OK, 0);
    case RELEASE:
        state->n++;
        --*has;
        return gave(operation, KITH_OK, 0);
    case DIE:
        state->n += *has;
        *has = 0;
        *dead = 1;
        return gave(operation, KITH_OK, 0);
    default:
        return gave(operation, KITH_OK, state->n);
    }
}

static void
choose_for_semaphore(struct operation *operation, struct test_random *random, unsigned number)
{
    static const int whats[] = { ACQUIRE, ACQUIRE, RELEASE, RELEASE, GET };

    operation->what = whats[test_random_below(random, COUNTOF(whats))];
    if (operation->what == RELEASE && held == 0)
        operation->what = ACQUIRE;
    operation->b = (number - 1) / EACH;
}

/* What the living hold comes back when they leave, which they have. */
static void
settle_semaphore(void)
{
    for (int i = 0; i < PERMITS; i++)
        EXPECT_OK(kith_semaphore_acquire(semaphore, test_ceiling_ns()));
    EXPECT_RC(KITH_ETIMEDOUT, kith_semaphore_acquire(semaphore, 0));
    EXPECT_OK(kith_semaphore_release_many(semaphore, PERMITS));
    EXPECT_RC(KITH_ERANGE, kith_semaphore_release(semaphore));
}

static void
die_with_semaphore(struct operation *operation, unsigned number)
{
    operation->what = DIE;
    operation->err = KITH_OK;
    operation->b = number;
}

/* ---- rounds ---- */

static const struct subject subjects[] = {
    { "value",
      1,
      { "value", { 0 }, apply_to_value },
      open_value,
      close_value,
      act_on_value,
      choose_for_value,
      NULL,
      NULL },
    { "dict",
      PARTS,
      { "key", { 0 }, apply_to_key },
      open_dict,
      close_dict,
      act_on_dict,
      choose_for_dict,
      NULL,
      NULL },
    { "queue",
      1,
      { "queue", { 0 }, apply_to_queue },
      open_queue,
      close_queue,
      act_on_queue,
      choose_for_queue,
      NULL,
      NULL },
    { "semaphore",
      1,
      { "semaphore", { .n = PERMITS, .count = 2 * PROCESSES }, apply_to_semaphore },
      open_semaphore,
      close_semaphore,
      act_on_semaphore,
      choose_for_semaphore,
      settle_semaphore,
      die_with_semaphore },
};

struct round {
    const struct subject *subject;
    struct history *history;
    unsigned process;
    uint64_t seed;
};

static void
pause_for(uint64_t turns)
{
    for (uint64_t i = 0; i < turns; i++)
        __asm__ volatile("");
}

/* The first to tell is right: a process that is about to be killed may end before. */
static void
tell_end(struct history *history, unsigned process)
{
    uint64_t none = 0;

    atomic_compare_exchange_strong(&history->ended[process], &none,
                                   atomic_fetch_add(&history->clock, 1) + 1);
}

static void
child_acts(void *arg)
{
    const struct round *round = arg;
    struct history *history = round->history;
    struct test_random random = { round->seed };

    atomic_fetch_add(&history->ready, 1);
    while (!atomic_load(&history->go))
        ;
    held = 0;
    for (unsigned i = 0; i < EACH; i++) {
        struct entry *entry = &history->entries[round->process][i];
        struct operation *operation = &entry->operation, done;

        entry->part = (unsigned)test_random_below(&random, round->subject->parts);
        round->subject->choose(operation, &random, round->process * EACH + i + 1);
        pause_for(test_random_below(&random, 200));
        operation->ret = 0;
        operation->call = atomic_fetch_add(&history->clock, 1) + 1;
        atomic_store(&history->count[round->process], i + 1);
        done = *operation;
        round->subject->act(&done, entry->part);
        operation->err = done.err;
        operation->result = done.result;
        atomic_signal_fence(memory_order_seq_cst);
        operation->ret = atomic_fetch_add(&history->clock, 1) + 1;
    }
    tell_end(history, round->process);
}

static void
show(const struct operation *operations, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("# what %d (%" PRId64 ", %" PRId64 ") -> %s %" PRId64 ", ticks %" PRIu64
               " to %" PRIu64 "\n",
               operations[i].what, operations[i].a, operations[i].b,
               operations[i].ret == 0 ? "killed" : test_rc_name((kith_err)operations[i].err),
               operations[i].result, operations[i].call, operations[i].ret);
    fflush(stdout);
}

static void
judge(const struct subject *subject, const struct history *history, uint64_t *killed)
{
    for (unsigned part = 0; part < subject->parts; part++) {
        struct operation operations[HISTORY_MAX];
        size_t count = 0;

        for (unsigned p = 0; p < PROCESSES; p++)
            for (unsigned i = 0; i < history->count[p]; i++)
                if (history->entries[p][i].part == part) {
                    operations[count] = history->entries[p][i].operation;
                    *killed += operations[count++].ret == 0;
                }
        for (unsigned p = 0; p < PROCESSES && subject->die != NULL; p++) {
            operations[count] =
                (struct operation){ .call = history->ended[p], .ret = history->settled };
            subject->die(&operations[count++], p);
        }
        if (linear(&subject->model, operations, count))
            continue;
        show(operations, count);
        FAIL("the history of a %s is in no order", subject->model.name);
    }
}

static void
run_rounds(struct test *t, const struct subject *subject)
{
    struct history *history = test_shared(sizeof(*history));
    struct test_random random = test_random_new();
    unsigned rounds = test_is_long() ? 10 * ROUNDS : ROUNDS;
    uint64_t killed = 0;

    for (unsigned r = 0; r < rounds; r++) {
        struct round round[PROCESSES];
        pid_t pids[PROCESSES];
        char name[32];
        int status;

        memset(history, 0, sizeof(*history));
        snprintf(name, sizeof(name), "%s %u", subject->name, r);
        subject->open(test_space(t), name);
        for (unsigned p = 0; p < PROCESSES; p++) {
            round[p] = (struct round){ subject, history, p, test_random_next(&random) | 1 };
            pids[p] = test_child(child_acts, &round[p]);
        }
        while (atomic_load(&history->ready) < PROCESSES)
            test_breathe();
        atomic_store(&history->go, true);
        for (unsigned p = 0; p < PROCESSES; p++) {
            if (r % 2 == 0 && p % 2 == 0) { /* two of four are killed, wherever they are */
                uint64_t at = test_random_below(&random, 2 * PROCESSES * EACH);

                for (int i = 0; atomic_load(&history->clock) < at && i < 1000000; i++)
                    ;
                tell_end(history, p);
                kill(pids[p], SIGKILL);
                status = CHILD_END(pids[p]); /* it may have been through before */
                EXPECT_TRUE(status == 0 || WTERMSIG(status) == SIGKILL);
            } else {
                CHILD_JOIN(pids[p]);
            }
        }
        if (subject->settle != NULL)
            subject->settle();
        history->settled = atomic_fetch_add(&history->clock, 1) + 1;
        judge(subject, history, &killed);
        subject->close();
        EXPECT_OK(kith_destroy(test_space(t), name));
    }
    printf("# %u histories of a %s, %" PRIu64 " operations killed in the middle\n", rounds,
           subject->name, killed);
    fflush(stdout);
}

TEST_LONG(600, linear_value)
{
    run_rounds(t, &subjects[0]);
}

TEST_LONG(600, linear_dict)
{
    run_rounds(t, &subjects[1]);
}

TEST_LONG(600, linear_queue)
{
    run_rounds(t, &subjects[2]);
}

TEST_LONG(600, linear_semaphore)
{
    run_rounds(t, &subjects[3]);
}

/* ---- the search itself ---- */

TEST_ON(TEST_SHM, linear_search_tells_good_histories_from_bad)
{
    /* Two additions at once, that both saw nothing before them: one was lost. */
    struct operation lost[] = { { .what = ADD, .a = 1, .result = 1, .call = 1, .ret = 3 },
                                { .what = ADD, .a = 1, .result = 1, .call = 2, .ret = 4 } };
    /* A reader that sees the new, and one after it that sees the old. */
    struct operation back[] = { { .what = ADD, .a = 1, .result = 1, .call = 1, .ret = 6 },
                                { .what = GET, .result = 1, .call = 2, .ret = 3 },
                                { .what = GET, .result = 0, .call = 4, .ret = 5 } };
    /* One that was killed happened, or did not, and not both. */
    struct operation maybe[] = { { .what = ADD, .a = 1, .call = 1, .ret = 0 },
                                 { .what = GET, .result = 0, .call = 2, .ret = 3 },
                                 { .what = GET, .result = 1, .call = 4, .ret = 5 },
                                 { .what = GET, .result = 0, .call = 6, .ret = 7 } };
    /* Out in another order than in. */
    struct operation swapped[] = { { .what = PUT, .a = 1, .call = 1, .ret = 2 },
                                   { .what = PUT, .a = 2, .call = 3, .ret = 4 },
                                   { .what = GET, .result = 2, .call = 5, .ret = 6 },
                                   { .what = GET, .result = 1, .call = 7, .ret = 8 } };

    /* One permit more than there are; unless the first was killed before it took one. */
    struct operation many[] = { { .what = ACQUIRE, .b = 0, .call = 1, .ret = 2 },
                                { .what = ACQUIRE, .b = 1, .call = 3, .ret = 4 },
                                { .what = ACQUIRE, .b = 2, .call = 5, .ret = 6 },
                                { .what = ACQUIRE, .b = 3, .call = 7, .ret = 10 },
                                { .what = DIE, .b = 0, .call = 11, .ret = 12 } };

    EXPECT_TRUE(!linear(&subjects[3].model, many, 5));
    many[4].call = 8; /* died in time */
    EXPECT_TRUE(linear(&subjects[3].model, many, 5));
    many[4].call = 11;
    many[0].ret = 0;
    EXPECT_TRUE(linear(&subjects[3].model, many, 5));
    EXPECT_TRUE(!linear(&subjects[0].model, lost, 2));
    lost[1].result = 2;
    EXPECT_TRUE(linear(&subjects[0].model, lost, 2));
    EXPECT_TRUE(!linear(&subjects[0].model, back, 3));
    EXPECT_TRUE(linear(&subjects[0].model, back, 2));
    EXPECT_TRUE(!linear(&subjects[0].model, maybe, 4));
    EXPECT_TRUE(linear(&subjects[0].model, maybe, 3));
    EXPECT_TRUE(linear(&subjects[0].model, maybe, 2));
    EXPECT_TRUE(!linear(&subjects[2].model, swapped, 4));
    swapped[1].call = 1; /* put at the same time as the other */
    EXPECT_TRUE(linear(&subjects[2].model, swapped, 4));
}
