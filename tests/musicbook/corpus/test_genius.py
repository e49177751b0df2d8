"""Tables of lyrics of any size: what a sample is, and tables that cannot be used."""

import numpy as np
import pandas as pd
import pytest

from musicbook.corpus import genius
from tests.material import write_lyrics


def test_scan_keeps_quotes_and_line_breaks(tmp_path):
    table = write_lyrics(tmp_path / "lyrics.csv", 2000).set_index("id")
    sample = genius.scan(tmp_path / "lyrics.csv", per_tag=50, seed=1, quiet=True)
    assert sample.groupby("tag").size().to_dict() == {"pop": 50, "rap": 50, "rock": 50}
    for row in sample.itertuples():
        original = table.loc[int(row.id)]
        assert (row.lyrics, row.title, row.tag, row.language) == (
            original.lyrics,
            original.title,
            original.tag,
            "en",
        )


def test_scan_sample_depends_on_the_seed_alone(tmp_path, monkeypatch):
    table = write_lyrics(tmp_path / "a.csv", 3000)
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "b.csv", index=False)
    table.to_parquet(tmp_path / "c.parquet")
    first = genius.scan(tmp_path / "a.csv", per_tag=20, seed=5, quiet=True)
    pd.testing.assert_frame_equal(
        first, genius.scan(tmp_path / "b.csv", per_tag=20, seed=5, quiet=True)
    )
    pd.testing.assert_frame_equal(
        first, genius.scan(tmp_path / "c.parquet", per_tag=20, seed=5, quiet=True)
    )
    monkeypatch.setattr(genius, "CHUNK", 37)
    pd.testing.assert_frame_equal(
        first, genius.scan(tmp_path / "a.csv", per_tag=20, seed=5, quiet=True)
    )
    other = genius.scan(tmp_path / "a.csv", per_tag=20, seed=6, quiet=True)
    assert set(first["id"]) != set(other["id"])
    more = genius.scan(tmp_path / "a.csv", per_tag=40, seed=5, quiet=True)
    assert set(first["id"]) < set(more["id"])


def test_scan_sample_is_uniform(tmp_path):
    """Ids of the first half are drawn as often as those of the second: 1200 draws, five standard
    deviations."""
    write_lyrics(tmp_path / "a.csv", 4000, tag="pop", language="en")
    low = sum(
        (
            genius.scan(tmp_path / "a.csv", per_tag=100, seed=s, quiet=True)["id"].astype(int)
            < 6000
        ).sum()
        for s in range(12)
    )
    assert abs(low - 600) < 5 * np.sqrt(1200 * 0.25)


def test_scan_passes_over_empty_lyrics(tmp_path):
    table = write_lyrics(tmp_path / "a.csv", 400, language="en")
    table.loc[::2, "lyrics"] = ["", "  \n ", None, "\t"] * 50
    table.to_csv(tmp_path / "a.csv", index=False)
    sample = genius.scan(tmp_path / "a.csv", per_tag=1000, quiet=True)
    assert len(sample) == 200 and (sample["id"].astype(int) % 2 == 0).all()


def test_scan_refuses(tmp_path):
    path = tmp_path / "a.csv"
    table = write_lyrics(path, 50)
    with pytest.raises(
        ValueError,
        match="no texts of the tag 'polka' in language 'en'; the tags of the table are pop, rap",
    ):
        genius.scan(path, tags=["pop", "polka"], quiet=True)
    with pytest.raises(ValueError, match="no texts are left in language 'xx'"):
        genius.scan(path, language="xx", quiet=True)
    with pytest.raises(FileNotFoundError, match="no such table"):
        genius.scan(tmp_path / "none.csv")
    table.drop(columns="tag").to_csv(path, index=False)
    with pytest.raises(ValueError, match="column 'tag' is missing"):
        genius.scan(path, quiet=True)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        genius.scan(path, quiet=True)
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="unpack"):
        genius.scan(tmp_path / "a.zip")


def test_scan_refuses_wrong_encoding(tmp_path):
    path = tmp_path / "latin.csv"
    table = write_lyrics(path, 50)
    table.assign(lyrics="déjà vu").to_csv(path, index=False, encoding="latin-1")
    with pytest.raises(
        ValueError,
        match="latin.csv: no texts are left; 50 rows could not be read.*line 2, not UTF-8",
    ):
        genius.scan(path, language=None, quiet=True)


def test_rows_that_are_not_well_formed_are_named(tmp_path, caplog):
    path = tmp_path / "broken.csv"
    write_lyrics(path, 50, lyrics="la la")
    whole = genius.scan(path, language=None, quiet=True)
    lines = path.read_text().splitlines()
    lines[10] += ",and, more, fields"
    path.write_text("\n".join(lines))
    sample = genius.scan(path, language=None, quiet=True)
    assert (
        sample.attrs["faults"] == [(11, "12 fields instead of 9")]
        and "line 11: 12 fields" in caplog.text
    )
    expected = whole[whole["id"] != "28"].reset_index(drop=True)
    assert len(expected) == 49
    pd.testing.assert_frame_equal(sample, expected)


def test_a_quotation_mark_that_is_never_closed(tmp_path):
    path = tmp_path / "broken.csv"
    write_lyrics(path, 50)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b'"')])  # the last text is never closed
    sample = genius.scan(path, language=None, quiet=True)
    ((line, why),) = sample.attrs["faults"]
    assert len(sample) == 49 and "never closed" in why and line > 49
