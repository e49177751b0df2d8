"""The opening page's figure: agreement with genre by input, with the label's traces and without, from published runs.

What K-Means finds in the input itself is the ceiling of what a model can be praised for.
"""

import hashlib
import io
from pathlib import Path

import matplotlib

from helpers import cache, plots, tables
from helpers.published import leakage, store
from tools.run_notebooks import surroundings

FILES = ("finding.svg", "card.png")  # for the page, and for links to the book


def make(root: Path) -> dict[str, bytes]:
    """The FILES, drawn anew when code or data have changed."""
    key = hashlib.sha256(f"{surroundings(root, None)}{Path(__file__).read_text()}".encode()).hexdigest()[:16]
    kept = [root / "_build" / "runs" / f"{key}-{name}" for name in FILES]
    if not all(path.exists() for path in kept):
        for path, content in zip(kept, _draw()):
            cache.write_atomically(path, lambda place, content=content: place.write_bytes(content))
    return {name: path.read_bytes() for name, path in zip(FILES, kept)}


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
