"""The types that the package declares: mypy --strict, and stubtest between stubs and package."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import support

support.needs("mypy")

import kith  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("KITH_SOURCE", os.path.join(HERE, "..", ".."))
PACKAGE = os.path.dirname(kith.__path__[0])


def run(module, *arguments, path=PACKAGE, folder=HERE):
    """(status, output) of a module of mypy's, which finds the package in `path`."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], cwd=folder,
                          env=dict(os.environ, MYPYPATH=path), timeout=5 * support.CEILING_S,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    return done.returncode, done.stdout


class Types(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="kith-python.")
        cls.addClassCleanup(shutil.rmtree, cls.folder)

    def mypy(self, *arguments, **options):
        status, output = run("mypy", "--strict", "--cache-dir", os.path.join(self.folder, "cache"),
                             *arguments, **options)
        self.assertEqual((status, output.startswith("Success")), (0, True), output)

    def stubs(self):
        """A folder with the stubs alone: the package's own modules have no types inside."""
        folder = os.path.join(self.folder, "stubs")
        for stub in glob.glob(os.path.join(PACKAGE, "kith", "**", "*.pyi"), recursive=True):
            copy = os.path.join(folder, os.path.relpath(stub, PACKAGE))
            os.makedirs(os.path.dirname(copy), exist_ok=True)
            shutil.copy(stub, copy)
        return folder

    def test_program(self):
        """A program with types is clean under mypy --strict, and runs"""
        self.assertTrue(os.path.exists(os.path.join(PACKAGE, "kith", "py.typed")))
        self.mypy("typed.py")
        done = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "typed.py"], cwd=HERE,
                              timeout=support.CEILING_S, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, universal_newlines=True)
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_wrong_program(self):
        """What is wrong is seen: the types are there, and are not all Any"""
        text = ("import kith\n"
                "space = kith.open(5)\n"
                "n: str = space.dict().add('a')\n"
                "space.queue().putt(1)\n"
                "space.value(type='x')\n")
        path = os.path.join(self.folder, "wrong.py")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        status, output = run("mypy", "--strict", "--cache-dir", os.devnull, path)
        self.assertEqual(status, 1)
        for line in range(2, 6):
            self.assertIn(f"wrong.py:{line}: error:", output)

    def test_examples(self):
        """The examples are clean, too; their own functions need not be annotated"""
        examples = os.path.join(SOURCE, "examples", "python")
        self.mypy("--allow-untyped-defs", "--allow-untyped-calls",
                  *sorted(glob.glob(os.path.join(examples, "*.py"))), folder=examples)

    def test_stubs(self):
        """The stubs are clean under mypy --strict, and declare what is there, and all of it"""
        stubs = self.stubs()
        self.mypy("-p", "kith", path=stubs)
        status, output = run("mypy.stubtest", "--concise", "--allowlist",
                             os.path.join(HERE, "stubtest.allow"), "kith", path=stubs)
        self.assertEqual(status, 0, output)


if __name__ == "__main__":
    support.main()
