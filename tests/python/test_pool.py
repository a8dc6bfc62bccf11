"""kith.Pool: an executor whose tasks survive their workers."""

import concurrent.futures
import contextlib
import io
import os
import pickle
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import kith
import support

TASKS = 10000 if support.LONG else 400
ROUNDS = 20 if support.LONG else 1


# ---- tasks

def square(n):
    return n * n


def add(a, b=0):
    return a + b


def mind(n):
    if n == 13:
        os.kill(os.getpid(), signal.SIGKILL)
    return n


def die_at_first(path):
    with open(path, "a") as file:
        file.write("x")
    if os.path.getsize(path) == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return os.path.getsize(path)


def refuse(n):
    raise ValueError(f"no {n}")


class Odd(Exception):
    """Cannot be pickled: it wants two arguments, and tells pickle of one."""

    def __init__(self, a, b):
        super().__init__(a)


def refuse_oddly(_):
    raise Odd("much", 2)


def unsendable(_):
    return threading.Lock()


def leave(status):
    sys.exit(status)


def whose(_=None):
    return os.getpid()


def nap(seconds):
    time.sleep(seconds)
    return seconds


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.005)
    return os.getpid()


def large(size):
    return b"x" * size


def nested(n):
    with kith.Pool(2) as pool:
        return sum(pool.map(square, range(n)))


def deep(n):
    value = []
    for _ in range(n):
        value = [value]
    return value


marked = None


def mark(value):
    global marked
    marked = value


def see_mark(_):
    return marked


