"""The 68 audio features of the paper, by plain librosa calls, as the page "From sound to numbers"
shows them.

13 MFCCs, 12 chroma classes, spectral centroid, bandwidth and rolloff, zero-crossing rate and
root-mean-square energy as (mean, standard deviation) pairs, the means of 7 spectral-contrast bands,
and the tempo. Tables of tracks are made by `corpus.fast_features`, which gives the same numbers
from one spectrogram a track (tests/helpers/test_features.py)."""

from __future__ import annotations

import numpy as np

SR = 22050  # Hz
N_FFT, HOP = 2048, 512  # samples: a frame of 93 ms, every 23 ms

_STEMS = {
    "mfcc": [f"mfcc_{i:02d}" for i in range(1, 14)],
    "chroma": [f"chroma_{i:02d}" for i in range(1, 13)],
    "spectral": ["centroid", "bandwidth", "rolloff"],
    "contrast": [f"contrast_{i:02d}" for i in range(1, 8)],
    "zcr": ["zcr"],
    "rms": ["rms"],
    "tempo": ["tempo"],
}
_SUFFIXES = {"contrast": ("_mean",), "tempo": ("",)}


def _names() -> tuple[tuple[str, ...], dict[str, slice]]:
    names: list[str] = []
    blocks: dict[str, slice] = {}
    for block, stems in _STEMS.items():
        start = len(names)
        names += [s + x for s in stems for x in _SUFFIXES.get(block, ("_mean", "_std"))]
        blocks[block] = slice(start, len(names))
    return tuple(names), blocks


FEATURES, BLOCKS = _names()


def extract(y: np.ndarray) -> np.ndarray:
    """The 68 features of one clip, (68,) float64 in the order of FEATURES.

    `y` (n_samples,) is mono at 22050 Hz. Frequencies in Hz, RMS in amplitude,
    tempo in beats per minute. Karim (2026), section 3; definitions of librosa
    0.11 (McFee et al. 2015). Page "From sound to numbers" prints and runs it.
    """
    import librosa

    f = librosa.feature
    spectra = [
        f.mfcc(y=y, sr=SR, n_mfcc=13),
        f.chroma_stft(y=y, sr=SR),
        f.spectral_centroid(y=y, sr=SR),
        f.spectral_bandwidth(y=y, sr=SR),
        f.spectral_rolloff(y=y, sr=SR),
    ]
    contrast = f.spectral_contrast(y=y, sr=SR).mean(axis=1)
    loudness = [f.zero_crossing_rate(y), f.rms(y=y)]
    tempo = np.atleast_1d(librosa.beat.beat_track(y=y, sr=SR)[0])

    def mean_and_std(frames: list[np.ndarray]) -> np.ndarray:
        """(rows, frames) -> mean, std, mean, std, ..., (2 rows,)."""
        rows = np.concatenate(frames)
        return np.stack([rows.mean(axis=1), rows.std(axis=1)], axis=1).ravel()

    parts = [mean_and_std(spectra), contrast, mean_and_std(loudness), tempo]
    return np.concatenate(parts)
