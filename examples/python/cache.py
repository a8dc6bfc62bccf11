#!/usr/bin/env python3
"""One cache for all workers of a web server, in which nothing is computed twice.

When a page that is not in the cache is asked for by many at once, one worker renders it and the
others wait for that.  If that worker is killed, one of those who wait takes over.
"""

import os

import kith
import prefork

WORKERS = 8

space = kith.open("mem://")
rendered = space.dict("rendered")   # page -> how often somebody began to render it
rendering = space.dict("rendering")  # page -> who does
asked = space.dict("asked")         # page -> how many requests for it came in
database = space.event("database")  # stands for what is slow: it answers when this is set


@kith.cached(space, ttl=300)
def render(page):
    rendered.add(page)
    rendering[page] = os.getpid()
    database.wait()
    return f"<h1>{page}</h1>"


def application(environ, start_response):
    page = environ["PATH_INFO"]
    asked.add(page)
    return prefork.answer(start_response, render(page))


def until_asked(page, count):
    """Waits until so many requests for a page are being worked on."""
    value, version = asked.wait(page)
    while value < count:
        value, version = asked.wait(page, version)


def client(address):
    # 32 requests at once: all workers are at it before the page is there.
    answers = prefork.fetch_together(address, ["/news"] * 32)
    until_asked("/news", WORKERS)
    database.set()
    assert [future.result()[:2] for future in answers] == [(200, "<h1>/news</h1>")] * 32
    assert rendered["/news"] == 1, rendered["/news"]
    print("32 requests, rendered once")

    # Once more, and the worker that renders is killed; its own client alone notices.
    database.clear()
    answers = prefork.fetch_together(address, ["/prices"] * 32)
    until_asked("/prices", WORKERS)
    first, version = rendering.wait("/prices")
    prefork.kill(first)
    second, _ = rendering.wait("/prices", version)
    database.set()
    results = [future.result()[:2] for future in answers]
    assert second != first
    assert results.count((None, "")) == 1, results
    assert results.count((200, "<h1>/prices</h1>")) == 31, results
    assert rendered["/prices"] == 2, rendered["/prices"]
    print("32 requests, the worker that rendered was killed, another took over")


def main():
    prefork.run(application, client, WORKERS)
    assert space.check().violations == []


if __name__ == "__main__":
    main()
