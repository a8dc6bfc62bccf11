"""The pages of the guide: the programs in them run, and the tests that they name are there.

What a page has in blocks marked python is one program, run in a process of its own, with spaces of
its own; its blocks marked sh are run after that.  A block that needs a module that is not here is
left out.
"""

import glob
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest

import support

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.environ.get("KITH_SOURCE", os.path.join(HERE, "..", ".."))
BUILD = os.environ.get("KITH_BUILD", os.path.join(SOURCE, "build"))
GUIDE = os.path.join(SOURCE, "docs", "guide")
PAINS = os.path.join(GUIDE, "pains")
OPTIONAL = ("kith.multiprocessing", "numpy")
TEST = re.compile(r"^- `(tests/[^`]+)`: (.+?)(?=^- |^\n|\Z)", re.MULTILINE | re.DOTALL)


def pages():
    return sorted(glob.glob(f"{GUIDE}/*.md") + glob.glob(f"{PAINS}/*.md"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def is_there(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def program(text, language):
    """The page as a program: its blocks where they stand, and all else as empty lines."""
    lines, block = [], None
    missing = [module for module in OPTIONAL if not is_there(module)]
    for line in text.split("\n"):
        if block is not None and line.startswith("```"):
            left_out = any(module in "\n".join(block) for module in missing)
            lines += [""] * len(block) if left_out else block
            block = None
            lines.append("")
        elif block is not None:
            block.append(line)
        else:
            if line.strip() == "```" + language:
                block = []
            lines.append("")
    return "\n".join(lines)


def prose(text):
    return " ".join(text.split())


class Pages(unittest.TestCase):
    def run_page(self, path):
        text = read(path)
        programs = program(text, "python"), program(text, "sh")
        with tempfile.TemporaryDirectory(prefix="kith-guide.") as folder:
            env = dict(os.environ, KITH_DIR=os.path.join(folder, "spaces"), HOME=folder,
                       PATH=BUILD + os.pathsep + os.environ["PATH"])
            env.pop("KITH_URL", None)
            os.mkdir(env["KITH_DIR"])
            script = os.path.join(folder, os.path.basename(path)[:-3].replace("-", "_") + ".py")
            with open(script, "w", encoding="utf-8") as file:
                file.write(programs[0])
            for command in ([sys.executable, "-X", "dev", "-W", "error", script],
                            ["sh", "-eu", "-c", programs[1]]):
                if not programs[command[0] == "sh"].strip():
                    continue
                done = subprocess.run(command, env=env, cwd=folder, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      timeout=support.CEILING_S, universal_newlines=True)
                self.assertEqual(done.returncode, 0, done.stdout)
                self.assertNotIn("Traceback", done.stdout)

    def test_tests_are_there(self):
        """The tests that the pages of pains name are there, by the words that they go by"""
        names = sorted(os.listdir(PAINS))
        index = read(os.path.join(PAINS, "README.md"))
        for name in names:
            if name == "README.md":
                continue
            with self.subTest(page=name):
                tests = TEST.findall(read(os.path.join(PAINS, name)))
                self.assertTrue(tests, "no test")
                for path, words in tests:
                    source = prose(read(os.path.join(SOURCE, path)))
                    for word in re.findall(r'"([^"]+)"|`([^`]+)`', prose(words)):
                        self.assertTrue("".join(word) in source, f"{path} has no {word}")
                self.assertRegex(index, rf"\]\({re.escape(name)}\) \| `tests/")
        for path in re.findall(r"`(tests/[^`]+)`", index):
            self.assertTrue(os.path.exists(os.path.join(SOURCE, path)), path)

    def test_links(self):
        """The links of all pages lead somewhere"""
        for path in pages():
            for target in re.findall(r"\]\(([^)#]+)[^)]*\)", read(path)):
                if "://" not in target:
                    there = os.path.join(os.path.dirname(path), target)
                    self.assertTrue(os.path.exists(there), f"{path}: {target}")

    def test_it_fails(self):
        """A page whose program is wrong fails"""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "page.md")
            for language, block in (("python", "assert False"), ("sh", "false")):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(f"# A page\n\n```{language}\n{block}\n```\n")
                with self.assertRaises(AssertionError):
                    self.run_page(path)


def add_page(path):
    name = os.path.relpath(path, GUIDE)

    def test(self):
        self.run_page(path)

    test.__doc__ = f"What {name} shows runs"
    setattr(Pages, "test_page_" + re.sub(r"\W", "_", name), test)


for page in pages():
    if "```python\n" in read(page) or "```sh\n" in read(page):
        add_page(page)

if __name__ == "__main__":
    support.main()
