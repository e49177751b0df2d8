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
# The paper answers yes by silhouette and no by genre (Table 1, Figure 1 of [Karim 2026](../book/references.md)).

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
# **You will learn** what a silhouette measures and what it does not, how a VAE is trained step by step, and what its unused dimensions do to
# a score.
#
# Each track becomes a row of numbers ([From sound to numbers](08_sound.ipynb)). A variational autoencoder squeezes it into 32 latent
# dimensions, PCA into 32 components; K-Means then looks for as many clusters as there are genres, which are used for scoring only.
# You will see one seed trained step by step, then several at once, and why silhouettes taken in two spaces are two different
# rulers. Settings come from `helpers.protocols`: change `protocol` below to `written` or `released` and run again.

# %%
import pandas as pd
import torch
from IPython.display import Markdown
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

from helpers import clustering, datasets, escape, inputs, metrics, models
from helpers import phases, plots, protocols, tables, training
from helpers.corpus import folders, playlists

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## The music
# The default data set, gtzan-mini, holds numbers that our own extractor computed from 100 real tracks of GTZAN, cut into segments of three
# seconds. **Nearly every genre in it is one artist**, so that its scores show that the code runs, not how well genres separate;
# for that there is [all of GTZAN](06_results.ipynb). Rows of one track are not independent: intervals and chance keep them together.

# %%
tracks = datasets.load(dataset)

# %% tags=["remove-input"]
genres = "no labels" if tracks.genres is None else f"{len(tracks.genre_names)} genres"
found = "".join(f"\n- {escape.markup(sentence)}" for sentence in folders.read_report(tracks.provenance))
Markdown(f"**{escape.markup(tracks.name)}**: {tracks.n} rows from {len(set(tracks.groups))} tracks or artists, {genres}, {tracks.features.shape[1]} "
         f"features; {seeds} seeds, protocol **{protocol}** ({protocols.get(protocol).title})."
         + (f"\n\nWhat was found in it:\n{found}" if found else ""))

# %%
tracks.features.iloc[:5, ::15].round(2)

# %% [markdown]
# ## One seed, step by step
# The input is the table with every column at mean 0 and variance 1. The encoder gives each row a mean and a variance, a sample of
# that Gaussian goes through the decoder, and the loss is the squared error plus $\beta$ times the KL divergence to a standard normal, both
# summed over dimensions ([Method](../book/method.md) prints `models.elbo`). These are the first five epochs:

# %%
X = inputs.prepare(tracks, protocol, phase=1).X
recipe = protocols.get(protocol).recipes["basic_vae"]
x, by_hand = torch.tensor(X, dtype=torch.float32), []


def step(rows, beta, lr):
    """The ELBO of one batch, its gradient, one move of Adam."""
    mu, logvar = net.encode(x[rows])
    x_hat = net.decode(models.sample(mu, logvar))
    loss, *_ = models.elbo(x[rows], x_hat, mu, logvar, recipe, beta)
    net.zero_grad()
    (loss * len(rows) if recipe.reduction == "sum" else loss).backward()
    if recipe.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(weights, recipe.clip_norm)
    adam(lr)
    return loss.item() * len(rows) / len(x)


# %%
with training.seeded(0):
    net = models.build(recipe, x.shape[1])
    weights = list(net.parameters())
    adam = training.adam(weights, recipe.weight_decay)
    for epoch in range(5):
        beta = training.beta_at(recipe, epoch)
        lr = training.lr_at(recipe, epoch)
        batches = training.batches(torch.randperm(len(x)), recipe.batch_size)
        by_hand.append(sum(step(rows, beta, lr) for rows in batches))

# %% [markdown]
# `phases.run` does the same for all epochs and for several seeds, keeps what it trained, and clusters:

# %%
run = phases.run(tracks, protocol, phase=1, seeds=seeds, extras=["spaces"])
fit = run.fits[min(run.fits)]["basic_vae"]
k = phases.n_clusters(tracks, protocols.get(protocol))
labels = KMeans(k, n_init=10, random_state=fit.seed).fit_predict(fit.mu)

