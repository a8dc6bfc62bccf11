"""Spaces: opening, what is named in them, references, keeping, and errors."""

import gc
import io
import os
import pickle
import tempfile
import threading
import time
import unittest

import kith
import support

OPENERS = {"dict": {}, "list": {}, "set": {}, "namespace": {}, "queue": {}, "lock": {},
           "rwlock": {}, "semaphore": {}, "condition": {}, "event": {},
           "barrier": {"parties": 2}, "once": {}, "limiter": {"rate": 1}, "value": {},
           "array": {"count": 3}, "segment": {"size": 10}}


class Opening(unittest.TestCase):
    def test_addresses(self):
        """Names, files and mem:// are opened; a bad address is told of"""
        name = support.named(self)
        for address in (name, "shm://" + name):
            with kith.open(address) as space:
                space.dict("d").add("n")
        self.assertEqual(kith.open(name).dict("d")["n"], 2)
        self.assertIn(name, [info.name for info in kith.spaces()])
        with tempfile.TemporaryDirectory() as folder:
            with kith.open(f"file://{folder}/arena") as space:
                space.dict("d")[1] = 2
                self.assertEqual(space.stat().path, f"{folder}/arena")
            self.assertEqual(kith.open(f"file://{folder}/arena").dict("d")[1], 2)
        for address in ("a/b", "nonsense://x", ""):
            with self.assertRaises(ValueError):
                kith.open(address)
        with self.assertRaises(TypeError):
            kith.open(5)
        with self.assertRaises(kith.UnsupportedError):
            kith.open("tcp://127.0.0.1:1")

    def test_options(self):
        """create, exclusive, readonly and serializer are kept to"""
        name = support.named(self)
        with self.assertRaises(kith.NotFoundError):
            kith.open(name, create=False)
        space = kith.open(name, exclusive=True, mode=0o640)
        with self.assertRaises(FileExistsError):
            kith.open(name, exclusive=True)
        space.dict("d")["a"] = 1
        reader = kith.open(name, readonly=True)
        d = reader.dict("d")
        self.assertEqual((d["a"], reader.readonly), (1, True))
        with self.assertRaises(PermissionError):
            d["a"] = 2
        with self.assertRaises(ValueError):
            kith.open(name, serializer="json")
        self.assertEqual(kith.open(name, serializer="pickle").serializer, "pickle")
        self.assertIsNone(space.serializer)

    def test_environment(self):
        """KITH_URL is the default"""
        status, output, messages = support.script(
            "import kith; print(kith.open())", env=dict(os.environ, KITH_URL="mem://"))
        self.assertEqual((status, output, messages), (0, "<kith.Space 'mem://'>\n", ""))
        status, _, messages = support.script(
            "import kith; kith.open()", env={**os.environ, "KITH_URL": ""})
        self.assertEqual(status, 1)
        self.assertIn("KITH_URL", messages)

    def test_remove(self):
        """A space that is removed is gone for those who come"""
        name = support.named(self)
        kith.open(name)
        kith.remove(name)
        with self.assertRaises(KeyError):
            kith.remove(name)


