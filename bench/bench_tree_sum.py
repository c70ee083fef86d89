"""Sums of normal kernels by a tree within 1e-4 of every sum, on standard normal points and rows, against exact sums of some rows (half of
them the rows farthest out)."""
import json
import os
import subprocess
import sys

from record import TINY, record

BUILD = os.environ["LIKELY_BUILD"]


def ours(n, rows, d, h, rtol, checked, threads=2):
    command = [os.path.join(BUILD, "bench/bench_tree_sum"), str(n), str(rows), str(d), repr(h), repr(rtol), str(threads), str(checked)]
    out = subprocess.run(command, env=dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive"), capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def main():
    n = 5000 if TINY else 1_000_000
    a = ours(n, n, 2, 0.1, 1e-4, 400)
    if not a["error"] <= 1e-4:
        sys.exit("the sums are off")
    record("tree sum gaussian 1e6 x 1e6 d=2 h=0.1 rtol 1e-4", a["build"] + a["sum"], "s", "all pairs at 2.6e9 a second", 385.0,
           385.0 / (a["build"] + a["sum"]))
    record("tree sum gaussian 1e6 x 1e6 d=2 h=0.1 rtol 1e-4, worst of 400 rows", a["error"], "relative error")
    record("tree sum gaussian 1e6 x 1e6 d=2 h=0.1 rtol 1e-4, worst of the 200 rows farthest out", a["error_far"], "relative error")


main()
