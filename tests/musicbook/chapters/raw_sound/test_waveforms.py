"""Raw sound: the convolutional VAE, its targets, its crops, and the published grid on real
tracks."""

import logging

import librosa
import numpy as np
import pandas as pd
import pytest
import torch

from helpers import metrics, models, training
from helpers.features import SR
from musicbook.chapters.raw_sound import comparison, listening, networks, published, waveforms
from musicbook.corpus import sources, synth

SMALL = networks.RECIPE.but(hidden=(4, 4, 8, 8, 8), latent=4, epochs=2, batch_size=4)
SHORT = 4096


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """Twenty-four crops of a second and a half, of eight synthetic clips in four styles."""
    styles = ("classical", "metal", "disco", "jazz")
    clips = [synth.clip(style, seed=i, seconds=5.0) for style in styles for i in (0, 1)]
    return networks.one_loudness(
        np.concatenate([networks.cut_crops(y, (0, 1.5, 3), n=waveforms.HALF) for y in clips])
    )


# ---- the network ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", models.TARGETS)
def test_the_encoder_takes_any_length_and_the_decoder_gives_what_its_target_asks_for(target):
    net = models.ConvVAE(SMALL, SHORT, target).eval()
    mu, logvar = net.encode(torch.randn(3, 3 * SHORT))
    assert mu.shape == logvar.shape == (3, 4)
    assert net.decode(mu).shape == (
        models.log_mel(torch.zeros(3, SHORT)).shape if target == "mel" else (3, SHORT)
    )


@pytest.mark.parametrize(
    ("n", "target", "said"),
    [
        (5000, "mel", "multiple"),
        (2048, "mel", "at least two times"),
        (SHORT, "cqt", "choose one of waveform, stft, mel"),
    ],
)
def test_what_a_network_cannot_be_built_for_is_said(n, target, said):
    with pytest.raises(ValueError, match=said):
        models.ConvVAE(SMALL, n, target)


def test_the_loss_trains_every_weight_and_is_what_training_minimises(crops, monkeypatch):
    for target in models.TARGETS:
        net = models.ConvVAE(SMALL, SHORT, target)
        models.sound_loss(net, (torch.from_numpy(crops[:4, :SHORT]),), 1.0)[0].backward()
        assert all(
            p.grad is not None and p.grad.abs().sum() > 0
            for n, p in net.named_parameters()
            if "bias" not in n
        )
    x = np.ascontiguousarray(crops[:8, :SHORT])
    one, again = (networks.fit_network(x, "mel", SMALL, 0) for _ in range(2))
    assert all((one[name] == again[name]).all() for name in one if name != "seconds")
    whole = models.sound_loss
    monkeypatch.setattr(
        models, "sound_loss", lambda net, batch, beta: tuple(3 * v for v in whole(net, batch, beta))
    )
    other = networks.fit_network(x, "mel", SMALL, 0)
    assert not np.allclose(one["history/loss"], other["history/loss"])


def test_a_stored_network_is_the_one_that_was_trained(crops):
    x = np.ascontiguousarray(crops[:8, :SHORT])
    with training.seeded(3):
        net = models.ConvVAE(SMALL, SHORT, "stft")
        training.train(net, (torch.from_numpy(x),), SMALL, models.sound_loss)
    made = networks.load_network(networks.fit_network(x, "stft", SMALL, 3), SHORT, "stft", SMALL)
    assert np.array_equal(networks.encode_crops(made, x)[0], networks.encode_crops(net, x)[0])


def test_power_is_one_for_white_noise_and_log_mel_follows_librosa():
    noise = torch.from_numpy(np.random.default_rng(0).normal(size=(1, 200_000)).astype(np.float32))
    assert float(models.power(noise, 1024, 512)[..., 2:-2].mean()) == pytest.approx(1.0, abs=0.02)
    y = synth.clip("pop", seed=1, seconds=4.0)[: 80 * models.FRAME]
    window = np.square(np.hanning(1025)[:-1]).sum()
    theirs = librosa.feature.melspectrogram(
        y=y,
        sr=models.SOUND_RATE,
        n_fft=1024,
        hop_length=512,
        n_mels=64,
        fmin=30.0,
        norm=None,
        pad_mode="reflect",
    )
    triangles = librosa.filters.mel(
        sr=models.SOUND_RATE, n_fft=1024, n_mels=64, fmin=30.0, norm=None
    )
    wanted = np.log10(theirs / triangles.sum(1)[:, None] / window + 1e-3)[:, :80]
    assert np.abs(models.log_mel(torch.from_numpy(y)[None])[0].numpy() - wanted).max() < 1e-3


