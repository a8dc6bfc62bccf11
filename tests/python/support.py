"""What the tests of the package share: spaces, processes that are seen to sleep, TAP."""

import importlib
import os
import signal
import subprocess
import sys
import time
import traceback
import unittest

import kith

# A shell starts what it runs in the background with SIGINT ignored, and then Python leaves it so.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
LONG = os.environ.get("KITH_LONG") == "1"
# How long what has to come may take before the test has failed; it is never waited out else.
CEILING_S = 60.0


class Tap(unittest.TestResult):
    """Prints each result as it comes."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def tell(self, good, test, more="", why=""):
        self.count += 1
        name = test.shortDescription() or str(test)
        print(f"{'ok' if good else 'not ok'} {self.count} - {name}{more}")
        for line in why.rstrip().splitlines():
            print("# " + line)
        sys.stdout.flush()

    def addSuccess(self, test):
        self.tell(True, test)

    def addSkip(self, test, reason):
        self.tell(True, test, f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell(False, test, why="".join(traceback.format_exception(*err)))

    def addError(self, test, err):
        super().addError(test, err)
        self.tell(False, test, why="".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.tell(False, test, " " + subtest._subDescription(),
                      "".join(traceback.format_exception(*err)))


def main():
    """Runs the tests of the file that calls this."""
    suite = unittest.defaultTestLoader.loadTestsFromName("__main__")
    result = Tap()
    suite.run(result)
    print("# end", flush=True)
    sys.exit(0 if result.wasSuccessful() else 1)


def needs(module):
    """Ends a file of tests whose module from elsewhere is not installed, with the reason."""
    try:
        importlib.import_module(module)
    except ImportError as error:
        print(f"ok 1 - the tests with {module} # SKIP {error}\n# end", flush=True)
        sys.exit(0)


class Case(unittest.TestCase):
    """A test with a space of its own."""

    address = "mem://"
    options = {}

    def setUp(self):
        self.space = kith.open(self.address, **self.options)
        self.addCleanup(self.space.close)

    def check(self):
        """The space is whole."""
        self.assertEqual(self.space.check().violations, [])


def named(test):
    """The address of a named space that is removed after the test."""
    name = f"test-{os.getpid()}-{test.id().rpartition('.')[2]}"

    def remove():
        try:
            kith.remove(name)
        except kith.NotFoundError:
            pass

    test.addCleanup(remove)
    return name


def until(condition, what="it"):
    """Waits until condition() is true."""
    deadline = time.monotonic() + CEILING_S
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"{what} did not come about")
        time.sleep(0.001)


# The numbers of futex on x86-64 and on all later processors, of futex_waitv, and the flag of a
# futex within one process: on such a one a thread waits for the interpreter, which says nothing.
_FUTEX, _FUTEX_WAITV, _PRIVATE = ("202", "98"), "449", 128


def is_asleep(pid, thread=None):
    """Whether a thread of a process sleeps on a word of shared memory."""
    try:
        with open(f"/proc/{pid}/task/{thread or pid}/syscall", encoding="ascii") as file:
            call, *arguments = file.read().split()
    except OSError:
        return False
    return call == _FUTEX_WAITV or (call in _FUTEX and int(arguments[1], 16) & _PRIVATE == 0)


class Child:
    """A forked child that runs function(*args); its status is 0 if that returned."""

    def __init__(self, function, *args):
        sys.stdout.flush()
        self.pid = os.fork()
        self.status = None
        if self.pid == 0:
            status = 1
            try:
                function(*args)
                status = 0
            except BaseException:  # noqa: B902
                traceback.print_exc()
            finally:
                os._exit(status)

    def until_asleep(self):
        until(lambda: is_asleep(self.pid), "its sleep")

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def wait(self):
        """Its exit status, negative if a signal ended it."""
        if self.status is None:
            deadline = time.monotonic() + CEILING_S
            while True:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                if pid:
                    break
                if time.monotonic() > deadline:
                    os.kill(self.pid, signal.SIGKILL)
                    os.waitpid(self.pid, 0)
                    raise AssertionError("a child hung")
                time.sleep(0.0005)
            self.status = os.waitstatus_to_exitcode(status)
        return self.status


def script(text, *arguments, **options):
    """Runs a Python program of its own, strictly; (status, output, messages)."""
    done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", text, *arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=CEILING_S,
                          universal_newlines=True, **options)
    return done.returncode, done.stdout, done.stderr
