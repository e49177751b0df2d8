"""Rows that are no independent observations: copies, segments of one song, neighbours in order.

The test of `neighbour_gap` needs no labels and no names of groups. It looks at how the distances
from a row to its nearest rows grow: evenly where rows are independent, and with a gap after the
nearest few where these are of the row's own family.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from leakaudit.leaks import standard

QUERIES = 600  # rows whose neighbours are looked at
RANKS = 40  # nearest rows of each
SMALL_CLASS = 20  # rows of a class, below which families cannot be looked for
DRAWS = 4  # of columns permuted apart
NEAR = 0.3  # distance, in that of a nearest neighbour by chance, below which rows are copies
VERY_NEAR = 0.05  # the same for copies that need no further evidence
REPEATED = 0.02  # share of rows with a copy that is a finding
GAP = 0.085  # of the logarithm of distances, from which rows come in families
UNSURE = 0.04  # gap from which that cannot be told
SIGMAS = 5.0  # standard deviations above permuted columns that either needs
MOST_COMPONENTS = 40


@dataclass(frozen=True)
class Neighbours:
    """What nearest rows say. `copies` is the share of rows with a near copy. `gap` is how much
    nearer the nearest row is, as a logarithm, than the distances of ranks 12 to 40 lead to expect,
    less the same with columns permuted; `sd` that of permutations. `nearest` (q,) are distances of
    the rows looked at in units of the permuted ones; `pairs` (m, 2) rows that belong together."""

    copies: float
    gap: float
    sd: float
    nearest: np.ndarray
    pairs: np.ndarray
    n_queries: int

    @property
    def certain(self) -> bool:
        """Whether rows come in families."""
        return self.gap >= max(GAP, SIGMAS * self.sd)

    @property
    def possible(self) -> bool:
        """Whether they may."""
        return self.gap >= max(UNSURE, SIGMAS * self.sd)


def row_hashes(table: pd.DataFrame) -> np.ndarray:
    """A number (n,) for each row, the same for rows that agree to six digits of each range."""
    total = np.zeros(len(table), np.uint64)
    for column in table:
        values = table[column].to_numpy()
        unit = (values.max() - values.min()) * 1e-6 or 1.0
        whole = np.rint((values - values.min()) / unit).astype(np.int64)
        total = total * np.uint64(1_000_003) + pd.util.hash_array(whole)
    return total


def copied(hashes: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Which rows (n,) occur in another group too."""
    each = pd.DataFrame({"row": hashes, "group": groups}).drop_duplicates()
    return each["row"].value_counts()[hashes].to_numpy() > 1


def exact_copies(table: pd.DataFrame, groups: np.ndarray, seed: int) -> tuple[np.ndarray, float]:
    """Which rows (n,) are those of another group, and the share that is so by chance.

    The chance is that of the same table with its columns permuted apart: rows of few values repeat.
    """
    again = copied(row_hashes(table), groups)
    if not again.any():
        return again, 0.0
    rng = np.random.default_rng(seed)
    mixed = pd.DataFrame({c: rng.permutation(table[c].to_numpy()) for c in table})
    return again, float(copied(row_hashes(mixed), groups).mean())


