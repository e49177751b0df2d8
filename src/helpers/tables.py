"""From scores to tables and sentences: summaries, the comparison with the paper, and what a table
says in words.

A table of scores is tidy: protocol, phase, dataset, variant, method, seed, metric, value, leaky
(`phases.run_phase`). "Better", "worse" and "level" always rest on a paired interval over tracks,
never on the spread of the seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from helpers import escape, inputs, metrics
from helpers.inputs import ModelInput
from helpers.lyrics import CONSTANTS
from helpers.metrics import label_of, metric_of
from helpers.tracks import data_dir
from leakaudit import leaks

KEYS = ["protocol", "phase", "dataset", "variant", "method"]


def paper_tables() -> pd.DataFrame:
    """Tables 1-3 of the paper, tidy: phase, method, metric, value (three decimals, as printed)."""
    return pd.read_csv(data_dir() / "paper_tables.csv")


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation over seeds (ddof 1; NaN for one seed), number of seeds and leak mark
    of every score."""
    grouped = scores.groupby([*KEYS, "metric"], sort=False)
    return grouped.agg(
        mean=("value", "mean"),
        sd=("value", "std"),
        seeds=("seed", "nunique"),
        leaky=("leaky", "any"),
    ).reset_index()


def score_cell(mean: float, sd: float, metric: str = "", digits: int | None = None) -> str:
    """One table cell: `0.105 ± 0.004`, with spaces that no line breaks at; an undefined score is a
    dash, never a zero; a count that is the same for every seed is a whole number. `digits` after
    the point default to those of the metric."""
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
    """A value and its interval in a sentence, `0.110 [0.100, 0.120]`; with `sign` "+", as
    differences have it."""
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"


def score_table(
    scores: pd.DataFrame, names: list[str] | None = None, methods: list[str] | None = None
) -> pd.DataFrame:
    """Methods by metrics, each cell mean ± sd over seeds, the chance level its mean alone; a method
    whose input leaks the genre is marked LEAKY.

    `scores` of one run; `names` of scores and `methods` choose and order (default: everything that
    is there). A score that a method lacks is a dash."""
    summary = summarise(scores)
    known = list(dict.fromkeys(summary.metric))
    columns = [name for name in names or known if name in known]
    rows = {}
    for method in methods or list(dict.fromkeys(summary.method)):
        part = summary[summary.method == method].set_index("metric")
        if part.empty:
            continue
        row_name = shown_name(method)
        if part.leaky.any():
            row_name += " (LEAKY)"
        cells = {}
        for name in columns:
            cells[label_of(name)] = "–"
            if name in part.index:
                sd = np.nan if name.endswith("_chance") else part["sd"][name]
                cells[label_of(name)] = score_cell(part["mean"][name], sd, name)
        rows[row_name] = cells
    return pd.DataFrame(rows).T.rename_axis("Method")


def shown_name(method: str) -> str:
    """What tables and figures call a method. PCA that is cut to the dimensions of a network is
    stored under the network's name, though it holds no network."""
    network, ending, _ = method.partition(" (PCA, as many dims)")
    if not ending:
        return method
    if network == "K-Means":  # phase 2 calls its rows by the algorithm alone
        network = "enhanced VAE"
    return f"PCA, dims of {network.split(' + ')[0]}"


# a difference from a printed score that nobody would call one, in units of the score (see
# `reproduction_verdict`)
MARGIN = 0.02


