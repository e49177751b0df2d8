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
# # Advanced VAEs: what β does
#
# *Does a Beta-VAE disentangle genres?*
#
# A variational autoencoder (VAE) turns a track into a few numbers, its *code*. A *Beta-VAE* has to keep less in its code, since each bit
# of the code costs β times as much as in an ordinary VAE. Does it disentangle genres? The paper says yes. Its reason: of all its
# networks, the Beta-VAE agrees best with genre (NMI in Table 3 of [Karim 2026](../book/references.md)). But *disentangled* means that each number of the code stands for one factor of the music. Agreement with
# one label cannot show that.

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
import numpy as np
import torch
from IPython.display import Markdown

from helpers import clustering, inputs, metrics, models
from helpers import phases, plots, protocols, tables, training
from musicbook.chapters.phases import full_gtzan, sentences
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini-thirds"
protocol = "controlled"
seeds = 1

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
tracks = sources.load(dataset)
run = phases.run_phase(tracks, protocol, phase=3, seeds=seeds)
first = min(run.fits)

# %% tags=["remove-input", "answer"]
Markdown(sentences.advanced_answer(run))

# %% tags=["picture"] mystnb={"figure": {"caption": "Five methods on one input of sound and lyrics. Compare the bars on the left: they show how well the clusters agree with genre (NMI). On the right is how tight they are (silhouette). Diamonds are the paper's values on full GTZAN, where the genre was in the input.", "name": "fig-hard-answer"}, "image": {"alt": "Bar charts of NMI and silhouette for five methods, with the paper's values as diamonds."}}
paper = tables.paper_tables().query("phase == 3")
methods = phases.names_of(3)
plots.metric_bars(run.scores, ["nmi", "silhouette"], methods, paper)

# %% [markdown]
# ## Overview
# **You will learn** where β enters a VAE, what happens when it grows, and why a high score need not mean disentangled factors.
#
# **Before you start:** read [Hybrid features](02_hybrid_features.ipynb), which builds the input. It also builds the layer that the Beta-VAE and
# the CVAE are made of.
#
# Five methods work on one input of sound and lyrics. Four of them make a code first and then cluster it by K-Means: a Beta-VAE, a conditional
# VAE (CVAE), PCA, and a plain autoencoder. The fifth, spectral clustering, works on the input itself. Under `released` the input contains the
# genre itself, as in the paper's program. Unless you set other data, the tracks are those of *gtzan-mini*, cut into thirds. In
# *gtzan-mini* **several genres have one artist only**. A cluster may then find the artist and not the genre. So do not trust a score of this
# page alone: the section *Does full GTZAN say the same?* compares it with all of GTZAN.
#
# To keep the wait short, each network is trained once, from one seed. The page [Every value](A2_every_value.ipynb) shows how much the seeds differ on full
# GTZAN. To see it here, set `seeds = 3` above.

# %%
made = inputs.prepare(tracks, protocol, phase=3, seed=0)
recipe = protocols.get(protocol).recipes["beta_vae"]

# %% tags=["remove-input"]
Markdown(sentences.settings(tracks, made, protocol))

# %% [markdown]
# ## Where β enters
# The loss of the [Audio baseline](01_audio_baseline.ipynb) adds two parts: the squared error, and the KL divergence, which is the price of the
# code. A *Beta-VAE* multiplies the price by β ([Higgins et al. 2017](../book/references.md)). With a larger β the code carries less
# information, and the decoder rebuilds the rows less exactly. The factor β is the only new thing:


# %%
def beta_elbo(x, x_hat, mu, logvar, beta):
    """Squared error plus beta times KL, means over the rows."""
    error = (x_hat - x).square().sum() / len(x)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar).sum() / len(x)
    return error + beta * kl, error, kl


# %%
def step(net, adam, rows, beta):
    """Move the weights once, as before; the KL of these rows."""
    mu, logvar = net.encode(rows)
    x_hat = net.decode(models.sample(mu, logvar))
    loss, _, kl = beta_elbo(rows, x_hat, mu, logvar, beta)
    adam.zero_grad()
    (loss * len(rows) if recipe.reduction == "sum" else loss).backward()
    if recipe.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
    adam.step()
    return kl.item() * len(rows)


