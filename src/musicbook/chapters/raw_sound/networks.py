"""A VAE on raw sound (`models.ConvVAE`): its crops of sound, its training, and what it keeps.

Used by the page "Raw sound", which trains two such networks live, and by the published grid
(`waveforms`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from helpers import models, training
from helpers.features import SR
from helpers.protocols import Recipe

CROP = 32_768  # samples of a segment that are encoded: 2.97 s at models.SOUND_RATE
RECIPE = Recipe(
    hidden=(16, 32, 64, 128, 128),
    latent=32,
    activation="leaky_relu",
    batch_norm=True,
    epochs=20,
    weight_decay=0.0,
    schedule="constant",
    clip_norm=1.0,
)
ROWS_AT_ONCE = 100  # crops that go through a network together


def cut_crops(y: np.ndarray, starts: Sequence[float], sr: int = SR, n: int = CROP) -> np.ndarray:
    """Crops (len(starts), n), float32 at models.SOUND_RATE, of sound y (n_samples,), from `starts`
    in seconds.

    What is missing at the end, up to a tenth of a second, is filled with silence. ValueError where
    more is missing, and for samples that are not finite.
    """
    import soxr

    if not np.isfinite(y).all():
        raise ValueError("the sound holds NaN or infinite samples")
    y = soxr.resample(np.asarray(y, dtype=np.float32), sr, models.SOUND_RATE, quality="HQ")
    firsts = [round(start * models.SOUND_RATE) for start in starts]
    missing = max(firsts) + n - len(y)
    if missing > models.SOUND_RATE // 10:
        raise ValueError(
            f"the sound lasts {len(y) / models.SOUND_RATE:.2f} s, too short for a crop of "
            f"{n / models.SOUND_RATE:.2f} s that starts at {max(starts):g} s"
        )
    y = np.pad(y, (0, max(0, missing)))
    return np.stack([y[first : first + n] for first in firsts])


def one_loudness(x: np.ndarray) -> np.ndarray:
    """Crops x (n, m) divided by their common standard deviation, so that loud stays loud;
    ValueError for silence."""
    if not x.std() > 0:
        raise ValueError("every crop is silent: there is nothing to learn from")
    return x / x.std()


def fit_network(x: np.ndarray, target: str, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """Train a ConvVAE on crops x (n, m); returns what the store keeps: "state/…", "history/…" and
    the CPU "seconds".

    Raises `training.Diverged` for a training that ran away, and ValueError for a length that is no
    multiple of 2048.
    """
    began = time.process_time()
    with training.seeded(seed):
        net = models.ConvVAE(recipe, x.shape[1], target)
        history = training.train(
            net,  # type: ignore[arg-type]
            (torch.tensor(x),),
            recipe,
            models.sound_loss,
        )
    arrays = {f"state/{name}": value.numpy() for name, value in net.state_dict().items()}
    arrays |= {f"history/{name}": values for name, values in history.items()}
    return arrays | {"seconds": np.array(time.process_time() - began)}


def load_network(
    kept: Mapping[str, np.ndarray], n: int, target: str, recipe: Recipe
) -> models.ConvVAE:
    """The network that `fit_network` trained on crops of n samples, in evaluation mode."""
    net = models.ConvVAE(recipe, n, target)
    state = {}
    for name, value in kept.items():
        if name.startswith("state/"):
            state[name.removeprefix("state/")] = torch.from_numpy(np.array(value))
    net.load_state_dict(state)
    return net.eval()


def untrained_network(recipe: Recipe, n: int, seed: int = 0) -> models.ConvVAE:
    """The network that `fit_network` starts from, in evaluation mode."""
    with training.seeded(seed):
        return models.ConvVAE(recipe, n).eval()


@torch.no_grad()
def encode_crops(net: models.ConvVAE, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Posterior means and log-variances (n, d) of crops x (n, m), of any length m."""
    with training.seeded(0):
        mu, logvar = training.encode(
            net,  # type: ignore[arg-type]
            (torch.from_numpy(x),),
            rows=ROWS_AT_ONCE,
        )
    return mu.numpy(), logvar.numpy()  # type: ignore[union-attr]


def as_target(net: models.ConvVAE, sound: Tensor) -> Tensor:
    """What the decoder of `net` is asked to give back of crops of sound (n, m)."""
    if net.target == "stft":
        return models.log_spectra(sound)
    if net.target == "mel":
        return models.log_mel(sound)
    return sound


@torch.no_grad()
def unexplained_share(net: models.ConvVAE, x: np.ndarray) -> float:
    """Share of the variance of the target that the decoder's answer to mu misses, over crops x
    (n, m): 1 for a network that always answers with the mean."""
    wanted, answers = [], []
    for part in torch.from_numpy(x).split(ROWS_AT_ONCE):
        decoded = net.decode(net.encode(part)[0])
        if net.target != "mel":  # the decoder gives sound
            decoded = as_target(net, decoded)
        wanted.append(as_target(net, part).flatten(1))
        answers.append(decoded.flatten(1))
    target, answer = torch.cat(wanted), torch.cat(answers)
    missed = (target - answer).square().sum()
    total = (target - target.mean(0)).square().sum()
    return float(missed / total)


def log_mel_statistics(x: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of each band of `models.log_mel` over the frames, (n, 128), of
    crops x (n, m): a description of sound without any learning."""
    rows = []
    for part in torch.from_numpy(x).split(ROWS_AT_ONCE):
        picture = models.log_mel(part)
        rows.append(torch.cat([picture.mean(2), picture.std(2)], dim=1))
    return torch.cat(rows).numpy()
