"""Sound as a network hears it that others trained on tags: musicnn (Pons & Serra 2019), in torch, without TensorFlow.

Two sets of its weights are used: MTT, trained on MagnaTagATune (26,000 clips, tags mostly of instruments and voices),
and MSD, trained on the Million Song Dataset's Last.fm tags, which name most of GTZAN's genres. Both lie, as TensorFlow
checkpoints, in the package `musicnn` 0.1.0 on PyPI (ISC licence); it is fetched once, checked and read, never installed
or imported. Page "Pretrained sound"."""

from __future__ import annotations

import ast
import hashlib
import math
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from .. import cache, datasets
from ..datasets import Tracks
from ..features import SR
from .acquire import find_gtzan
from .audio import load_audio
from .fast_features import _stamp
from .long_jobs import processes, run

WHEEL = "musicnn-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa"
EMBEDDINGS = {"musicnn": "MSD", "musicnn-mtt": "MTT"}  # name of an embedding -> what its weights were trained on
RATE, N_FFT, HOP, BANDS = 16_000, 512, 256, 96  # Hz, samples, samples, mel bands: the front end of the original
PATCH = 187  # frames: 3 seconds, what the network hears at a time
COMMITTED = "gtzan_mini_musicnn.npz"
GENRE_TAGS = frozenset((  # tags of the Million Song Dataset's fifty that name a genre or a style
    "rock", "pop", "alternative", "indie", "electronic", "dance", "alternative rock", "jazz", "metal", "classic rock",
    "soul", "indie rock", "electronica", "folk", "punk", "blues", "hard rock", "ambient", "Hip-Hop", "country",
    "easy listening", "funk", "electro", "heavy metal", "Progressive rock", "rnb", "indie pop", "House", "chillout",
))  # fmt: skip


# ---- the weights ----------------------------------------------------------------------------------------------------


