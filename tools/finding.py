"""The opening page's picture: the same songs on two maps of the same network, with the genre in its
input and on sound alone, from published runs; and the card for links to the book."""

import html
import io
import json
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from scipy.linalg import orthogonal_procrustes

from helpers import plots, store, tables
from musicbook import stored_runs
from musicbook.chapters.leakage import attribution, explorers
from musicbook.named_values import Value, quote
from tools.run_notebooks import surroundings

CARD = "card.png"
QUESTION = "Does the network hear the genre, or was it in the input?"
PROTOCOL = "released"  # of both maps, so that nothing but the input differs between them
MAPS = {  # file -> variant of the input, what the map shows, name of its score
    "map-with-genre.webp": (
        "full",
        "The genre is in the input",
        "gtzan_released_3_beta_vae_nmi",
    ),
    "map-without-genre.webp": (
        "audio alone",
        "The input is sound alone",
        "gtzan_released_3_audio_alone_beta_vae_nmi",
    ),
}
SCORES = [score for _, _, score in MAPS.values()]
GRID = 1000  # the maps' coordinates are whole numbers from -GRID to GRID


def make(root: Path) -> dict[str, bytes]:
    """The two maps and the card, {file name: content}, drawn anew when code or data have
    changed."""
    key = store.key(Path(__file__).read_text(), surroundings(root, None))
    kept = store.read_entry(key)
    if kept is None:
        kept = {name: np.frombuffer(content, np.uint8) for name, content in _draw().items()}
        store.write_entry(key, kept)
    return {name: kept[name].tobytes() for name in (*MAPS, CARD)}


def _coordinates(runs: stored_runs.Published) -> list[np.ndarray]:
    """Both maps (n, 2), each centred in a square of GRID, the second turned towards the first so
    that points move little between them."""
    maps = []
    for variant, *_ in MAPS.values():
        points = explorers.stored_map(runs, PROTOCOL, 3, attribution.NETWORK, variant).points
        points = points - (points.max(axis=0) + points.min(axis=0)) / 2
        maps.append(points / np.abs(points).max())
    first, second = maps
    turn, _ = orthogonal_procrustes(second, first)
    second = second @ turn
    second = second / np.abs(second).max()
    return [np.rint(GRID * points).astype(int) for points in (first, second)]


def _draw() -> dict[str, bytes]:
    matplotlib.use("Agg")
    plots.use_style()
    runs = stored_runs.Published()
    files = {}
    palette = plots.genre_palette(runs.genres)
    colours = [palette[genre] for genre in runs.genres]
    for name, points in zip(MAPS, _coordinates(runs), strict=True):
        figure = plt.figure(figsize=(4, 3.4), layout="none")
        axis = figure.add_axes((0, 0, 1, 1))
        axis.scatter(points[:, 0], points[:, 1], c=colours, s=9, lw=0, alpha=0.85)
        axis.set(xlim=(-1.05 * GRID, 1.05 * GRID), ylim=(-1.05 * GRID, 1.05 * GRID))
        axis.axis("off")
        content = io.BytesIO()
        figure.savefig(content, format="webp", dpi=150, transparent=True)
        plt.close(figure)
        files[name] = content.getvalue()
    return files | {CARD: _card(runs)}


def _card(runs: stored_runs.Published) -> bytes:
    """The picture that a link to the book shows, 1200 x 630 pixels."""
    paper = tables.paper_tables().query("method == 'Beta-VAE' and metric == 'nmi'").value.item()
    bars = attribution.scores_by_input(runs)
    figure = plots.agreement_bars(bars, "Ten groups of songs against ten genres", paper)
    figure.suptitle(QUESTION, fontsize=13, x=0.01, ha="left")
    figure.set_size_inches(8, 4.2)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=150, bbox_inches=None, metadata={"Software": None})
    return content.getvalue()


def picture(values: dict[str, Value]) -> str:
    """The picture as MyST: both maps side by side for readers without JavaScript, and the data from
    which opening.js draws one map with a switch."""
    runs = stored_runs.Published()
    palette = plots.genre_palette(runs.genres)
    genres = list(palette)
    maps, figures = [], []
    for (name, (_, title, score)), points in zip(MAPS.items(), _coordinates(runs), strict=True):
        quoted = quote(values, score)
        maps.append({"title": title, "score": quoted, "points": points.ravel().tolist()})
        figures.append(
            f'<div class="opening-map"><img src="../_static/{name}" width="600" height="510" '
            f'alt="Map of {len(runs.genres)} songs, a colour for each genre: {title.lower()}.">'
            f"<p><strong>{title}.</strong> Agreement with genre: {quoted}</p></div>"
        )
    data = {
        "maps": maps,
        "genre": [genres.index(genre) for genre in runs.genres],
        "colours": list(palette.values()),
        "grid": GRID,
    }
    legend = "".join(
        f'<li><span style="background: {colour}"></span>{html.escape(genre)}</li>'
        for genre, colour in palette.items()
    )
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False).replace("</", "<\\/")
    return (
        "```{raw} html\n"
        f'<div id="opening"><div class="opening-maps">{"".join(figures)}</div>'
        f'<ul class="opening-legend">{legend}</ul>'
        f'<script type="application/json">{text}</script></div>\n'
        "```\n"
    )
