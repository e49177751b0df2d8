"""The grids of the collapse chapter, which take longer than a page may: which cells there are, and
how one is computed.

`make results` runs them and writes collapse_<grid>.csv; the pages "CVAE and posterior collapse" and
"Collapse in depth" read them. The function of a cell takes plain data and gives a dict of arrays,
so that the store can keep it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import clustering, metrics, plots, protocols, training
from helpers.protocols import Recipe
from helpers.tracks import Tracks, data_dir
from musicbook.chapters.collapse import factors, planted, study
from musicbook.chapters.collapse.adapter import Network
from musicbook.chapters.collapse.battery import LEVELS, Diagnosis, diagnose
from musicbook.chapters.collapse.measures import class_means, linear_code
from musicbook.chapters.collapse.study import SHORT, chapter_input, chapter_models

BETAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)
FACTOR_BETAS = (0.25, 1.0, 2.0, 4.0)  # with more, fewer units live than there are factors
FEW = (50, 100, 200, 500)  # tracks, beside all of them
# of a cell, at most: its verdicts agree over seeds, and the largest tables take minutes each
SEEDS = 5
MANY = (1_000, 10_000, 100_000, 500_000)  # planted tracks
# of their models: one pass over the most tracks, five hundred over the fewest
STEPS, BATCH = 2_000, 256
SMALL = planted.CASES["CVAE"][0]
# of a table, behind the columns that name the cell
COLUMNS = ["verdict", *LEVELS, "value", "chance"]
RAN_AWAY = "ran away"  # the verdict of a cell whose training diverged; it has no measures
OTHER_LYRICS = "CVAE, judged on lyrics it has not seen"
REFERENCES = ("oracle", "ICA", "PCA")  # of the grid of factors: without a network, beta = 0

Cell = tuple  # (named columns, function, *arguments)


def remedies(base: Recipe) -> dict[str, Recipe]:
    """Name -> `base` with one remedy against collapse switched on (each a field of Recipe). A
    learned sigma takes the place of beta, so that it is tried at beta = 1 as well, where `base` has
    another.

    Linear annealing: Bowman et al. 2016; cyclical: Fu et al. 2019; free bits: Kingma et al. 2016;
    learned sigma: Rybkin et al. 2021; BN-VAE: Zhu et al. 2020; aggressive encoder: He et al.
    2019."""
    learned = base.but(sigma="learned")
    table = {
        "none": base,
        "linear annealing": base.but(anneal="linear", anneal_epochs=base.epochs // 2),
        "cyclical annealing": base.but(anneal="cyclical", anneal_epochs=base.epochs // 4),
        "free bits 0.25": base.but(free_bits=0.25),
        "beta = 0.25": base.but(beta=0.25),
        "learned sigma": learned,
    }
    if base.beta != 1.0:
        table["learned sigma, beta = 1"] = learned.but(beta=1.0)
    table["BN-VAE 0.6"] = base.but(bn_gamma=0.6)
    table["aggressive encoder"] = base.but(aggressive=5)
    return table


def base_recipe() -> Recipe:
    """The CVAE that the grids on real tracks start from: that of `controlled`, without annealing,
    trained for SHORT."""
    cvae = protocols.get("controlled").recipes["cvae"]
    return cvae.but(anneal="none", anneal_epochs=0, epochs=SHORT)


def cells(tracks: Tracks, seeds: Sequence[int]) -> list[Cell]:
    """Every cell of every grid: (named columns, "grid" among them, function, *arguments)."""
    every: list[Cell] = []
    for grid in (_battery, _beta, _remedies, _scale, _factors):
        for seed in seeds[:SEEDS]:
            every += grid(tracks, int(seed))
    return every


def _cell(function: Callable, arguments: tuple, recipe: Recipe, seed: int, n: int, **named) -> Cell:
    return (named | {"n": n, "beta": recipe.beta, "seed": seed}, function, *arguments, recipe, seed)


def _material(tracks: Tracks, fed: study.ChapterInput) -> dict:
    """What a cell on real tracks needs, as plain data: the arguments of `battery.diagnose`."""
    return {
        "X": fed.X,
        "c": tracks.genre_codes,
        "factors": study.other_factor(tracks),
        "blocks": fed.blocks,
        "reference": fed.reference,
    }


def _battery(tracks: Tracks, seed: int) -> Iterator[Cell]:
    for protocol in ("controlled", "released"):
        leaky = protocols.get(protocol).label_in_input
        # the released code has no annealing
        models = chapter_models(protocol, True, both_ways=not leaky)
        if not leaky:
            models["CVAE, c to the encoder only"] = base_recipe().but(condition="encoder")
            models["CVAE, c to the decoder only"] = base_recipe().but(condition="decoder")
        named = {"grid": "battery", "data": tracks.name, "protocol": protocol}
        own = _material(tracks, chapter_input(tracks, protocol, seed))
        for name, recipe in models.items():
            yield _cell(diagnosed, (own, None), recipe, seed, tracks.n, **named, model=name)
        if leaky:
            other = own | {"X": study.with_other_lyrics(tracks, protocol, seed)}
            recipe = next(iter(models.values()))
            named["model"] = OTHER_LYRICS
            yield _cell(diagnosed, (own, other), recipe, seed, tracks.n, **named)


def _beta(tracks: Tracks, seed: int) -> Iterator[Cell]:
    if seed >= 3:
        return
    data = chapter_input(tracks, "controlled", seed).X, tracks.genre_codes
    named = {"grid": "beta", "data": tracks.name, "model": "VAE"}
    for beta in BETAS:
        recipe = base_recipe().but(kind="vae", beta=beta)
        yield _cell(rate_and_distortion, data, recipe, seed, tracks.n, **named)


def _remedies(tracks: Tracks, seed: int) -> Iterator[Cell]:
    real = _material(tracks, chapter_input(tracks, "controlled", seed)), None
    drawn = planted.draw, 1000, 0, {}  # type: ignore[var-annotated]
    starts: dict[str, tuple[Callable, tuple, int, Recipe]] = {
        f"{tracks.name}, working": (diagnosed, real, tracks.n, base_recipe()),
        "planted, working": (diagnosed_planted, drawn, 1000, SMALL),
        "planted, collapsed": (diagnosed_planted, drawn, 1000, SMALL.but(beta=200.0)),
    }
    for start, (function, arguments, n, base) in starts.items():
        for name, recipe in remedies(base).items():
            named = {"grid": "remedies", "start": start, "model": name}
            yield _cell(function, arguments, recipe, seed, n, **named)


def _scale(tracks: Tracks, seed: int) -> Iterator[Cell]:
    """As many updates of the weights, whatever the number of tracks."""
    yield from _few(tracks, seed)
    if seed >= 3:
        return
    vae = SMALL.but(kind="vae", steps=STEPS, batch_size=BATCH)
    cvae = vae.but(kind="cvae")
    models = {"CVAE": cvae, "VAE": vae, "CVAE, beta = 200": cvae.but(beta=200.0)}
    # noisy enough that more tracks could help
    noisy = {"style": 0.7, "noise": 1.2}
    drawn: dict[str, tuple[Callable, dict]] = {
        "planted": (planted.draw, noisy),
        "MSD-shaped": (planted.draw_msd, {}),
    }
    for data, (draw, strengths) in drawn.items():
        for n in MANY:
            for model, recipe in models.items():
                if model == "CVAE, beta = 200" and data != "planted":
                    continue
                arguments = draw, n, 1000, strengths  # 1000 others are looked at
                named = {"grid": "scale", "data": data, "model": model}
                yield _cell(diagnosed_planted, arguments, recipe, seed, n, **named)


def _few(tracks: Tracks, seed: int) -> Iterator[Cell]:
    """A CVAE of some of the tracks, and of all."""
    whole = _material(tracks, chapter_input(tracks, "controlled", seed))
    named = {"grid": "scale", "data": tracks.name, "model": "CVAE"}
    for n in (*(n for n in FEW if n < tracks.n), tracks.n):
        rows = np.sort(np.random.default_rng([seed, n]).choice(tracks.n, n, replace=False))
        part = whole | {
            "X": whole["X"][rows],
            "c": np.unique(whole["c"][rows], return_inverse=True)[1],
            "factors": {name: values[rows] for name, values in whole["factors"].items()},
        }
        recipe = base_recipe().but(epochs=round(SHORT * tracks.n / n))
        yield _cell(diagnosed, (part, None), recipe, seed, n, **named)


def _factors(tracks: Tracks, seed: int) -> Iterator[Cell]:
    n = 2000
    for mixing in planted.MIXINGS:
        named = {"grid": "factors", "data": f"{mixing} mixing"}
        for method in REFERENCES:
            cell = named | {"model": method, "n": n, "beta": 0.0, "seed": seed}
            yield cell, disentangled, n, mixing, method, None, seed
        for beta in FACTOR_BETAS:
            for kind in ("vae", "cvae"):
                recipe = SMALL.but(kind=kind, beta=beta)
                arguments = n, mixing, kind.upper()
                yield _cell(disentangled, arguments, recipe, seed, n, **named, model=kind.upper())


# ---- how a cell is computed ----------------------------------------------------------------------


def _or_ran_away(measure: Callable[..., dict]) -> Callable[..., dict]:
    """The function of a cell, which gives the sentence alone where its training ran away."""

    @functools.wraps(measure)
    def call(*arguments):
        try:
            return measure(*arguments)
        except training.Diverged as error:
            return {"diverged": np.array(str(error))}

    return call


def _arrays(
    more: Mapping[tuple[str, str, str], float], made: Diagnosis | None = None
) -> dict[str, np.ndarray]:
    """COLUMNS of a diagnosis, and of `more`, {LEVELS: value}, behind it."""
    verdict = "" if made is None else made.verdict
    rows: list[tuple] = []
    if made is not None:
        for row in made.table.itertuples():
            rows.append((verdict, *row.Index, row.value, row.chance))
    for key, value in more.items():
        rows.append((verdict, *key, value, np.nan))
    columns = zip(*rows, strict=True)
    return {name: np.array(column) for name, column in zip(COLUMNS, columns, strict=True)}


@_or_ran_away
def diagnosed(own: dict, other: dict | None, recipe: Recipe, seed: int) -> dict[str, np.ndarray]:
    """Fit on `own` (`_material`), the battery on it, and what the fit cost; with `other`, the same
    tracks with other texts, the battery on these."""
    fit = training.fit(own["X"], recipe, seed, own["c"])
    judged = own if other is None else other
    diagnosis = diagnose(
        fit.model(),
        judged["X"],
        judged["c"],
        judged["factors"],
        blocks=judged["blocks"],
        reference=judged["reference"],
        seed=seed,
    )
    return _arrays({("CPU seconds", "", ""): fit.seconds}, diagnosis)


@_or_ran_away
def diagnosed_planted(
    draw: Callable, n: int, fresh: int, drawn: dict, recipe: Recipe, seed: int
) -> dict[str, np.ndarray]:
    """A model of n planted tracks (`draw(**drawn)`, of `planted`), diagnosed on them, or on as many
    `fresh` ones."""
    data = draw(n + fresh, seed=seed, **drawn)
    fit = training.fit(data.X[:n], recipe, seed, data.genre[:n], use_cache=False)
    judged = slice(n, None) if fresh else slice(None)
    style = {"style": data.style[judged]}
    diagnosis = diagnose(fit.model(), data.X[judged], data.genre[judged], style, seed=seed)
    return _arrays({("CPU seconds", "", ""): fit.seconds}, diagnosis)


@_or_ran_away
def rate_and_distortion(
    X: np.ndarray, c: np.ndarray, recipe: Recipe, seed: int
) -> dict[str, np.ndarray]:
    """Units, rate, distortion and cluster scores of a VAE, beside the linear code's first three."""
    fit = training.fit(X, recipe, seed)  # kept: `maps` draws the first seed's
    with Network(fit.model(), 0) as network:
        errors = network.squared_errors(X, fit.sample(seed), None)
    _, silhouette, nmi = _clustered(fit.mu, c, seed)
    foretold = linear_code(X, recipe.beta, limit=fit.mu.shape[1])
    values = {
        ("active units", "", ""): len(fit.active),
        ("active units", "", "pPCA"): foretold.units,
        ("KL", "", ""): float(fit.kl_per_dim.sum()),
        ("KL", "", "pPCA"): foretold.rate,
        ("distortion", "", ""): float(errors.sum(axis=1).mean()),
        ("distortion", "", "pPCA"): foretold.distortion,
        ("silhouette", "", ""): silhouette,
        ("NMI", "c", ""): nmi,
    }
    return _arrays(values)


