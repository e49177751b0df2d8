"""Sound as a network hears it that others trained on tags: musicnn (Pons & Serra 2019), in torch,
without TensorFlow.

Two sets of its weights are used: MTT, trained on MagnaTagATune (26,000 clips, tags mostly of
instruments and voices), and MSD, trained on the Million Song Dataset's Last.fm tags, which name
most of GTZAN's genres. Both lie, as TensorFlow checkpoints, in the package `musicnn` 0.1.0 on PyPI
(ISC licence); it is fetched once, checked and read, never installed or imported. Page "Pretrained
sound"."""

from __future__ import annotations

import ast
import hashlib
import logging
import math
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from helpers import store
from helpers.features import SR
from helpers.shown import short_repr_of
from helpers.tracks import Tracks, data_dir, made_data_dir
from musicbook.corpus import synth
from musicbook.corpus.acquire import find_gtzan
from musicbook.corpus.audio import load_audio
from musicbook.corpus.fast_features import _stamp
from musicbook.corpus.long_jobs import processes, run_job

log = logging.getLogger("helpers")

WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
EMBEDDINGS = {
    "musicnn": "MSD",
    "musicnn-mtt": "MTT",
}  # name of an embedding -> what its weights were trained on
RATE, N_FFT, HOP, BANDS = (
    16_000,
    512,
    256,
    96,
)  # Hz, samples, samples, mel bands: the front end of the original
PATCH = 187  # frames: 3 seconds, what the network hears at a time
# data sets whose sound was heard once and for all: MSD, MTT and MSD's tags, committed under data/
COMMITTED = {"gtzan-mini-tracks": "gtzan_mini_musicnn.npz", "demo": "demo_musicnn.npz"}
GENRE_TAGS = frozenset(
    (  # tags of the Million Song Dataset's fifty that name a genre or a style
        "rock",
        "pop",
        "alternative",
        "indie",
        "electronic",
        "dance",
        "alternative rock",
        "jazz",
        "metal",
        "classic rock",
        "soul",
        "indie rock",
        "electronica",
        "folk",
        "punk",
        "blues",
        "hard rock",
        "ambient",
        "Hip-Hop",
        "country",
        "easy listening",
        "funk",
        "electro",
        "heavy metal",
        "Progressive rock",
        "rnb",
        "indie pop",
        "House",
        "chillout",
    )
)


# ---- the weights ---------------------------------------------------------------------------------


def find_wheel() -> Path:
    """The package's file: what `$HELPERS_MUSICNN` names, else the copy beside the store, else a
    download by pip.

    Raises FileNotFoundError where there is none and none can be had, ValueError for a file that is
    not the one that the published numbers were computed with."""
    named, kept = os.environ.get("HELPERS_MUSICNN"), store.cache_dir() / WHEEL
    path = Path(named) if named else kept
    if not path.is_file():
        if named:
            raise FileNotFoundError(
                f"{path}: there is no such file; HELPERS_MUSICNN must name {WHEEL}"
            )
        _download(kept)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise ValueError(
            f"{path}: not {WHEEL} (sha256 {found[:12]}…, expected {WHEEL_SHA256[:12]}…); remove it "
            "and run this again, or set HELPERS_MUSICNN to the file from PyPI"
        )
    return path


def _download(path: Path) -> None:
    """musicnn's wheel by pip, without what it depends on (29 MB)."""
    log.warning("Fetching the weights of musicnn from PyPI, 29 MB, once.")
    with tempfile.TemporaryDirectory() as folder:
        pip = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--retries",
            "1",
            "--timeout",
            "15",
            "--no-deps",
            "--dest",
            folder,
            "musicnn==0.1.0",
        ]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode or not (made := Path(folder, WHEEL)).is_file():
            why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            raise FileNotFoundError(
                f"musicnn's weights are not here and pip cannot fetch them ({why}); run `pip "
                "download --no-deps "
                f"musicnn==0.1.0` where there is a network, and set HELPERS_MUSICNN to the file"
            )
        store.write_atomically(path, lambda to: to.write_bytes(made.read_bytes()))


