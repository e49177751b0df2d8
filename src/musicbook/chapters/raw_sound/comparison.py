"""Sound as the 68 features, as networks of this book, and as pretrained networks hear it, side by
side on the same tracks. Used by the page "Raw sound"."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from sklearn.preprocessing import normalize

from helpers import clustering, inputs, metrics, plots, protocols, tables, training
from helpers.escape import markup
from helpers.tracks import Tracks
from musicbook.chapters.raw_sound import waveforms
from musicbook.chapters.raw_sound.published import WaveformRuns
from musicbook.corpus import pretrained
from musicbook.corpus.pretrained import GENRE_TAGS
from musicbook.corpus.sources import load

FEATURES = "68 features"
MTT = "musicnn, instruments (MTT)"
MSD = "musicnn, genres (MSD)"
NO_GENRE = "MSD's tags, no genre named"
BOTH = "68 features + MSD"
AS_IT_IS, Z_SCORED, LENGTH_ONE = "as it is", "z-scored", "length 1"
SCALINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    AS_IT_IS: np.asarray,
    Z_SCORED: inputs.zscore,
    LENGTH_ONE: normalize,
}
BETA_VAE = "Beta-VAE"
WITH_VAE = (MSD,)  # a Beta-VAE on the 68 features is the subject of "Advanced VAEs"
WAYS = (*SCALINGS, BETA_VAE)

Labels = dict[tuple[str, str], np.ndarray]


def tracks_to_compare(dataset: str) -> tuple[Tracks, str]:
    """The tracks to compare on, and a sentence where these are not `dataset`'s own.

    Whole tracks of GTZAN mini stand in for its segments, and for data without sound, without
    genres, or where the weights cannot be had.
    """
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


def sound_spaces(tracks: Tracks) -> dict[str, np.ndarray]:
    """Every description of the sound of `tracks`, {name: (n, d)}.

    Log-mel statistics and a ConvVAE are only known of GTZAN mini, for which `make results` stored
    them.
    """
    spaces = {FEATURES: tracks.features.to_numpy()}
    if tracks.name == "gtzan-mini-tracks":
        stored = WaveformRuns().arrays
        position = {track: i for i, track in enumerate(stored["tracks"].tolist())}
        order = [position[track] for track in tracks.ids.tolist()]
        for row in waveforms.KEPT_SPACES:
            spaces[row] = stored[f"space/{row}"][order].astype(float)
        tags = pretrained.committed("MSD_tags").loc[tracks.ids]
    else:
        heard, _ = pretrained.embed_files(pretrained.sound_files(tracks), "MSD")
        rows = [heard[track]["tags"] for track in tracks.ids]
        tags = pd.DataFrame(rows, columns=pretrained.tag_names("MSD"))
    spaces[MTT] = pretrained.embedded(tracks, "musicnn-mtt").features.to_numpy()
    spaces[MSD] = pretrained.embedded(tracks, "musicnn").features.to_numpy()
    plain = [tag for tag in tags if tag not in GENRE_TAGS]
    spaces[NO_GENRE] = tags[plain].to_numpy(dtype=float)
    blocks = {"audio": spaces[FEATURES], "MSD": normalize(spaces[MSD])}
    spaces[BOTH], *_ = inputs.fuse(blocks, {"audio": 0.5, "MSD": 0.5}, "blocks")
    return spaces


def cluster_spaces_by_scaling(
    spaces: Mapping[str, np.ndarray], n_clusters: int, seeds: int
) -> Labels:
    """K-Means of every space in every scaling, and on the latent means of the controlled protocol's
    Beta-VAE for WITH_VAE: {(space, way): labels (seeds, n)}."""
    labels: Labels = {}
    for name, X in spaces.items():
        for way, scale in SCALINGS.items():
            runs = [
                clustering.cluster(scale(X), "kmeans", n_clusters, seed) for seed in range(seeds)
            ]
            labels[name, way] = np.stack(runs)
        if name in WITH_VAE:
            runs = _cluster_latents(X, n_clusters, seeds)
            if runs:
                labels[name, BETA_VAE] = np.stack(runs)
    return labels


def _cluster_latents(X: np.ndarray, n_clusters: int, seeds: int) -> list[np.ndarray]:
    """K-Means on the means of a Beta-VAE trained on the z-scored space; a training that ran away is
    left out."""
    recipe = protocols.get("controlled").recipes["beta_vae"]
    jobs = [(inputs.zscore(X), recipe, seed) for seed in range(seeds)]
    runs = []
    for seed, fit in enumerate(training.fit_many(jobs)):
        if not isinstance(fit, training.Diverged):
            runs.append(clustering.cluster(fit.mu, "kmeans", n_clusters, seed))
    return runs


def score_spaces(labels: Labels, tracks: Tracks) -> pd.DataFrame:
    """One line for each (space, way): nmi, the mean over seeds, and nmi_low and nmi_high, its 95 %
    interval over tracks and seeds."""
    lines = {}
    for key, runs in labels.items():
        samples = metrics.resampled(tracks.genre_codes, runs, tracks.groups, "nmi")
        mean, low, high = metrics.interval([samples])
        lines[key] = {"nmi": mean, "nmi_low": low, "nmi_high": high}
    return pd.DataFrame(lines).T.rename_axis(["space", "way"])


def space_table(scores: pd.DataFrame) -> pd.DataFrame:
    """`score_spaces` to read, spaces by ways: NMI with its 95 % interval."""
    spaces = list(dict.fromkeys(scores.index.get_level_values("space")))
    rows = {}
    for space in spaces:
        rows[space] = {
            way: tables.with_interval(*scores.loc[(space, way)])
            for way in WAYS
            if (space, way) in scores.index
        }
    return pd.DataFrame(rows).T.reindex(columns=list(WAYS)).fillna("").rename_axis("Space")


def space_figure(scores: pd.DataFrame, chance: float) -> Figure:
    """NMI of `score_spaces`, one line for each space, a colour and mark for each way, whiskers the
    95 % interval; the dashed line is chance."""
    spaces = list(dict.fromkeys(scores.index.get_level_values("space")))
    figure, axis = plt.subplots(figsize=(plots.WIDTH, 0.43 * len(spaces) + 0.8))
    for number, way in enumerate(WAYS):
        part = scores[scores.index.get_level_values("way") == way]
        heights = [spaces.index(space) + 0.2 * (number - 1.5) for space, _ in part.index]
        axis.hlines(heights, part.nmi_low, part.nmi_high, color=plots.COLOURS[number], lw=1.2)
        axis.plot(
            part.nmi, heights, plots.MARKERS[number], color=plots.COLOURS[number], ms=5, label=way
        )
    axis.axvline(chance, color="#555555", lw=1, ls="--")
    axis.set_yticks(range(len(spaces)), spaces)
    axis.invert_yaxis()
    axis.set(xlabel="NMI with genre (dashed: chance)", xlim=(0, 1))
    axis.legend(
        loc="upper center",
        bbox_to_anchor=(0.4, -0.16),
        ncols=4,
        frameon=False,
        fontsize=9,
        handletextpad=0.2,
    )
    plt.close(figure)
    return figure


QUESTIONS = {  # question -> (space, way), the other (space, way)
    "Is MSD better than the 68 features?": ((MSD, LENGTH_ONE), (FEATURES, Z_SCORED)),
    "Is MTT better than the 68 features?": ((MTT, LENGTH_ONE), (FEATURES, Z_SCORED)),
    "Is MSD better than MTT?": ((MSD, LENGTH_ONE), (MTT, LENGTH_ONE)),
    "Are MSD's tags that name no genre better than the 68 features?": (
        (NO_GENRE, LENGTH_ONE),
        (FEATURES, Z_SCORED),
    ),
    "Do the 68 features add to MSD?": ((BOTH, AS_IT_IS), (MSD, LENGTH_ONE)),
    "Does a Beta-VAE on top of MSD help?": ((MSD, BETA_VAE), (MSD, LENGTH_ONE)),
}
ANSWERS = {"higher": "yes", "lower": "no, worse", "level": "no detectable difference"}


def space_answers(labels: Labels, tracks: Tracks) -> pd.DataFrame:
    """QUESTIONS with their answers: the difference in NMI on the same tracks, its 95 % interval,
    and what that says."""
    lines = {}
    for question, (one, other) in QUESTIONS.items():
        if one in labels and other in labels:
            value, low, high = metrics.paired_bootstrap(
                tracks.genre_codes, labels[one], labels[other], "nmi", tracks.groups
            )
            lines[question] = {
                "answer": ANSWERS[metrics.difference_sign(low, high)],
                "difference in NMI": tables.with_interval(value, low, high, sign="+"),
            }
    return pd.DataFrame(lines).T.rename_axis("Question")


def raw_sound_answer(scores: pd.DataFrame, tracks: Tracks) -> str:
    """The two sentences at the top of the page."""
    features = scores.nmi[FEATURES, Z_SCORED]
    genres, instruments = scores.nmi[MSD, LENGTH_ONE], scores.nmi[MTT, LENGTH_ONE]
    text = (
        "Use a network that others trained. We let *musicnn*, which was trained on genre tags, "
        f"describe {tracks.n} tracks by numbers. Groups of these numbers agree with genre at NMI "
        f"{genres:.2f} (1 is perfect). A second version, with the same architecture but "
        f"trained mostly on tags of instruments, reaches {instruments:.2f}. The book's own "
        f"features reach {features:.2f}."
    )
    if (waveforms.MEL, Z_SCORED) in scores.index:
        own = scores.nmi[waveforms.MEL, AS_IT_IS]
        text += f" A network that we trained on the raw sound of these tracks reaches {own:.2f}."
    return text


def averages_sentence(scores: pd.DataFrame, runs: WaveformRuns) -> str:
    """Why the stored grid scores the 68 features and the network otherwise than `score_spaces`
    does; nothing for tracks that the grid does not know."""
    if (waveforms.MEL, AS_IT_IS) not in scores.index:
        return ""
    features, network = (
        runs.interval(row, "nmi")[0] for row in (waveforms.FEATURES, waveforms.MEL)
    )
    return (
        "Why do these scores differ a little from those at the top of the page? Here every track "
        "is described by the average over its pieces of three seconds. At the top, the 68 features "
        f"are those of the whole track. Their NMI is {scores.nmi[FEATURES, Z_SCORED]:.3f} for the "
        f"whole track, and {features:.3f} for the averages. For the network to log-mel, the top of "
        "the page takes only the first trained network (NMI "
        f"{scores.nmi[waveforms.MEL, AS_IT_IS]:.3f}). Here the score is the mean over all of them "
        f"({network:.3f})."
    )


def strongest_tags() -> pd.DataFrame:
    """The three tags that MSD finds strongest in each genre of gtzan-mini, with their mean
    probability."""
    tags = pretrained.committed("MSD_tags")
    genres = [name.split(".")[0] for name in tags.index]
    rows = {}
    for genre, means in tags.groupby(genres).mean().iterrows():
        top = means.nlargest(3)
        rows[genre] = [f"{tag} {probability:.2f}" for tag, probability in top.items()]
    columns = ["first", "second", "third"]
    return pd.DataFrame(rows, index=columns).T.rename_axis("Genre")


def tags_sentence(strongest: pd.DataFrame) -> str:
    """How many tags of `strongest_tags` name any genre or style, and in which rows one of them is
    the row's own genre."""
    tags = strongest.map(lambda cell: cell.rsplit(" ", 1)[0])
    styles = int(tags.isin(GENRE_TAGS).to_numpy().sum())
    spelled = tags.map(_spelled)
    named = [spelled.loc[genre].eq(_spelled(str(genre))).any() for genre in spelled.index]
    known = set(map(_spelled, pretrained.committed("MSD_tags").columns))
    sentence = (
        f"{styles} of the {tags.size} tags name a genre or a style, because the network was "
        f"trained on such tags. In {sum(named)} of the {len(named)} rows, one of the three names "
        "the genre of the row itself."
    )
    unknown = [str(genre) for genre in spelled.index if _spelled(str(genre)) not in known]
    if unknown:
        sentence += f" The network has no tag for: {', '.join(unknown)}."
    return sentence


def _spelled(name: str) -> str:
    """A tag or genre for comparison: "Hip-Hop" and "hiphop" are one."""
    return name.lower().replace("-", "").replace(" ", "")
