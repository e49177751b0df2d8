"""Whether the live pages of the paper's phases agree with the published runs of full GTZAN.

The live pages train on ten-second thirds of 100 tracks, the published runs on 999 whole tracks.
Three things have to agree if the small data are to stand for the large: how many latent dimensions
a network uses, the order of the methods, and which of two methods is better. Pages "Audio baseline"
to "Advanced VAEs", "Performance"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import phases, tables
from helpers.training import Fit
from musicbook.stored_runs import Published

NETWORKS = {
    "basic_vae": "basic VAE",
    "enhanced_vae": "enhanced VAE",
    "beta_vae": "Beta-VAE",
    "cvae": "CVAE",
}
LEVEL = "level"  # the outcome where neither of two methods is clearly better
PAIRS = {  # phase -> the comparisons that its page states
    1: [("VAE + K-Means", "PCA + K-Means"), ("VAE + K-Means", "VAE + K-Means (PCA, as many dims)")],
    2: [("K-Means", "DBSCAN"), ("K-Means", "Agglomerative (Ward)")],
    3: [
        ("Beta-VAE", "PCA + K-Means"),
        ("Beta-VAE", "AE + K-Means"),
        ("Beta-VAE", "CVAE"),
        ("Beta-VAE", "Spectral"),
    ],
}


def active_dimensions(fits: Mapping[int, Mapping[str, Fit]]) -> dict[str, float]:
    """Mean number of active dimensions over the seeds, by the method whose network it is."""
    counts: dict[str, list[int]] = {}
    for networks in fits.values():
        for recipe, fit in networks.items():
            if fit.logvar is not None:
                counts.setdefault(recipe, []).append(len(fit.active))
    return {recipe: float(np.mean(numbers)) for recipe, numbers in counts.items()}


def stored_active_dimensions(runs: Published, protocol: str, phase: int) -> dict[str, float]:
    """The same of published runs, from the dimensions of the rows "(active units)"."""
    scores = runs.run(protocol, phase)
    counts = {}
    for method in phases.methods_of(phase):
        dims = tables.mean_of(scores, f"{method.name} (active units)", "dims")
        if np.isfinite(dims):
            counts[method.space] = dims
    return counts


def stored_difference(protocol: str, phase: int, a: str, b: str) -> tables.Difference | None:
    """How far two methods differ in the published runs of full GTZAN."""
    runs = Published()
    if not (runs.has(protocol, phase, a) and runs.has(protocol, phase, b)):
        return None
    labels = {name: runs.labels(protocol, phase, name) for name in (a, b)}
    return tables.difference(runs.genres, runs.groups, labels, a, b)


def differences_here_and_full(
    run: phases.Run, a: str, b: str
) -> tuple[tables.Difference | None, tables.Difference | None]:
    """How far two methods differ in a live run, and in the published runs under its protocol."""
    here = tables.difference(run.tracks.genres, run.tracks.groups, run.labels, a, b)
    return here, stored_difference(run.protocol, run.phase, a, b)


def outcome(difference: tables.Difference | None) -> str:
    """Which of two methods agrees better with genre, in a table cell."""
    if difference is None:
        return "not run"
    return tables.shown_name(difference.better) if difference.better else LEVEL


def compare_with_full(
    run: phases.Run, pairs: Sequence[tuple[str, str]] | None = None
) -> pd.DataFrame:
    """What a live run says beside the published runs of full GTZAN under its protocol: one row a
    question, with the columns Here, Full GTZAN and Agree.

    Empty where the live tracks have no genres, or there are no published runs."""
    runs, phase, protocol = Published(), run.phase, run.protocol
    if run.tracks.genres is None or not len(runs.genres):
        return pd.DataFrame()
    rows = []
    here, full = active_dimensions(run.fits), stored_active_dimensions(runs, protocol, phase)
    for recipe, count in here.items():
        if recipe in full:
            question = f"active dimensions, {NETWORKS[recipe]}"
            rows.append((question, f"{count:.1f}", f"{full[recipe]:.1f}", ""))
    orders = []
    for scores in (run.scores, runs.run(protocol, phase)):
        values = {name: tables.mean_of(scores, name, "nmi") for name in phases.names_of(phase)}
        known = {name: value for name, value in values.items() if np.isfinite(value)}
        orders.append(sorted(known, key=lambda name: -known[name]))
    agree = "yes" if orders[0] == orders[1] else "no"
    rows.append(("methods by NMI, best first", "; ".join(orders[0]), "; ".join(orders[1]), agree))
    for a, b in pairs or PAIRS[phase]:
        live, stored = differences_here_and_full(run, a, b)
        here_better, full_better = outcome(live), outcome(stored)
        agree = "yes" if here_better == full_better else "no"
        question = f"{tables.shown_name(a)} or {tables.shown_name(b)}"
        rows.append((question, here_better, full_better, agree))
    columns = ["Question", "Here", "Full GTZAN", "Agree"]
    return pd.DataFrame(rows, columns=columns).set_index("Question")
