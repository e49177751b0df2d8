"""What can be read from a latent space: cross-validated probes, factors that ignore the condition, clusters within it.

Used by `collapse` and on the page "CVAE: collapse or by design?".
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import normalized_mutual_info_score
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

MAX_ROWS = 4000  # a probe or a kernel matrix on more rows costs minutes and says the same: a random subset is taken


@dataclass(frozen=True)
class Probe:
    """Out-of-fold result of a probe: balanced accuracy `score`, `chance` = 1 / number of classes, `information` in nats
    (H(target) minus cross-entropy), and per row the weighted hit `hits` (n,), whose mean is the score."""

    score: float
    chance: float
    information: float
    hits: np.ndarray
    rows: np.ndarray

    @property
    def skill(self) -> float:
        """0 at chance, 1 when every row is right; below 0 for a probe worse than chance."""
        return (self.score - self.chance) / (1.0 - self.chance)


def subset(n: int, seed: int, limit: int = MAX_ROWS) -> np.ndarray:
    """All n row numbers, or `limit` of them drawn without replacement and sorted."""
    return np.arange(n) if n <= limit else np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))


def probe(Z: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Probe | None:
    """Can `target` be read from Z? Stratified five-fold cross-validation, whole groups (tracks) left out together.

    Z (n, d), target (n,) categorical, groups (n,) or None. The score is the better one of a linear probe (logistic
    regression) and a kernel probe (RBF support vectors). `information` is the Barber-Agakov lower bound of I(Z; target)
    from the linear probe (Barber & Agakov 2003, eq. 3); it is negative where the probe is worse than the class
    frequencies. Classes with fewer than two groups are left out; None when fewer than two classes remain.
    """
    keep = subset(len(Z), seed)
    split, grouped = (StratifiedKFold, False) if groups is None else (StratifiedGroupKFold, True)
    groups = np.arange(len(Z)) if groups is None else np.asarray(groups)
    names, codes = np.unique(np.asarray(target)[keep], return_inverse=True)
    sizes = np.array([len(np.unique(groups[keep][codes == k])) for k in range(len(names))])
    keep, codes = keep[sizes[codes] >= 2], codes[sizes[codes] >= 2]
    codes = np.unique(codes, return_inverse=True)[1]
    n_classes = int(codes.max()) + 1 if len(codes) else 0
    if n_classes < 2:
        return None
    folds = split(min(5, int(sizes[sizes >= 2].min())), shuffle=True, random_state=seed)
    given = [groups[keep]] if grouped else []
    models = (LogisticRegression(max_iter=500), SVC())
    guesses = np.zeros((2, len(codes)), dtype=int)
    log_p = np.zeros(len(codes))
    for train, test in folds.split(keep, codes, *given):
        if len(np.unique(codes[train])) < 2:
            continue  # nothing to learn from: these rows stay guessed as class 0
        for k, model in enumerate(models):
            fitted = make_pipeline(StandardScaler(), model).fit(Z[keep[train]], codes[train])
            guesses[k, test] = fitted.predict(Z[keep[test]])
            if k == 0:
                log_p[test] = _log_probability(fitted, Z[keep[test]], codes[test], n_classes)
    share = np.bincount(codes) / len(codes)
    hits = (guesses == codes) / (n_classes * share[codes])  # weighted so that the mean is the balanced accuracy
    best = hits[hits.mean(axis=1).argmax()]
    entropy = -float((share * np.log(share)).sum())
    return Probe(float(best.mean()), 1.0 / n_classes, entropy + float(log_p.mean()), best, keep)


_DATA_PROBES: dict[bytes, Probe | None] = {}


def probe_data(X: np.ndarray, target: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> Probe | None:
    """`probe`, remembered: several models are held against the same X, and its probe is the slowest."""
    codes = [np.unique(labels, return_inverse=True)[1] for labels in (target, groups) if labels is not None]
    key = hashlib.sha256(b"|".join(np.ascontiguousarray(part).tobytes() for part in (X, *codes, seed))).digest()
    if key not in _DATA_PROBES:
        _DATA_PROBES[key] = probe(X, target, groups, seed)
    return _DATA_PROBES[key]


def _log_probability(model, Z: np.ndarray, codes: np.ndarray, n_classes: int) -> np.ndarray:
    p = np.full((len(Z), n_classes), 1e-6)  # a class that is missing from the training folds gets almost nothing
    p[:, model[-1].classes_] = np.maximum(model.predict_proba(Z), 1e-6)
    return np.log(p[np.arange(len(Z)), codes] / p.sum(axis=1))


def within(values: np.ndarray, c: np.ndarray, bins: int = 3) -> np.ndarray:
    """A factor that says nothing about c: the quantile bin of `values` (n,) among the rows of the same class, (n,) int.

    With bins=3: 0 the lowest third of the class, 2 the highest; ties are broken by row order. For real tracks, where
    no second label exists, this makes one (bright or dark for its genre).
    """
    values, c = np.asarray(values, dtype=float), np.asarray(c)
    out = np.zeros(len(values), dtype=int)
    for name in np.unique(c):
        rows = np.flatnonzero(c == name)
        out[rows[np.argsort(values[rows], kind="stable")]] = np.arange(len(rows)) * bins // len(rows)
    return out


def cluster_nmi(Z: np.ndarray, target: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """NMI of K-Means on Z (n, d) with `target` (n,), k = number of classes, and the same with the target permuted
    (mean of 20): NMI by chance is above 0, the more so the fewer rows."""
    keep = subset(len(Z), seed)
    names, codes = np.unique(np.asarray(target)[keep], return_inverse=True)
    labels = KMeans(len(names), n_init=5, random_state=seed).fit_predict(Z[keep])
    rng = np.random.default_rng([seed, 13])
    chance = np.mean([normalized_mutual_info_score(rng.permutation(codes), labels) for _ in range(20)])
    return float(normalized_mutual_info_score(codes, labels)), float(chance)


def cluster_within(Z: np.ndarray, c: np.ndarray, factor: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """K-Means inside every class of c against `factor`: mean NMI over the classes, and the same by chance.

    Z (n, d); k is the number of levels the factor has in that class; chance is the NMI of the same clusters with the
    factor permuted within the class. Classes with fewer than 4 rows per level, or one level, are left out; None when
    no class is left.
    """
    rng = np.random.default_rng(seed)
    keep = subset(len(Z), seed)
    Z, c, factor = Z[keep], np.asarray(c)[keep], np.asarray(factor)[keep]
    found, chance = [], []
    for name in np.unique(c):
        rows = np.flatnonzero(c == name)
        levels = len(np.unique(factor[rows]))
        if levels < 2 or len(rows) < 4 * levels:
            continue
        labels = KMeans(levels, n_init=5, random_state=seed).fit_predict(Z[rows])
        found.append(normalized_mutual_info_score(factor[rows], labels))
        chance.append(normalized_mutual_info_score(rng.permutation(factor[rows]), labels))
    return (float(np.mean(found)), float(np.mean(chance))) if found else None


def bootstrap(columns: np.ndarray, groups: np.ndarray | None, seed: int, n_boot: int = 1000) -> np.ndarray:
    """95 % percentile intervals of the column means, resampling whole groups (tracks): (n, m) -> (2, m).

    NaN marks a row that takes no part in that column.
    """
    codes = np.arange(len(columns)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n, m = codes.max() + 1, columns.shape[1]
    there = np.isfinite(columns)
    sums = np.column_stack([np.bincount(codes, np.where(there[:, j], columns[:, j], 0.0), n) for j in range(m)])
    sizes = np.column_stack([np.bincount(codes, there[:, j], n) for j in range(m)])
    rng = np.random.default_rng(seed)
    draws = np.empty((n_boot, m))
    for b in range(n_boot):  # one at a time: all counts at once would need n_boot * n numbers
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        draws[b] = times @ sums / np.maximum(times @ sizes, 1e-12)
    return np.percentile(draws, [2.5, 97.5], axis=0)
