"""Every claim of the paper with a verdict, read from the stored runs where they can tell. Page "Results"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

import numpy as np
import pandas as pd

from .. import metrics, phases, tables
from ..datasets import data_dir
from . import leakage, multiverse, verdicts
from .store import Published, run_name
from .verdicts import PCA, SAME_DIMS

UNDECIDED = "not decided here"
GUITARS, ELECTRONIC = ("rock", "country", "blues"), ("disco", "pop")
VAE, BETA = "VAE + K-Means", "Beta-VAE"
Answer = tuple[str, str]  # the verdict, and what it rests on


def overlap(genres: np.ndarray, labels: np.ndarray) -> pd.Series:
    """How much of two genres lies in the same clusters, for every pair: sum over clusters of the smaller share, 0 to 1,
    mean over the labellings (n_seeds, n); most alike first."""
    names, found = np.unique(genres), []
    for one in labels:
        p = metrics.counts(genres, one)
        p /= p.sum(1, keepdims=True)
        found.append([np.minimum(p[i], p[j]).sum() for i, j in combinations(range(len(names)), 2)])
    pairs = pd.MultiIndex.from_tuples(list(combinations(names, 2)))
    return pd.Series(np.mean(found, axis=0), pairs).sort_values(ascending=False)


def _holds(flags: Mapping[str, bool]) -> str:
    """A verdict from one answer a protocol."""
    yes = [name for name, flag in flags.items() if flag]
    if not flags:
        return UNDECIDED
    return "holds" if len(yes) == len(flags) else f"holds for {'; '.join(yes)} only" if yes else "does not hold"


def _with(data: Published, phase: int, method: str, variant: str = "full") -> list[str]:
    return [p for p in data.protocols if data.has(p, phase, method, variant)]


def _each(data: Published, phase: int, method: str, metric: str, variant: str = "full") -> dict[str, float]:
    there = _with(data, phase, method, variant)
    return {p: tables.mean_of(data.run(p, phase, variant), method, metric) for p in there}


def _said(values: Mapping[str, float | tuple[float, ...]], digits: int = 3) -> str:
    """Values by protocol in words, or differences with their intervals."""
    said = (f"{v[0]:+.3f} [{v[1]:+.3f}, {v[2]:+.3f}]" if isinstance(v, tuple) else f"{v:.{digits}f}"
            for v in values.values())  # fmt: skip
    return "; ".join(map(" ".join, zip(values, said)))


def _beta_separates(data: Published) -> Answer:
    metrics_ = ("silhouette", "silhouette_common")
    ranks = [{p: 1 + sum(_each(data, 3, m, metric).get(p, -1) > value for m in phases.names_of(3))
              for p, value in _each(data, 3, BETA, metric).items()} for metric in metrics_]  # fmt: skip
    verdict = _holds({p: rank == 1 for p, rank in ranks[0].items()})
    return f"{verdict}, each in its own space", (
        f"rank of its silhouette among the five, each in its own space: {_said(ranks[0], 0)}; in one common space: "
        f"{_said(ranks[1], 0)}"
    )


def _vae_tighter(data: Published) -> Answer:
    vae, pca, same = (_each(data, 1, m, "silhouette") for m in (VAE, PCA, SAME_DIMS))
    fair = _holds({p: vae[p] > same[p] for p in same})
    return f"{_holds({p: vae[p] > pca[p] for p in vae})}; at equal dimensions: {fair}", (
        f"silhouette of the VAE: {_said(vae)}; of PCA: {_said(pca)}; of PCA in as many dimensions as the VAE uses: "
        f"{_said(same)}"
    )


def _pca_agrees(data: Published) -> Answer:
    found = {p: verdicts.difference(data, (p, 1, PCA, "full"), (p, 1, VAE, "full"), "ari") for p in _with(data, 1, VAE)}
    return _holds({p: low > 0 for p, (_, low, _) in found.items()}), f"ARI of PCA minus VAE: {_said(found)}"


def _lyrics_help(data: Published) -> Answer:
    sides = {data.marked(p, 2): ((p, 2, leakage.INPUT, "full"), (p, 2, leakage.INPUT, "audio alone"))
             for p in _with(data, 2, leakage.INPUT, "audio alone")}  # fmt: skip
    found = {p: verdicts.difference(data, *pair) for p, pair in sides.items()}
    verdict = _holds({p: low > 0 for p, (_, low, _) in found.items()})
    return verdict, f"NMI of phase 2's input with texts minus without: {_said(found)}"


def _dbscan_best(data: Published) -> Answer:
    if not data.has("released", 2, "DBSCAN"):
        return UNDECIDED, "these runs have no texts written by genre"
    pure, real = leakage.pure_clusters(data), _each(data, 2, "DBSCAN", "nmi", "real lyrics")
    return "it finds the sentences written by genre", (
        f"as released {pure['pure clusters'].mean():.1f} of {pure.k.mean():.1f} clusters are pure, for thirty "
        f"sentences; NMI {pure.NMI.mean():.3f}, with real lyrics in the same recipe {_said(real)}"
    )


def _weights(data: Published) -> Answer:
    flags = {p: data.record["runs"][run_name(p, 2)]["weights_survive"] for p in _with(data, 2, "K-Means")}
    return _holds(flags), "whether halving the first weight changes what the clusterer sees"


def _components(data: Published) -> Answer:
    runs = {p: data.record["runs"][run_name(p, 2)] for p in _with(data, 2, "K-Means")}
    found = {p: (run["columns"]["text"], run["text_variance"]) for p, run in runs.items() if "text" in run["columns"]}
    verdict = _holds({p: columns <= 32 and kept >= 0.95 for p, (columns, kept) in found.items()})
    return verdict, "; ".join(f"{p}: {n} columns keep {kept:.0%}" for p, (n, kept) in found.items()) or "no lyrics"


def _variance(data: Published) -> Answer:
    code, question = "the released code takes standard deviations", "standard deviation above variance"
    pairs = multiverse.pairs(multiverse.stored(data), "nmi")
    if question not in pairs.index:
        return UNDECIDED, code
    row = pairs.loc[question]
    said = f"{row['median']:+.3f} (median; {row.lowest:+.3f} to {row.highest:+.3f})"
    return "not of the code", f"{code}; over {row.pairs:.0f} pairs of pipelines they change NMI by {said}"


def _purity(data: Published) -> Answer:
    found = {data.marked(p, 3): value for p, value in _each(data, 3, BETA, "accuracy").items()}
    verdict = _holds({p: share > 0.5 for p, share in found.items()})
    return verdict, f"share of tracks in the cluster matched to their genre, {BETA}: {_said(found, 2)}"


def _classical_metal(data: Published) -> Answer:
    found = {p: verdicts.by_genre(data.genres, data.labels(p, 1, PCA)) for p in _with(data, 1, PCA)}
    ranks = {p: f1.rank(ascending=False)[["classical", "metal"]].astype(int) for p, f1 in found.items()}
    said = ", ".join(f"{p} {rank['classical']} and {rank['metal']}" for p, rank in ranks.items())
    verdict = _holds({p: (rank <= 3).all() for p, rank in ranks.items()})
    return f"{verdict}, on sound alone", f"ranks of the two among the genres best found, PCA of phase 1: {said}"


def _views(data: Published) -> dict[str, pd.Series]:
    """Overlap of genres on sound (each method of phase 1 once), and for the Beta-VAE under each protocol."""
    sides = {f"{m} on sound": (there[0], 1, m) for m in phases.names_of(1) if (there := _with(data, 1, m))}
    sides |= {f"{BETA} ({p})": (p, 3, BETA) for p in _with(data, 3, BETA)}
    return {name: overlap(data.genres, data.labels(*side)) for name, side in sides.items()}


def _rock_country(data: Published) -> Answer:
    views = _views(data)
    ranks = {name: 1 + list(found.index).index(("country", "rock")) for name, found in views.items()}
    n = len(next(iter(views.values())))
    verdict = _holds({name: rank <= n / 9 for name, rank in ranks.items()})
    return verdict, f"rank of the pair among {n} by overlap of clusters (holds: the first ninth): {_said(ranks, 0)}"


def _guitar(data: Published) -> Answer:
    among, across = {}, {}
    for name, found in _views(data).items():
        among[name] = np.mean([found[tuple(sorted(pair))] for pair in combinations(GUITARS, 2)])
        across[name] = np.mean([found[tuple(sorted((a, b)))] for a in GUITARS for b in ELECTRONIC])
    verdict = _holds({name: among[name] > across[name] for name in among})
    said = f"overlap among the three: {_said(among, 2)}; with disco and pop: {_said(across, 2)}"
    return f"{verdict} as an overlap of clusters", said


COMPUTED: dict[str, Callable[[Published], Answer]] = {
    "beta_separates": _beta_separates, "vae_tighter": _vae_tighter, "pca_agrees": _pca_agrees,
    "lyrics_help": _lyrics_help, "dbscan_best": _dbscan_best, "weights": _weights, "components": _components,
    "variance": _variance, "purity": _purity, "classical_metal": _classical_metal, "rock_country": _rock_country,
    "guitar": _guitar,
}  # fmt: skip
OF_GENRES = {"classical_metal", "rock_country", "guitar"}  # they name GTZAN's genres


def table(data: Published) -> pd.DataFrame:
    """All claims (data/paper_claims.csv, in our words), where each is made and tested, the verdict and why."""
    rows, known = [], {*GUITARS, *ELECTRONIC, "classical", "metal"} <= set(data.genres)
    for row in pd.read_csv(data_dir() / "paper_claims.csv", keep_default_na=False).itertuples():
        if row.id in OF_GENRES and not known:
            verdict, said = UNDECIDED, "these tracks have other genres"
        elif row.id in COMPUTED:
            verdict, said = COMPUTED[row.id](data)
        else:
            verdict, _, said = row.answer.partition(": ")
        rows.append((row.claim, row.section, row.tested, verdict, said))
    return pd.DataFrame(rows, columns=["Claim", "Paper", "Tested", "Verdict", "Because"]).set_index("Claim")
