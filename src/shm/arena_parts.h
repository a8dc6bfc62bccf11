/*
 * arena_parts.h - what the files arena_*.c have in common: an arena on its way to being opened.
 */
#ifndef KITH__SHM_ARENA_PARTS_H
#define KITH__SHM_ARENA_PARTS_H

#include <sys/stat.h>

#include "shm/arena.h"

/* ---- arena_file.c ---- */

/* Whether the descriptor still leads to the arena's file. */
bool kith__arena_is_ours(const struct kith__arena *arena, int fd);
/* The arena's descriptor from now on. */
void kith__arena_remember_file(struct kith__arena *arena, int fd);
/* KITH_ENOMEM: the address space is too small.  No sentence. */
kith_err kith__arena_map(struct kith__arena *arena, int fd, uint64_t size);
/* Leaves, unmaps and closes, whatever of it there is. */
void kith__arena_unmap(struct kith__arena *arena);
void kith__arena_take_constants(struct kith__arena *arena, const struct kith__identity *identity);
/* What identity->check must be. */
uint64_t kith__identity_check(const struct kith__identity *identity);

/* ---- arena_create.c ---- */

/* KITH_EEXIST: somebody else gave his file the name first. */
kith_err kith__arena_create(struct kith__arena *arena, const struct kith_options *options);

/* ---- arena_attach.c ---- */

/* KITH_ENOENT: no such file.  KITH_EEXIST: look again, the name now leads elsewhere. */
kith_err kith__arena_attach(struct kith__arena *arena, bool named);
/* Refuses what can be cut short under us. */
kith_err kith__arena_check_fd(int fd, struct stat *st);
kith_err kith__arena_attach_fd(struct kith__arena *arena, int fd);

#endif /* KITH__SHM_ARENA_PARTS_H */
