/*
 * dict_cache.c - a dict as a cache: what expires, what is computed once, what is waited for.
 */
#include <string.h>

#include "base/buf.h"
#include "object/handle.h"

static inline kith_err
outcome(const kith_dict *dict, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&dict->handle, err, told, NULL);
}

static kith_err
fail_ttl(const char *function, int64_t ttl_ns)
{
    return kith__fail(KITH_EINVAL, "%s was given a time to live of %lld ns; it has to be %s.",
                      function, (long long)ttl_ns, ttl_ns == 0 ? "more than that" : "positive");
}

/* ---- Time to live ----------------------------------------------------------------------- */

kith_err
kith_dict_set_with(kith_dict *dict, struct kith_item key, struct kith_item item,
                   const struct kith_dict_set_options *options)
{
    struct kith_dict_set_options whole = KITH_DICT_SET_OPTIONS_INIT;
    unsigned told = kith__told();
    kith_err err = kith__options_copy("kith_dict_set_with", options, &whole, sizeof(whole));

    if (err < 0)
        return err;
    if (dict == NULL)
        return kith__fail_null("kith_dict_set_with");
    if (whole.ttl_ns < 0)
        return fail_ttl("kith_dict_set_with", whole.ttl_ns);
    err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    return outcome(
        dict,
        dict->ops->edit(
            dict->handle.state, &key,
            &(struct kith__edit){ .what = KITH__EDIT_SWAP, .item = &item, .ttl_ns = whole.ttl_ns }),
        told);
}

kith_err
kith_dict_ttl(kith_dict *dict, struct kith_item key, int64_t *left_ns_out)
{
    unsigned told = kith__told();
    int64_t left;
    kith_err err;

    if (dict == NULL || left_ns_out == NULL)
        return kith__fail_null("kith_dict_ttl");
    err = dict->ops->get_stale(dict->handle.state, &key, NULL, &left);
    if (err == KITH_OK && left <= 0)
        err = KITH_ENOENT;
    if (err == KITH_OK)
        *left_ns_out = left == INT64_MAX ? KITH_FOREVER : left;
    return outcome(dict, err, told);
}

static kith_err
life(kith_dict *dict, const char *function, const struct kith_item *key, enum kith__life_what what,
     int64_t ttl_ns)
{
    unsigned told = kith__told();

    if (dict == NULL)
        return kith__fail_null(function);
    return outcome(dict, dict->ops->life(dict->handle.state, key, what, ttl_ns), told);
}

kith_err
kith_dict_expire(kith_dict *dict, struct kith_item key, int64_t ttl_ns)
{
    if (ttl_ns <= 0)
        return fail_ttl("kith_dict_expire", ttl_ns);
    return life(dict, "kith_dict_expire", &key, KITH__LIFE_EXPIRE, ttl_ns);
}

kith_err
kith_dict_persist(kith_dict *dict, struct kith_item key)
{
    return life(dict, "kith_dict_persist", &key, KITH__LIFE_PERSIST, 0);
}

kith_err
kith_dict_touch(kith_dict *dict, struct kith_item key)
{
    return life(dict, "kith_dict_touch", &key, KITH__LIFE_TOUCH, 0);
}

kith_err
kith_dict_get_stale(kith_dict *dict, struct kith_item key, struct kith_buf *item_out,
                    bool *stale_out)
{
    unsigned told = kith__told();
    int64_t left;
    kith_err err;

    if (dict == NULL)
        return kith__fail_null("kith_dict_get_stale");
    err = dict->ops->get_stale(dict->handle.state, &key, item_out, &left);
    if (err == KITH_OK && stale_out != NULL)
        *stale_out = left <= 0;
    return outcome(dict, err, told);
}

kith_err
kith_dict_purge(kith_dict *dict, uint64_t *count_out)
{
    unsigned told = kith__told();
    uint64_t count;
    kith_err err;

    if (dict == NULL)
        return kith__fail_null("kith_dict_purge");
    err = dict->ops->purge(dict->handle.state, &count);
    if (err == KITH_OK && count_out != NULL)
        *count_out = count;
    return outcome(dict, err, told);
}

/* ---- Computing once --------------------------------------------------------------------- */

struct computing {
    kith_dict *dict;
    const struct kith_item *key;
    kith_err (*compute)(struct kith_item key, struct kith_item *item_out, void *arg);
    void *arg;
    const struct kith_compute_options *options;
    struct kith_buf *out;
};

