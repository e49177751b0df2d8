"""Tables of tracks: the embedded real ones, the full GTZAN, the synthetic demo, and the reader's own folder.

Used by every page; page "Data" tells where each table comes from (`data/SOURCES.md`)."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from .features import FEATURES

EMBEDDED = {"gtzan-mini": "gtzan_mini_segments.csv", "gtzan-mini-tracks": "gtzan_mini_tracks.csv",
            "paired": "paired.npz"}  # fmt: skip
FACTS = ("year", "danceability", "energy", "valence")
NAMES = (*EMBEDDED, "gtzan", "demo")


@dataclass(frozen=True)
class Tracks:
    """A set of tracks (or segments of tracks): named blocks of features, and labels when there are any.

    `ids` (n,) str are unique; `groups` (n,) str name what belongs together, the track of a segment, the artist of a
    track where artists are known; `blocks` maps "audio", and "text" where tracks have words of their own, to tables (n,
    any number of columns) float64 indexed by `ids`; `labels` maps names to (n,) str arrays, "" where unknown, and
    `scored` names the one that pages score, the first by default; `start_s` (n,) seconds or None; `provenance` says
    where the numbers come from."""

    name: str
    ids: np.ndarray
    groups: np.ndarray
    blocks: dict[str, pd.DataFrame]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    scored: str | None = None
    start_s: np.ndarray | None = None
    provenance: dict = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.ids)

    @property
    def track_ids(self) -> np.ndarray:
        """(n,) str, the track of each row: a segment's, whatever it shares a group with, else the row itself."""
        return self.ids if self.start_s is None else np.array([name.rpartition(".s")[0] for name in self.ids])

    @property
    def features(self) -> pd.DataFrame:
        """The audio block."""
        return self.blocks["audio"]

    @property
    def text(self) -> pd.DataFrame | None:
        """The block of the tracks' own words, None where they have none."""
        return self.blocks.get("text")

    @property
    def genres(self) -> np.ndarray | None:
        """The scored label, (n,) str; None without labels."""
        name = self.scored or next(iter(self.labels), None)
        return None if name is None else self.labels[name]

    @property
    def genre_names(self) -> list[str]:
        """The values of the scored label, sorted; empty without labels."""
        return [] if self.genres is None else sorted(set(self.genres.tolist()))

    @property
    def genre_codes(self) -> np.ndarray:
        """(n,) int, positions in `genre_names`.  Raises ValueError without labels."""
        if self.genres is None:
            raise ValueError(f"{self.name} has no genre labels: only label-free scores can be computed")
        return np.unique(self.genres, return_inverse=True)[1]

    def score(self, label: str | None) -> Tracks:
        """The same tracks with another label scored, or none; ValueError names those that there are."""
        if label is None:
            return replace(self, labels={}, scored=None)
        if label not in self.labels:
            raise ValueError(f"{self.name} has no label {label!r}; it has: {', '.join(self.labels) or 'none'}")
        return replace(self, scored=label)

    def rows(self, keep: np.ndarray, name: str | None = None) -> Tracks:
        """The rows where `keep` (n,) bool is True, or at the positions `keep`, under another name."""
        return replace(
            self, name=name or self.name, ids=self.ids[keep], groups=self.groups[keep],
            blocks={block: table[keep] if keep.dtype == bool else table.iloc[keep]
                    for block, table in self.blocks.items()},
            labels={label: values[keep] for label, values in self.labels.items()},
            start_s=None if self.start_s is None else self.start_s[keep],
        )  # fmt: skip


def data_dir() -> Path:
    """The folder of the committed tables: `$HELPERS_DATA`, else `data/` of the checkout, else the package's copy."""
    if os.environ.get("HELPERS_DATA"):
        return Path(os.environ["HELPERS_DATA"])
    here = Path(__file__).resolve().parent
    checkout = here.parents[1] / "data"
    return checkout if (checkout / EMBEDDED["gtzan-mini"]).exists() else here / "_data"


