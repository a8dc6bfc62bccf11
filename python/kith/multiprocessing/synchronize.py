"""Lock, RLock, Semaphore, BoundedSemaphore, Condition, Event and Barrier, as the standard's.

Each is a handle on an object in the program's space: a child has it by inheritance, or gets it
pickled, as an argument or any other way.
"""
import os
import threading
import time
from multiprocessing import process

from .. import _core
from ._space import keep_while_spawning, space

__all__ = ["Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"]

SEM_VALUE_MAX = 2**31 - 1

_LOCK, _RLOCK, _SEMAPHORE = range(3)


def _rebuild(cls, state):
    made = cls.__new__(cls, _state=state)
    return made


class SemLock(_core.StandardLock):
    """What the standard's locks and semaphores have in common: acquire(), release(), `with`."""

    _what = _LOCK
    _threads = False

    def __new__(cls, *args, _state=None, **options):
        handle = _state[0] if _state else cls._make_handle(*args, **options)
        return super().__new__(cls, handle, cls._what, cls._threads)

    def __init__(self, *args, **options):
        """All is done when it is made."""

    def __reduce__(self):
        keep_while_spawning(self)
        return _rebuild, (type(self), (self._handle,))

    # The standard's own queues, which concurrent.futures has, look at what is behind their locks.
    _semlock = property(lambda self: self)

    def _is_zero(self):
        return self.locked()

    def _get_value(self):
        return self._handle.value if self._what == _SEMAPHORE else int(not self.locked())

    def _is_mine(self):
        """Whether the calling thread holds it, as far as anyone can say of a lock without owner."""
        owner = self._handle.owner()
        return owner is not None and owner["pid"] == os.getpid() and (
            owner["thread"] in (0, threading.get_native_id()))

    def _holder(self):
        """Who holds it, as the standard's repr calls him."""
        owner = self._handle.owner()
        if owner is None:
            return "None"
        if owner["pid"] != os.getpid():
            return "SomeOtherProcess"
        if owner["thread"] not in (0, threading.get_native_id()):
            return "SomeOtherThread"
        name = process.current_process().name
        thread = threading.current_thread().name
        return name if thread == "MainThread" else f"{name}|{thread}"


class Lock(SemLock):
    """A lock that any thread of any process may release; a killed holder's comes back."""

    @staticmethod
    def _make_handle(*, ctx=None, space=space):
        return space().lock(None, unowned=True)

    def locked(self):
        """Whether anybody holds it."""
        return self._handle.locked()

    def __repr__(self):
        return f"<{type(self).__name__}(owner={self._holder()})>"


class RLock(SemLock):
    """A lock that belongs to a thread, which may acquire it again; a dead thread's comes back."""

    _what = _RLOCK

    @staticmethod
    def _make_handle(*, ctx=None, space=space):
        return space().lock(None, recursive=True)

    def locked(self):
        """Whether anybody holds it."""
        return self._handle.locked()

    def _count(self):
        owner = self._handle.owner()
        return 0 if owner is None else owner["depth"]

    def __repr__(self):
        holder = self._holder()
        count = 0 if holder == "None" else "nonzero" if holder.startswith("SomeOther") else \
            self._count()
        return f"<{type(self).__name__}({holder}, {count})>"


class Semaphore(SemLock):
    """A number of permits; those of a killed process come back."""

    _what = _SEMAPHORE

    @staticmethod
    def _make_handle(value=1, *, ctx=None, space=space, bounded=False):
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        return space().semaphore(None, value=value, bounded=bounded, unowned=True)

    def get_value(self):
        """Permits to be had now."""
        return self._handle.value

    def locked(self):
        """Whether no permit is to be had."""
        return self._handle.value == 0

    def __repr__(self):
        return f"<{type(self).__name__}(value={self.get_value()})>"


class BoundedSemaphore(Semaphore):
    """A semaphore that is never released above its first value."""

    @staticmethod
    def _make_handle(value=1, *, ctx=None, space=space):
        return Semaphore._make_handle(value, space=space, bounded=True)

    def __new__(cls, value=1, *, _state=None, **options):
        made = super().__new__(cls, value, _state=_state, **options)
        made._maxvalue = _state[1] if _state else value
        return made

    def __reduce__(self):
        keep_while_spawning(self)
        return _rebuild, (type(self), (self._handle, self._maxvalue))

    def __repr__(self):
        return (f"<{type(self).__name__}(value={self.get_value()}, "
                f"maxvalue={self._maxvalue})>")


