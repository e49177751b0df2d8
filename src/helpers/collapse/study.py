"""The live study of the collapse chapter: train the page's models on one data set, and run the battery on each.

Page "CVAE: collapse or by design?"; the grids that take longer are in `experiments_collapse`.
"""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd

from .. import inputs, protocols, tables, training
from . import battery
from .battery import Diagnosis
from ..datasets import Tracks
from .probes import within
from ..protocols import Recipe

SHORT = 100  # epochs of the models beside the protocol's own CVAE
DEAD = 40.0  # beta at which every unit of a model of standardised features dies

@dataclass(frozen=True)
class Study:
    """`fits[model]` and `diagnoses[model]` are lists over the seeds; `X[seed]` what was fed; c (n,) codes or None;
    `factors` what else is looked for in z; `names` of the classes."""

    tracks: Tracks
    fits: dict[str, list[training.Fit]]
    diagnoses: dict[str, list[Diagnosis]]
    X: list[np.ndarray]
    c: np.ndarray | None
    factors: dict[str, np.ndarray]

    def values(self, model: str, measure: str) -> np.ndarray:
        """One measure of one model over the seeds, (n_seeds,)."""
        return np.array([d.values[measure] for d in self.diagnoses[model]])

    def interval(self, model: str, measure: str) -> tuple[float, float]:
        """The widest 95 % interval of a measure over the seeds: lowest lower and highest upper end."""
        rows = [d.table.loc[measure] for d in self.diagnoses[model]]
        return min(row["low"] for row in rows), max(row["high"] for row in rows)

    def table(self) -> pd.DataFrame:
        """Measures by models, mean ± sd over seeds, and how to read each; the verdicts last."""
        measures = list(dict.fromkeys(m for ds in self.diagnoses.values() for m in ds[0].table.index))
        columns = {}
        for model, found in self.diagnoses.items():
            cells = {m: show(m, self.values(model, m)) for m in measures if m in found[0].values}
            columns[model] = cells | {"verdict": ", ".join(dict.fromkeys(d.verdict for d in found))}
        table = pd.DataFrame(columns).reindex([*measures, "verdict"]).fillna("–")
        reading = {m: ds[0].table.loc[m, "reading"] for ds in self.diagnoses.values() for m in ds[0].table.index}
        return table.assign(reading=[reading.get(m, "") for m in table.index]).rename_axis("measure")


def mean_sd(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1; NaN for one value)."""
    return float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else float("nan")


def show(measure: str, values: np.ndarray) -> str:
    """Mean ± sd over seeds as a table cell; counts of units with one decimal."""
    return tables.cell(*mean_sd(values), "dims" if measure.startswith("active units") else "")


def chapter_input(tracks: Tracks, protocol: str, seed: int) -> np.ndarray:
    """What the chapter's models see: the 68 standardised audio features, (n, 68); under `released` the 462 columns of
    its phase 3 (features, texts, one-hot genre), where the data set has what they are made of."""
    if protocols.get(protocol).label_in_input and tracks.genres is not None:
        try:
            return inputs.prepare(tracks, protocol, 3, seed, guard=False).X
        except ValueError:  # genres without a sentence of their own: audio alone
            pass
    return inputs.zscore(tracks.features.to_numpy())


def chapter_models(protocol: str, conditional: bool, both_ways: bool = False) -> dict[str, Recipe]:
    """Name -> recipe of the page's models: the protocol's CVAE, its unconditional twin, and one that is made to
    collapse; `both_ways` adds the CVAE with the KL annealing the other way round. Without labels the last two,
    unconditional."""
    cvae = protocols.get(protocol).recipes["cvae"]
    plain = cvae.but(anneal="none", anneal_epochs=0)
    ramp = plain.but(anneal="linear", anneal_epochs=max(1, cvae.epochs // 2))
    vae = plain.but(kind="vae", epochs=min(SHORT, cvae.epochs))
    dead = plain.but(beta=DEAD, epochs=min(SHORT, cvae.epochs))
    if not conditional:
        return {"VAE": vae, f"VAE, beta = {DEAD:.0f}": dead.but(kind="vae")}
    own, other = (ramp, plain) if cvae.anneal != "none" else (plain, ramp)
    labels = [f"CVAE, {'KL annealing' if r.anneal != 'none' else 'no annealing'}" for r in (own, other)]
    twin = {labels[1]: other} if both_ways else {}
    return {labels[0]: cvae, **twin, "VAE": vae, f"CVAE, beta = {DEAD:.0f}": dead}


def run(tracks: Tracks, protocol: str = "controlled", seeds: int = 3, n_jobs: int | None = None) -> Study:
    """Train and diagnose the page's models on `tracks`, `seeds` times each (cached fits, spread over the cores).

    The factor other than the genre is brightness: the third of its own genre that a track's mean spectral centroid
    falls in. Raises ValueError for an unknown protocol or fewer than one seed.
    """
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; ask for at least 1.")
    c = tracks.genre_codes if len(tracks.genre_names) > 1 else None
    X = [chapter_input(tracks, protocol, seed) for seed in range(seeds)]
    classes = np.zeros(tracks.n, dtype=int) if c is None else c
    factors = {"brightness": within(tracks.features["centroid_mean"].to_numpy(), classes)}
    groups = tracks.groups if len(set(tracks.groups)) < tracks.n else None
    models = chapter_models(protocol, c is not None)
    jobs = [(X[s], recipe, s, c if recipe.kind == "cvae" else None) for recipe in models.values() for s in range(seeds)]
    fits = training.fit_many(jobs, n_jobs)
    work = joblib.Parallel(n_jobs=min(n_jobs or joblib.cpu_count(), len(jobs)))(
        joblib.delayed(diagnose_fit)(fit, X[fit.seed], c, factors, groups) for fit in fits)
    split = {name: slice(i * seeds, (i + 1) * seeds) for i, name in enumerate(models)}
    return Study(tracks, {n: fits[s] for n, s in split.items()}, {n: work[s] for n, s in split.items()}, X, c, factors)


def diagnose_fit(fit: training.Fit, X: np.ndarray, c: np.ndarray | None, factors: dict, groups: np.ndarray | None,
                 n_boot: int = 500) -> Diagnosis:
    """The battery on one fit of X (n, D)."""
    return battery.diagnose(fit.model(), X, c, factors, groups, seed=fit.seed, n_boot=n_boot)
