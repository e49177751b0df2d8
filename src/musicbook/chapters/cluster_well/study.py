"""The measured differences behind the decision chart of the page "How to cluster music well".

An arrow of the chart is one comparison: this way against that one, on the same tracks, with as many
clusters as there are genres. The difference is in NMI, and its interval comes from drawing artists
with all their tracks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.preprocessing import normalize

from helpers import inputs, metrics
from helpers.shown import short_repr_of
from helpers.tracks import Tracks
from musicbook import stored_runs
from musicbook.chapters.cluster_well import ranking
from musicbook.corpus import pretrained, sources

NAMES = {
    "gtzan": "GTZAN, 999 tracks",
    "gtzan-mini": "gtzan-mini, 100 tracks",
    "paired": "songs of the Million Song Dataset",
}


@dataclass(frozen=True)
class Arrow:
    """One comparison: on which data, `this` way against `that` one, each the name of a method of
    the published runs (GTZAN) or a key of pipelines_labels.npz; `question` says it in words, and
    `name` is what a named value is called."""

    name: str
    data: str
    question: str
    this: str
    that: str


def _grid(
    blocks: str, columns: str, space: str, algorithm: str, k: int, components: str = ""
) -> str:
    return "|".join([blocks, columns, components, space, algorithm, str(k)])


def _sound(k: int, space: str, algorithm: str = "kmeans") -> str:
    return _grid("sound", "z-scores", space, algorithm, k)


def _msd(k: int, space: str, algorithm: str = "kmeans", columns: str = "rows of length 1") -> str:
    return _grid("MSD", columns, space, algorithm, k)


def _arrows_of_audio(data: str, k: int) -> list[Arrow]:
    return [
        Arrow(
            "recommended",
            data,
            "musicnn, UMAP, K-Means against the VAE on 68 features",
            _msd(k, "UMAP 8"),
            _sound(k, "VAE"),
        ),
        Arrow(
            "network",
            data,
            "musicnn against 68 features, both by UMAP and K-Means",
            _msd(k, "UMAP 8"),
            _sound(k, "UMAP 8"),
        ),
        Arrow(
            "umap_of_network",
            data,
            "UMAP before K-Means, on musicnn",
            _msd(k, "UMAP 8"),
            _msd(k, "as fed"),
        ),
        Arrow(
            "table",
            data,
            "UMAP, K-Means against the VAE, K-Means, both on 68 features",
            _sound(k, "UMAP 8"),
            _sound(k, "VAE"),
        ),
        Arrow(
            "both",
            data,
            "68 features beside musicnn against musicnn alone, by UMAP and K-Means",
            _grid("sound + MSD", "rows of length 1", "UMAP 8", "kmeans", k),
            _msd(k, "UMAP 8"),
        ),
    ]


ARROWS = [
    Arrow(
        "recommended",
        "gtzan",
        "UMAP, K-Means against the VAE, K-Means",
        "UMAP + K-Means",
        "VAE + K-Means",
    ),
    Arrow(
        "pca", "gtzan", "PCA against the VAE, both with K-Means", "PCA + K-Means", "VAE + K-Means"
    ),
    Arrow(
        "umap", "gtzan", "UMAP against PCA, both with K-Means", "UMAP + K-Means", "PCA + K-Means"
    ),
    Arrow(
        "spectral", "gtzan", "spectral clustering against PCA, K-Means", "Spectral", "PCA + K-Means"
    ),
    Arrow(
        "umap_or_spectral",
        "gtzan",
        "UMAP, K-Means against spectral clustering",
        "UMAP + K-Means",
        "Spectral",
    ),
    Arrow("vade", "gtzan", "VaDE against the VAE, K-Means", "VaDE", "VAE + K-Means"),
    Arrow("vade_or_pca", "gtzan", "VaDE against PCA, K-Means", "VaDE", "PCA + K-Means"),
    *_arrows_of_audio("gtzan-mini", 10),
    *_arrows_of_audio("paired", 7),
    Arrow(
        "words",
        "paired",
        "words (USE) beside 68 features against the features alone",
        _grid("sound + USE", "z-scores", "UMAP 8", "kmeans", 7, "95 %"),
        _sound(7, "UMAP 8"),
    ),
    Arrow(
        "words_and_network",
        "paired",
        "words (USE) beside musicnn against musicnn alone",
        _grid("MSD + USE", "rows of length 1", "UMAP 8", "kmeans", 7, "95 %"),
        _msd(7, "UMAP 8"),
    ),
]


@dataclass(frozen=True)
class Clusters:
    """The stored clusters of one data set: `codes` (n,) of the main label, -1 where a track is not
    scored; `groups` (n,) artists, where known; `labels` {name of a way: (seeds, n)}."""

    codes: np.ndarray
    groups: np.ndarray
    labels: dict[str, np.ndarray]


short_repr_of(Clusters)


def stored_clusters(data: str) -> Clusters | None:
    """What is stored of a data set; None where `make results` has not made it."""
    path = stored_runs.results_dir(data) / "pipelines_labels.npz"
    if not path.exists():
        return None
    with np.load(path) as file:
        arrays = dict(file)
    codes, groups = arrays["target"].astype(int), arrays["groups"].astype(int)
    labels = {name: values.astype(int) for name, values in arrays.items() if "|" in name}
    if data == "gtzan":
        runs = stored_runs.Published(data)
        for arrow in ARROWS:
            for method in (arrow.this, arrow.that):
                if arrow.data == data and runs.has("controlled", 1, method):
                    labels[method] = runs.labels("controlled", 1, method)
    return Clusters(codes, groups, labels)


def differences(arrows: Sequence[Arrow] = ARROWS, metric: str = "nmi") -> pd.DataFrame:
    """One row an arrow whose clusters are stored: name, data, question, the score of `this` and
    `that`, their difference and its 95 % interval, and what it says ("higher", "lower",
    "level")."""
    rows, stored = [], dict[str, Clusters | None]()
    for arrow in arrows:
        if arrow.data not in stored:
            stored[arrow.data] = stored_clusters(arrow.data)
        clusters = stored[arrow.data]
        if clusters is None or not {arrow.this, arrow.that} <= set(clusters.labels):
            continue
        here = clusters.codes >= 0
        codes, groups = clusters.codes[here], clusters.groups[here]
        this = clusters.labels[arrow.this][:, here]
        that = clusters.labels[arrow.that][:, here]
        gain, low, high = metrics.paired_bootstrap(codes, this, that, metric, groups)
        rows.append(
            {
                "name": arrow.name,
                "data": arrow.data,
                "question": arrow.question,
                "this": _mean_score(codes, this, metric),
                "that": _mean_score(codes, that, metric),
                "difference": gain,
                "low": low,
                "high": high,
                "verdict": _verdict(low, high),
            }
        )
    return pd.DataFrame(rows)


def described_by(data: str) -> str:
    """What the recommended way describes the tracks of a data set by: of GTZAN only features are
    stored."""
    return "68 features" if data == "gtzan" else "musicnn"


def recommended_table(table: pd.DataFrame) -> pd.DataFrame:
    """The recommended way beside the VAE and K-Means, a row a data set, from `differences`: NMI of
    both, and of the recommended clusters dealt out at random; the gain and its 95 % interval; how
    many scored tracks it rests on, and how many artists the interval draws (a track of an unknown
    artist is drawn as one of its own)."""
    rows = {}
    for row in table[table["name"] == "recommended"].itertuples():
        clusters = stored_clusters(row.data)
        assert clusters is not None  # or there would be no row
        here = clusters.codes >= 0
        rows[NAMES[row.data].split(",")[0]] = {
            "Tracks": int(here.sum()),
            "Artists drawn": len(np.unique(clusters.groups[here])),
            "VAE on 68 features, K-Means": f"{row.that:.3f}",
            "Recommended": f"{row.this:.3f}",
            "By chance": f"{_chance_of(clusters, row.data):.3f}",
            "Recommended uses": described_by(row.data),
            "Gain": f"{row.difference:+.2f}",
            "95 % interval": f"{row.low:+.2f} to {row.high:+.2f}",
        }
    return pd.DataFrame(rows).T


def _chance_of(clusters: Clusters, data: str) -> float:
    """NMI of the recommended way's clusters with permuted genres, on the scored tracks."""
    arrow = next(arrow for arrow in ARROWS if (arrow.name, arrow.data) == ("recommended", data))
    here = clusters.codes >= 0
    return metrics.chance(clusters.codes[here], clusters.labels[arrow.this][0][here])["nmi"]


