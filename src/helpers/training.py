"""Training: one loop for every network and loss of the book, fits over the cores, and a scikit-learn transformer.

The data are tensors sliced by a seeded permutation, one fused Adam moves the weights, the losses are read once an
epoch. A process trains in one thread, since on networks this small threads cost more than they save; many fits are
spread over processes (page "Performance"). The loss is an argument; `models.loss`, the ELBO that the page "Method"
prints, is the usual one."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import current_process

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor, nn
from torch.optim.adam import adam as functional_adam
from tqdm import tqdm

from . import cache, models
from .protocols import Recipe

log = logging.getLogger("helpers")

CHECKPOINT_S = 60.0  # seconds between the states that a long training leaves in the store
TOO_FAR = 10.0  # a fit whose reconstruction and KL end above so many times what they had before has diverged
Loss = Callable[..., tuple[Tensor, Tensor, Tensor]]  # of a network, a batch and beta


class Diverged(ArithmeticError):
    """A training that ran away; the message names the network and its seed and says what to do."""


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
        return np.zeros(self.mu.shape[1]) if self.logvar is None else kl_rows(self.mu, self.logvar).mean(axis=0)

    @property
    def active(self) -> np.ndarray:
        """Indices of the latent dimensions with more than `models.ACTIVE_KL` nats (all of them for an autoencoder)."""
        return np.flatnonzero((self.kl_per_dim > models.ACTIVE_KL) | (self.logvar is None))

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


def kl_rows(mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """`models.kl_divergence` of arrays, in double precision: nats per row and dimension, (n, d)."""
    return models.kl_divergence(*(torch.as_tensor(np.asarray(part, dtype=float)) for part in (mu, logvar))).numpy()


# ---- the loop -------------------------------------------------------------------------------------------------------


def beta_at(recipe: Recipe, epoch: float) -> float:
    """Weight of the KL term in `epoch` (from 0): beta times the annealing ramp; cyclical ramps for the first half of
    each cycle and then stays (Fu et al. 2019, eq. 3)."""
    if recipe.anneal == "linear":
        return recipe.beta * min(1.0, epoch / recipe.anneal_epochs)
    if recipe.anneal == "cyclical":
        return recipe.beta * min(1.0, 2.0 * (epoch % recipe.anneal_epochs) / recipe.anneal_epochs)
    return recipe.beta


def lr_at(recipe: Recipe, epoch: float) -> float:
    """Learning rate in `epoch` (from 0): constant, or half a cosine down to zero over all epochs."""
    return recipe.lr * (0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs)) if recipe.schedule == "cosine" else 1.0)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """One thread, and a random state of torch's that starts at `seed`, inside; both restored outside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def adam(weights: list[nn.Parameter], weight_decay: float) -> Callable[[float], None]:
    """Adam (Kingma & Ba 2015) with torch's constants, all weights in one fused kernel: a function that takes one step.

    It is what `torch.optim.Adam(fused=True)` calls; the class around it costs a second at its first use in a process,
    and a third as much again in every step. Its moments are the function's `memory`."""
    first, second = ([torch.zeros_like(w, requires_grad=False) for w in weights] for _ in range(2))
    steps = [torch.zeros((), device=w.device) for w in weights]

    @torch.no_grad()
    def update(lr: float) -> None:
        moved = [row for row in zip(weights, [w.grad for w in weights], first, second, steps) if row[1] is not None]
        w, gradient, m, v, step = map(list, zip(*moved))
        functional_adam(w, gradient, m, v, [], step, fused=True, amsgrad=False, maximize=False, beta1=0.9, beta2=0.999,
                        eps=1e-8, lr=lr, weight_decay=weight_decay)  # fmt: skip

    update.memory = [*first, *second, *steps]  # type: ignore[attr-defined]
    return update


