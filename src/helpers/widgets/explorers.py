"""Figures to explore by hand: latent maps with hover and colours to choose, DBSCAN's eps and a VAE's beta on sliders
(page "Explore").

plotly draws them in the browser. The site carries one copy of plotly.js, so a figure brings only its data; in Colab,
where there is no site, it asks for the library. Where JavaScript is off, a static picture stands in its place."""

from __future__ import annotations

import base64
import html
import io
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import plotly.graph_objects as go
from IPython.display import HTML
from sklearn.neighbors import NearestNeighbors

from .. import metrics
from ..plots import NOISE, genre_palette, latent_map

WEBGL_ABOVE = 3_000  # points; below it SVG is sharper and prints
CLUSTER_COLOURS = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#ee8866", "#44bb99", "#777777", "#332288",
]  # fmt: skip  # Tol 2021, bright and muted

BUTTONS = {"type": "buttons", "direction": "right", "x": 0, "y": 1.01, "xanchor": "left", "yanchor": "bottom"}


def show(figure: go.Figure, name: str, fallback, genres: np.ndarray | None = None) -> HTML:
    """`figure` as HTML with the element id `name` (stable, so that equal builds give equal bytes), the matplotlib
    figure `fallback` for readers without JavaScript, and below it the colours of `genres` (n,), if given."""
    picture = io.BytesIO()
    fallback.savefig(picture, format="webp", dpi=72)
    code = base64.b64encode(picture.getvalue()).decode()
    said = html.escape((figure.layout.title.text or name).replace("<br>", ": "))
    library = "cdn" if os.environ.get("COLAB_RELEASE_TAG") else False
    body = figure.to_html(full_html=False, include_plotlyjs=library, include_mathjax=False, div_id=name,
                          config={"responsive": True, "displaylogo": False})  # fmt: skip
    return HTML(f'{body}<noscript><img alt="{said}" src="data:image/webp;base64,{code}"></noscript>{_legend(genres)}')


def _legend(genres: np.ndarray | None) -> str:
    """A line of text, since it wraps on a phone as plotly's own legend does not."""
    if genres is None:
        return ""
    dot = "display:inline-block;width:0.7em;height:0.7em;border-radius:50%;margin-right:0.3em;background:"
    names = [
        f'<span style="white-space:nowrap"><i style="{dot}{colour}"></i>{html.escape(str(genre))}</span>'
        for genre, colour in genre_palette(genres).items()
    ]
    return f'<p class="genres">Colours by genre: {" &ensp;".join(names)}</p>'


def _neighbours(points: np.ndarray, ids: np.ndarray, k: int = 3) -> list[str]:
    near = NearestNeighbors(n_neighbors=min(k + 1, len(points))).fit(points).kneighbors(return_distance=False)
    return [html.escape(", ".join(ids[row[row != i][:k]])) for i, row in enumerate(near)]


def _hover(ids: np.ndarray, genres: np.ndarray | None) -> list[str]:
    shown = genres if genres is not None else [""] * len(ids)
    return [f"{html.escape(str(i))}<br>genre {html.escape(str(g))}" for i, g in zip(ids, shown, strict=True)]


def _colour_numbers(labels: np.ndarray) -> list[float]:
    """Places on the scale of noise and clusters, shorter to write than colours: 0.5 noise, then each cluster."""
    return [0.5 if label == -1 else 1.5 + label % len(CLUSTER_COLOURS) for label in labels.tolist()]


def _genre_colours(genres: np.ndarray) -> tuple[list[float], list[str]]:
    palette = genre_palette(genres)
    return [list(palette).index(genre) + 0.5 for genre in genres], list(palette.values())


def _scale(palette: list[str]) -> dict:
    """The marker settings that give the number i + 0.5 the colour i of `palette`."""
    steps = [(edge / len(palette), colour) for i, colour in enumerate(palette) for edge in (i, i + 1)]
    return {"colorscale": steps, "cmin": 0, "cmax": len(palette)}


def _layout(figure: go.Figure, title: str, **more) -> go.Figure:
    bare = {"showticklabels": False, "showgrid": False, "zeroline": False}
    more |= {"xaxis": bare | {"title": "t-SNE 1"}, "yaxis": bare | {"title": "t-SNE 2"}, "showlegend": False}
    margin = {"l": 30, "r": 10, "t": 125, "b": 40}  # two lines of title, and the buttons below them
    heading = {"text": title, "font": {"size": 15}, "y": 0.915, "yanchor": "top"}  # below plotly's own buttons
    return figure.update_layout(title=heading, template="plotly_white", height=560, margin=margin, **more)


def _points(points: np.ndarray, text: list[str], colours: list) -> go.Scatter | go.Scattergl:
    kind = go.Scattergl if len(points) > WEBGL_ABOVE else go.Scatter
    return kind(
        x=points[:, 0].astype(np.float32),  # half the bytes, and more digits than a screen has pixels
        y=points[:, 1].astype(np.float32),
        mode="markers",
        text=text,
        hoverinfo="text",
        marker={"size": 6, "color": colours, "opacity": 0.85},
    )


