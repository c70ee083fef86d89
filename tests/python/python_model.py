"""The Python package against closed forms, and against the command on the same data: every verb, errors, pickles, threads, interrupts."""
import copy
import os
import pickle
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import warnings

from python_check import faithful, main, scaled, source

import numpy as np

import likely

COMMAND = os.environ.get("LIKELY")


def normal(rows=2000, seed=3):
    """Rows of a correlated normal distribution, and the model fitted to them."""
    g = np.random.default_rng(seed)
    x = g.normal(size=(rows, 3)) @ np.array([[1, .5, 0], [0, 1, -.3], [0, 0, 2]]) + [1, 2, 3]
    return x, likely.fit(x, "gmm", components=1)


def normal_log_density(x, mean, covariance):
    z = x - mean
    return -.5 * (np.einsum("ij,jk,ik->i", z, np.linalg.inv(covariance), z) + np.log(np.linalg.det(2 * np.pi * covariance)))


class Answers(unittest.TestCase):
    """One normal component is the maximum-likelihood normal, whose every answer has a closed form."""

    @classmethod
    def setUpClass(cls):
        cls.x, cls.model = normal()
        cls.mean, cls.covariance = cls.x.mean(axis=0), np.cov(cls.x.T, bias=True)

    def test_density_and_gradient(self):
        at = self.x[:50]
        np.testing.assert_allclose(self.model.density(at), normal_log_density(at, self.mean, self.covariance), rtol=1e-12)
        np.testing.assert_allclose(self.model.score(at), -(at - self.mean) @ np.linalg.inv(self.covariance), rtol=1e-9, atol=1e-12)
        smoothed = self.covariance + np.diag([.25, .25, .25])
        np.testing.assert_allclose(self.model.density(at, sigma=.5), normal_log_density(at, self.mean, smoothed), rtol=1e-12)

    def test_marginal_condition_predict_impute(self):
        m, S = self.mean, self.covariance
        marginal = self.model.marginal(["x3", 0])
        self.assertEqual(marginal.features, ["x3", "x1"])
        np.testing.assert_allclose(marginal.density(self.x[:9, [2, 0]]),
                                   normal_log_density(self.x[:9, [2, 0]], m[[2, 0]], S[np.ix_([2, 0], [2, 0])]), rtol=1e-12)
        gain = S[2, :2] @ np.linalg.inv(S[:2, :2])
        sd = np.sqrt(S[2, 2] - gain @ S[:2, 2])
        at = self.x[:20].copy()
        mean = m[2] + (at[:, :2] - m[:2]) @ gain
        told = self.model.predict(at, "x3", quantiles=[.5, .975])
        np.testing.assert_allclose(told.mean, mean, rtol=1e-10)
        np.testing.assert_allclose(told.sd, sd, rtol=1e-10)
        np.testing.assert_allclose(told.quantiles[:, 1], mean + 1.959963984540054 * sd, rtol=1e-6)
        np.testing.assert_array_equal(self.model.predict(at[:, :2], 2).mean, told.mean)  # the target's column may be absent
        at[:, 2] = np.nan
        filled, spread = self.model.impute(at, return_sd=True)
        np.testing.assert_allclose(filled[:, 2], mean, rtol=1e-10)
        np.testing.assert_allclose(spread, np.column_stack([np.zeros((20, 2)), np.full(20, sd)]), rtol=1e-10)
        draws = self.model.impute(at[:1], draws=scaled(20000, 5000))
        self.assertEqual(draws.shape[2], 3)
        self.assertLess(abs(draws[0, :, 2].mean() - mean[0]), 5 * sd / np.sqrt(draws.shape[1]))
        given = self.model.condition({"x1": at[0, 0], "x2": at[0, 1]})
        self.assertEqual(given.features, ["x3"])
        np.testing.assert_allclose(given.density([[1.0]]), normal_log_density(np.array([[1.0]]), mean[:1], np.array([[sd ** 2]])),
                                   rtol=1e-10)

    def test_samples(self):
        n = scaled(40000, 10000)
        draws = self.model.sample(n, seed=5)
        error = np.sqrt(np.diag(self.covariance) / n)
        self.assertTrue((abs(draws.mean(axis=0) - self.mean) < 5 * error).all())
        np.testing.assert_array_equal(self.model.sample(10, seed=5, first_row=100), draws[100:110])
        self.assertFalse((self.model.sample(5, seed=6) == draws[:5]).any())
        given = self.model.sample(20, given={"x1": 0})
        self.assertEqual(given.shape, (20, 2))
        by_score, told = self.model.sample(50, method="heun", steps=20, report=True)
        self.assertEqual(told.method, "heun")
        with self.assertRaisesRegex(ValueError, "a sampler has no stepz"):
            self.model.sample(5, stepz=3)
        self.assertEqual(by_score.shape, (50, 3))

    def test_modes_denoise_cdf(self):
        modes = self.model.modes()
        np.testing.assert_allclose(modes.x, self.mean[None], rtol=1e-8)
        S = self.covariance
        noisy = self.x[:5]
        expected = self.mean + (noisy - self.mean) @ (S @ np.linalg.inv(S + .09 * np.eye(3))).T
        np.testing.assert_allclose(self.model.denoise(noisy, .3), expected, rtol=1e-9)
        self.assertEqual(self.model.cdf(self.mean[None]).round(12).tolist(), [[.5, .5, .5]])

    def test_missing_values_are_marginalized(self):
        at = self.x[:4].copy()
        at[:, 1] = np.nan
        np.testing.assert_allclose(self.model.density(at), normal_log_density(at[:, [0, 2]], self.mean[[0, 2]],
                                                                              self.covariance[np.ix_([0, 2], [0, 2])]), rtol=1e-12)

    def test_detect(self):
        new = self.x[:300] + 0
        told = self.model.detect(new, reference=self.x[1000:], rate=.05)
        reference = self.model.density(self.x[1000:])
        expected = np.array([(1 + (reference <= s).sum()) / (len(reference) + 1) for s in self.model.density(new)])
        np.testing.assert_allclose(told.p, expected, rtol=1e-15)
        np.testing.assert_array_equal(told.flag, told.p <= .05)
        self.assertEqual((told.reference, told.reference_rows), ("rows", 1000))
        self.assertFalse(self.model.detect(new[:5] , self.x[1000:], fdr=1e-9).flag.any())

    def test_compare(self):
        a = likely.build({"weights": [1], "means": [[0, 0]], "covariances": [[[1, 0], [0, 1]]]})
        b = likely.build({"weights": [1], "means": [[1, 0]], "covariances": [[[1, 0], [0, 1]]]}, "gmm")
        told = likely.compare(a, b, draws=1000)
        self.assertAlmostEqual(told.kl.lower, .5, 9)  # of unit normals: half the squared distance
        self.assertAlmostEqual(told.wasserstein, 1, 9)
        np.testing.assert_allclose(told.plan, [[1]])
        same = likely.compare(self.x[:300], self.x[300:600], permutations=99)
        moved = likely.compare(self.x[:300], self.x[300:600] + [.8, 0, 0], permutations=99)
        self.assertGreater(same.p, .05)
        self.assertLess(moved.p, .05)
        with self.assertRaisesRegex(ValueError, "compare two models, or two data sets"):
            likely.compare(a, self.x)

    def test_report_and_importance(self):
        drops = {one.feature: one.drop for one in self.model.importance(self.x, "x2", repeats=2)}
        self.assertGreater(drops["x1"], 10 * abs(drops.get("x2", 0)))
        try:
            page = self.model.report(self.x, title="three <columns>")
        except likely.UnavailableError:
            self.skipTest("skipped: this build holds no page (Node.js was absent)")
        self.assertIn("three &lt;columns>", page.replace("&gt;", ">"))
        self.assertTrue(page.lower().startswith("<!doctype html"))

    def test_evaluate_and_intervals(self):
        told = self.model.evaluate(self.x)
        self.assertAlmostEqual(told.mean_log_density, self.model.density(self.x).mean(), 10)
        self.assertEqual(told.pit_mean.shape, (3,))
        intervals = self.model.intervals(self.x)
        means = [i for i in intervals if i.name == "mean"]
        np.testing.assert_allclose([i.standard_error for i in means], np.sqrt(np.diag(self.covariance) / len(self.x)), rtol=1e-9)

    def test_select(self):
        told = likely.select(self.x, 50)
        self.assertEqual(told.rows.shape, (50,))
        self.assertAlmostEqual(told.weights.sum(), 1)
        self.assertLess(told.mmd, told.mmd_independent)

    def test_classes(self):
        y = np.where(self.x[:, 0] > 1, "up", "down")
        model = likely.fit({"a": self.x[:, 0], "b": self.x[:, 1], "side": y}, label="side", components=1)
        self.assertEqual(model.classes, ["down", "up"])
        self.assertGreater((model.predict(self.x[:, :2]) == y).mean(), .9)
        self.assertEqual(set(model.sample_classes(50)), {"down", "up"})
        self.assertGreater(model.evaluate({"a": self.x[:, 0], "b": self.x[:, 1], "side": y}).accuracy, .9)

    def test_lrt_stability(self):
        x = faithful()
        told = likely.lrt(x, "1..2", draws=19)
        self.assertEqual(told.components, 2)
        groups = likely.fit(x, components=2).stability(x, draws=5)
        self.assertEqual(len(groups.groups), 2)
        self.assertGreater(groups.rand_mean, .9)


