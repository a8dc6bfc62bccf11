"""Nothing is left behind: of a million operations, of memory under valgrind, of 10,000 children."""

import collections
import gc
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
import tracemalloc
import unittest

import kith
import support
from everything import Everything
from kith.multiprocessing import _space

OPERATIONS = 1000000 if support.LONG else 30000
WARM_UP = 100  # rounds, each of 200 operations and more
CHILDREN = 10000 if support.LONG else 200
AT_ONCE = 8
SUPPRESSIONS = "/usr/lib/valgrind/python3.supp"
# How far what stands in an arena may vary: memory that a thread keeps for its next object.
SLACK = 1 << 16
CHILDREN_SLACK = 1 << 18  # as many children as run at once keep some: 64 KiB for many of them


def resident():
    """Bytes of this process that are in memory and no shared file's."""
    with open("/proc/self/statm", encoding="ascii") as file:
        fields = file.read().split()
    return (int(fields[1]) - int(fields[2])) * resource.getpagesize()


def counted():
    """Objects of each type that the garbage collector knows, and references to what always is."""
    gc.collect()
    found = collections.Counter(f"{type(each).__module__}.{type(each).__qualname__}"
                                for each in gc.get_objects())
    for each in (None, True, False, (), -5, "", b"", kith.DELETE, *vars(kith).values()):
        if not isinstance(each, dict):  # the modules' own, which everybody looks at
            found[f"references to {each!r:.60}"] = sys.getrefcount(each)
    return found


def arenas(*spaces):
    """(objects, bytes) of each."""
    told = [space.stat() for space in spaces]
    return [(stat.objects, stat.bytes_used) for stat in told]


class Operations(support.Case):
    def test_flat(self):
        """Many operations on every object leave memory, references and the arena as they were"""
        everything = Everything(self.space)
        for i in range(WARM_UP):
            everything.go(i)
        spaces = self.space, _space.space()
        gc.collect()
        before, space_before, resident_before = counted(), arenas(*spaces), resident()
        start = everything.done
        while everything.done < start + OPERATIONS:
            for i in range(50):
                everything.go(i)
        after, space_after, resident_after = counted(), arenas(*spaces), resident()
        # A few of each come and go with caches and with what this test itself holds.
        grown = {name: after[name] - before[name] for name in after
                 if after[name] - before[name] > 20}
        self.assertEqual(grown, {})
        self.assertLess(resident_after - resident_before, 1 << 20)
        for (objects_before, bytes_before), (objects, bytes_) in zip(space_before, space_after):
            self.assertEqual(objects, objects_before)
            self.assertLess(bytes_ - bytes_before, SLACK)
        self.check()

    def test_traced(self):
        """Python's own memory is what it was, to the block"""
        everything = Everything(self.space)
        for i in range(WARM_UP):
            everything.go(i)
        gc.collect()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for i in range(50):
            everything.go(i)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2 if not support.LONG else 20):
            for i in range(50):
                everything.go(i)
        gc.collect()
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 1 << 15)


class Valgrind(unittest.TestCase):
    @unittest.skipUnless(support.LONG, "only with --long")
    @unittest.skipUnless(shutil.which("valgrind") and os.path.exists(SUPPRESSIONS),
                         "valgrind is not installed, with Python's suppressions")
    @unittest.skipUnless(sys.executable.startswith("/usr/bin/"), "the suppressions are Debian's")
    def test_memcheck(self):
        """Valgrind finds no error and no definite leak in every object's operations"""
        folder = os.path.dirname(os.path.abspath(__file__))
        done = subprocess.run(
            ["valgrind", "-q", "--error-exitcode=9", f"--suppressions={SUPPRESSIONS}",
             "--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
             "--num-callers=30", sys.executable, os.path.join(folder, "everything.py"), "50"],
            env=dict(os.environ, PYTHONMALLOC="malloc"), timeout=20 * support.CEILING_S,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertIn("operations", done.stdout)


def child(d, q, lock, value, number):
    with lock:
        d[number % 7] = [number] * (number % 50)
    d.add("children", 1)
    q.put(number)
    value.add(1)
    d.space.list().append(d)
    with d.space.txn() as txn:
        txn.add(d, "transactions", 1)


class Children(unittest.TestCase):
    def run_children(self, method, count):
        name = support.named(self)
        context = multiprocessing.get_context(method)
        with kith.open(name) as space:
            d, q, lock = space.dict("d"), space.queue("q"), space.lock("l")
            value = space.value("v")

            def some(numbers):
                processes = [context.Process(target=child, args=(d, q, lock, value, number))
                             for number in numbers]
                for process in processes:
                    process.start()
                for process in processes:
                    process.join(support.CEILING_S)
                self.assertEqual([process.exitcode for process in processes], [0] * len(processes))
                for process in processes:
                    process.close()
                self.assertEqual(sorted(q.get_many(len(numbers))), list(numbers))

            some(range(56))
            space.gc()
            before, open_before = space.stat(), len(os.listdir("/proc/self/fd"))
            files = set(os.listdir("/dev/shm"))
            for start in range(56, 56 + count, AT_ONCE):
                some(range(start, start + AT_ONCE))
            space.gc()
            after = space.stat()
            self.assertEqual(d["children"], 56 + count)
            self.assertEqual((d["transactions"], value.value), (56 + count, 56 + count))
            self.assertEqual((after.objects, after.processes, after.threads),
                             (before.objects, 1, 1))
            self.assertLess(after.bytes_used - before.bytes_used, CHILDREN_SLACK)
            self.assertEqual(len(os.listdir("/proc/self/fd")), open_before)
            self.assertEqual([file for file in set(os.listdir("/dev/shm")) - files
                              if name in file], [])
            self.assertEqual(space.check().violations, [])

    def test_fork(self):
        """Forked children leave no actor, no object, no byte and no descriptor"""
        self.run_children("fork", CHILDREN)

    def test_spawn(self):
        """So do spawned ones"""
        self.run_children("spawn", CHILDREN if support.LONG else AT_ONCE)


if __name__ == "__main__":
    support.main()
