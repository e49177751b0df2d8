"""The rule of each claim of the paper: what it reads, and which verdict follows.

A rule takes the published runs and returns a verdict of VERDICTS and what it rests on, in words. A
claim about what was done is held against the settings of the released code (`PROTOCOLS`), one about
a score against the runs, one about the CVAE or about factors against the grids of the chapter
`collapse`. Where the runs lack what a rule needs, the verdict is NOT_TESTED and the words say why.
Used by `claims`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from itertools import combinations

import numpy as np
import pandas as pd

from helpers import lyrics, metrics, phases, tables
from helpers.protocols import PROTOCOLS, Recipe
from helpers.tracks import data_dir
from musicbook.chapters.collapse import words
from musicbook.chapters.collapse.decision import Thresholds
from musicbook.chapters.collapse.grids import published_grid
from musicbook.chapters.leakage import attribution
from musicbook.chapters.results import multiverse, verdicts
from musicbook.chapters.results.verdicts import BETA, INPUT, PCA, SAME_DIMS, VAE
from musicbook.named_values import interval_words, signed
from musicbook.stored_runs import Published, run_name

HOLDS, PART, FAILS = "holds", "holds in part", "does not hold"
NOT_IN_CODE = "not in the code"  # the text says it, the released code does something else
NOT_TESTED = "not tested"  # neither the paper nor these runs test it
VERDICTS = (HOLDS, PART, FAILS, NOT_IN_CODE, NOT_TESTED)

Finding = tuple[str, str]  # the verdict, and what it rests on
Rule = Callable[[Published], Finding]
CVAE = "CVAE"
GUITARS, ELECTRONIC = ("blues", "country", "rock"), ("disco", "pop")
CODE = PROTOCOLS["released"]  # what the author's code does
NAMED = {**CODE.recipes}  # its networks
PLACES = {1: "first", 2: "second", 3: "third", 4: "fourth", 5: "fifth"}


# ---- small helpers -------------------------------------------------------------------------------


def verdict_by_protocol(flags: Mapping[str, bool]) -> str:
    """One answer a protocol -> a verdict: all yes, some yes, none."""
    if not flags:
        return NOT_TESTED
    if all(flags.values()):
        return HOLDS
    return PART if any(flags.values()) else FAILS


def means_by_protocol(
    data: Published, phase: int, method: str, metric: str, variant: str = "full"
) -> dict[str, float]:
    """A score's mean over seeds under every protocol that has it, marked LEAKY where it is."""
    found = {}
    for protocol in data.protocols:
        if data.has(protocol, phase, method, variant):
            run = data.run(protocol, phase, variant)
            found[data.marked(protocol, phase)] = tables.mean_of(run, method, metric)
    return found


def listed(values: Mapping[str, float], digits: int = 3) -> str:
    """Values by protocol: "written 0.354, released 0.355"."""
    return ", ".join(f"{name} {value:.{digits}f}" for name, value in values.items())


def listed_places(found: Mapping[str, int]) -> str:
    """Places by protocol: "first under written and released, third under controlled"."""
    parts = []
    for place in dict.fromkeys(found.values()):
        protocols = [name for name, own in found.items() if own == place]
        parts.append(f"{PLACES[place]} under {tables.joined_names(protocols)}")
    return ", ".join(parts)


def listed_differences(found: Mapping[str, tuple[float, float, float]]) -> str:
    """Differences by protocol, each with its 95 % interval."""
    return "; ".join(
        f"{name} {signed(point)} ({interval_words(low, high, 3, sign=True)})"
        for name, (point, low, high) in found.items()
    )


def differences_by_protocol(
    data: Published,
    phase: int,
    one: tuple[str, str],
    other: tuple[str, str],
    metric: str = "nmi",
) -> dict[str, tuple[float, float, float]]:
    """score(one) - score(other), each a (method, variant), with its interval, by protocol."""
    found = {}
    for protocol in data.protocols:
        if data.has(protocol, phase, *one) and data.has(protocol, phase, *other):
            sides = (protocol, phase, *one), (protocol, phase, *other)
            name = data.marked(protocol, phase)
            found[name] = verdicts.run_difference(data, *sides, metric)
    return found


def ranks(data: Published, method: str, metric: str) -> dict[str, int]:
    """The place of a method of phase 3 among the paper's five by a score, best first, by
    protocol."""
    own = means_by_protocol(data, 3, method, metric)
    better = {name: 1 for name in own}
    for other in phases.names_of(3):
        values = means_by_protocol(data, 3, other, metric)
        for name in own:
            if name in values and _is_better(values[name], own[name], metric):
                better[name] += 1
    return better


