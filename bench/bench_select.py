"""Fewer rows: Compress++ on the published case (uniform rows of the unit square, Sobolev kernel of order 1, 2^18 rows to 512), time of the
whole command and squared discrepancy from the law and from the rows, beside the figures that goodpoints publishes for the same sizes (examples/debias/
notebook/demo/sobol_kt.ipynb: JAX on a CPU 9.93 s, squared MMD 1.204e-3 to the rows and 1.168e-3 to the law; compiled Python 92.1 s and 1.685e-3).
Then the discrepancy of kernel thinning of normal rows against the line of independent ones."""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]


def select(path, out, *options):
    start = time.perf_counter()
    run = subprocess.run([LIKELY, "select", path, "-o", out, "-q", "--threads", "2", *options], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    return time.perf_counter() - start, np.load(out)


def sobolev(a, b):
    u = np.abs(a[:, None, :] - b[None, :, :])
    return np.prod(1 + 2 * np.pi ** 2 * (u * u - u + 1 / 6), axis=2)


def published_case(folder):
    """Towards the rows, as goodpoints' figure is, and towards the law whose rows they are."""
    n, count = (2 ** 12, 64) if TINY else (2 ** 18, 512)
    for towards, name, published in (("", "rows", 1.204e-3), ("uniform", "law", 1.168e-3)):
        seconds, squares = [], []
        for seed in range(1, 2 if TINY else 4):
            rows = np.random.default_rng(seed).random((n, 2))
            path = os.path.join(folder, "u.npy")
            np.save(path, rows)
            time_, few = select(path, os.path.join(folder, "few.npy"), "-n", str(count), "--kernel", "sobolev", "--seed", str(seed),
                                *(["--towards", towards] if towards else []))
            within = sobolev(few, few).mean() - 1
            cross = np.mean([sobolev(few, rows[i:i + 4096]).mean() for i in range(0, n, 4096)]) - 1
            # Of the rows' own discrepancy from the law, the exact mean over pairs costs n^2; its expectation over uniform rows is (k(0) - 1) / n.
            own = ((1 + np.pi ** 2 / 3) ** 2 - 1) / n
            seconds.append(time_)
            squares.append(within if towards else within - 2 * cross + own)
        if not towards:
            record(f"select compress {n} to {count} sobolev", min(seconds), "s", "goodpoints JAX, published", 9.93, 9.93 / min(seconds))
        record(f"select compress {n} to {count} sobolev mmd2 to {name}", float(np.mean(squares)), "mean of 3 seeds", "goodpoints JAX, published", published)


def normal_law(x):
    """Squared discrepancy from the standard normal law in two dimensions, Gaussian kernel of bandwidth 1."""
    square = ((x[:, None, :] - x[None, :, :]) ** 2).sum(2)
    return np.exp(-square / 2).mean() - np.exp(-(x ** 2).sum(1) / 4).mean() + 1 / 3


def slope(folder):
    sizes = (8, 16) if TINY else (8, 16, 32, 64, 128)
    values = []
    for count in sizes:
        squares = []
        for seed in range(5):
            path = os.path.join(folder, "g.npy")
            np.save(path, np.random.default_rng(seed).standard_normal((count * count, 2)))
            squares.append(normal_law(select(path, os.path.join(folder, "few.npy"), "-n", str(count), "--bandwidth", "1", "--mmd", "no")[1]))
        values.append(np.sqrt(np.mean(squares)))
        record(f"select thinning {count * count} to {count} mmd", float(values[-1]), "rms of 5", "independent rows", (2 / 3 / count) ** 0.5,
               (2 / 3 / count) ** 0.5 / values[-1])
    record("select thinning slope", float(np.polyfit(np.log(sizes), np.log(values), 1)[0]), "of log mmd", "independent rows", -0.5)


def regression(folder):
    """Least squares from a weighted part of the rows: the excess of the mean squared error over that of all rows, for sensitivity sampling of (x, y), leverage
    scores and uniform rows; rows of a few far clusters carry the leverage."""
    n, count, repeats = (2000, 100, 3) if TINY else (20000, 400, 20)
    g = np.random.default_rng(5)
    x = g.standard_normal((n, 5)) * np.where(g.random(n) < .02, 12.0, 1.0)[:, None]
    y = x @ np.arange(1.0, 6.0) + g.standard_normal(n) * 2
    path = os.path.join(folder, "r.npy")
    np.save(path, np.column_stack([x, y]))
    best = np.mean((x @ np.linalg.lstsq(x, y, rcond=None)[0] - y) ** 2)
    leverage = (np.linalg.qr(x)[0] ** 2).sum(1)

    def excess(rows, weights):
        root = np.sqrt(weights)[:, None]
        b = np.linalg.lstsq(x[rows] * root, y[rows] * root[:, 0], rcond=None)[0]
        return np.mean((x @ b - y) ** 2) / best - 1
    values = {"sensitivity": [], "leverage": [], "uniform": []}
    for seed in range(repeats):
        out = os.path.join(folder, "s.npy")
        _, few = select(path, out, "-n", str(count), "--method", "sensitivity", "--clusters", "40", "--bandwidth", "1", "--mmd", "no", "--seed", str(seed))
        root = np.sqrt(few[:, -1])[:, None]
        b = np.linalg.lstsq(few[:, :5] * root, few[:, 5] * root[:, 0], rcond=None)[0]
        values["sensitivity"].append(np.mean((x @ b - y) ** 2) / best - 1)
        rows = g.choice(n, count, p=leverage / leverage.sum())
        values["leverage"].append(excess(rows, 1 / leverage[rows]))
        rows = g.choice(n, count, replace=False)
        values["uniform"].append(excess(rows, np.ones(count)))
    means = {key: float(np.mean(v)) for key, v in values.items()}
    record(f"select sensitivity {n} to {count}, regression", means["sensitivity"], "excess of the squared error", "leverage scores", means["leverage"],
           means["leverage"] / means["sensitivity"])
    record(f"select uniform {n} to {count}, regression", means["uniform"], "excess of the squared error", "leverage scores", means["leverage"],
           means["leverage"] / means["uniform"])


def main():
    with tempfile.TemporaryDirectory() as folder:
        published_case(folder)
        slope(folder)
        regression(folder)


main()
