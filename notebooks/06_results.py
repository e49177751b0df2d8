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
# # Does the paper hold?

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
from IPython.display import Markdown

from helpers import phases, plots, tables
from helpers.published import (
    claims, duplicates, figures, leakage, multiverse, store, verdicts,
)

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan"
protocol = "controlled"
seeds = 10

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %%
runs = store.of(dataset)
values = verdicts.values(runs)

# %% tags=["remove-input", "answer"]
Markdown(verdicts.read_counts(runs))

# %% [markdown]
# ## Overview
# **You will learn** how to judge whether one reported number is reproduced, and what seeds, inputs and choices do to it.
#
# Everything here is computed from stored runs: those that come with the book, on full GTZAN, or your own, where `dataset` names a table that
# `make results` has run. *Released* follows the paper's code, *written* its text, *controlled* the text with an input that the leak guard passes.
# Two traces of the genre stay: lyrics are drawn by its tag, and the CVAE is told it, so that its rows are no unsupervised result. Where each
# published number comes from is [another page](05_leakage.ipynb).
#
# A number of the paper is one run. It is *reproduced* where it lies in the range in which one further run of ours would fall (t prediction interval,
# 95 %) and our mean lies near it (within .02, or a tenth for scores that are no shares); *near, though outside our spread* where the second
# alone is true, *within a wide spread* where the first alone is, which a restless method gets for its noise; else *not reproduced*.

# %% tags=["remove-input"]
Markdown(runs.read_age() + " " + leakage.read_coverage(runs))

# %% mystnb={"figure": {"caption": "Every value of the paper's three tables (upright strokes; the number before a method is its phase), and ours under each protocol: mean over seeds and the range in which one further run would fall.", "name": "fig-dots"}, "image": {"alt": "Dot plots of six scores for ten methods: the released protocol lies at the paper's values, the others far from many."}}
figures.dots(values)

# %%
verdicts.counts(runs)

# %% [markdown]
# In brackets: what one more run of ours would get, on average, if it stood in the paper's place, each seed in turn judged by the others.
#
# ## Which genres are found?

# %% mystnb={"figure": {"caption": "How well each genre is found: F1 of its best cluster, mean over seeds; the last row is chance.", "name": "fig-genres"}, "image": {"alt": "Heat map of methods against ten genres."}}
by_genre = verdicts.genre_table(runs)
figures.genres(by_genre)

# %% tags=["remove-input"]
first = f"1 PCA + K-Means, {runs.protocols[0]}"
on_sound = by_genre.loc[first].sort_values(ascending=False)
Markdown(f"On sound alone (*{first}*) the best found are " + ", ".join(f"{g} {v:.2f}" for g, v in on_sound[:3].items()) + "; the least, "
         + ", ".join(f"{g} {v:.2f}" for g, v in on_sound[-3:].items()) + f". Chance is {by_genre.iloc[-1].mean():.2f}.")

# %% [markdown]
# ## What does each input give?
# The same methods on the whole input, on it without one of its channels, and on single channels. A blank was not run.

# %% mystnb={"figure": {"caption": "Agreement with genre (NMI, mean over seeds) of methods in rows on inputs in columns; LEAKY in a row's name is said of its full input.", "name": "fig-inputs"}, "image": {"alt": "Heat map of methods against inputs: dark where the label or the written sentences are in the input, pale elsewhere."}}
by_input = verdicts.input_table(runs)
figures.by_input(by_input)

# %% tags=["remove-input"]
words = by_input.get("lyrics alone", by_input.iloc[:, :0].sum(axis=1)).dropna()
Markdown(f"Words alone give the most in *{words.idxmax()}* ({words.max():.2f}) and the least in *{words.idxmin()}* ({words.min():.2f}); "
         f"sound alone lies between {by_input['audio alone'].min():.2f} and {by_input['audio alone'].max():.2f}." if len(words) and "audio alone" in by_input else "")

# %% [markdown]
# ## Would another seed say the same?
# A method whose partitions differ from seed to seed has none that one run could report, whatever that run scores.

# %% mystnb={"figure": {"caption": "Agreement of two seeds' partitions with each other, and with genre (adjusted Rand index), under the protocol of the parameters.", "name": "fig-stability"}, "image": {"alt": "Two dots a method: agreement between seeds and agreement with genre."}}
stable = verdicts.stability(runs, protocol)
figures.stability(stable)

# %% tags=["remove-input"]
ranked = stable.sort_values("stability")
Markdown(f"Under *{protocol}* the steadiest is {ranked.method.iloc[-1]} of phase {ranked.phase.iloc[-1]} ({ranked.stability.iloc[-1]:.2f}), the least "
         f"steady {ranked.method.iloc[0]} of phase {ranked.phase.iloc[0]} ({ranked.stability.iloc[0]:.2f}).")