# %% tags=["remove-input"]
own = run.labels[fit.seed]["VAE + K-Means"]
said = "" if tracks.genres is None else f" Their NMI with the genres is {metrics.external(tracks.genres, labels)['nmi']:.3f}."
Markdown("Loss of the first epochs, by hand and by `phases.run`: "
         + ", ".join(f"{a:.2f} and {b:.2f}" for a, b in zip(by_hand[:3], fit.history["loss"][:3]))
         + f". K-Means by hand and `phases.run` agree on {(labels == own).mean():.0%} of the rows.{said}"
         + "".join(f" {sentence}" for sentence in run.left_out))

# %% mystnb={"figure": {"caption": "Training of the basic VAE, one line a seed: reconstruction error and KL divergence per epoch, averaged over the rows.", "name": "fig-easy-training"}, "image": {"alt": "Two line plots: reconstruction error falls and KL settles over the epochs, one line per seed."}}
vaes = {f"seed {s}": fits["basic_vae"] for s, fits in run.fits.items()}
plots.training_curves(vaes)

# %% [markdown]
# Where a curve is level at its right end, more epochs would change little; where the lines lie on each other, so would another seed.
#
# ## Table 1: VAE against PCA

# %% mystnb={"figure": {"caption": "Table 1 and Figure 1 of the paper, rerun: bars are means over seeds with one standard deviation, diamonds the paper's values on full GTZAN.", "name": "fig-easy"}, "image": {"alt": "Bar charts of silhouette, Calinski-Harabasz, ARI and NMI for VAE and PCA, each with the paper's value as a diamond."}}
paper = tables.paper_tables().query("phase == 1")
columns, rows = tables.paper_metrics(1), phases.names_of(1)
plots.metric_bars(run.scores, columns, rows, paper)

# %%
shown = [*tables.paper_metrics(1), "ami", "k", "dims", "nmi_chance"]
tables.table(run.scores, shown, phases.names_of(1))

# %% [markdown]
# *NMI by chance* is what the same clusters score when whole tracks trade genres; AMI and ARI have it taken off.

# %% tags=["remove-input"]
pair = ["VAE + K-Means", "PCA + K-Means"]
compared = tables.read_difference(tracks.genres, tracks.groups, run.labels, *pair, ("nmi", "ari"))
Markdown(compared)

# %% tags=["remove-input", "answer"]
means = {m: [tables.mean_of(run.scores, m, "silhouette"), tables.mean_of(run.scores, m, "silhouette_common")] for m in pair}
(one, common_one), (two, common_two) = means.values()
Markdown(f"**Here:** K-Means scores a silhouette of {one:.3f} in the VAE's space ({len(fit.active)} of {fit.mu.shape[1]} dimensions in use) and {two:.3f} in "
         f"PCA's; measured in one common space it is {common_one:.3f} and {common_two:.3f}. "
         + compared.split(" For one run")[0])

# %% [markdown]
# ## Why the two silhouettes must not be compared
# A silhouette is measured in a space, and the two methods live in different ones. The VAE may switch latent
# dimensions off: one with less than 0.05 nats of KL carries next to nothing. Distances are then taken over those that are left, and in
# fewer dimensions the same groups look tighter. So PCA gets the same favour: as many components as the VAE has active units.

# %% mystnb={"figure": {"caption": "PCA + K-Means with more and more components (first seed). The marked points are the VAE, at its full size and at its number of active units.", "name": "fig-easy-dims"}, "image": {"alt": "Line plot of silhouette and NMI of PCA plus K-Means against the number of components, with the VAE marked."}}
by_dims = []
for dims in (d for d in (2, 4, 8, 16, 32, 64) if d <= min(X.shape)):
    Z = PCA(dims, random_state=0).fit_transform(X)
    found = clustering.cluster(Z, "kmeans", k, seed=0)
    by_dims.append(metrics.scores(found, Z, genres=tracks.genres))
