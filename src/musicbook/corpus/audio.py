"""Reading sound files: recognise, decode, mix down, resample as librosa does, and name what is odd.

A file that holds something else than sound (a web page, a pointer of git-lfs, zero bytes) is
recognised by its first bytes and refused, whatever its name ends in. libsndfile reads what it can,
fastest of all and sample for sample as `librosa.load`. Everything else (m4a, wma, webm, ape, wv,
damaged mp3 and flac, several streams in one file) is read by FFmpeg through PyAV, the extra
`formats` of this package, and so are tags and the stated length. Without it those files are left
out, and the report says how to get it. Used by `fast_features`."""

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
from typing import BinaryIO

import numpy as np

from helpers.escape import printable
from helpers.features import SR
from helpers.shown import short_repr

SECONDS = 30.0  # GTZAN clips last half a minute; longer files are read up to there
NEEDED = "more formats are read with PyAV: pip install av"
TAGS = ("artist", "title", "genre", "album_artist")
DECODER = re.compile(r"\[src/libmpg123|Note: |Warning: |\[lib")  # how libmpg123's own lines begin
HARMLESS = re.compile(r"libmpg123/id3\.c|^Warning: |^Note: ")  # about tags, not about sound
RAW_ENDINGS = (".raw", ".au", ".snd", ".gsm", ".vox")  # libsndfile takes any bytes there for sound
UNREADABLE = "not audio that can be decoded here"

HEAD = 4096  # bytes that show what a file is
OTHER_CONTENT = {
    b"version https://git-lfs": "a pointer of git-lfs, so the sound was never fetched",
    b"/annex/objects/": "a pointer of git-annex, so the sound was never fetched",
    b"\xff\xd8\xff": "a picture",
    b"\x89PNG": "a picture",
    b"GIF8": "a picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive",
    b"Rar!": "an archive",
    b"7z\xbc\xaf": "an archive",
    b"\x1f\x8b": "a compressed archive",
}
WEB_PAGE = re.compile(rb"\s*(<!--.*?-->\s*)?<(!doctype html|html|head|body|\?xml)", re.I | re.S)
CONTROL_BYTES = bytes(set(range(32)) - set(b"\t\n\f\r\x1b")) + b"\x7f"  # no text holds them

QUIET = 1e-4  # amplitude below which a sample counts as silent
CANCELLED = 0.1  # share of the amplitude that the mono mix must keep
LOUD = 2.0  # times full scale
SHORT = 3.0  # seconds
LOW_RATE = 4000  # Hz: half of the telephone's
FLAT = 0.9  # spectral flatness: white noise has 1, the flattest of 140 real tracks 0.31
FRAME = 1024  # samples, for the flatness

_messages = threading.Lock()  # what decoders print goes to one place a process: threads take turns


@dataclass(frozen=True)
class Sound:
    """A decoded file: `y` (n_samples,) float32, mono at 22050 Hz; `tags` (those of TAGS that it
    has); `remarks`, a phrase for everything that is odd about it."""

    y: np.ndarray
    tags: dict[str, str]
    remarks: list[str]

    __repr__ = short_repr


