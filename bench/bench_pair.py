"""The pair engine: pairs a second and accuracy of Gaussian sums against scikit-learn's KernelDensity and SciPy's gaussian_kde on data of
the same law, and the share of measured DGEMM that distance products of many columns reach."""
import json
import os
import subprocess
import sys

from record import TINY, record

BUILD = os.environ["LIKELY_BUILD"]
THREADS = "2"
# A rate by processor time does not depend on what else the machine does; on an idle one, 2 threads do twice as many a second.
RATE = "1e9 pairs a processor second, 2 threads"
PEER = r"""
import json, sys, time
import numpy as np
n, d, h = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
g = np.random.default_rng(0); Y = g.standard_normal((n, d)); X = g.standard_normal((n, d))
from sklearn.neighbors import KernelDensity
from scipy.stats import gaussian_kde
k = KernelDensity(bandwidth=h, rtol=0, atol=0).fit(Y)
t = time.process_time(); k.score_samples(X); a = time.process_time() - t
s = gaussian_kde(Y.T)
t = time.process_time(); s(X.T); b = time.process_time() - t
print(json.dumps({"sklearn": a, "scipy": b}))
"""


def ours(kernel, reduction, n, d, check=False):
    command = [os.path.join(BUILD, "bench/bench_pair"), kernel, reduction, str(n), str(n), str(d), THREADS] + (["check"] if check else [])
    env = dict(os.environ, OMP_NUM_THREADS=THREADS, OMP_WAIT_POLICY="passive")
    out = subprocess.run(command, env=env, capture_output=True, text=True)
    if out.returncode != 0:
        sys.exit(out.stderr)
    return json.loads(out.stdout)


def main():
    n = 500 if TINY else 20_000
    a = ours("gaussian", "sum", n, 3, check=True)
    record("pair gaussian sum 20k x 20k d=3 f64", a["pairs_a_processor_second"] / 1e9, RATE)
    record("pair gaussian sum 20k x 20k d=3 relative error", a["error"], "of compensated sums")
    if a["error"] > 1e-13:
        sys.exit("the sums are off")
    single = ours("gaussian", "sum_single", n, 3, check=True)
    record("pair gaussian sum 20k x 20k d=3 f32", single["pairs_a_processor_second"] / 1e9, RATE)
    record("pair gaussian sum 20k x 20k d=3 f32 relative error", single["error"], "of compensated sums")
    if single["error"] > 1e-5:
        sys.exit("the sums in single precision are off")
    for kernel, reduction in (("gaussian", "log_sum"), ("matern52", "sum"), ("epanechnikov", "sum")):
        rate = ours(kernel, reduction, n, 3)["pairs_a_processor_second"] / 1e9
        record(f"pair {kernel} {reduction} 20k x 20k d=3 f64", rate, RATE)
    b = ours("gaussian", "sum", n // 2, 64)
    record("pair gaussian sum 10k x 10k d=64 share of DGEMM", b["products"] / b["gemm"], f"of {b['gemm']:.0f} G multiply-adds/s")
    if TINY:
        return
    env = dict(os.environ, OMP_NUM_THREADS=THREADS, OPENBLAS_NUM_THREADS=THREADS)
    out = subprocess.run([sys.executable, "-c", PEER, str(n), "3", repr(a["h"])], env=env, capture_output=True, text=True)
    if out.returncode != 0:
        print(out.stderr)
        sys.exit(77)
    p = json.loads(out.stdout)
    for name, peer in (("sklearn", "scikit-learn 1.2.1 KernelDensity rtol 0"), ("scipy", "SciPy 1.10.1 gaussian_kde")):
        seconds = a["processor"] / int(THREADS)  # both peers work on one thread
        record(f"pair gaussian sum 20k x 20k d=3 against {name}", seconds, "s of each of 2 processors", peer, p[name], p[name] / seconds)


main()
