"""Memory that is shared with Python: views, buffers, numpy arrays, and how long they live."""

import gc
import os
import unittest
import weakref

import kith
import support

try:
    import numpy
except ImportError:
    numpy = None


class Views(support.Case):
    def test_item(self):
        """The view of an item stays as it was, whatever becomes of the item"""
        d = self.space.dict()
        for size in (10, 100000):
            d["a"] = b"x" * size
            view = d.view("a")
            d["a"] = b"y" * size
            del d["a"]
            self.assertEqual(bytes(view), b"x" * size)
            self.assertTrue(view.readonly)
            self.assertEqual(len(view), size)
            with self.assertRaises((TypeError, BufferError)):
                memoryview(view)[0] = 0
        with self.assertRaises(KeyError):
            d.view("a")

    def test_load(self):
        """load() gives the value of a view"""
        d = self.space.dict()
        for value in (1, None, "text", [1, (2, "x")], 2.5, 2 ** 70):
            d["a"] = value
            self.assertEqual(d.view("a").load(), value)

    def test_release(self):
        """A view is released once, and not while a buffer of it is in use"""
        d = self.space.dict()
        d["a"] = b"x" * 100000
        with d.view("a") as view:
            buffer = memoryview(view)
            with self.assertRaises(BufferError):
                view.release()
            buffer.release()
        view.release()
        for act in (lambda: memoryview(view), view.load, lambda: len(view), lambda: view.nbytes):
            with self.assertRaises(ValueError):
                act()
        self.assertIn("released", repr(view))

    def test_nested(self):
        """Views of one array or segment are released each by itself"""
        shared, segment = self.space.array(type="i", count=5), self.space.segment(size=20)
        for each in (shared, segment):
            with each.view() as outer:
                with each.view() as inner:
                    memoryview(inner).cast("B")[0] = 9
                self.assertIn("released", repr(inner))
                self.assertEqual(memoryview(outer).cast("B")[0], 9)
                buffer = memoryview(each)
            self.assertIn("released", repr(outer))
            self.assertEqual(buffer.cast("B")[0], 9)

    def test_array(self):
        """An array's memory is the array, in its shape, and writable"""
        shared = self.space.array(type="i", count=5)
        memory = memoryview(shared)
        self.assertEqual((memory.format, memory.shape, memory.itemsize, memory.readonly),
                         ("i", (5,), 4, False))
        memory[2] = 7
        self.assertEqual(shared[2], 7)
        shared[2] = 8
        self.assertEqual(memory[2], 8)

    def test_many_buffers(self):
        """A thousand buffers of one array take one view of it"""
        shared = self.space.array(type="i", count=5)
        segment = self.space.segment(size=100)
        buffers = [memoryview(each) for _ in range(1000) for each in (shared, segment)]
        buffers[0][1] = 5
        self.assertEqual(buffers[-2][1], 5)

    def test_segment(self):
        """A segment is memory, grows, and goes on after unlink"""
        segment = self.space.segment("raw", size=10)
        memory = memoryview(segment)
        memory[:3] = b"abc"
        self.assertEqual(bytes(segment.view())[:4], b"abc\0")
        segment.resize(1000000)
        self.assertEqual((len(segment), segment.size), (1000000, 1000000))
        self.assertEqual(bytes(memoryview(segment)[:3]), b"abc")
        kept = memoryview(segment)
        segment.unlink()
        with self.assertRaises(kith.GoneError):
            segment.unlink()
        self.assertEqual(bytes(kept[:3]), b"abc")
        with self.assertRaises(KeyError):
            self.space.segment("none")
        with self.assertRaises(ValueError):
            self.space.segment("empty", size=0)


