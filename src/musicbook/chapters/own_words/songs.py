"""The songs of the page "Songs with their own words": which they are, what is asked of them, and
the controls that swap their words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers import escape, inputs
from helpers.shown import short_repr_of
from helpers.tracks import Tracks
from musicbook.corpus import paired
from musicbook.corpus.embedding import without_language
from musicbook.corpus.encoders import ENCODERS
from musicbook.corpus.sources import load

KEPT = 0.95  # share of the words' variance that their principal components keep
FEWEST = 20  # songs with words that the page needs
SMALLEST, LEAST = 0.015, 5  # a class that is scored: its share of the songs, and how many at least
SILENCE = 1e-3  # mean loudness (RMS) below which a song cannot be heard; music has 0.01 to 0.5
OWN = "own words"
WITHIN = "words shuffled within language"
OVER = "words shuffled over all"
SOUND, WORDS = "sound alone", "words alone"

Blocks = dict[str, np.ndarray]
Codes = dict[str, np.ndarray]


def songs_with_words(dataset: str) -> tuple[Tracks, str]:
    """The songs of `dataset` that have words of their own, and a sentence on which these are; the
    book's thousand where none of its tracks has any. ValueError for fewer than FEWEST, and for
    words that are all the same."""
    tracks, note = load(dataset), ""
    name = escape.markup(tracks.name)
    if tracks.text is None:
        note = (
            f"The tracks of {name} have no words of their own, so this page shows the book's "
            "paired songs. "
        )
        tracks = load("paired")
        name = tracks.name
    words = tracks.text.to_numpy()  # type: ignore[union-attr]
    if np.ptp(words, axis=0).max() <= 1e-9:
        raise ValueError(
            f"{tracks.name}: all songs have the same words, from which nothing can be learnt."
        )
    # A song without a text was given the mean of all, or of those of its language: no words.
    worded = np.abs(words - words.mean(axis=0)).max(axis=1) > 1e-9
    there = worded & audible(tracks)
    if there.sum() < FEWEST:
        raise ValueError(
            f"{tracks.name}: {there.sum()} songs have words of their own; this page needs {FEWEST}."
        )
    note += f"**{name}**: "
    if there.all():
        return tracks, f"{note}{tracks.n} songs{_grouped(tracks, there)}."
    gone = {"without words": ~worded, "with silent sound": worded & ~there}
    counts = [f"{rows.sum()} {why}" for why, rows in gone.items() if rows.any()]
    note += f"{tracks.n} songs. We leave out {' and '.join(counts)}. "
    note += f"So {there.sum()} songs{_grouped(tracks, there)} remain."
    return tracks.rows(there), note


def audible(tracks: Tracks) -> np.ndarray:
    """Which songs can be heard, (n,) bool: all but those whose mean loudness is below SILENCE, and
    all where the features do not tell the loudness."""
    if "rms_mean" not in tracks.features:
        return np.ones(tracks.n, bool)
    return tracks.features["rms_mean"].to_numpy() >= SILENCE


def audible_songs(encoder: str) -> Tracks:
    """The book's songs (`paired.songs`) less the one whose preview is silent."""
    tracks = paired.songs(encoder)
    return tracks.rows(audible(tracks), tracks.name)


def _grouped(tracks: Tracks, there: np.ndarray) -> str:
    groups = len(set(tracks.groups[there]))
    if tracks.name == "paired":
        return f" of {groups} artists"
    if groups < there.sum():
        return f" in {groups} groups (an artist's, where artists are known, and doubles)"
    return ""


def readings(tracks: Tracks) -> dict[str, Tracks]:
    """The same songs once for each encoder that their words were read by, {title: tracks}: two for
    the book's songs, one for a collection of the reader's."""
    if tracks.name == "paired":
        return {ENCODERS[name].title: audible_songs(name) for name in ("minilm", "use")}
    name = tracks.provenance.get("encoder", "")
    title = ENCODERS[name].title if name in ENCODERS else "words"
    return {title: tracks}


