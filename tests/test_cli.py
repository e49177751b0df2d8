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
from helpers.__main__ import app, main
from helpers.commands.music import LEFT_OUT
from helpers.corpus import synth
from helpers.features import FEATURES, SR
from tests.conftest import ROOT
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


def pairs(home):
    """Three of the book's songs as the tables that `embedded paired` reads."""
    (home / "paired").mkdir()
    songs = datasets.load("paired").rows(np.arange(3))
    known = {"artist_id": songs.groups, **songs.labels, **songs.blocks["facts"]}
    pd.DataFrame({"track_id": songs.ids, **known}).to_csv(home / "paired" / "tracks.csv", index=False)
    songs.features.to_csv(home / "paired" / "features.csv", index_label="track_id")
    np.savez(home / "paired" / "lyrics.npz", track_id=songs.ids, vectors=songs.text.to_numpy(np.float16))


EXAMPLES = {  # command: what its example finds, exit code, what it makes
    "features": (lambda home: write_clips(home / "Music", 3), 0, "music.csv"),
    "cluster": (table, 0, "playlists/tracks.csv"),
    "lyrics": (lambda home: write_lyrics("song_lyrics.csv", 60), 0, "bank.npz"),
    "data": (archive, 0, "data/gtzan.csv"),
    "embedded features": (mini, 0, "data/gtzan_mini_segments.csv"),
    "embedded lyrics": (lambda home: write_lyrics("genius_sample.csv", 20), 0, "data/lyrics_bank.npz"),
    "embedded sentences": (lambda home: None, 0, "data/sentences.npz"),
    "embedded paired": (pairs, 0, "data/paired.npz"),
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
        (["cluster", "gtzan-mini-tracks", "--clusters", "101"], 1, "--clusters 33"),
        (["cluster", "gtzan-mini-tracks", "--protocol", "polka"], 1, "polka"),
        (["cluster", "gtzan-mini-tracks", "--labels", "tags"], 1, "--labels and --lyrics are for a folder"),
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
    said = []
    for _ in range(2):  # the second time from the store
        assert main(["features", str(music), "--out", str(out), "--jobs", "1"]) == LEFT_OUT
        said.append(capsys.readouterr().err)
    assert "Found 13 files, used 12, left out 1." in said[0] and said[0] == said[1]
    report = pd.read_csv(out.with_name("music_report.csv"))
    assert len(report) == 13 and report["track_id"][~report["used"]].tolist() == ["pop/broken"]
    assert "not audio" in report["said"][~report["used"]].item()
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


def test_cluster_of_a_folder_reports(music, tmp_path, capsys):
    """What was left out or is odd is said, written and counted in the exit code, the second time too."""
    (music / "pop" / "broken.wav").write_text("no sound")
    sf.write(music / "pop" / "silent.wav", np.zeros(5 * SR), SR)
    (music / "lyrics.csv").write_text("file,lyrics\nnowhere,x\n")  # not read, and so not in the way
    said = []
    for _ in range(2):
        assert main(["cluster", str(music), "-k", "3", "--method", "ward", "--out", str(tmp_path / "out")]) == LEFT_OUT
        said.append(capsys.readouterr().err)
    assert "Found 14 files, used 13, left out 1." in said[0] and "pop/silent (silent in the 5 s" in said[0]
    assert said[0] == said[1]
    report = pd.read_csv(tmp_path / "out" / "report.csv", keep_default_na=False).set_index("track_id")
    assert len(report) == 14 and report.loc["pop/silent", "said"].startswith("silent")
    table = pd.read_csv(tmp_path / "out" / "tracks.csv")
    alone = table["cluster"].map(table["cluster"].value_counts())[table["track_id"] == "pop/silent"].item() == 1
    assert alone == ("says little: it holds pop/silent (" in said[0])
    assert all(table.groupby("cluster")["place"].apply(lambda p: sorted(p) == list(range(1, len(p) + 1))))


@pytest.mark.parametrize("rows", [3, 9])
@pytest.mark.parametrize("method", ["kmeans", "ward", "dbscan", "hdbscan", "spectral"])
def test_few_rows_do_for_every_method(tmp_path, rows, method):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 68)), columns=FEATURES)
    table.insert(0, "track_id", [f"t{i}" for i in range(rows)])
    table.to_csv(tmp_path / "t.csv", index=False)
    command = ["cluster", str(tmp_path / "t.csv"), "-k", "2", "--method", method, "-q", "-o", str(tmp_path / "out")]
    assert main(command) == 0
    assert len(pd.read_csv(tmp_path / "out" / "tracks.csv")) == rows


@needs_weights
def test_cluster_with_lyrics_uses_them(music, tmp_path):
    files = sorted(p.stem for p in music.rglob("*.flac"))
    words = pd.DataFrame({"file": files, "lyrics": [f"a song about {w}" for w in ("rain", "love") * 6]})
    words.to_csv(music / "lyrics.csv", index=False)
    results = []
    for how in ("none", "first"):
        assert main(["cluster", str(music), "-k", "3", "--lyrics", how, "-q", "--out", str(tmp_path / how)]) == 0
        results.append(pd.read_csv(tmp_path / how / "tracks.csv")["cluster"].tolist())
    assert results[0] != results[1]


def documented() -> list[str]:
    """Every call of the command line that README and the book print."""
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md")), ROOT / "CONTRIBUTING.md"]
    text = "\n".join(page.read_text() for page in pages).replace("\\\n", " ")
    return re.findall(r"python -m helpers ((?:features|lyrics|cluster|data|embedded)\b[^`\n]*)", text)


@pytest.mark.parametrize("line", documented())
def test_what_the_documents_print_is_what_the_command_takes(line):
    import typer.main

    command = typer.main.get_command(app)
    words = shlex.split(line.split("#")[0])
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    command.make_context("helpers", words, resilient_parsing=False)  # as click reads it: unknown options are errors


def test_what_the_documents_import_is_there():
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
    lines = [line for page in pages for line in re.findall(r"^ *(from helpers\S* import .*)$", page.read_text(), re.M)]
    assert len(lines) > 1
    for line in lines:
        exec(line, {})


def test_the_documents_name_every_command_for_own_music():
    assert {line.split()[0] for line in documented()} >= {"cluster", "features"}


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
