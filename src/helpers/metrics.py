"""Scores of a clustering: against labels such as genre, against the geometry, against chance, with intervals.

METRICS is the one table of them: adding a score is adding an entry, and no training, since scores derive from stored
labels. Scores against genres are functions of the table of counts (genres x clusters), so that a bootstrap needs the
counts of its resamples only. DBSCAN and HDBSCAN label noise -1; noise is scored three ways, because leaving it out
flatters. Definitions and sources on the page "Method"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse, stats
from scipy.optimize import linear_sum_assignment
from scipy.special import xlogy
from sklearn import metrics as sk
from sklearn.metrics.cluster import expected_mutual_information

from . import clustering

NOISE = {"": "noise left out", "_noise_cluster": "noise one cluster", "_noise_singletons": "noise singletons"}


# ---- scores of a table of counts (..., genres, clusters) ------------------------------------------------------------


def _entropies(table: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Entropy of the genres and of the clusters, and their mutual information, in nats, (...)."""
    p = table / table.sum((-2, -1), keepdims=True)
    genres, clusters = (-xlogy(q, q).sum(-1) for q in (p.sum(-1), p.sum(-2)))
    return genres, clusters, np.maximum(genres + clusters + xlogy(p, p).sum((-2, -1)), 0.0)


def nmi(table: np.ndarray) -> np.ndarray:
    """Normalised mutual information, arithmetic mean, in [0, 1] (Vinh et al. 2010); V (Rosenberg & Hirschberg 2007) is
    the same number. 1 where neither side is split at all. table (..., genres, clusters) -> (...)."""
    genres, clusters, shared = _entropies(table)
    mean = (genres + clusters) / 2
    return np.where(mean > 1e-12, shared / np.maximum(mean, 1e-300), 1.0)


def ari(table: np.ndarray) -> np.ndarray:
    """Adjusted Rand index, at most 1, 0 by chance (Hubert & Arabie 1985). table (..., genres, clusters) -> (...)."""
    n = table.sum((-2, -1))
    same = (table**2).sum((-2, -1)) - n  # ordered pairs together on both sides; then on either
    genres, clusters = (table.sum(axis) ** 2 for axis in (-1, -2))
    a, b = genres.sum(-1) - n, clusters.sum(-1) - n
    expected, largest = a * b / np.maximum(n * (n - 1), 1), (a + b) / 2
    return np.where(largest != expected, (same - expected) / np.where(largest != expected, largest - expected, 1), 1.0)


def ami(table: np.ndarray) -> np.ndarray:
    """Adjusted mutual information: NMI with what permuted rows would share taken off (Vinh et al. 2010). Where rows
    belong together (`scores` with groups), whole groups are permuted instead. table (..., genres, clusters)."""
    genres, clusters, shared = _entropies(table)
    flat = np.asarray(table).reshape(-1, *table.shape[-2:])
    chance = np.array([_expected(t) for t in flat]).reshape(shared.shape)
    return _adjusted(shared, (genres + clusters) / 2, chance)


def _expected(table: np.ndarray) -> float:
    counts = sparse.csr_matrix(np.round(table[table.sum(1) > 0][:, table.sum(0) > 0]).astype(np.int64))
    return float(expected_mutual_information(counts, int(counts.sum()))) if min(counts.shape) > 1 else 0.0


def _adjusted(value: np.ndarray, best: np.ndarray, chance: np.ndarray | float) -> np.ndarray:
    room = best - chance
    return np.where(np.abs(room) > 1e-12, (value - chance) / np.where(np.abs(room) > 1e-12, room, 1), 1.0)


def purity(table: np.ndarray) -> np.ndarray:
    """Share of rows whose genre is the most frequent one of their cluster, in (0, 1]; grows with the number of
    clusters, up to 1 for singletons. Manning, Raghavan & Schuetze 2008, sec. 16.3. table (..., genres, clusters)."""
    return table.max(-2).sum(-1) / table.sum((-2, -1))


def accuracy(table: np.ndarray) -> np.ndarray:
    """Share of rows that are right under the best one-to-one matching of clusters to genres, in [0, 1] (Kuhn 1955);
    clusters beyond the number of genres count as errors. table (..., genres, clusters) -> (...)."""
    flat = np.asarray(table).reshape(-1, *table.shape[-2:])
    best = [t[linear_sum_assignment(t, maximize=True)].sum() / t.sum() for t in flat]
    return np.array(best).reshape(table.shape[:-2])