def train(net: models.AE, data: tuple[Tensor, ...], recipe: Recipe, loss: Loss | None = None,
          unfinished: str = "") -> dict[str, np.ndarray]:
    """Train `net` in place on `data`, tensors with one row a track: its history, {loss, reconstruction, kl: (epochs,)}.

    `loss(net, batch, beta)` gives the loss, its reconstruction and its KL, means over the batch; None takes
    `models.loss`. The random state is the caller's (`seeded`). A training that takes long shows how long it will take;
    with `unfinished`, a key of the store, it leaves its state there every CHECKPOINT_S seconds, at an epoch's end, and
    the next call goes on from there, to the same weights. Raises `Diverged` for a loss that is not finite or ends
    TOO_FAR above where it was."""
    loss = loss or models.loss
    n, updates = len(data[0]), [adam(part, recipe.weight_decay) for part in _parts(net, recipe)]
    weights = [p for p in net.parameters() if p.requires_grad]

    def step(rows: Tensor, which: list[Callable[[float], None]]) -> Tensor:
        values = loss(net, tuple(part[rows] for part in data), beta)  # type: ignore[misc]
        scale = {"mean": 1.0, "sum": len(rows), "elements": 1.0 / data[0][0].numel()}[recipe.reduction]
        for weight in weights:
            weight.grad = None
        (values[0] * scale).backward()
        if recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(weights, recipe.clip_norm, foreach=True)
        for update in which:
            update(lr)
        return torch.stack([value.detach() for value in values]) * len(rows)

    history: list[list[float]] = []
    best, waited, lagging, known, done = math.inf, 0, bool(recipe.aggressive), -math.inf, 0
    total = recipe.steps or recipe.epochs * len(batches(torch.empty(n), recipe.batch_size))
    moved = [*net.state_dict().values(), *(t for update in updates for t in update.memory)]  # type: ignore[attr-defined]
    if left := cache.get([unfinished]).get(unfinished) if unfinished else None:
        history = left["history"].tolist()
        best, waited, lagging, known, done = (kind(v) for kind, v in zip((float, int, bool, float, int), left["loop"]))
        for i, tensor in enumerate(moved):
            tensor.copy_(torch.from_numpy(left[f"moved{i}"]))
        for i, put in enumerate((torch.set_rng_state, torch.cuda.set_rng_state)[: 1 + torch.cuda.is_available()]):
            put(torch.from_numpy(left[f"random{i}"]))
    net.train()
    quiet, saved = None if current_process().name == "MainProcess" else True, time.monotonic()
    with tqdm(total=total, initial=done, desc="training", unit="step", delay=10, leave=False, disable=quiet) as bar:
        while done < total:
            sums, seen = torch.zeros(3, device=data[0].device), 0
            for rows in batches(torch.randperm(n), recipe.batch_size)[: total - done]:
                epoch = len(history) if recipe.steps is None else recipe.epochs * done / recipe.steps
                beta, lr = beta_at(recipe, epoch), lr_at(recipe, epoch)
                for _ in range(recipe.aggressive if lagging else 0):  # He et al. 2019: the encoder catches up first
                    step(torch.randint(n, (len(rows),)), updates[:1])
                sums += step(rows, updates[1:] if lagging else updates)
                seen, done = seen + len(rows), done + 1
                bar.update()
            history.append((sums / seen).tolist())
            if not np.isfinite(history[-1]).all():
                raise Diverged(f"the loss became infinite or NaN in epoch {len(history)}")
            if lagging:
                now = _information(net, tuple(part[:1000] for part in data))
                lagging, known = now > known, now
            if recipe.patience is not None:
                best, waited = (history[-1][0], 0) if history[-1][0] < best else (best, waited + 1)
                if waited >= recipe.patience:
                    break
            if unfinished and done < total and time.monotonic() - saved > CHECKPOINT_S:
                cache.put({unfinished: _state(moved, history, (best, waited, lagging, known, done))})
                saved = time.monotonic()
    ends = [reconstruction + kl for _, reconstruction, kl in history]
    if ends[-1] > TOO_FAR * min(ends):
        raise Diverged(f"reconstruction and KL end at {ends[-1]:.3g}, far above the {min(ends):.3g} of before")
    net.eval()
    return dict(zip(("loss", "reconstruction", "kl"), np.array(history).T.copy(), strict=True))


