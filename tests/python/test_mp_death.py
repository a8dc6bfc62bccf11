"""Processes killed at random moments within the operations of kith.multiprocessing's objects.

How, and what is exact afterwards, is told in deaths.py.
"""

import os
import queue
import signal
import threading
import unittest

import kith.multiprocessing as multiprocessing
import support
from deaths import Deaths, Skip

fork = multiprocessing.get_context("fork")


class Standard(Deaths, unittest.TestCase):
    # ---- Locks: two numbers that change together under them ----

    def guard(self, guard):
        numbers = fork.RawArray("q", 2)

        def step():
            with guard:
                numbers[0] += 1
                numbers[1] = numbers[0]

        def total():
            found = numbers[0]
            numbers[0] = numbers[1] = 0
            return found

        self.kill_often(step, total)

    def test_lock(self):
        """Lock"""
        self.guard(fork.Lock())

    def test_rlock(self):
        """RLock"""
        self.guard(fork.RLock())

    def test_semaphore(self):
        """Semaphore"""
        semaphore = fork.Semaphore(1)
        self.guard(semaphore)
        self.assertEqual(semaphore.get_value(), 1)

    def test_bounded_semaphore(self):
        """BoundedSemaphore"""
        semaphore = fork.BoundedSemaphore(1)
        self.guard(semaphore)
        self.assertEqual(semaphore.get_value(), 1)

    def test_condition(self):
        """Condition"""
        condition = fork.Condition()
        turn = fork.RawValue("q", 0)

        def step():
            with condition:
                turn.value += 1
                condition.notify()
                condition.wait_for(lambda: False, 0.0005)

        self.kill_often(step)
        with condition:
            self.assertFalse(condition.wait(0))

    def test_event(self):
        """Event"""
        event = fork.Event()

        def step():
            event.set()
            event.is_set()
            event.clear()
            event.wait(0.0005)

        self.kill_often(step)
        event.set()
        self.assertTrue(event.wait(0))

    def test_barrier(self):
        """Barrier"""
        barrier = fork.Barrier(2)

        def step():
            try:
                barrier.wait(0.002)
            except threading.BrokenBarrierError:
                barrier.reset()

        self.kill_often(step)
        barrier.reset()
        self.assertEqual((barrier.n_waiting, barrier.broken), (0, False))

    # ---- Numbers ----

    def number(self, step, cell):
        def total():
            found = cell.value
            cell.value = 0
            return found

        self.kill_often(step, total)

    def test_value(self):
        """Value, added to with its lock held"""
        value = fork.Value("i", 0)

        def step():
            with value.get_lock():
                value.value += 1

        self.number(step, value)

    def test_value_add(self):
        """Value.add()"""
        value = fork.Value("q", 0)
        self.number(lambda: value.add(1), value)

    def test_array(self):
        """Array"""
        array = fork.Array("d", 3)

        def step():
            with array:
                array[1] += 1

        def total():
            found = array[1]
            array[:] = [0, 0, 0]
            return found

        self.kill_often(step, total)

    # ---- Queues ----

    def puts(self, items):
        def total():
            count = 0
            while not items.empty():
                self.assertEqual(items.get(), ("an item", [1, 2.5, None]))
                count += 1
            return count

        self.kill_often(lambda: items.put(("an item", [1, 2.5, None])), total)

    def test_queue_put(self):
        """Queue.put()"""
        self.puts(fork.Queue())

    def test_simple_queue_put(self):
        """SimpleQueue.put()"""
        self.puts(fork.SimpleQueue())

    def test_joinable_queue_put(self):
        """JoinableQueue.put()"""
        self.puts(fork.JoinableQueue())

    def joins(self, items):
        native = getattr(items, "_queue", items)

        def step():
            try:
                items.get(timeout=0.01)
            except queue.Empty:
                raise Skip from None
            os.getpid()
            items.task_done()

        def fill():
            for number in range(200):
                items.put(number)

        def audit():
            # All that the dead had got and not told is back: so these end, and nothing is left.
            while not items.empty() or native.info()["taken"] > 0:
                try:
                    items.get(timeout=0.1)
                except queue.Empty:
                    continue
                items.task_done()
            items.join()
            with self.assertRaises(ValueError):
                items.task_done()
            fill()

        fill()
        self.kill_often(step, audit=audit)

    def test_joinable_queue_join(self):
        """JoinableQueue.join(), with takers killed between get() and task_done()"""
        self.joins(fork.JoinableQueue())

    def test_bounded_joinable_queue_join(self):
        """The same of a bounded one"""
        self.joins(fork.JoinableQueue(300))

    def test_manager_joinable_queue_join(self):
        """A manager's JoinableQueue.join(), the same"""
        with fork.Manager() as manager:
            self.joins(manager.JoinableQueue())

    def test_joinable_queue_waiters(self):
        """join() goes on when another has done what a killed taker had, and not before"""
        items = fork.JoinableQueue()
        items.put("work")
        took = fork.Event()

        def take_and_stay():
            items.get()
            took.set()
            signal.pause()

        taker = fork.Process(target=take_and_stay)
        taker.start()
        took.wait()
        joiner = support.Child(items.join)
        joiner.until_asleep()
        second = fork.Process(target=lambda: (items.get(), items.task_done()))
        second.start()
        taker.kill()
        taker.join()
        second.join()
        self.assertEqual((joiner.wait(), second.exitcode), (0, 0))

    def test_joinable_queue_orderly(self):
        """What a process got that ended in good order is not given to another, as the standard's"""
        items = fork.JoinableQueue()
        items.put(None)
        taker = fork.Process(target=items.get)
        taker.start()
        taker.join()
        with self.assertRaises(queue.Empty):
            items.get(timeout=0)
        items.task_done()
        items.join()
        with self.assertRaises(ValueError):
            items.task_done()

    def test_manager_queue_put(self):
        """A manager's Queue.put()"""
        with fork.Manager() as manager:
            self.puts(manager.Queue())

    def test_big_items(self):
        """Queue.put() of what is pickled"""
        items = fork.Queue()
        item = {"bytes": b"x" * 20000, "set": frozenset(range(9))}

        def total():
            count = 0
            while not items.empty():
                self.assertEqual(items.get(), item)
                count += 1
            return count

        self.kill_often(lambda: items.put(item), total)

    def test_queue_get(self):
        """Queue.get()"""
        items = fork.Queue()
        put = 0

        def fill():
            nonlocal put
            while items.qsize() < 500:
                items.put(put)
                put += 1

        def step():
            try:
                items.get_nowait()
            except queue.Empty:
                raise Skip from None

        def total():
            taken = 500 - items.qsize()
            fill()
            return taken

        fill()
        self.kill_often(step, total)

    def test_bounded_queue(self):
        """A bounded Queue, through which items go"""
        items = fork.Queue(2)

        def step():
            try:
                items.put(1, timeout=0.001)
            except queue.Full:
                raise Skip from None
            try:
                items.get(timeout=0.001)
            except queue.Empty:
                pass

        def audit():
            while not items.empty():
                items.get()
            items.put(1)
            items.put(1)
            self.assertTrue(items.full())
            items.get()
            items.get()

        self.kill_often(step, audit=audit)

    # ---- Managers ----

    def test_dict(self):
        """A manager's dict"""
        with fork.Manager() as manager:
            shared = manager.dict()

            def step():
                shared.add("n", 1)
                raise_if_lost(shared.setdefault("list", [1, 2]) != [1, 2])
                shared.update({"a": "x" * 100})
                shared.pop("a", None)

            def total():
                return shared.pop("n")

            self.kill_often(step, total)

    def test_list(self):
        """A manager's list"""
        with fork.Manager() as manager:
            shared = manager.list()

            def total():
                found = shared[:]
                shared[:] = []
                self.assertEqual(set(found), {"one"})
                return len(found)

            self.kill_often(lambda: shared.append("one"), total)

    def test_namespace(self):
        """A manager's Namespace"""
        with fork.Manager() as manager:
            shared = manager.Namespace(value=0)

            def step():
                shared.value = [os.getpid()] * 30

            self.kill_often(step, audit=lambda: self.assertEqual(len(set(shared.value)), 1))

    def test_cells(self):
        """A manager's Value and Array"""
        with fork.Manager() as manager:
            value, array = manager.Value("i", 0), manager.Array("i", [0, 0])

            def step():
                value.value = ["any", {os.getpid()}]
                array[0] = os.getpid()

            self.kill_often(step, audit=lambda: self.assertEqual(value.value[0], "any"))

    def test_manager_lock(self):
        """A manager's Lock"""
        with fork.Manager() as manager:
            self.guard(manager.Lock())

    def test_making(self):
        """Objects made and dropped"""
        space = multiprocessing._space.space()
        space.gc()
        before = space.stat().objects

        def step():
            kept = [fork.Lock(), fork.Queue(), fork.Condition(), fork.Barrier(2)]
            kept[1].put(kept[0])
            del kept

        def audit():
            self.assertEqual(space.check().violations, [])
            self.assertEqual(space.stat().objects, before)

        self.kill_often(step, audit=audit)

    def test_shareable_list(self):
        """ShareableList"""
        from kith.multiprocessing import shared_memory

        made = shared_memory.ShareableList([0, "text"])

        def step():
            made[0] = os.getpid()
            raise_if_lost(made[1] != "text")

        self.kill_often(step, audit=lambda: self.assertGreater(made[0], 0))
        made.shm.close()
        made.shm.unlink()


def raise_if_lost(lost):
    if lost:
        raise AssertionError("an item is not what it was")


if __name__ == "__main__":
    support.main()