def _is_better(a: float, b: float, metric: str) -> bool:
    return a < b if metric == "davies_bouldin" else a > b


def paper_scores(phase: int) -> pd.DataFrame:
    """The paper's own table of a phase: methods by scores."""
    paper = tables.paper_tables()
    return paper[paper.phase == phase].pivot(index="method", columns="metric", values="value")


def paper_ranks(method: str) -> dict[str, int]:
    """The place of a method in the paper's own Table 3, best first, by score."""
    table = paper_scores(3)
    found = {}
    for metric in table:
        ascending = metric == "davies_bouldin"
        found[str(metric)] = int(table[metric].rank(ascending=ascending, method="min")[method])
    return found


def named_grid(data: Published, grid: str) -> pd.DataFrame | None:
    """A grid of the chapter `collapse`, of these runs or of full GTZAN."""
    own = published_grid(data.folder.name, grid)
    return published_grid("gtzan", grid) if own is None else own


def has_genres_of_gtzan(data: Published) -> bool:
    """Whether these tracks have the genres that the paper's claims name."""
    return {*GUITARS, *ELECTRONIC, "classical", "metal"} <= set(data.genres)


# ---- what was done -------------------------------------------------------------------------------


def unsupervised(data: Published) -> Finding:
    """Rule of the claim: The clustering is unsupervised."""
    leaky = [p for p in data.protocols if data.run(p, 3).leaky.any()]
    if "released" not in data.protocols:
        return NOT_TESTED, "no runs of the released code"
    value = means_by_protocol(data, 3, INPUT, "nmi")
    score = value.get(data.marked("released", 3), np.nan)
    verdict = FAILS if "released" in leaky else HOLDS
    return verdict, (
        "the code puts the genre into phase 3 as ten columns, and sentences written by genre into "
        f"phases 2 and 3; K-Means on such an input, without a network, has an NMI of {score:.3f}"
    )


def languages(data: Published) -> Finding:
    """Rule of the claim: The pipeline clusters tracks in several languages."""
    return NOT_TESTED, "the code keeps English lyrics only, so there is no mix to cluster"


def features_68(data: Published) -> Finding:
    """Rule of the claim: A track is 68 numbers."""
    n = data.record["runs"][run_name(data.protocols[0], 1)]["columns"]["audio"]
    return (HOLDS if n == 68 else FAILS), f"{n} columns of sound"


def variance(data: Published) -> Finding:
    """Rule of the claim: Features are means and variances."""
    code = "the code takes standard deviations"
    pairs = multiverse.pairs(multiverse.published_pipelines(data))
    question = "standard deviation above variance"
    if question not in pairs.index:
        return NOT_IN_CODE, code
    row = pairs.loc[question]
    return NOT_IN_CODE, (
        f"{code}; this choice changes AMI by a median of {signed(row['median'])} in "
        f"{row.pairs:.0f} pairs of pipelines ({signed(row.lowest)} to {signed(row.highest)})"
    )


def components_claim(data: Published) -> Finding:
    """Rule of the claim: 32 components keep 95 % of the lyrics' variance."""
    found = {}
    for protocol in data.protocols:
        run = data.record["runs"].get(run_name(protocol, 2), {"columns": {}})
        if "text" in run["columns"]:
            found[protocol] = run["columns"]["text"], run["text_variance"]
    if not found:
        return NOT_TESTED, "these runs have no lyrics"
    flags = {p: n <= 32 and kept >= 0.95 for p, (n, kept) in found.items()}
    parts = "; ".join(f"{p}: {n} columns keep {kept:.0%}" for p, (n, kept) in found.items())
    return verdict_by_protocol(flags), f"{parts} (the code keeps all 384)"


def residual(data: Published) -> Finding:
    """Rule of the claim: Residual connections and batch norm make training stable."""
    nets = [name for name, recipe in NAMED.items() if recipe.residual]
    return (PART if nets else NOT_IN_CODE), (
        "none of the author's checkpoints has a residual connection, and the paper does not "
        "compare training with and without one"
    )


def condition_both(data: Published) -> Finding:
    """Rule of the claim: Encoder and decoder of the CVAE are given the genre."""
    recipe = NAMED["cvae"]
    return (HOLDS if recipe.condition == "both" else FAILS), "in the code, and in its checkpoint"


