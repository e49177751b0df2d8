"""Figures of the page "Songs with their own words"; each takes a table of the chapter and returns a
Figure."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from helpers import plots
from helpers.plots import MARKERS, NOISE, OURS, PAPER, WIDTH, _close
from musicbook.chapters.own_words.sentences import (
    HEARD,
    NO_LABELS,
    SHORT,
    headline,
    kept_of,
    target_words,
)
from musicbook.chapters.own_words.songs import OVER, OWN, SOUND, WITHIN, WORDS
from musicbook.chapters.own_words.verses import LANGUAGES
from musicbook.corpus.encoders import ENCODERS

COLOURS = {SOUND: OURS, WORDS: PAPER, OWN: "#029e73", WITHIN: NOISE, OVER: NOISE}


def missing(why: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8))
    axis.axis("off")
    axis.text(0, 0.5, textwrap.fill(why, 60), va="center", fontsize=11)
    return _close(figure)


def verse_maps(
    table: pd.DataFrame, points: Mapping[str, np.ndarray], agreement: pd.DataFrame
) -> Figure:
    """One map an encoder, side by side: colour is the subject, shape the language.

    points {title: (n, 2)}, row for row with the verses of `table`; agreement is
    `verses.agreement_table`, whose numbers stand above each map."""
    subjects, languages = (list(dict.fromkeys(table[name])) for name in ("subject", "language"))
    figure, axes = plt.subplots(1, len(points), figsize=(WIDTH, 3.5), squeeze=False)
    for axis, (title, places) in zip(axes.flat, points.items()):
        for j, code in enumerate(languages):
            here = (table.language == code).to_numpy()
            colours = [plots.COLOURS[subjects.index(subject)] for subject in table.subject[here]]
            axis.scatter(
                *places[here].T, c=colours, marker=MARKERS[j], s=34, lw=0.3, edgecolors="white"
            )
        row = agreement.loc[title]
        axis.set_title(
            f"{title}\nlanguage {row.language_nmi:.2f}, subject {row.subject_nmi:.2f}", fontsize=10
        )
        axis.set(xticks=[], yticks=[])
    colour_keys = [
        Line2D([], [], ls="", marker="o", color=plots.COLOURS[i], label=subject)
        for i, subject in enumerate(subjects)
    ]
    shape_keys = [
        Line2D([], [], ls="", marker=MARKERS[j], color="#555555", label=LANGUAGES[code])
        for j, code in enumerate(languages)
    ]
    figure.legend(
        handles=colour_keys + shape_keys,
        loc="outside lower center",
        ncols=4,
        frameon=False,
        fontsize=8,
        handletextpad=0.2,
        columnspacing=1.0,
    )
    return _close(figure)


def probe_bars(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Balanced accuracy of a linear probe for each target, with a line where guessing is, one panel
    an encoder; {title: `probes.probe_scores`}."""
    tables = {title: table for title, table in tables.items() if len(table)}
    if not tables:
        return missing("No label that several artists share: nothing to ask a probe.")
    targets = list(dict.fromkeys(next(iter(tables.values())).target))
    height = 1.3 + 0.62 * len(targets)
    figure, axes = plt.subplots(
        len(tables), 1, figsize=(WIDTH, height * len(tables)), squeeze=False, sharex=True
    )
    for axis, (title, table) in zip(axes.flat, tables.items()):
        _bars(axis, table, targets)
        axis.set_title(f"words read by {title}")
    axes[-1, 0].set_xlabel("balanced accuracy (dotted: guessing, 1: all right)")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _close(figure)


