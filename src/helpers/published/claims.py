"""Every claim of the paper with a verdict, read from the stored runs where they can tell. Page "Results"."""

from __future__ import annotations

import math
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


def _holds(flags: dict[str, bool]) -> str:
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


def _marked(data: Published, protocol: str, phase: int) -> str:
    return protocol + " (LEAKY)" * bool(data.run(protocol, phase).leaky.any())


def _told(values: Mapping[str, float], digits: int = 3) -> str:
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in values.items())


def _beta_separates(data: Published) -> tuple[str, str]:
    own, common = ({p: 1 + sum(_each(data, 3, m, metric).get(p, -1) > value for m in phases.names_of(3))
                    for p, value in _each(data, 3, "Beta-VAE", metric).items()}
                   for metric in ("silhouette", "silhouette_common"))  # fmt: skip
    said = ("rank of its silhouette among five, each in its own space: "
            f"{_told(own, 0)}; in one common space: {_told(common, 0)}")
    return _holds({p: rank == 1 for p, rank in own.items()}) + ", each in its own space", said


def _vae_tighter(data: Published) -> tuple[str, str]:
    vae, pca, same = (_each(data, 1, m, "silhouette") for m in ("VAE + K-Means", PCA, SAME_DIMS))
    said = f"VAE {_told(vae)}; PCA {_told(pca)}; PCA in as many dimensions as the VAE uses {_told(same)}"
    fair = _holds({p: vae[p] > same[p] for p in same})
    return f"{_holds({p: vae[p] > pca[p] for p in vae})}; at equal dimensions: {fair}", said


def _pca_agrees(data: Published) -> tuple[str, str]:
    found = {p: verdicts.difference(data, (p, 1, PCA, "full"), (p, 1, "VAE + K-Means", "full"), "ari")
             for p in _with(data, 1, "VAE + K-Means")}
    said = "; ".join(f"{p} {point:+.3f} [{low:+.3f}, {high:+.3f}]" for p, (point, low, high) in found.items())
    return _holds({p: low > 0 for p, (_, low, _) in found.items()}), f"ARI of PCA minus VAE: {said}"


def _lyrics_help(data: Published) -> tuple[str, str]:
    found = {}
    for p in _with(data, 2, leakage.INPUT, "audio alone"):
        one, other = ((p, 2, leakage.INPUT, v) for v in ("full", "audio alone"))
        found[_marked(data, p, 2)] = verdicts.difference(data, one, other)
    said = "; ".join(f"{p} {point:+.3f} [{low:+.3f}, {high:+.3f}]" for p, (point, low, high) in found.items())
    held = _holds({p: low > 0 for p, (_, low, _) in found.items()})
    return held, f"NMI of phase 2's input with texts minus without: {said}"


def _dbscan_best(data: Published) -> tuple[str, str]:
    if not data.has("released", 2, "DBSCAN"):
        return UNDECIDED, "these runs have no texts written by genre"
    pure, real = leakage.pure_clusters(data), _each(data, 2, "DBSCAN", "nmi", "real lyrics")
    said = (f"as released {pure['pure clusters'].mean():.1f} of {pure.k.mean():.1f} clusters are pure, for thirty "
            f"sentences; NMI {pure.NMI.mean():.3f}, with real lyrics in the same recipe {_told(real)}")  # fmt: skip
    return "it finds the sentences written by genre", said


def _weights(data: Published) -> tuple[str, str]:
    flags = {p: data.record["runs"][run_name(p, 2)]["weights_survive"] for p in _with(data, 2, "K-Means")}
    return _holds(flags), "whether halving the first weight changes what the clusterer sees"


def _components(data: Published) -> tuple[str, str]:
    runs = {p: data.record["runs"][run_name(p, 2)] for p in _with(data, 2, "K-Means")}
    found = {p: run for p, run in runs.items() if "text" in run["columns"]}
    if not found:
        return UNDECIDED, "these runs have no lyrics"
    said = [f"{p}: {run['columns']['text']} columns keep {run['text_variance']:.0%}" for p, run in found.items()]
    held = any(run["columns"]["text"] <= 32 and run["text_variance"] >= 0.95 for run in found.values())
    return "holds" if held else "does not hold for real lyrics", "; ".join(said)


