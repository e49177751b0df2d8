"""The paper's three phases, run under any protocol on any data set: one call from data to a tidy table of scores.

`run` is what the notebooks call; `helpers.grid` (`make results`) calls it for every run of the published grid.
"""

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
from .training import Fit

RECIPES = {1: ("basic_vae",), 2: ("enhanced_vae",), 3: ("beta_vae", "cvae", "ae")}
FEWEST = 10  # rows: DBSCAN's rule and the spectral graph look at ten neighbours
METHODS = {
    1: ("VAE + K-Means", "PCA + K-Means"),
    2: ("K-Means", "Agglomerative (Ward)", "DBSCAN"),
    3: ("Beta-VAE", "CVAE", "PCA + K-Means", "AE + K-Means", "Spectral"),
}  # the rows of Tables 1, 2 and 3
SCORED_RECIPES = {
    "basic_vae": "VAE + K-Means",
    "enhanced_vae": "K-Means",
    "beta_vae": "Beta-VAE",
    "cvae": "CVAE",
    "ae": "AE + K-Means",
}


@dataclass(frozen=True)
class Run:
    """One phase under one protocol: `scores` (tidy: protocol, phase, dataset, variant, method, seed, metric, value,
    leaky); per seed and method `labels[seed][method]` (n,) and `spaces[seed][method]` (n, d); `fits[seed][recipe]`;
    `inputs[seed]`, the table that was fed."""

    tracks: Tracks
    protocol: str
    phase: int
    scores: pd.DataFrame
    labels: dict[int, dict[str, np.ndarray]] = field(repr=False)
    spaces: dict[int, dict[str, np.ndarray]] = field(repr=False)
    fits: dict[int, dict[str, Fit]] = field(repr=False)
    inputs: dict[int, inputs.ModelInput] = field(repr=False)


def n_clusters(tracks: Tracks, protocol: protocols.Protocol) -> int:
    """How many clusters are asked for: the number of genres, or the protocol's number where there are none."""
    return protocol.n_clusters if tracks.genres is None else len(tracks.genre_names)


def jobs(
    tracks: Tracks, protocol: protocols.Protocol, made: inputs.ModelInput, recipes: Sequence[str], seed: int
) -> dict[str, tuple]:
    """The training jobs (X, recipe, seed, c) of one seed, by recipe; a CVAE only where there are genres to condition
    on."""
    names = [name for name in recipes if name != "cvae" or tracks.genres is not None]
    return {name: (made.X, protocol.recipes[name], seed, made.c if name == "cvae" else None) for name in names}


