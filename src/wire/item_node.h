/*
 * item_node.h - values of Python, as nodes of a graph, and items, as Kith stores them.
 *
 * What an object in a space holds is the same whether a process of this host put it there by the
 * package for Python, or one elsewhere by a pickle:
 *
 *     None, bool, int, float, str, bytes         the item of that type
 *     tuple, list, dict, set of these            a packed item
 *     kith.Foreign(tag, bytes)                   a foreign item of that tag
 *     a proxy of an object of the space          a reference
 *     anything else                              a foreign item "python/pickle": its pickle
 *
 * So do tuples, lists and dicts that hold anything else, that are deeper than 64, or that hold one
 * list, dict or set in two places.  A str with surrogates is such a pickle, too.
 */
#ifndef KITH__ITEM_NODE_H
#define KITH__ITEM_NODE_H

#include <kith/item.h>

#include "wire/graph.h"
#include "wire/pickle_read.h"

/* What only the caller knows: which proxies are of objects of its space. */
struct kith__item_hooks {
    void *arg;
    /*
     * Whether `call`, of multiprocessing.managers.RebuildProxy, is a proxy of an object of the
     * space; its name, which lives as long as the graph.  NULL: none is.
     */
    bool (*name)(void *arg, const struct kith__node *call, struct kith__span *name_out);
    /* A proxy of the object of that name; NULL with a sentence: there is none.  NULL: none ever. */
    const struct kith__node *(*proxy)(void *arg, struct kith__graph *graph, struct kith__span name);
};

/* An item that may have memory of its own. */
struct kith__made_item {
    struct kith_item item;
    void *memory;
};
void kith__made_item_free(struct kith__made_item *made);

/*
 * The value of `node` as an item, which points into the graph or into its own memory; hooks may be
 * NULL.  On error there is nothing to free.
 *
 * KITH_ETOOBIG  its pickle would have more than `size_max` bytes
 * KITH_ENOMEM   this process has no memory for it
 */
kith_err kith__item_from_node(const struct kith__graph *graph, const struct kith__node *node,
                              size_t size_max, const struct kith__item_hooks *hooks,
                              struct kith__made_item *made_out);

/*
 * The value as a key: see key_node.h for those that are no plain data.
 *
 * KITH_ETYPE    it cannot be hashed; the sentence is "unhashable type: 'list'", as Python has it
 * KITH_ETOOBIG  it is too large for a key, or contains itself
 * KITH_ENOMEM   this process has no memory for it
 */
kith_err kith__key_from_node(struct kith__graph *graph, const struct kith__node *node,
                             struct kith__made_item *made_out);

/*
 * The value of an item as a node of `graph`, which points into the item's bytes: they have to live
 * as long.  A foreign item that is a pickle is read, so that it can stand in another; one with
 * another tag is kith.Foreign(tag, bytes).  What kith__key_from_node() made of no plain data
 * becomes that again.  Hooks may be NULL.
 *
 * KITH_ECORRUPT      a packed item, or the table of a pickle's buffers, is malformed
 * KITH_EUNSUPPORTED  a reference, and nobody to say what leads to it
 * and the errors of kith__pickle_read()
 */
kith_err kith__node_from_item(struct kith__graph *graph, const struct kith_item *item,
                              const struct kith__pickle_limits *limits,
                              const struct kith__item_hooks *hooks,
                              const struct kith__node **node_out);

#endif /* KITH__ITEM_NODE_H */
