"""Clustering: one call, one array of labels.

K-Means, Ward, DBSCAN, HDBSCAN and spectral clustering of scikit-learn behind `cluster`, the two
rules that choose DBSCAN's eps, and the whole eps curve. Memory never grows with the square of the
rows unasked: above the limits of `LIMITS` a method refuses and names the one to take instead,
K-Means turns to mini-batches, silhouettes to a sample. Used by every page that clusters."""

from __future__ import annotations

import functools
import inspect
import logging
import warnings

import numpy as np
import pandas as pd
from sklearn.cluster import (
    DBSCAN,
    HDBSCAN,
    AgglomerativeClustering,
    KMeans,
    MiniBatchKMeans,
    SpectralClustering,
)
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

log = logging.getLogger("helpers")

# Rows above which a method would take gigabytes or hours; what to do instead is part of the error.
LIMITS = {
    "kmeans": 2_000_000,
    "ward": 15_000,
    "spectral": 20_000,
    "hdbscan": 100_000,
    "silhouette": 30_000,
    "eps_curve": 20_000,
}
# CPU seconds that HDBSCAN takes at its limit (bench/bench_clustering.py); they grow with the square
HDBSCAN_S = 290.0
NEIGHBOUR_PAIRS = 100_000_000  # pairs within eps that DBSCAN may hold at once, 8 bytes each
MIN_SAMPLES = 8  # rows within eps, itself counted, that make a row a core point of DBSCAN
SAMPLE = 10_000  # rows that stand for all of them where only a distribution or a mean is asked for


def _kmeans(X, n_clusters, seed, n_init=10):
    if len(X) <= LIMITS["kmeans"]:
        return KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(X)
    log.warning(
        "K-Means on %d rows, more than %d: in mini-batches (MiniBatchKMeans).",
        len(X),
        LIMITS["kmeans"],
    )
    model = MiniBatchKMeans(n_clusters, n_init=n_init, batch_size=4096, random_state=seed)
    return model.fit_predict(X)


def _ward(X, n_clusters, seed):
    _refuse_above("ward", len(X), _methods(len(X), "hdbscan") + ", or Ward on a sample of the rows")
    return AgglomerativeClustering(n_clusters, linkage="ward").fit_predict(X)


def _spectral(X, n_clusters, seed, n_neighbors=10):
    others = _methods(len(X), "hdbscan")
    _refuse_above("spectral", len(X), f"{others}, or spectral clustering of a sample of the rows")
    if not 1 <= n_neighbors <= len(X):
        raise ValueError(
            f"n_neighbors is {n_neighbors}; with {len(X)} rows it must lie between 1 and {len(X)}."
        )
    if n_clusters == len(X):  # each row on its own; the eigensolver would refuse
        return np.arange(len(X))
    model = SpectralClustering(
        n_clusters, affinity="nearest_neighbors", n_neighbors=n_neighbors, random_state=seed
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        labels = model.fit_predict(X)
    for warning in caught:
        if "not fully connected" in str(warning.message):
            # scikit-learn goes on, and the pieces become clusters
            log.info(
                "Spectral clustering: the graph of %d neighbours falls into separate pieces.",
                n_neighbors,
            )
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno
            )
    return labels


def _dbscan(X, n_clusters, seed, eps=None, min_samples=MIN_SAMPLES):
    if eps is None:
        eps = dbscan_eps(X, "knee", min_samples=min_samples)
    eps = float(eps)
    if not eps > 0:
        raise ValueError(
            f"eps is {eps}; DBSCAN needs a distance above 0, for example dbscan_eps(X)."
        )
    if len(X) ** 2 > NEIGHBOUR_PAIRS:
        pairs = _pairs_within(X, eps)
        if pairs > NEIGHBOUR_PAIRS:
            raise ValueError(
                f"DBSCAN with eps={eps:.4g} would hold about {pairs:.1e} pairs of neighbours, "
                f"more than {NEIGHBOUR_PAIRS:.0e}; take a smaller eps, or "
                f"{_methods(len(X), 'hdbscan')}."
            )
    return DBSCAN(eps=eps, min_samples=min_samples).fit_predict(X)


def _pairs_within(X: np.ndarray, eps: float) -> float:
    """About how many pairs of rows lie within eps, from the neighbours of 50 rows."""
    tree = NearestNeighbors(radius=eps).fit(X)
    neighbours = tree.radius_neighbors(_sample(X, 50, 0), return_distance=False)
    return len(X) * float(np.mean([len(rows) for rows in neighbours]))