def genres_of_one_artist() -> tuple[list[str], list[str]]:
    """The genres of gtzan-mini whose tracks are all by one artist, and the other genres in which
    one artist has more than half of the tracks."""
    clusters = stored_clusters("gtzan-mini")
    assert clusters is not None  # it comes with the book
    names = sources.load("gtzan-mini-tracks").genre_names
    wholly, mostly = [], []
    for code, name in enumerate(names):
        artists = clusters.groups[clusters.codes == code]
        largest = np.unique(artists, return_counts=True)[1].max()
        if largest == len(artists):
            wholly.append(name)
        elif largest > len(artists) / 2:
            mostly.append(name)
    return wholly, mostly


def by_size() -> pd.DataFrame:
    """Fewer tracks: NMI of the recommended way and of the VAE and K-Means on random parts of a data
    set, means over the draws, from `pipelines_size.csv`: a row a data set and number of tracks,
    with how often the first was higher."""
    table = _of_every_data_set("pipelines_size.csv")
    table = table[table["algorithm"] == "kmeans"]
    rows = {}
    for (data, tracks), part in table.groupby(["data", "tracks"], sort=False):
        described = "MSD" if "MSD" in set(part["input"]) else "sound"
        scores = part.pivot_table(index="draw", columns=["input", "space"], values="nmi")
        ours, theirs = scores[(described, "UMAP 8")], scores[("sound", "VAE")]
        rows[(NAMES[data].split(",")[0], tracks)] = {
            "VAE on 68 features, K-Means": f"{theirs.mean():.2f}",
            "UMAP, K-Means on 68 features": f"{scores[('sound', 'UMAP 8')].mean():.2f}",
            "Recommended": f"{ours.mean():.2f}",
            "Recommended is higher": f"{(ours > theirs).sum()} of {len(scores)}",
        }
    if not rows:  # every stored data set is small itself
        return pd.DataFrame()
    return pd.DataFrame(rows).T.rename_axis(["data", "tracks"])


