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
# # CVAE: collapse or by design?
#
# The paper reads posterior collapse off a low score ([Karim 2026](../book/references.md), section 6.3 and Table 3, row CVAE). A low score does
# not say: a conditional VAE that works leaves the genre out of its latent space, and one that has collapsed leaves everything out. What tells
# the two apart is whether anything else is in there. This page measures that; its answer for the data at hand comes first.

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

# %%
import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import datasets, plots, tables, training
from helpers.collapse import battery, figures, grids, planted, study
from helpers.collapse import transfer, words
from helpers.published import leakage

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %%
tracks = datasets.load(dataset)
chapter = study.run(tracks, protocol, seeds)
own = next(iter(chapter.fits))

# %% tags=["remove-input", "answer"]
Markdown(words.answer(chapter))

# %% [markdown]
# The default data, *gtzan-mini*, hold nearly one artist a genre: what is read from them shows that the code runs, and what it looks like; the
# runs on full GTZAN stand further down.
#
# ## Overview
# **You will learn** how to tell a collapsed model from one that leaves out what it is told, and which measures can say so.
#
# The paper gives its CVAE the genre, reads posterior collapse off a low silhouette, blames little data, and asks for annealing and a million
# songs; its scores against genre are low as well. Here the battery is first tried on models whose answer is known, then used on a CVAE of
# real tracks; then come the remedies, the question of scale, and beta. The end shows what a conditional model is good for, and how to diagnose
# your own.
#
# ## The theory in five lines
# 1. The loss is squared error plus $\beta\,\mathrm{KL}\bigl(q(z \mid x, c) \,\|\, p(z)\bigr)$, with $c$ the genre; the KL is what it costs to say $z$.
# 2. On average over tracks it has three parts ([Method](../book/method.md) derives them): $I(z; c)$, the genre in the code;
#    $I(z; x \mid c)$, everything else in it; and the misfit $\mathrm{KL}\bigl(q(z) \,\|\, p(z)\bigr)$.
# 3. The decoder has $c$ already, so $I(z; c)$ is pure cost: the best $z$ is independent of the genre.
# 4. $I(z; x \mid c)$ does pay: a linear VAE keeps direction $i$ of the data if its variance $\lambda_i$ exceeds $\sigma^2 = \beta/2$.
# 5. Collapse is another thing: then $I(z; x \mid c)$ is zero too, and the decoder does not notice when $z$ is exchanged.
#
# ## Does the battery know what it is looking at?
# Planted tracks have a genre and a style, drawn independently. Five models are trained on them: a VAE, a CVAE, a CVAE whose encoder alone or
# whose decoder alone is told the genre, and one made to collapse by a large beta. The battery sees the models only.

# %%
known, data = {}, planted.draw(1000)
for name, (recipe, _) in planted.CASES.items():
    fit = training.fit(data.X, recipe, seed=0, c=data.genre)
    model, style = fit.model(), {"style": data.style}
    known[name] = [battery.diagnose(model, data.X, data.genre, style)]
expected = [verdict for _, verdict in planted.CASES.values()]
words.summary(study.tidy(known)).assign(Expected=expected)

# %% [markdown]
# *Active units* have a mean KL above 0.05 nats. *Genre from z*, *style from z*: how often a probe of sampled $z$ is right, a classifier tried on
# tracks that it was not trained on. Expected and found verdict stand side by side; a test of this book repeats it for five seeds.
#
# *Collapsed*: no active unit, hardly any KL, z exchanged without notice, every probe at chance. *By design*: encoder and decoder use the genre,
# z matters, and a probe of the genre gets less than half of the skill that it has on the data. *Keeps c*: it gets more. *Informative*: z
# matters, and the genre is not used. *Encoder only*, *decoder only*: the other half makes no use of it. *Undecided*: the measures contradict
# each other, or the genre cannot be read from the data themselves. Note the two probes: a CVAE that works is near chance for the genre and
# right about the style; the collapsed one is at chance for both.
#
# ## The tracks at hand
# The same battery on three models: the protocol's CVAE, an unconditional VAE of the same layers, and a CVAE with β = 40; the last two without
# annealing and for at most 100 epochs. They see the audio features, under `released` also texts and the one-hot genre. *Brightness* stands in
# for a style: the third of its own genre that a track's spectral centroid falls in, hence independent of the genre (without such a feature, the
# first one is taken, under its own name). Probes leave whole tracks out, and intervals draw whole tracks.

