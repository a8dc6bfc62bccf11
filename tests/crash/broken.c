/*
 * broken.c - a change of a dict, or a wait at a queue, that somebody overwrote ends, with an error,
 * and touches nothing outside of the arena.
 *
 * What is overwritten here is what a walk under a lock goes by: how many entries there are, which
 * comes next, and how long a key is; and what tells who waits that he need not.  Each case runs in
 * a process of its own, which a fault or its ceiling ends.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"

#define CEILING_S 60u
#define HUGE_COUNT (UINT64_C(1) << 62)

static kith_err
init_bounded(struct kith__op *op, uint64_t off, uint64_t id, void *arg)
{
    kith__dict_init(op, off, id, arg);
    return op->err;
}

/* A dict of two keys, "first" and "second", which live for `ttl_ns`; 0: for ever. */
static struct kith__dict
two_keys(struct stage *stage, struct kith__self *self, struct kith__bounds bounds, int64_t ttl_ns)
{
    static const char *const names[] = { "first", "second" };
    struct kith__object object;
    struct kith__dict dict;
    struct kith__key key;

    if (kith__catalog_open(self, "broken", KITH_KIND_DICT, KITH_MUST_CREATE, init_bounded, &bounds,
                           &object) < 0)
        abort();
    dict = (struct kith__dict){ stage->arena, object.off, object.id };
    for (unsigned i = 0; i < 2; i++) {
        struct kith__change how = { .what = KITH__CHANGE_SET, .item = KITH_INT(1) };

        key_of(stage, names[i], &key);
        kith__dict_change(self, &dict, &key, &how);
        if (ttl_ns > 0)
            kith__dict_lifetime(self, &dict, &key, KITH__LIFETIME_EXPIRE, ttl_ns);
    }
    return dict;
}

static struct kith__entry *
entry_of(struct stage *stage, uint64_t off)
{
    return kith__ptr(stage->arena, off);
}

/* ---- The cases ------------------------------------------------------------------------------ */

static kith_err
pop_a_key_of_any_length(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict = two_keys(stage, self, (struct kith__bounds){ 0 }, INT64_MAX);
    struct kith__entry *last = entry_of(stage, kith__load(&kith__dict_root(&dict)->own.last));

    last->key_meta |= UINT64_C(1) << 55;
    return kith__dict_popitem(self, &dict, NULL, NULL);
}

static kith_err
pop_in_a_circle(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict = two_keys(stage, self, (struct kith__bounds){ 0 }, 1);
    uint64_t off = kith__load(&kith__dict_root(&dict)->own.last);

    kith__store(&entry_of(stage, off)->prev, off);
    return kith__dict_popitem(self, &dict, NULL, NULL);
}

static kith_err
purge_in_a_circle(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict = two_keys(stage, self, (struct kith__bounds){ 0 }, INT64_MAX);
    struct kith__shard *shard = &kith__dict_root(&dict)->own;
    uint64_t off = kith__load(&shard->first), count;

    kith__store(&entry_of(stage, off)->next, off);
    kith__store(&shard->count, HUGE_COUNT);
    return kith__dict_purge(self, &dict, &count);
}

static kith_err
evict_in_a_circle(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict =
        two_keys(stage, self, (struct kith__bounds){ 0, 40, KITH_DICT_FIFO }, 0);
    struct kith__shard *shard = &kith__dict_root(&dict)->own;
    uint64_t off = kith__load(&shard->first);
    struct kith__change how = { .what = KITH__CHANGE_SET,
                                .item = kith_str("a text of thirty bytes or so.") };
    struct kith__key key;

    kith__store(&entry_of(stage, off)->next, off);
    kith__store(&shard->count, HUGE_COUNT);
    key_of(stage, "first", &key);
    return kith__dict_change(self, &dict, &key, &how);
}

static kith_err
spread_in_a_circle(struct stage *stage, struct kith__self *self)
{
    struct kith__dict dict = two_keys(stage, self, (struct kith__bounds){ 0 }, 0);
    struct kith__shard *shard = &kith__dict_root(&dict)->own;
    uint64_t off = kith__load(&shard->first);
    kith_err err;

    kith__store(&entry_of(stage, off)->next, off);
    kith__store(&shard->count, HUGE_COUNT);
    err = kith__lock_acquire(self, &shard->lock);
    if (err == KITH_OK)
        err = kith__dict_spread(self, &dict);
    kith__lock_release(self, &shard->lock);
    return err;
}

