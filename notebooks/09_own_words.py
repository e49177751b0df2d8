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
# # Songs with their own words: do the words help?
#
# The paper pairs GTZAN with borrowed lyrics. Here every song keeps its own.

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
# A thousand songs of the Million Song Dataset, half English and half German, each as 68 numbers of its sound and as the sentence vector of its
# *own* lyrics ([Data](../book/data.md)). If words help to group music, it must show here. Two questions are kept apart all along: what do the
# words **know**, asked of a *probe*, a straight-line classifier that is told the answers for other artists' songs; and what do groups formed
# **without any answers** (K-Means) make of it. The control is a swap: each song gets the words of another song, *of the same language*. What
# survives the swap was never in the pairing. Folds and 95 % intervals draw artists, never single songs.
#
# `dataset` may be your own folder of audio with a `lyrics.csv` ([how](../book/reproduce.md)). The page scales both kinds of numbers to the same
# variance, as `controlled` does, whatever `protocol` says. Before this page: [Hybrid features](02_hybrid_features.ipynb).

# %%
import inspect

from IPython.display import Markdown

from helpers import models, plots, protocols
from helpers.pairing import figures, fusions, grids, sentences, study

plots.use_style()

# %% tags=["parameters"]
dataset = "paired"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
tracks, note = fusions.songs(dataset)

# %% tags=["remove-input"]
asked = "; ".join(f"*{sentences.shown(name)}* ({codes.max() + 1} classes, {(codes >= 0).sum()} songs)" for name, codes in study.targets(tracks).items())
Markdown(f"{note} Scored: {asked or 'nothing, these songs have no labels'}.")

# %% [markdown]
# ## What the words know
# A probe sees songs of artists that it was not trained on. A class counts as much as another, however many songs it has (balanced accuracy); of
# numbers, such as Spotify's *danceability*, the share of their variance that is foretold (R²).

# %%
probed = study.probe_scores(tracks, seeds)

# %% mystnb={"figure": {"caption": "What a linear probe reads from sound, from words and from both, on artists it has not seen: 0 is guessing, 1 is all. Grey: both, but with the words of another song. Whiskers: 95 % intervals over artists and seeds.", "name": "fig-words-probes"}, "image": {"alt": "Horizontal bars of what probes read of each label from sound, words, both, and shuffled words."}}
figures.probe_bars(probed)

# %%
sentences.probe_table(probed)

# %% [markdown]
# ## What clusters see as the words grow louder
# Sound and words side by side, from sound alone (weight 0) to words alone (weight 1), and K-Means with as many clusters as the label has classes.
# Dashed: with other songs' words.

# %%
weights = study.by_weight(tracks, seeds)

# %% mystnb={"figure": {"caption": "Agreement of K-Means clusters with each label against the weight of the words: own words (full, with 95 % intervals over artists and seeds) and other songs' words (dashed).", "name": "fig-words-weights"}, "image": {"alt": "Lines of agreement with language, genre and tag against the weight of the words."}}
figures.by_weight(weights)

# %% tags=["remove-input"]
Markdown(sentences.by_weight(weights))

# %% [markdown]
# ## Better ways to mix?
# *CCA* looks for directions of sound and of words that go together ([Hotelling 1936](../book/references.md)); *deep CCA* does so with two networks;
# *late fusion* groups each kind first and then seeks a consensus. Two variational autoencoders learn one code for both: the *joint VAE* has one
# encoder that reads both and a decoder for each. In the *mixture of experts* (MoPoE, [Sutter et al. 2021](../book/references.md)) sound and words
# have an encoder each; their opinions are multiplied, and the network must make do with either one as well as with both. So it can be asked with
# one kind missing. Its loss, as it is trained:

# %% tags=["remove-input"]
Markdown(f"```python\n{inspect.getsource(models.multimodal_loss)}```")

# %%
some = ["concatenation", "concatenation, language removed", "CCA",
        "joint VAE", "mixture of experts"]
