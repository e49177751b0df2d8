"""Maps to explore by hand: linked latent maps with search, classes to switch, nearest neighbours
and sound. Used by the pages "Leakage" and "Your own music".

`explorer.js` beside this module draws them with plotly, in the browser. The site carries one copy
of both, so a figure brings only its data; elsewhere it brings the script and asks for plotly.
Without JavaScript a static picture stands in."""

from __future__ import annotations

import base64
import html
import io
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure

from helpers.plots import NOISE, genre_palette, latent_map
from musicbook.stored_runs import Published, run_name

CODE = [Path(__file__).with_name(f"explorer.{ending}") for ending in ("css", "js")]
CLUSTER_COLOURS = [
    "#4477aa",
    "#ee6677",
    "#228833",
    "#ccbb44",
    "#66ccee",
    "#aa3377",
    "#ee8866",
    "#44bb99",
    "#777777",
    "#332288",
]  # Tol 2021, bright and muted
SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "triangle-up",
    "cross",
    "x",
)  # ten colours each: sixty classes told apart
# set where the build runs a page, and has plotly and the script for the whole site
IN_THE_BOOK = "BOOK_BUILD"


def show(name: str, data: dict[str, Any], fallback: Figure, title: str) -> HTML:
    """An explorer with the element id `name` for `explorer.js` to draw from `data`, with the
    matplotlib figure `fallback`, described by `title`, for readers without JavaScript. Equal data
    give equal bytes."""
    picture = io.BytesIO()
    fallback.savefig(picture, format="webp", dpi=72)
    code = base64.b64encode(picture.getvalue()).decode()
    text = json.dumps({"name": name} | data, separators=(",", ":"), ensure_ascii=False).replace(
        "</", "<\\/"
    )
    attribute, brought = "", ""
    if not os.environ.get(IN_THE_BOOK):
        from plotly.offline import get_plotlyjs_version

        attribute = f' data-plotly="https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js"'
        style, script = (path.read_text() for path in CODE)
        brought = f"<style>{style}</style><script>{script}</script>"
    return HTML(
        f'<div class="explorer" id="{name}" role="group" '
        f'aria-label="{html.escape(title)}"{attribute}>'
        f'<script type="application/json">{text}</script><noscript><img alt="{html.escape(title)}" '
        f'src="data:image/webp;base64,{code}"></noscript></div>{brought}'
    )


def _kind(name: str, labels: np.ndarray) -> dict[str, Any]:
    """One way to colour the points: `classes` (name, colour, symbol) and each point's class.
    Integers are clusters, -1 is noise."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "i":
        return {
            "name": name,
            "classes": _clusters(int(labels.max(initial=-1)) + 1),
            "values": (labels + 1).tolist(),
        }
    palette = genre_palette(labels)
    classes = [
        (str(label), colour, SYMBOLS[i // 10 % len(SYMBOLS)])
        for i, (label, colour) in enumerate(palette.items())
    ]
    return {
        "name": name,
        "classes": classes,
        "values": [list(palette).index(label) for label in labels.tolist()],
    }


def _clusters(k: int) -> list[tuple[str, str, str]]:
    looks = [(str(c), CLUSTER_COLOURS[c % 10], SYMBOLS[c // 10 % len(SYMBOLS)]) for c in range(k)]
    return [("noise", NOISE, "circle"), *looks]


def _map(title: str, points: np.ndarray, neighbours: np.ndarray | None = None) -> dict[str, Any]:
    x, y = np.asarray(points, float).round(2).T.tolist()
    return {"title": title, "x": x, "y": y} | (
        {} if neighbours is None else {"near": neighbours.tolist()}
    )


class StoredMap(NamedTuple):
    """One method's map of the first seed: points (n, 2), nearest tracks (n, k) in the latent space
    itself or None, and clusters (n,)."""

    points: np.ndarray
    neighbours: np.ndarray | None
    labels: np.ndarray

    @property
    def shown(self) -> tuple[np.ndarray, np.ndarray | None]:
        """What `latent_explorer` draws."""
        return self.points, self.neighbours


def stored_map(
    runs: Published, protocol: str, phase: int, method: str, variant: str = "full"
) -> StoredMap:
    """A method's map among the published runs; KeyError where there is none."""
    key = f"{run_name(protocol, phase, variant)}/{method}"
    maps = runs.archive("maps" if variant == "full" else "control_maps")
    neighbours = runs.archive("neighbours").get(key)
    labels = runs.labels(protocol, phase, method, variant)[0]
    return StoredMap(maps[key].astype(float), neighbours, labels)


def latent_explorer(
    maps: Mapping[str, tuple[np.ndarray, np.ndarray | None]],
    ids: np.ndarray,
    kinds: Mapping[str, np.ndarray],
    name: str,
) -> HTML:
    """Maps of the same tracks side by side, linked: what is chosen, found or switched off in one is
    so in all.

    `maps` {title: (points (n, 2), neighbours (n, k) or None)}, say those of `clustering.nearest` in
    the latent space; `kinds` {name: labels (n,)} are the ways to colour, words or clusters (int, -1
    noise); `ids` (n,)."""
    data: dict[str, Any] = {
        "ids": [str(track) for track in ids],
        "maps": [_map(title, *found) for title, found in maps.items()],
        "colours": [_kind(title, labels) for title, labels in kinds.items()],
    }
    words = next(
        (labels for labels in kinds.values() if np.asarray(labels).dtype.kind != "i"), None
    )
    clusters = next(
        (np.asarray(labels) for labels in kinds.values() if np.asarray(labels).dtype.kind == "i"),
        None,
    )
    points, _ = next(iter(maps.values()))
    picture = latent_map(points, np.zeros(len(ids), int) if clusters is None else clusters, words)
    return show(name, data, picture, f"{len(ids)} tracks on {' and '.join(maps)}")
