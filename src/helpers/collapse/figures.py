"""Figures of the page "CVAE: collapse or by design?"; each takes what was computed and returns a Figure."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .battery import ACTIVE_KL, predict
from .words import NOT_RUN, with_start
from .study import Study
from ..plots import GENRE_PALETTE, MARKERS, NOISE, OURS, PAPER, WIDTH, _close, _grid
from .transfer import Transfer

COLOURS = list(GENRE_PALETTE.values())


def missing(why: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8))
    axis.axis("off")
    axis.text(0, 0.5, why, va="center", fontsize=11)
    return _close(figure)


def kl_per_unit(study: Study) -> Figure:
    """KL of every latent dimension, sorted, one line a model (first seed), and what pPCA foretells for the first."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6))
    for i, (name, found) in enumerate(study.diagnoses.items()):
        kl = np.sort(found[0].kl_per_dim)[::-1]
        axis.plot(np.arange(1, len(kl) + 1), kl, marker=MARKERS[i], ms=4, color=COLOURS[i], label=name)
    first = next(iter(study.fits))
    recipe = study.fits[first][0].recipe
    spectrum = predict(study.X[0], recipe.beta, study.c if recipe.kind == "cvae" else None).spectrum
    foretold = 0.5 * np.log(np.maximum(2 * spectrum / recipe.beta, 1.0))[: recipe.latent]
    axis.plot(np.arange(1, len(foretold) + 1), foretold, color="black", lw=1.2, ls=":", label=f"pPCA, for the {first}")
    axis.axhline(ACTIVE_KL, color=NOISE, lw=1)
    axis.text(1, ACTIVE_KL, f"active above {ACTIVE_KL} nats", va="bottom", fontsize=9)
    axis.set(xlabel="latent dimension, sorted", ylabel="KL (nats)", title="How much each dimension carries")
    axis.legend(frameon=False, fontsize=9)
    return _close(figure)


def _dots(axis, names: list[str], values: list[np.ndarray], offset: float, label: str, i: int) -> None:
    """One row a model: mean and range over seeds."""
    y = np.arange(len(names)) + offset
    mean = np.array([v.mean() for v in values])
    reach = np.array([[m - v.min(), v.max() - m] for m, v in zip(mean, values, strict=True)]).T
    reach = np.maximum(reach, 0.0)  # the mean of equal numbers may lie an ulp outside them
    axis.errorbar(mean, y, xerr=reach, fmt=MARKERS[i], ms=7, color=COLOURS[i], label=label, capsize=2, lw=1)


def shuffles(study: Study) -> Figure:
    """Squared error of every model as it is, with z shuffled, z = 0 and (where there is one) c shuffled."""
    names = list(study.diagnoses)
    figure, axis = plt.subplots(figsize=(WIDTH, 1.6 + 0.5 * len(names)))
    kinds = ["MSE", "MSE, z shuffled", "MSE, z = 0", "MSE, c shuffled"]
    for i, kind in enumerate(k for k in kinds if k in study.diagnoses[names[0]][0].values):
        label = {"MSE": "as trained"}.get(kind, kind.removeprefix("MSE, "))
        _dots(axis, names, [study.values(name, kind) for name in names], 0.12 * (i - 1.5), label, i)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel="squared error per feature", title="What the decoder notices", xlim=(0, None))
    _legend(figure, axis, 4)
    return _close(figure)


def probes(study: Study) -> Figure:
    """Balanced accuracy of probes of z, one panel a target; dashed is chance, dotted the data's own."""
    names, measures = list(study.diagnoses), next(iter(study.diagnoses.values()))[0].values
    targets = [t for t in ("c", *study.factors) if f"probe of {t}, sampled z" in measures]
    figure, axes = plt.subplots(1, len(targets), figsize=(WIDTH, 1.7 + 0.45 * len(names)), sharey=True, squeeze=False)
    for axis, target in zip(axes.flat, targets, strict=True):
        for i, space in enumerate(("sampled z", "active units")):
            values = [study.values(name, f"probe of {target}, {space}") for name in names]
            _dots(axis, names, values, 0.2 * (i - 0.5), space, i)
        axis.axvline(measures[f"chance, {target}"], color="black", ls="--", lw=1, label="chance")
        axis.axvline(measures[f"probe of {target}, data"], color="black", ls=":", lw=1.4, label="from the data")
        axis.set(xlim=(0, 1), title=f"{'genre' if target == 'c' else target}", xlabel="balanced accuracy")
        axis.set_yticks(range(len(names)), names)
    axes[0, 0].invert_yaxis()
    _legend(figure, axes[0, 0], 4)
    return _close(figure)


def _legend(figure: Figure, axis, columns: int) -> None:
    marks, labels = axis.get_legend_handles_labels()
    figure.legend(marks, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)


