"""What may be stored and how it comes back; what may not, and what is said then."""

import collections
import decimal
import enum
import math
import os
import pickle
import queue
import random
import struct
import sys
import tracemalloc
import unittest

import kith
import support

NATIVE = [None, True, False, 0, 1, -1, 127, 128, -32, -33, -128, -129, 255, 256, 2**15, -2**15 - 1,
          2**31, -2**31 - 1, 2**32, 2**63 - 1, -2**63, 2**63, -2**63 - 1, 2**64, 10**100, -10**100,
          0.0, -0.0, 1.5, math.inf, -math.inf, 1e-300, "", "a", "größer 😀", "a\0b", "x" * 31,
          "x" * 32, "x" * 255, "x" * 256, "x" * 65536, b"", b"\0\xff", b"y" * 255, b"y" * 70000,
          (), (1,), (1, "a", b"b", None), [], [1, [2, [3]]], list(range(15)), list(range(16)),
          list(range(70000)), {}, {"a": 1, 2: [3], (1, 2): None}, {i: i for i in range(20)},
          {str(i): i for i in range(70000)}, set(), {1, "a", (2, 3)}, set(range(100)),
          (2**63, -2**64), [1.5, "ä", b"\0", {"x": (1, [2, {3}])}]]


BUFFERS = "python/pickle-out-of-band-buffer"


class Color(enum.IntEnum):
    RED = 1


class Text(str):
    pass


class Pair:
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __eq__(self, other):
        return (self.a, self.b) == (other.a, other.b)


class Bomb:
    def __reduce__(self):
        return os._exit, (77,)


def same(a, b):
    """Equal, and of the same types in all their parts."""
    if type(a) is not type(b):
        return False
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    if isinstance(a, float):
        return struct.pack("d", a) == struct.pack("d", b)
    return a == b


def deep(depth):
    value = 1
    for _ in range(depth):
        value = [value]
    return value


class Native(support.Case):
    def test_values(self):
        """Every native value comes back as what it was, from every kind of object"""
        d, q, l, n = (self.space.dict(), self.space.queue(), self.space.list(),
                      self.space.namespace())
        for value in NATIVE:
            with self.subTest(value=repr(value)[:50]):
                d["k"] = value
                q.put(value)
                l.append(value)
                n.value = value
                for back in (d["k"], q.get(), l[-1], n.value, d.view("k").load()):
                    self.assertTrue(same(back, value), repr(back)[:100])

    def test_random(self):
        """So does whatever is made of them"""
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)

        def make(depth):
            kind = rng.randrange(9 if depth < 5 else 5)
            if kind < 5:
                return rng.choice([None, rng.getrandbits(rng.randrange(1, 90)), rng.random(),
                                   "ü" * rng.randrange(40), rng.randbytes(rng.randrange(300)),
                                   -rng.getrandbits(64)])
            parts = [make(depth + 1) for _ in range(rng.randrange(20))]
            if kind == 5:
                return parts
            if kind == 6:
                return tuple(parts)
            if kind == 7:
                return dict(enumerate(parts))
            return set(range(rng.randrange(40)))

        d = self.space.dict()
        for step in range(300 if not support.LONG else 20000):
            value = make(0)
            d[step] = value
            with self.subTest(seed=seed, step=step):
                self.assertTrue(same(d[step], value))

    def test_keys(self):
        """Keys compare as Python compares them"""
        d = self.space.dict()
        d[1] = "one"
        for key in (1.0, True, Color.RED):
            self.assertEqual(d[key], "one")
        d["a"] = "str"
        self.assertNotIn(b"a", d)
        self.assertEqual(d[Text("a")], "str")
        d[(1, ("a", 2.0))] = "tuple"
        self.assertEqual(d[(1.0, ("a", 2))], "tuple")
        d[2 ** 70] = "big"
        self.assertEqual(d[float(2 ** 70)], "big")
        d["ä\0"] = 1
        self.assertEqual(d["ä\0"], 1)
        self.assertEqual([type(k) for k in d], [int, str, tuple, int, str])

    def test_equality_by_bytes(self):
        """Equal values have equal bytes, so that cas finds them"""
        d = self.space.dict()
        for value in NATIVE:
            if not isinstance(value, set):
                d["k"] = value
                self.assertTrue(d.cas("k", pickle.loads(pickle.dumps(value)), 0), repr(value)[:50])