class Objects(support.Case):
    def test_every_kind(self):
        """Every kind is opened, listed, found by name, pickled, renamed and destroyed"""
        for kind, options in OPENERS.items():
            with self.subTest(kind=kind):
                opener = getattr(self.space, kind)
                with self.assertRaises(kith.NotFoundError):
                    opener(kind, create=False)
                handle = opener(kind, exclusive=True, **options)
                with self.assertRaises(kith.ExistsError):
                    opener(kind, exclusive=True, **options)
                self.assertIs(type(opener(kind)), type(handle))
                self.assertIs(type(self.space[kind]), type(handle))
                self.assertIn(kind, self.space)
                self.assertIn(kind, [info.kind for info in self.space.objects()])
                found = pickle.loads(pickle.dumps(handle))
                self.assertIs(type(found), type(handle))
                if kind != "namespace":
                    self.assertEqual((found.name, found.kind), (kind, kind))
                    self.assertIs(found.space, self.space)
                self.assertIn(f"'{kind}' in mem://", repr(handle))
                other = "list" if kind != "list" else "dict"
                with self.assertRaises(TypeError):
                    getattr(self.space, other)(kind)
                self.space.rename(kind, kind + " 2")
                self.assertNotIn(kind, self.space)
                self.space.destroy(kind + " 2")
                with self.assertRaises(kith.NotFoundError):
                    self.space[kind + " 2"]
                with self.assertRaises((kith.NotFoundError, kith.GoneError)):
                    pickle.loads(pickle.dumps(found))
        self.assertEqual(self.space.objects(), [])

    def test_destroyed(self):
        """Handles of what was destroyed raise GoneError"""
        d, q, l = self.space.dict("d"), self.space.queue("q"), self.space.lock("l")
        for name in "dql":
            self.space.destroy(name)
        for act in (lambda: d["a"], lambda: d.__setitem__("a", 1), lambda: len(d), d.clear,
                    lambda: list(d), q.get_nowait, lambda: q.put(1), l.acquire):
            with self.assertRaises(kith.GoneError):
                act()
        with self.assertRaises(kith.NotFoundError):
            self.space.destroy("d")

    def test_destroyed_under_a_wait(self):
        """Who waits on what is destroyed gets GoneError"""
        q = self.space.queue("q")

        def wait():
            with self.assertRaises(kith.GoneError):
                q.get()

        child = support.Child(wait)
        child.until_asleep()
        self.space.destroy("q")
        self.assertEqual(child.wait(), 0)

    def test_names(self):
        """Names are str, without NULs and slashes; made ones differ"""
        for name in ("a/b", "", "x" * 300, "a\0b"):
            with self.assertRaises(ValueError):
                self.space.dict(name)
        with self.assertRaises(TypeError):
            self.space.dict(5)
        names = {self.space.dict().name for _ in range(10)}
        self.assertEqual((len(names), {name[0] for name in names}), (10, {"#"}))
        self.assertEqual(self.space.dict("größer").name, "größer")

    def test_names_of_others(self):
        """A name with a NUL in it is refused wherever one is given, and never cut"""
        lock, queue, d = self.space.lock("a"), self.space.queue("b"), self.space.dict("c")
        file = io.BytesIO()
        self.space.dump(file)
        for give in (lambda: self.space.condition(lock="a\0b"),
                     lambda: self.space.queue(dead_letter="b\0c", attempts_max=1),
                     lambda: self.space.dump(io.BytesIO(), "c\0d"),
                     lambda: self.space.load(io.BytesIO(file.getvalue()), "c\0d"),
                     lambda: self.space.load(io.BytesIO(file.getvalue()), "c", "e\0f"),
                     lambda: self.space.rename("c\0d", "e"),
                     lambda: self.space.rename("c", "e\0f"),
                     lambda: self.space.destroy("c\0d")):
            with self.assertRaisesRegex(ValueError, "has a NUL in it"):
                give()
        self.assertEqual([each.name for each in (lock, queue, d)],
                         sorted(info.name for info in self.space.objects()))

    def test_types_are_final(self):
        """Handles are made by a space alone"""
        for type_ in (kith.Dict, kith.Lock, kith.Space, kith.View, kith.Lease, kith.Counts):
            with self.assertRaises(TypeError):
                type_()


