"""Contexts whose shared types are ours; the start method is the standard library's own."""
import multiprocessing.context as standard
import sys
from multiprocessing import process
from multiprocessing.context import (AuthenticationError, BufferTooShort, Process, ProcessError,
                                     TimeoutError, assert_spawning, get_spawning_popen)

__all__ = ()


# Executors and pools wait for the pipes of their queues: they get the standard's, with our locks.
_WAIT_FOR_PIPES = ("concurrent.futures.process", "multiprocessing.pool")


class BaseContext(standard.BaseContext):
    """What the standard's contexts have, with our types."""

    def Manager(self):
        """Returns a manager whose objects are in shared memory: there is no server process."""
        from .managers import SyncManager

        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Lock(self):
        """Returns a non-recursive lock object."""
        from .synchronize import Lock

        return Lock(ctx=self.get_context())

    def RLock(self):
        """Returns a recursive lock object."""
        from .synchronize import RLock

        return RLock(ctx=self.get_context())

    def Condition(self, lock=None):
        """Returns a condition object."""
        from .synchronize import Condition

        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value=1):
        """Returns a semaphore object."""
        from .synchronize import Semaphore

        return Semaphore(value, ctx=self.get_context())

    def BoundedSemaphore(self, value=1):
        """Returns a bounded semaphore object."""
        from .synchronize import BoundedSemaphore

        return BoundedSemaphore(value, ctx=self.get_context())

    def Event(self):
        """Returns an event object."""
        from .synchronize import Event

        return Event(ctx=self.get_context())

    def Barrier(self, parties, action=None, timeout=None):
        """Returns a barrier object."""
        from .synchronize import Barrier

        return Barrier(parties, action, timeout, ctx=self.get_context())

    def Queue(self, maxsize=0):
        """Returns a queue object."""
        from .queues import Queue

        return Queue(maxsize, ctx=self.get_context())

    def JoinableQueue(self, maxsize=0):
        """Returns a queue object with task_done() and join()."""
        from .queues import JoinableQueue

        return JoinableQueue(maxsize, ctx=self.get_context())

    def SimpleQueue(self):
        """Returns a queue object with get() and put() alone."""
        if sys._getframe(1).f_globals.get("__name__") in _WAIT_FOR_PIPES:
            from multiprocessing.queues import SimpleQueue
        else:
            from .queues import SimpleQueue

        return SimpleQueue(ctx=self.get_context())

    def Pool(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None):
        """Returns a process pool object, whose tasks survive their workers."""
        from .pool import Pool

        return Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context())

    def RawValue(self, typecode_or_type, *args):
        """Returns a ctypes object in shared memory, without a lock."""
        from .sharedctypes import RawValue

        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type, size_or_initializer):
        """Returns a ctypes array in shared memory, without a lock."""
        from .sharedctypes import RawArray

        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type, *args, lock=True):
        """Returns a ctypes object in shared memory, with a lock around each access."""
        from .sharedctypes import Value

        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(self, typecode_or_type, size_or_initializer, *, lock=True):
        """Returns a ctypes array in shared memory, with a lock around each access."""
        from .sharedctypes import Array

        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

    def get_context(self, method=None):
        if method is None:
            return self
        standard._default_context.get_context(method)  # says what is wrong with it
        return _concrete_contexts[method]


class DefaultContext(BaseContext):
    """The context of the module itself; its start method is that of `multiprocessing`."""

    Process = Process

    def get_context(self, method=None):
        if method is None:
            method = standard._default_context.get_context().get_start_method()
        return super().get_context(method)

    def set_start_method(self, method, force=False):
        standard._default_context.set_start_method(method, force)

    def get_start_method(self, allow_none=False):
        return standard._default_context.get_start_method(allow_none)

    def get_all_start_methods(self):
        """The start methods there are, the default first."""
        return standard._default_context.get_all_start_methods()


class ForkContext(BaseContext):
    _name = "fork"
    Process = standard.ForkProcess


class SpawnContext(BaseContext):
    _name = "spawn"
    Process = standard.SpawnProcess


class ForkServerContext(BaseContext):
    _name = "forkserver"
    Process = standard.ForkServerProcess


_concrete_contexts = {"fork": ForkContext(), "spawn": SpawnContext(),
                      "forkserver": ForkServerContext()}
_default_context = DefaultContext()
