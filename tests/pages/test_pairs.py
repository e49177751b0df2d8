"""Every notebook is a pair: the .py is the source, the .ipynb says the same and holds no
outputs."""

import shlex
import shutil
import subprocess
import sys

import nbformat
import pytest

from tests.conftest import ROOT
from tools import pairs

SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
SOURCE = """# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A question?

# %% tags=["parameters"]
dataset = "gtzan-mini"

# %%
print(dataset)
"""


@pytest.fixture
def sync(tmp_path):
    """`make sync` as the Makefile has it, in a folder of its own, and where its notebooks lie."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copy(ROOT / "pyproject.toml", tmp_path)  # jupytext's settings
    recipe = (ROOT / "Makefile").read_text().split("\nsync: ")[1].split("\n\n")[0]
    commands = [line.strip().removeprefix("@") for line in recipe.splitlines()[1:]]
    assert len(commands) == 2

    def run():
        for command in commands:
            line = command.replace("$(PY)", shlex.quote(sys.executable))
            subprocess.run(line, shell=True, cwd=tmp_path, check=True)

    return run, folder


def test_there_are_notebooks():
    assert len(SCRIPTS) >= 4
    assert {p.stem for p in SCRIPTS} == {p.stem for p in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_pair_is_in_step(script):
    assert pairs.faults(script) == []


def test_sync_keeps_ids_and_drops_outputs(sync):
    run, folder = sync
    script, page = folder / "a.py", folder / "a.ipynb"
    script.write_text(SOURCE)
    assert pairs.faults(script) == ["a.ipynb is missing"]
    run()
    first = page.read_bytes()
    run()
    assert page.read_bytes() == first and pairs.faults(script) == []
    made = nbformat.read(page, as_version=4)
    ids = [cell.id for cell in made.cells]
    made.cells[2].outputs = [nbformat.v4.new_output("stream", text="gtzan-mini\n")]
    made.cells[2].execution_count = 1
    nbformat.write(made, page)
    assert pairs.faults(script) == ["a.ipynb holds outputs"]

    script.write_text(SOURCE.replace("print(dataset)", "print(dataset, 1)"))
    assert any("cell 3" in fault for fault in pairs.faults(script))
    run()
    again = nbformat.read(page, as_version=4)
    assert [cell.id for cell in again.cells][:2] == ids[:2]
    assert again.cells[2].source == "print(dataset, 1)" and again.cells[2].outputs == []
    assert again.cells[1].metadata.tags == ["parameters"]


def test_a_missing_cell_is_a_fault(sync):
    run, folder = sync
    script = folder / "a.py"
    script.write_text(SOURCE)
    run()
    script.write_text(SOURCE + "\n# %%\n2 + 2\n")
    assert pairs.faults(script) == ["a.py has 4 cells, a.ipynb 3"]
