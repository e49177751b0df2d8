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
# # Do lyrics help, and does DBSCAN find the genres?
#
# The paper reports its best score here: DBSCAN on sound and lyrics (Table 2, Figure 2 of [Karim 2026](../book/references.md)).

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
# GTZAN has no lyrics. The paper pairs each track with a text of its genre; what that text is decides everything, so the protocols differ in it.
# `written` and `controlled` draw real Genius lyrics by tag; `released` gives each genre three fixed sentences, as the paper's code
# does ([Data](../book/data.md)). Tracks that bring words of their own keep them. Three clustering methods are scored with their noise in view, and then
# the lyrics are taken away. What words do that are a song's own, [page 9](09_own_words.ipynb) asks. Before this page:
# [Audio baseline](01_audio_baseline.ipynb).

# %%
from IPython.display import Markdown

from helpers import clustering, datasets, escape, inputs, lyrics
from helpers import metrics, phases, plots, protocols, tables

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## The two modalities
# The lyric vectors come from the sentence encoder all-MiniLM-L6-v2 (384 dimensions). Where a Genius tag has fewer texts than a genre has
# tracks, other texts fill in, and the table says how many. In gtzan-mini **nearly every genre is one artist**, and ten segments share a track and
# its text: what its clusters find may be artists and tracks.

# %%
tracks = datasets.load(dataset)
made = inputs.prepare(tracks, protocol, phase=2, seed=0)

# %% tags=["remove-input"]
drawn = made.lyrics_report
Markdown("This channel draws no Genius texts.") if drawn is None else tables.lyrics_table(drawn)

# %% [markdown]
# ## From two blocks to one table
# Each block has its own size and units. Under `controlled` both get the same variance and then their weight, .6 for the sound and .4
# for the words, so that the weights alone decide; the other protocols weigh single columns. Whether a signal survives that is tested and not
# assumed: one of known size is planted into each channel, and two clusters must find it again.

# %%
chosen = protocols.get(protocol)
raw, _ = inputs.channels(tracks, chosen, phase=2, seed=0)
X, columns, kept = inputs.scale(raw, chosen, phase=2)
control = {
    name: inputs.planted_nmi(raw, name, chosen, phase=2) for name in raw
}

# %% tags=["remove-input"]
note = f" ({escape.markup(tracks.provenance['note'])})" if tracks.provenance.get("note") else ""
found = "; ".join(f"into the {'sound' if name == 'audio' else name}: found with NMI {one:.2f} after the scaling, {two:.2f} before"
                  for name, (one, two) in control.items())
Markdown(f"**{escape.markup(tracks.name)}**, {tracks.n} rows{note}, protocol **{protocol}**: {tables.read_columns(made)}. "
         + tables.read_weights(made, "text" in made.blocks and inputs.weights_survive(tracks, protocol, 2)) + " " + tables.read_guard(made)
         + f"\n\nPlanted, {inputs.SHARE:.0%} of a channel's variance, {found}.")

# %% [markdown]
# ## Training
# The enhanced VAE: residual connections and batch normalisation under `written` and `controlled`, the released network under `released`.

# %%
run = phases.run(tracks, protocol, phase=2, seeds=seeds, extras=["spaces"])
first = min(run.spaces)
latent = run.spaces[first]["DBSCAN"]
eps = clustering.dbscan_eps(latent, chosen.dbscan_eps)
labels = clustering.cluster(latent, "dbscan", eps=eps)

# %% mystnb={"figure": {"caption": "Training of the enhanced VAE on the fused input, one line a seed.", "name": "fig-medium-training"}, "image": {"alt": "Two line plots of reconstruction error and KL divergence over the epochs, one line per seed."}}
vaes = {f"seed {s}": fits["enhanced_vae"] for s, fits in run.fits.items()}
plots.training_curves(vaes)

# %% [markdown]
# ## Table 2: three clustering methods on the latent space

# %% mystnb={"figure": {"caption": "Table 2 and Figure 2 of the paper, rerun: bars are means over seeds with one standard deviation, diamonds the paper's values on full GTZAN. Noise is left out of every score here, as in the paper.", "name": "fig-medium"}, "image": {"alt": "Bar charts of silhouette, Davies-Bouldin, ARI and NMI for K-Means, Ward and DBSCAN with the paper's values."}}
paper = tables.paper_tables().query("phase == 2")
columns, rows = tables.paper_metrics(2), phases.names_of(2)
plots.metric_bars(run.scores, columns, rows, paper)

# %%
shown = [*tables.paper_metrics(2), "ami", "k", "noise_share", "nmi_chance"]
tables.table(run.scores, shown, phases.names_of(2))

# %% tags=["remove-input"]
Markdown(f"DBSCAN found {tables.mean_of(run.scores, 'DBSCAN', 'k'):.1f} clusters on average and called "
         f"{tables.mean_of(run.scores, 'DBSCAN', 'noise_share'):.1%} of the rows noise. Noise left out: "
         + tables.read_difference(tracks.genres, tracks.groups, run.labels, "DBSCAN", "K-Means", ("nmi", "ari"))
         + "".join(f" {sentence}" for sentence in run.left_out))

