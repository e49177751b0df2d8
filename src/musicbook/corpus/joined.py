"""Tables of the reader's that belong to the tracks of a folder: their lyrics, their labels.

A row finds its track by `file`, or by `title` and `artist`; whatever finds none, or cannot be read,
is named."""

from __future__ import annotations

import csv
import html
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from helpers.escape import printable
from helpers.shown import short_repr
from leakaudit.spellings import comparable

csv.field_size_limit(10_000_000)  # characters; the default refuses a long text

HEADING = re.compile(
    r"\[[^\]\n]{1,80}\]|\{[^}\n]{1,80}\}|^\s*\((?:instrumental|chorus|verse|refrain)[^)\n]*\)\s*$",
    re.I | re.M,
)
TAG = re.compile(r"</?[a-zA-Z][^<>\n]{0,200}>")
FIRST_LINE = re.compile(r"\A\s*(?:\d+ Contributors?)?[^\n]{0,120}? Lyrics(?=\n|\[|$)")
SITE = re.compile(
    r"You might also like|See [^\n]{1,60} LiveGet tickets as low as \$\d+|\d*Embed\s*\Z"
)
NO_WORDS = re.compile(r"\W*(?:instrumental|no lyrics|n/?a|none|nan|null)?\W*", re.I)


@dataclass
class Rows:
    """A table as it could be read: `rows`, dicts with their `line`, and what could not be, (line,
    reason)."""

    path: Path
    rows: list[dict[str, str]] = field(default_factory=list)
    faults: list[tuple[int, str]] = field(default_factory=list)

    __repr__ = short_repr


def clean(text: str) -> str:
    """The words of a text of lyrics: without headings in brackets, HTML, and what the site has
    added; "" for a text that has no words, as of an instrumental."""
    text = html.unescape(html.unescape(text))
    text = SITE.sub(" ", HEADING.sub(" ", TAG.sub(" ", FIRST_LINE.sub("", text))))
    text = re.sub(r"[^\S\n]+", " ", text).strip()
    text = re.sub(r" ?\n\s*", "\n", text)
    return "" if NO_WORDS.fullmatch(text) else text