def _variance(data: Published) -> tuple[str, str]:
    pairs = multiverse.pairs(multiverse.stored(data), "nmi")
    if "standard deviation above variance" not in pairs.index:
        return UNDECIDED, "the released code takes standard deviations"
    row = pairs.loc["standard deviation above variance"]
    return "does not hold for the code, and hardly matters", (
        f"the released code takes standard deviations; over {row.pairs:.0f} pairs of pipelines they change NMI by "
        f"{row['median']:+.3f} (median; {row.lowest:+.3f} to {row.highest:+.3f})")


def _purity(data: Published) -> tuple[str, str]:
    found = _each(data, 3, "Beta-VAE", "accuracy")
    said = f"share of tracks in the cluster matched to their genre, Beta-VAE: {_told(found, 2)}"
    return _holds({_marked(data, p, 3): v > 0.5 for p, v in found.items()}), said


def _classical_metal(data: Published) -> tuple[str, str]:
    if not {"classical", "metal"} <= set(data.genres):
        return UNDECIDED, "no such genres"
    ranks = {p: verdicts.by_genre(data.genres, data.labels(p, 1, PCA)).rank(ascending=False)
             for p in _with(data, 1, PCA)}
    said = ", ".join(f"{p} {r['classical']:.0f} and {r['metal']:.0f}" for p, r in ranks.items())
    flags = {p: r["classical"] <= 3 and r["metal"] <= 3 for p, r in ranks.items()}
    said = f"ranks of classical and metal among the genres best found, PCA of phase 1: {said}"
    return f"{_holds(flags)}, on sound alone", said


def _views(data: Published) -> dict[str, pd.Series]:
    """Overlap of genres on sound (each method of phase 1 once) and for the paper's Beta-VAE under each protocol."""
    sound = {f"{method} on sound": overlap(data.genres, data.labels(there[0], 1, method))
             for method in phases.names_of(1) if (there := _with(data, 1, method))}  # fmt: skip
    betas = {f"Beta-VAE ({p})": overlap(data.genres, data.labels(p, 3, "Beta-VAE")) for p in _with(data, 3, "Beta-VAE")}
    return sound | betas


def _rock_country(data: Published) -> tuple[str, str]:
    if not {"rock", "country"} <= set(data.genres):
        return UNDECIDED, "no such genres"
    ranks = {name: 1 + list(found.index).index(("country", "rock")) for name, found in _views(data).items()}
    said = f"rank of the pair among {math.comb(len(set(data.genres)), 2)} by overlap: {_told(ranks, 0)}"
    return _holds({name: rank <= 5 for name, rank in ranks.items()}), said + " (holds: among the first five)"


def _guitar(data: Published) -> tuple[str, str]:
    if not {*GUITARS, *ELECTRONIC} <= set(data.genres):
        return UNDECIDED, "no such genres"
    among, across = {}, {}
    for name, found in _views(data).items():
        among[name] = np.mean([found[tuple(sorted(pair))] for pair in combinations(GUITARS, 2)])
        across[name] = np.mean([found[tuple(sorted((a, b)))] for a in GUITARS for b in ELECTRONIC])
    said = "; ".join(f"{name} {among[name]:.2f} among them, {across[name]:.2f} with disco and pop" for name in among)
    return _holds({name: among[name] > across[name] for name in among}) + " as an overlap of clusters", said


COMPUTED: dict[str, Callable[[Published], tuple[str, str]]] = {
    "beta_separates": _beta_separates, "vae_tighter": _vae_tighter, "pca_agrees": _pca_agrees,
    "lyrics_help": _lyrics_help, "dbscan_best": _dbscan_best, "weights": _weights, "components": _components,
    "variance": _variance, "purity": _purity, "classical_metal": _classical_metal, "rock_country": _rock_country,
    "guitar": _guitar,
}  # fmt: skip


def table(data: Published) -> pd.DataFrame:
    """All claims (data/paper_claims.csv, in our words): where each is made and tested, the verdict, and its reason."""
    rows = []
    for row in pd.read_csv(data_dir() / "paper_claims.csv", keep_default_na=False).itertuples():
        verdict, said = COMPUTED[row.id](data) if row.id in COMPUTED else (row.answer.split(":")[0], row.answer)
        rows.append({"Claim": row.claim, "Paper": row.section, "Tested": row.tested, "Verdict": verdict,
                     "Because": said})
    return pd.DataFrame(rows).set_index("Claim")
