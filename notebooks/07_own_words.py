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
# # Songs with their own words, in several languages
#
# *Do lyrics help to group songs, and does their language get in the way?*

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
# **You will learn** what a sentence encoder sees first in lyrics of several
# languages, how to take the language out, and how to tell whether words help.
#
# **Before you start:** read [Hybrid features](02_hybrid_features.ipynb).
#
# The paper wants to cluster "mixes of languages in music tracks". But its
# tracks have no lyrics, so they borrow those of other songs. On this page every
# song has its own lyrics. A *sentence encoder* is a network that turns a text
# into a vector. We compare three of them:
#
# - **MiniLM**, the paper's encoder, was trained on English.
# - **USE** reads sixteen languages
#   ([Yang et al. 2020](../book/references.md)).
# - **E5** reads about a hundred
#   ([Wang et al. 2024](../book/references.md)).
#
# To use your own music, set `dataset` to a folder with audio and a table
# `lyrics.csv` ([how](../book/reproduce.md)).

# %%
from IPython.display import Markdown

from helpers import metrics, plots, protocols
from musicbook.chapters.own_words import (
    clusters,
    figures,
    fusions,
    grids,
    language,
    probes,
    retrieval,
    sentences,
    songs,
    values,
    verses,
)
from musicbook.corpus.embedding import without_language

plots.use_style()

# %% tags=["parameters"]
dataset = "paired"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% tags=["remove-input", "answer"]
Markdown(sentences.book_answer(values.own_words_values()))

# %% [markdown]
# ## Sixty verses, two maps
# We wrote sixty short verses for this page. They have ten subjects, such as
# the sea or a train journey, in six languages. No verse is a translation of
# another. Each encoder turns the verses into vectors. Then the algorithm
# K-Means makes six groups (are they the six languages?) and ten groups (are
# they the ten subjects?). *NMI*, normalised mutual information, measures how
# well groups agree with the languages or the subjects.

# %%
table = verses.verse_table()
six = table[table.language != verses.APART]
read_by = {
    "MiniLM": verses.verse_vectors(six, "minilm"),
    "USE": verses.verse_vectors(six, "use"),
}
grouped = verses.agreement_table(six, read_by, seeds)
maps = {title: plots.project(rows) for title, rows in read_by.items()}

# %% tags=["picture"] mystnb={"figure": {"caption": "Sixty verses as two encoders see them, on flat maps. Colour is the subject, shape is the language. MiniLM puts verses of one language together; USE puts verses on one subject together. The numbers are the NMI of K-Means groups with language and subject.", "name": "fig-verses"}, "image": {"alt": "Two maps of sixty verses: on the left clumps of one shape, the languages; on the right clumps of one colour, the subjects."}}
figures.verse_maps(six, maps, grouped)

# %% tags=["remove-input"]
Markdown(sentences.verses_sentence(grouped))

# %% [markdown]
# Here are the verses on rain in two languages, with a plain translation back
# into English:

# %%
six[six.subject == "rain"].set_index("language").loc[
    ["en", "ru"], ["text", "back_translation"]
]

# %% tags=["remove-input"]
Markdown(sentences.check_sentence(verses.check_table()))

# %% [markdown]
# ### A language that the encoder does not know
# What happens with a language that an encoder has never read? USE was not
# trained on Bangla; E5 was. E5's vectors hold the language as well as the
# subject, so we subtract the mean vector of each language first. Then each
# verse in Bangla gets the subject of the verses that are nearest to it in the
# other languages.

# %%
e5 = verses.verse_vectors(table, "e5")
centred = without_language(e5, table.language.to_numpy())
guesses = {
    "USE": verses.subject_guesses(table, verses.verse_vectors(table, "use")),
    "E5, language removed": verses.subject_guesses(table, centred),
}
right = table.subject[table.language == verses.APART].to_numpy()

# %% tags=["remove-input"]
Markdown(sentences.apart_sentence(guesses, right, verses.APART))

# %% [markdown]
# An encoder does not warn you if it cannot read a text. It gives a vector
# anyway, and that vector means nothing. So check which languages an encoder
# knows before you use it.
#
# ## How to remove the language from the vectors
# A common recipe is to remove the first principal component of the vectors: the
# one direction in which they differ most. With two languages this can be enough: a
# line joins their two mean vectors, and a line is one direction. This
# works only if the first component points along that line. And the means of six languages differ in five
# directions. Removing one direction leaves four.
# Subtracting each language's mean works for any number of languages. For this
# you must know the language of each text.
#
# The table shows how much of the language is left after each way of removing it.
# Each removal takes away some of the variance. The
# column *variance that lies between languages* is a share of what remains, so it can rise:

