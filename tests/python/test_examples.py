"""What the standard documentation shows of multiprocessing, by both: only the import differs.

Each program runs twice, once with the standard's module and once with ours, and has to print the
same.  The programs are ours; what they show is what the documentation shows: synchronisation,
shared state, managers, proxies.
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support

SYNCHRONISATION = '''
from multiprocessing import Process, Lock

def greet(lock, number):
    lock.acquire()
    try:
        print("greetings from", number, flush=True)
    finally:
        lock.release()

if __name__ == "__main__":
    lock = Lock()
    for number in range(10):
        Process(target=greet, args=(lock, number)).start()
'''

SHARED_MEMORY = '''
from multiprocessing import Process, Value, Array

def change(number, numbers):
    number.value = 2.718281
    for at in range(len(numbers)):
        numbers[at] = -numbers[at]

if __name__ == "__main__":
    number, numbers = Value("d", 0.0), Array("i", range(10))
    process = Process(target=change, args=(number, numbers))
    process.start()
    process.join()
    print(number.value)
    print(numbers[:])
'''

SERVER = '''
from multiprocessing import Process, Manager

def change(shared, numbers):
    shared[1] = "1"
    shared["2"] = 2
    shared[0.25] = None
    numbers.reverse()

if __name__ == "__main__":
    with Manager() as manager:
        shared, numbers = manager.dict(), manager.list(range(10))
        process = Process(target=change, args=(shared, numbers))
        process.start()
        process.join()
        print(shared)
        print(numbers)
'''

CONTEXT = '''
import multiprocessing

def put(queue):
    queue.put("salve")

if __name__ == "__main__":
    for method in ("spawn", "forkserver", "fork"):
        context = multiprocessing.get_context(method)
        queue = context.Queue()
        process = context.Process(target=put, args=(queue,))
        process.start()
        print(method, queue.get())
        process.join()
'''

EXCHANGE = '''
from multiprocessing import Process, Queue, Pipe

def put(queue):
    queue.put([42, None, "salve"])

def send(connection):
    connection.send([42, None, "salve"])
    connection.close()

if __name__ == "__main__":
    queue = Queue()
    process = Process(target=put, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
    ours, theirs = Pipe()
    process = Process(target=send, args=(theirs,))
    process.start()
    print(ours.recv())
    process.join()
'''

SHARED_CTYPES = '''
from ctypes import Structure, c_double, c_char
from multiprocessing import Process, Lock
from multiprocessing.sharedctypes import Value, Array

class Place(Structure):
    _fields_ = [("x", c_double), ("y", c_double)]

def change(number, wide, text, places):
    number.value **= 2
    wide.value **= 2
    text.value = text.value.upper()
    for place in places:
        place.x **= 2
        place.y **= 2

if __name__ == "__main__":
    lock = Lock()
    number = Value("i", 7)
    wide = Value(c_double, 1.0 / 3.0, lock=False)
    text = Array("c", b"greetings", lock=lock)
    places = Array(Place, [(1.875, -6.25), (-5.75, 2.0), (2.375, 9.5)], lock=lock)
    process = Process(target=change, args=(number, wide, text, places))
    process.start()
    process.join()
    print(number.value, wide.value, text.value, [(place.x, place.y) for place in places])
    with number.get_lock():
        number.value += 1
    print(number.value, wide, type(text.get_obj()).__name__, text.get_lock() is lock)
'''

NAMESPACE = '''
import multiprocessing

if __name__ == "__main__":
    manager = multiprocessing.Manager()
    settings = manager.Namespace()
    settings.level = 10
    settings.name = "salve"
    settings._own = 12.3
    print(settings)
    print(settings._own)
'''

CUSTOM = '''
from multiprocessing.managers import BaseManager, SyncManager

class Sums:
    def plus(self, a, b):
        return a + b

    def times(self, a, b):
        return a * b

class OwnManager(BaseManager):
    pass

class OwnSyncManager(SyncManager):
    pass

OwnManager.register("Sums", Sums)
OwnSyncManager.register("Sums", Sums)

if __name__ == "__main__":
    for kind in (OwnManager, OwnSyncManager):
        with kind() as manager:
            sums = manager.Sums()
            print(sums.plus(4, 3), sums.times(7, 8))
    with OwnSyncManager() as manager:
        numbers = manager.list([1])
        numbers.append(manager.Sums().plus(1, 1))
        print(numbers, manager.dict(a=1))
'''

REMOTE = '''
from multiprocessing import Process
from multiprocessing.managers import BaseManager
from queue import Queue

queue = Queue()

class Server(BaseManager):
    pass

class Client(BaseManager):
    pass

Server.register("get_queue", callable=lambda: queue)
Client.register("get_queue")

def put(address):
    client = Client(address=address, authkey=b"between us")
    client.connect()
    client.get_queue().put("salve")

if __name__ == "__main__":
    server = Server(address=("127.0.0.1", 0), authkey=b"between us")
    server.start()
    process = Process(target=put, args=(server.address,))
    process.start()
    client = Client(address=server.address, authkey=b"between us")
    client.connect()
    print(client.get_queue().get())
    process.join()
    server.shutdown()
'''

REMOTE_SYNC = '''
from multiprocessing.managers import SyncManager

class Server(SyncManager):
    pass

shared = {"k": 1}
Server.register("get_shared", callable=lambda: shared)

if __name__ == "__main__":
    server = Server(address=("127.0.0.1", 0), authkey=b"between us")
    server.start()
    client = Server(address=server.address, authkey=b"between us")
    client.connect()
    found = client.get_shared()
    found.update({"more": 2})
    print(found, client.list([1, 2]), sorted(client.dict(a=1).keys()))
    server.shutdown()
'''

PROXIES = '''
from multiprocessing import Manager

if __name__ == "__main__":
    manager = Manager()
    squares = manager.list([n * n for n in range(10)])
    print(squares)
    print(repr(squares))
    print(squares[4], squares[2:5], len(squares), 81 in squares)
    print(manager.list([1, 2, 3]) == [1, 2, 3], manager.list([1, 2, 3])[:] == [1, 2, 3])
    print(squares._callmethod("__len__"), squares._callmethod("__getitem__", (slice(2, 7),)))
    try:
        squares._callmethod("__getitem__", (20,))
    except IndexError:
        print("IndexError")
    print(squares._getvalue(), type(squares._getvalue()).__name__)
    print(repr(manager.dict()), repr(manager.Namespace()), repr(manager.Value("i", 3)),
          repr(manager.Array("i", [1])), sep="\\n")
    print(manager.Value("i", 3), manager.Array("i", [1, 2]), manager.Queue().empty())
    print(hash(squares) == hash(squares), {squares: 1}[squares])
'''

NESTED = '''
from multiprocessing import Manager

if __name__ == "__main__":
    manager = Manager()
    outer, inner = manager.list(), manager.list()
    outer.append(inner)
    print(outer, inner)
    inner.append("salve")
    print(outer[0], inner)
    dicts = manager.list([manager.dict() for _ in range(2)])
    first = dicts[0]
    first["a"] = 1
    first["b"] = 2
    dicts[1]["c"] = 3
    dicts[1]["z"] = 26
    print(dicts[0], dicts[1], sep="\\n")
    plain = manager.list()
    plain.append({})
    copy = plain[0]
    copy["a"] = 1
    print(plain)
    plain[0] = copy
    print(plain)
    book = manager.dict()
    book["rows"] = manager.dict(x=manager.list([1]))
    book["rows"]["x"].append(2)
    print(book["rows"]["x"], "rows" in book, book.get("other"), book.setdefault("n", 5))
'''

NEW_TYPES = '''
import operator
from multiprocessing.managers import BaseManager, BaseProxy

class Thing:
    def one(self):
        print("one was called", flush=True)

    def two(self):
        print("two was called", flush=True)

    def _three(self):
        print("_three was called", flush=True)

def squares():
    for n in range(5):
        yield n * n

class GeneratorProxy(BaseProxy):
    _exposed_ = ["__next__"]

    def __iter__(self):
        return self

    def __next__(self):
        return self._callmethod("__next__")

class OwnManager(BaseManager):
    pass

OwnManager.register("Thing", Thing)
OwnManager.register("Other", Thing, exposed=("two", "_three"))
OwnManager.register("squares", squares, proxytype=GeneratorProxy)
OwnManager.register("operator", lambda: operator)

if __name__ == "__main__":
    manager = OwnManager()
    manager.start()
    thing = manager.Thing()
    thing.one()
    thing.two()
    print(hasattr(thing, "_three"), sorted(thing._exposed_))
    thing = manager.Other()
    thing.two()
    thing._three()
    print(hasattr(thing, "one"), sorted(thing._exposed_))
    print(*manager.squares())
    op = manager.operator()
    print(op.add(23, 45), op.pow(2, 10), type(op._exposed_).__name__)
    manager.shutdown()
'''

WORKERS = '''
from multiprocessing import Process, Queue, JoinableQueue, current_process, freeze_support

def work(tasks, results):
    for function, args in iter(tasks.get, "STOP"):
        results.put(function(*args))

def times(a, b):
    return a * b

def plus(a, b):
    return a + b

def work_joinable(tasks, results):
    while True:
        task = tasks.get()
        results.put(task + 1)
        tasks.task_done()

if __name__ == "__main__":
    freeze_support()
    tasks, results = Queue(), Queue()
    for n in range(20):
        tasks.put((times, (n, 7)))
    workers = [Process(target=work, args=(tasks, results)) for _ in range(4)]
    for worker in workers:
        worker.start()
    print(sorted(results.get() for _ in range(20)))
    for n in range(10):
        tasks.put((plus, (n, 8)))
    print(sorted(results.get() for _ in range(10)))
    for _ in workers:
        tasks.put("STOP")
    for worker in workers:
        worker.join()
    tasks = JoinableQueue()
    worker = Process(target=work_joinable, args=(tasks, results), daemon=True)
    worker.start()
    for n in range(5):
        tasks.put(n)
    tasks.join()
    print(sorted(results.get() for _ in range(5)))
'''

POOL = '''
from multiprocessing import Pool, TimeoutError, Lock, Value, Manager
import time

def start(value):
    global counter
    counter = value

def square(n):
    with counter.get_lock():
        counter.value += 1
    return n * n

def add(shared, n):
    shared[n] = n * n

if __name__ == "__main__":
    value = Value("i", 0)
    with Pool(processes=4, initializer=start, initargs=(value,)) as pool:
        print(pool.map(square, range(10)))
        print(sorted(pool.imap_unordered(square, range(10))))
        print(pool.apply_async(square, (20,)).get(timeout=60))
        try:
            pool.apply_async(time.sleep, (100,)).get(timeout=0.1)
        except TimeoutError:
            print("TimeoutError")
        print(value.value)
    with Manager() as manager:
        shared = manager.dict()
        with manager.Pool(2) as pool:
            print(pool.map(abs, [-1, -2]))
        with Pool(2) as pool:
            pool.starmap(add, [(shared, n) for n in range(4)])
        print(dict(sorted(shared.items())))
'''

CONDITIONS = '''
from multiprocessing import Process, Condition, Event, Barrier, Semaphore, BoundedSemaphore, RLock
from multiprocessing import Value, SimpleQueue

def wait(condition, ready, barrier, told):
    with condition:
        told.put("waiting")
        condition.wait_for(lambda: ready.value)
    barrier.wait()
    told.put("through")

if __name__ == "__main__":
    condition, ready, barrier, told = Condition(), Value("b", 0), Barrier(3), SimpleQueue()
    processes = [Process(target=wait, args=(condition, ready, barrier, told)) for _ in range(2)]
    for process in processes:
        process.start()
    print(told.get(), told.get())
    with condition:
        ready.value = 1
        condition.notify_all()
    print(barrier.parties, barrier.wait(60) in (0, 1, 2))
    print(told.get(), told.get())
    for process in processes:
        process.join()
    event = Event()
    print(event.is_set(), event.wait(0.01), event.set(), event.wait(), event.clear())
    semaphore = BoundedSemaphore(2)
    with semaphore, semaphore:
        print(semaphore.acquire(block=False), semaphore.acquire(timeout=0.01))
    try:
        semaphore.release()
    except ValueError:
        print("ValueError")
    lock = RLock()
    print(lock.acquire(), lock.acquire(), lock)
    lock.release()
    lock.release()
    try:
        lock.release()
    except AssertionError:
        print("AssertionError")
'''

BLOCKS = '''
from multiprocessing import Process, shared_memory
from multiprocessing.managers import SharedMemoryManager

def change(name):
    block = shared_memory.SharedMemory(name=name)
    block.buf[:5] = b"salve"
    block.close()

def double(numbers, start, stop):
    for at in range(start, stop):
        numbers[at] *= 2

if __name__ == "__main__":
    block = shared_memory.SharedMemory(create=True, size=16)
    process = Process(target=change, args=(block.name,))
    process.start()
    process.join()
    print(bytes(block.buf[:5]))
    block.close()
    block.unlink()
    with SharedMemoryManager() as manager:
        numbers = manager.ShareableList(range(8))
        halves = [Process(target=double, args=(numbers, at, at + 4)) for at in (0, 4)]
        for half in halves:
            half.start()
        for half in halves:
            half.join()
        print(list(numbers), numbers.count(2), numbers.index(6), numbers.format)
    mixed = shared_memory.ShareableList(["salve", b"bytes", -273.154, 100, None, True, 42])
    other = shared_memory.ShareableList(name=mixed.shm.name)
    other[0] = "vale"
    print(list(mixed), [type(item).__name__ for item in mixed])
    other.shm.close()
    mixed.shm.close()
    mixed.shm.unlink()
'''

NUMBERS = re.compile(r"0x[0-9a-f]{6,}")


def run(text, package, folder):
    path = os.path.join(folder, "program.py")
    with open(path, "w", encoding="utf-8") as file:
        file.write(re.sub(r"^(from|import) multiprocessing", rf"\1 {package}", text, flags=re.M)
                   .replace("import kith.multiprocessing\n",
                            "import kith.multiprocessing as multiprocessing\n"))
    done = subprocess.run([sys.executable, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=support.CEILING_S, universal_newlines=True)
    return done.returncode, NUMBERS.sub("0x", done.stdout), done.stderr


class Examples(unittest.TestCase):
    """One test for each program."""

    unordered = ("SYNCHRONISATION",)


def make_test(name, text):
    def test(self):
        with tempfile.TemporaryDirectory() as folder:
            standard = run(text, "multiprocessing", folder)
            ours = run(text, "kith.multiprocessing", folder)
        self.assertEqual(standard[0], 0, standard[2])
        self.assertNotEqual(standard[1], "")
        if name in self.unordered:
            standard, ours = [(status, sorted(output.splitlines()), errors)
                              for status, output, errors in (standard, ours)]
        self.assertEqual(ours, standard)

    test.__doc__ = f"The same program prints the same: {name.lower().replace('_', ' ')}"
    return test


for _name, _text in list(globals().items()):
    if _name.isupper() and isinstance(_text, str):
        setattr(Examples, "test_" + _name.lower(), make_test(_name, _text))

if __name__ == "__main__":
    support.main()
