"""Every notebook is a pair: the .py is the source, the .ipynb says the same and holds no outputs."""

import nbformat
import pytest

from tests.conftest import ROOT
from tools import sync

SCRIPTS = sorted((ROOT / "notebooks").glob("*.py"))
SOURCE = '''# %% [markdown]
# # A question?

# %% tags=["parameters"]
dataset = "gtzan-mini"

# %%
print(dataset)
'''


def test_there_are_notebooks():
    assert len(SCRIPTS) >= 4
    assert {p.stem for p in SCRIPTS} == {p.stem for p in (ROOT / "notebooks").glob("*.ipynb")}


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda p: p.stem)
def test_pair_is_in_step(script):
    assert sync.faults(script) == []


def test_sync_keeps_ids_and_drops_outputs(tmp_path):
    script, page = tmp_path / "a.py", tmp_path / "a.ipynb"
    script.write_text(SOURCE)
    assert sync.faults(script) == ["a.ipynb is missing"]
    assert sync.sync(script) and not sync.sync(script)
    made = nbformat.read(page, as_version=4)
    ids = [cell.id for cell in made.cells]
    made.cells[2].outputs = [nbformat.v4.new_output("stream", text="gtzan-mini\n")]
    made.cells[2].execution_count = 1
    nbformat.write(made, page)
    assert sync.faults(script) == ["a.ipynb holds outputs"]

    script.write_text(SOURCE.replace("print(dataset)", "print(dataset, 1)"))
    assert any("cell 3" in fault for fault in sync.faults(script))
    assert sync.sync(script)
    again = nbformat.read(page, as_version=4)
    assert [cell.id for cell in again.cells][:2] == ids[:2]
    assert again.cells[2].source == "print(dataset, 1)" and again.cells[2].outputs == []
    assert again.cells[1].metadata.tags == ["parameters"]


def test_a_missing_cell_is_a_fault(tmp_path):
    script = tmp_path / "a.py"
    script.write_text(SOURCE)
    sync.sync(script)
    script.write_text(SOURCE + "\n# %%\n2 + 2\n")
    assert sync.faults(script) == ["a.py has 4 cells, a.ipynb 3"]