# %%
tracks, note = songs.songs_with_words(dataset)
stored = grids.stored_grid("language")
if stored is None or tracks.name != "paired":
    stored = grids.verse_rows("minilm", seeds)
sentences.language_shown(stored)

# %% tags=["remove-input"]
Markdown(sentences.language_sentence(stored))

# %% [markdown]
# ## What the words know
# Now we turn to songs. If words help to group music, they should help most
# when each song has its own. We ask two different questions. First, what do the
# words **know** about the genre? A *probe* answers this: a simple classifier
# that learns from the songs of some artists and is tested on other artists.
# *Balanced accuracy* is its share of right answers, where every class counts
# the same. Second, do **groups** that are formed without labels *use* this
# knowledge? As a control, we also give each song the words of another song in
# the same language.
#
# The sound is described by our usual features, or by the numbers of *musicnn*, a
# network that others trained. [Raw sound](08_raw_sound.ipynb) explains its two
# versions, MTT and MSD.

# %% tags=["remove-input"]
Markdown(f"{note} {sentences.labels_sentence(songs.targets(tracks))}")

# %%
read = songs.readings(tracks)
probed = {
    title: probes.probe_scores(part, seeds) for title, part in read.items()
}

# %% mystnb={"figure": {"caption": "What a linear probe reads from sound, words and both, for artists that it has not seen. Compare the green bar (both) with the blue bar (sound alone): where it is longer, the words add something. The bars are balanced accuracy, where 1 is perfect; a dotted line across the bars of a label is guessing. Grey is sound with the words of another song. Thin lines are 95 % intervals over artists and seeds.", "name": "fig-words-probes"}, "image": {"alt": "Horizontal bars of what probes read of each label from sound, words, both, and shuffled words, by encoder."}}
figures.probe_bars(probed)

# %% tags=["remove-input"]
Markdown(" ".join(sentences.probe_sentence(*one) for one in probed.items()))

# %% [markdown]
# ## Do groups use the words?
# Here the input has columns for the sound and columns for the words. First, this
# page scales all columns of the sound together, and all columns of the words
# together, so that both have the same variance. Then each side is multiplied by
# its weight. The words weigh from 0 (sound alone) to 1 (words alone), and the sound has
# the rest.
# K-Means makes as many groups as the label has classes.

# %%
weights = {
    title: clusters.by_weight(part, seeds) for title, part in read.items()
}

# %% mystnb={"figure": {"caption": "Agreement of K-Means groups with each label, while the weight of the words grows. If own words helped, the full line of a genre label would first rise from left to right. Full lines are own words, with 95 % intervals. Dashed lines are mixtures with other songs' words; these words were not clustered alone, so the dashed lines stop before weight 1.", "name": "fig-words-weights"}, "image": {"alt": "Lines of agreement with language, genre and tag against the weight of the words, one panel an encoder."}}
figures.weight_panels(weights)

# %% tags=["remove-input"]
Markdown(" ".join(sentences.weight_sentence(*one) for one in weights.items()))

# %% [markdown]
# ## The grid, and the one comparison that counts
# Such a result depends on choices: the encoder, how many components of the
# words are kept, how the sound is described, the weight, and the label. So we
# computed a *grid*, with one row for each combination of choices. Every row is
# checked by the *scale guard*: we plant a signal into the words, and it must
# still be found after scaling. If even the planted signal is lost, "words have
# no effect" proves nothing.

# %%
title = list(read)[-1]
grid = grids.stored_grid("grid")
if grid is None or tracks.name != "paired":
    grid = clusters.compare_ways(read[title], fusions.QUICK, seeds)

# %% tags=["remove-input"]
named = values.own_words_values() if tracks.name == "paired" else {}
Markdown(sentences.grid_sentence(grid, sentences.silent_sentence(named)))

# %% tags=["remove-input"]
Markdown(sentences.part_sentence(grid))

# %% tags=["remove-input"]
sentences.main_table(grid, sentences.headline(grid.target))

