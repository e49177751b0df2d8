"""Figures of the pages "CVAE and posterior collapse" and "Collapse in depth"; each takes what was
computed and returns a Figure."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.models import ACTIVE_KL
from helpers.plots import COLOURS, MARKERS, NOISE, WIDTH, _close, _grid
from musicbook.chapters.collapse.measures import linear_code
from musicbook.chapters.collapse.study import ChapterRun
from musicbook.chapters.collapse.transfer import SwapResult
from musicbook.chapters.collapse.words import NOT_RUN, pick

RANGE = ("pi", 100)  # what an error bar shows: the range over seeds

# panels of `lines`: title -> (measure, target[, space])
_SIZE = {"Active units": ("active units", "", ""), "KL (nats)": ("KL", "", "")}
FEW = _SIZE | {
    "Squared error, z shuffled": ("squared error", "", "z shuffled"),
    "Brightness from z": ("probe", "brightness", "sampled z"),
}
MANY = _SIZE | {
    "Genre, NMI of K-Means": ("NMI", "c", "active units"),
    "Style, probe of units": ("probe", "style", "active units"),
}
BETA = {
    "Active units": ("active units", ""),
    "Rate: KL (nats)": ("KL", ""),
    "Distortion": ("distortion", ""),
    "Silhouette": ("silhouette", ""),
    "Genre, NMI of K-Means": ("NMI", "c"),
}
FACTORS = ("MIG", "SAP", "disentanglement")
WAYS = {  # how a decoder is asked -> what the figure calls it
    "": "as trained",
    "z shuffled": "another track's z",
    "z = 0": "zeros for z",
    "means": "table of means",
    "c shuffled": "another genre",
}


def nothing_to_draw(why: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8))
    axis.axis("off")
    axis.text(0, 0.5, textwrap.fill(why, 60), va="center", fontsize=11)
    return _close(figure)


def kl_per_unit(chapter: ChapterRun) -> Figure:
    """KL of every latent dimension, sorted, one line a model (first seed), and that of the best
    linear code for the first model."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.6))
    for i, (name, diagnoses) in enumerate(chapter.diagnoses.items()):
        kl = np.sort(diagnoses[0].kl_per_dim)[::-1]
        places = np.arange(1, len(kl) + 1)
        axis.plot(places, kl, marker=MARKERS[i], ms=4, color=COLOURS[i], label=name)
    first, fits = next(iter(chapter.fits.items()))
    recipe, X = fits[0].recipe, chapter.X[fits[0].seed]
    given = chapter.c if recipe.kind == "cvae" else None
    spectrum = linear_code(X, recipe.beta, given).spectrum
    kl = 0.5 * np.log(np.maximum(2 * spectrum / recipe.beta, 1.0))[: recipe.latent]
    label = f"best linear code, for the {first}"
    axis.plot(np.arange(1, len(kl) + 1), kl, color="black", lw=1.2, ls=":", label=label)
    axis.axhline(ACTIVE_KL, color=NOISE, lw=1)
    axis.text(1, ACTIVE_KL, f"active above {ACTIVE_KL} nats", va="bottom", fontsize=9)
    axis.set(
        xlabel="latent dimension, sorted",
        ylabel="KL (nats)",
        title="How much each dimension carries",
    )
    axis.legend(frameon=False, fontsize=9)
    return _close(figure)


def _dots(parts: dict[str, pd.DataFrame], mark: str, columns: int = 2) -> tuple[Figure, list]:
    """A panel a table of `parts`, a row a model, a mark a value of the column `mark`: mean and
    range over seeds."""
    whole = pd.concat(parts.values())
    models, marks = list(dict.fromkeys(whole.model)), list(dict.fromkeys(whole[mark]))
    height = 1.3 + 0.38 * len(models)
    figure, axes = _grid(len(parts), height=height, columns=columns, sharey=True)
    for axis, (title, part) in zip(axes, parts.items(), strict=True):
        sns.pointplot(
            part,
            x="value",
            y="model",
            order=models,
            hue=mark,
            hue_order=marks,
            ax=axis,
            errorbar=RANGE,
            palette=COLOURS[: len(marks)],
            markers=list(MARKERS[: len(marks)]),
            ms=6,
            ls="none",
            dodge=0.3,
            err_kws={"lw": 1},
        )
        axis.set(title=title, ylabel="", xlabel="")
    return figure, axes


