/*
 * state.c - how an object stands, as facts of its kind.
 */
#include "facts.h"

static kith_err
dict_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_dict_options options = KITH_DICT_OPTIONS_INIT;
    struct kith_dict_info info = KITH_DICT_INFO_INIT;
    kith_dict *dict;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_dict_open(space, name, &options, &dict);
    if (err < 0)
        return err;
    err = kith_dict_info(dict, &info);
    kith_dict_close(dict);
    if (err < 0)
        return err;
    cli_fact_number(facts, "shards", info.shards);
    cli_fact_number(facts, "bytes_tables", info.bytes_tables);
    cli_fact_flag(facts, "ordered", info.ordered);
    return KITH_OK;
}

static kith_err
queue_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_queue_options options = KITH_QUEUE_OPTIONS_INIT;
    struct kith_queue_info info = KITH_QUEUE_INFO_INIT;
    kith_queue *queue;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_queue_open(space, name, &options, &queue);
    if (err < 0)
        return err;
    err = kith_queue_info(queue, &info);
    kith_queue_close(queue);
    if (err < 0)
        return err;
    cli_fact_number(facts, "ready", info.ready);
    cli_fact_number(facts, "leased", info.leased);
    cli_fact_number(facts, "taken", info.taken);
    cli_fact_number(facts, "capacity", info.capacity);
    cli_fact_number(facts, "dead_lettered", info.dead_lettered);
    cli_fact_flag(facts, "closed", info.closed);
    return KITH_OK;
}

static kith_err
lock_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_lock_options options = KITH_LOCK_OPTIONS_INIT;
    struct kith_owner owner;
    kith_lock *lock;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_lock_open(space, name, &options, &lock);
    if (err < 0)
        return err;
    err = kith_lock_owner(lock, &owner);
    kith_lock_close(lock);
    if (err < 0)
        return err;
    cli_fact_flag(facts, "held", owner.held);
    if (owner.held) {
        cli_fact_text(facts, "host", owner.host);
        cli_fact_number(facts, "pid", (uint64_t)owner.pid);
        cli_fact_number(facts, "thread", (uint64_t)owner.thread);
        cli_fact_flag(facts, "alive", owner.alive);
        if (owner.since_ns != 0)
            cli_fact_time(facts, "since", owner.since_ns);
        cli_fact_number(facts, "depth", owner.depth);
        cli_fact_number(facts, "sharers", owner.sharers);
    }
    cli_fact_number(facts, "waiters", owner.waiters);
    return KITH_OK;
}

static kith_err
event_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_event_options options = KITH_EVENT_OPTIONS_INIT;
    kith_event *event;
    kith_err err;
    bool set;

    options.create = KITH_MUST_EXIST;
    err = kith_event_open(space, name, &options, &event);
    if (err < 0)
        return err;
    err = kith_event_is_set(event, &set);
    kith_event_close(event);
    if (err < 0)
        return err;
    cli_fact_flag(facts, "set", set);
    return KITH_OK;
}

static kith_err
value_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_value_options options = KITH_VALUE_OPTIONS_INIT;
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    char code[2] = "";
    kith_value *value;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_value_open(space, name, &options, &value);
    if (err < 0)
        return err;
    err = kith_value_info(value, &info);
    kith_value_close(value);
    if (err < 0)
        return err;
    code[0] = info.type;
    cli_fact_text(facts, "item_type", info.type == 0 ? "structure" : code);
    cli_fact_number(facts, "item_size", info.size);
    cli_fact_flag(facts, "transactional", info.transactional);
    return KITH_OK;
}

static kith_err
array_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_array_options options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    char code[2] = "";
    kith_array *array;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_array_open(space, name, &options, &array);
    if (err < 0)
        return err;
    err = kith_array_info(array, &info);
    kith_array_close(array);
    if (err < 0)
        return err;
    code[0] = info.type;
    cli_fact_text(facts, "item_type", info.type == 0 ? "structures" : code);
    cli_fact_number(facts, "item_size", info.size);
    return KITH_OK;
}

