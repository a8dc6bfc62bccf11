/*
 * nested.c - see nested.h.
 *
 * The reaper works in an image, in this process, as the thread of another (the stage's).  After
 * each of its stores it is stopped; what it leaves then is tried twice over.  It dies: a survivor
 * cleans up after both.  Or it is slow: another process works on the same objects, as far as it
 * can, and the reaper goes on.  The second is done in a fork of this process, whose image is its
 * own, so that the first goes on as if nothing had been.
 *
 * After each store is after each instruction: between two stores the image stays the same, and the
 * image is all that a killed reaper leaves.  That holds for its system calls too, before, inside
 * and after: those of a reaper wake, ask for locks on bytes, commit memory, and read clocks, which
 * stores nothing.  The one that would, giving pages back to the system, needs more free memory than
 * any scenario has; if a reaper makes it nevertheless, that is a violation of this argument, and is
 * counted as one.  What sleeps in a call is woken by real kills, in wakes.c.
 *
 * With --long this is done at each different image of the victim's, of every scenario.  Deaths of
 * one victim at different steps soon come to the same thing, so an image that was tried is not
 * tried again; and where the reaper's own state (registers, stack, and the thread's struct) is that
 * of an earlier run in the same image, the rest of the run is that of the earlier one, and is left
 * out.
 *
 * A victim that writes its record down, or copies an item, leaves thousands of images that differ
 * in bytes that nobody reads before they are linked; and what a record changes is stored again by
 * who carries it out, whatever it was.  So the pages that have just changed are watched (watch.c),
 * in runs that leave nothing out.  Where a later image differs from the one that such a run began
 * with in words that nobody read, its run is that one once more, and is left out.
 */
#include "nested.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"

#define THIRD_CEILING_S 30u

static struct nested *running;

/* Whose threads live besides those that died in the image. */
static void
living(struct image *image, const struct nested *nested, bool main_too, bool reaper_too)
{
    const struct stage *stage = nested->stage;
    unsigned slots[LIVING_MAX] = { 0 };

    if (main_too)
        slots[0] = stage->arena->holder;
    if (reaper_too)
        slots[1] = stage->reaper_holder;
    if (nested->scenario->thread_only && stage->victim != 0)
        slots[2] = kith__actor_at(stage->arena, stage->victim)->holder;
    image_living(image, slots);
}

/* ---- The third party ---------------------------------------------------------------------- */

/* An operation on objects that may be gone, or whose holder is stopped. */
static void
judge_work(kith_err err, bool stopped, const char *what)
{
    if (err >= 0 || err == KITH_ETYPE || err == KITH_EGONE || err == KITH_ECLOSED ||
        err == KITH_EFULL || (stopped && err == KITH_EUNAVAILABLE))
        return;
    complain(running->scenario, running->step, what, running->totals);
    complain(running->scenario, running->step, kith_last_error(), running->totals);
}

/* The scenario's own operation, and some that can be counted. */
static void
work(bool stopped)
{
    struct stage stage = image_stage(&running->work, running->stage);
    struct kith__self *self = &running->work.self;
    const struct scenario *scenario = running->scenario;
    struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
    struct kith_item item = KITH_INT(7);
    struct kith__key key;
    kith_err err;

    if (scenario->partner == NULL && !scenario->unregistered && !scenario->alone) {
        if (scenario->finds)
            scenario->prepare(&stage, self);
        scenario->act(&stage, self);
    }
    key_of(&stage, "of the third", &key);
    err = kith__dict_number(self, &stage.a, &key, &one, NULL);
    running->added += err == KITH_OK;
    judge_work(err, stopped, "a third party cannot add to a dict:");
    judge_work(kith__queue_put(self, &stage.q, &item, 1, 0), stopped,
               "a third party cannot put into a queue:");
}

/* The reaper has finished: nothing of what the third party did may be lost. */
static void
finish_third(void)
{
    struct stage stage = image_stage(&running->work, running->stage);
    struct kith__self *self = &running->work.self;
    struct kith_report report;
    int64_t seen = look(&stage, self, &stage.a, "of the third");

    if (seen != -2 && seen != (running->added == 0 ? -1 : running->added))
        complain(running->scenario, running->step,
                 "what a third party did between two steps of the reaper is lost", running->totals);
    running->work.arena.timeout_ns = INT64_C(10000000000);
    work(false);
    kith__reap_all(self);
    if (kith__verify(self, NULL, NULL, &report) < 0) {
        complain(running->scenario, running->step,
                 "a third party worked between two steps of the reaper:", running->totals);
        complain(running->scenario, running->step, report.first, running->totals);
    }
}

