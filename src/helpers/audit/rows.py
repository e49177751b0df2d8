"""Rows that are no independent observations: copies of each other, of one group, alike with the row below."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..leaks import standard

MAX_ROWS = 2000  # looked at by probes; a part drawn by lot of larger tables, and the report says so
CANDIDATES = 20_000  # rows among which near copies of that part are looked for
PURE = 0.9  # how well copies have to name the class
NEAR = 0.02  # distance, in that of an ordinary nearest neighbour, below which two rows are one


def _hashes(table: pd.DataFrame) -> np.ndarray:
    """A number (n,) for each row, the same for rows that agree to six digits of each column's range."""
    total = np.zeros(len(table), np.uint64)
    for column in table:
        values = table[column].to_numpy()
        unit = (values.max() - values.min()) * 1e-6 or 1.0
        whole = np.rint((values - values.min()) / unit).astype(np.int64)
        total = total * np.uint64(1_000_003) + pd.util.hash_array(whole)
    return total


def _shared(rows: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Which rows (n,) of hashes occur in another group too."""
    each = pd.DataFrame({"row": rows, "group": groups}).drop_duplicates()
    return each.row.value_counts()[rows].to_numpy() > 1


def part(codes: np.ndarray, seed: int) -> np.ndarray:
    """Positions of at most about MAX_ROWS of the rows, a like share of each class, and 20 of each where there are."""
    rng = np.random.default_rng(seed)
    place = rng.permutation(len(codes))
    size = pd.Series(codes).value_counts()
    most = np.maximum(np.ceil(size * min(1, MAX_ROWS / len(codes))), 20)
    return np.sort(place[pd.Series(codes[place]).groupby(codes[place]).cumcount() < most[codes[place]].to_numpy()])


def repeated_by_class(table: pd.DataFrame, codes: np.ndarray, groups: np.ndarray) -> tuple[float, float] | None:
    """Share of rows that occur in another group again, and how well the others of a row name its class, from chance to
    1; None unless that is one row in twenty, and nearly always."""
    each = pd.DataFrame({"row": _hashes(table), "code": codes, "group": groups}).drop_duplicates()
    count = pd.crosstab(each.row, each.code)
    here = count.loc[each.row].to_numpy().astype(float)
    mine = each.code.to_numpy() == count.columns.to_numpy()[:, None]
    here -= mine.T
    again = here.sum(axis=1) > 0
    if again.mean() < 0.05:
        return None
    right = here[again].argmax(axis=1) == each.code.to_numpy()[again]
    most = float(np.bincount(each.code[again]).max() / again.sum())
    share = (float(right.mean()) - most) / max(1 - most, 1e-9)
    return (float(again.mean()), share) if share >= PURE else None


def repeats(table: pd.DataFrame, groups: np.ndarray, seed: int) -> tuple[float, int, int]:
    """Share of rows that are (nearly) those of another group, less the share to expect with the columns permuted apart;
    the number of exact ones; and how many rows were looked at for near ones."""
    rng, rows = np.random.default_rng(seed), _hashes(table)
    exact = _shared(rows, groups)
    some = rng.permutation(len(table))[:20_000]
    Z = standard(table.to_numpy()[some])
    apart = rng.permuted(Z, axis=0)
    near, typical = exact[some[:MAX_ROWS]], np.median(_nearest(apart, np.arange(len(some)), min(300, len(some))))
    near = near | (_nearest(Z, groups[some], len(near)) < NEAR * typical)
    by_lot = 0.0
    if exact.any():
        lot = pd.DataFrame({c: rng.permutation(table[c].to_numpy()) for c in table})
        by_lot = float(_shared(_hashes(lot), groups).mean())
    share = max(float(near.mean()), float(exact.mean()))
    return max(0.0, (share - by_lot) / max(1 - by_lot, 1e-9)), int(exact.sum()), len(near)


def _nearest(Z: np.ndarray, groups: np.ndarray, n: int) -> np.ndarray:
    """Distance of the first n rows of Z to their nearest row of another group."""
    square, found = (Z**2).sum(axis=1), []
    for start in range(0, n, 200):
        here = slice(start, min(start + 200, n))
        apart = square[here, None] + square - 2 * Z[here] @ Z.T
        apart[groups[here, None] == groups] = np.inf
        found.append(np.sqrt(np.maximum(apart.min(axis=1), 0)))
    return np.concatenate(found)


def below(table: pd.DataFrame, codes: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, float]:
    """Correlation of rows with the row below, of the same class and another group, all columns class-centred; and p
    against rows of that class drawn by lot."""
    rng = np.random.default_rng(seed)
    first = np.flatnonzero((codes[1:] == codes[:-1]) & (groups[1:] != groups[:-1]))
    first = np.sort(rng.permutation(first)[:MAX_ROWS])
    own = codes[first]
    if len(first) < 3 * 10:
        return 0.0, 1.0
    both = standard(table.to_numpy()[np.concatenate([first, first + 1])])
    twice = np.unique(np.tile(own, 2), return_inverse=True)[1]
    mean = (np.eye(twice.max() + 1)[twice] / np.bincount(twice)).T @ both
    here, next_ = np.split(both - mean[twice], 2)
    order = np.argsort(own, kind="stable")
    found = []
    for draw in range(100):
        rows = np.arange(len(own))
        if draw:
            rows[order] = order[np.lexsort([rng.random(len(own)), own[order]])]
        found.append((here * next_[rows]).sum() / np.sqrt((here**2).sum() * (next_**2).sum()))
    return float(found[0] - np.mean(found[1:])), float((np.array(found) >= found[0]).mean())


def beside(Z: np.ndarray, codes: np.ndarray, groups: np.ndarray, seed: int) -> tuple[float, float]:
    """How much more often the nearest row of the same class is of the same group than by lot, on a scale to 1, and p
    against group names permuted within classes."""
    rng, nearest = np.random.default_rng(seed), np.arange(len(Z))
    for g in range(codes.max() + 1):
        if len(rows := np.flatnonzero(codes == g)) > 1:
            square = (Z[rows] ** 2).sum(axis=1)
            apart = square - 2 * Z[rows] @ Z[rows].T + np.diag(np.full(len(rows), np.inf))
            nearest[rows] = rows[apart.argmin(axis=1)]
    order = np.argsort(codes, kind="stable")
    found, names = [], groups.copy()
    for draw in range(100):
        if draw:
            names[order] = groups[np.lexsort([rng.random(len(codes)), codes])]
        found.append((names == names[nearest]).mean())
    lot = float(np.mean(found[1:]))
    return max(0.0, (found[0] - lot) / max(1 - lot, 1e-9)), float((np.array(found) >= found[0]).mean())
