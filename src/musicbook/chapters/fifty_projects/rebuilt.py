"""Mistakes that recur in fifty projects, rebuilt from planted data, and what the audit says of
each.

No code and no data of any project is used. Page "Audit".
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from sklearn.cluster import DBSCAN, KMeans
from sklearn.metrics import normalized_mutual_info_score as nmi
from sklearn.metrics import silhouette_score

from helpers import store
from leakaudit import Report, examine
from leakaudit.leaks import standard
from leakaudit.spoilers import score_predictions
from musicbook.chapters.audit import specimens

K, N = 8, 400


class Rebuilt(NamedTuple):
    """A mistake: its name, what a project would report, what is left without it, and the report of
    the audit."""

    name: str
    reported: str
    without: str
    report: Report


def _songs(seed: int, apart: float = 0.6) -> tuple[np.random.Generator, np.ndarray, np.ndarray]:
    """A generator, classes (N,) and honest sound (N, 24)."""
    rng = np.random.default_rng([seed, 51])
    codes = rng.permutation(np.arange(N) % K)
    return rng, codes, specimens.sound(rng, codes, apart)[0].to_numpy()


def _clusters(X: np.ndarray, k: int = K, seed: int = 0) -> np.ndarray:
    return KMeans(k, n_init=3, random_state=seed).fit_predict(X)


def _table(sound: np.ndarray, **blocks: np.ndarray) -> pd.DataFrame:
    parts = [specimens.named("sound", sound)]
    parts += [specimens.named(name, values) for name, values in blocks.items()]
    return pd.concat(parts, axis=1)


def loud_label_columns(seed: int = 0) -> Rebuilt:
    """The one-hot label, times three, beside the sound; then PCA and K-Means."""
    _, codes, sound = _songs(seed)
    label = 3 * np.eye(K)[codes]
    both = nmi(codes, _clusters(np.hstack([standard(sound), label])))
    alone = nmi(codes, _clusters(standard(sound)))
    report = examine(_table(sound, tag=label), codes)
    return Rebuilt(
        "label columns, times three", f"NMI {both:.2f}", f"NMI {alone:.2f} from sound", report
    )


def texts_for_a_label(seed: int = 0) -> Rebuilt:
    """Three written sentences a class, as vectors with a little noise."""
    rng, codes, sound = _songs(seed)
    text = specimens.sentences_of(rng, codes)
    both = nmi(codes, _clusters(np.hstack([standard(sound), 3 * standard(text)])))
    alone = nmi(codes, _clusters(standard(sound)))
    report = examine(_table(sound, text=text), codes)
    return Rebuilt(
        "texts written for a class", f"NMI {both:.2f}", f"NMI {alone:.2f} from sound", report
    )


def half_repaired(seed: int = 0) -> Rebuilt:
    """The label columns are gone, and one sentence a class was left in."""
    rng, codes, sound = _songs(seed)
    text = rng.normal(size=(K, 32))[codes] / 6 + rng.normal(0, 0.03, (N, 32))
    both = nmi(codes, _clusters(np.hstack([standard(sound), standard(text)])))
    alone = nmi(codes, _clusters(standard(sound)))
    report = examine(_table(sound, text=text), codes)
    return Rebuilt(
        "label columns taken out, but a sentence for each class left in",
        f"NMI {both:.2f}",
        f"NMI {alone:.2f} from sound",
        report,
    )


def one_live_dimension(seed: int = 0) -> Rebuilt:
    """A latent of 32 dimensions, of which one lives, wins by its silhouette."""
    rng, codes, sound = _songs(seed)
    latent = rng.normal(size=(N, 32)) * np.r_[0.93, np.full(31, 0.01)]
    latent[:, 0] += 0.15 * standard(sound)[:, 0]
    found = _clusters(latent, 11)
    report = examine(specimens.named("z", latent), codes)
    return Rebuilt(
        "one live dimension of 32",
        f"silhouette {silhouette_score(latent, found):.2f}",
        f"NMI {nmi(codes, found):.2f}",
        report,
    )


def thirty_songs(seed: int = 0) -> Rebuilt:
    """Ten clusters of 30 songs: agreement by chance is high."""
    rng = np.random.default_rng([seed, 52])
    codes = np.arange(30) % 10
    X = rng.normal(size=(30, 6))
    found = _clusters(X, 10)
    score = score_predictions(found, codes, seed)
    report = examine(specimens.named("z", X), codes, predictions=found)
    return Rebuilt(
        "thirty songs, ten classes",
        f"NMI {score.nmi:.2f}",
        f"chance {score.nmi_chance:.2f}",
        report,
    )


def noise_left_out(seed: int = 0) -> Rebuilt:
    """DBSCAN on codes of a model that was given the label, scored on what it kept."""
    rng, codes, sound = _songs(seed)
    latent = 2 * np.eye(K)[codes] + rng.normal(0, 0.25, (N, K))
    found = DBSCAN(0.75, min_samples=8).fit_predict(latent)
    kept = found >= 0
    all_of_them = np.where(kept, found, found.max() + 1)
    report = examine(
        specimens.named("z", latent), codes, derived_from=specimens.named("sound", sound)
    )
    return Rebuilt(
        "the model was given the label; songs without a group were not counted",
        f"NMI {nmi(codes[kept], found[kept]):.2f} on {kept.mean():.0%} of the songs",
        f"NMI {nmi(codes, all_of_them):.2f} on all, "
        f"{nmi(codes, _clusters(standard(sound))):.2f} from sound",
        report,
    )


def class_unknown(seed: int = 0) -> Rebuilt:
    """A purity that is the share of the class Unknown."""
    rng, codes, sound = _songs(seed, apart=0.0)
    labels = np.where(rng.random(N) < 0.69, "Unknown", np.array(list("abcdefgh"))[codes])
    found = _clusters(standard(sound), 5)
    score = score_predictions(found, np.unique(labels, return_inverse=True)[1], seed)
    report = examine(specimens.named("sound", sound), labels, predictions=found)
    return Rebuilt(
        "a class called Unknown",
        f"purity {score.purity:.2f}",
        f"one cluster has {np.mean(labels == 'Unknown'):.2f}",
        report,
    )


def joined_wrongly(seed: int = 0) -> Rebuilt:
    """Codes from a shuffled loader beside labels in the order of the file."""
    rng, codes, sound = _songs(seed)
    shuffled = sound[rng.permutation(N)]
    right = nmi(codes, _clusters(standard(sound)))
    wrong = nmi(codes, _clusters(standard(shuffled)))
    report = examine(specimens.named("sound", shuffled), codes)
    return Rebuilt(
        "codes in shuffled order, labels in file order",
        f"NMI {wrong:.2f}",
        f"NMI {right:.2f} in order",
        report,
    )


MISTAKES = (
    loud_label_columns,
    texts_for_a_label,
    half_repaired,
    noise_left_out,
    one_live_dimension,
    thirty_songs,
    class_unknown,
    joined_wrongly,
)


def answer_in_short(report: Report) -> str:
    """What the audit says of a table, in a few words."""
    if report.active:
        return "; ".join(dict.fromkeys(one.kind for one in report.active))
    if report.questions:
        return "cannot tell: " + report.questions[-1].split(". ")[0].split(";")[0]
    return report.verdict


def rebuilt_table(seed: int = 0) -> pd.DataFrame:
    """Every mistake: what is reported, what is left without it, what the audit says."""
    return pd.DataFrame(store.remember(_rebuilt, seed)).set_index("mistake")


def _rebuilt(seed: int) -> dict[str, list[str]]:
    mistakes = [make(seed) for make in MISTAKES]
    return {
        "mistake": [one.name for one in mistakes],
        "what is reported": [one.reported for one in mistakes],
        "what is true": [one.without for one in mistakes],
        "the audit says": [answer_in_short(one.report) for one in mistakes],
    }
