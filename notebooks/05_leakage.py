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
# # Leakage: the label in the input
#
# *Where do the paper's scores come from: the music, or the label?*

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

# %% [markdown]
# ## Overview
# **You will learn** how to find out which part of the input a score comes
# from, and how arithmetic alone can give a high score.
#
# **Before you start:** read the pages on the phases of the paper, from
# [Audio baseline](01_audio_baseline.ipynb) to
# [CVAE and posterior collapse](04_cvae_collapse.ipynb).
#
# *Leakage* means that the answer is in the question: the genre, which only the
# score should know, is part of what gets clustered. We rebuilt the paper's
# experiment from its public program. This page reads stored runs. They are ours on
# the paper's collection, GTZAN, unless you made runs of your own table
# ([how they are made](../book/reproduce.md)) and named it in the setting `dataset`
# below. The section *How much leak is too much?* always uses the tracks that this
# setting names.
#
# A *channel* is a part of the input, for instance the sound or the text. Some
# channels carry the label. We remove them from the input, one at a time.
# No network is trained here. And nothing is meant as blame: the author published
# the program, and without it none of this could be known.

# %%
from IPython.display import Markdown

from helpers import metrics, phases, plots, tables
from musicbook import stored_runs
from musicbook.chapters.own_words import figures
from musicbook.chapters.leakage import (
    alike,
    attribution,
    explorers,
    sentences,
)
from musicbook.chapters.leakage.values import leakage_values
from musicbook.chapters.results import figures as result_figures
from musicbook.corpus import sources
from musicbook.named_values import score_values

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "released"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %%
runs = stored_runs.of(dataset, "released-3-full")
steps = attribution.ladder(runs, "Beta-VAE")
paper = tables.paper_tables().set_index(["phase", "method", "metric"]).value

# %% tags=["remove-input", "answer"]
values = score_values(runs) | leakage_values(runs)
Markdown(sentences.leakage_answer(runs, values))

# %% tags=["picture"] mystnb={"figure": {"caption": "How well the clusters of the Beta-VAE agree with genre (NMI) on full GTZAN, for several inputs. Hatched bars have the genre in the input in some form. See which two are long. Bars are means over seeds, and the thin lines are 95 % intervals of the mean, over tracks and seeds. The diamond is the paper's score, and the grey mark is chance.", "name": "fig-ladder-beta"}, "image": {"alt": "Horizontal bars of the Beta-VAE's NMI for seven inputs: the two with sentences made for five genres are long and hatched, all others are short, and of these only the one with the label columns is hatched."}}
result_figures.waterfall(
    steps,
    "nmi",
    "NMI of the Beta-VAE, by its input",
    paper[3, "Beta-VAE", "nmi"],
)

# %% tags=["remove-input"]
Markdown(sentences.ladder_sentence(steps, runs))

# %% [markdown]
# The book quotes several scores of *the* Beta-VAE. Each belongs to one protocol and
# one input. `gtzan` is all of GTZAN. The paper's score comes from one run, and ours
# are means over our seeds:

# %%
attribution.beta_vae_scores(runs, values, paper[3, "Beta-VAE", "nmi"])

# %% [markdown]
# [Advanced VAEs](03_advanced_vaes.ipynb) trains on a small part of GTZAN, so it
# prints one more score.
#
# ## Two channels, and the credit of each
# Two parts of the input carry the genre. One is plain: ten columns of zeros
# and ones, one for each genre (*label columns*; in the tables: *one-hot*). The
# other is the text. In five genres every track has the same sentence, which was
# made for the genre. So the sentence tells the genre as surely as a label does.
#
# How much does each of the two add? That depends on the order: a channel adds
# less if the other one is there already. So we measure the gain of each channel
# twice: added before the other, and added after it. The mean of its two gains
# is its *Shapley value* ([Shapley 1953](../book/references.md)), here called its
# share. The two shares and the score with neither add up to the score with both;
# the last digit can differ, because each number is rounded. To take the
# sentences away, we put real lyrics in their place. All four inputs of the table
# also hold the sound.

# %%
attribution.shares(runs).round(3)

