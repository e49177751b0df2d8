"""The command line: help whose examples run, exit codes, and each command from real files to real output."""

import os
import re
import shlex
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf
from sklearn.metrics import adjusted_rand_score

from helpers import datasets, training
from helpers.__main__ import LEFT_OUT, main
from helpers.corpus import synth
from helpers.features import FEATURES, SR
from tests.material import needs_weights, write_clips, write_lyrics


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture
def music(tmp_path):
    for i, style in enumerate(["jazz", "metal", "pop"]):
        for j in range(4):
            path = tmp_path / "music" / style / f"{style} {j}.flac"
            path.parent.mkdir(parents=True, exist_ok=True)
            sf.write(path, synth.clip(style, seed=10 * i + j, seconds=3.0), SR)
    return tmp_path / "music"


def genre_folders(folder):
    for genre in ("blues", "rock"):
        write_clips(folder / genre, 1, seconds=30.0).popitem()[1].rename(folder / genre / f"{genre}.00000.wav")


def mini(home):
    genre_folders(home / "gtzan_mini")


def archive(home):
    genre_folders(home / "genres")
    (home / "Downloads").mkdir()
    with zipfile.ZipFile(home / "Downloads" / "gtzan.zip", "w") as z:
        for path in (home / "genres").glob("*/*"):
            z.write(path, path.relative_to(home))


def table(home):
    datasets.load("gtzan-mini-tracks").features.to_csv("music.csv", index_label="track_id")


EXAMPLES = {  # command: what its example finds, exit code, what it makes
    "features": (lambda home: write_clips(home / "Music", 3), 0, "music.csv"),
    "cluster": (table, 0, "playlists/tracks.csv"),
    "lyrics": (lambda home: write_lyrics("song_lyrics.csv", 60), 0, "bank.npz"),
    "data": (archive, 0, "data/gtzan.csv"),
    "embedded features": (mini, 0, "data/gtzan_mini_segments.csv"),
    "embedded lyrics": (lambda home: write_lyrics("genius_sample.csv", 20), 0, "data/lyrics_bank.npz"),
    "embedded sentences": (lambda home: None, 0, "data/sentences.npz"),
}


