#!/usr/bin/env python3
"""One counter for all workers of a web server, whatever becomes of them.

A global int counts the requests of one worker, and is gone with it.  Here each worker adds to the
same numbers: /metrics says the same whoever answers, and right after workers were killed.
"""

import kith
import prefork

space = kith.open("mem://")  # all who are forked from here; a server that starts its workers
#                              by itself: kith.open("site"), in each of them
hits = space.dict("hits")


def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/metrics":
        lines = [f'hits{{path="{path}"}} {count}' for path, count in sorted(hits.items())]
        return prefork.answer(start_response, "\n".join(lines))
    hits.counts[path] += 1  # one atomic addition
    return prefork.answer(start_response, f"visit {hits[path]}")


def client(address):
    """300 visits; after every tenth the worker that answered is killed."""
    workers = set()
    for n in range(300):
        status, _, worker = prefork.fetch(address, ("/", "/about", "/shop")[n % 3])
        assert status == 200, status
        workers.add(worker)
        if n % 10 == 9:
            prefork.kill(worker)
    for _ in range(5):
        _, text, _ = prefork.fetch(address, "/metrics")
        assert text == 'hits{path="/"} 100\nhits{path="/about"} 100\nhits{path="/shop"} 100', text
    assert len(workers) >= 30
    print("300 visits, 30 workers killed, counted: " + str(sum(hits.values())))


def main():
    prefork.run(application, client)
    assert dict(hits) == {"/": 100, "/about": 100, "/shop": 100}
    assert space.check().violations == []


if __name__ == "__main__":
    main()
