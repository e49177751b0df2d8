"""From features and lyrics to the table a model sees, and guards on that table.

`prepare` makes the input of one phase under one protocol, or one of its control variants. `leak_guard` looks for blocks
that say too much of the label, `scale_guard` for a channel whose signal the scaling loses, `weights_survive` for a
modality weight that changes nothing. Pages "Hybrid features", "Leakage"."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from . import leaks, lyrics
from .clustering import cluster
from .datasets import Tracks
from .protocols import Protocol, get

DRAWS = 19  # permutations of the leak guard, which looks at every input of every run
WORDS = {"audio": "sound", "text": "text", "label": "one-hot genre"}
SHARE = 0.3  # of a channel's variance: what the scale guard plants into it
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
    None; `leaks` one sentence per leak found (empty: clean), `lost` one per channel whose signal the scaling loses;
    `lyrics_report` where each genre's texts came from, or None; `text_variance` the share of the text's variance that
    its columns keep; `judged` how much of the genre each block says that the leak guard looked at, in [0, 1], None
    where it did not run."""

    X: np.ndarray
    blocks: dict[str, slice]
    c: np.ndarray | None
    leaks: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    lyrics_report: pd.DataFrame | None = None
    text_variance: float | None = None
    judged: dict[str, float] | None = None

    @property
    def leaky(self) -> bool:
        return bool(self.leaks)


def zscore(X: np.ndarray) -> np.ndarray:
    """Columns of X (n, d) with mean 0 and standard deviation 1; a constant column becomes 0."""
    return StandardScaler().fit_transform(np.asarray(X, dtype=float))


