"""Groups that return: planted ones are kept, groups of noise are dissolved."""

import numpy as np
import pytest

from musicbook.chapters.cluster_well import stable_groups
from musicbook.corpus import sources


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))


def planted(seed=0):
    """Three clouds of fifty rows."""
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.normal(centre, 1, (50, 8)) for centre in (-6, 0, 6)])


def test_the_planted_number_of_groups_is_found():
    groups = stable_groups.returning_groups(planted(), "kmeans", runs=5)
    assert groups.n == groups.made == 3 and (groups.returns > 0.99).all()
    assert [len(set(groups.labels[i : i + 50])) for i in (0, 50, 100)] == [1, 1, 1]


def test_groups_of_noise_do_not_return():
    noise = np.random.default_rng(0).normal(size=(200, 8))
    groups = stable_groups.returning_groups(noise, "kmeans", k=8, runs=5)
    assert groups.made == 8 and groups.n <= 1
    assert (groups.labels < 0).mean() > 0.8


def test_a_real_group_survives_beside_noise():
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(150, 8)), rng.normal(9, 0.3, (30, 8))])
    groups = stable_groups.returning_groups(X, "kmeans", k=6, runs=6)
    alone = groups.labels[-30:]
    assert len(set(alone)) == 1 and alone[0] >= 0 and groups.returns[alone[0]] > 0.95
    assert (groups.labels[:150] < 0).sum() > 75


def test_overlap_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    rows = np.array([0, 1, 2, 4, 5])
    overlap = stable_groups.overlaps(labels, [(rows, np.array([3, 3, 0, 0, 0]))])
    assert overlap == pytest.approx([2 / 3, 2 / 3])


def test_what_cannot_be_grouped_is_refused():
    with pytest.raises(ValueError, match="There is no method 'polka'; choose one of umap"):
        stable_groups.returning_groups(planted(), "polka")
    with pytest.raises(ValueError, match="151 groups are asked for, of 150 tracks"):
        stable_groups.returning_groups(planted(), "kmeans", k=151)


def test_groups_by_a_vae_are_stored_of_the_demo_alone(monkeypatch):
    """What is stored is read; other tracks are grouped here, by networks that are trained."""
    demo = sources.load("demo")
    asked = []

    def trained(X, method, k, runs):
        asked.append((len(X), method, k, runs))

    monkeypatch.setattr(stable_groups, "returning_groups", trained)
    groups = stable_groups.groups_by_vae(demo)
    assert groups.made == 10 and len(groups.labels) == demo.n and not asked
    assert (groups.labels < 0).all() == (groups.n == 0)
    stable_groups.groups_by_vae(demo.rows(np.arange(50)), k=4)
    assert asked == [(50, "vae", len(set(demo.genres[:50])), stable_groups.VAE_RUNS)]