def tracks_1000(data: Published) -> Finding:
    """Rule of the claim: A thousand tracks are clustered."""
    n = data.record["n"]
    return (HOLDS if n == 1000 else PART), f"{n} tracks are clustered"


def metadata(data: Published) -> Finding:
    """Rule of the claim: GTZAN has no artists and titles."""
    artists = data.record.get("duplicates", {}).get("artists")
    if not artists:
        return NOT_TESTED, "these tracks have no index of artists"
    return PART, (
        f"an index was published (Sturm 2012): it names {artists['artists']} artists for "
        f"{artists['tracks']} of the {data.record['n']} tracks; for {artists['same_artist']:.0%} "
        "of these, the nearest track of their genre is by the same artist"
    )


def lyrics_each_track(data: Published) -> Finding:
    """Rule of the claim: Each track gets a real text of its genre."""
    n = len(lyrics.CONSTANTS)
    sentences = sum(map(len, lyrics.TEMPLATES.values()))
    assert CODE.text[2] == "template" and CODE.text[3] == "constant"
    return NOT_IN_CODE, (
        f"phase 2 has no lyrics but {sentences} sentences, three made for each genre; phase 3 "
        f"has one such sentence for each of {n} genres, and lyrics for the other five"
    )


def hundred_columns(data: Published) -> Finding:
    """Rule of the claim: Phases 2 and 3 cluster 100 columns."""
    found = {}
    for phase in (2, 3):
        run = data.record["runs"].get(run_name("released", phase))
        if run:
            found[f"phase {phase}"] = sum(run["columns"].values())
    if not found:
        return NOT_TESTED, "no runs of the released code"
    parts = ", ".join(f"{name}: {n}" for name, n in found.items())
    return (HOLDS if set(found.values()) == {100} else NOT_IN_CODE), f"columns in the code, {parts}"


def weights_claim(data: Published) -> Finding:
    """Rule of the claim: Weights of 0.6 and 0.4 put sound first."""
    flags = {}
    for protocol in data.protocols:
        run = data.record["runs"].get(run_name(protocol, 2))
        if run and "text" in run["columns"]:
            flags[protocol] = run["weights_survive"]
    yes = [name for name, flag in flags.items() if flag]
    return verdict_by_protocol(flags), (
        "the code scales every column again after weighting, which cancels the weights; "
        f"in our runs the weights still count under {' and '.join(yes) or 'no protocol'}"
    )


def architecture(data: Published) -> Finding:
    """Rule of the claim: All networks have layers 512, 256, 128 and 32 latent dimensions."""
    shapes = {name: (recipe.hidden, recipe.latent) for name, recipe in NAMED.items()}
    right = [name for name, shape in shapes.items() if shape == ((512, 256, 128), 32)]
    other = ", ".join(
        f"{name.replace('_', ' ')} {'-'.join(map(str, hidden))} and {latent}"
        for name, (hidden, latent) in shapes.items()
        if name not in right
    )
    return verdict_by_protocol({name: name in right for name in shapes}), f"in the code: {other}"


def epochs(data: Published) -> Finding:
    """Rule of the claim: Networks train for 200 epochs, the CVAE for 300."""
    wanted = {name: 300 if name == "cvae" else 200 for name in NAMED}
    flags = {name: NAMED[name].epochs == n for name, n in wanted.items()}
    other = ", ".join(
        f"{name.replace('_', ' ')} {NAMED[name].epochs}" for name, flag in flags.items() if not flag
    )
    return verdict_by_protocol(flags), f"in the code: {other}"


def annealing(data: Published) -> Finding:
    """Rule of the claim: KL annealing was applied to the CVAE."""
    if NAMED["cvae"].anneal != "none":
        return HOLDS, "in the code"
    table = named_grid(data, "battery")
    because = "the code trains the CVAE with full KL weight from the first step"
    if table is not None:
        one = words.changes(
            table[table.protocol == "controlled"],
            "model",
            "CVAE, no annealing",
            "CVAE, KL annealing",
            by="protocol",
        )
        if "Active units" in one:
            because += (
                "; annealing changes the active units of a CVAE of the sound alone by "
                f"{one['Active units'].iloc[0]}"
            )
    return NOT_IN_CODE, because


def baselines(data: Published) -> Finding:
    """Rule of the claim: PCA, an autoencoder and spectral clustering are baselines."""
    there = [m for m in (PCA, "AE + K-Means", "Spectral") if data.has(data.protocols[0], 3, m)]
    return (HOLDS if len(there) == 3 else PART), f"in the code and here: {', '.join(there)}"


