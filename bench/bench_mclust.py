"""The whole command against R's mclust on iris: 1 to 9 components, all covariance families, one hierarchical start, tolerance 1e-5. The
peer's time is that of the call alone, ours that of the process from start to the model file. Beside it the default search, and a hierarchical
start of 5000 rows of 4 features."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

HERE = os.path.dirname(os.path.realpath(__file__))
LIKELY = os.environ["LIKELY"]
IRIS = os.path.join(HERE, "../examples/data/iris.csv")


def fit(data, out, *options, runs=5):
    """The least of some runs, in seconds, and the model's bic."""
    best = float("inf")
    for _ in range(1 if TINY else runs):
        start = time.perf_counter()
        done = subprocess.run([LIKELY, "fit", data, "-q", "--threads", "2", "-o", out, *options], capture_output=True, text=True)
        best = min(best, time.perf_counter() - start)
        if done.returncode not in (0, 3):
            sys.exit(done.stderr)
    info = json.loads(subprocess.run([LIKELY, "info", out, "--json"], capture_output=True, text=True, check=True).stdout)
    return best, info["bic"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "m.lk")
        if not TINY and shutil.which("Rscript") is None:
            print("no R")
            sys.exit(77)
        most = "1..3" if TINY else "1..9"
        ours, bic = fit(IRIS, out, "--covariance", "all", "--components", most, "--init", "hierarchical", "--restarts", "1", "--tol", "1e-5")
        if TINY:
            record("mclust search of iris, one tree", ours, "s")
        else:
            done = subprocess.run(["Rscript", os.path.join(HERE, "mclust.R"), IRIS], capture_output=True, text=True)
            if done.returncode != 0:
                print("R has no mclust")
                sys.exit(77)
            peer = json.loads(done.stdout)
            record("mclust search of iris, one tree", ours, "s", f"mclust {peer['version']}", peer["seconds"], peer["seconds"] / ours)
            record("mclust search of iris, one tree, bic", f"{bic:.4f}", "larger is better", f"mclust {peer['version']}", f"{peer['bic']:.4f}")
            default, bic = fit(IRIS, out, "--covariance", "all", runs=2)
            record("mclust search of iris, default starts", default, "s", f"mclust {peer['version']}", peer["seconds"], peer["seconds"] / default)
        n = 500 if TINY else 5000
        g = np.random.default_rng(1)
        path = os.path.join(folder, "x.npy")
        np.save(path, g.standard_normal((n, 4)) + 4 * g.integers(0, 3, (n, 1)))
        seconds, _ = fit(path, out, "--components", "3", "--init", "hierarchical", "--restarts", "1", "--max-iter", "1", runs=3)
        record(f"hierarchical start {n} x 4", seconds, "s")


main()
