"""Managers whose objects are in shared memory: there is no server process, nothing to connect to.

SyncManager, which Manager() starts, makes its objects in a space of its own, which ends with
shutdown().  Any process that gets one of them, by inheritance, pickled, or out of another one,
works on it directly.  A dict or list in a dict or list is live.

What needs a server has the standard library's: a manager that is given an address or an authkey,
one that starts with an initializer, types that a program registers, and Pool(), whose pool is ours
and lives in the server.  The server starts when it is first needed.
"""
import array
import weakref
from multiprocessing import ProcessError, resource_tracker, util
from multiprocessing import managers as standard
from multiprocessing.managers import BaseManager, BaseProxy, Token

import kith

from . import shared_memory, synchronize
from ._space import keep_while_spawning, open_temporary

__all__ = ["BaseManager", "SyncManager", "BaseProxy", "Token", "SharedMemoryManager"]


def __getattr__(name):
    """What is not ours is the standard's."""
    return getattr(standard, name)


class _Shared:
    """What the objects of a manager have of the standard's proxies."""

    __slots__ = ()
    _proxy = None

    def _callmethod(self, methodname, args=(), kwds={}):
        return getattr(self, methodname)(*args, **kwds)

    def _getvalue(self):
        return self.copy()

    # As the standard's proxies: two are equal if they are the same proxy.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def __deepcopy__(self, memo):
        return self._getvalue()

    def __repr__(self):
        name = self._proxy or type(self).__name__
        return f"<{name} object, typeid {self._typeid!r} at {id(self):#x}>"

    def __str__(self):
        return repr(self._getvalue())


def _proxy_of(proxy):
    """
    Makes a type of ours serve as the proxytype of a type that a program registers, too: called as
    the server's proxies are, it gives the standard's proxy.
    """

    def decorate(cls):
        def new(cls_, token, *args, **options):
            return proxy(token, *args, **options)

        cls.__new__ = new
        for name in ("_exposed_", "_method_to_typeid_"):
            if hasattr(proxy, name):
                setattr(cls, name, getattr(proxy, name))
        return cls

    return decorate


# ---- Containers: native handles, with the standard's ways where these differ ---------------------


def _reopen(address, name, kind):
    return _known(address)._handle(name, kind)


class _Handle(_Shared):
    __slots__ = ()

    def __reduce__(self):
        keep_while_spawning(self)
        _, (space, number, name) = super().__reduce__()
        return _reopen, (space.address, name, number)


@_proxy_of(standard.DictProxy)
class DictProxy(_Handle, kith.Dict):
    """A dict of a manager."""

    __slots__ = ()
    _typeid = "dict"

    def keys(self):
        """A list of the keys."""
        return list(super().keys())

    def values(self):
        """A list of the values."""
        return list(super().values())

    def items(self):
        """A list of the items."""
        return list(super().items())

    def __iter__(self):
        return self._each(super().copy())

    def _each(self, found):
        """As of now; RuntimeError if keys come or go meanwhile."""
        for key in found:
            if len(self) != len(found):
                raise RuntimeError("dictionary changed size during iteration")
            yield key


@_proxy_of(standard.ListProxy)
class ListProxy(_Handle, kith.List):
    """A list of a manager."""

    __slots__ = ()
    _typeid = "list"

    def __iter__(self):
        at = 0
        try:
            while True:
                yield self[at]
                at += 1
        except IndexError:
            pass

    def __add__(self, other):
        return self.copy() + list(other)

    def __mul__(self, times):
        return self.copy() * times

    __rmul__ = __mul__

    def __imul__(self, times):
        if times < 1:
            self.clear()
        else:
            self.extend(self.copy() * (times - 1))
        return self

    def __iadd__(self, other):
        self.extend(other)
        return self


@_proxy_of(standard.NamespaceProxy)
class NamespaceProxy(_Handle, kith.Namespace):
    """A namespace of a manager; what begins with _ is the proxy's own."""

    _typeid = "Namespace"

    def _getvalue(self):
        return standard.Namespace(**{name: getattr(self, name)
                                     for name in kith.Namespace.__dir__(self)})