def isolated(data: Published) -> Finding:
    """Rule of the claim: The phases isolate what features, algorithm and model add."""
    names = {"1 to 2": ("basic_vae", "enhanced_vae"), "2 to 3": ("enhanced_vae", "beta_vae")}
    parts = []
    for step, (one, other) in names.items():
        changed = settings_that_differ(NAMED[one], NAMED[other])
        parts.append(f"{len(changed)} settings of the network change at once from phase {step}")
    return (
        FAILS,
        f"{'; '.join(parts)}; the input and the clustering change too, and one seed is run",
    )


def settings_that_differ(one: Recipe, other: Recipe) -> list[str]:
    """The fields in which two recipes differ."""
    return [f.name for f in fields(Recipe) if getattr(one, f.name) != getattr(other, f.name)]


# ---- scores --------------------------------------------------------------------------------------


def beta_separates(data: Published) -> Finding:
    """Rule of the claim: The Beta-VAE separates clusters best."""
    own = ranks(data, BETA, "silhouette")
    common = ranks(data, BETA, "silhouette_common")
    flags = {f"{p}, own space": rank == 1 for p, rank in own.items()}
    flags |= {f"{p}, common space": rank == 1 for p, rank in common.items()}
    return verdict_by_protocol(flags), (
        "by silhouette among five methods, with each in its own space, it is "
        f"{listed_places(own)}; with all in one common space, it is {listed_places(common)}"
    )


def beta_lowest_db(data: Published) -> Finding:
    """Rule of the claim: The Beta-VAE has the lowest Davies-Bouldin index."""
    found = ranks(data, BETA, "davies_bouldin")
    flags = {name: rank == 1 for name, rank in found.items()}
    return verdict_by_protocol(flags), f"its place among five: {listed(found, 0)}"


def cvae_weak(data: Published) -> Finding:
    """Rule of the claim: The CVAE is the weakest method."""
    places = {}
    for metric in ("nmi", "ari", "purity"):
        for name, rank in ranks(data, CVAE, metric).items():
            places[f"{name} {tables.label_of(metric)}"] = rank
    flags = {name: rank == 5 for name, rank in places.items()}
    if flags and all(flags.values()):
        protocols = ", ".join(ranks(data, CVAE, "nmi"))
        return HOLDS, f"it is last of five by NMI, ARI and purity, in all protocols: {protocols}"
    return verdict_by_protocol(flags), f"its place among five: {listed(places, 0)}"


def cvae_all_metrics(data: Published) -> Finding:
    """Rule of the claim: The CVAE is poor by every score."""
    table, places = paper_scores(3), paper_ranks(CVAE)
    last = {metric: place == len(table) for metric, place in places.items()}
    wrong = [metric for metric, is_last in last.items() if not is_last]
    if not wrong:
        return HOLDS, "it is last by every score of the paper's table"
    metric = wrong[0]
    value = table[metric]
    beaten = [m for m in value.index if _is_better(value[CVAE], value[m], metric)]
    others = " and ".join(f"{m} ({value[m]:.2f})" for m in beaten)
    label = tables.label_of(metric).removesuffix(" ↓")
    return (
        FAILS,
        f"in the paper's own table its {label} ({value[CVAE]:.2f}) is better than {others}",
    )


def dbscan_silhouette(data: Published) -> Finding:
    """Rule of the claim: Reduced lyrics give DBSCAN a silhouette of 0.624."""
    full = means_by_protocol(data, 2, "DBSCAN", "silhouette")
    score = full.get(data.marked("released", 2)) if "released" in data.protocols else None
    if score is None:
        return NOT_TESTED, "no runs of the released code"
    noise = means_by_protocol(data, 2, "DBSCAN", "noise_share")[data.marked("released", 2)]
    return NOT_IN_CODE, (
        "the code reduces no lyrics: in phase 2 it takes the sentences made for the genres as 384 "
        f"columns; on these, DBSCAN keeps {1 - noise:.0%} of the tracks, and their silhouette is "
        f"{score:.3f}"
    )


def linear_too_weak(data: Published) -> Finding:
    """Rule of the claim: PCA and K-Means capture less of the music than a VAE."""
    found = differences_by_protocol(data, 1, (VAE, "full"), (PCA, "full"))
    flags = {name: low > 0 for name, (_, low, _) in found.items()}
    return verdict_by_protocol(flags), f"NMI of the VAE minus PCA: {listed_differences(found)}"


