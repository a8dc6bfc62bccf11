/*
 * test_reference.c - a graph of objects against a model that counts: thousands of random steps.
 *
 * A few dicts, lists and queues have no names of their own, and lead to one another, to themselves,
 * or to what was destroyed; three more have names.  The model knows every item and every handle,
 * and what it finds led to by nothing is to be gone in the arena, too, at once; what only circles
 * lead to is to be gone after a collection.  The names are always the same, so that items are left
 * that lead to an earlier object of a name.  Two processes draw the same steps and keep a model
 * each; the step's draw says who does it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "test.h"

#define NODES 15 /* the first ROOTS have names of their own */
#define ROOTS 3
#define ITEMS 8 /* of a list or queue; keys of a dict */
#define HANDLES 3

enum shape { SHAPE_DICT, SHAPE_LIST, SHAPE_QUEUE, SHAPES };

/* An item that leads to a node as it was in its n-th life; life 0: the item is a number. */
struct edge {
    int to;
    unsigned life;
    bool used; /* of a dict: the key is there */
};

struct node {
    bool alive;
    unsigned life;
    struct edge edges[ITEMS];
    size_t count; /* of a list or queue */
    size_t handle_count[2];
    void *handles[HANDLES]; /* of this side */
};

struct run {
    struct test *t;
    struct test_random random;
    uint64_t step;
    bool mine;
    int side, sides;
    sem_t *turn, *other_turn;
    struct node nodes[NODES];
};

static uint64_t
draw(struct run *r, uint64_t bound)
{
    return test_random_below(&r->random, bound);
}

static void
expect(struct run *r, const char *what, kith_err want, kith_err got)
{
    if (want != got)
        FAIL("step %" PRIu64 ", %s: expected %s, got %s: %s", r->step, what, test_rc_name(want),
             test_rc_name(got), kith_last_error());
}

static enum shape
shape_of(int at)
{
    return (enum shape)(at % SHAPES);
}

static const char *
name_of(int at)
{
    static const char *const roots[ROOTS] = { "dict", "list", "queue" };
    static char names[NODES][KITH_MADE_NAME_SIZE];

    if (at < ROOTS)
        return roots[at];
    snprintf(names[at], sizeof names[at], "#%032x", (unsigned)at);
    return names[at];
}

/* ---- The model --------------------------------------------------------------------------- */

static size_t
edge_count(const struct node *node, int at)
{
    return shape_of(at) == SHAPE_DICT ? ITEMS : node->count;
}

static bool
leads_to(const struct run *r, const struct edge *edge, int at)
{
    return edge->used && edge->to == at && r->nodes[at].alive && edge->life == r->nodes[at].life;
}

static uint64_t
references_to(const struct run *r, int at)
{
    uint64_t n = 0;

    for (int from = 0; from < NODES; from++)
        for (size_t i = 0; r->nodes[from].alive && i < edge_count(&r->nodes[from], from); i++)
            n += leads_to(r, &r->nodes[from].edges[i], at);
    return n;
}

static uint64_t
handles_of(const struct run *r, int at)
{
    return r->nodes[at].handle_count[0] + r->nodes[at].handle_count[1];
}

static void
end(struct run *r, int at)
{
    r->nodes[at].alive = false;
    r->nodes[at].count = 0;
    for (size_t i = 0; i < ITEMS; i++)
        r->nodes[at].edges[i].used = false;
}

/* What nothing leads to any more ends, and so on. */
static void
settle(struct run *r)
{
    for (int at = ROOTS; at < NODES; at++)
        if (r->nodes[at].alive && references_to(r, at) == 0 && handles_of(r, at) == 0) {
            end(r, at);
            at = ROOTS - 1;
        }
}

