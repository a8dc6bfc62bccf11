"""kith.Set, by several processes, against a set: see machine.py."""

import unittest

import support

support.needs("hypothesis")
from hypothesis import stateful, strategies

import machine
from machine import by, keys

# A set is looked for in a set as if it were a frozenset.
no_members = strategies.sampled_from([[], [1], {}, ([],), (1, {2: 3})])


class PlainSet(set):
    """Its results are plain sets."""


for method in ("union", "intersection", "difference", "symmetric_difference", "copy"):
    setattr(PlainSet, method, (
        lambda name: lambda self, *others: getattr(set(self), name)(*others))(method))


for method in ("__or__", "__and__", "__sub__", "__xor__",
               "__ror__", "__rand__", "__rsub__", "__rxor__"):
    setattr(PlainSet, method, (
        lambda name: lambda self, other: getattr(set(self), name)(other))(method))


class Sets(machine.Machine):
    kind = "set"
    others = strategies.lists(keys, max_size=4)

    @stateful.initialize(first=others)
    def start(self, first):
        self.begin(PlainSet())
        self.do(0, ".update", first)

    def told(self, found, expected, *what):
        # Which of two equal members a result has is nobody's promise.
        assert found == expected, f"{what} {found}, not {expected}"

    @stateful.invariant()
    def same(self):
        self.whole(".copy", set(self.model))
        self.whole("len", len(self.model))

    def known(self, data, key):
        if self.model and data.draw(strategies.integers(0, 2)):
            return data.draw(strategies.sampled_from(sorted(self.model, key=repr)))
        return key

    @stateful.rule(by=by, key=keys, data=strategies.data(), name=strategies.sampled_from(
        [".add", ".discard", ".remove", "in"]))
    def member(self, by, key, data, name):
        self.do(by, name, self.known(data, key) if name != ".add" else key)

    @stateful.rule(by=by, key=no_members,
                   name=strategies.sampled_from([".add", ".discard", ".remove", "in"]))
    def no_member(self, by, key, name):
        self.do(by, name, key)

    @stateful.rule(by=by)
    def pop(self, by):
        found = self.places.workers[by].perform(".pop")
        if not self.model:
            assert found == ("raises", "KeyError"), found
        else:
            assert found[0] == "gives" and found[1] in self.model, found
            self.model.discard(found[1])

    @stateful.rule(by=by, others=strategies.lists(others, max_size=3),
                   kind=strategies.sampled_from([list, tuple, set, dict.fromkeys]),
                   name=strategies.sampled_from([".union", ".intersection", ".difference",
                                                 ".update", ".intersection_update",
                                                 ".difference_update"]))
    def several(self, by, others, kind, name):
        if len(self.model) > 3 or name != ".intersection_update":
            self.do(by, name, *map(kind, others))

    @stateful.rule(by=by, other=others, data=strategies.data(),
                   kind=strategies.sampled_from([list, set, frozenset]),
                   name=strategies.sampled_from([".symmetric_difference", ".isdisjoint",
                                                 ".issubset", ".issuperset",
                                                 ".symmetric_difference_update"]))
    def one(self, by, other, data, kind, name):
        if data.draw(strategies.booleans()):
            other = other + list(self.model)[:3]
        self.do(by, name, kind(other))

    @stateful.rule(by=by, other=others,
                   kind=strategies.sampled_from([set, frozenset, list]),
                   mine=strategies.booleans(),
                   name=strategies.sampled_from(["eq", "ne", "lt", "le", "gt", "ge", "or_",
                                                 "and_", "sub", "xor", "ior", "iand", "isub",
                                                 "ixor"]))
    def operate(self, by, other, kind, mine, name):
        if mine or name == "iand":
            other = other + list(self.model)
        self.do(by, name, kind(other))
        if name in ("or_", "and_", "sub", "xor") and kind is set:
            self.do(by, "right", name, kind(other))

    @stateful.rule(by=by)
    def iterate(self, by):
        found = self.places.workers[by].perform("iter")[1]
        assert len(found) == len(self.model) and set(found) == self.model, found

    @stateful.precondition(machine.is_long)
    @stateful.rule(by=by)
    def clear(self, by):
        self.do(by, ".clear")


class Machines(unittest.TestCase):
    def test_set(self):
        """What several processes do to it is what a set does"""
        machine.run(self, Sets)


if __name__ == "__main__":
    support.main()