def generative(data: Published) -> Finding:
    """Rule of the claim: VAEs learn the patterns that underlie the music."""
    return NOT_TESTED, "the paper shows no song that a VAE made, and no likelihood"


def vae_tighter(data: Published) -> Finding:
    """Rule of the claim: A VAE's clusters are tighter than those of PCA."""
    vae, pca, same = (
        means_by_protocol(data, 1, method, "silhouette") for method in (VAE, PCA, SAME_DIMS)
    )
    flags = {f"{p}, each in its own": vae[p] > pca[p] for p in vae}
    flags |= {f"{p}, as many dimensions": vae[p] > same[p] for p in same}
    return verdict_by_protocol(flags), (
        "silhouettes of the VAE, of PCA, and of PCA with only as many dimensions as the VAE uses: "
        + "; ".join(f"{p} {vae[p]:.3f}, {pca[p]:.3f} and {same[p]:.3f}" for p in same)
    )


def pca_agrees(data: Published) -> Finding:
    """Rule of the claim: PCA agrees more with genre than the VAE."""
    found = differences_by_protocol(data, 1, (PCA, "full"), (VAE, "full"), "ari")
    flags = {name: low > 0 for name, (_, low, _) in found.items()}
    return verdict_by_protocol(
        flags
    ), f"difference in ARI, PCA minus VAE: {listed_differences(found)}"


def lyrics_help(data: Published) -> Finding:
    """Rule of the claim: Adding lyrics makes the clusters much better."""
    found = differences_by_protocol(data, 2, (INPUT, "full"), (INPUT, "audio alone"))
    flags = {name: low > 0 for name, (_, low, _) in found.items()}
    return verdict_by_protocol(flags), (
        "NMI of K-Means on the input with texts, minus that without (phase 2, no network): "
        f"{listed_differences(found)}"
    )


def multimodal_claim(data: Published) -> Finding:
    """Rule of the claim: Phases 1 to 3 show that sound and lyrics are needed."""
    found = {}
    for phase in (2, 3):
        other = INPUT, "lyrics shuffled"
        for name, row in differences_by_protocol(data, phase, (INPUT, "full"), other).items():
            if "LEAKY" not in name:
                found[f"{name}, phase {phase}"] = row
    flags = {name: low > 0 for name, (_, low, _) in found.items()}
    return verdict_by_protocol(flags), (
        "NMI of K-Means on the input, without a network, with lyrics minus shuffled ones, where "
        "the input is clean: "
        f"{listed_differences(found)}"
    )


def dbscan_density(data: Published) -> Finding:
    """Rule of the claim: DBSCAN finds genres by the density of the music."""
    if not data.has("released", 2, "DBSCAN"):
        return NOT_TESTED, "these runs have no texts written by genre"
    pure = attribution.pure_clusters(data)
    real = tables.mean_of(data.run("released", 2, "real lyrics"), "DBSCAN", "nmi")
    return FAILS, (
        "it finds the thirty sentences that were written by genre: it makes "
        f"{attribution.pure_words(pure)} (holds one genre only); its NMI is "
        f"{pure.NMI.mean():.3f} with these sentences and {real:.3f} with real lyrics"
    )


def dbscan_noise(data: Published) -> Finding:
    """Rule of the claim: DBSCAN scores highest because it rejects noise."""
    if "released" not in data.protocols:
        return NOT_TESTED, "no runs of the released code"
    run = data.run("released", 2)
    kept, counted, share = (
        tables.mean_of(run, "DBSCAN", metric)
        for metric in ("nmi", "nmi_noise_cluster", "noise_share")
    )
    others = {m: tables.mean_of(run, m, "nmi") for m in phases.names_of(2) if m != "DBSCAN"}
    best = max(others, key=lambda name: others[name])
    verdict = FAILS if counted > others[best] else HOLDS
    return verdict, (
        f"it rejects {share:.1%} of the tracks; its NMI is {kept:.3f} without them and "
        f"{counted:.3f} with them as one cluster, still above {best} ({others[best]:.3f})"
    )


def best_balance(data: Published) -> Finding:
    """Rule of the claim: The Beta-VAE balances separation and agreement best."""
    columns = list(paper_scores(3))
    found = {}
    for protocol in ("the paper's table", *data.protocols):
        places = mean_places(data, protocol, columns)
        if len(places):
            found[protocol if protocol not in data.protocols else data.marked(protocol, 3)] = places
    flags = {name: places.idxmin() == BETA for name, places in found.items()}
    parts = "; ".join(
        f"{name} {places[BETA]:.1f} (best: {places.idxmin()}, {places.min():.1f})"
        for name, places in found.items()
    )
    return verdict_by_protocol(flags), f"mean rank over the five scores (1 is best): {parts}"


