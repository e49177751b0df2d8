"""Names of people's files and genres, made safe for the language that they are put into: one
function a language.

What a folder, a track or a table calls things is data. It goes through one of these wherever it
leaves Python: into a page, a figure, a playlist, a table. (The Makefile hands such values on by the
environment, which no shell reads.)"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pandas as pd

# line breaks, and characters that turn the reading direction
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
MARKUP = re.compile(r"[^\w\s.,;()'+/-]|[_\\]|(?<=\w)://|^\s*[+-]|^\s*\d+[.)]")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins so


def printable(name: str | os.PathLike) -> str:
    """A file name as text of one line: bytes that are no UTF-8 (old discs, Latin-1), line breaks
    and characters that turn the reading direction become escapes, which every table can hold."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def markup(text: object) -> str:
    """Text for Markdown and HTML alike: `<b>`, `|`, `*`, `$` and `{{` are seen as they are.

    What either could read as an instruction becomes a numeric entity (CommonMark 0.31, section
    6.2)."""

    def entities(match: re.Match) -> str:
        return "".join(f"&#{ord(character)};" for character in match[0])

    return MARKUP.sub(entities, printable(str(text)))


def label(text: object) -> str:
    """Text for a figure: dollar signs, between which matplotlib reads formulas, are themselves."""
    return printable(str(text)).replace("$", r"\$")


def cell(text: str) -> str:
    """Text for a cell of a CSV, of one line: a quotation mark keeps spreadsheets from running it as
    a formula."""
    return printable(f"'{text}" if text.startswith(FORMULA) else text)


def for_csv(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with every cell of words, and every name of a column, made safe (`cell`)."""

    def safe(value: object) -> object:
        return cell(value) if isinstance(value, str) else value

    table = table.copy()
    for position in range(table.shape[1]):
        if not pd.api.types.is_numeric_dtype(table.dtypes.iloc[position]):
            table.isetitem(position, table.iloc[:, position].map(safe))
    return table.rename(columns=lambda name: cell(str(name)))


def playlist_entry(path: str | os.PathLike) -> str:
    """A file's line in a .m3u8: its absolute path, or, where line breaks or the like are in it, its
    address (`file:///…%0A…`), which players read as well."""
    absolute = os.path.abspath(path)
    return Path(absolute).as_uri() if CONTROL.search(absolute) else absolute