def load(name: str, embedding: str | None = None, **options) -> Tracks:
    """Load a set of tracks; `options`, for a folder of audio alone, are those of `corpus.folders.load_folder`.

    `name` is "gtzan-mini" (1000 three-second segments of 100 real tracks), "gtzan-mini-tracks" (those 100 tracks),
    "paired" (1000 songs with their own words), "gtzan" (the user's full collection: `data/gtzan.csv` or
    `$GTZAN_FEATURES`), "demo" (synthetic), the path of a feature table (.csv, .parquet), or of a folder of audio.
    `embedding` ("musicnn", "musicnn-mtt") puts a pretrained network's numbers in the place of the features
    (`corpus.pretrained.embedded`). Raises FileNotFoundError for a missing name or table, ValueError for a table that
    cannot be used."""
    name = str(name)
    if embedding is not None:
        from .corpus.pretrained import embedded

        return embedded(load(name, **options), embedding)
    if name in EMBEDDED:
        path = data_dir() / EMBEDDED[name]
        if not path.exists():
            raise FileNotFoundError(f"{path}: the embedded table is missing; reinstall the package or set HELPERS_DATA")
        return _paired(path) if name == "paired" else read_table(path, name)
    if name == "gtzan":
        path = Path(os.environ.get("GTZAN_FEATURES") or data_dir() / "gtzan.csv")
        if not path.exists():
            raise FileNotFoundError(
                f"{path}: the full GTZAN table is not there; `python -m helpers data --gtzan /path/to/gtzan` makes it "
                "from your copy of the audio (in a checkout: `make data GTZAN=…`; in Colab: `!python -m …` in a cell), "
                "or set the environment variable GTZAN_FEATURES to a table that you have"
            )
        return read_table(path, name)
    if name == "demo":
        from .corpus.synth import demo

        return demo()
    path = Path(name).expanduser()
    if path.is_dir():
        from .corpus.folders import load_folder

        return _of_your_own(load_folder(path, **options))
    if path.suffix.lower() in (".csv", ".tsv", ".parquet") and path.exists():
        return _of_your_own(read_table(path, path.stem))
    if path.exists():
        raise ValueError(f"{path}: neither a folder of audio nor a .csv or .parquet feature table")
    raise FileNotFoundError(
        f"no data set {name!r}: choose one of {', '.join(NAMES)}, a folder of audio, a .csv or .parquet table"
    )


def _paired(path: Path) -> Tracks:
    """The songs with their own words: blocks audio (68) and text (384, MiniLM), and "facts", numbers that describe a
    song (year; danceability, energy and valence in [0, 1], by Spotify); artists are the groups."""
    with np.load(path) as stored:
        found = {name: values.astype(str) if values.dtype.kind == "S" else values for name, values in stored.items()}
    index = pd.Index(found["track_id"], name="id")
    blocks = {"audio": pd.DataFrame(found["features"].astype(float), index, list(FEATURES)),
              "text": pd.DataFrame(found["vectors"].astype(float), index).add_prefix("text_"),
              "facts": pd.DataFrame({name: found[name].astype(float) for name in FACTS}, index)}  # fmt: skip
    labels = {name: found[name] for name in ("genius_tag", "msd_genre", "language")}
    return Tracks("paired", found["track_id"], found["artist"], blocks, labels, provenance={
        "n": len(index), "source": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()})  # fmt: skip


def _of_your_own(tracks: Tracks) -> Tracks:
    """The same tracks, told apart by name from the data sets that this book knows; equal rows share a group."""
    if "doubles" not in tracks.provenance:
        values = pd.util.hash_pandas_object(tracks.features, index=False).reset_index(drop=True)
        twice = values[values.duplicated(keep=False)]
        alike = pd.Series(tracks.groups)[twice.index].groupby(twice).agg(lambda group: tuple(dict.fromkeys(group)))
        doubles = [list(group) for group in dict.fromkeys(alike) if len(group) > 1]
        first = {group: together[0] for together in reversed(doubles) for group in together}
        groups = np.array([first.get(group, group) for group in tracks.groups])
        tracks = replace(tracks, groups=groups, provenance=tracks.provenance | {"doubles": doubles})
    return replace(tracks, name=f"{tracks.name} (yours)") if tracks.name in NAMES else tracks


