#!/usr/bin/env python3
"""Joins an archive of rooms into a static library of one object that shows the symbols of a version script and no others.

Usage: make_static.py --map MAP INPUT.a OUTPUT.a
"""
import argparse
import os
import re
import subprocess
import tempfile


def exported(map_path):
    """The names between `global:` and `local:` of a version script."""
    with open(map_path, encoding="utf-8") as file:
        text = re.sub(r"/\*.*?\*/", "", file.read(), flags=re.S)
    return re.findall(r"(\w+);", text.split("global:")[1].split("local:")[0])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--map", required=True)
    parser.add_argument("input")
    parser.add_argument("output")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        joined = os.path.join(folder, "likely.o")
        keep = os.path.join(folder, "keep")
        with open(keep, "w", encoding="utf-8") as file:
            file.write("\n".join(exported(options.map)) + "\n")
        subprocess.run([os.environ.get("LD", "ld"), "-r", "--whole-archive", options.input, "-o", joined], check=True)
        subprocess.run(["objcopy", "--keep-global-symbols=" + keep, joined], check=True)
        if os.path.exists(options.output):
            os.remove(options.output)
        subprocess.run(["ar", "rcsD", options.output, joined], check=True)


if __name__ == "__main__":
    main()
