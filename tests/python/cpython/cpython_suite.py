"""CPython's own tests of multiprocessing, of kith.multiprocessing.

The source of `test._test_multiprocessing` runs here as it is, as this module, while the name
`multiprocessing` leads to ours.  It is a module of its own, because what a child unpickles is found
by module and name: a spawned child that looks for a class of the suite loads this file, and so has
our types, too.
"""
import importlib.util
import multiprocessing
import multiprocessing.connection
import multiprocessing.dummy
import multiprocessing.heap
import multiprocessing.managers
import multiprocessing.pool
import multiprocessing.queues
import multiprocessing.resource_tracker
import multiprocessing.shared_memory
import multiprocessing.sharedctypes
import multiprocessing.synchronize
import sys

import kith.multiprocessing
import kith.multiprocessing.managers
import kith.multiprocessing.queues
import kith.multiprocessing.shared_memory
import kith.multiprocessing.sharedctypes
import kith.multiprocessing.synchronize

_ours = [name for name in sys.modules if name.startswith("kith.multiprocessing")]
_standard = {name: module for name, module in sys.modules.items()
             if name.partition(".")[0] == "multiprocessing"}
for _name in _ours:
    sys.modules[_name.removeprefix("kith.")] = sys.modules[_name]
try:
    _spec = importlib.util.find_spec("test._test_multiprocessing")
    __file__ = _spec.origin  # it looks for other files of the suite beside it
    with open(_spec.origin, encoding="utf-8") as _file:
        exec(compile(_file.read(), _spec.origin, "exec"), globals())
finally:
    sys.modules.update(_standard)
PRELOAD = ["__main__", "suite_forkserver"]  # of the server that forks; else each child imports it
