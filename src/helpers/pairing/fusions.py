"""Ways to make one space of a song's sound and of its words, and the songs that they are tried on.

Page "Songs with their own words". A fusion takes the blocks that are there, {"sound": (n, 68), "words": (n, d)}, row
for row, and gives one space (n, any). None of them sees a label."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from .. import clustering, escape, inputs, models, training
from ..datasets import Tracks, load
from ..protocols import Recipe

DIMS = 32  # components of the words
CANONICAL = 8  # pairs of directions that canonical correlation keeps
FEWEST = 20  # songs with words
WEIGHT = 0.4  # of the words, the paper's
RECIPE = Recipe(hidden=(256, 128), latent=16, epochs=50, batch_size=64, clip_norm=1.0)  # of the multimodal VAEs
DEEP = Recipe(epochs=40, batch_size=250, weight_decay=1e-3, schedule="constant")  # of deep CCA
OWN, WITHIN, OVER, SOUND, WORDS = CONTROLS = (
    "own words", "words shuffled within language", "words shuffled over all", "sound alone", "words alone")  # fmt: skip

Blocks = dict[str, np.ndarray]


def songs(dataset: str) -> tuple[Tracks, str]:
    """The songs of `dataset` that have words of their own, and a sentence on which these are; the book's thousand where
    none of its tracks has any. ValueError for fewer than FEWEST, and for words that are all the same."""
    tracks, note = load(dataset), ""
    name = escape.markup(tracks.name)
    if tracks.text is None:
        note = f"The tracks of {name} have no words of their own, so this page shows the book's paired songs. "
        tracks = load("paired")
        name = tracks.name
    words = tracks.text.to_numpy()  # type: ignore[union-attr]
    if not np.ptp(words, axis=0).max() > 1e-9:
        raise ValueError(f"{tracks.name}: all songs have the same words, from which nothing can be learnt.")
    there = np.abs(words - words.mean(axis=0)).max(axis=1) > 1e-9  # a song without a text was given the mean of all
    if there.sum() < FEWEST:
        raise ValueError(f"{tracks.name}: {there.sum()} songs have words of their own; this page needs {FEWEST}.")
    left = f", {tracks.n - there.sum()} without words left out" if not there.all() else ""
    groups = len(set(tracks.groups[there]))
    if tracks.name == "paired":
        kept = f" of {groups} artists"
    elif groups < there.sum():
        kept = f" in {groups} groups (an artist's, where artists are known, and doubles)"
    else:
        kept = ""
    note += f"**{name}**: {there.sum()} songs{kept}{left}."
    return (tracks if there.all() else tracks.rows(there)), note


@dataclass(frozen=True)
class Pair:
    """Sound (n, 68), z-scored, words (n, at most DIMS), their first components with the variances that they have, and
    the language of each song, (n,) str, or None where it is not known."""

    sound: np.ndarray
    words: np.ndarray
    language: np.ndarray | None = None

    def without(self, what: str) -> np.ndarray:
        """The words, (n, d), less what they say of the "language" (each one's mean), or their first "direction"."""
        if what == "direction":
            return self.words[:, 1:]
        if what == "language" and self.language is not None:
            which = np.unique(self.language, return_inverse=True)[1]
            return self.words - np.stack([self.words[which == i].mean(axis=0) for i in range(which.max() + 1)])[which]
        return self.words

    def order(self, control: str, seed: int) -> np.ndarray:
        """Whose words each song gets, (n,): its own, those of another song of its language, or of any other song."""
        rng, n = np.random.default_rng([seed, 5]), len(self.words)
        order = np.arange(n)
        if control in (WITHIN, OVER):
            kinds = np.zeros(n) if control == OVER or self.language is None else self.language
            for kind in np.unique(kinds):
                here = np.flatnonzero(kinds == kind)
                order[here] = here[rng.permutation(len(here))]
        return order

    def blocks(self, control: str, seed: int, without: str = "") -> Blocks:
        """What a fusion is given under a control (one of CONTROLS)."""
        found = {"sound": self.sound, "words": self.without(without)[self.order(control, seed)]}
        return {name: block for name, block in found.items() if control not in (SOUND, WORDS) or name in control}


def pair(tracks: Tracks) -> Pair:
    """The two modalities of songs with words, as every fusion takes them; a small set keeps fewer components."""
    text = tracks.text.to_numpy()  # type: ignore[union-attr]
    words, _ = inputs.reduce_text(text, min(DIMS, max(2, tracks.n // 5)))
    return Pair(inputs.zscore(tracks.features.to_numpy()), words, tracks.labels.get("language"))


# ---- fusions --------------------------------------------------------------------------------------------------------


def concatenated(blocks: Blocks, seed: int, weight: float = WEIGHT, scaling: str = "blocks") -> np.ndarray:
    """Side by side, words times `weight` and sound times the rest, after `inputs.fuse` brought both to one variance
    ("blocks") or every column ("columns", as the paper's text has it)."""
    weights = {"sound": 1 - weight, "words": weight} if len(blocks) > 1 else dict.fromkeys(blocks, 1.0)
    return inputs.fuse(blocks, weights, scaling)[0]


def components(blocks: Blocks, seed: int) -> np.ndarray:
    """As many principal components of each block as CCA keeps directions, with equal variance in all."""
    return concatenated({name: inputs.reduce_text(block, CANONICAL)[0] for name, block in blocks.items()}, seed, 0.5)


def cca(sound: np.ndarray, words: np.ndarray, d: int = CANONICAL) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Canonical correlation analysis (Hotelling 1936): the correlations (d,) of the d pairs of directions that agree
    most, and the matrices (columns, d) that lead from centred sound and words to the scores, of variance 1."""
    parts = [np.linalg.svd(block - block.mean(axis=0), full_matrices=False) for block in (sound, words)]
    parts = [(U[:, s > 1e-9 * s[0]], s[s > 1e-9 * s[0]], V[s > 1e-9 * s[0]]) for U, s, V in parts]  # type: ignore[misc]
    left, correlations, right = np.linalg.svd(parts[0][0].T @ parts[1][0], full_matrices=False)
    scale = np.sqrt(len(sound) - 1)
    one, other = (scale * V.T / s @ turn[:, :d] for (_, s, V), turn in zip(parts, (left, right.T)))
    return correlations[:d], one, other


def canonical(blocks: Blocks, seed: int) -> np.ndarray:
    """The sum of the canonical scores of sound and words; directions are taken from as many components of either."""
    sound, words = inputs.reduce_text(blocks["sound"], blocks["words"].shape[1])[0], blocks["words"]
    _, one, other = cca(sound, words)
    return (sound - sound.mean(axis=0)) @ one + (words - words.mean(axis=0)) @ other


class DeepCCA(nn.Module):
    """Two networks whose outputs (B, d) are to agree (Andrew et al. 2013), one a modality."""

    def __init__(self, sizes: Sequence[int], d: int):
        super().__init__()
        self.parts = nn.ModuleList(nn.Sequential(nn.Linear(n, 64), nn.Tanh(), nn.Linear(64, d)) for n in sizes)


def deep_loss(net: DeepCCA, batch: tuple[Tensor, ...], beta: float) -> tuple[Tensor, Tensor, Tensor]:
    """d less the sum of the canonical correlations of a batch (Andrew et al. 2013), in [0, d]; there is no KL."""
    outputs = [part(x) for part, x in zip(net.parts, batch)]
    one, other = (h - h.mean(dim=0) for h in outputs)
    ridge = 1e-2 * len(one) * torch.eye(one.shape[1])
    between = torch.linalg.solve_triangular(torch.linalg.cholesky(one.T @ one + ridge), one.T @ other, upper=False)
    between = torch.linalg.solve_triangular(torch.linalg.cholesky(other.T @ other + ridge), between.T, upper=False)
    loss = one.shape[1] - torch.linalg.svdvals(between).sum()
    return loss, loss, torch.zeros(())


def deep_canonical(blocks: Blocks, seed: int) -> np.ndarray:
    """The sum of the canonical scores of what two networks make of sound and words, trained to agree."""
    data = balanced(blocks)
    with training.seeded(seed):
        net = DeepCCA([x.shape[1] for x in data], CANONICAL)
        training.train(net, data, DEEP, deep_loss)  # type: ignore[arg-type]
        with torch.no_grad():
            outputs = [part(x).double().numpy() for part, x in zip(net.parts, data)]
    _, *turns = cca(*outputs)
    return sum((h - h.mean(axis=0)) @ turn for h, turn in zip(outputs, turns))


def balanced(blocks: Blocks) -> tuple[Tensor, ...]:
    """The modalities as tensors (n, d_m) of equal variance in all, that of a mean column being 1."""
    X, columns = inputs.fuse(blocks, dict.fromkeys(blocks, 1.0), "blocks")
    return tuple(torch.tensor(X[:, at], dtype=torch.float32) for at in columns.values())


def fit_multimodal(
    data: tuple[Tensor, ...], seed: int, joint: bool = False, recipe: Recipe = RECIPE
) -> tuple[models.MultimodalVAE, dict[str, np.ndarray]]:
    """Train a `models.MultimodalVAE` on modalities of equal variance (`balanced`): the network and its history. Raises
    `training.Diverged`."""
    with training.seeded(seed):
        net = models.MultimodalVAE([x.shape[1] for x in data], recipe, joint)
        history = training.train(net, data, recipe, models.multimodal_loss)  # type: ignore[arg-type]
    return net, history


def multimodal(blocks: Blocks, seed: int, joint: bool = False) -> np.ndarray:
    """Posterior means of a multimodal VAE, its active units; with one block it is a plain VAE."""
    data = balanced(blocks)
    net, _ = fit_multimodal(data, seed, joint)
    with torch.no_grad():
        mu, logvar = net.encode(*data)
        active = models.kl_divergence(mu, logvar).mean(dim=0) > models.ACTIVE_KL
    return (mu[:, active] if active.any() else mu).double().numpy()


def consensus(blocks: Blocks, seed: int, runs: int = 10, k: int = 10) -> np.ndarray:
    """Late fusion: the clusters of `runs` K-Means of each modality, as columns of zeros and ones; K-Means on these is a
    consensus of the clusterings (Wu et al. 2015)."""
    found = []
    for block in blocks.values():
        for run in range(runs):
            found.append(np.eye(k)[clustering.cluster(block, "kmeans", k, 1000 * seed + run, n_init=1)])
    return np.hstack(found)


@dataclass(frozen=True)
class Fusion:
    """A row of FUSIONS: the function, its options, what is taken from the words before it (`Pair.without`), whether it
    trains a network, and whether it can do with one modality."""

    make: Callable[..., np.ndarray]
    options: dict = field(default_factory=dict)
    without: str = ""
    network: bool = False
    alone: bool = True


FUSIONS = {
    "concatenation": Fusion(concatenated),
    "concatenation, columns z-scored": Fusion(concatenated, {"scaling": "columns"}),
    "concatenation, language removed": Fusion(concatenated, without="language"),
    "concatenation, first direction removed": Fusion(concatenated, without="direction"),
    "PCA of each block": Fusion(components),
    "CCA": Fusion(canonical, alone=False),
    "CCA, language removed": Fusion(canonical, without="language", alone=False),
    "deep CCA": Fusion(deep_canonical, network=True, alone=False),
    "late fusion": Fusion(consensus),
    "joint VAE": Fusion(multimodal, {"joint": True}, network=True),
    "mixture of experts": Fusion(multimodal, network=True, alone=False),  # with one modality it is the VAE above
    "mixture of experts, language removed": Fusion(multimodal, without="language", network=True, alone=False),
}
WEIGHTS = {f"words weigh {w / 10:g}": Fusion(concatenated, {"weight": w / 10}) for w in range(11)}


def space(pair: Pair, name: str, control: str, seed: int) -> np.ndarray:
    """What a row of FUSIONS or WEIGHTS makes of the songs under a control, (n, any)."""
    fusion = (FUSIONS | WEIGHTS)[name]
    return fusion.make(pair.blocks(control, seed, fusion.without), seed, **fusion.options)
