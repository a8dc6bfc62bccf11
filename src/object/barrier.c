/*
 * barrier.c - a place where parties wait for each other.
 */
#include <kith/barrier.h>
#include <stdio.h>

#include "base/alloc.h"
#include "object/handle.h"

kith_err
kith_barrier_open(kith_space *space, const char *name, const struct kith_barrier_options *options,
                  kith_barrier **barrier_out)
{
    struct kith_barrier_options whole = KITH_BARRIER_OPTIONS_INIT;
    kith_barrier *barrier;
    void *state;
    kith_err err = kith__open_check("kith_barrier_open", space, name, barrier_out, options, &whole,
                                    sizeof(whole));

    if (err < 0)
        return err;
    if (options == NULL)
        whole.create = KITH_MUST_EXIST;
    if ((whole.parties == 0 && whole.create != KITH_MUST_EXIST) ||
        whole.parties > KITH_BARRIER_PARTIES_MAX)
        return kith__fail(KITH_EINVAL,
                          "The barrier \"%s\" cannot have %u parties: 1 to %d can meet.", name,
                          whole.parties, KITH_BARRIER_PARTIES_MAX);
    barrier = kith__handle_new(sizeof(*barrier));
    if (barrier == NULL)
        return KITH_ENOMEM;
    barrier->ops = space->engine->barrier;
    err = barrier->ops->open(space->state, name, &whole, &state);
    if (err < 0) {
        kith__free(barrier);
        return err;
    }
    kith__handle_init(&barrier->handle, space, KITH_KIND_BARRIER, name, state);
    *barrier_out = barrier;
    return KITH_OK;
}

void
kith_barrier_close(kith_barrier *barrier)
{
    if (barrier == NULL || !kith__handle_drop(&barrier->handle))
        return;
    barrier->ops->close(barrier->handle.state);
    kith__space_release(barrier->handle.space);
    kith__free(barrier);
}

static kith_err
outcome(const kith_barrier *barrier, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&barrier->handle, err, told, NULL);
}

static kith_err
broken(const kith_barrier *barrier, const struct kith__meeting *meeting, unsigned told)
{
    char after[160];

    switch (meeting->why) {
    case KITH__BREAK_ABORT:
        snprintf(after, sizeof(after), "\" is broken: somebody aborted it.");
        break;
    case KITH__BREAK_RESET:
        snprintf(after, sizeof(after), "\" was reset while it was waited for.");
        break;
    case KITH__BREAK_TIMEOUT:
        snprintf(after, sizeof(after), "\" is broken: the time of one who waited ran out.");
        break;
    case KITH__BREAK_INTERRUPTED:
        snprintf(after, sizeof(after), "\" is broken: one who waited was interrupted.");
        break;
    case KITH__BREAK_DEATH:
        snprintf(after, sizeof(after), "\" is broken: process %lld died while it waited.",
                 (long long)meeting->pid);
        break;
    case KITH__BREAK_ACTION:
        snprintf(after, sizeof(after), "\" is broken: the action of the last to arrive failed.");
        break;
    default:
        snprintf(after, sizeof(after), "\" is broken.");
    }
    return kith__fail_outcome(&barrier->handle, KITH_ECONFLICT, told, after);
}

static kith_err
meet(const char *function, kith_barrier *barrier, int64_t timeout_ns, struct kith__meeting *meeting,
     uint32_t *index_out)
{
    unsigned told = kith__told();
    kith_err err;

    if (barrier == NULL)
        return kith__fail_null(function);
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout(function, timeout_ns);
    err = barrier->ops->wait(barrier->handle.state, kith__deadline_ns(timeout_ns), meeting);
    if (meeting->failed < 0)
        return kith__told() != told
                   ? meeting->failed /* the sentence is the action's */
                   : kith__fail_outcome(&barrier->handle, meeting->failed, told,
                                        "\" is broken: the action of the caller failed.");
    if (err == KITH_ECONFLICT)
        return broken(barrier, meeting, told);
    if (err == KITH_OK && index_out != NULL)
        *index_out = meeting->index;
    return outcome(barrier, err, told);
}

kith_err
kith_barrier_wait(kith_barrier *barrier, int64_t timeout_ns, uint32_t *index_out)
{
    struct kith__meeting meeting = { 0 };

    return meet("kith_barrier_wait", barrier, timeout_ns, &meeting, index_out);
}

kith_err
kith_barrier_wait_with(kith_barrier *barrier, int64_t timeout_ns, kith_err (*action)(void *arg),
                       void *arg, uint32_t *index_out)
{
    struct kith__meeting meeting = { .action = action, .arg = arg };

    if (action == NULL)
        return kith__fail_null("kith_barrier_wait_with");
    return meet("kith_barrier_wait_with", barrier, timeout_ns, &meeting, index_out);
}

kith_err
kith_barrier_reset(kith_barrier *barrier)
{
    unsigned told = kith__told();

    if (barrier == NULL)
        return kith__fail_null("kith_barrier_reset");
    return outcome(barrier, barrier->ops->reset(barrier->handle.state), told);
}

kith_err
kith_barrier_abort(kith_barrier *barrier)
{
    unsigned told = kith__told();

    if (barrier == NULL)
        return kith__fail_null("kith_barrier_abort");
    return outcome(barrier, barrier->ops->abort(barrier->handle.state), told);
}

static kith_err
look(const char *function, kith_barrier *barrier, const void *needed, uint32_t *parties,
     uint32_t *waiting, bool *is_broken)
{
    unsigned told = kith__told();
    uint32_t numbers[2];
    bool flag;
    kith_err err;

    if (barrier == NULL || needed == NULL)
        return kith__fail_null(function);
    err = barrier->ops->look(barrier->handle.state, &numbers[0], &numbers[1], &flag);
    if (err == KITH_OK && parties != NULL)
        *parties = numbers[0];
    if (err == KITH_OK && waiting != NULL)
        *waiting = numbers[1];
    if (err == KITH_OK && is_broken != NULL)
        *is_broken = flag;
    return outcome(barrier, err, told);
}

kith_err
kith_barrier_parties(kith_barrier *barrier, uint32_t *parties_out)
{
    return look("kith_barrier_parties", barrier, parties_out, parties_out, NULL, NULL);
}

kith_err
kith_barrier_waiting(kith_barrier *barrier, uint32_t *waiting_out)
{
    return look("kith_barrier_waiting", barrier, waiting_out, NULL, waiting_out, NULL);
}

kith_err
kith_barrier_broken(kith_barrier *barrier, bool *broken_out)
{
    return look("kith_barrier_broken", barrier, broken_out, NULL, NULL, broken_out);
}
