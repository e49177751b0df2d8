"""A game: plant a leak and watch the score, then guess which of six results is leaky.

Everything is computed when the page is built. Without JavaScript the tables are read as they are.
Page "Audit".
"""

from __future__ import annotations

import html
import json
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import HTML
from sklearn.cluster import KMeans
from sklearn.metrics import normalized_mutual_info_score

from helpers import store
from helpers.tables import joined_names
from leakaudit import examine
from leakaudit.kinds import KINDS, LABEL
from leakaudit.leaks import standard
from musicbook.chapters.audit import specimens
from musicbook.chapters.fifty_projects.findings import kinds_in
from musicbook.chapters.fifty_projects.rebuilt import answer_in_short

SCRIPT = Path(__file__).with_name("game.js").read_text()
STYLE = Path(__file__).with_name("game.css").read_text()
DOSES = (0.0, 0.3, 0.6, 1.0)
PLANTS = {
    "label columns": specimens.one_hot,
    "three sentences a class": specimens.three_sentences,
    "a year for each class": specimens.year,
}


def k_means_nmi(table: pd.DataFrame, labels: np.ndarray, seed: int = 0) -> float:
    """Agreement of K-Means with labels (n,), on standardised columns, as many clusters as
    classes."""
    Z = standard(table.fillna(table.mean()).to_numpy(float))
    clusters = KMeans(len(np.unique(labels)), n_init=3, random_state=seed).fit_predict(Z)
    return float(normalized_mutual_info_score(labels, clusters))


def planted_doses(seed: int = 0) -> pd.DataFrame:
    """For each kind of leak and dose: the score of K-Means, and what the audit says."""
    return pd.DataFrame(store.remember(_planted_doses, seed))


def _planted_doses(seed: int) -> dict[str, list]:
    rows = []
    for kind, make in PLANTS.items():
        for dose in DOSES:
            one = make(seed, dose=dose)
            report = examine(one.table, one.labels, seed=seed)
            nmi = k_means_nmi(one.table, one.labels)
            rows.append((kind, dose, nmi, answer_in_short(report)))
    return pd.DataFrame(rows, columns=["leak", "dose", "NMI", "the audit says"]).to_dict("list")


def six_results(seed: int = 0) -> pd.DataFrame:
    """Six results as a paper would report them, whether each is leaky, and what the audit says."""
    return pd.DataFrame(store.remember(_six_results, seed))


def _six_results(seed: int) -> dict[str, list]:
    strong, _ = specimens.sound(np.random.default_rng(5), np.repeat(np.arange(10), 40), 2.0)
    tables = {
        "24 numbers of sound, clearly different genres": (
            specimens.Specimen(strong, np.repeat(np.arange(10), 40)),
            False,
        ),
        "sound and the vectors of a text for each song": (specimens.three_sentences(3), True),
        "sound and the year of the album": (specimens.year(3, dose=0.7), True),
        "sound and each song's own words": (specimens.CLEAN["own words"](3), False),
        "sound, where some values are missing": (specimens.gaps(3), True),
        "sound, key and country": (specimens.CLEAN["words and counts"](3), False),
    }
    rows = []
    for name, (one, leaky) in tables.items():
        report = examine(one.table, one.labels, seed=seed)
        numbers = pd.get_dummies(one.table, dtype=float)
        rows.append((name, k_means_nmi(numbers, one.labels), leaky, answer_in_short(report)))
    columns = ["what went in", "NMI", "leaky", "the audit says"]
    return pd.DataFrame(rows, columns=columns).to_dict("list")


def limit_sentence(doses: pd.DataFrame) -> str:
    """At which of the DOSES the audit does not find the label, for each kind of planted leak, and
    what it notes there instead."""
    parts = []
    for leak, rows in doses.groupby("leak", sort=False):
        finds = np.array([_accuses(answer) for answer in rows["the audit says"]])
        missed = rows[(rows.dose > 0) & ~finds]
        if missed.empty:
            continue
        shares = joined_names([f"{dose:.0%}" for dose in missed.dose])
        parts.append(f"It does not find the leak *{leak}* at {shares} of the songs.")
        notes = [kind for answer in missed["the audit says"] for kind in kinds_in(answer)]
        if notes:
            named = joined_names([f"*{kind}*" for kind in dict.fromkeys(notes)])
            parts.append(f"There it notes {named} at most, which is no leak by itself.")
    if not parts:
        return "The audit finds the label in every share of the songs that we tried."
    return f"The audit can overlook a leak that reaches only some songs. {' '.join(parts)}"


def _accuses(answer: str) -> bool:
    """Whether an answer says that the label is in the input."""
    return any(KINDS[kind].area == LABEL for kind in kinds_in(answer))


def game(doses: pd.DataFrame, results: pd.DataFrame) -> HTML:
    """Both parts of the game as a piece of a page, from `planted_doses` and `six_results`."""
    data = {
        "doses": doses.round(2).to_dict("records"),
        "results": results.round(2).to_dict("records"),
    }
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    dose_rows = "".join(
        f"<tr><td>{html.escape(leak)}</td><td>{dose:.0%}</td><td>{nmi:.2f}</td>"
        f"<td>{html.escape(says)}</td></tr>"
        for leak, dose, nmi, says in doses.itertuples(index=False)
    )
    result_rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{nmi:.2f}</td>"
        f"<td>{'leaky' if leaky else 'honest'}: {html.escape(says)}</td></tr>"
        for name, nmi, leaky, says in results.itertuples(index=False)
    )
    return HTML(
        f'<style>{STYLE}</style><div class="leak-game">'
        f'<script type="application/json">{text}</script>'
        '<table class="doses"><caption>Plant a leak</caption><thead><tr><th>leak</th>'
        "<th>songs that it reaches</th><th>NMI of K-Means</th><th>the audit says</th></tr></thead>"
        f"<tbody>{dose_rows}</tbody></table>"
        '<table class="results"><caption>Which results are leaky?</caption><thead><tr>'
        "<th>what went in</th><th>NMI of K-Means</th><th>answer</th></tr></thead>"
        f"<tbody>{result_rows}</tbody></table></div><script>{SCRIPT}</script>"
    )
