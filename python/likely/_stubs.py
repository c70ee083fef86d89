"""Writes the package's .pyi to standard output: what type checkers and editors know of the classes made at import."""
import inspect

import likely
from likely._estimators import COMMON, PRIORS, hint_of

HINTS = {"feature_transform": "str | Sequence[str] | None", "holdout": "float | None", "folds": "int | None", "calibrate": "float | None",
         "seed": "int", "priors": "str | Sequence[float] | None"}
FITS = {"X": "Any", "y": "Any", "sample_weight": "ArrayLike | None", "start": "Model | Estimator | str | None",
        "partition": "ArrayLike | None"}


def arguments(function, hints):
    """A signature with hints, as text."""
    parts, star = ["self"], False
    for p in list(inspect.signature(function).parameters.values())[1:]:
        if p.kind is p.KEYWORD_ONLY and not star:
            parts.append("*")
            star = True
        parts.append("%s: %s%s" % (p.name, hints[p.name], "" if p.default is p.empty else " = %r" % (p.default,)))
    return ", ".join(parts)


def indented(text, by):
    return "\n".join(" " * by + line if line.strip() else "" for line in text.strip().splitlines())


def write():
    assert set(HINTS) == {key for key, *_ in COMMON + [PRIORS]}
    lines = ['"""%s"""' % likely.__doc__.strip(), "from collections.abc import Sequence", "from typing import Any, Literal", "",
             "import numpy as np", "from numpy.typing import ArrayLike", "from typing_extensions import Self", "",
             "from . import _conventions"]
    for module, names in (("_data", ["Table"]), ("_conventions", ["Estimator"]),
                          ("_library", ["configure"] + [n for n in likely.__all__ if n.endswith(("Error", "Warning"))]),
                          ("_model", ["Model", "Result", "build", "compare", "describe", "fit", "load", "lrt", "select"])):
        lines.append("from .%s import %s" % (module, ", ".join("%s as %s" % (n, n) for n in names)))
    lines += ["", "__version__: str", "def methods() -> dict[str, str]: ...", ""]
    for name, cls in likely._classes.items():
        hints = dict(HINTS, **{p["name"]: hint_of(p) for p in cls._method["parameters"]})
        lines += ["class %s(%s):" % (name, ", ".join("_conventions." + b.__name__ for b in cls.__bases__)),
                  indented('"""%s"""' % cls.__doc__.replace("\\", "\\\\"), 4), "    model_: Model", "    n_features_in_: int",
                  "    feature_names_in_: np.ndarray"]
        lines += ["    classes_: np.ndarray"] if cls._label else []
        lines += ["    %s: %s" % (key, hints[key]) for key in cls._names]
        lines += ["    def __init__(%s) -> None: ..." % arguments(cls.__init__, hints),
                  "    def fit(%s) -> Self:" % arguments(cls.fit, FITS), indented('"""%s"""' % cls.fit.__doc__, 8), "        ...", ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(write())