def mean_places(data: Published, protocol: str, columns: list[str]) -> pd.Series:
    """The mean place of each method of phase 3 over some scores, 1 the best; empty without runs."""
    table = paper_scores(3)
    if protocol in data.protocols:
        run, rows = data.run(protocol, 3), {}
        for method in table.index:
            if data.has(protocol, 3, method):
                rows[method] = [tables.mean_of(run, method, metric) for metric in columns]
        table = pd.DataFrame(rows, index=columns).T
    if table.empty:
        return pd.Series(dtype=float)
    places = [table[m].rank(ascending=m == "davies_bouldin") for m in columns]
    return pd.concat(places, axis=1).mean(axis=1)


def sound_overlaps(data: Published) -> Finding:
    """Rule of the claim: Clusters of sound alone overlap."""
    found = means_by_protocol(data, 1, PCA, "nmi")
    flags = {name: value < 0.5 for name, value in found.items()}
    return verdict_by_protocol(flags), f"NMI of PCA + K-Means on sound: {listed(found)} (1: pure)"


def purity_claim(data: Published) -> Finding:
    """Rule of the claim: Most tracks land in a cluster of their own genre."""
    found = means_by_protocol(data, 3, BETA, "accuracy")
    flags = {name: share > 0.5 for name, share in found.items()}
    return verdict_by_protocol(flags), (
        f"share of tracks in the cluster matched to their genre, {BETA}: {listed(found, 2)}"
    )


# ---- genres --------------------------------------------------------------------------------------


def overlap(genres: np.ndarray, labels: np.ndarray) -> pd.Series:
    """How much of two genres lies in the same clusters, for every pair: sum over clusters of the
    smaller share, 0 to 1, mean over the labellings (n_seeds, n); most alike first."""
    names = np.unique(genres)
    pairs = list(combinations(range(len(names)), 2))
    found = []
    for one in labels:
        p = metrics.counts(genres, one)
        p /= p.sum(1, keepdims=True)
        found.append([np.minimum(p[i], p[j]).sum() for i, j in pairs])
    index = pd.MultiIndex.from_tuples([(names[i], names[j]) for i, j in pairs])
    return pd.Series(np.mean(found, axis=0), index).sort_values(ascending=False)


def overlap_views(data: Published) -> dict[str, pd.Series]:
    """Overlap of genres on sound (each method of phase 1 once), and for the Beta-VAE under each
    protocol."""
    found = {}
    for method in phases.names_of(1):
        there = [p for p in data.protocols if data.has(p, 1, method)]
        if there:
            labels = data.labels(there[0], 1, method)
            found[f"{method} on sound"] = overlap(data.genres, labels)
    for protocol in data.protocols:
        if data.has(protocol, 3, BETA):
            name = f"{BETA} ({data.marked(protocol, 3)})"
            found[name] = overlap(data.genres, data.labels(protocol, 3, BETA))
    return found


def classical_metal(data: Published) -> Finding:
    """Rule of the claim: Classical and metal form distinct clusters."""
    if not has_genres_of_gtzan(data):
        return NOT_TESTED, "these tracks have other genres"
    flags, parts = {}, []
    for protocol in data.protocols:
        if data.has(protocol, 1, PCA):
            f1 = verdicts.by_genre(data.genres, data.labels(protocol, 1, PCA))
            place = f1.rank(ascending=False)[["classical", "metal"]].astype(int)
            flags[protocol] = bool((place <= 3).all())
            parts.append(f"{protocol} {place['classical']} and {place['metal']}")
    return verdict_by_protocol(flags), (
        f"places of the two among the genres found best on sound alone: {', '.join(parts)}"
    )


def rock_country(data: Published) -> Finding:
    """Rule of the claim: Rock and country overlap, as the music does."""
    if not has_genres_of_gtzan(data):
        return NOT_TESTED, "these tracks have other genres"
    places = {}
    for name, pairs in overlap_views(data).items():
        places[name] = 1 + list(pairs.index).index(("country", "rock"))
    n = len(next(iter(overlap_views(data).values())))
    flags = {name: place <= n / 9 for name, place in places.items()}
    return verdict_by_protocol(flags), (
        f"we rank the {n} pairs of genres by how much their clusters overlap (1: most); the ranks "
        f"of rock and country are: {listed(places, 0)}; the claim holds where the rank is "
        f"{n // 9} or better"
    )


