"""The live study of the collapse chapter: train the page's models on one data set, and run the
battery on each.

Page "CVAE and posterior collapse"; the grids that take longer are in `grids`."""

from __future__ import annotations

from dataclasses import dataclass

import joblib
import numpy as np
import pandas as pd
from scipy import stats

from helpers import inputs, lyrics, protocols, training
from helpers.protocols import Recipe
from helpers.shown import short_repr_of
from helpers.tracks import Tracks
from musicbook.chapters.collapse.battery import Diagnosis, diagnose, limits
from musicbook.chapters.collapse.probes import bins_within_class

SHORT = 100  # epochs of the models beside the protocol's own CVAE
DEAD = 40.0  # beta at which every unit of a model of standardised features dies


@dataclass(frozen=True)
class ChapterInput:
    """What the chapter's models see: `X` (n, D); `blocks`, the positions of the columns of each
    channel where there are several; `reference`, the positions of the columns that were measured
    and not made from the label, None for all."""

    X: np.ndarray
    blocks: dict[str, np.ndarray]
    reference: np.ndarray | None


short_repr_of(ChapterInput)


@dataclass(frozen=True)
class ChapterRun:
    """`fits[model]` and `diagnoses[model]` are lists over the seeds that came through, `left_out` a
    sentence for each that did not; `X[seed]` what was fed; c (n,) codes or None; `label` what c is
    called; `factors` what else is looked for in z."""

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
        return np.array([one.value(measure, target, space) for one in self.diagnoses[model]])

    def interval(
        self, model: str, measure: str, target: str = "", space: str = ""
    ) -> tuple[float, float]:
        """95 % interval of a method's measure, one that is a mean of rows: over tracks (whole
        groups) and, with several seeds, whose t interval joins in, over seeds, as in
        `metrics.bootstrap`."""
        key = (measure, target, space)
        rows = pd.DataFrame([one.rows[key] for one in self.diagnoses[model]]).mean()
        low, high = map(float, limits(pd.DataFrame({key: rows}), self.tracks.groups)[key])
        values = self.values(model, *key)
        if len(values) > 1:
            t = stats.t.ppf(0.975, len(values) - 1)
            by_seeds = t * values.std(ddof=1) / len(values) ** 0.5
            mean = float(values.mean())
            low = mean - float(np.hypot(mean - low, by_seeds))
            high = mean + float(np.hypot(high - mean, by_seeds))
        if measure == "probe":
            return max(low, 0.0), min(high, 1.0)
        return low, high


short_repr_of(ChapterRun)


def tidy_diagnoses(diagnoses: dict[str, list[Diagnosis]]) -> pd.DataFrame:
    """Diagnoses by model as one table: model, seed (counted from 0), verdict, and the columns of
    `Diagnosis.table`."""
    parts = []
    for model, all_seeds in diagnoses.items():
        for seed, one in enumerate(all_seeds):
            table = one.table.reset_index()
            parts.append(table.assign(model=model, seed=seed, verdict=one.verdict))
    return pd.concat(parts, ignore_index=True)


def chapter_input(tracks: Tracks, protocol: str, seed: int) -> ChapterInput:
    """What the chapter's models see: the standardised audio features; under a protocol that puts
    the label into the input all that it fuses in phase 3, if the data set has what that is made
    of."""
    if protocols.get(protocol).label_in_input and tracks.genres is not None:
        try:
            made = inputs.prepare(tracks, protocol, 3, seed, guard=False)
        except ValueError:  # genres without a sentence of their own: audio alone
            pass
        else:
            blocks = {
                inputs.WORDS[name]: np.arange(columns.start, columns.stop)
                for name, columns in made.blocks.items()
            }
            return ChapterInput(made.X, blocks, blocks["sound"])
    return ChapterInput(inputs.zscore(tracks.features.to_numpy()), {}, None)


def with_other_lyrics(tracks: Tracks, protocol: str, seed: int) -> np.ndarray:
    """The input of phase 3 under a protocol with constant sentences, (n, D), but with other real
    lyrics of the same tags where it has real lyrics: what a network has not seen. Scaled as the
    input that it was trained on. ValueError for genres without lyrics."""
    raw, _ = inputs.channels(tracks, protocols.get(protocol), 3, seed)
    other = dict(raw) | {"text": _other_lyrics(np.asarray(tracks.genres), raw["text"], seed)}
    before, after = (np.hstack(list(blocks.values())) for blocks in (raw, other))
    return (after - before.mean(axis=0)) / np.maximum(before.std(axis=0), 1e-12)


