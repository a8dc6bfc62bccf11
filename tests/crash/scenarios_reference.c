/*
 * scenarios_reference.c - references: stored, dropped, counted, and the end of what none leads to.
 *
 * The stage: unnamed dicts ONE, which a key of "a" leads to and nothing else, and TWO, which a key
 * of "b" leads to.  What is seen are the objects that are there, and their counts; that each count
 * is right, every check of an image sees to.
 */
#include <kith/reference.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scenarios.h"
#include "shm/condition.h"
#include "shm/inherit.h"
#include "shm/list.h"
#include "shm/reference.h"
#include "shm/verify.h"

#define ONE "#00000000000000000000000000000001"
#define TWO "#00000000000000000000000000000002"
#define LINK "#0000000000000000000000000000010%u"
#define LINKS 4u

static kith_err
init_list(struct kith__op *op, uint64_t off, uint64_t id, void *unused)
{
    (void)unused;
    kith__list_init(op, off, id);
    return op->err;
}

static kith_err
init_queue(struct kith__op *op, uint64_t off, uint64_t id, void *unused)
{
    struct kith__queue_making plain = { 0 };

    (void)unused;
    return kith__queue_init(op, off, id, &plain);
}

/* Good until the next call. */
static const struct kith__dict *
dict_at(const struct stage *stage, unsigned index)
{
    static struct kith__dict dict;

    dict = (struct kith__dict){ stage->arena, stage->object[index].off, stage->object[index].id };
    return &dict;
}

static const struct kith__list *
list_of(const struct stage *stage)
{
    static struct kith__list list;

    list = (struct kith__list){ stage->arena, stage->object[2].off, stage->object[2].id };
    return &list;
}

static void
refer(struct stage *stage, struct kith__self *self, const struct kith__dict *dict, const char *name)
{
    change_key(stage, self, dict, "to", KITH__CHANGE_SET, kith_reference(name));
}

static void
append(struct stage *stage, struct kith__self *self, const char *name)
{
    if (kith__list_append(self, list_of(stage), kith_reference(name)) < 0)
        abort();
}

static void
put(struct stage *stage, struct kith__self *self, const char *name)
{
    struct kith_item item = kith_reference(name);

    if (kith__queue_put(self, &stage->q, &item, 1, 0) < 0)
        abort();
}

/* ---- Setting up ----------------------------------------------------------------------------- */

static void
made(struct stage *stage, struct kith__self *self)
{
    stage_make(stage, 0, ONE, KITH_KIND_DICT, init_dict, NULL);
    stage_make(stage, 1, TWO, KITH_KIND_DICT, init_dict, NULL);
    refer(stage, self, &stage->a, ONE);
    refer(stage, self, &stage->b, TWO);
    for (unsigned i = 0; i < 2; i++)
        kith__reference_let_go(self, &stage->object[i].keep);
}

/* A list with both at its ends and in the midst, and nothing else that leads to ONE. */
static void
listed(struct stage *stage, struct kith__self *self)
{
    made(stage, self);
    stage_make(stage, 2, "list", KITH_KIND_LIST, init_list, NULL);
    append(stage, self, TWO);
    append(stage, self, ONE);
    append(stage, self, TWO);
    delete_key(stage, self, "to");
}

/* The only reference to ONE is the item of a queue. */
static void
queued(struct stage *stage, struct kith__self *self)
{
    made(stage, self);
    put(stage, self, ONE);
    put(stage, self, TWO);
    delete_key(stage, self, "to");
}

static void
lent_twice(struct stage *stage, struct kith__self *self)
{
    lease_first(stage, self);
    kith__queue_nack(self, &stage->q, &stage->lent);
    lease_first(stage, self);
}

