"""What is installed in this environment, by the metadata of the distributions themselves, and
environments to which it lends some of that."""

import subprocess
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def needed(requirements: Iterable[str], without: str = "") -> set[str]:
    """Names of all distributions that `requirements` lead to, as what is installed declares it; the
    distribution `without`, and what only it needs, is left out."""
    found, todo = set(), [Requirement(text) for text in requirements]
    while todo:
        wanted = todo.pop()
        marks = [{"extra": extra} for extra in (wanted.extras or {""})]
        name = canonicalize_name(wanted.name)
        if name == without or (name, frozenset(wanted.extras)) in found:
            continue
        found.add((name, frozenset(wanted.extras)))
        for text in metadata.requires(name) or ():
            child = Requirement(text)
            if child.marker is None or any(child.marker.evaluate(mark) for mark in marks):
                todo.append(child)
    return {name for name, _ in found}


def lend(name: str, venv: Path) -> None:
    """Let an environment have a distribution of this one, by links to its files."""
    (site,) = venv.glob("lib/python3*/site-packages")
    here = metadata.distribution(name)
    for top in {file.parts[0] for file in here.files or () if file.parts[0] != ".."}:
        link = site / top
        if not link.exists() and top != "__pycache__":
            link.symlink_to(Path(str(here.locate_file(top))))


def make_venv(venv: Path, *distributions: str) -> Path:
    """A new environment with distributions of this one; returns its python. To let Python unpack
    pip there would take seconds."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    for name in distributions:
        lend(name, venv)
    return venv / "bin" / "python"
