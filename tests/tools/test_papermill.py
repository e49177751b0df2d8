"""The stage runner: parameters are respected and checked, nothing unchanged runs twice, a failure
is kept apart."""

import shutil
import subprocess
import sys
import threading

import nbformat
import pytest

from helpers import store
from tests.conftest import ROOT
from tests.material import copied_sources, forget_sources
from tools import run_notebooks
from tools.run_notebooks import NotebookFailed, defaults, run_all

PARAMETERS = 'dataset = "gtzan-mini"\nprotocol = "controlled"\nseeds = 3'
PRINT = 'import json\nprint(json.dumps({"used": f"{dataset} {protocol} {seeds}"}))'


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository in small: what the runner hashes, and no notebooks yet; the code is a copy of
    ours."""
    for folder in ("data", "notebooks"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "requirements.lock").write_text("")
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    with copied_sources(tmp_path / "src"):
        yield tmp_path


def notebook(place, last=PRINT, parameters=PARAMETERS, name="01_a"):
    page = nbformat.v4.new_notebook()
    page.cells = [
        nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(last, metadata={"tags": ["numbers"]}),
    ]
    page.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = place / "notebooks" / f"{name}.ipynb"
    nbformat.write(page, path)
    return path


def test_parameters_reach_the_page_and_only_changes_are_run(place):
    path = notebook(place)
    (plain,) = run_all([path], {}, place, jobs=1)
    assert plain.fresh and plain.numbers == {"used": "gtzan-mini controlled 3"}

    (again,) = run_all([path], {}, place, jobs=1)
    assert not again.fresh and again.numbers == plain.numbers

    (other,) = run_all([path], {"dataset": "gtzan-mini-tracks", "seeds": 5}, place, jobs=1)
    assert other.fresh and other.numbers == {"used": "gtzan-mini-tracks controlled 5"}
    shown = nbformat.reads(other.notebook, as_version=4)
    assert len(shown.cells) == 2  # the injected cell has gone into the parameters cell
    assert "seeds = 5" in shown.cells[0].source and "seeds = 3" not in shown.cells[0].source
    assert "papermill" not in shown.metadata


def test_what_a_page_depends_on(place, monkeypatch):
    """Its own words, parameters, the code that it reaches and the code that runs it, data and lock;
    not code that it does not reach, nor where the code that runs it lies."""
    path = notebook(place, "from musicbook.corpus import sources\nsources.load(dataset)")
    (place / "data/table.csv").write_text("a")
    runners = [place / "runner.py", place / "moved" / "runner.py"]
    runners[1].parent.mkdir()
    for runner in runners:
        runner.write_text("run = 1")
    monkeypatch.setattr(run_notebooks, "RUNNERS", runners[:1])

    def key(**used):
        forget_sources()
        surroundings = run_notebooks.surroundings(place, None)
        return run_notebooks.key_of(
            nbformat.read(path, as_version=4), path.name, used, surroundings
        )

    seen = {key()}
    code = place / "src/helpers/plots.py"
    code.write_text(code.read_text().replace("def use_style", "x = 1\n\n\ndef use_style"))
    assert key() in seen
    monkeypatch.setattr(run_notebooks, "RUNNERS", runners[1:])
    assert key() in seen
    code = place / "src/helpers/tracks.py"
    for change in (
        lambda: code.write_text(code.read_text() + "\n\nEMBEDDED['x'] = 'x.csv'\n"),
        lambda: (place / "data/table.csv").write_text("b"),
        lambda: (place / "requirements.lock").write_text("something==1"),
        lambda: runners[1].write_text("run = 2"),
        lambda: notebook(place, "from musicbook.corpus import sources\nsources.load(protocol)"),
        lambda: monkeypatch.setenv("GTZAN_FEATURES", str(place / "data/table.csv")),
    ):
        change()
        assert key() not in seen
        seen.add(key())
    assert key(seeds=4) not in seen and key() in seen


def test_two_builds_at_once_share_no_file(place, capfd):
    paths = [notebook(place, name="01_a"), notebook(place, name="02_b")]
    runs = [[], []]
    builds = [
        threading.Thread(target=lambda own=own: own.extend(run_all(paths, {}, place, jobs=1)))
        for own in runs
    ]
    for build in builds:
        build.start()
    for build in builds:
        build.join()
    assert [run.name for run in runs[0]] == [run.name for run in runs[1]] == ["01_a", "02_b"]
    assert all(run.numbers == {"used": "gtzan-mini controlled 3"} for both in runs for run in both)
    assert not list(place.rglob("*.part*"))


def test_a_folder_of_audio_counts_too(place):
    music = place / "music"
    music.mkdir()
    (music / "a.wav").write_bytes(b"1")
    before = run_notebooks.surroundings(place, str(music))
    (music / "b.wav").write_bytes(b"2")
    assert run_notebooks.surroundings(place, str(music)) != before


def test_a_failure_names_the_cell_and_is_never_published(place):
    path = notebook(place, "1 / 0")
    with pytest.raises(
        NotebookFailed, match=r"01_a.ipynb failed .* cell 2 raised ZeroDivisionError(.|\n)*1 / 0"
    ):
        run_all([path], {}, place, jobs=1)
    assert (place / "_build/failed/01_a.ipynb").exists()
    assert store.cache_report()["entries"] == 0


DIES = """
import os, pathlib
tries = pathlib.Path({path!r})
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
if len(tries.read_text()) <= {times}:
    os.kill(os.getpid(), 9)
