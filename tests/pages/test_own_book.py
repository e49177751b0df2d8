"""Pages of the book on a folder of hostile names, typeset as the book is: the names are seen, and
nothing runs."""

import json
import os
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest
import yaml

from helpers import escape
from tests import own_collection
from tests.conftest import ROOT
from tests.own_pages import PAGES, executed_on
from tools import pages, run_notebooks

NAMED = {
    "01_audio_baseline",
    "02_hybrid_features",
    "03_advanced_vaes",
    "07_own_words",
    "10_collection",
    "status",
}
MUSIC = "<img src=x onerror=alert(3)> | {{ title }} $x$"


@pytest.fixture(scope="module")
def book(tmp_path_factory, shared_store):
    """{page: its HTML}: the cells of the pages run in this process, then typeset by Sphinx."""
    place = tmp_path_factory.mktemp("book")
    music = own_collection.Collection(place / MUSIC)
    own_collection.hostile(music, seconds=1.0)
    music.raw("=cmd/<b>broken.wav", b"no sound")
    (place / "pages").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HELPERS_CACHE", str(shared_store))
        patch.setenv("HELPERS_MUSICNN", str(place / "not here"))
        patch.setenv("HELPERS_LABELS", "folder")
        for page in PAGES:
            notebook, _ = executed_on(str(place / MUSIC), page)
            nbformat.write(notebook, place / "pages" / f"{page}.ipynb")
    run = run_notebooks.Run(
        PAGES[0],
        (place / "pages" / f"{PAGES[0]}.ipynb").read_text(),
        {"dataset": str(place / MUSIC), "protocol": "controlled", "seeds": 1},
        1.0,
        "",
        True,
    )
    (place / "pages" / "status.md").write_text("# Status\n\n" + pages.status(ROOT, [run]))
    (place / "pages" / "index.md").write_text(
        "# Book\n\n```{toctree}\n" + "\n".join([*PAGES, "status"]) + "\n```\n"
    )
    parse = yaml.safe_load((ROOT / "_config.yml").read_text()).get("parse", {})
    (place / "pages" / "conf.py").write_text(
        f"extensions = ['myst_nb']\nnb_execution_mode = 'off'\nmyst_substitutions = "
        f"{{'title': 'SUBSTITUTED'}}\n"
        "myst_enable_extensions = "
        f"{parse.get('myst_enable_extensions', ['dollarmath', 'substitution', 'linkify'])!r}\n"
        "suppress_warnings = ['myst', 'mystnb', 'image', 'ref', 'toc']\n"
    )
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-q",
        "-b",
        "html",
        str(place / "pages"),
        str(place / "html"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stderr[-2000:]
    return {page: (place / "html" / f"{page}.html").read_text() for page in [*PAGES, "status"]}


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.wrong, self.data, self.inside = [], [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.inside = "data" if ("type", "application/json") in attributes else tag
        for name, value in attributes:
            if name == "srcdoc":  # a whole page in a frame: its own tags count, not its source
                self.add_frame(value)
            elif name.startswith("on") or "javascript:" in (value or ""):
                self.wrong.append(f"<{tag} {name}={value}>")
        self.wrong += [f"<{tag}>" for n, v in attributes if n == "src" and v == "x"] + [tag] * (
            tag in ("b", "svg")
        )

    def add_frame(self, page: str) -> None:
        """What is wrong inside a frame; the map draws pictures (svg) of its own."""
        frame = Elements(page)
        self.wrong += [one for one in frame.wrong if one != "svg"]
        self.text += frame.text
        self.data += frame.data

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
    assert (
        "Left out: =cmd/<b>broken" in text
        and "Labels: the names of the sub-folders, as asked." in text
    )
