"""Maps to explore by hand: linked latent maps with search, classes to switch and nearest neighbours; DBSCAN's eps and
a VAE's beta on sliders (page "Explore", and the page of a collection).

`explorer.js` beside this module draws them with plotly, in the browser. The site carries one copy of both, so a figure
brings only its data; elsewhere it brings the script and asks for plotly. Without JavaScript a static picture stands in.
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from IPython.display import HTML
from matplotlib.figure import Figure

from .. import metrics
from ..plots import NOISE, genre_palette, latent_map

CODE = [Path(__file__).with_name(f"explorer.{ending}") for ending in ("css", "js")]
CLUSTER_COLOURS = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#777777", "#332288",
]  # fmt: skip  # Tol 2021, bright and muted
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "x")  # ten colours each: sixty classes told apart
IN_THE_BOOK = "BOOK_BUILD"  # set where the build runs a page, and has plotly and the script for the whole site


def show(name: str, data: dict[str, Any], fallback: Figure, title: str) -> HTML:
    """An explorer with the element id `name` for `explorer.js` to draw from `data`, with the matplotlib figure
    `fallback`, described by `title`, for readers without JavaScript. Equal data give equal bytes."""
    picture = io.BytesIO()
    fallback.savefig(picture, format="webp", dpi=72)
    code = base64.b64encode(picture.getvalue()).decode()
    text = json.dumps({"name": name} | data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    attribute, brought = "", ""
    if not os.environ.get(IN_THE_BOOK):
        from plotly.offline import get_plotlyjs_version

        attribute = f' data-plotly="https://cdn.plot.ly/plotly-{get_plotlyjs_version()}.min.js"'
        style, script = (path.read_text() for path in CODE)
        brought = f"<style>{style}</style><script>{script}</script>"
    return HTML(
        f'<div class="explorer" id="{name}" role="group" aria-label="{html.escape(title)}"{attribute}>'
        f'<script type="application/json">{text}</script><noscript><img alt="{html.escape(title)}" '
        f'src="data:image/webp;base64,{code}"></noscript></div>{brought}'
    )


def _kind(name: str, labels: np.ndarray) -> dict[str, Any]:
    """One way to colour the points: `classes` (name, colour, symbol) and each point's class. Integers are clusters, -1
    is noise."""
    labels = np.asarray(labels)
    if labels.dtype.kind == "i":
        return {"name": name, "classes": _clusters(int(labels.max(initial=-1)) + 1), "values": (labels + 1).tolist()}
    palette = genre_palette(labels)
    classes = [(str(label), colour, SYMBOLS[i // 10 % len(SYMBOLS)])
               for i, (label, colour) in enumerate(palette.items())]  # fmt: skip
    return {"name": name, "classes": classes, "values": [list(palette).index(label) for label in labels.tolist()]}


def _clusters(k: int) -> list[tuple[str, str, str]]:
    looks = [(str(c), CLUSTER_COLOURS[c % 10], SYMBOLS[c // 10 % len(SYMBOLS)]) for c in range(k)]
    return [("noise", NOISE, "circle"), *looks]


def _map(title: str, points: np.ndarray, neighbours: np.ndarray | None = None) -> dict[str, Any]:
    x, y = np.asarray(points, float).round(2).T.tolist()
    return {"title": title, "x": x, "y": y} | ({} if neighbours is None else {"near": neighbours.tolist()})


def latent_explorer(
    maps: Mapping[str, tuple[np.ndarray, np.ndarray | None]], ids: np.ndarray, kinds: Mapping[str, np.ndarray],
    name: str, sounds: Sequence[str | None] | None = None,
) -> HTML:  # fmt: skip
    """Maps of the same tracks side by side, linked: what is chosen, found or switched off in one is so in all.

    `maps` {title: (points (n, 2), neighbours (n, k) or None)}, say those of `clustering.nearest` in the latent
    space; `kinds` {name: labels (n,)} are the ways to colour, words or clusters (int, -1 noise); `ids` (n,);
    `sounds` (n,) addresses of what a chosen track sounds like.
    """
    data: dict[str, Any] = {
        "ids": [str(track) for track in ids],
        "maps": [_map(title, *found) for title, found in maps.items()],
        "colours": [_kind(title, labels) for title, labels in kinds.items()],
    }
    if sounds is not None:
        data["sounds"] = list(sounds)
    words = next((labels for labels in kinds.values() if np.asarray(labels).dtype.kind != "i"), None)
    clusters = next((np.asarray(labels) for labels in kinds.values() if np.asarray(labels).dtype.kind == "i"), None)
    points, _ = next(iter(maps.values()))
    picture = latent_map(points, np.zeros(len(ids), int) if clusters is None else clusters, words)
    return show(name, data, picture, f"{len(ids)} tracks on {' and '.join(maps)}")


def _stepped(
    points: np.ndarray, ids: np.ndarray, genres: np.ndarray | None, steps: dict[str, Any], labels: np.ndarray,
    title: str, name: str, neighbours: np.ndarray | None = None,
) -> HTML:  # fmt: skip
    clusters: dict[str, Any] = {"name": "cluster", "classes": _clusters(int(labels.max(initial=-1)) + 1),
                                "values": [], "stepped": True}  # fmt: skip
    colours = [clusters] if genres is None else [clusters, _kind("genre", genres)]
    steps["labels"] = (labels.astype(int) + 1).tolist()
    data = {
        "ids": [str(track) for track in ids],
        "maps": [_map(title, points, neighbours)],
        "colours": colours,
        "steps": steps,
    }
    return show(name, data, latent_map(points, labels[steps["start"]], genres), steps["titles"][steps["start"]])


def eps_explorer(
    points: np.ndarray, eps: np.ndarray, labels: np.ndarray, ids: np.ndarray, genres: np.ndarray | None, start: int,
    title: str, name: str, neighbours: np.ndarray | None = None,
) -> HTML:  # fmt: skip
    """DBSCAN on a slider: for each eps (m,) its labels (m, n) colour the map `points` (n, 2), whose rows have
    `neighbours` (n, k).

    The line above says clusters, noise share and NMI (noise left out); `start` is the position it opens at."""
    titles = []
    for value, found in zip(eps, labels, strict=True):
        kept = found != -1
        k = len(np.unique(found[kept]))
        score = "" if genres is None or k == 0 else f", NMI {metrics.external(genres[kept], found[kept])['nmi']:.3f}"
        titles.append(f"{title}, eps {value:.2f}: k = {k}, noise {1 - kept.mean():.0%}{score}")
    steps = {"name": "eps", "values": [f"{value:.2f}" for value in eps], "titles": titles, "start": start}
    return _stepped(points, ids, genres, steps, np.asarray(labels), title, name, neighbours)


def beta_explorer(
    beta: np.ndarray, maps: np.ndarray, labels: np.ndarray, scores: Mapping[str, np.ndarray], ids: np.ndarray,
    genres: np.ndarray | None, start: int, title: str, name: str,
) -> HTML:  # fmt: skip
    """A VAE's beta (m,) on a slider, or played, that moves the points of `maps` (m, n, 2), coloured by the clusters
    `labels` (m, n) of that beta or by genre.

    `scores` {name: (m,)} are said above the map, whole numbers before their name; it opens at position `start`."""
    titles = []
    for at, value in enumerate(beta):
        found = {key: column[at] for key, column in scores.items()}
        said = [f"{v} {k}" if isinstance(v, np.integer) else f"{k} {v:.2f}" for k, v in found.items()]
        titles.append(f"{title}, β = {value:g}: {', '.join(said)}")
    edge = float(np.abs(maps.astype(float)).max()) * 1.05  # the same window for every beta
    steps = {"name": "β", "values": [f"{value:g}" for value in beta], "titles": titles, "start": start,
             "maps": [points.astype(float).round(1).T.tolist() for points in maps], "range": [-edge, edge]}  # fmt: skip
    return _stepped(maps[start].astype(float), ids, genres, steps, np.asarray(labels), title, name)


def nearest_to(candidates: np.ndarray, labels: np.ndarray) -> int:
    """Position of the labelling in `candidates` (m, n) closest to `labels` (n,), by ARI with noise as a cluster."""
    return int(np.argmax([metrics.external(labels, one)["ari"] for one in candidates]))