def _mean_score(codes: np.ndarray, labels: np.ndarray, metric: str) -> float:
    return float(np.mean([metrics.external(codes, row)[metric] for row in labels]))


def _verdict(low: float, high: float) -> str:
    """What an interval of a difference says."""
    if low > 0:
        return "higher"
    return "lower" if high < 0 else "level"


def criteria_tables() -> pd.DataFrame:
    """How each criterion ranks the pipelines of each data set (`ranking.correlations`), with the
    column "data"."""
    return _of_every_data_set("pipelines_criteria.csv")


def correlations_on_the_same(criterion: str) -> pd.Series:
    """Rank correlation of every criterion with AMI, mean over the data sets, on the pipelines that
    `criterion` ranks, with as many clusters as there are classes."""
    pipelines = _of_every_data_set("pipelines.csv")
    pipelines = pipelines[(pipelines["k"] > 0) & pipelines[criterion].notna()]
    rows = []
    for _, part in pipelines.groupby("data", sort=False):
        row = {}
        for name, (_, higher) in ranking.CRITERIA.items():
            known = part[part[name].notna()]
            values = known[name] if higher else -known[name]
            row[name] = ranking.spearman(values.to_numpy(), known["ami"].to_numpy())
        rows.append(row)
    return pd.DataFrame(rows).mean()


def over_k() -> pd.DataFrame:
    """K-Means over many numbers of clusters (`grid.over_k`) of each data set that has it, with the
    column "data"."""
    return _of_every_data_set("pipelines_k.csv")


def _of_every_data_set(name: str) -> pd.DataFrame:
    """The stored tables called `name`, one under the other, with the column "data"."""
    tables = []
    for data in NAMES:
        path = stored_runs.results_dir(data) / name
        if path.exists():
            tables.append(pd.read_csv(path).assign(data=data))
    return pd.concat(tables, ignore_index=True)


CHOICES = {  # criterion -> whether more is better
    "silhouette": True,
    "calinski_harabasz": True,
    "davies_bouldin": False,
    "dbcv": True,
    "stability_resamples": True,
    "prediction_strength": True,
}


def chosen_k(table: pd.DataFrame) -> pd.DataFrame:
    """The number of clusters that each criterion chooses: one row a data set, input and space, a
    column a criterion, and beside them the number with the highest AMI with genre and with artist.
    The table is that of `over_k`; seeds are averaged."""
    rows = {}
    keys = ["data", "input", "space"]
    for key, part in table.groupby(keys, sort=False):
        means = part.groupby("k").mean(numeric_only=True)
        row = {}
        for name, higher in CHOICES.items():
            values = means[name] if higher else -means[name]
            row[name] = int(values.idxmax())
        row["genre"] = int(means["ami"].idxmax())
        if "ami_artist" in means and means["ami_artist"].notna().any():
            row["artist"] = int(means["ami_artist"].idxmax())
        rows[key] = row
    return pd.DataFrame(rows).T.rename_axis(keys)


def columns_of(tracks: Tracks) -> np.ndarray:
    """What the chart compares tracks by: musicnn's numbers at length 1 where they are at hand
    without any download, else the features, column by column."""
    if tracks.name in pretrained.COMMITTED:
        return normalize(pretrained.heard(tracks, "musicnn").table.loc[tracks.ids].to_numpy())
    return inputs.zscore(tracks.features.to_numpy())
