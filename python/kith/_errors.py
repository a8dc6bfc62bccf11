"""The exceptions whose standard bases stand in modules that are slow to import."""

import queue
import threading

from kith._core import Error, UnavailableError


class Full(Error, queue.Full):
    """There is no room, at once or in time.  Also a queue.Full."""


class Empty(Error, queue.Empty):
    """There is nothing, at once or in time.  Also a queue.Empty."""


class ShutDown(Error, getattr(queue, "ShutDown", Exception)):
    """The queue was shut down.  Also a queue.ShutDown, where Python has that."""


class BrokenBarrierError(Error, threading.BrokenBarrierError):
    """The barrier is broken.  Also a threading.BrokenBarrierError."""


class WorkerDied(UnavailableError):
    """A pool's task was begun as often as it may be, and each time its worker died.

    pid: the worker that died last; signal: by which; attempts: how often the task was begun.
    """

    def __init__(self, sentence, *, pid=0, signal=0, attempts=0):
        super().__init__(sentence)
        self.pid = pid
        self.signal = signal
        self.attempts = attempts

    def __reduce__(self):
        return _rebuild_death, (self.args[0], self.pid, self.signal, self.attempts)


def _rebuild_death(sentence, pid, signal, attempts):
    return WorkerDied(sentence, pid=pid, signal=signal, attempts=attempts)


for _error in (Full, Empty, ShutDown, BrokenBarrierError, WorkerDied):
    _error.__module__ = "kith"