def read_table(path: str | Path, name: str | None = None) -> Tracks:
    """Read a feature table: `track_id`, columns of numbers (features), and columns of words (labels).

    `genre`, where there is one, is the label that pages score, else the first column of words; `artist` or `group` says
    which rows belong together; rows with `start_s` (seconds) are segments: they are named `<track_id>.s<number>` and
    share their track's group. The book's own tables have the 68 columns of `FEATURES`; any other columns will do.
    Columns text_000, text_001 ... of a .parquet table are the tracks' own words.
    Rows that cannot be used (no track_id, a value that is no finite number, a repeated row) are left out, and named in
    the provenance. Raises ValueError, naming the file and the column or row, for a table without track_id or without
    numbers, for only a part of the 68, for ids that occur twice, for more bad rows than good ones, or no rows."""
    from .corpus import schema

    path, text, faults = Path(path), None, []  # type: ignore[var-annotated]
    if path.suffix.lower() == ".parquet":
        table, text = schema.read_parquet(path)
    else:
        table, faults = schema.read(path)
    with open(path, "rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return from_table(table, name or path.stem, text=text, source=path.name, sha256=sha256, faults=faults)


GROUPS = ("group", "artist")  # columns that say which rows belong together


def from_table(table: pd.DataFrame, name: str, *, text: pd.DataFrame | None = None, **provenance) -> Tracks:
    """Check a feature table (see `read_table`) and make it `Tracks`; `text` (n, any) has the rows of the table."""
    from .corpus import schema

    if {"filename", "chroma_stft_mean", "mfcc20_var"} <= set(table):
        raise ValueError(f"{name}: this is the table of GTZAN that Kaggle has: means and variances (no standard "
                         "deviations), one pooled chroma instead of 12, 20 MFCC, no spectral contrast, so that our 68 "
                         "features cannot be made of it; `make data GTZAN=folder` computes them from the audio beside "
                         "it, or rename its column filename to track_id to use its own columns")  # fmt: skip
    if "track_id" not in table:
        raise ValueError(f"{name}: the table must have a column track_id, and columns of numbers; it has: "
                         f"{', '.join(map(str, list(table)[:5]))} …")  # fmt: skip
    if table.empty:
        raise ValueError(f"{name}: the table has no rows")
    missing = [c for c in FEATURES if c not in table]
    if 0 < len(missing) < len(FEATURES) // 2:  # more: names that a foreign table happens to share
        raise ValueError(f"{name}: {len(missing)} of the 68 features are missing: {', '.join(missing[:5])}"
                         f"{f' and {len(missing) - 5} more' * (len(missing) > 5)}")  # fmt: skip
    n_given = len(table)
    table, numbers, keep, faults = schema.tidy(table, name, FEATURES)
    if not numbers:
        raise ValueError(f"{name}: the table has no columns of numbers")
    if len(table) > 1 and (table[numbers].nunique() == 1).all():
        raise ValueError(f"{name}: all {len(table)} rows hold the same numbers, so there is nothing to cluster")
    tracks = table["track_id"].to_numpy(str)
    start = table["start_s"].to_numpy(float) if "start_s" in table else None
    ids = tracks
    if start is not None:
        number = table.groupby("track_id")["start_s"].rank(method="first").astype(int) - 1
        ids = np.array([f"{g}.s{i:02d}" for g, i in zip(tracks, number, strict=True)])
    labels, sentences = {}, list(provenance.pop("sentences", []))
    words = [c for c in table if c not in ("track_id", "genre", "start_s", *GROUPS, *numbers)
             and not pd.api.types.is_numeric_dtype(table[c])]  # fmt: skip
    for label in ["genre"] * ("genre" in table) + words:
        if table[label].isna().any():
            row = int(table[label].isna().to_numpy().argmax())
            raise ValueError(
                f"{name}: row {keep[row] + 1} ({tracks[row]}) has no {label}; give each row one or drop the column"
            )
        values, others = schema.one_spelling(table[label].astype(str))
        sentences += [f"Other spellings of {label}: {', '.join(others)}."] * bool(others)
        if values.nunique() > 1:  # a label with one value says nothing
            labels[label] = values.to_numpy(str)
    groups = next((table[c].fillna(table["track_id"]).to_numpy(str) for c in GROUPS if c in table), tracks)
    index = pd.Index(ids, name="id")
    blocks = {"audio": table[numbers].set_axis(index)}
    if text is not None:
        blocks["text"] = text.iloc[keep].set_axis(index)
    said: dict = {"faults": [list(fault) for fault in (*provenance.pop("faults", ()), *faults)]}
    if said["faults"] and "paths" not in provenance:
        said |= {"found": n_given + len(said["faults"]) - len(faults)}
    return Tracks(name, ids, groups, blocks, labels, None, start,
                  {"n": len(ids), **provenance, **said, "sentences": sentences})  # fmt: skip
