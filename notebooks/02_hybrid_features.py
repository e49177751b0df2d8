# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb,-all
#     formats: ipynb,py:percent
#     notebook_metadata_filter: kernelspec,jupytext,-all
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Hybrid features: sound and lyrics
#
# *Do lyrics help, and does DBSCAN find the genres?*
#
# The paper reports its best score in its second phase: DBSCAN on sound and lyrics (Table 2 of [Karim 2026](../book/references.md)). *DBSCAN* is a method that
# forms clusters where many points lie close together. *NMI* is agreement with genre, at most 1.

# %% tags=["colab", "remove-cell", "skip-execution"]
import os
import subprocess
import sys

SOURCE = (
    "git+https://github.com/vae-music-clustering/vae-music-clustering@main"
)
# In Colab only: add the book's package; what is there satisfies it and stays.
if os.environ.get("COLAB_RELEASE_TAG"):
    pip = [sys.executable, "-m", "pip", "install", "--quiet"]
    package = f"vae-music-clustering[lyrics] @ {SOURCE}"
    done = subprocess.run([*pip, package], capture_output=True, text=True)
    if done.returncode:
        sys.exit(
            f"{done.stderr[-800:]}\n{SOURCE} cannot be installed: run this cell again, or open the page from its book anew"
        )

# %%
import numpy as np
import torch
from IPython.display import Markdown
from torch import nn

from helpers import clustering, inputs, metrics, phases
from helpers import plots, protocols, tables
from musicbook.chapters.phases import full_gtzan, sentences
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini-thirds"
protocol = "controlled"
seeds = 1

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
tracks = sources.load(dataset)
run = phases.run_phase(tracks, protocol, 2, seeds, extras=["spaces"])
variants = ["full", "lyrics shuffled", "lyrics alone", "audio alone"]
repeats = max(seeds, 3)  # K-Means alone is quick
controls = phases.run_controls(tracks, protocol, 2, repeats, variants)
scores, by_variant = controls

# %% tags=["remove-input", "answer"]
Markdown(sentences.hybrid_answer(run, by_variant))

# %% tags=["picture"] mystnb={"figure": {"caption": "K-Means on four inputs, without a network. If lyrics helped, *full* (sound and lyrics) would have a longer NMI bar than *audio alone*. With *lyrics shuffled*, every track has the lyrics of another one. K-Means is run with at least three seeds, even if the network further down has only one. Bars are means over these runs, and the thin lines show one standard deviation.", "name": "fig-medium-lyrics"}, "image": {"alt": "Bar charts of NMI and silhouette for sound with lyrics, with shuffled lyrics, lyrics alone and sound alone."}}
named = scores.assign(method=scores.variant)
plots.metric_bars(named, ["nmi", "silhouette"], variants)

# %% [markdown]
# ## Overview
# **You will learn** how to mix two kinds of columns so that both count, what DBSCAN's radius decides, and how to test whether lyrics help.
#
# **Before you start:** read [Audio baseline](01_audio_baseline.ipynb), which builds the network.
#
# GTZAN has no lyrics, so the paper borrows a text for each track. The protocols do this in two ways. `written` and `controlled` take
# real lyrics of other songs, if possible lyrics whose tag on the lyrics site Genius fits the genre. In this phase `released` gives each genre
# three fixed sentences, as the paper's program does ([Data](../book/data.md)). What happens with songs that have their own lyrics is the subject of
# [Songs with their own words](07_own_words.ipynb).
#
# ## The two channels
# A sentence encoder, all-MiniLM-L6-v2, turns each text into 384 numbers. Some genres have no tag on Genius, or too few texts with it. Then
# texts of other tags fill the gap, and the table says how many.

# %%
made = inputs.prepare(tracks, protocol, phase=2, seed=0)
report = made.lyrics_report

# %% tags=["remove-input"]
none = Markdown("No Genius texts are drawn here.")
none if report is None else tables.lyrics_table(report)

# %% [markdown]
# ## From two blocks to one table
# The two blocks have different sizes and units. `controlled` brings both to the same variance. It then multiplies the sound by 0.6 and the words
# by 0.4, so that these weights alone decide how much each block counts. `written` standardises every single column instead. That looks fair,
# but then a column of text that hardly varies counts as much as the one that varies most.
#
# Two guards look at the result. The *leak guard* looks for columns from which one can read the genre: a simple classifier tries it.

