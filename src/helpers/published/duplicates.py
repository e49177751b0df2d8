"""GTZAN's known faults, found from the features themselves, and whether they change a conclusion (page "Results").

Sturm 2013 lists repetitions, mislabelings and distortions; Kereliuk, Sturm & Larsen 2015 give a fault-filtered
selection.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import pdist, squareform

from .. import phases, tables
from ..datasets import Tracks
from ..inputs import zscore
from .store import Published

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
        phases.run(tracks.rows(keep, name), "released", 1, seeds, n_jobs=n_jobs).scores
        for name, keep in subsets.items()
    ]
    return pd.concat(runs, ignore_index=True)


def stored(data: Published) -> tuple[pd.DataFrame, dict]:
    """Scores of phase 1 on all tracks, without replicas, and fault-filtered; and what was found (counts, nearest
    pairs)."""
    return pd.read_csv(data.folder / "faults.csv"), json.loads((data.folder / "faults.json").read_text())


def read_faults(scores: pd.DataFrame) -> str:
    """A sentence on whether removing GTZAN's faults changes who is ahead in phase 1, by NMI and by silhouette."""
    means = scores.pivot_table(index="dataset", columns=["metric", "method"], values="value", sort=False)
    parts = []
    for metric in ("nmi", "silhouette"):
        ahead = {
            name: max(("VAE + K-Means", "PCA + K-Means"), key=lambda m: row[(metric, m)])
            for name, row in means.iterrows()
        }
        same = len(set(ahead.values())) == 1
        who = f"{next(iter(ahead.values()))} is ahead on every subset" if same else f"who is ahead changes ({ahead})"
        spread = np.ptp(means[metric].to_numpy(), axis=0).max()
        parts.append(f"by {tables.label_of(metric)} {who}, and no mean moves by more than {spread:.3f}")
    return "Without the faults: " + "; ".join(parts) + "."
