"""Probes, factors within a class, clusters within a class, and the grouped bootstrap."""

import numpy as np
import pytest

from helpers.collapse import probes


def test_a_probe_reads_what_is_there_and_no_more():
    rng = np.random.default_rng(0)
    y = np.arange(400) % 4
    Z = rng.normal(size=(400, 3))
    nothing = probes.probe(Z, y)
    assert abs(nothing.skill) < 0.1 and nothing.information < 0.05 and nothing.chance == 0.25
    Z += 20 * np.eye(4)[y][:, :3]
    everything = probes.probe(Z, y)
    assert everything.score == 1.0 and everything.skill == 1.0
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
    assert probes.probe(np.random.default_rng(0).normal(size=(100, 2)), y).score == pytest.approx(0.5, abs=0.1)
    assert probes.probe(np.zeros((10, 2)), np.zeros(10)) is None
    assert probes.probe(np.zeros((10, 2)), np.arange(10)) is None


def test_within_makes_a_factor_that_ignores_the_class():
    c = np.repeat([0, 1, 2], 30)
    values = np.random.default_rng(0).normal(size=90) + 100 * c
    tercile = probes.within(values, c)
    for name in range(3):
        assert np.bincount(tercile[c == name]).tolist() == [10, 10, 10]
        assert values[c == name][tercile[c == name] == 2].min() >= values[c == name][tercile[c == name] == 1].max()


def test_clusters_within_a_class():
    rng = np.random.default_rng(0)
    c, style = np.repeat([0, 1], 60), np.arange(120) % 3
    found, chance = probes.cluster_within(10 * np.eye(3)[style] + rng.normal(size=(120, 3)) + 50 * c[:, None], c, style)
    assert found == pytest.approx(1.0) and chance < 0.15
    assert probes.cluster_within(rng.normal(size=(6, 2)), np.zeros(6), np.arange(6)) is None


def test_bootstrap_of_groups_is_wider_than_of_rows():
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(50), 20)
    column = rng.normal(size=50)[track][:, None]
    rows, tracks = (np.ptp(probes.bootstrap(column, g, 0)[:, 0]) for g in (None, track))
    assert tracks == pytest.approx(2 * 1.96 * np.sqrt(column.var() / 50), rel=0.15)
    assert rows == pytest.approx(tracks / np.sqrt(20), rel=0.15)


def test_nmi_by_chance_is_not_zero():
    rng = np.random.default_rng(0)
    y = np.arange(100) % 10
    found, chance = probes.cluster_nmi(rng.normal(size=(100, 3)), y)
    assert 0.15 < chance < 0.35 and found == pytest.approx(chance, abs=0.1)
    assert probes.cluster_nmi(10 * np.eye(10)[y], y)[0] == pytest.approx(1.0)