class Refused(support.Case):
    def test_values(self):
        """Without a serializer a value outside the contract is a TypeError with the cure"""
        d, q = self.space.dict(), self.space.queue()
        for value in (object(), decimal.Decimal(1), 1j, Color.RED, Text("a"), frozenset([1]),
                      collections.OrderedDict(a=1), bytearray(b"a"), range(3), print,
                      [1, {"a": object()}], (1, frozenset())):
            with self.subTest(value=value):
                for act in (lambda: d.__setitem__("k", value), lambda: q.put(value),
                            lambda: d.insert("k", value)):
                    with self.assertRaises(TypeError) as caught:
                        act()
                    self.assertIsInstance(caught.exception, kith.KindError)
                    self.assertIn('serializer="pickle"', str(caught.exception))
        with self.assertRaisesRegex(TypeError, "decimal.Decimal"):
            d["k"] = [decimal.Decimal(1)]
        self.assertEqual((len(d), q.qsize()), (0, 0))

    def test_nesting(self):
        """What nests too deep, or in itself, is a ValueError"""
        d = self.space.dict()
        d["k"] = deep(64)
        self.assertEqual(d["k"], deep(64))
        circle = []
        circle.append(circle)
        for value in (deep(65), circle):
            with self.assertRaises(ValueError):
                d["k"] = value

    def test_keys(self):
        """Keys that are lists, dicts, sets, objects or NaN are refused"""
        d, s = self.space.dict(), self.space.set()
        for key in ([1], {}, {1}, object(), (1, [2]), bytearray(b"a"), frozenset()):
            with self.subTest(key=key):
                for act in (lambda: d.__setitem__(key, 1), lambda: d.get(key), lambda: key in d,
                            lambda: s.add(key), lambda: d.get_many([1, key])):
                    with self.assertRaises(TypeError):
                        act()
        with self.assertRaises(ValueError):
            d[math.nan] = 1
        with self.assertRaises(ValueError):
            d[(1, math.nan)] = 1

    def test_surrogates(self):
        """Surrogates in a str are a UnicodeEncodeError, in keys, values and names"""
        d = self.space.dict()
        for act in (lambda: d.__setitem__("\ud800", 1), lambda: d.__setitem__("k", "\ud800"),
                    lambda: d.__setitem__("k", ["\ud800"]), lambda: self.space.dict("\ud800"),
                    lambda: kith.open("\ud800"), lambda: d.get("\ud800")):
            with self.assertRaises(UnicodeEncodeError):
                act()

    def test_arguments(self):
        """Wrong arguments are TypeErrors that name them"""
        d = self.space.dict()
        for act, words in ((lambda: d.get(), "missing required argument 'key'"),
                           (lambda: d.get(1, 2, 3), "at most 2"),
                           (lambda: d.get(1, nothing=2), "unexpected keyword argument 'nothing'"),
                           (lambda: d.get(1, key=2), "multiple values for argument 'key'"),
                           (lambda: d.set("k", 1, 5), "at most 2")):
            with self.assertRaisesRegex(TypeError, words):
                act()


class Pickled(support.Case):
    options = {"serializer": "pickle"}

    def test_values(self):
        """With the serializer everything that pickles is stored"""
        d, q, l = self.space.dict(), self.space.queue(), self.space.list()
        for value in (decimal.Decimal("1.5"), 1j, Color.RED, Text("a"), frozenset([1]), print,
                      Pair(1, [2]), [Pair(1, 2)], bytearray(b"abc"), deep(200), range(3)):
            d["k"] = value
            q.put(value)
            l.append(value)
            for back in (d["k"], q.get(), l[-1], d.view("k").load()):
                self.assertEqual(back, value)
                self.assertIs(type(back), type(value))
        with self.assertRaises((pickle.PicklingError, AttributeError)):
            d["k"] = lambda: 0
        with self.assertRaises(TypeError):
            q.put(sys._getframe())
        self.assertEqual(q.qsize(), 0)

    def test_native_stay_native(self):
        """Native values are not pickled, and can be read without"""
        d = self.space.dict()
        d["k"] = [1, "a"]
        self.assertEqual(bytes(d.view("k")), b"\x92\x01\xa1a")


class Block:
    """What pickles as numpy's arrays do."""

    def __init__(self, data):
        self.data = data

    def __reduce_ex__(self, protocol):
        return Block, (pickle.PickleBuffer(self.data),)

    def __eq__(self, other):
        return bytes(self.data) == bytes(other.data)


