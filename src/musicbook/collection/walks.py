"""Walks through the latent space of a VAE that was trained on a collection: from one track to
another, and along one dimension. What the network decodes on the way is said in words, beside the
nearest track that exists. Page "What is in my music?"."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from sklearn.neighbors import NearestNeighbors

from helpers import inputs, protocols, training
from helpers.tracks import Tracks
from helpers.training import Fit
from musicbook.collection import words


def trained(tracks: Tracks, protocol: str = "controlled", seed: int = 0) -> Fit:
    """The basic VAE of a protocol, trained on these tracks' features (read from the store where it
    has been before)."""
    chosen = protocols.get(protocol)
    X = inputs.prepare(tracks, chosen, 1, seed).X
    return training.fit(X, chosen.recipes["basic_vae"], seed)


def decoded(tracks: Tracks, fit: Fit, path: np.ndarray, steps: Sequence[str]) -> pd.DataFrame:
    """Points of the latent space, `path` (m, d), called `steps`: what the network decodes there, in
    words, and the nearest track."""
    with torch.no_grad():
        output = fit.model().decode(torch.as_tensor(path, dtype=torch.float32)).numpy()
    features = tracks.features
    spread, centre = features.std(ddof=0).to_numpy(), features.mean().to_numpy()
    back = pd.DataFrame(output * spread + centre, columns=features.columns)
    both = pd.concat([features, back], ignore_index=True)
    vocabulary = words.Vocabulary(both)
    at = NearestNeighbors(n_neighbors=1).fit(fit.mu).kneighbors(path, return_distance=False)[:, 0]
    rows = []
    for place, nearest in enumerate(at):
        own = vocabulary.of(np.array([len(features) + place]))
        rows.append((", ".join(own) or words.NOTHING, tracks.ids[nearest]))
    index = pd.Index(steps, name="Step")
    return pd.DataFrame(rows, columns=["Decoded", "Nearest track"], index=index)


def between(tracks: Tracks, fit: Fit, one: str, other: str, steps: int = 6) -> pd.DataFrame:
    """The straight way from track `one` to track `other` in the latent space (`decoded`)."""
    ids = tracks.ids.tolist()
    start, end = fit.mu[ids.index(one)], fit.mu[ids.index(other)]
    share = np.linspace(0, 1, steps)
    path = start + share[:, None] * (end - start)
    return decoded(tracks, fit, path, [f"{s:.0%}" for s in share])


def along(tracks: Tracks, fit: Fit, dimension: int, steps: int = 5) -> pd.DataFrame:
    """A walk along one latent dimension, from -2 to 2 standard deviations of its means; all others
    stay at their mean."""
    places = np.linspace(-2, 2, steps)
    path = np.tile(fit.mu.mean(axis=0), (steps, 1))
    path[:, dimension] += places * fit.mu[:, dimension].std()
    return decoded(tracks, fit, path, [f"{place:+.0f} sd" for place in places])


def strongest(fit: Fit) -> int:
    """The latent dimension with the largest KL."""
    return int(fit.kl_per_dim.argmax())
