"""What 53 projects with one assignment did: counts, a figure, sentences. Page "Audit".

`data/survey/README.md` says how the projects were read and what the columns mean.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from helpers.tracks import data_dir

MECHANISMS = {
    "condition": "the model is given the label",
    "text_from_label": "texts written for a label",
    "onehot": "label columns",
    "source": "labels are the data sets that were mixed",
    "selection": "runs chosen by their score",
    "features_from_label": "features made from the label",
}
SLIPS = {
    "one seed": ("seeds", "one"),
    "no interval": ("intervals", "no"),
    "no chance level": ("chance_level", "no"),
    "silhouettes of different spaces compared": ("silhouettes_across_spaces", "yes"),
    "β hidden by averaging": ("beta_hidden_by_means", "yes"),
    "scored without the noise": ("noise_dropped", "yes"),
    "rows joined wrongly": ("rows_joined_wrongly", "yes"),
}
WINNERS = {"vae": "VAE", "tie": "level", "pca": "PCA or raw features"}


def projects() -> pd.DataFrame:
    """One row a project, as read (`data/survey/projects.csv`)."""
    return pd.read_csv(data_dir() / "survey" / "projects.csv", keep_default_na=False)


def mechanism_counts(table: pd.DataFrame) -> pd.Series:
    """In how many projects the label got into the input or the model, or chose between runs, by
    each mechanism; a project may have several."""
    each = table.loc[table["label_in_input"] == "yes", "mechanism"].str.split(";").explode()
    return each.value_counts().reindex(MECHANISMS, fill_value=0).rename(MECHANISMS)


def slip_counts(table: pd.DataFrame) -> pd.Series:
    """How many projects share each habit that makes a score hard to trust."""
    counts = {}
    for words, (column, value) in SLIPS.items():
        counts[words] = int((table[column] == value).sum())
    return pd.Series(counts)


def winner_counts(table: pd.DataFrame) -> pd.DataFrame:
    """Who agrees better with the labels where both were scored: rows by whether the label was in
    the input, columns VAE, level, PCA."""
    compared = table[table["pca_or_vae"].isin(WINNERS)]
    counts = pd.crosstab(compared["label_in_input"], compared["pca_or_vae"])
    counts = counts.reindex(index=["yes", "cannot tell", "no"], columns=list(WINNERS), fill_value=0)
    return counts.rename(columns=WINNERS)


def survey_figure(table: pd.DataFrame) -> Figure:
    """How the label was used, what else makes scores hard to trust, and who wins, with the label in
    the input and without."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[13, 4])
    mechanisms, slips = mechanism_counts(table), slip_counts(table)
    counts = pd.concat([mechanisms, slips])
    colours = ["#d55e00"] * len(mechanisms) + ["#0173b2"] * len(slips)
    bars = above.barh(range(len(counts)), counts, color=colours)
    above.grid(False, axis="y")
    below.grid(False, axis="y")
    above.bar_label(bars, padding=2, fontsize=9)
    above.set_yticks(range(len(counts)), counts.index, fontsize=9)
    above.invert_yaxis()
    above.set(xlim=(0, len(table) + 4), xlabel=f"projects of {len(table)}")
    above.set_title("How the label was used (orange), and habits (blue)", loc="left", fontsize=10)
    winners = winner_counts(table)
    left = np.zeros(len(winners))
    shades = {"VAE": "#029e73", "level": "#bbbbbb", "PCA or raw features": "#cc78bc"}
    for name, colour in shades.items():
        below.barh(range(len(winners)), winners[name], left=left, color=colour, label=name)
        left += winners[name].to_numpy()
    names = ["label in the input", "cannot tell", "label not in the input"]
    below.set_yticks(range(len(winners)), names, fontsize=9)
    below.invert_yaxis()
    below.set(xlabel=f"projects of {int(left.sum())} that compared both")
    below.set_title("Which agrees better with the labels", loc="left", fontsize=10)
    figure.legend(fontsize=9, frameon=False, loc="outside lower center", ncols=3)
    return figure


def survey_sentence(table: pd.DataFrame) -> str:
    """The answer of the survey in a few sentences."""
    leaky = int((table["label_in_input"] == "yes").sum())
    winners = winner_counts(table)
    total = winners.sum()
    habits = slip_counts(table)
    assert habits["no interval"] == habits["no chance level"] == len(table)
    return (
        f"Check your table before you trust a score. We read {len(table)} public projects that "
        f"did the paper's assignment. In **{leaky} of them** the label was in the input or the "
        "model, and the clusters were scored against it. A VAE won against PCA or the raw features "
        f"in {total['VAE']} of {int(total.sum())} comparisons. The input or the model had the "
        f"label in {winners.loc['yes', 'VAE']} of these wins, and in "
        f"{int(winners.loc['yes'].sum())} of all comparisons. No project reports an interval or "
        "the score of chance."
    )
