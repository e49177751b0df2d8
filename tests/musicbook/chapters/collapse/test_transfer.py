"""Swapped conditions, on models whose answer is known."""

import numpy as np
import pytest

from musicbook.chapters.collapse import transfer
from musicbook.chapters.collapse.transfer import ClassMeans, swap

MEANS = 8 * np.eye(3, 4)
C = np.arange(150) % 3
X = np.random.default_rng(0).normal(size=(150, 4)) + MEANS[C]


class Deaf:
    """Ignores the condition."""

    def encode(self, x):
        return x.numpy(), np.full(x.shape, -9.0)

    def decode(self, z):
        return z.numpy()


@pytest.mark.parametrize(
    ("model", "success", "kept"),
    [
        (ClassMeans(X, C, keep=True), 1.0, 1.0),
        (ClassMeans(X, C, keep=False), 1.0, 0.0),
        (Deaf(), 0.0, None),
    ],
    ids=[
        "moves the class and keeps the rest",
        "moves the class and loses the rest",
        "moves nothing",
    ],
)
def test_success_and_what_is_kept(model, success, kept):
    found = swap(model, X, C, ["a", "b", "c"])
    assert found.success == pytest.approx(success, abs=0.03)
    assert kept is None or found.kept == pytest.approx(kept, abs=1e-6)
    assert found.judged.index.tolist() == found.judged.columns.tolist() == ["a", "b", "c"]


def test_the_judge_has_not_seen_the_tracks_that_it_judges():
    # the class is a coin per track, told by nothing but the track's place: a judge must know the
    # track
    rng = np.random.default_rng(0)
    track = np.repeat(np.arange(30), 10)
    c, place = (np.arange(30) % 2)[track], rng.normal(size=(30, 4))[track]
    rows = place + 0.01 * rng.normal(size=place.shape)
    right = [
        np.diag(swap(Deaf(), rows, c, groups=groups).judged).mean() for groups in (None, track)
    ]
    assert right[0] > 0.8 and right[1] < 0.65


def test_classes_of_one_track_are_left_out():
    rare = np.where(np.arange(150) == 2, 3, C)  # class 3 has one row
    assert len(swap(Deaf(), X, rare).judged) == 3
    assert (
        swap(Deaf(), X, C, groups=C) is None
        and transfer.swap_all({"deaf": Deaf()}, X, C, groups=C) == {}
    )
    assert list(transfer.swap_all({"deaf": Deaf()}, X, C))[0] == "deaf"
