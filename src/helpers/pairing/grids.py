"""The grids of the page "Songs with their own words", which take longer than a page may:
`make results DATASET=paired ONLY=own_words` writes own_words_<grid>.csv into `data/results/paired`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from .. import cache, clustering, datasets, lyrics, metrics
from ..datasets import Tracks
from . import study
from .fusions import CONTROLS, FUSIONS

FOLDER = "paired"
FOLDED = 3  # seeds of retrieval, at most: each trains a network a fold


def publish(tracks: Tracks, folder: Path, seeds: int, n_jobs: int | None = None) -> None:
    """Compute every grid on songs with their own words and write its table; what the store holds is read."""
    found = study.clusters(tracks, list(FUSIONS), CONTROLS, seeds, n_jobs)
    grids = {
        "fusions": lambda: study.scores(tracks, found),
        "weights": lambda: study.by_weight(tracks, seeds, n_jobs),
        "probes": lambda: study.probe_scores(tracks, seeds, n_jobs),
        "retrieval": lambda: study.retrieval(tracks, min(seeds, FOLDED), n_jobs=n_jobs),
        "variance": lambda: study.variance(tracks),
        "texts": lambda: texts(seeds),
    }
    for name, make in grids.items():
        write = partial(make().to_csv, index=False, float_format="%.6g")
        cache.write_atomically(folder / f"own_words_{name}.csv", write)


def texts(seeds: int) -> pd.DataFrame:
    """Other texts, the bank of Genius lyrics (`lyrics.bank`): what K-Means on their vectors alone finds, language or
    tag: target, k, texts, seeds, mean and sd of NMI, and chance of NMI."""
    bank, rows = lyrics.bank(), []
    whole = bank.rows(None, None)
    for target, values, kept in (("language", bank.language[whole], ("de", "en")),
                                 ("genius_tag", bank.tag[whole], ("pop", "rap", "rock"))):  # fmt: skip
        here = np.isin(values, kept)
        vectors, truth = bank.vectors[whole][here], values[here]
        labels = [clustering.cluster(vectors, "kmeans", len(kept), seed) for seed in range(seeds)]
        nmi = [metrics.external(truth, found)["nmi"] for found in labels]
        rows.append({"target": target, "k": len(kept), "texts": len(truth), "seeds": seeds, "mean": np.mean(nmi),
                     "sd": np.std(nmi, ddof=1), "chance": metrics.chance(truth, labels[0])["nmi"]})  # fmt: skip
    return pd.DataFrame(rows)


def stored(name: str) -> pd.DataFrame | None:
    """A published grid of the book's paired songs, None where it is not there. Page "Songs with their own words"."""
    path = datasets.data_dir() / "results" / FOLDER / f"own_words_{name}.csv"
    return pd.read_csv(path) if path.exists() else None
