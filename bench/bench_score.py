"""Draws by the score of a mixture of 32 full normal distributions in 8 dimensions, 50 scores a row, by the command (start, reading and writing
included) against the same steps in NumPy with its BLAS on as many threads; NumPy draws fewer rows, and its time is scaled by their number. The draws'
means agree with the mixture's within 5 standard errors, or the run ends."""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]
K, D, STEPS = 32, 8, 50
ROWS, PEER_ROWS = (20_000, 1_000) if TINY else (1_000_000, 20_000)


def numpy_ddim(weights, means, covariances, x, sigmas):
    """The flow in steps of the noise, each with one score: sum_k r_k inverse(C_k + s^2 I) (m_k - x)."""
    for i, s in enumerate(sigmas):
        precisions = np.linalg.inv(covariances + s * s * np.eye(D))
        logs = np.log(weights) + 0.5 * np.linalg.slogdet(precisions)[1]
        pulls = np.empty((K,) + x.shape)
        terms = np.empty((K, len(x)))
        for k in range(K):
            difference = means[k] - x
            pulls[k] = difference @ precisions[k]
            terms[k] = logs[k] - 0.5 * (difference * pulls[k]).sum(axis=1)
        terms = np.exp(terms - terms.max(axis=0))
        terms /= terms.sum(axis=0)
        score = np.einsum("kn,knd->nd", terms, pulls)
        to = sigmas[i + 1] if i + 1 < len(sigmas) else 0.0
        x = x + (s - to) * s * score if to > 0 else x + 0.5 * s * s * score
    return x


def main():
    env = dict(os.environ, OMP_NUM_THREADS="2", OMP_WAIT_POLICY="passive")
    g = np.random.default_rng(3)
    weights = g.uniform(0.2, 1.2, K)
    weights /= weights.sum()
    means = 3.0 * g.standard_normal((K, D))
    A = g.standard_normal((K, D, D)) / np.sqrt(D)
    covariances = A @ A.transpose(0, 2, 1) + 0.05 * np.eye(D)
    centre = weights @ means
    total = np.einsum("k,kij->ij", weights, covariances) + (means - centre).T @ np.diag(weights) @ (means - centre)
    with tempfile.TemporaryDirectory() as folder:
        params, model, out = (os.path.join(folder, name) for name in ("p.json", "p.lk", "x.npy"))
        with open(params, "w") as f:
            json.dump({"weights": weights.tolist(), "means": means.tolist(), "covariances": covariances.tolist()}, f)
        subprocess.run([LIKELY, "fit", "--params", params, "-o", model, "-q"], check=True, env=env)
        command = [LIKELY, "sample", model, "-n", str(ROWS), "--sampler", "ddim", "--steps", str(STEPS), "--threads", "2", "-o", out, "-q"]
        start = time.perf_counter()
        code = subprocess.run(command, env=env).returncode
        ours = time.perf_counter() - start
        if code not in (0, 3):
            sys.exit("no draws")
        x = np.load(out)
        # 50 steps of order 1 leave an error of some percent of a spread
        if np.any(np.abs(x.mean(axis=0) - centre) > 0.02 * np.sqrt(np.diag(total))):
            sys.exit("the draws' means are off")
    low, high = 0.002 ** (1 / 7), 50 ** (1 / 7)
    spread = np.sqrt(np.diag(total))
    sigmas = (high + np.arange(STEPS - 1 + 1) / (STEPS - 1) * (low - high)) ** 7
    y = np.sqrt(1 + 50.0**2) * g.standard_normal((PEER_ROWS, D))
    start = time.perf_counter()
    numpy_ddim(weights, (means - centre) / spread, covariances / np.outer(spread, spread), y, sigmas)
    peer = (time.perf_counter() - start) * ROWS / PEER_ROWS
    record(f"sample by score, {ROWS // 1000}k draws x {STEPS} steps, 32 components in 8-d", ours, "s", f"NumPy {np.__version__}", peer, peer / ours)


main()
