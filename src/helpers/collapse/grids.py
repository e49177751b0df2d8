"""The published grids of the collapse chapter, which take longer than a page may (`make results`).

Remedies, scale, beta, planted factors, and the battery under two protocols: one tidy table each (COLUMNS), and a 2-d
map of GTZAN at every beta. Read by the pages "CVAE: collapse or by design?" and "Explore".
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score, silhouette_score
from tqdm import tqdm

from .. import cache, plots, protocols, training
from . import adapter, battery, factors
from ..published import store
from ..cache import code_digest
from .study import SHORT, chapter_input, chapter_models, diagnose_fit
from ..datasets import Tracks, load
from ..corpus.jobs import cpu_seconds
from .planted import CASES, draw as planted
from .probes import within
from ..protocols import Recipe

COLUMNS = ["data", "model", "n", "beta", "seed", "measure", "value"]
CODE = ("protocols", "sentences", "lyrics", "fusion", "models", "stack", "loop", "collapse", "probes", "planted",
        "network", "disentanglement", "collapse_study", "experiments_collapse")  # fmt: skip
BETAS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 40.0)
STEPS = 6_000  # updates of every model of the scale grid


def remedies(base: Recipe) -> dict[str, Recipe]:
    """Name -> `base` with one remedy against collapse switched on (each a field of Recipe)."""
    return {
        "none": base,
        "linear annealing": base.but(anneal="linear", anneal_epochs=base.epochs // 2),  # Bowman et al. 2016
        "cyclical annealing": base.but(anneal="cyclical", anneal_epochs=base.epochs // 4),  # Fu et al. 2019
        "free bits 0.25": base.but(free_bits=0.25),  # Kingma et al. 2016
        "beta = 0.25": base.but(beta=0.25),
        "learned sigma": base.but(sigma="learned"),  # Rybkin et al. 2021
        "BN-VAE 0.6": base.but(bn_gamma=0.6),  # Zhu et al. 2020
        "aggressive encoder": base.but(aggressive=5),  # He et al. 2019
    }


def _rows(cell: dict, values: dict[str, float]) -> list[dict]:
    return [cell | {"measure": name, "value": value} for name, value in values.items()]


def _battery_cell(
    make: Callable[[], tuple], recipe: Recipe, cell: dict, redraw: Callable[[], tuple] | None = None
) -> list[dict]:
    """Fit, diagnose, and what it cost; with `redraw` also KL and MSE on the same tracks with their texts drawn anew."""
    X, c, factors = make()
    fit = training.fit(X, recipe, cell["seed"], c if recipe.kind == "cvae" else None, cache=False)
    found = diagnose_fit(fit, X, c, factors, None, n_boot=0)
    values = found.values | {"seconds": fit.seconds, f"verdict: {found.verdict}": 1.0}
    if redraw is not None:
        X = redraw()[0]
        network = adapter.Network(fit.model(), int(c.max()) + 1)
        mu, logvar = network.encode(X, c)
        z = mu + np.exp(0.5 * logvar) * np.random.default_rng(fit.seed).standard_normal(mu.shape)
        values["KL, texts redrawn"] = float(0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).sum(axis=1).mean())
        values["MSE, texts redrawn"] = float(network.squared_error(X, z, c).mean())
    return _rows(cell, values)


def _beta_cell(make: Callable[[], tuple], recipe: Recipe, cell: dict) -> list[dict]:
    """Rate, distortion, units and cluster scores of a VAE, next to pPCA's prediction of the first three."""
    X, c, _ = make()
    fit = training.fit(X, recipe, cell["seed"])  # cached: `maps` draws the first seed's
    assert fit.logvar is not None
    network = adapter.Network(fit.model(), int(c.max()) + 1)
    labels = KMeans(int(c.max()) + 1, n_init=10, random_state=fit.seed).fit_predict(fit.mu)
    foretold = battery.predict(X, recipe.beta)
    active = fit.mu[:, fit.active]
    return _rows(cell, {
        "active units": len(fit.active), "rate": float(fit.kl_per_dim.sum()),
        "distortion": X.shape[1] * float(network.squared_error(X, fit.sample(fit.seed), c).mean()),
        "silhouette": float(silhouette_score(fit.mu, labels)), "NMI": float(normalized_mutual_info_score(c, labels)),
        "total correlation": factors.total_correlation(active, fit.logvar[:, fit.active]),
        "active units, pPCA": min(foretold.active, fit.mu.shape[1]), "rate, pPCA": foretold.rate,
        "distortion, pPCA": foretold.distortion})


