"""Data of every kind: arrays in place, pandas frames with categories and gaps, Arrow's C interface both ways, files, dictionaries."""
import ctypes
import gc
import subprocess
import sys
import unittest
import warnings

from python_check import faithful, main, needs, source

import numpy as np

import likely
from likely import _arrow

# A column-store of another hand: float64 in slices, nulls, texts, dictionaries that differ from batch to batch, truth values, views.


def hand_made():
    """A stream of two batches, built here buffer by buffer after the specification."""
    kept = []

    def array(length, nulls, buffers, children=(), dictionary=None, offset=0):
        made = _arrow.fill_array(_arrow.Array(), length, nulls, buffers, children, dictionary)
        made.offset = offset
        return made

    def u8(*values):
        return np.array(values, dtype=np.uint8)

    def batch(numbers, texts, codes, words, flags):
        n = len(codes)
        ends = np.cumsum([0] + [len(t) for t in texts]).astype(np.int32)
        view = np.zeros((n, 16), dtype=np.uint8)
        long = np.frombuffer(b"a text longer than twelve", dtype=np.uint8)
        for i in range(n):
            text = b"short" if i else long.tobytes()
            view[i, :4] = np.frombuffer(np.int32(len(text)).tobytes(), dtype=np.uint8)
            if i:
                view[i, 4:4 + len(text)] = np.frombuffer(text, dtype=np.uint8)
        sizes = np.array([len(long)], dtype=np.int64)
        word_ends = np.cumsum([0] + [len(w) for w in words]).astype(np.int32)
        children = [
            array(n, 0, [None, np.array([-1.0] + numbers)], offset=1),
            array(n, 1, [u8(0b101), np.arange(n, dtype=np.int16)]),
            array(n, 0, [None, ends, np.frombuffer("".join(texts).encode(), dtype=np.uint8)]),
            array(n, -1, [u8(0b011), np.array(codes, dtype=np.int8)],
                  dictionary=array(len(words), 0, [None, word_ends, np.frombuffer("".join(words).encode(), dtype=np.uint8)])),
            array(n, 0, [None, u8(flags)]),
            array(n, 0, [None, view, long, sizes])]
        return array(n, 0, [None], children)

    def get_schema(_, out):
        fields = [(b"x", b"g"), (b"i", b"s"), (b"t", b"u"), (b"c", b"c"), (b"b", b"b"), (b"v", b"vu")]
        children = [_arrow.fill_schema(_arrow.Schema(), f, n, dictionary=_arrow.fill_schema(_arrow.Schema(), b"u") if n == b"c" else None)
                    for n, f in fields]
        _arrow.fill_schema(out.contents, b"+s", children=children)
        return 0

    todo = [lambda: batch([1.5, 2.5, 3.5], ["p", "", "q"], [0, 1, 0], ["red", "blue"], 0b110),
            lambda: batch([4.5, 5.5, 6.5], ["q", "q", "p"], [1, 0, 1], ["blue", "green"], 0b001)]

    def get_next(_, out):
        if todo:
            made = todo.pop(0)()
            ctypes.memmove(out, ctypes.byref(made), ctypes.sizeof(made))
            kept.append(made)
        else:
            ctypes.memset(out, 0, ctypes.sizeof(_arrow.Array))
        return 0

    class Source:
        def __arrow_c_stream__(self, requested_schema=None):
            stream = _arrow.Stream()
            stream.get_schema, stream.get_next = _arrow.GET_SCHEMA(get_schema), _arrow.GET_NEXT(get_next)
            stream.get_last_error, stream.release = _arrow.GET_ERROR(lambda _: None), _arrow.release_stream
            kept.extend([stream, stream.get_schema, stream.get_next, stream.get_last_error])
            return _arrow.capsule_new(ctypes.addressof(stream), b"arrow_array_stream", _arrow.destroy)

    made = Source()
    made.kept = kept
    return made


