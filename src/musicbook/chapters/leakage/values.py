"""The named numbers of the page "Leakage": each channel's share of a score, and where the borrowed
lyrics came from."""

from __future__ import annotations

import numpy as np

from helpers import tables
from musicbook.chapters.leakage import alike, attribution, explorers
from musicbook.named_values import LEAKY, Value, signed, slug
from musicbook.stored_runs import Published

CHANNELS = {  # row of `attribution.shares` -> what a reader calls it
    "share of the one-hot": "the label columns",
    "share of the sentences": "the sentences written by genre",
}


def leakage_values(runs: Published) -> dict[str, Value]:
    """`<data>_share_of_the_sentences`, `<data>_lyrics_of_their_tag` and the like; none where the
    runs of phase 3 are not all there."""
    if not runs.has("released", 3, attribution.INPUT, "one-hot removed"):
        return {}
    folder = runs.folder.name
    scores = f"data/results/{folder}/scores.csv.gz"
    record = f"data/results/{folder}/provenance.json"
    values: dict[str, Value] = {}
    shares = attribution.shares(runs).NMI
    for row, channel in CHANNELS.items():
        words = f"what {channel} add to the NMI of K-Means (Shapley value), data {folder}"
        values[slug(folder, row)] = Value(f"{shares[row]:.3f}", words, scores, row, LEAKY)
    report = attribution.coverage(runs)
    counts = {
        "lyrics of their tag": (
            report.n_from_tag.sum(),
            "tracks that borrow a text of the tag of their genre",
        ),
        "lyrics tracks": (report.n_tracks.sum(), "tracks that borrow a text"),
    }
    for name, (count, words) in counts.items():
        values[slug(folder, name)] = Value(str(count), f"{words}, data {folder}", record, "lyrics")
    values |= _gain_of_lyrics(runs)
    maps = {
        title: explorers.stored_map(runs, protocol, 3, "Beta-VAE").points
        for title, protocol in (("leaky", "released"), ("clean", "controlled"))
    }
    for title, row in alike.heard_alike(maps, runs.ids, runs.genres).iterrows():
        words = (
            "tracks whose nearest one on the map is among the ten that sound most alike, "
            f"map {title}, data {folder}"
        )
        maps_file = f"data/results/{folder}/maps.npz"
        name = slug(folder, "alike", str(title))
        values[name] = Value(f"{row.among_most_alike:.0%}", words, maps_file, str(title))
    return values


def _gain_of_lyrics(runs: Published) -> dict[str, Value]:
    """`<data>_controlled_gain_of_lyrics`: what borrowed lyrics add to the NMI of K-Means."""
    inputs_of_k_means = [runs.run("controlled", 3, variant) for variant in ("full", "audio alone")]
    with_lyrics, without = (
        tables.mean_of(run, attribution.INPUT, "nmi") for run in inputs_of_k_means
    )
    if not np.isfinite([with_lyrics, without]).all():
        return {}
    folder = runs.folder.name
    words = (
        "NMI of K-Means on sound with borrowed lyrics minus that on sound alone, controlled "
        f"protocol, phase 3, data {folder}"
    )
    source = f"data/results/{folder}/scores.csv.gz"
    text = signed(with_lyrics - without)
    name = slug(folder, "controlled gain of lyrics")
    return {name: Value(text, words, source, "controlled-3-full")}


def author_values() -> dict[str, Value]:
    """`author_<name>`: what the author's own published files show."""
    facts, source = attribution.author_facts(), "data/author_facts.csv"
    values = {}
    for name, row in facts.iterrows():
        digits = 3
        if abs(row.value) >= 1:
            digits = 2
        if abs(row.value) >= 10:
            digits = 1
        if row.value == int(row.value):
            digits = 0
        text = f"{row.value:.{digits}f}"
        values[slug("author", name)] = Value(text, row.what, source, name)
    units = facts.value["cvae_active_units"] / (1 - facts.value["cvae_dead_share"])
    words = "the author's CVAE: units of its code, active or not"
    values["author_cvae_units"] = Value(f"{units:.0f}", words, source, "cvae_dead_share")
    return values
