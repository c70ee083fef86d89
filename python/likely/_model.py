"""A fitted distribution and its verbs, under the names that the command has for them."""
import ctypes
import json
import os

import numpy as np

from . import _library
from ._data import Column, Table, array_column, columns_of, fresh, rows_of, table_of
from ._library import (ArgumentError, CompareOptions, Comparison, DetectOptions, Evaluation, FitOptions, Importance, ImportanceOptions,
                       IntervalOptions, Intervals, Modes, NotTrustedWarning, RatioOptions, RatioTest, ReportOptions, Roles, SamplerOptions,
                       SamplerReport, SelectOptions, Setting, Stability, StabilityOptions, TestOptions, UnsupportedError, lib, options)

DOUBLE = ctypes.sizeof(ctypes.c_double)
# Rows that are answered at once, without the thread that lets Ctrl-C through.
AT_ONCE = 64
EXPORTS = ["c", "json", "sklearn-json", "sklearn-npz", "mclust-json", "mclust-r"]  # lk_export_format, by number


class Result(dict):
    """An answer of several parts: a dictionary whose keys are attributes too."""

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError("%s; there are %s" % (name, ", ".join(self))) from None

    def __dir__(self):
        return list(super().__dir__()) + list(self)

    def __repr__(self):
        width = max(map(len, self), default=0)
        lines = []
        for name, value in self.items():
            text = ("array of %s" % " x ".join(map(str, value.shape)) if isinstance(value, np.ndarray) and value.size > 8 else
                    "%.6g" % value if isinstance(value, float) else str(value))
            lines.append("%s  %s" % (name.ljust(width), text if len(text) < 100 else text[:97] + "..."))
        return "\n".join(lines)


def setting_text(value):
    """A parameter's value as the command would have it."""
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, range) and value.step == 1 and len(value) > 1:
        return "%d..%d" % (value[0], value[-1])
    if isinstance(value, (list, tuple, range, np.ndarray, set)):
        return ",".join(setting_text(v) for v in value)
    if isinstance(value, (float, np.floating)):
        return repr(float(value))
    return str(value)


def settings_of(parameters):
    """A list of settings that ends with a NULL name; None stands for the default."""
    given = [(name, value) for name, value in parameters.items() if value is not None]
    made = (Setting * (len(given) + 1))()
    for one, (name, value) in zip(made, given):
        one.name, one.value = name.encode(), setting_text(value).encode()
    return made


def listed(names):
    return names if names is None or isinstance(names, str) else ",".join(str(n) for n in names)


def array_at(address, shape, dtype=np.float64):
    """A copy of an array of the library's."""
    count = int(np.prod(shape))
    if not address or count == 0:
        return np.empty(shape, dtype)
    return np.frombuffer(ctypes.string_at(address, count * np.dtype(dtype).itemsize), dtype).reshape(shape).copy()


def taken_over(address, shape):
    """The same, and the library's own is given back."""
    out = array_at(address, shape) if address else None
    lib.lk_free(_library.context().value, address)
    return out


def fit_options(parameters, *, features=None, label=None, weight=None, partition=None, ignore=None, start=None, **others):
    chosen = options(FitOptions, **others)
    chosen.settings = settings_of(parameters)
    roles = options(Roles, features=listed(features), label=label, weight=weight, partition=partition, ignore=listed(ignore))
    chosen.roles = ctypes.pointer(roles)
    chosen.start = None if start is None else model_of(start)._pointer
    return chosen


def with_column(table_columns, values, name):
    """Appends a column under a name that is not taken; the name."""
    name = fresh(name, {c.name for c in table_columns} | {"x%d" % (i + 1) for i in range(len(table_columns))})
    for i, column in enumerate(table_columns):
        column.name = "x%d" % (i + 1) if column.name is None else column.name
    column = values if isinstance(values, Column) else array_column(name, values)
    column.name = name
    table_columns.append(column)
    return name


