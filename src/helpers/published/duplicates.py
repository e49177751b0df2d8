"""GTZAN's known faults, found from the features themselves, and whether they change a conclusion (page "Results").

Sturm 2013 lists repetitions, mislabelings and distortions; Kereliuk, Sturm & Larsen 2015 give a fault-filtered
selection.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform

from .. import phases
from ..datasets import Tracks
from ..inputs import zscore

NEAR = 0.1  # Euclidean distance in z-scored features below which two tracks are taken for the same recording


def replicas(tracks: Tracks, below: float = NEAR) -> pd.DataFrame:
    """Pairs of tracks closer than `below` (Euclidean, 68 z-scored features): a, b, distance,
    genre_a, genre_b, nearest first; distance 0 is an exact copy. Memory grows with the square of the tracks (8 bytes
    each)."""
    X = zscore(tracks.features.to_numpy())
    distances = squareform(pdist(X))
    rows, columns = np.nonzero(np.triu(distances < below, k=1))
    genres = tracks.genres if tracks.genres is not None else np.full(tracks.n, "")
    table = pd.DataFrame(
        {
            "a": tracks.ids[rows],
            "b": tracks.ids[columns],
            "distance": distances[rows, columns],
            "genre_a": genres[rows],
            "genre_b": genres[columns],
        }
    )
    return table.sort_values("distance", ignore_index=True)


def subset(tracks: Tracks, keep: np.ndarray, name: str) -> Tracks:
    """The rows of `tracks` where `keep` (n,) bool is True, under another name."""
    return replace(
        tracks,
        name=name,
        ids=tracks.ids[keep],
        groups=tracks.groups[keep],
        features=tracks.features[keep],
        genres=None if tracks.genres is None else tracks.genres[keep],
        start_s=None if tracks.start_s is None else tracks.start_s[keep],
        text=None if tracks.text is None else tracks.text[keep],
    )


def filtered_ids(folder: Path) -> set[str]:
    """Track ids in the *_filtered.txt lists of a folder (`blues/blues.00012.wav`, one a line), as `blues.00012`.

    Raises FileNotFoundError where the folder has no such list.
    """
    lists = sorted(Path(folder).glob("*_filtered.txt"))
    if not lists:
        raise FileNotFoundError(f"{folder} holds no *_filtered.txt list of the fault-filtered selection.")
    return {Path(line.strip()).stem for path in lists for line in path.read_text().splitlines() if line.strip()}


def study(tracks: Tracks, seeds: int, filtered: Path | None = None, n_jobs: int | None = None) -> pd.DataFrame:
    """Tidy scores of phase 1, `released` protocol, on all tracks, without one of each near pair, and (where the lists
    are given) on the fault-filtered selection; the column `dataset` names the subset."""
    copies = set(replicas(tracks).b)
    subsets = {"all that decode": np.full(tracks.n, True), "without replicas": ~np.isin(tracks.ids, list(copies))}
    if filtered is not None:
        subsets["fault-filtered"] = np.isin(tracks.ids, list(filtered_ids(filtered)))
    runs = [
        phases.run(subset(tracks, keep, name), "released", 1, seeds, n_jobs=n_jobs).scores
        for name, keep in subsets.items()
    ]
    return pd.concat(runs, ignore_index=True)
