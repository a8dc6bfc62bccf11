"""Prints TAP, for test scripts in Python."""

import sys

_results = []


def result(good, name, why=""):
    """One result; `why` says, in lines, what went wrong."""
    _results.append(good)
    print(f"{'ok' if good else 'not ok'} {len(_results)} - {name}", flush=True)
    if not good:
        for line in why.rstrip().splitlines():
            print("# " + line, flush=True)


def skip(name, reason):
    """One result that could not be had here."""
    _results.append(True)
    print(f"ok {len(_results)} - {name} # SKIP {reason}", flush=True)


def finish():
    """Announces how many there were and ends the script."""
    print(f"1..{len(_results)}", flush=True)
    sys.exit(0 if all(_results) else 1)
