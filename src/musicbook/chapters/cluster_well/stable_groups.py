"""Groups that return: clustering that is repeated, and keeps only what it finds again.

Any method makes as many groups as it is asked for, also where there are none. So the whole method
is run again on random parts of the tracks, with other seeds: a group that has no counterpart in
most of these runs is dissolved, and its tracks stand between the groups (Hennig 2007, cluster-wise
stability by resampling). Page "How to cluster music well"; `musicbook map` groups music this
way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import inputs, store
from helpers.shown import short_repr_of
from helpers.tracks import Tracks
from musicbook import stored_runs
from musicbook.chapters.cluster_well import criteria, pipelines

RUNS, SHARE = 10, 0.8  # how often the method is repeated, and on what share of the tracks
RETURNS = 0.6  # mean overlap with its counterpart, below which a group is not shown
STEADY = 0.75  # Hennig (2007): from here on a group may be called stable
UMAP_LIMIT = 20_000  # tracks; of more, UMAP costs too much to be repeated
SMALLEST = 4  # tracks of a group that is looked for
MANY = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40)
METHODS = {  # name of a method -> the space in which it works, and its algorithm
    "umap": (pipelines.UMAP, "kmeans"),
    "spectral": (pipelines.AS_FED, "spectral"),
    "kmeans": (pipelines.AS_FED, "kmeans"),
    "ward": (pipelines.AS_FED, "ward"),
    "hdbscan": (pipelines.UMAP, "hdbscan"),
    "vae": ("VAE", "kmeans"),
}


@dataclass(frozen=True)
class Groups:
    """`labels` (n,): the group of each track, 0, 1, ... from the largest on, -1 for tracks between
    groups; `returns` (groups,): mean overlap of each group with its counterpart in the other runs,
    0 to 1; `method`, and how many groups it `made`, those that were dissolved among them; `tried`:
    one row a number of groups, as `curve` gives it."""

    labels: np.ndarray
    returns: np.ndarray
    method: str
    made: int
    tried: pd.DataFrame

    @property
    def n(self) -> int:
        """How many groups are shown."""
        return len(self.returns)


short_repr_of(Groups)


def returning_groups(
    X: np.ndarray, method: str = "umap", k: int | None = None, runs: int = RUNS, seed: int = 0
) -> Groups:
    """Groups of the rows of X (n, d) that return when `method` (of METHODS) is repeated `runs`
    times.

    Without `k` the number of groups is found: the one whose returning groups, times the share of
    the tracks in them, are most. Computed once, then read from the store. ValueError for an unknown
    method or fewer rows than groups."""
    if method not in METHODS:
        raise ValueError(f"There is no method {method!r}; choose one of {', '.join(METHODS)}.")
    if k is not None and not 1 <= k <= len(X):
        raise ValueError(f"{k} groups are asked for, of {len(X)} tracks; ask for at most {len(X)}.")
    return _groups_of(store.remember(_repeated, X, method, k or 0, runs, seed), method)


def _groups_of(made: dict[str, np.ndarray], method: str) -> Groups:
    """What `_repeated` made, as groups."""
    tried = pd.DataFrame(made["tried"], columns=list(TRIED))
    whole, overlap = made["labels"], made["overlap"]
    return Groups(*_kept(whole, overlap), method, len(overlap), tried)


TRIED = ("groups", "return surely", "share of tracks", "stability")


def _repeated(X: np.ndarray, method: str, k: int, runs: int, seed: int) -> dict[str, np.ndarray]:
    """The work of `find`: the labels (n,) of the chosen number of groups on all rows, the mean
    overlap of each with its counterparts, and the table of all numbers that were tried."""
    space, algorithm = METHODS[method]
    rows = criteria.drawn_parts(len(X), SHARE, runs, seed)
    whole = pipelines.space_of(X, space, seed)
    spaces = [pipelines.space_of(X[part], space, seed + run) for run, part in enumerate(rows, 1)]
    results, tried = {}, []
    for count in [k] if k else candidates(len(X), algorithm):
        labels = pipelines.labels_of(whole, algorithm, count, seed)
        others = [
            pipelines.labels_of(part, algorithm, count, seed + run)
            for run, part in enumerate(spaces, 1)
        ]
        overlap = overlaps(labels, list(zip(rows, others)))
        results[count] = labels, overlap
        stability = criteria.again_on_parts(labels, list(zip(rows, others))) if runs else np.nan
        shared = np.isin(labels, np.flatnonzero(overlap >= STEADY)).mean()
        tried.append((count, (overlap >= STEADY).sum(), shared, stability))
    table = np.array(tried, float)
    best = list(results)[int((table[:, 1] * table[:, 2]).argmax())]
    labels, overlap = results[best]
    return {"labels": labels, "overlap": overlap, "tried": table}


def candidates(n: int, algorithm: str) -> list[int]:
    """The numbers of groups to try for n tracks; a method that finds its own number is run once."""
    if algorithm == "hdbscan":
        return [0]
    return [k for k in MANY if k * SMALLEST <= n] or [1]


def overlaps(labels: np.ndarray, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """How surely each group of `labels` (n,) returns: the Jaccard index with its best match in each
    of `parts` (rows, labels of these rows), on these rows; mean over the parts, (groups,). 1 where
    there are no parts. Noise (-1) is no group."""
    names = np.unique(labels[labels >= 0])
    if not parts:
        return np.ones(len(names))
    total = np.zeros(len(names))
    for rows, others in parts:
        for place, name in enumerate(names):
            own = labels[rows] == name
            theirs = np.unique(others[own & (others >= 0)])
            unions = [(own | (others == other)).sum() for other in theirs]
            shared = [(own & (others == other)).sum() for other in theirs]
            total[place] += max(np.divide(shared, unions), default=0.0)
    return total / len(parts)


def _kept(labels: np.ndarray, overlap: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Labels and overlaps of the groups that return, renamed from the largest on; others are -1."""
    names = np.unique(labels[labels >= 0])
    sizes = np.array([(labels == name).sum() for name in names])
    order = [i for i in np.argsort(-sizes, kind="stable") if overlap[i] >= RETURNS]
    new = np.full(len(labels), -1)
    for place, i in enumerate(order):
        new[labels == names[i]] = place
    return new, overlap[order]


# ---- the way of the paper, put to the same test --------------------------------------------------

VAE_FILE = "groups_vae.npz"
VAE_RUNS = 4  # repetitions where nothing is stored, since each trains a network


def groups_by_vae(tracks: Tracks, k: int | None = None) -> Groups:
    """The groups that return of a VAE and K-Means, as many groups as there are labels, else `k`.

    Of the demo they are stored, RUNS repetitions; other tracks get VAE_RUNS."""
    path = stored_runs.results_dir(tracks.name) / VAE_FILE
    if path.exists():
        with np.load(path) as file:
            made = dict(file)
        if len(made["labels"]) == tracks.n:
            return _groups_of(made, "vae")
    X = inputs.zscore(tracks.features.to_numpy())
    return returning_groups(X, "vae", len(tracks.genre_names) or k, VAE_RUNS)


def publish(tracks: Tracks, folder: Path) -> None:
    """Write the groups by a VAE into the `folder` of a data set with labels (a part of `make
    results`, named "groups")."""
    X = inputs.zscore(tracks.features.to_numpy())
    made = store.remember(_repeated, X, "vae", len(tracks.genre_names), RUNS, 0)
    store.write_arrays(folder / VAE_FILE, made)