class Model:
    """A fitted distribution over named features. It is immutable, can be pickled, and may be asked from several threads.

    Rows are arrays of rows x features, or frames and tables that have the features by name; NaN is a missing value, and such a row is
    answered by the values that are there. Densities are in nats and in the units of the data."""

    __slots__ = ("_pointer", "features", "__weakref__")

    def __init__(self, path):
        """Reads a model file, of this package or of the command."""
        self._take(_library.pointer_of(lib.lk_model_load, os.fsencode(path)))

    def _take(self, pointer):
        self._pointer = pointer
        self.features = [lib.lk_model_feature(pointer, j).decode() for j in range(lib.lk_model_dimension(pointer))]

    @classmethod
    def _of(cls, pointer):
        model = cls.__new__(cls)
        model._take(pointer)
        return model

    def __del__(self):
        if getattr(self, "_pointer", None) and lib is not None:
            lib.lk_model_free(self._pointer)

    # ---- what it is ----

    def pack(self):
        """The bytes of its file."""
        bytes_, size = ctypes.c_void_p(), ctypes.c_size_t()
        _library.quick(lib.lk_model_pack, self._pointer, ctypes.byref(bytes_), ctypes.byref(size))
        try:
            return ctypes.string_at(bytes_.value, size.value)
        finally:
            lib.lk_free(_library.context().value, bytes_)

    @staticmethod
    def unpack(packed):
        """The model of these bytes. Nothing in them is executed."""
        return Model._of(_library.pointer_of(lib.lk_model_unpack, bytes(packed), len(packed)))

    def __reduce__(self):
        return Model.unpack, (self.pack(),)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def save(self, path):
        """Writes a model file that appears whole or not at all; the command reads it too."""
        _library.call(lib.lk_model_save, self._pointer, os.fsencode(path))

    def info(self):
        """All that is known of it, as a dictionary: method, parameters, log-likelihood, criteria, convergence, components."""
        return json.loads(_library.text_of(lib.lk_model_info, self._pointer))

    @property
    def method(self):
        """Name of its method."""
        return self.info()["method"]

    @property
    def trusted(self):
        """False if its fit did not converge or is degenerate."""
        return bool(lib.lk_model_trusted(self._pointer))

    @property
    def operations(self):
        """What can be asked of it."""
        offered = lib.lk_model_operations(self._pointer)
        return [lib.lk_operation_name(1 << bit).decode() for bit in range(32)
                if offered >> bit & 1 and lib.lk_operation_name(1 << bit)]

    @property
    def groups(self):
        """How many groups (components, clusters or classes) it tells apart."""
        return lib.lk_model_groups(self._pointer)

    @property
    def classes(self):
        """Names of its classes, of a model that was fitted with a label; else None."""
        table = lib.lk_model_classes(self._pointer)
        if not table:
            return None
        return [lib.lk_table_level(table, 0, i).decode() for i in range(lib.lk_table_levels(table, 0))]

    @property
    def target(self):
        """The feature that it predicts from the others, where its method does so; else None."""
        position = lib.lk_model_target(self._pointer)
        return self.features[position] if position >= 0 else None

    # ---- answers of rows ----

    def _rows(self, x):
        return rows_of(x, self.features)

    def _answer(self, function, x, columns):
        if type(x) is not np.ndarray or x.ndim != 2 or x.dtype != np.float64 or not x.flags.c_contiguous \
                or x.shape[1] != len(self.features):
            x = self._rows(x)
        rows = len(x)
        out = np.empty((rows, columns) if columns else rows)
        run = _library.quick if rows <= AT_ONCE else _library.call
        run(function, self._pointer, x.ctypes.data, rows, out.ctypes.data)
        return out

    def density(self, x, sigma=None):
        """Log density of each row, in nats; with sigma, of the model smoothed by normal noise of this standard deviation (one number,
        or one a feature)."""
        if sigma is not None:
            return self.smooth(sigma).density(x)
        return self._answer(lib.lk_model_log_density, x, 0)

    log_density = density

    def score(self, x, sigma=None):
        """Gradient of the log density at each row, rows x features; with sigma, of the smoothed model."""
        if sigma is not None:
            return self.smooth(sigma).score(x)
        return self._answer(lib.lk_model_score, x, len(self.features))

    gradient = score

    def responsibilities(self, x):
        """Posterior probabilities of the groups given each row, rows x groups."""
        return self._answer(lib.lk_model_responsibilities, x, self.groups)

    def cluster(self, x):
        """The most probable group of each row, from 0; -1 for noise."""
        if self.groups == 0:
            raise UnsupportedError("this %s model has no groups; it offers %s" % (self.method, ", ".join(self.operations)))
        found = self.responsibilities(x)
        unknown = np.isnan(found).any(axis=1)
        label = np.where(unknown, 0, np.nan_to_num(found).argmax(axis=1))
        noise = lib.lk_model_noise_group(self._pointer)
        return np.where(label == noise, -1, label)

    def cdf(self, x):
        """P(X_j <= x_j) of each feature by itself, rows x features."""
        return self._answer(lib.lk_model_cdf, x, len(self.features))

    def sample(self, n=1, seed=1, *, first_row=0, given=None, report=False, **sampler):
        """n new rows, n x features; row i of a seed is the same whatever is drawn beside it. given: values of some features, such as
        {"x": 1.5}: the others are drawn. sampler: how, by the score alone: method, steps, schedule, sigma_max, sigma_min, step_size, churn,
        order, tolerance, weak (a model), as `likely help sample` has them; with report, also how far to trust the rows."""
        if n < 1:
            raise ArgumentError("Invalid value for 'n_samples': %s; at least 1 row is drawn" % (n,))
        model = self if given is None else self.condition(given)
        out = np.empty((int(n), len(model.features)))
        if not sampler and not report and "sample" in model.operations:
            _library.call(lib.lk_model_sample, model._pointer, int(seed), first_row, len(out), out.ctypes.data)
            return out
        known = [name for name, _ in SamplerOptions._fields_[1:-1]]
        for name in sampler:
            if name not in known:
                raise ArgumentError("a sampler has no %s; it has %s" % (name, ", ".join(known)))
        if sampler.get("weak") is not None:
            sampler["weak"] = model_of(sampler["weak"])._pointer
        chosen = options(SamplerOptions, **sampler, seed=int(seed))
        sampler = _library.pointer_of(lib.lk_sampler_new, model._pointer, ctypes.byref(chosen))
        try:
            _library.call(lib.lk_sampler_rows, sampler, first_row, len(out), out.ctypes.data)
            told = options(SamplerReport)
            lib.lk_sampler_tell(sampler, ctypes.byref(told))
        finally:
            lib.lk_sampler_free(sampler)
        if not report:
            return out
        return out, Result((name, getattr(told, name).decode() if name == "method" else getattr(told, name))
                           for name, _ in SamplerReport._fields_[1:])

    def sample_classes(self, n=1, seed=1, *, first_row=0):
        """The classes of the rows that sample() draws, of a model that has classes."""
        out = np.empty(int(n), dtype=np.int64)
        _library.quick(lib.lk_model_sample_classes, self._pointer, int(seed), first_row, len(out), out.ctypes.data)
        return np.array(self.classes)[out]

    def _position(self, feature):
        if isinstance(feature, str):
            if feature not in self.features:
                raise ArgumentError("there is no feature %s; the features are %s" % (feature, ", ".join(self.features[:20])))
            return self.features.index(feature)
        return range(len(self.features))[feature]

    def _positions(self, features):
        features = [features] if isinstance(features, (str, int, np.integer)) else features
        return np.array([self._position(f) for f in features], dtype=np.int64)

    def predict(self, x, target=None, quantiles=None):
        """What the others tell of some features: mean, sd and, where asked for, quantiles, each rows (x targets, if several). target:
        a name, a position or several; its own values are not looked at. Without target: the classes of a model that has some."""
        if target is None and self.target is not None:
            target = self.target
        if target is None:
            if self.classes is None:
                raise ArgumentError("say which feature to predict: target= one of %s%s"
                                    % (", ".join(self.features[:20]), "; cluster() tells the group of each row" if self.groups else ""))
            found = self.responsibilities(x)
            return np.array(self.classes)[np.nan_to_num(found).argmax(axis=1)]
        several = not isinstance(target, (str, int, np.integer))
        targets = self._positions(target)
        levels = np.atleast_1d(np.asarray([] if quantiles is None else quantiles, dtype=np.float64))
        rows = self._rows_but(x, targets)
        out = np.empty((len(rows), len(targets), 2 + len(levels)))
        _library.call(lib.lk_model_predict, self._pointer, rows.ctypes.data, len(rows), targets.ctypes.data, len(targets),
                      levels.ctypes.data, len(levels), out.ctypes.data)
        out = out if several else out[:, 0]
        answer = Result(mean=out[..., 0], sd=out[..., 1])
        if quantiles is not None:
            answer["quantiles"] = out[..., 2:] if np.ndim(quantiles) else out[..., 2]
        return answer

    def _rows_but(self, x, targets):
        """Rows whose targets may be absent: arrays without those columns, frames without those names."""
        others = [f for j, f in enumerate(self.features) if j not in targets]
        names = None if isinstance(x, np.ndarray) else getattr(x, "columns", None) if hasattr(x, "iloc") else \
            x.names if isinstance(x, Table) else list(x) if isinstance(x, dict) else None
        if names is not None and not all(f in [str(n) for n in names] for f in self.features) or \
                names is None and np.ndim(x) == 2 and np.shape(x)[1] == len(others) and others:
            some = rows_of(x, others)
            rows = np.full((len(some), len(self.features)), np.nan)
            rows[:, [j for j in range(len(self.features)) if j not in targets]] = some
            return rows
        return self._rows(x)

    def impute(self, x, draws=None, *, seed=1, return_sd=False):
        """Rows with their missing values filled by conditional means, and with return_sd the standard deviations; or with draws, rows x
        draws x features, filled by joint draws."""
        rows = self._rows(x)
        if draws is not None:
            out = np.empty((len(rows), int(draws), len(self.features)))
            _library.call(lib.lk_model_impute_draws, self._pointer, rows.ctypes.data, len(rows), int(seed), 0, int(draws),
                          out.ctypes.data)
            return out
        mean, sd = np.empty_like(rows), np.empty_like(rows) if return_sd else None
        _library.call(lib.lk_model_impute, self._pointer, rows.ctypes.data, len(rows), mean.ctypes.data,
                      sd.ctypes.data if return_sd else None)
        return (mean, sd) if return_sd else mean

    def detect(self, x, reference=None, *, draws=None, seed=1, rate=None, fdr=None):
        """How strange each row is: score (-log density), p, the share of reference rows at least as strange, and flag, p at most `rate`
        or by Benjamini and Hochberg at `fdr`. reference: rows that the model was not fitted to; without, those that a fit with
        calibrate kept, else draws of the model."""
        if rate is not None and fdr is not None:
            raise ArgumentError("rate and fdr are both given; give one of them")
        table = None if reference is None else table_of(reference)
        chosen = options(DetectOptions, calibrate=None if table is None else table._pointer, draws=draws, seed=int(seed))
        rows = self._rows(x)
        score, p = np.empty(len(rows)), np.empty(len(rows))
        detector = _library.pointer_of(lib.lk_detector_new, self._pointer, ctypes.byref(chosen))
        try:
            _library.call(lib.lk_detector_rows, detector, rows.ctypes.data, len(rows), score.ctypes.data, p.ctypes.data)
            count = ctypes.c_int64()
            kind = lib.lk_detector_reference(detector, ctypes.byref(count))
        finally:
            lib.lk_detector_free(_library.context().value, detector)
        answer = Result(score=score, p=p)
        threshold = rate
        if fdr is not None:
            found = ctypes.c_double()
            _library.quick(lib.lk_false_discovery_threshold, p.ctypes.data, len(p), float(fdr), ctypes.byref(found))
            threshold = found.value
        if threshold is not None:
            answer["flag"] = (p <= threshold) & (p > 0)
            answer["threshold"] = float(threshold)
        answer["reference"] = ("rows", "kept rows", "draws")[kind]
        answer["reference_rows"] = count.value
        return answer

    def modes(self, x=None):
        """The peaks of the density, the highest first: x, log_density, mass (share of the rows whose ascent ends there), decrement and
        curvature (certificates), of_rows and of_groups. x: rows that ascents begin from, beside the groups' centres; 1000 draws of the
        model if none are given."""
        rows = self._rows(self.sample(1000) if x is None else x)
        address = _library.pointer_of(lib.lk_model_modes, self._pointer, rows.ctypes.data, len(rows))
        try:
            m = Modes.from_address(address)
            answer = Result(x=array_at(m.x, (m.count, len(self.features))))
            for name in ("log_density", "mass", "mass_error", "decrement", "curvature"):
                answer[name] = array_at(getattr(m, name), (m.count,))
            answer["of_rows"] = array_at(m.of_rows, (m.rows,), np.int64)
            answer["of_groups"] = array_at(m.of_groups, (m.groups,), np.int64)
            answer["lost"] = m.lost
        finally:
            lib.lk_modes_free(address)
        return answer

    def denoise(self, x, sigma, return_sd=False):
        """Rows before normal noise of standard deviation sigma was added to them (Tweedie's formula): the mean, and with return_sd its
        standard deviation."""
        rows, sigma = self._rows(x), self._sigma(sigma)
        mean, sd = np.empty_like(rows), np.empty_like(rows) if return_sd else None
        _library.call(lib.lk_model_denoise, self._pointer, sigma.ctypes.data, rows.ctypes.data, len(rows), mean.ctypes.data,
                      sd.ctypes.data if return_sd else None)
        return (mean, sd) if return_sd else mean

    # ---- models from it ----

    def _sigma(self, sigma):
        return np.ascontiguousarray(np.broadcast_to(np.asarray(sigma, dtype=np.float64), (len(self.features),)))

    def smooth(self, sigma):
        """The model of its rows with normal noise of standard deviation sigma added (one number, or one a feature)."""
        sigma = self._sigma(sigma)
        return Model._of(_library.pointer_of(lib.lk_model_smooth, self._pointer, sigma.ctypes.data))

    def marginal(self, features):
        """The distribution of some features, as a model."""
        positions = self._positions(features)
        return Model._of(_library.pointer_of(lib.lk_model_marginal, self._pointer, positions.ctypes.data, len(positions)))

    def condition(self, given):
        """The distribution of the other features given values of some, as a model: condition({"x": 1.5, "y": 2})."""
        positions = self._positions(list(given))
        values = np.array([float(v) for v in given.values()])
        return Model._of(_library.pointer_of(lib.lk_model_condition, self._pointer, positions.ctypes.data, values.ctypes.data,
                                             len(positions)))

    # ---- how far to trust it ----

    def evaluate(self, data, weight=None):
        """How well it predicts rows: mean log density with its standard error, coverage of its regions, uniformity of P(X <= x)
        (pit_ks, pit_mean, pit_sd, one a feature); of a model with classes also accuracy, log loss and Brier score."""
        table = table_for(data, self)
        e = options(Evaluation)
        _library.call(lib.lk_model_evaluate, self._pointer, table._pointer, encoded(weight), ctypes.byref(e))
        d = len(self.features)
        return Result((name, taken_over(getattr(e, name), (d,)) if name.startswith("pit") else getattr(e, name))
                      for name, _ in Evaluation._fields_[1:])

    def intervals(self, data, *, weight=None, level=0.95, method="information", draws=None, seed=1):
        """Standard error and interval of each parameter: a list of results with name, group, row, column, estimate, standard_error, lower,
        upper. method: information, bootstrap or weighted (bootstrap by random weights)."""
        methods = ["information", "bootstrap", "weighted"]
        if method not in methods:
            raise ArgumentError("method is %s; it must be one of %s" % (method, ", ".join(methods)))
        table = table_for(data, self)
        chosen = options(IntervalOptions, weight=weight, level=level, method=methods.index(method), draws=draws, seed=int(seed))
        found = options(Intervals)
        _library.call(lib.lk_model_intervals, self._pointer, table._pointer, ctypes.byref(chosen), ctypes.byref(found))
        answer = [fields(found.items[i]) for i in range(found.count)]
        lib.lk_free(_library.context().value, ctypes.cast(found.items, ctypes.c_void_p))
        return answer

    def stability(self, data, *, weight=None, share=None, draws=None, seed=1):
        """How well its groups are found again in resampled rows."""
        table = table_for(data, self)
        chosen = options(StabilityOptions, weight=weight, share=share, draws=draws, seed=int(seed))
        found = options(Stability)
        _library.call(lib.lk_model_stability, self._pointer, table._pointer, ctypes.byref(chosen), ctypes.byref(found))
        groups = [fields(found.groups[i], skip=()) for i in range(found.count)]
        lib.lk_free(_library.context().value, ctypes.cast(found.groups, ctypes.c_void_p))
        return Result(fields(found, skip=("size", "groups", "count")), groups=groups)

    def importance(self, data, target=None, *, weight=None, repeats=None, seed=1):
        """Which features a prediction rests on: a list of results with feature, drop (nats a row lost where its values are exchanged among
        the rows) and standard_error. target: a feature, or the label's name; without, the class or the model's own target."""
        table = table_for(data, self)
        chosen = options(ImportanceOptions, target=encoded(target), weight=weight, repeats=repeats, seed=int(seed))
        items, count = ctypes.c_void_p(), ctypes.c_int64()
        _library.call(lib.lk_model_importance, self._pointer, table._pointer, ctypes.byref(chosen), ctypes.byref(items), ctypes.byref(count))
        found = [fields(one, skip=()) for one in ctypes.cast(items, ctypes.POINTER(Importance))[:count.value]]
        lib.lk_free(_library.context().value, items)
        for one in found:
            one["feature"] = self.features[one["feature"]]
        return found

    def report(self, data, path=None, *, title=None, name=None, features=None, id=None, held_out=None, points=None, strange=None, weight=None,
               seed=1):
        """One self-contained HTML page about the model and its data. With path it is written there, else given as text. name: what the data
        are called; held_out: rows that the model was not fitted to, by which it is judged; weight: the column of weights in data."""
        table, kept = table_for(data, self), None if held_out is None else table_for(held_out, self)
        if name is None and isinstance(data, (str, os.PathLike)):
            name = os.path.basename(os.fspath(data))
        chosen = options(ReportOptions, title=title, data=name, features=listed(features), id=encoded(id), points=points, strange=strange,
                         held_out=None if kept is None else kept._pointer, weight=encoded(weight), seed=int(seed))
        if path is None:
            return _library.text_of(lib.lk_report_html, self._pointer, table._pointer, ctypes.byref(chosen), run=_library.call)
        return _library.call(lib.lk_report_write, self._pointer, table._pointer, ctypes.byref(chosen), os.fsencode(path))

    def export(self, path, format="c", prefix=None):
        """Writes it for another program: c (a C99 file without dependencies), json, sklearn-json, sklearn-npz, mclust-json, mclust-r."""
        if format not in EXPORTS:
            raise ArgumentError("format is %s; it must be one of %s" % (format, ", ".join(EXPORTS)))
        _library.call(lib.lk_model_export, self._pointer, EXPORTS.index(format), encoded(prefix), os.fsencode(path))

    def __repr__(self):
        return "<likely.Model %s of %d features: %s>" % (self.method, len(self.features), ", ".join(self.features[:8]) +
                                                         (", ..." if len(self.features) > 8 else ""))

    def summary(self):
        """What was fitted, and how far to trust it, as text."""
        from ._display import summary
        return summary(self)

    def _repr_html_(self):
        from ._display import html
        return html(self)


