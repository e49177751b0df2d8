"""What is installed in this environment, by the metadata of the distributions themselves."""

from collections.abc import Iterable
from importlib import metadata

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