/* "a" leads to the first of a chain of dicts and lists, by turns. */
static void
chained(struct stage *stage, struct kith__self *self)
{
    char names[LINKS][KITH_MADE_NAME_SIZE];

    for (unsigned i = 0; i < LINKS; i++) {
        snprintf(names[i], sizeof names[i], LINK, i);
        if (i % 2 == 0)
            stage_make(stage, i, names[i], KITH_KIND_DICT, init_dict, NULL);
        else
            stage_make(stage, i, names[i], KITH_KIND_LIST, init_list, NULL);
    }
    refer(stage, self, &stage->a, names[0]);
    for (unsigned i = 0; i + 1 < LINKS; i++) {
        struct kith__list list = { stage->arena, stage->object[i].off, stage->object[i].id };

        if (i % 2 == 0)
            refer(stage, self, dict_at(stage, i), names[i + 1]);
        else if (kith__list_append(self, &list, kith_reference(names[i + 1])) < 0)
            abort();
    }
    for (unsigned i = 0; i < LINKS; i++)
        kith__reference_let_go(self, &stage->object[i].keep);
}

/* A circle of a dict and a queue, to which "a" leads; ONE is the dict. */
static void
circle(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_reference(ONE);
    struct kith__queue queue;

    stage_make(stage, 0, ONE, KITH_KIND_DICT, init_dict, NULL);
    stage_make(stage, 1, TWO, KITH_KIND_QUEUE, init_queue, NULL);
    queue = (struct kith__queue){ stage->arena, stage->object[1].off, stage->object[1].id };
    refer(stage, self, dict_at(stage, 0), TWO);
    if (kith__queue_put(self, &queue, &item, 1, 0) < 0)
        abort();
    refer(stage, self, &stage->a, ONE);
    for (unsigned i = 0; i < 2; i++)
        kith__reference_let_go(self, &stage->object[i].keep);
}

static void
circle_cut_off(struct stage *stage, struct kith__self *self)
{
    circle(stage, self);
    delete_key(stage, self, "to");
}

/* What "b" has to TWO was stored by a load, before there was a TWO. */
static void
loose(struct stage *stage, struct kith__self *self)
{
    self->loading = true;
    refer(stage, self, &stage->b, TWO);
    stage_make(stage, 1, TWO, KITH_KIND_DICT, init_dict, NULL);
    refer(stage, self, &stage->a, TWO);
    self->loading = false;
    kith__reference_let_go(self, &stage->object[1].keep);
}

/* An unnamed lock LINK, which a condition has, and an unnamed queue, for another's dead letters. */
static void
lent_ones(struct stage *stage, struct kith__self *self, const char *condition, const char *queue)
{
    char names[2][KITH_MADE_NAME_SIZE];
    struct kith__condition_making making = { .name = names[0] };
    struct kith__queue_making failing = { .attempts_max = 2, .dead_letter_name = names[1] };
    struct kith__object letters, made;

    for (unsigned i = 0; i < 2; i++)
        snprintf(names[i], sizeof names[i], LINK, i);
    if (kith__catalog_find(stage->arena, self, names[0], &making.lock) < 0 ||
        kith__catalog_find(stage->arena, self, names[1], &letters) < 0)
        return;
    failing.dead_letter = letters.off;
    failing.dead_letter_id = letters.id;
    if (condition != NULL)
        kith__catalog_open(self, condition, KITH_KIND_CONDITION, KITH_MUST_CREATE,
                           kith__condition_init, &making, &made);
    if (queue != NULL)
        kith__catalog_open(self, queue, KITH_KIND_QUEUE, KITH_MUST_CREATE, kith__queue_init,
                           &failing, &made);
}

static void
with_keepers(struct stage *stage, struct kith__self *self)
{
    char name[KITH_MADE_NAME_SIZE];

    snprintf(name, sizeof name, LINK, 0u);
    stage_make(stage, 0, name, KITH_KIND_LOCK, kith__sync_init, NULL);
    snprintf(name, sizeof name, LINK, 1u);
    stage_make(stage, 1, name, KITH_KIND_QUEUE, init_queue, NULL);
    lent_ones(stage, self, "condition", "failing");
    for (unsigned i = 0; i < 2; i++)
        kith__reference_let_go(self, &stage->object[i].keep);
}

