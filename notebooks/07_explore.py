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
#
# Each point is a track of GTZAN at its place in a model's latent space. Point at one to see which it is; the buttons colour by genre
# or by cluster, and sliders move a VAE's beta and DBSCAN's eps.

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
# The maps are t-SNE projections of the published runs' first seed, drawn in your browser; nothing is loaded from elsewhere, and the
# parameters below change nothing. A map bends distances, so
# look for who lies beside whom, not for how far apart groups are. Scores are never taken on a map.

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
maps = runs.archive("maps")


def explore(protocol, phase, method, name):
    """One map: colours to choose, names on hover."""
    points = maps[f"{protocol}-{phase}-full/{method}"].astype(float)
    labels = runs.labels(protocol, phase, method)[0]
    run = runs.run(protocol, phase)
    mark = ", LEAKY" if run.leaky.any() else ""
    score = tables.mean_of(run, method, "nmi")
    title = f"{method}, {protocol}{mark}<br>NMI {score:.3f} (mean over seeds)"
    return explorers.latent_explorer(
        points, labels, runs.ids, runs.genres, title, name
    )


# %% [markdown]
# ## The VAE on sound alone
# Phase 1. No label was anywhere near the input: what order there is comes from the music.

# %%
explore("controlled", 1, "VAE + K-Means", "map-vae")

# %% [markdown]
# ## PCA on the same features
# The other half of Table 1.

# %%
explore("controlled", 1, "PCA + K-Means", "map-pca")

# %% [markdown]
# ## The Beta-VAE, with the label in its input
# Phase 3 as released. Colour by genre, and look for the genres that sit apart in one piece: they were given one sentence each.

# %%
explore("released", 3, "Beta-VAE", "map-beta-released")

# %% [markdown]
# ## The Beta-VAE without it
# The same model under the controlled protocol.

# %%
explore("controlled", 3, "Beta-VAE", "map-beta-controlled")

# %% [markdown]
# ## Beta on a slider
# A VAE on sound alone, trained at each beta with the same seed. The larger beta, the dearer each latent dimension, and the model switches off those
# that do not pay. Move it, and see whether silhouette and agreement with genre (NMI) go the same way. K-Means does not mind scale: latent means that
# have shrunk to almost nothing still keep tracks in order.

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
# Phase 2 as released. Move eps: somewhere on the way the sentences appear as clusters, three to a genre, and beyond it they melt into one.

# %%
def explore_eps(protocol, title):
    """DBSCAN's eps on a slider that opens at the published run's clusters."""
    key = f"{protocol}-2-full"
    eps = maps[f"{key}/eps"][::2]
    found = maps[f"{key}/eps_labels"][::2].astype(int)
    points = maps[f"{key}/K-Means"].astype(float)
    own = runs.labels(protocol, 2, "DBSCAN")[0]
    return explorers.eps_explorer(
        points, eps, found, runs.ids, runs.genres,
        explorers.nearest_to(found, own), title, f"eps-{protocol}",
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
# - A method with a radius tells as many stories as the radius has values. Report the curve.
#
# Where it is done: `helpers.widgets.explorers` ([API](../book/api.md)), from `maps.npz`, `labels.npz` and `collapse_maps.npz` in
# `data/results/gtzan`. Back to [all results](06_results.ipynb).