class References(support.Case):
    def test_nested(self):
        """A handle that is stored is a reference, and what it leads to is live"""
        outer = self.space.dict("outer")
        outer["inner"] = self.space.dict()
        outer["inner"]["a"] = 1
        outer["inner"].add("a", 1)
        self.assertEqual(outer["inner"].copy(), {"a": 2})
        for kind, options in OPENERS.items():
            handle = getattr(self.space, kind)(**options)
            outer[kind] = handle
            self.assertIs(type(outer[kind]), type(handle))
        l = self.space.list("l")
        l.append(outer)
        self.assertEqual(l[0]["inner"]["a"], 2)

    def test_kept(self):
        """What nothing leads to is ended, a circle by gc(), and nothing else is"""
        self.space.gc()  # what tests before this one may have left
        outer = self.space.dict("outer")
        outer["kept"] = self.space.list()
        outer["kept"].append(1)
        lost = self.space.list()
        outer["lost"] = lost
        name = lost.name
        self.assertIn(name, self.space)
        del outer["lost"], lost
        gc.collect()
        self.assertNotIn(name, self.space)
        circle = self.space.dict()
        circle["itself"] = circle
        name = circle.name
        del circle
        gc.collect()
        self.assertIn(name, self.space)
        self.assertEqual(self.space.gc().removed, 1)
        self.assertNotIn(name, self.space)
        self.assertEqual(outer["kept"][:], [1])

    def test_leads_nowhere(self):
        """A reference to what was destroyed is a NotFoundError"""
        outer = self.space.dict("outer")
        outer["inner"] = self.space.dict("inner")
        self.space.destroy("inner")
        with self.assertRaises(KeyError):
            outer["inner"]

    def test_other_space(self):
        """A handle of another space is refused; of another opening of the same one it is not"""
        with kith.open("mem://") as other:
            with self.assertRaises(ValueError):
                self.space.dict("d")["x"] = other.dict("d")
        name = support.named(self)
        a, b = kith.open(name), kith.open(name)
        a.dict("d")["x"] = b.list("l")
        self.assertEqual(a.dict("d")["x"].name, "l")


class Closing(unittest.TestCase):
    def test_closed(self):
        """After close() all is refused, and closing twice is fine"""
        space = kith.open("mem://")
        handles = [getattr(space, kind)(**options) for kind, options in OPENERS.items()]
        txn = space.txn()
        space.queue("q").put(1)
        lease = space.queue("q").lease()
        space.close()
        space.close()
        self.assertTrue(space.closed)
        d = handles[0]
        for act in (lambda: space.dict("d"), space.objects, space.check, space.txn,
                    lambda: d["a"], lambda: len(d), lambda: list(d), lambda: d.counts["a"],
                    lambda: space["a"], lease.ack, txn.commit, space.__enter__,
                    handles[5].acquire, handles[4].get, handles[13].get):
            with self.assertRaises(kith.ClosedError):
                act()
        self.assertIn("closed", repr(d))
        txn.discard()

    def test_closed_under_a_wait(self):
        """A space closed under a wait lets the wait go on"""
        name = support.named(self)
        space = kith.open(name)
        queue = space.queue("q")
        got = []
        thread = threading.Thread(target=lambda: got.append(queue.get()))
        thread.start()
        support.until(lambda: support.is_asleep(os.getpid(), thread.native_id))
        space.close()
        kith.open(name).queue("q").put(5)
        thread.join(support.CEILING_S)
        self.assertEqual(got, [5])
        with self.assertRaises(kith.ClosedError):
            queue.get()

    def test_gives_back(self):
        """close() gives back what this process held"""
        name = support.named(self)
        space, other = kith.open(name), kith.open(name)
        space.queue("q").put("a")
        child = support.Child(self.hold, name)
        self.assertEqual(child.wait(), 0)
        self.assertEqual(other.queue("q").get(timeout=support.CEILING_S), "a")
        self.assertTrue(other.lock("l").acquire(timeout=support.CEILING_S))

    @staticmethod
    def hold(name):
        """Ends with a lock and a lease, in a bare os._exit()."""
        space = kith.open(name)
        space.lock("l").acquire()
        lease = space.queue("q").lease()
        assert lease.item == "a"
        space.close()


