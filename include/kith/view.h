/*
 * kith/view.h - an item looked at where it is, without a copy.
 *
 * A view keeps one item readable, unchanged, for as long as it is held: setting, deleting or
 * getting the item elsewhere does not touch what the view shows.  An item up to 24 KiB is held as a
 * copy, since that costs less than pinning; a larger one points into the arena and is pinned, and
 * its memory is given back only after the last view on it is released.
 *
 * The view of an array or a segment is its memory itself, whatever its size: it is pinned, and may
 * be written through.  Destroying or replacing the object does not touch it.
 *
 * kith_dict_view(), kith_queue_get_view(), kith_array_view() and kith_segment_view() make views.
 *
 * Threads  Any function, from any thread.  A view belongs to the process: it outlives the thread
 *          that took it, and any other may release it.
 * Fork     Parent and child both have the view, and each releases its own.
 * Death    What a killed process had pinned is unpinned.
 * Engines  shm.
 */
#ifndef KITH_VIEW_H
#define KITH_VIEW_H

#include <kith/item.h>

KITH_C_BEGIN

/* One item held readable by this process. */
typedef struct kith_view kith_view;

/* The item, whose pointers are good until the view is released.  NULL gives none. */
KITH_API struct kith_item kith_view_item(const kith_view *view);

/* The item's data and its size in bytes; NULL and 0 for an item that has none, as an int. */
KITH_API const void *kith_view_data(const kith_view *view);
KITH_API size_t kith_view_size(const kith_view *view);

/* True if the data must not be written through; so it is for every view of a dict or a queue. */
KITH_API bool kith_view_readonly(const kith_view *view);

/*
 * The data of a view that may be written through, of an array or a segment: others see what is
 * written there.  NULL for one that is read-only.
 */
KITH_API void *kith_view_memory(const kith_view *view);

/* Ends the view; its pointers are no longer good.  NULL is accepted. */
KITH_API void kith_view_release(kith_view *view);

KITH_C_END
#endif /* KITH_VIEW_H */
