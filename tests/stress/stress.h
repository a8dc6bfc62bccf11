/*
 * stress.h - workers that are killed at random and replaced, until enough have died.
 *
 * A worker counts its steps in shared memory.  The killer draws how many steps each may do, watches
 * the count, and kills it there, which is anywhere within a step.  Nothing is timed.
 */
#ifndef KITH_STRESS_H
#define KITH_STRESS_H

#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

#define WORKERS_MAX 8

struct worker {
    void *arg;
    atomic_bool *stop; /* ends the loop of a worker after its step */
    _Atomic uint64_t steps;
    _Atomic uint64_t steps_all; /* by all that had this place */
    int number;
    pid_t pid;
    uint64_t doom; /* killed after so many steps */
};

struct crew {
    struct worker workers[WORKERS_MAX];
    int count;
    atomic_bool stop;
    void (*step)(struct worker *worker);
    uint64_t kills;
};

static inline void
worker_loop(void *arg)
{
    struct worker *w = arg;
    struct crew *crew = w->arg;

    while (!atomic_load(w->stop)) {
        crew->step(w);
        atomic_fetch_add(&w->steps, 1);
        atomic_fetch_add(&w->steps_all, 1);
    }
}

/* A crew of `count` workers, all in shared memory; the step reaches its data by its own ways. */
static inline struct crew *
crew_new(int count, void (*step)(struct worker *worker))
{
    struct crew *crew = test_shared(sizeof(*crew));

    crew->count = count;
    crew->step = step;
    for (int i = 0; i < count; i++) {
        crew->workers[i].number = i;
        crew->workers[i].arg = crew;
        crew->workers[i].stop = &crew->stop;
    }
    return crew;
}

static inline void
worker_start(struct worker *w)
{
    atomic_store(&w->steps, 0);
    w->pid = test_child(worker_loop, w);
}

static inline void
crew_start(struct crew *crew)
{
    for (int i = 0; i < crew->count; i++)
        worker_start(&crew->workers[i]);
}

/* Kills workers 0 to `mortals - 1` and starts others in their places until `kills` have died. */
static inline void
crew_kill(struct crew *crew, int mortals, uint64_t kills, uint64_t steps_max,
          struct test_random *random)
{
    int64_t deadline_ns = test_now_ns() + test_ceiling_ns(); /* of the next kill */

    for (int i = 0; i < mortals; i++)
        crew->workers[i].doom = test_random_below(random, steps_max);
    while (crew->kills < kills) {
        if (test_now_ns() > deadline_ns)
            FAIL("after %" PRIu64 " kills the workers get no further", crew->kills);
        for (int i = 0; i < mortals; i++) {
            struct worker *w = &crew->workers[i];

            if (atomic_load(&w->steps) < w->doom)
                continue;
            test_child_kill(w->pid);
            crew->kills++;
            deadline_ns = test_now_ns() + test_ceiling_ns();
            w->doom = test_random_below(random, steps_max);
            worker_start(w);
        }
        sched_yield();
    }
}

/* Waits until every worker has done so many steps since it was last started. */
static inline void
crew_wait(struct crew *crew, uint64_t steps)
{
    for (int i = 0; i < crew->count; i++)
        UNTIL(atomic_load(&crew->workers[i].steps) >= steps);
}

static inline void
crew_stop(struct crew *crew)
{
    atomic_store(&crew->stop, true);
    for (int i = 0; i < crew->count; i++)
        CHILD_JOIN(crew->workers[i].pid);
}

static inline uint64_t
stretched(uint64_t count)
{
    return test_is_long() ? count * 10 : count;
}

#endif /* KITH_STRESS_H */
