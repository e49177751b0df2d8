"""Lyrics as they come, and how rows of a table find their tracks."""

import numpy as np
import pandas as pd
import pytest

from helpers.corpus import embedding, joined
from tests.material import needs_weights


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.mark.parametrize(
    "text, words",
    [
        ("[Instrumental]", ""),
        ("(Instrumental)", ""),
        ("instrumental.", ""),
        ("N/A", ""),
        ("[Verse 1]\nRain on the road\n\n[Chorus: All]\nHome", "Rain on the road\nHome"),
        ("<b>Rain</b> on<br/>the road &amp; home", "Rain on the road & home"),
        ("Rain &amp;amp; home", "Rain & home"),
        ("12 ContributorsMy Song Lyrics[Intro]\nRain on the road12Embed", "Rain on the road"),
        ("Rain on theYou might also like road", "Rain on the road"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("I am embedded in the Embed", "I am embedded in the"),
        ("None of us", "None of us"),
        ("{Verse}\nRain", "Rain"),
    ],
)
def test_only_words_are_embedded(text, words):
    assert joined.clean(text) == words


def rows(path, text):
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return joined.read_rows(path, [("lyrics", "file")])


def test_one_bad_row_is_named_and_the_others_are_read(tmp_path):
    table = rows(
        tmp_path / "l.csv",
        'file,lyrics\na,one\nb,two, three, four\nc,"five, six"\nd,caf\udce9\n,,\ne,"seven\neight"\nf,x\n',
    )
    assert [(row["file"], row["lyrics"]) for row in table.rows] == [
        ("a", "one"), ("c", "five, six"), ("", ""), ("e", "seven\neight"), ("f", "x"),
    ] or [row["file"] for row in table.rows] == ["a", "c", "e", "f"]  # fmt: skip
    assert table.faults[:2] == [(3, "4 fields instead of 2"), (5, "not UTF-8")]


def test_a_quotation_mark_that_is_never_closed(tmp_path):
    table = rows(tmp_path / "l.csv", 'file,lyrics\na,one\nb,"two\nc,three\n')
    assert [row["file"] for row in table.rows] == ["a"]
    assert table.faults == [(3, "a quotation mark is never closed: nothing after it is read")]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_marks_between_values(tmp_path, mark):
    assert rows(tmp_path / "l.csv", f"\ufeffFile{mark}Lyrics\na{mark}one\n").rows[0]["lyrics"] == "one"


def test_tables_that_are_none(tmp_path):
    for text, says in (
        ("", "the table is empty"),
        ("name,lyrics\n", "it has the columns name, lyrics; needed are lyrics and file"),
    ):
        with pytest.raises(ValueError, match=says):
            rows(tmp_path / "l.csv", text)


def matched(tmp_path, names, *files):
    paths = {name.rsplit(".", 1)[0]: tmp_path / name for name in names}
    table = joined.Rows(tmp_path / "l.csv", [{"file": f, "line": str(i + 2)} for i, f in enumerate(files)])
    return {track: row["file"] for track, row in joined.match(table, paths, {}).items()}, table.faults


def test_names_that_have_no_letters_are_told_apart(tmp_path):
    found, faults = matched(tmp_path, ["!!!.mp3", "???.mp3", "a.mp3"], "???.mp3", "!!!", "...")
    assert found == {"???": "???.mp3", "!!!": "!!!"} and faults == [(4, "...: belongs to no track of the folder")]


def test_rows_without_or_with_several_tracks_are_named(tmp_path):
    names = ["x/01 Intro.mp3", "y/01 Intro.mp3", "y/b.mp3"]
    found, faults = matched(tmp_path, names, "01 Intro.mp3", "y/B.mp3", "y/b", "", "x\\01 intro")
    assert found == {"y/b": "y/B.mp3", "x/01 Intro": "x\\01 intro"}
    assert faults == [
        (2, "01 Intro.mp3: could be any of 2 tracks"), (4, "y/b: a second row for y/b, of which the first is used"),
        (5, "no file is named"),
    ]  # fmt: skip


@needs_weights
def test_long_texts_are_counted_and_may_be_read_whole(tmp_path):
    long = " ".join(f"word{i} rain road" for i in range(300))
    paths = {name: tmp_path / f"{name}.wav" for name in ("a", "b", "c")}
    pd.DataFrame({"file": ["a", "b", "c"], "lyrics": [long, "rain on the road", "[Instrumental]"]}).to_csv(
        tmp_path / "l.csv", index=False
    )
    first = joined.read_lyrics(paths, tmp_path / "l.csv")
    assert first.said[:2] == ["lyrics for 2 of 3 tracks, the mean vector for the rest", "1 rows hold no words"]
    assert first.said[2].startswith("1 texts have more than 256 tokens, of which the first 256 are read")
    whole = joined.read_lyrics(paths, tmp_path / "l.csv", windows=True)
    pieces = embedding._pieces(long)
    assert (
        len(pieces) > 3 and max(embedding.tokens(pieces)) <= embedding.TOKENS and "".join(pieces).count("word") == 300
    )
    mean = embedding.embed(pieces).mean(axis=0)
    np.testing.assert_allclose(whole.vectors.loc["a"], mean / np.linalg.norm(mean), atol=1e-5)
    np.testing.assert_allclose(first.vectors.loc["a"], embedding.embed([long])[0], atol=1e-6)
    assert whole.vectors.loc["c"].isna().all()


@needs_weights
def test_the_language_is_kept(tmp_path):
    pytest.importorskip("py3langid", reason="py3langid is not installed")
    texts = [
        "rain on the road and I am going home to you tonight",
        "Regen auf der Straße und ich gehe heute Nacht nach Hause zu dir",
    ]
    paths = {name: tmp_path / f"{name}.wav" for name in ("a", "b")}
    pd.DataFrame({"file": ["a", "b"], "lyrics": texts}).to_csv(tmp_path / "l.csv", index=False)
    assert joined.read_lyrics(paths, tmp_path / "l.csv").language == {"a": "en", "b": "de"}