# %% tags=["remove-input"]
Markdown(sentences.shares_sentence(runs, values))

# %% tags=["remove-input"]
Markdown(sentences.borrowed_sentence(runs))

# %% [markdown]
# ## The map with the label, and without
# A network turns each track into a list of numbers, its *code*. The codes are
# points of the *latent space*, which has one dimension for each of these
# numbers. The clusters of the Beta-VAE are made in the latent space. A *map* is
# a flat picture of that space: a method called t-SNE gives each track a place in
# the plane. It tries to keep neighbours together, but it cannot keep all of
# them. So two tracks can be near in the latent space and far apart on the map.
# No NMI of this page is computed on a map.
#
# Both maps show the same tracks. On the left is the Beta-VAE built as in the
# author's program, with the genre in its input (*leaky*). On the right is the Beta-VAE of
# *controlled*. Its input is sound and borrowed lyrics, and the guard finds no
# genre in these lyrics (*clean*). Each network has a latent space of its own, and
# so a map of its own. Press a point, and you see where that track lies on the
# other map. The tracks that are nearest to it in the latent space get a ring. On
# a keyboard, the arrow keys go from track to track.

# %%
leaky = explorers.stored_map(runs, "released", 3, "Beta-VAE")
clean = explorers.stored_map(runs, "controlled", 3, "Beta-VAE")
explorers.latent_explorer(
    {"leaky": leaky.shown, "clean": clean.shown},
    runs.ids,
    {
        "genre": runs.genres,
        "cluster, leaky": leaky.labels,
        "cluster, clean": clean.labels,
    },
    "leaky-and-clean",
)

# %% tags=["remove-input"]
Markdown(
    sentences.neighbour_sentence(
        runs.genres, leaky.neighbours, clean.neighbours
    )
)

# %% tags=["remove-input"]
two_maps = {"leaky": leaky.points, "clean": clean.points}
Markdown(sentences.islands_sentence(two_maps, runs.genres))

# %% tags=["remove-input"]
heard = alike.heard_alike(two_maps, runs.ids, runs.genres)
Markdown(sentences.alike_sentence(heard))

# %% [markdown]
# ## Genre by genre
# If the score comes from the sentences, it must be high for the genres that have
# one sentence, and low for the genres that have real lyrics. This holds for
# all methods but the CVAE, which is low for both:

# %%
methods = phases.names_of(3)
labels = {m: runs.labels("released", 3, m) for m in methods}
tables.by_text_kind(runs.genres, attribution.labels_by_seed(labels), methods)

# %% mystnb={"figure": {"caption": "How many tracks of each genre lie in each cluster of the Beta-VAE (released protocol, first seed). Each of the five genres with one sentence (blues, classical, disco, jazz, reggae) fills one cluster. The other five are spread over several clusters.", "name": "fig-leak-confusion"}, "image": {"alt": "Heat map of ten genres against ten clusters, with five full cells on the diagonal."}}
table = metrics.confusion(runs.genres, labels["Beta-VAE"][0])
plots.confusion_heatmap(table)

# %% tags=["remove-input"]
Markdown(sentences.heat_map_sentence())

# %% [markdown]
# ## DBSCAN's score needs no music
# The paper's highest score belongs to DBSCAN in phase 2. There each genre had
# three sentences, made for it and given to its tracks in turn, plus a little noise.
# That makes thirty groups of texts, each inside one genre. A method that finds
# exactly these groups has *pure* clusters: no cluster holds two genres. If the
# groups are equally large, its NMI follows from their number alone:
#
# $$\mathrm{NMI} = \frac{2\ln 10}{\ln 10 + \ln 30}$$
#
# In the table, *k* is the number of clusters that DBSCAN found, and *genres in
# three* counts the genres that it split into three clusters.

# %%
pure = attribution.pure_clusters(runs)
pure.round(3).head(3)

# %% tags=["remove-input"]
Markdown(sentences.thirty_sentences(pure, paper[2, "DBSCAN", "nmi"]))

