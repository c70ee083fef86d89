"""Kernel densities by the command against scikit-learn's KernelDensity: the mean log density of 2000 rows on standard normal data whose
values were noted before (a difference ends the run), and seconds with start and reading, against scikit-learn's at rtol 0 without these."""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]
# rows, columns, mean log density by scikit-learn 1.2.1 at bandwidth n^(-1/(d+4)); one default_rng(0) through all, data then queries
CASES = ((10_000, 2, -2.8437), (10_000, 10, -14.55871), (30_000, 3, -4.25382))


def seconds(command, env):
    start = time.perf_counter()
    out = subprocess.run(command, env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return time.perf_counter() - start, out.stdout


def regime(folder, env):
    """Normal rows in high dimensions: what the rule kl loses against the best factor by cross-validation, and what it costs."""
    n, d = (200, 20) if TINY else (2000, 100)
    x, model = os.path.join(folder, "h.npy"), os.path.join(folder, "h.lk")
    np.save(x, np.random.default_rng(3).standard_normal((n, d)))
    left = {}
    for rule in ("kl", "lcv", "scott"):
        time_, _ = seconds([LIKELY, "fit", x, "--model", "kde", "--bandwidth", rule, "-o", model, "--quiet"], env)
        info = json.loads(seconds([LIKELY, "info", model, "--json"], env)[1])
        left[rule] = time_, info["leave_one_out"], info["regime"]["participation"]
    record(f"kde bandwidth kl, n={n} d={d}", left["kl"][0], "s", "lcv", left["lcv"][0], left["lcv"][0] / left["kl"][0])
    record(f"kde bandwidth kl, n={n} d={d} left out", left["kl"][1], "nats a row", "lcv", left["lcv"][1])
    record(f"kde bandwidth scott, n={n} d={d} left out", left["scott"][1], "nats a row", "lcv", left["lcv"][1])


def peak(folder, env):
    """The highest mode in many dimensions by projection to 30 of them, against ascents in all dimensions from draws of the model."""
    n, d = (200, 20) if TINY else (2000, 200)
    g = np.random.default_rng(6)
    x, model = os.path.join(folder, "p.npy"), os.path.join(folder, "p.lk")
    np.save(x, 0.8 * g.standard_normal((4, d))[g.integers(0, 4, n)] + g.standard_normal((n, d)))
    seconds([LIKELY, "fit", x, "--model", "kde", "--bandwidth", "9", "-o", model, "--quiet"], env)
    time_, out = seconds([LIKELY, "modes", model, "--project", "30", "--threads", "2"], env)
    full, far = seconds([LIKELY, "modes", model, "--draws", "20", "--threads", "2"], env)
    heights = [float(text.split("\n")[1].split(",")[d + 1]) for text in (out, far)]
    record(f"kde highest mode by projection, n={n} d={d}", time_, "s", "ascents from 20 draws", full, full / time_)
    record(f"kde highest mode by projection, n={n} d={d} height", float(np.exp(heights[0] - heights[1])), "share of the best by ascents")


def main():
    env = dict(os.environ, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="passive")
    g = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        regime(folder, env)
        peak(folder, env)
        x, q, model = (os.path.join(folder, name) for name in ("x.npy", "q.npy", "m.lk"))
        for n, d, golden in CASES[:1] if TINY else CASES:
            X, Q = g.standard_normal((n, d)), g.standard_normal((2000, d))
            np.save(x, X)
            np.save(q, Q)
            h = n ** (-1 / (d + 4))
            seconds([LIKELY, "fit", x, "--model", "kde", "--bandwidth", repr(h), "-o", model, "--quiet"], env)
            runs = [seconds([LIKELY, "density", model, q, "--threads", "2"], env) for _ in range(1 if TINY else 5)]
            mean = np.mean([float(line) for line in runs[0][1].split()[1:]])
            name = f"kde density of 2000 rows, n={n // 1000}k d={d}"
            record(name + " mean", mean, "nats", "noted before", golden)
            if abs(mean - golden) > 6e-5:
                sys.exit("the densities are off")
            if TINY:
                continue
            try:
                from sklearn.neighbors import KernelDensity
            except ImportError:
                sys.exit(77)
            k = KernelDensity(bandwidth=h, rtol=0).fit(X)
            start = time.perf_counter()
            k.score_samples(Q)
            peer = time.perf_counter() - start
            ours = min(r[0] for r in runs)
            record(name, ours, "s", "scikit-learn 1.2.1 rtol 0", peer, peer / ours)


main()
