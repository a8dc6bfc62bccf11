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
 * Such an object is unnamed.  It is kept while
 *
 *   - a reference to it is in an object with a name of its own, or in one that is kept, or
 *   - the handle that made it is open, in a process that lives.
 *
 * Unnamed dicts, lists, sets and namespaces that are not kept, circles of them too, are ended by
 * kith_gc(), as kith_destroy() ends an object; kith_check() counts them.  Objects of all other
 * kinds stay until they are destroyed, whatever their names.  kith_rename() gives an object a name
 * of its own.  A handle that opened an unnamed object without making it does not keep it, nor does
 * a copy of a reference in a process's own memory: let a new reference be there before the last one
 * goes.
 *
 * A reference may lead nowhere, since its object may be destroyed: opening it with KITH_MUST_EXIST
 * is then KITH_ENOENT.
 *
 * Threads  Any function, from any thread.
 * Fork     A child's copy of the handle that made an object does not keep it: its parent's does.
 * Death    A process that dies before it stored a reference to what it made leaves an object that
 *          the next kith_gc() ends.
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
