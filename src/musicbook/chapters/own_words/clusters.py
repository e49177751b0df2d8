"""What groups formed of sound and words agree with: K-Means on every way's space, with a song's own
words and with those of others, against labels that it never saw.

Page "Songs with their own words" calls `compare` for few seeds, `grids` for many. Intervals are
over artists and seeds. A label is scored on the songs that have it, in as many clusters as it has
classes (`songs.targets`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from helpers import clustering, metrics, store
from helpers.tracks import Tracks
from musicbook.chapters.own_words import fusions
from musicbook.chapters.own_words.fusions import SIDE_BY_SIDE, WAYS, WEIGHT
from musicbook.chapters.own_words.guards import guard_of, guard_words
from musicbook.chapters.own_words.songs import (
    KEPT,
    OWN,
    Codes,
    Pair,
    over_all_languages,
    pair_of,
    targets,
    with_shuffled_words,
)

Side = tuple[np.ndarray, np.ndarray]  # as `metrics.resampled` gives it
METRIC = "nmi"
INNER = (0.2, 0.4, 0.6, 0.8)  # weights of the words between sound alone and words alone
COLUMNS = (
    *("way", "weight", "target", "k", "songs", "seeds", "mean", "low", "high", "alone"),
    *("gain", "gain_low", "gain_high", "swapped", "over", "over_low", "over_high", "guard"),
)


class WayAtWeight(NamedTuple):
    """One way at one weight of the words; the weight is NaN for a way that takes none."""

    way: str
    weight: float


def clustered(
    pair: Pair, labels: Codes, way: str, weight: float, control: str, seeds: Sequence[int]
) -> Codes:
    """K-Means on a way's space, once a target, on the songs that have it and with as many clusters
    as it has classes: target -> clusters (n_seeds, n_target). Nothing for a training that ran
    away."""
    from helpers.training import Diverged

    parts: dict[str, list[np.ndarray]] = {target: [] for target in labels}
    for seed in seeds:
        try:
            space = fusions.space(pair, way, control, seed, weight)
        except Diverged as error:
            return {"diverged": np.array(str(error))}
        for target, clusters in clusters_of(space, labels, seed).items():
            parts[target].append(clusters)
    return {target: np.stack(rows) for target, rows in parts.items()}


def clusters_of(space: np.ndarray, labels: Codes, seed: int) -> Codes:
    """K-Means clusters of a space (n, d), one labelling (n_target,) a target."""
    found = {}
    for target, codes in labels.items():
        here, k = codes >= 0, int(codes.max()) + 1
        found[target] = clustering.cluster(space[here], "kmeans", k, seed, n_init=10)
    return found


def clustered_alone(block: np.ndarray, labels: Codes, seeds: Sequence[int]) -> Codes:
    """The same of one block by itself, (n, d): target -> clusters (n_seeds, n_target)."""
    runs = [clusters_of(block, labels, seed) for seed in seeds]
    return {target: np.stack([run[target] for run in runs]) for target in labels}


def cells_of(ways: Sequence[str], weights: Sequence[float]) -> list[WayAtWeight]:
    """Every way, at every weight where it takes one."""
    cells = []
    for way in ways:
        if WAYS[way].weighted:
            cells += [WayAtWeight(way, weight) for weight in weights]
        else:
            cells.append(WayAtWeight(way, float("nan")))
    return cells


def compare_ways(
    tracks: Tracks,
    ways: Sequence[str],
    seeds: int,
    weights: Sequence[float] = (WEIGHT,),
    kept: int | float = KEPT,
    n_jobs: int | None = None,
) -> pd.DataFrame:
    """One row a way, weight and target: what the songs' own words change.

    Columns: way, weight, target, k, songs, seeds; mean, low, high of NMI with own words; alone,
    that of sound alone, and gain, gain_low, gain_high, own words minus that; swapped, that of other
    songs' words, and over, over_low, over_high, own words minus that; guard, the verdict of
    `guards.guard_of`. Intervals are 95 %, paired over artists. A way whose training ran away has no
    rows."""
    labels, cells, control = targets(tracks), cells_of(ways, weights), with_shuffled_words(tracks)
    removals = {WAYS[cell.way].removed for cell in cells}
    pairs = {removed: pair_of(tracks, kept, removed) for removed in removals}
    every = list(range(seeds))
    calls: list[tuple] = []
    for cell in cells:
        pair = pairs[WAYS[cell.way].removed]
        for words in (OWN, control):
            weight = WEIGHT if np.isnan(cell.weight) else cell.weight
            calls.append((clustered, pair, labels, cell.way, weight, words, every))
    sound = pair_of(tracks, kept).sound
    calls.append((clustered_alone, sound, labels, every))
    *runs, alone = store.remember_many(calls, n_jobs, "groups")
    sides_alone = sides_of(tracks, labels, alone)
    guards = _guards(tracks, kept, ways)
    rows = []
    for i, cell in enumerate(cells):
        own, swapped = runs[2 * i], runs[2 * i + 1]
        if "diverged" in own or "diverged" in swapped:
            continue
        sides, others = sides_of(tracks, labels, own), sides_of(tracks, labels, swapped)
        for target in labels:
            row: dict[str, object] = {"way": cell.way, "weight": cell.weight, "target": target}
            row |= {"k": int(labels[target].max()) + 1, "songs": own[target].shape[1]}
            row["seeds"] = seeds
            row |= _differences(sides[target], sides_alone[target], others[target])
            rows.append(row | {"guard": guards[cell.way]})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def sides_of(tracks: Tracks, labels: Codes, found: Codes) -> dict[str, Side]:
    """The scores of clusterings and of their resamples over artists, by target."""
    sides = {}
    for target, codes in labels.items():
        here = codes >= 0
        sides[target] = metrics.resampled(codes[here], found[target], tracks.groups[here], METRIC)
    return sides


def _differences(own: Side, alone: Side, swapped: Side) -> dict[str, float]:
    mean, low, high = metrics.interval([own])
    gain, gain_low, gain_high = metrics.interval([own, alone])
    over, over_low, over_high = metrics.interval([own, swapped])
    return {
        "mean": mean,
        "low": low,
        "high": high,
        "alone": float(alone[0].mean()),
        "gain": gain,
        "gain_low": gain_low,
        "gain_high": gain_high,
        "swapped": float(swapped[0].mean()),
        "over": over,
        "over_low": over_low,
        "over_high": over_high,
    }


def _guards(tracks: Tracks, kept: int | float, ways: Sequence[str]) -> dict[str, str]:
    """The guard's verdict on the words of each way, which only its removal and scaling decide."""
    vectors, language = (
        tracks.text.to_numpy(),  # type: ignore[union-attr]
        tracks.labels.get("language"),
    )
    verdicts: dict[tuple[str, str], str] = {}
    for name in ways:
        prepared = (WAYS[name].removed, WAYS[name].scaling)
        if prepared not in verdicts:
            verdicts[prepared] = guard_words(guard_of(vectors, language, kept, *prepared))
    return {name: verdicts[WAYS[name].removed, WAYS[name].scaling] for name in ways}


