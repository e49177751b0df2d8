"""Training: one loop for every network and loss of the book, many fits over the cores, and a
scikit-learn transformer.

A process trains in one thread, since threads cost more than they save on networks this small; many
fits are spread over processes (page "Performance"). The loss is an argument of the loop. The usual
one is `models.loss`, the ELBO that the page "Method" prints."""

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
from torch.optim import Adam
from tqdm import tqdm

from helpers import models, store
from helpers.protocols import Recipe
from helpers.shown import short_repr

log = logging.getLogger("helpers")

# a fit whose reconstruction and KL end above so many times what they had before has diverged
TOO_FAR = 10.0
Loss = Callable[..., tuple[Tensor, Tensor, Tensor]]  # of a network, a batch and beta


class Diverged(ArithmeticError):
    """A training that ran away; the message names the network and its seed and says what to do."""


@dataclass(frozen=True)
class Fit:
    """A trained network as arrays.

    `mu` and `logvar` (n, latent) are the posterior means and log-variances of the training rows;
    logvar is None for an autoencoder. `history` has the mean loss, reconstruction and kl (nats) of
    every epoch, each (epochs,), and kl_per_dim (epochs, latent). `state` holds the weights,
    `seconds` the CPU time."""

    mu: np.ndarray
    logvar: np.ndarray | None
    history: dict[str, np.ndarray]
    state: dict[str, np.ndarray] = field(repr=False)
    recipe: Recipe
    seed: int
    n_features: int
    n_classes: int
    seconds: float

    __repr__ = short_repr

    @property
    def kl_per_dim(self) -> np.ndarray:
        """Mean KL of each latent dimension over the training rows, nats, (latent,).

        It is zero for an autoencoder."""
        if self.logvar is None:
            return np.zeros(self.mu.shape[1])
        return kl_rows(self.mu, self.logvar).mean(axis=0)

    @property
    def active(self) -> np.ndarray:
        """Indices of the latent dimensions with more than `models.ACTIVE_KL` nats.

        Of an autoencoder all dimensions are active."""
        if self.logvar is None:
            return np.arange(self.mu.shape[1])
        return np.flatnonzero(self.kl_per_dim > models.ACTIVE_KL)

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
        state = {name: torch.tensor(value) for name, value in self.state.items()}
        net.load_state_dict(state, assign=True)
        return net.eval()


def kl_rows(mu: np.ndarray, logvar: np.ndarray) -> np.ndarray:
    """KL to the prior of every row and dimension, nats, (n, d): `models.kl_divergence` of
    arrays."""
    double = [torch.as_tensor(np.asarray(part, dtype=float)) for part in (mu, logvar)]
    return models.kl_divergence(*double).numpy()


# ---- the loop ------------------------------------------------------------------------------------


def beta_at(recipe: Recipe, epoch: float) -> float:
    """Weight of the KL term in `epoch` (from 0): beta times the annealing ramp.

    A cyclical ramp rises for the first half of each cycle and then stays (Fu et al. 2019, eq. 3).
    Plotted on the page "Advanced VAEs"."""
    if recipe.anneal == "linear":
        return recipe.beta * min(1.0, epoch / recipe.anneal_epochs)
    if recipe.anneal == "cyclical":
        return recipe.beta * min(1.0, 2.0 * (epoch % recipe.anneal_epochs) / recipe.anneal_epochs)
    return recipe.beta


def lr_at(recipe: Recipe, epoch: float) -> float:
    """Learning rate in `epoch` (from 0): constant, or half a cosine down to 0 over all epochs."""
    if recipe.schedule == "cosine":
        return recipe.lr * (0.5 * (1 + math.cos(math.pi * epoch / recipe.epochs)))
    return recipe.lr


