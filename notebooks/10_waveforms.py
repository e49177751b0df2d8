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
# # Can a network learn music from raw sound?

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
# The sound that is trained on and played here is **synthetic**: a small program composed it, so that it can be given away, and nothing
# heard here need hold for records. The numbers about real music were computed before, from the audio of *gtzan-mini*, in which
# **nearly every genre is one artist**: what looks like genre there may be one artist's studio.
#
# The paper names as future work "an end-to-end 1D-CNN trained directly on raw audio waveforms". We built one. A *convolution* slides a short
# filter along the sound; five layers of them, each looking at every fourth or eighth place, turn three seconds into sixteen
# frames, whose mean and standard deviation give the latent numbers of a VAE ([Method](../book/method.md)). What such a network
# learns depends on what its decoder has to give back: the **waveform**, sample by sample; its **spectra**, how loud each
# frequency is in short stretches of time, without the phase; or its **log-mel picture**, the same in 64 bands spaced as the ear hears them.

# %%
import inspect

import numpy as np
import pandas as pd
from IPython.display import Markdown

from helpers import cache, clustering, inputs, metrics, models
from helpers import plots, protocols
from helpers.corpus import synth
from helpers.published import waveforms
from helpers.widgets import waves

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
protocols.check(dataset, protocol, seeds)

# %% [markdown]
# ## Real music, computed before
# One row a space. K-Means looks for as many clusters as genres, on segments of three seconds and on whole tracks (the mean of
# a track's segments). Networks were trained on all segments, for twenty epochs unless the row says otherwise; that number was fixed
# before these runs. (The scale of the log-mel picture and the length of the crops that are trained on, half a segment, were not: we tried
# two settings, on one seed, and took the better.) Brackets are 95 % intervals of the mean over seeds, tracks drawn anew. *Variance left* is the share
# of what the decoder should give back that it misses, in the half of each segment that it was not trained on; *trained on*: in the other half. One
# that always answers with the mean misses 1.

# %%
real = waveforms.Stored()
table = real.table()
table[["NMI, segments", "ARI, segments", "AMI, segments", "variance left"]]

# %%
more = ["variance left, trained on", "KL (nats)"]
table[["NMI, tracks", "ARI, tracks", "AMI, tracks", *more]]

# %% tags=["remove-input"]
Markdown(waveforms.read(real))

# %% [markdown]
# ## The same, live, on synthetic clips
# A hundred clips in ten styles (templates of tempo, drums, chords and timbre), two crops of three seconds each.

