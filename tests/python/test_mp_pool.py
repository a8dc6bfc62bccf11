"""kith.multiprocessing's Pool where the standard's hangs: when workers are killed.

That it is as the standard's is tested by test_cpython.py and test_examples.py.
"""

import itertools
import os
import random
import signal
import threading
import time
import unittest
import warnings

import kith
import kith.multiprocessing as multiprocessing
import support

TASKS = 10000 if support.LONG else 300
ROUNDS = 20 if support.LONG else 1


def square(n):
    return n * n


def mind(n):
    if n == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def work(n):
    time.sleep(0.001)
    return n


def whose(_):
    return os.getpid()


def nested(n):
    with multiprocessing.Pool(2) as pool:
        return sum(pool.map(square, range(n)))


def refuse(_):
    raise ValueError("no")


def unsendable(_):
    return threading.Lock()


class Deaths(unittest.TestCase):
    def pool(self, *args, context=multiprocessing):
        pool = context.Pool(*args)
        self.addCleanup(pool.terminate)
        return pool

    def test_a_task_that_kills(self):
        """a task that always kills its worker fails; the others complete"""
        for method in ("fork", "spawn") if support.LONG else ("fork",):
            with self.subTest(method=method):
                pool = self.pool(2, context=multiprocessing.get_context(method))
                results = [pool.apply_async(mind, (n,)) for n in range(6)]
                with self.assertRaises(kith.WorkerDied) as caught:
                    results[3].get(support.CEILING_S)
                self.assertEqual(caught.exception.signal, signal.SIGKILL)
                del results[3]
                self.assertEqual([r.get(support.CEILING_S) for r in results], [0, 1, 2, 4, 5])
                self.assertRaises(kith.WorkerDied, pool.map, mind, range(8))
                given = pool.imap(mind, range(6))
                self.assertEqual([next(given) for _ in range(3)], [0, 1, 2])
                self.assertRaises(kith.WorkerDied, next, given)
                self.assertEqual(list(given), [4, 5])

    def test_callbacks(self):
        """callbacks are called, with the death, too"""
        pool = self.pool(2)
        good, bad = [], []
        pool.map_async(square, range(5), callback=good.append).wait(support.CEILING_S)
        pool.apply_async(mind, (3,), error_callback=bad.append).wait(support.CEILING_S)
        self.assertEqual(good, [[0, 1, 4, 9, 16]])
        self.assertIsInstance(bad[0], kith.WorkerDied)

    def kill_some(self, pool, done):
        while not done.wait(0.05):
            workers = [pid for pid, state, _, _ in pool._engine.handle.workers()
                       if state == "busy"]
            if workers:
                try:
                    os.kill(random.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def test_chaos(self):
        """all results, in order, none twice, while workers are killed"""
        for _ in range(ROUNDS):
            pool = self.pool(4)
            done = threading.Event()
            killer = threading.Thread(target=self.kill_some, args=(pool, done))
            killer.start()
            seen = []
            try:
                results = [pool.apply_async(work, (n,), callback=seen.append)
                           for n in range(TASKS)]
                self.assertEqual(pool.map(work, range(TASKS), 1), list(range(TASKS)))
                self.assertEqual(list(pool.imap(work, range(TASKS))), list(range(TASKS)))
                self.assertEqual(sorted(pool.imap_unordered(work, range(TASKS))),
                                 list(range(TASKS)))
                self.assertEqual([r.get(10 * support.CEILING_S) for r in results],
                                 list(range(TASKS)))
            finally:
                done.set()
                killer.join()
            self.assertEqual(sorted(seen), list(range(TASKS)))
            pool.terminate()

    def test_in_a_manager(self):
        """so it is of a manager's pool"""
        with multiprocessing.Manager() as manager:
            pool = manager.Pool(2)
            self.assertEqual(pool.map(square, range(5)), [0, 1, 4, 9, 16])
            self.assertRaises(kith.WorkerDied, pool.apply, mind, (3,))
            self.assertEqual(list(pool.imap(square, range(3))), [0, 1, 4])

    def test_nested(self):
        """a task may have a pool, though workers are daemons: these end with theirs"""
        self.assertEqual(self.pool(2).map(nested, [3, 4]), [5, 14])

    def test_imap_of_much(self):
        """imap() takes of what never ends only what it needs"""
        taken = itertools.count()
        given = self.pool(2).imap(square, taken)
        self.assertEqual([next(given) for _ in range(2000)], [n * n for n in range(2000)])
        self.assertLess(next(taken), 10000)

    def test_errors(self):
        """what a task raises, and what cannot be sent"""
        pool = self.pool(1)
        with self.assertRaises(ValueError) as caught:
            pool.map(refuse, [1])
        self.assertIn("in refuse", str(caught.exception.__cause__))
        with self.assertRaises(multiprocessing.pool.MaybeEncodingError) as caught:
            pool.apply(unsendable, (1,))
        self.assertIn("lock", caught.exception.value)
        slow = pool.apply_async(time.sleep, (1,))
        self.assertRaises(multiprocessing.TimeoutError, slow.get, 0.01)
        with self.assertRaises(Exception):
            pool.apply(lambda: 1)
        self.assertRaises(ValueError, multiprocessing.Pool, 0)
        self.assertRaises(ValueError, pool.imap, square, [1], 0)
        pool.close()
        self.assertRaises(ValueError, pool.map, square, [1])
        pool.join()

    def test_dropped(self):
        """one that is dropped unclosed warns, and ends"""
        pool = multiprocessing.Pool(1)
        worker = pool.apply(whose, (1,))
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del pool
        self.assertEqual([w.category for w in told], [ResourceWarning])
        told.clear()  # it has the pool as its source
        support.until(lambda: not os.path.exists(f"/proc/{worker}"))


if __name__ == "__main__":
    support.main()
