"""The store: a key follows data and arguments; entries outlive kills, full disks and damage; and
what an output may be written to."""

import os
import shutil
import stat
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from helpers import protocols, store, training
from tests.conftest import ROOT
from tests.material import (
    AS_ANOTHER_USER,
    counted,
    entries,
    kill_once,
    limit_file_size,
    open_to_all,
    python,
)

FIT = training.fit_arrays


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    store._warn_once.cache_clear()
    return tmp_path / "cache"


def ours(x):
    return {"x": np.asarray(x)}


def theirs(x):
    return {"x": np.asarray(x)}


# ---- keys ----------------------------------------------------------------------------------------

TABLE = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (1, 1.0),
        (1, True),
        (1, "1"),
        ("1", b"1"),
        (None, "None"),
        ((1, 2), [1, 2]),
        ([[1], 2], [[1, 2]]),
        ([[1, 2], []], [[1], [2]]),
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ([{"a": 1}, 2], [{"a": 1, "b": 2}]),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(4), np.zeros(4, np.float32)),
        (np.arange(3), np.arange(3) + 1),
        (np.array(["a", "bc"]), np.array(["ab", "c"])),
        (np.array(["a", None], object), np.array(["a", "b"], object)),
        (TABLE, TABLE[["b", "a"]]),
        (TABLE, TABLE.set_axis(["x", "y"])),
        (TABLE, TABLE + 1),
        ({1, 2}, {1, 3}),
        (training.Recipe(beta=1.0), training.Recipe(beta=2.0)),
        (ours, theirs),
    ],
)
def test_two_arguments_have_two_keys(one, two):
    assert store.key(ours, one) != store.key(ours, two)
    assert store.key(ours, one) == store.key(ours, one)


@pytest.mark.parametrize("end", [list, tuple, set, frozenset])
def test_a_container_ends_where_it_ends(end):
    assert store.key(FIT, end([1]), 2) != store.key(FIT, end([1, 2]))
    assert store.key(FIT, end([1]), 2, 3) != store.key(FIT, end([1, 2]), 3)
    assert store.key(FIT, {"a": 1}, 2) != store.key(FIT, {"a": 1, "b": 2})


def test_a_key_is_the_same_in_another_process():
    code = """
from helpers import protocols, store
print(store.key(protocols.get, {'b', 'a', 'c'}, protocols.Recipe()))
"""
    for seed in ("1", "2"):
        printed = python(code, env={**os.environ, "PYTHONHASHSEED": seed}).stdout.strip()
        assert printed == store.key(protocols.get, {"c", "b", "a"}, protocols.Recipe())


def test_an_argument_without_a_value_is_refused():
    with pytest.raises(TypeError, match="cannot compare values of type Generator"):
        store.key(ours, np.random.default_rng(0))


# ---- entries -------------------------------------------------------------------------------------

ARRAYS = {
    "x": np.arange(6.0).reshape(2, 3),
    "half": np.ones(3, "<f2"),
    "words": np.array("ünï"),
    "empty": np.zeros(0),
}


def same(one, other):
    return set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_what_was_put_is_got(place):
    assert store.read_entry("a") is None and not place.exists()  # asking makes nothing
    assert store.write_entry("a", ARRAYS) and store.write_entry("b", {"i": 1})
    arrays = store.read_entry("a")
    assert set(arrays) == set(ARRAYS) and store.read_entry("c") is None
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], value)
        assert arrays[name].dtype == value.dtype
    assert store.write_entry("a", {"i": 2}) and int(store.read_entry("a")["i"]) == 2
    report = store.cache_report()
    assert report["entries"] == 2 and report["bytes"] > 0


def test_objects_are_not_read_back(caplog):
    store.write_entry("a", {"x": np.array([{}], object)})
    assert store.read_entry("a") is None and "damaged" in caplog.text


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_remembered_is_computed_once(tmp_path, n_jobs):
    path = str(tmp_path / "count")
    calls = [(counted, path, i) for i in (1, 2, 1)]
    for _ in range(2):
        results = store.remember_many(calls, n_jobs=n_jobs)
        assert [int(result["x"]) for result in results] == [2, 4, 2]
    assert int(store.remember(counted, path, 2)["x"]) == 4
    assert (tmp_path / "count").read_text() == "xx" and entries() == 2


def failing(x):
    if x == 3:
        raise KeyboardInterrupt
    return {"x": np.array(x)}


