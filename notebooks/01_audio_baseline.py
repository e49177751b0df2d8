# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Does a VAE cluster music better than PCA?
#
# The paper answers yes by silhouette and no by genre (Table 1, Figure 1 of [Karim 2026](../book/references.md)). This page trains both,
# and shows why a silhouette in the VAE's space and one in PCA's space are two different rulers.

# %% tags=["colab", "remove-cell", "skip-execution"]
import os
import subprocess
import sys

SOURCE = "git+https://github.com/vae-music-clustering/vae-music-clustering@main"
if os.environ.get("COLAB_RELEASE_TAG"):  # in Colab only: add the book's package; what is there satisfies it and stays
    pip = [sys.executable, "-m", "pip", "install", "--quiet", f"vae-music-clustering[lyrics] @ {SOURCE}"]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stderr[-800:]}\n{SOURCE} cannot be installed: run this cell again, or open the page from its book anew")

# %% [markdown]
# ## Overview
# Each track becomes 68 numbers ([Method](../book/method.md) lists them). A variational autoencoder squeezes them into 32 latent dimensions, PCA
# into 32 components; K-Means then looks for as many clusters as there are genres. The genres themselves are used for scoring
# only. Settings come from `helpers.protocols`: change `protocol` below to `written` or `released` and run again.

# %%
import pandas as pd
from IPython.display import Markdown

from helpers import clustering, collection, datasets, experiments, metrics
from helpers import plots, protocols, results, training
from sklearn.decomposition import PCA

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## The music
# Nothing is fetched: the default data set holds features that our own extractor computed from 100 real tracks of GTZAN, cut into
# segments of three seconds. Segments of one track are not independent, so intervals further down draw whole tracks.

# %%
tracks = datasets.load(dataset)

# %% tags=["remove-input"]
genres = "no genre labels" if tracks.genres is None else f"{len(tracks.genre_names)} genres"
left_out = [f"*{name}* ({reason})" for name, reason in tracks.provenance.get("faults", [])]
Markdown(f"**{tracks.name}**: {tracks.n} rows from {len(set(tracks.groups))} tracks, {genres}, {tracks.features.shape[1]} features; "
         f"{seeds} seeds, protocol **{protocol}** ({protocols.get(protocol).title})."
         + (f"\n\nFiles that were left out, {len(left_out)} in number: {'; '.join(left_out)}." if left_out else ""))

# %%
some = [0, 26, 50, 56, 67]  # one of each larger kind
tracks.features.iloc[:5, some].round(2)

# %% [markdown]
# ## Training
# One VAE per seed, from scratch. The loss is the squared error summed over features plus the KL divergence summed
# over latent dimensions, both in nats up to a constant ([Method](../book/method.md)).

# %%
run = experiments.run(
    tracks, protocol, phase=1, seeds=seeds, extras=["spaces"]
)

# %% mystnb={"figure": {"caption": "Training of the basic VAE, one line a seed: reconstruction error and KL divergence per epoch, averaged over the rows.", "name": "fig-easy-training"}, "image": {"alt": "Two line plots: reconstruction error falls and KL settles over the epochs, one line per seed."}}
vaes = {f"seed {s}": fits["basic_vae"] for s, fits in run.fits.items()}
plots.training_curves(vaes)

# %% [markdown]
# Where a curve is level at its right end, more epochs would change little; where the lines lie on each other, so would another seed.
#
# ## Table 1: VAE against PCA

# %%
shown = [*results.PAPER_METRICS[1], "k", "dims", "nmi_chance"]
results.table(run.scores, shown, list(experiments.METHODS[1]))

# %% mystnb={"figure": {"caption": "Table 1 and Figure 1 of the paper, rerun: bars are means over seeds with one standard deviation, diamonds the paper's values on full GTZAN.", "name": "fig-easy"}, "image": {"alt": "Bar charts of silhouette, Calinski-Harabasz, ARI and NMI for VAE and PCA, each with the paper's value as a diamond."}}
paper = results.paper_tables().query("phase == 1")
plots.metric_bars(
    run.scores, results.PAPER_METRICS[1], experiments.METHODS[1], paper
)

# %% tags=["remove-input"]
Markdown(results.read_contrast(run.scores, "VAE + K-Means", "PCA + K-Means", ["silhouette", "nmi", "ari"])
         + " *Level* says that the means differ by no more than the larger standard deviation over seeds.")

