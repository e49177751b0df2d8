"""The paper's three phases, run under any protocol on any data set: one call from data to a tidy table of scores.

`run` is what the notebooks call, once they have spelled one seed out; `published.grids` (`make results`) calls it for
every run of the published grid. A method is a row of METHODS."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import joblib
import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from tqdm import tqdm

from . import clustering, inputs, metrics, protocols, training
from .datasets import Tracks
from .protocols import Protocol
from .training import Fit

FEWEST = 10  # rows: DBSCAN's rule and the spectral graph look at ten neighbours


@dataclass(frozen=True)
class Method:
    """A row of the tables of one `phase`: what is clustered, a network's latent means (the `space` is its recipe's
    name) or "input", "pca", "umap", and the `algorithm`; VaDE brings its own. `extra` names the group of comparisons
    that the paper does not have: "" for the paper's own, "spaces", "baselines"."""

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
    *(Method(phase, "Input + K-Means", "input", extra="spaces") for phase in (1, 2, 3)),
    *(Method(phase, "Spectral", "input", "spectral", "baselines") for phase in (1, 2)),
    Method(1, "VaDE", "basic_vae", "vade", "baselines"),
    Method(3, "VaDE", "beta_vae", "vade", "baselines"),
    *(Method(phase, "HDBSCAN", "pca", "hdbscan", "baselines") for phase in (1, 2, 3)),
    *(Method(phase, "UMAP + K-Means", "umap", extra="baselines") for phase in (1, 2, 3)),
]


def methods_of(phase: int, extras: Collection[str] = ()) -> list[Method]:
    """The rows of METHODS of a phase: the paper's, in the order of its table, and those of the groups in `extras`."""
    return [m for m in METHODS if m.phase == phase and (not m.extra or m.extra in extras)]


def names_of(phase: int) -> list[str]:
    """The methods of the paper's table of `phase`."""
    return [m.name for m in methods_of(phase)]


def recipes_of(phase: int) -> list[str]:
    """The networks that the paper's methods of `phase` need."""
    return list(dict.fromkeys(m.space for m in methods_of(phase) if m.space not in ("input", "pca", "umap")))


@dataclass(frozen=True)
class Run:
    """One phase under one protocol: `scores` (tidy: protocol, phase, dataset, variant, method, seed, metric, value,
    leaky); per seed and method `labels[seed][method]` (n,) and `spaces[seed][method]` (n, d); `fits[seed][recipe]`;
    `inputs[seed]`, the table that was fed; `left_out`, a sentence for each training that ran away."""

    tracks: Tracks
    protocol: str
    phase: int
    scores: pd.DataFrame
    labels: dict[int, dict[str, np.ndarray]] = field(repr=False)
    spaces: dict[int, dict[str, np.ndarray]] = field(repr=False)
    fits: dict[int, dict[str, Fit]] = field(repr=False)
    inputs: dict[int, inputs.ModelInput] = field(repr=False)
    left_out: tuple[str, ...] = ()


def n_clusters(tracks: Tracks, protocol: Protocol) -> int:
    """How many clusters are asked for: the number of genres, or the protocol's number where there are none."""
    return protocol.n_clusters if tracks.genres is None else len(tracks.genre_names)


def jobs(
    tracks: Tracks, protocol: Protocol, made: inputs.ModelInput, recipes: Sequence[str], seed: int
) -> dict[str, tuple]:
    """The training jobs (X, recipe, seed, c) of one seed, by recipe; a CVAE only where there are genres to condition
    on."""
    names = [name for name in recipes if name != "cvae" or tracks.genres is not None]
    return {name: (made.X, protocol.recipes[name], seed, made.c if name == "cvae" else None) for name in names}


