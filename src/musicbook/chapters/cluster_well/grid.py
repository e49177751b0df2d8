"""The grid behind the page "How to cluster music well": every pipeline of `pipelines` on one data
set, scored against its labels and judged by every criterion.

`publish` (a part of `make results`, named "pipelines") keeps each cell in the store, so that an
interrupted run goes on where it stopped, and writes into the folder of the data set:

- pipelines.csv: a row a pipeline, means over the seeds;
- pipelines_criteria.csv: how each criterion ranks the pipelines, with intervals;
- pipelines_labels.npz: the clusters themselves, for paired intervals;
- pipelines_k.csv: a few pipelines over many numbers of clusters;
- pipelines_size.csv: fewer tracks.

To cost minutes and not hours the grid is cut, on all data sets alike: SEEDS seeds, one encoder of
words and one pretrained network, a VAE of the sound alone, and no resampling of the VAE."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import inputs, lyrics, metrics, store, training
from helpers.shown import short_repr_of
from helpers.tracks import Tracks
from musicbook.chapters.cluster_well import criteria, pipelines, ranking, study
from musicbook.chapters.cluster_well.pipelines import Blocks, Choice
from musicbook.chapters.cluster_well.ranking import Pipeline
from musicbook.chapters.leakage import duplicates
from musicbook.corpus import pretrained
from musicbook.corpus.sources import load

SEEDS = 2  # of every pipeline
PARTS, SHARE = 2, 0.8  # resamples of a pipeline, and the share of the tracks in each
MANY = (2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30)
SIZES, DRAWS = (100, 300), 3  # tracks drawn from a larger data set, and how often
SIZED = ("PCA 32", pipelines.AS_FED, pipelines.UMAP, "VAE")  # the last one of the sound alone
SMALLEST = 0.015  # a class of fewer tracks than this share is not scored
OTHERS = "lyrics of other songs"
NETWORK = "MSD"  # what musicnn was trained on
MAIN_LABEL = {"paired": "msd_genre"}  # elsewhere the label that pages score


@dataclass(frozen=True)
class Material:
    """A data set for the grid: `blocks` of its tracks, `targets` {ending of a column: codes (n,),
    -1 for tracks that are not scored}, the main one under "", and `groups` (n,) artists."""

    blocks: Blocks
    targets: dict[str, np.ndarray]
    groups: np.ndarray
    ks: tuple[int, ...]


short_repr_of(Material)


class Cell(NamedTuple):
    """One input in one space of one seed: the arguments of `cell`."""

    X: np.ndarray
    space: str
    seed: int
    ks: tuple[int, ...]
    common: np.ndarray
    deep: bool


# ---- the data ------------------------------------------------------------------------------------


def material(tracks: Tracks, filtered: Path | None = None) -> Material:
    """What the grid needs of a data set; the artists of GTZAN come from the index in the folder
    `filtered`, where there is one. ValueError for tracks without labels."""
    if tracks.genres is None:
        raise ValueError(f"{tracks.name} has no labels to compare pipelines by")
    known = duplicates.artists(filtered) if tracks.name.startswith("gtzan") else {}
    groups = np.array([known.get(track, group) for track, group in zip(tracks.ids, tracks.groups)])
    main = MAIN_LABEL.get(tracks.name) or tracks.scored or next(iter(tracks.labels))
    targets = {"": scored(tracks.labels[main])}
    for name, values in tracks.labels.items():
        if name != main:
            targets[f"_{name}"] = scored(values)
    names, artists = np.unique(groups, return_inverse=True)
    if len(names) < tracks.n:
        targets["_artist"] = artists
    classes = int(targets[""].max() + 1)
    return Material(blocks(tracks), targets, groups, (classes,))


def scored(values: np.ndarray) -> np.ndarray:
    """Codes (n,) of label values (n,), -1 where the label is empty or its class is too small."""
    names, counts = np.unique(values[values != ""], return_counts=True)
    kept = names[counts >= max(3, SMALLEST * len(values))]
    places = {name: place for place, name in enumerate(kept.tolist())}
    return np.array([places.get(value, -1) for value in values.tolist()])


def blocks(tracks: Tracks) -> Blocks:
    """Sound, what pretrained networks hear where that is at hand, and words: the tracks' own, or
    of GTZAN, whose lyrics are not at hand, those of other songs in a random order. Lyrics borrowed
    by genre would tell the label, and no criterion could be judged by it then."""
    sound = tracks.features.to_numpy()
    if tracks.name == "paired":
        from musicbook.corpus import paired

        networks = {NETWORK: paired.sound_vectors(NETWORK).to_numpy()}
        return Blocks(sound, networks, {"USE": paired.word_vectors("use").to_numpy()})
    networks = {}
    if pretrained.has_sound(tracks):
        networks[NETWORK] = pretrained.embedded(tracks, "musicnn").features.to_numpy()
    words = {}
    if tracks.name == "gtzan" and tracks.genres is not None:
        borrowed = lyrics.matched(list(tracks.genres), 0, groups=list(tracks.groups))[0]
        words = {OTHERS: lyrics.shuffled(borrowed, 0)}
    return Blocks(sound, networks, words)


def has_network(choice: Choice) -> bool:
    """Whether a VAE is trained on this input. It costs more than all other spaces together, so only
    the sound, z-scored, gets one, as in the paper."""
    return choice == Choice("sound", pipelines.Z_SCORES)


# ---- one cell ------------------------------------------------------------------------------------


def wanted(ks: Sequence[int]) -> list[tuple[str, int]]:
    """Every algorithm with every number of clusters; HDBSCAN, which finds its own, once (k = 0)."""
    counted = [name for name in pipelines.ALGORITHMS if name != "hdbscan"]
    return [(name, k) for name in counted for k in ks] + [("hdbscan", 0)]


def cell(
    X: np.ndarray, space: str, seed: int, ks: tuple[int, ...], common: np.ndarray, deep: bool
) -> dict[str, np.ndarray]:
    """One input X (n, d) in one space: "labels" (m, n) of the m ways of `wanted(ks)`, and "values"
    (m, criteria), in the order of `VALUES`. With `deep` the whole pipeline is run again on PARTS of
    the tracks, for its stability, and its clusters are predicted from halves; else these two
    columns are NaN. Empty where the training of a network ran away."""
    try:
        Z = pipelines.space_of(X, space, seed)
        parts = criteria.drawn_parts(len(X), SHARE, PARTS) if deep else []
        smaller = [pipelines.space_of(X[rows], space, seed + 100) for rows in parts]
    except training.Diverged:
        return {}
    labels, values = [], []
    for algorithm, k in wanted(ks):
        found = pipelines.labels_of(Z, algorithm, k, seed)
        internal = criteria.internal(Z, found, common)
        again, strength = np.nan, np.nan
        if deep:
            labeller = partial(_labels, algorithm=algorithm, k=k)
            others = [labeller(part, seed + 100) for part in smaller]
            again = criteria.again_on_parts(found, list(zip(parts, others)))
            strength = criteria.prediction_strength(Z, labeller, seed=seed)
        labels.append(found)
        values.append([*internal.values(), again, strength])
    return {"labels": np.array(labels, np.int16), "values": np.array(values)}


def _labels(Z: np.ndarray, seed: int, algorithm: str, k: int) -> np.ndarray:
    return pipelines.labels_of(Z, algorithm, k, seed)


VALUES = (
    "silhouette",
    "calinski_harabasz",
    "davies_bouldin",
    "silhouette_common",
    "dbcv",
    "stability_resamples",
    "prediction_strength",
)


def cells(data: Material, seeds: int, ks: tuple[int, ...]) -> Iterator[tuple[dict, Cell]]:
    """Every cell of the grid with what names it."""
    common = inputs.zscore(data.blocks.sound)
    for choice, X in pipelines.prepared(data.blocks):
        for space in pipelines.SPACES:
            if space in pipelines.NETWORKS and not has_network(choice):
                continue
            if space.startswith("PCA") and X.shape[1] <= int(space.split()[1]):
                continue
            for seed in range(seeds):
                named = choice.named() | {"space": space, "seed": seed}
                deep = seed == 0 and space not in pipelines.NETWORKS
                yield named, Cell(X, space, seed, ks, common, deep)


# ---- the tables ----------------------------------------------------------------------------------


def run_cells(
    data: Material, seeds: int, ks: tuple[int, ...], n_jobs: int | None, title: str
) -> list[Pipeline]:
    """Compute every cell that the store does not have, and put the seeds of a pipeline together."""
    todo = list(cells(data, seeds, ks))
    made = store.remember_many([(cell, *call) for _, call in todo], n_jobs, title)
    together: dict[tuple, list[dict[str, np.ndarray]]] = {}
    for (named, _), result in zip(todo, made, strict=True):
        key = tuple(value for name, value in named.items() if name != "seed")
        if result:
            together.setdefault(key, []).append(result)
    found = []
    for key, results in together.items():
        named = dict(zip(("input", "columns", "components", "space"), key))
        for place, (algorithm, k) in enumerate(wanted(ks)):
            labels = np.stack([result["labels"][place] for result in results])
            values = np.array([result["values"][place] for result in results])
            means = dict(zip(VALUES, _means(values)))
            means["stability_seeds"] = criteria.agreement(list(labels))
            means["k_found"] = float(np.mean([len(set(row[row >= 0])) for row in labels]))
            means["noise_share"] = float((labels < 0).mean())
            found.append(Pipeline(named | {"algorithm": algorithm, "k": k}, labels, means))
    return found


def _means(values: np.ndarray) -> np.ndarray:
    """Means over the seeds (first axis) of what is defined; NaN where nothing is."""
    defined = np.isfinite(values)
    sums = np.where(defined, values, 0).sum(axis=0)
    counts = defined.sum(axis=0)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def against(pipeline: Pipeline, codes: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """NMI, AMI and ARI of a pipeline's labels with the codes (n,) of a label, means over seeds, the
    noise as one cluster, and 95 % intervals of NMI and ARI over groups and seeds."""
    here = codes >= 0
    labels = pipeline.labels[:, here]
    labels = np.where(labels < 0, labels.max() + 1, labels)
    single = [metrics.external(codes[here], row) for row in labels]
    values = {name: float(np.mean([one[name] for one in single])) for name in ("nmi", "ami", "ari")}
    for name in ("nmi", "ari"):
        sides = [metrics.resampled(codes[here], labels, groups[here], name, ranking.RESAMPLES)]
        _, low, high = metrics.interval(sides)
        values |= {f"{name}_low": low, f"{name}_high": high}
    return values


def table(data: Material, found: Sequence[Pipeline]) -> pd.DataFrame:
    """A row a pipeline: its names, seeds, what it found, its scores against the main label with
    intervals, against the others without, and its criteria."""
    rows = []
    for pipeline in found:
        row = pipeline.named | {"seeds": len(pipeline.labels)}
        row |= against(pipeline, data.targets[""], data.groups)
        for ending, codes in data.targets.items():
            if ending:
                here = codes >= 0
                single = [metrics.external(codes[here], one[here]) for one in pipeline.labels]
                for name in ("nmi", "ami"):
                    row[f"{name}{ending}"] = float(np.mean([one[name] for one in single]))
        rows.append(row | pipeline.values)
    return pd.DataFrame(rows)


# ---- sizes, numbers of clusters ------------------------------------------------------------------


def sizes(data: Material, k: int) -> pd.DataFrame:
    """Fewer tracks: the best-known ways on random subsets of SIZES scored tracks, DRAWS each:
    columns tracks, input, space, algorithm, draw, nmi, ami."""
    codes, rows = data.targets[""], []
    everything = dict(_sized(data.blocks))
    known = np.flatnonzero(codes >= 0)
    for n in SIZES:
        if n >= len(known):
            continue
        for draw in range(DRAWS):
            part = np.random.default_rng([draw, n]).choice(known, n, replace=False)
            for name, X in everything.items():
                spaces = SIZED if name == "sound" else SIZED[:-1]
                made = store.remember(_of_size, X[part], codes[part], k, draw, spaces)
                for way, score in made.items():
                    rows.append((n, name, *way.split("|"), draw, *score.tolist()))
    columns = ["tracks", "input", "space", "algorithm", "draw", "nmi", "ami"]
    return pd.DataFrame(rows, columns=columns)


def _sized(some: Blocks) -> Iterator[tuple[str, np.ndarray]]:
    for choice, X in pipelines.prepared(Blocks(some.sound, some.networks, {})):
        one_block = "+" not in choice.blocks
        scores_of_sound = choice.blocks == "sound" and choice.columns == pipelines.Z_SCORES
        if one_block and (scores_of_sound or choice.columns == pipelines.LENGTH):
            yield choice.blocks, X


def _of_size(
    X: np.ndarray, codes: np.ndarray, k: int, seed: int, spaces: tuple[str, ...]
) -> dict[str, np.ndarray]:
    """K-Means and spectral clustering of X (n, d) in some spaces, each "space|algorithm": [NMI,
    AMI] with the codes (n,). A space is left out where the training of its network ran away."""
    scores = {}
    for space in spaces:
        try:
            Z = pipelines.space_of(X, space, seed)
        except training.Diverged:
            continue
        for algorithm in ("kmeans", "spectral"):
            labels = pipelines.labels_of(Z, algorithm, k, seed)
            score = metrics.external(codes, labels)
            scores[f"{space}|{algorithm}"] = np.array([score["nmi"], score["ami"]])
    return scores


def over_k(data: Material, n_jobs: int | None) -> pd.DataFrame:
    """Sound and MSD in a few spaces by K-Means over MANY numbers of clusters: the columns of
    `table`, with NMI and AMI against every label and, where known, the artists."""
    few = Blocks(data.blocks.sound, data.blocks.networks, {})
    smaller = Material(few, data.targets, data.groups, MANY)
    todo = []
    for named, call in cells(smaller, 1, MANY):
        plain = named["columns"] == pipelines.Z_SCORES and named["input"] == "sound"
        rows = named["columns"] == pipelines.LENGTH and "+" not in named["input"]
        if (plain or rows) and named["space"] in (pipelines.AS_FED, pipelines.UMAP):
            todo.append((named, call))
    made = store.remember_many([(over_k_cell, *call) for _, call in todo], n_jobs, "pipelines k")
    tables = []
    for (named, _), result in zip(todo, made, strict=True):
        for place, k in enumerate(MANY if result else ()):
            row = named | {"algorithm": "kmeans", "k": k}
            for ending, codes in data.targets.items():
                here = codes >= 0
                score = metrics.external(codes[here], result["labels"][place][here])
                row |= {f"{name}{ending}": score[name] for name in ("nmi", "ami")}
            tables.append(row | dict(zip(VALUES, result["values"][place])))
    return pd.DataFrame(tables)


def over_k_cell(
    X: np.ndarray, space: str, seed: int, ks: tuple[int, ...], common: np.ndarray, deep: bool
) -> dict[str, np.ndarray]:
    """`cell` for K-Means alone, which every number of clusters in MANY is asked of."""
    try:
        Z = pipelines.space_of(X, space, seed)
        parts = criteria.drawn_parts(len(X), SHARE, PARTS)
        smaller = [pipelines.space_of(X[rows], space, seed + 100) for rows in parts]
    except training.Diverged:
        return {}
    labels, values = [], []
    for k in ks:
        found = pipelines.labels_of(Z, "kmeans", k, seed)
        labeller = partial(_labels, algorithm="kmeans", k=k)
        others = [labeller(part, seed + 100) for part in smaller]
        again = criteria.again_on_parts(found, list(zip(parts, others)))
        strength = criteria.prediction_strength(Z, labeller, seed=seed)
        labels.append(found)
        values.append([*criteria.internal(Z, found, common).values(), again, strength])
    return {"labels": np.array(labels, np.int16), "values": np.array(values)}


# ---- publishing ----------------------------------------------------------------------------------


def publish(
    tracks: Tracks,
    folder: Path,
    seeds: int = SEEDS,
    n_jobs: int | None = None,
    filtered: Path | None = None,
    only: Sequence[str] = (),
) -> None:
    """Compute the grid of a data set and write its files into `folder`; segments give way to whole
    tracks, so that no neighbour is the same song. All data sets get the same grid, as far as their
    blocks reach: SEEDS seeds at most, and as many clusters as there are classes.

    `only` takes the files whose name begins so ("pipelines_k"), of which "pipelines_labels" alone
    computes no more than the comparisons of the chart need; all files without it."""
    if tracks.name == "gtzan-mini":
        tracks = load("gtzan-mini-tracks")
    data = material(tracks, filtered)
    seeds = min(seeds, SEEDS)

    def asked(name: str) -> bool:
        return not only or f"pipelines_{name}".startswith(tuple(only))

    if asked("criteria"):
        found = run_cells(data, seeds, data.ks, n_jobs, "pipelines")
        _write(folder / "pipelines.csv", table(data, found))
        ranked = ranking.correlations(data.targets[""], data.groups, found)
        _write(folder / "pipelines_criteria.csv", ranked)
        _write_labels(folder, data, {pipeline.key: pipeline.labels for pipeline in found})
    elif asked("labels"):
        _write_labels(folder, data, compared(data, seeds))
    if asked("k"):
        _write(folder / "pipelines_k.csv", over_k(data, n_jobs))
    if asked("size"):
        _write(folder / "pipelines_size.csv", sizes(data, data.ks[0]))


def compared(data: Material, seeds: int) -> dict[str, np.ndarray]:
    """The clusters (seeds, n) of the pipelines that the chart compares, by key, as far as the
    blocks of this data set reach."""
    wanted_keys = {key for arrow in study.ARROWS for key in (arrow.this, arrow.that)}
    (k,) = data.ks
    labels: dict[str, np.ndarray] = {}
    for choice, X in pipelines.prepared(data.blocks):
        for space in pipelines.SPACES:
            named = choice.named() | {"space": space, "algorithm": "kmeans", "k": k}
            key = Pipeline(named, np.empty(0), {}).key
            if key in wanted_keys:
                rows = [
                    pipelines.labels_of(pipelines.space_of(X, space, seed), "kmeans", k, seed)
                    for seed in range(seeds)
                ]
                labels[key] = np.stack(rows)
    return labels


def _write_labels(folder: Path, data: Material, labels: dict[str, np.ndarray]) -> None:
    arrays = {key: values.astype(np.int8) for key, values in labels.items()}
    arrays |= {f"target{ending}": codes.astype(np.int16) for ending, codes in data.targets.items()}
    arrays["groups"] = np.unique(data.groups, return_inverse=True)[1].astype(np.int16)
    store.write_arrays(folder / "pipelines_labels.npz", arrays)


def _write(path: Path, rows: pd.DataFrame) -> None:
    store.write_atomically(path, partial(rows.to_csv, index=False, float_format="%.4g"))
