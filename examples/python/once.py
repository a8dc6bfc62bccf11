#!/usr/bin/env python3
"""A job that one worker of a web server does, though each of them has the scheduler.

Every worker runs the same thread, which finds the same jobs due.  `once` lets one have each: the
others wait for it, and if it is killed in the middle the next takes over.
"""

import functools
import os
import threading

import kith
import prefork

DAYS = ["monday", "tuesday", "wednesday"]

space = kith.open("mem://")
started = space.list("started")     # (day, pid) of all who began
sent = space.dict("sent").counts    # day -> how many reports went out
printer = space.event("printer")    # stands for what is slow: it goes on when this is set


def send_report(day):
    started.append((day, os.getpid()))
    printer.wait()
    sent[day] += 1  # the last thing: who is killed before has sent nothing


def scheduler():
    for day in DAYS:
        # One name for each job that is to be done once.
        space.once(f"report-{day}").run(functools.partial(send_report, day))


def at_start():
    threading.Thread(target=scheduler, daemon=True).start()


def application(environ, start_response):
    """/DAY is answered when the report of that day is out, by this worker or by another."""
    day = environ["PATH_INFO"].strip("/")
    space.once(f"report-{day}").run(lambda: send_report(day))
    return prefork.answer(start_response, f"sent {sent[day]}")


def until_started(count):
    """Waits until so many have begun."""
    while len(started) < count:
        threading.Event().wait(0.001)


def client(address):
    # The first two who begin are killed in the middle.
    for n in range(2):
        until_started(n + 1)
        prefork.kill(started[n][1])
    until_started(3)
    printer.set()
    for day in DAYS:
        # Whom the worker was killed under that answers has to ask again; here that is nobody.
        assert prefork.fetch(address, f"/{day}")[:2] == (200, "sent 1")
    assert [day for day, _ in started] == ["monday"] * 3 + ["tuesday", "wednesday"], started[:]
    assert len({pid for day, pid in started if day == "monday"}) == 3
    print("3 jobs in 4 workers, 2 of which were killed over one: each was done once")


def main():
    prefork.run(application, client, at_start=at_start)
    assert [sent[day] for day in DAYS] == [1, 1, 1]
    assert space.check().violations == []


if __name__ == "__main__":
    main()
