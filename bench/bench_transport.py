"""Transport: the light Schroedinger bridge on real tables and against discrete Sinkhorn, and the truth of translation, tilting, dynamics, diagnoses, noise without clean
rows and energies as figures. Real tables are found below LIKELY_DATA (../shared/data beside the source tree); without them the bridge is measured on
made ones."""
import csv
import gzip
import io
import json
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]
DATA = os.environ.get("LIKELY_DATA") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "shared", "data")


def run(*arguments, check=True, text=None):
    done = subprocess.run([LIKELY, *arguments, "--threads", "2"], capture_output=True, text=True, input=text)
    if check and done.returncode not in (0, 3):
        sys.exit(" ".join(arguments) + "\n" + done.stderr)
    return done


def save(path, rows, names):
    np.savetxt(path, rows, delimiter=",", header=",".join(names), comments="", fmt="%.17g")


def load(text):
    return np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, ndmin=2)


def energy_distance(x, y, most=1500):
    x, y = x[:most], y[:most]
    def mean(a, b):
        return np.sqrt(((a[:, None, :] - b[None, :, :]) ** 2).sum(2)).mean()
    return 2 * mean(x, y) - mean(x, x) - mean(y, y)


def model(folder, name, weights, means, covariances, columns):
    path = os.path.join(folder, name)
    with open(path + ".json", "w") as f:
        json.dump({"weights": weights, "means": means, "covariances": covariances, "covariance": "full", "columns": columns}, f)
    run("fit", "--params", path + ".json", "-o", path + ".lk", "-q")
    return path + ".lk"


def sinkhorn(x, y, epsilon, rounds=300):
    cost = ((x[:, None, :] - y[None, :, :]) ** 2).sum(2) / 2
    f, g = np.zeros(len(x)), np.zeros(len(y))
    def soft(z, axis):
        top = z.max(axis)
        return top + np.log(np.exp(z - np.expand_dims(top, axis)).mean(axis))
    for _ in range(rounds):
        f = -epsilon * soft((g[None, :] - cost) / epsilon, 1)
        g = -epsilon * soft((f[:, None] - cost) / epsilon, 0)
    plan = np.exp((f[:, None] + g[None, :] - cost) / epsilon)
    return (plan @ y) / plan.sum(1, keepdims=True)


def real_pair():
    """Diamonds of the two ends of the cut scale: logarithms of carat and price, depth and table, standardized together."""
    path = os.path.join(DATA, "tables", "diamonds.csv.gz")
    if not os.path.exists(path):
        path = path[:-3]
    if not os.path.exists(path):
        return None
    with (gzip.open if path.endswith("gz") else open)(path, "rt", newline="") as f:
        rows = list(csv.DictReader(f))
    both = []
    for cut in ("Fair", "Ideal"):
        some = [r for r in rows if r["cut"].strip('"') == cut]
        both.append(np.array([[np.log(float(r["carat"])), np.log(float(r["price"])), float(r["depth"]), float(r["table"])] for r in some]))
    sd = np.concatenate(both).std(0)
    rng = np.random.default_rng(1)
    return [rng.permutation(b / sd) for b in both]


