"""The exceptions whose standard bases stand in modules that are slow to import."""

import queue
import threading

from kith._core import Error


class Full(Error, queue.Full):
    """There is no room, at once or in time.  Also a queue.Full."""


class Empty(Error, queue.Empty):
    """There is nothing, at once or in time.  Also a queue.Empty."""


class ShutDown(Error, getattr(queue, "ShutDown", Exception)):
    """The queue was shut down.  Also a queue.ShutDown, where Python has that."""


class BrokenBarrierError(Error, threading.BrokenBarrierError):
    """The barrier is broken.  Also a threading.BrokenBarrierError."""


for _error in (Full, Empty, ShutDown, BrokenBarrierError):
    _error.__module__ = "kith"