def _hdbscan(X, n_clusters, seed, min_cluster_size=15):
    _refuse_above("hdbscan", len(X), _methods(len(X)) + ", or HDBSCAN on a sample of the rows")
    seconds = HDBSCAN_S * (len(X) / LIMITS["hdbscan"]) ** 2
    if seconds > 20:
        log.warning(
            "HDBSCAN on %d rows takes about %.0f seconds; K-Means takes a few.", len(X), seconds
        )
    if not 2 <= min_cluster_size <= len(X):
        raise ValueError(
            f"min_cluster_size is {min_cluster_size}; it must lie between 2 and the {len(X)} rows."
        )
    return HDBSCAN(min_cluster_size=min_cluster_size, copy=True).fit_predict(X)


METHODS = {
    "kmeans": _kmeans,
    "ward": _ward,
    "dbscan": _dbscan,
    "hdbscan": _hdbscan,
    "spectral": _spectral,
}


def cluster(
    X: np.ndarray, method: str, n_clusters: int = 10, seed: int = 0, **options
) -> np.ndarray:
    """Labels (n,) int of the rows of X (n, n_features); -1 marks noise (DBSCAN and HDBSCAN only).

    Options: kmeans `n_init` (10); dbscan `eps` (the knee rule) and `min_samples` (8); hdbscan
    `min_cluster_size` (15); spectral `n_neighbors` (10, of the nearest-neighbour graph); ward none.
    The density methods find the number of clusters themselves. Raises ValueError for an unknown
    method or option, fewer rows than clusters, non-finite values, and more rows than a method can
    hold (`LIMITS`), naming what to do instead."""
    if method not in METHODS:
        raise ValueError(
            f"There is no clustering method {method!r}; choose one of {', '.join(METHODS)}."
        )
    allowed = list(inspect.signature(METHODS[method]).parameters)[3:]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        takes = ", ".join(allowed) if allowed else "none"
        raise ValueError(f"Method {method!r} has no option {', '.join(unknown)}; it takes {takes}.")
    X = _table(X)
    if method in ("kmeans", "ward", "spectral") and not 1 <= n_clusters <= len(X):
        raise ValueError(
            f"n_clusters is {n_clusters}; with {len(X)} rows it must lie between 1 and {len(X)}."
        )
    return METHODS[method](X, n_clusters, seed, **options).astype(np.int64)


def dbscan_eps(
    X: np.ndarray,
    rule: str = "percentile",
    k: int = 10,
    percentile: float = 75,
    min_samples: int = MIN_SAMPLES,
) -> float:
    """The radius eps for DBSCAN on X (n, n_features), in units of X; no labels are used.

    "percentile" takes that percentile of the distance to the k-th neighbour, the row itself counted
    as the first (the paper's released code: k = 10, percentile 75). "knee" takes the bend of the
    sorted distances to the `min_samples`-th neighbour (row counted, as DBSCAN counts): the point
    farthest below the chord from the first to the last (Ester et al. 1996, sec. 4.2; Satopaa et al.
    2011). Above SAMPLE rows a seeded sample of them is asked. Raises ValueError for an unknown
    rule, fewer rows than neighbours, and when every distance is zero."""
    X = _table(X)
    if rule == "percentile":
        eps = float(np.percentile(_neighbour_distance(X, k), percentile))
    elif rule == "knee":
        curve = np.sort(_neighbour_distance(X, min_samples))
        chord = np.linspace(curve[0], curve[-1], len(curve))
        eps = float(curve[np.argmax(chord - curve)])
    else:
        raise ValueError(f"There is no rule {rule!r} for eps; choose percentile or knee.")
    if eps > 0:
        return eps
    # duplicates have distance 0: take the smallest distance that is one
    distances = _neighbour_distance(X, min(len(X), max(k, min_samples)))
    if not distances.max() > 0:
        raise ValueError(
            "Every row has only identical neighbours, so no eps separates them; "
            "remove the duplicates."
        )
    return float(distances[distances > 0].min())


