"""Has this model collapsed? The battery: KL, active units, shuffles, swaps, probes, and a verdict with its evidence.

Posterior collapse means that q(z|x,c) equals the prior for every x: no unit carries information, and the decoder
does not notice when z is exchanged. A conditional VAE whose z says nothing about c is another matter: since
E[KL(q(z|x,c)||p)] = I(z;c) + I(z;x|c) + KL(q(z)||p) (Hoffman & Johnson 2016, with the condition added) and the decoder
is given c, I(z;c) is pure cost, and the best z is independent of c. Page "CVAE: collapse or by design?".
Shapes: n rows, D features, d latent dimensions. KL and information in nats."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch

from .. import models, training
from .adapter import Network
from .factors import total_correlation
from .probes import cluster_nmi, cluster_within, interval, probe, subset

ACTIVE_VARIANCE = 0.01  # of mu: the older rule (Burda, Grosse & Salakhutdinov 2016, sec. 3), which overcounts
LEVELS = ["measure", "target", "space"]  # what a row of the battery is called: a name, of what, and where or how
Row = tuple[tuple[str, str, str], np.ndarray | float, float]  # LEVELS, a value or one a row (n,), its chance


@dataclass(frozen=True)
class Thresholds:
    """Where the verdict turns: a unit with more than `active` nats is active; a shuffle that raises the squared error
    by less than the share `notices` goes unnoticed; below `silent` nats there is no KL; an encoder whose mu moves by
    less than `shifts` of its spread when c is swapped does not use c; z has lost c when a probe gets less than
    `forgets` of the skill that it has on the data themselves."""

    active: float = models.ACTIVE_KL
    notices: float = 0.05
    silent: float = 0.5
    shifts: float = 0.02
    forgets: float = 0.5


# ---- single measures ------------------------------------------------------------------------------------------------


def information(mu: np.ndarray, logvar: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """I(x;z) under q, and the marginal KL(q(z)||p) = mean KL - I(x;z), both in nats, of at most 2000 rows: I(x;z)
    saturates at log n (`models.mutual_information`), and the marginal KL takes the rest."""
    rows = subset(len(mu), seed, 2000)
    noise = np.random.default_rng([seed, 11]).normal(size=(len(rows), mu.shape[1]))
    mu, logvar = np.asarray(mu, dtype=float)[rows], np.asarray(logvar, dtype=float)[rows]
    gained = float(models.mutual_information(*map(torch.as_tensor, (mu, logvar, noise))))
    return gained, float(training.kl_rows(mu, logvar).sum(axis=1).mean()) - gained


@dataclass(frozen=True)
class PPCA:
    """What probabilistic PCA foretells of the best linear model: eigenvalues `spectrum` (D,), `active` units, `rate` in
    nats, `distortion` (squared error summed over features)."""

    spectrum: np.ndarray
    active: int
    rate: float
    distortion: float


def predict(X: np.ndarray, beta: float, c: np.ndarray | None = None) -> PPCA:
    """The linear VAE's optimum at `beta`: a unit for every eigenvalue of the covariance above sigma^2 = beta / 2.

    A linear VAE has the global optimum of pPCA (Lucas et al. 2019, theorem 1): a unit keeps log(eigenvalue / sigma^2)/2
    nats and an error of sigma^2, every other direction loses its whole eigenvalue. X (n, D); with `c` (n,) the class
    means are taken off first, since a decoder that is given c has them for nothing."""
    centred = np.array(X, dtype=float)
    for rows in [slice(None)] if c is None else [np.asarray(c) == name for name in np.unique(c)]:
        centred[rows] -= centred[rows].mean(axis=0)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2 / len(centred)
    spectrum = np.pad(spectrum, (0, centred.shape[1] - len(spectrum)))
    kept = spectrum[spectrum > beta / 2]
    return PPCA(spectrum, len(kept), float(0.5 * np.log(kept / (beta / 2)).sum()) if len(kept) else 0.0,
                float(np.minimum(spectrum, beta / 2).sum()))


def encoder_shift(network: Network, X: np.ndarray, c: np.ndarray, mu: np.ndarray, active: np.ndarray,
                  seed: int = 0) -> float:
    """How far mu moves when the encoder is told another class: root mean square over rows and active units, in units
    of mu's own standard deviation; 0 for an encoder that does not see c, and when no unit is active."""
    if not len(active):
        return 0.0
    present = np.unique(c)
    step = np.random.default_rng([seed, 12]).integers(1, len(present), len(c))
    moved = network.encode(X, present[(np.searchsorted(present, c) + step) % len(present)])[0] - mu
    return float(np.sqrt(((moved[:, active] / mu[:, active].std(axis=0)) ** 2).mean()))


