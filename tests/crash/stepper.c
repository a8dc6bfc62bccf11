/*
 * stepper.c - see stepper.h.
 *
 * Deaths are tried in copies, because the state of a process that can be killed is what stands in
 * the arena: two instructions that leave the same bytes leave the same work to the survivors.
 * So each instruction is a kill point, and each different image is tried once.  What a copy
 * can't show, that the kernel's signals of a death arrive, is tried by real kills.
 */
#include "stepper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"

#define STEPS_MAX 400000u
#define OUTCOMES_MAX 8

static void
die(const char *what)
{
    fprintf(stderr, "stepper: %s: %s (%s)\n", what, strerror(errno), kith_last_error());
    exit(2);
}

/* ---- The stage --------------------------------------------------------------------------- */

static char stage_path[4096];

void
stage_open(struct stage *stage, const char *folder)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct kith__object object;
    struct kith__queue_making plain = { 0 }, failing = { .attempts_max = 2 };
    struct kith__self *self;

    memset(stage, 0, sizeof *stage);
    snprintf(stage_path, sizeof stage_path, "%s/stage.%d", folder, (int)getpid());
    unlink(stage_path);
    options.size = UINT64_C(64) << 20;
    options.timeout_ns = 200000000;
    if (kith__arena_open(KITH__WHERE_FILE, stage_path, &options, &stage->arena) < 0)
        die("open");
    kith__reap_install(stage->arena);
    self = stage_self(stage);
#define MAKE(kind, name, init, arg)                                                                \
    if (kith__catalog_open(self, name, kind, KITH_MUST_CREATE, init, arg, &object) < 0)            \
    die(name)
    MAKE(KITH_KIND_DICT, "a", init_dict, NULL);
    stage->a = (struct kith__dict){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_DICT, "b", init_dict, NULL);
    stage->b = (struct kith__dict){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_QUEUE, "letters", kith__queue_init, &plain);
    stage->letters = (struct kith__queue){ stage->arena, object.off, object.id };
    failing.dead_letter = object.off;
    failing.dead_letter_id = object.id;
    MAKE(KITH_KIND_QUEUE, "q", kith__queue_init, &failing);
    stage->q = (struct kith__queue){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_LOCK, "lock", kith__sync_init, NULL);
    stage->lock = (struct kith__sync){ stage->arena, object.off, object.id };
    MAKE(KITH_KIND_EVENT, "event", kith__sync_init, NULL);
    stage->event = (struct kith__sync){ stage->arena, object.off, object.id };
    stage->big = malloc(100000);
    memset(stage->big, 'x', 100000);
}

void
stage_close(struct stage *stage)
{
    kith__arena_close(stage->arena);
    unlink(stage_path);
    free(stage->big);
}

struct kith__self *
stage_self(struct stage *stage)
{
    struct kith__self *self = kith__self_of(stage->arena);

    if (self == NULL)
        die("register");
    return self;
}

void
stage_make(struct stage *stage, unsigned index, const char *name, enum kith_kind kind,
           kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id, void *arg), void *arg)
{
    if (kith__catalog_open(stage_self(stage), name, kind, KITH_MUST_CREATE, init, arg,
                           &stage->object[index]) < 0)
        die(name);
}

/* ---- Images ------------------------------------------------------------------------------- */

/* A copy of the used parts of an arena, at another address, with an arena struct of its own. */
struct image {
    struct kith__arena arena;
    struct kith__self self;
    bool made;
};

struct range {
    uint64_t off, size;
};

static unsigned
used_ranges(const struct kith__arena *arena, struct range *ranges)
{
    struct kith__header *h = KITH__HEADER(arena);
    unsigned n = 0;

    ranges[n++] = (struct range){ 0, sizeof *h };
    ranges[n++] =
        (struct range){ KITH__HOLDERS_OFF, kith__load(&h->holders_top) * KITH__HOLDER_SIZE };
    for (unsigned id = 1; id <= kith__load(&h->actors_top) && n < 40; id++)
        ranges[n++] = (struct range){ kith__off(arena, kith__actor_at(arena, id)), 2 * KITH__PAGE };
    ranges[n++] = (struct range){ arena->granules_off,
                                  kith__load(&h->granules_top) * sizeof(struct kith__granule) };
    ranges[n++] = (struct range){ arena->heap_off, kith__load(&h->granules_top) * KITH__GRANULE };
    return n;
}

