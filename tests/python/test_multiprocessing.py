"""kith.multiprocessing: its names, what it has more than the standard, and what it leaves behind.

That it is as the standard's is tested by test_cpython.py and test_examples.py.
"""

import concurrent.futures.process
import copy
import glob
import importlib
import multiprocessing as standard
import multiprocessing.managers
import os
import pickle
import queue
import signal
import socket
import tempfile
import threading
import unittest

import kith
import kith.multiprocessing as multiprocessing
import support
from kith.multiprocessing import _space

fork = multiprocessing.get_context("fork")


def run(test, method, target, *args):
    """A child that has to end well."""
    process = multiprocessing.get_context(method).Process(target=target, args=args)
    process.start()
    process.join(support.CEILING_S)
    test.assertEqual(process.exitcode, 0)


class Names(unittest.TestCase):
    def test_names(self):
        """Every public name of the standard module is there"""
        self.assertEqual(set(standard.__all__) - set(multiprocessing.__all__), set())
        for name in multiprocessing.__all__:
            getattr(multiprocessing, name)

    def test_modules(self):
        """So are its modules, and what these tell of themselves"""
        folder = os.path.dirname(standard.__file__)
        for path in sorted(glob.glob(os.path.join(folder, "*.py"))):
            name = os.path.basename(path)[:-3]
            if name in ("__init__", "popen_spawn_win32"):
                continue
            module = importlib.import_module("kith.multiprocessing." + name)
            self.assertIs(getattr(multiprocessing, name), module)
            for public in importlib.import_module("multiprocessing." + name).__all__:
                self.assertTrue(hasattr(module, public), f"{name}.{public}")
            for public in module.__all__:
                self.assertTrue(hasattr(module, public), f"{name}.{public}")

    def test_ours(self):
        """What is shared is ours, in each context"""
        for method in (None, "fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            for made in (context.Lock(), context.RLock(), context.Semaphore(),
                         context.BoundedSemaphore(), context.Condition(), context.Event(),
                         context.Barrier(1), context.Queue(), context.JoinableQueue(),
                         context.SimpleQueue(), context.Value("i"), context.Array("i", 1)):
                self.assertTrue(type(made).__module__.startswith("kith."), type(made))
        with self.assertRaisesRegex(ValueError, "cannot find context"):
            multiprocessing.get_context("none")

    def test_start_method(self):
        """The start method is that of the standard module"""
        before = standard.get_start_method()
        try:
            multiprocessing.set_start_method("spawn", force=True)
            self.assertEqual(standard.get_start_method(), "spawn")
            self.assertEqual(multiprocessing.get_context().get_start_method(), "spawn")
        finally:
            standard.set_start_method(before, force=True)


def use_all(lock, values, items):
    with lock:
        values.value += 1
    items.put(values.value)


def drop(lock, ready, go, items):
    """Goes on with a lock that its parent has dropped."""
    ready.set()
    go.wait()
    with lock:
        items.put("still there")


class Handles(unittest.TestCase):
    def test_start_methods(self):
        """Objects go to children of each start method"""
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            lock, value, items = context.Lock(), context.Value("i", 41), context.Queue()
            run(self, method, use_all, lock, value, items)
            self.assertEqual(items.get(timeout=support.CEILING_S), 42)

    def test_dropped_by_parent(self):
        """A child goes on with what its parent has dropped"""
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            ready, go, items = context.Event(), context.Event(), context.Queue()
            process = context.Process(target=drop, args=(context.Lock(), ready, go, items))
            process.start()
            ready.wait()
            go.set()
            self.assertEqual(items.get(timeout=support.CEILING_S), "still there")
            process.join()

    def test_ends_with_its_last_user(self):
        """An object ends with the last handle on it"""
        space = _space.space()
        locks = [fork.Lock() for _ in range(50)]
        before = space.stat().objects
        child = support.Child(signal.pause)
        child.kill()
        child.wait()
        del locks
        self.assertEqual(space.check().violations, [])
        self.assertEqual(space.stat().objects, before - 50)

    def test_reducers(self):
        """Connections and sockets go through a queue"""
        items = fork.Queue()
        ours, theirs = fork.Pipe()
        left, right = socket.socketpair()
        items.put(theirs)
        items.put(right)
        run(self, "fork", send_through, items)
        self.assertEqual(ours.recv(), "by the connection")
        self.assertEqual(left.recv(100), b"by the socket")
        for end in (ours, theirs, left, right):
            end.close()

    def test_arrays(self):
        """Arrays that come out of a queue are apart, may be written, and outlive the queue"""
        try:
            import numpy
        except ImportError:
            self.skipTest("numpy is not installed")
        items = fork.Queue()
        for size in (10, 8192, 1 << 17, 1 << 21):
            items.put(numpy.full(size, size))
            items.put(numpy.full(size, -size))
            first, second = items.get(), items.get()
            first += 1
            items.put((first, {"more": second}))
            third, fourth = items.get()
            third[:] = 0
            self.assertTrue((first == size + 1).all())
            self.assertTrue((second == -size).all())
            self.assertTrue((fourth["more"] == -size).all())
        del items
        self.assertTrue((second == -size).all())

    def test_pickled_elsewhere(self):
        """An object pickles at any time, not only to a child"""
        event = fork.Event()
        other = pickle.loads(pickle.dumps(event))
        event.set()
        self.assertTrue(other.is_set())
        self.assertTrue(copy.copy(event).is_set())


