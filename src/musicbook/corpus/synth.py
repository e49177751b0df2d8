"""Licence-clean music from seeds: a small NumPy synthesiser with ten styles, for tests, players and
the "demo" data.

A "genre" here is the template of a style (tempo, drums, progression, bass, comping, timbre), so
what holds for these clips need not hold for real music.  `spread` blurs the styles: each part of
the template is taken from another style with that probability.  Used by `sources.load("demo")`."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from helpers.tracks import Tracks

SPREAD = 0.35  # about as hard to cluster as GTZAN
BASS = (1, 0.5, 0.25, 0.1)  # loudness of its harmonics
PER_STYLE, SECONDS = 20, 10.0  # the demo: clips of each style, and how long they are


@dataclass(frozen=True)
class Style:
    """A template.  Patterns have 16 steps a bar, "x" sounds; chords are (semitones above the tonic,
    intervals)."""

    tempo: tuple[float, float]  # beats per minute, lowest and highest
    kick: str
    snare: str
    hat: str
    bass: str
    comp: str
    chords: tuple[tuple[int, tuple[int, ...]], ...]
    harmonics: tuple[float, ...]  # amplitudes of the comping voice's partials
    decay: float  # seconds for the comping voice to fall to 1/e
    swing: float = 0.0  # delay of every second step, as a share of a step
    drive: float = 0.0  # distortion
    drums: float = 1.0  # level
    octave: int = 0  # of the comping voice


MAJOR, MINOR, SEVENTH, MINOR7, MAJOR7, FIFTH = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 4, 7, 10),
    (0, 3, 7, 10),
    (0, 4, 7, 11),
    (0, 7, 12),
)
REST = "." * 16

STYLES: dict[str, Style] = {
    "blues": Style(
        (70, 100),
        "x.......x.......",
        "....x.......x...",
        "x.xxx.xxx.xxx.xx",
        "x...x...x...x...",
        "x.......x.x.....",
        ((0, SEVENTH), (0, SEVENTH), (5, SEVENTH), (0, SEVENTH), (7, SEVENTH), (5, SEVENTH)),
        (1, 0.7, 0.5, 0.3, 0.2, 0.1),
        0.6,
        swing=0.33,
        drive=1.5,
        drums=0.7,
    ),
    "classical": Style(
        (60, 110),
        REST,
        REST,
        REST,
        "x.......x.......",
        "x.x.x.x.x.x.x.x.",
        ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)),
        (1, 0.4, 0.2, 0.05),
        1.5,
        drums=0.0,
        octave=1,
    ),
    "country": Style(
        (95, 130),
        "x.......x.......",
        "....x.......x...",
        "..x...x...x...x.",
        "x.......x.......",
        "....x..x....x..x",
        ((0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MAJOR)),
        (1, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2),
        0.25,
        drums=0.5,
        octave=1,
    ),
    "disco": Style(
        (115, 128),
        "x...x...x...x...",
        "....x.......x...",
        "..x...x...x...x.",
        "x.x.x.x.x.x.x.x.",
        "..x..x..x..x..x.",
        ((9, MINOR7), (5, MAJOR7), (0, MAJOR), (7, MAJOR)),
        (1, 0.6, 0.5, 0.4, 0.3, 0.2),
        0.2,
        drums=1.2,
    ),
    "hiphop": Style(
        (80, 98),
        "x..x..x...x.....",
        "....x.......x..x",
        "x.x.x.x.x.x.xxx.",
        "x..x......x.....",
        "x...............",
        ((0, MINOR7), (8, MAJOR7)),
        (1, 0.3, 0.1),
        0.9,
        swing=0.2,
        drums=1.6,
    ),
    "jazz": Style(
        (120, 190),
        "x...............",
        "........x......x",
        "x...x.x.x...x.x.",
        "x...x...x...x...",
        "...x......x.....",
        ((2, MINOR7), (7, SEVENTH), (0, MAJOR7), (9, SEVENTH)),
        (1, 0.35, 0.25, 0.1),
        0.5,
        swing=0.33,
        drums=0.4,
    ),
    "metal": Style(
        (130, 180),
        "xxx.xxx.xxx.xxx.",
        "....x.......x...",
        "x.x.x.x.x.x.x.x.",
        "x.xxx.xxx.xxx.xx",
        "x.xxx.xxx.xxx.xx",
        ((0, FIFTH), (1, FIFTH), (0, FIFTH), (8, FIFTH)),
        (1, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3),
        0.3,
        drive=8.0,
        drums=1.3,
        octave=-1,
    ),
    "pop": Style(
        (98, 124),
        "x.....x.x.......",
        "....x.......x...",
        "x.x.x.x.x.x.x.x.",
        "x.....x.x.....x.",
        "x...x...x...x...",
        ((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)),
        (1, 0.5, 0.3, 0.3, 0.1),
        0.7,
    ),
    "reggae": Style(
        (66, 84),
        "........x.......",
        "........x.......",
        "x.x.x.x.x.x.x.x.",
        "x..x..x...x.x...",
        "....x.......x...",
        ((0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MINOR)),
        (1, 0.6, 0.3, 0.2),
        0.12,
        swing=0.15,
        drums=0.8,
    ),
    "rock": Style(
        (108, 140),
        "x.....x.x.x.....",
        "....x.......x...",
        "x.x.x.x.x.x.x.x.",
        "x.x.x.x.x.x.x.x.",
        "x.x.x.x.x.x.x.x.",
        ((0, FIFTH), (5, FIFTH), (10, FIFTH), (7, FIFTH)),
        (1, 0.8, 0.6, 0.5, 0.3, 0.2),
        0.4,
        drive=4.0,
    ),
}


def clip(
    style: str, seed: int, seconds: float = 10.0, sr: int = 22050, spread: float = SPREAD
) -> np.ndarray:
    """Compose and render a clip.

    `seconds` long at `sr` Hz; the same arguments give the same clip (up to the rounding of the
    numpy version). Returns (seconds * sr,) float32, peak at most 0.9.  Raises ValueError for an
    unknown style or a length below 0.1 s."""
    if style not in STYLES:
        raise ValueError(f"no style {style!r}; there are: {', '.join(STYLES)}")
    if not seconds >= 0.1:
        raise ValueError(f"a clip of {seconds} s is too short: 0.1 s at least")
    rng = np.random.default_rng([sorted(STYLES).index(style), seed])
    s = _blurred(STYLES[style], spread, rng)
    n = round(seconds * sr)
    step = 60.0 / rng.uniform(*s.tempo) / 4  # seconds
    tonic = 36 + int(rng.integers(12))  # MIDI note
    out = np.zeros(n + 4 * sr, np.float64)  # room for the last notes to ring
    start = int(rng.integers(len(s.chords)))
    humanise = rng.uniform(0.002, 0.012)
    drums = {"kick": _kick(sr), "snare": _snare(sr, rng), "hat": _hat(sr, rng)}
    fills = rng.random((int(seconds / step) // 16 + 1, 3)) < 0.15  # now and then a bar gains a hit

    for i in range(int(seconds / step)):
        bar, at = divmod(i, 16)
        when = (i + (s.swing if i % 2 else 0.0)) * step + abs(rng.normal(0.0, humanise))
        position = int(when * sr)
        root, intervals = s.chords[(start + bar) % len(s.chords)]
        for k, (name, level) in enumerate((("kick", 0.9), ("snare", 0.5), ("hat", 0.25))):
            if s.drums and (getattr(s, name)[at] == "x" or (fills[bar, k] and at == 14)):
                _add(out, position, drums[name], level * s.drums * rng.uniform(0.8, 1.1))
        if s.bass[at] == "x":
            note = (
                tonic
                + root
                + (intervals[int(rng.integers(len(intervals)))] if rng.random() < 0.4 else 0)
            )
            _add(out, position, _note(BASS, note, 3.0 * step, 0.4, sr), 0.5)
        if s.comp[at] == "x":
            for interval in intervals:
                note = tonic + 24 + 12 * s.octave + root + interval
                _add(
                    out,
                    position,
                    _note(s.harmonics, note, 3.0 * s.decay, s.decay, sr),
                    0.22 * rng.uniform(0.8, 1.1),
                )
    out = out[:n]
    if s.drive:
        out = np.tanh(s.drive * out) / np.tanh(s.drive)
    out += rng.normal(0.0, 10 ** rng.uniform(-4.5, -3.0), n)  # the hiss of a recording
    return (out * (rng.uniform(0.5, 0.9) / np.abs(out).max())).astype(np.float32)


def demo(per_style: int = PER_STYLE, seconds: float = SECONDS, spread: float = SPREAD) -> Tracks:
    """The "demo" tracks: `per_style` synthetic clips of each style and their features, computed
    once."""
    import pandas as pd

    from helpers.features import FEATURES
    from helpers.store import remember_many
    from musicbook.corpus.feature_tables import from_table

    items = [(style, i, seconds, spread) for style in sorted(STYLES) for i in range(per_style)]
    made = remember_many([(_features_of, *item) for item in items], n_jobs=1, title="demo")
    rows = [
        [f"{style}.{i:05d}", style, *found["features"]]
        for (style, i, *_), found in zip(items, made, strict=True)
    ]
    table = pd.DataFrame(rows, columns=["track_id", "genre", *FEATURES])
    source = f"musicbook.corpus.synth, {seconds:g} s, spread {spread:g}"
    return from_table(table, "demo", source=source, note="synthetic audio")


def _features_of(style: str, seed: int, seconds: float, spread: float) -> dict[str, np.ndarray]:
    from musicbook.corpus.fast_features import extract_clip

    return {"features": extract_clip(clip(style, seed, seconds, spread=spread))}


def _blurred(style: Style, spread: float, rng: np.random.Generator) -> Style:
    others = list(STYLES.values())
    change = {}
    for f in fields(Style):
        other = others[int(rng.integers(len(others)))]
        if rng.random() < spread:
            change[f.name] = getattr(other, f.name)
    return replace(style, **change)


def _add(out: np.ndarray, position: int, sound: np.ndarray, level: float) -> None:
    part = out[position : position + len(sound)]
    part += level * sound[: len(part)]


@lru_cache(maxsize=64)
def _wave(harmonics: tuple[float, ...]) -> np.ndarray:
    """(harmonics, 4096): one period of each partial, so that those above the Nyquist frequency can
    be left out."""
    phase = 2 * np.pi * np.arange(4096) / 4096
    return np.stack([a * np.sin(phase * (h + 1)) for h, a in enumerate(harmonics)])


@lru_cache(maxsize=64)  # a clip plays the same few notes again and again
def _note(
    harmonics: tuple[float, ...], midi: int, seconds: float, decay: float, sr: int
) -> np.ndarray:
    """One note, (seconds * sr,), at most two seconds. It is shared: nothing may write into it."""
    wave = _wave(harmonics)
    frequency = 440.0 * 2.0 ** ((midi - 69) / 12)
    audible = max(1, int(0.45 * sr / frequency))
    t = np.arange(max(1, int(min(seconds, 2.0) * sr)))
    period = wave[:audible].sum(axis=0)
    envelope = np.exp(-t / (decay * sr)) * np.minimum(1.0, t / (0.004 * sr))
    envelope *= np.minimum(1.0, (len(t) - t) / (0.01 * sr))  # no click at the end
    return period[(t * (4096 * frequency / sr)).astype(np.int64) % 4096] * envelope


@lru_cache(maxsize=8)
def _kick(sr: int) -> np.ndarray:
    t = np.arange(int(0.25 * sr)) / sr
    return np.sin(2 * np.pi * (45 * t + 4.0 * (1 - np.exp(-t / 0.03)))) * np.exp(-t / 0.08)


def _snare(sr: int, rng: np.random.Generator) -> np.ndarray:
    t = np.arange(int(0.2 * sr)) / sr
    return 0.5 * np.sin(2 * np.pi * 190 * t) * np.exp(-t / 0.04) + 0.6 * rng.normal(
        size=len(t)
    ) * np.exp(-t / 0.05)


def _hat(sr: int, rng: np.random.Generator) -> np.ndarray:
    t = np.arange(int(0.06 * sr)) / sr
    return np.diff(rng.normal(size=len(t) + 1)) * np.exp(-t / 0.015)
