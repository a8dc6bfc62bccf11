/*
 * registry.c - which engine an address belongs to.
 */
#include "engine/registry.h"

#include "engine/shm/shm_engine.h"

static const struct kith__engine *
engine_of(enum kith__scheme scheme)
{
    switch (scheme) {
    case KITH__SCHEME_SHM:
    case KITH__SCHEME_FILE:
    case KITH__SCHEME_MEM:
        break; /* three places for an arena */
    }
    return &kith__shm_engine;
}

kith_err
kith__registry_find(const char *address, const struct kith_options *options,
                    struct kith__address *address_out, const struct kith__engine **engine_out)
{
    kith_err err = kith__address_parse(address, options, address_out);

    if (err == KITH_OK)
        *engine_out = engine_of(address_out->scheme);
    return err;
}

const struct kith__engine *
kith__registry_local(void)
{
    return &kith__shm_engine;
}