class Buffers(unittest.TestCase):
    """Pickles with large buffers, which go in from where they are."""

    def setUp(self):
        self.space = kith.open("mem://", serializer="pickle")
        self.addCleanup(self.space.close)

    def same(self, value):
        """That value, by each way in."""
        d, q, names = self.space.dict(), self.space.queue(capacity=1), self.space.list()
        d["a"] = value
        d.set("b", value)
        d.update(c=value)
        names.append(value)
        for found in (d["a"], d["b"], d["c"], names[0]):
            self.assertEqual(found, value)
        q.put(value)
        with self.assertRaises(queue.Full):
            q.put(value, timeout=0.001)
        self.assertEqual(q.get(), value)
        q.put(value, priority=3)
        self.assertEqual(q.get(), value)
        q.put(value)
        self.assertEqual(q.get_view().load(), value)
        self.assertEqual(d.view("a").load(), value)
        # However it came in, the same bytes are there.
        self.assertEqual(len({bytes(d.view(key)) for key in "abc"}), 1)

    def test_sizes(self):
        """Of any size, one or several, beside each other and within other things"""
        for size in (4096, 4097, 8191, 65536 - 64, 65535, 1 << 20):
            self.same(Block(bytearray(os.urandom(size))))
        many = [Block(os.urandom(4096 + 17 * n)) for n in range(20)]
        self.same([*many, Block(b"small"), {"a": Block(bytes(100000)), "b": frozenset((1, 2))}])

    def test_copied_once(self):
        """No copy is made on the way into a queue or a dict"""
        d, q = self.space.dict(), self.space.queue()
        value = Block(bytearray(4 << 20))
        q.put(value)
        d["a"] = value
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        for act in (lambda: q.put(value), lambda: d.__setitem__("a", value)):
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            act()
            self.assertLess(tracemalloc.get_traced_memory()[1] - before, 1 << 16)


class Trust(support.Case):
    address = None

    def setUp(self):
        self.address = support.named(self)
        super().setUp()

    def test_never_loaded(self):
        """Without a serializer no pickle is loaded, from whatever object it is read"""
        with kith.open(self.address, serializer="pickle") as other:
            other.dict("d")["k"] = Bomb()
            other.dict("d")["l"] = [1, Bomb()]
            other.queue("q").put_many([Bomb(), Bomb()])
            other.list("l").append(Bomb())
            other.namespace("n").a = Bomb()
            other.dict("b")["k"] = bytearray(50000)
        d = self.space.dict("d")
        for value in (d["k"], d.view("k").load(), d.get("k"), d.copy()["k"], d.snapshot()["k"],
                      self.space.queue("q").get(), self.space.queue("q").lease().item,
                      self.space.list("l")[0], self.space.namespace("n").a, d["l"],
                      d.get_many(["k"])[0], d.swap("k", 1), self.space.dict("b")["k"]):
            self.assertIs(type(value), kith.Foreign)
            self.assertTrue(value.tag.startswith("python/pickle"))

    def test_foreign(self):
        """Foreign items are kept, moved and compared by their bytes"""
        d = self.space.dict("d")
        note = kith.Foreign("text/x-note", b"abc")
        d["a"] = note
        self.assertEqual(d["a"], note)
        self.assertEqual((d["a"].tag, d["a"].data), ("text/x-note", b"abc"))
        self.assertNotEqual(d["a"], kith.Foreign("text/x-note", b"abd"))
        self.assertEqual(len({note, d["a"]}), 1)
        self.assertEqual(pickle.loads(pickle.dumps(note)), note)
        self.assertTrue(d.cas("a", note, 1))
        for tag in ("", "x" * 64, "a\0b"):
            with self.assertRaises(ValueError):
                kith.Foreign(tag, b"")
        with self.assertRaises(TypeError):
            kith.Foreign("a", "text")

    def test_malformed(self):
        """A pickle that lies about its buffers is refused"""
        with kith.open(self.address, serializer="pickle") as other:
            d = other.dict("d")
            for data in (b"", b"short", b"\x02" + bytes(15), b"\x03" + bytes(23), b"\xff" * 16,
                         struct.pack("<3Q", 1, 10, 2 ** 60) + bytes(100)):
                d["k"] = kith.Foreign(BUFFERS, data)
                for act in (lambda: d["k"], d.view("k").load):
                    with self.assertRaises(kith.CorruptError):
                        act()
            d["k"] = kith.Foreign("python/pickle", b"no pickle")
            with self.assertRaises(pickle.UnpicklingError):
                d["k"]


if __name__ == "__main__":
    support.main()
