"""The single measures of the collapse battery: what is in the code, what the decoder notices, what
a probe can read.

Page "CVAE and posterior collapse". Shapes: n rows, D features, d latent dimensions. KL and
information are in nats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from helpers import models, training
from helpers.shown import short_repr_of
from musicbook.chapters.collapse.adapter import Network
from musicbook.chapters.collapse.factors import total_correlation
from musicbook.chapters.collapse.probes import cluster_nmi, cluster_within, probe, subset

# variance of mu: the older rule (Burda, Grosse & Salakhutdinov 2016, sec. 3), which overcounts
ACTIVE_VARIANCE = 0.01
KINDS = ("linear", "RBF")  # of probes, as `probes` calls them
NO_NUMBER = float("nan")


@dataclass(frozen=True)
class Measure:
    """One line of the battery: `name` of `target`, taken in `space` or in this way.

    `value` is a number, or one number a row (n,) of which the mean counts; `chance` is what
    guessing would give, NaN where that has no meaning; `reading` says how to read it."""

    name: str
    value: np.ndarray | float
    target: str = ""
    space: str = ""
    chance: float = NO_NUMBER
    reading: str = ""

    @property
    def key(self) -> tuple[str, str, str]:
        return self.name, self.target, self.space


short_repr_of(Measure)


# ---- the best linear code ------------------------------------------------------------------------


@dataclass(frozen=True)
class LinearCode:
    """The best linear VAE of a table: eigenvalues `spectrum` (D,), how many `units` it keeps, its
    `rate` in nats and its `distortion`, the squared error summed over features."""

    spectrum: np.ndarray
    units: int
    rate: float
    distortion: float


short_repr_of(LinearCode)


def linear_code(
    X: np.ndarray, beta: float = 1.0, c: np.ndarray | None = None, limit: int | None = None
) -> LinearCode:
    """The linear VAE's optimum at `beta` with at most `limit` units: one for every eigenvalue of
    the covariance above sigma^2 = beta / 2.

    A linear VAE has the global optimum of probabilistic PCA (Lucas et al. 2019, theorem 1): a unit
    keeps log(eigenvalue / sigma^2) / 2 nats and an error of sigma^2, every other direction loses
    its whole eigenvalue. X (n, D); with `c` (n,) the class means are taken off first, since a
    decoder that is given c has them for nothing."""
    centred = np.asarray(X, dtype=float) - class_means(X, c)
    spectrum = np.linalg.svd(centred, compute_uv=False) ** 2 / len(centred)
    spectrum = np.pad(spectrum, (0, centred.shape[1] - len(spectrum)))
    kept = spectrum > beta / 2
    if limit is not None:
        kept[limit:] = False
    return LinearCode(
        spectrum,
        int(kept.sum()),
        float(0.5 * np.log(spectrum[kept] / (beta / 2)).sum()),
        float(np.where(kept, beta / 2, spectrum).sum()),
    )


def class_means(X: np.ndarray, c: np.ndarray | None) -> np.ndarray:
    """The mean of every row's class (n, D), or of all rows where there are no classes: the best
    reconstruction without a code."""
    X = np.asarray(X, dtype=float)
    codes = np.zeros(len(X), dtype=int) if c is None else np.unique(c, return_inverse=True)[1]
    sums = np.zeros((codes.max() + 1, X.shape[1]))
    np.add.at(sums, codes, X)
    return (sums / np.bincount(codes)[:, None])[codes]


# ---- what is in the code -------------------------------------------------------------------------


def information(mu: np.ndarray, logvar: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """I(x;z) under q, and the marginal KL(q(z)||p) = mean KL - I(x;z), both in nats, of at most
    2000 rows: I(x;z) saturates at log n (`models.mutual_information`), and the marginal KL takes
    the rest."""
    rows = subset(len(mu), seed, 2000)
    noise = np.random.default_rng([seed, 11]).normal(size=(len(rows), mu.shape[1]))
    mu, logvar = np.asarray(mu, dtype=float)[rows], np.asarray(logvar, dtype=float)[rows]
    gained = float(models.mutual_information(*map(torch.as_tensor, (mu, logvar, noise))))
    return gained, float(training.kl_rows(mu, logvar).sum(axis=1).mean()) - gained


def of_code(
    mu: np.ndarray, logvar: np.ndarray, kl: np.ndarray, active: np.ndarray, seed: int
) -> Iterator[Measure]:
    """Measures of the code alone; kl (n, d), `active` the positions of active units."""
    n, d = mu.shape
    yield Measure("active units", len(active), reading="0 if collapsed")
    yield Measure("dead units, share", 1 - len(active) / d, reading="1 if collapsed")
    overcounted = int((mu.var(axis=0) > ACTIVE_VARIANCE).sum())
    yield Measure("active units", overcounted, space="Var(mu) > 0.01", reading="overcounts")
    yield Measure("KL", kl.sum(axis=1), reading="nats; 0 if collapsed")
    gained, marginal = information(mu, logvar, seed)
    limit = f"nats; this estimate is at most ln n = {np.log(min(n, 2000)):.1f}"
    yield Measure("I(x;z)", gained, reading=limit)
    yield Measure("KL(q(z)||p)", marginal, reading="nats, KL - I(x;z)")
    if n > len(active):  # a covariance needs more rows than dimensions
        total = total_correlation(mu[:, active], logvar[:, active], seed)
        yield Measure("total correlation", total, reading="nats, of active units")


def encoder_shift(
    network: Network,
    X: np.ndarray,
    c: np.ndarray,
    mu: np.ndarray,
    active: np.ndarray,
    seed: int = 0,
) -> float:
    """How far mu moves when the encoder is given another class: root mean square over rows and
    active units, in units of mu's own standard deviation; 0 for an encoder that does not see c, and
    when no unit is active."""
    if not len(active):
        return 0.0
    present = np.unique(c)
    step = np.random.default_rng([seed, 12]).integers(1, len(present), len(c))
    other = present[(np.searchsorted(present, c) + step) % len(present)]
    moved = network.encode(X, other)[0] - mu
    return float(np.sqrt(((moved[:, active] / mu[:, active].std(axis=0)) ** 2).mean()))


# ---- what the decoder notices --------------------------------------------------------------------


def of_decoder(
    network: Network,
    X: np.ndarray,
    c: np.ndarray | None,
    z: np.ndarray,
    order: np.ndarray,
    blocks: Mapping[str, np.ndarray],
) -> Iterator[Measure]:
    """Squared error as the model is, with z or c exchanged between rows, without z, and of a table
    of means; over all features, and over the columns of each of `blocks`."""
    ways = {
        "": network.squared_errors(X, z, c),
        "z shuffled": network.squared_errors(X, z[order], c),
        "z = 0": network.squared_errors(X, np.zeros_like(z), c),
    }
    if c is not None:
        ways["c shuffled"] = network.squared_errors(X, z, c[order])
    ways["means"] = (X - class_means(X, c if network.decoder_sees_c else None)) ** 2
    reading = {
        "": "a feature",
        "z shuffled": "as trained if collapsed",
        "z = 0": "as trained if collapsed",
        "c shuffled": "as trained if the decoder ignores c",
        "means": "the best without a code",
    }
    for how, errors in ways.items():
        yield Measure("squared error", errors.mean(axis=1), space=how, reading=reading[how])
        for name, columns in blocks.items():
            part = errors[:, columns].mean(axis=1)
            yield Measure("squared error", part, name, how, reading=f"{name} alone")


def of_linear_code(
    network: Network, X: np.ndarray, c: np.ndarray | None, d: int, beta: float | None
) -> Iterator[Measure]:
    """What the best linear code of the same data and as many units has: at beta = 1, against which
    the verdict is taken, and at the model's own `beta` where that is known."""
    given = c if network.decoder_sees_c else None
    best = linear_code(X, 1.0, given, d)
    yield Measure("active units", best.units, space="linear", reading="best linear code, beta = 1")
    yield Measure("KL", best.rate, space="linear", reading="best linear code, beta = 1")
    error = best.distortion / X.shape[1]
    yield Measure("squared error", error, space="linear", reading="best linear code, beta = 1")
    if beta is not None:
        own = linear_code(X, beta, given, d)
        yield Measure("active units", own.units, space="pPCA", reading="the same at its own beta")
        yield Measure("KL", own.rate, space="pPCA", reading="the same at its own beta")


