"""10,000 children come, work on what is shared, and go: nothing of them remains."""

import multiprocessing
import os
import unittest

import kith
import support

CHILDREN = 10000 if support.LONG else 200
AT_ONCE = 8
# Who comes takes over what one who went has left, so that this is for as many as there were at
# once, in steps of 64 KiB; with --long 50 bytes a child.
SLACK = 1 << 19


def child(d, q, lock, value, number):
    with lock:
        d[number % 7] = [number] * (number % 50)
    d.add("children", 1)
    q.put(number)
    value.add(1)
    d.space.list().append(d)
    with d.space.txn() as txn:
        txn.add(d, "transactions", 1)


class Children(unittest.TestCase):
    def run_children(self, method, count):
        name = support.named(self)
        context = multiprocessing.get_context(method)
        with kith.open(name) as space:
            d, q, lock = space.dict("d"), space.queue("q"), space.lock("l")
            value = space.value("v")

            def some(numbers):
                processes = [context.Process(target=child, args=(d, q, lock, value, number))
                             for number in numbers]
                for process in processes:
                    process.start()
                for process in processes:
                    process.join(support.CEILING_S)
                self.assertEqual([process.exitcode for process in processes], [0] * len(processes))
                for process in processes:
                    process.close()
                self.assertEqual(sorted(q.get_many(len(numbers))), list(numbers))

            some(range(56))
            space.gc()
            before, open_before = space.stat(), len(os.listdir("/proc/self/fd"))
            files = set(os.listdir("/dev/shm"))
            for start in range(56, 56 + count, AT_ONCE):
                some(range(start, start + AT_ONCE))
            space.gc()
            after = space.stat()
            self.assertEqual(d["children"], 56 + count)
            self.assertEqual((d["transactions"], value.value), (56 + count, 56 + count))
            self.assertEqual((after.objects, after.processes, after.threads),
                             (before.objects, 1, 1))
            self.assertLess(after.bytes_used - before.bytes_used, SLACK)
            self.assertEqual(len(os.listdir("/proc/self/fd")), open_before)
            self.assertEqual([file for file in set(os.listdir("/dev/shm")) - files
                              if name in file], [])
            self.assertEqual(space.check().violations, [])

    def test_fork(self):
        """Forked children leave no actor, no object, no byte and no descriptor"""
        self.run_children("fork", CHILDREN)

    def test_spawn(self):
        """So do spawned ones"""
        self.run_children("spawn", CHILDREN if support.LONG else AT_ONCE)


if __name__ == "__main__":
    support.main()
