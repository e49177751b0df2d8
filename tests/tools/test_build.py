"""The build that is killed while it typesets, or finds no room: what was there stays, and the next
one makes the whole book."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.material import kill_once, limit_file_size

PAGES = 12


@pytest.fixture
def place(tmp_path):
    """A root and a staging copy with a small book."""
    stage = tmp_path / "_build" / "stage"
    config = (
        "title: A book\nhtml: {baseurl: 'https://x.example/'}\n"
        "execute: {execute_notebooks: 'off'}\n"
        "sphinx: {extra_extensions: [sphinx_sitemap]}\n"
    )
    toc = "format: jb-book\nroot: book/index\nchapters:\n" + "".join(
        f"- file: book/p{i}\n" for i in range(PAGES)
    )
    for folder in (tmp_path, stage):
        (folder / "book").mkdir(parents=True)
        (folder / "_config.yml").write_text(config)
        (folder / "_toc.yml").write_text(toc)
    (stage / "book" / "index.md").write_text("# A book\n")
    for i in range(PAGES):
        (stage / "book" / f"p{i}.md").write_text(f"# Page {i}\n\n" + "word " * 1000)
    return tmp_path


def code(place) -> str:
    return (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}]\nfrom pathlib import Path\nfrom "
        "tools import typesetting\n"
        f"root = Path({str(place)!r})\ntypesetting.typeset(root, root / '_build' / 'stage')"
    )


def test_a_kill_while_typesetting_leaves_no_half_page_and_an_edit_no_half_book(place):
    """After the kill, a build makes all pages. Then one page changes: the list of pages and the
    search of the next build hold all of them."""
    written = place / "_build" / "sphinx" / "_build" / "html" / "book"
    kill_once(code(place), lambda: len(list(written.glob("p*.html"))) > 2)
    assert not (place / "_build" / "html").exists()
    torn = next(written.glob("p*.html"))
    torn.write_text(torn.read_text()[:100])  # as a kill in the middle of a write leaves it
    subprocess.run([sys.executable, "-c", code(place)], check=True)
    html = place / "_build" / "html"
    pages = list((html / "book").glob("p*.html"))
    assert len(pages) == PAGES and all("</html>" in page.read_text() for page in pages)

    (place / "_build" / "stage" / "book" / "p7.md").write_text("# Page 7\n\nedited")
    subprocess.run([sys.executable, "-c", code(place)], check=True)
    listed, searched = ((html / name).read_text() for name in ("sitemap.xml", "searchindex.js"))
    assert "edit" in searched
    for i in range(PAGES):
        assert f"/book/p{i}.html<" in listed
        assert f'"book/p{i}"' in searched


def test_a_full_disk_leaves_the_old_pages(place):
    old = place / "_build" / "html" / "index.html"
    old.parent.mkdir()
    old.write_text("old")
    done = subprocess.run(
        [sys.executable, "-c", code(place)],
        preexec_fn=limit_file_size(20_000),
        capture_output=True,
        text=True,
    )
    assert done.returncode and old.read_text() == "old"
