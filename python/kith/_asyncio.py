"""The asyncio forms: no thread, and no polling but the descriptors that the library gives.

A descriptor becomes readable when the object may be ready.  Any number of tasks may wait on one:
all are woken, each tries, and those that were too late arm the descriptor again.
"""

import asyncio
import weakref

from kith._core import DeadlockError
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


def _tried(attempt):
    """(True, result), or (False, what was raised) if there is nothing yet."""
    try:
        return True, attempt()
    except Empty as error:
        return False, error


async def _until(handle, attempt, ready, timeout):
    """The result of attempt() as soon as ready(result), or what it gave last."""
    good, result = _tried(attempt)
    if good and ready(result):
        return result

    async def wait():
        nonlocal good, result
        while True:
            # Armed first and tried then, so that nothing gets lost between the two.
            descriptor = handle.fileno()
            good, result = _tried(attempt)
            if good and ready(result):
                return
            await _readable(descriptor)

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
    return await _until(queue, queue.get_nowait, _always, timeout)


async def queue_lease(queue, timeout=None, *, limit=None):
    return await _until(queue, lambda: queue.lease(0, limit=limit), _always, timeout)


async def event_wait(event, timeout=None):
    return await _until(event, event.is_set, bool, timeout)


async def queue_put(queue, item, timeout=None, *, priority=0, delay=None):
    """Descriptors tell of items, not of room; so a full queue is tried again as items go."""
    loop = asyncio.get_running_loop()
    deadline = None if timeout is None else loop.time() + timeout
    pause = 0.001
    while True:
        try:
            return queue.put(item, False, priority=priority, delay=delay)
        except Full:
            if deadline is not None and loop.time() >= deadline:
                raise
        left = pause if deadline is None else max(0, min(pause, deadline - loop.time()))
        await asyncio.sleep(left)
        pause = min(pause * 2, 0.05)


async def lock_acquire(lock, timeout=None):
    """A lock belongs to a thread; so of one that a task of this thread has, others wait, too."""
    def attempt():
        try:
            return lock.acquire(False)
        except DeadlockError:
            return False

    return await _until(lock, attempt, bool, timeout)
