"""What the author's own checkpoints show, measured by this book's code on named inputs.

The paper's author published four trained networks. `facts` reads them from a copy of that
repository, gives each the inputs that can be rebuilt, and measures; `python -m musicbook embedded
author` writes the table to data/author_facts.csv. Neither weights nor code nor sentences of the
author are part of this book: the sentences are read from the copy. Pages "CVAE: collapse or by
design?", "Leakage" and "Results"."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from helpers import clustering, inputs, lyrics, metrics, models, protocols, store
from helpers.protocols import Recipe
from helpers.tracks import Tracks, data_dir
from musicbook.chapters.collapse.adapter import Network
from musicbook.chapters.collapse.battery import Diagnosis, diagnose
from musicbook.chapters.collapse.factors import principal_components
from musicbook.corpus import embedding

REPOSITORY = "github.com/sifatulwho/CSE425_VAE_Music_Clustering at c4715ce"
CHECKPOINTS = {  # network -> its file, and its recipe under the protocol `released`
    "basic": ("results/models/basic_vae.pt", "basic_vae"),
    "enhanced": ("results/models/enhanced_vae.pt", "enhanced_vae"),
    "beta_vae": ("results/models/beta_vae.pt", "beta_vae"),
    "cvae": ("results/models/cvae.pt", "cvae"),
}
SENTENCES = {2: "src/medium_task.py", 3: "src/hard_task.py"}  # where a phase's sentences stand
SEED = 42  # the author's, of the text noise and of K-Means
NOISE = {2: 0.05, 3: 0.02}  # standard deviation of what is added to a text's vector
N_INIT = {1: 10, 2: 20, 3: 20}  # starts of K-Means, by phase


# ---- the checkpoints -----------------------------------------------------------------------------


def load_checkpoint(path: Path, recipe: Recipe, n_features: int, n_classes: int = 0) -> models.AE:
    """A network of ours with the weights of a checkpoint of the author's, in evaluation mode.

    Every tensor has to find its place, so that equal shapes are checked on the way. ValueError,
    naming the file, for weights of another architecture; FileNotFoundError where it is missing."""
    weights = torch.load(path, map_location="cpu", weights_only=True)
    net = models.build(recipe, n_features, n_classes)
    try:
        net.load_state_dict(_renamed(weights, len(recipe.hidden)))
    except (KeyError, RuntimeError) as error:
        raise ValueError(
            f"{path}: these weights do not fit a network of {n_features} features and the layers "
            f"{recipe.hidden} ({str(error).splitlines()[0]})"
        ) from None
    return net.eval()


def _renamed(weights: Mapping[str, torch.Tensor], n_hidden: int) -> dict[str, torch.Tensor]:
    """The author's names of weights -> ours. A hidden layer of his is four modules in a row,
    linear, batch norm, activation and dropout; mean and log-variance are two layers that are one of
    ours."""
    found = {
        f"head.{part}": torch.cat([weights[f"fc_mu.{part}"], weights[f"fc_logvar.{part}"]])
        for part in ("weight", "bias")
    }
    for name, tensor in weights.items():
        half, _, rest = name.partition(".")
        if half not in ("encoder", "decoder"):
            continue
        number, part = rest.split(".", 1)
        layer, module = divmod(int(number), 4)
        if layer < n_hidden:
            found[f"{half}.{layer}.body.{module}.{part}"] = tensor
        else:  # behind the decoder's hidden layers
            found[f"output.{part}"] = tensor
    return found


# ---- the inputs ----------------------------------------------------------------------------------


def read_sentences(folder: Path, phase: int) -> dict[str, list[str]]:
    """The author's sentences of a phase, genre -> one or more, read from the source in `folder`.
    ValueError, naming the file, where they are not there."""
    path = folder / SENTENCES[phase]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Assign):
            continue
        target = node.targets[0]
        if isinstance(target, ast.Name) and target.id == "genre_descriptions":
            table = ast.literal_eval(node.value)
            return {
                genre: [given] if isinstance(given, str) else list(given)
                for genre, given in table.items()
            }
    raise ValueError(f"{path}: it has no table `genre_descriptions`")


def texts_of_phase_2(tracks: Tracks, sentences: Mapping[str, list[str]]) -> list[str]:
    """A sentence for every track: those of its genre in turn, by the number of the row."""
    genres = np.asarray(tracks.genres)
    return [sentences[genre][i % len(sentences[genre])] for i, genre in enumerate(genres)]


def texts_of_phase_3(
    tracks: Tracks, sentences: Mapping[str, list[str]], table: pd.DataFrame
) -> list[str]:
    """A text for every track: for five genres the beginnings of the first English lyrics of a tag,
    in turn; else the genre's sentence. `table` has the columns tag, language and lyrics.

    ValueError where a tag has no lyrics."""
    english = table[(table["language"] == "en") & table["lyrics"].notna()]
    genres, seen = np.asarray(tracks.genres), dict.fromkeys(tracks.genre_names, 0)
    found = []
    for genre in genres:
        if genre in sentences:
            found.append(sentences[genre][0])
            continue
        tag = lyrics.GENRE_TAG[genre]
        pool = english.loc[english["tag"] == tag, "lyrics"].iloc[: lyrics.EXCERPTS_PER_TAG]
        if pool.empty:
            raise ValueError(f"the table of lyrics has no English text of tag {tag!r}")
        found.append(str(pool.iloc[seen[genre] % len(pool)])[: lyrics.EXCERPT])
        seen[genre] += 1
    return found


def fused_input(tracks: Tracks, texts: list[str], phase: int) -> np.ndarray:
    """The table that a network of phase 2 or 3 was fed, (n, D): sound, the vectors of `texts` with
    noise, in phase 3 the one-hot genre; every column z-scored in the end, so that the weights
    cancel."""
    vectors = embedding.embed_texts(texts, quiet=True)
    noise = np.random.RandomState(SEED).randn(*vectors.shape) * NOISE[phase]
    blocks = {"audio": tracks.features.to_numpy(dtype=float), "text": vectors + noise}
    if phase == 3:
        blocks["label"] = np.eye(len(tracks.genre_names))[tracks.genre_codes]
    weights = dict.fromkeys(blocks, 1.0)
    return inputs.fuse(blocks, weights, "restandardised")[0]


# ---- the figures ---------------------------------------------------------------------------------

Key = tuple[str, str, str]  # of a measure of the battery
Row = tuple[str, float, str, str, str]  # name, value, what, input, source

# measure of the battery -> the ending of a fact's name, and what it is
OF_ALL: dict[Key, tuple[str, str]] = {
    ("active units", "", ""): ("active_units", "units with more than 0.05 nats"),
    ("KL", "", ""): ("kl", "KL, nats"),
}
OF_PHASE_3 = OF_ALL | {
    ("dead units, share", "", ""): ("dead_share", "share of units with less than 0.05 nats"),
    ("squared error", "", ""): ("mse", "squared error a feature, as trained"),
    ("squared error", "", "z shuffled"): (
        "mse_shuffled",
        "squared error with z shuffled over tracks",
    ),
    ("squared error", "", "z = 0"): ("mse_zero", "squared error with z = 0"),
}
SHUFFLED = "squared error with the condition shuffled"
OF_CVAE = OF_PHASE_3 | {
    ("squared error", "", "c shuffled"): ("mse_condition_shuffled", SHUFFLED),
    ("squared error", "", "means"): ("mse_means", "squared error of a table of genre means"),
    ("squared error", "", "linear"): (
        "mse_linear",
        "squared error of the best linear code of 32 units",
    ),
    ("active units", "", "linear"): ("linear_units", "units that the best linear code uses"),
    ("KL", "", "linear"): ("linear_kl", "nats that the best linear code pays"),
    ("squared error", "sound", ""): ("sound_mse", "squared error of the sound columns"),
    ("squared error", "sound", "z = 0"): (
        "sound_mse_zero",
        "squared error of the sound columns with z = 0",
    ),
    ("squared error", "sound", "means"): (
        "sound_mse_means",
        "squared error of the sound columns, table of genre means",
    ),
    ("probe", "c", "data"): ("genre_from_sound", "balanced accuracy, a probe of genre from sound"),
    ("probe", "c", "active units, linear"): (
        "genre_from_mu_linear",
        "linear probe of genre from means",
    ),
    ("probe", "c", "active units, RBF"): ("genre_from_mu_rbf", "RBF probe of genre from means"),
    ("probe", "c", "sampled z, linear"): (
        "genre_from_z_linear",
        "linear probe of genre from sampled z",
    ),
    ("probe", "c", "sampled z, RBF"): ("genre_from_z_rbf", "RBF probe of genre from sampled z"),
    ("probe", "kind of text", "active units, RBF"): (
        "text_from_mu_rbf",
        "RBF probe from means of the kind of text (real or written)",
    ),
}
MEASURED = {  # beginning of a fact's name -> what of the battery is kept
    "basic": OF_ALL,
    "enhanced": OF_ALL,
    "beta_vae": OF_PHASE_3,
    "cvae": OF_CVAE,
    "cvae_book": OF_PHASE_3,
}
TITLES = {  # beginning of a fact's name -> whose it is
    "basic": "the author's basic VAE",
    "enhanced": "the author's enhanced VAE",
    "beta_vae": "the author's Beta-VAE",
    "cvae": "the author's CVAE",
    "cvae_book": "the author's CVAE on this book's input",
}
PHASE = {"basic": 1, "enhanced": 2, "beta_vae": 3, "cvae": 3}  # of a checkpoint
SHOWN = {  # scores of the paper's table that a checkpoint is held against
    1: ("silhouette", "calinski_harabasz", "ari", "nmi"),
    2: ("silhouette", "davies_bouldin", "ari", "nmi"),
    3: ("silhouette", "davies_bouldin", "ari", "nmi", "purity"),
}


def facts(
    folder: Path, features: Tracks, table: pd.DataFrame, names: tuple[str, str]
) -> pd.DataFrame:
    """Every figure of the author's checkpoints: name, value, what, input, source.

    `folder` is a copy of the author's repository, `features` the 68 features of full GTZAN, `table`
    real lyrics (columns tag, language, lyrics), `names` what the last two are called.
    FileNotFoundError names a file that the folder lacks, ValueError one that does not fit."""
    folder = Path(folder)
    for file in (*(file for file, _ in CHECKPOINTS.values()), *SENTENCES.values()):
        if not (folder / file).is_file():
            raise FileNotFoundError(
                f"{folder / file}: not there; give the folder of a copy of {REPOSITORY}"
            )
    sound = f"the 68 features of {names[0]}"
    written = "the author's sentences"
    phase_2 = f"{sound}; {written}, three a genre"
    phase_3 = f"{sound}; {written}, one a genre, and lyrics of {names[1]}; one-hot genre"
    of_book = f"{sound}; this book's sentences and lyrics (released, seed 0); one-hot genre"
    X2 = fused_input(features, texts_of_phase_2(features, read_sentences(folder, 2)), 2)
    lines = texts_of_phase_3(features, read_sentences(folder, 3), table)
    X3 = fused_input(features, lines, 3)
    book = inputs.prepare(features, "released", 3, 0, guard=False).X
    rows = [
        *_of_network(folder, "basic", inputs.zscore(features.features.to_numpy()), features, sound),
        *_of_network(folder, "enhanced", X2, features, phase_2),
        *_of_dbscan(folder, X2, features, phase_2),
        *_of_network(folder, "beta_vae", X3, features, phase_3),
        *_of_pca(X3, features, phase_3),
        *_of_network(folder, "cvae", X3, features, phase_3),
        *_of_network(folder, "cvae", book, features, of_book, "cvae_book"),
        *_of_heat_map(),
    ]
    columns = ["name", "value", "what", "input", "source"]
    return pd.DataFrame(rows, columns=columns)


def _of_network(
    folder: Path, name: str, X: np.ndarray, tracks: Tracks, given: str, prefix: str = ""
) -> Iterator[Row]:
    """A checkpoint on one input: the battery, and K-Means as the author's code clusters it."""
    prefix = prefix or name
    net, source = _network(folder, name, X.shape[1], tracks), _source(folder, name)
    diagnosis = _diagnosed(net, X, tracks)
    for key, (ending, what) in MEASURED[prefix].items():
        words = f"{TITLES[prefix]}: {what}"
        yield f"{prefix}_{ending}", diagnosis.value(*key), words, given, source
    with Network(net, net.n_classes) as network:
        mu, _ = network.encode(X, tracks.genre_codes if net.n_classes else None)
    if prefix != name:  # the clusters of an input that the network does not know say nothing
        return
    for metric, value in _kmeans_scores(mu, tracks, PHASE[name]).items():
        label = metrics.label_of(metric).removesuffix(" ↓")
        what = f"{TITLES[prefix]}: {label} of K-Means (seed {SEED}) on its means"
        yield f"{prefix}_{metric}", value, what, given, source


