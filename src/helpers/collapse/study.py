"""The live study of the collapse chapter: train the page's models on one data set, and run the battery on each.

Page "CVAE: collapse or by design?"; the grids that take longer are in `grids`."""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
from scipy import stats

from .. import inputs, protocols, training
from ..datasets import Tracks
from ..protocols import Recipe
from .battery import Diagnosis, diagnose, limits
from .probes import within

SHORT = 100  # epochs of the models beside the protocol's own CVAE
DEAD = 40.0  # beta at which every unit of a model of standardised features dies


@dataclass(frozen=True)
class ChapterRun:
    """`fits[model]` and `diagnoses[model]` are lists over the seeds that came through, `left_out` a sentence for each
    that did not; `X[seed]` what was fed; c (n,) codes or None; `label` what c is called; `factors` what else is looked
    for in z."""

    tracks: Tracks
    fits: dict[str, list[training.Fit]]
    diagnoses: dict[str, list[Diagnosis]]
    left_out: tuple[str, ...]
    X: dict[int, np.ndarray]
    c: np.ndarray | None
    label: str
    factors: dict[str, np.ndarray]

    def values(self, model: str, measure: str, target: str = "", space: str = "") -> np.ndarray:
        """One measure of one model over the seeds, (n_seeds,)."""
        return np.array([found.value(measure, target, space) for found in self.diagnoses[model]])

    def interval(self, model: str, measure: str, target: str = "", space: str = "") -> tuple[float, float]:
        """95 % interval of a method's measure, one that is a mean of rows: over tracks (whole groups) and, with several
        seeds, whose t interval joins in, over seeds, as in `metrics.bootstrap`."""
        key = (measure, target, space)
        rows = pd.DataFrame([found.rows[key] for found in self.diagnoses[model]]).mean()
        low, high = limits(pd.DataFrame({key: rows}), self.tracks.groups)[key]
        values = self.values(model, *key)
        if len(values) > 1:
            wide = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
            mean = values.mean()
            low, high = mean - np.hypot(mean - low, wide), mean + np.hypot(high - mean, wide)
        return (max(float(low), 0.0), min(float(high), 1.0)) if measure == "probe" else (float(low), float(high))


def tidy(diagnoses: dict[str, list[Diagnosis]]) -> pd.DataFrame:
    """Diagnoses by model as one table: model, seed (counted from 0), verdict, and the columns of `Diagnosis.table`."""
    parts = [found.table.reset_index().assign(model=model, seed=seed, verdict=found.verdict)
             for model, all_seeds in diagnoses.items() for seed, found in enumerate(all_seeds)]
    return pd.concat(parts, ignore_index=True)


def chapter_input(tracks: Tracks, protocol: str, seed: int) -> np.ndarray:
    """What the chapter's models see, (n, d): the standardised audio features; under a protocol that puts the label into
    the input all that it fuses in phase 3, if the data set has what that is made of."""
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
    both = {"CVAE, KL annealing": ramp, "CVAE, no annealing": plain}
    own = "CVAE, KL annealing" if cvae.anneal != "none" else "CVAE, no annealing"
    return {own: cvae, **(both | {own: cvae} if both_ways else {}), "VAE": vae, f"CVAE, beta = {DEAD:.0f}": dead}


def factor(tracks: Tracks) -> dict[str, np.ndarray]:
    """The thing other than the label that is looked for in z, by name: the third of its own class that a track's mean
    spectral centroid falls in, called brightness; where there is no such feature, the first one that varies."""
    features = tracks.features
    name = next((f for f in ("centroid_mean", *features) if f in features and features[f].nunique() > 2), None)
    c = np.zeros(tracks.n, dtype=int) if tracks.genres is None else tracks.genre_codes
    return {} if name is None else {
        "brightness" if name == "centroid_mean" else str(name): within(features[name].to_numpy(), c)}


def run(tracks: Tracks, protocol: str = "controlled", seeds: int = 3, n_jobs: int | None = None) -> ChapterRun:
    """Train and diagnose the page's models on `tracks`, `seeds` times each (cached fits, spread over the cores).

    A fit that ran away is left out and named. Raises ValueError for an unknown protocol or fewer than one seed, and
    `training.Diverged` when no fit came through."""
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; ask for at least 1.")
    c = tracks.genre_codes if len(tracks.genre_names) > 1 else None
    X = {seed: chapter_input(tracks, protocol, seed) for seed in range(seeds)}
    factors, models = factor(tracks), chapter_models(protocol, c is not None)
    jobs = [(X[s], recipe, s, c if recipe.kind == "cvae" else None) for recipe in models.values() for s in X]
    fits = list(zip([name for name in models for _ in X], training.fit_many(jobs, n_jobs), strict=True))
    done = [(name, fit) for name, fit in fits if isinstance(fit, training.Fit)]
    left_out = tuple(f"{name}: {fit}" for name, fit in fits if isinstance(fit, training.Diverged))
    if not done:
        raise training.Diverged(f"No training came through. {' '.join(left_out)}")
    work = joblib.Parallel(n_jobs=min(n_jobs or joblib.cpu_count(), len(done)))(
        joblib.delayed(diagnose)(fit.model(), X[fit.seed], c, factors, tracks.groups, seed=fit.seed) for _, fit in done)
    found: dict[str, list[Diagnosis]] = {}
    kept: dict[str, list[training.Fit]] = {}
    for (name, fit), diagnosis in zip(done, work, strict=True):
        found.setdefault(name, []).append(diagnosis)
        kept.setdefault(name, []).append(fit)
    label = tracks.scored or next(iter(tracks.labels), "class")
    return ChapterRun(tracks, kept, found, left_out, X, c, label, factors)
