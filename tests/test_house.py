"""The house of the package: which way imports point, one name for one thing, its size, and that what is shown runs."""

import ast
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from helpers import datasets, phases
from helpers.protocols import PROTOCOLS

PACKAGE = Path(datasets.__file__).parent
WINGS = {"audit", "collapse", "published", "pairing", "corpus", "widgets", "commands"}
MAY = {  # wing -> wings it may import; the core imports none of them
    "": set(), "audit": set(), "collapse": set(), "pairing": set(), "corpus": set(),
    "published": {"audit", "collapse", "pairing", "corpus"},
    "widgets": {"corpus"}, "commands": {"audit", "corpus", "widgets"},
}  # fmt: skip
LAZY = ("datasets", "corpus.")  # the one place where the core reaches into a wing: files of a reader, the synthetic set


def modules() -> dict[str, ast.Module]:
    """Dotted name below `helpers` -> its tree."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")
        found[name] = ast.parse(path.read_text())
    return found


def imports(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    """The modules of the package that one imports, inside functions too."""
    found = set()
    package = name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("helpers")):
            base = package.rpartition(".")[0] if node.level == 2 else package if node.level else ""
            stem = ".".join(filter(None, [base, (node.module or "").removeprefix("helpers").lstrip(".")]))
            for alias in node.names:
                whole = ".".join(filter(None, [stem, alias.name]))
                found.add(whole if whole in known else stem)
    return found - {"", name}


@pytest.fixture(scope="module")
def graph() -> dict[str, set[str]]:
    trees = modules()
    edges = {name: imports(name, tree, set(trees)) for name, tree in trees.items() if name not in ("", "__main__")}
    edges[LAZY[0]] = {to for to in edges[LAZY[0]] if not to.startswith(LAZY[1])}
    return edges


def wing(name: str) -> str:
    return name.partition(".")[0] if name.partition(".")[0] in WINGS else ""


def test_arrows_point_one_way(graph):
    wrong = [f"{name} -> {to}" for name, targets in graph.items() for to in targets
             if wing(to) and wing(to) != wing(name) and wing(to) not in MAY[wing(name)]]  # fmt: skip
    assert not wrong


def test_there_is_no_circle(graph):
    left = dict(graph)
    while free := [name for name, targets in left.items() if not targets & set(left)]:
        for name in free:
            del left[name]
    assert not left, f"these import each other in a circle: {sorted(left)}"


def test_no_module_class_and_function_share_a_name():
    trees = modules()
    names = Counter({name.rpartition(".")[2] for name in trees if name})
    for name, tree in trees.items():
        if name != "__main__":
            names.update(n.name for n in tree.body if isinstance(n, (ast.ClassDef, ast.FunctionDef))
                         and not n.name.startswith("_") and n.name in names)  # fmt: skip
    assert not [name for name, times in names.items() if times > 1]


def test_the_core_stays_small():
    """What a newcomer has to read; the aim is 3,000 lines for the core. Lower these numbers."""
    lines = {path: len(path.read_text().splitlines()) for path in PACKAGE.rglob("*.py")}
    assert sum(n for path, n in lines.items() if path.parent == PACKAGE) <= 3899
    assert not [path.name for path, n in lines.items() if n > 420], "cut these modules in two"


def included() -> set[tuple[str, str]]:
    """(file below the package, function or class) of every piece of code that a page prints."""
    pattern = re.compile(r"literalinclude\} \.\./src/helpers/(\S+)\n:language: python\n:pyobject: (\w+)")
    pages = (PACKAGE.parents[1] / "book").glob("*.md")
    return {found for page in pages for found in pattern.findall(page.read_text())}


def test_every_piece_of_code_that_a_page_prints_is_executed_by_a_run(monkeypatch, tmp_path):
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path))
    from dataclasses import replace

    from helpers import tables
    from helpers.collapse import battery

    small = {name: recipe.but(hidden=(8,), latent=3, epochs=2, anneal="none") for name, recipe in
             PROTOCOLS["controlled"].recipes.items()}  # fmt: skip
    monkeypatch.setitem(PROTOCOLS, "controlled", replace(PROTOCOLS["controlled"], recipes=small))
    tracks = datasets.load("gtzan-mini-tracks")
    ran: set[tuple[str, str]] = set()

    def watch(frame, event, _):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)):
            place = str(Path(code.co_filename).relative_to(PACKAGE))
            ran.update((place, part) for part in code.co_qualname.split(".<locals>")[0].split("."))

    shown = included()
    assert len(shown) >= 6
    sys.setprofile(watch)
    try:
        for phase in (1, 2, 3):
            run = phases.run(tracks, "controlled", phase, seeds=1, n_jobs=1)
        fit = run.fits[0]["cvae"]
        str(battery.diagnose(fit.model(), run.inputs[0].X, tracks.genre_codes))
        tables.beside_paper(run.scores.assign(dataset="gtzan"), 3)
    finally:
        sys.setprofile(None)
    assert np.isfinite(fit.mu).all()
    assert not shown - ran, f"printed, but not run: {sorted(shown - ran)}"
