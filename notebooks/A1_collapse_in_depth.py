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
# # Collapse in depth
# *Do remedies, more data or another β cure a conditional VAE that has collapsed?*

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
import pandas as pd
from IPython.display import Markdown

from helpers import plots, protocols
from musicbook import stored_runs
from musicbook.chapters.collapse import battery, figures, grids
from musicbook.chapters.collapse import study, transfer, words
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini-thirds"
protocol = "controlled"
seeds = 1

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% tags=["remove-input", "answer"]
scale = grids.published_grid("gtzan", "scale")
few, many = words.split_scale(scale)
remedies = grids.published_grid("gtzan", "remedies")
Markdown(words.depth_answer(many, remedies))

# %% tags=["picture"] mystnb={"figure": {"caption": "A working CVAE trained on few and on all tracks of GTZAN, with the same number of updates. With more tracks it keeps more in its code z: more units are active, the KL (the amount of information) rises, and a probe reads brightness from z more often. The third panel is the squared error after z is swapped with that of another track. Mean and range over seeds.", "name": "fig-few"}, "image": {"alt": "Line plots against the number of tracks: units, nats and brightness rise."}}
figures.lines(few, "n", figures.FEW)

# %% [markdown]
# *This is an appendix to [CVAE and posterior collapse](04_cvae_collapse.ipynb). Read that page before; it defines the terms. Each section here can be
# read alone.*
#
# A reminder of the terms:
#
# - The *code* z has several *units*. A unit is *active* if it carries information. The *KL* is the amount of information in nats.
# - A *table of means* answers with the mean of the genre or, if the decoder is not given the genre, with the mean of all tracks. The *best linear code* is what a VAE with linear layers would find.
# - The *battery* is a set of measurements that ends in a verdict. *Informative*: the code carries the track, and the model does not use the genre.
#   *By design*: the model works, and its code leaves out the genre, because the model is given it. *Keeps c* (c is the condition,
#   here the genre): the model works, but its code still holds the genre. *Encoder only* and *decoder only*: only this half of the model uses
#   the genre. *Collapsed*: no unit is active, the decoder gives the same answer for any code, and probes find nothing in the code.
#   *Partial collapse*: the code holds far less than a linear code could, and lowers the error far less. *Undecided*: the measurements
#   contradict each other, or a probe cannot find the genre even in the data.
#
# ## Does the verdict depend on a threshold?
# We take the models of [CVAE and posterior collapse](04_cvae_collapse.ipynb), and move one threshold of the battery at a time. The other thresholds stay as they are:

# %%
tracks = sources.load(dataset)
chapter = study.run_chapter(tracks, protocol, seeds)
moved = words.sensitivity(chapter)
moved

# %% tags=["remove-input"]
Markdown(words.read_sensitivity(moved))

# %% [markdown]
# The next two figures show what the verdicts rest on. The first shows how much information each unit carries. For the second, a *probe* reads the
# genre or the brightness from z. A probe is a classifier that is tested on tracks it has not seen. *Sampled z* is what the decoder gets: a mean
# with noise added.

# %% mystnb={"figure": {"caption": "How much information each latent dimension carries (its KL), from most to least, for the first seed. A model has collapsed if its line lies at zero everywhere. The dotted line is the best linear code for the data and the \u03b2 of the first model; no network is needed to compute it.", "name": "fig-kl-units"}, "image": {"alt": "Line plot of KL per latent dimension for each model against the linear code."}}
figures.kl_per_unit(chapter)

# %% mystnb={"figure": {"caption": "What probes read from z, as balanced accuracy. One probe reads the condition, which is the genre. The other reads brightness. It is compared within a genre, so it does not depend on the genre. One kind of mark is for sampled z, the other for the means of the active units, without noise. A mark at the dashed line (chance), or left of it, means that z says nothing about it. The dotted line is the same probe on the data itself.", "name": "fig-probes"}, "image": {"alt": "Dot plots of probe accuracy for the condition and another factor, per model."}}
figures.probe_dots(study.tidy_diagnoses(chapter.diagnoses), chapter.label)

# %% [markdown]
# ## KL annealing against none
# *KL annealing* means that the KL term gets its full weight only after some epochs. The paper says that its CVAE was trained in this way; its
# released code does not do it. We compare both on full GTZAN, with sound alone. The first table shows what annealing changes, with 95 % intervals
# over seeds. The second table shows every model. In some of them only the encoder, or only the decoder, is given the genre. Errors are
# squared errors, as means over tracks and columns.

# %%
runs = grids.published_grid("gtzan", "battery")
controlled = words.of_protocol(runs, "controlled")
pair = "CVAE, no annealing", "CVAE, KL annealing"
words.changes(controlled, "model", *pair, by="protocol")

