"""Fusion by hand, and the two guards on planted leaks and on clean data."""

import numpy as np
import pytest

from helpers import datasets, inputs, lyrics
from helpers.inputs import ModelInput as Inputs

GENRES = np.repeat([f"g{i}" for i in range(5)], 40)
CODES = np.repeat(np.arange(5), 40)


def made(text=None, audio=None, seed=0):
    """An input table with clean audio and, if given, a text block."""
    audio = np.random.default_rng(seed).normal(size=(200, 6)) + CODES[:, None] * 0.3 if audio is None else audio
    blocks = {"audio": audio} | ({} if text is None else {"text": text})
    X, columns = inputs.fuse(blocks, dict.fromkeys(blocks, 1.0))
    return Inputs(X, columns, CODES)


def test_fuse_keeps_the_ratio_of_the_weights_and_unit_variance():
    rng = np.random.default_rng(0)
    X, blocks = inputs.fuse(
        {"audio": rng.normal(3, 9, (50, 4)), "text": rng.normal(size=(50, 2))}, {"audio": 0.6, "text": 0.4}
    )
    assert blocks == {"audio": slice(0, 4), "text": slice(4, 6)}
    assert X.var(axis=0).mean() == pytest.approx(1.0)
    assert X[:, 0].std() / X[:, 5].std() == pytest.approx(1.5)
    Z, _ = inputs.fuse({"audio": X[:, :4], "text": X[:, 4:]}, {"audio": 0.6, "text": 0.4}, restandardise=True)
    np.testing.assert_allclose(Z.std(axis=0), 1.0)


def test_fuse_refuses_bad_blocks():
    with pytest.raises(ValueError, match="different numbers of rows"):
        inputs.fuse({"audio": np.zeros((3, 2)), "text": np.zeros((4, 2))}, {"audio": 1.0, "text": 1.0})
    with pytest.raises(ValueError, match="'text' needs a weight"):
        inputs.fuse({"text": np.zeros((3, 2))}, {"audio": 1.0})


def test_reduce_text_keeps_what_is_asked():
    V = np.random.default_rng(0).normal(size=(100, 20)) * np.linspace(5, 0.1, 20)
    few, kept = inputs.reduce_text(V, 0.95)
    assert few.shape[1] < 20 and 0.95 <= kept < 1
    assert inputs.reduce_text(V, 5)[0].shape == (100, 5)
    assert inputs.reduce_text(V, None) == (pytest.approx(V), 1.0)


def test_clean_data_pass_the_leak_guard():
    real = np.random.default_rng(1).normal(size=(200, 16)) + 0.5 * CODES[:, None]  # tells genres apart, not perfectly
    assert inputs.leak_guard(made(real), GENRES) == []


@pytest.mark.parametrize(
    ("leak", "words"),
    [
        ("one-hot", "constant within every genre"),
        ("template", "without one error"),
        ("constant", "repeats itself within a genre"),
        ("noisy constant", "without one error: g0, g1"),
        ("row order", "sort the tracks by genre"),
    ],
)
def test_planted_leaks_are_found(leak, words):
    rng = np.random.default_rng(0)
    sentences = rng.normal(size=(15, 16))
    text = rng.normal(size=(200, 16))
    audio = None
    if leak == "one-hot":
        text = np.eye(5)[CODES]
    elif leak == "template":
        text = sentences[CODES * 3 + np.arange(200) % 3] + rng.normal(0, 0.05, (200, 16))
    elif leak == "constant":
        text[CODES < 2] = sentences[CODES[CODES < 2]]
    elif leak == "noisy constant":
        text[CODES < 2] = sentences[CODES[CODES < 2]] * 3 + rng.normal(0, 0.02, ((CODES < 2).sum(), 16))
    else:
        audio = np.column_stack([rng.normal(size=(200, 5)), np.arange(200)])
    assert any(words in sentence for sentence in inputs.leak_guard(made(text, audio), GENRES))


def test_shared_texts_of_segments_are_no_leak():
    groups = np.repeat(np.arange(40), 5)
    text = np.random.default_rng(0).normal(size=(40, 16))[groups]
    assert inputs.leak_guard(made(text), GENRES, groups) == []


@pytest.mark.parametrize("phase", [2, 3])
def test_the_released_inputs_leak_and_their_weights_cancel(phase):
    tracks = datasets.load("gtzan-mini")
    assert inputs.prepare(tracks, "released", phase).leaky and not inputs.weights_survive(tracks, "released", phase)
    assert not inputs.prepare(tracks, "controlled", phase).leaky and inputs.weights_survive(tracks, "controlled", phase)


def test_input_sizes_of_the_protocols():
    tracks = datasets.load("gtzan-mini")
    width = {
        (p, phase): inputs.prepare(tracks, p, phase, guard=False).X.shape[1]
        for p in ("written", "released")
        for phase in (1, 2, 3)
    }
    assert width == {("written", 1): 68, ("written", 2): 100, ("written", 3): 100,
                     ("released", 1): 68, ("released", 2): 452, ("released", 3): 462}  # fmt: skip


def test_variants_feed_what_they_say():
    tracks = datasets.load("gtzan-mini-tracks")
    for variant, names in {"audio alone": {"audio"}, "lyrics alone": {"text"}, "one-hot removed": {"audio", "text"},
                           "one-hot alone": {"label"}, "real lyrics": {"audio", "text", "label"}}.items():  # fmt: skip
        assert set(inputs.prepare(tracks, "released", 3, variant=variant).blocks) == names
    full, shuffled = (inputs.prepare(tracks, "controlled", 2, variant=v) for v in ("full", "lyrics shuffled"))
    np.testing.assert_array_equal(full.X[:, full.blocks["audio"]] != 0, shuffled.X[:, full.blocks["audio"]] != 0)
    assert not np.allclose(full.X[:, full.blocks["text"]], shuffled.X[:, full.blocks["text"]])


def test_a_leak_is_refused_under_controlled(monkeypatch):
    tracks = datasets.load("gtzan-mini-tracks")
    template = lyrics.template(tracks.genres, seed=0, noise=0.0)
    monkeypatch.setattr(lyrics, "matched", lambda genres, seed, groups: (template, None))
    with pytest.raises(ValueError, match="leak guard refuses"):
        inputs.prepare(tracks, "controlled", 2)


def test_errors():
    tracks = datasets.load("gtzan-mini-tracks")
    with pytest.raises(ValueError, match="no phase 4"):
        inputs.prepare(tracks, "controlled", 4)
    with pytest.raises(ValueError, match="no variant 'loud'"):
        inputs.prepare(tracks, "controlled", 2, variant="loud")


def test_music_without_labels_or_lyrics_is_audio_alone():
    tracks = datasets.load("gtzan-mini-tracks")
    bare = datasets.Tracks("mine", tracks.ids, None, tracks.groups, tracks.features)
    assert set(inputs.prepare(bare, "controlled", 2).blocks) == {"audio"}
    with pytest.raises(ValueError, match="has no genres"):
        inputs.prepare(bare, "released", 2)
    with pytest.raises(ValueError, match="has no genres, which protocol 'released'|has no genres, from which"):
        inputs.prepare(bare, "released", 3)
