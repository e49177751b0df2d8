"""Pages of the book on a folder of hostile names, typeset as the book is: the names are seen, and nothing runs."""

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
from tests.own_pages import PAGES, executed, quick
from tools import pages, run_notebooks

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
            nbformat.write(executed(page, dataset=str(place / MUSIC), seeds=1)[0], place / "pages" / f"{page}.ipynb")
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
