"""Judging a clustering without labels: the criteria that people choose by.

Silhouette, Calinski-Harabasz and Davies-Bouldin come from `helpers.metrics`; this module adds the
density-based index DBCV and the two that cluster again: stability and prediction strength. Page
"How to cluster music well" asks which of them picks a clustering that agrees with genre."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

import numpy as np
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from scipy.stats import mode
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from helpers import clustering, metrics

Labeller = Callable[[np.ndarray, int], np.ndarray]  # rows (n, d) and a seed -> labels (n,)

INTERNAL = ("silhouette", "calinski_harabasz", "davies_bouldin")
NEIGHBOURS = 5  # rows whose majority gives a new row its cluster
SAMPLE = 3000  # rows that DBCV looks at: its distances take memory with the square of the rows


def internal(X: np.ndarray, labels: np.ndarray, common: np.ndarray) -> dict[str, float]:
    """The criteria that read one clustering: labels (n,) in their own space X (n, d), and the
    silhouette in a space `common` (n, D) that all pipelines share. Noise (-1) is left out, as
    people do; DBCV counts it. NaN where a criterion is not defined."""
    kept = labels >= 0
    found = metrics.internal(X[kept], labels[kept])
    values = {name: found[name] for name in INTERNAL}
    values["silhouette_common"] = clustering.silhouette(common, labels)
    values["dbcv"] = dbcv(X, labels)
    return values


# ---- density -------------------------------------------------------------------------------------


def dbcv(X: np.ndarray, labels: np.ndarray, seed: int = 0) -> float:
    """Density-based validity of labels (n,) in X (n, d), in [-1, 1], higher is better (Moulavi et
    al. 2014, eqs. 1 to 4).

    A cluster is valid when the sparsest link inside it is shorter than the shortest way to another
    cluster. Noise (-1) counts as rows without a cluster. Above SAMPLE rows a seeded sample is
    judged. NaN below two clusters of two rows."""
    if len(X) > SAMPLE:
        rows = np.random.default_rng(seed).choice(len(X), SAMPLE, replace=False)
        X, labels = X[rows], labels[rows]
    names, sizes = np.unique(labels[labels >= 0], return_counts=True)
    members = [np.flatnonzero(labels == name) for name in names[sizes > 1]]
    if len(members) < 2:
        return float("nan")
    cores = [_core_distances(X[rows]) for rows in members]
    links = [
        _inner_links(_reachability(X[rows], core, X[rows], core))
        for rows, core in zip(members, cores)
    ]
    inner = [kept for kept, _ in links]
    sparseness = np.array([longest for _, longest in links])
    separation = np.full(len(members), np.inf)
    for i, j in combinations(range(len(members)), 2):
        one, other = inner[i], inner[j]
        between = _reachability(
            X[members[i][one]], cores[i][one], X[members[j][other]], cores[j][other]
        ).min()
        separation[[i, j]] = np.minimum(separation[[i, j]], between)
    largest = np.maximum(np.maximum(separation, sparseness), 1e-300)
    validity = (separation - sparseness) / largest
    share = np.array([len(rows) for rows in members]) / len(labels)
    return float((share * validity).sum())


def _core_distances(X: np.ndarray) -> np.ndarray:
    """(n,) the distance at which each row of a cluster sees its others: a mean of inverse powers,
    taken in logarithms because the power is the number of columns."""
    n, d = X.shape
    distances = cdist(X, X)
    np.fill_diagonal(distances, np.inf)
    logs = np.log(np.maximum(distances, 1e-12))
    return np.exp(-(logsumexp(-d * logs, axis=1) - np.log(n - 1)) / d)


def _reachability(
    A: np.ndarray, core_a: np.ndarray, B: np.ndarray, core_b: np.ndarray
) -> np.ndarray:
    """Mutual reachability distances (n_a, n_b): at least both rows' core distances."""
    return np.maximum(cdist(A, B), np.maximum(core_a[:, None], core_b[None, :]))


def _inner_links(reach: np.ndarray) -> tuple[np.ndarray, float]:
    """Of a cluster's minimum spanning tree: its inner rows (more than one link), and the longest
    link between inner rows. All rows and links count where the tree has no inner link."""
    np.fill_diagonal(reach, 0.0)
    tree = minimum_spanning_tree(np.maximum(reach, 1e-12)).tocoo()
    degree = np.bincount(np.concatenate([tree.row, tree.col]), minlength=len(reach))
    inner = np.flatnonzero(degree > 1)
    both = (degree[tree.row] > 1) & (degree[tree.col] > 1)
    if not both.any():
        everything = np.arange(len(reach))
        return (inner if len(inner) else everything), float(tree.data.max())
    return inner, float(tree.data[both].max())


# ---- clustering again ----------------------------------------------------------------------------


def agreement(labellings: Sequence[np.ndarray]) -> float:
    """Stability over seeds: the adjusted Rand index of each pair of labellings (n,), mean over the
    pairs. Noise counts as one cluster. NaN for one labelling."""
    pairs = [adjusted_rand_score(one, other) for one, other in combinations(labellings, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def again_on_parts(whole: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> float:
    """Stability over resamples: `whole` (n,) labels of all rows against the labels that the
    pipeline gives a part of them; `parts` holds pairs (rows, labels). Adjusted Rand index on the
    rows of the part, mean over parts (Ben-Hur et al. 2002)."""
    return float(np.mean([adjusted_rand_score(whole[rows], labels) for rows, labels in parts]))


def drawn_parts(n: int, share: float, count: int, seed: int = 0) -> list[np.ndarray]:
    """`count` random subsets of n rows, each a `share` of them, sorted, without replacement."""
    rng = np.random.default_rng([seed, 7])
    size = max(2, round(share * n))
    return [np.sort(rng.choice(n, size, replace=False)) for _ in range(count)]


def prediction_strength(X: np.ndarray, labeller: Labeller, splits: int = 1, seed: int = 0) -> float:
    """How well one half of the rows predicts the clusters of the other, in [0, 1] (Tibshirani &
    Walther 2005): both halves are clustered; of the pairs of rows that a half's own clustering puts
    together, the share that the other half's clusters put together as well, for the worst cluster.
    A row takes the cluster of most of its NEIGHBOURS nearest rows. Mean over both directions and
    `splits` random halvings. Noise (-1) is no cluster."""
    rng = np.random.default_rng([seed, 8])
    found = []
    for _ in range(splits):
        order = rng.permutation(len(X))
        halves = order[: len(X) // 2], order[len(X) // 2 :]
        labels = [labeller(X[rows], seed) for rows in halves]
        for here, there in ((0, 1), (1, 0)):
            model = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(halves[there])))
            near = model.fit(X[halves[there]]).kneighbors(X[halves[here]], return_distance=False)
            predicted = mode(labels[there][near], axis=1).mode
            found.append(_kept_together(labels[here], predicted))
    return float(np.mean(found))


def _kept_together(labels: np.ndarray, predicted: np.ndarray) -> float:
    """The share of each cluster's pairs of rows that `predicted` puts together, of the worst
    cluster; clusters of one row have no pairs."""
    shares = []
    for name in np.unique(labels[labels >= 0]):
        own = predicted[labels == name]
        if len(own) > 1:
            sizes = np.unique(own, return_counts=True)[1]
            shares.append((sizes * (sizes - 1)).sum() / (len(own) * (len(own) - 1)))
    return float(min(shares)) if shares else float("nan")
