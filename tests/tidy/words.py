#!/usr/bin/env python3
"""Nothing is left for later, and no line is longer than 100 characters.

    words.py [SOURCE]       prints each place; exit status 1 if there is any
"""

import os
import re
import sys

FOLDERS = ["src", "include", "cli", "bench", "python", "examples", "tests"]
SUFFIXES = (".c", ".h", ".py", ".sh")
LENGTH_MAX = 100
# Put together here, so that this file does not find itself.
LATER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")


def files(root):
    for folder in FOLDERS:
        for here, _, names in os.walk(os.path.join(root, folder)):
            for name in sorted(names):
                path = os.path.join(here, name)
                if name.endswith(SUFFIXES) or (name == "run" and os.access(path, os.X_OK)):
                    yield os.path.relpath(path, root)


def violations(root):
    for path in files(root):
        with open(os.path.join(root, path), encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                line = line.rstrip("\n")
                if LATER.search(line):
                    yield f"{path}:{number}: {LATER.search(line).group(1)}"
                if len(line) > LENGTH_MAX:
                    yield f"{path}:{number}: {len(line)} characters"
                if line != line.rstrip():
                    yield f"{path}:{number}: blanks at the end"
                if "\t" in line and path.endswith((".c", ".h")):
                    yield f"{path}:{number}: a tab"


def main(arguments):
    root = arguments[0] if arguments else os.path.join(os.path.dirname(__file__), "..", "..")
    found = list(violations(os.path.abspath(root)))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
