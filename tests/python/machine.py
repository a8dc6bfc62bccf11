"""What the state machines of Hypothesis have in common: processes, values, comparing.

Each step is done by one of three processes, which have handles of their own, and to the plain
object of Python that says what is right; both have to give the same, or to raise the same.  After
each step another process, in its turn this one, looks whether all of the object is as it should be.

The steps are the same in each run, so that what fails fails again; with KITH_LONG=1 there are more.
"""

import itertools
import tempfile

import hypothesis
from hypothesis import stateful, strategies

import kith
import support
from workers import Worker, perform, shape

EXAMPLES, STEPS = (300, 60) if support.LONG else (15, 40)
WORKERS = 3

# ---- values ----

texts = strategies.text(alphabet="ab\0ß€😀", max_size=5)
ints = strategies.one_of(
    strategies.integers(-3, 3),
    strategies.sampled_from([2 ** 31, -2 ** 63, 2 ** 63 - 1, 2 ** 63, 2 ** 64, -2 ** 90]))
floats = strategies.sampled_from([0.0, -0.0, 1.0, 2.0, -1.5, 1e300, float("inf"), 2.0 ** 64])
simple = strategies.one_of(strategies.none(), strategies.booleans(), ints, floats, texts,
                           strategies.binary(max_size=5))
keys = strategies.one_of(
    strategies.sampled_from(["a", "b", "c", 0, 1, 2]), simple,
    strategies.lists(simple, max_size=2).map(tuple))


def make_large(size_and_part):
    size, part = size_and_part
    return part * (size // len(part))


# Larger than what stands in its place, than a slab, and than a page.
large = strategies.tuples(strategies.sampled_from([10, 100, 700, 5000, 50000]),
                          strategies.sampled_from(["x", b"y", (1, 2.5, "z" * 200) * 20]),
                          ).map(make_large)


def containers(part):
    return strategies.one_of(
        strategies.lists(part, max_size=3), strategies.lists(part, max_size=3).map(tuple),
        strategies.dictionaries(keys, part, max_size=3), strategies.sets(keys, max_size=3))


# No lambdas and no large values here and in the machines: Hypothesis looks at the words of all
# rules at each step.
items = strategies.one_of(simple, large, strategies.recursive(keys, containers, max_leaves=5))
not_keys = strategies.sampled_from([[], [1], {}, {1}, ([],), (1, {2: 3})])
places_in = strategies.integers(-9, 9)
bounds = strategies.one_of(strategies.none(), places_in,
                           strategies.sampled_from([2 ** 62, -2 ** 63, 2 ** 70, -2 ** 70]))
slices = strategies.builds(slice, bounds, bounds,
                           strategies.sampled_from([None, 1, 1, 2, 3, -1, -2, 2 ** 70]))
by = strategies.integers(0, WORKERS - 1)
# What a place in a list or array is not.
no_places = strategies.sampled_from(["0", None, 1.0, (1,)])


# ---- processes ----

class Places:
    """The space of a machine, and the processes that work in it."""

    def __init__(self, address):
        self.space = kith.open(address)
        self.workers = [Worker(address) for _ in range(WORKERS)]

    def end(self):
        """How they ended, what is broken, and how many processes have the space still open."""
        statuses = [worker.end() for worker in self.workers]
        violations, attached = self.space.check().violations, self.space.stat().processes
        self.space.close()
        return statuses, violations, attached


def is_long(self):
    """Whether a machine's object is so long that it may be emptied."""
    return len(self.model) > 9


class Machine(stateful.RuleBasedStateMachine):
    """What all machines have in common; `kind` is the name of a method of kith.Space."""

    kind = None
    places = None
    names = itertools.count()

    def begin(self, model, **options):
        self.name = f"machine {next(Machine.names)}"
        self.model = model
        self.handle = getattr(self.places.space, self.kind)(self.name, exclusive=True, **options)
        for worker in self.places.workers:
            worker.open(self.kind, self.name)
        self.last = 0

    def teardown(self):
        if hasattr(self, "handle"):
            self.places.space.destroy(self.name)
            del self.handle

    def told(self, found, expected, *what):
        assert shape(found) == shape(expected), f"{what} {found}, not {expected}"

    def do(self, by, name, *args, **options):
        """Does it there and to the model; compares, and gives, what it gave."""
        self.last = by
        found = self.places.workers[by].perform(name, args, options)
        expected = perform(self.model, name, args, options)
        self.told(found, expected, name, args, options)
        return expected

    def look(self, name, *args):
        """Does it in another process than the one that did the last step."""
        self.last = (self.last + 1) % (WORKERS + 1)
        if self.last == WORKERS:
            return perform(self.handle, name, args)
        return self.places.workers[self.last].perform(name, args)

    def whole(self, name, expected, *args):
        self.told(self.look(name, *args), ("gives", expected), name, args, "elsewhere")


def run(test, machine):
    """Lets a machine take its steps, for a test."""
    settings = hypothesis.settings(
        max_examples=EXAMPLES, stateful_step_count=STEPS, derandomize=True, deadline=None,
        database=None, print_blob=False, suppress_health_check=list(hypothesis.HealthCheck))
    Machine.places = Places(support.named(test))
    try:
        with tempfile.TemporaryDirectory(prefix="kith-python.") as folder:
            hypothesis.configuration.set_hypothesis_home_dir(folder)
            stateful.run_state_machine_as_test(machine, settings=settings)
    finally:
        ended = Machine.places.end()
    test.assertEqual(ended, ([0] * WORKERS, [], 1))
