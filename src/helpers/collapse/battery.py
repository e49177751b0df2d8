"""Has this model collapsed? The battery: KL, active units, shuffles, swaps, probes, and a verdict with its evidence.

Posterior collapse means that q(z|x,c) equals the prior for every x: no unit carries information, and the decoder
does not notice when z is exchanged. A conditional VAE whose z says nothing about c is another matter: since
E[KL(q(z|x,c)||p)] = I(z;c) + I(z;x|c) + KL(q(z)||p) (Hoffman & Johnson 2016, with the condition added) and the decoder
is given c, I(z;c) is pure cost, and the best z is independent of c. Page "CVAE: collapse or by design?".
Shapes: n rows, D features, d latent dimensions. KL and information in nats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import logsumexp

from .adapter import Network
from .planted import CASES, Planted, draw as planted
from .probes import bootstrap, cluster_nmi, cluster_within, probe, probe_data, subset

ACTIVE_KL = 0.05  # nats: a unit above is active
ACTIVE_VARIANCE = 0.01  # of mu: the older rule (Burda, Grosse & Salakhutdinov 2016, sec. 3), which overcounts
NOTICES = 0.05  # a shuffle that raises the squared error by less than 5 % goes unnoticed
SHIFTS = 0.02  # an encoder whose mu moves by less than 2 % of its spread when c is swapped does not use c
NEAR_CHANCE = 0.5  # z has lost c when a probe gets less than half of the skill that it has on the data themselves


# ---- single measures ------------------------------------------------------------------------------------------------

def kl_per_dimension(mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """KL(q(z_j|x)||N(0,1)) per row and dimension, nats, (n, d) (Kingma & Welling 2014, appendix B)."""
    mu, logvar = np.asarray(mu, dtype=float), np.asarray(logvar, dtype=float)
    return 0.5 * (mu**2 + np.exp(logvar) - 1.0 - logvar)


def active_units(mu: np.ndarray, logvar: np.ndarray, rule: str = "kl") -> np.ndarray:
    """Positions of the active dimensions: mean KL above 0.05 nats (`rule="kl"`), or variance of mu over the rows above
    0.01 (`rule="variance"`, Burda et al. 2016), which also counts dimensions that are almost all noise."""
    if rule not in ("kl", "variance"):
        raise ValueError(f"rule is {rule!r}; choose kl or variance.")
    score = kl_per_dimension(mu, logvar).mean(axis=0) if rule == "kl" else np.var(np.asarray(mu, dtype=float), axis=0)
    return np.flatnonzero(score > (ACTIVE_KL if rule == "kl" else ACTIVE_VARIANCE))


def information(mu: np.ndarray, logvar: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """I(x;z) under q, and the marginal KL(q(z)||p) = mean KL - I(x;z), both in nats, at one sample of z per row.

    q(z) is the mixture of the rows' own posteriors, so that I(x;z) cannot exceed log n (it saturates there, and the
    marginal KL takes the rest); either can be slightly negative by sampling when it is truly zero. At most 2000 rows
    are used. Hoffman & Johnson 2016, eq. 9.
    """
    rows = subset(len(mu), seed, 2000)
    mu, logvar = np.asarray(mu, dtype=float)[rows], np.asarray(logvar, dtype=float)[rows]
    noise = np.random.default_rng([seed, 11]).normal(size=mu.shape)
    z, precision = mu + noise * np.exp(0.5 * logvar), np.exp(-logvar)
    distance = z**2 @ precision.T - 2.0 * z @ (mu * precision).T + (mu**2 * precision + logvar).sum(axis=1)
    log_q = logsumexp(-0.5 * distance, axis=1) - np.log(len(mu))
    gained = float((-0.5 * (noise**2 + logvar).sum(axis=1) - log_q).mean())
    return gained, float(kl_per_dimension(mu, logvar).sum(axis=1).mean()) - gained


@dataclass(frozen=True)
class PPCA:
    """What probabilistic PCA foretells: eigenvalues `spectrum` (D,), `active` units, `rate` (nats) and `distortion`
    (squared error summed over features) of the best linear model."""

    spectrum: np.ndarray
    active: int
    rate: float
    distortion: float


def predict(X: np.ndarray, beta: float, c: np.ndarray | None = None) -> PPCA:
    """The linear VAE's optimum at `beta`: a unit for every eigenvalue of the covariance above sigma^2 = beta / 2.

    A linear VAE has the global optimum of pPCA (Lucas et al. 2019, theorem 1): a unit keeps log(eigenvalue / sigma^2)/2
    nats and an error of sigma^2, every other direction loses its whole eigenvalue. X (n, D); with `c` (n,) the class
    means are taken off first, since a decoder that is given c has them for nothing.
    """
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
    """What `diagnose` found: `table` (one row per measure: value, 95 % interval, how to read it), `values` (the same as
    a dict), `kl_per_dim` (d,), `active` (positions), `verdict`, its `evidence`, and `notes` on what is missing."""

    values: dict[str, float]
    table: pd.DataFrame
    kl_per_dim: np.ndarray
    active: np.ndarray
    verdict: str
    evidence: list[str]
    notes: list[str]

    def __str__(self) -> str:
        return "\n".join([f"verdict: {self.verdict}", *(f"  - {line}" for line in self.evidence),
                          *(f"  (note: {line})" for line in self.notes)])


def diagnose(model, X: np.ndarray, c: np.ndarray | None = None, factors: dict[str, np.ndarray] | None = None,
             groups: np.ndarray | None = None, beta: float | None = None, seed: int = 0,
             n_boot: int = 500) -> Diagnosis:
    """Run the whole battery on a trained model and say whether it collapsed.

    `model` is one of ours (`fit.model()`) or any object with `encode(x[, c]) -> (mu, logvar)` and `decode(z[, c])`;
    X (n, D) is what it was trained on, scaled; c (n,) the condition as integer codes, or labels to look for in z;
    `factors` name -> (n,) categorical, other things that z may hold; `groups` (n,) the track of each row, kept together
    in probes and intervals; `beta` the KL weight for the pPCA prediction (read from our own recipes); `n_boot` draws
    for the intervals (0: none).
    Raises ValueError for fewer than two rows, non-finite X, a condition with one class or of another length, and for
    NaN from the model.
    """
    X, c, n_classes = _checked(model, X, c, {**(factors or {}), **({"groups": groups} if groups is not None else {})})
    network, notes = Network(model, n_classes), []
    try:
        mu, logvar = network.encode(X, c)
        rng = np.random.default_rng([seed, 11])
        z = mu + rng.normal(size=mu.shape) * np.exp(0.5 * logvar)
        order = rng.permutation(len(X))
        kl, active = kl_per_dimension(mu, logvar), active_units(mu, logvar)
        columns = {"KL": kl.sum(axis=1), "MSE": network.squared_error(X, z, c)}
        columns["MSE, z shuffled"] = network.squared_error(X, z[order], c)
        columns["MSE, z = 0"] = network.squared_error(X, np.zeros_like(z), c)
        values: dict[str, float] = {"active units (KL > 0.05)": len(active)}
        values["active units (Var > 0.01)"] = len(active_units(mu, logvar, "variance"))
        if c is not None:
            columns["MSE, c shuffled"] = network.squared_error(X, z, c[order])
            values["encoder shift"] = encoder_shift(network, X, c, mu, active, seed)
    finally:
        network.close()
    values["I(x;z)"], values["KL(q(z)||p)"] = information(mu, logvar, seed)
    targets = ({"c": c} if c is not None else {}) | (factors or {})
    for name, target in targets.items():
        for space, Z in (("sampled z", z), ("active units", mu[:, active]), ("data", X)):
            look = probe_data if space == "data" else probe  # the data's probe is the same for every model
            found = look(Z, target, groups, seed) if Z.shape[1] else None
            if found is not None:
                columns[f"probe of {name}, {space}"] = _spread(found, len(X))
                values[f"chance, {name}"] = found.chance
            elif Z.shape[1]:
                notes.append(f"no probe of {name}: it has fewer than two classes with at least two tracks")
                break
            if name == "c" and space == "sampled z" and found is not None:
                values["I(z;c)"] = found.information
        if not len(active):
            notes.append(f"no active unit to probe for {name}: stated at chance")
            values[f"probe of {name}, active units"] = values.get(f"chance, {name}", 0.0)
        clustered = mu[:, active] if len(active) else z
        if name == "c":
            standardised = (mu - mu.mean(axis=0)) / mu.std(axis=0).clip(1e-12)
            values["NMI of c, K-Means on mu"], values["NMI of c, by chance"] = cluster_nmi(clustered, target, seed)
            values["NMI of c, K-Means on standardised mu"] = cluster_nmi(standardised, target, seed)[0]
        elif clusters := cluster_within(clustered, np.zeros(len(X)) if c is None else c, target, seed):
            values[f"clusters within c, {name}"], values[f"clusters within c, {name}, chance"] = clusters
    beta = beta if beta is not None else _beta(model)
    if beta is not None:
        given = c if getattr(model, "decoder_sees_c", network.sees_c["decode"]) else None
        foretold = predict(X, beta, given)
        values["active units, pPCA"], values["KL, pPCA"] = min(foretold.active, mu.shape[1]), foretold.rate
    values |= {name: float(np.nanmean(column)) for name, column in columns.items()}
    n_units = len(X) if groups is None else len(np.unique(groups))
    verdict, evidence = decide(values, list(factors or {}), n_units)
    table = _table(values, columns, groups, seed, n_boot)
    return Diagnosis(values, table, kl.mean(axis=0), active, verdict, evidence, notes)


def decide(values: dict[str, float], factors: list[str], n: int) -> tuple[str, list[str]]:
    """The verdict that the measures of `diagnose` on n independent tracks carry, and the evidence in words.

    "collapsed": no active unit, KL near 0, z shuffled goes unnoticed, probes of z at chance. "informative": z carries
    the data and the model makes no use of c. "by design": encoder and decoder use c, z carries the data, and a probe of
    c gets less than half of its skill on the data; "keeps c" when it gets more. "encoder only", "decoder only": the
    other one makes no use of c. "undecided": the measures contradict each other.
    """
    units, kl, mse = int(values["active units (KL > 0.05)"]), values["KL"], values["MSE"]
    worse = {key: values[f"MSE, {key} shuffled"] / mse - 1 for key in ("z", "c") if f"MSE, {key} shuffled" in values}
    skill = {name: _skill(values, name, "sampled z") for name in ("c", *factors) if f"chance, {name}" in values}
    evidence = [f"{units} active unit{'s' * (units != 1)}, KL {kl:.2f} nats",
                f"squared error {mse:.3f}, {worse['z']:+.1%} with z shuffled"]
    for name in skill:
        evidence.append(f"probe of {name} from z: {values[f'probe of {name}, sampled z']:.2f} (chance "
                        f"{values[f'chance, {name}']:.2f}, from the data {values[f'probe of {name}, data']:.2f})")
    quiet, at_chance = worse["z"] < NOTICES, True
    for name, s in skill.items():  # two standard errors of an accuracy at chance are granted
        chance = values[f"chance, {name}"]
        at_chance &= s < 0.1 + 2 * np.sqrt(chance / (1 - chance) / n)
    if units == 0 or quiet:
        dead = units == 0 and quiet and kl < 0.5 and at_chance
        return ("collapsed" if dead else "undecided"), evidence
    if "c" not in worse:
        return "informative", evidence
    encoder, decoder = values["encoder shift"] > SHIFTS, worse["c"] > NOTICES
    evidence += [f"mu moves by {values['encoder shift']:.2f} of its spread when the encoder is told another class",
                 f"squared error {worse['c']:+.1%} when the decoder is told another class"]
    if encoder and decoder:
        forgotten = "c" in skill and skill["c"] < NEAR_CHANCE * max(_skill(values, "c", "data"), 1e-9)
        return ("by design" if forgotten else "keeps c"), evidence
    return ("encoder only" if encoder else "decoder only" if decoder else "informative"), evidence


def _skill(values: dict[str, float], name: str, space: str) -> float:
    chance = values[f"chance, {name}"]
    return (values[f"probe of {name}, {space}"] - chance) / (1 - chance)


def _spread(found, n: int) -> np.ndarray:
    """The weighted hits of a probe at their rows, NaN at rows that it left out."""
    column = np.full(n, np.nan)
    column[found.rows] = found.hits
    return column


def _beta(model) -> float | None:
    recipe = getattr(model, "recipe", None)
    return None if recipe is None or recipe.sigma == "learned" else float(recipe.beta)


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


_READING = {
    "active units (KL > 0.05)": "0 if collapsed", "active units (Var > 0.01)": "overcounts",
    "active units, pPCA": "eigenvalues above beta / 2",
    "KL": "nats; 0 if collapsed", "KL, pPCA": "nats, best linear model",
    "I(x;z)": "nats, at most log n; slightly below 0 by sampling", "KL(q(z)||p)": "nats, KL - I(x;z)",
    "I(z;c)": "nats, lower bound by a probe; below 0: no better than class frequencies", "MSE": "per feature",
    "MSE, z shuffled": "as MSE if collapsed", "MSE, z = 0": "as MSE if collapsed",
    "MSE, c shuffled": "as MSE if the decoder ignores c", "encoder shift": "0 if the encoder ignores c",
    "NMI of c, K-Means on mu": "active units", "NMI of c, by chance": "labels permuted",
    "NMI of c, K-Means on standardised mu": "dead units too: misleads",
}


def _table(values: dict[str, float], columns: dict[str, np.ndarray], groups: np.ndarray | None,
           seed: int, n_boot: int) -> pd.DataFrame:
    low, high = {}, {}
    if n_boot:
        limits = bootstrap(np.column_stack(list(columns.values())), groups, seed, n_boot)
        low, high = (dict(zip(columns, row, strict=True)) for row in limits)
    order = [n for n in _READING if n in values]
    order += [n for n in values if n not in _READING and not n.startswith("chance")]
    table = pd.DataFrame({"value": [values[n] for n in order], "low": [low.get(n) for n in order],
                          "high": [high.get(n) for n in order]}, index=pd.Index(order, name="measure"))
    table["reading"] = [_READING.get(n) or _probe_reading(n, values) for n in order]
    return table


def _probe_reading(name: str, values: dict[str, float]) -> str:
    if name.startswith("probe of "):
        return f"balanced accuracy, chance {values.get('chance, ' + name[9:].rsplit(',', 1)[0], 0.0):.2f}"
    return "NMI of K-Means in each class" + (", factor permuted" if name.endswith("chance") else "")
