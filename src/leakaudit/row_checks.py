"""Checks of the rows: copies, families, order."""

from __future__ import annotations

import shlex

import numpy as np

from leakaudit import blocks, families, leaks, pictures
from leakaudit.case import Case
from leakaudit.names import NamedGroups

ALIKE_BELOW = 0.1  # correlation of a row with the row below that is a finding
ALIKE_IN_GROUP = 0.05  # on a scale from chance to 1, of nearest rows in one's own group
MANY_COPIES = 0.2  # share of rows, from which other checks see every row several times
MANY_VALUES = 200  # of a column that is not coarsely rounded
MOST_LINKED = 5000  # rows, up to which unnamed families are put together
LIKE_A_NUMBER = 10  # values of a column, from which on it is one of measurements


def bunched_blocks(case: Case, with_labels: bool) -> dict[str, blocks.Bunches]:
    """Blocks of vectors whose rows alone stand in tight bunches, and how tight."""
    tight = {}
    for name, columns in case.blocks.items():
        X = case.numbers[columns].to_numpy()
        if X.shape[1] < blocks.VECTOR:
            continue
        bunch = blocks.bunches(X, case.codes if with_labels else None, case.groups, case.seed)
        if bunch.share >= blocks.BUNCHED and not _rest_is_bunched(case, columns):
            tight[name] = bunch
    return tight


def _rest_is_bunched(case: Case, members: list[str]) -> bool:
    """Whether the rest of the table stands in bunches too: then the rows are families, and it is
    not this block alone. Also where there is no rest that could tell."""
    others = [c for c in case.numbers if c not in members and c not in case.prepared.indicators]
    X = case.numbers[others].to_numpy()
    if X.shape[1] < 2:
        return True
    bunch = blocks.bunches(X, None, case.groups, case.seed)
    return blocks.is_vector(X) and bunch.share >= blocks.BUNCHED


def measurements(case: Case, without: set[str]) -> np.ndarray:
    """The columns (n, d) in which rows of one family would be alike: no categories, no gaps, no
    blocks that are bunches of a few texts."""
    kept = []
    for name, columns in case.blocks.items():
        if name in without:
            continue
        usable = [c for c in columns if c not in case.prepared.indicators]
        kept += [c for c in usable if case.numbers[c].nunique() >= LIKE_A_NUMBER]
    return case.numbers[kept].to_numpy()


def check_rows(case: Case, named: NamedGroups | None, given: bool, tight: set[str]) -> None:
    """Add what is wrong with the rows, and give the groups that were found to `case.groups`.

    `named` are groups that a column of the table gives, `given` is True where the user gave them,
    `tight` are blocks of few texts.
    """
    report, seed = case.report, case.seed
    known = len(np.unique(case.groups)) < len(case.groups)
    classes = np.where(case.codes < 0, case.codes.max() + 1, case.codes)
    X = measurements(case, tight)
    again, by_chance = families.exact_copies(case.numbers, case.groups, seed)
    exact = max(0.0, float(again.mean()) - by_chance)
    near = None
    if X.shape[1] >= 2:
        near = families.neighbour_gap(X, classes, case.groups, seed)
    closely = families.close_copies(X, case.groups, seed) if X.shape[1] >= 2 else 0.0
    alike = 0.0
    if known:
        alike = _groups(case, named, given, classes, X)
    # Dense places have near pairs too, and a smaller gap than permuted columns: no copies. Nor are
    # rows of coarsely rounded columns, which are near to each other unless they are far.
    nearly = closely
    if near is not None and near.gap > -families.UNSURE and _is_fine(X):
        nearly = max(closely, near.copies)
    if max(exact, nearly) >= families.REPEATED:
        _copies(case, again, exact, nearly, near, known)
    certain = near is not None and near.certain
    if near is not None and near.certain and nearly < MANY_COPIES and exact < MANY_COPIES:
        _unnamed(case, near, X, classes, known)
    elif near is not None and near.possible and not certain and max(exact, nearly) < MANY_COPIES:
        report.questions.append(
            f"Some rows have nearer neighbours than independent rows would (gap {near.gap:.2f}, "
            f"where families begin at {families.GAP:.2f}). Do several rows come from one artist, "
            "song or session? If so, name it with --groups."
        )
    like, p = families.row_order(case.numbers, classes, case.groups, seed)
    if p <= 0.01 and like >= ALIKE_BELOW and alike < 0.5:
        says = f"Rows are like the row below them: r = {like:.2f} within a class."
        report.add("row order", "rows", says, effect=like, p=p)
    if (certain or max(exact, nearly) >= families.REPEATED) and len(X) <= MOST_LINKED:
        case.groups = families.linked(X, classes, case.groups, seed)
        report.notes.append(
            "Some rows are nearer to each other than by chance. The checks of columns keep such "
            "rows together."
        )


