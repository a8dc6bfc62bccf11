#!/usr/bin/env python3
"""One round of one case from Python: of the package kith, of the standard library, of a dict, or of
UltraDict or faster-fifo, where these are installed.

    python.py SIDE CASE [--ms N]        SIDE: kith, standard, plain, ultradict, faster_fifo

prints nanoseconds an operation.  A statement is compiled into a loop, as timeit does it, so that no
call stands between it and the clock.  What has two processes has a companion, which puts or echoes
as fast as it can into a queue of bounded length, and is killed at the end.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time

SIDES = ("kith", "standard", "plain", "ultradict", "faster_fifo")
LENGTH = 256  # of the queues that a companion fills


def multiprocessing_of(side):
    if side == "kith":
        import kith.multiprocessing as module
    else:
        import multiprocessing as module  # a peer's processes are the standard's, too
    module.set_start_method("fork", force=True)
    return module


def loop_of(statement, names):
    """A function that carries the statement out so many times, and gives the nanoseconds."""
    code = ("def loop(count):\n"
            "    start = clock()\n"
            "    for _ in repeat(None, count):\n"
            f"        {statement}\n"
            "    return clock() - start\n")
    from itertools import repeat
    scope = dict(names, clock=time.perf_counter_ns, repeat=repeat)
    exec(compile(code, "<case>", "exec"), scope)
    return scope["loop"]


def measure(statement, names, ms):
    """Nanoseconds for one: warmed up, then for so many milliseconds in chunks of half a one."""
    loop = loop_of(statement, names)
    count, took = 1, loop(1)
    until = time.perf_counter() + min(0.06, ms / 1000)
    while time.perf_counter() < until or took < 500_000:
        if took < 500_000:
            count *= 2
        took = loop(count)
        if took > ms * 1_000_000:
            break
    done = spent = 0
    while spent < ms * 1_000_000:
        spent += loop(count)
        done += count
    return spent / done


# ---- alone ----


def dict_of(side):
    if side == "plain":
        return {"k": 1}
    if side == "standard":
        return multiprocessing_of(side).Manager().dict(k=1)
    if side == "ultradict":
        import atexit
        from UltraDict import UltraDict
        shared = UltraDict({"k": 1})
        atexit.register(shared.unlink)
        return shared
    import kith
    shared = kith.open("mem://").dict()
    shared["k"] = 1
    return shared


def pin():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def dict_get(side, ms):
    pin()
    return measure("d['k']", {"d": dict_of(side)}, ms)


def dict_set(side, ms):
    pin()
    return measure("d['k'] = 1", {"d": dict_of(side)}, ms)


def dict_add(side, ms):
    pin()
    statement = "d.add('k', 1)" if side == "kith" else "d['k'] += 1"
    return measure(statement, {"d": dict_of(side)}, ms)


def counts_add(side, ms):
    """Under UltraDict's own lock on its side, since its `d['k'] += 1` loses counts."""
    pin()
    shared = dict_of(side)
    if side == "ultradict":
        return measure("with lock: d['k'] += 1", {"d": shared, "lock": shared.lock}, ms)
    return measure("d['k'] += 1", {"d": shared.counts if side == "kith" else shared}, ms)


def manager_get(side, ms):
    pin()
    with multiprocessing_of(side).Manager() as manager:
        return measure("d['k']", {"d": manager.dict(k=1)}, ms)


def manager_add(side, ms):
    """Under a lock on the standard's side, since its `d['k'] += 1` loses counts."""
    pin()
    with multiprocessing_of(side).Manager() as manager:
        names = {"d": manager.dict(k=1), "lock": manager.Lock()}
        if side == "kith":
            return measure("d.add('k', 1)", names, ms)
        return measure("with lock: d['k'] += 1", names, ms)


