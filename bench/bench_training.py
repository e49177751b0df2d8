"""Cost of training: one fit and ten seeds against a paper-style loop, a step by part, and growth
with the rows.

`python bench/bench_training.py` prints the tables and writes data/results/bench/training.json.
Times are CPU seconds of one thread unless they say "wall"; every ratio compares runs of this one
call, taken in turns."""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path

import joblib
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers import models, training
from helpers.protocols import PROTOCOLS, Recipe

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "bench" / "training.json"
RECIPES = {
    "basic VAE (paper's text)": PROTOCOLS["written"].recipes["basic_vae"],
    "enhanced VAE (paper's text)": PROTOCOLS["written"].recipes["enhanced_vae"],
    "Beta-VAE (released code)": PROTOCOLS["released"].recipes["beta_vae"],
}


def table(n: int, n_features: int = 100) -> np.ndarray:
    """Random table (n, n_features) with unit columns: the cost of a step does not depend on the
    values."""
    return np.random.default_rng(0).standard_normal((n, n_features)).astype(np.float32)


def paper_style(X: np.ndarray, recipe: Recipe, seed: int) -> float:
    """The loop as the paper's description goes: DataLoader, default Adam, three .item() a step; the
    last loss."""
    torch.manual_seed(seed)
    net = models.build(recipe, X.shape[1]).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    loader = DataLoader(
        TensorDataset(torch.from_numpy(X)), batch_size=recipe.batch_size, shuffle=True
    )
    for epoch in range(recipe.epochs):
        optimiser.param_groups[0]["lr"] = training.lr_at(recipe, epoch)
        totals = [0.0, 0.0, 0.0]
        for (x,) in loader:
            parts = models.loss(net, (x,), training.beta_at(recipe, epoch))
            optimiser.zero_grad()
            (parts[0] * len(x) if recipe.reduction == "sum" else parts[0]).backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            optimiser.step()
            for i, part in enumerate(parts):
                totals[i] += part.sum().item() * len(x)
    return totals[0] / len(X)


def ours(X: np.ndarray, recipe: Recipe, seed: int) -> float:
    return float(training.fit(X, recipe, seed, use_cache=False).history["loss"][-1])


