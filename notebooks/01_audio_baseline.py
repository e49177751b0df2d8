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
# # Audio baseline: VAE against PCA
#
# *Does a variational autoencoder (VAE) cluster music better than principal component analysis (PCA)?*
#
# *NMI* is agreement with genre, at most 1.

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
import torch
from IPython.display import Markdown
from torch import nn

from helpers import clustering, inputs, phases
from helpers import plots, protocols, tables, training
from musicbook.chapters.phases import dimensions, full_gtzan, sentences
from musicbook.chapters.results import checkpoints
from musicbook.corpus import sources

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini-thirds"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %%
tracks = sources.load(dataset)
run = phases.run_phase(tracks, protocol, 1, seeds, extras=["spaces"])

# %% tags=["remove-input", "answer"]
Markdown(sentences.audio_answer(run))

# %% tags=["picture"] mystnb={"figure": {"caption": "Table 1 and Figure 1 of the paper, made again. Compare the first two bars of each panel: the silhouette measures how tight clusters are, ARI and NMI how well they agree with genre. The last bar is PCA cut to as many dimensions as the VAE uses. Bars are means over runs (seeds), and the thin lines show one standard deviation. Diamonds are the paper's values on full GTZAN.", "name": "fig-easy"}, "image": {"alt": "Bar charts of silhouette, Calinski-Harabasz, ARI and NMI for VAE, PCA and a shorter PCA, with the paper's values as diamonds."}}
paper = tables.paper_tables().query("phase == 1")
compared = [*phases.names_of(1), sentences.AS_MANY]
columns = tables.paper_metrics(1)
plots.metric_bars(run.scores, columns, compared, paper)

# %% [markdown]
# ## Overview
# **You will learn** what a VAE is, by building one; what a silhouette measures; and why two silhouettes can be impossible to compare.
#
# **Before you start:** read [From sound to numbers](00_sound.ipynb), and know what K-Means and PCA do.
#
# The paper gives two answers (Table 1 of [Karim 2026](../book/references.md)). The VAE's clusters are tighter: they have the higher
# *silhouette*. But PCA's clusters agree better with the genres: they have the higher NMI.
#
# The page has four steps: the rows, the network, the training, the clusters. The cells at the top took all four in one call. The cells
# below take them by hand. A *protocol* is one way to read the paper: `written` follows its text, and `released` follows its program. `controlled`
# follows the text too, but a guard looks at everything that was added to the sound. It refuses the input if the genre can be read from that. Each training is repeated with other random numbers; one such run is called a *seed*.
#
# ## The rows
# Unless you set other data, these are the tracks of *gtzan-mini*, a small part of GTZAN, each cut into three pieces of ten seconds. Our own
# extractor computed the numbers. The network trains on the rows. If the rows are pieces of tracks, we still cluster and score whole tracks:
# the code of a track is the mean over its pieces. If we clustered the pieces, the pieces of one song would be each other's nearest neighbours.
#
# In *gtzan-mini* **several genres have one artist only** ([Limitations](../book/limits.md)). A cluster may then find the artist and not
# the genre. So do not trust a score of this page alone: the section *Does full GTZAN say the same?* compares it with all of GTZAN.

# %% tags=["remove-input"]
Markdown(sentences.data_sentence(tracks, protocol, seeds))

# %%
tracks.features.iloc[:4, ::17].round(2)

# %% [markdown]
# The input of the network is this table with every column at mean 0 and variance 1. Otherwise the columns with
# the largest numbers, such as frequencies in hertz, would decide nearly everything.

# %%
X = inputs.prepare(tracks, protocol, phase=1).X
x = torch.tensor(X, dtype=torch.float32)
recipe = protocols.get(protocol).recipes["basic_vae"]

# %% [markdown]
# ## The network
# An autoencoder has two halves. The *encoder* squeezes a row into a few numbers, its *code*. The *decoder* rebuilds the row from the code. In
# a *variational* autoencoder the encoder gives a range for each number of the code: a mean $\mu$ and a variance $\sigma^2$
# ([Kingma & Welling 2014](../book/references.md)). The network works with $\log \sigma^2$, which may be any number.


# %%
def layer(n_in, n_out, dropout):
    """n_in -> n_out numbers a row; the recipe may add two helpers."""
    parts = [nn.Linear(n_in, n_out)]
    if recipe.batch_norm:
        parts.append(nn.BatchNorm1d(n_out))
    parts.append(nn.ReLU())
    if dropout:
        parts.append(nn.Dropout(dropout))
    return nn.Sequential(*parts)


def layers(sizes, dropout):
    pairs = zip(sizes[:-1], sizes[1:])
    return nn.Sequential(*[layer(a, b, dropout) for a, b in pairs])


