"""Queue, JoinableQueue and SimpleQueue, as the standard's, without a feeder thread.

An item is in shared memory when put() returns: a process may end, or be killed, right after it.
"""
import traceback
from types import GenericAlias

from .. import _core
from .._pickle import dumps
from ._space import keep_while_spawning, space

__all__ = ["Queue", "SimpleQueue", "JoinableQueue"]


class Queue:
    """A queue of `maxsize` items at most, 0 or less: no bound.  queue.Full and queue.Empty."""

    _joinable = False

    def __init__(self, maxsize=0, *, ctx=None, space=space):
        self.__setstate__(space().queue(None, capacity=max(maxsize, 0),
                                          joinable=self._joinable, lending=self._joinable))

    def __getstate__(self):
        keep_while_spawning(self._queue)
        return self._queue

    def __setstate__(self, queue):
        self._queue = queue
        self._put = queue.put
        self._get = queue.get
        self._closed = False

    def put(self, obj, block=True, timeout=None):
        """Puts an item, waiting up to `timeout` seconds for room if `block`."""
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")
        try:
            self._put(obj, block, timeout)
        except _core.Error:
            raise
        except Exception as error:
            # As the standard's feeder thread has it: what does not pickle is told of, and left out.
            try:
                dumps(obj)
            except Exception:
                self._on_queue_feeder_error(error, obj)
                return
            raise

    @staticmethod
    def _on_queue_feeder_error(error, obj):
        traceback.print_exception(error)

    def get(self, block=True, timeout=None):
        """Takes an item, waiting up to `timeout` seconds for one if `block`."""
        if self._closed:
            raise ValueError(f"Queue {self!r} is closed")
        return self._get(block, timeout)

    def put_nowait(self, obj):
        """put(obj, False)"""
        return self.put(obj, False)

    def get_nowait(self):
        """get(False)"""
        return self.get(False)

    def qsize(self):
        """Items in it, exactly, at that instant."""
        return self._queue.qsize()

    def empty(self):
        """Whether it has no item, at that instant."""
        return self._queue.empty()

    def full(self):
        """Whether it has room for no item more, at that instant."""
        return self._queue.full()

    def close(self):
        """This object puts and gets no more; the queue and its items stay."""
        self._closed = True

    def join_thread(self):
        """There is no thread to wait for: all is put."""
        assert self._closed, f"Queue {self!r} not closed"

    def cancel_join_thread(self):
        """There is no thread to wait for: all is put."""

    __class_getitem__ = classmethod(GenericAlias)


class JoinableQueue(Queue):
    """A queue whose items are taken, worked on, and then told done; join() waits for that.

    What a killed process had taken, and not told done, is in the queue again, for another.
    """

    _joinable = True

    def task_done(self):
        """One item that was taken is worked on.  ValueError: there was none."""
        self._queue.task_done()

    def join(self):
        """Waits until all items that were ever put are done."""
        self._queue.join()


class SimpleQueue:
    """A queue without bound, with put(), get(), empty() and close()."""

    def __init__(self, *, ctx=None, space=space):
        self.__setstate__(space().queue(None))

    def __getstate__(self):
        keep_while_spawning(self._queue)
        return self._queue

    def __setstate__(self, queue):
        self._queue = queue
        self._closed = False

    def _open(self):
        if self._closed:
            raise OSError("handle is closed")
        return self._queue

    def put(self, obj):
        """Puts an item."""
        self._open().put(obj)

    def get(self):
        """Takes an item, waiting for one."""
        return self._open().get()

    def empty(self):
        """Whether it has no item, at that instant."""
        return self._open().empty()

    def close(self):
        """This object puts and gets no more; the queue and its items stay."""
        self._closed = True

    __class_getitem__ = classmethod(GenericAlias)
