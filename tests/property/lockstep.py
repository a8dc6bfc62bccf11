#!/usr/bin/env python3
"""Does the same random things to Kith's list, dict and set and to Python's own, and compares.

    lockstep.py DRIVER [OPERATIONS]

After every operation the outcome and all that is in the object are compared.  Prints TAP, and the
seed, which KITH_TEST_SEED sets.
"""

import os
import random
import subprocess
import sys

BATCH = 400


def word(item):
    if item is None:
        return "n"
    if item is True:
        return "t"
    if item is False:
        return "f"
    if isinstance(item, int):
        return f"i{item}"
    if isinstance(item, float):
        return "d" + c_hex(item)
    return "s" + item


def c_hex(real):
    """As printf has %a: without the zeros that float.hex() writes."""
    text = real.hex()
    mantissa, exponent = text.split("p")
    if "." in mantissa:
        mantissa = mantissa.rstrip("0").rstrip(".")
    return f"{mantissa}p{exponent}"


TEXTS = ["", "a", "ab", "a_text_of_more_than_eight_bytes", "x" * 100, "y" * 3000]


def some_item(rng):
    return rng.choice((
        lambda: rng.randrange(8), lambda: rng.randrange(-10**18, 10**18),
        lambda: float(rng.randrange(4)), lambda: rng.random(), lambda: None, lambda: True,
        lambda: False, lambda: rng.choice(TEXTS), lambda: f"k{rng.randrange(40)}",
        lambda: rng.randrange(100)))()


def some_index(rng, length):
    return rng.choice((lambda: rng.randrange(-length - 3, length + 3), lambda: 0, lambda: -1,
                       lambda: length))()


class Failed(Exception):
    pass


def difference(command, want, got):
    at = next((i for i, pair in enumerate(zip(want, got)) if pair[0] != pair[1]),
              min(len(want), len(got)))
    at = max(at - 40, 0)
    return (f"{command[:200]}\n#   after {at} bytes that agree\n#   want {want[at:at + 200]}\n"
            f"#   got  {got[at:at + 200]}")


class Driver:
    """The program, and what is expected of it: compared a batch at a time."""

    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        universal_newlines=True)
        self.sent = []

    def do(self, command, expected):
        self.sent.append((command, expected))
        if len(self.sent) >= BATCH or len(command) > 30000:
            self.compare()

    def compare(self):
        done = 0
        while done < len(self.sent):  # no more at once than the pipes hold, lest both sides block
            size, upto = 0, done
            while upto < len(self.sent) and (upto == done or size < 30000):
                size += len(self.sent[upto][0]) + len(self.sent[upto][1]) + 2
                upto += 1
            text = "".join(command + "\n" for command, _ in self.sent[done:upto])
            self.process.stdin.write(text + "F F\n")
            self.process.stdin.flush()
            for command, expected in self.sent[done:upto]:
                got = self.process.stdout.readline().rstrip("\n")
                if got != expected:
                    raise Failed(difference(command, expected, got))
            done = upto
        self.sent = []

    def close(self):
        self.compare()
        self.process.stdin.close()
        if self.process.wait() != 0:
            raise Failed("the driver failed")


def attempt(call):
    try:
        return call()
    except KeyError:
        return "absent"
    except IndexError as error:
        return "empty" if "empty" in str(error) else "range"
    except TypeError:
        return "type"


# ---- list ----

def list_pop(own, index):
    return "ok " + word(own.pop(index))


def list_remove(own, item):
    try:
        own.remove(item)
    except ValueError:
        return "absent"
    return "ok"


def list_index(own, item, start, stop):
    try:
        return f"ok {own.index(item, start, stop)}"
    except ValueError:
        return "absent"


def list_set(own, index, item):
    own[index] = item
    return "ok"


def list_set_slice(own, a, b, step, items):
    if step == 1:
        own[a:b] = items
        return "ok"
    try:
        own[a:b:step] = items
    except ValueError:
        return "invalid"
    return "ok"


def list_sort(own, descending):
    """Python leaves a list that could not be sorted half sorted; Kith leaves it as it was."""
    try:
        made = sorted(own, reverse=descending)
    except TypeError:
        return "type"
    own[:] = made
    return "ok"