def fields(structure, skip=("size",)):
    """A structure of the library as a result."""
    return Result((name, value.decode() if isinstance(value, bytes) else value)
                  for name, value in ((n, getattr(structure, n)) for n, _ in structure._fields_ if n not in skip))


def encoded(text):
    return None if text is None else str(text).encode()


def table_for(data, model):
    """Data as a table that has a model's features by name, if need be in order."""
    if isinstance(data, np.ndarray):
        array = rows_of(data, model.features)
        return Table._of([Column(name, array[:, j]) for j, name in enumerate(model.features)])
    return table_of(data)


def model_of(model):
    """The model of a model, a fitted estimator or a path."""
    if isinstance(model, Model):
        return model
    if hasattr(model, "model_"):
        return model.model_
    if isinstance(model, (str, os.PathLike)):
        return Model(model)
    raise ArgumentError("%r is no model: give a model, a fitted estimator or the path of a model file" % (model,))


def fit(data, model=None, *, features=None, label=None, weight=None, partition=None, ignore=None, start=None, seed=1, transform=None,
        holdout=None, folds=None, calibrate=None, priors=None, target=None, **parameters):
    """Learns a distribution from data, as the command's fit does, and gives a Model.

    data: an array, a frame, anything with Arrow's C stream, a dictionary of columns, or the path of a file.
    model: the method, one of likely.methods(); **parameters are the method's own.
    features, label, weight, partition, ignore: columns by name, or by 1-based position; partition is where the groups begin.
    transform: such as "log,standardize", or "log:price". holdout, folds: report held-out likelihood. calibrate: a share of rows kept
    for detect(). priors: with label, data, equal or a list. target: for a method that predicts one feature from the others."""
    table = table_of(data)
    chosen = fit_options(parameters, features=features, label=label, weight=weight, partition=partition, ignore=ignore, start=start,
                         seed=seed, transform=listed(transform), holdout=holdout, folds=folds, calibrate=calibrate, priors=listed(priors),
                         target=target)
    return fitted(table, model, chosen)