def guitar(data: Published) -> Finding:
    """Rule of the claim: Rock, country and blues are confused, for their guitars."""
    if not has_genres_of_gtzan(data):
        return NOT_TESTED, "these tracks have other genres"
    among, across = {}, {}
    for name, pairs in overlap_views(data).items():
        among[name] = float(np.mean([pairs[pair] for pair in combinations(GUITARS, 2)]))
        mixed = [tuple(sorted((a, b))) for a in GUITARS for b in ELECTRONIC]
        across[name] = float(np.mean([pairs[pair] for pair in mixed]))
    flags = {name: among[name] > across[name] for name in among}
    closer = f"in {sum(flags.values())} of {len(flags)} clusterings"
    counts = heat_map()
    shared = shared_blues(counts)
    flags["the published heat map"] = shared > 0.1
    blues = f"{shared:.0%} of the blues tracks share" if shared else "no blues track shares"
    return verdict_by_protocol(flags), (
        f"{closer} of ours, the three overlap more with each other than with disco and pop; in "
        f"the paper's heat map, {blues} a cluster that holds a tenth or more of rock or of "
        "country"
    )


def heat_map() -> pd.DataFrame:
    """The counts of the paper's confusion heat map, genres by clusters."""
    return pd.read_csv(data_dir() / "author_heatmap.csv").set_index("genre")


def shared_blues(counts: pd.DataFrame) -> float:
    """Share of blues in clusters that hold a tenth or more of rock or of country."""
    shares = counts.div(counts.sum(axis=1), axis=0)
    common = shares.loc[["country", "rock"]].max() >= 0.1
    return float(shares.loc["blues", common].sum())


# ---- the CVAE, and factors -----------------------------------------------------------------------


def collapse(data: Published) -> Finding:
    """Rule of the claim: The CVAE's low silhouette shows posterior collapse."""
    facts = attribution.author_facts().value
    means = facts["cvae_mse_means"]
    gain, linear_gain = (means - facts[f"cvae_mse{end}"] for end in ("", "_linear"))
    limit = Thresholds().partial
    in_part = ""
    if facts["cvae_kl"] < limit * facts["cvae_linear_kl"] and gain < limit * linear_gain:
        in_part = "; it also lowers the error far less, so we call this a partial collapse"
    return FAILS, (
        "the author's network uses its code z: with zeros for z the squared error on the sound "
        f"rises from {facts['cvae_sound_mse']:.3f} to {facts['cvae_sound_mse_zero']:.3f}; "
        f"but its code holds {facts['cvae_kl']:.1f} nats, and the best linear code would hold "
        f"{facts['cvae_linear_kl']:.1f}{in_part}; a silhouette cannot show that the code is used, "
        "nor how much it holds"
    )


def cvae_useless(data: Published) -> Finding:
    """Rule of the claim: The CVAE's latent space holds nothing of use."""
    table = named_grid(data, "battery")
    if table is None:
        return NOT_TESTED, words.NOT_RUN
    model = next(name for name in dict.fromkeys(table.model) if name.startswith("CVAE, no"))
    part = table[(table.protocol == "released") & (table.model == model)]
    probed = part[(part.measure == "probe") & (part.target != "c")]
    target = probed.target.iloc[0]
    probes = words.pick(probed, "probe", target, "sampled z")
    value, chance = probes.value.mean(), probes.chance.mean()
    return (FAILS if value > chance + 0.05 else HOLDS), (
        f"from the code z of our rebuild, a probe reads {target} within the genre in {value:.2f} "
        f"of cases (chance {chance:.2f}); with z, the error is {words.gain_of(part):.0%} "
        "lower than that of a table of genre means"
    )


def small_data(data: Published) -> Finding:
    """Rule of the claim: Few tracks make the collapse worse."""
    table = named_grid(data, "scale")
    if table is None:
        return NOT_TESTED, words.NOT_RUN
    own = table[~table.data.isin(["planted", "MSD-shaped"])]
    return PART, words.read_few(own)


def needs_annealing(data: Published) -> Finding:
    """Rule of the claim: A CVAE is hard to train without KL annealing."""
    table = named_grid(data, "battery")
    if table is None:
        return NOT_TESTED, words.NOT_RUN
    part = table[(table.protocol == "controlled") & (table.model == "CVAE, no annealing")]
    verdict = words.counted(part.drop_duplicates("seed").verdict)
    worked = set(part.verdict) <= {"by design", "keeps c"}
    return (FAILS if worked else HOLDS), (
        f"for a CVAE of the sound alone, without annealing, our battery finds: {verdict}"
    )


