"""The opening page's figure and numbers: K-Means straight on the input, as the label's traces are taken out of it.

No network is trained: what the input alone gives is the ceiling of what a model can be praised for.
"""

import base64
import hashlib
import io
import json
from pathlib import Path

import matplotlib
import pandas as pd

from helpers import datasets, experiments, fusion, jobs, plots, results
from tools.run_notebooks import surroundings

# title of the bar, protocol, phase, variant of the input (helpers.fusion.VARIANTS)
STEPS = [
    ("released input: sound,\nsentences, one-hot genre", "released", 3, "full"),
    ("… without the one-hot", "released", 3, "one-hot removed"),
    ("… real lyrics for\nthe sentences", "released", 3, "real lyrics, no one-hot"),
    ("controlled: sound,\nlyrics matched by genre", "controlled", 2, "full"),
    ("… lyrics shuffled", "controlled", 2, "lyrics shuffled"),
    ("sound alone", "controlled", 2, "audio alone"),
]
METRICS = ("nmi", "ari", "nmi_chance")


def name(protocol: str, phase: int, variant: str, metric: str) -> str:
    """`live_<protocol>_<phase>_<variant>_<metric>`, all in lower case."""
    words = f"live {protocol} {phase} {variant} {metric}".lower()
    return "_".join("".join(c if c.isalnum() else " " for c in words).split())


def make(root: Path, dataset: str, seeds: int) -> tuple[dict[str, str], dict[str, bytes]]:
    """Numbers for the prose, mean ± sd over seeds, and the figure as the files finding.svg and card.png (none for music
    without genres)."""
    key = hashlib.sha256(f"{surroundings(root, dataset)}{dataset}{seeds}{Path(__file__).read_text()}".encode())
    kept = root / "_build" / "runs" / f"finding-{key.hexdigest()[:16]}.json"
    if kept.exists():
        found = json.loads(kept.read_text())
    else:
        found = _measure(dataset, seeds)
        jobs.write_atomically(kept, lambda path: path.write_text(json.dumps(found)))
    return found["numbers"], {file: base64.b64decode(text) for file, text in found["files"].items()}


def _measure(dataset: str, seeds: int) -> dict:
    tracks = datasets.load(dataset)
    blank = {name(protocol, phase, variant, m): "–" for _, protocol, phase, variant in STEPS for m in METRICS}
    if tracks.genres is None:
        return {"numbers": blank, "files": {}}
    numbers, bars = dict(blank), []
    for title, protocol, phase, variant in STEPS:
        try:
            if "lyrics" in title and "text" not in fusion.inputs(tracks, protocol, phase, guard=False).blocks:
                continue
            scores, _ = experiments.controls(tracks, protocol, phase, seeds, [variant])
        except ValueError:  # music of other genres has no sentences and no lyrics
            continue
        for row in results.summarise(scores).itertuples():
            if row.metric in METRICS:
                numbers[name(protocol, phase, variant, row.metric)] = results.cell(row.mean, row.sd, row.metric)
        nmi = scores[scores.metric == "nmi"].value
        chance = scores[scores.metric == "nmi_chance"].value.mean()
        bars.append((title, nmi.mean(), nmi.min(), nmi.max(), bool(scores.leaky.any()), chance))
    steps = pd.DataFrame(bars, columns=["step", "mean", "low", "high", "leaky", "chance"])
    files = _draw(steps) if len(steps) else {}
    return {"numbers": numbers, "files": {file: base64.b64encode(raw).decode() for file, raw in files.items()}}


def _draw(steps: pd.DataFrame) -> dict[str, bytes]:
    matplotlib.use("Agg")
    plots.use_style()
    figure = plots.waterfall(steps, "nmi", "Agreement with genre, as the label leaves the input")
    drawing, card = io.BytesIO(), io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "finding", "svg.fonttype": "path"}):
        figure.savefig(drawing, format="svg", bbox_inches="tight", metadata={"Date": None})
    figure.set_size_inches(8, 4.2)
    figure.savefig(card, format="png", dpi=150, bbox_inches=None, metadata={"Software": None})  # 1200 x 630 pixels
    return {"finding.svg": drawing.getvalue(), "card.png": card.getvalue()}
