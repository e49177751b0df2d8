"""What the pages of the paper's phases say in words about the data at hand.

Each function returns Markdown made from one run, so that a page needs one call a cell. Pages "Audio
baseline", "Hybrid features" and "Advanced VAEs"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import escape, inputs, metrics, phases, protocols, tables
from helpers.inputs import ModelInput
from helpers.lyrics import TEMPLATES
from helpers.phases import Run
from helpers.tables import Difference
from helpers.tracks import Tracks
from helpers.training import Fit
from musicbook.chapters.phases import full_gtzan
from musicbook.corpus import reports
from musicbook.named_values import interval_words

AS_MANY = "VAE + K-Means (PCA, as many dims)"
NAMES = {  # method, or input of a control -> what a sentence calls it
    "VAE + K-Means": "the VAE",
    "PCA + K-Means": "PCA",
    AS_MANY: "PCA with as many dimensions",
    "Agglomerative (Ward)": "Ward",
    "Beta-VAE": "the Beta-VAE",
    "CVAE": "the conditional VAE (CVAE)",
    "AE + K-Means": "the plain autoencoder",
    "Spectral": "spectral clustering of the input",
    "full": "sound with lyrics",
    "lyrics shuffled": "sound with shuffled lyrics",
    "audio alone": "sound alone",
}
NO_GENRES = "These tracks have no genres, so there is no agreement with genre to compare."


def method_words(method: str) -> str:
    """What a sentence calls a method."""
    return NAMES.get(method, method)


def difference_sentence(difference: Difference | None) -> str:
    """Which of two methods agrees better with genre, by how much, and how sure that is."""
    if difference is None:
        return ""
    label = metrics.label_of(difference.metric)
    one, other = method_words(difference.a), method_words(difference.b)
    point, low, high = difference.point, difference.low, difference.high
    if difference.better == difference.b or (difference.better is None and point < 0):
        one, other = other, one
        point, low, high = -point, -high, -low
    if difference.better is not None:
        return (
            f"On these tracks, {one} agrees better with genre than {other}: by {point:.2f} {label} "
            f"(95 % interval {interval_words(low, high)})."
        )
    interval = f"(95 % interval of the difference {interval_words(low, high, sign=True)})"
    if round(point, 2) == 0:
        return (
            f"On these tracks, the {label} of {one} and that of {other} differ by less than 0.01 "
            f"{interval}."
        )
    start = one[0].upper() + one[1:]
    return (
        f"{start} scores {point:.2f} {label} more than {other}. On these tracks, the lead of {one} "
        f"may well be chance {interval}."
    )


def compare_methods(run: Run, a: str, b: str, metric: str = "nmi") -> str:
    """`difference_sentence` of two methods of a run."""
    genres, groups = run.tracks.genres, run.tracks.groups
    return difference_sentence(tables.difference(genres, groups, run.labels, a, b, metric))


def same_on_full_gtzan(run: Run, a: str, b: str) -> str:
    """Whether the published runs of all of GTZAN give the same answer on two methods as this run of
    a part of it; nothing for other tracks."""
    if not run.tracks.name.startswith("gtzan-mini"):
        return ""
    here, full = full_gtzan.differences_here_and_full(run, a, b)
    if here is None or full is None:
        return ""
    if here.better == full.better:
        return "All of GTZAN gives the same answer."
    if full.better is None:
        return "All of GTZAN gives another answer: no clear difference."
    return f"All of GTZAN gives another answer: there, {method_words(full.better)} agrees better."


def level_sentence(beside_full: pd.DataFrame) -> str:
    """What "level" means in the table of `full_gtzan.compare_with_full`; nothing where no cell has
    the word."""
    if not (beside_full == full_gtzan.LEVEL).any(axis=None):
        return ""
    return (
        f"In this table, *{full_gtzan.LEVEL}* means that we see no clear difference: the 95 % "
        "interval of the difference contains zero. With few tracks that happens more often than "
        "with many."
    )


def left_out(run: Run) -> str:
    """The trainings that ran away, or that there were none."""
    return " ".join(run.left_out) or "No training ran away."


# ---- the data ------------------------------------------------------------------------------------


def data_sentence(tracks: Tracks, protocol: str, seeds: int) -> str:
    """How many rows, tracks, labels and numbers there are, and what was noticed in them."""
    whole = tracks.whole()
    rows = f"{whole.n} tracks"
    if whole.n < tracks.n:
        rows = f"{tracks.n} rows, pieces of {whole.n} tracks"
    repeats = "one seed" if seeds == 1 else f"{seeds} seeds"
    genres = f"{len(tracks.genre_names)} genres" if tracks.genres is not None else "no labels"
    lines = [
        f"**{escape.markup(tracks.name)}**: {rows}, {genres}, {tracks.features.shape[1]} features. "
        f"Protocol **{protocol}** ({protocols.get(protocol).title}), {repeats}."
    ]
    report = reports.report_sentences(tracks.provenance)
    lines += [f"- {escape.markup(sentence)}" for sentence in report]
    return "\n".join([lines[0], "", *lines[1:]])


# ---- phase 1 -------------------------------------------------------------------------------------


def audio_answer(run: Run) -> str:
    """Page 1 in two sentences: agreement with genre, then why the silhouettes differ."""
    silhouettes = {
        method: tables.mean_of(run.scores, method, "silhouette")
        for method in ("VAE + K-Means", "PCA + K-Means", AS_MANY)
    }
    vae, pca, as_many = silhouettes.values()
    used = round(full_gtzan.active_dimensions(run.fits)["basic_vae"])
    size = run.fits[min(run.fits)]["basic_vae"].mu.shape[1]
    tighter = "tighter" if vae > pca else "looser"
    second = (
        f"The VAE's clusters look {tighter} than PCA's. But the score of tightness depends on the "
        f"number of dimensions, and the VAE uses only {used} of its {size} (mean over the seeds)."
    )
    if np.isfinite(as_many) and as_many >= vae > pca:
        second = (
            "The VAE's clusters look tighter, but only because it uses "
            f"{used} of its {size} dimensions."
        )
    compared = "VAE + K-Means", "PCA + K-Means"
    first = compare_methods(run, *compared) or NO_GENRES
    return " ".join(filter(None, [first, same_on_full_gtzan(run, *compared), second]))


def same_training(by_hand: Sequence[float], fit: Fit) -> str:
    """Whether the page's own training has the losses of the one in `helpers.training`."""
    theirs = fit.history["loss"][: len(by_hand)]
    gap = float(np.max(np.abs(np.asarray(by_hand) / theirs - 1)))
    verdict = "the same" if gap < 1e-3 else "**not** the same"
    return (
        f"After {len(by_hand)} epochs, the loss of our training by hand is {by_hand[-1]:.2f}. The "
        f"loss of the first training by `helpers.training` is then {theirs[-1]:.2f}. So the two "
        f"are {verdict}."
    )


