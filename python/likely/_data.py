"""From Python's data to the library's tables and arrays: NumPy in place, pandas frames, Arrow, dictionaries, files."""
import ctypes
import os
import sys

import numpy as np

from . import _library
from ._library import ArgumentError, ArrayColumn, DataError, ReadOptions, lib, options

REAL, INTEGER, CATEGORY, TEXT = range(4)


class Column:
    """Values as float64 (NaN = missing) with a name; of a category the numbers of its levels."""

    __slots__ = ("name", "values", "levels")

    def __init__(self, name, values, levels=None):
        self.name, self.values, self.levels = name, values, levels


def number_column(name, values):
    """In place where the values are float64 already, whatever their stride."""
    values = np.asarray(values)
    if values.dtype.kind == "c":
        raise DataError("Complex data not supported: column %s" % name)
    values = np.asarray(values, dtype=np.float64)
    if values.size > 1 and values.strides[0] % 8 != 0 or not values.flags.aligned:
        values = np.array(values)
    return Column(name, values)


def category_column(name, codes, levels):
    """Codes of -1 are missing values."""
    values = np.asarray(codes, dtype=np.float64)
    if (values < 0).any():
        values = np.where(values < 0, np.nan, values)
    texts = [str(level) for level in levels]
    if len(set(texts)) < len(texts):
        raise DataError("column %s: two of its levels are written alike: %s" % (name, ", ".join(texts[:20])))
    return Column(name, values, texts)


def is_missing(value):
    return value is None or value != value or type(value).__name__ in ("NAType", "NaTType")


def object_column(name, values):
    """Numbers where all are numbers, else a category of the distinct values."""
    values = np.asarray(values, dtype=object)
    present = [v for v in values if not is_missing(v)]
    if present and all(isinstance(v, (int, float, np.number)) and not isinstance(v, bool) for v in present):
        return number_column(name, [np.nan if is_missing(v) else v for v in values])
    levels = {}
    codes = [-1 if is_missing(v) else levels.setdefault(str(v), len(levels)) for v in values]
    order = sorted(levels)
    rank = {level: i for i, level in enumerate(order)}
    of_code = np.array([rank[level] for level in levels] + [-1])
    return category_column(name, of_code[np.asarray(codes, dtype=np.int64)], order)


def array_column(name, values):
    """A column of one-dimensional values of any kind."""
    values = np.asarray(values)
    if values.ndim != 1:
        raise DataError("column %s has %d dimensions; a column has one" % (name, values.ndim))
    if values.dtype.kind in "OUS":
        return object_column(name, values)
    if values.dtype.kind in "mM":
        raise DataError("column %s holds times; give numbers, such as seconds since a moment" % name)
    return number_column(name, values)


def pandas_column(name, series):
    """A column of a pandas frame, told by its dtype without importing pandas."""
    dtype = series.dtype
    if type(dtype).__name__ == "CategoricalDtype":
        return category_column(name, series.cat.codes.to_numpy(), list(dtype.categories))
    if isinstance(dtype, np.dtype):
        return array_column(name, series.to_numpy())
    if getattr(dtype, "_is_numeric", False) or getattr(dtype, "kind", "") in "iufb":
        return number_column(name, series.to_numpy(dtype=np.float64, na_value=np.nan))
    return object_column(name, series.to_numpy(dtype=object))


def is_frame(data):
    """A pandas frame or one that behaves like it."""
    return hasattr(data, "iloc") and hasattr(data, "columns") and hasattr(data, "dtypes")


def is_arrow(data):
    return hasattr(data, "__arrow_c_stream__") or hasattr(data, "__arrow_c_array__")


def refuse_sparse(data):
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise TypeError("sparse input is not supported: dense data is required; convert it by its toarray()")


def columns_of(data):
    """The columns of whatever data are, with names or (for plain arrays) without."""
    refuse_sparse(data)
    if is_frame(data):
        return [pandas_column(str(name), data.iloc[:, i]) for i, name in enumerate(data.columns)]
    if is_arrow(data):
        from ._arrow import read_columns
        return read_columns(data)
    if isinstance(data, dict):
        return [array_column(str(name), values) for name, values in data.items()]
    array = matrix(data)
    return [Column(None, array[:, j]) for j in range(array.shape[1])]


