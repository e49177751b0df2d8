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
# # CVAE and posterior collapse
# *Does the paper's conditional VAE ignore the song (posterior collapse)?*

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
import pandas as pd
import torch
from IPython.display import Markdown

from helpers import models, plots, protocols, training
from musicbook import stored_runs
from musicbook.chapters.collapse import battery, figures, grids
from musicbook.chapters.collapse import planted, study, values, words
from musicbook.chapters.leakage.values import author_values
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini-thirds"
protocol = "controlled"
seeds = 1

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% tags=["remove-input", "answer"]
named = author_values() | values.collapse_values()
Markdown(words.page_answer(named))

# %% tags=["picture"] mystnb={"figure": {"caption": "Squared errors of our networks, trained by the author's recipe on full GTZAN. Up to four marks show the error of a network: with its own code *z*, with another track's z, with zeros in the place of z, and with another genre. A further mark is the error of a *table of means*. This is no network: its answer to every track is the mean of the track's genre. The VAE gets no genre apart from its input, so its table answers with the mean of all tracks. If a network ignores z, the first three marks lie at one place, as for \u03b2 = 40. Marks are means over seeds, and lines show the range.", "name": "fig-error"}, "image": {"alt": "Dot plot of the error per model: the CVAE loses when z is exchanged or taken away, the one with beta 40 does not."}}
runs = grids.published_grid("gtzan", "battery")
released = words.of_protocol(runs, "released")
figures.shuffles(released)

# %% [markdown]
# ## Overview
# **You will learn** what posterior collapse is, which measures show it, and why a score against genre does not.
#
# **Before you start:** read [Advanced VAEs](03_advanced_vaes.ipynb), which builds the network and its loss.
#
# The paper gives its conditional VAE (CVAE) the genre of each track. The clusters of this network have a low silhouette. From that the paper
# concludes *posterior collapse*: the decoder uses the genre and ignores the code ([Karim 2026](../book/references.md), section 6.3). This page
# has three steps. It adds the genre to the network of the page before. It tests measures of collapse on models whose answer is known. Then it
# applies these measures to the paper's own network.
#
# ## What collapse is
# 1. The encoder turns a track $x$ and its genre $c$ into a code $z$. The decoder rebuilds $x$ from $z$ and $c$. The loss is the squared error plus
#    the cost of the code: its KL divergence from pure noise, in *nats*. A dimension of the code is also called a *unit*.
# 2. A code is *collapsed* when it is pure noise, or almost, for every track. Then it costs nothing and says nothing, and the decoder works with
#    $c$ alone.
# 3. Single units can collapse: they are noise, and others carry something. [Lucas et al. 2019](../book/references.md) define collapse unit by
#    unit. [Dang et al. 2024](../book/references.md) show when it happens in linear models that are given a condition. But a network may need few
#    units. So few active units alone are no *partial collapse* here. The rule of this page has two other conditions, which are given below.
# 4. A code that leaves the genre out has not collapsed. The decoder has the genre already, so storing it again costs nats and gains nothing.
#    [Kingma et al. 2014](../book/references.md) use this to separate class and style.
# 5. So a score against genre cannot tell a working CVAE from a collapsed one: neither has to hold the genre. The difference is whether anything
#    *else* is in the code.
#
# ## A VAE that is given the genre
# The encoder reads the track and the genre side by side. The decoder reads the code and the genre side by side. That is the whole difference
# from a VAE:


# %%
class ConditionalVAE(models.VAE):
    def encode(self, x, c):
        h = self.encoder(torch.cat([x, c], dim=1))
        mu, logvar = self.head(h).chunk(2, dim=1)
        return mu, logvar

    def decode(self, z, c):
        h = self.decoder(torch.cat([z, c], dim=1))
        return self.output(h)