def _diagnosed(net: models.AE, X: np.ndarray, tracks: Tracks) -> Diagnosis:
    if not net.n_classes:
        return diagnose(net, X)
    sound = np.arange(tracks.features.shape[1])
    written = np.isin(np.asarray(tracks.genres), list(lyrics.CONSTANTS)).astype(int)
    kinds, blocks = {"kind of text": written}, {"sound": sound}
    return diagnose(net, X, tracks.genre_codes, kinds, blocks=blocks, reference=sound)


def _network(folder: Path, name: str, n_features: int, tracks: Tracks) -> models.AE:
    file, recipe_name = CHECKPOINTS[name]
    recipe = protocols.get("released").recipes[recipe_name]
    n_classes = len(tracks.genre_names) if recipe.kind == "cvae" else 0
    return load_checkpoint(folder / file, recipe, n_features, n_classes)


def _source(folder: Path, name: str) -> str:
    file = CHECKPOINTS[name][0]
    sha256 = hashlib.sha256((folder / file).read_bytes()).hexdigest()
    return f"{REPOSITORY}: {file}, sha256 {sha256[:12]}"


def _kmeans_scores(space: np.ndarray, tracks: Tracks, phase: int) -> dict[str, float]:
    """K-Means with the author's seed, on standardised columns from phase 2 on: the scores of the
    paper's table."""
    if phase > 1:
        space = inputs.zscore(space)
    labels = clustering.cluster(space, "kmeans", 10, SEED, n_init=N_INIT[phase])
    values = metrics.internal(space, labels) | metrics.external(np.asarray(tracks.genres), labels)
    return {metric: values[metric] for metric in SHOWN[phase]}