# ---- the battery ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Diagnosis:
    """What `diagnose` found. `table` has a row a measure, named by LEVELS, with value, low and high (95 % interval over
    rows or groups), chance, and how to read it; `rows` (n, ...) the measures that are means over rows; `kl_per_dim`
    (d,); `n_units` how many rows or groups are independent; `notes` what is missing."""

    table: pd.DataFrame
    rows: pd.DataFrame = field(repr=False)
    kl_per_dim: np.ndarray
    n_units: int
    notes: list[str]

    def value(self, measure: str, target: str = "", space: str = "") -> float:
        """One measure; KeyError for one that was not taken."""
        return float(self.table.at[(measure, target, space), "value"])

    @property
    def verdict(self) -> str:
        """`decide` at the usual thresholds."""
        return decide(self)[0]

    def __str__(self) -> str:
        verdict, evidence = decide(self)
        return "\n".join([f"verdict: {verdict}", *(f"  - {line}" for line in evidence),
                          *(f"  (note: {line})" for line in self.notes)])


def diagnose(model, X: np.ndarray, c: np.ndarray | None = None, factors: dict[str, np.ndarray] | None = None,
             groups: np.ndarray | None = None, beta: float | None = None, seed: int = 0) -> Diagnosis:
    """Run the whole battery on a trained model and say whether it collapsed.

    `model` is one of ours (`fit.model()`) or any object with `encode(x[, c]) -> (mu, logvar)` and `decode(z[, c])`;
    X (n, D) is what it was trained on, scaled; c (n,) the condition as integer codes, or labels to look for in z;
    `factors` name -> (n,) categorical, other things that z may hold; `groups` (n,) what belongs together (a track's
    segments), kept together in probes and intervals; `beta` the KL weight for the pPCA prediction (read from our own
    recipes). Raises ValueError for fewer than two rows, non-finite X, a condition with one class or of another length,
    and for NaN from the model."""
    factors = factors or {}
    X, c, n_classes = _checked(model, X, c, factors | ({} if groups is None else {"groups": groups}))
    targets = ({} if c is None else {"c": c}) | factors
    notes: list[str] = []
    with Network(model, n_classes) as network:
        mu, logvar = network.encode(X, c)
        kl = training.kl_rows(mu, logvar)
        active = np.flatnonzero(kl.mean(axis=0) > models.ACTIVE_KL)
        rng = np.random.default_rng([seed, 11])
        z = mu + rng.normal(size=mu.shape) * np.exp(0.5 * logvar)
        found = [*_of_code(mu, logvar, kl, active, seed), *_of_decoder(network, X, c, z, rng.permutation(len(X)))]
        if c is not None:
            found.append((("encoder shift", "", ""), encoder_shift(network, X, c, mu, active, seed), np.nan))
    found += _of_probes(targets, X, z, mu[:, active], groups, seed, notes)
    found += _of_clusters(targets, mu[:, active] if len(active) else z, mu, groups, seed)
    recipe = getattr(model, "recipe", None)
    if beta is None and recipe is not None and recipe.sigma == "fixed":
        beta = recipe.beta
    if beta is not None:
        foretold = predict(X, beta, c if getattr(model, "decoder_sees_c", network.sees_c["decode"]) else None)
        found += [(("active units", "", "pPCA"), min(foretold.active, mu.shape[1]), np.nan),
                  (("KL", "", "pPCA"), foretold.rate, np.nan)]  # fmt: skip
    table, rows = _tabulated(found, groups)
    return Diagnosis(table, rows, kl.mean(axis=0), len(X) if groups is None else len(np.unique(groups)), notes)


def _of_code(mu: np.ndarray, logvar: np.ndarray, kl: np.ndarray, active: np.ndarray, seed: int) -> Iterator[Row]:
    """Measures of the code alone."""
    yield ("active units", "", ""), len(active), np.nan
    yield ("active units", "", "Var(mu) > 0.01"), int((mu.var(axis=0) > ACTIVE_VARIANCE).sum()), np.nan
    yield ("KL", "", ""), kl.sum(axis=1), np.nan
    for name, value in zip(("I(x;z)", "KL(q(z)||p)"), information(mu, logvar, seed), strict=True):
        yield (name, "", ""), value, np.nan
    if len(mu) > len(active):  # a covariance needs more rows than dimensions
        yield ("total correlation", "", ""), total_correlation(mu[:, active], logvar[:, active], seed), np.nan


