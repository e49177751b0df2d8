"""What the page "Leakage" says, on tables whose answer is known and on the published runs."""

import pandas as pd

from musicbook import stored_runs
from musicbook.chapters.leakage import attribution, sentences
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
    assert "At 50% of the tracks, the guard begins to notice these leaks: a, c." in said
    assert "At 70% of the tracks, the guard begins to notice this leak: b." in said
    assert "never" not in said


def test_a_leak_that_is_never_found_is_named():
    assert "It never notices b." in sentences.dose_sentence(curve(a=0.5, b=None))
    assert "none of these leaks" in sentences.dose_sentence(curve(a=None, b=None))


def test_the_two_kinds_of_beta_vae_are_told_apart():
    """Both scores on sound alone, where the data have both."""
    steps = attribution.ladder(stored_runs.Published(), "Beta-VAE")
    ours, authors = (
        steps.set_index("step")["mean"][name] for name in (sentences.OURS, sentences.AUTHORS)
    )
    assert f"({ours:.2f} and {authors:.2f})" in sentences.ladder_sentence(steps)
    assert "another Beta-VAE" not in sentences.ladder_sentence(steps[:-2])


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
