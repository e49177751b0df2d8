"""Feature tables as files: read, checked, and made `Tracks`."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.features import FEATURES
from helpers.tracks import Tracks
from leakaudit import open_table
from leakaudit.spellings import commonest_spelling, spelled_as_in
from musicbook.corpus import schema
from musicbook.corpus.label_columns import Doubt, doubt_about

GROUPS = ("group", "artist")  # columns that say which rows belong together
KAGGLE = {"filename", "chroma_stft_mean", "mfcc20_var"}  # columns of Kaggle's table of GTZAN
HOW_TO_ASK = "`--labels COLUMN`, `make book LABELS=COLUMN` or `load(..., labels=COLUMN)`"


def read_table(path: str | Path, name: str | None = None, labels: str | None = None) -> Tracks:
    """Read a feature table: `track_id`, columns of numbers (features), and columns of words
    (labels).

    `labels` names the column of words that pages score, or is "none"; not given, it is `genre`,
    else the first column of words that looks like a label. `artist` or `group` says which rows
    belong together; rows with `start_s` (seconds) are segments: they are named
    `<track_id>.s<number>` and share their track's group. The book's own tables have the 68 columns
    of `FEATURES`; any other columns will do. Columns text_000, text_001 ... are the tracks' own
    words. Rows that cannot be used (no track_id, a value that is no finite number, a repeated row)
    are left out, and named in the provenance; so are columns of words that look like no label.
    Raises ValueError, naming the file and the column or row, for a table without track_id or
    without numbers, for only a part of the 68, for ids that occur twice, for more bad rows than
    good ones, no rows, or labels that are none.
    """
    path = Path(path)
    faults: schema.Faults = []
    table, text = schema.text_vectors(open_table(path, ("track_id", "genre"), faults))
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return from_table(
        table,
        name or path.stem,
        text=text,
        labels=labels,
        source=path.name,
        sha256=sha256,
        faults=faults,
    )


def from_table(
    table: pd.DataFrame,
    name: str,
    *,
    text: pd.DataFrame | None = None,
    labels: str | None = None,
    **provenance,
) -> Tracks:
    """Check a feature table (see `read_table`) and make it `Tracks`; `text` (n, any) has the rows
    of the table."""
    _refuse_unfit(table, name)
    if labels != "none":
        labels = spelled_as_in(table, labels)
    n_given = len(table)
    checked = schema.tidy_rows(table, name, FEATURES)
    if labels in checked.numbers:  # a code of the label is no feature
        checked.numbers.remove(labels)
        checked.table[labels] = checked.table[labels].map("{:g}".format)
    _refuse_without_numbers(checked, name)
    ids, tracks, start = _names(checked.table)
    columns, sentences = _labels(checked, name, labels, tracks)
    groups = _groups(checked.table, tracks)
    index = pd.Index(ids, name="id")
    blocks = {"audio": checked.table[checked.numbers].set_axis(index)}
    if text is not None:
        blocks["text"] = text.iloc[checked.positions].set_axis(index)
    faults = [list(fault) for fault in (*provenance.pop("faults", ()), *checked.faults)]
    provenance["sentences"] = [*provenance.get("sentences", []), *sentences]
    provenance["faults"] = faults
    if faults and "paths" not in provenance:
        provenance["found"] = n_given + len(faults) - len(checked.faults)
    scored = labels if labels in columns else None
    return Tracks(name, ids, groups, blocks, columns, scored, start, {"n": len(ids)} | provenance)


def _refuse_unfit(table: pd.DataFrame, name: str) -> None:
    """ValueError for a table that cannot be a feature table, before its rows are looked at."""
    if set(table) >= KAGGLE:
        raise ValueError(
            f"{name}: this is the table of GTZAN that Kaggle has: means and variances (no standard "
            "deviations), one pooled chroma instead of 12, 20 MFCC, no spectral contrast, so that "
            "our 68 features cannot be made of it; `make data GTZAN=folder` computes them from the "
            "audio beside it, or rename its column filename to track_id to use its own columns"
        )
    if "track_id" not in table:
        first = ", ".join([str(column)[:40] for column in list(table)[:5]])
        raise ValueError(
            f"{name}: the table must have a column track_id, and columns of numbers; "
            f"it has: {first} …"
        )
    if table.empty:
        raise ValueError(f"{name}: the table has no rows")
    missing = [column for column in FEATURES if column not in table]
    if 0 < len(missing) < len(FEATURES) // 2:  # more: names that a foreign table happens to share
        more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
        raise ValueError(
            f"{name}: {len(missing)} of the 68 features are missing: {', '.join(missing[:5])}{more}"
        )


def _refuse_without_numbers(checked: schema.Checked, name: str) -> None:
    """ValueError for a table without columns of numbers, or whose numbers are all the same."""
    table, numbers = checked.table, checked.numbers
    if not numbers:
        written = []
        for column in _words(checked):
            doubt = doubt_about(table[column].dropna().astype(str))
            if doubt is not None and "written as text" in doubt.reason:
                written.append(f"column {column}: {doubt.reason}")
        hint = f"; {written[0]}: write plain numbers" if written else ""
        raise ValueError(f"{name}: the table has no columns of numbers{hint}")
    if len(table) > 1 and (table[numbers].nunique() == 1).all():
        raise ValueError(
            f"{name}: all {len(table)} rows hold the same numbers, so there is nothing to cluster"
        )


def _names(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """(ids, tracks, start in seconds or None) of the rows, (n,) each."""
    tracks = table["track_id"].to_numpy(str)
    if "start_s" not in table:
        return tracks, tracks, None
    number = table.groupby("track_id")["start_s"].rank(method="first").astype(int) - 1
    ids = [f"{track}.s{i:02d}" for track, i in zip(tracks, number)]
    return np.array(ids), tracks, table["start_s"].to_numpy(float)


def _words(checked: schema.Checked) -> list[str]:
    """The columns of words that may be labels; `genre` is one, whatever it holds, and comes
    first."""
    table = checked.table
    words = ["genre"] if "genre" in table else []
    for column in table:
        if column in schema.NO_FEATURES or column in checked.numbers:
            continue
        if not pd.api.types.is_numeric_dtype(table[column]):
            words.append(column)
    return words


def _labels(
    checked: schema.Checked, name: str, asked: str | None, tracks: np.ndarray
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The label columns, {name: (n,) str}, and sentences about spellings and about columns of words
    that are not taken. ValueError where the column that was asked for cannot be used."""
    if asked == "none":
        return {}, ["No labels, as asked."]
    table = checked.table
    if asked is not None and asked not in table:
        raise ValueError(f"{name}: there is no column {asked!r} to take the labels from")
    columns = _words(checked)
    if asked is not None and asked not in columns:  # a column of numbers, or of artists
        columns.insert(0, asked)
    labels: dict[str, np.ndarray] = {}
    sentences: list[str] = []
    refused = False
    for column in columns:
        doubt = _doubt(checked, column, tracks)
        if doubt is None or (column in (asked, "genre") and not doubt.refused):
            values, others = commonest_spelling(table[column].astype(str))
            if values.nunique() > 1:  # a label with one value says nothing
                labels[column] = values.to_numpy(str)
            if others:
                sentences.append(f"Other spellings of {column}: {', '.join(others)}.")
            if doubt is not None and column in labels:
                sentences.append(
                    f"Column {column} is taken as a label, although {doubt.reason}; "
                    "`--labels none` or `make book LABELS=none` leaves labels out."
                )
        elif column == asked:
            raise ValueError(f"{name}: column {column} cannot be the label: {doubt.reason}")
        elif column == "genre" and asked is None and table[column].isna().any():
            raise ValueError(f"{name}: {doubt.reason}")
        else:
            sentences.append(f"Column {column} is not taken as a label: {doubt.reason}.")
            refused = True
    if refused and not labels:
        sentences.append(f"No labels; to name a column that holds them: {HOW_TO_ASK}.")
    return labels, sentences


def _doubt(checked: schema.Checked, column: str, tracks: np.ndarray) -> Doubt | None:
    """What speaks against a column as a label."""
    values = checked.table[column]
    missing = np.flatnonzero(values.isna())
    if len(missing):
        row = f"row {checked.positions[missing[0]] + 1} ({tracks[missing[0]]})"
        reason = f"{row} has no {column}; give each row one or drop the column"
        return Doubt(reason, refused=True)
    return doubt_about(commonest_spelling(values.astype(str))[0], tracks)


def _groups(table: pd.DataFrame, tracks: np.ndarray) -> np.ndarray:
    """(n,) str, what belongs together: the column `group` or `artist` in one spelling, else the
    track."""
    for column in GROUPS:
        if column in table:
            values = table[column].fillna(table["track_id"]).astype(str)
            return commonest_spelling(values)[0].to_numpy(str)
    return tracks