def dimensions_sentence(run: Run) -> str:
    """PCA with as many dimensions as the VAE uses, against the VAE."""
    fit = run.fits[min(run.fits)]["basic_vae"]
    mean = ""
    if len(run.fits) > 1:
        used = full_gtzan.active_dimensions(run.fits)["basic_vae"]
        mean = f" (over all {len(run.fits)} runs, {used:.1f} on average)"
    first = (
        f"In the first run the VAE uses {len(fit.active)} of its {fit.mu.shape[1]} dimensions"
        f"{mean}."
    )
    vae, as_many = (
        tables.mean_of(run.scores, method, "silhouette") for method in ("VAE + K-Means", AS_MANY)
    )
    tightness = ""
    if as_many >= vae:
        tightness = "When PCA is cut to as many, its clusters look at least as tight. "
    return f"{first} {tightness}{compare_methods(run, AS_MANY, 'VAE + K-Means')}"


# ---- phase 2 -------------------------------------------------------------------------------------


def modalities(tracks: Tracks, made: ModelInput, protocol: str) -> str:
    """The fused input in words: its columns, its text, and what the leak guard says."""
    note = tracks.provenance.get("note")
    ending = f" ({escape.markup(note)})" if note else ""
    survive = "text" in made.blocks and inputs.weights_survive(tracks, protocol, 2)
    return (
        f"**{escape.markup(tracks.name)}**{ending}: {tables.read_columns(made)}. "
        f"{weights_sentence(made, survive, protocols.get(protocol).weights[2])} "
        f"{tables.read_guard(made)}"
    )


def weights_sentence(made: ModelInput, survive: bool, weights: Sequence[float]) -> str:
    """How much of the text a fused input keeps, and whether its `weights` of sound and text change
    what is clustered (`survive`, from `inputs.weights_survive`)."""
    if "text" not in made.blocks:
        return "There are no lyrics for these tracks, so the input is sound alone."
    variance = made.X.var(axis=0)
    share = variance[made.blocks["text"]].sum() / variance.sum()
    kept = ""
    if made.text_variance is not None and made.text_variance < 1:
        kept = (
            "PCA first cuts the text to fewer numbers, which keep "
            f"{made.text_variance:.0%} of its variance. "
        )
    sound, text = weights
    effect = (
        "Under this protocol the weights of sound and text change the input. Under *released* a "
        "later scaling cancels them."
    )
    if not survive:
        effect = (
            "Under this protocol the weights of sound and text change nothing, because a later "
            "scaling cancels them."
        )
    squares = ""
    if survive and abs(share - text**2 / (sound**2 + text**2)) < 0.001:
        squares = (
            " This follows from the weights, since the variance of a block grows with the square "
            f"of its weight: {text:g}² / ({sound:g}² + {text:g}²) = {share:.0%}."
        )
    return (
        f"{kept}The text makes up {share:.0%} of the variance of the whole input.{squares} {effect}"
    )


