#!/usr/bin/env python3
"""Each source file of the core has a unit test of the same path, and each of these is run.

    units.py [SOURCE]       prints each that is missing; status 1 if any is
"""

import os
import re
import sys

# What stands above is tested by way of the public functions, most of it.
FOLDERS = ["base", "shm", "wire", "pool"]
# What is tested elsewhere, and where: files whose work is with processes, deaths or the system, or
# whose words are what other tests look at.  One that gets a test of its own leaves this list.
ELSEWHERE = {
    "shm/actor": "tests/stress/test_threads.c",
    "shm/alloc": "tests/crash/scenarios_arena.c",
    "shm/arena": "tests/conformance/test_space.c",
    "shm/arena_attach": "tests/fuzz/fuzz_arena.c",
    "shm/arena_create": "tests/crash/creation.c",
    "shm/arena_file": "tests/environment/test_processes.c",
    "shm/arena_memory": "tests/environment/test_memory.c",
    "shm/catalog": "tests/conformance/test_space.c",
    "shm/futex": "tests/unit/shm/test_wait.c",
    "shm/holder": "tests/environment/test_processes.c",
    "shm/inherit": "tests/conformance/test_reference.c",
    "shm/kinds": "src/shm/kinds.c",  # a table and nothing else
    "shm/leads": "tests/conformance/test_reference.c",
    "shm/mutex": "tests/conformance/test_lock.c",
    "shm/owner": "tests/conformance/test_lock_options.c",
    "shm/place": "tests/conformance/test_space.c",
    "shm/reap": "tests/crash/scenarios_arena.c",
    "shm/reference": "tests/crash/scenarios_reference.c",
    "shm/rename": "tests/conformance/test_keeping.c",
    "shm/rescue": "tests/conformance/test_keeping.c",
    "shm/root": "tests/unit/shm/test_once.c",
    "shm/sync": "tests/conformance/test_event.c",
    "shm/txn": "tests/crash/scenarios_txn.c",
    "shm/txn_plan": "tests/conformance/test_txn.c",
    "shm/verify": "tests/unit/shm/checked.h",
    "shm/walk": "tests/unit/shm/checked.h",
    "wire/graph_walk": "tests/property/pickles.py",
    "wire/item_read": "tests/property/pickles.py",
    "wire/item_write": "tests/property/pickles.py",
    "wire/key_number": "tests/unit/wire/test_key_node.c",
    "wire/pack_write": "tests/property/pickles.py",
    "wire/pickle_names": "tests/property/pickles.py",
    "wire/pickle_plain": "tests/property/pickles.py",
    "wire/pickle_read": "tests/property/pickles.py",
    "wire/pickle_text": "tests/property/pickles.py",
    "wire/pickle_write": "tests/property/pickles.py",
    "pool/arrive": "tests/conformance/test_pool.c",
    "pool/client": "tests/conformance/test_pool.c",
    "pool/keeper": "tests/pool/test_chaos.c",
    "pool/outcome": "tests/conformance/test_pool.c",
    "pool/pool": "tests/conformance/test_pool.c",
    "pool/process": "tests/conformance/test_process.c",
    "pool/process_start": "tests/environment/test_starting.c",
    "pool/results": "tests/conformance/test_pool.c",
    "pool/send": "tests/conformance/test_pool.c",
    "pool/submit": "tests/conformance/test_pool.c",
    "pool/worker": "tests/pool/test_chaos.c",
}
TEST = re.compile(r"'([a-z]+/test_[a-z0-9_]+)'")


def names(folder, prefix=""):
    """The C files of a folder, without what all their names begin and end with."""
    if not os.path.isdir(folder):
        return []
    return sorted(name[len(prefix):-2] for name in os.listdir(folder)
                  if name.startswith(prefix) and name.endswith(".c"))


def missing(root):
    units = os.path.join(root, "tests", "unit")
    sources = {f"{folder}/{name}" for folder in FOLDERS
               for name in names(os.path.join(root, "src", folder))}
    tests = {f"{folder}/{name}" for folder in os.listdir(units)
             for name in names(os.path.join(units, folder), "test_")}
    with open(os.path.join(units, "meson.build"), encoding="utf-8") as file:
        run = {name.replace("/test_", "/") for name in TEST.findall(file.read())}
    for name in sorted(sources - tests - set(ELSEWHERE)):
        yield f"src/{name}.c has no test in tests/unit"
    for name in sorted(tests):
        if not os.path.exists(os.path.join(root, "src", f"{name}.c")):
            yield f"tests/unit has a test of src/{name}.c, which is not there"
    for name in sorted(tests ^ run):
        yield f"the test of src/{name}.c is {'not run' if name in tests else 'not there'}"
    for name, where in ELSEWHERE.items():
        if name in tests or name not in sources:
            yield f"{name} stands in the list of what is tested elsewhere, and should not"
        elif not os.path.exists(os.path.join(root, where)):
            yield f"src/{name}.c is tested in {where}, which is not there"


def main(arguments):
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..", "..")
    found = list(missing(os.path.abspath(root)))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
