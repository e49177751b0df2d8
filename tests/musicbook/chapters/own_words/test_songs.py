"""Which songs the page takes, the controls that swap their words, and what is taken off them."""

import numpy as np
import pytest

from musicbook.chapters.own_words import songs
from musicbook.chapters.own_words.songs import OVER, OWN, SOUND, WITHIN, WORDS
from musicbook.corpus import paired, sources
from tests.musicbook.chapters.own_words.material import made_songs


def test_shuffled_words_stay_within_their_language_and_leave_their_song():
    pair = songs.pair_of(made_songs())
    within, over = pair.order(WITHIN, 0), pair.order(OVER, 0)
    for order in (within, over):
        assert sorted(order) == list(range(60)) and (order == np.arange(60)).mean() < 0.2
    assert (pair.language[within] == pair.language).all()
    assert (pair.language[over] != pair.language).any()
    assert (pair.order(OWN, 0) == np.arange(60)).all() and (pair.order(OVER, 1) != over).any()
    assert set(pair.blocks(SOUND, 0)) == {"sound"} and set(pair.blocks(WORDS, 0)) == {"words"}


def test_removing_the_language_leaves_no_mean_of_it():
    tracks = made_songs()
    german = tracks.labels["language"] == "de"
    as_they_are, centred = (songs.pair_of(tracks, removed=what).words for what in ("", "language"))
    assert np.abs(centred[german].mean(axis=0)).max() < 1e-9
    assert np.abs(as_they_are[german].mean(axis=0)).max() > 1


def test_removing_directions_takes_off_the_largest_components():
    X = np.random.default_rng(0).normal(size=(50, 4)) * [9.0, 5.0, 1.0, 0.1]
    values = np.linalg.svd(X - X.mean(axis=0), compute_uv=False)
    left = np.linalg.svd(songs.without_directions(X, 2), compute_uv=False)
    np.testing.assert_allclose(left, [*values[2:], 0, 0], atol=1e-9)


def test_words_that_say_nothing_end_in_one_sentence(monkeypatch):
    monkeypatch.setattr(songs, "load", lambda name: made_songs(words=np.ones((60, 20))))
    with pytest.raises(ValueError, match="mine: all songs have the same words"):
        songs.songs_with_words("mine")
    words = np.random.default_rng(0).normal(size=(60, 20))
    words[15:] = words[:15].mean(axis=0)  # what a folder gives a song without a text
    monkeypatch.setattr(songs, "load", lambda name: made_songs(words=words))
    with pytest.raises(ValueError, match="15 songs have words of their own; this page needs 20"):
        songs.songs_with_words("mine")
    words[15:30] = np.random.default_rng(1).normal(size=(15, 20))
    words[30:] = words[:30].mean(axis=0)
    tracks, note = songs.songs_with_words("mine")
    assert tracks.n == 30 and "We leave out 30 without words. So 30 songs" in note


def test_a_data_set_without_words_gets_the_books_songs():
    tracks, note = songs.songs_with_words("gtzan-mini-tracks")
    assert tracks.name == "paired" and note.startswith("The tracks of gtzan-mini-tracks have no")
    assert list(songs.readings(tracks)) == ["MiniLM", "USE"]
    assert songs.readings(tracks)["USE"].text.shape == (999, 512)
    assert "We leave out 1 with silent sound. So 999 songs" in note


def test_a_song_that_cannot_be_heard_is_left_out():
    tracks = sources.load("paired")
    heard = songs.audible(tracks)
    assert list(tracks.ids[~heard]) == ["TROIZFW128F92F0243"]
    assert tracks.features["rms_mean"][heard].min() > 10 * songs.SILENCE
    assert songs.audible(made_songs()).all()  # no loudness among its columns
    assert list(songs.audible_songs("e5").ids) == [
        track for track in paired.songs("e5").ids if track != "TROIZFW128F92F0243"
    ]


def test_a_class_of_few_songs_is_not_scored():
    codes = songs.targets(sources.load("paired"))
    sizes = {name: (one.max() + 1, (one >= 0).sum()) for name, one in codes.items()}
    whole = {name: size for name, size in sizes.items() if "only" not in name}
    assert whole == {"genius_tag": (3, 978), "msd_genre": (7, 396), "language": (2, 1000)}
    assert sizes.keys() - whole.keys() == {"genius_tag, de only", "genius_tag, en only"}
