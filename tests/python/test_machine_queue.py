"""kith.Queue, by several processes, against a queue.Queue: see machine.py."""

import bisect
import queue
import unittest

import support

support.needs("hypothesis")
import hypothesis
from hypothesis import stateful, strategies

import kith
import machine
from machine import by, items
from workers import shape


class PlainQueue(queue.Queue):
    """A queue.Queue, with priorities, leases and runs of items besides."""

    def __init__(self, maxsize):
        super().__init__(maxsize)
        self.leased = self.got = self.tickets = 0

    def _init(self, maxsize):
        self.queue = []

    def _put(self, item):
        self._place(item, 0)

    def _place(self, item, priority):
        self.tickets += 1
        bisect.insort(self.queue, (-priority, self.tickets, item), key=lambda e: e[:2])

    def _get(self):
        return self.queue.pop(0)[2]

    def full(self):
        return 0 < self.maxsize <= len(self.queue) + self.leased

    def put(self, item, block=True, timeout=None, priority=0):
        if self.full():
            raise queue.Full
        self._place(item, priority)
        self.unfinished_tasks += 1

    def put_many(self, items, timeout):
        room = len(items) if not self.maxsize else \
            max(self.maxsize - len(self.queue) - self.leased, 0)
        for item in items[:room]:
            self.put(item)
        return len(items[:room])

    def get(self, block=True, timeout=None):
        item = super().get(block, timeout)
        self.got += 1
        return item

    def get_many(self, count, timeout):
        if self.empty():
            raise queue.Empty
        return [self.get() for _ in range(min(count, len(self.queue)))]

    def peek(self):
        if self.empty():
            raise queue.Empty
        return self.queue[0][2]

    def task_done(self):
        if self.got == 0:
            raise ValueError
        self.got -= 1
        super().task_done()

    def join(self, timeout):
        """For all that is never waited for: a ValueError stands for the TimeoutError."""
        if self.unfinished_tasks:
            raise ValueError


class Queues(machine.Machine):
    kind = "queue"

    @stateful.initialize(maxsize=strategies.sampled_from([0, 1, 3, 5]))
    def start(self, maxsize):
        self.begin(PlainQueue(maxsize), capacity=maxsize, joinable=True)
        self.leases, self.made = {}, 0

    @stateful.invariant()
    def same(self):
        self.whole(".qsize", self.model.qsize())
        self.whole("len", self.model.qsize())
        self.whole(".empty", self.model.empty())
        self.whole(".full", self.model.full())

    @stateful.rule(by=by, item=items)
    def put(self, by, item):
        self.do(by, ".put", item, False)

    @stateful.rule(by=by, item=items, priority=strategies.integers(-2, 2))
    def put_before(self, by, item, priority):
        self.do(by, ".put", item, timeout=0, priority=priority)

    @stateful.rule(by=by, item=items)
    def put_nowait(self, by, item):
        self.do(by, ".put_nowait", item)

    @stateful.rule(by=by, item=items)
    def put_with_room(self, by, item):
        hypothesis.assume(not self.model.full())
        self.do(by, ".put", item)

    @stateful.rule(by=by, run=strategies.lists(items, max_size=4))
    def put_many(self, by, run):
        self.do(by, ".put_many", run, 0)

    @stateful.rule(by=by, how=strategies.sampled_from(
        [(".get", (False,)), (".get", (True, 0)), (".get_nowait", ()), (".peek", ())]))
    def get(self, by, how):
        self.do(by, how[0], *how[1])

    @stateful.rule(by=by)
    def get_one(self, by):
        hypothesis.assume(not self.model.empty())
        self.do(by, ".get")

    @stateful.rule(by=by, count=strategies.integers(1, 4))
    def get_many(self, by, count):
        self.do(by, ".get_many", count, 0)

    @stateful.rule(by=by, timeout=strategies.sampled_from([-1, -0.5, "1"]),
                   name=strategies.sampled_from([".get", ".put"]))
    def no_time(self, by, timeout, name):
        args = ("item", True, timeout) if name == ".put" else (True, timeout)
        wanted = "TypeError" if timeout == "1" else "ValueError"
        assert self.places.workers[by].perform(name, args) == ("raises", wanted)

    @stateful.rule(by=by)
    def task_done(self, by):
        self.do(by, ".task_done")

    @stateful.rule(by=by)
    def join(self, by):
        if self.model.unfinished_tasks:
            try:
                self.handle.join(0)
            except kith.TimeoutError:
                return
            raise AssertionError("it is joined too early")
        self.do(by, ".join", 0)

    @stateful.rule(by=by)
    def lease(self, by):
        self.made += 1
        found = self.places.workers[by].keep(self.made, ".lease", (0,))
        if self.model.empty():
            assert found == ("raises", "Empty"), found
        else:
            entry = self.model.queue.pop(0)
            self.model.leased += 1
            self.leases[self.made] = by, entry
            assert shape(found) == shape(("gives", entry[2])), (found, entry)

    def has_leases(self):
        return self.leases

    @stateful.precondition(has_leases)
    @stateful.rule(data=strategies.data(), name=strategies.sampled_from([".ack", ".nack"]))
    def end(self, data, name):
        key = data.draw(strategies.sampled_from(sorted(self.leases)))
        by, entry = self.leases.pop(key)
        found = self.places.workers[by].perform_kept(key, name)
        assert found == ("gives", None), found
        self.model.leased -= 1
        if name == ".nack":
            bisect.insort(self.model.queue, entry, key=lambda e: e[:2])
        else:
            self.model.unfinished_tasks -= 1


class Machines(unittest.TestCase):
    def test_queue(self):
        """What several processes do to it is what a queue.Queue does"""
        machine.run(self, Queues)


if __name__ == "__main__":
    support.main()
