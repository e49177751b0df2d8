"""How scores depend on the number of dimensions that are clustered. Page "Audio baseline"."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from helpers import clustering, metrics
from helpers.tracks import Tracks
from helpers.training import Fit

DIMENSIONS = (2, 4, 8, 16, 32, 64)


def of_pca(tracks: Tracks, X: np.ndarray, k: int, seed: int = 0) -> pd.DataFrame:
    """Scores of PCA and K-Means, one row a number of components (`dims`, silhouette, nmi, ...).

    X (n, d) are the rows that were fed; whole tracks are clustered, into k clusters."""
    rows = []
    for dims in DIMENSIONS:
        if dims > min(X.shape):
            break
        components = PCA(dims, random_state=seed).fit_transform(X)
        points = tracks.track_means(components)
        clusters = clustering.cluster(points, "kmeans", k, seed)
        rows.append(metrics.scores(clusters, points, genres=tracks.whole().genres))
    return pd.DataFrame(rows)


def of_vae(fit: Fit, codes: np.ndarray, clusters: np.ndarray) -> dict[str, tuple[float, float]]:
    """The marks of the VAE in that figure, {name: (dimensions, silhouette)}: the silhouette of its
    `clusters` (n,) in the space of their `codes` (n, d), at all dimensions of `fit` and at those
    that it uses."""
    tightness = clustering.silhouette(codes, clusters)
    return {
        "VAE, all its dimensions": (fit.mu.shape[1], tightness),
        "VAE, those that it uses": (max(len(fit.active), 1), tightness),
    }
