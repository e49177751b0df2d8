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
# # Every value
# *Which numbers of the paper do we get as well, and which of its claims hold?*

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

# %%
from IPython.display import Markdown

from helpers import phases, plots, protocols, tables
from musicbook import stored_runs
from musicbook.chapters.leakage import attribution, duplicates
from musicbook.chapters.results import claims, figures
from musicbook.chapters.results import multiverse, verdicts

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan"
protocol = "controlled"
seeds = 10

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
runs = stored_runs.of(dataset)
values = verdicts.values(runs)

# %% tags=["remove-input", "answer"]
Markdown(verdicts.read_counts(runs))

# %% tags=["picture"] mystnb={"figure": {"caption": "Every value of the paper's three tables (upright strokes), and our values under each protocol. The protocol released lies at the paper's values; the others often lie far from them. Each mark is a mean over seeds, and its line is the range in which one further run would fall. The number before a method is its phase.", "name": "fig-dots"}, "image": {"alt": "Dot plots of six scores for ten methods: the released protocol lies at the paper's values, the others far from many."}}
figures.dots(values)

# %% [markdown]
# *This is an appendix to [Results](06_results.ipynb), for looking things up. Read that page before. No network is trained here.*
#
# A *protocol* is a set of settings. *Released* follows the paper's code. *Written* follows the paper's text. *Controlled* follows the text too, but
# its input must pass the leak guard, which looks for the genre in it. A track borrows the lyrics of another song. Where there are enough songs with the
# tag of its genre, it borrows from one of these. The guard accepts the borrowed lyrics, because they say little about the genre. But *released* also uses sentences that were written for each genre. These sentences tell the genre, and in phase 3 the label itself is in the input, too.
# So the guard marks these inputs of *released* as LEAKY. The CVAE is given the genre, so its rows are not an unsupervised result.
#
# On this page, *the code* means the paper's program. The numbers into which a network turns a track are called *z*, or *the code z*.
#
# A *value* is a number in the paper's tables, and a *claim* is a statement in its text. We sort the values into these classes:
#
# - *Reproduced*: the value lies in the range in which one further run of ours would fall (95 % prediction interval). Also, our mean is near it
#   ([Method](../book/method.md) says how near).
# - *Near, though outside our spread*: the value is close to our mean, but outside that range.
# - *Within a wide spread*: the value lies in our range only because the method varies so much between runs.
# - *Not reproduced*: the value is outside our range, and our mean is not near it.
# - *Not defined*: the score cannot be computed, because our run found fewer than two clusters.
#
# At the top of the page, a value that *matches closely* is one that is reproduced. A value that *matches roughly* is *near, though outside our
# spread* or *within a wide spread*.

# %% tags=["remove-input"]
Markdown(runs.read_age() + " " + attribution.read_coverage(runs))

# %% [markdown]
# The next table counts the values in each class. Nobody can expect that all values are reproduced, because runs differ. The number in brackets is
# what we can expect: we put each of our own runs in the place of the paper, judge its values by the other runs, and count them in the same classes.
# The number is the mean of these counts. The last column counts only the values whose input and model did not have the genre. So
# *written* and *controlled* leave out the values of the CVAE, and *released* leaves out its LEAKY phases.

# %%
verdicts.verdict_counts(runs)

# %% [markdown]
# The counts at the top of the page stand in this table. Those for the author's code are in the row *released*. Those for our protocol *controlled*
# are in the last column of its row.
#
# ## Every claim of the paper
# The claims are in the order of the paper's text. The last column says what can be said for the paper.

# %%
every = claims.claims_table(runs)
every[["Paper", "Verdict", "Because", "In fairness"]]

# %% tags=["remove-input"]
Markdown(claims.read_verdicts(every))

# %% [markdown]
# ## The tables, value by value
# Each row is one score of one method under one protocol. A new run of ours on the same tracks would
# fall in the range *one further run*. This range allows for other seeds only. The interval of the mean allows for other tracks, too, so it can
# be the wider one. It is computed only for scores that compare with the genres; for the others there is a dash. A score that is not defined is a
# dash, too. This is the paper's Table 1, sound alone:

# %%
verdicts.value_table(runs, 1)

# %% [markdown]
# Table 2, sound and lyrics:

# %%
verdicts.value_table(runs, 2)

# %% [markdown]
# Table 3, advanced models:

# %%
verdicts.value_table(runs, 3)

# %% [markdown]
# A score alone can mislead. Beside it we need the number of clusters (*k*), the share of noise, and the chance level. *Noise* means the tracks that a
# method leaves without a group. They can be left out, or count as one cluster, or count as a cluster each (*singletons*). This table shows phase 2,
# under the protocol that is set at the top of the page. Its methods cluster the code of a VAE that sees sound and lyrics:

# %%
ways = ["nmi", "nmi_noise_cluster", "nmi_noise_singletons"]
shown = [*ways, "k", "noise_share", "nmi_chance"]
second = runs.run(protocol, 2)
tables.score_table(second, shown, phases.names_of(2))