def fitted(table, method, chosen):
    made = Model._of(_library.pointer_of(lib.lk_model_fit, encoded(method), table._pointer, ctypes.byref(chosen)))
    if not made.trusted:
        info = made.info()
        reason = info.get("degenerate") or "it did not converge in %s iterations" % info.get("iterations")
        _library.warn("the fit is not to be trusted: %s" % reason, untrusted_category())
    return made


def untrusted_category():
    return peer_class("sklearn.exceptions", "ConvergenceWarning", NotTrustedWarning)


PEERS = {}


def peer_class(module, name, ours):
    """Our class, which is also that of a library that is loaded, so that its users' handlers match."""
    import sys
    theirs = getattr(sys.modules.get(module), name, None)
    if theirs is None:
        return ours
    if (ours, name) not in PEERS:
        PEERS[ours, name] = type(name, (ours, theirs), {"__module__": ours.__module__, "__doc__": ours.__doc__})
    return PEERS[ours, name]


def build(parameters, model=None, **settings):
    """A Model from given parameters instead of data: for gmm a dictionary (or JSON) of weights, means and covariances."""
    text = parameters if isinstance(parameters, str) else json.dumps(parameters, default=lambda a: np.asarray(a).tolist())
    return Model._of(_library.pointer_of(lib.lk_model_build, encoded(model), text.encode(), settings_of(settings)))


