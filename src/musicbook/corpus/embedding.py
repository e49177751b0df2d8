"""Sentence embeddings of texts, each computed once, and what `lyrics` reads of them: the bank of
embedded real texts, and the vectors of our own sentences.

`musicbook.corpus.encoders` holds the networks. The store knows a text by its SHA-256, so that
nothing is embedded twice and no text is ever stored."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from helpers import store
from helpers.lyrics import EXCERPT, EXCERPTS_PER_TAG, Bank, _sentences, sha256
from musicbook.corpus.encoders import TOKENS, encoder_of, minilm_tokenizer
from musicbook.corpus.long_jobs import run_job

BATCH = 32
FEWEST = 5  # texts of a language whose mean is taken off by itself


def encode_batch(texts: list[str], encoder: str) -> list[dict[str, np.ndarray]]:
    """A unit vector (dims,) of each text of a batch, in the precision that is kept."""
    rows = encoder_of(encoder).encode(texts)
    return [{"vector": row} for row in rows]


def longer(texts: Sequence[str], encoder: str = "minilm") -> int:
    """How many texts are longer than what an encoder reads of them."""
    limit = encoder_of(encoder).characters
    if limit is not None:
        return sum(len(text) > limit for text in texts)
    encoded = minilm_tokenizer().encode_batch(list(texts))
    return sum(len(one.ids) > TOKENS for one in encoded)


def pieces(text: str, encoder: str = "minilm") -> list[str]:
    """A text in pieces that an encoder reads whole; a piece ends between two words where it can."""
    limit = encoder_of(encoder).characters
    if limit is None:
        return _token_pieces(text) or [text]
    parts, rest = [], text
    while len(rest) > limit:
        end = max(rest.rfind(" ", 1, limit), rest.rfind("\n", 1, limit))
        end = end if end > 0 else limit
        parts.append(rest[:end])
        rest = rest[end:].lstrip()
    return [*parts, rest] if rest else parts


def _token_pieces(text: str) -> list[str]:
    spans = [span for span in minilm_tokenizer().encode(text).offsets if span[0] < span[1]]
    step = TOKENS - 2
    parts = []
    for start in range(0, len(spans), step):
        last = min(start + step, len(spans)) - 1
        parts.append(text[spans[start][0] : spans[last][1]])
    return parts


def embed_texts(
    texts: Sequence[str],
    *,
    encoder: str = "minilm",
    windows: bool = False,
    client=None,
    quiet: bool = False,
) -> np.ndarray:
    """Vectors of texts by a sentence encoder of `encoders.ENCODERS`; the same text is embedded
    once, and never again where the store has it.

    An encoder reads the beginning of a long text (MiniLM 256 tokens, the others 1000 characters);
    with `windows` it is the mean of the vectors of its pieces, of unit length. Distinct texts are
    sorted by length, so that a batch of 32 wastes little on padding. A text's vector depends on its
    batch by rounding only. `client` is a dask.distributed Client. Returns (n, dims) float32, of
    unit length (MiniLM: up to the float16 that is stored). Raises ValueError for a text that is
    empty or not a string and for an unknown encoder, FileNotFoundError without weights. Pages
    "Hybrid features" and "Songs with their own words"."""
    chosen = encoder_of(encoder)
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            what = "empty" if isinstance(text, str) else type(text).__name__
            raise ValueError(f"text {i} is {what}: nothing to embed")
    if windows:
        return _mean_of_pieces(texts, encoder, client, quiet)
    read = list(texts)
    if chosen.characters is not None:
        read = [text.strip()[: chosen.characters] for text in texts]
    names = [sha256(text).hex() for text in read]
    distinct = dict(zip(names, read, strict=True))
    order = sorted(distinct, key=lambda name: (-len(distinct[name]), name))
    items = {name: distinct[name] for name in order}
    done, _ = run_job(
        partial(encode_batch, encoder=encoder),
        items,
        {name: store.key(encode_batch, encoder, chosen.sha256, name) for name in items},
        batch=BATCH,
        leave_out=False,
        client=client,
        title="embedding",
        unit="text",
        quiet=quiet,
    )
    place = {name: i for i, name in enumerate(done)}
    rows = [made["vector"] for made in done.values()]  # read in their order
    vectors = np.array(rows, np.float32).reshape(-1, chosen.dims)
    return vectors[[place[name] for name in names]]


def _mean_of_pieces(texts: Sequence[str], encoder: str, client, quiet: bool) -> np.ndarray:
    parts = [pieces(text, encoder) for text in texts]
    flat = [piece for some in parts for piece in some]
    vectors = embed_texts(flat, encoder=encoder, client=client, quiet=quiet)
    if not flat:
        return vectors
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    return normalize(np.add.reduceat(vectors, starts, axis=0))


def without_language(vectors: np.ndarray, language: np.ndarray) -> np.ndarray:
    """Vectors (n, d) less the mean of their language (n,) str; languages of fewer than FEWEST texts
    share one mean."""
    names, which, counts = np.unique(language, return_inverse=True, return_counts=True)
    rare = counts < FEWEST
    which = np.where(rare[which], len(names), which)
    centred = np.array(vectors, dtype=float)
    for one in np.unique(which):
        centred[which == one] -= centred[which == one].mean(axis=0)
    return centred


# ---- what `lyrics` reads -------------------------------------------------------------------------


def build_bank(table: pd.DataFrame, *, client=None, quiet: bool = False) -> Bank:
    """Embed a table of lyrics (columns `lyrics`, `tag`, `language`): every whole text, and the
    excerpts of `constant`.

    The excerpts are the first 500 characters of the first 100 English texts of rap, rock, pop and
    country."""
    whole = table["lyrics"].str.strip().to_numpy(object)
    tag = table["tag"].to_numpy(str)
    language = table["language"].fillna("").to_numpy(str)
    short = []
    for one in ("country", "pop", "rap", "rock"):
        english = np.flatnonzero((tag == one) & (language == "en"))
        short.append(english[:EXCERPTS_PER_TAG])
    n_short = sum(map(len, short))
    rows = np.concatenate([np.arange(len(table)), *short])
    chars = np.repeat([0, EXCERPT], [len(table), n_short])
    wanted = [whole[i][: c or None] for i, c in zip(rows, chars, strict=True)]
    vectors = embed_texts(wanted, client=client, quiet=quiet)
    names = np.array([sha256(whole[i]).hex() for i in rows])
    return Bank(vectors, tag[rows], language[rows], names, chars)


def save_bank(texts: Bank, path: str | Path) -> Path:
    """Write a bank as .npz (vectors float16, hashes as bytes); the same bank gives the same
    bytes."""
    arrays = {
        "vectors": texts.vectors.astype("<f2"),
        "tag": texts.tag.astype("S"),
        "language": texts.language.astype("S"),
        "chars": texts.chars.astype("<i4"),
        "sha": np.frombuffer(bytes.fromhex("".join(texts.sha)), np.uint8).reshape(-1, 32),
    }
    return store.write_arrays(path, arrays)


def build_sentences(path: str | Path) -> Path:
    """Embed the sentences of `TEMPLATES` and `CONSTANTS` and write their vectors
    (`data/sentences.npz`)."""
    sentences = _sentences()
    vectors = embed_texts(sentences, quiet=True).astype("<f2")
    sha = np.frombuffer(b"".join(map(sha256, sentences)), np.uint8).reshape(-1, 32)
    return store.write_arrays(path, {"vectors": vectors, "sha": sha})
