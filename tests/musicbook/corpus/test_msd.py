"""The Million Song Dataset's formats. The files read here are small ones that this test writes by
hand, in the formats that their publishers describe; none of their contents is real."""

import gzip
import io
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from helpers import inputs, store
from musicbook.__main__ import main
from musicbook.collection.commands import LEFT_OUT
from musicbook.corpus import msd, per_track, sources
from tests.material import kill_once

GENRES = ("folk", "punk", "metal")
WORDS = [f"word{i}" for i in range(40)]


def name(i: int) -> str:
    return f"TRAAAAA128F{i:07X}"


def genre_lines(n: int = 30) -> list[str]:
    """Nine lines of comments and one of columns, then a line a song, as in
    `msd_genre_dataset.txt`."""
    rng = np.random.default_rng(0)
    head = ["# MADE BY HAND FOR A TEST"] * 9 + [
        "%genre,track_id,artist_name,title," + ",".join(msd.GENRE_COLUMNS)
    ]
    return head + [
        f"{GENRES[i % 3]},{name(i)},Artist {i // 2},A "
        f"title,{','.join(f'{v:.3f}' for v in rng.normal(i % 3, 1, 30))}"
        for i in range(n)
    ]


def bag_lines(tracks: range, genre_words: bool = True) -> list[str]:
    """Comments, the words, and bags as in `mxm_dataset_train.txt`: a genre uses its own ten words
    most."""
    rng, lines = np.random.default_rng(1), ["# MADE BY HAND FOR A TEST", "%" + ",".join(WORDS)]
    for i in tracks:
        own = 1 + 10 * (i % 3) + rng.choice(10, 5, replace=False)
        bag = dict.fromkeys(sorted({*own, *(31 + rng.choice(10, 3, replace=False))}), 2)
        lines.append(
            f"{name(i)},{4000 + i},{','.join(f'{word}:{count}' for word, count in bag.items())}"
        )
    return lines


def year_lines(n: int = 30) -> list[str]:
    rng = np.random.default_rng(2)
    return [f"{1980 + i},{','.join(f'{v:.5f}' for v in rng.normal(size=90))}" for i in range(n)]


def write(path, lines, end="\n"):
    path.write_text("\n".join(lines) + end)
    return path


def convert(path, out) -> tuple[pd.DataFrame, str, list]:
    """The one table of a folder, what was said of it, and the faults as (line, reason)."""
    ((table, said),) = msd.convert(path, out, quiet=True)
    report = table.with_name(f"{table.stem}_faults.csv")
    faults = (
        pd.read_csv(report) if report.exists() else pd.DataFrame(columns=["file", "line", "reason"])
    )
    assert sorted(p.name for p in out.iterdir()) == sorted(
        [table.name] + [report.name] * report.exists()
    )
    return pq.read_table(table).to_pandas(), said, list(zip(faults.line, faults.reason))


def h5(i: int, segments: np.ndarray, songs: int = 1) -> bytes:
    """A per-track file with the four places that are read."""
    h5py = pytest.importorskip("h5py")
    file = io.BytesIO()
    with h5py.File(file, "w") as out:
        about = np.array(
            [(f"Artist {i // 2}".encode(), b"A title")] * songs,
            [("artist_name", "S1024"), ("title", "S1024")],
        )
        out["metadata/songs"] = about
        out["analysis/songs"] = np.array(
            [(name(i).encode(), 120.0)] * songs, [("track_id", "S32"), ("tempo", "f8")]
        )
        out["analysis/segments_timbre"] = segments
    return file.getvalue()


# ---- formats -------------------------------------------------------------------------------------


