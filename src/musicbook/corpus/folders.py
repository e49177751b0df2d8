"""Folders of audio: finding every file, and the reader's own music as a data set.

Used by `sources.load("path/to/music")`; page "Run it yourself" says how.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.escape import printable
from helpers.shown import short_repr
from leakaudit.spellings import comparable
from musicbook.corpus.folder_labels import choose_labels

if TYPE_CHECKING:
    from helpers.tracks import Tracks
    from musicbook.corpus.fast_features import Extracted

AUDIO = (".wav", ".au", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
OTHER_SOUND = (
    ".wave .snd .fla .spx .mp2 .mp1 .mpga .aifc .caf .w64 .rf64 .m4a .m4b .m4p .m4r .mp4 .m4v "
    ".aac .adts .wma .asf .webm .weba .mka .ape .wv .mpc .mpp .tta .ac3 .eac3 .dts .amr .3gp "
    ".3g2 .ra .rm .dsf .dff .shn .tak .voc .8svx"
)
SOUND = frozenset(AUDIO) | frozenset(OTHER_SOUND.split())
UNFINISHED = (".part", ".crdownload", ".download", ".partial", ".opdownload", ".!ut")  # downloads
HEADS = (  # how sound begins under another ending, or none
    b"fLaC",
    b"OggS",
    b"ID3",
    b"caff",
    b"MAC ",
    b"wvpk",
    b"MPCK",
    b"MP+",
    b"TTA1",
    b".snd",
    b"#!AMR",
    b"\xff\xfb",
    b"\xff\xf3",
    b"\xff\xfa",
)
KINDS = (b"WAVE", b"AIFF", b"AIFC", b"M4A ", b"M4B ")  # of a RIFF, FORM or MPEG-4 file
ARTISTS = 10  # fewer artists than that leave no intervals: tracks are drawn one by one then
HOW_LYRICS = ("first", "windows", "none")


@dataclass
class FolderContents:
    """What lies in a folder: `paths` {track id: sound file}; `faults`, (name, reason) of what
    cannot be opened; `passed`, how many files of which ending are no sound."""

    paths: dict[str, Path] = field(default_factory=dict)
    faults: list[tuple[str, str]] = field(default_factory=list)
    passed: Counter[str] = field(default_factory=Counter)

    __repr__ = short_repr


def look_through(folder: str | Path) -> FolderContents:
    """Every sound file below a folder, known by its ending or its first bytes, and what is there
    beside them.

    A track's id is its path below the folder, without ending; they are sorted. Links to folders are
    followed, each folder once.  Files whose ids would be equal keep their ending in it, or get a
    number.  Raises FileNotFoundError, PermissionError for the folder itself, or ValueError for an
    empty name and for a folder without any sound."""
    if not str(folder).strip():
        raise ValueError("the name of the folder is empty; '.' is the folder that you are in")
    folder = Path(folder)
    if folder.is_file():
        raise NotADirectoryError(f"{printable(folder)}: this is a file; name a folder of audio")
    if not folder.is_dir():
        raise FileNotFoundError(f"{printable(folder)}: no such folder")
    contents = FolderContents()
    sounds: list[Path] = []
    seen: set[str] = set()
    linked: list[Path] = []
    waiting = [folder]  # links come last, so that a folder is met at its own place
    while waiting or linked:
        here = (waiting or linked).pop()
        real = os.path.realpath(here)
        if real in seen:
            continue
        seen.add(real)
        for entry in _entries(here, folder, contents):
            path = here / entry.name
            if _is_hidden(entry.name):
                contents.passed["hidden"] += 1
            elif path.is_dir():
                (linked if entry.is_symlink() else waiting).append(path)
            else:
                _sort_file(path, folder, contents, sounds)
    if not sounds:
        raise ValueError(f"{printable(folder)}: {_no_sound(contents)}")
    contents.paths = _named(sorted(sounds), folder)
    contents.faults.sort()
    return contents


def find_audio(folder: str | Path) -> dict[str, Path]:
    """The sound files of `survey`."""
    return look_through(folder).paths


def _entries(here: Path, folder: Path, contents: FolderContents) -> list[os.DirEntry]:
    """What lies in one folder; a sub-folder that cannot be read goes to the faults."""
    try:
        return list(os.scandir(here))
    except OSError as error:
        if here == folder:
            raise
        name = printable(here.relative_to(folder))
        contents.faults.append((name, f"the folder cannot be read ({error.strerror})"))
        return []


def _is_hidden(name: str) -> bool:
    return name.startswith(".") and not name.startswith("..")  # "...And So On" is a title


def _sort_file(path: Path, folder: Path, contents: FolderContents, sounds: list[Path]) -> None:
    """Put a file to the sounds, the faults, or what is passed over."""
    ending = path.suffix.lower().strip()
    name = printable(path.relative_to(folder))
    if not path.is_file():
        why = "a link to nothing" if path.is_symlink() else "not a file"
        contents.faults.append((name, why))
    elif ending in UNFINISHED:
        contents.faults.append((name, "an unfinished download"))
    elif ending in SOUND or _begins_as_sound(path):
        sounds.append(path)
    else:
        contents.passed[ending or "no ending"] += 1


def _begins_as_sound(path: Path) -> bool:
    """Whether a file with another ending, or none, begins as sound does."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return False
    container = head[:4] in (b"RIFF", b"FORM") or head[4:8] == b"ftyp"
    return head.startswith(HEADS) or (container and head[8:12] in KINDS)