/* Sets what is reached from the roots and from handles; how many are alive and not reached. */
static uint64_t
unreached(const struct run *r, bool reached[NODES])
{
    bool more = true;
    uint64_t n = 0;

    for (int at = 0; at < NODES; at++)
        reached[at] = r->nodes[at].alive && (at < ROOTS || handles_of(r, at) > 0);
    while (more) {
        more = false;
        for (int from = 0; from < NODES; from++)
            for (size_t i = 0; reached[from] && i < edge_count(&r->nodes[from], from); i++)
                for (int to = ROOTS; to < NODES; to++)
                    if (!reached[to] && leads_to(r, &r->nodes[from].edges[i], to))
                        reached[to] = more = true;
    }
    for (int at = 0; at < NODES; at++)
        n += r->nodes[at].alive && !reached[at];
    return n;
}

static void
remove_edge(struct node *node, size_t at)
{
    memmove(&node->edges[at], &node->edges[at + 1], (node->count - at - 1) * sizeof node->edges[0]);
    node->count--;
}

/* ---- The arena ----------------------------------------------------------------------------- */

static kith_err
open_node(struct run *r, int at, enum kith_create create, void **handle)
{
    struct kith_queue_options queue = KITH_QUEUE_OPTIONS_INIT;
    struct kith_dict_options dict = KITH_DICT_OPTIONS_INIT;
    struct kith_list_options list = KITH_LIST_OPTIONS_INIT;
    kith_space *space = test_space(r->t);
    struct kith_list *opened = NULL;
    kith_queue *queued = NULL;
    kith_dict *keyed = NULL;
    kith_err err;

    queue.create = dict.create = list.create = create;
    switch (shape_of(at)) {
    case SHAPE_DICT:
        err = kith_dict_open(space, name_of(at), &dict, &keyed);
        *handle = keyed;
        return err;
    case SHAPE_LIST:
        err = kith_list_open(space, name_of(at), &list, &opened);
        *handle = opened;
        return err;
    default:
        err = kith_queue_open(space, name_of(at), &queue, &queued);
        *handle = queued;
        return err;
    }
}

static void
close_node(int at, void *handle)
{
    if (shape_of(at) == SHAPE_DICT)
        kith_dict_close(handle);
    else if (shape_of(at) == SHAPE_LIST)
        kith_list_close(handle);
    else
        kith_queue_close(handle);
}

static void *
opened(struct run *r, int at)
{
    void *handle = NULL;

    expect(r, "opening", KITH_OK, open_node(r, at, KITH_MUST_EXIST, &handle));
    return handle;
}

/* ---- Comparing ------------------------------------------------------------------------------ */

struct seeing {
    struct run *r;
    uint64_t count;
};

static int
see(const struct kith_info *info, void *arg)
{
    struct seeing *seeing = arg;
    struct run *r = seeing->r;

    for (int at = 0; at < NODES; at++)
        if (strcmp(name_of(at), info->name) == 0) {
            seeing->count++;
            if (!r->nodes[at].alive || info->unnamed != (at >= ROOTS) ||
                info->references != references_to(r, at) ||
                (at >= ROOTS && info->handles != handles_of(r, at)))
                FAIL("step %" PRIu64 ": node %d has %" PRIu64 " references and %" PRIu64
                     " handles, and should have %" PRIu64 " and %" PRIu64,
                     r->step, at, info->references, info->handles, references_to(r, at),
                     handles_of(r, at));
            return 0;
        }
    FAIL("step %" PRIu64 ": there is an object \"%s\"", r->step, info->name);
}

static void
compare(struct run *r)
{
    struct seeing seeing = { .r = r };
    struct kith_report report;
    bool reached[NODES];
    uint64_t alive = 0;

    if (!r->mine)
        return;
    expect(r, "the listing", KITH_OK, kith_list(test_space(r->t), see, &seeing));
    for (int at = 0; at < NODES; at++)
        alive += r->nodes[at].alive;
    expect(r, "the check", KITH_OK, kith_check(test_space(r->t), &report));
    if (seeing.count != alive || report.unreached != unreached(r, reached))
        FAIL("step %" PRIu64 ": %" PRIu64 " objects, %" PRIu64 " unreached; should be %" PRIu64
             " and %" PRIu64,
             r->step, seeing.count, report.unreached, alive, unreached(r, reached));
}