# %% [markdown]
# The paper scales every column to the same variance. This way is not in the
# table, because it fails the scale guard. The weakest components of the words
# become as large as the strongest, and the planted signal is lost. If groups
# ignore the words in such an input, we cannot conclude that words do not
# matter.
#
# ## Better ways to mix?
# So far, sound and words stand side by side. This is *concatenation*. There are other ways
# to mix them:
#
# - *PCA of each block* reduces the sound to a few components, and the words to as
#   many. Then both stand side by side, with equal weight.
# - *Language removed*, after the name of a way, means that each language's mean is
#   subtracted from the words first.
# - *CCA*, canonical correlation analysis, looks for directions of the sound
#   that go together with directions of the words
#   ([Hotelling 1936](../book/references.md)).
# - *Deep CCA* does the same with two networks.
# - *Late fusion* makes groups by sound, and other groups by words. Then it looks
#   for groups that agree with both.
# - The *joint VAE* is a variational autoencoder whose encoder reads both.
# - In the *product of experts*, sound and words have an encoder each, and the
#   two results are multiplied.
# - In the *mixture of experts* ([Sutter et al. 2021](../book/references.md)), sound
#   and words have an encoder each, too. It is trained to rebuild a song from sound
#   alone, from words alone, and from both.
#
# Here we train the joint VAE once, and cluster its code. This is how well its
# groups agree with each label:

# %%
pair = songs.pair_of(read[title])
space = fusions.space(pair, "joint VAE", songs.OWN, seed=0)
codes = songs.targets(read[title])
found = clusters.clusters_of(space, codes, seed=0)
for target, labels in found.items():
    truth = codes[target][codes[target] >= 0]
    score = metrics.external(truth, labels)["nmi"]
    print(f"{sentences.target_words(target)}: NMI {score:.3f}")

# %% [markdown]
# The next figure compares all ways:

# %%
late = grids.late_and_quick()
if late is None or tracks.name != "paired":
    late = grid

# %% mystnb={"figure": {"caption": "How much a song's own words add to the agreement with the label that is named below the figure, for each way of mixing. A way helps if its circle and the whole line through it lie right of zero. Circles compare with sound alone, diamonds with other songs' words. Lines are 95 % intervals over artists; a line that crosses zero shows no difference. Ways that fail the scale guard are left out.", "name": "fig-words-gains"}, "image": {"alt": "Points with intervals of the gain in agreement for each way of mixing sound and words."}}
figures.gains(late)

# %% tags=["remove-input"]
Markdown(sentences.ways_sentence(late))

# %% [markdown]
# ## Can a song's sound find its words?
# This test needs no label. A method learns from the songs of some artists how
# sound and words go together. Then it hears a song of another artist, and must
# find the words of that song among the words of all songs.

# %%
searched = grids.stored_grid("retrieval")
if searched is None or tracks.name != "paired":
    searched = retrieval.retrieval(read[title], seeds, methods=["CCA"])
sentences.retrieval_shown(searched)

# %% tags=["remove-input"]
Markdown(sentences.retrieval_sentence(searched))

# %% tags=["remove-input"]
Markdown(
    f"**The two questions again.** {sentences.own_words_verdict(late, probed[title], title)}"
)

# %% [markdown]
# ## Exercise
# You have lyrics in four languages. To remove the language, you remove the
# first principal component. How many directions can still separate the
# languages? Check it on the verses in English, German, Spanish and Russian.
# Remove one direction, then three directions, then each language's mean. How
# much of the difference between languages is left each time?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
four = six[six.language.isin(["en", "de", "es", "ru"])]
spoken = four.language.to_numpy()
kinds = language.removals(verses.verse_vectors(four, "minilm"), spoken)
left = {name: language.explained(rows, spoken) for name, rows in kinds.items()}
for name, share in left.items():
    print(f"{share:.3f} of the variance is between languages; removed: {name}")
assert left["each language's mean"] < 1e-9 < left["the first direction"]
assert left["the first 3 directions"] < left["the first direction"]

# %% [markdown]
# The four language means span three directions. Removing one leaves two, which
# still separate the languages. Removing three principal components is not
# enough either, because these are not exactly the directions of the language.
# Subtracting the means removes exactly those.
#
# ## Summary
# - MiniLM, which knows English, groups our verses by language. USE, which was
#   trained on sixteen languages, groups them by subject.
# - Knowing many languages is not enough. E5 knows about a hundred, and it
#   groups the songs by language until the language is removed.
# - An encoder that does not know the language of a text still gives a vector,
#   but this vector means nothing.
# - To remove the language, subtract each language's mean. With two languages,
#   removing the first direction can be enough; with six it is not.
# - "The words know the genre" and "groups use the words" are two different
#   claims. Test each of them.
# - Swap the words among songs of one language. If a gain stays, the songs' own
#   words did not cause it.
# - Before you report that there is no effect, plant one and check that you can
#   find it.
#
# Code: `musicbook.chapters.own_words` ([API](../book/api.md)); data:
# `data/results/paired`. Next: [raw sound](08_raw_sound.ipynb).
