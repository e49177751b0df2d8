"""The published grids: whole, with a verdict in every row, and quoted only where the guard
passes."""

import pandas as pd
import pytest

from musicbook.chapters.own_words import figures, grids, sentences
from musicbook.chapters.own_words.fusions import PAPERS_WAY
from musicbook.chapters.own_words.values import own_words_values
from musicbook.named_values import ValueRefused, quote


@pytest.fixture(scope="module")
def tables():
    return {name: grids.stored_grid(name) for name in grids.GRIDS}


@pytest.fixture(scope="module")
def values():
    return own_words_values()


def test_every_row_has_a_verdict_and_only_the_z_scored_and_the_first_direction_fail(tables):
    table = tables["grid"]
    assert table.guard.str.match("passes$|fails: ").all()
    failing = set(table.way[table.guard != "passes"])
    assert failing == {PAPERS_WAY, "concatenation, first direction removed"}


def test_the_row_that_the_opening_page_used_to_quote_is_refused(values):
    """Sound and words side by side, every column z-scored, 32 components of MiniLM: the planted
    signal is lost there, so its null result must not be quoted."""
    name = "own_words_minilm_32_features_concatenation_columns_z_scored_0_4_genius_tag_gain"
    assert values[name].refused and "planted into the words" in values[name].guard
    with pytest.raises(ValueRefused, match="refused by the scale guard, which fails"):
        quote(values, name)
    assert quote(values, "own_words_primary_gain")


def test_the_primary_comparison_is_one_row(tables):
    row = grids.primary_row(tables["grid"])
    assert {name: row[name] for name in grids.PRIMARY} == grids.PRIMARY
    assert row.guard == "passes" and row.songs == 978


def test_the_silent_song_changes_nothing(tables, values):
    """The primary comparison with and without it: the same answer to two thousandths."""
    one, other = (grids.primary_row(tables[name]) for name in ("grid", "audible"))
    assert one.songs - other.songs == 1 and abs(one.gain - other.gain) < 0.002
    assert (one.gain_low < 0 < one.gain_high) and (other.gain_low < 0 < other.gain_high)
    assert values["own_words_audible_gain"].text in sentences.silent_sentence(values)
    assert sentences.silent_sentence({}) == ""


def test_the_language_is_true_of_both_encoders(tables):
    table = tables["language"]
    table = table[table.removed == "nothing"].set_index(["texts", "encoder"])
    for texts in ("verses", "songs"):
        assert table.language[texts, "minilm"] >= 0.8 and table.language[texts, "use"] <= 0.2


def test_e5_groups_the_songs_by_language_until_it_is_taken_off(tables):
    """What the page's summary says of it: many languages are not enough."""
    table = tables["language"].query("texts == 'songs' and encoder == 'e5'").set_index("removed")
    assert table.language["nothing"] >= 0.8 and table.language["each language's mean"] <= 0.2


def test_what_is_said_of_the_first_direction_is_true_of_each_encoder(tables):
    """It is the language for MiniLM and E5, and not for USE."""
    two = tables["language"].query("languages == 2").set_index(["encoder", "removed"]).left
    said = sentences.language_sentence(tables["language"])
    listed = said.split("in the vectors of ")[1].split(".")[0]
    for encoder, title in (("minilm", "MiniLM"), ("use", "USE"), ("e5", "E5")):
        gone = two[encoder, "the first direction"] < 0.1 * two[encoder, "nothing"]
        assert (title in listed) == gone and (f"Not so for {title}" in said) == (not gone)
    assert "Not so for USE" in said


def test_groups_more_even_than_random_ones_are_explained():
    rows = {"language_nmi": [1.0, 0.0], "subject_nmi": [0.14, 1.0]}
    rows |= {"language_chance": [0.15] * 2, "subject_chance": [0.34] * 2}
    said = sentences.verses_sentence(pd.DataFrame(rows, index=["MiniLM", "USE"]))
    assert "The 0.00 of USE is lower" in said and "of MiniLM is lower" not in said


def test_the_share_of_losses_at_heavy_words_stands_beside_that_of_all_rows(tables):
    """86 of 129 losses say nothing without the share of rows that have such a weight."""
    from musicbook.chapters.own_words.fusions import WEIGHT

    grid = tables["grid"]
    some = grid[(grid.guard == "passes") & (grid.target != "language")]
    said = sentences.part_sentence(grid)
    heavy = (some.weight > WEIGHT).sum()
    assert f"Of all {len(some)} rows, {heavy} have a weight above {WEIGHT:g}." in said
    assert said.endswith("So words harm more often where they weigh more.")
    assert f"{len(some)} rows remain" in sentences.count_sentence(grid)


def test_the_pages_sentences_and_figures_can_be_made(tables, values):
    assert "chose one comparison before we computed" in sentences.grid_sentence(tables["grid"])
    assert "match the Genius tag" in sentences.book_answer(values)
    assert set(sentences.main_table(tables["grid"], "genius_tag").guard) == {"passes"}
    assert figures.gains(grids.late_and_quick(), "genius_tag").axes[0].get_xlabel()
    assert len(sentences.language_shown(tables["language"])) == len(tables["language"])