def test_genres_with_own_words(tmp_path):
    """The one route with genres and words of a track's own; a song without words is left out and
    counted."""
    source = tmp_path / "lists"
    source.mkdir()
    write(source / "msd_genre_dataset.txt", genre_lines(30))
    write(source / "mxm_dataset_train.txt", bag_lines(range(20)))
    write(source / "mxm_dataset_test.txt", bag_lines(range(20, 27)))
    table, said, faults = convert(source, tmp_path / "data")
    assert len(table) == 27 and "27 of 30 tracks; 3 have no words" in said and not faults
    assert table.track_id.tolist() == [name(i) for i in range(27)]
    assert table.genre.tolist() == [GENRES[i % 3] for i in range(27)]
    assert (table.groupby("artist").size() == 2).sum() == 13  # hashed, and still two songs each
    assert table.loudness[3] == pytest.approx(float(genre_lines()[13].split(",")[4]), rel=1e-6)
    tracks = sources.load(str(tmp_path / "data" / "msd_genre.parquet"))
    assert tracks.features.columns.tolist() == msd.GENRE_COLUMNS and set(tracks.labels) == {"genre"}
    assert len(np.unique(tracks.groups)) == 14 and tracks.provenance["sha256"]
    made = inputs.prepare(
        tracks, "controlled", 2
    )  # own words: the guards let them pass, and they are used
    assert "text" in made.blocks and made.X[:, made.blocks["text"]].std() > 0
    text = tracks.text.to_numpy()
    same = np.equal.outer(tracks.genres, tracks.genres)[np.triu_indices(27, 1)]
    alike = np.corrcoef(text)[np.triu_indices(27, 1)]
    assert (
        alike[same].mean() > alike[~same].mean() + 0.2
    )  # the vectors are of the bags, and row for row


def test_years(tmp_path):
    source = write(tmp_path / "YearPredictionMSD.txt", year_lines(30))
    table, said, faults = convert(source, tmp_path / "data")
    assert said == "30 of 30 tracks" and not faults
    assert table.decade.value_counts().tolist() == [10, 10, 10] and table.decade[0] == "1980s"
    right = np.array([line.split(",")[1:] for line in year_lines(30)], float)
    np.testing.assert_allclose(table[msd.YEAR_COLUMNS].to_numpy(), right, rtol=1e-6)


@pytest.mark.parametrize("packed", ["folders", "archive"])
def test_per_track_files(tmp_path, packed):
    rng = np.random.default_rng(3)
    segments = {i: rng.normal(size=(40 + i, 12)) for i in range(5)}
    files = {f"{i % 2}/{name(i)}.h5": h5(i, segments[i]) for i in segments}
    files["1/short.h5"] = h5(7, segments[0][:1])
    files["1/many.h5"] = h5(8, segments[0], songs=2)
    files["1/cut.h5"] = files[f"0/{name(0)}.h5"][:300]
    files["1/again.h5"] = files[f"0/{name(0)}.h5"]
    source = tmp_path / "lists"
    source.mkdir()
    if packed == "archive":
        with tarfile.open(source / "subset.tar.gz", "w:gz") as archive:
            for path, data in files.items():
                info = tarfile.TarInfo(path)
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    for path, data in files.items() if packed == "folders" else ():
        (source / path).parent.mkdir(exist_ok=True)
        (source / path).write_bytes(data)
    write(
        source / "msd_tagtraum_cd2.cls",
        [
            "# MADE BY HAND",
            f"{name(0)}\tRock",
            f"{name(1)}\tJazz\tBlues",
            f"{name(2)}\tRock",
            f"{name(3)}\tJazz",
        ],
    )
    table, said, faults = convert(source, tmp_path / "data")
    assert (
        sorted(table.track_id) == [name(i) for i in range(4)]
        and "1 are not in msd_tagtraum_cd2.cls" in said
    )
    table = table.set_index("track_id")
    assert (
        table.genre[name(1)] == "Jazz"
        and table.artist[name(0)] == table.artist[name(1)] != table.artist[name(2)]
    )
    values = table.loc[name(2), per_track.COLUMNS].to_numpy(float)
    np.testing.assert_allclose(values[:12], segments[2].mean(0), rtol=1e-5)
    centred = segments[2] - segments[2].mean(0)
    assert values[12 + 1] == pytest.approx(
        centred[:, 0] @ centred[:, 1] / (len(centred) - 1), rel=1e-4
    )
    reasons = [reason.split(" (")[0] for _, reason in faults]
    assert sorted(reasons) == sorted(
        [
            "segments_timbre has the shape",
            "2 songs, not one: give the per-track files",
            "no per-track file of the Million Song Dataset",
            f"track_id {name(0)} occurs more than once",
        ]
    )


