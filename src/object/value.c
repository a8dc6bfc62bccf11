/*
 * value.c - one typed number, character or structure shared by processes.
 */
#include <assert.h>
#include <kith/value.h>

#include "base/alloc.h"
#include "object/handle.h"

static_assert(KITH_VALUE_SIZE_MAX == 24576, "what the arena takes as one small block");

/* ---- Opening -------------------------------------------------------------------------- */

kith_err
kith__type_of(const char *function, char code, size_t size, struct kith__scalar *type_out)
{
    const struct kith__scalar *scalar;

    if (code == 0 && size == 0)
        code = 'q';
    if (code == 0) {
        *type_out = (struct kith__scalar){ 0, KITH__SCALAR_PLAIN, (uint32_t)size };
        return size <= UINT32_MAX ? KITH_OK
                                  : kith__fail(KITH_ETOOBIG,
                                               "%s() was given a structure of %zu "
                                               "bytes.",
                                               function, size);
    }
    scalar = kith__scalar_of(code);
    if (scalar == NULL)
        return kith__fail(KITH_EINVAL,
                          "%s() was given the type '%c' (%u), which is none: types are b B h H i I "
                          "l L q Q f d ? c u, and 0 for a structure.",
                          function, code >= ' ' && code <= '~' ? code : '?', (unsigned char)code);
    if (size != 0 && size != scalar->size)
        return kith__fail(KITH_EINVAL,
                          "%s() was given %zu bytes for the type '%c', which has %u of them.",
                          function, size, code, scalar->size);
    *type_out = *scalar;
    return KITH_OK;
}

kith_err
kith_value_open(kith_space *space, const char *name, const struct kith_value_options *options,
                kith_value **value_out)
{
    struct kith_value_options whole = KITH_VALUE_OPTIONS_INIT;
    struct kith__value_shape shape;
    kith_value *value;
    void *state;
    kith_err err =
        kith__open_check("kith_value_open", space, name, value_out, options, &whole, sizeof(whole));

    if (err == KITH_OK)
        err = kith__type_of("kith_value_open", whole.type, whole.size, &shape.type);
    if (err < 0)
        return err;
    shape.transactional = whole.transactional;
    if (shape.type.size > KITH_VALUE_SIZE_MAX)
        return kith__fail(KITH_ETOOBIG,
                          "A value has %d bytes at most, and kith_value_open() was given %u: take "
                          "an array or a segment.",
                          KITH_VALUE_SIZE_MAX, shape.type.size);
    value = kith__handle_new(sizeof(*value));
    if (value == NULL)
        return KITH_ENOMEM;
    value->ops = space->engine->value;
    err = value->ops->open(space->state, name, whole.create, &shape, whole.initial, &state,
                           &value->shape);
    if (err < 0) {
        kith__free(value);
        return err;
    }
    value->is_counter =
        value->shape.type.class == KITH__SCALAR_SIGNED && value->shape.type.size == 8;
    value->abilities = kith__scalar_abilities(&value->shape.type);
    kith__handle_init(&value->handle, space, KITH_KIND_VALUE, name, state);
    *value_out = value;
    return KITH_OK;
}

void
kith_value_close(kith_value *value)
{
    if (value == NULL || !kith__handle_drop(&value->handle))
        return;
    value->ops->close(value->handle.state);
    kith__space_release(value->handle.space);
    kith__free(value);
}

kith_err
kith_value_info(kith_value *value, struct kith_value_info *info_out)
{
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    kith_err err;

    if (value == NULL || info_out == NULL)
        return kith__fail_null("kith_value_info");
    err = kith__info_check("kith_value_info", info_out);
    if (err < 0)
        return err;
    info.type = value->shape.type.code;
    info.transactional = value->shape.transactional;
    info.size = value->shape.type.size;
    kith__info_copy(&info, info_out, sizeof(info));
    return KITH_OK;
}

/* ---- Of any type ---------------------------------------------------------------------- */

static kith_err
outcome(const kith_value *value, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&value->handle, err, told, NULL);
}

static kith_err
wrong_size(const char *function, const kith_value *value, size_t size)
{
    return kith__fail(KITH_EINVAL, "The value \"%s\" has %u bytes, and %s() was given %zu.",
                      value->handle.name, value->shape.type.size, function, size);
}

static bool
is_plain(const kith_value *value)
{
    return value->shape.type.class == KITH__SCALAR_PLAIN;
}

kith_err
kith_value_get(kith_value *value, void *data_out, size_t size)
{
    unsigned told = kith__told();
    uint64_t bits;
    kith_err err;

    if (value == NULL || data_out == NULL)
        return kith__fail_null("kith_value_get");
    if (size != value->shape.type.size)
        return wrong_size("kith_value_get", value, size);
    if (is_plain(value))
        return outcome(value, value->ops->read(value->handle.state, data_out), told);
    err = value->ops->load(value->handle.state, &bits);
    if (err == KITH_OK)
        memcpy(data_out, &bits, size);
    return outcome(value, err, told);
}