# %% [markdown]
# We train it for five epochs on *planted* tracks. These are synthetic rows with a known genre and a known style, which are independent of each
# other. The book's own `models.CVAE` is the same network: trained from the same seed, it ends at the same weights. In the table of
# losses below, *reconstruction* is the squared error summed over the columns, as in the loss. In all later tables, *squared error* is a mean over
# the columns.

# %%
data = planted.draw(1000)
small = planted.CASES["CVAE"][0].but(epochs=5)
x = torch.tensor(data.X, dtype=torch.float32)
c = torch.eye(10)[data.genre]
with training.seeded(0):
    net = ConditionalVAE(x.shape[1], small, n_classes=10)
    history = training.train(net, (x, c), small)
same = training.fit(data.X, small, 0, data.genre)
ends = net.state_dict()
assert all((ends[k].numpy() == v).all() for k, v in same.state.items())
parts = ["loss", "reconstruction", "kl"]
pd.DataFrame({part: history[part] for part in parts}).round(2)

# %% [markdown]
# ## Do the measures give the right answer?
# The *battery* is the set of measures in the table below. We test it on six models of planted tracks, trained to the end. The first two are a VAE
# and a CVAE. In the next two, only the encoder or only the decoder is given the genre. The last two are CVAEs with a large β (4 and 200), so
# large that we expect them to collapse in part or in full. The battery does not know what we expect.

# %%
known = {}
for name, (recipe, _) in planted.CASES.items():
    fit = training.fit(data.X, recipe, 0, data.genre)
    style = {"style": data.style}
    found = battery.diagnose(fit.model(), data.X, data.genre, style)
    known[name] = [found]
expected = [verdict for _, verdict in planted.CASES.values()]
table = study.tidy_diagnoses(known)
words.summary_table(table).assign(Expected=expected)

# %% tags=["remove-input"]
Markdown(words.guessing_levels(table))

# %% [markdown]
# The measures:
#
# - *Active units* have more than 0.05 nats.
# - *Squared error* is the mean over tracks and columns. The columns have variance 1. So without a code and without the genre, the best guess
#   has an error of 1.
# - *Error with another track's z* is the error when tracks exchange their codes.
# - *Error of a table of means*: the error of the best guess without a code, which is the mean of the genre. For a decoder that is not given the
#   genre, it is the mean of all tracks.
# - *Genre from z* and *style from z* say how often a classifier (a *probe*) reads them from the code. It is tested on
#   tracks that it was not trained on. Here and in the errors, z is drawn at random around its mean, as in training.
#
# The verdicts:
#
# - **Collapsed**: there is no active unit, the error stays the same with another z, and every probe does no better than guessing.
# - **Partial collapse**: z matters, but little. We compare z with the best linear code: the one that a VAE with linear layers and the same number
#   of units would find. It is a partial collapse if two things hold. First, z has less than half of the nats of that code. Second, z
#   lowers the error of the table of means by less than half as much as the linear code would.
# - **By design**: encoder and decoder use the genre, and z matters, but z says little about the genre. We ask how much
#   more often a probe is right than guessing is. In z, this gain is less than half of the gain in the data.
# - **Keeps c**: encoder and decoder use the genre, and z matters, but z also holds the genre. In z, the gain of a probe is at least half of
#   the gain in the data.
# - **Informative**: z matters, and neither encoder nor decoder uses the genre.
# - **Encoder only** and **decoder only**: z matters, and only this half of the network uses the genre.
#
# From the working CVAE a probe reads the style but not the genre. From the collapsed one it reads neither. A test
# trains all six with five seeds, and the verdict is the expected one each time.
#
# ## The tracks at hand
# Now we apply the battery to models of real tracks. The models that this page trains see the sound alone (if you set `released`, the whole
# input). So they use fewer units than the CVAE of the page before, which also sees the lyrics. We take three models: the protocol's CVAE, a VAE of the same layers, and a CVAE with β = 40. Some protocols
# train their CVAE with *KL annealing*: β starts at zero and grows during training. Real tracks have no known style, so we use *brightness*: is this track in the
# darkest, middle or brightest third of its own genre? By construction that is independent of the genre. Each model is
# trained once here. The figure at the top has several seeds.

