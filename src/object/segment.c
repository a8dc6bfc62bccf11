/*
 * segment.c - a named piece of raw memory shared by processes.
 */
#include <kith/segment.h>

#include "base/alloc.h"
#include "object/view.h"

kith_err
kith_segment_open(kith_space *space, const char *name, const struct kith_segment_options *options,
                  kith_segment **segment_out)
{
    struct kith_segment_options whole = KITH_SEGMENT_OPTIONS_INIT;
    kith_segment *segment;
    void *state;
    kith_err err = kith__open_check("kith_segment_open", space, name, segment_out, options, &whole,
                                    sizeof(whole));

    if (err < 0)
        return err;
    segment = kith__handle_new(sizeof(*segment));
    if (segment == NULL)
        return KITH_ENOMEM;
    segment->ops = space->engine->segment;
    err = segment->ops->open(space->state, name, whole.create, whole.size, &state);
    if (err < 0) {
        kith__free(segment);
        return err;
    }
    kith__handle_init(&segment->handle, space, KITH_KIND_SEGMENT, name, state);
    *segment_out = segment;
    return KITH_OK;
}

void
kith_segment_close(kith_segment *segment)
{
    if (segment == NULL || !kith__handle_drop(&segment->handle))
        return;
    segment->ops->close(segment->handle.state);
    kith__space_release(segment->handle.space);
    kith__free(segment);
}

static kith_err
outcome(const kith_segment *segment, kith_err err, unsigned told)
{
    return KITH__LIKELY(err >= 0) ? err : kith__fail_outcome(&segment->handle, err, told, NULL);
}

kith_err
kith_segment_size(kith_segment *segment, uint64_t *size_out)
{
    unsigned told = kith__told();

    if (segment == NULL || size_out == NULL)
        return kith__fail_null("kith_segment_size");
    return outcome(segment, segment->ops->size(segment->handle.state, size_out), told);
}

kith_err
kith_segment_view(kith_segment *segment, kith_view **view_out)
{
    unsigned told = kith__told();
    kith_view *view;
    kith_err err;

    if (segment == NULL || view_out == NULL)
        return kith__fail_null("kith_segment_view");
    view = kith__view_new(segment->handle.space);
    if (view == NULL)
        return KITH_ENOMEM;
    err = segment->ops->view(segment->handle.state, &view->view);
    if (err < 0) {
        kith__view_discard(view);
        return outcome(segment, err, told);
    }
    *view_out = view;
    return KITH_OK;
}

kith_err
kith_segment_resize(kith_segment *segment, uint64_t size)
{
    unsigned told = kith__told();

    if (segment == NULL)
        return kith__fail_null("kith_segment_resize");
    if (size == 0)
        return kith__fail(KITH_EINVAL, "A segment has at least one byte, and "
                                       "kith_segment_resize() was given 0.");
    return outcome(segment, segment->ops->resize(segment->handle.state, size), told);
}

kith_err
kith_segment_unlink(kith_segment *segment)
{
    unsigned told = kith__told();

    if (segment == NULL)
        return kith__fail_null("kith_segment_unlink");
    return outcome(segment, segment->ops->unlink(segment->handle.state, segment->handle.name),
                   told);
}
