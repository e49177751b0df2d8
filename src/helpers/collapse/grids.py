"""The grids of the collapse chapter, which take longer than a page may: which cells there are, and how one is computed.

`make results` runs them and writes collapse_<grid>.csv; the pages "CVAE: collapse or by design?" and "Explore" read
them. The function of a cell takes plain data and gives a dict of arrays, so that the store can keep it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pandas as pd

from .. import clustering, datasets, metrics, plots, protocols, training
from ..datasets import Tracks
from ..protocols import Recipe
from . import factors, planted
from .adapter import Network
from .battery import LEVELS, Diagnosis, diagnose, predict
from .study import SHORT, chapter_input, chapter_models, factor

BETAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)
FEW = (50, 100, 200, 500)  # tracks, beside all of them
SEEDS = 5  # of a cell, at most: its verdicts agree over seeds, and the largest tables take minutes each
MANY = (1_000, 10_000, 100_000, 500_000)  # planted tracks
STEPS, BATCH = 2_000, 256  # of their models: one pass over the most tracks, five hundred over the fewest
SMALL = planted.CASES["CVAE"][0]
COLUMNS = ["verdict", *LEVELS, "value", "chance"]  # of a table, behind the columns that name the cell
RAN_AWAY = "ran away"  # the verdict of a cell whose training diverged; it has no measures

Cell = tuple  # (named columns, function, *arguments)


def remedies(base: Recipe) -> dict[str, Recipe]:
    """Name -> `base` with one remedy against collapse switched on (each a field of Recipe). A learned sigma takes the
    place of beta, so that it is tried at beta = 1 as well, where `base` has another."""
    learned = base.but(sigma="learned")  # Rybkin et al. 2021
    return {
        "none": base,
        "linear annealing": base.but(anneal="linear", anneal_epochs=base.epochs // 2),  # Bowman et al. 2016
        "cyclical annealing": base.but(anneal="cyclical", anneal_epochs=base.epochs // 4),  # Fu et al. 2019
        "free bits 0.25": base.but(free_bits=0.25),  # Kingma et al. 2016
        "beta = 0.25": base.but(beta=0.25),
        "learned sigma": learned,
        **({} if base.beta == 1.0 else {"learned sigma, beta = 1": learned.but(beta=1.0)}),
        "BN-VAE 0.6": base.but(bn_gamma=0.6),  # Zhu et al. 2020
        "aggressive encoder": base.but(aggressive=5),  # He et al. 2019
    }


def base_recipe() -> Recipe:
    """The CVAE that the grids on real tracks start from: that of `controlled`, without annealing, trained for SHORT."""
    return protocols.get("controlled").recipes["cvae"].but(anneal="none", anneal_epochs=0, epochs=SHORT)


def cells(tracks: Tracks, seeds: Sequence[int]) -> list[Cell]:
    """Every cell of every grid: (named columns, "grid" among them, function, *arguments)."""
    return [cell for grid in (_battery, _beta, _remedies, _scale, _factors) for seed in seeds[:SEEDS]
            for cell in grid(tracks, int(seed))]  # fmt: skip


def _cell(function: Callable, arguments: tuple, recipe: Recipe, seed: int, n: int, **named) -> Cell:
    return (named | {"n": n, "beta": recipe.beta, "seed": seed}, function, *arguments, recipe, seed)


def _battery(tracks: Tracks, seed: int) -> Iterator[Cell]:
    for protocol in ("controlled", "released"):
        leaky = protocols.get(protocol).label_in_input
        models = chapter_models(protocol, True, both_ways=not leaky)  # the released code has no annealing
        if not leaky:
            models["CVAE, c to the encoder only"] = base_recipe().but(condition="encoder")
            models["CVAE, c to the decoder only"] = base_recipe().but(condition="decoder")
        again = chapter_input(tracks, protocol, seed + 1000) if leaky else None  # the texts drawn anew
        data = chapter_input(tracks, protocol, seed), tracks.genre_codes, factor(tracks), again
        for name, recipe in models.items():
            yield _cell(diagnosed, data, recipe, seed, tracks.n, grid="battery", data=tracks.name, protocol=protocol,
                        model=name)  # fmt: skip


def _beta(tracks: Tracks, seed: int) -> Iterator[Cell]:
    data = chapter_input(tracks, "controlled", seed), tracks.genre_codes
    for beta in BETAS if seed < 3 else ():
        recipe = base_recipe().but(kind="vae", beta=beta)
        yield _cell(rate_and_distortion, data, recipe, seed, tracks.n, grid="beta", data=tracks.name, model="VAE")


def _remedies(tracks: Tracks, seed: int) -> Iterator[Cell]:
    real = chapter_input(tracks, "controlled", seed), tracks.genre_codes, factor(tracks), None
    drawn = planted.draw, 1000, 0, {}  # type: ignore[var-annotated]
    starts: dict[str, tuple[Callable, tuple, int, Recipe]] = {
        f"{tracks.name}, working": (diagnosed, real, tracks.n, base_recipe()),
        "planted, working": (diagnosed_planted, drawn, 1000, SMALL),
        "planted, collapsed": (diagnosed_planted, drawn, 1000, SMALL.but(beta=200.0))}
    for start, (function, arguments, n, base) in starts.items():
        for name, recipe in remedies(base).items():
            yield _cell(function, arguments, recipe, seed, n, grid="remedies", start=start, model=name)


def _scale(tracks: Tracks, seed: int) -> Iterator[Cell]:
    """As many updates of the weights, whatever the number of tracks."""
    X, c, found = chapter_input(tracks, "controlled", seed), tracks.genre_codes, factor(tracks)
    for n in (*(n for n in FEW if n < tracks.n), tracks.n):
        rows = np.sort(np.random.default_rng([seed, n]).choice(tracks.n, n, replace=False))
        data = X[rows], np.unique(c[rows], return_inverse=True)[1], {k: v[rows] for k, v in found.items()}, None
        recipe = base_recipe().but(epochs=round(SHORT * tracks.n / n))
        yield _cell(diagnosed, data, recipe, seed, n, grid="scale", data=tracks.name, model="CVAE")
    vae = SMALL.but(kind="vae", steps=STEPS, batch_size=BATCH)
    models = {"CVAE": vae.but(kind="cvae"), "VAE": vae, "CVAE, beta = 200": vae.but(kind="cvae", beta=200.0)}
    drawn = {"planted": (planted.draw, {"style": 0.7, "noise": 1.2}), "MSD-shaped": (planted.draw_msd, {})}
    for name, (draw, strengths) in drawn.items():  # noisy enough that more tracks could help; 1000 others are looked at
        for n in MANY if seed < 3 else ():
            for model, one in list(models.items())[: 3 if name == "planted" else 2]:
                yield _cell(diagnosed_planted, (draw, n, 1000, strengths), one, seed, n, grid="scale", data=name,
                            model=model)  # fmt: skip


def _factors(tracks: Tracks, seed: int) -> Iterator[Cell]:
    for beta in (0.25, 1.0, 4.0):
        for kind in ("vae", "cvae"):
            recipe = SMALL.but(kind=kind, beta=beta)
            yield _cell(disentangled, (2000,), recipe, seed, 2000, grid="factors", data="planted", model=kind.upper())


# ---- how a cell is computed -----------------------------------------------------------------------------------------


def _told(measure: Callable[..., dict]) -> Callable[..., dict]:
    """The function of a cell, which gives the sentence alone where its training ran away."""

    @functools.wraps(measure)
    def call(*arguments):
        try:
            return measure(*arguments)
        except training.Diverged as error:
            return {"diverged": np.array(str(error))}

    return call


def _arrays(more: dict[tuple[str, str, str], float], made: Diagnosis | None = None) -> dict[str, np.ndarray]:
    """COLUMNS of a diagnosis, and of `more`, {LEVELS: value}, behind it."""
    verdict = "" if made is None else made.verdict
    rows = [] if made is None else [(verdict, *row.Index, row.value, row.chance) for row in made.table.itertuples()]
    rows += [(verdict, *key, value, np.nan) for key, value in more.items()]
    return {name: np.array(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)}


@_told
def diagnosed(X: np.ndarray, c: np.ndarray, looked_for: dict, again: np.ndarray | None, recipe: Recipe,
              seed: int) -> dict[str, np.ndarray]:
    """Fit on X (n, D), the battery, and what it cost; with `again` (n, D), the same tracks with their texts drawn anew,
    also KL and squared error there."""
    fit = training.fit(X, recipe, seed, c, use_cache=False)
    more = {("CPU seconds", "", ""): fit.seconds}
    if again is not None:
        with Network(fit.model(), int(c.max()) + 1) as network:
            mu, logvar = network.encode(again, c)
            z = mu + np.exp(0.5 * logvar) * np.random.default_rng(seed).standard_normal(mu.shape)
            more["KL", "", "texts redrawn"] = float(training.kl_rows(mu, logvar).sum(axis=1).mean())
            more["squared error", "", "texts redrawn"] = float(network.squared_error(again, z, c).mean())
    return _arrays(more, diagnose(fit.model(), X, c, looked_for, seed=seed))


@_told
def diagnosed_planted(draw: Callable, n: int, fresh: int, drawn: dict, recipe: Recipe,
                      seed: int) -> dict[str, np.ndarray]:
    """A model of n planted tracks (`draw(**drawn)`, of `planted`), diagnosed on them, or on as many `fresh` ones."""
    data = draw(n + fresh, seed=seed, **drawn)
    fit = training.fit(data.X[:n], recipe, seed, data.genre[:n], use_cache=False)
    X, c, style = (part[n:] if fresh else part for part in (data.X, data.genre, data.style))
    return _arrays({("CPU seconds", "", ""): fit.seconds}, diagnose(fit.model(), X, c, {"style": style}, seed=seed))


@_told
def rate_and_distortion(X: np.ndarray, c: np.ndarray, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """Units, rate, distortion and cluster scores of a VAE, beside pPCA's prediction of the first three."""
    fit = training.fit(X, recipe, seed)  # kept: `maps` draws the first seed's
    with Network(fit.model(), 0) as network:
        distortion = X.shape[1] * float(network.squared_error(X, fit.sample(seed), None).mean())
    _, silhouette, nmi = _clustered(fit.mu, c, seed)
    foretold = predict(X, recipe.beta)
    return _arrays({
        ("active units", "", ""): len(fit.active), ("active units", "", "pPCA"): min(foretold.active, fit.mu.shape[1]),
        ("KL", "", ""): float(fit.kl_per_dim.sum()), ("KL", "", "pPCA"): foretold.rate,
        ("distortion", "", ""): distortion, ("distortion", "", "pPCA"): foretold.distortion,
        ("silhouette", "", ""): silhouette, ("NMI", "c", ""): nmi})  # fmt: skip


