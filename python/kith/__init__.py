"""Live objects that processes share: dicts, lists, queues, locks and many more.

    import kith

    space = kith.open("hits")               # or the address in KITH_URL
    hits = space.dict("by-host")
    hits.add("www.debian.org", 1)           # atomic, and no death leaves it half done
    hits.counts["www.debian.org"] += 1      # atomic, too
    with space.lock("report"):
        ...

Each object is the real thing to Python: a MutableMapping, a MutableSequence, a queue with the
surface of queue.Queue, a lock with that of threading.Lock.  Handles pickle, work by inheritance
after fork, and are found by their names from any program.
"""

import os as _os
import sys as _sys
from _collections_abc import Mapping as _Mapping
from _collections_abc import MutableMapping as _MutableMapping
from _collections_abc import MutableSequence as _MutableSequence
from _collections_abc import MutableSet as _MutableSet
from _collections_abc import Sequence as _Sequence

from kith import _core
from kith._core import (
    DELETE, Array, AuthError, Barrier, ClosedError, Condition, ConflictError, CorruptError, Count,
    Counts, DeadlockError, DeniedError, Dict, DumpReport, Error, Event, ExistsError, Foreign,
    GoneError, Info, InvalidError, KindError, Lease, Limiter, List, Lock, Namespace,
    NotFoundError, NotOwnerError, Once, OutOfMemoryError, PositionError, Queue, RangeError,
    Report, RWLock, Segment, Semaphore, Set, Share, Snapshot, Space, SpaceInfo, Stat, SystemError,
    TimeoutError, TooBigError, Txn, UnavailableError, UnsupportedError, Value, VersionError, View,
    __version__, open, remove, spaces)

_MutableMapping.register(Dict)
_MutableSequence.register(List)
_MutableSet.register(Set)
_Mapping.register(Snapshot)
_Sequence.register(Array)

# Made when they are first asked for: their modules take longer to import than all the rest.
_LAZY = {
    "Empty": "kith._errors",
    "Full": "kith._errors",
    "ShutDown": "kith._errors",
    "BrokenBarrierError": "kith._errors",
    "WorkerDied": "kith._errors",
    "cached": "kith._cached",
    "Pool": "kith._pool",
}

__all__ = [
    "DELETE", "Array", "AuthError", "Barrier", "BrokenBarrierError", "ClosedError", "Condition",
    "ConflictError", "CorruptError", "Count", "Counts", "DeadlockError", "DeniedError", "Dict",
    "DumpReport", "Empty", "Error", "Event", "ExistsError", "Foreign", "Full", "GoneError", "Info",
    "InvalidError", "KindError", "Lease", "Limiter", "List", "Lock", "Namespace", "NotFoundError",
    "NotOwnerError", "Once", "OutOfMemoryError", "Pool", "PositionError", "Queue", "RWLock",
    "RangeError", "Report", "Segment", "Semaphore", "Set", "Share", "ShutDown", "Snapshot", "Space",
    "SpaceInfo", "Stat", "TooBigError", "Txn", "UnavailableError", "UnsupportedError", "Value",
    "VersionError", "View", "WorkerDied", "cached", "remove", "spaces"]


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module 'kith' has no attribute {name!r}")
    import importlib
    value = globals()[name] = getattr(importlib.import_module(_LAZY[name]), name)
    return value


def __dir__():
    return sorted({*globals(), *__all__})


def _leave_last():
    """Leaves the spaces, after the threads: multiprocessing would wait for them only then."""
    import threading
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    _core._leave()


def _register_leave(_=None):
    """Lets this child of multiprocessing leave its spaces in order: it ends by os._exit()."""
    from multiprocessing.util import Finalize
    Finalize(None, _leave_last, exitpriority=-1000)


class _Module:
    """Something that multiprocessing can hold a weak reference of."""


_hooked = None


def _hook_multiprocessing():
    global _hooked
    util = _sys.modules.get("multiprocessing.util")
    if _hooked is None and util is not None and hasattr(util, "register_after_fork"):
        _hooked = _Module()  # once: children inherit what is registered
        util.register_after_fork(_hooked, _register_leave)


_os.register_at_fork(after_in_child=_core._after_fork)
# A forked child is told here, before multiprocessing looks who wants to know; a spawned one, which
# multiprocessing has prepared when it imports this module, at once.
_os.register_at_fork(after_in_child=_hook_multiprocessing)
_hook_multiprocessing()
