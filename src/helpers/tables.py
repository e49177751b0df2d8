"""Tables of results: summaries, the comparison with the paper, and the published runs on disk with their provenance.

A table of scores is tidy: protocol, phase, dataset, variant, method, seed, metric, value, leaky (`experiments.run`).
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import numpy as np
import pandas as pd

from . import metrics
from .datasets import Tracks, data_dir
from .inputs import ModelInput as Inputs
from .cache import write_atomically as write
from .lyrics import CONSTANTS

KEYS = ["protocol", "phase", "dataset", "variant", "method"]
LABELS = {
    "silhouette": "Silhouette",
    "calinski_harabasz": "Calinski-Harabasz",
    "davies_bouldin": "Davies-Bouldin ↓",
    "ari": "ARI",
    "nmi": "NMI",
    "ami": "AMI",
    "v_measure": "V",
    "purity": "Purity",
    "accuracy": "Accuracy",
    "k": "k",
    "n": "N",
    "dims": "Dimensions",
    "noise_share": "Noise share",
    "nmi_chance": "NMI by chance",
    "nmi_noise_cluster": "NMI, noise one cluster",
    "nmi_noise_singletons": "NMI, noise singletons",
    "ari_noise_cluster": "ARI, noise one cluster",
    "ari_noise_singletons": "ARI, noise singletons",
    "silhouette_common": "Silhouette, common space",
}
PAPER_METRICS = {
    1: ["silhouette", "calinski_harabasz", "ari", "nmi"],
    2: ["silhouette", "davies_bouldin", "ari", "nmi"],
    3: ["silhouette", "nmi", "ari", "purity", "davies_bouldin"],
}  # the columns of Tables 1, 2 and 3
PACKAGES = ("numpy", "scikit-learn", "torch", "librosa", "sentence-transformers", "pandas")


def paper_tables() -> pd.DataFrame:
    """Tables 1-3 of the paper, tidy: phase, method, metric, value (three decimals, as printed)."""
    return pd.read_csv(data_dir() / "paper_tables.csv")


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation over seeds (ddof 1; NaN for one seed), number of seeds and leak mark of every score."""
    grouped = scores.groupby([*KEYS, "metric"], sort=False)
    return grouped.agg(
        mean=("value", "mean"), sd=("value", "std"), seeds=("seed", "nunique"), leaky=("leaky", "any")
    ).reset_index()


def cell(mean: float, sd: float, metric: str = "", digits: int | None = None) -> str:
    """One table cell: `0.105 ± 0.004`, with spaces that no line breaks at; an undefined score is a dash, never a zero;
    a count that is the same for every seed is a whole number. `digits` after the point
    default to those of the metric."""
    if not np.isfinite(mean):
        return "–"
    if metric in ("n", "k", "dims") and not sd > 0 and mean == round(mean):
        return f"{mean:.0f}"
    if digits is None:
        digits = {"calinski_harabasz": 1, "n": 0, "dims": 1, "k": 1}.get(metric, 3)
    mean = round(mean, digits) + 0.0  # no minus before a zero
    return f"{mean:.{digits}f}" + (f"\u00a0±\u00a0{sd:.{digits}f}" if np.isfinite(sd) else "")


def interval_cell(low: float, high: float) -> str:
    """A 95 % interval behind a score in a table, on the next line where the cell is narrow."""
    low, high = (round(edge, 2) + 0.0 for edge in (low, high))
    return f" [{low:.2f},\u00a0{high:.2f}]"


def table(scores: pd.DataFrame, metrics: list[str] | None = None, methods: list[str] | None = None) -> pd.DataFrame:
    """Methods by metrics, each cell mean ± sd over seeds, the chance level its mean alone; a method whose input leaks
    the genre is marked LEAKY.

    `scores` of one run; `metrics` and `methods` choose and order (default: everything that is there).
    """
    summary = summarise(scores)
    metrics = [m for m in (metrics or list(LABELS)) if m in set(summary.metric)]
    methods = methods or list(dict.fromkeys(summary.method))
    rows = {}
    for method in methods:
        part = summary[summary.method == method].set_index("metric")
        if part.empty:
            continue
        name = f"{method} (LEAKY)" if part.leaky.any() else method
        rows[name] = {
            LABELS.get(m, m): cell(part["mean"][m], np.nan if m == "nmi_chance" else part["sd"][m], m)
            if m in part.index else "–" for m in metrics
        }
    return pd.DataFrame(rows).T.rename_axis("Method")


