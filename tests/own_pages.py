"""Running the pages of the book in this process, quickly, on a reader's data."""

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


# Where a table has neither words nor sound, these pages take the book's own songs. With the seeds
# and the networks of the book they then read what it has stored.
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
    """`in_process`, and networks of one small layer, trained for two epochs."""
    small = {
        name: recipe.but(hidden=(8,), latent=3, epochs=2, anneal="none")
        for name, recipe in PROTOCOLS["controlled"].recipes.items()
    }
    with in_process() as patch:
        patch.setitem(PROTOCOLS, "controlled", replace(PROTOCOLS["controlled"], recipes=small))
        yield


def executed(page: str, **parameters) -> tuple[nbformat.NotebookNode, dict]:
    """The notebook with what its cells give, run in this process with other parameters, and its
    names."""
    notebook = jupytext.read(ROOT / "notebooks" / f"{page}.py")
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
    """`executed` on a reader's data: with small networks and one seed, except OF_OTHER_SONGS."""
    if page in OF_OTHER_SONGS:
        with in_process():
            return executed(page, dataset=dataset, seeds=3)
    with quick():
        return executed(page, dataset=dataset, seeds=1)
