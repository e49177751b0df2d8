"""Feature tables as people have them: every fault is found at load and named with its row and
column."""

import numpy as np
import pandas as pd
import pytest

from helpers.features import FEATURES
from musicbook.corpus import reports, sources


@pytest.fixture
def table():
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(8, 68)), columns=FEATURES)
    table.insert(0, "genre", ["rock", "pop"] * 4)
    table.insert(0, "track_id", [f"t{i}" for i in range(8)])
    return table


def load(table, tmp_path, **options):
    table.to_csv(tmp_path / "mine.csv", **{"index": False} | options)
    return sources.load(str(tmp_path / "mine.csv"))


@pytest.mark.parametrize(
    "value, says",
    [
        (np.nan, "column rms_mean: is empty"),
        (np.inf, "column rms_mean: inf is not a finite number"),
        ("loud", "column rms_mean: loud is not a finite number"),
        (1e200, "column rms_mean: 1e+200 is beyond 1e18"),
        ("1e400", "column rms_mean: inf is not a finite number"),
    ],
)
def test_a_cell_that_cannot_be_used_costs_its_row(table, tmp_path, value, says):
    table = table.astype({"rms_mean": object})
    table.loc[3, "rms_mean"] = value
    tracks = load(table, tmp_path)
    assert tracks.ids.tolist() == ["t0", "t1", "t2", "t4", "t5", "t6", "t7"]
    assert tracks.provenance["faults"] == [["row 4 (t3)", says]]
    assert reports.report_sentences(tracks.provenance)[0] == "Found 8 rows, used 7, left out 1."
    np.testing.assert_allclose(
        tracks.features.loc["t7"], table.loc[7, list(FEATURES)].astype(float)
    )


@pytest.mark.parametrize(
    "value, says",
    [
        ("", "is empty"),
        ("0:03", "0:03 is not a finite number"),
        ("-3", "-3 lies before the beginning"),
    ],
)
def test_a_start_that_is_no_number_of_seconds(table, tmp_path, value, says):
    table = table.assign(
        track_id=["a", "b"] * 4, start_s=["0", "0", "3", "3", "6", "6", "9", value]
    )
    tracks = load(table, tmp_path)
    assert (
        tracks.provenance["faults"] == [["row 8 (b)", f"column start_s: {says}"]] and tracks.n == 7
    )


def test_missing_is_missing(table, tmp_path):
    """An empty id is no name, and blanks around one are none of it."""
    tracks = load(table.assign(track_id=["", "nan", "NA", " a ", "b", "", "c", "d"]), tmp_path)
    assert tracks.ids.tolist() == ["nan", "NA", "a", "b", "c", "d"]
    assert tracks.provenance["faults"] == [
        ["row 1", "it has no track_id"],
        ["row 6", "it has no track_id"],
    ]
    with pytest.raises(
        ValueError, match=r"row 5: track_id 'a' occurs more than once, in row 4 with other values"
    ):
        load(table.assign(track_id=["x", "y", "z", " a ", "a", "e", "c", "d"]), tmp_path)


def test_repeated_rows(table, tmp_path):
    tracks = load(pd.concat([table, table.iloc[[2]]]), tmp_path)
    assert tracks.n == 8 and tracks.provenance["faults"] == [["row 9 (t2)", "it repeats row 3"]]
    segments = table.assign(track_id="a", start_s=range(8))
    tracks = load(pd.concat([segments, segments.iloc[[5]]]), tmp_path)
    assert tracks.n == 8 and tracks.provenance["faults"] == [["row 9 (a)", "it repeats row 6"]]


@pytest.mark.parametrize(
    "options",
    [{"sep": ";"}, {"sep": "\t"}, {"sep": ";", "decimal": ","}, {"encoding": "utf-8-sig"}],
)
def test_other_marks_between_values(table, tmp_path, options):
    np.testing.assert_allclose(load(table, tmp_path, **options).features, table[list(FEATURES)])


def test_a_stray_index_is_no_feature(table, tmp_path):
    own = table[["track_id", "tempo", "rms_mean"]]
    assert list(load(own, tmp_path, index=True).features) == ["tempo", "rms_mean"]
    assert list(load(own, tmp_path, index=True, index_label="index").features) == [
        "tempo",
        "rms_mean",
    ]


def test_other_numbers_beside_the_68_are_no_labels(table, tmp_path):
    tracks = load(table.assign(year=range(8), mood=["calm", "wild"] * 4), tmp_path)
    assert tracks.features.shape[1] == 68 and list(tracks.labels) == ["genre", "mood"]


def test_spellings_of_one_genre(table, tmp_path):
    tracks = load(
        table.assign(genre=["Rock", "rock ", "Rock", "ROCK", "pop", "pop", "hip  hop", "hip hop"]),
        tmp_path,
    )
    assert tracks.genre_names == ["Rock", "hip hop", "pop"] or tracks.genre_names == [
        "Rock",
        "hip  hop",
        "pop",
    ]
    assert "Other spellings of genre" in reports.report_sentences(tracks.provenance)[-1]


def test_a_row_with_too_many_fields(table, tmp_path):
    table.to_csv(tmp_path / "mine.csv", index=False)
    lines = (tmp_path / "mine.csv").read_text().splitlines()
    lines[3] += ",1"
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    tracks = sources.load(str(tmp_path / "mine.csv"))
    assert tracks.n == 7 and tracks.provenance["faults"] == [
        ["line 4 (t2)", "71 fields instead of 70"]
    ]
    assert reports.report_sentences(tracks.provenance)[0] == "Found 8 rows, used 7, left out 1."


def test_more_bad_rows_than_good_ones(table, tmp_path):
    table.loc[2:, "tempo"] = np.nan
    with pytest.raises(
        ValueError,
        match=r"6 of 8 rows cannot be used, the first: row 3 \(t2\), column tempo: is empty",
    ):
        load(table, tmp_path)


def test_equal_rows(table, tmp_path):
    table.loc[5, list(FEATURES)] = table.loc[1, list(FEATURES)]
    tracks = load(table, tmp_path)
    assert tracks.provenance["doubles"] == [["t1", "t5"]] and tracks.groups[5] == "t1"
    table[list(FEATURES)] = 1.0
    with pytest.raises(ValueError, match="all 8 rows hold the same numbers"):
        load(table, tmp_path)
