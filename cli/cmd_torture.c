/*
 * cmd_torture.c - `kith torture`: starts workers, kills them, and holds the survivors to the model.
 */
#include "torture.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Between two kills, at most. */
#define PAUSE_MS_MAX 40

#define KILLS_A_CHECK 10

/* How long a victim is watched at most, and how long after the act's beginning it is killed. */
#define AIM_NS (3 * MS)
#define AIM_DELAY_NS_MAX 20000

/* A worker whose acts take no longer than milliseconds, and which begins none for so long, hangs.
 */
#define STUCK_NS (15000 * MS)

/* The killer itself calls the library too; if it does not come back, nobody else would tell. */
#define PATIENCE_SECONDS 60

/* Memory of the arena at most: far more than the model ever keeps in it. */
#define ARENA_BYTES (UINT64_C(1) << 30)

/* The killer's own state, private to its process. */
struct killer {
    struct world *world;
    struct torture_space space;
    struct torture_deaths deaths;
    pid_t self;
    pid_t pids[SLOTS_MAX];
    uint64_t turns[SLOTS_MAX]; /* as last seen, and when they were seen to change */
    int64_t turned_ns[SLOTS_MAX];
    uint64_t random;
    int64_t started_ns;
    int64_t told_ns;
    uint64_t ended; /* workers that ended in order */
    uint64_t checks;
    uint64_t blocks; /* of the last check */
};

/* What the killer is doing, for the message when it never comes back. */
static const char *volatile doing = "starting";
static volatile sig_atomic_t stop_asked;

static void
on_interrupt(int signal)
{
    (void)signal;
    stop_asked = 1;
}

static void
on_alarm(int signal)
{
    const char *parts[] = { "violations: 1\nThe killer itself is stuck in ", doing, ".\n" };

    (void)signal;
    for (size_t i = 0; i < 3; i++)
        if (write(STDOUT_FILENO, parts[i], strlen(parts[i])) < 0)
            break;
    _exit(CLI_NO);
}

static void
catch_signals(void)
{
    struct sigaction action = { .sa_handler = on_interrupt };

    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
}

static void
do_next(const char *what)
{
    doing = what;
    alarm(PATIENCE_SECONDS);
}

/* ---- workers ---- */

static int
start_worker(struct killer *killer, unsigned slot)
{
    pid_t pid;

    killer->world->slots[slot].lives++;
    killer->turned_ns[slot] = cli_now_ns();
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        cli_say("A worker cannot be started: %s.", strerror(errno));
        return CLI_FAILED;
    }
    if (pid == 0) {
        signal(SIGINT, SIG_IGN);
        signal(SIGALRM, SIG_DFL);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != killer->self)
            _exit(CLI_FAILED);
        torture_worker(killer->world, &killer->space, slot);
    }
    killer->pids[slot] = pid;
    return CLI_GO_ON;
}

/* After a worker is gone: what became of it, and of what it was doing. */
static void
bury(struct killer *killer, unsigned slot, int how, bool killed)
{
    killer->pids[slot] = 0;
    if (WIFSIGNALED(how) && !(killed && WTERMSIG(how) == SIGKILL))
        torture_violation(killer->world, "Worker %u died by signal %d while it did: %s.", slot,
                          WTERMSIG(how),
                          torture_act_names[atomic_load(&killer->world->slots[slot].act)]);
    else if (WIFEXITED(how) && WEXITSTATUS(how) != CLI_DONE)
        torture_violation(killer->world, "Worker %u ended with %d.", slot, WEXITSTATUS(how));
    if (WIFSIGNALED(how))
        killer->deaths.kills++;
    else
        killer->ended++;
    do_next("looking at what a dead worker left");
    torture_resolve(killer->world, &killer->space, slot, &killer->deaths);
}

/*
 * Most of a worker's time goes by in waits, and so would most deaths.  Half of the victims are
 * therefore watched until they do some act chosen at random, and killed in it.
 */
static void
take_aim(struct killer *killer, unsigned slot)
{
    _Atomic uint32_t *act = &killer->world->slots[slot].act;
    uint32_t target = 1 + torture_pick(&killer->random, ACT_COUNT - 1);
    int64_t until_ns = cli_now_ns() + AIM_NS;
    int64_t delay_ns = (int64_t)torture_pick(&killer->random, AIM_DELAY_NS_MAX);

    if (torture_pick(&killer->random, 2) == 0)
        return;
    while (atomic_load(act) != target && cli_now_ns() < until_ns)
        continue;
    until_ns = cli_now_ns() + delay_ns;
    while (cli_now_ns() < until_ns)
        continue;
}

