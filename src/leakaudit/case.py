"""What the checks of an audit share: the table, its labels and groups, and the report so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from leakaudit.prepared import MISSING, Prepared
from leakaudit.report import Report


@dataclass
class Case:
    """A table under audit. `numbers` (n, d) are columns that vary; `codes` (n,) classes in the
    order of `classes` (-1: none); `groups` (n,) what stays together; `blocks` names of blocks to
    columns; `trusted` the columns that the user knows to be measured; `accused` those that a
    finding named."""

    report: Report
    prepared: Prepared
    numbers: pd.DataFrame
    codes: np.ndarray
    classes: np.ndarray
    groups: np.ndarray
    blocks: dict[str, list[str]]
    trusted: set[str]
    seed: int
    accused: set[str] = field(default_factory=set)

    @property
    def labels(self) -> np.ndarray:
        """The name of the class of each row (n,)."""
        return self.classes[self.codes]

    def labels_or_none(self) -> np.ndarray:
        """The name of the class of each row (n,), None where there is none."""
        names = np.array([*self.classes, None], dtype=object)
        return names[self.codes]

    def part(self, rows: np.ndarray) -> Case:
        """The same case on some rows, all of which have a class; columns that vary there."""
        numbers = self.numbers.iloc[rows]
        numbers = numbers.loc[:, numbers.max() > numbers.min()]
        present, codes = np.unique(self.codes[rows], return_inverse=True)
        blocks = {}
        for name, columns in self.blocks.items():
            kept = [column for column in columns if column in numbers]
            if kept:
                blocks[name] = kept
        return replace(
            self,
            numbers=numbers,
            codes=codes,
            classes=self.classes[present],
            groups=self.groups[rows],
            blocks=blocks,
        )

    def suspects(self, columns: Sequence[str] | None = None) -> list[str]:
        """Columns that may still be accused: not trusted, not accused before, no gaps."""
        if columns is None:
            columns = list(self.numbers)
        free = [c for c in columns if c not in self.trusted and c not in self.accused]
        return [c for c in free if not c.startswith(f"{MISSING}=")]

    def accuse(self, kind: str, where: str, columns: Sequence[str], says: str, **details) -> None:
        """Add a finding about columns of numbers, which no later check looks at."""
        given = self.prepared.given(columns)
        details.setdefault("paste", drop_line(given))
        self.report.add(kind, where, says, columns=given, **details)
        self.accused |= set(columns)


def drop_line(columns: Sequence[str]) -> str:
    """A line of Python that drops the columns."""
    prefix = _prefix(columns)
    if len(columns) > 6 and prefix:
        return f'table = table.drop(columns=table.filter(regex=r"^{prefix}\\d").columns)'
    return f"table = table.drop(columns={list(columns)!r})"


def _prefix(columns: Sequence[str]) -> str:
    """What names of a numbered block have in common before the number; "" for others."""
    stems = {column.rstrip("0123456789") for column in columns}
    stem = stems.pop() if len(stems) == 1 else ""
    return stem if stem.replace("_", "").isalnum() else ""