def planted_table(controls: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    """How well two clusters find a planted signal, {channel: (after, before)}, as a table."""
    rows = {}
    for channel, (after, before) in controls.items():
        rows[inputs.WORDS.get(channel, channel)] = {
            "NMI before the scaling": f"{before:.2f}",
            "NMI after the scaling": f"{after:.2f}",
        }
    return pd.DataFrame(rows).T.rename_axis("Channel with the planted signal")


def dbscan_sentence(run: Run) -> str:
    """How many clusters DBSCAN gives, and how much it leaves out."""
    k = tables.mean_of(run.scores, "DBSCAN", "k")
    noise = tables.mean_of(run.scores, "DBSCAN", "noise_share")
    if not np.isfinite(k):
        return "DBSCAN was not run on these data."
    if k <= 1:
        rest = f"all but {noise:.0%} of them" if noise > 0 else "all of them"
        return f"DBSCAN fails on these tracks: it puts {rest} into a single cluster."
    return f"DBSCAN gives {k:.1f} clusters and leaves {noise:.0%} of the tracks out as noise."


def lyrics_sentence(tracks: Tracks, by_variant: Mapping[str, np.ndarray]) -> str:
    """Whether the lyrics help: against shuffled lyrics, and against none.

    `tracks` has one row a track; `by_variant` labels (n_seeds, n_tracks) by input."""
    if "lyrics shuffled" not in by_variant:
        return "These tracks have no lyrics whose help could be measured."
    sentences = []
    for other in ("audio alone", "lyrics shuffled"):
        one = tables.difference(tracks.genres, tracks.groups, dict(by_variant), "full", other)
        sentences.append(difference_sentence(one))
    return " ".join(filter(None, sentences)) or NO_GENRES


def hybrid_answer(run: Run, by_variant: Mapping[str, np.ndarray]) -> str:
    """Page 2 in two sentences: what lyrics add, and what DBSCAN does."""
    tracks = run.tracks
    first = "These tracks have no lyrics whose help could be measured."
    if "audio alone" in by_variant and "lyrics shuffled" in by_variant:
        first = difference_sentence(
            tables.difference(tracks.genres, tracks.groups, dict(by_variant), "full", "audio alone")
        )
    return f"{first or NO_GENRES} {dbscan_sentence(run)}"


def paper_dbscan() -> str:
    """Where the paper's NMI of DBSCAN comes from: a closed form."""
    paper = tables.paper_tables().query("method == 'DBSCAN' and metric == 'nmi'").value.item()
    genres, each = len(TEMPLATES), len(next(iter(TEMPLATES.values())))
    pure = metrics.equal_pure_clusters(genres, each)
    return (
        f"The paper's DBSCAN has an NMI of {paper:.3f}. One can get that score without any music. "
        f"Split each of {genres} equal genres into {each} groups that hold no other genre. The NMI "
        f"is then {pure:.3f}. The released code writes {each} sentences for each genre, and "
        "[Leakage](05_leakage.ipynb) shows that DBSCAN found those sentences."
    )


# ---- phase 3 -------------------------------------------------------------------------------------


def settings(tracks: Tracks, made: ModelInput, protocol: str) -> str:
    """What goes in, and how long each network is trained."""
    recipes = protocols.get(protocol).recipes
    lengths = []
    for method in phases.methods_of(3):
        if method.space in recipes:
            name = method_words(method.name)
            lengths.append(f"{name} for {recipes[method.space].epochs}")
    return (
        f"**{escape.markup(tracks.name)}**: {tables.read_columns(made)}. {tables.read_guard(made)} "
        f"The networks are trained for these numbers of epochs: {', '.join(lengths)}."
    )


def advanced_answer(run: Run) -> str:
    """Page 3 in two sentences: the Beta-VAE against PCA, and which method leads."""
    compared = "Beta-VAE", "PCA + K-Means"
    sentences = [compare_methods(run, *compared) or NO_GENRES, same_on_full_gtzan(run, *compared)]
    first = " ".join(filter(None, sentences))
    metric = "nmi" if run.tracks.genres is not None else "silhouette_common"
    values = {method: tables.mean_of(run.scores, method, metric) for method in phases.names_of(3)}
    known = {method: value for method, value in values.items() if np.isfinite(value)}
    if not known:
        return first
    best, worst = max(known, key=lambda m: known[m]), min(known, key=lambda m: known[m])
    return (
        f"{first} On the tracks of this page, the method with the highest "
        f"{metrics.label_of(metric)} is {method_words(best)} ({known[best]:.2f}), and the one with "
        f"the lowest is {method_words(worst)} ({known[worst]:.2f})."
    )


def beta_sentence(betas: Sequence[float], fits: Mapping[str, Fit]) -> str:
    """What beta costs: the KL of the Beta-VAE, and the dimensions that it leaves in use."""
    fit = fits.get("beta_vae")
    if fit is None:
        return "The Beta-VAE of this seed ran away."
    return (
        f"Here β is {max(betas):g}. After training the code carries "
        f"{fit.history['kl'][-1]:.1f} nats and uses {len(fit.active)} of {fit.mu.shape[1]} "
        "dimensions."
    )