def more_data(data: Published) -> Finding:
    """Rule of the claim: The Million Song Dataset would prevent the collapse."""
    table = named_grid(data, "scale")
    if table is None:
        return NOT_TESTED, words.NOT_RUN
    many = table[table.data.isin(["planted", "MSD-shaped"])]
    dead = many[many.model.str.contains("beta")]
    return (FAILS if set(dead.verdict) == {"collapsed"} else PART), words.read_many(many).replace(
        "*", ""
    )


def disentangled_claim(data: Published) -> Finding:
    """Rule of the claim: The Beta-VAE disentangles the musical factors."""
    table = named_grid(data, "factors")
    if table is None:
        return NOT_TESTED, words.NOT_RUN
    networks = table[table.beta > 0]
    best = words.pick(networks, "disentanglement").groupby(["model", "beta"]).value.mean().max()
    ica = words.mean_measure(table[table.model == "ICA"], "disentanglement")
    return (FAILS if best < 0.5 * ica else PART), (
        "we hid known factors in synthetic data; a method without a network (ICA) finds them, with "
        f"a disentanglement of {ica:.2f}; the best of our networks, at any β, reaches {best:.2f} "
        "(means over a linear and a nonlinear mixture of the factors)"
    )


def independent(data: Published) -> Finding:
    """Rule of the claim: A larger beta makes independent factors."""
    table = named_grid(data, "factors")
    if table is None:
        return NOT_TESTED, words.NOT_RUN
    signs = set(words.beta_effects(table).sign)
    verdict = FAILS
    if "more" in signs:
        verdict = HOLDS if signs == {"more"} else PART
    return verdict, words.read_beta(table)


def interpretable(data: Published) -> Finding:
    """Rule of the claim: The Beta-VAE has the most interpretable latent space."""
    return NOT_TESTED, "the paper names no measure of it, and GTZAN has one label"


def waveforms(data: Published) -> Finding:
    """Rule of the claim: A network on raw waveforms could capture more."""
    path = data_dir() / "results" / "gtzan-mini" / "waveforms.csv"
    if not path.exists():
        return NOT_TESTED, "the runs on raw sound are not here"
    table = pd.read_csv(path)
    means = table[table.level == "tracks"].groupby("row").nmi.mean()
    nets = means[means.index.str.startswith("ConvVAE")]
    verdict = FAILS if nets.max() < means["68 features"] else HOLDS
    return verdict, (
        f"the best of our networks on raw sound ({nets.idxmax()}) has an NMI of {nets.max():.2f}, "
        f"and the 68 features have {means['68 features']:.2f}, on a hundred tracks, each described "
        "by the average over its pieces of three seconds"
    )


RULES: dict[str, Rule] = {
    "unsupervised": unsupervised,
    "languages": languages,
    "beta_separates": beta_separates,
    "beta_lowest_db": beta_lowest_db,
    "cvae_weak": cvae_weak,
    "dbscan_silhouette": dbscan_silhouette,
    "linear_too_weak": linear_too_weak,
    "generative": generative,
    "variance": variance,
    "features_68": features_68,
    "components": components_claim,
    "residual": residual,
    "independent": independent,
    "condition_both": condition_both,
    "tracks_1000": tracks_1000,
    "metadata": metadata,
    "lyrics_each_track": lyrics_each_track,
    "hundred_columns": hundred_columns,
    "weights": weights_claim,
    "architecture": architecture,
    "epochs": epochs,
    "annealing": annealing,
    "baselines": baselines,
    "vae_tighter": vae_tighter,
    "pca_agrees": pca_agrees,
    "lyrics_help": lyrics_help,
    "dbscan_density": dbscan_density,
    "dbscan_noise": dbscan_noise,
    "cvae_all_metrics": cvae_all_metrics,
    "cvae_useless": cvae_useless,
    "best_balance": best_balance,
    "multimodal": multimodal_claim,
    "interpretable": interpretable,
    "sound_overlaps": sound_overlaps,
    "disentangled": disentangled_claim,
    "rock_country": rock_country,
    "purity": purity_claim,
    "classical_metal": classical_metal,
    "guitar": guitar,
    "collapse": collapse,
    "small_data": small_data,
    "needs_annealing": needs_annealing,
    "isolated": isolated,
    "more_data": more_data,
    "waveforms": waveforms,
}
