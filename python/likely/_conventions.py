"""What all estimators are: scikit-learn's conventions (parameters, fitted attributes, checks of rows and labels) over a model and its verbs."""
import sys
import warnings
from math import isfinite

import numpy as np

from . import _library, _model
from ._data import Column, Table, array_column, category_column, columns_of, is_arrow, is_frame, names_of, refuse_sparse, rows_of
from ._library import ArgumentError, DataError, NotFittedError, UnsupportedError
from ._model import fit_options, fitted, merged, peer_class, with_column


def default_of(parameter):
    """A default as a Python value."""
    text, kind = parameter["default"], parameter["type"]
    if text is None:
        return None
    if kind == "flag":
        return text == "true"
    if kind == "integer" or kind == "range" and text.isdigit():
        return int(text)
    return float(text) if kind == "real" else text


# ---- what all estimators are ----

class Estimator:
    """What the estimators of all methods have in common.

    After fit() the estimator has model_, the likely.Model with all its verbs; n_features_in_, and feature_names_in_ of data that name their
    columns; log_likelihood_, converged_ and n_iter_ where the method has them."""

    _method = None   # descriptor of the registry
    _names = ()      # parameters, in the order of __init__
    _defaults = ()   # and what they are if not given
    _label = False   # fits with classes
    _kind = "DensityEstimator"

    # ---- parameters ----

    def get_params(self, deep=True):
        """Parameters by name."""
        return {name: getattr(self, name) for name in self._names}

    def set_params(self, **params):
        """Sets parameters, and gives the estimator."""
        for name, value in params.items():
            if name not in self._names:
                raise ArgumentError("Invalid parameter %r for estimator %s. Valid parameters are: %s"
                                    % (name, type(self).__name__, ", ".join(self._names)))
            setattr(self, name, value)
        return self

    def _settings(self):
        """The method's parameters that are not left at their defaults."""
        given = {}
        for parameter in self._method["parameters"]:
            value = getattr(self, parameter["name"])
            if value is not None and not (type(value) is type(default_of(parameter)) and value == default_of(parameter)):
                given[parameter["name"]] = value
        return given

    def __repr__(self):
        changed = ["%s=%r" % (name, getattr(self, name)) for name, default in zip(self._names, self._defaults)
                   if not same(getattr(self, name), default)]
        return "%s(%s)" % (type(self).__name__, ", ".join(changed))

    def __sklearn_is_fitted__(self):
        return "model_" in vars(self)

    def __sklearn_clone__(self):
        clone = type(self)(**{name: copied(value) for name, value in self.get_params().items()})
        if "_sklearn_output_config" in vars(self):  # as scikit-learn's clone() does
            clone._sklearn_output_config = dict(self._sklearn_output_config)
        return clone

    @property
    def _estimator_type(self):
        return self._kind

    def _more_tags(self):
        tags = {"allow_nan": self._method["missing_values"], "requires_y": self._kind in ("classifier", "regressor")}
        if any(p["name"] == "batch" and default_of(p) for p in self._method["parameters"]):
            reason = "trained on random batches of row numbers: a row of weight 0 takes a place in them"
            tags["_xfail_checks"] = {"check_sample_weights_invariance": reason}
        return tags

    def __sklearn_tags__(self):  # scikit-learn 1.6 and later ask so
        from sklearn.utils import ClassifierTags, InputTags, RegressorTags, Tags, TargetTags, TransformerTags
        kind = {"classifier": "classifier", "regressor": "regressor", "clusterer": "clusterer"}.get(self._kind, "density_estimator")
        return Tags(estimator_type=kind, target_tags=TargetTags(required=kind in ("classifier", "regressor")),
                    transformer_tags=TransformerTags() if isinstance(self, Centres) else None,
                    classifier_tags=ClassifierTags() if kind == "classifier" else None,
                    regressor_tags=RegressorTags() if kind == "regressor" else None,
                    input_tags=InputTags(allow_nan=self._method["missing_values"]))

    # ---- fitting ----

    def _fit(self, X, y=None, sample_weight=None, partition=None, start=None):
        X = plain(X)
        if isinstance(X, Table) and y is None and sample_weight is None and partition is None:
            columns = [Column(name, (), ()) for name in X.names]  # a table as it is, in memory or on disk
        else:
            columns, X = self._training(X), None
        rows, names = len(X) if X is not None else len(columns[0].values), [c.name for c in columns]
        features = [c.name or "x%d" % (i + 1) for i, c in enumerate(columns)]
        roles = {}
        if y is not None:
            roles["label" if self._label else "target"] = with_column(columns, y, "y")
        if sample_weight is not None:
            roles["weight"] = with_column(columns, weights_of(sample_weight, rows), "weight")
        if partition is not None:
            roles["partition"] = with_column(columns, array_column("partition", partition), "partition")
        if rows < 2:
            raise DataError("the data have n_samples=1; a distribution is learned from at least 2 rows")
        common = {name: getattr(self, name) for name in self._names if name not in {p["name"] for p in self._method["parameters"]}}
        common["transform"], common["priors"] = _model.listed(common.pop("feature_transform")), priors_of(common.get("priors"))
        chosen = fit_options(self._settings(), start=start, **common, **roles)
        try:
            self.model_ = fitted(Table._of(columns) if X is None else X, self._method["name"], chosen)
        except DataError as error:
            raise in_words(error, columns, features) from None
        target = roles.get("target")
        self.n_features_in_ = len(self.model_.features) - (target is not None)
        if names[0] is not None:
            self.feature_names_in_ = np.array([f for f in self.model_.features if f != target], dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _roles(self):
        return (self._method["roles"] or "").split(",")

    def _training(self, X):
        columns = merged(X)
        if not columns:
            raise DataError("Found array with 0 feature(s) (shape=(0, 0)) while a minimum of 1 is required.")
        if len(columns[0].values) == 0:
            raise DataError("Found array with 0 sample(s) (shape=(0, %d)) while a minimum of 1 is required." % len(columns))
        return columns

    def _fitted(self):
        if "model_" not in vars(self):
            raise peer_class("sklearn.exceptions", "NotFittedError", NotFittedError)(
                "This %s instance is not fitted yet. Call 'fit' with appropriate arguments before using this estimator."
                % type(self).__name__)
        return self.model_

    def _features(self):
        """Features that rows are asked with."""
        model = self.model_
        return [f for f in model.features if f != model.target]

    def _rows(self, X, missing=False):
        """Rows x features after scikit-learn's rules: as many columns as in fit, under the same names in the same order. missing: values
        may be missing even where a fit takes none."""
        self._fitted()
        X = plain(X)
        if not (type(X) is np.ndarray and X.ndim == 2 and X.dtype == np.float64 and X.flags.c_contiguous
                and X.shape[1] == self.n_features_in_ and X.shape[0] > 0 and "feature_names_in_" not in vars(self)):
            X = self._named_rows(X)
        if not isfinite(X.sum()):
            self._check_finite(X, missing)
        return X

    def _named_rows(self, X):
        features, named = self._features(), "feature_names_in_" in vars(self)
        names = names_of(X)
        if names is None and is_arrow(X):
            X = Table(X)
            names = X.names
        if names is not None and named:
            check_names(names, features)
        elif names is not None:
            warnings.warn("X has feature names, but %s was fitted without feature names" % type(self).__name__, stacklevel=3)
            X = np.column_stack([c.values for c in columns_of(X)])
        elif named:
            warnings.warn("X does not have valid feature names, but %s was fitted with feature names" % type(self).__name__, stacklevel=3)
        if names is None and getattr(X, "ndim", 0) == 2 and X.shape[1] not in (0, len(features)):
            raise DataError("X has %d features, but %s is expecting %d features as input"
                            % (X.shape[1], type(self).__name__, len(features)))
        rows = rows_of(X, features)
        if len(rows) == 0:
            raise DataError("Found array with 0 sample(s) (shape=%s) while a minimum of 1 is required." % (rows.shape,))
        return rows

    def _check_finite(self, rows, missing):
        if np.isinf(rows).any():
            raise DataError("Input X contains infinity or a value too large; every value must be finite")
        if not missing and np.isnan(rows).any() and not self._method["missing_values"]:
            raise DataError("Input X contains NaN; the method %s takes rows without missing values" % self._method["name"])

    def _told(self, name):
        """What the fit tells under a name; AttributeError where it does not."""
        if "model_" not in vars(self):
            raise AttributeError("%s is there after fit()" % name)
        value = self.model_.info().get(name)
        if value is None:
            raise AttributeError("the method %s tells no %s" % (self._method["name"], name))
        return value

    @property
    def log_likelihood_(self):
        """Log-likelihood of the rows it was fitted to, nats."""
        return self._told("log_likelihood")

    @property
    def converged_(self):
        """Whether the fit converged."""
        return self._told("converged")

    @property
    def n_iter_(self):
        """Iterations of the fit."""
        info = self._fitted().info() if "model_" in vars(self) else None
        if info is not None and info.get("iterations") is None and info.get("classes"):
            return max([1] + [c.get("iterations") or 1 for c in info["classes"]])
        return max(1, self._told("iterations"))

    # ---- likely's own verbs ----

    def save(self, path):
        """Writes the model file."""
        self._fitted().save(path)

    def info(self):
        """All that is known of the model, as a dictionary."""
        return self._fitted().info()

    def summary(self):
        """What was fitted, and how far to trust it, as text."""
        return self._fitted().summary()

    def export(self, path, format="c", prefix=None):
        """Writes the model for another program: c, json, sklearn-json, sklearn-npz, mclust-json, mclust-r."""
        self._fitted().export(path, format, prefix)

    def evaluate(self, X, weight=None):
        """How well the model predicts rows, and whether it is calibrated."""
        return self._fitted().evaluate(X, weight)

    def report(self, X, path=None, **options):
        """A page about the model and its data: see Model.report()."""
        return self._fitted().report(X, path, **options)

    def importance(self, X, target=None, **options):
        """Which features a prediction rests on: see Model.importance()."""
        return self._fitted().importance(X, target, **options)

    def _repr_html_(self):
        return self.model_._repr_html_() if "model_" in vars(self) else "<pre>%s: not fitted yet</pre>" % escaped(repr(self))


class Density(Estimator):
    """A distribution of all features."""

    def density(self, X, sigma=None):
        """Log density of each row, nats; with sigma, of the model smoothed by normal noise."""
        return self._fitted().density(self._rows(X, missing=True), sigma)

    def score_samples(self, X, y=None):
        """Log density of each row, nats."""
        return self._fitted().density(self._rows(X, missing=True))

    def score(self, X, y=None):
        """Mean log density of the rows, after scikit-learn's convention. The gradient of the log density, which likely calls its score, is
        gradient(X)."""
        return float(np.mean(self.score_samples(X)))

    def gradient(self, X, sigma=None):
        """Gradient of the log density at each row (the score of a distribution), rows x features."""
        return self._fitted().score(self._rows(X), sigma)

    def sample(self, n_samples=1, random_state=None, *, given=None):
        """New rows. random_state: a seed, or a NumPy generator or RandomState that one is drawn from; the estimator's own seed if None.
        given: values of some features; the others are drawn."""
        if "model_" not in vars(self):
            self._fitted()
        return self.model_.sample(n_samples, seed_of(random_state, self.seed), given=given)

    def bic(self, X=None):
        """Bayesian information criterion with scikit-learn's sign, p log n - 2 log L: smaller is better. (info()["bic"] and the command have
        the opposite sign.) Without X, of the rows it was fitted to."""
        return self._criterion(X, lambda n: np.log(n))

    def aic(self, X=None):
        """Akaike's information criterion with scikit-learn's sign, 2 p - 2 log L: smaller is better."""
        return self._criterion(X, lambda n: 2.0)

    def _criterion(self, X, penalty):
        info = self._fitted().info()
        if info.get("free_parameters") is None:
            raise UnsupportedError("the method %s has no number of free parameters" % info["method"])
        if X is None:
            n, log_likelihood = info["n"], info["log_likelihood"]
        else:
            log_densities = self.score_samples(X)
            n, log_likelihood = len(log_densities), float(log_densities.sum())
        return float(info["free_parameters"] * penalty(n) - 2.0 * log_likelihood)

    def predict_target(self, X, target, quantiles=None):
        """Mean, sd and quantiles of some features given the others: see Model.predict()."""
        return self._fitted().predict(X, target, quantiles)

    def impute(self, X, draws=None, *, seed=1, return_sd=False):
        """Rows with missing values filled by conditional means, or by draws."""
        return self._fitted().impute(X, draws, seed=seed, return_sd=return_sd)

    def detect(self, X, reference=None, *, draws=None, seed=1, rate=None, fdr=None):
        """How strange each row is: see Model.detect()."""
        return self._fitted().detect(X, reference, draws=draws, seed=seed, rate=rate, fdr=fdr)

    def modes(self, X=None):
        """The peaks of the density: see Model.modes()."""
        return self._fitted().modes(X)

    def denoise(self, X, sigma, return_sd=False):
        """Rows before noise was added to them: see Model.denoise()."""
        return self._fitted().denoise(X, sigma, return_sd)

    def condition(self, given):
        """The distribution of the other features given values of some, as a Model."""
        return self._fitted().condition(given)

    def marginal(self, features):
        """The distribution of some features, as a Model."""
        return self._fitted().marginal(features)

    def intervals(self, X, **options):
        """Standard errors and intervals of the parameters: see Model.intervals()."""
        return self._fitted().intervals(X, **options)


class Groups(Estimator):
    """Rows belong to groups."""

    def predict_proba(self, X):
        """Posterior probabilities of the groups, rows x groups."""
        return self._fitted().responsibilities(self._rows(X))

    def fit_predict(self, X, y=None, **options):
        """Fits, and gives the group of each row."""
        return self.fit(X, **options).predict(X)

    @property
    def weights_(self):
        """Weights of the components."""
        return np.array([c["weight"] for c in self._told("components")])

    @property
    def means_(self):
        """Means of the components, components x features."""
        return np.array([c["mean"] for c in self._told("components")])

    @property
    def covariances_(self):
        """Covariances of the components, components x features x features whatever their family."""
        return np.array([c["covariance"] for c in self._told("components")])

    @property
    def precisions_(self):
        """Inverses of the covariances."""
        return np.linalg.inv(self.covariances_)


class MixtureVerbs(Groups):
    """predict() of a density with groups."""

    def predict(self, X, target=None, quantiles=None):
        """The most probable group of each row, -1 for noise; with target, mean, sd and quantiles of that feature given the others."""
        if target is not None:
            return self.predict_target(X, target, quantiles)
        return self._fitted().cluster(self._rows(X))


class Centres(MixtureVerbs):
    """Groups about centres, which make a transformer: a row becomes its distances to them."""

    @property
    def cluster_centers_(self):
        """The centres, centres x features."""
        return self.means_

    def transform(self, X):
        """Euclidean distances of each row to the centres, rows x centres, in the units of the data."""
        rows = self._rows(X)
        if self.model_.info().get("transform"):
            raise UnsupportedError("distances are told of a fit without feature_transform, whose centres lie in the units of the data; "
                                   "put a transformer before it in a pipeline instead")
        distances = np.column_stack([np.sqrt(((rows - centre) ** 2).sum(axis=1)) for centre in self.cluster_centers_])
        if self._output() == "default":
            return distances
        import pandas
        return pandas.DataFrame(distances, index=X.index if is_frame(X) else None, columns=self.get_feature_names_out())

    def set_output(self, *, transform=None):
        """What transform() gives: "default" (an array) or "pandas" (a frame); None leaves it as it is."""
        if transform not in (None, "default", "pandas"):
            raise ArgumentError("transform is %r; it must be default or pandas" % (transform,))
        if transform is not None:
            self._sklearn_output_config = {"transform": transform}
        return self

    def _output(self):
        """As it was set here, else in scikit-learn's configuration, where that is in use."""
        chosen = getattr(self, "_sklearn_output_config", {}).get("transform")
        sklearn = sys.modules.get("sklearn")
        return chosen or (sklearn.get_config().get("transform_output", "default") if sklearn is not None else "default")

    def fit_transform(self, X, y=None, **options):
        """Fits, and gives the distances of the rows to the centres."""
        return self.fit(X, y, **options).transform(X)

    def get_feature_names_out(self, input_features=None):
        """Names of the distances: kmeans0, kmeans1, ..."""
        return np.array(["%s%d" % (type(self).__name__.lower(), k) for k in range(self._fitted().groups)], dtype=object)


class ClusterVerbs(Groups):
    """predict() of groups without a density."""

    _kind = "clusterer"

    def predict(self, X):
        """The group of each row, -1 for noise."""
        return self._fitted().cluster(self._rows(X))

    @property
    def labels_(self):
        """Groups of the rows it was fitted to."""
        if "_labels" not in vars(self):
            raise AttributeError("labels_ is there after fit()")
        return self._labels


class Classifier(Estimator):
    """The class of a row given its features."""

    _kind, _label = "classifier", True

    def _fit_classes(self, X, y, sample_weight=None):
        if y is None:
            raise DataError("%s requires y to be passed, but the target y is None: the class of each row" % type(self).__name__)
        X, y = separated(plain(X), y)
        y = column_of(y)
        if y.dtype.kind in "fc":
            check_present(y)
        if y.dtype.kind == "c":
            raise DataError("Complex data not supported: y holds classes")
        if y.dtype.kind == "f" and (y != np.floor(y)).any():
            raise DataError("Unknown label type: continuous. A class is a text, a whole number or a truth value")
        check_present(y)
        classes, codes = np.unique(y, return_inverse=True)
        if len(y) != rows_in(X):
            raise DataError("X has %d rows and y %d" % (rows_in(X), len(y)))
        self._fit(X, category_column("y", codes, classes), sample_weight)
        kept = self.model_.classes
        texts = [str(c) for c in classes]
        order = np.array([kept.index(t) for t in texts if t in kept])
        self.classes_ = np.array([c for c, t in zip(classes, texts) if t in kept], dtype=classes.dtype)
        self._order = order
        return self

    def predict_proba(self, X):
        """Posterior probabilities of the classes, rows x classes, in the order of classes_."""
        found = self._fitted().responsibilities(self._rows(X))
        return found if (self._order == np.arange(len(self._order))).all() else found[:, self._order]

    def predict_log_proba(self, X):
        """Their logarithms."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def predict(self, X):
        """The most probable class of each row."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)] if "model_" in vars(self) else self._fitted()

    def score(self, X, y, sample_weight=None):
        """Share of the rows whose class is right."""
        return float(np.average(self.predict(X) == column_of(y), weights=sample_weight))


class DensityClassifier(Classifier):
    """A distribution for each class, and Bayes' rule."""

    def score_samples(self, X):
        """Log density of each row without its class, nats."""
        return self._fitted().density(self._rows(X))

    density = score_samples


class Regressor(Estimator):
    """One feature given the others."""

    _kind = "regressor"

    def _fit_target(self, X, y, sample_weight=None):
        if y is None:
            raise DataError("%s requires y to be passed, but the target y is None: the value to predict of each row" % type(self).__name__)
        X, y = separated(plain(X), y)
        name = getattr(y, "name", None)
        y = column_of(y)
        if y.dtype.kind == "c":
            raise DataError("Complex data not supported: y holds numbers to predict")
        try:
            y = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError):
            raise DataError("y is no column of numbers: it predicts a number, given the other features") from None
        check_present(y)
        if len(y) != rows_in(X):
            raise DataError("X has %d rows and y %d" % (rows_in(X), len(y)))
        return self._fit(X, Column(str(name or "y"), np.array(y)), sample_weight)

    def predict(self, X, return_std=False, quantiles=None):
        """Mean of the target in each row; with return_std also its standard deviation, with quantiles also those (a list of
        probabilities)."""
        answer = self._answers(X, quantiles)
        parts = [answer["mean"]] + [answer["sd"]] * bool(return_std) + ([answer["quantiles"]] if quantiles is not None else [])
        return parts[0] if len(parts) == 1 else tuple(parts)

    def _answers(self, X, quantiles=None):
        model = self._fitted()
        rows = self._rows(X)
        whole = np.full((len(rows), len(model.features)), np.nan)
        whole[:, [j for j, f in enumerate(model.features) if f != model.target]] = rows
        return model.predict(whole, model.target, quantiles)

    def score(self, X, y, sample_weight=None):
        """Coefficient of determination R^2."""
        y = np.asarray(column_of(y), dtype=np.float64)
        mean = np.average(y, weights=sample_weight)
        residual = np.average((y - self.predict(X)) ** 2, weights=sample_weight)
        total = np.average((y - mean) ** 2, weights=sample_weight)
        return float(1.0 - residual / total) if total > 0 else (1.0 if residual == 0 else 0.0)

    def density(self, X, y):
        """Log density of each row's target given the others, nats."""
        rows = self._rows(X)  # the target is the last feature
        return self.model_.density(np.column_stack([rows, np.asarray(y, dtype=np.float64)]))