# %% [markdown]
# ## DBSCAN's eps decides
# DBSCAN has no number of clusters; it has a radius, eps. The dashed line is the eps that the protocol's rule chose, without looking at genres:
# the 75th percentile of the distance to the tenth neighbour (`released`) or the knee of that curve.

# %% mystnb={"figure": {"caption": "DBSCAN over eps on the first seed's latent space: clusters found, share of noise, silhouette without noise.", "name": "fig-medium-eps"}, "image": {"alt": "Line plots of number of clusters, noise share and silhouette against eps, with the chosen eps marked."}}
plots.eps_curve(clustering.eps_curve(latent), eps)

# %% [markdown]
# Where the curve of clusters is steep, a slightly different rule would have told a different story.
#
# ## Noise counted three ways
# A method that may refuse to answer is flattered by scores over its answers. So noise is also counted as one cluster, and as one
# cluster per row.

# %%
noise = [score + way for score in ("nmi", "ari") for way in metrics.NOISE]
table = tables.table(run.scores, noise, ["DBSCAN"])
Markdown("No labels, no NMI.") if tracks.genres is None else table

# %% [markdown]
# ## What do the lyrics add?
# K-Means straight on the input, without a network between, under four inputs. *Lyrics shuffled* gives every track the lyrics of another one:
# if that scores as well, the lyrics said nothing about their track.

# %%
variants = ["full", "lyrics shuffled", "lyrics alone", "audio alone"]
scores, by_variant = phases.controls(tracks, protocol, 2, seeds, variants)
columns = ["nmi", "nmi_chance", "ami", "ari", "silhouette", "dims"]
tables.table(scores.assign(method=scores.variant), columns, variants)

# %% tags=["remove-input"]
pairs = [("full", other) for other in ("lyrics shuffled", "audio alone") if other in by_variant and "full" in by_variant]
told = [tables.read_difference(tracks.genres, tracks.groups, by_variant, *pair, ("nmi", "ari")) for pair in pairs] if "lyrics alone" in by_variant else []
Markdown(" ".join(told) or "These tracks have no lyrics to take away.")

# %% tags=["remove-input", "answer"]
text = [f"**Here:** DBSCAN on *{escape.markup(tracks.name)}* finds {tables.mean_of(run.scores, 'DBSCAN', 'k'):.1f} clusters and calls "
        f"{tables.mean_of(run.scores, 'DBSCAN', 'noise_share'):.1%} of the rows noise"]
if tracks.genres is not None:
    text.append(f" (NMI {tables.mean_of(run.scores, 'DBSCAN', 'nmi'):.3f}, by chance {tables.mean_of(run.scores, 'DBSCAN', 'nmi_chance'):.3f})")
Markdown("".join(text) + ". " + (told[0].split(" For one run")[0] if told else "There are no lyrics here whose help could be measured."))

# %% [markdown]
# ## What the clusters look like

# %% mystnb={"figure": {"caption": "t-SNE map of the enhanced VAE's latent means (first seed), by genre where labels exist and by DBSCAN's clusters; noise is grey. On gtzan-mini a small blob is one track, ten segments with one text.", "name": "fig-medium-map"}, "image": {"alt": "Two scatter plots of the hybrid latent space, coloured by genre and by DBSCAN cluster."}}
plots.latent_map(plots.project(latent), labels, tracks.genres)

# %% [markdown]
# ## Paper and ours

# %%
tables.beside_paper(run.scores, 2)

# %% tags=["remove-input"]
paper = tables.paper_tables().query("method == 'DBSCAN' and metric == 'nmi'").value.item()
each = len(next(iter(lyrics.TEMPLATES.values())))
Markdown(f"The paper's NMI of {paper:.3f} has a simple source: if each of {len(lyrics.TEMPLATES)} genres splits into {each} equal pure clusters, NMI is "
         f"{metrics.equal_pure_clusters(len(lyrics.TEMPLATES), each):.5f} whatever the music. That many sentences for each genre can give just that; "
         "[page 5](05_leakage.ipynb) counts the clusters found on full GTZAN.")

# %% [markdown]
# ## Summary
# - DBSCAN's score belongs to its eps and to how noise is counted; a table needs k and the noise share beside it.
# - A text channel that is chosen by the label hands the label to the model. The leak guard looks for that before training.
# - A null result needs a positive control: a channel whose scaling hides a planted signal can show nothing.
# - Lyrics drawn by tag are not the track's own. The shuffled control shows what such lyrics can add; for lyrics that are, see
#   [page 9](09_own_words.ipynb).
#
# Where it is done: `helpers.inputs`, `helpers.clustering`, `helpers.lyrics` ([API](../book/api.md)). Next: [Advanced VAEs](03_advanced_vaes.ipynb).