def latent_explorer(
    points: np.ndarray, labels: np.ndarray, ids: np.ndarray, genres: np.ndarray | None, title: str, name: str
) -> HTML:
    """The map `points` (n, 2) with buttons that colour it by genre, by cluster, or by noise; hovering shows track,
    genre, cluster and the nearest neighbours on the map. labels, ids, genres (n,)."""
    near = _neighbours(points, ids)
    shown = genres if genres is not None else np.full(len(ids), "–")
    text = [
        f"{html.escape(str(i))}<br>genre {html.escape(str(g))}<br>cluster {'noise' if c == -1 else c}<br>near {n}"
        for i, g, c, n in zip(ids, shown, labels, near, strict=True)
    ]
    choices = {
        "cluster": (_colour_numbers(labels), [NOISE, *CLUSTER_COLOURS]),
        "noise": ([0.5 if c == -1 else 1.5 for c in labels], [NOISE, CLUSTER_COLOURS[0]]),
    }
    if genres is not None:
        choices = {"genre": _genre_colours(genres)} | choices
    if not (labels == -1).any():
        del choices["noise"]
    colours, palette = next(iter(choices.values()))
    figure = go.Figure(_points(points, text, colours).update(marker=_scale(palette)))
    buttons = []
    for what, (colours, palette) in choices.items():
        recolour = {f"marker.{key}": [value] for key, value in _scale(palette).items()} | {"marker.color": [colours]}
        buttons.append({"label": f"by {what}", "method": "restyle", "args": [recolour]})
    menu = BUTTONS | {"buttons": buttons}
    return show(_layout(figure, title, updatemenus=[menu]), name, latent_map(points, labels, genres), genres)


def eps_explorer(
    points: np.ndarray, eps: np.ndarray, labels: np.ndarray, ids: np.ndarray, genres: np.ndarray | None, start: int,
    title: str, name: str,
) -> HTML:  # fmt: skip
    """DBSCAN on a slider: for each eps (m,) its labels (m, n) colour the map `points` (n, 2).

    The title says clusters, noise share and NMI (noise left out); `start` is the position the slider opens at."""
    steps: list[dict[str, Any]] = []
    for value, found in zip(eps, labels, strict=True):
        kept = found != -1
        k = len(np.unique(found[kept]))
        score = "" if genres is None or k == 0 else f", NMI {metrics.external(genres[kept], found[kept])['nmi']:.3f}"
        words = f"{title}<br>eps {value:.2f}: k = {k}, noise {1 - kept.mean():.0%}{score}"
        moved = {"marker.color": [_colour_numbers(found)]}
        steps.append({"label": f"{value:.2f}", "method": "update", "args": [moved, {"title.text": words}]})
    text = _hover(ids, genres)
    figure = go.Figure(_points(points, text, _colour_numbers(labels[start])))
    figure.update_traces(marker=_scale([NOISE, *CLUSTER_COLOURS]))
    slider = {"active": start, "steps": steps, "currentvalue": {"prefix": "eps "}, "pad": {"t": 30}}
    _layout(figure, steps[start]["args"][1]["title.text"], sliders=[slider])
    return show(figure, name, latent_map(points, labels[start], genres))


def beta_explorer(
    beta: np.ndarray, maps: np.ndarray, labels: np.ndarray, scores: Mapping[str, np.ndarray], ids: np.ndarray,
    genres: np.ndarray | None, start: int, title: str, name: str,
) -> HTML:  # fmt: skip
    """A VAE's beta (m,) on a slider that moves the points of `maps` (m, n, 2); buttons colour them by genre or by the
    clusters `labels` (m, n) of that beta.

    `scores` {name: (m,)} are said in the title, whole numbers before their name; `start` is the position the slider
    opens at."""
    choices = {"cluster": (lambda at: _colour_numbers(labels[at]), [NOISE, *CLUSTER_COLOURS])}
    if genres is not None:
        codes, palette = _genre_colours(genres)
        choices = {"genre": (lambda at: codes, palette)} | choices
    figure = go.Figure()
    text = _hover(ids, genres)
    for number, (colours, palette) in enumerate(choices.values()):
        trace = _points(maps[start], text, colours(start))
        figure.add_trace(trace.update(visible=number == 0, marker=_scale(palette)))
    steps: list[dict[str, Any]] = []
    for at, value in enumerate(beta):
        found = {key: column[at] for key, column in scores.items()}
        said = [f"{v} {k}" if isinstance(v, np.integer) else f"{k} {v:.2f}" for k, v in found.items()]
        x, y = maps[at].astype(float).round(1).T.tolist()
        moved = {"x": [x], "y": [y], "marker.color": [colours(at) for colours, _ in choices.values()]}
        words = {"title.text": f"{title}<br>β = {value:g}: {', '.join(said)}"}
        steps.append({"label": f"{value:g}", "method": "update", "args": [moved, words]})
    buttons = [{"label": f"by {what}", "method": "restyle", "args": [{"visible": [other == what for other in choices]}]}
               for what in choices]  # fmt: skip
    menu = BUTTONS | {"buttons": buttons}
    slider = {"active": start, "steps": steps, "currentvalue": {"prefix": "β = "}, "pad": {"t": 30}}
    _layout(figure, steps[start]["args"][1]["title.text"], sliders=[slider], updatemenus=[menu])
    edge = float(np.abs(maps.astype(float)).max()) * 1.05  # the same window for every beta
    figure.update_xaxes(range=[-edge, edge]).update_yaxes(range=[-edge, edge])
    return show(figure, name, latent_map(maps[start].astype(float), labels[start], genres), genres)


def nearest_to(candidates: np.ndarray, labels: np.ndarray) -> int:
    """Position of the labelling in `candidates` (m, n) closest to `labels` (n,), by ARI with noise as a cluster."""
    return int(np.argmax([metrics.external(labels, one)["ari"] for one in candidates]))
