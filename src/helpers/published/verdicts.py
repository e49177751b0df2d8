"""The paper's tables beside the published runs, with verdicts and intervals. Page "Results"; no audio, no training."""

from __future__ import annotations

from functools import lru_cache

import pandas as pd

from .. import metrics, phases, tables
from ..protocols import PROTOCOLS
from .store import Published

TOLD = "reproduced, by a model that is told the genre"
@lru_cache(maxsize=8)
def compare(data: Published, phase: int) -> pd.DataFrame:
    """paper | released | written | controlled for every row of the paper's table of `phase`: mean ± sd over seeds, 95 %
    interval for the scores against genres, difference from the paper in units of our seed spread (released), verdict in
    words."""
    paper = tables.paper_tables().query("phase == @phase")
    summary = {p: tables.summarise(data.run(p, phase)).set_index(["method", "metric"]) for p in PROTOCOLS}
    rows = []
    for row in paper.itertuples():
        cells = {
            "Method": row.method,
            "Metric": tables.label_of(row.metric),
            "Paper": tables.cell(row.value, float("nan"), row.metric),
        }
        for protocol in ("released", "written", "controlled"):
            ours = summary[protocol].loc[(row.method, row.metric)]
            text = tables.cell(ours["mean"], ours.sd, row.metric)
            if row.metric in ("nmi", "ari", "purity"):
                found = data.interval(data.labels(protocol, phase, row.method), row.metric, 100)
                text += tables.interval_cell(*found)
            cells[protocol + (" (LEAKY)" if ours.leaky else "")] = text
        ours = summary["released"].loc[(row.method, row.metric)]
        cells["(Paper − released) / sd"] = f"{(row.value - ours['mean']) / ours.sd:+.1f}" if ours.sd > 0 else "–"
        cells["Verdict"] = verdict(row.value, {p: summary[p].loc[(row.method, row.metric)] for p in PROTOCOLS})
        if row.method == "CVAE" and cells["Verdict"] == "reproduced":
            cells["Verdict"] = TOLD  # no leak in its input, but the network is handed the genre beside it
        rows.append(cells)
    table = pd.DataFrame(rows).set_index(["Method", "Metric"])
    return table[["Paper", "Verdict", *[name for name in table.columns if name not in ("Paper", "Verdict")]]]


def verdict(paper: float, ours: dict[str, pd.Series]) -> str:
    """The paper's value against all three protocols: "reproduced" when a run without leakage holds it, else "reproduced
    only with leakage" when a leaky one does, else "not reproduced" (`tables.verdict`, two standard deviations)."""
    words = [tables.verdict(paper, o["mean"], o.sd, bool(o.leaky)) for o in ours.values()]
    return min(words, key=["reproduced", "reproduced only with leakage", "not reproduced", "not defined"].index)


def missed(data: Published) -> list[str]:
    """One sentence for each row of the paper's tables whose value lies outside mean ± 2 sd of the released runs."""
    found = []
    for phase, methods in METHODS.items():
        summary = tables.summarise(data.run("released", phase)).set_index(["method", "metric"])
        for method in methods:
            rows = tables.paper_tables().query(
                "phase == @phase and method == @method and metric in ['silhouette', 'nmi', 'ari']"
            )
            for row in rows.itertuples():
                ours = summary.loc[(method, row.metric)]
                if tables.verdict(row.value, ours["mean"], ours.sd, False) != "reproduced":
                    found.append(
                        f"{method} (Table {phase}), {tables.label_of(row.metric)}: paper {row.value:.3f}, "
                        f"ours {tables.cell(ours['mean'], ours.sd)}"
                    )
    return found


def differences(data: Published) -> pd.DataFrame:
    """Paired-bootstrap differences in NMI, tracks and seeds drawn anew: "VAE against PCA" per phase without leakage,
    and "with lyrics against without" and "with lyrics against shuffled" under `controlled`."""
    pca, cut = "PCA + K-Means", "VAE + K-Means (PCA, as many dims)"
    pairs = {  # name: protocol, phase, (method, variant), (method, variant)
        "VAE − PCA, phase 1": ("controlled", 1, ("VAE + K-Means", "full"), (pca, "full")),
        "VAE − PCA at as many dims, phase 1": ("controlled", 1, ("VAE + K-Means", "full"), (cut, "full")),
        "Beta-VAE − PCA, phase 3": ("controlled", 3, ("Beta-VAE", "full"), (pca, "full")),
        "Beta-VAE − PCA, phase 3, released (LEAKY)": ("released", 3, ("Beta-VAE", "full"), (pca, "full")),
    }
    for phase, method in ((2, "K-Means"), (3, "Beta-VAE")):
        for other in ("audio alone", "lyrics shuffled"):
            name = f"with lyrics − {other}, phase {phase} {method}"
            pairs[name] = ("controlled", phase, (method, "full"), (method, other))
    rows = []
    for name, (protocol, phase, *sides) in pairs.items():
        one, two = (list(data.labels(protocol, phase, *side)) for side in sides)
        point, low, high = metrics.paired_bootstrap(data.genres, one, two, n_resamples=200)
        word = "no difference can be told" if low <= 0 <= high else ("higher" if point > 0 else "lower")
        rows.append(
            {
                "Difference in NMI": name,
                "mean": f"{point:+.3f}",
                "95 % interval": f"[{low:+.3f}, {high:+.3f}]",
                "reads": word,
            }
        )
    return pd.DataFrame(rows).set_index("Difference in NMI")


def read_verdicts(data: Published) -> str:
    """A sentence that counts the verdicts of `compare` over the three tables and names the methods whose values hold
    without the genre in the input."""
    words = pd.concat([compare(data, phase)["Verdict"] for phase in METHODS])
    counts = words.value_counts()
    parts = [f"{n} {word}" for word, n in counts.items()]
    clean = sorted({f"{method}" for (method, _), word in words.items() if word == "reproduced"})
    held = (
        f" Values that hold without the genre in the input belong to: {', '.join(clean)}."
        if clean
        else " No value holds without the genre in the input."
    )
    return f"Of the {len(words)} values in the paper's three tables: {', '.join(parts)}." + held