def send_through(items):
    connection, end = items.get(), items.get()
    with connection, end:
        connection.send("by the connection")
        end.sendall(b"by the socket")


def square(number):
    return number * number


def die(_):
    os.kill(os.getpid(), signal.SIGKILL)


class Executors(unittest.TestCase):
    def test_executor(self):
        """An executor of concurrent.futures takes our contexts"""
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            with concurrent.futures.ProcessPoolExecutor(2, mp_context=context) as executor:
                self.assertEqual(list(executor.map(square, range(50))),
                                 [n * n for n in range(50)])

    def test_killed_worker(self):
        """It is told that a worker was killed"""
        with concurrent.futures.ProcessPoolExecutor(2, mp_context=fork) as executor:
            with self.assertRaises(concurrent.futures.process.BrokenProcessPool):
                executor.submit(die, 1).result(support.CEILING_S)

    def test_pool(self):
        """A pool shares what its initialiser was given"""
        for method in ("fork", "spawn"):
            context = multiprocessing.get_context(method)
            value = context.Value("q", 0)
            with context.Pool(2, set_shared, (value,)) as pool:
                pool.map(add_shared, range(100))
            self.assertEqual(value.value, 100)
        with multiprocessing.pool.Pool(2, context=fork) as pool:
            self.assertEqual(pool.map(square, range(9)), [n * n for n in range(9)])


def set_shared(value):
    global shared_value
    shared_value = value


def add_shared(_):
    with shared_value.get_lock():
        shared_value.value += 1


class Own:
    """A class that a program registers."""

    def __init__(self, start):
        self.number = start

    def more(self):
        self.number += 1
        return self.number


class OwnManager(multiprocessing.managers.SyncManager):
    pass


OwnManager.register("Own", Own)


class Managers(unittest.TestCase):
    def test_no_server(self):
        """A manager has no process until a class of the program needs one"""
        with multiprocessing.Manager() as manager:
            shared = manager.dict(a=manager.list([1]))
            shared["a"].append(2)
            self.assertEqual(shared["a"][:], [1, 2])
            self.assertEqual(standard.active_children(), [])
        with OwnManager() as manager:
            own, numbers = manager.Own(1), manager.list()
            self.assertEqual(len(standard.active_children()), 1)
            numbers.append(own.more())
            self.assertEqual(numbers[:], [2])
        self.assertEqual(standard.active_children(), [])

    def test_server(self):
        """With an address or a key there is a real server, for any client"""
        server = OwnManager(authkey=b"k")
        server.start()
        client = OwnManager(address=server.address, authkey=b"k")
        client.connect()
        self.assertEqual(client.Own(5).more(), 6)
        self.assertEqual(client.list([1])[:], [1])
        server.shutdown()

    def test_ends(self):
        """What a manager made ends with it"""
        manager = multiprocessing.Manager()
        address = manager._space.address
        numbers = manager.list([1])
        manager.shutdown()
        with self.assertRaises(kith.Error):
            numbers.append(2)
        with self.assertRaises(kith.NotFoundError):
            kith.open(address, create=False)
        with self.assertRaises(AssertionError):
            manager.dict()

    def test_atomic(self):
        """The native operations are there, too"""
        with multiprocessing.Manager() as manager:
            shared = manager.dict()
            run(self, "fork", add_often, shared)
            add_often(shared)
            self.assertEqual(shared["n"], 2000)

    def test_user_types(self):
        """Values of a manager are of any type, and Array is of numbers"""
        with multiprocessing.Manager() as manager:
            value = manager.Value("i", 1)
            value.value = {"any": [1, 2.5, None]}
            self.assertEqual(value.get(), {"any": [1, 2.5, None]})
            numbers = manager.Array("d", [1, 2])
            numbers[1] = 5.5
            self.assertEqual(list(numbers), [1, 5.5])
            shared = manager.dict(value=value, numbers=numbers, lock=manager.RLock())
            self.assertEqual(shared["value"].value["any"][1], 2.5)
            self.assertEqual(shared["numbers"][:].tolist(), [1, 5.5])
            with shared["lock"], shared["lock"]:
                pass


