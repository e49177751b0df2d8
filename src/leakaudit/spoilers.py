"""What is no leak but spoils a score: dead dimensions, predictions by chance, unknown classes."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

LIVE_FACTOR = 5.0  # times the spread of the loudest dead column that the quietest live one has
DEAD_SHARE = 0.5  # of the columns of a block
FEWEST_COLUMNS = 8
UNKNOWN = re.compile(r"^\W*(unknown|none|null|nan|n/?a|other|others|misc|undefined|\?*)\W*$", re.I)
UNKNOWN_SHARE = 0.05  # of the rows
LATENT = re.compile(r"^(z|mu|latent|embedding|code|pc|pca|umap|tsne|lda|svd|ica)($|[_\W\d])", re.I)


def dead_columns(X: np.ndarray) -> np.ndarray:
    """Which columns (d,) of a block X (n, d) are dead: a factor of LIVE_FACTOR or more below the
    quietest live one, and at least half of the block.

    A network that uses one of 32 dimensions makes such a block. Standard deviations as they stand,
    so that the question is one for latents, and not for measurements in different units.
    """
    sd = X.std(axis=0)
    dead = np.zeros(len(sd), bool)
    if len(sd) < FEWEST_COLUMNS:
        return dead
    order = np.sort(sd)[::-1]
    ratio = order[:-1] / np.maximum(order[1:], 1e-300)
    most = int(len(sd) * (1 - DEAD_SHARE))
    at = int(ratio[:most].argmax())
    if ratio[at] >= LIVE_FACTOR and order[0] <= LIVE_FACTOR * max(order[at], 1e-300):
        dead = sd <= order[at + 1]
    return dead


def unknown_classes(labels: np.ndarray) -> tuple[list[str], float]:
    """The classes whose name says that they are none, and their share of the rows (n,)."""
    counts = pd.Series(labels).astype(str).value_counts()
    names = [name for name in counts.index if UNKNOWN.match(name)]
    return names, float(counts[names].sum() / max(counts.sum(), 1))


class ScoreOfPredictions(NamedTuple):
    """Agreement of predictions with labels, and what predictions of these sizes score by chance."""

    nmi: float
    nmi_chance: float
    ari: float
    purity: float
    purity_chance: float
    n_clusters: int
    p: float


def score_predictions(
    predictions: np.ndarray, codes: np.ndarray, seed: int, draws: int = 99
) -> ScoreOfPredictions:
    """NMI, ARI and purity of predictions (n,) with class codes (n,), beside chance.

    Chance is the mean over permuted predictions, p that of the NMI.
    """
    rng = np.random.default_rng(seed)
    found = pd.factorize(predictions)[0]

    def purity(clusters: np.ndarray) -> float:
        return float(pd.crosstab(clusters, codes).to_numpy().max(axis=1).sum() / len(codes))

    nmi = float(normalized_mutual_info_score(codes, found))
    mixed = [rng.permutation(found) for _ in range(draws)]
    by_chance = np.array([normalized_mutual_info_score(codes, one) for one in mixed])
    p = float((1 + (by_chance >= nmi).sum()) / (1 + draws))
    return ScoreOfPredictions(
        nmi,
        float(by_chance.mean()),
        float(adjusted_rand_score(codes, found)),
        purity(found),
        float(np.mean([purity(one) for one in mixed[:20]])),
        int(found.max() + 1),
        p,
    )
