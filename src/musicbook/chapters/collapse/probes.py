"""What can be read from a latent space: cross-validated probes, factors that ignore the condition,
clusters within it.

Used by `battery` on the page "CVAE and posterior collapse". Rows of one group (a track, an artist)
stay together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from helpers import clustering, metrics, store
from helpers.shown import short_repr_of

# a probe or a kernel matrix on more rows costs minutes and says the same: a random subset is taken
MAX_ROWS = 4000


@dataclass(frozen=True)
class ProbeScore:
    """Out-of-fold result of a probe: balanced accuracy `score` of the better kind, `chance` = 1 /
    number of classes, `information` in nats (H(target) minus cross-entropy), per row the weighted
    hit `hits` (n,), NaN where it took no part, whose mean is the score, and the score of each kind,
    `by_kind` {"linear", "RBF"}."""

    score: float
    chance: float
    information: float
    hits: np.ndarray
    by_kind: dict[str, float]


short_repr_of(ProbeScore)


def subset(n: int, seed: int, limit: int = MAX_ROWS) -> np.ndarray:
    """All n row numbers, or `limit` of them drawn without replacement and sorted."""
    if n <= limit:
        return np.arange(n)
    return np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))


def probe(
    Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> ProbeScore | None:
    """Can `target` be read from Z? Stratified five-fold cross-validation, whole groups left out
    together; remembered.

    Z (n, d), target (n,) categorical, groups (n,) or None. Two kinds are tried, a linear probe
    (logistic regression) and a kernel probe (RBF support vectors); the score is that of the better
    one. `information` is the Barber-Agakov lower bound of I(Z; target) from the linear probe
    (Barber & Agakov 2003, eq. 3); it is negative where the probe is worse than the class
    frequencies. Classes with fewer than two groups are left out; None when fewer than two classes
    remain."""
    result = store.remember(_probe, np.asarray(Z), np.asarray(target), groups, seed)
    if not result:
        return None
    return ProbeScore(
        float(result["score"]),
        float(result["chance"]),
        float(result["information"]),
        result["hits"],
        {kind: float(result[kind]) for kind in _KINDS},
    )


_KINDS = {"linear": partial(LogisticRegression, max_iter=500), "RBF": SVC}


def _probe(
    Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None, seed: int
) -> dict[str, np.ndarray]:
    keep, codes, smallest = _usable(target, groups, subset(len(Z), seed))
    n_classes = int(codes.max()) + 1 if len(codes) else 0
    if n_classes < 2:
        return {}
    folds = _folds(codes, None if groups is None else np.asarray(groups)[keep], smallest, seed)
    guesses = {kind: np.zeros(len(codes), dtype=int) for kind in _KINDS}
    log_p = np.zeros(len(codes))
    for train, test in folds:
        if len(np.unique(codes[train])) < 2:
            continue  # nothing to learn from: these rows stay guessed as class 0
        for kind, make in _KINDS.items():
            fitted = make_pipeline(StandardScaler(), make()).fit(Z[keep[train]], codes[train])
            guesses[kind][test] = fitted.predict(Z[keep[test]])
            if kind == "linear":
                log_p[test] = _log_probability(fitted, Z[keep[test]], codes[test], n_classes)
    share = np.bincount(codes) / len(codes)
    weight = 1.0 / (n_classes * share[codes])  # so that the mean hit is the balanced accuracy
    hits = {kind: (guess == codes) * weight for kind, guess in guesses.items()}
    scores = {kind: np.array(one.mean()) for kind, one in hits.items()}
    best = max(scores, key=lambda kind: float(scores[kind]))
    spread = np.full(len(Z), np.nan)
    spread[keep] = hits[best]
    return {
        "score": scores[best],
        "chance": np.array(1.0 / n_classes),
        "information": np.array(log_p.mean() - (share * np.log(share)).sum()),
        "hits": spread,
        **scores,
    }


def _usable(
    target: np.ndarray, groups: np.ndarray | None, keep: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """The rows of `keep` whose class has two groups or more, their codes 0 ... C-1, and the number
    of groups of the smallest such class."""
    owners = keep if groups is None else np.asarray(groups)[keep]
    codes = np.unique(target[keep], return_inverse=True)[1]
    pairs = pd.DataFrame({"code": codes, "owner": owners})
    sizes = pairs.groupby("code").owner.nunique().to_numpy()
    there = sizes[codes] >= 2
    smallest = int(sizes[sizes >= 2].min(initial=len(keep)))
    return keep[there], np.unique(codes[there], return_inverse=True)[1], smallest


def _folds(
    codes: np.ndarray, groups: np.ndarray | None, smallest: int, seed: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Up to five stratified folds (train, test), whole groups together."""
    n_folds = min(5, smallest)
    if groups is None:
        split = StratifiedKFold(n_folds, shuffle=True, random_state=seed)
        return split.split(codes, codes)
    split = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    return split.split(codes, codes, groups)