def matrix(data):
    """A two-dimensional float64 array, the data themselves where they are one."""
    array = np.asarray(data)
    if array.dtype.kind == "c":
        raise DataError("Complex data not supported: give real numbers")
    if array.ndim != 2:
        raise DataError("Expected 2D array, got %dD array instead: rows x columns. Reshape your data: one column is x.reshape(-1, 1), "
                        "one row x.reshape(1, -1)" % array.ndim)
    if array.shape[1] == 0:
        raise DataError("Found array with 0 feature(s) (shape=%s) while a minimum of 1 is required." % (array.shape,))
    if array.dtype != np.float64:
        array = array.astype(np.float64)
    if array.size and (not array.flags.aligned or array.strides[0] % 8 or array.strides[1] % 8):
        array = np.array(array)
    return array


class Table:
    """Rows of named columns, as the library sees them: `likely.Table(data)` from an array, a frame, anything with Arrow's C stream, a
    dictionary of columns, or the path of a file. Columns of float64 are not copied. Hands itself on as an Arrow stream."""

    def __init__(self, data, *, format=None, delimiter=None, header=None, na=None, types=None, id=None):
        if isinstance(data, (str, os.PathLike)):
            chosen = options(ReadOptions, format=format, delimiter=delimiter, na=na, types=types, id=id,
                             header=0 if header is None else 1 if header else -1)
            self._pointer = None
            self._pointer = _library.pointer_of(lib.lk_table_read, os.fsencode(data), ctypes.byref(chosen))
            self._kept = None
            return
        if any(option is not None for option in (format, delimiter, header, na, types, id)):
            raise ArgumentError("format, delimiter, header, na, types and id say how a file is read; the data are no path")
        self._take(columns_of(data))

    @classmethod
    def _of(cls, columns):
        table = cls.__new__(cls)
        table._take(columns)
        return table

    def _take(self, columns):
        self._pointer = None
        if not columns:
            raise DataError("Found array with 0 feature(s) (shape=(0, 0)) while a minimum of 1 is required.")
        rows = len(columns[0].values)
        described = (ArrayColumn * len(columns))()
        for c, column in zip(described, columns):
            if len(column.values) != rows:
                raise DataError("column %s has %d values, the first one %d" % (column.name, len(column.values), rows))
            c.name = None if column.name is None else column.name.encode()
            c.values = column.values.ctypes.data
            c.stride = column.values.strides[0] // 8 if rows > 1 else 1
            if column.levels is not None:
                c.type = CATEGORY
                c.levels = (ctypes.c_char_p * max(len(column.levels), 1))(*[level.encode() for level in column.levels])
                c.level_count = len(column.levels)
        if rows == 1 and all(c.name is None for c in columns):  # one row of a matrix is a matrix
            for c in described:
                c.stride = len(columns)
        self._kept = columns
        self._pointer = _library.pointer_of(lib.lk_table_from_columns, described, len(columns), rows)

    def __del__(self):
        if getattr(self, "_pointer", None) and lib is not None:
            lib.lk_table_free(self._pointer)

    def __len__(self):
        return lib.lk_table_rows(self._pointer)

    @property
    def shape(self):
        """Rows and columns."""
        return len(self), lib.lk_table_columns(self._pointer)

    @property
    def names(self):
        """Names of the columns."""
        return [lib.lk_table_name(self._pointer, j).decode() for j in range(self.shape[1])]

    @property
    def types(self):
        """Types of the columns: real, integer, category or text."""
        return [("real", "integer", "category", "text")[lib.lk_table_type(self._pointer, j)] for j in range(self.shape[1])]

    def levels(self, column):
        """Levels of a category column."""
        j = self._position(column)
        return [lib.lk_table_level(self._pointer, j, i).decode() for i in range(lib.lk_table_levels(self._pointer, j))]

    def _position(self, column):
        if isinstance(column, str):
            names = self.names
            if column not in names:
                raise ArgumentError("there is no column %s; the columns are %s" % (column, ", ".join(names)))
            return names.index(column)
        return range(self.shape[1])[column]

    def numbers(self, columns=None):
        """Columns as a float64 array, rows x columns: a category as the numbers of its levels, NaN where a value is missing."""
        positions = range(self.shape[1]) if columns is None else [self._position(c) for c in columns]
        positions = np.array(positions, dtype=np.int64)
        out = np.empty((len(self), len(positions)))
        _library.call(lib.lk_table_gather, self._pointer, 0, len(self), positions.ctypes.data, len(positions), out.ctypes.data)
        return out

    def __getitem__(self, column):
        """One column: float64, or an object array of texts (None = missing) of a category or text column."""
        j = self._position(column)
        values = self.numbers([j])[:, 0]
        if self.types[j] in ("real", "integer"):
            return values
        text = lib.lk_table_level if self.types[j] == "category" else lib.lk_table_text
        number = int if self.types[j] == "category" else float
        found = {}
        out = np.empty(len(values), dtype=object)
        for i, v in enumerate(values):
            if v == v:
                if v not in found:
                    found[v] = (text(self._pointer, j, number(v)) or b"").decode()
                out[i] = found[v]
        return out

    def describe(self):
        """What the columns hold, as a dictionary: types, ranges, missing values, levels, duplicates."""
        import json
        return json.loads(_library.text_of(lib.lk_table_describe, self._pointer))

    def to_pandas(self):
        """A pandas frame."""
        import pandas
        return pandas.DataFrame({name: pandas.Categorical(self[name], categories=self.levels(name)) if kind == "category" else self[name]
                                 for name, kind in zip(self.names, self.types)})

    def __arrow_c_stream__(self, requested_schema=None):
        """The rows as a stream of Arrow's C data interface."""
        from ._arrow import stream_of
        return stream_of(self)

    def __array__(self, dtype=None, copy=None):
        out = self.numbers()
        return out if dtype is None else out.astype(dtype)

    def __repr__(self):
        return "<likely.Table %d x %d: %s>" % (self.shape + (", ".join(self.names[:8]) + (", ..." if self.shape[1] > 8 else ""),))


