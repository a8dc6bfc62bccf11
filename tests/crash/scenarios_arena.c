/*
 * scenarios_arena.c - the arena itself: allocator, catalog, registration, reaping, leaving.
 */
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"
#include "trap.h"

static void
refill_and_flush(struct stage *stage, struct kith__self *self)
{
    fill_dict(stage, self, 100, 140);
    for (unsigned i = 100; i < 140; i++) {
        char name[32];

        snprintf(name, sizeof name, "key%u", i);
        delete_key(stage, self, name);
    }
}

static void
make_object(struct stage *stage, struct kith__self *self)
{
    struct kith__object object;

    kith__catalog_open(self, "made", KITH_KIND_DICT, KITH_CREATE_OR_OPEN, init_dict, NULL, &object);
    (void)stage;
}

static void
destroy_dict(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "a");
}

static void
destroy_queue(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_destroy(self, "q");
}

static void
rename_object(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__catalog_rename(self, "q", "moved");
}

static void
register_thread(struct stage *stage, struct kith__self *self)
{
    (void)self;
    kith__self_of(stage->arena);
}

/* Ends the process once its record is committed, and nothing of it is carried out. */
static void
die_committed(struct trap *trap, void *context)
{
    (void)trap;
    (void)context;
    if ((kith__load(&kith__self_last->actor->main.state) & KITH__COMMITTED) != 0)
        raise(SIGKILL);
}

/* Somebody was killed with a lease, with a lock of the user's, and amid a change. */
static void
one_dead(struct stage *stage, struct kith__self *self)
{
    int status;
    pid_t pid;

    few_keys(stage, self);
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct kith__self *mine = stage_self(stage);
        struct trap trap = { .base = stage->arena->base,
                             .size = stage->arena->size,
                             .stored = die_committed };

        kith__mutex_acquire(mine, &stage->lock, 0);
        lease_first(stage, mine);
        trap_begin(&trap);
        set_key(stage, mine, "new", kith_str("another text of more than eight bytes"));
        _exit(3);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status))
        stage_die("nobody died amid a change");
}

static void
reap(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__reap_all(self);
}

static void
do_nothing(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    (void)self;
}

static void
leave_in_order(struct stage *stage, struct kith__self *self)
{
    stage->arena->on_leave(self, true);
}

/* ---- Seeing --------------------------------------------------------------------------------- */

/* The change was carried out, the item is to be had again, and so is the lock. */
static void
see_all_reaped(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    char *at = text, *end = text + size;
    kith_err err = kith__mutex_acquire(self, &stage->lock, 0);

    at += snprintf(at, size, "lock %s ", err >= 0 ? "to be had" : "lost");
    if (err >= 0)
        kith__mutex_release(self, &stage->lock);
    print_dict(self, &stage->a, &at, end);
    print_queue(self, &stage->q, &at, end);
}

static void
see_objects(struct stage *stage, struct kith__self *self, char *text, size_t size)
{
    struct kith__dict catalog = kith__catalog_of(stage->arena);
    char *at = text, *end = text + size;
    struct kith__copy copy;

    if (kith__dict_copy(self, &catalog, true, &copy) < 0)
        return;
    for (uint64_t i = 0; i < copy.count; i++) {
        struct kith_item name = kith__copy_key(&copy, i);
        at += snprintf(at, (size_t)(end - at), "%.*s ", (int)name.size, (const char *)name.data);
    }
    kith__copy_free(&copy);
}

/* At every instant the queue has one of its names, whoever looks, and leads to one root. */
static const char *
peek_names(struct stage *stage, struct kith__self *self)
{
    struct kith__object old, new;
    kith_err old_err = kith__catalog_find(stage->arena, self, "q", &old);
    kith_err new_err = kith__catalog_find(stage->arena, self, "moved", &new);

    if (old_err == KITH_OK && new_err == KITH_OK)
        return "the object has both names";
    if (old_err < 0 && new_err < 0)
        return "the object has neither name";
    return (old_err == KITH_OK ? old.off : new.off) == stage->q.off ? NULL
                                                                    : "the name leads elsewhere";
}

static const struct scenario scenarios[] = {
    { .name = "allocator refill and flush",
      .set_up = few_keys,
      .act = refill_and_flush,
      .observe = see_it_works,
      .same_outcome = true,
      .slow = true },
    { .name = "object made",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = make_object,
      .observe = see_objects },
    { .name = "dict destroyed",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = destroy_dict,
      .observe = see_objects },
    { .name = "queue destroyed",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = destroy_queue,
      .observe = see_objects },
    { .name = "object renamed",
      .set_up = few_keys,
      .prepare = warm_up,
      .act = rename_object,
      .observe = see_objects,
      .peek = peek_names },
    { .name = "reaping",
      .set_up = one_dead,
      .act = reap,
      .observe = see_all_reaped,
      .same_outcome = true },
    { .name = "registration",
      .set_up = few_keys,
      .prepare = do_nothing,
      .act = register_thread,
      .observe = see_it_works,
      .same_outcome = true,
      .unregistered = true },
    { .name = "leaving in order",
      .alone = true,
      .set_up = few_keys,
      .prepare = lease_first,
      .act = leave_in_order,
      .observe = see_queues,
      .same_outcome = true },
};
const struct scenario_table arena_scenarios = SCENARIO_TABLE(scenarios);
