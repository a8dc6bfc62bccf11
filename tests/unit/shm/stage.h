/*
 * stage.h - an arena in memory for the tests of what lives in one.
 *
 * The clock of an arena is the system's plus a shift of this process's own, which a test may
 * change: so time passes when the test says so.  Other threads are other actors, and other
 * processes other holders; a process that has ended is played by a charge with its name.
 */
#ifndef KITH_TEST_UNIT_STAGE_H
#define KITH_TEST_UNIT_STAGE_H

#include "shm/catalog.h"
#include "shm/reap.h"
#include "shm/root.h"
#include "unit.h"

struct stage {
    struct kith__arena *arena;
    struct kith__self *self;
};

static inline struct stage
stage_open(void)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct stage stage = { 0 };

    options.size = UINT64_C(16) << 20;
    EXPECT_OK(kith__arena_open(KITH__WHERE_MEMORY, NULL, &options, &stage.arena));
    kith__reap_install(stage.arena);
    stage.self = kith__self_of(stage.arena);
    assert_non_null(stage.self);
    return stage;
}

static inline void
stage_close(struct stage *stage)
{
    kith__arena_close(stage->arena);
}

static inline struct kith__root_ref
stage_make(struct stage *stage, enum kith_kind kind,
           kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg), void *arg)
{
    struct kith__object object = { 0 };

    EXPECT_OK(kith__catalog_open(stage->self, kith_kind_name(kind), kind, KITH_MUST_CREATE, init,
                                 arg, &object));
    return (struct kith__root_ref){ stage->arena, object.off, object.id };
}

#endif /* KITH_TEST_UNIT_STAGE_H */