print("{{}}")"""


def test_a_page_whose_process_died_runs_once_more_and_no_more(place):
    tries = place / "tries"
    path = notebook(place, DIES.format(path=str(tries), times=1))
    (run,) = run_all([path], {}, place, jobs=1)
    assert run.fresh and tries.read_text() == "xx"
    tries.unlink()
    path = notebook(place, DIES.format(path=str(tries), times=9))
    with pytest.raises(NotebookFailed, match="01_a.ipynb failed .* DeadKernelError"):
        run_all([path], {}, place, jobs=1)
    assert tries.read_text() == "xx"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("dataset = 'a'\nseeds = 3", "needs dataset, protocol, seeds"),
        (PARAMETERS + "\nextra = 1", "'extra'"),
    ],
)
def test_a_wrong_parameters_cell_stops_before_anything_runs(place, source, message):
    with pytest.raises(ValueError, match=message):
        run_all([notebook(place, parameters=source)], {}, place)


def test_code_that_does_not_parse_stops_before_anything_runs(place):
    with pytest.raises(ValueError, match="01_a.ipynb does not parse: invalid syntax, near 'if'"):
        run_all([notebook(place, "if")], {}, place)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"seed": 3}, "there is no parameter 'seed': the pages take dataset, protocol, seeds"),
        ({"seeds": "two"}, "seeds is 'two'; it must be a whole number"),
        ({"seeds": "2"}, "seeds is '2'"),
        ({"seeds": 2.5}, "seeds is 2.5"),
        ({"seeds": 0}, "seeds is 0"),
        (
            {"protocol": "relased"},
            "no protocol 'relased'; choose one of written, released, controlled",
        ),
        ({"dataset": 3}, "dataset is 3; it must be a text"),
    ],
)
def test_parameters_that_cannot_be_meant_stop_before_anything_runs(place, parameters, message):
    with pytest.raises(ValueError, match=message):
        run_all([notebook(place)], parameters, place)


def test_papermill_alone_stops_at_once_too(tmp_path):
    """The real page and the real command: it ends in the sentence, and no cell after the check has
    run."""
    target = tmp_path / "out.ipynb"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "papermill",
            ROOT / "notebooks" / "06_results.ipynb",
            target,
            "-p",
            "seeds",
            "two",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    message = "ValueError: seeds is 'two'; it must be a whole number of at least 1"
    assert message in done.stderr.strip().splitlines()[-1]
    code = [cell for cell in nbformat.read(target, as_version=4).cells if cell.cell_type == "code"]
    ran = [
        cell
        for cell in code
        if cell.execution_count and "papermill-error-cell-tag" not in cell.metadata.tags
    ]
    assert ran[-1].source.endswith("protocols.check(dataset, protocol, seeds)")


def test_two_parameters_cells(place):
    path = notebook(place)
    page = nbformat.read(path, as_version=4)
    page.cells.append(page.cells[0])
    with pytest.raises(ValueError, match="2 cells tagged"):
        defaults(page, "a page")


def test_the_real_pages_take_papermill_parameters(tmp_path):
    """What is injected is what the cells after it see; --prepare-only, so nothing is trained
    here."""
    papermill = pytest.importorskip("papermill")
    for source in sorted((ROOT / "notebooks").glob("*.ipynb")):
        target = tmp_path / source.name
        shutil.copy(source, target)
        papermill.execute_notebook(
            target,
            target,
            {"dataset": "demo", "protocol": "released", "seeds": 4},
            prepare_only=True,
            progress_bar=False,
        )
        cells = nbformat.read(target, as_version=4).cells
        tags = [tuple(cell.metadata.get("tags", ())) for cell in cells]
        at = next(i for i, t in enumerate(tags) if "injected-parameters" in t)
        assert "parameters" in tags[at - 1]
        values: dict = {}
        exec(cells[at].source, values)
        assert (values["dataset"], values["protocol"], values["seeds"]) == ("demo", "released", 4)


def test_the_pages_that_train_longest_start_first():
    """Pages that are not in the list come after it, in their own order."""
    order = sorted(
        ["01_audio_baseline", "04_cvae_collapse", "03_advanced_vaes"], key=run_notebooks._place
    )
    assert order == ["03_advanced_vaes", "04_cvae_collapse", "01_audio_baseline"]
