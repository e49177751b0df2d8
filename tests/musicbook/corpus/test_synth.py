"""The synthesiser: ten styles, seeds, and the demo data set made with it."""

import numpy as np
import pytest

from helpers import store
from musicbook.corpus import sources, synth
from musicbook.corpus.fast_features import extract_clip


def test_ten_styles_named_like_the_genres():
    assert sorted(synth.STYLES) == sources.load("gtzan-mini-tracks").genre_names
    for style in synth.STYLES.values():
        assert all(
            len(p) == 16 and set(p) <= {"x", "."}
            for p in (style.kick, style.snare, style.hat, style.bass, style.comp)
        )


@pytest.mark.parametrize("style", sorted(synth.STYLES))
def test_clip(style):
    y = synth.clip(style, seed=5, seconds=3.0, sr=16000)
    assert y.shape == (48000,) and y.dtype == np.float32 and np.isfinite(y).all()
    assert 0.45 < np.abs(y).max() <= 0.9 and y.std() > 0.01
    np.testing.assert_array_equal(y, synth.clip(style, seed=5, seconds=3.0, sr=16000))
    assert np.abs(y - synth.clip(style, seed=6, seconds=3.0, sr=16000)).max() > 0.1


def test_tempo_is_that_of_the_style():
    low, high = synth.STYLES["pop"].tempo
    for seed in range(3):
        tempo = extract_clip(synth.clip("pop", seed=seed, seconds=15.0, spread=0.0))[-1]
        assert low * 0.97 <= tempo <= high * 1.03


def test_clip_refuses():
    with pytest.raises(ValueError, match="no style 'polka'"):
        synth.clip("polka", seed=0)
    with pytest.raises(ValueError, match="too short"):
        synth.clip("jazz", seed=0, seconds=0.01)


def test_demo_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    tracks = synth.demo(per_style=2, seconds=2.0)
    assert (
        tracks.n == 20
        and tracks.genre_names == sorted(synth.STYLES)
        and "synthetic" in tracks.provenance["note"]
    )
    before = store.cache_report()["misses"]
    again = synth.demo(per_style=2, seconds=2.0)
    assert store.cache_report()["misses"] == before
    np.testing.assert_array_equal(again.features.to_numpy(), tracks.features.to_numpy())
