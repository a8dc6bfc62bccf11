"""Ctrl-C ends every wait, handlers run in the middle of one, and so does the interpreter's end."""

import os
import signal
import threading
import unittest

import kith
import support

WAITS = {
    "queue get": "q.get()",
    "queue put": "full.put(1)",
    "queue lease": "q.lease()",
    "queue get_many": "q.get_many(2)",
    "queue put_many": "full.put_many([1])",
    "queue get_view": "q.get_view()",
    "queue join": "full.join()",
    "lock": "taken.acquire()",
    "with lock": "taken.__enter__()",
    "rwlock": "rw.acquire()",
    "rwlock shared": "rw.acquire_shared()",
    "semaphore": "none.acquire()",
    "condition": "with_condition()",
    "condition wait_for": "with_condition(lambda: False)",
    "event": "e.wait()",
    "event in time": "e.wait(1000)",
    "barrier": "b.wait()",
    "once": "claimed.claim()",
    "limiter": "slow.wait()",
    "value": "v.wait(0)",
    "array": "a.acquire()",
    "dict": "d.wait('k')",
    "dict get_or_compute": "d.get_or_compute('pending', str)",
}


class Interrupts(support.Case):
    def setUp(self):
        super().setUp()
        s = self.space
        self.names = dict(
            q=s.queue(), full=s.queue(capacity=1), taken=s.lock(), rw=s.rwlock(),
            none=s.semaphore(value=0), c=s.condition(), e=s.event(), b=s.barrier(parties=2),
            claimed=s.once(), slow=s.limiter(rate=1e-5), v=s.value(), a=s.array(count=1),
            d=s.dict(), never=s.event())

        def with_condition(predicate=None):
            with self.names["c"]:
                if predicate is None:
                    self.names["c"].wait()
                else:
                    self.names["c"].wait_for(predicate)

        self.names["with_condition"] = with_condition
        self.names["full"].put(1)
        self.names["slow"].take()
        self.holder = support.Child(self.hold)
        self.holder.until_asleep()
        self.addCleanup(self.holder.wait)
        self.addCleanup(self.holder.kill)

    def hold(self):
        """Another process has all that can be had."""
        names = self.names
        names["taken"].acquire()
        names["rw"].acquire()
        names["claimed"].claim()
        names["a"].acquire()
        names["d"].get_or_compute("pending", lambda _: names["never"].wait())

    def test_every_wait(self):
        """A SIGINT ends every wait at once, with a KeyboardInterrupt, and nothing was taken"""
        for what, text in WAITS.items():
            with self.subTest(what=what):
                child = support.Child(self.interrupted, text)
                child.until_asleep()
                child.kill(signal.SIGINT)
                self.assertEqual(child.wait(), 0)
        self.assertEqual(self.names["full"].qsize(), 1)
        self.check()

    def interrupted(self, text):
        try:
            eval(text, self.names)
        except KeyboardInterrupt:
            return
        raise AssertionError("no KeyboardInterrupt came")

    def test_handler(self):
        """A handler that returns runs in the middle of the wait, which goes on"""
        q, back = self.space.queue(), self.space.queue()

        def wait():
            signal.signal(signal.SIGUSR1, lambda *_: back.put("handled"))
            back.put("ready")
            assert q.get() == "item"

        child = support.Child(wait)
        self.assertEqual(back.get(), "ready")
        child.until_asleep()
        for _ in range(3):
            child.kill(signal.SIGUSR1)
            self.assertEqual(back.get(timeout=support.CEILING_S), "handled")
        q.put("item")
        self.assertEqual(child.wait(), 0)

    def test_handler_that_raises(self):
        """Any exception of a handler ends the wait"""
        def wait():
            def handler(*_):
                raise ZeroDivisionError
            signal.signal(signal.SIGUSR1, handler)
            self.names["e"].set()
            try:
                self.names["q"].get()
            except ZeroDivisionError:
                return
            raise AssertionError("it did not come out")

        child = support.Child(wait)
        self.names["e"].wait()
        child.until_asleep()
        child.kill(signal.SIGUSR1)
        self.assertEqual(child.wait(), 0)

    def test_main_thread_alone(self):
        """A SIGINT ends the wait of the main thread, and other threads wait on"""
        q, ready = self.names["q"], self.space.event()

        def wait():
            thread = threading.Thread(target=self.names["e"].wait)
            thread.start()
            support.until(lambda: support.is_asleep(os.getpid(), thread.native_id))
            ready.set()
            try:
                q.get()
            except KeyboardInterrupt:
                assert thread.is_alive()
                self.names["e"].set()
                thread.join()
                return
            raise AssertionError("no KeyboardInterrupt came")

        child = support.Child(wait)
        ready.wait()
        child.until_asleep()
        child.kill(signal.SIGINT)
        self.assertEqual(child.wait(), 0)


class Shutdown(unittest.TestCase):
    def test_during_a_wait(self):
        """A program may end while its daemon threads wait, and says nothing"""
        status, output, messages = support.script("""if True:
            import kith, threading, sys, os
            space = kith.open("mem://")
            q, e, l = space.queue(), space.event(), space.lock()
            l.acquire()
            for wait in (q.get, e.wait, l.acquire, lambda: space.dict().wait("k")):
                threading.Thread(target=wait, daemon=True).start()
            def asleep(thread):
                with open(f"/proc/self/task/{thread}/syscall") as file:
                    return file.read().split()[0] in ("202", "449", "98")
            threads = [t.native_id for t in threading.enumerate() if t.daemon]
            while not all(map(asleep, threads)):
                pass
            print("end")
            """)
        self.assertEqual((status, output, messages), (0, "end\n", ""))

    def test_from_an_exit_handler(self):
        """Objects work in exit handlers and destructors"""
        status, output, messages = support.script("""if True:
            import atexit, kith
            space = kith.open("mem://")
            d = space.dict()
            class Last:
                def __del__(self, d=d):
                    d["x"] = 1
            last = Last()
            atexit.register(lambda: (d.add("n", 1), print(d["n"])))
            """)
        self.assertEqual((status, output, messages), (0, "1\n", ""))


if __name__ == "__main__":
    support.main()
