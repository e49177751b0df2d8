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
# # How far are 68 numbers from a pretrained network?

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
# Today one would not average spectra but take a network that others trained on very much music. *musicnn*
# ([Pons and Serra 2019](../book/references.md)) hears three seconds at a time and was taught to guess tags that people gave to songs; the 200 numbers
# before its answer are a description of sound. It comes in two versions. **MTT** learnt from 26 thousand clips of MagnaTagATune, whose
# tags are mostly instruments and voices. **MSD** learnt from the Million Song Dataset, whose tags *name most of the ten genres asked for
# here*, and it may have heard these very songs. So MSD is not unsupervised: it was told genres, by others, for other songs.
#
# Before any number: in the default data, *gtzan-mini*, **nearly every genre is one artist**, ten tracks of each. A network that recognises
# voices and studios looks like one that recognises genres. The scores show what is possible on these tracks, not how well genres separate.

# %%
import pandas as pd
from IPython.display import Markdown

from helpers import escape, plots, protocols
from helpers.corpus import pretrained
from helpers.published import comparison

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## The spaces
# All on whole tracks. *68 features* are the book's own; *log-mel statistics* and *ConvVAE* are from [the page before](10_waveforms.ipynb); *MTT* and *MSD*
# are musicnn's 200 numbers, averaged over a track. *MSD tags, no genre named* keeps only its guesses for tags like
# "mellow", "guitar" or "80s", and drops every tag that is a genre or a style. *68 + MSD* puts both side by side with equal variance.

# %%
tracks, note = comparison.tracks_of(dataset)
found = comparison.spaces(tracks)
pd.Series({name: X.shape[1] for name, X in found.items()}, name="numbers")

# %% tags=["remove-input"]
Markdown(f"{tracks.n} tracks of **{escape.markup(tracks.name)}**, {len(tracks.genre_names)} genres, {seeds} seeds. {note} The tags that name genres, and are left out: "
         + ", ".join(sorted(pretrained.GENRE_TAGS, key=str.lower)) + ".")

# %% [markdown]
# ## Four ways to cluster each
# K-Means with as many clusters as genres, on each space as it is; with each column brought to mean 0 and variance 1 (z-scored); with each
# row divided by its length (L2), so that only the direction counts, as is usual for such networks; and on the latent means of the
# controlled protocol's Beta-VAE, trained on the z-scored space. Which way suits a space cannot be known without labels, so all are shown.

# %%
k = len(tracks.genre_names)
labels = comparison.cluster(found, k, seeds)
scores = comparison.scores(labels, tracks)

# %% mystnb={"figure": {"caption": "NMI with genre of each space and way: dots are means over seeds, lines 95 % intervals over tracks and seeds.", "name": "fig-pretrained"}, "image": {"alt": "Dots with intervals for each space, one colour and mark a way."}}
comparison.figure(scores)

# %% [markdown]
# As numbers: NMI, AMI (NMI with what chance gives taken off) and ARI, mean over seeds, with 95 % intervals over tracks and seeds.

# %%
comparison.shown(scores, "nmi")

# %%
comparison.shown(scores, "ami")

# %%
comparison.shown(scores, "ari")

# %% [markdown]
# ## What the differences say
# Each on the same tracks, with its 95 % interval.

# %% tags=["remove-input"]
Markdown(comparison.read(labels, tracks))

# %% tags=["remove-input", "answer"]
Markdown(comparison.answer(scores, tracks))

# %% [markdown]
# ## What it hears
# The three tags that MSD finds strongest in each genre of gtzan-mini, on average, and how sure it is (a probability).

# %%
tags = pretrained.stored("MSD_tags")
genre = [name.split(".")[0] for name in tags.index]
mean = tags.groupby(genre).mean()
top = {g: row.nlargest(3).round(2) for g, row in mean.iterrows()}
pd.DataFrame({
    g: [f"{tag} {p:.2f}" for tag, p in row.items()]
    for g, row in top.items()
}, index=["first", "second", "third"]).T.rename_axis("Genre")

# %% tags=["remove-input"]
own = [g for g, row in top.items() if g in {tag.lower().replace("-", "") for tag in row.index}]
Markdown(f"The genre's own name is among the three for {len(own)} of {len(top)} genres" + (f": {', '.join(own)}." if own else "."))

# %% [markdown]
# ## With your own music
# `python -m helpers cluster FOLDER --embedding musicnn` clusters a folder by MSD's numbers, at length 1 and without a VAE;
# `datasets.load(folder, embedding="musicnn")` gives them as a data set. The weights (29 MB, ISC licence) are
# fetched from PyPI at first use, checked, and read by 60 lines of our own: no TensorFlow, nothing unpickled, nothing
# installed. [Performance](../book/performance.md) says what it costs.
#
# ## Summary
# - What a network was taught decides what it hears. Compare MTT with MSD before you credit an architecture.
# - Scaling can decide as much as the space: read along a row of the table before you compare two rows.
# - On top of a good description a VAE is one more place to lose something. Look at the last column before you add one.
#
# Where it is done: `helpers.corpus.pretrained`, `helpers.published.comparison` ([API](../book/api.md)). This page ends
# the sound; [all results of the paper](06_results.ipynb) are on page 6.
