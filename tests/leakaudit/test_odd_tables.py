"""Odd tables and odd places to write to: each ends in one sentence, or is read as it is meant."""

import decimal
import gzip
import os
import stat
import threading

import numpy as np
import pandas as pd
import pytest

from leakaudit import examine, open_table
from leakaudit.cli import main
from leakaudit.outputs import printable_line
from musicbook.corpus import sources


def songs(n: int = 60) -> pd.DataFrame:
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 4))).add_prefix("f")
    table.insert(0, "track_id", [f"t{i}" for i in range(n)])
    table["genre"] = [("jazz", "pop", "rock")[i % 3] for i in range(n)]
    return table


@pytest.fixture
def given(tmp_path, monkeypatch):
    """A folder with songs.csv, in which the command is called."""
    monkeypatch.chdir(tmp_path)
    songs().to_csv("songs.csv", index=False)
    return tmp_path


# ---- where the page goes -------------------------------------------------------------------------


def audit(*options) -> int:
    return main(["songs.csv", "--labels", "genre", *map(str, options)])


def test_a_link_is_followed_and_stays(given):
    (given / "real.html").write_text("old")
    (given / "link.html").symlink_to("real.html")
    assert audit("--html", "link.html") == 5
    assert (given / "link.html").is_symlink()
    assert "Leak audit" in (given / "real.html").read_text()


def test_a_pipe_is_written_through(given):
    os.mkfifo("pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((given / "pipe").read_text()))
    reader.start()
    assert audit("--html", "pipe") == 5
    reader.join(30)
    assert "Leak audit" in read[0] and stat.S_ISFIFO(os.stat("pipe").st_mode)


def test_a_full_device_stays_a_device(given, capsys):
    assert audit("--html", "/dev/full") == 1
    assert "/dev/full: cannot be written (No space left" in capsys.readouterr().err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("read-only.html", "read-only.html: the file is read-only"),
        ("folder", "folder: this is a folder"),
        ("nowhere/page.html", "there is no folder"),
        ("songs.csv", "songs.csv: this is the table itself"),
        ("same.csv", "same.csv: this is the table itself"),
    ],
)
def test_a_page_that_cannot_be_written_is_refused_before_the_work(
    given, page, says, capsys, monkeypatch
):
    (given / "read-only.html").write_text("old")
    (given / "read-only.html").chmod(0o444)
    (given / "folder").mkdir()
    (given / "same.csv").symlink_to("songs.csv")
    monkeypatch.setattr("leakaudit.examination.examine", None)  # nothing is examined
    before = {path: path.read_bytes() for path in given.iterdir() if path.is_file()}
    assert audit("--html", page) == 1
    error = capsys.readouterr().err
    assert says in error and len(error.splitlines()) == 1
    assert {path: path.read_bytes() for path in given.iterdir() if path.is_file()} == before


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([""], "table: the name is empty"),
        ([" "], "table: the name is empty"),
        (["songs.csv", "--labels", ""], "labels: the name is empty"),
        (["songs.csv", "--leave-out", ""], "leave-out: the name is empty"),
        (["songs.csv", "--html", ""], "html: the name is empty"),
    ],
)
def test_empty_means_empty(given, options, says, capsys):
    assert main(options) == 1
    assert capsys.readouterr().err == f"leakaudit: {says}\n"


@pytest.mark.parametrize("seed", ["-1", "4294967296", "1.5", "many"])
def test_a_seed_that_no_generator_takes_is_wrong_usage(given, seed, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["songs.csv", "--seed", seed])
    assert "a seed is a whole number from 0 to 4294967295" in capsys.readouterr().err


# ---- names ---------------------------------------------------------------------------------------


def test_spellings_of_a_label_are_one(given):
    table = songs()
    labels = table.pop("genre").tolist()
    spelled = [
        ("Jazz ", "POP", "Rock")[i % 3] if i < 9 else label for i, label in enumerate(labels)
    ]
    report = examine(table, spelled)
    assert "Other spellings of labels, counted as the same: Jazz , POP, Rock." in report.notes
    plain = examine(table, labels)
    assert report.blocks == plain.blocks and report.questions == plain.questions
    with pytest.raises(ValueError, match="fewer than two values"):
        examine(table, ["Cafe\u0301", "Café"] * 30)


