"""The grids of the page "Songs with their own words", which take longer than a page may.

`make results DATASET=paired ONLY=own_words` computes them and writes own_words_<grid>.csv into
`data/results/paired`. Every table names its choices: the encoder of the words, how much of them is
kept, what hears the sound, the weight of the words, the way they are put together, and the label.
One comparison was named before any was computed (PRIMARY); the others are there to be looked
through, and there are so many that some differ by chance alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import store
from helpers.tracks import data_dir
from musicbook.chapters.own_words import clusters, language, probes, retrieval, verses
from musicbook.chapters.own_words.fusions import (
    NETWORKS,
    QUICK,
    SIDE_BY_SIDE,
    WAYS,
    WEIGHT,
)
from musicbook.chapters.own_words.songs import KEPT, audible_songs, targets
from musicbook.corpus import paired

FOLDER = "paired"
GRIDS = ("grid", "late", "alone", "probes", "retrieval", "language", "audible")
ENCODERS, SOUNDS = ("minilm", "use"), paired.SOUNDS
COMPONENTS = (32, KEPT)
WEIGHTS = (0.2, 0.4, 0.5, 0.6, 0.8)
EVERY_WEIGHT = (SIDE_BY_SIDE, "concatenation, language removed")  # the others: the paper's weight
CHOICES = ["encoder", "kept", "sound"]
FEW = 3  # seeds where networks are trained
PRIMARY = {  # named before the grid was computed: do a song's own words help to group by genre?
    "encoder": "use",
    "kept": str(KEPT),
    "sound": "features",
    "way": SIDE_BY_SIDE,
    "weight": WEIGHT,
    "target": "genius_tag",
}
NETWORK_INPUTS = (("use", KEPT, "features"), ("use", KEPT, "MTT"))
RETRIEVAL_INPUTS = (
    ("minilm", "features", retrieval.METHODS[:1]),
    ("use", "features", retrieval.METHODS[:1]),
    ("use", "MSD", retrieval.METHODS[:1]),
    ("use", "MTT", retrieval.METHODS),
)


def publish(folder: Path, seeds: int, n_jobs: int | None = None) -> None:
    """Compute every grid on the book's songs with their own words and write its table; what the
    store holds is read."""
    makers = {
        "grid": partial(grid_table, seeds, n_jobs),
        "late": partial(late_table, min(seeds, FEW), n_jobs),
        "alone": partial(every_alone_table, seeds, n_jobs),
        "probes": partial(probe_table, seeds, n_jobs),
        "retrieval": partial(retrieval_table, min(seeds, FEW), n_jobs),
        "language": partial(language_table, seeds),
        "audible": partial(audible_table, seeds, n_jobs),
    }
    for name in GRIDS:
        write = partial(makers[name]().to_csv, index=False, float_format="%.6g")
        store.write_atomically(folder / f"own_words_{name}.csv", write)


def stored_grid(name: str) -> pd.DataFrame | None:
    """A published grid of the book's songs (one of GRIDS), None where it is not there."""
    path = data_dir() / "results" / FOLDER / f"own_words_{name}.csv"
    if not path.exists():
        return None
    return pd.read_csv(path, dtype={"kept": str})


def primary_row(table: pd.DataFrame) -> pd.Series:
    """The row of the comparison that was named beforehand (PRIMARY)."""
    for column, value in PRIMARY.items():
        table = table[table[column] == value]
    return table.iloc[0]


def late_and_quick() -> pd.DataFrame | None:
    """Every way on the input of PRIMARY, at its weight: those that train no network (`grid`) and,
    where they are published, those that do (`late`). None without the grid."""
    tables = [stored_grid("grid"), stored_grid("late")]
    if tables[0] is None:
        return None
    parts = []
    for table in tables:
        if table is None:
            continue
        here = (table.encoder == PRIMARY["encoder"]) & (table.sound == PRIMARY["sound"])
        reduces = table.way.map(lambda way: WAYS[way].reduces)
        here &= (table.kept == PRIMARY["kept"]) | reduces
        parts.append(table[here & (table.weight.isna() | (table.weight == WEIGHT))])
    both = pd.concat(parts, ignore_index=True)
    return both.drop_duplicates(["way", "target"], ignore_index=True)


# ---- one grid after the other --------------------------------------------------------------------


