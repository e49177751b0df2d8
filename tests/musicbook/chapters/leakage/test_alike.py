"""Whether neighbours on a map sound alike: on maps whose answer is known, and on the book's."""

import numpy as np
import pytest

from musicbook import stored_runs
from musicbook.chapters.leakage import alike, explorers, sentences
from musicbook.corpus import pretrained


@pytest.fixture(scope="module")
def heard():
    return pretrained.committed("MTT", alike.HEARD)


def test_a_map_of_the_sound_and_one_of_nothing(heard):
    """The network's own numbers as a map, and points at random."""
    rng = np.random.default_rng(0)
    genres = np.array([track.split(".")[0] for track in heard.index])
    unit = heard.to_numpy() / np.linalg.norm(heard.to_numpy(), axis=1, keepdims=True)
    maps = {"sound": unit, "nothing": rng.normal(size=(len(heard), 2))}
    found = alike.heard_alike(maps, heard.index.to_numpy(), genres)
    assert found.loc["sound", ["among_most_alike", "other_genres"]].tolist() == [
        1.0,
        pytest.approx(1, abs=0.02),
    ]
    nothing, chance = found.loc["nothing"], found.loc["by chance"]
    assert abs(nothing.among_most_alike - chance.among_most_alike) < 0.1
    assert abs(nothing.other_genres - 0.5) < 0.1


def test_tracks_that_nobody_heard_are_not_spoken_of():
    ids = np.array([f"t{i}" for i in range(50)])
    found = alike.heard_alike({"clean": np.zeros((50, 2))}, ids, ids)
    assert found.empty and sentences.alike_sentence(found) == ""


def test_the_books_maps_say_something_of_the_sound():
    """What page 5 says: the clean map more than chance, the leaky map more still, by genre."""
    runs = stored_runs.Published("gtzan")
    maps = {
        title: explorers.stored_map(runs, protocol, 3, "Beta-VAE").points
        for title, protocol in (("leaky", "released"), ("clean", "controlled"))
    }
    found = alike.heard_alike(maps, runs.ids, runs.genres)
    share = found.among_most_alike
    assert share["by chance"] + 0.1 < share["clean"] < share["leaky"]
    assert found.other_genres["clean"] > 0.55
    assert found.tracks.eq(100).all()
    assert "46%" in sentences.alike_sentence(found)
