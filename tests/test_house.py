"""The house of the code: which way imports point, one name for one thing, and that what is shown
runs."""

import ast
import pkgutil
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import helpers
from helpers import phases
from helpers.protocols import PROTOCOLS
from musicbook.corpus import sources

SRC = Path(helpers.__file__).parents[1]
CHAPTERS = "musicbook.chapters."
MAY = {  # package or folder -> those of ours that it may import, itself aside
    "leakaudit": set(),
    "helpers": {"leakaudit"},
    "musicbook.corpus": {"helpers", "leakaudit"},
    "musicbook.stored_runs": {"helpers", "musicbook.corpus"},
    "musicbook.named_values": {"helpers", "musicbook.corpus", "musicbook.stored_runs"},
}
COMMON = set(MAY)  # below all chapters


def trees() -> dict[str, ast.Module]:
    """Dotted name of a module -> its tree."""
    found = {}
    for path in sorted(SRC.rglob("*.py")):
        name = ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__")
        found[name] = ast.parse(path.read_text())
    return found


def imported(tree: ast.Module, known: set[str]) -> set[str]:
    """Our modules that one imports, inside functions too."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the whole path"
            wholes = [f"{node.module}.{alias.name}" for alias in node.names]
            found |= {whole if whole in known else node.module for whole in wholes}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found & known


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    modules = trees()
    return {name: imported(tree, set(modules)) - {name} for name, tree in modules.items()}


def room(module: str) -> str:
    """The package, or the folder of `musicbook`, that a module lies in; a chapter is a room."""
    parts = module.split(".")
    if parts[0] != "musicbook":
        return parts[0]
    return ".".join(parts[:3] if module.startswith(CHAPTERS) else parts[:2])


def test_arrows_point_one_way(graph):
    wrong = []
    for name, targets in graph.items():
        rooms = {room(target) for target in targets} - {room(name)}
        if room(name) in MAY:
            rooms -= MAY[room(name)]
        elif room(name).startswith(CHAPTERS):
            rooms -= COMMON | {other for other in rooms if other.startswith(CHAPTERS)}
        else:  # what lies above the chapters
            rooms = set()
        wrong += [f"{name} -> {target}" for target in rooms]
    assert not wrong


def circles(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """What is left of a graph when all that lies on no circle, and imports none that does, is
    gone."""
    left = dict(edges)
    while free := [name for name, targets in left.items() if not targets & set(left)]:
        for name in free:
            del left[name]
    return left


def test_there_is_no_circle_of_modules_or_of_rooms(graph):
    assert not circles(graph)
    rooms: dict[str, set[str]] = {}
    for name, targets in graph.items():
        here = rooms.setdefault(room(name), set())
        here |= {room(target) for target in targets} - {room(name)}
    rooms.pop("musicbook", None)  # the empty package
    assert not circles(rooms)


def test_a_circle_is_found():
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}).keys() == {"a", "b", "c"}


@pytest.mark.parametrize("package", ["helpers", "leakaudit"])
def test_no_two_public_names_of_a_package_are_equal(package):
    """A reader who meets a name knows where it is defined. `main` is what a command starts."""
    names: Counter = Counter()
    for module, tree in trees().items():
        if module.split(".")[0] == package:
            kinds = (ast.ClassDef, ast.FunctionDef)
            defined = {node.name for node in tree.body if isinstance(node, kinds)}
            names.update(name for name in defined if not name.startswith("_"))
    assert len(names) > 30
    assert not {name for name, count in names.items() if count > 1 and name != "main"}


def test_rules_are_kept_where_no_tool_looks():
    """No line asks the formatter or the rules to look away for its length or form."""
    asked = re.compile(r"#\s*fmt:\s*(skip|off)|noqa:.*(E501|C901)")
    paths = [*SRC.rglob("*.py"), *(SRC.parent / "notebooks").glob("*.py")]
    assert not [str(path) for path in paths if asked.search(path.read_text())]


def included() -> set[tuple[str, str]]:
    """(file below the package, function or class) of every piece of code that a page prints."""
    pattern = re.compile(r"literalinclude\} \.\./src/(\S+)\n:language: python\n:pyobject: (\w+)")
    pages = (SRC.parent / "book").glob("*.md")
    return {found for page in pages for found in pattern.findall(page.read_text())}


def test_every_piece_of_code_that_a_page_prints_is_executed_by_a_run(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    from dataclasses import replace

    from helpers import tables
    from musicbook.chapters.collapse import battery

    small = {
        name: recipe.but(hidden=(8,), latent=3, epochs=2, anneal="none")
        for name, recipe in PROTOCOLS["controlled"].recipes.items()
    }
    monkeypatch.setitem(PROTOCOLS, "controlled", replace(PROTOCOLS["controlled"], recipes=small))
    tracks = sources.load("gtzan-mini-tracks")
    ran: set[tuple[str, str]] = set()

    def watch(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(SRC)):
            place = str(Path(code.co_filename).relative_to(SRC))
            ran.update((place, part) for part in code.co_qualname.split(".<locals>")[0].split("."))

    shown = included()
    assert len(shown) >= 6
    sys.setprofile(watch)
    try:
        for phase in (1, 2, 3):
            run = phases.run_phase(tracks, "controlled", phase, seeds=1, n_jobs=1)
        fit = run.fits[0]["cvae"]
        str(battery.diagnose(fit.model(), run.inputs[0].X, tracks.genre_codes))
        tables.beside_paper(run.scores.assign(dataset="gtzan"), 3)
    finally:
        sys.setprofile(None)
    assert np.isfinite(fit.mu).all()
    assert not shown - ran, f"printed, but not run: {sorted(shown - ran)}"


def test_the_walks_through_the_code_name_what_is_there():
    """CONTRIBUTING leads from a file of sound to a number, and to a new metric, by names."""
    text = (SRC.parent / "CONTRIBUTING.md").read_text()
    walks = text.split("## Two walks through the code")[1].split("\n## ")[0]
    names = re.findall(r"`((?:helpers|musicbook)\.[\w.]+)`", walks)
    assert len(names) >= 12
    for name in names:
        assert pkgutil.resolve_name(name) is not None  # AttributeError where it is gone