def batches(n: int, size: int) -> list[slice]:
    """The slices that cut n rows into batches of `size`.

    A last batch of one row joins the one before it, since BatchNorm needs two rows."""
    slices = [slice(start, min(start + size, n)) for start in range(0, n, size)]
    if len(slices) > 1 and n - slices[-1].start == 1:
        slices[-2:] = [slice(slices[-2].start, n)]
    return slices


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """One thread, and torch's random state starting at `seed`, inside; both restored outside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


def train(
    net: models.AE, data: tuple[Tensor, ...], recipe: Recipe, loss: Loss | None = None
) -> dict[str, np.ndarray]:
    """Train `net` in place on `data`, tensors with one row a track; returns its history (`Fit`).

    `loss(net, batch, beta)` gives the loss, its reconstruction and its KL (a number, or one for
    each latent dimension), means over the batch; None takes `models.loss`. The random state is the
    caller's (`seeded`). Raises `Diverged` for a loss that is not finite or ends far above where it
    was. The optimiser is Adam (Kingma & Ba 2015). Printed on the page "Method"."""
    loss = loss or models.loss
    optimiser = Adam(net.parameters(), weight_decay=recipe.weight_decay, fused=True)
    n = len(data[0])
    slices = batches(n, recipe.batch_size)
    n_steps = recipe.steps or recipe.epochs * len(slices)
    history: list[np.ndarray] = []
    step = 0
    net.train()
    with progress(n_steps) as bar:
        while step < n_steps:  # an epoch
            order = torch.randperm(n)
            shuffled = [part[order] for part in data]
            sums, seen = torch.zeros(()), 0
            for rows in slices[: n_steps - step]:
                batch = tuple(part[rows] for part in shuffled)
                epoch = epoch_of(recipe, step, len(slices))
                parts = take_step(net, batch, loss, optimiser, recipe, epoch)
                sums = sums + parts * len(batch[0])
                seen += len(batch[0])
                step += 1
                bar.update()
            history.append(finite(sums / seen, len(history)))
    net.eval()
    return as_history(history)


def take_step(
    net: models.AE,
    batch: tuple[Tensor, ...],
    loss: Loss,
    optimiser: Adam,
    recipe: Recipe,
    epoch: float,
    frozen: Sequence[nn.Parameter] = (),
) -> Tensor:
    """Move all weights but the `frozen` ones once, down the loss of a batch.

    Returns the loss, the reconstruction and the KL, one value or one for each latent dimension, as
    one tensor. Printed on the page "Method"."""
    value, reconstruction, kl = loss(net, batch, beta_at(recipe, epoch))
    optimiser.zero_grad()
    (value * loss_scale(recipe, batch[0])).backward()
    if recipe.clip_norm is not None:
        nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm, foreach=True)
    for weight in frozen:
        weight.grad = None  # Adam leaves a weight without a gradient alone
    optimiser.param_groups[0]["lr"] = lr_at(recipe, epoch)
    optimiser.step()
    return torch.cat([part.detach().flatten() for part in (value, reconstruction, kl)])


def train_lagging(
    net: models.VAE, data: tuple[Tensor, ...], recipe: Recipe
) -> dict[str, np.ndarray]:
    """`train` with a decoder that waits for its encoder (He et al. 2019, algorithm 1).

    Until the information in z stops growing from one epoch to the next, each step of the decoder
    alone follows `recipe.aggressive` steps of the encoder alone, each on a batch of its own. Then
    both move together. A remedy on the page "Collapse in depth"."""
    optimiser = Adam(net.parameters(), weight_decay=recipe.weight_decay, fused=True)
    encoder: list[nn.Parameter] = []
    decoder: list[nn.Parameter] = []
    for name, weight in net.named_parameters():
        part = decoder if name.startswith(("decoder", "output")) else encoder
        part.append(weight)
    n = len(data[0])
    slices = batches(n, recipe.batch_size)
    history = []
    waiting, known = True, -math.inf
    net.train()
    for number in range(recipe.epochs):
        order = torch.randperm(n)
        sums = torch.zeros(())
        for rows in slices:
            own = order[rows]
            if waiting:
                for _ in range(recipe.aggressive):
                    drawn = torch.randint(n, (len(own),))
                    batch = tuple(part[drawn] for part in data)
                    take_step(net, batch, models.loss, optimiser, recipe, number, frozen=decoder)
            batch = tuple(part[own] for part in data)
            frozen = encoder if waiting else ()
            parts = take_step(net, batch, models.loss, optimiser, recipe, number, frozen)
            sums = sums + parts * len(own)
        history.append(finite(sums / n, number))
        if waiting:
            information = _information(net, tuple(part[:1000] for part in data))
            waiting, known = information > known, information
    net.eval()
    return as_history(history)


@torch.no_grad()
def _information(net: models.VAE, batch: tuple[Tensor, ...]) -> float:
    """I(x; z) of some rows in nats."""
    net.eval()
    mu, logvar = net.encode(*batch)
    net.train()
    return float(models.mutual_information(mu, logvar, torch.randn_like(mu)))


def epoch_of(recipe: Recipe, step: int, steps_per_epoch: int) -> float:
    """The epoch (from 0) that the schedules go by in a step.

    With `Recipe.steps`, a number of steps whatever the number of rows, it is the share of them
    that is done, times `Recipe.epochs`."""
    if recipe.steps is None:
        return step // steps_per_epoch
    return recipe.epochs * step / recipe.steps


def loss_scale(recipe: Recipe, x: Tensor) -> float:
    """What turns a mean over the batch into the recipe's reduction, x (B, ...)."""
    if recipe.reduction == "sum":
        return len(x)
    if recipe.reduction == "elements":
        return 1.0 / x[0].numel()
    return 1.0


