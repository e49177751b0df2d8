"""Scores against closed forms and cases counted by hand."""

import math
import time
from fractions import Fraction

import numpy as np
import pytest
from sklearn import metrics as sk

from bench import intervals
from helpers import metrics
from helpers.clustering import cluster
from leakaudit.leaks import permuted

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
    # 971 tracks kept, 28 noise, thirty pure clusters that differ in size by what the noise took
    # away
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
    assert float(metrics.purity(metrics.counts(genres, labels))) == pytest.approx(
        4 / 6
    )  # two a in 0, two b in 1
    assert float(metrics.accuracy(metrics.counts(genres, labels))) == pytest.approx(4 / 6)
    table = metrics.confusion(genres, labels)
    assert table.loc["a"].tolist() == [2, 1] and table.loc["c"].tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_counts_are_those_of_scikit_learn(seed):
    rng = np.random.default_rng(seed)
    genres, labels = rng.integers(6, size=300), rng.integers(1 + 3 * seed, size=300)
    labels = np.where(rng.random(300) < 0.4, genres, labels)
    found = metrics.external(genres, labels)
    for name, score in {
        "nmi": sk.normalized_mutual_info_score,
        "ari": sk.adjusted_rand_score,
        "ami": sk.adjusted_mutual_info_score,
        "v_measure": sk.v_measure_score,
    }.items():
        assert found[name] == pytest.approx(score(genres, labels), abs=1e-12)
    stacked = np.stack([metrics.counts(genres, labels)] * 2)
    for name, metric in metrics.METRICS.items():
        if metric.of_table:
            np.testing.assert_allclose(metric.of_table(stacked), found[name])


def exact_expected_information(table):
    """The expectation in fractions, summed without rounding, pair by pair and value by value."""
    table = table.astype(int)
    n = int(table.sum())
    terms = []
    for a in map(int, table.sum(1)):
        for b in map(int, table.sum(0)):
            for k in range(max(1, a + b - n), min(a, b) + 1):
                share = Fraction(k * math.comb(b, k) * math.comb(n - b, a - k), n * math.comb(n, a))
                terms.append(float(share) * math.log(n * k / (a * b)))
    return math.fsum(terms)


def test_the_expected_information_is_the_exact_one_for_all_tables_at_once():
    """Empty genres and clusters, tables of other sizes, and one that is a single cell."""
    rng = np.random.default_rng(0)
    tables = np.stack([rng.multinomial(n, np.ones(12) / 12) for n in (1, 5, 60, 300)])
    tables = tables.reshape(2, 2, 3, 4).astype(float)
    tables[0, 1, 0] = 0
    ours = metrics.expected_mutual_information(tables)
    exact = [exact_expected_information(table) for table in tables.reshape(-1, 3, 4)]
    np.testing.assert_allclose(ours.ravel(), exact, atol=1e-14)
    skewed = metrics.counts(np.repeat([0, 1, 2], [3970, 20, 10]), np.arange(4000) % 7)
    assert metrics.expected_mutual_information(skewed) == pytest.approx(
        exact_expected_information(skewed), abs=1e-13
    )


def test_an_interval_of_ami_costs_what_its_rows_cost():
    """Ten times the rows, about ten times the CPU seconds, as with the other scores."""

    def seconds(n: int) -> float:
        rng = np.random.default_rng(0)
        genres = rng.integers(10, size=n)
        labels = np.where(rng.random(n) < 0.3, genres, rng.integers(10, size=n))
        began = time.process_time()
        metrics.bootstrap(genres, [labels], "ami", n_resamples=50)
        return time.process_time() - began

    seconds(1000)  # what is slow once
    assert seconds(100_000) < 30 * seconds(10_000)