# %%
words.summary_table(controlled)

# %% [markdown]
# ## Remedies
# We try seven known remedies against collapse. They are linear and cyclical KL annealing, free bits, β below 1, a learned σ, BN-VAE, and an
# aggressive encoder. [Method](../book/method.md) explains each of them. In `free bits 0.25`, this many nats of each unit cost nothing. In `BN-VAE 0.6`, a batch
# norm with this scale keeps the KL up. With every remedy we train new models on three data sets, for fewer epochs than above. The first is GTZAN. The second is
# *planted* tracks: synthetic tracks with a genre and a style that we know. The third is planted tracks with β = 200, where a model without a
# remedy collapses. A learned σ sets the balance between error and KL that β sets otherwise. In the last column of the row *learned sigma*,
# β = 200 still multiplies the KL, so the model collapses. So one more row has a learned σ with β = 1.

# %% mystnb={"figure": {"caption": "Active units, KL, and what probes read from z, for each remedy on the three data sets; mean and range over seeds. In the last panel, look at the marks of *planted, collapsed*: a remedy cures the collapse if its mark lies right of the mark in the row none.", "name": "fig-remedies"}, "image": {"alt": "Dot plots of active units, KL, genre probe and style probe for each remedy and start."}}
figures.remedy_dots(remedies)

# %%
words.verdict_table(remedies, "start")

# %% [markdown]
# More active units and a higher KL are not enough. A remedy cures the collapse only if a probe can read the style from z again.

# %% tags=["remove-input"]
Markdown(words.read_remedies(remedies))

# %% [markdown]
# ## More data
# The paper blames its small data set, and hopes for the Million Song Dataset. Two questions are mixed here. *Does a working CVAE use more of its
# code if it gets more tracks?* The figure at the top of the page answers this:

# %% tags=["remove-input"]
Markdown(words.read_few(few))

# %% [markdown]
# To save time, these CVAEs are trained for fewer epochs than those of the section on KL annealing above. So the numbers of
# active units differ.
#
# *Do more tracks cure a collapsed CVAE?* To answer this we make as many synthetic tracks as we like, of two kinds. *Planted* tracks are those of the
# last section. *MSD-shaped* tracks have the columns of the Million Song Dataset ([Bertin-Mahieux et al. 2011](../book/references.md)). All models
# make the same number of updates. All are diagnosed on a thousand tracks that they have not seen.

# %% mystnb={"figure": {"caption": "Hundreds of times more tracks, with the same number of updates. If more tracks cured a collapse, the line of the CVAE with the large \u03b2 would rise in the first panel. The panels are active units, KL, agreement of K-Means groups with genre (NMI), and the accuracy with which a probe reads the style, all on unseen tracks; mean and range over seeds.", "name": "fig-scale"}, "image": {"alt": "Four line plots against the number of tracks on a log scale."}}
figures.lines(words.with_data_in_names(many), "n", figures.MANY)

# %%
words.changes(
    words.with_data_in_names(many), "n", *words.fewest_and_most(many)
)

# %% [markdown]
# The table shows the difference between the most tracks and the fewest. A unit switches off when β makes it cost more than it gains. More tracks
# do not change β, so the collapsed CVAE stays collapsed.

# %% tags=["remove-input"]
Markdown(words.read_working(many, few))

# %% [markdown]
#
# ## Beta, and why the silhouette rises when units switch off
# We train a VAE on GTZAN with values of β from 0.1 to 40. The *silhouette* measures how well separated clusters look. The dashed lines in the figure are
# a prediction from the data's covariance alone, with no network trained ([Lucas et al. 2019](../book/references.md)). For the KL, the prediction
# comes close if β is 1 or more.

# %% mystnb={"figure": {"caption": "VAEs on GTZAN with different \u03b2. While \u03b2 grows, the active units become fewer, and the silhouette rises until hardly any unit is left. The panels are active units, rate (the KL) and distortion (the squared error), each with its prediction; then silhouette and genre NMI of K-Means; mean and range over seeds.", "name": "fig-beta"}, "image": {"alt": "Line plots against beta on a log scale; units, rate and distortion with the prediction dashed."}}
sweep = grids.published_grid("gtzan", "beta")
figures.lines(sweep, "beta", figures.BETA, mark="space")

# %% tags=["remove-input"]
Markdown(words.read_sweep(sweep, stored_runs.Published("gtzan")))

# %% [markdown]
# ## Does β disentangle?
# To *disentangle* means that each unit of the code describes one property of the music. The paper says that β = 4 disentangles musical factors. To
# test this we need factors that we know, and that *can* be found. So we plant five independent factors in synthetic data. A random
# matrix mixes them (*linear*); in a second version the mixture is also bent (*nonlinear*). Independent component analysis (ICA,
# [Hyvärinen and Oja 2000](../book/references.md)) is made for such factors. It is our positive control: it shows that the factors can be
# found.

