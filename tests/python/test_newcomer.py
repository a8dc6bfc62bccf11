"""What somebody who is new to it does wrong is answered with what to do."""

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

    def test_dead_letter(self):
        """Dead letters go to a queue by its name, and a handle is refused in words"""
        dead = self.space.queue("dead")
        with self.assertRaises(TypeError) as caught:
            self.space.queue("jobs", attempts_max=1, dead_letter=dead)
        self.assertEqual(str(caught.exception),
                         "dead_letter is the name of a queue, a str, not kith.Queue")
        jobs = self.space.queue("jobs", attempts_max=1, dead_letter=dead.name)
        jobs.put("poison")
        jobs.lease().nack()
        self.assertEqual(dead.get(timeout=0), "poison")


if __name__ == "__main__":
    support.main()
