#!/usr/bin/env python3
"""A file includes only files of a lower level, of its own folder, or public headers.

    layers.py [SOURCE]      prints each #include that points up or sideways; status 1 if any does
"""

import os
import re
import sys

# Folders by level.  A folder sees those of lower levels, and none beside it.
LEVELS = {
    "src/base": 0,
    "src/shm": 1, "src/wire": 1, "src/net": 1,
    "src/engine": 4,
    "src/engine/shm": 3, "src/engine/manager": 3, "src/engine/redis": 3,
    "src/object": 5,
    "src/pool": 6, "src/server": 6,
}
# The contract stands below the engines that keep it.
FILE_LEVELS = {"src/engine/engine.h": 2}
# Programs over the public headers.
OUTSIDE = ["cli", "python", "examples", "bench"]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def level_of(path):
    return FILE_LEVELS.get(path, LEVELS.get(os.path.dirname(path)))


def sources(root, folder):
    for here, _, names in os.walk(os.path.join(root, folder)):
        for name in sorted(names):
            if name.endswith((".c", ".h")):
                yield os.path.relpath(os.path.join(here, name), root)


def includes(root, path):
    with open(os.path.join(root, path), encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1) == '"', match.group(2)


def resolve(root, path, name):
    """The file of the tree that an #include "name" means, or None."""
    for base in (os.path.dirname(path), "src"):
        found = os.path.normpath(os.path.join(base, name))
        if os.path.exists(os.path.join(root, found)):
            return found
    return None


def check_library_file(root, path):
    mine = level_of(path)
    if mine is None:
        yield f"{path}: its folder has no level"
        return
    for number, quoted, name in includes(root, path):
        if not quoted:
            continue
        target = resolve(root, path, name)
        if target is None:
            yield f"{path}:{number}: \"{name}\" is no file of the tree"
        elif os.path.dirname(target) == os.path.dirname(path):
            continue
        elif level_of(target) is None:
            yield f"{path}:{number}: \"{name}\" is in a folder that has no level"
        elif level_of(target) >= mine:
            yield (f"{path}:{number}: \"{name}\" stands on level {level_of(target)}, "
                   f"this file on level {mine}")


def check_outside_file(root, path):
    for number, quoted, name in includes(root, path):
        if quoted and resolve(root, path, name) is not None:
            target = resolve(root, path, name)
            if target.startswith(("src/", "include/")):
                yield f"{path}:{number}: \"{name}\" is internal; programs include <kith.h> alone"


def check_public_header(root, path):
    for number, quoted, name in includes(root, path):
        if quoted:
            yield f"{path}:{number}: a public header includes others by <kith/...>"


def violations(root):
    for path in sources(root, "src"):
        yield from check_library_file(root, path)
    for path in sources(root, "include"):
        yield from check_public_header(root, path)
    for folder in OUTSIDE:
        for path in sources(root, folder):
            yield from check_outside_file(root, path)


def main(arguments):
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..", "..")
    found = list(violations(os.path.abspath(root)))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
