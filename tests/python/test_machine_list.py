"""kith.List, by several processes, against a list: see machine.py."""

import unittest

import support

support.needs("hypothesis")
import hypothesis
from hypothesis import stateful, strategies

import machine
from machine import bounds, by, items, no_places, places_in, simple, slices


def has_order(value):
    """Whether sorting is told by <: sets have it, and mean another thing by it."""
    if isinstance(value, (list, tuple)):
        return all(map(has_order, value))
    return not isinstance(value, set)


class Lists(machine.Machine):
    kind = "list"

    @stateful.initialize(first=strategies.lists(items, max_size=9))
    def start(self, first):
        self.begin([])
        self.do(0, ".extend", first)

    @stateful.invariant()
    def same(self):
        self.whole("[]", self.model, slice(None))
        self.whole("len", len(self.model))

    @stateful.rule(by=by, value=items)
    def append(self, by, value):
        self.do(by, ".append", value)

    @stateful.rule(by=by, values=strategies.lists(items, max_size=4),
                   how=strategies.sampled_from([".extend", "iadd"]),
                   kind=strategies.sampled_from([list, tuple]))
    def extend(self, by, values, how, kind):
        self.do(by, how, kind(values))

    @stateful.rule(by=by, at=places_in, value=items)
    def insert(self, by, at, value):
        self.do(by, ".insert", at, value)

    @stateful.rule(by=by, args=strategies.lists(places_in, max_size=1))
    def pop(self, by, args):
        self.do(by, ".pop", *args)

    @stateful.rule(by=by, at=strategies.one_of(bounds, slices, no_places))
    def get(self, by, at):
        self.do(by, "[]", at)

    @stateful.rule(by=by, at=strategies.one_of(places_in, no_places), value=items)
    def set(self, by, at, value):
        self.do(by, "[]=", at, value)

    @stateful.rule(by=by, at=slices, values=strategies.lists(items, max_size=4))
    def set_slice(self, by, at, values):
        self.do(by, "[]=", at, values)

    @stateful.rule(by=by, start=places_in, step=strategies.sampled_from([2, 3, -1, -2]),
                   value=items)
    def set_every(self, by, start, step, value):
        at = slice(start, None, step)
        self.do(by, "[]=", at, [value] * len(self.model[at]))

    @stateful.rule(by=by, at=strategies.one_of(places_in, slices, no_places))
    def delete(self, by, at):
        self.do(by, "del", at)

    @stateful.rule(by=by, value=items, more=strategies.lists(places_in, max_size=2),
                   data=strategies.data())
    def find(self, by, value, more, data):
        if self.model and data.draw(strategies.booleans()):
            value = data.draw(strategies.sampled_from(self.model))
        self.do(by, ".index", value, *more)
        self.do(by, ".count", value)
        self.do(by, "in", value)

    @stateful.rule(by=by, value=items, data=strategies.data())
    def remove(self, by, value, data):
        if self.model and data.draw(strategies.booleans()):
            value = data.draw(strategies.sampled_from(self.model))
        self.do(by, ".remove", value)

    @stateful.rule(by=by)
    def reverse(self, by):
        self.do(by, ".reverse")

    @stateful.rule(by=by, key=strategies.sampled_from([None, repr, str, bool]),
                   reverse=strategies.booleans())
    def sort(self, by, key, reverse):
        hypothesis.assume(key is not None or has_order(self.model))
        before = self.model[:]
        if self.do(by, ".sort", key=key, reverse=reverse)[0] == "raises":
            self.model[:] = before  # a list may be left half sorted, and ours is not

    @stateful.rule(by=by, name=strategies.sampled_from(
        ["iter", "reversed", ".copy", "len"]))
    def whole_of(self, by, name):
        self.do(by, name)

    @stateful.rule(by=by, other=strategies.lists(simple, max_size=3),
                   name=strategies.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "add"]))
    def operate(self, by, other, name):
        self.do(by, name, other)

    @stateful.rule(by=by, times=strategies.integers(-1, 2),
                   name=strategies.sampled_from(["mul", "imul"]))
    def repeat(self, by, times, name):
        hypothesis.assume(len(self.model) < 50)
        self.do(by, name, times)
        self.do(by, "right", "mul", times)

    @stateful.rule(by=by)
    def equal(self, by):
        self.do(by, "eq", list(self.model))

    @stateful.precondition(machine.is_long)
    @stateful.rule(by=by)
    def clear(self, by):
        self.do(by, ".clear")


class Machines(unittest.TestCase):
    def test_list(self):
        """What several processes do to it is what a list does"""
        machine.run(self, Lists)


if __name__ == "__main__":
    support.main()
