/*
 * main.c - steps through every operation, kills for real, and counts.
 *
 *     crash [--long] [NAME...]
 *     crash --list [NAME...]          the names alone
 *
 * Scenarios are run in processes of their own, as many at a time as there are processors, or as
 * KITH_JOBS says.  A NAME is a part of a scenario's; "=NAME" is all of it.
 *
 * Lines of the table begin with #, so that the whole is TAP.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scenarios.h"
#include "trap.h"

#define JOBS_MAX 8
#define CEILING_S 1800u /* of one scenario: the slowest takes a minute where two cores are busy */
#define CEILING_LONG_S 14400u

static int
list(int argc, char **argv)
{
    for (unsigned t = 0; scenario_tables[t] != NULL; t++)
        for (unsigned i = 0; i < scenario_tables[t]->count; i++)
            if (stage_wanted(scenario_tables[t]->scenarios[i].name, argc, argv))
                puts(scenario_tables[t]->scenarios[i].name);
    return 0;
}

/* A scenario under way: what it prints, and what it counts in shared memory. */
struct job {
    pid_t pid;
    const struct scenario *scenario;
    FILE *output;
    struct totals *totals;
};

static void
start(struct job *job, const struct scenario *scenario, bool is_long)
{
    job->scenario = scenario;
    job->output = tmpfile();
    job->totals =
        mmap(NULL, sizeof *job->totals, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (job->output == NULL || job->totals == MAP_FAILED)
        stage_die("no room for a scenario");
    fflush(stdout);
    job->pid = fork();
    if (job->pid < 0)
        stage_die("fork");
    if (job->pid == 0) {
        dup2(fileno(job->output), STDOUT_FILENO);
        alarm(is_long ? CEILING_LONG_S : CEILING_S); /* ends it, and its children with it */
        if (scenario->through != NULL) {
            scenario->through(scenario, is_long, job->totals);
        } else {
            step_through(scenario, is_long, job->totals);
            kill_for_real(scenario, is_long ? 40 : 4, job->totals);
            three_parties(scenario, is_long ? 40 : 3, job->totals);
        }
        fflush(stdout);
        _exit(0);
    }
}

/* Waits for a scenario, and prints what it printed. */
static void
finish(struct job *jobs, unsigned *running, unsigned test, struct totals *all)
{
    int status;
    pid_t pid = wait(&status);
    char line[4096];
    unsigned i;

    for (i = 0; i < *running && jobs[i].pid != pid; i++)
        ;
    if (i == *running)
        stage_die("wait");
    rewind(jobs[i].output);
    while (fgets(line, sizeof line, jobs[i].output) != NULL)
        fputs(line, stdout);
    if (status != 0) {
        printf("# %s: the stepper ended with status %x\n", jobs[i].scenario->name,
               (unsigned)status);
        jobs[i].totals->violations++;
    }
    printf("%s %u - %s survives a death at every step\n",
           jobs[i].totals->violations == 0 ? "ok" : "not ok", test, jobs[i].scenario->name);
    all->steps += jobs[i].totals->steps;
    all->states += jobs[i].totals->states;
    all->deaths += jobs[i].totals->deaths;
    all->nested += jobs[i].totals->nested;
    all->same += jobs[i].totals->same;
    all->thirds += jobs[i].totals->thirds;
    all->kills += jobs[i].totals->kills;
    all->violations += jobs[i].totals->violations;
    munmap(jobs[i].totals, sizeof *jobs[i].totals);
    fclose(jobs[i].output);
    jobs[i] = jobs[--*running];
}

int
main(int argc, char **argv)
{
    struct totals totals = { 0 };
    bool is_long = getenv("KITH_LONG") != NULL && strcmp(getenv("KITH_LONG"), "1") == 0;
    const char *told = getenv("KITH_JOBS");
    long jobs_wanted = told != NULL ? atol(told) : sysconf(_SC_NPROCESSORS_ONLN);
    unsigned jobs_max = jobs_wanted < 1          ? 1
                        : jobs_wanted > JOBS_MAX ? JOBS_MAX
                                                 : (unsigned)jobs_wanted;
    struct job jobs[JOBS_MAX];
    unsigned running = 0, test = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (!trap_supported()) {
        printf("1..0 # skip The trap flag is there on x86-64 alone\n");
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--long") == 0)
        is_long = true;
    if (argc > 1 && strcmp(argv[1], "--list") == 0)
        return list(argc, argv);
    if (getenv("STEPPER_FOLDER") == NULL)
        setenv("STEPPER_FOLDER", "/dev/shm", 1);
    printf("# %-34s %8s %8s %8s %8s %8s %6s\n", "operation", "steps", "states", "deaths", "nested",
           "thirds", "wrong");
    for (unsigned t = 0; scenario_tables[t] != NULL; t++)
        for (unsigned i = 0; i < scenario_tables[t]->count; i++) {
            const struct scenario *scenario = &scenario_tables[t]->scenarios[i];

            if (!stage_wanted(scenario->name, argc, argv))
                continue;
            if (running == jobs_max)
                finish(jobs, &running, ++test, &totals);
            start(&jobs[running++], scenario, is_long);
        }
    while (running > 0)
        finish(jobs, &running, ++test, &totals);
    printf("1..%u\n", test);
    printf("# real kills: %llu, stores of reapers: %llu, third parties: %llu, deaths tried: %llu\n",
           (unsigned long long)totals.kills, (unsigned long long)totals.nested,
           (unsigned long long)totals.thirds, (unsigned long long)totals.deaths);
    printf("# deaths that differ from the one before in bytes that no reaper reads: %llu\n",
           (unsigned long long)totals.same);
    printf("# kill points: %llu, distinct states: %llu, violations: %llu\n",
           (unsigned long long)totals.steps, (unsigned long long)totals.states,
           (unsigned long long)totals.violations);
    return totals.violations == 0 ? 0 : 1;
}
