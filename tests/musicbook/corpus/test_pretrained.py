"""Pretrained sound: the checkpoint's reader, the network against TensorFlow's own numbers,
embeddings of tracks.

`musicnn_reference.npz` holds what musicnn 0.1.0 itself gives under TensorFlow 2.15 for
`reference_sound`, all patches in one batch (with its default of one at a time its list of features
repeats the first patch)."""

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import torch
from sklearn.preprocessing import normalize

from helpers import metrics, phases
from helpers.clustering import cluster
from helpers.features import SR
from musicbook.__main__ import main
from musicbook.chapters.raw_sound import comparison
from musicbook.corpus import pretrained, sources, synth
from musicbook.corpus.acquire import find_gtzan
from musicbook.corpus.audio import load_audio


@pytest.fixture(scope="session")
def wheel():
    """musicnn's wheel: what HELPERS_MUSICNN names, the copy beside the store, or a download."""
    try:
        return pretrained.find_wheel()
    except FileNotFoundError as error:
        pytest.skip(f"musicnn's weights are not here and cannot be fetched: {error}")


@pytest.fixture
def heard(wheel, monkeypatch, tmp_path):
    """An empty store, and the weights."""
    monkeypatch.setenv("HELPERS_MUSICNN", str(wheel))
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def reference():
    with np.load(Path(__file__).with_name("musicnn_reference.npz")) as file:
        return dict(file)


def reference_sound(sr: int = pretrained.RATE) -> np.ndarray:
    """Chords, a sweep, beats and hiss from a formula: the same everywhere, and nobody's."""
    t = np.arange(int(6.5 * sr)) / sr
    chords = sum(np.sin(2 * np.pi * f * t) for f in (220.0, 277.2, 329.6, 880.0)) * (
        0.6 + 0.4 * np.sin(4 * np.pi * t)
    )
    sweep = np.sin(2 * np.pi * (200 * t + 400 * t**2))
    beats = np.sin(2 * np.pi * 60 * t) * np.exp(-8 * (t % 0.5)) * 4
    hiss = np.sin(1e4 * np.sin(1e4 * t + t**3)) * np.exp(-30 * (t % 0.25))
    return (0.05 * (chords + sweep + beats + hiss) / 4).astype(np.float32)


# ---- against the original ------------------------------------------------------------------------


def test_the_front_end_is_the_original_up_to_its_rounding(reference):
    ours = pretrained.patches(reference_sound(), pretrained.RATE)
    assert ours.shape == reference["patches"].shape == (2, 187, 96)
    assert np.abs(ours - reference["patches"]).max() < 1e-3


@pytest.mark.parametrize("model", ["MSD", "MTT"])
def test_the_network_gives_tensorflows_activations(heard, reference, model):
    with torch.inference_mode():
        found = pretrained.network(
            pretrained.weights(model), torch.from_numpy(reference["patches"])
        )
    for ours, theirs in zip(
        found, (reference[f"{model}_penultimate"], reference[f"{model}_tags"]), strict=True
    ):
        assert np.abs(ours.numpy() - theirs).max() < 1e-4
    whole = pretrained.hear(reference_sound(), model, pretrained.RATE)  # with our own front end
    assert np.abs(whole["penultimate"] - reference[f"{model}_penultimate"].mean(0)).max() < 1e-3
    assert np.abs(whole["tags"] - reference[f"{model}_tags"].mean(0)).max() < 1e-3


def test_the_weights_are_all_read_and_of_known_size(heard):
    for model in ("MSD", "MTT"):
        found = {
            name: value for name, value in pretrained.weights(model).items() if "power" not in name
        }
        assert sum(value.numel() for value in found.values()) == 792_079
        assert all(torch.isfinite(value).all() for value in found.values())
        assert len(pretrained.tag_names(model)) == 50
    assert pretrained.GENRE_TAGS < set(pretrained.tag_names("MSD"))
    assert pretrained.tag_names("MTT")[:2] == ("guitar", "classical")


def test_batches_change_nothing(heard):
    y = synth.clip("jazz", seed=4, seconds=13.0)
    one, all_at_once = (pretrained.hear(y, "MTT", batch=batch)["penultimate"] for batch in (1, 10))
    assert np.allclose(one, all_at_once, atol=1e-5)


