"""Folders of audio: finding every file, labels and groups for them, and the reader's own music as a data set.

Used by `datasets.load("path/to/music")`; page "Run it yourself" says how.
"""

from __future__ import annotations

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ..escape import printable
from .audio import NEEDED

if TYPE_CHECKING:
    from ..datasets import Tracks
    from .fast_features import Extracted

log = logging.getLogger("helpers")

AUDIO = (".wav", ".au", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
SOUND = frozenset(AUDIO) | frozenset(
    ".wave .snd .fla .spx .mp2 .mp1 .mpga .aifc .caf .w64 .rf64 .m4a .m4b .m4p .m4r .mp4 .m4v .aac .adts .wma .asf "
    ".webm .weba .mka .ape .wv .mpc .mpp .tta .ac3 .eac3 .dts .amr .3gp .3g2 .ra .rm .dsf .dff .shn .tak .voc .8svx"
    "".split()
)
UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".opdownload", ".!ut")  # half a download
HEADS = (b"fLaC", b"OggS", b"ID3", b"caff", b"MAC ", b"wvpk", b"MPCK", b"MP+", b"TTA1", b".snd", b"#!AMR", b"\xff\xfb",
         b"\xff\xf3", b"\xff\xfa")  # fmt: skip
DISORDER = {"compilations", "various artists", "unknown artist", "itunes", "itunes media", "downloads", "music"}
TAGGED = 0.9  # share of the tracks that must have a genre tag for tags to be taken unasked
ARTISTS = 10  # fewer artists than that leave no intervals: tracks are drawn one by one then


@dataclass
class Found:
    """What lies in a folder: `paths` {track id: sound file}; `faults`, (name, reason) of what cannot be opened;
    `passed`, how many files of which ending are no sound."""

    paths: dict[str, Path] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)


def survey(folder: str | Path) -> Found:
    """Every sound file below a folder, known by its ending or its first bytes, and what is there beside them.

    A track's id is its path below the folder, without ending; they are sorted.
    Links to folders are followed, each folder once.  Files whose ids would be equal keep their ending in it, or get a
    number.  Raises FileNotFoundError, PermissionError for the folder itself, or ValueError without any sound.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{printable(folder)}: no such folder")
    found = Found()
    sounds: list[Path] = []
    seen: set[str] = set()
    linked: list[Path] = []
    waiting = [folder]  # links come last, so that a folder is found at its own place
    while waiting or linked:
        here = (waiting or linked).pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        try:
            entries = list(os.scandir(here))
        except OSError as error:
            if here == folder:
                raise
            found.faults.append((printable(here.relative_to(folder)), f"the folder cannot be read ({error.strerror})"))
            continue
        for entry in entries:
            path = here / entry.name
            ending = path.suffix.lower().strip()
            if entry.name.startswith(".") and not entry.name.startswith(".."):  # "...And So On" is a title
                found.passed["hidden"] += 1
            elif path.is_dir():
                (linked if entry.is_symlink() else waiting).append(path)
            elif not path.is_file():
                why = "a link to nothing" if entry.is_symlink() else "not a file"
                found.faults.append((printable(path.relative_to(folder)), why))
            elif ending in UNFINISHED:
                found.faults.append((printable(path.relative_to(folder)), "an unfinished download"))
            elif ending in SOUND or _sounds(path):
                sounds.append(path)
            else:
                found.passed[ending or "no ending"] += 1
    if not sounds:
        others = ", ".join(f"{n} {printable(ending)}" for ending, n in found.passed.most_common(5))
        raise ValueError(
            f"{printable(folder)}: no audio in this folder ({', '.join(AUDIO)}, …)"
            + f"; it has {others}" * bool(others)
        )
    found.paths = _named(sorted(sounds), folder)
    found.faults.sort()
    return found


def find_audio(folder: str | Path) -> dict[str, Path]:
    """The sound files of `survey`."""
    return survey(folder).paths


def _sounds(path: Path) -> bool:
    """Whether a file with another ending, or none, begins as sound does."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return False
    kind = head[8:12] if head[:4] in (b"RIFF", b"FORM") or head[4:8] == b"ftyp" else b""
    return head.startswith(HEADS) or kind in (b"WAVE", b"AIFF", b"AIFC", b"M4A ", b"M4B ")


