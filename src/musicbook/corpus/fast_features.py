"""The 68 audio features of the paper, computed with one spectrogram a track.

The numbers are those of plain librosa 0.11 calls with default settings (sampling rate 22050 Hz,
frames of 2048 samples, hop 512): 13 MFCCs, 12 chroma classes, spectral centroid, bandwidth and
rolloff, zero-crossing rate and root-mean-square energy as (mean, standard deviation) pairs, the
means of 7 spectral-contrast bands and the tempo of `librosa.beat.beat_track`.
`tests/helpers/test_features.py` holds the agreement, block by block.

Used for every table of tracks (page "Data"), and live on page "From sound to numbers".
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers import store
from helpers.escape import printable
from helpers.features import BLOCKS, FEATURES, HOP, N_FFT, SR
from helpers.shown import short_repr
from musicbook.corpus import doubles
from musicbook.corpus.audio import SECONDS, Sound, decoders, read_sound, resample
from musicbook.corpus.long_jobs import run_job

if TYPE_CHECKING:
    import pandas as pd


def extract_clip(y: np.ndarray, sr: int = SR) -> np.ndarray:
    """Compute the 68 features of one clip.

    `y` (n_samples,) is mono audio in [-1, 1]; any other rate than 22050 Hz is resampled first.
    Returns (68,) float64 in the order of `FEATURES`: frequencies in Hz, RMS in amplitude, tempo in
    beats per minute. Digital silence gives finite numbers: MFCC 1 is -100 dB * sqrt(128),
    everything else, the tempo too, is 0. Raises ValueError for audio that is not one-dimensional,
    not finite, or shorter than one frame (2048 samples). Source: Karim (2026), section 3;
    definitions of librosa 0.11 (McFee et al. 2015). Used on page "From sound to numbers"."""
    return _extract(y, sr)[0]


def _extract(y: np.ndarray, sr: int = SR) -> tuple[np.ndarray, np.ndarray]:
    """The 68 features of a clip, and its fingerprint (`doubles.fingerprint`)."""
    y = np.asarray(y)
    if y.ndim != 1:
        raise ValueError(f"audio must be mono, of shape (n_samples,), not {y.shape}")
    if not np.isfinite(y).all():
        raise ValueError("the audio holds NaN or infinite samples")
    y = resample(np.asarray(y, dtype=np.float32), sr)
    if len(y) < N_FFT:
        raise ValueError(
            f"the audio lasts {len(y) / SR:.3f} s, shorter than one frame of {N_FFT / SR:.3f} s"
        )

    power, mel, shape, peaks, valleys, pitch, height = _analyse(y)
    bits, log_mel = doubles.fingerprint(mel), _decibel(mel)
    mfcc = log_mel @ _dct_basis()
    chroma = power @ _chroma_filters(_tuning(pitch, height)).T
    chroma /= np.maximum(chroma.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    frames = [
        mfcc,
        chroma,
        shape,
        _decibel(peaks) - _decibel(valleys),
        _zero_crossings(y)[:, None],
        _rms(y)[:, None],
    ]

    out = np.empty(len(FEATURES))
    for block, values in zip(BLOCKS, frames, strict=False):
        mean = values.mean(axis=0, dtype=np.float64)
        if block == "contrast":
            out[BLOCKS[block]] = mean
        else:
            out[BLOCKS[block]] = np.stack(
                [mean, values.std(axis=0, dtype=np.float64)], axis=1
            ).ravel()
    out[BLOCKS["tempo"]] = _tempo(_onset_envelope(log_mel))
    return out, bits


def _analyse(y: np.ndarray):
    """Short-time spectrum once, and everything that one pass over a frame's bins can give (see
    `kernels`)."""
    from scipy.fft import rfft

    from musicbook.corpus.kernels import scan_frames

    padded = np.pad(y, N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, N_FFT)[::HOP]
    n, bins = len(frames), N_FFT // 2 + 1
    window, (mel_start, mel_weights), bands, freq = _constants()
    power = np.empty((n, bins), np.float32)
    mel = np.empty((n, len(mel_start) - 1), np.float32)
    shape = np.empty((n, 3))
    peaks, valleys = np.empty((2, n, len(bands)))
    pitch, height = [], []
    step = 64  # frames at a time: the block and its spectrum stay in the cache
    for a in range(0, n, step):
        b = min(n, a + step)
        spectrum = rfft(frames[a:b] * window, axis=1)  # in double precision, as librosa does
        block_pitch, block_height = scan_frames(
            spectrum, freq, mel_start, mel_weights, power[a:b], mel[a:b], shape[a:b]
        )
        for k, (first, end, count) in enumerate(bands):
            ordered = np.sort(power[a:b, first:end], axis=1)
            peaks[a:b, k] = np.sqrt(ordered[:, -count:]).mean(axis=1)
            valleys[a:b, k] = np.sqrt(ordered[:, :count]).mean(axis=1)
        pitch.append(block_pitch)
        height.append(block_height)
    return power, mel, shape, peaks, valleys, np.concatenate(pitch), np.concatenate(height)


@lru_cache(maxsize=1)
def _constants():
    """Window, mel filters (starts, weights), contrast bands (first bin, end, count averaged),
    frequencies."""
    import librosa
    from scipy.signal import get_window

    window = get_window("hann", N_FFT, fftbins=True)
    freq = librosa.fft_frequencies(sr=SR, n_fft=N_FFT)
    filters = librosa.filters.mel(sr=SR, n_fft=N_FFT)  # (128, 1025), triangles of adjoining bins
    inside = filters > 0
    offset = np.concatenate([[0], np.cumsum(inside.sum(axis=1))])
    first_bin = np.append(inside.argmax(axis=1), 0)
    start = np.stack([offset, first_bin], axis=1)  # a filter's place in `weights`, its first bin
    weights = filters[inside]

    edges = np.concatenate([[0.0], 200.0 * 2.0 ** np.arange(7)])
    bands = np.empty((7, 3), np.int64)
    # as librosa.feature.spectral_contrast: each band but the lowest also takes the bin below it
    for k in range(7):
        inside = np.flatnonzero((freq >= edges[k]) & (freq <= edges[k + 1]))
        a, b = inside[0] - (k > 0), len(freq) if k == 6 else inside[-1] + 1
        bands[k] = a, b - (k < 6), max(1, np.rint(0.02 * (b - a)))
    return window, (start, weights), bands, freq


@lru_cache(maxsize=1)
def _dct_basis() -> np.ndarray:
    """(128, 13) orthonormal DCT-II, the first 13 coefficients only."""
    from scipy.fft import dct

    return np.ascontiguousarray(dct(np.eye(128), axis=1, norm="ortho")[:, :13])


@lru_cache(maxsize=128)  # the tuning is a multiple of 1/100 of a bin: 101 filter banks at most
def _chroma_filters(tuning: float) -> np.ndarray:
    import librosa

    return librosa.filters.chroma(sr=SR, n_fft=N_FFT, tuning=tuning)


def _decibel(power: np.ndarray) -> np.ndarray:
    """`librosa.power_to_db` with its defaults: reference 1, floor 1e-10 and 80 dB below the loudest
    value."""
    level = np.maximum(power, 1e-10)
    np.log10(level, out=level)
    level *= 10.0
    return np.maximum(level, level.max() - 80.0, out=level)


def _tuning(pitch: np.ndarray, height: np.ndarray) -> float:
    """`librosa.estimate_tuning`: the commonest deviation from equal temperament among the louder
    half of the peaks."""
    if not len(pitch):
        return 0.0
    pitch = pitch[height >= np.median(height)]
    deviation = np.mod(12 * np.log2(pitch / 27.5), 1.0)
    deviation[deviation >= 0.5] -= 1.0
    counts, edges = np.histogram(deviation, np.linspace(-0.5, 0.5, 101))
    return float(edges[counts.argmax()])


def _zero_crossings(y: np.ndarray) -> np.ndarray:
    """(n_frames,) share of sign changes a frame; a frame's first sample has no predecessor in
    it."""
    negative = np.pad(y, N_FFT // 2, mode="edge") < -1e-10
    change = np.empty(len(negative), bool)
    change[0] = False
    np.not_equal(negative[1:], negative[:-1], out=change[1:])
    n = 1 + len(y) // HOP
    total = _over_frames(np.add.reduceat(change, np.arange(0, len(change), HOP), dtype=np.int32), n)
    return (total - change[: n * HOP : HOP]) / N_FFT


def _rms(y: np.ndarray) -> np.ndarray:
    """(n_frames,) root of the mean square a frame."""
    padded = np.pad(y, (N_FFT // 2, N_FFT // 2 + HOP))
    blocks = padded[: len(padded) // HOP * HOP].reshape(-1, HOP)
    return np.sqrt(_over_frames(np.einsum("bi,bi->b", blocks, blocks), 1 + len(y) // HOP) / N_FFT)


def _over_frames(blocks: np.ndarray, n_frames: int) -> np.ndarray:
    """(n_frames,) sums over frames from sums over blocks of one hop: a frame is four of them."""
    return np.lib.stride_tricks.sliding_window_view(blocks, N_FFT // HOP)[:n_frames].sum(axis=1)


def _onset_envelope(log_mel: np.ndarray) -> np.ndarray:
    """(n_frames,) `librosa.onset.onset_strength` with the median over the 128 mel bands, as
    `beat_track` asks."""
    rise = np.maximum(log_mel[1:] - log_mel[:-1], 0.0)
    middle = rise.shape[1] // 2
    rise.partition((middle - 1, middle), axis=1)
    strength = rise[:, middle - 1 : middle + 1].mean(axis=1)
    return np.concatenate([np.zeros(1 + N_FFT // (2 * HOP), np.float32), strength])[: len(log_mel)]


def _tempo(envelope: np.ndarray) -> float:
    """Tempo in beats per minute as `librosa.beat.beat_track` reports it, without tracking the
    beats.

    The tempogram is averaged over time before it is weighted.  A frame's autocorrelation peaks at
    lag 0, where it is the frame's energy, so the mean of the normalised frames is one inverse
    transform of the mean power spectrum."""
    from scipy.fft import irfft, next_fast_len, rfft
    from scipy.signal import get_window

    if not envelope.any():
        return 0.0
    width = int(8.0 * SR / HOP)  # librosa's eight seconds
    size = next_fast_len(2 * width - 1, real=True)
    padded = np.pad(envelope, width // 2, mode="linear_ramp", end_values=0)
    frames = np.lib.stride_tricks.sliding_window_view(padded, width)[: len(envelope)]
    frames = frames * get_window("hann", width).astype(np.float32)
    energy = np.einsum("tw,tw->t", frames, frames)[:, None]
    frames /= np.sqrt(energy, where=energy > 0, out=np.ones_like(energy))
    spectrum = rfft(frames, size, axis=1)
    power = sum(np.einsum("tf,tf->f", part, part) for part in (spectrum.real, spectrum.imag))
    tempogram = irfft(power / len(frames), size)[1:width]
    bpm = 60.0 * SR / (HOP * np.arange(1, width))
    prior = -0.5 * (np.log2(bpm) - np.log2(120.0)) ** 2
    prior[bpm >= 320.0] = -np.inf
    return float(bpm[np.argmax(np.log1p(1e6 * tempogram) + prior)])


@dataclass(frozen=True)
class Extracted:
    """What `extract_all` gives: `table` and `faults` (see `extract_table`); `remarks`, (track_id,
    phrase) of each file that is used though something is odd; `tags` {track_id: {tag: text}};
    `doubles`, groups of tracks that are one recording."""

    table: pd.DataFrame
    faults: pd.DataFrame
    remarks: list[tuple[str, str]]
    tags: dict[str, dict[str, str]]
    doubles: list[list[str]]

    __repr__ = short_repr


def extract_file(
    path: str | Path, segment: float | None = None, duration: float | None = SECONDS
) -> np.ndarray:
    """Features of a file: one row, or one for each `segment` seconds, led by its start.

    Returns rows (n, 69) float64, `[start_s, 68 values]`.  A last segment shorter than half of
    `segment` is left out. Raises ValueError, naming the file, for one that cannot be used."""
    return _examine(path, segment, duration)["rows"]


def _examine(
    path: str | Path, segment: float | None, duration: float | None
) -> dict[str, np.ndarray]:
    """All that is kept of a file: rows (n, 69), fingerprint (m,), remarks and tags (JSON)."""
    sound = _read(path, duration)
    y, step = sound.y, len(sound.y)
    if segment is not None:
        step = round(segment * SR)
    count = max(1, int(len(y) / step + 0.5))
    rows, prints = [], []
    for i in range(count):
        try:
            values, bits = _extract(y[i * step : (i + 1) * step])
        except ValueError as error:
            raise ValueError(f"{printable(Path(path).name)}: {error}") from None
        rows.append([i * (segment or 0.0), *values])
        prints.append(bits)
    notes = json.dumps({"remarks": sound.remarks, "tags": sound.tags})
    return {"rows": np.array(rows), "print": np.concatenate(prints), "notes": np.array(notes)}


def _read(path: str | Path, duration: float | None) -> Sound:
    """`read_sound`, with an error that the job understands: ValueError for a file that cannot be
    used, OSError and RuntimeError for what may go better another time."""
    name = printable(Path(path).name)
    try:
        return read_sound(path, duration)
    except (ValueError, OSError, RuntimeError):
        raise
    except MemoryError:
        raise OSError(f"{name}: not enough memory to read it") from None
    except Exception as error:  # one odd file must not end the job
        raise ValueError(f"{name}: cannot be read ({type(error).__name__}: {error})") from None


def extract_table(
    paths: Mapping[str, str | Path] | Iterable[str | Path],
    *,
    segment: float | None = None,
    duration: float | None = SECONDS,
    n_jobs: int = 1,
    client=None,
    quiet: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features of many files, in parallel, resumable.

    `paths` maps track ids to files, or is a list of files, which are called by their path.  Every
    finished file is stored under its path, size and time of change: an interrupted run goes on from
    there, a changed sound file is computed again.  `segment` and `duration` are in seconds.
    `n_jobs` processes (joblib), or a dask.distributed `client`, whose workers must see the same
    files. Returns `(table, faults)`: `track_id`, `start_s` when there are segments, the 68 columns,
    in the order of `paths`; and `track_id`, `path`, `reason` of each file that was left out.  The
    bytes do not depend on who computed what. Raises ValueError when no file could be used, OSError
    when the store is full."""
    extracted = extract_all(
        paths, segment=segment, duration=duration, n_jobs=n_jobs, client=client, quiet=quiet
    )
    return extracted.table, extracted.faults