class QueueProxy(_Handle, kith.Queue):
    """A queue of a manager, as queue.Queue."""

    __slots__ = ()
    _typeid = "Queue"

    def _getvalue(self):
        return self

    def __str__(self):
        return repr(self)


_TYPES = {"dict": DictProxy, "list": ListProxy, "namespace": NamespaceProxy, "queue": QueueProxy}


@_proxy_of(standard.ValueProxy)
class ValueProxy(_Shared):
    """A value of any type; its typecode is for those who read it."""

    _typeid = "Value"

    def __setstate__(self, state):
        self._typecode, self._cell = state

    def __reduce__(self):
        keep_while_spawning(self._cell)
        return _rebuild, (type(self), (self._typecode, self._cell))

    def get(self):
        """The value."""
        return self._cell[0]

    def set(self, value):
        """Sets the value."""
        self._cell[0] = value

    value = property(get, set)

    def _getvalue(self):
        return standard.Value(self._typecode, self.get())


@_proxy_of(standard.ArrayProxy)
class ArrayProxy(_Shared):
    """An array of numbers, as array.array."""

    _typeid = "Array"

    def __setstate__(self, state):
        self._typecode, self._array = state

    def __reduce__(self):
        keep_while_spawning(self._array)
        return _rebuild, (type(self), (self._typecode, self._array))

    def __len__(self):
        return len(self._array)

    def __getitem__(self, index):
        found = self._array[index]
        return array.array(self._typecode, found) if isinstance(index, slice) else found

    def __setitem__(self, index, value):
        self._array[index] = value

    def _getvalue(self):
        return self[:]


def _rebuild(cls, state):
    made = object.__new__(cls)
    made.__setstate__(state)
    return made


# ---- Synchronisation: as kith.multiprocessing's own, with the errors of `threading` --------------


class _Sync(_Shared):
    """What they have in common: there is no value but the object itself."""

    def _getvalue(self):
        return self

    def __str__(self):
        return super(_Shared, self).__repr__()


class Lock(_Sync, synchronize.Lock):
    """A lock of a manager."""

    _proxy, _typeid = "AcquirerProxy", "Lock"
    _threads = True


class RLock(_Sync, synchronize.RLock):
    """A recursive lock of a manager."""

    _proxy, _typeid = "AcquirerProxy", "RLock"
    _threads = True


class Semaphore(_Sync, synchronize.Semaphore):
    """A semaphore of a manager."""

    _proxy, _typeid = "AcquirerProxy", "Semaphore"


class BoundedSemaphore(_Sync, synchronize.BoundedSemaphore):
    """A bounded semaphore of a manager."""

    _proxy, _typeid = "AcquirerProxy", "BoundedSemaphore"


class Condition(_Sync, synchronize.Condition):
    """A condition of a manager."""

    _proxy, _typeid = "ConditionProxy", "Condition"

    @staticmethod
    def _own_lock(space):
        return RLock(space=space)

    def _must_hold(self, otherwise):
        if not self._lock._is_mine():
            raise RuntimeError("cannot wait on or notify an un-acquired lock")


class Event(_Sync, synchronize.Event):
    """An event of a manager."""

    _proxy, _typeid = "EventProxy", "Event"


class Barrier(_Sync, synchronize.Barrier):
    """A barrier of a manager."""

    _proxy, _typeid = "BarrierProxy", "Barrier"


# Address -> space, for as long as anything of it is in use: a worker sees many managers.
_types_known = weakref.WeakValueDictionary()


def _known(address):
    """The manager's space at this address, as this process has it open."""
    try:
        return _types_known[address]
    except KeyError:
        opened = open_temporary(address, create=False)
        opened._types = _TYPES
        _types_known[address] = opened
        return opened


