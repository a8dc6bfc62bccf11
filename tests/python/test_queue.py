"""kith.Queue against queue.Queue, and leases."""

import gc
import queue
import random
import threading
import time

import kith
import support


class Queues(support.Case):
    def test_random(self):
        """A thousand random operations give what a queue.Queue gives"""
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        shared, plain = self.space.queue(capacity=5), queue.Queue(5)
        for step in range(1000 if not support.LONG else 50000):
            act = rng.choice(["put", "put", "get", "qsize", "empty", "full"])
            results = []
            for q in (shared, plain):
                try:
                    if act == "put":
                        results.append(q.put((step, "x" * rng.choice([0, 10])), False))
                    elif act == "get":
                        results.append(q.get_nowait()[0])
                    else:
                        results.append(getattr(q, act)())
                except (queue.Full, queue.Empty) as error:
                    results.append(type(error).__name__)
            with self.subTest(seed=seed, step=step, act=act):
                self.assertEqual(results[0], results[1])
        self.check()

    def test_exceptions(self):
        """Full and Empty are those of the module queue, at once and in time"""
        q = self.space.queue(capacity=1)
        for act in (lambda: q.get(False), lambda: q.get(timeout=0.001), q.get_nowait, q.peek,
                    lambda: q.lease(0), lambda: q.get_view(0.001), lambda: q.get_many(2, 0)):
            with self.assertRaises(queue.Empty) as caught:
                act()
            self.assertIs(type(caught.exception), kith.Empty)
            self.assertIsInstance(caught.exception, kith.Error)
        q.put(1)
        for act in (lambda: q.put(1, False), lambda: q.put(1, timeout=0.001),
                    lambda: q.put_nowait(1)):
            with self.assertRaises(queue.Full) as caught:
                act()
            self.assertIs(type(caught.exception), kith.Full)
        with self.assertRaises(ValueError):
            q.get(timeout=-1)
        with self.assertRaises(TypeError):
            q.get(timeout="1")

    def test_many(self):
        """put_many and get_many move runs of items"""
        q = self.space.queue(capacity=10)
        self.assertEqual(q.put_many(range(12), timeout=0), 10)
        self.assertEqual(q.get_many(3), [0, 1, 2])
        self.assertEqual(q.get_many(100), [3, 4, 5, 6, 7, 8, 9])
        self.assertEqual(q.maxsize, 10)
        self.assertEqual(q.capacity, 10)
        self.assertTrue(q)

    def test_priorities(self):
        """Higher priorities come first, and a delay keeps an item back"""
        q = self.space.queue()
        q.put("later")
        q.put("first", priority=5)
        q.put("never", delay=1000)
        self.assertEqual((q.get(), q.get(), q.qsize()), ("first", "later", 0))
        self.assertEqual(q.info()["delayed"], 1)
        q.put("soon", delay=1e-9)
        self.assertEqual(q.get(timeout=support.CEILING_S), "soon")

    def test_shutdown(self):
        """After shutdown putters are refused, and getters drain and see the end"""
        q = self.space.queue()
        q.put(1)
        q.shutdown()
        with self.assertRaises(kith.ShutDown):
            q.put(2)
        self.assertEqual(q.get(), 1)
        with self.assertRaises(kith.ShutDown):
            q.get()
        self.assertTrue(q.info()["closed"])

    def test_join(self):
        """join() waits for the work to be done"""
        q = self.space.queue(joinable=True)
        q.put_many([1, 2])
        with self.assertRaises(TimeoutError):
            q.join(0)
        q.get_many(2)
        q.task_done()
        thread = threading.Thread(target=q.join)
        thread.start()
        q.task_done()
        thread.join(support.CEILING_S)
        self.assertFalse(thread.is_alive())
        with self.assertRaises(ValueError):
            q.task_done()

    def test_lending(self):
        """What a killed process got and did not report is back"""
        q = self.space.queue(capacity=1, joinable=True, lending=True)
        q.put("one")
        self.assertTrue(q.full())
        child = support.Child(lambda: (q.get(), time.sleep(support.CEILING_S)))
        support.until(q.empty)
        self.assertEqual((q.full(), len(q), q.info()["taken"]), (False, 0, 1))
        child.kill()
        child.wait()
        self.assertEqual(q.get(timeout=support.CEILING_S), "one")
        q.task_done()
        q.join(0)
        with self.assertRaises(ValueError):
            q.task_done()

    def test_threads(self):
        """Threads that wait let others run"""
        q, back = self.space.queue(), self.space.queue()
        threads = [threading.Thread(target=lambda: back.put(q.get() * 2)) for _ in range(5)]
        for thread in threads:
            thread.start()
        q.put_many(range(5))
        self.assertEqual(sorted(back.get() for _ in range(5)), [0, 2, 4, 6, 8])
        for thread in threads:
            thread.join()

    def test_processes(self):
        """Items go to processes, each once, in their order"""
        q, back = self.space.queue(capacity=3), self.space.queue()

        def work():
            while True:
                item = q.get()
                if item is None:
                    return
                back.put(item)

        children = [support.Child(work) for _ in range(2)]
        for i in range(200):
            q.put(i)
        q.put_many([None, None])
        self.assertEqual([child.wait() for child in children], [0, 0])
        self.assertEqual(sorted(back.get_many(300, 0)), list(range(200)))

    def test_view(self):
        """get_view takes an item without a copy"""
        q = self.space.queue()
        q.put(b"x" * 100000)
        view = q.get_view()
        self.assertTrue(q.empty())
        self.assertEqual(view.load(), b"x" * 100000)
        self.assertEqual(view.nbytes, 100000)
        with self.assertRaises(TypeError):
            memoryview(view)[0] = 1