def _of_decoder(network: Network, X: np.ndarray, c: np.ndarray | None, z: np.ndarray,
                order: np.ndarray) -> Iterator[Row]:
    """Squared error as the model is, and with z or c exchanged."""
    told = {"": (z, c), "z shuffled": (z[order], c), "z = 0": (np.zeros_like(z), c)}
    for how, given in (told if c is None else told | {"c shuffled": (z, c[order])}).items():
        yield ("squared error", "", how), network.squared_error(X, *given), np.nan


def _of_probes(targets: dict[str, np.ndarray], X: np.ndarray, z: np.ndarray, active: np.ndarray,
               groups: np.ndarray | None, seed: int, notes: list[str]) -> Iterator[Row]:
    """Probes of every target in sampled z, active units' means (n, n_active) and the data; adds to `notes`. Dead ones
    are left out: a probe standardises, and would blow up traces too faint to use."""
    for name, target in targets.items():
        sampled, data = probe(z, target, groups, seed), probe(X, target, groups, seed)
        if sampled is None or data is None:
            notes.append(f"no probe of {name}: it has fewer than two classes with at least two tracks")
            continue
        within = probe(active, target, groups, seed) if active.shape[1] else None
        if within is None:
            notes.append(f"no active unit to probe for {name}: stated at chance")
        yield ("probe", name, "sampled z"), sampled.hits, sampled.chance
        yield ("probe", name, "active units"), sampled.chance if within is None else within.hits, sampled.chance
        yield ("probe", name, "data"), data.hits, data.chance
        if name == "c":
            yield ("I(z;c)", "c", ""), sampled.information, np.nan


def _of_clusters(targets: dict[str, np.ndarray], code: np.ndarray, mu: np.ndarray, groups: np.ndarray | None,
                 seed: int) -> Iterator[Row]:
    """NMI of K-Means on the code with c, and within each class of c with the other targets."""
    for name, target in targets.items():
        if name == "c":
            yield ("NMI", "c", "active units"), *cluster_nmi(code, target, groups, seed)
            scaled = (mu - mu.mean(axis=0)) / mu.std(axis=0).clip(1e-12)
            yield ("NMI", "c", "standardised mu"), *cluster_nmi(scaled, target, groups, seed)
        elif nmi := cluster_within(code, targets.get("c", np.zeros(len(mu))), np.asarray(target), groups, seed):
            yield ("NMI within c", name, "active units"), *nmi


_READING = {
    ("active units", ""): "0 if collapsed", ("active units", "Var(mu) > 0.01"): "overcounts",
    ("active units", "pPCA"): "eigenvalues above beta / 2", ("KL", ""): "nats; 0 if collapsed",
    ("KL", "pPCA"): "nats, best linear model", ("KL(q(z)||p)", ""): "nats, KL - I(x;z)",
    ("total correlation", ""): "nats, of active units", ("squared error", ""): "per feature",
    ("squared error", "z shuffled"): "as trained if collapsed", ("squared error", "z = 0"): "as trained if collapsed",
    ("squared error", "c shuffled"): "as trained if the decoder ignores c",
    ("encoder shift", ""): "0 if the encoder ignores c", ("I(z;c)", ""): "nats, lower bound",
    ("NMI", "active units"): "K-Means", ("NMI", "standardised mu"): "K-Means, dead units too: misleads",
    ("NMI within c", "active units"): "K-Means in each class",
}  # fmt: skip


