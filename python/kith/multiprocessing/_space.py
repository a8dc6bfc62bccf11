"""The spaces that the drop-in's objects stand in.

A program and all its children have one for what is not a manager's.  It is made when it is first
needed, and its name is handed on in the standard's own process configuration, which children
inherit whatever their start method.  It is removed by the last process to leave; what kills leave
behind is removed by the next program that makes such a space, or by `kith gc`.
"""
import os
import threading
from multiprocessing import process, util

import kith

_lock = threading.Lock()
_space = None
_swept = False


def open_temporary(address=None, create=True):
    """A space for this program and its children; `address`: one that there is."""
    global _swept
    if address is not None:
        return kith.open(address, create=create, temporary=True, serializer="pickle")
    opened = kith.open(f"multiprocessing-{os.getpid()}-{os.urandom(6).hex()}", temporary=True,
                       serializer="pickle")
    if not _swept:
        _swept = True
        opened.gc()  # once a program: removes what killed programs have left
    return opened


def space():
    """This program's space."""
    global _space
    if _space is None:
        with _lock:
            if _space is None:
                config = process.current_process()._config
                opened = open_temporary(config.get("kith_space"))
                config["kith_space"] = opened.address
                _space = opened
    return _space


def _after_fork(_):
    global _lock
    _lock = threading.Lock()


class _Forked:
    """What the standard's list of things to do in a forked child refers to."""


_forked = _Forked()
util.register_after_fork(_forked, _after_fork)


def keep_while_spawning(*objects):
    """
    What is pickled for a child that is being started stays as long as what starts it: the parent
    may drop its own reference before the child has one.
    """
    from multiprocessing.context import get_spawning_popen

    popen = get_spawning_popen()
    if popen is not None:
        popen.__dict__.setdefault("_kith_kept", []).extend(objects)
