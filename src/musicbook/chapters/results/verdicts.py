"""The paper's values beside the published runs: a verdict a protocol, what chance alone would miss,
paired differences, stability beside agreement, and results by genre. Pages "Results" and "Every
value"; no audio, no training."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd

from helpers import inputs, metrics, phases, tables
from helpers.protocols import PROTOCOLS
from musicbook.named_values import interval_words, signed
from musicbook.stored_runs import Published

WORDS = [
    "reproduced",
    "near, though outside our spread",
    "within a wide spread",
    "not reproduced",
    "not defined",
]
OTHER = "other data"  # the paper's values are of GTZAN; beside another table they get no verdict
VAE, PCA, BETA = "VAE + K-Means", "PCA + K-Means", "Beta-VAE"
SAME_DIMS = "VAE + K-Means (PCA, as many dims)"
INPUT = "Input + K-Means"
SPECTRAL = "Spectral"


@lru_cache(maxsize=4)
def values(data: Published) -> pd.DataFrame:
    """Every value of the paper's tables under every protocol that has runs, tidy.

    Columns: phase, method, metric, protocol, paper, mean, sd, low, high (where one further run
    would fall), verdict (`tables.reproduction_verdict`), marked (the protocol, with LEAKY where the
    guard found the genre in the input, and "(given the genre)" where the network is handed it),
    clean (neither is the case), runs (one value a seed)."""
    rows = []
    for row in tables.paper_tables().itertuples():
        conditional = _is_conditional(row.phase, row.method)
        for protocol in data.protocols:
            run = data.run(protocol, row.phase)
            ours = run[(run.method == row.method) & (run.metric == row.metric)].value.to_numpy()
            if not len(ours):
                continue
            marked = data.marked(protocol, row.phase)
            clean = marked == protocol and not conditional
            if conditional and marked == protocol:
                marked = f"{marked} (given the genre)"
            low, high = tables.prediction(ours)
            is_gtzan = data.record["dataset"] == "gtzan"
            verdict = (
                tables.reproduction_verdict(row.value, ours, row.metric) if is_gtzan else OTHER
            )
            rows.append(
                {
                    "phase": row.phase,
                    "method": row.method,
                    "metric": row.metric,
                    "protocol": protocol,
                    "paper": row.value,
                    "mean": ours.mean(),
                    "sd": ours.std(ddof=1) if len(ours) > 1 else np.nan,
                    "low": low,
                    "high": high,
                    "marked": marked,
                    "clean": clean,
                    "verdict": verdict,
                    "runs": ours,
                }
            )
    return pd.DataFrame(rows)


def _is_conditional(phase: int, method: str) -> bool:
    """Whether a method's network is handed the genre, by design, under some protocol."""
    space = next(m.space for m in phases.methods_of(phase) if m.name == method)
    recipes = (protocol.recipes.get(space) for protocol in PROTOCOLS.values())
    return any(recipe is not None and recipe.kind == "cvae" for recipe in recipes)


def value_table(data: Published, phase: int) -> pd.DataFrame:
    """The paper's table of `phase`, one protocol a row: paper, ours (mean ± sd over seeds), 95 %
    interval of that mean (for scores against genres), where one further run would fall, and the
    verdict."""
    every, rows = values(data), []
    for row in every[every.phase == phase].itertuples():
        metric, ends = metrics.metric_of(row.metric), (np.nan, np.nan)
        if metric.of_table and data.has(row.protocol, phase, row.method):
            ends = data.interval(data.labels(row.protocol, phase, row.method), row.metric)
        rows.append(
            {
                "Method": row.method,
                "Metric": tables.label_of(row.metric),
                "Protocol": row.marked,
                "Paper": tables.score_cell(row.paper, np.nan, row.metric),
                "Ours": tables.score_cell(row.mean, row.sd, row.metric),
                "95 % interval of the mean": tables.range_cell(*ends),
                "One further run": tables.range_cell(row.low, row.high, metric.digits),
                "Verdict": row.verdict,
            }
        )
    return pd.DataFrame(rows).set_index(["Method", "Metric", "Protocol"])


