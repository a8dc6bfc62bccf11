"""Everything once: all that is public, done to objects of one space, so that nothing remains.

    everything.py ROUNDS    does it so often, by itself: for valgrind, which shows one thread

No round waits for anybody, and after each the space is as before it.
"""

import array
import asyncio
import gc
import io
import pickle
import queue
import sys
import threading

import kith
import kith.multiprocessing as multiprocessing
from kith.multiprocessing import shared_memory


class Unstorable:
    """What no space without a serializer takes."""


def refused(error, act, *args, **options):
    try:
        act(*args, **options)
    except error:
        return
    raise AssertionError(f"{act} was not refused with {error}")


class Everything:
    """All kinds of object; go() does a round, and counts operations in `done`."""

    def __init__(self, space):
        self.space = space
        self.done = 0
        self.d, self.other, self.l, self.s = space.dict(), space.dict(), space.list(), space.set()
        self.n, self.q, self.jobs = space.namespace(), space.queue(capacity=5), space.queue(
            joinable=True)
        self.v, self.real, self.cell = space.value(), space.value(type="d"), space.value(
            transactional=True)
        self.a, self.text = space.array(count=10), space.array(type="c", initial=b"hello")
        self.segment = space.segment(size=10000)
        self.lock, self.rlock, self.rw = space.lock(), space.rlock(), space.rwlock()
        self.semaphore, self.event = space.semaphore(value=2), space.event()
        self.condition, self.barrier = space.condition(), space.barrier(parties=1)
        self.limiter = space.limiter(rate=1e6, burst=10)
        self.cache = space.dict(max_items=5, policy="sieve")
        self.square = kith.cached(space.dict())(lambda n: [n] * 3)
        self.parts = [getattr(self, name) for name in sorted(dir(self)) if name.startswith("do_")]

    def go(self, i):
        for part in self.parts:
            self.done += part(i % 50)

    def do_dict(self, i):
        d = self.d
        d[i] = [i, (i, "text" * 10), {"a": {1, 2}}, None, 2.5, 2 ** 70]
        d[i], d.get(i), d.get("none"), i in d, "none" in d, len(d), d.get_many([i, "none"])
        d["large"] = b"x" * 10000
        with d.view("large") as view:
            view.nbytes, memoryview(view)[5], view.load()
        d.get_into("large", bytearray(10000))
        d.update({"a": 1}, b=2)
        d.setdefault("a", 3), d.swap("a", 4), d.insert("a", 5), d.replace("a", 6)
        d.cas("a", 6, 7), d.delete_if("a", 6), d.get_version("a")
        d.cas_version("a", d.get_version("a")[1], 8)
        d.modify("a", lambda n: n + 1, 0)
        d.wait("a", 0, 0), d.scan("a"), d.info()
        list(d), list(d.items()), list(d.values()), list(reversed(d)), d.copy(), d | {}, d == {}
        snapshot = d.snapshot()
        snapshot["a"], list(snapshot), snapshot.get("none"), len(snapshot)
        refused(KeyError, d.__getitem__, "none")
        refused(TypeError, d.__setitem__, "a", Unstorable())
        refused(TypeError, d.__getitem__, [])
        refused(TypeError, d.add, "large")
        refused(ZeroDivisionError, d.modify, "a", lambda n: 1 // 0)
        repr(d), d.name, d.kind, d.space, hash(d.name), pickle.loads(pickle.dumps(d))
        d.pop("a"), d.pop("none", None), d.popitem(), d.delete_many(["b", "none"])
        d.clear()
        return 60

    def do_numbers(self, i):
        d = self.d
        d.add("n"), d.sub("n", 2), d.min("n", -5), d.max("n", 5), d.or_("n", 3), d.and_("n", 1)
        d.xor("n", 1), d.add_limit("n", 1, 100), d.add_many({"n": 1, "m": 2})
        d.counts["n"] += 1
        d.counts["n"] -= i
        d.counts["n"] + 1, d["n"]
        refused(OverflowError, d.add_limit, "n", 2 ** 40, 5)
        del d.counts["n"], d["m"]
        return 17

    def do_cache(self, i):
        cache = self.cache
        cache.set(i, "value", ttl=100), cache.ttl(i), cache.expire(i, 50), cache.touch(i)
        cache.persist(i), cache.get_stale(i), cache.purge()
        cache.get_or_compute("c", lambda key: [key], ttl=5)
        refused(ZeroDivisionError, cache.get_or_compute, "fails", lambda key: 1 // 0)
        self.square(i), self.square(i), self.square.forget(i)
        cache.clear()
        return 14

    def do_list(self, i):
        l = self.l
        l.extend([3, "a", [1], (2,), {"k": i}])
        l.append(i), l.insert(0, 1.5), l[0], l[-1], l[1:4], l[::-2], len(l), 3 in l, l.index("a")
        l.count(3), l + [1], l * 2, l == [1], list(l), list(reversed(l)), l.copy()
        l[0] = "b"
        l[1:3] = [7, 8, 9]
        l[::2] = l[::2]
        l += [5]
        l *= 2
        l.sort(key=str, reverse=True), l.reverse(), l.pop(), l.pop(0), l.remove(5)
        del l[0], l[1:3]
        refused(IndexError, l.__getitem__, 100)
        refused(TypeError, l.sort)
        refused(ZeroDivisionError, l.sort, key=lambda _: 1 // 0)
        refused(ValueError, l.remove, "none")
        l.clear()
        return 40

    def do_set(self, i):
        s = self.s
        s.update([1, 2, "a"], (i,)), s.add((1, "b")), 1 in s, len(s), list(s), s.copy()
        s | {5}, s & {1}, s - {1}, {1} - s, s ^ {9}, s.union([1]), s.isdisjoint([1]), s <= {1}
        s.discard(1), s.remove(2), s.pop(), s.difference_update([i]), s.intersection_update(["a"])
        s.symmetric_difference_update([7])
        s |= {4}
        s &= {4}
        refused(KeyError, s.remove, "none")
        s.clear()
        return 25

    def do_namespace(self, i):
        n = self.n
        n.attribute = [i]
        n.attribute, dir(n), repr(n), hasattr(n, "none")
        del n.attribute
        return 6

    def do_queue(self, i):
        q = self.q
        q.put(("item", i)), q.put("first", priority=1), q.put_many([1, b"x" * 10000]), q.peek()
        len(q), q.qsize(), q.empty(), q.full(), q.info(), q.get(), q.get(timeout=0)
        with q.lease() as item:
            item
        lease = q.lease(limit=100)
        lease.extend(50), lease.attempts, lease.queue, lease.nack()
        q.get_view().load()
        refused(queue.Empty, q.get_nowait)
        refused(queue.Empty, q.lease, 0)
        q.put_many(range(5))
        refused(queue.Full, q.put, 1, False)
        q.get_many(10)
        q.put("dropped")
        q.lease()
        q.get()
        jobs = self.jobs
        jobs.put(1), jobs.get(), jobs.task_done(), jobs.join(0)
        refused(ValueError, jobs.task_done)
        return 36

    def do_locks(self, i):
        with self.lock, self.rlock, self.rlock, self.rw, self.condition:
            self.lock.locked(), self.lock.owner(), self.lock.parties(), self.lock.owner_died
            self.condition.notify(), self.condition.notify_all()
            self.condition.wait_for(lambda: True)
        with self.rw.shared(), self.a, self.semaphore:
            self.semaphore.value, self.rw.locked()
        self.lock.acquire(False), self.lock.release()
        refused(RuntimeError, self.lock.release)
        self.event.set(), self.event.wait(), self.event.is_set(), self.event.clear()
        self.event.wait(0)
        self.barrier.wait(0), self.barrier.abort()
        refused(threading.BrokenBarrierError, self.barrier.wait, 0)
        self.barrier.reset(), self.barrier.parties, self.barrier.n_waiting, self.barrier.broken
        self.limiter.take(), self.limiter.state()
        return 42

    def do_cells(self, i):
        v, a = self.v, self.a
        v.add(), v.sub(1), v.min(5), v.max(3), v.and_(7), v.or_(1), v.xor(3), v.exchange(i)
        v.cas(i, 0), v.get(), v.set(5), v.value, v.wait(4, 0), v.type, v.itemsize
        self.real.add(0.5), self.real.set(0)
        refused(OverflowError, v.set, 2 ** 100)
        refused(TypeError, v.set, "1")
        a[3] = i
        a[3], a[2:5], a[-1], len(a), list(a), a.add(3), a.cas(3, i, 0), i in a, a.count(0)
        a[2:4] = [1, 2]
        a.index(2), memoryview(a)[3], memoryview(self.segment)[5]
        with a.view() as view:
            view.readonly
        stage = a.stage()
        a.publish(stage), a.publish(array.array("q", range(10)))
        refused(IndexError, a.__getitem__, 10)
        refused(OverflowError, a.__setitem__, 0, 2 ** 64)
        refused(ValueError, a.index, 100)
        self.text[1], self.text[1:3], list(self.text)
        return 44

    def do_txn(self, i):
        d, other, q = self.d, self.other, self.q
        q.put(i)
        lease = q.lease()
        with self.space.txn() as txn:
            txn.set(d, "t", [i]), txn.add(other, "n", 2), txn.put(q, "put"), txn.ack(lease)
            txn.if_absent(d, "none"), txn.add(self.cell, 1), txn.set(self.cell, i)
        with self.space.txn() as txn:
            txn.if_present(d, "t"), txn.if_equal(d, "t", [i]), txn.delete(d, "t")
            txn.if_version(other, "n", other.get_version("n")[1]), txn.if_value(self.cell, i)
        txn = self.space.txn()
        txn.if_present(d, "none")
        refused(kith.ConflictError, txn.commit)
        txn = self.space.txn()
        txn.set(d, "dropped", 1)
        del txn, lease
        q.get(), other.clear()
        return 22

    def do_space(self, i):
        space = self.space
        named = space.dict("named")
        "named" in space, space["named"], space.objects(), space.stat()
        named["inner"] = space.list()
        named["inner"].append(named["inner"].space.set())
        space.rename("named", "renamed"), space.destroy("renamed")
        refused(ReferenceError, named.get, 1)
        refused(KeyError, space.__getitem__, "none")
        kept = space.list()
        kept.append(space.queue())
        kept[0].put(1)
        once = space.once()
        once.run(lambda: None), once.state
        kith.Foreign("a/b", b"bytes").data
        self.d["f"] = kith.Foreign("a/b", b"bytes")
        self.d.pop("f").tag
        if i == 0:
            space.check(), space.gc()
            file = io.BytesIO()
            space.dump(file)
            with kith.open("mem://", size=1 << 26) as loaded:
                file.seek(0)
                loaded.load(file)
        return 24

    def do_asyncio(self, i):
        if i % 10:
            return 0

        async def all_of_it():
            await self.q.aput(i)
            await self.q.aget()
            await self.q.aput(i)
            (await self.q.alease()).ack()
            await self.lock.aacquire()
            self.lock.release()
            self.event.set()
            await self.event.await_set()
            self.event.clear()

        asyncio.run(all_of_it(), debug=False)
        return 9

    def do_multiprocessing(self, i):
        if i % 10:
            return 0
        value, numbers = multiprocessing.Value("i", 1), multiprocessing.Array("d", [1, 2, 3])
        with value.get_lock():
            value.value += 1
        value.add(1), numbers[1], numbers[:]
        numbers[0] = 5
        raw = multiprocessing.RawArray("i", 3)
        raw[1] = 2
        for guard in (multiprocessing.Lock(), multiprocessing.RLock(), multiprocessing.Semaphore(),
                      multiprocessing.BoundedSemaphore(), multiprocessing.Condition()):
            with guard:
                repr(guard)
        event, barrier = multiprocessing.Event(), multiprocessing.Barrier(1)
        event.set(), event.wait(0), barrier.wait(0)
        for items in (multiprocessing.Queue(), multiprocessing.JoinableQueue(),
                      multiprocessing.SimpleQueue()):
            items.put((1, "a", {2})), items.get(), items.empty(), items.close()
        return 40

    def do_manager(self, i):
        if i:
            return 0
        with multiprocessing.Manager() as manager:
            shared = manager.dict(a=1, b=manager.list([1, 2]))
            shared["b"].append(3), list(shared), shared.copy()
            names = manager.Namespace(x=1)
            names.x += 1
            manager.Queue().put(1), manager.Value("i", 1).value, manager.Array("i", [1])[0]
            with manager.Lock(), manager.RLock(), manager.Condition():
                manager.Event().set()
        block = shared_memory.ShareableList([1, "text", b"bytes", None, 2.5])
        block[0], list(block), block.count(1), block.index("text")
        block[0] = 2
        block.shm.close(), block.shm.unlink()
        return 25


def main(rounds):
    space = kith.open("mem://", size=1 << 27)
    everything = Everything(space)
    for i in range(rounds):
        everything.go(i)
    assert space.check().violations == []
    space.close()
    gc.collect()
    print(everything.done, "operations")


if __name__ == "__main__":
    main(int(sys.argv[1]))
