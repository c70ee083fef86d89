"""Reading a numeric CSV against pandas' default reader in the same run, on two threads: seconds, MB/s, peak memory. The sum of all
numbers must equal that of Python's float(), which rounds correctly. The last figure reads the same file under a memory limit."""
import csv
import os
import subprocess
import sys
import tempfile

import numpy as np

from record import TINY, record

PROGRAM = os.path.join(os.environ["LIKELY_BUILD"], "bench/bench_read")
THREADS = "2"
LIMIT = 20_000_000
PEER = r"""
import resource, sys, time
import pandas
start = time.perf_counter()
table = pandas.read_csv(sys.argv[1])
print(time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def write_file(path, rows, columns):
    g = np.random.default_rng(1)
    with open(path, "w") as out:
        out.write(",".join(f"x{j + 1}" for j in range(columns)) + "\n")
        for start in range(0, rows, 10000):
            block = g.standard_normal((min(10000, rows - start), columns))
            out.write("\n".join(",".join(map(repr, row)) for row in block.tolist()) + "\n")


def ours(path, memory=0):
    out = subprocess.run([PROGRAM, path, THREADS, str(memory)], capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    words = out.stdout.split()
    return {k: float(v) for k, v in zip(words[::2], words[1::2])}


def peer(path):
    out = subprocess.run([sys.executable, "-c", PEER, path], capture_output=True, text=True)
    if out.returncode != 0:
        return None
    return [float(v) for v in out.stdout.split()]


def exact_sum(path):
    total = 0.0
    with open(path, newline="") as f:
        reader = csv.reader(f)
        next(reader)
        for row in reader:
            for field in row:
                total += float(field)
    return total


def main():
    rows, columns, repeats = (1000, 8, 1) if TINY else (1_000_000, 8, 5)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "numbers.csv")
        write_file(path, rows, columns)
        megabytes = os.path.getsize(path) / 1e6
        fits, theirs = [], []
        for _ in range(repeats):  # in turn, so that both meet the same machine
            fits.append(ours(path))
            theirs.append(None if TINY else peer(path))
        limited = ours(path, LIMIT)
        exact = exact_sum(path)
    best = min(f["read"] for f in fits)
    peak = max(f["peak_kb"] for f in fits) / 1024
    if any(f["sum"] != exact for f in fits + [limited]):
        sys.exit("the sum of the numbers that were read differs from that of exact parsing")
    if None in theirs:
        record("csv_read_seconds", best, "s")
    else:
        other = min(t[0] for t in theirs)
        record("csv_read_seconds", best, "s", "pandas.read_csv", other, other / best)
        record("csv_read_peak", peak, "MB", "pandas.read_csv", max(t[1] for t in theirs), max(t[1] for t in theirs) / peak)
    record("csv_read_rate", megabytes / best, "MB/s")
    record("csv_read_peak_limited", limited["peak_kb"] / 1024, "MB")


main()