static void
third_party(struct nested *nested, void *context)
{
    uint64_t violations = nested->totals->violations;
    int status = 0;
    pid_t pid;

    fflush(stdout);
    pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); /* not fork: the library would see it */
    if (pid < 0)
        stage_die("clone");
    if (pid == 0) {
        trap_let_go(&nested->trap, context);
        alarm(THIRD_CEILING_S);
        if (mmap(nested->reaper.arena.base, nested->reaper.arena.size, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, nested->fd, 0) == MAP_FAILED)
            stage_die("mmap");
        nested->third = true;
        nested->reaping = nested->watch.on = false;
        nested->watch.count = 0;
        nested->totals->violations = 0;
        nested->work = nested->reaper;
        nested->work.arena.timeout_ns = 2000000;
        image_act_as(&nested->work, nested->stage->self_id, nested->stage->arena->holder);
        work(true);
        return; /* and the reaper goes on */
    }
    while (waitpid(pid, &status, 0) != pid)
        if (errno != EINTR)
            stage_die("wait");
    nested->totals->thirds++;
    if (WIFSIGNALED(status))
        complain(nested->scenario, nested->step,
                 WTERMSIG(status) == SIGALRM ? "a third party, or the reaper beside it, hangs"
                                             : "a third party, or the reaper beside it, crashes",
                 nested->totals);
    else
        nested->totals->violations = violations + (uint64_t)WEXITSTATUS(status);
}

/* ---- Runs that would be the last one once more ----------------------------------------------- */

#define PATIENCE_MAX 127u
#define WORTH 8u /* a run that left nothing out took as long as some others */

void
pages_add(struct pages *pages, uint64_t off)
{
    for (unsigned i = 0; i < pages->count; i++)
        if (pages->at[i] == off)
            return;
    if (pages->count == CHANGED_MAX)
        pages->all = true;
    else
        pages->at[pages->count++] = off;
}

static struct words
words_changed(const struct nested *nested, uint64_t off)
{
    return words_differing(nested->before + off, nested->stage->arena->base + off);
}

bool
nested_is_same(struct nested *nested, const struct pages *changed)
{
    if (!nested->watch.on || changed->all)
        return false;
    for (unsigned i = 0; i < changed->count; i++) {
        struct words words = words_changed(nested, changed->at[i]);

        if (!watch_is_unread(&nested->watch, changed->at[i], &words))
            return false;
    }
    nested->followers++;
    return true;
}

/* Decides whether the run that begins leaves nothing out, and what is watched in it. */
static void
begin_watch(struct nested *nested, const struct pages *changed)
{
    struct watch *watch = &nested->watch;

    if (watch->on || nested->pause == 0) { /* the last one was such a run */
        bool worth = watch->on && nested->followers >= WORTH;

        nested->patience = worth ? 0 : nested->patience * 2 + 1;
        if (nested->patience > PATIENCE_MAX)
            nested->patience = PATIENCE_MAX;
        nested->pause = nested->patience;
    } else {
        nested->pause--;
    }
    nested->followers = 0;
    watch->on = false;
    watch->count = 0;
    if (nested->pause != 0 || changed->all || changed->count > WATCHED_MAX)
        return;
    for (unsigned i = 0; i < changed->count; i++)
        watch->page[watch->count++] = (struct watched){
            .off = changed->at[i],
            .fresh = words_changed(nested, changed->at[i]),
        };
    watch_begin(watch);
}

static enum touch
touched(void *address, void *context)
{
    return watch_touched(&running->watch, address, context);
}

/* A system call: the kernel's looks are not heard of. */
static void
called(long number, const long argument[6])
{
    struct watch *watch = &running->watch;

    if (running->outside || number == SYS_gettid || number == SYS_membarrier)
        return;
    if (number == SYS_futex && (argument[1] & FUTEX_CMD_MASK) == FUTEX_WAKE)
        watch_lend(watch, (const void *)argument[0], sizeof(uint32_t));
    else if (number == SYS_madvise && argument[2] == MADV_POPULATE_WRITE)
        watch_let(watch, (const void *)argument[0], (uint64_t)argument[1]);
    else if (number == SYS_madvise)
        watch_lend(watch, (const void *)argument[0], (uint64_t)argument[1]);
    else
        watch_open(watch);
}

static void
settled(void)
{
    watch_settle(&running->watch);
}

