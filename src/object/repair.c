/*
 * repair.c - a space that breaks invariants, made anew from what can be read of it.
 *
 * The engine keeps others out and makes an empty space beside the broken one; what can be had of
 * each object is dumped into memory, loaded there, and checked; then the engine puts the new space
 * in the place of the old one.  So a repair builds nothing but by the usual operations, and dies
 * like any other process.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "object/dump.h"

struct repair {
    kith_space *broken, *fresh;
    int (*each)(const char *sentence, void *arg);
    void *arg;
    bool stopped; /* `each` wants no more */
    struct kith__name *names;
    size_t count, room;
    uint8_t *bytes; /* of the dump */
    size_t size, bytes_room;
    uint64_t lost; /* objects */
    bool failed;   /* no memory */
};

__attribute__((format(printf, 2, 3))) static void
tell(struct repair *repair, const char *format, ...)
{
    char sentence[KITH__SENTENCE_SIZE_MAX];
    va_list arguments;

    if (repair->each == NULL || repair->stopped)
        return;
    va_start(arguments, format);
    (void)vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    repair->stopped = repair->each(sentence, repair->arg) != 0;
}

/* ---- Names ------------------------------------------------------------------------------ */

static int
take_name(const char *name, enum kith_kind kind, void *arg)
{
    struct repair *repair = arg;

    if (repair->count == repair->room) {
        size_t room = repair->room == 0 ? 16 : 2 * repair->room;
        struct kith__name *larger = kith__realloc(repair->names, room * sizeof *larger);

        if (larger == NULL) {
            repair->failed = true;
            return 1;
        }
        repair->names = larger;
        repair->room = room;
    }
    repair->names[repair->count].kind = kind;
    memcpy(repair->names[repair->count].name, name, strlen(name) + 1);
    repair->count++;
    return 0;
}

static int
by_name(const void *a, const void *b)
{
    const struct kith__name *x = a, *y = b;

    return strcmp(x->name, y->name);
}

static kith_err
find_names(struct repair *repair)
{
    uint64_t lost = 0;
    kith_err err =
        repair->broken->engine->space->rescue(repair->broken->state, take_name, repair, &lost);
    size_t kept = 0;

    if (err == KITH_OK && repair->failed)
        err = kith__fail(KITH_ENOMEM, "This process has no memory for a repair.");
    if (err < 0)
        return err;
    if (repair->count > 1)
        qsort(repair->names, repair->count, sizeof *repair->names, by_name);
    for (size_t i = 0; i < repair->count; i++)
        if (kept == 0 || strcmp(repair->names[kept - 1].name, repair->names[i].name) != 0)
            repair->names[kept++] = repair->names[i];
    repair->count = kept;
    repair->lost += lost;
    if (lost > 0)
        tell(repair, "%llu objects have lost their names, and were lost with them.",
             (unsigned long long)lost);
    return KITH_OK;
}

/* ---- What is in them -------------------------------------------------------------------- */

static int
keep_bytes(const void *data, size_t size, void *arg)
{
    struct repair *repair = arg;

    if (repair->bytes_room - repair->size < size) {
        size_t room = 2 * repair->bytes_room + size;
        uint8_t *larger = kith__realloc(repair->bytes, room);

        if (larger == NULL)
            return 1;
        repair->bytes = larger;
        repair->bytes_room = room;
    }
    memcpy(repair->bytes + repair->size, data, size);
    repair->size += size;
    return 0;
}

static kith_err
dump_all(struct repair *repair)
{
    struct kith__dump dump = { .write = keep_bytes, .arg = repair, .rescue = true };

    kith__dump_begin(&dump, true);
    for (size_t i = 0; i < repair->count && dump.err == KITH_OK; i++) {
        const struct kith__name *name = &repair->names[i];
        uint64_t lost = dump.lost;
        kith_err err = kith__dump_one(&dump, repair->broken, name);

        if (err < 0 && dump.err == KITH_OK) {
            char why[KITH__SENTENCE_SIZE_MAX];

            (void)snprintf(why, sizeof why, "%s", kith_last_error());
            repair->lost++;
            tell(repair, "%s%s\" was lost: %s", kith__the_kind(name->kind), name->name, why);
        } else if (dump.lost > lost) {
            tell(repair, "%s%s\" has lost %llu of its items.", kith__the_kind(name->kind),
                 name->name, (unsigned long long)(dump.lost - lost));
        }
    }
    if (dump.err == KITH_OK)
        kith__dump_end(&dump);
    kith__dump_free(&dump);
    return dump.err == KITH_ESYSTEM
               ? kith__fail(KITH_ENOMEM, "This process has no memory for a copy of the space.")
               : dump.err;
}

static kith_err
fill(struct repair *repair, struct kith_report *report_out)
{
    const struct kith_load_options options = KITH_LOAD_OPTIONS_INIT;
    struct kith_report whole = { .blocks = 0 };
    kith_err err = find_names(repair);

    if (err == KITH_OK)
        err = dump_all(repair);
    if (err == KITH_OK)
        err = kith__load_bytes(repair->fresh, &options, repair->bytes, repair->size, NULL);
    if (err == KITH_OK)
        err = kith_check(repair->fresh, &whole);
    if (err == KITH_OK) {
        report_out->objects = whole.objects;
        report_out->removed = repair->lost;
    }
    return err;
}

/* ---- The repair ------------------------------------------------------------------------- */

static kith_err
replace(struct repair *repair, struct kith_report *report_out)
{
    const struct kith__space_ops *ops = repair->broken->engine->space;
    kith_err err, ended;
    void *state;

    err = ops->rebuild(repair->broken->state, &state);
    if (err < 0)
        return err;
    /* The space around the new state is our own: nobody else will ever see it. */
    repair->fresh = kith__handle_new(sizeof(*repair->fresh));
    if (repair->fresh == NULL) {
        (void)ops->rebuilt(repair->broken->state, state, false);
        ops->close(state);
        return KITH_ENOMEM;
    }
    atomic_init(&repair->fresh->refs, 1);
    repair->fresh->engine = repair->broken->engine;
    repair->fresh->state = state;
    err = fill(repair, report_out);
    ended = ops->rebuilt(repair->broken->state, state, err == KITH_OK);
    kith_close(repair->fresh);
    return err < 0 ? err : ended;
}

kith_err
kith_repair_each(kith_space *space, int (*each)(const char *sentence, void *arg), void *arg,
                 struct kith_report *report_out)
{
    struct repair repair = { .broken = space, .each = each, .arg = arg };
    struct kith_report report = { .blocks = 0 };
    kith_err err;

    if (space == NULL)
        return kith__fail_null("kith_repair");
    err = kith_check(space, &report);
    if (err == KITH_ECORRUPT)
        err = replace(&repair, &report);
    kith__free(repair.names);
    kith__free(repair.bytes);
    if (err == KITH_OK && report_out != NULL)
        *report_out = report;
    return err;
}

kith_err
kith_repair(kith_space *space, struct kith_report *report_out)
{
    return kith_repair_each(space, NULL, NULL, report_out);
}