static kith_err
init_queue(struct kith__op *op, uint64_t off, uint64_t id, void *making)
{
    return kith__queue_init(op, off, id, making);
}

/* Every word in turn, but for locks: these have a limit of time of their own. */
static kith_err
wait_at_a_queue(struct kith__self *self, const struct kith__queue *queue, bool puts)
{
    static const uint64_t values[] = { 0, 1, 5, UINT64_C(1) << 40, UINT64_MAX };
    kith__word *words = (kith__word *)(void *)kith__queue_root(queue);
    kith_err err = KITH_OK;

    for (size_t i = 0; i < sizeof(struct kith__queue_root) / sizeof(kith__word); i++) {
        uint64_t was = kith__load(&words[i]);

        if (i == offsetof(struct kith__queue_root, head_lock) / sizeof(kith__word) ||
            i == offsetof(struct kith__queue_root, tail_lock) / sizeof(kith__word))
            continue;
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            int64_t deadline_ns = kith__now_ns() + 1000000;
            size_t got;

            kith__store(&words[i], values[j] == 5 ? was + 5 : values[j]);
            err = puts ? kith__queue_put(self, queue, &(struct kith_item){ 0 }, 1, deadline_ns)
                       : kith__queue_get(self, queue, 1, deadline_ns, NULL, &got);
            kith__store(&words[i], was);
        }
    }
    return err;
}

static kith_err
get_from_a_queue_that_lies(struct stage *stage, struct kith__self *self)
{
    struct kith__queue_making making = { .capacity = 0 };
    struct kith__object object;

    if (kith__catalog_open(self, "broken", KITH_KIND_QUEUE, KITH_MUST_CREATE, init_queue, &making,
                           &object) < 0)
        abort();
    return wait_at_a_queue(self, &(struct kith__queue){ stage->arena, object.off, object.id },
                           false);
}

static kith_err
put_to_a_queue_that_lies(struct stage *stage, struct kith__self *self)
{
    struct kith__queue_making making = { .capacity = 2 };
    struct kith_item items[2] = { KITH_INT(1), KITH_INT(2) };
    struct kith__object object;
    struct kith__queue queue;

    if (kith__catalog_open(self, "broken", KITH_KIND_QUEUE, KITH_MUST_CREATE, init_queue, &making,
                           &object) < 0)
        abort();
    queue = (struct kith__queue){ stage->arena, object.off, object.id };
    if (kith__queue_put(self, &queue, items, 2, 0) < 0)
        abort();
    return wait_at_a_queue(self, &queue, true);
}

static const struct {
    const char *name;
    kith_err (*run)(struct stage *stage, struct kith__self *self);
} cases[] = {
    { "popitem with a key that is longer than the arena", pop_a_key_of_any_length },
    { "popitem among expired entries in a circle", pop_in_a_circle },
    { "purge of entries in a circle", purge_in_a_circle },
    { "eviction among entries in a circle", evict_in_a_circle },
    { "spreading of entries in a circle", spread_in_a_circle },
    { "waiting for an item of a queue that lies", get_from_a_queue_that_lies },
    { "waiting for room in a queue that lies", put_to_a_queue_that_lies },
};

static bool
ends_with_an_error(kith_err (*run)(struct stage *stage, struct kith__self *self))
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct stage stage;
        kith_err err;

        alarm(CEILING_S);
        stage_open(&stage, getenv("STEPPER_FOLDER"));
        err = run(&stage, stage_self(&stage));
        stage_close(&stage);
        _exit(err < 0 ? 0 : 1);
    }
    waitpid(pid, &status, 0);
    if (WIFSIGNALED(status))
        printf("# %s\n", WTERMSIG(status) == SIGALRM ? "it did not end" : "it faulted");
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int
main(void)
{
    unsigned count = sizeof cases / sizeof cases[0], wrong = 0;

    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    for (unsigned i = 0; i < count; i++) {
        bool ended = ends_with_an_error(cases[i].run);

        printf("%s %u - %s ends with an error\n", ended ? "ok" : "not ok", i + 1, cases[i].name);
        wrong += !ended;
    }
    printf("1..%u\n", count);
    return wrong == 0 ? 0 : 1;
}
