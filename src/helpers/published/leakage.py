"""What the label in the input does to the published scores: ladders, shares, controls, thirty sentences found again.
Page "Leakage"; no audio, no training.

The runs are made by `grids`; every number derived here is recomputed from the stored labels by tests/test_published.py.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from .. import clustering, inputs, leaks, metrics, phases, tables
from ..audit import specimens
from ..datasets import Tracks, data_dir
from .store import Published

INPUT, NETWORK = "Input + K-Means", "Beta-VAE"
LADDERS = {  # headline score -> (phase, method, [(step, protocol, variant)]): one channel less from step to step
    "DBSCAN": (2, "DBSCAN", [
        ("released: three sentences per genre", "released", "full"),
        ("real lyrics instead", "released", "real lyrics"),
        ("no text, audio alone", "released", "audio alone"),
        ("controlled: weighted, real lyrics", "controlled", "full"),
        ("controlled, lyrics shuffled", "controlled", "lyrics shuffled"),
    ]),
    "Beta-VAE": (3, NETWORK, [
        ("released: one-hot genre and constant sentences", "released", "full"),
        ("one-hot genre removed", "released", "one-hot removed"),
        ("real lyrics instead of sentences", "released", "real lyrics"),
        ("real lyrics and no one-hot", "released", "real lyrics, no one-hot"),
        ("no text, no one-hot: audio alone", "released", "audio alone"),
        ("controlled: weighted, real lyrics", "controlled", "full"),
        ("controlled, lyrics shuffled", "controlled", "lyrics shuffled"),
    ]),
}  # fmt: skip
INPUTS = [  # six inputs of phase 3, the first three with ever less of the label: (name, protocol, variant)
    ("as released: sound, texts, one-hot genre", "released", "full"),
    ("the same without the one-hot", "released", "one-hot removed"),
    ("the same, real lyrics for the sentences", "released", "real lyrics, no one-hot"),
    ("real lyrics, weighted (controlled)", "controlled", "full"),
    ("the same, lyrics shuffled", "controlled", "lyrics shuffled"),
    ("sound alone", "controlled", "audio alone"),
]
WAYS = {  # with both of the label's channels, without one, without either
    "one-hot and sentences": "full", "sentences alone": "one-hot removed", "one-hot alone": "real lyrics",
    "neither": "real lyrics, no one-hot",
}  # fmt: skip
COLUMNS = ["input", "method", "mean", "low", "high", "leaky", "chance"]


def _bar(data: Published, protocol: str, phase: int, method: str, variant: str) -> dict:
    """Mean, sd, interval of the mean, chance, clusters, noise and leak mark of one method's NMI."""
    run = data.run(protocol, phase, variant)
    run = run[run.method == method]
    value = run.pivot_table(index="seed", columns="metric", values="value")
    low, high = data.interval(data.labels(protocol, phase, method, variant), "nmi")
    means = {"mean": value.nmi, "chance": value.nmi_chance, "k": value.k, "noise_share": value.noise_share}
    found = {name: column.mean() for name, column in means.items()}
    return found | {"sd": value.nmi.std(), "low": low, "high": high, "leaky": bool(run.leaky.any())}


def ladder(data: Published, headline: str) -> pd.DataFrame:
    """The steps of a headline score (LADDERS) as figures.waterfall wants them: step, mean, sd, low, high, chance, k,
    noise_share, leaky; NMI, its interval over tracks that of the mean over seeds."""
    phase, method, steps = LADDERS[headline]
    there = [step for step in steps if data.has(step[1], phase, method, step[2])]
    return pd.DataFrame([{"step": s} | _bar(data, p, phase, method, variant) for s, p, variant in there])


def by_input(data: Published) -> pd.DataFrame:
    """NMI of K-Means straight on each of INPUTS, and on the Beta-VAE's latent space of it, as plots.agreement wants it:
    COLUMNS, low and high the 95 % interval over tracks of the mean over seeds. The opening page's figure."""
    rows = [{"input": name, "method": method} | _bar(data, protocol, 3, method, variant)
            for name, protocol, variant in INPUTS for method in (INPUT, NETWORK)]  # fmt: skip
    return pd.DataFrame(rows)[COLUMNS]


def by_input_live(tracks: Tracks, seeds: int) -> pd.DataFrame:
    """The same of `tracks`, computed now, without the network; low and high are the range over seeds. Inputs that these
    tracks cannot have (no genres, none of GTZAN's, no lyrics) are left out. Page "Leakage"."""
    rows = []
    for name, protocol, variant in INPUTS if tracks.genres is not None else []:
        try:
            if variant != "audio alone" and "text" not in inputs.prepare(tracks, protocol, 3, guard=False).blocks:
                continue
            scores, _ = phases.controls(tracks, protocol, 3, seeds, [variant])
        except ValueError:  # genres without a sentence of their own, or an input that the guard refuses
            continue
        nmi, chance = (scores[scores.metric == metric].value for metric in ("nmi", "nmi_chance"))
        rows.append((name, INPUT, nmi.mean(), nmi.min(), nmi.max(), bool(scores.leaky.any()), chance.mean()))
    return pd.DataFrame(rows, columns=COLUMNS)


DOSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9, 1.0)


