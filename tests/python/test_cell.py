"""kith.Value and kith.Array against ctypes' types and array.array."""

import array
import collections.abc
import random
import threading

import kith
import support

RANGES = {"b": (-2**7, 2**7 - 1), "B": (0, 2**8 - 1), "h": (-2**15, 2**15 - 1),
          "H": (0, 2**16 - 1), "i": (-2**31, 2**31 - 1), "I": (0, 2**32 - 1),
          "l": (-2**63, 2**63 - 1), "L": (0, 2**64 - 1), "q": (-2**63, 2**63 - 1),
          "Q": (0, 2**64 - 1)}


class Values(support.Case):
    def test_ints(self):
        """Every type of int holds its range, and no more"""
        for code, (least, most) in RANGES.items():
            with self.subTest(code=code):
                value = self.space.value(type=code)
                self.assertEqual((value.value, value.type), (0, code))
                for n in (least, most):
                    value.value = n
                    self.assertEqual(value.get(), n)
                for n in (least - 1, most + 1, 10 ** 40):
                    with self.assertRaises(OverflowError):
                        value.set(n)
                with self.assertRaises(OverflowError):
                    value.add(1)
                self.assertEqual(value.value, most)
                self.assertEqual(value.sub(1), most - 1)
                self.assertEqual(value.exchange(5), most - 1)
                self.assertEqual(value.add(), 6)
                self.assertEqual(value.min(4), 4)
                self.assertEqual(value.max(9), 9)
                self.assertEqual(value.and_(8), 8)
                self.assertEqual(value.or_(1), 9)
                self.assertEqual(value.xor(3), 10)
                self.assertFalse(value.cas(9, 1))
                self.assertTrue(value.cas(10, 1))
                for wrong in (1.5, "1", None):
                    with self.assertRaises(TypeError):
                        value.set(wrong)

    def test_floats(self):
        """Floats are floats of their width"""
        single, double = self.space.value(type="f"), self.space.value(type="d", initial=1.5)
        single.value = 0.1
        self.assertNotEqual(single.value, 0.1)
        self.assertAlmostEqual(single.value, 0.1, 6)
        self.assertEqual(double.add(0.25), 1.75)
        self.assertEqual(double.sub(1), 0.75)
        self.assertEqual(double.max(2), 2.0)
        self.assertEqual(double.min(float("nan")), 2.0)
        with self.assertRaises(TypeError):
            double.and_(1)
        with self.assertRaises(TypeError):
            double.value = "x"

    def test_others(self):
        """Bools, characters and structures come back as they were"""
        flag = self.space.value(type="?")
        flag.value = 5
        self.assertIs(flag.value, True)
        byte, point = self.space.value(type="c"), self.space.value(type="u", initial="ä")
        byte.value = b"x"
        self.assertEqual((byte.value, point.value), (b"x", "ä"))
        for wrong in (b"", b"xy", "x", 1):
            with self.assertRaises(TypeError):
                byte.value = wrong
        with self.assertRaises(TypeError):
            point.value = "ab"
        structure = self.space.value(size=100, initial=b"a" * 100)
        self.assertEqual((structure.exchange(b"b" * 100), structure.type, structure.itemsize),
                         (b"a" * 100, None, 100))
        self.assertTrue(structure.cas(b"b" * 100, b"c" * 100))
        with self.assertRaises(ValueError):
            structure.set(b"c")
        for wrong in ("x", "qq", 5):
            with self.assertRaises(ValueError):
                self.space.value(type=wrong)
        with self.assertRaises(AttributeError):
            del structure.value

    def test_wait(self):
        """wait() waits for a change"""
        value = self.space.value(type="i")
        self.assertFalse(value.wait(0, timeout=0))
        self.assertTrue(value.wait(1))
        child = support.Child(lambda: self.assertTrue(value.wait(0)))
        child.until_asleep()
        value.add(1)
        self.assertEqual(child.wait(), 0)

    def test_atomic(self):
        """Additions of processes and threads all count"""
        value = self.space.value(type="i")

        def add():
            for _ in range(5000):
                value.add(1)

        children = [support.Child(add) for _ in range(2)]
        threads = [threading.Thread(target=add) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([child.wait() for child in children], [0, 0])
        self.assertEqual(value.value, 20000)


class Uncomparable:
    def __eq__(self, other):
        return 1 // 0


class Arrays(support.Case):
    def test_random(self):
        """A thousand random operations give what an array.array gives"""
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        for code in "bBhHiIqQfd":
            shared = self.space.array(type=code, count=10)
            plain = array.array(code, bytes(10 * array.array(code).itemsize))
            for step in range(100 if not support.LONG else 5000):
                index = rng.randrange(-11, 11)
                part = slice(rng.choice([None, index]), rng.choice([None, rng.randrange(-11, 11)]),
                             rng.choice([None, 1, 2, -1, -3]))
                n = rng.randrange(100)
                act = rng.choice(["get", "set", "slice", "set slice", "list", "in"])

                def run(x):
                    try:
                        if act == "get":
                            return x[index]
                        if act == "set":
                            x[index] = n
                        elif act == "slice":
                            return list(x[part])
                        elif act == "set slice":
                            x[part] = array.array(code, [n] * len(plain[part]))
                        elif act == "in":
                            return n in x
                        return list(x)
                    except IndexError:
                        return IndexError

                with self.subTest(seed=seed, code=code, step=step, act=act, part=part):
                    self.assertEqual(run(shared), run(plain))
                    self.assertEqual(shared[:], list(plain))

    def test_items(self):
        """Items are added to, compared and refused"""
        shared = self.space.array(type="i", initial=[1, 2, 3])
        self.assertIsInstance(shared, collections.abc.Sequence)
        self.assertEqual(len(shared), 3)
        self.assertEqual(shared.add(1), 3)
        self.assertEqual(shared.add(-1, 5), 8)
        self.assertTrue(shared.cas(0, 1, 9))
        self.assertFalse(shared.cas(0, 1, 9))
        with self.assertRaises(IndexError):
            shared.add(3)
        with self.assertRaises(IndexError):
            shared[2 ** 70]
        with self.assertRaises(OverflowError):
            shared[0] = 2 ** 31
        with self.assertRaises(TypeError):
            shared["0"]
        with self.assertRaises(TypeError):
            del shared[0]
        with self.assertRaises(ValueError):
            shared[:2] = [1]
        self.assertEqual(list(shared), [9, 3, 8])
        self.assertEqual((shared.count(8), shared.count("8"), shared.index(8)), (1, 0, 2))
        self.assertEqual((shared.index(3, -2), shared.index(3, 1, 2), shared.index(9, -2 ** 70)),
                         (1, 1, 0))
        for args in ((7,), (9, 1), (3, 0, 1), (3, 2 ** 70), ("9",)):
            with self.assertRaises(kith.InvalidError):
                shared.index(*args)
        with self.assertRaises(ZeroDivisionError):
            shared.index(Uncomparable())
        text = self.space.array(type="c", initial=b"hello")
        self.assertEqual((text[0], text[1:3], len(text)), (b"h", b"el", 5))
        self.assertEqual((list(text), b"l" in text, text.count(b"l"), text.index(b"l")),
                         ([b"h", b"e", b"l", b"l", b"o"], True, 2, 2))
        structures = self.space.array(size=12, count=2)
        structures[1] = b"x" * 12
        self.assertEqual(structures[:], [bytes(12), b"x" * 12])
        self.assertEqual((structures.type, structures.itemsize), (None, 12))
        with self.assertRaises(ValueError):
            self.space.array(type="i", count=2, initial=[1])

    def test_lock(self):
        """It has a lock"""
        shared = self.space.array(count=1)
        with shared as entered:
            self.assertIs(entered, shared)
            with self.assertRaises(kith.DeadlockError):
                shared.acquire()
        self.assertTrue(shared.acquire(False))
        shared.release()
        with self.assertRaises(kith.NotOwnerError):
            shared.release()

    def test_publish(self):
        """A version is published at once, with a copy or without"""
        shared = self.space.array(type="i", initial=[1, 2])
        old = memoryview(shared)
        shared.publish([3, 4])
        self.assertEqual((shared[:], old.tolist()), ([3, 4], [1, 2]))
        stage = shared.stage()
        memoryview(stage)[:] = memoryview(array.array("i", [5, 6]))
        self.assertEqual(shared[:], [3, 4])
        shared.publish(stage)
        self.assertEqual(shared[:], [5, 6])
        with self.assertRaises(ValueError):
            shared.publish(stage)
        with self.assertRaises(ValueError):
            shared.publish([1])


if __name__ == "__main__":
    support.main()