vae = tables.mean_of(run.scores, "VAE + K-Means", "silhouette")
marked = {
    "VAE, all latent dimensions": (fit.mu.shape[1], vae),
    "VAE, at its active units": (max(len(fit.active), 1), vae),
}
plots.silhouette_by_dims(pd.DataFrame(by_dims), marked)

# %%
names = [m for m in run.labels[fit.seed] if "VAE" in m or m in pair]
columns = ["dims", "silhouette", "silhouette_common", "nmi", "ari"]
tables.table(run.scores, columns, names)

# %% tags=["remove-input"]
Markdown(f"The VAE of seed {fit.seed} keeps {len(fit.active)} of {fit.mu.shape[1]} dimensions. "
         + tables.read_difference(tracks.genres, tracks.groups, run.labels, "VAE + K-Means (PCA, as many dims)", "VAE + K-Means")
         + " The column *Silhouette, common space* measures every clustering in the same standardised audio features: one ruler for all, "
         "though one that favours methods which cluster close to these features.")

# %% [markdown]
# ## What the clusters look like

# %% mystnb={"figure": {"caption": "t-SNE map of the VAE's latent means (first seed), by genre where labels exist and by cluster. The map is for looking only; no score is taken on it.", "name": "fig-easy-map"}, "image": {"alt": "Two scatter plots of the latent space, coloured by genre and by cluster."}}
space = run.spaces[fit.seed]["VAE + K-Means"]
plots.latent_map(plots.project(space), own, tracks.genres)

# %% [markdown]
# A genre in one piece is one that these features can tell apart, or one whose tracks share an artist; genres that share a region differ in
# something else.
#
# ## Paper and ours

# %%
tables.beside_paper(run.scores, 1)

# %% [markdown]
# ## The tracks in their clusters
# The first names of a row say what a cluster holds, the last where it stops being sure. Run on a folder of your own music, the page also
# writes a playlist for every cluster, to listen to what was found.

# %%
tables.by_cluster(tracks.ids, own, space)

# %% tags=["remove-input"]
paths = tracks.provenance.get("paths")
words = None if tracks.genres is None else dict(zip(tracks.ids, tracks.genres))
folder = playlists.folder_of(tracks) if paths else None
little = folders.read_clusters(own, tracks.ids, tracks.provenance)
lists = playlists.write(own, tracks.ids, paths, folder, space=space, words=words) if paths else []
Markdown(f"{len(lists)} playlists, the most typical tracks first, and a table of all tracks are in *{escape.markup(folder)}*."
         + "".join(f"\n\n{escape.markup(sentence)}" for sentence in little) if lists
         else "These tracks come without sound files, so there is nothing to play; [the sound page](08_sound.ipynb) has clips to listen to.")

# %% [markdown]
# ## Exercise
# Turn the latent means by a rotation, and then stretch each of their dimensions to variance 1. What happens to the silhouette of the same
# clusters each time, and why? Try it in a cell of your own before you look.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
d = fit.mu.shape[1]
noise = torch.randn(d, d, generator=torch.Generator().manual_seed(0))
turned = fit.mu @ torch.linalg.qr(noise)[0].numpy()
stretched = inputs.zscore(fit.mu)
as_it_is, after_turn, after_stretch = (
    clustering.silhouette(Z, labels) for Z in (fit.mu, turned, stretched)
)
assert not abs(as_it_is - after_turn) > 1e-3  # a rotation keeps every distance
print(f"{as_it_is:.3f}, turned {after_turn:.3f},",
      f"stretched {after_stretch:.3f}")
print("stretched, a unit that is switched off counts like any other")

# %% [markdown]
# ## Summary
# - A silhouette compares clusterings *within* a space. Across spaces of different dimension it mostly compares the dimensions.
# - A VAE that switches most of its latent dimensions off is a low-dimensional method, whatever its nominal size.
# - Scores come with k, the number of dimensions, chance, and an interval over tracks; without these they say little.
#
# Where it is done: `helpers.phases`, `helpers.training`, `helpers.models`, `helpers.metrics` ([API](../book/api.md)).
# Next: [Hybrid features](02_hybrid_features.ipynb) adds lyrics. On the full data set: [Results](06_results.ipynb).