def _centred(X: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Standardised columns (n, d) less the mean of the row's class."""
    Z = standard(X)
    sums = np.zeros((classes.max() + 1, Z.shape[1]))
    np.add.at(sums, classes, Z)
    return Z - (sums / np.maximum(np.bincount(classes), 1)[:, None])[classes]


def _components(Z: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Principal directions of Z (n, d) that vary, and their standard deviations."""
    some = Z
    if len(Z) > 5000:
        some = Z[np.random.default_rng(seed).permutation(len(Z))[:5000]]
    _, s, V = np.linalg.svd(some, full_matrices=False)
    most = max(2, min(MOST_COMPONENTS, len(some) // 10))
    keep = np.flatnonzero(s > 1e-6 * s[0])[:most]
    return V[keep].T, s[keep] / np.sqrt(len(some))


def _nearest(
    Z: np.ndarray, classes: np.ndarray, groups: np.ndarray, queries: np.ndarray, ranks: int
) -> tuple[np.ndarray, np.ndarray]:
    """Distances (q, ranks) of rows to the nearest of their class and another group, sorted, and
    which row is the nearest (q,)."""
    far = np.full((len(queries), ranks), np.nan)
    who = np.zeros(len(queries), int)
    for code in np.unique(classes[queries]):
        here = np.flatnonzero(classes == code)
        if len(here) < 2:  # a row alone in its class has nobody to be near to
            continue
        mine = np.flatnonzero(classes[queries] == code)
        square = (Z[here] ** 2).sum(axis=1)
        for part in np.array_split(mine, max(1, len(mine) * len(here) // 20_000_000)):
            rows = queries[part]
            apart = (Z[rows] ** 2).sum(axis=1)[:, None] + square - 2 * Z[rows] @ Z[here].T
            apart[groups[rows][:, None] == groups[here]] = np.inf
            size = min(ranks, len(here) - 1)
            first = np.argpartition(apart, size - 1, axis=1)[:, :size]
            values = np.take_along_axis(apart, first, axis=1)
            who[part] = here[np.take_along_axis(first, values.argmin(axis=1)[:, None], 1)[:, 0]]
            values = np.where(np.isfinite(values), np.maximum(values, 0), np.nan)
            far[part, :size] = np.sqrt(np.sort(values, axis=1))
    return far, who


def _excess(far: np.ndarray) -> np.ndarray:
    """How far the logarithm of each first distance (q,) lies above what the far ranks predict.

    Distances of independent rows grow as a power of the rank; a line through the logarithms of the
    far ranks, continued to the first, predicts it. NaN where too few ranks are there.
    """
    counts = (~np.isnan(far)).sum(axis=1)
    last = int(np.median(counts))
    first = min(12, last // 2)
    if last - first < 6:
        return np.full(len(far), np.nan)
    rank = np.log(np.arange(first, last) + 1)
    logs = np.log(far[:, first:last] + 1e-300)
    centred = rank - rank.mean()
    slope = (logs * centred).sum(axis=1) / (centred**2).sum()
    floor = 1e-3 * np.nanmedian(far)
    return np.log(np.maximum(far[:, 0], floor)) - (logs.mean(axis=1) - slope * rank.mean())


def _permuted(Z: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Every column permuted by itself within the classes."""
    order = np.argsort(classes, kind="stable")
    mixed = np.empty_like(Z)
    for column in range(Z.shape[1]):
        mixed[order, column] = Z[np.lexsort([rng.random(len(Z)), classes]), column]
    return mixed


def neighbour_gap(X: np.ndarray, classes: np.ndarray, groups: np.ndarray, seed: int) -> Neighbours:
    """Whether rows of X (n, d) come in families that no group names: `Neighbours`.

    classes (n,) are the labels as codes, or all 0: what differs between classes is taken out.
    Neighbours of one's own group do not count. Measured in principal components, as they are and
    whitened; the larger gap counts. Page "Audit".
    """
    rng = np.random.default_rng(seed)
    Z = _centred(np.asarray(X, dtype=float), classes)
    sizes = np.bincount(classes)
    n_groups = pd.Series(groups).groupby(classes).nunique().reindex(range(len(sizes)), fill_value=0)
    large = np.flatnonzero(n_groups.to_numpy()[classes] >= SMALL_CLASS)
    if len(large) < SMALL_CLASS:
        return Neighbours(0.0, 0.0, 1.0, np.empty(0), np.empty((0, 2), int), 0)
    queries = np.sort(rng.permutation(large)[:QUERIES])
    directions, sd = _components(Z, seed)
    scores = Z @ directions
    best = None
    for space in (scores, scores / sd):
        far, who = _nearest(space, classes, groups, queries, RANKS)
        excess = np.nanmedian(_excess(far))
        nulls, typical, by_chance = [], [], []
        for _ in range(DRAWS):
            mixed, _ = _nearest(_permuted(space, classes, rng), classes, groups, queries, RANKS)
            nulls.append(np.nanmedian(_excess(mixed)))
            typical.append(np.nanmedian(mixed[:, 0]))
            by_chance.append((mixed[:, 0] < NEAR * typical[-1]).mean())
        nearest = far[:, 0] / max(float(np.mean(typical)), 1e-300)
        gap, spread = float(np.mean(nulls) - excess), float(np.std(nulls) + 1e-3)
        if np.isnan(gap):
            gap, spread = 0.0, 1.0
        close = np.flatnonzero(nearest < NEAR)
        pairs = np.column_stack([queries[close], who[close]])
        copies = max(0.0, len(close) / len(queries) - float(np.mean(by_chance)))
        one = Neighbours(copies, gap, spread, nearest, pairs, len(queries))
        best = one if best is None else _larger(one, best)
    assert best is not None
    return best


def close_copies(X: np.ndarray, groups: np.ndarray, seed: int) -> float:
    """Share of rows of X (n, d) that are those of another group but for a little noise, whatever
    their classes, less the share with columns permuted."""
    rng = np.random.default_rng(seed)
    Z, together = standard(X), np.zeros(len(X), int)
    queries = np.sort(rng.permutation(len(Z))[:QUERIES])
    near = _nearest(Z, together, groups, queries, 1)[0][:, 0]
    mixed = _nearest(_permuted(Z, together, rng), together, groups, queries, 1)[0][:, 0]
    limit = VERY_NEAR * np.nanmedian(mixed)
    return max(0.0, float((near < limit).mean() - (mixed < limit).mean()))


def _larger(one: Neighbours, other: Neighbours) -> Neighbours:
    """The one of two spaces with more copies, or else with the larger gap."""
    if max(one.copies, other.copies) >= REPEATED and one.copies != other.copies:
        return one if one.copies > other.copies else other
    return one if one.gap > other.gap else other


def linked(X: np.ndarray, classes: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Groups (n,) that join rows which are each other's nearest and nearer than by chance.

    A lower bound of the families: a row whose nearest is a stranger stays alone.
    """
    rng = np.random.default_rng(seed)
    Z = _centred(np.asarray(X, dtype=float), classes)
    directions, _ = _components(Z, seed)
    space = Z @ directions
    rows = np.arange(len(space))
    far, who = _nearest(space, classes, groups, rows, 2)
    mixed, _ = _nearest(_permuted(space, classes, rng), classes, groups, rows, 2)
    limit = np.nanquantile(mixed[:, 0], 0.02)
    near = far[:, 0] < limit
    parent = np.unique(groups, return_inverse=True)[1]
    for row in rows[near]:
        old, new = parent[who[row]], parent[row]
        if old != new:
            parent[parent == old] = new
    return parent


def row_order(
    table: pd.DataFrame, codes: np.ndarray, groups: np.ndarray, seed: int, most: int = 2000
) -> tuple[float, float]:
    """Correlation of rows with the row below, and p against rows of the class drawn at random.

    Only pairs of one class and two groups count; columns are class-centred.
    """
    rng = np.random.default_rng(seed)
    first = np.flatnonzero((codes[1:] == codes[:-1]) & (groups[1:] != groups[:-1]))
    first = np.sort(rng.permutation(first)[:most])
    own = codes[first]
    if len(first) < 30:
        return 0.0, 1.0
    both = standard(table.to_numpy()[np.concatenate([first, first + 1])])
    twice = np.unique(np.tile(own, 2), return_inverse=True)[1]
    mean = (np.eye(twice.max() + 1)[twice] / np.bincount(twice)).T @ both
    here, below = np.split(both - mean[twice], 2)
    order = np.argsort(own, kind="stable")
    shared = np.empty(100)
    for draw in range(len(shared)):
        rows = np.arange(len(own))
        if draw:
            rows[order] = order[np.lexsort([rng.random(len(own)), own[order]])]
        size = np.sqrt((here**2).sum() * (below**2).sum())
        shared[draw] = (here * below[rows]).sum() / size
    return float(shared[0] - shared[1:].mean()), float((shared >= shared[0]).mean())


def alike_in_groups(
    X: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int
) -> tuple[float, float]:
    """How much more often a row's nearest of its class is of its own group than by chance, on a
    scale to 1, and p against names of groups permuted within classes."""
    rng = np.random.default_rng(seed)
    Z = standard(X)
    nearest = np.arange(len(Z))
    for code in np.unique(codes):
        rows = np.flatnonzero(codes == code)
        if len(rows) > 1:
            square = (Z[rows] ** 2).sum(axis=1)
            apart = square - 2 * Z[rows] @ Z[rows].T
            np.fill_diagonal(apart, np.inf)
            nearest[rows] = rows[apart.argmin(axis=1)]
    order = np.argsort(codes, kind="stable")
    same, names = np.empty(100), groups.copy()
    for draw in range(len(same)):
        if draw:
            names[order] = groups[np.lexsort([rng.random(len(codes)), codes])]
        same[draw] = (names == names[nearest]).mean()
    chance = float(same[1:].mean())
    share = max(0.0, (same[0] - chance) / max(1 - chance, 1e-9))
    return share, float((same >= same[0]).mean())
