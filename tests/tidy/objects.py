#!/usr/bin/env python3
"""Every operation that the contract promises has a function, and a test on every engine.

    objects.py [SOURCE]             compares docs/reference/objects.md with what it would be
    objects.py --write [SOURCE]     writes it
    objects.py --missing [SOURCE]   prints what has no function, or no test

STRICT says whether anything may be missing; status 1 if something is wrong.
"""

import glob
import os
import re
import sys

# False while objects are still being built: what is missing is then only printed.
STRICT = False

# Objects that come with a later milestone.
LATER = set()

# Objects whose functions are called after another word.
ELSEWHERE = {"rlock", "transaction", "space"}

# object: operations.  An operation is NAME, for the function kith_OBJECT_NAME, or NAME=FUNCTION,
# and several functions when it has several forms; any of those between | will do.  A word that is
# no function, as an option, has to stand in a header, and in a test.
CONTRACT = {
    "value": """
        get set exchange cas add sub and or xor min max wait(changed)=kith_value_wait
        type-codes=kith_value_open plain-structures=kith_value_open""",
    "array": """
        len get set slice-get=kith_array_get_slice slice-set=kith_array_set_slice
        add(index)=kith_array_add cas(index)=kith_array_cas view publish
        lock=kith_array_lock,kith_array_unlock""",
    "dict": """
        get get_into set delete has len clear pop popitem swap setdefault insert replace cas
        cas_version delete_if add add(float)=kith_dict_add_float add(init,ttl)=kith_dict_add_with
        sub min max and or xor add_limit get_many set_many delete_many add_many get_or_compute
        update(fn)=kith_dict_update ttl expire persist touch get_stale purge
        bounds=kith_dict_open,max_items keys items=kith_dict_each
        values=kith_dict_values|kith_dict_each
        scan(prefix,limit)=kith_dict_scan
        snapshot=kith_dict_snapshot|kith_snapshot_get wait(key,version)=kith_dict_wait info""",
    "set": """
        add discard remove has len pop clear update union intersection difference
        iterate=kith_set_each""",
    "list": """
        len get set append extend insert pop(index)=kith_list_pop remove index count reverse sort
        slice-get=kith_list_get_slice slice-set=kith_list_set_slice
        slice-delete=kith_list_delete_slice clear
        iterate=kith_list_each""",
    "namespace": """
        get set delete
        list-of-names=kith_namespace_names|kith_namespace_list|kith_namespace_each""",
    "queue": """
        put get put_many get_many peek len capacity empty=kith_queue_len full=kith_queue_info
        lease ack=kith_lease_ack nack=kith_lease_nack extend=kith_lease_extend task_done join
        priority=kith_queue_put_with,priority
        delay=kith_queue_put_with,delay_ns attempts=kith_lease_attempts
        dead-letter-queue=kith_queue_open shutdown""",
    "lock": "acquire release locked owner",
    "rlock": """
        acquire=kith_lock_acquire,recursive release=kith_lock_release,recursive
        locked=kith_lock_locked,recursive owner=kith_lock_owner,recursive""",
    "rwlock": """
        acquire acquire-shared=kith_rwlock_acquire_shared release locked owner""",
    "semaphore": "acquire release value bounded=kith_semaphore_open,bounded",
    "condition": """
        wait wait_for notify(n)=kith_condition_notify notify_all lock-option=kith_condition_open""",
    "event": "set clear is_set wait",
    "barrier": """
        wait reset abort parties waiting=kith_barrier_waiting|kith_barrier_info
        broken=kith_barrier_broken|kith_barrier_info action=kith_barrier_wait""",
    "once": "claim done failed takeover=kith_once_claim",
    "limiter": "take(n)=kith_limiter_take wait(n)=kith_limiter_wait state",
    "segment": """
        create=kith_segment_open|kith_segment_create map=kith_segment_map|kith_segment_view size
        resize unlink=kith_segment_unlink|kith_destroy""",
    "transaction": """
        begin=kith_txn_begin commit=kith_txn_commit discard=kith_txn_discard
        dict-operations=kith_txn_dict_set,kith_txn_dict_add,kith_txn_dict_delete
        queue-operations=kith_txn_queue_put,kith_txn_lease_ack
        key-absent=kith_txn_if_absent version-equals=kith_txn_if_version
        item-equals=kith_txn_if_equal""",
    "process": """
        start-a-function=kith_process_fork|kith_process_start
        start-a-command=kith_process_exec|kith_process_spawn wait alive
        exit-status=kith_process_status|kith_process_wait terminate kill""",
    "pool": "start submit map imap starmap close terminate join",
    "space": """
        open=kith_open close=kith_close list=kith_list stat=kith_stat destroy=kith_destroy
        rename=kith_rename check=kith_check repair=kith_repair dump=kith_dump load=kith_load
        gc=kith_gc share=kith_share,kith_open_fd""",
}

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
DECLARATION = re.compile(r"\bKITH_API\b[^;]*?\b(kith_\w+)\s*\(")
TEST = re.compile(r"^TEST(?:_ON|_LONG|_FULL)?\((?:[^()]*,\s*)?(\w+)\)\s*\{", re.MULTILINE)


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def operations():
    """(object, operation, alternatives), an alternative being a list of functions."""
    for name, text in CONTRACT.items():
        # Blanks part the operations, but for those inside of parentheses, of which there are none.
        for word in text.split():
            operation, _, functions = word.partition("=")
            functions = functions or f"kith_{name}_{operation.split('(')[0]}"
            yield (name, operation.replace("-", " ").replace(",", ", "),
                   [alternative.split(",") for alternative in functions.split("|")])


