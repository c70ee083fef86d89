"""What steps are worth to the samplers by the score, where the truth is known: the tables and figure of docs/score.md (distance of the flows' samplers to
the flow's end; distance of every sampler's draws to the distribution itself), and one figure for each further thing that a score gives: steps saved by a normal start, draws of chains over rows and noise, a wrong model
reflected on a worse one, the energy of paths, log densities by the flow, missing values drawn. `--figure FILE.png` draws the figure."""
import csv
import io
import json
import math
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
ROWS, MANY = (500, 500) if TINY else (20000, 100000)
COLOURS = ["#1b6ca8", "#c0392b", "#1e8449", "#7d3c98", "#b9770e", "#202020", "#17a2a2", "#d16ba5", "#7f8c8d", "#8d6e63", "#5c7cfa", "#e67e22", "#6ab04c"]


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


def samplers():
    """Every sampler that draws by the score, as `likely help sample` lists them."""
    listed = run("help", "sample").stdout.split("\nSamplers:\n")[1].split("\n\n")[0]
    return [name for name in re.findall(r"^  ([a-z]\S*)", listed, re.M) if name != "exact"]


def distance_to_truth(x):
    """Root of the mean over 16 directions of the integral of (F_n - F)^2, with F the mixture's own distribution function along the direction, of rows in
    standard deviations: the square is half the sliced energy distance. Beside it what as many exact draws have in
    root mean square, from the mean of F (1 - F) / n."""
    weights, means, covariances = (np.array(TRUE[name], dtype=float) for name in ("weights", "means", "covariances"))
    centre = weights @ means
    total = np.einsum("k,kij->ij", weights, covariances) + (means - centre).T @ np.diag(weights) @ (means - centre)
    scale, squares, expected, n = np.sqrt(np.diag(total)), [], [], len(x)
    for angle in np.arange(16) * np.pi / 16:
        to = np.array([np.cos(angle), np.sin(angle)]) / scale
        mean, sd = means @ to, np.sqrt(np.einsum("i,kij,j->k", to, covariances, to))
        projected = np.sort(x @ to)
        grid = np.linspace(min(projected[0], (mean - 8 * sd).min()), max(projected[-1], (mean + 8 * sd).max()), 4001)
        law = 0.5 * (1 + np.vectorize(math.erf)((grid[:, None] - mean) / (sd * math.sqrt(2)))) @ weights
        squares.append(((np.searchsorted(projected, grid, "right") / n - law) ** 2).sum() * (grid[1] - grid[0]))
        expected.append((law * (1 - law) / n).sum() * (grid[1] - grid[0]))
    return math.sqrt(np.mean(squares)), math.sqrt(np.mean(expected))


def truths(model, folder):
    """That distance, and scores a row, of every sampler by steps; and what exact draws have."""
    out, found = os.path.join(folder, "x.npy"), {}
    for name in samplers():
        weak = ["--weak", model] if name == "reflection" else []
        for steps in STEPS:
            said = run("sample", model, "-n", MANY, "--seed", 3, "--sampler", name, "--steps", steps, "-o", out, *weak).stderr
            scores = re.search(r"(\d+) scores a row", said) or re.search(r"(\d+) taken", said)
            value, exact = distance_to_truth(np.load(out))
            found[name, steps] = value, int(scores.group(1)) if scores else steps
    return found, exact


def figure(path, found, truth, exact):
    with tempfile.TemporaryDirectory() as folder:
        names = samplers()
        def lines(kind, points):
            drawn = []
            for i, name in enumerate(names):
                if any(name == n for n, _ in points):
                    data = os.path.join(folder, f"{kind}{i}")
                    with open(data, "w") as f:
                        f.writelines(f"{scores} {value}\n" for value, scores in (points[name, steps] for steps in STEPS))
                    title = f'title "{name}"' if kind == "truth" else "notitle"
                    drawn.append(f'"{data}" with linespoints lw 2 pt {[7, 5, 9, 11, 13][i % 5]} ps .7 lc rgb "{COLOURS[i % len(COLOURS)]}" {title}')
            return ", ".join(drawn)
        ends = {(name, steps): (value, steps * SAMPLERS[name]) for (name, steps), value in found.items()}
        program = (f'set terminal pngcairo size 1250,560 font "sans,11"; set output "{path}"; set multiplot layout 1,2; set logscale xy; set grid; '
                   'set xlabel "scores a row"; set format y "10^{%T}"; set lmargin 10; set rmargin 2; '
                   f'set title "flows: to the end of the flow, standard deviations"; plot {lines("ends", ends)}; '
                   f'set rmargin 24; set key outside right; set title "all: to the distribution, root of half the energy distance"; set yrange [{0.7 * exact}:1]; '
                   f'plot {lines("truth", truth)}, {exact} with lines lw 1 dt 2 lc rgb "#808080" title "exact draws"; unset multiplot')
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
        truth, floor = truths(model, folder)
        for name in samplers():
            print(f"{name:20}" + "".join(f"{truth[name, s][0]:9.1g}" for s in STEPS))
            record(f"sampler {name}, 100 steps, distance to the distribution", truth[name, 100][0], "root of half the energy distance, 2-d", "exact draws, root mean square", floor)
        if "--figure" in sys.argv:
            figure(sys.argv[sys.argv.index("--figure") + 1], found, truth, floor)

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