def spaces(
    protocol: Protocol, phase: int, X: np.ndarray, fits: dict[str, Fit], seed: int, extras: Collection[str] = ()
) -> dict[str, tuple[np.ndarray, str]]:
    """What each method of `phase` clusters and how, {method: (space (n, d), algorithm)}; X (n, d) is what was fed.

    Methods whose network is not among `fits` are left out. The group "spaces" adds, beside METHODS, for each network
    its active units alone, PCA with as many dimensions, and sampled z."""
    shape = inputs.zscore if protocol.standardise_latent[phase] else np.asarray
    pca = PCA(min(protocol.pca_components, *X.shape), random_state=seed).fit_transform(X)
    found: dict[str, tuple[np.ndarray, str]] = {}
    for m in methods_of(phase, extras):
        if m.name in found:
            continue
        if m.space in ("input", "pca", "umap"):
            own = not m.extra and m.space == "pca"
            space = (X if m.space == "input" else pca if m.space == "pca"
                     else umap_embedding(X, min(8, len(X) - 2), seed))
            found[m.name] = (shape(space) if own else space, m.algorithm)
        elif m.algorithm == "vade":
            found[m.name] = (X, "vade")
        elif m.space in fits:
            found[m.name] = (shape(fits[m.space].mu), m.algorithm)
    first = {m.space: m.name for m in reversed(methods_of(phase))}
    for name, fit in fits.items() if "spaces" in extras else ():
        if fit.logvar is not None:
            if len(fit.active):
                found[f"{first[name]} (active units)"] = (fit.mu[:, fit.active], "kmeans")
                found[f"{first[name]} (PCA, as many dims)"] = (pca[:, : len(fit.active)], "kmeans")
            found[f"{first[name]} (sampled z)"] = (fit.sample(seed), "kmeans")
    return found