def load(path):
    """Reads a model file."""
    return Model(path)


def is_model(thing):
    return isinstance(thing, Model) or hasattr(thing, "model_") or isinstance(thing, (str, os.PathLike)) and os.fspath(thing).endswith(".lk")


def compare(a, b, *, draws=None, seed=1, **test):
    """How far apart two models are (or fitted estimators, or paths of .lk files): divergences kl, kl_reverse and js with estimate, error
    and bounds, l2, wasserstein, and which components belong together (plan, distances).

    Or whether two data sets have the same distribution: p, statistic, effect, and where they differ (by_feature, witness). test: how, by
    test, kernel, bandwidth, features, ignore, unscaled, permutations, slices, blocks, as `likely help compare` has them."""
    if not is_model(a) and not is_model(b):
        return same_distribution(a, b, dict(test, seed=int(seed)))
    if not is_model(a) or not is_model(b):
        raise ArgumentError("one is a model and one data: compare two models, or two data sets")
    if test:
        raise ArgumentError("%s: options of a test of two data sets; these are models" % ", ".join(test))
    a, b = model_of(a), model_of(b)
    chosen, found = options(CompareOptions, draws=draws, seed=int(seed)), options(Comparison)
    _library.call(lib.lk_model_compare, a._pointer, b._pointer, ctypes.byref(chosen), ctypes.byref(found))
    shape = (found.components_a, found.components_b)
    answer = fields(found, skip=("size", "plan", "distances", "components_a", "components_b"))
    for name in ("kl", "kl_reverse", "js"):
        answer[name] = fields(answer[name])
    answer["plan"], answer["distances"] = taken_over(found.plan, shape), taken_over(found.distances, shape)
    return answer


