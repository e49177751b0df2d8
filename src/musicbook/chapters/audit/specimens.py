"""Tables with a known leak, and clean ones, to test the audit on: what it must find, and what it
must not accuse.

Each is a function of a seed, and a leak of its dose too: the share of its rows that it reaches, or
how far it rises above noise, 1 the whole leak, 0 none. Songs have 24 columns of made-up sound, 10
genres, 40 songs a genre: 8 hidden causes that differ between songs, a little between genres, and
show in all columns. Pages "Leakage", "Audit"."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn import datasets

GENRES, SONGS, DIMS = 10, 40, 48
ROWS_ONLY = ("rows",)  # the guilty are rows, no column is


class Specimen(NamedTuple):
    """What `examine` is given: a table (n, d), labels (n,), groups (n,) or None.

    `guilty` names the columns that carry a planted leak, or "rows" where the rows do.
    """

    table: pd.DataFrame
    labels: np.ndarray
    groups: np.ndarray | None = None
    guilty: tuple[str, ...] = ()


def named(name: str, values: np.ndarray) -> pd.DataFrame:
    """Columns (n, d) with the names of a block: name_0, name_1, …"""
    return pd.DataFrame(values, columns=[f"{name}_{i}" for i in range(values.shape[1])])


def sound(
    rng: np.random.Generator, codes: np.ndarray, apart: float = 1.0
) -> tuple[pd.DataFrame, np.ndarray]:
    """Made-up sound (n, 24) of genres (n,), and its hidden causes (n, 8), whose genre means lie
    `apart` in standard deviations of a song."""
    causes = rng.normal(size=(codes.max() + 1, 8))[codes] * apart + rng.normal(size=(len(codes), 8))
    values = causes @ rng.normal(size=(8, 24)) + rng.normal(size=(len(codes), 24))
    return named("sound", values), causes


def _songs(seed: int) -> tuple[np.random.Generator, np.ndarray, pd.DataFrame]:
    rng = np.random.default_rng([seed, 21])
    codes = rng.permutation(np.repeat(np.arange(GENRES), SONGS))
    return rng, codes, sound(rng, codes)[0]


def labelled(rng: np.random.Generator, codes: np.ndarray, dose: float) -> np.ndarray:
    """The class for a share `dose` of the rows, any class for the others, (n,)."""
    return np.where(
        rng.random(len(codes)) < dose, codes, rng.integers(codes.max() + 1, size=len(codes))
    )


def sentences_of(rng: np.random.Generator, codes: np.ndarray, noise: float = 0.05) -> np.ndarray:
    """Vectors (n, DIMS) of three sentences a class, in turn, and a little noise."""
    made = rng.normal(size=(codes.max() * 3 + 3, DIMS)) / np.sqrt(DIMS)
    turn = pd.Series(codes).groupby(codes).cumcount().to_numpy() % 3
    return made[codes * 3 + turn] + rng.normal(0, noise, (len(codes), DIMS))


def _beside(table: pd.DataFrame, leak: pd.DataFrame, codes: np.ndarray) -> Specimen:
    """A table with the columns of a leak beside it, which are the guilty ones."""
    return Specimen(pd.concat([table, leak], axis=1), codes, guilty=tuple(leak.columns))


def _with_errors(codes: np.ndarray, given: np.ndarray) -> np.ndarray:
    """`given` (n,) with the first row of each class given the next class."""
    first = np.unique(codes, return_index=True)[1]
    given[first] = (codes[first] + 1) % GENRES
    return given


def one_hot(seed: int, dose: float = 1.0) -> Specimen:
    """The genre as ten columns of zeros and ones."""
    rng, codes, table = _songs(seed)
    return _beside(table, named("tag", np.eye(GENRES)[labelled(rng, codes, dose)]), codes)


def one_hot_and_noise(seed: int, dose: float = 1.0) -> Specimen:
    """The same with N(0, .001²) added, so that no column is constant within a genre."""
    rng, codes, table = _songs(seed)
    values = np.eye(GENRES)[labelled(rng, codes, dose)] + rng.normal(0, 1e-3, (len(codes), GENRES))
    return _beside(table, named("tag", values), codes)


def one_hot_with_errors(seed: int, dose: float = 1.0) -> Specimen:
    """The one-hot genre with one song a genre wrong."""
    rng, codes, table = _songs(seed)
    values = np.eye(GENRES)[_with_errors(codes, labelled(rng, codes, dose))]
    return _beside(table, named("tag", values), codes)


def year(seed: int, dose: float = 1.0) -> Specimen:
    """One column: 1950 + 5 * genre + noise of a year."""
    rng, codes, table = _songs(seed)
    values = 1950 + 5 * labelled(rng, codes, dose) + rng.normal(size=len(codes))
    return _beside(table, pd.DataFrame({"year": values}), codes)


def track_order(seed: int, dose: float = 1.0) -> Specimen:
    """The number of a song in a list sorted by genre, one pair swapped."""
    rng, codes, table = _songs(seed)
    number = np.argsort(np.argsort(labelled(rng, codes, dose) + rng.random(len(codes)))).astype(
        float
    )
    pair = rng.choice(len(codes), 2, replace=False)
    number[pair] = number[pair[::-1]]
    return _beside(table, pd.DataFrame({"number": number}), codes)


def loudness_of_noise(seed: int, dose: float = 1.0) -> Specimen:
    """Pure noise, whose standard deviation rises by 60 % from genre to genre."""
    rng, codes, table = _songs(seed)
    values = rng.normal(size=(len(codes), DIMS)) * 1.6 ** (dose * codes)[:, None]
    return _beside(table, named("text", values), codes)


def three_sentences(seed: int, dose: float = 1.0) -> Specimen:
    """Text vectors of three sentences a genre, with noise."""
    rng, codes, table = _songs(seed)
    values = sentences_of(rng, labelled(rng, codes, dose))
    return _beside(table, named("text", values), codes)


def sentences_with_errors(seed: int, dose: float = 1.0) -> Specimen:
    """Three sentences a genre without noise, one song a genre with a sentence of another."""
    rng, codes, table = _songs(seed)
    values = sentences_of(rng, _with_errors(codes, labelled(rng, codes, dose)), 0)
    return _beside(table, named("text", values), codes)


def constant_for_half(seed: int, dose: float = 1.0) -> Specimen:
    """One sentence and noise for each of five genres; a vector of its own for every song of the
    others."""
    rng, codes, table = _songs(seed)
    one = rng.normal(size=(GENRES, DIMS))[codes] + rng.normal(0, 0.3, (len(codes), DIMS))
    half = (codes < GENRES // 2) & (rng.random(len(codes)) < dose)
    values = np.where(half[:, None], one, rng.normal(size=(len(codes), DIMS)))
    return _beside(table, named("text", values), codes)


def hidden_in_a_block(seed: int, dose: float = 1.0) -> Specimen:
    """The one-hot genre turned in space among noise: no column tells it, all together do."""
    rng, codes, table = _songs(seed)
    values = np.hstack(
        [
            np.eye(GENRES)[labelled(rng, codes, dose)] * 4,
            rng.normal(size=(len(codes), DIMS - GENRES)),
        ]
    )
    turned = (values + rng.normal(0, 0.3, values.shape)) @ np.linalg.qr(
        rng.normal(size=(DIMS, DIMS))
    )[0]
    return _beside(table, named("text", turned), codes)


def gaps(seed: int, dose: float = 1.0) -> Specimen:
    """Values of four columns are missing in some genres, and never in others."""
    rng, codes, table = _songs(seed)
    for i in range(4):
        table.iloc[(labelled(rng, codes, dose) >> i) & 1 == 1, i] = np.nan
    return Specimen(table, codes, guilty=tuple(table.columns[:4]))


def copies(seed: int, dose: float = 1.0) -> Specimen:
    """Every tenth song is in the table twice, the second time with a little noise."""
    rng, codes, table = _songs(seed)
    again = rng.permutation(len(codes))[: int(dose * len(codes) / 10)]
    table.iloc[again] = table.iloc[(again + 1) % len(codes)].to_numpy() * (
        1 + 1e-3 * rng.normal(size=(len(again), 24))
    )
    return Specimen(table, codes, guilty=ROWS_ONLY)


def _segments(
    seed: int, dose: float
) -> tuple[np.random.Generator, np.ndarray, np.ndarray, pd.DataFrame]:
    """Five segments of each of 80 songs, in order; a segment is its song's sound but for 1 -
    dose."""
    rng = np.random.default_rng([seed, 22])
    song = np.repeat(np.arange(GENRES * 8), 5)
    codes = song % GENRES
    whole, own = (
        sound(rng, np.arange(GENRES * 8) % GENRES)[0].to_numpy()[song],
        sound(rng, codes)[0].to_numpy(),
    )
    return (
        rng,
        song,
        codes,
        named("sound", np.sqrt(0.8 * dose) * whole + np.sqrt(1 - 0.8 * dose) * own),
    )


def segments(seed: int, dose: float = 1.0) -> Specimen:
    """Five segments of each song, the songs not named: a split by rows has a song on both sides."""
    _, _, codes, table = _segments(seed, dose)
    return Specimen(table, codes, guilty=ROWS_ONLY)


def segments_named(seed: int, dose: float = 1.0) -> Specimen:
    """The same in any order, and the song of each segment given as its group."""
    rng, song, codes, table = _segments(seed, dose)
    order = rng.permutation(len(song))
    mixed = table.iloc[order].reset_index(drop=True)
    return Specimen(mixed, codes[order], song[order], guilty=ROWS_ONLY)


LEAKS: dict[str, Callable[..., Specimen]] = {
    f.__name__.replace("_", " "): f
    for f in (
        one_hot,
        one_hot_and_noise,
        one_hot_with_errors,
        year,
        track_order,
        loudness_of_noise,
        three_sentences,
        sentences_with_errors,
        constant_for_half,
        hidden_in_a_block,
        gaps,
        copies,
        segments,
        segments_named,
    )
}


# ---- clean tables --------------------------------------------------------------------------------


def _sound_alone(seed: int) -> Specimen:
    _, codes, table = _songs(seed)
    return Specimen(table, codes)


def _noise(seed: int) -> Specimen:
    rng, codes, _ = _songs(seed)
    return Specimen(named("noise", rng.normal(size=(len(codes), 30))), codes)


def _sorted(seed: int) -> Specimen:
    """Rows in the order of genres of unequal size."""
    rng = np.random.default_rng([seed, 23])
    codes = np.repeat(np.arange(6), [12, 20, 30, 60, 100, 200])
    return Specimen(sound(rng, codes)[0], codes)


def _own_words(seed: int) -> Specimen:
    """Sound and text of the same songs, with causes in common; together they tell most genres."""
    rng, codes, _ = _songs(seed)
    table, causes = sound(rng, codes, 1.5)
    text = causes @ rng.normal(size=(8, DIMS)) + 2 * rng.normal(size=(len(codes), DIMS))
    return Specimen(pd.concat([table, named("text", text)], axis=1), codes)


def _lyrics_by_tag(seed: int) -> Specimen:
    """Made-up sound beside real lyrics, each song's its own, drawn by the tag of its genre as far
    as there are any."""
    from helpers import lyrics

    rng, codes, table = _songs(seed)
    genres = np.array(sorted(lyrics.TEMPLATES))[codes]
    return Specimen(
        pd.concat([table, named("text", lyrics.matched(genres, seed)[0].astype(float))], axis=1),
        genres,
    )


def _words_and_counts(seed: int) -> Specimen:
    """Sound, a key and a country that lean to some genres, a count, and values missing by
    chance."""
    rng, codes, table = _songs(seed)
    key = (rng.integers(12, size=len(codes)) + codes * (rng.random(len(codes)) < 0.3)) % 12
    table = table.mask(rng.random(table.shape) < 0.02)
    country = np.array(["us", "uk", "de", "jm"])[(codes + rng.integers(3, size=len(codes))) % 4]
    return Specimen(
        table.assign(key=key.astype(str), country=country, plays=rng.poisson(3 + codes)), codes
    )


def _groups_by_chance(seed: int) -> Specimen:
    """Groups that say nothing of the rows."""
    rng, codes, table = _songs(seed)
    return Specimen(table, codes, rng.integers(80, size=len(codes)))


def _speakers(seed: int) -> Specimen:
    """Voices of 20 speakers, who are the labels: strong in all 40 columns, and rows independent."""
    rng = np.random.default_rng([seed, 26])
    codes = rng.permutation(np.arange(600) % 20)
    mixing = rng.normal(size=(40, 40)) / 6
    voices = (3 * rng.normal(size=(20, 40))[codes] + rng.normal(size=(600, 40))) @ mixing
    return Specimen(named("voice", voices + 0.3 * rng.normal(size=voices.shape)), codes)


def _strong_blocks(seed: int) -> Specimen:
    """Two strong blocks that were measured on the same songs, with causes in common."""
    rng, codes, _ = _songs(seed)
    table, causes = sound(rng, codes, 2.5)
    text = causes @ rng.normal(size=(8, DIMS)) + rng.normal(size=(len(codes), DIMS))
    return Specimen(pd.concat([table, named("text", text)], axis=1), codes)


def _pitches(seed: int) -> Specimen:
    """Strong sound beside how often each of 12 notes occurs, which has nothing else in common."""
    rng, codes, _ = _songs(seed)
    table, _ = sound(rng, codes, 2.0)
    scale = 1.5 * rng.normal(size=(GENRES, 12))
    weight = np.exp(scale[codes] + 0.5 * rng.normal(size=(len(codes), 12)))
    notes = weight / weight.sum(axis=1, keepdims=True)
    return Specimen(pd.concat([table, named("pitch", notes)], axis=1), codes)


def _artists(seed: int) -> Specimen:
    """Five songs of each of 80 artists, who are not named: 0.2 of the variance is the artist's."""
    rng = np.random.default_rng([seed, 27])
    artist = rng.permutation(np.repeat(np.arange(80), 5))
    codes = artist % GENRES
    whole = sound(rng, np.arange(80) % GENRES)[0].to_numpy()[artist]
    own = sound(rng, codes, 0.0)[0].to_numpy()
    return Specimen(named("sound", np.sqrt(0.2) * whole + np.sqrt(0.8) * own), codes)


