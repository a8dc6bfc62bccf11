/*
 * view.h - an item looked at where it is, as its maker fills it in.
 */
#ifndef KITH__VIEW_H
#define KITH__VIEW_H

#include "object/handle.h"

struct kith_view {
    kith_space *space; /* held */
    struct kith__view view;
};

/* A view to be filled by an engine; NULL with a sentence. */
kith_view *kith__view_new(kith_space *space);
/* Throws away one that was not filled. */
void kith__view_discard(kith_view *view);

#endif /* KITH__VIEW_H */
