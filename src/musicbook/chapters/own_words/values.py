"""The named numbers of the page "Songs with their own words", each with the verdict of its
guard."""

from __future__ import annotations

import math

import pandas as pd

from musicbook.chapters.own_words.clusters import widened
from musicbook.chapters.own_words.fusions import SIDE_BY_SIDE
from musicbook.chapters.own_words.grids import FOLDER, primary_row, stored_grid
from musicbook.named_values import REFUSED, Value, interval_words, signed, slug


def own_words_values() -> dict[str, Value]:
    """Every number of the published grids; none where they are not there.

    `own_words_primary` is NMI of the comparison that was named beforehand, `own_words_<encoder>_
    <kept>_<sound>_<way>_<weight>_<target>` that of a row of the grid, and
    `own_words_probe_<encoder>_ <sound>_<input>_<target>` a probe's balanced accuracy. `…_gain` is
    the difference to sound alone, `…_over` that to other songs' words, and `…_interval` the 95 %
    interval of each. `own_words_<texts>_<encoder>_<label>` is NMI of groups of the words alone with
    a label. A row whose words fail the scale guard is refused: no page may quote it."""
    grid, probes, language = (stored_grid(name) for name in ("grid", "probes", "language"))
    if grid is None or probes is None or language is None:
        return {}
    (primary,) = primary_row(grid).to_frame().T.itertuples()
    values = _of_row("own_words_primary", "the comparison named beforehand", primary)
    words = "songs of the comparison named beforehand"
    values["own_words_primary_songs"] = Value(str(primary.songs), words, _file("grid"))
    audible = stored_grid("audible")
    if audible is not None:
        (row,) = primary_row(audible).to_frame().T.itertuples()
        values |= _of_row("own_words_audible", "that comparison without the silent song", row)
        words = "songs of that comparison without the silent song"
        values["own_words_audible_songs"] = Value(str(row.songs), words, _file("audible"))
    for row in grid.itertuples():
        weight = "" if math.isnan(row.weight) else f"{row.weight:g}"
        name = slug("own words", row.encoder, row.kept, row.sound, row.way, weight, row.target)
        words = f"{row.way} {weight}".strip()
        words = f"{words} of {row.encoder} ({row.kept}) and {row.sound}, {row.target}"
        values |= _of_row(name, words, row)
    return values | _probe_values(probes) | _language_values(language) | _count_values(grid)


def _file(grid: str) -> str:
    return f"data/results/{FOLDER}/own_words_{grid}.csv"


def _of_row(name: str, words: str, row) -> dict[str, Value]:
    """Seven values of one row of the grid."""
    guard = "" if row.guard == "passes" else f"{REFUSED} by the scale guard, which {row.guard}"
    texts = {"": (f"{row.mean:.3f}", "NMI of K-Means on")}
    texts["_interval"] = (interval_words(row.low, row.high), "95 % interval of NMI of K-Means on")
    texts["_alone"] = (f"{row.alone:.3f}", "NMI of K-Means on sound alone beside")
    for difference, meaning in (("gain", "sound alone"), ("over", "other songs' words")):
        ends = getattr(row, f"{difference}_low"), getattr(row, f"{difference}_high")
        number = signed(getattr(row, difference))
        texts[f"_{difference}"] = (number, f"own words minus {meaning}, NMI of")
        texts[f"_{difference}_interval"] = (
            interval_words(*ends, digits=3, sign=True),
            f"95 % interval of own words minus {meaning}, NMI of",
        )
    values = {}
    for ending, (text, meaning) in texts.items():
        values[name + ending] = Value(
            text, f"{meaning} {words}, songs with their own words", _file("grid"), name, guard
        )
    return values


def _probe_values(probes: pd.DataFrame) -> dict[str, Value]:
    values = {}
    for row in probes.itertuples():
        name = slug("own words probe", row.encoder, row.sound, row.input, row.target)
        words = f"probe for {row.target} from {row.input}, words by {row.encoder}, {row.sound}"
        texts = {
            "": (f"{row.mean:.3f}", "balanced accuracy of a"),
            "_gain": (signed(row.gain), "balanced accuracy of both minus that of a"),
            "_gain_interval": (
                interval_words(row.gain_low, row.gain_high, digits=3, sign=True),
                "95 % interval of both minus a",
            ),
        }
        for ending, (text, meaning) in texts.items():
            values[name + ending] = Value(text, f"{meaning} {words}", _file("probes"), name)
    return values


def _language_values(table: pd.DataFrame) -> dict[str, Value]:
    values = {}
    for row in table[table.removed == "nothing"].itertuples():
        for label in ("language", "subject", "genius_tag", "msd_genre"):
            number = getattr(row, label)
            if not math.isnan(number):
                name = slug("own words", row.texts, row.encoder, label)
                words = f"NMI with {label} of K-Means on the {row.texts}' words by {row.encoder}"
                values[name] = Value(f"{number:.2f}", words, _file("language"), name)
        name = slug("own words", row.texts, row.encoder, "share")
        words = f"variance of the {row.texts}' words by {row.encoder} between languages"
        values[name] = Value(f"{100 * row.share:.0f} %", words, _file("language"), name)
    return values


def _count_values(grid: pd.DataFrame) -> dict[str, Value]:
    """How many comparisons with sound alone there are, and how many differ."""
    table = widened(grid[(grid.guard == "passes") & (grid.target != "language")])
    side = table[table.way == SIDE_BY_SIDE]
    counts = {
        "comparisons": (len(table), "comparisons with sound alone"),
        "clear_higher": ((table.clear > 0).sum(), "comparisons whose interval is above zero"),
        "clear_lower": ((table.clear < 0).sum(), "comparisons whose interval is below zero"),
        "sure_higher": ((table.sure > 0).sum(), "comparisons above zero after correction"),
        "sure_lower": ((table.sure < 0).sum(), "comparisons below zero after correction"),
        "side_by_side": (len(side), "comparisons of sound and words side by side"),
    }
    values = {}
    for name, (count, words) in counts.items():
        values[f"own_words_{name}"] = Value(
            str(count), f"{words}, songs with their own words", _file("grid"), name
        )
    return values
