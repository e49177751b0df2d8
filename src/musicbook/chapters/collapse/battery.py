"""Has this model collapsed? The battery: KL, active units, shuffles, swaps, probes, and a verdict
with its evidence.

Posterior collapse means that q(z|x,c) equals the prior for every x: no unit carries information,
and the decoder does not notice when z is exchanged. A partial collapse is one of some units (Lucas
et al. 2019 define it unit by unit; Dang et al. 2024 for conditional VAEs). A conditional VAE whose
z says nothing about c is another matter: since E[KL(q(z|x,c)||p)] = I(z;c) + I(z;x|c) + KL(q(z)||p)
(Hoffman & Johnson 2016, with the condition added) and the decoder is given c, I(z;c) is pure cost,
and the best z is independent of c. Page "CVAE and posterior collapse". Shapes: n rows, D features,
d latent dimensions. KL and information in nats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from helpers import models, training
from helpers.shown import short_repr_of
from musicbook.chapters.collapse import measures
from musicbook.chapters.collapse.adapter import Network
from musicbook.chapters.collapse.decision import (
    Facts,
    Thresholds,
    evidence_of,
    facts_of,
    verdict_from,
)
from musicbook.chapters.collapse.measures import Measure
from musicbook.chapters.collapse.probes import mean_interval

# what a row of the battery is called: a name, of what, and where or how
LEVELS = ["measure", "target", "space"]


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` measured.

    `table` has a row a measure, named by LEVELS, with value, low and high (95 % interval over rows
    or groups), chance, and how to read it; `rows` (n, ...) the measures that are means over rows;
    `kl_per_dim` (d,); `n_units` how many rows or groups are independent; `notes` what is
    missing."""

    table: pd.DataFrame
    rows: pd.DataFrame = field(repr=False)
    kl_per_dim: np.ndarray
    n_units: int
    notes: list[str]

    def value(self, measure: str, target: str = "", space: str = "") -> float:
        """One measure; KeyError for one that was not taken."""
        return float(self.table.at[(measure, target, space), "value"])

    def facts(self, at: Thresholds = Thresholds()) -> Facts:  # noqa: B008 (frozen)
        """What the verdict rests on."""
        return facts_of(self.table, self.kl_per_dim, self.n_units, at.active)

    def verdict_at(self, at: Thresholds) -> str:
        """The verdict with other thresholds."""
        return verdict_from(self.facts(at), at)

    @property
    def verdict(self) -> str:
        """`decision.verdict_from` at the usual thresholds."""
        return self.verdict_at(Thresholds())

    @property
    def evidence(self) -> list[str]:
        """What carries the verdict, in words."""
        return evidence_of(self.facts(), self.table)

    def __str__(self) -> str:
        lines = [f"verdict: {self.verdict}"]
        lines += [f"  - {line}" for line in self.evidence]
        lines += [f"  (note: {line})" for line in self.notes]
        return "\n".join(lines)


short_repr_of(Diagnosis)


