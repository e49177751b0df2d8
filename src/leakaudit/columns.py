"""What single columns say of a label, and whether they vary with others where a copy would not."""

from __future__ import annotations

import numpy as np
import pandas as pd

from leakaudit.leaks import at_least, permuted, splits

COPY = 0.9  # effect from which a column or block is asked whether it is a copy of the label
OUTSTANDING = 0.3  # effect of a column that stands out from the others ...
ABOVE_THE_REST = 0.25  # ... by so much
DRAWS = 199  # permutations of rows within classes


def by_column(
    X: np.ndarray, codes: np.ndarray, groups: np.ndarray, n_draws: int = 19, seed: int = 0
) -> pd.DataFrame:
    """What each column of X (n, d) alone says of class codes (n,), one row a column.

    `labels` is the balanced accuracy of all classes on a scale from chance to 1. `one` is that of
    the class it tells best from the rest (Youden's index), and `sure` the lower end of that class's
    interval (`at_least`). `p` belongs to the larger of the two, against the largest of any column
    under permuted labels. Classes are told apart out of fold, by histograms whose bins hold equally
    many rows.
    """
    k, folds = codes.max() + 1, splits(codes, groups, seed)
    fold = np.empty(len(codes), int)
    for i, (_, test) in enumerate(folds):
        fold[test] = i
    n_bins = int(max(2, min(max(4 * k, 20), len(codes) // 6)))
    cuts = np.quantile(X, np.linspace(0, 1, n_bins + 1)[1:-1], axis=0)
    bins = [np.searchsorted(np.unique(cut), x, "right") for cut, x in zip(cuts.T, X.T)]
    place = np.stack(bins, axis=1)
    step = max(1, 4_000_000 // (len(folds) * n_bins * k))
    parts = []
    for start in range(0, X.shape[1], step):
        some = place[:, start : start + step]
        cell = ((fold[:, None] * some.shape[1] + np.arange(some.shape[1])) * n_bins + some) * k
        shape = (len(folds), some.shape[1], n_bins, k)
        draws = [codes, *permuted(codes, groups, n_draws, seed)]
        parts.append(np.stack([_accuracies(cell, draw, shape) for draw in draws]))
    measured = np.concatenate(parts, axis=2)  # (draws, three numbers, columns)
    best = measured[:, :2].max(axis=1)
    null = best[1:].max(axis=1)
    p = (1 + (null[:, None] >= best[0]).sum(axis=0)) / (1 + n_draws)
    labels, one, sure = measured[0]
    return pd.DataFrame({"labels": labels, "one": one, "sure": sure, "p": p})


def _accuracies(cell: np.ndarray, codes: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The first three numbers of `by_column`, (3, d), from the histogram cells of values (n, d)."""
    k = shape[-1]
    counts = np.bincount((cell + codes[:, None]).ravel(), minlength=int(np.prod(shape)))
    count = counts.reshape(shape).astype(float)
    size = np.bincount(codes, minlength=k)
    # The other folds; an empty bin names any class.
    rest = (count.sum(axis=0) - count) + 1e-9 * size / size.sum()
    share = rest / rest.sum(axis=2, keepdims=True)
    choice = np.eye(k, dtype=bool)[share.argmax(axis=3)]
    hits = (count * choice).sum(axis=(0, 2)) / size
    total = rest.sum(axis=3, keepdims=True) - rest
    mine = share > total / total.sum(axis=2, keepdims=True)
    right = (count * mine).sum(axis=(0, 2))
    wrong = (count.sum(axis=3, keepdims=True) * mine).sum(axis=(0, 2)) - right
    youden = right / size - wrong / np.maximum(size.sum() - size, 1)
    best = youden.argmax(axis=1)[:, None]
    sure = np.minimum(at_least(right, size), at_least(right, right + wrong))
    picked = [np.take_along_axis(part, best, axis=1)[:, 0] for part in (youden, sure)]
    return np.stack([(hits.mean(axis=1) * k - 1) / (k - 1), *picked])


def group_classes(codes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The class of each row of `within`, sorted."""
    return np.unique(np.column_stack([codes, groups]), axis=0)[:, 0]


def within(
    X: np.ndarray, codes: np.ndarray, groups: np.ndarray, most: int | None = 30
) -> np.ndarray:
    """What is left of X (n, d) within the classes: groups averaged and class-centred.

    As at most `most` orthonormal directions (groups, m), or with None as unit columns (groups, d),
    zero where nothing varies. Sorted by class, as `group_classes`.
    """
    pairs = np.column_stack([codes, groups])
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    own = np.unique(codes[first], return_inverse=True)[1]
    Z = np.asarray(X, dtype=float) - X.mean(axis=0)
    mean = np.zeros((len(own), Z.shape[1]))
    np.add.at(mean, inverse.ravel(), Z / np.maximum(Z.std(axis=0), 1e-300))
    mean /= np.bincount(inverse.ravel())[:, None]
    mean -= ((np.eye(own.max() + 1)[own] / np.bincount(own)).T @ mean)[own]
    small = 1e-6 * len(own) ** 0.5
    if most is None:
        size = np.linalg.norm(mean, axis=0)
        return np.where(size > small, mean / np.maximum(size, 1e-300), 0)
    U, s, _ = np.linalg.svd(mean, full_matrices=False)
    fits = np.arange(len(s)) < max(1, min(most, len(own) // 10))
    return U[:, (s > small) & fits]


def shared_variation(
    part: np.ndarray, others: np.ndarray, own: np.ndarray, seed: int = 0
) -> np.ndarray:
    """p that each column of `part`, and last all together, vary with `others` only by chance.

    Both are sides as `within` gives them. What is measured varies with other measurements within a
    class; a copy of the label, with noise or without, does not. Sums of squared correlations
    (Pillai 1955), against rows permuted within the sorted classes `own`.
    """
    rng = np.random.default_rng(seed)
    shared = np.empty((1 + DRAWS, part.shape[1] + 1))
    for draw in range(len(shared)):
        rows = np.arange(len(own))
        if draw:
            rows = np.lexsort([rng.random(len(own)), own])
        each = ((part.T @ others[rows]) ** 2).sum(axis=1)
        shared[draw] = np.append(each, each.sum())
    return (shared >= shared[0] * (1 - 1e-9)).mean(axis=0)


def lively_classes(
    mine: np.ndarray, others: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int
) -> dict[int, bool]:
    """For each class, whether the columns `mine` (n, a) vary with `others` (n, b) in it alone.

    A block is cleared only by all classes: a few honest rows of one class clear no others. Classes
    of fewer than 12 groups say nothing and are left out.
    """
    alive = {}
    for code in np.unique(codes):
        here = codes == code
        own = group_classes(codes[here], groups[here])
        if len(own) < 12:
            continue
        sides = [within(side[here], codes[here], groups[here], 10) for side in (mine, others)]
        if min(side.shape[1] for side in sides) == 0:
            alive[int(code)] = False
            continue
        alive[int(code)] = shared_variation(sides[0], sides[1], own, seed)[-1] <= 0.05
    return alive


def between_share(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Share of the variance of each column (n, d) that lies between a class and the rest, the
    largest over classes: 1 for a column of two values that name one class."""
    X = np.asarray(values, dtype=float)
    X = (X - X.mean(axis=0)) / np.maximum(X.std(axis=0), 1e-300)
    size = np.bincount(codes).astype(float)
    mean = (np.eye(len(size))[codes] / size).T @ X
    odds = size / np.maximum(len(codes) - size, 1)
    return (mean**2 * odds[:, None]).max(axis=0)


def standing_out(shares: np.ndarray) -> np.ndarray:
    """Which columns (d,) lie far above the next best of the others.

    The columns above the largest drop in the sorted effects, where that drop is ABOVE_THE_REST and
    they have OUTSTANDING; none if they are more than a third of the columns.
    """
    order = np.sort(shares)[::-1]
    chosen = np.zeros(len(shares), bool)
    if len(order) < 4:
        return chosen
    drops = order[:-1] - order[1:]
    most = max(1, len(order) // 3)
    at = int(drops[:most].argmax())
    if drops[at] >= ABOVE_THE_REST and order[at] >= OUTSTANDING:
        chosen = shares >= order[at]
    return chosen
