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
# # Does your own pipeline leak?

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
# **You will learn** by which marks a label that has got into the input is known, and how to look for it in a table of your own.
#
# A *leak* is a way by which the label gets into the data that are then scored against the label. It is found in student projects and in papers, and it is
# easy to make: a column too many, texts written for each genre, segments of one song in training and in test. The score goes up, and nothing
# is learned. `helpers.audit` looks for such ways in any table of numbers. It cannot read minds, so each check asks for something that honest,
# measured columns do not do.
#
# - **Strength.** A *probe* is a small classifier that is tested on rows it was not shown. *Balanced accuracy* is the share of rows that it names
#   rightly, averaged over classes. Its *effect* is that accuracy on a scale from 0 (chance) to 1: as if that share of the rows carried the label and
#   the others were guessed. There is a linear probe, one for curved borders, and one that sees only how far out a row lies. Chance comes from labels
#   that were dealt out anew, whole groups together.
# - **Life within a class.** Strength alone proves nothing: good measurements are strong as well. But take the songs of one genre only. Measured columns
#   still vary there, and vary *together*: a louder song is also a brighter one. A copy of the label, with noise or without, has nothing left to
#   share. Only strong columns without such life are called a copy.
# - **Rows.** Rows that are copies of each other, or like the row below, or alike within a group, are no independent observations.

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import clustering, datasets, metrics, plots
from helpers.audit import examine, specimens

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## A table without a leak
# The songs of this page are made up with a fixed seed, so that we know what is in them: 10 genres, 40 songs each, 24 columns of "sound" with a few hidden causes
# (`helpers.audit.specimens`). Without a leak the audit says:

# %%
rng = np.random.default_rng(0)
names = np.array([f"genre {letter}" for letter in "ABCDEFGHIJ"])
codes = rng.permutation(np.repeat(np.arange(10), 40))
genres = names[codes]
sound, _ = specimens.sound(rng, codes)
honest = examine(sound, genres)
print(honest)

# %% [markdown]
# ## Example 1: the genre as ten columns
# Somebody turns all columns of a table into numbers and forgets that the genre is one of them. As *one-hot* it becomes ten columns of zeros and
# ones, side by side with the sound.

# %%
tags = specimens.named("tag", np.eye(10)[codes])
with_tags = examine(pd.concat([sound, tags], axis=1), genres)
print(with_tags)

# %%
def without(report):
    """What the table scores with and without what was found."""
    return report.table("without").set_index("input").round(3)


without(with_tags)

# %% [markdown]
# The first row is what the project would report, the second what is left. *What was found alone* needs no music at all. In the last rows, controls:
# each column dealt out anew among the songs of a genre keeps what it says of the genre and loses all else; dealt out among all songs, it keeps neither.
#
# **To mend it:** drop the columns. A single wrong row, or a little noise, hides such columns from a search for exact copies; it does not hide
# them from a probe.

# %% mystnb={"figure": {"caption": "What each block says of the genre, with the one-hot genre among the columns: effect from chance (0) to all of it (1); orange was found.", "name": "fig-audit-tags"}, "image": {"alt": "Horizontal bars: the tag columns reach 1, the block of sound less."}}
with_tags.figure()

# %% [markdown]
# ## Example 2: sentences for songs that have no lyrics
# A collection has no lyrics, so somebody writes three sentences for each genre, gives them to its songs in turn, turns them into vectors and
# adds a little noise "for variety". No column is a copy of anything now, and no two rows are equal.

# %%
words = specimens.named("text", specimens.sentences_of(rng, codes))
with_words = examine(pd.concat([sound, words], axis=1), genres)
print(with_words)

# %%
without(with_words)

# %% [markdown]
# **To mend it:** use each song's own words, or none. As a control, deal the texts out anew among the songs: a score that depends on words must fall.
#
# The same sentences make a density-based clustering look perfect, the more so where its *noise*, the rows that it leaves out, is not counted. Count
# it three ways, always.

# %%
eps = clustering.dbscan_eps(words.to_numpy(), "knee")
labels = clustering.cluster(words.to_numpy(), "dbscan", eps=eps)
score = metrics.scores(labels, words.to_numpy(), genres=genres)
ways = {said: score[f"nmi{end}"] for end, said in metrics.NOISE.items()}
sizes = {"clusters": score["k"], "noise share": score["noise_share"]}
pd.Series(sizes | ways).round(3)

