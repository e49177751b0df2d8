"""The label in a direction: no column shows it, a sum of columns does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from leakaudit.leaks import splits, standard

STRONG = 0.95  # between-class share of the variance of a direction from which we look closer
NEEDS_ALL = 5.0  # times the odds of that share in half of the columns: the label is in all of them
RIDGES = (1e-8, 1e-3, 1e-1)  # of the mean variance within classes
HALVINGS = 5


@dataclass(frozen=True)
class Direction:
    """The best discriminant direction on rows that did not choose it.

    `share` is the part of its variance that lies between classes, `half` the same where only half
    of the columns are used (the better half; the median of HALVINGS). Measured columns repeat each
    other, so that half of them is nearly as good. A label that was rotated into all columns needs
    them all.
    """

    share: float
    half: float

    @property
    def times_the_odds(self) -> float:
        """How many times the odds of the share in half of the columns those in all of them are."""
        odds = self.share / max(1 - self.share, 1e-4)
        of_half = max(self.half, 1e-4) / max(1 - self.half, 1e-4)
        return odds / of_half

    @property
    def holds_the_label(self) -> bool:
        """Whether the label, or a copy of it, was turned into these columns."""
        return self.share >= STRONG and self.times_the_odds >= NEEDS_ALL


def _fit(Z: np.ndarray, codes: np.ndarray, ridge: float) -> np.ndarray:
    """The best discriminant direction (d,) of Z (n, d) (Fisher 1936)."""
    size = np.bincount(codes)
    mean = (np.eye(len(size))[codes] / np.maximum(size, 1)).T @ Z
    left = Z - mean[codes]
    inner = left.T @ left / len(Z)
    middle = mean - Z.mean(axis=0)
    outer = (middle * (size / len(Z))[:, None]).T @ middle
    # Of the total variance, so that a column without any variance within classes is no problem.
    inner += ridge * np.eye(Z.shape[1]) * max(np.trace(inner + outer) / Z.shape[1], 1e-12)
    last = Z.shape[1] - 1
    return eigh(outer, inner, subset_by_index=[last, last])[1][:, 0]


def _held_out(Z: np.ndarray, codes: np.ndarray, folds: list, ridge: float) -> float:
    """Between-class share of the variance of the direction, on rows that did not choose it."""
    shares = []
    for train, test in folds:
        line = Z[test] @ _fit(Z[train], codes[train], ridge)
        size = np.bincount(codes[test], minlength=codes.max() + 1)
        mean = np.bincount(codes[test], line, minlength=len(size)) / np.maximum(size, 1)
        total = line.var()
        rest = ((line - mean[codes[test]]) ** 2).sum() / max(len(line) - (size > 0).sum(), 1)
        shares.append(1 - rest / total if total > 0 else 0.0)
    return float(np.mean(shares))


def best_direction(
    X: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int, strong: float = STRONG
) -> Direction:
    """The best discriminant direction of X (n, d) for class codes (n,), as a `Direction`.

    Cross-validated by whole groups (n,). `half` is 1, which accuses nothing, where there are fewer
    than four columns or the share is below `strong`.
    """
    Z = standard(X)
    folds = splits(codes, groups, seed)
    scores = [_held_out(Z, codes, folds, ridge) for ridge in RIDGES]
    ridge = RIDGES[int(np.argmax(scores))]
    share = max(scores)
    if share < strong or Z.shape[1] < 4:
        return Direction(share, 1.0)
    rng = np.random.default_rng(seed)
    better = []
    for _ in range(HALVINGS):
        order = rng.permutation(Z.shape[1])
        parts = np.array_split(order, 2)
        better.append(max(_held_out(Z[:, part], codes, folds, ridge) for part in parts))
    return Direction(share, float(np.median(better)))


def projection(X: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """X (n, d) on its best discriminant direction, (n,), for a picture."""
    Z = standard(X)
    return Z @ _fit(Z, codes, RIDGES[1])