/* ---- Preparing ------------------------------------------------------------------------------- */

/* A block of each kind in the magazine, and room for some. */
static void
warm(struct stage *stage, struct kith__self *self)
{
    warm_up(stage, self);
    change_key(stage, self, &stage->a, "warm", KITH__CHANGE_SET, kith_reference(TWO));
    delete_key(stage, self, "warm");
}

static void
warm_lease(struct stage *stage, struct kith__self *self)
{
    warm(stage, self);
    lease_first(stage, self);
}

static void
warm_handle(struct stage *stage, struct kith__self *self)
{
    warm(stage, self);
    if (kith__catalog_open(self, "#0000000000000000000000000000000f", KITH_KIND_DICT,
                           KITH_MUST_CREATE, init_dict, NULL, &stage->object[4]) < 0)
        abort();
}

static void
hold_handle(struct stage *stage, struct kith__self *self)
{
    warm(stage, self);
    delete_key(stage, self, "to");
    if (kith__catalog_open(self, ONE, KITH_KIND_DICT, KITH_CREATE_OR_OPEN, init_dict, NULL,
                           &stage->object[4]) < 0)
        abort();
}

/* ---- The operations ---------------------------------------------------------------------------
 */

static void
make_unnamed(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    kith__catalog_open(self, ONE, KITH_KIND_DICT, KITH_CREATE_OR_OPEN, init_dict, NULL, &object);
    (void)stage;
}

static void
open_unnamed(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    kith__catalog_open(self, TWO, KITH_KIND_DICT, KITH_MUST_EXIST, init_dict, NULL, &object);
    (void)stage;
}

static void
let_go(struct stage *stage, struct kith__self *self)
{
    kith__reference_let_go(self, &stage->object[4].keep);
}

/* What goes before a fork; there is no child. */
static void
prepare_child(struct stage *stage, struct kith__self *self)
{
    (void)self;
    kith__holder_prepare_child(stage->arena);
    kith__inherit_prepare(stage->arena);
}

static void
store_new(struct stage *stage, struct kith__self *self)
{
    change_key(stage, self, &stage->b, "new", KITH__CHANGE_SET, kith_reference(TWO));
}

static void
store_over(struct stage *stage, struct kith__self *self)
{
    refer(stage, self, &stage->a, TWO);
}

/* In vain: the key is there. */
static void
store_not(struct stage *stage, struct kith__self *self)
{
    change_key(stage, self, &stage->b, "to", KITH__CHANGE_INSERT, kith_reference(ONE));
}

static void
store_to_nothing(struct stage *stage, struct kith__self *self)
{
    refer(stage, self, &stage->b, "#0000000000000000000000000000000e");
}

static void
delete_last(struct stage *stage, struct kith__self *self)
{
    delete_key(stage, self, "to");
}

static void
clear_dict(struct stage *stage, struct kith__self *self)
{
    kith__dict_clear(self, &stage->a);
}

static void
destroy_dict(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "a");
}

static void
append_one(struct stage *stage, struct kith__self *self)
{
    struct kith__list list = *list_of(stage);

    kith__list_append(self, &list, kith_reference(TWO));
}

static void
list_set(struct stage *stage, struct kith__self *self)
{
    kith__list_set(self, list_of(stage), 1, kith_reference(TWO));
}

static void
list_pop(struct stage *stage, struct kith__self *self)
{
    kith__list_pop(self, list_of(stage), 1, NULL);
}

static void
list_pop_end(struct stage *stage, struct kith__self *self)
{
    kith__list_pop(self, list_of(stage), -1, NULL);
}

static void
list_clear(struct stage *stage, struct kith__self *self)
{
    kith__list_clear(self, list_of(stage));
}

static void
list_delete_stepped(struct stage *stage, struct kith__self *self)
{
    kith__list_delete_stepped(self, list_of(stage), 1, 3, 2);
}

