"""Missing values in a Gaussian mixture: seconds an EM iteration where 10% of the values are missing at random, against the same fit to the
complete rows, in the same run."""
import json
import os
import subprocess
import sys
import tempfile

import numpy as np

from record import TINY, record

BUILD = os.environ["LIKELY_BUILD"]


def iteration(path, K):
    """The difference of the quickest of four long and four short runs."""
    out = subprocess.run([os.path.join(BUILD, "bench/bench_em"), path, str(K), "full", "8", "2", "0"],
                         env=dict(os.environ, OMP_NUM_THREADS="2"), capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    seconds = json.loads(out.stdout)["iteration"]
    if seconds <= 0:
        sys.exit("the machine is too busy: more iterations took less time")
    return seconds


def main():
    n, d = (2000, 4) if TINY else (100_000, 16)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "x.npy")
        for K in (3,) if TINY else (8, 32):
            g = np.random.default_rng(42)
            x = g.uniform(-10, 10, (K, d))[g.integers(0, K, n)] + 3 * g.standard_normal((n, d))
            np.save(path, x)
            complete = iteration(path, K)
            x[g.random(x.shape) < 0.1] = np.nan
            np.save(path, x)
            missing = iteration(path, K)
            record(f"em missing 10% {n // 1000}k x {d} K={K} iteration", missing * 1e3, "ms", "complete rows", complete * 1e3,
                   complete / missing)


main()
