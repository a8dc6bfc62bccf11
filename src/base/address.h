/*
 * address.h - an address taken apart: what it leads to, and the options it carries.
 *
 *     NAME, shm://NAME      file:///PATH      mem://
 *
 * each with `?name=value&name=value` behind it.  %XX stands for a byte anywhere but in the scheme.
 */
#ifndef KITH__ADDRESS_H
#define KITH__ADDRESS_H

#include <kith/space.h>

enum kith__scheme { KITH__SCHEME_SHM, KITH__SCHEME_FILE, KITH__SCHEME_MEM };

struct kith__address {
    enum kith__scheme scheme;
    const char *place;           /* a name, an absolute path, or "" */
    struct kith_options options; /* whole, whatever size the caller's had; strings live as long */
    char *memory;                /* what the strings point into */
};

/*
 * Takes `text` apart.  `options`, checked and whole, are what its query does not say.  On success
 * the caller owns *address_out and gives it to kith__address_free().
 *
 * KITH_EINVAL        the sentence shows the address, where it goes wrong, and a right one
 * KITH_EUNSUPPORTED  an address of an engine that this build does not have
 * KITH_ENOMEM        this process has no memory for it
 */
kith_err kith__address_parse(const char *text, const struct kith_options *options,
                             struct kith__address *address_out);
void kith__address_free(struct kith__address *address);

#endif /* KITH__ADDRESS_H */