def declared(root):
    """function: header.  And the other words that the contract names."""
    names = {}
    others = {f for _, _, each in operations() for a in each for f in a if "kith_" not in f}
    for path in sorted(glob.glob(os.path.join(root, "include", "kith", "*.h"))):
        for name in others & set(re.findall(r"\w+", COMMENT.sub("", read(path)))):
            names[name] = os.path.basename(path)
        for name in DECLARATION.findall(COMMENT.sub("", read(path))):
            names[name] = os.path.basename(path)
    return names


def tests_in(path):
    """(test, functions that it names, functions that its helpers name) of each test of a file."""
    text = read(path)
    tests = list(TEST.finditer(text))
    for i, match in enumerate(tests):
        end = tests[i + 1].start() if i + 1 < len(tests) else len(text)
        # What stands before a test, down from the last one, are its helpers as a rule.
        start = tests[i - 1].end() if i > 0 else 0
        yield (match.group(1), set(re.findall(r"\w+", text[match.start():end])),
               set(re.findall(r"\w+", text[start:match.start()])))


def worth(function, name, test, own):
    """How well a test stands for a function: one that is named after what it does is best."""
    words = set(test.lower().split("_"))
    operation = function.split("_")[2:] or function.split("_")[1:]
    value = 4 * all(any(w.startswith(part[:5]) for w in words) for part in operation)
    value += 2 * own
    value -= 5 * bool(words & {"refuses", "refused", "null", "none", "untouched", "bad", "einval"})
    return value + (function in name)


def tested(root):
    """function: (file, test) of the test in conformance that stands best for it."""
    found = {}
    for path in sorted(glob.glob(os.path.join(root, "tests", "conformance", "test_*.c"))):
        file = os.path.basename(path)
        object_name = file[5:-2]
        for test, direct, helpers in tests_in(path):
            for name in direct | helpers:
                own = name.startswith(f"kith_{object_name}_")
                value = worth(name, direct, test, own) - (name not in direct)
                if name not in found or value > found[name][2]:
                    found[name] = (file, test, value)
    return found


def rows(root):
    """(object, operation, functions or None, test or None)."""
    functions, tests = declared(root), tested(root)
    for name, operation, alternatives in operations():
        there = name in ELSEWHERE or any(f.startswith(f"kith_{name}_") for f in functions)
        here = next((a for a in alternatives if there and all(f in functions for f in a)), None)
        test = None
        if here is not None and all(f in tests for f in here):
            test = tests[here[0]]
        yield name, operation, here, test


def page(root):
    lines = ["# Objects and operations", "",
             "Each operation, the function that does it in C, and a test of it in "
             "`tests/conformance/`, which is", "run on every engine. "
             "`tests/tidy/objects.py --write` makes this page from the headers and the tests.", ""]
    last = None
    functions = declared(root)
    for name, operation, here, test in rows(root):
        if here is None:
            continue
        if name != last:
            lines += ([""] if last else []) + [f"## {name}", "",
                                               "| operation | function | header | test |",
                                               "| --- | --- | --- | --- |"]
            last = name
        calls = ", ".join(f"`{f}`" for f in here)
        tells = f"`{test[1]}` in {test[0]}" if test else "none"
        lines.append(f"| {operation} | {calls} | {functions[here[0]]} | {tells} |")
    return "\n".join(lines) + "\n"


def missing(root):
    for name, operation, here, test in rows(root):
        if name in LATER:
            continue
        if here is None:
            yield f"{name}: {operation}: no function"
        elif test is None:
            yield f"{name}: {operation}: no test in conformance calls {', '.join(here)}"


def main(arguments):
    flags = [word for word in arguments if word.startswith("--")]
    words = [word for word in arguments if not word.startswith("--")]
    root = words[0] if words else os.path.join(os.path.dirname(__file__), "..", "..")
    path = os.path.join(root, "docs", "reference", "objects.md")
    if "--write" in flags:
        with open(path, "w", encoding="utf-8") as file:
            file.write(page(root))
        return 0
    lacks = list(missing(root))
    for line in lacks:
        print(line)
    if "--missing" in flags:
        return 0
    stale = not os.path.exists(path) or read(path) != page(root)
    if stale:
        print("docs/reference/objects.md is not what tests/tidy/objects.py --write makes")
    return 1 if STRICT and (lacks or stale) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