def test_an_interrupted_job_keeps_what_was_finished():
    with pytest.raises(KeyboardInterrupt):
        store.remember_many([(failing, x) for x in (1, 2, 3)], n_jobs=1)
    assert entries() == 2 and int(store.remember(failing, 2)["x"]) == 2


# ---- what may happen to a store ------------------------------------------------------------------


def test_a_damaged_entry_is_computed_again(place, caplog, tmp_path):
    """Cut anywhere, or with one bit wrong anywhere: it is the entry that was stored, or none."""
    path = str(tmp_path / "count")
    store.remember(counted, path, np.arange(30.0))
    (file,) = place.glob("*.npz")
    whole, entry = file.read_bytes(), store.read_entry(file.stem)
    refused = 0
    for at in range(0, len(whole), 3):
        turned = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        for damaged in (whole[:at], turned):
            file.write_bytes(damaged)
            found = store.read_entry(file.stem)
            refused += found is None
            assert found is None or same(found, entry)
    assert refused > len(whole) / 2 and "computed again" in caplog.text
    file.write_bytes(b"")
    assert same(store.remember(counted, path, np.arange(30.0)), entry)
    assert (tmp_path / "count").read_text() == "xx" and same(store.read_entry(file.stem), entry)


OURS = """
import numpy as np

FACTOR = {factor}


def multiplied(x):
    return {{"x": x * FACTOR{more}}}
"""


def test_two_versions_of_the_package_on_one_store(place, tmp_path):
    """Each has its own results, whichever came first, also where a part has another name; none
    computes again what it has computed, and none says anything."""
    code = (
        "import numpy as np\nfrom helpers import ours, store\n"
        "got = store.remember(ours.multiplied, np.arange(3))\n"
        "print(*got['x'], store.cache_report()['hits'], sorted(got))"
    )
    said = {1: "0 2 4 {} ['x']", 2: "0 3 6 {} ['x', 'y']"}
    for version, (factor, more) in {1: (2, ""), 2: (3, ', "y": x')}.items():
        for package in ("helpers", "leakaudit"):
            target = tmp_path / str(version) / package
            shutil.copytree(ROOT / "src" / package, target)
        own = tmp_path / str(version) / "helpers" / "ours.py"
        own.write_text(OURS.format(factor=factor, more=more))
    for hits in (0, 1, 1):
        for version in (1, 2):
            given = os.environ | {"PYTHONPATH": str(tmp_path / str(version))}
            done = python(code, env=given, cwd=tmp_path)
            assert done.stderr == "" and done.stdout.strip() == said[version].format(hits)
    assert entries() == 2


def test_several_writers_at_once():
    code = """
import sys, numpy as np; from helpers import store
for i in range(40):
    store.write_entry(f"{sys.argv[1]} {i}", {"x": np.full(500, i)})
    store.write_entry("shared", {"x": np.full(5000, i)})
    assert len(set(store.read_entry("shared")["x"])) == 1
"""
    workers = [
        subprocess.Popen([sys.executable, "-c", code, str(k)], stderr=subprocess.PIPE)
        for k in range(3)
    ]
    errors = [worker.communicate(timeout=900)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], errors
    assert entries() == 121 and (store.read_entry("1 7")["x"] == 7).all()


def test_a_kill_in_the_middle_leaves_whole_entries(caplog):
    code = """
import numpy as np; from helpers import store
for i in range(100000):
    store.write_entry(str(i), {"x": np.full(200_000, i)})
"""
    for share in (5, 30):
        kill_once(code, lambda share=share: entries() > share)
    n = entries()
    found = [store.read_entry(str(i)) for i in range(n)]
    assert not caplog.text
    assert all((entry["x"] == i).all() for i, entry in enumerate(found))
    store.write_entry("new", ARRAYS)
    assert entries() == n + 1


def test_a_full_disk_keeps_what_was_stored(place):
    code = """
import numpy as np; from helpers import store
try:
    for i in range(100):
        store.write_entry(str(i), {"x": np.full(100 * i, i)})
        print(i)
except OSError as error:
    print(error.strerror)
"""
    *done, message = python(code, preexec_fn=limit_file_size(20_000)).stdout.splitlines()
    assert 5 < len(done) < 50 and entries() == len(done)
    assert f"cannot write to {place}" in message and "make room, or set HELPERS_CACHE" in message
    assert not list(place.glob(".*"))  # nor half an entry
    store.write_entry("new", ARRAYS)


