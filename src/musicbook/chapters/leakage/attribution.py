"""What the label in the input does to the published scores: one channel taken away after another.

Used by the page "Leakage" and the opening page. It reads stored runs (`make_results` makes them);
tests/musicbook/test_published.py computes every number here again from the stored labels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from helpers import clustering, inputs, metrics, tables
from helpers.tracks import Tracks, data_dir
from leakaudit import leaks
from musicbook.chapters.audit import specimens
from musicbook.named_values import Value, score_name
from musicbook.stored_runs import Published

INPUT, NETWORK = "Input + K-Means", "Beta-VAE"
# headline score -> (phase, method, [(step, protocol, variant)]): one channel less from step to step
LADDERS = {
    "DBSCAN": (
        2,
        "DBSCAN",
        [
            ("released: three sentences per genre", "released", "full"),
            ("real lyrics instead", "released", "real lyrics"),
            ("no text, audio alone", "released", "audio alone"),
            ("controlled: weighted, real lyrics", "controlled", "full"),
            ("controlled, lyrics shuffled", "controlled", "lyrics shuffled"),
        ],
    ),
    "Beta-VAE": (
        3,
        NETWORK,
        [
            ("released: label columns and sentences", "released", "full"),
            ("without the label columns", "released", "one-hot removed"),
            ("real lyrics instead of the sentences", "released", "real lyrics"),
            ("neither: real lyrics, no label columns", "released", "real lyrics, no one-hot"),
            ("released, sound alone", "released", "audio alone"),
            ("controlled: weighted, real lyrics", "controlled", "full"),
            ("controlled, sound alone", "controlled", "audio alone"),
        ],
    ),
}
# six inputs of phase 3, the first three with ever less of the label: (name, protocol, variant)
INPUTS = [
    ("as released: sound, texts, one-hot genre", "released", "full"),
    ("the same without the one-hot", "released", "one-hot removed"),
    ("the same, real lyrics for the sentences", "released", "real lyrics, no one-hot"),
    ("real lyrics, weighted (controlled)", "controlled", "full"),
    ("the same, lyrics shuffled", "controlled", "lyrics shuffled"),
    ("sound alone (controlled)", "controlled", "audio alone"),
]
BETA_VAES = [  # protocol, variant and input of the scores of a Beta-VAE that the book quotes
    ("released", "full", "sound, label columns, texts (in five genres one sentence each)"),
    ("released", "one-hot removed", "sound, texts (in five genres one sentence each)"),
    ("released", "real lyrics", "sound, label columns, lyrics of other songs"),
    ("released", "real lyrics, no one-hot", "sound and lyrics of other songs"),
    ("released", "audio alone", "sound alone"),
    ("written", "full", "sound and lyrics of other songs"),
    ("controlled", "full", "sound and lyrics of other songs"),
    ("controlled", "audio alone", "sound alone"),
]
WAYS = {  # with both of the label's channels, without one, without either
    "one-hot and sentences": "full",
    "sentences, no one-hot": "one-hot removed",
    "one-hot, no sentences": "real lyrics",
    "neither": "real lyrics, no one-hot",
}


def _bar(data: Published, protocol: str, phase: int, method: str, variant: str) -> dict:
    """Mean, sd, interval of the mean, chance, clusters, noise and leak mark of one method's NMI."""
    run = data.run(protocol, phase, variant)
    run = run[run.method == method]
    by_seed = run.pivot_table(index="seed", columns="metric", values="value")
    low, high = data.interval(data.labels(protocol, phase, method, variant), "nmi")
    return {
        "mean": by_seed.nmi.mean(),
        "sd": by_seed.nmi.std(),
        "low": low,
        "high": high,
        "chance": by_seed.nmi_chance.mean(),
        "k": by_seed.k.mean(),
        "noise_share": by_seed.noise_share.mean(),
        "leaky": bool(run.leaky.any()),
    }


def ladder(data: Published, headline: str) -> pd.DataFrame:
    """The steps of a headline score (LADDERS) for `figures.waterfall`: step, mean, sd, low, high,
    chance, k, noise_share, leaky. NMI; low and high are the 95 % interval of the mean over
    seeds."""
    phase, method, steps = LADDERS[headline]
    rows = []
    for step, protocol, variant in steps:
        if data.has(protocol, phase, method, variant):
            rows.append({"step": step} | _bar(data, protocol, phase, method, variant))
    return pd.DataFrame(rows)