def _legend(figure: Figure, axes: list, columns: int = 3) -> Figure:
    """The figure, one legend under it: that of the first of its axes."""
    marks, labels = axes[0].get_legend_handles_labels()
    for axis in axes:
        if axis.get_legend() is not None:
            axis.get_legend().remove()
    figure.legend(
        marks, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )
    return _close(figure)


def verdict_panels(table: pd.DataFrame | None, label: str = "genre") -> Figure:
    """What carries the verdict, a panel a measure and a row a model: dimensions in use, nats, how
    much worse the reconstruction gets when z is exchanged, and what a probe reads from z (tick:
    chance); mean and range over seeds."""
    if table is None:
        return nothing_to_draw(NOT_RUN)
    models = list(dict.fromkeys(table.model))
    own, moved = (
        pick(table, "squared error", "", space).set_index(["model", "seed"]).value
        for space in ("", "z shuffled")
    )
    parts = {
        "Dimensions in use": pick(table, "active units"),
        "Cost of the code (nats)": pick(table, "KL"),
        "Error × by another z": (moved / own).reset_index(),
    }
    probes = table[(table.measure == "probe") & (table.space == "sampled z")]
    parts |= {
        f"{label if target == 'c' else target} from z".capitalize(): part
        for target, part in probes.groupby("target", sort=False)
    }
    figure, axes = _grid(len(parts), height=0.9 + 0.26 * len(models), sharey=True)
    for axis, (title, part) in zip(axes, parts.items(), strict=True):
        sns.pointplot(
            part,
            x="value",
            y="model",
            order=models,
            hue="model",
            hue_order=models,
            ax=axis,
            errorbar=RANGE,
            palette=COLOURS[: len(models)],
            ms=7,
            ls="none",
            err_kws={"lw": 1.5},
            legend=False,
        )
        read = title.endswith("from z")
        if read:
            axis.axvline(part.chance.mean(), color="black", ls="--", lw=1)
        axis.set(
            xlabel="dashed: chance" if read else "", ylabel="", xlim=(0, 1) if read else (0, None)
        )
        axis.set_title(title, fontsize=10)
    return _close(figure)


def shuffles(table: pd.DataFrame | None) -> Figure:
    """Squared error of every model as it is, with z or the condition exchanged, without z, and of
    a table of means."""
    if table is None:
        return nothing_to_draw(NOT_RUN)
    part = table[(table.measure == "squared error") & (table.target == "")]
    part = part[part.space.isin(WAYS)].replace({"space": WAYS})
    figure, axes = _dots({"Error of the decoder": part}, "space", columns=1)
    axes[0].set(xlabel="squared error per feature", xlim=(0, None))
    return _legend(figure, axes)


def probe_dots(table: pd.DataFrame, label: str = "genre") -> Figure:
    """Balanced accuracy of probes of z, one panel a target; dashed is chance, dotted the data's
    own."""
    spaces = ["sampled z", "active units", "data"]
    table = table[(table.measure == "probe") & table.space.isin(spaces)]
    if table.empty:
        return nothing_to_draw("Nothing to probe: there are no two classes with two tracks each.")
    parts, data = {}, {}
    for target, part in table.groupby("target", sort=False):
        name = label if target == "c" else str(target)
        parts[name] = part[part.space != "data"]
        data[name] = part[part.space == "data"].value.mean()
    figure, axes = _dots(parts, "space")
    for axis, (name, part) in zip(axes, parts.items(), strict=True):
        axis.axvline(part.chance.mean(), color="black", ls="--", lw=1, label="chance")
        axis.axvline(data[name], color="black", ls=":", lw=1.4, label="from the data")
        axis.set(xlim=(0, 1), xlabel="balanced accuracy")
    return _legend(figure, axes, 4)


def remedy_dots(table: pd.DataFrame | None) -> Figure:
    """The remedies grid: what each does to units, KL and what a probe of z finds, by the start that
    it was tried on."""
    if table is None:
        return nothing_to_draw(NOT_RUN)
    style = table[(table.measure == "probe") & (table.space == "sampled z") & (table.target != "c")]
    parts = {
        "Active units": pick(table, "active units"),
        "KL (nats)": pick(table, "KL"),
        "Genre from z": pick(table, "probe", "c", "sampled z"),
        "Style from z": style,
    }
    return _legend(*_dots(parts, "start"))


