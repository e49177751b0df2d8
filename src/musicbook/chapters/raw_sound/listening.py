"""What a network on raw sound gives back, to hear and to see. Used by the page "Raw sound"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure

from helpers.models import BANDS, FRAME, SOUND_RATE, ConvVAE, log_mel, mel_filters
from helpers.plots import WIDTH
from musicbook.chapters.sound.players import gallery, player
from musicbook.corpus.audio import resample

ROUNDS = 32  # of Griffin and Lim's guess of the phases
FLOOR = 1e-3  # that `models.log_mel` adds before the logarithm
LOUDEST = 0.7  # sample of every sound that is played here


def sound_of_picture(picture: np.ndarray, seed: int = 0) -> np.ndarray:
    """Sound (n * FRAME,) at SOUND_RATE whose log-mel picture is near `picture` (BANDS, n).

    Non-negative least squares gives frequencies that add up to the bands; phases are guessed by
    Griffin & Lim 1984 from the seed.
    """
    import librosa

    window = np.hanning(2 * FRAME + 1)[:-1]
    power = np.maximum(10.0**picture - FLOOR, 0.0)
    spectrum = librosa.util.nnls(mel_filters().numpy(), power)
    spectrum = np.pad(spectrum, ((0, 0), (0, 1)), mode="edge")
    magnitude = np.sqrt(spectrum * np.square(window).sum())
    sound = librosa.griffinlim(
        magnitude, n_iter=ROUNDS, hop_length=FRAME, n_fft=2 * FRAME, random_state=seed
    )
    return sound[: picture.shape[1] * FRAME]


@torch.no_grad()
def decoded_sound(net: ConvVAE, z: np.ndarray) -> list[np.ndarray]:
    """The sound that a network makes of latent points z (n, d): its waveforms, or its log-mel
    pictures through `sound_of_picture`."""
    outputs = net.decode(torch.as_tensor(z, dtype=torch.float32)).numpy()
    if net.target != "mel":
        return list(outputs)
    return [sound_of_picture(picture) for picture in outputs]


def through_picture(x: np.ndarray) -> list[np.ndarray]:
    """Crops x (n, m) to their own log-mel pictures and back, without a network: the best that a
    network trained on pictures can sound."""
    return [sound_of_picture(picture) for picture in log_mel(torch.from_numpy(x)).numpy()]


def four_versions(
    x: np.ndarray,
    style_of: np.ndarray,
    names: Sequence[str],
    nets: Mapping[str, ConvVAE],
    codes: Mapping[str, np.ndarray],
) -> dict[str, dict[str, np.ndarray]]:
    """What comes back of the first crop of each style in `names`, {style: {version: sound}}.

    x (n, m) are crops, style_of (n,) their styles. `nets` and `codes` (n, d) are those of the
    targets "mel" and "waveform"."""
    at = [int(np.flatnonzero(style_of == name)[0]) for name in names]
    versions: dict[str, Sequence[np.ndarray]] = {
        "the clip": list(x[at]),
        "picture alone": through_picture(x[at]),
        "to log-mel": decoded_sound(nets["mel"], codes["mel"][at]),
        "to the waveform": decoded_sound(nets["waveform"], codes["waveform"][at]),
    }
    by_style: dict[str, dict[str, np.ndarray]] = {}
    for i, name in enumerate(names):
        by_style[name] = {version: sounds[i] for version, sounds in versions.items()}
    return by_style


def log_mel_picture(y: np.ndarray) -> np.ndarray:
    """`models.log_mel` of one sound (n,), (BANDS, n // FRAME)."""
    batch = torch.from_numpy(np.asarray(y, dtype=np.float32))[None]
    return log_mel(batch)[0].numpy()


def sound_gallery(rows: Mapping[str, Mapping[str, np.ndarray]]) -> HTML:
    """Players, {title: {name: sound at SOUND_RATE}}, all equally loud."""
    cells = {}
    for title, sounds in rows.items():
        cells[title] = {name: _player(y, f"{title}, {name}") for name, y in sounds.items()}
    return gallery(cells)


def _player(y: np.ndarray, name: str) -> str:
    loudest = max(np.abs(y).max(), 1e-9)
    y = resample((LOUDEST * y / loudest).astype(np.float32), SOUND_RATE)
    return player(np.clip(y, -1, 1), name)


def picture_figure(sounds: Mapping[str, np.ndarray]) -> Figure:
    """Log-mel pictures of sounds {title: (n,)}, one beside the other, on one scale."""
    figure, axes = plt.subplots(1, len(sounds), figsize=(WIDTH, 2.3), sharey=True, squeeze=False)
    for axis, (title, sound) in zip(axes[0], sounds.items(), strict=True):
        picture = log_mel_picture(sound)
        axis.imshow(
            picture,
            cmap=plt.get_cmap("magma", 16),
            vmin=-3,
            vmax=2,
            aspect="auto",
            origin="lower",
            interpolation="none",
            extent=(0, picture.shape[1] * FRAME / SOUND_RATE, 0, BANDS),
        )
        axis.set(title=title, xlabel="seconds")
        axis.grid(False)
    axes[0, 0].set_ylabel("mel band")
    plt.close(figure)
    return figure
