"""From the measures of the battery to one verdict: the thresholds, the facts that count, the rule,
and the evidence in words.

Page "CVAE and posterior collapse" states the rule; "Collapse in depth" moves its thresholds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import models
from helpers.shown import short_repr_of


@dataclass(frozen=True)
class Thresholds:
    """Where the verdict turns.

    A unit with more than `active` nats is active. A shuffle that raises the squared error by less
    than the share `notices` goes unnoticed. Below `silent` nats there is no KL. z carries a part
    only where it has less than the share `partial` of the nats of the best linear code and takes
    off less than that share of the error that the linear code takes off. An encoder whose mu moves
    by less than `shifts` of its spread when c is swapped does not use c. z has left c out when a
    probe gets less than the share `forgets` of the skill that it has on the data."""

    active: float = models.ACTIVE_KL
    notices: float = 0.05
    silent: float = 0.5
    partial: float = 0.5
    shifts: float = 0.02
    forgets: float = 0.5


@dataclass(frozen=True)
class Skill:
    """A probe's skill, (accuracy - chance) / (1 - chance), in z and in the data, and the `edge`
    below which it is at chance: 0.1 and two standard errors."""

    target: str
    z: float
    data: float
    edge: float

    @property
    def at_chance(self) -> bool:
        return self.z < self.edge


@dataclass(frozen=True)
class Facts:
    """What the verdict rests on, read off a diagnosis.

    Of `n_units` units `units` are active; `kl` in nats; `error` per feature; `worse_z` and
    `worse_c` by which share it grows with z or c exchanged (None without c); `gain` which share of
    the error of a table of means z takes off, and the best linear code with as many units
    (`linear_gain`, `linear_units`, `linear_kl`); `shift` of mu when c is swapped; `skills` of the
    probes, by target."""

    units: int
    n_units: int
    kl: float
    error: float
    worse_z: float
    worse_c: float | None
    gain: float
    linear_gain: float
    linear_units: int
    linear_kl: float
    shift: float
    skills: dict[str, Skill]

    @property
    def share_of_rate(self) -> float:
        """The model's nats over those of the best linear code; 1 where that has none."""
        return self.kl / self.linear_kl if self.linear_kl > 0 else 1.0

    @property
    def share_of_gain(self) -> float:
        """What z takes off the error of a table of means, over what the best linear code takes
        off; 1 where that takes off nothing."""
        return self.gain / self.linear_gain if self.linear_gain > 0 else 1.0


short_repr_of(Facts)


def facts_of(
    table: pd.DataFrame, kl_per_dim: np.ndarray, n_rows: int, active: float = models.ACTIVE_KL
) -> Facts:
    """The facts of a battery's table (`Diagnosis.table`), its KL per dimension (d,) and the number
    of independent rows or groups."""

    def value(measure: str, space: str = "") -> float:
        return float(table.at[(measure, "", space), "value"])

    error = max(value("squared error"), 1e-12)
    means = max(value("squared error", "means"), 1e-12)
    worse_c = None
    if ("squared error", "", "c shuffled") in table.index:
        worse_c = value("squared error", "c shuffled") / error - 1
    return Facts(
        units=int((kl_per_dim > active).sum()),
        n_units=len(kl_per_dim),
        kl=value("KL"),
        error=error,
        worse_z=value("squared error", "z shuffled") / error - 1,
        worse_c=worse_c,
        gain=1 - error / means,
        linear_gain=1 - value("squared error", "linear") / means,
        linear_units=int(value("active units", "linear")),
        linear_kl=value("KL", "linear"),
        shift=0.0 if worse_c is None else value("encoder shift"),
        skills={skill.target: skill for skill in _skills(table, n_rows)},
    )


def _skills(table: pd.DataFrame, n_rows: int) -> Iterator[Skill]:
    for measure, target, space in table.index:
        if (measure, space) != ("probe", "sampled z"):
            continue
        chance = table.at[("probe", target, "sampled z"), "chance"]
        in_z, in_data = (
            (table.at[("probe", target, where), "value"] - chance) / (1 - chance)
            for where in ("sampled z", "data")
        )
        # two standard errors at chance are granted
        edge = 0.1 + 2 * np.sqrt(chance / (1 - chance) / n_rows)
        yield Skill(target, float(in_z), float(in_data), float(edge))


def verdict_from(facts: Facts, at: Thresholds) -> str:
    """The verdict that the facts carry.

    "collapsed": no active unit, KL near 0, z exchanged without notice, probes of z at chance.
    "partial collapse": z matters, but has less than half of the nats of the best linear code of
    as many units, and takes off less than half of the error that this code takes off.
    "informative": z carries the data, and the model makes no use of c. "by design": encoder and
    decoder use c, z carries the data, and a probe of c gets less than half of its skill on the
    data; "keeps c" when it gets more. "encoder only", "decoder only": the other half makes no use
    of c. "undecided": the measures contradict each other, or the data do not show c either."""
    ignores_z = facts.worse_z < at.notices
    if facts.units == 0 and ignores_z:
        silent = all(skill.at_chance for skill in facts.skills.values())
        return "collapsed" if silent and facts.kl < at.silent else "undecided"
    if facts.units == 0 or ignores_z:
        return "undecided"
    if facts.share_of_rate < at.partial and facts.share_of_gain < at.partial:
        return "partial collapse"
    if facts.worse_c is None:
        return "informative"
    return _use_of_condition(facts, at)


def _use_of_condition(facts: Facts, at: Thresholds) -> str:
    encoder = facts.shift > at.shifts
    decoder = facts.worse_c is not None and facts.worse_c > at.notices
    if not encoder:
        return "decoder only" if decoder else "informative"
    if not decoder:
        return "encoder only"
    skill = facts.skills.get("c")
    if skill is None or skill.data <= skill.edge:
        return "undecided"
    return "by design" if skill.z < at.forgets * skill.data else "keeps c"


def evidence_of(facts: Facts, table: pd.DataFrame) -> list[str]:
    """The facts in words, one line each."""
    gain = f"{facts.gain:.0%} lower"
    if facts.gain < 0:
        gain = f"{-facts.gain:.0%} higher"
    lines = [
        f"{facts.units} of {facts.n_units} units are active, and the KL is {facts.kl:.2f} nats. "
        f"The best linear code has {facts.linear_units} units and {facts.linear_kl:.1f} nats.",
        f"The squared error is {facts.error:.3f}. With another row's z it changes by "
        f"{facts.worse_z:+.1%}.",
        f"The error is {gain} than that of a table of means. With the best linear code it would "
        f"be {facts.linear_gain:.0%} lower.",
    ]
    for name in facts.skills:
        in_z, in_data = (table.loc[("probe", name, space)] for space in ("sampled z", "data"))
        lines.append(
            f"A probe reads {name} from z in {in_z.value:.0%} of cases, and from the data in "
            f"{in_data.value:.0%}. Guessing is right in {in_z.chance:.0%}."
        )
    if facts.worse_c is not None:
        lines += [
            "When the encoder is given another class, mu moves by "
            f"{facts.shift:.2f} standard deviations.",
            "When the decoder is given another class, the squared error changes by "
            f"{facts.worse_c:+.1%}.",
        ]
    return lines
