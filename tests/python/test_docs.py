"""What the docstrings, the stubs, the reference and the guide say is so."""

import ast
import doctest
import inspect
import os
import re
import unittest

import kith

import support

SOURCE = os.environ.get("KITH_SOURCE", os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                                    "..", ".."))
OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def read(path):
    with open(os.path.join(SOURCE, path), encoding="utf-8") as file:
        return file.read()


def documented():
    """(name, object) of all that is public."""
    for name in kith.__all__ + ["open"]:
        thing = getattr(kith, name)
        yield name, thing
        if isinstance(thing, type) and not issubclass(thing, (BaseException, tuple)):
            for member, value in vars(thing).items():
                if not member.startswith("_"):
                    yield f"{name}.{member}", value


def run(text, name):
    """What a doctest says that fails, or nothing."""
    said = []
    test = doctest.DocTestParser().get_doctest(text, {"kith": kith}, name, None, 0)
    doctest.DocTestRunner(optionflags=OPTIONS, verbose=False).run(test, out=said.append)
    return "".join(said), len(test.examples)


class Words(unittest.TestCase):
    def test_docstrings(self):
        """All that is public has words, and what they show is so"""
        shown = 0
        for name, thing in documented():
            with self.subTest(name=name):
                words = getattr(thing, "__doc__", None)
                self.assertTrue(words or name == "DELETE", "no words")
                if words and ">>>" in words:
                    said, count = run(words, name)
                    shown += count
                    self.assertEqual(said, "")
        self.assertGreater(shown, 80)

    def test_classes_have_examples(self):
        """Every class of handles shows how it is used"""
        for name in ("Space", "Dict", "List", "Set", "Namespace", "Queue", "Lease", "Lock",
                     "RWLock", "Semaphore", "Condition", "Event", "Barrier", "Once", "Limiter",
                     "Value", "Array", "Segment", "View", "Txn", "Snapshot", "Counts", "Foreign"):
            self.assertIn(">>>", getattr(kith, name).__doc__, name)

    def test_pages(self):
        """What the guide and the reference show is so"""
        for path in ("docs/guide/python.md", "docs/reference/python.md"):
            blocks = re.findall(r"^```pycon\n(.*?)^```", read(path), re.MULTILINE | re.DOTALL)
            self.assertTrue(blocks, path)
            said, count = run("\n".join(blocks), path)
            self.assertEqual(said, "")
            self.assertGreater(count, 5)

    def test_reference_is_whole(self):
        """The reference names all that is public"""
        page = read("docs/reference/python.md")
        for name, _ in documented():
            self.assertRegex(page, rf"\b{re.escape(name.rpartition('.')[2])}\b", name)


class Stubs(unittest.TestCase):
    def setUp(self):
        self.stub = ast.parse(read("python/kith/__init__.pyi"))
        self.classes = {node.name: node for node in self.stub.body
                        if isinstance(node, ast.ClassDef)}

    def members(self, name):
        return {node.name if hasattr(node, "name") else node.target.id
                for node in self.classes[name].body
                if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.AnnAssign))}

    def test_names(self):
        """The stubs declare what there is"""
        functions = {node.name for node in self.stub.body if isinstance(node, ast.FunctionDef)}
        constants = {node.target.id for node in self.stub.body if isinstance(node, ast.AnnAssign)}
        for name in kith.__all__ + ["open"]:
            self.assertIn(name, functions | constants | set(self.classes))

    def test_members(self):
        """Every member of every class is declared, and no other"""
        for name in self.classes:
            thing = getattr(kith, name, None)
            if not isinstance(thing, type) or issubclass(thing, BaseException):
                continue
            declared = {member for member in self.members(name) if not member.startswith("_")}
            inherited = set()
            for base in self.classes[name].bases:
                base = base.value if isinstance(base, ast.Subscript) else base
                if isinstance(base, ast.Name) and base.id in self.classes:
                    inherited |= self.members(base.id)
            there = {member for member in vars(thing) if not member.startswith("_")}
            if issubclass(thing, tuple):
                there -= {"n_fields", "n_sequence_fields", "n_unnamed_fields"}
            with self.subTest(name=name):
                self.assertEqual(there - declared - inherited, set(), "not declared")
                self.assertEqual({m for m in declared if not hasattr(thing, m)}, set(), "not there")

    def test_signatures(self):
        """The signatures of docstrings and stubs have the same names"""
        for name, node in self.classes.items():
            thing = getattr(kith, name, None)
            if not isinstance(thing, type) or issubclass(thing, BaseException):
                continue
            for function in node.body:
                if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
                    continue
                if any(isinstance(d, ast.Name) and d.id in ("property", "overload")
                       or isinstance(d, ast.Attribute) for d in function.decorator_list):
                    continue
                value = vars(thing).get(function.name)
                if value is None or name == "Space":
                    continue
                try:
                    real = [p for p in inspect.signature(value).parameters if p != "self"]
                except ValueError:
                    continue
                arguments = function.args
                stub = [a.arg for a in arguments.posonlyargs + arguments.args
                        + ([arguments.vararg] if arguments.vararg else []) + arguments.kwonlyargs
                        + ([arguments.kwarg] if arguments.kwarg else [])][1:]
                with self.subTest(name=f"{name}.{function.name}"):
                    self.assertEqual(stub, real)


if __name__ == "__main__":
    support.main()
