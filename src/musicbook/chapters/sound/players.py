"""Sound on a page: players that every browser has, and the clips of a reader's own tracks.

Used by the pages "From sound to numbers", "Raw sound" and "Your own music".
"""

from __future__ import annotations

import base64
import html
import io
import os
import urllib.parse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML
from scipy.spatial.distance import cdist

from helpers.features import SR
from helpers.store import write_atomically
from helpers.tracks import Tracks, made_data_dir
from musicbook.corpus import acquire, synth
from musicbook.corpus.audio import load_audio

LIMIT = 60_000  # bytes of one clip on a page
SECONDS = 4.0  # of a clip that a page holds itself
CLIPS = "_static/clips"  # where the build puts clips of own tracks, from the site's root


def as_mp3(y: np.ndarray, sr: int = SR) -> bytes:
    """`y` (n_samples,), mono in [-1, 1] at `sr` Hz, as MP3, which every browser plays.

    Raises ValueError when it takes more than 60 kB: about 10 seconds fit.
    """
    import soundfile

    file = io.BytesIO()
    soundfile.write(
        file,
        y,
        sr,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="VARIABLE",
        compression_level=0.8,
    )
    content = file.getvalue()
    if len(content) > LIMIT:
        seconds = len(y) / sr
        raise ValueError(
            f"{seconds:.1f} s take {len(content)} bytes, more than {LIMIT}: cut the clip"
        )
    return content


def player(y: np.ndarray, name: str, sr: int = SR) -> str:
    """An HTML player called `name` that holds the sound `y` (n_samples,) itself, so that it works
    wherever the page is opened."""
    code = base64.b64encode(as_mp3(y, sr)).decode()
    label = html.escape(name)
    return f'<audio controls aria-label="{label}" src="data:audio/mpeg;base64,{code}"></audio>'


def gallery(rows: Mapping[str, Mapping[str, str]]) -> HTML:
    """Players with their names, {title of a row: {name: player}}; an empty title is left out.

    A row breaks into lines where the screen is narrow, so that no player becomes too small to
    press (book.css, `.listen`). On paper the names stay and say that there is sound online.
    """
    parts = []
    for title, cells in rows.items():
        if title:
            parts.append(f'<p class="listen-title">{html.escape(title)}</p>')
        players = [
            '<div class="listen-one"><span '
            f'class="listen-name">{html.escape(name)}</span>{audio}</div>'
            for name, audio in cells.items()
        ]
        parts.append(f'<div class="listen-row">{"".join(players)}</div>')
    return HTML(f'<div class="listen">{"".join(parts)}</div>')


def play(sounds: Mapping[str, np.ndarray], kind: str = "") -> HTML:
    """One row of players, {name: sound at SR}, for the last line of a cell; `kind`, if any, is
    added to what a screen reader says of each."""
    ending = f", {kind}" if kind else ""
    return gallery({"": {name: player(y, name + ending) for name, y in sounds.items()}})


def typical_and_odd(Z: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """The most typical and the strangest member of each cluster: cluster, size, medoid, outlier.

    `Z` (n, d), `labels` (n,), noise (-1) left out. The medoid is the position of the member with
    the smallest sum of distances to the others (Kaufman & Rousseeuw 1990), the outlier that of the
    member farthest from it.
    """
    rows = []
    for cluster in sorted(set(np.asarray(labels).tolist()) - {-1}):
        members = np.flatnonzero(labels == cluster)
        distances = cdist(Z[members], Z[members])
        centre = int(distances.sum(axis=1).argmin())
        farthest = int(distances[centre].argmax())
        rows.append((cluster, len(members), members[centre], members[farthest]))
    return pd.DataFrame(rows, columns=["cluster", "size", "medoid", "outlier"])


def own_audio(tracks: Tracks) -> dict[str, Path]:
    """The reader's sound files behind `tracks`, {track id: file}; empty where there are none, as
    with every table that comes with the book.

    Of a folder these are its files, of "gtzan" what lies in `$GTZAN_AUDIO` or was unpacked by
    `make data`.
    """
    files = {track: Path(path) for track, path in tracks.provenance.get("paths", {}).items()}
    if tracks.name == "gtzan":
        folder = os.environ.get("GTZAN_AUDIO") or made_data_dir() / "raw" / "gtzan"
        try:
            files = acquire.find_gtzan(folder)
        except FileNotFoundError:
            return {}
    wanted = set(tracks.ids.tolist())
    return {track: path for track, path in files.items() if track in wanted and path.is_file()}


def write_clips(tracks: Tracks, folder: Path, seconds: float = 6.0) -> list[str | None]:
    """Write the middle `seconds` of every track that has sound as an MP3 file into `folder`.

    Files that are there already are left as they are. Returns the names (n,), None where a track
    has no sound.
    """
    paths = own_audio(tracks)
    names: list[str | None] = []
    for position, track in enumerate(tracks.ids.tolist()):
        if track not in paths and not _is_demo(tracks, track):
            names.append(None)
            continue
        file = folder / _clip_name(position)
        names.append(file.name)
        if not file.exists():
            y, sr = _sound(track, paths.get(track))
            content = as_mp3(_middle(y, sr, seconds), sr)
            write_atomically(file, partial(Path.write_bytes, data=content))
    return names


def addresses(tracks: Tracks) -> list[str | None] | None:
    """Where a page of the book finds the clip of each track, (n,); None where these tracks have no
    sound."""
    paths = own_audio(tracks)
    place = f"../{CLIPS}/{urllib.parse.quote(tracks.name)}"
    links: list[str | None] = []
    for position, track in enumerate(tracks.ids.tolist()):
        has_sound = track in paths or tracks.name == "demo"
        links.append(f"{place}/{_clip_name(position)}" if has_sound else None)
    return links if any(links) else None


def row(tracks: Tracks, wanted: list[str]) -> HTML | None:
    """A player for each of the tracks `wanted`, in that order; None where these tracks have no
    sound."""
    links = dict(zip(tracks.ids.tolist(), addresses(tracks) or []))
    cells = {}
    for track in wanted:
        if links.get(track):
            label = html.escape(track)
            cells[track] = (
                f'<audio controls preload="none" aria-label="{label}" src="{links[track]}"></audio>'
            )
    return gallery({"": cells}) if cells else None


def _clip_name(position: int) -> str:
    return f"{position:05d}.mp3"


def _is_demo(tracks: Tracks, track: str) -> bool:
    """Whether a track is one of the synthetic clips, which are composed when they are asked for."""
    return tracks.name == "demo" and track.rpartition(".")[2].isdigit()


def _sound(track: str, path: Path | None) -> tuple[np.ndarray, int]:
    """Samples and rate of a file, or of the synthetic clip of that name."""
    if path is not None:
        return load_audio(path)
    style, _, number = track.partition(".")
    return synth.clip(style, int(number)), SR


def _middle(y: np.ndarray, sr: int, seconds: float) -> np.ndarray:
    length = round(seconds * sr)
    start = max(0, (len(y) - length) // 2)
    return y[start : start + length]
