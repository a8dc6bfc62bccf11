/*
 * stale.c - a change that was under way when its object was destroyed touches no other object; and
 * one that was under way when another was made loses neither.
 *
 *     stale [NAME...]
 *
 * A victim is stopped after each instruction of an addition without a lock, of setting an event, or
 * of releasing a lock.  The survivor destroys what it changes, and makes others, which would have
 * its memory if that were given back too soon. The victim goes on to its end; the others must be as
 * they were made.
 *
 * Or the survivor adds to the same number: what no death shows, that loading and storing were two
 * steps, a third party's addition between them does.
 *
 * So is one who opens an arena on a new boot: whoever opens it meanwhile has the same clock.
 *
 * And one who is about to sleep for an object, has joined its signal and looked, does not fall
 * asleep if the object is destroyed just then: the word is not what joining returned.
 *
 * One who found a lock, and claims its word when the memory is another lock's, gives that back:
 * also if somebody began to wait for it in between.
 *
 * A reader is stopped as well: it sets out when a dict's emptying is committed and not yet carried
 * out, and goes on when it has been.  Others know by then that the dict is empty, and so must it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "shm/array.h"
#include "shm/boot.h"
#include "shm/extent.h"
#include "shm/quick.h"
#include "shm/value.h"
#include "stepper.h"

#define OTHERS 12
#define STEPS_MAX 5000u

static struct kith__value
make_value(struct kith__self *self, const char *name)
{
    struct kith__value_making making = { *kith__scalar_of('q'), false, NULL };
    struct kith__object object;
    struct kith__value value;

    if (kith__catalog_open(self, name, KITH_KIND_VALUE, KITH_MUST_CREATE, kith__value_init, &making,
                           &object) < 0 ||
        kith__value_of(self->arena, object.off, object.id, &value) < 0)
        abort();
    return value;
}

static struct kith__array
make_array(struct kith__self *self, const char *name)
{
    struct kith__array_making making = { *kith__scalar_of('q'), 4, 0 };
    struct kith__object object;
    struct kith__array array;
    uint64_t pin;

    if (kith__extent_stage(self, 32, true, &making.data, &pin) < 0 ||
        kith__catalog_open(self, name, KITH_KIND_ARRAY, KITH_MUST_CREATE, kith__array_init, &making,
                           &object) < 0 ||
        kith__array_of(self->arena, object.off, object.id, &array) < 0)
        abort();
    kith__extent_drop(self, making.data, pin);
    return array;
}

static struct kith__sync
make_sync(struct kith__self *self, enum kith_kind kind, const char *name)
{
    struct kith__object object;

    if (kith__catalog_open(self, name, kind, KITH_MUST_CREATE, kith__sync_init, NULL, &object) < 0)
        abort();
    return (struct kith__sync){ self->arena, object.off, object.id };
}

enum changed { OF_VALUE, OF_ARRAY, OF_EVENT, OF_LOCK, CHANGED_COUNT };

/* A victim that is traced, and stopped before its change. */
static pid_t
start_changing(struct stage *stage, enum changed what, const struct kith__value *value,
               const struct kith__array *array)
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct kith__self *mine = kith__self_of(stage->arena);

        if (what == OF_LOCK)
            kith__mutex_acquire(mine, &stage->lock, 0);
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        if (what == OF_ARRAY)
            kith__array_update(mine, array, 0, KITH__MATH_ADD, 1, NULL);
        else if (what == OF_EVENT)
            kith__event_set(mine, &stage->event);
        else if (what == OF_LOCK)
            kith__mutex_release(mine, &stage->lock);
        else
            kith__value_add(mine, value, 1, NULL);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return pid;
}

/* Lets it take `count` steps; whether it has more. */
static bool
step(pid_t pid, uint64_t count)
{
    bool more = true;
    int status;

    for (uint64_t n = 0; n < count && more; n++) {
        ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL);
        waitpid(pid, &status, 0);
        more = WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
    }
    return more;
}

