"""Traces of a transform that was given the label: scaling by class, target encoding."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.stats import chi2

from leakaudit.leaks import permuted

TOO_EQUAL = 1e-6  # p that classes are as equal as this only by chance
FEWEST_OF_A_CLASS = 8
EXACT = 0.995  # correlation of a column with the mean label of rows that share its value
FEWEST_VALUES = 10


def too_equal(X: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """p, for each column of X (n, d), that its classes are as equal as they are only by chance.

    Chi-squared sums, lower tail, of the means weighted by their precision (Welch 1951), of the
    logarithms of standard deviations, and of the correlations within classes; the smallest p
    counts. Independent
    measurements of classes always differ a little. Columns of few values say nothing (p = 1).
    """
    n, d = X.shape
    size = np.bincount(codes).astype(float)
    k = len(size)
    p = np.ones(d)
    if size.min() < FEWEST_OF_A_CLASS:
        return p
    many = np.array([len(np.unique(column)) > n / 2 for column in X.T])
    if not many.any():
        return p
    Z = (X[:, many] - X[:, many].mean(axis=0)) / X[:, many].std(axis=0)
    mean = (np.eye(k)[codes] / size).T @ Z
    left = Z - mean[codes]
    squares = (np.eye(k)[codes]).T @ left**2
    variance = np.maximum(squares / (size[:, None] - 1), 1e-300)
    weight = size[:, None] / variance
    middle = (weight * mean).sum(axis=0) / weight.sum(axis=0)
    of_means = chi2.cdf((weight * (mean - middle) ** 2).sum(axis=0), k - 1)
    # With n and with n - 1 in the denominator: either makes classes exactly equal.
    of_spread = np.minimum(*(_equal_spread(squares / by[:, None], size) for by in (size, size - 1)))
    p[many] = np.minimum(np.minimum(of_means, of_spread), _uncorrelated(left, codes, size))
    return p


def _equal_spread(variance: np.ndarray, size: np.ndarray) -> np.ndarray:
    """p, for each column, that variances (k, d) of classes of `size` (k,) rows are this equal.

    Heavy tails spread them wider than assumed here, so that equal ones stay too equal.
    """
    logs = 0.5 * np.log(np.maximum(variance, 1e-300))
    centre = (size[:, None] * logs).sum(axis=0) / size.sum()
    return chi2.cdf((2 * size[:, None] * (logs - centre) ** 2).sum(axis=0), len(size) - 1)


def _uncorrelated(left: np.ndarray, codes: np.ndarray, size: np.ndarray) -> np.ndarray:
    """p, for each class-centred column (n, d), that it is as uncorrelated in every class as it is:
    PCA that was fitted class by class leaves no correlation in any."""
    d = left.shape[1]
    if d < 2:
        return np.ones(d)
    total = np.zeros(d)
    for code, n in enumerate(size):
        part = left[codes == code]
        unit = part / np.maximum(np.linalg.norm(part, axis=0), 1e-300)
        total += n * ((unit.T @ unit) ** 2).sum(axis=0) - n
    return chi2.cdf(np.maximum(total, 0), (d - 1) * len(size))


def scaled_by_class(X: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Which columns (d,) of X were brought to one mean, spread or basis class by class."""
    k = codes.max() + 1
    limit = TOO_EQUAL if k > 2 else 1e-4
    return too_equal(X, codes) < limit / max(1, X.shape[1])


def _encodings(codes: np.ndarray, names: np.ndarray) -> np.ndarray:
    """Numbers (n, m) that an encoder may give to classes: ranks, values, and one for each class."""
    ways = [codes.astype(float)]
    ways += [np.unique(codes, return_index=True)[1].argsort().argsort()[codes].astype(float)]
    numbers = pd.to_numeric(pd.Series(names), errors="coerce").to_numpy()
    if not np.isnan(numbers).any():
        ways.append(numbers[codes])
    return np.column_stack([*ways, np.eye(codes.max() + 1)[codes]])


def target_encoded(
    values: np.ndarray, codes: np.ndarray, names: np.ndarray, seed: int
) -> float | None:
    """Correlation of a column (n,) with the mean label of the rows that share its value, if it is
    the mean label; else None.

    Rows of one artist, record or place have one value. It is a target encoding where that value is
    the mean of their labels, as numbers, and permuted labels do nothing of the kind. `names` (k,)
    are the classes.
    """
    shared, counts = np.unique(values, return_inverse=True, return_counts=True)[1:]
    repeated = counts[shared] > 1
    distinct = (counts > 1).sum()
    if distinct < max(FEWEST_VALUES, codes.max() + 2) or repeated.mean() < 0.3:
        return None
    v, place = values[repeated], shared[repeated]
    best = 0.0
    for draw in (codes, *permuted(codes, None, 3, seed)):
        numbers = _encodings(draw, names)[repeated]
        sums = np.zeros((len(counts), numbers.shape[1]))
        np.add.at(sums, place, numbers)
        mean = (sums / counts[:, None])[place]
        known = mean.std(axis=0) > 1e-12
        if not known.any():
            return None
        r = np.abs(np.corrcoef(v, mean[:, known], rowvar=False)[0, 1:]).max()
        if draw is codes:
            best = float(r)
        elif r >= EXACT:
            return None
    return best if best >= EXACT else None
