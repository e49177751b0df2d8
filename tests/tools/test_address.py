"""The repository's address and reference: one place holds them, every copy agrees, a command moves
them."""

import re
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import nbformat
import pytest
import yaml

from tests.conftest import ROOT
from tools import address, release

REPOSITORY, REFERENCE = address.repository(), address.reference()
ELSEWHERE = "https://github.com/some-one/another-name"
HTML = ROOT / "_build" / "html"


def tracked():
    names = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split("\n")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


@pytest.fixture
def tree(tmp_path):
    """What the address stands in, in a repository of its own."""
    for path in [*address.copies(), ROOT / "CHANGELOG.md", ROOT / "_toc.yml"]:
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    for command in (
        ["init", "-q", "-b", REFERENCE],
        ["config", "user.email", "a@example.org"],
        ["config", "user.name", "A"],
        ["add", "."],
        ["commit", "-qm", "all"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def test_every_copy_is_known_and_agrees():
    for path in address.copies():
        found = set(address.ADDRESS.findall(path.read_text()))
        assert found == {REPOSITORY}, f"{path.name}: run `make address`"
    inside = re.compile(rf"{re.escape(REPOSITORY)}|{re.escape(address.site(REPOSITORY))}")
    others = [
        p
        for p in tracked()
        if p.suffix in (".md", ".py", ".toml", ".yml", ".cff", ".html", ".ipynb", "")
    ]
    assert {p for p in others if inside.search(p.read_text())} == set(address.copies())


def test_buttons_and_cells_name_the_reference():
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["repository"] == {"url": REPOSITORY, "branch": REFERENCE}
    assert config["html"]["baseurl"] == address.site(REPOSITORY)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cell = next(c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
        assert f'"git+{REPOSITORY}@{REFERENCE}"' in cell.source
    assert REFERENCE in ("main", f"v{release.version()}")


@pytest.mark.skipif(not HTML.exists(), reason="no book in _build/html: run `make book` first")
def test_the_built_pages_name_it_too():
    places = "/".join(REPOSITORY.split("/")[-2:])
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        page = (HTML / "notebooks" / f"{path.stem}.html").read_text()
        assert (
            f"https://colab.research.google.com/github/{places}/blob/{REFERENCE}/notebooks/{path.name}"
            in page
        )
        assert f"mybinder.org/v2/gh/{places}/{REFERENCE}?" in page
        assert (
            f'rel="canonical" href="{address.site(REPOSITORY)}notebooks/{path.stem}.html"' in page
        )
        assert {
            a for a in address.ADDRESS.findall(page) if a.endswith(REPOSITORY.split("/")[-1])
        } == {REPOSITORY}


def test_one_command_moves_all_of_it_and_back(tree):
    before = {path: path.read_bytes() for path in address.copies(tree)}
    assert set(address.point(tree, ELSEWHERE, "v9.8.7")) == set(before)
    for path in before:
        text = path.read_text()
        assert REPOSITORY not in text and address.site(REPOSITORY) not in text and ELSEWHERE in text
    assert address.repository(tree) == ELSEWHERE and address.reference(tree) == "v9.8.7"
    for path in sorted((tree / "notebooks").iterdir()):
        assert f"git+{ELSEWHERE}@v9.8.7" in path.read_text()
    config = yaml.safe_load((tree / "_config.yml").read_text())
    assert config["repository"] == {"url": ELSEWHERE, "branch": "v9.8.7"}
    assert config["html"]["baseurl"] == "https://some-one.github.io/another-name/"
    address.point(tree, REPOSITORY, REFERENCE)
    assert {path: path.read_bytes() for path in before} == before


def test_a_name_that_begins_like_the_old_one(tree):
    longer = f"{REPOSITORY}-2"
    address.point(tree, longer, REFERENCE)
    address.point(tree, longer, REFERENCE)
    assert not any("-2-2" in path.read_text() for path in address.copies(tree))


@pytest.mark.parametrize(
    "given",
    [
        ELSEWHERE,
        f"{ELSEWHERE}.git",
        f"{ELSEWHERE}/",
        f" {ELSEWHERE}\n",
        "git@github.com:some-one/another-name.git",
        "ssh://git@github.com/some-one/another-name",
    ],
)
def test_forms_of_an_address(given):
    assert address.plain(given) == ELSEWHERE


@pytest.mark.parametrize(
    "given", ["", "some-one/another-name", "https://example.org/a/b", "https://github.com/one"]
)
def test_addresses_that_colab_cannot_open(given):
    with pytest.raises(ValueError, match="https://github.com/owner/name is needed"):
        address.plain(given)


def test_what_is_published_is_opened(tmp_path):
    wanted = address.published(ROOT)
    assert (
        f"{address.site(REPOSITORY)}book/index.html" in wanted
        and len(wanted) == len(set(wanted)) > 20
    )
    (tmp_path / "here.html").write_text("here")
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    handler.log_message = lambda *arguments: None
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    found = address.missing([f"{base}/here.html", f"{base}/gone.html", "http://127.0.0.1:9/"])
    server.shutdown()
    assert (
        set(found) == {f"{base}/gone.html", "http://127.0.0.1:9/"}
        and "404" in found[f"{base}/gone.html"]
    )


def test_a_release_is_of_one_commit(tree):
    new = "9.8.7"
    (tree / "CHANGELOG.md").write_text(f"# Changes\n\n## {new}\n\n- All.\n")
    assert release.faults(tree, new) == ["there are changes that are not committed"]
    release.git(tree, "commit", "-qam", "changes")
    assert release.faults(tree, new) == []
    release.release(tree, new)
    assert release.git(tree, "status", "--porcelain") == ""
    assert release.version(tree) == new and address.reference(tree) == REFERENCE
    assert f"version: {new}" in (tree / "CITATION.cff").read_text()
    release.git(tree, "checkout", "-q", f"v{new}")
    assert release.version(tree) == new and address.reference(tree) == f"v{new}"
    for path in sorted((tree / "notebooks").iterdir()):
        assert f"git+{REPOSITORY}@v{new}" in path.read_text()


def test_what_stops_a_release(tree):
    assert any("no version" in fault for fault in release.faults(tree, "one"))
    assert any(
        "CHANGELOG.md has no section ## 9.8.7" in fault for fault in release.faults(tree, "9.8.7")
    )
    assert any("older than" in fault for fault in release.faults(tree, "0.0.1"))
    release.git(tree, "tag", "v9.8.7")
    assert any("there already" in fault for fault in release.faults(tree, "9.8.7"))
    release.git(tree, "checkout", "-qb", "aside")
    assert any("and this is aside" in fault for fault in release.faults(tree, "9.8.7"))
    (tree / "CITATION.cff").write_text("version: 0.0.0\n")
    assert any("CITATION.cff does not say" in fault for fault in release.faults(tree, "9.8.7"))
