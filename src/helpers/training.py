"""Training: one fit, many fits over the cores, and a scikit-learn transformer.

The data are one tensor sliced by a seeded permutation, Adam is fused, losses stay on the device until the end of an
epoch, and each process uses one thread: on small networks these four cost or save more than any other choice (page
"Performance"). Fits are cached as arrays under the hash of data, recipe, seed and the code that makes them.
"""

from __future__ import annotations

import hashlib
import logging
import math
import os
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor
from tqdm.auto import tqdm

from . import models
from .protocols import Recipe

log = logging.getLogger("helpers")


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
        net = models.build(self.recipe, self.n_features, self.n_classes)
        net.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in self.state.items()})
        return net.eval()


def one_hot(c: np.ndarray | None, n_classes: int) -> Tensor | None:
    """Integer codes (n,) -> float tensor (n, n_classes); None stays None."""
    return None if c is None else torch.nn.functional.one_hot(torch.as_tensor(c).long(), n_classes).float()


@contextmanager
def _single_thread(seed: int):
    """One thread and a private random state inside; both restored outside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(threads)


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


def _check(X: np.ndarray, recipe: Recipe, c: np.ndarray | None) -> tuple[np.ndarray, np.ndarray | None, int]:
    X = np.ascontiguousarray(X, dtype=np.float32)
    if X.ndim != 2 or len(X) < 2:
        raise ValueError(f"Training needs a table of at least 2 rows, not an array of shape {X.shape}.")
    if not np.isfinite(X).all():
        raise ValueError(f"The training table has {int((~np.isfinite(X)).sum())} NaN or infinite values; remove them first.")
    if recipe.kind != "cvae":
        return X, None, 0
    if c is None:
        raise ValueError("A CVAE needs the condition c: integer codes, one per row.")
    c = np.ascontiguousarray(c, dtype=np.int64)
    if len(c) != len(X):
        raise ValueError(f"The condition has {len(c)} codes for {len(X)} rows; it needs one per row.")
    return X, c, int(c.max()) + 1


def fit(X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None = None, cache: bool = True) -> Fit:
    """Train one network on X (n, n_features), already scaled; `c` (n,) integer codes when the recipe is a CVAE.

    Equal arguments give equal arrays. With `cache` a finished fit is read back instead of trained again. Raises
    ValueError for a table with fewer than two rows or non-finite values, and for a missing or mismatched condition.
    """
    X, c, n_classes = _check(X, recipe, c)
    path = _cache_path(X, recipe, seed, c) if cache else None
    if path is not None and (hit := _load(path, recipe, seed)) is not None:
        return hit
    with _single_thread(seed):
        result = _train(X, recipe, seed, c, n_classes)
    if path is not None:
        _save(path, result)
    return result


def _train(X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None, n_classes: int) -> Fit:
    began = time.process_time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    net = models.build(recipe, X.shape[1], n_classes).to(device).train()
    data, cond = torch.from_numpy(X).to(device), one_hot(c, n_classes)
    cond = None if cond is None else cond.to(device)
    generator = torch.Generator(device).manual_seed(seed)
    encoder = [p for n, p in net.named_parameters() if p.requires_grad and n.startswith(("encoder", "head", "bn_mu"))]
    decoder = [p for n, p in net.named_parameters() if n.startswith(("decoder", "output"))]
    groups = [encoder, decoder] if recipe.aggressive else [encoder + decoder]
    optimisers = [torch.optim.Adam(g, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True) for g in groups]
    edges = _batch_edges(len(X), recipe)
    history = np.zeros((recipe.epochs, 3))
    best, waited, aggressive, information = math.inf, 0, bool(recipe.aggressive), -math.inf

    def step(rows: Tensor, noise: Tensor, beta: float, which: list[torch.optim.Adam]) -> tuple[Tensor, Tensor, Tensor]:
        x = data[rows]
        given = None if cond is None else cond[rows]
        mu, logvar = net.encode(x, given)
        z = mu if logvar is None else mu + noise * torch.exp(0.5 * logvar)
        parts = models.elbo(x, net.decode(z, given), mu, logvar, recipe, beta)
        for optimiser in optimisers:
            optimiser.zero_grad(set_to_none=True)
        (parts[0] * len(rows) if recipe.reduction == "sum" else parts[0]).backward()
        if recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(encoder + decoder, recipe.clip_norm)
        for optimiser in which:
            optimiser.step()
        return parts

    epoch = 0
    for epoch in range(recipe.epochs):
        beta = beta_at(recipe, epoch)
        for optimiser in optimisers:
            for group in optimiser.param_groups:
                group["lr"] = lr_at(recipe, epoch)
        order = torch.randperm(len(X), generator=generator, device=device)
        noise = torch.randn((len(X), recipe.latent), generator=generator, device=device)
        totals = torch.zeros(3, device=device)
        for start, stop in edges:
            if aggressive:  # He et al. 2019: let the encoder catch up on random batches before the decoder moves
                for _ in range(recipe.aggressive):
                    rows = torch.randint(len(X), (stop - start,), generator=generator, device=device)
                    extra = torch.randn((stop - start, recipe.latent), generator=generator, device=device)
                    step(rows, extra, beta, optimisers[:1])
            parts = step(order[start:stop], noise[start:stop], beta, optimisers[1:] if aggressive else optimisers)
            totals += torch.stack([p.detach() for p in parts]) * (stop - start)
        history[epoch] = totals.cpu().numpy() / len(X)
        if not np.isfinite(history[epoch, 0]):
            raise FloatingPointError(f"The loss became {history[epoch, 0]} in epoch {epoch + 1}; lower lr ({recipe.lr}).")
        if aggressive:
            with torch.no_grad():
                rows = order[:1000]
                now = models.mutual_information(*net.encode(data[rows], None if cond is None else cond[rows]), generator)
            aggressive, information = now > information, now
        if recipe.patience is not None:
            best, waited = (history[epoch, 0], 0) if history[epoch, 0] < best else (best, waited + 1)
            if waited >= recipe.patience:
                break
    history = history[: epoch + 1]
    net.eval()
    with torch.no_grad():
        mu, logvar = net.encode(data, cond)
    return Fit(mu=mu.cpu().numpy(), logvar=None if logvar is None else logvar.cpu().numpy(),
               history=dict(zip(("loss", "reconstruction", "kl"), history.T.copy(), strict=True)),
               state={k: v.detach().cpu().numpy() for k, v in net.state_dict().items()}, recipe=recipe, seed=seed,
               n_features=X.shape[1], n_classes=n_classes, seconds=time.process_time() - began)


def _batch_edges(n: int, recipe: Recipe) -> list[tuple[int, int]]:
    """(start, stop) of each batch; a last batch of one row joins the one before it, since BatchNorm needs two."""
    starts = list(range(0, n, recipe.batch_size))
    if len(starts) > 1 and n - starts[-1] == 1:
        starts.pop()
    return list(zip(starts, [*starts[1:], n], strict=True))


def fit_many(jobs: Sequence[tuple], n_jobs: int | None = None, cache: bool = True, progress: bool = True) -> list[Fit]:
    """`fit(*job)` for every job (X, recipe, seed[, c]), spread over processes with one thread each, in the given order.

    `n_jobs` defaults to the cores this process may use (affinity and container limits respected).
    """
    n_jobs = min(n_jobs or joblib.cpu_count(), len(jobs)) or 1
    done = joblib.Parallel(n_jobs=n_jobs, return_as="generator")(joblib.delayed(fit)(*job, cache=cache) for job in jobs)
    return list(tqdm(done, total=len(jobs), desc="fits", disable=None if progress else True, leave=False))


def fit_seeds(X: np.ndarray, recipe: Recipe, seeds: Sequence[int] | int, c: np.ndarray | None = None,
              n_jobs: int | None = None, cache: bool = True) -> list[Fit]:
    """`fit` for every seed in `seeds` (or for seeds 0 ... seeds-1), one `Fit` per seed."""
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    return fit_many([(X, recipe, seed, c) for seed in seeds], n_jobs, cache, progress=False)


# ---- cache ----------------------------------------------------------------------------------------------------------

def cache_dir() -> Path:
    """Folder of the cached fits: the environment variable HELPERS_CACHE, else `_build/cache` of the checkout, else
    a folder under the user's cache directory."""
    if "HELPERS_CACHE" in os.environ:
        return Path(os.environ["HELPERS_CACHE"])
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").exists():
        return root / "_build" / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vae-music-clustering"


