"""Pages of the book on a folder of hostile names, typeset as the book is: the names are seen, and nothing runs."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser

import jupytext
import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

from helpers import escape, plots
from helpers.protocols import PROTOCOLS
from tests import own_collection
from tests.conftest import ROOT
from tools import pages, run_notebooks

PAGES = ("01_audio_baseline", "02_hybrid_features", "03_advanced_vaes", "04_cvae_collapse", "05_leakage", "08_sound",
         "09_own_words", "11_pretrained", "12_audit", "13_collection")  # fmt: skip
NAMED = {"01_audio_baseline", "02_hybrid_features", "03_advanced_vaes", "09_own_words", "13_collection", "status"}
MUSIC = "<img src=x onerror=alert(3)> | {{ title }} $x$"


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """{page: its HTML}: the cells of the pages run in this process, with small networks, then typeset by Sphinx."""
    place = tmp_path_factory.mktemp("book")
    music = own_collection.Collection(place / MUSIC)
    own_collection.hostile(music, seconds=1.0)
    music.raw("=cmd/<b>broken.wav", b"no sound")
    (place / "pages").mkdir()
    with quick() as patch:
        given = {"HELPERS_CACHE": "cache", "HELPERS_PLAYLISTS": "playlists", "HELPERS_MUSICNN": "not here"}
        for name, value in given.items():
            patch.setenv(name, str(place / value))
        patch.setenv("HELPERS_LABELS", "folder")
        for page in PAGES:
            nbformat.write(executed(page, str(place / MUSIC)), place / "pages" / f"{page}.ipynb")
    run = run_notebooks.Run(
        PAGES[0], "", {"dataset": str(place / MUSIC), "protocol": "controlled", "seeds": 1}, 1.0, "", True
    )
    (place / "pages" / "status.md").write_text("# Status\n\n" + pages.status(ROOT, [run]))
    (place / "pages" / "index.md").write_text("# Book\n\n```{toctree}\n" + "\n".join([*PAGES, "status"]) + "\n```\n")
    parse = yaml.safe_load((ROOT / "_config.yml").read_text()).get("parse", {})
    (place / "pages" / "conf.py").write_text(
        f"extensions = ['myst_nb']\nnb_execution_mode = 'off'\nmyst_substitutions = {{'title': 'SUBSTITUTED'}}\n"
        f"myst_enable_extensions = {parse.get('myst_enable_extensions', ['dollarmath', 'substitution', 'linkify'])!r}\n"
        "suppress_warnings = ['myst', 'mystnb', 'image', 'ref', 'toc']\n"
    )
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "html", str(place / "pages"), str(place / "html")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    return {page: (place / "html" / f"{page}.html").read_text() for page in [*PAGES, "status"]}


@contextmanager
def quick():
    """Networks of one small layer, trained for two epochs, and figures that need no browser."""
    small = {name: recipe.but(hidden=(8,), latent=3, epochs=2, anneal="none") for name, recipe in
             PROTOCOLS["controlled"].recipes.items()}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LOKY_MAX_CPU_COUNT", "1")
        patch.setattr(plots, "use_style", lambda: matplotlib.use("Agg"))
        patch.setitem(PROTOCOLS, "controlled", replace(PROTOCOLS["controlled"], recipes=small))
        yield patch


def executed(page: str, dataset: str) -> nbformat.NotebookNode:
    """The notebook with what its cells give, run in this process."""
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
            shell.push({"dataset": dataset, "seeds": 1})
    return notebook


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.wrong, self.data, self.inside = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.inside = "data" if ("type", "application/json") in attributes else tag
        self.wrong += [f"<{tag} {n}={v}>" for n, v in attributes if n.startswith("on") or "javascript:" in (v or "")]
        self.wrong += [f"<{tag}>" for n, v in attributes if n == "src" and v == "x"] + [tag] * (tag in ("b", "svg"))

    def handle_data(self, data):
        self.text.append(data)
        self.wrong += [data] * (self.inside == "script" and "alert(" in data)
        self.data += [data] * (self.inside == "data")

    def handle_endtag(self, tag):
        self.inside = ""


@pytest.mark.parametrize("page", [*PAGES, "status"])
def test_names_are_seen_and_nothing_runs(book, page):
    found = Elements(book[page])
    text = " ".join("".join(found.text).split())
    assert not found.wrong
    assert "SUBSTITUTED" not in text
    assert page not in NAMED or escape.printable(MUSIC) in text
    for data in found.data:
        json.loads(data)  # no name has ended the script that holds them


def test_the_first_page_reports_what_was_found(book):
    text = " ".join("".join(Elements(book["01_audio_baseline"]).text).split())
    n = len(own_collection.HOSTILE) + 1
    assert f"Found {n + 1} files, used {n}, left out 1." in text
    assert "Left out: =cmd/<b>broken" in text and "Labels: the names of the sub-folders, as asked." in text


@pytest.mark.parametrize("kind", ["no labels", "labels and artists"])
def test_every_page_runs_on_a_table_with_other_columns(kind, tmp_path):
    """Thirty columns that are none of the 68, one seed: twelve rows without labels, sixty with moods and artists."""
    n = 12 if kind == "no labels" else 60
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(n, 30))).add_prefix("column_")
    table.insert(0, "track_id", [f"song {i}" for i in range(n)])
    if kind != "no labels":
        table["mood"] = np.array(["sad", "happy", "angry"])[np.arange(n) % 3]
        table["artist"] = [f"artist {i % 9}" for i in range(n)]  # each has songs of several moods
    table.to_csv(tmp_path / "mine.csv", index=False)
    with quick() as patch:
        patch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
        for page in PAGES:
            executed(page, str(tmp_path / "mine.csv"))
