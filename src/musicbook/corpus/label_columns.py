"""Which columns of words are labels: few values, repeated; numbers that are written as text, names
and titles are none.

Used by `feature_tables` for a table and by `folder_labels` for tags."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

UNITS = r"%|bpm|k?hz|db|ms|s|sec|seconds|min|kb|st"
NUMBER = r"[+-]?(?:\d+(?:[.,:'\u2019_ ]\d+)*|[.,]\d+)(?:e[+-]?\d+)?"
NUMBER_AS_TEXT = re.compile(
    rf"[\[({{'\"$€£ ]*{NUMBER} ?(?:{UNITS})?[\])}}'\" ]*"  # [120.2]  12.3%  1,234  0:03
    r"|[\[(][\d\s.,;e+-]+[\])]"  # [1.0, 2.5]
    r"|\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}(?:[ t][\d:.]+z?)?",  # 2019-03-04
    re.I,
)
DECADE = re.compile(r"(?:\d\d)?\d0s")  # a label, although it looks like a number
LONG = 60  # characters: more on average are texts


@dataclass(frozen=True)
class Doubt:
    """Why a column is not taken as a label unasked; `refused` where it cannot be one at all."""

    reason: str
    refused: bool = False


def doubt_about(
    values: pd.Series, tracks: np.ndarray | None = None, unit: str = "row"
) -> Doubt | None:
    """What speaks against `values` (n,) as labels, None for nothing.

    `tracks` (n,) are the tracks of segments: a value that only names its track is no label. `unit`
    is what messages call a value's owner."""
    pairs = pd.DataFrame({"track": range(len(values)), "value": values.to_numpy()})
    if tracks is not None and len(set(tracks)) < len(values):
        pairs["track"], unit = tracks, "track"
        pairs = pairs.drop_duplicates()
    n, different = pairs["track"].nunique(), pairs["value"].nunique()
    unique = different == len(pairs) and n > 1
    example = number_as_text(pairs["value"])
    if example:
        reason = f"its values are numbers or dates written as text, such as {example!r}"
        return Doubt(reason, refused=unique)
    if unique:
        return Doubt(f"each of the {n} {unit}s has a value of its own", refused=True)
    if different > n / 2:
        return Doubt(f"it has {different} different values in {n} {unit}s")
    if pairs["value"].str.len().mean() > LONG:
        return Doubt("its values are whole texts")
    return None


def number_as_text(values: pd.Series) -> str:
    """The first of `values` (n,) str that is a number or date written as text, where most of them
    are; else ""."""
    written = values[[_is_number_as_text(value) for value in values]]
    plain = pd.to_numeric(values, errors="coerce").notna().sum()
    if len(written) and len(written) + plain > len(values) / 2:
        return str(written.iloc[0])
    return ""


def _is_number_as_text(value: str) -> bool:
    if DECADE.fullmatch(value) or not any(character.isdigit() for character in value):
        return False
    try:
        float(value)  # a plain number, as in a genre that is a code
    except ValueError:
        return NUMBER_AS_TEXT.fullmatch(value) is not None
    return False
