"""Reading sound files: decode, mix down, resample as librosa does, and say what is odd.  Used by `fast_features`.

libsndfile reads what it can, fastest of all and sample for sample as `librosa.load`; everything else (m4a, wma, webm,
ape, wv, damaged mp3 and flac, several streams in one file), and tags and stated length, are FFmpeg's, by PyAV, the
extra `formats` of this package.  Without it those files are left out, and the report says how to get it.
"""

from __future__ import annotations

import contextlib
import math
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ..escape import printable
from ..features import SR

SECONDS = 30.0  # GTZAN clips last half a minute; longer files are read up to there
NEEDED = "more formats are read with PyAV: pip install av"
TAGS = ("artist", "title", "genre", "album_artist")
DECODER = re.compile(r"\[src/libmpg123|Note: |Warning: |\[lib")  # how libmpg123's own lines begin
HARMLESS = re.compile(r"libmpg123/id3\.c|^Warning: |^Note: ")  # of tags and tables of contents, not of sound
_messages = threading.Lock()  # what decoders say goes to one place a process: threads take turns
QUIET, CANCELLED, LOUD, SHORT = 1e-4, 0.1, 2.0, 3.0  # amplitude, share of amplitude, times full scale, seconds


@dataclass(frozen=True)
class Sound:
    """A decoded file: `y` (n_samples,) float32, mono at 22050 Hz; `tags` (those of TAGS that it has); `remarks`, a
    phrase for everything that is odd about it."""

    y: np.ndarray
    tags: dict[str, str]
    remarks: list[str]


@dataclass
class _Decoded:
    """What a decoder gave: `samples` (n, channels) float32 at `rate` Hz, the length in seconds that the file states (0
    where it states none), tags, and how many times the decoder stumbled."""

    samples: np.ndarray
    rate: int
    stated: float = 0.0
    tags: dict[str, str] = field(default_factory=dict)
    stumbles: int = 0

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


def load_audio(path: str | Path, duration: float | None = SECONDS) -> tuple[np.ndarray, int]:
    """The samples of `read_sound`, `(y, sr)` with `y` (n_samples,) float32 and `sr` = 22050."""
    return read_sound(path, duration).y, SR


def read_sound(path: str | Path, duration: float | None = SECONDS) -> Sound:
    """Read the first `duration` seconds of a sound file (None: all) as mono at 22050 Hz.

    Sample for sample what `librosa.load` gives, at half its cost, wherever libsndfile reads the file; resampling is
    soxr's `HQ`.  Of a damaged file what decodes is used when it is at least half of what there should be.
    Raises FileNotFoundError, PermissionError, or ValueError for a file that holds no audio that can be used.
    """
    path = Path(path)
    name = printable(path.name)
    if not path.is_file():
        raise FileNotFoundError(f"{printable(path)}: no such audio file")
    with open(path, "rb") as handle:  # an unreadable file says so itself, before libsndfile's "system error"
        if not handle.read(1):
            raise ValueError(f"{name}: the file is empty")
    limit = math.inf if duration is None else duration
    first, why = _by_libsndfile(path, duration)
    found, remarks = first, []
    if find_spec("av"):
        whole = first is None or first.stumbles or first.seconds < limit - 0.01
        second, said = _by_ffmpeg(path, limit if whole else 0.0)
        why = said if not why or "not recognised" in why else why
        if second is not None and first is not None:
            first.tags, first.stated = second.tags | first.tags, max(first.stated, second.stated)
        if second is not None and (first is None or second.seconds > first.seconds + 0.5):
            found = second
            if first is not None and not first.stumbles:
                remarks.append(f"several streams one after the other, the first of {first.seconds:.1f} s")
                found.stumbles = 0  # at the joints
    elif first is None:
        why = "; ".join(filter(None, [why, NEEDED]))
    if found is None:
        raise ValueError(f"{name}: not audio that can be decoded here" + f" ({why})" * bool(why))
    wanted = min(limit, found.stated) if found.stated else found.seconds
    if not len(found.samples):
        raise ValueError(f"{name}: no audio samples in the file")
    if found.seconds < wanted / 2:
        raise ValueError(f"{name}: damaged: only {found.seconds:.1f} s of {wanted:.1f} s decode, less than half")
    if found.stumbles or found.seconds < 0.97 * wanted - 0.1:
        often = f", where the decoder stumbled {found.stumbles} times" * bool(found.stumbles)
        remarks.append(f"damaged: {found.seconds:.1f} s of {wanted:.1f} s are used{often}")
    mono = found.samples[:, 0] if found.samples.shape[1] == 1 else found.samples.mean(axis=1)
    remarks += _oddities(found.samples, mono, found.rate)
    return Sound(resample(mono, found.rate), found.tags, remarks)


def decoders() -> tuple[str, ...]:
    """The releases that samples depend on."""
    import soundfile as sf

    versions = (metadata.version(name) for name in ("soxr", "librosa"))
    return sf.__libsndfile_version__, *versions, metadata.version("av") if find_spec("av") else ""


