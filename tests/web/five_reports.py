#!/usr/bin/env python3
"""Makes reports of five real data sets of different shape: diamonds, penguins, California housing, principal components of MNIST, and the daily
changes of a stock index. The data are found under LIKELY_DATA; without them it says so and leaves with 77.

Usage: five_reports.py LIKELY FOLDER    FOLDER/NAME.html appear, and FOLDER/NAME.csv where a table is made
"""
import csv
import gzip
import os
import subprocess
import sys
import time

import numpy


def mnist_components(data, target):
    """The first six principal components of 10 000 digits, in units of their first one's standard deviation, with the digit."""
    folder = os.path.join(data, "images", "mnist")
    names = os.listdir(folder)

    def array(ending, skip):
        name = next(n for n in sorted(names) if ending in n)
        path = os.path.join(folder, name)
        with (gzip.open if name.endswith(".gz") else open)(path, "rb") as file:
            return numpy.frombuffer(file.read(), numpy.uint8, offset=skip)

    images = array("t10k-images", 16).reshape(-1, 784) / 255.0
    digits = array("t10k-labels", 8)
    centred = images - images.mean(axis=0)
    _, axes = numpy.linalg.eigh(centred.T @ centred / len(images))
    axes = axes[:, ::-1][:, :6]
    axes *= numpy.where(axes[numpy.abs(axes).argmax(axis=0), range(6)] < 0, -1.0, 1.0)
    parts = centred @ axes
    parts /= parts[:, 0].std()
    with open(target, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["component %d" % (k + 1) for k in range(6)] + ["digit"])
        writer.writerows([["%.5f" % v for v in row] + [digit] for row, digit in zip(parts, digits)])


def daily_changes(data, target):
    """Daily changes of the DAX in percent."""
    with open(os.path.join(data, "tables", "EuStockMarkets.csv"), newline="", encoding="utf-8") as file:
        prices = numpy.array([float(row["DAX"]) for row in csv.DictReader(file)])
    numpy.savetxt(target, 100.0 * numpy.diff(numpy.log(prices)), fmt="%.5f", header="change of the DAX in percent", comments="")


FITS = {
    "diamonds": ["--features", "carat,depth,table,price", "--transform", "log:carat,log:price", "-k", "6", "--holdout", ".2"],
    "penguins": ["--label", "species", "--ignore", "year", "-k", "1", "--folds", "5"],
    "housing": ["-k", "8", "--holdout", ".2"],
    "mnist": ["--label", "digit", "-k", "2", "--holdout", ".2"],
    "changes": ["-m", "kde", "--calibrate", ".3"],
}


def main():
    likely, folder = sys.argv[1:3]
    data = os.environ.get("LIKELY_DATA", "")
    if not os.path.exists(os.path.join(data, "tables", "diamonds.csv.gz")):
        print("skip: LIKELY_DATA names no folder with tables/diamonds.csv.gz")
        sys.exit(77)
    os.makedirs(folder, exist_ok=True)
    sources = {"diamonds": os.path.join(data, "tables", "diamonds.csv.gz"), "penguins": os.path.join(data, "tables", "penguins.csv"),
               "housing": os.path.join(data, "tables", "california_housing.csv.gz"), "mnist": os.path.join(folder, "mnist.csv"),
               "changes": os.path.join(folder, "changes.csv")}
    mnist_components(data, sources["mnist"])
    daily_changes(data, sources["changes"])
    for name, fit in FITS.items():
        model, page = os.path.join(folder, name + ".lk"), os.path.join(folder, name + ".html")
        code = subprocess.run([likely, "fit", sources[name], *fit, "-q", "-o", model], check=False).returncode
        if code not in (0, 3):
            sys.exit("five_reports: the fit to %s failed" % name)
        start = time.monotonic()
        subprocess.run([likely, "report", model, sources[name], "-q", "-o", page], check=True)
        print("%s: %.1f s, %.2f MB" % (name, time.monotonic() - start, os.path.getsize(page) / 1e6))


if __name__ == "__main__":
    main()
