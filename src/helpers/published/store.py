"""The published runs on disk: tidy scores and labels with their provenance, written by `grids`, read by the pages
"Leakage", "Results" and "Explore"."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from .. import metrics
from ..cache import write_atomically
from ..datasets import Tracks, data_dir

PACKAGES = ("numpy", "scikit-learn", "torch", "librosa", "sentence-transformers", "pandas")


def provenance(tracks: Tracks, **more) -> dict:
    """Where a result comes from: time, package versions, data set with the sha256 of its feature table."""
    table = tracks.features.to_csv(float_format="%.9g").encode()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "dataset": tracks.name,
        "n": tracks.n,
        "features_sha256": hashlib.sha256(table).hexdigest(),
        "ids_sha256": hashlib.sha256("\n".join(tracks.ids).encode()).hexdigest(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    } | more


def check_provenance(tracks: Tracks, stored: dict, where: str) -> None:
    """Raise ValueError, naming both hashes, when `tracks` is not the table that `stored` results were computed from."""
    now = provenance(tracks)
    for key, what in (("features_sha256", "feature table"), ("ids_sha256", "track ids")):
        if stored.get(key) != now[key]:
            raise ValueError(
                f"{where}: the stored results belong to another {what} (sha256 {stored.get(key)}) than the one given "
                f"(sha256 {now[key]}); run `make results` anew or use the table they were made from."
            )


def published(dataset: str = "gtzan") -> Path:
    """Folder of the published runs of a data set."""
    return data_dir() / "results" / dataset


def save(scores: pd.DataFrame, folder: Path, record: dict) -> None:
    """Write scores.csv.gz and provenance.json into `folder`, each under a temporary name first."""
    folder.mkdir(parents=True, exist_ok=True)
    # a fixed time stamp in the archive: equal scores give equal bytes
    write_atomically(
        folder / "scores.csv.gz",
        lambda path: scores.to_csv(path, index=False, float_format="%.6g", compression={"method": "gzip", "mtime": 0}),
    )
    write_atomically(folder / "provenance.json", lambda path: path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n"))


def load(dataset: str = "gtzan") -> tuple[pd.DataFrame, dict]:
    """The published scores of a data set and their provenance; FileNotFoundError says how to make them."""
    folder = published(dataset)
    if not (folder / "scores.csv.gz").exists():
        raise FileNotFoundError(
            f"{folder / 'scores.csv.gz'} does not exist; `make results` computes it from the full feature table."
        )
    return pd.read_csv(folder / "scores.csv.gz"), json.loads((folder / "provenance.json").read_text())


class Published:
    """The published runs of one data set: `scores` (tidy), `record` (provenance), `genres` and `ids` (n,), and the
    labels of every run by `labels(protocol, phase, method, variant)`. FileNotFoundError says how to make them."""

    def __init__(self, dataset: str = "gtzan"):
        self.scores, self.record = load(dataset)
        self.folder = published(dataset)
        with np.load(self.folder / "labels.npz") as stored:
            self._labels = dict(stored)
        self.genres, self.ids = self._labels.pop("genres"), self._labels.pop("ids")

    def labels(self, protocol: str, phase: int, method: str, variant: str = "full") -> np.ndarray:
        """Labels (n_seeds, n) of one method; KeyError where the grid has no such run."""
        return self._labels[f"{protocol}-{phase}-{variant.replace(' ', '_').replace(',', '')}/{method}"].astype(int)

    def archive(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of `maps` or `histories`."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def run(self, protocol: str, phase: int, variant: str = "full") -> pd.DataFrame:
        """The tidy scores of one run."""
        s = self.scores
        return s[(s.protocol == protocol) & (s.phase == phase) & (s.variant == variant)]

    def interval(self, labels: np.ndarray, metric: str, n_resamples: int = 200) -> tuple[float, float]:
        """95 % interval of a score (nmi, ari, purity; noise left out) over tracks and seeds drawn anew, for labels
        (n_seeds, n)."""
        low, high = metrics.bootstrap(self.genres, labels, metric, n_resamples=n_resamples)
        return max(low, -1.0), min(high, 1.0)