# %%
class VAE(nn.Module):
    def __init__(self, n_features, hidden, d, dropout=(0, 0)):
        super().__init__()
        self.encoder = layers([n_features, *hidden], dropout[0])
        self.head = nn.Linear(hidden[-1], 2 * d)
        self.decoder = layers([d, *hidden[::-1]], dropout[1])
        self.output = nn.Linear(hidden[0], n_features)

    def encode(self, x):
        """x (B, features) -> mu, logvar (B, d)."""
        return self.head(self.encoder(x)).chunk(2, dim=1)

    def decode(self, z):
        """z (B, d) -> x_hat (B, features)."""
        return self.output(self.decoder(z))


# %% [markdown]
# ## The loss
# The loss has two parts. The first part is the squared error: the decoder has to give the row back. The second part is the KL divergence, the
# price for a code that differs from pure noise. It is measured in *nats*, a unit of information (one nat is 1.44 bits). A dimension that
# does not help the decoder is cheapest when it is pure noise. Such a dimension is *inactive*. (Up to constants, the negative of this loss is
# called the evidence lower bound, ELBO.)


# %%
def sample(mu, logvar):
    """One draw from the range that the encoder gives."""
    noise = torch.randn_like(mu)
    return mu + noise * torch.exp(0.5 * logvar)


def elbo(x, x_hat, mu, logvar):
    """Squared error plus KL, summed over columns, mean over rows."""
    error = (x_hat - x).square().sum() / len(x)
    kl = 0.5 * (mu.square() + logvar.exp() - 1 - logvar)
    return error + kl.sum() / len(x)


# %% [markdown]
# ## The training
# One step takes a batch of rows, computes the loss and its gradient, and moves the weights a little. An epoch is one pass over all rows in
# random order. The *learning rate* says how far one step moves the weights. Under `written` and `controlled` it falls to zero in a full
# training, and under `released` it stays as it is. Here we stop after a few epochs.


# %%
def step(net, adam, rows):
    """Move the weights once; the loss of these rows."""
    mu, logvar = net.encode(rows)
    loss = elbo(rows, net.decode(sample(mu, logvar)), mu, logvar)
    adam.zero_grad()
    total = loss * len(rows) if recipe.reduction == "sum" else loss
    total.backward()
    if recipe.clip_norm is not None:  # no step may be too long
        nn.utils.clip_grad_norm_(net.parameters(), recipe.clip_norm)
    adam.step()
    return loss.item() * len(rows) / len(x)


# %%
def train(net, epochs):
    """The loss of each epoch."""
    decay = recipe.weight_decay
    weights = net.parameters()
    adam = torch.optim.Adam(weights, weight_decay=decay, fused=True)
    losses = []
    for epoch in range(epochs):
        adam.param_groups[0]["lr"] = training.lr_at(recipe, epoch)
        shuffled = x[torch.randperm(len(x))]
        batches = training.batches(len(x), recipe.batch_size)
        parts = [step(net, adam, shuffled[rows]) for rows in batches]
        losses.append(sum(parts))
    return losses


# %%
with training.seeded(0):
    size = recipe.hidden, recipe.latent, recipe.dropout
    net = VAE(x.shape[1], *size)
    by_hand = train(net, epochs=min(10, recipe.epochs))

# %% [markdown]
# `helpers.training` holds the same steps for every network of the book, and repeats them over seeds. The cells at the top of the
# page called it. If our training by hand is right, it has the same losses as the first of those trainings.

# %% tags=["remove-input"]
fit = run.fits[min(run.fits)]["basic_vae"]
Markdown(sentences.same_training(by_hand, fit))

# %% mystnb={"figure": {"caption": "The whole training of the VAE, which the paper calls *basic*: the error has to fall, and the KL has to settle. Both are means over the rows. Each line is one seed.", "name": "fig-easy-training"}, "image": {"alt": "Two line plots: the error falls and the KL settles over the epochs, one line per seed."}}
curves = {f"seed {s}": fits["basic_vae"] for s, fits in run.fits.items()}
plots.training_curves(curves)

# %% [markdown]
# Where a line is flat at its right end, more epochs would change little. Where the lines lie on each other, another seed would change little.
#
# ## The clusters
# For the clusters, the code of a row is its mean $\mu$, without the noise. We average it over the pieces of a track and cluster the tracks,
# with as many clusters as there are
# genres. The genres are used for scoring only.

# %%
codes = tracks.track_means(fit.mu)
k = phases.n_clusters(tracks, protocols.get(protocol))
clusters = clustering.cluster(codes, "kmeans", k, seed=fit.seed)

# %%
shown = [*columns, "silhouette_common", "ami", "k", "dims", "nmi_chance"]
tables.score_table(run.scores, shown, compared)

# %% [markdown]
# **NMI** and **ARI** measure agreement with genre, and 1 is perfect. *NMI by chance* is what the same clusters score when the genres are
# shuffled among the tracks. ARI and AMI are corrected for chance: random clusters get about 0. The **silhouette** needs no genres. It asks
# whether a track is nearer to its own cluster than to the next one. *Calinski-Harabasz* also measures how tight clusters are, and *k* is the
# number of clusters.