/* It is our turn, and the key was found missing before; the flight is ended by the caller. */
static kith_err
compute_and_set(const struct computing *c)
{
    void *state = c->dict->handle.state;
    struct kith_item item = { .type = KITH_TYPE_NONE };
    /* Whoever had the turn before us may have been done between our look and our turn. */
    kith_err err = c->dict->ops->get(state, c->key, c->out, NULL);

    if (err != KITH_ENOENT)
        return err;
    err = c->compute(*c->key, &item, c->arg);
    if (err == KITH_OK)
        err = kith__item_check_fast(&item);
    if (err < 0)
        return err;
    for (;;) {
        err = c->dict->ops->edit(state, c->key,
                                 &(struct kith__edit){ .what = KITH__EDIT_INSERT,
                                                       .item = &item,
                                                       .ttl_ns = c->options->ttl_ns });
        if (err != KITH_EEXIST)
            break;
        err = c->dict->ops->get(state, c->key, c->out, NULL); /* somebody set it: that wins */
        if (err != KITH_ENOENT)
            return err;
    }
    if ((err >= 0 || err == KITH_EFULL) && c->out != NULL) {
        kith_err copied = kith__buf_set(c->out, item);

        err = copied < 0 ? copied : err;
    }
    return err > 0 ? KITH_OK : err;
}

/* Another computes: what expired not too long ago will do.  KITH_ENOENT: there is none. */
static kith_err
serve_stale(const struct computing *c)
{
    int64_t left;
    kith_err err;

    if (c->options->stale_ns == 0)
        return KITH_ENOENT;
    err = c->dict->ops->get_stale(c->dict->handle.state, c->key, c->out, &left);
    return err == KITH_OK && left <= -c->options->stale_ns ? KITH_ENOENT : err;
}

/* The key was looked for, and is not there. */
static kith_err
compute_or_wait(const struct computing *c, int64_t deadline_ns)
{
    void *state = c->dict->handle.state;

    for (;;) {
        bool mine, late;
        kith_err err = c->dict->ops->flight_begin(
            state, c->key, c->options->stale_ns > 0 ? KITH__NO_WAIT : deadline_ns, &mine);

        if (err == KITH_ETIMEDOUT && c->options->stale_ns > 0) {
            err = serve_stale(c);
            if (err != KITH_ENOENT)
                return err;
            err = c->dict->ops->flight_begin(state, c->key, deadline_ns, &mine);
        }
        late = err == KITH_ETIMEDOUT;
        if (err < 0 && !late)
            return err;
        if (err == KITH_OK && mine) {
            kith_err ended;

            err = compute_and_set(c);
            ended = c->dict->ops->flight_end(state, c->key);
            return err < 0 || ended == KITH_OK ? err : ended;
        }
        err = c->dict->ops->get(state, c->key, c->out, NULL);
        if (err != KITH_ENOENT || late)
            return err == KITH_ENOENT ? KITH_ETIMEDOUT : err;
    }
}

/* Out of the way of a hit, which is most of what a cache is asked. */
static __attribute__((noinline)) kith_err
miss(const struct computing *c, int64_t timeout_ns, unsigned told)
{
    kith_err err = compute_or_wait(c, kith__deadline_ns(timeout_ns));

    if (err == KITH_EDEADLOCK)
        return kith__fail_outcome(&c->dict->handle, err, told,
                                  "\" has that key computed by this very thread, which asks for it "
                                  "again from inside.");
    return outcome(c->dict, err, told);
}

kith_err
kith_dict_get_or_compute(kith_dict *dict, struct kith_item key,
                         kith_err (*compute)(struct kith_item key, struct kith_item *item_out,
                                             void *arg),
                         void *arg, const struct kith_compute_options *options, int64_t timeout_ns,
                         struct kith_buf *item_out)
{
    struct kith_compute_options whole = KITH_COMPUTE_OPTIONS_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (options != NULL) {
        err = kith__options_copy("kith_dict_get_or_compute", options, &whole, sizeof(whole));
        if (err < 0)
            return err;
    }
    if (dict == NULL || compute == NULL)
        return kith__fail_null("kith_dict_get_or_compute");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_dict_get_or_compute", timeout_ns);
    if (whole.ttl_ns < 0 || whole.stale_ns < 0)
        return fail_ttl("kith_dict_get_or_compute",
                        whole.ttl_ns < 0 ? whole.ttl_ns : whole.stale_ns);
    err = dict->ops->get(dict->handle.state, &key, item_out, NULL);
    if (KITH__LIKELY(err != KITH_ENOENT))
        return outcome(dict, err, told);
    return miss(&(struct computing){ dict, &key, compute, arg, &whole, item_out }, timeout_ns,
                told);
}

