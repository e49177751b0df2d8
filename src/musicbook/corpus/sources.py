"""Sets of tracks by name: the embedded real ones, the full GTZAN, the synthetic demo, and the
reader's own files.

Used by every page; page "Data" tells where each table comes from (`data/SOURCES.md`)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.features import FEATURES
from helpers.tracks import EMBEDDED, Tracks, data_dir, made_data_dir
from leakaudit.reader import PICKLES, READABLE, is_table
from musicbook.corpus.feature_tables import read_table

FACTS = ("year", "danceability", "energy", "valence")
NAMES = (*EMBEDDED, "gtzan", "demo")
GTZAN_MISSING = (
    "the full GTZAN table is not there; `python -m musicbook data --gtzan /path/to/gtzan` makes it "
    "from your copy of the audio (in a checkout: `make data GTZAN=…`; in Colab: `!python -m …` in "
    "a cell), or set the environment variable GTZAN_FEATURES to a table that you have"
)


def load(
    name: str, embedding: str | None = None, *, labels: str | None = None, **options
) -> Tracks:
    """Load a set of tracks.

    `name` is "gtzan-mini-thirds" (300 ten-second thirds of 100 real tracks), "gtzan-mini" (1000
    three-second segments of them), "gtzan-mini-tracks" (the 100 tracks), "paired" (1000 songs with
    their own words), "gtzan" (the user's full collection: `data/gtzan.csv` or `$GTZAN_FEATURES`),
    "demo" (synthetic), the path of a feature table (any that
    `leakaudit.open_table` reads), or of a folder of audio.
    `embedding` ("musicnn", "musicnn-mtt") puts a pretrained network's numbers in the place of the
    features (`corpus.pretrained.embedded`). `labels` says where the labels of your own music come
    from (default: $HELPERS_LABELS): for a table a column or "none", for a folder what
    `folder_labels.choose_labels` takes; `options`, for a folder alone, are those of
    `folders.load_folder`. Raises FileNotFoundError for a missing name or table, ValueError for a
    table that cannot be used."""
    name = str(name)
    if not name.strip():
        raise ValueError(f"the name of the data set is empty: {_choices()}")
    if embedding is not None:
        from musicbook.corpus.pretrained import embedded

        return embedded(load(name, labels=labels, **options), embedding)
    if name in NAMES:
        return _of_the_book(name)
    path = Path(name).expanduser()
    if path.is_dir():
        from musicbook.corpus.folders import load_folder

        return _of_your_own(load_folder(path, labels=labels, **options))
    if path.exists() and (is_table(path) or path.suffix.lower() in PICKLES):
        labels = labels or os.environ.get("HELPERS_LABELS") or None
        stem = Path(path.name.removesuffix(".gz")).stem
        return _of_your_own(read_table(path, stem, labels))
    if path.exists():
        raise ValueError(f"{path}: neither a folder of audio nor a feature table ({READABLE})")
    if is_table(path):
        raise FileNotFoundError(f"{path}: no such table")
    if name != path.name or name.startswith("~"):
        raise FileNotFoundError(f"{path}: no such folder")
    raise FileNotFoundError(f"no data set {name!r}: {_choices()}")


def _choices() -> str:
    return f"choose one of {', '.join(NAMES)}, a folder of audio, a .csv, .parquet or .npz table"


def _of_the_book(name: str) -> Tracks:
    """A data set of NAMES: committed, the full GTZAN, or synthetic."""
    if name == "demo":
        from musicbook.corpus.synth import demo

        return demo()
    if name == "gtzan":
        path = Path(os.environ.get("GTZAN_FEATURES") or made_data_dir() / "gtzan.csv")
        if not path.exists():
            raise FileNotFoundError(f"{path}: {GTZAN_MISSING}")
        return read_table(path, name)
    path = data_dir() / EMBEDDED[name]
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: the embedded table is missing; reinstall the package or set HELPERS_DATA"
        )
    return _paired(path) if name == "paired" else read_table(path, name)


def _paired(path: Path) -> Tracks:
    """The songs with their own words: blocks audio (68) and text (384, MiniLM), and "facts",
    numbers that describe a song (year; danceability, energy and valence in [0, 1], by Spotify);
    artists are the groups."""
    columns = {}
    with np.load(path) as stored:
        for name, values in stored.items():
            columns[name] = values.astype(str) if values.dtype.kind == "S" else values
    index = pd.Index(columns["track_id"], name="id")
    facts = {name: columns[name].astype(float) for name in FACTS}
    blocks = {
        "audio": pd.DataFrame(columns["features"].astype(float), index, list(FEATURES)),
        "text": pd.DataFrame(columns["vectors"].astype(float), index).add_prefix("text_"),
        "facts": pd.DataFrame(facts, index),
    }
    labels = {name: columns[name] for name in ("genius_tag", "msd_genre", "language")}
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    provenance = {"n": len(index), "source": path.name, "sha256": digest}
    return Tracks(
        "paired", columns["track_id"], columns["artist"], blocks, labels, provenance=provenance
    )


def _of_your_own(tracks: Tracks) -> Tracks:
    """The same tracks, set apart by name from the data sets that this book knows; equal rows share
    a group."""
    if "doubles" not in tracks.provenance:
        doubles = _equal_rows(tracks)
        first: dict[str, str] = {}
        for together in doubles:
            for group in together:
                first.setdefault(group, together[0])
        groups = np.array([first.get(group, group) for group in tracks.groups])
        tracks = replace(tracks, groups=groups, provenance=tracks.provenance | {"doubles": doubles})
    if tracks.name in NAMES:
        return replace(tracks, name=f"{tracks.name} (yours)")
    return tracks


def _equal_rows(tracks: Tracks) -> list[list[str]]:
    """The groups whose rows hold the same numbers, where there are two or more."""
    values = pd.util.hash_pandas_object(tracks.features, index=False).reset_index(drop=True)
    twice = values[values.duplicated(keep=False)]
    owners = pd.Series(tracks.groups)[twice.index].groupby(twice)
    together = dict.fromkeys(owners.agg(lambda groups: tuple(dict.fromkeys(groups))))
    return [list(groups) for groups in together if len(groups) > 1]