def read_rows(path: str | Path, needed: Sequence[Sequence[str]]) -> Rows:
    """A table of comma-, semicolon- or tab-separated values with a line of names, read row by row.

    `needed` are sets of columns, of which it must have one whole. Rows with too many or too few
    fields, and rows that are no UTF-8, are left out and named. Raises ValueError without a line of
    names or without the columns."""
    path = Path(path)
    with open(path, encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        first = file.readline()
        mark = max(",;\t", key=first.count) if first.strip() else ","
        file.seek(0)
        table, names = Rows(path), None
        for line, row, why in each_row(file, mark):
            if names is None:
                names = [name.strip().casefold() for name in row]
                _check_columns(path, names, why, needed)
            elif why:
                table.faults.append((line, why))
            elif len(row) != len(names) and any(row):
                table.faults.append((line, f"{len(row)} fields instead of {len(names)}"))
            elif any(row):
                table.rows.append(dict(zip(names, row, strict=True)) | {"line": str(line)})
    if names is None:
        raise ValueError(f"{path}: the table is empty")
    return table


def _check_columns(
    path: Path, names: Sequence[str], why: str, needed: Sequence[Sequence[str]]
) -> None:
    """ValueError for a first line that cannot be read (`why`) or that lacks columns."""
    if not why and any(set(group) <= set(names) for group in needed):
        return
    has = why or f"it has the columns {printable(', '.join(names)) or 'none'}"
    wanted = " or ".join(" and ".join(group) for group in needed)
    raise ValueError(f"{path}: {has}; needed are {wanted}")


def each_row(file: Iterable[str], mark: str) -> Iterator[tuple[int, list[str], str]]:
    """(line on which it begins, fields, what is wrong with it or "") of each row of an open table
    whose encoding errors are surrogates."""
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


def match(
    table: Rows, paths: Mapping[str, Path], tags: Mapping[str, Mapping[str, str]]
) -> dict[str, dict[str, str]]:
    """The row of each track, {track: row}; rows without a track, with several, or second for one go
    to `table.faults`.

    `file` is compared with the track's path below the folder, then with its file name, with or
    without ending; title and artist with the tags in the file, then with a name "Artist - Title". A
    spelling that is equal but for case and Unicode form comes before one that is equal but for
    punctuation."""
    by_file = any("file" in row for row in table.rows)
    indices = _indices(paths, tags, by_file)
    matched: dict[str, dict[str, str]] = {}
    for row in table.rows:
        if by_file:
            wanted, given, missing = row["file"].replace("\\", "/"), row["file"], "no file is named"
        else:
            wanted, given = f"{row['artist']} - {row['title']}", row["title"]
            missing = "no title"
        if not given.strip():
            table.faults.append((int(row["line"]), missing))
            continue
        hits = _hits(indices, wanted)
        if len(hits) == 1 and hits[0] not in matched:
            matched[hits[0]] = row
            continue
        if not hits:
            why = "belongs to no track of the folder"
        elif len(hits) > 1:
            why = f"could be any of {len(hits)} tracks"
        else:
            why = f"a second row for {hits[0]}, of which the first is used"
        table.faults.append((int(row["line"]), f"{printable(wanted)}: {why}"))
    return matched


Index = tuple[Callable[[str], str], dict[str, list[str]]]  # a form of names, and tracks by name


def _indices(
    paths: Mapping[str, Path], tags: Mapping[str, Mapping[str, str]], by_file: bool
) -> list[Index]:
    """Where a row is looked up, the surest place first."""
    names_of = {}
    for track, path in paths.items():
        names_of[track] = _file_names(track, path) if by_file else _song_names(path, tags, track)
    indices: list[Index] = []
    for level in range(4 if by_file else 2):
        for form in (comparable, _letters):
            index: dict[str, list[str]] = {}
            for track, names in names_of.items():
                name = form(names[level])
                if name:
                    index.setdefault(name, []).append(track)
            indices.append((form, index))
    return indices


def _file_names(track: str, path: Path) -> list[str]:
    """The path below the folder with and without ending, and the file's name with and without."""
    whole = track
    if not track.lower().endswith(path.suffix.lower()):
        whole = f"{track}{path.suffix}"
    bare = str(PurePosixPath(whole).with_suffix(""))
    return [whole, bare, printable(path.name), printable(path.stem)]


def _song_names(path: Path, tags: Mapping[str, Mapping[str, str]], track: str) -> list[str]:
    """Artist and title by the tags, "" where one is missing, and the file's name."""
    own = tags.get(track, {})
    tagged = ""
    if {"artist", "title"} <= set(own):
        tagged = f"{own['artist']} - {own['title']}"
    return [tagged, printable(path.stem)]


def _hits(indices: Sequence[Index], wanted: str) -> list[str]:
    for form, index in indices:
        hits = index.get(form(wanted))
        if hits:
            return hits
    return []


def _letters(name: str) -> str:
    """Letters and digits alone; empty for a name that has none, which then is equal to no other."""
    return re.sub(r"[\W_]+", " ", comparable(name)).strip()


@dataclass(frozen=True)
class Words:
    """The lyrics of a folder's tracks: `vectors` (n, dims of the encoder), rows of NaN where there
    are none; `language` {track: code}; `sentences` on what was read; `faults`, (line of the
    table, reason); `encoder`, whose vectors they are."""

    vectors: pd.DataFrame
    language: dict[str, str]
    sentences: list[str]
    faults: list[tuple[int, str]]
    encoder: str

    __repr__ = short_repr


def read_lyrics(
    paths: Mapping[str, Path],
    table: str | Path,
    tags: Mapping[str, Mapping[str, str]] | None = None,
    *,
    windows: bool = False,
    encoder: str | None = None,
    quiet: bool = True,
) -> Words:
    """Embed the lyrics of tracks from a table with `lyrics` and either `file`, or `title` and
    `artist`.

    Only words are embedded (`clean`). `encoder` is one of `encoders.ENCODERS` (default:
    $HELPERS_ENCODER, else "use", which reads sixteen languages); of "e5", whose vectors tell first
    of all the language, each language's mean is taken off. A long text is read from its beginning;
    with `windows` it is the mean of its pieces. Raises ValueError for a table that cannot be read,
    without the columns, or that matches no track, and for an unknown encoder."""
    from musicbook.corpus import embedding, encoders

    name = encoder or os.environ.get("HELPERS_ENCODER") or "use"
    chosen = encoders.encoder_of(name)
    rows = read_rows(table, [("lyrics", "file"), ("lyrics", "title", "artist")])
    matched = match(rows, paths, tags or {})
    if not matched:
        raise ValueError(
            f"{table}: none of its {len(rows.rows)} rows belongs to a track of this folder; "
            "mend it, or leave words out: lyrics=none"
        )
    texts = {}
    for track in paths:
        text = clean(matched[track]["lyrics"]) if track in matched else ""
        if text:
            texts[track] = text
    vectors = pd.DataFrame(
        np.nan,
        index=pd.Index(list(paths), name="id"),
        columns=[f"text_{i:03d}" for i in range(chosen.dims)],
    )
    language = {track: _language(text) for track, text in texts.items()}
    sentences = [
        f"lyrics for {len(texts)} of {len(paths)} tracks, read by {chosen.title} ({chosen.reads}), "
        "the mean vector for the rest"
    ]
    if silent := len(matched) - len(texts):
        sentences.append(f"{silent} rows hold no words")
    if texts:
        values = embedding.embed_texts(
            list(texts.values()), encoder=name, windows=windows, quiet=quiet
        )
        if name == "e5":
            values = embedding.without_language(values, np.array(list(language.values())))
        vectors.loc[list(texts)] = values
        sentences += _about_texts(list(texts.values()), name, windows, language)
    return Words(vectors, language, sentences, rows.faults, name)


def _about_texts(
    texts: list[str], name: str, windows: bool, language: Mapping[str, str]
) -> list[str]:
    """Sentences on texts that are longer than the encoder reads, and in languages that it does not
    know."""
    from musicbook.corpus import embedding, encoders

    chosen, sentences = encoders.ENCODERS[name], []
    if long := embedding.longer(texts, name):
        limit = f"{chosen.characters} characters"
        if chosen.characters is None:
            limit = f"{encoders.TOKENS} tokens"
        how = "of which the beginning is read (the mean of all pieces: lyrics=windows)"
        if windows:
            how = "as the mean of their pieces"
        sentences.append(f"{long} texts have more than {limit}, {how}")
    strange = Counter(code for code in language.values() if not chosen.knows(code))
    if strange:
        counted = ", ".join(f"{code} {n}" for code, n in strange.most_common())
        sentences.append(
            f"{strange.total()} texts are in languages that {chosen.title} does not "
            f"know ({counted}), "
            "so their vectors mean little: HELPERS_ENCODER=e5 reads about a hundred languages"
        )
    return sentences


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
    labels = {}
    for track, row in match(rows, paths, tags).items():
        if row["genre"].strip():
            labels[track] = row["genre"].strip()
    return labels, rows