@dataclass
class _Decoded:
    """What a decoder gave: `samples` (n, channels) float32 at `rate` Hz, the length in seconds that
    the file states (0 where it states none), tags, and how many times the decoder stumbled."""

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

    Sample for sample what `librosa.load` gives, at half its cost, wherever libsndfile reads the
    file; resampling is soxr's `HQ`. Of a damaged file what decodes is used when it is at least
    half of what there should be. Raises FileNotFoundError, PermissionError, or ValueError for a
    file that holds no audio that can be used."""
    path = Path(path)
    name = printable(path.name)
    if not path.is_file():
        raise FileNotFoundError(f"{printable(path)}: no such audio file")
    content = other_content(path)
    if content:
        raise ValueError(f"{name}: {content}")
    limit = math.inf if duration is None else duration
    decoded, remarks, why = _decode(path, limit)
    if decoded is None:
        reason = f" ({why})" if why else ""
        raise ValueError(f"{name}: {UNREADABLE}{reason}")
    if not len(decoded.samples):
        raise ValueError(f"{name}: no audio samples in the file")
    wanted = min(limit, decoded.stated) if decoded.stated else decoded.seconds
    if decoded.seconds < wanted / 2:
        decoding = f"only {decoded.seconds:.1f} s of {wanted:.1f} s decode, less than half"
        raise ValueError(f"{name}: damaged: {decoding}")
    if decoded.stumbles or decoded.seconds < 0.97 * wanted - 0.1:
        remarks.append(_damage(decoded, wanted))
    if decoded.samples.shape[1] == 1:
        mono = decoded.samples[:, 0]
    else:
        mono = decoded.samples.mean(axis=1)
    remarks += _oddities(decoded.samples, mono, decoded.rate)
    return Sound(resample(mono, decoded.rate), decoded.tags, remarks)


def read_header(path: str | Path) -> tuple[int, float]:
    """(sampling rate in Hz, length in seconds or 0 where none is stated) of a sound file, without
    decoding it. Raises ValueError, naming the file, for one that holds no sound."""
    path = Path(path)
    why = other_content(path)
    header = None
    if not why:
        header, why = _by_libsndfile(path, 0.0)
        if header is None and find_spec("av"):
            header, why = _by_ffmpeg(path, 0.0)
    if header is None:
        raise ValueError(f"{printable(path.name)}: {why or UNREADABLE}")
    return header.rate, header.stated


def other_content(path: str | Path) -> str:
    """What a file holds in place of sound, as a phrase; "" where it may be sound.

    Looks at the first 4096 bytes, and at all of them where these are one byte repeated."""
    with open(path, "rb") as file:  # an unreadable file says so itself, before "system error"
        head = file.read(HEAD)
        if not head:
            return "the file is empty"
        if _one_byte_repeated(head, file):
            return f"not audio: it holds nothing but the byte {head[0]}, repeated"
    for beginning, what in OTHER_CONTENT.items():
        if head.startswith(beginning):
            return f"not audio: it holds {what}"
    if WEB_PAGE.match(head):
        return "not audio: it holds a web page"
    if head.translate(None, delete=CONTROL_BYTES) == head:
        return "not audio: it holds text"
    return ""


def _one_byte_repeated(head: bytes, file: BinaryIO) -> bool:
    """Whether a file that begins with `head` holds one byte only; `file` stands behind the head."""
    while head:
        if head.count(head[0]) != len(head):
            return False
        first, head = head[0], file.read(2**20)
        if head and head[0] != first:
            return False
    return True


def decoders() -> tuple[str, ...]:
    """The releases that samples depend on."""
    import soundfile as sf

    versions = [metadata.version(name) for name in ("soxr", "librosa")]
    versions.append(metadata.version("av") if find_spec("av") else "")
    return sf.__libsndfile_version__, *versions


# ---- decoding ------------------------------------------------------------------------------------


def _decode(path: Path, limit: float) -> tuple[_Decoded | None, list[str], str]:
    """(the first `limit` seconds of a file or None, remarks, why it could not be decoded).

    FFmpeg reads the samples where libsndfile fails, stumbles, or ends early; its samples are taken
    where they are half a second longer. Else it only gives tags and the stated length."""
    first, why = _by_libsndfile(path, limit)
    if not find_spec("av"):
        if first is None:
            why = "; ".join(filter(None, [why, NEEDED]))
        return first, [], why
    whole = first is None or first.stumbles > 0 or first.seconds < limit - 0.01
    second, complaint = _by_ffmpeg(path, limit if whole else 0.0)
    if not why or "not recognised" in why:
        why = complaint
    if first is None or second is None:
        return first or second, [], why
    if second.seconds > first.seconds + 0.5:
        second.tags = second.tags | first.tags
        second.stated = max(first.stated, second.stated)
        if first.stumbles:
            return second, [], ""
        second.stumbles = 0  # at the joints of the streams, not in the sound
        several = f"several streams one after the other, the first of {first.seconds:.1f} s"
        return second, [several], ""
    first.tags = second.tags | first.tags
    first.stated = max(first.stated, second.stated)
    return first, [], ""


def _by_libsndfile(path: Path, limit: float) -> tuple[_Decoded | None, str]:
    """What libsndfile decodes, or None and why."""
    import soundfile as sf

    with _hushed() as messages:
        try:
            with open(path, "rb") as file:
                source: str | bytes | int = os.fsencode(path) if os.name == "posix" else str(path)
                if path.suffix.lower() in RAW_ENDINGS:  # without a name the header must say it
                    source = file.fileno()
                with sf.SoundFile(source, closefd=False) as sound:
                    decoded = _from_libsndfile(sound, limit)
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder throws at this file, the file is named
            why = _reason(error)
            if "not a regular file" in why:  # said of a broken mp3: the file is there
                why = ""
            return None, why
    decoded.stumbles = sum(not HARMLESS.search(line) for line in messages)
    return decoded, ""


def _from_libsndfile(sound, limit: float) -> _Decoded:
    """The samples, tags and stated length of an open `soundfile.SoundFile`."""
    rate, frames = sound.samplerate, sound.frames
    own = sound.copy_metadata()
    tags = {name: own[name] for name in TAGS if name in own}
    wanted = int(limit * rate) if math.isfinite(limit) else -1
    samples = sound.read(wanted, dtype="float32", always_2d=True)
    stated = frames / rate if frames < 2**62 else 0.0  # that is libsndfile's word for "unknown"
    return _Decoded(samples, rate, stated, tags)


def _by_ffmpeg(path: Path, limit: float) -> tuple[_Decoded | None, str]:
    """What FFmpeg decodes of the first sound stream up to `limit` seconds, or None and why. With a
    limit of 0 only tags and length."""
    import av

    options = {"protocol_whitelist": "none"}  # a playlist in disguise opens no other file
    with _messages:
        try:
            av.logging.set_level(av.logging.WARNING)
            with (
                av.logging.Capture(local=False) as log,
                open(path, "rb") as file,  # not its name, in which FFmpeg would read protocols
                av.open(file, "r", metadata_errors="replace", options=options) as container,
            ):
                return _from_ffmpeg(container, limit, log), ""
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder throws at this file, the file is named
            return None, _reason(error)
        finally:
            av.logging.set_level(None)


def _from_ffmpeg(container, limit: float, log: list) -> _Decoded:
    """The samples, tags and stated length of the first sound stream of an open PyAV container.

    Raises ValueError without a stream, without a sampling rate, or where most of the packets
    cannot be decoded, as of bytes that only look like sound."""
    import av

    stream = next(iter(container.streams.audio), None)
    if stream is None:
        raise ValueError("no sound in the file")
    rate = stream.rate
    if not rate:
        raise ValueError("no sampling rate in the file")
    parts: list[np.ndarray] = []
    packets = failed = 0
    if limit > 0:
        parts, packets, failed = _packets(container, stream, limit)
    if failed > packets / 2:
        raise ValueError(f"{failed} of {packets} packets cannot be decoded")
    guessed = any("Estimating duration" in message for _, _, message in log)
    errors = sum(level <= av.logging.ERROR for level, _, _ in log)
    stated = 0.0
    if container.duration and not guessed:
        stated = container.duration / av.time_base
    tags = {}
    for key, value in {**container.metadata, **stream.metadata}.items():
        if key.lower() in TAGS:
            tags[key.lower()] = str(value).strip()
    samples = _joined(parts)
    if math.isfinite(limit):
        samples = samples[: int(limit * rate)]
    return _Decoded(np.ascontiguousarray(samples), rate, stated, tags, max(failed, errors))


def _packets(container, stream, limit: float) -> tuple[list[np.ndarray], int, int]:
    """([samples (n, channels), ...], how many packets were read, how many did not decode)."""
    import av

    rate = stream.rate
    parts: list[np.ndarray] = []
    read = packets = failed = 0
    shape = None
    for packet in container.demux(stream):
        packets += 1
        try:
            frames = packet.decode()
        except av.FFmpegError:
            failed += 1
            continue
        for frame in frames:
            if shape != (frame.format.name, frame.layout.name, frame.sample_rate):
                shape = (frame.format.name, frame.layout.name, frame.sample_rate)
                # channels side by side: with one plane a channel, PyAV reads beyond the eighth
                resampler = av.AudioResampler("flt", frame.layout, rate)
            for piece in resampler.resample(frame):
                parts.append(piece.to_ndarray().reshape(piece.samples, -1))
                read += piece.samples
        if read >= limit * rate:
            break
    return parts, packets, failed


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    """(n, channels) float32; mono where streams of one and of two channels follow each other."""
    if not parts:
        return np.empty((0, 1), np.float32)
    if len({part.shape[1] for part in parts}) > 1:
        parts = [part.mean(axis=1, keepdims=True) for part in parts]
    return np.concatenate(parts)


def _reason(error: Exception) -> str:
    """What a decoder's error says; its type where it says nothing."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".") or type(error).__name__