/* ---- The steps --------------------------------------------------------------------------------
 */

static int
some_node(struct run *r)
{
    return (int)draw(r, NODES);
}

static void
do_make(struct run *r, int at)
{
    struct node *node = &r->nodes[at];
    size_t *count = &node->handle_count[r->mine ? r->side : !r->side];

    if (at < ROOTS || *count == HANDLES)
        return;
    if (r->mine)
        expect(r, "making", KITH_OK,
               open_node(r, at, node->alive ? KITH_MUST_EXIST : KITH_MUST_CREATE,
                         &node->handles[*count]));
    ++*count;
    if (!node->alive) {
        node->alive = true;
        node->life++;
    }
}

static void
do_close(struct run *r, int at)
{
    struct node *node = &r->nodes[at];
    size_t *count = &node->handle_count[r->mine ? r->side : !r->side];

    if (*count == 0)
        return;
    --*count;
    if (r->mine)
        close_node(at, node->handles[*count]);
}

static void
do_store(struct run *r, int from, int to)
{
    struct node *node = &r->nodes[from];
    struct edge edge = { to, r->nodes[to].life, true };
    kith_err want = r->nodes[to].alive ? KITH_OK : KITH_ENOENT;
    struct kith_item item = kith_reference(name_of(to));
    size_t index = draw(r, ITEMS), more = shape_of(from) != SHAPE_DICT;
    void *handle;

    if (to < ROOTS || !node->alive)
        return;
    if (shape_of(from) == SHAPE_QUEUE && node->count == ITEMS)
        return;
    handle = r->mine ? opened(r, from) : NULL;
    if (shape_of(from) == SHAPE_DICT) {
        if (r->mine)
            expect(r, "set", want, kith_dict_set(handle, kith_int((int64_t)index), item));
    } else if (shape_of(from) == SHAPE_QUEUE) {
        if (r->mine)
            expect(r, "put", want, kith_queue_put(handle, item, 0));
        index = node->count;
    } else if (node->count < ITEMS) {
        index = index < node->count ? index : node->count;
        if (r->mine)
            expect(r, "insert", want, kith_list_insert(handle, (int64_t)index, item));
        if (want == KITH_OK)
            memmove(&node->edges[index + 1], &node->edges[index],
                    (node->count - index) * sizeof edge);
    } else {
        if (r->mine)
            expect(r, "list set", want, kith_list_set(handle, (int64_t)index, item));
        more = 0;
    }
    if (want == KITH_OK) {
        node->edges[index] = edge;
        node->count += more;
    }
    if (r->mine)
        close_node(from, handle);
}

static void
do_remove(struct run *r, int from)
{
    struct node *node = &r->nodes[from];
    size_t index = draw(r, ITEMS);
    bool lease = draw(r, 2) == 0;
    void *handle;

    if (!node->alive || (shape_of(from) != SHAPE_DICT && node->count == 0))
        return;
    handle = r->mine ? opened(r, from) : NULL;
    if (shape_of(from) == SHAPE_DICT) {
        if (r->mine)
            expect(r, "delete", node->edges[index].used ? KITH_OK : KITH_ENOENT,
                   kith_dict_delete(handle, kith_int((int64_t)index)));
        node->edges[index].used = false;
    } else if (shape_of(from) == SHAPE_LIST) {
        index %= node->count;
        if (r->mine)
            expect(r, "pop", KITH_OK, kith_list_pop(handle, (int64_t)index, NULL));
        remove_edge(node, index);
    } else if (lease) {
        kith_lease *lent = NULL;

        if (r->mine) {
            expect(r, "lease", KITH_OK, kith_queue_lease(handle, 0, NULL, &lent));
            expect(r, "ack", KITH_OK, kith_lease_ack(lent));
        }
        remove_edge(node, 0);
    } else {
        if (r->mine)
            expect(r, "get", KITH_OK, kith_queue_get(handle, 0, NULL));
        remove_edge(node, 0);
    }
    if (r->mine)
        close_node(from, handle);
}

