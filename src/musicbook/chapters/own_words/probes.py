"""What sound and words know of a song: linear probes, asked about artists that they have not seen.

A probe is given the right answers for some artists' songs; groups are not. So a probe says whether
something is there to be used, and `clusters` whether groups use it. Page "Songs with their own
words"."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold

from helpers import metrics, store
from helpers.tracks import Tracks
from musicbook.chapters.own_words.songs import (
    KEPT,
    OWN,
    SOUND,
    WORDS,
    Pair,
    over_all_languages,
    pair_of,
    targets,
    with_shuffled_words,
)

FOLDS = 5
RESAMPLES = 500
Side = tuple[np.ndarray, np.ndarray]  # of each seed (S,), and on resamples of artists (R, S)


def probe_input(pair: Pair, what: str, seed: int) -> np.ndarray:
    """What a probe sees, (n, d): a control's blocks side by side, each of variance 1 in all.

    Columns keep their proportions: z-scored, the many faint components of the words would drown the
    few that say something."""
    parts = []
    for block in pair.blocks(what, seed).values():
        centred = block - block.mean(axis=0)
        parts.append(centred / np.sqrt(centred.var(axis=0).sum()))
    return np.hstack(parts)


def probed(X: np.ndarray, y: np.ndarray, fold: np.ndarray) -> dict[str, np.ndarray]:
    """The classes, "guess" (n,), that a linear probe gives songs of artists it has not seen.

    X (n, d), y (n,) codes, fold (n,) as `folds_of` gives it. Logistic regression with balanced
    weights and scikit-learn's own penalty."""
    model = LogisticRegression(class_weight="balanced", max_iter=500)
    guess = np.zeros(len(y), dtype=y.dtype)
    for one in np.unique(fold):
        test = fold == one
        guess[test] = model.fit(X[~test], y[~test]).predict(X[test])
    return {"guess": guess}


def folds_of(y: np.ndarray, artists: np.ndarray, seed: int) -> np.ndarray:
    """The fold of each song, (n,): FOLDS of them, fewer where a class has fewer artists; all songs
    of an artist are in one. Remembered, since it takes longer than a probe, and every reading of
    the words is judged by the same folds."""
    return store.remember(_folds, y, artists, seed)["fold"]


def _folds(y: np.ndarray, artists: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    split = StratifiedGroupKFold(
        min(FOLDS, fewest_artists(y, artists)), shuffle=True, random_state=seed
    )
    fold = np.zeros(len(y), dtype=int)
    for i, (_, test) in enumerate(split.split(y, y, artists)):
        fold[test] = i
    return {"fold": fold}


def fewest_artists(codes: np.ndarray, artists: np.ndarray) -> int:
    """Artists of the class that has the fewest; codes (n,), -1 left out."""
    names = np.unique(codes[codes >= 0])
    return min(len(np.unique(artists[codes == one])) for one in names)


def probe_scores(
    tracks: Tracks, seeds: int, kept: int | float = KEPT, n_jobs: int | None = None
) -> pd.DataFrame:
    """Balanced accuracy of probes for every target from sound, words, both, and sound with others'
    words.

    Columns: input (a control of `songs`), target, chance, songs, seeds; mean, low, high; gain,
    gain_low, gain_high of both over this input, in the row of both over sound alone. Intervals are
    95 %, over artists. Targets whose classes have fewer than two artists are left out."""
    pair = pair_of(tracks, kept)
    seen = [SOUND, WORDS, OWN, with_shuffled_words(tracks)]
    asked = {}
    for target, codes in over_all_languages(targets(tracks)).items():
        here = codes >= 0
        if fewest_artists(codes, tracks.groups) > 1:
            asked[target] = (codes[here], here)
    calls = []
    for y, here in asked.values():
        folds = [folds_of(y, tracks.groups[here], seed) for seed in range(seeds)]
        for what in seen:
            for seed, fold in enumerate(folds):
                calls.append((probed, probe_input(pair, what, seed)[here], y, fold))
    guesses = iter(store.remember_many(calls, n_jobs, "probes"))
    rows = []
    for target, (y, here) in asked.items():
        sides = {}
        for what in seen:
            some = np.stack([next(guesses)["guess"] for _ in range(seeds)])
            sides[what] = balanced_accuracy(y, some, tracks.groups[here])
        for what in seen:
            other = SOUND if what == OWN else what
            mean, low, high = metrics.interval([sides[what]])
            gain, gain_low, gain_high = metrics.interval([sides[OWN], sides[other]])
            row = {"input": what, "target": target, "chance": 1 / (y.max() + 1)}
            row |= {"songs": len(y), "seeds": seeds, "mean": mean, "low": low, "high": high}
            rows.append(row | {"gain": gain, "gain_low": gain_low, "gain_high": gain_high})
    return pd.DataFrame(rows)


def balanced_accuracy(y: np.ndarray, guesses: np.ndarray, artists: np.ndarray) -> Side:
    """Balanced accuracy of guesses (S, n) of y (n,), as `shares` gives it."""
    member = np.eye(int(y.max()) + 1)[y]
    right = (guesses == y)[:, :, None] * member
    return ratios_of_sums(right, member, artists)


def ratios_of_sums(top: np.ndarray, bottom: np.ndarray, artists: np.ndarray) -> Side:
    """Mean over c of the ratio of two sums over songs, of each seed, (S,), and on resamples of
    whole artists, (RESAMPLES, S), as `metrics.interval` takes them. top (S, n, c), bottom (n,
    c)."""
    which = np.unique(artists, return_inverse=True)[1]
    pool = sparse.csr_matrix((np.ones(len(which)), (which, np.arange(len(which)))))
    above = np.stack([pool @ one for one in top])  # (S, artists, c)
    below = pool @ bottom  # (artists, c)
    rng, n = np.random.default_rng(0), pool.shape[0]
    draws = [np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(RESAMPLES)]
    times = np.stack(draws)
    whole = (above.sum(axis=1) / below.sum(axis=0)).mean(axis=1)
    with np.errstate(invalid="ignore"):  # a resample without a song of a class says nothing of it
        ratios = np.einsum("ra,sac->rsc", times, above) / (times @ below)[:, None]
        return whole, np.nanmean(ratios, axis=2)
