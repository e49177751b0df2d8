"""Groups of rows that the table itself names: a song's number, or the stem of a file name."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

EXTENSION = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
SEGMENT = re.compile(
    r"[\s._\-#(\[]*(seg|segment|part|clip|chunk|frame|slice|s|p)?[\s._\-]*\d+[)\]]*$", re.IGNORECASE
)
LEVELS = 3  # numbers taken off the end of a file name, one after another
LARGEST = 60  # rows of a group on average, above which a name is rather a kind than a thing


class NamedGroups(NamedTuple):
    """Groups (n,) of the rows, the column that names them, and how they were read from it."""

    groups: np.ndarray
    column: str
    how: str


def _levels(values: pd.Series) -> list[tuple[str, pd.Series]]:
    """A column of names as it is, and with one more number taken off the end at each level."""
    text = values.astype(str).where(values.notna())
    levels = [(f"the column {values.name}", text)]
    if pd.api.types.is_numeric_dtype(values):
        return levels
    stem = text.str.split(r"[/\\]", regex=True).str[-1].str.replace(EXTENSION, "", regex=True)
    for _ in range(LEVELS):
        stem = stem.str.replace(SEGMENT, "", regex=True)
        levels.append((f"the stem of {values.name}", stem.where(stem.str.len() > 0)))
    return levels


def _usable(values: pd.Series, n_classes: int) -> bool:
    """Whether names repeat, and are neither one a class nor as good as none."""
    n, distinct = len(values), values.nunique()
    if distinct < max(4, 2 * n_classes) or values.notna().mean() < 0.5:
        return False
    repeated = values.duplicated(keep=False) & values.notna()
    return repeated.mean() >= 0.2 and n / distinct <= LARGEST


def groups_by_name(names: pd.DataFrame, n_classes: int) -> NamedGroups | None:
    """The coarsest groups that a column of names, or the stems of one, give; None for none.

    names (n, any). A stem is a name without its folder, its extension and the number at its end.
    Rows without a name are groups of their own.
    """
    best = None
    for column in names:
        for how, values in _levels(names[column]):
            if not _usable(values, n_classes):
                continue
            codes = pd.factorize(values)[0]
            alone = codes < 0
            codes = np.where(alone, codes.max() + 1 + np.arange(len(codes)), codes)
            n_groups = len(np.unique(codes))
            if best is None or n_groups < len(np.unique(best.groups)):
                best = NamedGroups(codes, column, how)
            break
    return best