/* Bits are set as they are by adding them to nothing: an int as such, a float as a double. */
static uint64_t
number_of(const kith_value *value, const void *data)
{
    return kith__scalar_number(&value->shape.type, kith__scalar_bits(&value->shape.type, data));
}

static kith_err
exchange(kith_value *value, const void *data, void *old_out)
{
    uint64_t bits, seen;
    kith_err err;

    if (is_plain(value))
        return value->ops->write(value->handle.state, NULL, data, old_out);
    if (value->shape.type.class == KITH__SCALAR_FLOAT || value->shape.type.code == 'u') {
        /* Any bits, NaNs and numbers that are no code points too, which no number stands for. */
        bits = kith__scalar_bits(&value->shape.type, data);
        do {
            err = value->ops->load(value->handle.state, &seen);
            if (err == KITH_OK)
                err = value->ops->cas(value->handle.state, seen, bits);
        } while (err == KITH_ECONFLICT);
    } else {
        err = value->ops->update(value->handle.state, KITH__MATH_SET, number_of(value, data), &seen,
                                 NULL);
    }
    if (err == KITH_OK && old_out != NULL)
        memcpy(old_out, &seen, value->shape.type.size);
    return err;
}

kith_err
kith_value_set(kith_value *value, const void *data, size_t size)
{
    unsigned told = kith__told();

    if (value == NULL || data == NULL)
        return kith__fail_null("kith_value_set");
    if (size != value->shape.type.size)
        return wrong_size("kith_value_set", value, size);
    return outcome(value, exchange(value, data, NULL), told);
}

kith_err
kith_value_exchange(kith_value *value, const void *data, void *old_out, size_t size)
{
    unsigned told = kith__told();

    if (value == NULL || data == NULL)
        return kith__fail_null("kith_value_exchange");
    if (size != value->shape.type.size)
        return wrong_size("kith_value_exchange", value, size);
    return outcome(value, exchange(value, data, old_out), told);
}

kith_err
kith_value_cas(kith_value *value, const void *expected, const void *data, size_t size)
{
    unsigned told = kith__told();

    if (value == NULL || expected == NULL || data == NULL)
        return kith__fail_null("kith_value_cas");
    if (size != value->shape.type.size)
        return wrong_size("kith_value_cas", value, size);
    if (is_plain(value))
        return outcome(value, value->ops->write(value->handle.state, expected, data, NULL), told);
    return outcome(value,
                   value->ops->cas(value->handle.state,
                                   kith__scalar_bits(&value->shape.type, expected),
                                   kith__scalar_bits(&value->shape.type, data)),
                   told);
}

kith_err
kith_value_wait(kith_value *value, const void *old, size_t size, int64_t timeout_ns)
{
    unsigned told = kith__told();
    uint64_t bits;

    if (value == NULL || old == NULL)
        return kith__fail_null("kith_value_wait");
    if (size != value->shape.type.size)
        return wrong_size("kith_value_wait", value, size);
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_value_wait", timeout_ns);
    if (!is_plain(value)) {
        bits = kith__scalar_bits(&value->shape.type, old);
        old = &bits;
    }
    return outcome(value, value->ops->wait(value->handle.state, old, kith__deadline_ns(timeout_ns)),
                   told);
}

/* ---- Numbers -------------------------------------------------------------------------- */

static __attribute__((cold)) kith_err
wrong_type(const char *function, const kith_value *value)
{
    static const char *const classes[] = { "structures", "ints",  "ints",
                                           "floats",     "bools", "characters" };

    return kith__fail(KITH_ETYPE, "The value \"%s\" is of the %s, which %s() does not take.",
                      value->handle.name, classes[value->shape.type.class], function);
}

static inline bool
takes(const kith_value *value, enum kith__math what, bool real)
{
    return (value->abilities >> ((unsigned)what + (real ? 8u : 0u)) & 1) != 0;
}

static inline kith_err
load(const char *function, kith_value *value, void *n_out, bool real, uint64_t *number_out)
{
    unsigned told = kith__told();
    uint64_t bits;
    kith_err err;

    if (value == NULL || n_out == NULL)
        return kith__fail_null(function);
    if (!KITH__LIKELY(takes(value, KITH__MATH_SET, real)))
        return wrong_type(function, value);
    err = value->ops->load(value->handle.state, &bits);
    if (!KITH__LIKELY(err == KITH_OK))
        return outcome(value, err, told);
    *number_out = kith__scalar_number(&value->shape.type, bits);
    return KITH_OK;
}

/* *old_out and *now_out become numbers; either may be NULL. */
static inline kith_err
update(const char *function, kith_value *value, enum kith__math what, bool real, uint64_t n,
       uint64_t *old_out, uint64_t *now_out)
{
    unsigned told = kith__told();
    uint64_t old, now;
    kith_err err;

    if (value == NULL)
        return kith__fail_null(function);
    if (!KITH__LIKELY(takes(value, what, real)))
        return wrong_type(function, value);
    err = value->ops->update(value->handle.state, what, n, &old, &now);
    if (!KITH__LIKELY(err == KITH_OK))
        return outcome(value, err, told);
    if (old_out != NULL)
        *old_out = kith__scalar_number(&value->shape.type, old);
    if (now_out != NULL)
        *now_out = kith__scalar_number(&value->shape.type, now);
    return KITH_OK;
}

