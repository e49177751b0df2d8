"""The author's own basic network beside the paper's Table 1: the strongest link to the paper.

`author` measures the author's checkpoints once and writes data/author_facts.csv; this module shows
what it found. Pages "Audio baseline" and "Results"."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers import metrics, tables
from musicbook.chapters.leakage.attribution import author_facts
from musicbook.chapters.leakage.values import author_values
from musicbook.named_values import quote

METHOD = "VAE + K-Means"  # the row of Table 1 that is held against the basic network
SCORES = ("silhouette", "calinski_harabasz", "ari", "nmi")
OURS = "The author's network, clustered by us"


def _paper_row() -> pd.Series:
    """The scores of METHOD in the paper's Table 1, by metric."""
    paper = tables.paper_tables()
    return paper[(paper.phase == 1) & (paper.method == METHOD)].set_index("metric").value


def basic_checkpoint() -> pd.DataFrame:
    """Table 1's row of the VAE beside what the author's published basic network gives: one row a
    score, columns "Paper, Table 1" and OURS."""
    row, measured = _paper_row(), author_facts().value
    rows = {}
    for metric in SCORES:
        ours = measured[f"basic_{metric}"]
        cells = {"Paper, Table 1": row[metric], OURS: ours}
        rows[metrics.label_of(metric)] = {
            name: tables.score_cell(value, float("nan"), metric) for name, value in cells.items()
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def checkpoint_sentence() -> str:
    """What the author's basic network gives, beside the paper's numbers."""
    facts, row = author_facts(), _paper_row()
    ours = quote(author_values(), "author_basic_nmi")
    gaps = [abs(facts.value[f"basic_{metric}"] - row[metric]) for metric in ("silhouette", "ari")]
    return (
        "The author published a trained VAE. We gave this network features of GTZAN that others "
        f"had computed and published ({facts.input['basic_nmi']}), and clustered its codes as the "
        f"author's program does. The NMI is {ours}. In Table 1, the paper prints {row['nmi']:.3f} "
        "for its VAE. Our silhouette and our ARI differ from the paper's by less than "
        f"{np.floor(max(gaps) * 1000 + 1) / 1000:.3f}. So the VAE's row of Table 1 comes from this "
        "network."
    )
