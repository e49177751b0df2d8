"""Sound on a page: players that every browser has, a clip's way to its 68 numbers, and what a cluster sounds like.

Used by page "From sound to numbers"."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import HTML
from matplotlib.figure import Figure
from scipy.spatial.distance import cdist

from .. import datasets
from ..corpus import acquire
from ..corpus.audio import load_audio
from ..datasets import Tracks
from ..features import BLOCKS, FEATURES, HOP, N_FFT, SR
from ..plots import GENRE_PALETTE, OURS, WIDTH

LIMIT = 60_000  # bytes of one clip on a page
SECONDS = 4.0
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


def encode(y: np.ndarray, sr: int = SR) -> bytes:
    """`y` (n_samples,), mono in [-1, 1] at `sr` Hz, as MP3, the one compressed format that every browser plays.

    Raises ValueError when it takes more than 60 kB: about 10 s fit."""
    import soundfile as sf

    file = io.BytesIO()
    sf.write(file, y, sr, format="MP3", subtype="MPEG_LAYER_III", bitrate_mode="VARIABLE", compression_level=0.7)
    if len(file.getvalue()) > LIMIT:
        raise ValueError(f"{len(y) / sr:.1f} s take {len(file.getvalue())} bytes, more than {LIMIT}: cut the clip")
    return file.getvalue()


def player(y: np.ndarray, name: str, sr: int = SR) -> str:
    """An HTML player called `name` that holds the sound `y` (n_samples,) itself, so that it works from any place."""
    code = base64.b64encode(encode(y, sr)).decode()
    return f'<audio controls aria-label="{html.escape(name)}" src="data:audio/mpeg;base64,{code}"></audio>'


def show(y: np.ndarray, name: str, sr: int = SR) -> HTML:
    """`player` for the last line of a cell."""
    return HTML(player(y, name, sr))


def anatomy(y: np.ndarray, values: np.ndarray, reference: pd.DataFrame) -> Figure:
    """From sound to numbers in four panels: waveform, mel spectrogram, chromagram, and the 68 numbers as a model sees
    them, in standard deviations from the mean of `reference` (n_tracks, 68).

    `y` (n_samples,) at 22050 Hz; `values` (68,) from `features.extract`. Spectra are those of librosa's defaults, which
    `features` uses as well."""
    import librosa

    power = np.abs(librosa.stft(y, n_fft=N_FFT, hop_length=HOP)) ** 2
    mel = librosa.power_to_db(librosa.feature.melspectrogram(S=power, sr=SR), ref=np.max)
    chroma = librosa.feature.chroma_stft(S=power, sr=SR, n_fft=N_FFT)
    seconds = len(y) / SR
    figure, axes = plt.subplots(4, 1, figsize=(WIDTH, 7.2), height_ratios=[0.7, 1.5, 1.2, 1.5])
    columns = np.array_split(y, 200)
    middles = (np.arange(200) + 0.5) * seconds / 200
    axes[0].fill_between(middles, [c.min() for c in columns], [c.max() for c in columns], color=OURS, lw=0)
    axes[0].set(title="Waveform", ylabel="amplitude", ylim=(-1, 1))
    axes[1].imshow(mel, vmin=-80, vmax=0, extent=(0, seconds, 0, len(mel)), **_picture("magma"))
    bands = librosa.mel_frequencies(len(mel) + 2, fmax=SR / 2)[1:-1]
    hertz = (128, 512, 2048, 8192)
    axes[1].set_yticks(np.interp(hertz, bands, np.arange(len(mel)) + 0.5), [str(f) for f in hertz])
    axes[1].set(title="Mel spectrogram: how loud each band of frequencies is", ylabel="Hz")
    axes[2].imshow(chroma, vmin=0, vmax=1, extent=(0, seconds, -0.5, 11.5), **_picture("viridis"))
    axes[2].set_yticks(range(0, 12, 2), PITCHES[::2])
    axes[2].set(title="Chromagram: which of the twelve pitches sound", ylabel="pitch", xlabel="seconds")
    for axis in axes[:3]:
        axis.grid(False)
        axis.set_xlim(0, seconds)
        axis.tick_params(labelbottom=axis is axes[2])
    spread = reference.std().replace(0.0, 1.0)  # a feature that all tracks share
    _bars(axes[3], ((values - reference.mean()) / spread).to_numpy())
    plt.close(figure)
    return figure


def _picture(colours: str) -> dict:
    return {"cmap": plt.get_cmap(colours, SHADES), "origin": "lower", "aspect": "auto", "interpolation": "none"}


def _bars(axis, z: np.ndarray) -> None:
    """The 68 standardised numbers, a colour a kind; means full, standard deviations pale."""
    left = 0
    for (block, here), colour in zip(BLOCKS.items(), GENRE_PALETTE.values(), strict=False):
        at = left + np.arange(here.stop - here.start)
        pale = np.array([name.endswith("_std") for name in FEATURES[here]])
        axis.vlines(at[~pale], 0, z[here][~pale], color=colour, lw=4, label=KINDS[block][0])
        axis.vlines(at[pale], 0, z[here][pale], color=colour, lw=4, alpha=0.45)
        left = at[-1] + 3  # a gap between kinds
    top = max(3.0, np.abs(z).max() * 1.05)
    axis.set(title="The 68 numbers, as a model sees them", ylabel="standard deviations", ylim=(-top, top), xticks=[])
    axis.set_xlim(-1.5, left - 1.5)
    axis.axhline(0, color="#555555", lw=0.8)
    axis.grid(axis="x", visible=False)
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=4, frameon=False, fontsize=9, handlelength=0.6)


def numbers(clips: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The 68 numbers of each clip {name: (68,)}, one column a clip, rows by kind with its unit, and feature; three
    digits."""
    rows = pd.MultiIndex.from_tuples(
        [(f"{KINDS[block][0]} ({KINDS[block][1]})", name) for block, here in BLOCKS.items() for name in FEATURES[here]],
        names=["kind (unit)", "number"],
    )
    return pd.DataFrame(dict(clips), index=rows).map(lambda v: f"{v:.0f}" if abs(v) >= 100 else f"{v:.3g}")