# %% mystnb={"figure": {"caption": "The battery on the models of this page, a row a model, mean and range over seeds: latent dimensions in use; what the code costs, in nats; how many times larger the squared error is with the z of another track; how often a probe of z is right about the condition, and about another factor.", "name": "fig-battery"}, "image": {"alt": "Small panels of dots, one per model: dimensions in use, cost in nats, error with z exchanged, and probe accuracy for two factors."}}
found = study.tidy(chapter.diagnoses)
figures.verdict_panels(found, chapter.label)

# %%
words.summary(found, chapter.label)

# %% mystnb={"figure": {"caption": "KL of every latent dimension, sorted, for the first seed. The dotted line is what probabilistic PCA foretells for the first model from the covariance of the data alone.", "name": "fig-kl-units"}, "image": {"alt": "Line plot of KL per latent dimension for each model against the pPCA prediction."}}
figures.kl_per_unit(chapter)

# %% [markdown]
# Units to the left of the place where a line meets zero carry something. Where a line lies below the dotted one, training has switched off
# units that a linear model would keep.

# %% mystnb={"figure": {"caption": "Squared error of the reconstruction as trained, and with z or the condition exchanged between rows or z set to zero; mean and range over seeds.", "name": "fig-shuffles"}, "image": {"alt": "Dot plot: squared error per model, as trained, with z shuffled, with z zero, with the condition shuffled."}}
figures.shuffles(found)

# %% [markdown]
# Where the marks of a model lie on one another, its decoder ignores what was exchanged.

# %% mystnb={"figure": {"caption": "Cross-validated probes of z: balanced accuracy for the condition and for a factor that is independent of it; mean and range over seeds. Dashed: chance. Dotted: the same probe on the data themselves.", "name": "fig-probes"}, "image": {"alt": "Dot plots of probe accuracy for the condition and another factor, per model, with chance level and the level of the data."}}
figures.probe_scores(found, chapter.label)

# %% [markdown]
# *Sampled z* is what the decoder works with, noise included. The posterior means of the *active units* are sharper, and may show a trace of the
# genre that the noise hides. A probe may even fall below chance: where z has lost its genre's mean, leaving a track out moves the others of its
# genre away from it. The whole battery on the first fit, with how to read each measure and 95 % intervals over tracks:

# %%
chapter.diagnoses[own][0].table.round(3).astype(object).fillna("–")

# %% [markdown]
# $I(x; z)$ is estimated with the tracks themselves, so it cannot exceed $\ln N$; where it comes near, it says no more than that z tells every
# track apart, and the row below it, $\mathrm{KL}(q(z)\|p)$, holds the rest.
#
# **Does the verdict hang on a threshold?** One is moved at a time, the others stay:

# %%
words.sensitivity(chapter)

# %% tags=["remove-input"]
Markdown(words.claim(chapter))

# %% [markdown]
# ## The paper's own model
# Its author published the trained networks. We have measured this book's battery on the CVAE and on the Beta-VAE that the paper calls a
# success (checkpoints at commit c4715ce of the author's repository; they are not part of this book, the measurements are, in
# `data/author_facts.csv`):

# %%
facts = leakage.author_facts()
facts[facts.source.str.contains("trained")].set_index("what")[["value"]]

# %% [markdown]
# The CVAE has more active units and more nats than the model that the paper praises, and its decoder notices when z is exchanged or taken
# away, and notices a wrong genre far more. That is *by design*, not collapse.
#
# ## The paper's own data
# The battery on full GTZAN, runs of `make results`. First `released`: features and texts as the released code fuses them. *Texts redrawn* is
# the trained network on the same tracks with the noise of the text channel drawn anew: what it had learned by heart shows there.

# %% mystnb={"figure": {"caption": "Full GTZAN, released protocol: the battery, drawn as the one before.", "name": "fig-battery-released"}, "image": {"alt": "Small panels of dots, one per model: dimensions in use, cost in nats, error with z exchanged, and probe accuracy."}}
runs = grids.stored("gtzan", "battery")
part = dict(list(runs.groupby("protocol"))) if runs is not None else {}
figures.verdict_panels(part.get("released"))

