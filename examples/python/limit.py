#!/usr/bin/env python3
"""A rate limit that all workers of a web server keep to together.

A limiter within each worker lets N times as much through, and begins anew with each restart.  This
one has its tokens in shared memory.  A client of its own has a window: so many calls a minute.
"""

import time

import kith
import prefork

BURST = 10
CALLS_A_MINUTE = 5

space = kith.open("mem://")
# 10 at once, and then one every 1,000 seconds, so that what follows is exact.
search = space.limiter("search", rate=0.001, burst=BURST)
calls = space.dict("calls", max_items=100000, policy="sieve")


def may_call(client, minute):
    """Counts a call of a client, unless it had its share in this minute."""
    try:
        calls.add_limit((client, minute), 1, CALLS_A_MINUTE)
    except kith.RangeError:
        return False
    return True


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/search":
        allowed = search.take()
    else:  # /of/NAME or, to try the next minute, /of/NAME/MINUTE
        _, _, client, *minute = path.split("/")
        allowed = may_call(client, int(minute[0]) if minute else int(time.time() // 60))
    if not allowed:
        return prefork.answer(start_response, "later, please", "429 Too Many Requests")
    return prefork.answer(start_response, "here you are")


def client(address):
    workers, statuses = set(), []
    for n in range(40):
        status, _, worker = prefork.fetch(address, "/search")
        workers.add(worker)
        statuses.append(status)
        if n % 5 == 4:
            prefork.kill(worker)
    assert statuses == [200] * BURST + [429] * (40 - BURST), statuses
    assert len(workers) >= 8
    print("40 searches, 8 workers killed, allowed:", statuses.count(200))

    answers = prefork.fetch_together(address, ["/of/ann/1"] * 12 + ["/of/ben/1"] * 12)
    statuses = [future.result()[0] for future in answers]
    assert statuses[:12].count(200) == statuses[12:].count(200) == CALLS_A_MINUTE, statuses
    assert prefork.fetch(address, "/of/ann/2")[0] == 200
    assert prefork.fetch(address, "/of/cleo")[0] == 200
    print("12 calls of each of two clients, allowed:", CALLS_A_MINUTE, "of each")


def main():
    prefork.run(application, client)
    assert space.check().violations == []


if __name__ == "__main__":
    main()