def prediction(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Where one further run would fall: the t prediction interval of the runs' values (n_seeds,);
    NaN for one run."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    if n < 2:
        return float("nan"), float("nan")
    half = stats.t.ppf((1 + level) / 2, n - 1) * values.std(ddof=1) * np.sqrt(1 + 1 / n)
    return float(values.mean() - half), float(values.mean() + half)


def reproduction_verdict(paper: float, values: np.ndarray, metric: str) -> str:
    """Whether runs with these `values` (n_seeds,) reproduce the paper's number, in words.

    The number is one run, printed to three decimals: it must lie where one further run of ours
    would (`prediction`, widened by half a unit of the last decimal), and our mean must lie near it:
    within MARGIN, or a tenth of the number for scores that are no shares. "reproduced": both;
    "near, though outside our spread": the second alone; "within a wide spread": the first alone,
    which a noisy method gets for its noise; else "not reproduced"."""
    values = np.asarray(values, dtype=float)
    if not np.isfinite(values).all() or not len(values):
        return "not defined"
    low, high = prediction(values)
    is_share = metric_of(metric).digits == 3 and metric != "davies_bouldin"
    margin = MARGIN if is_share else 0.1 * abs(paper)
    near = abs(values.mean() - paper) <= margin
    within = len(values) > 1 and low - 5e-4 <= paper <= high + 5e-4
    if near:
        return "reproduced" if within else "near, though outside our spread"
    return "within a wide spread" if within else "not reproduced"


def beside_paper(scores: pd.DataFrame, phase: int) -> pd.DataFrame:
    """The paper's table of `phase` beside ours, one row per method and metric: paper, ours (mean ±
    sd), and on full GTZAN the range where one further run would fall and the verdict in words.

    On other data there is no verdict, since the paper's numbers are of full GTZAN."""
    part = scores[scores.phase == phase]
    values = {key: rows.value.to_numpy() for key, rows in part.groupby(["method", "metric"])}
    leaky = part.groupby("method").leaky.any()
    on_gtzan = set(scores.dataset) == {"gtzan"}
    paper_column, our_column = "Paper, on all of GTZAN", "Ours, on these data"
    if on_gtzan:
        paper_column, our_column = "Paper", "Ours"
    rows = []
    for row in paper_tables().query("phase == @phase").itertuples():
        ours = values.get((row.method, row.metric))
        if ours is None:
            continue
        sd = ours.std(ddof=1) if len(ours) > 1 else float("nan")
        cells = {
            "Method": row.method,
            "Metric": label_of(row.metric),
            paper_column: score_cell(row.value, float("nan"), row.metric),
            our_column: score_cell(ours.mean(), sd, row.metric),
        }
        if on_gtzan:
            verdict = reproduction_verdict(row.value, ours, row.metric)
            cells["One further run"] = range_cell(*prediction(ours))
            cells["Verdict"] = f"{verdict} (LEAKY)" if leaky[row.method] else verdict
        rows.append(cells)
    return pd.DataFrame(rows).set_index(["Method", "Metric"])


def paper_metrics(phase: int) -> list[str]:
    """The columns of the paper's table of `phase`, in its order."""
    return list(dict.fromkeys(paper_tables().query("phase == @phase").metric))


def mean_of(scores: pd.DataFrame, method: str, metric: str) -> float:
    """Mean over seeds of one score; NaN where it was not computed."""
    return float(scores[(scores.method == method) & (scores.metric == metric)].value.mean())


@dataclass(frozen=True)
class Difference:
    """The score of method `a` minus that of method `b`, both means over `n_seeds`, with a 95 %
    interval over tracks (whole groups)."""

    a: str
    b: str
    metric: str
    point: float
    low: float
    high: float
    n_seeds: int

    @property
    def better(self) -> str | None:
        """The method that scores higher; None where the interval holds zero."""
        if self.low > 0:
            return self.a
        return self.b if self.high < 0 else None


def difference(
    genres: np.ndarray | None,
    groups: np.ndarray,
    labels: dict[int, dict[str, np.ndarray]] | dict[str, np.ndarray],
    a: str,
    b: str,
    metric: str = "nmi",
    n_resamples: int = 500,
) -> Difference | None:
    """How far methods `a` and `b` differ in a score against genres; None without genres, or where
    one of them was not run.

    `genres` (n,), `groups` (n,); `labels[seed][method]` (n,), or `labels[method]` (n_seeds, n).
    Both methods are scored on the same resampled tracks (`metrics.paired_bootstrap`)."""
    if genres is None:
        return None
    one, other = _by_seed(labels, a), _by_seed(labels, b)
    if not one or not other:
        return None
    point, low, high = metrics.paired_bootstrap(
        genres, one, other, metric, groups, "mean", n_resamples
    )
    return Difference(a, b, metric, point, low, high, len(one))


def _by_seed(labels, method: str) -> list[np.ndarray]:
    """The labels of one method, a list over the seeds that have it."""
    if all(isinstance(key, (int, np.integer)) for key in labels):
        return [methods[method] for methods in labels.values() if method in methods]
    return list(labels.get(method, ()))


def read_confusion(genres: np.ndarray | None, labels: np.ndarray) -> str:
    """A sentence that reads a confusion table: the genres that hold together best and worst, and
    the most frequent mix-up. genres (n,) or None, labels (n,)."""
    if genres is None:
        return "Without genre labels the table only shows how large the clusters are."
    counts = metrics.confusion(genres, labels)
    share = counts.max(axis=1) / counts.sum(axis=1)
    return f"{_held_together(share)} {_largest_confusion(counts)}"


def _held_together(share: pd.Series) -> str:
    """Which genres have the largest and the smallest part in one cluster (`share`, by genre); all
    that are level are named."""
    most, least = f"{share.max():.0%}", f"{share.min():.0%}"
    if most == least:
        return f"Of each genre, {most} of the tracks lie in one cluster."
    in_words = share.map("{:.0%}".format)
    first, last = (_names(share.index[in_words == value]) for value in (most, least))
    best = f"{first} stays together best: {most} of its tracks lie in one cluster."
    if (in_words == most).sum() > 1:
        best = f"{first} stay together best: {most} of the tracks of each lie in one cluster."
    worst = f"{last} is spread most: its largest part in one cluster is {least}."
    if (in_words == least).sum() > 1:
        worst = f"{last} are spread most: the largest part of each in one cluster is {least}."
    return f"{best} {worst}"


def joined_names(names: Sequence[str]) -> str:
    """Names in a sentence: "blues, jazz and rock"; "" where there is none."""
    return " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))


def _names(genres: Iterable) -> str:
    """Names of genres in a sentence: "*a*, *b* and *c*"."""
    return joined_names([f"*{escape.markup(genre)}*" for genre in genres])


def _largest_confusion(counts: pd.DataFrame) -> str:
    """The cluster in which the second most frequent genre has the most tracks; counts are genres by
    clusters."""
    second = counts.apply(lambda column: column.nlargest(2).iloc[-1] if len(column) > 1 else 0)
    n = second.max()
    if n == 0:
        return "No cluster holds more than one genre."
    start = "The largest confusion" if (second == n).sum() == 1 else "One of the largest confusions"
    (one, most), (other, _) = counts[second.idxmax()].nlargest(2).items()
    tracks = "track" if most == 1 else "tracks"
    return (
        f"{start}: one cluster holds {most} {tracks} of {_names([one])} and {n} of "
        f"{_names([other])}."
    )


def read_columns(made: ModelInput) -> str:
    """How many columns of a fused input hold what: "68 columns of sound, 74 of text"."""
    words = {"audio": "sound", "text": "text", "label": "the one-hot genre"}
    counts = {name: block.stop - block.start for name, block in made.blocks.items()}
    parts = [f"{n} of {words.get(name, name)}" for name, n in counts.items()]
    return ", ".join(parts).replace(" of ", " columns of ", 1)


def lyrics_table(report: pd.DataFrame) -> pd.DataFrame:
    """What `inputs.prepare` reports on the lyrics it drew (`ModelInput.lyrics_report`), by genre,
    in readers' words."""
    names = {
        "genre": "Genre",
        "tag": "Its Genius tag",
        "n_tracks": "Tracks",
        "n_texts": "Different texts",
        "n_from_tag": "Texts of the tag",
        "n_from_rest": "Texts of other tags",
        "n_reused": "Used twice",
    }
    shown = report.assign(tag=report.tag.replace("", "none"))
    return shown[[name for name in names if name in shown]].rename(columns=names).set_index("Genre")


def read_guard(made: ModelInput) -> str:
    """Sentences with what the leak guard says of an input (`inputs.prepare`), and what it did not
    judge."""
    if made.judged is None:
        return "Leak guard: not run, there are no genres to leak."
    sentences = list(made.leaks)
    if not sentences:
        for name, share in made.judged.items():
            probed = inputs.probe_words(inputs.WORDS[name], share)
            sentences.append(f"{probed} {_no_leak(share)}")
    if not sentences:
        sentences.append("There are no added columns to judge.")
    text = f"Leak guard: {' '.join(escape.markup(sentence) for sentence in sentences)}"
    spared = [inputs.WORDS[name] for name in made.blocks if name not in made.judged]
    if spared:
        text += (
            f" The guard does not judge {' and '.join(spared)}, since a measurement of the track "
            "itself is no leak."
        )
    return text


def _no_leak(share: float) -> str:
    """Why a block that gives away this share of the genre is not called a leak."""
    if share >= leaks.LEAKY:
        return "That may be chance, so we do not call it a leak."
    return (
        f"That is too little for a leak, which begins at {leaks.LEAKY:g}, or where one genre is "
        "named nearly without error."
    )


def by_text_kind(
    genres: np.ndarray | None, labels: dict[int, dict[str, np.ndarray]], methods: list[str]
) -> pd.DataFrame:
    """NMI (mean ± sd over seeds) of each method on the genres that the released text channel gives
    one constant sentence, and on those that it gives real lyrics. `genres` (n,) or None,
    `labels[seed][method]` (n,); empty without such genres."""
    if genres is None:
        return pd.DataFrame()
    constant = np.isin(genres, list(CONSTANTS))
    rows: dict[str, dict[str, str]] = {}
    for method in methods:
        rows[method] = {}
        by_seed = _by_seed(labels, method)
        for kind, half in (("constant sentence", constant), ("real lyrics", ~constant)):
            if by_seed and len(set(genres[half])) > 1:
                nmi = [metrics.external(genres[half], each[half])["nmi"] for each in by_seed]
                sd = float(np.std(nmi, ddof=1)) if len(nmi) > 1 else np.nan
                rows[method][f"NMI, genres with {kind}"] = score_cell(float(np.mean(nmi)), sd)
    return pd.DataFrame(rows).T.dropna(how="all").rename_axis("Method")
