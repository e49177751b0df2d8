"""What the pages "Leakage" and "Results" show, computed from the published runs in data/results alone (no audio, no
training).

The runs are made by `grid`; every number derived here is recomputed from the stored labels by tests/test_published.py.
"""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from .. import inputs, metrics, phases, tables
from . import store
from ..datasets import Tracks
from ..phases import METHODS
from ..inputs import VARIANTS
from ..protocols import PROTOCOLS

LADDERS = {  # headline score -> (phase, method, [(step, protocol, variant)]): one channel less from step to step
    "DBSCAN": (2, "DBSCAN", [
        ("released: three sentences per genre", "released", "full"),
        ("real lyrics instead", "released", "real lyrics"),
        ("no text, audio alone", "released", "audio alone"),
        ("controlled: weighted, real lyrics", "controlled", "full"),
        ("controlled, lyrics shuffled", "controlled", "lyrics shuffled"),
    ]),
    "Beta-VAE": (3, "Beta-VAE", [
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


class Published:
    """The published runs of one data set: `scores` (tidy), `record` (provenance), `genres` and `ids` (n,), and the
    labels of every run by `labels(protocol, phase, method, variant)`. FileNotFoundError says how to make them."""

    def __init__(self, dataset: str = "gtzan"):
        self.scores, self.record = store.load(dataset)
        self.folder = store.published(dataset)
        with np.load(self.folder / "labels.npz") as stored:
            self._labels = dict(stored)
        self.genres, self.ids = self._labels.pop("genres"), self._labels.pop("ids")

    def labels(self, protocol: str, phase: int, method: str, variant: str = "full") -> np.ndarray:
        """Labels (n_seeds, n) of one method; KeyError where the grid has no such run."""
        return self._labels[f"{protocol}-{phase}-{variant.replace(' ', '_').replace(',', '')}/{method}"].astype(int)

    def archive(self, name: str) -> dict[str, np.ndarray]:
        """All arrays of `maps` or `histories`."""
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def run(self, protocol: str, phase: int, variant: str = "full") -> pd.DataFrame:
        """The tidy scores of one run."""
        s = self.scores
        return s[(s.protocol == protocol) & (s.phase == phase) & (s.variant == variant)]

    def interval(self, labels: np.ndarray, metric: str, n_resamples: int = 200) -> tuple[float, float]:
        """95 % interval of a score (nmi, ari, purity; noise left out) over tracks and seeds drawn anew, for labels
        (n_seeds, n)."""
        low, high = metrics.bootstrap(self.genres, labels, SCORES[metric], n_resamples=n_resamples)
        return max(low, -1.0), min(high, 1.0)


TOLD = "reproduced, by a model that is told the genre"
SCORES = {"nmi": normalized_mutual_info_score, "ari": adjusted_rand_score, "purity": metrics.purity}


def ladder(data: Published, headline: str) -> pd.DataFrame:
    """The steps of a headline score (LADDERS) as plots.waterfall wants them: step, mean, sd, low, high, chance, k,
    noise_share, leaky; NMI with its interval over tracks and seeds."""
    phase, method, steps = LADDERS[headline]
    rows = []
    for step, protocol, variant in steps:
        run = data.run(protocol, phase, variant)
        run = run[run.method == method]
        value = run.pivot_table(index="seed", columns="metric", values="value")
        low, high = data.interval(data.labels(protocol, phase, method, variant), "nmi")
        rows.append(
            {
                "step": step,
                "mean": value.nmi.mean(),
                "sd": value.nmi.std(),
                "low": low,
                "high": high,
                "chance": value.nmi_chance.mean(),
                "k": value.k.mean(),
                "noise_share": value.noise_share.mean(),
                "leaky": bool(run.leaky.any()),
            }
        )
    return pd.DataFrame(rows)


COLUMNS = ["input", "method", "mean", "low", "high", "leaky", "chance"]


def inputs(data: Published) -> pd.DataFrame:
    """NMI of K-Means straight on each of INPUTS, and on the Beta-VAE's latent space of it, as plots.agreement wants it:
    input, method, mean, low, high (95 % interval over tracks and seeds), leaky, chance. The opening page's figure."""
    rows = []
    for name, protocol, variant in INPUTS:
        for method in ("Input + K-Means", "Beta-VAE"):
            run = data.run(protocol, 3, variant)
            run = run[run.method == method]
            low, high = data.interval(data.labels(protocol, 3, method, variant), "nmi")
            mean, chance = (tables.mean_of(run, method, metric) for metric in ("nmi", "nmi_chance"))
            rows.append((name, method, mean, low, high, bool(run.leaky.any()), chance))
    return pd.DataFrame(rows, columns=COLUMNS)


def inputs_live(tracks: Tracks, seeds: int) -> pd.DataFrame:
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
        leaky = bool(scores.leaky.any())
        rows.append((name, "Input + K-Means", nmi.mean(), nmi.min(), nmi.max(), leaky, chance.mean()))
    return pd.DataFrame(rows, columns=COLUMNS)


def controls(data: Published, protocol: str, phase: int) -> pd.DataFrame:
    """K-Means straight on every input of `phase`, whole and one channel at a time: NMI and ARI as mean ± sd over seeds
    with their 95 % interval over tracks and seeds, columns of the input, chance."""
    s = data.scores
    s = s[(s.method == "Input + K-Means") & (s.protocol == protocol) & (s.phase == phase)]
    variants = sorted(set(s.variant), key=list(VARIANTS).index)
    table = tables.table(s.assign(method=s.variant), ["nmi", "ari", "dims", "nmi_chance"], variants)
    for metric in ("nmi", "ari"):
        found = [data.interval(data.labels(protocol, phase, "Input + K-Means", v), metric) for v in variants]
        table[tables.LABELS[metric]] += [tables.interval_cell(*pair) for pair in found]
    return table.rename_axis("Input")


def pure_clusters(data: Published) -> pd.DataFrame:
    """What DBSCAN found under `released`, one row a seed: k, noise, how many clusters are pure, how many genres split
    into three, its NMI, and the NMI that equal pure clusters of that number would have."""
    rows = []
    for seed, labels in enumerate(data.labels("released", 2, "DBSCAN")):
        kept = labels != -1
        table = pd.crosstab(data.genres[kept], labels[kept])
        pure = (table > 0).sum(axis=0) == 1
        per_genre = (table.loc[:, pure] > 0).sum(axis=1)
        rows.append(
            {
                "seed": seed,
                "k": table.shape[1],
                "noise rows": int((~kept).sum()),
                "pure clusters": int(pure.sum()),
                "genres in three": int((per_genre == 3).sum()),
                "NMI": metrics.external(data.genres[kept], labels[kept])["nmi"],
                "NMI by arithmetic": 2 * np.log(table.shape[0]) / (np.log(table.shape[0]) + np.log(table.shape[1])),
            }
        )
    return pd.DataFrame(rows).set_index("seed")


@lru_cache(maxsize=8)
def compare(data: Published, phase: int) -> pd.DataFrame:
    """paper | released | written | controlled for every row of the paper's table of `phase`: mean ± sd over seeds, 95 %
    interval for the scores against genres, difference from the paper in units of our seed spread (released), verdict in
    words."""
    paper = tables.paper_tables().query("phase == @phase")
    summary = {p: tables.summarise(data.run(p, phase)).set_index(["method", "metric"]) for p in PROTOCOLS}
    rows = []
    for row in paper.itertuples():
        cells = {
            "Method": row.method,
            "Metric": tables.LABELS[row.metric],
            "Paper": tables.cell(row.value, float("nan"), row.metric),
        }
        for protocol in ("released", "written", "controlled"):
            ours = summary[protocol].loc[(row.method, row.metric)]
            text = tables.cell(ours["mean"], ours.sd, row.metric)
            if row.metric in ("nmi", "ari", "purity"):
                found = data.interval(data.labels(protocol, phase, row.method), row.metric, 100)
                text += tables.interval_cell(*found)
            cells[protocol + (" (LEAKY)" if ours.leaky else "")] = text
        ours = summary["released"].loc[(row.method, row.metric)]
        cells["(Paper − released) / sd"] = f"{(row.value - ours['mean']) / ours.sd:+.1f}" if ours.sd > 0 else "–"
        cells["Verdict"] = verdict(row.value, {p: summary[p].loc[(row.method, row.metric)] for p in PROTOCOLS})
        if row.method == "CVAE" and cells["Verdict"] == "reproduced":
            cells["Verdict"] = TOLD  # no leak in its input, but the network is handed the genre beside it
        rows.append(cells)
    table = pd.DataFrame(rows).set_index(["Method", "Metric"])
    return table[["Paper", "Verdict", *[name for name in table.columns if name not in ("Paper", "Verdict")]]]


def verdict(paper: float, ours: dict[str, pd.Series]) -> str:
    """The paper's value against all three protocols: "reproduced" when a run without leakage holds it, else "reproduced
    only with leakage" when a leaky one does, else "not reproduced" (`tables.verdict`, two standard deviations)."""
    words = [tables.verdict(paper, o["mean"], o.sd, bool(o.leaky)) for o in ours.values()]
    return min(words, key=["reproduced", "reproduced only with leakage", "not reproduced", "not defined"].index)


def missed(data: Published) -> list[str]:
    """One sentence for each row of the paper's tables whose value lies outside mean ± 2 sd of the released runs."""
    found = []
    for phase, methods in METHODS.items():
        summary = tables.summarise(data.run("released", phase)).set_index(["method", "metric"])
        for method in methods:
            rows = tables.paper_tables().query(
                "phase == @phase and method == @method and metric in ['silhouette', 'nmi', 'ari']"
            )
            for row in rows.itertuples():
                ours = summary.loc[(method, row.metric)]
                if tables.verdict(row.value, ours["mean"], ours.sd, False) != "reproduced":
                    found.append(
                        f"{method} (Table {phase}), {tables.LABELS[row.metric]}: paper {row.value:.3f}, "
                        f"ours {tables.cell(ours['mean'], ours.sd)}"
                    )
    return found


def differences(data: Published) -> pd.DataFrame:
    """Paired-bootstrap differences in NMI, tracks and seeds drawn anew: "VAE against PCA" per phase without leakage,
    and "with lyrics against without" and "with lyrics against shuffled" under `controlled`."""
    pca, cut = "PCA + K-Means", "VAE + K-Means (PCA, as many dims)"
    pairs = {  # name: protocol, phase, (method, variant), (method, variant)
        "VAE − PCA, phase 1": ("controlled", 1, ("VAE + K-Means", "full"), (pca, "full")),
        "VAE − PCA at as many dims, phase 1": ("controlled", 1, ("VAE + K-Means", "full"), (cut, "full")),
        "Beta-VAE − PCA, phase 3": ("controlled", 3, ("Beta-VAE", "full"), (pca, "full")),
        "Beta-VAE − PCA, phase 3, released (LEAKY)": ("released", 3, ("Beta-VAE", "full"), (pca, "full")),
    }
    for phase, method in ((2, "K-Means"), (3, "Beta-VAE")):
        for other in ("audio alone", "lyrics shuffled"):
            name = f"with lyrics − {other}, phase {phase} {method}"
            pairs[name] = ("controlled", phase, (method, "full"), (method, other))
    rows = []
    for name, (protocol, phase, *sides) in pairs.items():
        one, two = (list(data.labels(protocol, phase, *side)) for side in sides)
        point, low, high = metrics.paired_bootstrap(data.genres, one, two, n_resamples=200)
        word = "no difference can be told" if low <= 0 <= high else ("higher" if point > 0 else "lower")
        rows.append(
            {
                "Difference in NMI": name,
                "mean": f"{point:+.3f}",
                "95 % interval": f"[{low:+.3f}, {high:+.3f}]",
                "reads": word,
            }
        )
    return pd.DataFrame(rows).set_index("Difference in NMI")


def faults(data: Published) -> tuple[pd.DataFrame, dict]:
    """Scores of phase 1 on all tracks, without replicas, and fault-filtered; and what was found (counts, nearest
    pairs)."""
    return pd.read_csv(data.folder / "faults.csv"), json.loads((data.folder / "faults.json").read_text())


def read_verdicts(data: Published) -> str:
    """A sentence that counts the verdicts of `compare` over the three tables and names the methods whose values hold
    without the genre in the input."""
    words = pd.concat([compare(data, phase)["Verdict"] for phase in METHODS])
    counts = words.value_counts()
    parts = [f"{n} {word}" for word, n in counts.items()]
    clean = sorted({f"{method}" for (method, _), word in words.items() if word == "reproduced"})
    held = (
        f" Values that hold without the genre in the input belong to: {', '.join(clean)}."
        if clean
        else " No value holds without the genre in the input."
    )
    return f"Of the {len(words)} values in the paper's three tables: {', '.join(parts)}." + held


def read_faults(scores: pd.DataFrame) -> str:
    """A sentence on whether removing GTZAN's faults changes who is ahead in phase 1, by NMI and by silhouette."""
    means = scores.pivot_table(index="dataset", columns=["metric", "method"], values="value", sort=False)
    parts = []
    for metric in ("nmi", "silhouette"):
        ahead = {
            name: max(("VAE + K-Means", "PCA + K-Means"), key=lambda m: row[(metric, m)])
            for name, row in means.iterrows()
        }
        same = len(set(ahead.values())) == 1
        who = f"{next(iter(ahead.values()))} is ahead on every subset" if same else f"who is ahead changes ({ahead})"
        spread = np.ptp(means[metric].to_numpy(), axis=0).max()
        parts.append(f"by {tables.LABELS[metric]} {who}, and no mean moves by more than {spread:.3f}")
    return "Without the faults: " + "; ".join(parts) + "."
