"""Planted tracks: tables whose factors are known, and the six models whose verdicts are known.

They test the `battery` itself, and answer questions that real tracks cannot (pages "CVAE: collapse
or by design?" and "Collapse in depth")."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from helpers.protocols import Recipe
from helpers.shown import short_repr_of


@dataclass(frozen=True)
class PlantedTracks:
    """A synthetic table: standardised features `X` (n, d), `genre` (n,) and `style` (n,) int codes,
    drawn independently, and the continuous `traits` (n, n_traits), standard normal."""

    X: np.ndarray
    genre: np.ndarray
    style: np.ndarray
    traits: np.ndarray


short_repr_of(PlantedTracks)


def draw(
    n: int = 1000,
    n_genres: int = 10,
    n_styles: int = 5,
    n_traits: int = 3,
    n_features: int = 68,
    genre: float = 1.5,
    style: float = 1.0,
    noise: float = 0.8,
    seed: int = 0,
) -> PlantedTracks:
    """Draw n tracks: x = genre centre + style centre + traits W + noise, columns standardised.

    Centres are Gaussian with standard deviation `genre` and `style` per feature; the traits weigh
    0.6, 0.45, 0.34 ... per feature, so that their axes are told apart by their variances. The world
    (centres, W) depends on `seed` and not on n: a larger n is more tracks of the same music. Every
    genre and style is equally frequent. Raises ValueError for fewer rows than genre-style pairs."""
    if n < n_genres * n_styles:
        raise ValueError(
            f"draw() needs at least {n_genres * n_styles} rows for every genre and style, not {n}."
        )
    world, rows = (np.random.default_rng([seed, k]) for k in (1, 2))
    genres = genre * world.normal(size=(n_genres, n_features))
    styles = style * world.normal(size=(n_styles, n_features))
    loads = world.normal(size=(n_traits, n_features)) * (0.6 * 0.75 ** np.arange(n_traits))[:, None]
    pair = rows.permutation(np.arange(n) % (n_genres * n_styles))
    g, s = pair // n_styles, pair % n_styles
    traits = rows.normal(size=(n, n_traits))
    X = genres[g] + styles[s] + traits @ loads + noise * rows.normal(size=(n, n_features))
    return PlantedTracks(_standardised(X), g, s, traits)


def _standardised(X: np.ndarray) -> np.ndarray:
    return (X - X.mean(axis=0)) / X.std(axis=0)


# Songs of each genre in `msd_genre_dataset.txt`, the genre list of the Million Song Dataset; its
# names do not matter.
MSD_GENRES = (23895, 13192, 4935, 4334, 4016, 3200, 2103, 1874, 1617, 434)
TIMBRES = 12  # coefficients of a segment's timbre


def draw_msd(
    n: int = 1000,
    genre: float = 0.45,
    style: float = 0.4,
    noise: float = 1.0,
    n_styles: int = 5,
    n_traits: int = 3,
    seed: int = 0,
) -> PlantedTracks:
    """Draw n tracks in the shape of the Million Song Dataset: 12 means and 78 covariances of
    timbre, columns standardised, genres as unequal as MSD_GENRES.

    A track's mean m (12,) and the root A (12, 12) of its covariance A A' are sums of a part of its
    genre, one of its style, one of its traits, and one of its own; so the covariances are products
    of factors, skewed and of long tails as the real ones are. The world depends on `seed` and not
    on n. ValueError for fewer rows than genres times styles. Bertin-Mahieux et al. 2011; page
    "CVAE and posterior collapse"."""
    if n < len(MSD_GENRES) * n_styles:
        raise ValueError(f"draw_msd() needs at least {len(MSD_GENRES) * n_styles} rows, not {n}.")
    world, rows = (np.random.default_rng([seed, k]) for k in (3, 4))
    shape = TIMBRES, 1 + TIMBRES  # the mean, and A beside it
    of_genre, of_style, of_trait = (
        scale * world.normal(size=(k, *shape)).astype(np.float32)
        for k, scale in ((len(MSD_GENRES), genre), (n_styles, style), (n_traits, 0.3))
    )
    common = np.hstack([np.zeros((TIMBRES, 1)), 4.0 * np.eye(TIMBRES)]).astype(np.float32)
    share = np.cumsum(MSD_GENRES) / sum(MSD_GENRES)
    g = rows.permutation(np.searchsorted(share, (np.arange(n) + 0.5) / n))
    s = rows.permutation(np.arange(n) % n_styles)
    traits = rows.normal(size=(n, n_traits))
    X = np.empty((n, TIMBRES + TIMBRES * (TIMBRES + 1) // 2))
    i, j = np.triu_indices(TIMBRES)
    for at in range(0, n, 20_000):  # 8 kB a track while it is made
        some = slice(at, min(at + 20_000, n))
        own = rows.normal(size=(some.stop - at, *shape)).astype(np.float32)
        by_traits = np.tensordot(traits[some].astype(np.float32), of_trait, 1)
        whole = common + of_genre[g[some]] + of_style[s[some]] + by_traits + noise * own
        root = whole[:, :, 1:]
        X[some, :TIMBRES] = whole[:, :, 0]
        X[some, TIMBRES:] = (root @ root.transpose(0, 2, 1))[:, i, j]
    X -= X.mean(axis=0)
    X /= X.std(axis=0)
    return PlantedTracks(X, g, s, traits)


MIXINGS = ("linear", "nonlinear")


def draw_factors(
    n: int = 2000,
    mixing: str = "linear",
    gaussian: bool = False,
    n_factors: int = 5,
    n_genres: int = 10,
    n_features: int = 40,
    noise: float = 0.3,
    seed: int = 0,
) -> PlantedTracks:
    """Draw n tracks whose factors can be found again: the positive control for disentanglement.

    The `traits` (n, n_factors) are independent and of variance 1, half of them uniform, half
    bimodal, so that independent component analysis can tell their axes (Hyvarinen & Oja 2000, sec.
    3.3: it needs factors that are not Gaussian); with `gaussian` they are normal, and nothing can.
    A random matrix mixes them into the features; "nonlinear" bends every feature after that. A
    centre for each genre is added, which says nothing of the factors; there is no style. The world
    depends on `seed` and not on n. ValueError for an unknown mixing. Page "Collapse in depth"."""
    if mixing not in MIXINGS:
        raise ValueError(f"There is no mixing {mixing!r}; choose one of {', '.join(MIXINGS)}.")
    world, rows = (np.random.default_rng([seed, k]) for k in (5, 6))
    loads = world.normal(size=(n_factors, n_features)) / np.sqrt(n_factors)
    centres = world.normal(size=(n_genres, n_features))
    genre = rows.permutation(np.arange(n) % n_genres)
    if gaussian:
        traits = rows.normal(size=(n, n_factors))
    else:
        uniform = rows.uniform(-np.sqrt(3), np.sqrt(3), size=(n, n_factors))
        bimodal = rows.choice([-1.0, 1.0], size=(n, n_factors)) + 0.4 * rows.normal(
            size=(n, n_factors)
        )
        odd = np.arange(n_factors) % 2 == 1
        traits = np.where(odd, bimodal / np.sqrt(1.16), uniform)
    mixed = traits @ loads
    if mixing == "nonlinear":
        mixed = mixed + 0.5 * np.sin(1.5 * mixed)
    X = mixed + centres[genre] + noise * rows.normal(size=(n, n_features))
    return PlantedTracks(_standardised(X), genre, np.zeros(n, dtype=int), traits)


_SMALL = Recipe(hidden=(128, 64), latent=16, batch_norm=True, epochs=40, batch_size=64, lr=2e-3)

# name -> (recipe, the verdict that `battery.diagnose` has to reach on planted tracks).
CASES: dict[str, tuple[Recipe, str]] = {
    "VAE": (_SMALL, "informative"),
    "CVAE": (_SMALL.but(kind="cvae"), "by design"),
    "CVAE, c to the encoder only": (_SMALL.but(kind="cvae", condition="encoder"), "encoder only"),
    "CVAE, c to the decoder only": (_SMALL.but(kind="cvae", condition="decoder"), "decoder only"),
    "CVAE, beta = 4": (_SMALL.but(kind="cvae", beta=4.0), "partial collapse"),
    "CVAE, beta = 200": (_SMALL.but(kind="cvae", beta=200.0), "collapsed"),
}
