"""Python code that runs in the middle of a call, and does there what the call does not expect."""

import asyncio
import ctypes
import gc
import os
import pickle
import textwrap
import threading
import traceback
import unittest
import weakref

import kith
import kith.multiprocessing as multiprocessing
import support


class Turn:
    """Has a barrier whose action is a method of its own."""

    def __init__(self, make):
        self.barrier = make(1, self.act)
        self.acted = 0

    def act(self):
        self.acted += 1


class Job:
    """Work that is put into a queue."""


_forking = {}


def _fork():
    """What the child reads goes where it can, but not over the pickle."""
    pid = os.fork()
    _forking["children"].append(pid)
    if pid == 0:
        assert _forking["dict"]["other"] == "other " * 5000
    return pid


class Forks:
    """Forks when it is loaded."""

    def __reduce__(self):
        return _fork, ()


class Fails:
    """Does not load."""

    def __reduce__(self):
        return divmod, (1, 0)


class Reentry(unittest.TestCase):
    def runs(self, body, serializer=None):
        """The program ends well, whatever becomes of memory that was given back."""
        text = f"import kith\nspace = kith.open('mem://', serializer={serializer!r})\n"
        result = support.script(text + textwrap.dedent(body),
                                env=dict(os.environ, PYTHONMALLOC="debug"))
        self.assertEqual(result, (0, "", ""))

    def test_closed_by_an_argument(self):
        """A space that an argument closes stays until the call is over"""
        for act in ("space.dict('d').add('a', Index())", "space.list('l').extend(generate())",
                    "space.queue('q').put_many(generate())", "space.set('s').update(generate())",
                    "space.array('a', count=3)[0] = Index()", "space.value('v').add(Index())",
                    "space.list('l').sort(key=lambda item: space.close() or -item)"):
            with self.subTest(act):
                self.runs(f"""
                    class Index:
                        def __index__(self):
                            space.close()
                            return 1

                    def generate():
                        yield 1
                        space.close()
                        yield 2

                    space.list('l').extend(range(100))
                    {act}
                    assert space.closed
                    """)

    def test_closed_by_an_opener(self):
        """A space that an opener's argument closes is closed for it"""
        self.runs("""
            class Truth:
                def __bool__(self):
                    space.close()
                    return True

            try:
                space.dict("d", create=Truth())
            except kith.ClosedError:
                pass
            else:
                raise AssertionError
            """)

    def test_closed_by_a_pickle(self):
        """A space that is closed while a value is pickled or loaded stays until that is over"""
        for act in ("d['b'] = Closes()", "l.append(Closes())", "q.put(Closes())",
                    "l[:]", "d.get_many(['a'] * 3)", "d['a']", "d.scan('')"):
            with self.subTest(act):
                self.runs(f"""
                    class Closes:
                        def __reduce__(self):
                            if built:
                                space.close()
                            return close, ()

                    def close():
                        space.close()
                        return 1

                    built = False
                    d, l, q = space.dict(), space.list(), space.queue()
                    d["a"] = Closes()
                    l.extend([Closes()] * 3)
                    built = True
                    {act}
                    assert space.closed
                    """, "pickle")

    def test_failing_pickle(self):
        """The traceback of a pickle that fails to load has no view of its memory"""
        with kith.open("mem://", serializer="pickle") as space:
            d = space.dict()
            for value in (Fails(), [Fails(), pickle.PickleBuffer(bytearray(1 << 16))]):
                d["a"] = value
                try:
                    d["a"]
                except ZeroDivisionError as error:
                    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
                views = [local for frame in frames for local in frame.f_locals.values()
                         if isinstance(local, memoryview)]
                self.assertTrue(views)
                for view in views:
                    with self.assertRaises(ValueError):
                        bytes(view)

    def test_forked_by_a_pickle(self):
        """A pickle that forks goes on in both, whatever the child reads before"""
        with kith.open("mem://", serializer="pickle") as space:
            _forking["dict"] = d = space.dict()
            d["other"] = "other " * 5000
            value = [Forks(), "a text", frozenset(range(1000))]
            d["a"] = value
            _forking["children"] = []
            try:
                same = d["a"][1:] == value[1:]
            except Exception:
                same = False
            if _forking["children"] == [0]:
                os._exit(not same)
            self.assertTrue(same)
            self.assertEqual([os.waitpid(pid, 0)[1] for pid in _forking["children"]], [0])

    def test_ended_by_a_pickle(self):
        """A transaction that a value's pickle ends is not gone on with"""
        for act in ("txn.set(d, 'a', Ends())", "txn.put(q, Ends())"):
            with self.subTest(act):
                self.runs(f"""
                    class Ends:
                        def __reduce__(self):
                            txn.discard()
                            return int, ()

                    d, q, txn = space.dict(), space.queue(), space.txn()
                    try:
                        {act}
                    except kith.InvalidError as error:
                        assert "before" in str(error), error
                    else:
                        raise AssertionError
                    """, "pickle")

    def test_closed_by_a_file(self):
        """A space that the file closes is dumped whole"""
        self.runs("""
            class File:
                def write(self, data):
                    space.close()

            space.list("l").extend(["text" * 20] * 20000)
            assert space.dump(File()).items == 20000
            """)

    def test_a_list_shrinks(self):
        """Items go in as they were when the call began"""
        self.runs("""
            class Clears:
                def __reduce__(self):
                    values.clear()
                    return int, ()

                def __index__(self):
                    values.clear()
                    return 1

            shared = space.list()
            values = [Clears(), *("text" * 10 + str(i) for i in range(10000))]
            shared.extend(values)
            assert not values and len(shared) == 10001 and shared[-1].endswith("text9999")
            array = space.array(count=10000)
            values = [Clears(), *range(10 ** 15, 10 ** 15 + 9999)]
            array[:] = values
            assert not values and array[9999] == 10 ** 15 + 9998
            """, "pickle")

    def test_released(self):
        """A memoryview that was released is refused"""
        self.runs("""
            data = bytes(1 << 20)
            view = memoryview(data)
            view.release()
            del data
            try:
                space.dict()["a"] = view
            except ValueError:
                pass
            else:
                raise AssertionError
            """)

    def test_referred_to(self):
        """A reference of a closed space says so"""
        space = kith.open("mem://")
        d = space.dict()
        d["q"] = space.queue("q")
        snapshot, view = d.snapshot(), d.view("q")
        space.close()
        for load in (lambda: snapshot["q"], view.load):
            with self.assertRaises(kith.ClosedError):
                load()

    def test_interrupted_before(self):
        """A signal that comes before the wait for a standard lock ends it"""
        self.runs("""
            import _thread, operator
            import kith.multiprocessing
            lock = kith.multiprocessing.Lock()
            lock.acquire()
            try:
                list(map(operator.call, [_thread.interrupt_main, lock.acquire]))
            except KeyboardInterrupt:
                pass
            else:
                raise AssertionError
            """)