def add_often(shared):
    for _ in range(1000):
        shared.add("n", 1)


def take_and_die(*taken):
    for each in taken:
        each.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


def get_and_die(items, told):
    items.get()
    told.set()
    items.get()


class StandardHangs(unittest.TestCase):
    """Where the standard's waits for ever after a death."""

    def kill(self, target, *args):
        process = fork.Process(target=target, args=args)
        process.start()
        process.join(support.CEILING_S)
        self.assertEqual(process.exitcode, -signal.SIGKILL)

    def test_locks(self):
        """What a killed process had taken comes back"""
        with multiprocessing.Manager() as manager:
            for made in (fork.Lock(), fork.RLock(), fork.Semaphore(1), fork.BoundedSemaphore(1),
                         fork.Condition(), fork.Value("i").get_lock(), manager.Lock(),
                         manager.RLock(), manager.Condition(), manager.Semaphore(1)):
                self.kill(take_and_die, made)
                with self.subTest(made):
                    self.assertTrue(made.acquire(timeout=support.CEILING_S)
                                    if hasattr(made, "notify") is False else made.acquire())
                    made.release()

    def test_waiting_for_the_dead(self):
        """Who waits for a lock gets it when its holder is killed"""
        lock, value = fork.Lock(), fork.Value("i", 0)
        raw = value.get_obj()
        holder = support.Child(lambda: (lock.acquire(), raw.__init__(1), signal.pause()))
        support.until(lambda: value.value == 1)
        waiter = support.Child(lambda: lock.acquire() or os._exit(1))
        waiter.until_asleep()
        holder.kill()
        holder.wait()
        self.assertEqual(waiter.wait(), 0)

    def test_queue(self):
        """A queue goes on when one who waited in get() is killed"""
        items, told = fork.Queue(), fork.Event()
        process = fork.Process(target=get_and_die, args=(items, told))
        process.start()
        items.put(1)
        told.wait()
        process.kill()
        process.join()
        items.put(2)
        self.assertEqual(items.get(timeout=support.CEILING_S), 2)
        self.assertTrue(items.empty())

    def test_event(self):
        """Those who wait for an event are woken though one of them was killed"""
        event = fork.Event()
        waiters = [support.Child(event.wait) for _ in range(3)]
        for waiter in waiters:
            waiter.until_asleep()
        waiters[0].kill()
        waiters[0].wait()
        event.set()
        self.assertEqual([waiter.wait() for waiter in waiters[1:]], [0, 0])

    def test_condition(self):
        """notify() passes over one who was killed while it waited"""
        condition = fork.Condition()

        def wait():
            with condition:
                condition.wait()

        waiters = [support.Child(wait) for _ in range(2)]
        for waiter in waiters:
            waiter.until_asleep()
        waiters[0].kill()
        waiters[0].wait()
        with condition:
            condition.notify_all()
        self.assertEqual(waiters[1].wait(), 0)

    def test_barrier(self):
        """A barrier breaks for the rest when one of its parties is killed"""
        barrier = fork.Barrier(3)

        def wait():
            try:
                barrier.wait()
            except threading.BrokenBarrierError:
                return
            os._exit(1)

        waiters = [support.Child(wait) for _ in range(2)]
        for waiter in waiters:
            waiter.until_asleep()
        waiters[0].kill()
        waiters[0].wait()
        self.assertEqual(waiters[1].wait(), 0)
        self.assertTrue(barrier.broken)

    def test_orderly_end(self):
        """What was taken by a process that ends in order stays taken, as the standard's does"""
        lock, semaphore = fork.Lock(), fork.Semaphore(1)
        run(self, "fork", lambda: (lock.acquire(), semaphore.acquire()))
        self.assertFalse(lock.acquire(False))
        self.assertFalse(semaphore.acquire(False))
        lock.release()
        semaphore.release()

    def test_put_is_done(self):
        """What was put is there, though its process is killed right after"""
        items = fork.Queue()

        def put():
            for n in range(500):
                items.put((n, "x" * n))
            os.kill(os.getpid(), signal.SIGKILL)

        self.kill(put)
        self.assertEqual([items.get_nowait()[0] for _ in range(500)], list(range(500)))
        with self.assertRaises(queue.Empty):
            items.get_nowait()


