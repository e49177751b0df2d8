"""Criteria that see no label, on data whose answer is planted."""

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.datasets import make_blobs, make_moons

from musicbook.chapters.cluster_well import criteria, ranking


def kmeans(k):
    return lambda X, seed: KMeans(k, n_init=10, random_state=seed).fit_predict(X)


def test_dbcv_is_that_of_the_authors_on_planted_data():
    """The values are those of the package hdbscan (validity_index, 0.8.44) on the same arrays."""
    moons, truth = make_moons(400, noise=0.06, random_state=0)
    halves = KMeans(2, n_init=5, random_state=0).fit_predict(moons)
    blobs, own = make_blobs(300, centers=5, n_features=10, random_state=1)
    assert criteria.dbcv(moons, truth) == pytest.approx(0.495325, abs=1e-5)
    assert criteria.dbcv(moons, halves) == pytest.approx(-0.511403, abs=1e-5)
    assert criteria.dbcv(blobs, own) == pytest.approx(0.780417, abs=1e-5)


def test_dbcv_counts_noise_and_is_not_defined_for_one_cluster():
    blobs, own = make_blobs(300, centers=5, n_features=10, random_state=1)
    half = np.where(np.arange(300) % 2, own, -1)
    assert criteria.dbcv(blobs, half) < 0.6 * criteria.dbcv(blobs, own)
    assert np.isnan(criteria.dbcv(blobs, np.zeros(300, int)))


def test_prediction_strength_finds_the_planted_number():
    X = np.random.default_rng(0).normal(size=(300, 5))
    X[:100] += 6
    X[100:200] -= 6
    strengths = {k: criteria.prediction_strength(X, kmeans(k)) for k in (2, 3, 4, 6)}
    assert strengths[3] == 1.0 and max(strengths[4], strengths[6]) < 0.8


def test_stability_by_hand():
    one = np.array([0, 0, 1, 1])
    assert criteria.agreement([one, 1 - one]) == 1.0
    assert np.isnan(criteria.agreement([one]))
    parts = [(np.array([0, 1, 2]), np.array([5, 5, 7])), (np.array([1, 2, 3]), np.array([2, 1, 1]))]
    assert criteria.again_on_parts(one, parts) == 1.0


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(0).integers(5, size=(2, 40)).astype(float)
    assert ranking.spearman(a, b) == pytest.approx(spearmanr(a, b).statistic)
    assert ranking.spearman(np.ones(4), np.arange(4.0)) == 0.0
