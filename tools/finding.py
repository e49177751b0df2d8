"""The opening page's figure: agreement with genre by input, with the label's traces and without, from published runs.

What K-Means finds in the input itself is the ceiling of what a model can be praised for.
"""

import io
from pathlib import Path

import matplotlib
import numpy as np

from helpers import cache, plots, tables
from helpers.published import leakage, store
from tools.run_notebooks import surroundings

FILES = ("finding.svg", "card.png")  # for the page, and for links to the book


def make(root: Path) -> dict[str, bytes]:
    """The FILES, drawn anew when code or data have changed."""
    key = cache.key(Path(__file__).read_text(), surroundings(root, None))
    kept = cache.get([key]).get(key)
    if kept is None:
        kept = {name: np.frombuffer(content, np.uint8) for name, content in zip(FILES, _draw())}
        cache.put({key: kept})
    return {name: kept[name].tobytes() for name in FILES}


def _draw() -> tuple[bytes, bytes]:
    matplotlib.use("Agg")
    plots.use_style()
    paper = tables.paper_tables().query("method == 'Beta-VAE' and metric == 'nmi'").value.item()
    figure = plots.agreement(leakage.by_input(store.Published()), "Ten groups of songs against ten genres", paper)
    drawing, card = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "finding", "svg.fonttype": "path"}):
        figure.savefig(drawing, format="svg", bbox_inches="tight", metadata={"Date": None})
    figure.suptitle("Did it hear the genre, or was it told?", fontsize=13, x=0.01, ha="left")
    figure.set_size_inches(8, 4.2)  # 1200 x 630 pixels
    figure.savefig(card, format="png", dpi=150, bbox_inches=None, metadata={"Software": None})
    return drawing.getvalue(), card.getvalue()
