"""Runs scikit-learn's own test files of GaussianMixture and KernelDensity, as Debian ships them, against likely through an adapter. Every
test passes but those listed here, each with its reason; a listed test that passes is a failure too, so that the list stays true."""
import importlib.util
import os
import sys
import tempfile

for module, package in (("numpy", "python3-numpy"), ("sklearn", "python3-sklearn"), ("pytest", "python3-pytest")):
    if importlib.util.find_spec(module) is None:
        print("skipped: %s is absent (%s)" % (module, package))
        sys.exit(77)

import pytest
import sklearn

HERE = os.path.dirname(os.path.realpath(__file__))

START = "likely starts from a whole model (fit(start=)), not from single weights, means or precisions: no such parameters to check"
RADIAL = "kernels of several features are products over them, not functions of the distance: another density by design"
METRIC = "no metric but the Euclidean one"
DRAWS = "likely draws from every kernel, also those whose draws scikit-learn refuses by NotImplementedError"
AITKEN = "convergence is told by Aitken's rule, from three log-likelihoods: a fit of one or two iterations never says that it converged"
LABELS = "sample() gives rows alone; the adapter's labels are the most probable components, which differ where components overlap"
TEXT = "the warning is of the same class and has another text"
REFUSED = "more components than distinct rows are refused, in another text; there is no reg_covar, but a floor that is always there"
FILES = {
    "sklearn.mixture.tests.test_gaussian_mixture": {
        "test_check_weights": START, "test_check_means": START, "test_check_precisions": START, "test_max_iter_zero": START,
        "test_convergence_detected_with_warm_start": AITKEN, "test_monotonic_likelihood": AITKEN, "test_sample": LABELS,
        "test_gaussian_mixture_fit_convergence_warning": TEXT, "test_regularisation": REFUSED,
    },
    "sklearn.neighbors.tests.test_kde": {
        **{"test_kernel_density[%s-%s]" % (bandwidth, kernel): RADIAL for bandwidth in ("1", "scott", "silverman")
           for kernel in ("tophat", "epanechnikov", "exponential", "linear", "cosine")},
        "test_kernel_density[0.01-exponential]": RADIAL, "test_kernel_density[0.1-exponential]": RADIAL,
        **{"test_kde_algorithm_metric_choice[%s-%s]" % (metric, algorithm): METRIC for metric in ("manhattan", "chebyshev", "haversine")
           for algorithm in ("auto", "ball_tree", "kd_tree")},
        "test_kde_sample_weights": METRIC, "test_kernel_density_sampling": DRAWS,
    },
}
IMPORTS = [("from sklearn.mixture import GaussianMixture\n", "from sklearn_adapter import GaussianMixture\n"),
           ("from sklearn.neighbors import KernelDensity, KDTree, NearestNeighbors\n",
            "from sklearn.neighbors import KDTree, NearestNeighbors\nfrom sklearn_adapter import KernelDensity\n")]
FIXTURE = "import pytest\n\n\n@pytest.fixture\ndef global_random_seed():\n    return 42\n"


class Tally:
    """What became of each test."""

    def __init__(self):
        self.passed, self.failed, self.text = set(), set(), {}

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.split("::")[-1]
        if report.failed:
            self.failed.add(name)
            self.text[name] = str(report.longrepr)[-1500:]
        elif report.passed and report.when == "call":
            self.passed.add(name)


def run(module, reasons):
    with open(importlib.util.find_spec(module).origin, encoding="utf-8") as file:
        text = file.read()
    for theirs, ours in IMPORTS:
        text = text.replace(theirs, ours)
    if "sklearn_adapter" not in text:
        print("FAILED: %s imports its subject in another way" % module)
        return 0, 1, 0
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, module.split(".")[-1] + ".py")
        for name, content in ((path, text), (os.path.join(folder, "conftest.py"), FIXTURE)):
            with open(name, "w", encoding="utf-8") as file:
                file.write(content)
        pytest.main(["-q", "--no-header", "--tb=short", "-p", "no:cacheprovider", "--rootdir", folder, "-W", "ignore", "-r", "N",
                     "--no-summary", path], plugins=[tally])
    listed = {name for name in tally.failed | tally.passed for key in reasons if name == key or name.startswith(key + "[")}
    for name in sorted(tally.failed - listed):
        print("FAILED: %s\n%s" % (name, tally.text[name]))
    for name in sorted(tally.passed & listed):
        print("FAILED: %s passes, and is listed as: %s" % (name, reasons[name.split("[")[0]]))
    for name in sorted(tally.failed & listed):
        print("differs: %s: %s" % (name, reasons.get(name) or reasons[name.split("[")[0]]))
    bad = len(tally.failed - listed) + len(tally.passed & listed)
    return len(tally.passed - listed), bad, len(tally.failed & listed)


def main():
    sys.path.insert(0, HERE)
    print("scikit-learn", sklearn.__version__)
    counts = [run(module, reasons) for module, reasons in FILES.items()]
    passed, failed, differs = (sum(column) for column in zip(*counts))
    print("%d passed, %d failed, %d skipped" % (passed, failed, differs))
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
