/*
 * jobs.c - work lent from a queue comes back when a worker dies.
 *
 *     example-jobs put NAME…     puts jobs in
 *     example-jobs work          takes one after another, until none came for a second
 *
 * Kill a worker with -9 while it is at a job, and start another: the job is there again, in its
 * place, with one attempt more.  What failed three times is in the queue "failed-jobs".
 */
#include <kith.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)

static int
fail(void)
{
    fprintf(stderr, "%s\n", kith_last_error());
    return 1;
}

static int
put(kith_queue *jobs, int count, char **names)
{
    for (int i = 0; i < count; i++)
        if (kith_queue_put(jobs, kith_str(names[i]), KITH_FOREVER) < 0)
            return fail();
    return 0;
}

static int
work(kith_queue *jobs)
{
    struct kith_buf job = KITH_BUF_INIT;
    kith_lease *lease;
    kith_err err;

    while ((err = kith_queue_lease(jobs, SECOND, &job, &lease)) == KITH_OK) {
        printf("%.*s, attempt %u\n", (int)job.item.size, (const char *)job.item.data,
               kith_lease_attempts(lease) + 1);
        fflush(stdout);
        sleep(1); /* the work */
        if (kith_lease_ack(lease) < 0)
            return fail();
    }
    kith_buf_free(&job);
    return err == KITH_ETIMEDOUT ? 0 : fail();
}

int
main(int argc, char **argv)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    kith_space *space;
    kith_queue *jobs;
    int status;

    options.attempts_max = 3;
    options.dead_letter = "failed-jobs";
    if (kith_open("examples", NULL, &space) < 0 ||
        kith_queue_open(space, "jobs", &options, &jobs) < 0)
        return fail();
    status = argc > 1 && strcmp(argv[1], "put") == 0 ? put(jobs, argc - 2, argv + 2) : work(jobs);
    kith_queue_close(jobs);
    kith_close(space);
    return status;
}