class Subclasses(support.Case):
    def test_int(self):
        """An int's own methods make the key of it"""
        class Number(int):
            def bit_length(self):
                return 1

            def to_bytes(self, *_, **__):
                return "text"

        d = self.space.dict()
        d[Number(2 ** 70)] = 1
        self.assertEqual(list(d), [2 ** 70])


class Cycles(unittest.TestCase):
    def test_action(self):
        """A barrier does not keep what its action is a method of"""
        space = kith.open("mem://")
        self.addCleanup(space.close)
        for make in (lambda parties, action: space.barrier(parties=parties, action=action),
                     multiprocessing.Barrier):
            turn = Turn(make)
            turn.barrier.wait()
            self.assertEqual(turn.acted, 1)
            gone = weakref.ref(turn)
            del turn
            gc.collect()
            self.assertIsNone(gone())


    def test_lease(self):
        """A lease whose item holds it is collected, and the item is back in its place"""
        with kith.open("mem://", serializer="pickle") as space:
            queue = space.queue()
            queue.put(Job())
            lease = queue.lease()
            lease.item.lease = lease
            del lease
            gc.collect()
            self.assertEqual(queue.qsize(), 1)

    def test_ctypes(self):
        """So is a synchronised value that its ctypes object holds"""
        value = multiprocessing.Value("i", 5)
        value.get_obj().back = value
        gone = weakref.ref(value)
        del value
        gc.collect()
        self.assertIsNone(gone())


