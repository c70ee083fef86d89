"""The estimators under scikit-learn's conventions: its check_estimator on every one of them, pipelines, searches, weights, criteria."""
import inspect
import os
import pickle
import sys
import unittest
import warnings

from python_check import EFFORT, faithful, main, needs

import numpy as np

import likely


# Parameters under which a method takes scikit-learn's smallest data: a dozen rows, columns of one value within a class.
SMALL = {"bandwidth": 1.0, "steps": 200, "members": 1, "width": 16, "degree": 2}

# Numbers of components among which a mixture chooses there, instead of 1 to 9: of each class, and with less effort of every method.
FEW = range(1, 3)

# What a method refuses to learn from, in its own words, though scikit-learn's checks hold it for learnable: such a check is left out.
REFUSED = ("cannot be halved",                    # a bridge leads from one half of the features to the other: their number is even
           "does not vary", "no finite integral") # an energy model of a column of one value, or of a dozen rows


def refused(error):
    return any(text in "%s %s" % (error, error.__cause__) for text in REFUSED)


def small(cls):
    estimator = cls()
    names = estimator.get_params()
    changed = {k: v for k, v in SMALL.items() if k in names and (k != "bandwidth" or cls.__name__.endswith("Classifier") or
                                                                  names[k] is None)}
    if cls.__name__ == "GMMClassifier" or EFFORT < 1 and "criterion" in names:
        changed["components"] = FEW
    if "insecure_test" in names:  # noise that is never the same twice cannot be checked for sameness; its classes' shares are not its own
        changed.update({"insecure_test": True, "epsilon": 1e6}, **{"priors": "equal"} if "priors" in names else {})
    return estimator.set_params(**changed)


class Checks(unittest.TestCase):
    @needs("sklearn", "python3-sklearn")
    def test_check_estimator(self):
        """Every check of scikit-learn on every estimator of the registry; what it skips it skips by its own rules, and by tags."""
        from sklearn.exceptions import SkipTestWarning
        from sklearn.utils.estimator_checks import check_estimator
        for name, cls in likely._classes.items():
            for estimator, check in check_estimator(small(cls), generate_only=True):
                with self.subTest(name, check=check.func.__name__), warnings.catch_warnings():
                    warnings.simplefilter("ignore", SkipTestWarning)
                    try:
                        check(estimator)
                    except unittest.SkipTest:
                        pass
                    except Exception as error:
                        if not refused(error):
                            raise

    @needs("sklearn", "python3-sklearn")
    def test_names(self):
        """scikit-learn's own check of feature names, which check_estimator leaves out."""
        import sklearn.utils.estimator_checks as checks
        for name, cls in likely._classes.items():
            with self.subTest(name):
                try:
                    checks.check_dataframe_column_names_consistency(name, small(cls))
                except likely.LikelyError as error:
                    if not refused(error):
                        raise