def verdict(paper: float, mean: float, sd: float, leaky: bool) -> str:
    """In words, whether `mean` ± 2 `sd` holds the paper's value: reproduced, reproduced only with leakage, not
    reproduced.

    Three decimals were printed, so half a unit of the last one is granted to the paper's value.
    """
    if not np.isfinite(mean):
        return "not defined"
    if abs(paper - mean) <= 2 * (sd if np.isfinite(sd) else 0.0) + 5e-4:
        return "reproduced only with leakage" if leaky else "reproduced"
    return "not reproduced"


def beside_paper(scores: pd.DataFrame, phase: int) -> pd.DataFrame:
    """The paper's table of `phase` beside ours, one row per method and metric: paper, ours (mean ± sd), and on full
    GTZAN the difference in units of our seed spread and the verdict in words; on other data there is none to tell."""
    summary = summarise(scores[scores.phase == phase]).set_index(["method", "metric"])
    on_gtzan = set(scores.dataset) == {"gtzan"}
    rows = []
    for row in paper_tables().query("phase == @phase").itertuples():
        if (row.method, row.metric) not in summary.index:
            continue
        ours = summary.loc[(row.method, row.metric)]
        units = (row.value - ours["mean"]) / ours.sd if ours.sd > 0 else float("nan")
        cells = {
            "Method": row.method,
            "Metric": LABELS[row.metric],
            "Paper" if on_gtzan else "Paper, on all of GTZAN": cell(row.value, float("nan"), row.metric),
            "Ours" if on_gtzan else "Ours, on these data": cell(ours["mean"], ours.sd, row.metric),
        }
        if on_gtzan:
            cells["(Paper − ours) / sd"] = f"{units:+.1f}" if np.isfinite(units) else "–"
            cells["Verdict"] = verdict(row.value, ours["mean"], ours.sd, ours.leaky)
        rows.append(cells)
    return pd.DataFrame(rows).set_index(["Method", "Metric"])


def mean_of(scores: pd.DataFrame, method: str, metric: str) -> float:
    """Mean over seeds of one score; NaN where it was not computed."""
    return float(scores[(scores.method == method) & (scores.metric == metric)].value.mean())


def read_contrast(scores: pd.DataFrame, a: str, b: str, names: list[str]) -> str:
    """A sentence that reads two methods' scores off the table: for each metric in `names` both means ± sd and which is
    better, "level" when they differ by less than the larger standard deviation over seeds."""
    summary = summarise(scores).set_index(["method", "metric"])
    parts = []
    for name in names:
        if (a, name) not in summary.index or (b, name) not in summary.index:
            continue
        one, two = summary.loc[(a, name)], summary.loc[(b, name)]
        if not np.isfinite([one["mean"], two["mean"]]).all():
            parts.append(f"{LABELS[name]} is not defined for one of them")
            continue
        gap = (one["mean"] - two["mean"]) * (1 if metrics.HIGHER_IS_BETTER[name] else -1)
        spread = np.nanmax([one.sd, two.sd, 0.0])
        word = "level" if abs(gap) <= spread else ("better" if gap > 0 else "worse")
        label = LABELS[name].replace(" ↓", "")
        parts.append(f"{label} {cell(one['mean'], one.sd, name)} against {cell(two['mean'], two.sd, name)} ({word})")
    if not parts:
        return f"*{a}* and *{b}* share no score on these data."
    return f"*{a}* against *{b}*: {', '.join(parts)}."


