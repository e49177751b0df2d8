"""Folders of audio: finding tracks, the reader's own music as a data set, and playlists of the clusters found in it.

Used by `datasets.load("path/to/music")`, and by page "Audio baseline" for playlists; page "Run it yourself" says how.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..cache import write_atomically
from .long_jobs import printable

if TYPE_CHECKING:
    from ..datasets import Tracks

log = logging.getLogger("helpers")

AUDIO = (".wav", ".au", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
FOREIGN = (".m4a", ".aac", ".wma", ".mp4", ".ape", ".wv")  # audio that libsndfile does not read: named, not passed over
LYRICS_TABLES = ("lyrics.csv", "lyrics.tsv")


def find_audio(folder: str | Path) -> dict[str, Path]:
    """Every sound file below a folder, hidden ones aside: `{path below the folder, without ending: path}`, sorted.

    Two files that differ only in their ending keep it in their name.  Formats that cannot be decoded here are listed
    too, so that a fault report names them.  Raises FileNotFoundError, PermissionError, or ValueError without any file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder")

    def refuse(error: OSError) -> None:  # a folder that must not be read: the walk alone would pass over it
        raise error

    found = sorted(
        Path(root, name)
        for root, _, names in os.walk(folder, onerror=refuse)
        for name in names
        if name.lower().endswith(AUDIO + FOREIGN)
        and not any(p[0] == "." for p in Path(root, name).relative_to(folder).parts)
    )
    if not found:
        raise ValueError(f"{folder}: no audio in this folder ({', '.join(AUDIO)})")
    stems = [printable(p.relative_to(folder).with_suffix("").as_posix()) for p in found]
    shared = {stem for stem, n in Counter(stems).items() if n > 1}
    return {
        (printable(p.relative_to(folder).as_posix()) if s in shared else s): p
        for s, p in zip(stems, found, strict=True)
    }


def genres_from_folders(paths: Mapping[str, Path], folder: Path) -> dict[str, str] | None:
    """The genre of each track: the name of its sub-folder, when every track is in one and there are several, not each
    with a single track."""
    genres = {track: printable(path.relative_to(folder).parts[0]) for track, path in paths.items()}
    nested = all(len(path.relative_to(folder).parts) > 1 for path in paths.values())
    sizes = Counter(genres.values())
    return genres if nested and len(sizes) > 1 and max(sizes.values()) > 1 else None


