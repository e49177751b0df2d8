"""Playlists of groups of tracks in the reader's own music, written by `musicbook map`."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from helpers.escape import for_csv, playlist_entry, printable
from helpers.store import write_atomically

# names that an earlier clustering has left
EARLIER = re.compile(r"(?:cluster_\d+.*|noise|\d\d .*|between groups)\.m3u8")
LONGEST = 60  # characters of a playlist's file name


def content(members: list[str], words: Mapping[str, str]) -> str:
    """What a cluster holds, in a few words: the two commonest of its members' `words` {track: genre
    or artist}, else the name of its first member."""
    counted = Counter(words[member] for member in members if words.get(member))
    common = [word for word, n in counted.most_common(2) if n > 1 or len(members) == 1]
    return ", ".join(common) or f"like {Path(members[0]).name}"


def typical_first(space: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The positions `rows` of a cluster's members in `space` (n, d), nearest to their mean
    first."""
    apart = np.linalg.norm(space[rows] - space[rows].mean(axis=0), axis=1)
    return rows[np.argsort(apart, kind="stable")]


def write(
    labels: ArrayLike,
    ids: ArrayLike,
    paths: Mapping[str, str | Path],
    folder: str | Path,
    *,
    space: np.ndarray | None = None,
    words: Mapping[str, str] | None = None,
    titles: Mapping[int, str] | None = None,
    names: Mapping[str, str] | None = None,
) -> list[Path]:
    """One .m3u8 playlist (extended M3U, UTF-8) per cluster, largest cluster first, noise (-1) last,
    and a table.

    `labels` (n,) and `ids` (n,) belong together; `paths` maps ids to sound files. With `space` (n,
    d) a list begins with the tracks nearest to the mean of their cluster. `titles` {cluster: title}
    name the lists ("01 jazz.m3u8"); without them `words` {id: genre or artist} do ("cluster_00
    jazz.m3u8"). `names` {id: "artist - title"} is what a player shows. Writes the lists and
    `tracks.csv` (track_id, cluster, place in its list, path) into `folder`, whose lists of an
    earlier clustering go; returns the playlists. Raises ValueError when a track has no path or
    lengths differ."""
    labels, ids = np.asarray(labels), np.asarray(ids, dtype=str)
    if labels.shape != ids.shape:
        raise ValueError(f"{len(labels)} labels for {len(ids)} tracks")
    lost = [track for track in ids if track not in paths]
    if lost:
        raise ValueError(
            f"no sound file is known for {lost[0]!r}: playlists need a data set "
            "loaded from a folder"
        )
    folder = Path(folder)
    written, place = [], np.zeros(len(ids), int)
    for position, cluster in enumerate(_in_order(labels), 1):
        rows = np.flatnonzero(labels == cluster)
        if space is not None:
            rows = typical_first(space, rows)
        place[rows] = np.arange(1, len(rows) + 1)
        title = _title(cluster, position, list(ids[rows]), words, titles)
        lines = ["#EXTM3U", f"#PLAYLIST:{printable(title)}"]
        for track in ids[rows]:
            shown = track if names is None else names[track]
            lines += [f"#EXTINF:-1,{printable(shown)}", playlist_entry(paths[track])]
        text = ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")
        target = folder / f"{file_name(title)}.m3u8"
        written.append(write_atomically(target, partial(Path.write_bytes, data=text)))
    earlier = {
        path for path in folder.glob("*.m3u8") if EARLIER.fullmatch(path.name) and not path.is_dir()
    }
    for old in earlier - set(written):
        old.unlink(missing_ok=True)
    table = pd.DataFrame(
        {
            "track_id": ids,
            "cluster": labels,
            "place": place,
            "path": [printable(paths[track]) for track in ids],
        }
    )
    write_atomically(folder / "tracks.csv", partial(for_csv(table).to_csv, index=False))
    return written


def _in_order(labels: np.ndarray) -> list[int]:
    """The clusters, the largest first, noise (-1) last."""
    values, counts = np.unique(labels, return_counts=True)
    sizes = dict(zip(values.tolist(), counts.tolist()))
    return sorted(sizes, key=lambda cluster: (cluster < 0, -sizes[cluster], cluster))


def _title(
    cluster: int,
    position: int,
    members: list[str],
    words: Mapping[str, str] | None,
    titles: Mapping[int, str] | None,
) -> str:
    """The title of a list, which is its file's name as well."""
    if titles is not None:
        return "between groups" if cluster < 0 else f"{position:02d} {titles[cluster]}"
    if cluster < 0:
        return "noise"
    name = f"cluster_{cluster:02d}"
    return name if words is None else f"{name} {content(members, words)}"


def file_name(title: str) -> str:
    """A title as a file name that every system takes, accents kept."""
    composed = unicodedata.normalize("NFC", title)
    return re.sub(r"[^\w ,-]+", "_", composed)[:LONGEST].strip(" _")