def same_distribution(a, b, test):
    known = [name for name, _ in TestOptions._fields_[1:]]
    for name in test:
        if name not in known:
            raise ArgumentError("a test has no %s; it has %s" % (name, ", ".join(known)))
    for name in ("bandwidth", "features", "ignore"):
        if test.get(name) is not None:
            test[name] = setting_text(test[name])
    a, b, chosen = table_of(a), table_of(b), options(TestOptions, **test)
    pointer = _library.pointer_of(lib.lk_test_two_samples, a._pointer, b._pointer, ctypes.byref(chosen))
    try:
        return Result(json.loads(_library.text_of(lib.lk_test_info, pointer)))
    finally:
        lib.lk_test_free(_library.context().value, pointer)


def select(data, count=None, *, method=None, kernel=None, bandwidth=None, split=None, uniform=False, model=None, features=None,
           discrepancy=None, seed=1, **others):
    """Fewer rows with the same distribution: rows (their numbers), weights, and how it was done and how good it is. Methods, kernels and
    their other options (such as clusters, loss, lambda) are those of `likely help select`."""
    known = [name for name, _ in SelectOptions._fields_[1:]]
    for name in others:
        if name not in known:
            raise ArgumentError("select has no %s; it has %s" % (name, ", ".join(known)))
    table = table_of(data)
    chosen = options(SelectOptions, count=count, method=method, kernel=kernel, split=split, uniform=int(uniform), features=listed(features),
                     bandwidth=None if bandwidth is None else setting_text(bandwidth), seed=int(seed),
                     model=None if model is None else model_of(model)._pointer,
                     discrepancy=None if discrepancy is None else 1 if discrepancy else -1, **others)
    pointer = _library.pointer_of(lib.lk_select, table._pointer, ctypes.byref(chosen))
    try:
        rows, weights = ctypes.c_void_p(), ctypes.c_void_p()
        count = lib.lk_selection_rows(pointer, ctypes.byref(rows), ctypes.byref(weights))
        info = json.loads(_library.text_of(lib.lk_selection_info, pointer))
        found = array_at(rows.value, (count,), np.int64), array_at(weights.value, (count,))
    finally:
        lib.lk_selection_free(_library.context().value, pointer)
    info["row_count"] = info.pop("rows", None)
    return Result(info, rows=found[0], weights=found[1])


