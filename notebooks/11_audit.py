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
# # Audit: does my data leak?
#
# *Is the label hidden in my table, and do several of its rows come from one song?*

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
# **You will learn** how a label gets into a table without anybody noticing,
# and how to look for it in your own table. You will also see how often it
# happened in 53 projects with one assignment.
#
# **Before you start:** you need nothing. The page on
# [what leaked in the paper](05_leakage.ipynb) explains why a leak raises a score.
#
# Two lines in a terminal check your table. More is in the section
# <a href="#your-table">Your table</a>.
#
# ```bash
# pip install "git+https://github.com/vae-music-clustering/vae-music-clustering#subdirectory=src/leakaudit"
# leakaudit songs.csv --labels genre
# ```
#
# A *label* is what you want a method to find, such as the genre. A *leak* is a way
# in which the label gets into the input, so that the method need not find it. A leak
# is easy to make: a column too many, texts that were written for each genre, segments
# of one song in training and in test. The score goes up, and nothing is learned.
# `leakaudit` looks for leaks in any table of numbers.

# %%
from IPython.display import Markdown

from helpers import plots
from leakaudit import examine
from musicbook.chapters.audit import bench_tables, planted, specimens
from musicbook.chapters.fifty_projects import findings, game, rebuilt, survey
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %%
projects = survey.projects()
song_rows = specimens.one_hot(0)
with_labels = examine(song_rows.table, song_rows.labels)

# %% tags=["remove-input", "answer"]
Markdown(survey.survey_sentence(projects))

# %% tags=["picture"] mystnb={"figure": {"caption": "53 public projects that solve the paper's assignment. Above, in orange: how the label got into the input or the model, or that runs were chosen by it. A project can be in several bars. In blue: habits that make a score hard to trust. Below: whether the VAE or the baseline (PCA or the features themselves) agrees better with the labels, in projects that compared them. Green is a win of the VAE; most of these wins lie in the bar of projects that had the label in the input.", "name": "fig-fifty"}, "image": {"alt": "Above: bars of how many of 53 projects gave the label to the model, wrote texts for it, added label columns, or chose runs by their score, and how many report one seed, no interval and no chance level. Below: stacked bars; most of the projects in which the VAE wins had the label in the input."}}
survey.survey_figure(projects)

# %% [markdown]
# ## A first audit
# The songs of this section are made up, so that we know what is in them. There are
# 10 genres with 40 songs each. Each song has 24 columns of made-up "sound". Now
# somebody turns every column of the table into numbers, and forgets that one of the
# columns is the genre. So the genre becomes *one-hot*: for each genre there is a new
# column, which is 1 for songs of this genre and 0 for all others. This is what the
# audit says:

# %%
print(with_labels)

# %% [markdown]
# The report names the guilty columns, and gives a line of code that removes them.
# *Effect* says how strong a finding is, from 0 to 1. If the finding is about columns,
# 0 means that they predict the label no better than chance, and 1 that they predict
# it for all rows. If it is about rows, 0 means that rows are no more alike than
# independent rows are.
#
# The next table shows what these columns do to a score. *NMI* says how well the
# clusters of K-Means agree with the genres, from 0 to 1. *Probe* is the share
# of songs whose genre the best of three classifiers finds, where every genre counts alike.
# *Chance* is what the best of the three reaches with permuted genres, so it lies a little
# above one tenth. The last two rows are
# controls. *Columns permuted within each class*: each column is shuffled among the
# songs of one genre. Its values stay in their genre, so its link to the genre stays.
# But the values in one row now come from different songs, so its link to the other
# columns is lost. *Columns permuted*: each column is shuffled among all songs, and
# both links are lost.

# %%
with_labels.table("without").set_index("input").round(2)

# %% [markdown]
# ## What the audit looks for
# A column that predicts the label well need not be a leak, because a good measurement
# does so, too. Each check asks for something that measured columns do not do.
#
# - **A copy of the label.** Within one genre, measured columns vary together: a
#   louder song is also brighter. A copy of the label does not vary there.
# - **A label in a direction.** If a column of the label goes into a PCA, no single new
#   column shows the label, but a weighted sum of all of them does. To predict the label from a real measurement, a
#   few columns are enough. If the label was mixed into all columns, all are
#   needed to get it back.
# - **Templates.** If one text is written for a class, all its songs get nearly the
#   same vector. So the rows of a class lie in a few tight bunches.
# - **Transforms by class.** After scaling by class, all classes have the same mean.
#   By chance they would not.
# - **Families.** If several rows come from one song, the nearest neighbours of such a
#   row are much nearer than all other rows. This check needs no names and no labels.
#
# Some columns predict the label well and show none of these signs. Then the
# audit says *cannot tell* and asks you. It never calls a table free of leaks.
#
# Here is a table without a label in it. Its rows are ten segments of each song,
# shuffled, and no column names the song:

# %%
segments = planted.segments(0)
print(examine(segments.table, segments.labels))