/* A file with no locked bytes: in a copy whose descriptor this is, other processes are dead. */
static int
file_without_locks(struct stat *st)
{
    static int fd = -1;

    if (fd < 0)
        fd = memfd_create("no locks", MFD_CLOEXEC);
    if (fd < 0 || fstat(fd, st) != 0)
        die("memfd");
    return fd;
}

static void
image_take(struct image *image, struct stage *stage)
{
    struct kith__arena *from = stage->arena;
    struct range ranges[48];
    unsigned n = used_ranges(from, ranges);

    if (!image->made) {
        image->arena = *from;
        image->arena.base = mmap(NULL, from->size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (image->arena.base == MAP_FAILED)
            die("mmap");
        image->arena.path = NULL;
        image->arena.temporary = false;
        pthread_mutex_init(&image->arena.mutex, NULL);
        image->made = true;
    }
    for (unsigned i = 0; i < n; i++)
        memcpy(image->arena.base + ranges[i].off, from->base + ranges[i].off, ranges[i].size);
    image->self = *stage_self(stage);
    image->self.arena = &image->arena;
    image->self.actor = kith__actor_at(&image->arena, image->self.id);
    image->self.magazines = kith__magazines_of(image->self.actor);
}

static void
image_drop(struct image *image)
{
    if (image->made)
        munmap(image->arena.base, image->arena.size);
    image->made = false;
}

/* The victim, and with its process everything it has, is dead in the image. */
static void
image_kill(struct image *image, const struct scenario *scenario, unsigned victim)
{
    struct stat st;

    if (victim != 0)
        atomic_fetch_or(kith__token_of(kith__actor_at(&image->arena, victim)), FUTEX_OWNER_DIED);
    if (!scenario->thread_only) {
        image->arena.fd = file_without_locks(&st);
        image->arena.device = st.st_dev;
        image->arena.inode = st.st_ino;
    }
}

static struct stage
stage_of_image(const struct stage *stage, struct image *image)
{
    struct stage other = *stage;

    other.arena = &image->arena;
    other.a.arena = other.b.arena = &image->arena;
    other.q.arena = other.letters.arena = &image->arena;
    other.lock.arena = other.event.arena = &image->arena;
    return other;
}

/* ---- Seeing --------------------------------------------------------------------------------- */

static void
print_item(struct kith_item item, char **at, char *end)
{
    switch (item.type) {
    case KITH_TYPE_INT:
        *at += snprintf(*at, (size_t)(end - *at), "%lld", (long long)item.integer);
        break;
    case KITH_TYPE_STR:
    case KITH_TYPE_BYTES:
        if (item.size > 24)
            *at += snprintf(
                *at, (size_t)(end - *at), "<%zu bytes, hash %llx>", item.size,
                (unsigned long long)kith__hash((const uint64_t[2]){ 1, 2 }, item.data, item.size));
        else
            *at +=
                snprintf(*at, (size_t)(end - *at), "%.*s", (int)item.size, (const char *)item.data);
        break;
    default:
        *at += snprintf(*at, (size_t)(end - *at), "type %d", (int)item.type);
    }
    if (*at > end)
        *at = end;
}

void
print_dict(struct kith__self *self, const struct kith__dict *dict, char **at, char *end)
{
    char tag[KITH_TAG_SIZE_MAX + 1];
    struct kith__copy copy;
    kith_err err = kith__dict_copy(self, dict, true, &copy);
    uint64_t len = 0;

    if (err < 0) {
        *at += snprintf(*at, (size_t)(end - *at), "{error %d}", (int)err);
        return;
    }
    kith__dict_len(self, dict, &len);
    *at += snprintf(*at, (size_t)(end - *at), "%llu{", (unsigned long long)len);
    for (uint64_t i = 0; i < copy.count && end - *at > 64; i++) {
        print_item(kith__copy_key(&copy, i), at, end);
        *at += snprintf(*at, (size_t)(end - *at), ":");
        print_item(kith__copy_item(self->arena, &copy, i, tag), at, end);
        *at += snprintf(*at, (size_t)(end - *at), " ");
    }
    *at += snprintf(*at, (size_t)(end - *at), "}");
    kith__copy_free(&copy);
}

/* Takes everything out on the way. */
void
print_queue(struct kith__self *self, const struct kith__queue *queue, char **at, char *end)
{
    struct kith_buf buf = KITH_BUF_INIT;
    struct kith__queue_counts counts = { 0 };
    size_t got;

    kith__queue_settled(self, queue, &counts);
    *at += snprintf(*at, (size_t)(end - *at), "%llu+%llu+%llu[", (unsigned long long)counts.ready,
                    (unsigned long long)counts.lent, (unsigned long long)counts.delayed);
    while (end - *at > 64 && kith__queue_get(self, queue, 1, 0, &buf, &got) == KITH_OK) {
        print_item(buf.item, at, end);
        *at += snprintf(*at, (size_t)(end - *at), " ");
    }
    *at += snprintf(*at, (size_t)(end - *at), "]");
    kith_buf_free(&buf);
}

/* ---- One death ------------------------------------------------------------------------------ */

struct outcomes {
    char *text[OUTCOMES_MAX];
    uint64_t first[OUTCOMES_MAX], last[OUTCOMES_MAX];
    unsigned count;
};

static void
complain(const struct scenario *scenario, uint64_t step, const char *what, struct totals *totals)
{
    if (totals->violations < 20)
        printf("# %s, killed at step %llu: %s\n", scenario->name, (unsigned long long)step, what);
    totals->violations++;
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

/* Cleans up in the image, checks it, and looks. */
static void
survive(const struct scenario *scenario, struct stage *stage, struct image *image, uint64_t step,
        struct outcomes *outcomes, struct totals *totals)
{
    struct stage in_image = stage_of_image(stage, image);
    struct kith__self *self = &image->self;
    struct kith_report report;
    static char text[OUTCOME_SIZE];
    char sentence[256] = "";

    kith__reap_all(self);
    if (kith__verify(self, show_sentence, sentence, &report) < 0) {
        complain(scenario, step, sentence[0] ? sentence : kith_last_error(), totals);
        return;
    }
    text[0] = '\0';
    scenario->observe(&in_image, self, text, sizeof text);
    note_outcome(scenario, outcomes, text, step, totals);
    /* The survivor worked on what it found; that must have left it whole, too. */
    if (kith__verify(self, show_sentence, sentence, &report) < 0)
        complain(scenario, step, sentence[0] ? sentence : kith_last_error(), totals);
    totals->deaths++;
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

/* ---- The victim ------------------------------------------------------------------------------ */

static pid_t
start_victim(const struct scenario *scenario, struct stage *stage)
{
    pid_t pid;
    int status;

    fflush(stdout);
    pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        struct kith__self *self = scenario->unregistered ? NULL : kith__self_of(stage->arena);

        ptrace(PTRACE_TRACEME, 0, NULL, NULL);
        if (!scenario->unregistered && self == NULL)
            _exit(3);
        if (scenario->prepare != NULL)
            scenario->prepare(stage, self);
        raise(SIGSTOP); /* stepping begins */
        scenario->act(stage, self);
        raise(SIGSTOP); /* and ends */
        _exit(0);
    }
    if (waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP)
        die("the victim did not get ready");
    /* The one actor that is neither ours nor dead. */
    stage->victim = 0;
    for (unsigned id = 1; id <= kith__load(&KITH__HEADER(stage->arena)->actors_top); id++) {
        uint64_t state = kith__load(&kith__actor_at(stage->arena, id)->state);

        if (KITH__SLOT_KIND(state) == KITH__SLOT_LIVE && id != stage_self(stage)->id &&
            id != stage->corpse)
            stage->victim = id;
    }
    return pid;
}

enum stepped { STEPPED, ENDED, ASLEEP };

/*
 * Whether it sleeps in a futex call: on a busy machine any other, or no call at all, may take as
 * long, and is waited for.
 */
static bool
in_futex(pid_t pid)
{
    char path[64];
    long number = -1;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/syscall", (int)pid);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fscanf(file, "%ld", &number) != 1)
        number = -1; /* "running" */
    fclose(file);
    return number == SYS_futex || number == 449; /* futex_waitv */
}

/* One instruction; a system call is one, with all the time it sleeps. */
static enum stepped
step(pid_t pid, bool resume)
{
    int status;

    if (!resume && ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) != 0)
        die("singlestep");
    for (unsigned i = 0;; i++) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid)
            break;
        if (i > 2000) {
            struct timespec pause = { 0, 1000000 };
            nanosleep(&pause, NULL);
        }
        if (i > 2050 && in_futex(pid))
            return ASLEEP;
    }
    if (WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP)
        return STEPPED;
    return ENDED; /* the second SIGSTOP, or a death of its own */
}

