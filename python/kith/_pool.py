"""kith.Pool, and what kith.multiprocessing's pools stand on.

A task of Python is a task of kith/pool.h with one item.  Its name says what that is:

    call     (function, arguments, keywords) as one pickle
    map N    an argument of the function N
    star N   a tuple of the arguments of the function N

Functions of many tasks stand in the dict NAME.functions of the pool's space, pickled, for as long
as somebody waits for their results.  A result is the function's, or a Failed in its place.
"""

import concurrent.futures
import io
import itertools
import os
import pickle
import sys
import threading
import time
import traceback
import weakref

from kith import _core
from kith._errors import WorkerDied

# Functions that are kept for the next map of the same one.
FUNCTIONS_KEPT = 64
# Tasks for each worker that imap() has submitted ahead of the one that is waited for.
AHEAD = 64
# Chunks for each worker that a map is cut into, as by the standard's.
CHUNKS_PER_WORKER = 4


# ---- what crosses between processes

class RemoteTraceback(Exception):
    """The text of a traceback in a worker: the cause of the exception that was raised there."""

    def __init__(self, text):
        super().__init__(text)
        self.tb = text  # the name that it has in multiprocessing.pool

    def __str__(self):
        return self.tb


def _rebuild(exception, text):
    exception.__cause__ = RemoteTraceback(text)
    return Failed(exception)


class Failed:
    """Stands where the result of a task that failed would be."""

    __slots__ = ("exception", "text")

    def __init__(self, exception, text=None):
        self.exception = exception
        self.text = text

    def __reduce__(self):
        return _rebuild, (self.exception, self.text)


class TaskError(Exception):
    """A task raised something, or had a result, that cannot be pickled: its text stands for it.

    error, value: the repr of what was raised, by the task or by pickling, and of the result.
    """

    def __init__(self, text, error="", value=""):
        super().__init__(text)
        self.error = error
        self.value = value

    def __reduce__(self):
        return TaskError, (*self.args, self.error, self.value)


def _repr(value):
    try:
        return repr(value)
    except Exception:
        return object.__repr__(value)


def _failure(exception, *unsent):
    """In a worker: what is sent of an exception; of one while its result was sent, a TaskError."""
    text = "".join(traceback.format_exception(type(exception), exception,
                                              exception.__traceback__))
    failed = Failed(exception, f'\n"""\n{text}"""')
    exception.__traceback__ = None
    try:
        if not unsent:
            pickle.loads(_dumps(failed))
            return failed
    except Exception:
        pass
    error = TaskError(f"{type(exception).__name__}: {exception}", _repr(exception),
                      *map(_repr, unsent))
    return Failed(error, failed.text)


def _died(sentence, pid, signal, attempts):
    return Failed(WorkerDied(sentence, pid=pid, signal=signal, attempts=attempts))


def _dumps(value):
    """Pickled, also what multiprocessing can send; functions in any place by cloudpickle."""
    reduction = sys.modules.get("multiprocessing.reduction")
    try:
        if reduction is None:
            return pickle.dumps(value, protocol=5)
        file = io.BytesIO()
        reduction.ForkingPickler(file, 5).dump(value)
        return file.getvalue()
    except (pickle.PicklingError, AttributeError, TypeError):
        try:
            import cloudpickle
        except ImportError:
            cloudpickle = None
        if cloudpickle is None:
            raise
        return cloudpickle.dumps(value, protocol=5)


def _dumps_function(function):
    if not callable(function):
        raise TypeError(f"{function!r} is not callable")
    try:
        return _dumps(function)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise pickle.PicklingError(
            f"The function {function!r} cannot be sent to workers: {error}.  Define it at the top "
            f"of a module, or install cloudpickle.") from error


# ---- in a worker

