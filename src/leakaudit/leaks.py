"""How much of a label a block of columns says, on a scale from chance to all of it.

`helpers.inputs.leak_guard` is a threshold on `effect`; the audit of a table asks more. Pages
"Leakage" and "Audit".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.linalg.lapack import dpotrf, dpotri
from scipy.spatial.distance import cdist
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

LEAKY = 0.3  # effect of a block that should say nothing: as if this share of rows had the label
LIKELY = 0.05  # p above which an effect may be chance
SURE = 0.7  # a class is read where this share of its rows is named, and of those named so
RIDGE = 0.1
ROUNDED = 9  # digits of a prediction: errors of its arithmetic, 1e-15, depend on the row's class
FOLDS = 5
MOST_ROWS = 2000  # rows that a probe looks at: its cost grows with their cube


@dataclass(frozen=True)
class Effect:
    """How much of the label a block says.

    `linear`, `nonlinear` and `spread` are cross-validated balanced accuracies: of a linear probe,
    of a kernel probe, and of a probe that sees only how far out a row lies and how near its
    neighbours are. `chance` and `p` are those of the best probe when labels are permuted by whole
    groups. `share`, in [0, 1], is the best accuracy on a scale from chance to 1: as if this share
    of the rows carried the label and the others were guessed. `named` gives for each class the
    share of its rows that is named, or of the rows named so that belong to it, whichever is
    smaller, at the lower end of its interval (`at_least`). `n_rows` is how many rows were used.
    """

    linear: float
    nonlinear: float
    spread: float
    chance: float
    p: float
    share: float
    named: dict[str, float]
    n_rows: int = 0

    def read(self, sure: float) -> list[str]:
        """The classes that are named this surely, however few they are."""
        return [name for name, bound in self.named.items() if bound >= sure]

    @property
    def leaky(self) -> bool:
        """Whether a block that should know nothing of the label says too much of it."""
        return self.p <= LIKELY and (self.share >= LEAKY or bool(self.read(SURE)))


def standard(X: np.ndarray) -> np.ndarray:
    """Columns of X (n, d) with mean 0 and variance 1; constant ones left out, missing values 0."""
    X = np.asarray(X, dtype=float)
    with np.errstate(invalid="ignore"):
        centred = X - np.nanmean(X, axis=0)
        scale = np.sqrt(np.nanmean(centred**2, axis=0))
    keep = scale > 1e-12 * np.maximum(np.nanmax(np.abs(X), axis=0), 1e-300)
    return np.nan_to_num(centred[:, keep] / scale[keep])


def splits(codes: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits that keep groups whole; as many as the rarest class has groups, at most FOLDS.

    An audit asks for the same ones for every block, so the last few are kept.
    """
    return _splits(tuple(codes.tolist()), tuple(groups.tolist()), seed)