# %% [markdown]
# ## Why the two silhouettes must not be compared
# A silhouette is measured in a space, and the two methods live in different ones. The VAE may switch latent
# dimensions off: one with less than 0.05 nats of KL carries next to nothing. Distances are then taken over those that are left, and in
# fewer dimensions the same groups look tighter. So PCA gets the same favour: as many components as the VAE has active units.

# %%
names = [
    "VAE + K-Means",
    "VAE + K-Means (active units)",
    "VAE + K-Means (PCA, as many dims)",
    "PCA + K-Means",
    "Input + K-Means",
    "VAE + K-Means (sampled z)",
]
columns = ["dims", "silhouette", "silhouette_common", "nmi", "ari"]
results.table(run.scores, columns, names)

# %% mystnb={"figure": {"caption": "PCA + K-Means with more and more components (first seed). The marked points are the VAE, at its full size and at its number of active units.", "name": "fig-easy-dims"}, "image": {"alt": "Line plot of silhouette and NMI of PCA plus K-Means against the number of components, with the VAE marked."}}
first = run.fits[min(run.fits)]["basic_vae"]
X = run.inputs[first.seed].X
k = experiments.n_clusters(tracks, protocols.get(protocol))
by_dims = []
for dims in (d for d in (2, 4, 8, 16, 32, 64) if d <= min(X.shape)):
    Z = PCA(dims, random_state=0).fit_transform(X)
    labels = clustering.cluster(Z, "kmeans", k, seed=0)
    found = metrics.scores(labels, Z, genres=tracks.genres)
    by_dims.append({"dims": dims} | found)
vae = results.mean_of(run.scores, "VAE + K-Means", "silhouette")
marked = {
    "VAE, all latent dimensions": (first.mu.shape[1], vae),
    "VAE, at its active units": (max(len(first.active), 1), vae),
}
plots.silhouette_by_dims(pd.DataFrame(by_dims), marked)

# %% tags=["remove-input"]
Markdown(f"The VAE of seed {first.seed} keeps {len(first.active)} of {first.mu.shape[1]} dimensions. "
         + results.read_contrast(run.scores, "VAE + K-Means (PCA, as many dims)", "VAE + K-Means", ["silhouette", "nmi"])
         + " The column *Silhouette, common space* measures every clustering in the same standardised audio features: one ruler for all, "
         "though one that favours methods which cluster close to these features.")

# %% [markdown]
# ## What the clusters look like

# %% mystnb={"figure": {"caption": "t-SNE map of the VAE's latent means (first seed), by genre where labels exist and by cluster. The map is for looking only; no score is taken on it.", "name": "fig-easy-map"}, "image": {"alt": "Two scatter plots of the latent space, coloured by genre and by cluster."}}
method = "VAE + K-Means"
labels, space = run.labels[first.seed][method], run.spaces[first.seed][method]
plots.latent_map(plots.project(space), labels, tracks.genres)

# %% [markdown]
# A genre in one piece is one that 68 averages over time can tell apart; genres that share a region differ in something else.
#
# ## Paper and ours

# %%
results.beside_paper(run.scores, 1)

# %% tags=["remove-input"]
Markdown(results.read_interval(tracks.genres, tracks.groups, run.labels, "VAE + K-Means", "PCA + K-Means"))

# %% [markdown]
# ## The tracks in their clusters
# The first names of a row say what a cluster holds, the last where it stops being sure. Run on a folder of your own music, the page also
# writes a playlist for every cluster, to listen to what was found.

# %%
results.by_cluster(tracks.ids, labels, space)

# %% tags=["remove-input"]
paths = tracks.provenance.get("paths")
folder = training.cache_dir().parent / "playlists" / tracks.name
lists = collection.write_playlists(labels, tracks.ids, paths, folder) if paths else []
Markdown(f"{len(lists)} playlists and a table of all tracks are in `{folder}`." if lists
         else "These tracks come without sound files, so there is nothing to play; [the sound page](08_sound.ipynb) has clips to listen to.")

# %% [markdown]
# ## Summary
# - A silhouette compares clusterings *within* a space. Across spaces of different dimension it mostly compares the dimensions.
# - A VAE that switches most of its latent dimensions off is a low-dimensional method, whatever its nominal size.
# - Scores come with k, the number of dimensions, a chance level, the seeds' spread and an interval; without these they say little.
#
# Next: [Hybrid features](02_hybrid_features.ipynb) adds lyrics. On the full data set: [Results](06_results.ipynb).