def bridge(folder):
    rng = np.random.default_rng(2)
    pair = None if TINY else real_pair()
    name = "diamonds fair to ideal"
    if pair is None:
        n = 300 if TINY else 3000
        pair = [rng.normal(size=(n, 4)) * [1, 2, 1, 1] + [0, 0, 5 * (i == 1), 0] for i in range(2)]
        name = "made tables"
    names = ["carat", "price", "depth", "table"]
    half = [len(p) // 2 for p in pair]
    for i, which in enumerate(("from", "to")):
        save(os.path.join(folder, which + ".csv"), pair[i][:half[i]][:6000], names)
        save(os.path.join(folder, which + "_test.csv"), pair[i][half[i]:][:1500], names)
    out = os.path.join(folder, "b.lk")
    start = time.perf_counter()
    run("fit", os.path.join(folder, "from.csv"), "--model", "bridge", "--target-table", os.path.join(folder, "to.csv"), "-o", out, "-q", "--components", "20")
    seconds = time.perf_counter() - start
    became = load(run("translate", out, os.path.join(folder, "from_test.csv"), "-q").stdout)
    test = [np.loadtxt(os.path.join(folder, w + "_test.csv"), delimiter=",", skiprows=1) for w in ("from", "to")]
    rest = np.loadtxt(os.path.join(folder, "to.csv"), delimiter=",", skiprows=1)
    record(f"bridge {name} fit", seconds, "s")
    record(f"bridge {name} energy distance to held-out target", energy_distance(became, test[1]), "of spread 1", "another half of the target",
           energy_distance(rest, test[1]))
    record(f"bridge {name} energy distance before", energy_distance(test[0], test[1]), "of spread 1")
    # The same conditional means by discrete Sinkhorn at the same epsilon: time beside it, on rows that Sinkhorn can hold.
    n = 100 if TINY else 1000
    x = rng.normal(size=(n, 2)) * [2, 0.6]
    y = np.where(rng.random((n, 1)) < 0.5, 2.0, -2.0) * [[1, 1]] + 0.6 * rng.normal(size=(n, 2))
    save(os.path.join(folder, "x.csv"), x, ["a", "b"])
    save(os.path.join(folder, "y.csv"), y, ["a", "b"])
    start = time.perf_counter()
    run("fit", os.path.join(folder, "x.csv"), "--model", "bridge", "--target-table", os.path.join(folder, "y.csv"), "--epsilon", "0.5", "--components", "10", "-o", out, "-q")
    seconds = time.perf_counter() - start
    told = load(run("predict", out, os.path.join(folder, "x.csv"), "--target", "a_to,b_to", "-q").stdout)
    means = told[:, [0, told.shape[1] // 2]]
    start = time.perf_counter()
    wanted = sinkhorn(x, y, 0.5)
    peer = time.perf_counter() - start
    record(f"bridge {n} x 2 fit", seconds, "s", "Sinkhorn in NumPy, 300 rounds", peer, peer / seconds)
    record(f"bridge {n} x 2 conditional means off Sinkhorn", float(np.sqrt(((means - wanted) ** 2).sum(1).mean() / wanted.var(0).sum())), "of their spread")


def translation(folder, a, b):
    n = "500" if TINY else "20000"
    rows, target = os.path.join(folder, "a.csv"), load(run("sample", b, "-n", n, "--seed", "9").stdout)
    run("sample", a, "-n", n, "-o", rows)
    source = np.loadtxt(rows, delimiter=",", skiprows=1)
    start = time.perf_counter()
    told = load(run("translate", a, b, rows, "--density", "-q").stdout)
    record(f"translate interpolant {n} rows", time.perf_counter() - start, "s")
    path = os.path.join(folder, "t.csv")
    save(path, told[:, :2], ["x", "y"])
    exact = load(run("density", b, path, "-q").stdout)[:, 0]
    record("translate interpolant log density of the flow", float(np.abs(told[:, 2] - exact).mean()), "nats off the target's, mean")
    record("translate interpolant energy distance to target", energy_distance(told[:, :2], target), "", "another sample", energy_distance(load(
        run("sample", b, "-n", n, "--seed", "10").stdout), target))
    back = load(run("translate", a, a, rows, "--method", "latent", "-q").stdout)
    record("translate latent round trip", float(np.abs(back - source).max()), "largest error")
    other = load(run("translate", a, b, rows, "--method", "latent", "-q").stdout)
    record("translate latent mean squared move", float(((other - source) ** 2).sum(1).mean()), "", "independent rows", float(((target - source) ** 2).sum(1).mean()))
    record("translate latent energy distance to target", energy_distance(other, target), "", "another sample", energy_distance(load(
        run("sample", b, "-n", n, "--seed", "10").stdout), target))


def tilting(folder, a):
    n = "300" if TINY else "4000"
    reward = "-(x + 2*y - 1)^2 / 2 + x / 2"
    exact = load(run("tilt", a, "--reward", reward, "-n", n, "--seed", "5").stdout)
    floor = energy_distance(load(run("tilt", a, "--reward", reward, "-n", n, "--seed", "6").stdout), exact)
    for method, extra in (("smc", []), ("resample", []), ("tree", ["--rollouts", "60"]), ("tree", ["--rollouts", "500" if TINY else "20000"]), ("moments", []), ("pigdm", [])):
        start = time.perf_counter()
        rows = load(run("tilt", a, "--reward", reward, "-n", n, "--method", method, *extra, "-q").stdout)
        name = f"tilt {method}{' ' + extra[1] + ' rollouts' if extra else ''}"
        record(f"{name} energy distance to exact", energy_distance(rows, exact), "", "exact draws", floor)
        record(f"{name} time", time.perf_counter() - start, f"s, {n} rows")


def dynamics(folder):
    path = os.path.join(folder, "vdp.txt")
    with open(path, "w") as f:
        f.write("x' = y\ny' = (1 - x^2)*y - x\n")
    start_model = model(folder, "start", [1.0], [[1, -0.5]], [[[0.5, 0.2], [0.2, 0.4]]], ["x", "y"])
    n = "2000" if TINY else "200000"
    start = time.perf_counter()
    done = run("push", start_model, "--dynamics", path, "--time", "0.6", "-n", n, "--event", "x > 0.6 and y < -1", "-o", os.path.join(folder, "ends.npy"))
    seconds = time.perf_counter() - start
    share = float(done.stderr.split("event: ")[1].split(",")[0])
    m = 60 if TINY else 200
    xs, ys = np.linspace(-2.5, 4.5, m, endpoint=False) + 3.5 / m, np.linspace(-5, 3, m, endpoint=False) + 4 / m
    grid = np.array([[x, y] for x in xs for y in ys])
    save(os.path.join(folder, "grid.csv"), grid, ["x", "y"])
    density = np.exp(load(run("push", start_model, os.path.join(folder, "grid.csv"), "--dynamics", path, "--time", "0.6", "-q").stdout)[:, 0]) * 56 / m / m
    record(f"push Van der Pol {n} rows", seconds, "s")
    record("push Van der Pol integral of the density", float(density.sum()), "1 = right")
    record("push Van der Pol event by draws", share, "probability", "by the density back from a grid", float(density[(grid[:, 0] > 0.6) & (grid[:, 1] < -1)].sum()))


def diagnosis(folder, a):
    points = "200" if TINY else "4000"
    exact = json.loads(run("diagnose", a, "--json", "--sigma", "0.5", "--points", points).stdout)[0]
    record("diagnose exact score Fokker-Planck residual", exact["fokker_planck"], "0 = right")
    record("diagnose exact score asymmetry", exact["asymmetry"], "0 = right")
    record("diagnose exact score transport error", exact["transport"], "0 = right")
    plain = model(folder, "plain", [1.0], [[0, 0]], [[[1, 0], [0, 1]]], ["x", "y"])
    path = os.path.join(folder, "turn.txt")
    with open(path, "w") as f:
        f.write("x' = -x / (1 + sigma^2) - 0.5 * y / (1 + sigma^2)\ny' = -y / (1 + sigma^2) + 0.5 * x / (1 + sigma^2)\n")
    turned = json.loads(run("diagnose", plain, "--field", path, "--json", "--sigma", "0.5", "--points", points).stdout)[0]
    record("diagnose planted rotation gauge share", turned["gauge"], "", "theory", 0.2)
    record("diagnose planted rotation transport error", turned["transport"], "0 = right")
    flat = model(folder, "flat", [1.0], [[0, 0, 0]], [[[1, 0, 1], [0, 1, 1], [1, 1, 2.000001]]], ["x", "y", "z"])
    record("diagnose local dimension of a plane in 3-d", json.loads(run("diagnose", flat, "--json", "--sigma", "0.05", "--points", points).stdout)[0]["dimension"], "", "true", 2)


def counts(folder):
    rng = np.random.default_rng(3)
    n = 1000 if TINY else 20000
    clean = rng.gamma(40, 1 / 0.7, n)
    noisy = rng.poisson(clean).astype(float)
    factor = rng.gamma(8, 1 / 8, n)
    for kind, rows, extra, best in (("poisson", noisy, [], (40 + noisy) / 1.7), ("gamma", clean * factor, ["--shape", "8"], None),
                                    ("normal", clean + 6 * rng.normal(size=n), ["--sigma", "6"], None)):
        path = os.path.join(folder, kind + ".csv")
        save(path, rows[:, None], ["y"])
        run("fit", path, "-o", os.path.join(folder, kind + ".lk"), "-q")
        told = load(run("denoise", os.path.join(folder, kind + ".lk"), path, "--noise", kind, *extra, "-q").stdout)[:, 0]
        record(f"denoise {kind} mean squared error", float(np.nanmean((told - clean) ** 2)), "", "Bayes with the known prior" if best is not None else "noisy rows",
               float(((best if best is not None else rows) - clean).__pow__(2).mean()))


def energies(folder):
    rng = np.random.default_rng(4)
    n = 2000 if TINY else 50000
    u = rng.uniform(-4, 4, 40 * n)
    u = u[rng.random(40 * n) < np.exp(-u ** 4 / 4 + u ** 2 + u / 4 - 1.4)][:n]
    path, grid = os.path.join(folder, "well.csv"), np.linspace(-6, 6, 6001)
    save(path, u[:, None], ["u"])
    save(os.path.join(folder, "line.csv"), grid[:, None], ["u"])
    truth = np.exp(-grid ** 4 / 4 + grid ** 2 + grid / 4)
    truth /= truth.sum() * 0.002
    for estimator in ("score-matching", "sliced", "likelihood", "nce"):
        start = time.perf_counter()
        run("fit", path, "--model", "energy", "--estimator", estimator, "-o", os.path.join(folder, "e.lk"), "-q")
        seconds = time.perf_counter() - start
        q = load(run("density", os.path.join(folder, "e.lk"), os.path.join(folder, "line.csv"), "-q").stdout)[:, 0]
        kl = float((truth * (np.log(np.maximum(truth, 1e-300)) - q)).sum() * 0.002)
        record(f"energy double well {estimator} KL to the truth", kl, "nats")
        record(f"energy double well {estimator} fit", seconds, f"s, {n} rows")


with tempfile.TemporaryDirectory() as where:
    first = model(where, "first", [0.4, 0.6], [[-2, 0], [1, 1]], [[[1, 0.3], [0.3, 0.5]], [[0.4, -0.1], [-0.1, 0.8]]], ["x", "y"])
    second = model(where, "second", [0.3, 0.3, 0.4], [[4, -1], [2, 3], [-1, 5]], [[[0.3, 0.1], [0.1, 0.4]], [[0.9, 0.5], [0.5, 0.6]], [[0.2, 0], [0, 1.5]]], ["x", "y"])
    bridge(where)
    translation(where, first, second)
    tilting(where, first)
    dynamics(where)
    diagnosis(where, first)
    counts(where)
    energies(where)