def _clustered(mu: np.ndarray, c: np.ndarray, seed: int) -> tuple[np.ndarray, float, float]:
    """K-Means with as many clusters as classes: labels (n,), silhouette, NMI with c."""
    labels = clustering.cluster(mu, "kmeans", int(c.max()) + 1, seed)
    return labels, clustering.silhouette(mu, labels), float(metrics.nmi(metrics.counts(c, labels)))


@_or_ran_away
def disentangled(
    n: int, mixing: str, method: str, recipe: Recipe | None, seed: int
) -> dict[str, np.ndarray]:
    """MIG, SAP and DCI of one way to find the factors of n planted tracks (`planted.draw_factors`).

    All are given the genre: the CVAE as its condition, the others by taking off the genre's mean.
    The references are also given how many factors there are."""
    data = planted.draw_factors(n, mixing, seed=seed)
    known = {f"factor {j}": values for j, values in enumerate(data.traits.T, 1)}
    Z = found_factors(data, method, recipe, seed)
    values: dict[tuple[str, str, str], float] = {("active units", "", ""): Z.shape[1]}
    if Z.shape[1] > 1:
        for name, score in factors.dci(Z, known, seed).items():
            values[name, "", ""] = score
        values["MIG", "", ""] = float(np.mean(list(factors.mig(Z, known).values())))
        values["SAP", "", ""] = float(np.mean(list(factors.sap(Z, known).values())))
    return _arrays(values)


