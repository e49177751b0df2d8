"""Swapped conditions and styles of one class, on models whose answer is known."""

import numpy as np
import pandas as pd
import pytest

from helpers.collapse.transfer import style_profile, swap as transfer

MEANS = 8 * np.eye(3, 4)
C = np.arange(150) % 3
X = np.random.default_rng(0).normal(size=(150, 4)) + MEANS[C]


class Perfect:
    """z is the deviation from the class mean, and decoding adds the mean of the class it is told."""

    def encode(self, x, onehot):
        mu = x.numpy() - onehot.numpy() @ MEANS
        return mu, np.full_like(mu, -9.0)

    def decode(self, z, onehot):
        return z.numpy() + onehot.numpy() @ MEANS


class Deaf(Perfect):
    """Ignores the condition."""

    def encode(self, x, onehot):
        return x.numpy(), np.full(x.shape, -9.0)

    def decode(self, z, onehot):
        return z.numpy()


def test_a_perfect_model_moves_the_class_and_keeps_the_rest():
    found = transfer(Perfect(), X, C, ["a", "b", "c"])
    assert found.success > 0.97 and found.kept > 0.9 and found.chance == pytest.approx(1 / 3)
    assert found.judged.index.tolist() == ["a", "b", "c"]


def test_a_deaf_model_moves_nothing():
    found = transfer(Deaf(), X, C)
    assert found.success < 0.03 and np.diag(found.judged).min() > 0.97


def test_style_profile_finds_the_planted_styles():
    rng = np.random.default_rng(0)
    style = np.arange(60) % 2
    features = pd.DataFrame({"bright": 5.0 * style + rng.normal(size=60), "flat": np.ones(60)})
    profile = style_profile(features.to_numpy(), features, np.arange(60), k=2)
    assert sorted(profile["bright"].round(1).tolist()) == pytest.approx([-0.9, 0.9], abs=0.15)
    assert (profile["flat"] == 0).all() and profile.index.tolist() == ["30 rows", "30 rows"]
    with pytest.raises(ValueError, match="cannot make 3"):
        style_profile(features.to_numpy(), features, np.arange(2))
