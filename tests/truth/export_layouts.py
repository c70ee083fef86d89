"""What `likely export` writes for other programs, read by them: scikit-learn's score_samples and predict_proba, mclust's dens and estep,
and `fit --params` give the log densities and responsibilities that the model itself gives. Usage: export_layouts.py sklearn|mclust|json
LIKELY SOURCE; exits with 77 where the program is absent."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

WHAT, LIKELY, SOURCE = sys.argv[1:4]
FAMILIES = "EII VII EEI VEI EVI VVI EEE VEE EVE VVE EEV VEV EVV VVV".split()
IRIS = os.path.join(SOURCE, "examples/data/iris.csv")
R = r"""
suppressMessages(library(mclust)); library(jsonlite)
job <- commandArgs(trailingOnly = TRUE)
for (line in readLines(job[1])) {
    part <- strsplit(line, " ")[[1]]
    p <- if (grepl("R$", part[1])) dget(part[1]) else fromJSON(part[1])
    x <- as.matrix(read.csv(part[2])[, p$columns])
    if (p$d == 1) { x <- as.vector(x) }
    z <- estep(data = x, modelName = p$modelName, parameters = p$parameters)$z
    out <- cbind(dens(data = x, modelName = p$modelName, parameters = p$parameters, logarithm = TRUE), z)
    write(t(format(out, digits = 17)), part[3], ncolumns = ncol(out), sep = ",")
}
"""


def likely(*args):
    done = subprocess.run([LIKELY, *args], capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="2"))
    if done.returncode not in (0, 3):
        sys.exit(f"likely {' '.join(args)}: {done.returncode}\n{done.stderr}")
    return done.stdout


def rows(text):
    return [[float(v) for v in line.split(",")] for line in text.strip().split("\n") if not line.startswith(("log_density", "cluster"))]


def answers(model):
    density = rows(likely("density", model, IRIS))
    proba = rows(likely("cluster", model, IRIS, "--proba"))
    return [d + p[1:] for d, p in zip(density, proba)]


def compare(name, mine, theirs, tolerance):
    worst = max(abs(a - b) / (1 + abs(a)) for m, t in zip(mine, theirs) for a, b in zip(m, t))
    if len(mine) != 150 or len(theirs) != 150 or any(len(m) != len(t) for m, t in zip(mine, theirs)) or not worst <= tolerance:
        sys.exit(f"{name}: differs by {worst:.3g}, tolerance {tolerance:g}")
    return worst


def models(folder):
    """Every family, in the data's units and through standardize; a single feature; one component."""
    cases = [(f, t, "3", None) for f in FAMILIES for t in ("", "standardize")]
    cases += [("E", "", "2", "1"), ("V", "standardize", "3", "3"), ("VVV", "", "1", None), ("EEE", "standardize", "1", "1,2")]
    for i, (family, transform, components, features) in enumerate(cases):
        path = os.path.join(folder, f"m{i}.lk")
        likely("fit", IRIS, "--covariance", family, "--components", components, "-q", "-o", path, "--init", "kmeans++", "--restarts", "1",
               *(["--transform", transform] if transform else []), *(["--features", features] if features else []))
        yield f"{family} {transform} {components} {features or ''}", path


def check_json(folder):
    for name, path in models(folder):
        copy = os.path.join(folder, "copy.json")
        likely("export", path, "--json", "-o", copy)
        likely("fit", "--params", copy, "-o", path + ".copy", "-q")
        yield compare(name, answers(path), answers(path + ".copy"), 1e-12)


def check_sklearn(folder):
    try:
        import numpy as np
        from sklearn.mixture import GaussianMixture
    except ImportError:
        print("skip: no scikit-learn")
        sys.exit(77)
    table = np.genfromtxt(IRIS, delimiter=",", names=True, dtype=None, encoding="utf-8")
    for name, path in models(folder):
        likely("export", path, "--sklearn", "-o", path + ".npz")
        with open(path + ".json", "w", encoding="utf-8") as f:
            f.write(likely("export", path, "--sklearn"))
        archive = np.load(path + ".npz")
        with open(path + ".json", encoding="utf-8") as f:
            text = json.load(f)
        assert set(text) == set(archive.files), name
        assert all(np.array_equal(archive[k], np.array(text[k])) for k in text), name
        g = GaussianMixture(int(archive["n_components"]), covariance_type=str(archive["covariance_type"]))
        for key in archive.files:
            if key.endswith("_"):
                setattr(g, key, archive[key])
        x = np.column_stack([table[c.replace(".", "")] for c in text["columns"]])
        theirs = np.column_stack([g.score_samples(x), g.predict_proba(x)])
        precision = np.linalg.inv(g.covariances_) if g.covariance_type in ("full", "tied") else 1 / g.covariances_
        assert np.allclose(g.precisions_, precision, rtol=1e-7, atol=1e-7 * np.abs(precision).max()), name
        yield compare(name, answers(path), theirs.tolist(), 1e-11)


def check_mclust(folder):
    if shutil.which("Rscript") is None or subprocess.run(["Rscript", "-e", "library(mclust); library(jsonlite)"],
                                                         capture_output=True).returncode != 0:
        print("skip: no R with mclust and jsonlite")
        sys.exit(77)
    jobs, found = [], []
    for name, path in models(folder):
        for end in ("R", "json"):
            likely("export", path, "--mclust", "-o", f"{path}.{end}")
            jobs.append(f"{path}.{end} {IRIS} {path}.{end}.out")
            found.append((name, path, f"{path}.{end}.out"))
    with open(os.path.join(folder, "jobs"), "w") as f:
        f.write("\n".join(jobs) + "\n")
    with open(os.path.join(folder, "check.R"), "w") as f:
        f.write(R)
    done = subprocess.run(["Rscript", os.path.join(folder, "check.R"), os.path.join(folder, "jobs")], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    for name, path, out in found:
        with open(out) as f:
            yield compare(f"{name} {out[-8:-4]}", answers(path), rows(f.read()), 1e-12)


def main():
    with tempfile.TemporaryDirectory() as folder:
        differences = list({"json": check_json, "sklearn": check_sklearn, "mclust": check_mclust}[WHAT](folder))
    print(f"{len(differences)} comparisons, largest difference {max(differences):.2g} relative to 1 + |value|")


main()
