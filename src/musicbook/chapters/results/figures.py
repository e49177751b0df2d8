"""The figures of the pages "Leakage", "Results" and "Every value": a score as channels are taken
away, all values beside the paper's, genres, stability, the multiverse."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import tables
from helpers.metrics import METRICS, label_of
from helpers.plots import COLOURS, OURS, PAPER, WIDTH, _close
from leakaudit.leaks import LEAKY
from musicbook.chapters.results.multiverse import CHOICES

LOOKS = [
    ("#d55e00", "s"),
    ("#029e73", "^"),
    (OURS, "o"),
    ("#cc78bc", "v"),
    ("#949494", "X"),
    ("#56b4e9", "P"),
]


def waterfall(steps: pd.DataFrame, metric: str, title: str, paper: float | None = None) -> Figure:
    """A headline score as channels are taken away: `steps` has step, mean, low, high, leaky and
    maybe chance.

    The bar's end is the mean, the whisker its interval, the grey tick the chance level, the diamond
    the paper's value."""
    figure, axis = plt.subplots(figsize=(WIDTH, 1.2 + 0.5 * len(steps)))
    y = np.arange(len(steps))
    colours = [OURS if not leaky else "#d55e00" for leaky in steps.leaky]
    bars = axis.barh(y, steps["mean"], color=colours, alpha=0.85, height=0.6)
    for bar, leaky in zip(bars, steps.leaky, strict=True):
        bar.set_hatch("///" if leaky else None)
    whisker = np.abs(np.vstack([steps["mean"] - steps.low, steps.high - steps["mean"]]))
    axis.errorbar(steps["mean"], y, xerr=whisker, fmt="none", ecolor="#333333", capsize=3, lw=1.2)
    for i, row in enumerate(steps.itertuples()):
        right = max(row.high, row.mean, paper + 0.02 if paper is not None and i == 0 else 0)
        axis.text(right + 0.015, i, f"{row.mean:.3f}", va="center", fontsize=9)
    if "chance" in steps:
        axis.plot(steps.chance, y, ls="", marker="|", ms=22, mew=2, color="#555555")
    if paper is not None:
        axis.scatter([paper], [0], marker="D", s=50, color=PAPER, edgecolor="black", zorder=6)
    names = [
        f"{step} (LEAKY)" if leaky else step
        for step, leaky in zip(steps.step, steps.leaky, strict=True)
    ]
    axis.set_yticks(y, [textwrap.fill(name, 26) for name in names], fontsize=9.5)
    axis.invert_yaxis()
    edge = max(1.0 if metric != "silhouette" else 0.7, float(steps.high.max()) + 0.1)
    axis.set(xlabel=label_of(metric), title=title, xlim=(0, edge))
    axis.grid(axis="y", visible=False)
    return _close(figure)