@pytest.mark.parametrize("command", [
    pytest.param(name, marks=needs_weights) if name.endswith(("lyrics", "sentences")) else name for name in EXAMPLES
])  # fmt: skip
def test_the_example_in_the_help_runs(command, capsys, tmp_path, monkeypatch):
    prepare, code, made = EXAMPLES[command]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare(tmp_path)
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "data"))
    assert main([*command.split(), "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    (example,) = re.findall(r"Example: python -m helpers (.*)$", said)
    assert example.startswith(command)
    assert main([os.path.expanduser(word) for word in shlex.split(example)]) == code, capsys.readouterr().err
    assert Path(made).stat().st_size > 100


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["polka"], 2, "No such command"),
        (["features"], 2, "Missing argument"),
        (["features", "nowhere"], 1, "nowhere: no such folder"),
        (["features", ".", "--jobs", "0"], 2, "--jobs"),
        (["cluster", "nowhere.csv"], 1, "no data set 'nowhere.csv'"),
        (["cluster", "gtzan-mini-tracks", "--clusters", "101"], 1, "fewer than the 101 clusters"),
        (["cluster", "gtzan-mini-tracks", "--protocol", "polka"], 1, "polka"),
        (["lyrics", "nowhere.csv"], 1, "nowhere.csv"),
        (["data", "--gtzan", "nowhere"], 1, "nowhere: no such file or folder"),
    ],
)
def test_exit_codes(arguments, code, says, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == code
    captured = capsys.readouterr()
    assert says in captured.err and captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1


def test_features(music, tmp_path, capsys):
    out = tmp_path / "out" / "music.csv"
    assert main(["features", str(music), "--out", str(out), "--jobs", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    tracks = datasets.load(str(out))
    assert tracks.n == 12 and tracks.genre_names == ["jazz", "metal", "pop"]
    (music / "pop" / "broken.wav").write_text("no sound")
    assert main(["features", str(music), "--out", str(out), "--jobs", "1"]) == LEFT_OUT
    assert "1 files were left out" in capsys.readouterr().out
    faults = pd.read_csv(out.with_name("music_faults.csv"))
    assert faults["track_id"].tolist() == ["pop/broken"] and "not audio" in faults["reason"][0]
    assert len(pd.read_csv(out)) == 12


def test_features_in_segments(music, tmp_path):
    out = tmp_path / "segments.csv"
    assert main(["features", str(music), "--out", str(out), "--segment", "1.5", "--jobs", "2", "-q"]) == 0
    tracks = datasets.load(str(out))
    assert tracks.n == 24 and len(set(tracks.groups)) == 12 and set(tracks.start_s) == {0.0, 1.5}


def test_cluster_folder_writes_playlists(music, tmp_path, capsys):
    out = tmp_path / "playlists"
    assert main(["cluster", str(music), "--clusters", "3", "--out", str(out)]) == 0
    assert "12 tracks" in capsys.readouterr().out
    table = pd.read_csv(out / "tracks.csv")
    assert len(table) == 12 and set(table["cluster"]) == {0, 1, 2}
    playlists = sorted(out.glob("*.m3u8"))
    entries = [line for p in playlists for line in p.read_text("utf-8").splitlines() if not line.startswith("#")]
    assert len(playlists) == 3 and sorted(entries) == sorted(table["path"])


def test_cluster_table(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40, 68)), columns=FEATURES)
    table.insert(0, "track_id", [f"t{i}" for i in range(40)])
    table.to_csv(tmp_path / "table.csv", index=False)
    out = tmp_path / "out"
    arguments = ["cluster", str(tmp_path / "table.csv"), "-k", "4", "--method", "ward", "-q", "-o"]
    assert main([*arguments, str(out)]) == 0 and main([*arguments, str(tmp_path / "again")]) == 0
    assert (out / "tracks.csv").read_bytes() == (tmp_path / "again" / "tracks.csv").read_bytes()
    assert sorted(set(pd.read_csv(out / "tracks.csv")["cluster"])) == [0, 1, 2, 3]


def test_cluster_of_a_large_table(tmp_path, monkeypatch):
    """Row groups on the workers of a dask cluster give the clusters that one process gives; the recipe's passes are
    replaced by a number of updates."""
    distributed = pytest.importorskip("distributed")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(900, 6)) + 5 * rng.normal(size=(3, 6))[rng.integers(3, size=900)]
    columns = {"track_id": [f"t{i}" for i in range(900)]} | {f"f{j}": X[:, j] for j in range(6)}
    pq.write_table(pa.table(columns), tmp_path / "songs.parquet", row_group_size=200)
    taken, lr_at = [], training.lr_at
    monkeypatch.setattr(training, "lr_at", lambda recipe, at: taken.append((recipe.steps, recipe.batch_size)) or
                        lr_at(recipe, at))  # fmt: skip
    arguments = ["cluster", str(tmp_path / "songs.parquet"), "-k", "3", "--steps", "60", "--batch", "128", "-q", "-o"]
    assert main([*arguments, str(tmp_path / "one")]) == 0
    assert taken == [(60, 128)] * 60
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as local:
        there = ["--scheduler", local.scheduler_address]
        assert main([*arguments, str(tmp_path / "two"), *there]) == 0
        assert main([*arguments, str(tmp_path / "no"), *there, "--method", "ward"]) == 1
    one, two = (pd.read_csv(tmp_path / name / "tracks.csv") for name in ("one", "two"))
    assert (one.track_id == two.track_id).all() and adjusted_rand_score(one.cluster, two.cluster) > 0.99
    assert not (tmp_path / "no").exists()


def test_data_from_a_copy(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "data"))
    for genre in ("blues", "rock"):
        folder = tmp_path / "gtzan" / "genres_original" / genre
        folder.mkdir(parents=True)
        sf.write(folder / f"{genre}.00000.wav", synth.clip(genre, seed=0, seconds=30.0), SR)
    (folder / "rock.00001.wav").write_text("damaged")
    assert main(["data", "--gtzan", str(tmp_path / "gtzan"), "--jobs", "1"]) == LEFT_OUT
    captured = capsys.readouterr()
    assert "blues.00001: missing" in captured.err and "and 978 more" in captured.err
    tracks = datasets.load("gtzan")
    assert tracks.ids.tolist() == ["blues.00000", "rock.00000"] and tracks.genre_names == ["blues", "rock"]