def by_chance(data: Published, protocol: str) -> pd.DataFrame:
    """How often each verdict would fall if the paper were one more run of ours: each seed in turn
    stands for it, printed to as many digits, and is judged by the others. Rows are seeds, columns
    verdicts."""
    every = values(data)
    cells, rows = every[every.protocol == protocol], []
    for seed in range(min(map(len, cells.runs))):
        judged = []
        for row in cells.itertuples():
            printed = round(float(row.runs[seed]), metrics.metric_of(row.metric).digits)
            judged.append(
                tables.reproduction_verdict(printed, np.delete(row.runs, seed), row.metric)
            )
        rows.append(pd.Series(judged).value_counts())
    return pd.DataFrame(rows).reindex(columns=WORDS).fillna(0).reset_index(drop=True)


def verdict_counts(data: Published) -> pd.DataFrame:
    """The verdicts, one protocol a row: how many of the paper's values get each, in brackets how
    many one more run of ours would get in the paper's place (`by_chance`), and how many are
    reproduced of the values that have no genre in the input or beside it."""
    every, rows = values(data), {}
    for protocol in data.protocols:
        part, chance = every[every.protocol == protocol], by_chance(data, protocol).mean()
        judged = {word: f"{(part.verdict == word).sum()} ({chance[word]:.1f})" for word in WORDS}
        clean = part[part.clean]
        held = f"{(clean.verdict == WORDS[0]).sum()} of {len(clean)}"
        rows[protocol] = {"Values": len(part), **judged, "reproduced, without the genre": held}
    return pd.DataFrame(rows).T.rename_axis("Protocol")


def count_shares(data: Published) -> pd.DataFrame:
    """How many of the paper's values get each verdict, by protocol and by whether the genre was in
    the input or beside it: protocol, clean, verdict, n."""
    every = values(data)
    counted = every.groupby(["protocol", "clean", "verdict"]).size()
    return counted.rename("n").reset_index()


def read_counts(data: Published) -> str:
    """Does the paper hold, in plain sentences: what its code gives, and what is left where the
    genre is neither in the input nor beside it."""
    every = values(data)
    if OTHER in set(every.verdict):
        return (
            f"These runs are of *{data.record['dataset']}*, not of the paper's data: "
            "its values stand beside them without a verdict."
        )
    return " ".join([_what_the_code_gives(data), _what_is_left(data)])


def _what_the_code_gives(data: Published) -> str:
    every = values(data)
    held = every[every.verdict == WORDS[0]]
    best = max(data.protocols, key=lambda name: (held.protocol == name).sum())
    part, chance = every[every.protocol == best], by_chance(data, best).mean()
    n = {word: int((part.verdict == word).sum()) for word in WORDS}
    roughly = n[WORDS[1]] + n[WORDS[2]]
    recipe = "the author's recipe" if best == "released" else "the protocol"
    return (
        f"The paper's tables have {len(part)} numbers. Our runs by {recipe} "
        f"(*{best}*) match {n[WORDS[0]]} of them closely and {roughly} roughly. (If one of our "
        f"runs takes the paper's place, {chance[WORDS[0]]:.0f} of that run's numbers match our "
        "other runs closely, on average.)"
    )


def _what_is_left(data: Published) -> str:
    every = values(data)
    strict = [name for name in data.protocols if name in PROTOCOLS and PROTOCOLS[name].strict]
    if not strict:
        return "No run without the genre in the input is here."
    part = every[(every.protocol == strict[0]) & every.clean]
    given = every[(every.protocol == strict[0]) & ~every.clean]
    held = part[part.verdict == WORDS[0]]
    first = int((held.phase == 1).sum())
    left_out, others = "", f"{len(part)} numbers"
    if len(given):
        names = " and ".join(given.method.unique())
        count = f"{len(given)} numbers of the {names}"
        left_out = f" There we leave out the {count}, which is given the genre."
        others = f"the other {len(part)}"
    return (
        f"Our protocol *{strict[0]}* refuses an input in which a guard finds the genre.{left_out} "
        f"Of {others}, only {len(held)} match closely. Of these, {first} are from phase 1, which "
        "has sound alone."
    )


def missed(data: Published, protocol: str) -> list[str]:
    """One phrase for each value of the paper that the runs of a protocol do not reproduce."""
    every = values(data)
    every = every[(every.protocol == protocol) & (every.verdict == WORDS[3])]
    return [
        f"{row.method} (Table {row.phase}), {tables.label_of(row.metric)}: paper "
        f"{tables.score_cell(row.paper, np.nan, row.metric)}, ours "
        f"{tables.score_cell(row.mean, row.sd, row.metric)}"
        for row in every.itertuples()
    ]


Side = tuple[str, int, str, str]  # protocol, phase, method, variant


