"""What a conditional model is good for: the same z under another condition, and styles within one class.

Shown on the page "CVAE: collapse or by design?", on the level of features (no audio is synthesised).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .adapter import Network


@dataclass(frozen=True)
class Transfer:
    """`judged` (source class x target class): share of rows that a classifier, trained on the real rows, takes for the
    target after the swap; `kept`: mean correlation, over rows and other targets, of a row's deviation from its class
    mean before and after (1: everything that is not the class has stayed); `chance`: what a random class would get."""

    judged: pd.DataFrame
    kept: float
    chance: float

    @property
    def success(self) -> float:
        """Mean share of swapped rows (target other than source) that are taken for the target."""
        shares = self.judged.to_numpy()
        return float(shares[~np.eye(len(shares), dtype=bool)].mean())


def swap(model, X: np.ndarray, c: np.ndarray, names: list[str] | None = None) -> Transfer:
    """Decode every row's posterior mean under every class: x' = decode(mu(x, c), c').

    X (n, D) scaled, c (n,) codes 0 ... C-1, `names` of the classes. The judge is an RBF support vector machine fitted
    on the real rows; it sees reconstructions, which are smoother than tracks, so the diagonal is its share on rows
    decoded under their own class, not its accuracy. Sohn, Lee & Yan 2015 swap conditions in the same way.
    """
    classes = np.unique(c)
    network = Network(model, int(classes.max()) + 1)
    try:
        mu = network.encode(X, c)[0]
        decoded = [network.decode(mu, np.full(len(X), target)) for target in classes]
    finally:
        network.close()
    judge = make_pipeline(StandardScaler(), SVC()).fit(X, c)
    shares = np.zeros((len(classes), len(classes)))
    centres = np.array([X[c == name].mean(axis=0) for name in classes])
    own = X - centres[np.searchsorted(classes, c)]
    kept = []
    for j, target in enumerate(classes):
        hit = judge.predict(decoded[j]) == target
        shares[:, j] = [hit[c == name].mean() for name in classes]
        others = c != target
        kept.append(_row_correlation(own[others], decoded[j][others] - centres[j]))
    labels = [str(name) for name in (names or classes)]
    table = pd.DataFrame(shares, index=pd.Index(labels, name="from"), columns=pd.Index(labels, name="to"))
    return Transfer(table, float(np.concatenate(kept).mean()), 1.0 / len(classes))


def _row_correlation(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Correlation of every row of A (n, D) with the same row of B; 0 where one of them is constant."""
    A, B = (M - M.mean(axis=1, keepdims=True) for M in (A, B))
    scale = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    return np.divide((A * B).sum(axis=1), scale, out=np.zeros(len(A)), where=scale > 0)


READABLE = {"centroid_mean": "brightness", "rms_mean": "loudness", "rms_std": "dynamics", "zcr_mean": "noisiness",
            "tempo": "tempo"}  # features that have a word


def style_profile(Z: np.ndarray, features: pd.DataFrame, rows: np.ndarray, k: int = 3, seed: int = 0) -> pd.DataFrame:
    """Styles of one class: K-Means on Z[rows] and the mean of each feature per cluster, in the class's own standard
    deviations, (k, n_features), named by the cluster's size. ValueError for fewer rows than clusters."""
    if len(rows) < k:
        raise ValueError(f"{len(rows)} rows cannot make {k} clusters; choose a larger class or a smaller k.")
    labels = KMeans(k, n_init=10, random_state=seed).fit_predict(Z[rows])
    part = features.iloc[rows]
    scaled = (part - part.mean()) / part.std(ddof=0).replace(0.0, 1.0)
    profile = scaled.groupby(labels).mean()
    profile.index = pd.Index([f"{(labels == j).sum()} rows" for j in profile.index], name="style")
    return profile
