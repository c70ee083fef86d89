"""Labels of signal in noise: the adjusted Rand index of `fit --noise` against the given classes of chevron (350 of 1104 rows are signal) and
cross (two groups, no noise), beside R's mclust without noise on the same rows. Data below LIKELY_DATA, default shared/data beside the project."""
import csv
import os
import shutil
import subprocess
import sys
import tempfile

from record import TINY, record

HERE = os.path.dirname(os.path.realpath(__file__))
LIKELY = os.environ["LIKELY"]
DATA = os.environ.get("LIKELY_DATA", os.path.join(HERE, "../../shared/data"))
SETS = [("chevron", "class", "x,y"), ("cross", "group", "X1,X2")]


def rand_index(a, b):
    """Hubert and Arabie 1985."""
    def pairs(counts):
        return sum(n * (n - 1) / 2 for n in counts.values())

    def count(keys):
        table = {}
        for key in keys:
            table[key] = table.get(key, 0) + 1
        return table
    both, first, second = pairs(count(zip(a, b))), pairs(count(a)), pairs(count(b))
    expected = first * second / (len(a) * (len(a) - 1) / 2)
    return (both - expected) / ((first + second) / 2 - expected)


def ours(path, label, features, folder):
    out, most = os.path.join(folder, "m.lk"), "1..2" if TINY else "1..9"
    subprocess.run([LIKELY, "fit", path, "-q", "--features", features, "--noise", "--components", most, "-o", out], check=True)
    text = subprocess.run([LIKELY, "cluster", out, path], capture_output=True, text=True, check=True).stdout
    with open(path, newline="") as f:
        truth = [row[label] for row in csv.DictReader(f)]
    return rand_index(truth, text.split()[1:])


def peer(path, label, features):
    columns = ", ".join(f'"{name}"' for name in features.split(","))
    code = (f'suppressMessages(library(mclust)); x <- read.csv("{path}"); m <- Mclust(x[, c({columns})], verbose = FALSE); '
            f'cat(adjustedRandIndex(m$classification, x[["{label}"]]), as.character(packageVersion("mclust")))')
    done = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else None


def main():
    with tempfile.TemporaryDirectory() as folder:
        for name, label, features in SETS:
            path = os.path.join(DATA, "mixture", name + ".csv")
            if not os.path.exists(path):
                print(f"{path} is absent (set LIKELY_DATA)")
                sys.exit(77)
            index = ours(path, label, features, folder)
            theirs = None if TINY or shutil.which("Rscript") is None else peer(path, label, features)
            what = f"{name} with noise, adjusted Rand index"
            if theirs is None:
                record(what, index, "1 = the classes")
            else:
                record(what, index, "1 = the classes", f"mclust {theirs[1]} without noise", float(theirs[0]))


main()
