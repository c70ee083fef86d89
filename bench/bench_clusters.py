"""The fit of the set birch1 (Fraenti and Sieranoja 2018: 100 000 rows, 2 features, 100 groups on a grid) with its true number of components,
against scikit-learn in the same run: one k-means++ start each, full covariances, two threads. scikit-learn stops, as by its default, where
an iteration gains less than 1e-3 nats a row; likely where the gain still to come is below that. Below the data folder LIKELY_DATA, else ../shared/data."""
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

HERE = os.path.dirname(os.path.realpath(__file__))
LIKELY = os.environ["LIKELY"]
DATA = os.path.join(os.environ.get("LIKELY_DATA", os.path.join(HERE, "../../shared/data")), "cluster/sipu_birch1.csv.gz")
PEER = r"""
import sys, time, json, warnings
import numpy as np
from sklearn.mixture import GaussianMixture
warnings.filterwarnings("ignore")
x = np.load(sys.argv[1])
t = time.perf_counter()
g = GaussianMixture(int(sys.argv[2]), tol=1e-3, max_iter=1000, init_params="k-means++", random_state=1).fit(x)
print(json.dumps({"seconds": time.perf_counter() - t, "log_likelihood": g.score(x) * len(x)}))
"""


def rows():
    if TINY:
        g = np.random.default_rng(3)
        return g.standard_normal((600, 2)) + 9 * g.integers(0, 3, (600, 2)), 9
    if not os.path.exists(DATA):
        print("no " + DATA)
        sys.exit(77)
    with gzip.open(DATA, "rt") as f:
        return np.genfromtxt(f, delimiter=",", skip_header=1, usecols=(0, 1)), 100


def main():
    x, K = rows()
    env = dict(os.environ, OMP_NUM_THREADS="2", OPENBLAS_NUM_THREADS="2")
    with tempfile.TemporaryDirectory() as folder:
        path, out = os.path.join(folder, "x.npy"), os.path.join(folder, "m.lk")
        np.save(path, x)
        start = time.perf_counter()
        done = subprocess.run([LIKELY, "fit", path, "-k", str(K), "--covariance", "full", "--init", "kmeans++", "--restarts", "1", "--tol", "3.7e-5",
                               "-q", "--threads", "2", "-o", out], env=env, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        if done.returncode not in (0, 3):
            sys.exit(done.stderr)
        info = json.loads(subprocess.run([LIKELY, "info", out, "--json"], capture_output=True, text=True, check=True).stdout)
        if TINY:
            record("fit birch1", seconds, "s")
            return
        done = subprocess.run([sys.executable, "-c", PEER, path, str(K)], env=env, capture_output=True, text=True)
        if done.returncode != 0:
            print("no scikit-learn")
            sys.exit(77)
        peer = json.loads(done.stdout)
        record("fit birch1 K=100", seconds, "s", "scikit-learn 1.2.1", peer["seconds"], peer["seconds"] / seconds)
        record("fit birch1 K=100 log-likelihood", f"{info['log_likelihood'] / len(x):.5f}", "nats a row", "scikit-learn 1.2.1",
               f"{peer['log_likelihood'] / len(x):.5f}")


main()
