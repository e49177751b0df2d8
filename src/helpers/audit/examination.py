"""The audit of a whole table, from its columns and rows to a report."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from .. import clustering, leaks, metrics
from . import columns, rows
from .findings import COPY, Report

FEWEST = 10  # rows
ENOUGH = 50  # groups from which on nothing in common with other columns says something
TIGHT = 0.2  # of a block's variance, within a class that it names: one text, with noise
REPEATED = 0.02  # share of rows with a copy that is a finding
ALIKE = 0.1  # correlation of a row with the row below that is a finding
GAP = 0.05  # gain of splitting by rows over splitting by groups that is a finding


def examine(
    X: np.ndarray | pd.DataFrame, labels: Sequence | np.ndarray | None = None, *,
    groups: Sequence | np.ndarray | None = None, blocks: Mapping[str, Sequence[str]] | None = None,
    measured: Sequence[str] = (), seed: int = 0,
) -> Report:  # fmt: skip
    """Audit a table X (n, d) for columns that say the labels (n,), and for rows that are no independent observations.

    groups (n,) name what must stay together (track, artist); `blocks` maps names to columns, by default those whose
    names differ in a number; blocks in `measured` are known to be measured: they are compared with, and not accused.
    Without labels only repeated rows, their order and groups are looked at. A missing label or group (NaN, None) is
    none. Raises ValueError, in one sentence, for fewer than 10 rows, no columns of numbers, labels with one value,
    lengths that differ, columns or blocks that are not there. Page "Audit"."""
    notes: list[str] = []
    table = _numbers(X, notes)
    n = len(table)
    group, code = _codes(groups, n, "groups"), _codes(labels, n, "labels")
    group = np.arange(n) if group is None else np.where(group < 0, n + np.arange(n), group)
    blocks = _by_name(table) if blocks is None else _given(blocks, table, pd.DataFrame(X).columns)
    if gone := [block for block in measured if block not in blocks]:
        raise ValueError(f"There is no block {gone[0]!r} to take as measured; the blocks are: {', '.join(blocks)}.")
    report = Report(n, notes=notes)
    _rows(report, table, group, code, seed)
    if code is None:
        notes.append("No labels were given: nothing can be said of columns that carry one.")
        return report
    if (code < 0).any():
        notes.append(f"{(code < 0).sum()} rows have no label and were left out of all that needs one.")
    if len(np.unique(code[code >= 0])) < 2:
        raise ValueError("The labels have fewer than two values; name another column, or leave labels out.")
    pairs = pd.DataFrame({"code": code, "group": group})[code >= 0].drop_duplicates().code.value_counts()
    if (pairs < 2).any():
        notes.append(f"{(pairs < 2).sum()} classes have rows of one group only and were left out where two are needed.")
    keep = np.flatnonzero(np.isin(code, pairs.index[pairs >= 2]))
    if (pairs >= 2).sum() < 2:
        report.open.append("Fewer than two classes have rows in two groups: no probe can be tested on unseen groups.")
        return report
    if (runs := 1 + np.count_nonzero(np.diff(code[keep]))) <= 2 * len(pairs):
        notes.append(f"The rows are sorted by label ({runs} runs): their number says the label; shuffle, then split.")
    some = keep[rows.part(code[keep], seed)]
    if len(some) < len(keep):
        notes.append(f"Columns were looked at on {len(some)} rows drawn by lot, a like share of each class.")
    looked = table.iloc[some]
    looked = looked.loc[:, looked.max() > looked.min()]
    found = {block: [c for c in names if c in looked] for block, names in blocks.items()}
    _labels(report, looked, np.asarray(labels, dtype=object)[some].astype(str), group[some],
            {block: names for block, names in found.items() if names}, measured, seed)  # fmt: skip
    return report


def of_csv(
    path: str | Path, labels: str | None = None, groups: str | None = None, measured: Sequence[str] = (),
    leave_out: Sequence[str] = (), seed: int = 0,
) -> Report:  # fmt: skip
    """Audit a table of comma-separated values (`examine`); `labels`, `groups` and `leave_out` name columns, of which
    none is looked at as a feature; track_id, where there is one, is left out too. ValueError, naming the file, for a
    table that cannot be read or used, FileNotFoundError where there is none."""
    try:
        table = pd.read_csv(path, low_memory=False)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable UTF-8 table of comma-separated values ({error})") from None
    asked = [c for c in (labels, groups, *leave_out) if c is not None]
    if gone := [c for c in asked if c not in table]:
        raise ValueError(f"{path}: there is no column {gone[0]!r}; there are: {_names(list(table.columns), 8)}.")
    values = [None if c is None else table[c].to_numpy(object) for c in (labels, groups)]
    try:
        rest = table.drop(columns=[*asked, *(["track_id"] if "track_id" in table else [])])
        return examine(rest, values[0], groups=values[1], measured=measured, seed=seed)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


# ---- from what is given to numbers ----------------------------------------------------------------------------------


def _numbers(X: np.ndarray | pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """The table as numbers: words with few values as columns of zeros and ones; a column of zeros and ones, too, for
    every column with missing values, for which its mean then stands; without constant columns and other words."""
    table = pd.DataFrame(X)
    table.columns = table.columns.astype(str)
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    few = [c for c in words if 1 < table[c].nunique() <= min(200, len(table) // 2)]
    if left := [c for c in words if c not in few]:
        notes.append(f"Left out, words of one value or too many: {_names(left)}; give vectors in their place.")
    parts = [table.drop(columns=words).astype(float).replace([np.inf, -np.inf], np.nan)]
    gaps = parts[0].columns[parts[0].isna().any()]
    if len(gaps):
        notes.append(f"{parts[0].isna().sum().sum()} values are missing, in {_names(gaps)}; the column's mean stands "
                     "for them, and where they are missing is looked at.")  # fmt: skip
        parts.append(parts[0][gaps].isna().astype(float).add_prefix("missing="))
        parts[0] = parts[0].fillna(parts[0].mean())
    if few:
        parts.append(pd.get_dummies(table[few], prefix_sep="=", dtype=float))
    table = pd.concat(parts, axis=1)
    low, high = table.min(), table.max()
    varies = high - low > 1e-12 * np.maximum(np.maximum(high.abs(), low.abs()), 1e-300)
    if not varies.all():
        notes.append(f"Constant, and left out: {_names(table.columns[~varies])}.")
    table = table.loc[:, varies]
    if len(table) < FEWEST or table.empty:
        raise ValueError(f"The table has {len(table)} rows and {table.shape[1]} columns that vary; an audit needs at "
                         f"least {FEWEST} rows, and a column.")  # fmt: skip
    return table


def _codes(values: Sequence | np.ndarray | None, n: int, what: str) -> np.ndarray | None:
    """Codes (n,) of labels or groups, -1 where there is none."""
    if values is None:
        return None
    if len(values) != n:
        raise ValueError(f"There are {len(values)} {what} for {n} rows; each row needs one.")
    return pd.factorize(pd.Series(np.asarray(values, dtype=object)), use_na_sentinel=True)[0]


def _names(names: Sequence[str], most: int = 3) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _given(
    blocks: Mapping[str, Sequence[str]], table: pd.DataFrame, known: Sequence[str]
) -> dict[str, list[str]]:  # fmt: skip
    """The blocks that were asked for, with what their columns of words and gaps became, and what is in none of them."""
    every = {str(c) for c in known}
    if gone := [c for names in blocks.values() for c in names if str(c) not in every]:
        raise ValueError(f"There is no column {gone[0]!r} in the table, which a block names.")
    found: dict[str, list[str]] = {block: [] for block in blocks}
    home = {str(c): block for block, names in blocks.items() for c in names}
    for column in table:
        source = column if column in every else column.split("=")[0]
        found.setdefault("missing" if source == "missing" else home.get(source, "other columns"), []).append(column)
    return found


def _by_name(table: pd.DataFrame) -> dict[str, list[str]]:
    """Columns whose names differ from the first digit on (emb_0, emb_1), or columns of zeros and ones whose names
    differ after the last "=" or "_" (genre_pop, genre_rock), are one block; all others are one together."""
    keys = {}
    for column in table:
        digit, end = re.search(r"\d", column), max(column.rfind("="), column.rfind("_"))
        if column.startswith("missing="):
            keys[column] = "missing"
        elif digit:
            keys[column] = column[: digit.start()].rstrip(" _.-") or "columns"
        elif end > 0 and table[column].isin((0, 1)).all():
            keys[column] = column[:end]
    size = pd.Series(keys, dtype=object).value_counts()
    found: dict[str, list[str]] = {}
    for column in table:
        key = keys.get(column, "")
        found.setdefault(key if key == "missing" or size.get(key, 0) > 1 else "other columns", []).append(column)
    return found


# ---- what is looked for ---------------------------------------------------------------------------------------------


def _rows(report: Report, table: pd.DataFrame, group: np.ndarray, code: np.ndarray | None, seed: int) -> None:
    """Copies, rows like the row below, and, without labels, groups."""
    share, exact, looked = rows.repeats(table, group, seed)
    if share >= REPEATED:
        report.tell("repeated rows", "rows", share, None, f"{share:.1%} of rows are those of another group, exactly "
                    f"({exact}) or nearly.")  # fmt: skip
    if looked < len(table):
        report.notes.append(f"Near copies were looked for of {looked} rows, among {min(len(table), rows.CANDIDATES)}.")
    one = np.zeros(len(table), int)
    like, p = rows.below(table, one if code is None else np.maximum(code, 0), group, seed)
    if p <= 0.01 and like >= ALIKE:
        report.tell("row order", "rows", like, p, f"Rows are like the row below them: r = {like:.2f} within a class.")
    if code is None and len(np.unique(group)) < len(group):
        some = rows.part(one, seed)
        same, p = rows.beside(leaks.standard(table.to_numpy()[some]), one[some], group[some], seed)
        if p <= leaks.LIKELY and same >= GAP:
            report.tell("groups", "rows", same, p, "A row's nearest one is of its own group more often than by lot.")


def _labels(
    report: Report, table: pd.DataFrame, labels: np.ndarray, group: np.ndarray, blocks: dict[str, list[str]],
    measured: Sequence[str], seed: int,
) -> None:  # fmt: skip
    """Single columns, blocks and groups, and what goes away without what was found."""
    codes = np.unique(labels, return_inverse=True)[1]
    away = _copies(report, table, codes, group, [c for block in measured for c in blocks.get(block, [])], seed)
    found, loud = list(away), []
    for block, names in blocks.items():
        names = [c for c in names if c not in away]
        effect = leaks.effect(table[names].to_numpy(), labels, group, seed=seed) if names else None
        report.see(block, len(blocks[block]), block in measured, effect)
        if effect is not None and block not in measured and effect.p <= leaks.LIKELY:
            loud.append((block, names, effect))
    for block, names, effect in sorted(loud, key=lambda one: -one[2].share):  # found ones are nothing to compare with
        others = [c for c in table if c not in found and c not in names]
        found += names if _block(report, block, table, names, others, effect, labels, group, seed) else []
    if measured:
        report.notes.append(f"Taken as measured, and not judged: {', '.join(measured)}.")
    if len(np.unique(group)) < len(group):
        _groups(report, table, codes, group, seed)
    _without(report, table, codes, group, found, seed)


def _copies(
    report: Report, table: pd.DataFrame, codes: np.ndarray, group: np.ndarray, known: list[str], seed: int
) -> list[str]:  # fmt: skip
    """Columns that each tell classes apart nearly without error and within a class vary with nothing else, or tell five
    classes or more, as no measured number does."""
    told = columns.by_column(table.to_numpy(), codes, group, seed=seed).set_index(table.columns)
    strong = (told[["labels", "one"]].max(axis=1) >= COPY) & (told.p <= leaks.LIKELY) & ~told.index.isin(known)
    if not strong.any():
        return []
    own, suspects = columns.owners(codes, group), table.columns[strong]
    alone = columns.within(table[suspects].to_numpy(), codes, group, None)
    rest = columns.within(table.loc[:, ~strong].to_numpy(), codes, group) if not strong.all() else alone[:, :0]
    lives = columns.alive(alone, rest, own, seed)[:-1] <= 0.01
    many = (told.labels[suspects] >= COPY) & (codes.max() >= 4)
    copies = suspects[~lives | many]
    if not len(copies):
        report.notes.append(f"{_names(list(suspects))}: tells classes apart alone, and within them varies with other "
                            "columns, as measured ones do.")  # fmt: skip
        return []
    together = leaks.effect(table[copies].to_numpy(), codes, group, seed=seed)
    share = 0.0 if together is None or together.p > leaks.LIKELY else together.share
    if share < COPY and not ((told.sure >= leaks.SURE) | (told.labels >= COPY))[copies].any():
        return []
    best = told.loc[copies, ["labels", "one"]].max(axis=1)
    says = f"each tells a class from the rest or all apart ({best.idxmax()}: {best.max():.2f})"
    report.tell("copy of the label", _names(list(copies)), max(share, told.labels[copies].max()), told.p[copies].max(),
                f"{len(copies)} column{'s' * (len(copies) > 1)}: {says}; together they say {share:.2f} of the "
                "label.")  # fmt: skip
    return list(copies)


def _block(
    report: Report, block: str, table: pd.DataFrame, names: list[str], others: list[str], effect: leaks.Effect,
    labels: np.ndarray, group: np.ndarray, seed: int,
) -> bool:  # fmt: skip
    """Whether a block is found to say the label as no measured one does."""
    X, codes = table[names].to_numpy(), np.unique(labels, return_inverse=True)[1]
    if block == "missing":
        if effect.share >= leaks.LEAKY:
            report.tell("missing by class", block, effect.share, effect.p, f"Where values are missing ({_names(names)})"
                        f" says {effect.share:.2f} of the label.")  # fmt: skip
        return effect.share >= leaks.LEAKY
    if (pure := rows.repeated_by_class(table[names], codes, group)) is not None:
        report.tell("repeated by class", block, pure[1], effect.p, f"{pure[0]:.0%} of the rows of {block} occur again "
                    "in another group, nearly always in the same class.")  # fmt: skip
        return True
    spread = (effect.spread - effect.chance) / (1 - effect.chance) >= COPY
    Z = leaks.standard(X)
    read = [one for one in effect.read(leaks.SURE) if Z[labels == one].var(axis=0).mean() <= TIGHT]
    if effect.share < COPY and not read:
        return False
    who = f"{effect.share:.2f} of the label" if effect.share >= COPY else f"which rows are {_names(read)}"
    if len(others) < 3:
        report.open.append(f"{block} says {who}, and there is too little else in the table to compare it with: name "
                           "blocks, or say what was measured.")  # fmt: skip
        return False
    here = np.isin(labels, read) | (effect.share >= COPY)
    if spread:
        X = leaks.outlying(X, group)
    own = columns.owners(codes[here], group[here])
    mine, rest = (columns.within(side[here], codes[here], group[here]) for side in (X, table[others].to_numpy()))
    if columns.alive(mine, rest, own, seed)[-1] <= 0.01:
        report.notes.append(f"{block} says {who}, and within them varies with other columns, as measured ones do.")
        return False
    if len(own) < ENOUGH:
        report.open.append(f"{block} says {who}; {len(own)} groups are too few to tell whether it was measured.")
        return False
    report.tell("spread by class" if spread else "says the label", block, effect.share, effect.p,
                f"{block} says {who}, and within a class it varies with nothing else in the table.")  # fmt: skip
    return True


def _groups(report: Report, table: pd.DataFrame, codes: np.ndarray, group: np.ndarray, seed: int) -> None:
    """What is gained by splitting by rows, where rows of a group are alike beyond their class."""
    X = table.to_numpy()
    same, p = rows.beside(leaks.standard(X), codes, group, seed)
    by_rows, by_groups = (leaks.effect(X, codes, g, 19, seed) for g in (None, group))
    if by_rows is None or by_groups is None:
        return
    best = [max(e.linear, e.nonlinear) for e in (by_rows, by_groups)]
    gap = (best[0] - best[1]) / max(1 - by_groups.chance, 1e-9)
    if p <= leaks.LIKELY and gap >= GAP:
        report.tell("groups", "rows", gap, p, f"Split by rows, a probe has a balanced accuracy of {best[0]:.2f}, "
                    f"split by groups of {best[1]:.2f}.")  # fmt: skip


def _without(
    report: Report, table: pd.DataFrame, codes: np.ndarray, group: np.ndarray, found: list[str], seed: int
) -> None:  # fmt: skip
    """What K-Means and a probe get from the table, without what was found, and from controls: columns dealt out anew
    within each class, which leaves what they say of the label and nothing else, and over all rows, which leaves none.
    """
    rng, X = np.random.default_rng(seed), table.to_numpy()
    order = np.argsort(codes, kind="stable")
    dealt = np.empty_like(X)
    for j in range(X.shape[1]):
        dealt[order, j] = X[np.lexsort([rng.random(len(X)), codes]), j]
    parts = {"the table as it is": X}
    if 0 < len(found) < X.shape[1]:
        parts["without what was found"] = table.drop(columns=found).to_numpy()
    if found:
        parts["what was found alone"] = table[found].to_numpy()
    parts |= {"columns dealt out anew within each class": dealt, "columns dealt out anew": rng.permuted(X, axis=0)}
    for name, part in parts.items():
        effect, Z = leaks.effect(part, codes, group, 19, seed), leaks.standard(part)
        k = min(codes.max() + 1, len(np.unique(Z, axis=0)))
        labels = clustering.cluster(Z, "kmeans", k, seed, n_init=3)
        accuracy = np.nan if effect is None else max(effect.linear, effect.nonlinear, effect.spread)
        nmi, chance = metrics.external(codes, labels)["nmi"], np.nan if effect is None else effect.chance
        report.without.append({"input": name, "columns": part.shape[1], "K-Means NMI": nmi, "probe": accuracy,
                               "chance": chance})  # fmt: skip