def value_add(side, ms):
    """What adds for sure: the standard's needs its lock around both halves."""
    value = multiprocessing_of(side).Value("q", 0)
    if side == "kith":
        return measure("v.add(1)", {"v": value}, ms)
    return measure("with lock: v.value += 1", {"v": value, "lock": value.get_lock()}, ms)


def value_increase(side, ms):
    return measure("v.value += 1", {"v": multiprocessing_of(side).Value("q", 0)}, ms)


def array_get(side, ms):
    return measure("a[5]", {"a": multiprocessing_of(side).Array("i", 10)}, ms)


def lock_pair(side, ms):
    return measure("with lock: pass", {"lock": multiprocessing_of(side).Lock()}, ms)


def event_pair(side, ms):
    return measure("e.set(); e.clear()", {"e": multiprocessing_of(side).Event()}, ms)


def semaphore_pair(side, ms):
    semaphore = multiprocessing_of(side).Semaphore(2)
    return measure("a(); r()", {"a": semaphore.acquire, "r": semaphore.release}, ms)


def shareable_get(side, ms):
    multiprocessing_of(side)
    if side == "kith":
        from kith.multiprocessing import shared_memory
    else:
        from multiprocessing import shared_memory
    items = shared_memory.ShareableList([1, 2.5, "three"])
    try:
        return measure("items[0]", {"items": items}, ms)
    finally:
        items.shm.close()
        items.shm.unlink()


def manager_start(side, ms):
    return measure("Manager().shutdown()", {"Manager": multiprocessing_of(side).Manager}, ms)


def import_(side, ms):
    """In a new interpreter each time; the median."""
    what = "kith" if side == "kith" else "_multiprocessing, pickle"
    text = f"import time; s = time.perf_counter_ns(); import {what}; " \
           "print(time.perf_counter_ns() - s)"
    took = []
    until = time.monotonic() + ms / 1000
    while time.monotonic() < until or len(took) < 5:
        took.append(int(subprocess.run([sys.executable, "-c", text], stdout=subprocess.PIPE,
                                       check=True).stdout))
    return statistics.median(took)


# ---- queues ----


class Companion:
    """A process that does something for ever; it has a processor of its own, if there are two."""

    def __init__(self, module, work, *args, together=False):
        processors = sorted(os.sched_getaffinity(0))
        self.process = module.Process(target=self._work,
                                      args=(processors[0 if together else -1], work, args),
                                      daemon=True)
        self.process.start()
        os.sched_setaffinity(0, {processors[0]})

    @staticmethod
    def _work(processor, work, args):
        os.sched_setaffinity(0, {processor})
        while True:
            work(*args)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join()


def queue_alone(side, ms):
    pin()
    queue = multiprocessing_of(side).Queue()
    return measure("q.put((1, 'a')); q.get()", {"q": queue}, ms)


def queue_pair(side, ms):
    module = multiprocessing_of(side)
    queue = module.Queue(LENGTH)
    with Companion(module, queue.put, (1, "a")):
        return measure("g()", {"g": queue.get}, ms)


def echo(there, back):
    back.put(there.get())


def queue_echo(side, ms):
    module = multiprocessing_of(side)
    there, back = module.Queue(), module.Queue()
    with Companion(module, echo, there, back, together=True):
        return measure("p((1, 'a')); g()", {"p": there.put, "g": back.get}, ms)


def array_of_1_mib():
    import numpy
    return numpy.arange(1 << 17, dtype="int64")


def queue_array(side, ms):
    module = multiprocessing_of(side)
    if side == "faster_fifo":
        from faster_fifo import Queue
        queue = Queue(max_size_bytes=4 * (1 << 20) + (1 << 16))
    else:
        queue = module.Queue(4)
    with Companion(module, queue.put, array_of_1_mib()):
        return measure("g()", {"g": queue.get}, ms)