static void
end_victim(pid_t pid)
{
    int status;

    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
}

/* Whether the arena's bytes changed since `last` was taken; takes it anew if so. */
static bool
changed(struct image *last, struct stage *stage)
{
    struct range ranges[48];
    unsigned n = used_ranges(stage->arena, ranges);

    if (last->made) {
        bool same = true;

        for (unsigned i = 0; i < n && same; i++)
            same = memcmp(last->arena.base + ranges[i].off, stage->arena->base + ranges[i].off,
                          ranges[i].size) == 0;
        if (same)
            return false;
    }
    image_take(last, stage);
    return true;
}

void
step_through(const struct scenario *scenario, bool is_long, struct totals *totals)
{
    struct outcomes outcomes = { .count = 0 };
    struct image last = { .made = false }, image = { .made = false };
    struct totals mine = { 0 };
    struct stage stage;
    pid_t pid;
    uint64_t steps = 0;
    enum stepped how = STEPPED;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    scenario->set_up(&stage, stage_self(&stage));
    pid = start_victim(scenario, &stage);
    for (; how != ENDED && steps < STEPS_MAX; steps++) {
        const char *wrong;

        /* A long operation is a loop: by default, every seventh of its steps is looked at. */
        if ((is_long || !scenario->slow || steps % 7 == 0) && changed(&last, &stage) &&
            (is_long || mine.states < 400)) {
            unsigned victim = stage.victim;

            if (scenario->unregistered)
                victim = 0;
            mine.states++;
            image_take(&image, &stage);
            if (scenario->peek != NULL) {
                struct stage in_image = stage_of_image(&stage, &image);

                wrong = scenario->peek(&in_image, &image.self);
                if (wrong != NULL && wrong[0] != '\0')
                    complain(scenario, steps, wrong, &mine);
            }
            image_kill(&image, scenario, victim);
            survive(scenario, &stage, &image, steps, &outcomes, &mine);
            image_drop(&image); /* extents of one image must not show through in the next */
        }
        how = step(pid, how == ASLEEP);
        if (how == ASLEEP) {
            if (scenario->partner == NULL || stage.partner_acted) {
                complain(scenario, steps, "it sleeps, and nobody will wake it", &mine);
                break;
            }
            scenario->partner(&stage, stage_self(&stage));
            stage.partner_acted = true;
        }
    }
    mine.steps = steps;
    image_take(&image, &stage);
    image_kill(&image, scenario, scenario->unregistered ? 0 : stage.victim);
    survive(scenario, &stage, &image, steps, &outcomes, &mine);
    judge(scenario, &outcomes, steps, &mine);
    end_victim(pid);
    kith__reap_all(stage_self(&stage));
    image_drop(&image);
    image_drop(&last);
    stage_close(&stage);
    printf("# %-34s %8llu %8llu %8llu %6llu\n", scenario->name, (unsigned long long)mine.steps,
           (unsigned long long)mine.states, (unsigned long long)mine.deaths,
           (unsigned long long)mine.violations);
    fflush(stdout);
    totals->steps += mine.steps;
    totals->deaths += mine.deaths;
    totals->states += mine.states;
    totals->violations += mine.violations;
}