def by_dose(tracks: Tracks, seed: int = 0) -> pd.DataFrame:
    """How loud a leak of each dose is, and what it does: kind, dose (the share of tracks that the leak reaches, the
    others are told any genre), share, p and leaky (`leaks.effect`), and NMI with genre of K-Means on the sound and the
    leak, equally weighted; empty without genres. Page "Leakage"."""
    empty = pd.DataFrame({"kind": [], "dose": [], "share": [], "p": [], "leaky": np.empty(0, bool), "nmi": []})
    if tracks.genres is None:
        return empty
    _, first, track = np.unique(tracks.groups, return_index=True, return_inverse=True)
    codes, sound = tracks.genre_codes[first], tracks.features.to_numpy(dtype=float)
    kinds = {
        "one-hot genre": lambda rng, told: np.eye(told.max() + 1)[told],
        "three sentences a genre": specimens.sentences_of,
        "year of the genre": lambda rng, told: 1950 + 5 * told[:, None] + rng.normal(size=(len(told), 1)),
        "noise as loud as the genre": lambda rng, told: rng.normal(size=(len(told), 48)) * 1.5 ** told[:, None],
    }
    rows = []
    for kind, make in kinds.items():
        for dose in DOSES:
            rng = np.random.default_rng([seed, 5])
            block = make(rng, specimens.told(rng, codes, dose))[track]
            effect = leaks.effect(block, tracks.genres, tracks.groups, inputs.DRAWS, seed)
            X, _ = inputs.fuse({"audio": sound, "text": block}, {"audio": 1.0, "text": 1.0}, "blocks")
            found = clustering.cluster(X, "kmeans", codes.max() + 1, seed, n_init=3)
            if effect is not None:
                nmi = metrics.external(tracks.genres, found)["nmi"]
                rows.append((kind, dose, effect.share, effect.p, effect.leaky, nmi))
    return pd.DataFrame(rows, columns=empty.columns) if rows else empty


def shares(data: Published, method: str = INPUT) -> pd.DataFrame:
    """What the label's two channels in the released input of phase 3 contribute to NMI: the score with both, each one
    and neither (rows of WAYS), and each channel's share of the gain, the mean of what it adds first and what it adds
    last (Shapley 1953). "Without sentences" means real lyrics in their place."""
    value = {way: tables.mean_of(data.run("released", 3, variant), method, "nmi") for way, variant in WAYS.items()}
    both, sentences, one_hot, neither = value.values()
    credit = {"share of the one-hot": ((both - sentences) + (one_hot - neither)) / 2,
              "share of the sentences": ((both - one_hot) + (sentences - neither)) / 2}  # fmt: skip
    return pd.DataFrame({"NMI": value | credit}).rename_axis("The label in the input as")


def controls(data: Published, protocol: str, phase: int) -> pd.DataFrame:
    """K-Means straight on every input of `phase`, whole and one channel at a time: NMI and ARI as mean ± sd over seeds
    with the 95 % interval of that mean over tracks, columns of the input, chance."""
    s = data.scores
    s = s[(s.method == INPUT) & (s.protocol == protocol) & (s.phase == phase)]
    variants = sorted(set(s.variant), key=list(inputs.VARIANTS).index)
    table = tables.table(s.assign(method=s.variant), ["nmi", "ari", "dims", "nmi_chance"], variants)
    for metric in ("nmi", "ari"):
        found = [data.interval(data.labels(protocol, phase, INPUT, v), metric) for v in variants]
        table[tables.label_of(metric)] += [f" {tables.range_cell(*pair, 2)}" for pair in found]
    return table.rename_axis("Input")


def pure_clusters(data: Published) -> pd.DataFrame:
    """What DBSCAN found under `released`, one row a seed: k, noise, how many clusters are pure, how many genres split
    into three, its NMI, and the NMI that equal pure clusters of that number would have."""
    rows = []
    for labels in data.labels("released", 2, "DBSCAN"):
        kept = labels != -1
        table = metrics.counts(data.genres[kept], labels[kept])
        pure = table[:, (table > 0).sum(axis=0) == 1]
        g, k = table.shape
        rows.append({
            "k": k, "noise rows": int((~kept).sum()), "pure clusters": pure.shape[1],
            "genres in three": int(((pure > 0).sum(axis=1) == 3).sum()), "NMI": float(metrics.nmi(table)),
            "NMI by arithmetic": 2 * np.log(g) / (np.log(g) + np.log(k)),
        })  # fmt: skip
    return pd.DataFrame(rows).rename_axis("seed")


def coverage(data: Published) -> pd.DataFrame:
    """Where the borrowed lyrics of the published runs came from, by genre (the report of `lyrics.matched`): genre, tag,
    n_tracks, n_from_tag, n_from_rest; empty for tracks that have words of their own, or none."""
    reports = [run["lyrics"] for run in data.record["runs"].values() if run["lyrics"]]
    matched: list = next((report for report in reports if "n_reused" in report[0]), [])
    return pd.DataFrame(matched, columns=["genre", "tag", "n_tracks", "n_from_tag", "n_from_rest"])


def read_coverage(data: Published) -> str:
    """A sentence on how many tracks borrow a text of their own genre's tag, and which genres have few or none."""
    report = coverage(data)
    if report.empty:
        return "No lyrics were borrowed for these tracks."
    whole, none = report[report.n_from_rest == 0].genre, report[report.n_from_tag == 0].genre
    parts = [f"all of {', '.join(whole)}"] * bool(len(whole))
    parts += [f"{r.genre} {r.n_from_tag}" for r in report.itertuples() if r.n_from_tag and r.n_from_rest]
    parts += [f"none of {', '.join(none)}"] * bool(len(none))
    return (f"Only {report.n_from_tag.sum()} of {report.n_tracks.sum()} tracks borrow a text of their own genre's tag "
            f"({'; '.join(parts)}); the others take one of another tag.")  # fmt: skip


def author_facts() -> pd.DataFrame:
    """What the author's own files show, as we measured it on them (not our runs): name, value, what, source."""
    return pd.read_csv(data_dir() / "author_facts.csv").set_index("name")
