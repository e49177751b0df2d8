"""Labels for a folder of music: from its sub-folders, from tags in the files, or from a table.

Used by `folders.load_folder`; page "Run it yourself" says how to choose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers.escape import printable
from leakaudit.spellings import comparable
from musicbook.corpus.audio import NEEDED
from musicbook.corpus.joined import read_labels
from musicbook.corpus.label_columns import doubt_about, number_as_text

DISORDER = {
    "compilations",
    "various artists",
    "unknown artist",
    "itunes",
    "itunes media",
    "downloads",
    "music",
}
TAGGED = 0.9  # share of the tracks that must have a genre tag for tags to be taken unasked
CHOICES = "folder, tags, none, or the path of a table with the columns genre and file"
HOW_TO_ASK = "Labels can be chosen: folder, tags, or a table (`--labels`, or `make book LABELS=`)."
Paths = Mapping[str, Path]
Tags = Mapping[str, Mapping[str, str]]
Choice = tuple[dict[str, str], str]


def from_folders(paths: Paths, folder: Path) -> dict[str, str]:
    """The first sub-folder that tells tracks apart, {track: its name}; "" for a track outside of
    any."""
    parts = {track: path.relative_to(folder).parts[:-1] for track, path in paths.items()}
    while all(parts.values()) and len({p[0] for p in parts.values()}) == 1:
        parts = {track: p[1:] for track, p in parts.items()}
    return {track: printable(p[0]) if p else "" for track, p in parts.items()}


def choose_labels(paths: Paths, folder: Path, tags: Tags, how: str | None = None) -> Choice:
    """The genre of each track, {track: genre} (empty: no labels), and a sentence that says where it
    comes from.

    `how` is "folder", "tags", "none", or a table with `genre` and `file`. Unasked, sub-folders are
    genres unless they look like something else: numbers, artists, or folders that hold folders
    themselves; then genre tags are taken, where nearly all tracks have one, or nothing. Raises
    ValueError for tags or sub-folders that are not there and for labels of which each track has its
    own, FileNotFoundError for a table that is not there."""
    if how == "none":
        return {}, "No labels, as asked."
    by_folder = from_folders(paths, folder)
    tagged = {track: tags.get(track, {}).get("genre", "").strip() for track in paths}
    if how == "folder":
        return _asked_by_folder(by_folder, paths, folder)
    if how == "tags":
        return _asked_by_tags(tagged, tags, folder)
    if how:
        return _from_table(paths, how, tags)
    doubt = _doubt_about_folders(by_folder, paths, folder, tags)
    if not doubt:
        return by_folder, "Labels: the names of the sub-folders."
    missing = _missing(tagged)
    nearly_all = missing <= (1 - TAGGED) * len(paths)
    if nearly_all and len(set(tagged.values())) > 1 and not doubt_about(pd.Series(tagged)):
        source = f"Labels: the genre tags in the files, since {doubt}; {missing} have none."
        return _filled(tagged, "untagged"), source
    return {}, f"No labels: {doubt}. {HOW_TO_ASK}"


def _asked_by_folder(by_folder: dict[str, str], paths: Paths, folder: Path) -> Choice:
    if not any(by_folder.values()):
        raise ValueError(f"{printable(folder)}: no labels: {_no_sub_folders(paths, folder)}")
    odd = _refuse_own_values(by_folder, f"the sub-folders of {printable(folder)}")
    return _filled(by_folder, "outside"), f"Labels: the names of the sub-folders, as asked{odd}."


def _asked_by_tags(tagged: dict[str, str], tags: Tags, folder: Path) -> Choice:
    if not any(tagged.values()):
        hint = "" if any(tags.values()) else f" ({NEEDED})"
        raise ValueError(f"{printable(folder)}: no file has a genre tag{hint}")
    odd = _refuse_own_values(tagged, f"the genre tags in {printable(folder)}")
    source = f"Labels: the genre tags in the files, as asked; {_missing(tagged)} have none"
    return _filled(tagged, "untagged"), f"{source}{odd}."


def _from_table(paths: Paths, table: str, tags: Tags) -> Choice:
    if not Path(table).is_file():
        raise FileNotFoundError(f"labels={printable(table)!r}: no such table; choose {CHOICES}")
    given, rows = read_labels(paths, table, tags)
    name = printable(Path(table).name)
    odd = _refuse_own_values(given, f"the column genre of {name}")
    source = f"Labels: from {name}; {len(paths) - len(given)} tracks have none"
    if rows.faults:
        line, why = rows.faults[0]
        unused = f"{len(rows.faults)} of its rows could not be used"
        source += f"; {unused}, the first: line {line}, {why}"
    labels = {track: given.get(track, "") for track in paths}
    return _filled(labels, "unlabelled"), f"{source}{odd}."


def _refuse_own_values(labels: Mapping[str, str], what: str) -> str:
    """ValueError for labels that were asked for and can be none: each track has its own. Returns
    what is odd about others, as the end of a sentence."""
    known = pd.Series([label for label in labels.values() if label], dtype=str)
    doubt = doubt_about(known, unit="track")
    if doubt is not None and doubt.refused:
        raise ValueError(f"{what} cannot be the labels: {doubt.reason}")
    return "" if doubt is None else f"; odd for labels: {doubt.reason}"


def _missing(labels: Mapping[str, str]) -> int:
    return sum(not label for label in labels.values())


def _filled(labels: dict[str, str], word: str) -> dict[str, str]:
    return {track: label or word for track, label in labels.items()}


def _no_sub_folders(paths: Paths, folder: Path) -> str:
    """Where the files lie when no sub-folder tells them apart."""
    parents = {path.relative_to(folder).parent for path in paths.values()}
    if parents == {Path()}:
        return "the files lie in no sub-folder"
    first = printable(min(parents).parts[0])
    return f"all {len(paths)} files lie in one sub-folder, {first}"


def _doubt_about_folders(by_folder: dict[str, str], paths: Paths, folder: Path, tags: Tags) -> str:
    """Why sub-folders are not taken for genres; "" where they may be."""
    sizes = Counter(by_folder.values())
    if not any(by_folder.values()):
        return _no_sub_folders(paths, folder)
    if sizes[""]:
        return f"{sizes['']} of {len(by_folder)} files lie beside the sub-folders"
    if max(sizes.values()) < 2:
        return "there are no sub-folders that hold several tracks"
    if all(name.strip().isdigit() for name in sizes):
        return "the sub-folders are numbers"
    number = number_as_text(pd.Series(list(sizes)))
    if number:
        return f"the sub-folders are numbers or dates, such as {number}"
    odd = sorted(name for name in sizes if name.casefold() in DISORDER)
    if odd:
        return f"a sub-folder is called {odd[0]}"
    same, agree, known = _agreement(by_folder, tags)
    if known and same > known / 2:
        return "the sub-folders are called like the artists"
    if _hold_folders(by_folder, paths, folder) and agree <= len(paths) / 2:
        return "the sub-folders hold folders themselves, as artists hold albums"
    return ""


def _agreement(by_folder: Mapping[str, str], tags: Tags) -> tuple[int, int, int]:
    """How many tracks lie in a sub-folder called like their artist tag, in one called like their
    genre tag, and how many have an artist tag."""
    same = agree = known = 0
    for track, name in by_folder.items():
        own = {tag: comparable(text) for tag, text in tags.get(track, {}).items()}
        artists = [own[tag] for tag in ("artist", "album_artist") if own.get(tag)]
        known += bool(artists)
        same += any(comparable(name).startswith(artist) for artist in artists)
        agree += own.get("genre") == comparable(name)
    return same, agree, known


def _hold_folders(by_folder: Mapping[str, str], paths: Paths, folder: Path) -> bool:
    """Whether the sub-folders hold folders: files lie at different depths, or most of them in a
    folder inside of the one that names them."""
    depths = [len(path.relative_to(folder).parts) for path in paths.values()]
    below = sum(printable(path.parent.name) != by_folder[t] for t, path in paths.items())
    return sum(depths) / len(depths) >= min(depths) + 0.5 or below > len(paths) / 2
