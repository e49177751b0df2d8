"""Figures of the page "CVAE: collapse or by design?"; each takes what was computed and returns a Figure."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from ..models import ACTIVE_KL
from ..plots import GENRE_PALETTE, MARKERS, NOISE, WIDTH, _close, _grid
from .battery import predict
from .study import ChapterRun
from .transfer import SwapResult
from .words import NOT_RUN, pick

COLOURS = list(GENRE_PALETTE.values())
RANGE = ("pi", 100)  # what an error bar shows: the range over seeds

# panels of `lines`: title -> (measure, target[, space])
_SIZE = {"Active units": ("active units", "", ""), "KL (nats)": ("KL", "", "")}
FEW = _SIZE | {"Squared error, z shuffled": ("squared error", "", "z shuffled"),
               "Brightness from z": ("probe", "brightness", "sampled z")}  # fmt: skip
MANY = _SIZE | {"Genre, NMI of K-Means": ("NMI", "c", "active units"),
                "Style, probe of units": ("probe", "style", "active units")}  # fmt: skip
BETA = {"Active units": ("active units", ""), "Rate: KL (nats)": ("KL", ""), "Distortion": ("distortion", ""),
        "Silhouette": ("silhouette", ""), "Genre, NMI of K-Means": ("NMI", "c")}  # fmt: skip
FACTORS = {"MIG": ("MIG", ""), "Disentanglement": ("disentanglement", ""), "Completeness": ("completeness", ""),
           "Informativeness": ("informativeness", "")}  # fmt: skip


def missing(why: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8))
    axis.axis("off")
    axis.text(0, 0.5, textwrap.fill(why, 60), va="center", fontsize=11)
    return _close(figure)


def kl_per_unit(chapter: ChapterRun) -> Figure:
    """KL of every latent dimension, sorted, one line a model (first seed), and what pPCA foretells for the first."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6))
    for i, (name, found) in enumerate(chapter.diagnoses.items()):
        kl = np.sort(found[0].kl_per_dim)[::-1]
        axis.plot(np.arange(1, len(kl) + 1), kl, marker=MARKERS[i], ms=4, color=COLOURS[i], label=name)
    first, fits = next(iter(chapter.fits.items()))
    recipe, X = fits[0].recipe, chapter.X[fits[0].seed]
    spectrum = predict(X, recipe.beta, chapter.c if recipe.kind == "cvae" else None).spectrum
    foretold = 0.5 * np.log(np.maximum(2 * spectrum / recipe.beta, 1.0))[: recipe.latent]
    axis.plot(np.arange(1, len(foretold) + 1), foretold, color="black", lw=1.2, ls=":", label=f"pPCA, for the {first}")
    axis.axhline(ACTIVE_KL, color=NOISE, lw=1)
    axis.text(1, ACTIVE_KL, f"active above {ACTIVE_KL} nats", va="bottom", fontsize=9)
    axis.set(xlabel="latent dimension, sorted", ylabel="KL (nats)", title="How much each dimension carries")
    axis.legend(frameon=False, fontsize=9)
    return _close(figure)


def _dots(parts: dict[str, pd.DataFrame], mark: str, columns: int = 2) -> tuple[Figure, list]:
    """A panel a table of `parts`, a row a model, a mark a value of the column `mark`: mean and range over seeds."""
    models, marks = (list(dict.fromkeys(pd.concat(parts.values())[column])) for column in ("model", mark))
    figure, axes = _grid(len(parts), height=1.3 + 0.38 * len(models), columns=columns, sharey=True)
    for axis, (title, part) in zip(axes, parts.items(), strict=True):
        sns.pointplot(part, x="value", y="model", order=models, hue=mark, hue_order=marks, ax=axis, errorbar=RANGE,
                      palette=COLOURS[: len(marks)], markers=list(MARKERS[: len(marks)]), ms=6, ls="none", dodge=0.3,
                      err_kws={"lw": 1})  # fmt: skip
        axis.set(title=title, ylabel="", xlabel="")
    return figure, axes