def cluster_spaces(
    protocol: Protocol, phase: int, k: int, seed: int, found: dict[str, tuple[np.ndarray, str]]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Labels (n,) of every method, k clusters where the algorithm is told, and the spaces (n, d) that they are in."""
    labels, where = {}, {}
    for name, (space, algorithm) in found.items():
        where[name] = space
        if algorithm == "vade":
            recipe = next(m.space for m in METHODS if m.phase == phase and m.algorithm == "vade")
            labels[name], where[name] = training.fit_vade(space, protocol.recipes[recipe], k, seed)
            continue
        options = {
            "kmeans": lambda: {"n_init": protocol.kmeans_n_init[phase]},
            "spectral": lambda: {"n_neighbors": min(protocol.spectral_neighbors, len(space) - 1)},  # noqa: B023
            "dbscan": lambda: {"eps": clustering.dbscan_eps(space, protocol.dbscan_eps)},  # noqa: B023
            "hdbscan": lambda: {"min_cluster_size": max(5, len(space) // 100)},  # noqa: B023
        }.get(algorithm, dict)()
        labels[name] = clustering.cluster(space, algorithm, n_clusters=k, seed=seed, **options)  # type: ignore[arg-type]
    return labels, where


def umap_embedding(X: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """UMAP of X (n, d) with its defaults (McInnes, Healy & Melville 2018), shape (n, n_components)."""
    import warnings

    import umap  # compiles for seconds, so only where it is used

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # one thread is what a fixed seed needs
        model = umap.UMAP(n_components=n_components, n_neighbors=min(15, len(X) - 1), random_state=seed)
        return np.asarray(model.fit_transform(X), dtype=float)


COLUMNS = ["protocol", "phase", "dataset", "variant", "method", "seed", "metric", "value", "leaky"]


def score(
    tracks: Tracks, labels: dict[str, np.ndarray], where: dict[str, np.ndarray], leaky: bool, **named
) -> pd.DataFrame:
    """Tidy scores (COLUMNS) of one seed, one row per method and metric; `named` are protocol, phase, variant, seed."""
    common = inputs.zscore(tracks.features.to_numpy())
    rows = [
        named | {"dataset": tracks.name, "method": method, "metric": metric, "value": value, "leaky": leaky}
        for method, found in labels.items()
        for metric, value in metrics.scores(found, where[method], common, tracks.genres, tracks.groups).items()
    ]
    return pd.DataFrame(rows)[COLUMNS]


def run(
    tracks: Tracks, protocol: str, phase: int, seeds: int | Sequence[int] = 3, variant: str = "full",
    extras: Collection[str] = (), recipes: Sequence[str] | None = None, n_jobs: int | None = None,
) -> Run:  # fmt: skip
    """Run `phase` under `protocol` for every seed: inputs, fits (cached, over the cores), clusterings, scores.

    `seeds` is how many, or which; `variant` a control input (inputs.VARIANTS); `extras` groups of METHODS beside the
    paper's; `recipes` the networks to train, default all of the phase. A network that ran away is left out for its seed
    and named in `left_out`. Raises ValueError before any training for an unknown protocol or phase, a table with fewer
    rows than clusters, or a data set that lacks what the protocol needs."""
    chosen = protocols.get(protocol)
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds:
        raise ValueError("seeds is empty; ask for at least 1.")
    k = n_clusters(tracks, chosen)
    if tracks.n < (fewest := max(FEWEST, k)):
        raise ValueError(
            f"{tracks.name!r} has {tracks.n} rows; at least {fewest} are needed, as many as clusters asked for and as "
            "neighbours looked at."
        )
    made = {seed: inputs.prepare(tracks, chosen, phase, seed, variant) for seed in seeds}
    names = recipes_of(phase) if recipes is None else recipes
    todo = [(seed, *job) for seed in seeds for job in jobs(tracks, chosen, made[seed], names, seed).items()]
    fits: dict[int, dict[str, Fit]] = {seed: {} for seed in seeds}
    left_out = []
    for (seed, name, _), found in zip(todo, training.fit_many([job for *_, job in todo], n_jobs), strict=True):
        if isinstance(found, Fit):
            fits[seed][name] = found
        else:
            left_out.append(f"{name}: {found}")
    work = joblib.Parallel(n_jobs=min(n_jobs or joblib.cpu_count(), len(seeds)), return_as="generator")(
        joblib.delayed(_seed)(tracks, chosen, phase, variant, extras, made[seed], fits[seed], k, seed) for seed in seeds
    )
    done = list(tqdm(work, total=len(seeds), desc="clusterings", leave=False))
    labels, where = ({seed: part[i] for seed, part in zip(seeds, done, strict=True)} for i in (0, 1))
    scores = pd.concat([part[2] for part in done], ignore_index=True)
    return Run(tracks, chosen.name, phase, scores, labels, where, fits, made, tuple(left_out))


def _seed(tracks, protocol, phase, variant, extras, made, fits, k, seed):
    found = spaces(protocol, phase, made.X, fits, seed, extras)
    labels, where = cluster_spaces(protocol, phase, k, seed, found)
    named = {"protocol": protocol.name, "phase": phase, "variant": variant, "seed": seed}
    return labels, where, score(tracks, labels, where, made.leaky, **named)


def controls(
    tracks: Tracks, protocol: str, phase: int, seeds: int | Sequence[int], variants: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """K-Means straight on the input of each control `variant` (inputs.VARIANTS), no network between: tidy scores, and
    labels (n_seeds, n) by variant.

    What the input alone gives is the ceiling for reading anything into a model. Variants that the data set cannot have
    (no lyrics, no genres) are left out."""
    chosen, tables, found = protocols.get(protocol), [], {}
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    k = n_clusters(tracks, chosen)
    has_text = phase > 1 and "text" in inputs.prepare(tracks, chosen, phase, guard=False).blocks
    for variant in variants:
        if ("lyrics" in variant and not has_text) or ("one-hot" in variant and tracks.genres is None):
            continue
        rows = []
        for seed in seeds:
            made = inputs.prepare(tracks, chosen, phase, seed, variant)
            labels = {"Input + K-Means": clustering.cluster(made.X, "kmeans", k, seed, n_init=10)}
            named = {"protocol": chosen.name, "phase": phase, "variant": variant, "seed": seed}
            tables.append(score(tracks, labels, {"Input + K-Means": made.X}, made.leaky, **named))
            rows.append(labels["Input + K-Means"])
        found[variant] = np.stack(rows)
    return pd.concat(tables, ignore_index=True), found