@contextlib.contextmanager
def _hushed() -> Iterator[list[str]]:
    """Keep what a C library prints from the terminal; yields a list that has its lines
    afterwards."""
    lines: list[str] = []
    with _messages, _scratch() as file:
        try:
            kept = os.dup(2)
        except OSError:  # a process without a terminal or log
            yield lines
            return
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            for line in file.read().decode(errors="replace").splitlines():
                if DECODER.match(line):
                    lines.append(line)
                else:  # another thread's
                    print(line, file=sys.stderr)


def _scratch():
    """A temporary file; where none can be made (a full disk, no /tmp), one that keeps nothing."""
    try:
        return tempfile.TemporaryFile()
    except OSError:
        return open(os.devnull, "w+b")


# ---- what is odd ---------------------------------------------------------------------------------


def _damage(decoded: _Decoded, wanted: float) -> str:
    phrase = f"damaged: {decoded.seconds:.1f} s of {wanted:.1f} s are used"
    if decoded.stumbles:
        phrase += f", where the decoder stumbled {decoded.stumbles} times"
    return phrase


def _oddities(samples: np.ndarray, mono: np.ndarray, rate: int) -> list[str]:
    """What makes the features of a clip say little: no length, silence, one constant value, noise
    without structure, channels that cancel, samples out of range."""
    remarks = []
    seconds, peak = len(mono) / rate, float(np.abs(samples).max())
    if seconds < SHORT:
        remarks.append(f"lasts only {seconds:.1f} s")
    if rate < LOW_RATE:
        remarks.append(f"has only {rate} samples a second")
    if not math.isfinite(peak):
        return remarks
    silence = _silence(samples, seconds)
    if silence:
        remarks.append(silence)
    energy = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    mixed = float(np.sqrt(np.mean(np.square(mono, dtype=np.float64))))
    if mixed < CANCELLED * energy:
        share = f"{mixed / energy:.0%} of the amplitude stays"
        remarks.append(f"its channels cancel each other in the mono mix, {share}")
    if _flatness(mono) > FLAT:
        remarks.append("noise without any structure, as bytes that are no sound give it")
    if peak > LOUD:
        remarks.append(f"samples of up to {peak:.3g} times full scale")
    return remarks