# %%
tracks = sources.load(dataset)
# Brightness is the spectral centroid, or else the table's first column.
chapter = study.run_chapter(tracks, protocol, seeds)

# %% tags=["remove-input"]
Markdown(words.live_answer(chapter))

# %% mystnb={"figure": {"caption": "The battery on the models of this page. Compare the lowest row, the collapsed model, with the others: it has no active unit, its code costs nothing, and another track's z does not raise its error (\u00d71). The last panels show how often a classifier reads the genre, or another factor, from z. Dots are means over seeds, and lines show the range.", "name": "fig-battery"}, "image": {"alt": "Small panels of dots, one per model: units in use, cost, error with z exchanged, and probe accuracy for two factors."}}
found = study.tidy_diagnoses(chapter.diagnoses)
figures.verdict_panels(found, chapter.label)

# %% [markdown]
# Unless you set other data, the tracks are those of *gtzan-mini*, cut into thirds. In *gtzan-mini*, several genres have one artist only. So take
# these numbers as an example of the measures, and not as a finding. They also show why a score against genre can mislead:

# %% tags=["remove-input"]
Markdown(words.standardised_scores(chapter))

# %% [markdown]
# ## The paper's own network
# The author published the trained networks, so we can apply the battery to them.

# %% tags=["remove-input"]
Markdown(words.author_evidence(named))

# %% tags=["remove-input"]
Markdown(words.unseen_lyrics(released, values.REBUILT, grids.OTHER_LYRICS))

# %% [markdown]
# This table has our networks, trained by the author's recipe on full GTZAN. The first two rows are one network: the first is judged on the
# lyrics that it was trained on, the second on other lyrics. A network that is trained anew need not use as many units as the author's.

# %%
words.summary_table(released)

# %% tags=["remove-input"]
Markdown(words.units_by_protocol(stored_runs.Published(), released))

# %% [markdown]
# ## Exercise
# Write a collapsed model by hand: its encoder gives the same code for every track, and its decoder ignores the code. Which measures show the
# collapse?


# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
class Dead:
    def encode(self, x, c):
        z = torch.zeros(len(x), 8)
        return z, z  # the prior itself: no nats, no unit

    def decode(self, z, c):
        return torch.zeros(len(z), x.shape[1])


dead = battery.diagnose(Dead(), data.X, data.genre)
assert dead.verdict == "collapsed"
print(dead)

# %% [markdown]
# ## Test yourself
#
# :::{dropdown} A CVAE scores NMI 0.02 with genre. Has it collapsed?
# That does not follow. It is given the genre and has no reason to store it. Ask whether the error grows with another track's z.
# :::
#
# :::{dropdown} Why compare with a table of means?
# A decoder that ignores z can still return the mean of the genre. So z helps only as far as the error is below that of the table.
# :::
#
# :::{dropdown} Twenty-five of 32 units are inactive. Is that a collapse?
# Not by itself: a network may need few units. So compare the code with the best linear code of the same data. It is a
# partial collapse if the code has far fewer nats than that one, and also lowers the error far less.
# :::
#
# ## Summary
# - A score against genre cannot diagnose a CVAE, and a silhouette cannot either.
# - Exchange the codes of tracks, compare with a table of means, and look in the code for something other than the genre.
# - A network can look collapsed on inputs that it was not trained on. So say which inputs you judged it on.
#
# Remedies, more data, β and disentanglement: [Collapse in depth](A1_collapse_in_depth.ipynb). Where it is done: `battery.diagnose` and
# `study.run_chapter` ([API](../book/api.md)); the author's networks are read by `python -m musicbook embedded author`.
# Next: [Leakage](05_leakage.ipynb) asks where the paper's scores come from.
