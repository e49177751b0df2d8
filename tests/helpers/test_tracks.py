"""Tracks whose rows are pieces: what is averaged, and that no method sees two pieces of one
song."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from helpers import clustering, inputs, phases
from helpers.protocols import PROTOCOLS
from musicbook.corpus import sources


@pytest.fixture(scope="module")
def thirds():
    return sources.load("gtzan-mini-thirds")


def shuffled(tracks, seed=0):
    """The same pieces in another order."""
    return tracks.rows(np.random.default_rng(seed).permutation(tracks.n))


def test_a_whole_track_is_the_mean_of_its_pieces_in_any_order(thirds):
    whole = thirds.whole()
    assert whole.n == 100 and whole.start_s is None and whole.whole() is whole
    assert (whole.ids == sources.load("gtzan-mini-tracks").ids).all()
    mixed = shuffled(thirds)
    means = mixed.features.groupby(mixed.track_ids, sort=False).mean()
    assert (mixed.whole().ids == means.index).all() and (mixed.ids != thirds.ids).any()
    np.testing.assert_allclose(mixed.whole().features, means, rtol=1e-12)
    genres = pd.Series(mixed.genres, mixed.track_ids).groupby(level=0).first()
    assert (mixed.whole().genres == genres[mixed.whole().ids]).all()


def test_thirds_are_pieces_of_the_tracks_that_they_name(thirds):
    """The mean of the thirds lies nearer to the whole track's own features than to any other's."""
    own = sources.load("gtzan-mini-tracks").features.to_numpy()
    scale = own.std(axis=0)
    distances = np.linalg.norm((thirds.whole().features.to_numpy()[:, None] - own) / scale, axis=2)
    assert (distances.argmin(axis=1) == np.arange(100)).all()


def test_whole_tracks_are_left_as_they_are():
    tracks = sources.load("gtzan-mini-tracks")
    values = np.ones((100, 3), np.float32)
    assert tracks.whole() is tracks and tracks.track_means(values) is values


def test_no_method_sees_two_pieces_of_one_track(thirds, monkeypatch, tmp_path):
    """Every call of a clustering, an eps rule or UMAP, in every phase, has one row a track."""
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    small = {
        name: recipe.but(hidden=(8,), latent=3, epochs=1, anneal="none")
        for name, recipe in PROTOCOLS["controlled"].recipes.items()
    }
    protocol = replace(PROTOCOLS["controlled"], recipes=small)
    monkeypatch.setitem(PROTOCOLS, "controlled", protocol)
    calls = []

    def watched(name, real):
        def call(X, *arguments, **options):
            calls.append((name, len(X)))
            return real(X, *arguments, **options)

        return call

    monkeypatch.setattr(clustering, "cluster", watched("cluster", clustering.cluster))
    monkeypatch.setattr(clustering, "dbscan_eps", watched("eps", clustering.dbscan_eps))
    monkeypatch.setattr(phases, "umap_embedding", watched("umap", phases.umap_embedding))
    tracks = shuffled(thirds)
    for phase in (1, 2, 3):
        run = phases.run_phase(
            tracks, "controlled", phase, 1, extras=["spaces", "baselines"], n_jobs=1
        )
        assert run.tracks.n == 100 and run.inputs[0].X.shape[0] == 300
        for points in run.spaces[0].values():
            assert len(points) == 100
    phases.run_controls(tracks, "controlled", 2, 1, ["full", "audio alone"])
    assert {name for name, _ in calls} == {"cluster", "eps", "umap"}
    assert {rows for _, rows in calls} == {100}


def test_the_input_of_a_track_is_the_mean_of_what_was_fed(thirds):
    made = inputs.prepare(thirds, "controlled", 1)
    spaces = phases.spaces(thirds, PROTOCOLS["controlled"], 3, made.X, {}, 0, ["spaces"])
    expected = made.X.reshape(100, 3, -1).mean(axis=1)
    np.testing.assert_allclose(spaces["Input + K-Means"].points, expected, atol=1e-12)
    # principal components are linear: those of the means are the means of the components
    centred = expected - expected.mean(axis=0)
    points = spaces["PCA + K-Means"].points
    assert np.linalg.matrix_rank(np.hstack([centred, points]), tol=1e-6) == 68
