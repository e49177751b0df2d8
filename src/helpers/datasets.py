"""Tables of tracks: the embedded real ones, the full GTZAN, the synthetic demo, and the reader's own folder.

Used by every page; page "Data" tells where each table comes from (`data/SOURCES.md`).
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas as pd

from .features import FEATURES

EMBEDDED = {
    "gtzan-mini": "gtzan_mini_segments.csv",
    "gtzan-mini-tracks": "gtzan_mini_tracks.csv",
}
NAMES = (*EMBEDDED, "gtzan", "demo")


@dataclass(frozen=True)
class Tracks:
    """A set of tracks (or segments of tracks) with their features, and labels when there are any.

    `ids` (n,) str are unique; `groups` (n,) str name the track of origin, shared by its segments; `genres` (n,) str
    or None; `features` (n, 68) float64, finite, columns `FEATURES`; `start_s` (n,) seconds or None;
    `text` (n, 384) lyrics embeddings or None, indexed like `features`; `provenance` says where the numbers come from.
    """

    name: str
    ids: np.ndarray
    genres: np.ndarray | None
    groups: np.ndarray
    features: pd.DataFrame
    start_s: np.ndarray | None = None
    text: pd.DataFrame | None = None
    provenance: dict = field(default_factory=dict)

    @property
    def n(self) -> int:
        return len(self.ids)

    @property
    def genre_names(self) -> list[str]:
        """The genres, sorted; empty without labels."""
        return [] if self.genres is None else sorted(set(self.genres.tolist()))

    @property
    def genre_codes(self) -> np.ndarray:
        """(n,) int, positions in `genre_names`.  Raises ValueError without labels."""
        if self.genres is None:
            raise ValueError(f"{self.name} has no genre labels: only label-free scores can be computed")
        return np.unique(self.genres, return_inverse=True)[1]


def data_dir() -> Path:
    """The folder of the committed tables: `$HELPERS_DATA`, else `data/` of the checkout, else the package's copy."""
    if os.environ.get("HELPERS_DATA"):
        return Path(os.environ["HELPERS_DATA"])
    here = Path(__file__).resolve().parent
    checkout = here.parents[1] / "data"
    return checkout if (checkout / EMBEDDED["gtzan-mini"]).exists() else here / "_data"


def load(name: str) -> Tracks:
    """Load a set of tracks.

    `name` is "gtzan-mini" (1000 three-second segments of 100 real tracks), "gtzan-mini-tracks" (those 100 tracks),
    "gtzan" (the user's full collection: `data/gtzan.csv` or `$GTZAN_FEATURES`), "demo" (synthetic), the path of a
    feature table (.csv), or of a folder of audio.
    Raises FileNotFoundError for a missing name or table, ValueError for a table that cannot be used.
    """
    name = str(name)
    if name in EMBEDDED:
        path = data_dir() / EMBEDDED[name]
        if not path.exists():
            raise FileNotFoundError(f"{path}: the embedded table is missing; reinstall the package or set HELPERS_DATA")
        return read_table(path, name)
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
        from .synth import demo

        return demo()
    path = Path(name).expanduser()
    if path.is_dir():
        from .collection import load_folder

        return _of_your_own(load_folder(path))
    if path.suffix.lower() == ".csv" and path.exists():
        return _of_your_own(read_table(path, path.stem))
    if path.exists():
        raise ValueError(f"{path}: neither a folder of audio nor a .csv feature table")
    raise FileNotFoundError(f"no data set {name!r}: choose one of {', '.join(NAMES)}, a folder of audio, a .csv table")


def _of_your_own(tracks: Tracks) -> Tracks:
    """The same tracks, told apart by name from the data sets that this book knows."""
    return replace(tracks, name=f"{tracks.name} (yours)") if tracks.name in NAMES else tracks


def read_table(path: str | Path, name: str | None = None) -> Tracks:
    """Read a feature table: `track_id`, optionally `genre` and `start_s`, then the 68 columns of `FEATURES`.

    Rows with `start_s` (seconds) are segments: they are named `<track_id>.s<number>` and share their track's group.
    Raises ValueError, naming the file and the column or row, for missing, unknown or repeated columns, ids that occur
    twice, values that are not finite numbers, or no rows.
    """
    path = Path(path)
    try:
        # "NA" and "None" are names as good as others
        table = pd.read_csv(path, dtype={"track_id": str, "genre": str}, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not a readable UTF-8 table of comma-separated values ({error})") from None
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return from_table(table, name or path.stem, source=path.name, sha256=sha256)


def from_table(table: pd.DataFrame, name: str, *, text: pd.DataFrame | None = None, **provenance) -> Tracks:
    """Check a feature table (see `read_table`) and make it `Tracks`; `text` (n, 384) has the rows of the table."""
    missing = [c for c in ("track_id", *FEATURES) if c not in table]
    extra = [c for c in table if c not in ("track_id", "genre", "start_s", *FEATURES)]
    if missing or extra:
        raise ValueError(
            f"{name}: the table must have track_id, genre (optional), start_s (optional) and the 68 features; "
            + "; ".join(
                f"{what}: {', '.join(map(str, c[:5]))}{f' and {len(c) - 5} more' * (len(c) > 5)}"
                for what, c in (("missing", missing), ("not known", extra))
                if c
            )
        )
    if table.empty:
        raise ValueError(f"{name}: the table has no rows")
    features = table[list(FEATURES)].apply(pd.to_numeric, errors="coerce").astype("float64").reset_index(drop=True)
    bad = np.argwhere(~np.isfinite(features.to_numpy()))
    if len(bad):
        row, column = bad[0]
        raise ValueError(
            f"{name}: {len(bad)} values are not finite numbers, the first in row {row + 1} "
            f"({table['track_id'].iloc[row]}), column {FEATURES[column]}; mend or drop these rows"
        )
    groups = table["track_id"].to_numpy(str)
    start = table["start_s"].to_numpy(float) if "start_s" in table else None
    ids = groups
    if start is not None:
        number = table.groupby("track_id")["start_s"].rank(method="first").astype(int) - 1
        ids = np.array([f"{g}.s{i:02d}" for g, i in zip(groups, number, strict=True)])
    if len(set(ids)) < len(ids):
        twice = pd.Series(ids)[pd.Series(ids).duplicated()].iloc[0]
        raise ValueError(f"{name}: track_id {twice!r} occurs more than once")
    genres = None
    if "genre" in table:
        if table["genre"].isna().any():
            row = int(table["genre"].isna().to_numpy().argmax())
            raise ValueError(
                f"{name}: row {row + 1} ({groups[row]}) has no genre; give each row one or drop the column"
            )
        genres = table["genre"].to_numpy(str) if table["genre"].nunique() > 1 else None  # one genre says nothing
    return Tracks(
        name=name,
        ids=ids,
        genres=genres,
        groups=groups,
        features=features.set_axis(pd.Index(ids, name="id")),
        start_s=start,
        text=text,
        provenance={"n": len(ids), **provenance},
    )
