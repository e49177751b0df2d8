"""Groups that return: planted ones are kept, groups of noise are dissolved."""

import numpy as np
import pytest

from musicbook.chapters.cluster_well import figures, sentences, stable_groups, study
from musicbook.corpus import sources
from tests.conftest import ROOT
from tests.pages.written import PROSE

DIFFERENCES = study.differences()


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


def test_the_rule_that_the_pages_print_is_the_one_that_chooses():
    """Two clouds and noise: most groups return surely at another number than the one that is
    chosen, which is that of the largest product. The page "How to cluster music well" once named
    the first as the rule."""
    rng = np.random.default_rng(3)
    small = [rng.normal(centre, 0.2, (6, 8)) for centre in rng.normal(0, 8, (9, 8))]
    X = np.concatenate([*small, rng.normal(0, 3, (150, 8))])
    groups = stable_groups.returning_groups(X, "kmeans", runs=6)
    count, share = groups.tried["return surely"], groups.tried["share of tracks"]
    assert groups.made == groups.tried["groups"][(count * share).idxmax()]
    assert groups.made != groups.tried["groups"][count.idxmax()]
    rule = sentences.number_rule()
    assert "multiply count and share" in rule and "largest product" in rule
    for page in ("notebooks/09_cluster_well", "notebooks/10_collection"):
        assert "sentences.number_rule()" in (ROOT / f"{page}.py").read_text()
        assert "the most groups" not in " ".join(PROSE[page].split())
    chart = " ".join(text.get_text() for text in figures.decision_chart(DIFFERENCES).axes[0].texts)
    assert "most groups that return surely × share of tracks" in " ".join(chart.split())


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


def test_groups_by_a_vae_are_stored_of_the_demo_alone(monkeypatch, shared_store):
    """What is stored is read; other tracks are grouped here, by networks that are trained."""
    monkeypatch.setenv("HELPERS_CACHE", str(shared_store))  # the demo takes seconds to make
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