/* ---- Updating, waiting, scanning -------------------------------------------------------- */

/* One try with what is there now.  KITH_ECONFLICT: somebody changed it meanwhile. */
static kith_err
update_once(kith_dict *dict, const struct kith_item *key, struct kith_buf *now,
            kith_err (*update)(const struct kith_item *now, struct kith_item *item_out, void *arg),
            void *arg)
{
    void *state = dict->handle.state;
    struct kith_item item = { .type = KITH_TYPE_NONE };
    struct kith__edit edit = { .item = &item, .ttl_ns = KITH__EDIT_KEEP_TTL };
    uint64_t version;
    kith_err err = dict->ops->get(state, key, now, &version), wanted;
    bool there = err == KITH_OK;

    if (err < 0 && err != KITH_ENOENT)
        return err;
    wanted = update(there ? &now->item : NULL, &item, arg);
    if (wanted < 0 && wanted != KITH_ENOENT)
        return wanted;
    if (wanted == KITH_ENOENT) {
        if (!there)
            return KITH_OK;
        edit.what = KITH__EDIT_DELETE_VERSION;
        edit.item = NULL;
        edit.version = version;
    } else {
        err = kith__item_check_fast(&item);
        if (err < 0)
            return err;
        edit.what = there ? KITH__EDIT_CAS_VERSION : KITH__EDIT_INSERT;
        edit.version = there ? version : 0;
    }
    err = dict->ops->edit(state, key, &edit);
    return err == KITH_EEXIST ? KITH_ECONFLICT : err;
}

kith_err
kith_dict_update(kith_dict *dict, struct kith_item key,
                 kith_err (*update)(const struct kith_item *now, struct kith_item *item_out,
                                    void *arg),
                 void *arg)
{
    struct kith_buf now = KITH_BUF_INIT;
    unsigned told = kith__told();
    kith_err err;

    if (dict == NULL || update == NULL)
        return kith__fail_null("kith_dict_update");
    do
        err = update_once(dict, &key, &now, update, arg); /* a conflict: another was done */
    while (err == KITH_ECONFLICT);
    kith_buf_free(&now);
    return outcome(dict, err, told);
}

kith_err
kith_dict_wait(kith_dict *dict, struct kith_item key, uint64_t version, int64_t timeout_ns,
               struct kith_buf *item_out, uint64_t *version_out)
{
    unsigned told = kith__told();
    uint64_t now;
    kith_err err;

    if (dict == NULL)
        return kith__fail_null("kith_dict_wait");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_dict_wait", timeout_ns);
    err = dict->ops->wait(dict->handle.state, &key, version, kith__deadline_ns(timeout_ns),
                          item_out, &now);
    if (err == KITH_OK && version_out != NULL)
        *version_out = now;
    return outcome(dict, err, told);
}

struct scanning {
    struct kith_item prefix;
    uint64_t left; /* UINT64_MAX: no limit */
    int (*each)(struct kith_item key, struct kith_item item, void *arg);
    void *arg;
};

static int
scan_one(struct kith_item key, struct kith_item item, void *arg)
{
    struct scanning *s = arg;
    int stop;

    if (key.type != s->prefix.type || key.size < s->prefix.size ||
        (s->prefix.size > 0 && memcmp(key.data, s->prefix.data, s->prefix.size) != 0))
        return 0;
    stop = s->each(key, item, s->arg);
    if (s->left != UINT64_MAX)
        s->left--;
    return stop != 0 || s->left == 0;
}

kith_err
kith_dict_scan(kith_dict *dict, struct kith_item prefix, uint64_t limit,
               int (*each)(struct kith_item key, struct kith_item item, void *arg), void *arg)
{
    struct scanning s = { prefix, limit == 0 ? UINT64_MAX : limit, each, arg };
    unsigned told = kith__told();

    if (dict == NULL || each == NULL)
        return kith__fail_null("kith_dict_scan");
    if (prefix.type != KITH_TYPE_STR && prefix.type != KITH_TYPE_BYTES)
        return kith__fail(KITH_EINVAL, "kith_dict_scan was given a prefix that is neither str nor "
                                       "bytes, which no key can begin with.");
    return outcome(dict, dict->ops->each(dict->handle.state, true, scan_one, &s), told);
}
