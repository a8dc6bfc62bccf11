/*
 * scenarios.h - the operations that are stepped through: a file of scenarios for each structure.
 *
 * A structure adds a file scenarios_NAME.c, which ends in its table, and a line to scenarios.c.
 * Objects that not every scenario needs are made by its set_up() with stage_make(), and stand in
 * stage->object[]; a handle is put together where it is used, with the arena of the stage that the
 * function was given, for that may be an image.
 */
#ifndef KITH__SCENARIOS_H
#define KITH__SCENARIOS_H

#include "stepper.h"

struct scenario_table {
    const struct scenario *scenarios;
    unsigned count;
};

#define SCENARIO_TABLE(array)                                                                      \
    {                                                                                              \
        (array), sizeof(array) / sizeof(array)[0]                                                  \
    }

/* Ends with NULL. */
extern const struct scenario_table *const scenario_tables[];

/* ---- What several structures do and look at: scenarios_common.c ---- */

void key_of(struct stage *stage, const char *name, struct kith__key *key);

/* Dict "a", unless another is named. */
void change_key(struct stage *stage, struct kith__self *self, const struct kith__dict *dict,
                const char *name, enum kith__change_what what, struct kith_item item);
void set_key(struct stage *stage, struct kith__self *self, const char *name, struct kith_item item);
void delete_key(struct stage *stage, struct kith__self *self, const char *name);
void add_one(struct stage *stage, struct kith__self *self, const char *name);
/* Keys key<from> … key<to - 1>. */
void fill_dict(struct stage *stage, struct kith__self *self, unsigned from, unsigned to);
/* -1: no such key; -2: failed; else the number, or the size of what is no number. */
int64_t look(struct stage *stage, struct kith__self *self, const struct kith__dict *dict,
             const char *name);

/* Queue "q". */
void put_item(struct stage *stage, struct kith__self *self, const char *text);
void lease_first(struct stage *stage, struct kith__self *self);

/* A set_up: keys one, text, last, and three items. */
void few_keys(struct stage *stage, struct kith__self *self);
/* A prepare: fills the thread's magazines, so that the act is the common case. */
void warm_up(struct stage *stage, struct kith__self *self);

void see_dicts(struct stage *stage, struct kith__self *self, char *text, size_t size);
/* Takes everything out of them on the way. */
void see_queues(struct stage *stage, struct kith__self *self, char *text, size_t size);
/* Sees no difference; tries that a survivor can work. */
void see_it_works(struct stage *stage, struct kith__self *self, char *text, size_t size);

#endif /* KITH__SCENARIOS_H */