class Blocks(unittest.TestCase):
    def test_with_the_standard(self):
        """Blocks and lists in them are those of the standard"""
        from kith.multiprocessing import shared_memory as ours
        from multiprocessing import shared_memory as theirs

        made = ours.ShareableList([1, 2.5, "three", None, True, b"six"])
        found = theirs.ShareableList(name=made.shm.name)
        self.assertEqual(list(found), list(made))
        found[0], found[2] = 100, "3"
        made[1] = None
        self.assertEqual(list(found), [100, None, "3", None, True, b"six"])
        self.assertEqual(list(made), list(found))
        self.assertEqual(found.format, made.format)
        found.shm.close()  # the standard's takes it for its own, in the tracker that both use
        made.shm.close()
        made.shm.unlink()

    def test_broken_lists(self):
        """A list whose block was overwritten is refused or raises, and never reads outside"""
        from kith.multiprocessing import shared_memory

        made = shared_memory.ShareableList([1, 2.5, "three"])
        for at in range(0, made.shm.size):
            for byte in (0, 1, 0x7f, 0xff):
                before = made.shm.buf[at]
                made.shm.buf[at] = byte
                try:
                    list(shared_memory.ShareableList(name=made.shm.name))
                    list(made)
                except (ValueError, UnicodeDecodeError):
                    pass
                made.shm.buf[at] = before
        self.assertEqual(list(made), [1, 2.5, "three"])
        made.shm.close()
        made.shm.unlink()

    def test_views(self):
        """A view of a block outlives its close()"""
        from kith.multiprocessing import shared_memory

        block = shared_memory.SharedMemory(create=True, size=8)
        view = block.buf[:4]
        block.close()
        block.unlink()
        view[:] = b"here"
        self.assertEqual(bytes(view), b"here")


def _blocks():
    return {name for name in os.listdir("/dev/shm") if name.startswith("psm_")}


class BlockManagers(unittest.TestCase):
    def test_no_server(self):
        """A SharedMemoryManager has no process, and its blocks end with it"""
        with multiprocessing.managers.SharedMemoryManager() as manager:
            self.assertEqual(standard.active_children(), [])
            numbers, block = manager.ShareableList(range(5)), manager.SharedMemory(size=100)
            names = {numbers.shm.name, block.name}
            self.assertLessEqual(names, _blocks())
            manager.SharedMemory(50).unlink()
        self.assertFalse(names & _blocks())
        self.assertEqual(list(numbers), [0, 1, 2, 3, 4])  # who has it open keeps the memory
        with self.assertRaises(ValueError):
            manager.SharedMemory(10)
        with self.assertRaises(ValueError):
            multiprocessing.managers.SharedMemoryManager().ShareableList([1])
        with multiprocessing.managers.SharedMemoryManager() as manager:
            with self.assertRaises(ValueError):
                manager.SharedMemory(0)

    def test_of_children(self):
        """What forked children make, one of whom is killed, ends with the manager, too"""
        with multiprocessing.managers.SharedMemoryManager() as manager:
            names = fork.Queue()

            def make(killed):
                names.put(manager.SharedMemory(10).name)
                if killed:
                    os.kill(os.getpid(), signal.SIGKILL)

            children = [fork.Process(target=make, args=(killed,)) for killed in (False, True)]
            for child in children:
                child.start()
            for child in children:
                child.join(support.CEILING_S)
            found = {names.get(), names.get()}
            self.assertLessEqual(found, _blocks())
        self.assertFalse(found & _blocks())

    def test_with_a_server(self):
        """One that is given an authkey has the standard's server, and so has a registered type"""
        class Own(multiprocessing.managers.SharedMemoryManager):
            pass

        Own.register("dict", dict, multiprocessing.managers.DictProxy)
        with Own() as own, multiprocessing.managers.SharedMemoryManager(authkey=b"a") as served:
            self.assertEqual(len(standard.active_children()), 1)
            names = {own.SharedMemory(10).name, served.SharedMemory(10).name,
                     served.ShareableList("abc").shm.name}
            self.assertEqual(own.dict(a=1).copy(), {"a": 1})
            self.assertLessEqual(names, _blocks())
        self.assertFalse(names & _blocks())

    def test_killed(self):
        """Of a program that is killed no block stays"""
        _, out, _ = support.script("""if True:
            import os, signal
            from kith.multiprocessing.managers import SharedMemoryManager
            manager = SharedMemoryManager()
            manager.start()
            print(manager.SharedMemory(10).name, manager.ShareableList("abc").shm.name, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        """)
        names = set(out.split())
        self.assertEqual(len(names), 2)
        support.until(lambda: not names & _blocks(), "the end of the blocks")


