import logging
import re
import warnings

import numpy as np
import pytest
from sklearn.cluster import HDBSCAN
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from helpers import clustering
from helpers.clustering import METHODS, cluster, dbscan_eps, eps_curve, silhouette

OPTIONS = {"dbscan": {"eps": 1.5}, "hdbscan": {"min_cluster_size": 10}}


@pytest.fixture
def blobs():
    rng = np.random.default_rng(0)
    truth = np.repeat(np.arange(3), 40)
    return np.array([[0, 0], [10, 0], [0, 10]])[truth] + 0.3 * rng.standard_normal((120, 2)), truth


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_separated_groups_are_found(method, dtype, blobs):
    X, truth = blobs
    labels = cluster(X.astype(dtype), method, n_clusters=3, **OPTIONS.get(method, {}))
    assert labels.shape == (120,) and labels.dtype == np.int64
    assert adjusted_rand_score(truth, labels) > 0.95


@pytest.mark.parametrize("method", METHODS)
def test_equal_seeds_give_equal_labels_and_leave_the_input_alone(method):
    X = np.random.default_rng(1).standard_normal((200, 4))
    before = X.copy()
    first, second = (cluster(X, method, 5, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(X, before)


def test_dbscan_marks_the_lonely_row_as_noise():
    X = np.vstack([np.zeros((9, 2)), [[100.0, 100.0]]])
    X[:9, 0] = np.arange(9) * 0.1
    np.testing.assert_array_equal(cluster(X, "dbscan", eps=1.0, min_samples=8), [0] * 9 + [-1])


def test_kmeans_of_two_points_each():
    labels = cluster(np.array([[0.0], [0.1], [5.0], [5.1]]), "kmeans", 2)
    assert labels[0] == labels[1] != labels[2] == labels[3]


def test_percentile_rule_counts_the_row_itself():
    X = np.arange(5.0)[
        :, None
    ]  # 0 1 2 3 4: the third neighbour, self first, lies at 2 for the ends and at 1 inside
    assert dbscan_eps(X, k=3, percentile=50) == 1.0
    assert dbscan_eps(X, k=3, percentile=100) == 2.0
    X = np.random.default_rng(0).standard_normal((300, 6))
    released = np.percentile(NearestNeighbors(n_neighbors=10).fit(X).kneighbors(X)[0][:, -1], 75)
    assert dbscan_eps(X) == pytest.approx(released)


def test_knee_rule_takes_the_point_farthest_below_the_chord():
    X = np.array([0.0, 1, 2, 3, 4, 5, 6, 100])[:, None]  # nearest other row: seven times 1, then 94
    assert dbscan_eps(X, "knee", min_samples=2) == 1.0


def test_eps_of_duplicates_is_positive_or_refused():
    X = np.vstack([np.zeros((30, 2)), [[1.0, 0.0]]])
    assert dbscan_eps(X) == 1.0
    with pytest.raises(ValueError, match="identical"):
        dbscan_eps(np.zeros((30, 2)))


def test_eps_curve_goes_from_noise_to_one_cluster(blobs):
    curve = eps_curve(np.vstack([blobs[0], [[5.0, 5.0]]]), n=12)
    assert (
        list(curve.columns) == ["eps", "n_clusters", "noise_share", "silhouette"]
        and len(curve) == 12
    )
    assert (curve["eps"].diff().dropna() > 0).all() and (
        curve["noise_share"].diff().dropna() <= 0
    ).all()
    assert 3 in curve["n_clusters"].values
    assert curve.loc[curve["n_clusters"] == 3, "silhouette"].max() > 0.8


def test_silhouette_by_hand_without_noise():
    X = np.array([[0.0], [1.0], [10.0], [11.0], [500.0]])
    s = [(10.5 - 1) / 10.5, (9.5 - 1) / 9.5]  # a = 1; b = mean distance to the other pair
    assert silhouette(X, np.array([0, 0, 1, 1, -1])) == pytest.approx(np.mean(s))
    assert np.isnan(silhouette(X, np.zeros(5, int)))
    assert np.isnan(silhouette(X, np.full(5, -1)))


def test_silhouette_of_a_sample_is_seeded_and_said(blobs, caplog):
    X, truth = blobs
    clustering._warn_once.cache_clear()
    first = silhouette(X, truth, sample=60, seed=1)
    assert first == silhouette(X, truth, sample=60, seed=1)
    assert [r.message for r in caplog.records if "sample of 60" in r.message] == [
        caplog.records[0].message
    ]
    assert first == pytest.approx(silhouette(X, truth), abs=0.05)


@pytest.mark.parametrize("method", ["ward", "spectral", "hdbscan"])
def test_methods_refuse_above_their_limit_and_name_another(method, monkeypatch):
    monkeypatch.setitem(clustering.LIMITS, method, 50)
    with pytest.raises(ValueError, match='limit of 50. Use method "kmeans"'):
        cluster(np.random.default_rng(0).standard_normal((51, 2)), method, 2)


@pytest.mark.parametrize("n", [40, 60, 200])
def test_what_is_recommended_instead_would_not_refuse(n, monkeypatch):
    """Every method that refuses n rows, with limits such that one or more of the others do, too."""
    monkeypatch.setattr(
        clustering, "LIMITS", clustering.LIMITS | {"ward": 30, "spectral": 35, "hdbscan": 50}
    )
    monkeypatch.setattr(clustering, "NEIGHBOUR_PAIRS", 500)
    X, refused = np.random.default_rng(0).standard_normal((n, 2)), []
    for method in METHODS:
        try:
            cluster(X, method, 2, **({"eps": 50.0} if method == "dbscan" else {}))
        except ValueError as error:
            advice = re.split("Use|take", str(error))[1]
            refused.append((method, re.findall(r'"(\w+)"', advice)))
    assert [method for method, _ in refused] == [
        m for m in METHODS if m != "kmeans" and (m != "hdbscan" or n > 50)
    ]
    for method, others in refused:
        assert "kmeans" in others and ("hdbscan" in others) == (n <= 50), method
        for other in others:
            cluster(X, other, 2)


def test_hdbscan_says_beforehand_how_long_it_takes(blobs, monkeypatch, caplog):
    monkeypatch.setitem(clustering.LIMITS, "hdbscan", 2 * len(blobs[0]))
    monkeypatch.setattr(
        clustering,
        "HDBSCAN",
        lambda **_: pytest.fail("first it says so") if not caplog.records else HDBSCAN(**_),
    )
    cluster(blobs[0], "hdbscan")
    assert "about 72 seconds" in caplog.text


def test_eps_curve_refuses_before_it_computes(monkeypatch):
    monkeypatch.setitem(clustering.LIMITS, "eps_curve", 50)
    monkeypatch.setattr(clustering, "cluster", None)
    with pytest.raises(ValueError, match="limit of 50. Use a sample of the rows"):
        eps_curve(np.zeros((60, 2)))


def test_exact_silhouette_refuses_above_its_limit(monkeypatch):
    monkeypatch.setitem(clustering.LIMITS, "silhouette", 50)
    with pytest.raises(ValueError, match="sample=10000"):
        silhouette(np.zeros((60, 2)), np.arange(60) % 2, sample=None)


def test_dbscan_refuses_a_radius_that_holds_every_pair(monkeypatch):
    monkeypatch.setattr(clustering, "NEIGHBOUR_PAIRS", 1000)
    with pytest.raises(ValueError, match='smaller eps, or method "kmeans" or "hdbscan"'):
        cluster(np.random.default_rng(0).standard_normal((100, 2)), "dbscan", eps=50.0)


def test_kmeans_turns_to_mini_batches_and_says_so(blobs, monkeypatch, caplog):
    monkeypatch.setitem(clustering.LIMITS, "kmeans", 100)
    labels = cluster(blobs[0], "kmeans", 3)
    assert "MiniBatchKMeans" in caplog.text
    assert adjusted_rand_score(blobs[1], labels) == 1.0


def test_a_graph_in_pieces_is_logged_not_warned(blobs, caplog):
    with caplog.at_level(logging.INFO, logger="helpers"), warnings.catch_warnings():
        warnings.simplefilter("error")
        cluster(blobs[0], "spectral", 3)
    assert "separate pieces" in caplog.text


@pytest.mark.parametrize(
    "call, message",
    [
        (
            lambda X: cluster(X, "kmedoids"),
            "no clustering method 'kmedoids'; choose one of kmeans, ward",
        ),
        (lambda X: cluster(X, "kmeans", eps=1.0), "'kmeans' has no option eps; it takes n_init"),
        (lambda X: cluster(X, "ward", linkage="single"), "it takes none"),
        (lambda X: cluster(X[:3], "kmeans", 10), "n_clusters is 10; with 3 rows"),
        (lambda X: cluster(X, "ward", 0), "n_clusters is 0"),
        (lambda X: cluster(np.where(X == X[0, 0], np.nan, X), "ward", 2), "1 NaN or infinite"),
        (lambda X: cluster(X[0], "kmeans", 2), "not an array of shape"),
        (lambda X: cluster(X, "dbscan", eps=0), "eps is 0.0"),
        (lambda X: cluster(X, "spectral", 2, n_neighbors=99), "n_neighbors is 99"),
        (lambda X: cluster(X, "hdbscan", min_cluster_size=1), "min_cluster_size is 1"),
        (lambda X: dbscan_eps(X, "elbow"), "no rule 'elbow'"),
        (lambda X: dbscan_eps(X[:5]), "10 neighbours are asked for, but there are 5 rows"),
        (lambda X: silhouette(X, [0, 1]), "2 labels for 20 rows"),
    ],
)
def test_wrong_calls_say_what_to_do(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0).standard_normal((20, 2)))
