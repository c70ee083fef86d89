"""A fit of 20 million x 8 rows (1.28 GB of NPY) in 100 MB: peak memory, and the rate of EM beside the same fit in memory."""
import os
import subprocess
import sys
import tempfile
import time

import numpy as np

from record import TINY, record

LIKELY = os.environ["LIKELY"]
ROWS, D, K = (200_000 if TINY else 20_000_000), 8, 8


def make(path):
    g = np.random.default_rng(1)
    centres = g.uniform(-10, 10, (K, D))
    rows = np.lib.format.open_memmap(path, "w+", "<f8", (ROWS, D))
    step = min(ROWS, 1_000_000)
    for i in range(0, ROWS, step):
        rows[i:i + step] = centres[g.integers(0, K, step)] + 2 * g.standard_normal((step, D))
    rows.flush()


def fit(path, model, memory, iterations):
    """Seconds and the peak resident memory in MB of one fit."""
    command = [LIKELY, "fit", path, "--components", str(K), "--restarts", "1", "--tol", "0", "--max-iter", str(iterations), "--memory",
               memory, "--threads", "2", "--quiet", "-o", model]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    peak = 0.0
    while process.poll() is None: # the kernel's high-water mark of this program alone: ru_maxrss would count the parent before exec
        try:
            with open(f"/proc/{process.pid}/status") as f:
                peak = max([peak] + [int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM")])
        except OSError:
            pass
        time.sleep(0.02)
    if process.returncode not in (0, 3):  # 3 = not converged in so few iterations
        sys.exit(f"fit ended with {process.returncode}")
    return time.perf_counter() - start, peak


def main():
    with tempfile.TemporaryDirectory() as folder:
        path, models = os.path.join(folder, "rows.npy"), {m: os.path.join(folder, m + ".lk") for m in ("100M", "8G")}
        make(path)
        iteration, fixed, peak = {}, {}, {}
        for memory, model in models.items():
            fit(path, model, memory, 1)
            few, many = [], []
            for _ in range(1 if TINY else 3):
                few.append(fit(path, model, memory, 2)[0])
                seconds, peak[memory] = fit(path, model, memory, 12)
                many.append(seconds)
            fixed[memory] = min(few)
            iteration[memory] = (min(many) - min(few)) / 10
        same = open(models["100M"], "rb").read() == open(models["8G"], "rb").read()
        record(f"stream {ROWS} x {D} peak memory", peak["100M"], "MB, limit 100M", "same fit in memory", peak["8G"])
        record(f"stream {ROWS} x {D} iteration", iteration["100M"], "s", "same fit in memory", iteration["8G"],
               iteration["8G"] / iteration["100M"])
        record(f"stream {ROWS} x {D} start and 2 iterations", fixed["100M"], "s", "same fit in memory", fixed["8G"],
               fixed["8G"] / fixed["100M"])
        record("stream same bytes as in memory", int(same), "1 = yes")
        if not same:
            sys.exit("the two models differ")


main()
