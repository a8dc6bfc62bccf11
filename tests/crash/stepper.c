/*
 * stepper.c - see stepper.h.
 *
 * Deaths are tried in images, because the state of a process that can be killed is what stands in
 * the arena: two instructions that leave the same bytes leave the same work to the survivors.
 * So each instruction is a kill point, and each different image is tried once.  What an image
 * can't show, that the kernel's signals of a death arrive, is tried by real kills.
 */
#include "stepper.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "image.h"
#include "nested.h"
#include "trap.h"

#define STEPS_MAX 4000000u
#define LOGGED_MAX 64u

/* ---- One death ------------------------------------------------------------------------------ */

void
complain(const struct scenario *scenario, uint64_t step, const char *what, struct totals *totals)
{
    if (totals->violations < 20)
        printf("# %s, killed at step %llu: %s\n", scenario->name, (unsigned long long)step, what);
    totals->violations++;
}

void
print_line(const struct scenario *scenario, const struct totals *totals)
{
    printf("# %-34s %8llu %8llu %8llu %8llu %8llu %6llu\n", scenario->name,
           (unsigned long long)totals->steps, (unsigned long long)totals->states,
           (unsigned long long)totals->deaths, (unsigned long long)totals->nested,
           (unsigned long long)totals->thirds, (unsigned long long)totals->violations);
    fflush(stdout);
}

static void
note_outcome(const struct scenario *scenario, struct outcomes *outcomes, const char *text,
             uint64_t step, struct totals *totals)
{
    for (unsigned i = 0; i < outcomes->count; i++)
        if (strcmp(outcomes->text[i], text) == 0) {
            outcomes->last[i] = step;
            return;
        }
    if (outcomes->count == OUTCOMES_MAX) {
        complain(scenario, step, "one more outcome", totals);
        return;
    }
    outcomes->text[outcomes->count] = strdup(text);
    outcomes->first[outcomes->count] = outcomes->last[outcomes->count] = step;
    outcomes->count++;
}

static int
show_sentence(const char *sentence, void *arg)
{
    snprintf(arg, 256, "%s", sentence);
    return 1;
}

uint64_t
survive(const struct scenario *scenario, const struct stage *stage, struct image *image,
        uint64_t step, struct outcomes *outcomes, struct totals *totals)
{
    struct stage in_image = image_stage(image, stage);
    struct kith__self *self = &image->self;
    struct kith_report report;
    static char text[OUTCOME_SIZE];
    char sentence[256] = "";

    totals->deaths++;
    kith__reap_all(self);
    if (kith__verify(self, show_sentence, sentence, &report) < 0) {
        complain(scenario, step, sentence[0] ? sentence : kith_last_error(), totals);
        return 0;
    }
    text[0] = '\0';
    scenario->observe(&in_image, self, text, sizeof text);
    note_outcome(scenario, outcomes, text, step, totals);
    /* The survivor worked on what it found; that must have left it whole, too. */
    if (kith__verify(self, show_sentence, sentence, &report) < 0) {
        complain(scenario, step, sentence[0] ? sentence : kith_last_error(), totals);
        return 0;
    }
    return hash_bytes(text, strlen(text));
}

/* ---- The victim ------------------------------------------------------------------------------ */

/* In memory shared with the victim. */
struct board {
    struct trap trap;
    uint64_t page[LOGGED_MAX]; /* stored into since it was stopped last */
    unsigned page_count;
    bool whole;
    uint64_t stores, look_at; /* it stops at that store; 0: at none */
    uint64_t stop_at;         /* it stops after that instruction; 0: after none */
    volatile bool ended;
};
static struct board *board;
static uint64_t steps_of_last; /* how many instructions the last scenario took */

static void
log_page(uint64_t off)
{
    for (unsigned i = 0; i < board->page_count; i++)
        if (board->page[i] == off)
            return;
    if (board->page_count == LOGGED_MAX)
        board->whole = true;
    else
        board->page[board->page_count++] = off;
}

static void
victim_stored(struct trap *trap, void *context)
{
    (void)context;
    for (unsigned i = 0; i < trap->page_count; i++)
        log_page(trap->page[i]);
    board->whole = board->whole || trap->whole;
    board->stores++;
    if (board->look_at != 0 && board->stores >= board->look_at)
        raise(SIGSTOP);
}

static void
victim_stepped(struct trap *trap)
{
    if (trap->steps == board->stop_at || trap->steps >= STEPS_MAX)
        raise(SIGSTOP);
}

