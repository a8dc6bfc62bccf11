"""Pools of workers with the surface of `multiprocessing.pool`, whose tasks survive their workers.

A worker that is killed loses no task: another runs it again, up to RETRIES times, and then the
result is a kith.WorkerDied, where the standard's waits for ever.  Callbacks are called by a thread
of the pool's, as in the standard.  Workers are those of kith.Pool, see kith/_pool.py.
"""
import itertools
import os
import threading
import time
import warnings
from multiprocessing import TimeoutError, util
from multiprocessing import pool as standard
from multiprocessing.pool import MaybeEncodingError, ThreadPool

from kith import _core
from kith._pool import Engine, Failed, RemoteTraceback, TaskError  # noqa: F401

from .context import _default_context

__all__ = ["Pool", "ThreadPool"]


def __getattr__(name):
    """What is not ours is the standard's."""
    return getattr(standard, name)


#
# Constants
#

INIT = "INIT"
RUN = "RUN"
CLOSE = "CLOSE"
TERMINATE = "TERMINATE"

# How often a task is begun again whose worker died.
RETRIES = 2

job_counter = itertools.count()


def _raised(failed):
    """The exception of a Failed, as the standard's pool raises it."""
    exception = failed.exception
    if isinstance(exception, TaskError):
        error = MaybeEncodingError(None, None)
        error.args = error.exc, error.value = exception.error, exception.value
        error.__cause__ = exception.__cause__
        return error
    return exception


