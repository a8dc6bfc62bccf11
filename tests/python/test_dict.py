"""kith.Dict against dict."""

import collections.abc
import random
import threading

import kith
import support

KEYS = [None, True, 0, 1, 2, -5, 1.5, 2.0, "", "a", "b", "größer", b"", b"a", b"\0\xff",
        (), (1,), (1, "a", (None, 2.5)), 2 ** 70, -2 ** 64]
VALUES = KEYS + [[1, [2]], {"a": {1: 2}}, {1, 2}, [], {}, set(), "x" * 5000, b"y" * 100000]


class Mapping(support.Case):
    def test_random(self):
        """A thousand random operations give what a dict gives"""
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        d, plain = self.space.dict(), {}
        for step in range(1000 if not support.LONG else 50000):
            key, value = rng.choice(KEYS), rng.choice(VALUES)
            act = rng.choice(["set", "del", "get", "in", "len", "pop", "setdefault", "popitem",
                              "update", "clear" if rng.random() < 0.05 else "get"])
            with self.subTest(seed=seed, step=step, act=act, key=key):
                results = []
                for m in (d, plain):
                    try:
                        if act == "set":
                            m[key] = value
                            results.append(None)
                        elif act == "del":
                            del m[key]
                            results.append(None)
                        elif act == "get":
                            results.append((m.get(key), m.get(key, 7), m[key]))
                        elif act == "in":
                            results.append(key in m)
                        elif act == "len":
                            results.append(len(m))
                        elif act == "pop":
                            results.append((m.pop(key, None), m.pop(key)))
                        elif act == "setdefault":
                            results.append(m.setdefault(key, value))
                        elif act == "popitem":
                            results.append(m.popitem())
                        elif act == "update":
                            m.update({key: value, "u": 1}, z=value)
                            results.append(None)
                        else:
                            m.clear()
                            results.append(None)
                    except KeyError as error:
                        results.append(type(error).__mro__[-4:])
                if results[0] != results[1]:
                    self.assertIsInstance(results[0], tuple)
                self.assertEqual(results[0], results[1])
        self.assertEqual(list(d.items()), list(plain.items()))
        self.assertEqual(d, plain)
        self.check()

    def test_iteration(self):
        """keys, values, items and iteration are in the order of insertion, and live"""
        d = self.space.dict()
        d.update({"b": 1, "a": 2, "c": 3})
        keys, items, values = d.keys(), d.items(), d.values()
        self.assertEqual(list(d), ["b", "a", "c"])
        self.assertEqual(list(reversed(d)), ["c", "a", "b"])
        self.assertEqual(list(keys), ["b", "a", "c"])
        self.assertEqual(list(values), [1, 2, 3])
        del d["a"]
        self.assertEqual(list(items), [("b", 1), ("c", 3)])
        self.assertEqual(len(keys), 2)
        self.assertIn("b", keys)
        self.assertIn(("b", 1), items)
        self.assertNotIn(("b", 2), items)
        self.assertIn(3, values)
        self.assertEqual(keys & {"b", "z"}, {"b"})
        self.assertEqual(list(reversed(items)), [("c", 3), ("b", 1)])

    def test_changed_during_iteration(self):
        """An iteration is as of one instant, whatever happens meanwhile"""
        d = self.space.dict()
        d.update((i, i) for i in range(100))
        seen = []
        for key in d:
            seen.append(key)
            d.pop(99 - key, None)
            d[1000 + key] = 1
        self.assertEqual(seen, list(range(100)))

    def test_is_a_mapping(self):
        """It is a MutableMapping, and merges and compares as a dict"""
        d = self.space.dict()
        d["a"] = 1
        self.assertIsInstance(d, collections.abc.MutableMapping)
        self.assertEqual(d | {"b": 2}, {"a": 1, "b": 2})
        self.assertEqual({"a": 0, "c": 3} | d, {"a": 1, "c": 3})
        d |= {"z": 9}
        self.assertEqual(dict(d), {"a": 1, "z": 9})
        self.assertEqual({**d}, {"a": 1, "z": 9})
        self.assertNotEqual(d, {"a": 1})
        self.assertTrue(d == self.space.dict(d.name))
        with self.assertRaises(TypeError):
            hash(d)
        with self.assertRaises(TypeError):
            d | [1]
        match d:
            case {"a": found, **rest}:
                self.assertEqual((found, rest), (1, {"z": 9}))

    def test_missing(self):
        """A key that is not there is a KeyError with the key, also a tuple"""
        d = self.space.dict()
        for key in ("a", (1, 2)):
            with self.assertRaises(KeyError) as caught:
                d[key]
            self.assertEqual(caught.exception.args, (key,))
            self.assertIsInstance(caught.exception, kith.Error)
            with self.assertRaises(kith.NotFoundError):
                del d[key]
            with self.assertRaises(kith.NotFoundError):
                d.pop(key)
        with self.assertRaises(KeyError):
            d.popitem()


