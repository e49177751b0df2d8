"""Long jobs that are killed, run twice at once or find a full disk: each kill is a SIGKILL of a
process at work."""

import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import soundfile as sf

from helpers import store
from helpers.features import SR
from musicbook.__main__ import main
from musicbook.collection.commands import save_csv
from musicbook.corpus import long_jobs, synth
from musicbook.corpus.embedding import embed_texts
from musicbook.corpus.fast_features import extract_clip, extract_table
from musicbook.corpus.folders import find_audio
from tests.material import (
    entries,
    kill_once,
    limit_file_size,
    needs_use,
    needs_weights,
    python,
    write_clips,
    write_lyrics,
)


@pytest.fixture(autouse=True)
def own_store(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))


def fresh_store(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "another cache"))


def test_kill_during_extraction(tmp_path, monkeypatch):
    """Once alone and once with worker processes; what is left over is done by a third run."""
    music = tmp_path / "music"
    music.mkdir()
    sf.write(
        music / "0.wav",
        np.concatenate([synth.clip(s, 0, 5.0) for s in ("jazz", "metal", "pop")]),
        SR,
    )
    for i in range(1, 40):
        shutil.copy(music / "0.wav", music / f"{i}.wav")
    whole, torn = tmp_path / "whole.csv", tmp_path / "torn.csv"
    command = ["features", str(music), "--quiet", "--out"]
    for jobs, done in ((1, 0), (2, 10)):
        arguments = [*command, str(torn), "--jobs", str(jobs)]
        code = f"from musicbook.__main__ import main; main({arguments!r})"
        kill_once(code, lambda done=done: entries() > done)
        assert done < entries() < 40 and not torn.exists()
    before = store.cache_report()["misses"], entries()
    assert main([*command, str(torn), "--jobs", "1"]) == 0
    assert store.cache_report()["misses"] - before[0] == 40 - before[1]  # nothing is done twice
    fresh_store(tmp_path, monkeypatch)
    assert main([*command, str(whole), "--jobs", "1"]) == 0
    assert torn.read_bytes() == whole.read_bytes()


@needs_use
def test_kill_during_embedding(tmp_path, monkeypatch):
    texts = [f"word {i} " * (1 + i % 20) for i in range(480)]
    code = (
        "from musicbook.corpus.embedding import embed_texts\n"
        "texts = [f'word {i} ' * (1 + i % 20) for i in range(480)]\n"
        "embed_texts(texts, encoder='use', quiet=True)"
    )
    kill_once(code, lambda: entries() > 0)
    assert 0 < entries() < 480
    resumed = embed_texts(texts, encoder="use", quiet=True)
    assert entries() == 480
    fresh_store(tmp_path, monkeypatch)
    again = embed_texts(texts, encoder="use", quiet=True)  # in batches of other texts
    np.testing.assert_allclose(resumed, again, atol=2**-11)


@needs_weights
def test_kill_during_scan(tmp_path, monkeypatch):
    write_lyrics(tmp_path / "lyrics.csv", 100_000)
    started, torn, whole = tmp_path / "started", tmp_path / "torn.npz", tmp_path / "whole.npz"
    command = ["lyrics", str(tmp_path / "lyrics.csv"), "--per-tag", "4", "-q", "--out"]
    code = f"""
from pathlib import Path
from musicbook.corpus import genius
draw = genius._draw
def watched(chunks):
    for chunk in chunks:
        Path({str(started)!r}).touch()
        yield chunk
genius._draw = lambda chunks, *args: draw(watched(chunks), *args)
from musicbook.__main__ import main
main({[*command, str(torn)]!r})
"""
    kill_once(code, started.exists)
    assert not torn.exists()
    assert main([*command, str(torn)]) == 0
    fresh_store(tmp_path, monkeypatch)
    assert main([*command, str(whole)]) == 0
    assert torn.read_bytes() == whole.read_bytes()


def squares(items: list[int]) -> list[dict[str, np.ndarray]]:
    if 13 in items:
        raise ValueError("thirteen")
    return [{"square": np.full(3, item**2)} for item in items]


