"""The audit of a whole table, from its columns and rows to a report."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd

from leakaudit import label_checks, leaks, provenance, row_checks, score_checks
from leakaudit.case import Case
from leakaudit.names import NamedGroups, groups_by_name
from leakaudit.prepared import Prepared, blocks_of, codes_of, one_spelling, sort_columns
from leakaudit.report import Report

LOOKED_FOR_IN_ROWS = [
    "copies of rows",
    "families of rows",
    "rows that are like the row below them",
]
LOOKED_FOR_IN_COLUMNS = [
    "copies of the label in a column or in a sum of columns",
    "texts and vectors made for a class",
    "class probabilities and target encoding",
    "scaling, noise and gaps by class",
    "blocks of columns that predict the label and vary with no other column",
]
UNSEEN = [
    "a leak in a part of the rows, or one smaller than ordinary differences between measurements",
    "whether rows, columns, models or seeds were chosen by their score",
    "whether a network was given the label, if its codes do not show it",
    "whether columns that predict the label were measured before anybody knew it",
]
MOST_ROWS = 2000
LABEL_LIKE = ("label", "labels", "genre", "class", "target", "y", "style")


def examine(
    X: np.ndarray | pd.DataFrame,
    labels: Sequence | np.ndarray | None = None,
    *,
    groups: Sequence | np.ndarray | None = None,
    blocks: Mapping[str, Sequence[str]] | None = None,
    measured: Sequence[str] = (),
    derived_from: np.ndarray | pd.DataFrame | None = None,
    predictions: Sequence | np.ndarray | None = None,
    ignore: Sequence[str] = (),
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Audit a table X (n, d) for columns that carry labels (n,) and rows that belong together.

    `groups` (n,) name what must stay together (track, artist); without them, columns that name rows
    are used. `blocks` maps names to columns, by default those whose names differ in a number.
    Blocks or columns in `measured` are known to be measured: others are compared with them, and
    they are not accused. `derived_from` (n, any) is what the table was made from, row for row.
    `predictions` (n,) are scored beside their chance level. Findings whose kind, column or place is
    in `ignore` stay listed and do not count. A missing label or group (NaN, None) is none.
    `progress` is called with the name of each step.

    Raises ValueError, in one sentence, for fewer than 10 rows, no columns that vary, labels with
    one value, lengths that differ, columns or blocks that are not there. Page "Audit".
    """
    step = progress or (lambda name: None)
    step("reading")
    prepared = sort_columns(X)
    case, named, given = _case(X, prepared, labels, groups, blocks, measured, seed)
    report = case.report
    step("rows")
    tight = row_checks.bunched_blocks(case, labels is not None)
    row_checks.check_rows(case, named, given, set(tight))
    report.looked_for += LOOKED_FOR_IN_ROWS
    score_checks.check_scales(case)
    if labels is None:
        _without_labels(case)
    else:
        _with_labels(case, tight, derived_from, predictions, step)
    report.ignore(list(ignore))
    return report


def _case(
    X: np.ndarray | pd.DataFrame,
    prepared: Prepared,
    labels: Sequence | np.ndarray | None,
    groups: Sequence | np.ndarray | None,
    blocks: Mapping[str, Sequence[str]] | None,
    measured: Sequence[str],
    seed: int,
) -> tuple[Case, NamedGroups | None, bool]:
    """The case; the groups that a column of names gives, if these are used; and whether the user
    gave groups."""
    table = prepared.numbers
    n = len(table)
    codes, classes = np.full(n, -1), np.empty(0, dtype=str)
    notes = list(prepared.notes)
    if labels is not None:
        labels = one_spelling(labels, "labels", notes)
        codes = codes_of(labels, n, "labels")
        known = labels[codes >= 0]
        classes = np.unique(known.astype(str))
        if len(classes) < 2:
            raise ValueError(
                "The labels have fewer than two values; name another column, or leave labels out."
            )
        if len(classes) == len(known):
            raise ValueError(
                f"Each of the {len(known)} rows has a label of its own; labels are classes, so "
                "name a column whose values are repeated."
            )
    group, named = np.arange(n), None
    report = Report(n, notes=notes)
    if groups is not None:
        groups = one_spelling(groups, "groups", notes)
        group = codes_of(groups, n, "groups")
        group = np.where(group < 0, n + np.arange(n), group)
    else:
        named = groups_by_name(prepared.names, len(classes))
    if named is not None:
        group = named.groups
    if named is not None:
        report.notes.append(
            f"Taken as groups: {named.how}, {len(np.unique(group))} of them (--groups overrules)."
        )
    parts = blocks_of(prepared, blocks, list(pd.DataFrame(X).columns))
    trusted = _trusted(measured, parts, prepared)
    if trusted:
        report.notes.append(f"Taken as measured, and not judged: {', '.join(measured)}.")
    case = Case(report, prepared, table, codes, classes, group, parts, trusted, seed)
    return case, named, groups is not None


