"""Figures of the page "Songs with their own words"; each takes a table of `study` and returns a Figure."""

from __future__ import annotations

import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from ..plots import GENRE_PALETTE, MARKERS, NOISE, OURS, PAPER, WIDTH, _close
from .fusions import OVER, OWN, SOUND, WITHIN, WORDS
from .sentences import NO_LABELS, SHORT, headline, name_of
from .study import NEAREST

COLOURS = {SOUND: OURS, WORDS: PAPER, OWN: "#029e73", WITHIN: NOISE, OVER: NOISE}


def missing(why: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    figure, axis = plt.subplots(figsize=(WIDTH, 0.8))
    axis.axis("off")
    axis.text(0, 0.5, textwrap.fill(why, 60), va="center", fontsize=11)
    return _close(figure)


def probes(table: pd.DataFrame) -> Figure:
    """What a linear probe gets right of each target from sound, words and both, above chance (0) and up to all (1)."""
    if not len(table):
        return missing("No label that several artists share: nothing to ask a probe.")
    targets = list(dict.fromkeys(table.target))
    inputs = [what for what in (SOUND, WORDS, OWN, WITHIN, OVER) if what in set(table.input)]
    step = 0.8 / len(inputs)
    figure, axis = plt.subplots(figsize=(WIDTH, 1.3 + 0.62 * len(targets)))
    for i, what in enumerate(inputs):
        part = table[table.input == what].set_index("target").reindex(targets)
        mean, low, high = ((part[edge] - part.chance) / (1 - part.chance) for edge in ("mean", "low", "high"))
        y = np.arange(len(targets)) - 0.4 + step * (i + 0.5)
        name = "both" if what == OWN else f"both, {SHORT[what]}" if what in (WITHIN, OVER) else SHORT[what]
        axis.barh(y, mean, height=step * 0.9, color=COLOURS[what], label=name)
        axis.errorbar(mean, y, xerr=np.abs([mean - low, high - mean]), fmt="none", ecolor="#333333", capsize=2, lw=1)
    axis.set_yticks(range(len(targets)), [name_of(target) for target in targets])
    axis.invert_yaxis()
    axis.axvline(0, color="black", lw=0.8)
    axis.set(xlabel="known beyond chance (0: guessing, 1: all)", xlim=(min(-0.05, axis.get_xlim()[0]), 1.02))
    axis.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _close(figure)


def by_weight(table: pd.DataFrame) -> Figure:
    """Agreement of K-Means on the concatenation with each label, by the words' weight: own words, and others'."""
    if not len(table):
        return missing(NO_LABELS)
    targets = [target for target in dict.fromkeys(table.target) if " only" not in target]
    figure, axis = plt.subplots(figsize=(WIDTH, 4.0))
    for i, target in enumerate(targets):
        colour = [*GENRE_PALETTE.values()][i]
        for control, style in ((OWN, "-"), (WITHIN if WITHIN in set(table.control) else OVER, "--")):
            part = table[(table.target == target) & (table.control == control)]
            axis.plot(part.weight, part["mean"], style, marker=MARKERS[i], ms=4, color=colour,
                      label=f"{name_of(target)}, {SHORT[control]}")  # fmt: skip
            if control == OWN:
                axis.fill_between(part.weight, part.low, part.high, color=colour, alpha=0.15, lw=0)
    axis.set(xlabel="weight of the words (0: sound alone, 1: words alone)", ylabel="agreement of clusters (NMI)",
             ylim=(-0.02, 1.02))  # fmt: skip
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=9)
    return _close(figure)


