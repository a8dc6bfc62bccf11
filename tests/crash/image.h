/*
 * image.h - an arena as it is at one moment, in which processes can be declared dead.
 *
 * An image is a private mapping of the file: what is stored in it stays in it, and going back to
 * the file's state costs the pages that were stored into.
 */
#ifndef KITH__IMAGE_H
#define KITH__IMAGE_H

#include "hashes.h"
#include "stepper.h"

/* An arena at another address, with an arena struct and a thread of its own. */
struct image {
    struct kith__arena arena;
    struct kith__self self;
    int fd; /* of the file that it maps */
};

/* Maps the file `fd`, privately or not; the thread is `actor`, of the process `holder`. */
void image_map(struct image *image, const struct stage *stage, int fd, bool private_copy);
/* As the file is now. */
void image_renew(struct image *image);
void image_unmap(struct image *image);
/* Who acts in it: a fresh thread struct for the slot `actor`, of the process `holder`. */
void image_act_as(struct image *image, unsigned actor, unsigned holder);
/* Everything in use is copied into it. */
void image_copy(struct image *image, const struct kith__arena *from);
/* The same, to wherever it shall stand. */
void image_copy_to(uint8_t *base, const struct kith__arena *from);
/* The thread in slot `actor` died. */
void image_kill(struct image *image, unsigned actor);
/* Of other processes than its own, these live: up to four slots of holders, 0 being none. */
enum { LIVING_MAX = 4 };
void image_living(struct image *image, const unsigned living[LIVING_MAX]);
/* The stage as seen in it. */
struct stage image_stage(const struct image *image, const struct stage *stage);

/* A number for the contents, kept up to date page by page. */
struct fingerprint {
    uint64_t *page; /* the number of each page */
    uint64_t pages, whole;
};
void fingerprint_take(struct fingerprint *print, const struct kith__arena *arena);
void fingerprint_page(struct fingerprint *print, const struct kith__arena *arena, uint64_t off);
void fingerprint_free(struct fingerprint *print);

#endif /* KITH__IMAGE_H */