def _scale_cell(recipe: Recipe, cell: dict) -> list[dict]:
    """A model of `cell["n"]` planted tracks, diagnosed on 2000 fresh tracks of the same music."""
    n, seed, held_out = cell["n"], cell["seed"], 2000
    data = planted(n + held_out, style=0.7, noise=1.2, seed=seed)  # hard enough that more tracks could help
    train, test = np.arange(n), np.arange(n, n + held_out)
    fit = training.fit(data.X[train], recipe, seed, data.genre[train] if recipe.kind == "cvae" else None, cache=False)
    found = battery.diagnose(fit.model(), data.X[test], data.genre[test], {"style": data.style[test]}, seed=seed,
                              n_boot=0)
    return _rows(cell, found.values | {"seconds": fit.seconds, f"verdict: {found.verdict}": 1.0})


def _factor_cell(recipe: Recipe, cell: dict) -> list[dict]:
    """MIG, DCI, SAP of a VAE of planted tracks, whose factors are known and many."""
    data = planted(cell["n"], seed=cell["seed"])
    fit = training.fit(data.X, recipe, cell["seed"], data.genre if recipe.kind == "cvae" else None, cache=False)
    assert fit.logvar is not None
    Z = fit.mu[:, fit.active]
    factors = {"style": data.style, **{f"trait {j + 1}": column for j, column in enumerate(data.traits.T)}}
    values = factors.dci(Z, factors, cell["seed"])
    for name, score in (("MIG", factors.mig), ("SAP", factors.sap)):
        values |= {f"{name}, {factor}": value for factor, value in score(Z, factors).items()}
        values[name] = float(np.mean([values[f"{name}, {factor}"] for factor in factors]))
    values["total correlation"] = factors.total_correlation(Z, fit.logvar[:, fit.active])
    return _rows(cell, values | {"active units": len(fit.active)})


def _real(tracks: Tracks, protocol: str, seed: int) -> tuple:
    c = tracks.genre_codes
    return chapter_input(tracks, protocol, seed), c, {"brightness": within(tracks.features["centroid_mean"], c)}


def _planted(seed: int) -> tuple:
    data = planted(1000, seed=seed)
    return data.X, data.genre, {"style": data.style}


def _base() -> Recipe:
    return protocols.get("controlled").recipes["cvae"].but(anneal="none", anneal_epochs=0, epochs=SHORT)


Cell = tuple[dict, Callable[[], list[dict]]]


def grids(tracks: Tracks, seeds: Sequence[int]) -> dict[str, list[Cell]]:
    """Every cell of every published grid: what it is called in the table, and the call that computes its rows."""
    base = _base()
    small = CASES["CVAE"][0]
    out: dict[str, list[Cell]] = {name: [] for name in ("battery", "beta", "remedies", "scale", "factors")}

    def add(grid: str, data: str, model: str, recipe: Recipe, call: Callable, n: int = tracks.n) -> None:
        out[grid].append(({"data": data, "model": model, "n": n, "beta": recipe.beta, "seed": seed}, call))

    for seed in seeds:
        real = {name: partial(_real, tracks, name, seed) for name in ("controlled", "released")}
        for name, recipe in remedies(base).items():
            add("remedies", tracks.name, name, recipe, partial(_battery_cell, real["controlled"], recipe))
        for label, start in (("", 1.0), ("collapsed, ", 200.0)):  # a working CVAE, and one that has collapsed
            for name, recipe in remedies(small.but(beta=start)).items():
                call = partial(_battery_cell, partial(_planted, seed), recipe)
                add("remedies", "planted", label + name, recipe, call, 1000)
        for n in (1_000, 10_000, 100_000):
            recipe = small.but(epochs=max(1, round(STEPS * small.batch_size / n)))  # as many updates at every n
            dead = recipe.but(beta=200.0)
            for name, chosen in (("CVAE", recipe), ("VAE", recipe.but(kind="vae")), ("CVAE, beta = 200", dead)):
                add("scale", "planted", name, chosen, partial(_scale_cell, chosen), n)
        for beta in BETAS if seed < 3 else ():
            recipe = base.but(kind="vae", beta=beta)
            add("beta", tracks.name, "VAE", recipe, partial(_beta_cell, real["controlled"], recipe))
        for beta in (0.25, 1.0, 4.0):
            for kind in ("vae", "cvae"):
                recipe = small.but(kind=kind, beta=beta)
                add("factors", "planted", kind.upper(), recipe, partial(_factor_cell, recipe), 2000)
        for protocol, data in real.items():
            models = chapter_models(protocol, True, both_ways=True)
            if protocol == "released":
                models.pop("CVAE, KL annealing")  # the released code has none
            if protocol == "controlled":
                models |= {f"CVAE, c to the {part} only": base.but(condition=part) for part in ("encoder", "decoder")}
            redraw = partial(_real, tracks, protocol, seed + 1000) if protocol == "released" else None
            for name, recipe in models.items():
                call = partial(_battery_cell, data, recipe, redraw=redraw)
                add("battery", f"{tracks.name}, {protocol}", name, recipe, call)
    return out