@pytest.mark.parametrize(
    ("genres", "labels"), [([0, 0, 0], [1, 1, 1]), ([0, 1, 2], [0, 0, 0]), ([0, 0, 1], [0, 1, 2])]
)
def test_scores_of_tables_without_a_split(genres, labels):
    found = metrics.external(np.array(genres), np.array(labels))
    assert found["nmi"] == pytest.approx(sk.normalized_mutual_info_score(genres, labels), abs=1e-12)
    assert found["ari"] == pytest.approx(sk.adjusted_rand_score(genres, labels), abs=1e-12)
    assert found["ami"] == pytest.approx(sk.adjusted_mutual_info_score(genres, labels), abs=1e-9)


def test_chance_levels():
    genres = np.delete(np.repeat(np.arange(10), 100), 554)
    for k, nmi in ((10, 0.018), (30, 0.051)):
        found = metrics.chance(genres, np.arange(999) % k, n_draws=200)
        assert found["nmi"] == pytest.approx(nmi, abs=2e-3) and 0.1 < found["purity"] < 0.3


def test_chance_permutes_whole_tracks():
    """Ten segments share a track and its cluster: clusters of tracks that know nothing of genre
    still score high."""
    tracks = np.repeat(np.arange(100), 10)
    genres, labels = tracks // 10, np.random.default_rng(0).integers(10, size=100)[tracks]
    by_row, by_track = (metrics.chance(genres, labels, groups)["nmi"] for groups in (None, tracks))
    own = metrics.external(genres, labels)["nmi"]
    assert by_row < 0.03 and abs(by_track - own) < 0.05 and by_track > 0.12
    found = metrics.scores(
        labels, np.eye(1000)[:, :3] + tracks[:, None], genres=genres, groups=tracks
    )
    assert found["nmi_chance"] == pytest.approx(by_track, abs=0.02) and abs(found["ami"]) < 0.06
    assert (
        metrics.external(genres, labels)["ami"] > 0.1
    )  # what rows on their own would have claimed


def test_a_code_without_the_genre_can_lie_below_chance():
    """Page "Advanced VAEs" says so: with the middle of every genre at one place, clusters share out
    the tracks of a genre more evenly than random groups do."""
    genres = np.repeat(np.arange(10), 10)
    gaps = []
    for seed in range(5):
        code = np.random.default_rng(seed).normal(size=(100, 31))
        middles = np.stack([code[genres == genre].mean(axis=0) for genre in range(10)])
        labels = cluster(code - middles[genres], "kmeans", 10, seed, n_init=3)
        own = metrics.external(genres, labels)["nmi"]
        gaps.append(own - metrics.chance(genres, labels)["nmi"])
    assert max(gaps) < 0 and np.mean(gaps) < -0.03


def test_permuted_groups_stay_together_whatever_their_size():
    groups = np.array(["a", "b", "a", "c", "c", "c"])
    genres = np.array([0, 1, 0, 2, 3, 2])
    for drawn in permuted(genres, groups, 20, seed=0):
        assert drawn[0] == drawn[2] or {drawn[0], drawn[2]} == {2, 3}
        assert set(drawn) <= set(genres)


def test_noise_is_counted_three_ways():
    genres = np.array([0] * 4 + [1] * 4)
    labels = np.array([0, 0, 0, -1, 1, 1, 1, -1])
    X = np.column_stack([genres * 10.0, np.arange(8)])
    found = metrics.scores(labels, X, genres=genres)
    assert found["nmi"] == 1.0 and found["noise_share"] == 0.25 and found["n"] == 8
    assert metrics.singletons(labels).tolist() == [0, 0, 0, 2, 1, 1, 1, 3]
    one = metrics.external(genres, labels)
    assert found["nmi_noise_cluster"] == pytest.approx(one["nmi"]) and one["nmi"] < 1
    assert found["purity_noise_singletons"] == 1.0 and found[
        "purity_noise_cluster"
    ] == pytest.approx(7 / 8)


@pytest.mark.parametrize("labels", [np.zeros(6, int), np.arange(6), np.full(6, -1)])
def test_undefined_geometry_is_nan_never_zero(labels):
    found = metrics.scores(
        labels, np.random.default_rng(0).normal(size=(6, 3)), genres=np.array([0, 0, 0, 1, 1, 1])
    )
    assert all(
        np.isnan(found[name]) for name in ("silhouette", "calinski_harabasz", "davies_bouldin")
    )


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


