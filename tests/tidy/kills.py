#!/usr/bin/env python3
"""Every test that docs/internals/testing.md names in its table of kills is there.

    kills.py [SOURCE]       prints each that is not; status 1 if any is not
"""

import glob
import os
import re
import sys

FEWEST = 20  # a table with hardly a name in it is one that was not understood


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "..", "..")
    with open(os.path.join(root, "docs/internals/testing.md"), encoding="utf-8") as file:
        page = file.read()
    table = page.split("## Kills by name", 1)[-1].split("\n## ", 1)[0]
    named = [name for line in table.splitlines() if line.startswith("|")
             for name in re.findall(r"`([a-z_]+)`", line)]
    there = set()
    for path in glob.glob(os.path.join(root, "tests/conformance/test_*.c")):
        with open(path, encoding="utf-8") as file:
            there.update(re.findall(r"^TEST(?:_[A-Z]+)?\((?:[^,()]*, )*([a-z_]+)\)", file.read(),
                                    re.MULTILINE))
    missing = [name for name in named if name not in there]
    for name in missing:
        print(f"docs/internals/testing.md names {name}, which is no test of tests/conformance")
    if len(named) < FEWEST:
        print("docs/internals/testing.md has no table of kills")
    return 1 if missing or len(named) < FEWEST else 0


if __name__ == "__main__":
    sys.exit(main())