class Layouts(unittest.TestCase):
    def test_structures_are_those_of_the_headers(self):
        """Every ctypes structure has the fields of its C struct: names, order and kinds, read from the headers."""
        import ctypes
        import glob
        import re
        from likely import _library
        text = "".join(open(path, encoding="utf-8").read() for path in glob.glob(source("include", "likely", "*.h")))
        text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
        kinds = {"size_t": ctypes.c_size_t, "int64_t": ctypes.c_int64, "double": ctypes.c_double, "int": ctypes.c_int, "char": ctypes.c_char}
        looked = 0
        for body, name in re.findall(r"typedef struct \w+ \{([^}]*)\} lk_(\w+);", text):
            ours = getattr(_library, "".join(part.capitalize() for part in name.split("_")), None)
            if ours is not None and isinstance(ours, type) and issubclass(ours, ctypes.Structure):
                looked += 1
                fields = [line.strip() for line in body.split(";") if line.strip()]
                self.assertEqual([re.search(r"(\w+)(, \w+)?$", f).group(1) for f in fields], [f[0] for f in ours._fields_], name)
                for field, (_, kind, *_) in zip(fields, ours._fields_):
                    word = field.replace("const ", "").split()[0]
                    if "*" in field:
                        self.assertEqual(ctypes.sizeof(kind), 8, "%s of %s" % (field, name))
                    elif word in kinds:
                        self.assertIs(kind, kinds[word], "%s of %s" % (field, name))
        ours = [n for n, v in vars(_library).items() if isinstance(v, type) and issubclass(v, ctypes.Structure)]
        self.assertEqual(looked, len(ours))