def run_difference(
    data: Published, one: Side, other: Side, metric: str = "nmi"
) -> tuple[float, float, float]:
    """Point, low and high (95 %) of score(one) - score(other), scored on the same resampled
    tracks."""
    a, b = (list(data.labels(*side)) for side in (one, other))
    return metrics.paired_bootstrap(data.genres, a, b, metric, data.groups)


# name, phase, this (method, variant), that
COMPARISONS: list[tuple[str, int, tuple[str, str], tuple[str, str]]] = [
    ("VAE − PCA", 1, (VAE, "full"), (PCA, "full")),
    ("VAE − PCA at as many dims", 1, (VAE, "full"), (SAME_DIMS, "full")),
    ("Beta-VAE − PCA", 3, (BETA, "full"), (PCA, "full")),
]
for _phase, _method in ((2, "K-Means"), (3, BETA), (3, SPECTRAL), (2, INPUT), (3, INPUT)):
    for _variant in ("audio alone", "lyrics shuffled"):
        _name = f"{_method}: with lyrics − {_variant}"
        COMPARISONS.append((_name, _phase, (_method, "full"), (_method, _variant)))


def differences(data: Published) -> pd.DataFrame:
    """Paired differences in NMI under every protocol: a network against PCA, with lyrics against
    without or shuffled. The verdict rests on the mean over seeds, and allows for both which tracks
    and which seeds were drawn; beside it the interval for one run of either."""
    rows = []
    for name, phase, one, other in COMPARISONS:
        for protocol in data.protocols:
            if not (data.has(protocol, phase, *one) and data.has(protocol, phase, *other)):
                continue
            sides = [  # resampled once for both intervals
                metrics.resampled(
                    data.genres, data.labels(protocol, phase, *side), data.groups, "nmi"
                )
                for side in (one, other)
            ]
            point, low, high = metrics.interval(sides)
            _, lowest, highest = metrics.interval(sides, "run")
            rows.append(
                {
                    "Difference in NMI": f"{name}, phase {phase}",
                    "Protocol": data.marked(protocol, phase),
                    "mean": signed(point),
                    "95 %, mean over seeds": interval_words(low, high, 3, sign=True),
                    "result": metrics.difference_sign(low, high),
                    "95 %, one run": interval_words(lowest, highest, 3, sign=True),
                }
            )
    return pd.DataFrame(rows).set_index(["Difference in NMI", "Protocol"])


def read_multiplicity(table: pd.DataFrame) -> str:
    """How many of these differences would exclude zero by chance alone."""
    apart = int((table["result"] != "level").sum())
    return (
        f"The table has {len(table)} differences. If none of them were real, about "
        f"{0.05 * len(table):.0f} of their 95 % intervals would exclude zero by chance. In fact "
        f"{apart} do."
    )


def read_lyrics(table: pd.DataFrame) -> str:
    """What lyrics do to a score, read off `differences`: for each protocol whose input is clean,
    against shuffled lyrics and against the sound alone."""
    clean = table[~table.index.get_level_values(1).str.contains("LEAKY")]
    sentences = [
        "Only rows without LEAKY can show what lyrics give. *Shuffled* lyrics are the same lyrics, "
        "given to the tracks in a random order."
    ]
    for protocol in dict.fromkeys(clean.index.get_level_values(1)):
        rows = clean.xs(protocol, level=1)["result"]
        shuffled = rows[rows.index.str.contains("lyrics shuffled")]
        sound = rows[rows.index.str.contains("audio alone")]
        if shuffled.empty or sound.empty:
            continue
        sentences.append(
            f"Under *{protocol}*, compared with shuffled lyrics, the score with lyrics is "
            f"{_read_as(shuffled)}. Compared with the sound alone, it is {_read_as(sound)}."
        )
    return " ".join(sentences) if len(sentences) > 1 else ""


def _read_as(rows: pd.Series) -> str:
    """How some rows of `differences` read: "higher for *K-Means* of phase 2, and level for all
    others in the table"."""
    if set(rows) == {"level"}:
        return "level for all methods in the table"
    parts = []
    for sign in ("higher", "lower"):
        methods = _methods_in(rows.index[rows == sign])
        if methods:
            parts.append(f"{sign} for {tables.joined_names(methods)}")
    if (rows == "level").any():
        parts.append("level for all others in the table")
    return "; ".join(parts)


