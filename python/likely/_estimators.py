"""Estimators made from the registry of methods at their first use: one class a method, and no second list."""
import json
import os
import re

from . import _library
from ._conventions import Centres, Classifier, ClusterVerbs, Density, DensityClassifier, Estimator, MixtureVerbs, Regressor, default_of
from ._library import lib

# What every fit takes beside its method's own parameters: lk_fit_options.
COMMON = [
    ("feature_transform", None, "applied to every feature in turn, such as \"log,standardize\", or as \"log:price\" to one; densities stay in the "
                        "units of the data"),
    ("holdout", None, "share of rows held out to report their likelihood"),
    ("folds", None, "number of cross-validation folds that report likelihood"),
    ("calibrate", None, "share of rows kept apart, that detect() compares with"),
    ("seed", 1, "seed of every random choice"),
]
# Where functions made here are said to stand: so that warnings name the caller.
MADE = os.path.join(_library.HERE, "made")
PRIORS = ("priors", None, "probabilities of the classes: \"data\", \"equal\" or a list in the order of classes_")


# ---- from the registry to Python ----

def method_infos():
    return [json.loads(_library.text_of(lib.lk_method_info, lib.lk_method_at(i))) for i in range(lib.lk_method_count())]


def hint_of(parameter):
    """What values a parameter takes, as a type for stubs."""
    plain = {"flag": "bool", "integer": "int", "real": "float", "range": "int | str | range | Sequence[int]",
             "choices": "str | Sequence[str]", "text": "str | float | Sequence[float]"}
    kind = parameter["type"]
    hint = "Literal[%s]" % ", ".join(map(repr, parameter["choices"].split(","))) if kind == "choice" else plain[kind]
    return hint if parameter["default"] is not None else hint + " | None"


def class_name(info):
    """GMM, KDE for abbreviations, Net, KMeans for words, as the method's summary has them."""
    name = info["name"]
    words = re.findall(r"[\w-]+", info["summary"].lower())
    for word in words:
        if word.replace("-", "") == name.replace("_", "").replace("-", ""):
            return "".join(part.capitalize() for part in re.split(r"[-_]", word)) if "-" in word else name.capitalize()
    if len(name) <= 3:
        return name.upper()
    return "".join(part.capitalize() for part in re.split(r"[-_]", name))


def parameter_doc(parameter, default):
    """A parameter's entry in a docstring."""
    extra = []
    if parameter.get("choices"):
        extra.append(("any of " if parameter["type"] == "choices" else "one of ") + parameter["choices"].replace(",", ", "))
    low, high = parameter.get("low"), parameter.get("high")
    if low is not None or high is not None:
        extra.append("from %s" % ("%g" % low if low is not None else "-inf") + (" to %g" % high if high is not None else ""))
    text = parameter["summary"] + (" (%s)" % "; ".join(extra) if extra else "")
    return "    %s : %s, default %r\n        %s\n" % (parameter["name"], parameter["type"], default, text)


# ---- the classes ----

def fit_of(bases, info):
    """fit() with the arguments that the method's roles allow."""
    roles = (info["roles"] or "").split(",")
    weighted = ", sample_weight=None" if "weight" in roles else ""
    weight = ", sample_weight" if weighted else ""
    words = "sample_weight: 2 counts a row twice, 0 leaves it out. " if weighted else ""
    if issubclass(bases[0], Classifier):
        source = "def fit(self, X, y%s):\n    return self._fit_classes(X, y%s)\n" % (weighted, weight)
        doc = "Learns the distribution of each class of y. X may be a frame and y the name of a column of it. %s" % words
    elif Regressor in bases:
        source = "def fit(self, X, y%s):\n    return self._fit_target(X, y%s)\n" % (weighted, weight)
        doc = "Learns y given X. X may be a frame and y the name of a column of it. %s" % words
    else:
        more = ", start=None" + (", partition=None" if "partition" in roles else "")
        source = ("def fit(self, X, y=None%s, *%s):\n    self._fit(X, None%s%s)\n%s    return self\n"
                  % (weighted, more, weight.replace(" sample_weight", " sample_weight=sample_weight"),
                     more.replace("=None", "").replace(" start", " start=start").replace(" partition", " partition=partition"),
                     "    self._labels = self.model_.cluster(self._rows(X))\n" if ClusterVerbs in bases else ""))
        doc = ("Learns the distribution of X: an array of rows x features, a frame, anything with Arrow's C stream, or a dictionary of "
               "columns. y is not looked at. %sstart: a model or fitted estimator to begin from. %s"
               % (words, "partition: groups of the rows to begin from." if "partition" in roles else ""))
    scope = {}
    exec(compile(source, MADE, "exec"), scope)
    scope["fit"].__doc__ = doc.strip()
    return scope["fit"]


