"""From scores to tables and sentences: summaries, the comparison with the paper, and what a table says in words.

A table of scores is tidy: protocol, phase, dataset, variant, method, seed, metric, value, leaky (`phases.run`).
"Better", "worse" and "level" always rest on a paired interval over tracks, never on the spread of the seeds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from . import escape, inputs, metrics
from .datasets import data_dir
from .inputs import ModelInput
from .lyrics import CONSTANTS
from .metrics import label_of, metric_of

KEYS = ["protocol", "phase", "dataset", "variant", "method"]


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
    a count that is the same for every seed is a whole number. `digits` after the point default to those of the
    metric."""
    if not np.isfinite(mean):
        return "–"
    if metric in ("n", "k", "dims") and not sd > 0 and mean == round(mean):
        return f"{mean:.0f}"
    if digits is None:
        digits = metric_of(metric).digits if metric else 3
    mean = round(mean, digits) + 0.0  # no minus before a zero
    return f"{mean:.{digits}f}" + (f"\u00a0±\u00a0{sd:.{digits}f}" if np.isfinite(sd) else "")


def range_cell(low: float, high: float, digits: int = 3) -> str:
    """An interval in a table, `[0.10, 0.12]`; a dash where there is none."""
    if not np.isfinite([low, high]).all():
        return "–"
    low, high = (round(edge, digits) + 0.0 for edge in (low, high))
    return f"[{low:.{digits}f},\u00a0{high:.{digits}f}]"


def with_interval(value: float, low: float, high: float, sign: str = "") -> str:
    """A value and its interval in a sentence, `0.110 [0.100, 0.120]`; with `sign` "+", as differences have it."""
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def table(scores: pd.DataFrame, names: list[str] | None = None, methods: list[str] | None = None) -> pd.DataFrame:
    """Methods by metrics, each cell mean ± sd over seeds, the chance level its mean alone; a method whose input leaks
    the genre is marked LEAKY.

    `scores` of one run; `names` of scores and `methods` choose and order (default: everything that is there)."""
    summary = summarise(scores)
    names = [m for m in (names or list(dict.fromkeys(summary.metric))) if m in set(summary.metric)]
    methods = methods or list(dict.fromkeys(summary.method))
    rows = {}
    for method in methods:
        part = summary[summary.method == method].set_index("metric")
        if part.empty:
            continue
        name = f"{method} (LEAKY)" if part.leaky.any() else method
        rows[name] = {
            label_of(m): cell(part["mean"][m], np.nan if m.endswith("_chance") else part["sd"][m], m)
            if m in part.index else "–" for m in names
        }
    return pd.DataFrame(rows).T.rename_axis("Method")


MARGIN = 0.02  # a difference from a printed score that nobody would call one, in units of the score (see `verdict`)


