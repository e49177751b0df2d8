"""Running the pages of the book in this process, quickly, on a reader's data."""

import re
from contextlib import contextmanager
from dataclasses import replace

import jupytext
import matplotlib
import nbformat
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers import plots
from helpers.protocols import PROTOCOLS
from musicbook.chapters.cluster_well import stable_groups
from tests.conftest import ROOT

PAGES = (
    "01_audio_baseline",
    "02_hybrid_features",
    "03_advanced_vaes",
    "04_cvae_collapse",
    "05_leakage",
    "00_sound",
    "07_own_words",
    "08_raw_sound",
    "11_audit",
    "09_cluster_well",
    "10_collection",
)


# Where a table has neither words nor sound, these pages say so in a `note`, and take the book's own
# songs from there on.
OF_OTHER_SONGS = ("07_own_words", "08_raw_sound")


@contextmanager
def in_process():
    """One process, and figures that need no browser."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        patch.setattr(plots, "use_style", lambda: matplotlib.use("Agg"))
        yield patch


@contextmanager
def quick():
    """`in_process`, and networks of one small layer, trained for two epochs. Groups by a VAE, whose
    networks are of full size, are looked for again once instead of four times."""
    small = {
        name: recipe.but(hidden=(8,), latent=3, epochs=2, anneal="none")
        for name, recipe in PROTOCOLS["controlled"].recipes.items()
    }
    with in_process() as patch:
        patch.setitem(PROTOCOLS, "controlled", replace(PROTOCOLS["controlled"], recipes=small))
        patch.setattr(stable_groups, "VAE_RUNS", 1)
        yield


def executed(page: str, **parameters) -> tuple[nbformat.NotebookNode, dict]:
    """The notebook with what its cells give, run in this process with other parameters, and its
    names."""
    return _run(jupytext.read(ROOT / "notebooks" / f"{page}.py"), parameters)


def _run(notebook: nbformat.NotebookNode, parameters: dict) -> tuple[nbformat.NotebookNode, dict]:
    shell = InteractiveShell()
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", ())
        if cell.cell_type != "code" or "colab" in tags:
            continue
        with capture_output():
            found = shell.run_cell(cell.source)
        found.raise_error()
        if found.result is not None:
            data, _ = shell.display_formatter.format(found.result)
            cell.outputs = [nbformat.v4.new_output("display_data", data=data)]
        if "parameters" in tags:
            shell.push(parameters)
    return notebook, shell.user_ns


def executed_on(dataset: str, page: str) -> tuple[nbformat.NotebookNode, dict]:
    """`executed` on a reader's data, with small networks and one seed; of OF_OTHER_SONGS the part
    that deals with these data."""
    with quick():
        if page not in OF_OTHER_SONGS:
            return executed(page, dataset=dataset, seeds=1)
        return _run(_until_the_note(page), {"dataset": dataset, "seeds": 1})


def _until_the_note(page: str) -> nbformat.NotebookNode:
    """A page up to the cell that shows its `note`: what follows is what the page of the book does,
    with the same songs."""
    notebook = jupytext.read(ROOT / "notebooks" / f"{page}.py")
    shows = [i for i, cell in enumerate(notebook.cells) if "{note}" in cell.source]
    rest = "\n".join(cell.source for cell in notebook.cells[shows[0] + 1 :])
    assert not re.search(r"\bdataset\b", rest), "the rest does depend on the reader's data"
    notebook.cells = notebook.cells[: shows[0] + 1]
    return notebook
