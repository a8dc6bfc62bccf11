/*
 * catalog.h - the objects of an arena by name.
 *
 * The catalog is a dict like any other, whose root is in the header; its items are objects: the
 * value is the offset of a root, the meta has its kind.
 */
#ifndef KITH__SHM_CATALOG_H
#define KITH__SHM_CATALOG_H

#include "shm/dict.h"

/* What a handle keeps an unnamed object by; `block` 0: nothing. */
struct kith__keep {
    uint64_t block;
    uint64_t owner;  /* the process, as leases name it */
    unsigned serial; /* the arena's keeps then */
};

struct kith__object {
    enum kith_kind kind;
    uint64_t off, id;
    struct kith__keep keep;
};

#define KITH__OBJECT_META(kind) KITH__META(KITH__TYPE_OBJECT, (kind), 8)

struct kith__dict kith__catalog_of(struct kith__arena *arena);

/* KITH_ENOENT without a sentence. */
kith_err kith__catalog_find(struct kith__arena *arena, struct kith__self *self, const char *name,
                            struct kith__object *object_out);

/*
 * Opens the object `name`, or makes one: `init` is called to fill in a root taken for it, in the
 * record that enters it.  One with a made name is kept until kith__reference_let_go().  KITH_ETYPE:
 * it is of another kind.
 */
kith_err kith__catalog_open(struct kith__self *self, const char *name, enum kith_kind kind,
                            enum kith_create create,
                            kith_err (*init)(struct kith__op *op, uint64_t off, uint64_t id,
                                             void *arg),
                            void *arg, struct kith__object *object_out);

/* Ends the object `name`: whoever waits on it is woken, and gets KITH_EGONE. */
kith_err kith__catalog_destroy(struct kith__self *self, const char *name);
/* The same, if that is the object with this id; else KITH_ENOENT. */
kith_err kith__catalog_destroy_id(struct kith__self *self, const char *name, uint64_t id);
/* The same, if its count of references is `count`; else KITH_ECONFLICT. */
kith_err kith__catalog_destroy_last(struct kith__self *self, const char *name, uint64_t id,
                                    uint64_t count);

/* Gives the object `from` the name `to` (rename.c); KITH_ENOENT, KITH_EEXIST have no sentence. */
kith_err kith__catalog_rename(struct kith__self *self, const char *from, const char *to);

uint64_t kith__new_id(struct kith__arena *arena);
/* The id in a root, whatever its kind: its first word. */
uint64_t kith__object_id(struct kith__arena *arena, uint64_t off);

#endif /* KITH__SHM_CATALOG_H */