class Leases(support.Case):
    def test_ends(self):
        """A lease is acknowledged, given back, extended, and ends once"""
        q = self.space.queue()
        q.put_many(["a", "b"])
        lease = q.lease()
        self.assertEqual((lease.item, lease.attempts, lease.queue), ("a", 0, q))
        lease.extend(1000)
        lease.extend(None)
        lease.nack()
        lease = q.lease()
        self.assertEqual((lease.item, lease.attempts), ("a", 1))
        lease.ack()
        for act in (lease.ack, lease.nack, lambda: lease.extend(1)):
            with self.assertRaises(ValueError):
                act()
        self.assertEqual(q.get(), "b")

    def test_context(self):
        """As a context manager it acknowledges, and after an exception gives back"""
        q = self.space.queue()
        q.put("a")
        with self.assertRaises(ZeroDivisionError), q.lease() as item:
            self.assertEqual(item, "a")
            1 // 0
        self.assertEqual(q.qsize(), 1)
        with q.lease() as item:
            self.assertEqual((item, q.qsize()), ("a", 0))
        self.assertTrue(q.empty())
        self.assertEqual(q.info()["leased"], 0)

    def test_dropped(self):
        """A lease that is dropped gives its item back"""
        q = self.space.queue()
        q.put("a")
        q.lease()
        gc.collect()
        self.assertEqual(q.get(timeout=0), "a")

    def test_lost(self):
        """A lease whose time is over is lost"""
        q = self.space.queue()
        q.put("a")
        lease = q.lease(limit=1e-9)
        self.assertEqual(q.get(timeout=support.CEILING_S), "a")
        with self.assertRaises(kith.GoneError):
            lease.ack()

    def test_dead_letter(self):
        """What fails as often as it may goes to the dead-letter queue"""
        q = self.space.queue(attempts_max=2, dead_letter="dead")
        q.put("poison")
        for _ in range(2):
            q.lease().nack()
        self.assertTrue(q.empty())
        self.assertEqual(self.space.queue("dead").get(timeout=0), "poison")

    def test_in_a_child(self):
        """A forked child cannot end its parent's lease, and dropping it does nothing"""
        q = self.space.queue()
        q.put("a")
        lease = q.lease()

        def other():
            nonlocal lease
            with self.assertRaises(PermissionError):
                lease.ack()
            del lease
            gc.collect()

        self.assertEqual(support.Child(other).wait(), 0)
        self.assertTrue(q.empty())
        lease.ack()

    def test_killed(self):
        """The lease of a killed process is given back, with one attempt more"""
        q = self.space.queue()
        q.put("a")

        def other():
            lease = q.lease()
            self.space.event("wait").wait()
            del lease

        child = support.Child(other)
        child.until_asleep()
        child.kill()
        child.wait()
        lease = q.lease(support.CEILING_S)
        self.assertEqual((lease.item, lease.attempts), ("a", 1))


if __name__ == "__main__":
    support.main()
