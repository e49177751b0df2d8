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
# # From sound to numbers
#
# *How does a song become 68 numbers?*

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
# **You will learn** what the 68 audio features are, and what they cannot hold.
#
# **Before you start:** you need nothing, no music theory and no signal
# processing.
#
# The clips on this page are **synthetic**. A small program composed and
# played them, so that anyone may publish them. The ten styles imitate the ten
# genres of GTZAN, the collection of the paper. Each has its own drum pattern,
# chords, colour of sound and range of tempos. No result of this book rests on
# them.

# %%
import inspect

import librosa
from IPython.display import Markdown

from helpers import features, plots
from musicbook.chapters.sound import anatomy, players
from musicbook.corpus import fast_features, sources, synth

plots.use_style()

# %% tags=["parameters"]
dataset = "gtzan-mini"
protocol = "controlled"
seeds = 3

# %% tags=["remove-cell"]
from helpers import protocols

protocols.check(dataset, protocol, seeds)

# %% [markdown]
# Each clip lasts four seconds. `features.extract` turns it into 68 numbers. To
# see what is unusual, we compare them with the numbers of real tracks:
# *gtzan-mini*, a hundred tracks of GTZAN.

# %%
tracks = anatomy.tracks_with_features(sources.load(dataset))
styles = sorted(synth.STYLES)
clips = {
    style: synth.clip(style, seed=0, seconds=players.SECONDS, spread=0.0)
    for style in styles
}
values = {style: features.extract(y) for style, y in clips.items()}

# %% tags=["remove-input", "answer"]
Markdown(anatomy.sound_answer(clips["classical"]))

# %% tags=["remove-input", "picture"] mystnb={"figure": {"caption": "One synthetic clip (disco) on its way to 68 numbers. Left: the sound itself. Middle: how loud each band of frequencies is over time. Right: the 68 numbers. A bar shows how many standard deviations a number lies from its mean over real tracks.", "name": "fig-sound-strip"}, "image": {"alt": "Three panels for one clip: its waveform, its mel spectrogram, and bars of its 68 standardised features in seven colours."}}
anatomy.strip_figure(clips["disco"], values["disco"], tracks.features)

# %% [markdown]
# ## Listen
# You can also see what you hear. In the middle panel of the picture above, held
# notes are level lines, and a beat is a row of stripes at even distances.

# %% tags=["remove-input"]
players.play(clips, "synthetic")

# %% [markdown]
# ## The recipe
# A clip is read in frames of 93 milliseconds. A new frame starts every 23
# milliseconds, so frames overlap. Each frame gets a spectrum: how loud each
# frequency is. From the spectrum come the colour of the sound
# (MFCC), the pitches (chroma), its brightness (spectral) and more. Most of
# these then become two numbers: their mean over all frames of the clip, and
# their standard deviation, which says how much they vary. This is the whole
# recipe, printed from the module that this page calls:

# %% tags=["remove-input"]
Markdown(f"```python\n{inspect.getsource(features.extract)}```")

# %% [markdown]
# Let us do one step by hand. MFCC gives thirteen rows, each with one value per
# frame. The mean of each row is one of the 68 numbers:

# %%
y = clips["blues"]
mfcc = librosa.feature.mfcc(y=y, sr=features.SR, n_mfcc=13)
print(f"{len(y)} samples -> {mfcc.shape[0]} rows x {mfcc.shape[1]} frames")
print("means over the frames:", mfcc.mean(axis=1).round(1)[:4], "...")
print("among the 68 numbers: ", values["blues"][:8:2].round(1), "...")

# %% [markdown]
# ## Two clips, panel by panel
# In the last panel of each of the next two figures, a long bar stands for a
# number that is unusual among real tracks. Our clips are simpler than recorded
# music, so some bars are long.

# %% tags=["remove-input"] mystnb={"figure": {"caption": "The synthetic classical clip has level lines, which start together and ring on. It has few pitches at a time, and no drums. In the last panel the full bars belong to the means over the frames, and the pale bars to the standard deviations over the frames.", "name": "fig-sound-classical"}, "image": {"alt": "Four panels for the synthetic classical clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy.anatomy_figure(
    clips["classical"], values["classical"], tracks.features
)

# %% tags=["remove-input"] mystnb={"figure": {"caption": "In the synthetic metal clip, distortion fills the spectrum. In the last panel, many MFCC bars (colour of the sound) point the other way than those of the classical clip.", "name": "fig-sound-metal"}, "image": {"alt": "Four panels for the synthetic metal clip: waveform, mel spectrogram, chromagram, and bars of its 68 standardised features in seven groups."}}
anatomy.anatomy_figure(clips["metal"], values["metal"], tracks.features)

# %% [markdown]
# The table gives the 68 numbers of all ten clips, each in its own unit. The
# tempo in its last row is only an estimate: clips of different tempo can get
# the same number.

# %%
anatomy.number_table(values)

# %% [markdown]
# ## The fast way
# The recipe above computes the spectrum anew for each feature that needs it. Tables of a
# thousand tracks are made by `musicbook.corpus.fast_features`, which computes
# it once ([Performance](../book/performance.md) says what that saves). On the
# blues clip the two agree:

# %%
fast = fast_features.extract_clip(clips["blues"])
anatomy.block_differences(fast, values["blues"])

# %% [markdown]
# ## Exercise
# Play the disco clip backwards. How many of its 68 numbers change clearly?
# Call a change clear if it is larger than half the standard deviation which
# that number has over real tracks.

# %% tags=["hide-cell"] mystnb={"code_prompt_show": "Show the answer", "code_prompt_hide": "Hide the answer"}
backwards = clips["disco"][::-1].copy()
change = features.extract(backwards) - values["disco"]
in_deviations = abs(change / tracks.features.std())
print(
    f"{(in_deviations > 0.5).sum()} of {len(change)} numbers change clearly:"
)
print("an average does not know the order of what it averages")
assert (in_deviations > 0.5).sum() == 0
players.play({"forwards": clips["disco"], "backwards": backwards})

# %% [markdown]
# ## Summary
# - The 68 numbers sum up a whole sound: how bright, how rough, which
#   pitches, how fast. They hold no melody, no words and no order of events.
# - To a model that gets only these numbers, two songs with the same numbers are
#   the same, however different they sound. That limits what any *clustering*, a search for groups of similar
#   songs, can find.
#
# Code: `helpers.features`, `musicbook.corpus.fast_features`,
# `musicbook.corpus.synth`, `musicbook.chapters.sound`
# ([API](../book/api.md)). Next: [the audio baseline](01_audio_baseline.ipynb)
# asks whether a neural network finds better groups in these numbers than a
# simpler method.