# %%
words.summary(part.get("released"))

# %% mystnb={"figure": {"caption": "Full GTZAN, released protocol: squared error as trained, with z or the genre exchanged, and with the texts drawn anew; mean and range over seeds.", "name": "fig-released"}, "image": {"alt": "Dot plot of squared error per model, as trained and with parts exchanged."}}
figures.shuffles(part.get("released"))

# %% [markdown]
# Then `controlled`: features alone, the CVAE with KL annealing and without, and with the condition given to one half of it only.

# %% mystnb={"figure": {"caption": "Full GTZAN, controlled protocol: the battery, drawn as the ones before.", "name": "fig-battery-controlled"}, "image": {"alt": "Small panels of dots, one per model: dimensions in use, cost in nats, error with z exchanged, and probe accuracy."}}
figures.verdict_panels(part.get("controlled"))

# %%
words.summary(part.get("controlled"))

# %% [markdown]
# **KL annealing against none** (the paper anneals its CVAE; the released code does not), differences with 95 % intervals over seeds:

# %%
pair = "CVAE, no annealing", "CVAE, KL annealing"
words.changes(part.get("controlled"), "model", *pair, by="protocol")

# %% [markdown]
# ## Remedies, and what they do to a model that is not ill
# Seven remedies, each a field of the recipe: linear and cyclical KL annealing, free bits, β below 1, a learned σ, BN-VAE, an aggressive
# encoder. They are tried on GTZAN, on planted tracks, and on planted tracks at β = 200, where a model without a remedy collapses. Each model is
# trained from scratch with the remedy on. The row *beta = 0.25* replaces that β; a learned σ *is* a β, the noise being what β stands for, so
# keeping 200 in front of the KL beside it collapses the model by design, and a row of its own has it at β = 1.

# %% mystnb={"figure": {"caption": "What each remedy does to active units, KL and to what a probe finds in z, from three starts; mean and range over seeds.", "name": "fig-remedies"}, "image": {"alt": "Dot plots of active units, KL, genre probe and style probe for each remedy and start."}}
remedies = grids.stored("gtzan", "remedies")
figures.remedies(remedies)

# %%
words.verdict_table(remedies, "start")

# %% [markdown]
# A remedy can raise the KL and the units; it is a cure only if the style is back as well. More KL with a probe at chance is noise at a price.
#
# ## Too little data?
# The paper blames a small data set. The same CVAE on some of GTZAN's tracks and on all of them, with the same number of updates:

# %% mystnb={"figure": {"caption": "A CVAE on few and on all tracks of GTZAN, the same number of updates: active units, KL, squared error with z exchanged; mean and range over seeds.", "name": "fig-few"}, "image": {"alt": "Line plots against the number of tracks."}}
scale = grids.stored("gtzan", "scale")
few = None if scale is None else scale[scale.data == "gtzan"]
figures.lines(few, "n", figures.FEW)

# %% [markdown]
# And would a million songs help? The paper hopes so: its CVAE, it says, shows "the challenges of training generative models on small
# datasets", and future work should use the Million Song Dataset "to prevent posterior collapse in conditional models"
# ([Karim 2026](../book/references.md), *Future Directions*). Songs whose factors are known can be drawn in any number. *Planted* ones are those of
# above, noisier. *MSD-shaped* ones have the columns of that data set, 12 means and 78 covariances of timbre, and ten genres as unequal as those
# of its genre list ([Bertin-Mahieux et al. 2011](../book/references.md)). Every model makes the same number of updates, whatever the number of
# tracks, and is diagnosed on 1000 tracks that it has not seen.

# %% tags=["remove-input"]
many = None if scale is None else scale[scale.data != "gtzan"]
Markdown(f"**{words.read_scale(many)}**")

# %% mystnb={"figure": {"caption": "Hundreds of times more tracks, the same number of updates: active units, KL, K-Means NMI of the genre and probe of the style on unseen tracks; mean and range over seeds.", "name": "fig-scale"}, "image": {"alt": "Four line plots against the number of tracks on a log scale, one line per model and kind of track."}}
if many is not None:
    many = many.assign(model=many.model + ", " + many.data)