class Pools(unittest.TestCase):
    def pool(self, *args, **keywords):
        pool = kith.Pool(*args, **keywords)
        self.addCleanup(pool.terminate)
        return pool

    def folder(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    # ---- results

    def test_submit(self):
        """submit() gives a future, as of concurrent.futures"""
        pool = self.pool(2)
        futures = [pool.submit(add, n, b=1) for n in range(50)]
        self.assertEqual([future.result(support.CEILING_S) for future in futures],
                         list(range(1, 51)))
        self.assertTrue(all(isinstance(future, concurrent.futures.Future) for future in futures))
        done = []
        future = pool.submit(add, "a", b="b")
        future.add_done_callback(done.append)
        self.assertEqual(future.result(support.CEILING_S), "ab")
        support.until(lambda: done == [future])
        more = [pool.submit(square, n) for n in range(20)]
        self.assertEqual({future.result() for future in concurrent.futures.as_completed(more)},
                         {n * n for n in range(20)})

    def test_map(self):
        """map() and its like give all results, in order where that is promised"""
        pool = self.pool(2)
        for chunk in (None, 1, 7, 1000):
            with self.subTest(chunk=chunk):
                self.assertEqual(list(pool.map(square, range(300), chunksize=chunk)),
                                 [n * n for n in range(300)])
        self.assertEqual(list(pool.map(add, [1, 2], [3, 4])), [4, 6])
        self.assertEqual(list(pool.map(square, [])), [])
        self.assertEqual(list(pool.starmap(add, [(1, 2), (3,)])), [3, 3])
        self.assertEqual(sorted(pool.imap_unordered(square, range(100))),
                         [n * n for n in range(100)])
        self.assertEqual(pool.apply(add, 1, b=2), 3)

    def test_values(self):
        """arguments and results of every sort, also what is stored only as a pickle"""
        pool = self.pool(1)
        values = [None, True, 1, 2**70, 1.5, "é", b"b", (1, [2, {"a": {3}}]), 1 + 2j, range(3),
                  deep(62), deep(63), deep(80), frozenset({1}), Ellipsis, bytearray(b"x"),
                  "\ud800", {"k": bytearray(10000)}]
        for value in values:
            with self.subTest(value=repr(value)[:40]):
                self.assertEqual(list(pool.map(_same, [value])), [value])
                self.assertEqual(pool.apply(_same, value), value)

    def test_handles(self):
        """handles go to tasks and come back"""
        space = kith.open("mem://", serializer="pickle")
        pool = self.pool(2, space=space)
        counts = space.dict("counts")
        self.assertEqual(sorted(pool.starmap(_count, [(counts, n) for n in range(20)])),
                         list(range(1, 21)))
        self.assertEqual(counts["n"], 20)
        self.assertEqual(list(pool.map(_same, [counts]))[0].name, "counts")

    def test_arguments_are_copied(self):
        """what changes after it was submitted changes nothing"""
        pool = self.pool(1)
        gate = os.path.join(self.folder(), "gate")
        held = pool.submit(wait_for, gate)
        argument = [1]
        future = pool.submit(_same, argument)
        argument.append(2)
        open(gate, "w").close()
        held.result(support.CEILING_S)
        self.assertEqual(future.result(support.CEILING_S), [1])

    def test_large(self):
        """a large result, and one that does not fit the space"""
        self.assertEqual(len(self.pool(1).apply(large, 30 << 20)), 30 << 20)
        small = kith.open("mem://", serializer="pickle", size=64 << 20)
        pool = self.pool(1, space=small)
        with self.assertRaises((kith.TooBigError, kith.OutOfMemoryError)):
            pool.apply(large, 100 << 20)
        self.assertEqual(pool.apply(square, 3), 9)

    def test_many(self):
        """a hundred thousand tasks wait"""
        pool = self.pool(2)
        gate = os.path.join(self.folder(), "gate")
        held = [pool.submit(wait_for, gate) for _ in range(2)]
        results = pool.map(square, range(100000), chunksize=1)
        open(gate, "w").close()
        self.assertEqual(sum(results), sum(n * n for n in range(100000)))
        self.assertEqual(len({future.result(support.CEILING_S) for future in held}), 2)

    # ---- failures

    def test_exceptions(self):
        """an exception comes with the worker's traceback; one that cannot be sent, as text"""
        pool = self.pool(1)
        with self.assertRaises(ValueError) as caught:
            pool.apply(refuse, 3)
        self.assertEqual(caught.exception.args, ("no 3",))
        self.assertIn("in refuse", str(caught.exception.__cause__))
        future = pool.submit(refuse_oddly, 1)
        error = future.exception(support.CEILING_S)
        self.assertIn("Odd: much", str(error))
        self.assertIn("in refuse_oddly", str(error.__cause__))
        with self.assertRaisesRegex(Exception, "cannot pickle"):
            pool.apply(unsendable, 1)
        with self.assertRaises(SystemExit):
            pool.apply(leave, 3)
        results = pool.map(_fail_at_two, range(4), chunksize=2)
        self.assertEqual([next(results), next(results)], [0, 1])
        self.assertRaises(ValueError, next, results)
        self.assertEqual(list(results), [3])

    def test_unsendable_tasks(self):
        """what cannot be pickled or found raises at once, in the caller, and names it"""
        pool = self.pool(1)
        local = threading.Lock()
        with self.assertRaises(TypeError):
            pool.submit(square, local)
        self.assertRaises(TypeError, pool.submit, 3)
        self.assertRaises(TypeError, pool.map, None, [1])
        try:
            import cloudpickle  # noqa: F401
        except ImportError:
            with self.assertRaisesRegex(pickle.PicklingError, "<lambda>.*cloudpickle"):
                pool.submit(lambda: 1)
            with self.assertRaisesRegex(pickle.PicklingError, "<lambda>.*cloudpickle"):
                pool.map(lambda n: n, [1])
        else:
            self.assertEqual(pool.submit(lambda: 1).result(support.CEILING_S), 1)
        self.assertEqual(pool.apply(square, 2), 4)

    def test_bad_input(self):
        """arguments outside what a pool takes"""
        self.assertRaises(ValueError, kith.Pool, 0)
        self.assertRaises(ValueError, kith.Pool, -1)
        self.assertRaises(kith.InvalidError, kith.Pool, 5000)
        self.assertRaises(ValueError, kith.Pool, retries=-1)
        self.assertRaises(ValueError, kith.Pool, start_method="no")
        self.assertRaises(TypeError, kith.Pool, initializer=3)
        with self.assertRaisesRegex(kith.InvalidError, "serializer"):
            kith.Pool(1, space=kith.open("mem://"))
        pool = self.pool(1)
        self.assertRaises(ValueError, pool.map, square, [1], chunksize=0)
        self.assertRaises(kith.ExistsError, kith.Pool, 1, space=pool.space, name=pool.name)
        self.assertEqual(pool.apply(square, 5), 25)

    def test_timeouts(self):
        """a wait ends when its time is over"""
        pool = self.pool(1)
        gate = os.path.join(self.folder(), "gate")
        future = pool.submit(wait_for, gate)
        self.assertRaises(concurrent.futures.TimeoutError, future.result, 0.01)
        self.assertRaises(TimeoutError, list, pool.map(square, [1], timeout=0.05))
        open(gate, "w").close()
        future.result(support.CEILING_S)

    # ---- deaths

    def test_a_task_runs_again(self):
        """a killed worker's task runs again in another"""
        path = os.path.join(self.folder(), "runs")
        self.assertEqual(self.pool(1).submit(die_at_first, path).result(support.CEILING_S), 2)

    def test_a_task_that_kills(self):
        """a task that always kills its worker fails alone, and says so"""
        for retries in (0, 1, 2):
            with self.subTest(retries=retries):
                pool = self.pool(2, retries=retries)
                futures = [pool.submit(mind, n) for n in range(10, 20)]
                error = futures[3].exception(support.CEILING_S)
                self.assertIsInstance(error, kith.WorkerDied)
                self.assertIsInstance(error, kith.UnavailableError)
                self.assertEqual((error.signal, error.attempts), (signal.SIGKILL, retries + 1))
                self.assertNotEqual(error.pid, os.getpid())
                del futures[3]
                self.assertEqual([future.result(support.CEILING_S) for future in futures],
                                 [10, 11, 12, 14, 15, 16, 17, 18, 19])

    def test_a_chunk_with_a_task_that_kills(self):
        """of a chunk only the task that kills fails"""
        results = self.pool(2).map(mind, range(40), chunksize=20)
        given = []
        while len(given) < 40:
            try:
                given.append(next(results))
            except kith.WorkerDied as error:
                given.append(error.attempts)
        self.assertEqual(given, [*range(13), 3, *range(14, 40)])
        copy = pickle.loads(pickle.dumps(kith.WorkerDied("gone", pid=1, signal=9, attempts=2)))
        self.assertEqual((str(copy), copy.pid, copy.signal, copy.attempts), ("gone", 1, 9, 2))

    def kill_some(self, pool, done):
        """Until that is so, some worker is killed now and then, by its number from the pool."""
        while not done.wait(0.05):
            workers = [pid for pid, state, _, _ in pool.workers() if state == "busy"]
            if workers:
                try:
                    os.kill(random.choice(workers), signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def test_chaos(self):
        """all results, in order, none twice, while workers are killed"""
        for _ in range(ROUNDS):
            pool = self.pool(3, retries=1000)
            done = threading.Event()
            killer = threading.Thread(target=self.kill_some, args=(pool, done))
            killer.start()
            try:
                self.assertEqual(list(pool.map(_work, range(TASKS))), list(range(TASKS)))
                self.assertEqual(list(pool.map(_work, range(TASKS), chunksize=1)),
                                 list(range(TASKS)))
                self.assertEqual(sorted(pool.imap_unordered(_work, range(TASKS))),
                                 list(range(TASKS)))
                futures = [pool.submit(_work, n) for n in range(TASKS)]
                self.assertEqual([future.result(10 * support.CEILING_S) for future in futures],
                                 list(range(TASKS)))
            finally:
                done.set()
                killer.join()
            pool.terminate()

    def test_nested(self):
        """tasks may have pools of their own"""
        self.assertEqual(list(self.pool(2).map(nested, [3, 4, 5])), [5, 14, 30])

    def test_late(self):
        """a late task's worker is killed if asked, and the others complete"""
        pool = self.pool(1, time_limit=0.2, kill_late=True)
        slow = pool.submit(nap, 10 * support.CEILING_S)
        quick = pool.submit(square, 3)
        self.assertIsInstance(slow.exception(support.CEILING_S), TimeoutError)
        self.assertEqual(quick.result(support.CEILING_S), 9)

    def test_parent(self):
        """a program that is killed leaves no worker"""
        code = ("import kith, os, sys, time\n"
                "def whose(_):\n    time.sleep(0.01); return os.getpid()\n"
                "pool = kith.Pool(2)\n"
                "print(*set(pool.map(whose, range(20), chunksize=1)), flush=True)\n"
                "pool.submit(time.sleep, 1000); time.sleep(1000)\n")
        for _ in range(5 if support.LONG else 1):
            child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
            pids = [int(pid) for pid in child.stdout.readline().split()]
            child.kill()
            child.wait()
            child.stdout.close()
            self.assertTrue(pids)
            for pid in pids:
                support.until(lambda: not os.path.exists(f"/proc/{pid}"))

    # ---- workers

    def test_workers(self):
        """as many workers as asked for, which are replaced after so many tasks"""
        pool = self.pool(2, tasks_per_worker=3)
        self.assertGreater(len(set(pool.map(whose, range(20), chunksize=1))), 3)
        gate = os.path.join(self.folder(), "gate")
        pool = self.pool(3)
        held = [pool.submit(wait_for, gate) for _ in range(3)]
        support.until(lambda: [state for _, state, _, _ in pool.workers()] == ["busy"] * 3)
        open(gate, "w").close()
        self.assertEqual({future.result(support.CEILING_S) for future in held},
                         {pid for pid, _, _, _ in pool.workers()})

    def test_initializer(self):
        """the initialiser runs first in each worker; one that fails ends the pool, with an error"""
        pool = self.pool(2, initializer=mark, initargs=("seen",))
        self.assertEqual(set(pool.map(see_mark, range(10), chunksize=1)), {"seen"})
        code = ("import kith\n"
                "def fail():\n    raise RuntimeError('this worker will not')\n"
                "pool = kith.Pool(1, initializer=fail)\n"
                "try:\n    pool.apply(abs, 1)\n"
                "except kith.UnavailableError as error:\n    print('unavailable')\n")
        status, output, errors = support.script(code)
        self.assertEqual((status, output), (0, "unavailable\n"))
        self.assertIn("this worker will not", errors)
        code = code.replace("raise RuntimeError('this worker will not')",
                            "import atexit, sys; atexit.register(print, 'left'); sys.exit(3)")
        self.assertEqual(support.script(code), (0, "unavailable\n", ""))

    def test_keeper(self):
        """the pool goes on when its keeper is killed"""
        pool = self.pool(2)
        self.assertEqual(pool.apply(square, 2), 4)
        worker = pool.apply(whose)
        with open(f"/proc/{worker}/stat") as file:
            keeper = int(file.read().rsplit(")", 1)[1].split()[1])
        os.kill(keeper, signal.SIGKILL)
        self.assertEqual(list(pool.map(square, range(50))), [n * n for n in range(50)])

    def test_spawn(self):
        """workers that are interpreters of their own"""
        pool = self.pool(2, start_method="spawn", initializer=mark, initargs=("spawned",))
        self.assertEqual(list(pool.map(square, range(20))), [n * n for n in range(20)])
        self.assertEqual(pool.submit(see_mark, None).result(support.CEILING_S), "spawned")
        self.assertIsInstance(pool.submit(mind, 13).exception(support.CEILING_S), kith.WorkerDied)

    def test_threads(self):
        """submitted by many threads at once"""
        pool = self.pool(2)
        found = {}

        def submit(n):
            found[n] = (sum(pool.map(square, range(n))), pool.submit(square, n).result(60))

        threads = [threading.Thread(target=submit, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(found, {n: (sum(i * i for i in range(n)), n * n) for n in range(8)})

    def test_one_iterator_of_two_threads(self):
        """two threads that take of one iterator are told so, as of a generator"""
        pool = self.pool(1)
        gate = os.path.join(self.folder(), "gate")
        results = pool.map(wait_for, [gate])
        thread = threading.Thread(target=lambda: list(results))
        thread.start()
        try:
            support.until(lambda: _raises(ValueError, next, results, None))
        finally:
            open(gate, "w").close()
            thread.join()

    def test_forked_child(self):
        """the end of a forked child is not the end of its parent's pool"""
        code = ("import kith, os, sys, time\n"
                "pool = kith.Pool(1)\n"
                "future = pool.submit(time.sleep, 0.2)\n"
                "time.sleep(0.05)\n"
                "pid = os.fork()\n"
                "if pid == 0:\n    sys.exit(0)\n"
                "os.waitpid(pid, 0)\n"
                "print(future.result(), pool.apply(abs, -3))\n"
                "pool.shutdown()\n")
        self.assertEqual(support.script(code), (0, "None 3\n", ""))

    def test_child_submits(self):
        """a forked child has its parent run tasks of its own, beside the parent's"""
        pool = self.pool(2)
        self.assertEqual(list(pool.map(square, range(5))), [0, 1, 4, 9, 16])
        waiting = pool.submit(nap, 0.05)  # the thread of the parent waits for it
        results = pool.map(nap, [0.05])
        thread = threading.Thread(target=list, args=(results,))
        thread.start()

        def child():
            self.assertEqual(pool.submit(add, 1, 2).result(support.CEILING_S), 3)
            self.assertEqual(list(pool.map(_double_of, range(5))), [0, 2, 4, 6, 8])
            self.assertRaises(kith.DeniedError, next, results)

        forked = support.Child(child)
        self.assertEqual(list(pool.map(refuse_never, range(5))), [1, 2, 3, 4, 5])
        self.assertEqual(forked.wait(), 0)
        self.assertEqual(waiting.result(support.CEILING_S), 0.05)
        thread.join()

    # ---- the end

    def test_shutdown(self):
        """shutdown() completes what was submitted, and takes no more"""
        pool = kith.Pool(2)
        futures = [pool.submit(square, n) for n in range(30)]
        pool.shutdown()
        self.assertEqual([future.result(0) for future in futures], [n * n for n in range(30)])
        self.assertRaises(RuntimeError, pool.submit, square, 1)
        self.assertRaises(RuntimeError, pool.map, square, [1])
        pool.shutdown()

    def test_cancel(self):
        """a future that was not begun is cancelled, and one that was is not"""
        pool = self.pool(1)
        gate = os.path.join(self.folder(), "gate")
        held = pool.submit(wait_for, gate)
        support.until(lambda: [state for _, state, _, _ in pool.workers()] == ["busy"])
        waiting = [pool.submit(square, n) for n in range(5)]
        self.assertTrue(waiting[0].cancel())
        self.assertTrue(waiting[0].cancelled())
        self.assertRaises(concurrent.futures.CancelledError, waiting[0].result)
        self.assertFalse(held.cancel())
        closer = threading.Thread(target=pool.shutdown, kwargs={"cancel_futures": True})
        closer.start()
        support.until(lambda: all(future.cancelled() for future in waiting))
        open(gate, "w").close()
        closer.join()
        self.assertIsInstance(held.result(0), int)

    def test_terminate(self):
        """terminate() ends tasks at once, and what waits for them"""
        pool = self.pool(1)
        future = pool.submit(nap, 1000)
        support.until(lambda: [state for _, state, _, _ in pool.workers()] == ["busy"])
        pool.terminate()
        self.assertIsInstance(future.exception(support.CEILING_S), kith.ClosedError)

    def test_dropped(self):
        """a pool that nobody has any more is gone, and so are its workers"""
        pool = kith.Pool(1)
        worker = pool.submit(whose).result(support.CEILING_S)
        del pool
        support.until(lambda: not os.path.exists(f"/proc/{worker}"))

    def test_interrupt(self):
        """Ctrl-C ends pool and workers, with one traceback"""
        code = ("import kith, time, os, sys\n"
                "def whose(_):\n    return os.getpid()\n"
                "with kith.Pool(2) as pool:\n"
                "    print(pool.apply(whose, 1), flush=True)\n"
                "    pool.apply(time.sleep, 1000)\n")
        child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, start_new_session=True, text=True)
        worker = int(child.stdout.readline())
        support.until(lambda: support.is_asleep(child.pid), "its sleep")
        os.killpg(child.pid, signal.SIGINT)
        _, errors = child.communicate(timeout=support.CEILING_S)
        self.assertEqual(errors.count("Traceback"), 1, errors)
        self.assertIn("KeyboardInterrupt", errors)
        support.until(lambda: not os.path.exists(f"/proc/{worker}"))

    def test_numpy(self):
        """arrays go to tasks and come back"""
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        arrays = [numpy.full(100000, n, dtype=float) for n in range(6)]
        pool = self.pool(2)
        self.assertEqual(list(pool.map(_sum, arrays)), [float(a.sum()) for a in arrays])
        doubled = list(pool.map(_double, arrays))
        self.assertTrue(all((d == 2 * a).all() for d, a in zip(doubled, arrays)))
        self.assertTrue(doubled[0].flags.writeable)

    def test_progress(self):
        """progress=True shows how far it is"""
        pool = self.pool(1)
        with contextlib.redirect_stderr(io.StringIO()) as shown:
            self.assertEqual(list(pool.map(square, range(5), progress=True)), [0, 1, 4, 9, 16])
        self.assertIn("5", shown.getvalue())


def _double_of(n):
    return 2 * n


def refuse_never(n):
    return n + 1


def _raises(error, function, *arguments):
    try:
        function(*arguments)
    except error:
        return True
    return False


def _same(value):
    return value


def _sum(array):
    return float(array.sum())


def _double(array):
    array *= 2
    return array


def _count(counts, _):
    return counts.add("n", 1)


def _fail_at_two(n):
    if n == 2:
        raise ValueError("two")
    return n


def _work(n):
    time.sleep(0.001)
    return n


if __name__ == "__main__":
    support.main()