class Files(unittest.TestCase):
    def test_as_the_command(self):
        """The same data, method and seed give the same bytes here and there."""
        if COMMAND is None:
            self.skipTest("skipped: LIKELY names no command")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "there.lk")
            subprocess.run([COMMAND, "fit", source("examples", "data", "faithful.csv"), "-q", "-o", path], check=True)
            here = likely.fit(source("examples", "data", "faithful.csv"))
            with open(path, "rb") as file:
                self.assertEqual(file.read(), here.pack())
            frame = likely.Table(source("examples", "data", "faithful.csv"))
            self.assertEqual(likely.fit(frame.numbers(), features=None).density(faithful()).tolist(), here.density(faithful()).tolist())
            here.save(os.path.join(folder, "here.lk"))
            told = subprocess.run([COMMAND, "density", os.path.join(folder, "here.lk"), source("examples", "data", "faithful.csv")],
                                  check=True, capture_output=True, text=True).stdout.split()[1:]
            self.assertEqual([float(t) for t in told], here.density(faithful()).tolist())

    def test_pickles_and_copies(self):
        model = likely.fit(faithful())
        for again in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model), likely.Model.unpack(model.pack())):
            self.assertEqual(again.pack(), model.pack())
            self.assertEqual(again.density(faithful()).tolist(), model.density(faithful()).tolist())
        with self.assertRaises(likely.FormatError):
            likely.Model.unpack(model.pack()[:-1])
        with self.assertRaises(likely.FormatError):
            likely.Model.unpack(b"")

    def test_export(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model.c")
            likely.fit(faithful(), components=2).export(path)
            with open(path, encoding="utf-8") as file:
                self.assertIn("log_density", file.read())


class Errors(unittest.TestCase):
    def test_texts_arrive(self):
        x = faithful()
        for wrong, error, text in [
                (lambda: likely.fit(x, "gnn"), likely.ArgumentError, 'there is no method "gnn"'),
                (lambda: likely.fit(x, components=0), ValueError, "parameter components of gmm"),
                (lambda: likely.fit(x, componets=3), ValueError, "componets"),
                (lambda: likely.fit("nowhere.csv"), OSError, "nowhere.csv"),
                (lambda: likely.load("nowhere.lk"), likely.FileError, "nowhere.lk"),
                (lambda: likely.fit(np.array([[1.0, np.inf], [2, 3]])), likely.DataError, "row 1, column 'x2' is inf"),
                (lambda: likely.fit(np.zeros((5, 2, 2))), ValueError, "Expected 2D array, got 3D"),
                (lambda: likely.fit(x, components=1).density(x[:, :1]), ValueError, "X has 1 features"),
                (lambda: likely.fit(x, "kde").cluster(x), NotImplementedError, "no groups"),
                (lambda: likely.fit(x, "kde").responsibilities(x), likely.UnsupportedError, "does not offer responsibilities"),
                (lambda: likely.fit(x, components=1).marginal("z"), ValueError, "there is no feature z"),
                (lambda: likely.GMM(components=3).density(x), likely.NotFittedError, "not fitted yet"),
                (lambda: likely.GMM(components="three").fit(x), ValueError, '"three" is not a number such as 3'),
                (lambda: likely.nothing, AttributeError, "the estimators are"),
                (lambda: likely.configure(threads=-3) or likely.fit(x), ValueError, "threads are -3")]:
            with self.assertRaisesRegex(error, text):
                wrong()
            likely.configure(threads=0)

    def test_remarks_are_warnings(self):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            likely.fit(source("examples", "data", "iris.csv"), components=1)
        self.assertEqual([str(w.message) for w in caught], ["1 column left out, not numeric: Species"])
        self.assertEqual(caught[0].filename, __file__)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = likely.fit(faithful(), components=2, max_iter=1, restarts=1, tol=1e-12)
        self.assertFalse(model.trusted)
        self.assertTrue(any(issubclass(w.category, likely.NotTrustedWarning) for w in caught))


class Threads(unittest.TestCase):
    def test_same_bits(self):
        """On one thread and many, alone and beside others."""
        x, model = normal(5000)
        alone = likely.GMM(components=2).fit(x).model_.pack()
        likely.configure(threads=1)
        self.assertEqual(likely.GMM(components=2).fit(x).model_.pack(), alone)
        likely.configure(threads=0)
        found = []
        workers = [threading.Thread(target=lambda: found.append(likely.GMM(components=2).fit(x).model_.pack())) for _ in range(4)]
        for w in workers:
            w.start()
        for w in workers:
            w.join()
        self.assertEqual(found, [alone] * 4)

    def test_the_lock_is_released(self):
        """While a fit runs in one thread, another one counts on."""
        x = np.random.default_rng(1).normal(size=(scaled(40000, 20000), 8))
        fit = threading.Thread(target=lambda: likely.GMM(components=8, restarts=1, max_iter=60, tol=0).fit(x))
        warnings.simplefilter("ignore")
        fit.start()
        steps, last, longest = 0, time.perf_counter(), 0
        while fit.is_alive():
            now = time.perf_counter()
            longest, last, steps = max(longest, now - last), now, steps + 1
            time.sleep(.001)
        self.assertGreater(steps, 20)
        self.assertLess(longest, .2)

    def test_fork(self):
        """A forked child answers and fits, though it has none of its parent's threads."""
        x, model = normal(3000)
        likely.GMM(components=2).fit(x)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(write, b"ok" if likely.GMM(components=1).fit(x).model_.pack() == likely.GMM(components=1).fit(x).model_.pack()
                         else b"no")
            finally:
                os._exit(0)
        os.close(write)
        deadline = time.time() + 60
        while time.time() < deadline and os.waitpid(child, os.WNOHANG) == (0, 0):
            time.sleep(.01)
        answer = os.read(read, 2)
        self.assertEqual(answer, b"ok")

    def test_interrupt(self):
        """Ctrl-C in a long fit, a long density and a long selection comes back within 0.2 s, and the next call works."""
        g = np.random.default_rng(1)
        x = g.normal(size=(60000, 8))
        warnings.simplefilter("ignore")
        small = likely.GMM(components=1).fit(x[:500])
        kernel = likely.KDE().fit(x)
        for work in (lambda: likely.GMM(components=30, restarts=50, tol=0, max_iter=100000).fit(x), lambda: kernel.score_samples(x),
                     lambda: likely.select(x[:15000], 500, method="kernel-thinning")):
            started = threading.Timer(.3, lambda: (moments.append(time.perf_counter()), os.kill(os.getpid(), signal.SIGINT)))
            moments = []
            started.start()
            with self.assertRaises(KeyboardInterrupt):
                work()
                time.sleep(5)
            late = time.perf_counter() - moments[0]
            started.join()
            self.assertLess(late, .2)
            self.assertTrue(np.isfinite(small.score(x[:500])))

    def test_progress(self):
        seen = []
        likely.configure(progress=lambda *report: seen.append(report))
        warnings.simplefilter("ignore")
        likely.GMM(components=5, restarts=2, max_iter=300, tol=0).fit(normal(scaled(20000, 10000))[0])
        likely.configure(progress=False)
        self.assertTrue(seen)
        self.assertTrue(all(isinstance(stage, str) for stage, *_ in seen))


if __name__ == "__main__":
    main()