def read_interval(
    genres: np.ndarray | None, groups: np.ndarray, labels: dict[int, dict[str, np.ndarray]], a: str, b: str
) -> str:
    """A sentence with the NMI difference of methods `a` and `b` and its 95 % interval over tracks and seeds.

    `genres` (n,) or None, `groups` (n,) the track of each row, `labels[seed][method]` (n,).
    """
    if genres is None:
        return "Without genre labels there is no NMI to compare."
    sides = [[found[name] for found in labels.values() if name in found] for name in (a, b)]
    if not all(sides):
        return f"*{a}* or *{b}* was not run on these data."
    difference, low, high = metrics.paired_bootstrap(genres, *sides, groups=groups, n_resamples=300)
    verdict = "no difference can be told" if low <= 0 <= high else f"*{a if difference > 0 else b}* is better"
    return (
        f"NMI of *{a}* minus *{b}*: {difference:+.3f}, 95 % interval [{low:+.3f}, {high:+.3f}] "
        f"over {len(set(groups))} tracks and {len(labels)} seeds drawn anew: {verdict}."
    )


def read_confusion(genres: np.ndarray | None, labels: np.ndarray) -> str:
    """A sentence that reads a confusion table: the genres that hold together best and worst, and the most frequent
    mix-up."""
    if genres is None:
        return "Without genre labels the table only shows how large the clusters are."
    counts = metrics.confusion(genres, labels)
    share = counts.max(axis=1) / counts.sum(axis=1)
    best, worst = share.idxmax(), share.idxmin()
    host = counts.idxmax(axis=0)  # of each cluster, the genre that it holds most of
    strangers = [(int(counts.loc[g, c]), g, host[c]) for c in counts.columns for g in counts.index if g != host[c]]
    n, guest, home = max(strangers, default=(0, "", ""))
    mixed = (
        f"The most frequent mix-up: {n} rows of *{guest}* in a cluster that is first of all *{home}*."
        if n else "No cluster holds more than one genre."
    )
    return (
        f"*{best}* holds together best ({share[best]:.0%} in one cluster), *{worst}* least ({share[worst]:.0%}). "
        f"{mixed}"
    )


def read_columns(made: Inputs) -> str:
    """How many columns of a fused input hold what: "68 columns of sound, 74 of text"."""
    words = {"audio": "sound", "text": "text", "label": "the one-hot genre"}
    counts = {name: block.stop - block.start for name, block in made.blocks.items()}
    parts = [f"{n} of {words.get(name, name)}" for name, n in counts.items()]
    return ", ".join(parts).replace(" of ", " columns of ", 1)


def lyrics_table(report: pd.DataFrame) -> pd.DataFrame:
    """What `fusion.inputs` reports on the lyrics it drew (`Inputs.lyrics_report`), by genre, in a reader's words."""
    names = {"genre": "Genre", "tag": "Its Genius tag", "n_tracks": "Tracks", "n_texts": "Different texts",
             "n_from_tag": "Texts of the tag", "n_from_rest": "Texts of other tags", "n_reused": "Used twice"}
    shown = report.assign(tag=report.tag.replace("", "none"))
    return shown[[name for name in names if name in shown]].rename(columns=names).set_index("Genre")


def read_guard(made: Inputs) -> str:
    """A sentence with what the leak guard found in an input (`fusion.inputs`)."""
    if made.c is None:
        return "Leak guard: not run, there are no genres to leak."
    return f"Leak guard: {' '.join(made.leaks) or 'none of its four tests found the genre in the input.'}"


def read_weights(made: Inputs, survive: bool) -> str:
    """A sentence on the text in a fused input: how much of the text it keeps, whether the fusion weights reach the
    clusterer (`survive`, from `fusion.weights_survive`), and what they come to, since there is one a column."""
    if "text" not in made.blocks:
        return "There are no lyrics for these tracks, so the input is audio alone."
    variance = made.X.var(axis=0)
    share = variance[made.blocks["text"]].sum() / variance.sum()
    kept = "" if made.text_variance is None else f"The text keeps {made.text_variance:.1%} of its variance. "
    reach = "reach" if survive else "**do not reach**"
    return (
        f"{kept}Scale guard: the fusion weights {reach} the clusterer. A weight acts on each column of its block, and "
        f"the text's columns together make up {share:.0%} of the input's variance."
    )