def find_wheel() -> Path:
    """The package's file: what `$HELPERS_MUSICNN` names, else the copy beside the store, else a download by pip.

    Raises FileNotFoundError where there is none and none can be had, ValueError for a file that is not the one that the
    published numbers were computed with."""
    named, kept = os.environ.get("HELPERS_MUSICNN"), cache.cache_dir() / WHEEL
    path = Path(named) if named else kept
    if not path.is_file():
        if named:
            raise FileNotFoundError(f"{path}: there is no such file; HELPERS_MUSICNN must name {WHEEL}")
        _download(kept)
    with open(path, "rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WHEEL_SHA256:
        raise ValueError(f"{path}: not {WHEEL} (sha256 {found[:12]}…, expected {WHEEL_SHA256[:12]}…); remove it and "
                         "run this again, or set HELPERS_MUSICNN to the file from PyPI")  # fmt: skip
    return path


def at_hand() -> bool:
    """Whether the weights are here, without any download."""
    return Path(os.environ.get("HELPERS_MUSICNN") or cache.cache_dir() / WHEEL).is_file()


def _download(path: Path) -> None:
    """musicnn's wheel by pip, without what it depends on (29 MB)."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, "musicnn==0.1.0"]
        done = subprocess.run(pip, capture_output=True, text=True)
        if done.returncode or not (made := Path(folder, WHEEL)).is_file():
            why = (done.stderr.strip().splitlines() or ["no answer"])[-1]
            raise FileNotFoundError(
                f"musicnn's weights are not here and pip cannot fetch them ({why}); run `pip download --no-deps "
                f"musicnn==0.1.0` where there is a network, and set HELPERS_MUSICNN to the file"
            )
        cache.write_atomically(path, lambda to: to.write_bytes(made.read_bytes()))


@lru_cache(maxsize=2)
def weights(model: str) -> dict[str, Tensor]:
    """The variables of "MSD" or "MTT" by their TensorFlow names, without the optimiser's."""
    with zipfile.ZipFile(find_wheel()) as wheel:
        index, data = (wheel.read(f"musicnn/{model}_musicnn/{part}") for part in (".index", ".data-00000-of-00001"))
    return {name: torch.from_numpy(value) for name, value in read_checkpoint(index, data).items() if "Adam" not in name}


def tag_names(model: str) -> tuple[str, ...]:
    """The fifty tags of "MSD" or "MTT", in the order of the network's outputs, as the package lists them."""
    with zipfile.ZipFile(find_wheel()) as wheel:
        tree = ast.parse(wheel.read("musicnn/configuration.py"))
    return next(tuple(ast.literal_eval(node.value)) for node in tree.body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == f"{model}_LABELS")  # fmt: skip


def read_checkpoint(index: bytes, data: bytes) -> dict[str, np.ndarray]:
    """The float variables of a TensorFlow checkpoint (V2, one shard): `index` is a LevelDB table of protocol buffers
    (name -> type, shape, place), `data` the raw numbers. Nothing is unpickled. ValueError for anything else."""
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
                    shape = [_message(dim)[1][0] for dim in _message(fields.get(2, [b""])[0]).get(2, [])]
                    start, length = fields.get(4, [0])[0], fields[5][0]
                    values = np.frombuffer(data[start : start + length], "<f4")
                    found[name.decode()] = values.reshape(shape).copy()
        return found
    except (IndexError, KeyError, StopIteration, ValueError, struct.error) as error:
        raise ValueError(f"this is not a TensorFlow checkpoint that can be read here ({error})") from None


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
    """Keys and values of one block of a LevelDB table; a key tells how much it shares with the one before."""
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


# ---- the network ----------------------------------------------------------------------------------------------------


def network(w: Mapping[str, Tensor], patches: Tensor) -> tuple[Tensor, Tensor]:
    """musicnn in evaluation: patches (B, PATCH, BANDS) -> penultimate layer (B, 200), tags as probabilities (B, 50).

    Pons & Serra 2019, sec. 2: filters wide in frequency for timbre and long in time for rhythm, each at its loudest
    band; three convolutions over time, each added to the one before; all of them pooled over time. `w` from
    `weights`, whose numbers count in the order in which the original builds its layers."""

    def norm(x: Tensor, i: int) -> Tensor:
        at = f"batch_normalization_{i}" if i else "batch_normalization"
        mean, variance = w[f"{at}/moving_mean"], w[f"{at}/moving_variance"]
        gamma, beta = w[f"{at}/gamma"], w[f"{at}/beta"]
        return F.batch_norm(x, mean, variance, gamma, beta, eps=1e-3)

    def layer(kind: str, i: int) -> tuple[Tensor, Tensor]:
        at = f"{kind}_{i}" if i else kind
        return w[f"{at}/kernel"], w[f"{at}/bias"]

    def front(x: Tensor, i: int) -> Tensor:  # (B, 1, time, bands) -> (B, filters, PATCH)
        kernel, bias = layer("conv2d", i)
        return norm(F.relu(F.conv2d(x, kernel.permute(3, 2, 0, 1), bias)), i + 1).amax(3)

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
    """log10(1 + 10000 mel power) of sound y (n_samples,) in patches of 3 s without overlap, (n, PATCH, BANDS) float32;
    what is left over at the end is not heard. The original rounds the mel power to half precision; we do not.

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
    """Sound y (n_samples,) through "MSD" or "MTT": "penultimate" (200,) and "tags" (50,), means over its patches, of
    which `batch` go through the network at a time, on one thread. One is quickest: what a patch makes of itself between
    two layers, some ten megabytes, then stays in the processor's cache (page "Performance")."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            parts = [network(weights(model), part) for part in torch.from_numpy(patches(y, sr)).split(batch)]
    finally:
        torch.set_num_threads(threads)
    return {name: torch.cat(part).mean(0).numpy() for name, part in zip(("penultimate", "tags"), zip(*parts))}


# ---- tracks ---------------------------------------------------------------------------------------------------------


def _hear_files(paths: list[str], model: str) -> list[dict[str, np.ndarray]]:
    return [hear(load_audio(path)[0], model) for path in paths]


def embed(
    paths: Mapping[str, str | Path], model: str = "MSD", *, n_jobs: int = 1, quiet: bool = False
) -> tuple[Mapping[str, dict[str, np.ndarray]], dict[str, str]]:
    """`hear` for the first 30 s of many files, {track: file}, each once and then from the store: {track: arrays}, and
    {track: reason} of files that were left out. Raises FileNotFoundError without weights."""
    find_wheel()
    return run(
        partial(_hear_files, model=model), {track: str(path) for track, path in paths.items()},
        {track: cache.key(hear, _stamp(path), model, WHEEL_SHA256) for track, path in paths.items()},
        n_jobs=n_jobs, title=f"musicnn {model}", unit="track", quiet=quiet,
    )  # fmt: skip


def build_committed(paths: Mapping[str, Path], n_jobs: int = 1) -> Path:
    """Write COMMITTED (float16) from the audio of GTZAN mini; equal vectors give equal bytes. ValueError names a file
    that cannot be heard."""
    arrays = {"ids": np.array(sorted(paths)), "tags": np.array(tag_names("MSD"))}
    for model in EMBEDDINGS.values():
        found, faults = embed(paths, model, n_jobs=n_jobs)
        if faults:
            raise ValueError(next(iter(faults.values())))
        for part in ("penultimate", "tags"):
            arrays[model if part == "penultimate" else f"{model}_tags"] = np.array(
                [found[track][part] for track in sorted(paths)], "<f2")  # fmt: skip
    del arrays["MTT_tags"]
    write = partial(np.savez_compressed, **arrays)  # type: ignore[arg-type]
    return cache.write_atomically(datasets.data_dir() / COMMITTED, write)


def stored(name: str) -> pd.DataFrame:
    """What is committed for the 100 tracks of GTZAN mini: "MSD" and "MTT" (100, 200), or "MSD_tags" (100, 50)."""
    with np.load(datasets.data_dir() / COMMITTED, allow_pickle=False) as file:
        values, tags = file[name].astype(float), file["tags"]
        columns = tags if name == "MSD_tags" else [f"{name.lower()}_{i:03d}" for i in range(values.shape[1])]
        return pd.DataFrame(values, pd.Index(file["ids"], name="id"), columns)


def sound_files(tracks: Tracks) -> dict[str, Path]:
    """The sound files behind tracks or their segments, {track: file}: those of a folder, or what `$GTZAN_AUDIO`, else
    data/raw/gtzan, has of GTZAN. Empty where there are none."""
    found = {track: Path(path) for track, path in tracks.provenance.get("paths", {}).items()}
    if not found:
        try:
            found = find_gtzan(os.environ.get("GTZAN_AUDIO") or datasets.data_dir() / "raw" / "gtzan")
        except FileNotFoundError:
            return {}
    return {track: found[track] for track in dict.fromkeys(tracks.track_ids.tolist()) if track in found}


def embedded(tracks: Tracks, embedding: str) -> Tracks:
    """The same tracks with an embedding of EMBEDDINGS, (n, 200), in place of their audio features; tracks whose sound
    cannot be used are left out, and the provenance says why.

    "gtzan-mini-tracks" has it committed; a folder, and GTZAN with its audio, is heard and then stored. Raises
    ValueError for an unknown embedding and for tracks without sound, FileNotFoundError without weights."""
    if embedding not in EMBEDDINGS:
        raise ValueError(f"There is no embedding {embedding!r}; choose one of {', '.join(EMBEDDINGS)}.")
    model, faults = EMBEDDINGS[embedding], dict[str, str]()
    if tracks.name == "gtzan-mini-tracks":
        table = stored(model)
    else:
        paths = sound_files(tracks) if tracks.start_s is None else {}
        if not paths:
            raise ValueError(f"{tracks.name}: there is no sound here for {embedding}; take a folder of audio, "
                             "'gtzan' with GTZAN_AUDIO set to its folder, or 'gtzan-mini-tracks'")  # fmt: skip
        found, faults = embed(paths, model, n_jobs=processes(len(paths), 20))
        if not found:
            raise ValueError(f"{tracks.name}: no file could be heard; the first: {next(iter(faults.values()))}")
        table = pd.DataFrame({t: arrays["penultimate"] for t, arrays in found.items()}, dtype=float).T
        table.columns = pd.Index([f"{model.lower()}_{i:03d}" for i in range(table.shape[1])])
    kept = tracks.rows(np.isin(tracks.ids, table.index))
    blocks = kept.blocks | {"audio": table.loc[kept.ids].rename_axis("id")}
    left_out = [*tracks.provenance.get("faults", []), *map(list, faults.items())]
    return replace(kept, blocks=blocks, provenance=tracks.provenance | {"embedding": embedding, "faults": left_out})
