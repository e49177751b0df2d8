"""Scores of a clustering: against labels such as genre, against the geometry, against chance, with
intervals.

METRICS is the one table of them: adding a score is adding an entry, and no training, since scores
derive from stored labels. Scores against genres are functions of the table of counts (genres x
clusters), so that a bootstrap needs the counts of its resamples only. DBSCAN and HDBSCAN label
noise -1; noise is scored three ways, because leaving it out flatters. Definitions and sources on
the page "Method"."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.optimize import linear_sum_assignment
from scipy.special import gammaln, xlogy
from sklearn import metrics as sk

from helpers import clustering
from leakaudit.leaks import permuted

NOISE = {
    "": "noise left out",
    "_noise_cluster": "noise one cluster",
    "_noise_singletons": "noise singletons",
}


# ---- scores of a table of counts (..., genres, clusters) -----------------------------------------


def _entropies(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entropy of the genres and of the clusters, and their mutual information, nats, (...) each."""
    p = table / table.sum((-2, -1), keepdims=True)
    p_genre, p_cluster = p.sum(-1), p.sum(-2)
    genres = -xlogy(p_genre, p_genre).sum(-1)
    clusters = -xlogy(p_cluster, p_cluster).sum(-1)
    mutual = genres + clusters + xlogy(p, p).sum((-2, -1))
    return genres, clusters, np.maximum(mutual, 0.0)


def nmi(table: np.ndarray) -> np.ndarray:
    """Normalised mutual information in [0, 1], arithmetic mean (Vinh et al. 2010).

    V (Rosenberg & Hirschberg 2007) is the same number. It is 1 where neither side is split at all.
    table (..., genres, clusters) -> (...)."""
    genres, clusters, shared = _entropies(table)
    mean = (genres + clusters) / 2
    return np.where(mean > 1e-12, shared / np.maximum(mean, 1e-300), 1.0)


def ari(table: np.ndarray) -> np.ndarray:
    """Adjusted Rand index, at most 1, 0 by chance (Hubert & Arabie 1985).

    It counts ordered pairs of rows. table (..., genres, clusters) -> (...)."""
    n = table.sum((-2, -1))
    together_in_both = (table**2).sum((-2, -1)) - n
    together_in_genres = (table.sum(-1) ** 2).sum(-1) - n
    together_in_clusters = (table.sum(-2) ** 2).sum(-1) - n
    expected = together_in_genres * together_in_clusters / np.maximum(n * (n - 1), 1)
    largest = (together_in_genres + together_in_clusters) / 2
    defined = largest != expected
    room = np.where(defined, largest - expected, 1)
    return np.where(defined, (together_in_both - expected) / room, 1.0)


def ami(table: np.ndarray) -> np.ndarray:
    """Adjusted mutual information: NMI without what permuted rows would share (Vinh et al. 2010).

    Where rows belong together (`scores` with groups), whole groups are permuted instead.
    table (..., genres, clusters) -> (...)."""
    genres, clusters, shared = _entropies(table)
    return _adjusted(shared, (genres + clusters) / 2, expected_mutual_information(table))


TERMS_AT_ONCE = (
    2_000_000  # of the sums in `expected_mutual_information`, 8 bytes each, some ten times
)


def expected_mutual_information(table: np.ndarray) -> np.ndarray:
    """Mutual information of permuted rows, its mean in nats (Vinh et al. 2010, eq. 24a).

    Each pair of a genre with a rows and a cluster with b of n rows adds a term that depends on
    (a, b, n) alone. A bootstrap has many equal triples, so each distinct one is computed once.
    table (..., genres, clusters), counts -> (...)."""
    counts = np.round(table).astype(np.int64)
    n = counts.sum((-2, -1))[..., None, None]
    a, b, n = np.broadcast_arrays(counts.sum(-1)[..., :, None], counts.sum(-2)[..., None, :], n)
    largest = int(n.max(initial=0)) + 1
    a, b = np.minimum(a, b), np.maximum(a, b)  # the term is the same for (b, a)
    code = (a * largest + b) * largest + n
    distinct, place = np.unique(code, return_inverse=True)
    ab, n_of = np.divmod(distinct, largest)
    terms = _expected_terms(*np.divmod(ab, largest), n_of)
    return terms[place].reshape(code.shape).sum((-2, -1))


