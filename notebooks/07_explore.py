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
# # What does the map look like from close up?

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

# %%
import numpy as np
from IPython.display import Markdown

from helpers import plots, tables
from helpers.published import store
from helpers.widgets import explorers

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan"
protocol = "released"
seeds = 10

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %%
runs = store.of(dataset, "released-3-full")
maps, near = runs.archive("maps"), runs.archive("neighbours")
genres = runs.genres


def at(protocol, phase, method):
    """Points, nearest tracks and clusters of one method, first seed."""
    key = f"{store.run_name(protocol, phase)}/{method}"
    labels = runs.labels(protocol, phase, method)[0]
    return maps[key].astype(float), near.get(key), labels


def share(neighbours):
    """Of each track's nearest others, how many are of its genre."""
    return (genres[neighbours] == genres[:, None]).mean()


leaky, clean = at("released", 3, "Beta-VAE"), at("controlled", 3, "Beta-VAE")

# %% tags=["remove-input", "answer"]
said = {name: tables.mean_of(runs.run(name, 3), "Beta-VAE", "nmi") for name in ("released", "controlled")}
paper = tables.paper_tables().set_index(["phase", "method", "metric"]).value[3, "Beta-VAE", "nmi"]
text = (f"With the genre in its input the Beta-VAE draws a map of islands, NMI {said['released']:.3f} with genre (the paper: {paper:.3f}); without "
        f"it they run together, NMI {said['controlled']:.3f}.")
shares = [] if leaky[1] is None or clean[1] is None else [share(leaky[1]), share(clean[1])]
more = f" Of a track's four nearest others, {shares[0]:.0%} are of its genre in the first space and {shares[1]:.0%} in the second." if shares else ""
Markdown(text + more)

# %% [markdown]
# ## Overview
# **You will learn** to read a map of a latent space without being led astray by it.
#
# Each point is a track of GTZAN at its place in a model's latent space, flattened to two dimensions by t-SNE; the maps are those of the published
# runs' first seed, drawn in your browser, and the parameters above change nothing. Press a point, or look for a track by name, and its
# **nearest tracks in the space itself** are ringed and named: a map bends distances, these do not. The boxes below a map switch genres or
# clusters on and off. By keyboard: the arrow keys go from track to track on the map that has the focus.
#
# ## Told, and not told
# The same network, the same tracks. On the left it is trained as the paper's program does, with the genre in its input (*leaky*); on the right
# without it (*clean*). Point at a track on one side, and see where it lies on the other.

# %%
explorers.latent_explorer(
    {"leaky": leaky[:2], "clean": clean[:2]}, runs.ids,
    {"genre": genres, "cluster, leaky": leaky[2], "cluster, clean": clean[2]},
    "told",
)

# %% [markdown]
# Five genres share one written sentence each: blues, classical, disco, jazz and reggae. On the leaky side each of them is an island. On the clean
# side colours mix, and what lies close together sounds alike, whatever its genre is called.
#
# ## Sound alone: the VAE and PCA
# Phase 1, the two halves of Table 1. No label was anywhere near the input: what order there is comes from the music.

# %%
vae, pca = (at("controlled", 1, f"{m} + K-Means") for m in ("VAE", "PCA"))
explorers.latent_explorer(
    {"VAE": vae[:2], "PCA": pca[:2]}, runs.ids,
    {"genre": genres, "cluster, VAE": vae[2], "cluster, PCA": pca[2]},
    "sound",
)

# %% [markdown]
# ## Beta on a slider
# A VAE on sound alone, trained at each beta with the same seed. The larger beta, the dearer each latent dimension, and the model switches off those
# that do not pay. Move it, or press *Play*, and see whether silhouette and agreement with genre (NMI) go the same way. K-Means does not mind
# scale: latent means that have shrunk to almost nothing still keep tracks in order.

# %%
own = (runs.folder / "collapse_maps.npz").exists()
swept = runs if own else store.Published()
sweep = swept.archive("collapse_maps")
names = {"active": "active units", "silhouette": "silhouette", "nmi": "NMI"}
scores = {word: sweep[name] for name, word in names.items()}
beta = sweep["beta"]
start = int(np.argmin(np.abs(beta - 1)))
explorers.beta_explorer(
    beta, sweep["map"], sweep["labels"], scores,
    swept.ids, swept.genres, start, "VAE of GTZAN", "beta-vae",
)

# %% tags=["remove-input"]
first, last = ({name: column[at] for name, column in scores.items()} for at in (0, -1))
Markdown(f"From β = {sweep['beta'][0]:g} to β = {sweep['beta'][-1]:g}: active units {first['active units']} → {last['active units']}, "
         f"silhouette {first['silhouette']:.2f} → {last['silhouette']:.2f}, NMI {first['NMI']:.2f} → {last['NMI']:.2f}.")

# %% [markdown]
# ## DBSCAN's eps
# Phase 2 as released. Move eps: somewhere on the way the sentences appear as clusters, three to a genre, and beyond it they melt into one. Each
# cluster has a colour and a shape of its own.

# %%
def explore_eps(protocol, title):
    """DBSCAN's eps on a slider that opens at the published run's clusters."""
    key = store.run_name(protocol, 2)
    eps = maps[f"{key}/eps"][::2]
    found = maps[f"{key}/eps_labels"][::2].astype(int)
    points, neighbours, _ = at(protocol, 2, "K-Means")
    start = explorers.nearest_to(found, runs.labels(protocol, 2, "DBSCAN")[0])
    return explorers.eps_explorer(
        points, eps, found, runs.ids, genres,
        start, title, f"eps-{protocol}", neighbours,
    )


explore_eps("released", "DBSCAN, released, LEAKY")

# %% [markdown]
# The slider opens at the eps whose clusters are closest to those of the published run.
#
# ## The same slider without the leak
# Phase 2, controlled: real lyrics, weights that count.

# %%
explore_eps("controlled", "DBSCAN, controlled")

# %% [markdown]
# ## Summary
# - Groups on the leaky maps are texts; on the others they are sounds, and at most a trace of lyrics drawn by genre.
# - Ask for neighbours in the space, not on the map: t-SNE keeps who is near, and bends how far.
# - A method with a radius tells as many stories as the radius has values. Report the curve.
#
# Where it is done: `helpers.widgets.explorers` ([API](../book/api.md)), from `maps.npz`, `neighbours.npz`, `labels.npz` and
# `collapse_maps.npz` in `data/results/gtzan`. Back to [all results](06_results.ipynb).