def queue_array_view(side, ms):
    """The native queue: the consumer reads where the item is."""
    import kith
    import numpy
    module = multiprocessing_of(side)
    queue = kith.open("mem://").queue(capacity=4)

    def get():
        with queue.get_view() as view:
            return numpy.frombuffer(view, dtype="int64")[-1]

    with Companion(module, queue.put, memoryview(array_of_1_mib()).cast("B")):
        return measure("g()", {"g": get}, ms)


# ---- pools ----

TASKS = 100_000
ARRAYS = 64
NAP_S = 0.001
NAPS = 10_000
KILL_EVERY_S = 0.05


def square(n):
    return n * n


def total(array):
    return float(array.sum())


def nap(n):
    time.sleep(NAP_S)
    return n


def median_of(run, ms, least=3):
    """Of as many runs as fit, after one that warms up, unless a single run is enough."""
    if least > 1:
        run()
    took = []
    until = time.monotonic() + ms / 1000
    while time.monotonic() < until or len(took) < least:
        start = time.perf_counter_ns()
        run()
        took.append(time.perf_counter_ns() - start)
    return statistics.median(took)


def pool_map(side, ms):
    """An item of a map of ints, in chunks that the pool chooses."""
    with multiprocessing_of(side).Pool(2) as pool:
        return median_of(lambda: pool.map(square, range(TASKS)), ms) / TASKS


def pool_map_single(side, ms):
    """The same by chunksize=1."""
    count = TASKS // 10
    with multiprocessing_of(side).Pool(2) as pool:
        return median_of(lambda: pool.map(square, range(count), 1), ms) / count


def pool_apply(side, ms):
    with multiprocessing_of(side).Pool(2) as pool:
        return measure("apply(square, (7,))", {"apply": pool.apply, "square": square}, ms)


def pool_start(side, ms):
    """Two workers are started, and ended when they are there."""
    pool = multiprocessing_of(side).Pool

    def run():
        with pool(2) as started:
            started.close()
            started.join()

    return median_of(run, ms)


def pool_arrays(side, ms):
    """One of many arrays of 8 MiB, whose sum is taken."""
    import numpy
    arrays = [numpy.full(1 << 20, n, dtype=float) for n in range(ARRAYS)]
    with multiprocessing_of(side).Pool(2) as pool:
        return median_of(lambda: pool.map(total, arrays, 1), ms, least=1) / ARRAYS


def pool_naps(side, ms):
    """A task of a millisecond, in a pool of four that nobody disturbs."""
    with multiprocessing_of(side).Pool(4) as pool:
        start = time.perf_counter_ns()
        if pool.map(nap, range(NAPS)) != list(range(NAPS)):
            raise AssertionError("results are missing")
        return (time.perf_counter_ns() - start) / NAPS


def pool_chaos(side, ms):
    """The same while a worker is killed at random now and then."""
    import random
    import threading
    import kith
    done = threading.Event()
    with kith.Pool(4, retries=1000) as pool:
        def kill():
            while not done.wait(KILL_EVERY_S):
                busy = [pid for pid, state, _, _ in pool.workers() if state == "busy"]
                if busy:
                    os.kill(random.choice(busy), signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        start = time.perf_counter_ns()
        results = list(pool.map(nap, range(NAPS)))
        took = time.perf_counter_ns() - start
        done.set()
        killer.join()
    if results != list(range(NAPS)):
        raise AssertionError("results are missing")
    return took / NAPS


CASES = {function.__name__.strip("_").replace("_", "-"): function for function in (
    dict_get, dict_set, dict_add, counts_add, manager_get, manager_add, value_add, value_increase,
    array_get, lock_pair, event_pair, semaphore_pair, shareable_get, manager_start, import_,
    queue_alone, queue_pair, queue_echo, queue_array, queue_array_view, pool_map, pool_map_single,
    pool_apply, pool_start, pool_arrays, pool_naps, pool_chaos)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("side", choices=SIDES)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--ms", type=int, default=100)
    arguments = parser.parse_args()
    print(CASES[arguments.case](arguments.side, arguments.ms))


if __name__ == "__main__":
    main()
