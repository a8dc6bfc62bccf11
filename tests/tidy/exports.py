#!/usr/bin/env python3
"""What libkith.so exports is what the headers declare, the map lists and the reference describes;
and besides it what src/base/shared.h lets libkith-net.so call.

    exports.py LIBRARY [SOURCE]     prints each name that one of them lacks; status 1 if any does
"""

import glob
import os
import re
import subprocess
import sys

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DIRECTIVE = re.compile(r"^[ \t]*#(?:.*\\\n)*.*$", re.MULTILINE)
SHARED = re.compile(r"^KITH__SHARED_BEGIN$(.*?)^KITH__SHARED_END$", re.DOTALL | re.MULTILINE)
DECLARATION = re.compile(r"\bKITH_API\b[^;]*?\b(kith_\w+)\s*[(\[]")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def declared(root):
    names = set()
    for path in glob.glob(os.path.join(root, "include", "**", "*.h"), recursive=True):
        names |= set(DECLARATION.findall(DIRECTIVE.sub("", COMMENT.sub("", read(path)))))
    return names


def listed(root):
    return set(re.findall(r"^\s*(\w+);", read(os.path.join(root, "src", "libkith.map")),
                          re.MULTILINE))


def exported(library):
    shown = subprocess.run(["nm", "-D", "--defined-only", library], check=True,
                           stdout=subprocess.PIPE, universal_newlines=True).stdout
    fields = (line.split() for line in shown.splitlines())
    return {f[2].split("@")[0] for f in fields if len(f) == 3 and f[1] != "A"}


def shared(root):
    """What src/base declares for libkith-net.so."""
    names = set()
    for path in glob.glob(os.path.join(root, "src", "base", "*.h")):
        for run in SHARED.findall(COMMENT.sub("", read(path))):
            names |= set(re.findall(r"\b(kith__\w+)\s*[(;]", run))
    return names


def described(root):
    text = "".join(read(path) for path in glob.glob(os.path.join(root, "docs/reference/*.md")))
    return set(re.findall(r"\bkith_\w+", text))


def violations(library, root):
    headers = declared(root) | shared(root)
    for name in sorted(headers - listed(root)):
        yield f"{name}: declared, not listed in src/libkith.map"
    for name in sorted(listed(root) - headers - {"local", "global"}):
        yield f"{name}: listed in src/libkith.map, not declared"
    for name in sorted(headers - exported(library)):
        yield f"{name}: declared, not exported"
    for name in sorted(exported(library) - headers):
        yield f"{name}: exported, not declared"
    for name in sorted(declared(root) - described(root)):
        yield f"{name}: declared in include/, not mentioned in docs/reference/"


def main(arguments):
    library = arguments[0]
    root = arguments[1] if len(arguments) > 1 else os.path.join(os.path.dirname(__file__), "../..")
    found = list(violations(library, root))
    for line in found:
        print(line)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