# %% [markdown]
# ## A fair comparison
# The paper's methods differ in the spaces that they cluster, so some of its scores cannot be compared. These tables add what a fair comparison needs:
#
# - *Silhouette, common space* measures every clustering in the same space, the standardised sound features. It still favours methods that
#   cluster these features directly.
# - *Input + K-Means* has no network. On the same sound, its score can differ in the last digit from one phase to another. The reason: K-Means is
#   started more often in the later phases than in the first one.
# - *Active units* are the dimensions of z that carry information. Their number depends on the training and on the input, so the three kinds of
#   CVAE in this book have different numbers of active units. The CVAE of phase 3 below sees sound and lyrics. Those of
#   [Collapse in depth](A1_collapse_in_depth.ipynb) see the sound alone. The third kind is the author's own network, which some of the claims
#   above are about.
# - *Sampled z* is one random draw of z.
# - In a row such as “PCA, dims of VAE”, PCA keeps as many components as the VAE has active units.
# - UMAP, HDBSCAN and VaDE are newer methods, which the paper does not use.
# - *Accuracy* gives each cluster one genre, in the best possible way. It is the share of tracks that are then right.
#
# Phase 1, sound alone:

# %%
fair = ["dims", "silhouette", "silhouette_common", "nmi"]
fair += ["nmi_noise_cluster", "ami", "ari", "accuracy", "accuracy_chance"]
tables.score_table(runs.run(protocol, 1), fair)

# %% [markdown]
# Phase 3, advanced models:

# %%
tables.score_table(runs.run(protocol, 3), fair)

# %% [markdown]
# ## Differences with intervals
# There are two intervals for each difference. The first one is for the mean over seeds, and covers other tracks and other seeds. We call a
# difference real if this interval excludes zero. The column *result* says *higher* or *lower* for these, and *level* for the others. The second interval shows what you may see if you run each method only once.

# %%
gaps = verdicts.differences(runs)
gaps

# %% tags=["remove-input"]
Markdown(f"{verdicts.read_multiplicity(gaps)} {verdicts.read_lyrics(gaps)}")

# %% [markdown]
# ## Would another seed say the same?
# A *seed* is the number from which random steps start; two runs of a method differ only in it. If a method gives a different clustering on every run,
# no single run represents it, however well it scores.

# %% mystnb={"figure": {"caption": "How well the groups of two seeds agree with each other (dots), and how well groups agree with genre (crosses), by the adjusted Rand index; 1 means the same groups. A method whose dot lies far left gives other groups with every seed. The runs are those of the protocol set at the top.", "name": "fig-stability"}, "image": {"alt": "Two dots a method: agreement between seeds and agreement with genre."}}
stable = verdicts.stability(runs, protocol)
figures.stability_dots(stable)

# %% tags=["remove-input"]
Markdown(verdicts.read_stability(stable, protocol))

# %% [markdown]
# ## What does each part of the input give?
# A *channel* is one part of the input: the sound, the words, or the genre label. We run the same methods on the whole input, on the input without
# one channel, and on single channels. An empty cell means that this was not run.

# %% mystnb={"figure": {"caption": "Agreement with genre (NMI, mean over seeds) of methods in rows on inputs in columns. The dark fields are inputs that hold the label or sentences made for the genres. LEAKY in the name of a row means that the guard found the genre in its full input.", "name": "fig-inputs"}, "image": {"alt": "Heat map of methods against inputs: all dark fields are inputs that hold the label or sentences made for the genres."}}
by_input = verdicts.input_table(runs)
figures.input_map(by_input)

# %% tags=["remove-input"]
Markdown(verdicts.read_inputs(by_input))

# %% [markdown]
# ## All pipelines in pairs
# A *pipeline* is one complete set of choices, from the input to the clusters. Each question below concerns one choice. To answer it, we compare pairs of
# pipelines that differ in this choice only. The table shows the number of pairs and the share that answers yes. It also shows the median, smallest and largest
# difference in AMI, an agreement with genre that is corrected for chance. We chose the pipelines; they are not a random sample, so there are no
# intervals. Lyrics join the sound in two ways. As *columns*, every column of the input is scaled to the same variance. As *blocks*, the columns of
# the sound together, and those of the lyrics together, are scaled to the same variance.

# %%
pipelines = multiverse.published_pipelines(runs)
in_pairs = multiverse.pairs(pipelines)
in_pairs.round(3)

# %% tags=["remove-input"]
Markdown(multiverse.read_lyrics_pairs(in_pairs))

# %% [markdown]
# One row compares a larger beta with a smaller one, by the agreement with genre. The claim above on a larger beta is about independent factors, so it is
# another question.

# %% [markdown]
# ## GTZAN's faults
# [Sturm (2013)](../book/references.md) found repeated, distorted and mislabelled tracks in GTZAN, and artists with many tracks. Do these faults change our
# results? We looked for copies in the features: pairs of tracks whose numbers are equal or almost equal. (The [audit](11_audit.ipynb) also counts pairs that
# are less alike, so it finds more.) Then we scored the methods of phase 1 under *released* again, without the faulty tracks.

# %% tags=["remove-input"]
faults = duplicates.scores_without_faults(runs)
Markdown(duplicates.read_record(runs, faults))

# %%
shown = ["n", "silhouette", "ari", "nmi", "ami"]
names = faults.dataset.map(duplicates.SHOWN) + ": " + faults.method
tables.score_table(faults.assign(method=names), shown)

# %% [markdown]
# Functions: `verdicts`, `claims` and `multiverse` of `musicbook.chapters.results` ([API](../book/api.md)). Back to
# [Results](06_results.ipynb).