def _no_sound(contents: FolderContents) -> str:
    text = f"no audio in this folder ({', '.join(AUDIO)}, …)"
    others = [f"{n} {printable(ending)}" for ending, n in contents.passed.most_common(5)]
    if others:
        text += f"; it has {', '.join(others)}"
    return text


def _named(sounds: list[Path], folder: Path) -> dict[str, Path]:
    """{track id: file}: the path below the folder, with its ending where two would be equal."""
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


def load_folder(
    folder: str | Path,
    *,
    labels: str | None = None,
    lyrics: str | None = None,
    n_jobs: int | None = None,
    client=None,
    quiet: bool = False,
) -> Tracks:
    """A folder of audio as a data set: features of every file that decodes, labels, lyrics where
    there are any.

    Finished tracks are stored, so that the second call only reads what is new or changed.  `labels`
    is that of `choose_labels` (default: $HELPERS_LABELS); `lyrics`, "first", "windows" or "none",
    says how a `lyrics.csv` in the folder is read (`joined.read_lyrics`; default: $HELPERS_LYRICS,
    else "first").  Tracks of one artist share a group where tags name ten artists or more, and so
    do doubles.  The provenance holds what `reports` reads. Raises ValueError when there is no audio
    or none that decodes."""
    from musicbook.corpus.fast_features import extract_all
    from musicbook.corpus.feature_tables import from_table
    from musicbook.corpus.long_jobs import processes

    if str(folder).strip():  # an empty name stays one, and `survey` refuses it
        folder = Path(folder).expanduser().resolve()
    contents = look_through(folder)
    folder = Path(folder)
    labels = labels or os.environ.get("HELPERS_LABELS") or None
    lyrics = lyrics or os.environ.get("HELPERS_LYRICS") or "first"
    if lyrics not in HOW_LYRICS:
        raise ValueError(f"lyrics={lyrics!r}: choose first, windows or none")
    n_jobs = n_jobs or processes(len(contents.paths), 50)
    extracted = extract_all(contents.paths, n_jobs=n_jobs, client=client, quiet=quiet)
    table = extracted.table
    kept = {track: contents.paths[track] for track in table["track_id"]}
    genres, sentence = choose_labels(kept, folder, extracted.tags, labels)
    if genres:
        table.insert(1, "genre", table["track_id"].map(genres))
    words = _own_words(folder, kept, extracted, lyrics, quiet)
    notes = [words.note] if words.note else []
    if len(extracted.faults):
        notes.insert(0, f"{len(extracted.faults)} of {len(contents.paths)} files left out")
    row_hashes = pd.util.hash_pandas_object(table, index=False).to_numpy()
    tracks = from_table(
        table,
        printable(folder.name),
        text=words.vectors,
        source=printable(folder.name),
        sha256=hashlib.sha256(row_hashes.tobytes()).hexdigest(),
        note="; ".join(notes),
        paths={track: str(path) for track, path in kept.items()},
        **provenance_of(contents, extracted),
        sentences=[sentence, *words.sentences],
        **words.provenance,
    )
    tracks = replace(tracks, groups=_groups(extracted))
    return _with_language(tracks)


