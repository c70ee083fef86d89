"""Particles that flow by sorted slices: the energy distance that 500 particles reach against independent rows, and a posterior against its closed form beside
the prior and as many independent draws from it."""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]


def flow(path, out, *options):
    start = time.perf_counter()
    run = subprocess.run([LIKELY, "flow", path, "-o", out, "-q", "--threads", "2", *options], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    return time.perf_counter() - start, np.load(out)


def mean_distance(a, b):
    return np.mean([np.sqrt(((a[i:i + 100, None] - b[None]) ** 2).sum(2)).mean() for i in range(0, len(a), 100)])


def energy(a, b):
    return 2 * mean_distance(a, b) - mean_distance(a, a) - mean_distance(b, b)


def to_data(folder):
    n, count = (500, 100) if TINY else (10000, 500)
    g = np.random.default_rng(1)
    x = g.standard_normal((n, 4)) + np.where(g.random(n) < .4, -2.0, 2.0)[:, None]
    x /= x.std(0)
    path = os.path.join(folder, "x.npy")
    np.save(path, x)
    seconds, particles = flow(path, os.path.join(folder, "p.npy"), "-n", str(count), *(["--steps", "50"] if TINY else []))
    few = x[:2000]
    # The expectation of as many independent rows: E|x - x'| / count.
    record(f"flow of {count} particles to {n} rows d=4", seconds, "s")
    record(f"flow of {count} particles to {n} rows d=4, energy distance", energy(particles, few if TINY else x), "sd = 1", "independent rows",
           mean_distance(few, few) / count)


def posterior(folder):
    n, count = (500, 100) if TINY else (10000, 500)
    g = np.random.default_rng(2)
    shares, means = np.array([.4, .6]), np.array([[-2., -1.], [1.5, 1.]])
    covariances = np.array([[[.5, .2], [.2, .4]], [[.6, -.3], [-.3, .5]]])
    a, sd, y = np.array([1., -1.]), .3, .2

    def draw(n, shares, means, covariances):
        z = g.random(n) < shares[0]
        return np.where(z[:, None], *(g.multivariate_normal(m, c, n) for m, c in zip(means, covariances)))

    variances = np.array([a @ c @ a + sd * sd for c in covariances])
    lacks = y - means @ a
    after = shares * np.exp(-lacks ** 2 / variances / 2) / np.sqrt(variances)
    gains = [c @ a / v for c, v in zip(covariances, variances)]
    closed = (after / after.sum(), [m + k * r for m, k, r in zip(means, gains, lacks)], [c - np.outer(k, a @ c) for c, k in zip(covariances, gains)])
    path, matrix = os.path.join(folder, "prior.npy"), os.path.join(folder, "a.npy")
    prior = draw(n, shares, means, covariances)
    np.save(path, prior)
    np.save(matrix, a[None])
    seconds, particles = flow(path, os.path.join(folder, "p.npy"), "-n", str(count), "--observe", matrix, "--observed", str(y), "--noise", str(sd),
                              *(["--steps", "50"] if TINY else []))
    truth = draw(3000, *closed)
    record(f"flow to a posterior, {count} particles", seconds, "s")
    record(f"flow to a posterior, {count} particles, energy distance", energy(particles, truth), "of its closed form", "independent draws", energy(draw(count, *closed), truth))
    record("flow to a posterior, energy distance of the prior", energy(prior[:count], truth), "of its closed form")


def main():
    with tempfile.TemporaryDirectory() as folder:
        to_data(folder)
        posterior(folder)


main()