def _of_dbscan(folder: Path, X: np.ndarray, tracks: Tracks, given: str) -> Iterator[Row]:
    """DBSCAN on the code of phase 2, the author's way: eps by percentile, scored on kept rows."""
    with Network(_network(folder, "enhanced", X.shape[1], tracks), 0) as network:
        space = inputs.zscore(network.encode(X, None)[0])
    eps = clustering.dbscan_eps(space, "percentile")
    labels = clustering.cluster(space, "dbscan", eps=eps)
    kept, source = labels >= 0, _source(folder, "enhanced")
    nmi = metrics.external(np.asarray(tracks.genres)[kept], labels[kept])["nmi"]
    title = f"{TITLES['enhanced']}: DBSCAN on its means"
    yield "enhanced_dbscan_k", len(set(labels[kept])), f"{title}, clusters", given, source
    yield "enhanced_dbscan_noise", int((~kept).sum()), f"{title}, tracks of noise", given, source
    yield "enhanced_dbscan_nmi", nmi, f"{title}, NMI of the others", given, source


def _of_pca(X: np.ndarray, tracks: Tracks, given: str) -> Iterator[Row]:
    """No network: what PCA and K-Means get on the same input, to check the input."""
    space = principal_components(X, 32)
    nmi = _kmeans_scores(space, tracks, 3)["nmi"]
    what = f"NMI of K-Means (seed {SEED}) on 32 principal components of the rebuilt phase 3"
    yield "pca_nmi", nmi, what, given, "no checkpoint: it checks the rebuilt input"


def _of_heat_map() -> Iterator[Row]:
    """The published confusion heat map, read off the figure (data/author_heatmap.csv)."""
    table = pd.read_csv(data_dir() / "author_heatmap.csv").set_index("genre")
    written = table.index.isin(list(lyrics.CONSTANTS))
    source = f"{REPOSITORY}: results/hard_task/beta_vae_clusters.png"
    given = "counts read off the figure"
    parts = {
        "heatmap_nmi": (table, "NMI of the published confusion heat map"),
        "heatmap_nmi_constant": (
            table[written],
            "NMI of that heat map on the five genres with a constant sentence",
        ),
        "heatmap_nmi_real": (
            table[~written],
            "NMI of that heat map on the five genres with real lyrics",
        ),
    }
    for name, (part, what) in parts.items():
        yield name, float(metrics.nmi(part.to_numpy(dtype=float))), what, given, source


def save_facts(table: pd.DataFrame, path: Path) -> Path:
    """Write the figures, four digits behind the point."""

    def write(temporary: Path) -> None:
        shown = table.assign(value=table["value"].map(lambda value: f"{value:.4f}"))
        shown.to_csv(temporary, index=False, lineterminator="\n")

    return store.write_atomically(path, write)