def alone_table(
    tracks: Tracks, seeds: int, kept: int | float = KEPT, n_jobs: int | None = None
) -> pd.DataFrame:
    """NMI of K-Means on sound by itself and on words by themselves, with and without their
    language: columns block, removed, target, k, songs, seeds, mean, low, high."""
    labels, every = targets(tracks), list(range(seeds))
    blocks = {("sound", ""): pair_of(tracks, kept).sound}
    for removed in ("", "language"):
        blocks["words", removed] = pair_of(tracks, kept, removed).words
    calls = [(clustered_alone, block, labels, every) for block in blocks.values()]
    rows = []
    for (block, removed), found in zip(blocks, store.remember_many(calls, n_jobs, "blocks")):
        for target, side in sides_of(tracks, labels, found).items():
            mean, low, high = metrics.interval([side])
            row: dict[str, object] = {
                "block": block,
                "removed": removed or "nothing",
                "target": target,
            }
            row |= {"k": int(labels[target].max()) + 1, "songs": found[target].shape[1]}
            rows.append(row | {"seeds": seeds, "mean": mean, "low": low, "high": high})
    return pd.DataFrame(rows)


def by_weight(tracks: Tracks, seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """NMI of the concatenation from sound alone (weight 0) to words alone (weight 1) with each
    label over all languages: weight, target, mean, low, high with own words, and swapped, with
    other songs' words. Other songs' words are not clustered alone, so `swapped` ends in NaN."""
    columns = ["weight", "target", "mean", "low", "high", "swapped"]
    labels = over_all_languages(targets(tracks))
    if not labels:
        return pd.DataFrame(columns=columns)
    pair, every = pair_of(tracks), list(range(seeds))
    calls: list[tuple] = [(clustered_alone, pair.sound, labels, every)]
    for weight in INNER:
        for words in (OWN, with_shuffled_words(tracks)):
            calls.append((clustered, pair, labels, SIDE_BY_SIDE, weight, words, every))
    calls.append((clustered_alone, pair.words, labels, every))
    sound, *mixed, words_alone = store.remember_many(calls, n_jobs, "groups")
    own, swapped = [sound, *mixed[::2], words_alone], [sound, *mixed[1::2], None]
    rows = []
    for weight, found, others in zip((0.0, *INNER, 1.0), own, swapped, strict=True):
        sides = sides_of(tracks, labels, found)
        other_sides = sides_of(tracks, labels, others) if others else {}
        for target, side in sides.items():
            mean, low, high = metrics.interval([side])
            other = float(other_sides[target][0].mean()) if other_sides else float("nan")
            rows.append((weight, target, mean, low, high, other))
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(["target", "weight"], ignore_index=True)


# ---- how many comparisons there are --------------------------------------------------------------


def widened(table: pd.DataFrame, difference: str = "gain") -> pd.DataFrame:
    """The table with `clear`: whether a 95 % interval misses zero, +1 above, -1 below, 0 neither;
    and `sure`: the same after Bonferroni's correction for as many comparisons as the table has
    rows, which widens each interval as for a normal error."""
    wide = stats.norm.ppf(1 - 0.025 / max(len(table), 1)) / stats.norm.ppf(0.975)
    point = table[difference]
    low, high = table[f"{difference}_low"], table[f"{difference}_high"]
    sure_low, sure_high = point - wide * (point - low), point + wide * (high - point)
    return table.assign(
        clear=(low > 0).astype(int) - (high < 0).astype(int),
        sure=(sure_low > 0).astype(int) - (sure_high < 0).astype(int),
    )
