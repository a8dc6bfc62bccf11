/*
 * image.c - see image.h.
 */
#include "image.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BYTES_OFF (INT64_C(1) << 61) /* as holder.c has it: where a process has its byte */

struct range {
    uint64_t off, size;
};
#define RANGES_MAX 64u

/* Where something may stand: in the rest of the file is nothing. */
static unsigned
used_ranges(const struct kith__arena *arena, struct range *ranges)
{
    struct kith__header *h = KITH__HEADER(arena);
    uint64_t granules = kith__load(&h->granules_top);
    unsigned n = 0;

    if (granules > arena->granules_max)
        granules = arena->granules_max;
    ranges[n++] = (struct range){ 0, sizeof *h };
    ranges[n++] =
        (struct range){ KITH__HOLDERS_OFF, kith__load(&h->holders_top) * KITH__HOLDER_SIZE };
    for (unsigned id = 1; id <= kith__load(&h->actors_top) && n < RANGES_MAX - 2; id++)
        ranges[n++] = (struct range){ kith__off(arena, kith__actor_at(arena, id)), 2 * KITH__PAGE };
    ranges[n++] = (struct range){ arena->granules_off, granules * sizeof(struct kith__granule) };
    ranges[n++] = (struct range){ arena->heap_off, granules * KITH__GRANULE };
    return n;
}

void
image_map(struct image *image, const struct stage *stage, int fd, bool private_copy)
{
    image->arena = *stage->arena;
    image->fd = fd;
    image->arena.base = mmap(NULL, image->arena.size, PROT_READ | PROT_WRITE,
                             (private_copy ? MAP_PRIVATE : MAP_SHARED) | MAP_NORESERVE, fd, 0);
    if (image->arena.base == MAP_FAILED)
        stage_die("mmap");
    image->arena.path = NULL;
    image->arena.temporary = false;
    image->arena.selves = NULL;
    pthread_mutex_init(&image->arena.mutex, NULL);
}

void
image_renew(struct image *image)
{
    if (madvise(image->arena.base, image->arena.size, MADV_DONTNEED) != 0)
        stage_die("madvise");
}

void
image_unmap(struct image *image)
{
    munmap(image->arena.base, image->arena.size);
}

void
image_act_as(struct image *image, unsigned actor, unsigned holder)
{
    memset(&image->self, 0, sizeof image->self);
    image->self.arena = &image->arena;
    image->self.id = actor;
    image->self.serial = image->arena.serial;
    image->self.spin = 16;
    image->self.actor = kith__actor_at(&image->arena, actor);
    image->self.magazines = kith__magazines_of(image->self.actor);
    image->arena.holder = holder;
}

void
image_copy_to(uint8_t *base, const struct kith__arena *from)
{
    struct range ranges[RANGES_MAX];
    unsigned n = used_ranges(from, ranges);

    for (unsigned i = 0; i < n; i++)
        memcpy(base + ranges[i].off, from->base + ranges[i].off, ranges[i].size);
}

void
image_copy(struct image *image, const struct kith__arena *from)
{

    /* Punched first: what another state had beyond these ranges must not show through. */
    if (fallocate(image->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                  (off_t)image->arena.size) != 0)
        stage_die("fallocate");
    image_copy_to(image->arena.base, from);
}

void
image_kill(struct image *image, unsigned actor)
{
    _Atomic uint32_t *token;

    if (actor == 0)
        return;
    token = kith__token_of(kith__actor_at(&image->arena, actor));
    if ((atomic_load(token) & FUTEX_TID_MASK) != 0) /* else it was given back in order */
        atomic_fetch_or(token, FUTEX_OWNER_DIED);
}

/*
 * Whether a process lives is asked of the locks on a file's bytes.  Here it is a file of our own,
 * on which another description has the bytes of the living locked.
 */
void
image_living(struct image *image, const unsigned living[LIVING_MAX])
{
    static struct {
        unsigned living[LIVING_MAX];
        int fd, locks;
        struct stat st;
    } files[4];
    static unsigned count;
    unsigned i;

    for (i = 0; i < count; i++)
        if (memcmp(files[i].living, living, sizeof files[i].living) == 0)
            break;
    if (i == count) {
        char link[64];

        if (count == sizeof files / sizeof files[0])
            abort();
        count++;
        memcpy(files[i].living, living, sizeof files[i].living);
        files[i].fd = memfd_create("locks", MFD_CLOEXEC);
        snprintf(link, sizeof link, "/proc/self/fd/%d", files[i].fd);
        files[i].locks = open(link, O_RDWR | O_CLOEXEC);
        if (files[i].fd < 0 || files[i].locks < 0 || fstat(files[i].fd, &files[i].st) != 0)
            stage_die("memfd");
        for (unsigned k = 0; k < LIVING_MAX; k++) {
            struct flock lock = { .l_type = F_WRLCK,
                                  .l_whence = SEEK_SET,
                                  .l_start = BYTES_OFF + living[k],
                                  .l_len = 1 };

            if (living[k] != 0 && fcntl(files[i].locks, F_OFD_SETLK, &lock) != 0)
                stage_die("lock");
        }
    }
    image->arena.fd = files[i].fd;
    image->arena.device = files[i].st.st_dev;
    image->arena.inode = files[i].st.st_ino;
}

struct stage
image_stage(const struct image *image, const struct stage *stage)
{
    struct stage other = *stage;
    /* What is done to an image is done through the handles of a stage, which are not const. */
    struct kith__arena *arena = (struct kith__arena *)(uintptr_t)&image->arena;

    other.arena = arena;
    other.a.arena = other.b.arena = arena;
    other.q.arena = other.letters.arena = arena;
    other.lock.arena = other.event.arena = arena;
    return other;
}

/* ---- Fingerprints ------------------------------------------------------------------------- */

static uint64_t
number_of_page(const struct kith__arena *arena, uint64_t index)
{
    const uint8_t *page = arena->base + index * KITH__PAGE;
    const uint64_t clock_at = offsetof(struct kith__header, suspect_until);
    uint8_t copy[4096];

    if (index == clock_at / KITH__PAGE) {
        /* The one time of day that a reaper stores would make any two states different. */
        memcpy(copy, page, sizeof copy);
        memset(copy + clock_at % KITH__PAGE, 0, 8);
        page = copy;
    }
    return hash_bytes(page, 4096) * (2 * index + 1);
}

void
fingerprint_page(struct fingerprint *print, const struct kith__arena *arena, uint64_t off)
{
    uint64_t index = off / KITH__PAGE, number;

    if (index >= print->pages)
        return;
    number = number_of_page(arena, index);
    print->whole += number - print->page[index];
    print->page[index] = number;
}

void
fingerprint_take(struct fingerprint *print, const struct kith__arena *arena)
{
    struct range ranges[RANGES_MAX];
    unsigned n = used_ranges(arena, ranges);

    if (print->page == NULL) {
        print->pages = arena->size / KITH__PAGE;
        print->page = calloc(print->pages, sizeof *print->page);
        if (print->page == NULL)
            abort();
    }
    for (unsigned i = 0; i < n; i++)
        for (uint64_t at = ranges[i].off & ~(KITH__PAGE - 1); at < ranges[i].off + ranges[i].size;
             at += KITH__PAGE)
            fingerprint_page(print, arena, at);
}

void
fingerprint_free(struct fingerprint *print)
{
    free(print->page);
    memset(print, 0, sizeof *print);
}