def _is_fine(X: np.ndarray) -> bool:
    """Whether most columns of X (n, d) hold many values, and are not rounded to a few."""
    values = np.median([len(np.unique(column)) for column in X.T])
    return bool(values >= min(len(X) / 2, MANY_VALUES))


def _copies(
    case: Case,
    again: np.ndarray,
    exact: float,
    nearly: float,
    near: families.Neighbours | None,
    known: bool,
) -> None:
    """Add that rows repeat."""
    others = "of another group" if known else "that occur elsewhere in the table"
    says = f"{max(exact, nearly):.1%} of the rows are rows {others}, exactly or nearly"
    says += f" ({int(again.sum())} exactly)."
    picture = None
    if near is not None and near.n_queries:
        picture = pictures.distances(near.nearest, families.NEAR)
    case.report.add(
        "repeated rows",
        "rows",
        says,
        effect=max(exact, nearly),
        paste="table = table.drop_duplicates()",
        picture=picture,
    )


def _unnamed(
    case: Case, near: families.Neighbours, X: np.ndarray, classes: np.ndarray, known: bool
) -> None:
    """Add that rows come in families which no column names."""
    says = (
        "Rows come in families: a row has a few neighbours that are much nearer than the rest "
        f"(gap {near.gap:.2f}; 0 for independent rows)."
    )
    if known:
        says = "Also with the groups held apart, rows" + says[4:]
    if case.codes.min() >= 0 and len(X) <= MOST_LINKED:
        joined = families.linked(X, classes, case.groups, case.seed)
        says += _gain(case, joined, "related rows stay together")
    case.report.add(
        "families",
        "rows",
        says,
        effect=min(1.0, near.gap),
        paste="groups = ...  # song or artist of each row; then --groups COLUMN",
        picture=pictures.distances(near.nearest, families.NEAR),
    )


def _groups(
    case: Case, named: NamedGroups | None, given: bool, classes: np.ndarray, X: np.ndarray
) -> float:
    """Add that rows of one group are alike, if they are; returns by how much."""
    report, seed = case.report, case.seed
    some = leaks.sample_of_groups(classes, case.groups, leaks.MOST_ROWS, seed)
    values = case.numbers.to_numpy() if X.shape[1] < 2 else X
    alike, p = families.alike_in_groups(values[some], classes[some], case.groups[some], seed)
    place = "the groups that you gave" if named is None else named.how
    if p > leaks.LIKELY or alike < ALIKE_IN_GROUP:
        if not given:
            report.notes.append(f"Rows that share {place} are not more alike than others.")
        return alike
    says = (
        f"Rows that share {place} are alike: the nearest row is in the same group more often "
        f"than by chance ({alike:.2f} on a scale from 0, chance, to 1, always)."
    )
    if case.codes.min() >= 0:
        says += _gain(case, case.groups, "groups stay together")
    columns, paste = [], "GroupKFold().split(X, y, groups)"
    if named is not None:
        columns = [named.column]
        report.next_options = f"--groups {shlex.quote(named.column)}"
        paste = f"groups = table[{named.column!r}]  # {named.how}; GroupKFold().split(X, y, groups)"
    report.add(
        "families",
        ", ".join(columns) or "rows",
        says,
        columns=columns,
        effect=alike,
        p=p,
        paste=paste,
    )
    return alike


def _gain(case: Case, groups: np.ndarray, how: str) -> str:
    """What a split by rows gains over one in which `how`, in sentences; "" where none can be
    made."""
    rows = leaks.usable_rows(case.codes, groups)
    rows = rows[leaks.sample_of_groups(case.codes[rows], groups[rows], 1000, case.seed)]
    X, codes = case.numbers.to_numpy()[rows], case.codes[rows]
    if len(np.unique(codes)) < 2:
        return ""
    pair = [leaks.effect(X, codes, by, 19, case.seed) for by in (None, groups[rows])]
    if pair[0] is None or pair[1] is None:
        return ""
    best = [max(one.linear, one.nonlinear) for one in pair]
    return (
        f" If the table is split by rows, a probe names the class with a balanced accuracy of "
        f"{best[0]:.2f}. If {how}, it reaches {best[1]:.2f}."
    )