class Conventions(unittest.TestCase):
    def test_signatures(self):
        """Real ones, from the registry: names, defaults, no **kwargs."""
        import json
        for name, cls in likely._classes.items():
            signature = inspect.signature(cls)
            for parameter in cls._method["parameters"]:
                self.assertIn(parameter["name"], signature.parameters, name)
                self.assertIn(parameter["summary"], cls.__doc__)
            self.assertNotIn("kwargs", str(signature))
            self.assertEqual(cls(seed=7).get_params()["seed"], 7)
            with self.assertRaises(TypeError):
                cls(no_such_parameter=1)
            with self.assertRaises(ValueError):
                cls().set_params(no_such_parameter=1)
            json.dumps(cls().get_params())

    def test_criteria(self):
        x = faithful()
        gmm = likely.GMM(components=2).fit(x)
        self.assertAlmostEqual(gmm.bic(x), gmm.bic(), 6)
        self.assertAlmostEqual(gmm.bic(), -gmm.info()["bic"], 6)
        self.assertAlmostEqual(gmm.aic(x), 22 - 2 * gmm.score_samples(x).sum(), 6)
        self.assertLess(gmm.bic(x), likely.GMM(components=1).fit(x).bic(x))
        self.assertAlmostEqual(gmm.score(x), gmm.score_samples(x).mean())
        self.assertEqual(gmm.gradient(x).shape, x.shape)
        np.testing.assert_array_equal(gmm.fit_predict(x), gmm.predict_proba(x).argmax(axis=1))

    def test_sample_weights_are_repeated_rows(self):
        x = faithful()
        w = np.arange(len(x)) % 3
        for cls in likely._classes.values():
            if "sample_weight" not in inspect.signature(cls.fit).parameters or not issubclass(cls, likely._conventions.Density) \
                    or "batch" in cls().get_params():
                continue
            weighted = cls().set_params(**{k: v for k, v in [("components", 2), ("bandwidth", .3)] if k in cls().get_params()})
            repeated = pickle.loads(pickle.dumps(weighted)).fit(np.repeat(x, w, axis=0))
            weighted.fit(x, sample_weight=w)
            if "held_out_choice" in weighted.info():  # chosen by held-out rows, which are drawn by their numbers: repeated ones otherwise
                continue
            with self.subTest(cls.__name__):
                np.testing.assert_allclose(weighted.score_samples(x), repeated.score_samples(x), rtol=1e-5, atol=1e-5)

    def test_pickles(self):
        x = faithful()
        for estimator in (likely.GMM(2), likely.KDE(), likely.GMM(2).fit(x), likely.KDE(bandwidth=[.5, 2]).fit(x),
                          likely.GMMClassifier(1).fit(x, x[:, 0] > 3)):
            again = pickle.loads(pickle.dumps(estimator))
            self.assertEqual(repr(again), repr(estimator))
            if hasattr(estimator, "model_"):
                np.testing.assert_array_equal(again.score_samples(x), estimator.score_samples(x))

    def test_classes_of_any_kind(self):
        x = faithful()
        for y in (x[:, 0] > 3, np.where(x[:, 0] > 3, "long", "short"), (x[:, 0] > 3) * 10 + 5, np.array(["b", None])[[0] * len(x)]):
            model = likely.GMMClassifier(1).fit(x, y)
            np.testing.assert_array_equal(model.classes_, np.unique(y))
            np.testing.assert_array_equal(model.predict(x), y)
            self.assertEqual(model.predict_proba(x).shape, (len(x), len(model.classes_)))
        y = np.arange(len(x)) % 12  # as texts, 10 comes before 2
        np.testing.assert_array_equal(likely.GMMClassifier(1).fit(x, y).classes_, np.arange(12))
        ten = likely.GMMClassifier(1).fit(x + 100 * y[:, None], y)
        np.testing.assert_array_equal(ten.predict(x + 100 * y[:, None]), y)

    def test_absent_target(self):
        """A model that predicts no feature of its own asks for one, and names cluster() where it has groups."""
        x = faithful()
        with self.assertRaisesRegex(likely.ArgumentError, r"target= one of x1, x2; cluster\(\) tells the group of each row$"):
            likely.GMM(2).fit(x).model_.predict(x)
        with self.assertRaisesRegex(likely.ArgumentError, "target= one of x1, x2$"):
            likely.KDE().fit(x).model_.predict(x)

    @needs("sklearn", "python3-sklearn")
    @needs("pandas", "python3-pandas")
    def test_output(self):
        """Distances as a frame: by set_output(), in a pipeline and its clone, by scikit-learn's configuration."""
        import pandas
        import sklearn
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        frame = pandas.DataFrame(faithful(), columns=["eruptions", "waiting"], index=np.arange(272) + 7)
        plain = likely.KMeans(3).fit(frame).transform(frame)
        self.assertIs(type(plain), np.ndarray)
        names = ["kmeans0", "kmeans1", "kmeans2"]
        told = likely.KMeans(3).set_output(transform="pandas").fit_transform(frame)
        pandas.testing.assert_frame_equal(told, pandas.DataFrame(plain, index=frame.index, columns=names))
        piped = make_pipeline(StandardScaler(), likely.KMeans(3)).set_output(transform="pandas")
        for pipeline in (piped, sklearn.clone(piped)):
            found = pipeline.fit_transform(frame)
            self.assertEqual((list(found.columns), list(found.index)), (names, list(frame.index)))
            self.assertEqual(list(pipeline.get_feature_names_out()), names)
        with sklearn.config_context(transform_output="pandas"):
            self.assertEqual(list(likely.KMeans(3).fit(frame).transform(frame).columns), names)
        with self.assertRaises(ValueError):
            likely.KMeans(3).set_output(transform="excel")

    def test_distances(self):
        """KMeans.transform() by its definition; no other estimator is a transformer."""
        x = faithful()
        model = likely.KMeans(3)
        found = model.fit_transform(x, sample_weight=np.arange(len(x)) % 3)
        np.testing.assert_allclose(found, np.sqrt(((x[:, None] - model.cluster_centers_) ** 2).sum(axis=2)), rtol=1e-14)
        np.testing.assert_array_equal(model.transform(x[:5]), found[:5])
        np.testing.assert_array_equal(model.predict(x), found.argmin(axis=1))
        self.assertEqual(model.get_feature_names_out().tolist(), ["kmeans0", "kmeans1", "kmeans2"])
        with self.assertRaisesRegex(likely.UnsupportedError, "pipeline"):
            likely.KMeans(3, feature_transform="standardize").fit_transform(x)
        self.assertEqual([n for n, c in likely._classes.items() if hasattr(c, "transform") or hasattr(c, "fit_transform")], ["KMeans"])

    def test_start_and_partition(self):
        x = faithful()
        first = likely.GMM(2).fit(x)
        again = likely.GMM(2).fit(x, start=first)
        self.assertLessEqual(again.n_iter_, 3)
        parted = likely.GMM(2, restarts=1).fit(x, partition=first.predict(x))
        self.assertAlmostEqual(parted.score(x), first.score(x), 6)

    def test_regression(self):
        x = faithful()
        net = likely.Net(layers=0, members=1, steps=1500).fit(x[:, :1], x[:, 1])
        self.assertGreater(net.score(x[:, :1], x[:, 1]), .75)
        mean, sd, quantiles = net.predict(x[:5, :1], return_std=True, quantiles=[.05, .95])
        self.assertTrue((quantiles[:, 0] < mean).all() and (mean < quantiles[:, 1]).all() and (sd > 0).all())
        self.assertEqual(net.density(x[:5, :1], x[:5, 1]).shape, (5,))


