/*
 * cells.c - a value, or one item of an array, as the verbs get, set and add take it.
 *
 * A number is an int or a float; whatever else a cell has is its bytes.
 */
#include "cli.h"

#include <stdlib.h>
#include <string.h>

/* One of the two handles, and which item. */
struct cell {
    kith_value *value;
    kith_array *array;
    uint64_t index;
    size_t size;
};

static void
close_cell(struct cell *cell)
{
    kith_value_close(cell->value);
    kith_array_close(cell->array);
}

/* A negative index counts from the end.  KITH_ENOENT: the array has no such item. */
static kith_err
find_item(struct cell *cell, struct kith_item key)
{
    struct kith_array_info info = KITH_ARRAY_INFO_INIT;
    kith_err err = kith_array_info(cell->array, &info);

    if (err < 0)
        return err;
    cell->size = info.size;
    if (key.type != KITH_TYPE_INT)
        return KITH_ENOENT;
    cell->index = (uint64_t)key.integer;
    if (key.integer < 0)
        cell->index += info.count;
    return cell->index < info.count ? KITH_OK : KITH_ENOENT;
}

static kith_err
open_cell(kith_space *space, enum kith_kind kind, const char *name, struct kith_item key,
          struct cell *cell)
{
    struct kith_value_options value_options = KITH_VALUE_OPTIONS_INIT;
    struct kith_array_options array_options = KITH_ARRAY_OPTIONS_INIT;
    struct kith_value_info info = KITH_VALUE_INFO_INIT;
    kith_err err;

    memset(cell, 0, sizeof *cell);
    value_options.create = array_options.create = KITH_MUST_EXIST;
    if (kind == KITH_KIND_ARRAY) {
        err = kith_array_open(space, name, &array_options, &cell->array);
        if (err == KITH_OK)
            err = find_item(cell, key);
    } else {
        err = kith_value_open(space, name, &value_options, &cell->value);
        if (err == KITH_OK)
            err = kith_value_info(cell->value, &info);
        cell->size = info.size;
    }
    if (err < 0)
        close_cell(cell);
    return err;
}

static kith_err
get_cell(struct cell *cell, struct kith_item *item_out, void **memory_out)
{
    int64_t integer = 0;
    double real = 0;
    kith_err err = cell->value != NULL ? kith_value_get_int(cell->value, &integer)
                                       : kith_array_get_int(cell->array, cell->index, &integer);

    *item_out = kith_int(integer);
    if (err != KITH_ETYPE)
        return err;
    err = cell->value != NULL ? kith_value_get_float(cell->value, &real)
                              : kith_array_get_float(cell->array, cell->index, &real);
    *item_out = kith_float(real);
    if (err != KITH_ETYPE)
        return err;
    *memory_out = malloc(cell->size);
    if (*memory_out == NULL)
        return KITH_ENOMEM;
    *item_out = kith_bytes(*memory_out, cell->size);
    return cell->value != NULL ? kith_value_get(cell->value, *memory_out, cell->size)
                               : kith_array_get(cell->array, cell->index, *memory_out, cell->size);
}

static kith_err
set_cell(struct cell *cell, struct kith_item item)
{
    double real = item.type == KITH_TYPE_INT ? (double)item.integer : item.real;
    kith_err err = KITH_ETYPE;

    if (item.type == KITH_TYPE_STR || item.type == KITH_TYPE_BYTES)
        return cell->value != NULL ? kith_value_set(cell->value, item.data, item.size)
                                   : kith_array_set(cell->array, cell->index, item.data, item.size);
    if (item.type == KITH_TYPE_INT)
        err = cell->value != NULL ? kith_value_set_int(cell->value, item.integer)
                                  : kith_array_set_int(cell->array, cell->index, item.integer);
    if (err == KITH_ETYPE)
        err = cell->value != NULL ? kith_value_set_float(cell->value, real)
                                  : kith_array_set_float(cell->array, cell->index, real);
    return err;
}

static kith_err
add_to_cell(struct cell *cell, struct kith_item number, struct kith_item *sum_out)
{
    double real = number.type == KITH_TYPE_INT ? (double)number.integer : number.real;
    int64_t integer = 0;
    kith_err err = KITH_ETYPE;

    if (number.type == KITH_TYPE_INT)
        err = cell->value != NULL
                  ? kith_value_add(cell->value, number.integer, &integer)
                  : kith_array_add(cell->array, cell->index, number.integer, &integer);
    *sum_out = kith_int(integer);
    if (err != KITH_ETYPE)
        return err;
    err = cell->value != NULL ? kith_value_add_float(cell->value, real, &real)
                              : kith_array_add_float(cell->array, cell->index, real, &real);
    *sum_out = kith_float(real);
    return err;
}

bool
cli_is_cell(enum kith_kind kind)
{
    return kind == KITH_KIND_VALUE || kind == KITH_KIND_ARRAY;
}

kith_err
cli_cell_make(kith_space *space, const char *name, uint64_t count, struct kith_item like)
{
    struct kith_value_options value_options = KITH_VALUE_OPTIONS_INIT;
    struct kith_array_options array_options = KITH_ARRAY_OPTIONS_INIT;
    kith_value *value = NULL;
    kith_array *array = NULL;
    kith_err err;

    value_options.type = array_options.type = like.type == KITH_TYPE_FLOAT ? 'd' : 'q';
    array_options.count = count;
    err = count == 0 ? kith_value_open(space, name, &value_options, &value)
                     : kith_array_open(space, name, &array_options, &array);
    kith_value_close(value);
    kith_array_close(array);
    return err;
}

kith_err
cli_cell_get(kith_space *space, enum kith_kind kind, const char *name, struct kith_item key,
             struct kith_item *item_out, void **memory_out)
{
    struct cell cell;
    kith_err err = open_cell(space, kind, name, key, &cell);

    if (err < 0)
        return err;
    err = get_cell(&cell, item_out, memory_out);
    close_cell(&cell);
    return err;
}

kith_err
cli_cell_set(kith_space *space, enum kith_kind kind, const char *name, struct kith_item key,
             struct kith_item item)
{
    struct cell cell;
    kith_err err = open_cell(space, kind, name, key, &cell);

    if (err < 0)
        return err;
    err = set_cell(&cell, item);
    close_cell(&cell);
    return err;
}

kith_err
cli_cell_add(kith_space *space, enum kith_kind kind, const char *name, struct kith_item key,
             struct kith_item number, struct kith_item *sum_out)
{
    struct cell cell;
    kith_err err = open_cell(space, kind, name, key, &cell);

    if (err < 0)
        return err;
    err = add_to_cell(&cell, number, sum_out);
    close_cell(&cell);
    return err;
}
