"""Strange rows: ROC-AUC of -log p on the sets of shared/data/anomaly (ADBench), one protocol for all: stratified 70/30 split, features scaled to [0, 1] by the
training rows, at most 10 000 rows, three splits; models are fitted without labels to training rows that hold anomalies as they come. Means and medians over
the sets, scikit-learn's peers in the same run. Then calibration: fitted to normal rows only, p-values of other normal rows against a held-out part."""
import glob
import os
import subprocess
import sys
import tempfile

from record import TINY, record

LIKELY = os.environ["LIKELY"]
DATA = os.environ.get("LIKELY_DATA") or os.path.join(os.path.dirname(os.path.realpath(__file__)), "../../shared/data")
MODELS = {"auto": ["--model", "auto"], "knn": ["--model", "knn"], "kde": ["--model", "kde"],
          "gmm": ["--model", "gmm", "--components", "1,2,3,5,8", "--restarts", "1", "--init", "kmeans++"], "one gaussian": ["--components", "1"]}

try:
    import numpy as np
    from sklearn.ensemble import IsolationForest
    from sklearn.metrics import roc_auc_score
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import train_test_split
    from sklearn.neighbors import NearestNeighbors
except ImportError as missing:
    print(f"skipped: {missing.name} is absent")
    sys.exit(77)


def run(*arguments):
    done = subprocess.run([LIKELY, *arguments], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr)


def load(path, seed):
    archive = np.load(path, allow_pickle=True)
    x, y = archive["X"].astype(float), archive["y"].astype(int)
    if len(x) > 10000:
        some = np.random.default_rng(seed).choice(len(x), 10000, replace=False)
        x, y = x[some], y[some]
    a, b, _, y = train_test_split(x, y, test_size=0.3, random_state=seed, stratify=y)
    low, high = a.min(0), a.max(0)
    span = np.where(high > low, high - low, 1)
    keep = high > low
    return ((a - low) / span)[:, keep], ((b - low) / span)[:, keep], y


def peers(a, b, seed):
    yield "IsolationForest", -IsolationForest(random_state=seed).fit(a).score_samples(b)
    yield "one Gaussian", -GaussianMixture(1, random_state=seed).fit(a).score_samples(b)
    if a.shape[1] < 300:
        yield "GaussianMixture 5", -GaussianMixture(5, random_state=seed).fit(a).score_samples(b)
    yield "NearestNeighbors 5", NearestNeighbors(n_neighbors=5).fit(a).kneighbors(b)[0][:, 4]


def likely(folder, model, b):
    score = os.path.join(folder, "score.npy")
    run("density", os.path.join(folder, f"{model}.lk"), os.path.join(folder, "b.npy"), "-q", "-o", score)
    return np.nan_to_num(-np.load(score).ravel(), posinf=1e300)


def sets():
    found = sorted(glob.glob(os.path.join(DATA, "anomaly", "*.npz")), key=os.path.getsize)
    if not found:
        print("skipped: the sets of shared/data/anomaly are absent (set LIKELY_DATA)")
        sys.exit(77)
    wanted = os.environ.get("LK_BENCH_MODELS", "auto,knn,kde,one gaussian").split(",")
    return (found[:2], ["auto", "knn"]) if TINY else (found, wanted)


def accuracy(folder):
    found, wanted = sets()
    areas, theirs = {}, {}
    for path in found:
        name = os.path.basename(path)
        for seed in (1,) if TINY else (1, 2, 3):
            a, b, y = load(path, seed)
            np.save(os.path.join(folder, "a.npy"), a)
            np.save(os.path.join(folder, "b.npy"), b)
            for model in wanted:
                run("fit", os.path.join(folder, "a.npy"), "-q", "-o", os.path.join(folder, f"{model}.lk"), *MODELS[model])
                areas.setdefault(model, {}).setdefault(name, []).append(roc_auc_score(y, likely(folder, model, b)))
            for peer, score in peers(a, b, seed):
                theirs.setdefault(peer, {}).setdefault(name, []).append(roc_auc_score(y, score))
        print(name, {m: round(float(np.mean(v[name])), 3) for m, v in {**areas, **theirs}.items() if name in v}, flush=True)
    summary = {m: [np.mean(v) for v in per.values()] for m, per in {**areas, **theirs}.items()}
    best = max(theirs, key=lambda m: np.mean(summary[m]))
    for m in areas:
        record(f"anomaly {m} ROC-AUC mean of {len(found)} sets", float(np.mean(summary[m])), "larger is better", f"scikit-learn {best}",
               float(np.mean(summary[best])))
        record(f"anomaly {m} ROC-AUC median of {len(found)} sets", float(np.median(summary[m])), "larger is better", f"scikit-learn {best}",
               float(np.median(summary[best])))
    for m in theirs:
        print(f"scikit-learn {m}: mean {np.mean(summary[m]):.3f}, median {np.median(summary[m]):.3f} of {len(summary[m])} sets")


def calibration(folder):
    """Share of fresh normal rows with p <= .05, of 20 splits of normal rows of a simulated and a real set; a band of 95% about it."""
    rng, shares, rows = np.random.default_rng(1), [], 0
    a, b, c, out = (os.path.join(folder, n) for n in ("na.npy", "nb.npy", "nc.npy", "p.npy"))
    for split in range(2 if TINY else 20):
        x = rng.standard_t(4, (1500, 3)) + rng.standard_normal((1500, 1))
        np.save(a, x[:500]), np.save(b, x[500:1000]), np.save(c, x[1000:])
        run("fit", a, "-q", "-o", os.path.join(folder, "n.lk"), "--model", "auto")
        run("detect", os.path.join(folder, "n.lk"), c, "--calibrate", b, "-q", "-o", out)
        shares.append((np.load(out)[:, 1] <= 0.05).mean())
        rows += 500
    # p-values of a split share their 500 calibration rows: the share's variance is p (1 - p) (1 / 500 + 1 / 500).
    band = 1.96 * (0.05 * 0.95 * (2 / 500) / len(shares)) ** 0.5
    record("anomaly calibration share of p <= .05 among normal rows", float(np.mean(shares)), f".05 +- {band:.4f} is right")


with tempfile.TemporaryDirectory() as place:
    accuracy(place)
    calibration(place)