@lru_cache(maxsize=2)
def weights(model: str) -> dict[str, Tensor]:
    """The variables of "MSD" or "MTT" by their TensorFlow names, without the optimiser's."""
    with zipfile.ZipFile(find_wheel()) as wheel:
        index, data = (
            wheel.read(f"musicnn/{model}_musicnn/{part}")
            for part in (".index", ".data-00000-of-00001")
        )
    return {
        name: torch.from_numpy(value)
        for name, value in read_checkpoint(index, data).items()
        if "Adam" not in name
    }


def tag_names(model: str) -> tuple[str, ...]:
    """The fifty tags of "MSD" or "MTT", in the order of the network's outputs, as the package lists
    them."""
    with zipfile.ZipFile(find_wheel()) as wheel:
        tree = ast.parse(wheel.read("musicnn/configuration.py"))
    return next(
        tuple(ast.literal_eval(node.value))
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"{model}_LABELS"
    )


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """The float variables of a TensorFlow checkpoint (V2, one shard): `index` is a LevelDB table of
    protocol buffers (name -> type, shape, place), `data` the raw numbers. Nothing is unpickled.
    ValueError for anything else."""
    try:
        if index[-8:] != bytes.fromhex("57fb808b247547db"):
            raise ValueError("the table's last bytes are others")
        footer = _varints(index[-48:])
        _, _, at, size = (next(footer) for _ in range(4))
        found = {}
        for _, place in _entries(index, at, size):
            for name, entry in _entries(index, *_first(place, 2)):
                fields = _message(entry)
                if name and fields.get(1, [0])[0] == 1:  # DT_FLOAT
                    shape = [
                        _message(dim)[1][0] for dim in _message(fields.get(2, [b""])[0]).get(2, [])
                    ]
                    start, length = fields.get(4, [0])[0], fields[5][0]
                    values = np.frombuffer(data[start : start + length], "<f4")
                    found[name.decode()] = values.reshape(shape).copy()
        return found
    except (IndexError, KeyError, StopIteration, ValueError, struct.error) as error:
        raise ValueError(
            f"this is not a TensorFlow checkpoint that can be read here ({error})"
        ) from None


