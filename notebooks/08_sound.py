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
# # How does a song become 68 numbers?
#
# Listen to ten short clips, see what the computer keeps of each, and you know all that the models of this book ever get of a sound. The clips
# are **synthesised**: a small program composed and played them, so that they belong to nobody and can be played here.

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
# **You will learn** what the 68 numbers are, and what they cannot hold.
#
# A clip is cut into frames of 93 milliseconds. Each frame gets a spectrum; from it come the colour of the sound (MFCC), the pitches
# (chroma), its brightness (spectral) and more, most as mean and standard deviation over the frames. 68 numbers are left, and the order of
# events is gone ([Method](../book/method.md) lists them all). The last panel of each figure shows these as a model gets them: in
# standard deviations from the mean of the tracks in `dataset` (of gtzan-mini, where these have other features). Our clips are simpler than
# records, so some bars are long.
#
# The ten styles imitate the ten genres of GTZAN with a tempo, a drum pattern, chords and a timbre each (`helpers.corpus.synth`). No result in this book rests on them.

# %%
import inspect

import librosa
import numpy as np
import pandas as pd
from IPython.display import HTML, Markdown

from helpers import datasets, escape, features, phases, plots
from helpers.corpus import fast_features, synth
from helpers.widgets import players

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
if not set(features.FEATURES) <= set(tracks.features):
    tracks = datasets.load("gtzan-mini")  # a table of other features
length = {"seconds": players.SECONDS, "spread": 0.0}
styles = sorted(synth.STYLES)
clips = {style: synth.clip(style, seed=0, **length) for style in styles}
values = {style: features.extract(y) for style, y in clips.items()}


def play(style):
    """A player of the clip."""
    return players.show(clips[style], f"{style}, synthesised")


def anatomy(style):
    """Its figure, next to these tracks."""
    return players.anatomy(clips[style], values[style], tracks.features)


# %% tags=["remove-input", "answer"]
samples, kept = len(clips[styles[0]]), len(features.FEATURES)
Markdown(f"{samples:,} samples of sound, {players.SECONDS:g} seconds, become {kept} numbers: one for {samples / kept:,.0f} samples. What is "
         "kept is averages and how much they vary; melody, words and the order of events are not among them. The paper's models hear no more than this.")

# %% [markdown]
# ## The recipe
# This is the whole way from samples to numbers, printed from the module that this page calls for each of its clips:

# %% tags=["remove-input"]
Markdown(f"```python\n{inspect.getsource(features.extract)}```")

# %% [markdown]
# Each call gives a few rows with one value a frame, of which the mean and the standard deviation are kept. MFCC of the blues clip:

# %%
y = clips["blues"]
mfcc = librosa.feature.mfcc(y=y, sr=features.SR, n_mfcc=13)
print(f"{len(y)} samples -> {mfcc.shape[0]} rows x {mfcc.shape[1]} frames")
print("means over the frames:", mfcc.mean(axis=1).round(1)[:4], "...")
print("among the 68 numbers: ", values["blues"][:8:2].round(1), "...")

# %% [markdown]
# Written this way each call takes the spectrum anew. Tables of a thousand tracks are made by `helpers.corpus.fast_features`, which
# takes it once, in several times less time ([Performance](../book/performance.md)). On the blues clip the two differ by:

# %%
fast = fast_features.extract(y)
gap = np.abs(fast - values["blues"])
pd.DataFrame({
    players.KINDS[block][0]: {
        "largest value": f"{np.abs(fast[at]).max():.4g}",
        "largest difference": f"{gap[at].max():.1g}",
        "unit": players.KINDS[block][1],
    }
    for block, at in features.BLOCKS.items()
}).T

# %% [markdown]
# ## Blues
# A slow shuffle. Its chords are sevenths: four pitches at a time in the chromagram.

# %% tags=["remove-input"]
play("blues")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Blues, synthesised: the clip's waveform, mel spectrogram (bright is loud; black is 80 dB below the loudest), chromagram (bright is strong) and 68 numbers. Full bars are means over the frames, pale ones standard deviations; tempo is a single number.", "name": "fig-sound-blues"}, "image": {"alt": "Four panels for the synthetic blues clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("blues")

