"""EM of a Gaussian mixture against scikit-learn: seconds an iteration on the same rows, threads and covariance type, the share of
measured DGEMM, and a table and figure of time against n, K and d (docs/images/em_time.png with LK_BENCH_RECORD=1)."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from record import TINY, record

BUILD = os.environ["LIKELY_BUILD"]
THREADS = "2"
PEER = r"""
import sys, time, resource, warnings, json
import numpy as np
from sklearn.mixture import GaussianMixture
warnings.filterwarnings("ignore")
X = np.load(sys.argv[1]); K = int(sys.argv[2]); I = int(sys.argv[4])
def fit(n):
    t = time.perf_counter()
    GaussianMixture(K, covariance_type=sys.argv[3], tol=0, max_iter=n, init_params="random_from_data", random_state=1).fit(X)
    return time.perf_counter() - t
fit(1)
few = many = 1e300
for r in range(3):
    few = min(few, fit(1)); many = min(many, fit(1 + I))
print(json.dumps({"iteration": (many - few) / I, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))
"""


def rows(n, d, K, seed=42):
    """Blobs: centres within [-10, 10], standard deviation 3."""
    g = np.random.default_rng(seed)
    centres = g.uniform(-10, 10, (K, d))
    return centres[g.integers(0, K, n)] + 3 * g.standard_normal((n, d))


def ours(path, K, covariance, iterations, memory=0, gemm=False):
    env = dict(os.environ, OMP_NUM_THREADS=THREADS)
    if gemm:
        env["LK_BENCH_GEMM"] = "1"
    out = subprocess.run([os.path.join(BUILD, "bench/bench_em"), path, str(K), covariance, str(iterations), THREADS, str(memory)],
                         env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def peer(path, K, covariance, iterations):
    env = dict(os.environ, OMP_NUM_THREADS=THREADS, OPENBLAS_NUM_THREADS=THREADS)
    out = subprocess.run([sys.executable, "-c", PEER, path, str(K), covariance, str(iterations)], env=env, capture_output=True,
                         text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def terms(covariance, d):
    return 1 + d + d * (d + 1) // 2 if covariance == "full" else 1 + 2 * d if covariance == "diag" else 2 + d


def compare(folder, name, n, d, K, covariance, iterations):
    path = os.path.join(folder, "x.npy")
    np.save(path, rows(n, d, K))
    a = ours(path, K, covariance, iterations, gemm=True)
    if TINY:
        record(name + " iteration", a["iteration"] * 1e3, "ms")
        return
    b = peer(path, K, covariance, max(2, iterations // 4))
    if a["iteration"] <= 0 or b["iteration"] <= 0:
        sys.exit(name + ": the machine is too busy: more iterations took less time")
    record(name + " iteration", a["iteration"] * 1e3, "ms", "scikit-learn 1.2.1", b["iteration"] * 1e3,
           b["iteration"] / a["iteration"])
    record(name + " peak memory", a["peak_mb"], "MB", "scikit-learn 1.2.1", b["peak_mb"], b["peak_mb"] / a["peak_mb"])
    if covariance == "full":
        rate = 4e-9 * n * K * terms(covariance, d) / a["iteration"]
        record(name + " share of DGEMM", rate / a["dgemm"], f"of {a['dgemm']:.0f} GFLOP/s")


def grid(folder):
    base = dict(n=100_000, d=8, K=16)
    table = []
    for key, values in (("n", (1_000, 10_000, 100_000, 1_000_000)), ("K", (2, 4, 8, 16, 32, 64)), ("d", (1, 2, 4, 8, 16, 32, 64))):
        for v in values:
            p = dict(base, **{key: v})
            if TINY:
                p["n"] = min(p["n"], 2000)
            path = os.path.join(folder, "x.npy")
            np.save(path, rows(**p))
            seconds = {c: ours(path, p["K"], c, 3 if p["n"] > 200_000 or p["d"] > 32 else 10)["iteration"]
                       for c in ("full", "tied", "diag", "spherical")}
            table.append((key, v, seconds))
            print(f"{key:>2} = {v:<8}" + "".join(f" {c} {s * 1e3:9.3f} ms" for c, s in seconds.items()), flush=True)
            if TINY:
                break
    return table


def figure(table, out):
    script = [f"set terminal pngcairo size 1200,420 font 'sans,10'; set output '{out}'; set multiplot layout 1,3",
              "set logscale xy; set grid lc rgb '#dddddd'; set key left top; set format y '%g'; set ylabel 'ms an iteration'"]
    for key in ("n", "K", "d"):
        part = [r for r in table if r[0] == key]
        fixed = ", ".join(f"{k} = {v}" for k, v in (("n", "100 000"), ("d", 8), ("K", 16)) if k != key)
        script.append(f"set xlabel '{key}'; set title '{fixed}'")
        for c in ("full", "tied", "diag", "spherical"):
            script.append(f"${key}{c} << EOD\n" + "\n".join(f"{v} {s[c] * 1e3}" for _, v, s in part) + "\nEOD")
        script.append("plot " + ", ".join(f"${key}{c} with linespoints pt 7 title '{c}'" for c in
                                          ("full", "tied", "diag", "spherical")))
    subprocess.run(["gnuplot"], input="\n".join(script), text=True, check=True)


def main():
    with tempfile.TemporaryDirectory() as folder:
        if TINY:
            compare(folder, "em full 2k x 4 K=3", 2000, 4, 3, "full", 3)
        else:
            compare(folder, "em full 100k x 16 K=32", 100_000, 16, 32, "full", 20)
            compare(folder, "em diag 100k x 16 K=32", 100_000, 16, 32, "diag", 40)
            compare(folder, "em tied 100k x 16 K=32", 100_000, 16, 32, "tied", 40)
            compare(folder, "em spherical 100k x 16 K=32", 100_000, 16, 32, "spherical", 40)
        table = grid(folder)
        if os.environ.get("LK_BENCH_RECORD") == "1" and not TINY:
            figure(table, os.path.join(os.path.dirname(os.path.realpath(__file__)), "../docs/images/em_time.png"))


main()