def load_folder(folder: str | Path, *, n_jobs: int | None = None, client=None, quiet: bool = False) -> Tracks:
    """A folder of audio as a data set: features of every file that decodes, genres from sub-folders when there are any.

    Finished tracks are stored, so that the second call only reads what is new or changed.  A `lyrics.csv` in
    the folder is joined (see `join_lyrics`).  The provenance lists the files that were left out and why.
    Raises ValueError when there is no audio or none that decodes.
    """
    from ..datasets import from_table
    from .fast_features import extract_table

    folder = Path(folder).expanduser().resolve()
    paths = find_audio(folder)
    n_jobs = n_jobs or max(1, min(os.cpu_count() or 1, len(paths) // 50))  # starting a process costs 3 s
    table, faults = extract_table(paths, n_jobs=n_jobs, client=client, quiet=quiet)
    kept = {t: paths[t] for t in table["track_id"]}
    genres = genres_from_folders(kept, folder)
    if genres:
        table.insert(1, "genre", table["track_id"].map(genres))
    text, note = None, f"{len(faults)} of {len(paths)} files left out" if len(faults) else ""
    words = next((folder / name for name in LYRICS_TABLES if (folder / name).is_file()), None)
    if words is not None:
        text = join_lyrics(kept, words)
        known = int(text.notna().all(axis=1).sum())
        text = text.fillna(text.mean())  # a track without lyrics sits in the middle: its text says nothing
        note += f"; lyrics for {known} of {len(text)} tracks, the mean vector for the rest"
    digest = hashlib.sha256(pd.util.hash_pandas_object(table, index=False).to_numpy().tobytes()).hexdigest()
    return from_table(
        table, folder.name, text=text, source=folder.name, sha256=digest, note=note.strip("; "),
        faults=faults[["track_id", "reason"]].values.tolist(), paths={t: str(p) for t, p in kept.items()},
    )  # fmt: skip


def join_lyrics(paths: Mapping[str, Path], table: str | Path) -> pd.DataFrame:
    """Embed the lyrics of tracks from a table with `lyrics` and either `file`, or `title` and `artist`.

    `file` is compared with the track's path or file name, with or without ending; title and artist with the tags in the
    file, or with a file name "Artist - Title".  Case, punctuation and white space do not count.
    Returns (n, 384) float64 indexed like `paths`, rows of NaN where there are no lyrics.
    Raises ValueError for a table that cannot be read, without the columns, or that matches no track.
    """
    from .embedding import DIMS, embed

    table = Path(table)
    try:
        rows = pd.read_csv(table, sep="\t" if table.suffix == ".tsv" else ",", dtype=str, keep_default_na=False)
    except (UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise ValueError(f"{table}: not a readable UTF-8 table ({error})") from None
    by_file = "file" in rows
    missing = [c for c in ("lyrics", *(() if by_file else ("title", "artist"))) if c not in rows]
    if missing:
        raise ValueError(f"{table}: column {missing[0]!r} is missing; lyrics, and file or title and artist, are needed")
    texts: dict[str, str] = {}
    for row in rows.to_dict("records"):
        if row["lyrics"].strip():
            texts[_plain(Path(row["file"]).name if by_file else f"{row['artist']} - {row['title']}")] = row["lyrics"]
            if by_file:
                texts[_plain(row["file"])] = row["lyrics"]
    found: dict[str, str] = {}
    alike = Counter(_plain(path.stem) for path in paths.values())
    for track, path in paths.items():
        if by_file:  # the path below the folder first; a bare name only where no other track has it
            names = [f"{track}{path.suffix}", track] + [path.name, path.stem] * (alike[_plain(path.stem)] == 1)
        else:
            names = [_tags(path) or path.stem, path.stem]
        hit = next((texts[_plain(n)] for n in names if _plain(n) in texts), None)
        if hit is not None:
            found[track] = hit.strip()
    if not found:
        raise ValueError(f"{table}: none of its {len(rows)} rows belongs to a track of this folder")
    out = pd.DataFrame(np.nan, index=pd.Index(list(paths), name="id"), columns=[f"text_{i:03d}" for i in range(DIMS)])
    out.loc[list(found)] = embed(list(found.values()), quiet=True)
    return out


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", name).casefold()).strip()


def _tags(path: Path) -> str | None:
    import soundfile as sf

    try:
        with sf.SoundFile(os.fsencode(path) if os.name == "posix" else str(path)) as sound:
            tags = sound.copy_metadata()
    except sf.LibsndfileError:
        return None
    return f"{tags['artist']} - {tags['title']}" if {"artist", "title"} <= set(tags) else None


def write_playlists(
    labels: ArrayLike, ids: ArrayLike, paths: Mapping[str, str | Path], folder: str | Path
) -> list[Path]:
    """One .m3u8 playlist (extended M3U, UTF-8) per cluster, largest cluster first, noise (-1) last, and a table.

    `labels` (n,) and `ids` (n,) belong together; `paths` maps ids to sound files.  Writes `cluster_<label>.m3u8`,
    `noise.m3u8` and `tracks.csv` (track_id, cluster, path) into `folder`; returns the playlists.
    Raises ValueError when a track has no path or lengths differ.
    """
    labels, ids = np.asarray(labels), np.asarray(ids, dtype=str)
    if labels.shape != ids.shape:
        raise ValueError(f"{len(labels)} labels for {len(ids)} tracks")
    lost = [i for i in ids if i not in paths]
    if lost:
        raise ValueError(f"no sound file is known for {lost[0]!r}: playlists need a data set loaded from a folder")
    folder = Path(folder)
    values, counts = np.unique(labels, return_counts=True)
    order = sorted(zip(values, counts, strict=True), key=lambda vc: (vc[0] < 0, -vc[1], vc[0]))
    written = []
    for value, _ in order:
        name = "noise" if value < 0 else f"cluster_{value:02d}"
        lines = ["#EXTM3U", f"#PLAYLIST:{name}"]
        for i in ids[labels == value]:
            lines += [f"#EXTINF:-1,{i}", os.path.abspath(paths[i])]
        text = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
        written.append(write_atomically(folder / f"{name}.m3u8", partial(Path.write_bytes, data=text)))
    for old in {*folder.glob("cluster_*.m3u8"), folder / "noise.m3u8"} - set(written):  # of an earlier clustering
        old.unlink(missing_ok=True)
    table = pd.DataFrame({"track_id": ids, "cluster": labels, "path": [printable(paths[i]) for i in ids]})
    write_atomically(folder / "tracks.csv", lambda p: table.to_csv(p, index=False))
    return written