# %% [markdown]
# ## Classical
# No drums, only notes: level lines in the spectrogram that start together and ring on.

# %% tags=["remove-input"]
play("classical")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Classical, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-classical"}, "image": {"alt": "Four panels for the synthetic classical clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("classical")

# %% [markdown]
# ## Country
# A bright plucked voice over a light beat; its many partials reach far up.

# %% tags=["remove-input"]
play("country")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Country, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-country"}, "image": {"alt": "Four panels for the synthetic country clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("country")

# %% [markdown]
# ## Disco
# A kick on each beat, hi-hats between: vertical stripes at even distances.

# %% tags=["remove-input"]
play("disco")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Disco, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-disco"}, "image": {"alt": "Four panels for the synthetic disco clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("disco")

# %% [markdown]
# ## Hip-hop
# Heavy drums under one long chord a bar.

# %% tags=["remove-input"]
play("hiphop")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Hip-hop, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-hiphop"}, "image": {"alt": "Four panels for the synthetic hip-hop clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("hiphop")

# %% [markdown]
# ## Jazz
# Swung cymbals, four-note chords, and a bass that walks on every beat.

# %% tags=["remove-input"]
play("jazz")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Jazz, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-jazz"}, "image": {"alt": "Four panels for the synthetic jazz clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("jazz")

# %% [markdown]
# ## Metal
# Heavy distortion fills the gaps between the partials, and nearly every step of the bar is hit.

# %% tags=["remove-input"]
play("metal")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Metal, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-metal"}, "image": {"alt": "Four panels for the synthetic metal clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("metal")

# %% [markdown]
# ## Pop
# The four chords of the classical clip, on another note, with drums.

# %% tags=["remove-input"]
play("pop")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Pop, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-pop"}, "image": {"alt": "Four panels for the synthetic pop clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("pop")

# %% [markdown]
# ## Reggae
# Kick and snare together on the third beat, chords cut short on the second and fourth, air between.

# %% tags=["remove-input"]
play("reggae")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Reggae, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-reggae"}, "image": {"alt": "Four panels for the synthetic reggae clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("reggae")

# %% [markdown]
# ## Rock
# Fifths in even eighths, through a milder distortion than metal's.

# %% tags=["remove-input"]
play("rock")

# %% tags=["remove-input"] mystnb={"figure": {"caption": "Rock, synthesised: waveform, mel spectrogram, chromagram and 68 numbers; drawn as for the blues.", "name": "fig-sound-rock"}, "image": {"alt": "Four panels for the synthetic rock clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy("rock")

# %% [markdown]
# ## All the numbers
# The same 680 numbers in their own units, three digits each.

# %%
HTML(players.numbers(values).to_html())

# %% [markdown]
# ## What a cluster sounds like
# With sound of your own the models' clusters can be heard, too: the most typical member of each, the one with the smallest sum of distances to
# the others in the VAE's latent space, and the member farthest from it. Only a build for yourself has them, with `make book
# DATASET=/path/to/folder`, or `DATASET=gtzan` and the folder of your copy in `GTZAN_AUDIO`.

# %%
paths = players.own_audio(tracks)
if paths:
    run = phases.run(tracks, protocol, phase=1, seeds=1)
    method = "VAE + K-Means"
    space, labels = run.spaces[0][method], run.labels[0][method]
    shown = players.listen(tracks, space, labels, paths)
else:
    shown = Markdown(
        "There is nothing to hear in this build: "
        f"**{escape.markup(tracks.name)}** "
        "comes as a table of numbers, without sound."
    )
shown

# %% [markdown]
# ## Summary
# - A model here hears averages: how bright, how rough, which pitches, how fast. It does not hear melody, words or form.
# - Clips with the same averages are the same to it, however different they sound. That bounds what any clustering can find.
#
# Where it is done: `helpers.features`, `helpers.corpus.fast_features`, `helpers.corpus.synth` ([API](../book/api.md)).
# Next: [page 1](01_audio_baseline.ipynb) squeezes these numbers through a VAE.
