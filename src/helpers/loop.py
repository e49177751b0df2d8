"""The training loop: what a recipe, a seed and a table make of a network.

Everything that decides the numbers of a fit is here, in `models` and in `stack`; the cache key is made of these three.
The data are one tensor sliced by a seeded permutation, one fused Adam updates one buffer, and the losses stay on the
device until the end of an epoch. Used by `training`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.optim.adam import adam as functional_adam

from . import models
from .protocols import Recipe
from .stack import Stack, random_bits


@dataclass(frozen=True)
class Fit:
    """A trained network as arrays: posterior means `mu` and log-variances `logvar` (n, latent) of the training rows
    (logvar None for an autoencoder), `history` with one value per epoch (loss, reconstruction and kl, the last in
    nats), the weights in `state`, and the CPU seconds spent."""

    mu: np.ndarray
    logvar: np.ndarray | None
    history: dict[str, np.ndarray]
    state: dict[str, np.ndarray] = field(repr=False)
    recipe: Recipe
    seed: int
    n_features: int
    n_classes: int
    seconds: float

    @property
    def kl_per_dim(self) -> np.ndarray:
        """Mean KL per latent dimension over the training rows, nats, shape (latent,); zeros for an autoencoder."""
        if self.logvar is None:
            return np.zeros(self.mu.shape[1])
        mu, logvar = self.mu.astype(float), self.logvar.astype(float)
        return 0.5 * (mu**2 + np.exp(logvar) - 1 - logvar).mean(axis=0)

    @property
    def active(self) -> np.ndarray:
        """Indices of the latent dimensions with more than 0.05 nats of KL (all of them for an autoencoder)."""
        return np.arange(self.mu.shape[1]) if self.logvar is None else np.flatnonzero(self.kl_per_dim > 0.05)

    def sample(self, seed: int) -> np.ndarray:
        """One draw z ~ q(z|x) per row, shape (n, latent); the code itself for an autoencoder."""
        if self.logvar is None:
            return self.mu
        noise = np.random.default_rng(seed).standard_normal(self.mu.shape).astype(np.float32)
        return self.mu + np.exp(0.5 * self.logvar) * noise

    def model(self) -> models.AE:
        """The network with its trained weights, in evaluation mode."""
        with torch.device("meta"):  # no weights are drawn only to be replaced
            net = models.build(self.recipe, self.n_features, self.n_classes)
        net.load_state_dict({name: torch.tensor(value) for name, value in self.state.items()}, assign=True)
        return net.eval()


def one_hot(c: np.ndarray | None, n_classes: int) -> Tensor | None:
    """Integer codes (n,) -> float tensor (n, n_classes); None stays None."""
    return None if c is None else torch.nn.functional.one_hot(torch.as_tensor(c).long(), n_classes).float()


def beta_at(recipe: Recipe, epoch: int) -> float:
    """Weight of the KL term in `epoch` (from 0): beta times the annealing ramp; cyclical ramps for the first half of
    each cycle and then stays (Fu et al. 2019, eq. 3)."""
    if recipe.anneal == "linear":
        return recipe.beta * min(1.0, epoch / recipe.anneal_epochs)
    if recipe.anneal == "cyclical":
        return recipe.beta * min(1.0, 2.0 * (epoch % recipe.anneal_epochs) / recipe.anneal_epochs)
    return recipe.beta


def lr_at(recipe: Recipe, epoch: int) -> float:
    """Learning rate in `epoch` (from 0): constant, or half a cosine down to zero over all epochs."""
    return recipe.lr * (0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs)) if recipe.schedule == "cosine" else 1.0)


@contextmanager
def single_thread():
    """One thread and a private random state inside; both restored outside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)


def fused_adam(
    weights: Tensor, gradients: Tensor, moments: tuple[Tensor, Tensor], steps: Tensor, lr: float, weight_decay: float
) -> None:
    """One step of Adam (Kingma & Ba 2015) in place, `moments` and the step count included, with torch's constants.

    The function under `torch.optim.Adam(fused=True)`: the class around it costs a third as much again here.
    """
    functional_adam(
        [weights], [gradients], [moments[0]], [moments[1]], [], [steps], fused=True, amsgrad=False, maximize=False,
        beta1=0.9, beta2=0.999, eps=1e-8, lr=lr, weight_decay=weight_decay,
    )  # fmt: skip


