#!/usr/bin/env python3
"""Measures the package kith beside plain Python and the standard library's multiprocessing.

    bench/python.py [--quick] [--json] [WORD]     rows whose name has WORD in it

Ours and the peer are measured in turns, 9 rounds of 100 ms each (3 of 30 ms with --quick); what is
shown are medians, and their ratio beside the target.  The package is that of build/python, or what
PYTHONPATH says.  A peer that is not installed has no row.
"""

import argparse
import json
import multiprocessing
import multiprocessing.shared_memory
import os
import statistics
import subprocess
import sys
import time
import timeit
from pathlib import Path

BUILT = Path(__file__).resolve().parent.parent / "build" / "python"
if "PYTHONPATH" not in os.environ and BUILT.exists():
    sys.path.insert(0, str(BUILT))
    os.environ["PYTHONPATH"] = str(BUILT)

import kith  # noqa: E402
import kith.multiprocessing  # noqa: E402

FORK = multiprocessing.get_context("fork")
ROUND_S, ROUNDS = 0.1, 9
KEYS = list(range(1000))
TASKS = range(10_000)


class Statement:
    """Nanoseconds of a statement; `each` times of it are in the text."""

    def __init__(self, text, each=1, **names):
        self.timer = timeit.Timer(text, globals=names)
        self.each = each
        self.number = None

    def measure(self, round_s):
        if self.number is None:
            self.number = 1
            while self.timer.timeit(self.number) < round_s / 10:
                self.number *= 2
            self.number = max(1, int(self.number * round_s / max(self.timer.timeit(self.number),
                                                                 1e-9)))
        return self.timer.timeit(self.number) / self.number / self.each * 1e9

    def close(self):
        pass


class OneToOne:
    """Nanoseconds an item from a process to this one, by put and get."""

    def __init__(self, put, get, done=lambda value: None, count=2000):
        self.put, self.get, self.done, self.count = put, get, done, count

    def run(self):
        for _ in range(self.count):
            self.put()

    def measure(self, round_s):
        child = FORK.Process(target=self.run)
        child.start()
        self.done(self.get())  # it has begun
        started = time.perf_counter_ns()
        for _ in range(self.count - 1):
            self.done(self.get())
        taken = time.perf_counter_ns() - started
        child.join()
        return taken / (self.count - 1)

    def close(self):
        pass


class RoundTrip:
    """Nanoseconds there and back between two processes on one core."""

    def __init__(self, there, back, count=2000):
        self.there, self.back, self.count = there, back, count

    def echo(self):
        for _ in range(self.count):
            self.back.put(self.there.get())

    def measure(self, round_s):
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        child = FORK.Process(target=self.echo)
        child.start()
        started = time.perf_counter_ns()
        for n in range(self.count):
            self.there.put(n)
            self.back.get()
        taken = time.perf_counter_ns() - started
        child.join()
        os.sched_setaffinity(0, cores)
        return taken / self.count

    def close(self):
        pass


class Program:
    """Nanoseconds that a program takes more than one that does nothing."""

    def __init__(self, text):
        self.text = text

    @staticmethod
    def run(text):
        started = time.perf_counter_ns()
        subprocess.run([sys.executable, "-c", text], check=True)
        return time.perf_counter_ns() - started

    def measure(self, round_s):
        return self.run(self.text) - self.run("pass")

    def close(self):
        pass


def started_manager():
    multiprocessing.Manager().shutdown()


def pool_rows():
    """As rows(): two workers each, forked before any of the other rows has made threads."""
    pool = kith.multiprocessing.get_context("fork").Pool
    with pool(2) as ours, FORK.Pool(2) as theirs:
        for chunk, target in ((1, ">= 8"), (None, ">= 1.2")):
            names = {"tasks": TASKS, "chunk": chunk}
            yield (f"Pool.map of ints, {'one by one' if chunk else 'in chunks'}",
                   Statement("map(abs, tasks, chunk)", len(TASKS), map=ours.map, **names),
                   Statement("map(abs, tasks, chunk)", len(TASKS), map=theirs.map, **names),
                   "Pool", target)
        yield ("Pool.apply", Statement("apply(abs, (1,))", apply=ours.apply),
               Statement("apply(abs, (1,))", apply=theirs.apply), "Pool", ">= 1.5")
    text = "with pool(2) as p: p.close(); p.join()"
    yield ("Pool, start and stop", Statement(text, pool=pool), Statement(text, pool=FORK.Pool),
           "Pool", ">= 1")


