"""kith.List, kith.Set and kith.Namespace against list, set and attributes."""

import collections.abc
import pickle
import random

import kith
import support

VALUES = [None, True, 1, 2, 3, -5, 1.5, "a", "b", b"c", (1, 2), [1, [2]], {"a": 1}, 2 ** 80]


def outcome(act):
    """What it gives, or the standard exceptions that it raises."""
    try:
        return act()
    except (IndexError, ValueError, TypeError) as error:
        return next(base for base in (IndexError, ValueError, TypeError)
                    if isinstance(error, base))


class Lists(support.Case):
    def test_random(self):
        """A thousand random operations give what a list gives"""
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        shared, plain = self.space.list(), []
        for step in range(1000 if not support.LONG else 50000):
            value = rng.choice(VALUES)
            index = rng.randrange(-12, 12)
            part = slice(rng.choice([None, index]), rng.choice([None, rng.randrange(-12, 12)]),
                         rng.choice([None, None, 1, 2, -1, -3]))
            more = rng.choices(VALUES, k=rng.randrange(4))
            act = rng.choice(["append", "extend", "insert", "pop", "del", "get", "set", "slice",
                              "set slice", "del slice", "index", "count", "in", "remove", "reverse",
                              "len", "iadd", "clear" if rng.random() < 0.05 else "get"])

            def run(x):
                if act == "append":
                    return x.append(value)
                if act == "extend":
                    return x.extend(more)
                if act == "insert":
                    return x.insert(index, value)
                if act == "pop":
                    return x.pop(index)
                if act == "del":
                    return x.__delitem__(index)
                if act == "get":
                    return x[index]
                if act == "set":
                    return x.__setitem__(index, value)
                if act == "slice":
                    return x[part]
                if act == "set slice":
                    return x.__setitem__(part, more)
                if act == "del slice":
                    return x.__delitem__(part)
                if act == "index":
                    return x.index(value, max(index, 0))
                if act == "count":
                    return x.count(value)
                if act == "in":
                    return value in x
                if act == "remove":
                    return x.remove(value)
                if act == "reverse":
                    return x.reverse()
                if act == "iadd":
                    x += more
                    return None
                return x.clear() if act == "clear" else len(x)

            with self.subTest(seed=seed, step=step, act=act, index=index, part=part, value=value):
                self.assertEqual(outcome(lambda: run(shared)), outcome(lambda: run(plain)))
                self.assertEqual(shared[:], plain)
        self.check()

    def test_is_a_sequence(self):
        """It is a MutableSequence, and adds, repeats and compares as a list"""
        shared = self.space.list()
        shared.extend([3, 1, 2])
        self.assertIsInstance(shared, collections.abc.MutableSequence)
        self.assertEqual(shared + [4], [3, 1, 2, 4])
        self.assertEqual(shared * 2, [3, 1, 2, 3, 1, 2])
        self.assertEqual(shared, [3, 1, 2])
        self.assertLess(shared, [4])
        self.assertEqual(list(reversed(shared)), [2, 1, 3])
        self.assertEqual(shared.copy(), [3, 1, 2])
        self.assertEqual(len(shared), 3)
        for times in (2, 1, 0, -1):
            again = shared
            again *= times
            self.assertIs(again, shared)
            self.assertEqual(shared, [3, 1, 2] * 2 if times > 0 else [])
        shared.extend([3, 1, 2])
        with self.assertRaises(kith.PositionError):
            shared[5]
        with self.assertRaises(TypeError):
            shared["a"]
        with self.assertRaises(IndexError):
            shared[2 ** 70]
        with self.assertRaises(TypeError):
            hash(shared)

    def test_sort(self):
        """sort() sorts as list.sort(), by a key, in reverse, and is refused without an order"""
        rng = random.Random(5)
        for values in ([rng.randrange(100) for _ in range(50)], [1.5, 2, True, -1], ["b", "a", "ä"],
                       [(2, "a"), (1, "b")], [[2], [1, 5], []]):
            shared = self.space.list()
            shared.extend(values)
            shared.sort()
            self.assertEqual(shared[:], sorted(values))
            shared.sort(reverse=True)
            self.assertEqual(shared[:], sorted(values, reverse=True))
        shared = self.space.list()
        shared.extend(["bb", "a", "ccc"])
        shared.sort(key=len, reverse=True)
        self.assertEqual(shared[:], ["ccc", "bb", "a"])
        with self.assertRaises(ZeroDivisionError):
            shared.sort(key=lambda _: 1 // 0)
        shared.append(1)
        with self.assertRaises(TypeError):
            shared.sort()
        # What cannot be sorted is left as it was, not half sorted.
        for values in ([True, False, None], [(2, 1), (1, 1), (1, "a")]):
            shared[:] = values
            with self.assertRaises(TypeError):
                shared.sort()
            self.assertEqual(shared[:], values)


class Sets(support.Case):
    def test_random(self):
        """A thousand random operations give what a set gives"""
        seed = random.randrange(2 ** 32)
        rng = random.Random(seed)
        shared, plain = self.space.set(), set()
        keys = [None, 1, 2, 3, 1.5, "a", "b", b"a", (1, "a"), 2 ** 80]
        for step in range(1000 if not support.LONG else 50000):
            key, other = rng.choice(keys), set(rng.choices(keys, k=3))
            act = rng.choice(["add", "discard", "remove", "in", "len", "update", "|", "&", "-", "^",
                              "|=", "&=", "-=", "^=", "<=", ">", "union", "isdisjoint"])

            def run(x):
                if act in ("add", "discard"):
                    return getattr(x, act)(key)
                if act == "remove":
                    try:
                        return x.remove(key)
                    except KeyError as error:
                        return error.args
                if act == "in":
                    return key in x
                if act == "len":
                    return len(x)
                if act == "update":
                    return x.update(other, [key])
                if act in ("union", "isdisjoint"):
                    return getattr(x, act)(other)
                names = {"|": "or", "&": "and", "-": "sub", "^": "xor", "|=": "ior", "&=": "iand",
                         "-=": "isub", "^=": "ixor", "<=": "le", ">": "gt"}
                result = getattr(x, f"__{names[act]}__")(other)
                return None if result is x else result

            with self.subTest(seed=seed, step=step, act=act, key=key, other=other):
                self.assertEqual(run(shared), run(plain))
                self.assertEqual(shared, plain)
        self.check()

    def test_is_a_set(self):
        """It is a MutableSet, keeps its order, and works with other shared sets"""
        a, b = self.space.set(), self.space.set()
        a.update([3, 1, 2])
        b.update([2, 5])
        self.assertIsInstance(a, collections.abc.MutableSet)
        self.assertEqual(list(a), [3, 1, 2])
        self.assertEqual(a | b, {1, 2, 3, 5})
        self.assertEqual(a & b, {2})
        self.assertEqual(a - b, {1, 3})
        self.assertEqual({7, 1} - a, {7})
        a |= b
        self.assertEqual(a, {1, 2, 3, 5})
        self.assertEqual(a.pop(), 5)
        self.assertTrue(a.issuperset([1, 2]))
        self.assertEqual(a.copy(), {1, 2, 3})
        a.difference_update([1, 9], {2: None}, b)
        self.assertEqual(a, {3})
        a.symmetric_difference_update([3, 4, 4, 5])
        self.assertEqual(a, {4, 5})
        a.intersection_update([5, 5, 6], b)
        self.assertEqual(a, {5})
        a.intersection_update()
        self.assertEqual(a, {5})
        for change in (a.difference_update, a.intersection_update, a.symmetric_difference_update):
            with self.assertRaises(TypeError):
                change(5)
        a.clear()
        with self.assertRaises(KeyError):
            a.pop()
        with self.assertRaises(TypeError):
            a.add([1])


class Namespaces(support.Case):
    def test_attributes(self):
        """Attributes are set, had, deleted and listed"""
        names = self.space.namespace("settings")
        names.a, names.b = 1, [2]
        self.assertEqual((names.a, names.b, dir(names)), (1, [2], ["a", "b"]))
        del names.a
        with self.assertRaises(AttributeError):
            names.a
        with self.assertRaises(AttributeError):
            del names.a
        names.name = "an attribute like others"
        self.assertEqual(names.name, "an attribute like others")
        setattr(names, "with blank", 1)
        self.assertEqual(getattr(names, "with blank"), 1)
        with self.assertRaises(ValueError):
            setattr(names, "a\0b", 1)
        self.assertIn("settings", repr(names))
        self.assertEqual(pickle.loads(pickle.dumps(names)).b, [2])


if __name__ == "__main__":
    support.main()