def _silence(samples: np.ndarray, seconds: float) -> str:
    """A phrase for a clip that is silent, constant, or silent for half of its length or more."""
    amplitude = np.abs(samples).max(axis=1)
    sounding = np.flatnonzero(amplitude > QUIET)
    if not len(sounding):
        return f"silent in the {seconds:.0f} s that are read"
    if not (samples != samples[0]).any():
        return f"one constant value in the {seconds:.0f} s that are read"
    parts = np.array_split(amplitude, min(len(amplitude), max(1, round(seconds / 0.1))))
    quiet = sum(float(part.max()) <= QUIET for part in parts) / len(parts)
    if quiet >= 0.5:
        return f"silent for {quiet * seconds:.0f} s of the {seconds:.0f} s that are read"
    return ""


def _flatness(mono: np.ndarray) -> float:
    """Geometric over arithmetic mean of the mean power spectrum of some 128 frames: 1 for white
    noise. 0 for a clip of fewer than eight frames."""
    frames = mono[: len(mono) // FRAME * FRAME].reshape(-1, FRAME)
    if len(frames) < 8:
        return 0.0
    frames = frames[:: max(1, len(frames) // 128)] * np.hanning(FRAME)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).mean(axis=0)[1:-1]
    if not power.all():
        return 0.0
    return float(np.exp(np.log(power).mean()) / power.mean())


def resample(y: np.ndarray, sr: int) -> np.ndarray:
    """Bring `y` (n,) float32 from `sr` Hz to 22050 Hz as librosa does (soxr HQ, length ceil(n *
    22050 / sr))."""
    if sr == SR:
        return np.ascontiguousarray(y, dtype=np.float32)
    import soxr

    n = math.ceil(len(y) * SR / sr)
    out = soxr.resample(y, sr, SR, quality="HQ")[:n]
    return np.pad(out, (0, n - len(out)))