static pid_t
start_victim(const struct scenario *scenario, struct stage *stage, bool looking)
{
    pid_t pid;
    int status;

    if (board == NULL)
        board =
            mmap(NULL, sizeof *board, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    memset(board, 0, sizeof *board);
    board->trap = (struct trap){ .base = stage->arena->base,
                                 .size = stage->arena->size,
                                 .every = true,
                                 .stored = looking ? victim_stored : NULL,
                                 .stepped = victim_stepped };
    board->look_at = looking;
    fflush(stdout);
    pid = fork();
    if (pid < 0)
        stage_die("fork");
    if (pid == 0) {
        struct kith__self *self = scenario->unregistered ? NULL : kith__self_of(stage->arena);

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (!scenario->unregistered && self == NULL)
            _exit(3);
        if (scenario->prepare != NULL)
            scenario->prepare(stage, self);
        raise(SIGSTOP); /* stepping begins */
        trap_begin(&board->trap);
        scenario->act(stage, self);
        trap_end(&board->trap);
        board->ended = true;
        raise(SIGSTOP);
        _exit(0);
    }
    if (waitpid(pid, &status, WUNTRACED) != pid || !WIFSTOPPED(status))
        stage_die("the victim did not get ready");
    /* The one actor that is neither ours nor the reaper's. */
    stage->victim = 0;
    for (unsigned id = 1; id <= kith__load(&KITH__HEADER(stage->arena)->actors_top); id++) {
        uint64_t state = kith__load(&kith__actor_at(stage->arena, id)->state);

        if (KITH__SLOT_KIND(state) == KITH__SLOT_LIVE && id != stage->self_id &&
            id != stage->reaper)
            stage->victim = id;
    }
    return pid;
}

enum stepped { STOPPED, ENDED, ASLEEP };

/*
 * Whether the victim sleeps in a futex call: on a busy machine any other, or no call at all, may
 * take as long, and is waited for.
 */
static bool
sleeps(pid_t pid)
{
    char path[64];
    long number = -1;
    FILE *file;

    if (!board->trap.in_call)
        return false;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fscanf(file, "%ld", &number) != 1)
        number = -1; /* "running" */
    fclose(file);
    return number == SYS_futex || number == 449; /* futex_waitv */
}

/* Lets the victim go on (unless it was asleep) to where it stops next. */
static enum stepped
go_on(pid_t pid, bool was_asleep, bool has_partner)
{
    struct timespec pause = { 0, 2000000 };
    unsigned asleep = 0, enough = has_partner ? 5 : 500;
    sigset_t child;
    int status;

    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    if (!was_asleep)
        kill(pid, SIGCONT);
    for (;;) {
        if (waitpid(pid, &status, WUNTRACED | WNOHANG) == pid)
            break;
        if (sigtimedwait(&child, NULL, &pause) == SIGCHLD)
            continue;
        asleep = sleeps(pid) ? asleep + 1 : 0;
        if (asleep >= enough)
            return ASLEEP;
    }
    return WIFSTOPPED(status) && !board->ended ? STOPPED : ENDED;
}