# %%
styles, starts = sorted(synth.STYLES), (0, 3)
clips = [synth.clip(s, i, seconds=6.0) for s in styles for i in range(10)]
crops = [waveforms.cut(y, starts) for y in clips]
x = waveforms.level(np.concatenate(crops))
style = np.repeat(styles, len(x) // len(styles))
print(f"{len(x)} crops of {x.shape[1]} samples, {models.SOUND_RATE} a second")

# %% [markdown]
# Two networks of one architecture: one has to give back the log-mel picture, the other the waveform. They train in the book's one
# loop (`training.train`) with this loss:

# %% tags=["remove-input"]
Markdown(f"```python\n{inspect.getsource(models.sound_loss)}```")

# %%
recipe = waveforms.RECIPE.but(epochs=50, batch_size=16)
jobs = {"mel": recipe, "waveform": recipe.but(epochs=15)}
made = cache.remember_many(
    [(waveforms.fit, x, target, r, 0) for target, r in jobs.items()]
)
nets = {
    target: waveforms.network(arrays, x.shape[1], target, r)
    for (target, r), arrays in zip(jobs.items(), made)
}
start = waveforms.untrained(recipe, x.shape[1])
mu = {name: waveforms.encode(net, x)[0] for name, net in nets.items()}
mu["untrained"] = waveforms.encode(start, x)[0]
left = {name: waveforms.unexplained(net, x) for name, net in nets.items()}

# %%
spaces = {
    "log-mel statistics, no learning": inputs.zscore(waveforms.statistics(x)),
    "ConvVAE, untrained": mu["untrained"],
    "ConvVAE to the waveform": mu["waveform"],
    "ConvVAE to log-mel": mu["mel"],
}
rows = {}
for name, Z in spaces.items():
    found = [clustering.cluster(Z, "kmeans", 10, s) for s in range(seeds)]
    scores = [metrics.external(style, labels) for labels in found]
    rows[name] = pd.DataFrame(scores).mean()[["nmi", "ari", "ami"]]
live = pd.DataFrame(rows).T.rename(columns=metrics.label_of)
live.rename_axis("Space").round(3)

# %% tags=["remove-input"]
seconds = {name: arrays["seconds"] for name, arrays in zip(jobs, made)}
Markdown(f"Agreement with the style, mean over {seeds} runs of K-Means on one network each. Of these clips, which it was trained on, the decoder to the waveform leaves "
         f"**{left['waveform']:.0%}** of the variance, the one to the log-mel picture {left['mel']:.0%}. Training took "
         f"{seconds['waveform']:.0f} and {seconds['mel']:.0f} CPU seconds.")

# %% [markdown]
# ## Hear what comes back
# Four ways of the same three seconds: the clip as the network gets it; its log-mel picture turned into sound again without any
# network, which is the best the picture can sound, since phases are lost and must be guessed
# ([Griffin and Lim 1984](../book/references.md)); and the two networks' reconstructions, from 32 numbers each.

# %%
names = ("classical", "disco", "metal")
at = [int(np.flatnonzero(style == name)[0]) for name in names]
ways = {
    "the clip": x[at],
    "its picture": waves.through_picture(x[at]),
    "to log-mel": waves.decoded(nets["mel"], mu["mel"][at]),
    "to the waveform": waves.decoded(nets["waveform"], mu["waveform"][at]),
}
heard = {
    name: {way: sounds[i] for way, sounds in ways.items()}
    for i, name in enumerate(names)
}
waves.table(heard, "style")

# %% mystnb={"figure": {"caption": "The log-mel picture of the synthetic disco clip, and that of the network's sound: 64 bands from low to high, bright is loud.", "name": "fig-waves-pictures"}, "image": {"alt": "Two spectrogram-like pictures: the original with separate beats, beside it the network's, smoother in time."}}
waves.pictures({
    "the clip": waves.picture(heard["disco"]["the clip"]),
    "to log-mel": waves.picture(heard["disco"]["to log-mel"]),
})

# %% [markdown]
# The first network cannot give rhythm back: mean and standard deviation over time do not hold when something sounds. The second would have
# to place every single period: a wave that is right but shifted by half a period is as wrong as can be, so that the safest answer to an
# unknown phase is near silence (all clips are played equally loud here).
#
# ## Walk along a unit
# The two latent units that carry most information (KL), each moved from its 2nd to its 98th percentile while the others stay at
# their mean.

# %%
kl = waveforms.unit_kl(nets["mel"], x)
steps = {}
for unit in np.argsort(-kl)[:2]:
    sounds = waves.decoded(nets["mel"], waves.walk(mu["mel"], unit))
    name = f"unit {unit}, {kl[unit]:.1f} nats"
    steps[name] = {f"{waves.brightness(y):.0f} Hz": y for y in sounds}
waves.walks(steps)

# %% tags=["remove-input"]
moved = {name: list(sounds) for name, sounds in steps.items()}
Markdown("Under each player stands the mean frequency of its sound, weighted by power. "
         + " ".join(f"Along {name} it goes from {heads[0]} to {heads[-1]}." for name, heads in moved.items()))

# %% [markdown]
# ## What the first layer learnt
# Sixteen filters of 64 samples (6 milliseconds) look at the sound itself. Here is what each lets through, before and after training.

# %% mystnb={"figure": {"caption": "The sixteen filters of the first layer, one a line, ordered by the frequency that each lets through best: bright is passed, black is 30 dB weaker. Above as drawn by chance, below after training to log-mel pictures of the synthetic clips.", "name": "fig-waves-filters"}, "image": {"alt": "Two heat maps of sixteen filters over frequency: scattered before training, and after it."}}
waves.filter_bank({"untrained": start, "to log-mel": nets["mel"]})

# %% tags=["remove-input"]
before, after = (waves.width(net) for net in (start, nets["mel"]))
Markdown(f"A filter lets {before:.0%} of all frequencies through to within 10 dB of its best before training and {after:.0%} after it, on average: "
         + ("training made the filters narrower." if after < before - 0.02 else "training made the filters wider." if after > before + 0.02
            else "training hardly changed their width.")
         + " A hand-made filter bank, such as mel, is not found again in so little sound.")

# %% tags=["remove-input", "answer"]
Markdown(waveforms.answer(real))

# %% [markdown]
# ## Summary
# - What a network learns from raw sound is what its target rewards. Samples reward phase, which no 32 numbers can hold; a log-mel
#   picture rewards what the ear would, and is itself a hand-made feature.
# - An untrained network and plain averages are the controls that make such a result mean anything; both are cheap.
# - A hundred tracks are few. What a network trained on hundreds of thousands hears in the same tracks is on
#   [the next page](11_pretrained.ipynb).
#
# Where it is done: `helpers.models.ConvVAE`, `helpers.published.waveforms`, `helpers.widgets.waves` ([API](../book/api.md)).
