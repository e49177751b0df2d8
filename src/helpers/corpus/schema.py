"""What a feature table must be, declared and checked once: every fault is named with its row and column.

A row that cannot be used is left out and named; what concerns the whole table is an error. `datasets.from_table` makes
`Tracks` of what comes out."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

LARGEST = 1e18  # its square is still a number in single precision, in which networks compute
Faults = list[tuple[str, str]]


def read(path: Path) -> tuple[pd.DataFrame, Faults]:
    """A table of values separated by commas, semicolons or tabs, and the rows with more fields than the first line has
    names, which are left out. ValueError, naming the file, for one that is no table."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            first, second = file.readline(), file.readline()
            mark = max(",;\t", key=first.count)
            file.seek(0)
            width = len(next(csv.reader([first], delimiter=mark), []))
            rows = csv.reader(file, delimiter=mark)
            long = [(f"line {rows.line_num} ({row[0]})", f"{len(row)} fields instead of {width}") for row in rows
                    if len(row) > width]  # fmt: skip
        # "NA" and "None" are names as good as others
        table = pd.read_csv(path, sep=mark, decimal="," if mark == ";" and "." not in second else ".", dtype={
            "track_id": str, "genre": str}, keep_default_na=False, na_values=[""], on_bad_lines="skip",
            index_col=False, encoding="utf-8-sig")  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a readable UTF-8 table of comma-separated values ({error})") from None
    return table.rename(columns=lambda column: str(column).strip()), long


def read_parquet(path: Path) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """A Parquet table without its columns text_000, text_001 ..., and these, None where there are none. ValueError,
    naming the file, for one that is no table."""
    import pyarrow.parquet as pq

    try:
        whole = pq.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are ValueErrors
        raise ValueError(f"{path}: not a readable Parquet table ({error})") from None
    text = [c for c in whole.column_names if c.startswith("text_") and c[5:].isdecimal()]
    return whole.drop_columns(text).to_pandas(), whole.select(text).to_pandas() if text else None


def tidy(table: pd.DataFrame, name: str, known: Sequence[str]) -> tuple[pd.DataFrame, list[str], np.ndarray, Faults]:
    """(the usable rows, the names of its columns of numbers, the positions of these rows, what was left out and why).

    `track_id` and other words lose their blanks; `start_s` (seconds) and the columns of numbers become float64. Numbers
    are the columns `known`, when these are all there, or else those most of whose cells are. Columns that only count
    the rows are dropped. ValueError where more than half of the rows cannot be used, or one track (and
    start_s) has two rows that differ."""
    table = table.drop(columns=[c for c in table if _counts(c, table[c])]).reset_index(drop=True)
    words = [c for c in table if not pd.api.types.is_numeric_dtype(table[c])]
    table = table.assign(**{c: table[c].map(lambda v: v.strip() or None if isinstance(v, str) else v) for c in words})
    faults: dict[int, str] = {row: "it has no track_id" for row in np.flatnonzero(table["track_id"].isna()).tolist()}
    table["track_id"] = table["track_id"].astype(object).where(table["track_id"].notna(), "").astype(str)
    own = [c for c in table if c not in ("track_id", "genre", "start_s", "group", "artist")]
    numbers = list(known) if set(known) <= set(own) else [c for c in own if _numbers(table[c])]
    for column in numbers + ["start_s"] * ("start_s" in table):
        values = pd.to_numeric(table[column], errors="coerce").astype("float64")
        for row in np.flatnonzero(~(values.abs() <= LARGEST)).tolist():
            given, large = table[column].iloc[row], abs(values.iloc[row]) > LARGEST and np.isfinite(values.iloc[row])
            why = "is beyond 1e18" if large else "is empty" if pd.isna(given) else "is not a finite number"
            faults.setdefault(row, f"column {column}: " + (why if why == "is empty" else f"{given} {why}"))
        table[column] = values
    said = {
        row: f"row {row + 1}" + f" ({table['track_id'].iloc[row]})" * bool(table["track_id"].iloc[row])
        for row in faults
    }
    if len(faults) > len(table) / 2:
        row = min(faults)
        raise ValueError(
            f"{name}: {len(faults)} of {len(table)} rows cannot be used, the first: {said[row]}, {faults[row]}; "
            "mend or drop them"
        )
    place = ["track_id"] + ["start_s"] * ("start_s" in table)
    good = table.drop(index=list(faults))
    for row in good.index[good.duplicated(place)]:
        first = int(good.index[(good[place] == good.loc[row, place]).all(axis=1)][0])
        if not good.loc[row].equals(good.loc[first]):
            raise ValueError(f"{name}: row {row + 1}: track_id {good['track_id'][row]!r} occurs more than once, "
                             f"in row {first + 1} with other values")  # fmt: skip
        faults[row], said[row] = f"it repeats row {first + 1}", f"row {row + 1} ({good['track_id'][row]})"
    keep = np.array([row for row in table.index if row not in faults])
    return table.loc[keep].reset_index(drop=True), numbers, keep, [(said[row], faults[row]) for row in sorted(faults)]


def one_spelling(values: pd.Series) -> tuple[pd.Series, list[str]]:
    """Labels that differ only in case or blanks under their commonest spelling; the others that were met."""
    key = values.str.split().str.join(" ").str.casefold()
    best = values.groupby(key).agg(lambda group: group.value_counts().index[0])
    return key.map(best), sorted(set(values) - set(best))


def _counts(name: str, column: pd.Series) -> bool:
    """Whether a column is the number of the row, as pandas writes it unasked."""
    if not (str(name).startswith("Unnamed:") or str(name).strip().lower() in ("", "index")):
        return False
    return pd.api.types.is_numeric_dtype(column) and bool((column.diff().dropna() == 1).all())


def _numbers(column: pd.Series) -> bool:
    if pd.api.types.is_numeric_dtype(column):
        return True
    return bool(pd.to_numeric(column, errors="coerce").notna().sum() > column.notna().sum() / 2)
