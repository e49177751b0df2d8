"""What a conditional model is good for: the same z under another condition.

Shown on the page "Collapse in depth", on the level of features (no audio is synthesised)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from helpers.shown import short_repr_of
from musicbook.chapters.collapse.adapter import Network
from musicbook.chapters.collapse.study import ChapterRun


@dataclass(frozen=True)
class SwapResult:
    """`judged` (source x target; NaN where there was nothing to judge): share of rows that a
    classifier, trained on other real rows, takes for the target after the swap; `kept`: mean
    correlation of a row's deviation from its class mean before and after, over targets other than
    its own (1: everything that is not the class has stayed)."""

    judged: pd.DataFrame
    kept: float

    @property
    def success(self) -> float:
        """Mean share of swapped rows (target other than source) that are taken for the target."""
        shares = self.judged.to_numpy()
        return float(np.nanmean(shares[~np.eye(len(shares), dtype=bool)]))


short_repr_of(SwapResult)


class ClassMeans:
    """Baselines in the form of a model: every row becomes the mean of the class that it is decoded
    under; with `keep`, its own deviation from the mean of its class is added. X (n, D), c (n,)
    codes."""

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


def swap(
    model,
    X: np.ndarray,
    c: np.ndarray,
    names: list[str] | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> SwapResult | None:
    """Decode every row's posterior mean under every class: x' = decode(mu(x, c), c').

    X (n, D) scaled, c (n,) codes 0 ... C-1, `names` of the classes, `groups` (n,) what belongs
    together. The judge, an RBF support vector machine fitted on the real rows of half of the
    groups, judges the swapped rows of the other half, and the other way round; it sees
    reconstructions, which are smoother than tracks. Classes with one group are left out; None when
    fewer than two remain. Sohn, Lee & Yan 2015 swap conditions in the same way."""
    groups = np.arange(len(X)) if groups is None else np.asarray(groups)
    classes = np.array([k for k in np.unique(c) if len(np.unique(groups[c == k])) > 1])
    rows = np.flatnonzero(np.isin(c, classes))
    if len(classes) < 2 or len(np.unique(groups[rows])) < 2:
        return None
    with Network(model, int(c.max()) + 1) as network:
        mu = network.encode(X, c)[0]
        decoded = np.array([network.decode(mu, np.full(len(X), target)) for target in classes])
    taken = _judged(decoded, X, c, classes, rows, groups, seed)
    if np.isnan(taken).all():
        return None
    centres = np.array([X[c == k].mean(axis=0) for k in classes])
    own = X[rows] - centres[np.searchsorted(classes, c[rows])]
    kept = []
    for j, target in enumerate(classes):
        correlation = _correlation(own, decoded[j, rows] - centres[j])
        kept.append(correlation[c[rows] != target])
    labels = [str(k if names is None else names[k]) for k in classes]
    judged = pd.DataFrame(
        [np.nanmean(taken[:, c == source], axis=1) for source in classes],
        index=pd.Index(labels, name="from"),
        columns=pd.Index(labels, name="to"),
    )
    return SwapResult(judged, float(np.concatenate(kept).mean()))


def _judged(
    decoded: np.ndarray,
    X: np.ndarray,
    c: np.ndarray,
    classes: np.ndarray,
    rows: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Whether the judge takes each row, decoded under each class, for that class: (classes, n), NaN
    where it was not judged."""
    taken = np.full((len(classes), len(X)), np.nan)
    halves = StratifiedGroupKFold(2, shuffle=True, random_state=seed)
    for train, test in halves.split(rows, c[rows], groups[rows]):
        train, test = rows[train], rows[test]
        if len(np.unique(c[train])) < 2:
            continue
        judge = make_pipeline(StandardScaler(), SVC()).fit(X[train], c[train])
        for j, target in enumerate(classes):
            taken[j, test] = judge.predict(decoded[j, test]) == target
    return taken


def _correlation(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Correlation of every row of A (n, D) with the same row of B, (n,); 0 where one of them is
    constant."""
    A = A - A.mean(axis=1, keepdims=True)
    B = B - B.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(A, axis=1) * np.linalg.norm(B, axis=1)
    return np.divide((A * B).sum(axis=1), scale, out=np.zeros(len(A)), where=scale > 1e-9)


def swap_all(
    models: dict,
    X: np.ndarray,
    c: np.ndarray,
    names: list[str] | None = None,
    groups: np.ndarray | None = None,
) -> dict[str, SwapResult]:
    """`swap` of every model, {name: model}, and of the two `ClassMeans`; empty where there is
    nothing to swap."""
    bare = {
        "the target's mean": ClassMeans(X, c, keep=False),
        "moved from mean to mean": ClassMeans(X, c, keep=True),
    }
    results = {name: swap(model, X, c, names, groups) for name, model in (models | bare).items()}
    return {name: result for name, result in results.items() if result is not None}


def swap_chapter(chapter: ChapterRun) -> dict[str, SwapResult]:
    """`swap_all` of the first seed's models of the page; empty without a condition."""
    if chapter.c is None:
        return {}
    models = {name: fits[0].model() for name, fits in chapter.fits.items()}
    names, groups = chapter.tracks.genre_names, chapter.tracks.groups
    return swap_all(models, chapter.X[0], chapter.c, names, groups)