/* All of a dict or list, or all but the first of a list and every second. */
static void
do_clear(struct run *r, int from)
{
    struct node *node = &r->nodes[from];
    bool some = draw(r, 2) == 0;
    size_t kept = 0;
    void *handle;

    if (!node->alive || shape_of(from) == SHAPE_QUEUE)
        return;
    handle = r->mine ? opened(r, from) : NULL;
    if (shape_of(from) == SHAPE_DICT) {
        if (r->mine)
            expect(r, "clear", KITH_OK, kith_dict_clear(handle));
        for (size_t i = 0; i < ITEMS; i++)
            node->edges[i].used = false;
    } else if (some) {
        if (r->mine)
            expect(r, "delete by steps", KITH_OK, kith_list_delete_slice(handle, 1, INT64_MAX, 2));
        for (size_t i = 0; i < node->count; i++)
            if (i % 2 == 0)
                node->edges[kept++] = node->edges[i];
        node->count = kept;
    } else {
        if (r->mine)
            expect(r, "list clear", KITH_OK, kith_list_clear(handle));
        node->count = 0;
    }
    if (r->mine)
        close_node(from, handle);
}

/* A key of one dict is deleted, and one of another set, in one transaction. */
static void
do_move(struct run *r, int from, int into, int to)
{
    struct node *source = &r->nodes[from], *target = &r->nodes[into];
    size_t out = draw(r, ITEMS), in = draw(r, ITEMS);
    kith_err want = r->nodes[to].alive ? KITH_OK : KITH_ENOENT;
    void *one, *two;
    kith_txn *txn;

    if (!source->alive || !target->alive || to < ROOTS)
        return;
    if (r->mine) {
        one = opened(r, from);
        two = opened(r, into);
        expect(r, "begin", KITH_OK, kith_txn_begin(test_space(r->t), &txn));
        expect(r, "txn delete", KITH_OK, kith_txn_dict_delete(txn, one, kith_int((int64_t)out)));
        expect(r, "txn set", KITH_OK,
               kith_txn_dict_set(txn, two, kith_int((int64_t)in), kith_reference(name_of(to))));
        expect(r, "commit", want, kith_txn_commit(txn));
        close_node(from, one);
        close_node(into, two);
    }
    if (want == KITH_OK) {
        source->edges[out].used = false;
        target->edges[in] = (struct edge){ to, r->nodes[to].life, true };
    }
}

static void
do_number(struct run *r, int from)
{
    struct node *node = &r->nodes[from];
    size_t index = draw(r, ITEMS);
    void *handle;

    if (!node->alive || shape_of(from) != SHAPE_DICT)
        return;
    if (r->mine) {
        handle = opened(r, from);
        expect(r, "set to a number", KITH_OK,
               kith_dict_set(handle, kith_int((int64_t)index), KITH_INT(1)));
        close_node(from, handle);
    }
    node->edges[index] = (struct edge){ -1, 0, true };
}

static void
do_destroy(struct run *r, int at)
{
    if (at < ROOTS || draw(r, 4) != 0)
        return;
    if (r->mine)
        expect(r, "destroy", r->nodes[at].alive ? KITH_OK : KITH_ENOENT,
               kith_destroy(test_space(r->t), name_of(at)));
    if (!r->nodes[at].alive)
        return;
    end(r, at);
    /* Handles on it are handles on nothing; they are closed, for the model's sake. */
    for (size_t i = 0; i < r->nodes[at].handle_count[r->side]; i++)
        close_node(at, r->nodes[at].handles[i]);
    r->nodes[at].handle_count[0] = r->nodes[at].handle_count[1] = 0;
}

