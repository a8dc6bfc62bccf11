/*
 * others.h - the objects of a damaged arena that are neither dicts, queues, locks nor events.
 */
#ifndef KITH_FUZZ_OTHERS_H
#define KITH_FUZZ_OTHERS_H

#include "fuzz.h"

/* A user's handles; each may be NULL, for opening fails in a damaged arena. */
struct others {
    struct kith_list *list;
    kith_set *set, *set2;
    kith_namespace *names;
    kith_value *number, *structure, *guarded;
    kith_array *array, *rows;
    kith_segment *segment;
    kith_rwlock *rwlock;
    kith_dict *cache;
    kith_view *view;
    struct kith_buf buf;
};

#define OTHERS_COUNT 12u
extern const char *const others_names[OTHERS_COUNT];

void others_open(struct others *o, kith_space *space);
void others_close(struct others *o);

/* Something of everything, in a whole arena. */
void others_fill(struct others *o);

/* One call, or a few that belong together, of any function. */
void others_use(struct others *o);

#endif /* KITH_FUZZ_OTHERS_H */
