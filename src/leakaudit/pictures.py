"""Small pictures of a report: effects as bars, values by class, distances of nearest rows."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#0173b2", "#d55e00", "#777777"
MOST_BARS, MOST_CLASSES, MOST_VALUES = 25, 8, 2000


def bars(values: dict[str, tuple[float, str]], line: float, title: str) -> Figure:
    """Horizontal bars of effects from 0 to 1, each with its colour, and a dotted line."""
    names = list(values)[:MOST_BARS]
    figure = Figure(figsize=(5.4, 1.3 + 0.3 * max(len(names), 2)), layout="constrained")
    axis = figure.subplots()
    axis.barh(
        range(len(names)),
        [values[name][0] for name in names],
        color=[values[name][1] for name in names],
    )
    short = [_label(textwrap.shorten(name, 44, placeholder="…")) for name in names]
    axis.set_yticks(range(len(names)), short, fontsize=9)
    axis.axvline(line, color="#555555", ls=":", lw=1)
    axis.invert_yaxis()
    axis.set(xlim=(0, 1.02), xlabel="effect (0: chance, 1: without error)")
    axis.set_title(_label(title), loc="left", fontsize=10)
    return figure


def by_class(values: np.ndarray, classes: np.ndarray, name: str) -> dict[str, Any]:
    """What `of_finding` draws as one row of points for each of the largest classes."""
    classes = np.asarray(classes).astype(str)
    names, counts = np.unique(classes, return_counts=True)
    kept = names[np.argsort(-counts, kind="stable")][:MOST_CLASSES]
    step = max(1, len(values) // MOST_VALUES)
    points = {str(one): np.asarray(values, float)[classes == one][::step] for one in sorted(kept)}
    return {"points": points, "name": name}


def distances(nearest: np.ndarray, limit: float) -> dict[str, Any]:
    """What `of_finding` draws as a histogram of the distances of nearest rows."""
    return {"distances": nearest, "limit": limit}


def of_finding(picture: dict[str, Any]) -> Figure:
    """The picture of one finding, from `by_class` or `distances`."""
    figure = Figure(figsize=(5.4, 2.2), layout="constrained")
    axis = figure.subplots()
    if "distances" in picture:
        values = picture["distances"][np.isfinite(picture["distances"])]
        axis.hist(values, bins=list(np.linspace(0, 2, 41)), color=BLUE)
        axis.axvline(picture["limit"], color=ORANGE, ls=":")
        axis.set(xlabel="distance to the nearest row (1: by chance)", ylabel="rows")
        return figure
    rng = np.random.default_rng(0)
    for row, values in enumerate(picture["points"].values()):
        axis.plot(values, row + rng.uniform(-0.3, 0.3, len(values)), ".", ms=3, color=BLUE)
    names = [_label(textwrap.shorten(name, 16, placeholder="…")) for name in picture["points"]]
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlabel(_label(textwrap.shorten(picture["name"], 60, placeholder="…")))
    return figure


def _label(text: str) -> str:
    """Text for a figure: dollar signs, between which matplotlib reads formulas, are themselves."""
    return text.replace("$", r"\$")