# ---- what can be read ----------------------------------------------------------------------------


def of_probes(
    targets: Mapping[str, np.ndarray],
    reference: np.ndarray,
    z: np.ndarray,
    active: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
    notes: list[str],
) -> Iterator[Measure]:
    """Probes of every target in sampled z, in the active units' means (n, n_active) and in
    `reference`, the data without what was made from the target; adds to `notes`.

    Dead units are left out of the means: a probe standardises, and would blow up traces too faint
    to use."""
    for name, target in targets.items():
        sampled = probe(z, target, groups, seed)
        data = probe(reference, target, groups, seed)
        if sampled is None or data is None:
            notes.append(
                f"no probe of {name}: it has fewer than two classes with at least two tracks"
            )
            continue
        chance = sampled.chance
        means = probe(active, target, groups, seed) if active.shape[1] else None
        if means is None:
            notes.append(f"no active unit to probe for {name}, so guessing stands in its place")
        scores = {"sampled z": sampled, "active units": means, "data": data}
        for space, score in scores.items():
            hits = chance if score is None else score.hits
            yield Measure("probe", hits, name, space, chance, "balanced accuracy, the better kind")
        for space in ("sampled z", "active units"):
            for kind in KINDS:
                score = scores[space]
                value = chance if score is None else score.by_kind[kind]
                reading = "balanced accuracy"
                yield Measure("probe", value, name, f"{space}, {kind}", chance, reading)
        if name == "c":
            yield Measure("I(z;c)", sampled.information, "c", reading="nats, lower bound")


def of_clusters(
    targets: Mapping[str, np.ndarray],
    code: np.ndarray,
    mu: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
) -> Iterator[Measure]:
    """NMI of K-Means on the code with c, and within each class of c with the other targets."""
    classes = targets.get("c", np.zeros(len(mu)))
    for name, target in targets.items():
        if name == "c":
            nmi, chance = cluster_nmi(code, target, groups, seed)
            yield Measure("NMI", nmi, "c", "active units", chance, "K-Means")
            scaled = (mu - mu.mean(axis=0)) / mu.std(axis=0).clip(1e-12)
            nmi, chance = cluster_nmi(scaled, target, groups, seed)
            reading = "K-Means, dead units too: misleads"
            yield Measure("NMI", nmi, "c", "standardised mu", chance, reading)
            continue
        scores = cluster_within(code, classes, np.asarray(target), groups, seed)
        if scores is not None:
            reading = "K-Means in each class"
            yield Measure("NMI within c", scores[0], name, "active units", scores[1], reading)
