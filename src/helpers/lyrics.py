"""Lyrics: a bank of embedded real texts, and the text channels that the three protocols give to the
tracks.

GTZAN has no lyrics of its own.  The paper pairs its tracks with Genius texts by genre; the released
code mostly wrote sentences instead.  Each channel below is one of these choices, or a control.
Used on pages "Hybrid features", "Advanced VAEs" and "Data"."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.shown import short_repr
from helpers.tracks import data_dir

# Our own sentences in place of the author's, whose code gave phase 2 three written sentences a
# genre, and phase 3 one constant sentence each for five genres: text that depends on nothing but
# the label.
TEMPLATES: dict[str, tuple[str, str, str]] = {
    "blues": (
        "I woke up alone this morning and the rain would not let me be.",
        "My baby caught the last train south and left her trouble here with me.",
        "Old guitar on a wooden porch, moaning low about a hard-luck life.",
    ),
    "classical": (
        "Strings rise softly over the horns as the second movement opens.",
        "A solo violin answers the orchestra in a slow minor theme.",
        "The pianist lets the last chord of the sonata fade in the concert hall.",
    ),
    "country": (
        "My pickup truck knows every mile of gravel to the farm.",
        "Mama sang in the kitchen while daddy fixed the fence.",
        "A steel guitar, a cold beer and a small town Friday night.",
    ),
    "disco": (
        "The mirror ball is turning and nobody wants to go home.",
        "Four on the floor, hands in the air, we are dancing until dawn.",
        "Put on your platform shoes and let the groove carry you away.",
    ),
    "hiphop": (
        "I grab the mic and spit these rhymes over a heavy drum loop.",
        "From the block to the top, my crew never stopped the hustle.",
        "The DJ cuts the record and the whole corner nods along.",
    ),
    "jazz": (
        "A muted trumpet wanders through smoke above the walking bass.",
        "The saxophone bends the melody and the brushes whisper behind it.",
        "After midnight the quartet stretches the standard into something new.",
    ),
    "metal": (
        "Iron thunder breaks the gates while the fires of war consume the sky.",
        "Scream into the void, the serpent wakes beneath the stone.",
        "Double kick and blackened strings march the legions to the grave.",
    ),
    "pop": (
        "You light up my whole world every time you call my name.",
        "Turn the radio up, this is our song for the summer.",
        "My heart keeps skipping beats whenever you are close to me.",
    ),
    "reggae": (
        "One drop rhythm by the sea, peace and unity for every nation.",
        "Babylon may fall but we keep singing redemption in the sun.",
        "Easy skanking on the offbeat, good vibes across the island.",
    ),
    "rock": (
        "Plug it in, turn it loud, we own the highway tonight.",
        "Broken amplifiers and a restless heart that will not settle down.",
        "The crowd is roaring as the guitar solo tears the roof away.",
    ),
}

CONSTANTS: dict[str, str] = {
    "blues": "A slow song about sorrow, lost love and a long road home.",
    "classical": "A piece for orchestra without any words.",
    "disco": "A glittering song for dancing all night under the lights.",
    "jazz": "An improvised tune that swings between brass, piano and bass.",
    "reggae": "A laid-back island song of hope, faith and freedom.",
}

GENRE_TAG = {
    "hiphop": "rap",
    "rock": "rock",
    "metal": "rock",
    "pop": "pop",
    "country": "country",
    "blues": "rb",
}
DIMS = 384  # of all-MiniLM-L6-v2
EXCERPT = 500  # characters of a text that the released code embedded in phase 3
EXCERPTS_PER_TAG = 100


@dataclass(frozen=True)
class Bank:
    """Embedded real lyrics without their text.

    `vectors` (n, 384) float32; `tag`, `language` (n,) str (language "" where unknown); `sha` (n,)
    hex SHA-256 of the whole text; `chars` (n,) int: 0 for a vector of the whole text, 500 for one
    of its first 500 characters."""

    vectors: np.ndarray
    tag: np.ndarray
    language: np.ndarray
    sha: np.ndarray
    chars: np.ndarray

    __repr__ = short_repr

    def rows(
        self, tag: str | None = None, language: str | None = "en", chars: int = 0
    ) -> np.ndarray:
        """Positions of the vectors of a tag (None: any) and language (None: any), in the order of
        the bank."""
        keep = self.chars == chars
        if tag is not None:
            keep &= self.tag == tag
        if language is not None:
            keep &= self.language == language
        return np.flatnonzero(keep)


@lru_cache(maxsize=4)
def bank(path: str | Path | None = None) -> Bank:
    """Load the bank of embedded lyrics: by default the reader's own larger one
    (`data/raw/lyrics_bank.npz`, from `make data GENIUS=...`) where there is one, else the committed
    `data/lyrics_bank.npz`.

    Raises FileNotFoundError when it is not there, ValueError when it is damaged.
    """
    if path is None:
        own = data_dir() / "raw" / "lyrics_bank.npz"
        path = own if own.exists() else data_dir() / "lyrics_bank.npz"
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no bank of lyrics embeddings; `python -m musicbook lyrics` makes one"
        )
    with np.load(path) as z:
        loaded = Bank(
            z["vectors"].astype(np.float32),
            z["tag"].astype(str),
            z["language"].astype(str),
            np.array([row.tobytes().hex() for row in z["sha"]]),
            z["chars"].astype(int),
        )
    if loaded.vectors.shape != (len(loaded.tag), DIMS) or not np.isfinite(loaded.vectors).all():
        raise ValueError(
            f"{path}: damaged bank of vectors {loaded.vectors.shape}; restore or rebuild the file"
        )
    return loaded


@lru_cache(maxsize=1)
def sentence_vectors() -> dict[str, np.ndarray]:
    """The committed embeddings, (384,) float32 each, of every sentence of `TEMPLATES` and
    `CONSTANTS`.

    Raises ValueError when a sentence was changed and its vector was not.
    """
    path = data_dir() / "sentences.npz"
    known = {}
    with np.load(path) as stored:
        for sha, vector in zip(stored["sha"], stored["vectors"], strict=True):
            known[sha.tobytes()] = vector.astype(np.float32)
    vectors = {}
    for sentence in _sentences():
        if sha256(sentence) not in known:
            raise ValueError(
                f"{path}: no vector for {sentence!r}; run `python -m musicbook embedded sentences`"
            )
        vectors[sentence] = known[sha256(sentence)]
    return vectors


def sha256(text: str) -> bytes:
    """The name of a text in banks and stores: the SHA-256 of its UTF-8 bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _sentences() -> list[str]:
    """All sentences of TEMPLATES and CONSTANTS."""
    templates = [sentence for three in TEMPLATES.values() for sentence in three]
    return templates + list(CONSTANTS.values())


