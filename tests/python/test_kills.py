"""Processes killed at random moments within an operation of each native object: see deaths.py."""

import queue
import threading

import kith
import support
from deaths import KILLS, Deaths, Skip


class Native(Deaths, support.Case):
    kills = KILLS if support.LONG else 5

    def setUp(self):
        super().setUp()
        self.addCleanup(self.whole)

    def whole(self):
        self.space.gc()
        self.check()
        self.assertEqual(self.space.stat().processes, 1)

    # ---- what is added up ----

    def sums(self, step, take):
        """take() gives what all have added, and begins anew."""
        self.kill_often(step, take)

    def test_dict_add(self):
        """Dict.add()"""
        d = self.space.dict()
        self.sums(lambda: d.add("n", 1), lambda: d.pop("n"))

    def test_counts(self):
        """Dict.counts"""
        d = self.space.dict()

        def step():
            d.counts["n"] += 1

        self.sums(step, lambda: d.pop("n"))

    def test_modify(self):
        """Dict.modify()"""
        d = self.space.dict()

        def take():
            count, text = d.pop("n")
            self.assertEqual(text, "x" * count)
            return count

        self.sums(lambda: d.modify("n", lambda n: (n[0] + 1, n[1] + "x"), (0, "")), take)

    def test_txn(self):
        """Transactions over dicts, a value and a queue"""
        a, b, q = self.space.dict(), self.space.dict(), self.space.queue()
        v = self.space.value(transactional=True)

        def step():
            with self.space.txn() as txn:
                txn.add(a, "n", 1)
                txn.add(b, "n", 1)
                txn.add(v, 1)
                txn.put(q, "x" * 1000)

        def take():
            found = a.pop("n")
            self.assertEqual((b.pop("n"), v.exchange(0), len(q.get_many(found + 1, 0))),
                             (found, found, found))
            return found

        self.sums(step, take)

    def test_value(self):
        """Value.add(), and of floats"""
        v, real = self.space.value(), self.space.value(type="d")
        self.sums(v.add, lambda: v.exchange(0))
        self.sums(real.add, lambda: real.exchange(0))

    def test_array(self):
        """Array.add(), and changes under the array's lock"""
        a = self.space.array(count=3)
        self.sums(lambda: a.add(1), lambda: self.zero(a))

        def step():
            with a:
                a[0] += 1
                a[2] = a[0]

        self.kill_often(step, lambda: self.zero(a, 0))

    def zero(self, a, at=1):
        found = a[at]
        a[:] = [0] * len(a)
        return found

    def test_publish(self):
        """Array.publish(): all of one version, whatever dies"""
        a = self.space.array(count=1000)
        turn = self.space.value()

        def step():
            a.publish([turn.add()] * 1000)

        self.kill_often(step, audit=lambda: self.assertEqual(len(set(a[:])), 1))

    def test_segment(self):
        """Segment.view() and resize()"""
        segment = self.space.segment(size=5000)

        def step():
            with segment.view() as view:
                memoryview(view)[0] = 1
            segment.resize(9000 if segment.size == 5000 else 5000)

        self.kill_often(step, audit=lambda: self.assertIn(segment.size, (5000, 9000)))

    # ---- collections ----

    def test_list(self):
        """List.append(), and slices"""
        l = self.space.list()

        def take():
            found = l[:]
            l.clear()
            self.assertEqual(set(found), {"one"})
            return len(found)

        self.sums(lambda: l.append("one"), take)
        l.extend(range(6))

        def turn():
            l[2:4] = [1, 2, 3]
            l.sort()
            l[1:] = [7, 8]
            l.reverse()

        self.kill_often(turn)
        l[:] = [1]

    def test_set(self):
        """Set.update() and pop()"""
        s = self.space.set()

        def step():
            s.update(range(20))
            s.difference_update(range(20))

        def audit():
            s.update(range(20))
            self.assertEqual(len(s), 20)
            s.clear()

        self.kill_often(step, audit=audit)

    def test_namespace(self):
        """Attributes of a Namespace"""
        n = self.space.namespace()
        n.a = ["x"] * 50

        def step():
            n.a = ["y"] * 50
            n.b = 1
            n.a = ["x"] * 50

        self.kill_often(step, audit=lambda: self.assertEqual(len(set(n.a)), 1))

    def test_cache(self):
        """A bounded dict, and what one computes for all"""
        d = self.space.dict(max_items=10, policy="sieve")
        turn = self.space.value()

        def step():
            key = turn.add() % 30
            d.set(key, "x" * key, ttl=1000)
            d.get_or_compute(("computed", key), lambda wanted: wanted[1] * 2)

        def audit():
            self.assertLessEqual(len(d), 10)
            self.assertEqual(d.get_or_compute("c", lambda key: 5), 5)

        self.kill_often(step, audit=audit)

    # ---- queues ----

    def test_put(self):
        """Queue.put()"""
        q = self.space.queue()
        self.sums(lambda: q.put(("an item", [1] * 100)), lambda: len(q.get_many(10 ** 6, 0)))

    def test_get(self):
        """Queue.get()"""
        q = self.space.queue()
        full = 5000
        q.put_many(range(full))

        def step():
            try:
                q.get(False)
            except queue.Empty:
                raise Skip from None

        def take():
            taken = full - len(q)
            q.put_many(range(taken))
            return taken

        self.sums(step, take)

    def test_lease(self):
        """Queue.lease(): what is acknowledged is gone, all else comes back"""
        q, done = self.space.queue(), self.space.dict()
        full = 2000
        q.put_many(range(full))

        def step():
            try:
                lease = q.lease(0)
            except queue.Empty:
                raise Skip from None
            with self.space.txn() as txn:
                txn.add(done, lease.item, 1)
                txn.ack(lease)

        def take():
            self.space.gc()
            self.assertEqual((q.info()["leased"], set(done.values())), (0, {1}))
            taken = len(done)
            self.assertEqual(taken + len(q), full)
            q.put_many(list(done))
            done.clear()
            return taken

        self.sums(step, take)

    # ---- locks ----

    def guard(self, guard):
        numbers = self.space.array(count=2)

        def step():
            with guard:
                numbers[0] = numbers[0] + 1
                numbers[1] = numbers[0]

        self.sums(step, lambda: self.zero(numbers, 0))

    def test_lock(self):
        """Lock, of each sort"""
        for options in ({}, {"fair": True}, {"unowned": True}, {"recursive": True},
                        {"detect_deadlock": True}):
            self.guard(self.space.lock(**options))

    def test_rwlock(self):
        """RWLock, also shared"""
        rwlock = self.space.rwlock()
        self.guard(rwlock)

        def step():
            with rwlock.shared():
                rwlock.locked()

        self.kill_often(step)
        self.assertTrue(rwlock.acquire(timeout=support.CEILING_S))
        rwlock.release()

    def test_semaphore(self):
        """Semaphore: all permits come back"""
        semaphore = self.space.semaphore(value=1)
        self.guard(semaphore)
        self.assertEqual(semaphore.value, 1)

    def test_condition(self):
        """Condition"""
        condition = self.space.condition()
        self.guard(condition)

        def step():
            with condition:
                condition.notify()
                condition.wait(0.0005)

        self.kill_often(step)
        with condition:
            self.assertFalse(condition.wait(0))

    def test_event(self):
        """Event"""
        event = self.space.event()

        def step():
            event.set()
            event.clear()
            event.wait(0.0005)

        self.kill_often(step)
        event.set()
        self.assertTrue(event.wait(0))

    def test_barrier(self):
        """Barrier"""
        barrier = self.space.barrier(parties=2)

        def step():
            try:
                barrier.wait(0.002)
            except threading.BrokenBarrierError:
                barrier.reset()

        self.kill_often(step)
        barrier.reset()
        self.assertEqual((barrier.n_waiting, barrier.broken), (0, False))

    def test_once(self):
        """Once: the turn of the dead is the next one's"""
        turn = self.space.value()
        done = self.space.dict()

        def step():
            once = self.space.once(f"once {turn.value}")
            once.run(lambda: done.add(turn.value))
            turn.add()

        def audit():
            name = f"once {turn.value}"
            self.space.once(name).run(lambda: done.add(turn.value), support.CEILING_S)
            self.assertEqual(self.space.once(name).state, "done")

        self.kill_often(step, audit=audit)
        for info in self.space.objects():
            if info.kind == "once":
                self.space.destroy(info.name)

    def test_limiter(self):
        """Limiter: no token is given twice"""
        burst = 10 ** 6

        def full():
            return self.space.limiter(rate=1e-6, burst=burst)

        limiter = full()

        def step():
            if not limiter.take():
                raise Skip

        def take():
            nonlocal limiter
            taken = burst - round(limiter.state()["available"])
            limiter = full()
            return taken

        self.sums(step, take)


if __name__ == "__main__":
    support.main()
