"""What single columns say of a label, and whether they vary with others where a copy of the label would not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import metrics
from ..leaks import at_least, splits


def by_column(X: np.ndarray, codes: np.ndarray, groups: np.ndarray, n_draws: int = 19, seed: int = 0) -> pd.DataFrame:
    """What each column of X (n, d) alone says of class codes (n,), one row a column: `labels`, the balanced accuracy of
    all classes on a scale from chance to 1; `one`, that of the class it tells best from the rest (Youden's index), and
    `sure`, the lower end of that class's interval (`at_least`); `p`, of the larger one, against the largest of any
    column under permuted labels. Classes are told apart by histograms whose bins hold equally many rows, out of fold.
    """
    k, folds = codes.max() + 1, splits(codes, groups, seed)
    fold = np.empty(len(codes), int)
    for i, (_, test) in enumerate(folds):
        fold[test] = i
    n_bins = int(max(2, min(max(4 * k, 20), len(codes) // 6)))
    cuts = np.quantile(X, np.linspace(0, 1, n_bins + 1)[1:-1], axis=0)
    place = np.stack([np.searchsorted(np.unique(cut), x, "right") for cut, x in zip(cuts.T, X.T)], axis=1)
    parts = []
    for start in range(0, X.shape[1], step := max(1, 4_000_000 // (len(folds) * n_bins * k))):
        some = place[:, start : start + step]
        cell = ((fold[:, None] * some.shape[1] + np.arange(some.shape[1])) * n_bins + some) * k
        draws = [codes, *metrics.permuted(codes, groups, n_draws, seed)]
        parts.append(np.stack([_told(cell, draw, (len(folds), some.shape[1], n_bins, k)) for draw in draws]))
    found = np.concatenate(parts, axis=2)  # (draws, three numbers, columns)
    best = found[:, :2].max(axis=1)
    null = best[1:].max(axis=1)
    p = (1 + (null[:, None] >= best[0]).sum(axis=0)) / (1 + n_draws)
    return pd.DataFrame({"labels": found[0, 0], "one": found[0, 1], "sure": found[0, 2], "p": p})


def _told(cell: np.ndarray, codes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The first three numbers of `by_column`, (3, d), from the histogram cell of every value (n, d)."""
    count = np.bincount((cell + codes[:, None]).ravel(), minlength=int(np.prod(shape))).reshape(shape).astype(float)
    size = np.bincount(codes, minlength=shape[-1])
    rest = (count.sum(axis=0) - count) + 1e-9 * size / size.sum()  # the other folds'; an empty bin names any class
    share = rest / rest.sum(axis=2, keepdims=True)
    choice = np.eye(shape[-1], dtype=bool)[share.argmax(axis=3)]
    hits = (count * choice).sum(axis=(0, 2)) / size
    total = rest.sum(axis=3, keepdims=True) - rest
    mine = share > total / total.sum(axis=2, keepdims=True)
    named = (count * mine).sum(axis=(0, 2))
    wrong = (count.sum(axis=3, keepdims=True) * mine).sum(axis=(0, 2)) - named
    youden = named / size - wrong / np.maximum(size.sum() - size, 1)
    best = youden.argmax(axis=1)[:, None]
    sure = np.minimum(at_least(named, size), at_least(named, named + wrong))
    pick = (np.take_along_axis(part, best, axis=1)[:, 0] for part in (youden, sure))
    return np.stack([(hits.mean(axis=1) * shape[-1] - 1) / (shape[-1] - 1), *pick])


def owners(codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The class of each row of `within`, sorted."""
    return np.unique(np.column_stack([codes, groups]), axis=0)[:, 0]


def within(X: np.ndarray, codes: np.ndarray, groups: np.ndarray, most: int | None = 30) -> np.ndarray:
    """What is left of X (n, d) within the classes: groups averaged and class-centred, as at most `most` orthonormal
    directions (groups, m), or with None as unit columns (groups, d), zero where nothing varies. Sorted by class."""
    _, first, inverse = np.unique(np.column_stack([codes, groups]), axis=0, return_index=True, return_inverse=True)
    own, Z = np.unique(codes[first], return_inverse=True)[1], np.asarray(X, dtype=float) - X.mean(axis=0)
    mean = np.zeros((len(own), Z.shape[1]))
    np.add.at(mean, inverse.ravel(), Z / np.maximum(Z.std(axis=0), 1e-300))
    mean /= np.bincount(inverse.ravel())[:, None]
    mean -= ((np.eye(own.max() + 1)[own] / np.bincount(own)).T @ mean)[own]
    if most is None:
        size = np.linalg.norm(mean, axis=0)
        return np.where(size > 1e-6 * len(own) ** 0.5, mean / np.maximum(size, 1e-300), 0)
    U, s, _ = np.linalg.svd(mean, full_matrices=False)
    return U[:, (s > 1e-6 * len(own) ** 0.5) & (np.arange(len(s)) < max(1, min(most, len(own) // 10)))]


def alive(part: np.ndarray, others: np.ndarray, own: np.ndarray, seed: int = 0) -> np.ndarray:
    """p, one for each column of `part` and last for all together, that it varies with `others` within the classes only
    by chance: what is measured does, a copy of the label with noise does not. Sums of squared correlations (Pillai
    1955) of two sides as `within` gives them, against rows permuted within the sorted classes `own`, 199 times."""
    rng, shared = np.random.default_rng(seed), []
    for draw in range(200):
        rows = np.lexsort([rng.random(len(own)), own]) if draw else np.arange(len(own))
        each = ((part.T @ others[rows]) ** 2).sum(axis=1)
        shared.append(np.append(each, each.sum()))
    return (np.array(shared) >= np.array(shared[0]) * (1 - 1e-9)).mean(axis=0)