@lru_cache(maxsize=8)
def _splits(
    codes_of_rows: tuple, groups_of_rows: tuple, seed: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    codes, groups = np.array(codes_of_rows), np.array(groups_of_rows)
    sizes = [len(np.unique(groups[codes == code])) for code in range(codes.max() + 1)]
    alone = len(np.unique(groups)) == len(groups)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    split = kind(min(FOLDS, *sizes), shuffle=True, random_state=seed)
    return list(split.split(codes, codes, None if alone else groups))


def sample_of_groups(
    codes: np.ndarray, groups: np.ndarray, most: int = MOST_ROWS, seed: int = 0
) -> np.ndarray:
    """Sorted positions of about `most` rows: whole groups, a like share of each class.

    All rows where there are no more than `most`. A group belongs to the class of its first row,
    and every class keeps at least 20 rows if it has them.
    """
    n = len(codes)
    if n <= most:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    group = pd.factorize(groups)[0]
    n_groups = group.max() + 1
    first = np.full(n_groups, n)
    np.minimum.at(first, group, np.arange(n))
    size = np.bincount(group)
    order = rng.permutation(n_groups)
    class_of = codes[first[order]]
    before = pd.Series(size[order]).groupby(class_of).cumsum().to_numpy() - size[order]
    quota = np.maximum(np.ceil(np.bincount(codes) * most / n), 20)
    taken = np.zeros(n_groups, bool)
    taken[order] = before < quota[class_of]
    return np.flatnonzero(taken[group])


def outlying(Z: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Two numbers of a row, (n, 2), that noise of different strength by class changes.

    They are the logarithms of its distance from the mean, and from its fifth neighbour outside its
    group.
    """
    return _distances(standard(Z), groups)[2]


def _distances(Z: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products (n, n) and distances (n, n) of standardised rows, and `outlying`."""
    gram = Z @ Z.T
    square = np.diag(gram)
    fifth = min(4, len(Z) - 1)
    far = np.sqrt(np.maximum(square[:, None] + square - 2 * gram, 0))
    others = np.where(groups[:, None] == groups, np.inf, far)
    near = np.partition(others, fifth, axis=1)[:, fifth]
    near = np.where(np.isfinite(near), near, np.sqrt(square))
    small = 1e-3 * np.median(np.sqrt(square)) + 1e-300
    return gram, far, np.log(np.column_stack([np.sqrt(square), near]) + small)


def _kernels(Z: np.ndarray, groups: np.ndarray) -> Iterator[np.ndarray]:
    """Gram matrices (n, n) of the three probes: linear; exp(-distance); that of `outlying`."""
    gram, far, two = _distances(Z, groups)
    yield gram / Z.shape[1]
    yield np.exp(-far / far.mean())
    two = standard(two)
    yield np.exp(-cdist(two, two)) if two.shape[1] else np.ones_like(gram)


def _inverse(G: np.ndarray) -> np.ndarray:
    """Inverse of a symmetric positive definite matrix."""
    lower, failed = dpotrf(G, lower=1)
    if failed:
        raise np.linalg.LinAlgError("the kernel is not positive definite")
    half, _ = dpotri(lower, lower=1)
    half = np.tril(half)
    return half + np.tril(half, -1).T


def _guesses(
    K: np.ndarray, drawn: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]
) -> np.ndarray:
    """Out-of-fold class codes (m, n) of kernel ridge regression, for m labellings (m, n) at once.

    Class indicators are regressed, and every class counts alike. One inverse P of K + ridge serves
    all folds: what a fit without the fold S predicts there is y_S - P_SS^-1 (P y)_S (the
    leave-one-out identity, Hastie, Tibshirani and Friedman 2009, section 7.10, for a block).
    """
    m, n = drawn.shape
    indicators = np.eye(drawn.max() + 1)[drawn.T].reshape(n, -1)
    P = _inverse(K + RIDGE * np.eye(n))
    Py, P1 = P @ indicators, P.sum(axis=1)
    guess = np.empty_like(drawn)
    for train, test in folds:
        mean = indicators[train].mean(axis=0)
        residual = Py[test] - np.outer(P1[test], mean)
        factor = cho_factor(P[np.ix_(test, test)], lower=True, check_finite=False)
        predicted = indicators[test] - mean - cho_solve(factor, residual, check_finite=False)
        predicted = np.round(predicted, ROUNDED)  # what is 0 but for rounding errors knows the row
        score = predicted / np.sqrt(mean * (1 - mean) + 1e-12)
        guess[:, test] = score.reshape(len(test), m, -1).argmax(axis=2).T
    return guess


def _balanced(codes: np.ndarray, guess: np.ndarray) -> float:
    """Balanced accuracy: the mean over classes of the share of their rows that is guessed."""
    return float((np.bincount(codes, codes == guess) / np.bincount(codes)).mean())


def at_least(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Lower end of the 95 % interval of the share `hits` of `n` (Wilson 1927)."""
    n, z = np.maximum(n, 1e-9), 1.96
    share = hits / n
    centre = share + z**2 / (2 * n)
    half = z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)
    return (centre - half) / (1 + z**2 / n)


def permuted(
    genres: np.ndarray, groups: np.ndarray | None, n_draws: int, seed: int
) -> Iterator[np.ndarray]:
    """The genres (n,) permuted `n_draws` times, whole groups at a time.

    A group takes the genres of another one in order, from the start again where it is longer.
    """
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


def usable_rows(codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Positions of the rows whose class has rows in two groups; a code below 0 is no class."""
    pairs = pd.DataFrame({"code": codes, "group": groups})[codes >= 0].drop_duplicates()
    n_groups = pairs["code"].value_counts()
    return np.flatnonzero(np.isin(codes, n_groups.index[n_groups >= 2]))


# Many small factorisations: a second thread makes them ten times slower.
@threadpool_limits.wrap(limits=1)
def effect(
    X: np.ndarray,
    labels: np.ndarray,
    groups: np.ndarray | None = None,
    n_draws: int = 99,
    seed: int = 0,
    most_rows: int = MOST_ROWS,
) -> Effect | None:
    """What the block X (n, d) says of labels (n,), as an `Effect`.

    None where it cannot be measured: a constant block, or fewer than two classes with rows in two
    groups (other classes are left out). groups (n,) are never cut by a fold. Of more than
    `most_rows` rows, a part is drawn by whole groups (`sample_of_groups`).

    Balanced accuracies come from five-fold cross-validation of kernel ridge regression; the null
    permutes labels among groups `n_draws` times. The share is Youden's index (Youden 1950) averaged
    over classes, above chance. Page "Leakage".
    """
    groups = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    codes = np.unique(labels, return_inverse=True)[1]
    rows = usable_rows(codes, groups)
    if len(np.unique(codes[rows])) < 2:
        return None
    if len(np.unique(groups)) < len(groups):  # equal rows of a group are one: they share a text
        known = pd.DataFrame(X[rows]).assign(codes=codes[rows], groups=groups[rows])
        rows = rows[~known.duplicated().to_numpy()]
    present = np.unique(codes[rows], return_inverse=True)[1]
    rows = rows[sample_of_groups(present, groups[rows], most_rows, seed)]
    rows = rows[usable_rows(codes[rows], groups[rows])]
    Z = standard(X[rows])
    names, codes = np.unique(np.asarray(labels)[rows], return_inverse=True)
    groups = groups[rows]
    if len(names) < 2 or not Z.shape[1]:
        return None
    n_draws = max(19, min(n_draws, 20_000_000 // (len(codes) * len(names))))
    drawn = np.stack([codes, *permuted(codes, groups, n_draws, seed)])
    folds = splits(codes, groups, seed)
    guesses = [_guesses(K, drawn, folds) for K in _kernels(Z, groups)]
    accuracy = np.empty((len(guesses), len(drawn)))
    for probe, guess in enumerate(guesses):
        accuracy[probe] = [_balanced(*pair) for pair in zip(drawn, guess)]
    best, null = accuracy[:, 0].max(), accuracy[:, 1:].max(axis=0)
    chance = float(null.mean())
    share = float(np.clip((best - chance) / max(1 - chance, 1e-9), 0, 1))
    bounds = _named(codes, guesses[int(accuracy[:, 0].argmax())][0], groups)
    p = float((1 + (null >= best).sum()) / (1 + len(null)))
    linear, nonlinear, spread = accuracy[:, 0].tolist()
    named = dict(zip(map(str, names), bounds.tolist()))
    return Effect(linear, nonlinear, spread, chance, p, share, named, len(rows))


def _named(codes: np.ndarray, guess: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """`Effect.named` of each class, counted in groups, whose rows are not independent."""
    k = codes.max() + 1
    table = np.zeros((k, k))
    np.add.at(table, (codes, guess), len(np.unique(groups)) / len(groups))
    right = np.diag(table)
    return np.minimum(at_least(right, table.sum(axis=0)), at_least(right, table.sum(axis=1)))
