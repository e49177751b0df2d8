"""How much of a label a block of columns says: the measure behind the leak guard and the audit of any table.

`inputs.leak_guard` is a threshold on `effect`; the wing `audit` asks more of a table. Pages "Leakage", "Audit"."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from threadpoolctl import threadpool_limits

from . import metrics

LEAKY = 0.3  # effect of a block that should not know the label: as if this share of the rows carried it
LIKELY = 0.05  # p above which an effect may be chance
SURE = 0.7  # a class is read where at least this share of its rows is named, and of those named so belongs to it
RIDGE = 0.1
FOLDS = 5


@dataclass(frozen=True)
class Effect:
    """How much of the label a block says. `linear`, `nonlinear`, `spread`: balanced accuracy, cross-validated, of a
    linear probe, a kernel probe, and a probe that sees only how far out a row lies and how near its neighbours are;
    `chance` and `p` of the best of the three, from labels permuted by whole groups; `share` in [0, 1], the best on a
    scale from chance to 1: as if this share of the rows carried the label and the others were guessed; `named`, for
    each class, the share of its rows that are named and of those named so that belong to it, the smaller one, at the
    lower end of its interval (`at_least`)."""

    linear: float
    nonlinear: float
    spread: float
    chance: float
    p: float
    share: float
    named: dict[str, float]

    def read(self, sure: float) -> list[str]:
        """The classes that are named so surely, however few they are."""
        return [name for name, bound in self.named.items() if bound >= sure]

    @property
    def leaky(self) -> bool:
        """Whether a block that should know nothing of the label says too much of it."""
        return self.p <= LIKELY and (self.share >= LEAKY or bool(self.read(SURE)))


def standard(X: np.ndarray) -> np.ndarray:
    """Columns of X (n, d) with mean 0 and variance 1, constant ones left out, missing values 0."""
    X = np.asarray(X, dtype=float)
    with np.errstate(invalid="ignore"):
        centred = X - np.nanmean(X, axis=0)
        scale = np.sqrt(np.nanmean(centred**2, axis=0))
    keep = scale > 1e-12 * np.maximum(np.nanmax(np.abs(X), axis=0), 1e-300)
    return np.nan_to_num(centred[:, keep] / scale[keep])


def splits(codes: np.ndarray, groups: np.ndarray, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Splits that keep groups whole; as many as the rarest class has groups, at most FOLDS."""
    fewest = min(len(np.unique(groups[codes == g])) for g in range(codes.max() + 1))
    alone = len(np.unique(groups)) == len(groups)
    kind = StratifiedKFold if alone else StratifiedGroupKFold
    split = kind(min(FOLDS, fewest), shuffle=True, random_state=seed)
    return list(split.split(codes, codes, None if alone else groups))