def _bars(axis, table: pd.DataFrame, targets: list[str]) -> None:
    seen = [what for what in (SOUND, WORDS, OWN, WITHIN, OVER) if what in set(table.input)]
    step = 0.8 / len(seen)
    for i, what in enumerate(seen):
        part = table[table.input == what].set_index("target").reindex(targets)
        mean, low, high = (part[edge] for edge in ("mean", "low", "high"))
        y = np.arange(len(targets)) - 0.4 + step * (i + 0.5)
        axis.barh(y, mean, height=step * 0.9, color=COLOURS[what], label=SHORT[what])
        whisker = np.abs([mean - low, high - mean])
        axis.errorbar(mean, y, xerr=whisker, fmt="none", ecolor="#333333", capsize=2, lw=1)
    axis.set_yticks(range(len(targets)), [target_words(target) for target in targets])
    axis.invert_yaxis()
    chance = table.groupby("target").chance.mean().reindex(targets)
    middle = np.arange(len(targets))
    axis.vlines(chance, middle - 0.45, middle + 0.45, color="black", lw=1.2, ls=":")
    axis.set_xlim(0, 1.02)
    axis.grid(axis="y", visible=False)


def weight_panels(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """Agreement of K-Means with each label by the words' weight, own words (full) and others'
    (dashed, up to the last mixture), one panel an encoder; {title: `clusters.by_weight`}."""
    tables = {title: table for title, table in tables.items() if len(table)}
    if not tables:
        return missing(NO_LABELS)
    figure, axes = plt.subplots(
        len(tables), 1, figsize=(WIDTH, 2.9 * len(tables)), squeeze=False, sharex=True
    )
    for axis, (title, table) in zip(axes.flat, tables.items()):
        targets = [target for target in dict.fromkeys(table.target) if " only" not in target]
        for i, target in enumerate(targets):
            part, colour = table[table.target == target], plots.COLOURS[i]
            axis.plot(
                part.weight,
                part["mean"],
                marker=MARKERS[i],
                ms=4,
                color=colour,
                label=target_words(target),
            )
            axis.plot(part.weight, part.swapped, "--", color=colour, lw=1)
            axis.fill_between(part.weight, part.low, part.high, color=colour, alpha=0.15, lw=0)
        axis.set(title=f"words read by {title}", ylabel="NMI", ylim=(-0.02, 1.02))
    axes[-1, 0].set_xlabel("weight of the words (0: sound alone, 1: words alone)")
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=9,
    )
    return _close(figure)


def gains(table: pd.DataFrame, target: str | None = None) -> Figure:
    """What a song's own words add to the agreement with a target: over sound alone (circles) and
    over other songs' words (diamonds), with 95 % intervals, one line a row of the table.

    Rows whose words fail the scale guard are left out."""
    target = target or (headline(table.target) if len(table) else None)
    if target is None:
        return missing(NO_LABELS)
    rows = table[(table.target == target) & (table.guard == "passes")].reset_index(drop=True)
    names = [textwrap.fill(_line_of(row, table), 34) for row in rows.itertuples()]
    figure, axis = plt.subplots(figsize=(WIDTH, 1.5 + 0.42 * len(rows)))
    looks = (("gain", -0.14, OURS, "o", "sound alone"), ("over", 0.14, PAPER, "D", "others' words"))
    for name, shift, colour, marker, other in looks:
        point, low, high = rows[name], rows[f"{name}_low"], rows[f"{name}_high"]
        axis.errorbar(
            point,
            np.arange(len(rows)) + shift,
            xerr=np.abs([point - low, high - point]),
            fmt=marker,
            ms=5,
            color=colour,
            capsize=2,
            lw=1.2,
            label=f"own words − {other}",
        )
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(range(len(rows)), names, fontsize=8)
    axis.set_ylim(len(rows) - 0.4, -0.6)
    axis.set(xlabel=f"gain in agreement with the {target_words(target)} (NMI)")
    axis.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=9)
    return _close(figure)


def _line_of(row, table: pd.DataFrame) -> str:
    """What tells a row of a table from the others."""
    parts = []
    if table.way.nunique() > 1:
        parts.append(row.way)
    if "encoder" in table and len(set(zip(table.encoder, table.kept, table.sound))) > 1:
        parts.append(f"{ENCODERS[row.encoder].title}, {kept_of(row.kept)}, {HEARD[row.sound]}")
    return ", ".join(parts) or row.way