static void
kill_worker(struct killer *killer, unsigned slot)
{
    int how;

    kill(killer->pids[slot], SIGKILL);
    while (waitpid(killer->pids[slot], &how, 0) < 0 && errno == EINTR)
        continue;
    bury(killer, slot, how, true);
}

/* Looks for workers that ended by themselves, and for some that hang.  Starts others if asked. */
static int
look_after(struct killer *killer, bool start, unsigned *left)
{
    int status = CLI_GO_ON;

    *left = 0;
    for (unsigned i = 0; i < killer->world->slot_count && status == CLI_GO_ON; i++) {
        struct slot *slot = &killer->world->slots[i];
        uint64_t turns = atomic_load(&slot->turns);
        int how;

        if (killer->pids[i] == 0)
            continue;
        if (turns != killer->turns[i]) {
            killer->turns[i] = turns;
            killer->turned_ns[i] = cli_now_ns();
        }
        if (waitpid(killer->pids[i], &how, WNOHANG) == killer->pids[i]) {
            bury(killer, i, how, false);
            if (start)
                status = start_worker(killer, i);
        } else if (cli_now_ns() - killer->turned_ns[i] > STUCK_NS) {
            torture_violation(killer->world, "Worker %u is stuck: %s.", i,
                              torture_act_names[atomic_load(&slot->act)]);
            kill_worker(killer, i);
            if (start)
                status = start_worker(killer, i);
        }
        *left += killer->pids[i] != 0;
    }
    return status;
}

/* ---- looking ---- */

static int
note_broken(const char *sentence, void *arg)
{
    struct world *world = arg;

    torture_violation(world, "The check says: %s", sentence);
    return 0;
}

static void
check(struct killer *killer)
{
    struct kith_report report = { .violations = 0 };
    kith_err err;

    do_next("kith_check");
    err = kith_check_each(killer->space.space, note_broken, killer->world, &report);
    if (err != KITH_OK && err != KITH_ECORRUPT)
        torture_unexpected(killer->world, "kith_check", err);
    killer->checks++;
    killer->blocks = report.blocks;
    do_next("looking at sums");
    torture_look_pairs(killer->world, &killer->space);
    torture_look_bank(killer->world, &killer->space, killer->checks % 2 == 0);
    torture_look_bulk(killer->world, &killer->space,
                      torture_pick(&killer->random, killer->world->slot_count));
}

static void
tell(struct killer *killer, bool last)
{
    int64_t now_ns = cli_now_ns();
    bool terminal = isatty(STDERR_FILENO);
    uint64_t acts = 0;

    if ((!last && now_ns - killer->told_ns < (terminal ? 200 : 5000) * MS))
        return;
    killer->told_ns = now_ns;
    if (last) {
        fputs(terminal ? "\r\033[K" : "", stderr);
        return;
    }
    for (unsigned i = 0; i < killer->world->slot_count; i++)
        acts += atomic_load(&killer->world->slots[i].turns);
    fprintf(stderr, "%s%.0f s, %s acts, %llu killed, %llu checks, violations: %u%s",
            terminal ? "\r" : "", (double)(now_ns - killer->started_ns) / 1e9,
            cli_count_text(acts).text, (unsigned long long)killer->deaths.kills,
            (unsigned long long)killer->checks, atomic_load(&killer->world->violation_count),
            terminal ? "\033[K" : "\n");
    fflush(stderr);
}

/* ---- the run ---- */

/* Gives the bank its money. */
static int
found(struct killer *killer)
{
    for (unsigned i = 0; i < ACCOUNTS; i++) {
        struct torture_key key;
        kith_err err;

        torture_key_set(&key, "account", i, 0);
        err = kith_dict_set(killer->space.bank, key.item, kith_int(ACCOUNT_START));
        if (err < 0)
            return cli_failed(err);
    }
    return CLI_GO_ON;
}

/* Kills at random until the time is over. */
static int
torment(struct killer *killer, int64_t until_ns)
{
    struct world *world = killer->world;
    int status = CLI_GO_ON;
    unsigned left;

    for (unsigned i = 0; i < world->slot_count && status == CLI_GO_ON; i++)
        status = start_worker(killer, i);
    while (status == CLI_GO_ON && cli_now_ns() < until_ns && !stop_asked &&
           atomic_load(&world->violation_count) < VIOLATIONS_KEPT) {
        unsigned victim = torture_pick(&killer->random, world->slot_count);

        do_next("waiting");
        poll(NULL, 0, (int)torture_pick(&killer->random, PAUSE_MS_MAX));
        status = look_after(killer, true, &left);
        if (status == CLI_GO_ON && killer->pids[victim] != 0) {
            take_aim(killer, victim);
            kill_worker(killer, victim);
            if (killer->deaths.kills % KILLS_A_CHECK == 0)
                check(killer);
            status = start_worker(killer, victim);
        }
        tell(killer, false);
    }
    return status;
}

