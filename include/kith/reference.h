/*
 * kith/reference.h - objects in objects: items that name another object of the same space.
 *
 * A reference (KITH_TYPE_REFERENCE) is stored in a dict, list, namespace or queue like any other
 * item; who gets one opens the object by the name that is its data, and sees it live.
 *
 * An object that shall live no longer than something leads to it gets a made name:
 *
 *     char name[KITH_MADE_NAME_SIZE];
 *
 *     kith_name_make(name);
 *     kith_list_open(space, name, NULL, &list);
 *     kith_dict_set(dict, KITH_STR("tasks"), kith_reference(name));
 *
 * Such an object is unnamed, whatever its kind.  It is kept while
 *
 *   - an item somewhere in the space is a reference to it, or
 *   - a handle on it is open, in a process that lives.
 *
 * With the last of these it ends, as kith_destroy() ends an object, and so does all that nothing
 * but it led to, in chains of any length.  Circles that nothing leads into stay until kith_gc(),
 * which ends them; kith_check() counts them.  kith_rename() gives an object a name of its own, and
 * then it stays until it is destroyed.
 *
 * What a reference names has to be there when it is stored: if not, the function that stores it is
 * KITH_ENOENT, with a sentence that says so, and has stored nothing.  Later it may lead nowhere,
 * since its object may have been destroyed: opening it with KITH_MUST_EXIST is then KITH_ENOENT.  A
 * reference to an object with a name of its own is stored like any other item and keeps nothing.
 *
 * A copy of a reference in a process's own memory keeps nothing: who has one opens it, and has it
 * from then on, or learns that it is too late.  To move the last one, store the new one first, or
 * do both in a transaction.
 *
 * Threads  Any function, from any thread.
 * Fork     A child's copy of a handle keeps what the handle keeps, by itself: until it is closed in
 *          the child, or the child ends.
 * Death    What a killed process was storing is stored or not, and counted accordingly.  What only
 *          its handles kept ends with it, as soon as somebody cleans up after it.
 * Engines  all; kept or not is decided by shm.
 */
#ifndef KITH_REFERENCE_H
#define KITH_REFERENCE_H

#include <kith/item.h>

KITH_C_BEGIN

/* '#', 32 lowercase hexadecimal digits, and a NUL. */
#define KITH_MADE_NAME_SIZE 34

/*
 * Makes a name that no object has: 128 random bits.  Every name of this form is a made one, whoever
 * made it.
 *
 * KITH_EINVAL  NULL
 * KITH_ESYSTEM the system has no randomness to give; name_out is untouched
 */
KITH_API kith_err kith_name_make(char name_out[KITH_MADE_NAME_SIZE]);

/* A reference to the object of that name.  It borrows the name; NULL is no name. */
KITH_API struct kith_item kith_reference(const char *name);

KITH_C_END

#endif /* KITH_REFERENCE_H */