def _oddities(samples: np.ndarray, mono: np.ndarray, rate: int) -> list[str]:
    """What makes the features of a clip say little: silence, channels that cancel, samples out of range, no length."""
    seconds, peak = len(mono) / rate, float(np.abs(samples).max())
    found = []
    if seconds < SHORT:
        found.append(f"lasts only {seconds:.1f} s")
    if not math.isfinite(peak):
        return found
    sounding = np.flatnonzero(np.abs(samples).max(axis=1) > QUIET)
    if not len(sounding):
        return [*found, f"silent in the {seconds:.0f} s that are read"]
    if sounding[0] > len(mono) / 2:
        found.append(f"silent for its first {sounding[0] / rate:.0f} s of {seconds:.0f} s that are read")
    energy = [float(np.sqrt(np.mean(np.square(part, dtype=np.float64)))) for part in (mono, samples)]
    if energy[0] < CANCELLED * energy[1]:
        found.append(
            f"its channels cancel each other in the mono mix, {energy[0] / energy[1]:.0%} of the amplitude stays"
        )
    if peak > LOUD:
        found.append(f"samples of up to {peak:.3g} times full scale")
    return found


def _by_libsndfile(path: Path, duration: float | None) -> tuple[_Decoded | None, str]:
    """What libsndfile decodes, or None and why."""
    import soundfile as sf

    with _hushed() as said:
        try:
            with sf.SoundFile(os.fsencode(path) if os.name == "posix" else str(path)) as sound:
                rate, frames = sound.samplerate, sound.frames
                tags = {name: value for name, value in sound.copy_metadata().items() if name in TAGS}
                wanted = -1 if duration is None else int(duration * rate)
                samples = sound.read(wanted, dtype="float32", always_2d=True)
        except (sf.LibsndfileError, UnicodeDecodeError) as error:
            why = str(getattr(error, "error_string", error)).strip().rstrip(".")
            return None, "" if "not a regular file" in why else why  # said of a broken mp3: the file is there
    stumbles = sum(not HARMLESS.search(line) for line in said)
    return _Decoded(samples, rate, frames / rate if frames < 2**62 else 0.0, tags, stumbles), ""


def _by_ffmpeg(path: Path, limit: float) -> tuple[_Decoded | None, str]:
    """What FFmpeg decodes of the first sound stream up to `limit` seconds, or None and why.  With a limit of 0 only
    tags and length."""
    import av

    parts, read, stumbles = [], 0, 0
    _messages.acquire()
    try:
        av.logging.set_level(av.logging.WARNING)
        with (
            av.logging.Capture(local=False) as log,
            open(path, "rb") as file,  # not its name, in which FFmpeg would read protocols
            av.open(file, "r", metadata_errors="replace", options={"protocol_whitelist": "none"}) as container,
        ):
            stream = next(iter(container.streams.audio), None)
            if stream is None:
                return None, "no sound in the file"
            rate, shape = stream.rate, None
            resampler = av.AudioResampler("fltp")
            for packet in container.demux(stream) if limit > 0 else ():
                try:
                    frames = packet.decode()
                except av.FFmpegError:
                    stumbles += 1
                    continue
                for frame in frames:
                    if shape != (shape := (frame.format.name, frame.layout.name, frame.sample_rate)):
                        resampler = av.AudioResampler("fltp", frame.layout, rate)
                    for piece in resampler.resample(frame):
                        parts.append(piece.to_ndarray().T)
                        read += piece.samples
                if read >= limit * rate:
                    break
            guessed = any("Estimating duration" in message for _, _, message in log)
            stumbles = max(stumbles, sum(level <= av.logging.ERROR for level, _, _ in log))
            stated = 0.0 if guessed or not container.duration else container.duration / av.time_base
            named = {**container.metadata, **stream.metadata}
    except (av.FFmpegError, OSError, ValueError) as error:
        return None, str(getattr(error, "strerror", None) or error).strip()
    finally:
        av.logging.set_level(None)
        _messages.release()
    tags = {name.lower(): str(value).strip() for name, value in named.items() if name.lower() in TAGS}
    if len({part.shape[1] for part in parts}) > 1:  # streams of one and of two channels, one after the other
        parts = [part.mean(axis=1, keepdims=True) for part in parts]
    samples = np.concatenate(parts) if parts else np.empty((0, 1), np.float32)
    samples = samples[: int(limit * rate)] if math.isfinite(limit) else samples
    return _Decoded(np.ascontiguousarray(samples), rate, stated, tags, stumbles), ""


@contextlib.contextmanager
def _hushed() -> Iterator[list[str]]:
    """Keep what a C library prints from the terminal; yields a list that has its lines afterwards."""
    said: list[str] = []
    with _messages, tempfile.TemporaryFile() as file:
        try:
            kept = os.dup(2)
        except OSError:  # a process without a terminal or log
            yield said
            return
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            said += [line for line in lines if DECODER.match(line)]
            for line in (line for line in lines if not DECODER.match(line)):  # another thread's
                print(line, file=sys.stderr)


def resample(y: np.ndarray, sr: int) -> np.ndarray:
    """Bring `y` (n,) float32 from `sr` Hz to 22050 Hz as librosa does (soxr HQ, length ceil(n * 22050 / sr))."""
    if sr == SR:
        return np.ascontiguousarray(y, dtype=np.float32)
    import soxr

    n = math.ceil(len(y) * SR / sr)
    out = soxr.resample(y, sr, SR, quality="HQ")[:n]
    return np.pad(out, (0, n - len(out)))
