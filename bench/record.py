"""Keeps bench/results.csv: one line a figure, replaced by its name when a benchmark is run with LK_BENCH_RECORD=1."""
import csv
import datetime
import os
import platform

HERE = os.path.dirname(os.path.realpath(__file__))
TINY = os.environ.get("LK_BENCH_TINY") == "1"
COLUMNS = ["name", "value", "unit", "peer", "peer_value", "ratio", "machine", "date"]


def machine():
    name = platform.processor() or "unknown"
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
    return f"{name}, {os.cpu_count()} cores"


def record(name, value, unit, peer="", peer_value="", ratio=""):
    """Prints the figure; keeps it if LK_BENCH_RECORD=1."""
    def text(v):
        return f"{v:.4g}" if isinstance(v, float) else str(v)
    row = dict(zip(COLUMNS, [name, text(value), unit, peer, text(peer_value), text(ratio), machine(),
                             datetime.date.today().isoformat()]))
    print("  ".join(f"{k}={v}" for k, v in row.items() if v != "" and k not in ("machine", "date")), flush=True)
    if os.environ.get("LK_BENCH_RECORD") != "1" or TINY:
        return
    path = os.path.join(HERE, "results.csv")
    with open(path, newline="") as f:
        rows = [r for r in csv.DictReader(f) if r["name"] != name]
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows + [row], key=lambda r: r["name"]))