class Condition:
    """Waiting, with a lock held, until notified.  A killed waiter's turn is the next one's."""

    def __init__(self, lock=None, *, ctx=None, space=space):
        if lock is None:
            lock = self._own_lock(space)
        elif not isinstance(lock, (Lock, RLock)):
            raise TypeError(f"the lock of a condition is a Lock or an RLock of "
                            f"kith.multiprocessing, not {type(lock).__name__}")
        self.__setstate__((lock, lock._handle.space.condition(None, lock=lock._handle)))

    @staticmethod
    def _own_lock(space):
        return RLock(space=space)

    def __getstate__(self):
        keep_while_spawning(self._condition)
        return self._lock, self._condition

    def __setstate__(self, state):
        self._lock, self._condition = state
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def __enter__(self):
        return self._lock.__enter__()

    def __exit__(self, *exception):
        return self._lock.__exit__(*exception)

    def __repr__(self):
        return f"<{type(self).__name__}({self._lock!r})>"

    def _must_hold(self, otherwise):
        assert self._lock._is_mine(), otherwise

    def wait(self, timeout=None):
        """Lets the lock go, waits to be notified, and has the lock again; whether it was."""
        self._must_hold("must acquire() condition before using wait()")
        again = self._lock._count() - 1 if isinstance(self._lock, RLock) else 0
        for _ in range(again):
            self._lock.release()
        try:
            return self._condition.wait(None if timeout is None else max(timeout, 0))
        finally:
            for _ in range(again):
                self._lock.acquire()

    def notify(self, n=1):
        """Wakes the `n` who have waited longest."""
        self._must_hold("lock is not owned")
        self._condition.notify(n)

    def notify_all(self):
        """Wakes all who wait."""
        self._must_hold("lock is not owned")
        self._condition.notify_all()

    def wait_for(self, predicate, timeout=None):
        """Waits until predicate() is true, for `timeout` seconds altogether; what it is then."""
        result = predicate()
        end = None if timeout is None else time.monotonic() + timeout
        while not result:
            left = None if end is None else end - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result


class Event:
    """A flag to wait for."""

    def __init__(self, *, ctx=None, space=space):
        self.__setstate__(space().event(None))

    def __getstate__(self):
        keep_while_spawning(self._event)
        return self._event

    def __setstate__(self, event):
        self._event = event
        self.is_set = event.is_set
        self.set = event.set
        self.clear = event.clear

    def wait(self, timeout=None):
        """Waits until it is set, up to `timeout` seconds; whether it is."""
        return self._event.wait(None if timeout is None else max(timeout, 0))

    def __repr__(self):
        return (f"<{type(self).__qualname__} at {id(self):#x} "
                f"{'set' if self.is_set() else 'unset'}>")


class Barrier:
    """Parties that wait for each other.  Who dies while waiting breaks it for the rest at once."""

    def __init__(self, parties, action=None, timeout=None, *, ctx=None, space=space):
        if parties < 1:
            raise ValueError("parties must be > 0")
        self.__setstate__((space().barrier(None, parties=parties), action, timeout))

    def __getstate__(self):
        keep_while_spawning(self._barrier)
        return self._barrier, self._action, self._timeout

    def __setstate__(self, state):
        self._barrier, self._action, self._timeout = state
        self._barrier._action = self._action

    def wait(self, timeout=None):
        """Waits for the others; as which this one came: 0 to parties - 1.  BrokenBarrierError."""
        if timeout is None:
            timeout = self._timeout
        try:
            return self._barrier.wait(None if timeout is None else max(timeout, 0))
        except threading.BrokenBarrierError as error:
            raise threading.BrokenBarrierError(*error.args) from None

    def reset(self):
        """Makes it as new; who waits gets a BrokenBarrierError."""
        self._barrier.reset()

    def abort(self):
        """Breaks it, until reset()."""
        self._barrier.abort()

    @property
    def parties(self):
        """How many have to come."""
        return self._barrier.parties

    @property
    def n_waiting(self):
        """How many wait."""
        return self._barrier.n_waiting

    @property
    def broken(self):
        """Whether it is broken."""
        return self._barrier.broken

    def __repr__(self):
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<{type(self).__qualname__} at {id(self):#x}: {state}>"
