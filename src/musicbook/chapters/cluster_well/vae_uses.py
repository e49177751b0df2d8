"""What a VAE is good for, since grouping is not: numbers for three uses, beside plainer methods.

Filling in missing features, taking noise off, and making up new tracks. Each is measured on tracks
that the model was not trained on. Page "How to cluster music well"."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_val_score

from helpers import inputs, store, training
from helpers.protocols import Recipe

MISSING = 0.3  # share of the numbers that is hidden
NOISE = 1.0  # standard deviation of the noise, in those of a feature
ROUNDS = 20  # of filling in: guess, reconstruct, put the known numbers back
TEST = 0.2  # share of the tracks that no model sees
Reconstruct = Callable[[np.ndarray], np.ndarray]


def measured_uses(
    features: np.ndarray, recipe: Recipe | None = None, seed: int = 0
) -> pd.DataFrame:
    """Three uses by three methods on features (n, d): rows "column means", "PCA, 8" and "VAE".

    "missing" and "noise" are the share of the variance that is not recovered (0: all is, 1: no
    better than the mean); "made up" is how often a random forest tells a made-up track from a real
    one (0.5: it cannot). Computed once, then read from the store."""
    columns = store.remember(_measured_uses, features, recipe, seed)
    return pd.DataFrame(columns).set_index("method").rename_axis(None)


def _measured_uses(features: np.ndarray, recipe: Recipe | None, seed: int) -> dict[str, list]:
    X = inputs.zscore(features)
    rng = np.random.default_rng([seed, 9])
    order = rng.permutation(len(X))
    cut = round(TEST * len(X))
    test, train = X[order[:cut]], X[order[cut:]]
    fit = training.fit(train, recipe or Recipe(clip_norm=1.0), seed)
    net = fit.model()
    pca = PCA(8, random_state=seed).fit(train)

    def by_vae(rows: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            latent = net.encode(torch.as_tensor(rows, dtype=torch.float32))[0]
            return net.decode(latent).numpy().astype(float)

    def by_pca(rows: np.ndarray) -> np.ndarray:
        return pca.inverse_transform(pca.transform(rows))

    methods: dict[str, Reconstruct] = {
        "column means": np.zeros_like,
        "PCA, 8": by_pca,
        "VAE": by_vae,
    }
    hidden = rng.random(test.shape) < MISSING
    noisy = test + NOISE * rng.normal(size=test.shape)
    with torch.no_grad():
        z = torch.as_tensor(rng.normal(size=(cut, recipe.latent if recipe else 32)))
        invented = {"VAE": net.decode(z.float()).numpy().astype(float)}
    invented["column means"] = rng.normal(size=test.shape) * train.std(axis=0)
    scores = rng.normal(size=(cut, 8)) * np.sqrt(pca.explained_variance_)
    invented["PCA, 8"] = pca.inverse_transform(scores)
    uses: dict[str, list] = {"method": list(methods), "missing": [], "noise": [], "made up": []}
    for name, reconstruct in methods.items():
        filled = fill(test, hidden, reconstruct)
        uses["missing"].append(_left(test[hidden], filled[hidden]))
        uses["noise"].append(_left(test, reconstruct(noisy)))
        uses["made up"].append(told_apart(test, invented[name]))
    return uses


def fill(X: np.ndarray, hidden: np.ndarray, reconstruct: Reconstruct) -> np.ndarray:
    """X (n, d) with its `hidden` numbers guessed: they start at 0, the mean, and become what the
    model reconstructs, ROUNDS times, the known numbers kept."""
    guess = np.where(hidden, 0.0, X)
    for _ in range(ROUNDS):
        guess = np.where(hidden, reconstruct(guess), X)
    return guess


def _left(truth: np.ndarray, guess: np.ndarray) -> float:
    """The share of the variance about 0 that a guess does not explain."""
    return float(((truth - guess) ** 2).sum() / (truth**2).sum())


def told_apart(real: np.ndarray, invented: np.ndarray, seed: int = 0) -> float:
    """How often a random forest, cross-validated, tells invented tracks from real ones (both (n,
    d)): 0.5 where nothing tells them apart, 1 where everything does (Lopez-Paz & Oquab 2017)."""
    both = np.concatenate([real, invented])
    kind = np.repeat([0, 1], [len(real), len(invented)])
    forest = RandomForestClassifier(200, random_state=seed)
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    return float(cross_val_score(forest, both, kind, cv=folds).mean())
