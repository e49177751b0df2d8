"""What a `ConvVAE` learnt, to hear and to see: pictures turned back into sound, walks along a latent unit, its filters.

Used by page "Raw waveforms"."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure
from torch import Tensor

from ..corpus.audio import resample
from ..models import BANDS, FRAME, SOUND_RATE, ConvVAE, log_mel, mel_filters
from ..plots import WIDTH
from .players import player


def from_picture(picture: np.ndarray, seed: int = 0) -> np.ndarray:
    """Sound (n * FRAME,) at SOUND_RATE whose `models.log_mel` is near the picture (BANDS, n): frequencies that add up
    to the bands (non-negative least squares), phases by Griffin & Lim 1984, 32 rounds from the seed."""
    import librosa

    filters, window = mel_filters().numpy(), np.hanning(2 * FRAME + 1)[:-1]
    power = np.maximum(10.0**picture - 1e-3, 0.0)
    spread = librosa.util.nnls(filters, power)
    magnitude = np.sqrt(np.pad(spread, ((0, 0), (0, 1)), mode="edge") * np.square(window).sum())
    sound = librosa.griffinlim(magnitude, n_iter=32, hop_length=FRAME, n_fft=2 * FRAME, random_state=seed)
    return sound[: picture.shape[1] * FRAME]


@torch.no_grad()
def decoded(net: ConvVAE, z: np.ndarray) -> list[np.ndarray]:
    """The sound that a network makes of latent points z (n, d): its waveforms, or its log-mel pictures by
    `from_picture`."""
    given = net.decode(torch.as_tensor(z, dtype=torch.float32)).numpy()
    return [from_picture(one) if net.target == "mel" else one for one in given]


def through_picture(x: np.ndarray) -> list[np.ndarray]:
    """Crops x (n, m) to their own log-mel pictures and back, without a network: the best that one can sound."""
    return [from_picture(one) for one in log_mel(torch.from_numpy(x)).numpy()]


def walk(mu: np.ndarray, unit: int, steps: int = 5) -> np.ndarray:
    """Latent points (steps, d): the mean of mu (n, d), its `unit` moved from the 2nd to the 98th percentile."""
    z = np.tile(mu.mean(0), (steps, 1))
    low, high = np.quantile(mu[:, unit], [0.02, 0.98])
    z[:, unit] = np.linspace(low, high, steps)
    return z


def brightness(y: np.ndarray) -> float:
    """The mean frequency of a sound (n,) at SOUND_RATE, weighted by power, in Hz."""
    power = np.square(np.abs(np.fft.rfft(y)))
    return float(power @ np.fft.rfftfreq(len(y), 1 / SOUND_RATE) / max(power.sum(), 1e-12))


def picture(y: np.ndarray) -> np.ndarray:
    """`models.log_mel` of one sound (n,), (BANDS, n // FRAME)."""
    return log_mel(torch.from_numpy(np.asarray(y, dtype=np.float32))[None])[0].numpy()


def walks(rows: Mapping[str, Mapping[str, np.ndarray]]) -> HTML:
    """A row of players a unit, {row: {what stands under a player: sound}}."""
    lines = []
    for name, sounds in rows.items():
        cells = "".join(f"<td>{_small(y, f'{name}, {said}')}<br>{said}</td>" for said, y in sounds.items())
        lines.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    return HTML(f'<table class="listen"><tbody>{"".join(lines)}</tbody></table>')


def table(rows: Mapping[str, Mapping[str, np.ndarray]], corner: str) -> HTML:
    """A table of players, {row: {column: sound at SOUND_RATE}}, each at the same loudest sample."""
    columns = list(next(iter(rows.values())))
    lines = []
    for name, sounds in rows.items():
        cells = "".join(f"<td>{_small(y, f'{name}, {column}')}</td>" for column, y in sounds.items())
        lines.append(f'<tr><th scope="row">{name}</th>{cells}</tr>')
    head = "".join(f'<th scope="col">{column}</th>' for column in (corner, *columns))
    return HTML(f'<table class="listen"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>')


def _small(y: np.ndarray, name: str) -> str:
    y = resample((0.7 * y / max(np.abs(y).max(), 1e-9)).astype(np.float32), SOUND_RATE)
    return player(np.clip(y, -1, 1), name)


def responses(net: ConvVAE) -> np.ndarray:
    """What each filter of the first layer lets through, (filters, 257) in dB below its own loudest frequency, from 0 to
    half of SOUND_RATE; ordered by that frequency."""
    weight: Tensor = net.encoder[0][0].weight  # type: ignore[index, assignment]
    power = np.square(np.abs(np.fft.rfft(weight.detach().numpy()[:, 0], 512)))
    decibel = 10 * np.log10(power / power.max(axis=1, keepdims=True) + 1e-9)
    return decibel[np.argsort(decibel.argmax(axis=1))]


def width(net: ConvVAE) -> float:
    """Share of all frequencies that a filter of the first layer lets through to within 10 dB of its loudest, mean over
    the filters: small for narrow ones."""
    return float((responses(net) > -10).mean())


def filter_bank(nets: Mapping[str, ConvVAE]) -> Figure:
    """`responses` of each network, {title: network}, one above the other."""
    figure, axes = plt.subplots(len(nets), 1, figsize=(WIDTH, 2.5 * len(nets)), sharex=True, squeeze=False)
    for axis, (title, net) in zip(axes[:, 0], nets.items(), strict=True):
        shown = axis.imshow(responses(net), cmap=plt.get_cmap("magma", 12), vmin=-30, vmax=0, aspect="auto",
                            origin="lower", interpolation="none", extent=(0, SOUND_RATE / 2, 0.5, 16.5))  # fmt: skip
        axis.set(title=title, ylabel="filter")
        axis.grid(False)
    axes[-1, 0].set_xlabel("Hz")
    figure.colorbar(shown, ax=list(axes[:, 0]), label="dB below its loudest")
    plt.close(figure)
    return figure


def pictures(rows: Mapping[str, np.ndarray]) -> Figure:
    """Log-mel pictures, {title: (BANDS, n)}, one beside the other, on one scale."""
    figure, axes = plt.subplots(1, len(rows), figsize=(WIDTH, 2.3), sharey=True, squeeze=False)
    for axis, (title, picture) in zip(axes[0], rows.items(), strict=True):
        axis.imshow(picture, cmap=plt.get_cmap("magma", 16), vmin=-3, vmax=2, aspect="auto", origin="lower",
                    interpolation="none", extent=(0, picture.shape[1] * FRAME / SOUND_RATE, 0, BANDS))  # fmt: skip
        axis.set(title=title, xlabel="seconds")
        axis.grid(False)
    axes[0, 0].set_ylabel("mel band")
    plt.close(figure)
    return figure