control = [fusions.OWN, fusions.WITHIN, fusions.OVER, fusions.SOUND]
found = study.clusters(tracks, some, control, seeds)
live = study.scores(tracks, found)

# %% tags=["remove-input"]
stored = grids.stored("fusions") if tracks.name == grids.FOLDER else None
ways = live if stored is None else stored
Markdown(f"{len(set(ways.fusion))} ways, " + (f"read from stored runs ({ways.seeds.min()} seeds, `make results DATASET=paired ONLY=own_words`); "
         f"of this build, {seeds} seeds: {sentences.clusters(live)}" if stored is not None else f"computed here, {seeds} seeds."))

# %% mystnb={"figure": {"caption": "What a song's own words add to the agreement with the first label, by each way of mixing: over sound alone without a network (circles), and over the words of another song of the same language (diamonds). 95 % intervals, paired over artists; an interval that holds zero shows no difference.", "name": "fig-words-gains"}, "image": {"alt": "Points with intervals of the gain in agreement for each way of mixing sound and words."}}
figures.gains(ways)

# %% tags=["remove-input"]
Markdown(sentences.clusters(ways))

# %% tags=["remove-input"]
main = sentences.headline(ways.target) if len(ways) else None
Markdown("") if main is None else sentences.fusion_table(ways, main)

# %% [markdown]
# ## Why: K-Means follows the loudest differences
# K-Means cuts where songs differ most. A label that lies across those differences stays hidden, however well a probe can point to it.

# %%
spread = study.variance(tracks)

# %% mystnb={"figure": {"caption": "The largest components of sound and of words: grey, their share of the variance; coloured, how much of it lies between the classes of each label.", "name": "fig-words-variance"}, "image": {"alt": "Bars of the variance of principal components of sound and words, and the part of it that each label explains."}}
figures.variance(spread)

# %% tags=["remove-input"]
Markdown(sentences.directions(spread))

# %% [markdown]
# ## Can a song's sound find its words?
# No label is needed for this: the spaces are made of some artists' songs, and every other song's sound then looks for its words among all.

# %%
searched = study.retrieval(tracks, seeds, methods=["CCA"])

# %% mystnb={"figure": {"caption": "How often a song's own words are among the ten that its sound brings up.", "name": "fig-words-retrieval"}, "image": {"alt": "Bars of the share of songs whose words are found, for unseen artists, wrong pairs, and songs that were trained on."}}
kept = grids.stored("retrieval") if tracks.name == grids.FOLDER else None
searched = searched if kept is None else kept
figures.retrieval(searched)

# %% tags=["remove-input"]
Markdown(sentences.found(searched) + " What is found among trained songs and not among others is a pairing learnt by heart.")

# %% [markdown]
# ## Genre within one language
# Where all words are of one language, they can no longer spend their variance on it.

# %% tags=["remove-input"]
Markdown(sentences.clusters(ways, within=True))

# %% tags=["remove-input"]
others = grids.stored("texts")
Markdown("" if others is None else "Other texts, the book's bank of Genius lyrics, words alone: " + "; ".join(
    f"K-Means with {row.k} clusters agrees with the {sentences.shown(row.target)} at NMI {row.mean:.3f} ± {row.sd:.3f} ({row.texts} texts, chance {row.chance:.3f})"
    for row in others.itertuples()) + ". The first thing that a mixture of languages offers is the language.")

# %% tags=["remove-input", "answer"]
Markdown(f"**Here:** {sentences.verdict(ways, probed)}")

# %% [markdown]
# ## Summary
# - That a second kind of data *holds* something about a label, and that groups formed without labels *use* it, are two claims: test them apart.
# - Swap the words among songs of one language. A gain that survives is not owed to the songs' own words.
# - Words in several languages say first of all which language they are in. "A mix of languages" is a nuisance to remove, not a finding.
# - A network that saw a song's sound and words together can know the pair by heart. Ask it about artists that it has not seen.
#
# Where it is done: `helpers.pairing`, `helpers.models` ([API](../book/api.md)). Next: [Advanced VAEs](03_advanced_vaes.ipynb).
