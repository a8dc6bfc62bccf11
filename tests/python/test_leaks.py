"""Nothing is left behind by a million operations, and valgrind finds nothing in any of them."""

import collections
import gc
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

OPERATIONS = 1000000 if support.LONG else 20000
WARM_UP = 100  # rounds, each of 200 operations and more
SUPPRESSIONS = "/usr/lib/valgrind/python3.supp"
# How far what stands in an arena may vary: memory that a thread keeps for its next object.
SLACK = 1 << 16


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
        """Python's own memory stays what it was"""
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
        for _ in range(2 if not support.LONG else 50):
            for i in range(50):
                everything.go(i)
        gc.collect()
        # Free lists and the like grow a little longer; one object a round would show with --long.
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 1 << 16)


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


if __name__ == "__main__":
    support.main()
