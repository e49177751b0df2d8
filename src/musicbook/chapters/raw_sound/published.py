"""The published grid on raw sound as the page "Raw sound" reads it: scores with intervals, and what
they say in sentences."""

from __future__ import annotations

import numpy as np
import pandas as pd

from helpers import metrics, tables
from helpers.tracks import data_dir
from musicbook.chapters.raw_sound.waveforms import (
    FEATURES,
    LOG_MEL,
    LONGER,
    MEL,
    MODELS,
    SEEDS,
    UNTRAINED,
    WAVEFORM,
)

LEARNT_NOTHING = 0.95  # share of unexplained variance from which on a network has learnt nothing


class WaveformRuns:
    """The published grid of a data set: `scores`, its table, and `arrays`, its labels and spaces.

    FileNotFoundError says how to make it.
    """

    def __init__(self, dataset: str = "gtzan-mini"):
        folder = data_dir() / "results" / dataset
        table = folder / "waveforms.csv"
        if not table.exists():
            raise FileNotFoundError(
                f"{table} is not there: `make results DATASET={dataset} ONLY=waveforms` makes it, "
                "with GTZAN_AUDIO set to your copy of the audio"
            )
        self.scores = pd.read_csv(table)
        with np.load(folder / "waveforms_maps.npz", allow_pickle=False) as file:
            self.arrays = dict(file)

    def truth(self, level: str) -> tuple[np.ndarray, np.ndarray]:
        """Genres and tracks of the rows of a level, "segments" or "tracks"."""
        groups, genres = self.arrays["groups"], self.arrays["genres"]
        if level == "segments":
            return genres, groups
        _, first = np.unique(groups, return_index=True)
        return genres[first], groups[first]

    def interval(self, row: str, metric: str, level: str = "tracks") -> tuple[float, float, float]:
        """Mean of a score over the seeds and its 95 % interval, over tracks."""
        genres, groups = self.truth(level)
        labels = self.arrays[f"{row}/{level}"]
        return metrics.interval([metrics.resampled(genres, labels, groups, metric)])

    def difference(
        self, row: str, other: str, metric: str, level: str = "tracks"
    ) -> tuple[float, float, float]:
        """`row` minus `other` on the same tracks, and the 95 % interval of that."""
        genres, groups = self.truth(level)
        one, two = (self.arrays[f"{name}/{level}"] for name in (row, other))
        return metrics.paired_bootstrap(genres, one, two, metric, groups)

    def network_table(self) -> pd.DataFrame:
        """One line for each network: NMI on whole tracks with its 95 % interval, and the share of
        its target's variance that it misses, in sound it was not trained on and in sound it was."""
        means = self.scores.groupby(["row", "level"]).mean(numeric_only=True)
        lines = {}
        for row in (UNTRAINED, *MODELS):
            network = means.loc[(row, "segments")]
            lines[row] = {
                "NMI with genre": tables.with_interval(*self.interval(row, "nmi")),
                "missed, new sound": _share(network.unexplained),
                "missed, trained on": _share(network.by_heart),
            }
        return pd.DataFrame(lines).T.rename_axis("Network")

    def missed(self, row: str = WAVEFORM, where: str = "unexplained") -> float:
        """Share of the target's variance that a network misses, mean over seeds; `where` is
        "unexplained" for sound it was not trained on and "by_heart" for the other."""
        return float(self.scores[self.scores.row == row][where].mean())


def _share(value: float) -> str:
    return "" if np.isnan(value) else f"{value:.0%}"


EPOCHS = {row: recipe.epochs for row, (_, recipe) in MODELS.items()}
QUESTIONS = {  # question -> row, other
    "Does training help the network to log-mel?": (MEL, UNTRAINED),
    f"Is it better after {EPOCHS[LONGER]} epochs than after {EPOCHS[MEL]}?": (LONGER, MEL),
    "Is it better than log-mel statistics?": (MEL, LOG_MEL),
    "Is it better than the 68 features?": (MEL, FEATURES),
}
ANSWERS = {"higher": "yes", "lower": "no, worse", "level": "no detectable difference"}


def training_sentence() -> str:
    """For how many epochs each network of the grid was trained, and how often."""
    usual = EPOCHS[MEL]
    assert all(epochs == usual for row, epochs in EPOCHS.items() if row != LONGER)
    return (
        f"A training took {usual} epochs, and {EPOCHS[LONGER]} in the row *{LONGER}*. These "
        f"numbers were fixed in advance. Each score is the mean over {SEEDS} trained networks, and "
        "it is stored."
    )


def waveform_answers(runs: WaveformRuns) -> pd.DataFrame:
    """QUESTIONS with their answers: the difference in NMI on whole tracks, its 95 % interval, and
    what that says."""
    lines = {}
    for question, (row, other) in QUESTIONS.items():
        value, low, high = runs.difference(row, other, "nmi")
        lines[question] = {
            "answer": ANSWERS[metrics.difference_sign(low, high)],
            "difference in NMI": tables.with_interval(value, low, high, sign="+"),
        }
    return pd.DataFrame(lines).T.rename_axis("Question")


def waveform_sentence(runs: WaveformRuns) -> str:
    """What the network did that was trained to give the waveform back."""
    new, seen = runs.missed(), runs.missed(where="by_heart")
    if new < LEARNT_NOTHING:
        return f"The network whose target is the waveform misses {new:.0%} of new sound."
    return (
        "The network whose target is the waveform learned nothing general. On new sound, its error "
        "is as large as if it always gave the mean, which for a waveform is silence. "
        f"Even of the sound that it was trained on, it misses {seen:.0%}."
    )
