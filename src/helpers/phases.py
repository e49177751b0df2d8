"""The paper's three phases, run under any protocol on any data set: one call from data to a tidy
table of scores.

`run_phase` is what the notebooks call, once they have spelled one seed out;
`musicbook.make_results` calls it for every run of the published grid. A method is a row of METHODS.
Networks and PCA are trained on rows; where rows are pieces of tracks, the means over each track are
clustered and scored, so that no method sees two rows of one track."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import joblib
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances
from tqdm import tqdm

from helpers import clustering, inputs, metrics, protocols, training
from helpers.inputs import ModelInput
from helpers.protocols import Protocol
from helpers.shown import short_repr
from helpers.tracks import Tracks
from helpers.training import Fit

FEWEST = 10  # tracks: DBSCAN's rule and the spectral graph look at ten neighbours
NO_NETWORK = ("input", "pca", "umap")  # spaces that need no network


@dataclass(frozen=True)
class Method:
    """A row of the tables of one `phase`: what is clustered, and by which `algorithm`.

    `space` is a network's recipe, whose latent means are clustered, or one of NO_NETWORK. The
    algorithm "vade" brings its own network. `extra` names the group of comparisons that the paper
    does not have ("spaces", "baselines"); it is "" for the paper's own methods."""

    phase: int
    name: str
    space: str
    algorithm: str = "kmeans"
    extra: str = ""


METHODS = [
    Method(1, "VAE + K-Means", "basic_vae"),
    Method(1, "PCA + K-Means", "pca"),
    Method(2, "K-Means", "enhanced_vae"),
    Method(2, "Agglomerative (Ward)", "enhanced_vae", "ward"),
    Method(2, "DBSCAN", "enhanced_vae", "dbscan"),
    Method(3, "Beta-VAE", "beta_vae"),
    Method(3, "CVAE", "cvae"),
    Method(3, "PCA + K-Means", "pca"),
    Method(3, "AE + K-Means", "ae"),
    Method(3, "Spectral", "input", "spectral"),
    Method(1, "Input + K-Means", "input", extra="spaces"),
    Method(2, "Input + K-Means", "input", extra="spaces"),
    Method(3, "Input + K-Means", "input", extra="spaces"),
    Method(1, "Spectral", "input", "spectral", "baselines"),
    Method(2, "Spectral", "input", "spectral", "baselines"),
    Method(1, "VaDE", "basic_vae", "vade", "baselines"),
    Method(3, "VaDE", "beta_vae", "vade", "baselines"),
    Method(1, "HDBSCAN", "pca", "hdbscan", "baselines"),
    Method(2, "HDBSCAN", "pca", "hdbscan", "baselines"),
    Method(3, "HDBSCAN", "pca", "hdbscan", "baselines"),
    Method(1, "UMAP + K-Means", "umap", extra="baselines"),
    Method(2, "UMAP + K-Means", "umap", extra="baselines"),
    Method(3, "UMAP + K-Means", "umap", extra="baselines"),
]


class Space(NamedTuple):
    """What a method clusters, `points` (n_tracks, d), and how; VaDE's points are rows, (n, d)."""

    points: np.ndarray
    algorithm: str


@dataclass(frozen=True)
class Run:
    """One phase under one protocol, for every seed.

    `tracks` are the tracks as they were scored, one row a track (`Tracks.whole`). `scores` is tidy:
    protocol, phase, dataset, variant, method, seed, metric, value, leaky. Of each seed and method
    there are `labels[seed][method]` (n_tracks,) and `spaces[seed][method]` (n_tracks, d), of each
    seed and network `fits[seed][recipe]`, and of each seed `inputs[seed]`, the rows that were fed.
    `left_out` has a sentence for each training that ran away."""

    tracks: Tracks
    protocol: str
    phase: int
    scores: pd.DataFrame
    labels: dict[int, dict[str, np.ndarray]] = field(repr=False)
    spaces: dict[int, dict[str, np.ndarray]] = field(repr=False)
    fits: dict[int, dict[str, Fit]] = field(repr=False)
    inputs: dict[int, ModelInput] = field(repr=False)
    left_out: tuple[str, ...] = ()

    __repr__ = short_repr


# ---- what there is to run ------------------------------------------------------------------------


def methods_of(phase: int, extras: Collection[str] = ()) -> list[Method]:
    """The rows of METHODS of a phase: the paper's, in the order of its table, and those of the
    groups in `extras`."""
    return [m for m in METHODS if m.phase == phase and (not m.extra or m.extra in extras)]


