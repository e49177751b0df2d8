"""GTZAN's known faults, found from the features themselves, and whether they change a conclusion (page "Results").

Sturm 2013 lists repetitions, mislabelings and distortions; Kereliuk, Sturm & Larsen 2015 give a fault-filtered
selection.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.neighbors import radius_neighbors_graph

from .. import metrics
from ..datasets import Tracks
from ..inputs import zscore
from .store import Published

NEAR = 0.1  # Euclidean distance in z-scored features below which two tracks are taken for the same recording
WITHOUT, FILTERED = "without replicas", "fault-filtered"


def replicas(tracks: Tracks, below: float = NEAR) -> pd.DataFrame:
    """Pairs of tracks closer than `below` (Euclidean, z-scored features): a, b, distance, genre_a, genre_b, nearest
    first; distance 0 is an exact copy."""
    X, genres = zscore(tracks.features.to_numpy()), np.full(tracks.n, "") if tracks.genres is None else tracks.genres
    near = radius_neighbors_graph(X, below, mode="distance").tocoo()
    rows = [(tracks.ids[i], tracks.ids[j], d, genres[i], genres[j])
            for i, j, d in zip(near.row, near.col, near.data) if i < j and d < below]  # fmt: skip
    columns = ["a", "b", "distance", "genre_a", "genre_b"]
    return pd.DataFrame(rows, columns=columns).sort_values("distance", ignore_index=True)


def found(tracks: Tracks) -> dict:
    """What `replicas` comes to: near and exact pairs, tracks that have a near copy, pairs across genres."""
    pairs = replicas(tracks)
    across = pairs[pairs.genre_a != pairs.genre_b]
    return {
        "exact_pairs": int((pairs.distance < 1e-3).sum()), "near_pairs": len(pairs),
        "tracks_with_a_near_neighbour": len(set(pairs.a) | set(pairs.b)),
        "across_genres": across[["a", "b"]].values.tolist(),
    }  # fmt: skip


def filtered_ids(folder: Path) -> set[str]:
    """Track ids in the *_filtered.txt lists of a folder (`blues/blues.00012.wav`, one a line), as `blues.00012`.

    Raises FileNotFoundError where the folder has no such list.
    """
    lists = sorted(Path(folder).glob("*_filtered.txt"))
    if not lists:
        raise FileNotFoundError(f"{folder} holds no *_filtered.txt list of the fault-filtered selection.")
    return {Path(line.strip()).stem for path in lists for line in path.read_text().splitlines() if line.strip()}


def subsets(tracks: Tracks, filtered: Path | None = None) -> dict[str, np.ndarray]:
    """Masks (n,) of the tracks without one of each near pair, where there are such pairs, and, where the lists are
    given, of the fault-filtered selection."""
    copies = set(replicas(tracks).b)
    parts = {WITHOUT: ~np.isin(tracks.ids, list(copies))} if copies else {}
    return parts | ({} if filtered is None else {FILTERED: np.isin(tracks.ids, list(filtered_ids(filtered)))})


def scores(data: Published) -> pd.DataFrame:
    """Tidy scores of phase 1, `released`, on all tracks and on each part without faults; `dataset` names the part."""
    names = {"full": "all that decode", WITHOUT: WITHOUT, FILTERED: FILTERED}
    s = data.scores
    s = s[(s.protocol == "released") & (s.phase == 1) & s.variant.isin(names)]
    methods = set(s[s.variant != "full"].method)
    return s[s.method.isin(methods)].assign(dataset=s.variant.map(names), variant="full")


def read_faults(scores: pd.DataFrame) -> str:
    """A sentence on whether removing GTZAN's faults changes who is ahead in phase 1, by NMI and by silhouette."""
    means = scores.pivot_table(index="dataset", columns=["metric", "method"], values="value", sort=False)
    parts = []
    for metric in ("nmi", "silhouette"):
        ahead = means[metric].idxmax(axis=1)
        same = ahead.nunique() == 1
        who = f"{ahead.iloc[0]} is ahead on every part" if same else f"who is ahead changes ({ahead.to_dict()})"
        spread = np.ptp(means[metric].to_numpy(), axis=0).max()
        parts.append(f"by {metrics.label_of(metric)} {who}, and no mean moves by more than {spread:.3f}")
    return "Without the faults: " + "; ".join(parts) + "."