# ---- helpers ----

def same(a, b):
    try:
        return a is b or type(a) is type(b) and bool(a == b)
    except ValueError:
        return False


def copied(value):
    import copy
    return copy.deepcopy(value)


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def seed_of(random_state, seed):
    if random_state is None:
        return seed
    if isinstance(random_state, (int, np.integer)):
        return int(random_state)
    draw = getattr(random_state, "integers", None) or random_state.randint
    return int(draw(0, 2**31 - 1))


def plain(X):
    """Anything that is no frame, table or dictionary as an array."""
    refuse_sparse(X)
    if isinstance(X, (np.ndarray, Table, dict, str)) or is_frame(X) or is_arrow(X):
        return X
    return np.asarray(X)


def rows_in(X):
    X = plain(X)
    if isinstance(X, dict):
        return len(next(iter(X.values())))
    return len(Table(X)) if is_arrow(X) and not isinstance(X, Table) and not is_frame(X) else len(X)


def separated(X, y):
    """A column of X named by y, and X without it."""
    if not isinstance(y, str):
        return X, y
    if is_frame(X):
        return X.drop(columns=[y]), X[y]
    if is_arrow(X) and not isinstance(X, Table) or isinstance(X, dict):
        X = Table(X)
    if not isinstance(X, Table):
        raise ArgumentError("y is %r, the name of a column, and X has no names" % y)
    rest = [c for c in merged(X) if c.name != y]
    return Table._of(rest), X[y]


