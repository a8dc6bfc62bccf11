#!/usr/bin/env python3
"""Values pickled by Python in every protocol, read and written by Kith, and read again: as TAP.

    pickles.py DRIVER

What comes back has to be equal, of the same types, and of the same shape: what was one object in
two places is one, what was two is two, and circles are closed.  A failure prints the seed.
"""

import array
import collections
import datetime
import decimal
import enum
import fractions
import math
import os
import pathlib
import pickle
import random
import struct
import subprocess
import sys
import uuid

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import tap  # noqa: E402

LONG = os.environ.get("KITH_LONG") == "1"
SEED = int(os.environ.get("KITH_TEST_SEED", random.randrange(1 << 32)))
PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
VALUES = 20000 if LONG else 2000
DAMAGES = 100000 if LONG else 10000


class Plain:
    """An object with a dict."""


class Slotted:
    __slots__ = ("a", "b")


class Listed(list):
    """A list with attributes."""


class Mapped(dict):
    pass


class Members(set):
    pass


class Keyworded:
    """Is made with keywords, and so by NEWOBJ_EX."""
    def __new__(cls, *, size):
        self = super().__new__(cls)
        self.size = size
        return self

    def __getnewargs_ex__(self):
        return (), {"size": self.size}


class Stateful:
    """Has a state that is no dict."""
    def __init__(self, state):
        self.state = state

    def __reduce__(self):
        return Stateful, (None,), self.state

    def __setstate__(self, state):
        self.state = state


class Outer:
    class Inner:
        pass


class Color(enum.Enum):
    RED = 1


class Size(enum.IntEnum):
    LARGE = 3


Point = collections.namedtuple("Point", "x y")


class Driver:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def order(self, letter, data):
        """(whether it worked, the bytes)"""
        self.process.stdin.write(letter + struct.pack("<I", len(data)) + data)
        self.process.stdin.flush()
        head = self.process.stdout.read(5)
        if len(head) < 5:
            raise EOFError(f"the driver died of {self.process.wait()} with {data[:200]!r}")
        return head[:1] == b"+", self.process.stdout.read(struct.unpack("<I", head[1:])[0])


# ---- random values

def number(r):
    bits = r.choice([1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 128, 300, 2100])
    return r.choice([1, -1]) * (r.getrandbits(bits) + r.choice([0, 0, 1, -1]))


def text(r):
    alphabet = r.choice(["ab", "a\\u\n\r\0\x1a'\"", "\xe9\xff\u20ac\U0001f600",
                         "\ud800x\udc00\udfff"])
    return "".join(r.choice(alphabet) for _ in range(r.choice([0, 1, 3, 10, 255, 256, 300])))


def atom(r):
    return r.choice([
        lambda: None, lambda: True, lambda: False, lambda: number(r), lambda: number(r),
        lambda: r.choice([0.0, -0.0, 1.5, 1e300, 5e-324, math.inf, -math.inf, r.random()]),
        lambda: text(r), lambda: text(r),
        lambda: r.randbytes(r.choice([0, 1, 5, 255, 256, 400])),
    ])()


def odd(r):
    """What is no plain data, and can be compared."""
    return r.choice([
        lambda: complex(r.random(), -0.0), lambda: range(r.randrange(9), 20, 3),
        lambda: slice(1, None, r.randrange(5)), lambda: Ellipsis, lambda: NotImplemented,
        lambda: int, lambda: len, lambda: Outer.Inner, lambda: collections.OrderedDict,
        lambda: decimal.Decimal(str(r.random())), lambda: fractions.Fraction(r.randrange(99), 7),
        lambda: datetime.datetime(2020, 1, 1 + r.randrange(28), tzinfo=datetime.timezone.utc),
        lambda: uuid.UUID(int=r.getrandbits(128)),
        lambda: pathlib.PurePosixPath("/a", text(r) or "b"),
        lambda: Color.RED, lambda: Size.LARGE, lambda: array.array("i", [1, 2, r.randrange(99)]),
        lambda: KeyError("a", r.randrange(9)), lambda: OSError(2, "no"), lambda: str.upper,
        lambda: datetime.timedelta(r.randrange(99), 5),
    ])()


def key(r, depth=0):
    if depth < 3 and r.random() < 0.2:
        return tuple(key(r, depth + 1) for _ in range(r.randrange(4)))
    if depth < 3 and r.random() < 0.1:
        return frozenset(key(r, depth + 1) for _ in range(r.randrange(4)))
    return atom(r)


