"""likely's mixtures and kernel densities under the parameters and attributes of scikit-learn's, so that its own tests can ask them."""
import numpy as np

import likely
from likely._conventions import seed_of

INITS = {"kmeans": "kmeans++", "k-means++": "kmeans++", "random": "random", "random_from_data": "random"}


class GaussianMixture(likely.GMM):
    """n_components is components, n_init restarts, init_params init, random_state a seed; a start is built from weights, means and
    precisions where all three are given. reg_covar, and what it would do, is likely's own floor."""

    _names = ("n_components", "covariance_type", "tol", "reg_covar", "max_iter", "n_init", "init_params", "weights_init", "means_init",
              "precisions_init", "random_state", "warm_start", "verbose", "verbose_interval")
    _defaults = (1, "full", 1e-3, 1e-6, 100, 1, "kmeans", None, None, None, None, False, 0, 10)
    seed = 1

    def __init__(self, n_components=1, *, covariance_type="full", tol=1e-3, reg_covar=1e-6, max_iter=100, n_init=1, init_params="kmeans",
                 weights_init=None, means_init=None, precisions_init=None, random_state=None, warm_start=False, verbose=0,
                 verbose_interval=10):
        for name, value in list(locals().items()):
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _start(self, features):
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        if self.weights_init is None or self.means_init is None or self.precisions_init is None:
            return None
        p = np.asarray(self.precisions_init)
        full = {"full": lambda: np.linalg.inv(p), "tied": lambda: np.linalg.inv(p), "diag": lambda: 1 / p, "spherical": lambda: 1 / p}
        return likely.build({"weights": np.asarray(self.weights_init) / np.sum(self.weights_init), "means": self.means_init,
                             "covariances": full[self.covariance_type](), "covariance": self.covariance_type,
                             "columns": ["x%d" % (j + 1) for j in range(features)]}, "gmm")

    def fit(self, X, y=None):
        X = np.asarray(X, dtype=np.float64)
        if len(X) < self.n_components:
            raise ValueError("Expected n_samples >= n_components but got n_components = %d, n_samples = %d" % (self.n_components, len(X)))
        inner = likely.GMM(self.n_components, covariance=self.covariance_type, tol=self.tol, max_iter=self.max_iter, restarts=self.n_init,
                           init=INITS[self.init_params], seed=seed_of(self.random_state, 1))
        self.model_ = inner.fit(X, start=self._start(X.shape[1])).model_
        self.n_features_in_ = X.shape[1]
        return self

    def sample(self, n_samples=1):
        X = super().sample(n_samples, self.random_state)
        return X, self.predict(X)

    def _n_parameters(self):
        return self.info()["free_parameters"]

    @property
    def lower_bound_(self):
        return self.log_likelihood_ / self.info()["n"]

    @property
    def n_iter_(self):
        return self._told("iterations")

    def _shaped(self, full):
        return {"full": lambda: full, "tied": lambda: full[0], "diag": lambda: np.einsum("kii->ki", full),
                "spherical": lambda: full[:, 0, 0]}[self.covariance_type]()

    @property
    def covariances_(self):
        return self._shaped(super().covariances_)

    @property
    def precisions_(self):
        return self._shaped(np.linalg.inv(super().covariances_))

    @property
    def precisions_cholesky_(self):
        p = self.precisions_
        return np.sqrt(p) if p.ndim < 2 or self.covariance_type == "diag" else np.linalg.cholesky(p)


class KernelDensity(likely.KDE):
    """A bandwidth for all features, unscaled; kernels are products over the features, which is the same for the Gaussian one."""

    _names = ("bandwidth", "algorithm", "kernel", "metric", "atol", "rtol", "breadth_first", "leaf_size", "metric_params")
    _defaults = (1.0, "auto", "gaussian", "euclidean", 0, 0, True, 40, None)
    seed = 1

    def __init__(self, *, bandwidth=1.0, algorithm="auto", kernel="gaussian", metric="euclidean", atol=0, rtol=0, breadth_first=True,
                 leaf_size=40, metric_params=None):
        for name, value in list(locals().items()):
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def fit(self, X, y=None, sample_weight=None):
        X = np.asarray(X, dtype=np.float64)
        n, d = X.shape
        if self.metric not in ("euclidean", "minkowski"):
            raise ValueError("likely has no metric %s" % self.metric)
        rules = {"scott": n ** (-1 / (d + 4)), "silverman": (n * (d + 2) / 4) ** (-1 / (d + 4))}
        self.bandwidth_ = rules.get(self.bandwidth, self.bandwidth)
        kernel = {"tophat": "box", "exponential": "laplace", "linear": "triangle"}.get(self.kernel, self.kernel)
        self.model_ = likely.KDE(kernel, bandwidth=self.bandwidth_).fit(X, sample_weight=sample_weight).model_
        self.n_features_in_ = d
        return self

    def score(self, X, y=None):
        return float(np.sum(self.score_samples(X)))
