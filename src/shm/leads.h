/*
 * leads.h - what leads to what: which references there are, and which unnamed objects are kept.
 */
#ifndef KITH__SHM_LEADS_H
#define KITH__SHM_LEADS_H

#include <kith/space.h>

#include "shm/walk.h"

/* An object of the catalog. */
struct kith__subject {
    enum kith_kind kind;
    bool unnamed, kept, ended;
    struct kith__made name; /* if it is unnamed */
    uint64_t off, id;
    uint64_t count; /* of references to it, as its root has it; */
    uint64_t found; /* and as they were found */
};

/* A counted reference. */
struct kith__lead {
    uint64_t from;   /* the root of the object that has it; 0: an actor's or a holder's */
    uint64_t to, id; /* the root that it leads to; 0: none */
    uint64_t block;  /* where it is */
    uint64_t weight;
    bool loose; /* its block names no root yet */
    struct kith__made name;
};

/* Notes an object. */
void kith__leads_object(struct kith__walk *w, const struct kith__subject *subject);
/*
 * After the walk: notes every root whose count is wrong, leads loose references to the objects of
 * their names, sets `kept` of all that is led to; how many unnamed objects are not kept.
 */
uint64_t kith__leads_follow(struct kith__walk *w);
/* Of a lead, after the above: the object that it leads to; NULL: it is gone. */
struct kith__subject *kith__leads_to(const struct kith__leads *leads,
                                     const struct kith__lead *lead);
void kith__leads_free(struct kith__leads *leads);

#endif /* KITH__SHM_LEADS_H */
