"""One reader for tables of any usual file: .csv with any delimiter, .parquet, .npy, .npz."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

PICKLES = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".dill")
DELIMITERS = ",;\t|"
TEXT_FILES = (".csv", ".tsv", ".txt")
OTHER_FILES = (".parquet", ".npy", ".npz")
READABLE = ".csv, .tsv or .txt (also .gz), .parquet, .npy, .npz"
LongRows = list[tuple[str, str]]
OTHER_CONTENT = {  # what a file with the name of a text table begins with, and what it is then
    b"version https://git-lfs": "a pointer of git-lfs, so the table was never fetched",
    b"/annex/objects/": "a pointer of git-annex, so the table was never fetched",
    b"\xff\xfe": "text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "text in UTF-16: save it as UTF-8",
    b"PK\x03\x04": "a zip archive (a spreadsheet is one): save it as .csv",
    b"\x1f\x8b": "a compressed file: give it the ending .gz",
    b"PAR1": "a Parquet table: give it the ending .parquet",
    b"\x93NUMPY": "an array of numpy: give it the ending .npy",
}
WEB_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body|\?xml)", re.I | re.S)
csv.field_size_limit(max(csv.field_size_limit(), 10_000_000))  # characters: texts are long


def is_table(path: str | Path) -> bool:
    """Whether a name ends as those of files do that `open_table` reads."""
    name = Path(path).name.lower()
    return name.removesuffix(".gz").endswith(TEXT_FILES) or name.endswith(OTHER_FILES)


def open_table(
    path: str | Path, words: Sequence[str] = (), long_rows: LongRows | None = None
) -> pd.DataFrame:
    """The table of a file, columns named by strings.

    `words` are columns of text whatever they hold: an id 007 keeps its zeros. A row with more
    fields than there are names is an error, or with a list `long_rows` left out and added to it, as
    (line, reason).

    A text file has one line of names, and fields separated by commas, semicolons, tabs or bars; it
    may be compressed (.gz). In an .npz every array with one row a row of the table is a column, or
    a block of columns "name_0", "name_1" ...; an .npy is one such block. ValueError, which names
    the file, for what cannot be read or should not be: a pickle runs code when it is opened.
    FileNotFoundError where there is no file.
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending in PICKLES:
        raise ValueError(
            f"{path}: a pickle is not opened, because opening one can run any code that is in it; "
            "save the numbers as .csv, .parquet or .npz"
        )
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    if not is_table(path):
        raise ValueError(f"{path}: cannot read this kind of file; give {READABLE}")
    try:
        if ending == ".parquet":
            table = _parquet(path)
        elif ending in (".npy", ".npz"):
            table = _arrays(path)
        else:
            table = _text(path, words, long_rows)
    except MemoryError:
        raise ValueError(f"{path}: there is not enough memory to read it") from None
    names = [str(name).strip() for name in table]
    _refuse_twice(path, names)
    return table.set_axis(names, axis=1)


def _refuse_twice(path: Path, names: Iterable[str]) -> None:
    """ValueError for a column that occurs twice; empty names, as of empty columns, may."""
    seen: set[str] = set()
    for name in filter(None, names):
        if name in seen:
            raise ValueError(f"{path}: the column {name!r} occurs twice; give each its own name")
        seen.add(name)


def _reason(error: Exception) -> str:
    """The first line of what an error says; its type where it says nothing."""
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__


def _text(path: Path, words: Sequence[str], long_rows: LongRows | None) -> pd.DataFrame:
    """A table of separated values."""
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz":
            data = gzip.decompress(data)
        text = _decoded(data)
        mark = _delimiter(text)
        names = next(csv.reader(io.StringIO(text, newline=""), delimiter=mark), [])
    except MemoryError:
        raise
    except Exception as error:  # whatever is thrown at this file, the file is named
        raise ValueError(
            f"{path}: not a readable UTF-8 table of values ({_reason(error)})"
        ) from None
    _refuse_twice(path, [name.strip() for name in names])
    first_value = text.split("\n", 2)[1] if text.count("\n") else ""
    decimal = "," if mark == ";" and "." not in first_value and "," in first_value else "."
    try:
        if long_rows is not None:
            long_rows += _too_long(text, mark)
        columns = pd.read_csv(io.StringIO(text), sep=mark, index_col=False, nrows=0).columns
        # "None" and "NA" are values as good as others, and an id may be "nan".
        missing = {name: [""] if name in words else ["", "nan", "NaN"] for name in columns}
        return pd.read_csv(
            io.StringIO(text),
            sep=mark,
            decimal=decimal,
            dtype=dict.fromkeys(words, str),
            low_memory=False,
            index_col=False,
            keep_default_na=False,
            na_values=missing,
            on_bad_lines="error" if long_rows is None else "skip",
        )
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path}: not a readable UTF-8 table of values ({_reason(error)})"
        ) from None


