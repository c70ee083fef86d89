"""The package as a user gets it: pip without a network into a virtual environment, stubs, a library that is missing, README's example."""
import ast
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import unittest

from python_check import main, needs, source

CLEAN = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, env=dict(CLEAN, **options.pop("env", {})), check=False, **options)
    if done.returncode != 0:
        raise AssertionError("%s: %s%s" % (" ".join(command), done.stdout[-2000:], done.stderr[-2000:]))
    return done.stdout


class Installed(unittest.TestCase):
    @needs("ensurepip", "python3-venv")
    def test_pip(self):
        """pip install ./python, offline; the installed copy fits, has stubs for every class, and leaves nothing in the source tree."""
        with tempfile.TemporaryDirectory() as folder:
            before = sorted(os.listdir(source("python"))) + sorted(os.listdir(source("python", "likely")))
            bare = ["--without-pip"] * (importlib.util.find_spec("pip") is not None)  # the system's is seen from there, and need not be unpacked
            run(sys.executable, "-m", "venv", "--system-site-packages", *bare, folder + "/venv")
            python = folder + "/venv/bin/python"
            run(python, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", source("python"))
            self.assertEqual([n for n in sorted(os.listdir(source("python"))) + sorted(os.listdir(source("python", "likely")))
                              if n != "__pycache__"], [n for n in before if n != "__pycache__"])
            told = run(python, "-c", "import likely, numpy as np; x = np.random.default_rng(1).normal(size=(200, 2)); "
                       "print(likely.GMM(1).fit(x).predict(x).max(), likely.__file__, *likely._classes)", cwd=folder).split()
            self.assertEqual(told[0], "0")
            self.assertTrue(told[1].startswith(folder))
            with open(os.path.join(os.path.dirname(told[1]), "__init__.pyi"), encoding="utf-8") as file:
                stubs = ast.parse(file.read())
            classes = {node.name: node for node in stubs.body if isinstance(node, ast.ClassDef)}
            self.assertEqual(set(classes), set(told[2:]))
            init = next(n for n in classes["GMM"].body if isinstance(n, ast.FunctionDef) and n.name == "__init__")
            self.assertEqual([a.arg for a in init.args.args], ["self", "components"])
            self.assertIn("covariance", [a.arg for a in init.args.kwonlyargs])
            run(python, "-m", "pip", "install", "--quiet", "--no-index", "--disable-pip-version-check", "-e", source("python"))
            self.assertIn(source("python"), run(python, "-c", "import likely; print(likely.__file__)", cwd=folder))

    def test_versions(self):
        """One version in all places."""
        with open(source("python", "pyproject.toml"), encoding="utf-8") as file:
            version = re.search(r'^version = "(.*)"', file.read(), re.M).group(1)
        self.assertEqual(run(sys.executable, "-c", "import likely; print(likely.__version__)",
                             env={"PYTHONPATH": source("python")}).strip(), version)

    def test_from_the_checkout(self):
        """Without LIKELY_LIBRARY the build folder of the checkout is found, or the error says what to set."""
        env = {k: v for k, v in CLEAN.items() if k not in ("LIKELY_LIBRARY", "LD_LIBRARY_PATH")}
        done = subprocess.run([sys.executable, "-c", "import likely"], env=dict(env, PYTHONPATH=source("python")), capture_output=True,
                              text=True, check=False)
        if done.returncode != 0:
            self.assertIn("set LIKELY_LIBRARY to the path of liblikely.so.0", done.stderr)
        done = subprocess.run([sys.executable, "-c", "import likely"], capture_output=True, text=True, check=False,
                              env=dict(env, PYTHONPATH=source("python"), LIKELY_LIBRARY="/nowhere/liblikely.so.0"))
        self.assertIn("the library of likely was not found: /nowhere/liblikely.so.0", done.stderr)


class Documented(unittest.TestCase):
    def blocks(self, *path):
        with open(source(*path), encoding="utf-8") as file:
            return re.findall(r"^```python\n(.*?)^```", file.read(), re.M | re.S)

    def check(self, text):
        """Runs an example; what it prints is what stands behind `# ` beside each print."""
        expected = re.findall(r"^\s*print\(.*?\)  # (.*)$", text, re.M)
        self.assertTrue(expected)
        self.assertEqual(run(sys.executable, "-W", "error", "-c", text, cwd=source(), env={"PYTHONPATH": source("python")}).splitlines(),
                         expected)

    def test_readme(self):
        blocks = self.blocks("README.md")
        self.assertEqual(len(blocks), 1)
        self.check(blocks[0])

    def test_manual(self):
        blocks = self.blocks("docs", "python.md")
        self.assertGreater(len(blocks), 2)
        self.check("\n".join(blocks))


if __name__ == "__main__":
    main()
