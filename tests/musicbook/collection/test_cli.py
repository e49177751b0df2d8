"""The command line: help whose examples run, exit codes, and each command from real files to real
output."""

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

from helpers.features import FEATURES, SR
from musicbook.__main__ import app, main
from musicbook.chapters.cluster_well import stable_groups
from musicbook.collection.commands import LEFT_OUT
from musicbook.corpus import sources, synth
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
        write_clips(folder / genre, 1, seconds=30.0).popitem()[1].rename(
            folder / genre / f"{genre}.00000.wav"
        )


def mini(home):
    genre_folders(home / "gtzan_mini")


def archive(home):
    genre_folders(home / "genres")
    (home / "Downloads").mkdir()
    with zipfile.ZipFile(home / "Downloads" / "gtzan.zip", "w") as z:
        for path in (home / "genres").glob("*/*"):
            z.write(path, path.relative_to(home))


def table(home):
    sources.load("gtzan-mini-tracks").features.to_csv("music.csv", index_label="track_id")


def pairs(home):
    """Three of the book's songs as the tables that `embedded paired` reads."""
    (home / "paired").mkdir()
    songs = sources.load("paired").rows(np.arange(3))
    known = {"artist_id": songs.groups, **songs.labels, **songs.blocks["facts"]}
    pd.DataFrame({"track_id": songs.ids, **known}).to_csv(
        home / "paired" / "tracks.csv", index=False
    )
    songs.features.to_csv(home / "paired" / "features.csv", index_label="track_id")
    np.savez(
        home / "paired" / "lyrics.npz", track_id=songs.ids, vectors=songs.text.to_numpy(np.float16)
    )


EXAMPLES = {  # command: what its example finds, exit code, what it makes
    "features": (lambda home: write_clips(home / "Music", 3), 0, "music.csv"),
    "map": (lambda home: write_clips(home / "Music", 12, seconds=4.0), 0, "my-music/index.html"),
    "lyrics": (lambda home: write_lyrics("song_lyrics.csv", 60), 0, "bank.npz"),
    "data": (archive, 0, "data/gtzan.csv"),
    "embedded features": (mini, 0, "data/gtzan_mini_segments.csv"),
    "embedded lyrics": (
        lambda home: write_lyrics("genius_sample.csv", 20),
        0,
        "data/lyrics_bank.npz",
    ),
    "embedded sentences": (lambda home: None, 0, "data/sentences.npz"),
    "embedded paired": (pairs, 0, "data/paired.npz"),
}


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(name, marks=needs_weights) if name.endswith(("lyrics", "sentences")) else name
        for name in EXAMPLES
    ],
)
def test_the_example_in_the_help_runs(command, capsys, tmp_path, monkeypatch):
    prepare, code, made = EXAMPLES[command]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    prepare(tmp_path)
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # `map` does without the weights of musicnn, too
    assert main([*command.split(), "--help"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    (example,) = re.findall(r"Example: python -m musicbook (.*)$", said)
    assert example.startswith(command)
    assert main([os.path.expanduser(word) for word in shlex.split(example)]) == code, (
        capsys.readouterr().err
    )
    assert Path(made).stat().st_size > 100


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["polka"], 2, "No such command"),
        (["features"], 2, "Missing argument"),
        (["features", "nowhere"], 1, "nowhere: no such folder"),
        (["features", ""], 1, "the name of the folder is empty"),
        (["features", ".", "--out", ""], 1, "an empty name was given"),
        (["features", ".", "--out", " "], 1, "an empty name was given"),
        (["features", ".", "--segment", "inf"], 2, "--segment"),
        (["features", str(Path(__file__))], 1, "this is a file; name a folder"),
        (["map", "gtzan-mini-tracks", "--out", ""], 1, "an empty name was given"),
        (["map", "gtzan-mini-tracks", "--seed", "4294967296"], 2, "--seed"),
        (["map", "gtzan-mini-tracks", "--seed", "-1"], 2, "--seed"),
        (["map", "gtzan-mini-tracks", "--method", ""], 1, "There is no method ''"),
        (["lyrics", ""], 1, "an empty name was given"),
        (["lyrics", "nowhere.csv", "--out", ""], 1, "an empty name was given"),
        (["data", "--gtzan", ""], 1, "an empty name was given"),
        (["data", "--msd", ""], 1, "an empty name was given"),
        (["embedded", "features", ""], 1, "an empty name was given"),
        (["embedded", "paired", " "], 1, "an empty name was given"),
        (["embedded", "lyrics", str(ROOT / "data" / "verses.csv")], 1, "has no column tag"),
        (["embedded", "lyrics", "nowhere.csv"], 1, "nowhere.csv: No such file"),
        (["data", "--gtzan", str(ROOT / "data" / "verses.csv")], 1, "verses.csv: no such folder"),
        (["map", "nowhere/music"], 1, "nowhere/music: no such folder"),
        (["map", " "], 1, "the source is empty"),
        (["features", ".", "--jobs", "0"], 2, "--jobs"),
        (["map", "nowhere.csv"], 1, "nowhere.csv: no such table"),
        (["map", ""], 1, "the source is empty"),
        (["map", "gtzan-mini-tracks", "--clusters", "101"], 1, "ask for at most 100"),
        (["map", "gtzan-mini-tracks", "--method", "polka"], 1, "There is no method 'polka'"),
        (["map", "gtzan-mini-tracks", "--labels", "tags"], 1, "--labels is for music of your"),
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


def commands(group=None, words=()):
    """Every command of `musicbook`, as the words that call it."""
    import typer.main

    group = group or typer.main.get_command(app)
    found = [words]
    for name, command in getattr(group, "commands", {}).items():
        found += commands(command, (*words, name))
    return found


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_every_help_has_the_exit_codes(words, capsys):
    assert main([*words, "--help"]) == 0
    assert "Exit codes: 0 done, 1 " in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ModuleNotFoundError(name="polars"), "pip install 'vae-music-clustering[lyrics]'"),
        (ModuleNotFoundError(name="other.part"), "other is not installed; pip install other"),
        (ImportError("libtorch_cpu.so: failed to map\nmore"), "failed to map); where memory is"),
        (MemoryError(), "not enough memory for this"),
    ],
)
def test_what_cannot_be_loaded_ends_in_one_sentence(error, says, monkeypatch, capsys, tmp_path):
    from musicbook.corpus import genius

    def scan(*arguments, **options):
        raise error

    monkeypatch.setattr(genius, "scan", scan)
    write_lyrics(tmp_path / "songs.csv", 10)
    command = ["lyrics", str(tmp_path / "songs.csv"), "-o", str(tmp_path / "bank.npz")]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert says in said and len(said.splitlines()) == 1