def eps_curve(X: np.ndarray, n: int = 25) -> pd.DataFrame:
    """DBSCAN over `n` values of eps: eps, n_clusters, noise_share and silhouette, one row an eps.

    eps runs evenly between two quantiles of the distance to the eighth neighbour, DBSCAN's own
    min_samples here. The silhouette is taken on the rows that are not noise, and is NaN with fewer
    than two clusters. ValueError, before anything is computed, above LIMITS["eps_curve"] rows,
    where this many runs of DBSCAN take hours. Used on the page "Hybrid features"."""
    X = _table(X)
    _refuse_above("eps_curve", len(X), "a sample of the rows")
    low, high = np.quantile(_neighbour_distance(X, MIN_SAMPLES), [0.02, 1.0])
    rows = []
    for eps in np.linspace(max(low, high * 1e-6), high, n):
        labels = cluster(X, "dbscan", eps=eps)
        rows.append((eps, labels.max() + 1, float(np.mean(labels < 0)), silhouette(X, labels)))
    return pd.DataFrame(rows, columns=["eps", "n_clusters", "noise_share", "silhouette"])


def silhouette(
    X: np.ndarray, labels: np.ndarray, sample: int | None = SAMPLE, seed: int = 0
) -> float:
    """Mean silhouette (Rousseeuw 1987) of the rows of X (n, n_features) that are not noise; NaN if
    it is not defined.

    Above `sample` rows a seeded sample of that many stands for them, and the log says so; None asks
    for the exact value, which costs n^2 and is refused with a ValueError above LIMITS["silhouette"]
    rows."""
    X, labels = _table(X), np.asarray(labels)
    if len(labels) != len(X):
        raise ValueError(f"There are {len(labels)} labels for {len(X)} rows; each row needs one.")
    X, labels = X[labels >= 0], labels[labels >= 0]
    if sample is None:
        _refuse_above("silhouette", len(X), f"silhouette(..., sample={SAMPLE})")
    elif len(X) > sample:
        _warn_once(
            "Silhouettes of more than %d rows are estimated on a sample of %d (seed %d).",
            sample,
            sample,
            seed,
        )
        rows = np.random.default_rng(seed).choice(len(X), sample, replace=False)
        X, labels = X[rows], labels[rows]
    if not 2 <= len(np.unique(labels)) < len(X):
        return float("nan")
    return float(silhouette_score(X, labels))


def _neighbour_distance(X: np.ndarray, k: int) -> np.ndarray:
    """Distance from each row (of a sample, above SAMPLE rows) to its k-th neighbour, itself
    counted; shape (n,)."""
    if not 1 <= k <= len(X):
        raise ValueError(
            f"{k} neighbours are asked for, but there are {len(X)} rows; "
            f"ask for between 1 and {len(X)}."
        )
    distances, _ = NearestNeighbors(n_neighbors=k).fit(X).kneighbors(_sample(X, SAMPLE, 0))
    return distances[:, -1]


def nearest(X: np.ndarray, k: int = 4) -> np.ndarray:
    """Positions (n, k) of the k nearest other rows of `X` (n, d), nearest first; fewer where there
    are no k others."""
    k = min(k, len(X) - 1)
    tree = NearestNeighbors(n_neighbors=k + 1).fit(X)  # one more, for the row itself
    neighbours = tree.kneighbors(X, return_distance=False)
    others = [row[row != i][:k] for i, row in enumerate(neighbours)]
    return np.stack(others)


def _sample(X: np.ndarray, size: int, seed: int) -> np.ndarray:
    """`size` rows of X, or all of them where there are no more."""
    if len(X) <= size:
        return X
    return X[np.random.default_rng(seed).choice(len(X), size, replace=False)]


def _table(X: np.ndarray) -> np.ndarray:
    """X as floats; ValueError unless it is a finite table."""
    X = np.asarray(X)
    if X.dtype != np.float32:
        X = X.astype(np.float64)
    if X.ndim != 2 or len(X) == 0:
        raise ValueError(
            f"Clustering needs a table with rows and columns, not an array of shape {X.shape}."
        )
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X)).sum())
        raise ValueError(f"The table has {bad} NaN or infinite values; remove them first.")
    return X


@functools.lru_cache  # once a process: a page scores many clusterings
def _warn_once(message: str, *arguments) -> None:
    log.warning(message, *arguments)


def _methods(n: int, *others: str) -> str:
    """The methods to take instead at n rows: K-Means, and those of `others` that take so many."""
    fitting = ["kmeans", *(name for name in others if n <= LIMITS[name])]
    return "method " + " or ".join(f'"{name}"' for name in fitting)


def _refuse_above(name: str, n: int, alternative: str) -> None:
    if n > LIMITS[name]:
        raise ValueError(
            f"{name} needs memory or time that grows with the square of the rows: {n} rows are "
            f"more than the limit of {LIMITS[name]}. Use {alternative}."
        )