def extract_all(
    paths: Mapping[str, str | Path] | Iterable[str | Path],
    *,
    segment: float | None = None,
    duration: float | None = SECONDS,
    n_jobs: int = 1,
    client=None,
    quiet: bool = False,
) -> Extracted:
    """`extract_table`, and what else the files hold: remarks, tags, doubles."""
    import pandas as pd

    files = _by_track(paths)
    if not files:
        raise ValueError("no audio files to extract features from")
    versions = decoders()
    keys = {
        track: store.key(_examine, _stamp(path), segment, duration, versions)
        for track, path in files.items()
    }
    done, failed = run_job(
        partial(_extract_files, segment=segment, duration=duration),
        {track: str(path) for track, path in files.items()},
        keys,
        n_jobs=n_jobs,
        client=client,
        title="features",
        unit="track",
        quiet=quiet,
    )
    faults = pd.DataFrame(
        [[track, printable(files[track]), reason] for track, reason in failed.items()],
        columns=["track_id", "path", "reason"],
    )
    if not done:
        raise ValueError(
            f"none of the {len(files)} files could be used; the first: {faults['reason'].iloc[0]}"
        )
    rows, prints, tags = [], {}, {}
    remarks: list[tuple[str, str]] = []
    for track, kept in done.items():
        rows.append(kept["rows"])
        prints[track] = kept["print"]
        notes = json.loads(str(kept["notes"]))
        tags[track] = notes["tags"]
        remarks += [(track, remark) for remark in notes["remarks"]]
    table = pd.DataFrame(np.concatenate(rows), columns=["start_s", *FEATURES])
    ids = np.array(list(done), dtype=object)
    table.insert(0, "track_id", np.repeat(ids, [len(part) for part in rows]))
    if not segment:
        table = table.drop(columns="start_s")
    return Extracted(table, faults, remarks, tags, doubles.same_recording_groups(prints))


def _by_track(paths: Mapping[str, str | Path] | Iterable[str | Path]) -> Mapping[str, str | Path]:
    if isinstance(paths, Mapping):
        return paths
    return {printable(path): path for path in paths}


def _extract_files(
    paths: list[str], segment: float | None, duration: float | None
) -> list[dict[str, np.ndarray]]:
    return [_examine(path, segment, duration) for path in paths]


def _stamp(path: str | Path) -> tuple[Any, ...]:
    """Place, size and time of change of a file, so that what an older version of it gave is not
    used."""
    try:
        stat = os.stat(path)
    except OSError:
        return os.path.abspath(path), "missing"
    return os.path.abspath(path), stat.st_size, stat.st_mtime_ns
