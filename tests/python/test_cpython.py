"""CPython's own tests of multiprocessing, over kith.multiprocessing: see cpython/cpython_suite.py.

    test_cpython.py [METHOD [CLASS[.TEST]]...]

Of the start methods fork alone, all three with --long.  Each class runs in a process of its own;
a test that says nothing for CEILING_S has hung.  What fails is run again, by itself and up to three
times, since many of these tests measure time on a machine that may be busy.

docs/internals/cpython-suite.md lists the tests that cannot pass.  One of them that passes is a
failure here, too: then the list is not true any more.
"""
import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("KITH_SOURCE", os.path.abspath(os.path.join(HERE, "..", "..")))
LIST = os.path.join(SOURCE, "docs", "internals", "cpython-suite.md")
LONG = os.environ.get("KITH_LONG") == "1"
CEILING_S = 120
AGAIN = 3
AT_ONCE = 4
ROW = re.compile(r"^\| `([\w.*]+)` \| ([\w, ]+) \| (.+) \|$")
TOLD = re.compile(r"^(begin|passed|failed|skipped) (.*?)( \d+\.\d\d)?$")


class Results:
    """Prints what the tests gave, as TAP."""

    def __init__(self):
        self._lock = threading.Lock()
        self.count = 0
        self.failed = 0

    def tell(self, good, name, why="", more=""):
        with self._lock:
            self.count += 1
            self.failed += not good
            print(f"{'ok' if good else 'not ok'} {self.count} - {name}{more}")
            for line in why.rstrip().splitlines():
                print("# " + line.strip("\n"))
            sys.stdout.flush()


def exceptions(method):
    """The tests that are known not to pass with this start method: name -> reason."""
    found = {}
    with open(LIST, encoding="utf-8") as file:
        for line in file:
            row = ROW.match(line)
            if row and (row.group(2) == "all" or method in row.group(2).split(", ")):
                found[row.group(1)] = row.group(3)
    return found


def worker(method, names, where):
    """A process that runs them in the folder `where`, into which some of them write."""
    folder = os.path.join(HERE, "cpython")
    path = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.Popen([sys.executable, os.path.join(folder, "worker.py"), method, *names],
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL,
                            cwd=where, start_new_session=True,
                            env=dict(os.environ, PYTHONPATH=path))


def lines_of(process):
    """The lines that it prints; None when it says nothing for CEILING_S, or has ended."""
    lines = queue.Queue()

    def read():
        with process.stdout:
            for line in process.stdout:
                lines.put(line.decode("utf-8", "replace").rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            line = lines.get(timeout=CEILING_S)
        except queue.Empty:
            yield "hung"
            return
        if line is None:
            return
        yield line


def run_class(method, tests):
    """(test, result, reason) of each test of a class."""
    with tempfile.TemporaryDirectory(prefix="kith-cpython.", ignore_cleanup_errors=True) as where:
        return run_in(where, method, tests)


def run_in(where, method, tests):
    left = list(tests)
    results = {}
    while left:
        process = worker(method, left, where)
        running = last = None
        ended = False
        for line in lines_of(process):
            told = TOLD.match(line)
            if line == "hung":
                results[running or "its class"] = ["hung", [f"nothing for {CEILING_S} s"]]
            elif line == "end":
                ended = True
            elif line.startswith("    ") and last is not None:
                results[last][1].append(line[4:])
            elif told and told.group(1) == "begin":
                running, last = told.group(2), None
            elif told:
                last = told.group(2)
                if last not in results or told.group(1) == "failed":
                    results[last] = [told.group(1), []]
                if last == running:
                    running = None
        if running is not None and running not in results:
            results[running] = ["failed", ["the process that ran it ended"]]
        if ended:
            try:
                process.wait(CEILING_S)  # it leaves its spaces after its last word
            except subprocess.TimeoutExpired:
                results["its class"] = ["hung", ["all tests were run, but it did not end"]]
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()
        remaining = [test for test in left if test not in results]
        if ended or len(remaining) == len(left):
            for test in remaining:
                results[test] = ["failed", ["it was not run"]]
            break
        left = remaining
    return results


def judge(results, method, known, name, result, why):
    told = f"{method} {name}"
    if name in known:
        if result in ("passed", "skipped"):
            results.tell(False, told, f"it is listed in {LIST}, but it has {result}")
        else:
            results.tell(True, told, more=f" # SKIP {known[name]}")
    elif result == "skipped":
        results.tell(True, told, more=" # SKIP " + " ".join(why))
    else:
        results.tell(result == "passed", told + (" hung" if result == "hung" else ""),
                     "\n".join(why))


def run_method(results, method, chosen):
    known = exceptions(method)
    listed = worker(method, ["--list"], None).communicate()[0].decode().split()
    if not listed:
        results.tell(False, f"{method}: the suite can be imported")
    classes = {}
    for name in listed:
        class_name = name.partition(".")[0]
        if not chosen or class_name in chosen or name in chosen:
            classes.setdefault(class_name, []).append(name)
    for name in known:
        if not chosen and name not in listed:
            results.tell(False, f"{method} {name}", f"it is listed in {LIST}, but there is no such")
    todo = queue.SimpleQueue()
    for class_name in sorted(classes, key=lambda name: -len(classes[name])):
        todo.put(classes[class_name])
    again = queue.SimpleQueue()

    def work():
        while True:
            try:
                tests = todo.get_nowait()
            except queue.Empty:
                return
            for name, (result, why) in run_class(method, tests).items():
                if result in ("failed", "hung") and name not in known:
                    again.put((name, result, why))
                else:
                    judge(results, method, known, name, result, why)

    threads = [threading.Thread(target=work) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while not again.empty():
        name, result, why = again.get()
        for _ in range(AGAIN):
            if result == "failed" and name in listed:
                (result, why) = run_class(method, [name]).get(name, (result, why))
        judge(results, method, known, name, result, why)


def main():
    try:
        import test._test_multiprocessing  # noqa: F401
    except ImportError:
        print("ok 1 - CPython's tests # SKIP they are not installed: libpython3.11-testsuite")
        print("# end")
        return 0
    methods = sys.argv[1:2] or (["fork", "spawn", "forkserver"] if LONG else ["fork"])
    results = Results()
    for method in methods:
        run_method(results, method, sys.argv[2:])
    print("# end", flush=True)
    return results.failed != 0


if __name__ == "__main__":
    sys.exit(main())
