"""Sound as the 68 features, as networks of this book, and as pretrained networks hear it, side by side.

One table on the tracks of a data set: each space as it is, z-scored, with rows of length 1, and through the Beta-VAE.
Used by page "Pretrained sound"."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.preprocessing import normalize

from .. import clustering, inputs, metrics, plots, protocols, tables, training
from ..corpus import pretrained
from ..corpus.pretrained import GENRE_TAGS
from ..datasets import Tracks, load
from ..escape import markup
from . import waveforms

FEATURES, MTT, MSD, NO_GENRE, BOTH = "68 features", "MTT", "MSD", "MSD tags, no genre named", "68 + MSD"
WAYS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "as it is": np.asarray, "z-scored": inputs.zscore, "length 1": normalize,
}  # fmt: skip
BETA_VAE = "Beta-VAE"


Labels = dict[tuple[str, str], np.ndarray]


def tracks_of(dataset: str) -> tuple[Tracks, str]:
    """The tracks to compare on, and a sentence where these are not `dataset`'s own: whole tracks of GTZAN mini for its
    segments, and in place of data without sound, without genres, or where the weights cannot be had."""
    if dataset.startswith("gtzan-mini"):
        return load("gtzan-mini-tracks"), ""
    tracks = load(dataset)
    try:
        if tracks.genres is None:
            raise ValueError(f"{tracks.name} has no genres to compare by")
        heard = pretrained.embedded(tracks, "musicnn")
        return tracks.rows(np.isin(tracks.ids, heard.ids)), ""
    except (ValueError, OSError) as error:
        return load("gtzan-mini-tracks"), f"Shown on gtzan-mini instead: {markup(error)}."


def spaces(tracks: Tracks) -> dict[str, np.ndarray]:
    """Every space, {name: (n, d)}, of tracks from `tracks_of`; log-mel statistics and a ConvVAE only of GTZAN mini, for
    which `make results` stored them."""
    found = {FEATURES: tracks.features.to_numpy()}
    if tracks.name == "gtzan-mini-tracks":
        made = waveforms.Stored().arrays
        order = [made["tracks"].tolist().index(track) for track in tracks.ids]
        found |= {row: made[f"space/{row}"][order].astype(float) for row in (waveforms.LOG_MEL, waveforms.MEL)}
        tags = pretrained.stored("MSD_tags").loc[tracks.ids]
    else:
        heard, _ = pretrained.embed(pretrained.sound_files(tracks), "MSD")
        tags = pd.DataFrame([heard[track]["tags"] for track in tracks.ids], columns=pretrained.tag_names("MSD"))
    found[MTT], found[MSD] = (pretrained.embedded(tracks, name).features.to_numpy()
                              for name in ("musicnn-mtt", "musicnn"))  # fmt: skip
    found[NO_GENRE] = tags[[tag for tag in tags if tag not in GENRE_TAGS]].to_numpy(dtype=float)
    both = {"audio": found[FEATURES], "MSD": normalize(found[MSD])}
    return found | {BOTH: inputs.fuse(both, {"audio": 0.5, "MSD": 0.5}, "blocks")[0]}


def cluster(found: Mapping[str, np.ndarray], n_clusters: int, seeds: int) -> Labels:
    """K-Means of every space in every way, and on the means of the controlled protocol's Beta-VAE trained on the
    z-scored space: {(space, way): labels (seeds, n)}. A training that ran away is left out."""
    recipe = protocols.get("controlled").recipes["beta_vae"]
    fits = iter(training.fit_many([(inputs.zscore(X), recipe, seed) for X in found.values() for seed in range(seeds)]))
    labels: Labels = {}
    for name, X in found.items():
        for way, scale in WAYS.items():
            made = [clustering.cluster(scale(X), "kmeans", n_clusters, seed) for seed in range(seeds)]
            labels[name, way] = np.stack(made)
        trained = [(seed, next(fits)) for seed in range(seeds)]
        made = [clustering.cluster(fit.mu, "kmeans", n_clusters, seed) for seed, fit in trained
                if not isinstance(fit, training.Diverged)]  # fmt: skip
        if made:
            labels[name, BETA_VAE] = np.stack(made)
    return labels


def scores(labels: Labels, tracks: Tracks) -> pd.DataFrame:
    """One line a space and way: NMI, AMI and ARI, means over the seeds, each with its 95 % interval over tracks and
    seeds."""
    genres, lines = tracks.genre_codes, {}
    for key, made in labels.items():
        line = dict[str, float]()
        for metric in ("nmi", "ami", "ari"):
            mean, low, high = metrics.interval([metrics.resampled(genres, made, tracks.groups, metric)])
            line |= {metric: mean, f"{metric}_low": low, f"{metric}_high": high}
        lines[key] = line
    return pd.DataFrame(lines).T.rename_axis(["space", "way"])


def shown(table: pd.DataFrame, metric: str) -> pd.DataFrame:
    """`scores` of one metric as a table to read, spaces by ways: mean and interval."""
    cells = {key: tables.with_interval(row[metric], row[f"{metric}_low"], row[f"{metric}_high"])
             for key, row in table.iterrows()}  # fmt: skip
    found = pd.Series(cells).unstack()
    order = [way for way in (*WAYS, BETA_VAE) if way in found]
    return found.loc[list(dict.fromkeys(table.index.get_level_values(0))), order].rename_axis("Space")


def difference(labels: Labels, one: tuple[str, str], other: tuple[str, str], tracks: Tracks) -> str:
    """What `one` scores above `other` in NMI on the same tracks, as words: the difference, its 95 % interval, and what
    that says."""
    found = metrics.paired_bootstrap(tracks.genre_codes, labels[one], labels[other], "nmi", tracks.groups)
    return f"{tables.with_interval(*found, sign='+')}, {metrics.told(*found[1:])}"


def figure(table: pd.DataFrame) -> Figure:
    """NMI of `scores`: one line a space, one colour and mark a way, with its interval."""
    names = list(dict.fromkeys(table.index.get_level_values(0)))
    drawn, axis = plt.subplots(figsize=(plots.WIDTH, 0.62 * len(names) + 0.9))
    colours = list(plots.GENRE_PALETTE.values())
    for i, way in enumerate((*WAYS, BETA_VAE)):
        rows = [(n, table.loc[(name, way)]) for n, name in enumerate(names) if (name, way) in table.index]
        y = [n + 0.18 * (i - 1.5) for n, _ in rows]
        axis.hlines(y, [row.nmi_low for _, row in rows], [row.nmi_high for _, row in rows], color=colours[i], lw=1.2)
        axis.plot([row.nmi for _, row in rows], y, plots.MARKERS[i], color=colours[i], ms=5, label=way)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel="NMI with genre", xlim=(0, 1))
    axis.legend(loc="upper center", bbox_to_anchor=(0.4, -0.12), ncols=4, frameon=False, fontsize=9, handletextpad=0.2)
    plt.close(drawn)
    return drawn


def read(labels: Labels, tracks: Tracks) -> str:
    """The differences that the page asks for, as a Markdown list."""
    questions = {
        "MSD above the 68 features (length 1 against z-scored)": ((MSD, "length 1"), (FEATURES, "z-scored")),
        "MTT above the 68 features": ((MTT, "length 1"), (FEATURES, "z-scored")),
        "MSD above MTT": ((MSD, "length 1"), (MTT, "length 1")),
        "MSD's tags without those that name genres, above the 68 features":
            ((NO_GENRE, "length 1"), (FEATURES, "z-scored")),
        "the 68 features added to MSD": ((BOTH, "as it is"), (MSD, "length 1")),
        "a Beta-VAE on top of MSD, against rows of length 1": ((MSD, BETA_VAE), (MSD, "length 1")),
        "a Beta-VAE on top of the 68 features, against z-scores": ((FEATURES, BETA_VAE), (FEATURES, "z-scored")),
    }  # fmt: skip
    return "\n".join(f"- {said}: {difference(labels, one, other, tracks)}." for said, (one, other) in questions.items()
                     if one in labels and other in labels)  # fmt: skip


def answer(table: pd.DataFrame, tracks: Tracks) -> str:
    """Two sentences for the top of the page."""
    said = {key: tables.with_interval(*(table.loc[key, part] for part in ("nmi", "nmi_low", "nmi_high")))
            for key in ((FEATURES, "z-scored"), (MTT, "length 1"), (MSD, "length 1"))}  # fmt: skip
    helps = ""
    if (MSD, BETA_VAE) in table.index:
        vae, plain = table.loc[(MSD, BETA_VAE), "nmi"], table.loc[(MSD, "length 1"), "nmi"]
        helps = (f" A Beta-VAE on top of MSD {'lowers' if vae < plain else 'raises'} its score to {vae:.3f}.")
    return (f"On the {tracks.n} tracks of **{markup(tracks.name)}**, K-Means agrees with genre to NMI "
            f"{said[FEATURES, 'z-scored']} on the 68 features, {said[MTT, 'length 1']} on a network trained on tags of "
            f"instruments and voices (MTT), and {said[MSD, 'length 1']} on one trained on tags that name most of the "
            f"genres (MSD).{helps}")  # fmt: skip
