"""kith.Dict, by several processes, against a dict: see machine.py."""

import unittest

import support

support.needs("hypothesis")
import hypothesis
from hypothesis import stateful, strategies

import machine
from machine import by, items, keys, not_keys, simple
from workers import shape


class PlainDict(dict):
    """A dict, with what a kith.Dict has besides."""

    def insert(self, key, value):
        new = key not in self
        self.setdefault(key, value)
        return new

    def replace(self, key, value):
        there = key in self
        if there:
            self[key] = value
        return there

    def delete_if(self, key, expected):
        same = key in self and shape(self[key]) == shape(expected)
        if same:
            del self[key]
        return same

    def swap(self, key, value, default=None):
        before = self.get(key, default)
        self[key] = value
        return before

    def cas(self, key, expected, value):
        same = key in self and shape(self[key]) == shape(expected)
        if same:
            self[key] = value
        return same

    def get_many(self, wanted, default=None):
        return [self.get(key, default) for key in wanted]

    def delete_many(self, unwanted):
        return sum(self.pop(key, self) is not self for key in unwanted)

    def modify(self, key, function, default=None):
        self[key] = function(self.get(key, default))
        return self[key]

    def _number(self, key, n, function):
        now = self.get(key, 0)
        if not isinstance(now, int):
            raise TypeError
        if abs(now) > 2 ** 62 or abs(n) > 2 ** 62:
            hypothesis.reject()
        self[key] = function(now, n)
        return self[key]

    def add(self, key, n=1):
        return self._number(key, n, lambda a, b: a + b)

    def sub(self, key, n=1):
        return self._number(key, n, lambda a, b: a - b)

    def or_(self, key, n):
        return self._number(key, n, lambda a, b: a | b)

    def xor(self, key, n):
        return self._number(key, n, lambda a, b: a ^ b)


class Dicts(machine.Machine):
    kind = "dict"
    names = strategies.sampled_from(["keys", "values", "items"])

    @stateful.initialize(first=strategies.dictionaries(keys, items, max_size=9))
    def start(self, first):
        self.begin(PlainDict())
        self.do(0, ".update", first)

    @stateful.invariant()
    def same(self):
        self.whole(".copy", dict(self.model))
        self.whole("len", len(self.model))
        self.whole("list of", list(self.model.items()), "items")

    def known(self, data, key):
        """Mostly a key that is there."""
        if self.model and data.draw(strategies.integers(0, 2)):
            return data.draw(strategies.sampled_from(list(self.model)))
        return key

    @stateful.rule(by=by, key=keys, value=items)
    def set(self, by, key, value):
        self.do(by, "[]=", key, value)

    @stateful.rule(by=by, key=not_keys, name=strategies.sampled_from(
        ["[]", "del", "in", ".get", ".pop", ".setdefault"]))
    def no_key(self, by, key, name):
        hypothesis.assume(self.model)  # an empty dict does not always look at the key
        self.do(by, name, key)

    @stateful.rule(by=by, key=keys, data=strategies.data(),
                   name=strategies.sampled_from(["[]", "in", ".get", ".pop", "del"]))
    def at_key(self, by, key, data, name):
        self.do(by, name, self.known(data, key))

    @stateful.rule(by=by, key=keys, value=items, data=strategies.data(),
                   name=strategies.sampled_from([".get", ".pop", ".setdefault", ".insert",
                                                 ".replace", ".swap", ".delete_if"]))
    def key_and_value(self, by, key, value, data, name):
        key = self.known(data, key)
        if name == ".delete_if" and key in self.model and data.draw(strategies.booleans()):
            value = self.model[key]
        self.do(by, name, key, value)

    @stateful.rule(by=by, key=keys, expected=items, value=items, data=strategies.data())
    def cas(self, by, key, expected, value, data):
        key = self.known(data, key)
        if key in self.model and data.draw(strategies.booleans()):
            expected = self.model[key]
        self.do(by, ".cas", key, expected, value)

    @stateful.rule(by=by, others=strategies.dictionaries(keys, items, max_size=4),
                   pairs=strategies.booleans(),
                   more=strategies.dictionaries(strategies.sampled_from("abc"), simple,
                                                max_size=2))
    def update(self, by, others, pairs, more):
        self.do(by, ".update", list(others.items()) if pairs else others, **more)

    @stateful.rule(by=by, other=strategies.dictionaries(keys, items, max_size=4),
                   name=strategies.sampled_from(["or_", "ior", "eq", "ne"]))
    def operate(self, by, other, name):
        self.do(by, name, other)
        if name == "or_":
            self.do(by, "right", "or_", other)

    @stateful.rule(by=by)
    def popitem(self, by):
        self.do(by, ".popitem")

    @stateful.rule(by=by, name=names, value=items, key=keys, data=strategies.data())
    def views(self, by, name, value, key, data):
        key = self.known(data, key)
        value = self.model.get(key, value)
        self.do(by, "list of", name)
        self.do(by, "reversed of", name)
        self.do(by, "len of", name)
        self.do(by, "in of", name, {"keys": key, "values": value, "items": (key, value)}[name])

    @stateful.rule(by=by, name=strategies.sampled_from(["iter", "reversed", "len"]))
    def whole_of(self, by, name):
        self.do(by, name)

    @stateful.rule(by=by, wanted=strategies.lists(keys, max_size=4),
                   name=strategies.sampled_from([".get_many", ".delete_many"]))
    def many(self, by, wanted, name):
        self.do(by, name, wanted)

    @stateful.rule(by=by, key=keys, data=strategies.data(), n=strategies.integers(-5, 5),
                   name=strategies.sampled_from([".add", ".sub", ".or_", ".xor"]))
    def number(self, by, key, data, n, name):
        key = self.known(data, key)
        hypothesis.assume(abs(self.number_at(key)) < 2 ** 62)
        self.do(by, name, key, n)

    def number_at(self, key):
        now = self.model.get(key, 0)
        # To a float, an int is added as one: that is not what this rule is about.
        hypothesis.assume(type(now) is not float)
        return now if isinstance(now, int) else 0

    @stateful.rule(by=by, key=keys, data=strategies.data(),
                   function=strategies.sampled_from([repr, bool, type(None).__repr__]))
    def modify(self, by, key, data, function):
        self.do(by, ".modify", self.known(data, key), function)

    @stateful.precondition(machine.is_long)
    @stateful.rule(by=by)
    def clear(self, by):
        self.do(by, ".clear")


class Machines(unittest.TestCase):
    def test_dict(self):
        """What several processes do to it is what a dict does"""
        machine.run(self, Dicts)


if __name__ == "__main__":
    support.main()