class Lifetimes(unittest.TestCase):
    def test_after_all_is_gone(self):
        """A buffer outlives the handle, the object, the space and its last name"""
        space = kith.open("mem://")
        shared = space.array("a", type="i", count=100000)
        shared[5] = 42
        memory = memoryview(shared)
        del shared
        gc.collect()
        self.assertEqual(memory[5], 42)
        space.destroy("a")
        self.assertEqual(memory[5], 42)
        space.close()
        self.assertEqual(memory[5], 42)
        del space
        gc.collect()
        self.assertEqual(memory[5], 42)
        memory[6] = 43
        self.assertEqual(memory[6], 43)

    def test_space_is_left(self):
        """The space is really closed with the last buffer"""
        name = support.named(self)
        space = kith.open(name, temporary=True)
        memory = memoryview(space.segment(size=100))
        space.close()
        self.assertIn(name, [info.name for info in kith.spaces()])
        memory.release()
        gc.collect()
        self.assertNotIn(name, [info.name for info in kith.spaces()])

    def test_weak_references(self):
        """Handles, views and spaces take weak references, and end with their last strong one"""
        space = kith.open("mem://")
        things = {"space": space, "dict": space.dict(), "view": space.segment(size=1).view(),
                  "lock": space.lock(), "txn": space.txn(), "snapshot": space.dict().snapshot()}
        references = {name: weakref.ref(thing) for name, thing in things.items()}
        del space, things
        gc.collect()
        self.assertEqual({name: reference() for name, reference in references.items()},
                         dict.fromkeys(references))

    def test_fork(self):
        """A forked child has its parent's views, and each releases its own"""
        with kith.open("mem://") as space:
            memory = memoryview(space.array(type="i", count=10))

            def other():
                memory[1] = 5
                memory.release()
                gc.collect()
                os._exit(0)

            self.assertEqual(support.Child(other).wait(), 0)
            self.assertEqual(memory[1], 5)
            memory.release()
            self.assertEqual(space.check().violations, [])

    def test_exit(self):
        """A program may end with views, handles and buffers of everything, and says nothing"""
        status, output, messages = support.script("""if True:
            import kith, atexit
            space = kith.open("mem://")
            d, a = space.dict(), space.array(type="i", count=100000)
            d["a"] = b"x" * 100000
            views = [d.view("a"), memoryview(d.view("a")), memoryview(a), a.view(), space.lock()]
            lease = space.queue("q").put(1) or space.queue("q").lease()
            atexit.register(lambda: print(views[2][5], bytes(views[1][:1])))
            a[5] = 7
            space.close()
            """)
        self.assertEqual((status, output, messages), (0, "7 b'x'\n", ""))


@unittest.skipIf(numpy is None, "there is no numpy")
class Numpy(support.Case):
    options = {"serializer": "pickle"}

    def test_asarray(self):
        """numpy.asarray shares the memory of an array"""
        shared = self.space.array(type="d", count=1000)
        values = numpy.asarray(shared)
        self.assertEqual((values.dtype, values.shape), (numpy.float64, (1000,)))
        values[3] = 2.5
        self.assertEqual(shared[3], 2.5)
        self.assertTrue(numpy.shares_memory(values, numpy.asarray(shared)))
        shared.publish(numpy.arange(1000.0))
        self.assertEqual(values[3], 2.5)
        self.assertEqual(numpy.asarray(shared).sum(), 499500.0)
        self.space.close()
        self.assertEqual(values[3], 2.5)

    def test_dtypes(self):
        """Every type of array has its dtype"""
        for code in "bBhHiIlLqQfd?":
            values = numpy.asarray(self.space.array(type=code, count=3))
            self.assertEqual(values.dtype, numpy.dtype(code))
        text = numpy.asarray(self.space.array(type="c", count=3))
        self.assertEqual(text.dtype, numpy.dtype("S1"))
        self.assertEqual(numpy.asarray(self.space.array(size=12, count=3)).dtype.itemsize, 12)

    def test_items(self):
        """A numpy array in a dict or queue comes back as its own, or as a read-only view"""
        d, q = self.space.dict(), self.space.queue()
        for values in (numpy.arange(100000.0).reshape(100, 1000), numpy.arange(5),
                       numpy.asfortranarray(numpy.ones((300, 300)))):
            d["a"] = values
            q.put({"b": values, "c": 1})
            back = d["a"]
            self.assertTrue((back == values).all())
            back[0] = 5
            view = d.view("a")
            seen = view.load()
            self.assertTrue((seen == values).all())
            if values.nbytes > 5000:
                self.assertFalse(seen.flags.writeable)
                self.assertTrue(numpy.shares_memory(seen, numpy.frombuffer(view, "B")))
                self.assertTrue(seen.flags.aligned)
            del view, d["a"]
            gc.collect()
            self.assertTrue((seen == values).all())
            self.assertTrue((q.get_view().load()["b"] == values).all())

    def test_memoryview_item(self):
        """A memoryview goes in as bytes, without a pickle"""
        d = self.space.dict()
        values = numpy.arange(1000)
        d["a"] = memoryview(values)
        self.assertEqual(d["a"], values.tobytes())
        d["a"] = memoryview(values[::2])
        self.assertEqual(d["a"], values[::2].tobytes())


if __name__ == "__main__":
    support.main()
