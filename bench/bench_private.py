"""Private synopses: error of mean distances and kernels at epsilon 1, seconds to make one, and classes by the largest average private similarity against
the same without noise."""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]


def run(*command):
    start = time.perf_counter()
    out = subprocess.run([LIKELY, *command, "--threads", "2"], capture_output=True, text=True)
    if out.returncode not in (0, 3):
        sys.exit(out.stderr)
    return time.perf_counter() - start, out.stdout


def main():
    n = 2000 if TINY else 100000
    g = np.random.default_rng(4)
    with tempfile.TemporaryDirectory() as folder:
        x, q, model, told = (os.path.join(folder, name) for name in ("x.npy", "q.npy", "m.lk", "t.npy"))
        rows, queries = g.standard_normal((n, 8)), g.standard_normal((200, 8))
        np.save(x, rows)
        np.save(q, queries)
        for of, more, exact in (("l1", ["--bounds=-6:6"], lambda y: np.abs(rows - y).sum(1).mean()),
                                ("l2", ["--bounds=-6:6"], lambda y: np.sqrt(((rows - y) ** 2).sum(1)).mean()),
                                ("gaussian", ["--bandwidth", "3"], lambda y: np.exp(-((rows - y) ** 2).sum(1) / 18).mean())):
            seconds, _ = run("fit", x, "--model", "private", "--of", of, "--epsilon", "1", "-o", model, "-q", *more)
            run("similarity", model, q, "-o", told, "-q")
            answers, truth = np.load(told)[:, 0], np.array([exact(y) for y in queries])
            record(f"private {of} of {n} rows d=8 epsilon=1", seconds, "s")
            record(f"private {of} of {n} rows d=8 epsilon=1, error", float(np.sqrt(np.mean((answers / truth - 1) ** 2))), "relative, rms")
        d = 20
        labels = g.integers(0, 4, n + 1000)
        points = g.standard_normal((n + 1000, d)) + 1.2 * g.standard_normal((4, d))[labels]
        table = os.path.join(folder, "c.csv")
        for name, part in ((table, slice(0, n)), (os.path.join(folder, "n.csv"), slice(n, None))):
            np.savetxt(name, np.column_stack([points[part], labels[part]]), delimiter=",", fmt="%.5g", comments="", header=",".join([f"x{j}" for j in range(d)] + ["y"]))
        seconds, _ = run("fit", table, "--model", "private", "--bandwidth", "4", "--epsilon", "1", "--label", "y", "--priors", "equal", "-o", model, "-q")
        predicted = np.array([int(float(v)) for v in run("predict", model, os.path.join(folder, "n.csv"), "-q")[1].split()[1:]])
        few = {k: points[:n][labels[:n] == k] for k in range(4)}
        plain = np.array([max(few, key=lambda k: np.exp(-((few[k] - y) ** 2).sum(1) / 32).mean()) for y in points[n:n + 300]])
        record(f"private classes of {n} rows d=20 epsilon=1, accuracy", float(np.mean(predicted == labels[n:])), "share", "without privacy", float(np.mean(plain == labels[n:n + 300])))
        record(f"private classes of {n} rows d=20 epsilon=1", seconds, "s")


main()
