"""The bank of embedded lyrics, the text channels of the three protocols, and the embedding
itself."""

import numpy as np
import pandas as pd
import pytest

from helpers import lyrics, store
from helpers.lyrics import CONSTANTS, GENRE_TAG, TEMPLATES, Bank, sha256
from musicbook.corpus import encoders
from musicbook.corpus.embedding import embed_texts
from tests.conftest import ROOT
from tests.material import entries, needs_weights

SHARED = ROOT.parent / "shared" / "data" / "lyrics"
needs_lyrics = pytest.mark.skipif(not SHARED.is_dir(), reason="the lyrics sample is not here")
GENRES = sorted(TEMPLATES)


def small_bank(**counts: int) -> Bank:
    """Vector i is i in every place, so that a row tells which text it came from."""
    tag = np.repeat(list(counts), list(counts.values()))
    n = len(tag)
    vectors = np.repeat(np.arange(n, dtype=np.float32)[:, None], 384, axis=1)
    return Bank(
        vectors,
        tag,
        np.repeat("en", n),
        np.array([f"{i:064x}" for i in range(n)]),
        np.zeros(n, int),
    )


def test_bank_is_whole():
    b = lyrics.bank()
    assert len(b.tag) == len(b.language) == len(b.sha) == len(b.chars) == len(b.vectors)
    assert set(b.chars) == {0, 500}
    whole = b.chars == 0
    assert len(set(b.sha[whole])) == whole.sum() == 2798
    assert set(b.sha[~whole]) <= set(b.sha[whole])
    counts = {t: int((b.tag[whole] == t).sum()) for t in sorted(set(b.tag))}
    assert counts == {"country": 11, "misc": 2, "pop": 1008, "rap": 692, "rb": 9, "rock": 1076}
    np.testing.assert_allclose(np.linalg.norm(b.vectors, axis=1), 1.0, atol=1e-3)  # float16


def test_sentences():
    assert sorted(TEMPLATES) == sorted({*GENRE_TAG, *CONSTANTS}) and all(
        len(set(s)) == 3 for s in TEMPLATES.values()
    )
    assert set(CONSTANTS) == {"blues", "classical", "disco", "jazz", "reggae"}
    vectors = lyrics.sentence_vectors()
    assert len(vectors) == 35
    for v in vectors.values():
        assert np.linalg.norm(v) == pytest.approx(1.0, abs=1e-3)


@needs_weights
def test_sentence_vectors_are_what_the_model_gives():
    vectors = lyrics.sentence_vectors()
    np.testing.assert_allclose(
        embed_texts(list(vectors), quiet=True), np.stack(list(vectors.values())), atol=1e-3
    )


@needs_weights
@needs_lyrics
def test_bank_is_what_the_model_gives():
    b = lyrics.bank()
    table = pd.read_csv(SHARED / "genius_sample.csv")
    texts = {sha256(t).hex(): t for t in table["lyrics"].str.strip()}
    for chars in (0, 500):
        rows = np.flatnonzero(b.chars == chars)[::97]
        again = embed_texts([texts[b.sha[i]][: chars or None] for i in rows], quiet=True)
        np.testing.assert_allclose(again, b.vectors[rows], atol=1e-3)


def test_matched_gives_every_track_its_own_text_of_the_tag():
    genres = ["rock", "metal", "hiphop"] * 4
    V, report = lyrics.matched(genres, seed=1, texts=small_bank(rap=4, rock=8, pop=5))
    drawn = V[:, 0].astype(int)
    assert len(set(drawn)) == 12
    assert set(drawn[2::3]) == {0, 1, 2, 3} and set(drawn) - {0, 1, 2, 3} == set(range(4, 12))
    assert report.set_index("genre").loc[
        "hiphop", ["tag", "n_tracks", "n_from_tag", "n_from_rest"]
    ].tolist() == [
        "rap",
        4,
        4,
        0,
    ]


def test_matched_says_where_the_tag_ran_out():
    V, report = lyrics.matched(
        ["country"] * 3 + ["jazz"] * 2, seed=0, texts=small_bank(country=2, pop=4)
    )
    drawn = V[:, 0].astype(int)
    assert len(set(drawn)) == 5 and len({0, 1} & set(drawn[:3])) == 2
    assert report.values.tolist() == [["country", "country", 3, 2, 1, 0], ["jazz", "", 2, 0, 2, 0]]


def test_matched_reuses_only_when_the_bank_is_exhausted():
    V, report = lyrics.matched(["pop"] * 10, seed=0, texts=small_bank(pop=3, rock=4))
    drawn = V[:, 0].astype(int)
    assert set(drawn) == set(range(7)) and report["n_reused"].tolist() == [3]