def test_nothing_is_written_into_an_installed_package(tmp_path, monkeypatch):
    from helpers import tracks

    monkeypatch.delenv("HELPERS_DATA", raising=False)
    assert tracks.made_data_dir() == tracks.data_dir()  # of the checkout
    monkeypatch.setattr(tracks, "data_dir", lambda: tmp_path / "site-packages" / "_data")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    assert tracks.made_data_dir() == tmp_path / "own" / "vae-music-clustering"
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path))
    assert tracks.made_data_dir() == tmp_path / "site-packages" / "_data"


def test_features(music, tmp_path, capsys):
    out = tmp_path / "out" / "music.csv"
    assert main(["features", str(music), "--out", str(out), "--jobs", "1", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    tracks = sources.load(str(out))
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
    assert (
        main(["features", str(music), "--out", str(out), "--segment", "1.5", "--jobs", "2", "-q"])
        == 0
    )
    tracks = sources.load(str(out))
    assert tracks.n == 24 and len(set(tracks.groups)) == 12 and set(tracks.start_s) == {0.0, 1.5}


def test_map_of_a_folder_reports(music, tmp_path, capsys):
    """What was left out or is odd is said, written and counted in the exit code, the second time
    too."""
    (music / "pop" / "broken.wav").write_text("no sound")
    sf.write(music / "pop" / "silent.wav", np.zeros(5 * SR), SR)
    (music / "lyrics.csv").write_text("file,lyrics\nnowhere,x\n")  # not read, and so not in the way
    out, errors = tmp_path / "out", []
    for _ in range(2):
        command = ["map", str(music), "-k", "3", "--method", "ward", "--embedding", "none"]
        assert main([*command, "--out", str(out)]) == LEFT_OUT
        errors.append(capsys.readouterr().err)
    assert "Found 14 files, used 13, left out 1." in errors[0]
    assert "pop/silent (silent in the 5 s" in errors[0] and errors[0] == errors[1]
    report = pd.read_csv(out / "report.csv", keep_default_na=False).set_index("track_id")
    assert len(report) == 14 and report.loc["pop/silent", "said"].startswith("silent")
    table = pd.read_csv(out / "tracks.csv")
    assert len(table) == 13 and set(table["cluster"]) <= {-1, 0, 1, 2}
    lists = sorted((out / "playlists").glob("*.m3u8"))
    lines = [line for path in lists for line in path.read_text("utf-8").splitlines()]
    assert sorted(line for line in lines if line[0] != "#") == sorted(table["path"])


@pytest.mark.parametrize("method", list(stable_groups.METHODS))
def test_few_rows_do_for_every_method(tmp_path, method):
    rows = np.random.default_rng(0).normal(size=(10, 68))
    table = pd.DataFrame(rows, columns=FEATURES)
    table.insert(0, "track_id", [f"t{i}" for i in range(10)])
    table.to_csv(tmp_path / "t.csv", index=False)
    out = tmp_path / "out"
    command = ["map", str(tmp_path / "t.csv"), "-k", "2", "--method", method, "--repeats", "2"]
    assert main([*command, "-q", "-o", str(out)]) == 0
    assert len(pd.read_csv(out / "tracks.csv")) == 10 and (out / "index.html").exists()


def documented() -> list[str]:
    """Every call of the command line that README and the book print."""
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md")), ROOT / "CONTRIBUTING.md"]
    pages.append(ROOT / "notebooks" / "10_collection.py")
    text = "\n".join(page.read_text() for page in pages).replace("\\\n", " ")
    return re.findall(r"python -m musicbook ((?:features|lyrics|map|data|embedded)\b[^`\n]*)", text)


@pytest.mark.parametrize("line", documented())
def test_what_the_documents_print_is_what_the_command_takes(line):
    import typer.main

    command = typer.main.get_command(app)
    words = shlex.split(line.split("#")[0])
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]
    command.make_context(
        "helpers", words, resilient_parsing=False
    )  # as click reads it: unknown options are errors


def test_what_the_documents_import_is_there():
    pages = [ROOT / "README.md", *sorted((ROOT / "book").glob("*.md"))]
    lines = [
        line
        for page in pages
        for line in re.findall(
            r"^ *(from (?:helpers|musicbook|leakaudit)\S* import .*)$", page.read_text(), re.M
        )
    ]
    assert len(lines) > 1
    for line in lines:
        exec(line, {})


def test_the_documents_name_every_command_for_own_music():
    assert {line.split()[0] for line in documented()} >= {"map", "features"}


def test_map_of_a_table_is_the_same_twice(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(40, 68)), columns=FEATURES)
    table.insert(0, "track_id", [f"t{i}" for i in range(40)])
    table.to_csv(tmp_path / "table.csv", index=False)
    arguments = ["map", str(tmp_path / "table.csv"), "-k", "4", "--method", "kmeans", "-q", "-o"]
    for name in ("one", "two"):
        assert main([*arguments, str(tmp_path / name)]) == 0
    one, two = (tmp_path / name for name in ("one", "two"))
    for name in ("tracks.csv", "groups.csv", "index.html"):
        assert (one / name).read_bytes() == (two / name).read_bytes()