def value(r, made, depth=0):
    """A value; `made` are those so far, of which it may contain some again."""
    if made and r.random() < 0.15:
        return r.choice(made)
    if depth > 5 or r.random() < 0.3:
        return odd(r) if r.random() < 0.2 else atom(r)
    some = range(r.choice([0, 1, 2, 3, 4, 7, 20 if depth < 3 else 2]))

    def inner():
        return value(r, made, depth + 1)

    kind = r.randrange(14)
    if kind == 0:
        made.append(new := tuple(inner() for _ in some))
    elif kind == 1:
        made.append(new := frozenset(key(r) for _ in some))
    elif kind == 2:
        made.append(new := {key(r) for _ in some})
    elif kind == 3:
        made.append(new := bytearray(r.randbytes(len(some))))
    elif kind == 4:
        made.append(new := Point(inner(), inner()))
    elif kind == 5:
        made.append(new := Keyworded(size=[atom(r)]))
    elif kind == 6:
        # In circles only by what can be changed.
        made.append(new := Stateful(None))
        new.state = [inner()]
    elif kind == 7:
        made.append(new := Slotted())
        new.a = inner()
    elif kind in (8, 9):
        made.append(new := Plain())
        new.x = inner()
        new.y = inner()
    elif kind == 10:
        made.append(new := r.choice([Listed, collections.deque])())
        for _ in some:
            new.append(inner())
        if type(new) is Listed:
            new.tag = inner()
    elif kind == 11:
        made.append(new := r.choice([Mapped, collections.OrderedDict])())
        for _ in some:
            new[key(r)] = inner()
    elif kind == 12:
        made.append(new := {})
        for _ in some:
            new[key(r)] = inner()
    else:
        made.append(new := [])
        for _ in some:
            new.append(inner())
    return new


# ---- comparing

def parts(x):
    """What stands in x, in an order; and what of it is compared as it is."""
    state = []
    if isinstance(x, Slotted):
        state = [getattr(x, name) for name in Slotted.__slots__ if hasattr(x, name)]
    elif hasattr(x, "__dict__") and not isinstance(x, (type, BaseException, enum.Enum)) and \
            type(x).__module__ == "__main__":
        state = [item for pair in x.__dict__.items() for item in pair]
    if isinstance(x, dict):
        return [item for pair in x.items() for item in pair] + state
    if isinstance(x, (list, tuple, collections.deque)) or \
            isinstance(x, (set, frozenset)) and len(x) == 1:
        return list(x) + state
    return state


def differ(a, b):
    """Where two values differ, or None."""
    pairs, back = {}, {}
    left = [(a, b)]
    while left:
        a, b = left.pop()
        if type(a) is not type(b):
            return f"{type(a)} is not {type(b)}"
        inner = parts(a)
        mutable = isinstance(a, (list, dict, set, bytearray, collections.deque)) or \
            type(a).__module__ == "__main__" and not isinstance(a, (type, enum.Enum, tuple))
        if mutable or inner:
            if id(a) in pairs or id(b) in back:
                if pairs.get(id(a)) != id(b) or back.get(id(b)) != id(a):
                    if mutable:
                        return f"{a!r:.200} is not the same object in both"
                else:
                    continue
            pairs[id(a)], back[id(b)] = id(b), id(a)
        if inner or isinstance(a, (list, dict, tuple, collections.deque)) or mutable and \
                not isinstance(a, (set, bytearray)):
            others = parts(b)
            if len(inner) != len(others):
                return f"{a!r:.200} has another size than {b!r:.200}"
            left += zip(inner, others)
        elif isinstance(a, float):
            if struct.pack("d", a) != struct.pack("d", b):
                return f"{a!r} is not {b!r}"
        elif isinstance(a, BaseException):
            if a.args != b.args:
                return f"{a!r} is not {b!r}"
        elif a != b:
            return f"{a!r:.200} is not {b!r:.200}"
    return None


def dumps(x, protocol):
    """The pickle, or None of what Python itself cannot pickle so, or not read as it was."""
    try:
        data = pickle.dumps(x, protocol)
        # In a circle, what an object is made of may be changed after it was made.
        return None if differ(x, pickle.loads(data)) else data
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError, ValueError):
        return None


def one(driver, letter, x, protocol):
    """What is wrong with x having gone through, or None; "left out" if it cannot go."""
    data = dumps(x, protocol)
    if data is None:
        return "left out"
    worked, result = driver.order(letter, data)
    if not worked:
        return f"refused: {result.decode()}: {data[:300]!r}"
    wrong = differ(pickle.loads(data), pickle.loads(result))
    return wrong and f"{wrong}\n{data[:500]!r}\n{result[:500]!r}"


def circles():
    x = []
    x.append(x)
    yield x
    x = ([],)
    x[0].append(x)
    yield x
    yield x[0]
    x = {}
    x["self"] = (1, 2, 3, 4, x)
    yield x
    x = Plain()
    x.me = [x, (x, x)]
    yield x
    x = Listed()
    x.append((x,))
    x.tag = x
    yield x
    x = ([], [], [], [])
    for inner in x:
        inner.append(x)
    yield x
    x = Stateful(None)
    x.state = {"x": x}
    yield x
    x = Plain()
    x.f = frozenset([x])
    yield x
    x = collections.deque()
    x.append({1: x})
    yield x
    # An object is in a tuple's arguments, and is no part that is made anew.
    x = Plain()
    x.x, x.y = Point(x, 1), [x]
    yield x.x
    yield x
    x = Members()
    x.me = [x]
    yield x