def _state(moved: list[Tensor], history: list, loop: tuple) -> dict[str, np.ndarray]:
    """All that a training needs to go on: the tensors that it moves, the random state, and where the loop is."""
    arrays = {f"moved{i}": t.cpu().numpy() for i, t in enumerate(moved)} | {"random0": torch.get_rng_state().numpy()}
    arrays |= {"random1": torch.cuda.get_rng_state().numpy()} if torch.cuda.is_available() else {}
    return arrays | {"history": np.array(history), "loop": np.array(loop, dtype=float)}


def batches(order: Tensor, size: int) -> list[Tensor]:
    """`order` in pieces of `size`; a last piece of one row joins the one before it, since BatchNorm needs two."""
    pieces = list(order.split(size))
    return pieces if len(pieces) < 2 or len(pieces[-1]) > 1 else [*pieces[:-2], torch.cat(pieces[-2:])]


def _parts(net: nn.Module, recipe: Recipe) -> list[list[nn.Parameter]]:
    """All weights together, or the encoder's and the decoder's apart where they take turns."""
    named = [(name.startswith(("decoder", "output")), p) for name, p in net.named_parameters() if p.requires_grad]
    return ([[p for _, p in named]] if not recipe.aggressive
            else [[p for d, p in named if d is k] for k in (False, True)])  # fmt: skip


@torch.no_grad()
def _information(net: models.AE, batch: tuple[Tensor, ...]) -> float:
    net.eval()
    mu, logvar = net.encode(*batch)
    net.train()
    return float(models.mutual_information(mu, logvar, torch.randn_like(mu)))  # type: ignore[arg-type]


# ---- fits -----------------------------------------------------------------------------------------------------------


def fit(X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None = None, use_cache: bool = True) -> Fit:
    """Train one network on X (n, n_features), already scaled; `c` (n,) integer codes when the recipe is a CVAE.

    Equal arguments give equal arrays. With `use_cache` a finished fit is read back instead of trained again. Raises
    ValueError for a table with fewer than two rows or non-finite values, and for a missing or mismatched condition, and
    `Diverged` for a training that ran away."""
    (found,) = fit_many([(X, recipe, seed, c)], 1, use_cache, progress=False)
    if isinstance(found, Diverged):
        raise found
    return found


def fit_many(
    jobs: Sequence[tuple], n_jobs: int | None = None, use_cache: bool = True, progress: bool = True
) -> list[Fit | Diverged]:
    """`fit(*job)` for every job (X, recipe, seed[, c]), spread over processes with one thread each, in the given order.

    `n_jobs` defaults to the cores this process may use (one process where there is a GPU). A training that ran away is
    logged, and its `Diverged` stands in its place. A seed gives equal arrays alone and in a pool."""
    checked = [(*_check(X, recipe, *c), recipe, int(seed)) for X, recipe, seed, *c in jobs]
    keys = [cache.key(fit_arrays, *job, torch.cuda.is_available()) for job in checked]
    stored = cache.get(keys) if use_cache else {}
    found = {k: r for k, job in zip(keys, checked, strict=True) if k in stored and (r := _unpack(stored[k], *job))}
    todo = {k: job for k, job in zip(keys, checked, strict=True) if k not in found}
    cores = 1 if torch.cuda.is_available() else joblib.cpu_count()
    n_jobs = min(joblib.effective_n_jobs(n_jobs or cores), len(todo)) or 1
    work = joblib.Parallel(n_jobs, return_as="generator")(
        joblib.delayed(fit_arrays)(*job, unfinished=f"{name}-unfinished" * use_cache) for name, job in todo.items())
    with tqdm(total=len(keys), initial=len(found), desc="fits", leave=False, disable=None if progress else True) as bar:
        for name, arrays in zip(todo, work, strict=True):
            if use_cache:
                left = cache.get([f"{name}-unfinished"])
                cache.put({name: arrays} | dict.fromkeys(left, {}))
            found[name] = _unpack(arrays, *todo[name])  # type: ignore[assignment]
            bar.update()
    return [found[name] for name in keys]


