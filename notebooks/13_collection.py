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
# # What is in a collection of music?

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
# **You will learn** to read a clustering without any labels: what a group has in common in words, whether it would come again, and what lies
# between two songs.
#
# The default collection is **synthetic**: clips that a small program composed and played in ten styles, so that each of them can be heard here.
# That a computer finds these styles again says nothing about real music. Your own music takes one command, and gives a page like this one for
# you alone ([Run it yourself](../book/reproduce.md)). Before this page: [From sound to numbers](08_sound.ipynb).

# %%
from IPython.display import Markdown

from helpers import datasets, plots
from helpers.widgets import collection, players

plots.use_style()

# %% tags=["parameters"]
dataset = "demo"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %%
tracks = datasets.load(dataset)
by = collection.at_hand(tracks)  # a pretrained network, or None: the VAE
found = collection.survey(tracks, protocol, seeds, embedding=by)
table = collection.clusters(found)
same = collection.same_recordings(tracks)

# %% tags=["remove-input", "answer"]
Markdown(collection.answer(found, table, len(same)))

# %% [markdown]
# ## The map
# Groups are K-Means clusters in a space: the latent means of [page 1](01_audio_baseline.ipynb)'s VAE, trained on these tracks, or, for a folder of
# yours where the weights of musicnn are, the numbers of that [pretrained network](11_pretrained.ipynb). Press a point to hear the track and to
# see which tracks are nearest to it in that space.

# %% tags=["remove-input"]
Markdown(f"Here it is the space of **{found.by}**.")

# %%
collection.show_map(found, players.addresses(tracks))

# %% [markdown]
# ## What is in each cluster?
# *In words*: the features whose mean in the cluster lies more than half a standard deviation from that of the whole collection, the strongest
# first. *Comes again*: the overlap (Jaccard index) with the best matching cluster of another seed, mean over seeds; above .75 *steady*, below
# .5 *loose*: such a group is an accident of one run. *Outlying* tracks are where the group stops being sure.

# %%
table

# %% [markdown]
# ## Doubles, and what is like what
# Two files closer than a third of the usual distance to a nearest track are taken for one recording; a copy that was compressed hard may escape.

# %%
same if len(same) else Markdown("No two files sound like the same recording.")

# %%
collection.neighbours(found)

# %% [markdown]
# ## From one song to another
# The latent space of the VAE is full of places where no track is. This is the straight way between the most typical tracks of the two clusters that are
# farthest apart: what the network decodes at each step, and the real track nearest to it.

# %%
one, other = collection.farthest(found)
way = collection.between(found, one, other)
way

# %% tags=["remove-input"]
players.row(tracks, list(dict.fromkeys(way["Nearest track"]))) or Markdown("These tracks come without sound.")

# %% [markdown]
# ## What does one dimension do?
# The dimension with the largest KL, from two standard deviations below its mean to two above; all others stay at their mean.

# %%
walk = collection.along(found, collection.strongest(found))
walk

# %% tags=["remove-input"]
players.row(tracks, list(dict.fromkeys(walk["Nearest track"]))) or Markdown("These tracks come without sound.")

# %% [markdown]
# ## Summary
# - A cluster is worth a name when it comes again; its words come from features, never from labels.
# - Nearest tracks are found in the space, for each track; a map only shows where to look.
# - Between two tracks the network decodes averages; what is heard there is the nearest track that exists.
#
# Where it is done: `helpers.widgets.collection` ([API](../book/api.md)). Back to [the maps of GTZAN](07_explore.ipynb).
