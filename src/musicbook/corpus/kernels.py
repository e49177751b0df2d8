"""The inner loop of `features`: one pass over each frame's spectrum, compiled by numba (which
librosa brings)."""

from __future__ import annotations

import numba
import numpy as np

# Sums may be taken in any order, so that they run on vector units; NaN and infinity keep their
# meaning.
_ANY_ORDER = {"reassoc", "contract", "nsz"}
_GROUP = 16  # bins that are looked at together


@numba.njit(cache=True, fastmath=_ANY_ORDER)
def scan_frames(spectrum, freq, mel_start, mel_weights, power, mel, shape):
    """Fill the per-frame arrays from `spectrum` (n_frames, n_bins) complex and return the spectral
    peaks.

    Written to: `power` (n_frames, n_bins), `mel` (n_frames, 128), `shape` (n_frames, 3: centroid,
    bandwidth, rolloff in Hz).  `mel_start` (129, 2) says where each mel filter begins in
    `mel_weights`, and its first bin. Returns the pitches in Hz and the heights of the peaks that
    `librosa.piptrack` finds in [150, 4000) Hz."""
    n_frames, n_bins = spectrum.shape
    width = freq[1] - freq[0]
    first, last = int(np.ceil(150.0 / width)), int(np.ceil(4000.0 / width))
    pitch = np.empty(n_frames * (last - first), np.float32)
    height = np.empty(n_frames * (last - first), np.float32)
    n_peaks = 0
    magnitude = np.empty(n_bins, np.float32)
    for t in range(n_frames):
        p = power[t]
        for f in range(n_bins):
            re = np.float32(spectrum[t, f].real)
            im = np.float32(spectrum[t, f].imag)
            p[f] = re * re + im * im
        for f in range(n_bins):
            magnitude[f] = np.sqrt(p[f])
        for k in range(mel.shape[1]):
            band = np.float32(0.0)
            for i in range(mel_start[k + 1, 0] - mel_start[k, 0]):
                band += p[mel_start[k, 1] + i] * mel_weights[mel_start[k, 0] + i]
            mel[t, k] = band
        _moments(magnitude, freq, shape[t])
        n_peaks = _find_peaks(p, first, min(last, n_bins - 1), width, pitch, height, n_peaks)
    return pitch[:n_peaks].copy(), height[:n_peaks].copy()


@numba.njit(cache=True, fastmath=_ANY_ORDER)
def _moments(magnitude, freq, out):
    """Centroid, bandwidth and rolloff (85 %) of one frame, 0 for a silent one."""
    n = len(magnitude)
    total = 0.0
    moment = 0.0
    for f in range(n):
        total += magnitude[f]
        moment += magnitude[f] * freq[f]
    if total == 0.0:
        out[:] = 0.0
        return
    centre = moment / total
    spread = 0.0
    for f in range(n):
        deviation = freq[f] - centre
        spread += magnitude[f] * (deviation * deviation)
    out[0] = centre
    out[1] = np.sqrt(spread / total)
    bound = 0.85 * total
    running = 0.0
    f = 0
    while f + _GROUP < n:  # whole groups first, then the bin within the group
        group = 0.0
        for i in range(_GROUP):
            group += magnitude[f + i]
        if running + group >= bound:
            break
        running += group
        f += _GROUP
    while f < n - 1:
        running += magnitude[f]
        if running >= bound:
            break
        f += 1
    out[2] = freq[f]


@numba.njit(cache=True)
def _find_peaks(p, first, last, width, pitch, height, n):
    """Append pitch (Hz) and height of the local maxima of `p` above a tenth of its maximum; returns
    the new count."""
    floor = np.float32(0.0)
    for f in range(len(p)):
        floor = max(floor, p[f])
    floor *= np.float32(0.1)
    for f in range(first, last):
        s = p[f]
        if s > floor:
            before = p[f - 1] if p[f - 1] > floor else np.float32(0.0)
            after = p[f + 1] if p[f + 1] > floor else np.float32(0.0)
            if s > before and s >= after:
                curve = p[f + 1] + p[f - 1] - 2 * s
                slope = (p[f + 1] - p[f - 1]) / 2
                shift = np.float32(0.0)
                if abs(slope) < abs(curve):
                    shift = np.float32(-slope / curve)
                pitch[n] = np.float32((f + shift) * width)
                height[n] = s + np.float32(0.5) * np.float32(slope) * shift
                n += 1
    return n