def _expected_terms(a: np.ndarray, b: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Sum over k of k/n log(n k / (a b)) times the chance that k rows of a lie among b, (triples,).

    k is hypergeometric. Values more than 12 standard deviations and 20 rows from its mean are left
    out, since their chance is below 1e-25."""
    values = np.zeros(len(a))
    log_factorial = gammaln(np.arange(n.max(initial=0) + 1) + 1.0)
    mean = a * b / np.maximum(n, 1)
    reach = 12 * np.sqrt(mean * (1 - b / np.maximum(n, 1))) + 20
    first = np.maximum(np.maximum(1, a + b - n), np.floor(mean - reach).astype(np.int64))
    last = np.minimum(a, np.ceil(mean + reach).astype(np.int64))
    length = np.maximum(last - first + 1, 0)
    part = np.cumsum(length) // TERMS_AT_ONCE
    for number in np.unique(part):
        rows = np.flatnonzero(part == number)
        row = np.repeat(rows, length[rows])
        starts = np.cumsum(length[rows]) - length[rows]
        k = np.arange(len(row)) - np.repeat(starts, length[rows]) + first[row]
        a_k, b_k, n_k = a[row], b[row], n[row]
        log_chance = (
            log_factorial[a_k]
            + log_factorial[b_k]
            + log_factorial[n_k - a_k]
            + log_factorial[n_k - b_k]
            - (log_factorial[k] + log_factorial[n_k])
            - log_factorial[a_k - k]
            - log_factorial[b_k - k]
            - log_factorial[n_k - a_k - b_k + k]
        )
        information = np.log(n_k) + np.log(k) - np.log(a_k) - np.log(b_k)
        terms = k / n_k * information * np.exp(log_chance)
        values += np.bincount(row, terms, minlength=len(values))
    return values


def _adjusted(value: np.ndarray, best: np.ndarray, chance: np.ndarray | float) -> np.ndarray:
    """(value - chance) / (best - chance), and 1 where there is no room between best and chance."""
    room = best - chance
    defined = np.abs(room) > 1e-12
    return np.where(defined, (value - chance) / np.where(defined, room, 1), 1.0)


def purity(table: np.ndarray) -> np.ndarray:
    """Share of rows whose genre is the most frequent one of their cluster, in (0, 1]; grows with
    the number of clusters, up to 1 for singletons. Manning, Raghavan & Schuetze 2008, sec. 16.3.
    table (..., genres, clusters)."""
    return table.max(-2).sum(-1) / table.sum((-2, -1))


def accuracy(table: np.ndarray) -> np.ndarray:
    """Share of rows that are right under the best one-to-one matching of clusters to genres, in [0,
    1] (Kuhn 1955); clusters beyond the number of genres count as errors. table (..., genres,
    clusters) -> (...)."""
    flat = np.asarray(table).reshape(-1, *table.shape[-2:])
    best = [t[linear_sum_assignment(t, maximize=True)].sum() / t.sum() for t in flat]
    return np.array(best).reshape(table.shape[:-2])


# ---- the table of scores -------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One score: its `label` in tables, `digits` after the point, whether `higher` is better (None:
    neither), and what computes it: `of_table`, a function of counts (..., genres, clusters), for
    scores against labels, which are given with noise counted three ways and an interval; or
    `of_space`, a function of (X, labels), for scores of the geometry. `chance` says that the value
    of permuted labels stands beside it."""

    label: str
    of_table: Callable[[np.ndarray], np.ndarray] | None = None
    of_space: Callable[[np.ndarray, np.ndarray], float] | None = None
    higher: bool | None = True
    digits: int = 3
    chance: bool = False


def _defined(score: Callable) -> Callable[[np.ndarray, np.ndarray], float]:
    """The score, NaN where it is not defined: with one cluster, or as many clusters as rows."""

    def of_space(X: np.ndarray, labels: np.ndarray) -> float:
        if 1 < len(np.unique(labels)) < len(labels):
            return float(score(X, labels))
        return float("nan")

    return of_space


METRICS: dict[str, Metric] = {
    "silhouette": Metric("Silhouette", of_space=clustering.silhouette),  # Rousseeuw 1987
    "calinski_harabasz": Metric(  # Calinski & Harabasz 1974
        "Calinski-Harabasz", of_space=_defined(sk.calinski_harabasz_score), digits=1
    ),
    "davies_bouldin": Metric(  # Davies & Bouldin 1979
        "Davies-Bouldin ↓", of_space=_defined(sk.davies_bouldin_score), higher=False
    ),
    "ari": Metric("ARI", ari),
    "nmi": Metric("NMI", nmi, chance=True),
    "ami": Metric("AMI", ami),
    "v_measure": Metric("V", nmi),
    "purity": Metric("Purity", purity, chance=True),
    "accuracy": Metric("Accuracy", accuracy, chance=True),
    "k": Metric("k", higher=None, digits=1),
    "n": Metric("N", higher=None, digits=0),
    "dims": Metric("Dimensions", higher=None, digits=1),
    "noise_share": Metric("Noise share", higher=None),
}


ENDINGS = ("_common", "_chance", *(ending for ending in NOISE if ending))


def _base(name: str) -> tuple[str, str]:
    """A score's name without its ending, and the ending: "nmi_chance" -> "nmi", "_chance"."""
    for ending in ENDINGS:
        base = name.removesuffix(ending)
        if base != name and base in METRICS:
            return base, ending
    return name, ""


def label_of(name: str) -> str:
    """What a table calls a score, with its ending: "nmi_noise_cluster" -> "NMI, noise one
    cluster"."""
    base, ending = _base(name)
    if base not in METRICS:
        return name
    label = METRICS[base].label
    if ending == "_chance":
        return f"{label} by chance"
    if ending == "_common":
        return f"{label}, common space"
    return f"{label}, {NOISE[ending]}" if ending else label


def metric_of(name: str) -> Metric:
    """The entry of METRICS that a score, with or without an ending, belongs to; KeyError for
    none."""
    return METRICS[_base(name)[0]]


# ---- one clustering ------------------------------------------------------------------------------


def counts(genres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many rows of each genre lie in each cluster, (genres, clusters) float.

    genres, labels (n,); noise counts as a cluster."""
    genre = np.unique(genres, return_inverse=True)[1]
    cluster = np.unique(labels, return_inverse=True)[1]
    n_genres, n_clusters = genre.max(initial=0) + 1, cluster.max(initial=0) + 1
    cells = np.bincount(genre * n_clusters + cluster, minlength=n_genres * n_clusters)
    return cells.reshape(n_genres, n_clusters).astype(float)


def external(genres: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every score of METRICS against genres; genres, labels (n,).

    Every label, -1 too, counts as a cluster. NaN without rows."""
    table = counts(genres, labels)
    values = {}
    for name, metric in METRICS.items():
        if metric.of_table:
            values[name] = float(metric.of_table(table)) if len(labels) else float("nan")
    return values


def internal(X: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every score of METRICS of labels (n,) in X (n, d); NaN where it is not defined."""
    values = {}
    for name, metric in METRICS.items():
        if metric.of_space:
            values[name] = float(metric.of_space(X, labels)) if len(labels) else float("nan")
    return values


def singletons(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) with every noise row (-1) given a cluster of its own."""
    labels = np.array(labels)
    noise = labels == -1
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return labels


def chance(
    genres: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    n_draws: int = 50,
    seed: int = 0,
) -> dict[str, float]:
    """What the same clusters score against permuted genres, mean of `n_draws`, {name: value}.

    It has each score of METRICS that is given beside its chance level, and "mutual", the mutual
    information in nats. genres, labels (n,); groups (n,) trade places whole."""
    codes = np.unique(genres, return_inverse=True)[1]
    tables = np.stack([counts(drawn, labels) for drawn in permuted(codes, groups, n_draws, seed)])
    values = {}
    for name, metric in METRICS.items():
        if metric.of_table and metric.chance:
            values[name] = float(metric.of_table(tables).mean())
    values["mutual"] = float(_entropies(tables)[2].mean())
    return values


def scores(
    labels: np.ndarray,
    space: np.ndarray,
    common: np.ndarray | None = None,
    genres: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, float]:
    """Everything the tables show of one clustering, as {metric: value}.

    labels (n,), -1 for noise; `space` (n, d) is what was clustered, `common` (n, D) a space shared
    by all methods (its scores end in `_common`); `genres` (n,) or None leaves the external scores
    out; rows of one of the `groups` (n,) belong together: chance (`_chance`) and AMI then permute
    whole groups. The plain names leave noise out, as the paper's code does; `*_noise_cluster`
    counts noise as one cluster and `*_noise_singletons` as singletons. Always there: n, k, dims,
    noise_share. With every row noise the scores are NaN."""
    labels = np.asarray(labels)
    kept = labels != -1
    result = {
        "n": float(len(labels)),
        "k": float(len(np.unique(labels[kept]))),
        "dims": float(space.shape[1]),
        "noise_share": float(1 - kept.mean()),
    }
    result |= internal(space[kept], labels[kept])
    if common is not None:
        in_common = internal(common[kept], labels[kept])
        result |= {f"{name}_common": value for name, value in in_common.items()}
    if genres is None:
        return result
    if groups is not None and len(np.unique(groups)) == len(groups):
        groups = None  # each row on its own
    groups_kept = None if groups is None else groups[kept]
    values, by_chance = _against(genres[kept], labels[kept], groups_kept, with_chance=True)
    result |= values
    result |= {f"{name}_chance": value for name, value in by_chance.items()}
    if kept.all():  # no noise to count one way or another
        noise_cluster = noise_singletons = values
    else:
        noise_cluster, _ = _against(genres, labels, groups)
        noise_singletons, _ = _against(genres, singletons(labels), groups)
    result |= {f"{name}_noise_cluster": value for name, value in noise_cluster.items()}
    result |= {f"{name}_noise_singletons": value for name, value in noise_singletons.items()}
    return result


def _against(
    genres: np.ndarray, labels: np.ndarray, groups: np.ndarray | None, with_chance: bool = False
) -> tuple[dict[str, float], dict[str, float]]:
    """Scores against genres, and their chance levels where asked for.

    With groups AMI takes off what permuted groups share, not permuted rows."""
    values = external(genres, labels)
    if not len(labels) or (groups is None and not with_chance):
        return values, {}
    by_chance = chance(genres, labels, groups)
    mutual = by_chance.pop("mutual")
    if groups is not None:
        genre, cluster, shared = _entropies(counts(genres, labels))
        values["ami"] = float(_adjusted(shared, (genre + cluster) / 2, mutual))
    return values, by_chance


# ---- intervals -----------------------------------------------------------------------------------

DRAWS_AT_ONCE = 20_000_000  # numbers of drawn groups that are held at a time, 8 bytes each


def resampled(
    genres: np.ndarray,
    labels: Sequence[np.ndarray] | np.ndarray,
    groups: np.ndarray | None,
    metric: str,
    n_resamples: int = 500,
    seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of each labelling (S, n) on all rows, (S,), and on resamples, (n_resamples, S).

    Whole groups are drawn. A resample is how often each group was drawn, so that its table of
    counts is these weights times the counts of each group, whatever the number of rows. Noise is
    left out."""
    score = METRICS[metric].of_table
    if score is None:
        raise ValueError(f"{metric} is no score against labels, which a bootstrap needs.")
    if groups is None:
        groups = np.arange(len(genres))
    group = np.unique(groups, return_inverse=True)[1]
    genre = np.unique(genres, return_inverse=True)[1]
    n_groups = group.max() + 1
    by_group = [_counts_by_group(group, genre, np.asarray(one)) for one in labels]

    whole = []
    for cells, shape in by_group:
        total = np.asarray(cells.sum(0)).reshape(shape)
        whole.append(float(score(total)) if cells.nnz else float("nan"))

    rng = np.random.default_rng(seed)
    at_once = max(1, DRAWS_AT_ONCE // n_groups)
    drawn = []
    for start in range(0, n_resamples, at_once):
        n_now = min(at_once, n_resamples - start)
        # One column a resample, floats in C order: scipy would convert anything else again for
        # every labelling
        counts_of = [
            np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups)
            for _ in range(n_now)
        ]
        times = np.stack(counts_of, axis=1, dtype=float)
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample of noise has no score
            columns = []
            for cells, shape in by_group:
                tables = (cells.T @ times).T.reshape(n_now, *shape)
                columns.append(score(tables))
        drawn.append(np.stack(columns, axis=1))
    return np.array(whole), np.concatenate(drawn)


def _counts_by_group(
    group: np.ndarray, genre: np.ndarray, labels: np.ndarray
) -> tuple[sparse.csr_matrix, tuple[int, int]]:
    """Counts of each group, (groups, genres * clusters) sparse, and the shape (genres,
    clusters)."""
    kept = labels != -1
    cluster = np.unique(labels[kept], return_inverse=True)[1]
    shape = (int(genre.max()) + 1, int(cluster.max(initial=0)) + 1)
    cell = genre[kept] * shape[1] + cluster
    size = (int(group.max()) + 1, shape[0] * shape[1])
    return sparse.csr_matrix((np.ones(len(cell)), (group[kept], cell)), size), shape


def interval(
    sides: Sequence[tuple[np.ndarray, np.ndarray]],
    of: str = "mean",
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Point and interval of a score, or of the first side's minus the second's.

    Sides are as `resampled` gives them, `of` as in `bootstrap`."""
    if of not in ("mean", "run"):
        raise ValueError(
            f"of is {of!r}; choose mean (over the seeds) or run (of one seed, drawn anew)."
        )
    rng = np.random.default_rng([seed, 1])
    point, spread = 0.0, np.zeros(len(sides[0][1]))
    for sign, (whole, drawn) in zip((1, -1), sides, strict=False):
        if of == "mean":
            one = drawn.mean(1)
        else:  # one seed of each resample
            one = drawn[np.arange(len(drawn)), rng.integers(drawn.shape[1], size=len(drawn))]
        point += sign * whole.mean()
        spread = spread + sign * one
    low, high = np.nanquantile(spread - np.nanmean(spread), [(1 - level) / 2, (1 + level) / 2])
    if of == "mean":
        low, high = _widened_by_seeds(sides, low, high, float(np.nanvar(spread)), level)
    return float(point), float(point + low), float(point + high)


def _widened_by_seeds(
    sides: Sequence[tuple[np.ndarray, np.ndarray]],
    low: float,
    high: float,
    variance: float,
    level: float,
) -> tuple[float, float]:
    """The ends of an interval over tracks, widened because the seeds are a sample, too.

    The luck of single tracks is in the resamples already, so its share of the seeds' variance is
    taken off. Few seeds tell their spread roughly, which widens the whole (Satterthwaite 1946).
    `variance` is that of the resamples."""
    between_seeds, roughness = 0.0, 0.0
    for whole, drawn in sides:
        n_seeds = len(whole)
        if n_seeds > 1:
            own = whole.var(ddof=1) / n_seeds
            luck = (np.nanvar(drawn, 0).mean() - np.nanvar(drawn.mean(1))) / (n_seeds - 1)
            between_seeds += max(own - luck, 0.0)
            roughness += own**2 / (n_seeds - 1)
    total = variance + between_seeds
    if not (roughness > 0 and total > 0):  # one seed, or a side and itself
        return low, high
    z = stats.norm.ppf((1 + level) / 2)
    wide = stats.t.ppf((1 + level) / 2, total**2 / roughness) / z
    half = z * np.sqrt(between_seeds)
    return -wide * np.hypot(low, half), wide * np.hypot(high, half)


def bootstrap(
    genres: np.ndarray,
    labels: Sequence[np.ndarray] | np.ndarray,
    metric: str = "nmi",
    groups: np.ndarray | None = None,
    of: str = "mean",
    n_resamples: int = 500,
    seed: int = 0,
) -> tuple[float, float]:
    """95 % interval of a score of METRICS when tracks are drawn again (percentiles, Efron 1979).

    `labels`: one labelling (n,) per seed, noise (-1) left out; `groups` (n,) names the unit that is
    drawn (default: each row on its own). `of` says what the interval is of: the "mean" over seeds,
    that is the method, where the t interval of the seeds' mean joins that of the tracks (with one
    seed, the tracks alone), and what both hold, the luck of single tracks, counts once; or one
    "run", whose seed is drawn with the tracks. NMI of a resample is biased upwards a little, so the
    interval is shifted by the difference between the score and the resamples' mean.
    bench/intervals.py measures its coverage."""
    side = resampled(genres, labels, groups, metric, n_resamples, seed)
    _, low, high = interval([side], of, seed)
    return low, high


def paired_bootstrap(
    genres: np.ndarray,
    labels_a: Sequence[np.ndarray] | np.ndarray,
    labels_b: Sequence[np.ndarray] | np.ndarray,
    metric: str = "nmi",
    groups: np.ndarray | None = None,
    of: str = "mean",
    n_resamples: int = 500,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:
    """Mean difference score(a) - score(b) and its interval, both scored on the same resampled
    tracks.

    `labels_a`, `labels_b`: one labelling (n,) per seed; `of` as in `bootstrap`: a verdict on a
    method takes the "mean", what one more run may show the "run", which draws one seed of either
    side with the tracks."""
    sides = [
        resampled(genres, side, groups, metric, n_resamples, seed) for side in (labels_a, labels_b)
    ]
    return interval(sides, of, seed, level)


def difference_sign(low: float, high: float) -> str:
    """What an interval of a difference says: "higher", "lower", or "level" where it holds zero."""
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "level"


def confusion(genres: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """Counts (genres x clusters), the best matching on the diagonal; noise last as "noise"."""
    table = pd.crosstab(pd.Series(genres, name="genre"), pd.Series(labels, name="cluster"))
    noise = table.pop(-1) if -1 in table.columns else None
    genre, cluster = linear_sum_assignment(table.to_numpy(), maximize=True)
    matched = cluster[np.argsort(genre)].tolist()
    rest = [i for i in range(table.shape[1]) if i not in matched]
    table = table.iloc[:, matched + rest]
    if noise is not None:
        table["noise"] = noise
    return table


def equal_pure_clusters(n_genres: int, per_genre: int) -> float:
    """NMI of `n_genres * per_genre` equally large pure clusters over equally large genres, in
    closed form: 2 ln g / (ln g + ln (g m)). Page "Leakage"."""
    return float(2 * np.log(n_genres) / (np.log(n_genres) + np.log(n_genres * per_genre)))