def table_of(data):
    return data if isinstance(data, Table) else Table(data)


def names_of(data):
    """The column names of data that have some; None of a plain array."""
    if isinstance(data, Table):
        return data.names
    if is_frame(data):
        return [str(name) for name in data.columns]
    if isinstance(data, dict):
        return [str(name) for name in data]
    return None


def fresh(name, taken):
    """A column name that is not taken."""
    while name in taken:
        name += "_"
    return name


def rows_of(data, features):
    """Rows x features, float64 in C order, of any data: by name, or in order where data have no names. The array itself where it is so."""
    if type(data) is np.ndarray:
        if data.ndim != 2 or data.dtype != np.float64 or not data.flags.c_contiguous:
            data = np.ascontiguousarray(matrix(data))
        if data.shape[1] != len(features):
            raise DataError("X has %d features, but the model is expecting %d features as input: %s"
                            % (data.shape[1], len(features), ", ".join(features[:20])))
        return data
    refuse_sparse(data)
    if is_frame(data) or is_arrow(data) or isinstance(data, (dict, Table, str, os.PathLike)):
        if is_frame(data):  # the other columns may be anything
            names = [str(name) for name in data.columns]
            if all(f in names for f in features):
                data = data.iloc[:, [names.index(f) for f in features]]
        table = table_of(data)
        names, types = table.names, table.types
        missing = [f for f in features if f not in names]
        if missing:
            raise DataError("the data have no column %s; they have %s" % (", ".join(missing[:20]), ", ".join(names[:20])))
        wrong = [f for f in features if types[names.index(f)] not in ("real", "integer")]
        if wrong:
            raise DataError("column %s is no number" % ", ".join(wrong[:20]))
        return table.numbers(features)
    return rows_of(np.ascontiguousarray(matrix(data)), features)


def pandas_loaded():
    return sys.modules.get("pandas")