/* What this run began with. */
static void
keep_before(struct nested *nested, const struct pages *changed)
{
    const struct kith__arena *arena = nested->stage->arena;

    if (changed->all || nested->before == NULL) {
        if (nested->before == NULL)
            nested->before = mmap(NULL, arena->size, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (nested->before == MAP_FAILED)
            stage_die("mmap");
        image_copy_to(nested->before, arena);
        return;
    }
    for (unsigned i = 0; i < changed->count; i++)
        memcpy(nested->before + changed->at[i], arena->base + changed->at[i], KITH__PAGE);
}

/* ---- The reaper ------------------------------------------------------------------------------ */

static void
die_here(struct nested *nested, uint64_t *seen)
{
    struct outcomes outcomes = { .count = 0 };
    uint64_t saw;

    image_renew(&nested->after);
    watch_die(&nested->watch);
    image_act_as(&nested->after, nested->stage->self_id, nested->stage->arena->holder);
    image_kill(&nested->after, nested->stage->reaper);
    living(&nested->after, nested, false, false);
    nested->reaping = nested->outside = false;
    saw = survive(nested->scenario, nested->stage, &nested->after, nested->step, &outcomes,
                  nested->totals);
    nested->reaping = nested->outside = true;
    for (unsigned i = 0; i < outcomes.count; i++)
        free(outcomes.text[i]);
    nested->totals->states++;
    *seen = saw;
}

/* What the reaper left is tried, if it is new. */
static void
try_store(struct nested *nested, struct trap *trap, void *context)
{
    uint64_t *seen = NULL, code;
    bool is_new;

    for (unsigned i = 0; i < trap->page_count; i++)
        fingerprint_page(&nested->print, &nested->reaper.arena, trap->page[i]);
    nested->totals->nested++;
    if (nested->print.whole == nested->last)
        return;
    nested->last = nested->print.whole;
    is_new = hashes_add(&nested->states, nested->last, 0, &seen);
    if (is_new || nested->watch.on)
        die_here(nested, seen);
    if (*seen != 0 && nested->expected != 0 && *seen != nested->expected) {
        complain(nested->scenario, nested->step, "the death of its reaper makes a difference",
                 nested->totals);
        nested->expected = 0; /* said once */
    }
    code = trap_state(context, nested->stack) +
           hash_bytes(&nested->reaper.self, sizeof nested->reaper.self);
    if (!hashes_add(&nested->codes, nested->last + code, 0, NULL) && !nested->watch.on)
        siglongjmp(nested->out, 1);
    if (is_new && nested->stride != 0 && nested->fresh++ % nested->stride == 0)
        third_party(nested, context);
}

/* Runs after each store of the reaper's, in the handler of its trap. */
static void
stored(struct trap *trap, void *context)
{
    running->outside = true;
    try_store(running, trap, context);
    running->outside = false;
}

void
nested_begin(struct nested *nested, const struct scenario *scenario, const struct stage *stage,
             struct totals *totals)
{
    memset(nested, 0, sizeof *nested);
    nested->scenario = scenario;
    nested->stage = stage;
    nested->totals = totals;
    nested->fd = memfd_create("reaping", MFD_CLOEXEC);
    if (nested->fd < 0 || ftruncate(nested->fd, (off_t)stage->arena->size) != 0)
        stage_die("memfd");
    image_map(&nested->reaper, stage, nested->fd, false);
    image_map(&nested->after, stage, nested->fd, true);
    nested->watch.base[WATCH_REAPER] = nested->reaper.arena.base;
    nested->watch.base[WATCH_AFTER] = nested->after.arena.base;
    nested->watch.size = stage->arena->size;
}

/* In place of the C library's: see the top of the file. */
int
madvise(void *address, size_t size, int advice)
{
    int rc, error;

    if (running != NULL && advice == MADV_REMOVE && running->reaping)
        complain(running->scenario, running->step,
                 "a reaper gives pages back, which its image does not show", running->totals);
    rc = (int)syscall(SYS_madvise, address, size, advice);
    error = errno;
    if (running != NULL && advice == MADV_POPULATE_WRITE)
        watch_settle(&running->watch);
    errno = error;
    return rc;
}

static void __attribute__((noinline)) reap(struct nested *nested, const struct pages *changed)
{
    char here;

    nested->stack = &here;
    if (sigsetjmp(nested->out, 1) == 0) {
        nested->reaping = true;
        nested->outside = false;
        trap_begin(&nested->trap);
        begin_watch(nested, changed);
        kith__reap_all(&nested->reaper.self);
    }
    trap_end(&nested->trap);
    nested->reaping = false;
}

void
nested_try(struct nested *nested, uint64_t step, uint64_t expected, unsigned stride,
           const struct pages *changed)
{
    const struct stage *stage = nested->stage;

    running = nested;
    nested->step = step;
    nested->expected = expected;
    nested->stride = stride;
    nested->trap = (struct trap){ .base = nested->reaper.arena.base,
                                  .size = nested->reaper.arena.size,
                                  .stored = stored,
                                  .touched = touched,
                                  .settled = settled,
                                  .called = called };
    image_copy(&nested->reaper, stage->arena);
    image_act_as(&nested->reaper, stage->reaper, stage->reaper_holder);
    image_kill(&nested->reaper, stage->victim);
    living(&nested->reaper, nested, true, true);
    fingerprint_free(&nested->print);
    fingerprint_take(&nested->print, &nested->reaper.arena);
    nested->last = nested->print.whole;
    reap(nested, changed);
    watch_end(&nested->watch);
    keep_before(nested, changed);
    if (nested->third) {
        finish_third();
        fflush(stdout);
        _exit((int)(nested->totals->violations > 100 ? 100 : nested->totals->violations));
    }
}

void
nested_end(struct nested *nested)
{
    image_unmap(&nested->reaper);
    image_unmap(&nested->after);
    if (nested->before != NULL)
        munmap(nested->before, nested->stage->arena->size);
    close(nested->fd);
    fingerprint_free(&nested->print);
    hashes_free(&nested->states);
    hashes_free(&nested->codes);
}