class Arrays(unittest.TestCase):
    def test_in_place(self):
        """float64 is read where it lies, whatever its strides: the table sees what is written later."""
        for x in (np.arange(12.0).reshape(4, 3), np.asfortranarray(np.arange(12.0).reshape(4, 3)), np.arange(48.0).reshape(8, 6)[::2, ::2],
                  np.arange(12.0).reshape(4, 3)[::-1]):
            table = likely.Table(x)
            np.testing.assert_array_equal(table.numbers(), x)
            x[1, 2] = 77
            self.assertEqual(table.numbers()[1, 2], 77)

    def test_no_copies(self):
        """A fit and answers of 160 MB take less than 40 MB beside them: in a process of its own, by its peak."""
        program = """
import numpy as np, resource, likely
x = np.random.default_rng(1).normal(size=(2500000, 8))
w = np.ones(len(x))
likely.GMM(1).fit(x[:1000]).score_samples(x[:1000])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
likely.GMM(1, seed=2).fit(x, sample_weight=w)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
        told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
        self.assertLess(float(told), 40)

    def test_same_answer_of_any_layout(self):
        x = faithful()
        expected = likely.GMM(2).fit(x).model_.pack()
        frames = [np.asfortranarray(x), np.repeat(x, 2, axis=0)[::2], x.tolist(), x.astype(object)]
        for other in frames:
            self.assertEqual(likely.GMM(2).fit(other).model_.pack(), expected)
        single = likely.GMM(2).fit(x.astype(np.float32))
        self.assertAlmostEqual(single.score(x), likely.GMM(2).fit(x).score(x), 5)
        self.assertEqual(likely.KDE().fit(np.arange(5).reshape(-1, 1)).n_features_in_, 1)

    def test_one_row(self):
        model = likely.fit(faithful(), components=2)
        self.assertEqual(model.density([[4.0, 80.0]]).tolist(), model.density(np.array([[4.0, 80.0]])).tolist())
        self.assertEqual(likely.Table(np.array([[4.0, 80.0]])).numbers().tolist(), [[4.0, 80.0]])
        self.assertEqual(model.density(np.empty((0, 2))).shape, (0,))


class Frames(unittest.TestCase):
    def test_nothing_is_imported(self):
        program = "import sys, likely; assert not {'pandas', 'sklearn', 'pyarrow', 'matplotlib'} & set(sys.modules)"
        subprocess.run([sys.executable, "-c", program], check=True)

    @needs("pandas", "python3-pandas")
    def test_frames(self):
        import pandas as pd
        x = faithful()
        frame = pd.DataFrame(x, columns=["eruptions", "waiting"])
        frame["size"] = pd.Categorical(np.where(x[:, 0] > 3, "long", "short"), categories=["short", "long", "never"])
        frame["n"] = pd.array(np.arange(len(x)), dtype="Int64")
        frame.loc[3, "n"] = pd.NA
        frame.loc[5, "eruptions"] = np.nan
        frame.loc[7, "size"] = None
        table = likely.Table(frame)
        self.assertEqual(table.types, ["real", "real", "category", "real"])
        self.assertEqual(table.levels("size"), ["short", "long", "never"])
        self.assertTrue(np.isnan(table["n"][3]) and np.isnan(table["eruptions"][5]) and table["size"][7] is None)
        pd.testing.assert_frame_equal(table.to_pandas(), frame.astype({"n": "float64"}))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            gmm = likely.GMM(2).fit(frame[["eruptions", "waiting", "size"]])
        self.assertIn("1 column left out, not numeric: size", [str(w.message) for w in caught])
        self.assertEqual(list(gmm.feature_names_in_), ["eruptions", "waiting"])
        filled = gmm.impute(frame[["eruptions", "waiting"]])
        self.assertFalse(np.isnan(filled).any())
        self.assertEqual(gmm.score_samples(frame).shape, (272,))  # other columns do not matter
        self.assertGreater((gmm.predict(frame, target="waiting").mean > 60).sum(), 100)
        classes = likely.GMMClassifier(1).fit(frame.drop(columns="n").dropna(), "size")
        self.assertEqual(list(classes.classes_), ["long", "short"])
        model = likely.fit(frame, label="size", ignore="n", components=1)
        self.assertEqual(model.predict(frame.drop(columns="size")).shape, (272,))
        with self.assertRaisesRegex(ValueError, "eruptions"):
            model.density(frame[["waiting"]])

    @needs("pandas", "python3-pandas")
    def test_frames_in_place(self):
        """Columns of a frame of one dtype are strided views of its block."""
        import pandas as pd
        frame = pd.DataFrame(np.arange(20.0).reshape(5, 4), columns=list("abcd"))
        columns = likely._data.columns_of(frame)
        self.assertTrue(all(np.shares_memory(c.values, frame._mgr.blocks[0].values) for c in columns))

    def test_dictionaries_and_files(self):
        table = likely.Table({"a": [1, 2, 3], "b": ["u", None, "v"], "c": [True, False, True], "d": [1.5, None, 2.5]})
        self.assertEqual(table.types, ["real", "category", "real", "real"])
        self.assertEqual(table["b"].tolist(), ["u", None, "v"])
        iris = likely.Table(source("examples", "data", "iris.csv"))
        self.assertEqual(iris.shape, (150, 5))
        self.assertEqual(iris.levels("Species"), ["setosa", "versicolor", "virginica"])
        self.assertEqual(iris.describe()["rows"], 150)
        for wrong, text in (({"a": [1, 2], "b": [1]}, "column b has 1 values"), ({"a": [[1, 2]]}, "dimensions"),
                            ({"t": np.array(["2020-01-01"], dtype="M8[D]")}, "times"), ({}, "0 feature")):
            with self.assertRaisesRegex(ValueError, text):
                likely.Table(wrong)


class Arrow(unittest.TestCase):
    def test_round_trip(self):
        table = likely.Table({"a": np.arange(20.0), "b": ["u", None, "v", "w"] * 5, "c": [1, None, 3, 4] * 5})

        class Other:  # nothing but the stream
            def __arrow_c_stream__(self, requested_schema=None):
                return table.__arrow_c_stream__()
        again = likely.Table(Other())
        self.assertEqual((again.names, again.types), (table.names, table.types))
        for name in table.names:
            np.testing.assert_array_equal(again[name], table[name])
        self.assertEqual(again.levels("b"), ["u", "v", "w"])
        np.testing.assert_array_equal(likely.KDE().fit({"a": table["a"]}).score_samples(likely.Table({"a": again["a"]})),
                                      likely.KDE().fit(Table_of(again, "a")).score_samples(Table_of(table, "a")))

    def test_in_place_and_released(self):
        """One batch of float64 without nulls is not copied; it is released when the table goes, and all else with it."""
        gc.collect()
        before = len(_arrow.alive)
        table = likely.Table({"a": np.arange(20.0)})
        again = _arrow.read_columns(table)
        self.assertFalse(again[0].values.flags.owndata)
        np.testing.assert_array_equal(again[0].values, np.arange(20.0))
        self.assertGreater(len(_arrow.alive), before)
        del again
        table.__arrow_c_stream__()  # a capsule that nobody takes
        gc.collect()
        self.assertEqual(len(_arrow.alive), before)

    def test_a_stream_by_hand(self):
        table = likely.Table(hand_made())
        self.assertEqual(table.shape, (6, 6))
        np.testing.assert_array_equal(table["x"], [1.5, 2.5, 3.5, 4.5, 5.5, 6.5])
        np.testing.assert_array_equal(table["i"], [0, np.nan, 2, 0, np.nan, 2])
        self.assertEqual(table["t"].tolist(), ["p", "", "q", "q", "q", "p"])
        self.assertEqual(table["c"].tolist(), ["red", "blue", None, "green", "blue", None])
        np.testing.assert_array_equal(table["b"], [0, 1, 1, 1, 0, 0])
        self.assertEqual(table["v"].tolist(), ["a text longer than twelve", "short", "short"] * 2)

    def test_refused(self):
        class Times:
            def __arrow_c_stream__(self, requested_schema=None):
                raise OverflowError("theirs")
        with self.assertRaises(OverflowError):
            likely.Table(Times())

    @needs("duckdb", "duckdb of PyPI")
    def test_duckdb(self):
        import duckdb
        found = likely.Table(duckdb.sql("select range::double as x, case when range % 3 = 0 then null else 'k' || (range % 2) end as k "
                                        "from range(5000)"))
        self.assertEqual((found.shape, found.types), ((5000, 2), ["real", "category"]))
        np.testing.assert_array_equal(found["x"], np.arange(5000))
        self.assertEqual(found["k"][:5].tolist(), [None, "k1", "k0", None, "k0"])
        table = likely.Table({"a": np.arange(10.0), "b": ["u", None] * 5})
        self.assertEqual(duckdb.sql("select sum(a), count(b) from table").fetchall(), [(45.0, 5)])


def Table_of(table, name):
    return likely.Table({name: table[name]})


if __name__ == "__main__":
    main()
