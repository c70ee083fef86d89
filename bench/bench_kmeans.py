"""k-means of make_blobs rows (1e6 x 16, 100 centres) from the same start as scikit-learn's KMeans: seconds on 2 threads, the same
inertia; mini-batches against its MiniBatchKMeans."""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

PROGRAM = os.path.join(os.environ["LIKELY_BUILD"], "bench/bench_kmeans")
N, D, K = (2000, 4, 10) if TINY else (1_000_000, 16, 100)


def blobs(g, spread):
    """As sklearn.datasets.make_blobs: centres uniform in a box of side 20, normal noise."""
    centres = g.uniform(-10, 10, (K, D))
    return centres[g.integers(0, K, N)] + spread * g.standard_normal((N, D))


def start_centres(X):
    """By k-means++ from some of the rows: from random rows a centre may lose all its rows, and peers differ in what becomes of it."""
    try:
        from sklearn.cluster import kmeans_plusplus
    except ImportError:
        return X[:K]
    return kmeans_plusplus(X[:20 * K], K, random_state=0)[0]


def ours(rows, start, batch=0):
    env = dict(os.environ, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="passive")
    out = subprocess.run([PROGRAM, rows, start, str(N), str(D), str(K), "2", "1e-4", str(batch)], env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def peer(X, start, batch=0):
    from sklearn.cluster import KMeans, MiniBatchKMeans
    best, model = 1e300, None
    for algorithm in ("lloyd",) if batch else ("lloyd", "elkan"):
        model = (MiniBatchKMeans(K, init=start, n_init=1, batch_size=batch, random_state=0) if batch
                 else KMeans(K, init=start, n_init=1, algorithm=algorithm, tol=1e-4))
        begin = time.perf_counter()
        model.fit(X)
        seconds = time.perf_counter() - begin
        print("scikit-learn", algorithm, seconds, model.inertia_, model.n_iter_)
        best = min(best, seconds)
    return best, model.inertia_, model.n_iter_


def main():
    with tempfile.TemporaryDirectory() as folder:
        rows, start = os.path.join(folder, "x"), os.path.join(folder, "c")
        for spread in (1.0, 4.0):
            g = np.random.default_rng(1)
            X = blobs(g, spread)
            C = start_centres(X)
            X.tofile(rows)
            C.tofile(start)
            runs = [ours(rows, start) for _ in range(3)]
            a = min(r["seconds"] for r in runs)
            b = ours(rows, start, 8192)
            if TINY:
                return
            try:
                p, inertia, iterations = peer(X, C)
            except ImportError:
                sys.exit(77)
            print(runs[0], inertia, iterations)
            record(f"kmeans blobs 1e6 x 16, 100 centres, sd {spread:g}", a, "s", "scikit-learn 1.2.1 KMeans, its better of lloyd and elkan", p, p / a)
            record(f"kmeans blobs 1e6 x 16, 100 centres, sd {spread:g}, inertia", runs[0]["inertia"], "", "scikit-learn 1.2.1 KMeans", inertia,
                   runs[0]["inertia"] / inertia)
            p, inertia, iterations = peer(X, C, 8192)
            print(b, inertia, iterations)
            record(f"kmeans mini-batches blobs 1e6 x 16, 100 centres, sd {spread:g}, inertia", b["inertia"], f"after {b['seconds']:.3g} s",
                   f"scikit-learn 1.2.1 MiniBatchKMeans, {p:.3g} s", inertia, b["inertia"] / inertia)


main()
