"""Runs test classes of one of the suites, telling of each test as it begins and as it ends.

    worker.py METHOD CLASS[.TEST]...        prints `begin NAME`, then `RESULT NAME`, with the reason
"""
import os
import signal
import sys
import time
import traceback
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))


class Telling(unittest.TestResult):
    """Prints what happens; the reasons come indented, after the result."""

    def _tell(self, what, test, reason=""):
        name = test.id().partition(".")[2] if isinstance(test, unittest.TestCase) else str(test)
        took = "" if self._began is None else f" {time.monotonic() - self._began:.2f}"
        lines = "".join("\n    " + line for line in reason.rstrip().splitlines())
        print(f"{what} {name}{took if what != 'begin' else ''}{lines}", file=self._out, flush=True)

    def __init__(self, out):
        super().__init__()
        self._out = out
        self._began = None

    def startTest(self, test):
        super().startTest(test)
        self._began = time.monotonic()
        self._tell("begin", test)

    def addSuccess(self, test):
        self._tell("passed", test)

    def addSkip(self, test, reason):
        self._tell("skipped", test, reason)

    def addFailure(self, test, err):
        self._tell("failed", test, "".join(traceback.format_exception(*err)))

    addError = addFailure

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.addFailure(test, err)

    def addExpectedFailure(self, test, err):
        self._tell("passed", test)

    def addUnexpectedSuccess(self, test):
        self._tell("failed", test, "an unexpected success")


def main():
    method, *names = sys.argv[1:]
    # Results have a descriptor of their own: the tests print, too.
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    # A shell that runs this in the background has it ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    module = __import__("suite_" + method)
    if names == ["--list"]:
        for suite in unittest.defaultTestLoader.loadTestsFromModule(module):
            for test in suite:
                print(test.id().partition(".")[2], file=out)
        return
    tests = unittest.TestSuite(unittest.defaultTestLoader.loadTestsFromName(name, module)
                               for name in names)
    tests.run(Telling(out))
    print("end", file=out, flush=True)


if __name__ == "__main__":
    main()