def fit_arrays(X: np.ndarray, c: np.ndarray | None, n_classes: int, recipe: Recipe, seed: int, gpu: bool = False,
               unfinished: str = "") -> dict[str, np.ndarray]:
    """One fit from nothing, or from what `train` left `unfinished`, as the arrays that the store keeps; a training that
    ran away gives its sentence."""
    began, device = time.process_time(), "cuda" if torch.cuda.is_available() else "cpu"
    with seeded(seed):
        net = models.build(recipe, X.shape[1], n_classes).to(device)
        data: tuple[Tensor, ...] = (torch.tensor(X, device=device),)
        if c is not None:
            data += (one_hot(c, n_classes).to(device),)
        try:
            history = train(net, data, recipe, unfinished=unfinished)
        except Diverged as error:
            return {"diverged": np.array(f"The {recipe.kind.upper()} of seed {seed} ran away and is left out: {error}; "
                                         "a lower lr or a clip_norm in its recipe would hold it.")}  # fmt: skip
        mu, logvar = encode(net, data)
    arrays = {f"state/{name}": value.detach().cpu().numpy() for name, value in net.state_dict().items()}
    arrays |= {f"history/{name}": values for name, values in history.items()}
    arrays |= {"mu": mu.cpu().numpy()} | ({} if logvar is None else {"logvar": logvar.cpu().numpy()})
    return arrays | {"seconds": np.array(time.process_time() - began)}


@torch.no_grad()
def encode(net: models.AE, data: tuple[Tensor, ...], rows: int = 100_000) -> tuple[Tensor, Tensor | None]:
    """Posterior means and log-variances (n, latent) of all rows, so many at a time; the second None for an
    autoencoder."""
    parts = [net.encode(*(part[at : at + rows] for part in data)) for at in range(0, len(data[0]), rows)]
    mu, logvar = zip(*parts, strict=True)
    return torch.cat(mu), None if logvar[0] is None else torch.cat(logvar)


def _unpack(
    arrays: dict[str, np.ndarray], X: np.ndarray, c: np.ndarray | None, n_classes: int, recipe: Recipe, seed: int
) -> Fit | Diverged | None:
    """The arrays of an entry as a `Fit`, or None, with a warning, for an entry that is none."""
    if "diverged" in arrays:
        log.warning("%s", arrays["diverged"])
        return Diverged(str(arrays["diverged"]))
    state, history = ({name.removeprefix(part): value for name, value in arrays.items() if name.startswith(part)}
                      for part in ("state/", "history/"))  # fmt: skip
    try:
        made = Fit(arrays["mu"], arrays.get("logvar"), history, state, recipe, seed, X.shape[1], n_classes,
                   float(arrays["seconds"]))  # fmt: skip
        made.model()  # every weight must be there and fit
        if made.mu.shape != (len(X), recipe.latent):
            raise ValueError(f"latent means of shape {made.mu.shape}")
    except (KeyError, ValueError, RuntimeError) as error:
        log.warning("A stored fit cannot be used (%s); training again.", error)
        return None
    return made


def one_hot(c: np.ndarray, n_classes: int) -> Tensor:
    """Integer codes (n,) -> float tensor (n, n_classes)."""
    return torch.nn.functional.one_hot(torch.as_tensor(c).long(), n_classes).float()


