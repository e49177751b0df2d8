"""Fusion by hand, the guards on planted leaks and on clean data, and planted signals that every
channel must show."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from helpers import clustering, inputs, lyrics, metrics, protocols, tables
from helpers.inputs import ModelInput
from leakaudit import leaks
from musicbook.corpus import sources

GENRES = np.repeat([f"g{i}" for i in range(5)], 40)
CODES = np.repeat(np.arange(5), 40)


def made(text=None, audio=None, seed=0):
    """An input table with clean audio and, if given, a text block."""
    audio = (
        np.random.default_rng(seed).normal(size=(200, 6)) + CODES[:, None] * 0.3
        if audio is None
        else audio
    )
    blocks = {"audio": audio} | ({} if text is None else {"text": text})
    X, columns = inputs.fuse(blocks, dict.fromkeys(blocks, 1.0))
    return ModelInput(X, columns, CODES)


def test_fuse_keeps_the_ratio_of_the_weights_and_unit_variance():
    rng = np.random.default_rng(0)
    X, blocks = inputs.fuse(
        {"audio": rng.normal(3, 9, (50, 4)), "text": rng.normal(size=(50, 2))},
        {"audio": 0.6, "text": 0.4},
    )
    assert blocks == {"audio": slice(0, 4), "text": slice(4, 6)}
    assert X.var(axis=0).mean() == pytest.approx(1.0)
    assert X[:, 0].std() / X[:, 5].std() == pytest.approx(1.5)
    Z, _ = inputs.fuse(
        {"audio": X[:, :4], "text": X[:, 4:]}, {"audio": 0.6, "text": 0.4}, "restandardised"
    )
    np.testing.assert_allclose(Z.std(axis=0), 1.0)


def test_blocks_count_by_their_weight_and_not_by_their_columns():
    rng = np.random.default_rng(0)
    text = rng.normal(size=(200, 40)) * np.geomspace(9, 0.1, 40)
    X, blocks = inputs.fuse(
        {"audio": rng.normal(3, 9, (200, 4)), "text": text}, {"audio": 0.6, "text": 0.4}, "blocks"
    )
    total = {name: X[:, where].var(axis=0).sum() for name, where in blocks.items()}
    assert total["audio"] / total["text"] == pytest.approx((0.6 / 0.4) ** 2)
    assert X.var(axis=0).mean() == pytest.approx(1)
    kept = X[:, blocks["text"]].std(axis=0)
    np.testing.assert_allclose(
        kept / kept[0], text.std(axis=0) / text[:, 0].std()
    )  # columns keep their proportions
    np.testing.assert_allclose(np.ptp(X[:, blocks["audio"]].std(axis=0)), 0, atol=1e-12)
    flat, _ = inputs.fuse(
        {"audio": X[:, :4], "text": np.ones((200, 3))}, {"audio": 0.6, "text": 0.4}, "blocks"
    )
    assert np.isfinite(flat).all()


def test_fuse_refuses_bad_blocks():
    with pytest.raises(ValueError, match="different numbers of rows"):
        inputs.fuse(
            {"audio": np.zeros((3, 2)), "text": np.zeros((4, 2))}, {"audio": 1.0, "text": 1.0}
        )
    with pytest.raises(ValueError, match="'text' needs a weight"):
        inputs.fuse({"text": np.zeros((3, 2))}, {"audio": 1.0})
    with pytest.raises(ValueError, match="no scaling 'block'; choose one of columns"):
        inputs.fuse({"audio": np.ones((3, 2))}, {"audio": 1.0}, "block")


def test_only_blocks_of_mixed_units_lose_their_proportions():
    """By name: a channel of features called anything but "audio" keeps its loud columns."""
    loud = np.random.default_rng(0).normal(size=(200, 2)) * [100.0, 1.0]
    spreads = {}
    for name, mixed in (("audio", ("audio",)), ("sound", ("audio",)), ("sound", ("sound",))):
        X, _ = inputs.fuse({name: loud}, {name: 1.0}, "blocks", mixed)
        spreads[name, mixed] = X.std(axis=0)[0] / X.std(axis=0)[1]
    assert spreads["audio", ("audio",)] == pytest.approx(1)
    assert spreads["sound", ("sound",)] == pytest.approx(1)
    assert spreads["sound", ("audio",)] == pytest.approx(100, rel=0.2)


def test_reduce_text_keeps_what_is_asked():
    V = np.random.default_rng(0).normal(size=(100, 20)) * np.linspace(5, 0.1, 20)
    few, kept = inputs.reduce_text(V, 0.95)
    assert few.shape[1] < 20 and 0.95 <= kept < 1
    assert inputs.reduce_text(V, 5)[0].shape == (100, 5)
    assert inputs.reduce_text(V, None) == (pytest.approx(V), 1.0)


def guard(text, groups=None):
    """What the leak guard says of a text block beside honest sound, which it does not judge."""
    whole = made(text)
    judged = dataclasses.replace(whole, blocks={"text": whole.blocks["text"]})
    return inputs.leak_guard(inputs.label_effects(judged, GENRES, groups))


def test_texts_that_lean_to_a_genre_pass_the_leak_guard():
    leaning = np.random.default_rng(1).normal(size=(200, 16)) + 0.15 * CODES[:, None]
    assert guard(leaning) == []
    assert inputs.label_effects(made(leaning), GENRES)["text"].p <= 0.05  # though they do lean


SENTENCES = np.random.default_rng(0).normal(size=(15, 16))
WRONG = np.where(np.arange(200) % 40 == 7, (CODES + 1) % 5, CODES)  # one row a genre
SWAPPED = np.arange(200)
SWAPPED[[20, 130]] = SWAPPED[[130, 20]]


@pytest.mark.parametrize(
    "leak",
    [
        lambda rng: np.eye(5)[CODES],
        lambda rng: np.eye(5)[CODES] + rng.normal(0, 1e-3, (200, 5)),
        lambda rng: np.eye(5)[WRONG],
        lambda rng: SENTENCES[CODES * 3 + np.arange(200) % 3] + rng.normal(0, 0.05, (200, 16)),
        lambda rng: SENTENCES[WRONG * 3 + np.arange(200) % 3],
        lambda rng: np.where(CODES[:, None] < 1, SENTENCES[:1], rng.normal(size=(200, 16))),
        lambda rng: 1950 + 5 * CODES[:, None] + rng.normal(size=(200, 1)),
        lambda rng: SWAPPED[:, None].astype(float),
        lambda rng: rng.normal(size=(200, 32)) * 1.5 ** CODES[:, None],
    ],
    ids=[
        "one-hot",
        "one-hot and noise",
        "one-hot, one row a genre wrong",
        "sentences and noise",
        "sentences, one a genre wrong",
        "one sentence for one genre",
        "year",
        "track order, a pair swapped",
        "noise as loud as the genre",
    ],
)
def test_planted_leaks_are_found(leak):
    (said,) = guard(leak(np.random.default_rng(3)))
    assert said.startswith("A simple classifier names the genre from the text with a score of ")


def test_how_loud_a_leak_is_follows_its_dose():
    rng = np.random.default_rng(4)
    for dose in (0.2, 0.5, 0.8):
        told = np.where(rng.random(200) < dose, CODES, rng.integers(5, size=200))
        effect = inputs.label_effects(
            made(SENTENCES[told * 3] + rng.normal(0, 0.05, (200, 16))), GENRES
        )["text"]
        assert effect.share == pytest.approx(
            dose, abs=0.12
        )  # as if that share of the rows carried the genre
        assert effect.leaky == (dose > 0.3)


def test_shared_texts_of_segments_are_no_leak():
    groups = np.repeat(np.arange(40), 5)
    text = np.random.default_rng(0).normal(size=(40, 16))[groups]
    assert guard(text, groups) == []
    assert (
        guard(text) != []
    )  # without the groups every row has its like on the other side of the split


@pytest.mark.parametrize("phase", [2, 3])
def test_the_released_inputs_leak_and_their_weights_cancel(phase):
    tracks = sources.load("gtzan-mini")
    assert inputs.prepare(tracks, "released", phase).leaky and not inputs.weights_survive(
        tracks, "released", phase
    )
    assert not inputs.prepare(tracks, "controlled", phase).leaky and inputs.weights_survive(
        tracks, "controlled", phase
    )


def test_input_sizes_of_the_protocols():
    tracks = sources.load("gtzan-mini")
    width = {
        (p, phase): inputs.prepare(tracks, p, phase, guard=False).X.shape[1]
        for p in ("written", "released")
        for phase in (1, 2, 3)
    }
    assert width == {
        ("written", 1): 68,
        ("written", 2): 100,
        ("written", 3): 100,
        ("released", 1): 68,
        ("released", 2): 452,
        ("released", 3): 462,
    }


def test_variants_feed_what_they_say():
    tracks = sources.load("gtzan-mini-tracks")
    for variant, names in {
        "audio alone": {"audio"},
        "lyrics alone": {"text"},
        "one-hot removed": {"audio", "text"},
        "one-hot alone": {"label"},
        "real lyrics": {"audio", "text", "label"},
    }.items():
        assert set(inputs.prepare(tracks, "released", 3, variant=variant).blocks) == names
    full, shuffled = (
        inputs.prepare(tracks, "controlled", 2, variant=v) for v in ("full", "lyrics shuffled")
    )
    np.testing.assert_array_equal(
        full.X[:, full.blocks["audio"]] != 0, shuffled.X[:, full.blocks["audio"]] != 0
    )
    assert not np.allclose(full.X[:, full.blocks["text"]], shuffled.X[:, full.blocks["text"]])


def test_songs_of_one_artist_have_texts_of_their_own():
    """Groups keep an artist's songs together in intervals and folds; words belong to a song,
    whatever its genre."""
    mini = sources.load("gtzan-mini-tracks")
    artists = np.array([f"artist {i % 7}" for i in range(mini.n)])  # each plays several genres
    tracks = dataclasses.replace(mini, groups=artists)
    for variant in ("full", "lyrics shuffled"):
        text, _ = inputs.channels(tracks, protocols.get("controlled"), 2, 0, variant)
        alone, _ = inputs.channels(mini, protocols.get("controlled"), 2, 0, variant)
        assert (
            np.array_equal(text["text"], alone["text"])
            and len(np.unique(text["text"], axis=0)) == mini.n
        )
    segments = sources.load("gtzan-mini")
    segments = dataclasses.replace(segments, groups=np.repeat(artists, 10))
    text, _ = inputs.channels(segments, protocols.get("controlled"), 2, 0)
    assert len(np.unique(text["text"], axis=0)) == 100  # segments of a track share its words


def test_a_leak_is_refused_under_controlled(monkeypatch):
    tracks = sources.load("gtzan-mini-tracks")
    template = lyrics.template(tracks.genres, seed=0, noise=0.0)
    monkeypatch.setattr(lyrics, "matched", lambda genres, seed, groups: (template, None))
    with pytest.raises(ValueError, match="guards refuse the input of phase 2: .*text"):
        inputs.prepare(tracks, "controlled", 2)


def test_errors():
    tracks = sources.load("gtzan-mini-tracks")
    with pytest.raises(ValueError, match="no phase 4"):
        inputs.prepare(tracks, "controlled", 4)
    with pytest.raises(ValueError, match="no variant 'loud'"):
        inputs.prepare(tracks, "controlled", 2, variant="loud")


def test_music_without_labels_or_lyrics_is_audio_alone():
    tracks = sources.load("gtzan-mini-tracks")
    bare = tracks.score(None)
    assert set(inputs.prepare(bare, "controlled", 2).blocks) == {"audio"}
    with pytest.raises(ValueError, match="has no genres"):
        inputs.prepare(bare, "released", 2)
    with pytest.raises(
        ValueError, match="has no genres, which protocol 'released'|has no genres, from which"
    ):
        inputs.prepare(bare, "released", 3)


# ---- positive controls ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def songs():
    """The raw channels of 200 rows with real sound and real lyrics that belong to nothing."""
    tracks = sources.load("gtzan-mini-tracks")
    bank = lyrics.bank()
    rows = np.random.default_rng(0).integers(100, size=200)
    audio = (
        tracks.features.to_numpy()[rows] + np.random.default_rng(1).normal(size=(200, 68)) * 1e-3
    )
    return {"audio": audio, "text": bank.vectors[bank.rows()[:200]]}


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_plant_has_the_size_that_it_says(songs, share):
    y = np.arange(200) % 2
    planted = inputs.plant(songs["text"], y, share)
    between = np.array([planted[y == g].mean(axis=0) for g in (0, 1)])
    before = np.array([songs["text"][y == g].mean(axis=0) for g in (0, 1)])
    signal = ((between - before - (between - before).mean(axis=0)) ** 2).sum() / 2
    assert signal / planted.var(axis=0).sum() == pytest.approx(share, rel=0.15)


@pytest.mark.parametrize("channel", ["audio", "text"])
@pytest.mark.parametrize("protocol", ["controlled", "released"])
def test_a_signal_in_a_channel_is_found_again(songs, protocol, channel):
    found = [
        inputs.planted_nmi(songs, channel, protocols.get(protocol), 3, 0.4, seed)[0]
        for seed in range(5)
    ]
    assert np.mean(found) > 0.5
    without = {**songs, channel: songs[channel]}
    y = np.random.default_rng(0).permutation(np.arange(200) % 2)
    X, columns, _ = inputs.scale(without, protocols.get(protocol), 3)
    labels = clustering.cluster(X[:, columns[channel]], "kmeans", 2)
    assert metrics.external(y, labels)["nmi"] < 0.05  # and none is found where there is none


def test_the_papers_scaling_keeps_a_signal_in_the_sound_and_loses_one_in_the_words(songs):
    written = protocols.get("written")
    nmi = {
        channel: np.mean(
            [inputs.planted_nmi(songs, channel, written, 3, 0.4, seed) for seed in range(5)], axis=0
        )
        for channel in songs
    }
    assert (
        nmi["audio"][0] > 0.9
        and nmi["text"][0] < 0.15
        and min(nmi["audio"][1], nmi["text"][1]) > 0.9
    )
    (said,) = inputs.scale_guard(
        songs, written, 3
    )  # recorded with every run, and refused by a strict protocol
    assert "planted into the text" in said


def test_shuffled_lyrics_lose_a_signal_and_full_ones_keep_it():
    """The control that the pages rely on: planted words are found with their tracks and lost
    between them."""
    tracks = sources.load("gtzan-mini-tracks")
    y = np.random.default_rng(0).permutation(np.arange(100) % 2)
    words = inputs.plant(lyrics.bank().vectors[lyrics.bank().rows()[:100]].astype(float), y, 0.5)
    own = dataclasses.replace(
        tracks, blocks=tracks.blocks | {"text": pd.DataFrame(words, index=tracks.ids)}
    )
    nmi = {}
    for variant in ("full", "lyrics alone", "lyrics shuffled", "audio alone"):
        made = inputs.prepare(own, "controlled", 2, variant=variant)
        part = made.X[:, made.blocks["text"]] if "text" in made.blocks else made.X
        nmi[variant] = metrics.external(y, clustering.cluster(part, "kmeans", 2))["nmi"]
    assert (
        min(nmi["full"], nmi["lyrics alone"]) > 0.8
        and max(nmi["lyrics shuffled"], nmi["audio alone"]) < 0.1
    )


def test_the_guard_refuses_the_scaling_that_hides_the_words(songs, monkeypatch):
    """Every principal component as loud as the first: what `controlled` did before it scaled by
    block."""
    whitened = dataclasses.replace(protocols.get("controlled"), scaling="columns")
    (said,) = inputs.scale_guard(songs, whitened, 3)
    assert "planted into the text" in said and "lost by the scaling" in said
    assert inputs.scale_guard(songs, protocols.get("controlled"), 3) == []
    tracks = sources.load("gtzan-mini-tracks")
    words = pd.DataFrame(songs["text"][:100], index=tracks.ids)
    own = dataclasses.replace(tracks, blocks=tracks.blocks | {"text": words})
    with pytest.raises(
        ValueError, match="guards refuse the input of phase 2: A signal planted into the text"
    ):
        inputs.prepare(own, whitened, 2)
    recorded = inputs.prepare(own, dataclasses.replace(whitened, strict=False), 2)
    assert len(recorded.lost) == 1 and not recorded.leaky


def test_constant_channels_pass_the_scale_guard(songs):
    raw = {"audio": songs["audio"], "text": np.ones((200, 5))}
    assert inputs.scale_guard(raw, protocols.get("controlled"), 2) == []


def test_any_scaling_can_be_checked(songs):
    """Columns z-scored after keeping 95 % of the variance lose a planted signal, blocks keep it."""

    def by(scaling):
        def fused(raw):
            text, _ = inputs.reduce_text(raw["text"], 0.95)
            blocks = {"audio": raw["audio"], "text": text}
            return inputs.fuse(blocks, {"audio": 0.6, "text": 0.4}, scaling)

        return inputs.check_scaling(songs, "text", fused)

    lost = by("columns")
    assert lost.lost
    assert lost.sentence().startswith("A signal planted into the text, 30% of its variance")
    assert not by("blocks").lost


def test_a_page_says_why_a_block_is_no_leak():
    """With the limit below it, and that it may be chance above it."""
    clean = made(np.random.default_rng(1).normal(size=(200, 3)))
    for share, said in ((0.04, f"begins at {leaks.LEAKY:g}"), (leaks.LEAKY, "may be chance")):
        judged = dataclasses.replace(clean, judged={"text": share})
        assert said in tables.read_guard(judged)
