"""From features and lyrics to the table a model sees, and two guards on that table.

`inputs` builds the input of one phase under one protocol, or one of its control variants. `leak_guard` looks for the
label in that table, `weights_survive` for a modality weight that changes nothing. Pages "Hybrid features", "Leakage".
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.preprocessing import StandardScaler

from . import lyrics
from .datasets import Tracks
from .protocols import Protocol, get

VARIANTS = {  # control runs: what is fed instead of the protocol's own channels
    "full": "as the protocol has it",
    "lyrics shuffled": "the lyric vectors permuted across tracks",
    "lyrics alone": "the lyric channel only",
    "audio alone": "the audio features only",
    "one-hot alone": "the one-hot genre only",
    "one-hot removed": "the protocol's input without the one-hot genre",
    "real lyrics": "the protocol's recipe, its sentences replaced by real lyrics",
    "real lyrics, no one-hot": "real lyrics and no one-hot genre",
}


@dataclass(frozen=True)
class ModelInput:
    """What a model sees: `X` (n, d); `blocks` maps "audio", "text", "label" to their columns; `c` (n,) genre codes or
    None;
    `leaks` one sentence per leak found (empty: clean); `lyrics_report` where each genre's texts came from, or None;
    `text_variance` the share of the text's variance that its columns keep."""

    X: np.ndarray
    blocks: dict[str, slice]
    c: np.ndarray | None
    leaks: tuple[str, ...] = ()
    lyrics_report: pd.DataFrame | None = None
    text_variance: float | None = None

    @property
    def leaky(self) -> bool:
        return bool(self.leaks)


def zscore(X: np.ndarray) -> np.ndarray:
    """Columns of X (n, d) with mean 0 and standard deviation 1; a constant column becomes 0."""
    return StandardScaler().fit_transform(np.asarray(X, dtype=float))


def reduce_text(V: np.ndarray, n_components: int | float | None, seed: int = 0) -> tuple[np.ndarray, float]:
    """Principal components of the text vectors V (n, 384) and the share of variance they keep.

    `n_components` is a number of components, a share of variance to keep (0.95), or None for no reduction.
    """
    if n_components is None:
        return V, 1.0
    if n_components >= 1:
        n_components = int(min(n_components, *V.shape))
    pca = PCA(n_components, svd_solver="full", random_state=seed)
    return pca.fit_transform(np.asarray(V, dtype=float)), float(
        pca.explained_variance_ratio_[: pca.n_components_].sum()
    )


def fuse(
    blocks: dict[str, np.ndarray], weights: dict[str, float], scaling: str = "columns"
) -> tuple[np.ndarray, dict[str, slice]]:
    """The blocks (n, d_i), scaled and each times its weight, side by side: (n, sum d_i), and the columns of each block.

    "columns" z-scores every column, so that a block counts by how many columns it has, and loud and faint ones are
    alike. "blocks" gives every block the same variance in all, its columns keeping their proportions (audio features,
    whose units differ, are z-scored first), so that the weights alone decide between blocks. One common factor then
    brings the mean variance of a column to 1. "restandardised" z-scores the columns again, as the released code does,
    and the weights cancel. ValueError for a missing or negative weight, or blocks of different length.
    """
    if len({len(block) for block in blocks.values()}) != 1:
        raise ValueError(f"The blocks have different numbers of rows: { {k: len(v) for k, v in blocks.items()} }.")
    parts, columns, start = [], {}, 0
    for name, block in blocks.items():
        if weights.get(name, -1.0) < 0:
            raise ValueError(f"Block {name!r} needs a weight of at least 0; the weights given are {weights}.")
        part = zscore(block) if scaling != "blocks" or name == "audio" else block - block.mean(axis=0)
        if scaling == "blocks" and part.any():
            part = part / np.sqrt(part.var(axis=0).sum())
        parts.append(part * weights[name])
        columns[name] = slice(start, start + block.shape[1])
        start += block.shape[1]
    X = np.hstack(parts)
    if scaling == "restandardised":
        return zscore(X), columns
    variance = X.var(axis=0).mean()
    return (X / np.sqrt(variance) if variance > 0 else X), columns