figures.lines(many, "n", figures.MANY)

# %%
ends = (0, 0) if many is None else (many.n.min(), many.n.max())
words.changes(many, "n", *ends)

# %% [markdown]
# The table has the differences between the most tracks and the fewest, with 95 % intervals over seeds. What decides about a collapsed model is
# the noise that its decoder is told to expect (β), and about the genre in z, who is given the genre; neither is a matter of the number of tracks.
# The formats of the real data set are read by `make data MSD=folder` ([Data](../book/data.md)).
#
# ## Beta, and why the silhouette rises as dimensions die
# A VAE of GTZAN at β from 0.1 to 40. The dashed lines are not fitted: they are the linear VAE's optimum, computed from the eigenvalues of the
# data's covariance ([Lucas et al. 2019](../book/references.md)).

# %% mystnb={"figure": {"caption": "The beta sweep on GTZAN: active units, rate and distortion with the pPCA prediction, silhouette and genre NMI of K-Means on the posterior means; mean and range over seeds.", "name": "fig-beta"}, "image": {"alt": "Line plots against beta on a log scale; units, rate and distortion with the prediction dashed."}}
sweep = grids.stored("gtzan", "beta")
figures.lines(sweep, "beta", figures.BETA, mark="space")

# %% [markdown]
# As β grows, units die, and the silhouette of what is left rises, until there is none: with fewer dimensions, clusters look rounder, whatever
# they hold. The dashed lines come near without having seen a network.
#
# ## Does beta disentangle?
# [Page 3](03_advanced_vaes.ipynb) asks it of a β-VAE. MIG and DCI ask whether one dimension holds one factor, so they need several known factors.
# Planted tracks have a style and three continuous traits.

# %% tags=["remove-input"]
factors = grids.stored("gtzan", "factors")
Markdown(f"**{words.read_factors(factors)}**")

# %% mystnb={"figure": {"caption": "Scores of disentanglement on planted tracks against beta; mean and range over seeds.", "name": "fig-factors"}, "image": {"alt": "Line plots of MIG, disentanglement, completeness and informativeness against beta, for a VAE and a CVAE."}}
figures.lines(factors, "beta", figures.FACTORS)

# %% [markdown]
# *MIG*: the lead of a factor's best dimension over the next best, by information. From DCI, *disentanglement*: does a dimension serve one factor
# only? *Completeness*: is a factor in one dimension only? *Informativeness*: how well are the factors predicted? All lie between 0 and 1, and
# more is better.
#
# GTZAN has one label. With one factor every dimension holds at most that one, a gap between the best and the second-best dimension says only
# how the label is spread, and a model that leaves the genre out by design would score zero for doing its job. What can be said without labels is
# how dependent the dimensions are: *total correlation* in the battery above, 0 for independent ones.

# %% tags=["remove-input"]
Markdown(" ".join(filter(None, map(words.ran_away, (runs, remedies, scale, sweep, factors)))) or "No training of these grids ran away.")

# %% [markdown]
# ## What a conditional model is good for
# **Transfer.** Keep a track's z, swap the genre that the decoder is told, and ask a classifier what it hears; it is trained on one half of the
# tracks and judges the other, and the other way round. That alone proves nothing, so that two baselines without any network stand beside it:
# the mean of the target genre, and the track itself moved by the difference of the two means.

# %% mystnb={"figure": {"caption": "Share of tracks that a classifier takes for the genre they were decoded under (first seed of the first model); the diagonal is decoding under the track's own genre.", "name": "fig-transfer"}, "image": {"alt": "Heat map of source genre against target genre, share taken for the target."}}
swaps = {}
if chapter.c is not None:
    models = {name: fits[0].model() for name, fits in chapter.fits.items()}
    told = chapter.c, tracks.genre_names, tracks.groups
    swaps = transfer.compare(models, chapter.X[0], *told)
figures.transfer_heatmap(swaps.get(own))

# %%
pd.DataFrame(
    {name: {"taken": s.success, "kept": s.kept} for name, s in swaps.items()}
).T.round(2)

