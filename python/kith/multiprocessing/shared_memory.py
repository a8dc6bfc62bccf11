"""SharedMemory and ShareableList, as blocks that any Python finds by name.

A block is what the standard library's is, a POSIX shared memory object of the same name, so that a
program that has changed its import and one that has not share it.  What is ours:

- its memory is committed when it is made: a full /dev/shm is an OSError there and then, and never
  the end of a process at some later store;
- attaching to a block does not make this process's end the block's end.  A block with a name given
  by its maker lives until unlink(); one whose name was made up also ends with the program that made
  it, as the standard's does;
- close() with arrays or memoryviews on it is no error: the memory goes when the last of them does.
"""
import _posixshmem
import mmap
import os
import secrets
import struct
from types import GenericAlias

from .. import _core

__all__ = ["SharedMemory", "ShareableList"]


class SharedMemory:
    """A block of shared memory: `buf`, `name`, `size`.

    SharedMemory(create=True, size=n) makes one, with a name that is given or made up;
    SharedMemory(name) attaches to one, FileNotFoundError if there is none.  `track` is taken, as
    from Python 3.13 on: with False a block of a made-up name outlives its maker, too.
    """

    _name = None
    _buf = None
    _mmap = None

    def __init__(self, name=None, create=False, size=0, *, track=True):
        if not size >= 0:
            raise ValueError("'size' must be a positive integer")
        if create and size == 0:
            raise ValueError("'size' must be a positive number different from zero")
        if name is None and not create:
            raise ValueError("'name' can only be None if create=True")
        self._tracked = create and name is None and track
        if create:
            fd = self._make(name)
        else:
            self._name = "/" + name.removeprefix("/")
            fd = _posixshmem.shm_open(self._name, os.O_RDWR, mode=0o600)
        try:
            if create:
                os.posix_fallocate(fd, 0, size)
            self._size = os.fstat(fd).st_size
            self._mmap = mmap.mmap(fd, self._size)
        except BaseException:
            if create:
                _posixshmem.shm_unlink(self._name)
            raise
        finally:
            os.close(fd)
        self._buf = memoryview(self._mmap)
        if self._tracked:
            from multiprocessing import resource_tracker

            resource_tracker.register(self._name, "shared_memory")

    def _make(self, name):
        while True:
            self._name = "/" + (name or "psm_" + secrets.token_hex(4)).removeprefix("/")
            try:
                return _posixshmem.shm_open(self._name, os.O_CREAT | os.O_EXCL | os.O_RDWR,
                                            mode=0o600)
            except FileExistsError:
                if name is not None:
                    raise

    def __reduce__(self):
        return type(self), (self.name, False, self.size)

    def __repr__(self):
        return f"{type(self).__name__}({self.name!r}, size={self.size})"

    @property
    def buf(self):
        """A memoryview of the block; None after close()."""
        return self._buf

    @property
    def name(self):
        """The name by which others attach."""
        return self._name[1:]

    @property
    def size(self):
        """Bytes."""
        return self._size

    def close(self):
        """Ends this process's use of it, by this object; the block stays."""
        buf, self._buf, self._mmap = self._buf, None, None
        if buf is not None:
            try:
                buf.release()
            except BufferError:
                pass  # views of it go on, and hold the mapping until they go

    def unlink(self):
        """Removes the block's name; who has it open keeps the memory.  FileNotFoundError."""
        _posixshmem.shm_unlink(self._name)
        if self._tracked:
            from multiprocessing import resource_tracker

            self._tracked = False
            resource_tracker.unregister(self._name, "shared_memory")


def _listed(names, size):
    """
    A block of a made-up name that is in a shared list, and known to the resource tracker, before it
    is made: whoever is killed in between leaves nothing.
    """
    from multiprocessing import resource_tracker

    while True:
        name = "psm_" + secrets.token_hex(4)
        resource_tracker.register("/" + name, "shared_memory")
        names.append(name)
        try:
            block = SharedMemory(name, create=True, size=size)
        except BaseException as error:
            # Of another's block of that name, if there is one, nobody is to take care.
            resource_tracker.unregister("/" + name, "shared_memory")
            names.remove(name)
            if not isinstance(error, FileExistsError):
                raise
        else:
            block._tracked = True
            return block


