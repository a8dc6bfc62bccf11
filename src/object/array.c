/*
 * array.c - a fixed run of typed items shared by processes.
 */
#include <kith/array.h>

#include "base/alloc.h"
#include "object/view.h"

/* Bytes of a structure at most: an item is written by one record. */
#define ITEM_SIZE_MAX 24576u

/* ---- Opening -------------------------------------------------------------------------- */

static kith_err
check_shape(const struct kith_array_options *options, struct kith__array_shape *shape)
{
    kith_err err = kith__type_of("kith_array_open", options->type, options->size, &shape->type);

    if (err < 0)
        return err;
    shape->count = options->count;
    if (shape->type.size > ITEM_SIZE_MAX)
        return kith__fail(KITH_ETOOBIG,
                          "An item of an array has %u bytes at most, and kith_array_open() was "
                          "given %u: take a segment.",
                          ITEM_SIZE_MAX, shape->type.size);
    if (shape->count > (UINT64_C(1) << 46) / shape->type.size)
        return kith__fail(KITH_ETOOBIG, "%llu items of %u bytes are more than any space holds.",
                          (unsigned long long)shape->count, shape->type.size);
    return KITH_OK;
}

kith_err
kith_array_open(kith_space *space, const char *name, const struct kith_array_options *options,
                kith_array **array_out)
{
    struct kith_array_options whole = KITH_ARRAY_OPTIONS_INIT;
    struct kith__array_shape shape;
    kith_array *array;
    void *state;
    kith_err err =
        kith__open_check("kith_array_open", space, name, array_out, options, &whole, sizeof(whole));

    if (err == KITH_OK)
        err = check_shape(&whole, &shape);
    if (err < 0)
        return err;
    array = kith__handle_new(sizeof(*array));
    if (array == NULL)
        return KITH_ENOMEM;
    array->ops = space->engine->array;
    err = array->ops->open(space->state, name, whole.create, &shape, whole.initial, &state,
                           &array->shape);
    if (err < 0) {
        kith__free(array);
        return err;
    }
    kith__handle_init(&array->handle, space, KITH_KIND_ARRAY, name, state);
    *array_out = array;
    return KITH_OK;
}

void
kith_array_close(kith_array *array)
{
    if (array == NULL || !kith__handle_drop(&array->handle))
        return;
    array->ops->close(array->handle.state);
    kith__space_release(array->handle.space);
    kith__free(array);
}

kith_err
kith_array_info(kith_array *array, struct kith_array_info *info_out)
{
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    kith_err err;

    if (array == NULL || info_out == NULL)
        return kith__fail_null("kith_array_info");
    err = kith__info_check("kith_array_info", info_out);
    if (err < 0)
        return err;
    info.type = array->shape.type.code;
    info.size = array->shape.type.size;
    info.count = array->shape.count;
    kith__info_copy(&info, info_out, sizeof(info));
    return KITH_OK;
}

kith_err
kith_array_len(kith_array *array, uint64_t *count_out)
{
    if (array == NULL || count_out == NULL)
        return kith__fail_null("kith_array_len");
    *count_out = array->shape.count;
    return KITH_OK;
}

/* ---- One item ------------------------------------------------------------------------- */

static kith_err
outcome(const kith_array *array, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&array->handle, err, told, NULL);
}

static kith_err
check_index(const char *function, const kith_array *array, uint64_t index)
{
    if (KITH__LIKELY(index < array->shape.count))
        return KITH_OK;
    return kith__fail(KITH_EINVAL,
                      "The array \"%s\" has %llu items, and %s() was given index %llu.",
                      array->handle.name, (unsigned long long)array->shape.count, function,
                      (unsigned long long)index);
}

static kith_err
check_size(const char *function, const kith_array *array, uint64_t count, size_t size)
{
    if (KITH__LIKELY(size == count * array->shape.type.size))
        return KITH_OK;
    return kith__fail(KITH_EINVAL,
                      "%llu items of the array \"%s\" have %llu bytes, and %s() was given %zu.",
                      (unsigned long long)count, array->handle.name,
                      (unsigned long long)(count * array->shape.type.size), function, size);
}

static kith_err
check_item(const char *function, const kith_array *array, uint64_t index, const void *data,
           size_t size)
{
    kith_err err;

    if (array == NULL || data == NULL)
        return kith__fail_null(function);
    err = check_index(function, array, index);
    return err < 0 ? err : check_size(function, array, 1, size);
}

kith_err
kith_array_get(kith_array *array, uint64_t index, void *data_out, size_t size)
{
    const struct kith__array_slice one = { index, 1, 1 };
    unsigned told = kith__told();
    kith_err err = check_item("kith_array_get", array, index, data_out, size);

    return err < 0 ? err
                   : outcome(array, array->ops->get(array->handle.state, &one, data_out), told);
}

