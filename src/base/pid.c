/*
 * pid.c - see pid.h.
 *
 * The number stands in a page that the kernel empties in every forked child, so that no fork has to
 * be heard of.
 */
#include "base/pid.h"

#include <stdatomic.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

/* NULL: not made yet; `none`: the system has no such pages. */
static _Atomic(atomic_int *) page;
static atomic_int none;

static atomic_int *
make_page(void)
{
    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    void *made = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    atomic_int *expected = NULL;

    if (made == MAP_FAILED)
        return &none;
    if (madvise(made, size, MADV_WIPEONFORK) != 0) {
        munmap(made, size);
        made = &none;
    }
    if (atomic_compare_exchange_strong(&page, &expected, made))
        return made;
    if (made != &none)
        munmap(made, size);
    return expected;
}

pid_t
kith__pid(void)
{
    atomic_int *cell = atomic_load_explicit(&page, memory_order_acquire);
    pid_t pid;

    if (cell == NULL)
        cell = make_page();
    pid = cell == &none ? 0 : atomic_load_explicit(cell, memory_order_relaxed);
    if (pid != 0)
        return pid;
    pid = getpid();
    if (cell != &none)
        atomic_store_explicit(cell, pid, memory_order_relaxed);
    return pid;
}
