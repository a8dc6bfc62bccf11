"""Runs suites of tests that print TAP, and counts what they say.

    suites.py BUILD [SUITE...]      the suites named, or all, of the build directory BUILD

A suite is a folder of tests/.  Its tests are the programs that the build knows under that suite's
name, and its executable `run`.  Each is ended after its time limit.  A test that dies, hangs, or
prints fewer results than it announced counts as one failure more.

`run` finds in its environment KITH_SOURCE and KITH_BUILD, both absolute, and KITH_LONG, 0 or 1.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ORDER = ["tidy", "unit", "conformance", "crash", "property", "linear", "stress", "environment",
         "pool", "cli", "python", "examples", "install", "sanitize", "fuzz", "mistakes", "clang",
         "valgrind"]
RUN_LIMIT_S = 1800     # of a `run` script
LONG_FACTOR = 10       # by which --long stretches every limit
RESULT = re.compile(r"^(not )?ok\b[ \t]*\d*(.*)$")
PLAN = re.compile(r"^1\.\.(\d+)")


class Count:
    """Results so far."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_tap(text):
    """The Count of TAP output, and how many results it announced but did not give."""
    count = Count()
    planned = None
    for line in text.splitlines():
        result = RESULT.match(line)
        plan = PLAN.match(line)
        if plan:
            planned = (planned or 0) + int(plan.group(1))
        elif result and result.group(1):
            count.failed += 1
        elif result and re.search(r"#\s*skip", result.group(2), re.IGNORECASE):
            count.skipped += 1
        elif result:
            count.passed += 1
    given = count.passed + count.failed + count.skipped
    return count, (planned or 0) - given if planned is not None else 1 - min(given, 1)


def run_one(command, limit_s, env):
    """Output and exit status of a command in a process group of its own; status None: it hung."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, env=env, cwd=SOURCE,
                               start_new_session=True)
    try:
        output, _ = process.communicate(timeout=limit_s)
        status = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        status = None
    return output.decode("utf-8", "replace"), status


def say_why(name, status, missing, limit_s):
    if status is None:
        return f"{name} hung: it was killed after {limit_s} s"
    if status < 0:
        return f"{name} was killed by {signal.Signals(-status).name}"
    if missing > 0:
        return f"{name} ended with {missing} of its results missing"
    return f"{name} ended with status {status}, though no result failed"


def run_test(name, command, limit_s, env):
    """The Count of one test; shows its output if anything went wrong."""
    started = time.monotonic()
    output, status = run_one(command, limit_s, env)
    count, missing = count_tap(output)
    broken = status is None or status < 0 or missing > 0 or (status != 0 and count.failed == 0)
    if broken:
        count.failed += 1
    if count.failed:
        print(output.rstrip())
    elif name.startswith("crash:"):
        # What was stepped through is worth seeing when all is well, too.
        print("\n".join(line[2:] for line in output.splitlines() if line.startswith("# ")))
    if broken:
        print("not ok - " + say_why(name, status, missing, limit_s))
    print(f"{name}: {count} ({time.monotonic() - started:.1f} s)", flush=True)
    return count


def tests_of(build):
    """(suite, name, command, limit, environment) of every test that the build knows."""
    listed = subprocess.run(["meson", "introspect", "--tests", build], check=True,
                            stdout=subprocess.PIPE)
    for test in json.loads(listed.stdout):
        env = test["env"] if isinstance(test["env"], dict) else {}
        for suite in test["suite"]:
            yield suite.split(":")[-1], test["name"], test["cmd"], test["timeout"], env


def run_suite(suite, build, tests):
    long = os.environ.get("KITH_LONG") == "1"
    factor = LONG_FACTOR if long else 1
    env = dict(os.environ, KITH_SOURCE=SOURCE, KITH_BUILD=os.path.abspath(build),
               KITH_LONG="1" if long else "0", CMOCKA_MESSAGE_OUTPUT="TAP")
    count = Count()
    for its_suite, name, command, limit_s, its_env in tests:
        if its_suite == suite:
            count.add(run_test(f"{suite}: {name}", command, limit_s * factor, {**env, **its_env}))
    script = os.path.join(SOURCE, "tests", suite, "run")
    if os.access(script, os.X_OK):
        count.add(run_test(f"{suite}: run", [script], RUN_LIMIT_S * factor, env))
    return count


def all_suites(tests):
    """Every suite that has a test, the known ones in their order."""
    folder = os.path.join(SOURCE, "tests")
    found = {test[0] for test in tests}
    found |= {name for name in os.listdir(folder)
              if os.access(os.path.join(folder, name, "run"), os.X_OK)}
    return [name for name in ORDER if name in found] + sorted(found - set(ORDER))


def main(arguments):
    build, *suites = arguments
    tests = list(tests_of(build))
    count = Count()
    for suite in suites or all_suites(tests):
        count.add(run_suite(suite, build, tests))
    print(count)
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