@dataclass
class _OwnWords:
    """What a `lyrics.csv` gives: `vectors` (n, 384) or None, a note, sentences, and entries for the
    provenance."""

    vectors: pd.DataFrame | None = None
    note: str = ""
    sentences: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)


def _own_words(
    folder: Path, kept: Mapping[str, Path], extracted: Extracted, how: str, quiet: bool
) -> _OwnWords:
    """The words of a folder's tracks, where it has a table of lyrics that is to be read."""
    from musicbook.corpus.joined import read_lyrics

    tables = [folder / name for name in ("lyrics.csv", "lyrics.tsv") if (folder / name).is_file()]
    if not tables or how == "none":
        return _OwnWords()
    lyrics = read_lyrics(kept, tables[0], extracted.tags, windows=how == "windows", quiet=quiet)
    # a track without lyrics sits in the middle, so that its text says nothing
    vectors = lyrics.vectors.fillna(lyrics.vectors.mean())
    note = "; ".join(lyrics.sentences)
    sentences = [f"Words: {note}."]
    languages = Counter(filter(None, lyrics.language.values()))
    if languages:
        counts = ", ".join(f"{code} {n}" for code, n in languages.most_common())
        sentences.append(f"Languages of the words: {counts}.")
    unused = [[f"{tables[0].name}, line {line}", why] for line, why in lyrics.faults]
    return _OwnWords(
        vectors if vectors.notna().all(axis=None) else None,
        note,
        sentences,
        {"language": lyrics.language, "encoder": lyrics.encoder, "rows": unused},
    )


def _with_language(tracks: Tracks) -> Tracks:
    """Tracks with labels whose words are in several languages, with the language as a label."""
    languages = tracks.provenance.get("language", {})
    if len(set(languages.values())) < 2 or not tracks.labels:
        return tracks
    language = np.array([languages.get(track) or "none" for track in tracks.ids])
    return replace(tracks, labels=tracks.labels | {"language": language})


def provenance_of(contents: FolderContents, extracted: Extracted) -> dict[str, Any]:
    """What a report is made of, for the provenance of a data set."""
    faults = extracted.faults[["track_id", "reason"]].values.tolist()
    faults += [list(fault) for fault in contents.faults]
    return {
        "found": len(contents.paths) + len(contents.faults),
        "faults": faults,
        "remarks": [list(remark) for remark in extracted.remarks],
        "doubles": extracted.doubles,
        "passed": dict(contents.passed),
        "tags": extracted.tags,
    }


def _groups(extracted: Extracted) -> np.ndarray:
    """(n,) the artist of each track where tags name enough of them, else the track; doubles are
    one."""
    ids = extracted.table["track_id"].tolist()
    spelling: dict[str, str] = {}  # one name for an artist whose tags differ in case or form
    artists = {}
    for track, own in extracted.tags.items():
        if own.get("artist"):
            artists[track] = spelling.setdefault(comparable(own["artist"]), own["artist"])
    if len(spelling) < ARTISTS:
        artists = {}
    groups = {track: artists.get(track, track) for track in ids}
    for together in extracted.doubles:
        merged = {groups[track] for track in together}
        first = groups[together[0]]
        groups = {track: first if name in merged else name for track, name in groups.items()}
    return np.array([groups[track] for track in ids])