def _trusted(
    measured: Sequence[str], blocks: Mapping[str, Sequence[str]], prepared: Prepared
) -> set[str]:
    """Columns of the blocks and columns that the user knows to be measured."""
    trusted: set[str] = set()
    for name in measured:
        mine = [c for c in prepared.numbers if name in (c, prepared.home.get(c))]
        if name not in blocks and not mine:
            raise ValueError(
                f"There is no block {name!r} to take as measured; the blocks are: "
                f"{', '.join(blocks)}."
            )
        trusted |= {*mine, *blocks.get(name, ())}
    return trusted


def _without_labels(case: Case) -> None:
    """Say that labels were not looked at."""
    maybe = [c for c in case.prepared.home.values() if c.lower() in LABEL_LIKE]
    maybe += [c for c in case.numbers if c.lower() in LABEL_LIKE]
    hint = f" Is {maybe[0]} one? Then say --labels {maybe[0]}." if maybe else ""
    case.report.questions.append(
        f"No labels were given, so nothing was looked for in the columns.{hint}"
    )


def _with_labels(
    case: Case,
    tight: dict,
    derived_from: np.ndarray | pd.DataFrame | None,
    predictions: Sequence | np.ndarray | None,
    step: Callable[[str], None],
) -> None:
    """All that needs labels."""
    report = case.report
    if (case.codes < 0).any():
        report.notes.append(
            f"{(case.codes < 0).sum()} rows have no label and were left out of all that needs one."
        )
    usable = leaks.usable_rows(case.codes, case.groups)
    lost = len(case.classes) - len(np.unique(case.codes[usable]))
    if lost:
        report.notes.append(
            f"{lost} classes have rows of one group only and were left out where two are needed."
        )
    if len(np.unique(case.codes[usable])) < 2:
        report.questions.append(
            "Fewer than two classes have rows in two groups: no probe can be tested on groups that "
            "it has not seen."
        )
        return
    runs = 1 + np.count_nonzero(np.diff(case.codes[usable]))
    if runs <= 2 * len(case.classes):
        report.notes.append(
            "The rows are sorted by label, so a row's position gives it away. Shuffle before you "
            "split."
        )
    rows = usable[
        leaks.sample_of_groups(case.codes[usable], case.groups[usable], MOST_ROWS, case.seed)
    ]
    if len(rows) < len(usable):
        report.notes.append(
            f"Columns were looked at on {len(rows)} rows, drawn by whole groups, a like share of "
            "each class."
        )
    seen = case.part(rows)
    if predictions is not None:
        if len(predictions) != report.n:
            raise ValueError(f"There are {len(predictions)} predictions for {report.n} rows.")
        score_checks.check_predictions(seen, np.asarray(predictions, dtype=object)[rows])
    score_checks.check_unknown(seen)
    step("columns")
    label_checks.check_texts(seen)
    label_checks.check_names(seen)
    label_checks.check_categories(seen)
    label_checks.check_blocks_of_texts(seen, tight)
    label_checks.check_encodings(seen)
    each = label_checks.check_columns(seen)
    label_checks.check_one_hot(seen, each)
    label_checks.check_class_scaling(seen)
    label_checks.check_directions(seen)
    step("blocks")
    label_checks.check_blocks(seen)
    if derived_from is not None:
        step("input")
        source = sort_columns(derived_from)
        if len(source.numbers) != report.n:
            raise ValueError(
                f"What the table was derived from has {len(source.numbers)} rows; it "
                f"has {report.n}."
            )
        audit = examine(derived_from, case.labels_or_none(), seed=case.seed)
        provenance.check_derived(seen, source.numbers.to_numpy()[rows], audit)
    else:
        provenance.note_on_latents(seen)
    score_checks.check_joined(seen)
    report.looked_for += LOOKED_FOR_IN_COLUMNS
    report.unseen += UNSEEN
    step("what is left without it")
    score_checks.compare_without(seen, sorted(seen.accused))
    report.smallest = score_checks.smallest_dose(seen)
