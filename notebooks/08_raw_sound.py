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
# # Raw sound and pretrained networks
#
# *Should you train a network on raw sound, or take one that others trained?*

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
# **You will learn** what a network learns from waveforms, what a pretrained
# network adds, and how much the data that it was trained on matter.
#
# **Before you start:** read [from sound to numbers](00_sound.ipynb) and
# [the audio baseline](01_audio_baseline.ipynb).
#
# As future work, the paper suggests "an end-to-end 1D-CNN trained directly on raw
# audio waveforms". Such a network gets the sound itself instead of features. We
# built one. We compare it with averages of spectra (*log-mel statistics*), and with *musicnn*, a
# network that others trained on much more music.
#
# A warning first. In the default data, *gtzan-mini*, several genres are each
# the work of **one artist**. A network that recognises a voice or a studio then
# looks as if it recognised a genre. So use the scores below to compare
# descriptions of the same tracks. They do not say how well music of different
# genres can be separated.

# %%
import inspect

import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import clustering, inputs, metrics, models, plots, store
from musicbook.chapters.raw_sound import comparison, listening, networks
from musicbook.chapters.raw_sound import published
from musicbook.corpus import synth

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## Seven descriptions of the same tracks
# - **68 features**: the numbers that the other pages use.
# - **log-mel statistics**: the sound is split into 64 bands of frequencies. For
#   each band we take the mean loudness and its standard deviation. Nothing is
#   learned.
# - **ConvVAE to log-mel**: our own network on raw sound, explained below.
# - **musicnn** ([Pons and Serra 2019](../book/references.md)): a network that
#   was trained to guess the tags of songs. It describes a track by 200 numbers.
#   There are two versions, named after the data that they learned from. **MTT**
#   learned from MagnaTagATune, clips whose tags are mostly instruments and voices.
#   **MSD** learned from the Million Song Dataset. Tags there *name most of our ten
#   genres*, so MSD has learned genres, though from other people's labels. It may
#   even have heard these very songs. On this page, MSD always means the network.
# - **MSD's tags, no genre named**: how likely MSD finds tags such as "mellow" or
#   "guitar". Tags that name a genre or a style are left out.
# - **68 features + MSD**: both together, scaled to the same variance.
#
# Log-mel statistics and the ConvVAE are stored for gtzan-mini only, so other data have
# fewer rows.

# %%
tracks, note = comparison.tracks_to_compare(dataset)
spaces = comparison.sound_spaces(tracks)
k = len(tracks.genre_names)
labels = comparison.cluster_spaces_by_scaling(spaces, k, seeds)
scores = comparison.score_spaces(labels, tracks)
first = labels["68 features", "z-scored"][0]
chance = metrics.chance(tracks.genre_codes, first)["nmi"]

# %% tags=["remove-input", "answer"]
Markdown(f"{comparison.raw_sound_answer(scores, tracks)} {note}")

# %% tags=["picture"] mystnb={"figure": {"caption": "Agreement of ten groups with genre (NMI) for each description of the same tracks. Compare the rows of musicnn with the row of the 68 features. Each mark is one way to cluster the same description; lines are 95 % intervals over tracks and seeds.", "name": "fig-pretrained"}, "image": {"alt": "Dots with intervals: a row for each description of the sound, a colour and mark for each way to cluster it; a dashed line at chance."}}
comparison.space_figure(scores, chance)

# %% [markdown]
# The marks of a row are ways to cluster the same numbers:
#
# - K-Means on the numbers as they are;
# - K-Means on *z-scores*: each column is scaled to mean 0 and variance 1;
# - K-Means on *rows of length 1*: each row is divided by its length, so that only
#   its direction counts;
# - K-Means on the code of a Beta-VAE. It is trained on MSD's numbers, so only the
#   row of MSD has this mark.
#
# The marks of one row can lie far apart. So scaling can matter as much as the
# description itself. Without labels nobody knows which way is best, therefore
# we show all. The table has the NMI of each, with its 95 % interval in brackets:

# %%
comparison.space_table(scores)

# %% [markdown]
# These are the most important differences. Each is measured on the same tracks,
# with its 95 % interval. The 68 features are z-scored, and the numbers and tags of
# musicnn are rows of length 1. The description *68 features + MSD* is not scaled again:

# %%
comparison.space_answers(labels, tracks)

# %% [markdown]
# ## What musicnn hears
# This table shows the three tags that MSD finds most likely in each genre of
# gtzan-mini, with their probabilities:

# %%
strongest = comparison.strongest_tags()
strongest

# %% tags=["remove-input"]
Markdown(comparison.tags_sentence(strongest))

# %% [markdown]
# ## Our own network on raw sound
# A *convolution* slides a short filter along the sound. Our network has five
# layers of convolutions, which turn three seconds of sound into sixteen frames.
# The mean and the standard deviation of these frames give the code of a
# variational autoencoder, VAE ([Method](../book/method.md)). The decoder must
# rebuild a *target* from this code. What the network learns depends on the
# target:
#
# - the **waveform** itself;
# - its **spectra**: how loud each frequency is, without the exact timing of the
#   wave;
# - its **log-mel picture**: the same in 64 bands, spaced as the ear hears them.
#
# A segment of gtzan-mini lasts three seconds. We trained these networks on the first
# one and a half seconds of each segment. The rest of a segment is new sound for them.
# (Mean and standard deviation need no fixed number of frames, so a network can read
# pieces of any length.)

# %% tags=["remove-input"]
Markdown(published.training_sentence())

# %% [markdown]
# *Missed* is the share of the target's variance that the decoder does not rebuild. A
# network that always answers with the mean misses all of it, 100 %.

