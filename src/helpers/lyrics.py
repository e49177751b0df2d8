"""Lyrics: a bank of embedded real texts, and the text channels that the three protocols give to the tracks.

GTZAN has no lyrics of its own.  The paper pairs its tracks with Genius texts by genre; the released code mostly wrote
sentences instead.  Each channel below is one of these choices, or a control.  Used on pages
"Hybrid features", "Advanced VAEs" and "Data".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from .datasets import data_dir
from .embedding import DIMS, Store, embed, sha256
from .genius import scan
from .sentences import CONSTANTS, TEMPLATES

__all__ = [
    "CONSTANTS", "GENRE_TAG", "TEMPLATES", "Bank", "Store", "bank", "build_bank", "build_sentences", "constant",
    "embed", "matched", "save_bank", "scan", "sentence_vectors", "shuffled", "template",
]  # fmt: skip

GENRE_TAG = {"hiphop": "rap", "rock": "rock", "metal": "rock", "pop": "pop", "country": "country", "blues": "rb"}
EXCERPT = 500  # characters of a text that the released code embedded in phase 3
EXCERPTS_PER_TAG = 100


@dataclass(frozen=True)
class Bank:
    """Embedded real lyrics without their text.

    `vectors` (n, 384) float32; `tag`, `language` (n,) str (language "" where unknown); `sha` (n,) hex SHA-256 of the
    whole text; `chars` (n,) int: 0 for a vector of the whole text, 500 for one of its first 500 characters.
    """

    vectors: np.ndarray
    tag: np.ndarray
    language: np.ndarray
    sha: np.ndarray
    chars: np.ndarray

    def rows(self, tag: str | None = None, language: str | None = "en", chars: int = 0) -> np.ndarray:
        """Positions of the vectors of a tag (None: any) and language (None: any), in the order of the bank."""
        keep = self.chars == chars
        if tag is not None:
            keep &= self.tag == tag
        if language is not None:
            keep &= self.language == language
        return np.flatnonzero(keep)


@lru_cache(maxsize=4)
def bank(path: str | Path | None = None) -> Bank:
    """Load the bank of embedded lyrics: by default the reader's own larger one (`data/raw/lyrics_bank.npz`, from
    `make data GENIUS=...`) where there is one, else the committed `data/lyrics_bank.npz`.

    Raises FileNotFoundError when it is not there, ValueError when it is damaged.
    """
    own = data_dir() / "raw" / "lyrics_bank.npz"
    path = Path(path) if path else own if own.exists() else data_dir() / "lyrics_bank.npz"
    if not path.exists():
        raise FileNotFoundError(f"{path}: no bank of lyrics embeddings; `python -m helpers lyrics` makes one")
    with np.load(path) as z:
        loaded = Bank(
            z["vectors"].astype(np.float32), z["tag"].astype(str), z["language"].astype(str),
            np.array([row.tobytes().hex() for row in z["sha"]]), z["chars"].astype(int),
        )  # fmt: skip
    if loaded.vectors.shape != (len(loaded.tag), DIMS) or not np.isfinite(loaded.vectors).all():
        raise ValueError(f"{path}: damaged bank of vectors {loaded.vectors.shape}; restore or rebuild the file")
    return loaded


@lru_cache(maxsize=1)
def sentence_vectors() -> dict[str, np.ndarray]:
    """The committed embeddings, (384,) float32 each, of every sentence of `TEMPLATES` and `CONSTANTS`.

    Raises ValueError when a sentence was changed and its vector was not.
    """
    path = data_dir() / "sentences.npz"
    with np.load(path) as z:
        known = {row.tobytes(): v.astype(np.float32) for row, v in zip(z["sha"], z["vectors"], strict=True)}
    missing = [s for s in _sentences() if sha256(s) not in known]
    if missing:
        raise ValueError(f"{path}: no vector for {missing[0]!r}; run `python -m helpers embedded sentences`")
    return {s: known[sha256(s)] for s in _sentences()}


def _sentences() -> list[str]:
    return [s for three in TEMPLATES.values() for s in three] + list(CONSTANTS.values())


def _check_genres(genres: Sequence[str]) -> np.ndarray:
    genres = np.asarray(genres, dtype=str)
    unknown = sorted(set(genres) - set(TEMPLATES))
    if unknown:
        raise ValueError(f"no lyrics are known for the genre {str(unknown[0])!r}; known: {', '.join(TEMPLATES)}")
    return genres


def matched(
    genres: Sequence[str], seed: int, *, groups: Sequence[str] | None = None, language: str | None = "en",
    texts: Bank | None = None,
) -> tuple[np.ndarray, pd.DataFrame]:  # fmt: skip
    """Give every track a real text of its genre's Genius tag, drawn without replacement.

    `genres` (n,) str; with `groups` (n,) rows of one group (segments of a track) share one text.  Tracks whose genre
    has no tag, or whose tag has run out, get texts drawn without replacement from the rest of the bank; a text is used
    twice only when the bank is exhausted.  `language=None` admits every language.
    Returns `(V, report)`: V (n, 384) float32; report with genre, tag, n_tracks, n_from_tag, n_from_rest, n_reused.
    Raises ValueError for an unknown genre, for a genre with two labels in one group, or an empty selection.
    Source: Karim (2026), section 3, as the `written` and `controlled` protocols have it.
    """
    genres = _check_genres(genres)
    groups = np.arange(len(genres)).astype(str) if groups is None else np.asarray(groups, dtype=str)
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    own = genres[first]
    if (own[inverse] != genres).any():
        raise ValueError(f"group {groups[np.argmax(own[inverse] != genres)]!r} holds rows of several genres")
    texts = texts or bank()
    if not len(texts.rows(None, language)):
        raise ValueError(f"the bank has no texts in language {language!r}; there are: {sorted(set(texts.language))}")
    rng = np.random.default_rng(seed)
    chosen = np.full(len(own), -1)
    for tag in sorted(set(GENRE_TAG.values())):
        tracks = rng.permutation(np.flatnonzero([GENRE_TAG.get(g) == tag for g in own]))
        pool = rng.permutation(texts.rows(tag, language))
        n = min(len(tracks), len(pool))
        chosen[tracks[:n]] = pool[:n]
    from_tag = chosen >= 0
    left = rng.permutation(np.flatnonzero(~from_tag))
    pool = rng.permutation(np.setdiff1d(texts.rows(None, language), chosen[from_tag]))
    reused = np.zeros(len(own), bool)
    while len(left):
        n = min(len(left), len(pool))
        chosen[left[:n]] = pool[:n]
        left = left[n:]
        reused[left] = True
        pool = rng.permutation(texts.rows(None, language))
    report = pd.DataFrame(
        [
            [g, GENRE_TAG.get(g, ""), int(m.sum()), int((from_tag & m).sum()), int((~from_tag & m).sum()),
             int((reused & m).sum())]
            for g in sorted(set(own)) for m in [own == g]
        ],
        columns=["genre", "tag", "n_tracks", "n_from_tag", "n_from_rest", "n_reused"],
    )  # fmt: skip
    return texts.vectors[chosen[inverse]], report


def shuffled(V: np.ndarray, seed: int) -> np.ndarray:
    """Control: the rows of `V` (n, d) in random order, so that no text belongs to its track any more."""
    return V[np.random.default_rng(seed).permutation(len(V))]


def template(genres: Sequence[str], seed: int, *, noise: float = 0.05) -> np.ndarray:
    """Phase 2 of the released code: the genre's three sentences in turn, plus Gaussian noise of deviation `noise`.

    The text is a function of the label: a leak, kept to show what it does.  `genres` (n,) str; returns (n, 384)
    float32.  Raises ValueError for an unknown genre.
    """
    genres = _check_genres(genres)
    vectors = sentence_vectors()
    V = np.empty((len(genres), DIMS), np.float32)
    for g in set(genres):
        rows = np.flatnonzero(genres == g)
        V[rows] = [vectors[TEMPLATES[g][i % 3]] for i in range(len(rows))]
    return _noisy(V, noise, seed)


def constant(
    genres: Sequence[str], seed: int, *, noise: float = 0.02, texts: Bank | None = None
) -> tuple[np.ndarray, pd.DataFrame]:
    """Phase 3 of the released code: one constant sentence for five genres, excerpts of real texts for the rest.

    hiphop, rock, metal, pop and country take the first 500 characters of the first 100 texts of their tag in turn;
    metal takes the same as rock. A tag with fewer than 100 texts (country has 11 in the bank) is filled up with whole
    texts of other tags that no genre uses, so that a genre has as many different texts as the released code gave it;
    the report counts them.
    `genres` (n,) str; returns `(V, report)`: V (n, 384) float32, noise of standard deviation `noise` added; report
    with genre, tag, n_tracks, n_texts, n_from_tag, n_from_rest.
    Raises ValueError for an unknown genre or a tag without texts.
    """
    genres = _check_genres(genres)
    texts = texts or bank()
    vectors = sentence_vectors()
    excerpts = texts.rows(None, chars=EXCERPT)
    unused = np.flatnonzero((texts.chars == 0) & (texts.language == "en") & ~np.isin(texts.sha, texts.sha[excerpts]))
    V = np.empty((len(genres), DIMS), np.float32)
    rows_of_report = []
    for g in sorted(set(genres)):
        rows = np.flatnonzero(genres == g)
        if g in CONSTANTS:
            V[rows] = vectors[CONSTANTS[g]]
            rows_of_report.append([g, "", len(rows), 1, 0, 0])
            continue
        own = texts.rows(GENRE_TAG[g], chars=EXCERPT)[:EXCERPTS_PER_TAG]
        if not len(own):
            raise ValueError(f"the bank has no 500-character texts of the tag {GENRE_TAG[g]!r}, needed for {g}")
        rest = unused[: EXCERPTS_PER_TAG - len(own)]
        pool = np.concatenate([own, rest])[: len(rows)]
        V[rows] = texts.vectors[pool[np.arange(len(rows)) % len(pool)]]
        n_own = min(len(own), len(pool))
        rows_of_report.append([g, GENRE_TAG[g], len(rows), len(pool), n_own, len(pool) - n_own])
    report = pd.DataFrame(
        rows_of_report, columns=["genre", "tag", "n_tracks", "n_texts", "n_from_tag", "n_from_rest"]
    )
    return _noisy(V, noise, seed), report


def _noisy(V: np.ndarray, noise: float, seed: int) -> np.ndarray:
    return V + np.random.default_rng(seed).normal(0.0, noise, V.shape).astype(np.float32)


def build_bank(table: pd.DataFrame, store: str | Path | None = None, *, client=None, quiet: bool = False) -> Bank:
    """Embed a table of lyrics (columns `lyrics`, `tag`, `language`): every whole text, and the excerpts of `constant`.

    The excerpts are the first 500 characters of the first 100 English texts of rap, rock, pop and country.
    """
    whole = table["lyrics"].str.strip().to_numpy(object)
    tag = table["tag"].to_numpy(str)
    language = table["language"].fillna("").to_numpy(str)
    short = [
        i
        for t in ("country", "pop", "rap", "rock")
        for i in np.flatnonzero((tag == t) & (language == "en"))[:EXCERPTS_PER_TAG]
    ]
    rows = np.concatenate([np.arange(len(table)), np.array(short, dtype=int)])
    chars = np.repeat([0, EXCERPT], [len(table), len(short)])
    wanted = [whole[i][:c] if c else whole[i] for i, c in zip(rows, chars, strict=True)]
    vectors = embed(wanted, store, client=client, quiet=quiet)
    return Bank(vectors, tag[rows], language[rows], np.array([sha256(whole[i]).hex() for i in rows]), chars)


def save_bank(texts: Bank, path: str | Path) -> Path:
    """Write a bank as .npz (vectors float16, hashes as bytes); the same bank gives the same bytes."""
    from .jobs import write_atomically

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.savez_compressed(
                handle, vectors=texts.vectors.astype("<f2"), tag=texts.tag.astype("S"),
                language=texts.language.astype("S"), chars=texts.chars.astype("<i4"),
                sha=np.frombuffer(bytes.fromhex("".join(texts.sha)), np.uint8).reshape(-1, 32),
            )  # fmt: skip

    return write_atomically(path, write)


def build_sentences(path: str | Path) -> Path:
    """Embed the sentences of `TEMPLATES` and `CONSTANTS` and write their vectors (`data/sentences.npz`)."""
    from .jobs import write_atomically

    sentences = _sentences()
    vectors = embed(sentences, quiet=True).astype("<f2")
    sha = np.frombuffer(b"".join(map(sha256, sentences)), np.uint8).reshape(-1, 32)

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.savez_compressed(handle, vectors=vectors, sha=sha)

    return write_atomically(path, write)