class _Worker:
    """What a worker knows: where the functions are, and what it is to do first and last."""

    def __init__(self, space, name, initializer, arguments, daemon, label):
        self.space = space
        self.name = name + ".functions"
        self.initializer = initializer
        self.arguments = arguments
        self.daemon = daemon
        self.label = label

    def resolve(self, task):
        kind, _, number = task.partition(" ")
        if kind == "call":
            return _call
        functions = self.space.dict(self.name, create=False)
        data = functions.get(int(number)) if kind in ("map", "star") else None
        if data is None:
            raise _core.NotFoundError(f"There is no function for the task {task!r}.")
        function = pickle.loads(data)
        return function if kind == "map" else lambda arguments: function(*arguments)

    def begin(self):
        _be_process(self.daemon, self.label)
        if self.initializer is not None:
            self.initializer(*self.arguments)

    def finish(self):
        _end_process()


def _call(data):
    function, arguments, keywords = pickle.loads(data)
    return function(*arguments, **keywords)


def _be_process(daemon, label):
    """A worker that was forked is a process of its own to multiprocessing, as to the system."""
    process = sys.modules.get("multiprocessing.process")
    if process is None:
        return
    parent = process.current_process()
    current = process.BaseProcess.__new__(process.BaseProcess)
    number = next(process._process_counter)
    current._identity = parent._identity + (number,)
    current._config = parent._config.copy()
    current._config["daemon"] = daemon
    current._parent_pid = os.getppid()
    current._parent_name = parent.name
    current._popen = None
    current._closed = False
    current._target = None
    current._args = ()
    current._kwargs = {}
    current._name = f"{label}-{os.getpid()}"
    process._current_process = current
    process._process_counter = itertools.count(1)
    process._children = set()
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._finalizer_registry.clear()
        util._run_after_forkers()


def _end_process():
    threading._shutdown()
    util = sys.modules.get("multiprocessing.util")
    if util is not None:
        util._exit_function()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            pass


def _spawned():
    """The whole life of a worker that is a command: see Engine's `command`."""
    space = _core._pool_space()
    name = os.environ["KITH_POOL"]
    functions = space.dict(name + ".functions")
    while "preparation" not in functions:  # it is written when the pool has been started
        functions.wait("preparation", timeout=1)
    preparation = pickle.loads(functions["preparation"])
    if preparation is not None:
        from multiprocessing import spawn
        spawn.prepare(preparation)
    worker = _Worker(space, name, *pickle.loads(functions["initializer"]))
    try:
        worker.begin()
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    try:
        _core._pool_work(space, worker.resolve)
    finally:
        worker.finish()


# ---- in the program

_numbers = itertools.count(1)




def _command(worker, private):
    """The command of a worker that is an interpreter of its own, and what it looks for first."""
    from multiprocessing import process, spawn
    from subprocess import _args_from_interpreter_flags
    preparation = None
    if not getattr(process.current_process(), "_inheriting", False):
        preparation = spawn.get_preparation_data("KithWorker")
        key = preparation.pop("authkey", None)
        if private and key is not None:  # others could read it in a space that has a name
            preparation["authkey"] = bytes(key)
    text = "from kith._pool import _spawned; _spawned()"
    command = [os.fsencode(word) for word in
               (spawn.get_executable(), *_args_from_interpreter_flags(), "-c", text)]
    return command, (_dumps(worker), pickle.dumps(preparation))


class _Use:
    """That somebody waits for tasks of a function; called, or dropped, nobody does any more."""

    def __init__(self, engine, entry):
        self._engine = weakref.ref(engine)
        self._entry = entry

    def __call__(self):
        if self._entry is not None:
            self._entry[1] -= 1
            self._entry = None
            engine = self._engine()
            if engine is not None:
                engine.forget_functions()

    __del__ = __call__


