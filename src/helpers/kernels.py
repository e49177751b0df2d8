"""The inner loop of `features`: one pass over each frame's spectrum, compiled by numba (which librosa brings)."""

from __future__ import annotations

import numba
import numpy as np


@numba.njit(cache=True)
def scan_frames(spectrum, freq, mel_start, mel_weights, bands, power, mel, shape, peaks, valleys):
    """Fill the per-frame arrays from `spectrum` (n_frames, n_bins) complex64 and return the spectral peaks.

    Written to: `power` (n_frames, n_bins), `mel` (n_frames, 128), `shape` (n_frames, 3: centroid, bandwidth, rolloff
    in Hz), `peaks` and `valleys` (n_frames, 7) of the contrast bands.
    Returns the pitches in Hz and the heights of the peaks that `librosa.piptrack` finds in [150, 4000) Hz.
    """
    n_frames, n_bins = spectrum.shape
    width = freq[1] - freq[0]
    first = int(np.ceil(150.0 / width))
    last = int(np.ceil(4000.0 / width))
    pitch = np.empty(n_frames * (last - first), np.float32)
    height = np.empty(n_frames * (last - first), np.float32)
    n_peaks = 0
    magnitude = np.empty(n_bins, np.float32)
    low = np.empty(64, np.float32)
    high = np.empty(64, np.float32)

    for t in range(n_frames):
        p = power[t]
        total = 0.0
        moment = 0.0
        loudest = np.float32(0.0)
        for f in range(n_bins):
            z = spectrum[t, f]
            s = z.real * z.real + z.imag * z.imag
            p[f] = s
            loudest = max(loudest, s)
            m = np.sqrt(s)
            magnitude[f] = m
            total += m
            moment += m * freq[f]

        for k in range(mel.shape[1]):
            acc = np.float32(0.0)
            a = mel_start[k]
            for i in range(min(mel_weights.shape[1], n_bins - a)):
                acc += p[a + i] * mel_weights[k, i]
            mel[t, k] = acc

        if total > 0.0:
            centre = moment / total
            spread = 0.0
            for f in range(n_bins):
                spread += magnitude[f] * (freq[f] - centre) ** 2
            shape[t, 0] = centre
            shape[t, 1] = np.sqrt(spread / total)
        else:
            shape[t, 0] = 0.0
            shape[t, 1] = 0.0
        # librosa compares a running sum in single precision with 85 % of its last value
        last_sum = np.float32(0.0)
        for f in range(n_bins):
            last_sum += magnitude[f]
        bound = np.float32(0.85) * last_sum
        running = np.float32(0.0)
        for f in range(n_bins):
            running += magnitude[f]
            if running >= bound:
                shape[t, 2] = freq[f]
                break

        for k in range(bands.shape[0]):
            count = bands[k, 2]
            low[:count] = np.inf
            high[:count] = -1.0
            for f in range(bands[k, 0], bands[k, 1]):
                m = magnitude[f]
                if m < low[count - 1]:
                    j = count - 1
                    while j > 0 and low[j - 1] > m:
                        low[j] = low[j - 1]
                        j -= 1
                    low[j] = m
                if m > high[count - 1]:
                    j = count - 1
                    while j > 0 and high[j - 1] < m:
                        high[j] = high[j - 1]
                        j -= 1
                    high[j] = m
            valleys[t, k] = low[:count].mean()
            peaks[t, k] = high[:count].mean()

        floor = np.float32(0.1) * loudest
        for f in range(first, min(last, n_bins - 1)):
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
                    pitch[n_peaks] = np.float32((f + shift) * width)
                    height[n_peaks] = s + np.float32(0.5) * np.float32(slope) * shift
                    n_peaks += 1
    return pitch[:n_peaks].copy(), height[:n_peaks].copy()