# %% tags=["remove-input"]
Markdown(
    sentences.compare_methods(run, "VAE + K-Means", "PCA + K-Means", "ari")
)

# %% [markdown]
# ## Why the two silhouettes cannot be compared
# A silhouette is measured in a space, and the two methods have different spaces. The VAE leaves many of its dimensions inactive (less than
# 0.05 nats). In fewer dimensions, groups often look tighter. To be fair, we also cut PCA to as many components as the VAE uses.

# %% mystnb={"figure": {"caption": "Silhouette and NMI of PCA and K-Means, by the number of components (first seed). See that the silhouette is highest in the spaces of fewest dimensions, and the NMI is not. The silhouette of the VAE is drawn twice: at the number of all its dimensions, and at the number of those that it uses.", "name": "fig-easy-dims"}, "image": {"alt": "Line plot of silhouette and NMI of PCA and K-Means against the number of components, with the VAE marked."}}
by_dims = dimensions.of_pca(tracks, X, k)
plots.silhouette_by_dims(by_dims, dimensions.of_vae(fit, codes, clusters))

# %% tags=["remove-input"]
Markdown(sentences.dimensions_sentence(run))

# %% [markdown]
# The column *Silhouette, common space* of the table above measures every clustering in one space, that of the standardised sound features. This
# space is the same for all methods. But it favours a method that clusters these features directly.
#
# ## What the clusters look like

# %% mystnb={"figure": {"caption": "A flat map (t-SNE) of the VAE's codes (first seed); each point is a track. The title of a map says what its colours mean: genres or clusters. Look for genres that form one island. The map is for looking only: no score is computed on it.", "name": "fig-easy-map"}, "image": {"alt": "Two scatter plots of the latent space, coloured by genre and by cluster."}}
points = plots.project(codes)
plots.latent_map(points, clusters, run.tracks.genres)

# %% [markdown]
# If a genre forms one island, the features separate it, or its tracks share an artist. If two genres overlap, these numbers cannot tell them
# apart.
#
# ## Does full GTZAN say the same?
# In our stored runs, the same networks are trained on all of GTZAN, nearly a thousand whole tracks, with ten seeds each. A row
# with two methods, such as *VAE + K-Means or PCA + K-Means*, asks which of the two has the higher NMI.
# The last column says whether both collections give the same answer.

# %%
beside_full = full_gtzan.compare_with_full(run)
beside_full

# %% tags=["remove-input"]
Markdown(sentences.level_sentence(beside_full))

# %% [markdown]
# ## Paper and ours

# %%
tables.beside_paper(run.scores, 1)

# %% tags=["remove-input"]
Markdown(checkpoints.checkpoint_sentence())

# %%
checkpoints.basic_checkpoint()

# %% [markdown]
# ## Exercise
# Change the codes in two ways: once turn them by a rotation, and once stretch each of their dimensions to variance 1. What happens to the
# silhouette of the same clusters each time, and why? Try it in a cell of your own before you look.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
d = codes.shape[1]
noise = torch.randn(d, d, generator=torch.Generator().manual_seed(0))
turned = codes @ torch.linalg.qr(noise)[0].numpy()
spaces = {"as it is": codes, "turned": turned}
spaces["stretched"] = inputs.zscore(codes)
found = {
    name: clustering.silhouette(space, clusters)
    for name, space in spaces.items()
}
# a rotation keeps every distance
assert not abs(found["as it is"] - found["turned"]) > 1e-3
print("; ".join(f"{name}: {value:.3f}" for name, value in found.items()))
print(
    "After stretching, an inactive dimension counts as much as an active one."
)

# %% [markdown]
# ## Test yourself
# **1. A VAE has a higher silhouette than PCA. Is its clustering better?**
#
# <details><summary>Answer</summary>
#
# You cannot say. The silhouettes are measured in two spaces, and a space with fewer dimensions in use often gives higher silhouettes.
# Compare both in one
# space, or by agreement with something that you know.
#
# </details>
#
# **2. Why does a VAE leave dimensions inactive?**
#
# <details><summary>Answer</summary>
#
# Every nat of information in a dimension adds one to the loss. A dimension stays active only if it lowers the squared error by more than that.
#
# </details>
#
# **3. Why is a track clustered as one row, although the network saw three?**
#
# <details><summary>Answer</summary>
#
# The pieces of one song are each other's nearest neighbours. A method that looks at neighbours would find songs and not genres, and an interval
# that counts pieces as independent would be too narrow.
#
# </details>
#
# ## Summary
# - A silhouette compares clusterings *within* one space. Across spaces it mostly compares the number of dimensions.
# - A VAE that leaves most of its dimensions inactive works with few dimensions, however many it was given.
# - Report a score together with the number of clusters, the dimensions, the score by chance and an interval over tracks.
#
# Where it is done: `helpers.phases`, `helpers.training`, `helpers.models`, `helpers.metrics` ([API](../book/api.md)).
# Next: [Hybrid features](02_hybrid_features.ipynb) adds lyrics. On the full data set: [Results](06_results.ipynb).
