"""Reading sound files: decode with libsndfile, mix down, resample as librosa does.  Used by `fast_features`."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np

from ..features import SR

SECONDS = 30.0  # GTZAN clips last half a minute; longer files are read up to there


def load_audio(path: str | Path, duration: float | None = SECONDS) -> tuple[np.ndarray, int]:
    """Read a sound file as mono at 22050 Hz, sample for sample as `librosa.load` does, at half its cost.

    Decoding is libsndfile's (wav, au, flac, ogg, mp3), resampling soxr's `HQ`.  `duration` is in
    seconds.  Returns `(y, sr)` with `y` (n_samples,) float32 and `sr` = 22050.
    Raises FileNotFoundError, PermissionError, or ValueError for a file that holds no readable audio.
    """
    import soundfile as sf

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such audio file")
    with open(path, "rb") as handle:  # an unreadable file says so itself, before libsndfile's "system error"
        if not handle.read(1):
            raise ValueError(f"{path.name}: the file is empty")
    try:
        with sf.SoundFile(os.fsencode(path) if os.name == "posix" else str(path)) as sound:
            native = sound.samplerate
            y = sound.read(-1 if duration is None else int(duration * native), dtype="float32", always_2d=True)
    except sf.LibsndfileError as error:
        said = str(error.error_string).strip().rstrip(".")
        why = "" if "not a regular file" in said else f" ({said})"  # said of a broken mp3: the file is there
        raise ValueError(
            f"{path.name}: not audio that can be decoded here{why}; "
            "wav, au, flac, ogg and mp3 are read, convert other formats first"
        ) from None
    if not len(y):
        raise ValueError(f"{path.name}: no audio samples in the file")
    return resample(y[:, 0] if y.shape[1] == 1 else y.mean(axis=1), native), SR


def resample(y: np.ndarray, sr: int) -> np.ndarray:
    """Bring `y` (n,) float32 from `sr` Hz to 22050 Hz as librosa does (soxr HQ, length ceil(n * 22050 / sr))."""
    if sr == SR:
        return np.ascontiguousarray(y, dtype=np.float32)
    import soxr

    n = math.ceil(len(y) * SR / sr)
    out = soxr.resample(y, sr, SR, quality="HQ")[:n]
    return np.pad(out, (0, n - len(out)))