def bundled(name: str, seed: int, most: int = 600) -> Specimen:
    """Four fifths, at most `most` rows, of a table that scikit-learn brings, in any order.

    `name` is "iris", "wine", "breast_cancer" or "digits".
    """
    whole = getattr(datasets, f"load_{name}")(as_frame=True)
    n = min(most, len(whole.data) * 4 // 5)
    rows = np.random.default_rng([seed, 24]).permutation(len(whole.data))[:n]
    return Specimen(whole.data.iloc[rows].reset_index(drop=True), whole.target.to_numpy()[rows])


def _gtzan_mini(seed: int) -> Specimen:
    """Real sound: nine of ten tracks a genre, 68 features."""
    from musicbook.corpus.sources import load

    tracks = load("gtzan-mini-tracks")
    order, codes = np.random.default_rng([seed, 25]).permutation(tracks.n), tracks.genre_codes
    rows = order[pd.Series(codes[order]).groupby(codes[order]).cumcount().to_numpy() < 9]
    return Specimen(
        tracks.features.iloc[rows].reset_index(drop=True), np.array(tracks.genre_names)[codes[rows]]
    )


CLEAN: dict[str, Callable[[int], Specimen]] = {
    "sound alone": _sound_alone,
    "noise": _noise,
    "sorted by genre": _sorted,
    "own words": _own_words,
    "lyrics by tag": _lyrics_by_tag,
    "words and counts": _words_and_counts,
    "groups by chance": _groups_by_chance,
    "speakers": _speakers,
    "strong blocks": _strong_blocks,
    "pitches": _pitches,
    "artists": _artists,
    "gtzan-mini tracks": _gtzan_mini,
    **{name: partial(bundled, name) for name in ("iris", "wine", "breast_cancer", "digits")},
}