def test_a_large_table_is_grouped_by_the_workers_of_a_cluster(tmp_path):
    """Row groups on the workers of a dask cluster give the clusters that are planted there."""
    distributed = pytest.importorskip("distributed")
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=900)
    X = rng.normal(size=(900, 6)) + 9 * rng.normal(size=(3, 6))[truth]
    columns = {"track_id": [f"t{i}" for i in range(900)]} | {f"f{j}": X[:, j] for j in range(6)}
    pq.write_table(pa.table(columns), tmp_path / "songs.parquet", row_group_size=200)
    arguments = ["map", str(tmp_path / "songs.parquet"), "-k", "3", "-q", "-o"]
    with distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        processes=False,  # no worker is killed here: threads, spoken to over TCP, start at once
        protocol="tcp://",
        dashboard_address=None,
        silence_logs=50,
        local_directory=str(tmp_path / "dask"),
    ) as local:
        there = ["--scheduler", local.scheduler_address]
        assert main([*arguments, str(tmp_path / "two"), *there]) == 0
        assert main([*arguments, str(tmp_path / "no"), *there, "--method", "ward"]) == 1
    assert adjusted_rand_score(truth, pd.read_csv(tmp_path / "two" / "tracks.csv").cluster) > 0.99
    assert not (tmp_path / "no").exists()


def test_data_from_a_copy(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "data"))
    for genre in ("blues", "rock"):
        folder = tmp_path / "gtzan" / "genres_original" / genre
        folder.mkdir(parents=True)
        for number in (0, 2):
            sound = synth.clip(genre, seed=number, seconds=30.0)
            sf.write(folder / f"{genre}.{number:05d}.wav", sound, SR)
    (folder / "rock.00001.wav").write_text("damaged")
    assert main(["data", "--gtzan", str(tmp_path / "gtzan"), "--jobs", "1"]) == LEFT_OUT
    captured = capsys.readouterr()
    assert "blues.00001: missing" in captured.err and "and 976 more" in captured.err
    tracks = sources.load("gtzan")
    assert tracks.ids.tolist() == ["blues.00000", "blues.00002", "rock.00000", "rock.00002"]
    assert tracks.genre_names == ["blues", "rock"]