CHILDREN = 10000 if support.LONG else 200


def live_and_die(number, lock, total, items):
    own = fork.Lock()
    with own, lock:
        total.value += 1
    items.put(number)
    if number % 3 == 0:
        os.kill(os.getpid(), signal.SIGKILL)


class Leaks(unittest.TestCase):
    def children(self, numbers, *args):
        running = []
        for number in numbers:
            method = {18: "spawn", 19: "forkserver"}.get(number % 20, "fork")
            process = multiprocessing.get_context(method).Process(target=live_and_die,
                                                                  args=(number, *args))
            process.start()
            running.append(process)
            if len(running) == 4:
                running.pop(0).join()
        for process in running:
            process.join()

    def some_children(self, first, lock, total, items):
        numbers = range(first, first + 40)
        self.children(numbers, lock, total, items)
        self.assertEqual(sorted(items.get() for _ in numbers), list(numbers))

    def test_children(self):
        """Many children, a third of them killed, leave nothing behind"""
        lock, total, items = fork.Lock(), fork.Value("q", 0), fork.Queue()
        space = _space.space()
        self.some_children(0, lock, total, items)
        space.gc()
        files = set(os.listdir(os.environ["KITH_DIR"]))
        before, used = space.stat(), space.check().bytes_used
        for first in range(0, CHILDREN, 40):
            self.some_children(first, lock, total, items)
        self.assertEqual(total.value, 40 + CHILDREN)
        space.gc()
        after = space.stat()
        self.assertEqual(space.check().violations, [])
        self.assertEqual(after.objects, before.objects)
        self.assertLessEqual(space.check().bytes_used, used + 32768)
        self.assertEqual(set(os.listdir(os.environ["KITH_DIR"])) - files, set())
        self.assertEqual(after.processes, 1)

    def test_programs(self):
        """A program leaves no file, whether it ends or is killed with its children"""
        folder = os.environ["KITH_DIR"]
        _space.space()
        before = set(os.listdir(folder))
        text = """
import os, signal, sys
import kith.multiprocessing as multiprocessing

def child(lock):
    with lock:
        pass

if __name__ == "__main__":
    lock, items = multiprocessing.Lock(), multiprocessing.Queue()
    manager = multiprocessing.Manager()
    shared = manager.dict(a=1)
    process = multiprocessing.Process(target=child, args=(lock,))
    process.start()
    process.join()
    if sys.argv[1] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
"""
        status, output, messages = support.script(text, "end")
        self.assertEqual((status, output, messages), (0, "", ""))
        self.assertEqual(set(os.listdir(folder)) - before, set())
        status, _, messages = support.script(text, "kill")
        self.assertEqual((status, messages), (-signal.SIGKILL, ""))
        self.assertEqual(len(set(os.listdir(folder)) - before), 2)
        status, output, messages = support.script(text, "end")
        self.assertEqual((status, output, messages), (0, "", ""))
        self.assertEqual(set(os.listdir(folder)) - before, set())


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kith-python.") as own:
        os.environ["KITH_DIR"] = own  # where nobody else leaves files
        support.main()