def _named(sounds: list[Path], folder: Path) -> dict[str, Path]:
    whole = [printable(path.relative_to(folder).as_posix()) for path in sounds]
    stems = [printable(path.relative_to(folder).with_suffix("").as_posix()) for path in sounds]
    count = Counter(stems)
    count.update(set(whole) - set(stems))
    paths: dict[str, Path] = {}
    for stem, name, path in zip(stems, whole, sounds, strict=True):
        wanted = stem if count[stem] == 1 else name
        number, track = 1, wanted
        while track in paths:  # names that differ only in bytes that no text can show
            number += 1
            track = f"{wanted} ({number})"
        paths[track] = path
    return paths


def from_folders(paths: Mapping[str, Path], folder: Path) -> dict[str, str]:
    """The first sub-folder that tells tracks apart, {track: its name}; "" for a track outside of any."""
    parts = {track: path.relative_to(folder).parts[:-1] for track, path in paths.items()}
    while all(parts.values()) and len({p[0] for p in parts.values()}) == 1:
        parts = {track: p[1:] for track, p in parts.items()}
    return {track: printable(p[0]) if p else "" for track, p in parts.items()}


def choose_labels(
    paths: Mapping[str, Path], folder: Path, tags: Mapping[str, Mapping[str, str]], how: str | None = None
) -> tuple[dict[str, str], str]:
    """The genre of each track, {track: genre} (empty: no labels), and a sentence that says where it comes from.

    `how` is "folder", "tags", "none", or a table with `genre` and `file`. Unasked, sub-folders are genres unless they
    look like something else: numbers, artists, or folders that hold folders themselves; then genre tags are taken,
    where nearly all tracks have one, or nothing. Raises ValueError for tags that are not there, OSError for a table
    that cannot be opened."""
    by_folder = from_folders(paths, folder)
    tagged = {track: tags.get(track, {}).get("genre", "").strip() for track in paths}
    if how == "none":
        return {}, "No labels, as asked."
    if how == "folder":
        return _filled(by_folder, "outside"), "Labels: the names of the sub-folders, as asked."
    if how == "tags":
        if not any(tagged.values()):
            raise ValueError(
                f"{printable(folder)}: no file has a genre tag" + ("" if any(tags.values()) else f" ({NEEDED})")
            )
        return _filled(
            tagged, "untagged"
        ), f"Labels: the genre tags in the files, as asked; {_missing(tagged)} have none."
    if how:
        from .joined import read_labels

        given, rows = read_labels(paths, how, tags)
        said = f"Labels: from {printable(Path(how).name)}; {len(paths) - len(given)} tracks have none"
        if rows.faults:
            line, why = rows.faults[0]
            said += f"; {len(rows.faults)} of its rows could not be used, the first: line {line}, {why}"
        return _filled({track: given.get(track, "") for track in paths}, "unlabelled"), f"{said}."
    doubt = _doubt(by_folder, paths, folder, tags)
    if not doubt:
        return by_folder, "Labels: the names of the sub-folders."
    if _missing(tagged) <= (1 - TAGGED) * len(paths) and len(set(tagged.values())) > 1:
        return _filled(
            tagged, "untagged"
        ), f"Labels: the genre tags in the files, since {doubt}; {_missing(tagged)} have none."
    return (
        {},
        f"No labels: {doubt}. Labels can be chosen: folder, tags, or a table (`--labels`, or `make book LABELS=`).",
    )


def _missing(labels: Mapping[str, str]) -> int:
    return sum(not label for label in labels.values())


def _filled(labels: dict[str, str], word: str) -> dict[str, str]:
    return {track: label or word for track, label in labels.items()}


def _doubt(
    names: Mapping[str, str], paths: Mapping[str, Path], folder: Path, tags: Mapping[str, Mapping[str, str]]
) -> str:
    """Why sub-folders are not taken for genres; "" where they may be."""
    sizes = Counter(names.values())
    if not all(names.values()):
        return f"{sizes['']} of {len(names)} files lie in no sub-folder"
    if len(sizes) < 2 or max(sizes.values()) < 2:
        return "there are no sub-folders that hold several tracks" if len(sizes) > 1 else "there is one sub-folder"
    if all(name.strip().isdigit() for name in sizes):
        return "the sub-folders are numbers"
    if odd := sorted(name for name in sizes if name.casefold() in DISORDER):
        return f"a sub-folder is called {odd[0]}"
    same = agree = known = 0
    for track, name in names.items():
        own = {tag: text.casefold() for tag, text in tags.get(track, {}).items()}
        artists = {own[tag] for tag in ("artist", "album_artist") if own.get(tag)}
        known += bool(artists)
        same += any(name.casefold().startswith(artist) for artist in artists)
        agree += bool(own.get("genre")) and own["genre"] == name.casefold()
    if known and same > known / 2:
        return "the sub-folders are called like the artists"
    deep = sum(len(path.relative_to(folder).parts) for path in paths.values()) / len(paths)
    shallow = min(len(path.relative_to(folder).parts) for path in paths.values())
    if deep >= shallow + 0.5 or _below(names, paths, folder) > len(paths) / 2:
        return "" if agree > len(paths) / 2 else "the sub-folders hold folders themselves, as artists hold albums"
    return ""