def _varints(block: bytes, at: int = 0) -> Iterator[int]:
    while at < len(block):
        value, shift = 0, 0
        while True:
            byte = block[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                break
        yield value


def _first(block: bytes, n: int, at: int = 0) -> list[int]:
    numbers = _varints(block, at)
    return [next(numbers) for _ in range(n)]


def _width(value: int) -> int:
    return max(1, -(-value.bit_length() // 7))


def _entries(table: bytes, at: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of one block of a LevelDB table; a key tells how much it shares with the one
    before."""
    block, key, i = table[at : at + size], b"", 0
    if table[at + size] != 0:
        raise ValueError("it is compressed")
    (restarts,) = struct.unpack("<I", block[-4:])
    while i < len(block) - 4 * (restarts + 1):
        shared, own, length = numbers = _first(block, 3, i)
        i += sum(map(_width, numbers))
        key = key[:shared] + block[i : i + own]
        yield key, block[i + own : i + own + length]
        i += own + length


def _message(block: bytes) -> dict[int, list]:
    """A protocol buffer as {field: values}: numbers, or bytes."""
    fields, i = dict[int, list](), 0
    while i < len(block):
        (tag,) = _first(block, 1, i)
        i += _width(tag)
        if tag & 7 == 5:  # four bytes: a checksum
            i += 4
            continue
        (number,) = _first(block, 1, i)
        i += _width(number)
        if tag & 7 == 2:
            fields.setdefault(tag >> 3, []).append(block[i : i + number])
            i += number
        else:
            fields.setdefault(tag >> 3, []).append(number)
    return fields


# ---- the network ---------------------------------------------------------------------------------


def network(w: Mapping[str, Tensor], patches: Tensor) -> tuple[Tensor, Tensor]:
    """musicnn in evaluation: patches (B, PATCH, BANDS) -> penultimate layer (B, 200), tags as
    probabilities (B, 50).

    Pons & Serra 2019, sec. 2: filters wide in frequency for timbre and long in time for rhythm,
    each at its loudest band; three convolutions over time, each added to the one before; all of
    them pooled over time. `w` from `weights`, whose numbers count in the order in which the
    original builds its layers."""

    def norm(x: Tensor, i: int) -> Tensor:
        at = f"batch_normalization_{i}" if i else "batch_normalization"
        mean, variance = w[f"{at}/moving_mean"], w[f"{at}/moving_variance"]
        gamma, beta = w[f"{at}/gamma"], w[f"{at}/beta"]
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def layer(kind: str, i: int) -> tuple[Tensor, Tensor]:
        at = f"{kind}_{i}" if i else kind
        return w[f"{at}/kernel"], w[f"{at}/bias"]

    def front(x: Tensor, i: int) -> Tensor:  # (B, 1, time, bands) -> (B, filters, PATCH)
        # The original rectifies and normalises every band, then takes the loudest. Both keep the
        # order of the bands, or turn it round where gamma is negative: such filters are turned
        # round themselves, so that the loudest band can come first.
        sign = torch.where(w[f"batch_normalization_{i + 1}/gamma"] < 0, -1.0, 1.0)
        kernel, bias = layer("conv2d", i)
        loudest = F.conv2d(x, (kernel * sign).permute(3, 2, 0, 1), bias * sign).amax(3)
        return norm(F.relu(loudest * sign[:, None]), i + 1)

    def middle(x: Tensor, i: int) -> Tensor:  # (B, features, PATCH) -> (B, 64, PATCH)
        kernel, bias = layer("conv2d", i)
        return norm(F.relu(F.conv1d(x, kernel[:, :, 0].permute(2, 1, 0), bias, padding=3)), i + 1)

    x = norm(patches[:, None], 0)
    found = [front(F.pad(x, (0, 0, 3, 3)), i) for i in (0, 1)]
    for i, length in ((2, 128), (3, 64), (4, 32)):  # TensorFlow's "same" puts the odd zero behind
        found.append(front(F.pad(x, (0, 0, (length - 1) // 2, length // 2)), i))
    stack = [torch.cat(found, dim=1)]
    stack.append(middle(stack[0], 5))
    for i in (6, 7):
        stack.append(stack[-1] + middle(stack[-1], i))
    h = torch.cat(stack, dim=1)
    pooled = norm(torch.stack([h.amax(2), h.mean(2)], dim=2).flatten(1), 9)
    kernel, bias = layer("dense", 0)
    penultimate = norm(F.relu(pooled @ kernel + bias), 10)
    kernel, bias = layer("dense", 1)
    return penultimate, torch.sigmoid(penultimate @ kernel + bias)


def patches(y: np.ndarray, sr: int = SR) -> np.ndarray:
    """log10(1 + 10000 mel power) of sound y (n_samples,) in patches of 3 s without overlap, (n,
    PATCH, BANDS) float32; what is left over at the end is not heard. The original rounds the mel
    power to half precision; we do not.

    Raises ValueError for sound that is not finite, or shorter than one patch."""
    import librosa
    import soxr

    y = np.asarray(y, dtype=np.float32)
    if y.ndim != 1 or not np.isfinite(y).all():
        raise ValueError("the sound must be mono, shape (n_samples,), of finite samples")
    y = soxr.resample(y, sr, RATE, quality="HQ") if sr != RATE else y
    n = (1 + len(y) // HOP) // PATCH
    if n < 1:
        least = math.ceil((PATCH - 1) * HOP / RATE * 100) / 100
        raise ValueError(f"the sound lasts {len(y) / RATE:.2f} s; musicnn needs at least {least} s")
    mel = librosa.feature.melspectrogram(y=y, sr=RATE, n_fft=N_FFT, hop_length=HOP, n_mels=BANDS).T
    return np.log10(1 + 10_000 * mel[: n * PATCH]).reshape(n, PATCH, BANDS)


def hear(y: np.ndarray, model: str, sr: int = SR, batch: int = 1) -> dict[str, np.ndarray]:
    """Sound y (n_samples,) through "MSD" or "MTT": "penultimate" (200,) and "tags" (50,), means
    over its patches, of which `batch` go through the network at a time, on one thread. One is
    quickest: what a patch makes of itself between two layers, some ten megabytes, then stays in the
    processor's cache (page "Performance")."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            parts = [
                network(weights(model), part)
                for part in torch.from_numpy(patches(y, sr)).split(batch)
            ]
    finally:
        torch.set_num_threads(threads)
    return {
        name: torch.cat(part).mean(0).numpy()
        for name, part in zip(("penultimate", "tags"), zip(*parts))
    }


# ---- tracks --------------------------------------------------------------------------------------


def _hear_files(paths: list[str], model: str) -> list[dict[str, np.ndarray]]:
    return [hear(load_audio(path)[0], model) for path in paths]


def embed_files(
    paths: Mapping[str, str | Path], model: str = "MSD", *, n_jobs: int = 1, quiet: bool = False
) -> tuple[Mapping[str, dict[str, np.ndarray]], dict[str, str]]:
    """`hear` for the first 30 s of many files, {track: file}, each once and then from the store:
    {track: arrays}, and {track: reason} of files that were left out. Raises FileNotFoundError
    without weights."""
    find_wheel()
    return run_job(
        partial(_hear_files, model=model),
        {track: str(path) for track, path in paths.items()},
        {
            track: store.key(hear, _stamp(path), model, WHEEL_SHA256)
            for track, path in paths.items()
        },
        n_jobs=n_jobs,
        title=f"musicnn {model}",
        unit="track",
        quiet=quiet,
    )


def build_committed(tracks: str, sounds: Mapping[str, dict[str, dict[str, np.ndarray]]]) -> Path:
    """Write the file of COMMITTED for the data set `tracks`, float16, from what each model hears,
    {"MSD", "MTT": {track: arrays of `hear`}}; equal vectors give equal bytes."""
    ids = sorted(sounds["MSD"])
    arrays = {"ids": np.array(ids), "tags": np.array(tag_names("MSD"))}
    for model in EMBEDDINGS.values():
        arrays[model] = np.array([sounds[model][track]["penultimate"] for track in ids], "<f2")
    arrays["MSD_tags"] = np.array([sounds["MSD"][track]["tags"] for track in ids], "<f2")
    return store.write_arrays(data_dir() / COMMITTED[tracks], arrays)


def build_gtzan_mini(paths: Mapping[str, Path], n_jobs: int = 1) -> Path:
    """Write the committed file of GTZAN mini from its audio. ValueError names a file that cannot be
    heard."""
    sounds = {}
    for model in EMBEDDINGS.values():
        found, faults = embed_files(paths, model, n_jobs=n_jobs)
        if faults:
            raise ValueError(next(iter(faults.values())))
        sounds[model] = dict(found)
    return build_committed("gtzan-mini-tracks", sounds)


def build_demo() -> Path:
    """Write the committed file of the synthetic demo clips, which are played for it."""
    ids = [f"{style}.{i:05d}" for style in sorted(synth.STYLES) for i in range(synth.PER_STYLE)]
    sounds = {}
    for model in EMBEDDINGS.values():
        heard = {}
        for track in ids:
            style, number = track.split(".")
            clip = synth.clip(style, int(number), synth.SECONDS, spread=synth.SPREAD)
            heard[track] = hear(clip, model)
        sounds[model] = heard
    return build_committed("demo", sounds)


def committed(name: str, tracks: str = "gtzan-mini-tracks") -> pd.DataFrame:
    """What is committed for a data set of COMMITTED: "MSD" and "MTT" (n, 200), or "MSD_tags" (n,
    50)."""
    with np.load(data_dir() / COMMITTED[tracks], allow_pickle=False) as file:
        values, tags = file[name].astype(float), file["tags"]
        index = pd.Index(file["ids"], name="id")
    if name == "MSD_tags":
        return pd.DataFrame(values, index, tags)
    return pd.DataFrame(values, index, _columns(name, values.shape[1]))


def _columns(model: str, n: int) -> list[str]:
    return [f"{model.lower()}_{i:03d}" for i in range(n)]


def sound_files(tracks: Tracks) -> dict[str, Path]:
    """The sound files behind tracks or their segments, {track: file}: those of a folder, or what
    `$GTZAN_AUDIO`, else data/raw/gtzan, has of GTZAN. Empty where there are none."""
    found = {track: Path(path) for track, path in tracks.provenance.get("paths", {}).items()}
    if not found:
        try:
            found = find_gtzan(os.environ.get("GTZAN_AUDIO") or made_data_dir() / "raw" / "gtzan")
        except FileNotFoundError:
            return {}
    return {
        track: found[track] for track in dict.fromkeys(tracks.track_ids.tolist()) if track in found
    }


def has_sound(tracks: Tracks) -> bool:
    """Whether a network could hear these tracks, or has: whole tracks with sound files, or those of
    COMMITTED."""
    if tracks.start_s is not None:
        return False
    return tracks.name in COMMITTED or bool(sound_files(tracks))


@dataclass(frozen=True)
class Heard:
    """What a network of EMBEDDINGS hears: `table` (n, 200) by track id, `tags` (n, 50)
    probabilities, None where they were not kept, and `faults` {track: why it was left out}."""

    embedding: str
    table: pd.DataFrame
    tags: pd.DataFrame | None
    faults: dict[str, str]


short_repr_of(Heard)


def heard(tracks: Tracks, embedding: str) -> Heard:
    """What the network `embedding` hears in whole tracks: committed numbers, or each file once and
    then from the store.

    ValueError for an unknown embedding, and for tracks without sound; FileNotFoundError without
    weights."""
    if embedding not in EMBEDDINGS:
        raise ValueError(
            f"There is no embedding {embedding!r}; choose one of {', '.join(EMBEDDINGS)}."
        )
    model = EMBEDDINGS[embedding]
    if tracks.name in COMMITTED:
        tags = committed("MSD_tags", tracks.name) if model == "MSD" else None
        return Heard(embedding, committed(model, tracks.name), tags, {})
    paths = sound_files(tracks) if tracks.start_s is None else {}
    if not paths:
        raise ValueError(
            f"{tracks.name}: there is no sound here for {embedding}; take a folder of audio, "
            "'gtzan' with GTZAN_AUDIO set to its folder, or 'gtzan-mini-tracks'"
        )
    found, faults = embed_files(paths, model, n_jobs=processes(len(paths), 20))
    if not found:
        raise ValueError(
            f"{tracks.name}: no file could be heard; the first: {next(iter(faults.values()))}"
        )
    numbers, tags = {}, {}
    for track, arrays in found.items():
        numbers[track], tags[track] = arrays["penultimate"], arrays["tags"]
    table = pd.DataFrame.from_dict(numbers, orient="index", dtype=float)
    table.columns = pd.Index(_columns(model, table.shape[1]))
    named = pd.DataFrame.from_dict(tags, orient="index", dtype=float)
    named.columns = pd.Index(tag_names(model))
    return Heard(embedding, table.rename_axis("id"), named, faults)


def embedded(tracks: Tracks, embedding: str) -> Tracks:
    """The same tracks with what a network hears, (n, 200), in place of their audio features
    (`heard`, whose errors it raises); tracks whose sound cannot be used are left out, and the
    provenance says why."""
    sound = heard(tracks, embedding)
    kept = tracks.rows(np.isin(tracks.ids, sound.table.index))
    blocks = kept.blocks | {"audio": sound.table.loc[kept.ids].rename_axis("id")}
    left_out = [*tracks.provenance.get("faults", []), *map(list, sound.faults.items())]
    provenance = tracks.provenance | {"embedding": embedding, "faults": left_out}
    return replace(kept, blocks=blocks, provenance=provenance)