def _methods_in(names: pd.Index) -> list[str]:
    """The methods of some rows of `differences`, with their phases: "*K-Means* of phase 2"."""
    found = [f"*{name.split(':')[0]}* of {name.rsplit(', ', 1)[1]}" for name in names]
    return list(dict.fromkeys(found))


def stability(data: Published, protocol: str | None = None) -> pd.DataFrame:
    """How alike the partitions of two seeds are (mean ARI of all pairs, noise one cluster), beside
    their agreement with genre (ARI and NMI, means over seeds), for every method on the protocol's
    own input: protocol, phase, method, stability, ari, nmi. Where two seeds disagree there is no
    one partition to report (von Luxburg 2010)."""
    rows = []
    for name in data.protocols if protocol is None else [protocol]:
        for phase in (1, 2, 3):
            run = data.run(name, phase)
            for method in dict.fromkeys(run.method):
                if not data.has(name, phase, method):
                    continue
                labels = data.labels(name, phase, method)
                if len(labels) < 2:
                    continue
                alike = [metrics.ari(metrics.counts(a, b)) for a, b in combinations(labels, 2)]
                ari, nmi = (tables.mean_of(run, method, metric) for metric in ("ari", "nmi"))
                rows.append((name, phase, method, float(np.mean(alike)), ari, nmi))
    return pd.DataFrame(rows, columns=["protocol", "phase", "method", "stability", "ari", "nmi"])


def by_genre(genres: np.ndarray, labels: np.ndarray) -> pd.Series:
    """How well each genre is found: F1 of its best cluster, mean over the labellings (n_seeds, n),
    of which noise is no cluster (Larsen & Aone 1999)."""
    names, sizes = np.unique(genres, return_counts=True)
    scores = []
    for one in labels:
        table = metrics.counts(genres, one)
        if (one == -1).any():  # noise is the first column
            table = table[:, 1:]
        f1 = 2 * table / (sizes[:, None] + table.sum(0))
        scores.append(f1.max(axis=1, initial=0.0))
    return pd.Series(np.mean(scores, axis=0), names)


def input_table(data: Published) -> pd.DataFrame:
    """NMI with genre, mean over seeds: methods in rows, under each protocol that was run on more
    than its own input; inputs in columns, from whole to single channels (inputs.VARIANTS). NaN
    where that was not run."""
    shown = [*phases.names_of(2), *phases.names_of(3), INPUT]
    s = data.scores[(data.scores.metric == "nmi") & (data.scores.phase > 1)]
    s = s[s.method.isin(shown)]
    names = [
        f"{row.phase} {row.method}, {data.marked(row.protocol, row.phase)}"
        for row in s.itertuples()
    ]
    table = s.assign(row=names).pivot_table(
        index="row", columns="variant", values="value", sort=False
    )
    table = table[table.notna().sum(axis=1) > 1]
    order = [name for name in inputs.VARIANTS if name in table]
    return table[order].rename_axis("Method").rename_axis(None, axis=1)


def read_inputs(table: pd.DataFrame) -> str:
    """What words alone and sound alone give, read off `input_table`; "" where neither was run."""
    if "lyrics alone" not in table or "audio alone" not in table:
        return ""
    words, sound = table["lyrics alone"].dropna(), table["audio alone"]
    leaky = words.index.str.contains("LEAKY")
    sentences = []
    for rows, named in ((words[leaky], "rows marked LEAKY"), (words[~leaky], "other rows")):
        if len(rows):
            sentences.append(
                f"On words alone, the {named} have an NMI from {rows.min():.2f} to "
                f"{rows.max():.2f}."
            )
    if not sentences:
        return ""
    sentences.append(
        f"On sound alone, all rows lie between {sound.min():.2f} and {sound.max():.2f}. The number "
        "before a method is its phase."
    )
    return " ".join(sentences)


def read_stability(table: pd.DataFrame, protocol: str) -> str:
    """Which method's partition depends least and most on the seed."""
    ranked = table.sort_values("stability")
    least, most = ranked.iloc[0], ranked.iloc[-1]
    first, last = tables.shown_name(most.method), tables.shown_name(least.method)
    return (
        f"Under the protocol *{protocol}*, {first} of phase {most.phase} changes least from "
        f"seed to seed: its groups agree at {most.stability:.2f} (1 means the same groups). "
        f"{last} of phase {least.phase} changes most: its groups agree at "
        f"{least.stability:.2f}."
    )
