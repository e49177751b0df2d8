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
# # Your own music
#
# *Which groups are in my collection, and which tracks sound alike?*

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
# **You will learn** to map a collection without any label, to see which of its
# groups are real, and to hear what a group has in common.
#
# **Before you start:** read [from sound to numbers](00_sound.ipynb).
#
# For a folder of your own, install the book's package, and let one command do
# all of this:
#
# ```bash
# pip install "git+https://github.com/vae-music-clustering/vae-music-clustering"
# python -m musicbook map ~/Music --out my-music
# ```
#
# The command `map` uses the method that the page
# [How to cluster music well](09_cluster_well.ipynb) recommends. When it has
# finished, open `my-music/index.html`. If you run the command on your own machine, nothing
# leaves it. `musicbook map` is the same command, and `musicbook map --help` lists all
# options. [Run it yourself](../book/reproduce.md) explains the main ones:
# other ways to group (`--method`), tracks that are too short, and how to give the page
# away. The command looks at the sound only: it does not read lyrics.
#
# In Colab, put your music into a folder of your Drive. Run the install line above,
# and then these three lines:
#
# ```ipython
# from google.colab import drive; drive.mount("/content/drive")
# !python -m musicbook map "/content/drive/MyDrive/Music" --out my-music --clips
# from IPython.display import HTML; HTML(filename="my-music/index.html")
# ```
#
# The collection below is **synthetic**, so that you can hear every track: a
# small program composed and played it in ten styles. If the method finds these
# styles, this says nothing about real music.

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import plots, protocols
from musicbook.chapters.cluster_well import sentences, stable_groups
from musicbook.chapters.sound import players
from musicbook.collection import map_page, survey, walks, words
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "demo"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
tracks = sources.load(dataset)
found = survey.survey(tracks)

# %% tags=["remove-input", "answer"]
Markdown(survey.survey_answer(found))

# %% [markdown]
# ## The map
# On the map at the top of the page, each point is a track. Press it to hear the
# track and to see the tracks that are most like it. The names on the map are
# the groups. Press **Play through** in the list beside the map to hear a whole
# group. Grey points belong to no group.

# %% tags=["remove-input", "picture"]
map_page.in_frame(found, players.addresses(tracks))

# %% [markdown]
# ## Which groups are real?
# Most methods make as many groups as you ask for, even from random numbers. So
# we repeat the grouping ten times, on random parts of the collection and with
# another seed each time. A group is real if it *returns*. In each repetition we take
# the group that is most similar to it. The column *Returns* gives the mean overlap with
# these groups; 1 means the same tracks. If the overlap is below 0.6, the group is not
# shown, and we say that its tracks lie *between groups*.

# %%
survey.group_table(found)

# %% [markdown]
# The same repetitions also tell us how many groups to make. We try many numbers of
# groups.

# %% tags=["remove-input"]
Markdown(sentences.number_rule())

# %% [markdown]
# In the next table, *stability* says how well the whole grouping agrees with its
# repetitions; 1 is perfect.

# %%
found.groups.tried.round(2).astype({"groups": int, "return surely": int})

# %% [markdown]
# ## Is this better than a VAE?
# The paper groups by a VAE (variational autoencoder) and K-Means, and makes as many
# groups as there are genres. We do the same with the features of these tracks, and then ask
# which of these groups return. (Without labels, we ask for as many groups as the recommended
# way makes.)
# The VAE's groups of the demo are stored, because each repetition trains a network. If you
# run this page on your own music, it computes them, with fewer repetitions. *AMI* says how well the
# groups that return agree with the labels, if there are any: 0 is chance, 1 is perfect.

# %%
by_vae = stable_groups.groups_by_vae(found.tracks, k=found.groups.made)
ways = {"recommended": found.groups, "VAE and K-Means": by_vae}
survey.beside(found.tracks, ways)

# %% tags=["remove-input"]
Markdown(survey.steadiness(found.groups, by_vae))

# %% [markdown]
# The VAE sees the features of the tracks. The recommended way sees musicnn's numbers where
# there is sound, and it chooses how many groups it makes. So this test does not show which
# difference matters. To compare equal numbers of groups, look at *return surely* in the
# table of the section before.

# %% [markdown]
# ## Do the names of groups say anything?
# The name of a group consists of words that describe its sound. They come from
# tags that *musicnn* hears, a network that others trained, and from the 68 features.
# To check the words, we choose them from one half of each group only. Then each
# track of the other half goes to the group whose words fit it best. By chance, all groups
# are equally likely:

# %%
right, chance = words.recognised(found.groups.labels, found.vocabulary)
shares = {"tracks that go to their own group": [right, chance]}
pd.DataFrame(shares, index=["by the words", "by chance"]).round(2)

# %% [markdown]
# ## From one song to another
# A VAE can do one thing that a map cannot: it can make up a track that does not
# exist, at any point between two real tracks. It makes only the features of such a
# track, not its sound. The VAE turns each track into a *code*, which is a few numbers.
# Here we walk in a straight line from the code of one track to the code of another. We
# begin at the most typical track of the first group, and end at the most typical
# track of the last group. For each step, the table describes the track that the
# network makes up there, and names the real track that is nearest to it.

# %%
fit = walks.trained(tracks, protocol)
ends = [0, -1]
if found.groups.n:
    ends = [found.rows_of(0)[0], found.rows_of(found.groups.n - 1)[0]]
one, other = found.tracks.ids[ends]
way = walks.between(tracks, fit, one, other)
way

# %% tags=["remove-input"]
players.row(tracks, list(dict.fromkeys(way["Nearest track"]))) or Markdown(
    "These tracks come without sound."
)

# %% [markdown]
# ## Exercise
# The tracks are compared by the numbers in `found.space`, one row a track. Shuffle each
# of its columns separately. All numbers are still there, but the numbers of one row no
# longer belong to one track. So there are no real groups.
# Ask K-Means for ten groups. How many does it make, and how many of them return?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
rng = np.random.default_rng(0)
noise = np.column_stack([rng.permutation(c) for c in found.space.T])
of_noise = stable_groups.returning_groups(
    noise, "kmeans", k=min(10, tracks.n // 2)
)
print(f"{of_noise.made} groups are made, {of_noise.n} of them return")
# Of ten tracks of your own, groups of two may return by luck.
if dataset == "demo":
    assert of_noise.n < of_noise.made

# %% [markdown]
# ## Summary
# - Give a group a name only if it returns. A map alone cannot show that a group
#   is real.
# - The words for a group come from its sound, and you can check them.
# - The most similar tracks are computed from all numbers, not from the flat
#   map. The map only shows you where to look.
#
# Code: `musicbook.collection` ([API](../book/api.md)). Next:
# [audit your own table](11_audit.ipynb).