# %% [markdown]
# The audit finds that rows come in families, although no column says so. If a column
# names the song, even as a part of a file name, the audit uses that name.
#
# ## How good is it?
# We planted sixteen leaks, each in a table of its own. Such a table has 1,000 rows
# in 8 classes. Beside the leak it has 12 measured columns. Six more tables are honest. We
# gave the same tables to other public tools.

# %% tags=["remove-input"]
Markdown(bench_tables.matrix_sentence())

# %%
bench_tables.tools_table()

# %% [markdown]
# *Leaks found* counts the leaks for which a tool accuses exactly the planted columns
# (or rows). *In part, or with others* counts the leaks for which it accuses only some of them,
# or also honest columns, or honest columns only. *Asks* is the verdict "cannot tell". The last column comes from an earlier
# comparison, with fewer tools and an earlier version of `leakaudit`. That comparison used
# other tables: one for each of the sixteen kinds of leak, and a second one for *one-hot*. The
# column counts the leaks that a tool accused, whether or not it named exactly the planted columns.
#
# The next table has the answer of every tool to every table:

# %% tags=["remove-input"]
Markdown(bench_tables.matrix_legend())

# %%
bench_tables.matrix()

# %% [markdown]
# One table of each kind may be luck. So we made each kind many times, with other
# random numbers. We also added *other kinds*, which are made in another way; some have the
# name of a first kind. Only `leakaudit` was tried on all these tables.

# %% tags=["remove-input"]
Markdown(bench_tables.draws_sentence())

# %%
bench_tables.draws_table()

# %% [markdown]
# The last column shows how often the earlier version accused a table of this kind. For
# an honest table, "cannot tell" is no mistake. Often the columns predict the label well,
# and only the owner of the table knows whether they were measured without it. Or the
# columns say nothing of the label, as in *noise*. Then the audit asks whether the features
# and the labels were joined in the same order. Or some rows have near neighbours, and only
# the owner knows whether they come from one song.
#
# The next table shows real data: tables that come with scikit-learn, and tables
# made from GTZAN, a collection of songs that many papers use. In the comparison
# above we shuffled the rows of *wine* and *digits*. Here they are in their original
# order, and the audit finds this order:

# %%
bench_tables.real_table()

# %% [markdown]
# Of a large table, the audit checks only a random part of the rows. It never cuts a
# group in two, and the report says which part was checked. This is what audits cost:

# %%
bench_tables.cost_table()

# %% [markdown]
# ## Fifty-three projects, one assignment
# The paper solves a course assignment, and many others solved it, too. We read every
# usable public repository with this assignment
# ([how, and the table](https://github.com/vae-music-clustering/vae-music-clustering/tree/main/data/survey)).
# We name nobody, because many projects made the same mistakes.
#
# Two bars of the figure at the top need an explanation:
#
# - *Labels are the data sets that were mixed*: the label only says from which of several data
#   sets a song comes. Data sets may differ in how they were recorded or made. So a method can
#   find the label by the recording alone.
# - *β hidden by averaging*: the loss has the mean of the squared error over all columns, but
#   the KL is summed or averaged in another way. So the weight of the KL that is really
#   used is not the β that is reported.
#
# For the next table, we made each mistake again on made-up songs. They are other songs
# than in the first audit, and their sound says less of the genre:

# %%
mistakes = rebuilt.rebuilt_table()
mistakes

# %% [markdown]
# The findings in this table mean:

# %% tags=["remove-input"]
Markdown(findings.legend(mistakes["the audit says"]))

# %% [markdown]
# ## Play
# Plant a leak and watch the score. If the leak reaches no song, its columns stay in the
# table, but their values are unrelated to the genre. After that, guess which of
# the six results are leaky. A high score does not prove a leak, and a low score
# does not prove honesty.

# %%
doses = game.planted_doses()
results = game.six_results()
game.game(doses, results)

# %% [markdown]
# The findings in these two tables mean:

# %% tags=["remove-input"]
answers = [*doses["the audit says"], *results["the audit says"]]
Markdown(f"{findings.legend(answers)}\n\n{game.limit_sentence(doses)}")

# %% [markdown]
# ## These tracks
# Now we audit the sound features of the `dataset` of this page. If its tracks were cut
# into pieces, as in *gtzan-mini*, each row is a piece of a track:

# %%
tracks = sources.load(dataset)
several = len(set(tracks.groups)) < tracks.n
print(
    examine(
        tracks.features,
        tracks.genres,
        groups=tracks.groups if several else None,
    )
)