static kith_err
semaphore_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_semaphore_options options = KITH_SEMAPHORE_OPTIONS_INIT;
    struct kith_semaphore_info info = KITH_SEMAPHORE_INFO_INIT;
    kith_semaphore *semaphore;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_semaphore_open(space, name, &options, &semaphore);
    if (err < 0)
        return err;
    err = kith_semaphore_info(semaphore, &info);
    kith_semaphore_close(semaphore);
    if (err < 0)
        return err;
    cli_fact_number(facts, "permits", info.initial);
    cli_fact_number(facts, "free", info.value);
    cli_fact_flag(facts, "bounded", info.bounded);
    cli_fact_flag(facts, "fair", info.fair);
    cli_fact_flag(facts, "unowned", info.unowned);
    return KITH_OK;
}

static kith_err
barrier_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    uint32_t parties = 0, waiting = 0;
    bool broken = false;
    kith_barrier *barrier;
    kith_err err = kith_barrier_open(space, name, NULL, &barrier);

    if (err < 0)
        return err;
    err = kith_barrier_parties(barrier, &parties);
    if (err == KITH_OK)
        err = kith_barrier_waiting(barrier, &waiting);
    if (err == KITH_OK)
        err = kith_barrier_broken(barrier, &broken);
    kith_barrier_close(barrier);
    if (err < 0)
        return err;
    cli_fact_number(facts, "parties", parties);
    cli_fact_number(facts, "waiting", waiting);
    cli_fact_flag(facts, "broken", broken);
    return KITH_OK;
}

static kith_err
once_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_once_options options = KITH_ONCE_OPTIONS_INIT;
    enum kith_once_state state;
    kith_once *once;
    kith_err err;

    options.create = KITH_MUST_EXIST;
    err = kith_once_open(space, name, &options, &once);
    if (err < 0)
        return err;
    err = kith_once_state(once, &state);
    kith_once_close(once);
    if (err < 0)
        return err;
    cli_fact_text(facts, "state",
                  state == KITH_ONCE_DONE      ? "done"
                  : state == KITH_ONCE_CLAIMED ? "claimed"
                                               : "open");
    return KITH_OK;
}

static kith_err
limiter_facts(struct cli_facts *facts, kith_space *space, const char *name)
{
    struct kith_limiter_state state = KITH_LIMITER_STATE_INIT;
    kith_limiter *limiter;
    kith_err err = kith_limiter_open(space, name, NULL, &limiter);

    if (err < 0)
        return err;
    err = kith_limiter_state(limiter, &state);
    kith_limiter_close(limiter);
    if (err < 0)
        return err;
    cli_fact_real(facts, "rate", state.rate);
    cli_fact_number(facts, "burst", state.burst);
    cli_fact_number(facts, "available", state.available);
    cli_fact_real(facts, "next", (double)state.next_ns / 1e9);
    return KITH_OK;
}

kith_err
cli_facts_of(struct cli_facts *facts, kith_space *space, enum kith_kind kind, const char *name)
{
    switch (kind) {
    case KITH_KIND_DICT:
        return dict_facts(facts, space, name);
    case KITH_KIND_QUEUE:
        return queue_facts(facts, space, name);
    case KITH_KIND_LOCK:
    case KITH_KIND_RWLOCK:
        return lock_facts(facts, space, name);
    case KITH_KIND_EVENT:
        return event_facts(facts, space, name);
    case KITH_KIND_VALUE:
        return value_facts(facts, space, name);
    case KITH_KIND_ARRAY:
        return array_facts(facts, space, name);
    case KITH_KIND_SEMAPHORE:
        return semaphore_facts(facts, space, name);
    case KITH_KIND_BARRIER:
        return barrier_facts(facts, space, name);
    case KITH_KIND_ONCE:
        return once_facts(facts, space, name);
    case KITH_KIND_LIMITER:
        return limiter_facts(facts, space, name);
    default:
        return KITH_OK;
    }
}

int
cli_show(const struct cli *cli, enum kith_kind kind, const char *name)
{
    struct cli_facts facts = { .json = cli->json, .name = name };
    kith_space *space;
    int status = cli_open(cli, KITH_MUST_EXIST, &space);
    kith_err err;

    if (status != CLI_GO_ON)
        return status;
    err = cli_facts_of(&facts, space, kind, name);
    status = err < 0 ? cli_failed(err) : CLI_DONE;
    cli_facts_end(&facts);
    kith_close(space);
    return status;
}