def train(X: np.ndarray, c: np.ndarray | None, n_classes: int, recipe: Recipe, seeds: list[int]) -> list[Fit]:
    """Train the networks of `seeds` side by side; each draws from its own generator, as if it were alone."""
    began = time.process_time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    nets = []
    for seed in seeds:
        torch.manual_seed(seed)
        nets.append(models.build(recipe, X.shape[1], n_classes).to(device).train())
    stack, generators = Stack(nets), [torch.Generator(device).manual_seed(seed) for seed in seeds]
    data, cond = torch.tensor(X, device=device), one_hot(c, n_classes)
    cond = None if cond is None else cond.to(device)
    n, n_bits = len(X), sum(stack.dropped)
    edges = batch_edges(n, recipe)
    sizes = np.array([stop - start for start, stop in edges])

    def adam(weights: Tensor, gradients: Tensor) -> Callable[[float], None]:
        moments = torch.zeros_like(weights), torch.zeros_like(weights)
        steps = torch.zeros((), device=device)
        return lambda lr: fused_adam(weights, gradients, moments, steps, lr, recipe.weight_decay)

    # the encoder and the decoder are updated apart where they take turns
    parts = (slice(stack.n_encoder), slice(stack.n_encoder, None)) if recipe.aggressive else (slice(None),)
    updates = [adam(stack.weights[:, part], stack.gradients[:, part]) for part in parts]

    def draw(make: Callable[[torch.Generator], Tensor]) -> Tensor:  # one draw per seed, stacked
        return torch.stack([make(g) for g in generators]) if len(generators) > 1 else make(generators[0])

    def normal(rows: int) -> Tensor:
        return draw(lambda g: torch.randn((rows, recipe.latent), generator=g, device=device))

    def step(rows: Tensor, noise: Tensor, beta: float, lr: float, which: list[Callable[[float], None]]) -> list[Tensor]:
        bits = draw(lambda g: random_bits(rows.shape[-1] * n_bits, g)) if n_bits else None
        losses = stack.forward(data[rows], noise, None if cond is None else cond[rows], bits, beta)
        stack.backward()
        if recipe.clip_norm is not None:
            stack.clip(recipe.clip_norm)
        for update in which:
            update(lr)
        return losses

    history = np.zeros((recipe.epochs, 3, len(seeds)))
    best, waited, aggressive, information = math.inf, 0, bool(recipe.aggressive), -math.inf
    epoch = 0
    for epoch in range(recipe.epochs):
        beta, lr = beta_at(recipe, epoch), lr_at(recipe, epoch)
        order = draw(lambda g: torch.randperm(n, generator=g, device=device))
        noise = normal(n)
        losses: list[Tensor] = []
        for start, stop in edges:
            if aggressive:  # He et al. 2019: let the encoder catch up on random batches before the decoder moves
                for _ in range(recipe.aggressive):
                    rows = torch.randint(n, (stop - start,), generator=generators[0], device=device)
                    step(rows, normal(stop - start), beta, lr, updates[:1])
            turn = updates[1:] if aggressive else updates
            losses += step(order[..., start:stop], noise[..., start:stop, :], beta, lr, turn)
        history[epoch] = _epoch_losses(torch.stack(losses), sizes, recipe, beta, X.shape[1])
        if not np.isfinite(history[epoch]).all():
            raise FloatingPointError(f"The loss became infinite or NaN in epoch {epoch + 1}; lower lr ({recipe.lr}).")
        loss = history[epoch, 0, 0]
        if aggressive:
            now = _information(nets[0].eval(), data, cond, order[:1000], generators[0])
            nets[0].train()
            aggressive, information = now > information, now
        if recipe.patience is not None:
            best, waited = (loss, 0) if loss < best else (best, waited + 1)
            if waited >= recipe.patience:
                break
    seconds = (time.process_time() - began) / len(seeds)
    return [
        _as_fit(net.eval(), data, cond, history[: epoch + 1, :, i], recipe, seed, seconds)
        for i, (net, seed) in enumerate(zip(nets, seeds, strict=True))
    ]


def _epoch_losses(parts: Tensor, sizes: np.ndarray, recipe: Recipe, beta: float, n_features: int) -> np.ndarray:
    """What `Stack.forward` returned for each batch, one after the other -> mean loss, reconstruction and KL, (3, S)."""
    reconstruction, kl, penalised = parts.cpu().double().numpy().reshape(len(sizes), 3, -1).transpose(1, 0, 2)
    with np.errstate(divide="ignore", invalid="ignore"):  # reported by the caller
        learned = recipe.sigma == "learned"
        data_term = 0.5 * n_features * np.log(reconstruction / n_features) if learned else reconstruction
        return np.average([data_term + beta * penalised, reconstruction, kl], axis=1, weights=sizes)


@torch.no_grad()
def _information(net: models.AE, data: Tensor, cond: Tensor | None, rows: Tensor, generator: torch.Generator) -> float:
    mu, logvar = net.encode(data[rows], None if cond is None else cond[rows])
    assert logvar is not None, "a lagging encoder has a posterior"
    return models.mutual_information(mu, logvar, generator)


@torch.no_grad()
def _as_fit(
    net: models.AE, data: Tensor, cond: Tensor | None, history: np.ndarray, recipe: Recipe, seed: int, seconds: float
) -> Fit:
    mu, logvar = net.encode(data, cond)
    return Fit(
        mu=mu.cpu().numpy(),
        logvar=None if logvar is None else logvar.cpu().numpy(),
        history={name: history[:, i].copy() for i, name in enumerate(("loss", "reconstruction", "kl"))},
        state={k: v.detach().cpu().numpy().copy() for k, v in net.state_dict().items()},
        recipe=recipe,
        seed=seed,
        n_features=data.shape[1],
        n_classes=0 if cond is None else cond.shape[1],
        seconds=seconds,
    )


def batch_edges(n: int, recipe: Recipe) -> list[tuple[int, int]]:
    """(start, stop) of each batch; a last batch of one row joins the one before it, since BatchNorm needs two."""
    starts = list(range(0, n, recipe.batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))