def sharing():
    x = Plain()
    yield [x, x, {"k": x}]
    yield ["interned" * 3] * 5
    yield [[], []]
    x = []
    yield (x, x, [x])
    x = bytearray(b"z")
    yield [x, x]
    yield [list(range(3000)), {i: str(i) for i in range(3000)}, set(range(3000))]
    x = []
    for _ in range(50000):
        x = [x] if len(x) % 2 else (x,)
    yield b"y" * 200000, "\xe9" * 100000, bytearray(70000)
    yield 2 ** 20000, -2 ** 20000


def deep(levels):
    """A pickle of lists within lists, which Python's own pickler is not deep enough for."""
    return b"\x80\x04" + b"]" * levels + b"a" * (levels - 1) + b"."


def main(path):
    driver = Driver(path)
    for name, values in (("circles", circles()), ("what is shared", sharing())):
        wrong = [(p, w) for x in values for p in PROTOCOLS
                 for w in [one(driver, b"p", x, p) or one(driver, b"v", x, p)]
                 if w and (w != "left out" or p > 1)]
        tap.result(not wrong, f"{name} come back as they were, in each protocol", repr(wrong[:1]))

    r = random.Random(SEED)
    wrong, left_out = None, 0
    for i in range(VALUES):
        x = value(r, [])
        for protocol in PROTOCOLS:
            found = one(driver, b"p", x, protocol) or one(driver, b"v", x, protocol)
            if found == "left out":
                left_out += 1
            else:
                wrong = wrong or found
        if wrong:
            break
    tap.result(left_out < VALUES, "most values can be pickled at all", str(left_out))
    tap.result(not wrong, f"{VALUES} random values come back, in each protocol",
               f"KITH_TEST_SEED={SEED}, value {i}: {wrong}")

    shared = []
    for x, number in ((None, 0), (True, 1), (2 ** 63 - 1, 2), (1.5, 3), ("\xe9", 4), (b"", 5),
                      (2 ** 63, 6), ((), 7), ([1, [2]], 7), ({"a": {1, 2}}, 7), ("\ud800", 8),
                      (bytearray(b"x"), 8), ([Plain()], 8), ([shared, shared], 8),
                      (frozenset(), 8), (range(3), 8), ([{(1, (2,))}], 7), ([(1,)] * 9, 7)):
        got = driver.order(b"t", pickle.dumps(x))
        tap.result(got == (True, bytes([number])), f"{x!r:.40} is an item of type {number}",
                   repr(got))
    bomb = ()
    for _ in range(60):
        bomb = (bomb, bomb)
    got = driver.order(b"t", pickle.dumps(bomb))
    tap.result(got == (True, b"\x08"), "tuples that would be huge as plain data are a pickle",
               repr(got))

    data = pickle.dumps([value(random.Random(7), []), Plain(), "x" * 300], 4)
    refused = [driver.order(b"p", data[:cut])[0] is False for cut in range(len(data))]
    tap.result(all(refused), "a pickle that is cut off anywhere is refused")

    for levels, works in ((90000, True), (200000, False)):
        worked, result = driver.order(b"p", deep(levels))
        good = result == deep(levels) if works else not worked and b"within values" in result
        tap.result(good, f"lists {levels} deep are {'written as read' if works else 'refused'}",
                   repr(result[:200]))

    for data, word in ((b"\x80\x04\x95\0\0\0\0\0\0\0\0Pabc\n.", b"PERSID"), (b"NQ.", b"BINPERSID"),
                       (b"\x82\x01.", b"EXT1"), (b"\x97.", b"NEXT_BUFFER"),
                       (b"\x80\x06N.", b"protocol 6"), (b"N0.", b"empty stack"), (b"1.", b"mark"),
                       (b"h\x05.", b"memo"), (b"j\xff\xff\xff\xff.", b"memo"),
                       (b"Nr\xff\xff\xff\x7f.", b"memo"),
                       (b"\x8e" + b"\xff" * 8 + b".", b"cut off"),
                       (b"\x8b\xff\xff\xff\xff.", b"negative"), (b"(K\x01d.", b"without a value"),
                       (b"\x8c\x01\xff.", b"UTF-8"), (b"}K\x01R.", b"tuple"), (b"Nb.", b"empty"),
                       (b"NNb.", b"state"), (b"NNa.", b"container"), (b"\xff.", b"none"),
                       (b"I1x\n.", b"number"), (b"L" + b"9" * 4301 + b"L\n.", b"digits"),
                       (b"F0x1p3\n.", b"float"), (b"S'a\n.", b"quotes"), (b"V\\u12\n.", b"escape")):
        worked, result = driver.order(b"p", data)
        tap.result(not worked and word in result, f"{data[:20]!r} is refused for what it is",
                   repr(result))

    for i in range(DAMAGES):
        if i % 100 == 0:
            data = dumps(value(r, []), r.choice(PROTOCOLS)) or pickle.dumps([1], 2)
        hurt = bytearray(data)
        for _ in range(r.randrange(1, 4)):
            hurt[r.randrange(len(hurt))] = r.choice([r.randrange(256), r.choice(data)])
        driver.order(r.choice([b"p", b"v"]), bytes(hurt))
    tap.result(driver.process.poll() is None, f"{DAMAGES} damaged pickles do no harm")
    tap.finish()


if __name__ == "__main__":
    main(sys.argv[1])