def rows():
    """(name, ours, peer, the peer's name, target): a target of "<= 4" is times the peer's time,
    one of ">= 8" how many times faster."""
    yield from pool_rows()
    space = kith.open("mem://", serializer="pickle")
    manager = multiprocessing.Manager()
    plain = {key: key for key in KEYS}
    shared, managed = space.dict(), manager.dict()
    shared.update(plain)
    managed.update({0: 0})
    counts = shared.counts

    def keys(text, **names):
        return Statement(f"for k in keys: {text}", len(KEYS), keys=KEYS, **names)

    yield "d[k] of an int", keys("d[k]", d=shared), keys("d[k]", d=plain), "dict", "<= 4"
    yield "d.add(k, 1)", keys("d.add(k, 1)", d=shared), keys("d[k]", d=plain), "dict's d[k]", "<= 5"
    yield ("counts[k] += 1", keys("c[k] += 1", c=counts), keys("d[k] += 1", d=plain),
           "dict's d[k] += 1", "<= 6")
    yield ("d[k], managed", keys("d[k]", d=shared), Statement("d[0]", d=managed),
           "Manager().dict()", ">= 300")
    yield ("counts[k] += 1, managed", keys("c[k] += 1", c=counts),
           Statement("d[0] += 1", d=managed), "Manager().dict()", ">= 300")
    try:
        from UltraDict import UltraDict
        ultra = UltraDict({0: 0})
        yield ("d[k], UltraDict", keys("d[k]", d=shared), Statement("d[0]", d=ultra),
               "UltraDict", ">= 5")
        yield ("d[k] = 1, UltraDict", keys("d[k] = 1", d=shared), Statement("d[0] = 1", d=ultra),
               "UltraDict", ">= 10")
        yield ("+=, UltraDict", keys("c[k] += 1", c=counts),
               Statement("with l: d[0] += 1", d=ultra, l=ultra.lock), "UltraDict", ">= 14")
        ultra.unlink()
    except ImportError:
        pass

    value, theirs = space.value(type="i"), multiprocessing.Value("i")
    yield ("Value add", Statement("v.add(1)", v=value),
           Statement("with v.get_lock(): v.value += 1", v=theirs), "Value", ">= 8")
    array, theirs = space.array(type="i", count=100), multiprocessing.Array("i", 100)
    yield "Array[i]", Statement("a[5]", a=array), Statement("a[5]", a=theirs), "Array", ">= 6"
    yield ("with lock", Statement("with l: pass", l=space.lock()),
           Statement("with l: pass", l=multiprocessing.Lock()), "Lock", ">= 2.5")
    yield ("event set and clear", Statement("e.set(); e.clear()", e=space.event()),
           Statement("e.set(); e.clear()", e=multiprocessing.Event()), "Event", ">= 10")
    yield ("semaphore pair", Statement("s.acquire(); s.release()", s=space.semaphore()),
           Statement("s.acquire(); s.release()", s=multiprocessing.Semaphore()), "Semaphore",
           ">= 1")
    shared_list = space.list()
    shared_list.extend(range(100))
    theirs = multiprocessing.shared_memory.ShareableList(range(100))
    yield ("list get", Statement("l[50]", l=shared_list), Statement("l[50]", l=theirs),
           "ShareableList", ">= 10")
    theirs.shm.close()
    theirs.shm.unlink()

    item = (1, "two", 3.0)
    mine, theirs = space.queue(), FORK.Queue()
    yield ("queue, one to one", OneToOne(lambda: mine.put(item), mine.get),
           OneToOne(lambda: theirs.put(item), theirs.get), "Queue", ">= 5")
    yield ("queue, in one process", Statement("q.put(i); q.get()", q=mine, i=item),
           Statement("q.put(i); q.get()", q=theirs, i=item), "Queue", ">= 8")
    yield ("queue, round trip on one core", RoundTrip(space.queue(), space.queue()),
           RoundTrip(FORK.Queue(), FORK.Queue()), "Queue", ">= 3")
    try:
        import numpy
        block = numpy.ones(1 << 17)
        bounded, theirs2 = space.queue(capacity=20), FORK.Queue(20)
        peer = OneToOne(lambda: theirs2.put(block), theirs2.get, count=100)
        yield ("queue, 1 MiB numpy array, by copy",
               OneToOne(lambda: bounded.put(block), bounded.get, count=100), peer, "Queue", ">= 12")

        def seen(view):
            assert view.load()[-1] == 1.0
            view.release()

        yield ("queue, 1 MiB numpy array, as a view",
               OneToOne(lambda: bounded.put(block), bounded.get_view, seen, count=100), peer,
               "Queue", ">= 50")
        from faster_fifo import Queue as FasterFifo
        fifo = FasterFifo(max_size_bytes=20 * (1 << 20) + (1 << 16))
        yield ("queue, 1 MiB numpy array, faster-fifo",
               OneToOne(lambda: bounded.put(block), bounded.get, count=100),
               OneToOne(lambda: fifo.put(block), fifo.get, count=100), "faster-fifo", ">= 1")
    except ImportError:
        pass
    yield ("start and stop", Statement("s = open('mem://'); s.dict(); s.close()", open=kith.open),
           Statement("f()", f=started_manager), "Manager()", ">= 20")
    yield ("import kith", Program("import kith"), Program("import _multiprocessing, pickle"),
           "import _multiprocessing, pickle", "<= 1.5")
    manager.shutdown()
    space.close()


def is_met(ours, peer, target):
    relation, bound = target.split()
    return ours / peer <= float(bound) if relation == "<=" else peer / ours >= float(bound)


def shown(ns):
    for unit, size in (("ns", 1), ("µs", 1e3), ("ms", 1e6)):
        if ns < 1000 * size:
            return f"{ns / size:.3g} {unit}"
    return f"{ns / 1e9:.3g} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("word", nargs="?", default="")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    round_s, rounds = (0.03, 3) if arguments.quick else (ROUND_S, ROUNDS)
    results = []
    if not arguments.json:
        print("| | target | Kith | peer | ratio | |\n| --- | --- | --: | --: | --: | --- |")
    for name, ours, peer, peer_name, target in rows():
        if arguments.word.lower() not in name.lower():
            continue
        times = [(ours.measure(round_s), peer.measure(round_s)) for _ in range(rounds)]
        mine, theirs = (statistics.median(column) for column in zip(*times))
        ratio = mine / theirs if target.startswith("<=") else theirs / mine
        results.append({"name": name, "target": target, "ours_ns": mine, "peer_ns": theirs,
                        "peer": peer_name, "ratio": ratio, "met": is_met(mine, theirs, target)})
        if not arguments.json:
            print(f"| {name} | {target} × {peer_name} | {shown(mine)} | {shown(theirs)} | "
                  f"{ratio:.3g} × | {'met' if results[-1]['met'] else 'missed'} |", flush=True)
    if arguments.json:
        json.dump(results, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
