"""Processes killed at random moments within the operations of an object.

A victim notes before each step that it begins it, and after it that it has done it.  Then it is
killed, whenever that is.  What it had begun and not noted as done may have happened or not; so the
total after its death is one of two numbers, and no other.  Meanwhile a rival does the same steps,
is told to stop, and then waits for nobody; and so does this process afterwards.
"""

import faulthandler
import mmap
import random
import time

import support

KILLS = 200 if support.LONG else 20


class Skip(Exception):
    """This step could not be taken."""


class Worker:
    """A process that takes steps until it is killed or told to stop."""

    def __init__(self, step):
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)
        self.word = memoryview(self._memory).cast("Q")  # begun, done, whether to stop
        self.child = support.Child(self._work, step)

    def _work(self, step):
        word = self.word
        number = 0
        while not word[2]:
            word[0] = number + 1
            try:
                step()
            except Skip:
                word[0] = number
                continue
            number += 1
            word[1] = number

    def stop(self):
        self.word[2] = 1
        if self.child.wait() != 0:
            raise AssertionError(f"a rival ended with {self.child.status}")
        return self.word[1]

    def close(self):
        self.word.release()
        self._memory.close()


class Deaths:
    """For a unittest.TestCase: kill_often()."""

    kills = KILLS

    def setUp(self):
        super().setUp()
        # What hangs is told by its name, and where.
        faulthandler.dump_traceback_later(10 * support.CEILING_S, exit=True)
        self.addCleanup(faulthandler.cancel_dump_traceback_later)

    def kill_often(self, step, total=None, audit=None):
        """total() gives what all steps together have made since it was last asked."""
        for _ in range(self.kills):
            victim, rival = Worker(step), Worker(step)
            support.until(lambda: victim.word[0] > 0, "the first step")
            time.sleep(random.uniform(0, 0.003))
            victim.child.kill()
            victim.child.wait()
            steps = rival.stop()
            try:
                step()
                steps += 1
            except Skip:
                pass
            if total is not None:
                self.assertIn(total() - steps, (victim.word[1], victim.word[0]))
            if audit is not None:
                audit()
            victim.close()
            rival.close()