def _short(value: float) -> str:
    """A number under an axis: 1000000 is "1M", 50000 is "50k"."""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def lines(
    table: pd.DataFrame | None, x: str, panels: dict[str, tuple], mark: str = "model"
) -> Figure:
    """Small multiples over the column `x`, log scale: a panel an entry of `panels`, {title:
    (measure, target, space)} or any space; a line a value of the column `mark`, mean and range over
    seeds. None or no row says so."""
    if table is None or table.empty:
        return nothing_to_draw(NOT_RUN)
    table = table[table.measure != ""]
    if mark == "space":
        table = table.replace({"space": {"": "trained", "pPCA": "linear optimum"}})
    figure, axes = _grid(len(panels), height=2.4, sharex=True)
    marks, values = list(dict.fromkeys(table[mark])), sorted(table[x].unique())
    for axis, (title, (measure, target, *space)) in zip(axes, panels.items(), strict=True):
        here = table[(table.measure == measure) & (table.target == target)]
        if space:
            here = here[here.space.isin(space)]
        sns.lineplot(
            here,
            x=x,
            y="value",
            hue=mark,
            hue_order=marks,
            style=mark,
            style_order=marks,
            markers=True,
            errorbar=RANGE,
            ax=axis,
            palette=COLOURS[: len(marks)],
        )
        axis.set(xscale="log", title=title, ylim=(0, None), ylabel="")
        axis.set_xlabel(x if axis in axes[-2:] else "")
        if len(values) < 7:
            axis.set_xticks(values, [_short(value) for value in values])
            axis.minorticks_off()
    return _legend(figure, axes)


def disentanglement(table: pd.DataFrame | None) -> Figure:
    """Scores of disentanglement of planted factors: a row a score, a column a mixing; the networks
    over beta (mean and range over seeds), the references as level lines."""
    if table is None:
        return nothing_to_draw(NOT_RUN)
    mixings = list(dict.fromkeys(table.data))
    networks = [name for name, part in table.groupby("model", sort=False) if part.beta.max() > 0]
    references = [name for name in dict.fromkeys(table.model) if name not in networks]
    size = (WIDTH, 1.0 + 1.8 * len(FACTORS))
    shape = len(FACTORS), len(mixings)
    figure, axes = plt.subplots(*shape, figsize=size, sharex=True, sharey=True, squeeze=False)
    for row, score in zip(axes, FACTORS, strict=True):
        for axis, mixing in zip(row, mixings, strict=True):
            part = pick(table[table.data == mixing], score)
            for i, name in enumerate(networks):
                _beta_line(axis, part[part.model == name], name, i)
            for style, name in zip(("-", "--", ":"), references):
                level = part[part.model == name].value.mean()
                axis.axhline(level, color="black", ls=style, lw=1, label=name)
            axis.set(xscale="log", ylim=(0, 1.04), title=f"{score}, {mixing}")
    betas = sorted(table.beta[table.beta > 0].unique())
    for axis in axes[-1]:
        axis.set_xlabel("beta")
        axis.set_xticks(betas, [f"{beta:g}" for beta in betas])
        axis.minorticks_off()
    return _legend(figure, list(axes.flat), 5)


def _beta_line(axis: Axes, part: pd.DataFrame, name: str, i: int) -> None:
    """Mean of a score over seeds along beta, and its range."""
    by_beta = part.groupby("beta").value.agg(["mean", "min", "max"])
    colour = COLOURS[i]
    axis.plot(by_beta.index, by_beta["mean"], color=colour, marker=MARKERS[i], ms=5, label=name)
    axis.fill_between(by_beta.index, by_beta["min"], by_beta["max"], color=colour, alpha=0.2)


def transfer_heatmap(swapped: SwapResult | None) -> Figure:
    """Share of rows that the judge takes for the class they were decoded under, source by target
    (None: nothing to swap)."""
    if swapped is None:
        return nothing_to_draw("There is no condition to swap, or no class with two tracks.")
    figure, axis = plt.subplots(figsize=(WIDTH, 1.6 + 0.36 * len(swapped.judged)))
    sns.heatmap(
        swapped.judged,
        annot=len(swapped.judged) <= 12,
        fmt=".2f",
        cmap="Blues",
        vmin=0,
        vmax=1,
        ax=axis,
        annot_kws={"size": 9},
        cbar_kws={"label": "share taken for the target"},
    )
    axis.set(
        title="Decoded under another class, taken for it", xlabel="decoded as", ylabel="tracks of"
    )
    return _close(figure)