def progress(n_steps: int) -> tqdm:
    """A bar that appears where a training takes longer than ten seconds, in the main process."""
    hidden = None if current_process().name == "MainProcess" else True  # None: on a terminal only
    return tqdm(total=n_steps, desc="training", unit="step", delay=10, leave=False, disable=hidden)


def finite(values: Tensor, epoch: int) -> np.ndarray:
    """The mean parts of an epoch as an array; raises `Diverged` where one is not finite."""
    array = values.cpu().numpy()
    if not np.isfinite(array).all():
        raise Diverged(f"the loss became infinite or NaN in epoch {epoch + 1}")
    return array


def as_history(epochs: list[np.ndarray]) -> dict[str, np.ndarray]:
    """The mean parts of all epochs as the history of a `Fit`.

    Raises `Diverged` where reconstruction and KL end more than TOO_FAR times above their lowest
    sum."""
    parts = np.array(epochs, dtype=float)
    history = {
        "loss": parts[:, 0],
        "reconstruction": parts[:, 1],
        "kl": parts[:, 2:].sum(axis=1),
        "kl_per_dim": parts[:, 2:],
    }
    ends = history["reconstruction"] + history["kl"]
    if ends[-1] > TOO_FAR * ends.min():
        raise Diverged(
            f"reconstruction and KL end at {ends[-1]:.3g}, far above the {ends.min():.3g} of before"
        )
    return history


# ---- fits ----------------------------------------------------------------------------------------


def fit(
    X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None = None, use_cache: bool = True
) -> Fit:
    """Train one network on X (n, n_features), already scaled.

    A conditional recipe needs `c` (n,), integer codes. Equal arguments give equal arrays. With
    `use_cache` a finished fit is read back instead of trained again. Raises ValueError for a table
    with fewer than two rows or non-finite values, and for a missing or mismatched condition, and
    `Diverged` for a training that ran away."""
    (result,) = fit_many([(X, recipe, seed, c)], 1, use_cache, progress=False)
    if isinstance(result, Diverged):
        raise result
    return result


def fit_many(
    jobs: Sequence[tuple], n_jobs: int | None = None, use_cache: bool = True, progress: bool = True
) -> list[Fit | Diverged]:
    """`fit(*job)` for every job (X, recipe, seed[, c]), in the given order.

    The jobs are spread over `n_jobs` processes of one thread each: by default the cores that this
    process may use, and one process where there is a GPU. A training that ran away is logged, and
    its `Diverged` stands in its place. A seed gives equal arrays alone and in a pool."""
    checked = [_checked_job(X, recipe, seed, *c) for X, recipe, seed, *c in jobs]
    gpu = torch.cuda.is_available()
    names = [store.key(fit_arrays, *job, gpu) for job in checked]
    results: dict[str, Fit | Diverged] = {}
    missing: dict[str, tuple] = {}
    for name, job in zip(names, checked, strict=True):
        entry = store.read_entry(name) if use_cache else None
        result = None if entry is None else _stored_fit(entry, *job)
        if result is None:
            missing[name] = job
        else:
            results[name] = result
    n_jobs = n_jobs or (1 if gpu else joblib.cpu_count())
    n_jobs = min(joblib.effective_n_jobs(n_jobs), len(missing)) or 1
    work = joblib.Parallel(n_jobs, return_as="generator")(
        joblib.delayed(fit_arrays)(*job) for job in missing.values()
    )
    hidden = None if progress else True  # None: shown on a terminal only
    total = len(names)
    with tqdm(None, "fits", total, initial=len(results), leave=False, disable=hidden) as bar:
        for (name, job), arrays in zip(missing.items(), work, strict=True):
            if use_cache:
                store.write_entry(name, arrays)
            results[name] = _fit_or_diverged(arrays, *job)
            bar.update()
    return [results[name] for name in names]