def cpu(run: Callable[[], object], threads: int = 1) -> float:
    """CPU seconds of a run with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    began = time.process_time()
    run()
    torch.set_num_threads(before)
    return time.process_time() - began


def one_fit(epochs: int, repeats: int) -> list[dict]:
    """CPU seconds of 200 epochs, the least of some runs taken in turns: ours, and the paper-style
    loop on one thread and on as many as torch takes by itself."""
    X, rows = table(1000), []
    for name, recipe in RECIPES.items():
        short = recipe.but(epochs=epochs)
        (
            ours(X, recipe.but(epochs=1), 0),
            paper_style(X, recipe.but(epochs=1), 0),
        )  # first calls load libraries
        ways = {
            "paper": (paper_style, 1),
            "ours": (ours, 1),
            "paper_default_threads": (paper_style, joblib.cpu_count()),
        }
        found: dict[str, list[float]] = {way: [] for way in ways}
        for turn in range(repeats):
            for way, (run, threads) in ways.items():
                if (
                    way.endswith("threads") and turn
                ):  # once: on a busy machine its threads wait for each other
                    continue
                found[way].append(cpu(lambda r=run: r(X, short, 0), threads))  # noqa: B023
        t = {way: min(seconds) for way, seconds in found.items()}
        ratios = {
            "ratio": t["paper"] / t["ours"],
            "ratio_default_threads": t["paper_default_threads"] / t["ours"],
        }
        rows.append(
            {"recipe": name}
            | {f"{k}_s_per_200_epochs": v * 200 / epochs for k, v in t.items()}
            | ratios
        )
    return rows


def ten_seeds(epochs: int, n_seeds: int = 10) -> dict:
    """Wall time of ten fits on two cores (worker start included) and of ten paper-style runs in a
    row; final losses."""
    X, recipe = table(1000), RECIPES["basic VAE (paper's text)"].but(epochs=epochs)
    ours(X, recipe.but(epochs=1), 0), paper_style(X, recipe.but(epochs=1), 0)
    began = time.perf_counter()
    fits = training.fit_many(
        [(X, recipe, seed) for seed in range(n_seeds)], 2, use_cache=False, progress=False
    )
    wall = time.perf_counter() - began
    began = time.perf_counter()
    losses = [paper_style(X, recipe, seed) for seed in range(n_seeds)]
    paper_wall = time.perf_counter() - began
    final = [float(f.history["loss"][-1]) for f in fits]
    alone = training.fit(X, recipe, 3, use_cache=False)
    return {
        "seeds": n_seeds,
        "epochs": epochs,
        "ours_wall_s": wall,
        "paper_wall_s": paper_wall,
        "ratio": paper_wall / wall,
        "ours_loss_mean": float(np.mean(final)),
        "ours_loss_sd": float(np.std(final, ddof=1)),
        "paper_loss_mean": float(np.mean(losses)),
        "paper_loss_sd": float(np.std(losses, ddof=1)),
        "pool_equals_alone": bool((alone.mu == fits[3].mu).all()),
    }


def split(steps: int = 400) -> list[dict]:
    """Microseconds of one step by part, medians: forward with the loss, backward, optimiser; and of
    the step's matrix products alone, as torch's own library runs these shapes (three a layer but
    for the first, which needs two)."""
    X, rows = torch.from_numpy(table(1000)), []
    for name, recipe in RECIPES.items():
        with training.seeded(0):
            net = models.build(recipe, X.shape[1]).train()
            weights = list(net.parameters())
            adam = torch.optim.Adam(weights, weight_decay=recipe.weight_decay, fused=True)
            x = X[: recipe.batch_size]
            marks = np.zeros((steps, 4))
            for i in range(steps):
                marks[i, 0] = time.process_time()
                loss, *_ = models.loss(net, (x,), 1.0)
                marks[i, 1] = time.process_time()
                adam.zero_grad()
                loss.backward()
                marks[i, 2] = time.process_time()
                adam.step()
                marks[i, 3] = time.process_time()
            matrices = [w.detach() for w in weights if w.dim() == 2]
            sides = [
                (torch.randn(len(x), w.shape[1]), torch.randn(len(x), w.shape[0])) for w in matrices
            ]
            products = np.zeros(steps)
            for i in range(steps):
                began = time.process_time()
                for k, (w, (a, g)) in enumerate(zip(matrices, sides)):
                    a @ w.T, g.T @ a, (g @ w if k else None)
                products[i] = time.process_time() - began
        forward, backward, optimiser = (
            np.median(np.diff(marks, axis=1)[steps // 10 :], axis=0) * 1e6
        )
        rows.append(
            {
                "recipe": name,
                "parameters": sum(w.numel() for w in weights),
                "forward_us": forward,
                "backward_us": backward,
                "optimiser_us": optimiser,
                "step_us": forward + backward + optimiser,
                "products_us": float(np.median(products) * 1e6),
            }
        )
    return rows


def growth(largest: int) -> list[dict]:
    """CPU seconds of an epoch against the number of rows."""
    recipe, rows = RECIPES["basic VAE (paper's text)"], []
    for n in (1_000, 10_000, 100_000, 1_000_000):
        if n <= largest:
            X = table(n)
            epoch = partial(ours, X, recipe.but(epochs=1), 0)
            rows.append({"rows": n, "epoch_s": cpu(epoch)})
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--epochs", type=int, default=20, help="of the timed fits; told per 200")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--largest", type=int, default=100_000, help="rows of the largest table")
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    found = {
        "date": date.today().isoformat(),
        "machine": f"{joblib.cpu_count()} cores, {platform.machine()}",
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "one_fit": one_fit(options.epochs, options.repeats),
        "ten_seeds": ten_seeds(options.epochs * 5),
        "split": split(),
        "growth": {"rows": growth(options.largest)},
    }
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