static void
let_end(pid_t pid)
{
    int status;

    ptrace(PTRACE_CONT, pid, NULL, NULL); /* to its second stop */
    waitpid(pid, &status, 0);
}

/* True while the victim still had steps left at `at`. */
static bool
one_stop(enum changed what, uint64_t at, unsigned *touched)
{
    static const char *const names[] = { "value", "array", "event", "lock" };
    const struct kith__slice first = { 0, 1, 1 };
    struct kith__value value, values[OTHERS];
    struct kith__array array, arrays[OTHERS];
    struct kith__sync syncs[OTHERS];
    struct kith__self *self;
    struct stage stage;
    bool more;
    int status;
    pid_t pid;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    self = stage_self(&stage);
    value = make_value(self, "value");
    array = make_array(self, "array");
    pid = start_changing(&stage, what, &value, &array);
    more = step(pid, at);
    kith__catalog_destroy(self, names[what]);
    for (unsigned i = 0; i < OTHERS; i++) {
        char name[16];

        snprintf(name, sizeof name, "other %u", i);
        if (what == OF_ARRAY)
            arrays[i] = make_array(self, name);
        else if (what == OF_EVENT)
            syncs[i] = make_sync(self, KITH_KIND_EVENT, name);
        else if (what == OF_LOCK && (syncs[i] = make_sync(self, KITH_KIND_LOCK, name)).off != 0)
            kith__mutex_acquire(self, &syncs[i], 0);
        else
            values[i] = make_value(self, name);
    }
    if (more)
        let_end(pid);
    for (unsigned i = 0; i < OTHERS; i++) {
        uint64_t n = 0;
        bool on = false;

        if (what == OF_ARRAY)
            kith__array_get(self, &arrays[i], &first, &n);
        else if (what == OF_EVENT)
            n = kith__event_is_set(&syncs[i], &on) == KITH_OK && on;
        else if (what == OF_LOCK)
            n = kith__mutex_release(self, &syncs[i]) != KITH_OK;
        else
            kith__value_load(self, &values[i], &n);
        if (n != 0 && (*touched)++ < 5)
            printf("# stopped at step %llu, it changed another object\n", (unsigned long long)at);
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    kith__reap_all(self);
    stage_close(&stage);
    return more;
}

/* Another adds while the victim is stopped. */
static bool
one_addition(enum changed what, uint64_t at, unsigned *lost)
{
    const struct kith__slice first = { 0, 1, 1 };
    struct kith__value value;
    struct kith__array array;
    struct kith__self *self;
    struct stage stage;
    uint64_t n = 0;
    bool more;
    int status;
    pid_t pid;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    self = stage_self(&stage);
    value = make_value(self, "value");
    array = make_array(self, "array");
    pid = start_changing(&stage, what, &value, &array);
    more = step(pid, at);
    if (what == OF_ARRAY)
        kith__array_update(self, &array, 0, KITH__MATH_ADD, 1, NULL);
    else
        kith__value_add(self, &value, 1, NULL);
    if (more)
        let_end(pid);
    if (what == OF_ARRAY)
        kith__array_get(self, &array, &first, &n);
    else
        kith__value_load(self, &value, &n);
    if (n != 2 && (*lost)++ < 5)
        printf("# stopped at step %llu, 1 and 1 were %llu\n", (unsigned long long)at,
               (unsigned long long)n);
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    kith__reap_all(self);
    stage_close(&stage);
    return more;
}

/* One opens the arena on a new boot, stopped at `at`, and another does so meanwhile. */
static bool
one_boot(uint64_t at, unsigned *apart)
{
    struct stage stage;
    int64_t *shift =
        mmap(NULL, sizeof *shift, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    bool more;
    int status;
    pid_t pid;

    if (shift == MAP_FAILED)
        abort();
    stage_open(&stage, getenv("STEPPER_FOLDER"));
    kith__store(&KITH__HEADER(stage.arena)->clock_shift, 0); /* of no boot */
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        kith__boot_enter(stage.arena);
        *shift = stage.arena->clock_shift_ns;
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    more = step(pid, at);
    usleep(2000); /* so that its clocks and ours tell two times */
    kith__boot_enter(stage.arena);
    if (more)
        let_end(pid);
    if (*shift != stage.arena->clock_shift_ns && (*apart)++ < 5)
        printf("# stopped at step %llu, its clock is %lld ns from another's\n",
               (unsigned long long)at, (long long)(*shift - stage.arena->clock_shift_ns));
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    stage_close(&stage);
    munmap(shift, sizeof *shift);
    return more;
}

static unsigned
booted_meanwhile(unsigned unused)
{
    unsigned apart = 0;
    uint64_t at = 0;

    (void)unused;
    while (at < STEPS_MAX && one_boot(at, &apart))
        at++;
    printf("# stopped at %llu steps\n", (unsigned long long)at);
    return apart;
}

/* Whether the signal at `off` still is what joining made it after the object's end. */
static bool
sleeps_on(struct kith__self *self, const char *name, uint64_t off)
{
    _Atomic uint32_t *signal = kith__ptr(self->arena, off);
    uint32_t joined = kith__signal_join(self, signal);

    if (kith__catalog_destroy(self, name) < 0)
        abort();
    return atomic_load(signal) == joined;
}

static unsigned
end_is_heard(unsigned what)
{
    struct kith__self *self;
    struct stage stage;
    bool asleep;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    self = stage_self(&stage);
    if (what == 0)
        asleep = sleeps_on(self, "value",
                           make_value(self, "value").off + offsetof(struct kith__root, signal));
    else if (what == 1)
        asleep =
            sleeps_on(self, "event", stage.event.off + offsetof(struct kith__sync_root, signal));
    else
        asleep = sleeps_on(self, "a", stage.a.off + offsetof(struct kith__dict_root, signal));
    stage_close(&stage);
    return asleep;
}

/* A child that is traced, and stopped before what it does. */
static pid_t
start_child(struct stage *stage, void (*act)(struct stage *stage, struct kith__self *self))
{
    int status;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        struct kith__self *mine = kith__self_of(stage->arena);

        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        raise(SIGSTOP);
        act(stage, mine);
        raise(SIGSTOP);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    return pid;
}

/* ---- Claimed meanwhile ---------------------------------------------------------------------- */

#define CLAIM_STEPS 400u /* from looking at the id to the claim, and many more */

/* What a lock was made with that is destroyed, and what the one that gets its memory. */
static const uint32_t kinds_of_lock[][2] = {
    { 0, KITH__SYNC_FAIR },
    { 0, KITH__SYNC_UNOWNED },
    { 0, KITH__SYNC_SHARED },
    { KITH__SYNC_FAIR, 0 },
    { KITH__SYNC_UNOWNED, 0 },
    { KITH__SYNC_UNOWNED, KITH__SYNC_FAIR },
    { KITH__SYNC_FAIR, KITH__SYNC_UNOWNED },
    { KITH__SYNC_SHARED, 0 },
};

static struct kith__sync
make_lock(struct kith__self *self, const char *name, uint32_t options)
{
    struct kith__object object;

    if (kith__catalog_open(self, name, KITH_KIND_LOCK, KITH_MUST_CREATE, kith__sync_init, &options,
                           &object) < 0)
        abort();
    return (struct kith__sync){ self->arena, object.off, object.id };
}

static struct kith__sync claimed;

static void
claim(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__mutex_acquire(self, &claimed, 0);
}

static uint32_t
word_of(const struct kith__sync *lock)
{
    return atomic_load(&kith__sync_root(lock)->lock.word);
}

/* The victim had found the lock at `at`, and claims what has its memory then. */
static bool
one_claim(unsigned kinds, uint64_t at, unsigned *taken)
{
    struct kith__sync others[OTHERS];
    struct kith__self *self;
    struct stage stage;
    uint64_t more_steps = 0;
    bool more, runs;
    pid_t pid;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    self = stage_self(&stage);
    claimed = make_lock(self, "claimed", kinds_of_lock[kinds][0]);
    pid = start_child(&stage, claim);
    more = step(pid, at);
    kith__catalog_destroy(self, "claimed");
    for (unsigned i = 0; i < OTHERS; i++) {
        char name[16];

        snprintf(name, sizeof name, "other %u", i);
        others[i] = make_lock(self, name, kinds_of_lock[kinds][1]);
    }
    runs = more;
    while (runs && word_of(&claimed) == 0 && more_steps++ < CLAIM_STEPS)
        runs = step(pid, 1);
    for (unsigned i = 0; i < OTHERS; i++)
        if (word_of(&others[i]) != 0) /* whoever waits for it says so in the word, or elsewhere */
            kith__mutex_acquire(self, &others[i], kith__deadline_after(KITH__NS_PER_MS));
    if (runs)
        let_end(pid);
    for (unsigned i = 0; i < OTHERS; i++)
        if (word_of(&others[i]) != 0 && kith__mutex_acquire(self, &others[i], 0) != KITH_OK &&
            (*taken)++ < 5)
            printf("# stopped at step %llu, it has another lock for good (%#x)\n",
                   (unsigned long long)at, word_of(&others[i]));
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    kith__reap_all(self);
    stage_close(&stage);
    return more;
}

static unsigned
claimed_meanwhile(unsigned kinds)
{
    unsigned taken = 0;
    uint64_t at = 0;

    while (at < STEPS_MAX && one_claim(kinds, at, &taken))
        at++;
    printf("# stopped at %llu steps\n", (unsigned long long)at);
    return taken;
}

/* ---- Emptied meanwhile ---------------------------------------------------------------------- */

static const struct kith_item only_key = { .type = KITH_TYPE_INT, .integer = 7 };

static void
set_only_key(struct stage *stage, struct kith__self *self)
{
    struct kith__change change = { .what = KITH__CHANGE_SET, .item = only_key };
    struct kith__key key;

    if (kith__key_of(stage->arena->hash_key, &only_key, &key) < 0 ||
        kith__dict_change(self, &stage->a, &key, &change) < 0)
        abort();
}

static void
empty(struct stage *stage, struct kith__self *self)
{
    kith__dict_clear(self, &stage->a);
}

static enum kith__quick *seen; /* shared with the reader */

static void
look(struct stage *stage, struct kith__self *self)
{
    struct kith__short_key key;

    if (!kith__short_key_of(stage->arena->hash_key, &only_key, &key))
        abort();
    kith__reading_begin(self->actor);
    *seen = kith__quick_get(&stage->a, &key, NULL);
    kith__reading_end(self->actor);
}

/* Whether the dict's emptying has been decided, and may not have been carried out. */
static bool
is_decided(struct stage *stage)
{
    uint64_t intent = kith__load(&kith__dict_root(&stage->a)->own.intent);
    unsigned actor = (unsigned)(intent & KITH__HEAD_ACTOR);

    return actor != 0 &&
           (kith__load(&kith__actor_at(stage->arena, actor)->main.state) & KITH__COMMITTED) != 0;
}

/* The reader is stopped at `at`. */
static bool
one_emptying(uint64_t at, unsigned *stale)
{
    struct stage stage;
    pid_t writer, reader;
    unsigned steps = 0;
    bool more;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    set_only_key(&stage, stage_self(&stage));
    writer = start_child(&stage, empty);
    while (!is_decided(&stage))
        if (++steps == STEPS_MAX || !step(writer, 1))
            stage_die("the dict is not emptied by a record");
    *seen = KITH__QUICK_UNSURE;
    reader = start_child(&stage, look);
    more = step(reader, at);
    let_end(writer);
    if (more)
        let_end(reader);
    if (*seen == KITH__QUICK_FOUND && (*stale)++ < 5)
        printf("# stopped at step %llu, it found what was not there any more\n",
               (unsigned long long)at);
    kill(reader, SIGKILL);
    waitpid(reader, NULL, 0);
    kill(writer, SIGKILL);
    waitpid(writer, NULL, 0);
    kith__reap_all(stage_self(&stage));
    stage_close(&stage);
    return more;
}

static unsigned
emptied_meanwhile(unsigned unused)
{
    unsigned stale = 0;
    uint64_t at = 0;

    (void)unused;
    seen = mmap(NULL, sizeof *seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (seen == MAP_FAILED)
        abort();
    while (at < STEPS_MAX && one_emptying(at, &stale))
        at++;
    printf("# stopped at %llu steps\n", (unsigned long long)at);
    munmap(seen, sizeof *seen);
    return stale;
}

static unsigned
destroyed_meanwhile(unsigned what)
{
    unsigned touched = 0;
    uint64_t at = 0;

    while (at < STEPS_MAX && one_stop((enum changed)what, at, &touched))
        at++;
    printf("# stopped at %llu steps\n", (unsigned long long)at);
    return touched;
}

static unsigned
added_meanwhile(unsigned what)
{
    unsigned lost = 0;
    uint64_t at = 0;

    while (at < STEPS_MAX && one_addition((enum changed)what, at, &lost))
        at++;
    printf("# stopped at %llu steps\n", (unsigned long long)at);
    return lost;
}

static const struct {
    const char *name;
    unsigned (*try)(unsigned what); /* how often it went wrong */
    unsigned what;
} tests[] = {
    { "an addition to a value that was destroyed meanwhile touches no other", destroyed_meanwhile,
      OF_VALUE },
    { "an addition to an array that was destroyed meanwhile touches no other", destroyed_meanwhile,
      OF_ARRAY },
    { "a setting of an event that was destroyed meanwhile touches no other", destroyed_meanwhile,
      OF_EVENT },
    { "a release of a lock that was destroyed meanwhile touches no other", destroyed_meanwhile,
      OF_LOCK },
    { "who claims a plain lock that was destroyed meanwhile takes no fair one", claimed_meanwhile,
      0 },
    { "who claims a plain lock that was destroyed meanwhile takes no unowned one",
      claimed_meanwhile, 1 },
    { "who claims a plain lock that was destroyed meanwhile takes no rwlock", claimed_meanwhile,
      2 },
    { "who claims a fair lock that was destroyed meanwhile takes no plain one", claimed_meanwhile,
      3 },
    { "who claims an unowned lock that was destroyed meanwhile takes no plain one",
      claimed_meanwhile, 4 },
    { "who claims an unowned lock that was destroyed meanwhile takes no fair one",
      claimed_meanwhile, 5 },
    { "who claims a fair lock that was destroyed meanwhile takes no unowned one", claimed_meanwhile,
      6 },
    { "who claims a rwlock that was destroyed meanwhile takes no plain lock", claimed_meanwhile,
      7 },
    { "an addition to a value loses none that was made meanwhile", added_meanwhile, OF_VALUE },
    { "an addition to an array loses none that was made meanwhile", added_meanwhile, OF_ARRAY },
    { "who opens on a new boot has the clock of who opened meanwhile", booted_meanwhile, 0 },
    { "who reads a dict after it was emptied finds it empty", emptied_meanwhile, 0 },
    { "who is about to sleep for a value hears of its end", end_is_heard, 0 },
    { "who is about to sleep for an event hears of its end", end_is_heard, 1 },
    { "who is about to sleep for a key hears of its dict's end", end_is_heard, 2 },
};

int
main(int argc, char **argv)
{
    unsigned wrong = 0, count = 0;

    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    for (unsigned i = 0; i < sizeof tests / sizeof tests[0]; i++) {
        unsigned times;

        if (!stage_wanted(tests[i].name, argc, argv))
            continue;
        times = tests[i].try(tests[i].what);
        printf("%s %u - %s\n", times == 0 ? "ok" : "not ok", ++count, tests[i].name);
        wrong += times;
    }
    printf("1..%u\n", count);
    return wrong == 0 ? 0 : 1;
}
