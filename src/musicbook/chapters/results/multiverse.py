"""One figure over all defensible choices (Steegen et al. 2016): the same question answered by every
pipeline.

Phase 1 and 2 of the paper with each choice varied on its own: what the spread of the features is,
how columns are scaled, whether lyrics join and how, with how many components, the space, the
clusterer, the number of clusters, the seed. Pages "Results" and "Every value"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.decomposition import PCA

from helpers import clustering, inputs, lyrics, metrics, phases, training
from helpers.protocols import Recipe
from helpers.tracks import Tracks
from musicbook.named_values import Value, signed, slug
from musicbook.stored_runs import Published

CHOICES = ["input", "spread", "scaling", "components", "space", "algorithm", "k"]
SCORES = ("nmi", "ami", "ari")
SPREADS, SCALINGS = ("standard deviation", "variance"), ("z-scores", "ranks")
SOUND, WITH, SHUFFLED = "sound", "sound + lyrics", ", shuffled"
WAYS = ("columns", "blocks")  # how lyrics join: every column z-scored, or blocks of equal variance
COMPONENTS: dict[str, int | float] = {"32": 32, "95 %": 0.95}  # of the lyrics
UMAP = "UMAP 8"
SPACES: dict[str, int | Recipe | str | None] = {
    "as fed": None,
    "PCA 8": 8,
    "PCA 32": 32,
    UMAP: UMAP,
    "VAE": Recipe(clip_norm=1.0),
    "VAE, beta = 4": Recipe(clip_norm=1.0, beta=4.0),
}
ALGORITHMS, KS, SEEDS = ("kmeans", "ward", "spectral"), (5, 10, 15, 20, 30), 3


@dataclass(frozen=True)
class Variant:
    """One input: sound in a shape, and texts that join it (`way` None: sound alone)."""

    name: str
    spread: str = SPREADS[0]
    scaling: str = SCALINGS[0]
    way: str | None = None
    components: str = "none"
    texts: np.ndarray | None = None

    def named(self) -> dict[str, str]:
        """The columns of the table that say which input it was."""
        return {
            "input": self.name,
            "spread": self.spread,
            "scaling": self.scaling,
            "components": self.components,
        }


def variants(tracks: Tracks, seed: int) -> Iterator[Variant]:
    """Every input that these tracks can have: sound in three shapes (squares rank alike), then
    sound with lyrics, own or shuffled, joined in two ways with two numbers of components."""
    yield Variant(SOUND)
    yield Variant(SOUND, scaling=SCALINGS[1])
    yield Variant(SOUND, spread=SPREADS[1])
    texts = _texts(tracks, seed)
    if texts is None:
        return
    for way in WAYS:
        for components in COMPONENTS:
            for ending, words in (("", texts), (SHUFFLED, lyrics.shuffled(texts, seed))):
                name = f"{WITH}, {way}{ending}"
                yield Variant(name, way=way, components=components, texts=words)


def _texts(tracks: Tracks, seed: int) -> np.ndarray | None:
    """The tracks' own words (n, d), or lyrics drawn by genre; None where neither can be had."""
    if tracks.text is not None:
        return tracks.text.to_numpy()
    genres = list(np.asarray(tracks.genres))
    if not set(genres) <= set(lyrics.TEMPLATES):
        return None
    return lyrics.matched(genres, seed, groups=list(tracks.groups))[0]


def cells(tracks: Tracks, seeds: Sequence[int]) -> Iterator[tuple]:
    """The calls, one an input, space and seed (SEEDS of them), with all clusterers and numbers of
    clusters in it."""
    if tracks.genres is None:
        return
    for seed in list(seeds)[:SEEDS]:
        for variant in variants(tracks, seed):
            X = shaped_sound(tracks.features, variant.spread, variant.scaling)
            for space, made in SPACES.items():
                named = {**variant.named(), "space": space, "seed": seed}
                limit = COMPONENTS.get(variant.components)
                arguments = X, variant.texts, variant.way, limit, made, tracks.genres, seed
                yield named, pipeline_scores, *arguments