class Tools(unittest.TestCase):
    @needs("sklearn", "python3-sklearn")
    def test_pipeline_and_searches(self):
        from sklearn.base import clone
        from sklearn.model_selection import GridSearchCV, cross_val_score
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        x = faithful()
        search = GridSearchCV(likely.GMM(), {"components": [1, 2, 3], "covariance": ["full", "diag"]}, cv=3).fit(x)
        self.assertIn(search.best_params_["components"], (2, 3))
        pipe = make_pipeline(StandardScaler(), likely.KDE())
        best = GridSearchCV(pipe, {"kde__bandwidth": [.01, .3, 10.0]}, cv=3).fit(x)
        self.assertEqual(best.best_params_["kde__bandwidth"], .3)
        y = np.where(x[:, 0] > 3, "long", "short")
        self.assertGreater(cross_val_score(make_pipeline(StandardScaler(), likely.GMMClassifier(1)), x[:, 1:], y, cv=4).mean(), .9)
        np.testing.assert_array_equal(clone(likely.GMM(3, covariance=["full", "diag"])).get_params()["covariance"], ["full", "diag"])
        with self.assertRaises(sys.modules["sklearn.exceptions"].NotFittedError):
            likely.GMM().predict(x)

    @needs("sklearn", "python3-sklearn")
    def test_transformer(self):
        """Distances as scikit-learn's KMeans has them with the same centres, and features of a pipeline."""
        from sklearn.cluster import KMeans
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
        x = faithful()
        ours = likely.KMeans(4).fit(x)
        theirs = KMeans(4, init=ours.cluster_centers_, n_init=1).fit(x)
        theirs.cluster_centers_ = ours.cluster_centers_
        np.testing.assert_allclose(ours.transform(x), theirs.transform(x), rtol=1e-6, atol=1e-6)  # theirs by |x|^2 - 2 x'c + |c|^2
        self.assertEqual(list(ours.get_feature_names_out()), list(theirs.get_feature_names_out()))
        pipe = make_pipeline(StandardScaler(), likely.KMeans(4), LogisticRegression()).fit(x, x[:, 0] > 3)
        self.assertGreater(pipe.score(x, x[:, 0] > 3), .95)
        self.assertEqual(list(pipe[:-1].get_feature_names_out()), list(ours.get_feature_names_out()))

    @needs("sklearn", "python3-sklearn")
    def test_jobs(self):
        """Other processes get the estimators by pickle and give the same answers."""
        from sklearn.model_selection import cross_val_score
        x = faithful()
        one = cross_val_score(likely.GMM(2), x, cv=3)
        np.testing.assert_array_equal(cross_val_score(likely.GMM(2), x, cv=3, n_jobs=2), one)


if __name__ == "__main__":
    main()