def _decoded(data: bytes) -> str:
    """The text of a table in UTF-8, lines ended by a line feed; ValueError for what is no
    text."""
    for beginning, what in OTHER_CONTENT.items():
        if data.startswith(beginning):
            raise ValueError(f"it holds {what}")
    if WEB_PAGE.match(data):
        raise ValueError("it holds a web page")
    text = data.decode("utf-8-sig")
    if text.startswith("\0"):
        raise ValueError("it holds bytes that are no text")
    return text if "\n" in text else text.replace("\r", "\n")


def _too_long(text: str, mark: str) -> LongRows:
    """The rows with more fields than the first line has names, with how many."""
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
    width = len(next(rows, []))
    found = []
    for row in rows:
        if len(row) > width:
            place = f"line {rows.line_num} ({row[0]})"
            found.append((place, f"{len(row)} fields instead of {width}"))
    return found


def _delimiter(text: str) -> str:
    """The mark that separates the names of the first line; a comma where there is one column."""
    line = text.split("\n", 1)[0]
    counts = {mark: len(next(csv.reader([line], delimiter=mark), [])) for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: counts[mark])


def _parquet(path: Path) -> pd.DataFrame:
    """A Parquet table; a named index is a column, too."""
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise ValueError(f"{path}: pip install pyarrow to read .parquet, or save a .csv") from None
    try:
        table = pd.read_parquet(path)
    except MemoryError:
        raise
    except Exception as error:
        raise ValueError(f"{path}: not a readable Parquet table ({_reason(error)})") from None
    if isinstance(table.columns, pd.MultiIndex):
        table.columns = ["_".join(filter(None, map(str, names))) for names in table.columns]
    if all(name is not None and name not in table for name in table.index.names):
        table = table.reset_index()
    words = [column for column in table if pd.api.types.is_object_dtype(table[column])]
    return table.assign(**{column: table[column].map(_as_text) for column in words})


def _as_text(value: object) -> object:
    """Bytes as text, other values as they are."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _arrays(path: Path) -> pd.DataFrame:
    """The arrays of an .npy or .npz file that have one row a row of the table."""
    try:
        with open(path, "rb") as file:
            if not file.read(6).startswith((b"\x93NUMPY", b"PK")):
                raise ValueError("it holds no arrays of numpy")
            file.seek(0)
            stored = np.load(file, allow_pickle=False)
            arrays = stored if isinstance(stored, Mapping) else {path.stem: stored}
            arrays = {name: array for name, array in arrays.items() if array.ndim}
    except MemoryError:
        raise
    except Exception as error:
        reason = _reason(error)
        if "pickle" in reason.lower():
            reason = (
                "it holds Python objects, which are pickled, and a pickle can run any code; save "
                "numbers and strings"
            )
        raise ValueError(f"{path}: not readable ({reason})") from None
    if not arrays:
        raise ValueError(f"{path}: there is no array with rows in it")
    tables = [len(array) for array in arrays.values() if array.ndim > 1]
    n = max(tables or map(len, arrays.values()))
    if not n:
        raise ValueError(f"{path}: its arrays have no rows")
    parts = []
    for name, array in arrays.items():
        if len(array) == n:
            parts.append(_columns(name, array))
    return pd.concat(parts, axis=1)


def _columns(name: str, array: np.ndarray) -> pd.DataFrame:
    """The columns of one array (n, ...): one, one a field of a record, or a block."""
    if array.ndim == 1 and array.dtype.names:
        return pd.DataFrame(array)
    if array.ndim == 1:
        values = array.astype(str) if array.dtype.kind == "S" else array
        return pd.DataFrame({name: values})
    flat = array.reshape(len(array), -1)
    return pd.DataFrame(flat, columns=[f"{name}_{i}" for i in range(flat.shape[1])])
