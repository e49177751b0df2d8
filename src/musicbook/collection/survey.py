"""What there is to say of a collection of music: how it was heard, its groups and their words, what
is like what, which files are doubles, and a flat map. `map_page` shows it; `musicbook map` writes
it to files. Page "What is in my music?"."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from helpers import clustering, inputs, metrics, phases, store
from helpers.escape import markup
from helpers.shown import short_repr_of
from helpers.tracks import Tracks
from musicbook.chapters.cluster_well import stable_groups
from musicbook.chapters.cluster_well.stable_groups import Groups
from musicbook.collection import words
from musicbook.corpus import pretrained

log = logging.getLogger("helpers")

FEWEST = 10  # tracks that a map needs
NEAR = 10  # tracks that are named as most like a track
DOUBLE = (
    1 / 3
)  # of the median distance to a nearest track: closer files are taken for one recording
CLEAR_AXIS = 0.15  # share of a scale's variance that a direction of the map must show to be named
FEATURES = "features"  # the 68 numbers, or whatever columns a table has


@dataclass(frozen=True)
class Collection:
    """Tracks and what is known of them: `space` (n, d), in which tracks are alike; `heard_by`,
    "features" or the name of an embedding; `groups`; each group `described` in words, and its short
    name in `names`; `points` (n, 2) of the map and `axes`, what its directions up and right mean
    (None where they mean nothing); `near` (n, m), the most similar tracks, nearest first; `tags`
    (n, 50) or None."""

    tracks: Tracks
    space: np.ndarray
    heard_by: str
    groups: Groups
    described: dict[int, list[str]]
    names: dict[int, str]
    points: np.ndarray
    axes: tuple[str | None, str | None]
    near: np.ndarray
    tags: pd.DataFrame | None

    @property
    def vocabulary(self) -> words.Vocabulary:
        """All words that these tracks could be described by."""
        return words.Vocabulary(self.tracks.features, self.tags)

    def rows_of(self, group: int) -> np.ndarray:
        """Positions of a group's tracks, the most typical (nearest to their mean) first."""
        rows = np.flatnonzero(self.groups.labels == group)
        apart = np.linalg.norm(self.space[rows] - self.space[rows].mean(axis=0), axis=1)
        return rows[np.argsort(apart, kind="stable")]


short_repr_of(Collection)


# ---- how the music is heard ----------------------------------------------------------------------


def embedding_of(tracks: Tracks, embedding: str | None = None) -> pretrained.Heard | None:
    """What a pretrained network hears in these tracks, or None for the features that they have.

    `embedding` is a name of `pretrained.EMBEDDINGS`, "none", or None: musicnn where there is sound
    and its weights are here or can be fetched, and a sentence in the log where it has to give way.
    A named one that cannot be had raises ValueError or FileNotFoundError."""
    if embedding == "none":
        return None
    if embedding is not None:
        return pretrained.heard(tracks, embedding)
    if not pretrained.has_sound(tracks):
        return None
    try:
        found = pretrained.heard(tracks, "musicnn")
    except (FileNotFoundError, ValueError) as error:
        log.warning("The 68 features stand in for musicnn: %s", error)
        return None
    if len(found.table) < FEWEST:
        log.warning(
            "The 68 features stand in for musicnn, which can hear %d of %d tracks only.",
            len(found.table),
            tracks.n,
        )
        return None
    return found


