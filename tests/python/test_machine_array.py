"""kith.Array, by several processes, against an array.array: see machine.py."""

import array
import unittest

import support

support.needs("hypothesis")
import hypothesis
from hypothesis import stateful, strategies

import machine
from machine import bounds, by, no_places, places_in, slices


RANGES = {"b": (-2 ** 7, 2 ** 7), "B": (0, 2 ** 8), "h": (-2 ** 15, 2 ** 15), "H": (0, 2 ** 16),
          "i": (-2 ** 31, 2 ** 31), "I": (0, 2 ** 32), "l": (-2 ** 63, 2 ** 63),
          "L": (0, 2 ** 64), "q": (-2 ** 63, 2 ** 63), "Q": (0, 2 ** 64)}


class PlainArray(array.array):
    """An array.array whose slices are lists and are assigned from lists, of fixed length."""

    def __getitem__(self, at):
        found = super().__getitem__(at)
        return list(found) if isinstance(at, slice) else found

    def __setitem__(self, at, value):
        if isinstance(at, slice):
            value = array.array(self.typecode, value)
            if len(value) != len(self[at]):
                raise ValueError
        super().__setitem__(at, value)

    def add(self, at, n=1):
        self[at] += n
        return self[at]

    def cas(self, at, expected, value):
        expected, value = array.array(self.typecode, [expected, value])
        same = self[at] == expected
        if same:
            self[at] = value
        return same


class Arrays(machine.Machine):
    kind = "array"

    @stateful.initialize(data=strategies.data(), code=strategies.sampled_from("bBhHiIlLqQfd"),
                         count=strategies.integers(1, 9))
    def start(self, data, code, count):
        if code in RANGES:
            low, end = RANGES[code]
            self.numbers = strategies.one_of(
                strategies.integers(max(low, -3), 3),
                strategies.sampled_from([low, low + 1, end - 1, end - 2]))
            self.no_numbers = strategies.sampled_from([low - 1, end, 2 ** 70, -2 ** 70])
            self.no_types = strategies.sampled_from([1.0, "1", None, b"1", [1]])
        else:
            self.numbers = strategies.sampled_from([0.0, -0.0, 1.5, -2.0, float("inf"), 3, True])
            self.no_numbers = strategies.just(2 ** 1100)
            self.no_types = strategies.sampled_from(["1", None, b"1", [1], 1j])
        first = data.draw(strategies.lists(self.numbers, min_size=count, max_size=count))
        self.begin(PlainArray(code, first), type=code, initial=first)
        self.code = code

    @stateful.invariant()
    def same(self):
        self.whole("[]", list(self.model), slice(None))
        self.whole("memory", list(self.model))

    @stateful.rule(by=by, at=strategies.one_of(bounds, slices, no_places))
    def get(self, by, at):
        hypothesis.assume(at is not None)
        self.do(by, "[]", at)

    @stateful.rule(by=by, at=places_in, data=strategies.data())
    def set(self, by, at, data):
        self.do(by, "[]=", at, data.draw(self.numbers))

    @stateful.rule(by=by, at=places_in, data=strategies.data())
    def set_wrong(self, by, at, data):
        value = data.draw(strategies.one_of(self.no_numbers, self.no_types))
        hypothesis.assume(-len(self.model) <= at < len(self.model))
        self.do(by, "[]=", at, value)

    @stateful.rule(by=by, at=slices, data=strategies.data(), more=strategies.integers(-1, 1),
                   kind=strategies.sampled_from([list, tuple]))
    def set_slice(self, by, at, data, more, kind):
        count = max(len(self.model[at]) + more * data.draw(strategies.integers(0, 1)), 0)
        values = data.draw(strategies.lists(self.numbers, min_size=count, max_size=count))
        self.do(by, "[]=", at, kind(values))

    @stateful.rule(by=by, at=slices, data=strategies.data())
    def set_slice_wrong(self, by, at, data):
        count = len(self.model[at])
        hypothesis.assume(count > 0)
        values = [1] * count
        values[-1] = data.draw(strategies.one_of(self.no_numbers, self.no_types))
        self.do(by, "[]=", at, values)

    @stateful.rule(by=by, at=places_in)
    def delete(self, by, at):
        assert self.places.workers[by].perform("del", (at,)) == ("raises", "TypeError")

    @stateful.rule(by=by, at=places_in, n=strategies.integers(-3, 3))
    def add(self, by, at, n):
        if self.code in RANGES and -len(self.model) <= at < len(self.model):
            low, end = RANGES[self.code]
            if not low <= self.model[at] + n < end:
                found = self.places.workers[by].perform(".add", (at, n))
                assert found == ("raises", "OverflowError"), found
                return
        self.do(by, ".add", at, n)

    @stateful.rule(by=by, at=places_in, data=strategies.data(), known=strategies.booleans())
    def cas(self, by, at, data, known):
        hypothesis.assume(-len(self.model) <= at < len(self.model))
        expected = self.model[at] if known else data.draw(self.numbers)
        # Which zero is there is a question of bytes to a kith.Array, and not to array.array.
        hypothesis.assume(self.code in RANGES or known or expected != 0 or self.model[at] != 0)
        self.do(by, ".cas", at, expected, data.draw(self.numbers))

    @stateful.rule(by=by, data=strategies.data(),
                   more=strategies.lists(places_in, max_size=2))
    def find(self, by, data, more):
        value = data.draw(strategies.one_of(self.numbers, self.no_numbers, self.no_types))
        self.do(by, "in", value)
        self.do(by, ".count", value)
        self.do(by, ".index", value, *more)

    @stateful.rule(by=by, name=strategies.sampled_from(["iter", "reversed", "len"]))
    def whole_of(self, by, name):
        self.do(by, name)

    @stateful.rule(by=by, at=places_in, data=strategies.data())
    def memory(self, by, at, data):
        value = data.draw(self.numbers)
        hypothesis.assume(-len(self.model) <= at < len(self.model))
        assert self.places.workers[by].perform("memory=", (at, value)) == ("gives", None)
        self.model[at] = value


class Machines(unittest.TestCase):
    def test_array(self):
        """What several processes do to it is what an array.array does"""
        machine.run(self, Arrays)


if __name__ == "__main__":
    support.main()
