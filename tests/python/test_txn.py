"""kith.Txn: all or nothing."""

import gc

import kith
import support


class Transactions(support.Case):
    def test_all(self):
        """What was built happens at the commit, all of it"""
        d, q = self.space.dict(), self.space.queue()
        v = self.space.value(type="q", transactional=True)
        f = self.space.value(type="d", transactional=True)
        d.update({"a": 1, "gone": 1})
        q.put("job")
        lease = q.lease()
        with self.space.txn() as txn:
            txn.if_equal(d, "a", 1)
            txn.if_present(d, "a")
            txn.if_absent(d, "new")
            txn.if_version(d, "a", d.get_version("a")[1])
            txn.if_value(v, 0)
            txn.set(d, "new", [1, "x"])
            txn.add(d, "a", 5)
            txn.add(d, "a")
            txn.delete(d, "gone")
            txn.put(q, "later")
            txn.put(q, "first", priority=1)
            txn.ack(lease)
            txn.add(v, 3)
            txn.set(f, 1.5)
            txn.add(f, 0.25)
            self.assertEqual(d.copy(), {"a": 1, "gone": 1})
        self.assertEqual(d.copy(), {"a": 7, "new": [1, "x"]})
        self.assertEqual(q.get_many(5), ["first", "later"])
        self.assertEqual((v.value, f.value), (3, 1.75))
        with self.assertRaises(ValueError):
            lease.ack()
        with self.assertRaises(ValueError):
            txn.commit()
        self.check()

    def test_nothing(self):
        """A condition that does not hold leaves nothing done, and the lease as it was"""
        d, q = self.space.dict(), self.space.queue()
        q.put("job")
        lease = q.lease()
        for build in (lambda t: t.if_present(d, "a"), lambda t: t.if_equal(d, "a", 1),
                      lambda t: t.if_version(d, "a", 1)):
            txn = self.space.txn()
            build(txn)
            txn.set(d, "b", 1)
            txn.ack(lease)
            with self.assertRaises(kith.ConflictError):
                txn.commit()
        self.assertEqual(len(d), 0)
        lease.ack()

    def test_left_by_an_exception(self):
        """Leaving by an exception discards"""
        d = self.space.dict()
        with self.assertRaises(ZeroDivisionError), self.space.txn() as txn:
            txn.set(d, "a", 1)
            1 // 0
        with self.space.txn() as txn:
            txn.set(d, "a", 1)
            txn.discard()
        self.space.txn().set(d, "a", 1)
        gc.collect()
        self.assertEqual(len(d), 0)

    def test_errors_of_a_commit(self):
        """A full queue, a lost lease, what is no number: nothing happens"""
        d, q = self.space.dict(), self.space.queue(capacity=1)
        d["s"] = "text"
        q.put("job")
        lease = q.lease()
        for build, error in ((lambda t: t.put(q, 1), kith.Full),
                             (lambda t: t.add(d, "s", 1), TypeError)):
            txn = self.space.txn()
            txn.set(d, "a", 1)
            build(txn)
            with self.assertRaises(error):
                txn.commit()
        lease.extend(1e-9)
        self.assertEqual(q.get(timeout=support.CEILING_S), "job")
        txn = self.space.txn()
        txn.set(d, "a", 1)
        txn.ack(lease)
        with self.assertRaises(kith.GoneError):
            txn.commit()
        self.assertEqual(d.copy(), {"s": "text"})

    def test_wrong(self):
        """What can never be done is refused at once"""
        d = self.space.dict()
        native = self.space.value(type="q")
        txn = self.space.txn()
        for act, error in ((lambda: txn.set({}, "a", 1), TypeError),
                           (lambda: txn.set(d, [1], 1), TypeError),
                           (lambda: txn.set(d, "a", object()), TypeError),
                           (lambda: txn.put(d, 1), TypeError),
                           (lambda: txn.ack(d), TypeError),
                           (lambda: txn.add(d, "a", "x"), TypeError),
                           (lambda: txn.add(native, 1), kith.UnsupportedError)):
            with self.assertRaises(error):
                act()
        with kith.open("mem://") as other:
            with self.assertRaises(ValueError):
                txn.set(other.dict("d"), "a", 1)
        txn.set(d, "a", 1)
        txn.commit()
        self.assertEqual(d.copy(), {"a": 1})

    def test_handles_are_kept(self):
        """A transaction keeps the handles that it was given"""
        txn = self.space.txn()
        for i in range(20):
            txn.set(self.space.dict(f"d{i}"), "a", i)
        gc.collect()
        txn.commit()
        self.assertEqual([self.space[f"d{i}"]["a"] for i in range(20)], list(range(20)))


if __name__ == "__main__":
    support.main()
