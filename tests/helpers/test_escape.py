"""Hostile names of folders, tracks and clusters are names to pages, figures, playlists, tables and
the Makefile."""

import json
import re
import subprocess
from html.parser import HTMLParser

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from markdown_it import MarkdownIt

from helpers import escape
from musicbook.collection import playlists
from tests.conftest import ROOT
from tests.own_collection import FOLDERS, HOSTILE

NAMES = [
    *HOSTILE,
    *FOLDERS,
    "http://x.example/",
    "a\u2028b",
    "~~x~~",
    "> quote",
    "<!-- -->",
    "[^1]",
    "\\(x\\)",
    "==x==",
]


def seen(page: str) -> tuple[str, list[str]]:
    """The text of HTML and the names of its elements."""
    text, tags = [], []
    parser = HTMLParser()
    parser.handle_data, parser.handle_starttag = (
        text.append,
        lambda tag, attributes: tags.append(tag),
    )
    parser.feed(page)
    return "".join(text), tags


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("frame", ["is *{}*, there", "- {}", "| {} | b |\n|---|---|\n| 1 | {} |"])
def test_markup_shows_the_name_itself(name, frame):
    marked = frame.replace("{}", escape.markup(name))
    page = (
        MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(marked)
    )
    text, tags = seen(page)
    assert " ".join(escape.printable(name).split()) in " ".join(text.split())
    assert not set(tags) - {"p", "em", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}, (
        page
    )
    assert (
        "{{" not in marked.replace("{}", "") and "{%" not in marked and "$" not in marked
    )  # for MyST
    assert seen(escape.markup(name))[0] == escape.printable(name)  # as HTML alone


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", [*NAMES, "$x", "$", "a$b$c", r"\frac$"])
def test_a_figure_draws_the_name(name):
    figure = plt.figure()
    figure.text(0.5, 0.5, escape.label(name))
    figure.canvas.draw()
    plt.close(figure)


def test_tables_hold_no_formulas(tmp_path):
    table = escape.for_csv(pd.DataFrame({"=a": NAMES, "n": range(len(NAMES)), "x": -1.5}))
    table.to_csv(tmp_path / "t.csv", index=False)
    back = pd.read_csv(tmp_path / "t.csv", keep_default_na=False)
    assert back["n"].tolist() == list(range(len(NAMES))) and set(back["x"]) == {-1.5}
    for name, cell in zip(NAMES, back[list(back)[0]], strict=True):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")) and cell.lstrip(
            "'"
        ) == escape.printable(name)
    assert list(back)[0] == "'=a"


def test_playlists_have_one_line_a_track(tmp_path):
    ids = [escape.printable(name) for name in NAMES]
    paths = {i: tmp_path / name.replace("/", "_") for i, name in zip(ids, NAMES, strict=True)}
    words = {i: FOLDERS[n % len(FOLDERS)] for n, i in enumerate(ids)}
    written = playlists.write(
        [n % 3 for n in range(len(ids))], ids, paths, tmp_path / "out", words=words
    )
    found = []
    for path in written:
        assert path.parent == tmp_path / "out"
        lines = path.read_bytes().decode().split("\n")[:-1]
        assert (
            lines[0] == "#EXTM3U"
            and lines[1].startswith("#PLAYLIST:")
            and len(lines) == 2 + 2 * len(lines[2::2])
        )
        assert all(line.startswith("#EXTINF:-1,") for line in lines[2::2]) and all(
            line[0] != "#" for line in lines[3::2]
        )
        found += lines[3::2]
    assert len(found) == len(NAMES) and sum(line.startswith("file:///") for line in found) >= 4
    assert all(re.fullmatch(r"(cluster_\d\d[\w ,-]*|noise)\.m3u8", path.name) for path in written)


MAKE = [
    "$HOME `touch pwned` $(touch pwned)",
    'a"b',
    "it's",
    "$(shell touch pwned)",
    "#x",
    "a\\b",
    "-x",
    "; touch pwned",
    "a=b",
]


@pytest.mark.parametrize("name", [*MAKE, *FOLDERS])
def test_make_hands_names_on(tmp_path, name):
    """The Makefile's own recipe of `book`, with a script in place of the build that says what it
    was given."""
    text = (ROOT / "Makefile").read_text()
    (tmp_path / "Makefile").write_text(text.replace("tools/build_book.py", "show.py"))
    (tmp_path / "show.py").write_text(
        "import json, os, sys\nprint(json.dumps([sys.argv[1:], os.environ['HELPERS_LABELS']]))\n"
    )
    command = ["make", "-s", "book", f"DATASET={name}", f"LABELS={name}", "STAMP=", "PY=python3"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    given, labels = json.loads(done.stdout)
    assert f"--dataset={name}" in given and labels == name
    assert sorted(p.name for p in tmp_path.iterdir()) == ["Makefile", "show.py"]