def _legend(figure: Figure, axes: list, columns: int = 3) -> Figure:
    """The figure, one legend under it: that of the first of its axes."""
    marks, labels = axes[0].get_legend_handles_labels()
    for axis in axes:
        if axis.get_legend() is not None:
            axis.get_legend().remove()
    figure.legend(marks, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return _close(figure)


def verdict_panels(table: pd.DataFrame | None, label: str = "genre") -> Figure:
    """What carries the verdict, a panel a measure and a row a model: dimensions in use, nats, how much worse the
    reconstruction gets when z is exchanged, and what a probe reads from z (tick: chance); mean and range over seeds."""
    if table is None:
        return missing(NOT_RUN)
    models = list(dict.fromkeys(table.model))
    own, moved = (
        pick(table, "squared error", "", space).set_index(["model", "seed"]).value for space in ("", "z shuffled")
    )
    parts = {"Dimensions in use": pick(table, "active units"), "Cost of the code (nats)": pick(table, "KL"),
             "Error × by another z": (moved / own).reset_index()}  # fmt: skip
    probes = table[(table.measure == "probe") & (table.space == "sampled z")]
    parts |= {f"{label if target == 'c' else target} from z".capitalize(): part
              for target, part in probes.groupby("target", sort=False)}  # fmt: skip
    figure, axes = _grid(len(parts), height=0.9 + 0.26 * len(models), sharey=True)
    for axis, (title, part) in zip(axes, parts.items(), strict=True):
        sns.pointplot(part, x="value", y="model", order=models, hue="model", hue_order=models, ax=axis, errorbar=RANGE,
                      palette=COLOURS[: len(models)], ms=7, ls="none", err_kws={"lw": 1.5}, legend=False)  # fmt: skip
        read = title.endswith("from z")
        if read:
            axis.axvline(part.chance.mean(), color="black", ls="--", lw=1)
        axis.set(xlabel="dashed: chance" if read else "", ylabel="", xlim=(0, 1) if read else (0, None))
        axis.set_title(title, fontsize=10)
    return _close(figure)


def shuffles(table: pd.DataFrame | None) -> Figure:
    """Squared error of every model as it is, and with z or the condition exchanged or z = 0."""
    if table is None:
        return missing(NOT_RUN)
    part = table[table.measure == "squared error"].replace({"space": {"": "as trained"}})
    figure, axes = _dots({"What the decoder notices": part}, "space", columns=1)
    axes[0].set(xlabel="squared error per feature", xlim=(0, None))
    return _legend(figure, axes)


def probe_scores(table: pd.DataFrame, label: str = "genre") -> Figure:
    """Balanced accuracy of probes of z, one panel a target; dashed is chance, dotted the data's own."""
    table = table[table.measure == "probe"]
    if table.empty:
        return missing("Nothing to probe: there are no two classes with two tracks each.")
    parts = {label if target == "c" else target: part for target, part in table.groupby("target", sort=False)}
    figure, axes = _dots({name: part[part.space != "data"] for name, part in parts.items()}, "space")
    for axis, part in zip(axes, parts.values(), strict=True):
        axis.axvline(part.chance.mean(), color="black", ls="--", lw=1, label="chance")
        axis.axvline(part[part.space == "data"].value.mean(), color="black", ls=":", lw=1.4, label="from the data")
        axis.set(xlim=(0, 1), xlabel="balanced accuracy")
    return _legend(figure, axes, 4)


def remedies(table: pd.DataFrame | None) -> Figure:
    """The remedies grid: what each does to units, KL and what a probe of z finds, by the start that it was tried on."""
    if table is None:
        return missing(NOT_RUN)
    style = table[(table.measure == "probe") & (table.space == "sampled z") & (table.target != "c")]
    parts = {"Active units": pick(table, "active units"), "KL (nats)": pick(table, "KL"),
             "Genre from z": pick(table, "probe", "c", "sampled z"), "Style from z": style}  # fmt: skip
    return _legend(*_dots(parts, "start"))


def lines(table: pd.DataFrame | None, x: str, panels: dict[str, tuple], mark: str = "model") -> Figure:
    """Small multiples over the column `x`, log scale: a panel an entry of `panels`, {title: (measure, target, space)}
    or any space; a line a value of the column `mark`, mean and range over seeds. None or no row says so."""
    if table is None or table.empty:
        return missing(NOT_RUN)
    table = table[table.measure != ""]
    table = table.replace({"space": {"": "trained", "pPCA": "linear optimum"}}) if mark == "space" else table
    figure, axes = _grid(len(panels), height=2.4, sharex=True)
    marks, values = list(dict.fromkeys(table[mark])), sorted(table[x].unique())
    for axis, (title, (measure, target, *space)) in zip(axes, panels.items(), strict=True):
        here = table[(table.measure == measure) & (table.target == target)]
        here = here[here.space.isin(space)] if space else here
        sns.lineplot(here, x=x, y="value", hue=mark, hue_order=marks, style=mark, style_order=marks, markers=True,
                     errorbar=RANGE, ax=axis, palette=COLOURS[: len(marks)])  # fmt: skip
        axis.set(xscale="log", title=title, ylim=(0, None), ylabel="", xlabel=x if axis in axes[-2:] else "")
        if len(values) < 7:
            axis.set_xticks(values, [f"{value:,g}" for value in values])
            axis.minorticks_off()
    return _legend(figure, axes)


def transfer_heatmap(found: SwapResult | None) -> Figure:
    """Share of rows that the judge takes for the class they were decoded under, source by target (None: nothing to
    swap)."""
    if found is None:
        return missing("There is no condition to swap, or no class with two tracks.")
    figure, axis = plt.subplots(figsize=(WIDTH, 1.6 + 0.36 * len(found.judged)))
    sns.heatmap(found.judged, annot=len(found.judged) <= 12, fmt=".2f", cmap="Blues", vmin=0, vmax=1, ax=axis,
                annot_kws={"size": 9}, cbar_kws={"label": "share taken for the target"})
    axis.set(title="Decoded under another class, taken for it", xlabel="decoded as", ylabel="tracks of")
    return _close(figure)


def style_heatmap(profile: pd.DataFrame, whose: str) -> Figure:
    """Means of features in every style found within one class, in the class's own standard deviations."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1.6 + 0.45 * len(profile)))
    limit = max(1.0, float(np.abs(profile.to_numpy()).max()))
    sns.heatmap(profile, annot=True, fmt="+.1f", cmap="vlag", vmin=-limit, vmax=limit, ax=axis, annot_kws={"size": 9},
                cbar_kws={"label": "sd within it"})
    axis.set(title=f"Styles within {whose}", ylabel="", xlabel="")
    axis.tick_params(axis="x", rotation=30)
    return _close(figure)