def run(out_dir: str | Path, seeds: Iterable[int] = range(5), n_jobs: int | None = None, dataset: str = "gtzan",
        only: Sequence[str] = ()) -> None:
    """Compute what `out_dir` does not hold yet: collapse_<grid>.csv (COLUMNS) and collapse_provenance.json.

    Every cell is kept as soon as it is done (in the cache folder, until its grid is whole), so an interrupted run goes
    on where it stopped; a cell that is there is not run again. Other code (comments aside) begins anew. The provenance
    has the cost of each grid: cells, wall and CPU seconds of the run that finished it. Raises ValueError when the files
    belong to another table of features.
    """
    out_dir, tracks, code = Path(out_dir), load(dataset), code_digest(*CODE)[:12]
    out_dir.mkdir(parents=True, exist_ok=True)
    record = out_dir / "collapse_provenance.json"
    made: dict = json.loads(record.read_text()) if record.exists() else {}
    if made:
        store.check_provenance(tracks, made, str(record))
    for name, cells in grids(tracks, list(seeds)).items():
        if only and name not in only:
            continue
        path = out_dir / f"collapse_{name}.csv"
        partial_path = training.cache_dir() / f"collapse_{tracks.name}_{name}_{code}.csv"
        done_before = [path] if made.get("grids", {}).get(name) == code else []
        source = next((p for p in (partial_path, *done_before) if p.exists()), None)
        rows = [] if source is None else pd.read_csv(source).to_dict("records")
        done = {_key(row) for row in rows}
        todo = [(cell, call) for cell, call in cells if _key(cell) not in done]
        began, cpu = time.perf_counter(), cpu_seconds()
        work = joblib.Parallel(n_jobs=n_jobs or joblib.cpu_count(), return_as="generator")(
            joblib.delayed(call)(cell) for cell, call in todo
        )
        for new in tqdm(work, total=len(todo), desc=name):
            rows += new
            _write(partial_path, rows)
        if todo:
            _write(path, rows)
            cost = {"cells": len(todo), "wall_s": time.perf_counter() - began, "cpu_s": cpu_seconds() - cpu}
            made = store.provenance(tracks, grids=made.get("grids", {}) | {name: code},
                                      cost=made.get("cost", {}) | {name: cost})
            cache.write_atomically(record, lambda to: to.write_text(json.dumps(made, indent=1) + "\n"))  # noqa: B023
            partial_path.unlink(missing_ok=True)
            if name == "beta":
                cache.write_atomically(out_dir / "collapse_maps.npz", lambda to: np.savez_compressed(to, **maps(tracks)))


def maps(tracks: Tracks) -> dict[str, np.ndarray]:
    """The beta sweep's VAE of the first seed as 2-d maps, each grown from the one before.

    Arrays: beta (B,); map (B, n, 2) float16; labels (B, n) int16, K-Means with as many clusters as genres; active (B,)
    units with KL > 0.05; silhouette (B,) and nmi (B,) of those labels.
    """
    X, c, _ = _real(tracks, "controlled", 0)
    found: dict[str, list] = {name: [] for name in ("map", "labels", "active", "silhouette", "nmi")}
    for beta in tqdm(BETAS, desc="maps"):
        fit = training.fit(X, _base().but(kind="vae", beta=beta), 0)
        labels = KMeans(int(c.max()) + 1, n_init=10, random_state=0).fit_predict(fit.mu)
        points = plots.project(fit.mu, start=found["map"][-1] if found["map"] else None)
        scores = silhouette_score(fit.mu, labels), normalized_mutual_info_score(c, labels)
        row = (points, labels, len(fit.active), *scores)
        for values, value in zip(found.values(), row, strict=True):
            values.append(value)
    types = {"map": np.float16, "labels": np.int16, "active": np.int16}
    return {"beta": np.array(BETAS)} | {name: np.array(v, types.get(name, float)) for name, v in found.items()}


def _write(path: Path, rows: list[dict]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=COLUMNS)
    cache.write_atomically(path, partial(table.to_csv, index=False, float_format="%.6g", lineterminator="\n"))


def _key(row: dict) -> tuple:
    return tuple(str(row[name]) if name in ("data", "model") else float(row[name]) for name in COLUMNS[:5])


def published(dataset: str, grid: str) -> pd.DataFrame | None:
    """The stored table of a grid, or None where `make results` has not been run."""
    path = store.published(dataset) / f"collapse_{grid}.csv"
    return pd.read_csv(path) if path.exists() else None


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=None)
    parser.add_argument("--only", nargs="*", default=(), help="these grids only (remedies, scale, beta, ...)")
    options = parser.parse_args()
    run(store.published("gtzan"), n_jobs=options.jobs, only=options.only)
