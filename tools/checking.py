"""What the checks of the tree share: reading files, planting faults in a copy, and the closing line."""
import argparse
import os
import shutil
import sys
import tempfile

LEFT_OUT = {".git", "__pycache__", "subprojects"}


def tree(root, suffixes=None):
    """Paths of all files below root, relative to it, without build folders and hidden ones; sorted."""
    found = []
    for folder, folders, files in os.walk(root):
        here = os.path.relpath(folder, root)
        folders[:] = sorted(f for f in folders if f not in LEFT_OUT and not (here == "." and f.startswith("build")))
        for name in files:
            path = os.path.normpath(os.path.join(here, name))
            if suffixes is None or name.endswith(suffixes):
                found.append(path)
    return sorted(found)


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def write(root, path, text):
    """For planting a fault: a new file, or a new text of an old one."""
    full = os.path.join(root, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, "w", encoding="utf-8") as file:
        file.write(text)


def replace(root, path, old, new):
    """For planting a fault: the first `old` of a file becomes `new`."""
    text = read(root, path)
    if old not in text:
        raise SystemExit("self-test: %s no longer holds %r" % (path, old))
    write(root, path, text.replace(old, new, 1))


def copy(root, target):
    """The files that checks read, without build folders; a `.git` entry would make the copy a repository."""
    for path in tree(root):
        full = os.path.join(target, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if not os.path.islink(os.path.join(root, path)):
            shutil.copy(os.path.join(root, path), full)


def self_test(check, faults, root, build):
    """Each planted fault must be found as one problem more than the tree has; returns (tried, what was missed)."""
    missed = []
    with tempfile.TemporaryDirectory() as folder:
        whole = os.path.join(folder, "whole")
        copy(root, whole)
        before = set(check(whole, build)[1])
        for number, (name, plant) in enumerate(faults):
            target = os.path.join(folder, str(number))
            shutil.copytree(whole, target)
            plant(target)
            if not set(check(target, build)[1]) - before:
                missed.append("planted, but not found: " + name)
            shutil.rmtree(target)
    return len(faults), missed


def close(tried, problems):
    """Prints the problems and the closing line, and exits."""
    for problem in problems:
        print(problem)
    print("%d passed, %d failed" % (max(tried - len(problems), 0), len(problems)))
    sys.exit(1 if problems else 0)


def main(check, faults):
    """The command line of a check. `check(root, build)` gives how many things it looked at and the problems found;
    `faults` are pairs of a name and a function that plants that fault in a copy of the tree."""
    parser = argparse.ArgumentParser()
    parser.add_argument("build", nargs="?", default=None, help="a finished build folder, where the check needs one")
    parser.add_argument("--self-test", action="store_true", help="see that planted faults are found")
    options = parser.parse_args()
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    close(*(self_test(check, faults, root, options.build) if options.self_test else check(root, options.build)))