def _text(tracks: Tracks, channel: str, seed: int) -> tuple[np.ndarray | None, pd.DataFrame | None]:
    """Text vectors (n, 384) of a channel and the report on their source; None where the data set has no texts to
    match."""
    if channel == "matched":
        if tracks.text is not None:  # the user's own lyrics, track by track
            return tracks.text.to_numpy(dtype=np.float32), None
        if tracks.genres is None or not set(tracks.genres) <= set(lyrics.TEMPLATES):
            return None, None
        return lyrics.matched(tracks.genres, seed, groups=tracks.groups)
    if tracks.genres is None:
        raise ValueError(
            f"{tracks.name!r} has no genres, from which text channel {channel!r} is made; use 'controlled'."
        )
    if channel == "template":
        return lyrics.template(tracks.genres, seed), None
    return lyrics.constant(tracks.genres, seed)


def _shuffle(text: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Texts permuted across tracks: every row of a track gets the text of the same other track."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    return lyrics.shuffled(text[first], seed)[inverse]


def prepare(
    tracks: Tracks, protocol: str | Protocol, phase: int, seed: int = 0, variant: str = "full", guard: bool = True
) -> ModelInput:
    """The input table of `phase` (1, 2 or 3) under `protocol`, or a control `variant` of it (see VARIANTS).

    `seed` draws texts and text noise. `guard` runs the leak guard over what was chosen by genre; under the `controlled`
    protocol a leak raises ValueError, elsewhere it is recorded in `ModelInput.leaks`. ValueError also for an unknown phase,
    protocol or variant.
    """
    protocol = get(protocol) if isinstance(protocol, str) else protocol
    if phase not in (1, 2, 3):
        raise ValueError(f"There is no phase {phase!r}; choose 1 (audio), 2 (hybrid) or 3 (advanced).")
    if variant not in VARIANTS:
        raise ValueError(f"There is no variant {variant!r}; choose one of {', '.join(VARIANTS)}.")
    c = None if tracks.genres is None else tracks.genre_codes
    blocks = {"audio": tracks.features.to_numpy(dtype=float)}
    report = variance = None
    if phase > 1:
        channel = "matched" if variant.startswith("real lyrics") else protocol.text[phase]
        text, report = _text(tracks, channel, seed)
        if text is None and "lyrics" in variant:
            raise ValueError(
                f"{tracks.name!r} has no lyrics and no genre to match them by; variant {variant!r} needs them."
            )
        if text is not None:
            if variant == "lyrics shuffled":
                text = _shuffle(text, tracks.groups, seed)
            blocks["text"], variance = reduce_text(text, protocol.text_pca)
    if (phase == 3 and protocol.label_in_input) or variant == "one-hot alone":
        if c is None:
            raise ValueError(
                f"{tracks.name!r} has no genres, which {protocol.name!r} puts into the input; use 'controlled'."
            )
        blocks["label"] = np.eye(c.max() + 1)[c]
    keep = {
        "audio alone": ("audio",),
        "lyrics alone": ("text",),
        "one-hot alone": ("label",),
        "one-hot removed": ("audio", "text"),
        "real lyrics, no one-hot": ("audio", "text"),
    }.get(variant, tuple(blocks))
    blocks = {name: block for name, block in blocks.items() if name in keep}
    weights = dict(zip(("audio", "text", "label"), protocol.weights.get(phase, (1.0,)), strict=False)) | {"label": 0.2}
    if len(blocks) == 1:
        weights = dict.fromkeys(blocks, 1.0)
    X, columns = fuse(blocks, weights, protocol.scaling)
    made = ModelInput(X, columns, c, (), report, variance)
    if guard and tracks.genres is not None:
        made = replace(made, leaks=tuple(leak_guard(_by_genre(made, tracks), tracks.genres, tracks.groups)))
        if made.leaks and protocol.strict and variant != "one-hot alone":
            raise ValueError(f"The leak guard refuses the input of phase {phase}: {made.leaks[0]}")
    return made


def _by_genre(made: ModelInput, tracks: Tracks) -> ModelInput:
    """The input with what was measured on the tracks blanked out, sound and the reader's own lyrics: where these tell
    genres apart, in a small collection even without error, it is no leak."""
    X, blocks = made.X.copy(), dict(made.blocks)
    for name in ("audio", "text") if tracks.text is not None else ("audio",):
        if name in blocks:
            X[:, blocks.pop(name)] = 0.0
    return replace(made, X=X, blocks=blocks)


def leak_guard(made: ModelInput, genres: np.ndarray, groups: np.ndarray | None = None, seed: int = 0) -> list[str]:
    """Sentences about input columns that carry the genre itself; an empty list for a clean table.

    Four tests: a column that is constant within every genre; a column whose order sorts the tracks by genre; a text
    block with fewer distinct vectors in a genre than tracks; a text block from which a cross-validated linear
    discriminant finds whole genres without one error (counted from 20 tracks on, since a few may be found by luck).
    genres (n,); groups (n,) names the track of each row: segments of one track share its text and stay in one fold.
    """
    X, found = made.X, []
    names, codes = np.unique(genres, return_inverse=True)
    if len(names) < 2:
        return found
    spread = X.std(axis=0)
    within = np.array([X[codes == g].std(axis=0) for g in range(len(names))]).max(axis=0)
    fixed = np.flatnonzero((spread > 0) & (within < 1e-9 * np.maximum(spread, 1e-300)))
    if len(fixed):
        found.append(f"{len(fixed)} input columns are constant within every genre (the first is column {fixed[0]}).")
    if len(X) >= 4 * len(names):
        runs = 1 + (np.diff(codes[np.argsort(X, axis=0, kind="stable")], axis=0) != 0).sum(axis=0)
        distinct = np.array([len(np.unique(column)) for column in X.T])
        ordered = np.flatnonzero((runs == len(names)) & (distinct == len(X)))
        if len(ordered):
            found.append(f"{len(ordered)} input columns sort the tracks by genre (the first is column {ordered[0]}).")
    if "text" in made.blocks:
        text, groups = X[:, made.blocks["text"]], np.arange(len(X)) if groups is None else groups
        n_tracks = [len(np.unique(groups[codes == g])) for g in range(len(names))]
        n_texts = [len(np.unique(text[codes == g].round(6), axis=0)) for g in range(len(names))]
        repeated = [
            f"{name} ({texts} for {tracks} tracks)"
            for name, texts, tracks in zip(names, n_texts, n_tracks, strict=True)
            if texts < tracks
        ]
        if repeated:
            found.append(f"The text repeats itself within a genre, distinct vectors: {', '.join(repeated)}.")
        if min(n_tracks) >= 2:
            probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
            folds = StratifiedGroupKFold(min(5, min(n_tracks)), shuffle=True, random_state=seed)
            guess = cross_val_predict(probe, text, codes, groups=groups, cv=folds)
            perfect = [g for g in range(len(names)) if ((guess == g) == (codes == g)).all()]
            if sum(n_tracks[g] for g in perfect) >= 20:
                found.append(
                    f"A probe reads these genres from the text without one error: {', '.join(names[perfect])}."
                )
    return found


def weights_survive(tracks: Tracks, protocol: str | Protocol, phase: int, seed: int = 0) -> bool:
    """Scale guard: True when halving the first modality's weight changes the fused table that a clusterer sees."""
    protocol = get(protocol) if isinstance(protocol, str) else protocol
    weights = protocol.weights[phase]
    other = replace(protocol, weights={**protocol.weights, phase: (weights[0] / 2, *weights[1:])})
    first, second = (prepare(tracks, p, phase, seed, guard=False).X for p in (protocol, other))
    return not np.allclose(first, second, atol=1e-8)