def estimator_class(info, name, bases):
    """The class of one method."""
    parameters = [(p["name"], default_of(p), parameter_doc(p, default_of(p))) for p in info["parameters"]]
    common = COMMON + [PRIORS] * (DensityClassifier in bases)
    parameters += [(key, default, "    %s : default %r\n        %s\n" % (key, default, text)) for key, default, text in common]
    arguments = ", ".join("%s=%r" % (key, default) for key, default, _ in parameters)
    first = arguments.split(", ", 1) if len(info["parameters"]) else ["", arguments]
    signature = "%s%s" % (first[0] + ", " if first[0] else "", "*, " + first[1]) if len(first) > 1 else arguments
    source = "def __init__(self, %s):\n%s" % (signature, "".join("    self.%s = %s\n" % (key, key) for key, _, _ in parameters))
    scope = {}
    exec(compile(source, MADE, "exec"), scope)
    init = scope["__init__"]
    what = {DensityClassifier: "Classes, each with a distribution of its own: ", Classifier: "Classes: "}.get(bases[0], "")
    doc = "%s%s.\n\nMethod %s; offers %s. %s.\n\nParameters\n----------\n%s\nAttributes\n----------\n%s" % (
        what, info["summary"], info["name"], ", ".join(info["operations"]), info["citation"] or "", "".join(text for _, _, text in parameters),
        "    model_ : likely.Model\n        the fitted distribution, with all its verbs\n    n_features_in_ : int\n"
        "    feature_names_in_ : array\n        names of the features, where the data have some\n"
        + ("    classes_ : array\n        the classes, in the order of predict_proba()\n" if issubclass(bases[0], Classifier) else ""))
    body = {"__init__": init, "__doc__": doc, "__module__": "likely", "_method": info, "_names": tuple(key for key, _, _ in parameters),
            "_defaults": tuple(default for _, default, _ in parameters), "fit": fit_of(bases, info)}
    init.__qualname__ = name + ".__init__"
    return type(name, bases, body)


def bases_of(info):
    """What kinds of estimator a method is: by its roles and operations."""
    operations, roles = info["operations"], (info["roles"] or "").split(",")
    if "target" in roles:
        return [((Regressor,), ""), ((Classifier,), "Classifier")]
    grouped = "responsibilities" in operations
    if info["name"] == "kmeans":  # that groups lie about centres by distance alone, no operation tells
        return [((Centres, Density), ""), ((DensityClassifier,), "Classifier")]
    if "log_density" not in operations:
        return [((ClusterVerbs,) if grouped else (Estimator,), "")]
    return [((MixtureVerbs, Density) if grouped else (Density,), ""), ((DensityClassifier,), "Classifier")]


_kinds, _made = {}, {}


def kinds():
    """Method and bases of every estimator class, by name."""
    if not _kinds:
        _kinds.update({class_name(info) + suffix: (info, bases) for info in method_infos() for bases, suffix in bases_of(info)})
    return _kinds


def class_of(name):
    """The estimator class of a name: made when it is first asked for, and one however many threads ask."""
    made = _made.get(name)
    if made is None:
        info, bases = kinds()[name]
        made = _made.setdefault(name, estimator_class(info, name, bases))
    return made


def classes():
    """Every estimator class, by name."""
    return {name: class_of(name) for name in kinds()}
