"""Training: one fit, many fits over the cores, and a scikit-learn transformer.

A fit is trained by `loop` in one thread and kept by `cache`; many are spread over processes, or stacked on a GPU: on
small networks these cost or save more than any other choice (page "Performance").
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import joblib
import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from tqdm import tqdm

from . import cache as store
from . import loop
from .cache import cache_dir, cache_report
from .loop import Fit, beta_at, lr_at, one_hot
from .protocols import Recipe

__all__ = ["Fit", "LatentEncoder", "beta_at", "cache_dir", "cache_report", "fit", "fit_many", "fit_seeds", "lr_at",
           "one_hot"]  # fmt: skip

log = logging.getLogger("helpers")

GPU_STACK = 32  # seeds of a recipe that are stepped together on a GPU


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
    return X, c, int(c.max()) + 1


def fit(X: np.ndarray, recipe: Recipe, seed: int, c: np.ndarray | None = None, cache: bool = True) -> Fit:
    """Train one network on X (n, n_features), already scaled; `c` (n,) integer codes when the recipe is a CVAE.

    Equal arguments give equal arrays. With `cache` a finished fit is read back instead of trained again. Raises
    ValueError for a table with fewer than two rows or non-finite values, and for a missing or mismatched condition.
    """
    return fit_many([(X, recipe, seed, c)], 1, cache, progress=False)[0]


def fit_many(
    jobs: Sequence[tuple],
    n_jobs: int | None = None,
    cache: bool = True,
    progress: bool = True,
    stack: int | None = None,
) -> list[Fit]:
    """`fit(*job)` for every job (X, recipe, seed[, c]), spread over processes with one thread each, in the given order.

    `n_jobs` defaults to the cores this process may use (affinity and container limits respected). `stack` seeds of the
    same data and recipe are stepped together: by default 1, and GPU_STACK in a single process where there is a GPU.
    A seed gives equal arrays alone and in a pool, and stacked the same within rounding.
    """
    gpu = torch.cuda.is_available()
    checked = [_check(X, recipe, *c) for X, recipe, _, *c in jobs]
    paths = [_path(data, job[1], job[2]) if cache else None for job, data in zip(jobs, checked, strict=True)]
    found = ((i, _load(path, *jobs[i][:3])) for i, path in enumerate(paths) if path is not None)
    fits = {i: hit for i, hit in found if hit is not None}
    groups: dict[tuple, list[int]] = {}
    for i, (X, recipe, _, *c) in enumerate(jobs):
        if i not in fits:  # early stopping and lagging inference go by one seed's losses
            alone = recipe.patience is not None or recipe.aggressive
            groups.setdefault((id(X), recipe, *map(id, c), i if alone else None), []).append(i)
    size = stack or (GPU_STACK if gpu else 1)
    tasks = [group[k : k + size] for group in groups.values() for k in range(0, len(group), size)]
    n_jobs = min(joblib.effective_n_jobs(n_jobs or (1 if gpu else joblib.cpu_count())), len(tasks)) or 1
    work = joblib.Parallel(n_jobs, return_as="generator")(
        joblib.delayed(_fit_stack)(checked[t[0]], jobs[t[0]][1], [jobs[i][2] for i in t], [paths[i] for i in t])
        for t in tasks
    )
    hidden = None if progress else True  # None: shown on a terminal only
    with tqdm(total=len(jobs), initial=len(fits), desc="fits", leave=False, disable=hidden) as bar:
        for task, made in zip(tasks, work, strict=True):
            fits |= zip(task, made, strict=True)
            bar.update(len(task))
    if cache:
        written = [path.stat().st_size for task in tasks for i in task if (path := paths[i]) is not None]
        store.count(misses=len(written), bytes_written=sum(written))
    return [fits[i] for i in range(len(jobs))]


def fit_seeds(
    X: np.ndarray,
    recipe: Recipe,
    seeds: Sequence[int] | int,
    c: np.ndarray | None = None,
    n_jobs: int | None = None,
    cache: bool = True,
    stack: int | None = None,
) -> list[Fit]:
    """`fit` for every seed in `seeds` (or for seeds 0 ... seeds-1), one `Fit` per seed; the rest as in `fit_many`."""
    seeds = range(seeds) if isinstance(seeds, int) else seeds
    return fit_many([(X, recipe, seed, c) for seed in seeds], n_jobs, cache, progress=False, stack=stack)


def _fit_stack(data: tuple, recipe: Recipe, seeds: list[int], paths: list[Path | None]) -> list[Fit]:
    X, c, n_classes = data
    with loop.single_thread():
        fits = loop.train(X, c, n_classes, recipe, seeds)
    for path, result in zip(paths, fits, strict=True):
        if path is not None:
            _save(path, result)
    return fits


_CODE = store.code_digest("models", "stack", "loop") + str(torch.__version__)


def _path(data: tuple, recipe: Recipe, seed: int) -> Path:
    X, c, _ = data
    return store.path_of((sorted(asdict(recipe).items()), int(seed), _CODE, torch.cuda.is_available()), X, c)


def _save(path: Path, result: Fit) -> None:
    arrays = {f"state/{k}": v for k, v in result.state.items()} | {f"history/{k}": v for k, v in result.history.items()}
    arrays |= {"mu": result.mu} if result.logvar is None else {"mu": result.mu, "logvar": result.logvar}
    sizes = np.array([result.n_features, result.n_classes])
    store.save(path, arrays | {"shape": sizes, "seconds": np.array(result.seconds)})


def _load(path: Path, X: np.ndarray, recipe: Recipe, seed: int) -> Fit | None:
    try:
        arrays = store.load(path)
        if arrays is None:
            return None
        under = {
            name: {k.removeprefix(name): v for k, v in arrays.items() if k.startswith(name)}
            for name in ("state/", "history/")
        }
        n_features, n_classes = arrays["shape"].tolist()
        result = Fit(
            arrays["mu"],
            arrays.get("logvar"),
            under["history/"],
            under["state/"],
            recipe,
            seed,
            n_features,
            n_classes,
            float(arrays["seconds"]),
        )
        result.model()  # every weight must be there and fit
        if result.mu.shape != (len(X), recipe.latent):
            raise ValueError(f"latent means of shape {result.mu.shape}")
        store.count(hits=1, bytes_read=path.stat().st_size)
        return result
    except Exception as error:  # a damaged or foreign file of any kind: train again
        log.warning("Cached fit %s cannot be used (%s); training again.", path, error)
        return None


# ---- scikit-learn ---------------------------------------------------------------------------------------------------


class LatentEncoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """Scikit-learn transformer that trains a VAE (or AE) and returns posterior means.

    `recipe` is a `protocols.Recipe` (None: the paper's, 512-256-128, d = 32, 200 epochs); `transform` maps
    (n, n_features) to (n, recipe.latent). Scale the data first:
    `make_pipeline(StandardScaler(), LatentEncoder(), KMeans(10))`. Raises ValueError for a conditional recipe. Shown
    on page "Run it yourself".
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