class Fork(unittest.TestCase):
    def test_close_in_the_child(self):
        """A child that was forked while another thread waited leaves with close()"""
        name = support.named(self)
        space = kith.open(name)
        queue = space.queue("q")
        thread = threading.Thread(target=queue.get)
        thread.start()
        support.until(lambda: support.is_asleep(os.getpid(), thread.native_id))
        child = support.Child(self.closes, space, name)
        self.assertEqual(child.wait(), 0)
        queue.put(1)
        thread.join(support.CEILING_S)
        space.close()

    @staticmethod
    def closes(space, name):
        """What the child does."""
        def attached():
            return [one.attached for one in kith.spaces() if one.name == name]

        len(space.queue("q"))
        assert attached() == [2], attached()
        space.close()
        assert attached() == [1], attached()

    def test_close_in_a_callback(self):
        """A child that is forked in a callback, and closes the space there, goes on in peace"""
        result = support.script(textwrap.dedent("""
            import os
            import kith
            space = kith.open("mem://")
            d = space.dict()
            forked = []

            def function(_):
                if not forked:
                    forked.append(os.fork())
                    if forked[0] == 0:
                        space.close()
                return 1

            try:
                d.modify("a", function, 0)
            finally:
                if forked[0] == 0:
                    os._exit(0)
            assert os.waitpid(forked[0], 0)[1] == 0
            assert d["a"] == 1
            """))
        self.assertEqual(result, (0, "", ""))


class Tasks(unittest.TestCase):
    def test_closed_under_a_task(self):
        """A task that waits for what was closed is not in the way of what gets its descriptor"""
        async def main():
            with kith.open("mem://") as space:
                queue = space.queue()
                old = asyncio.create_task(queue.aget())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                before = queue.fileno()
            with kith.open("mem://") as space:
                queue = space.queue()
                self.assertEqual(queue.fileno(), before)
                new = asyncio.create_task(queue.aget())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                queue.put(1)
                self.assertEqual(await asyncio.wait_for(new, support.CEILING_S), 1)
                with self.assertRaises(kith.ClosedError):
                    await old
        asyncio.run(main())


class Texts(support.Case):
    def test_command(self):
        """A process whose name is cut within a character is shown all the same"""
        status, output, messages = support.script(textwrap.dedent(r"""
            import ctypes
            ctypes.CDLL(None).prctl(15, b"k\xc3\xbchlschrank-\xc3")
            import kith
            lock = kith.open("mem://").lock()
            with lock:
                print(ascii(lock.parties()[0]["command"]))
            """))
        self.assertEqual((status, output, messages), (0, "'k\\xfchlschrank-\\ufffd'\n", ""))

    def test_remove(self):
        """A name with a NUL in it removes no other space"""
        name = support.named(self)
        kith.open(name).close()
        with self.assertRaises(kith.InvalidError):
            kith.remove(name + "\0more")
        kith.open(name, create=False).close()


def _take(queue, back):
    """Works on what managers made, and lets it go."""
    for _ in range(3):
        queue.get()["seen"] = os.getpid()
        back.put(None)
    gc.collect()
    back.put(None)
    queue.get()


class Standard(unittest.TestCase):
    def test_index(self):
        """An index beyond all sizes is none of an array"""
        array = multiprocessing.Array("i", [1, 2, 3])
        self.assertEqual([array[-1], array[-3]], [3, 1])
        for index in (2 ** 70, -2 ** 70, 3, -4):
            with self.assertRaises(IndexError):
                array[index]
            with self.assertRaises(IndexError):
                array[index] = 5
        self.assertEqual(array[:], [1, 2, 3])

    def test_other_numbers(self):
        """Numbers of another byte order, or of a class of one's own, are what ctypes makes them"""
        class Own(ctypes.c_int):
            pass

        for kind, plain in ((ctypes.c_int.__ctype_be__, int), (ctypes.c_int.__ctype_le__, int),
                            (ctypes.c_byte, int), (Own, Own)):
            self.assertEqual(multiprocessing.Value(kind, 5).value, 5)
            self.assertIs(type(multiprocessing.Array(kind, [1])[0]), plain)

    def test_proxies(self):
        """A manager's objects go through queues, and what is left of the manager goes with them"""
        queue, back = multiprocessing.Queue(), multiprocessing.Queue()
        child = multiprocessing.Process(target=_take, args=(queue, back))
        child.start()
        names = set()
        for _ in range(3):
            with multiprocessing.Manager() as manager:
                names.add(manager.dict().space.address)
                shared = manager.dict()
                queue.put(shared)
                back.get(timeout=support.CEILING_S)
                self.assertEqual(shared["seen"], child.pid)
                with multiprocessing.Manager() as other:
                    holder = other.list([shared])
                    self.assertEqual(holder[0]["seen"], child.pid)
                del shared, holder
        back.get(timeout=support.CEILING_S)
        # The child lives, and has none of them open.
        self.assertEqual(names & {one.name for one in kith.spaces()}, set())
        queue.put(None)
        child.join()
        self.assertEqual(child.exitcode, 0)


if __name__ == "__main__":
    support.main()