def test_spellings_of_a_group_are_one():
    table = songs()
    artists = [f"artist {i // 3}" for i in range(60)]
    spelled = [artists[i] if i % 3 else artists[i].upper() for i in range(60)]
    labels = table.pop("genre")
    one, other = (examine(table, labels, groups=names) for names in (artists, spelled))
    assert one.blocks == other.blocks
    assert sum("Other spellings of groups" in note for note in other.notes) == 1


def test_a_column_is_found_however_its_name_is_written(given):
    songs().rename(columns={"genre": "Größe"}).to_csv("songs.csv", index=False)
    assert main(["songs.csv", "--labels", "GRO\u0308ßE"]) == 5


def test_a_label_of_which_each_row_has_its_own_is_refused(given, capsys):
    assert main(["songs.csv", "--labels", "track_id"]) == 1
    assert "Each of the 60 rows has a label of its own" in capsys.readouterr().err


def test_names_do_not_move_the_cursor(given, capsys):
    table = songs().rename(columns={"f0": "a\x1b[2Jb\nc"})
    table["a\x1b[2Jb\nc"] = table["genre"] == "jazz"
    table.to_csv("songs.csv", index=False)
    assert audit() == 4
    said = capsys.readouterr().out
    assert "\x1b" not in said and r"a\x1b[2Jb\nc" in said
    assert main(["\x1b[2J.csv"]) == 1
    assert "\x1b" not in capsys.readouterr().err
    assert printable_line("bytes \udce9 and words") == r"bytes \udce9 and words"


def test_a_report_in_a_cell_is_one_line():
    table = songs()
    shown = repr(examine(table, table.pop("genre")))
    assert shown.startswith("<Report of 60 rows: ") and len(shown) < 200


def test_a_long_name_is_cut(given, capsys):
    songs().rename(columns={"genre": "g" * 500}).to_csv("songs.csv", index=False)
    assert audit() == 1
    assert len(capsys.readouterr().err) < 300


# ---- values --------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [1e308, -1e308, np.inf])
def test_numbers_whose_square_overflows_count_as_missing(value):
    table = songs()
    table.loc[::7, "f0"] = value
    report = examine(table.drop(columns="genre"), table["genre"])
    assert "Infinite numbers, and those beyond 1e+18, count as missing: f0." in report.notes


def test_cells_that_hold_lists_are_read_as_text_and_complex_numbers_are_refused():
    table = songs()
    labels = table.pop("genre")
    table["moods"] = [["calm"], ["loud", "fast"]] * 30
    assert examine(table, labels).n == 60
    with pytest.raises(ValueError, match="'wave' holds complex numbers"):
        examine(table.assign(wave=table["f0"] * 1j), labels)


# ---- files ---------------------------------------------------------------------------------------

TEXT = songs().to_csv(index=False)


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode("utf-8-sig"),
        TEXT.replace("\n", "\r\n").encode(),
        TEXT.replace("\n", "\r").encode(),
        TEXT.replace("f0", '"a, ""b""\nc"', 1).encode(),
        TEXT.replace("f0", "f" * 200_000, 1).encode(),
        TEXT.replace("t1,", "t" * 200_000 + ",", 1).encode(),
        TEXT.replace("t1,", "\u202et\0,", 1).encode(),
        ("".join(f"{line},,\n" for line in TEXT.splitlines())).encode(),  # two empty columns
    ],
)
def test_ways_to_write_a_table_that_are_one(tmp_path, data):
    (tmp_path / "songs.csv").write_bytes(data)
    table = open_table(tmp_path / "songs.csv").dropna(axis=1, how="all")
    assert table.shape == (60, 6)
    np.testing.assert_allclose(table.iloc[:, 1:5], songs().iloc[:, 1:5])
    assert table["genre"].tolist() == songs()["genre"].tolist()