def survey(
    tracks: Tracks,
    embedding: str | None = None,
    method: str | None = None,
    k: int | None = None,
    runs: int = stable_groups.RUNS,
    seed: int = 0,
) -> Collection:
    """Everything about a collection.

    `embedding` as `heard` takes it; `method` one of `stable_groups.METHODS` (None: the one that the
    page "How to cluster music well" recommends); `k` groups, found where None; `runs` says how
    often the grouping is repeated to see which groups return. Tracks that the network cannot hear
    are left out, and the provenance says why. ValueError for fewer than FEWEST tracks."""
    tags, by = None, FEATURES
    sound = None if method == "vae" else embedding_of(tracks, embedding)
    if sound is not None:
        kept = tracks.rows(np.isin(tracks.ids, sound.table.index))
        left_out = [*tracks.provenance.get("faults", []), *map(list, sound.faults.items())]
        tracks = replace(kept, provenance=tracks.provenance | {"faults": left_out})
        tags, by = sound.tags, sound.embedding
    if tracks.n < FEWEST:
        raise ValueError(f"{tracks.name} has {tracks.n} tracks; a map needs at least {FEWEST}")
    features = inputs.zscore(tracks.features.to_numpy())
    if sound is None:
        space = features
    else:
        space = normalize(sound.table.loc[tracks.ids].to_numpy())
    if tags is not None:
        tags = tags.loc[tracks.ids]
    chosen = recommended(tracks.n) if method is None else method
    groups = stable_groups.returning_groups(space, chosen, k, runs, seed)
    vocabulary = words.Vocabulary(tracks.features, tags)
    described = words.describe(groups.labels, vocabulary)
    points = store.remember(_flat, space, seed)["points"]
    points, axes = oriented(points, tracks.features)
    near = clustering.nearest(space, NEAR)
    named = words.names(described)
    return Collection(tracks, space, by, groups, described, named, points, axes, near, tags)


def recommended(n: int) -> str:
    """The method for n tracks by the page's decision chart: UMAP costs too much to repeat on very
    many."""
    return "umap" if n <= stable_groups.UMAP_LIMIT else "kmeans"


# ---- the flat map --------------------------------------------------------------------------------


