"""From features and lyrics to the table a model sees, and guards on that table.

`prepare` makes the input of one phase under one protocol, or one of its control variants.
`leak_guard` looks for blocks that say too much of the label, `scale_guard` for a channel whose
signal the scaling loses, `weights_survive` for a modality weight that changes nothing. Pages
"Hybrid features", "Leakage"."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score
from sklearn.preprocessing import StandardScaler

from helpers import lyrics
from helpers.clustering import cluster
from helpers.protocols import Protocol, get
from helpers.shown import short_repr
from helpers.tracks import Tracks
from leakaudit import leaks

Blocks = Mapping[str, np.ndarray]  # name of a channel -> its rows (n, d_i)
Columns = dict[str, slice]  # name of a channel -> its columns in the fused table

SCALINGS = ("columns", "blocks", "restandardised")
DRAWS = 19  # permutations of the leak guard, which looks at every input of every run
WORDS = {"audio": "sound", "text": "text", "label": "one-hot genre"}
SHARE = 0.3  # of a channel's variance: what the scale guard plants into it
SEEN = 0.2  # NMI: a planted signal that two clusters find less well than this is not seen at all
FEWEST = 20  # rows that the scale guard needs to plant a signal
LABEL_WEIGHT = 0.2  # of a one-hot genre, where a protocol does not say
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
KEPT = {  # the channels of the variants that leave some out
    "audio alone": ("audio",),
    "lyrics alone": ("text",),
    "one-hot alone": ("label",),
    "one-hot removed": ("audio", "text"),
    "real lyrics, no one-hot": ("audio", "text"),
}


@dataclass(frozen=True)
class ModelInput:
    """What a model sees.

    `X` is (n, d); `blocks` maps "audio", "text", "label" to their columns; `c` are (n,) genre
    codes, None without genres. `leaks` has one sentence per leak that was seen (empty: clean),
    `lost` one per channel whose signal the scaling loses. `lyrics_report` says where each genre's
    texts came from, None where none were drawn. `text_variance` is the share of the text's variance
    that its columns keep, None without text. `judged` says how much of the genre each block that
    the leak guard looked at gives away, in [0, 1]; None where the guard did not run."""

    X: np.ndarray
    blocks: Columns
    c: np.ndarray | None
    leaks: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    lyrics_report: pd.DataFrame | None = None
    text_variance: float | None = None
    judged: dict[str, float] | None = None

    __repr__ = short_repr

    @property
    def leaky(self) -> bool:
        return bool(self.leaks)


# ---- scaling and fusion --------------------------------------------------------------------------


def zscore(X: np.ndarray) -> np.ndarray:
    """Columns of X (n, d) with mean 0 and standard deviation 1; a constant column becomes 0."""
    return StandardScaler().fit_transform(np.asarray(X, dtype=float))


def reduce_text(
    V: np.ndarray, n_components: int | float | None, seed: int = 0
) -> tuple[np.ndarray, float]:
    """Principal components of the text vectors V (n, 384) and the share of variance they keep.

    `n_components` is a number of components (at most the smaller side of V), a share of variance to
    keep (0.95), or None for no reduction."""
    if n_components is None:
        return V, 1.0
    if n_components >= 1:
        n_components = int(min(n_components, *V.shape))
    pca = PCA(n_components, svd_solver="full", random_state=seed)
    components = pca.fit_transform(np.asarray(V, dtype=float))
    return components, float(pca.explained_variance_ratio_.sum())


def fuse(
    blocks: Blocks,
    weights: Mapping[str, float],
    scaling: str = "columns",
    mixed_units: Collection[str] = ("audio",),
) -> tuple[np.ndarray, Columns]:
    """The blocks (n, d_i), scaled and each times its weight, side by side: (n, sum d_i), and the
    columns of each block, in the order of `blocks`.

    - "columns" z-scores every column. A block then counts by how many columns it has, and a faint
      principal component counts as much as the first one.
    - "blocks" gives every block the same total variance, so that the weights alone decide between
      blocks. Columns keep their proportions, except in the blocks named in `mixed_units`, whose
      columns have different units and are z-scored first. By default that is the block called
      "audio", and no other.
    - "restandardised" is "columns", then every column of the result is z-scored again, as the
      released code does. The weights cancel.

    Under the first two, one factor common to all columns brings the mean variance of a column to 1.
    So only the ratio of the weights matters, never their size. A weight of 0 leaves a block's
    columns in place, all zero; a constant column is zero as well. Raises ValueError for an unknown
    scaling, a missing or negative weight, or blocks of different length. Page "Hybrid features"."""
    if scaling not in SCALINGS:
        raise ValueError(f"There is no scaling {scaling!r}; choose one of {', '.join(SCALINGS)}.")
    lengths = {name: len(block) for name, block in blocks.items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"The blocks have different numbers of rows: {lengths}.")
    parts, columns, start = [], {}, 0
    for name, block in blocks.items():
        if weights.get(name, -1.0) < 0:
            raise ValueError(
                f"Block {name!r} needs a weight of at least 0; the weights given are {weights}."
            )
        if scaling == "blocks":
            part = _unit_block(block, name in mixed_units)
        else:
            part = zscore(block)
        parts.append(part * weights[name])
        columns[name] = slice(start, start + block.shape[1])
        start += block.shape[1]
    X = np.hstack(parts)
    if scaling == "restandardised":
        return zscore(X), columns
    variance = X.var(axis=0).mean()
    if variance > 0:
        X = X / np.sqrt(variance)
    return X, columns


def _unit_block(block: np.ndarray, mixed_units: bool) -> np.ndarray:
    """A block with a total variance of 1; zeros where it is constant."""
    part = zscore(block) if mixed_units else block - block.mean(axis=0)
    return part / np.sqrt(part.var(axis=0).sum()) if part.any() else part


def scale(raw: Blocks, protocol: Protocol, phase: int) -> tuple[np.ndarray, Columns, float | None]:
    """Raw channels (n, d_i) as `protocol` feeds them in `phase`: text reduced, scaled, weighted and
    side by side (n, d), the columns of each, and the share of variance that the text keeps (None
    without text).

    A channel that stands alone has the weight 1. A one-hot genre has the protocol's third weight,
    and LABEL_WEIGHT where the protocol gives it none."""
    blocks, kept = dict(raw), None
    if "text" in blocks:
        blocks["text"], kept = reduce_text(blocks["text"], protocol.text_pca)
    if len(blocks) == 1:
        weights = dict.fromkeys(blocks, 1.0)
    else:
        given = protocol.weights.get(phase, (1.0,))
        weights = {"label": LABEL_WEIGHT}
        weights |= dict(zip(("audio", "text", "label"), given, strict=False))
    X, columns = fuse(blocks, weights, protocol.scaling)
    return X, columns, kept


# ---- channels ------------------------------------------------------------------------------------


def _text(tracks: Tracks, channel: str, seed: int) -> tuple[np.ndarray | None, pd.DataFrame | None]:
    """Text vectors (n, 384) of a channel and the report on their source; None where the data set
    has no texts to match."""
    if channel == "matched":
        if tracks.text is not None:  # the user's own lyrics, track by track
            return tracks.text.to_numpy(dtype=np.float32), None
        if tracks.genres is None or not set(tracks.genres) <= set(lyrics.TEMPLATES):
            return None, None
        return lyrics.matched(tracks.genres, seed, groups=tracks.track_ids)
    if tracks.genres is None:
        raise ValueError(
            f"{tracks.name!r} has no genres, from which text channel {channel!r} is made; use "
            "'controlled'."
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
    """The raw channels of an input, before any scaling, {"audio", "text", "label": (n, d_i)}, and
    the report on the lyrics that were drawn.

    Where a data set has no texts, the channel "text" is missing. Raises ValueError for a variant
    that the data set cannot have."""
    blocks, report = {"audio": tracks.features.to_numpy(dtype=float)}, None
    if phase > 1:
        channel = "matched" if variant.startswith("real lyrics") else protocol.text[phase]
        text, report = _text(tracks, channel, seed)
        if text is None and "lyrics" in variant:
            raise ValueError(
                f"{tracks.name!r} has no lyrics and no genre to match them by; variant "
                f"{variant!r} needs them."
            )
        if text is not None and variant == "lyrics shuffled":
            text = _shuffle(text, tracks.track_ids, seed)
        if text is not None:
            blocks["text"] = text
    if (phase == 3 and protocol.label_in_input) or variant == "one-hot alone":
        if tracks.genres is None:
            raise ValueError(
                f"{tracks.name!r} has no genres, which {protocol.name!r} puts into the input; use "
                "'controlled'."
            )
        blocks["label"] = np.eye(len(tracks.genre_names))[tracks.genre_codes]
    keep = KEPT.get(variant, tuple(blocks))
    return {name: block for name, block in blocks.items() if name in keep}, report


def prepare(
    tracks: Tracks,
    protocol: str | Protocol,
    phase: int,
    seed: int = 0,
    variant: str = "full",
    guard: bool = True,
) -> ModelInput:
    """The input table of `phase` (1, 2 or 3) under `protocol`, or a control `variant` of it (see
    VARIANTS).

    `seed` draws texts and text noise. `guard` runs the leak guard over what was chosen by genre,
    and the scale guard over every channel; under a strict protocol a guard that fails raises
    ValueError, elsewhere its sentence is recorded in `ModelInput.leaks` or `ModelInput.lost`.
    ValueError also for an unknown phase, protocol or variant."""
    protocol = get(protocol) if isinstance(protocol, str) else protocol
    if phase not in (1, 2, 3):
        raise ValueError(
            f"There is no phase {phase!r}; choose 1 (audio), 2 (hybrid) or 3 (advanced)."
        )
    if variant not in VARIANTS:
        raise ValueError(f"There is no variant {variant!r}; choose one of {', '.join(VARIANTS)}.")
    raw, report = channels(tracks, protocol, phase, seed, variant)
    X, columns, kept = scale(raw, protocol, phase)
    codes = None if tracks.genres is None else tracks.genre_codes
    made = ModelInput(X, columns, codes, lyrics_report=report, text_variance=kept)
    if not guard:
        return made
    if phase > 1:
        made = replace(made, lost=tuple(scale_guard(raw, protocol, phase)))
    if tracks.genres is not None:
        effects = label_effects(_by_genre(made, tracks), tracks.genres, tracks.groups)
        shares = {name: effect.share for name, effect in effects.items()}
        made = replace(made, leaks=tuple(leak_guard(effects)), judged=shares)
    failures = made.leaks + made.lost
    if protocol.strict and variant != "one-hot alone" and failures:
        raise ValueError(f"The guards refuse the input of phase {phase}: {failures[0]}")
    return made


# ---- the leak guard ------------------------------------------------------------------------------


def _by_genre(made: ModelInput, tracks: Tracks) -> ModelInput:
    """The input without the blocks that were measured on the tracks, sound and the reader's own
    lyrics: where these tell genres apart, in a small collection even without error, it is no
    leak."""
    measured = ("audio",) if tracks.text is None else ("audio", "text")
    judged = {name: block for name, block in made.blocks.items() if name not in measured}
    return replace(made, blocks=judged)


def label_effects(
    made: ModelInput, genres: np.ndarray, groups: np.ndarray | None = None, seed: int = 0
) -> dict[str, leaks.Effect]:
    """What each block of the input says of the genre; a constant one is left out.

    genres (n,); groups (n,) names the track of each row: pieces of one track share its text and
    stay in one fold."""
    effects = {}
    for name, columns in made.blocks.items():
        effect = leaks.effect(made.X[:, columns], genres, groups, DRAWS, seed)
        if effect is not None:
            effects[name] = effect
    return effects


def probe_words(channel: str, share: float) -> str:
    """A sentence on how well a simple classifier reads the genre from a channel, `share` in
    [0, 1]."""
    return (
        f"A simple classifier names the genre from the {channel} with a score of {share:.2f} "
        "(0 is guessing, 1 is always right)."
    )


def leak_guard(effects: Mapping[str, leaks.Effect]) -> list[str]:
    """Sentences about the blocks of `label_effects` that say too much of the genre; an empty list
    for a clean input.

    Too much is, beyond chance, `leaks.LEAKY` of the genre or more, or a whole genre named nearly
    without error. Pages "Hybrid features", "Leakage"."""
    sentences = []
    for name, effect in effects.items():
        if not effect.leaky:
            continue
        named = effect.read(leaks.SURE)
        which = "all genres" if len(named) == len(effect.named) else ", ".join(named)
        ending = f" It names {which} nearly without error." if named else ""
        sentences.append(f"{probe_words(WORDS.get(name, name), effect.share)}{ending}")
    return sentences


# ---- the scale guard -----------------------------------------------------------------------------


@dataclass(frozen=True)
class ScaleCheck:
    """Whether a signal planted into one `channel` survives the scaling: NMI of two clusters with
    it, on the channel alone (`before`) and on the channel's columns of the fused table
    (`after`)."""

    channel: str
    before: float
    after: float

    @property
    def lost(self) -> bool:
        """Whether the scaled channel shows less than half of what the channel shows by itself."""
        return self.before > SEEN and self.after < self.before / 2

    def sentence(self) -> str:
        """What is lost, in words."""
        return (
            f"A signal planted into the {WORDS.get(self.channel, self.channel)}, "
            f"{SHARE:.0%} of its "
            f"variance, is lost by the scaling: two clusters find it with NMI {self.after:.2f}, "
            f"before the scaling with {self.before:.2f}."
        )


def plant(block: np.ndarray, y: np.ndarray, share: float, seed: int = 0) -> np.ndarray:
    """A positive control: the channel (n, d) with a signal in it that is `share` of its variance,
    in (0, 1): one random direction, along which the two values of y (n,) lie apart."""
    direction = np.random.default_rng([seed, 3]).normal(size=block.shape[1]) * block.std(axis=0)
    signal = np.outer(y - y.mean(), direction)
    size = np.sqrt(share / (1 - share) * block.var(axis=0).sum() / signal.var(axis=0).sum())
    return block + size * signal


def check_scaling(
    raw: Blocks,
    channel: str,
    fused: Callable[[dict[str, np.ndarray]], tuple[np.ndarray, Columns]],
    share: float = SHARE,
    seed: int = 0,
    mixed_units: Collection[str] = ("audio",),
) -> ScaleCheck:
    """Plant a signal into one channel and look for it again after any scaling.

    `fused` turns raw channels {name: (n, d_i)} into the table (n, d) that is clustered, and the
    columns of each channel. The channels in `mixed_units` are z-scored first, since their columns
    have different units. A null result may be quoted only from a scaling that passes."""
    y = np.random.default_rng([seed, 4]).permutation(np.arange(len(raw[channel])) % 2)
    block = np.asarray(raw[channel], dtype=float)
    if channel in mixed_units:
        block = zscore(block)
    planted = plant(block, y, share, seed)
    X, columns = fused({**raw, channel: planted})
    after = _nmi_of_two_clusters(X[:, columns[channel]], y, seed)
    return ScaleCheck(channel, _nmi_of_two_clusters(planted, y, seed), after)


def _nmi_of_two_clusters(X: np.ndarray, y: np.ndarray, seed: int) -> float:
    return float(normalized_mutual_info_score(y, cluster(X, "kmeans", 2, seed, n_init=3)))


def planted_nmi(
    raw: Blocks,
    name: str,
    protocol: Protocol,
    phase: int,
    share: float = SHARE,
    seed: int = 0,
) -> tuple[float, float]:
    """NMI of two K-Means clusters with a signal planted into channel `name`, as `protocol` scales
    it, and before that (`check_scaling`). Page "Hybrid features"."""
    check = check_scaling(raw, name, lambda blocks: scale(blocks, protocol, phase)[:2], share, seed)
    return check.after, check.before


def scale_guard(raw: Blocks, protocol: Protocol, phase: int, seed: int = 0) -> list[str]:
    """Sentences about channels whose signal the scaling of `protocol` loses; an empty list where a
    planted one is seen again.

    A null result from an input in which a known signal cannot be seen says nothing. Constant
    channels, and tables too small to show it, are passed over. Page "Hybrid features"."""
    sentences = []
    for channel, block in raw.items():
        varies = np.var(block, axis=0).sum() > 0
        if channel == "label" or len(block) < FEWEST or not varies:
            continue
        check = check_scaling(
            raw, channel, lambda blocks: scale(blocks, protocol, phase)[:2], SHARE, seed
        )
        if check.lost:
            sentences.append(check.sentence())
    return sentences


def weights_survive(tracks: Tracks, protocol: str | Protocol, phase: int, seed: int = 0) -> bool:
    """True when halving the first modality's weight changes the fused table that a clusterer
    sees."""
    protocol = get(protocol) if isinstance(protocol, str) else protocol
    weights = protocol.weights[phase]
    other = replace(protocol, weights={**protocol.weights, phase: (weights[0] / 2, *weights[1:])})
    raw, _ = channels(tracks, protocol, phase, seed)
    one, two = scale(raw, protocol, phase)[0], scale(raw, other, phase)[0]
    return not np.allclose(one, two, atol=1e-8)
