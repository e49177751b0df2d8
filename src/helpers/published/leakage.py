"""What the label in the input does to the published scores: ladders, controls, thirty sentences found again. Page
"Leakage"; no audio, no training.

The runs are made by `grids`; every number derived here is recomputed from the stored labels by tests/test_published.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import inputs, metrics, phases, tables
from ..datasets import Tracks
from ..inputs import VARIANTS
from .store import Published

LADDERS = {  # headline score -> (phase, method, [(step, protocol, variant)]): one channel less from step to step
    "DBSCAN": (2, "DBSCAN", [
        ("released: three sentences per genre", "released", "full"),
        ("real lyrics instead", "released", "real lyrics"),
        ("no text, audio alone", "released", "audio alone"),
        ("controlled: weighted, real lyrics", "controlled", "full"),
        ("controlled, lyrics shuffled", "controlled", "lyrics shuffled"),
    ]),
    "Beta-VAE": (3, "Beta-VAE", [
        ("released: one-hot genre and constant sentences", "released", "full"),
        ("one-hot genre removed", "released", "one-hot removed"),
        ("real lyrics instead of sentences", "released", "real lyrics"),
        ("real lyrics and no one-hot", "released", "real lyrics, no one-hot"),
        ("no text, no one-hot: audio alone", "released", "audio alone"),
        ("controlled: weighted, real lyrics", "controlled", "full"),
        ("controlled, lyrics shuffled", "controlled", "lyrics shuffled"),
    ]),
}  # fmt: skip
INPUTS = [  # six inputs of phase 3, the first three with ever less of the label: (name, protocol, variant)
    ("as released: sound, texts, one-hot genre", "released", "full"),
    ("the same without the one-hot", "released", "one-hot removed"),
    ("the same, real lyrics for the sentences", "released", "real lyrics, no one-hot"),
    ("real lyrics, weighted (controlled)", "controlled", "full"),
    ("the same, lyrics shuffled", "controlled", "lyrics shuffled"),
    ("sound alone", "controlled", "audio alone"),
]


def ladder(data: Published, headline: str) -> pd.DataFrame:
    """The steps of a headline score (LADDERS) as plots.waterfall wants them: step, mean, sd, low, high, chance, k,
    noise_share, leaky; NMI with its interval over tracks and seeds."""
    phase, method, steps = LADDERS[headline]
    rows = []
    for step, protocol, variant in steps:
        run = data.run(protocol, phase, variant)
        run = run[run.method == method]
        value = run.pivot_table(index="seed", columns="metric", values="value")
        low, high = data.interval(data.labels(protocol, phase, method, variant), "nmi")
        rows.append(
            {
                "step": step,
                "mean": value.nmi.mean(),
                "sd": value.nmi.std(),
                "low": low,
                "high": high,
                "chance": value.nmi_chance.mean(),
                "k": value.k.mean(),
                "noise_share": value.noise_share.mean(),
                "leaky": bool(run.leaky.any()),
            }
        )
    return pd.DataFrame(rows)


COLUMNS = ["input", "method", "mean", "low", "high", "leaky", "chance"]


def inputs(data: Published) -> pd.DataFrame:
    """NMI of K-Means straight on each of INPUTS, and on the Beta-VAE's latent space of it, as plots.agreement wants it:
    input, method, mean, low, high (95 % interval over tracks and seeds), leaky, chance. The opening page's figure."""
    rows = []
    for name, protocol, variant in INPUTS:
        for method in ("Input + K-Means", "Beta-VAE"):
            run = data.run(protocol, 3, variant)
            run = run[run.method == method]
            low, high = data.interval(data.labels(protocol, 3, method, variant), "nmi")
            mean, chance = (tables.mean_of(run, method, metric) for metric in ("nmi", "nmi_chance"))
            rows.append((name, method, mean, low, high, bool(run.leaky.any()), chance))
    return pd.DataFrame(rows, columns=COLUMNS)


def inputs_live(tracks: Tracks, seeds: int) -> pd.DataFrame:
    """The same of `tracks`, computed now, without the network; low and high are the range over seeds. Inputs that these
    tracks cannot have (no genres, none of GTZAN's, no lyrics) are left out. Page "Leakage"."""
    rows = []
    for name, protocol, variant in INPUTS if tracks.genres is not None else []:
        try:
            if variant != "audio alone" and "text" not in inputs.prepare(tracks, protocol, 3, guard=False).blocks:
                continue
            scores, _ = phases.controls(tracks, protocol, 3, seeds, [variant])
        except ValueError:  # genres without a sentence of their own, or an input that the guard refuses
            continue
        nmi, chance = (scores[scores.metric == metric].value for metric in ("nmi", "nmi_chance"))
        leaky = bool(scores.leaky.any())
        rows.append((name, "Input + K-Means", nmi.mean(), nmi.min(), nmi.max(), leaky, chance.mean()))
    return pd.DataFrame(rows, columns=COLUMNS)


def controls(data: Published, protocol: str, phase: int) -> pd.DataFrame:
    """K-Means straight on every input of `phase`, whole and one channel at a time: NMI and ARI as mean ± sd over seeds
    with their 95 % interval over tracks and seeds, columns of the input, chance."""
    s = data.scores
    s = s[(s.method == "Input + K-Means") & (s.protocol == protocol) & (s.phase == phase)]
    variants = sorted(set(s.variant), key=list(VARIANTS).index)
    table = tables.table(s.assign(method=s.variant), ["nmi", "ari", "dims", "nmi_chance"], variants)
    for metric in ("nmi", "ari"):
        found = [data.interval(data.labels(protocol, phase, "Input + K-Means", v), metric) for v in variants]
        table[tables.label_of(metric)] += [tables.interval_cell(*pair) for pair in found]
    return table.rename_axis("Input")


def pure_clusters(data: Published) -> pd.DataFrame:
    """What DBSCAN found under `released`, one row a seed: k, noise, how many clusters are pure, how many genres split
    into three, its NMI, and the NMI that equal pure clusters of that number would have."""
    rows = []
    for seed, labels in enumerate(data.labels("released", 2, "DBSCAN")):
        kept = labels != -1
        table = pd.crosstab(data.genres[kept], labels[kept])
        pure = (table > 0).sum(axis=0) == 1
        per_genre = (table.loc[:, pure] > 0).sum(axis=1)
        rows.append(
            {
                "seed": seed,
                "k": table.shape[1],
                "noise rows": int((~kept).sum()),
                "pure clusters": int(pure.sum()),
                "genres in three": int((per_genre == 3).sum()),
                "NMI": metrics.external(data.genres[kept], labels[kept])["nmi"],
                "NMI by arithmetic": 2 * np.log(table.shape[0]) / (np.log(table.shape[0]) + np.log(table.shape[1])),
            }
        )
    return pd.DataFrame(rows).set_index("seed")