def _below(names: Mapping[str, str], paths: Mapping[str, Path], folder: Path) -> int:
    """How many tracks lie in a folder inside of the one that names them."""
    return sum(printable(path.parent.name) != names[track] for track, path in paths.items())


def load_folder(
    folder: str | Path, *, labels: str | None = None, lyrics: str | None = None, n_jobs: int | None = None, client=None,
    quiet: bool = False,
) -> Tracks:  # fmt: skip
    """A folder of audio as a data set: features of every file that decodes, labels, lyrics where there are any.

    Finished tracks are stored, so that the second call only reads what is new or changed.  `labels` is that of
    `choose_labels` (default: $HELPERS_LABELS); `lyrics`, "first", "windows" or "none", says how a `lyrics.csv` in the
    folder is read (`joined.read_lyrics`; default: $HELPERS_LYRICS, else "first").  Tracks of one artist share a group
    where tags name ten artists or more, and so do doubles.  The provenance holds what `report` and `read_report` say.
    Raises ValueError when there is no audio or none that decodes.
    """
    from ..datasets import from_table
    from .fast_features import extract_all
    from .joined import read_lyrics
    from .long_jobs import processes

    folder = Path(folder).expanduser().resolve()
    found = survey(folder)
    n_jobs = n_jobs or processes(len(found.paths), 50)
    made = extract_all(found.paths, n_jobs=n_jobs, client=client, quiet=quiet)
    table, kept = made.table, {t: found.paths[t] for t in made.table["track_id"]}
    genres, said = choose_labels(kept, folder, made.tags, labels or os.environ.get("HELPERS_LABELS") or None)
    if genres:
        table.insert(1, "genre", table["track_id"].map(genres))
    text, note, sentences = (
        None,
        f"{len(made.faults)} of {len(found.paths)} files left out" if len(made.faults) else "",
        [said],
    )
    how = lyrics or os.environ.get("HELPERS_LYRICS") or "first"
    if how not in ("first", "windows", "none"):
        raise ValueError(f"lyrics={how!r}: choose first, windows or none")
    words = next((folder / name for name in ("lyrics.csv", "lyrics.tsv") if (folder / name).is_file()), None)
    told: dict[str, Any] = {}
    if words is not None and how != "none":
        own = read_lyrics(kept, words, made.tags, windows=how == "windows", quiet=quiet)
        text = own.vectors.fillna(
            own.vectors.mean()
        )  # a track without lyrics sits in the middle: its text says nothing
        text = text if text.notna().all(axis=None) else None
        note += "; " + "; ".join(own.said)
        sentences += [f"Words: {'; '.join(own.said)}."]
        spoken = Counter(filter(None, own.language.values()))
        if spoken:
            sentences.append(
                "Languages of the words: " + ", ".join(f"{code} {n}" for code, n in spoken.most_common()) + "."
            )
        told = {"language": own.language, "rows": [[f"{words.name}, line {line}", why] for line, why in own.faults]}
    digest = hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()
    tracks = from_table(
        table, printable(folder.name), text=text, source=printable(folder.name), sha256=digest, note=note.strip("; "),
        paths={t: str(p) for t, p in kept.items()}, **summary(found, made), sentences=sentences, **told,
    )  # fmt: skip
    tracks = replace(tracks, groups=_groups(made))
    if told and len(set(told["language"].values())) > 1 and tracks.labels:
        language = np.array([told["language"].get(i) or "none" for i in tracks.ids])
        tracks = replace(tracks, labels=tracks.labels | {"language": language})
    return tracks