def grid_table(seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """The ways that train no network: encoder x components x sound x way x weight x target
    (`clusters.compare_ways`); E5 with the features alone."""
    parts = []
    for encoder, kept, sound, ways in grid_inputs():
        tracks = paired.songs(encoder, sound)
        named = {"encoder": encoder, "kept": str(kept), "sound": sound}
        every = [way for way in ways if way in EVERY_WEIGHT]
        once = [way for way in ways if way not in EVERY_WEIGHT]
        for some, weights in ((every, WEIGHTS), (once, (WEIGHT,))):
            if some:
                table = clusters.compare_ways(tracks, some, seeds, weights, kept, n_jobs)
                parts.append(table.assign(**named))
    return _first(pd.concat(parts, ignore_index=True), CHOICES)


def grid_inputs() -> Iterator[tuple[str, int | float, str, list[str]]]:
    """Encoder, components, sound, and the ways that are tried on them. A way that takes its own
    number of components is tried once an encoder and sound."""
    for encoder in ENCODERS:
        for sound in SOUNDS:
            for kept in COMPONENTS:
                ways = [name for name in QUICK if not WAYS[name].reduces or kept != KEPT]
                yield encoder, kept, sound, ways
    yield "e5", KEPT, "features", [*EVERY_WEIGHT]


def late_table(seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """The ways that train a network, on fewer inputs."""
    parts = []
    for encoder, kept, sound in NETWORK_INPUTS:
        table = clusters.compare_ways(
            paired.songs(encoder, sound), NETWORKS, seeds, kept=kept, n_jobs=n_jobs
        )
        parts.append(table.assign(encoder=encoder, kept=str(kept), sound=sound))
    return _first(pd.concat(parts, ignore_index=True), CHOICES)


def every_alone_table(seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """Sound by itself and words by themselves (`clusters.alone_table`): encoder, or sound, and
    kept."""
    parts = []
    for encoder in (*ENCODERS, "e5"):
        for kept in COMPONENTS:
            table = clusters.alone_table(paired.songs(encoder), seeds, kept, n_jobs)
            parts.append(table[table.block == "words"].assign(source=encoder, kept=str(kept)))
    for sound in SOUNDS:
        table = clusters.alone_table(paired.songs(sound=sound), seeds, n_jobs=n_jobs)
        parts.append(table[table.block == "sound"].assign(source=sound, kept="all"))
    return _first(pd.concat(parts, ignore_index=True), ["block", "source", "kept"])


def probe_table(seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """Probes (`probes.probe_scores`) of every encoder with every sound."""
    parts = []
    for encoder in (*ENCODERS, "e5"):
        for sound in SOUNDS:
            table = probes.probe_scores(paired.songs(encoder, sound), seeds, n_jobs=n_jobs)
            parts.append(table.assign(encoder=encoder, kept=str(KEPT), sound=sound))
    return _first(pd.concat(parts, ignore_index=True), CHOICES)


def retrieval_table(seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """Sound that looks for its words (`retrieval.retrieval`), by encoder and sound."""
    parts = []
    for encoder, sound, methods in RETRIEVAL_INPUTS:
        table = retrieval.retrieval(paired.songs(encoder, sound), seeds, methods, n_jobs=n_jobs)
        parts.append(table.assign(encoder=encoder, kept="32", sound=sound))
    return _first(pd.concat(parts, ignore_index=True), CHOICES)


def language_table(seeds: int) -> pd.DataFrame:
    """What the language is in the whole vectors of verses (six languages) and songs (two), and what
    taking it off does (`language.language_rows`): texts, encoder, and the genre or subject."""
    parts = []
    for encoder in (*ENCODERS, "e5"):
        tracks = paired.songs(encoder)
        codes = targets(tracks)
        labels = {name: codes[name] for name in ("genius_tag", "msd_genre")}
        rows = language.language_rows(
            tracks.text.to_numpy(),  # type: ignore[union-attr]
            tracks.labels["language"],
            labels,
            seeds,
        )
        parts.append(rows.assign(texts="songs", encoder=encoder, n=tracks.n))
        parts.append(verse_rows(encoder, seeds))
    return _first(pd.concat(parts, ignore_index=True), ["texts", "encoder", "n"])


def audible_table(seeds: int, n_jobs: int | None = None) -> pd.DataFrame:
    """The comparison of PRIMARY for every label, without the song whose preview is silent."""
    tracks = audible_songs(str(PRIMARY["encoder"]))
    table = clusters.compare_ways(tracks, [SIDE_BY_SIDE], seeds, (WEIGHT,), KEPT, n_jobs)
    named = {name: PRIMARY[name] for name in CHOICES}
    return _first(table.assign(**named), CHOICES)


def verse_rows(encoder: str, seeds: int) -> pd.DataFrame:
    """`language.language_rows` of the verses in the six languages that USE knows."""
    table = verses.verse_table()
    six = table[table.language != verses.APART]
    vectors = verses.committed_vectors(six, encoder)
    subject = np.unique(six.subject, return_inverse=True)[1]
    rows = language.language_rows(vectors, six.language.to_numpy(), {"subject": subject}, seeds)
    return rows.assign(texts="verses", encoder=encoder, n=len(six))


def _first(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """The table with these columns first."""
    return table[[*names, *table.columns.difference(names, sort=False)]]
