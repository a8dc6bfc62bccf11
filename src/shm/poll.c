/*
 * poll.c - waiting for objects of an arena through a descriptor.
 *
 * A poller sets POLLERS in the word that sleepers of its object sleep on, looks at the object, and
 * polls a descriptor.  Who changes the object finds the bit, takes it out, and writes a byte into
 * the file; inotify tells every process that watches it.  A store into the mapping would not be
 * told.  On a memfd inotify is deaf, so a mem:// arena has a nameless file for this alone, which
 * forked children inherit.
 *
 * All pollers of the arena hear of each such write, whatever object it was for: the descriptor is
 * a hint, after which the poller tries its operation, and arms again.  So the bit is good for one
 * wake, and objects nobody polls any more cost nothing.
 *
 * The descriptor is an epoll of three: the file's inotify; a timer, which once after each arming
 * says that it is time to look after the dead; and an eventfd, for objects that are ready when
 * they are armed.
 *
 * STEPS of arming                          of waking
 *   R1 what was told before is read          S1 pending_signal or pending_wake names the word
 *   R2 POLLERS is set                        S2 the change
 *   R3 the object is looked at               S3 POLLERS is taken out   S4 the byte is written
 * With R2 before R3 and S2 before S3, either the poller sees the change or the waker the bit.
 *
 * DEATH of the waker
 *   before S2   no change
 *   S2 on       the reaper finds the pending word, and writes (reap.c, D4), bit or no bit
 * DEATH of a poller   The bit stays: one write too many.
 *
 * LIMITS.  inotify watches are counted for each user (fs.inotify.max_user_instances, 128 as a
 * rule): one for each handle polled, two for a queue that is polled for room, too.
 */
#include "shm/poll.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/error.h"

struct kith__poller {
    pid_t pid; /* whose: descriptors are shared over a fork, and what is read from them too */
    int epoll, notify, timer, ready;
};

int64_t kith__poll_recheck_ns = INT64_C(100000000);

static int
wake_fd(struct kith__arena *arena)
{
    struct stat st;

    if (!arena->memory)
        return kith__arena_fd(arena);
    /* Closed behind our back, its number may be another file's by now. */
    if (arena->wake_fd < 0 || fstat(arena->wake_fd, &st) != 0 || st.st_dev != arena->wake_device ||
        st.st_ino != arena->wake_inode)
        return -1;
    return arena->wake_fd;
}

void
kith__poke(struct kith__arena *arena)
{
    int fd = wake_fd(arena);
    ssize_t written;

    if (fd < 0)
        return;
    /* The memory is there already, so this asks for none. */
    written = pwrite(fd, "", 1, arena->memory ? 0 : (off_t)offsetof(struct kith__header, poked));
    (void)written; /* a poller has its timer besides */
}

static void
close_all(struct kith__poller *poller)
{
    if (poller->epoll >= 0)
        close(poller->epoll);
    if (poller->notify >= 0)
        close(poller->notify);
    if (poller->timer >= 0)
        close(poller->timer);
    if (poller->ready >= 0)
        close(poller->ready);
    kith__free(poller);
}

static bool
watch(struct kith__poller *poller, int fd)
{
    struct epoll_event event = { .events = EPOLLIN };

    return fd >= 0 && epoll_ctl(poller->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static struct kith__poller *
make(struct kith__arena *arena)
{
    struct kith__poller *poller = kith__calloc(1, sizeof *poller);
    char path[64];
    bool good;

    if (poller == NULL) {
        kith__fail(KITH_ENOMEM, "This process has no memory left for one more poller.");
        return NULL;
    }
    poller->pid = getpid();
    poller->epoll = epoll_create1(EPOLL_CLOEXEC);
    poller->notify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    poller->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    poller->ready = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    /* By the descriptor, since a name may lead to another file by now. */
    snprintf(path, sizeof path, "/proc/self/fd/%d", wake_fd(arena));
    good = watch(poller, poller->notify) && watch(poller, poller->timer) &&
           watch(poller, poller->ready) && inotify_add_watch(poller->notify, path, IN_MODIFY) >= 0;
    if (!good) {
        kith__fail(KITH_ESYSTEM,
                   "No descriptor to poll %s with can be had: %s. Raise ulimit -n or "
                   "fs.inotify.max_user_instances, or close handles that are polled.",
                   arena->path ? arena->path : "the mem:// space", strerror(errno));
        close_all(poller);
        return NULL;
    }
    return poller;
}

/* Whether there was something. */
static bool
drain(int fd)
{
    char bytes[4096];
    bool any = false;

    while (read(fd, bytes, sizeof bytes) > 0)
        any = true;
    return any;
}

static void
look_after_dead(struct kith__self *self)
{
    struct kith__arena *arena = self->arena;
    uint64_t top = kith__load_acquire(&KITH__HEADER(arena)->actors_top);

    for (unsigned id = 1; id <= top && id <= arena->actors_max; id++)
        if (id != self->id && kith__actor_dead(arena, id))
            arena->on_death(self, id);
    arena->on_idle_holders(self);
    arena->on_idle(self);
}

kith_err
kith__poller_arm(struct kith__self *self, kith__poller_slot *slot, struct kith__poller **poller_out)
{
    struct kith__poller *poller = atomic_load(slot);
    struct itimerspec when = { .it_value = { 0, 0 } };
    bool fresh = poller == NULL || poller->pid != getpid();

    if (fresh) {
        struct kith__poller *old = poller;

        poller = make(self->arena);
        if (poller == NULL)
            return kith__telling.code;
        if (!atomic_compare_exchange_strong(slot, &old, poller)) { /* another thread was first */
            close_all(poller);
            poller = old;
        } else if (old != NULL) {
            close_all(old); /* the parent's: our copies of its descriptors */
        }
    }
    drain(poller->notify); /* R1 */
    drain(poller->ready);
    if (drain(poller->timer) || fresh)
        look_after_dead(self);
    if (kith__poll_recheck_ns != INT64_MAX) {
        when.it_value.tv_sec = (time_t)(kith__poll_recheck_ns / 1000000000);
        when.it_value.tv_nsec = (long)(kith__poll_recheck_ns % 1000000000);
        timerfd_settime(poller->timer, 0, &when, NULL);
    }
    *poller_out = poller;
    return KITH_OK;
}

void
kith__poller_ready(struct kith__poller *poller)
{
    eventfd_write(poller->ready, 1);
}

int
kith__poller_fd(const struct kith__poller *poller)
{
    return poller->epoll;
}

void
kith__poller_close(kith__poller_slot *slot)
{
    struct kith__poller *poller = atomic_exchange(slot, NULL);

    if (poller != NULL)
        close_all(poller);
}
