"""A drop-in for the standard library's `multiprocessing`: change the import, nothing else.

    import kith.multiprocessing as multiprocessing

Every public name of the standard module is here.  Those that are shared between processes are ours:

    Value Array RawValue RawArray       cells in shared memory, and a lock around each access
    Lock RLock Semaphore BoundedSemaphore Condition Event Barrier
    Queue JoinableQueue SimpleQueue     no feeder thread: an item put is there when put() returns
    Manager                             dicts, lists, namespaces …: in shared memory, no server
    Pool                                of workers: no task is lost or waited for without end
    shared_memory managers pool sharedctypes synchronize queues

The rest (Process, Pipe, connections, loggers) is the standard library's own, and start
methods are set for both by either.

What differs: a process that is killed leaves nothing taken and nothing broken.  Its locks, permits
and its place among those who wait come back at once, a queue goes on, and a barrier breaks for the
rest.  Whoever gets a lock of the dead is not told, since the standard has no way to say so; the
native `kith.Lock` tells.
"""
import sys

from . import context

#
# As in the standard module, the public names are those of the default context.
#
__all__ = [name for name in dir(context._default_context) if not name.startswith("_")]
globals().update((name, getattr(context._default_context, name)) for name in __all__)

_SUBMODULES = ("connection", "dummy", "heap", "managers", "pool", "process", "queues", "reduction",
               "resource_sharer", "resource_tracker", "shared_memory", "sharedctypes", "spawn",
               "synchronize", "util", "forkserver", "popen_fork", "popen_forkserver",
               "popen_spawn_posix")
_OURS = ("managers", "pool", "queues", "shared_memory", "sharedctypes", "synchronize")


def __getattr__(name):
    if name in _SUBMODULES:
        import importlib

        package = __name__ if name in _OURS else "multiprocessing"
        module = importlib.import_module(f"{package}.{name}")
        sys.modules.setdefault(f"{__name__}.{name}", module)
        globals()[name] = module
        return module
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class _Finder:
    """`import kith.multiprocessing.connection` finds the standard's module."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        package, _, child = name.rpartition(".")
        if package != __name__ or child not in _SUBMODULES or child in _OURS:
            return None
        import importlib
        import importlib.machinery

        module = importlib.import_module(f"multiprocessing.{child}")
        its_spec = module.__spec__

        class Loader:
            @staticmethod
            def create_module(spec):
                return module

            @staticmethod
            def exec_module(created):
                """It has been executed already, and goes on to be the standard's."""
                created.__spec__ = its_spec

        return importlib.machinery.ModuleSpec(name, Loader)


sys.meta_path.append(_Finder)
SUBDEBUG = 5
SUBWARNING = 25