def plain_bootstrap(genres, labels, score, groups, n_resamples, seed):
    """The bootstrap row by row, as it is written in the books."""
    rng, codes = np.random.default_rng(seed), np.unique(groups, return_inverse=True)[1]
    drawn = []
    for _ in range(n_resamples):
        rows = np.concatenate(
            [
                np.flatnonzero(codes == g)
                for g in rng.integers(codes.max() + 1, size=codes.max() + 1)
            ]
        )
        drawn.append(
            [score(genres[rows[one[rows] >= 0]], one[rows[one[rows] >= 0]]) for one in labels]
        )
    return np.array(drawn)


@pytest.mark.parametrize(
    ("name", "score"), [("nmi", sk.normalized_mutual_info_score), ("ari", sk.adjusted_rand_score)]
)
def test_the_bootstrap_by_counts_equals_the_one_by_rows(name, score):
    rng = np.random.default_rng(0)
    groups, genres = np.repeat(np.arange(30), 5), np.repeat(np.arange(30) % 4, 5)
    labels = [np.where(rng.random(150) < 0.5, genres, rng.integers(-1, 6, 150)) for _ in range(3)]
    _, drawn = metrics.resampled(genres, labels, groups, name, 40, seed=3)
    np.testing.assert_allclose(
        drawn, plain_bootstrap(genres, labels, score, groups, 40, 3), atol=1e-12
    )


def test_the_interval_of_a_mean_is_narrower_than_that_of_a_run():
    rng = np.random.default_rng(0)
    genres = np.arange(400) % 4
    labels = [np.where(rng.random(400) < share, genres, 0) for share in np.linspace(0.3, 0.7, 10)]
    mean, run = (metrics.bootstrap(genres, labels, of=of) for of in ("mean", "run"))
    assert mean[1] - mean[0] < 0.5 * (run[1] - run[0])
    with pytest.raises(ValueError, match="choose mean .* or run"):
        metrics.bootstrap(genres, labels, of="all")


def test_cost_is_linear_in_rows():
    """A hundred thousand groups: no table of groups by groups, no list of members."""
    genres = np.arange(100_000) % 10
    low, high = metrics.bootstrap(genres, [genres[::-1].copy()], n_resamples=10)
    assert low == pytest.approx(high) == 1.0


def test_a_bootstrap_costs_what_its_rows_cost():
    """Ten times the groups, about ten times the CPU seconds; a look at all rows for each group
    makes it a hundred."""

    def seconds(n: int) -> float:
        genres = np.random.default_rng(0).integers(10, size=n)
        groups = np.array([f"artist {i // 2}" for i in range(n)])
        began = time.process_time()
        metrics.bootstrap(genres, [genres], groups=groups, n_resamples=5)
        return time.process_time() - began

    seconds(1000)  # what is slow once
    assert seconds(200_000) < 40 * seconds(20_000)


def test_intervals_hold_what_they_promise(monkeypatch):
    """By the simulation of bench/intervals.py: neither too narrow, which few restless seeds would
    show, nor too wide, which many calm ones show when the luck of tracks counts twice."""
    asked = ("restless seeds, 3 a side", "calm seeds, 10 a side")
    settings = {name: intervals.SETTINGS[name] for name in asked}
    monkeypatch.setattr(intervals, "SETTINGS", settings)
    found = intervals.simulated(draws=120, n=300, seed=1)
    assert list(found) == list(asked)
    assert all(
        0.91 <= one["coverage"] <= 0.975 and one["false_better"] <= 0.08 for one in found.values()
    ), found


def test_a_method_differs_from_itself_by_nothing():
    """Its seeds differ from each other, and so do its resamples; the difference has no spread, and
    no NaN."""
    rng = np.random.default_rng(0)
    genres, labels = rng.integers(3, size=200), rng.integers(3, size=(5, 200))
    assert metrics.paired_bootstrap(genres, labels, labels) == (0.0, 0.0, 0.0)
