"""Processes that do to objects what they are told, each with handles of its own.

    workers.py ADDRESS      such a process: pickled requests on its input, pickled answers out

An operation is a name and arguments, and perform() does it to whatever it is given: here to the
plain object that says what has to come out, there to a handle.
"""

import array
import operator
import os
import pickle
import queue
import subprocess
import sys

import kith

ERRORS = (queue.Full, queue.Empty, KeyError, IndexError, OverflowError, ValueError, TypeError)
# What is no method of the same name; a result that is the object itself is told as ITSELF.
OPERATIONS = {
    "[]": operator.getitem, "[]=": operator.setitem, "del": operator.delitem,
    "in": operator.contains, "len": len, "iter": list,
    "reversed": lambda target: list(reversed(target)),
    "list of": lambda target, name: list(getattr(target, name)()),
    "reversed of": lambda target, name: list(reversed(getattr(target, name)())),
    "in of": lambda target, name, value: value in getattr(target, name)(),
    "len of": lambda target, name: len(getattr(target, name)()),
    "memory": lambda target: memoryview(target).tolist(),
    "memory=": lambda target, at, value: operator.setitem(memoryview(target), at, value),
    "right": lambda target, name, other: getattr(operator, name)(other, target),
}
OPERATIONS.update((name, getattr(operator, name)) for name in (
    "eq", "ne", "lt", "le", "gt", "ge", "add", "mul", "iadd", "imul", "or_", "and_", "sub", "xor",
    "ior", "iand", "isub", "ixor"))
ITSELF = "the object itself"


def perform(target, name, args=(), options=None):
    """("gives", what it gives) or ("raises", the standard exception)."""
    try:
        if name.startswith("."):
            result = getattr(target, name[1:])(*args, **(options or {}))
        else:
            result = OPERATIONS[name](target, *args)
    except ERRORS as error:
        return "raises", next(each.__name__ for each in ERRORS if isinstance(error, each))
    return "gives", ITSELF if result is target else result


def shape(value):
    """A value with the types of all its parts, so that 1, 1.0 and True differ."""
    kind = type(value).__name__
    if isinstance(value, (list, tuple, array.array)):
        return kind, [shape(part) for part in value]
    if isinstance(value, dict):
        return kind, [(shape(key), shape(part)) for key, part in value.items()]
    if isinstance(value, (set, frozenset)):
        return kind, sorted(map(repr, map(shape, value)))
    return kind, repr(value)


class Worker:
    """A process of workers.py."""

    def __init__(self, address):
        self._process = subprocess.Popen(
            [sys.executable, "-X", "dev", "-W", "error", os.path.abspath(__file__), address],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def _ask(self, *request):
        pickle.dump(request, self._process.stdin)
        self._process.stdin.flush()
        good, answer = pickle.load(self._process.stdout)
        if not good:
            raise AssertionError(f"{request}: {answer}")
        return answer

    def open(self, kind, name):
        """Opens a handle; all else goes to the one opened last, or to one that stands there."""
        self._ask("open", kind, name)

    def perform(self, name, args=(), options=None):
        return self._ask("perform", name, args, options)

    def keep(self, key, name, args=(), options=None):
        """Whether it gave something, which stays with the worker as `key`; or what it raises."""
        return self._ask("keep", key, name, args, options)

    def perform_kept(self, key, name, args=()):
        return self._ask("perform kept", key, name, args)

    def end(self):
        self._process.stdin.close()
        self._process.stdout.close()
        return self._process.wait()


def serve(address, requests, answers):
    handle, kept = None, {}
    space = kith.open(address, create=False)
    while True:
        try:
            what, *rest = pickle.load(requests)
        except EOFError:
            break
        good, answer = True, None
        try:
            if what == "open":
                kept.clear()
                handle = getattr(space, rest[0])(rest[1], create=False)
            elif what == "perform":
                answer = perform(handle, *rest)
            elif what == "keep":
                key, name, args, options = rest
                answer = perform(handle, name, args, options)
                if answer[0] == "gives":
                    kept[key] = answer[1]
                    answer = "gives", getattr(answer[1], "item", None)
            else:
                key, name, args = rest
                answer = perform(kept.pop(key), name, args)
        except BaseException as error:  # noqa: B902
            good, answer = False, f"{type(error).__name__}: {error}"
        pickle.dump((good, answer), answers)
        answers.flush()
    kept.clear()
    space.close()


if __name__ == "__main__":
    serve(sys.argv[1], sys.stdin.buffer, sys.stdout.buffer)
