"""Does a criterion that sees no label rank pipelines as their agreement with genre does?

Spearman's rank correlation over all pipelines of a data set, and what following the criterion
gives: the agreement of the pipeline that it likes best. Intervals come from drawing artists with
the tracks. Page "How to cluster music well"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from helpers import metrics
from helpers.shown import short_repr_of

RESAMPLES = 200
CRITERIA = {  # column of pipelines.csv -> its name on the page, and whether more is better
    "silhouette": ("silhouette, own space", True),
    "silhouette_common": ("silhouette, one common space", True),
    "calinski_harabasz": ("Calinski-Harabasz", True),
    "davies_bouldin": ("Davies-Bouldin", False),
    "dbcv": ("DBCV", True),
    "stability_seeds": ("stability over seeds", True),
    "stability_resamples": ("stability over resamples", True),
    "prediction_strength": ("prediction strength", True),
}


@dataclass(frozen=True)
class Pipeline:
    """What the seeds of one pipeline gave: its names, labels (seeds, n), and its values of
    CRITERIA, means over the seeds."""

    named: dict
    labels: np.ndarray
    values: dict[str, float]

    @property
    def key(self) -> str:
        """Its name in pipelines_labels.npz."""
        parts = ("input", "columns", "components", "space", "algorithm", "k")
        return "|".join(str(self.named[part]) for part in parts)


short_repr_of(Pipeline)


def resampled_ami(codes: np.ndarray, labels: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """AMI of labels (seeds, n) with codes (n,), mean over the seeds, on RESAMPLES draws of whole
    groups, (RESAMPLES,). What chance gives is taken from all tracks: it hardly moves from draw to
    draw, and costs a hundred times the rest."""
    whole, drawn = metrics.resampled(codes, labels, groups, "nmi", RESAMPLES)
    ami = np.array([metrics.external(codes, row)["ami"] for row in labels])
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = np.where(ami < 1, (whole - ami) / (1 - ami), 0.0)
    adjusted = (drawn - chance) / np.maximum(1 - chance, 1e-9)
    # a resample repeats tracks, which raises every score a little: the mean is put back
    return (adjusted - adjusted.mean(axis=0) + ami).mean(axis=1)


def correlations(codes: np.ndarray, groups: np.ndarray, found: Sequence[Pipeline]) -> pd.DataFrame:
    """A row a criterion, over all pipelines with as many clusters as there are classes: how many
    pipelines, rank correlation of the criterion with AMI and its 95 % interval, AMI of the pipeline
    that the criterion likes best, with its interval, of the best pipeline, and of a random one (the
    mean). codes (n,), -1 for tracks that are not scored; groups (n,) are drawn whole."""
    here = codes >= 0
    fair = [pipeline for pipeline in found if pipeline.named["k"] == codes.max() + 1]
    point, draws = [], []
    for pipeline in fair:
        labels = np.where(pipeline.labels < 0, pipeline.labels.max() + 1, pipeline.labels)
        amis = [metrics.external(codes[here], row[here])["ami"] for row in labels]
        point.append(float(np.mean(amis)))
        draws.append(resampled_ami(codes[here], labels[:, here], groups[here]))
    ami, drawn = np.array(point), np.array(draws)
    rows = []
    for name, (_, higher) in CRITERIA.items():
        values = np.array([pipeline.values[name] for pipeline in fair], dtype=float)
        if not higher:
            values = -values
        kept = np.isfinite(values)
        rows.append({"criterion": name} | _row(values[kept], ami[kept], drawn[kept]))
    return pd.DataFrame(rows)


def _row(values: np.ndarray, ami: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """One row of `correlations`: values, ami (m,) and drawn (m, RESAMPLES) of m pipelines."""
    if len(ami) < 3:
        return {"pipelines": len(ami)}
    single = np.array([spearman(values, column) for column in drawn.T])
    point = spearman(values, ami)
    single += point - single.mean()  # a draw adds noise to each score, and noise lowers the rank
    best = int(values.argmax())
    return {
        "pipelines": len(ami),
        "correlation": point,
        "correlation_low": float(np.quantile(single, 0.025)),
        "correlation_high": float(np.quantile(single, 0.975)),
        "picked": float(ami[best]),
        "picked_low": float(np.quantile(drawn[best], 0.025)),
        "picked_high": float(np.quantile(drawn[best], 0.975)),
        "best": float(ami.max()),
        "random": float(ami.mean()),
    }


def spearman(one: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation of two arrays (m,), ties at their mean rank; 0 where one does not vary."""
    a, b = (rankdata(values) - (len(values) + 1) / 2 for values in (one, other))
    size = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / size) if size > 0 else 0.0
