"""Locks, rwlocks, semaphores, conditions, events, barriers, onces and limiters."""

import contextlib
import gc
import os
import threading

import kith
import support


def in_thread(function):
    """What function() gives in another thread."""
    results = []

    def run():
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(support.CEILING_S)
    assert not thread.is_alive()
    return results[0]


class Locks(support.Case):
    def test_lock(self):
        """A lock has the surface of threading.Lock"""
        lock = self.space.lock()
        self.assertTrue(lock.acquire())
        self.assertTrue(lock.locked())
        with self.assertRaises(kith.DeadlockError):
            lock.acquire(timeout=1)
        self.assertFalse(in_thread(lambda: lock.acquire(False)))
        self.assertFalse(in_thread(lambda: lock.acquire(timeout=0.001)))
        self.assertIsInstance(in_thread(lock.release), kith.NotOwnerError)
        self.assertIsInstance(in_thread(lock.release), RuntimeError)
        owner = lock.owner()
        self.assertEqual((owner["pid"], owner["depth"], owner["alive"]), (os.getpid(), 1, True))
        self.assertEqual([party["holds"] for party in lock.parties()], [True])
        lock.release()
        self.assertIsNone(lock.owner())
        with self.assertRaises(RuntimeError):
            lock.release()
        with self.assertRaises(ValueError):
            lock.acquire(False, 1)
        with lock as entered:
            self.assertIs(entered, lock)
        self.assertFalse(lock.locked())

    def test_excludes(self):
        """Processes and threads exclude each other"""
        lock, d = self.space.lock(), self.space.dict()
        d["n"] = 0

        def work():
            for _ in range(200):
                with lock:
                    d["n"] = d["n"] + 1

        children = [support.Child(work) for _ in range(2)]
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual([child.wait() for child in children], [0, 0])
        self.assertEqual(d["n"], 800)

    def test_recursive(self):
        """A rlock is acquired again by its owner"""
        lock = self.space.rlock()
        with lock, lock:
            self.assertEqual(lock.owner()["depth"], 2)
        self.assertFalse(lock.locked())

    def test_unowned(self):
        """An unowned lock may be released by anybody"""
        lock = self.space.lock(unowned=True)
        lock.acquire()
        self.assertFalse(lock.acquire(False))
        self.assertIsNone(in_thread(lock.release))
        self.assertFalse(lock.locked())
        with self.assertRaises(ValueError):
            self.space.lock(unowned=True, recursive=True)

    def test_owner_died(self):
        """The lock of a killed process goes on, with the news"""
        lock = self.space.lock()

        def hold():
            lock.acquire()
            self.space.event("never").wait()

        child = support.Child(hold)
        child.until_asleep()
        child.kill()
        child.wait()
        with lock:
            self.assertTrue(lock.owner_died)
        with lock:
            self.assertFalse(lock.owner_died)

    def test_deadlock(self):
        """A circle is refused where it is looked for"""
        a = self.space.lock("a", detect_deadlock=True)
        b = self.space.lock("b", detect_deadlock=True)
        a.acquire()
        started = threading.Event()

        def other():
            b.acquire()
            started.set()
            a.acquire()
            a.release()
            b.release()

        thread = threading.Thread(target=other)
        thread.start()
        started.wait()
        # Who stands in the row has not looked for a circle yet, and would see this one as well.
        support.until(lambda: len(a.parties()) == 2)
        support.until(lambda: support.is_asleep(os.getpid(), thread.native_id))
        with self.assertRaises(kith.DeadlockError):
            b.acquire()
        a.release()
        thread.join()

    def test_rwlock(self):
        """A rwlock is shared by many or had by one"""
        rwlock = self.space.rwlock()
        with rwlock.shared() as entered:
            self.assertIs(entered, rwlock)
            self.assertTrue(in_thread(lambda: rwlock.acquire_shared(False) and
                                      not rwlock.release()))
            self.assertFalse(in_thread(lambda: rwlock.acquire(False)))
            with self.assertRaises(kith.DeadlockError):
                rwlock.acquire()
        with rwlock:
            self.assertFalse(in_thread(lambda: rwlock.acquire_shared(timeout=0.001)))
            self.assertEqual(rwlock.owner()["sharers"], 0)
        self.assertFalse(rwlock.locked())
        with self.assertRaises(kith.NotOwnerError):
            rwlock.release()