class Engine:
    """A pool as this process has it: submits, and has callbacks called for what is done.

    A thread is started when the first callback is given, and ends with the pool.
    """

    def __init__(self, workers=None, *, space=None, name=None, initializer=None, initargs=(),
                 attempts=3, tasks_per_worker=None, memory_per_worker=None, time_limit=None,
                 kill_late=False, start_method="fork", daemon=False, label="KithWorker"):
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if workers is None:
            workers = len(os.sched_getaffinity(0))
        elif workers < 1:
            raise ValueError("Number of processes must be at least 1")
        if space is None:
            space = _core.open("mem://", serializer="pickle")
        elif space.serializer is None:
            raise _core.InvalidError(
                f"A pool of Python tasks needs a space that was opened with "
                f"serializer=\"pickle\"; {space.address!r} was not.")
        if name is None:
            name = f"pool-{os.getpid()}-{next(_numbers)}"
        self.space = space
        self.name = name
        self.workers = workers
        self.attempts = attempts
        worker = _Worker(space, name, initializer, tuple(initargs), daemon, label)
        command, words = None, None
        if start_method != "fork":
            command, words = _command((initializer, tuple(initargs), daemon, label),
                                      space.address.startswith("mem:"))
        self.handle = _core._pool_start(
            space, name, worker.resolve, worker.begin, worker.finish, command=command,
            workers=workers, attempts=attempts, tasks_per_worker=tasks_per_worker,
            memory_per_worker=memory_per_worker, time_limit=time_limit, kill_late=kill_late)
        self._functions = space.dict(worker.name)
        self._ended = False
        if words is not None:
            self._functions["initializer"], self._functions["preparation"] = words
        self._begin()
        self.free = weakref.finalize(self, self.handle.free)

    def _begin(self):
        """What is of this process alone."""
        self._process = os.getpid()
        self._kept = {}  # pickled function -> [number, maps that wait for it]
        # Reentrant: what is collected, wherever that happens, gives its function up.
        self._lock = threading.RLock()
        self._watched = {}  # key -> [results, callback, tasks that are not done]
        self._next_key = itertools.count(1)
        self._changed = threading.Condition(self._lock)
        self._thread = None

    def lock(self):
        """The lock of this process: a forked child has its own, and no thread yet."""
        if self._process != os.getpid():
            self._begin()
        return self._lock

    # -- submitting

    def call(self, function, arguments, keywords):
        """One task: its PoolResults."""
        if not callable(function):
            raise TypeError(f"{function!r} is not callable")
        try:
            data = _dumps((function, arguments, keywords))
        except (pickle.PicklingError, AttributeError, TypeError):
            _dumps_function(function)  # says so, if it is the function
            raise
        return self.handle.submit("call", (data,), single=True)

    def take_function(self, function, star):
        """The name of tasks of the function; it may go when what follows is no longer kept."""
        data = _dumps_function(function)
        with self.lock():
            entry = self._kept.pop(data, None)
            if entry is None:
                # Other processes have functions there as well.
                entry = [self._functions.add("last", 1), 0]
                self._functions[entry[0]] = data
            self._kept[data] = entry  # the last used is the last
            entry[1] += 1
        return f"{'star' if star else 'map'} {entry[0]}", _Use(self, entry)

    def forget_functions(self):
        """Those that nobody uses, but for the last ones used."""
        with self.lock():
            for data, (number, uses) in list(self._kept.items()):
                if len(self._kept) <= FUNCTIONS_KEPT:
                    return
                if uses == 0:
                    del self._kept[data]
                    try:
                        self._functions.pop(number, None)
                    except _core.Error:
                        pass  # the space was closed, and all goes with it

    def chunk_of(self, count, chunk=None):
        """How many of so many tasks a worker takes at once."""
        if chunk is not None:
            return chunk
        if self.attempts == 1:
            return 1
        return max(1, -(-count // (CHUNKS_PER_WORKER * self.workers)))

    # -- taking in

    def watch(self, results, callback):
        """Has callback(index, outcome) called for each task, in the pool's thread."""
        with self.lock():
            key = next(self._next_key)
            self._watched[key] = [results, callback, len(results)]
            results.watch(key)
            if self._thread is None:
                changed = self._changed

                def wake(_):
                    with changed:
                        changed.notify()

                self._thread = threading.Thread(target=_take_in, name="kith-pool-results",
                                                args=(weakref.ref(self, wake), self.handle,
                                                      self._watched, changed),
                                                daemon=True)
                self._thread.start()
            self._changed.notify()

    def end_thread(self):
        with self.lock():
            self._ended = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def has_ended(self):
        return self._ended


def _take_in(reference, handle, watched, changed):
    """The thread of a pool that callbacks are called by; it does not keep the pool."""
    while True:
        with changed:
            while not watched:
                engine = reference()
                if engine is None or engine.has_ended():
                    return
                del engine
                if reference() is None:
                    return  # this was the last to have it, and was told before it waits
                changed.wait()
        try:
            arrived = handle.arrived(None)
        except _core.ClosedError:
            return  # nobody has the pool any more
        if arrived is None:
            continue
        key, index = arrived
        entry = watched[key]
        outcome = entry[0].get(index)
        entry[2] -= 1
        if entry[2] == 0:
            with changed:
                del watched[key]
        try:
            entry[1](index, outcome)
        except BaseException:
            traceback.print_exc()
        del entry, outcome


# ---- kith.Pool

class _Future(concurrent.futures.Future):
    """A future whose cancel() asks the pool."""

    _results = None

    def cancel(self):
        with self._condition:
            if self._state == "FINISHED":
                return False
            if self._state in ("CANCELLED", "CANCELLED_AND_NOTIFIED"):
                return True
        if self._results is None or not self._results.cancel():
            return False
        if super().cancel():
            self.set_running_or_notify_cancel()
        return self.cancelled()

    def _come(self, _, outcome):
        self._results = None
        if self.cancelled():
            return  # and it has been said
        if type(outcome) is not Failed:
            _settle(self, self.set_result, outcome)
        elif isinstance(outcome.exception, _core.GoneError):
            super().cancel()
            _settle(self, lambda _: self.set_running_or_notify_cancel(), None)
        else:
            _settle(self, self.set_exception, outcome.exception)


def _settle(future, how, what):
    try:
        how(what)
    except (concurrent.futures.InvalidStateError, RuntimeError):
        pass  # it was cancelled at the same time


def _result(outcome):
    if type(outcome) is Failed:
        try:
            raise outcome.exception
        finally:
            del outcome
    return outcome


class Pool(concurrent.futures.Executor):
    """Workers that take tasks, and never lose one: an executor as of concurrent.futures.

    workers: how many processes, one for each processor by default.
    space, name: where the pool lives, a kith.Space opened with serializer="pickle"; by default
      one of its own.
    initializer, initargs: called first in each worker.
    retries: how often a task is begun again after its worker died; then it fails with WorkerDied,
      and all others complete.  0: it is never repeated.
    tasks_per_worker, memory_per_worker: after so many tasks, or with more bytes than that after
      one, a worker is replaced.
    time_limit: seconds after which a task is shown as late; with kill_late its worker is killed,
      and the task fails with TimeoutError.
    start_method: "fork", or "spawn", where each worker is a new interpreter.

    Functions and arguments are pickled when they are submitted; what cannot be raises at once, in
    the caller.  Lambdas and closures go by cloudpickle where that is installed.  An exception has
    the worker's traceback as its cause; one that cannot be pickled comes as its text.

    Nothing that is killed makes it hang: a dead worker's tasks are run again by another, and it is
    replaced.  All ends with the program, however that ends.

    A thread is started by the first submit(), to set futures; map() and its like need none.

    >>> with kith.Pool(2) as pool:
    ...     list(pool.map(abs, [-1, 2, -3])), pool.submit(pow, 2, 10).result()
    ([1, 2, 3], 1024)
    """

    def __init__(self, workers=None, *, space=None, name=None, initializer=None, initargs=(),
                 retries=2, tasks_per_worker=None, memory_per_worker=None, time_limit=None,
                 kill_late=False, start_method="fork"):
        if retries < 0:
            raise ValueError(f"retries is 0 or more, not {retries!r}")
        if start_method not in ("fork", "spawn", "forkserver"):
            raise ValueError(f"cannot find context for {start_method!r}")
        self._engine = Engine(workers, space=space, name=name, initializer=initializer,
                              initargs=initargs, attempts=retries + 1,
                              tasks_per_worker=tasks_per_worker,
                              memory_per_worker=memory_per_worker, time_limit=time_limit,
                              kill_late=kill_late, start_method=start_method)
        self._futures = weakref.WeakSet()
        self._closed = False

    @property
    def name(self):
        """The name by which workers and others find the pool in its space."""
        return self._engine.name

    @property
    def space(self):
        """The kith.Space that it is in."""
        return self._engine.space

    def __repr__(self):
        return (f"<kith.Pool {self.name!r} of {self._engine.workers} workers"
                f"{', shut down' if self._closed else ''}>")

    def _check(self):
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")

    def submit(self, fn, /, *args, **kwargs):
        """One task, fn(*args, **kwargs): a concurrent.futures.Future of its result."""
        self._check()
        future = _Future()
        results = self._engine.call(fn, args, kwargs)
        future._results = results
        with self._engine.lock():
            self._futures.add(future)
        self._engine.watch(results, future._come)
        return future

    def apply(self, fn, /, *args, **kwargs):
        """The result of fn(*args, **kwargs) in a worker."""
        self._check()
        return _result(self._engine.call(fn, args, kwargs).next(None)[1])

    def map(self, fn, *iterables, timeout=None, chunksize=None, progress=False):
        """An iterator over the results of fn for each of the iterables' members, in their order.

        timeout: seconds from now until the last result must have come, or TimeoutError.
        chunksize: tasks that a worker takes at once; chosen by their number by default.
        progress: shows a bar, by tqdm where that is installed.
        """
        star = len(iterables) != 1
        items = list(zip(*iterables)) if star else list(iterables[0])
        return self._map(fn, items, star, chunksize, timeout, False, progress)

    def starmap(self, fn, iterable, *, timeout=None, chunksize=None, progress=False):
        """As map(), of an iterable of tuples of arguments."""
        items = [tuple(arguments) for arguments in iterable]
        return self._map(fn, items, True, chunksize, timeout, False, progress)

    def imap_unordered(self, fn, iterable, *, timeout=None, chunksize=1, progress=False):
        """As map(), in the order in which results come."""
        return self._map(fn, list(iterable), False, chunksize, timeout, True, progress)

    def _map(self, fn, items, star, chunk, timeout, unordered, progress):
        self._check()
        if chunk is not None and chunk < 1:
            raise ValueError("chunksize must be >= 1.")
        engine = self._engine
        task, release = engine.take_function(fn, star)
        results = engine.handle.submit(task, items, chunk=engine.chunk_of(len(items), chunk),
                                       unordered=unordered)
        results.begin(timeout, release)
        return results if not progress else _with_progress(results, len(items))

    def workers(self):
        """The workers as they are: a list of (pid, state, since, joined).

        state: "idle", "busy", "late" or "stopped"; since: when it took what it is at, by
        time.monotonic().
        """
        return self._engine.handle.workers()

    def shutdown(self, wait=True, *, cancel_futures=False):
        """Takes no more tasks; waits till those submitted are done, and ends the workers.

        cancel_futures: those that were not begun are cancelled.  wait=False returns at once; the
        workers end when all is done.
        """
        self._closed = True
        engine = self._engine
        engine.handle.close()
        if cancel_futures:
            with engine.lock():
                futures = list(self._futures)
            for future in futures:
                future.cancel()
        if wait:
            engine.handle.join(None)
            engine.end_thread()
            engine.free()

    def terminate(self):
        """Ends the workers at once; futures that are not done fail with ClosedError."""
        self._closed = True
        self._engine.handle.terminate()
        self._engine.end_thread()
        self._engine.free()

    def __exit__(self, kind, value, trace):
        # After Ctrl-C nobody waits for the rest.
        if kind is not None and not issubclass(kind, Exception):
            self.terminate()
        else:
            self.shutdown(wait=True)
        return False


def _with_progress(given, count):
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _plain_progress(given, count)
    return iter(tqdm(given, total=count))


def _plain_progress(given, count):
    """A line on stderr, written again at most ten times a second."""
    shown = time.monotonic()
    done = 0
    for result in given:
        done += 1
        if time.monotonic() - shown >= 0.1:
            shown = time.monotonic()
            print(f"\r{done} of {count} tasks", end="", file=sys.stderr, flush=True)
        yield result
    print(f"\r{done} of {count} tasks", file=sys.stderr, flush=True)


Pool.__module__ = "kith"
