"""Numbers with a name: each is read from one row of one table, and every page quotes that.

A page that states a result writes `{{ name }}` (book/*.md) or `quote(values, name)` (a notebook).
Both give the same text, so two pages cannot disagree. `tools/quoted.py` holds the list of sources;
a chapter adds its numbers as one more function that returns `{name: Value}`.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from helpers import metrics, tables
from musicbook.stored_runs import Published, run_name

LEAKY = "LEAKY: the genre is in the input"
REFUSED = "refused"  # how the verdict on an input begins that no result may rest on
VARIANT_UNNAMED = "full"


class ValueRefused(ValueError):
    """A page quotes a number that rests on an input which a guard refuses."""


@dataclass(frozen=True)
class Value:
    """One number and where it comes from.

    text: as prose shows it. words: what it is, in words that no other value has. table: the file it
    is read from. row: which row of that file. guard: the verdict of the guards on the input behind
    it, "" where no guard has anything to say, and beginning with REFUSED where the number must not
    be quoted as a result.
    """

    text: str
    words: str
    table: str
    row: str = ""
    guard: str = ""

    @property
    def refused(self) -> bool:
        return self.guard.startswith(REFUSED)


def slug(*parts: object) -> str:
    """ "PCA + K-Means", "nmi" -> "pca_k_means_nmi"."""
    text = " ".join(str(part) for part in parts)
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def signed(number: float, digits: int = 3) -> str:
    """A difference as prose shows it, with a sign: "+0.013", "−0.056", "0.000"."""
    rounded = round(number, digits)
    if rounded == 0:
        return f"{0:.{digits}f}"
    sign = "+" if rounded > 0 else "−"
    return f"{sign}{abs(rounded):.{digits}f}"


def interval_words(low: float, high: float, digits: int = 2, sign: bool = False) -> str:
    """The two ends of a 95 % interval as prose shows them: "0.06 to 0.20"."""
    if sign:
        return f"{signed(low, digits)} to {signed(high, digits)}"
    return f"{low:.{digits}f} to {high:.{digits}f}"


def quote(values: Mapping[str, Value], name: str) -> str:
    """The text of a named value for Markdown, marked with its name so that the built pages can be
    compared; a reader who points at it sees what it is.

    Raises KeyError for a name that no table gives, and ValueRefused for a number whose input a
    guard refuses.
    """
    value = values[name]
    if value.refused:
        raise ValueRefused(f"{name} must not be quoted: {value.guard} ({value.words})")
    meaning = html.escape(value.words if not value.guard else f"{value.words}; {value.guard}")
    return f'<span data-value="{name}" title="{meaning}">{html.escape(value.text)}</span>'


def check_words(values: Mapping[str, Value]) -> None:
    """ValueError where two values of different text are described by the same words."""
    owners: dict[str, str] = {}
    for name, value in values.items():
        other = owners.setdefault(value.words, name)
        if values[other].text != value.text:
            raise ValueError(
                f"{other} ({values[other].text}) and {name} ({value.text}) are both called "
                f"{value.words!r}: describe them by different words"
            )


def score_name(data: str, protocol: str, phase: int, variant: str, method: str, metric: str) -> str:
    """The name of a score, `<data>_<protocol>_<phase>_<variant>_<method>_<metric>`; the variant
    "full" is left out of it."""
    named = "" if variant == VARIANT_UNNAMED else variant
    return slug(data, protocol, phase, named, method, metric)


def score_values(runs: Published) -> dict[str, Value]:
    """Every score of a folder of published runs, by `score_name`.

    The plain name is the mean over seeds; `…_sd` is the spread of single seeds and `…_seeds` their
    number.
    """
    folder = runs.folder.name
    values: dict[str, Value] = {}
    for row in tables.summarise(runs.scores).itertuples():
        name = score_name(folder, row.protocol, row.phase, row.variant, row.method, row.metric)
        input_name = f"{row.protocol} protocol, phase {row.phase}"
        if row.variant != VARIANT_UNNAMED:
            input_name += f", {row.variant}"
        words = f"{metrics.label_of(row.metric)} of {row.method}, {input_name}, data {folder}"
        source = {
            "table": f"data/results/{folder}/scores.csv.gz",
            "row": f"{run_name(row.protocol, row.phase, row.variant)}, {row.method}, {row.metric}",
            "guard": LEAKY if row.leaky else "",
        }
        mean = tables.score_cell(row.mean, math.nan, row.metric)
        spread = tables.score_cell(row.sd, math.nan, row.metric)
        values[name] = Value(mean, f"{words}, mean over seeds", **source)
        values[f"{name}_sd"] = Value(spread, f"{words}, standard deviation over seeds", **source)
        values[f"{name}_seeds"] = Value(str(row.seeds), f"{words}, number of seeds", **source)
    return values


def run_values(runs: Published) -> dict[str, Value]:
    """How many combinations of protocol, phase and input a folder holds, each run with every seed,
    and what they cost: `<data>_runs`, `<data>_runs_cpu_minutes`."""
    folder = runs.folder.name
    table = f"data/results/{folder}/units.csv"
    minutes = pd.to_numeric(runs.units.cpu_s).sum() / 60
    return {
        slug(folder, "runs"): Value(
            str(runs.units.run.nunique()), f"inputs of the published runs, data {folder}", table
        ),
        slug(folder, "runs cpu minutes"): Value(
            f"{minutes:.0f}", f"CPU minutes of all published runs, data {folder}", table
        ),
    }