def shaped_sound(features: pd.DataFrame, spread: str, scaling: str) -> np.ndarray:
    """The features (n, d) with standard deviations or variances, z-scored as they are or by
    ranks."""
    X = features.to_numpy(dtype=float).copy()
    if spread == "variance":
        squared = [str(name).endswith("_std") for name in features]
        X[:, squared] = X[:, squared] ** 2
    return inputs.zscore(rankdata(X, axis=0) if scaling == "ranks" else X)


def pipeline_scores(
    X: np.ndarray,
    words: np.ndarray | None,
    way: str | None,
    components: int | float | None,
    space: int | Recipe | str | None,
    genres: np.ndarray,
    seed: int,
) -> dict[str, np.ndarray]:
    """Scores against genres of every clusterer and number of clusters, (algorithms, ks) each."""
    if way and words is not None:
        text, _ = inputs.reduce_text(words, components)
        X, _ = inputs.fuse({"audio": X, "text": text}, {"audio": 0.6, "text": 0.4}, way)
    if isinstance(space, int):
        X = PCA(min(space, *X.shape), random_state=seed).fit_transform(X)
    elif space == UMAP:
        X = phases.umap_embedding(X, min(8, len(X) - 2), seed)
    elif isinstance(space, Recipe):
        X = training.fit(X, space, seed).mu
    shape = len(ALGORITHMS), len(KS)
    scores = {name: np.empty(shape) for name in SCORES}
    for i, algorithm in enumerate(ALGORITHMS):
        for j, k in enumerate(KS):
            labels = clustering.cluster(X, algorithm, n_clusters=k, seed=seed)
            found = metrics.external(genres, labels)
            for name in SCORES:
                scores[name][i, j] = found[name]
    return scores


def table(named: dict, result: dict[str, np.ndarray]) -> pd.DataFrame:
    """The rows of one call: CHOICES, seed, nmi, ami, ari."""
    rows = []
    for i, algorithm in enumerate(ALGORITHMS):
        for j, k in enumerate(KS):
            scores = {name: values[i, j] for name, values in result.items()}
            rows.append(named | {"algorithm": algorithm, "k": k} | scores)
    return pd.DataFrame(rows)


def published_pipelines(data: Published) -> pd.DataFrame:
    """The table that `make results` wrote; empty where it has not."""
    path = data.folder / "multiverse.csv"
    if not path.exists():
        return pd.DataFrame(columns=[*CHOICES, "seed", *SCORES])
    return pd.read_csv(path, keep_default_na=False)


PAIRS = {  # question: (choice, this, against that)
    "VAE above PCA 32": ("space", "VAE", "PCA 32"),
    "VAE above PCA 8": ("space", "VAE", "PCA 8"),
    "VAE above its own input": ("space", "VAE", "as fed"),
    "beta = 4 above beta = 1": ("space", "VAE, beta = 4", "VAE"),
    "UMAP 8 above PCA 32": ("space", UMAP, "PCA 32"),
    "UMAP 8 above VAE": ("space", UMAP, "VAE"),
    "lyrics (blocks) above shuffled ones": (
        "input",
        f"{WITH}, blocks",
        f"{WITH}, blocks{SHUFFLED}",
    ),
    "lyrics (columns) above shuffled ones": (
        "input",
        f"{WITH}, columns",
        f"{WITH}, columns{SHUFFLED}",
    ),
    "32 components above 95 %": ("components", "32", "95 %"),
    "standard deviation above variance": ("spread", *SPREADS),
    "ranks above z-scores": ("scaling", *reversed(SCALINGS)),
    "Ward above K-Means": ("algorithm", "ward", "kmeans"),
    "Spectral above K-Means": ("algorithm", "spectral", "kmeans"),
}


