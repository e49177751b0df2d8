"""Do tracks that lie close together on a map sound alike? A pretrained network is the ear.

musicnn's network MTT learnt to name what people hear in a piece, from recordings that are not in
GTZAN; it has heard the hundred tracks of GTZAN mini. Page "Leakage"."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.metrics import pairwise_distances
from sklearn.preprocessing import normalize

from helpers import clustering
from musicbook.corpus import pretrained

HEARD = "gtzan-mini-tracks"  # the data set whose tracks the network has heard
ALIKE = 10  # a track's nearest on the map is counted where it is among so many most alike
FEWEST = 30  # tracks that the network has heard, below which nothing is said
ISLAND = 0.95  # share of a genre's tracks whose nearest one on the map must have that genre


def islands(points: np.ndarray, genres: np.ndarray) -> list[str]:
    """The genres that are islands on a map, points (n, 2), genres (n,): the nearest track of at
    least the share ISLAND of their tracks has the same genre."""
    nearest = clustering.nearest(points, k=1)[:, 0]
    same = genres[nearest] == genres
    return [str(genre) for genre in np.unique(genres) if same[genres == genre].mean() >= ISLAND]


def heard_alike(
    maps: Mapping[str, np.ndarray], ids: np.ndarray, genres: np.ndarray
) -> pd.DataFrame:
    """How alike each track and its nearest one on a map sound, among the tracks that were heard.

    maps {title: points (n, 2)}, ids and genres (n,). One row a map and one "by chance":
    `among_most_alike`, the share of tracks whose nearest is among the ALIKE that sound most alike;
    `other_genres`, the share of tracks of other genres that sound less alike than the nearest of
    other genres, mean over tracks; `tracks`. Empty where too few of the tracks were heard."""
    numbers = pretrained.committed("MTT", HEARD)
    here = np.flatnonzero(np.isin(ids, numbers.index))
    columns = ["among_most_alike", "other_genres", "tracks"]
    if len(here) < FEWEST:
        return pd.DataFrame(columns=columns)
    unit = normalize(numbers.loc[ids[here]].to_numpy())
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    rows: dict[str, list[float]] = {}
    for title, points in maps.items():
        rows[title] = [*_of_map(points[here], alike, genres[here]), len(here)]
    rows["by chance"] = [ALIKE / (len(here) - 1), 0.5, len(here)]
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _of_map(points: np.ndarray, alike: np.ndarray, genres: np.ndarray) -> tuple[float, float]:
    apart = pairwise_distances(points)
    np.fill_diagonal(apart, np.inf)
    among, beaten = [], []
    for track, row in enumerate(alike):
        nearest = apart[track].argmin()
        among.append((row > row[nearest]).sum() < ALIKE)
        others = np.flatnonzero(genres != genres[track])
        if len(others):
            near = others[apart[track, others].argmin()]
            beaten.append((row[others] < row[near]).mean())
    return float(np.mean(among)), float(np.mean(beaten))
