"""Scores of a clustering: against genres, against the geometry, against chance, with intervals.

External scores compare labels with genres, internal ones look at distances. DBSCAN and HDBSCAN label noise -1; noise is
scored three ways, because leaving it out flatters. Definitions and sources on the page "Method".
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn import metrics as sk
from sklearn.metrics.cluster import contingency_matrix

SILHOUETTE_SAMPLE = 10_000  # rows; above it the silhouette is taken on a seeded sample of this size
HIGHER_IS_BETTER = {
    "silhouette": True,
    "calinski_harabasz": True,
    "davies_bouldin": False,
    "ari": True,
    "ami": True,
    "nmi": True,
    "v_measure": True,
    "purity": True,
    "accuracy": True,
}


def purity(genres: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose genre is the most frequent one of their cluster, in (0, 1]; grows with the number of
    clusters, up to 1 for singletons. genres, labels (n,). Manning, Raghavan & Schuetze 2008, sec. 16.3. Page
    "Advanced VAEs"."""
    return float(contingency_matrix(genres, labels).max(axis=0).sum() / len(labels))


def hungarian_accuracy(genres: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows that are right under the best one-to-one matching of clusters to genres, in [0, 1] (Kuhn 1955);
    clusters beyond the number of genres count as errors. genres, labels (n,)."""
    table = contingency_matrix(genres, labels)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(labels))


def external(genres: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """ARI (Hubert & Arabie 1985), AMI (Vinh et al. 2010), NMI and V (arithmetic mean), purity, Hungarian accuracy.

    genres, labels (n,); every label, -1 too, counts as a cluster.
    """
    return {
        "ari": float(sk.adjusted_rand_score(genres, labels)),
        "ami": float(sk.adjusted_mutual_info_score(genres, labels)),
        "nmi": float(sk.normalized_mutual_info_score(genres, labels)),
        "v_measure": float(sk.v_measure_score(genres, labels)),
        "purity": purity(genres, labels),
        "accuracy": hungarian_accuracy(genres, labels),
    }


def internal(X: np.ndarray, labels: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Silhouette (Rousseeuw 1987), Calinski-Harabasz (1974), Davies-Bouldin (1979) of labels (n,) in X (n, d).

    All three are NaN where they are not defined: with one cluster, or as many clusters as rows.
    """
    n_clusters = len(np.unique(labels))
    if not 1 < n_clusters < len(labels):
        return dict.fromkeys(("silhouette", "calinski_harabasz", "davies_bouldin"), float("nan"))
    sample = SILHOUETTE_SAMPLE if len(X) > SILHOUETTE_SAMPLE else None
    return {
        "silhouette": float(sk.silhouette_score(X, labels, sample_size=sample, random_state=seed)),
        "calinski_harabasz": float(sk.calinski_harabasz_score(X, labels)),
        "davies_bouldin": float(sk.davies_bouldin_score(X, labels)),
    }


def singletons(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) with every noise row (-1) given a cluster of its own."""
    labels = np.array(labels)
    noise = labels == -1
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return labels


def chance(genres: np.ndarray, n_clusters: int, n_draws: int = 200, seed: int = 0) -> float:
    """Mean NMI of `n_draws` random labellings into `n_clusters` clusters of near-equal size: what no method at all
    gets."""
    rng = np.random.default_rng(seed)
    labels = np.arange(len(genres)) % max(n_clusters, 1)
    return float(np.mean([sk.normalized_mutual_info_score(genres, rng.permutation(labels)) for _ in range(n_draws)]))


def scores(
    labels: np.ndarray, space: np.ndarray, common: np.ndarray | None = None, genres: np.ndarray | None = None
) -> dict[str, float]:
    """Everything the tables show of one clustering, as {metric: value}.

    labels (n,), -1 for noise; `space` (n, d) is what was clustered, `common` (n, D) a space shared by all methods
    (its scores end in `_common`); `genres` (n,) or None leaves the external scores out. The plain names leave noise
    out, as the paper's code does; `*_noise_cluster` counts noise as one cluster and `*_noise_singletons` as singletons.
    Always there: n, k, noise_share. With every row noise the scores are NaN.
    """
    labels = np.asarray(labels)
    kept = labels != -1
    k = len(np.unique(labels[kept]))
    result = {"n": float(len(labels)), "k": float(k), "noise_share": float(1 - kept.mean())}
    result |= internal(space[kept], labels[kept])
    if common is not None:
        result |= {f"{name}_common": value for name, value in internal(common[kept], labels[kept]).items()}
    if genres is not None:
        names = ("ari", "ami", "nmi", "v_measure", "purity", "accuracy")
        result |= external(genres[kept], labels[kept]) if kept.any() else dict.fromkeys(names, float("nan"))
        result["nmi_chance"] = chance(genres[kept], k, n_draws=20) if kept.any() else float("nan")
        for suffix, filled in (("noise_cluster", labels), ("noise_singletons", singletons(labels))):
            found = external(genres, filled) if not kept.all() else {name: result[name] for name in names}
            result |= {f"{name}_{suffix}": value for name, value in found.items()}
    return result


def _resamples(groups: np.ndarray, n_resamples: int, seed: int):
    """Row indices of bootstrap samples that draw whole groups (the segments of a track come together)."""
    rng = np.random.default_rng(seed)
    names, codes = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(codes == i) for i in range(len(names))]
    for _ in range(n_resamples):
        yield np.concatenate([members[i] for i in rng.integers(len(names), size=len(names))])


def bootstrap(
    genres: np.ndarray,
    labels: Sequence[np.ndarray],
    score=sk.normalized_mutual_info_score,
    groups: np.ndarray | None = None,
    n_resamples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of the mean of `score(genres, labels)` when tracks and seeds are drawn anew (Efron 1979).

    `labels`: one labelling (n,) per seed, noise (-1) left out of each score; `groups` (n,) names the unit that is drawn
    (default: each row on its own). NMI of a resample is biased upwards a little, so the interval is shifted by the
    difference between the score and the resamples' mean.
    """
    groups = np.arange(len(genres)) if groups is None else groups
    rng = np.random.default_rng(seed)

    def kept(one: np.ndarray, rows: np.ndarray) -> float:
        rows = rows[one[rows] != -1]
        return score(genres[rows], one[rows]) if len(rows) else float("nan")

    whole = np.arange(len(genres))
    drawn = np.array([kept(labels[rng.integers(len(labels))], r) for r in _resamples(groups, n_resamples, seed)])
    point = np.mean([kept(one, whole) for one in labels])
    low, high = np.quantile(drawn - drawn.mean(), [(1 - level) / 2, (1 + level) / 2]) + point
    return float(low), float(high)


def paired_bootstrap(
    genres: np.ndarray,
    labels_a: list[np.ndarray],
    labels_b: list[np.ndarray],
    score=sk.normalized_mutual_info_score,
    groups: np.ndarray | None = None,
    n_resamples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Mean difference score(a) - score(b) and its interval, both scored on the same resampled tracks.

    `labels_a`, `labels_b`: one labelling (n,) per seed; each resample draws tracks and one seed of either side, so that
    the interval covers both sources of chance.
    """
    groups = np.arange(len(genres)) if groups is None else groups
    rng = np.random.default_rng(seed)
    point = np.mean([score(genres, a) for a in labels_a]) - np.mean([score(genres, b) for b in labels_b])
    drawn = []
    for rows in _resamples(groups, n_resamples, seed):
        a, b = labels_a[rng.integers(len(labels_a))], labels_b[rng.integers(len(labels_b))]
        drawn.append(score(genres[rows], a[rows]) - score(genres[rows], b[rows]))
    drawn = np.array(drawn)
    low, high = np.quantile(drawn - drawn.mean(), [(1 - level) / 2, (1 + level) / 2]) + point
    return float(point), float(low), float(high)


def confusion(genres: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Counts (genres x clusters), clusters ordered so that the best matching lies on the diagonal; noise last as
    "noise"."""
    table = pd.crosstab(pd.Series(genres, name="genre"), pd.Series(labels, name="cluster"))
    noise = table.pop(-1) if -1 in table.columns else None
    rows, columns = linear_sum_assignment(table.to_numpy(), maximize=True)
    first = columns[np.argsort(rows)].tolist()
    table = table.iloc[:, first + [i for i in range(table.shape[1]) if i not in first]]
    if noise is not None:
        table["noise"] = noise
    return table


def equal_pure_clusters(n_genres: int, per_genre: int) -> float:
    """NMI of `n_genres * per_genre` equally large pure clusters over equally large genres, in closed form:
    2 ln g / (ln g + ln (g m)). Page "Leakage"."""
    return float(2 * np.log(n_genres) / (np.log(n_genres) + np.log(n_genres * per_genre)))