# ---- the table of scores --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Metric:
    """One score: its `label` in tables, `digits` after the point, whether `higher` is better (None: neither), and what
    computes it: `of_table`, a function of counts (..., genres, clusters), for scores against labels, which are given
    with noise counted three ways and an interval; or `of_space`, a function of (X, labels), for scores of the geometry.
    `chance` says that the value of permuted labels stands beside it."""

    label: str
    of_table: Callable[[np.ndarray], np.ndarray] | None = None
    of_space: Callable[[np.ndarray, np.ndarray], float] | None = None
    higher: bool | None = True
    digits: int = 3
    chance: bool = False


def _defined(score: Callable) -> Callable[[np.ndarray, np.ndarray], float]:
    """The score, NaN where it is not defined: with one cluster, or as many clusters as rows."""
    return lambda X, labels: float(score(X, labels)) if 1 < len(np.unique(labels)) < len(labels) else float("nan")


METRICS: dict[str, Metric] = {
    "silhouette": Metric("Silhouette", of_space=clustering.silhouette),  # Rousseeuw 1987
    "calinski_harabasz": Metric("Calinski-Harabasz", of_space=_defined(sk.calinski_harabasz_score), digits=1),
    "davies_bouldin": Metric("Davies-Bouldin ↓", of_space=_defined(sk.davies_bouldin_score), higher=False),
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


def label_of(name: str) -> str:
    """What a table calls a score, with its ending: "nmi_noise_cluster" -> "NMI, noise one cluster"."""
    for ending, said in {"_common": "common space", "_chance": "by chance", **NOISE}.items():
        if ending and name.endswith(ending) and name.removesuffix(ending) in METRICS:
            text = METRICS[name.removesuffix(ending)].label
            return f"{text} {said}" if ending == "_chance" else f"{text}, {said}"
    return METRICS[name].label if name in METRICS else name


def metric_of(name: str) -> Metric:
    """The entry of METRICS that a score with an ending belongs to; KeyError for a name that has none."""
    base = next((name.removesuffix(e) for e in ("_common", "_chance", *NOISE) if e and name.endswith(e)), name)
    return METRICS[base]


# ---- one clustering -------------------------------------------------------------------------------------------------


def counts(genres: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How many rows of each genre lie in each cluster, (genres, clusters) float; genres, labels (n,), noise too."""
    g, c = (np.unique(part, return_inverse=True)[1] for part in (genres, labels))
    width = c.max(initial=0) + 1
    return np.bincount(g * width + c, minlength=(g.max(initial=0) + 1) * width).reshape(-1, width).astype(float)


def external(genres: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every score of METRICS against genres; genres, labels (n,); every label, -1 too, counts as a cluster. NaN without
    rows."""
    table = counts(genres, labels)
    return {name: float(m.of_table(table)) if len(labels) else float("nan")
            for name, m in METRICS.items() if m.of_table}  # fmt: skip


def internal(X: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Every score of METRICS of labels (n,) in X (n, d); NaN where it is not defined."""
    return {name: float(m.of_space(X, labels)) if len(labels) else float("nan")
            for name, m in METRICS.items() if m.of_space}  # fmt: skip


def singletons(labels: np.ndarray) -> np.ndarray:
    """Labels (n,) with every noise row (-1) given a cluster of its own."""
    labels = np.array(labels)
    noise = labels == -1
    labels[noise] = labels.max(initial=-1) + 1 + np.arange(noise.sum())
    return labels


def permuted(genres: np.ndarray, groups: np.ndarray | None, n_draws: int, seed: int) -> Iterator[np.ndarray]:
    """The genres (n,) dealt out anew `n_draws` times: whole groups trade places, so that rows which belong together
    stay together. A group takes the other's genres in order, from the start again where it is longer."""
    rng = np.random.default_rng(seed)
    if groups is None or len(np.unique(groups)) == len(groups):
        for _ in range(n_draws):
            yield rng.permutation(genres)
        return
    codes = np.unique(groups, return_inverse=True)[1]
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    within = np.empty(len(codes), dtype=int)  # place of a row in its group
    within[order] = np.arange(len(codes)) - np.repeat(starts, sizes)
    for _ in range(n_draws):
        other = rng.permutation(len(sizes))[codes]
        yield genres[order[starts[other] + within % sizes[other]]]


def chance(
    genres: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, n_draws: int = 50, seed: int = 0
) -> dict[str, float]:
    """What the same clusters score against permuted genres, mean of `n_draws`: {name: value} for each score of METRICS
    against labels, and "mutual" (nats), the mutual information. genres, labels (n,); groups (n,) trade places whole."""
    tables = np.stack([counts(one, labels) for one in permuted(np.unique(genres, return_inverse=True)[1], groups,
                                                               n_draws, seed)])  # fmt: skip
    found = {name: float(m.of_table(tables).mean()) for name, m in METRICS.items() if m.of_table and m.chance}
    return found | {"mutual": float(_entropies(tables)[2].mean())}


def scores(
    labels: np.ndarray, space: np.ndarray, common: np.ndarray | None = None, genres: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, float]:  # fmt: skip
    """Everything the tables show of one clustering, as {metric: value}.

    labels (n,), -1 for noise; `space` (n, d) is what was clustered, `common` (n, D) a space shared by all methods (its
    scores end in `_common`); `genres` (n,) or None leaves the external scores out; rows of one of the `groups` (n,)
    belong together: chance (`_chance`) and AMI then permute whole groups. The plain names leave noise out, as the
    paper's code does; `*_noise_cluster` counts noise as one cluster and `*_noise_singletons` as singletons. Always
    there: n, k, dims, noise_share. With every row noise the scores are NaN."""
    labels = np.asarray(labels)
    kept = labels != -1
    k = len(np.unique(labels[kept]))
    result = {"n": float(len(labels)), "k": float(k), "dims": float(space.shape[1]),
              "noise_share": float(1 - kept.mean())}  # fmt: skip
    result |= internal(space[kept], labels[kept])
    if common is not None:
        result |= {f"{name}_common": value for name, value in internal(common[kept], labels[kept]).items()}
    if genres is None:
        return result
    grouped = groups is not None and len(np.unique(groups)) < len(groups)
    for ending, rows, found in (("", kept, labels), ("_noise_cluster", kept | True, labels),
                                ("_noise_singletons", kept | True, singletons(labels))):  # fmt: skip
        if ending and kept.all():
            result |= {f"{name}{ending}": result[name] for name, m in METRICS.items() if m.of_table}
            continue
        values = external(genres[rows], found[rows])
        if rows.any() and (grouped or not ending):
            null = chance(genres[rows], found[rows], groups[rows] if grouped else None)  # type: ignore[index]
            result |= {} if ending else {f"{name}_chance": null[name] for name in null if name in METRICS}
            if grouped:
                genre, cluster, shared = _entropies(counts(genres[rows], found[rows]))
                values["ami"] = float(_adjusted(shared, (genre + cluster) / 2, null["mutual"]))
        result |= {f"{name}{ending}": value for name, value in values.items()}
    return result


# ---- intervals ------------------------------------------------------------------------------------------------------


def resampled(
    genres: np.ndarray, labels: Sequence[np.ndarray] | np.ndarray, groups: np.ndarray | None, metric: str,
    n_resamples: int = 500, seed: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Scores of each labelling (S, n) on all rows, (S,), and on resamples of whole groups, (n_resamples, S).

    A resample is how often each group was drawn, so that its tables of counts are those weights times the counts of
    each group, whatever the number of rows. Noise is left out."""
    score = METRICS[metric].of_table
    names = np.arange(len(genres)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups, codes = names.max() + 1, np.unique(genres, return_inverse=True)[1]
    cells, shapes = [], []
    for one in labels:
        kept = one != -1
        clusters = np.unique(one[kept], return_inverse=True)[1]
        shapes.append((codes.max() + 1, clusters.max(initial=0) + 1))
        where = codes[kept] * shapes[-1][1] + clusters
        cells.append(sparse.csr_matrix((np.ones(len(where)), (names[kept], where)), (n_groups, np.prod(shapes[-1]))))
    rng, drawn = np.random.default_rng(seed), []
    step = max(1, 20_000_000 // n_groups)
    for start in range(0, n_resamples, step):
        some = range(start, min(start + step, n_resamples))
        times = np.stack([np.bincount(rng.integers(n_groups, size=n_groups), minlength=n_groups) for _ in some])
        tables = [(cell.T @ times.T).T.reshape(len(times), *shape) for cell, shape in zip(cells, shapes)]
        with np.errstate(invalid="ignore", divide="ignore"):  # a resample of noise only has no score
            drawn.append(np.stack([score(t) for t in tables], axis=1))  # type: ignore[misc]
    whole = [score(np.asarray(cell.sum(0)).reshape(shape)) if cell.nnz else np.nan  # type: ignore[misc]
             for cell, shape in zip(cells, shapes)]
    return np.array(whole, dtype=float), np.concatenate(drawn)


def interval(
    sides: Sequence[tuple[np.ndarray, np.ndarray]], of: str = "mean", seed: int = 0, level: float = 0.95
) -> tuple[float, float, float]:
    """Point and interval of a score, or of the first side's minus the second's; sides as `resampled` gives them."""
    if of not in ("mean", "run"):
        raise ValueError(f"of is {of!r}; choose mean (over the seeds) or run (of one seed, drawn anew).")
    rng, signs = np.random.default_rng([seed, 1]), (1, -1)[: len(sides)]
    rows = np.arange(len(sides[0][1]))
    one = [drawn.mean(1) if of == "mean" else drawn[rows, rng.integers(drawn.shape[1], size=len(rows))]
           for _, drawn in sides]  # fmt: skip
    found = sum(sign * column for sign, column in zip(signs, one, strict=True))
    point = sum(sign * whole.mean() for sign, (whole, _) in zip(signs, sides, strict=True))
    low, high = np.nanquantile(found - np.nanmean(found), [(1 - level) / 2, (1 + level) / 2])
    within, rough, z = 0.0, 0.0, stats.norm.ppf((1 + level) / 2)
    for whole, drawn in sides if of == "mean" else ():
        if (n := len(whole)) > 1:  # the seeds are a sample, too; the luck of single tracks is in the resamples already
            luck = (np.nanvar(drawn, 0).mean() - np.nanvar(drawn.mean(1))) / (n - 1)
            within += max(whole.var(ddof=1) / n - luck, 0.0)
            rough += (whole.var(ddof=1) / n) ** 2 / (n - 1)
    if rough > 0 and (total := np.nanvar(found) + within) > 0:  # none between a side and itself
        # Satterthwaite 1946: few seeds tell their spread roughly, which widens the whole
        wide = stats.t.ppf((1 + level) / 2, total**2 / rough) / z
        low, high = -wide * np.hypot(low, z * np.sqrt(within)), wide * np.hypot(high, z * np.sqrt(within))
    return float(point), float(point + low), float(point + high)


def bootstrap(
    genres: np.ndarray, labels: Sequence[np.ndarray] | np.ndarray, metric: str = "nmi",
    groups: np.ndarray | None = None, of: str = "mean", n_resamples: int = 500, seed: int = 0, level: float = 0.95,
) -> tuple[float, float]:  # fmt: skip
    """Interval of a score of METRICS when tracks are drawn anew (percentiles, Efron 1979).

    `labels`: one labelling (n,) per seed, noise (-1) left out; `groups` (n,) names the unit that is drawn (default:
    each row on its own). `of` says what the interval is of: the "mean" over seeds, that is the method, where the t
    interval of the seeds' mean joins that of the tracks (with one seed, the tracks alone), and what both hold, the
    luck of single tracks, counts once; or one "run", whose seed is drawn with the tracks. NMI of a resample is biased
    upwards a little, so the interval is shifted by the difference between the score and the resamples' mean.
    bench/intervals.py measures its coverage."""
    return interval([resampled(genres, labels, groups, metric, n_resamples, seed)], of, seed, level)[1:]


def paired_bootstrap(
    genres: np.ndarray, labels_a: Sequence[np.ndarray] | np.ndarray, labels_b: Sequence[np.ndarray] | np.ndarray,
    metric: str = "nmi", groups: np.ndarray | None = None, of: str = "mean", n_resamples: int = 500, seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float, float]:  # fmt: skip
    """Mean difference score(a) - score(b) and its interval, both scored on the same resampled tracks.

    `labels_a`, `labels_b`: one labelling (n,) per seed; `of` as in `bootstrap`: a verdict on a method takes the "mean",
    what one more run may show the "run", which draws one seed of either side with the tracks."""
    sides = [resampled(genres, side, groups, metric, n_resamples, seed) for side in (labels_a, labels_b)]
    return interval(sides, of, seed, level)


def told(low: float, high: float) -> str:
    """What an interval of a difference says: "higher", "lower", or "level" where it holds zero."""
    return "level" if not (low > 0 or high < 0) else "higher" if low > 0 else "lower"


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
