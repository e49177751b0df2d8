"""A clip's way to its 68 numbers: the figure and the table of the page "From sound to numbers"."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.features import BLOCKS, FEATURES, HOP, N_FFT, SR
from helpers.plots import COLOURS, OURS, WIDTH
from helpers.tracks import Tracks
from musicbook.corpus.sources import load

PITCHES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
KINDS = {  # block of `features` -> name, unit
    "mfcc": ("MFCC", "dB"),
    "chroma": ("Chroma", "share of the loudest"),
    "spectral": ("Spectral", "Hz"),
    "contrast": ("Contrast", "dB"),
    "zcr": ("Zero crossings", "share of samples"),
    "rms": ("RMS energy", "amplitude"),
    "tempo": ("Tempo", "beats per minute"),
}
SHADES = 16  # of a spectrogram, 5 dB each: far fewer bytes than a smooth one
COLUMNS = 200  # of the drawn waveform
GAP = 3  # between two kinds of bars


def tracks_with_features(tracks: Tracks) -> Tracks:
    """The tracks to compare a clip with: `tracks`, or gtzan-mini where these are described by other
    numbers than the 68."""
    if set(FEATURES) <= set(tracks.features):
        return tracks
    return load("gtzan-mini")


def sound_answer(y: np.ndarray) -> str:
    """The two sentences at the top of the page, for a clip `y` (n_samples,) like those it plays."""
    seconds = len(y) / SR
    return (
        f"{seconds:.0f} seconds of sound are {len(y):,} measurements of air pressure. This book "
        f"turns them into {len(FEATURES)} numbers. They say how the clip sounds on average, and "
        "how much that varies. The melody, the words and the order of events are lost."
    )


def strip_figure(y: np.ndarray, values: np.ndarray, reference: pd.DataFrame) -> Figure:
    """The way from sound to numbers in one row: waveform, mel spectrogram, and the 68 numbers in
    standard deviations from the mean of `reference` (n_tracks, 68)."""
    import librosa

    seconds = len(y) / SR
    mel = librosa.feature.melspectrogram(y=y, sr=SR, n_fft=N_FFT, hop_length=HOP)
    figure, axes = plt.subplots(1, 3, figsize=(WIDTH, 2.5), width_ratios=[1, 1.2, 1.5])
    waveform, spectrogram, numbers = axes
    _draw_waveform(waveform, y, seconds)
    _draw_mel(spectrogram, librosa.power_to_db(mel, ref=np.max), seconds)
    spectrogram.set(title="Spectrum over time")
    for axis in (waveform, spectrogram):
        axis.grid(False)
        axis.set(xlim=(0, seconds), xlabel="seconds")
    _draw_bars(numbers, standardised(values, reference))
    numbers.get_legend().remove()
    numbers.set(title=f"{len(FEATURES)} numbers", xlabel="a colour for each kind")
    plt.close(figure)
    return figure


def standardised(values: np.ndarray, reference: pd.DataFrame) -> np.ndarray:
    """The numbers (68,) in standard deviations from the mean of `reference` (n_tracks, 68)."""
    reference = reference[list(FEATURES)]
    spread = reference.std().replace(0.0, 1.0)  # a feature that all tracks share
    return ((values - reference.mean()) / spread).to_numpy()


def anatomy_figure(y: np.ndarray, values: np.ndarray, reference: pd.DataFrame) -> Figure:
    """From sound to numbers in four panels: waveform, mel spectrogram, chromagram, and the 68
    numbers in standard deviations from the mean of `reference` (n_tracks, 68).

    `y` (n_samples,) at 22050 Hz; `values` (68,) from `features.extract`. The spectra use librosa's
    defaults, as `features` does.
    """
    import librosa

    seconds = len(y) / SR
    power = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP)) ** 2
    mel = librosa.feature.melspectrogram(S=power, sr=SR)
    chroma = librosa.feature.chroma_stft(S=power, sr=SR, n_fft=N_FFT)
    figure, axes = plt.subplots(4, 1, figsize=(WIDTH, 7.2), height_ratios=[0.7, 1.5, 1.2, 1.5])
    waveform, spectrogram, chromagram, numbers = axes
    _draw_waveform(waveform, y, seconds)
    _draw_mel(spectrogram, librosa.power_to_db(mel, ref=np.max), seconds)
    _draw_chroma(chromagram, chroma, seconds)
    for axis in (waveform, spectrogram, chromagram):
        axis.grid(False)
        axis.set_xlim(0, seconds)
        axis.tick_params(labelbottom=axis is chromagram)
    _draw_bars(numbers, standardised(values, reference))
    plt.close(figure)
    return figure


def _draw_waveform(axis: Axes, y: np.ndarray, seconds: float) -> None:
    columns = np.array_split(y, COLUMNS)
    middles = (np.arange(COLUMNS) + 0.5) * seconds / COLUMNS
    lowest = [column.min() for column in columns]
    highest = [column.max() for column in columns]
    axis.fill_between(middles, lowest, highest, color=OURS, lw=0)
    axis.set(title="Waveform", ylabel="amplitude", ylim=(-1, 1))


def _draw_mel(axis: Axes, mel: np.ndarray, seconds: float) -> None:
    import librosa

    axis.imshow(mel, vmin=-80, vmax=0, extent=(0, seconds, 0, len(mel)), **_image("magma"))
    bands = librosa.mel_frequencies(len(mel) + 2, fmax=SR / 2)[1:-1]
    hertz = (128, 512, 2048, 8192)
    heights = np.interp(hertz, bands, np.arange(len(mel)) + 0.5)
    axis.set_yticks(heights, [str(frequency) for frequency in hertz])
    axis.set(title="Mel spectrogram: how loud each band of frequencies is", ylabel="Hz")


def _draw_chroma(axis: Axes, chroma: np.ndarray, seconds: float) -> None:
    axis.imshow(chroma, vmin=0, vmax=1, extent=(0, seconds, -0.5, 11.5), **_image("viridis"))
    axis.set_yticks(range(0, 12, 2), PITCHES[::2])
    axis.set(title="Chromagram: which of the twelve pitches sound", ylabel="pitch")
    axis.set_xlabel("seconds")


def _image(colours: str) -> dict:
    return {
        "cmap": plt.get_cmap(colours, SHADES),
        "origin": "lower",
        "aspect": "auto",
        "interpolation": "none",
    }


def _draw_bars(axis: Axes, z: np.ndarray) -> None:
    """The 68 standardised numbers, a colour for each kind; means full, standard deviations pale."""
    left = 0
    for (block, columns), colour in zip(BLOCKS.items(), COLOURS, strict=False):
        heights = z[columns]
        at = left + np.arange(len(heights))
        pale = np.array([name.endswith("_std") for name in FEATURES[columns]])
        kind, _ = KINDS[block]
        axis.vlines(at[~pale], 0, heights[~pale], color=colour, lw=4, label=kind)
        axis.vlines(at[pale], 0, heights[pale], color=colour, lw=4, alpha=0.45)
        left = at[-1] + GAP
    top = max(3.0, np.abs(z).max() * 1.05)
    axis.set(title="The 68 numbers, as a model sees them", ylabel="standard deviations")
    axis.set(ylim=(-top, top), xticks=[])
    axis.set_xlim(-1.5, left - 1.5)
    axis.axhline(0, color="#555555", lw=0.8)
    axis.grid(axis="x", visible=False)
    axis.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.02),
        ncols=4,
        frameon=False,
        fontsize=9,
        handlelength=0.6,
    )


def number_table(clips: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The 68 numbers of each clip {name: (68,)} to three digits, one column a clip; rows by kind
    with its unit, and number."""
    labels = []
    for block, columns in BLOCKS.items():
        kind, unit = KINDS[block]
        labels += [(f"{kind} ({unit})", name) for name in FEATURES[columns]]
    rows = pd.MultiIndex.from_tuples(labels, names=["kind (unit)", "number"])
    return pd.DataFrame(dict(clips), index=rows).map(_three_digits)


def _three_digits(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def block_differences(one: np.ndarray, other: np.ndarray) -> pd.DataFrame:
    """How far two extractions (68,) of one clip lie apart, by kind: largest value, largest
    difference, unit."""
    gap = np.abs(one - other)
    rows = {}
    for block, columns in BLOCKS.items():
        kind, unit = KINDS[block]
        rows[kind] = {
            "largest value": f"{np.abs(one[columns]).max():.4g}",
            "largest difference": f"{gap[columns].max():.1g}",
            "unit": unit,
        }
    return pd.DataFrame(rows).T