@pytest.mark.parametrize("writable", [True, False])
def test_what_is_done_is_not_held_in_memory(monkeypatch, writable):
    """It is read from the store when it is asked for; all of it is held where nothing is kept."""
    if not writable:
        monkeypatch.setattr(store, "write_entry", lambda key, arrays: False)
    items = {f"n{i}": i for i in range(30)}
    keys = {name: f"key of {i}" for name, i in items.items()}
    for _ in range(2):
        done, faults = long_jobs.run_job(squares, items, keys, quiet=True)
        assert faults == {"n13": "thirteen"}
        assert list(done) == [name for name in items if name != "n13"]
        assert len(done._held) == (0 if writable else 30)
        squared = [int(made["square"][2]) for made in done.values()]
        assert squared == [i**2 for i in range(30) if i != 13]
    if writable:
        (store.cache_dir() / "key of 7.npz").unlink()
        with pytest.raises(RuntimeError, match="n7: its stored result is gone; run the same"):
            done["n7"]


def test_batches_have_one_fault_and_the_first_may_end_the_job():
    items = {f"n{i}": i for i in range(10, 20)}
    keys = {name: f"key of {i}" for name, i in items.items()}
    done, faults = long_jobs.run_job(squares, items, keys, batch=2, quiet=True)
    assert faults == {"n12": "thirteen", "n13": "thirteen"} and len(done) == 8 and entries() == 10
    (store.cache_dir() / "key of 13.npz").unlink()
    with pytest.raises(ValueError, match="thirteen"):
        long_jobs.run_job(squares, items, keys, leave_out=False, quiet=True)


def test_two_runs_at_once_give_the_same_table(tmp_path):
    write_clips(tmp_path / "music", 10)
    (tmp_path / "music" / "broken.wav").write_text("no sound")
    code = f"""
from musicbook.corpus.folders import find_audio
from musicbook.corpus.fast_features import extract_table
table, faults = extract_table(find_audio({str(tmp_path / "music")!r}), quiet=True)
print(len(table), len(faults), table.iloc[:, 1:].to_numpy().sum())
"""
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    first, second = (process.communicate(timeout=900)[0] for process in both)
    assert first == second and first.startswith("10 1 ") and entries() == 11


def test_disk_fills_during_extraction(tmp_path):
    """A limit on the size of a file: the entries of the first tracks have room, a long one has
    not."""
    write_clips(tmp_path / "music", 10, seconds=0.5)
    sf.write(tmp_path / "music" / "long.wav", synth.clip("rock", 0, 30.0), SR)
    write_clips(tmp_path / "music" / "more", 5, seconds=0.5)
    out = tmp_path / "table.csv"
    command = ["features", str(tmp_path / "music"), "-q", "--jobs", "1", "-o", str(out)]
    code = f"""
import sys
from musicbook.__main__ import main
sys.exit(main({command!r}))
"""
    extract_clip(np.ones(5000))  # numba keeps what it compiles, before the disk is full
    done = python(code, preexec_fn=limit_file_size(3000))
    assert done.returncode == 1 and not out.exists()
    (said,) = done.stderr.strip().splitlines()
    assert said.startswith("error: cannot write to") and "make room" in said
    kept, before = entries(), store.cache_report()["misses"]
    assert 0 < kept < 16
    assert main(command) == 0
    assert store.cache_report()["misses"] - before == 16 - kept
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "cache",
        "music",
        "table.csv",
        "table_report.csv",
    ]


def test_disk_fills_while_the_table_is_written(tmp_path):
    (tmp_path / "out.csv").write_text("an older table")
    code = f"""
import numpy as np, pandas as pd
from pathlib import Path
from musicbook.collection.commands import save_csv
try:
    save_csv(pd.DataFrame(np.ones((100, 10))), Path({str(tmp_path / "out.csv")!r}))
except OSError as error:
    print(error)
"""
    out = python(code, preexec_fn=limit_file_size(1000))
    assert "cannot write" in out.stdout and "out.csv" in out.stdout, out.stderr
    assert (tmp_path / "out.csv").read_text() == "an older table"
    assert [p.name for p in tmp_path.iterdir()] == ["out.csv"]
    save_csv(pd.DataFrame({"a": [1]}), tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "a\n1\n"


def test_a_file_that_cannot_be_had_is_tried_again(tmp_path):
    paths = write_clips(tmp_path / "music", 2)
    away = paths["blues.00000"].rename(tmp_path / "away.wav")
    table, faults = extract_table(paths, quiet=True)
    assert len(table) == 1 and "no such audio file" in faults["reason"][0] and entries() == 1
    away.rename(paths["blues.00000"])
    table, faults = extract_table(find_audio(tmp_path / "music"), quiet=True)
    assert len(table) == 2 and faults.empty
