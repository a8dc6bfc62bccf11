#!/usr/bin/env python3
"""One round against CPython's multiprocessing.Manager, whose place Kith takes.

    manager.py CASE [--ms N]

prints nanoseconds an operation.  The manager's process runs on the client's own processor, which is
the faster place for it.  `add` is the locked increment, since a proxy's `d[k] += 1` loses counts.
"""

import argparse
import hashlib
import multiprocessing
import os
import time

ENTRIES = 1000


def key_of(index):
    return hashlib.blake2b(index.to_bytes(8, "little"), digest_size=16).digest()


def get(proxy, lock, keys, count):
    for n in range(count):
        index = n * 7919 % ENTRIES
        if proxy[keys[index]] != index:
            raise SystemExit(f"key {index} is wrong")


def set_(proxy, lock, keys, count):
    for n in range(count):
        index = n * 7919 % ENTRIES
        proxy[keys[index]] = n


def add(proxy, lock, keys, count):
    key = keys[0]
    for n in range(count):
        with lock:
            proxy[key] += 1


CASES = {"get": get, "set": set_, "add": add}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("case", choices=CASES)
    parser.add_argument("--ms", type=int, default=100)
    arguments = parser.parse_args()
    work = CASES[arguments.case]

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with multiprocessing.get_context("fork").Manager() as manager:
        keys = [key_of(index) for index in range(ENTRIES)]
        proxy = manager.dict({key: index for index, key in enumerate(keys)})
        lock = manager.Lock()
        work(proxy, lock, keys, 20)
        done = 0
        start = time.perf_counter_ns()
        while True:
            work(proxy, lock, keys, 20)
            done += 20
            now = time.perf_counter_ns()
            if now - start >= arguments.ms * 1_000_000:
                break
    print((now - start) / done)


if __name__ == "__main__":
    main()