def list_step(rng, own, most):
    length = len(own)
    grow = length < most * rng.random()
    item = some_item(rng)
    i, j = some_index(rng, length), some_index(rng, length)
    step = rng.choice((1, 1, 2, 3, -1, -2, 7))
    kind = rng.randrange(100)
    if kind < 18:
        if grow:
            own.append(item)
            return f"append {word(item)}", "ok"
        return f"pop {i}", attempt(lambda: list_pop(own, i))
    if kind < 36:
        if grow:
            own.insert(i, item)
            return f"insert {i} {word(item)}", "ok"
        at = rng.choice((0, -1))
        return f"pop {at}", attempt(lambda: list_pop(own, at))
    if kind < 46:
        return f"set {i} {word(item)}", attempt(lambda: list_set(own, i, item))
    if kind < 52:
        return f"get {i}", attempt(lambda: "ok " + word(own[i]))
    if kind < 58:
        return f"remove {word(item)}", list_remove(own, item)
    if kind < 63:
        return f"index {word(item)} {i} {j}", list_index(own, item, i, j)
    if kind < 66:
        return f"count {word(item)}", f"ok {own.count(item)}"
    if kind < 76:
        items = [some_item(rng) for _ in range(rng.choice((0, 1, 3, 20, 70, most // 3)))]
        if grow:
            own.extend(items)
            return "extend " + " ".join(map(word, items)), "ok"
        del own[i:j]
        return f"delslice {i} {j} 1", "ok"
    if kind < 81:
        return f"slice {i} {j} {step}", "ok" + "".join(" " + word(x) for x in own[i:j:step]) + "ok"
    if kind < 90:
        count = len(own[i:j:step])
        if step == 1 or rng.random() < 0.2:
            count = rng.choice((0, 1, 5, 40)) if grow else rng.choice((0, 1, 5))
        items = [some_item(rng) for _ in range(count)]
        return (f"setslice {i} {j} {step} " + " ".join(map(word, items)),
                list_set_slice(own, i, j, step, items))
    if kind < 94:
        del own[i:j:step]
        return f"delslice {i} {j} {step}", "ok"
    if kind < 97:
        own.reverse()
        return "reverse x", "ok"
    if kind < 99:
        if rng.random() < 0.5:
            own[:] = [x for x in own if isinstance(x, (int, float))]
            return "filter", None
        descending = rng.random() < 0.5
        return f"sort {int(descending)}", list_sort(own, descending)
    if rng.random() < 0.3:
        own.clear()
        return "clear x", "ok"
    return "len x", f"ok {len(own)}"


def show_list(own):
    return "|" + "".join([" " + word(item) for item in own]) + "ok"


def lists(driver, rng, operations):
    own = []
    for n in range(operations):
        most = 400
        if n % 5000 == 4999:
            own = []
            driver.do(f"N {n}", "ok")
        elif n % 10000 < 40:
            most = 9000
        before = list(own)
        command, outcome = list_step(rng, own, most)
        if outcome is None:  # what cannot be compared goes: a slice assignment of all that can
            command = "setslice 0 %d 1 %s" % (len(before), " ".join(map(word, own)))
            outcome = "ok"
        driver.do("L " + command, outcome + show_list(own))
        if n % 500 == 0:
            driver.do("C C", "ok")


# ---- dict ----

def some_key(rng):
    return rng.choice((
        lambda: rng.randrange(200), lambda: float(rng.randrange(20)), lambda: rng.random(),
        lambda: rng.random() < 0.5, lambda: None, lambda: f"key{rng.randrange(300)}",
        lambda: rng.choice(TEXTS[1:])))()


def dict_step(rng, own, most):
    key, item = some_key(rng), some_item(rng)
    kind = rng.randrange(100)
    if kind < 40 and len(own) > most * rng.random():
        kind = 40 + kind
    if kind < 40:
        own[key] = item
        return f"set {word(key)} {word(item)}", "ok"
    if kind < 60:
        if own and rng.random() < 0.7:
            key = rng.choice(list(own))
        if key not in own:
            return f"delete {word(key)}", "absent"
        del own[key]
        return f"delete {word(key)}", "ok"
    if kind < 70:
        return f"pop {word(key)}", attempt(lambda: "ok " + word(own.pop(key)))
    if kind < 76:
        if not own:
            return "popitem x", "empty"
        last = own.popitem()
        return "popitem x", f"ok {word(last[0])}={word(last[1])}"
    if kind < 84:
        return f"setdefault {word(key)} {word(item)}", "ok " + word(own.setdefault(key, item))
    if kind < 88:
        return f"get {word(key)}", attempt(lambda: "ok " + word(own[key]))
    if kind < 91:
        return f"has {word(key)}", "ok" if key in own else "absent"
    if kind < 98:
        pairs = [(some_key(rng), some_item(rng)) for _ in range(rng.choice((0, 2, 30)))]
        own.update(pairs)
        return "update " + " ".join(f"{word(k)} {word(v)}" for k, v in pairs), "ok"
    if rng.random() < 0.1:
        own.clear()
        return "clear x", "ok"
    return "len x", f"ok {len(own)}"


def show_dict(own):
    return "|" + "".join([f" {word(key)}={word(own[key])}" for key in own]) + "ok"


def dicts(driver, rng, operations):
    own = {}
    for n in range(operations):
        if n % 5000 == 4999:
            own = {}
            driver.do(f"N {n}", "ok")
        command, outcome = dict_step(rng, own, 900 if n % 20000 < 300 else 150)
        driver.do("D " + command, outcome + show_dict(own))
        if n % 500 == 0:
            driver.do("C C", "ok")


# ---- set: a dict without items, for Python's own set has no order to compare ----

def words_of(members):
    return "".join([" " + word(member) for member in members])


def set_step(rng, own, other):
    """`own` and `other` are dicts, whose keys stand as a set's do; Python's set is asked too."""
    member = some_key(rng)
    if own and rng.random() < 0.3:
        member = rng.choice(list(own))
    kind = rng.randrange(100)
    if kind < 30 and len(own) > 150 * rng.random():
        kind = 32
    if kind < 30:
        own.setdefault(member)
        return f"add {word(member)}", "ok"
    if kind < 45:
        own.pop(member, None)
        return f"discard {word(member)}", "ok"
    if kind < 55:
        if member not in set(own):
            return f"remove {word(member)}", "absent"
        del own[member]
        return f"remove {word(member)}", "ok"
    if kind < 60:
        if not own:
            return "pop x", "empty"
        return "pop x", "ok " + word(own.popitem()[0])
    if kind < 70:
        return f"has {word(member)}", "ok" if member in set(own) else "absent"
    if kind < 76:
        other.setdefault(member)
        return f"other {word(member)}", "ok"
    if kind < 82:
        both = set(own) | set(other)
        shown = list(own) + [x for x in other if x not in own]
        assert len(shown) == len(both)
        return "union x", words_of(shown) + "ok"
    if kind < 88:
        both = set(own) & set(other)
        return "intersection x", words_of([x for x in own if x in both]) + "ok"
    if kind < 94:
        left = set(own) - set(other)
        return "difference x", words_of([x for x in own if x in left]) + "ok"
    if kind < 97:
        members = [some_key(rng) for _ in range(rng.choice((0, 2, 40)))]
        own.update(dict.fromkeys(members))
        return "update " + " ".join(map(word, members)), "ok"
    if rng.random() < 0.2:
        own.clear()
        return "clear x", "ok"
    return "len x", f"ok {len(set(own))}"


def sets(driver, rng, operations):
    own, other = {}, {}
    for n in range(operations):
        if n % 5000 == 4999:
            own, other = {}, {}
            driver.do(f"N {n}", "ok")
        command, outcome = set_step(rng, own, other)
        driver.do("S " + command, outcome + "|" + words_of(own) + "ok")
        if n % 500 == 0:
            driver.do("C C", "ok")


def main(arguments):
    operations = int(arguments[1]) if len(arguments) > 1 else 100000
    seed = int(os.environ.get("KITH_TEST_SEED") or random.randrange(2**32))
    trials = (("list", lists), ("dict", dicts), ("set", sets))
    failures = 0
    print(f"1..{len(trials)}\n# KITH_TEST_SEED={seed}", flush=True)
    for number, (name, run) in enumerate(trials, 1):
        driver = Driver(arguments[0])
        try:
            run(driver, random.Random(f"{seed} {name}"), operations)
            driver.close()
            print(f"ok {number} - {name}: {operations} operations as Python's own", flush=True)
        except (Failed, BrokenPipeError) as failure:
            failures += 1
            print(f"not ok {number} - {name}\n# {failure}", flush=True)
            driver.process.kill()
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