static void
queue_put(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_reference(ONE);

    kith__queue_put(self, &stage->q, &item, 1, 0);
}

static void
queue_put_full(struct stage *stage, struct kith__self *self)
{
    struct kith_item item = kith_reference(ONE);
    struct kith__queue queue = { stage->arena, stage->object[3].off, stage->object[3].id };

    kith__queue_put(self, &queue, &item, 1, 0);
}

static void
queue_get(struct stage *stage, struct kith__self *self)
{
    struct kith_buf buf = KITH_BUF_INIT;
    size_t got;

    kith__queue_get(self, &stage->q, 1, 0, &buf, &got);
    kith_buf_free(&buf);
}

static void
queue_ack(struct stage *stage, struct kith__self *self)
{
    kith__queue_ack(self, &stage->q, &stage->lent);
}

static void
queue_nack(struct stage *stage, struct kith__self *self)
{
    kith__queue_nack(self, &stage->q, &stage->lent);
}

static void
destroy_queue(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "q");
}

/* The only reference to ONE goes from "a" to "b", and a second one into a queue. */
static void
txn_move(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[3] = { 0 };
    struct kith__key to, moved;
    size_t failed;

    key_of(stage, "to", &to);
    key_of(stage, "moved", &moved);
    steps[0] = (struct kith__txn_step){ .what = KITH__TXN_DELETE, .dict = stage->a, .key = &to };
    steps[1] = (struct kith__txn_step){
        .what = KITH__TXN_SET, .dict = stage->b, .key = &moved, .item = kith_reference(ONE)
    };
    steps[2] = (struct kith__txn_step){ .what = KITH__TXN_PUT,
                                        .queue = stage->letters,
                                        .item = kith_reference(ONE) };
    kith__txn_run(self, steps, 3, &failed);
}

/* The same, but for a condition that does not hold. */
static void
txn_conflict(struct stage *stage, struct kith__self *self)
{
    struct kith__txn_step steps[2] = { 0 };
    struct kith__key to, moved;
    size_t failed;

    key_of(stage, "to", &to);
    key_of(stage, "moved", &moved);
    steps[0] = (struct kith__txn_step){
        .what = KITH__TXN_SET, .dict = stage->b, .key = &moved, .item = kith_reference(ONE)
    };
    steps[1] = (struct kith__txn_step){ .what = KITH__TXN_PUT,
                                        .queue = { stage->arena, stage->object[3].off,
                                                   stage->object[3].id },
                                        .item = kith_reference(ONE) };
    kith__txn_run(self, steps, 2, &failed);
}

static void
collect(struct stage *stage, struct kith__self *self)
{
    uint64_t freed;

    (void)stage;
    kith__unreached_free(self, &freed);
}

static void
adopt(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__references_adopt(self);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

static size_t
see_name(struct stage *stage, struct kith__self *self, const char *name, char *text, size_t size)
{
    struct kith__object object;
    const kith__word *count;

    if (kith__catalog_find(stage->arena, self, name, &object) < 0)
        return (size_t)snprintf(text, size, "gone ");
    count = kith__reference_count(stage->arena, object.kind, object.off);
    return (size_t)snprintf(text, size, "there:%llx ", (unsigned long long)kith__load(count));
}

static void
see_all(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__queue_counts q = { 0 }, letters = { 0 };
    size_t used = see_name(stage, self, ONE, text, size);
    uint64_t length = 0;

    used += see_name(stage, self, TWO, text + used, size - used);
    if (stage->object[2].off != 0)
        kith__list_len(self, list_of(stage), &length);
    kith__queue_look(&stage->q, &q);
    kith__queue_look(&stage->letters, &letters);
    snprintf(text + used, size - used, "a: %lld b: %lld %lld %lld list: %llu q: %llu letters: %llu",
             (long long)look(stage, self, &stage->a, "to"),
             (long long)look(stage, self, &stage->b, "to"),
             (long long)look(stage, self, &stage->b, "new"),
             (long long)look(stage, self, &stage->b, "moved"), (unsigned long long)length,
             (unsigned long long)q.total, (unsigned long long)letters.total);
}

static void
make_second_condition(struct stage *stage, struct kith__self *self)
{
    lent_ones(stage, self, "second", NULL);
}

static void
make_second_queue(struct stage *stage, struct kith__self *self)
{
    lent_ones(stage, self, NULL, "second");
}

static void
destroy_condition(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "condition");
}

