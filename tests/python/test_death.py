"""Processes killed at random moments in the middle of Python-level operations."""

import os
import random
import signal
import time
import unittest

import kith
import support

ROUNDS = 200 if support.LONG else 8


class Deaths(support.Case):
    """A worker counts what it has done in steps that are whole or not there; then it is killed."""

    def setUp(self):
        super().setUp()
        self.begun = self.space.event()  # a step has been done: how soon is the scheduler's to say

    def kill_often(self, work, audit):
        for n in range(ROUNDS):
            children = [support.Child(self.forever, work, seed) for seed in range(2)]
            if n == 0:
                support.until(self.begun.is_set, "a first step")
            time.sleep(random.uniform(0.002, 0.02))  # whenever it is: that is what is tried
            children[0].kill()
            children[0].wait()
            children[1].kill(signal.SIGTERM)
            children[1].wait()
            with self.subTest(round=n):
                audit()
                self.assertEqual(self.space.check().violations, [])

    def forever(self, work, seed):
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        while True:
            work(seed)
            self.begun.set()

    def test_dict(self):
        """Transactions over two dicts and counts keep their totals"""
        a, b = self.space.dict(), self.space.dict()

        def work(seed):
            with self.space.txn() as txn:
                txn.add(a, "n", 1)
                txn.add(b, seed, 1)
            a.counts["c"] += 2
            a["list"] = [seed] * 50
            a.modify("m", lambda m: [m[0] + 1, m[1] + 1], [0, 0])

        def audit():
            self.assertEqual(a.get("n", 0), sum(b.values()))
            self.assertEqual(a.get("c", 0) % 2, 0)
            self.assertEqual(len(set(a.get("list", []))), 1 if "list" in a else 0)
            first, second = a.get("m", [0, 0])
            self.assertEqual(first, second)

        self.kill_often(work, audit)
        self.assertGreater(a["n"], 0)

    def test_list_and_set(self):
        """Lists and sets change in whole steps"""
        l, s = self.space.list(), self.space.set()

        def work(seed):
            l.extend([1, 2, 3])
            s.update(range(10))
            if len(l) > 100:
                l.clear()
                s.clear()

        def audit():
            self.assertEqual(l[:], [1, 2, 3] * (len(l) // 3))
            self.assertIn(set(s), [set(), set(range(10))])

        self.kill_often(work, audit)

    def test_queue(self):
        """Leased items are worked on once each, or come back"""
        q, done, tickets = self.space.queue(), self.space.dict(), self.space.value(type="q")

        def work(seed):
            q.put(tickets.add())
            lease = q.lease(0)
            with self.space.txn() as txn:
                txn.add(done, lease.item, 1)
                txn.ack(lease)

        def audit():
            # All that were put and are not done are there; a ticket may have died with its putter.
            self.space.gc()
            self.assertEqual(q.info()["leased"], 0)
            left = q.get_many(10000, 0) if len(q) else []
            self.assertEqual(set(done.values()), {1} if done else set())
            self.assertFalse(set(left) & set(done))
            self.assertEqual(len(left), len(set(left)))
            self.assertLessEqual(tickets.value - len(done) - len(left), self.lost_at_most())
            for item in left:
                done[item] = 1

        self.rounds = 0
        self.kill_often(work, audit)
        self.assertGreater(len(done), 0)

    def lost_at_most(self):
        self.rounds += 1
        return 2 * self.rounds

    def test_locks(self):
        """Locks, semaphores and conditions of the dead go on"""
        lock, semaphore = self.space.lock(), self.space.semaphore(value=1)
        condition, rwlock = self.space.condition(), self.space.rwlock()
        event = self.space.event()

        def work(seed):
            with lock, semaphore:
                event.set()
            with condition:
                condition.notify_all()
                condition.wait(0.001)
            with rwlock.shared():
                event.clear()
            with rwlock:
                pass

        def audit():
            for taken in (lock, condition, rwlock, semaphore):
                self.assertTrue(taken.acquire(timeout=support.CEILING_S), taken)
                taken.release()

        self.kill_often(work, audit)

    def test_views(self):
        """What the dead had in view is given back"""
        d = self.space.dict()
        d["big"] = b"x" * 1000000

        def hold(_):
            view = d.view("big")
            event.set()
            self.space.event("never").wait()
            del view

        event = self.space.event()
        for _ in range(ROUNDS):
            event.clear()
            child = support.Child(hold, 0)
            event.wait()
            child.kill()
            child.wait()
            d["big"] = b"y" * 1000000
        self.space.gc()
        self.check()
        self.assertLess(self.space.stat().bytes_used, 4000000)

    def test_stopped(self):
        """A stopped process is alive: its lock stays taken"""
        lock = self.space.lock()

        def hold():
            lock.acquire()
            self.space.event("never").wait()

        child = support.Child(hold)
        child.until_asleep()
        child.kill(signal.SIGSTOP)
        self.assertFalse(lock.acquire(timeout=0.3))
        child.kill(signal.SIGCONT)
        child.kill()
        child.wait()
        self.assertTrue(lock.acquire(timeout=support.CEILING_S))
        self.assertTrue(lock.owner_died)


class Waiters(support.Case):
    def test_news(self):
        """Who waits for what the dead held is told by the death, not by a timeout"""
        def holders():
            lock, semaphore = self.space.lock(), self.space.semaphore(value=1)
            q, once = self.space.queue(), self.space.once()
            q.put("item")
            yield lambda: lock.acquire(), lambda: lock.acquire()
            yield lambda: semaphore.acquire(), lambda: semaphore.acquire()
            yield lambda: setattr(self, "kept", q.lease()), lambda: q.get() == "item"
            yield lambda: once.claim(), lambda: once.claim()

        for hold, wait in holders():
            holder = support.Child(lambda: (hold(), self.space.event("never").wait()))
            holder.until_asleep()
            waiter = support.Child(lambda: self.assertTrue(wait()))
            waiter.until_asleep()
            holder.kill()
            holder.wait()
            self.assertEqual(waiter.wait(), 0)


if __name__ == "__main__":
    support.main()
