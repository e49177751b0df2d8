"""GTZAN's known faults, found from the features themselves, and whether they change a conclusion
(page "Results").

Sturm 2013 lists repetitions, mislabelings and distortions; Kereliuk, Sturm & Larsen 2015 give a
fault-filtered selection."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors, radius_neighbors_graph

from helpers import metrics, tables
from helpers.inputs import zscore
from helpers.tracks import Tracks
from musicbook.stored_runs import Published

# Euclidean distance in z-scored features below which two tracks are taken for the same recording
NEAR = 0.1
WITHOUT, FILTERED, ONE_EACH = "without replicas", "fault-filtered", "one track an artist"
INDEX = "GTZANindex.txt"  # artists and titles, Sturm 2012


def replicas(tracks: Tracks, below: float = NEAR) -> pd.DataFrame:
    """Pairs of tracks closer than `below` (Euclidean, z-scored features): a, b, distance, genre_a,
    genre_b, nearest first; distance 0 is an exact copy."""
    X, genres = (
        zscore(tracks.features.to_numpy()),
        np.full(tracks.n, "") if tracks.genres is None else tracks.genres,
    )
    near = radius_neighbors_graph(X, below, mode="distance").tocoo()
    rows = [
        (tracks.ids[i], tracks.ids[j], d, genres[i], genres[j])
        for i, j, d in zip(near.row, near.col, near.data)
        if i < j and d < below
    ]
    columns = ["a", "b", "distance", "genre_a", "genre_b"]
    return pd.DataFrame(rows, columns=columns).sort_values("distance", ignore_index=True)


def artists(folder: Path | None) -> dict[str, str]:
    """Artist of each track that the index in `folder` knows, {track id: artist} (lines
    `track.wav ::: artist ::: title`, Sturm 2012); empty without an index."""
    path = None if folder is None else Path(folder) / INDEX
    if path is None or not path.exists():
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    rows = [line.split(":::") for line in text.splitlines() if ":::" in line]
    return {Path(name.strip()).stem: artist.strip() for name, artist, *_ in rows if artist.strip()}


def artist_neighbours(tracks: Tracks, known: dict[str, str]) -> dict:
    """How often a track's nearest neighbour of its own genre is by the same artist, and how often
    one drawn from that genre would be; over the tracks whose artist is known. Nearest in z-scored
    features."""
    rows = np.array([i for i, track in enumerate(tracks.ids) if track in known], dtype=int)
    artist, genre = np.array([known[tracks.ids[i]] for i in rows]), np.asarray(tracks.genres)[rows]
    X, same, expected = zscore(tracks.features.to_numpy())[rows], [], []
    for name in np.unique(genre):
        here = np.flatnonzero(genre == name)
        if len(here) > 1:
            nearest = (
                NearestNeighbors(n_neighbors=2)
                .fit(X[here])
                .kneighbors(X[here], return_distance=False)[:, 1]
            )
            same.append(artist[here] == artist[here][nearest])
            alike = artist[here][:, None] == artist[here]
            expected.append((alike.sum(axis=1) - 1) / (len(here) - 1))
    return {
        "tracks": len(rows),
        "artists": len(set(artist)),
        "same_artist": float(np.concatenate(same).mean()),
        "expected": float(np.concatenate(expected).mean()),
    }


def found(tracks: Tracks, filtered: Path | None = None) -> dict:
    """What `replicas` comes to: near and exact pairs, tracks that have a near copy, pairs across
    genres; and, where the index of artists is in the folder `filtered`, what `neighbours` finds."""
    pairs, known = replicas(tracks), artists(filtered)
    across = pairs[pairs.genre_a != pairs.genre_b]
    return ({"artists": artist_neighbours(tracks, known)} if known else {}) | {
        "exact_pairs": int((pairs.distance < 1e-3).sum()),
        "near_pairs": len(pairs),
        "tracks_with_a_near_neighbour": len(set(pairs.a) | set(pairs.b)),
        "across_genres": across[["a", "b"]].values.tolist(),
    }


def filtered_ids(folder: Path) -> set[str]:
    """Track ids in the *_filtered.txt lists of a folder (`blues/blues.00012.wav`, one a line), as
    `blues.00012`.

    Raises FileNotFoundError where the folder has no such list.
    """
    lists = sorted(Path(folder).glob("*_filtered.txt"))
    if not lists:
        raise FileNotFoundError(
            f"{folder} holds no *_filtered.txt list of the fault-filtered selection."
        )
    return {
        Path(line.strip()).stem
        for path in lists
        for line in path.read_text().splitlines()
        if line.strip()
    }


def subsets(tracks: Tracks, filtered: Path | None = None) -> dict[str, np.ndarray]:
    """Masks (n,) of the tracks without one of each near pair, where there are such pairs, and,
    where the lists are given, of the fault-filtered selection and of the first track of each
    artist."""
    copies = set(replicas(tracks).b)
    parts = {WITHOUT: ~np.isin(tracks.ids, list(copies))} if copies else {}
    if known := artists(filtered):
        first = {
            artist: track
            for track, artist in reversed([(i, known[i]) for i in tracks.ids if i in known])
        }
        parts[ONE_EACH] = np.isin(tracks.ids, list(first.values()))
    return parts | (
        {} if filtered is None else {FILTERED: np.isin(tracks.ids, list(filtered_ids(filtered)))}
    )


def scores_without_faults(data: Published) -> pd.DataFrame:
    """Tidy scores of phase 1, `released`, on all tracks and on each part without faults; `dataset`
    names the part."""
    names = {"full": "all that decode", WITHOUT: WITHOUT, FILTERED: FILTERED, ONE_EACH: ONE_EACH}
    s = data.scores
    s = s[(s.protocol == "released") & (s.phase == 1) & s.variant.isin(names)]
    methods = set(s[s.variant != "full"].method)
    return s[s.method.isin(methods)].assign(dataset=s.variant.map(names), variant="full")


SHOWN = {  # a part of the tracks -> what a table calls it
    "all that decode": "all tracks",
    WITHOUT: "without copies",
    FILTERED: "without known faults",
    ONE_EACH: "one track of each artist",
}


def read_faults(scores: pd.DataFrame) -> str:
    """A sentence on whether removing GTZAN's faulty tracks changes who is ahead in phase 1, by NMI
    and by silhouette. `read_artists` is on the part with one track of each artist."""
    means = scores[scores.dataset != ONE_EACH].pivot_table(
        index="dataset", columns=["metric", "method"], values="value", sort=False
    )
    parts = []
    for metric in ("nmi", "silhouette"):
        ahead = means[metric].idxmax(axis=1)
        same = ahead.nunique() == 1
        who = (
            f"{ahead.iloc[0]} stays ahead"
            if same
            else f"the best method changes ({ahead.to_dict()})"
        )
        spread = (means[metric] - means[metric].loc["all that decode"]).abs().max().max()
        parts.append(
            f"By {metrics.label_of(metric)}, {who}, and no mean changes by more than {spread:.3f}."
        )
    return "We score again without the faulty tracks. " + " ".join(parts)


def read_record(data: Published, scores: pd.DataFrame) -> str:
    """Sentences on the copies among the tracks of published runs, and on what they change."""
    record = data.record.get("duplicates")
    if not record:
        return "Copies were not looked for: these tracks have no genres."
    across = record["across_genres"]
    pairs = ", ".join(" and ".join(pair) for pair in across)
    labels = f"{len(across)} pairs have two genres: {pairs}."
    if len(across) < 2:
        labels = f"One pair has two genres: {pairs}." if across else "No pair has two genres."
    near, exact = record["near_pairs"], record["exact_pairs"]
    kind, which = "an exact copy", ", and we found no near copies besides"
    if exact != near:
        kind, which = "a copy or a near copy", f", of which {exact} are exact copies"
    return (
        f"{record['tracks_with_a_near_neighbour']} of {data.record['n']} tracks have {kind} among "
        f"the others. They form {near} pairs{which}. "
        f"{labels} {read_faults(scores)} {read_artists(data)}"
    )


def read_artists(data: Published) -> str:
    """A sentence on how much of the agreement with genre is one with artists, from the runs with
    one track each."""
    told, s = data.record.get("duplicates", {}).get("artists"), scores_without_faults(data)
    if not told or ONE_EACH not in set(s.dataset):
        return "The artists of these tracks were not at hand."
    ami = s[s.metric == "ami"].groupby(["dataset", "method"]).value.mean()
    change = (ami[ONE_EACH] - ami["all that decode"].reindex(ami[ONE_EACH].index)).abs().max()
    says = "hardly changes" if change <= tables.MARGIN else "changes"
    moved = [
        f"For *{m}* it goes from {ami['all that decode', m]:.3f} to {ami[ONE_EACH, m]:.3f}."
        for m in ami[ONE_EACH].index
    ]
    return (
        f"Artists could matter too: within a genre, {told['same_artist']:.0%} of nearest "
        f"neighbours are by the same artist, and chance would give {told['expected']:.0%}. (We "
        f"know the artists of {told['tracks']} tracks.) If we keep one track of each artist, the "
        f"agreement with genre (AMI) {says}. {' '.join(moved)} (We do not compare the NMI here, "
        "because chance raises it where there are fewer tracks.)"
    )