class Entering(support.Case):
    def test_by_hand(self):
        """What `with` calls can be called by hand, bound and not, as methods can"""
        lock = self.space.lock()
        enter, leave = lock.__enter__, lock.__exit__
        self.assertIs(enter.__self__, lock)
        self.assertEqual((enter.__name__, leave.__name__), ("__enter__", "__exit__"))
        self.assertIn("__enter__", repr(enter))
        self.assertIs(enter(), lock)
        leave(None, None, None)
        self.assertIs(kith.Lock.__enter__(lock), lock)
        self.assertTrue(lock.locked())
        kith.Lock.__exit__(lock, None, None, None)
        with contextlib.ExitStack() as stack:
            self.assertIs(stack.enter_context(lock), lock)
            self.assertTrue(lock.locked())
        self.assertFalse(lock.locked())

    def test_refused(self):
        """What `with` calls takes no other arguments, and no object of another type"""
        lock, event = self.space.lock(), self.space.event()
        for call in (lambda: lock.__enter__(1), lambda: lock.__enter__(a=1),
                     lambda: lock.__exit__(a=1), lambda: kith.Lock.__enter__(),
                     lambda: kith.Lock.__enter__(event),
                     lambda: kith.Lock.__dict__["__exit__"].__get__(event)):
            self.assertRaises(TypeError, call)
        self.assertFalse(lock.locked())

    def test_nested(self):
        """A hundred `with` in each other end each with its own lock, and an error passes through"""
        locks = [self.space.lock() for _ in range(100)]

        def hold(number):
            if number == len(locks):
                raise KeyError("innermost")
            with locks[number] as held:
                self.assertIs(held, locks[number])
                hold(number + 1)

        for _ in range(3):
            with self.assertRaisesRegex(KeyError, "innermost"):
                hold(0)
            self.assertFalse(any(lock.locked() for lock in locks))

    def test_kept(self):
        """A bound __exit__ keeps its lock, and `with` on what is not named otherwise works"""
        leave = self.space.lock("kept").__enter__().__exit__
        gc.collect()
        self.assertTrue(self.space.lock("kept").locked())
        leave()
        self.assertFalse(self.space.lock("kept").locked())
        with self.space.lock("kept"):
            self.assertTrue(self.space.lock("kept").locked())
        self.assertFalse(self.space.lock("kept").locked())

    def test_subclass(self):
        """A subclass has its own __enter__, and calls its base's"""
        import kith.multiprocessing as multiprocessing

        class Loud(multiprocessing.synchronize.Lock):
            entered = 0

            def __enter__(self):
                self.entered += 1
                return super().__enter__()

        lock = Loud(space=lambda: self.space)
        with lock as held:
            self.assertIs(held, True)
            self.assertTrue(lock.locked())
        self.assertEqual((lock.entered, lock.locked()), (1, False))