def _code_version() -> str:
    here = Path(__file__).resolve()
    code = b"".join(path.read_bytes() for path in (here, here.with_name("models.py")))
    return hashlib.sha256(code + torch.__version__.encode()).hexdigest()


_CODE = _code_version()


def _cache_path(X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None) -> Path:
    key = hashlib.sha256(repr((X.shape, sorted(asdict(recipe).items()), seed, _CODE, torch.cuda.is_available())).encode())
    key.update(X.tobytes())
    key.update(b"" if c is None else c.tobytes())
    return cache_dir() / f"{key.hexdigest()[:32]}.npz"


def _save(path: Path, result: Fit) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"state/{k}": v for k, v in result.state.items()} | {f"history/{k}": v for k, v in result.history.items()}
    arrays |= {"mu": result.mu, "shape": np.array([result.n_features, result.n_classes]), "seconds": np.array(result.seconds)}
    if result.logvar is not None:
        arrays["logvar"] = result.logvar
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.npz")
    try:
        np.savez(temporary, **arrays)
        os.replace(temporary, path)  # atomic: a reader sees the whole file or none
    finally:
        temporary.unlink(missing_ok=True)


def _load(path: Path, recipe: Recipe, seed: int) -> Fit | None:
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = dict(stored)
        part = {name: {k.split("/", 1)[1]: v for k, v in arrays.items() if k.startswith(name)} for name in ("state/", "history/")}
        n_features, n_classes = arrays["shape"].tolist()
        result = Fit(mu=arrays["mu"], logvar=arrays.get("logvar"), history=part["history/"], state=part["state/"],
                     recipe=recipe, seed=seed, n_features=n_features, n_classes=n_classes, seconds=float(arrays["seconds"]))
        result.model()  # every weight must be there and fit
        return result
    except Exception as error:  # a damaged or foreign file of any kind: train again
        log.warning("Cached fit %s cannot be used (%s); training again.", path, error)
        return None


# ---- scikit-learn ---------------------------------------------------------------------------------------------------

class LatentEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Scikit-learn transformer that trains a VAE (or AE) and returns posterior means.

    `recipe` is a `protocols.Recipe` (None: the paper's, 512-256-128, d = 32, 200 epochs); `transform` maps (n, n_features)
    to (n, recipe.latent). Scale the data first: `make_pipeline(StandardScaler(), LatentEncoder(), KMeans(10))`.
    Raises ValueError for a conditional recipe. Used on the pages "Audio baseline" and "Your own music".
    """

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
        self.fit_ = fit(X, recipe, int(seed), cache=False)
        self._n_features_out = recipe.latent
        return self

    def transform(self, X) -> np.ndarray:
        """X (n, n_features) -> posterior means (n, latent)."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=[np.float64, np.float32], reset=False)
        with torch.no_grad():
            latent = self.fit_.model().encode(torch.from_numpy(np.array(X, dtype=np.float32)))[0]
        return latent.numpy().astype(X.dtype)