def scores_by_input(data: Published) -> pd.DataFrame:
    """NMI of K-Means straight on each of INPUTS, and on the Beta-VAE's code of it, for
    `plots.agreement_bars`: input, method, mean, low, high, leaky, chance; low and high are the 95 %
    interval of the mean over seeds."""
    columns = ["mean", "low", "high", "leaky", "chance"]
    rows = []
    for name, protocol, variant in INPUTS:
        for method in (INPUT, NETWORK):
            bar = _bar(data, protocol, 3, method, variant)
            rows.append({"input": name, "method": method} | {key: bar[key] for key in columns})
    return pd.DataFrame(rows)


def beta_vae_scores(data: Published, values: Mapping[str, Value], paper: float) -> pd.DataFrame:
    """The scores that go by the name of the Beta-VAE, from the named `values`: protocol, input,
    data and NMI, the paper's first."""
    rows = [("the paper", BETA_VAES[0][2], "gtzan", f"{paper:.3f}")]
    folder = data.folder.name
    for protocol, variant, words in BETA_VAES:
        name = score_name(folder, protocol, 3, variant, NETWORK, "nmi")
        if name in values:
            rows.append((protocol, words, folder, values[name].text))
    return pd.DataFrame(rows, columns=["Protocol", "Input", "Data", "NMI"]).set_index("Protocol")


DOSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)
Plant = Callable[[np.random.Generator, np.ndarray], np.ndarray]


def _one_hot(rng: np.random.Generator, genre: np.ndarray) -> np.ndarray:
    return np.eye(genre.max() + 1)[genre]


def _year(rng: np.random.Generator, genre: np.ndarray) -> np.ndarray:
    return 1950 + 5 * genre[:, None] + rng.normal(size=(len(genre), 1))


def _noise_level(rng: np.random.Generator, genre: np.ndarray) -> np.ndarray:
    return rng.normal(size=(len(genre), 48)) * 1.5 ** genre[:, None]


PLANTS: dict[str, Plant] = {  # each makes a block from the genre (n_tracks,) that it is given
    "one-hot genre": _one_hot,
    "three sentences for each genre": specimens.sentences_of,
    "a year for each genre": _year,
    "noise that is louder in some genres": _noise_level,
}


def by_dose(tracks: Tracks, seed: int = 0) -> pd.DataFrame:
    """What a leak of each dose does: kind, dose, share, p and leaky (`leaks.effect`), and NMI with
    genre of K-Means on sound and leak, equally weighted. Empty without genres.

    The dose is the share of tracks that get their true genre; the others get a random one.
    """
    columns = ["kind", "dose", "share", "p", "leaky", "nmi"]
    if tracks.genres is None:
        return pd.DataFrame({name: [] for name in columns}).astype({"leaky": bool})
    _, first, track = np.unique(tracks.groups, return_index=True, return_inverse=True)
    codes = tracks.genre_codes[first]
    sound = tracks.features.to_numpy(dtype=float)
    rows = []
    for kind, plant in PLANTS.items():
        for dose in DOSES:
            rng = np.random.default_rng([seed, 5])
            block = plant(rng, specimens.labelled(rng, codes, dose))[track]
            effect = leaks.effect(block, tracks.genres, tracks.groups, inputs.DRAWS, seed)
            if effect is None:
                continue
            weights = {"audio": 1.0, "text": 1.0}
            X, *_ = inputs.fuse({"audio": sound, "text": block}, weights, "blocks")
            labels = clustering.cluster(X, "kmeans", codes.max() + 1, seed, n_init=3)
            nmi = metrics.external(tracks.genres, labels)["nmi"]
            rows.append((kind, dose, effect.share, effect.p, effect.leaky, nmi))
    return pd.DataFrame(rows, columns=columns)


def shares(data: Published, method: str = INPUT) -> pd.DataFrame:
    """What the label's two channels in the released input of phase 3 contribute to NMI: the score
    with both, with each one and with neither (rows of WAYS), and each channel's share.

    A share is the mean of what the channel adds first and what it adds last (Shapley 1953).
    "Without sentences" means real lyrics in their place.
    """
    score = {}
    for way, variant in WAYS.items():
        score[way] = tables.mean_of(data.run("released", 3, variant), method, "nmi")
    both, sentences = score["one-hot and sentences"], score["sentences, no one-hot"]
    one_hot, neither = score["one-hot, no sentences"], score["neither"]
    score["share of the one-hot"] = ((both - sentences) + (one_hot - neither)) / 2
    score["share of the sentences"] = ((both - one_hot) + (sentences - neither)) / 2
    return pd.DataFrame({"NMI": score}).rename_axis("The label in the input as")