# %% [markdown]
# ## Differences with intervals

# %%
verdicts.differences(runs)

# %% [markdown]
# Both sides are scored on the same tracks drawn anew. *Mean over seeds* compares the methods, tracks and seeds both a sample; a difference is told
# where that interval keeps clear of zero. *One run* is what a single run of either may show.
#
# ## All defensible choices at once
# One pipeline is one opinion. Here the same question, agreement with genre, is put to every combination of choices that somebody could defend:
# features, scaling, lyrics, space, clusterer, number of clusters.

# %% mystnb={"figure": {"caption": "Agreement with genre (AMI) of all pipelines, by each value of each choice: boxes hold the middle half, whiskers all; the line is the median.", "name": "fig-multiverse"}, "image": {"alt": "Boxes of AMI by the values of six choices."}}
universe = multiverse.stored(runs)
figures.universe(universe)

# %%
multiverse.pairs(universe).round(3)

# %% [markdown]
# *Share* is how many pairs of pipelines, alike otherwise, answer yes. Pipelines are choices, no sample, so there is no interval.
#
# ## Every claim of the paper

# %%
claims.table(runs)

# %% [markdown]
# ## The tables, value by value
# One protocol a row. Audio alone (Table 1):

# %%
verdicts.compare(runs, 1)

# %% [markdown]
# Audio and lyrics (Table 2):

# %%
verdicts.compare(runs, 2)

# %% [markdown]
# Advanced models (Table 3):

# %%
verdicts.compare(runs, 3)

# %% [markdown]
# The number of clusters, the share of noise and the chance level belong to every score; noise left out, as one cluster, as singletons. Phase 2
# under the protocol of the parameters:

# %%
ways = ["nmi", "nmi_noise_cluster", "nmi_noise_singletons"]
shown = [*ways, "k", "noise_share", "nmi_chance"]
tables.table(runs.run(protocol, 2), shown, phases.names_of(2))

# %% [markdown]
# ## A fair comparison
# Under the protocol of the parameters. *Silhouette, common space* measures each clustering in the standardised audio features: one ruler for
# all, though one that favours methods which cluster close to these features. *Input + K-Means* clusters what goes in, without a network; *active
# units* are the latent dimensions that carry information; *sampled z* is one draw of the latent instead of its mean; *PCA, as many dims* has as
# many components as there are active units. Three baselines are newer than the paper's: UMAP folds the input into eight dimensions that keep
# neighbours, then K-Means; HDBSCAN looks for dense regions at every radius and may call rows noise; VaDE is a VAE whose prior is a mixture of
# Gaussians, one a cluster. *Accuracy* is the share of tracks in the cluster that is matched to their genre.

# %%
fair = ["dims", "silhouette", "silhouette_common", "nmi", "nmi_noise_cluster"]
fair += ["ami", "ari", "accuracy", "accuracy_chance"]
tables.table(runs.run(protocol, 1), fair)

# %%
tables.table(runs.run(protocol, 3), fair)

# %% [markdown]
# ## GTZAN's faults
# [Sturm (2013)](../book/references.md) found repeated, distorted and mislabelled tracks in GTZAN, and artists with many tracks. Exact and near
# copies show in the features themselves; so do artists.

# %% tags=["remove-input"]
found, scores = runs.record.get("duplicates"), duplicates.scores(runs)
across = ", ".join(" ≈ ".join(pair) for pair in found["across_genres"]) or "none" if found else ""
Markdown(f"{found['tracks_with_a_near_neighbour']} of {runs.record['n']} tracks have a near copy ({found['near_pairs']} pairs, {found['exact_pairs']} exact); "
         f"across genres: {across}. {duplicates.read_faults(scores)} {duplicates.read_artists(runs)}" if found else "Copies were not looked for: these tracks have no genres.")

# %%
faults = ["n", "silhouette", "ari", "nmi", "ami"]
named = scores.assign(method=scores.dataset + ": " + scores.method)
tables.table(named, faults)

# %% [markdown]
# ## Summary
# - A number that depends on the seed is a number with an interval. Say what the interval is of: one run, or the method.
# - Compare in one space, at one number of dimensions, with chance beside it, and ask whether another seed would say the same.
# - A result that only one protocol gives belongs to the protocol.
#
# Where it is done: `helpers.published.verdicts`, `helpers.published.claims` and `helpers.published.multiverse` ([API](../book/api.md)), from
# `scores.csv.gz`, `labels.npz` and `multiverse.csv` in `data/results/gtzan`. Next: [explore the maps yourself](07_explore.ipynb).