# ---- what is committed ---------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "low", "high"), [("MSD", 0.87, 0.92), ("MTT", 0.69, 0.75)])
def test_rows_of_length_one_cluster_as_published(name, low, high):
    tracks = sources.load("gtzan-mini-tracks")
    X = normalize(pretrained.committed(name).loc[tracks.ids].to_numpy())
    found = [
        metrics.nmi(metrics.counts(tracks.genres, cluster(X, "kmeans", 10, seed)))
        for seed in range(10)
    ]
    assert low < np.mean(found) < high


def test_the_committed_vectors_are_those_of_the_sound(heard, shared):
    track = pretrained.committed("MSD").index[55]
    path = find_gtzan(shared / "gtzan_mini")[track]
    for model in ("MSD", "MTT"):
        found = pretrained.hear(load_audio(path)[0], model)
        assert np.allclose(found["penultimate"], pretrained.committed(model).loc[track], atol=5e-3)
    assert list(pretrained.committed("MSD_tags")) == list(pretrained.tag_names("MSD"))
    tags = pretrained.hear(load_audio(path)[0], "MSD")["tags"]
    assert np.allclose(tags, pretrained.committed("MSD_tags").loc[track], atol=1e-3)


# ---- tracks --------------------------------------------------------------------------------------


def test_a_data_set_takes_an_embedding_in_place_of_its_features():
    tracks = sources.load("gtzan-mini-tracks", embedding="musicnn")
    plain = sources.load("gtzan-mini-tracks")
    assert tracks.features.shape == (100, 200) and (tracks.ids == plain.ids).all()
    assert tracks.provenance["embedding"] == "musicnn" and plain.features.shape == (100, 68)
    run = phases.run_phase(
        tracks, "controlled", 1, seeds=1, recipes=(), n_jobs=1
    )  # any phase takes it
    assert run.scores.query("metric == 'nmi'").value.max() > 0.7


def test_a_folder_is_heard_once_and_what_is_too_short_is_left_out(heard, tmp_path, monkeypatch):
    folder = tmp_path / "music"
    folder.mkdir()
    for i, (style, sr) in enumerate([("metal", 22050), ("classical", 8000), ("jazz", 44100)]):
        sf.write(folder / f"{i}.wav", synth.clip(style, seed=i, seconds=4.0, sr=sr), sr)
    sf.write(
        folder / "again.wav", synth.clip("metal", seed=0, seconds=4.0), SR
    )  # a double is a track as well
    sf.write(folder / "short.wav", synth.clip("pop", seed=0, seconds=2.0), SR)
    sf.write(folder / "silent.wav", np.zeros(4 * SR), SR)
    tracks = sources.load(str(folder), embedding="musicnn")
    assert tracks.ids.tolist() == ["0", "1", "2", "again", "silent"] and tracks.features.shape == (
        5,
        200,
    )
    assert tracks.groups[3] == "0" and tracks.features.loc["again"].equals(
        tracks.features.loc["0"].rename("again")
    )
    assert np.isfinite(tracks.features.to_numpy()).all()
    assert (
        "lasts 2.00 s; musicnn needs at least 2.98 s"
        in dict(map(tuple, tracks.provenance["faults"]))["short"]
    )
    monkeypatch.setattr(pretrained, "network", None)  # the second time nothing is heard
    assert sources.load(str(folder), embedding="musicnn").features.equals(tracks.features)


@pytest.mark.parametrize(
    ("source", "embedding", "said"),
    [
        (
            "gtzan-mini-tracks",
            "vggish",
            "There is no embedding 'vggish'; choose one of musicnn, musicnn-mtt.",
        ),
        (
            "gtzan-mini",
            "musicnn",
            "gtzan-mini: there is no sound here for musicnn; take a folder of audio",
        ),
    ],
)
def test_what_cannot_be_embedded_ends_in_a_sentence(source, embedding, said, capsys):
    assert main(["map", source, "--embedding", embedding]) == 1
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1


# ---- weights that are not the weights ------------------------------------------------------------


def test_foreign_and_missing_weights_end_in_a_sentence(tmp_path, monkeypatch):
    other = tmp_path / pretrained.WHEEL
    monkeypatch.setenv("HELPERS_MUSICNN", str(other))
    with pytest.raises(FileNotFoundError, match="HELPERS_MUSICNN must name musicnn-0.1.0"):
        pretrained.find_wheel()
    other.write_bytes(b"PK\x03\x04 something else")
    with pytest.raises(ValueError, match="not musicnn-0.1.0-py3-none-any.whl .sha256"):
        pretrained.find_wheel()