def column_of(y):
    """One-dimensional labels or values; a column of one is taken with a warning."""
    y = np.asarray(y)
    if y.ndim == 2 and y.shape[1] == 1:
        category = peer_class("sklearn.exceptions", "DataConversionWarning", _library.LikelyWarning)
        _library.warn("A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples,)", category)
        return y[:, 0]
    if y.ndim != 1:
        raise DataError("y should be a 1d array, got an array of shape %s instead" % (y.shape,))
    return y


def check_present(y):
    if y.dtype.kind in "fc" and not np.isfinite(y).all():
        raise DataError("Input y contains NaN or infinity; every row needs its own value")
    if y.dtype.kind == "O" and any(v is None or v != v for v in y):
        raise DataError("Input y contains NaN; every row needs its own value")


def weights_of(sample_weight, rows):
    if np.isscalar(sample_weight):
        sample_weight = np.full(rows, sample_weight)
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.shape != (rows,):
        raise DataError("sample_weight.shape == %s, expected (%d,)!" % (weights.shape, rows))
    return Column("weight", weights)


def priors_of(priors):
    return _model.listed(priors) if priors is None or isinstance(priors, str) else ",".join(repr(float(p)) for p in priors)


def check_names(names, features):
    missing = [f for f in features if f not in names]
    if missing:
        unseen = [n for n in names if n not in features]
        text = "The feature names should match those that were passed during fit.\n"
        if unseen:
            text += "Feature names unseen at fit time:\n" + "".join("- %s\n" % n for n in sorted(unseen)[:5])
        raise DataError(text + "Feature names seen at fit time, yet now missing:\n" + "".join("- %s\n" % n for n in sorted(missing)[:5]))
    if [n for n in names if n in features] != list(features):
        raise DataError("The feature names should match those that were passed during fit.\n"
                        "Feature names must be in the same order as they were in fit.\n")


def in_words(error, columns, features):
    """The library's error, with scikit-learn's words for missing and infinite values in front."""
    values = [c.values for c in columns if c.levels is None]
    if any(np.isinf(v).any() for v in values):
        return DataError("Input X contains infinity: %s" % error)
    if any(np.isnan(v).any() for v in values[:len(features)]):
        return DataError("Input X contains NaN: %s" % error)
    return error