def targets(tracks: Tracks) -> Codes:
    """Every label that can be scored, and each label but the language within each language: name ->
    codes (n,), -1 for songs that have none or are of a class of too few songs. Empty without
    labels."""
    codes, least = {}, least_songs(tracks.n)
    language = tracks.labels.get("language")
    for name, values in tracks.labels.items():
        codes[name] = _codes(values, values != "", least)
        if language is None or name == "language":
            continue
        for one in np.unique(language):
            here = language == one
            if (values[here] != "").mean() > 0.8:  # labels of fewer songs get too thin
                codes[f"{name}, {one} only"] = _codes(values, here & (values != ""), least)
    return {name: found for name, found in codes.items() if found.max() > 0}


def least_songs(n: int) -> int:
    """How many of n songs a class must have to be scored."""
    return max(LEAST, round(SMALLEST * n))


def over_all_languages(labels: Codes) -> Codes:
    """Those of `targets` that are not of one language alone."""
    return {name: codes for name, codes in labels.items() if not name.endswith(" only")}


def _codes(values: np.ndarray, here: np.ndarray, least: int) -> np.ndarray:
    names, counts = np.unique(values[here], return_counts=True)
    kept = names[counts >= least]
    codes = np.full(len(values), -1)
    if len(kept) > 1:
        for code, name in enumerate(kept):
            codes[here & (values == name)] = code
    return codes


# ---- sound and words, row for row ----------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """Sound (n, any), z-scored; words (n, d), principal components with the variances that they
    have; and the language of each song, (n,) str, None where it is not known."""

    sound: np.ndarray
    words: np.ndarray
    language: np.ndarray | None = None

    def order(self, control: str, seed: int) -> np.ndarray:
        """Whose words each song gets, (n,): its own, those of another song of its language, or of
        any other song."""
        n = len(self.words)
        rng, order = np.random.default_rng([seed, 5]), np.arange(n)
        if control not in (WITHIN, OVER):
            return order
        kinds = np.zeros(n)
        if control == WITHIN and self.language is not None:
            kinds = self.language
        for kind in np.unique(kinds):
            here = np.flatnonzero(kinds == kind)
            order[here] = here[rng.permutation(len(here))]
        return order

    def blocks(self, control: str, seed: int) -> Blocks:
        """What a fusion is given under a control."""
        if control == SOUND:
            return {"sound": self.sound}
        words = self.words[self.order(control, seed)]
        if control == WORDS:
            return {"words": words}
        return {"sound": self.sound, "words": words}


short_repr_of(Pair)


def remove(vectors: np.ndarray, language: np.ndarray | None, what: str) -> np.ndarray:
    """Vectors (n, d) less the mean of each "language", or less their first "direction" (principal
    component); as they are for "" and where no language is known."""
    if what == "direction":
        return without_directions(vectors, 1)
    if what == "language" and language is not None:
        return without_language(vectors, language)
    return vectors


def without_directions(vectors: np.ndarray, n: int) -> np.ndarray:
    """Vectors (n, d), centred, without their n largest principal components."""
    centred = vectors - vectors.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    return centred - centred @ axes[:n].T @ axes[:n]


def pair_of(tracks: Tracks, kept: int | float = KEPT, removed: str = "") -> Pair:
    """The two modalities of songs with words, as every fusion takes them.

    `kept` is a number of components of the words, or the share of their variance to keep.
    `removed` is taken off the whole vectors before (`remove`)."""
    language = tracks.labels.get("language")
    text = remove(tracks.text.to_numpy(), language, removed)  # type: ignore[union-attr]
    words, _ = inputs.reduce_text(text, kept)
    return Pair(inputs.zscore(tracks.features.to_numpy()), words, language)


def with_shuffled_words(tracks: Tracks) -> str:
    """The control of shuffled words that these songs can have: within language where there are
    several, else over all."""
    several = len(set(tracks.labels.get("language", ()))) > 1
    return WITHIN if several else OVER