# %% mystnb={"figure": {"caption": "NMI of DBSCAN on full GTZAN, for several inputs. Without the sentences made for each genre, its score is nearly zero. The marks are those of the first figure.", "name": "fig-ladder-dbscan"}, "image": {"alt": "Horizontal bars of DBSCAN's NMI for five inputs, high with template sentences and near zero without."}}
result_figures.waterfall(
    attribution.ladder(runs, "DBSCAN"),
    "nmi",
    "NMI of DBSCAN, by its input",
    paper[2, "DBSCAN", "nmi"],
)

# %% [markdown]
# ## The controls, without a network
# Here K-Means works on each input of phase 3, without a network. *Full* is the
# input built as in the author's program. The name of every other row says how it
# differs from this input: *alone* means that the input holds nothing else. A
# row is marked LEAKY if a simple classifier can read the genre from a channel
# that should not carry it (the *guard*, see below). NMI is the mean ± standard
# deviation over seeds, then the 95 % interval of the mean. The interval also
# covers the choice of tracks, so it can be wider than the spread of the seeds.

# %%
attribution.control_table(runs, "released", 3)

# %% tags=["remove-input"]
Markdown(
    f"{sentences.drowned_sentence(runs, values)} {sentences.starts_sentence(runs, values)}"
)

# %% [markdown]
# ## How much leak is too much?
# A leak need not reach every track. Here we add a leak to the sound of the
# tracks of this build. We try four leaks, one at a time. They are the one-hot
# genre, three sentences for each genre, a year for each genre, and noise that is
# louder in some genres than in others. For a given share of the tracks, the leak follows the
# true genre. For the rest it follows a random genre. The guard measures an
# *effect*: how well a simple classifier (a *probe*) reads the genre from the
# channel. It is 0 if the probe is as good as chance, and 1 if it makes no error.
# The guard calls an input LEAKY if its effect is above the dotted line and chance
# rarely gives as much, or if the probe names one genre nearly without error.

# %%
tracks = sources.load(dataset)
curve = attribution.by_dose(tracks)

# %% mystnb={"figure": {"caption": "Four leaks, by the share of tracks that they reach, on the data of this build. Left: the effect that the guard measures. A filled dot is an input that the guard calls LEAKY. See at which share of tracks each line begins to have filled dots. Right: NMI of K-Means on sound and leak, with equal weights.", "name": "fig-dose"}, "image": {"alt": "Two panels of four rising curves against the share of tracks a leak reaches: the guard's effect, and NMI of K-Means."}}
figure = result_figures.doses(curve) if len(curve) else None
figure or figures.missing(sentences.NO_LABELS)

# %% tags=["remove-input"]
Markdown(sentences.dose_sentence(curve))

# %% [markdown]
# This is what the guard says of the input of each phase, for these tracks:

# %% tags=["remove-input"]
Markdown(sentences.guard_lines(tracks, protocol))

# %% [markdown]
# The guard judges text and other added columns. What was measured on the
# tracks, such as sound, is judged by [the audit](11_audit.ipynb).
#
# ## Exercise
# A colleague clusters eight equally large genres and gets sixteen pure
# clusters, two for each genre. Which NMI must that give, whatever the music?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
import numpy as np

by_formula = metrics.equal_pure_clusters(8, 2)
genres = np.repeat(np.arange(8), 10)
clusters = np.repeat(np.arange(16), 5)
counted = metrics.external(genres, clusters)["nmi"]
print(f"The formula gives {by_formula:.3f}, and counting {counted:.3f}.")
assert abs(by_formula - counted) < 1e-9
assert abs(by_formula - 2 * np.log(8) / (np.log(8) + np.log(16))) < 1e-9

# %% [markdown]
# ## Summary
# - Agreement with labels measures a method only if its input holds no labels.
#   Look at columns, texts, noise levels and the order of rows
#   (which may be sorted by genre).
# - Take one channel out of the input and score again: you learn more from that
#   than from trying another network. If two channels both tell the genre,
#   take out both.
# - Compute what perfect leakage would score, and compare your score with it.
#
# Code: `musicbook.chapters.leakage` ([API](../book/api.md)); data:
# `data/results/gtzan`. Next: [which claims hold](06_results.ipynb), or
# [audit your own table](11_audit.ipynb).
