"""The verdict of the scale guard on words as each way prepares them."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import inputs, protocols
from musicbook.chapters.own_words.fusions import PAPERS_WAY, SIDE_BY_SIDE, WAYS
from musicbook.chapters.own_words.guards import guard_of, guard_words
from musicbook.corpus import paired


@pytest.fixture(scope="module")
def tracks():
    return paired.songs("minilm")


@pytest.mark.parametrize(("way", "lost"), [(SIDE_BY_SIDE, False), (PAPERS_WAY, True)])
@pytest.mark.parametrize("kept", [32, 0.95])
def test_the_verdict_is_that_of_the_protocols_guard(tracks, way, lost, kept):
    """`inputs.scale_guard` on the same input, written as a protocol."""
    scaling = WAYS[way].scaling
    ours = guard_of(tracks.text.to_numpy(), None, kept, scaling=scaling)
    protocol = replace(protocols.get("controlled"), text_pca=kept, scaling=scaling)
    raw = {"audio": tracks.features.to_numpy(), "text": tracks.text.to_numpy()}
    theirs = [line for line in inputs.scale_guard(raw, protocol, 2) if "text" in line]
    assert ours.lost == bool(theirs) == lost
    assert guard_words(ours).startswith("fails: a signal planted" if lost else "passes")


def test_taking_off_the_first_direction_takes_off_a_signal_that_is_the_largest(tracks):
    vectors, language = tracks.text.to_numpy(), tracks.labels["language"]
    assert guard_of(vectors, language, 0.95, "direction").lost
    assert not guard_of(vectors, language, 0.95, "language").lost


def test_a_signal_that_was_never_shown_is_not_called_lost():
    noise = np.random.default_rng(0).normal(size=(40, 300))
    guard = guard_of(noise, None, 0.95, scaling="columns")
    assert guard.lost == (guard.before > 0.2 and guard.after < guard.before / 2)
