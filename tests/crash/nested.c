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
 * A victim that copies a large item leaves thousands of images that differ in bytes that nobody
 * looks at before they are linked.  So the pages that have just changed are shut to all, the reaper
 * and the survivors, and opened when they are looked into.  If they never were, in a run that left
 * nothing out, then a run on an image that differs from this one in these pages alone is this run
 * once more, and is left out.  It holds for pages of extents: the kernel looks into none of them,
 * and only it would not be noticed.
 */
#include "nested.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"
#include "shm/extent.h"

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
        nested->reaping = false;
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

/* ---- Pages that nobody looks into ------------------------------------------------------------ */

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

bool
nested_is_same(const struct nested *nested, const struct pages *changed)
{
    if (changed->all)
        return false;
    for (unsigned i = 0; i < changed->count; i++) {
        unsigned k = 0;

        while (k < nested->unread.count && nested->unread.at[k] != changed->at[i])
            k++;
        if (k == nested->unread.count)
            return false;
    }
    return true;
}

static bool
in_extent(struct kith__arena *arena, uint64_t off)
{
    uint64_t index = kith__granule_of(arena, off);

    return off >= arena->heap_off && index < arena->granules_max &&
           KITH__GRANULE_KIND(kith__load(&kith__granule_at(arena, index)->word)) !=
               KITH__GRANULE_SPAN;
}

static void
protect_pages(const struct nested *nested, const struct image *image, int protection)
{
    for (unsigned i = 0; i < nested->unread.count; i++)
        if (mprotect(image->arena.base + nested->unread.at[i], KITH__PAGE, protection) != 0)
            stage_die("mprotect");
}

/* One who looks into a page that is shut. */
static bool
touched(void *address)
{
    struct nested *nested = running;
    struct pages *unread = &nested->unread;
    uint64_t in_after =
        (uint64_t)((uint8_t *)address - nested->after.arena.base) & ~(KITH__PAGE - 1);
    uint64_t in_reaper =
        (uint64_t)((uint8_t *)address - nested->reaper.arena.base) & ~(KITH__PAGE - 1);

    for (unsigned i = 0; i < unread->count; i++) {
        uint64_t off = unread->at[i];

        if (off != in_after && off != in_reaper)
            continue;
        mprotect(nested->after.arena.base + off, KITH__PAGE, PROT_READ | PROT_WRITE);
        mprotect(nested->reaper.arena.base + off, KITH__PAGE, PROT_READ);
        unread->at[i] = unread->at[--unread->count];
        return true; /* a store by the reaper faults once more, and is heard of */
    }
    return false;
}

/* ---- The reaper ------------------------------------------------------------------------------ */

static void
die_here(struct nested *nested, uint64_t *seen)
{
    struct outcomes outcomes = { .count = 0 };
    uint64_t saw;

    image_renew(&nested->after);
    image_act_as(&nested->after, nested->stage->self_id, nested->stage->arena->holder);
    image_kill(&nested->after, nested->stage->reaper);
    living(&nested->after, nested, false, false);
    nested->reaping = false;
    saw = survive(nested->scenario, nested->stage, &nested->after, nested->step, &outcomes,
                  nested->totals);
    nested->reaping = true;
    for (unsigned i = 0; i < outcomes.count; i++)
        free(outcomes.text[i]);
    nested->totals->states++;
    *seen = saw;
}

/* Runs after each store of the reaper's, in the handler of its trap. */
static void
stored(struct trap *trap, void *context)
{
    struct nested *nested = running;
    uint64_t *seen = NULL, code;
    bool is_new;

    for (unsigned i = 0; i < trap->page_count; i++)
        fingerprint_page(&nested->print, &nested->reaper.arena, trap->page[i]);
    nested->totals->nested++;
    if (nested->print.whole == nested->last)
        return;
    nested->last = nested->print.whole;
    is_new = hashes_add(&nested->states, nested->last, 0, &seen);
    if (is_new)
        die_here(nested, seen);
    else
        nested->whole = false;
    if (*seen != 0 && nested->expected != 0 && *seen != nested->expected) {
        complain(nested->scenario, nested->step, "the death of its reaper makes a difference",
                 nested->totals);
        nested->expected = 0; /* said once */
    }
    code = trap_state(context, nested->stack) +
           hash_bytes(&nested->reaper.self, sizeof nested->reaper.self);
    if (!hashes_add(&nested->codes, nested->last + code, 0, NULL)) {
        nested->whole = false;
        siglongjmp(nested->out, 1);
    }
    if (is_new && nested->stride != 0 && nested->fresh++ % nested->stride == 0)
        third_party(nested, context);
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
}

/* In place of the C library's: see the top of the file. */
int
madvise(void *address, size_t size, int advice)
{
    if (running != NULL && advice == MADV_REMOVE && running->reaping)
        complain(running->scenario, running->step,
                 "a reaper gives pages back, which its image does not show", running->totals);
    return (int)syscall(SYS_madvise, address, size, advice);
}

static void __attribute__((noinline)) reap(struct nested *nested)
{
    char here;

    nested->stack = &here;
    if (sigsetjmp(nested->out, 1) == 0) {
        nested->reaping = true;
        trap_begin(&nested->trap);
        protect_pages(nested, &nested->reaper, PROT_NONE);
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
                                  .touched = touched };
    image_copy(&nested->reaper, stage->arena);
    image_act_as(&nested->reaper, stage->reaper, stage->reaper_holder);
    image_kill(&nested->reaper, stage->victim);
    living(&nested->reaper, nested, true, true);
    fingerprint_free(&nested->print);
    fingerprint_take(&nested->print, &nested->reaper.arena);
    nested->last = nested->print.whole;
    nested->unread = (struct pages){ .count = 0 };
    for (unsigned i = 0; i < changed->count; i++)
        if (in_extent(stage->arena, changed->at[i]))
            pages_add(&nested->unread, changed->at[i]);
    nested->whole = !changed->all;
    protect_pages(nested, &nested->after, PROT_NONE);
    reap(nested);
    protect_pages(nested, &nested->after, PROT_READ | PROT_WRITE);
    if (!nested->whole)
        nested->unread.count = 0;
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
    close(nested->fd);
    fingerprint_free(&nested->print);
    hashes_free(&nested->states);
    hashes_free(&nested->codes);
}
