"""likely: learn a probability distribution from data, then ask it anything.

    import likely
    gmm = likely.GMM(components=range(1, 10)).fit(X)      # after scikit-learn's conventions
    gmm.score_samples(X), gmm.predict(X), gmm.sample(10)
    model = likely.fit("faithful.csv")                    # or as the command does
    model.density(X), model.predict(X, "waiting", quantiles=[.05, .95])

One class for each method of `likely.methods()`, made from the library's own registry; a fitted one has a `model_` with all verbs of the
command. Results do not depend on the number of threads. `likely.configure()` sets threads and progress.
"""
from importlib import import_module

from ._library import (ArgumentError, CancelledError, DataError, FileError, FormatError, LikelyError, LikelyWarning, NotFittedError,
                       NotTrustedWarning, NumericError, OutOfMemoryError, UnavailableError, UnsupportedError, configure, lib)

__version__ = lib.lk_version().decode()

# What an import leaves to its first use, by the module that has it. The estimators, made from the registry, are left to it too.
_LATER = {"Table": "_data", "Estimator": "_conventions",
          **dict.fromkeys(["Model", "Result", "build", "compare", "describe", "fit", "load", "lrt", "select"], "_model")}
_OTHERS = ["ArgumentError", "CancelledError", "DataError", "FileError", "FormatError", "LikelyError", "LikelyWarning", "NotFittedError",
           "NotTrustedWarning", "NumericError", "OutOfMemoryError", "UnavailableError", "UnsupportedError", "configure", "methods"]


def methods():
    """Every method with its summary."""
    return {info["name"]: info["summary"] for info in _module("_estimators").method_infos()}


def _module(name):
    return import_module("." + name, __name__)


def __getattr__(name):
    if name in _LATER:
        found = getattr(_module(_LATER[name]), name)
    elif name == "_classes":
        return _module("_estimators").classes()
    elif name == "__all__":
        return sorted([*_OTHERS, *_LATER, *_module("_estimators").kinds()])
    elif name.startswith("_"):
        raise AttributeError("module likely has no %s" % name)
    else:
        found = _estimator(name)
    if found.__name__ == name:  # KDE for kde too, under its own name only
        globals()[name] = found
    return found


def _estimator(name):
    module = _module("_estimators")
    for known in module.kinds():
        if known.lower() == name.lower().replace("_", ""):
            return module.class_of(known)
    raise AttributeError("likely has no %s; the estimators are %s" % (name, ", ".join(module.kinds())))


def __dir__():
    return sorted({name for name in globals() if name.startswith("_")} | {*__getattr__("__all__")})
