"""One name in several spellings: other cases, other blanks, other Unicode forms."""

from __future__ import annotations

import unicodedata

import pandas as pd


def comparable(name: str) -> str:
    """The form in which two names are compared; what is shown stays as it was written.

    Equal for spellings of one name in other Unicode forms (macOS writes "o" and two dots for "ö"),
    in other cases and with other blanks (compatibility caseless matching, Unicode 16, section
    3.13)."""
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFD", name).casefold())
    return unicodedata.normalize("NFC", " ".join(text.casefold().split()))


def commonest_spelling(values: pd.Series) -> tuple[pd.Series, list[str]]:
    """Names (n,) that differ only in their spelling under the commonest one; the others that were
    met."""
    forms = {value: comparable(value) for value in values.unique()}
    key = values.map(forms)
    commonest = values.groupby(key).agg(lambda group: group.value_counts().index[0])
    return key.map(commonest), sorted(set(values) - set(commonest))


def spelled_as_in(table: pd.DataFrame, name: str | None) -> str | None:
    """A column's name as the table writes it, where exactly one column differs from `name` in its
    spelling alone; else the name as it was given."""
    if name is None or name in table:
        return name
    alike = [column for column in table if comparable(str(column)) == comparable(name)]
    return alike[0] if len(alike) == 1 else name
