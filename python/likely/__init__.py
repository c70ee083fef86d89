"""likely: learn a probability distribution from data, then ask it anything.

    import likely
    gmm = likely.GMM(components=range(1, 10)).fit(X)      # after scikit-learn's conventions
    gmm.score_samples(X), gmm.predict(X), gmm.sample(10)
    model = likely.fit("faithful.csv")                    # or as the command does
    model.density(X), model.predict(X, "waiting", quantiles=[.05, .95])

One class for each method of `likely.methods()`, made from the library's own registry; a fitted one has a `model_` with all verbs of the
command. Results do not depend on the number of threads. `likely.configure()` sets threads and progress.
"""
from ._data import Table
from ._estimators import Estimator, classes, method_infos
from ._library import (ArgumentError, CancelledError, DataError, FileError, FormatError, LikelyError, LikelyWarning, NotFittedError,
                       NotTrustedWarning, NumericError, OutOfMemoryError, UnavailableError, UnsupportedError, configure, lib)
from ._model import Model, Result, build, compare, describe, fit, load, lrt, select

__version__ = lib.lk_version().decode()

_classes = classes()
globals().update(_classes)

__all__ = sorted(["ArgumentError", "CancelledError", "DataError", "Estimator", "FileError", "FormatError", "LikelyError", "LikelyWarning",
                  "Model", "NotFittedError", "NotTrustedWarning", "NumericError", "OutOfMemoryError", "Result", "Table",
                  "UnavailableError", "UnsupportedError", "build", "compare", "configure", "describe", "fit", "load", "lrt", "methods",
                  "select"] + list(_classes))


def methods():
    """Every method with its summary."""
    return {info["name"]: info["summary"] for info in method_infos()}


def __getattr__(name):
    for known in _classes:
        if known.lower() == name.lower().replace("_", ""):
            return _classes[known]
    raise AttributeError("likely has no %s; the estimators are %s" % (name, ", ".join(_classes)))