static void
end_victim(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* ---- Each of its steps ----------------------------------------------------------------------- */

struct run {
    const struct scenario *scenario;
    struct stage stage;
    struct image image;
    struct fingerprint print;
    struct hashes seen;
    struct outcomes outcomes;
    struct totals mine;
    struct nested nested;
    pid_t pid;            /* the victim's */
    struct pages changed; /* since its reaper was looked at last */
    bool is_long;
    uint64_t looks; /* different images of the victim's death */
};

/* Brings the fingerprint up to date; whether the arena was never like this before. */
static bool
is_new(struct run *run)
{
    run->changed.all = run->changed.all || board->whole;
    for (unsigned i = 0; i < board->page_count; i++)
        pages_add(&run->changed, board->page[i]);
    if (board->whole)
        fingerprint_take(&run->print, run->stage.arena);
    else
        for (unsigned i = 0; i < board->page_count; i++)
            fingerprint_page(&run->print, run->stage.arena, board->page[i]);
    board->page_count = 0;
    board->whole = false;
    return hashes_add(&run->seen, run->print.whole, 0, NULL);
}

/*
 * At which of the victim's deaths the reaper is looked at, too: with --long at each, else at the
 * first few and at a sample.
 */
static bool
nested_wanted(const struct run *run)
{
    bool slow = run->scenario->slow;

    return run->is_long || run->looks % (slow ? 256 : 16) == 5 || (!slow && run->looks < 5);
}

/* With --long, at every how manyth state of the reaper's another works: a sample. */
static unsigned
third_stride(const struct run *run)
{
    if (!run->is_long)
        return 8;
    return run->scenario->slow ? 64 : 16;
}

/*
 * The slot that a victim without one has taken so far: the kernel flags the token at its death from
 * the moment that the thread's number stands in it.
 */
static unsigned
slot_taken_by(const struct kith__arena *arena, pid_t pid)
{
    struct kith__arena *mutable = (struct kith__arena *)(uintptr_t)arena;

    for (unsigned id = 1; id <= kith__load(&KITH__HEADER(arena)->actors_top); id++)
        if ((atomic_load(kith__token_of(kith__actor_at(mutable, id))) & FUTEX_TID_MASK) ==
            (uint32_t)pid)
            return id;
    return 0;
}

static void
try_death(struct run *run, uint64_t step)
{
    const struct scenario *scenario = run->scenario;
    unsigned alive[LIVING_MAX] = { run->stage.reaper_holder };
    uint64_t saw;

    if (scenario->unregistered)
        run->stage.victim = slot_taken_by(run->stage.arena, run->pid);
    image_renew(&run->image);
    image_act_as(&run->image, run->stage.self_id, run->stage.arena->holder);
    if (scenario->peek != NULL) {
        struct stage in_image = image_stage(&run->image, &run->stage);
        const char *wrong = scenario->peek(&in_image, &run->image.self);

        if (wrong != NULL && wrong[0] != '\0')
            complain(scenario, step, wrong, &run->mine);
    }
    if (scenario->thread_only && run->stage.victim != 0)
        alive[1] = kith__actor_at(run->stage.arena, run->stage.victim)->holder;
    image_kill(&run->image, run->stage.victim);
    image_living(&run->image, alive);
    saw = survive(scenario, &run->stage, &run->image, step, &run->outcomes, &run->mine);
    if (nested_wanted(run) && nested_is_same(&run->nested, &run->changed)) {
        run->mine.same++;
    } else if (nested_wanted(run)) {
        nested_try(&run->nested, step, saw, third_stride(run), &run->changed);
        run->changed = (struct pages){ .count = 0 };
    }
    run->looks++;
    run->mine.states++;
}

/* At which store to look next: at each, or by default, in long operations, at a sample. */
static uint64_t
next_look(const struct run *run)
{
    bool all = run->is_long || !run->scenario->slow || board->stores < 200;

    return board->stores + (all ? 1 : 64);
}

/* Everything that was seen must be what the first death left or what the last one did. */
static void
judge(const struct scenario *scenario, struct outcomes *outcomes, uint64_t steps,
      struct totals *totals)
{
    unsigned allowed = scenario->same_outcome ? 1 : 2;

    if (outcomes->count > allowed) {
        complain(scenario, outcomes->first[1], "neither before nor after:", totals);
        for (unsigned i = 0; i < outcomes->count; i++)
            printf("#   steps %llu to %llu: %.300s\n", (unsigned long long)outcomes->first[i],
                   (unsigned long long)outcomes->last[i], outcomes->text[i]);
    } else if (outcomes->count == 2 && outcomes->last[0] > outcomes->first[1]) {
        complain(scenario, outcomes->first[1], "after, and then before again", totals);
    } else if (!scenario->same_outcome && outcomes->count < 2) {
        complain(scenario, steps, "the operation did nothing", totals);
    }
    for (unsigned i = 0; i < outcomes->count; i++)
        free(outcomes->text[i]);
}

void
step_through(const struct scenario *scenario, bool is_long, struct totals *totals)
{
    static struct run run;
    enum stepped how = STOPPED;
    bool partner_acted = false;
    pid_t pid;

    memset(&run, 0, sizeof run);
    run.scenario = scenario;
    run.is_long = is_long;
    stage_open(&run.stage, getenv("STEPPER_FOLDER"));
    stage_hire_reaper(&run.stage);
    scenario->set_up(&run.stage, stage_self(&run.stage));
    run.pid = pid = start_victim(scenario, &run.stage, true);
    image_map(&run.image, &run.stage, kith__arena_fd(run.stage.arena), true);
    nested_begin(&run.nested, scenario, &run.stage, &run.mine);
    board->whole = true;
    while (how != ENDED && board->trap.steps < STEPS_MAX) {
        if (is_new(&run))
            try_death(&run, board->trap.steps);
        board->look_at = next_look(&run);
        how = go_on(pid, how == ASLEEP, scenario->partner != NULL && !partner_acted);
        if (how == ASLEEP) {
            if (scenario->partner == NULL || partner_acted) {
                complain(scenario, board->trap.steps, "it sleeps, and nobody will wake it",
                         &run.mine);
                break;
            }
            scenario->partner(&run.stage, stage_self(&run.stage));
            partner_acted = true;
            board->whole = true;
        }
    }
    if (how != ENDED)
        complain(scenario, board->trap.steps, "it does not end", &run.mine);
    else if (!board->ended)
        complain(scenario, board->trap.steps, "it crashed", &run.mine);
    steps_of_last = run.mine.steps = board->trap.steps;
    board->whole = true;
    if (is_new(&run))
        try_death(&run, run.mine.steps);
    judge(scenario, &run.outcomes, run.mine.steps, &run.mine);
    end_victim(pid);
    kith__reap_all(stage_self(&run.stage));
    nested_end(&run.nested);
    image_unmap(&run.image);
    fingerprint_free(&run.print);
    hashes_free(&run.seen);
    stage_close(&run.stage);
    print_line(scenario, &run.mine);
    totals->steps += run.mine.steps;
    totals->deaths += run.mine.deaths;
    totals->states += run.mine.states;
    totals->nested += run.mine.nested;
    totals->thirds += run.mine.thirds;
    totals->same += run.mine.same;
    totals->violations += run.mine.violations;
}

/* ---- Real deaths ----------------------------------------------------------------------------- */

#define SAMPLED_STEPS 250000u

/*
 * Each how manyth instruction is one of about `samples`: each costs the steps up to it, so of a
 * long operation there are fewer, though never less than eight.
 */
static uint64_t
distance(unsigned samples)
{
    uint64_t affordable = 2 * SAMPLED_STEPS / (steps_of_last + 1);

    if (affordable < 8)
        affordable = 8;
    if (samples > affordable)
        samples = (unsigned)affordable;
    return steps_of_last / samples + 1;
}

/* Lets a fresh victim take its first `n` steps. */
static void
step_to(pid_t pid, uint64_t n)
{
    board->stop_at = n;
    if (n > 0)
        go_on(pid, false, false);
}

void
kill_for_real(const struct scenario *scenario, unsigned samples, struct totals *totals)
{
    uint64_t steps, sample;

    if (scenario->thread_only || scenario->partner != NULL || (scenario->slow && samples < 10))
        return;
    steps = steps_of_last;
    sample = distance(samples);
    for (uint64_t at = sample / 2; at < steps; at += sample) {
        struct stage stage;
        struct kith_report report;
        char sentence[256] = "";
        static char text[OUTCOME_SIZE];
        pid_t pid;

        stage_open(&stage, getenv("STEPPER_FOLDER"));
        scenario->set_up(&stage, stage_self(&stage));
        pid = start_victim(scenario, &stage, false);
        step_to(pid, at);
        end_victim(pid);
        kith__reap_all(stage_self(&stage));
        if (kith__verify(stage_self(&stage), show_sentence, sentence, &report) < 0)
            complain(scenario, at, sentence[0] ? sentence : kith_last_error(), totals);
        scenario->observe(&stage, stage_self(&stage), text, sizeof text);
        if (kith__verify(stage_self(&stage), show_sentence, sentence, &report) < 0)
            complain(scenario, at, sentence[0] ? sentence : kith_last_error(), totals);
        totals->kills++;
        stage_close(&stage);
    }
}

/*
 * The victim is stopped at a step, alive.  The survivor works: it gets its way or is told that a
 * stopped process is in it.  The victim is killed: the survivor gets its way.
 */
void
three_parties(const struct scenario *scenario, unsigned samples, struct totals *totals)
{
    uint64_t steps, sample;

    if (scenario->thread_only || scenario->partner != NULL || scenario->unregistered ||
        (scenario->slow && samples < 10))
        return;
    steps = steps_of_last;
    sample = distance(samples);
    for (uint64_t at = sample / 3; at < steps; at += sample) {
        struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
        struct kith_report report;
        struct kith__self *self;
        struct kith__key key;
        struct stage stage;
        struct kith_item item = KITH_INT(7);
        kith_err while_stopped[2], after[2];
        pid_t pid;

        stage_open(&stage, getenv("STEPPER_FOLDER"));
        self = stage_self(&stage);
        stage.arena->timeout_ns = 20000000;
        scenario->set_up(&stage, self);
        pid = start_victim(scenario, &stage, false);
        step_to(pid, at);
        kith__key_make(stage.arena->hash_key, kith_str("k"), &key);
        while_stopped[0] = kith__dict_number(self, &stage.a, &key, &one, NULL);
        while_stopped[1] = kith__queue_put(self, &stage.letters, &item, 1, 0);
        for (unsigned i = 0; i < 2; i++)
            if (while_stopped[i] != KITH_OK && while_stopped[i] != KITH_EUNAVAILABLE &&
                while_stopped[i] != KITH_ETYPE && while_stopped[i] != KITH_EGONE)
                complain(scenario, at, kith_last_error(), totals);
        end_victim(pid);
        stage.arena->timeout_ns = INT64_C(10000000000);
        after[0] = kith__dict_number(self, &stage.a, &key, &one, NULL);
        after[1] = kith__queue_put(self, &stage.letters, &item, 1, 0);
        for (unsigned i = 0; i < 2; i++)
            if (after[i] != KITH_OK && after[i] != KITH_ETYPE && after[i] != KITH_EGONE)
                complain(scenario, at, kith_last_error(), totals);
        kith__reap_all(self);
        if (kith__verify(self, NULL, NULL, &report) < 0)
            complain(scenario, at, report.first, totals);
        totals->kills++;
        stage_close(&stage);
    }
}
