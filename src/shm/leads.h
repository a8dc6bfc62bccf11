/*
 * leads.h - what leads to what: which unnamed objects are kept.
 */
#ifndef KITH__SHM_LEADS_H
#define KITH__SHM_LEADS_H

#include "shm/walk.h"

struct kith__unnamed {
    struct kith__made name;
    uint64_t off, id;
    bool kept;
};

/* A reference to an object with a made name, in the object whose root is at `from`. */
struct kith__lead {
    uint64_t from;
    struct kith__made to;
};

/* Notes an unnamed object. */
void kith__leads_unnamed(struct kith__walk *w, const struct kith__unnamed *unnamed);
/* After the walk: sets `kept` of all that is led to; how many are not kept. */
uint64_t kith__leads_follow(struct kith__walk *w);

#endif /* KITH__SHM_LEADS_H */