# %% [markdown]
# *Taken*: the share of swapped rows that the classifier takes for the target. *Kept*: the correlation of a row's deviation from its genre's mean
# before and after (1: all but the genre stays). A decoder that ignores z can reach the target, and so can a bare mean: only both columns
# together tell a transfer, and what a network adds to it is what it has above the last row, which keeps everything by construction.
#
# **Styles within a genre.** K-Means on the z of one genre's tracks makes groups of what is not genre; the figure shows in what they differ.

# %% mystnb={"figure": {"caption": "Up to three styles within the largest genre, or within all tracks where there are none (first seed): means of up to five features, in standard deviations.", "name": "fig-styles"}, "image": {"alt": "Heat map of styles against features."}}
fit = chapter.fits[own][0]
Z = fit.mu[:, fit.active] if len(fit.active) else fit.mu
c = np.zeros(tracks.n, dtype=int) if chapter.c is None else chapter.c
rows = np.flatnonzero(c == np.bincount(c).argmax())
features = transfer.readable(tracks.features)
profile = transfer.style_profile(Z, features, rows, k=min(3, len(rows)))
whose = "these tracks" if chapter.c is None else tracks.genres[rows[0]]
figures.style_heatmap(profile, whose)

# %% [markdown]
# ## Diagnose your own model
# Anything with `encode(x, c) -> (mu, logvar)` and `decode(z, c)` will do, a torch module or not; leave c out for an unconditional model. Here
# is PCA dressed up as one:

# %%
class Own:
    def __init__(self, X, d=8):
        self.mean = X.mean(0)
        _, s, rotation = np.linalg.svd(X - self.mean, full_matrices=False)
        self.W = rotation[:d].T * s[:d] / np.sqrt(len(X))

    def encode(self, x):
        mu = (x.numpy() - self.mean) @ np.linalg.pinv(self.W).T
        return mu, np.full_like(mu, -3.0)

    def decode(self, z):
        return z.numpy() @ self.W.T + self.mean


X = next(iter(chapter.X.values()))
told = chapter.c, chapter.factors, tracks.groups
print(battery.diagnose(Own(X), X, *told))

# %% [markdown]
# ## Exercise
# Write a model that has collapsed by hand: its encoder says nothing, and its decoder does not listen. Which of the battery's measures show it?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
class Dead(Own):
    def encode(self, x):
        mu = np.zeros((len(x), self.W.shape[1]))
        return mu, np.zeros_like(mu)  # the prior itself: no nats, no unit

    def decode(self, z):
        return np.tile(self.mean, (len(z), 1))


dead = battery.diagnose(Dead(X), X, *told)
assert dead.verdict == "collapsed"
units, kl = (dead.value(name) for name in ("active units", "KL"))
print(f"{dead.verdict}: {units:.0f} active units, {kl:.2f} nats")

# %% [markdown]
# ## Paper and ours
# What the paper reports of its CVAE (Table 3), and what becomes of what it says:

# %%
table = tables.paper_tables().query("method == 'CVAE'")
table.set_index("metric")[["value"]].T

# %% [markdown]
# | the paper says | here |
# |---|---|
# | the CVAE suffers posterior collapse | the verdicts above, of its own checkpoint, on its own data, and on the tracks at hand |
# | a low silhouette indicates it | silhouettes rise as units die: the beta sweep |
# | so does a low score against genre | independence from the genre is what the loss asks for; *genre from z* beside *style from z* |
# | KL annealing mitigates it | the differences of *KL annealing against none* |
# | more data would help | *Too little data?*: not where β is the cause |
#
# ## Summary
# - A score against genre cannot diagnose a CVAE: independence from the genre is what its loss asks for. Nor can a silhouette, which can rise
#   while units die.
# - Collapse has its own signs: no active unit, no KL, a decoder that does not notice another z, and every probe at chance.
# - Score posterior means of active units, never standardised means of all of them.
# - Before adding data, compare the data's eigenvalues with β/2: a linear VAE keeps just those above. A trained network comes near, and how it is
#   trained counts as well.
#
# Functions used: [`helpers.collapse`](../book/api.md): `battery`, `study`, `planted`, `grids`, `transfer`, `factors`. Before this page:
# [Advanced VAEs](03_advanced_vaes.ipynb).