def pairs(universe: pd.DataFrame, metric: str = "ami") -> pd.DataFrame:
    """Each question of PAIRS over all pipelines that are alike otherwise (means over seeds): how
    many pairs, the share that answers yes, and the median and extremes of the difference. Pipelines
    are choices, no sample: no interval."""
    means = universe.groupby(CHOICES)[metric].mean()
    rows = {}
    for question, (choice, this, that) in PAIRS.items():
        known = means.index.unique(choice)
        if this not in known or that not in known:
            continue
        gap = (means.xs(this, level=choice) - means.xs(that, level=choice)).dropna()
        if len(gap):
            rows[question] = summary_of(gap)
    for way in WAYS:
        gap = against_sound(means, f"{WITH}, {way}")
        if len(gap):
            rows[f"lyrics ({way}) above sound"] = summary_of(gap)
    table = pd.DataFrame(rows).T.rename_axis("Question")
    return table.astype({"pairs": int}) if rows else table


def against_sound(means: pd.Series, name: str) -> pd.Series:
    """Pipelines on sound with lyrics minus the same on sound alone, which has no components."""
    if name not in means.index.unique("input") or SOUND not in means.index.unique("input"):
        return pd.Series(dtype=float)
    sound = means.xs(SOUND, level="input").droplevel("components")
    both = means.xs(name, level="input")
    gaps = []
    for components in both.index.unique("components"):
        gaps.append(both.xs(components, level="components") - sound)
    return pd.concat(gaps).dropna()


def summary_of(gap: pd.Series) -> dict[str, float]:
    """How many differences, the share above zero, and their median and extremes."""
    return {
        "pairs": len(gap),
        "share": float((gap > 0).mean()),
        "median": gap.median(),
        "lowest": gap.min(),
        "highest": gap.max(),
    }


def pipeline_values(data: Published) -> dict[str, Value]:
    """`<data>_pairs_<question>`: in which share of pairs of pipelines that are equal otherwise the
    question of PAIRS is answered by yes, in AMI; `…_median` the median difference."""
    universe = published_pipelines(data)
    if universe.empty:
        return {}
    folder, values = data.folder.name, {}
    source = f"data/results/{folder}/multiverse.csv"
    for question, row in pairs(universe).iterrows():
        name = slug(folder, "pairs", str(question))
        words = f"of {row.pairs:.0f} pairs of equal pipelines: {question}, data {folder}"
        values[name] = Value(f"{row.share:.0%}", f"share {words}", source, str(question))
        values[f"{name}_median"] = Value(
            signed(row["median"]), f"median difference in AMI {words}", source, str(question)
        )
    return values


def read_lyrics_pairs(table: pd.DataFrame) -> str:
    """How often lyrics beat shuffled ones, and how often they beat the sound alone."""
    questions = [f"lyrics ({WAYS[1]}) above {other}" for other in ("shuffled ones", "sound")]
    if not set(questions) <= set(table.index):
        return ""
    shuffled, sound = (table.loc[question].share for question in questions)
    return (
        f"Lyrics that join as blocks beat shuffled lyrics in {shuffled:.0%} of the pairs. They "
        f"beat the sound alone in {sound:.0%}."
    )


def read_pairs(table: pd.DataFrame) -> str:
    """What the pairs say of the VAE, PCA and UMAP, in plain sentences."""
    if "VAE above PCA 32" not in table.index:
        return "These pipelines have not been run: `make results ONLY=multiverse` does."
    vae = table.loc["VAE above PCA 32"]
    share = f"{vae.share:.0%}" if vae.share > 0 else "none"
    sentences = [
        f"We compared {vae.pairs:.0f} pairs of pipelines. Of each pair, one uses the VAE and the "
        "other PCA, and all other choices are the same. The VAE agrees better with genre in "
        f"{share} of them."
    ]
    if "UMAP 8 above PCA 32" in table.index:
        umap = table.loc["UMAP 8 above PCA 32"]
        sentences.append(
            "UMAP, a method for flat maps and other small spaces, is not in the paper. In "
            f"{umap.pairs:.0f} more pairs, UMAP stands in the place of the VAE: it agrees better "
            f"with genre than PCA in {umap.share:.0%} of these. The AMI with UMAP minus the AMI "
            f"with PCA has a median of {umap['median']:+.2f}."
        )
    sentences.append(
        "The pipelines are our choices and no random sample, so read these shares as a description "
        "and not as a test."
    )
    return " ".join(sentences)
