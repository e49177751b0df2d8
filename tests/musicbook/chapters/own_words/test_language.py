"""What the language is in vectors, on planted means."""

import numpy as np

from musicbook.chapters.own_words import language


def planted(n_languages: int, seed: int = 0):
    """Vectors whose languages lie apart along n - 1 directions, and the language of each."""
    rng = np.random.default_rng(seed)
    spoken = np.repeat([f"l{i}" for i in range(n_languages)], 60)
    means = np.repeat(rng.normal(size=(n_languages, 12)) * 3, 60, axis=0)
    return means + 0.5 * rng.normal(size=means.shape), spoken


def test_one_direction_is_enough_for_two_languages_and_not_for_four():
    for n, enough in ((2, True), (4, False)):
        vectors, spoken = planted(n)
        rows = language.language_rows(vectors, spoken, {}, 2).set_index("removed")
        assert rows.language["nothing"] > 0.95
        assert (rows.language["the first direction"] < 0.2) == enough
        assert rows.language["each language's mean"] < 0.2
        assert rows.left["each language's mean"] < 1e-9
        assert ("the first 3 directions" in rows.index) == (n == 4)


def test_the_share_is_that_of_the_means():
    X = np.array([[0.0], [2.0], [10.0], [12.0]])
    assert np.isclose(language.explained(X, np.array(["a", "a", "b", "b"])), 100 / 104)
    assert language.explained(X, np.array(["a", "b", "a", "b"])) < 0.05