def found_factors(
    data: planted.PlantedTracks, method: str, recipe: Recipe | None, seed: int
) -> np.ndarray:
    """The code (n, d) that `method` gives planted tracks: "oracle", the factors with a little
    noise; "ICA"; "PCA"; a network's active units."""
    k = data.traits.shape[1]
    without_genre = data.X - class_means(data.X, data.genre)
    if method == "oracle":
        return data.traits + 0.05 * np.random.default_rng(seed).normal(size=data.traits.shape)
    if method == "ICA":
        return factors.independent_components(without_genre, k, seed)
    if method == "PCA" or recipe is None:
        return factors.principal_components(without_genre, k)
    if recipe.kind == "cvae":
        fit = training.fit(data.X, recipe, seed, data.genre, use_cache=False)
    else:
        fit = training.fit(without_genre, recipe, seed, use_cache=False)
    return fit.mu[:, fit.active]


def maps(tracks: Tracks) -> dict[str, np.ndarray]:
    """The beta sweep's VAE of the first seed as 2-d maps, each grown from the one before.

    Arrays: beta (B,); map (B, n, 2) float16; labels (B, n) int16, K-Means with as many clusters as
    genres; active (B,) units; silhouette (B,) and nmi (B,) of those labels."""
    X, points = chapter_input(tracks, "controlled", 0).X, None
    columns: dict[str, list] = {name: [] for name in ("map", "labels", "active")}
    scores: dict[str, list] = {"silhouette": [], "nmi": []}
    for beta in BETAS:
        fit = training.fit(X, base_recipe().but(kind="vae", beta=beta), 0)
        points = plots.project(fit.mu, start=points)
        labels, silhouette, nmi = _clustered(fit.mu, tracks.genre_codes, 0)
        columns["map"].append(points)
        columns["labels"].append(labels)
        columns["active"].append(len(fit.active))
        scores["silhouette"].append(silhouette)
        scores["nmi"].append(nmi)
    return {
        "beta": np.array(BETAS),
        "map": np.array(columns["map"], np.float16),
        "labels": np.array(columns["labels"], np.int16),
        "active": np.array(columns["active"], np.int16),
        **{name: np.array(values) for name, values in scores.items()},
    }


# ---- tables --------------------------------------------------------------------------------------


def table(named: dict, result: dict[str, np.ndarray]) -> pd.DataFrame:
    """The rows of one cell: the columns that name it, and COLUMNS. A training that ran away has one
    row, without a measure or a number, whose verdict says so."""
    cell = {name: value for name, value in named.items() if name != "grid"}
    if "diverged" in result:
        nothing = dict.fromkeys(LEVELS, "") | {"value": np.nan, "chance": np.nan}
        return pd.DataFrame([cell | {"verdict": RAN_AWAY} | nothing])
    return pd.DataFrame(cell | {name: result[name] for name in COLUMNS})


def published_grid(dataset: str, grid: str) -> pd.DataFrame | None:
    """The published table of a grid, None where `make results` has not made it."""
    path = data_dir() / "results" / dataset / f"collapse_{grid}.csv"
    if not path.exists():
        return None
    # in the other columns an empty word is a word as good as others
    missing = {"value": [""], "chance": [""]}
    return pd.read_csv(path, keep_default_na=False, na_values=missing)