def by_cluster(ids: np.ndarray, labels: np.ndarray, space: np.ndarray) -> pd.DataFrame:
    """The clusters, largest first, noise last: rows, the three closest to the cluster's mean in `space` and the
    farthest. ids and labels (n,), space (n, d)."""
    rows = {}
    for label in sorted(set(labels.tolist()), key=lambda c: (c == -1, -int((labels == c).sum()), c)):
        here = np.flatnonzero(labels == label)
        order = here[np.argsort(np.linalg.norm(space[here] - space[here].mean(axis=0), axis=1), kind="stable")]
        rows["noise" if label == -1 else label] = {
            "Rows": len(here), "Closest to its centre": "; ".join(ids[order[:3]]), "Farthest": ids[order[-1]],
        }  # fmt: skip
    return pd.DataFrame(rows).T.rename_axis("Cluster")


def by_text_kind(
    genres: np.ndarray | None, labels: dict[int, dict[str, np.ndarray]], methods: list[str]
) -> pd.DataFrame:
    """NMI (mean ± sd over seeds) of each method on the genres that the released text channel gives one constant
    sentence, and on those that it gives real lyrics. `genres` (n,) or None, `labels[seed][method]` (n,); empty without
    such genres."""
    if genres is None:
        return pd.DataFrame()
    constant = np.isin(genres, list(CONSTANTS))
    rows = {}
    for method in methods:
        found = [each[method] for each in labels.values() if method in each]
        halves = {"constant sentence": constant, "real lyrics": ~constant}
        values = {
            name: [metrics.external(genres[half], each[half])["nmi"] for each in found]
            for name, half in halves.items()
            if found and len(set(genres[half])) > 1
        }
        rows[method] = {
            f"NMI, genres with {name}": cell(np.mean(v), np.std(v, ddof=1) if len(v) > 1 else np.nan)
            for name, v in values.items()
        }
    return pd.DataFrame(rows).T.dropna(how="all").rename_axis("Method")


def provenance(tracks: Tracks, **more) -> dict:
    """Where a result comes from: time, package versions, data set with the sha256 of its feature table."""
    table = tracks.features.to_csv(float_format="%.9g").encode()
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "dataset": tracks.name,
        "n": tracks.n,
        "features_sha256": hashlib.sha256(table).hexdigest(),
        "ids_sha256": hashlib.sha256("\n".join(tracks.ids).encode()).hexdigest(),
        "versions": {name: metadata.version(name) for name in PACKAGES},
    } | more


def check_provenance(tracks: Tracks, stored: dict, where: str) -> None:
    """Raise ValueError, naming both hashes, when `tracks` is not the table that `stored` results were computed from."""
    now = provenance(tracks)
    for key, what in (("features_sha256", "feature table"), ("ids_sha256", "track ids")):
        if stored.get(key) != now[key]:
            raise ValueError(
                f"{where}: the stored results belong to another {what} (sha256 {stored.get(key)}) than the one given "
                f"(sha256 {now[key]}); run `make results` anew or use the table they were made from."
            )


def published(dataset: str = "gtzan") -> Path:
    """Folder of the published runs of a data set."""
    return data_dir() / "results" / dataset


def save(scores: pd.DataFrame, folder: Path, record: dict) -> None:
    """Write scores.csv.gz and provenance.json into `folder`, each under a temporary name first."""
    folder.mkdir(parents=True, exist_ok=True)
    # a fixed time stamp in the archive: equal scores give equal bytes
    write(
        folder / "scores.csv.gz",
        lambda path: scores.to_csv(path, index=False, float_format="%.6g", compression={"method": "gzip", "mtime": 0}),
    )
    write(folder / "provenance.json", lambda path: path.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n"))


def load(dataset: str = "gtzan") -> tuple[pd.DataFrame, dict]:
    """The published scores of a data set and their provenance; FileNotFoundError says how to make them."""
    folder = published(dataset)
    if not (folder / "scores.csv.gz").exists():
        raise FileNotFoundError(
            f"{folder / 'scores.csv.gz'} does not exist; `make results` computes it from the full feature table."
        )
    return pd.read_csv(folder / "scores.csv.gz"), json.loads((folder / "provenance.json").read_text())