static void
destroy_failing(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "failing");
}

static void
see_keepers(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    static const char *const names[] = { "condition", "failing", "second" };
    char name[KITH_MADE_NAME_SIZE];
    size_t used = 0;

    for (unsigned i = 0; i < 2; i++) {
        snprintf(name, sizeof name, LINK, i);
        used += see_name(stage, self, name, text + used, size - used);
    }
    for (unsigned i = 0; i < 3; i++) {
        struct kith__object object;

        if (kith__catalog_find(stage->arena, self, names[i], &object) == KITH_OK)
            used += (size_t)snprintf(text + used, size - used, "%s ", names[i]);
    }
}

/* What keeps a lock, or dead letters, keeps them for as long as it is there itself. */
static const char *
peek_keepers(struct stage *stage, struct kith__self *self)
{
    static const char *const names[] = { "condition", "failing" };
    char name[KITH_MADE_NAME_SIZE];

    for (unsigned i = 0; i < 2; i++) {
        struct kith__object kept, keeper;

        snprintf(name, sizeof name, LINK, i);
        if (kith__catalog_find(stage->arena, self, name, &kept) == KITH_ENOENT &&
            kith__catalog_find(stage->arena, self, names[i], &keeper) == KITH_OK)
            return "an object is gone that another keeps";
    }
    return NULL;
}

static void
see_chain(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char name[KITH_MADE_NAME_SIZE];
    size_t used = 0;

    for (unsigned i = 0; i < LINKS; i++) {
        snprintf(name, sizeof name, LINK, i);
        used += see_name(stage, self, name, text + used, size - used);
    }
    snprintf(text + used, size - used, "a: %lld", (long long)look(stage, self, &stage->a, "to"));
}

/* After a collection, which goes on where a killed one stopped. */
static void
see_collected(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    collect(stage, self);
    see_all(stage, self, text, size);
}

/* After another adoption: what is counted already is not counted again. */
static void
see_adopted(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    adopt(stage, self);
    see_all(stage, self, text, size);
}

/* What "b" leads to is there all the time. */
static const char *
peek_two(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    return kith__catalog_find(stage->arena, self, TWO, &object) == KITH_OK
               ? NULL
               : "an object is gone to which something leads";
}

static const char *
peek_circle(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    return kith__catalog_find(stage->arena, self, ONE, &object) == KITH_OK
               ? peek_two(stage, self)
               : "an object is gone to which something leads";
}

/* Wherever it is moved, something leads to ONE. */
static void
full_queue_too(struct stage *stage, struct kith__self *self)
{
    struct kith__queue_making one = { .capacity = 1 };
    struct kith_item item = KITH_INT(1);
    struct kith__queue queue;

    made(stage, self);
    stage_make(stage, 3, "full", KITH_KIND_QUEUE, kith__queue_init, &one);
    queue = (struct kith__queue){ stage->arena, stage->object[3].off, stage->object[3].id };
    kith__queue_put(self, &queue, &item, 1, 0);
}

#define CASE(text, up, ready, operation, see, ...)                                                 \
    {                                                                                              \
        .name = "reference: " text, .set_up = (up), .prepare = (ready), .act = (operation),        \
        .observe = (see), __VA_ARGS__                                                              \
    }

