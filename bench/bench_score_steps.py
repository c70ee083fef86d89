"""What steps are worth to the samplers by the score, where the truth is known: the table and figure of docs/score.md (distance of the flows' samplers to
the flow's end), and one figure for each further thing that a score gives: steps saved by a normal start, draws of chains over rows and noise, a wrong model
reflected on a worse one, the energy of paths, log densities by the flow, missing values drawn. `--figure FILE.png` draws the figure."""
import csv
import io
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]
STEPS = [6, 12, 25, 50, 100, 200, 400]
SAMPLERS = {"euler": 1, "ddim": 1, "dpm": 1, "heun": 2, "dopri5": 6}  # scores a step
TRUE = {"weights": [0.5, 0.3, 0.2], "means": [[-3, 0], [2, 2], [1, -3]],
        "covariances": [[[1, 0.5], [0.5, 0.8]], [[0.3, 0], [0, 1.2]], [[0.5, -0.3], [-0.3, 0.6]]]}
ROWS = 500 if TINY else 20000


def run(*arguments):
    done = subprocess.run([LIKELY, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr)
    return done


def table(text):
    return np.array([[float(v) for v in row] for row in list(csv.reader(io.StringIO(text)))[1:]])


def draws(model, *options, rows=ROWS, seed=3):
    return table(run("sample", model, "-n", rows, "--seed", seed, *options).stdout)


def distances(model, scale, rows):
    """Root mean square distance to the end of the flow from the same starts, in standard deviations, by sampler and steps."""
    end = draws(model, "--sampler", "heun", "--steps", 300 if TINY else 3000, rows=rows)
    found = {}
    for name in SAMPLERS:
        for steps in STEPS:
            x = draws(model, "--sampler", name, "--steps", steps, rows=rows)
            found[name, steps] = float(np.sqrt((((x - end) / scale) ** 2).mean()))
    return found


def figure(path, found):
    with tempfile.TemporaryDirectory() as folder:
        lines = []
        colours = ["#1b6ca8", "#c0392b", "#1e8449", "#7d3c98", "#b9770e"]
        for (name, scores), colour in zip(SAMPLERS.items(), colours):
            data = os.path.join(folder, name)
            with open(data, "w") as f:
                f.writelines(f"{steps * scores} {found[name, steps]}\n" for steps in STEPS)
            lines.append(f'"{data}" with linespoints lw 2 pt 7 ps .7 lc rgb "{colour}" title "{name}"')
        program = (f'set terminal pngcairo size 900,560 font "sans,12"; set output "{path}"; set logscale xy; set format y "10^{{%T}}"; '
                   'set xlabel "scores a row"; set ylabel "distance to the end of the flow, standard deviations"; set grid; set key outside right; '
                   f'plot {", ".join(lines)}')
        subprocess.run(["gnuplot", "-e", program], check=True)


def energy(a, b, folder):
    """Unbiased energy distance between two sets of rows."""
    paths = []
    for name, x in (("a", a), ("b", b)):
        paths.append(os.path.join(folder, name + ".npy"))
        np.save(paths[-1], x)
    return json.loads(run("compare", *paths, "--test", "sliced-energy", "--permutations", 1, "--json").stdout)["statistic"]


def main():
    with tempfile.TemporaryDirectory() as folder:
        def build(name, parameters):
            path = os.path.join(folder, name)
            with open(path + ".json", "w") as f:
                json.dump(parameters, f)
            run("fit", "--params", path + ".json", "-o", path + ".lk", "-q")
            return path + ".lk"
        model = build("true", TRUE)
        exact = draws(model, seed=1)
        scale = exact.std(axis=0)
        found = distances(model, scale, 200 if TINY else 2000)
        print("steps       " + "".join(f"{s:>9}" for s in STEPS))
        for name in SAMPLERS:
            print(f"{name:12}" + "".join(f"{found[name, s]:9.1g}" for s in STEPS))
            record(f"sampler {name}, 100 steps, distance to the flow's end", found[name, 100], "standard deviations, rms, 2-d")
        if "--figure" in sys.argv:
            figure(sys.argv[sys.argv.index("--figure") + 1], found)

        other = draws(model, seed=2)
        floor = energy(exact, other, folder)
        said = run("sample", model, "-n", 10, "--sampler", "gaussian-start").stderr
        saved, taken = (int(n) for n in re.search(r"(\d+) steps saved, (\d+) taken", said).groups())
        record("sampler gaussian-start, steps saved", saved, f"of {saved + taken}")
        chained = draws(model, "--sampler", "chained")
        flow = draws(model, "--sampler", "ddim", "--steps", 26)
        record("sampler chained, 26 scores a row, energy distance to exact draws", energy(exact, chained, folder), "unbiased", "ddim, as many scores",
               energy(exact, flow, folder))
        record("exact draws, energy distance to exact draws", floor, "unbiased")

        wide = dict(TRUE, covariances=(1.3 * np.array(TRUE["covariances"])).tolist())
        wider = dict(TRUE, covariances=(1.6 * np.array(TRUE["covariances"])).tolist())
        strong, weak = build("strong", wide), build("weak", wider)
        alone = energy(exact, draws(strong, "--sampler", "heun"), folder)
        reflected = energy(exact, draws(strong, "--sampler", "reflection", "--weak", weak), folder)
        record("sampler reflection on a worse model, energy distance to the truth", reflected, "unbiased", "the strong model alone", alone)

        def path_energy(schedule):
            return float(re.search(r"path: ([0-9.e+-]+) a feature", run("schedule", model, "--schedule", schedule).stderr).group(1))
        record("schedule kinetic, energy of the path", path_energy("kinetic"), "a feature", "flow", path_energy("flow"))

        def kinds(kind):
            return table(run("score", model, rows_path, "--as", kind, "--schedule", "flow", "--time", 0.3).stdout)
        rows_path = os.path.join(folder, "rows.npy")
        np.save(rows_path, exact[:200])
        alpha, sigma = 1 - 0.3, 0.3  # x = alpha x0 + sigma n; velocity = n - x0
        gap = np.abs(kinds("velocity") - (kinds("noise") - kinds("data"))).max()
        gap = max(gap, np.abs(exact[:200] - alpha * kinds("data") - sigma * kinds("noise")).max())
        record("score --as, noise, data and velocity agree", float(gap), "largest difference")

        few = 100 if TINY else 1000
        np.save(rows_path, exact[:few])
        flowed = table(run("density", model, rows_path, "--by-flow").stdout)
        closed = table(run("density", model, rows_path).stdout)
        record("density --by-flow, largest error", float(np.abs(flowed[:, 0] - closed[:, 0]).max()), "nats")

        gaps = os.path.join(folder, "gaps.csv")
        with open(gaps, "w") as f:
            f.write("x1,x2\n" + "1.5,\n" * few)
        filled = table(run("impute", model, gaps, "--sampler", "dpm", "--draws", 1).stdout)[:, -2:]
        given = table(run("sample", model, "-n", few, "--given", "x1=1.5", "--seed", 9).stdout)
        both = np.sort(np.concatenate([filled[:, 1], given[:, 1]]))
        gap = np.abs(np.searchsorted(np.sort(filled[:, 1]), both, "right") - np.searchsorted(np.sort(given[:, 1]), both, "right")).max() / few
        record("impute --sampler, distance to exact conditional draws", float(gap), f"Kolmogorov, .05 level {1.358 * np.sqrt(2 / few):.3f}")


main()