kith_err
kith_array_set(kith_array *array, uint64_t index, const void *data, size_t size)
{
    const struct kith__array_slice one = { index, 1, 1 };
    unsigned told = kith__told();
    kith_err err = check_item("kith_array_set", array, index, data, size);

    return err < 0 ? err : outcome(array, array->ops->set(array->handle.state, &one, data), told);
}

kith_err
kith_array_cas(kith_array *array, uint64_t index, const void *expected, const void *data,
               size_t size)
{
    unsigned told = kith__told();
    kith_err err = check_item("kith_array_cas", array, index, data, size);

    if (err < 0)
        return err;
    if (expected == NULL)
        return kith__fail_null("kith_array_cas");
    return outcome(array, array->ops->cas(array->handle.state, index, expected, data), told);
}

static kith_err
check_number(const char *function, const kith_array *array, uint64_t index, enum kith__math what,
             bool real)
{
    static const char *const classes[] = { "structures", "ints",  "ints",
                                           "floats",     "bools", "characters" };

    if (array == NULL)
        return kith__fail_null(function);
    if (!kith__scalar_takes(&array->shape.type, what, real))
        return kith__fail(KITH_ETYPE, "The array \"%s\" is of %s, which %s() does not take.",
                          array->handle.name, classes[array->shape.type.class], function);
    return check_index(function, array, index);
}

static kith_err
load(const char *function, kith_array *array, uint64_t index, bool real, const void *n_out,
     uint64_t *number_out)
{
    const struct kith__array_slice one = { index, 1, 1 };
    unsigned told = kith__told();
    uint64_t bits = 0;
    kith_err err = check_number(function, array, index, KITH__MATH_SET, real);

    if (err < 0)
        return err;
    if (n_out == NULL)
        return kith__fail_null(function);
    err = array->ops->get(array->handle.state, &one, &bits);
    *number_out = kith__scalar_number(&array->shape.type, bits);
    return outcome(array, err, told);
}

static kith_err
update(const char *function, kith_array *array, uint64_t index, enum kith__math what, bool real,
       uint64_t n, uint64_t *now_out)
{
    unsigned told = kith__told();
    kith_err err = check_number(function, array, index, what, real);
    uint64_t now = 0;

    if (err < 0)
        return err;
    err = array->ops->update(array->handle.state, index, what, n, &now);
    if (err == KITH_OK && now_out != NULL)
        *now_out = kith__scalar_number(&array->shape.type, now);
    return outcome(array, err, told);
}

kith_err
kith_array_get_int(kith_array *array, uint64_t index, int64_t *n_out)
{
    uint64_t number = 0;
    kith_err err = load("kith_array_get_int", array, index, false, n_out, &number);

    if (err == KITH_OK)
        *n_out = (int64_t)number;
    return err;
}

kith_err
kith_array_get_float(kith_array *array, uint64_t index, double *n_out)
{
    uint64_t number = 0;
    kith_err err = load("kith_array_get_float", array, index, true, n_out, &number);

    if (err == KITH_OK)
        *n_out = kith__bits_real(number);
    return err;
}

kith_err
kith_array_set_int(kith_array *array, uint64_t index, int64_t n)
{
    return update("kith_array_set_int", array, index, KITH__MATH_SET, false, (uint64_t)n, NULL);
}

kith_err
kith_array_set_float(kith_array *array, uint64_t index, double n)
{
    return update("kith_array_set_float", array, index, KITH__MATH_SET, true, kith__real_bits(n),
                  NULL);
}

kith_err
kith_array_add(kith_array *array, uint64_t index, int64_t n, int64_t *now_out)
{
    return update("kith_array_add", array, index, KITH__MATH_ADD, false, (uint64_t)n,
                  (uint64_t *)now_out);
}

kith_err
kith_array_add_float(kith_array *array, uint64_t index, double n, double *now_out)
{
    uint64_t now = 0;
    kith_err err = update("kith_array_add_float", array, index, KITH__MATH_ADD, true,
                          kith__real_bits(n), &now);

    if (err == KITH_OK && now_out != NULL)
        *now_out = kith__bits_real(now);
    return err;
}

/* ---- Slices --------------------------------------------------------------------------- */

/* Whether all items of the slice are in the array. */
static bool
slice_fits(uint64_t items, uint64_t start, int64_t step, uint64_t count)
{
    uint64_t stride = step < 0 ? 0 - (uint64_t)step : (uint64_t)step, span;

    if (count == 0)
        return start <= items;
    if (start >= items || __builtin_mul_overflow(stride, count - 1, &span))
        return false;
    return step < 0 ? span <= start : span < items - start;
}