class Pool:
    """Supports an async version of applying functions to arguments.

    processes: how many workers, one for each processor by default; maxtasksperchild: after so many
    tasks, or chunks of them, a worker is replaced.
    """

    def __init__(self, processes=None, initializer=None, initargs=(), maxtasksperchild=None,
                 context=None):
        self._state = INIT
        self._ctx = context or _default_context.get_context()
        if processes is None:
            processes = os.cpu_count() or 1
        if processes < 1:
            raise ValueError("Number of processes must be at least 1")
        if maxtasksperchild is not None:
            if not isinstance(maxtasksperchild, int) or maxtasksperchild <= 0:
                raise ValueError("maxtasksperchild must be a positive int or None")
        self._processes = processes
        self._engine = Engine(processes, initializer=initializer, initargs=initargs,
                              attempts=RETRIES + 1, tasks_per_worker=maxtasksperchild,
                              start_method=self._ctx.get_start_method(), daemon=True,
                              label=f"{type(self._ctx).__name__[:-len('Context')]}PoolWorker")
        self._cache = {}  # job -> what waits for it: they are kept till they are done
        self._terminate = util.Finalize(self, self._terminate_pool,
                                        args=(self._engine, self._cache), exitpriority=15)
        self._state = RUN

    def __del__(self, _warn=warnings.warn, RUN=RUN):
        if getattr(self, "_state", None) == RUN:
            _warn(f"unclosed running multiprocessing pool {self!r}", ResourceWarning, source=self)

    def __repr__(self):
        cls = self.__class__
        return (f"<{cls.__module__}.{cls.__qualname__} state={self._state} "
                f"pool_size={self._processes}>")

    def __reduce__(self):
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")

    def _check_running(self):
        if self._state != RUN:
            raise ValueError("Pool not running")

    # -- one task

    def apply(self, func, args=(), kwds={}):
        """Equivalent of `func(*args, **kwds)`.  Pool must be running."""
        self._check_running()
        return _get(self._engine.call(func, tuple(args), dict(kwds)).next(None)[1])

    def apply_async(self, func, args=(), kwds={}, callback=None, error_callback=None):
        """Asynchronous version of `apply()` method."""
        self._check_running()
        result = ApplyResult(self, callback, error_callback)
        try:
            result._begin(self._engine.call(func, tuple(args), dict(kwds)))
        except Exception as error:
            result._fail(error)  # as the standard: what cannot be sent is the result's
        return result

    # -- many tasks

    def map(self, func, iterable, chunksize=None):
        """Applies `func` to each element of `iterable`, collecting the results in a list."""
        return self._map_async(func, iterable, False, chunksize).get()

    def starmap(self, func, iterable, chunksize=None):
        """Like `map()`, but the elements of the `iterable` are expected to be iterables as well
        and will be unpacked as arguments.  Hence `func` and (a, b) becomes func(a, b)."""
        return self._map_async(func, iterable, True, chunksize).get()

    def map_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        """Asynchronous version of `map()` method."""
        return self._map_async(func, iterable, False, chunksize, callback, error_callback)

    def starmap_async(self, func, iterable, chunksize=None, callback=None, error_callback=None):
        """Asynchronous version of `starmap()` method."""
        return self._map_async(func, iterable, True, chunksize, callback, error_callback)

    def _map_async(self, func, iterable, star, chunksize=None, callback=None,
                   error_callback=None):
        self._check_running()
        items = [tuple(arguments) for arguments in iterable] if star else list(iterable)
        if chunksize is None:
            chunksize = self._engine.chunk_of(len(items))
        result = MapResult(self, callback, error_callback)
        if not items:
            result._finish(True, [])
            return result
        try:
            task, release = self._engine.take_function(func, star)
            results = self._engine.handle.submit(task, items, chunk=max(1, chunksize))
        except Exception as error:
            result._fail(error)
            return result
        results.begin(None, release)
        result._begin(results)
        return result

    def imap(self, func, iterable, chunksize=1):
        """Equivalent of `map()` -- can be MUCH slower than `Pool.map()`."""
        return self._imap(func, iterable, chunksize, False)

    def imap_unordered(self, func, iterable, chunksize=1):
        """Like `imap()` method but ordering of results is arbitrary."""
        return self._imap(func, iterable, chunksize, True)

    def _imap(self, func, iterable, chunksize, unordered):
        self._check_running()
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize:n}")
        return IMapIterator(self, func, iterable, chunksize, unordered)

    # -- the end

    def close(self):
        """Takes no more tasks; the workers end when those submitted are done."""
        if self._state == RUN:
            self._state = CLOSE
            self._engine.handle.close()

    def terminate(self):
        """Ends the workers at once."""
        self._state = TERMINATE
        self._terminate()

    @staticmethod
    def _terminate_pool(engine, cache):
        engine.handle.terminate()
        engine.end_thread()
        engine.free()
        cache.clear()

    def join(self):
        """Waits for the workers to end; close() or terminate() comes first."""
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        self._engine.handle.join(None)
        self._engine.end_thread()

    def __enter__(self):
        self._check_running()
        return self

    def __exit__(self, exc_type, exc_val, exc_tb):
        self.terminate()


def _get(outcome):
    if type(outcome) is Failed:
        try:
            raise _raised(outcome)
        finally:
            del outcome
    return outcome


