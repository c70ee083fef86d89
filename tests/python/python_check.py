"""What the tests of the Python package share: the closing line, the effort, the place of files, and skipping without a peer."""
import importlib.util
import os
import sys
import unittest

SOURCE = os.environ.get("LIKELY_SOURCE", os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
EFFORT = float(os.environ.get("LK_TEST_EFFORT") or 1)

if importlib.util.find_spec("numpy") is None:
    print("skipped: NumPy is absent (python3-numpy)")
    sys.exit(77)


def scaled(count, least):
    return max(int(count * EFFORT), least)


def source(*parts):
    return os.path.join(SOURCE, *parts)


def faithful():
    import numpy as np
    return np.loadtxt(source("examples", "data", "faithful.csv"), delimiter=",", skiprows=1)


def needs(module, package):
    """Skips a test where a peer is absent."""
    return unittest.skipIf(importlib.util.find_spec(module) is None, "skipped: %s is absent (%s)" % (module, package))


def main():
    """Runs the tests of the calling module, and ends with N passed, N failed, N skipped."""
    program = unittest.main("__main__", exit=False, verbosity=1, warnings="ignore")
    result = program.result
    for _, reason in result.skipped:
        print(reason)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    print("%d passed, %d failed, %d skipped" % (result.testsRun - failed - len(result.skipped), failed, len(result.skipped)))
    sys.exit(1 if failed else 0)
