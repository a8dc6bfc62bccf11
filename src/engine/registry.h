/*
 * registry.h - which engine an address belongs to.
 */
#ifndef KITH__REGISTRY_H
#define KITH__REGISTRY_H

#include "engine/engine.h"

/*
 * Takes the address apart and finds its engine.  `options` are checked and whole.  On success the
 * caller owns *address_out and gives it to kith__address_free().  Errors are those of
 * kith__address_parse().
 */
kith_err kith__registry_find(const char *address, const struct kith_options *options,
                             struct kith__address *address_out,
                             const struct kith__engine **engine_out);

/* The engine of the spaces on this machine, which kith_spaces() lists. */
const struct kith__engine *kith__registry_local(void);

#endif /* KITH__REGISTRY_H */