def _other_lyrics(genres: np.ndarray, text: np.ndarray, seed: int) -> np.ndarray:
    """The text channel (n, 384) of `lyrics.constant` with other texts for the genres that have real
    ones: English texts of the same tag, or of any where the tag has too few, none of those that the
    protocol uses; each once, where there are enough."""
    bank, rng = lyrics.bank(), np.random.default_rng([seed, 21])
    used = bank.sha[bank.rows(None, chars=lyrics.EXCERPT)]
    fresh = np.setdiff1d(bank.rows(None), np.flatnonzero(np.isin(bank.sha, used)))
    # the first of these fill up a tag with few texts
    fresh = fresh[lyrics.EXCERPTS_PER_TAG :]
    noise = rng.normal(0.0, 0.02, text.shape)
    other = np.array(text)
    for genre in sorted(set(genres.tolist()) - set(lyrics.CONSTANTS)):
        rows = np.flatnonzero(genres == genre)
        pool = fresh[bank.tag[fresh] == lyrics.GENRE_TAG[genre]]
        if len(pool) < len(rows):
            pool = fresh
        drawn = rng.choice(pool, len(rows), replace=len(pool) < len(rows))
        other[rows] = bank.vectors[drawn] + noise[rows]
    return other


def chapter_models(protocol: str, conditional: bool, both_ways: bool = False) -> dict[str, Recipe]:
    """Name -> recipe of the page's models: the protocol's CVAE, its unconditional twin, and one
    that is made to collapse; `both_ways` adds the CVAE with the KL annealing the other way round.
    Without labels the last two, unconditional."""
    cvae = protocols.get(protocol).recipes["cvae"]
    plain = cvae.but(anneal="none", anneal_epochs=0)
    ramp = plain.but(anneal="linear", anneal_epochs=max(1, cvae.epochs // 2))
    vae = plain.but(kind="vae", epochs=min(SHORT, cvae.epochs))
    dead = plain.but(beta=DEAD, epochs=min(SHORT, cvae.epochs))
    if not conditional:
        return {"VAE": vae, f"VAE, beta = {DEAD:.0f}": dead.but(kind="vae")}
    both = {"CVAE, KL annealing": ramp, "CVAE, no annealing": plain}
    own = "CVAE, KL annealing" if cvae.anneal != "none" else "CVAE, no annealing"
    table = {own: cvae}
    if both_ways:
        table |= both | {own: cvae}
    return table | {"VAE": vae, f"CVAE, beta = {DEAD:.0f}": dead}


def other_factor(tracks: Tracks) -> dict[str, np.ndarray]:
    """The thing other than the label that is looked for in z, by name: the third of its own class
    that a track's mean spectral centroid falls in, called brightness; where there is no such
    feature, the first one that varies."""
    features = tracks.features
    candidates = [name for name in ("centroid_mean", *features) if name in features]
    varying = [name for name in candidates if features[name].nunique() > 2]
    if not varying:
        return {}
    c = np.zeros(tracks.n, dtype=int) if tracks.genres is None else tracks.genre_codes
    name = "brightness" if varying[0] == "centroid_mean" else str(varying[0])
    return {name: bins_within_class(features[varying[0]].to_numpy(), c)}


def run_chapter(
    tracks: Tracks, protocol: str = "controlled", seeds: int = 3, n_jobs: int | None = None
) -> ChapterRun:
    """Train and diagnose the page's models on `tracks`, `seeds` times each (cached fits, spread
    over the cores).

    A fit that ran away is left out and named. Raises ValueError for an unknown protocol or fewer
    than one seed, and `training.Diverged` when no fit came through."""
    if seeds < 1:
        raise ValueError(f"seeds is {seeds}; ask for at least 1.")
    c = tracks.genre_codes if len(tracks.genre_names) > 1 else None
    fed = {seed: chapter_input(tracks, protocol, seed) for seed in range(seeds)}
    factors, models = other_factor(tracks), chapter_models(protocol, c is not None)
    names, jobs = [], []
    for name, recipe in models.items():
        for seed, one in fed.items():
            names.append(name)
            jobs.append((one.X, recipe, seed, c if recipe.kind == "cvae" else None))
    outcomes = list(zip(names, training.fit_many(jobs, n_jobs), strict=True))
    done = [(name, fit) for name, fit in outcomes if isinstance(fit, training.Fit)]
    left_out = tuple(
        f"{name}: {fit}" for name, fit in outcomes if not isinstance(fit, training.Fit)
    )
    if not done:
        raise training.Diverged(f"No training came through. {' '.join(left_out)}")
    work = joblib.Parallel(n_jobs=min(n_jobs or joblib.cpu_count(), len(done)))(
        joblib.delayed(diagnose)(
            fit.model(),
            fed[fit.seed].X,
            c,
            factors,
            tracks.groups,
            seed=fit.seed,
            blocks=fed[fit.seed].blocks,
            reference=fed[fit.seed].reference,
        )
        for _, fit in done
    )
    diagnoses: dict[str, list[Diagnosis]] = {}
    kept: dict[str, list[training.Fit]] = {}
    for (name, fit), diagnosis in zip(done, work, strict=True):
        diagnoses.setdefault(name, []).append(diagnosis)
        kept.setdefault(name, []).append(fit)
    label = tracks.scored or next(iter(tracks.labels), "class")
    X = {seed: one.X for seed, one in fed.items()}
    return ChapterRun(tracks, kept, diagnoses, left_out, X, c, label, factors)
