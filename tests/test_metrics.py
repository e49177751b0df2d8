"""Scores against closed forms and cases counted by hand."""

import numpy as np
import pytest

from helpers import metrics

GENRES = np.repeat(np.arange(10), 99)


def thirds(genres):
    """Three equal pure clusters per genre."""
    return genres * 3 + np.arange(len(genres)) % 3


@pytest.mark.parametrize("size", [30, 99])
def test_thirty_pure_clusters_give_the_closed_form(size):
    genres = np.repeat(np.arange(10), size)
    found = metrics.external(genres, thirds(genres))
    assert found["nmi"] == pytest.approx(metrics.equal_pure_clusters(10, 3), abs=1e-9)
    assert found["nmi"] == pytest.approx(0.80739, abs=1e-5)
    assert found["ari"] == pytest.approx({30: 0.448, 99: 0.466}[size], abs=1e-3)
    assert found["purity"] == 1.0
    assert found["accuracy"] == pytest.approx(1 / 3)
    assert found["v_measure"] == pytest.approx(found["nmi"])


def test_the_papers_dbscan_row_is_arithmetic():
    # 971 tracks kept, 28 noise, thirty pure clusters that differ in size by what the noise took away
    genres = np.delete(np.repeat(np.arange(10), 100), 554)  # jazz.00054 does not decode
    labels = genres * 3 + np.concatenate([np.arange((genres == g).sum()) % 3 for g in range(10)])
    labels[np.random.default_rng(0).choice(999, 28, replace=False)] = -1
    found = metrics.scores(labels, np.random.default_rng(1).normal(size=(999, 2)), genres=genres)
    assert found["nmi"] == pytest.approx(0.807441, abs=2e-3)
    assert found["ari"] == pytest.approx(0.466456, abs=2e-2)
    assert (found["k"], found["noise_share"]) == (30, pytest.approx(28 / 999))


def test_purity_and_accuracy_by_hand():
    genres = np.array(["a", "a", "a", "b", "b", "c"])
    labels = np.array([0, 0, 1, 1, 1, 1])
    assert metrics.purity(genres, labels) == pytest.approx(4 / 6)  # two a in cluster 0, two b in cluster 1
    assert metrics.hungarian_accuracy(genres, labels) == pytest.approx(4 / 6)
    table = metrics.confusion(genres, labels)
    assert table.loc["a"].tolist() == [2, 1] and table.loc["c"].tolist() == [0, 1]


def test_chance_levels():
    genres = np.delete(np.repeat(np.arange(10), 100), 554)
    assert metrics.chance(genres, 10) == pytest.approx(0.018, abs=1e-3)
    assert metrics.chance(genres, 30) == pytest.approx(0.051, abs=2e-3)


def test_noise_is_counted_three_ways():
    genres = np.array([0] * 4 + [1] * 4)
    labels = np.array([0, 0, 0, -1, 1, 1, 1, -1])
    X = np.column_stack([genres * 10.0, np.arange(8)])
    found = metrics.scores(labels, X, genres=genres)
    assert found["nmi"] == 1.0 and found["noise_share"] == 0.25 and found["n"] == 8
    assert metrics.singletons(labels).tolist() == [0, 0, 0, 2, 1, 1, 1, 3]
    one = metrics.external(genres, labels)
    assert found["nmi_noise_cluster"] == pytest.approx(one["nmi"]) and one["nmi"] < 1
    assert found["purity_noise_singletons"] == 1.0 and found["purity_noise_cluster"] == pytest.approx(7 / 8)


@pytest.mark.parametrize("labels", [np.zeros(6, int), np.arange(6), np.full(6, -1)])
def test_undefined_geometry_is_nan_never_zero(labels):
    found = metrics.scores(labels, np.random.default_rng(0).normal(size=(6, 3)), genres=np.array([0, 0, 0, 1, 1, 1]))
    assert all(np.isnan(found[name]) for name in ("silhouette", "calinski_harabasz", "davies_bouldin"))


def test_no_genres_no_external_scores():
    found = metrics.scores(np.array([0, 0, 1, 1]), np.eye(4), common=np.eye(4))
    assert "nmi" not in found and "silhouette_common" in found


def test_intervals_hold_the_score_and_narrow_with_data():
    rng = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        genres = np.arange(n) % 4
        labels = np.where(rng.random(n) < 0.6, genres, rng.integers(0, 4, n))
        low, high = metrics.bootstrap(genres, [labels], n_resamples=200)
        assert low < metrics.external(genres, labels)["nmi"] < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


def test_segments_of_a_track_widen_the_interval():
    tracks = np.repeat(np.arange(40), 25)
    genres = tracks % 4
    labels = np.where(np.random.default_rng(0).random(40) < 0.6, np.arange(40) % 4, 0)[tracks]
    wide = metrics.bootstrap(genres, [labels], groups=tracks, n_resamples=200)
    narrow = metrics.bootstrap(genres, [labels], n_resamples=200)
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_paired_difference_of_equal_labellings_is_zero():
    genres = np.arange(200) % 4
    noisy = [np.where(np.random.default_rng(s).random(200) < 0.5, genres, 0) for s in (0, 1)]
    point, low, high = metrics.paired_bootstrap(genres, noisy, noisy, n_resamples=200)
    assert point == 0 and low <= 0 <= high
    better, low, _ = metrics.paired_bootstrap(genres, [genres, genres], noisy, n_resamples=200)
    assert better > 0.4 and low > 0
