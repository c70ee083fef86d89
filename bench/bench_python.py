"""The Python package: what a small call costs beside the library's own time, what an import costs beside NumPy's, how fast Ctrl-C comes
back, and fits beside scikit-learn's from the same arrays. Each figure is the best of several runs in fresh processes or loops."""
import os
import subprocess
import sys
import tempfile

from record import TINY, record

HERE = os.path.dirname(os.path.realpath(__file__))
CHECKOUT = os.path.dirname(HERE)
ENV = dict(os.environ, PYTHONPATH=os.path.join(CHECKOUT, "python"), OMP_NUM_THREADS="2",
           LIKELY_LIBRARY=os.path.join(os.environ["LIKELY_BUILD"], "src", "liblikely.so.0"))
ENV.pop("PYTHONDONTWRITEBYTECODE", None)

IMPORT = """
import time, numpy
t = time.perf_counter(); import likely; u = time.perf_counter(); likely.GMM; v = time.perf_counter()
print((u - t) * 1e3, (v - t) * 1e3)
"""
CALL = """
import timeit, sys, numpy as np, likely, ctypes
from likely._library import lib, context
g = np.random.default_rng(1); x = g.normal(size=(10, 4)); model = likely.GMM(3, seed=1).fit(g.normal(size=(500, 4))); m = model.model_
out = np.empty(10); args = (context().value, m._pointer, x.ctypes.data, 10, out.ctypes.data)
def best(f): return min(timeit.repeat(f, number=2000, repeat=int(sys.argv[1]))) / 2000 * 1e6
print(best(lambda: m.log_density(x)), best(lambda: model.score_samples(x)), best(lambda: lib.lk_model_log_density(*args)))
"""
INTERRUPT = """
import os, signal, threading, time, warnings, numpy as np, likely
warnings.simplefilter("ignore")
x = np.random.default_rng(1).normal(size=(60000, 8)); kernel = likely.KDE().fit(x); worst = 0
for work in (lambda: likely.GMM(30, restarts=50, tol=0, max_iter=100000).fit(x), lambda: kernel.score_samples(x)):
    for wait in (.3, .5, .7):
        sent = []
        t = threading.Timer(wait, lambda: (sent.append(time.perf_counter()), os.kill(os.getpid(), signal.SIGINT))); t.start()
        try:
            work(); time.sleep(5)
        except KeyboardInterrupt:
            worst = max(worst, time.perf_counter() - sent[0])
        t.join()
print(worst * 1e3)
"""
PEER = """
import timeit, sys, warnings, numpy as np, likely
from sklearn.mixture import GaussianMixture
warnings.filterwarnings("ignore")
g = np.random.default_rng(1); X = np.concatenate([g.normal(size=(20000, 8)) + c for c in g.uniform(-4, 4, size=(10, 8))])
ours = likely.GMM(10, restarts=1, init="kmeans++", max_iter=20, tol=0, seed=1)
theirs = GaussianMixture(10, max_iter=20, tol=0, init_params="k-means++", random_state=1)
def best(f): return min(timeit.repeat(f, number=1, repeat=3))
a, b = best(lambda: ours.fit(X)), best(lambda: theirs.fit(X))
print(a, b, best(lambda: ours.score_samples(X)), best(lambda: theirs.score_samples(X)))
"""


def run(program, *arguments):
    done = subprocess.run([sys.executable, "-c", program] + list(arguments), env=ENV, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return [float(v) for v in done.stdout.split()]


def main():
    with tempfile.TemporaryDirectory() as folder:
        ENV["PYTHONPYCACHEPREFIX"] = folder  # compiled once, as an installed package is
        run(IMPORT)
        bare, used = zip(*[run(IMPORT) for _ in range(1 if TINY else 40)])
        record("python import beside numpy", min(bare), "ms")
        record("python import and first estimator class beside numpy", min(used), "ms")
        model, estimator, bare = run(CALL, "1" if TINY else "9")
        record("python log_density of 10 rows, overhead", model - bare, "us")
        record("python score_samples of 10 rows, overhead", estimator - bare, "us")
        if TINY:
            return
        record("python interrupt, worst of 6", run(INTERRUPT)[0], "ms")
        ours, theirs, ask, their_ask = run(PEER)
        record("python fit 200k x 8 K=10, 20 iterations", ours, "s", "scikit-learn 1.2.1", theirs, theirs / ours)
        record("python score_samples 200k x 8 K=10", ask, "s", "scikit-learn 1.2.1", their_ask, their_ask / ask)


main()
