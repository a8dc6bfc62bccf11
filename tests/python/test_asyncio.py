"""The asyncio forms, and selectors on queues, events and locks."""

import asyncio
import os
import select
import selectors
import threading
import unittest.mock

import kith
import support


class Coroutines(support.Case):
    def run_all(self, *coroutines):
        async def all_of_them():
            return await asyncio.wait_for(asyncio.gather(*coroutines), support.CEILING_S)
        return asyncio.run(all_of_them())

    def test_get(self):
        """Tasks wait for items of other tasks and processes, each gets its own"""
        q = self.space.queue()

        async def put():
            for n in range(5):
                await asyncio.sleep(0)
                await q.aput(n)

        child = support.Child(lambda: q.put_many(range(5, 10)))
        results = self.run_all(*(q.aget() for _ in range(10)), put())
        self.assertEqual(sorted(results[:10]), list(range(10)))
        self.assertEqual(child.wait(), 0)

    def test_loop_goes_on(self):
        """The loop runs other tasks while one waits, without a thread"""
        q = self.space.queue()

        async def tick():
            for _ in range(10):
                await asyncio.sleep(0.001)
            threads = threading.active_count()
            q.put("ticked")
            return threads

        self.assertEqual(self.run_all(q.aget(), tick()), ["ticked", 1])

    def test_timeouts(self):
        """A timeout is Empty, Full or False, and a cancelled wait leaves nothing behind"""
        q, full = self.space.queue(), self.space.queue(capacity=1)
        event, lock = self.space.event(), self.space.lock()
        full.put(1)

        async def main():
            with self.assertRaises(kith.Empty):
                await q.aget(timeout=0.01)
            with self.assertRaises(kith.Empty):
                await q.alease(0)
            with self.assertRaises(kith.Full):
                await full.aput(2, timeout=0.01)
            self.assertFalse(await event.await_set(timeout=0.01))
            task = asyncio.create_task(q.aget())
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
            q.put("still there")
            self.assertEqual(await q.aget(), "still there")
            self.assertTrue(await lock.aacquire())
            lock.release()

        self.run_all(main())

    def test_lease(self):
        """A task leases and acknowledges"""
        q = self.space.queue()

        async def work():
            with await q.alease() as item:
                return item

        async def put():
            q.put("job")

        self.assertEqual(self.run_all(work(), put())[0], "job")
        self.assertEqual(q.info()["leased"], 0)

    def test_room(self):
        """A task waits for room"""
        q = self.space.queue(capacity=1)

        async def take():
            return [await q.aget() for _ in range(5)]

        async def put():
            for n in range(5):
                await q.aput(n)

        self.assertEqual(self.run_all(put(), take())[1], list(range(5)))

    def test_room_of_others(self):
        """A task waits for room that another process makes, and looks only when it is told"""
        q = self.space.queue(capacity=1)
        q.put(0)
        with unittest.mock.patch.object(asyncio, "sleep", side_effect=AssertionError("it polls")):
            child = support.Child(lambda: self.assertEqual([q.get() for _ in range(20)],
                                                           list(range(20))))

            async def put():
                for n in range(1, 20):
                    await q.aput(n)

            self.run_all(put())
        self.assertEqual(child.wait(), 0)

        async def end():
            full = self.space.queue(capacity=1)
            full.put(1)
            task = asyncio.ensure_future(full.aput(2))
            await asyncio.sleep(0.01)
            full.shutdown()
            with self.assertRaises(kith.ShutDown):
                await task

        self.run_all(end())

    def test_semaphore(self):
        """Tasks and another process share permits"""
        for fair in (False, True):
            semaphore, d = self.space.semaphore(value=2, fair=fair), self.space.dict()

            def other():
                for _ in range(30):
                    with semaphore:
                        self.assertLessEqual(d.add("in"), 2)
                        d.add("in", -1)
                        d.add("n")

            async def task():
                for _ in range(10):
                    self.assertTrue(await semaphore.aacquire())
                    self.assertLessEqual(d.add("in"), 2)
                    await asyncio.sleep(0)
                    d.add("in", -1)
                    d.add("n")
                    semaphore.release()

            child = support.Child(other)
            self.run_all(task(), task(), task())
            self.assertEqual(child.wait(), 0)
            self.assertEqual((d["n"], semaphore.value), (60, 2))

            async def none():
                self.assertTrue(await semaphore.aacquire())
                self.assertTrue(await semaphore.aacquire())
                self.assertFalse(await semaphore.aacquire(timeout=0.01))

            self.run_all(none())

    def test_permit_of_the_dead(self):
        """A task gets the permit of a killed process"""
        semaphore = self.space.semaphore()

        def hold():
            semaphore.acquire()
            self.space.event("never").wait()

        child = support.Child(hold)
        child.until_asleep()

        async def kill():
            await asyncio.sleep(0.01)
            child.kill()

        self.assertTrue(self.run_all(semaphore.aacquire(), kill())[0])
        child.wait()

    def test_value(self):
        """A task waits until a value is another"""
        for transactional in (False, True):
            value = self.space.value(type="q", transactional=transactional)
            turn = self.space.value(type="q")

            def other():
                for n in range(20):
                    self.assertTrue(turn.wait(n))
                    value.add()

            async def wait():
                for n in range(20):
                    turn.add()
                    self.assertTrue(await value.await_change(n))
                self.assertFalse(await value.await_change(20, timeout=0.01))

            child = support.Child(other)
            self.run_all(wait())
            self.assertEqual(child.wait(), 0)

    def test_key(self):
        """A task waits for a key of a dict, for its next version, and for its end"""
        d, ready = self.space.dict(), self.space.event()

        def other():
            d["key"] = "first"
            ready.wait()
            d["other"] = 1
            d["key"] = "second"

        async def wait():
            item, version = await d.await_change("key")
            self.assertEqual(item, "first")
            ready.set()
            item, version = await d.await_change("key", version)
            self.assertEqual(item, "second")
            with self.assertRaises(kith.TimeoutError):
                await d.await_change("key", version, timeout=0.01)
            task = asyncio.ensure_future(d.await_change("key", version))
            await asyncio.sleep(0.01)
            del d["key"]
            with self.assertRaises(kith.NotFoundError):
                await task
            d.set("short", 1, ttl=0.01)
            item, version = await d.await_change("short")
            with self.assertRaises(kith.NotFoundError):
                await d.await_change("short", version)

        child = support.Child(other)
        self.run_all(wait())
        self.assertEqual(child.wait(), 0)

    def test_tokens(self):
        """Tasks wait for tokens, and see at once if they come too late"""
        limiter = self.space.limiter(rate=1000, burst=5)
        slow = self.space.limiter(rate=0.001, burst=1)

        async def late():
            self.assertTrue(await slow.await_tokens())
            self.assertFalse(await slow.await_tokens(timeout=10))
            with self.assertRaises(kith.RangeError):
                await slow.await_tokens(2)

        results = self.run_all(*(limiter.await_tokens(3) for _ in range(10)), late())
        self.assertEqual(results[:10], [True] * 10)

    def test_event(self):
        """All tasks that wait for an event go on when another process sets it"""
        event, ready = self.space.event(), self.space.event()

        def other():
            ready.wait()
            event.set()

        child = support.Child(other)

        async def tell():
            await asyncio.sleep(0.01)
            ready.set()

        self.assertEqual(self.run_all(*(event.await_set() for _ in range(5)), tell())[:5],
                         [True] * 5)
        self.assertEqual(child.wait(), 0)

    def test_lock(self):
        """Tasks exclude each other and other processes"""
        lock, d = self.space.lock(), self.space.dict()
        d["n"] = 0

        def other():
            for _ in range(30):
                with lock:
                    d["n"] = d["n"] + 1

        async def task():
            for _ in range(10):
                self.assertTrue(await lock.aacquire())
                try:
                    n = d["n"]
                    await asyncio.sleep(0)
                    d["n"] = n + 1
                finally:
                    lock.release()

        child = support.Child(other)
        self.run_all(task(), task(), task())
        self.assertEqual(child.wait(), 0)
        self.assertEqual(d["n"], 60)

    def test_shutdown(self):
        """A queue that is shut down ends the waits of tasks"""
        q = self.space.queue()

        async def get():
            with self.assertRaises(kith.ShutDown):
                await q.aget()

        async def end():
            await asyncio.sleep(0.01)
            q.shutdown()

        self.run_all(get(), get(), end())

    def test_owner_died(self):
        """A task gets the lock of a killed process"""
        lock = self.space.lock()

        def hold():
            lock.acquire()
            self.space.event("never").wait()

        child = support.Child(hold)
        child.until_asleep()

        async def kill():
            await asyncio.sleep(0.01)
            child.kill()

        self.run_all(lock.aacquire(), kill())
        child.wait()
        self.assertTrue(lock.owner_died)
        lock.release()


