"""Playlists of the clusters found in the reader's own music: page "Audio baseline", and `helpers cluster`."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..cache import write_atomically
from ..escape import for_csv, playlist_entry, printable

KEPT = re.compile(r"(?:cluster_\d+.*|noise)\.m3u8")  # names that an earlier clustering has left


def folder_of(tracks) -> Path:
    """Where a page puts the playlists of `tracks`: below HELPERS_PLAYLISTS (the build: `_build/playlists`), else below
    `playlists` here; two folders of one name have two places."""
    place = os.path.commonpath(list(tracks.provenance["paths"].values()))
    name = re.sub(r"[^\w -]+", "_", tracks.name).strip() or "music"
    return (
        Path(os.environ.get("HELPERS_PLAYLISTS", "playlists"))
        / f"{name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:6]}"
    )


def content(members: list[str], words: Mapping[str, str]) -> str:
    """What a cluster holds, in a few words: the two commonest of its members' `words` {track: genre or artist}, else
    the name of its first member."""
    common = [
        word
        for word, n in Counter(words[m] for m in members if words.get(m)).most_common(2)
        if n > 1 or len(members) == 1
    ]
    return ", ".join(common) or f"like {Path(members[0]).name}"


def typical_first(space: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The positions `rows` of a cluster's members in `space` (n, d), nearest to their mean first."""
    return rows[np.argsort(np.linalg.norm(space[rows] - space[rows].mean(axis=0), axis=1), kind="stable")]


def write(
    labels: ArrayLike, ids: ArrayLike, paths: Mapping[str, str | Path], folder: str | Path,
    *, space: np.ndarray | None = None, words: Mapping[str, str] | None = None,
) -> list[Path]:  # fmt: skip
    """One .m3u8 playlist (extended M3U, UTF-8) per cluster, largest cluster first, noise (-1) last, and a table.

    `labels` (n,) and `ids` (n,) belong together; `paths` maps ids to sound files.  With `space` (n, d) a list begins
    with the tracks nearest to the mean of their cluster; `words` {id: genre or artist} name it.  Writes
    `cluster_<label> <content>.m3u8`, `noise.m3u8` and `tracks.csv` (track_id, cluster, place in its list, path) into
    `folder`, whose lists of an earlier clustering go; returns the playlists.
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
    written, place = [], np.zeros(len(ids), int)
    for value, _ in order:
        rows = np.flatnonzero(labels == value)
        if space is not None:
            rows = typical_first(space, rows)
        place[rows] = np.arange(1, len(rows) + 1)
        said = "" if value < 0 or words is None else content(list(ids[rows]), words)
        name = "noise" if value < 0 else f"cluster_{value:02d}"
        title = f"{name} {said}".strip()
        lines = ["#EXTM3U", f"#PLAYLIST:{printable(title)}"]
        for i in ids[rows]:
            lines += [f"#EXTINF:-1,{printable(i)}", playlist_entry(paths[i])]
        text = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
        safe = re.sub(r"[^\w ,-]+", "_", title)[:60].strip(" _") if value >= 0 else name
        written.append(write_atomically(folder / f"{safe}.m3u8", partial(Path.write_bytes, data=text)))
    for old in {p for p in folder.glob("*.m3u8") if KEPT.fullmatch(p.name)} - set(written):
        old.unlink(missing_ok=True)
    table = pd.DataFrame(
        {"track_id": ids, "cluster": labels, "place": place, "path": [printable(paths[i]) for i in ids]}
    )
    write_atomically(folder / "tracks.csv", lambda p: for_csv(table).to_csv(p, index=False))
    return written
