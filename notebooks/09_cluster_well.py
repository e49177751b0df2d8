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
# # How to cluster music well
#
# *Which way should I group my tracks, and how do I choose one without labels?*

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
# **You will learn** which way to group tracks works best on real music, which
# number to trust when there are no labels, and what a VAE is good for.
#
# **Before you start:** read [the audio baseline](01_audio_baseline.ipynb) and
# [raw sound and pretrained networks](08_raw_sound.ipynb).
#
# The comparisons rest on stored clusters of real tracks, with as many clusters
# as there are genres. *NMI*, normalised mutual information, says how well
# clusters agree with genres. 1 is perfect. Clusters made at random score above 0, and
# higher if there are few tracks; the column *By chance* has this score. Two ways are always compared on the same tracks. The interval shows how far the difference
# moves if we draw other artists, each with all their tracks. A track of an
# unknown artist counts as an artist of its own.
#
# The table gives the NMI of the paper's way and of the recommended way, and what
# the recommended way gains. The VAE always sees the 68 features. The recommended way
# uses musicnn where we have it; of GTZAN we have features only:

# %%
import numpy as np
from IPython.display import Markdown

from helpers import clustering, plots, protocols
from helpers.protocols import Recipe
from musicbook import stored_runs
from musicbook.chapters.cluster_well import criteria, figures, sentences
from musicbook.chapters.cluster_well import stable_groups, study, vae_uses
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
differences = study.differences()
ranks = study.criteria_tables()

# %% tags=["remove-input", "answer"]
Markdown(sentences.recommendation(differences, ranks))

# %%
study.recommended_table(differences)

# %% tags=["remove-input"]
Markdown(sentences.of_a_table(differences))

# %% tags=["remove-input"]
Markdown(sentences.artists_sentence(stored_runs.Published()))

# %% [markdown]
# Of the songs of the Million Song Dataset, we score those whose genre has at least 15
# songs. One of them has silent sound. This page keeps that song. The page
# [Songs with their own words](07_own_words.ipynb) leaves it out, so there one song
# less has a genre. The training of musicnn may have contained these songs.
#
# On gtzan-mini and on these songs, the VAE is trained on whole tracks. The
# [audio baseline](01_audio_baseline.ipynb) trains it on pieces of the tracks of
# gtzan-mini, so its score there is another one.

# %% tags=["picture"] mystnb={"figure": {"caption": "What to do with a table of features, and with audio files. The numbers on the way down are the gain in NMI over the paper's VAE and K-Means, with 95 % intervals over artists.", "name": "fig-chart"}, "image": {"alt": "A decision chart: from a table of features or audio files to UMAP and K-Means, then to the groups that return."}}
figures.decision_chart(differences)

# %% [markdown]
# ## What each step gains
# *UMAP* makes a space of few dimensions in which tracks with the same neighbours
# lie close together. There K-Means finds groups more easily. *musicnn* is a
# network that others trained to guess tags. So it has learned which differences
# people hear. *VaDE* is a VAE that forms its clusters while it is trained.

# %% mystnb={"figure": {"caption": "Each dot is a difference in NMI between two ways on the same tracks; the line is its 95 % interval over artists. If the whole line lies right of zero, the first way is better.", "name": "fig-differences"}, "image": {"alt": "Dots with intervals, one row a comparison."}}
figures.difference_plot(differences)

# %% tags=["remove-input"]
Markdown(
    f"{sentences.of_umap(differences)} {sentences.of_description(differences)}"
    f"\n\n{sentences.why_umap(differences)}"
)

# %%
sentences.difference_table(differences)

# %% [markdown]
# On gtzan-mini several genres are each the work of one artist. So expect smaller
# differences on other music.
#
# Does the recommended way also gain on fewer tracks? We drew smaller sets of tracks
# at random from two of the data sets. The last column says in how many of these
# draws the recommended way was higher than the VAE. (With fewer tracks, groups at random get a
# higher NMI as well. So compare numbers within a row only. On GTZAN the recommended way
# is UMAP and K-Means on the 68 features, so two columns are the same there.)

# %%
study.by_size()

# %% tags=["remove-input"]
Markdown(
    "The book's command `map` repeats the grouping to see which groups return. For more than "
    f"{stable_groups.UMAP_LIMIT:,} tracks, repeating UMAP takes too long. Then `map` uses "
    "K-Means on the numbers themselves."
)

# %% [markdown]
# ## Which criterion picks a good pipeline?
# A *pipeline* is one complete way from the tracks to the groups. Without labels,
# many people choose the pipeline with the highest silhouette. The silhouette
# says how much nearer a track is to its own group than to the next one. Is that
# a good choice? We rank the pipelines of a data set twice: by a criterion that
# needs no labels, and by the agreement with genre. For the agreement we use
# *AMI*, which is NMI corrected for chance. If the rank correlation is 1, both
# orders are the same, and the criterion can replace the labels.
#
# These are the other criteria:
#
# - *Calinski-Harabasz* and *Davies-Bouldin* also compare the distances within groups
#   with those between groups.
# - *DBCV* does the same with densities.
# - *Stability over seeds* asks whether the same groups return with other random
#   numbers. *Stability over resamples* asks whether they
#   return with random parts of the tracks (80 % of them).
# - *Prediction strength* asks whether one half of the tracks predicts the groups of
#   the other half.
#
# Stability over resamples and prediction strength repeat the whole pipeline. For a
# VAE that takes too long, so these two criteria leave out the pipelines with a VAE. The
# other criteria also rank these few pipelines.