class _Serverless:
    """The life of a manager whose objects stand in a space, unless a server is asked for."""

    def __init__(self, address=None, authkey=None, serializer="pickle", ctx=None, **options):
        if ctx is None:
            from .context import _default_context as ctx
        BaseManager.__init__(self, address, authkey, serializer, ctx.get_context(), **options)
        self._served = address is not None or authkey is not None or serializer != "pickle"
        self._space = None
        self._server = None
        self._process = None
        self._kept = []

    def start(self, initializer=None, initargs=()):
        """Opens the space, or starts the server if one is needed."""
        if self._served or initializer is not None:
            self._served = True
            super().start(initializer, initargs)
            return
        state = self._state
        if state.value != standard.State.INITIAL:
            raise ProcessError("Already started server" if state.value == standard.State.STARTED
                               else "Manager has shut down")
        self._space = open_temporary()
        self._space._types = _TYPES
        _types_known[self._space.address] = self._space
        state.value = standard.State.STARTED
        self.shutdown = util.Finalize(self, type(self)._end,
                                      args=(self._space, state, self._kept), exitpriority=0)

    def connect(self):
        """Connects to a server that runs elsewhere."""
        self._served = True
        super().connect()

    @staticmethod
    def _end(space, state, kept):
        for ended in kept:
            if isinstance(ended, BaseManager):
                ended.shutdown()
        kept.clear()
        state.value = standard.State.SHUTDOWN
        _types_known.pop(space.address, None)
        space.close()

    def join(self, timeout=None):
        """Waits for the server to end, if there is one."""
        if self._server is not None:
            self._server.join(timeout)
        elif self._process is not None:
            super().join(timeout)

    def __enter__(self):
        if self._state.value == standard.State.INITIAL:
            self.start()
        return super().__enter__()

    def _create(self, typeid, /, *args, **options):
        if self._served:
            return super()._create(typeid, *args, **options)
        assert self._state.value == standard.State.STARTED, "server not yet started"
        if self._server is None:
            server = self._serving(authkey=self._authkey, ctx=self._ctx)
            server._registry = self._registry
            server.start()
            self._server = server
            self._kept.append(server)
        return self._server._create(typeid, *args, **options)

    @property
    def address(self):
        """Of the server; None if there is none."""
        return self._server.address if self._server is not None else self._address

    def _number_of_objects(self):
        if self._served:
            return super()._number_of_objects()
        return self._space.stat().objects + (
            0 if self._server is None else self._server._number_of_objects())

    def _debug_info(self):
        if self._served:
            return super()._debug_info()
        return "\n".join(str(info) for info in self._space.objects())


