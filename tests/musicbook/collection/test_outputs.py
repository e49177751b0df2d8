"""Where a command writes: files are replaced whole, links are followed, pipes and devices are
written through, and what cannot be written is refused before the work starts."""

import os
import stat
import subprocess
import sys
import threading

import pandas as pd
import pytest

from musicbook.__main__ import main
from musicbook.collection.commands import LEFT_OUT
from tests.material import write_clips


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """A folder whose features are stored already, and one file that is no sound."""
    folder = tmp_path_factory.mktemp("music")
    write_clips(folder, 3, seconds=1.0)
    (folder / "page.mp3").write_text("<html>404</html>")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_CACHE", str(folder.parent / "cache"))
        yield folder


def features(music, out) -> int:
    return main(["features", str(music), "--out", str(out), "--jobs", "1"])


def test_a_link_is_followed(music, tmp_path):
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    assert features(music, tmp_path / "link.csv") == LEFT_OUT
    assert (tmp_path / "link.csv").is_symlink()
    assert len(pd.read_csv(tmp_path / "real.csv")) == 3


def test_a_pipe_is_written_through(music, tmp_path):
    pipe = tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    read = []
    reader = threading.Thread(target=lambda: read.append(pd.read_csv(pipe)))
    reader.start()
    assert features(music, pipe) == LEFT_OUT
    reader.join(30)
    assert len(read[0]) == 3 and stat.S_ISFIFO(pipe.stat().st_mode)
    assert [path.name for path in tmp_path.iterdir()] == ["pipe.csv"]


def test_the_standard_output_takes_the_table_and_nothing_else(music):
    command = [sys.executable, "-m", "musicbook", "features", music, "-o", "/dev/stdout", "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == LEFT_OUT
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and lines[0].startswith("track_id,")
    assert "left out 1" in done.stderr and not os.path.exists("/dev/stdout_report.csv")


def test_a_full_device_stays_a_device(music, capsys):
    assert features(music, "/dev/full") == 1
    assert "cannot write /dev/full (No space left on device)" in capsys.readouterr().err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize("kind", ["a read-only file", "a folder", "below a file", "report"])
def test_what_cannot_be_written_is_refused_before_the_work(kind, music, tmp_path, capsys):
    out, says = tmp_path / "out.csv", "it is read-only"
    if kind == "a read-only file":
        out.write_text("old")
        out.chmod(0o444)
    elif kind == "a folder":
        out.mkdir()
        says = "it is a folder; name a file"
    elif kind == "below a file":
        (tmp_path / "file").write_text("x")
        out, says = tmp_path / "file" / "out.csv", "is not a folder"
    else:
        (tmp_path / "out_report.csv").write_text("old")
        (tmp_path / "out_report.csv").chmod(0o444)
    before = {path: path.read_text() for path in tmp_path.iterdir() if path.is_file()}
    assert features(tmp_path / "no such music", out) == 1  # the output is looked at first
    error = capsys.readouterr().err
    assert says in error and len(error.splitlines()) == 1
    assert {path: path.read_text() for path in tmp_path.iterdir() if path.is_file()} == before


def test_an_output_never_replaces_an_input(tmp_path, capsys):
    music = tmp_path / "music"
    write_clips(music, 2, seconds=1.0)
    song = next(music.iterdir())
    (tmp_path / "link.csv").symlink_to(song)
    labels = tmp_path / "labels.csv"
    labels.write_text("file,genre\n")
    table = tmp_path / "mine" / "tracks.csv"
    table.parent.mkdir()
    table.write_text("track_id,f0\n")
    before = {path: path.read_bytes() for path in (song, labels, table)}
    assert features(music, song) == 1
    assert features(music, tmp_path / "link.csv") == 1
    command = ["features", str(music), "-o", str(labels), "--labels", str(labels)]
    assert main(command) == 1
    assert main(["map", str(table), "-o", str(table.parent)]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4 and all("this file is an input" in error for error in errors)
    assert {path: path.read_bytes() for path in before} == before


def test_a_name_that_is_no_utf8_is_written_to(music, tmp_path):
    out = os.fsencode(tmp_path) + b"/caf\xe9.csv"
    command = [sys.executable, "-m", "musicbook", "features", music, "-o", out, "-j", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == LEFT_OUT and os.path.exists(out)
    assert r"caf\xe9.csv: 3 rows of 3 tracks" in done.stdout


def test_a_page_that_cannot_be_written_is_refused_before_the_work(tmp_path, capsys):
    (tmp_path / "map").mkdir()
    (tmp_path / "map" / "index.html").write_text("old")
    (tmp_path / "map" / "index.html").chmod(0o444)
    command = ["map", str(tmp_path / "no such music"), "--out", str(tmp_path / "map")]
    assert main(command) == 1
    assert "index.html: it is read-only" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["features", "musicnn", "sentences", "verses", "paired"])
def test_a_table_of_the_book_that_cannot_be_written_is_refused_before_the_work(
    what, tmp_path, capsys, monkeypatch
):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "file" / "data"))
    (tmp_path / "file").touch()
    (tmp_path / "music" / "blues").mkdir(parents=True)
    (tmp_path / "music" / "blues" / "blues.00000.wav").touch()
    given = [] if what in ("sentences", "verses") else [str(tmp_path / "music")]
    assert main(["embedded", what, *given]) == 1
    error = capsys.readouterr().err
    assert "is not a folder" in error and len(error.splitlines()) == 1