def outlying(Z: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Two numbers of a row, (n, 2): the logarithms of its distance from the mean and of that to its fifth neighbour
    outside its group; what class-dependent noise changes."""
    return _apart(standard(Z), groups)[2]


def _apart(Z: np.ndarray, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Products (n, n) and distances (n, n) of standardised rows, and `outlying`."""
    gram = Z @ Z.T
    square, fifth = np.diag(gram), min(4, len(Z) - 1)
    far = np.sqrt(np.maximum(square[:, None] + square - 2 * gram, 0))
    near = np.partition(np.where(groups[:, None] == groups, np.inf, far), fifth, axis=1)[:, fifth]
    small = 1e-3 * np.median(np.sqrt(square)) + 1e-300
    near = np.where(np.isfinite(near), near, np.sqrt(square))
    return gram, far, np.log(np.column_stack([np.sqrt(square), near]) + small)


def _kernels(Z: np.ndarray, groups: np.ndarray) -> list[np.ndarray]:
    """Gram matrices (n, n) of the three probes: linear; exp(-distance) of the rows; the same of `outlying`."""
    gram, far, two = _apart(Z, groups)
    two = standard(two)
    apart = cdist(two, two) if two.shape[1] else np.zeros_like(gram)
    return [gram / Z.shape[1], np.exp(-far / far.mean()), np.exp(-apart)]


def _guesses(K: np.ndarray, drawn: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Out-of-fold class codes (m, n) of kernel ridge regression on class indicators, for m labellings `drawn` (m, n) at
    once: the same matrix maps any labels to guesses, which makes a permutation nearly free. Every class counts alike.
    """
    m, n = drawn.shape
    told = np.eye(drawn.max() + 1)[drawn.T].reshape(n, -1)
    guess = np.empty_like(drawn)
    for train, test in folds:
        mean = told[train].mean(axis=0)
        factor = cho_factor(K[np.ix_(train, train)] + RIDGE * np.eye(len(train)), lower=True, check_finite=False)
        A = cho_solve(factor, K[np.ix_(train, test)], check_finite=False).T
        score = (A @ (told[train] - mean)) / np.sqrt(mean * (1 - mean) + 1e-12)
        guess[:, test] = score.reshape(len(test), m, -1).argmax(axis=2).T
    return guess


def _balanced(codes: np.ndarray, guess: np.ndarray) -> float:
    """Balanced accuracy: the mean over classes of the share of their rows that is guessed."""
    return float((np.bincount(codes, codes == guess) / np.bincount(codes)).mean())


def at_least(hits: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Lower end of the 95 % interval of the share `hits` of `n` (Wilson 1927)."""
    n, z = np.maximum(n, 1e-9), 1.96
    share = hits / n
    return (share + z**2 / (2 * n) - z * np.sqrt(share * (1 - share) / n + (z / (2 * n)) ** 2)) / (1 + z**2 / n)


@threadpool_limits.wrap(limits=1)  # many small factorisations: a second thread makes them ten times slower
def effect(
    X: np.ndarray, labels: np.ndarray, groups: np.ndarray | None = None, n_draws: int = 99, seed: int = 0
) -> Effect | None:
    """What the block X (n, d) says of labels (n,): `Effect`; None where it cannot be measured: a constant block, or
    fewer than two classes with rows in two groups (other classes are left out). groups (n,) are never cut by a fold.

    Balanced accuracies by five-fold cross-validation of kernel ridge regression; the null permutes labels among groups
    `n_draws` times. The share is Youden's index (1950) averaged over classes, above chance. Page "Leakage"."""
    groups = np.arange(len(labels)) if groups is None else np.unique(groups, return_inverse=True)[1]
    names, codes = np.unique(labels, return_inverse=True)
    pairs = np.unique(np.column_stack([codes, groups]), axis=0)[:, 0]
    usable = np.flatnonzero(np.bincount(pairs, minlength=len(names)) >= 2)
    rows = np.flatnonzero(np.isin(codes, usable))
    if len(np.unique(groups)) < len(groups):  # rows of one group that are the same are one row: segments share a text
        told = pd.DataFrame(X[rows]).assign(codes=codes[rows], groups=groups[rows])
        rows = rows[~told.duplicated().to_numpy()]
    Z = standard(X[rows])
    if len(usable) < 2 or not Z.shape[1]:
        return None
    names, codes, groups = names[usable], np.unique(codes[rows], return_inverse=True)[1], groups[rows]
    n_draws = max(19, min(n_draws, 20_000_000 // (len(codes) * len(names))))
    drawn = np.stack([codes, *metrics.permuted(codes, groups, n_draws, seed)])
    folds = splits(codes, groups, seed)
    guesses = [_guesses(K, drawn, folds) for K in _kernels(Z, groups)]
    found = np.array([[_balanced(*pair) for pair in zip(drawn, guess)] for guess in guesses])  # (3, 1 + n_draws)
    best, null = found[:, 0].max(), found[:, 1:].max(axis=0)
    chance = float(null.mean())
    share = float(np.clip((best - chance) / max(1 - chance, 1e-9), 0, 1))
    table = np.zeros((len(names), len(names)))
    np.add.at(table, (codes, guesses[int(found[:, 0].argmax())][0]), len(np.unique(groups)) / len(groups))
    right = np.diag(table)  # counted in groups, since the rows of one are no independent observations
    bound = np.minimum(*(at_least(right, table.sum(axis)) for axis in (0, 1)))
    p = float((1 + (null >= best).sum()) / (1 + len(null)))
    linear, nonlinear, spread = found[:, 0].tolist()
    return Effect(linear, nonlinear, spread, chance, p, share, dict(zip(map(str, names), bound.tolist())))