def test_a_folder_that_is_a_file(place):
    place.write_text("")
    assert store.read_entry("a") is None
    with pytest.raises(OSError, match="cannot write to .*set HELPERS_CACHE"):
        store.write_entry("a", ARRAYS)


def test_a_read_only_store_is_read(place, tmp_path):
    """What is there is used; what is not is computed and, a warning says once, not kept."""
    store.remember(counted, str(tmp_path / "count"), 1)
    (tmp_path / "count").chmod(0o666)
    open_to_all(place)
    place.chmod(0o555)
    code = f"""
import logging; logging.basicConfig()
from helpers import store
from tests.material import counted
{AS_ANOTHER_USER}
for i in (1, 2, 3, 1):
    print(int(store.remember(counted, {str(tmp_path / "count")!r}, i)["x"]))
"""
    done = python(code)
    assert done.stdout.split() == ["2", "4", "6", "2"], done.stderr
    assert done.stderr.count("cannot be written") == 1 and "set HELPERS_CACHE" in done.stderr
    assert (tmp_path / "count").read_text() == "xxx" and entries() == 1


def test_a_store_that_may_not_be_read_counts_as_empty(place):
    store.write_entry("a", ARRAYS)
    (place / "a.npz").chmod(0o000)
    open_to_all(place)
    done = python(
        f"import logging; logging.basicConfig()\nfrom helpers import store\n{AS_ANOTHER_USER}\n"
        "print(store.read_entry('a')); store.write_entry('b', {'x': 1}); print('went on')"
    )
    assert done.stdout.split("\n")[:2] == ["None", "went on"], done.stderr
    assert "cannot be read" in done.stderr and "cannot be written" in done.stderr


# ---- files ---------------------------------------------------------------------------------------


def write_text(text):
    return lambda path: path.write_text(text)


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new folder" / "a.csv"
    assert store.write_atomically(path, write_text("one")) == path

    def broken(temporary):
        temporary.write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match=f"cannot write {path} .No space left.*choose another place"):
        store.write_atomically(path, broken)
    assert path.read_text() == "one" and list(path.parent.iterdir()) == [path]
    store.write_atomically(path, write_text("two"))
    assert path.read_text() == "two" and stat.S_IMODE(path.stat().st_mode) & 0o400


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "far").mkdir()
    file, link = tmp_path / "far" / "a.csv", tmp_path / "link.csv"
    link.symlink_to(file)
    for text in ("one", "two"):  # the file is made, then replaced
        store.write_atomically(link, write_text(text))
        assert link.is_symlink() and file.read_text() == text and not file.is_symlink()
    assert [p.name for p in file.parent.iterdir()] == ["a.csv"]


def test_a_pipe_and_a_device_are_written_through(tmp_path):
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    store.write_atomically(pipe, write_text("through"))
    reader.join()
    assert got == ["through"] and stat.S_ISFIFO(pipe.stat().st_mode)
    code = """
from helpers import store
store.write_atomically("/dev/stdout", lambda path: path.write_text("to the terminal"))
"""
    assert python(code).stdout == "to the terminal"
    store.write_atomically("/dev/null", write_text("gone"))
    with pytest.raises(OSError, match="cannot write /dev/full"):
        store.write_atomically("/dev/full", write_text("no room"))
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode) and stat.S_ISCHR(os.stat("/dev/null").st_mode)


@pytest.mark.parametrize("kind", ["read-only file", "folder", "below a file"])
def test_what_cannot_be_written_is_refused_before_the_work(tmp_path, kind):
    path = tmp_path / "out.csv"
    if kind == "read-only file":
        path.write_text("kept")
        path.chmod(0o444)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("a file")
        path /= "out.csv"
    worked = []
    for attempt in (store.check_writable, lambda p: store.write_atomically(p, worked.append)):
        with pytest.raises(OSError, match=f"cannot write {path}: ") as caught:
            attempt(path)
        assert "\n" not in caught.value.strerror
    assert not worked


def test_a_folder_of_another_user_is_refused(tmp_path):
    open_to_all(tmp_path)
    code = f"""
from helpers import store
{AS_ANOTHER_USER}
try:
    store.check_writable({str(tmp_path / "new" / "out.csv")!r})
except PermissionError as error:
    print(error.strerror)
"""
    assert (
        python(code).stdout.strip().endswith(f"the folder {tmp_path} is read-only; choose another")
    )