static const struct scenario scenarios[] = {
    CASE("unnamed object made", few_keys, warm_up, make_unnamed, see_all, .same_outcome = true),
    CASE("unnamed object made by a thread", few_keys, warm_up, make_unnamed, see_all,
         .thread_only = true, .alone = true),
    CASE("unnamed object made beside another", made, warm_handle, open_unnamed, see_all,
         .same_outcome = true, .peek = peek_two),
    CASE("opened", made, warm, open_unnamed, see_all, .same_outcome = true, .peek = peek_two),
    CASE("last handle closed", made, hold_handle, let_go, see_all, .same_outcome = true,
         .alone = true, .peek = peek_two),
    CASE("inherited", made, hold_handle, prepare_child, see_all, .same_outcome = true,
         .alone = true, .peek = peek_two),
    CASE("stored", made, warm, store_new, see_all, .peek = peek_circle),
    CASE("stored over the last of another", made, warm, store_over, see_all, .peek = peek_two),
    CASE("not stored after all", made, warm, store_not, see_all, .same_outcome = true,
         .peek = peek_circle),
    CASE("stored to nothing", made, warm, store_to_nothing, see_all, .same_outcome = true),
    CASE("last one deleted", made, warm, delete_last, see_all, .peek = peek_two),
    CASE("its dict cleared", made, warm, clear_dict, see_all, .peek = peek_two),
    CASE("its dict destroyed", made, warm, destroy_dict, see_all, .peek = peek_two),
    CASE("appended", listed, warm, append_one, see_all, .peek = peek_circle),
    CASE("stored over in a list", listed, warm, list_set, see_all, .peek = peek_two),
    CASE("last one popped", listed, warm, list_pop, see_all, .peek = peek_two),
    CASE("one of several popped", listed, warm, list_pop_end, see_all, .peek = peek_circle),
    CASE("its list cleared", listed, warm, list_clear, see_all, .peek = peek_two),
    CASE("deleted by steps", listed, warm, list_delete_stepped, see_all, .peek = peek_two),
    CASE("put", made, warm, queue_put, see_all, .peek = peek_circle),
    CASE("not put after all", full_queue_too, warm, queue_put_full, see_all, .same_outcome = true,
         .peek = peek_circle),
    CASE("last one got", queued, warm, queue_get, see_all, .peek = peek_two),
    CASE("last one acknowledged", queued, warm_lease, queue_ack, see_all, .finds = true,
         .peek = peek_two),
    CASE("handed back", queued, warm_lease, queue_nack, see_all, .same_outcome = true,
         .finds = true, .peek = peek_circle),
    CASE("made a dead letter", queued, lent_twice, queue_nack, see_all, .same_outcome = true,
         .finds = true, .peek = peek_circle), /* as it is when its consumer dies */
    CASE("its queue destroyed", queued, warm, destroy_queue, see_all, .peek = peek_two),
    CASE("moved by a transaction", made, warm, txn_move, see_all, .peek = peek_circle),
    CASE("not moved by a transaction", full_queue_too, warm, txn_conflict, see_all,
         .same_outcome = true, .peek = peek_circle),
    CASE("its condition made", with_keepers, warm_up, make_second_condition, see_keepers,
         .peek = peek_keepers),
    CASE("its condition destroyed", with_keepers, warm_up, destroy_condition, see_keepers,
         .peek = peek_keepers),
    CASE("its failing queue made", with_keepers, warm_up, make_second_queue, see_keepers,
         .peek = peek_keepers),
    CASE("its failing queue destroyed", with_keepers, warm_up, destroy_failing, see_keepers,
         .peek = peek_keepers),
    CASE("chain cut off", chained, warm_up, delete_last, see_chain, .slow = true),
    CASE("nothing to collect", circle, warm_up, collect, see_all, .peek = peek_circle,
         .same_outcome = true, .slow = true),
    CASE("circle collected", circle_cut_off, warm_up, collect, see_collected, .same_outcome = true,
         .slow = true),
    CASE("counted after a load", loose, warm_up, adopt, see_adopted, .same_outcome = true,
         .slow = true, .peek = peek_two),
};
const struct scenario_table reference_scenarios = SCENARIO_TABLE(scenarios);