# %% [markdown]
# ## Your table
# The table has one row for each song or segment. The file may be a .csv with any
# delimiter, a .parquet, .npy or .npz. Install the audit with the line `pip install` of
# the section *Overview*. Then type this command in a terminal:
#
#     leakaudit songs.csv --labels genre --groups artist --html audit.html
#
# `--labels` names the column that holds the label. It can also name a file with one label
# for each row, as you need for an .npy of numbers alone. `--groups` names a
# column that says which rows belong together, such as the artist. Leave it out if there is no
# such column. A column that names rows, such as a title, a file name or the number of a track, is
# not a feature; the notes of the report list these columns. Other columns of words are turned into
# numbers.
#
# A script can read the result from the exit code. Exit code 0 does not mean that a table is
# safe: as the section *Play* shows, the audit can overlook a leak that reaches only some songs.
#
# - 0: the audit looked for leaks and found none;
# - 4: the label is in the input;
# - 5: the audit cannot tell, and asks a question that only you can answer;
# - 6: rows belong together;
# - 7: no label leaked, but a fault makes a score untrustworthy.
#
# If the audit cannot tell, answer each line of the report that begins with *cannot tell*, and
# run the audit again:
#
# 1. It asks whether a column or a block was made without the label. If it was, name it with
#    `--measured`. If it was not, or if nobody knows, take its columns out of your input, and
#    name each of them with `--leave-out`.
# 2. It asks whether several rows come from one artist, song or session. If they do, name the
#    column that says from which with `--groups`.
# 3. It asks whether features and labels are joined in the same order. Look up some rows in
#    the source.
# 4. It says that it had no labels, or too few groups. Name the labels with `--labels`, or add
#    rows of other artists.
#
# If the rows of the second question are unrelated, or those of the third are in order, you
# have your answer. But the audit cannot know it, so the question stays in the report.
#
# A *block* is a set of columns that the audit judges together. Columns are one block if their
# names are the same up to the first digit: `mfcc_0`, `mfcc_1` and so on are the block `mfcc`.
# Columns of zeros and ones are one block if their names are the same up to the last `_`. What
# is made from one column of words is a block, too. All columns that are left are one block,
# called *other columns* (or *all columns*, if there is no other block).
#
# And some options:
#
# - `--measured mfcc` tells the audit that the block `mfcc` was measured without
#   knowing the label. It also takes the name of a column.
# - `--derived-from input.csv` audits the codes of a network together with the input
#   that they were computed from.
# - With `--ignore row-order` the report still lists *row order*, but it no longer changes
#   the exit code.
# - `leakaudit --help` lists the other options. The
#   [README of the package](https://github.com/vae-music-clustering/vae-music-clustering/tree/main/src/leakaudit)
#   has a hook for pre-commit and a step for CI.
#
# ## A checklist to print
# For authors and reviewers, on one page:
# <a class="print-alone" href="#checklist-alone">print only the checklist</a>.
#
# ::::{admonition} Before you believe a clustering score
# :class: checklist
# :name: checklist-alone
# 1. ☐ Every column: who made it, and did they know the label?
# 2. ☐ Neither the label nor a copy of it is in the input or given to the model in another way.
# 3. ☐ Texts are each song's own; no text was written or drawn for a class.
# 4. ☐ Scaling, PCA and filling of gaps never saw the classes.
# 5. ☐ Segments, versions and artists stay together in splits and intervals.
# 6. ☐ Features and labels are joined by an id, not by their order.
# 7. ☐ The score of chance, for these rows and clusters, stands beside each score.
# 8. ☐ Several seeds, and an interval over songs or artists.
# 9. ☐ The raw features and PCA went through the same clustering.
# 10. ☐ No silhouette decides between two spaces; tracks in no cluster are counted, too.
# 11. ☐ No run was chosen by the score that is reported.
# 12. ☐ The table is also scored without the suspect columns, and with permuted columns.
#
# The kinds of leakage follow {cite:t}`kapoor2023leakage`. The rule behind the first five
# lines comes from {cite:t}`kaufman2012leakage`: a model may learn only from what is known
# before the answer.
# ::::
#
# ## Exercise
# A project z-scores the sound of each genre separately, "so that loud genres do
# not dominate". Do the same to honest songs. What does K-Means find, and what does
# the audit say?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
honest = specimens.CLEAN["sound alone"](0)
by_genre = honest.table.groupby(honest.labels)
scaled = (honest.table - by_genre.transform("mean")) / by_genre.transform(
    "std"
)
before = game.k_means_nmi(honest.table, honest.labels)
after = game.k_means_nmi(scaled, honest.labels)
answer = examine(scaled, honest.labels)
print(f"NMI before scaling by genre: {before:.2f}; after it: {after:.2f}")
print(answer.headline())
assert after < before and answer.findings[0].kind == "scaled by class"

# %% [markdown]
# ## Summary
# - Ask of each column who made it, and whether they knew the label.
# - Keep rows of one song together when you split data and when you compute intervals.
# - "Nothing found" is no proof. The report says what the audit looked for. If it found
#   nothing, the report also says how small a leak it would have found.
#
# Code: `leakaudit` (a package of its own), `musicbook.chapters.audit`,
# `musicbook.chapters.fifty_projects` ([API](../book/api.md)). Before: [what
# leaked in the paper](05_leakage.ipynb).
