"""What can be read from a latent space: cross-validated probes, factors that ignore the condition, clusters within it.

Used by `battery` on the page "CVAE: collapse or by design?". Rows of one group (a track, an artist) stay together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .. import cache, clustering, metrics

MAX_ROWS = 4000  # a probe or a kernel matrix on more rows costs minutes and says the same: a random subset is taken


@dataclass(frozen=True)
class ProbeScore:
    """Out-of-fold result of a probe: balanced accuracy `score`, `chance` = 1 / number of classes, `information` in nats
    (H(target) minus cross-entropy), and per row the weighted hit `hits` (n,), NaN where it took no part, whose mean is
    the score."""

    score: float
    chance: float
    information: float
    hits: np.ndarray


def subset(n: int, seed: int, limit: int = MAX_ROWS) -> np.ndarray:
    """All n row numbers, or `limit` of them drawn without replacement and sorted."""
    return np.arange(n) if n <= limit else np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))


def probe(Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> ProbeScore | None:
    """Can `target` be read from Z? Stratified five-fold cross-validation, whole groups left out together; remembered.

    Z (n, d), target (n,) categorical, groups (n,) or None. The score is the better one of a linear probe (logistic
    regression) and a kernel probe (RBF support vectors). `information` is the Barber-Agakov lower bound of I(Z; target)
    from the linear probe (Barber & Agakov 2003, eq. 3); it is negative where the probe is worse than the class
    frequencies. Classes with fewer than two groups are left out; None when fewer than two classes remain."""
    found = cache.remember(_probe, np.asarray(Z), np.asarray(target), groups, seed)
    if not found:
        return None
    return ProbeScore(float(found["score"]), float(found["chance"]), float(found["information"]), found["hits"])


def _probe(Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None, seed: int) -> dict[str, np.ndarray]:
    keep = subset(len(Z), seed)
    split, grouped = (StratifiedKFold, False) if groups is None else (StratifiedGroupKFold, True)
    groups = np.arange(len(Z)) if groups is None else np.asarray(groups)
    names, codes = np.unique(target[keep], return_inverse=True)
    sizes = np.array([len(np.unique(groups[keep][codes == k])) for k in range(len(names))])
    keep, codes = keep[sizes[codes] >= 2], codes[sizes[codes] >= 2]
    codes = np.unique(codes, return_inverse=True)[1]
    n_classes = int(codes.max()) + 1 if len(codes) else 0
    if n_classes < 2:
        return {}
    folds = split(min(5, int(sizes[sizes >= 2].min())), shuffle=True, random_state=seed)
    guesses, log_p = np.zeros((2, len(codes)), dtype=int), np.zeros(len(codes))
    for train, test in folds.split(keep, codes, *([groups[keep]] if grouped else [])):
        if len(np.unique(codes[train])) < 2:
            continue  # nothing to learn from: these rows stay guessed as class 0
        for k, model in enumerate((LogisticRegression(max_iter=500), SVC())):
            fitted = make_pipeline(StandardScaler(), model).fit(Z[keep[train]], codes[train])
            guesses[k, test] = fitted.predict(Z[keep[test]])
            if k == 0:
                log_p[test] = _log_probability(fitted, Z[keep[test]], codes[test], n_classes)
    share = np.bincount(codes) / len(codes)
    hits = (guesses == codes) / (n_classes * share[codes])  # weighted so that the mean is the balanced accuracy
    spread = np.full(len(Z), np.nan)
    spread[keep] = best = hits[hits.mean(axis=1).argmax()]
    information = log_p.mean() - (share * np.log(share)).sum()
    return {"score": best.mean(), "chance": np.array(1.0 / n_classes), "information": information, "hits": spread}


def _log_probability(model, Z: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    p = np.full((len(Z), n_classes), 1e-6)  # a class that is missing from the training folds gets almost nothing
    p[:, model[-1].classes_] = np.maximum(model.predict_proba(Z), 1e-6)
    return np.log(p[np.arange(len(Z)), codes] / p.sum(axis=1))


def within(values: np.ndarray, c: np.ndarray, bins: int = 3) -> np.ndarray:
    """A factor that says nothing about c: the quantile bin of `values` (n,) among the rows of the same class, (n,) int.

    With bins=3: 0 the lowest third of the class, 2 the highest; ties are broken by row order. For real tracks, where
    no second label exists, this makes one (bright or dark for its genre)."""
    values, c = np.asarray(values, dtype=float), np.asarray(c)
    out = np.zeros(len(values), dtype=int)
    for name in np.unique(c):
        rows = np.flatnonzero(c == name)
        out[rows[np.argsort(values[rows], kind="stable")]] = np.arange(len(rows)) * bins // len(rows)
    return out


def cluster_nmi(Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None,
                seed: int = 0) -> tuple[float, float]:
    """NMI of K-Means on Z (n, d) with `target` (n,), k = number of classes, and by chance: the target dealt out anew,
    whole groups together (`metrics.chance`), which is above 0, the more so the fewer groups."""
    keep = subset(len(Z), seed)
    names, codes = np.unique(np.asarray(target)[keep], return_inverse=True)
    labels = clustering.cluster(Z[keep], "kmeans", len(names), seed, n_init=5)
    chance = metrics.chance(codes, labels, None if groups is None else np.asarray(groups)[keep], 20, seed)
    return float(metrics.nmi(metrics.counts(codes, labels))), chance["nmi"]


def cluster_within(Z: np.ndarray, c: np.ndarray, factor: np.ndarray, groups: np.ndarray | None = None,
                   seed: int = 0) -> tuple[float, float] | None:
    """`cluster_nmi` of `factor` inside every class of c, k the number of its levels there, mean over the classes.

    Z (n, d); c, factor, groups (n,). Classes with fewer than 4 rows a level, or one level, are left out; None when no
    class is left."""
    keep = subset(len(Z), seed)
    found = []
    for name in np.unique(np.asarray(c)[keep]):
        rows = keep[np.asarray(c)[keep] == name]
        levels = len(np.unique(factor[rows]))
        if levels > 1 and len(rows) >= 4 * levels:
            found.append(cluster_nmi(Z[rows], factor[rows], None if groups is None else groups[rows], seed))
    return (float(np.mean([f[0] for f in found])), float(np.mean([f[1] for f in found]))) if found else None


def interval(columns: np.ndarray, groups: np.ndarray | None = None, level: float = 0.95) -> np.ndarray:
    """Intervals of the means of columns (n, m) where whole groups are drawn, (2, m); NaN with one group.

    NaN in a column marks a row that takes no part. A mean of rows needs no resampling, unlike the scores of clusterings
    in `metrics.bootstrap`: it is a ratio of sums over groups, whose standard error is known (Liang & Zeger 1986), with
    the t distribution of as many degrees of freedom as there are groups but one."""
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
