"""What the page "Leakage" says, on tables whose answer is known and on the published runs."""

import numpy as np
import pandas as pd
import pytest

from helpers import tables
from helpers.lyrics import CONSTANTS
from musicbook import stored_runs
from musicbook.chapters.leakage import alike, attribution, sentences
from musicbook.chapters.leakage.values import leakage_values
from musicbook.named_values import score_values


def curve(**first):
    """A table of `attribution.by_dose` in which each kind is LEAKY from its dose on, or never."""
    rows = []
    for kind, dose in first.items():
        for step in (0.0, 0.5, 0.7):
            rows.append((kind, step, 0.01, dose is not None and step >= dose))
    return pd.DataFrame(rows, columns=["kind", "dose", "share", "leaky"])


def test_leaks_of_one_dose_are_named_together():
    said = sentences.dose_sentence(curve(a=0.5, b=0.7, c=0.5))
    assert "50% is the first at which the guard notices these leaks: a, c." in said
    assert "At 70%, it first notices this leak: b." in said
    assert "never" not in said


def test_a_leak_that_is_never_found_is_named():
    assert "It never notices b." in sentences.dose_sentence(curve(a=0.5, b=None))
    assert "none of these leaks" in sentences.dose_sentence(curve(a=None, b=None))


def test_the_two_kinds_of_beta_vae_are_told_apart():
    """Both scores on sound alone, where the data have both."""
    runs = stored_runs.Published()
    steps = attribution.ladder(runs, "Beta-VAE")
    ours, authors = (
        steps.set_index("step")["mean"][name] for name in (sentences.OURS, sentences.AUTHORS)
    )
    assert f"({ours:.2f} and {authors:.2f})" in sentences.ladder_sentence(steps, runs)
    assert "another Beta-VAE" not in sentences.ladder_sentence(steps[:-2], runs)


def test_each_score_of_a_beta_vae_stands_beside_its_protocol_and_input():
    """Each is that of the named run, and no two rows have one protocol and one input."""
    runs = stored_runs.Published()
    found = attribution.beta_vae_scores(runs, score_values(runs), 0.746).reset_index()
    assert found.NMI[0] == "0.746" and len(found) == 1 + len(attribution.BETA_VAES)
    assert not found.duplicated(["Protocol", "Input"]).any()
    for shown, (protocol, variant, _) in zip(found.NMI[1:], attribution.BETA_VAES):
        mean = tables.mean_of(runs.run(protocol, 3, variant), "Beta-VAE", "nmi")
        assert float(shown) == pytest.approx(mean, abs=5e-4)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (
            -0.01,
            0.05,
            "On sound alone, we see no clear difference between it and the first one (",
        ),
        (0.01, 0.05, "On sound alone, it scores higher than the first one ("),
        (-0.05, -0.01, "On sound alone, it scores lower than the first one ("),
    ],
)
def test_the_two_kinds_of_beta_vae_differ_only_if_the_interval_says_so(
    monkeypatch, low, high, expected
):
    runs = stored_runs.Published()
    steps = attribution.ladder(runs, "Beta-VAE")
    names = sentences.OURS, sentences.AUTHORS
    between = tables.Difference(*names, "nmi", (low + high) / 2, low, high, 10)
    monkeypatch.setattr(tables, "difference", lambda *given: between)
    assert expected in sentences.ladder_sentence(steps, runs)


def test_the_answer_is_short_and_the_shares_stand_below_the_figure():
    runs = stored_runs.Published()
    values = score_values(runs) | leakage_values(runs)
    answer = sentences.leakage_answer(runs, values)
    assert "share_of_the" not in answer and answer.count(". ") <= 2
    shares = attribution.shares(runs).NMI
    said = sentences.shares_sentence(runs, values)
    assert f"{shares['share of the sentences']:.3f}" in said
    assert f"{shares['share of the one-hot']:.3f}" in said


def test_the_starts_are_said_of_one_input():
    """Both scores are on the sound alone, and they are named."""
    runs = stored_runs.Published()
    values = score_values(runs)
    said = sentences.starts_sentence(runs, values)
    for name in ("gtzan_released_1", "gtzan_released_3_audio_alone"):
        assert values[f"{name}_input_k_means_nmi"].text in said


def test_maps_are_said_to_sound_alike_only_above_chance():
    """By both measures and on both maps."""
    columns = ["among_most_alike", "other_genres", "tracks"]
    rows = {"clean": [0.4, 0.6, 100], "leaky": [0.6, 0.6, 100], "by chance": [0.1, 0.5, 100]}
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    assert "So on both maps" in sentences.alike_sentence(found)
    found.loc["leaky", "other_genres"] = 0.5
    assert "So on both maps" not in sentences.alike_sentence(found)


# ---- islands -------------------------------------------------------------------------------------


def map_with_islands(genres: list[str], apart: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 2) and genres (n,): 40 tracks a genre; each genre of `apart` has a place of its
    own, and all others are mixed in one place."""
    rng = np.random.default_rng(0)
    points, labels = [], []
    for place, genre in enumerate(genres, start=1):
        centre = 100.0 * place if genre in apart else 0.0
        points.append(centre + rng.normal(size=(40, 2)))
        labels += [genre] * 40
    return np.vstack(points), np.array(labels)


def test_separated_genres_are_islands_and_mixed_ones_are_not():
    points, genres = map_with_islands(["jazz", "metal", "pop", "rock"], apart=["jazz", "metal"])
    assert alike.islands(points, genres) == ["jazz", "metal"]
    said = sentences.islands_sentence({"leaky": points}, genres)
    assert "On the leaky map, these genres are islands: jazz and metal." in said
    assert "exactly" not in said


def test_an_island_need_not_hold_all_of_its_tracks():
    """Two of 40 tracks may lie among another genre, three may not."""
    points, genres = map_with_islands(["jazz", "metal"], apart=["jazz", "metal"])
    others = points[genres == "metal"]
    moved = points.copy()
    moved[:2] = others[:2] + 1e-6
    assert "jazz" in alike.islands(moved, genres)
    moved[:3] = others[:3] + 1e-6
    assert "jazz" not in alike.islands(moved, genres)


def test_the_islands_are_exactly_the_genres_with_one_sentence_only_if_so():
    exactly = "These are exactly the genres with one sentence."
    names = [*CONSTANTS, "pop", "rock"]
    maps = {}
    for title, apart in (("leaky", [*CONSTANTS]), ("clean", []), ("third", [*CONSTANTS][1:])):
        maps[title], genres = map_with_islands(names, apart)
    said = sentences.islands_sentence(maps, genres)
    assert said.count(exactly) == 1
    assert exactly in said.split("On the clean map")[0]
    assert "On the clean map, no genre is an island." in said
    one_more, genres = map_with_islands(names, [*CONSTANTS, "pop"])
    assert exactly not in sentences.islands_sentence({"leaky": one_more}, genres)


def test_one_island_is_named_in_the_singular():
    points, genres = map_with_islands(["jazz", "pop", "rock"], apart=["jazz"])
    said = sentences.islands_sentence({"leaky": points}, genres)
    assert "On the leaky map, one genre is an island: jazz." in said