def scale(table: pd.DataFrame | None) -> Figure:
    """The scale grid: active units, K-Means NMI of the genre, probe of the style and KL against the number of tracks;
    None (not computed) gives a figure that says so."""
    if table is None:
        return missing(NOT_RUN)
    panels = {"active units (KL > 0.05)": "Active units", "KL": "KL (nats)",
              "NMI of c, K-Means on mu": "Genre: NMI of K-Means",
              "probe of style, active units": "Style: probe accuracy"}
    figure, axes = _grid(len(panels), height=2.5, sharex=True)
    for axis, (measure, title) in zip(axes, panels.items(), strict=True):
        part = table[table.measure == measure]
        for i, (model, rows) in enumerate(part.groupby("model", sort=False)):
            over = rows.groupby("n").value.agg(["mean", "min", "max"])
            reach = np.maximum([over["mean"] - over["min"], over["max"] - over["mean"]], 0.0)
            axis.errorbar(over.index, over["mean"], reach, marker=MARKERS[i], color=COLOURS[i], label=model, capsize=3)
        axis.set(xscale="log", title=title, ylim=(0, 1.05) if "NMI" in title or "probe" in title else (0, None))
        axis.set_xlabel("tracks" if axis in axes[-2:] else "")
    _legend(figure, axes[0], 3)
    return _close(figure)


def beta_sweep(table: pd.DataFrame | None) -> Figure:
    """The beta grid: units, rate and distortion beside pPCA's prediction (dotted), silhouette and NMI of K-Means."""
    if table is None:
        return missing(NOT_RUN)
    panels = {"active units": "Active units", "rate": "Rate: KL (nats)", "distortion": "Distortion: squared error",
              "silhouette": "Silhouette and NMI"}
    figure, axes = _grid(len(panels), height=2.5, sharex=True)
    for axis, (measure, title) in zip(axes, panels.items(), strict=True):
        for i, (name, style) in enumerate([(measure, "-"), *([("NMI", "--")] if measure == "silhouette" else [])]):
            over = table[table.measure == name].groupby("beta").value.agg(["mean", "min", "max"])
            axis.plot(over.index, over["mean"], marker=MARKERS[i], ls=style, color=(OURS, PAPER)[i], label=name)
            axis.fill_between(over.index, over["min"], over["max"], color=(OURS, PAPER)[i], alpha=0.2, lw=0)
        foretold = table[table.measure == f"{measure}, pPCA"].groupby("beta").value.mean()
        if len(foretold):
            axis.plot(foretold.index, foretold, color="black", ls=":", label="pPCA")
        axis.set(xscale="log", title=title, ylim=(0, None))
        axis.set_xlabel("beta" if axis in axes[-2:] else "")
        axis.legend(frameon=False, fontsize=9)
    return _close(figure)


def remedies(table: pd.DataFrame | None) -> Figure:
    """The remedies grid: active units of every remedy on each start, mean and range over seeds."""
    if table is None:
        return missing(NOT_RUN)
    table = with_start(table)
    part = table[table.measure == "active units (KL > 0.05)"]
    names = list(dict.fromkeys(part.remedy))
    figure, axis = plt.subplots(figsize=(WIDTH, 1.4 + 0.42 * len(names)))
    for i, (start, rows) in enumerate(part.groupby("start", sort=False)):
        values = [rows[rows.remedy == name].value.to_numpy() for name in names]
        _dots(axis, names, values, 0.2 * (i - 1), str(start), i)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel="active units", title="Active units under each remedy", xlim=(-0.5, None))
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend(figure, axis, 3)
    return _close(figure)


def transfer_heatmap(found: Transfer | None) -> Figure:
    """Share of rows that the judge takes for the class they were decoded under, source by target (None: no genres)."""
    if found is None:
        return missing("These tracks have no genres: there is no condition to swap.")
    figure, axis = plt.subplots(figsize=(WIDTH, 1.6 + 0.36 * len(found.judged)))
    sns.heatmap(found.judged, annot=len(found.judged) <= 12, fmt=".2f", cmap="Blues", vmin=0, vmax=1, ax=axis,
                annot_kws={"size": 9}, cbar_kws={"label": "share taken for the target"})
    axis.set(title="Decoded under another genre, taken for it", xlabel="decoded as", ylabel="tracks of")
    return _close(figure)


def style_heatmap(profile: pd.DataFrame, genre: str) -> Figure:
    """Mean of readable features in every style found within one genre, in the genre's own standard deviations."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1.6 + 0.45 * len(profile)))
    limit = max(1.0, float(np.abs(profile.to_numpy()).max()))
    sns.heatmap(profile, annot=True, fmt="+.1f", cmap="vlag", vmin=-limit, vmax=limit, ax=axis, annot_kws={"size": 9},
                cbar_kws={"label": "sd within the genre"})
    axis.set(title=f"Styles within {genre}", ylabel="", xlabel="")
    axis.tick_params(axis="x", rotation=30)
    return _close(figure)
