"""Five nearest neighbours of normal rows against scikit-learn's NearestNeighbors (kd-tree and brute force) on the same rows: seconds of
build and search on 2 threads, distances compared; and how well the fixed cost model chooses."""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

PROGRAM = os.path.join(os.environ["LIKELY_BUILD"], "bench/bench_neighbours")
CASES = ((100_000, 20_000, 3), (20_000, 5_000, 64))


def ours(method, n, rows, d, threads, file=""):
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OMP_WAIT_POLICY="passive")
    command = [PROGRAM, method, str(n), str(rows), str(d), "5", str(threads)] + ([file] if file else [])
    out = subprocess.run(command, env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def against_peer(n, rows, d, folder):
    g = np.random.default_rng(0)
    Y, X = g.standard_normal((n, d)), g.standard_normal((rows, d))
    file = os.path.join(folder, "r")
    Y.tofile(file + ".y")
    X.tofile(file + ".x")
    runs = [ours("auto", n, rows, d, 2, file) for _ in range(3)]
    seconds = min(r["build"] + r["find"] for r in runs)
    if TINY:
        return
    try:
        from sklearn.neighbors import NearestNeighbors
    except ImportError:
        sys.exit(77)
    best = 1e300
    for algorithm in ("kd_tree", "brute"):
        start = time.perf_counter()
        distances, _ = NearestNeighbors(n_neighbors=5, algorithm=algorithm, n_jobs=2).fit(Y).kneighbors(X)
        best = min(best, time.perf_counter() - start)
    if np.max(np.abs(distances - np.fromfile(file).reshape(rows, 5))) > 1e-6:
        sys.exit("the distances are off")
    record(f"neighbours 5 of {n // 1000}k, {rows // 1000}k rows, d={d}", seconds, "s", "scikit-learn 1.2.1, its better of kd_tree and brute", best,
           best / seconds)


def choice():
    """The most that the model's choice costs against the better way."""
    worst = 1.0
    for d in (2,) if TINY else (2, 5, 7, 9, 12, 20):
        for n in (1000,) if TINY else (1000, 10_000, 60_000):
            seconds = {m: min(ours(m, n, 500, d, 1)["find"] for _ in range(3)) for m in ("tree", "products", "auto")}
            worst = max(worst, seconds["auto"] / min(seconds["tree"], seconds["products"]))
    record("neighbours, cost of the chosen way", worst, "times the better way, worst of 18 cases", "", "", "")


def main():
    with tempfile.TemporaryDirectory() as folder:
        for n, rows, d in ((500, 50, 3),) if TINY else CASES:
            against_peer(n, rows, d, folder)
    choice()


main()