static kith_err
check_slice(const char *function, const kith_array *array, uint64_t start, int64_t step,
            uint64_t count, const void *data, size_t size)
{
    if (array == NULL || (data == NULL && count > 0))
        return kith__fail_null(function);
    if (step == 0)
        return kith__fail(KITH_EINVAL, "The step of a slice is not 0, and %s() was given that.",
                          function);
    if (!slice_fits(array->shape.count, start, step, count))
        return kith__fail(KITH_EINVAL,
                          "The array \"%s\" has %llu items, and %s() was given %llu from %llu on "
                          "by steps of %lld.",
                          array->handle.name, (unsigned long long)array->shape.count, function,
                          (unsigned long long)count, (unsigned long long)start, (long long)step);
    return check_size(function, array, count, size);
}

kith_err
kith_array_get_slice(kith_array *array, uint64_t start, int64_t step, uint64_t count,
                     void *data_out, size_t size)
{
    const struct kith__array_slice slice = { start, step, count };
    unsigned told = kith__told();
    kith_err err = check_slice("kith_array_get_slice", array, start, step, count, data_out, size);

    return err < 0 ? err
                   : outcome(array, array->ops->get(array->handle.state, &slice, data_out), told);
}

kith_err
kith_array_set_slice(kith_array *array, uint64_t start, int64_t step, uint64_t count,
                     const void *data, size_t size)
{
    const struct kith__array_slice slice = { start, step, count };
    unsigned told = kith__told();
    kith_err err = check_slice("kith_array_set_slice", array, start, step, count, data, size);

    return err < 0 ? err : outcome(array, array->ops->set(array->handle.state, &slice, data), told);
}

/* ---- The whole ------------------------------------------------------------------------ */

static kith_err
make_view(kith_array *array, kith_err (*fill)(void *array, struct kith__view *view_out),
          kith_view **view_out, unsigned told)
{
    kith_view *view = kith__view_new(array->handle.space);
    kith_err err;

    if (view == NULL)
        return KITH_ENOMEM;
    err = fill(array->handle.state, &view->view);
    if (err < 0) {
        kith__view_discard(view);
        return outcome(array, err, told);
    }
    *view_out = view;
    return KITH_OK;
}

kith_err
kith_array_view(kith_array *array, kith_view **view_out)
{
    if (array == NULL || view_out == NULL)
        return kith__fail_null("kith_array_view");
    return make_view(array, array->ops->view, view_out, kith__told());
}

kith_err
kith_array_stage(kith_array *array, kith_view **view_out)
{
    if (array == NULL || view_out == NULL)
        return kith__fail_null("kith_array_stage");
    return make_view(array, array->ops->stage, view_out, kith__told());
}

kith_err
kith_array_publish(kith_array *array, const void *data, size_t size)
{
    unsigned told = kith__told();
    kith_err err;

    if (array == NULL || (data == NULL && size > 0))
        return kith__fail_null("kith_array_publish");
    err = check_size("kith_array_publish", array, array->shape.count, size);
    return err < 0 ? err : outcome(array, array->ops->publish(array->handle.state, data), told);
}

kith_err
kith_array_publish_staged(kith_array *array, kith_view *view)
{
    unsigned told = kith__told();
    kith_err err;

    if (array == NULL || view == NULL)
        return kith__fail_null("kith_array_publish_staged");
    if (view->view.staged == 0 || view->space != array->handle.space)
        return kith__fail(
            KITH_EINVAL, "kith_array_publish_staged() was given a view that was not staged, or was "
                         "published already.");
    err = array->ops->publish_staged(array->handle.state, &view->view);
    if (err == KITH_EINVAL)
        return kith__fail(err, "kith_array_publish_staged() was given a view that was staged for "
                               "another array, or by this process's parent.");
    return outcome(array, err, told);
}

/* ---- Its lock ------------------------------------------------------------------------- */

kith_err
kith_array_lock(kith_array *array, int64_t timeout_ns)
{
    unsigned told = kith__told();

    if (array == NULL)
        return kith__fail_null("kith_array_lock");
    if (timeout_ns < KITH_FOREVER)
        return kith__fail_timeout("kith_array_lock", timeout_ns);
    return outcome(array, array->ops->lock(array->handle.state, kith__deadline_ns(timeout_ns)),
                   told);
}

kith_err
kith_array_unlock(kith_array *array)
{
    unsigned told = kith__told();

    if (array == NULL)
        return kith__fail_null("kith_array_unlock");
    return outcome(array, array->ops->unlock(array->handle.state), told);
}

kith_err
kith_array_owner(kith_array *array, struct kith_owner *owner_out)
{
    unsigned told = kith__told();

    if (array == NULL || owner_out == NULL)
        return kith__fail_null("kith_array_owner");
    return outcome(array, array->ops->owner(array->handle.state, owner_out), told);
}