# %% mystnb={"figure": {"caption": "How well each criterion ranks the pipelines as the genres rank them (rank correlation with AMI). A good criterion lies far right on all data sets; left of zero, it prefers the worse pipelines. Only pipelines with as many clusters as genres are counted. Lines are 95 % intervals.", "name": "fig-criteria"}, "image": {"alt": "Dots with intervals for each criterion and data set."}}
figures.criterion_plot(ranks)

# %% tags=["remove-input"]
Markdown(
    f"{sentences.criteria_verdict(ranks)} {sentences.silhouette_of_all(ranks)} "
    f"{sentences.single_pick(ranks)}"
)

# %% tags=["remove-input"]
Markdown(sentences.two_silhouettes(ranks))

# %% [markdown]
# ## How many groups?
# We let K-Means make 2 to 30 groups, once on the *numbers themselves* and once after
# UMAP. The table shows which number of groups each criterion chooses. Its last two
# columns show which number agrees best with genres, and which with artists.

# %%
numbers = study.chosen_k(study.over_k())
sentences.numbers_table(numbers)

# %% tags=["remove-input"]
Markdown(sentences.chosen_numbers(numbers))

# %% [markdown]
# A criterion may look for tight groups, but genres are not tight. So the book's
# command `map` uses another rule, which we did not compare with the criteria of the
# table. It repeats the whole method on random parts of the
# tracks. For each group, it takes the most similar group of every repetition, and measures
# the mean overlap with these.

# %% tags=["remove-input"]
Markdown(
    f"{sentences.number_rule()} [Your own music](10_collection.ipynb) shows it at work. "
    "This rule finds groups that you can trust to return. It need not find the number of genres. "
    "If you know how many groups you want, ask for that number (`-k`)."
)

# %% [markdown]
# ## Groups that return
# Here we test which groups return, on the tracks of this page. They are described by
# musicnn where its numbers come with the book, else by the features. We group them by UMAP
# and K-Means, and repeat this ten times, on random parts of the tracks. For each group, we
# look in every repetition for the group that is most like it. A group *returns* if its mean
# overlap with these is above 0.6.

# %%
whole = "gtzan-mini-tracks" if dataset == "gtzan-mini" else dataset
tracks = sources.load(whole)
X = study.columns_of(tracks)
asked = min(20, tracks.n // 4)
many = stable_groups.returning_groups(X, "umap", k=asked)
Markdown(sentences.returning(many, tracks))

# %% [markdown]
# ## What is a VAE good for?
# A VAE is a model of the numbers themselves, so it can do what K-Means cannot.
# We test three uses, on songs that it was not trained on:
#
# - *missing*: we hide 30 % of a song's numbers, and the model fills them in;
# - *noise*: we add noise to a song, and the model takes it off again;
# - *made up*: the model invents songs, and a classifier tries to tell them from
#   real ones.
#
# For the first two, the table gives the remaining error: 0 is none, and 1 is as
# bad as the mean of each column. For the last, it gives the share of right
# answers of the classifier, where 0.5 is guessing. Lower is better in all three. The row
# *column means* uses no model: every guess is the mean of its column, and a made-up song
# is noise. Each of its numbers is drawn on its own, with the spread of its column.

# %%
songs = sources.load("paired").features.to_numpy()
uses = vae_uses.measured_uses(songs, Recipe(clip_norm=1.0, epochs=60))
uses.round(2)

# %% tags=["remove-input"]
Markdown(sentences.vae_is_best_at(uses))

# %% [markdown]
# ## Exercise
# Draw 500 points from one round cloud in eight dimensions. There are no
# groups in it. Ask K-Means for ten, and compute the silhouette and the
# stability over seeds. Which of the two tells you that nothing is there?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
cloud = np.random.default_rng(0).normal(size=(500, 8))
runs = [clustering.cluster(cloud, "kmeans", 10, s, n_init=1) for s in range(4)]
silhouette = clustering.silhouette(cloud, runs[0])
stability = criteria.agreement(runs)
print(f"silhouette: {silhouette:.2f}")
print(f"stability: {stability:.2f}; 1 would mean the same groups each time")
assert silhouette > 0 and stability < 0.5

# %% [markdown]
# The silhouette is low but positive, as it often is for real music. Only the
# stability shows that nothing is there: other random numbers give other groups.
#
# ## Summary
# - Describe tracks by a network that was trained on what people hear.
# - Then use UMAP and K-Means. On GTZAN, a VAE before K-Means does worse than PCA.
# - Without labels, trust groups that return. Do not trust groups because they
#   look well separated.
#
# Code: `musicbook.chapters.cluster_well` ([API](../book/api.md)). Next:
# [your own music](10_collection.ipynb).
