"""What the pages of docs/guide/pains/ promise, where no other test shows it."""

import os
import subprocess
import sys
import tempfile
import unittest

import kith
import support

RESTARTS = 1000 if support.LONG else 100


def finished(children):
    """The statuses of all of them."""
    return [child.wait() for child in children]


class Deaths(support.Case):
    def test_queue(self):
        """A queue goes on with whole items, whoever is killed in putting and getting"""
        queue, taken = self.space.queue(capacity=20), self.space.value(type="q")

        def put():
            n = 0
            while True:
                queue.put((n, "x" * n))
                n = (n + 37) % 5000

        def take():
            while True:
                n, text = queue.get()
                assert len(text) == n
                taken.add()

        for n in range(200 if support.LONG else 20):
            children = [support.Child(put), support.Child(take)]
            goal = taken.value + 5 + n
            while taken.value < goal:
                self.assertTrue(taken.wait(taken.value, timeout=support.CEILING_S))
            for child in children:
                child.kill()
            self.assertEqual(finished(children), [-9, -9])
        for n, text in queue.get_many(100, 0) if len(queue) else []:
            self.assertEqual(len(text), n)
        queue.put("on")
        self.assertEqual(queue.get(timeout=support.CEILING_S), "on")
        self.check()

    def test_restarts(self):
        """A total is right after any number of workers were killed, and takes no more memory"""
        hits, never = self.space.dict("hits"), self.space.event()

        def work():
            hits.counts["total"] += 1
            hits.add("other", 2)
            never.wait()

        sizes = []
        for n in range(RESTARTS):
            child = support.Child(work)
            child.until_asleep()
            child.kill()
            self.assertEqual(child.wait(), -9)
            if n in (RESTARTS // 2, RESTARTS - 1):
                self.space.gc()
                sizes.append(self.space.stat().bytes_used)
        self.assertEqual(hits.copy(), {"total": RESTARTS, "other": 2 * RESTARTS})
        self.assertEqual(sizes[0], sizes[1])
        self.check()

    def test_maker(self):
        """A thousand queues outlive who made them, and take no descriptors"""
        def make():
            for n in range(1000):
                self.space.queue(f"queue-{n}").put(n)
            self.space.event("made").set()
            self.space.event("never").wait()

        before = len(os.listdir("/proc/self/fd"))
        maker = support.Child(make)
        self.assertTrue(self.space.event("made").wait(support.CEILING_S))
        maker.kill()
        self.assertEqual(maker.wait(), -9)
        queues = [self.space.queue(f"queue-{n}", create=False) for n in range(1000)]
        self.assertEqual([queue.get(timeout=0) for queue in queues], list(range(1000)))
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before + 2)


class Ends(support.Case):
    def test_put_and_end(self):
        """What was put is there when its putter has ended, however large it is"""
        queue = self.space.queue()

        def put():
            queue.put(b"x" * 50_000_000)
            queue.put("the last")

        child = support.Child(put)
        self.assertEqual(child.wait(), 0)
        self.assertEqual(len(queue.get(timeout=0)), 50_000_000)
        self.assertEqual(queue.get(timeout=0), "the last")

    def test_sizes(self):
        """A queue's sizes are exact, whoever put and took"""
        queue = self.space.queue(capacity=3)
        self.assertTrue(queue.empty())
        child = support.Child(queue.put_many, ["a", "b", "c"])
        self.assertEqual(child.wait(), 0)
        self.assertEqual((len(queue), queue.qsize(), queue.empty(), queue.full()),
                         (3, 3, False, True))
        self.assertEqual(support.Child(queue.get).wait(), 0)
        self.assertEqual((len(queue), queue.full()), (2, False))
        with queue.lease():
            self.assertEqual((queue.info()["ready"], queue.info()["leased"]), (1, 1))

    def test_objects(self):
        """Handles are stored, pickled, inherited and dropped, and then nothing is left"""
        before = self.space.stat().objects
        lists = [self.space.list() for _ in range(10)]
        box = self.space.queue()
        for n in range(9):
            lists[n].append(lists[n + 1])
        for each in lists:
            box.put(each)

        def use():
            for _ in range(10):
                box.get(timeout=0).insert(0, "seen")

        self.assertEqual(support.Child(use).wait(), 0)
        self.assertEqual([each[0] for each in lists], ["seen"] * 10)
        del lists[1:]
        self.assertEqual(lists[0][1][1][1][0], "seen")
        del lists, box, each, use
        self.space.gc()  # the child ended without a word
        self.assertEqual(self.space.stat().objects, before)


class Names(unittest.TestCase):
    def test_short_programs(self):
        """Short programs come, read and end or are killed, and a space stays as it was"""
        name = support.named(self)
        space = kith.open(name)
        space.dict("d")["a"] = "kept"
        program = """if True:
            import os, signal, sys, kith
            space = kith.open(sys.argv[1], create=False)
            assert space.dict("d")["a"] == "kept"
            memory = memoryview(space.segment("memory"))
            if sys.argv[2] == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            """
        memoryview(space.segment("memory", size=8192))[5] = 5
        space.close()  # nobody has it open
        for end in ("ends", "killed") * 4:
            status, output, messages = support.script(program, name, end)
            self.assertEqual((status, output, messages), (-9 if end == "killed" else 0, "", ""))
        with kith.open(name, create=False) as space:
            self.assertEqual(space.dict("d")["a"], "kept")
            self.assertEqual(memoryview(space.segment("memory"))[5], 5)
            self.assertEqual(space.check().violations, [])

    def test_temporary(self):
        """A temporary space whose last user was killed is gone for the next, and by gc()"""
        name = support.named(self)

        def leave():
            space = kith.open(name, temporary=True)
            space.dict("d")["a"] = 1
            os.kill(os.getpid(), 9)

        for remove in (lambda: kith.open(name, temporary=True), lambda: kith.open("mem://").gc()):
            self.assertEqual(support.Child(leave).wait(), -9)
            self.assertIn(name, [info.name for info in kith.spaces()])
            left = remove()
            if isinstance(left, kith.Space):
                self.assertEqual(left.objects(), [])
                left.close()
            self.assertNotIn(name, [info.name for info in kith.spaces()])

    def test_folder(self):
        """Named spaces are in the folder that KITH_DIR names"""
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(
                [sys.executable, "-c", "import kith; print(kith.open('there').stat().path)"],
                env=dict(os.environ, KITH_DIR=folder), stdout=subprocess.PIPE,
                timeout=support.CEILING_S, universal_newlines=True)
            self.assertEqual(os.path.dirname(done.stdout.strip()), folder)
            self.assertTrue(os.path.exists(done.stdout.strip()))


def private_bytes():
    """What this process has for itself."""
    with open("/proc/self/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private"))


class Memory(support.Case):
    def test_there_once(self):
        """What is looked at in place takes no memory of the process that looks"""
        size = 32 << 20
        array = self.space.array(type="b", count=size)
        d = self.space.dict()
        d["text"] = b"x" * size

        def look():
            before = private_bytes()
            assert bytes(memoryview(array)[::4096]) == bytes(size // 4096)
            with memoryview(d.view("text")) as text:
                assert bytes(text[::4096]) == b"x" * (size // 4096)
            assert private_bytes() - before < size // 4

        self.assertEqual(finished([support.Child(look) for _ in range(2)]), [0, 0])


if __name__ == "__main__":
    support.main()