def lrt(data, components, model=None, *, draws=None, alpha=0.05, seed=1, features=None, weight=None, transform=None, **parameters):
    """Likelihood-ratio tests of each number of components against the next, by parametric bootstrap: components="1..4"."""
    table = table_of(data)
    fitting = fit_options(dict(parameters, components=components), features=features, weight=weight, seed=seed, transform=listed(transform))
    chosen, found = options(RatioOptions, draws=draws, alpha=alpha), options(RatioTest)
    _library.call(lib.lk_model_ratio_test, encoded(model), table._pointer, ctypes.byref(fitting), ctypes.byref(chosen), ctypes.byref(found))
    steps = [fields(found.steps[i], skip=()) for i in range(found.count)]
    lib.lk_free(_library.context().value, ctypes.cast(found.steps, ctypes.c_void_p))
    return Result(components=found.components, ended=bool(found.ended), trusted=bool(found.trusted), steps=steps)


def describe(data):
    """What the columns of data hold."""
    return table_of(data).describe()


def merged(data):
    """Columns of data that further ones can be appended to, and whether they have names."""
    if isinstance(data, Table):
        if data._kept is None:  # of a file
            kinds = list(zip(data.names, data.types))
            return [Column(name, data.numbers([j])[:, 0], data.levels(j) if kind == "category" else None) if kind != "text" else
                    array_column(name, data[j]) for j, (name, kind) in enumerate(kinds)]
        return [Column(c.name, c.values, c.levels) for c in data._kept]
    return columns_of(data)