/* Has all workers end in order, and kills those that do not. */
static void
dismiss(struct killer *killer)
{
    int64_t until_ns = cli_now_ns() + STUCK_NS;
    unsigned left = 1;

    atomic_store(&killer->world->stop, true);
    while (left > 0 && cli_now_ns() < until_ns) {
        do_next("waiting for workers to end");
        poll(NULL, 0, 5);
        look_after(killer, false, &left);
    }
    for (unsigned i = 0; i < killer->world->slot_count; i++)
        if (killer->pids[i] != 0) {
            torture_violation(killer->world, "Worker %u does not end: %s.", i,
                              torture_act_names[atomic_load(&killer->world->slots[i].act)]);
            kill_worker(killer, i);
        }
}

static void
look_at_the_end(struct killer *killer)
{
    struct kith_report report;
    kith_err err;

    check(killer);
    do_next("looking at everything, at the end");
    torture_final(killer->world, &killer->space, &killer->deaths);
    do_next("kith_gc");
    err = kith_gc(killer->space.space, &report);
    if (err < 0)
        torture_unexpected(killer->world, "kith_gc", err);
    check(killer);
}

/* ---- telling ---- */

static void
print_summary(const struct killer *killer, uint64_t bytes_used)
{
    const struct world *world = killer->world;
    uint32_t violations = atomic_load(&world->violation_count);

    printf("%-28s %12s %12s\n", "act", "done", "killed in it");
    for (unsigned act = 1; act < ACT_COUNT; act++) {
        uint64_t done = 0;
        uint64_t maybe = 0;

        for (unsigned i = 0; i < world->slot_count; i++) {
            done += world->slots[i].done[act];
            maybe += world->slots[i].maybe[act];
        }
        printf("%-28s %12s %12s\n", torture_act_names[act], cli_count_text(done).text,
               cli_count_text(maybe).text);
    }
    printf("\nseed: %llu\nprocesses: %u\nseconds: %.1f\n", (unsigned long long)world->seed,
           world->slot_count, (double)(cli_now_ns() - killer->started_ns) / 1e9);
    printf("killed: %llu\nended in order: %llu\nchecks: %llu, the last of %llu blocks\n",
           (unsigned long long)killer->deaths.kills, (unsigned long long)killer->ended,
           (unsigned long long)killer->checks, (unsigned long long)killer->blocks);
    printf("memory at the end: %s\n", cli_bytes_text(bytes_used).text);
    for (uint32_t i = 0; i < violations && i < VIOLATIONS_KEPT; i++)
        printf("violation: %s\n", world->violations[i]);
    printf("violations: %u\n", violations);
}

static void
print_summary_json(const struct killer *killer, uint64_t bytes_used)
{
    const struct world *world = killer->world;
    uint32_t violations = atomic_load(&world->violation_count);

    printf("{\"seed\": %llu, \"processes\": %u, \"seconds\": %.3f, \"killed\": %llu, ",
           (unsigned long long)world->seed, world->slot_count,
           (double)(cli_now_ns() - killer->started_ns) / 1e9,
           (unsigned long long)killer->deaths.kills);
    printf("\"ended\": %llu, \"checks\": %llu, \"blocks\": %llu, \"bytes\": %llu, \"acts\": {",
           (unsigned long long)killer->ended, (unsigned long long)killer->checks,
           (unsigned long long)killer->blocks, (unsigned long long)bytes_used);
    for (unsigned act = 1; act < ACT_COUNT; act++) {
        uint64_t done = 0;

        for (unsigned i = 0; i < world->slot_count; i++)
            done += world->slots[i].done[act];
        printf("%s\"%s\": %llu", act == 1 ? "" : ", ", torture_act_names[act],
               (unsigned long long)done);
    }
    printf("}, \"violations\": [");
    for (uint32_t i = 0; i < violations && i < VIOLATIONS_KEPT; i++) {
        fputs(i == 0 ? "" : ", ", stdout);
        cli_print_json_string(stdout, world->violations[i]);
    }
    puts("]}");
}