class SyncManager(_Serverless, standard.SyncManager):
    """Makes shared objects: dict, list, Namespace, Value, Array, Queue, Lock …

    Without an address, an authkey and an initializer there is no server.  Then start() takes a
    tenth of a millisecond, and objects live until shutdown(), or until nobody has them any more.
    """

    _serving = standard.SyncManager

    # ---- What it makes ----

    def _own(self):
        """Its space."""
        if self._state.value != standard.State.STARTED:
            raise AssertionError("server not yet started")
        return self._space

    def _keep(self, made):
        """
        What other objects hold by its pickle is not counted as theirs; so it stays until the end.
        """
        self._kept.append(made)
        return made

    def dict(self, *args, **items):
        """A shared dict."""
        if self._served:
            return super().dict(*args, **items)
        made = self._own().dict(None)
        if args or items:
            made.update(*args, **items)
        return made

    def list(self, *args):
        """A shared list."""
        if self._served:
            return super().list(*args)
        made = self._own().list(None)
        if args:
            made.extend(*args)
        return made

    def Namespace(self, /, **attributes):
        """A shared namespace."""
        if self._served:
            return super().Namespace(**attributes)
        made = self._own().namespace(None)
        for name, value in attributes.items():
            setattr(made, name, value)
        return made

    def Queue(self, maxsize=0):
        """A shared queue.Queue."""
        if self._served:
            return super().Queue(maxsize)
        return self._own().queue(None, capacity=max(maxsize, 0), joinable=True)

    def JoinableQueue(self, maxsize=0):
        """A shared queue.Queue; what a killed process had got, and not told done, is back."""
        if self._served:
            return super().JoinableQueue(maxsize)
        return self._own().queue(None, capacity=max(maxsize, 0), joinable=True, lending=True)

    def Value(self, typecode, value, lock=True):
        """A shared value of any type."""
        if self._served:
            return super().Value(typecode, value, lock)
        cell = self._own().list(None)
        cell.append(value)
        return self._keep(_rebuild(ValueProxy, (typecode, cell)))

    def Array(self, typecode, sequence, lock=True):
        """A shared array.array."""
        if self._served:
            return super().Array(typecode, sequence, lock)
        made = self._own().array(None, type=typecode, initial=array.array(typecode, sequence))
        return self._keep(_rebuild(ArrayProxy, (typecode, made)))

    def Lock(self):
        """A shared threading.Lock."""
        return super().Lock() if self._served else self._keep(Lock(space=self._own))

    def RLock(self):
        """A shared threading.RLock."""
        return super().RLock() if self._served else self._keep(RLock(space=self._own))

    def Semaphore(self, value=1):
        """A shared threading.Semaphore."""
        if self._served:
            return super().Semaphore(value)
        return self._keep(Semaphore(value, space=self._own))

    def BoundedSemaphore(self, value=1):
        """A shared threading.BoundedSemaphore."""
        if self._served:
            return super().BoundedSemaphore(value)
        return self._keep(BoundedSemaphore(value, space=self._own))

    def Condition(self, lock=None):
        """A shared threading.Condition."""
        if self._served:
            return super().Condition(lock)
        return self._keep(Condition(lock, space=self._own))

    def Event(self):
        """A shared threading.Event."""
        return super().Event() if self._served else self._keep(
            Event(space=self._own))

    def Barrier(self, parties, action=None, timeout=None):
        """A shared threading.Barrier."""
        if self._served:
            return super().Barrier(parties, action, timeout)
        return self._keep(Barrier(parties, action, timeout, space=self._own))


def _pool(*args, **keywords):
    """In the server."""
    from .pool import Pool

    return Pool(*args, **keywords)


SyncManager.register("Pool", _pool, standard.PoolProxy, create_method=False)


class SharedMemoryManager(_Serverless, standard.SharedMemoryManager):
    """Makes SharedMemory and ShareableList objects, which end with it.

    The names of its blocks stand in a list that forked children share, so that what they make ends
    with it, too.  If all of them are killed the standard's resource tracker, which is told of each
    block before there is one, removes the blocks.
    """

    _serving = standard.SharedMemoryManager

    def start(self, initializer=None, initargs=()):
        """Opens the space, or starts the server if one is needed."""
        resource_tracker.ensure_running()
        super().start(initializer, initargs)
        if self._space is not None:
            self._space.list("blocks")

    @staticmethod
    def _end(space, state, kept):
        for name in space.list("blocks")[:]:
            try:
                shared_memory._unlink(name)
            except FileNotFoundError:
                pass  # somebody did so before
        _Serverless._end(space, state, kept)

    def SharedMemory(self, size):
        """A new block of `size` bytes, which ends with the manager."""
        return self._block(size) if not self._served else self._track(
            shared_memory.SharedMemory(None, create=True, size=size, track=False))

    def ShareableList(self, sequence):
        """A new ShareableList, which ends with the manager."""
        if not self._served:
            return shared_memory.ShareableList(sequence, _block=self._block)
        made = shared_memory.ShareableList(sequence)
        self._track(made.shm)
        return made

    def _block(self, size):
        if self._state.value != standard.State.STARTED:
            raise ValueError("the manager is not started, or has shut down")
        return shared_memory._listed(self._space.list("blocks"), size)

    def _track(self, block):
        with self._Client(self._address, authkey=self._authkey) as connection:
            try:
                standard.dispatch(connection, None, "track_segment", (block.name,))
            except BaseException:
                block.unlink()
                raise
        return block