def verdict_bars(table: pd.DataFrame) -> Figure:
    """How many of the paper's values come back under each protocol (`verdicts.count_shares`):
    a bar a protocol, a colour a verdict, hatched where the genre is in the input or beside it."""
    names = {
        "reproduced": "match closely",
        "near, though outside our spread": "match roughly",
        "within a wide spread": "match roughly",
        "not reproduced": "do not match",
        "not defined": "do not match",
        "other data": "other data",
    }
    colours = {"match closely": "#029e73", "match roughly": "#cc78bc", "do not match": "#949494"}
    table = table.assign(words=table.verdict.map(names))
    counts = table.groupby(["protocol", "words", "clean"], sort=False).n.sum()
    protocols = list(dict.fromkeys(table.protocol))
    figure, axis = plt.subplots(figsize=(WIDTH, 1.4 + 0.5 * len(protocols)))
    for y, protocol in enumerate(protocols):
        left = 0
        for words, colour in colours.items():
            for clean in (True, False):
                n = counts.get((protocol, words, clean), 0)
                hatch = "" if clean else "///"
                axis.barh(y, n, left=left, color=colour, hatch=hatch, edgecolor="white")
                left += n
    axis.set_yticks(range(len(protocols)), protocols)
    axis.invert_yaxis()
    axis.set(xlabel="values of the paper's three tables")
    axis.grid(axis="y", visible=False)
    marks = [plt.Rectangle((0, 0), 1, 1, color=c, label=words) for words, c in colours.items()]
    label = "genre in the input or beside it"
    marks.append(plt.Rectangle((0, 0), 1, 1, fc="white", ec="black", hatch="///", label=label))
    figure.legend(handles=marks, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    plt.close(figure)
    return figure


def dots(values: pd.DataFrame) -> Figure:
    """Every value of the paper (upright strokes), and the means under each protocol with the range
    where one further run would fall; one panel a score; a protocol whose input leaks the genre has
    open marks (`verdicts.values`)."""
    rows = list(dict.fromkeys(zip(values.phase, values.method)))
    panels = [name for name in METRICS if name in set(values.metric)]
    protocols = list(dict.fromkeys(values.protocol))
    figure, axes = plt.subplots(
        -(-len(panels) // 2), 2, figsize=(WIDTH, 3.4 * -(-len(panels) // 2)), sharey=True
    )
    for axis, metric in zip(axes.flat, panels, strict=False):
        part = values[values.metric == metric]
        for i, protocol in enumerate(protocols):
            colour, marker = LOOKS[i % len(LOOKS)]
            for row in part[part.protocol == protocol].itertuples():
                y = rows.index((row.phase, row.method)) + 0.22 * (i - (len(protocols) - 1) / 2)
                axis.plot([row.low, row.high], [y, y], color=colour, lw=1.4)
                axis.plot(
                    row.mean,
                    y,
                    marker,
                    ms=4.5,
                    color=colour,
                    mfc="white" if "LEAKY" in row.marked else colour,
                )
        paper = part.drop_duplicates(["phase", "method"])
        places = [rows.index(key) for key in zip(paper.phase, paper.method)]
        axis.plot(paper.paper, places, "|", ms=15, mew=2.2, color=PAPER)
        axis.set_title(label_of(metric), fontsize=10)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_visible(False)
    for axis in axes[:, 0]:
        axis.set_yticks(
            range(len(rows)), [f"{phase}  {method}" for phase, method in rows], fontsize=8
        )
    axes.flat[0].invert_yaxis()
    marks = [plt.Line2D([], [], ls="", marker="|", ms=12, mew=2.2, color=PAPER, label="paper")]
    marks += [
        plt.Line2D([], [], color=c, marker=m, ms=5, label=name)
        for name, (c, m) in zip(protocols, LOOKS)
    ]
    marks.append(
        plt.Line2D([], [], ls="", marker="o", color="black", mfc="white", label="LEAKY input")
    )
    figure.legend(handles=marks, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    plt.close(figure)
    return figure


def doses(table: pd.DataFrame) -> Figure:
    """How loud a leak is, and K-Means' agreement with genre, by the share of tracks that it reaches
    (`attribution.by_dose`); full marks are called LEAKY, the dotted line is where that begins."""
    figure, axes = plt.subplots(1, 2, figsize=(WIDTH, 3.6))
    for (kind, part), (colour, marker) in zip(table.groupby("kind", sort=False), LOOKS):
        for axis, name in zip(axes, ("share", "nmi")):
            axis.plot(part.dose, part[name], color=colour, lw=1.2, label=kind)
            axis.scatter(
                part.dose,
                part[name],
                marker=marker,
                s=26,
                edgecolor=colour,
                zorder=3,
                facecolor=[colour if leaky else "white" for leaky in part.leaky],
            )
    axes[0].axhline(LEAKY, color="#555555", ls=":", lw=1)
    axes[0].set(title="what the guard measures", ylabel="effect", ylim=(-0.03, 1.03))
    axes[1].set(title="what K-Means gets", ylabel="NMI", ylim=(0, 1.03))
    for axis in axes:
        axis.set_xlabel("share of tracks")
    figure.legend(
        *axes[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=9,
    )
    plt.close(figure)
    return figure


def _heat_map(table: pd.DataFrame, height: float, digits: str) -> tuple[Figure, Axes]:
    """Values from 0 to 1 as a picture of `height` inches, each printed in its cell."""
    figure, axis = plt.subplots(figsize=(WIDTH, height))
    sns.heatmap(
        table.astype(float),
        annot=True,
        fmt=digits,
        cmap="Blues",
        vmin=0,
        vmax=1,
        cbar=False,
        ax=axis,
        linewidths=0.3,
        annot_kws={"size": 8},
    )
    axis.set(xlabel="", ylabel="")
    axis.set_yticks(np.arange(len(table)) + 0.5, table.index, fontsize=8.5)
    return figure, axis


def input_map(table: pd.DataFrame) -> Figure:
    """NMI of methods (rows) on inputs (columns), 0 to 1, blank where it was not run
    (`verdicts.input_table`)."""
    figure, axis = _heat_map(table, 2.0 + 0.32 * len(table), ".2f")
    axis.set_xticks(
        np.arange(table.shape[1]) + 0.5, table.columns, rotation=60, ha="right", fontsize=8.5
    )
    axis.grid(False)
    plt.close(figure)
    return figure


def stability_dots(table: pd.DataFrame) -> Figure:
    """Agreement of two seeds' partitions with each other (circles) beside their agreement with
    genre (crosses), both by ARI, most stable method first. `table`: rows of one protocol and phase
    or more of `verdicts.stability`."""
    table = table.sort_values("stability", ascending=False)
    y = np.arange(len(table))
    names = [f"{row.phase}  {tables.shown_name(row.method)}" for row in table.itertuples()]
    figure, axis = plt.subplots(figsize=(WIDTH, 1.4 + 0.25 * len(table)))
    axis.hlines(y, table.ari, table.stability, color="#bbbbbb", lw=1)
    axis.plot(table.stability, y, "o", color=OURS, label="with another seed of itself")
    axis.plot(table.ari, y, "X", color="#d55e00", label="with genre")
    axis.set_yticks(y, names, fontsize=8.5)
    axis.invert_yaxis()
    axis.set(xlabel="adjusted Rand index", xlim=(min(-0.02, table.ari.min() - 0.02), 1.02))
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    plt.close(figure)
    return figure


def universe(table: pd.DataFrame, metric: str = "ami") -> Figure:
    """The scores of all pipelines, by each value of each choice (`multiverse`): boxes over all that
    share it."""
    if table.empty:
        figure = plt.figure(figsize=(WIDTH, 0.8))
        figure.text(
            0, 0.5, "These pipelines have not been run: `make results ONLY=multiverse` does."
        )
        plt.close(figure)
        return figure
    values = [(choice, value) for choice in CHOICES for value in dict.fromkeys(table[choice])]
    parts = [table.loc[table[choice] == value, metric] for choice, value in values]
    colours = COLOURS[: len(CHOICES)]
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8 + 0.25 * len(values)))
    boxes = axis.boxplot(
        parts,
        orientation="horizontal",
        whis=(0, 100),
        widths=0.6,
        patch_artist=True,
        medianprops={"color": "black"},
    )
    for box, (choice, _) in zip(boxes["boxes"], values, strict=True):
        box.set_facecolor(colours[CHOICES.index(choice)])
    axis.set_yticks(
        range(1, len(values) + 1), [f"{choice}: {value}" for choice, value in values], fontsize=8.5
    )
    axis.invert_yaxis()
    axis.set(xlabel=f"{label_of(metric)} with genre")
    plt.close(figure)
    return figure
