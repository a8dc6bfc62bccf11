"""The serializer "pickle", and how handles and spaces pickle.

A value outside the contract is stored as a foreign item.  Its tag is

    python/pickle           the bytes are one pickle of protocol 5
    python/pickle-out-of-band-buffer
                            the bytes are a table, the pickle, and its out-of-band buffers

The table has the number of buffers and the size of the pickle, and for each buffer its size, all as
little-endian numbers of 8 bytes.  Each part begins at a multiple of 64 bytes.
"""

import io
import pickle
import struct
import sys
import weakref

from kith import _core

PLAIN = "python/pickle"
# Its length is a multiple of 16: in the arena the bytes stand behind the tag, and so are aligned.
BUFFERS = "python/pickle-out-of-band-buffer"
ALIGNMENT = 64
# Smaller buffers cost more by their table than by a copy within the pickle.
BUFFER_SIZE_MIN = 4096


def _padded(size):
    return -size % ALIGNMENT


def dumps_parts(value):
    """The tag and the bytes of a value, in pieces of which the large ones are not copied yet."""
    views = []

    def take(buffer):
        view = buffer.raw()
        if view.nbytes < BUFFER_SIZE_MIN:
            return True
        views.append(view)
        return False

    reduction = sys.modules.get("multiprocessing.reduction")
    if reduction is None:
        data = pickle.dumps(value, protocol=5, buffer_callback=take)
    else:
        # Knows connections and sockets, and whatever else programs have registered there.
        file = io.BytesIO()
        reduction.ForkingPickler(file, 5, True, take).dump(value)
        data = file.getvalue()
    if not views:
        return PLAIN, (data,)
    table = struct.pack(f"<{2 + len(views)}Q", len(views), len(data),
                        *(view.nbytes for view in views))
    parts = [b"".join((table, bytes(_padded(len(table))), data, bytes(_padded(len(data)))))]
    for view in views:
        parts.append(view)
        if _padded(view.nbytes):
            parts.append(bytes(_padded(view.nbytes)))
    return BUFFERS, tuple(parts)


def dumps(value):
    """The tag and the bytes of a value, as one piece."""
    tag, parts = dumps_parts(value)
    return tag, parts[0] if len(parts) == 1 else b"".join(parts)


def _parts(view):
    """The pickle and the buffers in the bytes of an item."""
    if len(view) < 16:
        raise _core.CorruptError("A pickle ends before its table does.")
    count, size = struct.unpack_from("<2Q", view)
    if count > (len(view) - 16) // 8:
        raise _core.CorruptError("A pickle has more buffers than bytes.")
    sizes = [size, *struct.unpack_from(f"<{count}Q", view, 16)]
    at = 16 + 8 * count
    at += _padded(at)
    parts = []
    for size in sizes:
        if size > len(view) - at:
            raise _core.CorruptError("A pickle's buffer lies outside of it.")
        parts.append(view[at:at + size])
        at += size + _padded(size)
    return parts[0], parts[1:]


def loads(tag, view):
    """The value; its buffers are its own, and may be written."""
    if tag not in (PLAIN, BUFFERS):
        return _core.Foreign(tag, view)
    # Released at once: the traceback of what fails would keep views of memory that is used again.
    with view:
        if tag == PLAIN:
            return pickle.loads(view)
        data, buffers = _parts(view)
        with data:
            copies = [bytearray(buffer) for buffer in buffers]
            del buffers
            return pickle.loads(data, buffers=copies)


def loads_view(tag, view):
    """The value; its buffers are read-only memory of the kith.View, which they keep."""
    view = memoryview(view).cast("B")
    if tag != BUFFERS:
        return loads(tag, view)
    data, buffers = _parts(view)
    return pickle.loads(data, buffers=buffers)


# ---- handles and spaces

# Descriptors of the mem:// spaces that went to other processes.
_shared = weakref.WeakKeyDictionary()


def reduce_space(space):
    """A space pickles as its address; one of mem:// as a descriptor, to a child being started."""
    descriptor = None
    if space.address.startswith("mem:"):
        descriptor = _descriptor_for_child(space)
    return reopen_space, (space.address, space._key, space.readonly,
                          space.serializer is not None, descriptor)


def _descriptor_for_child(space):
    """What takes a descriptor along, if multiprocessing is starting a process that needs one."""
    import sys
    context = sys.modules.get("multiprocessing.context")
    if context is None or context.get_spawning_popen() is None:
        return None
    from multiprocessing import reduction
    descriptor = _shared.get(space)
    if descriptor is None:
        import os
        # The child gets it when it starts, which is later.
        descriptor = _shared[space] = space.share()
        weakref.finalize(space, os.close, descriptor)
    return reduction.DupFd(descriptor)


def reopen_space(address, key, readonly, pickles, descriptor):
    """The space of that address, which this process may have open."""
    if descriptor is None:
        return _core._reopen(address, key, readonly, pickles, -1)
    import os
    number = descriptor.detach()
    try:
        return _core._reopen(address, key, readonly, pickles, number)
    finally:
        os.close(number)


def reopen(space, kind, name):
    """The handle of an object that exists."""
    return space._handle(name, kind)