/* ---- Real deaths ----------------------------------------------------------------------------- */

/* Steps a fresh victim `n` times; false if it ended before. */
static bool
step_to(pid_t pid, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (step(pid, false) != STEPPED)
            return false;
    return true;
}

static uint64_t
count_steps(const struct scenario *scenario)
{
    struct stage stage;
    uint64_t steps = 0;
    pid_t pid;

    stage_open(&stage, getenv("STEPPER_FOLDER"));
    scenario->set_up(&stage, stage_self(&stage));
    pid = start_victim(scenario, &stage);
    while (steps < STEPS_MAX && step(pid, false) == STEPPED)
        steps++;
    end_victim(pid);
    kith__reap_all(stage_self(&stage));
    stage_close(&stage);
    return steps;
}

void
kill_for_real(const struct scenario *scenario, unsigned samples, struct totals *totals)
{
    uint64_t steps, sample;

    if (scenario->thread_only || scenario->partner != NULL || (scenario->slow && samples < 10))
        return;
    steps = count_steps(scenario);
    sample = steps / samples + 1;
    for (uint64_t at = sample / 2; at < steps; at += sample) {
        struct stage stage;
        struct kith_report report;
        char sentence[256] = "";
        static char text[OUTCOME_SIZE];
        pid_t pid;

        stage_open(&stage, getenv("STEPPER_FOLDER"));
        scenario->set_up(&stage, stage_self(&stage));
        pid = start_victim(scenario, &stage);
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
    steps = count_steps(scenario);
    sample = steps / samples + 1;
    for (uint64_t at = sample / 3; at < steps; at += sample) {
        static const uint64_t seed[2] = { 1, 2 };
        struct kith__number one = { .what = KITH__NUMBER_ADD, .n = 1 };
        struct kith_report report;
        struct kith__self *self;
        struct kith__key key;
        struct stage stage;
        struct kith_item item = KITH_INT(7);
        kith_err while_stopped[2], after[2];
        pid_t pid;

        (void)seed;
        stage_open(&stage, getenv("STEPPER_FOLDER"));
        self = stage_self(&stage);
        stage.arena->timeout_ns = 20000000;
        scenario->set_up(&stage, self);
        pid = start_victim(scenario, &stage);
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

/* ---- The reaper dies too --------------------------------------------------------------------- */

/*
 * A first victim is killed at a step; a second process reaps it and is stepped through that; at
 * each new image it dies in a copy, and the survivor cleans up after both.
 */
static void
reap_everything(struct stage *stage, struct kith__self *self)
{
    (void)stage;
    kith__reap_all(self);
}

void
step_through_reaping(const struct scenario *scenario, bool is_long, struct totals *totals)
{
    uint64_t steps, points = is_long ? 40 : 1, sample;
    struct scenario reaping = *scenario;

    if (scenario->thread_only || scenario->partner != NULL || scenario->unregistered ||
        (scenario->slow && !is_long))
        return;
    steps = count_steps(scenario);
    sample = steps / points + 1;
    reaping.act = reap_everything;
    reaping.prepare = NULL;
    reaping.same_outcome = true;
    for (uint64_t at = sample / 2; at < steps; at += sample) {
        struct outcomes outcomes = { .count = 0 };
        struct image last = { .made = false }, image = { .made = false };
        struct stage stage;
        enum stepped how = STEPPED;
        uint64_t nested = 0, images = 0;
        pid_t first, second;

        stage_open(&stage, getenv("STEPPER_FOLDER"));
        scenario->set_up(&stage, stage_self(&stage));
        first = start_victim(scenario, &stage);
        stage.corpse = stage.victim;
        step_to(first, at);
        end_victim(first);
        second = start_victim(&reaping, &stage);
        for (; how == STEPPED && nested < STEPS_MAX; nested++) {
            if ((is_long || nested % 3 == 0) && changed(&last, &stage) &&
                (is_long || images++ % 4 == 0)) {
                image_take(&image, &stage);
                image_kill(&image, &reaping, stage.victim);
                survive(&reaping, &stage, &image, nested, &outcomes, totals);
                image_drop(&image);
                totals->states++;
            }
            how = step(second, false);
        }
        judge(&reaping, &outcomes, nested, totals);
        end_victim(second);
        kith__reap_all(stage_self(&stage));
        image_drop(&last);
        stage_close(&stage);
        totals->steps += nested;
        totals->nested += nested;
    }
}