def _unlink(name):
    """Removes a block that _listed() made.  FileNotFoundError: it is gone."""
    from multiprocessing import resource_tracker

    _posixshmem.shm_unlink("/" + name)
    resource_tracker.unregister("/" + name, "shared_memory")


_PLAIN = {int: "q", float: "d", bool: "xxxxxxx?", type(None): "xxxxxx?x"}


class ShareableList(_core.StandardList):
    """A list of fixed length of ints, floats, bools, strs, bytes and None, in a SharedMemory.

    An item may be replaced by one of another type; a str or bytes only by one that has room in the
    (length // 8 + 1) * 8 bytes that the first one there got.  ShareableList(name=...) opens one
    that another made.  The layout is the standard library's: see standard_list.c.
    """

    __slots__ = ("shm", "_offsets", "_formats", "_codes")

    def __init__(self, sequence=None, *, name=None, _block=None):
        if name is None or sequence is not None:
            self._make(tuple(sequence or ()), name, _block)
        else:
            self.shm = SharedMemory(name)
            self._attach(self.shm.buf)
            self._find(struct.unpack_from(f"{len(self) + 1}q", self.shm.buf, 8))

    def _make(self, items, name, make=None):
        formats, offsets = [], [0]
        for item in items:
            if isinstance(item, (str, bytes)):
                # As the standard's, by its characters; unless its bytes take more.
                size = len(item.encode() if isinstance(item, str) else item)
                room = 8 * max(len(item) // 8 + 1, (size + 7) // 8)
                formats.append(f"{room}s")
            else:
                room = 8
                formats.append(_PLAIN[type(item)])
            offsets.append(offsets[-1] + room)
        size = 8 + 8 * len(offsets) + offsets[-1] + 9 * len(items)
        self.shm = SharedMemory(name, create=True, size=size) if make is None else make(size)
        struct.pack_into(f"q{len(offsets)}q", self.shm.buf, 0, len(items), *offsets)
        self._attach(self.shm.buf)
        self._find(offsets)
        for position, item in enumerate(items):
            self._store(position, formats[position], item)

    def _find(self, offsets):
        """Where in the block each item stands."""
        start = 8 + 8 * len(offsets)
        self._offsets = tuple(start + offset for offset in offsets)
        self._formats = start + offsets[-1]
        self._codes = self._formats + 8 * (len(offsets) - 1)

    def _store(self, position, text, item):
        code = 1 if isinstance(item, str) else 2 if isinstance(item, bytes) else 3 * (item is None)
        buf = self.shm.buf
        struct.pack_into(text, buf, self._offsets[position],
                         item.encode() if code == 1 else item)
        struct.pack_into("8s", buf, self._formats + 8 * position, text.encode())
        buf[self._codes + position] = code

    def __setitem__(self, position, value):
        if position < 0:
            position += len(self)
        if not 0 <= position < len(self):
            raise IndexError("assignment index out of range")
        if not isinstance(value, (str, bytes)):
            text = _PLAIN[type(value)]
        else:
            room = self._offsets[position + 1] - self._offsets[position]
            if len(value.encode() if isinstance(value, str) else value) > room:
                raise ValueError("bytes/str item exceeds available storage")
            text = f"{room}s"
        self._store(position, text, value)

    def __reduce__(self):
        from functools import partial

        return partial(type(self), name=self.shm.name), ()

    def __repr__(self):
        return f"{type(self).__name__}({list(self)}, name={self.shm.name!r})"

    def _get_packing_format(self, position):
        if not 0 <= position < len(self):
            raise IndexError("position out of range")
        at = self._formats + 8 * position
        return bytes(self.shm.buf[at:at + 8]).rstrip(b"\0").decode()

    @property
    def format(self):
        """The struct format of all items."""
        return "".join(self._get_packing_format(at) for at in range(len(self)))

    def count(self, value):
        """How many items equal `value`."""
        return sum(value == item for item in self)

    def index(self, value):
        """The first place where `value` is; ValueError: nowhere."""
        for position, item in enumerate(self):
            if value == item:
                return position
        raise ValueError(f"{value!r} not in this container")

    __class_getitem__ = classmethod(GenericAlias)