def ends(Z: np.ndarray, labels: np.ndarray) -> pd.DataFrame:
    """The typical and the strangest member of each cluster: one row (cluster, size, medoid, outlier) a label but noise.

    `Z` (n, d), `labels` (n,); medoid and outlier are positions: the member with the smallest sum of distances to the
    others (Kaufman & Rousseeuw 1990), and the one farthest from it."""
    rows = []
    for cluster in sorted(set(np.asarray(labels).tolist()) - {-1}):
        members = np.flatnonzero(labels == cluster)
        distances = cdist(Z[members], Z[members])
        centre = int(distances.sum(axis=1).argmin())
        rows.append((cluster, len(members), members[centre], members[distances[centre].argmax()]))
    return pd.DataFrame(rows, columns=["cluster", "size", "medoid", "outlier"])


def own_audio(tracks: Tracks) -> dict[str, Path]:
    """The reader's sound files behind `tracks`, {track id: file}: those of a folder, or for "gtzan" what lies in
    `$GTZAN_AUDIO` or was unpacked by `make data`. Empty where there are none, as with every embedded table."""
    found = {track: Path(path) for track, path in tracks.provenance.get("paths", {}).items()}
    if tracks.name == "gtzan":
        try:
            found = acquire.find_gtzan(os.environ.get("GTZAN_AUDIO") or datasets.data_dir() / "raw" / "gtzan")
        except FileNotFoundError:
            return {}
    wanted = set(tracks.ids.tolist())
    return {track: path for track, path in found.items() if track in wanted and path.is_file()}


def listen(tracks: Tracks, Z: np.ndarray, labels: np.ndarray, paths: Mapping[str, Path]) -> HTML:
    """A table with two players a cluster, the medoid and the farthest outlier of `ends`, four seconds from the middle
    of each track. `Z` (n, d) and `labels` (n,) have the rows of `tracks`; a track without a file is only named."""
    lines = []
    for row in ends(Z, labels).itertuples():
        cells = "".join(f"<td>{_track(tracks, i, paths)}</td>" for i in (row.medoid, row.outlier))
        lines.append(f'<tr><th scope="row">{row.cluster}</th><td>{row.size}</td>{cells}</tr>')
    head = "".join(f'<th scope="col">{name}</th>' for name in ("cluster", "tracks", "most typical", "farthest from it"))
    return HTML(f'<table class="listen"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>')


def _track(tracks: Tracks, position: int, paths: Mapping[str, Path]) -> str:
    name = str(tracks.ids[position])
    said = html.escape(name if tracks.genres is None else f"{name} ({tracks.genres[position]})")
    if name not in paths:
        return said
    try:
        y, sr = load_audio(paths[name])
    except (OSError, ValueError):  # a file that has gone since its features were taken
        return said
    start = max(0, (len(y) - round(SECONDS * sr)) // 2)
    return f"{said}<br>{player(y[start : start + round(SECONDS * sr)], name, sr)}"