def test_matched_segments_share_the_text_of_their_track():
    genres, groups = np.repeat(["pop", "rock"], 6), np.repeat(["a", "b", "c", "d"], 3)
    V, report = lyrics.matched(genres, seed=2, groups=groups)
    assert len(np.unique(V, axis=0)) == 4 and report["n_tracks"].tolist() == [2, 2]
    assert all(len(np.unique(V[groups == g], axis=0)) == 1 for g in set(groups))


def test_matched_on_the_real_bank():
    genres = np.repeat(GENRES, 100)
    V, report = lyrics.matched(genres, seed=3)
    assert V.shape == (1000, 384) and V.dtype == np.float32 and len(np.unique(V, axis=0)) == 1000
    report = report.set_index("genre")
    assert report.loc["country", "n_from_tag"] == 11 and report.loc["blues", "n_from_tag"] == 9
    assert report.loc["jazz", "n_from_tag"] == 0 and report.loc["rock", "n_from_tag"] == 100
    np.testing.assert_array_equal(V, lyrics.matched(genres, seed=3)[0])
    assert (V != lyrics.matched(genres, seed=4)[0]).any()


def test_matched_refuses():
    with pytest.raises(ValueError, match="'polka'"):
        lyrics.matched(["rock", "polka"], seed=0)
    with pytest.raises(ValueError, match="several genres"):
        lyrics.matched(["rock", "pop"], seed=0, groups=["a", "a"])
    with pytest.raises(ValueError, match="language 'xx'"):
        lyrics.matched(["rock"], seed=0, language="xx")


def test_shuffled_permutes_rows():
    V = np.arange(40.0).reshape(20, 2)
    S = lyrics.shuffled(V, seed=1)
    assert (S != V).any() and sorted(S.tolist()) == V.tolist()
    np.testing.assert_array_equal(S, lyrics.shuffled(V, seed=1))


def test_template_takes_the_sentences_in_turn():
    genres = ["jazz", "rock"] * 6
    V = lyrics.template(genres, seed=0, noise=0.0)
    assert len(np.unique(V, axis=0)) == 6
    vectors = lyrics.sentence_vectors()
    for i in range(6):
        np.testing.assert_array_equal(V[2 * i], vectors[TEMPLATES["jazz"][i % 3]])
    noisy = lyrics.template(genres, seed=0)
    assert (noisy - V).std() == pytest.approx(0.05, rel=0.05)
    with pytest.raises(ValueError, match="'polka'"):
        lyrics.template(["polka"], seed=0)


def test_constant_channel():
    genres = np.repeat(GENRES, 100)
    V, report = lyrics.constant(genres, seed=0, noise=0.0)
    distinct = {g: len(np.unique(V[genres == g], axis=0)) for g in GENRES}
    assert all(distinct[g] == 1 for g in CONSTANTS)
    assert {distinct[g] for g in ("hiphop", "pop", "rock", "metal", "country")} == {100}
    country = report.set_index("genre").loc["country"]
    assert (country.n_from_tag, country.n_from_rest) == (11, 89)  # filled up, and said
    assert (report.n_from_rest.sum(), report.n_texts.sum()) == (89, 505)
    np.testing.assert_array_equal(V[genres == "metal"], V[genres == "rock"])  # the same 100 texts
    assert (lyrics.constant(genres, seed=0)[0] - V).std() == pytest.approx(0.02, rel=0.05)
    with pytest.raises(ValueError, match="tag 'rap'"):
        lyrics.constant(["hiphop"], seed=0, texts=small_bank(pop=3))


@needs_weights
def test_embed_keeps_order_and_embeds_once(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    texts = ["the long road home " * 30, "rain", "rain", "a song of love", "rain"]
    V = embed_texts(texts, quiet=True)
    assert V.shape == (5, 384) and V.dtype == np.float32 and entries() == 3
    np.testing.assert_array_equal(V[1], V[4])
    np.testing.assert_allclose(V[3], encoders.load_minilm().encode(texts[3]), atol=1e-3)
    before = store.cache_report()["misses"]
    np.testing.assert_array_equal(embed_texts([*texts, "dance"], quiet=True)[:5], V)
    assert store.cache_report()["misses"] - before == 1
    kept = b"".join(entry.read_bytes() for entry in tmp_path.glob("*.npz"))
    assert kept and b"rain" not in kept  # no text is kept


def test_embed_refuses_empty_text():
    with pytest.raises(ValueError, match="text 1 is empty"):
        embed_texts(["fine", "  "], quiet=True)
    with pytest.raises(ValueError, match="text 0 is float"):
        embed_texts([float("nan")], quiet=True)


def test_no_weights_is_said_clearly(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    encoders.load_minilm.cache_clear()
    monkeypatch.setenv("HELPERS_MINILM", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="no weights of"):
        embed_texts(["a text"], quiet=True)
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(ValueError, match="not the expected weights"):
        encoders.find_weights()


def test_bank_missing_or_damaged(tmp_path):
    with pytest.raises(FileNotFoundError, match="no bank of lyrics"):
        lyrics.bank(tmp_path / "none.npz")
