"""Importing is cheap, nothing is printed, no thread is started, and memory does not grow."""

import gc
import os
import resource
import sys
import unittest

import kith
import support


class Import(unittest.TestCase):
    def test_light(self):
        """Importing brings in no module that takes long, and starts no thread"""
        status, output, messages = support.script("""if True:
            import sys
            before = set(sys.modules)
            import kith, os
            print(sorted(n for n in set(sys.modules) - before if not n.startswith("encodings")))
            print(len(os.listdir("/proc/self/task")))
            """)
        self.assertEqual((status, messages), (0, ""))
        modules, threads = output.splitlines()
        self.assertEqual(modules, "['kith', 'kith._core']")
        self.assertEqual(threads, "1")

    def test_reading_loads_no_pickle(self):
        """Without a serializer the module pickle is never imported"""
        status, output, messages = support.script("""if True:
            import sys, kith
            space = kith.open("mem://")
            d = space.dict()
            d["a"] = [1, (2, {"b": None})]
            d["f"] = kith.Foreign("python/pickle", b"cos\\nsystem\\n(S'echo ran'\\ntR.")
            print(d["a"], d["f"].tag, "pickle" in sys.modules)
            """)
        self.assertEqual((status, output, messages),
                         (0, "[1, (2, {'b': None})] python/pickle False\n", ""))

    def test_quiet(self):
        """A program that uses everything says nothing at its end, however it ends"""
        text = """if True:
            import kith, os, sys, asyncio
            space = kith.open("mem://", serializer="pickle")
            d, q, l = space.dict(), space.queue(), space.list()
            d["x"] = object
            d.update(a=1, b=[2])
            list(d.items())
            d.counts["n"] += 1
            q.put(object)
            lease = q.lease()
            l.extend(range(10)); l.sort(key=lambda x: -x)
            txn = space.txn()
            txn.set(d, 1, 2)
            asyncio.run(q.aput(1))
            try:
                q.get(timeout=0); q.get(timeout=0)
            except kith.Empty:
                pass
            """
        for end in ("", "sys.exit(0)", "space.close()", "del space, d, q, l, lease, txn",
                    "os._exit(0)"):
            status, output, messages = support.script(text + "\n            " + end)
            self.assertEqual((status, output, messages), (0, "", ""), end)

    def test_subinterpreter_free(self):
        """The package is found whole where it was put, with its types' module"""
        self.assertEqual(kith.Dict.__module__, "kith")
        self.assertEqual(kith.Dict.__qualname__, "Dict")
        self.assertTrue(kith.__version__[0].isdigit())


class Memory(support.Case):
    def test_no_leaks(self):
        """A hundred thousand operations of every object leave memory where it was"""
        space = self.space
        d, l, s, q = space.dict(), space.list(), space.set(), space.queue()
        v, a, lock = space.value(), space.array(count=10), space.lock()
        n = space.namespace()
        seg = space.segment(size=100000)

        def work(times):
            for i in range(times):
                key = i % 50
                d[key] = [key, (key, "text" * 10)]
                d[key], d.get(key), d.get_many([1, 2, 999]), key in d, len(d)
                d[str(key) * 50] = 2 ** 80
                d.counts["c"] += 1
                d.swap(key, {"a": {1, 2}})
                d.pop(key, None)
                try:
                    d["nothing"]
                except KeyError:
                    pass
                try:
                    d["object"] = object()
                except TypeError:
                    pass
                l.append(key)
                l[-1], l[:3], l.pop()
                s.add(key)
                key in s, s & {1}
                q.put(("item", key))
                with q.lease():
                    pass
                v.add(1), v.value
                a[3] = key
                a[3], memoryview(a)[3], memoryview(seg)[5]
                with lock:
                    pass
                n.attribute = key
                n.attribute
                with space.txn() as txn:
                    txn.add(d, "t", 1)
                d.snapshot()[key] if key in d else None
                kith.Foreign("a", b"b")
                d.modify("m", lambda x: x + 1, 0)
                space.dict("again")
                if i % 50 == 0:
                    list(d.items()), d.copy(), list(l), space.objects(), space.stat()

        def resident():
            gc.collect()
            with open("/proc/self/statm", encoding="ascii") as file:
                fields = file.read().split()
            return (int(fields[1]) - int(fields[2])) * resource.getpagesize()

        work(500)
        before = resident()
        work(20000 if support.LONG else 2000)
        self.assertLess(resident() - before, 1 << 20)

    def test_references(self):
        """Objects that were stored are not kept"""
        d = self.space.dict()
        value = ["text" * 10, b"bytes" * 10, 2 ** 70, 1.5]
        before = [sys.getrefcount(part) for part in value]
        for _ in range(100):
            d["a"] = value
            d["a"]
            d[value[0]] = value[2]
            value[0] in d
            d.insert(value[0], value)
            d.cas(value[0], value[2], value[3])
        self.assertEqual([sys.getrefcount(part) for part in value], before)

    def test_spaces_leave_no_descriptors(self):
        """Spaces that are opened and closed leave no descriptors"""
        def descriptors():
            return len(os.listdir("/proc/self/fd"))

        name = support.named(self)
        kith.open(name).close()
        before = descriptors()
        for _ in range(50):
            with kith.open(name) as space:
                space.queue("q").fileno()
            with kith.open("mem://") as space:
                memoryview(space.array(count=5))
        gc.collect()
        self.assertEqual(descriptors(), before)


if __name__ == "__main__":
    support.main()