def names_of(phase: int) -> list[str]:
    """The methods of the paper's table of `phase`."""
    return [m.name for m in methods_of(phase)]


def recipes_of(phase: int) -> list[str]:
    """The networks that the paper's methods of `phase` need."""
    networks = [m.space for m in methods_of(phase) if m.space not in NO_NETWORK]
    return list(dict.fromkeys(networks))


def n_clusters(tracks: Tracks, protocol: Protocol) -> int:
    """How many clusters are asked for: the number of genres, or the protocol's number where there
    are none."""
    return protocol.n_clusters if tracks.genres is None else len(tracks.genre_names)


def jobs(
    tracks: Tracks, protocol: Protocol, made: ModelInput, recipes: Sequence[str], seed: int
) -> dict[str, tuple]:
    """The training jobs (X, recipe, seed, c) of one seed, by recipe; a CVAE only where there are
    genres to condition on."""
    trainings = {}
    for name in recipes:
        if name == "cvae" and tracks.genres is None:
            continue
        condition = made.c if name == "cvae" else None
        trainings[name] = (made.X, protocol.recipes[name], seed, condition)
    return trainings


# ---- from rows to clusters of tracks -------------------------------------------------------------


def spaces(
    tracks: Tracks,
    protocol: Protocol,
    phase: int,
    X: np.ndarray,
    fits: dict[str, Fit],
    seed: int,
    extras: Collection[str] = (),
) -> dict[str, Space]:
    """The space of each method of `phase`, by its name; X (n, d) are the rows that were fed.

    Methods whose network is not among `fits` are left out. The group "spaces" of `extras` adds what
    is not in METHODS: `network_spaces`."""
    components = PCA(min(protocol.pca_components, *X.shape), random_state=seed).fit_transform(X)
    principal, fed = tracks.track_means(components), tracks.track_means(X)
    by_method: dict[str, Space] = {}
    for method in methods_of(phase, extras):
        if method.name in by_method:
            continue
        own = not method.extra  # the paper's methods see z-scored spaces where the protocol says so
        scaled = own and protocol.standardise_latent[phase] and method.space != "input"
        if method.algorithm == "vade":
            points = X
        elif method.space == "input":
            points = fed
        elif method.space == "pca":
            points = principal
        elif method.space == "umap":
            points = umap_embedding(fed, min(8, len(fed) - 2), seed)
        elif method.space in fits:
            points = tracks.track_means(fits[method.space].mu)
        else:
            continue
        points = inputs.zscore(points) if scaled else np.asarray(points)
        by_method[method.name] = Space(points, method.algorithm)
    if "spaces" in extras:
        by_method |= network_spaces(tracks, phase, principal, fits, seed)
    return by_method


def network_spaces(
    tracks: Tracks, phase: int, principal: np.ndarray, fits: dict[str, Fit], seed: int
) -> dict[str, Space]:
    """For each variational network its active units alone, PCA with as many dimensions, and a
    sample of z; `principal` (n_tracks, d) are the principal components. Page "Audio baseline"."""
    names: dict[str, str] = {}
    for method in methods_of(phase):
        names.setdefault(method.space, method.name)
    by_name = {}
    for recipe, fit in fits.items():
        if fit.logvar is None:
            continue
        n_active = len(fit.active)
        if n_active:
            active = tracks.track_means(fit.mu[:, fit.active])
            by_name[f"{names[recipe]} (active units)"] = Space(active, "kmeans")
            as_many = principal[:, :n_active]
            by_name[f"{names[recipe]} (PCA, as many dims)"] = Space(as_many, "kmeans")
        sampled = tracks.track_means(fit.sample(seed))
        by_name[f"{names[recipe]} (sampled z)"] = Space(sampled, "kmeans")
    return by_name


