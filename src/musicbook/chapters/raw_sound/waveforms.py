"""The published grid on raw sound: the same network asked for a waveform, for its spectra, or for a
log-mel picture, and beside it what needs no learning.

Epochs are fixed here, not chosen by a score of these runs. `make results` runs the grid where the
audio is (`$GTZAN_AUDIO`); the page "Raw sound" reads it through `published`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA

from helpers import clustering, inputs, metrics, models, store, training
from helpers.protocols import Recipe
from helpers.tracks import Tracks
from musicbook.chapters.raw_sound import networks
from musicbook.chapters.raw_sound.networks import CROP, RECIPE
from musicbook.corpus import pretrained
from musicbook.corpus.audio import load_audio

log = logging.getLogger("helpers")

HALF = (
    CROP // 2
)  # samples that a network is trained on; it pools over time, so it encodes any length
FEATURES = "68 features"
LOG_MEL = "log-mel statistics"
WAVEFORM_PCA = "PCA of waveforms"
UNTRAINED = "ConvVAE, untrained"
WAVEFORM = "ConvVAE to the waveform"
MEL = "ConvVAE to log-mel"
LONGER = "ConvVAE to log-mel, 40 epochs"
MODELS = {  # row -> target of the decoder, recipe; twenty epochs, fixed before the grid was run
    WAVEFORM: ("waveform", RECIPE),
    "ConvVAE to spectra (STFT)": ("stft", RECIPE),
    MEL: ("mel", RECIPE),
    LONGER: ("mel", RECIPE.but(epochs=40)),
}
ROWS = (FEATURES, LOG_MEL, WAVEFORM_PCA, UNTRAINED, *MODELS)
KEPT_SPACES = (LOG_MEL, MEL)  # those that the page compares with pretrained networks
LEVELS = ("segments", "tracks")
SEEDS = 5
SCORES = ("nmi", "ari", "ami", "nmi_chance")
OF_NETWORKS = ("unexplained", "by_heart", "kl", "active", "seconds")


def crops_of(tracks: Tracks, paths: Mapping[str, Path]) -> np.ndarray:
    """The sound of every segment of `tracks`, (n, CROP), rows in their order, with a common
    variance of 1. ValueError names a file that is too short, or silence in all of them."""
    assert tracks.start_s is not None
    x = np.empty((tracks.n, CROP), np.float32)
    names = tracks.track_ids
    for track in dict.fromkeys(names.tolist()):
        rows = np.flatnonzero(names == track)
        sound, _ = load_audio(paths[track])
        try:
            x[rows] = networks.cut_crops(sound, tracks.start_s[rows].tolist())
        except ValueError as error:
            raise ValueError(f"{track}: {error}") from None
    return networks.one_loudness(x)


def cells(tracks: Tracks, seeds: Sequence[int]) -> list[tuple]:
    """Every row of ROWS for SEEDS seeds, as `make_results.tabulate` takes them.

    None, and the log says why, for tracks without genres, without segments, or without their sound.
    """
    paths: Mapping[str, Path] = {}
    if tracks.start_s is not None and tracks.genres is not None:
        paths = pretrained.sound_files(tracks)
    if not paths or set(paths) != set(tracks.track_ids):
        log.info(
            "waveforms is left out: %s has no segments with their audio here (set GTZAN_AUDIO)",
            tracks.name,
        )
        return []
    x = crops_of(tracks, paths)
    features = tracks.features.to_numpy()
    calls = []
    for seed in list(seeds)[:SEEDS]:
        for row in ROWS:
            target, recipe = MODELS.get(row, (None, RECIPE))
            arguments = (row, target, recipe, seed, x, features, tracks.genres, tracks.groups)
            calls.append(({"row": row, "seed": seed}, cell, *arguments))
    return calls


def cell(
    row: str,
    target: str | None,
    recipe: Recipe,
    seed: int,
    x: np.ndarray,
    features: np.ndarray,
    genres: np.ndarray,
    groups: np.ndarray,
) -> dict[str, np.ndarray]:
    """One row: K-Means with as many clusters as genres on the segments' space, and on its means
    over each track.

    Hand-made columns are z-scored, latent means are taken as they are (as on the page "Audio
    baseline"). Gives labels and SCORES of both levels, the tracks' `space`, and of a network its
    `unexplained` share on the halves of the segments that it was not trained on, `by_heart` on
    those that it was, `kl` (nats), `active` units and CPU `seconds`."""
    made: dict[str, np.ndarray] = {}
    if row == FEATURES:
        space = inputs.zscore(features)
    elif row == LOG_MEL:
        space = inputs.zscore(networks.log_mel_statistics(x))
    elif row == WAVEFORM_PCA:
        space = PCA(recipe.latent, random_state=seed).fit_transform(x)
    else:
        space, made = _network_cell(target, recipe, seed, x)
    _, first, track = np.unique(groups, return_index=True, return_inverse=True)
    means = np.stack([space[track == i].mean(0) for i in range(len(first))])
    made |= _scored("segments", space, genres, groups, seed)
    made |= _scored("tracks", means, genres[first], None, seed)
    return made | {"space": means.astype(np.float16)}


def _network_cell(
    target: str | None, recipe: Recipe, seed: int, x: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Latent means (n, d) of a network trained on the first half of each crop, or of an untrained
    one where there is no target, and what was measured on it."""
    made: dict[str, np.ndarray] = {}
    if target is None:
        net = networks.untrained_network(recipe, HALF, seed)
    else:
        half = np.ascontiguousarray(x[:, :HALF])
        fit = networks.fit_network(half, target, recipe, seed)
        net = networks.load_network(fit, HALF, target, recipe)
        made["seconds"] = fit["seconds"]
        made["unexplained"] = np.array(networks.unexplained_share(net, x[:, HALF:]))
        made["by_heart"] = np.array(networks.unexplained_share(net, half))
    mu, logvar = networks.encode_crops(net, x)
    kl = training.kl_rows(mu, logvar).mean(0)
    made["kl"] = kl.sum()
    made["active"] = (kl > models.ACTIVE_KL).sum()
    return mu, made


def _scored(
    level: str, space: np.ndarray, genres: np.ndarray, groups: np.ndarray | None, seed: int
) -> dict[str, np.ndarray]:
    labels = clustering.cluster(space, "kmeans", len(np.unique(genres)), seed)
    scores = metrics.scores(labels, space, genres=genres, groups=groups)
    return {
        f"labels/{level}": labels.astype(np.int8),
        f"scores/{level}": np.array([scores[name] for name in SCORES]),
    }


def table(named: dict, result: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """The two lines of one cell: row, seed, level, SCORES, and what is known of its network."""
    network = {name: float(result[name]) if name in result else np.nan for name in OF_NETWORKS}
    lines = []
    for level in LEVELS:
        scores = dict(zip(SCORES, result[f"scores/{level}"]))
        lines.append(named | {"level": level} | scores | network)
    return pd.DataFrame(lines)


def maps(tracks: Tracks) -> dict[str, np.ndarray]:
    """What intervals and the comparison with pretrained networks need: "<row>/segments" (seeds, n)
    and "<row>/tracks" (seeds, n_tracks) labels, "space/<row>" (n_tracks, d) of the first seed for
    KEPT_SPACES, and the names of tracks and genres."""
    wanted = cells(tracks, range(SEEDS))
    results = store.remember_many([tuple(call) for _, *call in wanted], 1)
    _, first = np.unique(tracks.groups, return_index=True)
    arrays = {
        "ids": tracks.ids.astype("U"),
        "groups": tracks.groups.astype("U"),
        "tracks": tracks.groups[first].astype("U"),
        "genres": np.asarray(tracks.genres, dtype="U"),
    }
    for row in ROWS:
        mine = [
            result
            for (named, *_), result in zip(wanted, results, strict=True)
            if named["row"] == row
        ]
        for level in LEVELS:
            arrays[f"{row}/{level}"] = np.stack([result[f"labels/{level}"] for result in mine])
        if row in KEPT_SPACES:
            arrays[f"space/{row}"] = mine[0]["space"]
    return arrays
