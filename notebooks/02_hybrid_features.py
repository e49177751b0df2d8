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
# # Do lyrics help, and does DBSCAN find the genres?
#
# The paper reports its best score here: DBSCAN on sound and lyrics (Table 2, Figure 2 of [Karim 2026](../book/references.md)).
# This page fuses the two modalities under the protocol of your choice, scores three clustering methods with the noise left in view,
# and asks what the lyrics contribute by taking them away.

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
# GTZAN has no lyrics. The paper pairs each track with a text of its genre; what that text is decides everything, so the protocols differ in it.
# `written` and `controlled` draw real Genius lyrics by tag; `released` gives each genre three fixed sentences, as the paper's code
# does ([Data](../book/data.md)). Before this page: [Audio baseline](01_audio_baseline.ipynb).

# %%
from IPython.display import Markdown

from helpers import clustering, datasets, experiments, fusion
from helpers import metrics, plots, protocols, results

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## The two modalities
# The lyric vectors come from the sentence encoder all-MiniLM-L6-v2 (384 dimensions). Where a Genius tag has fewer texts than a genre has
# tracks, other texts fill in, and the table says how many.

# %%
tracks = datasets.load(dataset)
made = fusion.inputs(tracks, protocol, phase=2, seed=0)

# %% tags=["remove-input"]
drawn = made.lyrics_report
Markdown("This channel draws no Genius texts.") if drawn is None else results.lyrics_table(drawn)

# %% tags=["remove-input"]
note = f" ({tracks.provenance['note']})" if tracks.provenance.get("note") else ""
Markdown(f"**{tracks.name}**, {tracks.n} rows{note}, protocol **{protocol}**: {results.read_columns(made)}. "
         + results.read_weights(made, "text" in made.blocks and fusion.weights_survive(tracks, protocol, 2)) + " " + results.read_guard(made))

# %% [markdown]
# ## Training
# The enhanced VAE: residual connections and batch normalisation under `written` and `controlled`, the released network under `released`.

# %%
run = experiments.run(
    tracks, protocol, phase=2, seeds=seeds, extras=["spaces"]
)

# %% mystnb={"figure": {"caption": "Training of the enhanced VAE on the fused input, one line a seed.", "name": "fig-medium-training"}, "image": {"alt": "Two line plots of reconstruction error and KL divergence over the epochs, one line per seed."}}
vaes = {f"seed {s}": fits["enhanced_vae"] for s, fits in run.fits.items()}
plots.training_curves(vaes)

# %% [markdown]
# ## Table 2: three clustering methods on the latent space

# %%
shown = [*results.PAPER_METRICS[2], "k", "noise_share", "nmi_chance"]
results.table(run.scores, shown, list(experiments.METHODS[2]))

# %% mystnb={"figure": {"caption": "Table 2 and Figure 2 of the paper, rerun: bars are means over seeds with one standard deviation, diamonds the paper's values on full GTZAN. Noise is left out of every score here, as in the paper.", "name": "fig-medium"}, "image": {"alt": "Bar charts of silhouette, Davies-Bouldin, ARI and NMI for K-Means, Ward and DBSCAN with the paper's values."}}
paper = results.paper_tables().query("phase == 2")
plots.metric_bars(
    run.scores, results.PAPER_METRICS[2], experiments.METHODS[2], paper
)

# %% tags=["remove-input"]
Markdown(results.read_contrast(run.scores, "DBSCAN", "K-Means", ["silhouette", "nmi", "ari"])
         + f" DBSCAN found {results.mean_of(run.scores, 'DBSCAN', 'k'):.1f} clusters on average and called "
         + f"{results.mean_of(run.scores, 'DBSCAN', 'noise_share'):.1%} of the rows noise.")

# %% [markdown]
# ## DBSCAN's eps decides
# DBSCAN has no number of clusters; it has a radius, eps. The dashed line is the eps that the protocol's rule chose, without looking at genres:
# the 75th percentile of the distance to the tenth neighbour (`released`) or the knee of that curve.

# %% mystnb={"figure": {"caption": "DBSCAN over eps on the first seed's latent space: clusters found, share of noise, silhouette without noise.", "name": "fig-medium-eps"}, "image": {"alt": "Line plots of number of clusters, noise share and silhouette against eps, with the chosen eps marked."}}
first = min(run.spaces)
latent = run.spaces[first]["DBSCAN"]
chosen = clustering.dbscan_eps(latent, protocols.get(protocol).dbscan_eps)
plots.eps_curve(clustering.eps_curve(latent), chosen)

# %% [markdown]
# Where the curve of clusters is steep, a slightly different rule would have told a different story.
#
# ## Noise counted three ways
# A method that may refuse to answer is flattered by scores over its answers. So noise is also counted as one cluster, and as one
# cluster per row.

# %%
ways = ["", "_noise_cluster", "_noise_singletons"]
noise = [score + way for score in ("nmi", "ari") for way in ways]
table = results.table(run.scores, noise, ["DBSCAN"])
Markdown("No genres, no NMI.") if tracks.genres is None else table

# %% [markdown]
# ## What do the lyrics add?
# K-Means straight on the input, without a network between, under four inputs. *Lyrics shuffled* gives every track the lyrics of another one:
# if that scores as well, the lyrics said nothing about their track.

# %%
variants = ["full", "lyrics shuffled", "lyrics alone", "audio alone"]
control, _ = experiments.controls(tracks, protocol, 2, seeds, variants)
named = control.assign(method=control.variant)
columns = ["nmi", "ari", "silhouette", "dims", "nmi_chance"]
results.table(named, columns, variants)

# %% tags=["remove-input"]
Markdown(results.read_contrast(named, "full", "audio alone", ["nmi", "ari"]) + " "
         + results.read_contrast(named, "full", "lyrics shuffled", ["nmi", "ari"]))

# %% [markdown]
# ## What the clusters look like

# %% mystnb={"figure": {"caption": "t-SNE map of the enhanced VAE's latent means (first seed), by genre where labels exist and by DBSCAN's clusters; noise is grey.", "name": "fig-medium-map"}, "image": {"alt": "Two scatter plots of the hybrid latent space, coloured by genre and by DBSCAN cluster."}}
labels = run.labels[first]["DBSCAN"]
plots.latent_map(plots.project(latent), labels, tracks.genres)

# %% [markdown]
# ## Paper and ours

# %%
results.beside_paper(run.scores, 2)

# %% tags=["remove-input"]
paper = results.paper_tables().query("method == 'DBSCAN' and metric == 'nmi'").value.item()
Markdown(f"The paper's NMI of {paper:.3f} has a simple source: if each of ten genres splits into three equal pure clusters, NMI is "
         f"{metrics.equal_pure_clusters(10, 3):.5f} whatever the music. Three sentences for each genre can give just that; "
         "[page 5](05_leakage.ipynb) counts the clusters found on full GTZAN.")

# %% [markdown]
# ## Summary
# - DBSCAN's score belongs to its eps and to how noise is counted; a table needs k and the noise share beside it.
# - A text channel that is chosen by the label hands the label to the model. The leak guard looks for that before training.
# - Lyrics drawn by tag are not the track's own. The shuffled control shows what such lyrics can add.
#
# Next: [Advanced VAEs](03_advanced_vaes.ipynb).
