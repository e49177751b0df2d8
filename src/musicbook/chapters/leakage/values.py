"""The named numbers of the page "Leakage": each channel's share of a score, and where the borrowed
lyrics came from."""

from __future__ import annotations

from musicbook.chapters.leakage import alike, attribution, explorers
from musicbook.named_values import LEAKY, Value, slug
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
    maps = {
        title: explorers.stored_map(runs, protocol, 3, "Beta-VAE").points
        for title, protocol in (("leaky", "released"), ("clean", "controlled"))
    }
    for title, row in alike.heard_alike(maps, runs.ids, runs.genres).iterrows():
        words = (
            "tracks whose nearest one is among the ten that sound most alike, "
            f"map {title}, data {folder}"
        )
        maps_file = f"data/results/{folder}/maps.npz"
        name = slug(folder, "alike", str(title))
        values[name] = Value(f"{row.among_most_alike:.0%}", words, maps_file, str(title))
    return values


def author_values() -> dict[str, Value]:
    """`author_<name>`: what the author's own published files show."""
    facts, source = attribution.author_facts(), "data/author_facts.csv"
    values = {}
    for name, row in facts.iterrows():
        text = f"{row.value:.0f}" if row.value == int(row.value) else f"{row.value:.3f}"
        values[slug("author", name)] = Value(text, row.what, source, name)
    units = facts.value["cvae_active_units"] / (1 - facts.value["cvae_dead_share"])
    words = "the author's CVAE: units of its code, active or not"
    values["author_cvae_units"] = Value(f"{units:.0f}", words, source, "cvae_dead_share")
    return values