def test_without_a_network_one_sentence_says_what_to_do_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.delenv("HELPERS_MUSICNN", raising=False)
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    for name, value in {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
        "PIP_NO_INDEX": "1",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        FileNotFoundError, match="pip cannot fetch them .*set HELPERS_MUSICNN to the file"
    ) as error:
        pretrained.find_wheel()
    assert "\n" not in str(error.value) and list(tmp_path.iterdir()) == []


def test_a_damaged_checkpoint_is_refused(heard):
    import zipfile

    with zipfile.ZipFile(pretrained.find_wheel()) as file:
        index = file.read("musicnn/MTT_musicnn/.index")
        data = file.read("musicnn/MTT_musicnn/.data-00000-of-00001")
    assert "dense/kernel" in pretrained.read_checkpoint(index, data)
    compressed = bytearray(index)
    compressed[index.rindex(b"\x0a\x00\x00\x00\x00") + 5 - 1] = 1  # the type of the index block
    for wrong in (b"", b"text" * 50, index[: len(index) // 2], index[100:], bytes(compressed)):
        with pytest.raises(ValueError, match="not a TensorFlow checkpoint"):
            pretrained.read_checkpoint(wrong, data)
    with pytest.raises(ValueError, match="not a TensorFlow checkpoint"):
        pretrained.read_checkpoint(index, data[: len(data) // 2])


@pytest.mark.parametrize(
    ("sound", "said"),
    [
        (np.zeros(100), "lasts 0.00 s; musicnn needs at least 2.98 s"),
        (np.full(4 * SR, np.inf), "finite"),
        (np.zeros((2, 4 * SR)), "mono"),
    ],
)
def test_sound_that_cannot_be_heard_is_named(sound, said):
    with pytest.raises(ValueError, match=said):
        pretrained.patches(sound)


# ---- the comparison ------------------------------------------------------------------------------


def test_the_comparison_puts_msd_first_and_a_vae_does_not_help():
    tracks, note = comparison.tracks_to_compare("gtzan-mini")
    found = comparison.sound_spaces(tracks)
    assert (
        note == ""
        and {len(X) for X in found.values()} == {100}
        and found[comparison.NO_GENRE].shape[1] == 21
    )
    kept = {name: found[name] for name in (comparison.FEATURES, comparison.MTT, comparison.MSD)}
    labels = comparison.cluster_spaces_by_scaling(kept, 10, seeds=2)
    scores = comparison.score_spaces(labels, tracks)
    best = scores.nmi.unstack().max(axis=1)
    assert best[comparison.MSD] > best[comparison.MTT] > best[comparison.FEATURES]
    assert scores.nmi[comparison.MSD, comparison.BETA_VAE] < scores.nmi[comparison.MSD, "length 1"]
    assert (scores.nmi_low <= scores.nmi).all() and (scores.nmi <= scores.nmi_high).all()
    table = comparison.space_table(scores)
    assert list(table) == list(comparison.WAYS)
    assert (table.loc[list(comparison.WITH_VAE)] != "").all(axis=None)
    assert table.loc[comparison.MTT, comparison.BETA_VAE] == ""
    answers = comparison.space_answers(labels, tracks).answer
    # with two seeds, whether the loss is sure depends on the processor that trained the network
    helps = answers["Does a Beta-VAE on top of MSD help?"]
    assert helps in ("no, worse", "no detectable difference")


def test_data_without_sound_or_genres_is_compared_on_the_embedded_tracks(tmp_path):
    table = sources.load("gtzan-mini-tracks").features.head(12).reset_index(drop=True)
    table.insert(0, "track_id", [f"song {i}" for i in range(12)])
    for name, genres in (("plain", None), ("labelled", ["a", "b"] * 6)):
        path = tmp_path / f"{name}.csv"
        (table if genres is None else table.assign(genre=genres)).to_csv(path, index=False)
        tracks, note = comparison.tracks_to_compare(str(path))
        assert tracks.name == "gtzan-mini-tracks"
        assert ("no genres" if genres is None else "no sound here") in note