class ApplyResult:
    """What `apply_async()` gives: the result of one task that will come."""

    def __init__(self, pool, callback, error_callback):
        self._pool = pool
        self._job = next(job_counter)
        self._callback = callback
        self._error_callback = error_callback
        self._results = None
        self._outcomes = []
        self._lock = threading.Lock()
        self._event = None  # of one whose callbacks the pool's thread calls
        self._done = False

    def _begin(self, results):
        self._results = results
        if self._callback is None and self._error_callback is None:
            return
        self._event = threading.Event()
        self._pool._cache[self._job] = self
        self._outcomes = [None] * len(results)
        self._left = len(results)
        self._pool._engine.watch(results, self._come)

    def _come(self, index, outcome):
        """In the pool's thread: a task is done."""
        self._outcomes[index] = outcome
        self._left -= 1
        if self._left == 0:
            self._settle(next((o for o in self._outcomes if type(o) is Failed), None))
            self._pool._cache.pop(self._job, None)

    def _value_of(self, outcomes):
        return outcomes[0]

    def _settle(self, failed):
        """All has come; failed: the first that failed, or None."""
        if failed is not None:
            self._finish(False, _raised(failed))
        else:
            self._finish(True, self._value_of(self._outcomes))

    def _fail(self, error):
        self._finish(False, error)

    def _finish(self, success, value):
        self._success, self._value = success, value
        self._results, self._outcomes = None, []
        try:
            if success and self._callback:
                self._callback(value)
            if not success and self._error_callback:
                self._error_callback(value)
        finally:
            self._done = True
            if self._event is not None:
                self._event.set()

    def _fill(self, timeout):
        """Waits for what is not there yet; who waits takes it in."""
        if self._done:
            return
        if self._event is not None:
            self._event.wait(timeout)
            return
        end = None if timeout is None else time.monotonic() + timeout
        if not self._lock.acquire(timeout=-1 if timeout is None else max(0, timeout)):
            return
        try:
            if self._done:
                return
            left = None if end is None else max(0, end - time.monotonic())
            if self._results.fill(self._outcomes, left) == len(self._results):
                at = self._results.failed_at
                self._settle(None if at < 0 else self._outcomes[at])
        finally:
            self._lock.release()

    def ready(self):
        """Whether the call has completed."""
        self._fill(0)
        return self._done

    def successful(self):
        """Whether the call completed without raising; ValueError if it has not completed."""
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._success

    def wait(self, timeout=None):
        """Waits until the result is available or until `timeout` seconds pass."""
        self._fill(timeout)

    def get(self, timeout=None):
        """The result when it arrives; TimeoutError if it does not within `timeout` seconds."""
        self._fill(timeout)
        if not self._done:
            raise TimeoutError
        if self._success:
            return self._value
        try:
            raise self._value
        finally:
            self = None  # its traceback would keep it


AsyncResult = ApplyResult  # the name that the standard's documents use


class MapResult(ApplyResult):
    """What `map_async()` and `starmap_async()` give."""

    def _value_of(self, outcomes):
        return outcomes


class IMapIterator:
    """What `imap()` and `imap_unordered()` give; takes of the iterable as results are taken."""

    AHEAD = 1000

    def __init__(self, pool, func, iterable, chunksize, unordered):
        self._pool = pool
        self._task, self._release = pool._engine.take_function(func, False)
        self._iterable = iter(iterable)
        self._chunk = chunksize
        self._unordered = unordered
        self._batches = []  # [PoolResults, how many of it are still to be given]
        self._waiting = 0
        self._error = None  # what the iterable raised: it comes behind what came before
        self._lock = threading.Lock()
        self._submit()

    def _submit(self):
        """Keeps the workers busy ahead of what is taken."""
        ahead = max(self.AHEAD, 4 * self._chunk * self._pool._processes)
        while self._iterable is not None and self._waiting <= ahead // 2:
            count = -(-(ahead - self._waiting) // self._chunk) * self._chunk
            items = []
            try:
                for item in itertools.islice(self._iterable, count):
                    items.append(item)
                if len(items) < count:
                    self._iterable = None
            except Exception as error:
                self._iterable, self._error = None, error
                del items[len(items) // self._chunk * self._chunk:]  # as the standard: it is lost
            if items:
                results = self._pool._engine.handle.submit(
                    self._task, items, chunk=self._chunk, unordered=self._unordered)
                self._batches.append([results, len(items)])
                self._waiting += len(items)

    def __iter__(self):
        return self

    def next(self, timeout=None):
        with self._lock:
            if not self._batches:
                error, self._error = self._error, None
                self._release()
                if error is not None:
                    raise error
                raise StopIteration from None
            batch = self._batches[0]
            try:
                outcome = batch[0].next(timeout)[1]
            except _core.TimeoutError:
                raise TimeoutError from None
            batch[1] -= 1
            self._waiting -= 1
            if batch[1] == 0:
                self._batches.remove(batch)
            if self._pool._state == RUN:
                self._submit()
        return _get(outcome)

    __next__ = next


IMapUnorderedIterator = IMapIterator  # the standard's name of what imap_unordered() gives
