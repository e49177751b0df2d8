"""Scores of disentanglement against planted cases: factors on their own axes, rotated, absent."""

import numpy as np
import pytest

from musicbook.chapters.collapse import factors as dis
from musicbook.chapters.collapse import grids, planted

rng = np.random.default_rng(0)
N = 3000
FACTORS = {"a": rng.normal(size=N), "b": rng.normal(size=N), "k": rng.integers(0, 2, N)}
AXES = np.column_stack([FACTORS["a"], FACTORS["b"], FACTORS["k"] * 2.0 - 1.0])
ROTATION = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))[0]
NOISE = rng.normal(size=(N, 3))


def test_mig_is_one_for_one_factor_an_axis_and_zero_for_noise():
    assert all(value > 0.97 for value in dis.mig(AXES, FACTORS).values())
    assert all(value < 0.02 for value in dis.mig(NOISE, FACTORS).values())


def test_mig_by_hand():
    # v is four equal categories; z1 = v (H = log 4), z2 = v // 2 (I = log 2): gap = (log 4 - log 2)
    # / log 4 = 1 / 2
    v = np.tile(np.arange(4), 25)
    assert dis.mig(np.column_stack([v, v // 2]), {"v": v})["v"] == pytest.approx(0.5)


def test_sap_by_hand():
    # v correlates .8 with z1 and .6 with z2, which are independent: gap .64 - .36
    z = np.random.default_rng(3).normal(size=(50_000, 2))
    v = {"v": 0.8 * z[:, 0] + 0.6 * z[:, 1]}
    assert dis.sap(z, v)["v"] == pytest.approx(0.64 - 0.36, abs=0.02)
    with pytest.raises(ValueError, match="k is not one"):
        dis.sap(z, {"k": np.arange(50_000) % 2})


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("mixing", planted.MIXINGS)
def test_planted_factors_can_be_found_by_ica_and_not_by_pca(mixing, seed):
    """The positive control: a method that must succeed does, one that must fail does."""
    data = planted.draw_factors(1000, mixing, seed=seed)
    known = {f"factor {j}": values for j, values in enumerate(data.traits.T)}
    score = {}
    for method in ("oracle", "ICA", "PCA"):
        Z = grids.found_factors(data, method, None, seed)
        found = dis.dci(Z, known)["disentanglement"], dis.mig(Z, known), dis.sap(Z, known)
        score[method] = found[0], np.mean(list(found[1].values())), np.mean(list(found[2].values()))
    for oracle, ica, pca in zip(*score.values()):
        assert ica > 0.6 * oracle and ica > 2 * pca


@pytest.mark.filterwarnings("ignore:FastICA did not converge")
def test_gaussian_factors_can_be_found_by_nobody():
    """The negative control: a rotation of normal factors is as good as they are."""
    data = planted.draw_factors(1000, gaussian=True, seed=0)
    known = {f"factor {j}": values for j, values in enumerate(data.traits.T)}
    assert dis.dci(grids.found_factors(data, "ICA", None, 0), known)["disentanglement"] < 0.6
    with pytest.raises(ValueError, match="no mixing 'round'"):
        planted.draw_factors(mixing="round")


def test_dci_is_high_on_axes_low_after_rotation():
    on_axes, rotated = dis.dci(AXES, FACTORS), dis.dci(AXES @ ROTATION, FACTORS)
    assert (
        on_axes["disentanglement"] > 0.95
        and on_axes["completeness"] > 0.95
        and on_axes["informativeness"] > 0.95
    )
    assert rotated["disentanglement"] < 0.6 and rotated["completeness"] < 0.6
    assert rotated["informativeness"] > 0.7  # still there, spread over the dimensions
    assert dis.dci(NOISE, FACTORS)["informativeness"] < 0.3


def test_concentration_by_hand():
    np.testing.assert_allclose(
        dis._concentration(np.array([[1.0, 0.0], [1.0, 1.0]])), [1.0, 0.0], atol=1e-12
    )


def test_total_correlation_of_a_correlated_pair():
    # two units with correlation r: -log(1 - r^2) / 2
    r, n = 0.8, 200_000
    z = np.random.default_rng(2).multivariate_normal([0, 0], [[1, r], [r, 1]], n)
    assert dis.total_correlation(z, np.full(z.shape, -60.0)) == pytest.approx(
        -0.5 * np.log(1 - r**2), abs=0.01
    )
    assert dis.total_correlation(NOISE, np.zeros_like(NOISE)) < 0.01


@pytest.mark.parametrize(
    ("Z", "factors", "message"),
    [
        (AXES[:, :1], FACTORS, "two or more"),
        (AXES, {"a": np.zeros(N)}, "1 of them different"),
        (AXES, {"a": np.zeros(5)}, "5 values"),
    ],
)
def test_bad_input_is_named(Z, factors, message):
    with pytest.raises(ValueError, match=message):
        dis.mig(Z, factors)


def test_one_factor_is_refused_by_dci():
    with pytest.raises(ValueError, match="two factors"):
        dis.dci(AXES, {"a": FACTORS["a"]})


def test_a_dimension_or_too_few_rows():
    assert dis.total_correlation(NOISE[:, :1], NOISE[:, :1]) == 0.0
    with pytest.raises(ValueError, match="more rows"):
        dis.total_correlation(NOISE[:3], NOISE[:3])
