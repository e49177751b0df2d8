"""Tables of the reader's that belong to the tracks of a folder: their lyrics, their labels.

A row finds its track by `file`, or by `title` and `artist`; whatever finds none, or cannot be read, is named."""

from __future__ import annotations

import csv
import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from ..escape import printable

csv.field_size_limit(10_000_000)  # characters; the default refuses a long text

HEADING = re.compile(
    r"\[[^\]\n]{1,80}\]|\{[^}\n]{1,80}\}|^\s*\((?:instrumental|chorus|verse|refrain)[^)\n]*\)\s*$", re.I | re.M
)
TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
FIRST_LINE = re.compile(r"\A\s*(?:\d+ Contributors?)?[^\n]{0,120}? Lyrics(?=\n|\[|$)")
SITE = re.compile(r"You might also like|See [^\n]{1,60} LiveGet tickets as low as \$\d+|\d*Embed\s*\Z")
NO_WORDS = re.compile(r"\W*(?:instrumental|no lyrics|n/?a|none|nan|null)?\W*", re.I)


@dataclass
class Rows:
    """A table as it could be read: `rows`, dicts with their `line`, and what could not be, (line, reason)."""

    path: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)


def clean(text: str) -> str:
    """The words of a text of lyrics: without headings in brackets, HTML, and what the site has added; "" for a text
    that has no words, as of an instrumental."""
    text = html.unescape(html.unescape(text))
    text = SITE.sub(" ", HEADING.sub(" ", TAG.sub(" ", FIRST_LINE.sub("", text))))
    text = re.sub(r"[^\S\n]+", " ", text).strip()
    text = re.sub(r" ?\n\s*", "\n", text)
    return "" if NO_WORDS.fullmatch(text) else text


def read_rows(path: str | Path, needed: Sequence[Sequence[str]]) -> Rows:
    """A table of comma-, semicolon- or tab-separated values with a line of names, read row by row.

    `needed` are sets of columns, of which it must have one whole. Rows with too many or too few fields, and rows that
    are no UTF-8, are left out and named. Raises ValueError without a line of names or without the columns."""
    path = Path(path)
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline()
        mark = max(",;\t", key=first.count) if first.strip() else ","
        file.seek(0)
        found, names = Rows(path), None
        for line, row, why in each_row(file, mark):
            if names is None:
                names = [name.strip().casefold() for name in row]
                if why or not any(set(group) <= set(names) for group in needed):
                    has = why or f"it has the columns {printable(', '.join(names)) or 'none'}"
                    wanted = " or ".join(" and ".join(group) for group in needed)
                    raise ValueError(f"{path}: {has}; needed are {wanted}")
            elif why:
                found.faults.append((line, why))
            elif len(row) != len(names) and any(row):
                found.faults.append((line, f"{len(row)} fields instead of {len(names)}"))
            elif any(row):
                found.rows.append(dict(zip(names, row, strict=True)) | {"line": str(line)})
    if names is None:
        raise ValueError(f"{path}: the table is empty")
    return found


def each_row(file: Iterable[str], mark: str) -> Iterator[tuple[int, list[str], str]]:
    """(line on which it begins, fields, what is wrong with it or "") of each row of an open table whose encoding errors
    are surrogates."""
    reader = csv.reader(file, delimiter=mark, strict=True)
    while True:
        line, row, why = reader.line_num + 1, [], ""
        try:
            row = next(reader)
            if any("\udc80" <= c <= "\udcff" for value in row for c in value if c > "\ud7ff"):
                why = "not UTF-8"
        except StopIteration:
            return
        except csv.Error as error:
            why = str(error)
            if "end of data" in why:
                why = "a quotation mark is never closed: nothing after it is read"
        yield line, row, why


