/*
 * inspect.c - what exists in a space, what it takes, and whether it is whole.
 */
#include "object/handle.h"

kith_err
kith_check_each(kith_space *space, int (*each)(const char *sentence, void *arg), void *arg,
                struct kith_report *report_out)
{
    struct kith_report report;

    if (space == NULL)
        return kith__fail_null("kith_check");
    return space->engine->space->check(space->state, each, arg,
                                       report_out != NULL ? report_out : &report);
}

kith_err
kith_check(kith_space *space, struct kith_report *report_out)
{
    return kith_check_each(space, NULL, NULL, report_out);
}

kith_err
kith_gc(kith_space *space, struct kith_report *report_out)
{
    struct kith_report report;

    if (space == NULL)
        return kith__fail_null("kith_gc");
    return space->engine->space->gc(space->state, report_out != NULL ? report_out : &report);
}

kith_err
kith_stat(kith_space *space, struct kith_stat *stat_out)
{
    struct kith_stat stat = KITH_STAT_INIT;
    kith_err err;

    if (space == NULL || stat_out == NULL)
        return kith__fail_null("kith_stat");
    err = kith__info_check("kith_stat", stat_out);
    if (err == KITH_OK)
        err = space->engine->space->stat(space->state, &stat);
    if (err == KITH_OK)
        kith__info_copy(&stat, stat_out, sizeof(stat));
    return err;
}