def odd_files(folder) -> dict[str, str]:
    """Files that are none of the tables that they are called; returns what is said of each."""
    files = {
        "empty.csv": (b"", "no columns"),
        "web.csv": (b"\n<!DOCTYPE html><html>404</html>", "a web page"),
        "pointer.csv": (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of git-lfs"),
        "unicode.csv": (TEXT.encode("utf-16"), "UTF-16: save it as UTF-8"),
        "sheet.csv": (b"PK\x03\x04" + bytes(500), "a zip archive (a spreadsheet is one)"),
        "packed.csv": (b"\x1f\x8b" + bytes(50), "give it the ending .gz"),
        "columns.csv": (b"PAR1" + bytes(50), "give it the ending .parquet"),
        "array.csv": (b"\x93NUMPY" + bytes(50), "give it the ending .npy"),
        "zeros.csv": (bytes(500), "bytes that are no text"),
        "picture.csv": (b"\x89PNG\r\n" + bytes(50), "can't decode"),
        "latin.csv": (TEXT.replace("t1", "t\xe9").encode("latin-1"), "can't decode"),
        "twice.csv": (TEXT.replace("f1", "f0", 1).encode(), "column 'f0' occurs twice"),
        "blank.csv": (TEXT.replace("f1", " f0 ", 1).encode(), "column 'f0' occurs twice"),
        "unclosed.csv": (TEXT.encode() + b'"x,1\n', "EOF inside string"),
        "cut.csv.gz": (gzip.compress(TEXT.encode())[:-20], "ended before"),
        "plain.csv.gz": (TEXT.encode(), "Not a gzipped file"),
        "web.parquet": (b"<html>", "not a readable Parquet table"),
        "zeros.parquet": (b"PAR1" + bytes(50) + b"PAR1", "not a readable Parquet table"),
        "web.npy": (b"<html>", "it holds no arrays of numpy"),
        "cut.npy": (b"\x93NUMPY\x01", "not readable"),
        "web.npz": (b"<html>", "it holds no arrays of numpy"),
        "broken.npz": (b"PK\x03\x04" + bytes(50), "not readable"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "folder.csv").mkdir()
    (folder / "loop.csv").symlink_to("loop.csv")
    np.save(folder / "no rows.npy", np.zeros((0, 3)))
    np.save(folder / "one number.npy", 3.0)
    np.savez(folder / "nothing.npz")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000000000000, 9), }"
    header = header.ljust(117) + b"\n"
    size = len(header).to_bytes(2, "little")
    (folder / "huge.npy").write_bytes(b"\x93NUMPY\x01\x00" + size + header)
    said = {name: phrase for name, (_, phrase) in files.items()}
    return said | {
        "folder.csv": "Is a directory",
        "loop.csv": "no such file",
        "no rows.npy": "its arrays have no rows",
        "one number.npy": "no array with rows",
        "nothing.npz": "no array with rows",
        "huge.npy": "not enough memory",
    }


@pytest.mark.filterwarnings("error")
def test_files_that_are_no_tables_are_named_with_what_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, phrase in odd_files(tmp_path).items():
        assert main([name, "--labels", "genre", "-q"]) == 1, name
        said = capsys.readouterr().err
        assert said.startswith(f"leakaudit: {name}: ") and phrase.lower() in said.lower(), said
        assert len(said.splitlines()) == 1 and len(said) < 400
        with pytest.raises((ValueError, OSError)) as failure:
            sources.load(name)
        if name not in ("folder.csv", "loop.csv"):  # a folder may be one of audio
            assert phrase.lower() in str(failure.value).lower()


def test_parquet_tables_of_other_programs(tmp_path):
    """A named index, columns in two levels, ids of bytes, cells of every type."""
    table = songs()
    kinds = {
        "index": table.set_index("track_id"),
        "levels": table.set_axis([(name, "x") for name in table], axis=1),
        "bytes": table.assign(track_id=table["track_id"].str.encode("utf-8")),
        "types": table.assign(
            moods=[["calm"]] * 60,
            day=pd.Timestamp("2020"),
            sure=[True, False] * 30,
            price=[decimal.Decimal("1.5")] * 60,
            gap=pd.array([1, None] * 30, dtype="Int64"),
        ),
    }
    kinds["levels"].columns = pd.MultiIndex.from_tuples(kinds["levels"].columns)
    for kind, made in kinds.items():
        path = tmp_path / f"{kind}.parquet"
        made.to_parquet(path)
        read = open_table(path)
        name = "track_id_x" if kind == "levels" else "track_id"
        assert read[name].tolist() == songs()["track_id"].tolist(), kind
        label = "genre_x" if kind == "levels" else "genre"
        assert main([str(path), "--labels", label, "-q"]) in (0, 4, 5, 6, 7), kind
        if kind not in ("levels", "types"):
            assert sources.load(str(path)).ids.tolist() == songs()["track_id"].tolist()


def test_a_record_array_has_its_fields_as_columns(tmp_path):
    records = np.zeros(60, dtype=[("tempo", "f4"), ("loud", "f8")])
    records["tempo"] = np.arange(60)
    np.save(tmp_path / "r.npy", records)
    assert open_table(tmp_path / "r.npy").columns.tolist() == ["tempo", "loud"]
