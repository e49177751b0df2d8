"""One figure over all defensible choices (Steegen et al. 2016): the same question answered by every pipeline.

Phase 1 and 2 of the paper with each choice varied on its own: what the spread of the features is, how columns are
scaled, whether lyrics join and how, the space, the clusterer, the number of clusters, the seed. Page "Results".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.decomposition import PCA

from .. import clustering, inputs, lyrics, metrics, training
from ..datasets import Tracks
from ..protocols import Recipe
from .store import Published

CHOICES = ["input", "spread", "scaling", "space", "algorithm", "k"]
SPREADS, SCALINGS = ("standard deviation", "variance"), ("z-scores", "ranks")
WITH, SHUFFLED = "sound + lyrics", ", shuffled"
SPACES: dict[str, int | Recipe | None] = {
    "as fed": None, "PCA 8": 8, "PCA 32": 32, "VAE": Recipe(clip_norm=1.0),
    "VAE, beta = 4": Recipe(clip_norm=1.0, beta=4.0),
}  # fmt: skip
ALGORITHMS, KS, SEEDS = ("kmeans", "ward", "spectral"), (5, 10, 15, 20, 30), 3


def cells(tracks: Tracks, seeds: Sequence[int]) -> Iterator[tuple]:
    """The calls, one an input, space and seed (SEEDS of them), with all clusterers and numbers of clusters in it."""
    if tracks.genres is None:
        return
    known = tracks.text is not None or set(tracks.genres) <= set(lyrics.TEMPLATES)
    for seed in list(seeds)[:SEEDS]:
        shapes = [(SPREADS[0], SCALINGS[0]), (SPREADS[0], SCALINGS[1]), (SPREADS[1], SCALINGS[0])]  # squares rank alike
        variants: list[tuple] = [("sound", spread, scaling, None, None) for spread, scaling in shapes]
        if known:
            own = None if tracks.text is None else tracks.text.to_numpy()
            words = lyrics.matched(list(tracks.genres), seed, groups=list(tracks.groups))[0] if own is None else own
            shuffled = lyrics.shuffled(words, seed)
            ways = [(how, *way) for how in ("columns", "blocks") for way in (("", words), (SHUFFLED, shuffled))]
            variants += [(f"{WITH}, {how}{end}", SPREADS[0], SCALINGS[0], how, texts) for how, end, texts in ways]
        for name, spread, scaling, how, texts in variants:
            X = _sound(tracks.features, spread, scaling)
            for space, made in SPACES.items():
                named = {"input": name, "spread": spread, "scaling": scaling, "space": space, "seed": seed}
                yield named, cell, X, texts, how, made, tracks.genres, seed


def _sound(features: pd.DataFrame, spread: str, scaling: str) -> np.ndarray:
    squared = spread == "variance"
    X = np.column_stack([c**2 if squared and str(name).endswith("_std") else c for name, c in features.items()])
    return inputs.zscore(rankdata(X, axis=0) if scaling == "ranks" else X)


def cell(
    X: np.ndarray, words: np.ndarray | None, how: str | None, space: int | Recipe | None, genres: np.ndarray, seed: int
) -> dict[str, np.ndarray]:
    """Scores against genres of every clusterer and number of clusters, (algorithms, ks) each."""
    if how and words is not None:
        text, _ = inputs.reduce_text(words, 0.95 if how == "blocks" else 32)
        X, _ = inputs.fuse({"audio": X, "text": text}, {"audio": 0.6, "text": 0.4}, how)
    if isinstance(space, int):
        X = PCA(min(space, *X.shape), random_state=seed).fit_transform(X)
    elif space is not None:
        X = training.fit(X, space, seed).mu
    found = [metrics.external(genres, clustering.cluster(X, algorithm, n_clusters=k, seed=seed))
             for algorithm in ALGORITHMS for k in KS]  # fmt: skip
    shape = len(ALGORITHMS), len(KS)
    return {name: np.reshape([one[name] for one in found], shape) for name in ("nmi", "ami", "ari")}


def table(named: dict, result: dict[str, np.ndarray]) -> pd.DataFrame:
    """The rows of one call: CHOICES, seed, nmi, ami, ari."""
    rows = [named | {"algorithm": a, "k": k} | {name: values[i, j] for name, values in result.items()}
            for i, a in enumerate(ALGORITHMS) for j, k in enumerate(KS)]  # fmt: skip
    return pd.DataFrame(rows)


def stored(data: Published) -> pd.DataFrame:
    """The table that `make results` wrote; empty where it has not."""
    path = data.folder / "multiverse.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*CHOICES, "seed", "nmi", "ami", "ari"])


PAIRS = {  # question: (choice, this, against that)
    "VAE above PCA 32": ("space", "VAE", "PCA 32"),
    "VAE above PCA 8": ("space", "VAE", "PCA 8"),
    "VAE above its own input": ("space", "VAE", "as fed"),
    "beta = 4 above beta = 1": ("space", "VAE, beta = 4", "VAE"),
    "lyrics (blocks) above sound": ("input", "sound + lyrics, blocks", "sound"),
    "lyrics (columns) above sound": ("input", "sound + lyrics, columns", "sound"),
    "lyrics (blocks) above shuffled ones": ("input", "sound + lyrics, blocks", "sound + lyrics, blocks" + SHUFFLED),
    "lyrics (columns) above shuffled ones": ("input", "sound + lyrics, columns", "sound + lyrics, columns" + SHUFFLED),
    "standard deviation above variance": ("spread", *SPREADS),
    "ranks above z-scores": ("scaling", *reversed(SCALINGS)),
    "Ward above K-Means": ("algorithm", "ward", "kmeans"),
    "Spectral above K-Means": ("algorithm", "spectral", "kmeans"),
}


def pairs(universe: pd.DataFrame, metric: str = "ami") -> pd.DataFrame:
    """Each question of PAIRS over all pipelines that are alike otherwise (means over seeds): how many pairs, the share
    that answers yes, and the median and extremes of the difference. Pipelines are choices, no sample: no interval."""
    means = universe.groupby(CHOICES)[metric].mean()
    rows = {}
    for question, (choice, this, that) in PAIRS.items():
        sides = [means.xs(value, level=choice) for value in (this, that) if value in means.index.unique(choice)]
        difference = (sides[0] - sides[1]).dropna() if len(sides) == 2 else pd.Series(dtype=float)
        if len(difference):
            rows[question] = {
                "pairs": len(difference), "share": float((difference > 0).mean()), "median": difference.median(),
                "lowest": difference.min(), "highest": difference.max(),
            }  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("Question")