# %% [markdown]
# We train the same network for a few epochs with three values of β. With β = 1 it is an ordinary VAE:

# %%
x = torch.tensor(made.X, dtype=torch.float32)
nats = {}
for beta in (1, 4, 16):
    with training.seeded(0):
        net = models.build(recipe, x.shape[1])
        weights = net.parameters()
        adam = torch.optim.Adam(weights, lr=recipe.lr, fused=True)
        for _ in range(min(15, recipe.epochs)):
            rows = x[torch.randperm(len(x))]
            batches = training.batches(len(x), recipe.batch_size)
            kl = sum(step(net, adam, rows[some], beta) for some in batches)
        nats[beta] = kl / len(x)
for beta, cost in nats.items():
    print(f"With β = {beta} the code carries {cost:.1f} nats.")

# %% [markdown]
# At a higher price the code carries less. The run of this page uses the protocol's β and trains to the end. What many values of β do is shown in
# [Collapse in depth](A1_collapse_in_depth.ipynb). The CVAE, which is also given the genre of each row, is built on
# [the next page](04_cvae_collapse.ipynb).

# %% tags=["remove-input"]
betas = [training.beta_at(recipe, epoch) for epoch in range(recipe.epochs)]
Markdown(sentences.beta_sentence(betas, run.fits[first]))

# %% mystnb={"figure": {"caption": "Training of the three networks (first seed). The plain autoencoder pays no price for its code, so it can reach the lowest error; it has no KL. The Beta-VAE pays the highest price, so its KL is low and its error high.", "name": "fig-hard-training"}, "image": {"alt": "Two line plots of error and KL per epoch for Beta-VAE, CVAE and autoencoder."}}
names = {m.space: m.name.split(" + ")[0] for m in phases.methods_of(3)}
fits = {names[name]: fit for name, fit in run.fits[first].items()}
plots.training_curves(fits)

# %% [markdown]
# ## Table 3: five methods

# %% mystnb={"figure": {"caption": "Table 3 and Figure 3 of the paper, made again. Compare each bar with its diamond, the paper's value on full GTZAN: there the genre was in the input.", "name": "fig-hard"}, "image": {"alt": "Bar charts of silhouette, NMI, ARI, purity and Davies-Bouldin for five methods with the paper's values."}}
plots.metric_bars(run.scores, tables.paper_metrics(3), methods, paper)

# %%
more = ["silhouette_common", "ami", "accuracy", "accuracy_chance"]
shown = [*tables.paper_metrics(3), *more, "nmi_chance", "dims"]
tables.score_table(run.scores, shown, methods)

# %% [markdown]
# *Purity* is the share of tracks whose genre is the most frequent one of their cluster. *Accuracy* gives each cluster one genre, in the best
# possible way, and counts the tracks that are then right. It is stricter than purity: no two clusters may stand for the same genre. *By chance*
# is what the same clusters score when the genres are shuffled among the tracks. *Common space* measures every silhouette in the same space,
# that of the standardised sound features. For *Davies-Bouldin* a lower value is better.

# %% tags=["remove-input"]
Markdown(sentences.compare_methods(run, "Beta-VAE", "AE + K-Means"))

# %% [markdown]
# The Beta-VAE and the plain autoencoder also differ in their layers ([Method](../book/method.md)). So a difference between their scores need not
# come from the KL.
#
# The CVAE is a special case. It is given the genre, so its code need not hold it. A low agreement with genre is what a working CVAE should have.
# It can even lie below chance. The score by chance is above zero, because random groups happen to hold more tracks of one genre than of
# another. A code without the genre puts the middle of every genre at the same place. So its clusters share out the tracks of each genre more
# evenly than chance does.
# Whether it has collapsed is a question for other measures: see [CVAE and posterior collapse](04_cvae_collapse.ipynb).
#
# ## The codes of the Beta-VAE

