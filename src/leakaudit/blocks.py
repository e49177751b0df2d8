"""What blocks of columns say of a label, and by which marks one was made with it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from leakaudit import columns, leaks

TIGHT = 0.2  # of a block's variance, within a class that it names: one text, with noise
BUNCHED = 0.3  # share of rows in tight bunches that is a finding
JUMP = 1.3  # times farther is the first row outside a bunch than the last one inside
PURE = 0.9  # share of a bunch that is of one class
SMALLER = 0.6  # of a class, that a bunch must be: a class by itself may be one bunch
FEWEST = 12  # groups, below which bunches cannot be told
VECTOR = 6  # columns of a block, from which its rows are vectors that should differ
ENOUGH = 50  # groups, from which on "varies with nothing else" says something


@dataclass(frozen=True)
class Bunches:
    """Tight bunches of rows in a block. `share` of rows that are in one; `size`, the median number
    of rows of a bunch; `pure`, the share of a row's bunch that is of its class (median);
    `smallest`, the number of rows of the smallest class. Of each group one row is counted."""

    share: float
    size: int
    pure: float
    smallest: int
    unit: str = "rows"

    @property
    def by_class(self) -> bool:
        """Whether they are texts or vectors that were made for a class."""
        small = self.size <= SMALLER * self.smallest
        return self.share >= BUNCHED and self.pure >= PURE and small


def bunches(
    X: np.ndarray,
    codes: np.ndarray | None,
    groups: np.ndarray,
    seed: int,
    most: int = 2000,
    queries: int = 300,
) -> Bunches:
    """How many rows of a block X (n, d) stand in tight bunches: few texts, each for many rows.

    Distances from a row to all others, sorted, grow evenly where rows are measured. They jump where
    a bunch of nearly equal rows ends. Segments of a song may share its text, so that one row of
    each group is looked at. Of more than `most` of these a part is drawn.
    """
    rng = np.random.default_rng(seed)
    one_each = np.sort(np.unique(groups, return_index=True)[1])
    some = one_each[np.sort(rng.permutation(len(one_each))[:most])]
    if len(some) < FEWEST:
        return Bunches(0.0, 0, 0.0, 0)
    Z = leaks.standard(X[some])
    own = np.zeros(len(some), int) if codes is None else codes[some]
    asked = rng.permutation(len(Z))[:queries]
    apart = cdist(Z[asked], Z)
    order = np.argsort(apart, axis=1)
    far = np.take_along_axis(apart, order, axis=1)[:, 1:]  # without the row itself
    far = np.maximum(far, 1e-3 * np.median(far))
    last = max(4, int(0.7 * far.shape[1]))
    ratio = far[:, 3:last] / far[:, 2 : last - 1]
    at = ratio.argmax(axis=1)
    inside = np.flatnonzero(ratio[np.arange(len(at)), at] >= JUMP)
    scale = len(one_each) / len(some)
    smallest = int(np.unique(own[own >= 0], return_counts=True)[1].min(initial=len(own)) * scale)
    if not len(inside):
        return Bunches(0.0, 0, 0.0, smallest)
    size = at[inside] + 3  # rows of the bunch beside the row itself
    same = own[order[:, 1:]] == own[asked][:, None]
    pure = np.array([same[row, :n].mean() for row, n in zip(inside, size)])
    return Bunches(
        len(inside) / len(asked),
        int(np.median(size + 1) * scale),
        float(np.median(pure)),
        smallest,
        "rows" if len(one_each) == len(X) else "groups",
    )


def category_of(X: np.ndarray) -> np.ndarray | None:
    """The category (n,) that a block X (n, k) spreads over a column each (one-hot), or None.

    Each column takes two values, scaled or not, and at most one column of a row takes the higher
    one. Rows in which none does are category 0.
    """
    if X.shape[1] < 3:
        return None
    low, high = X.min(axis=0), X.max(axis=0)
    place = (X - low) / np.maximum(high - low, 1e-300)
    is_high = place > 0.5
    if np.abs(place - is_high).max() > 0.01 or is_high.sum(axis=1).max() > 1:
        return None
    return is_high @ np.arange(1, X.shape[1] + 1)


def is_vector(X: np.ndarray) -> bool:
    """Whether rows of a block (n, d) are vectors of real numbers, not categories or counts."""
    whole = (np.abs(X - np.rint(X)) < 1e-9).all(axis=0)
    return X.shape[1] >= VECTOR and whole.mean() < 0.5 and category_of(X) is None


def class_probabilities(X: np.ndarray, codes: np.ndarray) -> float:
    """Share of rows whose largest column names their class, if X (n, k) are probabilities of it.

    They are if there is a column for each class, no value below 0, and all rows have one sum. 0 for
    any other block. Classes are matched to columns by counting.
    """
    k = codes.max() + 1
    if X.shape[1] != k or k < 2 or X.min() < -1e-9:
        return 0.0
    sums = X.sum(axis=1)
    if sums.mean() <= 0 or np.abs(sums / sums.mean() - 1).max() > 0.01:
        return 0.0
    if len(np.unique(X)) <= 2:  # a one-hot column is a copy, and called so
        return 0.0
    table = pd.crosstab(codes, X.argmax(axis=1)).reindex(columns=range(k), fill_value=0).to_numpy()
    right = table[linear_sum_assignment(-table)].sum() / len(codes)
    return float(max(0.0, (right - 1 / k) / (1 - 1 / k)))


def repeated_by_class(
    hashes: np.ndarray, codes: np.ndarray, groups: np.ndarray
) -> tuple[float, float] | None:
    """Share of rows that occur again in another group, and how well the others name their class.

    The second is on a scale from chance to 1. None unless one row in twenty occurs again, and
    nearly always in its class.
    """
    each = pd.DataFrame({"row": hashes, "code": codes, "group": groups}).drop_duplicates()
    count = pd.crosstab(each["row"], each["code"])
    here = count.loc[each["row"]].to_numpy().astype(float)
    own = each["code"].to_numpy()
    here -= own[:, None] == count.columns.to_numpy()
    again = here.sum(axis=1) > 0
    if again.mean() < 0.05:
        return None
    right = here[again].argmax(axis=1) == np.searchsorted(count.columns, own[again])
    most = float(np.bincount(own[again]).max() / again.sum())
    share = (float(right.mean()) - most) / max(1 - most, 1e-9)
    return (float(again.mean()), share) if share >= PURE else None


@dataclass(frozen=True)
class Life:
    """Whether a block varies as measured columns do, within the classes that it names.

    `p` that it varies with other columns only by chance, all classes pooled; `classes`, whether it
    does in each class; `inside`, p that its own halves vary together only by chance; `n_groups`
    looked at.
    """

    p: float
    classes: dict[int, bool]
    inside: float
    n_groups: int

    @property
    def nowhere(self) -> bool:
        """Whether it varies with nothing else in the table."""
        return self.p > 0.01 and sum(self.classes.values()) <= 0.3 * len(self.classes)

    @property
    def everywhere(self) -> bool:
        """Whether it varies with other columns, in every class."""
        return self.p <= 0.01 and all(self.classes.values())


def life_of(
    X: np.ndarray, others: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int
) -> Life:
    """How X (n, a) varies within classes, by itself and with the columns `others` (n, b)."""
    own = columns.group_classes(codes, groups)
    mine, rest = (columns.within(side, codes, groups) for side in (X, others))
    p = float(columns.shared_variation(mine, rest, own, seed)[-1])
    classes = columns.lively_classes(X, others, codes, groups, seed)
    return Life(p, classes, halves_apart(X, codes, groups, seed), len(own))


def halves_apart(X: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """p that two halves of the columns X (n, d) vary together within classes only by chance; 1 for
    a single column."""
    if X.shape[1] < 2:
        return 1.0
    order = np.random.default_rng(seed).permutation(X.shape[1])
    halves = [columns.within(X[:, part], codes, groups, 10) for part in np.array_split(order, 2)]
    own = columns.group_classes(codes, groups)
    return float(columns.shared_variation(halves[0], halves[1], own, seed)[-1])


def vary_together(X: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int) -> bool:
    """Whether columns X (n, d) vary together within classes, as measurements of one thing do."""
    return halves_apart(X, codes, groups, seed) <= 0.01


def tight_classes(X: np.ndarray, labels: np.ndarray, named: list[str]) -> list[str]:
    """Those of the named classes within which a block hardly varies."""
    Z = leaks.standard(X)
    return [name for name in named if Z[labels == name].var(axis=0).mean() <= TIGHT]
