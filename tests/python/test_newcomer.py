"""What somebody who is new to it does wrong is answered with what to do."""

import os
import subprocess
import sys
import tempfile
import textwrap

import kith
import support


class Newcomer(support.Case):
    def test_what_it_takes_to_make_one(self):
        """What cannot be made without an argument names it, and makes nothing"""
        for kind, missing in (("barrier", "parties"), ("limiter", "rate"), ("segment", "size")):
            with self.subTest(kind=kind):
                opens = getattr(self.space, kind)
                with self.assertRaises(kith.NotFoundError) as caught:
                    opens("one")
                self.assertEqual(caught.exception.args[0], f'There is no {kind} "one", and to make '
                                                           f'it {missing} has to be given.')
                self.assertNotIn("one", self.space)
                # Who says that it is there already has forgotten nothing.
                with self.assertRaises(kith.NotFoundError) as caught:
                    opens("one", create=False)
                self.assertNotIn(missing, caught.exception.args[0])
                opens("one", **{missing: 1})
                self.assertEqual(opens("one").name, "one")
                self.space.destroy("one")

    def test_no_such_name(self):
        """A name of no object, of whatever kind, is told with the space"""
        with self.assertRaises(KeyError) as caught:
            self.space["nothing"]
        self.assertEqual(caught.exception.args[0],
                         'There is no object "nothing" in the space "mem://".')

    def test_handle_within_a_container(self):
        """A handle within a plain container is refused with what to do"""
        d, inner = self.space.dict(), self.space.list()
        for value in ([inner], (inner,), {"a": inner}, [{"a": [inner]}]):
            with self.assertRaises(kith.KindError) as caught:
                d["a"] = value
            self.assertIn("A kith.List within a tuple, list, dict or set", str(caught.exception))
        d["a"] = self.space.dict()
        d["a"]["a"] = inner
        d["a"]["a"].append(1)
        self.assertEqual(inner[:], [1])

    def test_cached_of_what(self):
        """cached() says at once what it cannot keep"""
        with self.assertRaisesRegex(TypeError, r"@kith.cached\(space\), not function"):
            @kith.cached
            def forgotten():
                pass
        with self.assertRaisesRegex(TypeError, "not str"):
            kith.cached("site")
        with self.assertRaisesRegex(TypeError, r"fetch\(\) gives a coroutine"):
            @kith.cached(self.space)
            async def fetch():
                pass

    def test_cached_arguments(self):
        """cached() keeps results of different arguments apart, however they are made up"""
        @kith.cached(self.space)
        def told(*args, **kwargs):
            return repr((args, kwargs))

        calls = [((), {}), ((1,), {}), (("1",), {}), ((1.5,), {}), ((None,), {}), ((1, 2), {}),
                 (((1, 2),), {}), ((((1, 2),),), {}), (((),), {}), (((), ()), {}),
                 ((1, None, "b", 2), {}), ((1,), {"b": 2}), (((1,), (("b", 2),)), {}),
                 ((((1,), (("b", 2),)),), {}), (((((1,), (("b", 2),)),),), {}), ((), {"b": 2})]
        for _ in range(2):
            for args, kwargs in calls:
                self.assertEqual(told(*args, **kwargs), repr((args, kwargs)))
        self.assertEqual(len(told.results), len(calls))

    def test_cached_in_main(self):
        """A main module goes by its file, in what it spawns, too, and shares no results"""
        name = support.named(self)
        program = """
            import multiprocessing
            import sys

            import kith

            space = kith.open(sys.argv[1])
            calls = space.list("calls")

            @kith.cached(space)
            def page(n):
                calls.append(n)
                return n

            if __name__ == "__main__":
                page(1)
                child = multiprocessing.get_context("spawn").Process(target=page, args=(1,))
                child.start()
                child.join()
                print(child.exitcode, calls[:], page.results.name)
            """
        with tempfile.TemporaryDirectory() as folder:
            for file in ("shop.py", "mail.py"):
                path = os.path.join(folder, file)
                with open(path, "w", encoding="utf-8") as out:
                    out.write(textwrap.dedent(program))
                done = subprocess.run([sys.executable, path, name], stdout=subprocess.PIPE,
                                      timeout=support.CEILING_S, universal_newlines=True)
                calls = [1] if file == "shop.py" else [1, 1]
                self.assertEqual(done.stdout, f"0 {calls} cached:{file[:-3]}.page\n")

    def test_dead_letter(self):
        """Dead letters go to a queue by its name, and a handle is refused in words"""
        dead = self.space.queue("dead")
        with self.assertRaises(TypeError) as caught:
            self.space.queue("jobs", attempts_max=1, dead_letter=dead)
        self.assertEqual(str(caught.exception),
                         "dead_letter is a str, not kith.Queue")
        jobs = self.space.queue("jobs", attempts_max=1, dead_letter=dead.name)
        jobs.put("poison")
        jobs.lease().nack()
        self.assertEqual(dead.get(timeout=0), "poison")


if __name__ == "__main__":
    support.main()