class Permits(support.Case):
    def test_semaphore(self):
        """A semaphore has the surface of threading.Semaphore"""
        semaphore = self.space.semaphore(value=2)
        self.assertTrue(semaphore.acquire())
        with semaphore:
            self.assertEqual(semaphore.value, 0)
            self.assertFalse(semaphore.acquire(False))
            self.assertFalse(semaphore.acquire(timeout=0.001))
        semaphore.release(3)
        self.assertEqual(semaphore.value, 4)
        with self.assertRaises(ValueError):
            semaphore.release(0)

    def test_bounded(self):
        """A bounded one is not released too often, which is a ValueError"""
        semaphore = self.space.semaphore(value=1, bounded=True)
        with self.assertRaises(ValueError):
            semaphore.release()
        self.assertEqual(semaphore.value, 1)

    def test_killed(self):
        """The permits of a killed process come back"""
        semaphore = self.space.semaphore(value=1)

        def hold():
            semaphore.acquire()
            self.space.event("never").wait()

        child = support.Child(hold)
        child.until_asleep()
        child.kill()
        child.wait()
        self.assertTrue(semaphore.acquire(timeout=support.CEILING_S))

    def test_limiter(self):
        """A limiter gives no more tokens than there are"""
        limiter = self.space.limiter(rate=1e-3, burst=2)
        self.assertEqual([limiter.take() for _ in range(3)], [True, True, False])
        self.assertFalse(limiter.wait(timeout=0.01))
        state = limiter.state()
        self.assertEqual((state["burst"], state["available"]), (2, 0))
        with self.assertRaises(OverflowError):
            limiter.take(3)
        with self.assertRaises(ValueError):
            self.space.limiter("x", rate=0)
        self.assertTrue(self.space.limiter(rate=1e9, burst=1).wait())

    def test_once(self):
        """A once runs once among all; a failure passes the turn on"""
        once, d = self.space.once(), self.space.dict()
        with self.assertRaises(ZeroDivisionError):
            once.run(lambda: 1 // 0)
        self.assertEqual(once.state, "open")
        children = [support.Child(lambda: once.run(lambda: d.add("n"))) for _ in range(3)]
        self.assertEqual([child.wait() for child in children], [0] * 3)
        self.assertEqual((d["n"], once.state), (1, "done"))
        self.assertFalse(once.run(lambda: d.add("n")))
        other = self.space.once()
        self.assertTrue(other.claim())
        with self.assertRaises(kith.DeadlockError):
            other.claim()
        with self.assertRaises(kith.TimeoutError):
            raise in_thread(lambda: other.claim(0))
        other.failed()
        self.assertTrue(other.claim())
        other.done()
        with self.assertRaises(kith.NotOwnerError):
            other.done()


class Signals(support.Case):
    def test_event(self):
        """An event has the surface of threading.Event"""
        event = self.space.event()
        self.assertFalse(event.is_set())
        self.assertFalse(event.wait(0))
        self.assertFalse(event.wait(0.001))
        child = support.Child(lambda: self.assertTrue(event.wait()))
        child.until_asleep()
        event.set()
        self.assertEqual(child.wait(), 0)
        self.assertTrue(event.wait())
        event.clear()
        self.assertFalse(event.is_set())

    def test_condition(self):
        """A condition notifies as many as it is told to"""
        condition, d = self.space.condition(), self.space.dict()

        def wait():
            with condition:
                d.add("waiting")
                condition.wait()
                d.add("returned")

        children = [support.Child(wait) for _ in range(3)]
        support.until(lambda: d.get("waiting") == 3)
        with condition:
            condition.notify()
        support.until(lambda: d.get("returned") == 1)
        with condition:
            condition.notify_all()
        self.assertEqual([child.wait() for child in children], [0] * 3)
        self.assertEqual(d["returned"], 3)
        with condition:
            self.assertFalse(condition.wait(0.001))
        with self.assertRaises(kith.NotOwnerError):
            condition.wait(1)

    def test_wait_for(self):
        """wait_for() waits for a predicate, and says what it was"""
        lock = self.space.lock("of the condition")
        condition, d = self.space.condition(lock=lock), self.space.dict()

        def wait():
            with condition:
                assert lock.locked()
                assert condition.wait_for(lambda: d.get("n", 0) >= 2 and "enough") == "enough"

        child = support.Child(wait)
        child.until_asleep()
        for _ in range(2):
            with lock:
                d.add("n")
                condition.notify_all()
        self.assertEqual(child.wait(), 0)
        with condition:
            self.assertFalse(condition.wait_for(lambda: False, timeout=0.001))
            with self.assertRaises(ZeroDivisionError):
                condition.wait_for(lambda: 1 // 0)
        with self.assertRaises(kith.NotFoundError):
            self.space.condition(lock="none such")

    def test_barrier(self):
        """A barrier lets all go when all are there, and calls its action once"""
        d = self.space.dict()
        barrier = self.space.barrier("b", parties=3, action=lambda: d.add("acted"))

        def meet():
            d.add("index", barrier.wait())

        children = [support.Child(meet) for _ in range(3)]
        self.assertEqual([child.wait() for child in children], [0] * 3)
        self.assertEqual((d["acted"], d["index"]), (1, 3))
        self.assertEqual((barrier.parties, barrier.n_waiting, barrier.broken), (3, 0, False))

    def test_broken_barrier(self):
        """A barrier breaks by a timeout, an abort and a death, as threading's does"""
        barrier = self.space.barrier(parties=2)
        with self.assertRaises(threading.BrokenBarrierError) as caught:
            barrier.wait(0.001)
        self.assertIs(type(caught.exception), kith.BrokenBarrierError)
        self.assertTrue(barrier.broken)
        barrier.reset()
        barrier.abort()
        with self.assertRaises(kith.BrokenBarrierError):
            barrier.wait()
        barrier.reset()
        three = self.space.barrier(parties=3)
        child = support.Child(three.wait)
        child.until_asleep()
        result = []

        def meet():
            try:
                three.wait()
            except Exception as error:
                result.append(error)

        thread = threading.Thread(target=meet)
        thread.start()
        support.until(lambda: three.n_waiting == 2)
        child.kill()
        child.wait()
        thread.join(support.CEILING_S)
        self.assertIsInstance(result[0], kith.BrokenBarrierError)
        self.assertIn(str(child.pid), str(result[0]))

    def test_failing_action(self):
        """An action that raises breaks the barrier, and its exception comes out"""
        barrier = self.space.barrier(parties=1, action=lambda: 1 // 0)
        with self.assertRaises(ZeroDivisionError):
            barrier.wait()
        self.assertTrue(barrier.broken)
        with self.assertRaises(kith.NotFoundError):
            self.space.barrier("none")
        with self.assertRaises(ValueError):
            self.space.barrier("none", parties=0)


if __name__ == "__main__":
    support.main()
