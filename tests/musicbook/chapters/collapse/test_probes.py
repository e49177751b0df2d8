"""Probes, factors within a class, clusters within a class, and the grouped bootstrap."""

import numpy as np
import pytest

from musicbook.chapters.collapse import probes


def test_a_probe_reads_what_is_there_and_no_more():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 4
    Z = rng.normal(size=(400, 3))
    nothing = probes.probe(Z, y)
    assert (
        abs(nothing.score - 0.25) < 0.08 and nothing.information < 0.05 and nothing.chance == 0.25
    )
    Z += 20 * np.eye(4)[y][:, :3]
    everything = probes.probe(Z, y)
    assert everything.score == 1.0 and everything.hits.tolist() == [1.0] * 400
    assert everything.information == pytest.approx(np.log(4), abs=0.1)


def test_the_kernel_probe_sees_a_ring():
    rng = np.random.default_rng(0)
    angle, y = rng.uniform(0, 2 * np.pi, 400), np.arange(400) % 2
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) * (1 + 2 * y[:, None])
    assert probes.probe(ring, y).score > 0.95


def test_segments_of_a_track_are_left_out_together():
    # z is the track's own random place, the label a coin per track: only a leaky split can read it
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(60), 10)
    y, place = rng.integers(0, 2, 60)[track], rng.normal(size=(60, 5))[track]
    Z = place + 0.01 * rng.normal(size=place.shape)
    assert probes.probe(Z, y).score > 0.9
    assert probes.probe(Z, y, groups=track).score < 0.75


def test_balanced_accuracy_of_a_rare_class_and_no_probe_for_one_class():
    y = np.r_[np.zeros(90, dtype=int), np.ones(10, dtype=int)]
    assert probes.probe(np.random.default_rng(0).normal(size=(100, 2)), y).score == pytest.approx(
        0.5, abs=0.1
    )
    assert probes.probe(np.zeros((10, 2)), np.zeros(10)) is None
    assert probes.probe(np.zeros((10, 2)), np.arange(10)) is None


def test_within_makes_a_factor_that_ignores_the_class():
    c = np.repeat([0, 1, 2], 30)
    values = np.random.default_rng(0).normal(size=90) + 100 * c
    tercile = probes.bins_within_class(values, c)
    for name in range(3):
        assert np.bincount(tercile[c == name]).tolist() == [10, 10, 10]
        assert (
            values[c == name][tercile[c == name] == 2].min()
            >= values[c == name][tercile[c == name] == 1].max()
        )


def test_clusters_within_a_class():
    rng = np.random.default_rng(0)
    c, style = np.repeat([0, 1], 60), np.arange(120) % 3
    found, chance = probes.cluster_within(
        10 * np.eye(3)[style] + rng.normal(size=(120, 3)) + 50 * c[:, None], c, style
    )
    assert found == pytest.approx(1.0) and chance < 0.15
    assert probes.cluster_within(rng.normal(size=(6, 2)), np.zeros(6), np.arange(6)) is None


@pytest.mark.parametrize("n_groups", [8, 40])
def test_intervals_of_grouped_means_cover_what_they_claim(n_groups):
    """The mean of rows that come in groups of unequal size: 95 % intervals hold the truth in 93 to
    97 % of worlds, and those that take rows for independent do not."""
    rng, hits = np.random.default_rng(0), np.zeros((2000, 2))
    for world in hits:
        track = np.repeat(np.arange(n_groups), rng.integers(5, 15, n_groups))
        column = (rng.normal(size=n_groups)[track] + rng.normal(size=len(track)))[:, None]
        column[rng.random(len(track)) < 0.1] = np.nan
        for k, groups in enumerate((track, None)):
            low, high = probes.mean_interval(column, groups)[:, 0]
            world[k] = low < 0 < high
    assert 0.93 <= hits[:, 0].mean() <= 0.97
    assert hits[:, 1].mean() < 0.7


def test_chance_deals_out_whole_groups():
    # every group is one cluster and one class, so that rows dealt out singly would look far from
    # chance
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(20), 10)
    place, y = 10 * rng.normal(size=(20, 5))[group], (np.arange(20) % 5)[group]
    Z = place + 0.1 * rng.normal(size=place.shape)
    by_row, by_group = (probes.cluster_nmi(Z, y, groups)[1] for groups in (None, group))
    assert by_row < 0.1 < 0.2 < by_group
    within = [probes.cluster_within(Z, np.zeros(200), y, groups)[1] for groups in (None, group)]
    assert within == pytest.approx([by_row, by_group])


def test_nmi_by_chance_is_not_zero():
    rng = np.random.default_rng(0)
    y = np.arange(100) % 10
    found, chance = probes.cluster_nmi(rng.normal(size=(100, 3)), y)
    assert 0.15 < chance < 0.35 and found == pytest.approx(chance, abs=0.1)
    assert probes.cluster_nmi(10 * np.eye(10)[y], y)[0] == pytest.approx(1.0)