# %% mystnb={"figure": {"caption": "Figure 4 of the paper, made again: a flat map (t-SNE) of the Beta-VAE's codes (first seed). Each point is a track. The title of a map says what its colours mean: genres or clusters. If the clusters were the genres, both maps would show the same islands.", "name": "fig-hard-map"}, "image": {"alt": "Two scatter plots of the Beta-VAE's codes, coloured by genre and by cluster."}}
clusters = run.labels[first]["Beta-VAE"]
points = plots.project(run.spaces[first]["Beta-VAE"])
plots.latent_map(points, clusters, run.tracks.genres)

# %% mystnb={"figure": {"caption": "Figure 5 of the paper, made again: how many tracks of each genre lie in each cluster of the Beta-VAE (first seed). A genre that has a cluster to itself has one dark cell on the diagonal.", "name": "fig-hard-confusion"}, "image": {"alt": "Heat map of genres against clusters with counts."}}
genres = run.tracks.genres
kinds = genres if genres is not None else ["all"] * run.tracks.n
plots.confusion_heatmap(metrics.confusion(kinds, clusters))

# %% tags=["remove-input"]
Markdown(tables.read_confusion(genres, clusters))

# %% [markdown]
# ## Does full GTZAN say the same?
# The column *Here* has the tracks of this page. The column *Full GTZAN* has our stored runs on the paper's whole collection. A row
# with two methods, such as *Beta-VAE or CVAE*, asks which of the two has the higher NMI. The
# last column says whether both collections give the same answer.

# %%
beside_full = full_gtzan.compare_with_full(run)
beside_full

# %% tags=["remove-input"]
Markdown(sentences.level_sentence(beside_full))

# %% [markdown]
# ## Paper and ours

# %%
tables.beside_paper(run.scores, 3)

# %% [markdown]
# ## Exercise
# Write the genre as ten columns of zeros and ones (*one-hot*) and give only these columns to K-Means. Which NMI must come out? Now add 60
# columns of noise, first very weak and then stronger. At which standard deviation of the noise is the label lost?

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
codes = np.arange(500) % 10
label, rng = np.eye(10)[codes], np.random.default_rng(0)
noise = rng.standard_normal((500, 60))
nmi = {}
for strength in (0.0, 0.1, 0.2, 0.3, 0.4):
    X = np.hstack([label, strength * noise])
    groups = clustering.cluster(X, "kmeans", 10, seed=0)
    nmi[strength] = metrics.external(codes, groups)["nmi"]
assert nmi[0.0] > 0.999 and nmi[0.4] < 0.5
print("; ".join(f"noise {s:g}: NMI {v:.2f}" for s, v in nmi.items()))

# %% [markdown]
# ## Test yourself
# **1. What happens to the code and to the error when β grows?**
#
# <details><summary>Answer</summary>
#
# Each nat of the code costs more, so the code carries less information and uses fewer dimensions. The decoder knows less, so the error grows.
#
# </details>
#
# **2. A Beta-VAE reaches a high NMI with genre. Has it disentangled the genres?**
#
# <details><summary>Answer</summary>
#
# The score cannot say. Disentangled means that each number of the code stands for one factor, so a test needs at least two known factors.
# And if the genre is in the input, a high NMI only shows that it is there.
#
# </details>
#
# **3. Purity grows from 0.5 to 0.6. What do you ask first?**
#
# <details><summary>Answer</summary>
#
# How many clusters there are. Purity and NMI grow with their number, so chance levels belong beside them.
#
# </details>
#
# ## Summary
# - β is a price: with a larger β the code carries less, and the error grows.
# - If the label is in the input, a clustering is not unsupervised. Look at the columns before you look at the clusters.
# - Compare with PCA and with a plain autoencoder on the same input, with intervals over tracks.
# - Agreement with one label cannot show disentangled factors. [Collapse in depth](A1_collapse_in_depth.ipynb) tests it with several known factors.
#
# Where it is done: `helpers.phases`, `helpers.models`, `helpers.protocols` ([API](../book/api.md)).
# Next: [CVAE and posterior collapse](04_cvae_collapse.ipynb).
