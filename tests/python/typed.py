"""A program with types, for mypy --strict; it also runs, since types may lie."""

import collections.abc
from typing import Any, assert_type

import kith
import kith.multiprocessing as multiprocessing


def mapping(space: kith.Space) -> None:
    d = space.dict("d", max_items=100, policy="sieve")
    assert_type(d, kith.Dict)
    d["a"] = 1
    assert_type(d.add("a"), int)
    assert_type(d.add("f", 0.5), float)
    assert_type(d.insert("b", [1]), bool)
    d.counts["n"] += 1
    number: int = d.counts["n"]
    assert number == 1
    plain: dict[Any, Any] = d.copy()
    both: collections.abc.MutableMapping[str, int] = d
    assert len(plain) == len(both) == 4
    found: list[Any] = d.get_many(["a", "b"])
    assert_type(d.get_or_compute("c", lambda key: len(key)), int)
    assert_type(d.snapshot(), kith.Snapshot)
    assert_type(d.ttl("a"), float | None)
    version: int = d.get_version("a")[1]
    assert d.cas_version("a", version, 2) and found == [2, [1]]
    with d.view("b") as view:
        assert view.nbytes > 0


def sequences(space: kith.Space) -> None:
    l, s, a = space.list(), space.set(), space.array(type="i", initial=[1, 2, 3])
    l.extend([1, "a"])
    assert_type(l[:], list[Any])
    l += [2]
    l *= 2
    assert_type(l, kith.List)
    assert_type(l.index("a"), int)
    mutable: collections.abc.MutableSequence[Any] = l
    members: collections.abc.MutableSet[Any] = s
    run: collections.abc.Sequence[Any] = a
    members.add(1)
    s.intersection_update([1])
    assert_type(s.union([2]), set[Any])
    assert (len(mutable), len(members), run.index(2), a.count(3)) == (6, 1, 1, 1)
    names = space.namespace()
    names.x = 1
    assert names.x == 1


def queues(space: kith.Space) -> None:
    q = space.queue(capacity=5)
    q.put("a", priority=1, timeout=0.5)
    assert_type(q.put_many([1, 2]), int)
    with q.lease() as item:
        assert item == "a"
    lease = q.lease(0, limit=None)
    assert_type(lease, kith.Lease)
    assert_type(lease.attempts, int)
    lease.ack()
    try:
        q.get_many(5), q.get_nowait()
    except kith.Empty as error:
        assert isinstance(error, kith.Error)

    async def one() -> str:
        await q.aput("text")
        got: str = await q.aget()
        return got


def locks(space: kith.Space) -> None:
    lock, rwlock, semaphore = space.lock(fair=True), space.rwlock(), space.semaphore(value=2)
    with lock as held, rwlock.shared(), semaphore:
        assert_type(held, kith.Lock)
        assert_type(lock.owner_died, bool)
    event, barrier, once = space.event(), space.barrier(parties=1), space.once()
    event.set()
    assert_type(event.wait(1), bool)
    assert_type(barrier.wait(), int)
    assert_type(once.run(lambda: None), bool)
    assert once.state == "done"
    assert_type(space.limiter(rate=5).take(), bool)
    with space.condition() as condition:
        condition.notify_all()


def cells(space: kith.Space) -> None:
    v = space.value(type="d", initial=1.5)
    v.value = 2.0
    assert v.add(1) == 3.0
    with space.txn() as txn, space.array(count=2) as a:
        txn.set(space.dict("d"), "k", 1)
        assert_type(len(a), int)
    assert_type(space.segment(size=10).size, int)


def told(space: kith.Space) -> None:
    stat = space.stat()
    assert_type(stat, kith.Stat)
    assert_type(stat.bytes_used, int)
    assert_type(space.check().violations, list[str])
    infos: list[kith.Info] = space.objects()
    assert infos[0].name == "d" and infos[0][1] == "dict"

    @kith.cached(space, ttl=5)
    def square(n: int) -> int:
        return n * n

    assert square(3) == 9
    square.forget(3)
    assert_type(square.results, kith.Dict)


def standard() -> None:
    queue: multiprocessing.Queue[int] = multiprocessing.Queue()
    queue.put(2)
    with multiprocessing.Manager() as manager, multiprocessing.Lock():
        shared = manager.dict({"a": 1})
        assert shared["a"] + queue.get() == 3


def main() -> None:
    with kith.open("mem://") as space:
        for part in mapping, sequences, queues, locks, cells, told:
            part(space)
    standard()


if __name__ == "__main__":
    main()