def control_table(data: Published, protocol: str, phase: int) -> pd.DataFrame:
    """K-Means straight on every input of `phase`, whole and one channel at a time: NMI as mean ± sd
    over seeds with the 95 % interval of that mean, columns of the input, and NMI by chance. Where
    the label columns stay beside real lyrics, the name of the row says so."""
    scores = data.scores
    here = (scores.method == INPUT) & (scores.protocol == protocol) & (scores.phase == phase)
    scores = scores[here]
    variants = sorted(set(scores.variant), key=list(inputs.VARIANTS).index)
    named = scores.assign(method=scores.variant)
    table = tables.score_table(named, ["nmi", "dims", "nmi_chance"], variants)
    ranges = []
    for variant in variants:
        low, high = data.interval(data.labels(protocol, phase, INPUT, variant), "nmi")
        ranges.append(f" {tables.range_cell(low, high, 2)}")
    table[tables.label_of("nmi")] += ranges
    if phase == 3:
        kept = ("real lyrics", "real lyrics (LEAKY)")
        names = {name: name.replace("real lyrics", "real lyrics, with one-hot") for name in kept}
        table = table.rename(index=names)
    return table.rename_axis("Input")


def pure_clusters(data: Published) -> pd.DataFrame:
    """What DBSCAN finds under `released`, one row a seed: k, noise rows, pure clusters, genres that
    split into three, NMI, and the NMI that equal pure clusters of that number would have."""
    rows = []
    for labels in data.labels("released", 2, "DBSCAN"):
        kept = labels != -1
        counts = metrics.counts(data.genres[kept], labels[kept])
        pure = counts[:, (counts > 0).sum(axis=0) == 1]
        genres, k = counts.shape
        in_three = (pure > 0).sum(axis=1) == 3
        rows.append(
            {
                "k": k,
                "noise rows": int((~kept).sum()),
                "pure clusters": pure.shape[1],
                "genres in three": int(in_three.sum()),
                "NMI": float(metrics.nmi(counts)),
                "NMI by arithmetic": 2 * np.log(genres) / (np.log(genres) + np.log(k)),
            }
        )
    return pd.DataFrame(rows).rename_axis("seed")


def pure_words(pure: pd.DataFrame) -> str:
    """How many clusters DBSCAN finds on average, and how many of them hold one genre only, from
    `pure_clusters`."""
    counted = f"{pure.k.mean():.1f} clusters"
    if (pure["pure clusters"] == pure.k).all():
        return f"{counted} on average, and every one of them is pure"
    return f"{counted} on average, and {pure['pure clusters'].mean():.1f} of them are pure"


def labels_by_seed(labels: dict[str, np.ndarray]) -> dict[int, dict[str, np.ndarray]]:
    """{method: labels (n_seeds, n)} turned into {seed: {method: labels (n,)}}, for
    `tables.by_text_kind`; a seed that a method lacks is left out of its entries."""
    seeds = max(len(runs) for runs in labels.values())
    turned: dict[int, dict[str, np.ndarray]] = {}
    for seed in range(seeds):
        turned[seed] = {method: runs[seed] for method, runs in labels.items() if seed < len(runs)}
    return turned


def coverage(data: Published) -> pd.DataFrame:
    """Where the borrowed lyrics of the published runs came from, by genre (the report of
    `lyrics.matched`): genre, tag, n_tracks, n_from_tag, n_from_rest; empty for tracks that have
    words of their own, or none."""
    matched: list = []
    for run in data.record["runs"].values():
        if run["lyrics"] and "n_reused" in run["lyrics"][0]:
            matched = run["lyrics"]
            break
    return pd.DataFrame(matched, columns=["genre", "tag", "n_tracks", "n_from_tag", "n_from_rest"])


def read_coverage(data: Published) -> str:
    """A sentence on how many tracks borrow a text of the tag of their own genre."""
    report = coverage(data)
    if report.empty:
        return "No lyrics were borrowed for these tracks."
    matching = report.n_from_tag.sum()
    return (
        f"Only {matching} of {report.n_tracks.sum()} tracks could borrow a text with the tag of "
        "their genre. (A tag is the genre that the collection of lyrics gives to a text.) The "
        "others borrowed a text with another tag."
    )


def author_facts() -> pd.DataFrame:
    """What the author's own files show, as we measured it on them (not our runs): name, value,
    what, source."""
    return pd.read_csv(data_dir() / "author_facts.csv").set_index("name")
