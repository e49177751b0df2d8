"""Does one latent dimension hold one factor? MIG, SAP and DCI where factors are known, total
correlation where not.

The three scores need several independent, known factors, which planted tracks have and GTZAN has
not. Page "Collapse in depth". `Z` (n, d) are posterior means of the active dimensions: the means of
a dead one are tiny, but binning and trees do not see size. `factors` maps names to (n,) arrays:
integers are categories, floats continuous."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA, FastICA
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.metrics import mutual_info_score
from sklearn.model_selection import train_test_split


def _checked(
    Z: np.ndarray, factors: dict[str, np.ndarray]
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    Z = np.asarray(Z, dtype=float)
    factors = {name: np.asarray(values) for name, values in factors.items()}
    if Z.ndim != 2 or Z.shape[1] < 2:
        raise ValueError(
            "Disentanglement compares dimensions: Z needs two or more of them, not shape "
            f"{Z.shape}."
        )
    for name, values in factors.items():
        different = len(np.unique(values))
        if len(values) != len(Z) or different < 2:
            raise ValueError(
                f"The factor {name} has {len(values)} values for {len(Z)} rows, {different} of "
                "them different; it needs one a row, and two different ones."
            )
    return Z, factors


def _continuous(v: np.ndarray) -> bool:
    return np.issubdtype(v.dtype, np.floating)


def _binned(v: np.ndarray, bins: int) -> np.ndarray:
    """Equal-width bins between the extremes, codes 0 ... bins-1."""
    return np.digitize(v, np.linspace(v.min(), v.max(), bins + 1)[1:-1])


def mig(Z: np.ndarray, factors: dict[str, np.ndarray], bins: int = 20) -> dict[str, float]:
    """Mutual information gap per factor: (best - second-best I(z_j; v)) / H(v), 0 to 1.

    Continuous values go into `bins` bins. Chen et al. 2018, eq. 6. Raises ValueError for fewer than
    two dimensions and for a constant factor."""
    Z, factors = _checked(Z, factors)
    codes = [_binned(column, bins) for column in Z.T]
    out = {}
    for name, v in factors.items():
        v = _binned(v, bins) if _continuous(v) else v
        gains = np.sort([mutual_info_score(v, code) for code in codes])
        out[name] = float((gains[-1] - gains[-2]) / mutual_info_score(v, v))
    return out


def sap(Z: np.ndarray, factors: dict[str, np.ndarray]) -> dict[str, float]:
    """Separated attribute predictability of continuous factors: the squared correlation with the
    best dimension minus that with the second best, 0 to 1.

    Kumar, Sattigeri & Balakrishnan 2018, sec. 3. ValueError as `mig`, and for a factor that is not
    continuous."""
    Z, factors = _checked(Z, factors)
    scaled = (Z - Z.mean(axis=0)) / Z.std(axis=0).clip(1e-12)
    out = {}
    for name, v in factors.items():
        if not _continuous(v):
            raise ValueError(f"SAP is computed here for continuous factors; {name} is not one.")
        squared = np.sort((scaled.T @ ((v - v.mean()) / v.std()) / len(v)) ** 2)
        out[name] = float(squared[-1] - squared[-2])
    return out


def dci(Z: np.ndarray, factors: dict[str, np.ndarray], seed: int = 0) -> dict[str, float]:
    """Disentanglement (a dimension holds one factor), completeness (a factor sits in one
    dimension), informativeness.

    From the importance matrix R (d, n_factors) of one random forest per factor: one minus the
    entropy of R's rows (base n_factors, rows weighted by their share) and columns (base d);
    informativeness is the mean held-out score (accuracy or R^2). Eastwood & Williams 2018, sec. 2.
    Needs two factors or more (ValueError)."""
    Z, factors = _checked(Z, factors)
    if len(factors) < 2:
        raise ValueError(
            "DCI needs two factors or more; with one, every dimension holds at most that one."
        )
    importance, held_out = np.zeros((Z.shape[1], len(factors))), []
    train, test = train_test_split(np.arange(len(Z)), test_size=0.3, random_state=seed)
    for k, v in enumerate(factors.values()):
        forest = RandomForestRegressor if _continuous(v) else RandomForestClassifier
        fitted = forest(50, min_samples_leaf=5, random_state=seed, n_jobs=1).fit(Z[train], v[train])
        importance[:, k] = fitted.feature_importances_
        held_out.append(fitted.score(Z[test], v[test]))
    by_dimension = importance.sum(axis=1) / importance.sum()
    return {
        "disentanglement": float(by_dimension @ _concentration(importance)),
        "completeness": float(_concentration(importance.T).mean()),
        "informativeness": float(np.mean(held_out)),
    }


def independent_components(X: np.ndarray, k: int, seed: int = 0) -> np.ndarray:
    """k independent components of X (n, D), (n, k): directions that are as little Gaussian as can
    be (FastICA, Hyvarinen & Oja 2000)."""
    ica = FastICA(k, whiten="unit-variance", max_iter=1000, tol=1e-3, random_state=seed)
    return ica.fit_transform(np.asarray(X, dtype=float))


def principal_components(X: np.ndarray, k: int) -> np.ndarray:
    """k principal components of X (n, D), (n, k)."""
    return PCA(k, svd_solver="full").fit_transform(np.asarray(X, dtype=float))


def _concentration(R: np.ndarray) -> np.ndarray:
    """One minus the entropy of every row over its maximum: 1 when one entry has it all, 0 when all
    are equal."""
    p = R / np.maximum(R.sum(axis=1, keepdims=True), 1e-12)
    return 1.0 + np.where(p > 0, p * np.log(np.maximum(p, 1e-300)), 0.0).sum(axis=1) / np.log(
        R.shape[1]
    )


def total_correlation(mu: np.ndarray, logvar: np.ndarray, seed: int = 0) -> float:
    """KL(q(z) || prod_j q(z_j)) in nats of the Gaussian with q(z)'s moments: -log det(correlation
    of sampled z) / 2.

    0 for uncorrelated dimensions (a lower bound: dependence beyond correlation is not seen); never
    negative. Watanabe 1960; as an unsupervised score in Locatello et al. 2019, sec. 5.4. mu, logvar
    (n, d), n > d."""
    mu, logvar = np.asarray(mu, dtype=float), np.asarray(logvar, dtype=float)
    if len(mu) <= mu.shape[1]:
        raise ValueError(
            f"Total correlation needs more rows than dimensions, not {len(mu)} rows "
            f"for {mu.shape[1]}."
        )
    if mu.shape[1] < 2:
        return 0.0
    z = mu + np.random.default_rng(seed).normal(size=mu.shape) * np.exp(0.5 * logvar)
    return float(max(0.0, -0.5 * np.linalg.slogdet(np.corrcoef(z, rowvar=False))[1]))