class Keeping(support.Case):
    def test_seeing(self):
        """objects(), stat() and check() tell what there is"""
        before = time.time()
        self.space.dict("d").update({1: 1, 2: 2})
        self.space.queue("q").put(1)
        first, second = self.space.objects()
        self.assertEqual((first.name, first.kind, first.items), ("d", "dict", 2))
        self.assertEqual((second.name, second.kind, second.items), ("q", "queue", 1))
        self.assertGreater(first.created, before - 5)
        stat = self.space.stat()
        self.assertEqual((stat.objects, stat.processes), (2, 1))
        report = self.space.check()
        self.assertEqual((report.violations, report.objects), ([], 2))
        self.assertEqual(self.space.repair().violations, [])

    def test_dump(self):
        """A dump is loaded into another space, whole or in part"""
        self.space.dict("d").update({"a": [1, "x"], 2: None})
        self.space.list("l").extend([1, 2])
        file = io.BytesIO()
        report = self.space.dump(file)
        self.assertEqual((report.objects, report.bytes), (2, len(file.getvalue())))
        with kith.open("mem://") as other:
            file.seek(0)
            other.load(file)
            self.assertEqual(other.dict("d"), {"a": [1, "x"], 2: None})
            file.seek(0)
            with self.assertRaises(kith.ExistsError):
                other.load(file)
            file.seek(0)
            other.load(file, only="l", rename="copy")
            self.assertEqual(other.list("copy"), [1, 2])
            for data in (b"", b"nonsense", file.getvalue()[:-1]):
                with self.assertRaises(kith.CorruptError):
                    other.load(io.BytesIO(data), only="l", rename="x")

    def test_dump_fails(self):
        """What a file raises comes out, and nothing was loaded"""
        class Broken:
            def write(self, data):
                raise ZeroDivisionError

            def read(self, size):
                raise ZeroDivisionError

        self.space.dict("d")
        for act in (lambda: self.space.dump(Broken()), lambda: self.space.load(Broken())):
            with self.assertRaises(ZeroDivisionError):
                act()

    def test_full(self):
        """A space that is full is a MemoryError, and goes on"""
        name = support.named(self)
        with kith.open(name, size=8 << 20) as space:
            d = space.dict("d")
            with self.assertRaises(MemoryError):
                for i in range(1000):
                    d[i] = b"x" * 100000
            with self.assertRaises((MemoryError, ValueError)):
                d["big"] = b"x" * (64 << 20)
            count = len(d)
            d.clear()
            d["a"] = 1
            self.assertGreater(count, 10)
            self.assertEqual(space.check().violations, [])


class Errors(unittest.TestCase):
    def test_tree(self):
        """Each error is a kith.Error and the standard one"""
        for name, standard in {
                "InvalidError": ValueError, "NotFoundError": KeyError,
                "ExistsError": FileExistsError, "KindError": TypeError,
                "OutOfMemoryError": MemoryError, "TimeoutError": TimeoutError,
                "RangeError": OverflowError, "PositionError": IndexError,
                "DeadlockError": RuntimeError, "DeniedError": PermissionError,
                "NotOwnerError": RuntimeError, "GoneError": ReferenceError,
                "UnsupportedError": NotImplementedError, "SystemError": OSError,
                "UnavailableError": OSError, "TooBigError": ValueError,
                "ClosedError": ValueError}.items():
            self.assertTrue(issubclass(getattr(kith, name), kith.Error), name)
            self.assertTrue(issubclass(getattr(kith, name), standard), name)
        for name in kith.__all__:
            self.assertTrue(hasattr(kith, name), name)
            self.assertIn(name, dir(kith))
        with self.assertRaises(AttributeError):
            kith.nothing

    def test_sentences(self):
        """An error says what failed, on which object"""
        with kith.open("mem://") as space:
            space.dict("hits")["a"] = "text"
            with self.assertRaisesRegex(TypeError, "hits"):
                space.dict("hits").add("a", 1)
            with self.assertRaisesRegex(TypeError, "hits"):
                space.queue("hits")


if __name__ == "__main__":
    support.main()
