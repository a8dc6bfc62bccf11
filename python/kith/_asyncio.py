"""The asyncio forms: no thread, and no polling but the descriptors that the library gives.

A descriptor becomes readable when the object may be ready.  Any number of tasks may wait on one:
all are woken, each tries, and those that were too late arm the descriptor again.
"""

import asyncio
import weakref

from kith import _core
from kith._errors import Empty, Full

_waiters = weakref.WeakKeyDictionary()  # loop -> {descriptor: set of futures}


def _wake(loop, descriptor):
    loop.remove_reader(descriptor)
    for future in _waiters.get(loop, {}).pop(descriptor, ()):
        if not future.done():
            future.set_result(None)


async def _readable(descriptor):
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    waiting = _waiters.setdefault(loop, {}).setdefault(descriptor, set())
    if waiting:
        # Perhaps for what was closed meanwhile, whose number is used again: nobody watches it then.
        loop.remove_reader(descriptor)
    loop.add_reader(descriptor, _wake, loop, descriptor)
    waiting.add(future)
    try:
        await future
    finally:
        waiting.discard(future)
        if not waiting and _waiters.get(loop, {}).get(descriptor) is waiting:
            loop.remove_reader(descriptor)
            del _waiters[loop][descriptor]


async def _until(arm, attempt, ready, timeout, nothing=()):
    """
    The result of attempt() as soon as ready(result), or what it gave last.  It raises `nothing` if
    there is nothing yet.  arm() gives the descriptor that tells when to try again.
    """
    good = result = None

    def tried():
        nonlocal good, result
        try:
            good, result = True, attempt()
        except nothing as error:
            good, result = False, error
        return good and ready(result)

    async def wait():
        while True:
            # Armed first and tried then, so that nothing gets lost between the two.
            descriptor = arm()
            if tried():
                return
            await _readable(descriptor)

    if not tried():
        try:
            await asyncio.wait_for(wait(), timeout)
        except (asyncio.TimeoutError, TimeoutError):
            pass
    if not good:
        raise result
    return result


def _always(_):
    return True


async def queue_get(queue, timeout=None):
    return await _until(queue.fileno, queue.get_nowait, _always, timeout, Empty)


async def queue_lease(queue, timeout=None, *, limit=None):
    return await _until(queue.fileno, lambda: queue.lease(0, limit=limit), _always, timeout, Empty)


async def queue_put(queue, item, timeout=None, *, priority=0, delay=None):
    def attempt():
        return queue.put(item, False, priority=priority, delay=delay)

    return await _until(queue.room_fileno, attempt, _always, timeout, Full)


async def event_wait(event, timeout=None):
    return await _until(event.fileno, event.is_set, bool, timeout)


async def semaphore_acquire(semaphore, timeout=None):
    return await _until(semaphore.fileno, lambda: semaphore.acquire(False), bool, timeout)


async def value_wait(value, old, timeout=None):
    return await _until(value.fileno, lambda: value.wait(old, 0), bool, timeout)


async def dict_wait(dict, key, version=0, timeout=None):
    return await _until(dict.fileno, lambda: dict.wait(key, version, 0), _always, timeout,
                        _core.TimeoutError)


async def limiter_wait(limiter, n=1, timeout=None):
    """Nothing tells of tokens but time, and that is known."""
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    while not limiter.take(n):
        state = limiter.state()
        pause = max(state["next"], (n - state["available"]) / state["rate"])
        if deadline is not None and loop.time() + pause > deadline:
            return False
        await asyncio.sleep(pause)
    return True


async def lock_acquire(lock, timeout=None):
    """A lock belongs to a thread; so of one that a task of this thread has, others wait, too."""
    def attempt():
        try:
            return lock.acquire(False)
        except _core.DeadlockError:
            return False

    return await _until(lock.fileno, attempt, bool, timeout)