def gains(table: pd.DataFrame, target: str | None = None) -> Figure:
    """Every fusion's gain in NMI: own words over sound alone, and over other songs' words, with 95 % intervals."""
    target = target or (headline(table.target) if len(table) else None)
    if target is None:
        return missing(NO_LABELS)
    part = table[(table.target == target) & (table.metric == "nmi")]
    fusions = list(dict.fromkeys(part.fusion))
    figure, axis = plt.subplots(figsize=(WIDTH, 1.5 + 0.42 * len(fusions)))
    against = WITHIN if WITHIN in set(part.control) else OVER
    looks = {OWN: (-0.14, OURS, "o", SHORT[SOUND]), against: (0.14, PAPER, "D", SHORT[against])}
    for control, (shift, colour, marker, name) in looks.items():
        rows = part[part.control == control].set_index("fusion").reindex(fusions)
        y = np.arange(len(fusions)) + shift
        axis.errorbar(rows.gain, y, xerr=[rows.gain - rows.gain_low, rows.gain_high - rows.gain], fmt=marker, ms=5,
                      color=colour, capsize=2, lw=1.2, label=f"own words − {name}")  # fmt: skip
    axis.axvline(0, color="black", lw=0.8)
    axis.set_yticks(range(len(fusions)), [textwrap.fill(name, 24) for name in fusions], fontsize=9)
    axis.set_ylim(len(fusions) - 0.4, -0.6)
    axis.set(xlabel=f"gain in agreement with the {name_of(target)} (NMI)")
    axis.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=1, frameon=False, fontsize=9)
    return _close(figure)


def variance(table: pd.DataFrame) -> Figure:
    """The first components of sound and of words: their share of the variance, and what of it lies between the classes
    of each label."""
    if not len(table):
        return missing(NO_LABELS)
    parts = table[table.component > 0]
    targets = [target for target in dict.fromkeys(parts.target)]
    figure, axes = plt.subplots(2, 1, figsize=(WIDTH, 5.4), sharex=True)
    for axis, (block, rows) in zip(axes, parts.groupby("block", sort=False)):
        one = rows[rows.target == targets[0]]
        axis.bar(one.component, one.share, color="#dddddd", width=0.85, label="share of the block's variance")
        for i, target in enumerate(targets):
            part = rows[rows.target == target]
            axis.bar(part.component + 0.26 * (i - (len(targets) - 1) / 2), part.share * part.explained, width=0.24,
                     color=[*GENRE_PALETTE.values()][i],
                     label=f"of it, between classes of {name_of(target)}")  # fmt: skip
        axis.set(title=f"Components of the {block}", ylabel="share of variance")
        axis.grid(axis="x", visible=False)
    axes[-1].set(xlabel="principal component, by size")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=1, frameon=False, fontsize=9)
    return _close(figure)


def retrieval(table: pd.DataFrame) -> Figure:
    """How often a song's own words are among the NEAREST that its sound brings up: unseen artists, own and wrong pairs,
    and songs that were trained on."""
    if not len(table):
        return missing("All songs are of one artist, so none can be kept unseen.")
    methods = list(dict.fromkeys(table.method))
    figure, axis = plt.subplots(figsize=(WIDTH, 1.4 + 0.8 * len(methods)))
    own, other = (table[table.pairs == pairs].set_index("method").reindex(methods) for pairs in (OWN, OVER))
    y = np.arange(len(methods))
    axis.barh(y - 0.27, own.recall_seen, height=0.24, color="#dddddd", label="songs that it was trained on")
    for shift, rows, colour, name in ((0.0, own, COLOURS[OWN], "songs of unseen artists"),
                                      (0.27, other, NOISE, "the same, trained on wrong pairs")):  # fmt: skip
        axis.barh(y + shift, rows.recall, height=0.24, color=colour, label=name)
        whisker = np.abs([rows.recall - rows.low, rows.high - rows.recall])
        axis.errorbar(rows.recall, y + shift, xerr=whisker, fmt="none", ecolor="#333333", capsize=2, lw=1)
    axis.axvline(own.chance.iloc[0], color="black", lw=0.8, ls=":", label="chance")
    axis.set_yticks(y, methods)
    axis.invert_yaxis()
    axis.set(xlabel=f"own words among the first {NEAREST}, share of songs", xlim=(0, None))
    axis.grid(axis="y", visible=False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return _close(figure)