def algorithm_options(
    protocol: Protocol, phase: int, algorithm: str, points: np.ndarray
) -> dict[str, Any]:
    """What `clustering.cluster` needs beside the number of clusters, by the protocol's rules."""
    if algorithm == "kmeans":
        return {"n_init": protocol.kmeans_n_init[phase]}
    if algorithm == "spectral":
        return {"n_neighbors": min(protocol.spectral_neighbors, len(points) - 1)}
    if algorithm == "dbscan":
        return {"eps": clustering.dbscan_eps(points, protocol.dbscan_eps)}
    if algorithm == "hdbscan":
        return {"min_cluster_size": max(5, len(points) // 100)}
    return {}


def cluster_spaces(
    tracks: Tracks, protocol: Protocol, phase: int, k: int, seed: int, chosen: dict[str, Space]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Labels (n_tracks,) of every method, k clusters where the algorithm takes a number, and the
    points (n_tracks, d) that they are of."""
    labels, where = {}, {}
    for name, (points, algorithm) in chosen.items():
        if algorithm == "vade":
            labels[name], where[name] = _vade(tracks, protocol, phase, k, seed, points)
            continue
        options = algorithm_options(protocol, phase, algorithm, points)
        labels[name] = clustering.cluster(points, algorithm, n_clusters=k, seed=seed, **options)
        where[name] = points
    return labels, where


def _vade(
    tracks: Tracks, protocol: Protocol, phase: int, k: int, seed: int, X: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """VaDE's labels (n_tracks,), the most frequent of a track's rows, and its latent means."""
    recipe = next(m.space for m in METHODS if m.phase == phase and m.algorithm == "vade")
    labels, mu = training.fit_vade(X, protocol.recipes[recipe], k, seed)
    if tracks.start_s is not None:
        labels = tracks.track_means(np.eye(k)[labels]).argmax(axis=1)
    return labels, tracks.track_means(mu)


UMAP_NEIGHBOURS = 15  # UMAP's default
UMAP_EXACT = 4096  # rows below which UMAP looks at all distances


def umap_embedding(X: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """UMAP of X (n, d) with its defaults, shape (n, n_components) (McInnes, Healy & Melville
    2018)."""
    import umap  # compiles for seconds, so only where it is used

    n_neighbors = min(UMAP_NEIGHBOURS, len(X) - 1)
    known = umap_neighbours(X, n_neighbors) if len(X) < UMAP_EXACT else (None, None, None)
    with warnings.catch_warnings():
        # one thread is what a fixed seed needs; a search index would be for new rows
        warnings.filterwarnings("ignore", message="n_jobs value|precomputed_knn\\[2\\]")
        model = umap.UMAP(
            n_components=n_components,
            n_neighbors=n_neighbors,
            random_state=seed,
            precomputed_knn=known,
        )
        return np.asarray(model.fit_transform(X), dtype=float)


def umap_neighbours(X: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, None]:
    """The k nearest rows of each row of X (n, d), itself first, and their distances, both (n, k):
    bit for bit what UMAP finds itself, which compiles a sort for seconds to do so."""
    from umap.distances import euclidean

    distances = pairwise_distances(np.ascontiguousarray(X, dtype=np.float32), metric=euclidean)
    nearest = np.argsort(distances, axis=1, kind="stable")[:, :k].astype(np.int32)
    return nearest, np.take_along_axis(distances, nearest, axis=1), None


COLUMNS = ["protocol", "phase", "dataset", "variant", "method", "seed", "metric", "value", "leaky"]


def score_methods(
    tracks: Tracks,
    labels: dict[str, np.ndarray],
    where: dict[str, np.ndarray],
    leaky: bool,
    **named,
) -> pd.DataFrame:
    """Tidy scores (COLUMNS) of one seed, one row per method and metric.

    `tracks` have one row a track; `labels` (n,) and the points `where` they were taken (n, d) are
    by method; `named` are protocol, phase, variant and seed."""
    common = inputs.zscore(tracks.features.to_numpy())
    rows = []
    for method, assigned in labels.items():
        values = metrics.scores(assigned, where[method], common, tracks.genres, tracks.groups)
        fixed = named | {"dataset": tracks.name, "method": method, "leaky": leaky}
        rows += [fixed | {"metric": metric, "value": value} for metric, value in values.items()]
    return pd.DataFrame(rows)[COLUMNS]


# ---- runs ----------------------------------------------------------------------------------------


def run_phase(
    tracks: Tracks,
    protocol: str,
    phase: int,
    seeds: int | Sequence[int] = 3,
    variant: str = "full",
    extras: Collection[str] = (),
    recipes: Sequence[str] | None = None,
    n_jobs: int | None = None,
) -> Run:
    """Run `phase` under `protocol` for every seed: inputs, fits (cached, over the cores),
    clusterings, scores.

    `seeds` is how many, or which; `variant` a control input (inputs.VARIANTS); `extras` groups of
    METHODS beside the paper's; `recipes` the networks to train, default all of the phase. A network
    that ran away is left out for its seed and named in `left_out`. Raises ValueError before any
    training for an unknown protocol or phase, a table with fewer tracks than clusters, or a data
    set that lacks what the protocol needs."""
    chosen = protocols.get(protocol)
    numbers = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not numbers:
        raise ValueError("seeds is empty; ask for at least 1.")
    whole = tracks.whole()
    k = n_clusters(tracks, chosen)
    fewest = max(FEWEST, k)
    if whole.n < fewest:
        raise ValueError(
            f"{tracks.name!r} has {whole.n} tracks; at least {fewest} are needed, as many as "
            "clusters asked for and as neighbours looked at."
        )
    made = {seed: inputs.prepare(tracks, chosen, phase, seed, variant) for seed in numbers}
    names = recipes_of(phase) if recipes is None else recipes
    fits, left_out = _fits(tracks, chosen, made, names, n_jobs)

    parts = joblib.Parallel(
        n_jobs=min(n_jobs or joblib.cpu_count(), len(numbers)), return_as="generator"
    )(
        joblib.delayed(_one_seed)(
            tracks, chosen, phase, variant, extras, made[seed], fits[seed], k, seed
        )
        for seed in numbers
    )
    labels, points, scores = {}, {}, []
    bar = tqdm(parts, total=len(numbers), desc="clusterings", leave=False)
    for seed, (seed_labels, seed_points, seed_scores) in zip(numbers, bar, strict=True):
        labels[seed], points[seed] = seed_labels, seed_points
        scores.append(seed_scores)
    table = pd.concat(scores, ignore_index=True)
    return Run(whole, chosen.name, phase, table, labels, points, fits, made, tuple(left_out))


def _fits(
    tracks: Tracks,
    protocol: Protocol,
    made: dict[int, ModelInput],
    names: Sequence[str],
    n_jobs: int | None,
) -> tuple[dict[int, dict[str, Fit]], list[str]]:
    """The fits of every seed by recipe, and a sentence for each training that ran away."""
    places, trainings = [], []
    for seed, fed in made.items():
        for name, job in jobs(tracks, protocol, fed, names, seed).items():
            places.append((seed, name))
            trainings.append(job)
    fits: dict[int, dict[str, Fit]] = {seed: {} for seed in made}
    left_out = []
    results = training.fit_many(trainings, n_jobs)
    for (seed, name), result in zip(places, results, strict=True):
        if isinstance(result, Fit):
            fits[seed][name] = result
        else:
            left_out.append(f"{name}: {result}")
    return fits, left_out


def _one_seed(tracks, protocol, phase, variant, extras, made, fits, k, seed):
    chosen = spaces(tracks, protocol, phase, made.X, fits, seed, extras)
    labels, points = cluster_spaces(tracks, protocol, phase, k, seed, chosen)
    named = {"protocol": protocol.name, "phase": phase, "variant": variant, "seed": seed}
    return labels, points, score_methods(tracks.whole(), labels, points, made.leaky, **named)


def run_controls(
    tracks: Tracks, protocol: str, phase: int, seeds: int | Sequence[int], variants: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """K-Means straight on the input of each control `variant` (inputs.VARIANTS), no network
    between: tidy scores, and labels (n_seeds, n_tracks) by variant.

    What the input alone gives is the ceiling for reading anything into a model. Variants that the
    data set cannot have (no lyrics, no genres) are left out. Pages "Hybrid features", "Leakage"."""
    chosen = protocols.get(protocol)
    numbers = range(seeds) if isinstance(seeds, int) else seeds
    k, whole, method = n_clusters(tracks, chosen), tracks.whole(), "Input + K-Means"
    has_text = phase > 1 and "text" in inputs.prepare(tracks, chosen, phase, guard=False).blocks
    tables, by_variant = [], {}
    for variant in variants:
        if "lyrics" in variant and not has_text:
            continue
        if "one-hot" in variant and tracks.genres is None:
            continue
        by_seed = []
        for seed in numbers:
            made = inputs.prepare(tracks, chosen, phase, seed, variant)
            fed = tracks.track_means(made.X)
            labels = clustering.cluster(fed, "kmeans", k, seed, n_init=10)
            named = {"protocol": chosen.name, "phase": phase, "variant": variant, "seed": seed}
            tables.append(
                score_methods(whole, {method: labels}, {method: fed}, made.leaky, **named)
            )
            by_seed.append(labels)
        by_variant[variant] = np.stack(by_seed)
    return pd.concat(tables, ignore_index=True), by_variant
