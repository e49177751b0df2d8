"""What a conditional model is good for: the same z under another condition, and styles within one class.

Shown on the page "CVAE: collapse or by design?", on the level of features (no audio is synthesised)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from .. import clustering
from .adapter import Network


@dataclass(frozen=True)
class SwapResult:
    """`judged` (source x target; NaN where there was nothing to judge): share of rows that a classifier, trained on
    other real rows, takes for the target after the swap; `kept`: mean correlation of a row's deviation from its class
    mean before and after, over targets other than its own (1: everything that is not the class has stayed)."""

    judged: pd.DataFrame
    kept: float

    @property
    def success(self) -> float:
        """Mean share of swapped rows (target other than source) that are taken for the target."""
        shares = self.judged.to_numpy()
        return float(np.nanmean(shares[~np.eye(len(shares), dtype=bool)]))


class ClassMeans:
    """Baselines in the form of a model: every row becomes the mean of the class that it is decoded under; with `keep`,
    its own deviation from the mean of its class is added. X (n, D), c (n,) codes."""

    def __init__(self, X: np.ndarray, c: np.ndarray, keep: bool):
        self.centres = np.zeros((int(c.max()) + 1, X.shape[1]))
        self.keep = keep
        for name in np.unique(c):
            self.centres[name] = X[c == name].mean(axis=0)

    def encode(self, x, onehot):
        """x (n, D), onehot (n, C) -> the deviation (n, D), or zeros; and a log-variance."""
        mu = (x.numpy() - onehot.numpy() @ self.centres) * self.keep
        return mu, np.full_like(mu, -9.0)

    def decode(self, z, onehot):
        """z (n, D), onehot (n, C) -> (n, D)."""
        return z.numpy() + onehot.numpy() @ self.centres


def swap(model, X: np.ndarray, c: np.ndarray, names: list[str] | None = None, groups: np.ndarray | None = None,
         seed: int = 0) -> SwapResult | None:
    """Decode every row's posterior mean under every class: x' = decode(mu(x, c), c').

    X (n, D) scaled, c (n,) codes 0 ... C-1, `names` of the classes, `groups` (n,) what belongs together. The judge, an
    RBF support vector machine fitted on the real rows of half of the groups, judges the swapped rows of the other half,
    and the other way round; it sees reconstructions, which are smoother than tracks. Classes with one group are left
    out; None when fewer than two remain. Sohn, Lee & Yan 2015 swap conditions in the same way."""
    groups = np.arange(len(X)) if groups is None else np.asarray(groups)
    classes = np.array([name for name in np.unique(c) if len(np.unique(groups[c == name])) > 1])
    rows = np.flatnonzero(np.isin(c, classes))
    if len(classes) < 2 or len(np.unique(groups[rows])) < 2:
        return None
    with Network(model, int(c.max()) + 1) as network:
        mu = network.encode(X, c)[0]
        decoded = np.array([network.decode(mu, np.full(len(X), target)) for target in classes])
    taken = np.full((len(classes), len(X)), np.nan)
    for train, test in StratifiedGroupKFold(2, shuffle=True, random_state=seed).split(rows, c[rows], groups[rows]):
        train, test = rows[train], rows[test]
        if len(np.unique(c[train])) > 1:
            judge = make_pipeline(StandardScaler(), SVC()).fit(X[train], c[train])
            for j, target in enumerate(classes):
                taken[j, test] = judge.predict(decoded[j, test]) == target
    if np.isnan(taken).all():
        return None
    centres = np.array([X[c == name].mean(axis=0) for name in classes])
    own = X[rows] - centres[np.searchsorted(classes, c[rows])]
    kept = [_correlation(own, decoded[j, rows] - centres[j])[c[rows] != name] for j, name in enumerate(classes)]
    labels = [str(name if names is None else names[name]) for name in classes]
    judged = pd.DataFrame([np.nanmean(taken[:, c == source], axis=1) for source in classes],
                          index=pd.Index(labels, name="from"), columns=pd.Index(labels, name="to"))  # fmt: skip
    return SwapResult(judged, float(np.concatenate(kept).mean()))


def _correlation(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Correlation of every row of A (n, D) with the same row of B, (n,); 0 where one of them is constant."""
    A, B = (M - M.mean(axis=1, keepdims=True) for M in (A, B))
    scale = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    return np.divide((A * B).sum(axis=1), scale, out=np.zeros(len(A)), where=scale > 1e-9)


def compare(models: dict, X: np.ndarray, c: np.ndarray, names: list[str] | None = None,
            groups: np.ndarray | None = None) -> dict[str, SwapResult]:
    """`swap` of every model, {name: model}, and of the two `ClassMeans`; empty where there is nothing to swap."""
    bare = {"the target's mean": ClassMeans(X, c, keep=False), "moved from mean to mean": ClassMeans(X, c, keep=True)}
    found = {name: swap(model, X, c, names, groups) for name, model in (models | bare).items()}
    return {name: result for name, result in found.items() if result is not None}


READABLE = {"centroid_mean": "brightness", "rms_mean": "loudness", "rms_std": "dynamics", "zcr_mean": "noisiness",
            "tempo": "tempo"}  # features that have a word


def readable(features: pd.DataFrame) -> pd.DataFrame:
    """The features that have a word, under it; the first five under their own names where there are none."""
    known = [name for name in READABLE if name in features]
    return features[known].rename(columns=READABLE) if known else features.iloc[:, :5]


def style_profile(Z: np.ndarray, features: pd.DataFrame, rows: np.ndarray, k: int = 3, seed: int = 0) -> pd.DataFrame:
    """Styles of one class: K-Means on Z[rows] and the mean of each feature per cluster, in the class's own standard
    deviations, (k, n_features), named by the cluster's size. ValueError for fewer rows than clusters."""
    if len(rows) < k:
        raise ValueError(f"{len(rows)} rows cannot make {k} clusters; choose a larger class or a smaller k.")
    labels = clustering.cluster(Z[rows], "kmeans", k, seed)
    part = features.iloc[rows]
    scaled = (part - part.mean()) / part.std(ddof=0).replace(0.0, 1.0)
    profile = scaled.groupby(labels).mean()
    profile.index = pd.Index([f"{(labels == j).sum()} rows" for j in profile.index], name="style")
    return profile
