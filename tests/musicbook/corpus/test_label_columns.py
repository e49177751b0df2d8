"""Which columns of words are labels: generated columns, and what a table that has them does."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from leakaudit.spellings import comparable
from musicbook.corpus import folders, joined, reports, sources
from musicbook.corpus.label_columns import doubt_about
from tests.material import write_clips

N = 60
NUMBERS = {  # how people write a number so that it is read as words
    "brackets": "[{:.2f}]",
    "per cent": "{:.1f}%",
    "unit": "{:.0f} bpm",
    "unit at once": "{:.1f}Hz",
    "quotes": '"{:.3f}"',
    "currency": "${:.2f}",
    "exponent in brackets": "[{:.2e}]",
}


def numbers(kind: str, different: int) -> list[str]:
    """N numbers written as `kind` says, `different` of them different."""
    values = np.random.default_rng(0).uniform(60, 999, different)
    return [NUMBERS[kind].format(values[i % different]) for i in range(N)]


OTHERS = {
    "thousands": [f"{1 + i % 9},{100 + i}" for i in range(N)],
    "times": [f"0:{3 * (i % 10):02d}" for i in range(N)],
    "vectors": [f"[{i}.0, -{i}.5, 1e-3]" for i in range(N)],
    "dates": [f"20{i % 9:02d}-03-{1 + i % 9:02d}" for i in range(N)],
}


@pytest.mark.parametrize("different", [N, 12])
@pytest.mark.parametrize("kind", NUMBERS)
def test_numbers_written_as_text_are_no_labels(kind, different):
    values = numbers(kind, different)
    doubt = doubt_about(pd.Series(values))
    assert "numbers or dates written as text" in doubt.reason
    assert doubt.refused == (len(set(values)) == N)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_numbers_written_as_text_are_no_labels(kind):
    assert "numbers or dates written as text" in doubt_about(pd.Series(OTHERS[kind])).reason


@pytest.mark.parametrize(
    "values",
    [
        ["rock", "pop"] * 30,
        ["1980s", "1990s", "2000s"] * 20,
        ["80s", "90s"] * 30,
        ["4x4", "2-step"] * 30,
        ["Hip-Hop/Rap", "R&B", "日本語"] * 20,
        ["0", "1", "2"] * 20,  # a genre that is a code
        ["U2", "Blink-182", "50 Cent"] * 20,
    ],
)
def test_labels_are_labels(values):
    assert doubt_about(pd.Series(values)) is None


@pytest.mark.parametrize(
    ("values", "reason", "refused"),
    [
        ([f"title {i}" for i in range(N)], "each of the 60 rows has a value of its own", True),
        (
            [f"title {i // 2 * 2}" for i in range(N)][:40] + [f"{i}x" for i in range(20)],
            "40",
            False,
        ),
        (["la la " * 30, "na na " * 30] * 30, "whole texts", False),
    ],
)
def test_names_and_texts_are_no_labels(values, reason, refused):
    doubt = doubt_about(pd.Series(values))
    assert reason in doubt.reason and doubt.refused == refused


def test_a_name_of_the_track_is_no_label_of_its_segments():
    tracks = np.repeat([f"t{i}" for i in range(12)], 5)
    doubt = doubt_about(pd.Series([f"file {name}" for name in tracks]), tracks)
    assert doubt.reason == "each of the 12 tracks has a value of its own" and doubt.refused
    assert doubt_about(pd.Series(np.repeat(["a", "b", "c", "d"] * 3, 5)), tracks) is None


# ---- tables --------------------------------------------------------------------------------------


def load(tmp_path, labels=None, **columns):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(N, 5))).add_prefix("f")
    table.insert(0, "track_id", [f"t{i}" for i in range(N)])
    table.assign(**columns).to_csv(tmp_path / "mine.csv", index=False)
    return sources.load(str(tmp_path / "mine.csv"), labels=labels)


MOODS = ["calm", "wild", "sad"] * 20


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_number_written_as_text_is_named_and_no_label(tmp_path, kind):
    tracks = load(tmp_path, tempo=numbers(kind, N))
    assert tracks.genres is None and list(tracks.features) == [f"f{i}" for i in range(5)]
    said = " ".join(reports.report_sentences(tracks.provenance))
    assert "Column tempo is not taken as a label: its values are numbers or dates written" in said
    assert "`--labels COLUMN`, `make book LABELS=COLUMN`" in said
    both = load(tmp_path, tempo=numbers(kind, N), mood=MOODS)
    assert list(both.labels) == ["mood"] and both.genre_names == ["calm", "sad", "wild"]


def test_numbers_alone_written_as_text_are_an_error_that_says_so(tmp_path):
    table = pd.DataFrame({"track_id": [f"t{i}" for i in range(N)], "a": numbers("per cent", N)})
    table.to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(ValueError, match="no columns of numbers; column a: .*write plain numbers"):
        sources.load(str(tmp_path / "mine.csv"))


def test_labels_of_a_table_can_be_chosen(tmp_path, monkeypatch):
    columns = {"genre": ["a", "b"] * 30, "mood": MOODS, "code": [0, 1, 2, 3] * 15}
    assert load(tmp_path, **columns).genre_names == ["a", "b"]
    assert load(tmp_path, "mood", **columns).genre_names == ["calm", "sad", "wild"]
    assert load(tmp_path, "none", **columns).genres is None
    coded = load(tmp_path, "code", **columns)
    assert coded.genre_names == ["0", "1", "2", "3"] and "code" not in coded.features
    monkeypatch.setenv("HELPERS_LABELS", "mood")  # make book LABELS=mood
    assert load(tmp_path, **columns).genre_names == ["calm", "sad", "wild"]
    assert sources.load("gtzan-mini-tracks").genre_names[0] == "blues"
    with pytest.raises(ValueError, match="mine: there is no column 'polka' to take the labels"):
        load(tmp_path, "polka", **columns)


def test_a_label_that_each_row_has_alone_is_refused(tmp_path):
    titles = [f"title {i}" for i in range(N)]
    tracks = load(tmp_path, genre=titles)
    assert tracks.genres is None
    assert "Column genre is not taken as a label: each of the 60 rows has a value of its own." in (
        reports.report_sentences(tracks.provenance)
    )
    with pytest.raises(ValueError, match="column title cannot be the label: each of the 60 rows"):
        load(tmp_path, "title", title=titles)


def test_a_doubtful_label_may_be_asked_for(tmp_path):
    bpm = [f"{60 + i % 4} bpm" for i in range(N)]
    assert load(tmp_path, tempo=bpm).genres is None
    assert len(load(tmp_path, "tempo", tempo=bpm).genre_names) == 4


def test_a_label_column_is_found_however_its_name_is_written(tmp_path):
    assert load(tmp_path, "GRO\u0308SSE", Größe=MOODS).scored == "Größe"


def test_a_genre_that_looks_like_none_is_taken_and_named(tmp_path):
    tracks = load(tmp_path, genre=[f"{i // 2}.5%" for i in range(N)])
    assert len(tracks.genre_names) == 30
    (sentence,) = tracks.provenance["sentences"]
    assert sentence.startswith("Column genre is taken as a label, although its values are numbers")
    assert "`make book LABELS=none` leaves labels out" in sentence


@pytest.mark.parametrize("start", [False, True])
def test_a_repeated_row_with_other_values_is_named(tmp_path, start):
    ids = [f"t{i // 6}" for i in range(N - 1)] + ["t0"]
    if not start:
        ids = [f"t{i}" for i in range(N - 1)] + ["t0"]
    columns = {"track_id": ids}
    if start:
        columns["start_s"] = [3.0 * (i % 6) for i in range(N - 1)] + [0.0]
    place = "the segment of track_id 't0' at start_s 0" if start else "track_id 't0'"
    with pytest.raises(ValueError, match=f"row 60: {place} occurs more than once, in row 1 with"):
        load(tmp_path, **columns)


# ---- names in several spellings ------------------------------------------------------------------

NAMES = ["Größe", "Beyoncé", "İstanbul", "ΐ", "한국어", "Ὀδυσσεύς ᾳ", "ẞtraße", "न्यू", "ﬃ"]
FORMS = ("NFC", "NFD", "NFKC", "NFKD")
CASES = (str, str.upper, str.title, str.casefold)


def spellings(name: str) -> list[str]:
    return [unicodedata.normalize(form, case(name)) for form in FORMS for case in CASES]


@pytest.mark.parametrize("name", NAMES)
def test_spellings_of_a_name_compare_equal(name):
    assert len({comparable(f" {spelling}  x") for spelling in spellings(name)}) == 1


def test_other_names_do_not():
    assert len({comparable(name) for name in [*NAMES, "Grosse", "Beyonce", "istanbul", "न्य"]}) == 13


@pytest.mark.parametrize("name", NAMES)
def test_spellings_of_a_name_find_the_track(tmp_path, name):
    for form in FORMS:
        written = unicodedata.normalize(form, name)
        paths = {f"{written}/{written}": tmp_path / written / f"{written}.flac"}
        tags = {f"{written}/{written}": {"artist": written, "title": written}}
        for spelling in spellings(name):
            by_file = joined.Rows(tmp_path, [{"file": f"{spelling}.flac", "line": "2"}])
            assert len(joined.match(by_file, paths, tags)) == 1
            by_song = joined.Rows(tmp_path, [{"artist": spelling, "title": spelling, "line": "2"}])
            assert len(joined.match(by_song, paths, tags)) == 1


def test_spellings_of_a_label_and_of_a_group_are_one_and_shown_as_written(tmp_path):
    nfd = unicodedata.normalize("NFD", "Électro")
    genres, artists = ["Électro", "Électro", nfd, "Rock"] * 15, ["Björk", "BJÖRK", "a", "b"] * 15
    tracks = load(tmp_path, genre=genres, artist=artists)
    assert tracks.genre_names == ["Rock", "Électro"]
    assert sorted(set(tracks.groups)) == ["Björk", "a", "b"]


def test_two_forms_of_a_folder_are_one_label(tmp_path):
    for form in ("NFC", "NFD"):
        write_clips(tmp_path / "music" / unicodedata.normalize(form, "Größe"), 2, seconds=1.0)
    write_clips(tmp_path / "music" / "Rock", 2, seconds=1.0)
    assert len(folders.look_through(tmp_path / "music").paths) == 6
    assert len(sources.load(str(tmp_path / "music")).genre_names) == 2


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_no_folder(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clips(tmp_path, 2, seconds=1.0)
    for load_it in (sources.load, folders.look_through, folders.load_folder):
        with pytest.raises(ValueError, match="is empty"):
            load_it(name)


def test_what_is_not_there_is_called_what_it_would_be(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        sources.load(str(tmp_path / "music"))
    with pytest.raises(FileNotFoundError, match="no such table"):
        sources.load(str(tmp_path / "music.csv"))
