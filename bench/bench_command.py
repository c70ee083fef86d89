"""How long `likely info` takes on a small model, and how large the stripped library is."""
import os
import shutil
import subprocess
import tempfile
import time

from record import TINY, record

LIKELY, BUILD = os.environ["LIKELY"], os.environ["LIKELY_BUILD"]
DATA = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../examples/data/faithful.csv")


def main():
    with tempfile.TemporaryDirectory() as folder:
        model = os.path.join(folder, "faithful.lk")
        subprocess.run([LIKELY, "fit", DATA, "-o", model], check=True, stdout=subprocess.DEVNULL)
        seconds = []
        for _ in range(3 if TINY else 50):
            start = time.perf_counter()
            subprocess.run([LIKELY, "info", model], check=True, stdout=subprocess.DEVNULL)
            seconds.append(time.perf_counter() - start)
        record("info whole process", sorted(seconds)[len(seconds) // 2] * 1e3, "ms, median")
        library = os.path.join(folder, "liblikely.so")
        shutil.copy(os.path.realpath(os.path.join(BUILD, "src/liblikely.so")), library)
        subprocess.run(["strip", library], check=True)
        record("stripped shared library", os.path.getsize(library) / 1e6, "MB")


main()
