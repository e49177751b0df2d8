"""Ways to make one space of a song's sound and of its words.

Page "Songs with their own words". A way takes the blocks that are there, {"sound": (n, any),
"words": (n, d)}, row for row, and gives one space (n, any). None of them sees a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from helpers import clustering, inputs, models, training
from helpers.protocols import Recipe
from musicbook.chapters.own_words.songs import Blocks, Pair

WEIGHT = 0.4  # of the words, the paper's
CANONICAL = 8  # pairs of directions that canonical correlation keeps
COMPONENTS = 32  # of each block, at most, that canonical correlation looks at
RECIPE = Recipe(hidden=(256, 128), latent=16, epochs=50, batch_size=64, clip_norm=1.0)  # of VAEs
DEEP = Recipe(epochs=40, batch_size=250, weight_decay=1e-3, schedule="constant")  # of deep CCA


# ---- side by side --------------------------------------------------------------------------------


def concatenated(
    blocks: Blocks, seed: int, weight: float = WEIGHT, scaling: str = "blocks"
) -> np.ndarray:
    """Side by side, words times `weight` and sound times the rest, after `inputs.fuse` brought both
    to one variance ("blocks") or every column ("columns", as the paper's text has it)."""
    weights = {"sound": 1 - weight, "words": weight}
    if len(blocks) == 1:
        weights = dict.fromkeys(blocks, 1.0)
    return inputs.fuse(blocks, weights, scaling)[0]


def components(blocks: Blocks, seed: int) -> np.ndarray:
    """As many principal components of each block as CCA keeps directions, with equal variance in
    all."""
    few = {name: inputs.reduce_text(block, CANONICAL)[0] for name, block in blocks.items()}
    return concatenated(few, seed, 0.5)


def consensus(blocks: Blocks, seed: int, runs: int = 10, k: int = 10) -> np.ndarray:
    """Late fusion: the clusters of `runs` K-Means of each modality, as columns of zeros and ones;
    K-Means on these is a consensus of the clusterings (Wu et al. 2015)."""
    columns = []
    for block in blocks.values():
        for run in range(runs):
            labels = clustering.cluster(block, "kmeans", k, 1000 * seed + run, n_init=1)
            columns.append(np.eye(k)[labels])
    return np.hstack(columns)


# ---- canonical correlation -----------------------------------------------------------------------


def cca(
    sound: np.ndarray, words: np.ndarray, d: int = CANONICAL
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canonical correlation analysis (Hotelling 1936).

    sound (n, a), words (n, b). Returns the correlations (d,) of the d pairs of directions that
    agree most, and the matrices (a, d) and (b, d) that lead from centred sound and words to the
    scores, of variance 1."""
    U, s, V = _factors(sound)
    U2, s2, V2 = _factors(words)
    left, correlations, right = np.linalg.svd(U.T @ U2, full_matrices=False)
    scale = np.sqrt(len(sound) - 1)
    one = scale * V.T / s @ left[:, :d]
    other = scale * V2.T / s2 @ right.T[:, :d]
    return correlations[:d], one, other


def _factors(block: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The singular value decomposition of a block, centred, without its empty directions."""
    U, s, V = np.linalg.svd(block - block.mean(axis=0), full_matrices=False)
    there = s > 1e-9 * s[0]
    return U[:, there], s[there], V[there]


def few_components(blocks: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """The first components of sound and of words, as many of either; fewer where there are few
    songs, since canonical correlation of as many columns as rows finds a perfect pair in noise."""
    n = min(COMPONENTS, max(2, len(blocks["sound"]) // 5), blocks["words"].shape[1])
    return inputs.reduce_text(blocks["sound"], n)[0], inputs.reduce_text(blocks["words"], n)[0]


def canonical(blocks: Blocks, seed: int) -> np.ndarray:
    """The sum of the canonical scores of sound and words."""
    sound, words = few_components(blocks)
    _, one, other = cca(sound, words)
    return sound @ one + words @ other


class DeepCCA(nn.Module):
    """Two networks whose outputs (B, d) are to agree (Andrew et al. 2013), one a modality."""

    def __init__(self, sizes: Sequence[int], d: int):
        super().__init__()
        self.parts = nn.ModuleList(
            nn.Sequential(nn.Linear(n, 64), nn.Tanh(), nn.Linear(64, d)) for n in sizes
        )


def deep_loss(
    net: DeepCCA, batch: tuple[Tensor, ...], beta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """d less the sum of the canonical correlations of a batch (Andrew et al. 2013), in [0, d];
    there is no KL."""
    outputs = [part(x) for part, x in zip(net.parts, batch)]
    one, other = (h - h.mean(dim=0) for h in outputs)
    ridge = 1e-2 * len(one) * torch.eye(one.shape[1])
    between = _whitened(one.T @ one + ridge, one.T @ other)
    between = _whitened(other.T @ other + ridge, between.T)
    loss = one.shape[1] - torch.linalg.svdvals(between).sum()
    return loss, loss, torch.zeros(())


def _whitened(covariance: Tensor, between: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(torch.linalg.cholesky(covariance), between, upper=False)


def deep_canonical(blocks: Blocks, seed: int) -> np.ndarray:
    """The sum of the canonical scores of what two networks make of sound and words, trained to
    agree."""
    sound, words = few_components(blocks)
    data = balanced({"sound": sound, "words": words})
    with training.seeded(seed):
        net = DeepCCA([x.shape[1] for x in data], CANONICAL)
        training.train(net, data, DEEP, deep_loss)  # type: ignore[arg-type]
        with torch.no_grad():
            outputs = [part(x).double().numpy() for part, x in zip(net.parts, data)]
    _, *turns = cca(*outputs)
    return sum((h - h.mean(axis=0)) @ turn for h, turn in zip(outputs, turns))


# ---- multimodal VAEs -----------------------------------------------------------------------------


def balanced(blocks: Blocks) -> tuple[Tensor, ...]:
    """The modalities as tensors (n, d_m) of equal variance in all, that of a mean column being
    1."""
    X, columns = inputs.fuse(blocks, dict.fromkeys(blocks, 1.0), "blocks")
    return tuple(torch.tensor(X[:, at], dtype=torch.float32) for at in columns.values())


def product_loss(
    net: models.MultimodalVAE, batch: tuple[Tensor, ...], beta: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss of the product of all experts alone (Wu and Goodman 2018, without their subsampled
    terms), and its reconstruction and KL (nats), means over the batch."""
    mu, logvar = net.encode(*batch)
    decoded = net.decode(models.sample(mu, logvar))
    missed = [(x_hat - x).square().sum() for x_hat, x in zip(decoded, batch)]
    reconstruction = torch.stack(missed).sum() / len(mu)
    kl = models.kl_divergence(mu, logvar).sum() / len(mu)
    return reconstruction + beta * kl, reconstruction, kl


def fit_multimodal(
    data: tuple[Tensor, ...],
    seed: int,
    joint: bool = False,
    recipe: Recipe = RECIPE,
    loss: Callable = models.multimodal_loss,
) -> tuple[models.MultimodalVAE, dict[str, np.ndarray]]:
    """Train a `models.MultimodalVAE` on modalities of equal variance (`balanced`): the network and
    its history. Raises `training.Diverged`."""
    with training.seeded(seed):
        net = models.MultimodalVAE([x.shape[1] for x in data], recipe, joint)
        history = training.train(net, data, recipe, loss)  # type: ignore[arg-type]
    return net, history


def multimodal(
    blocks: Blocks, seed: int, joint: bool = False, loss: Callable = models.multimodal_loss
) -> np.ndarray:
    """Posterior means of a multimodal VAE, its active units; with one block it is a plain VAE."""
    data = balanced(blocks)
    net, _ = fit_multimodal(data, seed, joint, loss=loss)
    with torch.no_grad():
        mu, logvar = net.encode(*data)
        active = models.kl_divergence(mu, logvar).mean(dim=0) > models.ACTIVE_KL
    if active.any():
        mu = mu[:, active]
    return mu.double().numpy()


# ---- the list ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One row of WAYS.

    make: the function and its options. removed: what is taken off the words before
    (`songs.remove`). network: whether it trains one. weighted: whether it takes a weight of the
    words. scaling: how it scales them, which decides the guard's verdict. reduces: whether it takes
    its own number of components, whatever was kept of the words."""

    make: Callable[..., np.ndarray]
    options: dict = field(default_factory=dict)
    removed: str = ""
    network: bool = False
    weighted: bool = False
    scaling: str = "blocks"
    reduces: bool = False


SIDE_BY_SIDE = "concatenation"
PAPERS_WAY = "concatenation, columns z-scored"
WAYS = {
    SIDE_BY_SIDE: Way(concatenated, weighted=True),
    PAPERS_WAY: Way(concatenated, {"scaling": "columns"}, weighted=True, scaling="columns"),
    "concatenation, language removed": Way(concatenated, removed="language", weighted=True),
    "concatenation, first direction removed": Way(concatenated, removed="direction", weighted=True),
    "PCA of each block": Way(components, reduces=True),
    "CCA": Way(canonical, reduces=True),
    "CCA, language removed": Way(canonical, removed="language", reduces=True),
    "late fusion": Way(consensus),
    "deep CCA": Way(deep_canonical, network=True, reduces=True),
    "joint VAE": Way(multimodal, {"joint": True}, network=True),
    "product of experts": Way(multimodal, {"loss": product_loss}, network=True),
    "mixture of experts": Way(multimodal, network=True),
}
QUICK = [name for name, way in WAYS.items() if not way.network]
NETWORKS = [name for name, way in WAYS.items() if way.network]


def space(pair: Pair, name: str, control: str, seed: int, weight: float = WEIGHT) -> np.ndarray:
    """What a way makes of the songs under a control, (n, any). `pair` is made with the way's
    `removed`."""
    way = WAYS[name]
    options = dict(way.options)
    if way.weighted:
        options["weight"] = weight
    return way.make(pair.blocks(control, seed), seed, **options)
