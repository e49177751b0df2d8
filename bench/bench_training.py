"""Cost of training: against a paper-style loop and pythae, over seeds, split by part, beside the floor of the machine.

`python bench/bench_training.py` prints the tables and writes data/results/bench/training.json. Times are CPU seconds of
one thread unless they say "wall"; every ratio compares runs of this one call, taken in turns. `--pythae PYTHON` names
an interpreter with pythae (and this package) installed; without it that comparison is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import joblib
import numpy as np
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers import models, training
from helpers.training import batch_edges, fused_adam, single_thread
from helpers.protocols import PROTOCOLS, Recipe
from helpers.training import Stack, random_bits

OUT = Path(__file__).resolve().parents[1] / "data" / "results" / "bench" / "training.json"
SOURCE = str(Path(__file__).resolve().parents[1] / "src")
RECIPES = {
    "basic VAE (paper's text)": PROTOCOLS["written"].recipes["basic_vae"],
    "enhanced VAE (paper's text)": PROTOCOLS["written"].recipes["enhanced_vae"],
    "Beta-VAE (released code)": PROTOCOLS["released"].recipes["beta_vae"],
}


def table(n: int, n_features: int = 100) -> np.ndarray:
    """Random table (n, n_features) with unit columns: the cost of a step does not depend on the values."""
    return np.random.default_rng(0).standard_normal((n, n_features)).astype(np.float32)


def paper_style(X: np.ndarray, recipe: Recipe, seed: int) -> float:
    """The loop as the paper's description goes: DataLoader, autograd, default Adam, three .item() a step; last loss."""
    torch.manual_seed(seed)
    net = models.build(recipe, X.shape[1]).train()
    optimiser = torch.optim.Adam(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    loader = DataLoader(TensorDataset(torch.from_numpy(X)), batch_size=recipe.batch_size, shuffle=True)
    for epoch in range(recipe.epochs):
        optimiser.param_groups[0]["lr"] = training.lr_at(recipe, epoch)
        totals = [0.0, 0.0, 0.0]
        for (x,) in loader:
            mu, logvar = net.encode(x)
            z = mu + torch.randn_like(mu) * torch.exp(0.5 * logvar)
            parts = models.elbo(x, net.decode(z), mu, logvar, recipe, training.beta_at(recipe, epoch))
            optimiser.zero_grad()
            (parts[0] * len(x) if recipe.reduction == "sum" else parts[0]).backward()
            if recipe.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
            optimiser.step()
            for i, part in enumerate(parts):
                totals[i] += part.item() * len(x)
    return totals[0] / len(X)


def ours(X: np.ndarray, recipe: Recipe, seed: int) -> float:
    return float(training.fit(X, recipe, seed, cache=False).history["loss"][-1])


def cpu(run: Callable[[], object]) -> float:
    began = time.process_time()
    with single_thread():
        run()
    return time.process_time() - began


def best(runs: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least CPU seconds of each run, the runs taken in turns so that a busy machine slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            seconds[name].append(cpu(run))
    return {name: min(values) for name, values in seconds.items()}


def cpu_default_threads(run: Callable[[], object]) -> float:
    """CPU seconds with torch's own number of threads, whatever OMP_NUM_THREADS says: as the plain loop would run."""
    threads = torch.get_num_threads()
    torch.set_num_threads(joblib.cpu_count())
    began = time.process_time()
    run()
    used = time.process_time() - began
    torch.set_num_threads(threads)
    return used


def one_fit(epochs: int, repeats: int) -> list[dict]:
    """CPU seconds of 200 epochs: ours, and the paper-style loop on one thread and on as many as torch takes."""
    X, rows = table(1000), []
    for name, recipe in RECIPES.items():
        short = recipe.but(epochs=epochs)
        ours(X, recipe.but(epochs=1), 0), paper_style(X, recipe.but(epochs=1), 0)  # first calls load libraries
        t = best({"paper": lambda r=short: paper_style(X, r, 0), "ours": lambda r=short: ours(X, r, 0)}, repeats)
        t["paper_default_threads"] = min(
            cpu_default_threads(lambda r=short: paper_style(X, r, 0)) for _ in range(repeats)
        )
        per_200 = {f"{k}_s_per_200_epochs": v * 200 / epochs for k, v in t.items()}
        ratios = {"ratio": t["paper"] / t["ours"], "ratio_default_threads": t["paper_default_threads"] / t["ours"]}
        rows.append({"recipe": name} | per_200 | ratios)
    return rows


def ten_seeds(epochs: int, n_seeds: int = 10) -> dict:
    """Wall time of ten fits on two cores (worker start included) and of ten paper-style runs in a row; final losses."""
    X = table(1000)
    recipe = RECIPES["basic VAE (paper's text)"].but(epochs=epochs)
    ours(X, recipe.but(epochs=1), 0), paper_style(X, recipe.but(epochs=1), 0)
    began = time.perf_counter()
    fits = training.fit_seeds(X, recipe, n_seeds, n_jobs=2, cache=False)
    wall = time.perf_counter() - began
    with single_thread():
        began = time.perf_counter()
        losses = [paper_style(X, recipe, seed) for seed in range(n_seeds)]
        paper_wall = time.perf_counter() - began
    alone = training.fit(X, recipe, 3, cache=False)
    stacked = training.fit_seeds(X, recipe, n_seeds, cache=False, n_jobs=1, stack=n_seeds)
    final = [float(f.history["loss"][-1]) for f in fits]
    return {
        "seeds": n_seeds, "epochs": epochs, "ours_wall_s": wall, "paper_wall_s": paper_wall, "ratio": paper_wall / wall,
        "ours_loss_mean": float(np.mean(final)), "ours_loss_sd": float(np.std(final, ddof=1)),
        "paper_loss_mean": float(np.mean(losses)), "paper_loss_sd": float(np.std(losses, ddof=1)),
        "pool_equals_alone": bool((alone.mu == fits[3].mu).all()),
        "stacked_loss_difference": float(max(abs(s.history["loss"][-1] - f) for s, f in zip(stacked, final))),
    }  # fmt: skip


def split(steps: int = 600) -> list[dict]:
    """Microseconds of one step by part, and of its floor: the same matrix products and Adam's memory traffic alone."""
    X, rows = torch.from_numpy(table(1000)), []
    for name, recipe in RECIPES.items():
        with single_thread():
            torch.manual_seed(0)
            stack = Stack([models.build(recipe, X.shape[1]).train()])
            generator = torch.Generator().manual_seed(0)
            adam = adam_of(stack.weights, stack.gradients, recipe)
            bits = random_bits(recipe.batch_size * sum(stack.dropped), generator) if sum(stack.dropped) else None
            x, noise = X[: recipe.batch_size], torch.randn(recipe.batch_size, recipe.latent)
            marks = np.zeros((steps, 4))
            for i in range(steps):
                marks[i, 0] = time.process_time()
                stack.forward(x, noise, None, bits, 1.0)
                marks[i, 1] = time.process_time()
                stack.backward()
                marks[i, 2] = time.process_time()
                adam()
                marks[i, 3] = time.process_time()
            forward, backward, optimiser = np.median(np.diff(marks, axis=1)[steps // 10 :], axis=0) * 1e6
            gemm, update = floor(stack, recipe.batch_size, steps)
        n_steps = 9 * len(batch_edges(len(X), recipe))  # ten epochs less one: what is done once drops out
        whole = (cpu(lambda r=recipe: ours(X.numpy(), r.but(epochs=10), 0))
                 - cpu(lambda r=recipe: ours(X.numpy(), r.but(epochs=1), 0))) / n_steps * 1e6  # fmt: skip
        paper_style(X.numpy(), recipe.but(epochs=1), 0)  # the first call loads libraries
        usual = (cpu(lambda r=recipe: paper_style(X.numpy(), r.but(epochs=10), 0))
                 - cpu(lambda r=recipe: paper_style(X.numpy(), r.but(epochs=1), 0))) / n_steps * 1e6  # fmt: skip
        rows.append({
            "recipe": name, "parameters": stack.weights.numel(), "forward_us": forward, "backward_us": backward,
            "optimiser_us": optimiser, "overhead_us": whole - forward - backward - optimiser, "step_us": whole,
            "floor_products_us": gemm, "floor_adam_us": update, "step_over_floor": whole / (gemm + update),
            "paper_step_us": usual, "paper_over_floor": usual / (gemm + update),
        })  # fmt: skip
    return rows


def adam_of(weights: torch.Tensor, gradients: torch.Tensor, recipe: Recipe) -> Callable[[], None]:
    moments, steps = (torch.zeros_like(weights), torch.zeros_like(weights)), torch.zeros(())
    return lambda: fused_adam(weights, gradients, moments, steps, recipe.lr, recipe.weight_decay)


def floor(stack: Stack, n_rows: int, steps: int) -> tuple[float, float]:
    """Microseconds of a step's matrix products over the stack's own weights in their order, and of Adam's update."""
    products = [(w, d) for w, d in stack.views.values() if w.dim() == 2]
    inputs = [(torch.randn(n_rows, w.shape[1]), torch.randn(n_rows, w.shape[0])) for w, _ in products]
    adam = adam_of(stack.weights.clone(), stack.gradients, stack.recipe)
    marks = np.zeros((steps, 3))
    for i in range(steps):
        marks[i, 0] = time.process_time()
        for (w, _), (x, _) in zip(products, inputs):
            torch.mm(x, w.t())
        for k in range(len(products) - 1, -1, -1):
            torch.mm(inputs[k][1].t(), inputs[k][0], out=products[k][1])
            if k:  # the first layer's input needs no gradient
                torch.mm(inputs[k][1], products[k][0])
        marks[i, 1] = time.process_time()
        adam()
        marks[i, 2] = time.process_time()
    gemm, update = np.median(np.diff(marks, axis=1)[steps // 10 :], axis=0) * 1e6
    return float(gemm), float(update)


def growth(largest: int) -> dict:
    """CPU seconds of an epoch by rows, and of a fit by seeds: one after the other, and stacked in one process."""
    recipe = RECIPES["basic VAE (paper's text)"]
    rows = []
    for n in (10**k for k in range(3, 7)):
        if n <= largest:
            X, epochs = table(n, 68), max(1, 20_000 // n)
            rows.append({"rows": n, "epoch_s": cpu(lambda X=X, e=epochs: ours(X, recipe.but(epochs=e), 0)) / epochs})
    X, short, seeds = table(1000, 68), recipe.but(epochs=10), []
    for s in (1, 2, 5, 10):

        def seeds_at_once(stack: int, s: int = s) -> list[training.Fit]:
            return training.fit_seeds(X, short, s, n_jobs=1, cache=False, stack=stack)

        t = best({"apart": lambda f=seeds_at_once: f(1), "stacked": lambda f=seeds_at_once, s=s: f(s)}, 2)
        seeds.append({"seeds": s, "apart_s": t["apart"], "stacked_s": t["stacked"]})
    return {"rows": rows, "seeds": seeds}


def tried(repeats: int, compiling: bool) -> list[dict]:
    """What was tried for one step of the basic recipe and how it came out, ratio to what is used."""
    X, recipe = table(1000), RECIPES["basic VAE (paper's text)"].but(epochs=5)
    data = torch.from_numpy(X)

    def autograd(compiled: bool = False, half: bool = False) -> None:
        torch.manual_seed(0)
        net = models.build(recipe, X.shape[1]).train()
        adam = torch.optim.Adam(net.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)

        def loss(x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            mu, logvar = net.encode(x)
            return models.elbo(x, net.decode(mu + noise * torch.exp(0.5 * logvar)), mu, logvar, recipe, 1.0)[0]

        loss = torch.compile(loss) if compiled else loss
        for _ in range(recipe.epochs):
            order, noise = torch.randperm(len(X)), torch.randn(len(X), recipe.latent)
            for i in range(0, len(X), recipe.batch_size):
                rows = slice(i, i + recipe.batch_size)
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
                    value = loss(data[order[rows]], noise[rows])
                adam.zero_grad(set_to_none=True)
                value.backward()
                adam.step()

    runs: dict[str, Callable[[], object]] = {
        "gradients by hand, one buffer (used)": lambda: ours(X, recipe, 0),
        "autograd, tensor slices, fused Adam": autograd,
        "the same in bfloat16 (autocast)": lambda: autograd(half=True),
        "batches of 128 (another recipe), per row": lambda: ours(X, recipe.but(batch_size=128), 0),
    }
    if compiling:
        cpu(lambda: autograd(compiled=True))
        runs["torch.compile of the loss, once compiled"] = lambda: autograd(compiled=True)
    t = best(runs, repeats)
    used = t["gradients by hand, one buffer (used)"]
    return [{"what": name, "relative_cpu": seconds / used} for name, seconds in t.items()]


PYTHAE = """
import os, sys, time, tempfile, logging, numpy as np, torch
torch.set_num_threads(1)
logging.disable(logging.WARNING)
from pythae.models import BetaVAE, BetaVAEConfig
from pythae.models.nn import BaseEncoder, BaseDecoder
from pythae.models.base.base_utils import ModelOutput
from pythae.trainers import BaseTrainer, BaseTrainerConfig
from pythae.data.datasets import BaseDataset
from helpers.protocols import PROTOCOLS
recipe = PROTOCOLS["written"].recipes["basic_vae"]
X = np.random.default_rng(0).standard_normal((1000, 100)).astype("float32")
net = models.build(recipe, 100)
class Encoder(BaseEncoder):
    def __init__(self): super().__init__(); self.net = torch.nn.ModuleList([net.encoder, net.head])
    def forward(self, x):
        mu, logvar = self.net[1](self.net[0](x)).chunk(2, 1)
        return ModelOutput(embedding=mu, log_covariance=logvar)
class Decoder(BaseDecoder):
    def __init__(self): super().__init__(); self.net = torch.nn.Sequential(net.decoder, net.output)
    def forward(self, z): return ModelOutput(reconstruction=self.net(z))
epochs = int(sys.argv[1])
def run(epochs):
    config = BaseTrainerConfig(output_dir=tempfile.mkdtemp(), num_epochs=epochs, learning_rate=1e-3,
        per_device_train_batch_size=32, optimizer_cls="Adam", optimizer_params={"weight_decay": 1e-5}, no_cuda=True)
    model = BetaVAE(BetaVAEConfig(input_dim=(100,), latent_dim=32, beta=1.0), encoder=Encoder(), decoder=Decoder())
    data = BaseDataset(torch.from_numpy(X), torch.zeros(len(X)))
    began = time.process_time()
    BaseTrainer(model, data, training_config=config).train()
    return time.process_time() - began
first = run(1)
print("SECONDS", run(epochs))
"""


def pythae(python: str | None, epochs: int) -> dict | None:
    if python is None:
        return None
    done = subprocess.run([python, "-c", PYTHAE, str(epochs)], capture_output=True, text=True,
                          env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": SOURCE})  # fmt: skip
    seconds = [float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("SECONDS")]
    if not seconds:
        print(f"pythae left out: {done.stderr.strip().splitlines()[-1:]}")
        return None
    X, recipe = table(1000), RECIPES["basic VAE (paper's text)"].but(epochs=epochs)
    mine = min(cpu(lambda: ours(X, recipe, 0)) for _ in range(2))
    return {"pythae_s_per_200_epochs": seconds[0] * 200 / epochs, "ours_s_per_200_epochs": mine * 200 / epochs,
            "ratio": seconds[0] / mine}  # fmt: skip


def show(title: str, rows: list[dict]) -> None:
    print(f"\n{title}")
    for row in rows:
        print("  " + "  ".join(f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in row.items()))


PARTS: dict[str, tuple[str, Callable]] = {
    "one_fit": ("One fit of 1000 x 100, CPU seconds", lambda a: one_fit(a.epochs, a.repeats)),
    "split": ("One step by part, microseconds", lambda a: split()),
    "tried": ("Tried, relative CPU", lambda a: tried(a.repeats, a.compile)),
    "growth": ("Growth, CPU seconds of an epoch by rows and of 10 epochs by seeds:", lambda a: growth(a.largest)),
    "pythae": ("pythae's BetaVAE trainer", lambda a: pythae(a.pythae, a.epochs)),
    "ten_seeds": ("Ten seeds on two cores, wall seconds", lambda a: ten_seeds(a.pool_epochs)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=40, help="epochs of the single fits (ratios do not depend on it)")
    parser.add_argument("--pool-epochs", type=int, default=200, help="epochs of the ten-seed comparison")
    parser.add_argument("--largest", type=int, default=10**6, help="most rows in the growth table")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="try torch.compile too (needs a C++ compiler)")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--pythae", metavar="PYTHON", help="interpreter with pythae installed")
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS, help="measure these, keep the others")
    args = parser.parse_args()
    result: dict = json.loads(args.out.read_text()) if args.out.exists() else {}
    result |= {
        "date": date.today().isoformat(),
        "machine": f"{joblib.cpu_count()} cores, {platform.machine()}" + ", GPU" * torch.cuda.is_available(),
        "versions": {"python": platform.python_version(), "torch": str(torch.__version__), "numpy": np.__version__},
    }
    for part in args.parts:
        title, measure = PARTS[part]
        result[part] = measure(args)
        tables = result[part] if part == "growth" else {"": result[part]}
        for name, rows in tables.items():
            show(f"{title} {name}", rows if isinstance(rows, list) else [rows] if rows else [])
    args.out.parent.mkdir(parents=True, exist_ok=True)
    temporary = args.out.with_suffix(".tmp")
    temporary.write_text(json.dumps(result, indent=1) + "\n")
    os.replace(temporary, args.out)
    print(f"\nwritten: {args.out.name}")


if __name__ == "__main__":
    sys.exit(main())
