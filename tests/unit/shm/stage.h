/*
 * stage.h - an arena in memory for the tests of what lives in one.
 *
 * The clock of an arena is the system's plus a shift of this process's own, which a test may
 * change: so time passes when the test says so.  Other threads are other actors, and other
 * processes other holders; a process that has ended is played by a charge with its name.
 */
#ifndef KITH_TEST_UNIT_STAGE_H
#define KITH_TEST_UNIT_STAGE_H

#include <pthread.h>
#include <semaphore.h>

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

/* Threads that are actors of the arena and do nothing: what they want is written for them. */
#define CROWD 4

struct crowd {
    pthread_t thread[CROWD];
    struct kith__actor *actor[CROWD];
    unsigned id[CROWD];
    sem_t there, go;
    struct kith__arena *arena;
    unsigned count;
};

static inline void *
stand_there(void *arg)
{
    struct crowd *crowd = arg;
    struct kith__self *self = kith__self_of(crowd->arena);

    crowd->actor[crowd->count] = self->actor;
    crowd->id[crowd->count] = self->id;
    crowd->count++;
    sem_post(&crowd->there);
    sem_wait(&crowd->go);
    return NULL;
}

static inline void
crowd_come(struct crowd *crowd, struct stage *stage)
{
    memset(crowd, 0, sizeof *crowd);
    crowd->arena = stage->arena;
    sem_init(&crowd->there, 0, 0);
    sem_init(&crowd->go, 0, 0);
    for (unsigned i = 0; i < CROWD; i++) {
        assert_int_equal(0, pthread_create(&crowd->thread[i], NULL, stand_there, crowd));
        sem_wait(&crowd->there);
    }
}

static inline void
crowd_leave(struct crowd *crowd)
{
    for (unsigned i = 0; i < CROWD; i++) {
        atomic_store(&crowd->actor[i]->wanted, 0);
        sem_post(&crowd->go);
    }
    for (unsigned i = 0; i < CROWD; i++)
        pthread_join(crowd->thread[i], NULL);
}

#endif /* KITH_TEST_UNIT_STAGE_H */