def _groups(made: Extracted) -> np.ndarray:
    """(n,) the artist of each track where tags name enough of them, else the track; doubles are one."""
    ids = made.table["track_id"].tolist()
    artists = {track: own["artist"] for track, own in made.tags.items() if own.get("artist")}
    groups = {i: artists.get(i, i) if len(set(artists.values())) >= ARTISTS else i for i in ids}
    for group in made.doubles:
        merged = {groups[i] for i in group}
        groups = {i: groups[group[0]] if g in merged else g for i, g in groups.items()}
    return np.array([groups[i] for i in ids])


def summary(found: Found, made: Extracted) -> dict[str, Any]:
    """What a report is made of, for the provenance of a data set."""
    faults = made.faults[["track_id", "reason"]].values.tolist() + [list(fault) for fault in found.faults]
    return {
        "found": len(found.paths) + len(found.faults), "faults": faults, "remarks": [list(r) for r in made.remarks],
        "doubles": made.doubles, "passed": dict(found.passed), "tags": made.tags,
    }  # fmt: skip


def report(provenance: Mapping[str, Any], paths: Mapping[str, str | Path] | Mapping[str, Path]) -> pd.DataFrame:
    """One row for every file: track_id, path, used, what is said of it, the first of the recordings that are the same,
    artist, title and genre tag."""
    remarks: dict[str, list[str]] = {}
    for track, said in provenance.get("remarks", []):
        remarks.setdefault(track, []).append(said)
    same = {track: group[0] for group in provenance.get("doubles", []) for track in group[1:]}
    left = dict(map(tuple, provenance.get("faults", [])))
    rows = [
        {"track_id": track, "path": printable(paths.get(track, "")), "used": track not in left,
         "said": left.get(track) or "; ".join(remarks.get(track, [])), "same_as": same.get(track, ""),
         **{tag: provenance.get("tags", {}).get(track, {}).get(tag, "") for tag in ("artist", "title", "genre")}}
        for track in [*paths, *(name for name in left if name not in paths)]
    ]  # fmt: skip
    return pd.DataFrame(rows)


def read_report(provenance: Mapping[str, Any], most: int = 20) -> list[str]:
    """What was found in a folder or a table, in sentences: used, left out and why, odd, doubles, labels, words. Of long
    lists `most` are named. The sentences hold names as they are: escape them where they go."""

    def some(items: list[str]) -> str:
        return "; ".join(items[:most]) + (f"; and {len(items) - most} more" if len(items) > most else "")

    faults, remarks = provenance.get("faults", []), provenance.get("remarks", [])
    doubles, rows, passed = provenance.get("doubles", []), provenance.get("rows", []), provenance.get("passed", {})
    said = []
    if "found" in provenance:
        what = "files" if "paths" in provenance else "rows"
        said.append(
            f"Found {provenance['found']} {what}, used {provenance['found'] - len(faults)}, left out {len(faults)}."
        )
    if passed:
        said.append(
            "Not sound, by their ending: " + ", ".join(f"{printable(e)} {n}" for e, n in sorted(passed.items())) + "."
        )
    if faults:
        said.append(f"Left out: {some([f'{name} ({reason})' for name, reason in faults])}.")
    if missing := sum(NEEDED in reason for _, reason in faults):
        said.append(f"{missing} of them need a decoder that is not here; {NEEDED}.")
    if remarks:
        said.append(f"Used, though odd: {some([f'{name} ({remark})' for name, remark in remarks])}.")
    if doubles:
        alike = some([" = ".join(group) for group in doubles])
        said.append(f"{len(doubles)} recordings are there more than once and are drawn together in intervals: {alike}.")
    if rows:
        said.append(f"Rows that could not be used: {some([f'{place}: {reason}' for place, reason in rows])}.")
    return said + list(provenance.get("sentences", []))


def read_clusters(labels: np.ndarray, ids: np.ndarray, provenance: Mapping[str, Any]) -> list[str]:
    """A sentence for each cluster that says little: of one track, or of tracks that are all odd. labels, ids (n,)."""
    odd = dict(map(tuple, provenance.get("remarks", [])))
    said = []
    for label in sorted(set(labels[labels >= 0].tolist())):
        members = ids[labels == label].tolist()
        if len(members) == 1 or all(i in odd for i in members):
            why = f" ({odd[members[0]]})" if members[0] in odd else ""
            more = f" and {len(members) - 1} more that are odd" * (len(members) > 1)
            said.append(f"Cluster {label} says little: it holds {members[0]}{why}{more}.")
    return said
