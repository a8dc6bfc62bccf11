"""RawValue, RawArray, Value and Array: objects of ctypes in shared memory."""
import ctypes
import multiprocessing.heap as standard_heap
import mmap
from multiprocessing.reduction import ForkingPickler
from multiprocessing.sharedctypes import typecode_to_type

from .. import _core
from ._space import keep_while_spawning, space

__all__ = ["RawValue", "RawArray", "Value", "Array", "copy", "synchronized"]


class _Arena:
    """A run of memory in the space, for many objects: what the standard's heap takes from files."""

    def __init__(self, size, segment=None):
        self.segment = segment if segment is not None else space().segment(None, size=size)
        self.size = size
        self.buffer = memoryview(self.segment)

    def __reduce__(self):
        keep_while_spawning(self.segment)
        return _Arena, (self.size, self.segment)


class _Heap(standard_heap.Heap):
    """The standard's heap, whose runs of memory come from the space."""

    def _new_arena(self, size):
        length = self._roundup(max(self._size, size), mmap.PAGESIZE)
        self._size = min(2 * self._size, self._DOUBLE_ARENA_SIZE_UNTIL)
        arena = _Arena(length)
        self._arenas.append(arena)
        return arena, 0, length


_heap = _Heap()


class _Block:
    """A block of the heap, given back with its last user here."""

    def __init__(self, size):
        block = _heap.malloc(size)
        self._state = block, size
        from multiprocessing import util

        util.Finalize(self, _heap.free, args=(block,))

    def create_memoryview(self):
        """The block's memory."""
        (arena, start, _), size = self._state
        return arena.buffer[start:start + size]


def _new_value(type_):
    block = _Block(ctypes.sizeof(type_))
    return _rebuild(type_, block, None)


def _rebuild(type_, block, length):
    if length is not None:
        type_ = type_ * length
    ForkingPickler.register(type_, _reduce)
    made = type_.from_buffer(block.create_memoryview())
    made._wrapper = block
    return made


def _reduce(made):
    keep_while_spawning(made)
    if isinstance(made, ctypes.Array):
        return _rebuild, (made._type_, made._wrapper, made._length_)
    return _rebuild, (type(made), made._wrapper, None)


def RawValue(typecode_or_type, *args):
    """A ctypes object in shared memory, zero or as its `args` say."""
    made = _new_value(typecode_to_type.get(typecode_or_type, typecode_or_type))
    ctypes.memset(ctypes.addressof(made), 0, ctypes.sizeof(made))
    made.__init__(*args)
    return made


def RawArray(typecode_or_type, size_or_initializer):
    """A ctypes array in shared memory, of zeros or of the items given."""
    type_ = typecode_to_type.get(typecode_or_type, typecode_or_type)
    if isinstance(size_or_initializer, int):
        made = _new_value(type_ * size_or_initializer)
        ctypes.memset(ctypes.addressof(made), 0, ctypes.sizeof(made))
        return made
    made = _new_value(type_ * len(size_or_initializer))
    made.__init__(*size_or_initializer)
    return made


def _lock_for(lock):
    if lock is True or lock is None:
        from .synchronize import RLock

        return RLock()
    if not hasattr(lock, "acquire"):
        raise AttributeError(f"{lock!r} has no method 'acquire'")
    return lock


def Value(typecode_or_type, *args, lock=True, ctx=None):
    """As RawValue(), with a lock around each access: one of its own, or the one given."""
    made = RawValue(typecode_or_type, *args)
    return made if lock is False else synchronized(made, _lock_for(lock))


def Array(typecode_or_type, size_or_initializer, *, lock=True, ctx=None):
    """As RawArray(), with a lock around each access: one of its own, or the one given."""
    made = RawArray(typecode_or_type, size_or_initializer)
    return made if lock is False else synchronized(made, _lock_for(lock))


def copy(obj):
    """A ctypes object in shared memory that is like `obj`."""
    made = _new_value(type(obj))
    ctypes.pointer(made)[0] = obj
    return made


def synchronized(obj, lock=None, ctx=None):
    """A wrapper around a ctypes object, whose accesses hold `lock`."""
    assert not isinstance(obj, SynchronizedBase), "object already synchronized"
    lock = _lock_for(lock)
    if isinstance(obj, ctypes._SimpleCData):
        return Synchronized(obj, lock)
    if isinstance(obj, ctypes.Array):
        return (SynchronizedString if obj._type_ is ctypes.c_char else SynchronizedArray)(obj, lock)
    return _structure_wrapper(type(obj))(obj, lock)


class SynchronizedBase:
    """What the wrappers have in common."""

    __slots__ = ()

    def __reduce__(self):
        return synchronized, (self._obj, self._lock)

    def __repr__(self):
        return f"<{type(self).__name__} wrapper for {self._obj}>"


class Synchronized(SynchronizedBase, _core.StandardCell):
    """A wrapper with `value`."""

    __slots__ = ()


class SynchronizedArray(SynchronizedBase, _core.StandardArray):
    """A wrapper of an array: its items, slices and length."""

    __slots__ = ()

    def __getslice__(self, start, stop):
        return self[start:stop]

    def __setslice__(self, start, stop, values):
        self[start:stop] = values


def _locked(name):
    def get(self):
        with self:
            return getattr(self._obj, name)

    def set_(self, value):
        with self:
            setattr(self._obj, name, value)

    return property(get, set_)


class SynchronizedString(SynchronizedArray):
    """A wrapper of an array of c_char, with `value` and `raw`."""

    __slots__ = ()
    value = _locked("value")
    raw = _locked("raw")


class _SynchronizedStructure(SynchronizedBase, _core.StandardCell):
    __slots__ = ()


_wrappers = {}


def _structure_wrapper(type_):
    """A class whose properties are the fields of the structure."""
    try:
        return _wrappers[type_]
    except KeyError:
        fields = {field[0]: _locked(field[0]) for field in type_._fields_}
        made = _wrappers[type_] = type("Synchronized" + type_.__name__, (_SynchronizedStructure,),
                                       {"__slots__": (), **fields})
        return made