def fit_arrays(
    X: np.ndarray,
    c: np.ndarray | None,
    n_classes: int,
    recipe: Recipe,
    seed: int,
    gpu: bool = False,
) -> dict[str, np.ndarray]:
    """One fit as the arrays that the store keeps; of a training that ran away, its sentence.

    `gpu` is a part of the key: numbers of another device are others."""
    began = time.process_time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    with seeded(seed):
        net = models.build(recipe, X.shape[1], n_classes).to(device)
        data: tuple[Tensor, ...] = (torch.tensor(X, device=device),)
        if c is not None:
            data += (one_hot(c, n_classes).to(device),)
        try:
            loop = train_lagging if recipe.aggressive else train
            history = loop(net, data, recipe)  # type: ignore[arg-type]
        except Diverged as error:
            sentence = (
                f"The {recipe.kind.upper()} of seed {seed} ran away and is left out: {error}; "
                "a lower lr or a clip_norm in its recipe would hold it."
            )
            return {"diverged": np.array(sentence)}
        mu, logvar = encode(net, data)
    arrays = {"mu": mu.cpu().numpy()}
    if logvar is not None:
        arrays["logvar"] = logvar.cpu().numpy()
    for name, value in net.state_dict().items():
        arrays[f"state/{name}"] = value.cpu().numpy()
    for name, values in history.items():
        arrays[f"history/{name}"] = values
    arrays["seconds"] = np.array(time.process_time() - began)
    return arrays


@torch.no_grad()
def encode(
    net: models.AE, data: tuple[Tensor, ...], rows: int = 100_000
) -> tuple[Tensor, Tensor | None]:
    """Posterior means and log-variances (n, latent) of all rows, `rows` of them at a time.

    The log-variances are None for an autoencoder."""
    means, logvars = [], []
    for start in range(0, len(data[0]), rows):
        mu, logvar = net.encode(*(part[start : start + rows] for part in data))
        means.append(mu)
        logvars.append(logvar)
    if logvars[0] is None:
        return torch.cat(means), None
    return torch.cat(means), torch.cat(logvars)  # type: ignore[arg-type]


def _stored_fit(arrays: dict[str, np.ndarray], *job) -> Fit | Diverged | None:
    """The fit that an entry holds, or None, with a warning, for an entry that holds none."""
    try:
        return _fit_or_diverged(arrays, *job)
    except (KeyError, ValueError, RuntimeError) as error:
        log.warning("A stored fit cannot be used (%s); training again.", error)
        return None


def _fit_or_diverged(
    arrays: dict[str, np.ndarray],
    X: np.ndarray,
    c: np.ndarray | None,
    n_classes: int,
    recipe: Recipe,
    seed: int,
) -> Fit | Diverged:
    """The arrays of `fit_arrays` as a `Fit`; KeyError, ValueError or RuntimeError where they do not
    hold together."""
    if "diverged" in arrays:
        log.warning("%s", arrays["diverged"])
        return Diverged(str(arrays["diverged"]))
    seconds, n_features = float(arrays["seconds"]), X.shape[1]
    history, state = _below("history/", arrays), _below("state/", arrays)
    mu, logvar = arrays["mu"], arrays.get("logvar")
    result = Fit(mu, logvar, history, state, recipe, seed, n_features, n_classes, seconds)
    result.model()  # every weight must be there and have its shape
    if mu.shape != (len(X), recipe.latent):
        raise ValueError(f"latent means of shape {mu.shape}")
    return result


