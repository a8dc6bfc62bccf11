#!/usr/bin/env python3
"""The manual pages of a build are what mandoc likes, complete, and name only pages that exist.

    man.py BUILD [SOURCE]       prints what is wrong; status 1 if anything is
"""

import glob
import os
import re
import shutil
import subprocess
import sys


def expected(source):
    make = os.path.join(source, "docs", "man", "make.py")
    listed = subprocess.run([sys.executable, make, "list", source], check=True,
                            stdout=subprocess.PIPE, universal_newlines=True).stdout
    pages = {"kith.1", "kith.3", "kith-layout.5"}
    for line in listed.splitlines():
        kind, name = line.split()
        pages.add(f"kith-{name}.1" if kind == "verb" else f"kith_{name}.3")
    return pages


def lint(paths):
    """What mandoc says, but for pages of ours that are not installed here."""
    done = subprocess.run(["mandoc", "-Tlint", *sorted(paths)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, universal_newlines=True)
    for line in done.stdout.splitlines():
        if not re.search(r"referenced manual not found: Xr kith", line):
            yield line


def violations(build, source):
    made = {os.path.basename(path): path
            for path in glob.glob(os.path.join(build, "docs", "man", "kith*.[135]"))}
    for page in sorted(expected(source) - set(made)):
        yield f"{page}: not made by the build"
    for page in sorted(set(made) - expected(source)):
        del made[page]  # left over in a build directory that is used again
    if not made:
        return
    yield from lint(made.values())
    for page, path in sorted(made.items()):
        with open(path, encoding="utf-8") as file:
            for name, section in re.findall(r"^\.Xr (kith\S*) (\d)", file.read(), re.MULTILINE):
                if f"{name}.{section}" not in made:
                    yield f"{page}: refers to {name}({section}), which there is not"


def main(arguments):
    build = arguments[0]
    source = arguments[1] if len(arguments) > 1 else os.path.join(os.path.dirname(__file__),
                                                                  "..", "..")
    if shutil.which("mandoc") is None:
        print("mandoc is not installed")
        return 1
    found = list(violations(build, source))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