def _check(X: np.ndarray, recipe: Recipe, c: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray | None, int]:
    X = np.ascontiguousarray(X, dtype=np.float32)
    if X.ndim != 2 or len(X) < 2:
        raise ValueError(f"Training needs a table of at least 2 rows, not an array of shape {X.shape}.")
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X)).sum())
        raise ValueError(f"The training table has {bad} NaN or infinite values; remove them first.")
    if recipe.kind != "cvae":
        return X, None, 0
    if c is None:
        raise ValueError("A CVAE needs the condition c: integer codes, one per row.")
    c = np.ascontiguousarray(c, dtype=np.int64)
    if len(c) != len(X):
        raise ValueError(f"The condition has {len(c)} codes for {len(X)} rows; it needs one per row.")
    if c.min() < 0:
        raise ValueError(f"The condition has the code {c.min()}; codes count from 0.")
    if c.max() < 1:
        raise ValueError("A CVAE needs a condition with at least 2 classes, not 1.")
    return X, c, int(c.max()) + 1


def fit_vade(X: np.ndarray, recipe: Recipe, n_clusters: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Cluster X (n, n_features) by VaDE: labels (n,) = argmax_k p(k | mu), and the latent means (n, latent).

    `recipe` is a plain VAE's; its autoencoder twin is trained first (cached), a Gaussian mixture is fitted to its
    codes, and then networks and mixture move together for 50 epochs. Raises ValueError for another kind. Jiang et al.
    2017, sec. 3; page "Results"."""
    if recipe.kind != "vae":
        raise ValueError(f"VaDE needs the recipe of a VAE, not of kind {recipe.kind!r}.")
    found = cache.remember(_vade_arrays, _check(X, recipe)[0], recipe, n_clusters, seed)
    return found["labels"], found["mu"]


def _vade_arrays(X: np.ndarray, recipe: Recipe, n_clusters: int, seed: int) -> dict[str, np.ndarray]:
    from sklearn.mixture import GaussianMixture

    start = fit(X, recipe.but(kind="ae", beta=1.0, anneal="none"), seed)
    gmm = GaussianMixture(n_clusters, covariance_type="diag", random_state=seed, reg_covar=1e-3, n_init=5).fit(start.mu)
    prior = models.Mixture(*(torch.as_tensor(part, dtype=torch.float32)
                             for part in (gmm.weights_, gmm.means_, gmm.covariances_)))  # fmt: skip
    with seeded(seed):
        state = {name: torch.tensor(value) for name, value in start.state.items()}
        net = models.VaDE(X.shape[1], recipe, state, prior)
        plain = Recipe(epochs=50, batch_size=recipe.batch_size, weight_decay=0.0, schedule="constant")
        train(net, (torch.tensor(X),), plain, models.vade_loss)
        mu, _ = encode(net, (torch.tensor(X),))
        with torch.no_grad():
            return {"labels": prior.responsibilities(mu).argmax(1).numpy(), "mu": mu.numpy()}


# ---- scikit-learn ---------------------------------------------------------------------------------------------------


class LatentEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Scikit-learn transformer that trains a VAE (or AE) and returns posterior means.

    `recipe` is a `protocols.Recipe` (None: the paper's, 512-256-128, d = 32, 200 epochs); `transform` maps
    (n, n_features) to (n, recipe.latent). Scale the data first:
    `make_pipeline(StandardScaler(), LatentEncoder(), KMeans(10))`. Raises ValueError for a conditional recipe. Shown
    on page "Run it yourself"."""

    def __init__(self, recipe: Recipe | None = None, random_state: int | None = 0):
        self.recipe = recipe
        self.random_state = random_state

    def fit(self, X, y=None):
        """Train on X (n, n_features); y is ignored."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        recipe = self.recipe or Recipe()
        if recipe.kind == "cvae":
            raise ValueError("LatentEncoder cannot take a CVAE recipe: transform() has no condition. Use training.fit.")
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        self.fit_ = fit(X, recipe, int(seed), use_cache=False)
        self._n_features_out = recipe.latent
        return self

    def transform(self, X) -> np.ndarray:
        """X (n, n_features) -> posterior means (n, latent)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        with torch.no_grad():
            latent = self.fit_.model().encode(torch.from_numpy(np.array(X, dtype=np.float32)))[0]
        return latent.numpy().astype(X.dtype)
