"""Figures of the page "How to cluster music well": the decision chart, the differences behind it,
the criteria."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.plots import COLOURS, MARKERS, OURS, WIDTH
from musicbook.chapters.cluster_well.ranking import CRITERIA
from musicbook.chapters.cluster_well.study import NAMES

BOX = {"boxstyle": "round,pad=0.45", "facecolor": "white", "edgecolor": "#444444"}
CHOICE = BOX | {"facecolor": "#dcebf7", "edgecolor": OURS}


def decision_chart(table: pd.DataFrame) -> Figure:
    """What to do with which data; `table` (`study.differences`) gives what each step gains."""
    figure, axis = plt.subplots(figsize=(WIDTH, 3.8))
    axis.set(xlim=(0, 10), ylim=(0, 12.4))
    axis.axis("off")
    table_x, audio_x = 2.1, 7.4
    _box(axis, 4.7, 11.8, "What do you have?", BOX)
    _box(axis, table_x, 10.1, "a table of features", BOX)
    _box(axis, audio_x, 10.1, "audio files", BOX)
    _arrow(axis, (4.3, 11.3), (table_x, 10.7))
    _arrow(axis, (5.1, 11.3), (audio_x, 10.7))
    clusterer = "UMAP to 8 dimensions,\nK-Means"
    _box(axis, table_x, 5.6, f"z-score each column,\n{clusterer}", CHOICE)
    _box(axis, audio_x, 5.6, f"musicnn's 200 numbers,\nrows of length 1,\n{clusterer}", CHOICE)
    _arrow(axis, (table_x, 9.5), (table_x, 6.8))
    _arrow(axis, (audio_x, 9.5), (audio_x, 7.1))
    alone = [("recommended", "gtzan"), ("table", "gtzan-mini"), ("table", "paired")]
    _note(axis, table_x, 8.2, _notes(table, alone))
    heard = [("recommended", "gtzan-mini"), ("recommended", "paired")]
    _note(axis, audio_x, 8.3, _notes(table, heard))
    again = "repeat it on random parts\nof the tracks: keep the\ngroups that return"
    number = "how many groups?\nmost groups that return\nsurely × share of tracks"
    _box(axis, table_x, 1.5, again, CHOICE)
    _box(axis, audio_x, 1.5, number, CHOICE)
    _arrow(axis, (table_x, 4.4), (table_x, 2.8))
    _arrow(axis, (audio_x - 1.2, 4.1), (table_x + 1.4, 2.8))
    _arrow(axis, (table_x + 2.5, 1.5), (audio_x - 2.25, 1.5))
    plt.close(figure)
    return figure


def _box(axis, x: float, y: float, text: str, style: dict) -> None:
    axis.text(x, y, text, ha="center", va="center", fontsize=10, bbox=style)


def _arrow(axis, start: tuple[float, float], end: tuple[float, float]) -> None:
    axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#444444", "lw": 1.2})


def _note(axis, x: float, y: float, text: str) -> None:
    style = {"facecolor": "white", "edgecolor": "none", "pad": 1}
    axis.text(x, y, text, ha="center", va="center", fontsize=8.5, color="#333333", bbox=style)


def _notes(table: pd.DataFrame, arrows: list[tuple[str, str]]) -> str:
    """The measured differences of an arrow, a line a data set."""
    lines = [gain_text(table, name, data) for name, data in arrows]
    return "\n".join(["gain in NMI over the VAE:", *[line for line in lines if line]])


def gain_text(table: pd.DataFrame, name: str, data: str) -> str:
    """A measured difference as the chart writes it; "" where it is not stored."""
    rows = table[(table["name"] == name) & (table["data"] == data)]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    short = {"gtzan": "GTZAN", "gtzan-mini": "gtzan-mini", "paired": "MSD songs"}[data]
    return f"{short} {row['difference']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"


def difference_plot(table: pd.DataFrame) -> Figure:
    """Every arrow as a dot with its 95 % interval, its question above it, data sets in colours."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.52 * len(table) + 1.0))
    colours = dict(zip(NAMES, COLOURS))
    for data, part in table.groupby("data", sort=False):
        y = part.index.to_numpy()
        axis.hlines(y, part["low"], part["high"], color=colours[data], lw=1.5)
        marker = MARKERS[list(NAMES).index(data)]
        axis.plot(part["difference"], y, marker, color=colours[data], ms=6, label=NAMES[data])
    for place, question in enumerate(table["question"]):
        beside = axis.get_yaxis_transform()
        axis.text(0.01, place - 0.28, question, transform=beside, fontsize=9, va="bottom")
    axis.axvline(0, color="#555555", lw=0.9)
    axis.set_yticks([])
    axis.set_ylim(len(table) - 0.4, -0.9)
    axis.set(xlabel="difference in NMI with genre")
    _legend(axis)
    plt.close(figure)
    return figure


def _legend(axis) -> None:
    """The names of the data sets below the figure."""
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.14)}
    axis.legend(**place, ncols=1, frameon=False, fontsize=9)


def criterion_plot(table: pd.DataFrame) -> Figure:
    """Rank correlation of each criterion with AMI (`study.criteria_tables`), pipelines with as many
    clusters as genres: a dot a data set, with its 95 % interval."""
    rows = table[table["correlation"].notna()]
    figure, axis = plt.subplots(figsize=(WIDTH, 0.48 * len(CRITERIA) + 1.0))
    colours = dict(zip(NAMES, COLOURS))
    order = list(CRITERIA)
    for place, (data, part) in enumerate(rows.groupby("data", sort=False)):
        y = np.array([order.index(name) for name in part["criterion"]]) + 0.22 * (place - 1)
        low, high = part["correlation_low"], part["correlation_high"]
        axis.hlines(y, low, high, color=colours[data], lw=1.5)
        marker = MARKERS[list(NAMES).index(data)]
        axis.plot(part["correlation"], y, marker, color=colours[data], ms=6, label=NAMES[data])
    axis.axvline(0, color="#555555", lw=0.9)
    axis.set_yticks(range(len(order)), [CRITERIA[name][0] for name in order])
    axis.invert_yaxis()
    axis.set(xlabel="rank correlation with AMI", xlim=(-1, 1))
    _legend(axis)
    plt.close(figure)
    return figure