kith_err
kith_value_get_int(kith_value *value, int64_t *n_out)
{
    return load("kith_value_get_int", value, n_out, false, (uint64_t *)n_out);
}

kith_err
kith_value_set_int(kith_value *value, int64_t n)
{
    return update("kith_value_set_int", value, KITH__MATH_SET, false, (uint64_t)n, NULL, NULL);
}

kith_err
kith_value_exchange_int(kith_value *value, int64_t n, int64_t *old_out)
{
    return update("kith_value_exchange_int", value, KITH__MATH_SET, false, (uint64_t)n,
                  (uint64_t *)old_out, NULL);
}

kith_err
kith_value_cas_int(kith_value *value, int64_t expected, int64_t n)
{
    unsigned told = kith__told();
    const struct kith__scalar *type;
    uint64_t from, to;

    if (value == NULL)
        return kith__fail_null("kith_value_cas_int");
    type = &value->shape.type;
    if (!takes(value, KITH__MATH_SET, false))
        return wrong_type("kith_value_cas_int", value);
    if (kith__scalar_apply(type, KITH__MATH_SET, 0, (uint64_t)n, &to) < 0)
        return outcome(value, KITH_ERANGE, told);
    if (kith__scalar_apply(type, KITH__MATH_SET, 0, (uint64_t)expected, &from) < 0)
        return outcome(value, KITH_ECONFLICT, told); /* what it cannot be it is not */
    return outcome(value, value->ops->cas(value->handle.state, from, to), told);
}

static __attribute__((noinline)) kith_err
add_to_any(kith_value *value, int64_t n, int64_t *now_out)
{
    return update("kith_value_add", value, KITH__MATH_ADD, false, (uint64_t)n, NULL,
                  (uint64_t *)now_out);
}

kith_err
kith_value_add(kith_value *value, int64_t n, int64_t *now_out)
{
    unsigned told;

    if (!KITH__LIKELY(value != NULL && value->is_counter))
        return add_to_any(value, n, now_out);
    told = kith__told();
    return outcome(value, value->ops->add(value->handle.state, n, now_out), told);
}

#define INT_OPERATION(verb, what)                                                                  \
    kith_err kith_value_##verb(kith_value *value, int64_t n, int64_t *now_out)                     \
    {                                                                                              \
        return update("kith_value_" #verb, value, what, false, (uint64_t)n, NULL,                  \
                      (uint64_t *)now_out);                                                        \
    }

INT_OPERATION(sub, KITH__MATH_SUB)
INT_OPERATION(and, KITH__MATH_AND)
INT_OPERATION(or, KITH__MATH_OR)
INT_OPERATION(xor, KITH__MATH_XOR)
INT_OPERATION(min, KITH__MATH_MIN)
INT_OPERATION(max, KITH__MATH_MAX)

/* ---- Floats --------------------------------------------------------------------------- */

kith_err
kith_value_get_float(kith_value *value, double *n_out)
{
    uint64_t number = 0;
    kith_err err = load("kith_value_get_float", value, n_out, true, &number);

    if (err == KITH_OK)
        *n_out = kith__bits_real(number);
    return err;
}

static kith_err
update_float(const char *function, kith_value *value, enum kith__math what, double n,
             double *old_out, double *now_out)
{
    uint64_t old = 0, now = 0;
    kith_err err = update(function, value, what, true, kith__real_bits(n), &old, &now);

    if (err == KITH_OK && old_out != NULL)
        *old_out = kith__bits_real(old);
    if (err == KITH_OK && now_out != NULL)
        *now_out = kith__bits_real(now);
    return err;
}

kith_err
kith_value_set_float(kith_value *value, double n)
{
    return update_float("kith_value_set_float", value, KITH__MATH_SET, n, NULL, NULL);
}

kith_err
kith_value_exchange_float(kith_value *value, double n, double *old_out)
{
    return update_float("kith_value_exchange_float", value, KITH__MATH_SET, n, old_out, NULL);
}

kith_err
kith_value_add_float(kith_value *value, double n, double *now_out)
{
    return update_float("kith_value_add_float", value, KITH__MATH_ADD, n, NULL, now_out);
}

kith_err
kith_value_sub_float(kith_value *value, double n, double *now_out)
{
    return update_float("kith_value_sub_float", value, KITH__MATH_SUB, n, NULL, now_out);
}

kith_err
kith_value_min_float(kith_value *value, double n, double *now_out)
{
    return update_float("kith_value_min_float", value, KITH__MATH_MIN, n, NULL, now_out);
}

kith_err
kith_value_max_float(kith_value *value, double n, double *now_out)
{
    return update_float("kith_value_max_float", value, KITH__MATH_MAX, n, NULL, now_out);
}