def test_a_network_that_gives_the_mean_leaves_all_and_one_that_learns_leaves_less(crops):
    class Mean(models.ConvVAE):
        def decode(self, z):
            return wanted.expand(len(z), -1, -1)

    wanted = models.log_mel(torch.from_numpy(crops)).mean(0)
    assert networks.unexplained_share(Mean(SMALL, waveforms.HALF).eval(), crops) == pytest.approx(
        1.0, abs=1e-4
    )
    recipe = networks.RECIPE.but(epochs=25, batch_size=4)
    net = networks.load_network(
        networks.fit_network(crops, "mel", recipe, 0), waveforms.HALF, "mel", recipe
    )
    assert networks.unexplained_share(net, crops) < 0.6


# ---- crops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sr", [8000, 22050, 44100])
def test_crops_keep_pitch_and_place_at_any_rate(sr):
    t = np.arange(4 * sr) / sr
    y = np.where(t < 2, 0.0, np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    silent, sounding = networks.cut_crops(y, (0.0, 2.2), sr, n=16384)
    assert np.abs(silent).max() < 1e-3
    peak = np.argmax(np.abs(np.fft.rfft(sounding))) * models.SOUND_RATE / 16384
    assert peak == pytest.approx(440, abs=1)


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (np.zeros(SR), "lasts 1.00 s, too short for a crop of 2.97 s that starts at 0 s"),
        (np.full(4 * SR, np.nan), "NaN"),
    ],
)
def test_sound_that_cannot_be_cut_is_named(sound, said):
    with pytest.raises(ValueError, match=said):
        networks.cut_crops(sound, (0,))


def test_silence_everywhere_is_refused():
    with pytest.raises(ValueError, match="every crop is silent"):
        networks.one_loudness(np.zeros((3, 10)))


# ---- to hear -------------------------------------------------------------------------------------


def test_a_picture_turned_into_sound_has_that_picture(crops):
    for y in crops[:6:3]:
        back = listening.sound_of_picture(listening.log_mel_picture(y))
        assert len(back) == len(y)
        assert (
            np.corrcoef(
                listening.log_mel_picture(y).ravel(), listening.log_mel_picture(back).ravel()
            )[0, 1]
            > 0.9
        )
        assert (
            np.abs(listening.log_mel_picture(y) - listening.log_mel_picture(back)).mean() < 0.35
        )  # log10 of power: as loud, too


def test_players_of_crops_stay_small(crops):
    html = listening.sound_gallery({"a": {"b": crops[0], "c": crops[1]}}).data
    assert html.count("<audio") == 2 and len(html) < 80_000


# ---- the grid ------------------------------------------------------------------------------------


def test_without_audio_there_are_no_cells_and_the_log_says_why(monkeypatch, tmp_path, caplog):
    monkeypatch.setenv("GTZAN_AUDIO", str(tmp_path))
    with caplog.at_level(logging.INFO, "helpers"):
        assert waveforms.cells(sources.load("gtzan-mini"), range(5)) == []
    assert "set GTZAN_AUDIO" in caplog.text


def test_a_cell_on_real_sound_is_what_was_published(shared, monkeypatch):
    """The cheap rows of seed 0, from the audio."""
    monkeypatch.setenv("GTZAN_AUDIO", str(shared / "gtzan_mini"))
    arrays = published.WaveformRuns().arrays
    cells = waveforms.cells(sources.load("gtzan-mini"), range(1))
    assert [named["row"] for named, *_ in cells] == list(waveforms.ROWS)
    for named, function, *arguments in cells[:2]:
        found = function(*arguments)
        table = metrics.counts(found["labels/segments"], arrays[f"{named['row']}/segments"][0])
        assert metrics.ari(table) > 0.95  # the same clusters, up to the numpy of the day


