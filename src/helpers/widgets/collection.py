"""A collection of music as one page: a map to hear, what is in each cluster in words, doubles, neighbours, playlists,
and ways through the latent space. Page "A collection", and `python -m helpers map FOLDER`, which writes it for a
folder of your own music.
"""

from __future__ import annotations

import html
import logging
import re
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from IPython.display import HTML
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from .. import clustering, escape, inputs, plots, protocols, training
from ..cache import write_atomically
from ..corpus import playlists, pretrained
from ..datasets import Tracks
from ..training import Fit
from . import explorers, players

log = logging.getLogger("helpers")

WORDS = {  # a feature, or several that are averaged -> what few and what much of it is called
    ("tempo",): ("slow", "fast"),
    ("centroid_mean", "rolloff_mean"): ("dark", "bright"),
    ("rms_mean",): ("quiet", "loud"),
    ("rms_std",): ("even in loudness", "changing in loudness"),
    ("contrast_02_mean", "contrast_03_mean", "contrast_04_mean", "contrast_05_mean"): ("dense", "clear in its tones"),
    ("zcr_mean",): ("smooth", "noisy"),
    ("bandwidth_mean",): ("narrow in its range", "wide in its range"),
    ("centroid_std",): ("steady in colour", "changing in colour"),
}
TOLD = 0.5  # standard deviations from the mean of all tracks from which a feature is worth a word
STEADY = ((0.75, "steady"), (0.5, "fair"), (0.0, "loose"))  # mean Jaccard index over seeds, Hennig 2007
DOUBLE = 1 / 3  # of the median distance to a nearest track: closer than that two files are taken for the same recording


@dataclass(frozen=True)
class Collection:
    """What the page tells: the `space` (n, d) in which tracks are alike, the latent means of `fit` or an `embedding`;
    `labels` (n,) of the first seed in it, `steadiness` of each cluster over the seeds, 0 to 1, and `near` (n, k), the
    nearest tracks; and the `fit`, through whose latent space the ways lead."""

    tracks: Tracks
    fit: Fit
    labels: np.ndarray
    steadiness: pd.Series
    near: np.ndarray
    space: np.ndarray
    embedding: str | None = None

    @property
    def by(self) -> str:
        """What found the groups, in words."""
        if self.embedding is None:
            return f"the {self.fit.recipe.kind.upper()}"
        return f"{self.embedding} (a pretrained network)"


def at_hand(tracks: Tracks) -> str | None:
    """The embedding that a folder of music is heard by where nothing else is asked for: "musicnn" where its weights are
    here already and it can hear every track, else None, the VAE."""
    if not tracks.provenance.get("paths") or not pretrained.at_hand():
        return None
    try:
        left_out = tracks.n - pretrained.embedded(tracks, "musicnn").n
    except ValueError:  # none can be heard
        left_out = tracks.n
    if left_out:
        log.warning("musicnn cannot hear %d of %d tracks, so that the VAE groups them.", left_out, tracks.n)
    return None if left_out else "musicnn"


