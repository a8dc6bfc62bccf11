/*
 * descriptor.h - descriptors that nobody prints to by mistake.
 */
#ifndef KITH__BASE_DESCRIPTOR_H
#define KITH__BASE_DESCRIPTOR_H

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/*
 * The same open file, by a descriptor above the standard ones; takes `fd` over, and passes on -1 as
 * it is, with errno.  Where a program has closed a standard descriptor, as daemons do, the next
 * file opened gets its number, and what is printed then is written into that file.
 */
static inline int
kith__descriptor_high(int fd)
{
    int high, kept;

    if (fd < 0 || fd > STDERR_FILENO)
        return fd;
    high = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    kept = errno;
    close(fd);
    errno = kept;
    return high;
}

#endif /* KITH__BASE_DESCRIPTOR_H */
