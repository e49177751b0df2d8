"""What a feature table must be, declared and checked once: every fault is named with its row and
column.

A row that cannot be used is left out and named; what concerns the whole table is an error.
`feature_tables.from_table` makes `Tracks` of what comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers.shown import short_repr

LARGEST = 1e18  # its square is still a number in single precision, in which networks compute
NO_FEATURES = ("track_id", "genre", "start_s", "group", "artist")  # columns with a meaning
Faults = list[tuple[str, str]]


@dataclass(frozen=True)
class Checked:
    """The usable part of a table: its `table`, the names of its columns of `numbers`, the
    `positions` (n,) of its rows in what was given, and `faults`, (row, reason), of the others."""

    table: pd.DataFrame
    numbers: list[str]
    positions: np.ndarray
    faults: Faults

    __repr__ = short_repr


def text_vectors(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """A table without its columns text_000, text_001 ..., and these, None where there are none."""
    text = [c for c in table if c.startswith("text_") and c[5:].isdecimal()]
    if not text:
        return table, None
    return table.drop(columns=text), table[text]


def tidy_rows(table: pd.DataFrame, name: str, known: Sequence[str]) -> Checked:
    """Tidy a table and leave out the rows that cannot be used.

    `track_id` and other words lose their blanks; `start_s` (seconds) and the columns of numbers
    become float64. Numbers are the columns `known`, when these are all there, or else those most of
    whose cells are. Columns that only count the rows are dropped. ValueError where more than half
    of the rows cannot be used, or one track (and start_s) has two rows that differ."""
    counting = [column for column in table if _counts_rows(column, table[column])]
    table = table.drop(columns=counting).reset_index(drop=True)
    for column in table:
        if not pd.api.types.is_numeric_dtype(table[column]):
            table[column] = table[column].map(_stripped)
    own = [column for column in table if column not in NO_FEATURES]
    numbers = list(known)
    if not set(known) <= set(own):
        numbers = [column for column in own if _holds_numbers(table[column])]
    faults = {}
    for row in np.flatnonzero(table["track_id"].isna()).tolist():
        faults[row] = "it has no track_id"
    table["track_id"] = _ids(table["track_id"])
    seconds = [column for column in ("start_s",) if column in table]
    for column in numbers + seconds:
        values = pd.to_numeric(table[column], errors="coerce").astype("float64")
        for row in np.flatnonzero(~(values.abs() <= LARGEST)).tolist():
            reason = _no_number(table[column].iloc[row], values.iloc[row])
            faults.setdefault(row, f"column {column}: {reason}")
        table[column] = values
    for column in seconds:
        for row in np.flatnonzero(table[column] < 0).tolist():
            reason = f"{table[column].iloc[row]:g} lies before the beginning"
            faults.setdefault(row, f"column {column}: {reason}")
    if len(faults) > len(table) / 2:
        first = min(faults)
        raise ValueError(
            f"{name}: {len(faults)} of {len(table)} rows cannot be used, the first: "
            f"{_place(table, first)}, {faults[first]}; mend or drop them"
        )
    faults |= _repeated_rows(table.drop(index=list(faults)), name)
    positions = np.array([row for row in table.index if row not in faults])
    named = [(_place(table, row), faults[row]) for row in sorted(faults)]
    return Checked(table.loc[positions].reset_index(drop=True), numbers, positions, named)


def _stripped(value):
    """A cell of words without the blanks around it; None for an empty one."""
    if isinstance(value, str):
        return value.strip() or None
    return value


def _ids(column: pd.Series) -> pd.Series:
    """The ids as text; "" where there is none."""
    return column.astype(object).where(column.notna(), "").astype(str)


def _place(table: pd.DataFrame, row: int) -> str:
    """How a row is called in messages."""
    track = table["track_id"].iloc[row]
    return f"row {row + 1} ({track})" if track else f"row {row + 1}"


def _no_number(given, value: float) -> str:
    """Why a cell is no usable number."""
    if np.isfinite(value):
        return f"{given} is beyond 1e18"
    if pd.isna(given):
        return "is empty"
    return f"{given} is not a finite number"


def _repeated_rows(good: pd.DataFrame, name: str) -> dict[int, str]:
    """The rows that repeat an earlier one, {row: reason}. ValueError for two rows of one track, or
    of one segment, that differ."""
    place = ["track_id"]
    if "start_s" in good:
        place.append("start_s")
    repeated = good.index[good.duplicated(place)]
    if not len(repeated):
        return {}
    first_row: dict[tuple, int] = {}
    for row, *values in good[place].itertuples():
        first_row.setdefault(tuple(values), row)
    faults = {}
    for row in repeated:
        first = first_row[tuple(good.loc[row, place])]
        if not good.loc[row].equals(good.loc[first]):
            raise ValueError(f"{name}: row {row + 1}: {_twice(good.loc[row], first)}")
        faults[row] = f"it repeats row {first + 1}"
    return faults


def _twice(row: pd.Series, first: int) -> str:
    """What is wrong with a second row of one track, or of one segment, that differs."""
    other = f"in row {first + 1} with other values"
    if "start_s" in row:
        segment = f"the segment of track_id {row['track_id']!r} at start_s {row['start_s']:g}"
        return f"{segment} occurs more than once, {other}; keep one of the two rows"
    return (
        f"track_id {row['track_id']!r} occurs more than once, {other}; "
        "segments of one track need a column start_s (seconds)"
    )


def _counts_rows(name: str, column: pd.Series) -> bool:
    """Whether a column is the number of the row, as pandas writes it unasked."""
    if not (str(name).startswith("Unnamed:") or str(name).strip().lower() in ("", "index")):
        return False
    return pd.api.types.is_numeric_dtype(column) and bool((column.diff().dropna() == 1).all())


def _holds_numbers(column: pd.Series) -> bool:
    """Whether most of the cells that are not empty can be read as numbers."""
    if pd.api.types.is_numeric_dtype(column):
        return True
    return bool(pd.to_numeric(column, errors="coerce").notna().sum() > column.notna().sum() / 2)