def _clustered(mu: np.ndarray, c: np.ndarray, seed: int) -> tuple[np.ndarray, float, float]:
    """K-Means with as many clusters as classes: labels (n,), silhouette, NMI with c."""
    labels = clustering.cluster(mu, "kmeans", int(c.max()) + 1, seed)
    return labels, clustering.silhouette(mu, labels), float(metrics.nmi(metrics.counts(c, labels)))


@_told
def disentangled(n: int, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """MIG and DCI of a model of n planted tracks, whose factors are known and many."""
    data = planted.draw(n, seed=seed)
    fit = training.fit(data.X, recipe, seed, data.genre, use_cache=False)
    Z, known = fit.mu[:, fit.active], {"style": data.style}
    known |= {f"trait {j}": values for j, values in enumerate(data.traits.T, 1)}
    found, gaps = {"active units": len(fit.active)} | factors.dci(Z, known, seed), factors.mig(Z, known)
    rows = {(name, "", ""): value for name, value in (found | {"MIG": float(np.mean(list(gaps.values())))}).items()}
    return _arrays(rows | {("MIG", factor, ""): value for factor, value in gaps.items()})


def maps(tracks: Tracks) -> dict[str, np.ndarray]:
    """The beta sweep's VAE of the first seed as 2-d maps, each grown from the one before.

    Arrays: beta (B,); map (B, n, 2) float16; labels (B, n) int16, K-Means with as many clusters as genres; active (B,)
    units; silhouette (B,) and nmi (B,) of those labels."""
    X, rows, points = chapter_input(tracks, "controlled", 0), [], None
    for beta in BETAS:
        fit = training.fit(X, base_recipe().but(kind="vae", beta=beta), 0)
        points = plots.project(fit.mu, start=points)
        rows.append((points, len(fit.active), *_clustered(fit.mu, tracks.genre_codes, 0)))
    types = {"map": np.float16, "active": np.int16, "labels": np.int16, "silhouette": float, "nmi": float}
    columns = zip(types.items(), zip(*rows, strict=True), strict=True)
    return {"beta": np.array(BETAS)} | {name: np.array(values, kind) for (name, kind), values in columns}


# ---- tables ---------------------------------------------------------------------------------------------------------


def table(named: dict, result: dict[str, np.ndarray]) -> pd.DataFrame:
    """The rows of one cell: the columns that name it, and COLUMNS. A training that ran away has one row, without a
    measure or a number, whose verdict says so."""
    cell = {name: value for name, value in named.items() if name != "grid"}
    if "diverged" in result:
        nothing = dict.fromkeys(LEVELS, "") | {"value": np.nan, "chance": np.nan}
        return pd.DataFrame([cell | {"verdict": RAN_AWAY} | nothing])
    return pd.DataFrame(cell | {name: result[name] for name in COLUMNS})


def stored(dataset: str, grid: str) -> pd.DataFrame | None:
    """The published table of a grid, None where `make results` has not made it."""
    path = datasets.data_dir() / "results" / dataset / f"collapse_{grid}.csv"
    missing = {"value": [""], "chance": [""]}  # in the other columns nothing is a word as good as others
    return pd.read_csv(path, keep_default_na=False, na_values=missing) if path.exists() else None