def _check_genres(genres: Sequence[str] | np.ndarray) -> np.ndarray:
    genres = np.asarray(genres, dtype=str)
    unknown = sorted(set(genres) - set(TEMPLATES))
    if unknown:
        raise ValueError(
            f"no lyrics are known for the genre {str(unknown[0])!r}; known: {', '.join(TEMPLATES)}"
        )
    return genres


def matched(
    genres: Sequence[str] | np.ndarray,
    seed: int,
    *,
    groups: Sequence[str] | np.ndarray | None = None,
    language: str | None = "en",
    texts: Bank | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:
    """Give every track a real text of its genre's Genius tag, drawn without replacement.

    `genres` (n,) str; with `groups` (n,) rows of one group (segments of a track) share one text.
    Tracks whose genre has no tag, or whose tag has run out, get texts drawn without replacement
    from the rest of the bank; a text is used twice only when the bank is exhausted.
    `language=None` admits every language. Returns `(V, report)`: V (n, 384) float32; report with
    genre, tag, n_tracks, n_from_tag, n_from_rest, n_reused. Raises ValueError for an unknown genre,
    for a genre with two labels in one group, or an empty selection. Source: Karim (2026), section
    3, as the `written` and `controlled` protocols have it."""
    genres = _check_genres(genres)
    if groups is None:
        groups = np.arange(len(genres)).astype(str)
    groups = np.asarray(groups, dtype=str)
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    own = genres[first]  # the genre of each group
    mixed = own[inverse] != genres
    if mixed.any():
        raise ValueError(f"group {groups[np.argmax(mixed)]!r} holds rows of several genres")
    texts = texts or bank()
    if not len(texts.rows(None, language)):
        known = sorted(set(texts.language))
        raise ValueError(f"the bank has no texts in language {language!r}; there are: {known}")
    chosen, from_tag, reused = _draw_texts(own, texts, language, np.random.default_rng(seed))
    rows = []
    for genre in sorted(set(own)):
        mine = own == genre
        rows.append(
            {
                "genre": genre,
                "tag": GENRE_TAG.get(genre, ""),
                "n_tracks": int(mine.sum()),
                "n_from_tag": int((from_tag & mine).sum()),
                "n_from_rest": int((~from_tag & mine).sum()),
                "n_reused": int((reused & mine).sum()),
            }
        )
    return texts.vectors[chosen[inverse]], pd.DataFrame(rows)


def _draw_texts(
    genres: np.ndarray, texts: Bank, language: str | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A text for every genre of a track (n,): its position in the bank, whether it has the genre's
    tag, and whether it may have been used before."""
    chosen = np.full(len(genres), -1)
    tags = np.array([GENRE_TAG.get(genre, "") for genre in genres])
    for tag in sorted(set(GENRE_TAG.values())):
        tracks = rng.permutation(np.flatnonzero(tags == tag))
        pool = rng.permutation(texts.rows(tag, language))
        n = min(len(tracks), len(pool))
        chosen[tracks[:n]] = pool[:n]
    from_tag = chosen >= 0
    reused = np.zeros(len(genres), bool)
    left = rng.permutation(np.flatnonzero(~from_tag))
    pool = rng.permutation(np.setdiff1d(texts.rows(None, language), chosen[from_tag]))
    while len(left):
        n = min(len(left), len(pool))
        chosen[left[:n]] = pool[:n]
        left = left[n:]
        reused[left] = True  # the bank is used up and starts again
        pool = rng.permutation(texts.rows(None, language))
    return chosen, from_tag, reused


def shuffled(V: np.ndarray, seed: int) -> np.ndarray:
    """Control: the rows of `V` (n, d) in random order, so that no text belongs to its track any
    more."""
    return V[np.random.default_rng(seed).permutation(len(V))]


def template(genres: Sequence[str] | np.ndarray, seed: int, *, noise: float = 0.05) -> np.ndarray:
    """Phase 2 of the released code: the genre's three sentences in turn, plus Gaussian noise of
    deviation `noise`.

    The text is a function of the label: a leak, kept to show what it does.  `genres` (n,) str;
    returns (n, 384) float32.  Raises ValueError for an unknown genre."""
    genres = _check_genres(genres)
    vectors = sentence_vectors()
    V = np.empty((len(genres), DIMS), np.float32)
    for genre in set(genres):
        rows = np.flatnonzero(genres == genre)
        V[rows] = [vectors[TEMPLATES[genre][i % 3]] for i in range(len(rows))]
    return _noisy(V, noise, seed)


def constant(
    genres: Sequence[str] | np.ndarray, seed: int, *, noise: float = 0.02, texts: Bank | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Phase 3 of the released code: one constant sentence for five genres, excerpts of real texts
    for the rest.

    hiphop, rock, metal, pop and country take the first 500 characters of the first 100 texts of
    their tag in turn; metal takes the same as rock. A tag with fewer than 100 texts (country has 11
    in the bank) is filled up with whole texts of other tags that no genre uses, so that a genre has
    as many different texts as the released code gave it; the report counts them. `genres` (n,) str;
    returns `(V, report)`: V (n, 384) float32, noise of standard deviation `noise` added; report
    with genre, tag, n_tracks, n_texts, n_from_tag, n_from_rest. Raises ValueError for an unknown
    genre or a tag without texts."""
    genres = _check_genres(genres)
    texts = texts or bank()
    vectors = sentence_vectors()
    excerpts = texts.rows(None, chars=EXCERPT)
    whole = (texts.chars == 0) & (texts.language == "en")
    unused = np.flatnonzero(whole & ~np.isin(texts.sha, texts.sha[excerpts]))
    V = np.empty((len(genres), DIMS), np.float32)
    report = []
    for genre in sorted(set(genres)):
        rows = np.flatnonzero(genres == genre)
        if genre in CONSTANTS:
            V[rows] = vectors[CONSTANTS[genre]]
            report.append([genre, "", len(rows), 1, 0, 0])
            continue
        tag = GENRE_TAG[genre]
        own = texts.rows(tag, chars=EXCERPT)[:EXCERPTS_PER_TAG]
        if not len(own):
            raise ValueError(
                f"the bank has no 500-character texts of the tag {tag!r}, needed for {genre}"
            )
        rest = unused[: EXCERPTS_PER_TAG - len(own)]
        pool = np.concatenate([own, rest])[: len(rows)]
        V[rows] = texts.vectors[pool[np.arange(len(rows)) % len(pool)]]
        n_own = min(len(own), len(pool))
        report.append([genre, tag, len(rows), len(pool), n_own, len(pool) - n_own])
    columns = ["genre", "tag", "n_tracks", "n_texts", "n_from_tag", "n_from_rest"]
    return _noisy(V, noise, seed), pd.DataFrame(report, columns=columns)


def _noisy(V: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return V + np.random.default_rng(seed).normal(0.0, noise, V.shape).astype(np.float32)