# %% tags=["remove-input"]
factors = grids.published_grid("gtzan", "factors")
Markdown(f"**{words.read_factors(factors)}**")

# %% mystnb={"figure": {"caption": "Three scores of disentanglement on planted factors. The networks, drawn against \u03b2 (mean and range over seeds), stay low; ICA, which is no network, lies near the true factors (the oracle).", "name": "fig-factors"}, "image": {"alt": "Line plots of three scores against beta: VAE and CVAE stay low, ICA lies near the oracle."}}
figures.disentanglement(factors)

# %% [markdown]
# All three scores lie between 0 and 1; 1 is best:
#
# - *MIG* looks for the unit that knows most about a factor. The score is its lead over the second best unit
#   ([Chen et al. 2018](../book/references.md)).
# - *SAP* measures the same lead by squared correlation ([Kumar et al. 2018](../book/references.md)).
# - *Disentanglement*, one of the scores called DCI, is high if each unit describes only one factor
#   ([Eastwood and Williams 2018](../book/references.md)).
#
# For a fair comparison, all methods know the genre. The CVAE gets it as its condition; for the others we subtract the mean of each genre. The scores
# need several known factors. In GTZAN only the genre is known, so they cannot be computed on it.

# %% tags=["remove-input"]
Markdown(words.ran_away(runs, remedies, scale, sweep, factors))

# %% [markdown]
# ## What a conditional model is good for
# A CVAE can change the genre of a track. We keep the track's code z, give the decoder another genre (the *target*), and decode. Then a classifier says
# which genre it sees. It was trained on one half of the tracks and judges the other half. We compare with two simple methods that need no network.
# One answers with the mean of the target genre. The other moves the track by the difference between the means of the two genres.

# %% mystnb={"figure": {"caption": "How often the CVAE changes the genre. A row is the genre of a track, and a column is the target. The colour is the share of decoded tracks that the classifier takes for the target. Dark means that the change works. On the diagonal the track keeps its own genre. First seed of the first model.", "name": "fig-transfer"}, "image": {"alt": "Heat map of source genre against target genre, share taken for the target."}}
swaps = transfer.swap_chapter(chapter)
figures.transfer_heatmap(swaps.get(next(iter(chapter.fits))))

# %%
shares = {n: {"taken": s.success, "kept": s.kept} for n, s in swaps.items()}
pd.DataFrame(shares).T.round(2)

# %% [markdown]
# The VAE is not given the genre, so it cannot change it. Its row is a control. *Taken* is the share of decoded tracks that the classifier takes for the target. *Kept* says how much of the track itself is left: 1 if it keeps all
# that is special about it, 0 if it keeps nothing. (From the track we subtract the mean of its genre, from the decoded track the mean of
# the target. *Kept* is the correlation of the two differences.) The bare mean of the target is taken for the target, but keeps nothing of the track. So look at both columns together.
#
# ## Diagnose your own model
# The battery accepts any model with the methods `encode(x, c) -> (mu, logvar)` and `decode(z, c)`. It need not be a torch module. Leave c out if the model has
# no condition. As an example, we wrap PCA (principal component analysis) in such a class:


# %%
class Own:
    def __init__(self, X, d=8):
        self.mean = X.mean(0)
        _, s, rotation = np.linalg.svd(X - self.mean, full_matrices=False)
        self.W = rotation[:d].T * s[:d] / np.sqrt(len(X))

    def encode(self, x):
        mu = (x.numpy() - self.mean) @ np.linalg.pinv(self.W).T
        return mu, np.full_like(mu, -3.0)

    def decode(self, z):
        return z.numpy() @ self.W.T + self.mean


X = next(iter(chapter.X.values()))
given = chapter.c, chapter.factors, tracks.groups
print(battery.diagnose(Own(X), X, *given))

# %% [markdown]
# ## Exercise
# Give the class `Own` a single dimension. Does the battery call this a partial collapse?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
one = battery.diagnose(Own(X, d=1), X, *given)
assert one.facts().linear_units <= 1
assert one.facts().share_of_rate > 0.8 and one.facts().share_of_gain > 0.8
print(one)

# %% [markdown]
# No. The rule compares a model with the best linear code that has *the same number of units*. PCA in one dimension comes close to this code. The model is
# small, but it has not collapsed.
#
# Functions used: [`musicbook.chapters.collapse`](../book/api.md). Back to [CVAE and posterior collapse](04_cvae_collapse.ipynb).
