"""Tests of two samples, of independence and of a model's rows: time at n = 10 000, levels by simulation, and power beside the figures that hyppo publishes (benchmarks/vs_samplesize,
its own simulations, mean of 5 runs of 1000)."""
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]
TESTS = ("mmd", "mmd-agg", "cross-mmd", "kid", "energy", "sliced-energy", "c2st")
PUBLISHED = {("linear", 50): (.959, .906), ("linear", 100): (.999, .998), ("quadratic", 50): (.417, .588), ("quadratic", 100): (.885, .928),
             ("circle", 50): (.068, .168), ("circle", 100): (.149, .457), ("spiral", 50): (.111, .120), ("spiral", 100): (.223, .202),
             ("independence", 50): (.046, .048), ("independence", 100): (.042, .049)}


def compare(*arguments):
    start = time.perf_counter()
    run = subprocess.run([LIKELY, "compare", *arguments, "--json", "-q"], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stderr)
    return json.loads(run.stdout), time.perf_counter() - start


def simulate(name, n, rng):
    u, e = rng.uniform(-1, 1, n), rng.standard_normal(n)
    if name == "linear":
        return u, u + e
    if name == "quadratic":
        return u, u * u + 0.5 * e
    if name == "circle":
        return np.cos(np.pi * u) + 0.4 * e, np.sin(np.pi * u)
    if name == "spiral":
        r = 2.5 * (u + 1)
        return r * np.cos(np.pi * r), r * np.sin(np.pi * r) + 0.4 * e
    return e / 3 + 2 * rng.integers(0, 2, n) - 1, rng.standard_normal(n) / 3 + 2 * rng.integers(0, 2, n) - 1


def speed(folder):
    n = 500 if TINY else 10000
    rng = np.random.default_rng(1)
    a, b = os.path.join(folder, "a.npy"), os.path.join(folder, "b.npy")
    np.save(a, rng.standard_normal((n, 2)))
    np.save(b, rng.standard_normal((n, 2)))
    for name, arguments in (("hsic", (a, "--independence", "1|2")), ("dcorr", (a, "--independence", "1|2", "--test", "dcorr")),
                            ("mmd", (a, b, "--test", "mmd")), ("sliced-energy", (a, b, "--test", "sliced-energy"))):
        one = compare(*arguments, "--threads", "2", "--permutations", "1")[1]
        many = compare(*arguments, "--threads", "2", "--permutations", "200")[1]
        record(f"compare {name} n={n} whole command with 1 permutation", one, "s")
        record(f"compare {name} n={n} whole command with 200 permutations", many, "s", "R kernlab, published, dcorr" if name == "dcorr" else "",
               26.7 if name == "dcorr" else "")


def power(folder):
    repeats = 5 if TINY else 400
    path = os.path.join(folder, "x.npy")
    for (name, n), published in PUBLISHED.items():
        rng = np.random.default_rng(n)
        rejected = [0, 0]
        for r in range(repeats):
            np.save(path, np.stack(simulate(name, n, rng), 1))
            for t, test in enumerate(("dcorr", "hsic")):
                answer, _ = compare(path, "--independence", "1|2", "--test", test, "--threads", "1", "--seed", str(r + 1))
                rejected[t] += answer["p"] <= 0.05
        for t, test in enumerate(("dcorr", "hsic")):
            record(f"compare power of {test} {name} n={n}", rejected[t] / repeats, f"of {repeats}", "hyppo, published", published[t])


def level(folder):
    a, b = os.path.join(folder, "a.npy"), os.path.join(folder, "b.npy")
    for n, repeats in ((50, 5 if TINY else 1000), (500, 2 if TINY else 400)):
        rng = np.random.default_rng(n)
        rejected = dict.fromkeys(TESTS, 0)
        for r in range(repeats):
            np.save(a, rng.standard_normal((n, 2)))
            np.save(b, rng.standard_normal((n, 2)))
            for test in TESTS:
                rejected[test] += compare(a, b, "--test", test, "--threads", "1", "--seed", str(r + 1))[0]["p"] <= 0.05
        for test in TESTS:
            record(f"compare level of {test} n={n}", rejected[test] / repeats, f"of {repeats} at .05; .05 is right, less is safe")


def fit(folder):
    """A table against a model: level and power of the kernel Stein discrepancy; of rows cut off at a circle with points of it."""
    model, rows, edge = (os.path.join(folder, name) for name in ("n.lk", "rows.npy", "edge.npy"))
    law = {"weights": [1], "means": [[0, 0]], "covariances": [[[1, 0], [0, 1]]], "columns": ["x1", "x2"]}
    with open(os.path.join(folder, "n.json"), "w", encoding="utf-8") as file:
        json.dump(law, file)
    subprocess.run([LIKELY, "fit", "--params", os.path.join(folder, "n.json"), "-q", "-o", model], check=True)
    rng = np.random.default_rng(3)
    angle = rng.uniform(0, 2 * np.pi, 60)
    np.save(edge, 1.5 * np.stack([np.cos(angle), np.sin(angle)], 1))
    cases = {"level of ksd": (0, ()), "power of ksd shift .3": (.3, ()), "level of ksd, rows cut off": (0, ("--boundary", edge)),
             "power of ksd shift .3, rows cut off": (.3, ("--boundary", edge)), "power of ksd by the cut, boundary not told": (0, ())}
    for n, repeats in ((50, 5 if TINY else 400), (500, 2 if TINY else 200)):
        for name, (shift, options) in cases.items():
            rejected = 0
            for r in range(repeats):
                x = rng.standard_normal((20 * n, 2)) + [shift, 0]
                np.save(rows, (x[(x * x).sum(1) < 2.25] if "cut" in name else x)[:n])
                rejected += compare(model, rows, *options, "--threads", "1", "--seed", str(r + 1))[0]["p"] <= 0.05
            record(f"compare {name} n={n}", rejected / repeats, f"of {repeats} at .05")
    n = 500 if TINY else 10000
    np.save(rows, rng.standard_normal((n, 2)))
    record(f"compare ksd n={n} whole command with 199 bootstrap draws", compare(model, rows, "--threads", "2")[1], "s")


with tempfile.TemporaryDirectory() as place:
    wanted = os.environ.get("LK_BENCH_PARTS", "speed,power,level,fit").split(",")
    for part in (speed, power, level, fit):
        if part.__name__ in wanted:
            part(place)