# %%
runs = published.WaveformRuns()
runs.network_table()

# %% tags=["remove-input"]
Markdown(published.waveform_sentence(runs))

# %%
published.waveform_answers(runs)

# %% tags=["remove-input"]
Markdown(comparison.averages_sentence(scores, runs))

# %% [markdown]
# ## The same, live, on synthetic clips
# The clips in this section are **synthetic**, so we may publish them and you can
# hear them. A small program composes ten clips in each of ten styles. We cut two
# pieces of three seconds from each clip. Then two networks of the same design
# learn from the pieces. The target of one is the log-mel picture; the other has the waveform
# as its target, and this second network is trained for fewer epochs. So the table below does not
# compare the targets at equal training. This is the loss of the two networks:

# %% tags=["remove-input"]
Markdown(f"```python\n{inspect.getsource(models.sound_loss)}```")

# %%
styles = sorted(synth.STYLES)
crops = []
for style in styles:
    for seed in range(10):
        clip = synth.clip(style, seed, seconds=6.0)
        crops.append(networks.cut_crops(clip, (0, 3)))
x = networks.one_loudness(np.concatenate(crops))
style_of = np.repeat(styles, len(x) // len(styles))
rate = models.SOUND_RATE
print(f"{len(x)} pieces of {x.shape[1] / rate:.2f} seconds each")
print(f"({x.shape[1]} sound samples, {rate} in a second)")

# %%
recipe = networks.RECIPE.but(epochs=15, batch_size=16)
jobs = {"mel": recipe, "waveform": recipe.but(epochs=8)}
fits = store.remember_many(
    [(networks.fit_network, x, target, r, 0) for target, r in jobs.items()]
)
nets = {
    target: networks.load_network(fit, x.shape[1], target, jobs[target])
    for target, fit in zip(jobs, fits)
}
codes = {t: networks.encode_crops(net, x)[0] for t, net in nets.items()}

# %%
live_spaces = {
    "log-mel statistics": inputs.zscore(networks.log_mel_statistics(x)),
    "network to the waveform": codes["waveform"],
    "network to log-mel": codes["mel"],
}
rows = {}
for name, Z in live_spaces.items():
    groups = [clustering.cluster(Z, "kmeans", 10, s) for s in range(seeds)]
    nmi = [metrics.external(style_of, g)["nmi"] for g in groups]
    rows[name] = {"NMI with style": np.mean(nmi).round(3)}
for name, target in (("the waveform", "waveform"), ("log-mel", "mel")):
    missed = networks.unexplained_share(nets[target], x)
    rows[f"network to {name}"]["missed"] = f"{missed:.0%}"
pd.DataFrame(rows).T.fillna("")

# %% [markdown]
# ## Hear what comes back
# You can hear the same three seconds in four versions:
#
# - *the clip* is what the networks get;
# - *picture alone* is made from the clip's log-mel picture, without a network. The
#   picture does not hold the timing of the waves, so the timing is guessed
#   ([Griffin and Lim 1984](../book/references.md)). No network that rebuilds only
#   this picture can sound better;
# - *to log-mel* and *to the waveform* are what the two networks rebuild from a code
#   of 32 numbers.

# %% tags=["remove-input"]
names = ("classical", "disco", "metal")
heard = listening.four_versions(x, style_of, names, nets, codes)
listening.sound_gallery(heard)

# %% mystnb={"figure": {"caption": "The log-mel picture of the synthetic disco clip (left), and of the sound that the log-mel network rebuilds from it (right). The beats of the clip are gone in the network's version. There are 64 bands from low to high; bright is loud.", "name": "fig-waves-pictures"}, "image": {"alt": "Two spectrogram-like pictures: the original with separate beats, beside it the network's, smoother in time."}}
listening.picture_figure(
    {name: heard["disco"][name] for name in ("the clip", "to log-mel")}
)

# %% [markdown]
# The log-mel network cannot rebuild the rhythm. Its code holds only a mean and a
# standard deviation over time, which do not say *when* something sounds. The
# waveform network would have to place every single wave exactly. If a wave comes
# half a period late, the error is as large as it can be. So the network does best
# with an answer near silence. (You do not hear that it is nearly silent, because the
# players above play all clips equally loud.)
#
# ## With your own music
# `python -m musicbook map FOLDER` groups the music in your folder by MSD's
# numbers. The page [Your own music](10_collection.ipynb) shows the result.
#
# ## Exercise
# How much do the training data of a network matter? musicnn's two versions have the
# same architecture and were trained on different data. Compare them on rows of length 1.
# How large is the difference in NMI, and does its interval exclude zero?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
one = labels[comparison.MSD, "length 1"]
other = labels[comparison.MTT, "length 1"]
gain, low, high = metrics.paired_bootstrap(
    tracks.genre_codes, one, other, "nmi", tracks.groups
)
print(f"{gain:+.3f}, 95 % interval {low:+.3f} to {high:+.3f}")
assert low <= gain <= high

# %% [markdown]
# If the interval lies above zero, MSD is better than MTT. The architecture is
# the same, so the training data make this difference.
#
# ## Summary
# - A network on raw sound learns what its target rewards. The waveform rewards
#   exact timing, which 32 numbers cannot hold.
# - Always compare a network with plain averages of the spectrum. They cost
#   nothing.
# - A network hears what its training taught it. Compare MTT with MSD before you
#   praise an architecture.
# - If the description is good already, a VAE on top of it can lose
#   information.
#
# Code: `helpers.models.ConvVAE`, `musicbook.chapters.raw_sound`,
# `musicbook.corpus.pretrained` ([API](../book/api.md)). Next:
# [how to cluster music well](09_cluster_well.ipynb).