def survey(
    tracks: Tracks, protocol: str = "controlled", seeds: int = 3, clusters: int = 10, n_jobs: int | None = None,
    embedding: str | None = None,
) -> Collection:  # fmt: skip
    """Train the VAE of phase 1 with several seeds (cached fits), K-Means on each, and see which clusters come again.

    With an `embedding` (`pretrained.EMBEDDINGS`) K-Means takes its numbers, at length 1, with several seeds, and the
    VAE, trained once, only leads the ways; tracks that it cannot hear are left out. Small collections get fewer
    clusters, one for five tracks at most. Raises ValueError below 10 tracks, and `training.Diverged` where no training
    came through."""
    own = None
    if embedding is not None:
        own = pretrained.embedded(tracks, embedding)
        tracks = replace(tracks.rows(np.isin(tracks.ids, own.ids)), provenance=own.provenance)
    if tracks.n < 10:
        raise ValueError(f"{tracks.name} has {tracks.n} tracks; a map takes 10 at least")
    chosen = protocols.get(protocol)
    X = inputs.prepare(tracks, chosen, 1, 0).X
    trained = range(seeds if own is None else 1)
    made = training.fit_many([(X, chosen.recipes["basic_vae"], seed, None) for seed in trained], n_jobs)
    fits = [fit for fit in made if isinstance(fit, Fit)]
    if not fits:
        raise training.Diverged(f"No training came through. {made[0]}")
    k = max(2, min(clusters, tracks.n // 5))
    spaces = {fit.seed: fit.mu for fit in fits}
    if own is not None:
        spaces = dict.fromkeys(range(seeds), normalize(own.features.to_numpy()))
    found = [clustering.cluster(space, "kmeans", k, seed) for seed, space in spaces.items()]
    space = next(iter(spaces.values()))
    near = clustering.nearest(space, 5)
    return Collection(tracks, fits[0], found[0], steadiness(found), near, space, embedding)


def steadiness(labels: Sequence[np.ndarray]) -> pd.Series:
    """How surely each cluster of the first labelling comes again in the others: its Jaccard index with its best match
    there, mean over them (Hennig 2007). NaN where there is one labelling only."""
    rows = {}
    for cluster in sorted(set(labels[0].tolist()) - {-1}):
        own = labels[0] == cluster
        best = [max((own & (other == c)).sum() / (own | (other == c)).sum() for c in np.unique(other))
                for other in labels[1:]]  # fmt: skip
        rows[cluster] = float(np.mean(best)) if best else np.nan
    return pd.Series(rows, dtype=float)


def scales(features: pd.DataFrame) -> pd.DataFrame:
    """What the words of WORDS are about, in standard deviations from the mean of all tracks, one column a pair of
    words; the table's own columns where it has other features."""
    Z = pd.DataFrame(inputs.zscore(features.to_numpy()), features.index, features.columns)
    named = {words: Z[list(columns)].mean(axis=1) for columns, words in WORDS.items() if set(columns) <= set(Z)}
    found = pd.DataFrame(named) if named else Z.set_axis(pd.MultiIndex.from_tuples(
        [(f"low {name}", f"high {name}") for name in Z]), axis=1)  # fmt: skip
    return found / found.std(ddof=0).replace(0.0, 1.0)


def in_words(profile: pd.Series, most: int = 3) -> str:
    """A profile (the means of `scales` over some tracks) in at most `most` words, the strongest first."""
    order = profile.abs().sort_values(ascending=False).index
    told = [low if profile[low, high] < 0 else high for low, high in order if abs(profile[low, high]) >= TOLD]
    return ", ".join(told[:most]) or "like the whole collection"


def mark(value: float) -> str:
    """The steadiness of a cluster in a word and a number."""
    if not np.isfinite(value):
        return "one seed only"
    return f"{next(word for edge, word in STEADY if value >= edge)} ({value:.2f})"


def clusters(found: Collection) -> pd.DataFrame:
    """One row a cluster, largest first: how many tracks, in words, how steady, its most typical and its most outlying
    tracks (nearest to its mean in the latent space, farthest from it)."""
    profiles, ids, rows = scales(found.tracks.features), found.tracks.ids, {}
    for cluster in sorted(set(found.labels.tolist()), key=lambda c: (-int((found.labels == c).sum()), c)):
        here = np.flatnonzero(found.labels == cluster)
        order = playlists.typical_first(found.space, here)
        rows[cluster] = {
            "Tracks": len(here), "In words": in_words(profiles.iloc[here].mean()),
            "Comes again": mark(found.steadiness[cluster]), "Most typical": "; ".join(ids[order[:3]]),
            "Outlying": "; ".join(ids[order[-2:][::-1]]) if len(here) > 5 else "–",
        }  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("Cluster")


def same_recordings(tracks: Tracks) -> pd.DataFrame:
    """Pairs of files that sound like one recording: by their fingerprints, where a folder was read, and those closer in
    the standardised features than DOUBLE of the median distance to a nearest track, in that unit, nearest first."""
    known = [(a, b) for a, *others in tracks.provenance.get("doubles", []) for b in others]
    X = inputs.zscore(tracks.features.to_numpy())
    model = NearestNeighbors().fit(X)
    nearest = model.kneighbors(n_neighbors=1)[0][:, 0]
    typical = float(np.median(nearest[nearest > 0])) if (nearest > 0).any() else 1.0
    near = model.radius_neighbors(X, DOUBLE * typical, return_distance=True)
    rows = [(tracks.ids[i], tracks.ids[j], f"{d / typical:.2f}")
            for i, (distances, others) in enumerate(zip(*near)) for d, j in sorted(zip(distances, others)) if i < j]
    rows = [row for row in rows if not {row[:2], row[1::-1]} & set(known)]
    by_print = [(a, b, "same fingerprint") for a, b in known]
    return pd.DataFrame(by_print + sorted(rows, key=lambda row: row[2]), columns=["File", "Sounds like", "Distance"])


def answer(found: Collection, table: pd.DataFrame, same: int) -> str:
    """Two sentences for the top of the page, as Markdown: how many groups (`table`, from `clusters`), which come again,
    and how many pairs are the `same` recording."""
    said = {cluster: f"*{escape.markup(words)}*" for cluster, words in table["In words"].items()}
    again = "whether they come again with other random numbers takes a second seed"
    if found.steadiness.notna().any():
        surest, loosest = found.steadiness.idxmax(), found.steadiness.idxmin()
        again = (f"the surest, {said[surest]}, {table['Tracks'][surest]} tracks, comes again with other random numbers "
                 f"to {found.steadiness[surest]:.2f} (1: the same tracks), the loosest, {said[loosest]}, to "
                 f"{found.steadiness[loosest]:.2f}")  # fmt: skip
    whose = f"The {found.tracks.n} tracks of *{escape.markup(found.tracks.name)}* fall into {len(table)} groups"
    doubles = f"{same or 'No'} pair{'s' * (same > 1)} of files sound{'s' * (same < 2)} like one recording"
    return f"{whose}; {again}. {doubles}."


def neighbours(found: Collection) -> pd.DataFrame:
    """Every track with its cluster and the tracks nearest to it, nearest first."""
    ids = found.tracks.ids
    return pd.DataFrame({"Cluster": found.labels, "Most like it": ["; ".join(ids[row]) for row in found.near]},
                        index=pd.Index(ids, name="Track"))  # fmt: skip


def show_map(found: Collection, sounds: Sequence[str | None] | None = None, name: str = "collection") -> HTML:
    """The map of the collection (`explorers.latent_explorer`), by cluster, and by genre where there are any; a chosen
    track is heard where `sounds` (n,) has an address for it."""
    points = plots.project(found.space)
    kinds = {"cluster": found.labels} | ({} if found.tracks.genres is None else {"genre": found.tracks.genres})
    return explorers.latent_explorer({"the collection": (points, found.near)}, found.tracks.ids, kinds, name, sounds)


# ---- ways through the latent space --------------------------------------------------------------------------------


def heard(found: Collection, path: np.ndarray, names: Sequence[str]) -> pd.DataFrame:
    """Points of the latent space, `path` (m, d) called `names`: what the network decodes there, in words, and the
    nearest real track."""
    with torch.no_grad():
        decoded = found.fit.model().decode(torch.as_tensor(path, dtype=torch.float32)).numpy()
    features = found.tracks.features
    back = pd.DataFrame(
        decoded * features.std(ddof=0).to_numpy() + features.mean().to_numpy(), columns=features.columns
    )
    profiles = scales(pd.concat([features, back], ignore_index=True)).iloc[len(features):]
    at = NearestNeighbors(n_neighbors=1).fit(found.fit.mu).kneighbors(path, return_distance=False)[:, 0]
    rows = [(in_words(profile), found.tracks.ids[i]) for (_, profile), i in zip(profiles.iterrows(), at)]
    return pd.DataFrame(rows, columns=["Decoded", "Nearest track"], index=pd.Index(names, name="Step"))


def between(found: Collection, one: str, other: str, steps: int = 6) -> pd.DataFrame:
    """The straight way from track `one` to track `other` in the latent space (`heard`)."""
    ids = found.tracks.ids.tolist()
    a, b = found.fit.mu[ids.index(one)], found.fit.mu[ids.index(other)]
    share = np.linspace(0, 1, steps)
    return heard(found, a + share[:, None] * (b - a), [f"{s:.0%}" for s in share])


def along(found: Collection, unit: int, steps: int = 5) -> pd.DataFrame:
    """A walk along one latent dimension, from -2 to 2 standard deviations of its means, the others at their mean."""
    mean, spread = found.fit.mu.mean(axis=0), found.fit.mu.std(axis=0)
    places = np.linspace(-2, 2, steps)
    path = np.tile(mean, (steps, 1))
    path[:, unit] += places * spread[unit]
    return heard(found, path, [f"{place:+.0f} sd" for place in places])


def strongest(found: Collection) -> int:
    """The latent dimension with the largest KL."""
    return int(found.fit.kl_per_dim.argmax())


def farthest(found: Collection) -> tuple[str, str]:
    """The most typical tracks of the two clusters whose means lie farthest apart."""
    ends = players.ends(found.space, found.labels)
    means = {row.cluster: found.space[found.labels == row.cluster].mean(axis=0) for row in ends.itertuples()}
    pair = max(combinations(means, 2), key=lambda pair: float(np.linalg.norm(means[pair[0]] - means[pair[1]])))
    medoids = ends.set_index("cluster").medoid
    one, other = (str(found.tracks.ids[medoids[cluster]]) for cluster in pair)
    return one, other


# ---- the page of its own -------------------------------------------------------------------------------------------

STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --ground: #fff; --line: #c9ced6; --link: #0b57c2 }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e6ea; --ground: #14181e; --line: #48505c; --link: #86b5f7 } }
body { font: 1rem/1.6 system-ui, sans-serif; color: var(--ink); background: var(--ground); }
body { max-width: 62rem; margin: auto; padding: 1rem }
a { color: var(--link) } h1, h2 { line-height: 1.25 } summary { cursor: pointer }
table { border-collapse: collapse; font-size: .92rem; width: 100% } caption { text-align: left }
td, th { text-align: left; vertical-align: top; padding: .3rem .5rem; border-bottom: 1px solid var(--line) }
td, th { overflow-wrap: break-word }
@media (max-width: 600px) {
  thead { position: absolute; clip-path: inset(50%) }
  tr, td, th { display: block; border: 0; padding: .1rem 0 }
  tr { border-bottom: 1px solid var(--line); padding: .4rem 0 }
  td::before { content: attr(data-label) ": "; opacity: .8 }
}
audio { width: 100%; max-width: 24rem }
"""


def write_page(found: Collection, out: Path) -> Path:
    """Write the page of a collection into the folder `out`: index.html, playlists and a table of all tracks, and a few
    seconds of each track to hear where there is sound. It needs nothing else, and loads nothing from elsewhere.

    Returns the page. ValueError where `out` has files that are not from here."""
    from plotly.offline import get_plotlyjs

    tracks = found.tracks
    page = out / "index.html"
    if out.exists() and any(out.iterdir()) and not page.exists():
        raise ValueError(f"{out}: this folder has other files in it; name a new one")
    sounds = players.write_clips(tracks, out / "clips")
    table, same = clusters(found), same_recordings(tracks)
    paths, lists = tracks.provenance.get("paths"), list[Path]()
    if paths:
        words = dict(zip(tracks.ids.tolist(), table["In words"].reindex(found.labels)))
        lists = playlists.write(found.labels, tracks.ids, paths, out / "playlists", space=found.space, words=words)
    numbered = [(re.match(r"cluster_(\d+)", path.name), path.name) for path in lists]
    files = {int(match[1]): urllib.parse.quote(name) for match, name in numbered if match}
    faults = tracks.provenance.get("faults", [])
    body = [
        f"<h1>{html.escape(tracks.name)}</h1>",
        f"<p>{tracks.n} tracks in {len(table)} groups that sound alike, by {found.by} "
        "and K-Means, without any label. <em>Comes again</em> says whether other random numbers find the same group: "
        "steady, fair or loose (0 to 1).</p>",
        "<h2>Map</h2><p>Press a point, or look for a track, to hear some seconds of it and to see which tracks are "
        "most like it. Distances on the map are bent; the list of nearest tracks is not.</p>",
        show_map(found, [name and f"clips/{name}" for name in sounds] if any(sounds) else None).data,
        "<h2>What is in each cluster?</h2>", _table(table, "Cluster", {
            cluster: f'<a href="playlists/{name}" download>playlist</a>' for cluster, name in files.items()}),
        "<h2>Which are doubles?</h2>",
        _table(same.set_index("File"), "File") if len(same) else "<p>No two files sound like the same recording.</p>",
        "<h2>What is like this track?</h2><details><summary>All tracks with those most like them</summary>",
        _table(neighbours(found), "Track"), "</details>",
    ]  # fmt: skip
    if lists:
        body.append('<p><a href="playlists/tracks.csv" download>All tracks and their clusters, CSV</a></p>')
    if faults:
        body += [f"<h2>Left out</h2><p>{len(faults)} files could not be used.</p>",
                 _table(pd.DataFrame(faults, columns=["File", "Why"]).set_index("File"), "File")]  # fmt: skip
    style, script = (path.read_text() for path in explorers.CODE)
    text = ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f"<title>{html.escape(tracks.name)}: a map of the collection</title>"
            '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
            f"<style>{STYLE}{style}</style><script>{get_plotlyjs()}</script></head><body><main>\n"
            + "\n".join(body) + f"\n</main><script>{script}</script></body></html>\n")  # fmt: skip
    return write_atomically(page, partial(Path.write_text, data=text, encoding="utf-8"))


def _table(table: pd.DataFrame, first: str, more: dict | None = None) -> str:
    """A plain HTML table, everything in it escaped; `more` {row: HTML} goes into a last column."""
    heads = [first, *map(str, table.columns), *["Playlist"] * bool(more)]
    lines = [
        "<table><thead><tr>" + "".join(f'<th scope="col">{html.escape(h)}</th>' for h in heads) + "</tr></thead><tbody>"
    ]
    for row in table.itertuples():
        cells = [
            f'<td data-label="{html.escape(h)}">{html.escape(str(value))}</td>' for h, value in zip(heads[1:], row[1:])
        ]
        cells += [f'<td data-label="Playlist">{more.get(row[0], "")}</td>'] if more else []
        lines.append(
            f'<tr><th scope="row">{html.escape(f"{first} {row[0]}" if more else str(row[0]))}</th>{"".join(cells)}</tr>'
        )
    return "\n".join([*lines, "</tbody></table>"])
