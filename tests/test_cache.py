"""The store: a key follows data, arguments and code, and nothing else; entries outlive kills, full disks and damage."""

import ast
import os
import shutil
import sqlite3
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from helpers import cache, metrics, models, phases, protocols, training
from helpers.corpus import fast_features
from tests.material import AS_ANOTHER_USER, counted, entries, kill_once, limit_file_size, open_to_all, python


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    cache._say_read_only.cache_clear()
    return tmp_path / "cache"


# ---- keys: code -----------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package's source that keys are made from; returns a function that edits it."""
    copy = tmp_path / "helpers"
    shutil.copytree(cache.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(cache, "PACKAGE", copy)

    def forget():
        cache._module.cache_clear()
        cache.code_digest.cache_clear()

    def edit(module, name, line):
        """Put a line at the start of the body of a function or of a method, "Class.method"."""
        path = copy / f"{module}.py"
        lines = path.read_text().splitlines()
        body = ast.parse("\n".join(lines)).body
        for part in name.split("."):
            node = next(node for node in body if getattr(node, "name", None) == part)
            body = node.body
        docstring = ast.get_docstring(node) is not None
        first = body[1] if docstring and not line.startswith('"""') else body[0]
        if line.startswith('"""') and docstring:
            del lines[body[0].lineno - 1 : body[0].end_lineno]
        lines.insert(first.lineno - 1, " " * first.col_offset + line)
        path.write_text("\n".join(lines) + "\n")
        forget()

    edit.root, edit.forget = copy, forget
    forget()
    yield edit
    monkeypatch.undo()
    forget()


FIT = training.fit_arrays


@pytest.mark.parametrize(
    ("function", "module", "name", "changes"),
    [
        (FIT, "training", "fit_arrays", True),
        (FIT, "models", "elbo", True),  # fit_arrays -> train -> loss -> elbo
        (FIT, "models", "VAE.encode", True),  # a method, of a class that models.build names
        (FIT, "training", "fit_many", False),
        (FIT, "plots", "use_style", False),
        (FIT, "phases", "run", False),
        (fast_features.extract_file, "corpus/kernels", "scan_frames", True),  # imported inside a function
        (fast_features.extract_file, "corpus/kernels", "_moments", True),  # and called by that
        (fast_features.extract_file, "corpus/audio", "read_sound", True),
        (fast_features.extract_file, "corpus/fast_features", "extract_table", False),
        (metrics.scores, "metrics", "purity", True),  # reached by the table METRICS alone
        (phases.score, "metrics", "purity", True),  # through two modules and the table
    ],
)
def test_an_edit_changes_the_keys_of_what_reaches_it(package, function, module, name, changes):
    before = cache.key(function, 1)
    package(module, name, "# a remark")
    assert cache.key(function, 1) == before
    package(module, name, '"""Said in other words."""')
    assert cache.key(function, 1) == before
    package(module, name, "changed = True")
    assert (cache.key(function, 1) != before) == changes


def test_a_table_is_followed(package):
    before = cache.key(metrics.scores), cache.key(models.build)
    path = package.root / "metrics.py"
    path.write_text(path.read_text() + "\nMETRICS = {**METRICS}\n")
    package.forget()
    assert cache.key(metrics.scores) != before[0] and cache.key(models.build) == before[1]


def test_a_new_protocol_leaves_the_fits(package):
    recipe = protocols.get("controlled").recipes["basic_vae"]
    before = cache.key(FIT, np.eye(3), None, 0, recipe, 1), cache.key(protocols.get)
    path = package.root / "protocols.py"
    path.write_text(path.read_text() + '\nPROTOCOLS["mine"] = replace(PROTOCOLS["written"], name="mine")\n')
    package.forget()
    assert cache.key(FIT, np.eye(3), None, 0, recipe, 1) == before[0]
    assert cache.key(protocols.get) != before[1]


def test_types_of_arguments_do_not_count(package):
    before = cache.key(FIT)
    path = package.root / "training.py"
    old = path.read_text()
    typed = 'seed: int, gpu: bool = False,\n               unfinished: str = "") -> dict[str, np.ndarray]:'
    assert typed in old
    path.write_text(old.replace(typed, 'seed, gpu=False, unfinished=""):'))
    package.forget()
    assert cache.key(FIT) == before


@pytest.mark.parametrize(
    "source",
    [
        "from helpers import models\nmodels.elbo(1)",
        "from helpers.models import elbo as loss\nloss(1)",
        "import helpers.models\nhelpers.models.elbo(1)",
        "import helpers.models as m\nm.elbo(1)",
        "import helpers\nhelpers.models.elbo(1)",
        "def f():\n    from helpers.training import fit\n    return fit",
    ],
)
def test_source_is_followed_however_it_imports(package, source):
    before, other = cache.key(source), cache.key("from helpers import plots\nplots.use_style()")
    assert cache.key(source + "  # a remark") == before != cache.key(source + "\n2")
    package("models", "elbo", "changed = True")
    assert cache.key(source) != before
    assert cache.key("from helpers import plots\nplots.use_style()") == other


def ours(x):
    return {"x": np.asarray(x)}


def theirs(x):
    return {"x": np.asarray(x)}


class Two:
    def first(self): ...
    def second(self): ...


def test_functions_have_keys_of_their_own():
    assert len({cache.key(f, 1) for f in (ours, theirs, Two.first, Two.second, FIT)}) == 5
    assert cache.key(training.Fit.model) != cache.key(training.Fit.sample)
    with pytest.raises(ValueError, match="defined in no file"):
        exec("def loose(): ...", scope := {"__name__": "nowhere"})
        cache.key(scope["loose"])


def test_a_module_that_is_run_has_the_keys_it_has_when_imported(package, tmp_path):
    (package.root / "probe.py").write_text("from helpers import cache\ndef f(): ...\nprint(cache.key(f, 1))\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ways = [[sys.executable, "-m", "helpers.probe"], [sys.executable, "-c", "import helpers.probe"]]
    said = [subprocess.run(way, env=environment, capture_output=True, text=True).stdout for way in ways]
    assert said[0] == said[1] and len(said[0]) == 41


# ---- keys: data and arguments ---------------------------------------------------------------------------------------

TABLE = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


@pytest.mark.parametrize(
    ("one", "two"),
    [
        (1, 1.0), (1, True), (1, "1"), ("1", b"1"), (None, "None"), ((1, 2), [1, 2]), ([[1], 2], [[1, 2]]),
        ([[1, 2], []], [[1], [2]]), ({"a": 1}, {"a": 2}), ({"a": 1}, {"b": 1}), ([{"a": 1}, 2], [{"a": 1, "b": 2}]),
        (np.zeros(4), np.zeros((2, 2))), (np.zeros(4), np.zeros(4, np.float32)), (np.arange(3), np.arange(3) + 1),
        (np.array(["a", "bc"]), np.array(["ab", "c"])), (np.array(["a", None], object), np.array(["a", "b"], object)),
        (TABLE, TABLE[["b", "a"]]), (TABLE, TABLE.set_axis(["x", "y"])), (TABLE, TABLE + 1), ({1, 2}, {1, 3}),
        (training.Recipe(beta=1.0), training.Recipe(beta=2.0)), (ours, theirs),
    ],
)  # fmt: skip
def test_two_arguments_have_two_keys(one, two):
    assert cache.key(ours, one) != cache.key(ours, two)
    assert cache.key(ours, one) == cache.key(ours, one)


@pytest.mark.parametrize("end", [list, tuple, set, frozenset])
def test_a_container_ends_where_it_ends(end):
    assert cache.key(FIT, end([1]), 2) != cache.key(FIT, end([1, 2]))
    assert cache.key(FIT, end([1]), 2, 3) != cache.key(FIT, end([1, 2]), 3)
    assert cache.key(FIT, {"a": 1}, 2) != cache.key(FIT, {"a": 1, "b": 2})


def test_a_key_is_the_same_in_another_process():
    code = "from helpers import cache, protocols as p; print(cache.key(p.get, {'b', 'a', 'c'}, p.Recipe()))"
    said = {python(code, env={**os.environ, "PYTHONHASHSEED": seed}).stdout.strip() for seed in ("1", "2")}
    assert said == {cache.key(protocols.get, {"c", "b", "a"}, protocols.Recipe())}


def test_an_argument_without_a_value_is_refused():
    with pytest.raises(TypeError, match="A Generator cannot be told from another one"):
        cache.key(ours, np.random.default_rng(0))


# ---- entries --------------------------------------------------------------------------------------------------------

ARRAYS = {"x": np.arange(6.0).reshape(2, 3), "half": np.ones(3, "<f2"), "words": np.array("ünï"), "empty": np.zeros(0)}


def test_what_was_put_is_got(place):
    assert cache.get(["a"]) == {} and not place.exists()  # asking makes nothing
    many = {f"key {i}": {"i": np.array(i)} for i in range(1200)}  # more than one question may name
    cache.put({"a": ARRAYS} | many)
    found = cache.get(["nothing", *many, "a", "a"])
    assert {name: int(found[name]["i"]) for name in many} == {f"key {i}": i for i in range(1200)}
    assert set(found) == {"a", *many} and set(found["a"]) == set(ARRAYS)
    for name, value in ARRAYS.items():
        np.testing.assert_array_equal(found["a"][name], value)
        assert found["a"][name].dtype == value.dtype


def test_objects_are_not_read_back(place, caplog):
    cache.put({"a": {"x": np.array([{}], object)}, "b": ARRAYS})
    assert set(cache.get(["a", "b"])) == {"b"} and "cannot be used" in caplog.text


def test_remembered_is_computed_once(tmp_path):
    path = str(tmp_path / "count")
    calls = [(counted, path, i) for i in (1, 2, 1)]
    for _ in range(2):
        assert [int(found["x"]) for found in cache.remember_many(calls, n_jobs=1)] == [2, 4, 2]
    assert int(cache.remember(counted, path, 2)["x"]) == 4
    assert (tmp_path / "count").read_text() == "xx" and entries() == 2


def test_an_interrupted_job_keeps_what_was_finished(place):
    def results():
        yield {"a": {"x": np.array(1)}}
        yield {"b": {"x": np.array(2)}}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(cache.stored(results()))
    assert set(cache.get(["a", "b", "c"])) == {"a", "b"}


# ---- what may happen to a store -------------------------------------------------------------------------------------


def test_a_damaged_entry_is_passed_over(place, caplog):
    cache.put({name: {"x": np.arange(1000.0)} for name in "abc"})
    base = sqlite3.connect(place / "store.sqlite")
    (value,) = base.execute("SELECT value FROM entries WHERE key = 'b'").fetchone()
    with base:
        base.execute("UPDATE entries SET value = ? WHERE key = 'a'", (value[:100],))
        torn = value[:5000] + bytes([value[5000] ^ 1]) + value[5001:]  # one bit
        base.execute("UPDATE entries SET value = ? WHERE key = 'b'", (torn,))
    base.close()
    assert set(cache.get(["a", "b", "c"])) == {"c"}
    assert caplog.text.count("cannot be used") == 2


@pytest.mark.parametrize("damage", ["other", "middle", "cut", "journal"])
def test_a_damaged_file_is_put_aside(place, caplog, damage):
    cache.put({f"{i}": {"x": np.random.default_rng(i).normal(size=3000)} for i in range(20)})
    path = place / "store.sqlite"
    whole = path.read_bytes()
    if damage == "other":
        path.write_text("no store at all\n" * 1000)
    if damage == "middle":
        path.write_bytes(whole[:4096] + os.urandom(100_000) + whole[104_096:])
    if damage in ("cut", "journal"):
        path.write_bytes(whole[: len(whole) // 2])
    if damage == "journal":
        (place / "store.sqlite-journal").write_bytes(os.urandom(5000))
    assert len(cache.get([f"{i}" for i in range(20)])) < 20
    assert "is damaged" in caplog.text and "computed again" in caplog.text
    cache.put({"new": ARRAYS})
    cache.put({f"{i}": {"x": np.zeros(3000)} for i in range(20)})
    assert len(cache.get(["new", *(f"{i}" for i in range(20))])) == 21
    assert (place / "store.damaged").exists()


def test_damage_that_only_a_writer_finds(place, caplog):
    place.mkdir()
    (place / "store.sqlite").write_bytes(b"no store at all" * 1000)
    cache.put({"a": ARRAYS})
    assert set(cache.get(["a"])) == {"a"} and "put aside" in caplog.text


def test_an_empty_file_is_an_empty_store(place, caplog):
    place.mkdir()
    (place / "store.sqlite").touch()  # as another process leaves it for a moment
    assert cache.get(["a"]) == {} and not caplog.text
    cache.put({"a": ARRAYS})
    assert set(cache.get(["a"])) == {"a"}


def test_several_writers_at_once(place):
    code = """
import sys, numpy as np; from helpers import cache
for i in range(40):
    cache.put({f"{sys.argv[1]} {i}": {"x": np.full(500, i)}})
    assert len(cache.get([f"{sys.argv[1]} {j}" for j in range(i + 1)])) == i + 1
"""
    workers = [subprocess.Popen([sys.executable, "-c", code, str(k)], stderr=subprocess.PIPE) for k in range(3)]
    said = [worker.communicate(timeout=900)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], said
    found = cache.get([f"{k} {i}" for k in range(3) for i in range(40)])
    assert len(found) == 120 and all((found[f"1 {i}"]["x"] == i).all() for i in range(40))


def test_a_kill_in_the_middle_leaves_whole_entries(place, caplog):
    code = """
import numpy as np; from helpers import cache
for i in range(100000):
    cache.put({f"{i} {part}": {"x": np.full(20000, i)} for part in range(5)})
"""
    for share in (5, 30):
        kill_once(code, lambda share=share: entries() > share)
    n = entries()
    found = cache.get([f"{i} {part}" for i in range(n) for part in range(5)])
    assert len(found) == n and n % 5 == 0 and not caplog.text  # all or none of a put
    assert all((values["x"] == int(name.split()[0])).all() for name, values in found.items())
    cache.put({"new": ARRAYS})
    assert entries() == n + 1


def test_a_full_disk_keeps_what_was_stored(place):
    code = """
import numpy as np; from helpers import cache
try:
    for i in range(100):
        cache.put({str(i): {"x": np.full(1000, i)}})
        print(i)
except OSError as error:
    print(error)
"""
    *done, said = python(code, preexec_fn=limit_file_size(200_000)).stdout.splitlines()
    assert 5 < len(done) < 50 and len(cache.get([str(i) for i in range(100)])) == len(done)
    assert f"cannot write to {place}" in said and "make room, or set HELPERS_CACHE" in said
    cache.put({"new": ARRAYS})


def test_a_folder_that_is_a_file(place):
    place.write_text("")
    with pytest.raises(OSError, match="cannot write to .*set HELPERS_CACHE"):
        cache.put({"a": ARRAYS})


def test_a_read_only_store_is_read(place, tmp_path):
    """What is there is used; what is not is computed and, a warning says once, not kept."""
    cache.remember(counted, str(tmp_path / "count"), 1)
    (tmp_path / "count").chmod(0o666)
    (place / "store.sqlite").chmod(0o444)
    open_to_all(place)
    place.chmod(0o555)
    code = f"""
import logging; logging.basicConfig()
from helpers import cache
from tests.material import counted
{AS_ANOTHER_USER}
for i in (1, 2, 3, 1):
    print(int(cache.remember(counted, {str(tmp_path / "count")!r}, i)["x"]))
with cache.alone("this"):
    print("alone")
"""
    done = python(code)
    assert done.stdout.split() == ["2", "4", "6", "2", "alone"], done.stderr
    assert done.stderr.count("cannot be written") == 1 and "set HELPERS_CACHE" in done.stderr
    assert (tmp_path / "count").read_text() == "xxx" and entries() == 1


def test_a_store_that_may_not_be_read_counts_as_empty(place, tmp_path):
    cache.put({"a": ARRAYS})
    (place / "store.sqlite").chmod(0o000)
    open_to_all(place)
    done = python(f"import logging; logging.basicConfig()\nfrom helpers import cache\n{AS_ANOTHER_USER}\n"
                  "print(cache.get(['a'])); cache.put({'b': {'x': 1}}); print('went on')")  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["{}", "went on"], done.stderr
    assert "cannot be read" in done.stderr and "cannot be written" in done.stderr


def test_one_at_a_time(place, tmp_path):
    code = f"""
import time; from helpers import cache
with cache.alone("work"):
    with open({str(tmp_path / "log")!r}, "a") as log:
        log.write("in "); log.flush(); time.sleep(.3); log.write("out ")
"""
    workers = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [worker.wait(timeout=900) for worker in workers] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "in out " * 3
    holding = "import time; from helpers import cache\nwith cache.alone('work'): print(1, flush=True); time.sleep(60)"
    held = subprocess.Popen([sys.executable, "-c", holding], stdout=subprocess.PIPE)
    held.stdout.readline()
    held.kill()
    held.wait()
    held.stdout.close()
    with cache.alone("work"):  # the lock went with the process
        pass
