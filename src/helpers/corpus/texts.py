"""Making what `lyrics` reads: the bank of embedded real texts, and the vectors of our own sentences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from ..cache import write_atomically
from ..lyrics import EXCERPT, EXCERPTS_PER_TAG, Bank, _sentences, sha256
from .embedding import embed


def build_bank(table: pd.DataFrame, *, client=None, quiet: bool = False) -> Bank:
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
    vectors = embed(wanted, client=client, quiet=quiet)
    return Bank(vectors, tag[rows], language[rows], np.array([sha256(whole[i]).hex() for i in rows]), chars)


def save_bank(texts: Bank, path: str | Path) -> Path:
    """Write a bank as .npz (vectors float16, hashes as bytes); the same bank gives the same bytes."""

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
    sentences = _sentences()
    vectors = embed(sentences, quiet=True).astype("<f2")
    sha = np.frombuffer(b"".join(map(sha256, sentences)), np.uint8).reshape(-1, 32)

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.savez_compressed(handle, vectors=vectors, sha=sha)

    return write_atomically(path, write)
