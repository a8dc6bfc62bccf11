"""Start methods, pools, threads, fork in threaded programs, and orderly ends."""

import concurrent.futures
import multiprocessing
import multiprocessing.util
import os
import pickle
import threading
import unittest

import kith
import support


def work(d, q, lock, event):
    event.wait()
    for _ in range(50):
        with lock:
            d["n"] = d["n"] + 1
    q.put(os.getpid())


def count(d, n):
    d.add("n", n)
    return n


def hold(lock, semaphore):
    lock.acquire()
    semaphore.acquire()


def nested(space):
    return space.dict("d").get("a")


class StartMethods(unittest.TestCase):
    def start(self, method, address):
        context = multiprocessing.get_context(method)
        with kith.open(address) as space:
            d, q, lock, event = (space.dict("d"), space.queue("q"), space.lock("l"),
                                 space.event("e"))
            d["n"] = 0
            processes = [context.Process(target=work, args=(d, q, lock, event)) for _ in range(2)]
            for process in processes:
                process.start()
            event.set()
            for process in processes:
                process.join(support.CEILING_S)
            self.assertEqual([process.exitcode for process in processes], [0, 0])
            self.assertEqual(d["n"], 100)
            self.assertEqual(set(q.get_many(5)), {process.pid for process in processes})
            self.assertEqual(space.check().violations, [])

    def test_fork(self):
        """Handles work in forked processes, of named spaces and of mem://"""
        self.start("fork", "mem://")
        self.start("fork", support.named(self))

    def test_spawn(self):
        """Handles pickle to spawned processes, of named spaces and of mem://"""
        self.start("spawn", support.named(self))
        self.start("spawn", "mem://")

    def test_forkserver(self):
        """Handles pickle to processes of the forkserver, of named spaces and of mem://"""
        self.start("forkserver", support.named(self))
        self.start("forkserver", "mem://")
        from multiprocessing import forkserver
        forkserver._forkserver._stop()
        from multiprocessing import resource_tracker
        resource_tracker._resource_tracker._stop()

    def test_executor(self):
        """Handles pickle to the workers of concurrent.futures"""
        name = support.named(self)
        context = multiprocessing.get_context("fork")
        with kith.open(name) as space:
            d = space.dict("d")
            with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
                self.assertEqual(list(pool.map(count, [d] * 20, range(20))), list(range(20)))
            self.assertEqual(d["n"], 190)

    def test_pool_of_mem(self):
        """Handles of mem:// pickle to forked workers, which have the space"""
        with kith.open("mem://") as space:
            d = space.dict("d")
            with multiprocessing.get_context("fork").Pool(2) as pool:
                self.assertEqual(pool.starmap(count, [(d, n) for n in range(20)]),
                                 list(range(20)))
                self.assertIsNone(pool.apply(nested, (space,)))
                pool.close()
                pool.join()
            self.assertEqual(d["n"], 190)

    def test_no_key_in_a_pickle(self):
        """A pickle carries the address and the name, and one of mem:// is good here alone"""
        name = support.named(self)
        with kith.open(name) as space:
            d = space.dict("hits")
            d["secret"] = "contents"
            data = pickle.dumps(d)
            self.assertIn(name.encode(), data)
            self.assertNotIn(b"contents", data)
            self.assertIs(pickle.loads(data).space, space)
        again = pickle.loads(data)
        self.assertEqual(again["secret"], "contents")
        with kith.open("mem://") as space:
            data = pickle.dumps(space.dict("d"))
            status, _, messages = support.script(
                "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))", data.hex())
            self.assertEqual(status, 1)
            self.assertIn("mem://", messages)


class Threads(support.Case):
    def test_threads(self):
        """Handles work from threads, which come and go"""
        d, lock = self.space.dict(), self.space.lock()

        def run():
            for i in range(50):
                with lock:
                    d.add("n", 1)
                d[threading.get_ident(), i] = [i] * 10

        for _ in range(5):
            threads = [threading.Thread(target=run) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(d["n"], 2000)
        self.check()

    def test_fork_in_a_threaded_program(self):
        """A child forked in the middle of other threads' operations goes on"""
        d, stop = self.space.dict(), threading.Event()

        def busy(number):
            while not stop.is_set():
                d.add(number, 1)
                d["list"] = [number] * 100

        threads = [threading.Thread(target=busy, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()

        def child(n):
            for _ in range(20):
                d.add("children", 1)
            assert len(d["list"]) == 100

        try:
            support.until(lambda: "list" in d)
            for n in range(30 if not support.LONG else 1000):
                self.assertEqual(support.Child(child, n).wait(), 0)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertEqual(d["children"], 600 if not support.LONG else 20000)
        self.check()

    def test_lock_of_the_parent(self):
        """A lock that the parent holds stays the parent's in a forked child"""
        lock = self.space.lock()
        lock.acquire()

        def other():
            with self.assertRaises(kith.NotOwnerError):
                lock.release()
            self.assertFalse(lock.acquire(False))

        self.assertEqual(support.Child(other).wait(), 0)
        lock.release()


class Ends(unittest.TestCase):
    """A child of multiprocessing ends by os._exit(), and leaves in order all the same."""

    def end(self, method):
        name = support.named(self)
        context = multiprocessing.get_context(method)
        with kith.open(name) as space:
            lock = space.lock("l", unowned=True)
            semaphore = space.semaphore("s", value=1, unowned=True)
            process = context.Process(target=hold, args=(lock, semaphore))
            process.start()
            process.join(support.CEILING_S)
            self.assertEqual(process.exitcode, 0)
            # Had it been killed, these would have come back.
            self.assertFalse(lock.acquire(timeout=0.3))
            self.assertFalse(semaphore.acquire(timeout=0.3))
            self.assertEqual(space.stat().processes, 1)

    def test_fork(self):
        """A forked child that ends in order keeps what is unowned"""
        self.end("fork")

    def test_spawn(self):
        """So does a spawned one"""
        self.end("spawn")

    def test_fork_beside_a_wait(self):
        """So does one that was forked while another thread waited"""
        with kith.open(support.named(self)) as space:
            q, lock = space.queue("q"), space.lock("l", unowned=True)
            thread = threading.Thread(target=q.get)
            thread.start()
            support.until(lambda: support.is_asleep(os.getpid(), thread.native_id))
            process = multiprocessing.get_context("fork").Process(target=lock.acquire)
            process.start()
            process.join(support.CEILING_S)
            self.assertEqual(process.exitcode, 0)
            self.assertFalse(lock.acquire(timeout=0.3))
            q.put(1)
            thread.join()

    def test_program(self):
        """A program that ends in order gives its locks back without the news of a death"""
        name = support.named(self)
        with kith.open(name) as space:
            status, output, messages = support.script(
                f"import kith; s = kith.open({name!r}); l = s.lock('u', unowned=True); "
                "l.acquire(); s.lock('o').acquire()")
            self.assertEqual((status, output, messages), (0, "", ""))
            self.assertTrue(space.lock("o").acquire(timeout=support.CEILING_S))
            self.assertFalse(space.lock("u").acquire(False))


if __name__ == "__main__":
    support.main()