def test_published_scores_are_those_of_the_published_labels():
    real = published.WaveformRuns()
    for line in real.scores.itertuples():
        labels = real.arrays[f"{line.row}/{line.level}"][line.seed]
        genres = real.truth(line.level)[0]
        assert metrics.nmi(metrics.counts(genres, labels)) == pytest.approx(line.nmi, abs=1e-5)
        assert metrics.ari(metrics.counts(genres, labels)) == pytest.approx(line.ari, abs=1e-5)


def test_the_published_grid_is_whole():
    real = published.WaveformRuns()
    assert set(real.scores.row) == set(waveforms.ROWS)
    counts = real.scores.groupby(["row", "level"]).seed.nunique()
    assert (counts == waveforms.SEEDS).all(), counts


def test_the_published_order_is_that_of_the_protocol():
    """The waveform is not learnt: of sound that follows what it was trained on nothing is given
    back, by any seed; what is learnt by heart hurts; a log-mel target teaches something; nothing
    trained here beats the 68 features."""
    real = published.WaveformRuns()
    mean = real.scores.groupby(["row", "level"]).mean(numeric_only=True)
    left = real.scores[real.scores.row == "ConvVAE to the waveform"]
    assert (left.unexplained >= 0.95).all() and (left.by_heart < left.unexplained).all()
    assert mean.loc[(waveforms.MEL, "segments"), "unexplained"] < 0.6
    ari = mean.xs("segments", level="level").ari
    assert ari["ConvVAE to the waveform"] < ari[waveforms.UNTRAINED]
    assert ari[waveforms.MEL] >= ari[waveforms.UNTRAINED] + 0.03
    for row in (*waveforms.MODELS, waveforms.UNTRAINED, waveforms.LOG_MEL, "PCA of waveforms"):
        assert ari[row] < ari[waveforms.FEATURES], row
    assert len(real.network_table()) == 1 + len(waveforms.MODELS)
    assert (
        published.waveform_answers(real).answer["Is it better than the 68 features?"] == "no, worse"
    )
    assert "learned nothing general" in published.waveform_sentence(real)


def test_the_epochs_that_the_page_names_are_those_of_the_grid():
    said = published.training_sentence()
    for row, (_, recipe) in waveforms.MODELS.items():
        wanted = f"{recipe.epochs} in the row *{row}*"
        assert wanted in said or f"took {recipe.epochs} epochs" in said, row
    assert f"over {waveforms.SEEDS} trained networks" in said
    assert any("40 epochs than after 20" in question for question in published.QUESTIONS)


def test_two_scores_of_one_description_are_told_apart():
    """The page gives the 68 features and the network two scores each, and says what differs."""
    rows = {
        (comparison.FEATURES, comparison.Z_SCORED): 0.111,
        (waveforms.MEL, comparison.AS_IT_IS): 0.222,
    }
    scores = pd.DataFrame({"nmi": rows})
    sentence = comparison.averages_sentence(scores, published.WaveformRuns())
    assert "Their NMI is 0.111 for the whole track" in sentence and "(NMI 0.222)" in sentence
    only_features = scores.loc[[(comparison.FEATURES, comparison.Z_SCORED)]]
    assert comparison.averages_sentence(only_features, published.WaveformRuns()) == ""


def test_a_data_set_without_a_grid_says_how_to_make_it():
    with pytest.raises(FileNotFoundError, match="make results DATASET=elsewhere ONLY=waveforms"):
        published.WaveformRuns("elsewhere")


def test_what_is_said_of_the_strongest_tags_is_counted():
    """By hand: two of six tags are no genre, and only one row has the name of its own genre."""
    rows = {"hiphop": ["Hip-Hop 0.50", "80s 0.14"], "jazz": ["blues 0.30", "rock 0.20"]}
    rows["disco"] = ["pop 0.24", "guitar 0.18"]
    said = comparison.tags_sentence(pd.DataFrame(rows).T)
    assert said.startswith("4 of the 6 tags name a genre or a style")
    assert "In 1 of the 3 rows" in said and said.endswith("no tag for: disco.")
    stored = comparison.strongest_tags()
    own = {
        genre: set(row.str.rsplit(" ", n=1).str[0].str.lower()) for genre, row in stored.iterrows()
    }
    named = sum(
        genre in tags or genre == "hiphop" and "hip-hop" in tags for genre, tags in own.items()
    )
    assert f"In {named} of the 10 rows" in comparison.tags_sentence(stored) and named < 10
