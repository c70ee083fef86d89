#!/usr/bin/env python3
"""Reading CSV: likely beside pandas' default reader in one run, on the same numeric file.

usage: bench_csv.py BENCH_READ [rows] [columns] [threads] [repeats]
BENCH_READ is the program built from bench/bench_read.c. Prints seconds (the best of the repeats, taken in turn), MB/s, the ratio and
peak memory, and whether the numbers agree: likely's with Python's float(), which rounds correctly.
"""
import csv
import os
import subprocess
import sys
import tempfile

PANDAS = """
import resource, sys, time
import pandas
start = time.perf_counter()
table = pandas.read_csv(sys.argv[1])
seconds = time.perf_counter() - start
print(seconds, len(table), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def write_file(path, rows, columns):
    import numpy

    generator = numpy.random.default_rng(1)
    with open(path, "w") as out:
        out.write(",".join(f"x{j + 1}" for j in range(columns)) + "\n")
        for start in range(0, rows, 10000):
            block = generator.standard_normal((min(10000, rows - start), columns))
            out.write("\n".join(",".join(map(repr, row)) for row in block.tolist()) + "\n")


def run_likely(program, path, threads):
    words = subprocess.run([program, path, str(threads)], check=True, capture_output=True, text=True).stdout.split()
    found = dict(zip(words[::2], words[1::2]))
    return float(found["read"]), float(found["sum"]), int(found["peak_kb"])


def run_pandas(path):
    words = subprocess.run([sys.executable, "-c", PANDAS, path], check=True, capture_output=True, text=True).stdout.split()
    return float(words[0]), int(words[2])


def exact_sum(path):
    total = 0.0
    with open(path, newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for row in reader:
            for field in row:
                total += float(field)
    return total


def main():
    program = os.path.abspath(sys.argv[1])
    rows, columns, threads, repeats = [int(v) for v in sys.argv[2:6]] + [1000000, 8, 2, 5][len(sys.argv) - 2 :]
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "numbers.csv")
        write_file(path, rows, columns)
        megabytes = os.path.getsize(path) / 1e6
        ours, theirs = [], []
        for _ in range(repeats):
            theirs.append(run_pandas(path))
            ours.append(run_likely(program, path, threads))
        ours_best, theirs_best = min(v[0] for v in ours), min(v[0] for v in theirs)
        same = ours[0][1] == exact_sum(path)
    print(f"file: {rows} x {columns} numbers, {megabytes:.1f} MB; {threads} threads; best of {repeats}")
    print(f"{'reader':<10}{'seconds':>10}{'MB/s':>10}{'peak MB':>10}")
    print(f"{'likely':<10}{ours_best:>10.3f}{megabytes / ours_best:>10.0f}{max(v[2] for v in ours) / 1024:>10.0f}")
    print(f"{'pandas':<10}{theirs_best:>10.3f}{megabytes / theirs_best:>10.0f}{max(v[1] for v in theirs) / 1024:>10.0f}")
    print(f"ratio: likely is {theirs_best / ours_best:.2f} times as fast; its sum {'equals' if same else 'DIFFERS FROM'} that of exact parsing")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