def _flat(space: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """UMAP of the space (n, d) to (n, 2)."""
    return {"points": phases.umap_embedding(space, 2, seed).astype(np.float32)}


def oriented(
    points: np.ndarray, features: pd.DataFrame
) -> tuple[np.ndarray, tuple[str | None, str | None]]:
    """The map (n, 2) turned so that its directions mean something: upwards the tracks get louder,
    or what else of `words.SOUND` the map shows best, and to the right brighter. Returns the points,
    and the two names, None where no scale follows the map. A turn changes no distance."""
    centred = points - points.mean(axis=0)
    scales = words.sound_scales(features)
    known = [pair for pair in words.SOUND.values() if pair in list(scales.columns)]
    slopes = {pair: _slope(centred, scales[pair].to_numpy()) for pair in known}
    clear = {pair: slope for pair, (slope, share) in slopes.items() if share >= CLEAR_AXIS}
    if not clear:
        return centred, (None, None)
    up = next((pair for pair in UPWARDS if pair in clear), next(iter(clear)))
    direction = clear[up] / np.linalg.norm(clear[up])
    turned = centred @ np.array([[direction[1], direction[0]], [-direction[0], direction[1]]])
    others = [pair for pair in RIGHTWARDS if pair in known and pair != up]
    right = None
    for pair in others:
        slope, _ = _slope(turned, scales[pair].to_numpy())
        across = _slope(turned[:, :1], scales[pair].to_numpy())[1]
        if across >= CLEAR_AXIS:
            right = pair[1]
            if slope[0] < 0:
                turned = turned * [-1, 1]
            break
    return turned, (up[1], right)


UPWARDS = (("quiet", "loud"), ("smooth", "noisy"), ("clear tones", "full sound"), ("slow", "fast"))
RIGHTWARDS = (("dark", "bright"), ("smooth", "noisy"), ("slow", "fast"))


def _slope(points: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, float]:
    """Least-squares slope (d,) of values (n,) over points (n, d), centred, and the share of their
    variance that it explains."""
    values = values - values.mean()
    slope = np.linalg.lstsq(points, values, rcond=None)[0]
    total = (values**2).sum()
    return slope, float(1 - ((values - points @ slope) ** 2).sum() / total) if total > 0 else 0.0


# ---- tables --------------------------------------------------------------------------------------


def group_table(found: Collection) -> pd.DataFrame:
    """One row a group, largest first: its name, how many tracks, its words, how surely it returns,
    and its three most typical tracks."""
    rows = []
    for group, overlap in enumerate(found.groups.returns):
        members = found.rows_of(group)
        rows.append(
            {
                "Group": found.names[group],
                "Tracks": len(members),
                "In words": ", ".join(found.described[group]) or words.NOTHING,
                "Returns": f"{overlap:.2f}",
                "Most typical": "; ".join(found.tracks.ids[members[:3]]),
            }
        )
    columns = ["Group", "Tracks", "In words", "Returns", "Most typical"]
    return pd.DataFrame(rows, columns=columns).set_index("Group")


def track_table(found: Collection) -> pd.DataFrame:
    """One row a track: track_id, the number of its group (-1 between groups), the group's name, and
    how surely it returns."""
    labels = found.groups.labels
    names = [found.names[g] if g >= 0 else "between groups" for g in labels.tolist()]
    returns = [f"{found.groups.returns[g]:.2f}" if g >= 0 else "" for g in labels.tolist()]
    return pd.DataFrame(
        {"track_id": found.tracks.ids, "cluster": labels, "group": names, "returns": returns}
    )


def same_recordings(tracks: Tracks) -> pd.DataFrame:
    """Pairs of files that sound like one recording: by their fingerprints, where a folder was read,
    and those closer in the standardised features than DOUBLE of the median distance to a nearest
    track. Columns "File", "Sounds like", and "Distance" in units of that median, nearest first."""
    known = [(a, b) for a, *others in tracks.provenance.get("doubles", []) for b in others]
    X = inputs.zscore(tracks.features.to_numpy())
    model = NearestNeighbors().fit(X)
    nearest = model.kneighbors(n_neighbors=1)[0][:, 0]
    typical = float(np.median(nearest[nearest > 0])) if (nearest > 0).any() else 1.0
    distances, others = model.radius_neighbors(X, DOUBLE * typical, return_distance=True)
    seen = {frozenset(pair) for pair in known}
    close = []
    for i, (apart, rows) in enumerate(zip(distances, others)):
        for distance, j in sorted(zip(apart.tolist(), rows.tolist())):
            pair = tracks.ids[i], tracks.ids[j]
            if i < j and frozenset(pair) not in seen:
                close.append((*pair, f"{distance / typical:.2f}"))
    close.sort(key=lambda row: row[2])
    rows = [(a, b, "same fingerprint") for a, b in known] + close
    return pd.DataFrame(rows, columns=["File", "Sounds like", "Distance"])


# ---- sentences -----------------------------------------------------------------------------------

HEARD_BY = {
    FEATURES: "their features",
    "musicnn": "musicnn, a network trained on tags of the Million Song Dataset",
    "musicnn-mtt": "musicnn, a network trained on tags of instruments and voices",
}
BY = {
    "umap": "UMAP and K-Means",
    "spectral": "spectral clustering",
    "kmeans": "K-Means",
    "ward": "Ward's method",
    "hdbscan": "UMAP and HDBSCAN",
    "vae": "a VAE and K-Means",
}


def how_made(found: Collection) -> str:
    """One sentence on how the groups came about."""
    if found.heard_by == FEATURES and found.tracks.features.shape[1] == 68:
        by = "their 68 features"
    else:
        by = HEARD_BY[found.heard_by]
    return (
        f"Tracks are compared by {by}, and grouped by {BY[found.groups.method]}, without any "
        "label. The grouping was repeated on random parts of the collection; a group that did not "
        "return is not shown."
    )


def invitation(found: Collection, heard: bool) -> str:
    """What the map shows and what to do with it, in sentences of plain text for somebody who has
    never seen it; `heard`: whether tracks can be played."""
    music = found.heard_by != FEATURES or found.tracks.features.shape[1] == 68
    alike = "mostly sound alike" if music else "mostly have similar numbers"
    press = "to hear it and to find more like it" if heard else "to find more like it"
    sentences = [
        f"{found.tracks.n} tracks. Tracks that lie close together {alike}.",
        f"Press one {press}.",
    ]
    if not found.groups.n:
        sentences.append("These tracks form no clear groups.")
    return " ".join(sentences)


def collection_sentence(found: Collection) -> str:
    """How many tracks and groups there are, in one sentence of plain text."""
    outside = int((found.groups.labels < 0).sum())
    if not found.groups.n:
        return (
            f"{found.tracks.n} tracks. No group returned when the grouping was repeated: these "
            "tracks form no clear groups."
        )
    groups = "1 group" if found.groups.n == 1 else f"{found.groups.n} groups"
    return_when = f"in {groups} that return when the grouping is repeated"
    if not outside:
        return f"{found.tracks.n} tracks {return_when}."
    inside = found.tracks.n - outside
    return f"{found.tracks.n} tracks: {inside} {return_when}, {outside} between groups."


def read_groups(found: Collection) -> Sequence[str]:
    """A line a group for the terminal: tracks, how much of it is found again, words."""
    lines = []
    for group, overlap in enumerate(found.groups.returns):
        size = int((found.groups.labels == group).sum())
        described = ", ".join(found.described[group]) or words.NOTHING
        lines.append(f"{size:6d} tracks, {overlap:.0%} found again: {described}")
    return lines


def survey_answer(found: Collection) -> str:
    """A few sentences for the top of the page, as Markdown: how many groups return, and the surest
    of them in words."""
    demo = found.tracks.name == "demo"
    name = "Our demo" if demo else f"*{markup(found.tracks.name)}*"
    if not found.groups.n:
        return f"{name}: {markup(collection_sentence(found))}"
    inside = int((found.groups.labels >= 0).sum())
    tracks = f"{found.tracks.n} {'synthetic ' if demo else ''}tracks"
    if inside == found.tracks.n:
        sentence = f"{name} of {tracks} falls into "
    else:
        sentence = f"{name} has {tracks}. Of these, {inside} lie in "
    one = found.groups.n == 1
    sentence += (
        f"{found.groups.n} group{'' if one else 's'} that come{'s' if one else ''} back when we "
        "group again."
    )
    surest = int(found.groups.returns.argmax())
    size = int((found.groups.labels == surest).sum())
    return (
        f"{sentence} The most stable group has {size} tracks. By their sound we call it "
        f"*{markup(found.names[surest])}*. When we group again, we find it with an overlap of "
        f"{found.groups.returns[surest]:.0%} on average."
    )


def beside(tracks: Tracks, ways: dict[str, Groups]) -> pd.DataFrame:
    """Ways to group the same tracks side by side: how many groups were made, how many return (0.6)
    and how many surely (0.75), the share of tracks in groups that return, and, where there are
    labels, AMI of these groups with them."""
    rows = {}
    for name, groups in ways.items():
        inside = groups.labels >= 0
        row = {
            "Groups made": groups.made,
            "Return": groups.n,
            "Return surely": int((groups.returns >= stable_groups.STEADY).sum()),
            "Tracks in groups": f"{inside.mean():.0%}",
        }
        if tracks.genres is not None and inside.any():
            score = metrics.external(tracks.genres[inside], groups.labels[inside])["ami"]
            row["Agreement with the labels (AMI)"] = f"{score:.2f}"
        rows[name] = row
    return pd.DataFrame(rows).T.fillna("")


def steadiness(recommended: Groups, by_vae: Groups) -> str:
    """Sentences on how many groups of each way return."""
    sentence = (
        f"Of the {by_vae.made} groups of the VAE and K-Means, {by_vae.n} return. Of the "
        f"{recommended.made} groups made by {BY[recommended.method]}, {recommended.n} return."
    )
    if by_vae.n:
        return sentence
    return f"{sentence} Since no group of the VAE returns, there is no AMI to show for it."
