"""Handles go to the workers of joblib and of concurrent.futures, of every sort."""

import concurrent.futures
import multiprocessing
import os
import unittest

import kith
import support

support.needs("joblib")

import joblib  # noqa: E402

TASKS = 40


def work(d, q, lock, n):
    with lock:
        d["n"] = d.get("n", 0) + n
    d.add(("by", os.getpid()), 1)
    q.put(n)
    return d


class Workers(unittest.TestCase):
    def setUp(self):
        self.space = kith.open(support.named(self))
        self.addCleanup(self.space.close)
        self.d, self.q, self.lock = (self.space.dict("d"), self.space.queue("q"),
                                     self.space.lock("l"))
        self.calls = [(self.d, self.q, self.lock, n) for n in range(TASKS)]

    def audit(self, results):
        self.assertEqual([result.name for result in results], ["d"] * TASKS)
        self.assertTrue(all(result.space is self.space for result in results))
        self.assertEqual(self.d.pop("n"), sum(range(TASKS)))
        self.assertEqual(sorted(self.q.get_many(TASKS)), list(range(TASKS)))
        self.assertEqual(sum(self.d.values()), TASKS)
        self.assertEqual(self.space.check().violations, [])

    def joblib(self, backend):
        with joblib.parallel_backend(backend, n_jobs=2):
            self.audit(joblib.Parallel()(joblib.delayed(work)(*call) for call in self.calls))
        self.assertEqual((os.getpid() in {key[1] for key in self.d}), backend == "threading")

    def test_loky(self):
        """joblib's loky, whose workers are other programs"""
        try:
            self.joblib("loky")
        finally:
            from joblib.externals.loky import get_reusable_executor
            get_reusable_executor().shutdown(wait=True)

    def test_multiprocessing(self):
        """joblib's multiprocessing"""
        self.joblib("multiprocessing")

    def test_threading(self):
        """joblib's threading"""
        self.joblib("threading")

    def test_futures(self):
        """concurrent.futures, by each start method"""
        for method in "fork", "spawn", "forkserver":
            context = multiprocessing.get_context(method)
            with concurrent.futures.ProcessPoolExecutor(2, context) as pool:
                self.audit(list(pool.map(work, *zip(*self.calls))))
            self.d.clear()
        from multiprocessing import forkserver, resource_tracker
        forkserver._forkserver._stop()
        resource_tracker._resource_tracker._stop()


if __name__ == "__main__":
    support.main()