def _below(prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays whose name begins with the prefix, by the rest of it."""
    return {
        name.removeprefix(prefix): value
        for name, value in arrays.items()
        if name.startswith(prefix)
    }


def one_hot(c: np.ndarray, n_classes: int) -> Tensor:
    """Integer codes (n,) -> float tensor (n, n_classes)."""
    return nn.functional.one_hot(torch.as_tensor(c).long(), n_classes).float()


def _checked_job(
    X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None, int, Recipe, int]:
    """A job as the arguments of `fit_arrays`; ValueError says what is wrong with it."""
    X = _checked_table(X)
    if recipe.kind != "cvae":
        return X, None, 0, recipe, int(seed)
    c = _checked_condition(c, len(X))
    return X, c, int(c.max()) + 1, recipe, int(seed)


def _checked_table(X: np.ndarray) -> np.ndarray:
    X = np.ascontiguousarray(X, dtype=np.float32)
    if X.ndim != 2 or len(X) < 2:
        raise ValueError(
            f"Training needs a table of at least 2 rows, not an array of shape {X.shape}."
        )
    if not np.isfinite(X).all():
        bad = int((~np.isfinite(X)).sum())
        raise ValueError(f"The training table has {bad} NaN or infinite values; remove them first.")
    return X


def _checked_condition(c: np.ndarray | None, n: int) -> np.ndarray:
    if c is None:
        raise ValueError("A CVAE needs the condition c: integer codes, one per row.")
    c = np.ascontiguousarray(c, dtype=np.int64)
    if len(c) != n:
        raise ValueError(f"The condition has {len(c)} codes for {n} rows; it needs one per row.")
    if c.min() < 0:
        raise ValueError(f"The condition has the code {c.min()}; codes count from 0.")
    if c.max() < 1:
        raise ValueError("A CVAE needs a condition with at least 2 classes, not 1.")
    return c


# ---- VaDE ----------------------------------------------------------------------------------------


def fit_vade(
    X: np.ndarray, recipe: Recipe, n_clusters: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cluster X (n, n_features) by VaDE: labels (n,) = argmax_k p(k | mu), and means (n, latent).

    `recipe` is a plain VAE's. Its autoencoder twin is trained first (cached), a Gaussian mixture is
    fitted to its codes, and then networks and mixture move together for 50 epochs. Raises
    ValueError for another kind. Jiang et al. 2017, sec. 3; page "Results"."""
    if recipe.kind != "vae":
        raise ValueError(f"VaDE needs the recipe of a VAE, not of kind {recipe.kind!r}.")
    arrays = store.remember(_vade_arrays, _checked_table(X), recipe, n_clusters, seed)
    return arrays["labels"], arrays["mu"]


def _vade_arrays(
    X: np.ndarray, recipe: Recipe, n_clusters: int, seed: int
) -> dict[str, np.ndarray]:
    from sklearn.mixture import GaussianMixture

    start = fit(X, recipe.but(kind="ae", beta=1.0, anneal="none"), seed)
    mixture = GaussianMixture(
        n_clusters, covariance_type="diag", random_state=seed, reg_covar=1e-3, n_init=5
    ).fit(start.mu)
    parameters = (mixture.weights_, mixture.means_, mixture.covariances_)
    prior = models.Mixture(*(torch.as_tensor(part, dtype=torch.float32) for part in parameters))
    plain = Recipe(epochs=50, batch_size=recipe.batch_size, weight_decay=0.0, schedule="constant")
    with seeded(seed):
        state = {name: torch.tensor(value) for name, value in start.state.items()}
        net = models.VaDE(X.shape[1], recipe, state, prior)
        data = (torch.tensor(X),)
        train(net, data, plain, models.vade_loss)
        mu, _ = encode(net, data)
        with torch.no_grad():
            labels = prior.responsibilities(mu).argmax(1)
    return {"labels": labels.numpy(), "mu": mu.numpy()}


# ---- scikit-learn --------------------------------------------------------------------------------


class LatentEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Scikit-learn transformer that trains a VAE or AE and returns its posterior means.

    `recipe` is a `protocols.Recipe`; None takes the paper's (512-256-128, d = 32, 200 epochs).
    `latent`, `beta` and `epochs` replace the recipe's where they are given, so that GridSearchCV
    can turn them. `transform` maps (n, n_features) to (n, latent). Scale the data first:
    `make_pipeline(StandardScaler(), LatentEncoder(), KMeans(10))`. Raises ValueError for a
    conditional recipe. Shown on page "Run it yourself"."""

    def __init__(
        self,
        recipe: Recipe | None = None,
        latent: int | None = None,
        beta: float | None = None,
        epochs: int | None = None,
        random_state: int | None = 0,
    ):
        self.recipe = recipe
        self.latent = latent
        self.beta = beta
        self.epochs = epochs
        self.random_state = random_state

    def fit(self, X, y=None):
        """Train on X (n, n_features); y is ignored."""
        X = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2)
        own = {"latent": self.latent, "beta": self.beta, "epochs": self.epochs}
        given = {name: value for name, value in own.items() if value is not None}
        recipe = (self.recipe or Recipe()).but(**given)
        if recipe.kind == "cvae":
            raise ValueError(
                "LatentEncoder cannot take a CVAE recipe: transform() has no condition. "
                "Use training.fit."
            )
        seed = self.random_state
        if not isinstance(seed, (int, np.integer)):
            seed = check_random_state(seed).randint(2**31 - 1)
        if seed < 0:
            raise ValueError(f"random_state={seed}: a seed is a whole number of 0 or more")
        self.fit_ = fit(X, recipe, int(seed), use_cache=False)
        self._n_features_out = recipe.latent
        return self

    def transform(self, X) -> np.ndarray:
        """X (n, n_features) -> posterior means (n, latent)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        rows = torch.from_numpy(np.array(X, dtype=np.float32))
        mu, _ = encode(self.fit_.model(), (rows,))
        return mu.numpy().astype(X.dtype)
