/*
 * view.c - an item looked at where it is, without a copy.
 */
#include "object/view.h"

#include "base/alloc.h"

kith_view *
kith__view_new(kith_space *space)
{
    kith_view *view = kith__handle_new(sizeof(*view));

    if (view == NULL)
        return NULL;
    view->space = space;
    kith__space_hold(space);
    return view;
}

void
kith__view_discard(kith_view *view)
{
    kith_buf_free(&view->view.copy);
    kith__space_release(view->space);
    kith__free(view);
}

struct kith_item
kith_view_item(const kith_view *view)
{
    return view != NULL ? view->view.item : kith_none();
}

const void *
kith_view_data(const kith_view *view)
{
    return view != NULL ? view->view.item.data : NULL;
}

size_t
kith_view_size(const kith_view *view)
{
    return view != NULL ? view->view.item.size : 0;
}

bool
kith_view_readonly(const kith_view *view)
{
    return view == NULL || !view->view.writable;
}

void *
kith_view_memory(const kith_view *view)
{
    return view != NULL && view->view.writable ? (void *)(uintptr_t)view->view.item.data : NULL;
}

void
kith_view_release(kith_view *view)
{
    if (view == NULL)
        return;
    if (view->view.pinned)
        view->space->engine->view->release(view->space->state, &view->view);
    kith__view_discard(view);
}