def _tabulated(found: list[Row], groups: np.ndarray | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`Diagnosis.table` and `Diagnosis.rows`."""
    rows = pd.DataFrame({key: value for key, value, _ in found if isinstance(value, np.ndarray)})
    edges = limits(rows, groups)
    said = _READING | {("I(x;z)", ""): f"nats; this estimate is at most ln n = {np.log(min(len(rows), 2000)):.1f}"}
    lines = []
    for key, value, chance in found:
        lines.append([*key, float(np.nanmean(value)), *edges.get(key, (np.nan, np.nan)), chance,
                      said.get(key[::2], "balanced accuracy")])  # fmt: skip
    columns = [*LEVELS, "value", "low", "high", "chance", "reading"]
    return pd.DataFrame(lines, columns=columns).set_index(LEVELS), rows


def limits(rows: pd.DataFrame, groups: np.ndarray | None) -> dict[tuple, np.ndarray]:
    """95 % interval (low, high) of the mean of every column of `Diagnosis.rows`, over rows or whole groups."""
    edges = dict(zip(rows, interval(rows.to_numpy(), groups).T, strict=True))
    return {key: np.clip(edge, 0.0, 1.0) if key[0] == "probe" else edge for key, edge in edges.items()}


def decide(found: Diagnosis, at: Thresholds = Thresholds()) -> tuple[str, list[str]]:  # noqa: B008 (frozen)
    """The verdict that the measures of a diagnosis carry, and the evidence in words.

    "collapsed": no active unit, KL near 0, z shuffled goes unnoticed, probes of z at chance. "informative": z carries
    the data and the model makes no use of c. "by design": encoder and decoder use c, z carries the data, and a probe of
    c gets less than half of its skill on the data; "keeps c" when it gets more. "encoder only", "decoder only": the
    other one makes no use of c. "undecided": the measures contradict each other, or the data do not show c either."""
    table, units, kl = found.table, int((found.kl_per_dim > at.active).sum()), found.value("KL")
    trained = max(found.value("squared error"), 1e-12)
    worse = {part: found.value("squared error", "", f"{part} shuffled") / trained - 1
             for part in "zc" if ("squared error", "", f"{part} shuffled") in table.index}
    evidence = [f"{units} active unit{'s' * (units != 1)}, KL {kl:.2f} nats",
                f"squared error {trained:.3f}, {worse['z']:+.1%} with z shuffled"]
    skill, at_chance = {}, True
    for name in [target for measure, target, space in table.index if (measure, space) == ("probe", "sampled z")]:
        z, data = (table.loc[("probe", name, space)] for space in ("sampled z", "data"))
        edge = 0.1 + 2 * np.sqrt(z.chance / (1 - z.chance) / found.n_units)  # two standard errors at chance are granted
        skill[name] = [(p.value - p.chance) / (1 - p.chance) for p in (z, data)] + [edge]
        at_chance &= skill[name][0] < edge
        evidence.append(f"probe of {name} from z: {z.value:.2f} (chance {z.chance:.2f}, the data {data.value:.2f})")
    quiet = worse["z"] < at.notices
    if units == 0 or quiet:
        return ("collapsed" if units == 0 and quiet and kl < at.silent and at_chance else "undecided"), evidence
    if "c" not in worse:
        return "informative", evidence
    shift = found.value("encoder shift")
    evidence += [f"mu moves by {shift:.2f} of its spread when the encoder is told another class",
                 f"squared error {worse['c']:+.1%} when the decoder is told another class"]
    encoder, decoder = shift > at.shifts, worse["c"] > at.notices
    from_z, from_data, edge = skill.get("c", (0.0, 0.0, 0.0))
    if encoder and decoder and from_data > edge:
        return ("by design" if from_z < at.forgets * from_data else "keeps c"), evidence
    verdicts = {(True, True): "undecided", (True, False): "encoder only", (False, True): "decoder only"}
    return verdicts.get((encoder, decoder), "informative"), evidence


def _checked(model, X, c, per_row: dict) -> tuple[np.ndarray, np.ndarray | None, int]:
    X = np.ascontiguousarray(X, dtype=float)
    if X.ndim != 2 or len(X) < 2:
        raise ValueError(f"diagnose() needs a table of at least two rows, not an array of shape {X.shape}.")
    if not np.isfinite(X).all():
        raise ValueError(f"X has {int((~np.isfinite(X)).sum())} NaN or infinite values; leave these rows out.")
    for name, values in {"c": c, **per_row}.items():
        if values is not None and len(values) != len(X):
            raise ValueError(f"{name} has {len(values)} entries for {len(X)} rows; it needs one per row.")
    if c is None:
        return X, None, 0
    names, codes = np.unique(np.asarray(c), return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"The condition has one class only ({names[0]}); pass c=None, or rows of two classes or more.")
    if np.issubdtype(names.dtype, np.integer) and names[0] >= 0:
        codes = np.asarray(c, dtype=int)  # keep the codes that the model was trained with
    n_classes = max(int(getattr(model, "n_classes", 0) or 0), int(codes.max()) + 1)
    return X, codes, n_classes