def match(table: Rows, paths: Mapping[str, Path], tags: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """The row of each track, {track: row}; rows without a track, with several, or second for one go to `table.faults`.

    `file` is compared with the track's path below the folder, then with its file name, with or without ending; title
    and artist with the tags in the file, then with a name "Artist - Title". A spelling that is equal but for case comes
    before one that is equal but for punctuation."""
    by_file = any("file" in row for row in table.rows)
    keys: list[dict[str, list[str]]] = []
    for level in range(4 if by_file else 2):
        for normal in (_near, _plain):
            index: dict[str, list[str]] = {}
            for track, path in paths.items():
                whole = track if track.lower().endswith(path.suffix.lower()) else f"{track}{path.suffix}"
                own = tags.get(track, {})
                tagged = f"{own.get('artist')} - {own.get('title')}" if {"artist", "title"} <= set(own) else ""
                name = ([whole, str(PurePosixPath(whole).with_suffix("")), printable(path.name), printable(path.stem)]
                        if by_file else [tagged, printable(path.stem)])[level]  # fmt: skip
                if normal(name):
                    index.setdefault(normal(name), []).append(track)
            keys += [index]
    found: dict[str, dict[str, str]] = {}
    for row in table.rows:
        said = row["file"].replace("\\", "/") if by_file else f"{row['artist']} - {row['title']}"
        if not (row["file"] if by_file else row["title"]).strip():
            table.faults.append((int(row["line"]), "no file is named" if by_file else "no title"))
            continue
        hits = next((hits for i, index in enumerate(keys) if (hits := index.get((_near, _plain)[i % 2](said)))), [])
        if len(hits) == 1 and hits[0] not in found:
            found[hits[0]] = row
        else:
            why = ("belongs to no track of the folder" if not hits else f"could be any of {len(hits)} tracks"
                   if len(hits) > 1 else f"a second row for {hits[0]}, of which the first is used")  # fmt: skip
            table.faults.append((int(row["line"]), f"{printable(said)}: {why}"))
    return found


def _near(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _plain(name: str) -> str:
    """Letters and digits alone; empty for a name that has none, which then is equal to no other."""
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()


@dataclass(frozen=True)
class Words:
    """The lyrics of a folder's tracks: `vectors` (n, 384), rows of NaN where there are none; `language` {track: code};
    `said`, sentences on what was found; `faults`, (line of the table, reason)."""

    vectors: pd.DataFrame
    language: dict[str, str]
    said: list[str]
    faults: list[tuple[int, str]]


def read_lyrics(
    paths: Mapping[str, Path], table: str | Path, tags: Mapping[str, Mapping[str, str]] | None = None,
    *, windows: bool = False, quiet: bool = True,
) -> Words:  # fmt: skip
    """Embed the lyrics of tracks from a table with `lyrics` and either `file`, or `title` and `artist`.

    Only words are embedded (`clean`). The model reads 256 tokens: with `windows` a longer text is the mean of its
    pieces, else its beginning. Raises ValueError for a table that cannot be read, without the columns, or that matches
    no track."""
    from . import embedding

    rows = read_rows(table, [("lyrics", "file"), ("lyrics", "title", "artist")])
    matched = match(rows, paths, tags or {})
    if not matched:
        raise ValueError(f"{table}: none of its {len(rows.rows)} rows belongs to a track of this folder; "
                         "mend it, or leave words out: lyrics=none")  # fmt: skip
    texts = {track: text for track in paths if track in matched and (text := clean(matched[track]["lyrics"]))}
    vectors = pd.DataFrame(np.nan, index=pd.Index(list(paths), name="id"),
                           columns=[f"text_{i:03d}" for i in range(embedding.DIMS)])  # fmt: skip
    said = [f"lyrics for {len(texts)} of {len(paths)} tracks, the mean vector for the rest"]
    if silent := len(matched) - len(texts):
        said.append(f"{silent} rows hold no words")
    if texts:
        vectors.loc[list(texts)] = embedding.embed(list(texts.values()), windows=windows, quiet=quiet)
        long = sum(n > embedding.TOKENS for n in embedding.tokens(list(texts.values())))
        how = (
            "as the mean of their pieces"
            if windows
            else "of which the first 256 are read (the mean of all pieces: lyrics=windows)"
        )
        said += [f"{long} texts have more than {embedding.TOKENS} tokens, {how}"] * bool(long)
    return Words(vectors, {track: _language(text) for track, text in texts.items()}, said, rows.faults)


def _language(text: str) -> str:
    """ISO 639-1 code, by the py3langid of the extra `lyrics`; "" without it."""
    try:
        import py3langid
    except ImportError:
        return ""
    return py3langid.classify(text)[0]


def read_labels(
    paths: Mapping[str, Path], table: str | Path, tags: Mapping[str, Mapping[str, str]]
) -> tuple[dict[str, str], Rows]:
    """The `genre` of tracks from a table with that column and `file`, or `title` and `artist`."""
    rows = read_rows(table, [("genre", "file"), ("genre", "title", "artist")])
    matched = match(rows, paths, tags)
    return {track: row["genre"].strip() for track, row in matched.items() if row["genre"].strip()}, rows