def cluster_seed(
    tracks: Tracks,
    protocol: protocols.Protocol,
    phase: int,
    made: inputs.ModelInput,
    fits: dict[str, Fit],
    seed: int,
    extras: Collection[str] = (),
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Labels and spaces of every method of `phase` for one seed, {method: (n,)} and {method: (n, d)}.

    `extras` adds comparisons that the paper does not have: "spaces" (PCA at the VAE's number of active units, K-Means
    on the active units alone, on sampled z, on the input itself), "baselines" (Spectral, VaDE, HDBSCAN, UMAP +
    K-Means).
    """
    k = n_clusters(tracks, protocol)
    if len(made.X) < k:
        raise ValueError(f"{tracks.name!r} has {len(made.X)} rows, fewer than the {k} clusters asked for.")
    shape = inputs.zscore if protocol.standardise_latent[phase] else np.asarray
    n_init = protocol.kmeans_n_init[phase]
    labels, spaces = {}, {}

    def put(method: str, space: np.ndarray, algorithm: str = "kmeans", **options) -> None:
        if algorithm == "kmeans":
            options["n_init"] = n_init
        spaces[method] = space
        labels[method] = clustering.cluster(space, algorithm, n_clusters=k, seed=seed, **options)

    pca = PCA(min(protocol.pca_components, *made.X.shape), random_state=seed).fit_transform(made.X)
    neighbors = min(protocol.spectral_neighbors, len(made.X) - 1)
    if phase == 1:
        put("VAE + K-Means", shape(fits["basic_vae"].mu))
        put("PCA + K-Means", shape(pca))
    elif phase == 2:
        latent = shape(fits["enhanced_vae"].mu)
        put("K-Means", latent)
        put("Agglomerative (Ward)", latent, "ward")
        put("DBSCAN", latent, "dbscan", eps=clustering.dbscan_eps(latent, protocol.dbscan_eps))
    else:
        for name in fits:
            put(SCORED_RECIPES[name], shape(fits[name].mu))
        put("PCA + K-Means", shape(pca))
        put("Spectral", made.X, "spectral", n_neighbors=neighbors)
    if "spaces" in extras:
        for name, fit in fits.items():
            if fit.logvar is None:
                continue
            method, active = SCORED_RECIPES[name], fit.active
            if len(active):
                put(f"{method} (active units)", fit.mu[:, active])
                put(f"{method} (PCA, as many dims)", pca[:, : len(active)])
            put(f"{method} (sampled z)", fit.sample(seed))
        put("Input + K-Means", made.X)
    if "baselines" in extras:
        if "Spectral" not in labels:
            put("Spectral", made.X, "spectral", n_neighbors=neighbors)
        if phase != 2:
            recipe = protocol.recipes["basic_vae" if phase == 1 else "beta_vae"]
            labels["VaDE"], spaces["VaDE"] = training.fit_vade(made.X, recipe, k, seed)
        put("HDBSCAN", pca, "hdbscan", min_cluster_size=max(5, len(pca) // 100))
        put("UMAP + K-Means", umap_embedding(made.X, min(8, len(made.X) - 2), seed))
    return labels, spaces


def umap_embedding(X: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """UMAP of X (n, d) with its defaults (McInnes, Healy & Melville 2018), shape (n, n_components)."""
    import warnings

    import umap  # compiles for seconds, so only where it is used

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")  # one thread is what a fixed seed needs
        model = umap.UMAP(n_components=n_components, n_neighbors=min(15, len(X) - 1), random_state=seed)
        return np.asarray(model.fit_transform(X), dtype=float)


def score_seed(
    tracks: Tracks,
    protocol: protocols.Protocol,
    phase: int,
    made: inputs.ModelInput,
    seed: int,
    labels: dict[str, np.ndarray],
    spaces: dict[str, np.ndarray],
    variant: str = "full",
) -> pd.DataFrame:
    """Tidy scores of one seed, one row per method and metric."""
    common = inputs.zscore(tracks.features.to_numpy())
    rows = []
    for method, found in labels.items():
        values = metrics.scores(found, spaces[method], common, tracks.genres) | {"dims": float(spaces[method].shape[1])}
        rows += [
            (protocol.name, phase, tracks.name, variant, method, seed, metric, value, made.leaky)
            for metric, value in values.items()
        ]
    return pd.DataFrame(
        rows, columns=["protocol", "phase", "dataset", "variant", "method", "seed", "metric", "value", "leaky"]
    )


def run(
    tracks: Tracks,
    protocol: str,
    phase: int,
    seeds: int | Sequence[int] = 3,
    variant: str = "full",
    extras: Collection[str] = (),
    recipes: Sequence[str] | None = None,
    n_jobs: int | None = None,
) -> Run:
    """Run `phase` under `protocol` for every seed: inputs, fits (cached, over the cores), clusterings, scores.

    `seeds` is how many, or which; `variant` a control input (inputs.VARIANTS); `extras` as in `cluster_seed`; `recipes`
    the networks to train, default all of the phase. Raises ValueError before any training for an unknown protocol or
    phase, a table with fewer rows than clusters, or a data set that lacks what the protocol needs.
    """
    chosen = protocols.get(protocol)
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    if not seeds:
        raise ValueError("seeds is empty; ask for at least 1.")
    if tracks.n < (fewest := max(FEWEST, n_clusters(tracks, chosen))):
        raise ValueError(
            f"{tracks.name!r} has {tracks.n} rows; at least {fewest} are needed, as many as clusters asked for and as "
            "neighbours looked at."
        )
    made = {seed: inputs.prepare(tracks, chosen, phase, seed, variant) for seed in seeds}
    names = RECIPES[phase] if recipes is None else recipes
    todo = [(seed, *job) for seed in seeds for job in jobs(tracks, chosen, made[seed], names, seed).items()]
    fits: dict[int, dict[str, Fit]] = {seed: {} for seed in seeds}
    for (seed, name, _), fit in zip(todo, training.fit_many([job for *_, job in todo], n_jobs), strict=True):
        fits[seed][name] = fit
    work = joblib.Parallel(n_jobs=min(n_jobs or joblib.cpu_count(), len(seeds)), return_as="generator")(
        joblib.delayed(cluster_seed)(tracks, chosen, phase, made[seed], fits[seed], seed, extras) for seed in seeds
    )
    labels, spaces, tables = {}, {}, []
    for seed, (found, where) in zip(seeds, tqdm(work, total=len(seeds), desc="clusterings", leave=False), strict=True):
        labels[seed], spaces[seed] = found, where
        tables.append(score_seed(tracks, chosen, phase, made[seed], seed, found, where, variant))
    return Run(tracks, chosen.name, phase, pd.concat(tables, ignore_index=True), labels, spaces, fits, made)


def controls(
    tracks: Tracks, protocol: str, phase: int, seeds: int | Sequence[int], variants: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """K-Means straight on the input of each control `variant` (inputs.VARIANTS), no network between: tidy scores, and
    labels (n_seeds, n) by variant.

    What the input alone gives is the ceiling for reading anything into a model. Variants that the data set cannot have
    (no lyrics, no genres) are left out.
    """
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
            tables.append(score_seed(tracks, chosen, phase, made, seed, labels, {"Input + K-Means": made.X}, variant))
            rows.append(labels["Input + K-Means"])
        found[variant] = np.stack(rows)
    return pd.concat(tables, ignore_index=True), found
