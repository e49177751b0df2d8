"""What a set of tracks is: rows with names, blocks of features, and labels where there are any.

A row is a whole track, or a piece of one: `start_s` is then set, and `track_ids` names the track.
Networks train on rows; tracks are what is clustered and scored (`Tracks.whole`,
`Tracks.track_means`), since pieces of one song are each other's nearest neighbours. The readers
that make `Tracks` of files and folders are in `musicbook.corpus.sources`."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.shown import short_repr

EMBEDDED = {
    "gtzan-mini": "gtzan_mini_segments.csv",
    "gtzan-mini-thirds": "gtzan_mini_thirds.csv",
    "gtzan-mini-tracks": "gtzan_mini_tracks.csv",
    "paired": "paired.npz",
}


@dataclass(frozen=True)
class Tracks:
    """A set of tracks, or of pieces of tracks: named blocks of features, and labels if there are
    any.

    `ids` (n,) str are unique; `groups` (n,) str name what belongs together: the track of a piece,
    the artist of a track where artists are known. `blocks` maps "audio", and "text" where tracks
    have words of their own, to tables (n, any number of columns) float64 indexed by `ids`. `labels`
    maps names to (n,) str arrays, "" where unknown; `scored` names the label that pages score, the
    first by default. `start_s` (n,) holds the seconds at which pieces start, None where rows are
    whole tracks. `provenance` says where the numbers come from."""

    name: str
    ids: np.ndarray
    groups: np.ndarray
    blocks: dict[str, pd.DataFrame]
    labels: dict[str, np.ndarray] = field(default_factory=dict)
    scored: str | None = None
    start_s: np.ndarray | None = None
    provenance: dict = field(default_factory=dict)

    __repr__ = short_repr

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.ids)

    @property
    def track_ids(self) -> np.ndarray:
        """The track of each row, (n,) str; the row's own name where rows are whole tracks."""
        if self.start_s is None:
            return self.ids
        return np.array([name.rpartition(".s")[0] for name in self.ids])

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
        """Positions in `genre_names`, (n,) int.  Raises ValueError without labels."""
        if self.genres is None:
            raise ValueError(
                f"{self.name} has no genre labels: only label-free scores can be computed"
            )
        return np.unique(self.genres, return_inverse=True)[1]

    def score(self, label: str | None) -> Tracks:
        """The same tracks with another label scored, or none.

        Raises ValueError, which names the labels that there are, for any other."""
        if label is None:
            return replace(self, labels={}, scored=None)
        if label not in self.labels:
            raise ValueError(
                f"{self.name} has no label {label!r}; it has: {', '.join(self.labels) or 'none'}"
            )
        return replace(self, scored=label)

    def rows(self, keep: np.ndarray, name: str | None = None) -> Tracks:
        """Some of the rows, under another name if one is given.

        `keep` is (n,) bool, or positions of rows."""
        blocks = {}
        for block, table in self.blocks.items():
            blocks[block] = table[keep] if keep.dtype == bool else table.iloc[keep]
        return replace(
            self,
            name=name or self.name,
            ids=self.ids[keep],
            groups=self.groups[keep],
            blocks=blocks,
            labels={label: values[keep] for label, values in self.labels.items()},
            start_s=None if self.start_s is None else self.start_s[keep],
        )

    @cached_property
    def _track_numbers(self) -> np.ndarray:
        """The number of each row's track, (n,) int, counted in the order of the table."""
        return pd.factorize(self.track_ids)[0]

    def track_means(self, values: np.ndarray) -> np.ndarray:
        """The mean over the rows of each track: (n, d) -> (n_tracks, d).

        Where rows are whole tracks this is `values` itself. It gives the features or the latent
        code of a track. Pages "Audio baseline" to "Advanced VAEs"."""
        if self.start_s is None:
            return values
        rows = np.bincount(self._track_numbers)
        sums = np.zeros((len(rows), values.shape[1]))
        np.add.at(sums, self._track_numbers, values)
        return sums / rows[:, None]

    def whole(self) -> Tracks:
        """One row a track: the means of its rows' numbers, the labels and the group of its first
        row.

        Where rows are whole tracks already, these tracks themselves. It is what clusters are
        scored on (`phases.run_phase`)."""
        if self.start_s is None:
            return self
        first = np.unique(self._track_numbers, return_index=True)[1]
        ids = self.track_ids[first]
        index = pd.Index(ids, name="id")
        blocks = {}
        for name, table in self.blocks.items():
            means = self.track_means(table.to_numpy(dtype=float))
            blocks[name] = pd.DataFrame(means, index, table.columns)
        return replace(
            self,
            ids=ids,
            groups=self.groups[first],
            blocks=blocks,
            labels={label: values[first] for label, values in self.labels.items()},
            start_s=None,
        )


def data_dir() -> Path:
    """The folder of the committed tables: `$HELPERS_DATA`, else `data/` of the checkout, else the
    package's copy."""
    if os.environ.get("HELPERS_DATA"):
        return Path(os.environ["HELPERS_DATA"])
    here = Path(__file__).resolve().parent
    checkout = here.parents[1] / "data"
    return checkout if (checkout / EMBEDDED["gtzan-mini"]).exists() else here / "_data"


def made_data_dir() -> Path:
    """The folder of the tables that commands make of the reader's own copies of data:
    `$HELPERS_DATA`, else `data/` of the checkout, else a folder of the user, since nothing is
    written into an installed package."""
    folder = data_dir()
    if os.environ.get("HELPERS_DATA") or folder.name != "_data":
        return folder
    users = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(users) / "vae-music-clustering"