class Conditional(support.Case):
    def test_conditions(self):
        """insert, replace, cas, delete_if and swap say whether they did it"""
        d = self.space.dict()
        self.assertTrue(d.insert("a", 1))
        self.assertFalse(d.insert("a", 2))
        self.assertFalse(d.replace("b", 2))
        self.assertTrue(d.replace("a", [1]))
        self.assertFalse(d.cas("a", [2], 3))
        self.assertTrue(d.cas("a", [1], 3))
        self.assertEqual(d.swap("a", 4), 3)
        self.assertIsNone(d.swap("n", 5))
        self.assertEqual(d.swap("m", 5, "none"), "none")
        # Equal sets, which Python goes through in different orders.
        self.assertNotEqual(list({0, 8}), list({8, 0}))
        d["sets"] = [{0, 8, "a"}, ({0, 8, 1000},)]
        self.assertTrue(d.cas("sets", [{"a", 8, 0}, ({1000, 8, 0},)], set()))
        self.assertTrue(d.cas("sets", set(), 1))
        self.assertFalse(d.delete_if("a", 5))
        self.assertTrue(d.delete_if("a", 4))
        self.assertNotIn("a", d)

    def test_versions(self):
        """A version changes with every change"""
        d = self.space.dict()
        d["a"] = 1
        value, version = d.get_version("a")
        self.assertEqual(value, 1)
        d["a"] = 1
        self.assertFalse(d.cas_version("a", version, 2))
        _, version = d.get_version("a")
        self.assertTrue(d.cas_version("a", version, 2))
        with self.assertRaises(KeyError):
            d.get_version("b")

    def test_many(self):
        """get_many, delete_many and add_many take iterables and mappings"""
        d = self.space.dict()
        d.update({i: str(i) for i in range(10)})
        self.assertEqual(d.get_many([1, 100, 3]), ["1", None, "3"])
        self.assertEqual(d.get_many((k for k in (1, 100)), "-"), ["1", "-"])
        self.assertEqual(d.get_many([]), [])
        self.assertEqual(d.delete_many([1, 2, 100]), 2)
        self.assertEqual(len(d), 8)
        c = self.space.dict()
        c.add_many({"a": 2, "b": -1})
        c.add_many(collections.Counter("abc"))
        self.assertEqual(c.copy(), {"a": 3, "b": 0, "c": 1})
        c["s"] = "no number"
        with self.assertRaises(TypeError):
            c.add_many({"a": 1, "s": 1})
        self.assertEqual(c["a"], 3)

    def test_modify(self):
        """modify changes by a function, deletes, and passes its exception on"""
        d = self.space.dict()
        self.assertEqual(d.modify("a", lambda v: v + 1, 0), 1)
        self.assertEqual(d.modify("a", lambda v: v + 1, 0), 2)
        self.assertIsNone(d.modify("a", lambda v: kith.DELETE))
        self.assertNotIn("a", d)
        d["a"] = 5
        with self.assertRaises(ZeroDivisionError):
            d.modify("a", lambda v: 1 // 0)
        with self.assertRaises(TypeError):
            d.modify("a", lambda v: object())
        self.assertEqual(d["a"], 5)

    def test_modify_is_atomic(self):
        """modify from several processes loses nothing"""
        d = self.space.dict()
        d["a"] = 0
        children = [support.Child(lambda: [d.modify("a", lambda v: v + 1) for _ in range(300)])
                    for _ in range(3)]
        self.assertEqual([child.wait() for child in children], [0, 0, 0])
        self.assertEqual(d["a"], 900)


class Numbers(support.Case):
    def test_numbers(self):
        """add, sub, min, max, and, or, xor and add_limit change numbers"""
        d = self.space.dict()
        self.assertEqual(d.add("a"), 1)
        self.assertEqual(d.add("a", 9), 10)
        self.assertEqual(d.add("a", n=5), 15)
        self.assertEqual(d.sub("a", 5), 10)
        self.assertEqual(d.sub("a"), 9)
        self.assertEqual(d.min("a", 7), 7)
        self.assertEqual(d.max("a", 12), 12)
        self.assertEqual(d.and_("a", 9), 8)
        self.assertEqual(d.or_("a", 3), 11)
        self.assertEqual(d.xor("a", 1), 10)
        self.assertEqual(d.add_limit("a", 5, 15), 15)
        with self.assertRaises(OverflowError):
            d.add_limit("a", 1, 15)
        self.assertEqual(d.add("f", 1.5), 1.5)
        self.assertEqual(d.sub("f", 0.5), 1.0)
        self.assertEqual(d.add("i", 1, init=100), 101)

    def test_wrong_numbers(self):
        """What is no number, or does not fit, is refused and changes nothing"""
        d = self.space.dict()
        d["s"], d["big"], d["f"] = "x", 2 ** 63 - 1, 1.5
        with self.assertRaises(kith.KindError):
            d.add("s", 1)
        with self.assertRaises(kith.RangeError):
            d.add("big", 1)
        with self.assertRaises(OverflowError):
            d.add("big", 2 ** 64)
        with self.assertRaises(TypeError):
            d.add("f", 1)
        with self.assertRaises(TypeError):
            d.add("a", "1")
        self.assertEqual(d.copy(), {"s": "x", "big": 2 ** 63 - 1, "f": 1.5})

    def test_counts(self):
        """counts[k] += n is one atomic addition, and an int otherwise"""
        d = self.space.dict()
        c = d.counts
        self.assertEqual(c["a"], 0)
        c["a"] += 3
        c["a"] -= 1
        c["a"] = c["a"] + 10
        c["a"] = 5 + c["a"]
        self.assertEqual(d["a"], 17)
        stale = c["a"]
        d["a"] = 100
        c["a"] = stale + 1
        self.assertEqual(d["a"], 101)
        c["a"] = 7
        self.assertEqual(d["a"], 7)
        c["b"] = c["a"]
        self.assertEqual(d["b"], 7)
        c["b"] = c["a"] * 2
        self.assertEqual(d["b"], 14)
        self.assertIsInstance(c["b"], int)
        self.assertIs(type(c["b"] * 1), int)
        self.assertIs(type(c["b"] + 1.5), float)
        self.assertEqual([0, 1, 2][c["none"]], 0)
        self.assertEqual(c["a"] - c["b"], -7)
        del c["b"]
        self.assertNotIn("b", d)
        d["big"] = 2 ** 62
        c["big"] += 2 ** 62 - 1
        self.assertEqual(d["big"], 2 ** 63 - 1)
        with self.assertRaises(OverflowError):
            c["big"] += 1
        with self.assertRaises(OverflowError):
            c["big"] += 2 ** 70
        # As ints are: exact, whatever their size; but not to be added, and so not to be assigned.
        self.assertEqual(c["a"] + 2 ** 100, 7 + 2 ** 100)
        self.assertEqual(c["a"] - 2 ** 100, 7 - 2 ** 100)
        self.assertEqual(2 ** 500 + c["a"], 7 + 2 ** 500)
        self.assertIs(type(c["a"] + 2 ** 100), int)
        d["low"] = -5
        with self.assertRaises(OverflowError):
            c["low"] += 2 ** 63
        self.assertEqual(c["low"] + 2 ** 63, 2 ** 63 - 5)
        self.assertEqual(d["low"], -5)
        d["s"] = "x"
        with self.assertRaises(TypeError):
            c["s"]
        with self.assertRaises(TypeError):
            c["a"] = 1.5
        d["v"] = c["a"]
        self.assertEqual(d["v"], 7)

    def test_counts_between_threads(self):
        """counts[k] += 1 loses nothing between threads and processes"""
        d = self.space.dict()

        def count():
            c = d.counts
            for _ in range(2000):
                c["a"] += 1

        children = [support.Child(count) for _ in range(2)]
        threads = [threading.Thread(target=count) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([child.wait() for child in children], [0, 0])
        self.assertEqual(d["a"], 8000)


class Cache(support.Case):
    def test_times(self):
        """Times to live are given, asked for, changed and end"""
        d = self.space.dict()
        d.set("a", 1, ttl=1000)
        self.assertGreater(d.ttl("a"), 900)
        self.assertLessEqual(d.ttl("a"), 1000)
        d.persist("a")
        self.assertIsNone(d.ttl("a"))
        d.expire("a", 500)
        self.assertLessEqual(d.ttl("a"), 500)
        d.touch("a")
        d.set("b", 2, ttl=1e-9)
        support.until(lambda: "b" not in d)
        d.set("c", 3, ttl=1e-9)
        support.until(lambda: "c" not in d)
        self.assertEqual(d.get_stale("a"), (1, False))
        d.purge()
        self.assertEqual(len(d), 1)
        for act in (d.ttl, d.persist, d.touch, d.get_stale):
            with self.assertRaises(KeyError):
                act("nothing")
        with self.assertRaises(ValueError):
            d.set("a", 1, ttl=-1)

    def test_bounds(self):
        """A dict with bounds refuses or evicts"""
        d = self.space.dict(max_items=2)
        d[1] = d[2] = 0
        with self.assertRaises(kith.Full):
            d[3] = 0
        f = self.space.dict(max_items=2, policy="fifo")
        f[1] = f[2] = f[3] = 0
        self.assertEqual(list(f), [2, 3])
        self.assertEqual(f.info()["policy"], "fifo")
        self.assertEqual(f.info()["items"], 2)
        with self.assertRaises(ValueError):
            self.space.dict(policy="lru")

    def test_get_or_compute(self):
        """One alone computes, the others wait for it"""
        d, calls = self.space.dict(), self.space.dict()

        def compute(key):
            calls.add("n", 1)
            return [key]

        children = [support.Child(lambda: self.assertEqual(
            d.get_or_compute("k", compute), ["k"])) for _ in range(4)]
        self.assertEqual([child.wait() for child in children], [0] * 4)
        self.assertEqual(calls["n"], 1)

    def test_compute_fails(self):
        """If computing raises, the exception is passed on and the next has the turn"""
        d = self.space.dict()
        with self.assertRaises(ZeroDivisionError):
            d.get_or_compute("k", lambda key: 1 // 0)
        with self.assertRaises(TypeError):
            d.get_or_compute("k", lambda key: object())
        with self.assertRaises(kith.DeadlockError):
            d.get_or_compute("k", lambda key: d.get_or_compute("k", str))
        with self.assertRaises(ValueError):
            d.get_or_compute("k", lambda key: kith.DELETE)
        self.assertEqual(d.get_or_compute("k", str), "k")

    def test_compute_dies(self):
        """If who computes is killed, who waits takes over"""
        d, event = self.space.dict(), self.space.event()

        def never(key):
            event.set()
            event.clear()
            event.wait()

        first = support.Child(lambda: d.get_or_compute("k", never))
        first.until_asleep()
        second = support.Child(lambda: self.assertEqual(d.get_or_compute("k", str), "k"))
        second.until_asleep()
        first.kill()
        first.wait()
        self.assertEqual(second.wait(), 0)
        self.assertEqual(d["k"], "k")

    def test_wait(self):
        """wait() waits for a key and for a change"""
        d = self.space.dict()

        def other():
            _, version = d.wait("a", timeout=support.CEILING_S)
            d["seen"] = True
            value, _ = d.wait("a", version, timeout=support.CEILING_S)
            assert value == 2, value

        child = support.Child(other)
        child.until_asleep()
        d["a"] = 1
        d.wait("seen")
        d["a"] = 2
        self.assertEqual(child.wait(), 0)
        with self.assertRaises(TimeoutError):
            d.wait("b", timeout=0)

    def test_scan(self):
        """scan() finds keys by their beginning"""
        d = self.space.dict()
        d.update({"ab": 1, "ac": 2, "b": 3, b"ad": 4})
        self.assertEqual(d.scan("a"), [("ab", 1), ("ac", 2)])
        self.assertEqual(d.scan("a", 1), [("ab", 1)])
        self.assertEqual(d.scan(b"a"), [(b"ad", 4)])

    def test_snapshot(self):
        """A snapshot stays as it was, also after the space was closed"""
        d = self.space.dict()
        d.update({"a": 1, "b": [2]})
        snapshot = d.snapshot()
        d["a"] = 5
        del d["b"]
        self.space.close()
        self.assertIsInstance(snapshot, collections.abc.Mapping)
        self.assertEqual(dict(snapshot), {"a": 1, "b": [2]})
        self.assertEqual(list(snapshot.items()), [("a", 1), ("b", [2])])
        self.assertIn("a", snapshot)
        self.assertEqual(snapshot.get("z", 0), 0)
        with self.assertRaises(KeyError):
            snapshot["z"]

    def test_cached(self):
        """cached() remembers, forgets, and tells arguments apart"""
        calls = []

        @kith.cached(self.space, ttl=1000)
        def function(*args, **kwargs):
            """Its words."""
            calls.append((args, kwargs))
            return len(calls)

        self.assertEqual([function(1), function(1), function(2), function("1")], [1, 1, 2, 3])
        self.assertEqual([function(1, a=2), function(1, a=2), function(1, a=3)], [4, 4, 5])
        self.assertEqual(function.__doc__, "Its words.")
        function.forget(1)
        self.assertEqual(function(1), 6)
        self.assertEqual(len(function.results), 5)


if __name__ == "__main__":
    support.main()
