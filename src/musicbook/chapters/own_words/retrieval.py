"""Can a song's sound find its words? A test that needs no label.

A space is made of some artists' songs; the sound of every other song then looks for its words among
all. Page "Songs with their own words"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import normalize

from helpers import metrics, store
from helpers.tracks import Tracks
from musicbook.chapters.own_words import fusions
from musicbook.chapters.own_words.probes import FOLDS, ratios_of_sums
from musicbook.chapters.own_words.songs import OVER, OWN, Pair, pair_of

NEAREST = 10
METHODS = ("CCA", "mixture of experts")


def ranked(
    pair: Pair, artists: np.ndarray, method: str, shuffled: bool, seed: int
) -> dict[str, np.ndarray]:
    """How many songs' words lie nearer to a song's sound than its own, by cosine: "rank" (n,), in a
    space that was made of the songs of other artists, and "seen" (n,), in one that the song itself
    helped to make.

    `method` is one of METHODS; the mixture's experts take one modality alone. `shuffled` makes the
    space of wrong pairs."""
    n = len(artists)
    rank, seen = np.zeros(n, np.int32), np.zeros(n, np.int32)
    folds = GroupKFold(min(FOLDS, len(np.unique(artists))), shuffle=True, random_state=seed)
    order = pair.order(OVER if shuffled else OWN, seed)
    for train, test in folds.split(np.arange(n), groups=artists):
        if method == "CCA":
            one, other = _by_cca(pair, train, order)
        else:
            one, other = _by_mixture(pair, train, order, seed)
        alike = normalize(one) @ normalize(other).T
        ranks = (alike > np.diag(alike)[:, None]).sum(axis=1)
        rank[test], seen[train] = ranks[test], ranks[train]
    return {"rank": rank, "seen": seen}


def _by_cca(pair: Pair, train: np.ndarray, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Canonical scores of every song's sound and words, each times its correlation."""
    sound, words = fusions.few_components({"sound": pair.sound, "words": pair.words})
    partners = words[order][train]
    correlations, one, other = fusions.cca(sound[train], partners)
    from_sound = (sound - sound[train].mean(axis=0)) @ one * correlations
    from_words = (words - partners.mean(axis=0)) @ other * correlations
    return from_sound, from_words


def _by_mixture(
    pair: Pair, train: np.ndarray, order: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the expert of the sound and that of the words say of every song."""
    sound, words = fusions.balanced({"sound": pair.sound, "words": pair.words})
    net, _ = fusions.fit_multimodal((sound[train], words[order[train]]), seed)
    with torch.no_grad():
        from_sound, from_words = net.encode(sound, None)[0], net.encode(None, words)[0]
    return from_sound.double().numpy(), from_words.double().numpy()


def retrieval(
    tracks: Tracks,
    seeds: int,
    methods: Sequence[str] = METHODS,
    kept: int | float = fusions.COMPONENTS,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """Find a song's words by its sound, artists unseen.

    Columns: method, pairs ("own words", "words shuffled over all"), recall at NEAREST with low and
    high (95 % interval over artists), recall_seen (on songs that the space was made of), chance,
    songs, seeds, median_rank (from 1). Empty where all songs are of one artist."""
    if len(set(tracks.groups)) < 2:
        return pd.DataFrame()
    pair = pair_of(tracks, kept)
    rows: list[dict[str, object]] = []
    todo = [(method, False) for method in methods] + [(method, True) for method in methods]
    calls = []
    for method, wrong in todo:
        calls += [(ranked, pair, tracks.groups, method, wrong, seed) for seed in range(seeds)]
    made = store.remember_many(calls, n_jobs, "retrieval")
    for i, (method, wrong) in enumerate(todo):
        parts = made[i * seeds : (i + 1) * seeds]
        ranks = np.stack([part["rank"] for part in parts])
        seen = np.stack([part["seen"] for part in parts])
        hits = (ranks < NEAREST)[:, :, None].astype(float)
        recall, low, high = metrics.interval(
            [ratios_of_sums(hits, np.ones((tracks.n, 1)), tracks.groups)]
        )
        row: dict[str, object] = {"method": method, "pairs": OVER if wrong else OWN}
        row |= {"recall": recall, "low": low, "high": high}
        row |= {"recall_seen": float((seen < NEAREST).mean()), "chance": NEAREST / tracks.n}
        row |= {"songs": tracks.n, "seeds": seeds, "median_rank": float(np.median(ranks) + 1)}
        rows.append(row)
    return pd.DataFrame(rows)
