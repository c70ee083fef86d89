"""Regression by nets on nine sets of UCI with the splits of Gal and Ghahramani (2016, arXiv:1506.02142): root mean square error and mean test
log-likelihood of `fit --model net` beside what their repository publishes for MC dropout (one hidden layer, 100 x epochs). Every setting of
the method is its default. LK_UCI_SETS and LK_UCI_SPLITS choose some sets and the first so many splits."""
import csv
import gzip
import io
import json
import math
import os
import subprocess
import sys
import tempfile

from record import TINY, record

LIKELY = os.environ["LIKELY"]
DATA = os.environ.get("LIKELY_DATA") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "..", "shared", "data")
FOLDER = os.path.join(DATA, "regression", "gal")
SETS = ["yacht", "bostonHousing", "energy", "concrete", "wine-quality-red", "kin8nm", "power-plant", "naval-propulsion-plant",
        "protein-tertiary-structure"]
if not os.path.isdir(FOLDER):
    print("skipped: the sets of shared/data/regression/gal are absent (set LIKELY_DATA)")
    sys.exit(77)


def opened(name):
    return gzip.open(os.path.join(FOLDER, name), "rt", newline="")


def published(name, metric):
    with open(os.path.join(FOLDER, "mc_dropout_published.csv"), newline="") as f:
        return next(float(r["mean"]) for r in csv.DictReader(f) if r["set"] == name and r["metric"] == metric)


def run(*arguments):
    return subprocess.run([LIKELY, *arguments], check=True, capture_output=True, text=True).stdout


def split_figures(header, rows, test_rows, folder):
    """RMSE and mean log-likelihood of the test rows of one split."""
    held = set(test_rows)
    train, test, model = (os.path.join(folder, n) for n in ("train.csv", "test.csv", "net.lk"))
    for path, keep in ((train, False), (test, True)):
        with open(path, "w", newline="") as f:
            writer = csv.writer(f)
            writer.writerow(header)
            writer.writerows(r for i, r in enumerate(rows) if (i in held) == keep)
    few = ["--members", "1", "--steps", "200"] if TINY else []
    run("fit", train, "--model", "net", "--target", "y", "--quiet", *few, "-o", model)
    told = csv.DictReader(io.StringIO(run("predict", model, test, "--quantiles", "none")))
    at = header.index("y")
    truth = [float(r[at]) for i, r in enumerate(rows) if i in held]
    errors = [(float(p["y_mean"]) - t) ** 2 for p, t in zip(told, truth, strict=True)]
    likelihood = json.loads(run("evaluate", model, test, "--json"))["mean_log_density"]
    return math.sqrt(sum(errors) / len(errors)), likelihood


def main():
    chosen = os.environ.get("LK_UCI_SETS", "yacht" if TINY else ",".join(SETS)).split(",")
    most = int(os.environ.get("LK_UCI_SPLITS", "1" if TINY else "20"))
    for name in chosen:
        with opened(name + ".csv.gz") as f:
            header, *rows = csv.reader(f)
        with opened(name + ".test_rows.json.gz") as f:
            splits = list(json.load(f).values())[:most]
        with tempfile.TemporaryDirectory() as folder:
            figures = [split_figures(header, rows, s, folder) for s in splits]
        unit = f"mean of {len(splits)} splits"
        for i, (what, metric) in enumerate((("RMSE", "test_MC_rmse"), ("log-likelihood", "test_ll"))):
            mean, peer = sum(f[i] for f in figures) / len(figures), published(name, metric)
            record(f"net on {name}, {what}", mean, unit, "MC dropout as published", peer, mean / peer if i == 0 else mean - peer)


main()