@pytest.mark.parametrize("packer", [zipfile, gzip])
def test_packed_text(tmp_path, packer):
    text = ("\n".join(year_lines(30)) + "\n").encode()
    path = tmp_path / (
        "YearPredictionMSD.txt.zip" if packer is zipfile else "YearPredictionMSD.txt.gz"
    )
    if packer is zipfile:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("YearPredictionMSD.txt", text)
    else:
        path.write_bytes(gzip.compress(text))
    table, _, faults = convert(path, tmp_path / "data")
    assert len(table) == 30 and not faults
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=f"{path.name}: not a whole packed file"):
        msd.convert(path, tmp_path / "data", quiet=True)


# ---- broken rows ---------------------------------------------------------------------------------


def test_broken_rows_of_genres_are_named_and_the_rest_is_kept(tmp_path):
    lines = genre_lines(12)
    lines[12] = lines[12].rsplit(",", 1)[0]
    lines[13] += ",1.0"
    lines[14] = lines[14].replace(name(4), "4")
    lines[15] = lines[10]
    lines[16] = lines[16].rsplit(",", 1)[0] + ",loud"
    lines[17] = lines[17].rsplit(",", 1)[0] + ",inf"
    lines[18] = lines[18].rsplit(",", 1)[0] + ","
    lines[19] = "folk"
    table, said, faults = convert(
        write(tmp_path / "msd_genre_dataset.txt", lines, end=""), tmp_path / "data"
    )
    assert table.track_id.tolist() == [name(i) for i in (0, 1, 10)] and said.endswith(
        "msd_genre_faults.csv"
    )
    assert faults == [
        (13, "33 values, not 34"),
        (14, "35 values, not 34"),
        (15, "'4' is no track id"),
        (16, f"track_id {name(0)} occurs more than once"),
        (17, "a value is no finite number"),
        (18, "a value is no finite number"),
        (19, "a value is no finite number"),
        (20, "1 values, not 34"),
        (22, msd.CUT),
    ]


def test_broken_rows_of_years(tmp_path):
    lines = year_lines(6)
    lines[1], lines[3] = lines[1] + ",1", lines[3].replace(",", ",x", 1)
    lines[5] = lines[5][:100]
    table, _, faults = convert(
        write(tmp_path / "YearPredictionMSD.txt", lines, end=""), tmp_path / "data"
    )
    assert table.track_id.tolist() == ["line000001", "line000003", "line000005"]
    assert faults == [(2, "92 values, not 91"), (4, "a value is no finite number"), (6, msd.CUT)]


def test_broken_rows_of_lists(tmp_path):
    source = tmp_path / "lists"
    source.mkdir()
    write(source / "msd_genre_dataset.txt", genre_lines(12))
    bags = bag_lines(range(12))
    bags[3] += ",41:1"  # a word that there is not
    bags[4] += ",7:"
    bags[5] = bags[2]
    write(source / "mxm_dataset_train.txt", bags, end="")
    names = [f"{name(i)}\tRock" for i in range(12)]
    names[6], names[7], names[8] = f"{name(6)} Rock", f"{name(7)}\t", names[0]
    write(source / "msd_tagtraum_cd1.cls", names)
    table, said, faults = convert(source, tmp_path / "data")
    assert table.track_id.tolist() == [name(i) for i in (0, 4, 5, 9, 10)] and set(
        table.msd_tagtraum_cd1
    ) == {"Rock"}
    assert sorted(faults) == [
        (4, "word 41 of 40"),
        (5, "not track_id,mxm_id,index:count,..."),
        (6, f"track_id {name(0)} occurs more than once"),
        (7, "not a track id, a tab and a genre"),
        (8, "not a track id, a tab and a genre"),
        (9, f"track_id {name(0)} occurs more than once"),
        (14, msd.CUT),
    ]
    write(source / "mxm_dataset_train.txt", bags[2:])
    with pytest.raises(
        ValueError, match="mxm_dataset_train.txt: line 1 comes before the line of words"
    ):
        msd.convert(source, tmp_path / "data", quiet=True)


