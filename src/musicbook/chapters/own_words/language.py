"""What the language is in the vectors of words, how it can be taken off, and what that does to the
genre or the subject.

With n languages their means span n - 1 directions. So removing one direction can be enough for two
languages, if it is the one in which they differ, and is not for six. Page "Songs with their own
words"."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import clustering, metrics
from musicbook.chapters.own_words.songs import without_directions
from musicbook.corpus.embedding import without_language


def explained(X: np.ndarray, codes: np.ndarray) -> float:
    """Share of the variance of X (n, d) that lies between the means of the groups `codes` (n,), in
    [0, 1]."""
    centred = X - X.mean(axis=0)
    between = 0.0
    for one in np.unique(codes):
        here = codes == one
        between += here.sum() * (centred[here].mean(axis=0) ** 2).sum()
    return float(between / (centred**2).sum())


def removals(vectors: np.ndarray, language: np.ndarray) -> dict[str, np.ndarray]:
    """Whole vectors (n, d) with their language taken off in different ways, by name; language (n,)
    str."""
    n = len(np.unique(language))
    kinds = {"nothing": vectors, "the first direction": without_directions(vectors, 1)}
    if n > 2:
        kinds[f"the first {n - 1} directions"] = without_directions(vectors, n - 1)
    kinds["each language's mean"] = without_language(vectors, language)
    return kinds


def language_rows(
    vectors: np.ndarray, language: np.ndarray, labels: Mapping[str, np.ndarray], seeds: int
) -> pd.DataFrame:
    """One row a way to take the language off.

    Columns: languages, removed, share (of the variance of the whole vectors, before anything is
    removed, between languages), left (that of what remains), language (NMI of K-Means clusters, as
    many as languages), and one column a label of `labels`, codes (n,) with -1 for unknown: NMI of
    as many clusters as it has classes. Means over seeds."""
    share, rows = explained(vectors, language), []
    codes = np.unique(language, return_inverse=True)[1]
    for name, kind in removals(vectors, language).items():
        row = {"languages": codes.max() + 1, "removed": name, "share": share}
        row |= {"left": explained(kind, language), "language": mean_nmi(kind, codes, seeds)}
        for label, values in labels.items():
            row[label] = mean_nmi(kind, values, seeds)
        rows.append(row)
    return pd.DataFrame(rows)


def mean_nmi(X: np.ndarray, codes: np.ndarray, seeds: int) -> float:
    """NMI of K-Means clusters of X (n, d) with codes (n,), -1 left out, as many clusters as codes,
    mean over seeds."""
    here, k, values = codes >= 0, int(codes.max()) + 1, []
    for seed in range(seeds):
        clusters = clustering.cluster(X[here], "kmeans", k, seed, n_init=10)
        values.append(metrics.external(codes[here], clusters)["nmi"])
    return float(np.mean(values))
