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
# # Results
# *Which of the paper's claims hold?*

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

from helpers import plots, protocols
from musicbook import stored_runs
from musicbook.chapters.results import checkpoints, claims, figures
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
every = claims.claims_table(runs)

# %% tags=["remove-input", "answer"]
Markdown(f"{claims.claims_answer(every)} {verdicts.read_counts(runs)}")

# %% tags=["picture"] mystnb={"figure": {"caption": "How many of the numbers in the paper's three tables our runs match, under three protocols. Compare the green parts, which match closely. *written* follows the paper's text, *released* follows its program, and *controlled* has an input in which a guard finds no genre.", "name": "fig-verdicts"}, "image": {"alt": "Three bars: nearly all values match under the released code, with the genre in the input; few match under the other two."}}
figures.verdict_bars(verdicts.count_shares(runs))

# %% [markdown]
# ## Overview
# **You will learn** which claims of the paper hold, and how to compare one published run with several of your own.
#
# **Before you start:** read [Leakage](05_leakage.ipynb). Nothing is trained here.
#
# A value of the paper comes from one run, and ours come from several. So we ask two questions. Does the paper's value lie in the range where one
# more run of ours would fall? And is it near our mean? A value *matches closely* if both are true, and *roughly* if only one is.
# The page [Every value](A2_every_value.ipynb) has the rule and all numbers.
#
# ## Ten claims

# %%
table = every.loc[claims.ten_claims()]
table[["Paper", "Verdict", "Because", "In fairness"]]

# %% [markdown]
# *Holds in part* means under some protocols, or by some measures. *Not in the code* means that the paper's text says it and its program does
# something else. LEAKY marks an input with the genre in it. Numbers in brackets are 95 % intervals, over tracks and seeds.

# %% tags=["remove-input"]
Markdown(claims.read_verdicts(every))

# %% tags=["remove-input"]
Markdown(checkpoints.checkpoint_sentence())

# %% [markdown]
# ## Would another choice have saved the VAE?
# Perhaps the VAE would win with other settings. So we made a list of reasonable choices. Some choices concern the input. Do the
# features use the standard deviation over the frames, or the variance? How are they scaled? Are lyrics added to the sound? If so, how, and with how many numbers? The
# other choices concern the clustering: the space (for example that of PCA or of a VAE), the method, and the number of clusters. We ran every combination. One combination is called a *pipeline*.

# %% tags=["remove-input"]
pipelines = multiverse.published_pipelines(runs)
pairs = multiverse.pairs(pipelines)
Markdown(multiverse.read_pairs(pairs))

# %% mystnb={"figure": {"caption": "Agreement with genre (AMI) of all pipelines, by each value of each choice. Compare boxes of one colour: the further apart they lie, the more that choice matters. A box holds the middle half of the pipelines, the line in it is the median, and the thin lines reach to the lowest and the highest.", "name": "fig-multiverse"}, "image": {"alt": "Boxes of AMI by the values of seven choices."}}
figures.universe(pipelines)

# %% [markdown]
# ## Exercise
# Which of the ten claims in the table hold in full? And how many of all claims do?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
assert set(table.index) <= set(every.index) and len(table) == 10
for claim in table.index[table.Verdict == "holds"]:
    print("Of the ten:", claim)
print("Of all:", (every.Verdict == "holds").sum(), "of", len(every))

# %% [markdown]
# ## Summary
# - In phase 2 and phase 3, our runs match most of the paper's numbers closely or roughly if the genre is in the input. Without it, they match few.
# - Judge one published run by the range of your own runs, and not by a single one.
# - A claim can hold by one measure and fail by another, so name the measure.
#
# The page [Every value](A2_every_value.ipynb) lists all values and all claims, and shows what seeds and inputs change.
# [How to cluster music well](09_cluster_well.ipynb) says what to use instead. Next: [Songs with their own words](07_own_words.ipynb).
