#!/usr/bin/env python3
"""The crash suite says what it tries, and the tree agrees.

    crash.py BUILD SOURCE

Mistakes: those in the source are those in tests/crash/MISTAKES.md, each there once in each of its
tables, and the test that is said to find it exists.  Scenarios: each operation of the core has one.
"""

import os
import re
import subprocess
import sys

BUILD, SOURCE = sys.argv[1:]
CRASH = os.path.join(SOURCE, "tests", "crash")
MISTAKES_MIN = 12
# What must not be dropped: operation -> its scenario.
SCENARIOS = {
    "dict set of a new key": "dict set, new",
    "dict set over an item": "dict set over a text",
    "dict set with a split": "dict set, splitting into shards",
    "dict set of a big item": "dict set, big item",
    "dict add": "dict add",
    "dict delete": "dict delete",
    "dict pop": "dict pop",
    "dict compare-and-set": "dict cas",
    "dict add_many": "dict add_many",
    "set add": "set add",
    "set update": "set update",
    "set clear": "set clear",
    "setting an attribute": "namespace set over a text",
    "the end of an object": "namespace destroyed",
    "queue put": "queue put",
    "queue get": "queue get",
    "queue lease": "queue lease",
    "queue ack": "queue ack",
    "queue nack": "queue nack",
    "queue shutdown": "queue shutdown",
    "acquiring a free lock": "lock acquire, free",
    "acquiring a lock by waiting": "lock acquire, waited for",
    "releasing a lock": "lock release",
    "setting an event": "event set",
    "a transaction": "transaction, two dicts and a lease",
    "storing a reference": "reference: stored",
    "dropping the last reference": "reference: last one deleted",
    "the end of a chain": "reference: chain cut off",
    "the allocator": "allocator refill and flush",
    "making an arena": "arena creation",
    "joining an arena": "arena opened by one more",
    "registering": "registration",
    "reaping": "reaping",
}
failures = []


def expect(good, sentence):
    if not good:
        failures.append(sentence)


def text_of(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def once(names, where):
    for name in sorted(set(names)):
        expect(names.count(name) == 1, f"{name} stands {names.count(name)} times in {where}")
    return set(names)


def mistakes(scenarios):
    macros = set()
    for folder, _, files in os.walk(os.path.join(SOURCE, "src")):
        for name in files:
            if name.endswith((".c", ".h")):
                macros |= set(re.findall(r"\bKITH_MISTAKE_([A-Z_]+)",
                                         text_of(os.path.join(folder, name))))
    page = text_of(os.path.join(CRASH, "MISTAKES.md"))
    breaks, finds = page.split("## What finds them")
    listed = once(re.findall(r"^\| `([A-Z_]+)` \|", breaks, re.M), "the table of mistakes")
    found = re.findall(r"^\| `([A-Z_]+)` \| `(main|wakes|stale|unfenced|linear)`: ([^|]+?) \|$",
                       finds, re.M)
    tested = once([row[0] for row in found], "the table of what finds them")
    for name in sorted(macros ^ listed):
        expect(False, f"{name} is not in both the source and MISTAKES.md")
    for name in sorted(listed ^ tested):
        expect(False, f"{name} is not in both tables of MISTAKES.md")
    expect(len(listed) >= MISTAKES_MIN, f"there are only {len(listed)} mistakes")
    for name, program, test in found:
        if program == "main":
            known = test in scenarios
        elif program == "linear":
            known = test in text_of(os.path.join(CRASH, "..", "linear", "test_linear.c"))
        else:
            known = test in text_of(os.path.join(CRASH, program + ".c"))
        expect(known, f'{name} is to be found by "{test}", which {program} does not have')


def main():
    listed = subprocess.run([os.path.join(BUILD, "tests", "crash", "crash_main"), "--list"],
                            check=True, stdout=subprocess.PIPE, universal_newlines=True)
    scenarios = once(listed.stdout.splitlines(), "the list of scenarios")
    for operation, name in SCENARIOS.items():
        expect(name in scenarios, f'{operation} has no scenario "{name}"')
    row = re.search(r'\{ \.name = "transaction, two dicts and a lease".*?\},?\n',
                    text_of(os.path.join(CRASH, "scenarios_txn.c")), re.S)
    expect(row and ".peek = " in row.group(0), "nobody reads beside the transaction")
    mistakes(scenarios)
    print("\n".join(failures))
    return 1 if failures else 0


sys.exit(main())