# %% [markdown]
# ## Example 3: segments of one song on both sides
# Eighty songs are cut into five segments each; the table forgets which song a segment is of. The columns are honest, the rows are not: whoever splits
# by rows trains on a song and tests on the same song.

# %%
song = np.repeat(np.arange(80), 5)
whole, _ = specimens.sound(rng, np.arange(80) % 10)
part = np.sqrt(0.9) * whole.iloc[song] + rng.normal(0, 1, (400, 24))
part = part.reset_index(drop=True)
unnamed = examine(part, names[song % 10])
print(unnamed)

# %% [markdown]
# The audit sees it because segments stand below each other. With the song named as the *group*, it says what the mistake is worth:

# %%
grouped = examine(part, names[song % 10], groups=song)
print(grouped)

# %% [markdown]
# **To mend it:** name what belongs together (track, artist, album) and keep it on one side, for intervals as well. Or average: one row a song.

# %%
averaged = part.groupby(song).mean()
print(examine(averaged, names[np.arange(80) % 10]))

# %% [markdown]
# ## These tracks
# The same audit of the sound of the `dataset` of this build, without and with its groups. What it finds in real collections is mostly of the third kind.

# %%
tracks = datasets.load(dataset)
own = examine(tracks.features, tracks.genres)
print(own)

# %%
if len(set(tracks.groups)) < tracks.n:
    own = examine(tracks.features, tracks.genres, groups=tracks.groups)
print(own)

# %% tags=["remove-input", "answer"]
planted = {"a one-hot genre": with_tags, "sentences by genre": with_words, "segments without their song": unnamed}
found = [what for what, report in planted.items() if report.verdict == "findings"]
changes = {what: without(planted[what])["K-Means NMI"] for what in list(planted)[:2]}
Markdown(f"Of {len(planted)} leaks planted on this page the audit finds **{len(found)}** ({', '.join(found) or 'none'}), and the same songs without a leak "
         f"it calls **{honest.verdict}**. " + " ".join(f"With {what} K-Means agrees with genre at NMI {nmi.iloc[0]:.2f}, without it at "
         f"{nmi.get('without what was found', np.nan):.2f}." for what, nmi in changes.items()))

# %% [markdown]
# ## Your table
# One row a song or segment, in a file of comma-separated values:
#
#     python -m helpers audit songs.csv --labels genre --groups artist --html audit.html
#
# The exit code is 0 for clean, 4 where something was found, 5 where it cannot be told, so that a pipeline can stop by itself; `--json` prints all
# numbers. Columns whose names differ in a number (`emb_0`, `emb_1`) are looked at together; `--measured mfcc` says of a block that it was
# measured and needs no judging, `--leave-out title` of a column that no model sees. In Python it is `examine(table, labels, groups=...)`.
#
# **What it cannot see.** A strong block that is alone in a table has nothing to be compared with: the audit says so. Of two blocks that have nothing in
# common it accuses the stronger, and only you know which was measured. A weak leak, one that reaches few rows, looks like an honest weak
# feature; [page 5](05_leakage.ipynb) shows from which dose on it is called one. Large tables are judged on a part, and the report says how large.
#
# ## Exercises
# 1. Plant one song a genre with a wrong tag, or noise on the tags. From how many wrong tags on does the audit fall silent? Is K-Means fooled for longer?
# 2. Give `examine` the table of example 2 with `measured=["sound"]`, then with `measured=["text"]`. What does it accuse, and why?
# 3. Normalise each genre's sound by its own mean. What does the audit say, and what does K-Means?
# 4. Audit a table of your own course or paper. Before you look: write down which columns could know the label.
#
# ## Summary
# - Ask of each column who made it, and whether they knew the label. The audit asks what the table can answer: is it strong, and is it alive?
# - Scores need three companions: the same without the suspect, the suspect alone, and the suspect dealt out anew.
# - Rows that belong together stay together, in splits, in intervals and in chance.
#
# Where it is done: `helpers.leaks` (how much a block says), `helpers.audit` (the rest) ([API](../book/api.md)). Before: [what leaked in the
# paper's experiment](05_leakage.ipynb).