static int
torture(struct cli *cli, struct killer *killer, double seconds)
{
    struct kith_stat stat = KITH_STAT_INIT;
    int status;

    torture_begin_permits(killer->world);
    status = torture_open(&killer->space, killer->world->slot_count);
    if (status == CLI_GO_ON)
        status = found(killer);
    if (status != CLI_GO_ON)
        return status;
    catch_signals();
    cli_say("%u processes act on %s for %.0f s and are killed; the seed is %llu.",
            killer->world->slot_count, killer->world->address, seconds,
            (unsigned long long)killer->world->seed);
    killer->started_ns = cli_now_ns();
    killer->told_ns = killer->started_ns;
    status = torment(killer, killer->started_ns + (int64_t)(seconds * 1e9));
    dismiss(killer);
    if (status == CLI_GO_ON && stop_asked)
        status = CLI_INTERRUPTED;
    if (status != CLI_GO_ON)
        return status;
    look_at_the_end(killer);
    tell(killer, true);
    do_next("kith_stat");
    if (kith_stat(killer->space.space, &stat) < 0)
        stat.bytes_used = 0;
    if (cli->json)
        print_summary_json(killer, stat.bytes_used);
    else
        print_summary(killer, stat.bytes_used);
    return atomic_load(&killer->world->violation_count) == 0 ? CLI_DONE : CLI_NO;
}

/* A new space for it, by -s or of a name of its own; gone when the last process leaves. */
static int
open_space(const struct cli *cli, struct killer *killer)
{
    struct kith_options options = KITH_OPTIONS_INIT;
    struct world *world = killer->world;
    kith_err err;

    options.create = KITH_MUST_CREATE;
    options.temporary = true;
    options.size = ARENA_BYTES;
    options.timeout_ns = STUCK_NS;
    if (cli->address_given)
        snprintf(world->address, sizeof world->address, "%s", cli->address);
    else
        snprintf(world->address, sizeof world->address, "torture-%d", (int)getpid());
    world->reopen = strncmp(world->address, "mem:", 4) != 0;
    err = kith_open(world->address, &options, &killer->space.space);
    if (err == KITH_EEXIST) {
        cli_say("Torture needs a space of its own, and %s exists already.", world->address);
        return CLI_FAILED;
    }
    return err < 0 ? cli_failed(err) : CLI_GO_ON;
}

static int
run(struct cli *cli, int argc, char **argv)
{
    uint64_t processes = 8;
    uint64_t seed = (uint64_t)time(NULL) * 1000003 + (uint64_t)getpid();
    int64_t duration_ns = 10000 * MS;
    const struct cli_option options[] = {
        { 0, "seconds", CLI_SECONDS, &duration_ns },
        { 0, "processes", CLI_COUNT, &processes },
        { 0, "seed", CLI_NUMBER, &seed },
        { 0, NULL, CLI_FLAG, NULL },
    };
    int status = cli_options(cli, options, &argc, argv, 0, 0);
    struct killer *killer;

    if (status != CLI_GO_ON)
        return status;
    if (processes > SLOTS_MAX)
        return cli_misused(cli, "There are %d processes at most.", SLOTS_MAX);
    if (duration_ns == KITH_FOREVER)
        return cli_misused(cli, "The option --seconds needs an end.");
    killer = calloc(1, sizeof *killer);
    if (killer == NULL) {
        cli_say("There is no memory for the killer.");
        return CLI_FAILED;
    }
    killer->world = mmap(NULL, sizeof *killer->world, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (killer->world == MAP_FAILED) {
        cli_say("There is no memory for the model.");
        free(killer);
        return CLI_FAILED;
    }
    killer->self = getpid();
    killer->random = seed;
    killer->world->seed = seed;
    killer->world->slot_count = (unsigned)processes;
    status = open_space(cli, killer);
    if (status == CLI_GO_ON) {
        status = torture(cli, killer, (double)duration_ns / 1e9);
        do_next("kith_close");
        torture_close(&killer->space, killer->world->slot_count);
        alarm(0);
    }
    munmap(killer->world, sizeof *killer->world);
    free(killer);
    return status;
}

const struct cli_verb cli_torture = {
    .name = "torture",
    .arguments = "",
    .summary = "kill processes at random, and look whether the survivors find all as promised",
    .help = "Processes do random acts on objects of every kind and in transactions, while they\n"
            "are killed one after another and others started; a model tells what has to hold.\n"
            "Ends with a table and the number of violations, and exits with 1 if there are any.\n"
            "The space is a temporary one of its own, or a new one given with -s.\n"
            "\n"
            "options\n"
            "  --seconds S     how long it lasts; else 10\n"
            "  --processes N   how many act at a time; else 8\n"
            "  --seed X        begin the chain of chances with this number\n"
            "\n"
            "example\n"
            "  kith torture --seconds 60 --seed 7\n",
    .run = run,
};