def _log_probability(model, Z: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    """Log of the probability that a fitted probe gives to each row's own class."""
    # a class that is missing from the training folds gets almost nothing
    p = np.full((len(Z), n_classes), 1e-6)
    p[:, model[-1].classes_] = np.maximum(model.predict_proba(Z), 1e-6)
    return np.log(p[np.arange(len(Z)), codes] / p.sum(axis=1))


def bins_within_class(values: np.ndarray, c: np.ndarray, bins: int = 3) -> np.ndarray:
    """A factor that says nothing about c: the quantile bin of `values` (n,) among the rows of the
    same class, (n,) int.

    With bins=3: 0 the lowest third of the class, 2 the highest; ties are broken by row order. For
    real tracks, where no second label exists, this makes one (bright or dark for its genre)."""
    values, c = np.asarray(values, dtype=float), np.asarray(c)
    out = np.zeros(len(values), dtype=int)
    for name in np.unique(c):
        rows = np.flatnonzero(c == name)
        order = rows[np.argsort(values[rows], kind="stable")]
        out[order] = np.arange(len(rows)) * bins // len(rows)
    return out


def cluster_nmi(
    Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> tuple[float, float]:
    """NMI of K-Means on Z (n, d) with `target` (n,), k = number of classes, and by chance: the
    target permuted, whole groups together (`metrics.chance`). Chance is above 0, the more so the
    fewer groups there are."""
    keep = subset(len(Z), seed)
    names, codes = np.unique(np.asarray(target)[keep], return_inverse=True)
    labels = clustering.cluster(Z[keep], "kmeans", len(names), seed, n_init=5)
    owners = None if groups is None else np.asarray(groups)[keep]
    chance = metrics.chance(codes, labels, owners, 20, seed)
    return float(metrics.nmi(metrics.counts(codes, labels))), chance["nmi"]


def cluster_within(
    Z: np.ndarray,
    c: np.ndarray,
    factor: np.ndarray,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> tuple[float, float] | None:
    """`cluster_nmi` of `factor` inside every class of c, k the number of its levels there, mean
    over the classes.

    Z (n, d); c, factor, groups (n,). Classes with fewer than 4 rows a level, or one level, are left
    out; None when no class is left."""
    keep = subset(len(Z), seed)
    scores = []
    for name in np.unique(np.asarray(c)[keep]):
        rows = keep[np.asarray(c)[keep] == name]
        levels = len(np.unique(factor[rows]))
        if levels > 1 and len(rows) >= 4 * levels:
            owners = None if groups is None else groups[rows]
            scores.append(cluster_nmi(Z[rows], factor[rows], owners, seed))
    if not scores:
        return None
    nmi, chance = np.mean(scores, axis=0)
    return float(nmi), float(chance)


def mean_interval(
    columns: np.ndarray, groups: np.ndarray | None = None, level: float = 0.95
) -> np.ndarray:
    """Intervals of the means of columns (n, m) where whole groups are drawn, (2, m); NaN with one
    group.

    NaN in a column marks a row that takes no part. A mean of rows needs no resampling, unlike the
    scores of clusterings in `metrics.bootstrap`: it is a ratio of sums over groups, whose standard
    error is known (Liang & Zeger 1986), with the t distribution of as many degrees of freedom as
    there are groups but one."""
    codes = np.arange(len(columns)) if groups is None else np.unique(groups, return_inverse=True)[1]
    there = np.isfinite(columns)
    mean, size = np.nanmean(columns, axis=0), there.sum(axis=0)
    sums = np.zeros((codes.max() + 1, columns.shape[1]))
    np.add.at(sums, codes, np.where(there, columns - mean, 0.0))
    n = len(sums)
    if n < 2:
        return np.full((2, columns.shape[1]), np.nan)
    half = stats.t.ppf((1 + level) / 2, n - 1) * np.sqrt((sums**2).sum(axis=0) * n / (n - 1)) / size
    return np.array([mean - half, mean + half])