def diagnose(
    model,
    X: np.ndarray,
    c: np.ndarray | None = None,
    factors: Mapping[str, np.ndarray] | None = None,
    groups: np.ndarray | None = None,
    beta: float | None = None,
    seed: int = 0,
    blocks: Mapping[str, np.ndarray] | None = None,
    reference: np.ndarray | None = None,
) -> Diagnosis:
    """Run the whole battery on a trained model and say whether it collapsed.

    `model` is one of ours (`fit.model()`) or any object with `encode(x[, c]) -> (mu, logvar)` and
    `decode(z[, c])`; X (n, D) is what it was trained on, scaled to unit variance; c (n,) the
    condition as integer codes, or labels to look for in z; `factors` name -> (n,) categorical,
    other things that z may hold; `groups` (n,) what belongs together (a track's segments), kept
    together in probes and intervals; `beta` the KL weight for the linear code of the same weight
    (read from our own recipes); `blocks` name -> positions of the columns whose error is stated
    apart; `reference` the positions of the columns that a probe may see when it asks what the data
    say of c: without those that were made from it, or the answer says nothing (all columns, if
    None). Raises ValueError for fewer than two rows, non-finite X, a condition with one class or of
    another length, and for NaN from the model."""
    factors, blocks = dict(factors or {}), dict(blocks or {})
    per_row = factors if groups is None else {**factors, "groups": groups}
    X, c, n_classes = _checked(model, X, c, per_row)
    targets = factors if c is None else {"c": c, **factors}
    shown = X if reference is None else X[:, reference]
    notes: list[str] = []
    with Network(model, n_classes) as network:
        mu, logvar = network.encode(X, c)
        kl = training.kl_rows(mu, logvar)
        active = np.flatnonzero(kl.mean(axis=0) > models.ACTIVE_KL)
        rng = np.random.default_rng([seed, 11])
        z = mu + rng.normal(size=mu.shape) * np.exp(0.5 * logvar)
        taken = list(measures.of_code(mu, logvar, kl, active, seed))
        taken += measures.of_decoder(network, X, c, z, rng.permutation(len(X)), blocks)
        taken += measures.of_linear_code(network, X, c, mu.shape[1], _beta(model, beta))
        if c is not None:
            shift = measures.encoder_shift(network, X, c, mu, active, seed)
            taken.append(Measure("encoder shift", shift, reading="0 if the encoder ignores c"))
    taken += measures.of_probes(targets, shown, z, mu[:, active], groups, seed, notes)
    code = mu[:, active] if len(active) else z
    taken += measures.of_clusters(targets, code, mu, groups, seed)
    table, rows = _tabulated(taken, groups)
    n_units = len(X) if groups is None else len(np.unique(groups))
    return Diagnosis(table, rows, kl.mean(axis=0), n_units, notes)


def _beta(model, beta: float | None) -> float | None:
    """The KL weight that a model was trained with, as far as it is known."""
    recipe = getattr(model, "recipe", None)
    if beta is None and recipe is not None and recipe.sigma == "fixed":
        return recipe.beta
    return beta


def _tabulated(
    taken: list[Measure], groups: np.ndarray | None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`Diagnosis.table` and `Diagnosis.rows`."""
    rows = pd.DataFrame({m.key: m.value for m in taken if isinstance(m.value, np.ndarray)})
    edges = limits(rows, groups)
    lines = []
    for measure in taken:
        low, high = edges.get(measure.key, (np.nan, np.nan))
        value = float(np.nanmean(measure.value))
        lines.append([*measure.key, value, low, high, measure.chance, measure.reading])
    columns = [*LEVELS, "value", "low", "high", "chance", "reading"]
    return pd.DataFrame(lines, columns=columns).set_index(LEVELS), rows


def limits(rows: pd.DataFrame, groups: np.ndarray | None) -> dict[tuple, np.ndarray]:
    """95 % interval (low, high) of the mean of every column of `Diagnosis.rows`, over rows or whole
    groups."""
    edges = dict(zip(rows, mean_interval(rows.to_numpy(), groups).T, strict=True))
    for key, edge in edges.items():
        if key[0] == "probe":
            edges[key] = np.clip(edge, 0.0, 1.0)
    return edges


def _checked(
    model, X: np.ndarray, c: np.ndarray | None, per_row: Mapping[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None, int]:
    """X as floats, c as codes, and how many classes the model knows; see `diagnose`."""
    X = np.ascontiguousarray(X, dtype=float)
    if X.ndim != 2 or len(X) < 2:
        raise ValueError(
            f"diagnose() needs a table of at least two rows, not an array of shape {X.shape}."
        )
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X)).sum())
        raise ValueError(f"X has {bad} NaN or infinite values; leave these rows out.")
    for name, values in {"c": c, **per_row}.items():
        if values is not None and len(values) != len(X):
            raise ValueError(
                f"{name} has {len(values)} entries for {len(X)} rows; it needs one per row."
            )
    if c is None:
        return X, None, 0
    names, codes = np.unique(np.asarray(c), return_inverse=True)
    if len(names) < 2:
        raise ValueError(
            f"The condition has one class only ({names[0]}); pass c=None, or rows of two classes "
            "or more."
        )
    if np.issubdtype(names.dtype, np.integer) and names[0] >= 0:
        codes = np.asarray(c, dtype=int)  # keep the codes that the model was trained with
    known = int(getattr(model, "n_classes", 0) or 0)
    return X, codes, max(known, int(codes.max()) + 1)