def reduce_text(V: np.ndarray, n_components: int | float | None, seed: int = 0) -> tuple[np.ndarray, float]:
    """Principal components of the text vectors V (n, 384) and the share of variance they keep.

    `n_components` is a number of components, a share of variance to keep (0.95), or None for no reduction."""
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
    and the weights cancel. ValueError for a missing or negative weight, or blocks of different length."""
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
        return lyrics.matched(tracks.genres, seed, groups=tracks.track_ids)
    if tracks.genres is None:
        raise ValueError(
            f"{tracks.name!r} has no genres, from which text channel {channel!r} is made; use 'controlled'."
        )
    if channel == "template":
        return lyrics.template(tracks.genres, seed), None
    return lyrics.constant(tracks.genres, seed)


def _shuffle(text: np.ndarray, tracks: np.ndarray, seed: int) -> np.ndarray:
    """Texts permuted across tracks: every row of a track gets the text of the same other track."""
    _, first, inverse = np.unique(tracks, return_index=True, return_inverse=True)
    return lyrics.shuffled(text[first], seed)[inverse]


def channels(
    tracks: Tracks, protocol: Protocol, phase: int, seed: int, variant: str = "full"
) -> tuple[dict[str, np.ndarray], pd.DataFrame | None]:
    """The raw channels of an input, before any scaling, {"audio", "text", "label": (n, d_i)}, and the report on the
    lyrics that were drawn; ValueError for a variant that the data set cannot have."""
    blocks, report = {"audio": tracks.features.to_numpy(dtype=float)}, None
    if phase > 1:
        text, report = _text(tracks, "matched" if variant.startswith("real lyrics") else protocol.text[phase], seed)
        if text is None and "lyrics" in variant:
            raise ValueError(
                f"{tracks.name!r} has no lyrics and no genre to match them by; variant {variant!r} needs them."
            )
        if text is not None:
            blocks["text"] = _shuffle(text, tracks.track_ids, seed) if variant == "lyrics shuffled" else text
    if (phase == 3 and protocol.label_in_input) or variant == "one-hot alone":
        if tracks.genres is None:
            raise ValueError(
                f"{tracks.name!r} has no genres, which {protocol.name!r} puts into the input; use 'controlled'."
            )
        blocks["label"] = np.eye(len(tracks.genre_names))[tracks.genre_codes]
    keep = {
        "audio alone": ("audio",), "lyrics alone": ("text",), "one-hot alone": ("label",),
        "one-hot removed": ("audio", "text"), "real lyrics, no one-hot": ("audio", "text"),
    }.get(variant, tuple(blocks))  # fmt: skip
    return {name: block for name, block in blocks.items() if name in keep}, report


def scale(
    raw: dict[str, np.ndarray], protocol: Protocol, phase: int
) -> tuple[np.ndarray, dict[str, slice], float | None]:
    """Raw channels (n, d_i) as `protocol` feeds them in `phase`: text reduced, scaled, weighted and side by side
    (n, d), the columns of each, and the share of variance that the text keeps (None without text)."""
    blocks, kept = dict(raw), None
    if "text" in blocks:
        blocks["text"], kept = reduce_text(blocks["text"], protocol.text_pca)
    weights = dict(zip(("audio", "text", "label"), protocol.weights.get(phase, (1.0,)), strict=False)) | {"label": 0.2}
    if len(blocks) == 1:
        weights = dict.fromkeys(blocks, 1.0)
    return *fuse(blocks, weights, protocol.scaling), kept


def prepare(
    tracks: Tracks, protocol: str | Protocol, phase: int, seed: int = 0, variant: str = "full", guard: bool = True
) -> ModelInput:
    """The input table of `phase` (1, 2 or 3) under `protocol`, or a control `variant` of it (see VARIANTS).

    `seed` draws texts and text noise. `guard` runs the leak guard over what was chosen by genre, and the scale guard
    over every channel; under a strict protocol a finding raises ValueError, elsewhere it is recorded in
    `ModelInput.leaks` and `ModelInput.lost`. ValueError also for an unknown phase, protocol or variant."""
    protocol = get(protocol) if isinstance(protocol, str) else protocol
    if phase not in (1, 2, 3):
        raise ValueError(f"There is no phase {phase!r}; choose 1 (audio), 2 (hybrid) or 3 (advanced).")
    if variant not in VARIANTS:
        raise ValueError(f"There is no variant {variant!r}; choose one of {', '.join(VARIANTS)}.")
    raw, report = channels(tracks, protocol, phase, seed, variant)
    X, columns, kept = scale(raw, protocol, phase)
    made = ModelInput(X, columns, None if tracks.genres is None else tracks.genre_codes, (), (), report, kept)
    if guard and phase > 1:
        made = replace(made, lost=tuple(scale_guard(raw, protocol, phase)))
    if guard and tracks.genres is not None:
        effects = said(_by_genre(made, tracks), tracks.genres, tracks.groups)
        made = replace(made, leaks=tuple(leak_guard(effects)), judged={name: e.share for name, e in effects.items()})
    if protocol.strict and variant != "one-hot alone" and (found := made.leaks + made.lost):
        raise ValueError(f"The guards refuse the input of phase {phase}: {found[0]}")
    return made


# ---- guards ---------------------------------------------------------------------------------------------------------


def plant(block: np.ndarray, y: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """A positive control: the channel (n, d) with a signal in it that is `share` of its variance, in (0, 1): one random
    direction, along which the two values of y (n,) lie apart."""
    direction = np.random.default_rng([seed, 3]).normal(size=block.shape[1]) * block.std(axis=0)
    signal = np.outer(y - y.mean(), direction)
    size = np.sqrt(share / (1 - share) * block.var(axis=0).sum() / signal.var(axis=0).sum())
    return block + size * signal


def planted_nmi(
    raw: dict[str, np.ndarray], name: str, protocol: Protocol, phase: int, share: float = SHARE, seed: int = 0
) -> tuple[float, float]:
    """NMI of two K-Means clusters with a signal planted into channel `name` (`plant`): on its columns as `protocol`
    scales them, and on the channel alone before that, its columns z-scored where units differ (sound)."""
    y = np.random.default_rng([seed, 4]).permutation(np.arange(len(raw[name])) % 2)
    block = zscore(raw[name]) if name == "audio" else np.asarray(raw[name], dtype=float)
    block = plant(block, y, share, seed)
    X, columns, _ = scale({**raw, name: block}, protocol, phase)
    found = [cluster(space, "kmeans", 2, seed, n_init=3) for space in (X[:, columns[name]], block)]
    one, two = (float(normalized_mutual_info_score(y, labels)) for labels in found)
    return one, two


def scale_guard(raw: dict[str, np.ndarray], protocol: Protocol, phase: int, seed: int = 0) -> list[str]:
    """Sentences about channels whose signal the scaling loses; an empty list where a planted one is found again.

    A null result from an input in which a known signal cannot be found says nothing. Each channel of sound or text gets
    a signal (`planted_nmi`); it is lost where the scaled channel shows less than half of the NMI that the channel shows
    by itself. Constant channels, and those too small to show it, are passed over. Page "Hybrid features"."""
    lost = []
    for name, word in (("audio", "sound"), ("text", "text")):
        if name in raw and len(raw[name]) >= 20 and np.var(raw[name], axis=0).sum() > 0:
            scaled, alone = planted_nmi(raw, name, protocol, phase, seed=seed)
            if alone > 0.2 and scaled < alone / 2:
                lost.append(f"A signal planted into the {word}, {SHARE:.0%} of its variance, is lost by the scaling: "
                            f"two clusters find it with NMI {scaled:.2f}, before the scaling with {alone:.2f}.")
    return lost


def _by_genre(made: ModelInput, tracks: Tracks) -> ModelInput:
    """The input without the blocks that were measured on the tracks, sound and the reader's own lyrics: where these
    tell genres apart, in a small collection even without error, it is no leak."""
    measured = ("audio", "text") if tracks.text is not None else ("audio",)
    return replace(made, blocks={name: block for name, block in made.blocks.items() if name not in measured})


def said(
    made: ModelInput, genres: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> dict[str, leaks.Effect]:  # fmt: skip
    """What each block of the input says of the genre; a constant one is left out. genres (n,); groups (n,) names the
    track of each row: segments of one track share its text and stay in one fold."""
    found = {name: leaks.effect(made.X[:, columns], genres, groups, DRAWS, seed)
             for name, columns in made.blocks.items()}  # fmt: skip
    return {name: effect for name, effect in found.items() if effect is not None}


def leak_guard(effects: dict[str, leaks.Effect]) -> list[str]:
    """Sentences about the blocks of `said` that say too much of the genre; an empty list for a clean input.

    Too much is, beyond chance, `leaks.LEAKY` of the genre or more, or a whole genre named nearly without error. Pages
    "Hybrid features", "Leakage"."""
    found = []
    for name, effect in effects.items():
        if effect.leaky:
            read = effect.read(leaks.SURE)
            which = "all genres" if len(read) == len(effect.named) else ", ".join(read)
            found.append(f"The {WORDS.get(name, name)} says {effect.share:.2f} of the genre (0: chance, 1: all)"
                         + (f" and names {which} nearly without error." if read else "."))  # fmt: skip
    return found


def weights_survive(tracks: Tracks, protocol: str | Protocol, phase: int, seed: int = 0) -> bool:
    """True when halving the first modality's weight changes the fused table that a clusterer sees."""
    protocol = get(protocol) if isinstance(protocol, str) else protocol
    weights = protocol.weights[phase]
    other = replace(protocol, weights={**protocol.weights, phase: (weights[0] / 2, *weights[1:])})
    raw, _ = channels(tracks, protocol, phase, seed)
    return not np.allclose(scale(raw, protocol, phase)[0], scale(raw, other, phase)[0], atol=1e-8)
