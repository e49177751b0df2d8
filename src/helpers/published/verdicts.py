"""The paper's values beside the published runs: a verdict a protocol, what chance alone would miss, paired differences,
stability beside agreement, and results by genre. Page "Results"; no audio, no training."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
import pandas as pd

from .. import inputs, metrics, phases, tables
from ..protocols import PROTOCOLS
from .store import Published

WORDS = ["reproduced", "near, though outside our spread", "within a wide spread", "not reproduced", "not defined"]
OTHER = "other data"  # the paper's values are of GTZAN; beside another table they get no verdict
PCA, SAME_DIMS = "PCA + K-Means", "VAE + K-Means (PCA, as many dims)"


@lru_cache(maxsize=4)
def values(data: Published) -> pd.DataFrame:
    """Every value of the paper's tables under every protocol that has runs, tidy: phase, method, metric, protocol,
    paper, mean, sd, low, high (where one further run would fall), verdict (`tables.verdict`), marked (the protocol,
    with LEAKY where the guard found the genre in the input, "told" where the network is handed it), runs (one value a
    seed).
    """
    rows = []
    for row in tables.paper_tables().itertuples():
        space = next(m.space for m in phases.methods_of(row.phase) if m.name == row.method)
        told = any(space in p.recipes and p.recipes[space].kind == "cvae" for p in PROTOCOLS.values())
        for protocol in data.protocols:
            run = data.run(protocol, row.phase)
            ours = run[(run.method == row.method) & (run.metric == row.metric)].value.to_numpy()
            if len(ours):
                judged, marked = data.record["dataset"] == "gtzan", data.marked(protocol, row.phase)
                low, high = tables.prediction(ours)
                rows.append({
                    "phase": row.phase, "method": row.method, "metric": row.metric, "protocol": protocol,
                    "paper": row.value, "mean": ours.mean(), "sd": ours.std(ddof=1) if len(ours) > 1 else np.nan,
                    "low": low, "high": high, "marked": f"{marked} (told)" if told and marked == protocol else marked,
                    "verdict": tables.verdict(row.value, ours, row.metric) if judged else OTHER, "runs": ours,
                })  # fmt: skip
    return pd.DataFrame(rows)


def compare(data: Published, phase: int) -> pd.DataFrame:
    """The paper's table of `phase`, one protocol a row: paper, ours (mean ± sd over seeds), 95 % interval of that mean
    (for scores against genres), where one further run would fall, and the verdict."""
    found, rows = values(data), []
    for row in found[found.phase == phase].itertuples():
        metric, interval = metrics.metric_of(row.metric), (np.nan, np.nan)
        if metric.of_table and data.has(row.protocol, phase, row.method):
            interval = data.interval(data.labels(row.protocol, phase, row.method), row.metric)
        rows.append({
            "Method": row.method, "Metric": tables.label_of(row.metric), "Protocol": row.marked,
            "Paper": tables.cell(row.paper, np.nan, row.metric), "Ours": tables.cell(row.mean, row.sd, row.metric),
            "95 % interval of the mean": tables.range_cell(*interval),
            "One further run": tables.range_cell(row.low, row.high, metric.digits), "Verdict": row.verdict,
        })  # fmt: skip
    return pd.DataFrame(rows).set_index(["Method", "Metric", "Protocol"])


def by_chance(data: Published, protocol: str) -> pd.DataFrame:
    """How often each verdict would fall if the paper were one more run of ours: each seed in turn stands for it,
    printed to as many digits, and is judged by the others. Rows are seeds, columns verdicts."""
    found = values(data)
    cells, rows = found[found.protocol == protocol], []
    for seed in range(min(map(len, cells.runs))):
        words = [tables.verdict(round(float(row.runs[seed]), metrics.metric_of(row.metric).digits),
                                np.delete(row.runs, seed), row.metric) for row in cells.itertuples()]  # fmt: skip
        rows.append(pd.Series(words).value_counts())
    return pd.DataFrame(rows).reindex(columns=WORDS).fillna(0).reset_index(drop=True)


def counts(data: Published) -> pd.DataFrame:
    """The verdicts, one protocol a row: how many of the paper's values get each, in brackets how many would by chance,
    if the paper were one more run of ours (`by_chance`), and how many are reproduced where the genre was in the input
    or beside it."""
    found, rows = values(data), {}
    for protocol in data.protocols:
        part, chance = found[found.protocol == protocol], by_chance(data, protocol).mean()
        told = (part.verdict == WORDS[0]) & (part.marked != protocol)
        judged = {word: f"{(part.verdict == word).sum()} ({chance[word]:.1f})" for word in WORDS}
        rows[protocol] = {"Values": len(part), **judged, "reproduced, told the genre": int(told.sum())}
    return pd.DataFrame(rows).T.rename_axis("Protocol")


def read_counts(data: Published) -> str:
    """Sentences that answer whether the paper holds: the protocol that reproduces most of its values, what one more run
    of ours would get in its place, and what is left where no genre was in the input or beside it."""
    found = values(data)
    if OTHER in set(found.verdict):
        return (f"These runs are of *{data.record['dataset']}*, not of the paper's data: "
                "its values stand beside them without a verdict.")  # fmt: skip
    held = found[found.verdict == WORDS[0]]
    best = max(data.protocols, key=lambda name: (held.protocol == name).sum())
    part, chance = found[found.protocol == best], by_chance(data, best).mean()
    said = [f"{(part.verdict == word).sum()} {word} ({chance[word]:.1f})" for word in WORDS[:4]]
    clean = [f"*{p}* reproduces {((held.protocol == p) & (held.marked == p)).sum()}" for p in data.protocols]
    return (f"Of the paper's {len(part)} values, runs of *{best}* leave {', '.join(said)}; in brackets what one more "
            "run of ours would get in the paper's place. Where no genre was in the input or beside it, "
            f"{', '.join(clean)}.")  # fmt: skip


def missed(data: Published, protocol: str) -> list[str]:
    """One phrase for each value of the paper that the runs of a protocol do not reproduce."""
    found = values(data)
    found = found[(found.protocol == protocol) & (found.verdict == "not reproduced")]
    return [f"{row.method} (Table {row.phase}), {tables.label_of(row.metric)}: paper "
            f"{tables.cell(row.paper, np.nan, row.metric)}, ours {tables.cell(row.mean, row.sd, row.metric)}"
            for row in found.itertuples()]  # fmt: skip


Side = tuple[str, int, str, str]  # protocol, phase, method, variant


def difference(
    data: Published, one: Side, other: Side, metric: str = "nmi", of: str = "mean"
) -> tuple[float, float, float]:
    """Point, low and high of score(one) - score(other), scored on the same tracks drawn anew."""
    a, b = (list(data.labels(*side)) for side in (one, other))
    return metrics.paired_bootstrap(data.genres, a, b, metric, data.groups, of)


def differences(data: Published) -> pd.DataFrame:
    """Paired differences in NMI under every protocol: a network against PCA, with lyrics against without or shuffled.
    The verdict rests on the mean over seeds, tracks and seeds both a sample; beside it the interval for one run of
    either."""
    pairs = [("VAE − PCA", 1, ("VAE + K-Means", "full"), (PCA, "full")),
             ("VAE − PCA at as many dims", 1, ("VAE + K-Means", "full"), (SAME_DIMS, "full")),
             ("Beta-VAE − PCA", 3, ("Beta-VAE", "full"), (PCA, "full"))]  # fmt: skip
    for phase, method in ((2, "K-Means"), (3, "Beta-VAE"), (2, "Input + K-Means"), (3, "Input + K-Means")):
        pairs += [(f"{method}: with lyrics − {other}", phase, (method, "full"), (method, other))
                  for other in ("audio alone", "lyrics shuffled")]  # fmt: skip
    rows = []
    for name, phase, one, other in pairs:
        for protocol in data.protocols:
            if data.has(protocol, phase, *one) and data.has(protocol, phase, *other):
                sides = (protocol, phase, *one), (protocol, phase, *other)
                point, low, high = difference(data, *sides)
                _, lowest, highest = difference(data, *sides, of="run")
                rows.append({
                    "Difference in NMI": f"{name}, phase {phase}", "Protocol": data.marked(protocol, phase),
                    "mean": f"{point:+.3f}", "95 %, mean over seeds": f"[{low:+.3f}, {high:+.3f}]",
                    "reads": metrics.told(low, high), "95 %, one run": f"[{lowest:+.3f}, {highest:+.3f}]",
                })  # fmt: skip
    return pd.DataFrame(rows).set_index(["Difference in NMI", "Protocol"])


def stability(data: Published, protocol: str | None = None) -> pd.DataFrame:
    """How alike the partitions of two seeds are (mean ARI of all pairs, noise one cluster), beside their agreement with
    genre (ARI and NMI, means over seeds), for every method on the protocol's own input: protocol, phase, method,
    stability, ari, nmi. Where two seeds disagree there is no one partition to report (von Luxburg 2010)."""
    rows = []
    for name in data.protocols if protocol is None else [protocol]:
        for phase in (1, 2, 3):
            run = data.run(name, phase)
            for method in dict.fromkeys(run.method):
                if data.has(name, phase, method) and len(labels := data.labels(name, phase, method)) > 1:
                    alike = [float(metrics.ari(metrics.counts(a, b))) for a, b in combinations(labels, 2)]
                    scores = (tables.mean_of(run, method, metric) for metric in ("ari", "nmi"))
                    rows.append((name, phase, method, float(np.mean(alike)), *scores))
    return pd.DataFrame(rows, columns=["protocol", "phase", "method", "stability", "ari", "nmi"])


def by_genre(genres: np.ndarray, labels: np.ndarray) -> pd.Series:
    """How well each genre is found: F1 of its best cluster, mean over the labellings (n_seeds, n), of which noise is no
    cluster (Larsen & Aone 1999)."""
    names, sizes = np.unique(genres, return_counts=True)
    scores = []
    for one in labels:
        table = metrics.counts(genres, one)[:, int((one == -1).any()):]  # noise would be the first column
        f1 = 2 * table / (sizes[:, None] + table.sum(0))
        scores.append(f1.max(axis=1, initial=0.0))
    return pd.Series(np.mean(scores, axis=0), names)


def genre_table(data: Published) -> pd.DataFrame:
    """`by_genre` of the paper's methods under every protocol, one row a method, and of permuted genres."""
    rows = {f"{phase} {method}, {data.marked(protocol, phase)}": data.labels(protocol, phase, method)
            for protocol in data.protocols for phase in (1, 2, 3) for method in phases.names_of(phase)
            if data.has(protocol, phase, method)}  # fmt: skip
    some = next(iter(rows.values()))[:1]
    drawn = [by_genre(genres, some) for genres in metrics.permuted(data.genres, data.groups, 50, 0)]
    found = {name: by_genre(data.genres, labels) for name, labels in rows.items()}
    return pd.DataFrame(found | {"chance": pd.concat(drawn, axis=1).mean(axis=1)}).T.rename_axis("Method")


def input_table(data: Published) -> pd.DataFrame:
    """NMI with genre, mean over seeds: methods in rows, under each protocol that was run on more than its own input;
    inputs in columns, from whole to single channels (inputs.VARIANTS). NaN where that was not run."""
    s = data.scores[(data.scores.metric == "nmi") & (data.scores.phase > 1)]
    s = s[s.method.isin([*phases.names_of(2), *phases.names_of(3), "Input + K-Means"])]
    s = s.assign(row=[f"{row.phase} {row.method}, {data.marked(row.protocol, row.phase)}" for row in s.itertuples()])
    table = s.pivot_table(index="row", columns="variant", values="value", sort=False)
    table = table[table.notna().sum(axis=1) > 1]
    return table[[name for name in inputs.VARIANTS if name in table]].rename_axis("Method").rename_axis(None, axis=1)