def prediction(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Where one further run would fall: the t prediction interval of the runs' values (n_seeds,); NaN for one run."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / len(values))
    return float(values.mean() - half), float(values.mean() + half)


def verdict(paper: float, values: np.ndarray, metric: str) -> str:
    """Whether runs with these `values` (n_seeds,) reproduce the paper's number, in words.

    The number is one run, printed to three decimals: it must lie where one further run of ours would (`prediction`,
    widened by half a unit of the last decimal), and our mean must lie near it: within MARGIN, or a tenth of the number
    for scores that are no shares. "reproduced": both; "near, though outside our spread": the second alone; "within a
    wide spread": the first alone, which a noisy method gets for its noise; else "not reproduced".
    """
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all() or not len(values):
        return "not defined"
    low, high = prediction(values)
    share = metric_of(metric).digits == 3 and metric != "davies_bouldin"
    near = abs(values.mean() - paper) <= (MARGIN if share else 0.1 * abs(paper))
    held = len(values) > 1 and low - 5e-4 <= paper <= high + 5e-4
    words = {(True, True): "reproduced", (False, True): "near, though outside our spread",
             (True, False): "within a wide spread", (False, False): "not reproduced"}  # fmt: skip
    return words[bool(held), bool(near)]


def beside_paper(scores: pd.DataFrame, phase: int) -> pd.DataFrame:
    """The paper's table of `phase` beside ours, one row per method and metric: paper, ours (mean ± sd), and on full
    GTZAN the range where one further run would fall and the verdict in words; on other data there is none to tell."""
    part = scores[scores.phase == phase]
    values = {key: rows.value.to_numpy() for key, rows in part.groupby(["method", "metric"])}
    leaky = part.groupby("method").leaky.any()
    on_gtzan = set(scores.dataset) == {"gtzan"}
    rows = []
    for row in paper_tables().query("phase == @phase").itertuples():
        ours = values.get((row.method, row.metric))
        if ours is None:
            continue
        sd = ours.std(ddof=1) if len(ours) > 1 else float("nan")
        cells = {
            "Method": row.method,
            "Metric": label_of(row.metric),
            "Paper" if on_gtzan else "Paper, on all of GTZAN": cell(row.value, float("nan"), row.metric),
            "Ours" if on_gtzan else "Ours, on these data": cell(ours.mean(), sd, row.metric),
        }
        if on_gtzan:
            cells["One further run"] = range_cell(*prediction(ours))
            cells["Verdict"] = verdict(row.value, ours, row.metric) + " (LEAKY)" * bool(leaky[row.method])
        rows.append(cells)
    return pd.DataFrame(rows).set_index(["Method", "Metric"])


def paper_metrics(phase: int) -> list[str]:
    """The columns of the paper's table of `phase`, in its order."""
    return list(dict.fromkeys(paper_tables().query("phase == @phase").metric))


def mean_of(scores: pd.DataFrame, method: str, metric: str) -> float:
    """Mean over seeds of one score; NaN where it was not computed."""
    return float(scores[(scores.method == method) & (scores.metric == metric)].value.mean())


def read_difference(
    genres: np.ndarray | None, groups: np.ndarray, labels: dict[int, dict[str, np.ndarray]] | dict[str, np.ndarray],
    a: str, b: str, names: tuple[str, ...] = ("nmi",), n_resamples: int = 500,
) -> str:  # fmt: skip
    """A sentence that compares methods `a` and `b` by scores against genres: differences of their means over seeds,
    with 95 % intervals over tracks (whole groups), and whether one is better or they are level.

    `genres` (n,) or None, `groups` (n,); `labels[seed][method]` (n,), or `labels[method]` (n_seeds, n). It says also
    what the interval of one run would be, for the first score. Karim (2026) compares single runs."""
    if genres is None:
        return "Without labels there is nothing to compare clusters with."
    one, other = (
        [found[name] for found in labels.values() if name in found]  # type: ignore[operator]
        if all(isinstance(key, (int, np.integer)) for key in labels) else list(labels.get(name, ()))  # type: ignore
        for name in (a, b)
    )
    if not one or not other:
        return f"*{a}* or *{b}* was not run on these data."
    parts = []
    for name in names:
        point, low, high = metrics.paired_bootstrap(genres, one, other, name, groups, "mean", n_resamples)
        word = metrics.told(low, high)
        said = "level" if word == "level" else f"*{a if word == 'higher' else b}* is better"
        parts.append(f"{label_of(name)} {with_interval(point, low, high, sign='+')}, {said}")
    _, low, high = metrics.paired_bootstrap(genres, one, other, names[0], groups, "run", n_resamples)
    return (
        f"*{a}* minus *{b}*, means over {len(one)} seeds, 95 % intervals over {len(set(groups))} tracks or "
        f"artists: {'; '.join(parts)}. For one run of either: [{low:+.3f}, {high:+.3f}]."
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
        f"The most frequent mix-up: {n} rows of *{escape.markup(guest)}* in a cluster that is first of all "
        f"*{escape.markup(home)}*."
        if n else "No cluster holds more than one genre."
    )
    return (
        f"*{escape.markup(best)}* holds together best ({share[best]:.0%} in one cluster), *{escape.markup(worst)}* "
        f"least ({share[worst]:.0%}). {mixed}"
    )


def read_columns(made: ModelInput) -> str:
    """How many columns of a fused input hold what: "68 columns of sound, 74 of text"."""
    words = {"audio": "sound", "text": "text", "label": "the one-hot genre"}
    counts = {name: block.stop - block.start for name, block in made.blocks.items()}
    parts = [f"{n} of {words.get(name, name)}" for name, n in counts.items()]
    return ", ".join(parts).replace(" of ", " columns of ", 1)


def lyrics_table(report: pd.DataFrame) -> pd.DataFrame:
    """What `inputs.prepare` reports on the lyrics it drew (`ModelInput.lyrics_report`), by genre, in readers' words."""
    names = {"genre": "Genre", "tag": "Its Genius tag", "n_tracks": "Tracks", "n_texts": "Different texts",
             "n_from_tag": "Texts of the tag", "n_from_rest": "Texts of other tags", "n_reused": "Used twice"}
    shown = report.assign(tag=report.tag.replace("", "none"))
    return shown[[name for name in names if name in shown]].rename(columns=names).set_index("Genre")


def read_guard(made: ModelInput) -> str:
    """Sentences with what the leak guard found in an input (`inputs.prepare`), and what it did not judge."""
    if made.judged is None:
        return "Leak guard: not run, there are no genres to leak."
    heard = [f"The {inputs.WORDS[name]} says {share:.2f} of the genre, too little for a leak."
             for name, share in made.judged.items()]  # fmt: skip
    spared = [inputs.WORDS[name] for name in made.blocks if name not in made.judged]
    rest = [f"Not judged, since measured on the tracks: {' and '.join(spared)}."] if spared else []
    return " ".join(["Leak guard:", *map(escape.markup, made.leaks or heard or ["nothing to judge."]), *rest])


def read_weights(made: ModelInput, survive: bool) -> str:
    """A sentence on the text in a fused input: how much of the text it keeps, whether the fusion weights reach the
    clusterer (`survive`, from `inputs.weights_survive`), and what they come to."""
    if "text" not in made.blocks:
        return "There are no lyrics for these tracks, so the input is audio alone."
    variance = made.X.var(axis=0)
    share = variance[made.blocks["text"]].sum() / variance.sum()
    kept = "" if made.text_variance is None else f"The text keeps {made.text_variance:.1%} of its variance. "
    reach = "reach" if survive else "**do not reach**"
    return f"{kept}The fusion weights {reach} the clusterer; the text makes up {share:.0%} of the input's variance."


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
            f"NMI, genres with {name}": cell(float(np.mean(v)), float(np.std(v, ddof=1)) if len(v) > 1 else np.nan)
            for name, v in values.items()
        }
    return pd.DataFrame(rows).T.dropna(how="all").rename_axis("Method")