class Selectors(support.Case):
    def wait_for(self, handle, attempt):
        """What attempt() gives as soon as it gives something, waiting by select alone."""
        with selectors.DefaultSelector() as selector:
            selector.register(handle.fileno(), selectors.EVENT_READ)
            while True:
                handle.fileno()
                result = attempt()
                if result:
                    return result
                selector.select(support.CEILING_S)

    def test_queue(self):
        """A selector waits for a queue"""
        q = self.space.queue()

        def attempt():
            try:
                return q.get_nowait()
            except kith.Empty:
                return None

        child = support.Child(lambda: q.put("item"))
        self.assertEqual(self.wait_for(q, attempt), "item")
        self.assertEqual(child.wait(), 0)

    def test_event_and_lock(self):
        """A selector waits for an event and for a lock"""
        event, lock, held = self.space.event(), self.space.lock(), self.space.event()

        def other():
            lock.acquire()
            held.set()
            event.wait()
            lock.release()

        child = support.Child(other)
        self.assertTrue(self.wait_for(held, held.is_set))
        event.set()
        self.assertTrue(self.wait_for(lock, lambda: lock.acquire(False)))
        lock.release()
        self.assertEqual(child.wait(), 0)

    def test_room_and_permit(self):
        """A selector waits for room, for a permit and for a change"""
        q, semaphore = self.space.queue(capacity=1), self.space.semaphore(value=0)
        value, d = self.space.value(type="q"), self.space.dict()
        q.put(1)

        def other():
            q.get()
            semaphore.release()
            value.set(5)
            d["a"] = 6

        class Room:
            fileno = staticmethod(q.room_fileno)

        child = support.Child(other)
        self.assertTrue(self.wait_for(Room, lambda: not q.full()))
        self.assertTrue(self.wait_for(semaphore, lambda: semaphore.acquire(False)))
        self.assertEqual(self.wait_for(value, value.get), 5)
        self.assertEqual(self.wait_for(d, lambda: d.get("a")), 6)
        self.assertEqual(child.wait(), 0)

    def test_descriptor(self):
        """fileno() is the same at each call, and closed with the handle"""
        q = self.space.queue()
        descriptor = q.fileno()
        self.assertEqual(q.fileno(), descriptor)
        q.put(1)
        q.fileno()
        self.assertEqual(select.select([q], [], [], support.CEILING_S)[0], [q])
        del q
        with self.assertRaises(OSError):
            os.fstat(descriptor)


if __name__ == "__main__":
    support.main()