static void
do_collect(struct run *r)
{
    struct kith_report report;
    bool reached[NODES];
    uint64_t n;

    if (draw(r, 4) != 0)
        return;
    n = unreached(r, reached);
    if (r->mine) {
        expect(r, "the collection", KITH_OK, kith_gc(test_space(r->t), &report));
        if (report.removed != n)
            FAIL("step %" PRIu64 ": %" PRIu64 " objects were collected, not %" PRIu64, r->step,
                 report.removed, n);
    }
    for (int at = ROOTS; at < NODES; at++)
        if (r->nodes[at].alive && !reached[at])
            end(r, at);
}

static void
do_step(struct run *r)
{
    uint64_t op;
    int one, two, three;

    r->mine = r->sides == 1 || (int)draw(r, 2) == r->side;
    op = draw(r, 20);
    one = some_node(r);
    two = some_node(r);
    three = some_node(r);
    if (r->sides == 2 && !r->mine)
        GATE_WAIT(r->turn);
    if (op < 3)
        do_make(r, one);
    else if (op < 6)
        do_close(r, one);
    else if (op < 12)
        do_store(r, one, two);
    else if (op < 14)
        do_remove(r, one);
    else if (op < 15)
        do_clear(r, one);
    else if (op < 16)
        do_move(r, one / SHAPES * SHAPES, two / SHAPES * SHAPES, three);
    else if (op < 17)
        do_number(r, one);
    else if (op < 18)
        do_destroy(r, one);
    else if (op < 19)
        do_collect(r);
    settle(r);
    if (op == 19)
        compare(r);
    if (r->sides == 2 && r->mine)
        test_gate_open(r->other_turn);
    r->step++;
}

static void
do_steps(struct run *r)
{
    uint64_t steps = r->sides == 2 ? 6000 : 30000;

    if (test_is_long())
        steps *= 10;
    while (r->step < steps)
        do_step(r);
}

static struct run *
run_new(struct test *t)
{
    struct run *r = test_shared(sizeof *r);
    void *handle;

    r->t = t;
    r->sides = 1;
    r->random = test_random_new();
    for (int at = 0; at < ROOTS; at++) {
        expect(r, "a root", KITH_OK, open_node(r, at, KITH_MUST_CREATE, &handle));
        close_node(at, handle);
        r->nodes[at].alive = true;
    }
    return r;
}

/* Closes all of this side. */
static void
close_all(struct run *r)
{
    r->mine = true;
    for (int at = ROOTS; at < NODES; at++)
        while (r->nodes[at].handle_count[r->side] > 0)
            do_close(r, at);
    settle(r);
}

TEST_LONG(300, a_graph_does_as_its_model)
{
    struct run *r = run_new(t);

    do_steps(r);
    compare(r);
    close_all(r);
    compare(r);
}

static void
other_side(void *arg)
{
    struct run *r = arg;

    do_steps(r);
    test_gate_open(r->other_turn);
    GATE_WAIT(r->turn); /* until it is killed */
}

TEST_LONG(300, a_graph_of_two_processes_does_as_its_model_and_one_is_killed)
{
    struct run *first = run_new(t), *second = test_shared(sizeof *second);
    pid_t pid;

    first->sides = 2;
    first->turn = test_gate();
    first->other_turn = test_gate();
    *second = *first;
    second->side = 1;
    second->turn = first->other_turn;
    second->other_turn = first->turn;
    pid = test_child(other_side, second);
    do_steps(first);
    GATE_WAIT(first->turn);
    first->mine = true;
    compare(first);
    test_child_kill(pid);
    expect(first, "the check after the death", KITH_OK, kith_check(test_space(t), NULL));
    for (int at = ROOTS; at < NODES; at++)
        first->nodes[at].handle_count[1] = 0;
    settle(first);
    compare(first);
    close_all(first);
    compare(first);
}