# %%
chosen = protocols.get(protocol)
raw, _ = inputs.channels(tracks, chosen, phase=2, seed=0)
X, columns, kept = inputs.scale(raw, chosen, phase=2)

# %% tags=["remove-input"]
Markdown(sentences.modalities(tracks, made, protocol))

# %% [markdown]
# The *scale guard* looks for the opposite fault: scaling that hides a real signal. To test this, we split the tracks at random into two halves. We add
# a signal to one half, first in the sound and then in the text. If the scaling does no harm, K-Means finds the two halves again (NMI near 1).

# %%
planted = {
    name: inputs.planted_nmi(raw, name, chosen, phase=2) for name in raw
}
sentences.planted_table(planted)

# %% [markdown]
# ## The network
# The paper calls its second network *enhanced*. Under `written` and `controlled`, the encoder, the decoder and the loss are those of
# [Audio baseline](01_audio_baseline.ipynb), but each layer has two additions. *Batch normalisation* brings each number to mean 0 and variance 1
# over the batch. A *residual* connection adds the input of the layer to its output, so that the layer has to learn only what changes. Under
# `released`, the network has no residual connection, and it differs from the first network in size and training, too
# ([Method](../book/method.md)).
#
# To keep the wait short, this page trains the network once. The page [Every value](A2_every_value.ipynb) shows how much the seeds differ on full GTZAN.


# %%
class ResidualLayer(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU()
        )
        # the widths differ, so the input is projected first
        self.skip = nn.Linear(n_in, n_out, bias=False)

    def forward(self, x):
        """x (B, n_in) -> (B, n_out)."""
        return self.body(x) + self.skip(x)


# %%
batch = torch.tensor(X[:32], dtype=torch.float32)
out = ResidualLayer(X.shape[1], 512)(batch)
print(f"{X.shape[1]} numbers of a row become {out.shape[1]} numbers.")

# %% mystnb={"figure": {"caption": "Training of the enhanced VAE on sound and lyrics, one line for each seed. Look at the right end: if a line is flat there, more epochs would change little.", "name": "fig-medium-training"}, "image": {"alt": "Two line plots of error and KL over the epochs, one line per seed."}}
curves = {f"seed {s}": fits["enhanced_vae"] for s, fits in run.fits.items()}
plots.training_curves(curves)

# %% [markdown]
# ## Table 2: three ways to cluster
# K-Means and *Ward's method* are given the number of clusters. Ward's method starts with single tracks and joins the two most similar groups
# at each step. DBSCAN is given a radius, *eps*, instead. Tracks with many others within the radius form clusters, and the rest is left out
# as *noise*. The *Davies-Bouldin* score measures how tight clusters are, as the silhouette does, but
# here a lower value is better.

# %% mystnb={"figure": {"caption": "Table 2 and Figure 2 of the paper, made again. Compare each bar with its diamond, the paper's value on full GTZAN. Where DBSCAN has no bar, it found one cluster only: its agreement with genre is zero, and its tightness is not defined. Noise is left out of every score here, as in the paper.", "name": "fig-medium"}, "image": {"alt": "Bar charts of silhouette, Davies-Bouldin, ARI and NMI for K-Means, Ward and DBSCAN with the paper's values."}}
paper = tables.paper_tables().query("phase == 2")
methods = phases.names_of(2)
plots.metric_bars(run.scores, tables.paper_metrics(2), methods, paper)

# %%
shown = [*tables.paper_metrics(2), "ami", "k", "noise_share", "nmi_chance"]
tables.score_table(run.scores, shown, methods)

# %% tags=["remove-input"]
Markdown(sentences.compare_methods(run, "K-Means", "Agglomerative (Ward)"))

# %% [markdown]
# ## DBSCAN depends on its radius
# Each protocol has a rule for the radius. The rule looks at how far the tracks are from their neighbours, and not at genres
# ([Method](../book/method.md)). In the next figure, the dashed line is the radius that the rule chose. Where the number of clusters changes
# fast, a slightly different rule would have given another result.

# %% mystnb={"figure": {"caption": "DBSCAN with smaller and larger radius (eps) on the codes of the first seed. See how the number of clusters and the share of noise change with the radius. The last panel has the silhouette, without noise.", "name": "fig-medium-eps"}, "image": {"alt": "Line plots of number of clusters, noise share and silhouette against eps, with the chosen eps marked."}}
first = min(run.spaces)
codes = run.spaces[first]["DBSCAN"]
eps = clustering.dbscan_eps(codes, chosen.dbscan_eps)
plots.eps_panels(clustering.eps_curve(codes), eps)

