"""Every way from tracks to clusters that the page "How to cluster music well" compares.

A pipeline is an input (which blocks, how their columns are scaled, how many text components), a
space (the input as it is, PCA, UMAP, a VAE), an algorithm and a number of clusters. Nothing here
sees a label."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform
from scipy.stats import norm, rankdata
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from helpers import clustering, inputs, phases, store, training
from helpers.protocols import Recipe
from helpers.shown import short_repr_of

WEIGHTS = {"sound": 0.6, "words": 0.4}  # the paper's
COMPONENTS = ("32", "95 %")  # of the words: how many, or what share of their variance
Z_SCORES, RANKS, LENGTH = "z-scores", "rank-Gauss", "rows of length 1"
VAE = Recipe(clip_norm=1.0)  # the controlled protocol's basic VAE
NETWORKS = {"VAE": VAE}
AS_FED, UMAP = "as fed", "UMAP 8"
SPACES = (AS_FED, "PCA 8", "PCA 32", UMAP, *NETWORKS)
ALGORITHMS = ("kmeans", "ward", "spectral", "consensus", "hdbscan")
RUNS = 10  # K-Means runs behind one consensus


@dataclass(frozen=True)
class Blocks:
    """What is known of the same n tracks, unscaled: `sound` the 68 features (n, 68); `networks`
    {name: (n, 200)} what pretrained networks hear; `words` {encoder: (n, d)} vectors of the
    words."""

    sound: np.ndarray
    networks: dict[str, np.ndarray]
    words: dict[str, np.ndarray]


short_repr_of(Blocks)


@dataclass(frozen=True)
class Choice:
    """One input in words: the blocks, how the columns of the sound are scaled, and how many
    components of the words there are ("" without words)."""

    blocks: str
    columns: str
    components: str = ""

    def named(self) -> dict[str, str]:
        """The columns of a result table that say which input it was."""
        return {"input": self.blocks, "columns": self.columns, "components": self.components}


def prepared(blocks: Blocks) -> Iterator[tuple[Choice, np.ndarray]]:
    """Every input that these blocks allow, as a table (n, d) to cluster."""
    yield Choice("sound", Z_SCORES), inputs.zscore(blocks.sound)
    yield Choice("sound", RANKS), rank_gauss(blocks.sound)
    for name, X in blocks.networks.items():
        yield Choice(name, LENGTH), normalize(X)
        yield Choice(f"sound + {name}", LENGTH), side_by_side(blocks.sound, normalize(X))
    for encoder, V in blocks.words.items():
        for components in COMPONENTS:
            text = reduced(V, components)
            yield (
                Choice(f"sound + {encoder}", Z_SCORES, components),
                weighted(blocks.sound, text, z_scores=True),
            )
        if "MSD" in blocks.networks:
            yield (
                Choice(f"MSD + {encoder}", LENGTH, COMPONENTS[-1]),
                weighted(normalize(blocks.networks["MSD"]), text, z_scores=False),
            )


def rank_gauss(X: np.ndarray) -> np.ndarray:
    """Each column of X (n, d) replaced by the normal quantiles of its ranks: mean 0, deviation
    about 1, no outliers."""
    return inputs.zscore(norm.ppf((rankdata(X, axis=0) - 0.5) / len(X)))


def reduced(V: np.ndarray, components: str) -> np.ndarray:
    """Principal components of text vectors V (n, d): "32" of them, or those that hold "95 %"."""
    if components.endswith("%"):
        return inputs.reduce_text(V, float(components.rstrip(" %")) / 100)[0]
    return inputs.reduce_text(V, int(components))[0]


def side_by_side(sound: np.ndarray, network: np.ndarray) -> np.ndarray:
    """The 68 features, z-scored, beside a network's numbers, both blocks of equal variance."""
    blocks = {"audio": sound, "network": network}
    return inputs.fuse(blocks, dict.fromkeys(blocks, 0.5), "blocks")[0]


def weighted(sound: np.ndarray, text: np.ndarray, z_scores: bool) -> np.ndarray:
    """Sound beside words by blocks of equal variance, times WEIGHTS; the columns of the sound are
    z-scored first where `z_scores`."""
    name = "audio" if z_scores else "sound"  # `fuse` z-scores the block "audio"
    weights = {name: WEIGHTS["sound"], "words": WEIGHTS["words"]}
    return inputs.fuse({name: sound, "words": text}, weights, "blocks")[0]


# ---- spaces and algorithms -----------------------------------------------------------------------


def space_of(X: np.ndarray, space: str, seed: int) -> np.ndarray:
    """X (n, d) in a space of SPACES; `training.Diverged` where a network's training ran away."""
    if space == AS_FED:
        return X
    if space in NETWORKS:
        return training.fit(X, NETWORKS[space], seed).mu
    kind, dimensions = space.split()
    if kind == "UMAP":
        return store.remember(_umap, X, min(int(dimensions), len(X) - 2), seed)["Z"]
    return PCA(min(int(dimensions), *X.shape), random_state=seed).fit_transform(X)


def _umap(X: np.ndarray, dimensions: int, seed: int) -> dict[str, np.ndarray]:
    return {"Z": phases.umap_embedding(X, dimensions, seed)}


def labels_of(Z: np.ndarray, algorithm: str, k: int, seed: int) -> np.ndarray:
    """Labels (n,) of the rows of Z (n, d) by an algorithm of ALGORITHMS, -1 for noise. HDBSCAN
    finds its own number of clusters and takes no `k`."""
    if algorithm == "consensus":
        return consensus(Z, k, seed)
    if algorithm == "hdbscan":
        return clustering.cluster(Z, algorithm, min_cluster_size=max(5, len(Z) // 100))
    if algorithm == "spectral":
        neighbours = min(10, len(Z) - 1)
        return clustering.cluster(Z, algorithm, k, seed, n_neighbors=neighbours)
    return clustering.cluster(Z, algorithm, k, seed)


def consensus(Z: np.ndarray, k: int, seed: int, runs: int = RUNS) -> np.ndarray:
    """Labels (n,) by evidence accumulation (Fred & Jain 2005): `runs` K-Means of other seeds vote
    on which rows belong together; average linkage on the share of votes is cut at k clusters.
    Memory grows with the square of the rows."""
    votes = np.zeros((len(Z), len(Z)), np.float32)
    for run in range(runs):
        labels = clustering.cluster(Z, "kmeans", k, seed * 1000 + run, n_init=1)
        votes += labels[:, None] == labels[None, :]
    distances = 1 - votes / runs
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    return fcluster(tree, k, "maxclust") - 1