def test_a_folder_without_features_and_a_table_without_rows(tmp_path, capsys):
    write(tmp_path / "mxm_dataset_train.txt", bag_lines(range(3)))
    assert main(["data", "--msd", str(tmp_path)]) == 1
    assert "holds no msd_genre_dataset.txt" in capsys.readouterr().err
    write(tmp_path / "msd_genre_dataset.txt", genre_lines(12)[:10] + genre_lines(12)[15:])
    with pytest.raises(ValueError, match="none of 7 tracks is left .7 have no words"):
        msd.convert(tmp_path, tmp_path / "data", quiet=True)
    for lines, said in ((genre_lines(0), "$"), (["folk"], "; the first: 1 values, not 34")):
        write(tmp_path / "msd_genre_dataset.txt", lines)
        with pytest.raises(ValueError, match=f"msd_genre.parquet: no row can be used{said}"):
            msd.convert(tmp_path, tmp_path / "data", quiet=True)


# ---- bags of words -------------------------------------------------------------------------------


def test_vectors_of_bags_by_hand():
    """Two topics of three words each, no word in common: two directions hold all, and topics are at
    right angles."""
    from scipy import sparse

    counts = sparse.csr_matrix(np.kron(np.eye(2), np.ones((10, 3))))
    vectors, share = msd.bag_vectors(counts)
    assert vectors.shape == (20, 5) and share == pytest.approx(1.0)
    np.testing.assert_allclose(vectors[0] @ vectors[1], 1.0, rtol=1e-5)  # rows have length one
    np.testing.assert_allclose(vectors[0] @ vectors[15], 0.0, atol=1e-5)
    weighed, _ = msd.bag_vectors(sparse.csr_matrix([[9, 1, 0], [1, 1, 0], [0, 1, 3], [0, 1, 2]]))
    assert np.isfinite(weighed).all() and len(weighed) == 4


# ---- killed and run again ------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["text", "files"])
def test_a_killed_run_goes_on(tmp_path, source, monkeypatch):
    """SIGKILL after two chunks: these stay as they are, and the table equals that of a run in one
    go."""
    lists, out, whole = tmp_path / "lists", tmp_path / "out", tmp_path / "whole"
    lists.mkdir()
    if source == "text":
        lines = genre_lines(60)
        lines[40] = lines[12]  # a repeated id, the first of them read before the kill
        write(lists / "msd_genre_dataset.txt", lines)
        write(lists / "mxm_dataset_train.txt", bag_lines(range(60)))
    else:
        for i in range(60):
            (lists / f"{name(i)}.h5").write_bytes(
                h5(i, np.random.default_rng(i).normal(size=(20, 12)))
            )
    parts = out / f"msd_{'genre' if source == 'text' else 'h5'}.parts"
    code = f"""
import time
from musicbook.corpus import msd, per_track
msd.CHUNK = per_track.FILES = 10
write = msd.store.write_atomically
msd.store.write_atomically = lambda path, how: (write(path, how), time.sleep(0.2))[0]
msd.convert({str(lists)!r}, {str(out)!r}, quiet=True)
"""
    kill_once(code, lambda: len(list(parts.glob("0*.parquet"))) >= 2)
    assert not list(out.glob("msd_*.parquet")) and len(list(parts.glob("0*.parquet"))) < 6
    left = {p.name: p.stat().st_mtime_ns for p in parts.glob("0*.parquet")}
    monkeypatch.setattr(msd, "CHUNK", 10)
    monkeypatch.setattr(per_track, "FILES", 10)
    written = []
    keep = store.write_atomically
    monkeypatch.setattr(
        store, "write_atomically", lambda path, how: (written.append(path.name), keep(path, how))[1]
    )
    ((table, said),) = msd.convert(lists, out, quiet=True)
    assert not set(written) & set(left) and not parts.exists()
    ((again, said_again),) = msd.convert(lists, whole, quiet=True)
    assert said == said_again and pq.read_table(table).equals(pq.read_table(again))
    assert pq.read_metadata(table).num_rows == (59 if source == "text" else 60)
    assert msd.convert(lists, out, quiet=True)[0][1].endswith("there already")


def test_the_command_and_a_page_s_data(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HELPERS_DATA", str(tmp_path / "data"))
    write(tmp_path / "msd_genre_dataset.txt", genre_lines(30), end="")
    assert main(["data", "--msd", str(tmp_path)]) == LEFT_OUT
    assert "29 of 29 tracks; 1 rows left out" in capsys.readouterr().out
    tracks = sources.load(str(tmp_path / "data" / "msd_genre.parquet"))
    assert tracks.n == 29 and tracks.text is None
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match="bad.parquet: not a readable Parquet table"):
        sources.load(str(tmp_path / "bad.parquet"))