# %% [markdown]
# DBSCAN may leave tracks unassigned. Scoring only the assigned ones makes it look better than it is. So we count noise in two more ways: all
# noise as one cluster, and each track of noise as a cluster of its own (*singletons*).

# %%
noise = [score + way for score in ("nmi", "ari") for way in metrics.NOISE]
table = tables.score_table(run.scores, noise, ["DBSCAN"])
Markdown("No labels, no NMI.") if tracks.genres is None else table

# %% tags=["remove-input"]
Markdown(sentences.paper_dbscan())

# %% [markdown]
# ## Do the lyrics help?
# Here K-Means works on the input itself, so that no network stands between the lyrics and the score. *Full* is sound and lyrics. *Lyrics
# shuffled* gives every track the lyrics of another one. If that scores just as high, the lyrics said nothing about their track.
# K-Means is quick, so it runs at least three times, each time with new random numbers (a new *seed*). Borrowed lyrics are drawn anew each time. ±
# is the spread of these runs.

# %%
columns = ["nmi", "nmi_chance", "ami", "ari", "silhouette", "dims"]
tables.score_table(named, columns, variants)

# %% tags=["remove-input"]
Markdown(sentences.lyrics_sentence(run.tracks, by_variant))

# %% [markdown]
# ## Does full GTZAN say the same?
# The column *Here* has the tracks of this page. The column *Full GTZAN* has our stored runs on the paper's whole collection. A row
# with two methods, such as *K-Means or DBSCAN*, asks which of the two has the higher NMI. The
# last column says whether both collections give the same answer.

# %%
beside_full = full_gtzan.compare_with_full(run)
beside_full

# %% tags=["remove-input"]
Markdown(sentences.level_sentence(beside_full))

# %% [markdown]
# ## Paper and ours

# %%
tables.beside_paper(run.scores, 2)

# %% [markdown]
# ## Exercise
# A method splits each of ten genres into five *pure* clusters, which hold no other genre. What NMI does it get? And what NMI would fifty clusters get by chance? Make up labels
# for both cases and score them. Then check the first score with `metrics.equal_pure_clusters`.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
genres_of_500 = np.array([f"genre {i // 50}" for i in range(500)])
groups = np.array([i // 10 for i in range(500)])
score = metrics.external(genres_of_500, groups)["nmi"]
assert abs(score - metrics.equal_pure_clusters(10, 5)) < 1e-9
by_chance = np.random.default_rng(0).permutation(groups)
low = metrics.external(genres_of_500, by_chance)["nmi"]
print(f"pure: {score:.3f}, whatever the music")
print(f"shuffled: {low:.3f}, far above 0")

# %% [markdown]
# ## Test yourself
# **1. A paper mixes sound and lyrics with weights 0.6 and 0.4, and then standardises every column. What do the weights do?**
#
# <details><summary>Answer</summary>
#
# Nothing. The last step gives every column the same variance, so the weights cancel. A block then counts by its number of columns.
#
# </details>
#
# **2. Lyrics raise the score, and shuffled lyrics raise it as much. Do lyrics help?**
#
# <details><summary>Answer</summary>
#
# Not by what they say. The text of another track has the same effect, so the gain comes from something else. For instance, the added columns
# may have changed the weight of the sound.
#
# </details>
#
# **3. DBSCAN scores higher than K-Means. Which two numbers do you ask for before you believe it?**
#
# <details><summary>Answer</summary>
#
# The number of clusters, and the share of tracks that were left out as noise.
#
# </details>
#
# ## Summary
# - DBSCAN's score depends on its radius and on how noise is counted. Report the number of clusters and the share of noise beside it.
# - If the label decides which text a track gets, the model may be able to read the label from the text. Look for that before training.
# - Before you say that lyrics do not help, show that a real signal would survive your scaling.
# - Lyrics that are chosen by a tag are not the track's own. Compare them with shuffled ones.
#
# Where it is done: `helpers.inputs`, `helpers.clustering`, `helpers.lyrics` ([API](../book/api.md)).
# Next: [Advanced VAEs](03_advanced_vaes.ipynb).
